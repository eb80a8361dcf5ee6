/*
 * socket: a pattern, its connections, and the one lock under which both are used.
 *
 * Layer:   runtime.
 * Threads: send, recv, poll and the rest from any thread, one at a time; several are put in order
 *          by the lock. What the engine's thread alone touches is marked.
 * Bound:   the pattern's and the links'; one slot for each peer.
 *
 *   FREE --open--> OPEN --close--> CLOSING --all left, or linger over--> FREE
 *
 * Who does what (docs/adr/0006, docs/explanation/runtime.md):
 *
 *   caller   holds the lock; reads and writes streams by itself
 *   engine   owns armed operations: watches of the two ready sets, timers, endpoints. When one of
 *            them completes it posts a letter; whoever has the lock then, engine or not, reads it
 *   holder   asks the engine for operations: request bits, one task
 *
 * A socket is guarded: at any time that input is not read by a caller, the engine has a watch or a
 * deadline on it, or a caller sleeps for it. The same for octets that wait to be written.
 */
#ifndef MCQ_RUNTIME_SOCKET_H
#define MCQ_RUNTIME_SOCKET_H

#include <poll.h>

#include "reactor/bell.h"
#include "reactor/hint.h"
#include "runtime/context.h"
#include "runtime/lock.h"
#include "runtime/properties.h"
#include "runtime/report.h"
#include "runtime/security.h"
#include "socket/pattern.h"
#include "transport/admission.h"
#include "transport/socks.h"
#include "wire/metadata.h"

#define MCQ_ENDPOINT_BYTES 256 /* an endpoint's text, and its zero */
#define MCQ_ROUTING_ID_MAX MCQ_PROPERTY_IDENTITY_BYTES_MAX

/* Values as of the manual (include/monocoque.h); times in ms, -1 where that means none or ever. */
struct mcq_socket_options {
    int64_t affinity; /* bits of the context's engines that it may belong to; 0: all */
    int linger_ms;
    int recv_timeout_ms;
    int send_timeout_ms;
    int send_hwm;
    int recv_hwm;
    int backlog;
    int reconnect_ms;
    int reconnect_max_ms;
    int reconnect_stop; /* bits of RECONNECT_STOP */
    int connect_timeout_ms;
    int handshake_ms;
    int strangers_max;
    int source_strangers_max; /* from one address; 0: no limit */
    int source_max;           /* the same, of all its connections */
    int command_max;          /* octets; -1: the profile's */
    int properties_max;       /* the same */
    int parts_max;            /* the same */
    int subscriptions_max;    /* octets; the pattern has it, too */
    int heartbeat_ms;
    int heartbeat_timeout_ms;
    int heartbeat_ttl_ms;
    int64_t max_message_bytes; /* -1: the profile's */
    int64_t message_max;       /* of all its parts; -1: the profile's */
    struct mcq_tuning tuning;
    struct mcq_admission *admission;   /* who holds a copy of the options holds a reference */
    struct mcq_socks_proxy *proxy;     /* the same */
    struct mcq_properties *properties; /* the same; NULL: none */
    int use_fd;                        /* for the next bind; -1: none */
    bool is_raw;                       /* peers speak no ZMTP */
    int piece_bytes;                   /* of those, the most that one part has */
    bool is_immediate;
    bool conflates;
    bool is_ipv6;
    bool has_full_jitter;
    bool meets_older;              /* peers before 3.0 are welcome */
    bool sends_plain_afar;         /* PLAIN leaves this machine */
    struct mcq_buf *routing_id;    /* NULL: none; counted by who has the options */
    struct mcq_security *security; /* the same */
};

enum mcq_socket_state {
    MCQ_SOCKET_FREE,
    MCQ_SOCKET_OPEN,
    MCQ_SOCKET_CLOSING,
    MCQ_SOCKET_FORKED, /* the parent's: this process is a child of the one that opened it */
};

/* Messages that a connection makes by itself. */
enum mcq_word {
    MCQ_WORD_HELLO,      /* sent, in front of all, on each connection */
    MCQ_WORD_DISCONNECT, /* received when one that was accepted has ended */
    MCQ_WORD_HICCUP,     /* received when one is lost that will be tried again */
    MCQ_WORD_COUNT,
};

/* What waits for the holder of the lock; embedded in what it is about. */
struct mcq_mail {
    struct mcq_letter letter; /* first */
    void (*read)(struct mcq_mail *mail, struct mcq_socket *socket);
};

