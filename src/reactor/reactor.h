/*
 * reactor: all I/O behind one interface with three engines: io_uring, epoll and a simulated world.
 *
 * Layer:   reactor.
 * Threads: `now` operations from any thread, whoever holds the lock of what they are for; all that
 *          is armed, waited for and handed out belongs to the thread that made the reactor. wake
 *          from any thread. A forked child calls nothing of this file with what its parent made.
 * Bound:   an armed operation is its caller's storage; the reactor allocates for descriptors only,
 *          before it arms.
 *
 *   now      recv, send, accept, connect ...: immediate; nothing of them is left in flight
 *   armed    poll, timer, accept, connect, recv, send: outlive the call
 *
 *   op:  IDLE --arm--> ARMED --happens, or cancel--> COMPLETE --next hands it out--> IDLE
 *                        ^                                       |
 *                        +------ accept, while !is_final --------+
 *
 * Every armed operation completes exactly once, canceled or not; only accept hands out many
 * connections before its final completion. Until that one was handed out, the operation's storage
 * and the octets lent to it are the reactor's, so a late completion always finds its owner. Nothing
 * acts inside a completion: they are recorded, and taken at the owner's pace. A descriptor is
 * closed when none of its operations is armed.
 *
 * The sets by which a socket's streams say that they are ready, the sleep of threads that do not
 * own a reactor, and sends to many streams are in reactor/ready.h, reactor/sleeper.h and
 * reactor/row.h.
 */
#ifndef MCQ_REACTOR_REACTOR_H
#define MCQ_REACTOR_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "reactor/table.h"
#include "reactor/tuning.h"

struct mcq_reactor;

/* A numeric address. */
struct mcq_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Where datagrams are bound, or sent to. */
struct mcq_datagram_place {
    struct mcq_address address;
    unsigned interface; /* for a group: its index; 0: any */
    bool is_group;      /* multicast */
    bool is_sent_to;    /* no other address, and nothing is read */
};

/* What a `now` operation came to. */
struct mcq_io {
    enum mcq_io_result result;
    size_t len;      /* DONE of recv and send: octets, at least 1 */
    bool is_drained; /* DONE of recv: there was no more, and what comes has an edge of its own */
};

enum mcq_op_kind {
    MCQ_OP_IDLE,
    MCQ_OP_POLL_IN,
    MCQ_OP_POLL_OUT,
    MCQ_OP_TIMER,
    MCQ_OP_ACCEPT,
    MCQ_OP_CONNECT,
    MCQ_OP_RECV,
    MCQ_OP_SEND,
};

/* Among those that are pending: see reactor.c. */
struct mcq_timer_place {
    struct mcq_op *child;
    struct mcq_op *sibling;
    struct mcq_op *back;
};

/* Zero at first. The first four members say how it ended, and count from the moment it is handed
 * out until the next call of mcq_reactor_next; the others are the reactor's. */
struct mcq_op {
    enum mcq_io_result result;
    int opened;    /* ACCEPT and CONNECT, DONE: the caller's new descriptor */
    size_t len;    /* RECV, SEND: octets moved, whatever the result */
    bool is_final; /* false: an ACCEPT that stays armed */

    bool is_complete : 1;
    bool is_canceled : 1; /* somebody asked it to end */
    bool is_burst : 1; /* ACCEPT, the owner's to set at any time: ends when nobody waits any more */
    enum mcq_op_kind kind : 8;
    enum mcq_io_result polled : 8; /* what it waited for; DONE: to be tried */
    int fd;
    int number;           /* ACCEPT, failed: the errno, for people; 0: none said it */
    uint32_t timer_order; /* TIMER: of those of equal time */
    uint64_t at_ns;       /* TIMER */
    struct mcq_op *next;  /* COMPLETE: in the list; IDLE: the owner's, for a list of its own */
    union {
        struct {
            union {
                struct iovec room;       /* RECV */
                const struct iovec *iov; /* SEND */
            };
            size_t iov_count;
        };
        struct mcq_timer_place timer; /* TIMER */
    };
};

enum mcq_engine_kind {
    MCQ_ENGINE_AUTO,
    MCQ_ENGINE_URING,
    MCQ_ENGINE_EPOLL,
};

/* A reactor of the calling thread. AUTO is what MONOCOQUE_ENGINE says (auto, io_uring, epoll), and
 * where that says nothing or auto: io_uring if it is allowed, else epoll.
 *   fallback    set to why io_uring was passed over, a constant text; NULL: it was not
 *   MCQ_OK      the caller owns *reactor and ends it with mcq_reactor_free
 *   MCQ_NO_FDS, MCQ_NOMEM: *reactor is untouched
 *   MCQ_INVAL   io_uring was asked for by name and is denied, or the variable has another word */
