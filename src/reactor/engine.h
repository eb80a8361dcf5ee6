/*
 * engine: what stands behind a reactor, for the files of this folder.
 *
 * Layer:   reactor.
 * Threads: as reactor/reactor.h says.
 *
 * Timers, the list of completions and the wake-up's state are common; an engine brings the polls,
 * the sleep and the clock. io_uring and epoll share the kernel's sockets (reactor/kernel.c).
 */
#ifndef MCQ_REACTOR_ENGINE_H
#define MCQ_REACTOR_ENGINE_H

#include <stdatomic.h>

#include "reactor/reactor.h"
#include "reactor/ready.h"
#include "reactor/row.h"
#include "reactor/sleeper.h"

struct mcq_engine_ops {
    const char *name;
    struct mcq_io (*recv)(struct mcq_reactor *, int fd, const struct iovec *, size_t);
    struct mcq_io (*send)(struct mcq_reactor *, int fd, const struct iovec *, size_t);
    enum mcq_io_result (*listen)(struct mcq_reactor *, const struct mcq_address *,
                                 const struct mcq_tuning *, int backlog, int *fd);
    bool (*adopt)(struct mcq_reactor *, int fd);
    enum mcq_io_result (*accept)(struct mcq_reactor *, int listener, int *fd);
    enum mcq_io_result (*connect)(struct mcq_reactor *, const struct mcq_address *source,
                                  const struct mcq_address *, const struct mcq_tuning *, int *fd);
    enum mcq_io_result (*connected)(struct mcq_reactor *, int fd);
    enum mcq_io_result (*open_datagrams)(struct mcq_reactor *, const struct mcq_datagram_place *,
                                         const struct mcq_tuning *, int *fd);
    struct mcq_io (*recv_datagram)(struct mcq_reactor *, int fd, void *room, size_t room_len,
                                   struct mcq_address *from);
    struct mcq_io (*send_datagram)(struct mcq_reactor *, int fd, struct mcq_bytes,
                                   const struct mcq_address *to);
    bool (*local_address)(struct mcq_reactor *, int fd, struct mcq_address *);
    bool (*peer_address)(struct mcq_reactor *, int fd, struct mcq_address *);
    bool (*is_held_back)(struct mcq_reactor *, int fd);
    void (*tune)(struct mcq_reactor *, int fd, const struct mcq_tuning *);
    bool (*owner)(struct mcq_reactor *, int fd, struct mcq_owner *);
    bool (*has_group)(struct mcq_reactor *, int fd, uint32_t gid);
    void (*shutdown)(struct mcq_reactor *, int fd);
    void (*close)(struct mcq_reactor *, int fd);
    enum mcq_err (*ready_new)(struct mcq_reactor *, struct mcq_ready_set **);
    /* All three NULL: sends are made one by one. false: the row is of no use any more. */
    struct mcq_row *(*row_new)(struct mcq_reactor *);
    bool (*row_send)(struct mcq_reactor *, struct mcq_row *, struct mcq_row_send *, size_t);
    void (*row_free)(struct mcq_row *);
    enum mcq_err (*sleeper_new)(struct mcq_reactor *, struct mcq_sleeper **);
    /* For op->fd, in the direction that mcq_op_is_in says. */
    enum mcq_err (*arm_poll)(struct mcq_reactor *, struct mcq_op *);
    void (*cancel_poll)(struct mcq_reactor *, struct mcq_op *);
    /* Records what has completed by now; sleeps until then at most, if mcq_reactor_may_sleep. */
    void (*collect)(struct mcq_reactor *, uint64_t until_ns);
    /* Tells the kernel of all that is armed: a descriptor that can be read once there is something
     * to collect; -1: there is none to be had. */
    int (*watch)(struct mcq_reactor *);
    void (*wake)(struct mcq_reactor *); /* only while the owner sleeps */
    uint64_t (*now_ns)(struct mcq_reactor *);
    void (*free)(struct mcq_reactor *);
};

/* The wake-up: a waker exchanges NOTIFIED in and writes only if it took ASLEEP out. The owner
 * sleeps only if it can exchange AWAKE for ASLEEP; finding NOTIFIED it goes on. All exchanges, the
 * owner's way back to AWAKE too: it reads what the last waker wrote, so what any waker published
 * before is seen by the owner after the wait. */
enum mcq_sleep {
    MCQ_AWAKE,
    MCQ_ASLEEP,
    MCQ_NOTIFIED,
};

struct mcq_reactor {
    const struct mcq_engine_ops *ops;
    struct mcq_op *done_first; /* completions, oldest first */
    struct mcq_op *done_last;
    uint32_t armed_count; /* armed, or complete and not handed out */
    uint32_t accept_left; /* connections to be taken before the next wait */
    int accept_number;    /* the errno of the last accept that failed */
    _Atomic int sleep;
    struct mcq_op *timer_first; /* due first of those pending */
    uint32_t timer_order;
};

/* The direction that an operation waits for: to read, or else to write. */
static inline bool mcq_op_is_in(const struct mcq_op *op)
{
    return op->kind == MCQ_OP_POLL_IN || op->kind == MCQ_OP_ACCEPT || op->kind == MCQ_OP_RECV;
}

