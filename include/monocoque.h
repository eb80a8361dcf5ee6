/*
 * monocoque: messages between threads, processes and machines, in the patterns and the protocol of
 * ZeroMQ (ZMTP 3.1; https://rfc.zeromq.org/spec/23/ and 37/).
 *
 *   context --mcq_socket--> socket --mcq_bind, mcq_connect--> peers
 *                             |
 *                 mcq_send, mcq_recv, mcq_poll          whole messages, of one part or more
 *
 * Results: calls that give an int give 0 or a count; -1 is a failure: errno says which, and
 *          mcq_last_error says it in a sentence. Each call lists the values of errno that are its
 *          own. Any call may give EFAULT (a pointer is NULL that must not be), and any call on a
 *          socket ENOTSOCK (it is closed), MCQ_ETERM (its context is shutting down) and ENOMEM;
 *          those that sleep, EMFILE (no descriptor is left to sleep with).
 * Threads: a context and a socket may be used by any thread, also by several at a time: calls on
 *          one socket that overlap are put in order, and one that sleeps keeps no other waiting.
 *          No fence is needed to hand a socket on. Nothing of others gets between what one call
 *          sends or receives; what takes several calls (MCQ_SNDMORE, a reply to a request) is for
 *          the threads to order. A message belongs to one thread at a time.
 * Signals: a call that sleeps gives EINTR when a signal handler has run; it may be made again.
 * Fork:    what a process has opened is not for its children: there, calls on a context give EFAULT
 *          and calls on a socket ENOTSOCK, at once, and the parent does not notice. A child opens a
 *          context of its own; it calls neither mcq_close nor mcq_ctx_term for its parent's. Not in
 *          a signal handler that may have interrupted a call.
 * Exit:    a process may end, and unload the library, without mcq_ctx_term; what waits to be sent
 *          is lost.
 * Memory:  a closed socket may be named until its context opens another one or ends; a context may
 *          not be named once it has ended.
 */
#ifndef MONOCOQUE_H
#define MONOCOQUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCQ_VERSION_MAJOR 0
#define MCQ_VERSION_MINOR 1
#define MCQ_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* a struct and a function are both named mcq_socket */
#endif
#pragma GCC visibility push(default)

/* --- errors ---------------------------------------------------------------------------------- */

/* Values of errno that the system has no name for; libzmq's EFSM and ETERM. */
#define MCQ_EFSM 156384763 /* this call is not the socket's next one: a reply without a request */
#define MCQ_ENOCOMPATPROTO 156384764 /* the endpoint's transport is not for this type of socket */
#define MCQ_ETERM 156384765          /* the context is shutting down: close the socket */
#define MCQ_EMTHREAD 156384766       /* MCQ_OPT_AFFINITY names no thread that the context has */

/* The version of the library that runs; the macros above are that of the header. NULL is fine. */
void mcq_version(int *major, int *minor, int *patch);

/* What the calling thread's last failure was, as a sentence that names what was tried and on what:
 *
 *     bind tcp://127.0.0.1:99999: port 99999 is not in 0..65535
 *
 * Never NULL; empty before the first failure. It stays as it is until a call of this thread fails.
 */
const char *mcq_last_error(void);

/* The text of an errno, those above included. Never NULL; good until this thread asks again. */
const char *mcq_strerror(int number);

/* --- contexts -------------------------------------------------------------------------------- */

/* Threads that do the work of connections, and the sockets they serve. */
struct mcq_context;

/* The numbers of libzmq; ours from 1000 on. */
enum mcq_ctx_option {
    MCQ_CTX_IO_THREADS = 1,  /* 0..64 (1); while the context has had no socket; 0: mcq_ctx_run */
    MCQ_CTX_MAX_SOCKETS = 2, /* 1..65535 (65535); open ones and those that linger */
    /* How its threads run; while the context has had no socket. What the system denies stays as it
     * is: the priority and the policy (-1: the system's), processors that they may use instead of
     * all (each call adds one, or takes one back; set only), and a number that their names begin
     * with (0: none). */
    MCQ_CTX_THREAD_PRIORITY = 3,
    MCQ_CTX_THREAD_SCHED_POLICY = 4,
    MCQ_CTX_THREAD_AFFINITY_CPU_ADD = 7,
    MCQ_CTX_THREAD_AFFINITY_CPU_REMOVE = 8,
    MCQ_CTX_THREAD_NAME_PREFIX = 9,
    /* Octets that its sockets hold, and hold now (get only). 0: no limit; -1: a quarter of the
     * process's memory (-1); asked for it is the limit in force. */
    MCQ_CTX_BUDGET = 1000,
    MCQ_CTX_BUDGET_USED = 1001,
    MCQ_CTX_PROFILE = 1002, /* 0: our defaults and habits, 1: libzmq's (0); later sockets' */
    /* A descriptor for a foreign event loop, which can be polled for input while there is something
     * to do for mcq_ctx_run(context, 0); get only. */
    MCQ_CTX_FD = 1010,
    /* Options of streams that the kernel has refused to the process, and the streams go on
     * without; get only. */
    MCQ_CTX_REFUSED = 1011,
    /* Questions that ZAP's handler has of an I/O thread at a time (64), 1 or more; others wait,
     * each within its handshake's time. How many have had to wait because of it (get only). */
    MCQ_CTX_ZAP_MAX = 1020,
    MCQ_CTX_ZAP_HELD_UP = 1021,
};

/* A context; its threads start with its first socket. NULL: ENOMEM. The caller ends it with
 * mcq_ctx_term. */
struct mcq_context *mcq_ctx_new(void);

/* Sets an option, or gives its value.
 *   EINVAL   no such option, or the value is out of its range
 *   EBUSY    it is too late for options of the threads
 * MCQ_CTX_FD is -1 where the context has threads or had no socket yet, and in another thread. The
 * descriptor is the context's until it ends; it is neither read nor closed. The context's thread
 * waits for it with others of its own, and need not call anything while it is silent
 * (docs/howto/event-loop.md). */
int mcq_ctx_set(struct mcq_context *context, enum mcq_ctx_option option, int64_t value);
int mcq_ctx_get(struct mcq_context *context, enum mcq_ctx_option option, int64_t *value);

/* Of a context without threads (MCQ_CTX_IO_THREADS 0): connects, accepts, sends what waits and
 * receives ahead. The thread that opened the first socket does that in its calls, and in this one;
 * while it makes none, nothing moves. It also is the one to call mcq_ctx_term. Other threads may
 * use the sockets; what they wait for comes while the first one waits or runs.
 *   timeout_ms   for so long; 0: what is there to do now
 *   EINVAL       timeout_ms is negative
 *   EACCES       the context has threads, or this is another thread
 *   EINTR        a signal handler ran */
int mcq_ctx_run(struct mcq_context *context, int timeout_ms);

/* What its sockets run on: "io_uring" or "epoll", or "" before the first one. A constant text; NULL
 * is a failure. The environment's MONOCOQUE_ENGINE (auto, io_uring, epoll) chooses; auto, which is
 * also what no word means, is io_uring where it can be had. With MONOCOQUE_LOG=stderr a process
 * that has to do without it says so there, once.
 *   why   set to the reason if io_uring was looked for and cannot be had, else to NULL; may be NULL
 */
const char *mcq_ctx_engine(struct mcq_context *context, const char **why);

/* From now on all calls on its sockets give MCQ_ETERM, those that sleep too; but for mcq_close. */
int mcq_ctx_shutdown(struct mcq_context *context);

/* Shuts down, waits until all sockets are closed and have lingered, and frees the context.
 *   timeout_ms   -1: as long as it takes
 *   0            the context is gone
 *   EAGAIN       not in time: the context is there and shut down; this may be called again, and
 *                mcq_ctx_pending says what it waits for, of which mcq_last_error has the first
 *   EINTR        a signal handler ran; the same
 *   EACCES       it has no threads, and belongs to another one: mcq_ctx_run
 * Source: zmq_ctx_term(3). */
int mcq_ctx_term(struct mcq_context *context, int timeout_ms);

/* What keeps a context from its end: a socket, or a peer that messages wait for. */
enum mcq_pending_state {
    MCQ_PENDING_OPEN = 0,   /* the application has not closed it */
    MCQ_PENDING_LINGER = 1, /* it is closed, and messages wait to be sent */
    MCQ_PENDING_DRAIN = 2,  /* they have left; its peers have not said yet that they end, too */
};