/* What a waiter wants, and what has come to pass. */
enum mcq_news {
    MCQ_NEWS_IN = 1,
    MCQ_NEWS_OUT = 2,
    MCQ_NEWS_ALL = 3,
};

/* A thread that sleeps until there is news. In the list under the lock. */
struct mcq_waiter {
    struct mcq_sleeper *sleeper;
    unsigned wants; /* enum mcq_news */
    struct mcq_waiter *next;
    struct mcq_waiter **prev;
};

/* A peer, as the runtime keeps it. */
struct mcq_conn {
    struct mcq_peer peer; /* first */
    struct mcq_socket *socket;
    struct mcq_connector *connector;   /* NULL: it was accepted, or has a pipe */
    struct mcq_inproc_end *end;        /* its end of a pipe; NULL: it has none */
    struct mcq_datagram_end *datagram; /* its endpoint of udp; NULL and no pipe: it has a stream */
    struct mcq_source *source;         /* NULL: nobody counts where its stream comes from */
    uint64_t listener;                 /* the serial of who accepted it; 0: nobody has */
    struct mcq_ready_key key;
    bool is_attached;
    bool is_dialed;          /* by a connector of ours */
    bool is_met;             /* its connection is the pattern's: the end of it is news */
    bool is_unread;          /* on the list */
    bool is_ending;          /* gone, with input left: on the list */
    bool is_leaving;         /* disconnected; for the pattern it is down */
    bool is_draining;        /* leaving, and all of it has left */
    struct mcq_conn *ousted; /* whose name it has taken over, and who is unheard; NULL: nobody */
    struct mcq_conn *ouster; /* the other way round */
    struct mcq_conn *unread_next;
    union { /* who ends leaves no more */
        struct mcq_conn *ending_next;
        struct mcq_conn *leaving_next;
    };
    struct mcq_conn **leaving_at; /* what points to it on the list; NULL: it is not on it */
    uint64_t leave_until_ns;
};

struct mcq_conn_slot {
    struct mcq_conn *conn; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct mcq_endpoint_node;

struct mcq_socket {
    struct mcq_lock lock;
    enum mcq_socket_state state;
    bool is_terminated;
    bool is_finishing;                   /* the engine has been told to end it */
    struct mcq_context *context;         /* of the slot: who polls looks at it without the lock */
    _Atomic(struct mcq_engine *) engine; /* until it is fixed it may become another one's */
    struct mcq_socket *next_slot;
    uint64_t serial; /* of this life of the slot */
    struct mcq_socket *next_free;
    _Atomic uint64_t begun_most; /* see struct mcq_link_group */
    struct mcq_reports reports;
    _Atomic enum mcq_socket_type
        type; /* read without the lock, too, for what is said of an error */

    struct mcq_pattern *pattern; /* a slot that is used anew begins here */
    enum mcq_profile profile;
    struct mcq_socket_options options;
    struct mcq_link_group group;
    struct mcq_msg words[MCQ_WORD_COUNT]; /* empty: none */

    struct mcq_conn_slot *slots;
    uint32_t slot_count;
    uint32_t first_free_slot; /* == slot_count: none */
    uint32_t conn_count;
    uint64_t endpoint_count; /* that there ever were: their serials */
    uint32_t up_count;
    uint32_t stream_count;          /* of these, by a stream: what the engine looks after */
    _Atomic uint64_t parked_count;  /* how often a listener has had no descriptor, or no memory */
    _Atomic uint64_t crowded_count; /* streams that were one too many of their source */
    uint64_t limited_count;         /* connections that were ended because of a limit */
    struct mcq_conn *unread;        /* whose octets nobody has read, a queue */
    struct mcq_conn **unread_end;
    struct mcq_conn *ending;
    struct mcq_conn *leaving; /* with messages that have not left, or are just read */
    uint64_t leave_at_ns;     /* what the close timer is set for; NEVER: it is not */
    struct mcq_endpoint_node *endpoints;
    char last_endpoint[MCQ_ENDPOINT_BYTES];

    bool has_peeked; /* what recv will answer, for poll has looked */
    enum mcq_err peeked_err;
    struct mcq_msg peeked; /* if that is MCQ_OK */
    bool is_within_send;   /* a message was begun by send: what is sent next is a part of it */
    bool is_within_recv;
    uint32_t since_harvest;

