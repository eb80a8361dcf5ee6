/*
 * compat: what the files of the drop-in library share: contexts, sockets and messages as libzmq's
 * callers hold them.
 *
 * Layer:   compat. The public calls of monocoque.h below, those of zmq.h above.
 * Threads: any. A context's own fields are guarded by its mutex, a socket's shadows by its own.
 * Bound:   as many contexts and sockets as were open at once. Their storage stays for the process:
 *          who names one that is closed is told so (ENOTSOCK, EFAULT), and touches no foreign
 *          memory.
 *
 *   FREE --zmq_ctx_new, zmq_socket--> LIVE --zmq_ctx_term, zmq_close--> FREE
 *
 * zmq_msg_t is struct mcq_message; its last octet, which the library leaves to us, tells whether a
 * message was begun and not closed.
 */
#ifndef MCQ_COMPAT_COMPAT_H
#define MCQ_COMPAT_COMPAT_H

#include <compat/zmq.h>
#include <monocoque.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "table/option.h"

#define ZMQ_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- contexts -------------------------------------------------------------------------------- */

struct zmq_context {
    _Atomic uint32_t mark; /* CONTEXT_LIVE */
    struct mcq_context *inner;
    pid_t pid; /* of who made it */
    pthread_mutex_t mutex;
    int values[MCQ_OPTION_ROWS]; /* of its options, as they were set; by row */
    struct zmq_context *next_free;
};

/* The context that a caller holds. NULL, and errno: it is none, or no more. */
struct zmq_context *zmq_context_of(void *handle);
/* Whether it was made by this process; what a fork has brought is not for use. */
bool zmq_is_own(const struct zmq_context *context);
int zmq_context_value(struct zmq_context *context, enum mcq_context_option_id id);

/* --- sockets --------------------------------------------------------------------------------- */

struct zmq_shadow; /* values of options that are only kept (compat/option.c) */

struct zmq_socket {
    _Atomic uint32_t mark; /* SOCKET_LIVE */
    int type;
    struct mcq_socket *inner;
    struct zmq_context *context;
    struct zmq_shadow *_Atomic shadow;
    struct mcq_socket *monitor; /* the end that is written; NULL: nobody listens */
    int monitor_kinds;
    pthread_mutex_t mutex; /* of shadow and monitor */
    struct zmq_socket *next_free;
};

#define ZMQ_SOCKET_LIVE UINT32_C(0x7c3a19f5)

/* The socket that a caller holds. NULL, and ENOTSOCK: it is none, or no more. */
static inline struct zmq_socket *zmq_socket_of(void *handle)
{
    struct zmq_socket *socket = handle;

    if (__builtin_expect(socket != NULL &&
                             atomic_load_explicit(&socket->mark, memory_order_relaxed) ==
                                 ZMQ_SOCKET_LIVE,
                         1))
        return socket;
    errno = ENOTSOCK;
    return NULL;
}

/* --- messages -------------------------------------------------------------------------------- */

#define ZMQ_MSG_MARK_AT 63
#define ZMQ_MSG_BEGUN 0x6c
#define ZMQ_MSG_COPIED 1 /* added: its body is shared */
#define ZMQ_MSG_ASKED 2  /* added: it holds its origin, whose texts the caller may have */
#define ZMQ_MSG_ENDED 0

static_assert(sizeof(zmq_msg_t) == sizeof(struct mcq_message), "one storage");

static inline struct mcq_message *zmq_message_of(const zmq_msg_t *msg)
{
    return (struct mcq_message *) (uintptr_t) msg;
}

static inline bool zmq_is_begun(const zmq_msg_t *msg)
{
    return msg != NULL &&
           (msg->_[ZMQ_MSG_MARK_AT] & ~(ZMQ_MSG_COPIED | ZMQ_MSG_ASKED)) == ZMQ_MSG_BEGUN;
}

static inline void zmq_set_mark(zmq_msg_t *msg, unsigned char mark)
{
    msg->_[ZMQ_MSG_MARK_AT] = mark;
}

/* Lets go of the origin, if it has asked for it: before the message changes hands. */
void zmq_forget_origin(zmq_msg_t *msg);

static inline void zmq_drop_origin(zmq_msg_t *msg)
{
    if (__builtin_expect((msg->_[ZMQ_MSG_MARK_AT] & ZMQ_MSG_ASKED) != 0, 0))
        zmq_forget_origin(msg);
}

/* --- options --------------------------------------------------------------------------------- */

/* Drops what a closed socket has kept. */
void zmq_shadow_drop(struct zmq_socket *socket);

/* --- monitors -------------------------------------------------------------------------------- */

/* Ends the one that there is: its socket is closed. */
void zmq_monitor_end(struct zmq_socket *socket);

/* --- small ----------------------------------------------------------------------------------- */

/* -1, and errno. */
static inline int zmq_fail(int number)
{
    errno = number;
    return -1;
}

/* Lengths go out as int. */
static inline int zmq_int_of(size_t len)
{
    return len < INT32_MAX ? (int) len : INT32_MAX;
}

#endif