/* Later versions add members at the end only. */
struct mcq_pending {
    uint64_t socket;      /* a number of its own, the same in each entry of a socket */
    int32_t type;         /* enum mcq_type */
    int32_t state;        /* enum mcq_pending_state */
    int64_t linger_ms;    /* so long it will wait yet, or would if it were closed; -1: no limit */
    uint64_t peer;        /* id of the peer that messages wait for; 0: there is none */
    uint64_t messages;    /* that wait for it */
    uint64_t bytes;       /* octets of these, on the wire; 0 over inproc */
    int32_t is_connected; /* 1: it is there, and takes them slowly or not at all */
    char endpoint[256];   /* where it has bound, or we have */
};

/* Says what mcq_ctx_term waits for, or would: fills in up to `count` entries and gives how many
 * there are: one for each peer that messages wait for, and one for each other socket. Any thread,
 * also while others use the sockets, but not while another one's mcq_ctx_term may end the context.
 *   entries       may be NULL with count 0
 *   entry_bytes   sizeof *entries; a program that knows less members than the library gets those */
int mcq_ctx_pending(struct mcq_context *context, struct mcq_pending *entries, size_t count,
                    size_t entry_bytes);

/* --- sockets --------------------------------------------------------------------------------- */

struct mcq_socket;

/* The numbers of libzmq. Source: zmq_socket(3), RFC 28 (REQ, REP, DEALER, ROUTER), 29 (PUB, SUB),
 * 30 (PUSH, PULL), 31 (PAIR). */
enum mcq_type {
    MCQ_PAIR = 0,   /* one peer, both ways */
    MCQ_PUB = 1,    /* to all subscribers whose topic the message begins with; never waits */
    MCQ_SUB = 2,    /* from publishers, what was subscribed to (MCQ_OPT_SUBSCRIBE) */
    MCQ_REQ = 3,    /* a request, then its reply */
    MCQ_REP = 4,    /* a request, then the reply to it */
    MCQ_DEALER = 5, /* to one peer after the other, from all */
    MCQ_ROUTER = 6, /* to the peer that the first part names; received ones begin with that part */
    MCQ_PULL = 7,   /* from all */
    MCQ_PUSH = 8,   /* to one peer after the other */
    MCQ_XPUB = 9,  /* as PUB, and receives what subscribers say: 1 or 0 and a topic, or a message */
    MCQ_XSUB = 10, /* as SUB, and says what it wants by sending: 1 or 0 and a topic; or a message */
    /* Octets of peers that speak no ZMTP, over tcp and ipc. Received: the peer's name, then what
     * came; to it: its name, then octets. An empty part ends the connection, once what was sent
     * before has left, and, received, says that it has begun or ended. */
    MCQ_STREAM = 11,
    /* Messages of these have one part: several threads may use one socket. libzmq has them in
     * builds with drafts. RFC 41 (CLIENT, SERVER), 48 (RADIO, DISH), 49 (SCATTER, GATHER), 51
     * (PEER), 52 (CHANNEL). */
    MCQ_SERVER = 12,  /* to the client of the message's routing id; received ones have theirs */
    MCQ_CLIENT = 13,  /* to one server after the other, from all */
    MCQ_RADIO = 14,   /* to all who have joined the message's group; never waits */
    MCQ_DISH = 15,    /* from all, what is for groups that were joined (mcq_join) */
    MCQ_GATHER = 16,  /* from all */
    MCQ_SCATTER = 17, /* to one peer after the other */
    MCQ_PEER = 19,    /* as SERVER, to others of its kind */
    MCQ_CHANNEL = 20, /* one peer, both ways */
    /* Datagrams, over udp alone; libzmq has it in builds with drafts. Sent: an address, "IP:PORT",
     * then the datagram, up to 8,192 octets. Received: the same, with the sender's address. */
    MCQ_DGRAM = 18,
};

/* A socket of this type, without peers; the caller closes it with mcq_close. NULL is a failure:
 *   EINVAL      no such type, or the environment's MONOCOQUE_ENGINE asks for what is not there
 *   EMFILE      MCQ_CTX_MAX_SOCKETS are there, or no descriptors are left
 *   MCQ_ETERM   the context is shutting down */
struct mcq_socket *mcq_socket(struct mcq_context *context, enum mcq_type type);

/* Ends the socket for its user, at once and in any state: other threads that sleep in a call on it
 * get ENOTSOCK. Messages that have not left go on to do so for as long as MCQ_OPT_LINGER says;
 * received ones are gone. Source: zmq_close(3). */
int mcq_close(struct mcq_socket *socket);

/* Takes connections at this endpoint. MCQ_OPT_LAST_ENDPOINT says what `*` became. A socket may have
 * many endpoints.
 *
 *   "tcp://HOST:PORT"   `*` as HOST is every interface, as PORT any free one
 *   "ipc://PATH"        a file, of processes of this machine. One whose owner has gone is replaced;
 *                       it is taken away with the endpoint. `*`: in a folder that is made for it
 *   "ipc://@NAME"       the same without a file
 *   "inproc://NAME"     of sockets of this context. Messages move in memory; the limit of a way is
 *                       MCQ_OPT_SNDHWM of its sender and MCQ_OPT_RCVHWM of its receiver together
 *   "udp://HOST:PORT"   DISH and DGRAM: datagrams that come there, from anybody. HOST as of tcp, or
 *                       a multicast group, which is joined, at "udp://INTERFACE;GROUP:PORT" where
 *                       INTERFACE says; it is a name, an address, or `*`
 *
 *   EINVAL            the endpoint is not written as it must be
 *   EPROTONOSUPPORT   no such transport
 *   MCQ_ENOCOMPATPROTO   udp: another type; or a DGRAM over another transport
 *   EISCONN           a DGRAM has its one endpoint
 *   EADDRINUSE        somebody has the port or the name, or listens at the path; or the path is
 *                     another file
 *   EADDRNOTAVAIL     the address is not this machine's
 *   ENODEV            no such host or interface
 *   ENOENT            the path's folder is not there
 *   ENAMETOOLONG      the path has more than 107 octets
 *   MCQ_EMTHREAD      not over inproc: no thread is left to the socket
 *   EACCES, EMFILE
 * Source: zmq_bind(3), zmq_tcp(7), zmq_ipc(7), zmq_inproc(7). */
int mcq_bind(struct mcq_socket *socket, const char *endpoint);

/* Takes no more connections there; those that stand stay.
 *   endpoint   as it was given to mcq_bind, or as MCQ_OPT_LAST_ENDPOINT had it
 *   ENOENT     nothing is bound to it
 *   EINVAL, EPROTONOSUPPORT   it is no endpoint at all */
int mcq_unbind(struct mcq_socket *socket, const char *endpoint);

/* Connects to this endpoint, now or as soon as somebody is bound there, and anew whenever the
 * connection is lost (MCQ_OPT_RECONNECT_IVL). Messages may be sent at once; they wait.
 *   endpoint          "tcp://HOST:PORT", or "tcp://ADDRESS:PORT;HOST:PORT" with where to connect
 *                     from, `*` for any. A HOST that is a name is looked up later, in a thread of
 *                     its own, and anew before each attempt; all its addresses are tried.
 *                     "ipc://PATH", "ipc://@NAME".
 *                     "inproc://NAME": as soon as a socket of this context has bound the name, and
 *                     until either side closes or disconnects: there is no coming back
 *                     "udp://HOST:PORT", "udp://INTERFACE;GROUP:PORT": of a RADIO, which sends all
 *                     that it has there, whoever listens. A HOST that is a name is looked up now
 *   EINVAL            the endpoint is not written as it must be; or inproc: who has bound the name
 *                     is of a type that this one does not talk to
 *   EPROTONOSUPPORT   no such transport
 *   MCQ_ENOCOMPATPROTO   udp: it is no RADIO; or a DGRAM, which is bound
 *   EHOSTUNREACH      neither an address nor a name
 *   ENAMETOOLONG      the path has more than 107 octets
 *   EISCONN           a PAIR has its one peer
 *   EADDRINUSE        another peer has the name that MCQ_OPT_CONNECT_ROUTING_ID gave
 *   MCQ_EMTHREAD      not over inproc: no thread is left to the socket
 * Source: zmq_connect(3), zmq_tcp(7), zmq_ipc(7), zmq_inproc(7). */
int mcq_connect(struct mcq_socket *socket, const char *endpoint);

/* mcq_connect of a PEER, which also says what routing id the other one has, over all connections to
 * it.
 *   ENOTSUP   another type of socket
 * Source: zmq_connect_peer(3). */