    /* Flushing: bursts of sends share writes. */
    bool is_batching;
    uint32_t dense_count; /* sends close behind each other */
    uint32_t batch_count;
    uint64_t laned_seen; /* the group's laned_count, as of the last send that was looked at */
    uint64_t sent_at_ns; /* the end of the last send that looked at the clock */
    uint64_t puts_seen;  /* what had been queued and written then */
    uint64_t flushes_seen;

    /* Spinning before a sleep. */
    uint32_t spin_misses;
    uint32_t spin_skips;

    /* Guards: what the engine looks after. */
    bool is_in_guarded;
    bool is_in_watched; /* by a watch, not by a deadline */
    bool is_out_guarded;
    bool is_tail_guarded;
    bool is_relief_guarded; /* who was not read will be, or memory given back, after a while ... */
    bool is_relief_soon;    /* ... which is a short one */
    uint64_t relief_seen;   /* calls and writes by then: an idle socket gives memory back */
    uint64_t in_calls;      /* calls that read so far */
    uint64_t in_calls_seen;
    uint64_t in_calls_served; /* when the engine took over last */
    bool is_flushing;         /* the engine has been asked to go on with a flush ... */
    uint64_t flush_begun_ns;
    uint64_t answered_before; /* links that came to be dirty before the last answers left */
    uint64_t answered_last;   /* and before the last look at how quick they are */
    uint64_t flush_before;    /* ... of the links that were dirty then */
    uint64_t flush_queued;    /* messages that were queued until then */
    bool is_wide;             /* the last flush was of more peers than are written to in one go */
    uint32_t flush_peers;     /* written to in it so far */
    uint32_t in_sleepers;
    uint32_t out_sleepers;
    uint32_t call_count; /* calls that have let go of the lock and come back */
    struct mcq_waiter *waiters;
    struct mcq_bell *recv_bell; /* NULL: nobody has asked for it */
    struct mcq_bell *send_bell;
    unsigned news;
    struct mcq_hint hint; /* raised with any news; the engine watches in its owner's stead */

    /* Closing. */
    bool is_draining;
    uint64_t linger_until_ns;

    /* From the engine to the holder. */
    struct mcq_mail mail;
    _Atomic bool is_mailed;
    _Atomic uint32_t events; /* enum socket_event in letters.c */

