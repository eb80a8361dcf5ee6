/*
 * error: every way a call can end, with its text, its errno and what the owner of a connection
 * does about it.
 *
 * Layer:   base.
 *
 * One table makes the enum, the names, the texts and the fates, so that no caller invents policy.
 */
#ifndef MCQ_BASE_ERROR_H
#define MCQ_BASE_ERROR_H

#include "base/attr.h"

/* Where errno has no word: the numbers that ZeroMQ programs know as EFSM, ENOCOMPATPROTO, ETERM
 * and EMTHREAD. */
#define MCQ_ERRNO_STATE 156384763
#define MCQ_ERRNO_TRANSPORT 156384764
#define MCQ_ERRNO_TERMINATED 156384765
#define MCQ_ERRNO_THREADS 156384766

/* name, text, errno, fate. Values are stable: new rows go to the end. */
#define MCQ_ERR_TABLE(X)                                                                           \
    X(OK, "done", 0, NONE)                                                                         \
    X(AGAIN, "needs more input", EAGAIN, NONE)                                                     \
    X(BUSY, "its pending output must leave first", EBUSY, NONE)                                    \
    X(NOMEM, "out of memory", ENOMEM, DROP_PEER)                                                   \
    X(INVAL, "argument outside its range", EINVAL, CALLER)                                         \
    X(STATE, "call out of turn", MCQ_ERRNO_STATE, CALLER)                                          \
    X(PROTO, "peer broke the protocol", EPROTO, GIVE_UP)                                           \
    X(LIMIT, "peer exceeded a limit", EMSGSIZE, GIVE_UP)                                           \
    X(REFUSED, "peer refused the handshake", ECONNREFUSED, GIVE_UP)                                \
    X(MISMATCH, "peer does not fit this socket", EPROTO, GIVE_UP)                                  \
    X(TIMEOUT, "deadline passed", ETIMEDOUT, DROP_PEER)                                            \
    X(CLOSED, "peer closed the connection", ECONNRESET, DROP_PEER)                                 \
    X(NOT_SUPPORTED, "not for this type of socket", ENOTSUP, CALLER)                               \
    X(NO_ROUTE, "no peer has this routing id", EHOSTUNREACH, CALLER)                               \
    X(TERMINATED, "the context is shutting down", MCQ_ERRNO_TERMINATED, CALLER)                    \
    X(INTERRUPTED, "a signal handler ran", EINTR, CALLER)                                          \
    X(NOT_OPEN, "not an open socket", ENOTSOCK, CALLER)                                            \
    X(NOT_FOUND, "no such endpoint", ENOENT, CALLER)                                               \
    X(IN_USE, "the address is in use", EADDRINUSE, CALLER)                                         \
    X(NOT_LOCAL, "the address is not of this machine", EADDRNOTAVAIL, CALLER)                      \
    X(DENIED, "not allowed", EACCES, CALLER)                                                       \
    X(NO_FDS, "no descriptors are left", EMFILE, CALLER)                                           \
    X(TOO_LONG, "the name is too long", ENAMETOOLONG, CALLER)                                      \
    X(FORKED, "opened by the process that this one was forked from", ENOTSOCK, CALLER)             \
    X(FULL, "peer took too little of what waited for it", ENOBUFS, DROP_PEER)                      \
    X(CROWDED, "too many connections from its address", EUSERS, DROP_PEER)                         \
    X(TRANSPORT, "this transport is not for this type of socket", MCQ_ERRNO_TRANSPORT, CALLER)     \
    X(NO_THREAD, "AFFINITY names no thread of the context", MCQ_ERRNO_THREADS, CALLER)

enum mcq_err {
#define MCQ_ERR_ENUM(name, text, number, fate) MCQ_##name,
    MCQ_ERR_TABLE(MCQ_ERR_ENUM)
#undef MCQ_ERR_ENUM
        MCQ_ERR_COUNT
};

/* What follows from an error for the connection it happened on. */
enum mcq_fate {
    MCQ_FATE_NONE,      /* not a failure */
    MCQ_FATE_CALLER,    /* the caller's mistake; the connection is untouched */
    MCQ_FATE_DROP_PEER, /* close; a connecting side comes back */
    MCQ_FATE_GIVE_UP,   /* close; coming back would meet the same refusal */
};

/* Never NULL, whatever the value. */
const char *mcq_err_name(enum mcq_err err);
const char *mcq_err_text(enum mcq_err err);
/* The closest errno, 0 for MCQ_OK. */
int mcq_err_errno(enum mcq_err err);
enum mcq_fate mcq_err_fate(enum mcq_err err);

/* Passes an error up where nothing needs undoing. */
#define MCQ_TRY(call)                                                                              \
    do {                                                                                           \
        enum mcq_err mcq_try_err_ = (call);                                                        \
        if (MCQ_UNLIKELY(mcq_try_err_ != MCQ_OK))                                                  \
            return mcq_try_err_;                                                                   \
    } while (0)

#endif