/* Goes on with an operation whose poll is over: reactor/stream.c. true: it is to be handed out. */
MCQ_MUST_CHECK bool mcq_stream_resume(struct mcq_reactor *reactor, struct mcq_op *op);

/* The rows of io_uring: reactor/uring/row.c. */
struct mcq_row *mcq_uring_row_new(struct mcq_reactor *reactor);
bool mcq_uring_row_send(struct mcq_reactor *reactor, struct mcq_row *row,
                        struct mcq_row_send *sends, size_t count);
void mcq_uring_row_free(struct mcq_row *row);

/* For engines, and reactor/stream.c. */
void mcq_reactor_begin(struct mcq_reactor *reactor, struct mcq_op *op, enum mcq_op_kind kind);
void mcq_reactor_init(struct mcq_reactor *reactor, const struct mcq_engine_ops *ops);
void mcq_reactor_fini(struct mcq_reactor *reactor);
void mcq_reactor_complete(struct mcq_reactor *reactor, struct mcq_op *op,
                          enum mcq_io_result result);
/* true: nothing is complete and nobody has woken it; the owner may sleep, and says
 * mcq_reactor_awake afterwards. */
MCQ_MUST_CHECK bool mcq_reactor_may_sleep(struct mcq_reactor *reactor);
void mcq_reactor_awake(struct mcq_reactor *reactor);

/* reactor/kernel.c */
enum mcq_err mcq_kernel_open_err(int number); /* of a call that makes a descriptor: errno */
struct mcq_io mcq_kernel_recv(struct mcq_reactor *, int fd, const struct iovec *, size_t);
struct mcq_io mcq_kernel_send(struct mcq_reactor *, int fd, const struct iovec *, size_t);
enum mcq_io_result mcq_kernel_listen(struct mcq_reactor *, const struct mcq_address *,
                                     const struct mcq_tuning *, int backlog, int *fd);
bool mcq_kernel_adopt(struct mcq_reactor *, int fd);
enum mcq_io_result mcq_kernel_accept(struct mcq_reactor *, int listener, int *fd);
enum mcq_io_result mcq_kernel_connect(struct mcq_reactor *, const struct mcq_address *source,
                                      const struct mcq_address *, const struct mcq_tuning *,
                                      int *fd);
enum mcq_io_result mcq_kernel_connected(struct mcq_reactor *, int fd);
bool mcq_kernel_local_address(struct mcq_reactor *, int fd, struct mcq_address *);
bool mcq_kernel_peer_address(struct mcq_reactor *, int fd, struct mcq_address *);
bool mcq_kernel_is_held_back(struct mcq_reactor *, int fd);
void mcq_kernel_retune(struct mcq_reactor *, int fd, const struct mcq_tuning *);
bool mcq_kernel_owner(struct mcq_reactor *, int fd, struct mcq_owner *);
bool mcq_kernel_has_group(struct mcq_reactor *, int fd, uint32_t gid);
void mcq_kernel_shutdown(struct mcq_reactor *, int fd);
void mcq_kernel_close(struct mcq_reactor *, int fd);
uint64_t mcq_kernel_now_ns(struct mcq_reactor *);
enum mcq_err mcq_kernel_ready_new(struct mcq_reactor *, struct mcq_ready_set **);
enum mcq_err mcq_kernel_sleeper_new(struct mcq_reactor *, struct mcq_sleeper **);

/* reactor/datagram.c */
enum mcq_io_result mcq_kernel_open_datagrams(struct mcq_reactor *,
                                             const struct mcq_datagram_place *,
                                             const struct mcq_tuning *, int *fd);
struct mcq_io mcq_kernel_recv_datagram(struct mcq_reactor *, int fd, void *room, size_t room_len,
                                       struct mcq_address *from);
struct mcq_io mcq_kernel_send_datagram(struct mcq_reactor *, int fd, struct mcq_bytes,
                                       const struct mcq_address *to);

/* reactor/tune.c */
/* Sets an option of a stream, which goes on without if the kernel refuses: that is counted. */
bool mcq_kernel_set(int fd, int level, int option, const void *value, socklen_t len);
/* What is small leaves at once; on what a listener accepts, too. */
void mcq_kernel_hurry(int fd, int family);
/* What is best for a stream to this peer, beside that. */
void mcq_kernel_prepare(int fd, const struct sockaddr_storage *peer);
/* Whether its owner wishes anything at all of a stream. */
bool mcq_kernel_is_tuned(const struct mcq_tuning *tuning);
/* What its owner wishes; NULL: nothing. false: the device is not to be had, errno says why. */
MCQ_MUST_CHECK bool mcq_kernel_tune(int fd, int family, const struct mcq_tuning *tuning);
/* The same of a socket for datagrams. */
MCQ_MUST_CHECK bool mcq_kernel_tune_datagrams(int fd, int family, const struct mcq_tuning *tuning);

/* Makes one engine's reactor.
 *   MCQ_STATE   the kernel denies it; *why says so (uring only) */
MCQ_MUST_CHECK enum mcq_err mcq_epoll_new(struct mcq_reactor **reactor);
MCQ_MUST_CHECK enum mcq_err mcq_uring_new(struct mcq_reactor **reactor, const char **why);

#endif