    /* From the holder to the engine. */
    _Atomic bool is_engine_fixed; /* the engine knows of it */
    struct mcq_task task;
    _Atomic uint32_t requests;
    _Atomic uint64_t tick_at_ns;
    uint64_t alarm_at_ns; /* of the pattern, the holder's; NEVER: none */
    _Atomic uint64_t close_at_ns;
    _Atomic uint64_t tail_ns; /* how long a tail waits */
    _Atomic uint64_t cold_ns; /* how long an owner may be silent */
    /* How far the tail's links are, as of the holder's last leave: the oldest that is dirty, or
     * none, what was put by then, and how many came to be dirty so far. The engine reads the last
     * one first, so what it takes for young is not older than it was then. */
    _Atomic uint64_t tail_oldest;
    _Atomic uint64_t tail_puts;
    _Atomic uint64_t tail_count;
    _Atomic bool tail_answers; /* what was put last is an answer, which waits for others' */
    /* At the last look: links that were dirty then are due at the deadline. Whose guard it is: the
     * holder's until it asks for the timer, the engine's until its letter is read. */
    uint64_t tail_before;
    uint64_t tail_puts_seen;
    uint32_t tail_young_looks; /* in a row, the engine's */
    struct mcq_wait in_watch;  /* the engine's from here on */
    struct mcq_wait out_watch;
    struct mcq_wait cold_timer;
    struct mcq_wait tail_timer;
    struct mcq_wait tick_timer;
    struct mcq_wait close_timer;
    struct mcq_wait relief_timer;
    bool is_ended; /* by the engine: cancels what is armed */
};

/* A copy of them has references of its own, until it is dropped. */
void mcq_socket_options_copy(struct mcq_socket_options *target,
                             const struct mcq_socket_options *source);
void mcq_socket_options_drop(struct mcq_socket_options *options);

/* 1..MCQ_ROUTING_ID_MAX octets. MCQ_NOMEM: nothing changed. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_options_name(struct mcq_socket_options *options,
                                                    struct mcq_bytes routing_id);
/* Theirs. */
struct mcq_bytes mcq_socket_options_routing_id(const struct mcq_socket_options *options);

/* --- life ------------------------------------------------------------------------------------ */

/* A socket of this type.
 *   MCQ_OK      the caller's, until mcq_socket_close
 *   MCQ_INVAL   no such type
 *   MCQ_NOMEM, MCQ_LIMIT (too many sockets), MCQ_TERMINATED */
MCQ_MUST_CHECK enum mcq_err mcq_socket_open(struct mcq_context *context, enum mcq_socket_type type,
                                            struct mcq_socket **socket);

/* Ends it for the application at once; what waits lingers as the option says. MCQ_NOT_OPEN,
 * MCQ_FORKED. */
enum mcq_err mcq_socket_close(struct mcq_socket *socket);

/* The context shuts down: every call from now on, and every sleeping one, answers TERMINATED. */
void mcq_socket_terminate(struct mcq_socket *socket);

/* In a forked child, before it goes on: calls answer MCQ_FORKED, and nothing of it is touched. So
 * does, in the child, a call that a signal handler interrupted in its sleep in order to fork. */
void mcq_socket_mark_forked(struct mcq_socket *socket);

/* The context's budget is used up: ends the connection that begun messages fill most, if that holds
 * `least` octets of them, which is what the socket has last said. True: one was ended. Waits for
 * the lock; from the engines' threads. */
bool mcq_socket_shed(struct mcq_socket *socket, uint64_t least);

/* Takes the lock of an open socket, for options and the like: mcq_socket_leave gives it back.
 *   MCQ_NOT_OPEN, MCQ_TERMINATED, MCQ_FORKED: not taken */
MCQ_MUST_CHECK enum mcq_err mcq_socket_enter(struct mcq_socket *socket);

/* The same for who does nothing but send: what was sent before may wait on. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_enter_to_send(struct mcq_socket *socket);

/* Reads the mail, ends what was lost, wakes whom there is news for, and lets go. */
void mcq_socket_leave(struct mcq_socket *socket);

/* Lets go of the lock inside a call that comes back: until then the socket's memory stays. */
void mcq_socket_pause(struct mcq_socket *socket);

/* Takes the lock again.
 *   MCQ_OK   the call may go on
 *   MCQ_NOT_OPEN, MCQ_TERMINATED, MCQ_FORKED
 *            it may only clean up; the lock is held all the same */
MCQ_MUST_CHECK enum mcq_err mcq_socket_resume(struct mcq_socket *socket);

/* --- messages -------------------------------------------------------------------------------- */

/* As the pattern's calls, but MCQ_AGAIN only if timeout_ms has passed: 0 at once, -1 never. Also
 * MCQ_NOT_OPEN, MCQ_TERMINATED, MCQ_INTERRUPTED, MCQ_NOT_SUPPORTED. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_send(struct mcq_socket *socket, struct mcq_part *part,
                                            int timeout_ms);
/* Instead of it for octets that are too many to be copied twice, and for which there is no memory:
 * the message that they belong to, if it has begun, is void.
 *   MCQ_OK      the part was sent nevertheless, or is of a message that was void already
 *   MCQ_NOMEM   none of the message goes out */
MCQ_MUST_CHECK enum mcq_err mcq_socket_give_up(struct mcq_socket *socket, struct mcq_part *part);
MCQ_MUST_CHECK enum mcq_err mcq_socket_recv(struct mcq_socket *socket, struct mcq_msg *msg,
                                            int timeout_ms);

/* Sends these one after the other under one lock; `more`, or a message's own, means that another
 * part follows. timeout_ms is for all of them. *sent_count tells how many were sent and are empty
 * now; an error behind the first one is left for the next call to find. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_send_batch(struct mcq_socket *socket, struct mcq_msg *msgs,
                                                  size_t count, bool more, int timeout_ms,
                                                  size_t *sent_count);

/* Sends these as the parts of one message, and nobody else's between them: the first one waits for
 * room, the others for nothing. They are empty then.
 *   MCQ_BUSY    a message was begun by other calls, and not ended
 * In any other error the parts are as they were, but after MCQ_NOMEM they may be gone. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_send_parts(struct mcq_socket *socket, struct mcq_msg *msgs,
                                                  size_t count, int timeout_ms);

/* Starts up to `count` messages of `len` octets each, to be written where the socket's messages
 * leave from. *made_count of them are; those behind are as they were, or empty.
 *   MCQ_NOMEM   not even one */
MCQ_MUST_CHECK enum mcq_err mcq_socket_reserve(struct mcq_socket *socket, struct mcq_msg *msgs,
                                               size_t count, size_t len, size_t *made_count);

/* Receives up to `count` parts into messages that exist; waits for the first one only. Those behind
 * *taken_count are as they were, or empty. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_recv_batch(struct mcq_socket *socket, struct mcq_msg *msgs,
                                                  size_t count, int timeout_ms,
                                                  size_t *taken_count);

/* The same of parts of one message, to its end. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_recv_parts(struct mcq_socket *socket, struct mcq_msg *msgs,
                                                  size_t count, int timeout_ms,
                                                  size_t *taken_count);

/* The same, into a message that exists: what it held is given back to where the next one comes
 * from, without which that would cost two atomic exchanges. In an error it is empty. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_recv_again(struct mcq_socket *socket, struct mcq_msg *msg,
                                                  int timeout_ms);

/* The same, copied: as many of the part's octets as there is room for; *len is how many it had. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_recv_octets(struct mcq_socket *socket, void *room,
                                                   size_t room_len, size_t *len, int timeout_ms);

struct mcq_poll_item {
    struct mcq_socket *socket; /* NULL: fd */
    int fd;
    short events;             /* POLLIN, POLLOUT */
    short revents;            /* what there is of it; a descriptor's POLLERR and POLLHUP, too */
    struct mcq_waiter waiter; /* the call's */
};