int mcq_connect_peer(struct mcq_socket *socket, const char *endpoint, uint32_t *routing_id);

/* Ends the connection. For the socket the peer is gone at once; what was sent to it before leaves
 * within LINGER, as after mcq_close, and by a new connection if there is none. A type that only
 * hands messages on receives what the peer sends until then. What was sent over inproc to a socket
 * that was there has left.
 *   ENOENT   there was no mcq_connect of this endpoint
 *   EINVAL, EPROTONOSUPPORT   it is no endpoint at all */
int mcq_disconnect(struct mcq_socket *socket, const char *endpoint);

/* A DISH receives what is for this group, or does so no more. Source: zmq_join(3), zmq_leave(3).
 *   group     up to MCQ_GROUP_MAX octets; "" is a group, too
 *   EINVAL    it has joined already, or has not; or the name is too long
 *   ENOTSUP   another type of socket */
int mcq_join(struct mcq_socket *socket, const char *group);
int mcq_leave(struct mcq_socket *socket, const char *group);

/* Waits until this many peers are connected; of a PUB, XPUB or RADIO those count that have asked
 * for something.
 *   timeout_ms   0: looks; -1: as long as it takes
 *   EAGAIN       not in time
 *   EINTR        a signal handler ran */
int mcq_wait_peers(struct mcq_socket *socket, uint32_t count, int timeout_ms);

/* Waits until so many peers would get a message of a PUB or XPUB that begins with this topic, or of
 * a RADIO for this group. Messages sent afterwards reach them: nobody sleeps for slow joiners.
 *   topic        len octets, which may be none
 *   timeout_ms   0: looks; -1: as long as it takes
 *   EAGAIN       not in time
 *   EINTR        a signal handler ran
 *   ENOTSUP      another type of socket */
int mcq_wait_subscribers(struct mcq_socket *socket, const void *topic, size_t len, uint32_t count,
                         int timeout_ms);

/* --- peers and counters ---------------------------------------------------------------------- */

/* Why a message went nowhere: indices of the counters `drops`, of which the others are 0. */
enum mcq_drop {
    MCQ_DROP_FULL = 0,         /* to send: as many wait for the peer as SNDHWM allows */
    MCQ_DROP_OLDER = 1,        /* it waited, and gave way to a newer one (CONFLATE, WHEN_FULL) */
    MCQ_DROP_NOBODY = 2,       /* to send: nobody has subscribed to it, or has this routing id, or
                                  no way leads to the datagram's address */
    MCQ_DROP_FILTERED = 3,     /* received: it matches no subscription, or no group */
    MCQ_DROP_REFUSED = 4,      /* received: the type has no use for it, for instance a late reply */
    MCQ_DROP_OVERSIZED = 5,    /* received in part: beyond a limit, and the connection was ended;
                                  a datagram that is too long, either way */
    MCQ_DROP_DISCONNECTED = 6, /* it waited for a peer that is gone */
    MCQ_DROP_NO_MEMORY = 7,
    MCQ_DROP_ROOM = 16, /* counters that there is room for */
};

/* A peer as it was when it was asked for. Counters begin with the peer, not with its connection.
 * Later versions add members at the end only. */
struct mcq_peer_info {
    uint64_t id;           /* for mcq_close_peer; no other peer of this context ever has it */
    uint64_t epoch;        /* of its connection, as struct mcq_report has it; 0: none stands */
    uint64_t connected_ms; /* so long has that stood */
    uint64_t connections;  /* that it has had; a peer that was accepted has one */
    int32_t is_accepted;   /* 1: it came to us */
    int32_t mechanism;     /* as MCQ_OPT_MECHANISM has it */
    uint64_t queued_out;   /* messages that wait for it; over inproc, those that it has not taken */
    uint64_t queued_out_bytes; /* octets of these, on the wire; 0 over inproc */
    uint64_t queued_out_max;   /* MCQ_OPT_SNDHWM in force; 0: no limit */
    uint64_t queued_in;        /* messages received from it, and not taken; over inproc 0 */
    uint64_t queued_in_bytes;  /* octets of these */
    uint64_t queued_in_max;    /* MCQ_OPT_RCVHWM in force; 0: no limit */
    uint64_t messages_out;     /* that were taken to be sent to it */
    uint64_t bytes_out;        /* octets of these */
    uint64_t messages_in;      /* that came from it */
    uint64_t bytes_in;         /* octets of these */
    uint64_t drops[MCQ_DROP_ROOM];
    uint32_t routing_id_len;
    uint8_t routing_id[256]; /* of a ROUTER's peer; of a SERVER's or PEER's, a uint32_t */
    char user_id[256];       /* who it is to ZAP; "" where nobody said so */
    char endpoint[256];      /* where we have bound or connected */
    char address[128];       /* its own, as an endpoint; "" if it has none */
    /* From the last PING of ours to its PONG, as this side read it; 0: none has been answered on
     * this connection, or MCQ_OPT_HEARTBEAT_IVL asks for none. */
    uint64_t rtt_ns;
};

/* Fills in the socket's peers, `count` at most, in no order, and gives how many there are. It holds
 * up who uses the socket for about a microsecond each.
 *   infos        may be NULL with count 0
 *   info_bytes   sizeof *infos; a program that knows less members than the library gets those */
int mcq_peers(struct mcq_socket *socket, struct mcq_peer_info *infos, size_t count,
              size_t info_bytes);

/* Ends the connection with this peer, and what waits for it or was not received from it is dropped;
 * but for the rest of a message that was begun to be received, and for what came over inproc.
 * One that we have connected to is not tried again, as after mcq_disconnect; one that came to us
 * may come back (and is another peer then).
 *   ENOENT   there is no such peer any more */
int mcq_close_peer(struct mcq_socket *socket, uint64_t id);

/* Sums over all peers, also those that are gone. Later versions add members at the end only. */
struct mcq_socket_stats {
    uint64_t peers;     /* that mcq_peers would tell of */
    uint64_t connected; /* of these */
    uint64_t messages_out;
    uint64_t bytes_out;
    uint64_t messages_in;
    uint64_t bytes_in;
    uint64_t drops[MCQ_DROP_ROOM];
};

/*   stats_bytes   sizeof *stats; a program that knows less members than the library gets those */
int mcq_stats(struct mcq_socket *socket, struct mcq_socket_stats *stats, size_t stats_bytes);

/* --- messages -------------------------------------------------------------------------------- */

/* One part of a message: a body of any octets, and whether more parts follow. The storage is the
 * caller's, for instance a local variable; the members are not for use. Up to 56 octets lie in it,
 * longer bodies elsewhere, shared and not copied. Copy it with mcq_message_copy, not with =.
 *
 *   (storage) --init...--> holds a body --send, close, moved away--> empty; may be used again
 */
struct __attribute__((may_alias)) mcq_message {
    uint64_t opaque[8]; /* the last octet is for whoever keeps the message: no call reads it */
};

/* Calls that begin a message, in fresh storage; what the storage held is not released.
 *   ENOMEM   the message is empty */

/* Empty: what mcq_recv_message wants. */
int mcq_message_init(struct mcq_message *message);
/* `len` octets, all zero, to be written through mcq_message_data. */
int mcq_message_init_size(struct mcq_message *message, size_t len);
/* The same without the zeros, for who writes all of them: what he leaves out is what this memory
 * held before, maybe of another message, and leaves with the rest. */
int mcq_message_init_unset(struct mcq_message *message, size_t len);
/* A copy of these octets. */
int mcq_message_init_copy(struct mcq_message *message, const void *data, size_t len);
/* These octets themselves, without a copy. They are the message's until release is called, once,
 * with `data` and `hint`, by whichever thread uses them last, maybe within a call of this library;
 * it must make no call on a socket. A failure leaves them the caller's.
 *   release   NULL: the octets live as long as the program */
int mcq_message_init_data(struct mcq_message *message, void *data, size_t len,
                          void (*release)(void *data, void *hint), void *hint);

/* Releases the body; the message is empty. Harmless on an empty one. Source: zmq_msg_close(3). */
int mcq_message_close(struct mcq_message *message);

/* Releases what target has and gives it what source has; source is empty afterwards. */
int mcq_message_move(struct mcq_message *target, struct mcq_message *source);

/* Releases what target has and gives it the body of source, to be shared by both: neither may be
 * written any more. Source: zmq_msg_copy(3). */
int mcq_message_copy(struct mcq_message *target, struct mcq_message *source);