MCQ_MUST_CHECK enum mcq_err mcq_reactor_new(enum mcq_engine_kind engine,
                                            struct mcq_reactor **reactor, const char **fallback);

/* Nothing is armed; completions that were not handed out are dropped. *reactor becomes NULL. */
void mcq_reactor_free(struct mcq_reactor **reactor);

/* "io_uring", "epoll" or "sim". */
const char *mcq_reactor_name(const struct mcq_reactor *reactor);

/* --- now ------------------------------------------------------------------------------------- */

/* Never blocks, never raises SIGPIPE. DONE, AGAIN, or how the stream ended. The vector has at least
 * one octet. */
struct mcq_io mcq_reactor_recv(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count);
struct mcq_io mcq_reactor_send(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count);

/* A listening socket.
 *   tuning   NULL: nothing is wished
 *   DONE     *fd is the caller's */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_listen(struct mcq_reactor *reactor,
                                                     const struct mcq_address *address,
                                                     const struct mcq_tuning *tuning, int backlog,
                                                     int *fd);

/* Makes somebody's listening socket one that can be used here. false: it is none, and untouched. */
MCQ_MUST_CHECK bool mcq_reactor_adopt(struct mcq_reactor *reactor, int fd);

/* A connection that came in. DONE: *fd is the caller's, ready for recv and send. */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_accept(struct mcq_reactor *reactor, int listener,
                                                     int *fd);

/* A connection going out, from `source`, or NULL: from anywhere; `tuning` as above.
 *   DONE    it stands
 *   AGAIN   it is under way; poll for OUT, then ask mcq_reactor_connected
 * Both: *fd is the caller's. */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_connect(struct mcq_reactor *reactor,
                                                      const struct mcq_address *source,
                                                      const struct mcq_address *address,
                                                      const struct mcq_tuning *tuning, int *fd);
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_connected(struct mcq_reactor *reactor, int fd);

/* A socket for datagrams; one for a group joins it.
 *   DONE    *fd is the caller's
 *   others  as of listen, or of connect where they are sent; never AGAIN */
MCQ_MUST_CHECK enum mcq_io_result mcq_reactor_open_datagrams(struct mcq_reactor *reactor,
                                                             const struct mcq_datagram_place *place,
                                                             const struct mcq_tuning *tuning,
                                                             int *fd);

/* The next datagram. DONE: so many octets it has, of which there are as many as there was room for;
 * it may have none. Other failures than AGAIN are about datagrams that were sent before. */
MCQ_MUST_CHECK struct mcq_io mcq_reactor_recv_datagram(struct mcq_reactor *reactor, int fd,
                                                       void *room, size_t room_len,
                                                       struct mcq_address *from);

/* Sends one, or fails to; nothing follows for the others. REFUSED is about one before it.
 *   to   NULL: where the place said */
MCQ_MUST_CHECK struct mcq_io mcq_reactor_send_datagram(struct mcq_reactor *reactor, int fd,
                                                       struct mcq_bytes octets,
                                                       const struct mcq_address *to);

/* The address that a socket has got, and its peer's. false: it has none. */
bool mcq_reactor_local_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address);
bool mcq_reactor_peer_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address);

/* What its owner wishes of a stream that was accepted. */
void mcq_reactor_tune(struct mcq_reactor *reactor, int fd, const struct mcq_tuning *tuning);

/* Who is at the other end of a unix stream. false: nobody knows. */
struct mcq_owner {
    uint32_t pid;
    uint32_t uid;
    uint32_t gid;
};
bool mcq_reactor_owner(struct mcq_reactor *reactor, int fd, struct mcq_owner *owner);
/* Whether this is one of its supplementary groups. */
bool mcq_reactor_has_group(struct mcq_reactor *reactor, int fd, uint32_t gid);

/* How many options of streams the kernel has refused to this process. */
uint64_t mcq_kernel_refused_count(void);

/* Sends no more: the peer reads what is under way, then the end. Reading goes on. */
void mcq_reactor_shutdown(struct mcq_reactor *reactor, int fd);

/* Whether octets that the stream has taken wait for the peer's side to take them, which answers: it
 * is slow, and not gone. */
bool mcq_reactor_is_held_back(struct mcq_reactor *reactor, int fd);