/* Until one of them has something, or timeout_ms. *ready_count 0: none has.
 *   MCQ_OK, MCQ_INTERRUPTED, MCQ_NOT_OPEN, MCQ_TERMINATED, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_socket_poll(struct mcq_poll_item *items, size_t count,
                                            int timeout_ms, size_t *ready_count);

/* The descriptor that is readable once there may be news since the socket was last looked at, by
 * poll or by a call that found nothing to do. From now on the engine watches whenever no call does.
 * The lock is held.
 *   MCQ_OK   the socket's, until it is closed
 *   MCQ_NOT_SUPPORTED (a simulated world), MCQ_NO_FDS */
MCQ_MUST_CHECK enum mcq_err mcq_socket_hint_fd(struct mcq_socket *socket, int *fd);

/* A descriptor that can be polled for input while the socket can receive, or send. Once it is
 * there, leaving the lock costs looking. The lock is held.
 *   MCQ_OK   the socket's, until it ends
 *   MCQ_NOT_SUPPORTED, MCQ_NO_FDS, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_socket_bell_fd(struct mcq_socket *socket, bool is_send, int *fd);

/* Waits until this many peers are connected; a publisher's count once they have subscribed to
 * anything.
 *   MCQ_AGAIN   not in time */
MCQ_MUST_CHECK enum mcq_err mcq_socket_wait_peers(struct mcq_socket *socket, uint32_t count,
                                                  int timeout_ms);

/* The same, until so many would get a message of this topic, or group.
 *   MCQ_NOT_SUPPORTED   the type does not choose */
MCQ_MUST_CHECK enum mcq_err mcq_socket_wait_topic(struct mcq_socket *socket, struct mcq_bytes topic,
                                                  uint32_t count, int timeout_ms);

/* Before its first endpoint that is not of inproc: the engine that it belongs to from now on is one
 * that AFFINITY names. The lock is held.
 *   MCQ_NO_THREAD   it names none */
MCQ_MUST_CHECK enum mcq_err mcq_socket_choose_engine(struct mcq_socket *socket);

/* --- endpoints (runtime/endpoint.c); the lock is held ----------------------------------------- */

/* MCQ_INVAL: *fault says what is wrong with the text; MCQ_TRANSPORT: why it is not for this type;
 * MCQ_NOT_SUPPORTED, MCQ_NOT_FOUND, MCQ_IN_USE, MCQ_NOT_LOCAL, MCQ_DENIED, MCQ_NO_FDS, MCQ_NOMEM,
 * MCQ_NO_THREAD. The address bound is in last_endpoint. bind lets go of the lock while it looks a
 * name up: MCQ_NOT_OPEN, MCQ_TERMINATED; connect leaves that to the engine. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_bind(struct mcq_socket *socket, struct mcq_bytes text,
                                            const char **fault);
MCQ_MUST_CHECK enum mcq_err mcq_socket_connect(struct mcq_socket *socket, struct mcq_bytes text,
                                               const char **fault);
/* Ends a bind or a connect of just this text (or of last_endpoint's). For the pattern the peer of a
 * connect is gone at once; what waits for it lingers as the option says. The compat profile has
 * libzmq's habits: peers that were accepted go the same way with unbind, and disconnect ends all
 * connects of the text. MCQ_NOT_FOUND. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_unbind(struct mcq_socket *socket, struct mcq_bytes text);
MCQ_MUST_CHECK enum mcq_err mcq_socket_disconnect(struct mcq_socket *socket, struct mcq_bytes text);

/* --- for the runtime's other files; the lock is held ------------------------------------------ */

