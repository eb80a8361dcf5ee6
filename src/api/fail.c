#include "api/fail.h"

#include <errno.h>
#include <monocoque.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static_assert(MCQ_EFSM == MCQ_ERRNO_STATE, "one number, two names");
static_assert(MCQ_ENOCOMPATPROTO == MCQ_ERRNO_TRANSPORT && MCQ_EMTHREAD == MCQ_ERRNO_THREADS,
              "the same");
static_assert(MCQ_ETERM == MCQ_ERRNO_TERMINATED, "one number, two names");

#define SENTENCE_BYTES 512

/* A thread's last failure. Kept by thread as errno is, for the same reason. */
struct failure {
    bool is_pending; /* the sentence is still to be made of these three */
    enum mcq_call call;
    enum mcq_socket_type type;
    enum mcq_err err;
    char sentence[SENTENCE_BYTES];
    char number[128]; /* the text of an errno */
};
static _Thread_local struct failure last;

static const char *const call_names[] = {
    [MCQ_CALL_SEND] = "send",
    [MCQ_CALL_RECV] = "recv",
    [MCQ_CALL_RESERVE] = "reserve",
    [MCQ_CALL_POLL] = "poll",
    [MCQ_CALL_WAIT_PEERS] = "wait_peers",
    [MCQ_CALL_WAIT_SUBSCRIBERS] = "wait_subscribers",
    [MCQ_CALL_PEERS] = "peers",
    [MCQ_CALL_CLOSE_PEER] = "close_peer",
    [MCQ_CALL_STATS] = "stats",
    [MCQ_CALL_OTHER] = "call",
};

/* What an error means where the general text does not say enough. The first row that fits counts.
 */
struct text_row {
    enum mcq_err err;
    enum mcq_call call;        /* OTHER: any */
    enum mcq_socket_type type; /* NONE: any */
    const char *text;
};

static const struct text_row text_table[] = {
    {MCQ_AGAIN, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_NONE,
     "no peer has room: none is connected, or as many messages wait as SNDHWM allows"},
    {MCQ_BUSY, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_NONE,
     "a message was begun with SNDMORE, and its last part is due"},
    {MCQ_AGAIN, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_NONE, "no message has come"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_PEERS, MCQ_SOCKET_TYPE_PUB, "too few peers have subscribed in time"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_PEERS, MCQ_SOCKET_TYPE_XPUB, "too few peers have subscribed in time"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_PEERS, MCQ_SOCKET_TYPE_RADIO, "too few peers have joined in time"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_SUBSCRIBERS, MCQ_SOCKET_TYPE_RADIO,
     "too few peers have joined this group in time"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_SUBSCRIBERS, MCQ_SOCKET_TYPE_NONE,
     "too few peers have subscribed to this topic in time"},
    {MCQ_NOT_SUPPORTED, MCQ_CALL_WAIT_SUBSCRIBERS, MCQ_SOCKET_TYPE_NONE,
     "this type has no subscribers"},
    {MCQ_AGAIN, MCQ_CALL_WAIT_PEERS, MCQ_SOCKET_TYPE_NONE, "too few peers have connected in time"},
    {MCQ_STATE, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_REQ,
     "receive the reply to the last request first, or set REQ_RELAXED"},
    {MCQ_STATE, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_REP, "receive a request first"},
    {MCQ_STATE, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_REQ, "send a request first"},
    {MCQ_STATE, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_REP, "send the reply to the last request first"},
    {MCQ_CLOSED, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_REQ,
     "the peer went, and the reply with it; send the request again"},
    {MCQ_TIMEOUT, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_REQ,
     "no reply came in REQ_TIMEOUT, however often it was sent; send the request again"},
    {MCQ_INVAL, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_XSUB, "the topic is too long"},
    {MCQ_INVAL, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_NONE, "messages of this type have one part"},
    {MCQ_NO_ROUTE, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_SERVER, "no peer has the message's routing id"},
    {MCQ_NO_ROUTE, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_PEER, "no peer has the message's routing id"},
    {MCQ_NO_ROUTE, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_NONE,
     "no peer is connected that has the routing id in the first part"},
    {MCQ_NOT_SUPPORTED, MCQ_CALL_SEND, MCQ_SOCKET_TYPE_NONE, "this type only receives"},
    {MCQ_NOT_SUPPORTED, MCQ_CALL_RESERVE, MCQ_SOCKET_TYPE_NONE, "this type only receives"},
    {MCQ_NOT_SUPPORTED, MCQ_CALL_RECV, MCQ_SOCKET_TYPE_NONE, "this type only sends"},
    {MCQ_NOT_OPEN, MCQ_CALL_OTHER, MCQ_SOCKET_TYPE_NONE, "the socket is closed"},
    {MCQ_TERMINATED, MCQ_CALL_OTHER, MCQ_SOCKET_TYPE_NONE,
     "the context is shutting down; close the socket"},
    {MCQ_INTERRUPTED, MCQ_CALL_OTHER, MCQ_SOCKET_TYPE_NONE, "a signal handler ran; call again"},
};

