#include <compat/zmq.h>
#include <monocoque.h>
#include <string.h>

struct text {
    int number;
    const char *text;
};

/* Those that the system's strerror does not know, or has other words for; bindings compare them. */
static const struct text texts[] = {
    {EFSM, "Operation cannot be accomplished in current state"},
    {ENOCOMPATPROTO, "The protocol is not compatible with the socket type"},
    {ETERM, "Context was terminated"},
    {EMTHREAD, "No thread available"},
    {EHOSTUNREACH, "Host unreachable"},
};

int zmq_errno(void)
{
    return errno;
}

const char *zmq_strerror(int errnum)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].number == errnum)
            return texts[i].text;
    return mcq_strerror(errnum);
}

void zmq_version(int *major, int *minor, int *patch)
{
    *major = ZMQ_VERSION_MAJOR;
    *minor = ZMQ_VERSION_MINOR;
    *patch = ZMQ_VERSION_PATCH;
}

int zmq_has(const char *capability)
{
    static const char *const has[] = {"ipc", "curve"};

    for (size_t i = 0; i < sizeof has / sizeof has[0]; i++)
        if (strcmp(capability, has[i]) == 0)
            return 1;
    return 0;
}
