/* mcq doctor: whether this machine lets the library do its work, and what to do if not. */

#include <errno.h>
#include <limits.h>
#include <monocoque.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tool/tool.h"

#define PATIENCE_MS 5000
#define FDS_FEW 4096
#define TEXT_BYTES 256

enum verdict { GOOD, WARNING, BAD };

/* One thing that is looked at: what it came to goes into the text. */
struct check {
    const char *name;
    enum verdict (*look)(char text[TEXT_BYTES]);
    const char *way_out;
};

static enum verdict look_at_kernel(char text[TEXT_BYTES])
{
    struct utsname name;

    if (uname(&name) != 0)
        return BAD;
    (void) snprintf(text, TEXT_BYTES, "%.60s %.60s %.60s", name.sysname, name.release,
                    name.machine);
    return GOOD;
}

static enum verdict look_at_engine(char text[TEXT_BYTES])
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = context != NULL ? mcq_socket(context, MCQ_PAIR) : NULL;
    const char *why = NULL;
    const char *engine = context != NULL ? mcq_ctx_engine(context, &why) : NULL;
    enum verdict verdict = socket == NULL || engine == NULL ? BAD : why != NULL ? WARNING : GOOD;

    (void) snprintf(text, TEXT_BYTES, "%.20s%s%.200s", engine != NULL ? engine : "",
                    why != NULL ? "; io_uring: " : "",
                    socket == NULL ? mcq_last_error()
                    : why != NULL  ? why
                                   : "");
    if (socket != NULL)
        (void) mcq_close(socket);
    if (context != NULL)
        (void) mcq_ctx_term(context, PATIENCE_MS);
    return verdict;
}

static enum verdict look_at_fds(char text[TEXT_BYTES])
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return BAD;
    (void) snprintf(text, TEXT_BYTES, "%llu, at most %llu", (unsigned long long) limit.rlim_cur,
                    (unsigned long long) limit.rlim_max);
    return limit.rlim_cur >= FDS_FEW ? GOOD : WARNING;
}

/* A question and its answer. -1, and mcq_last_error says why. */
static int talk(struct mcq_socket *rep, struct mcq_socket *req, const char *endpoint)
{
    char where[TEXT_BYTES];
    size_t len = sizeof where;
    char room[4];

    if (mcq_set(rep, MCQ_OPT_RCVTIMEO, PATIENCE_MS) != 0 ||
        mcq_set(req, MCQ_OPT_RCVTIMEO, PATIENCE_MS) != 0 || mcq_set(req, MCQ_OPT_LINGER, 0) != 0 ||
        mcq_bind(rep, endpoint) != 0 ||
        mcq_get_bytes(rep, MCQ_OPT_LAST_ENDPOINT, where, &len) != 0 ||
        mcq_connect(req, where) != 0 || mcq_send(req, "?", 1, 0) != 0)
        return -1;
    if (mcq_recv(rep, room, sizeof room, 0) != 1 || mcq_send(rep, "!", 1, 0) != 0)
        return -1;
    return mcq_recv(req, room, sizeof room, 0) == 1 ? 0 : -1;
}

static enum verdict look_at(const char *endpoint, char text[TEXT_BYTES])
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *rep = context != NULL ? mcq_socket(context, MCQ_REP) : NULL;
    struct mcq_socket *req = rep != NULL ? mcq_socket(context, MCQ_REQ) : NULL;
    enum verdict verdict = req != NULL && talk(rep, req, endpoint) == 0 ? GOOD : BAD;

    (void) snprintf(text, TEXT_BYTES, "%.200s",
                    verdict == GOOD ? "a question was answered" : mcq_last_error());
    if (req != NULL)
        (void) mcq_close(req);
    if (rep != NULL)
        (void) mcq_close(rep);
    if (context != NULL)
        (void) mcq_ctx_term(context, PATIENCE_MS);
    return verdict;
}

static enum verdict look_at_tcp(char text[TEXT_BYTES])
{
    return look_at("tcp://127.0.0.1:*", text);
}

static enum verdict look_at_ipc(char text[TEXT_BYTES])
{
    return look_at("ipc://*", text);
}

static enum verdict look_at_keys(char text[TEXT_BYTES])
{
    char public_key[MCQ_KEY_TEXT_BYTES];
    char secret_key[MCQ_KEY_TEXT_BYTES];
    enum verdict verdict = mcq_curve_keypair(public_key, secret_key) == 0 ? GOOD : BAD;

    explicit_bzero(secret_key, sizeof secret_key);
    (void) snprintf(text, TEXT_BYTES, "%.200s",
                    verdict == GOOD ? "keys can be made" : mcq_last_error());
    return verdict;
}

static enum verdict look_at_drop_in(char text[TEXT_BYTES])
{
    char folder[PATH_MAX];

    if (!mcq_tool_find_library(folder)) {
        (void) snprintf(text, TEXT_BYTES, "libzmq.so.5 is not beside this program");
        return WARNING;
    }
    (void) snprintf(text, TEXT_BYTES, "%.200s/libzmq.so.5", folder);
    return GOOD;
}

static const struct check checks[] = {
    {"system", look_at_kernel, ""},
    {"engine", look_at_engine,
     "it works, slower; allow io_uring (sysctl kernel.io_uring_disabled, the container's seccomp "
     "profile, ulimit -l), or set MONOCOQUE_ENGINE=epoll to be told no more"},
    {"descriptors", look_at_fds, "each peer takes one: ulimit -n"},
    {"tcp", look_at_tcp, "look at the loopback interface (ip link) and the firewall"},
    {"ipc", look_at_ipc, "set TMPDIR to a folder that can be written"},
    {"curve", look_at_keys, "the system gives no random octets"},
    {"drop-in", look_at_drop_in, "mcq run will not work; install all of Monocoque"},
};

int mcq_tool_doctor(int argc, char **argv)
{
    static const char *const words[] = {"ok", "warning", "FAILED"};
    int status = TOOL_DONE;

    if (argc > 1) {
        (void) mcq_tool_fail("doctor %s: it takes no arguments", argv[1]);
        return TOOL_USAGE;
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        char text[TEXT_BYTES] = "";
        enum verdict verdict = checks[i].look(text);

        (void) printf("%-8s %-12s %s\n", words[verdict], checks[i].name, text);
        if (verdict != GOOD && checks[i].way_out[0] != '\0')
            (void) printf("%21s -> %s\n", "", checks[i].way_out);
        if (verdict == BAD)
            status = TOOL_FAILED;
    }
    return status;
}
