/*
 * table: what each operation can end in, and which errno says so.
 *
 * Layer:   reactor.
 *
 * One row for each operation and result. The real engines translate errno by it, once; the
 * simulated one takes its choices from it. A result without a row cannot happen: what the kernel
 * says beyond the table is BROKEN, which every operation has.
 */
#ifndef MCQ_REACTOR_TABLE_H
#define MCQ_REACTOR_TABLE_H

#include <errno.h>

/* Results, with what they mean for whoever asked. */
#define MCQ_IO_RESULT_TABLE(X)                                                                     \
    X(DONE, "done")                                                                                \
    X(AGAIN, "not now; a poll tells when")                                                         \
    X(END, "the peer sends no more")                                                               \
    X(RESET, "the connection is gone")                                                             \
    X(REFUSED, "nobody listens there")                                                             \
    X(UNREACHABLE, "no way there")                                                                 \
    X(TIMED_OUT, "no answer in time")                                                              \
    X(IN_USE, "the address is in use")                                                             \
    X(NOT_LOCAL, "the address is not of this machine")                                             \
    X(DENIED, "not allowed")                                                                       \
    X(NO_FDS, "no descriptors are left")                                                           \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(ABORTED, "the connection ended before it was accepted")                                      \
    X(CANCELED, "canceled")                                                                        \
    X(BROKEN, "failed in a way that has no row")

enum mcq_io_result {
#define MCQ_IO_ENUM(name, text) MCQ_IO_##name,
    MCQ_IO_RESULT_TABLE(MCQ_IO_ENUM)
#undef MCQ_IO_ENUM
        MCQ_IO_RESULT_COUNT
};

enum mcq_io_operation {
    MCQ_IO_OP_LISTEN,
    MCQ_IO_OP_ACCEPT,
    MCQ_IO_OP_CONNECT,
    MCQ_IO_OP_CONNECTED,
    MCQ_IO_OP_RECV,
    MCQ_IO_OP_SEND,
    MCQ_IO_OP_POLL,
    MCQ_IO_OP_TIMER,
    MCQ_IO_OP_COUNT
};

/* Operation, result, errno: 0 where the result is not said by one. */
#define MCQ_IO_TABLE(X)                                                                            \
    X(LISTEN, DONE, 0)                                                                             \
    X(LISTEN, IN_USE, EADDRINUSE)                                                                  \
    X(LISTEN, NOT_LOCAL, EADDRNOTAVAIL)                                                            \
    X(LISTEN, DENIED, EACCES)                                                                      \
    X(LISTEN, NO_FDS, EMFILE)                                                                      \
    X(LISTEN, NO_FDS, ENFILE)                                                                      \
    X(LISTEN, NO_MEMORY, ENOBUFS)                                                                  \
    X(LISTEN, NO_MEMORY, ENOMEM)                                                                   \
    X(LISTEN, BROKEN, 0)                                                                           \
    X(ACCEPT, DONE, 0)                                                                             \
    X(ACCEPT, AGAIN, EAGAIN)                                                                       \
    X(ACCEPT, NO_FDS, EMFILE)                                                                      \
    X(ACCEPT, NO_FDS, ENFILE)                                                                      \
    X(ACCEPT, NO_MEMORY, ENOBUFS)                                                                  \
    X(ACCEPT, NO_MEMORY, ENOMEM)                                                                   \
    X(ACCEPT, ABORTED, ECONNABORTED)                                                               \
    X(ACCEPT, ABORTED, EPROTO)                                                                     \
    X(ACCEPT, ABORTED, ENETDOWN)                                                                   \
    X(ACCEPT, DENIED, EPERM)                                                                       \
    X(ACCEPT, BROKEN, 0)                                                                           \
    X(CONNECT, DONE, 0)                                                                            \
    X(CONNECT, AGAIN, EINPROGRESS)                                                                 \
    X(CONNECT, REFUSED, ECONNREFUSED)                                                              \
    X(CONNECT, UNREACHABLE, ENETUNREACH)                                                           \
    X(CONNECT, UNREACHABLE, EHOSTUNREACH)                                                          \
    X(CONNECT, NOT_LOCAL, EADDRNOTAVAIL)                                                           \
    X(CONNECT, IN_USE, EADDRINUSE)                                                                 \
    X(CONNECT, DENIED, EACCES)                                                                     \
    X(CONNECT, DENIED, EPERM)                                                                      \
    X(CONNECT, NO_FDS, EMFILE)                                                                     \
    X(CONNECT, NO_FDS, ENFILE)                                                                     \
    X(CONNECT, NO_MEMORY, ENOBUFS)                                                                 \
    X(CONNECT, NO_MEMORY, ENOMEM)                                                                  \
    X(CONNECT, BROKEN, 0)                                                                          \
    X(CONNECTED, DONE, 0)                                                                          \
    X(CONNECTED, REFUSED, ECONNREFUSED)                                                            \
    X(CONNECTED, UNREACHABLE, ENETUNREACH)                                                         \
    X(CONNECTED, UNREACHABLE, EHOSTUNREACH)                                                        \
    X(CONNECTED, TIMED_OUT, ETIMEDOUT)                                                             \
    X(CONNECTED, RESET, ECONNRESET)                                                                \
    X(CONNECTED, BROKEN, 0)                                                                        \
    X(RECV, DONE, 0)                                                                               \
    X(RECV, AGAIN, EAGAIN)                                                                         \
    X(RECV, END, 0)                                                                                \
    X(RECV, RESET, ECONNRESET)                                                                     \
    X(RECV, RESET, EPIPE)                                                                          \
    X(RECV, TIMED_OUT, ETIMEDOUT)                                                                  \
    X(RECV, UNREACHABLE, EHOSTUNREACH)                                                             \
    X(RECV, UNREACHABLE, ENETDOWN)                                                                 \
    X(RECV, NO_MEMORY, ENOMEM)                                                                     \
    X(RECV, BROKEN, 0)                                                                             \
    X(SEND, DONE, 0)                                                                               \
    X(SEND, AGAIN, EAGAIN)                                                                         \
    X(SEND, RESET, ECONNRESET)                                                                     \
    X(SEND, RESET, EPIPE)                                                                          \
    X(SEND, TIMED_OUT, ETIMEDOUT)                                                                  \
    X(SEND, UNREACHABLE, EHOSTUNREACH)                                                             \
    X(SEND, UNREACHABLE, ENETDOWN)                                                                 \
    X(SEND, NO_MEMORY, ENOBUFS)                                                                    \
    X(SEND, NO_MEMORY, ENOMEM)                                                                     \
    X(SEND, BROKEN, 0)                                                                             \
    X(POLL, DONE, 0)                                                                               \
    X(POLL, CANCELED, ECANCELED)                                                                   \
    X(POLL, NO_MEMORY, ENOMEM)                                                                     \
    X(POLL, BROKEN, 0)                                                                             \
    X(TIMER, DONE, 0)                                                                              \
    X(TIMER, CANCELED, 0)

struct mcq_io_row {
    enum mcq_io_operation operation;
    enum mcq_io_result result;
    int number; /* errno, or 0 */
};

/* The rows of an operation lie together; *count of them. */
const struct mcq_io_row *mcq_io_rows(enum mcq_io_operation operation, unsigned *count);

/* What an errno means for this operation; BROKEN when no row has it. */
enum mcq_io_result mcq_io_result_of(enum mcq_io_operation operation, int number);

/* Never NULL, whatever the value. */
const char *mcq_io_result_text(enum mcq_io_result result);

#endif