/* The body, until the message is moved, sent or closed. It may be written if one of these two
 * or mcq_reserve began the message and neither it was sent nor copied; else it is only for reading.
 */
void *mcq_message_data(struct mcq_message *message);
/* Octets of the body. */
size_t mcq_message_size(const struct mcq_message *message);
/* Whether more parts of the same message follow; of a received one. */
bool mcq_message_more(const struct mcq_message *message);

/* Of a message received by a SERVER or PEER, and of one that it sends: whose it is; 0: nobody's. On
 * other types it means nothing, and it is not sent. Source: zmq_msg_routing_id(3). */
uint32_t mcq_message_routing_id(const struct mcq_message *message);
/*   EINVAL   routing_id is 0 */
int mcq_message_set_routing_id(struct mcq_message *message, uint32_t routing_id);

/* What is known of the peer that a received message came from. */
struct mcq_origin;

/* The caller holds it until mcq_origin_release, in any thread; the message may be gone before that.
 * NULL is a failure, and the message has none:
 *   ENOENT   it was not received, it came over inproc, or a SERVER or PEER received it; or its
 *            connection has ended, and since then its context did or hundreds of others */
struct mcq_origin *mcq_message_origin(const struct mcq_message *message);
void mcq_origin_release(struct mcq_origin *origin);

/* A property of the peer, as text; good while the origin is held. NULL is a failure.
 *   name     "Peer-Address": numeric, without the port; over ipc "localhost:UID:GID:PID". Any other
 *            one that the peer has sent in its handshake: "Socket-Type", "Identity", those of its
 *            application ("X-..."). As they are written there
 *   ENOENT   it has none of this name
 * Source: zmq_msg_gets(3). */
const char *mcq_origin_property(const struct mcq_origin *origin, const char *name);

/* The number of the descriptor that it came by, for reports: it may be another's by now. */
int mcq_origin_descriptor(const struct mcq_origin *origin);

#define MCQ_GROUP_MAX 255

/* The group that a DISH has received a message in, and for which a RADIO sends it; "" without one.
 * On other types it means nothing, and it is not sent. Good until the message is sent or closed.
 * Setting it copies a body of up to 56 octets: mcq_message_data is another address then. Source:
 * zmq_msg_group(3). */
const char *mcq_message_group(const struct mcq_message *message);
/*   EINVAL   the name is longer than MCQ_GROUP_MAX octets
 *   ENOMEM   the message is as it was */
int mcq_message_set_group(struct mcq_message *message, const char *group);

/* --- sending and receiving ------------------------------------------------------------------- */

#define MCQ_DONTWAIT 1 /* EAGAIN at once instead of waiting */
#define MCQ_SNDMORE 2  /* more parts of this message follow */

/* Sends one part. 0: the octets were copied, and are on their way or wait for it. A message goes
 * out whole, with its last part; until then what any thread sends on this socket becomes a part of
 * it, so threads that share one send messages of several parts with mcq_send_parts. What a type
 * does when no peer has room, waits or drops, is in docs/reference/sockets.md.
 *   EAGAIN         no peer had room for as long as MCQ_OPT_SNDTIMEO says
 *   EINTR          a signal handler ran
 *   EINVAL         no such flag
 *   ENOTSUP        SUB, PULL, GATHER and DISH do not send
 *   MCQ_EFSM       REQ: the reply is due; REP: there is no request to reply to
 *   EHOSTUNREACH   ROUTER: no such peer (MCQ_OPT_ROUTER_MANDATORY); SERVER and PEER: the same
 *   EINVAL         MCQ_SNDMORE, on a type whose messages have one part
 * If a part fails otherwise than by EAGAIN or EINTR, its message is given up: none of it goes out.
 * Where parts of it were taken before, what is sent next still belongs to it, and is dropped, up to
 * its last part.
 * Source: zmq_send(3). */
int mcq_send(struct mcq_socket *socket, const void *data, size_t len, int flags);

/* The same with a message, without copying long bodies. 0: it was moved, and is empty now; else it
 * is as it was. */
int mcq_send_message(struct mcq_socket *socket, struct mcq_message *message, int flags);

/* Receives one part and gives its length, or -1. If that is more than `len`, the buffer has the
 * first `len` octets and the rest is gone. MCQ_OPT_RCVMORE says whether more parts follow; those of
 * one message come together. Whichever thread receives next gets the next part, so threads that
 * share a socket receive messages of several parts with mcq_recv_parts.
 *   EAGAIN       nothing came for as long as MCQ_OPT_RCVTIMEO says
 *   EINTR        a signal handler ran
 *   EINVAL       no such flag
 *   ENOTSUP      PUB, PUSH, SCATTER and RADIO do not receive
 *   MCQ_EFSM     REQ: no request was sent; REP: the reply is due
 *   ECONNRESET   REQ: the peer went, and the reply with it; another request may be sent
 *   ETIMEDOUT    REQ: no reply came in the time of MCQ_OPT_REQ_TIMEOUT; another one may be sent
 * Source: zmq_recv(3). */
ptrdiff_t mcq_recv(struct mcq_socket *socket, void *buffer, size_t len, int flags);

/* The same into a message, without copying long bodies. What it held is released first; after a
 * failure it is empty. */
int mcq_recv_message(struct mcq_socket *socket, struct mcq_message *message, int flags);

/* Begins a message whose body is written where it leaves from: mcq_message_data points into the
 * memory that the socket sends from, and what is written there is copied no more; up to some 32,000
 * octets nothing is allocated either. Does not wait, neither for peers nor for room: mcq_commit
 * does. For that it is meant, but it is a message like any other: it may be sent with the calls for
 * messages (all of it), by any thread, on another socket, or be given up (mcq_message_close), also
 * when this socket is closed and its context has ended. Many may be begun at a time.
 *   message   one that was begun; what it held is released first
 *   len       octets of room; what they are before they are written is undefined
 *   ENOTSUP   SUB, PULL, GATHER and DISH do not send
 *   ENOMEM    the message is empty */
int mcq_reserve(struct mcq_socket *socket, struct mcq_message *message, size_t len);

/* The same of `count` messages for the price of one call, with `len` octets each; gives how many
 * were begun. mcq_send_batch sends them. -1 with an error of mcq_reserve: not even one was. */
int mcq_reserve_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count,
                      size_t len);

/* Sends the first `len` octets of a message as a part, as mcq_send_message does all of it. 0: it
 * was moved, and is empty now; else it is as it was: commit it again, or give it up.
 *   flags    of mcq_send
 *   EINVAL   `len` is more than the message has; no such flag
 * and the errors of mcq_send. */
int mcq_commit(struct mcq_socket *socket, struct mcq_message *message, size_t len, int flags);

/* Sends `count` parts, as mcq_send_message would one after the other, for the price of one call,
 * and gives how many were sent: those are empty, the others as they were. A part that was received
 * with more behind it is sent so, thus what mcq_recv_batch gives passes on as it came; with
 * MCQ_SNDMORE more follow each of them, also the last. Any other part ends a message. Waits until
 * all are sent, in all for as long as MCQ_OPT_SNDTIMEO says.
 * Between messages it may wait, and others may send theirs; within one it does not.
 * -1 with an error of mcq_send: the first one was not sent. One that stopped the batch later is
 * told by the next call that begins with the part concerned. */
int mcq_send_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count,
                   int flags);

/* Sends `count` parts as one message, whoever else uses the socket. 0: they are on their way, and
 * empty now. It waits before the first part, as mcq_send does, and not after it; 0 parts are none.
 * A REQ or REP still takes turns, whichever threads they are.
 *   flags   MCQ_DONTWAIT
 *   EBUSY   a message was begun with MCQ_SNDMORE, and not ended
 * and the errors of mcq_send. The parts are as they were then; after ENOMEM they may be gone. */
int mcq_send_parts(struct mcq_socket *socket, struct mcq_message *parts, size_t count, int flags);

/* Receives up to `count` parts, of one message or several, and gives how many: waits for the first
 * as mcq_recv_message does, and takes what else there is. A batch may end within a message; the
 * next call goes on with it. All are messages that were begun; what the filled ones held is
 * released first, and what the others held may be.
 * -1 with an error of mcq_recv: none was received. One behind the first is told by the next call.
 */
int mcq_recv_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count,
                   int flags);

/* Receives the parts of one message, up to `count`, and gives how many: all of them, whoever else
 * uses the socket. If it has more, the last one that is filled says so (mcq_message_more), and the
 * next call goes on with it; MCQ_OPT_PARTS_MAX keeps peers from sending more. Else as
 * mcq_recv_batch. */
