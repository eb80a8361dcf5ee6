/*
 * table: what each operation can end in, and which errno says so.
 *
 * Layer:   reactor.
 *
 * One row for each operation and result. The real engines translate errno by it, once; the
 * simulated one takes its choices from it. A result without a row cannot happen: what the kernel
 * says beyond the table is BROKEN. The rows become the cases of a switch, one for each operation,
 * so an errno with two meanings, and an operation without rows, do not compile.
 */
#ifndef MCQ_REACTOR_TABLE_H
#define MCQ_REACTOR_TABLE_H

#include <errno.h>
#include <stdbool.h>

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
    X(SIGNALED, "another thread signaled")                                                         \
    X(INTERRUPTED, "a signal handler ran")                                                         \
    X(BROKEN, "failed in a way that has no row")

enum mcq_io_result {
#define MCQ_IO_ENUM(name, text) MCQ_IO_##name,
    MCQ_IO_RESULT_TABLE(MCQ_IO_ENUM)
#undef MCQ_IO_ENUM
        MCQ_IO_RESULT_COUNT
};

/* What is asked of the kernel, or of the world that is simulated in its place. */
#define MCQ_IO_OPERATION_TABLE(X)                                                                  \
    X(LISTEN)                                                                                      \
    X(ACCEPT)                                                                                      \
    X(CONNECT)                                                                                     \
    X(CONNECTED)                                                                                   \
    X(RECV)                                                                                        \
    X(SEND)                                                                                        \
    X(POLL)                                                                                        \
    X(TIMER)                                                                                       \
    X(WATCH)                                                                                       \
    X(SLEEP)

enum mcq_io_operation {
#define MCQ_IO_ENUM(name) MCQ_IO_OP_##name,
    MCQ_IO_OPERATION_TABLE(MCQ_IO_ENUM)
#undef MCQ_IO_ENUM
        MCQ_IO_OP_COUNT
};

/* The rows. SAYS: operation, result, and the errno that says it; several may say the same. IS:
 * operation and result, where no errno does. */
#define MCQ_IO_LISTEN_ROWS(SAYS, IS)                                                               \
    IS(LISTEN, DONE)                                                                               \
    SAYS(LISTEN, IN_USE, EADDRINUSE)                                                               \
    SAYS(LISTEN, NOT_LOCAL, EADDRNOTAVAIL)                                                         \
    SAYS(LISTEN, NOT_LOCAL, EAFNOSUPPORT)                                                          \
    SAYS(LISTEN, UNREACHABLE, ENOENT) /* unix: no such folder */                                   \
    SAYS(LISTEN, UNREACHABLE, ENOTDIR)                                                             \
    SAYS(LISTEN, UNREACHABLE, ENODEV) /* no such interface */                                      \
    SAYS(LISTEN, UNREACHABLE, ELOOP)                                                               \
    SAYS(LISTEN, DENIED, EACCES)                                                                   \
    SAYS(LISTEN, DENIED, EPERM)                                                                    \
    SAYS(LISTEN, DENIED, EROFS)                                                                    \
    SAYS(LISTEN, NO_FDS, EMFILE)                                                                   \
    SAYS(LISTEN, NO_FDS, ENFILE)                                                                   \
    SAYS(LISTEN, NO_MEMORY, ENOBUFS)                                                               \
    SAYS(LISTEN, NO_MEMORY, ENOMEM)                                                                \
    SAYS(LISTEN, NO_MEMORY, ENOSPC)                                                                \
    IS(LISTEN, BROKEN)