static inline struct mcq_conn *mcq_conn_of(struct mcq_link *link)
{
    return (struct mcq_conn *) link;
}

/* runtime/conn.c: a peer without a connection.
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_conn_new(struct mcq_socket *socket, bool is_connecting,
                                         struct mcq_conn **conn);
/* Detaches and frees it; its link is off. */
void mcq_conn_free(struct mcq_conn *conn);

/* The far side has connected to us. */
bool mcq_conn_is_accepted(const struct mcq_conn *conn);

/* The handshake is over.
 *   MCQ_OK      *opening, NULL for one without a stream, was taken over
 *   other       it is still the caller's; so is the peer */
MCQ_MUST_CHECK enum mcq_err mcq_conn_up(struct mcq_conn *conn, struct mcq_opening *opening,
                                        struct mcq_bytes identity);
/* Ends its connection, if it has one; one that was accepted goes once its input was taken. */
void mcq_conn_down(struct mcq_conn *conn);

/* runtime/leave.c: it was disconnected from. What waits for it lingers. */
void mcq_conn_leave(struct mcq_conn *conn);
/* It is on the list of those that leave no more. */
void mcq_conn_unlist(struct mcq_conn *conn);
/* Ends those that have left, or whose linger is over. */
void mcq_socket_see_off(struct mcq_socket *socket);
/* The socket closes: they are peers like others. */
void mcq_socket_stop_leaving(struct mcq_socket *socket);

/* Ends the connections that have failed. */
void mcq_socket_bury(struct mcq_socket *socket);

/* runtime/input.c and output.c: what the lock's holder does for the socket. */
bool mcq_socket_harvest_input(struct mcq_socket *socket);  /* true: somebody may be readable */
bool mcq_socket_harvest_output(struct mcq_socket *socket); /* true: somebody may have room */
bool mcq_socket_tell_room(struct mcq_socket *socket);      /* the same, of those known */
void mcq_socket_flush(struct mcq_socket *socket);
/* Writes to some peers; the engine goes on with the others once the lock is free. */
void mcq_socket_begin_flush(struct mcq_socket *socket);
/* On the list of those whose octets nobody has read, and off it, wherever they are. */
void mcq_socket_set_unread(struct mcq_socket *socket, struct mcq_conn *conn);
void mcq_socket_forget_unread(struct mcq_socket *socket, struct mcq_conn *conn);

/* The options' high-water marks hold for the peers that are there, too. */
void mcq_socket_apply_hwm(struct mcq_socket *socket);

/* A connection stands: reads what came with it, and has the engine look after it. */
void mcq_socket_begin_input(struct mcq_socket *socket, struct mcq_conn *conn);

/* Before a caller leaves: the engine looks after what it leaves behind. */
void mcq_socket_guard_input(struct mcq_socket *socket);
void mcq_socket_guard_output(struct mcq_socket *socket);
/* A link has a deadline that may be nearer than the one known. */
void mcq_socket_set_tick(struct mcq_socket *socket);

/* Sends a letter from the engine's thread; it is read before this returns if the lock is free. */
void mcq_socket_post(struct mcq_socket *socket, struct mcq_mail *mail);

/* runtime/endpoint.c */
/* A connecting peer's connection was lost, or its request for one was refused. */
void mcq_connector_retry(struct mcq_connector *connector, enum mcq_err why);
/* Under IMMEDIATE a connection's peer ends with it, and the next one is another. */
void mcq_connector_let_go(struct mcq_connector *connector);
/* The pattern wants nobody there any more: as disconnect. */
void mcq_connector_quit(struct mcq_connector *connector);
/* Where to; the text is its own. */
const char *mcq_connector_name(const struct mcq_connector *connector);
/* Asks endpoints to end: all, or those that a closing socket needs no more. */
void mcq_socket_stop_endpoints(struct mcq_socket *socket, bool all);
/* Whoever listens is told that its listeners end, which is about to be. */
void mcq_socket_say_closed(struct mcq_socket *socket);

#endif