int mcq_recv_parts(struct mcq_socket *socket, struct mcq_message *parts, size_t count, int flags);

/* --- monitoring ------------------------------------------------------------------------------ */

/* What becomes of connections; they add up. The numbers of libzmq. */
enum mcq_report_kind {
    MCQ_REPORT_CONNECTED = 0x0001,       /* value: the stream's descriptor, of which only to read */
    MCQ_REPORT_CONNECT_DELAYED = 0x0002, /* an attempt begins; value: EINPROGRESS */
    MCQ_REPORT_CONNECT_RETRIED = 0x0004, /* it failed; value: ms until the next one */
    MCQ_REPORT_LISTENING = 0x0008,       /* value: a descriptor */
    MCQ_REPORT_BIND_FAILED = 0x0010,     /* value: an errno */
    MCQ_REPORT_ACCEPTED = 0x0020,        /* value: a descriptor */
    MCQ_REPORT_ACCEPT_FAILED = 0x0040,   /* value: an errno; EUSERS: one too many of its address */
    MCQ_REPORT_CLOSED = 0x0080,       /* listening, or an attempt, is over; a descriptor, or -1 */
    MCQ_REPORT_DISCONNECTED = 0x0200, /* value: a descriptor */
    MCQ_REPORT_STOPPED = 0x0400,      /* nothing follows; of mcq_monitor_bind only, always */
    MCQ_REPORT_HANDSHAKE_FAILED = 0x0800,    /* the connection ended in it; value: an errno */
    MCQ_REPORT_HANDSHAKE_SUCCEEDED = 0x1000, /* messages may pass */
    MCQ_REPORT_HANDSHAKE_BROKEN = 0x2000,    /* the peer kept no rules; value: an errno. Or ZAP's
                                              * handler: a fault's number, from 0x20000000 on */
    MCQ_REPORT_HANDSHAKE_REFUSED = 0x4000,   /* not with these credentials; value: ZAP's status */
    MCQ_REPORT_ALL = 0xffff,
};

struct mcq_report {
    enum mcq_report_kind kind;
    int value;
    uint64_t epoch;        /* of the connection, which no other one has had; 0: none stood */
    const char *endpoint;  /* ours where the peer came to us, else the peer's; for the call */
    uint64_t peer;         /* its id as in mcq_peers; 0: it is not one, or not yet */
    const char *address;   /* the other side's own; "" if it has none; for the call */
    const char *local;     /* this side's address; "" as long as it has none; for the call */
    const char *remote;    /* the peer's, as it was connected to, or its own; "" as before */
    int cause;             /* of an end: an errno; 0: this side wanted it */
    const char *why;       /* the same as a constant text; "" */
    const char *rule;      /* what the peer broke, as docs/reference has it; "" */
    const char *version;   /* of a handshake that has succeeded: the peer's ZMTP, "3.1"; else "" */
    const char *type;      /* the same: the peer's type of socket, "PUB"; "" if it did not say */
    const char *mechanism; /* the same: "CURVE" */
    uint64_t lost;         /* reports that were to come before this one, and are gone */
    const char *reason;    /* of rule: a word of docs/reference/security.md, "not_opened"; "" */
};

/* Calls `tell` for each of these from now on, in one thread of the context after the other, and
 * instead of whom was told before; that one is told what was reported till now by this call, and
 * nothing afterwards. It must not wait; calls on this socket are not for it. Of inproc nothing is
 * told. Messages neither wait nor slow down: if `tell` is 4096 reports behind, the oldest make
 * room, and the next one says how many are `lost`.
 *   kinds   enum mcq_report_kind, added up
 *   tell    NULL: nobody is told any more; so it is once the socket is closed
 * Source: zmq_socket_monitor(3). */
int mcq_monitor(struct mcq_socket *socket, unsigned kinds,
                void (*tell)(const struct mcq_report *report, void *hint), void *hint);

/* The same as messages: makes a socket of this type in the same context, binds it, and sends a
 * message on it for each report, for whoever connects to it. It is in the place of whom mcq_monitor
 * told, and ends by mcq_monitor, by another of these calls, or with the socket; then its last
 * message says MCQ_REPORT_STOPPED. Nobody waits: a message that nobody has room for is dropped,
 * whole. Numbers are in the machine's order.
 *   kinds      as for mcq_monitor
 *   endpoint   inproc://NAME
 *   version    1: two parts, of which the first has 2 octets of kind and 4 of value, and the second
 *              is the report's endpoint
 *              2: parts of 8 octets, the kind, the number of values, which is 1, the value; then
 *              `local`; then `remote`
 *   type       MCQ_PAIR, or MCQ_PUB for any number of subscribers (each message begins with its
 *              kind), or MCQ_PUSH
 *   EINVAL             no such version or type
 *   EPROTONOSUPPORT    the endpoint is not of inproc
 * and the errors of mcq_socket and mcq_bind.
 * Source: zmq_socket_monitor(3), zmq_socket_monitor_versioned(3). */
int mcq_monitor_bind(struct mcq_socket *socket, unsigned kinds, const char *endpoint, int version,
                     enum mcq_type type);

/* --- polling --------------------------------------------------------------------------------- */

#define MCQ_POLLIN 1  /* a message can be received without waiting */
#define MCQ_POLLOUT 2 /* a message can be sent without waiting */
#define MCQ_POLLERR 4 /* of a descriptor: it failed or was closed at the other end; always asked */

struct mcq_poll_entry {
    struct mcq_socket *socket; /* NULL: the descriptor counts */
    int fd;        /* any descriptor of the system; negative: the entry is passed over */
    short events;  /* MCQ_POLL... asked for */
    short revents; /* what there is of it, after the call */
};

/* Waits until an entry has something, and gives how many have: 0 is a timeout.
 *   count        0 with entries NULL just sleeps
 *   timeout_ms   0: looks; -1: as long as it takes
 *   EINTR        a signal handler ran
 *   EINVAL       an entry asks for something unknown
 * Source: zmq_poll(3). */
int mcq_poll(struct mcq_poll_entry *entries, size_t count, int timeout_ms);

/* --- pollers --------------------------------------------------------------------------------- */

/* Sockets and descriptors that are asked for again and again: waiting costs as much as there is
 * ready, however many it looks after (mcq_poll asks each of them). Level-triggered: who leaves
 * something undone is told again. One thread at a time uses it. */
struct mcq_poller;

struct mcq_poller_event {
    struct mcq_socket *socket; /* NULL: fd */
    int fd;                    /* -1: socket */
    short events;              /* MCQ_POLL... that there are of those asked for */
    void *hint;                /* as it was added */
};

/* NULL: ENOMEM, EMFILE. */
struct mcq_poller *mcq_poller_new(void);
/* Sockets and descriptors stay. *poller is NULL afterwards; NULL is fine. */
int mcq_poller_free(struct mcq_poller **poller);

/* Asks for these events of a socket or a descriptor from now on; of what is there already, for
 * these instead. A socket is taken out before it is closed, and a descriptor, too.
 *   events   MCQ_POLLIN, MCQ_POLLOUT, both, or 0: it stays, and nothing is asked for
 *   hint     is the caller's; it comes back with the events
 *   EINVAL   no such event
 *   EBADF    of a descriptor: it is none that can be polled */
int mcq_poller_set(struct mcq_poller *poller, struct mcq_socket *socket, short events, void *hint);
int mcq_poller_set_fd(struct mcq_poller *poller, int fd, short events, void *hint);

/*   ENOENT   it is not there */
int mcq_poller_remove(struct mcq_poller *poller, struct mcq_socket *socket);
int mcq_poller_remove_fd(struct mcq_poller *poller, int fd);

/* Waits until there is something, and fills in up to `count` events, one for each socket or
 * descriptor; gives how many, 0: not in time. Octets that do not make a message may end it, once;
 * so calls are made with MCQ_DONTWAIT. A socket whose context shuts down has all that was asked
 * for. In the thread of a context without threads, its work is done here, too.
 *   timeout_ms   0: looks; -1: as long as it takes
 *   EINVAL       count is 0
 *   EINTR        a signal handler ran */
int mcq_poller_wait(struct mcq_poller *poller, struct mcq_poller_event *events, size_t count,
                    int timeout_ms);

/* A descriptor for a foreign event loop, which can be polled for input while there is something; it
 * is the poller's. */
int mcq_poller_fd(struct mcq_poller *poller);