#define MCQ_IO_ACCEPT_ROWS(SAYS, IS)                                                               \
    IS(ACCEPT, DONE)                                                                               \
    SAYS(ACCEPT, AGAIN, EAGAIN)                                                                    \
    SAYS(ACCEPT, NO_FDS, EMFILE)                                                                   \
    SAYS(ACCEPT, NO_FDS, ENFILE)                                                                   \
    SAYS(ACCEPT, NO_MEMORY, ENOBUFS)                                                               \
    SAYS(ACCEPT, NO_MEMORY, ENOMEM)                                                                \
    SAYS(ACCEPT, ABORTED, ECONNABORTED)                                                            \
    SAYS(ACCEPT, ABORTED, EPROTO)                                                                  \
    SAYS(ACCEPT, ABORTED, ENOPROTOOPT)                                                             \
    SAYS(ACCEPT, ABORTED, ENETDOWN)                                                                \
    SAYS(ACCEPT, ABORTED, ENETUNREACH)                                                             \
    SAYS(ACCEPT, ABORTED, EHOSTDOWN)                                                               \
    SAYS(ACCEPT, ABORTED, EHOSTUNREACH)                                                            \
    SAYS(ACCEPT, ABORTED, ENONET)                                                                  \
    SAYS(ACCEPT, ABORTED, ETIMEDOUT)                                                               \
    SAYS(ACCEPT, DENIED, EPERM)                                                                    \
    IS(ACCEPT, CANCELED)                                                                           \
    IS(ACCEPT, BROKEN)

#define MCQ_IO_CONNECT_ROWS(SAYS, IS)                                                              \
    IS(CONNECT, DONE)                                                                              \
    SAYS(CONNECT, AGAIN, EINPROGRESS)                                                              \
    SAYS(CONNECT, REFUSED, ECONNREFUSED)                                                           \
    SAYS(CONNECT, REFUSED, ENOENT) /* unix: no such path */                                        \
    SAYS(CONNECT, REFUSED, ENOTDIR)                                                                \
    SAYS(CONNECT, UNREACHABLE, EAGAIN) /* unix: the backlog is full */                             \
    SAYS(CONNECT, UNREACHABLE, ENETUNREACH)                                                        \
    SAYS(CONNECT, UNREACHABLE, EHOSTUNREACH)                                                       \
    SAYS(CONNECT, UNREACHABLE, ENODEV) /* no such interface */                                     \
    SAYS(CONNECT, NOT_LOCAL, EADDRNOTAVAIL)                                                        \
    SAYS(CONNECT, IN_USE, EADDRINUSE)                                                              \
    SAYS(CONNECT, DENIED, EACCES)                                                                  \
    SAYS(CONNECT, DENIED, EPERM)                                                                   \
    SAYS(CONNECT, NO_FDS, EMFILE)                                                                  \
    SAYS(CONNECT, NO_FDS, ENFILE)                                                                  \
    SAYS(CONNECT, NO_MEMORY, ENOBUFS)                                                              \
    SAYS(CONNECT, NO_MEMORY, ENOMEM)                                                               \
    IS(CONNECT, CANCELED)                                                                          \
    IS(CONNECT, BROKEN)

#define MCQ_IO_CONNECTED_ROWS(SAYS, IS)                                                            \
    IS(CONNECTED, DONE)                                                                            \
    SAYS(CONNECTED, REFUSED, ECONNREFUSED)                                                         \
    SAYS(CONNECTED, UNREACHABLE, ENETUNREACH)                                                      \
    SAYS(CONNECTED, UNREACHABLE, EHOSTUNREACH)                                                     \
    SAYS(CONNECTED, UNREACHABLE, EHOSTDOWN)                                                        \
    SAYS(CONNECTED, UNREACHABLE, ENETDOWN)                                                         \
    SAYS(CONNECTED, TIMED_OUT, ETIMEDOUT)                                                          \
    SAYS(CONNECTED, RESET, ECONNRESET)                                                             \
    SAYS(CONNECTED, RESET, EPIPE)                                                                  \
    IS(CONNECTED, BROKEN)

#define MCQ_IO_RECV_ROWS(SAYS, IS)                                                                 \
    IS(RECV, DONE)                                                                                 \
    SAYS(RECV, AGAIN, EAGAIN)                                                                      \
    IS(RECV, END)                                                                                  \
    SAYS(RECV, RESET, ECONNRESET)                                                                  \
    SAYS(RECV, RESET, ECONNABORTED)                                                                \
    SAYS(RECV, RESET, ENETRESET)                                                                   \
    SAYS(RECV, RESET, EPIPE)                                                                       \
    SAYS(RECV, REFUSED, ECONNREFUSED)                                                              \
    SAYS(RECV, TIMED_OUT, ETIMEDOUT)                                                               \
    SAYS(RECV, UNREACHABLE, EHOSTUNREACH)                                                          \
    SAYS(RECV, UNREACHABLE, EHOSTDOWN)                                                             \
    SAYS(RECV, UNREACHABLE, ENETUNREACH)                                                           \
    SAYS(RECV, UNREACHABLE, ENETDOWN)                                                              \
    SAYS(RECV, NO_MEMORY, ENOBUFS)                                                                 \
    SAYS(RECV, NO_MEMORY, ENOMEM)                                                                  \
    IS(RECV, CANCELED)                                                                             \
    IS(RECV, BROKEN)

