/*
 * world: what the simulated world consists of, for the files of this folder.
 *
 * Layer:   reactor.
 * Threads: one at a time, whoever takes the world's steps.
 */
#ifndef MCQ_REACTOR_SIM_WORLD_H
#define MCQ_REACTOR_SIM_WORLD_H

#include "arena/grow.h"
#include "reactor/engine.h"
#include "reactor/sim/sim.h"

#define MCQ_SIM_BACKLOG_MAX 128
#define MCQ_SIM_INJECTIONS_MAX 16
#define MCQ_SIM_NAME_BYTES 108 /* what a unix address has room for */
#define MCQ_SIM_SETS_MAX 4     /* one for input, one for output, and as many for a test's own */

enum sim_kind {
    SIM_FREE,
    SIM_LISTENER,
    SIM_STREAM,
    SIM_DATAGRAMS,
    SIM_READY,
    SIM_REACTOR, /* what its owner polls where it sleeps */
};

/* Octets that arrive together; of datagrams: one, behind the two octets of its sender's port. */
struct sim_chunk {
    uint64_t at_ns;
    size_t len;
};

/* An armed poll. */
struct sim_poll {
    struct mcq_op *op;         /* NULL: none is */
    uint64_t not_before_ns;    /* it completes late */
    enum mcq_io_result result; /* what it completes with */
    bool is_forced;            /* whether anything is ready or not */
};

/* Membership of a ready set. Edges are counted; what was counted at the last harvest is not
 * reported again. */
struct sim_watch {
    struct sim_ready *set; /* NULL: none */
    struct mcq_ready_key key;
    enum mcq_ready_interest interest;
    uint64_t edges_seen;
};

struct sim_fd {
    enum sim_kind kind;
    uint32_t host; /* LISTENER: its IPv4 address; 0: any */
    uint16_t port;
    uint16_t peer_port;
    uint8_t name[MCQ_SIM_NAME_BYTES]; /* ipc: what is listened on; its ports are 0 */
    uint8_t name_len;
    bool is_ipc;
    int backlog[MCQ_SIM_BACKLOG_MAX]; /* LISTENER: connections that were not accepted */
    unsigned backlog_count;
    int peer;            /* STREAM; -1: closed */
    uint64_t open_at_ns; /* STREAM: when its owner may know of it */
    bool is_refused;     /* STREAM: nobody listened */
    bool is_reset;
    bool is_unplugged;      /* its host has gone without a word */
    bool is_shut;           /* STREAM: it sends no more */
    bool wants_room;        /* STREAM: a send found its pipe full */
    uint64_t end_at_ns;     /* STREAM: the peer's end arrives; never: it has none */
    uint64_t in_held_ns;    /* an AGAIN that was a fault: nothing comes before that */
    uint64_t out_held_ns;   /* the same for send */
    uint64_t in_edges;      /* that are over: chunks read, holds that end */
    uint64_t out_edges;     /* room became free, holds that end */
    struct mcq_grow octets; /* on their way in, oldest first */
    struct mcq_grow chunks; /* struct sim_chunk, in step with octets */
    struct sim_poll in;
    struct sim_poll out;
    struct sim_reactor *owner;                  /* of the polls; REACTOR: itself */
    struct sim_watch watches[MCQ_SIM_SETS_MAX]; /* STREAM */
    struct sim_ready *ready;                    /* READY */
};

struct sim_reactor {
    struct mcq_reactor head; /* first: a reactor is what it begins with */
    struct mcq_sim *sim;
    struct sim_reactor *next;
    uint64_t sleeps_until_ns; /* until when its last wait would have slept */
    int watch_fd;             /* -1: nobody has asked for it */
    bool is_woken;            /* while its owner slept */
};

struct sim_ready {
    struct mcq_ready_set head; /* first: a ready set is what it begins with */
    struct mcq_sim *sim;
    int first; /* where the next harvest begins: nobody is always last */
};

struct sim_sleeper {
    struct mcq_sleeper head; /* first: a sleeper is what it begins with */
    struct mcq_sim *sim;
    struct sim_sleeper *next;
    bool is_signaled;
    uint64_t sleeps_until_ns; /* 0: does not */
};

struct sim_injection {
    uint64_t index;
    enum mcq_io_result result;
    size_t len_max;
};

struct mcq_sim {
    uint64_t random;
    uint64_t now_ns;
    uint64_t operations;
    uint64_t hash;
    struct sim_injection injections[MCQ_SIM_INJECTIONS_MAX];
    unsigned injection_count;
    uint8_t kinds[MCQ_SIM_KINDS_MAX]; /* of the first operations */
    uint16_t next_port;
    uint16_t mute_port; /* connections to it get no answer; 0: none is */
    struct mcq_sim_faults faults;
    struct mcq_sim_actor *actors;
    struct sim_reactor *reactors;
    struct sim_sleeper *sleepers;
    uint64_t reached[MCQ_IO_OP_COUNT][MCQ_IO_RESULT_COUNT];
    int fd_top; /* nobody looks at those from here on */
    struct sim_fd fds[MCQ_SIM_FDS_MAX];
};

/* What chance or the script has in store for an operation. */
struct sim_fate {
    bool is_fixed; /* it ends in result */
    enum mcq_io_result result;
    size_t len_max; /* and moves no more than that */
};

/* sim.c */
bool mcq_sim_happens(struct mcq_sim *sim, unsigned thousandths);
uint64_t mcq_sim_later(struct mcq_sim *sim);
struct sim_fate mcq_sim_fate(struct mcq_sim *sim, enum mcq_io_operation operation);
/* Its owner is to look at it: it was woken, or a poll is over. */
bool mcq_sim_reactor_pending(const struct mcq_sim *sim, const struct sim_reactor *reactor);
/* Goes into the hash; returns result. */
enum mcq_io_result mcq_sim_done(struct mcq_sim *sim, enum mcq_io_operation operation, int fd,
                                enum mcq_io_result result, size_t len);