/* --- proxies --------------------------------------------------------------------------------- */

/* What comes in at one socket goes out at the other, both ways, message by message. A message is
 * taken once the other side would take it, so nothing is held in between. With one socket as both
 * sides what it receives it sends. */
struct mcq_proxy;

struct mcq_proxy_counts {
    uint64_t messages_in; /* received from this side's peers */
    uint64_t bytes_in;
    uint64_t messages_out; /* sent to them */
    uint64_t bytes_out;
};

/* Later versions add members at the end only. */
struct mcq_proxy_stats {
    struct mcq_proxy_counts front;
    struct mcq_proxy_counts back;
};

enum mcq_proxy_order {
    MCQ_PROXY_PAUSE = 0,  /* takes no messages; they wait as the sockets' types have it */
    MCQ_PROXY_RESUME = 1, /* goes on */
    MCQ_PROXY_STOP = 2,   /* mcq_proxy_run gives 0; called anew, it goes on */
};

/* A proxy that does not run yet. The sockets stay the caller's, and live longer.
 *   capture   gets a copy of each message; NULL: nobody does
 *   NULL      ENOMEM, EMFILE, EFAULT */
struct mcq_proxy *mcq_proxy_new(struct mcq_socket *front, struct mcq_socket *back,
                                struct mcq_socket *capture);
/* It does not run. *proxy is NULL afterwards; NULL is fine. */
int mcq_proxy_free(struct mcq_proxy **proxy);

/* Moves messages in this thread until MCQ_PROXY_STOP. 0: it was stopped; else, and it may be called
 * again: MCQ_ETERM, ENOTSOCK, EINTR, ENOMEM and errors of a send or recv. */
int mcq_proxy_run(struct mcq_proxy *proxy);

/* Tells it, now or before it runs. Any thread. EINVAL: no such order. */
int mcq_proxy_tell(struct mcq_proxy *proxy, enum mcq_proxy_order order);

/* What it has moved so far. Any thread.
 *   stats_bytes   sizeof *stats; a program that knows less members than the library gets those */
int mcq_proxy_stats(struct mcq_proxy *proxy, struct mcq_proxy_stats *stats, size_t stats_bytes);

/* Calls `steer` in the thread that runs the proxy whenever this socket has a message, which `steer`
 * receives; what it returns, if not 0, ends mcq_proxy_run with -1 and the errno that it has set.
 * Before it runs.
 *   control   NULL: none any more */
int mcq_proxy_set_control(struct mcq_proxy *proxy, struct mcq_socket *control,
                          int (*steer)(struct mcq_proxy *proxy, struct mcq_socket *control,
                                       void *hint),
                          void *hint);

/* --- timers ---------------------------------------------------------------------------------- */

/* Calls that come due in the thread that asks for them. One thread at a time uses them. Source:
 * zmq_timers(3). */
struct mcq_timers;

typedef void mcq_timer_fn(int id, void *hint);

/* NULL: ENOMEM. */
struct mcq_timers *mcq_timers_new(void);
/* *timers is NULL afterwards; NULL is fine. Not in one of its calls. */
int mcq_timers_free(struct mcq_timers **timers);

/* Calls `call` each time interval_ms are over, by mcq_timers_run. Gives its id, 1 or more.
 *   ENOMEM */
int mcq_timers_add(struct mcq_timers *timers, uint64_t interval_ms, mcq_timer_fn *call, void *hint);

/* Another interval, from now on; the same one again; no more calls. EINVAL: no such id. */
int mcq_timers_set(struct mcq_timers *timers, int id, uint64_t interval_ms);
int mcq_timers_reset(struct mcq_timers *timers, int id);
int mcq_timers_cancel(struct mcq_timers *timers, int id);

/* ms until the next one is due: a timeout for mcq_poll or mcq_poller_wait. 0: one is; -1: there is
 * none. */
int mcq_timers_timeout(struct mcq_timers *timers);

/* Calls those that are due, the oldest first; gives how many. They may add, change and cancel
 * timers. One that is late is called once, and due again an interval later. */
int mcq_timers_run(struct mcq_timers *timers);

/* --- options --------------------------------------------------------------------------------- */

/* The numbers of libzmq, below 1000. Each says its range and (default); times are in ms. Those
 * marked "later" hold for what is bound and connected after they were set, all others at once. */
enum mcq_option {
    /* --- What the socket is, and what can be done now; get only. */

    /* enum mcq_type. */
    MCQ_OPT_TYPE = 16,
    /* 1: the part received last is not the last of its message. */
    MCQ_OPT_RCVMORE = 13,
    /* 1: of the types whose messages have one part. */
    MCQ_OPT_THREAD_SAFE = 81,
    /* MCQ_POLLIN, MCQ_POLLOUT: what can be done now. */
    MCQ_OPT_EVENTS = 15,
    /* Readable once EVENTS may have changed since it was asked for. */
    MCQ_OPT_FD = 14,
    /* A descriptor for a foreign event loop, which can be polled for input while a message can be
     * received. */
    MCQ_OPT_RECV_FD = 1020,
    /* The same while a message can be sent; it, too, is polled for input. */
    MCQ_OPT_SEND_FD = 1021,
    /* Of the last bind or connect, and a zero octet. */
    MCQ_OPT_LAST_ENDPOINT = 32,
    /* 0 NULL, 1 PLAIN, 2 CURVE. */
    MCQ_OPT_MECHANISM = 43,
    /* PUB, XPUB: different topics of its peers; SUB, XSUB: its own. */
    MCQ_OPT_TOPICS_COUNT = 116,
    /* Connections that were ended because of one of the limits below. */
    MCQ_OPT_LIMITED = 1008,
    /* How often bound endpoints have stopped accepting for 0.1 s, for want of descriptors or
     * memory. */
    MCQ_OPT_PARKED = 1010,
    /* Connections that were closed because of SOURCE_STRANGERS_MAX or SOURCE_MAX. */
    MCQ_OPT_CROWDED = 1014,

    /* --- Who serves it. */

    /* Bits, 0: all (0): the context's threads that may serve the socket, the lowest bit for the
     * first. One does, that with the fewest sockets, from the first bind or connect on; set before
     * that. */
    MCQ_OPT_AFFINITY = 4,

    /* --- How long calls wait, and what waits. */

    /* -1: no limit, 0.. (-1): for mcq_recv to wait. */
    MCQ_OPT_RCVTIMEO = 27,
    /* -1: no limit, 0.. (-1): for mcq_send to wait. */
    MCQ_OPT_SNDTIMEO = 28,
    /* -1: no limit, 0.. (-1; SUB, XSUB 0): to send after close. */
    MCQ_OPT_LINGER = 17,
    /* Messages, 0: no limit, 0.. (1000): that wait for a peer. */
    MCQ_OPT_SNDHWM = 23,
    /* Messages, 0: no limit, 0.. (1000): received and not taken, for each peer. */
    MCQ_OPT_RCVHWM = 24,
    /* 0, 1 (0): only peers whose handshake is over get messages, and what waits for one is lost
     * with its connection; later. */
    MCQ_OPT_IMMEDIATE = 39,
    /* 0, 1 (0); PUB, SUB, DEALER, PUSH, PULL: of what waits for a peer, or from it, only the newest
     * message stays; later. */
    MCQ_OPT_CONFLATE = 54,

    /* enum mcq_when_full (0); types that send, but REQ and REP: what becomes of a message that a
     * peer has no room for. */
    MCQ_OPT_WHEN_FULL = 1030,

    /* --- Names and subscriptions. */

    /* 1..255 octets (none), the first one not 0: our name; later. Asked of a STREAM: the name of
     * the peer that has come last. */
    MCQ_OPT_ROUTING_ID = 5,
    /* 1..255 octets; ROUTER, STREAM: our name for the peer of the next connect, to which may be
     * sent at once; set only. */
    MCQ_OPT_CONNECT_ROUTING_ID = 61,
    /* Text, "X-NAME:VALUE": told to peers in the handshake, for mcq_origin_property; adds up to 16
     * KiB; set only; later. */
    MCQ_OPT_METADATA = 95,
    /* Octets; SUB: messages that begin with these, many times. XPUB with XPUB_MANUAL: for the peer
     * of the last request; set only. */
    MCQ_OPT_SUBSCRIBE = 6,
    /* Octets: takes one SUBSCRIBE back; set only. */
    MCQ_OPT_UNSUBSCRIBE = 7,

    /* --- REQ, DEALER and ROUTER. */