#define MCQ_IO_SEND_ROWS(SAYS, IS)                                                                 \
    IS(SEND, DONE)                                                                                 \
    SAYS(SEND, AGAIN, EAGAIN)                                                                      \
    SAYS(SEND, RESET, ECONNRESET)                                                                  \
    SAYS(SEND, RESET, ECONNABORTED)                                                                \
    SAYS(SEND, RESET, ENETRESET)                                                                   \
    SAYS(SEND, RESET, EPIPE)                                                                       \
    SAYS(SEND, REFUSED, ECONNREFUSED)                                                              \
    SAYS(SEND, TIMED_OUT, ETIMEDOUT)                                                               \
    SAYS(SEND, UNREACHABLE, EHOSTUNREACH)                                                          \
    SAYS(SEND, UNREACHABLE, EHOSTDOWN)                                                             \
    SAYS(SEND, UNREACHABLE, ENETUNREACH)                                                           \
    SAYS(SEND, UNREACHABLE, ENETDOWN)                                                              \
    SAYS(SEND, NO_MEMORY, ENOBUFS)                                                                 \
    SAYS(SEND, NO_MEMORY, ENOMEM)                                                                  \
    IS(SEND, CANCELED)                                                                             \
    IS(SEND, BROKEN)

#define MCQ_IO_POLL_ROWS(SAYS, IS)                                                                 \
    IS(POLL, DONE)                                                                                 \
    SAYS(POLL, CANCELED, ECANCELED)                                                                \
    SAYS(POLL, NO_MEMORY, ENOMEM)                                                                  \
    SAYS(POLL, NO_MEMORY, ENOSPC)                                                                  \
    IS(POLL, BROKEN)

#define MCQ_IO_TIMER_ROWS(SAYS, IS)                                                                \
    IS(TIMER, DONE)                                                                                \
    IS(TIMER, CANCELED)

#define MCQ_IO_WATCH_ROWS(SAYS, IS)                                                                \
    IS(WATCH, DONE)                                                                                \
    SAYS(WATCH, NO_MEMORY, ENOMEM)                                                                 \
    SAYS(WATCH, NO_MEMORY, ENOSPC)                                                                 \
    IS(WATCH, BROKEN)

#define MCQ_IO_SLEEP_ROWS(SAYS, IS)                                                                \
    IS(SLEEP, DONE)                                                                                \
    IS(SLEEP, SIGNALED)                                                                            \
    IS(SLEEP, TIMED_OUT)                                                                           \
    SAYS(SLEEP, INTERRUPTED, EINTR)                                                                \
    SAYS(SLEEP, NO_MEMORY, ENOMEM)                                                                 \
    IS(SLEEP, BROKEN)

struct mcq_io_row {
    enum mcq_io_operation operation;
    enum mcq_io_result result;
    int number; /* errno, or 0 */
};

/* The rows of an operation lie together; *count of them. */
const struct mcq_io_row *mcq_io_rows(enum mcq_io_operation operation, unsigned *count);

/* Whether the table lets this operation end so. */
bool mcq_io_has_row(enum mcq_io_operation operation, enum mcq_io_result result);

/* What an errno means for this operation; BROKEN when no row has it. */
enum mcq_io_result mcq_io_result_of(enum mcq_io_operation operation, int number);

/* The first errno that says so; 0: none does. */
int mcq_io_number_of(enum mcq_io_operation operation, enum mcq_io_result result);

/* Never NULL, whatever the value. */
const char *mcq_io_result_text(enum mcq_io_result result);
const char *mcq_io_operation_name(enum mcq_io_operation operation);

#endif