const char *mcq_fail_text(enum mcq_call call, enum mcq_socket_type type, enum mcq_err err)
{
    for (size_t i = 0; i < MCQ_COUNTOF(text_table); i++) {
        const struct text_row *row = &text_table[i];

        if (row->err == err && (row->call == MCQ_CALL_OTHER || row->call == call) &&
            (row->type == MCQ_SOCKET_TYPE_NONE || row->type == type))
            return row->text;
    }
    return mcq_err_text(err);
}

int mcq_fail(int number, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the line above is not seen
    (void) vsnprintf(last.sentence, sizeof last.sentence, format, arguments);
    va_end(arguments);
    last.is_pending = false;
    errno = number;
    return -1;
}

int mcq_fail_null(const char *call, const char *parameter)
{
    return mcq_fail(EFAULT, "%s: %s is NULL", call, parameter);
}

enum mcq_socket_type mcq_fail_type(const struct mcq_socket *socket, enum mcq_err err)
{
    return err == MCQ_NOT_OPEN ? MCQ_SOCKET_TYPE_NONE
                               : atomic_load_explicit(&socket->type, memory_order_relaxed);
}

int mcq_fail_on(const struct mcq_socket *socket, enum mcq_call call, enum mcq_err err)
{
    last.is_pending = true;
    last.call = call;
    last.type = mcq_fail_type(socket, err);
    last.err = err;
    errno = mcq_err_errno(err);
    return -1;
}

const char *mcq_last_error(void)
{
    int number = errno;

    if (last.is_pending && last.type == MCQ_SOCKET_TYPE_NONE)
        (void) mcq_fail(number, "%s: %s", call_names[last.call],
                        mcq_fail_text(last.call, last.type, last.err));
    else if (last.is_pending)
        (void) mcq_fail(number, "%s on %s: %s", call_names[last.call],
                        mcq_socket_type_name(last.type),
                        mcq_fail_text(last.call, last.type, last.err));
    errno = number; /* whoever asks for one may ask for the other */
    return last.sentence;
}

const char *mcq_strerror(int number)
{
    if (number == MCQ_EFSM)
        return mcq_err_text(MCQ_STATE);
    if (number == MCQ_ETERM)
        return mcq_err_text(MCQ_TERMINATED);
    if (number == MCQ_ENOCOMPATPROTO)
        return mcq_err_text(MCQ_TRANSPORT);
    if (number == MCQ_EMTHREAD)
        return mcq_err_text(MCQ_NO_THREAD);
    if (strerror_r(number, last.number, sizeof last.number) != 0)
        (void) snprintf(last.number, sizeof last.number, "errno %d", number);
    return last.number;
}

void mcq_version(int *major, int *minor, int *patch)
{
    if (major != NULL)
        *major = MCQ_VERSION_MAJOR;
    if (minor != NULL)
        *minor = MCQ_VERSION_MINOR;
    if (patch != NULL)
        *patch = MCQ_VERSION_PATCH;
}
