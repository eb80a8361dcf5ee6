/*
 * reactor: all I/O behind one interface with three engines: io_uring, epoll and a simulated world.
 *
 * Layer:   reactor.
 * Threads: `now` operations from any thread, whoever holds the lock of what they are for;
 * everything
 *          that is armed, waited for and handed out belongs to the thread that made the reactor.
 *          wake from any thread.
 * Bound:   an armed operation is its caller's storage; the reactor allocates for descriptors and
 *          timers only, before it arms.
 *
 *   now      recv, send, accept, connect ...: immediate; nothing of them is left in flight
 *   armed    poll, timer: outlive the call
 *
 *   op:  IDLE --arm--> ARMED --happens, or cancel--> COMPLETE --next hands it out--> IDLE
 *
 * Every armed operation completes exactly once, canceled or not, and its storage is the reactor's
 * until next has handed it out. Nothing acts inside a completion: they are recorded, and taken at
 * the owner's pace. A descriptor is closed when none of its operations is armed.
 */
#ifndef MCQ_REACTOR_REACTOR_H
#define MCQ_REACTOR_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/error.h"
#include "reactor/table.h"

#define MCQ_REACTOR_NEVER_NS UINT64_MAX

struct mcq_reactor;

/* A numeric address. */
struct mcq_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* What a `now` operation came to. */
struct mcq_io {
    enum mcq_io_result result;
    size_t len; /* DONE of recv and send: octets, at least 1 */
};

enum mcq_op_kind {
    MCQ_OP_IDLE,
    MCQ_OP_POLL_IN,
    MCQ_OP_POLL_OUT,
    MCQ_OP_TIMER,
};

/* Zero at first. Its members are the reactor's but for result, which counts once it is handed out.
 * */
struct mcq_op {
    enum mcq_op_kind kind;
    enum mcq_io_result result;
    int fd;
    bool is_complete;
    uint32_t heap_index; /* TIMER: its place in the heap */
    uint64_t at_ns;      /* TIMER */
    struct mcq_op *next; /* COMPLETE: in the list */
};

enum mcq_engine {
    MCQ_ENGINE_AUTO,
    MCQ_ENGINE_URING,
    MCQ_ENGINE_EPOLL,
};

/* A reactor of the calling thread. AUTO is what MONOCOQUE_ENGINE says (auto, io_uring, epoll), and
 * where that says nothing or auto: io_uring if it is allowed, else epoll.
 *   fallback    set to why io_uring was passed over, a constant text; NULL: it was not
 *   MCQ_OK      the caller owns *reactor and ends it with mcq_reactor_free
 *   MCQ_NOMEM   no descriptors or no memory; *reactor is untouched
 *   MCQ_INVAL   io_uring was asked for by name and is denied, or the variable has another word */
MCQ_MUST_CHECK enum mcq_err mcq_reactor_new(enum mcq_engine engine, struct mcq_reactor **reactor,
                                            const char **fallback);

/* Nothing is armed; completions that were not handed out are dropped. *reactor becomes NULL. */
void mcq_reactor_free(struct mcq_reactor **reactor);

/* "io_uring", "epoll" or "sim". */
const char *mcq_reactor_name(const struct mcq_reactor *reactor);

/* --- now ------------------------------------------------------------------------------------- */

/* Never blocks, never raises SIGPIPE. DONE, AGAIN, or how the stream ended. */
struct mcq_io mcq_reactor_recv(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count);
struct mcq_io mcq_reactor_send(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count);

/* A listening socket. DONE: *fd is the caller's. */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_listen(struct mcq_reactor *reactor,
                                                     const struct mcq_address *address, int backlog,
                                                     int *fd);

/* A connection that came in. DONE: *fd is the caller's, ready for recv and send. */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_accept(struct mcq_reactor *reactor, int listener,
                                                     int *fd);

/* A connection going out. DONE: it stands. AGAIN: it is under way; poll for OUT, then ask
 * mcq_reactor_connected. Both: *fd is the caller's. */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_connect(struct mcq_reactor *reactor,
                                                      const struct mcq_address *address, int *fd);
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_connected(struct mcq_reactor *reactor, int fd);

/* The address that a socket has got. false: it has none. */
bool mcq_reactor_local_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address);

/* Ends a socket. None of its operations is armed. */
void mcq_reactor_close(struct mcq_reactor *reactor, int fd);

/* --- armed ----------------------------------------------------------------------------------- */

/* Completes once the descriptor can be read, or written, or has failed. One of each kind at a time
 * for a descriptor. kind is MCQ_OP_POLL_IN or MCQ_OP_POLL_OUT.
 *   MCQ_NOMEM   nothing is armed */
MCQ_MUST_CHECK enum mcq_err mcq_reactor_arm_poll(struct mcq_reactor *reactor, struct mcq_op *op,
                                                 int fd, enum mcq_op_kind kind);

/* Completes at at_ns, or as soon as that has passed. Those of equal time complete in the order in
 * which they were armed.
 *   MCQ_NOMEM   nothing is armed */
MCQ_MUST_CHECK enum mcq_err mcq_reactor_arm_timer(struct mcq_reactor *reactor, struct mcq_op *op,
                                                  uint64_t at_ns);

/* Asks an armed operation to end. It completes all the same, as CANCELED or, if it was faster, with
 * what happened. Nothing happens to one that is not armed. */
void mcq_reactor_cancel(struct mcq_reactor *reactor, struct mcq_op *op);

static inline bool mcq_op_is_armed(const struct mcq_op *op)
{
    return op->kind != MCQ_OP_IDLE;
}

/* Sleeps until something completes, mcq_reactor_wake is called or until_ns has come, and records
 * what has completed. Does not sleep while completions wait to be handed out. Signals do not end it
 * early for long: the caller calls it in a loop. */
void mcq_reactor_wait(struct mcq_reactor *reactor, uint64_t until_ns);

/* The next completion, in the order in which they happened; NULL: none. op->result says how it
 * ended; the operation is idle again. */
struct mcq_op *mcq_reactor_next(struct mcq_reactor *reactor);

/* Ends the wait under way, or the next one. Costs a system call only if the owner sleeps. */
void mcq_reactor_wake(struct mcq_reactor *reactor);

/* The reactor's clock, monotonic. */
uint64_t mcq_reactor_now_ns(struct mcq_reactor *reactor);

/* Operations that are armed or not yet handed out: zero in every test's teardown. */
uint32_t mcq_reactor_armed_count(const struct mcq_reactor *reactor);

#endif