/* Ends a socket, for a forked child that has it open as well. None of its operations is armed, and
 * it is in no ready set. */
void mcq_reactor_close(struct mcq_reactor *reactor, int fd);

/* --- armed ----------------------------------------------------------------------------------- */

/* Completes once the descriptor can be read, or written, or has failed. One of each kind at a time
 * for a descriptor. kind is MCQ_OP_POLL_IN or MCQ_OP_POLL_OUT.
 *   MCQ_NOMEM   nothing is armed */
MCQ_MUST_CHECK enum mcq_err mcq_reactor_arm_poll(struct mcq_reactor *reactor, struct mcq_op *op,
                                                 int fd, enum mcq_op_kind kind);

/* Completes at at_ns, or as soon as that has passed. Those of equal time complete in the order in
 * which they were armed. It takes no memory, so it cannot fail. */
void mcq_reactor_arm_timer(struct mcq_reactor *reactor, struct mcq_op *op, uint64_t at_ns);

/* Accepts until it fails or is canceled. DONE: a connection is in op->opened. ABORTED: one went
 * before it was accepted. Both leave it armed. All else is final: where NO_FDS or NO_MEMORY is the
 * cause, the connection waits in the backlog until the caller arms again, after a pause or once it
 * has closed something; AGAIN: it was a burst, and is over. No more than one connection is taken
 * before it is handed out. */
void mcq_reactor_arm_accept(struct mcq_reactor *reactor, struct mcq_op *op, int listener);

/* Accepts no more before the next wait: others have their turn. */
void mcq_reactor_hold_accepts(struct mcq_reactor *reactor);

/* Connects. DONE: the stream is in op->opened. Else there is none. */
void mcq_reactor_arm_connect(struct mcq_reactor *reactor, struct mcq_op *op,
                             const struct mcq_address *source, const struct mcq_address *address,
                             const struct mcq_tuning *tuning);

/* Reads once, as soon as there is something. The room, at least one octet, is lent until the
 * operation is handed out. */
void mcq_reactor_arm_recv(struct mcq_reactor *reactor, struct mcq_op *op, int fd, void *room,
                          size_t room_len);

/* Writes all of it, DONE, or as many as op->len says before it failed or was canceled. The vector
 * and its octets, at least one, are lent until the operation is handed out. A stream has one
 * sender at a time. */
void mcq_reactor_arm_send(struct mcq_reactor *reactor, struct mcq_op *op, int fd,
                          const struct iovec *iov, size_t iov_count);

/* Asks an armed operation to end. It completes all the same, finally, as CANCELED or, if it was
 * faster, with what happened. Nothing happens to one that is not armed. */
void mcq_reactor_cancel(struct mcq_reactor *reactor, struct mcq_op *op);

static inline bool mcq_op_is_armed(const struct mcq_op *op)
{
    return op->kind != MCQ_OP_IDLE;
}

/* Sleeps until something completes, mcq_reactor_wake is called or until_ns has come, and records
 * what has completed. Does not sleep while completions wait to be handed out. Signals do not end it
 * early for long: the caller calls it in a loop. */
void mcq_reactor_wait(struct mcq_reactor *reactor, uint64_t until_ns);

/* For an owner that sleeps in a poll of its own, among other descriptors:
 *
 *     if (mcq_reactor_doze(reactor, &fd, &until_ns))
 *         poll for fd and others until until_ns;
 *     mcq_reactor_rouse(reactor, fd was ready);
 *
 * doze brings until_ns forward to the next timer. false: something is there already, do not sleep;
 * rouse all the same. rouse records what has completed. */
MCQ_MUST_CHECK bool mcq_reactor_doze(struct mcq_reactor *reactor, int *fd, uint64_t *until_ns);
void mcq_reactor_rouse(struct mcq_reactor *reactor, bool is_ready);

/* The next completion, in the order in which they happened; NULL: none. The operation is idle again
 * if op->is_final. Streams are read, written and accepted in here, so that octets do not wait in a
 * buffer for an owner who is busy. */
struct mcq_op *mcq_reactor_next(struct mcq_reactor *reactor);

/* Ends the wait under way, or the next one. Costs a system call only if the owner sleeps. */
void mcq_reactor_wake(struct mcq_reactor *reactor);

/* The reactor's clock, monotonic. */
uint64_t mcq_reactor_now_ns(struct mcq_reactor *reactor);

/* Operations that are armed or not yet handed out: zero in every test's teardown. */
uint32_t mcq_reactor_armed_count(const struct mcq_reactor *reactor);

#endif