    /* 0, 1 (0); REQ: numbers requests; set only. */
    MCQ_OPT_REQ_CORRELATE = 52,
    /* 0, 1 (0); REQ: may send again before the reply; set only. */
    MCQ_OPT_REQ_RELAXED = 53,
    /* Milliseconds (0: none); REQ: how long a request waits for its reply. Then it is sent again,
     * if REQ_RESENDS says so, else recv is ETIMEDOUT, once. Requests have ids then, as with
     * REQ_CORRELATE: a reply to an earlier sending is dropped. From the next request on. */
    MCQ_OPT_REQ_TIMEOUT = 1040,
    /* 0.. (0); REQ with REQ_TIMEOUT: so often a request is sent again that has no reply in that
     * time, or at once if its connection was lost; each sending has the same time. */
    MCQ_OPT_REQ_RESENDS = 1041,
    /* 0, 1 (0); REQ: it is sent again to the next peer, one that is connected before others (0);
     * to the same one (1), as long as that is a peer. */
    MCQ_OPT_REQ_RESEND_SAME = 1042,
    /* REQ: requests sent again so far; get only. */
    MCQ_OPT_REQ_RESENT = 1043,
    /* 0, 1 (0); REQ, DEALER, ROUTER: an empty message to each new peer, for a ROUTER to see who is
     * there; set only; later. */
    MCQ_OPT_PROBE_ROUTER = 51,
    /* 0, 1 (0); ROUTER: sending to nobody fails; set only. */
    MCQ_OPT_ROUTER_MANDATORY = 33,
    /* 0, 1 (0); ROUTER: a routing id is its newest peer's, but that who was let in by ZAP gives way
     * to the same user alone; set only. */
    MCQ_OPT_ROUTER_HANDOVER = 56,
    /* 0, 1 (0); ROUTER: sends messages without a routing id to one connected peer with room after
     * the other, and waits if there is none; received ones have theirs in front. */
    MCQ_OPT_ROUTER_BALANCE = 1031,
    /* 0..3 (0); ROUTER: an empty message from a peer that comes (1), or goes (2); later. */
    MCQ_OPT_ROUTER_NOTIFY = 97,
    /* Octets (none); DEALER, ROUTER, SERVER, CLIENT, PEER, CHANNEL: a message of one part that each
     * new connection begins with; set only. */
    MCQ_OPT_HELLO_MSG = 110,
    /* The same; one that is received, as if it were the peer's last, when a peer goes that had
     * connected to us. */
    MCQ_OPT_DISCONNECT_MSG = 111,
    /* The same, of DEALER, CLIENT, PEER, CHANNEL; when the connection to a peer is lost that we
     * connect to, before it is tried again. */
    MCQ_OPT_HICCUP_MSG = 114,
    /* 0, 1 (1); STREAM: an empty part says that a connection has begun, or ended; set only. */
    MCQ_OPT_STREAM_NOTIFY = 73,
    /* 0, 1 (0); ROUTER: peers speak no ZMTP, as those of a STREAM; later, set only. */
    MCQ_OPT_ROUTER_RAW = 41,
    /* Octets, 1.. (8192): the most that one part of a STREAM, or of a ROUTER with ROUTER_RAW, has;
     * later. */
    MCQ_OPT_IN_BATCH_SIZE = 101,

    /* --- Publishers and subscribers. */

    /* 0, 1 (0); XPUB: receives subscriptions that are no news, too; set only. Takes XPUB_VERBOSER
     * back. */
    MCQ_OPT_XPUB_VERBOSE = 40,
    /* 0, 1 (0); XPUB: as VERBOSE, and unsubscriptions; set only. */
    MCQ_OPT_XPUB_VERBOSER = 78,
    /* 0, 1 (0); PUB, XPUB, RADIO: waits while a subscriber is full; set only. */
    MCQ_OPT_XPUB_NODROP = 69,
    /* 0, 1 (0); XPUB: peers get what SUBSCRIBE says; set only. */
    MCQ_OPT_XPUB_MANUAL = 71,
    /* 0, 1 (0); XPUB: as MANUAL, and the next message goes only to the peer of the last request;
     * set only. */
    MCQ_OPT_XPUB_MANUAL_LAST_VALUE = 98,
    /* XPUB: a message for each subscriber that connects (none). */
    MCQ_OPT_XPUB_WELCOME_MSG = 72,
    /* 0, 1 (0); XPUB, XSUB: only a message's first part can be a subscription; set only. */
    MCQ_OPT_ONLY_FIRST_SUBSCRIBE = 108,
    /* 0, 1 (0); PUB, XPUB, SUB, XSUB: what matches no subscription. */
    MCQ_OPT_INVERT_MATCHING = 74,
    /* 0, 1 (0); XSUB: publishers hear of each unsubscription; set only. */
    MCQ_OPT_XSUB_VERBOSE_UNSUBSCRIBE = 115,

    /* --- Connecting, and coming back. */

    /* 0: the system's, 0.. (0): for a connection to stand; later. */
    MCQ_OPT_CONNECT_TIMEOUT = 79,
    /* 0: no limit, 0.. (5000): for a handshake; later. */
    MCQ_OPT_HANDSHAKE_IVL = 66,
    /* -1: never, 0.. (100): before a lost peer is tried again; later. */
    MCQ_OPT_RECONNECT_IVL = 18,
    /* 0.. (0: it does not grow): where doubling it ends; later. */
    MCQ_OPT_RECONNECT_IVL_MAX = 21,
    /* 0, 1 (1): RECONNECT_IVL is 0 up to twice it, 1 down to nothing, at random; later. */
    MCQ_OPT_RECONNECT_JITTER = 1001,
    /* 0..7 (0): no more attempts after 1 a refusal, 2 a failed handshake, 4 mcq_disconnect
     * (always); they add up; later. */
    MCQ_OPT_RECONNECT_STOP = 109,
    /* 0, 1 (0): peers of ZMTP 1.0 and 2.0 are welcome; later. */
    MCQ_OPT_OLDER_PEERS = 1000,
    /* 0.. (1024): connections that wait to be taken; later. */
    MCQ_OPT_BACKLOG = 19,
    /* -1.. (-1: none): listens already, for the next mcq_bind, which closes it in the end and sets
     * this to -1. */
    MCQ_OPT_USE_FD = 89,

    /* --- Silent peers. */

    /* 0: none, 0.. (0): between questions to a silent peer; later. */
    MCQ_OPT_HEARTBEAT_IVL = 75,
    /* -1: as HEARTBEAT_IVL, 0.. (-1): for the peer to answer; later. */
    MCQ_OPT_HEARTBEAT_TIMEOUT = 77,
    /* 0..6553599 (0): when the peer is to give us up; later. */
    MCQ_OPT_HEARTBEAT_TTL = 76,

    /* --- What a peer may do at most. */

    /* Octets, -1.. (-1: 64 MiB a part, 256 MiB in all); later. */
    MCQ_OPT_MAXMSGSIZE = 22,
    /* Octets, -1.. (-1: 256 MiB): all parts of it; later. */
    MCQ_OPT_MESSAGE_MAX = 1006,
    /* -1..2^20 (-1: 8192): in a message; later. */
    MCQ_OPT_PARTS_MAX = 1005,
    /* Octets, -1..65536 (-1: 16384): a peer's command; later. */
    MCQ_OPT_COMMAND_MAX = 1003,
    /* -1..1024 (-1: 64): in a peer's READY; later. */
    MCQ_OPT_PROPERTIES_MAX = 1004,
    /* Octets, 0.. (16 MiB); PUB, XPUB, RADIO: what a peer's subscriptions may be charged, 224 each
     * beside their own. */
    MCQ_OPT_SUBSCRIPTIONS_MAX = 1007,
    /* 1.. (1024): handshakes under way at a bound endpoint, before the oldest gives way; later. */
    MCQ_OPT_STRANGERS_MAX = 1002,
    /* 0.. (0: no limit): handshakes under way from one IPv4 address, or one IPv6 network of 64
     * bits, at a bound endpoint; who comes beyond it is closed, and MCQ_REPORT_ACCEPT_FAILED says
     * EUSERS; later. */
    MCQ_OPT_SOURCE_STRANGERS_MAX = 1012,
    /* The same of all connections from there, with those that were let in; later. */
    MCQ_OPT_SOURCE_MAX = 1013,

    /* --- Security. Those of PLAIN and CURVE choose the mechanism: the one that was set last
     * counts. Keys are 32 octets or 40 characters of Z85, with a zero octet behind them or without;
     * asked for with room for 41 octets they are text, with less they are octets. */