/* A failure is one that leaves nothing behind. */
static inline bool mcq_sim_is_failure(enum mcq_io_result result)
{
    return result != MCQ_IO_DONE && result != MCQ_IO_AGAIN && result != MCQ_IO_END &&
           result != MCQ_IO_CANCELED && result != MCQ_IO_SIGNALED;
}

static inline uint64_t mcq_sim_sooner(uint64_t next_ns, uint64_t at_ns, uint64_t after_ns)
{
    return at_ns > after_ns && at_ns < next_ns ? at_ns : next_ns;
}

static inline struct mcq_sim *mcq_sim_of(struct mcq_reactor *reactor)
{
    return ((struct sim_reactor *) reactor)->sim;
}

/* net.c */
struct sim_fd *mcq_sim_slot(struct mcq_sim *sim, int fd);
int mcq_sim_take_fd(struct mcq_sim *sim, enum sim_kind kind);
void mcq_sim_drop_fd(struct mcq_sim *sim, struct sim_fd *slot);
bool mcq_sim_can_recv(const struct mcq_sim *sim, const struct sim_fd *slot);
bool mcq_sim_can_send(const struct mcq_sim *sim, const struct sim_fd *slot);
uint64_t mcq_sim_in_edges(const struct mcq_sim *sim, const struct sim_fd *slot);
uint64_t mcq_sim_out_edges(const struct mcq_sim *sim, const struct sim_fd *slot);
/* The next time after that at which something arrives, ends or is held no more. */
uint64_t mcq_sim_next_ns(const struct mcq_sim *sim, uint64_t after_ns);
size_t mcq_sim_chunk_count(const struct sim_fd *slot);
struct sim_chunk mcq_sim_chunk_at(const struct sim_fd *slot, size_t index);
/* Octets that it still has room for. */
size_t mcq_sim_pipe_room(const struct mcq_sim *sim, const struct sim_fd *slot);
/* Appends octets. They arrive after those that were sent before. false: no memory. */
bool mcq_sim_deliver(struct mcq_sim *sim, struct sim_fd *peer, const struct iovec *iov,
                     size_t iov_count, size_t len);
/* The first `len` octets were read: the chunks they came in get shorter, or go. */
void mcq_sim_drop_front(struct sim_fd *slot, size_t len);
uint16_t mcq_sim_port_of(const struct mcq_address *address);
void mcq_sim_address_of(uint16_t port, struct mcq_address *address);
struct mcq_io mcq_sim_recv(struct mcq_reactor *, int fd, const struct iovec *, size_t);
struct mcq_io mcq_sim_send(struct mcq_reactor *, int fd, const struct iovec *, size_t);
bool mcq_sim_is_held_back(struct mcq_reactor *, int fd);
void mcq_sim_shutdown(struct mcq_reactor *, int fd);
/* Both ends know that the connection is gone. */
void mcq_sim_cut(struct mcq_sim *sim, struct sim_fd *slot);
/* It is closed: the far end reads what was sent, then the end. */
void mcq_sim_leave(struct mcq_sim *sim, struct sim_fd *slot);
/* A fault: AGAIN although there is something. It is said to have come only later. */
void mcq_sim_hold(struct mcq_sim *sim, uint64_t *held_ns, uint64_t *edges);

/* connect.c */
enum mcq_io_result mcq_sim_listen(struct mcq_reactor *, const struct mcq_address *,
                                  const struct mcq_tuning *, int backlog, int *fd);
bool mcq_sim_adopt(struct mcq_reactor *, int fd);
enum mcq_io_result mcq_sim_accept(struct mcq_reactor *, int listener, int *fd);
enum mcq_io_result mcq_sim_connect(struct mcq_reactor *, const struct mcq_address *source,
                                   const struct mcq_address *, const struct mcq_tuning *, int *fd);
enum mcq_io_result mcq_sim_connected(struct mcq_reactor *, int fd);
bool mcq_sim_local_address(struct mcq_reactor *, int fd, struct mcq_address *);
bool mcq_sim_peer_address(struct mcq_reactor *, int fd, struct mcq_address *);
void mcq_sim_tune(struct mcq_reactor *, int fd, const struct mcq_tuning *);
bool mcq_sim_owner(struct mcq_reactor *, int fd, struct mcq_owner *);
bool mcq_sim_has_group(struct mcq_reactor *, int fd, uint32_t gid);
void mcq_sim_close(struct mcq_reactor *, int fd);

/* datagrams.c */
enum mcq_io_result mcq_sim_open_datagrams(struct mcq_reactor *, const struct mcq_datagram_place *,
                                          const struct mcq_tuning *, int *fd);
struct mcq_io mcq_sim_recv_datagram(struct mcq_reactor *, int fd, void *room, size_t room_len,
                                    struct mcq_address *from);
struct mcq_io mcq_sim_send_datagram(struct mcq_reactor *, int fd, struct mcq_bytes,
                                    const struct mcq_address *to);

/* What can be in a ready set. */
static inline bool mcq_sim_is_watched(const struct sim_fd *slot)
{
    return slot->kind == SIM_STREAM || slot->kind == SIM_DATAGRAMS;
}

/* waits.c */
bool mcq_sim_ready_pending(const struct mcq_sim *sim, const struct sim_ready *ready);
enum mcq_err mcq_sim_ready_new(struct mcq_reactor *, struct mcq_ready_set **);
enum mcq_err mcq_sim_sleeper_new(struct mcq_reactor *, struct mcq_sleeper **);

#endif