    /* 0, 1 (0): asks its clients for name and password; later. */
    MCQ_OPT_PLAIN_SERVER = 44,
    /* 1..255 octets: a client of PLAIN; later. */
    MCQ_OPT_PLAIN_USERNAME = 45,
    /* 0..255 octets; later. */
    MCQ_OPT_PLAIN_PASSWORD = 46,
    /* 0, 1 (0): has the key that its clients know; later. */
    MCQ_OPT_CURVE_SERVER = 47,
    /* Our own public key; follows from the secret one if it is not set; later. */
    MCQ_OPT_CURVE_PUBLICKEY = 48,
    /* The other half of it; later. */
    MCQ_OPT_CURVE_SECRETKEY = 49,
    /* The server's public one: a client of CURVE; later. */
    MCQ_OPT_CURVE_SERVERKEY = 50,
    /* 0, 1 (0): over any network, and not over ipc and loopback only: its password can be read
     * there, so the process is warned once; later. */
    MCQ_OPT_PLAIN_REMOTE = 1050,
    /* 0..255 octets (none): what ZAP's handler is told, and with NULL that it is asked; later. */
    MCQ_OPT_ZAP_DOMAIN = 55,
    /* 0, 1 (0): with a domain, nobody comes in while there is no handler; without one CURVE does
     * not ask; later. */
    MCQ_OPT_ZAP_ENFORCE_DOMAIN = 93,

    /* --- What the kernel is asked for. Texts have a zero octet behind them when they are asked
     * for. */

    /* Octets, -1.. (-1: the system's, for ipc 1 MiB): what the kernel holds of sent ones; later. */
    MCQ_OPT_SNDBUF = 11,
    /* Octets, -1.. (-1: the system's): what the kernel holds of received ones; later. */
    MCQ_OPT_RCVBUF = 12,
    /* 0, 1 (0): IPv6 addresses too; later. */
    MCQ_OPT_IPV6 = 42,
    /* 0..255 (0): of the IP header, or IPv6's class; later. */
    MCQ_OPT_TOS = 57,
    /* 0.. (0): of what tcp sends, in the kernel; later. */
    MCQ_OPT_PRIORITY = 112,
    /* us (0): for the kernel to poll a device before it sleeps; later. */
    MCQ_OPT_BUSY_POLL = 113,
    /* Text of up to 15 octets (none): the interface of tcp and udp; later. */
    MCQ_OPT_BINDTODEVICE = 92,
    /* 1.. (1): routers that multicast over udp passes, and one more; later. */
    MCQ_OPT_MULTICAST_HOPS = 25,
    /* 0, 1 (1): this machine hears what it multicasts over udp; later. */
    MCQ_OPT_MULTICAST_LOOP = 96,
    /* 0, 1, -1 (-1: the system's): whether TCP asks silent peers; later. */
    MCQ_OPT_TCP_KEEPALIVE = 34,
    /* s, -1.. (-1: the system's): silence before the first question; later. */
    MCQ_OPT_TCP_KEEPALIVE_IDLE = 36,
    /* s, -1.. (-1: the system's): between two questions; later. */
    MCQ_OPT_TCP_KEEPALIVE_INTVL = 37,
    /* -1.. (-1: the system's): questions without an answer before the end; later. */
    MCQ_OPT_TCP_KEEPALIVE_CNT = 35,
    /* 0.. (0: the system's): for TCP to have no acknowledgement; later. */
    MCQ_OPT_TCP_MAXRT = 80,
    /* Text of up to 15 octets (none: over loopback "reno", else the system's): the congestion
     * control of tcp; later. */
    MCQ_OPT_TCP_CONGESTION = 1009,

    /* --- Who may connect, and through whom. */

    /* Text, "ADDRESS" or "ADDRESS/BITS": a network that may connect over tcp; adds up, empty:
     * anybody again; set only; later. */
    MCQ_OPT_TCP_ACCEPT_FILTER = 38,
    /* 0..: a process that may connect over ipc; adds up with the next two, and without any of the
     * three anybody may; set only; later. */
    MCQ_OPT_IPC_FILTER_PID = 58,
    /* 0..: a user; set only; later. */
    MCQ_OPT_IPC_FILTER_UID = 59,
    /* 0..: a group, maybe a supplementary one; set only; later. */
    MCQ_OPT_IPC_FILTER_GID = 60,
    /* Text, "HOST:PORT" (none): a SOCKS5 server to connect through over tcp, which looks the names
     * up; later. */
    MCQ_OPT_SOCKS_PROXY = 68,
    /* Text of up to 255 octets (none): our name there; later. */
    MCQ_OPT_SOCKS_USERNAME = 99,
    /* Text of up to 255 octets (none): the password that goes with it; later. */
    MCQ_OPT_SOCKS_PASSWORD = 100,
};

/* What becomes of a message that a peer has no room for. A type's own policy is in
 * docs/reference/sockets.md; one that is chosen counts more than XPUB_NODROP and ROUTER_MANDATORY,
 * which still tells of peers that are not there. Each is counted: mcq_stats, mcq_peers. */
enum mcq_when_full {
    MCQ_FULL_AS_TYPE = 0,
    MCQ_FULL_WAIT = 1,        /* sending waits; PUB and its like, for all who are to get it */
    MCQ_FULL_DROP_NEWEST = 2, /* the message is dropped, for who is full; PUSH: if all are; not
                                 STREAM, among whose octets none may be missing */
    MCQ_FULL_DROP_OLDEST = 3, /* the oldest that waits is, and nothing that has begun to leave; over
                                 inproc as DROP_NEWEST; not STREAM */
    MCQ_FULL_DISCONNECT = 4,  /* the peer's connection ends, and what waits for it is dropped; not
                                 PAIR, DEALER, PUSH, CLIENT, SCATTER, CHANNEL, DGRAM */
};

/* Sets an option with a number as its value, or gives that value. The descriptors of
 * MCQ_OPT_RECV_FD and MCQ_OPT_SEND_FD are the socket's until it is closed. They are
 * level-triggered, for any number of loops and threads, and neither read nor closed; on a socket
 * that was shut down both can be polled. -1: the type does not receive, or send. Octets that do
 * not make a message may have it polled for nothing, once.
 *   EINVAL   no such option, not one of this type of socket, not a number, out of its range, or it
 *            can only be set or only be asked for
 *   ENOTSUP  this type of socket has no use for the value
 * Source: zmq_setsockopt(3), zmq_getsockopt(3). */
int mcq_set(struct mcq_socket *socket, enum mcq_option id, int64_t value);
int mcq_get(struct mcq_socket *socket, enum mcq_option id, int64_t *value);

/* The same with octets as the value; these are copied.
 *   len      of get: octets of room before, of the value after
 *   EINVAL   as above; or the room is too small, and *len what it should be */
int mcq_set_bytes(struct mcq_socket *socket, enum mcq_option id, const void *data, size_t len);
int mcq_get_bytes(struct mcq_socket *socket, enum mcq_option id, void *buffer, size_t *len);

/* --- keys ------------------------------------------------------------------------------------ */

#define MCQ_KEY_BYTES 32      /* a key of CURVE, */
#define MCQ_KEY_TEXT_BYTES 41 /* and as text: 40 characters of Z85 and a zero octet */

/* Makes a new pair of keys, of MCQ_KEY_TEXT_BYTES each. The secret one is the caller's to guard and
 * to wipe. Any thread.
 *   ENOTSUP   the system gives no random octets
 * Source: zmq_curve_keypair(3). */
int mcq_curve_keypair(char *public_key, char *secret_key);

/* The public key, MCQ_KEY_TEXT_BYTES, that belongs to a secret one. Any thread.
 *   EINVAL   not a key
 * Source: zmq_curve_public(3). */
int mcq_curve_public(char *public_key, const char *secret_key);

/* Writes octets as text of 5 characters for each 4 of them, and a zero octet. Any thread.
 *   len      of the octets, a multiple of 4
 *   EINVAL   it is none
 * Source: RFC 32, zmq_z85_encode(3). */
int mcq_z85_from_octets(const void *octets, size_t len, char *text);

/* Back: 4 octets for each 5 characters of the text, which ends with a zero octet. Any thread.
 *   EINVAL   not Z85: what was written is not to be used
 * Source: RFC 32, zmq_z85_decode(3). */
int mcq_z85_to_octets(const char *text, void *octets);

#pragma GCC visibility pop
#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
