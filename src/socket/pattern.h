/*
 * pattern: what a type of socket does with its peers and messages: one table of calls a type.
 *
 * Layer:   socket. Hubs below, the runtime above; no lock, thread, descriptor or clock of its own.
 * Threads: the holder of the socket's lock.
 * Bound:   what the hubs and links are bound by.
 *
 * A peer's life, as the runtime tells it:
 *
 *   attach --up--> connected --down--> (connecting ones: up again) --detach--> gone
 *
 *   - one that connects is attached by connect, before there is a connection: messages may be
 *     queued for it; down leaves it in, with its queue
 *   - one that was accepted is attached when its handshake is over; up follows at once, and after
 *     down nothing can be sent to it any more
 *   - one that is disconnected from, connects no more: down is told while its link may be up, on
 *     which what waits still leaves. Once that is over down is told again
 *   - detach comes once nothing of what it sent is left to be taken, or when the socket closes
 *
 * No call blocks. MCQ_AGAIN is for the runtime to wait on: after room (send) or readable (recv), or
 * an attach, it asks again.
 */
#ifndef MCQ_SOCKET_PATTERN_H
#define MCQ_SOCKET_PATTERN_H

#include "hub/fair.h"
#include "hub/router.h"
#include "hub/subscriptions.h"
#include "pump/link.h"
#include "table/socket_type.h"

/* A peer, as patterns see it. The first three members are the runtime's. */
struct mcq_peer {
    struct mcq_link link;
    uint64_t epoch;     /* of the peer, for the hubs; link.epoch is that of its connection */
    bool is_connecting; /* its queue outlives its connections */

    struct mcq_ring_node fair;        /* its turn to be read */
    struct mcq_router_peer route;     /* its turn to be written to, and for ROUTER its id */
    struct mcq_subscriber subscriber; /* what it wants of a publisher */
    struct mcq_msg identity;          /* ROUTER: what goes in front of its messages */
    bool is_named;                    /* ROUTER: by us, whatever it calls itself */
    bool was_too_deep;                /* REP: an envelope of it was too long */
    uint32_t number;                  /* SERVER, PEER: what their messages carry */
    bool takes_message;               /* a publisher's message under way goes to it */
    struct mcq_peer *next_taker;
    struct mcq_subscriber *asked; /* XPUB_MANUAL: what it asked for; NULL: nothing yet */
    size_t report_bytes;          /* XPUB: of what it said and the application has not received */
};

/* Whose turn to be read, or to be written to, and whose subscriptions these are. */
static inline struct mcq_peer *mcq_peer_of_fair(struct mcq_ring_node *node)
{
    return MCQ_CONTAINER_OF(node, struct mcq_peer, fair);
}

static inline struct mcq_peer *mcq_peer_of_turn(struct mcq_ring_node *node)
{
    return MCQ_CONTAINER_OF(node, struct mcq_peer, route.turn);
}

static inline struct mcq_peer *mcq_peer_of_subscriber(struct mcq_subscriber *subscriber)
{
    return MCQ_CONTAINER_OF(subscriber, struct mcq_peer, subscriber);
}

struct mcq_pattern_config {
    struct mcq_link_group *group;
    uint8_t random[32]; /* secret: keys and first ids are made of it */
    bool is_compat;     /* libzmq's habits where ours are kinder */
};

enum mcq_pattern_option {
    MCQ_PATTERN_ROUTER_MANDATORY, /* 0, 1 */
    MCQ_PATTERN_ROUTER_HANDOVER,
    MCQ_PATTERN_ROUTER_BALANCE,
    MCQ_PATTERN_ROUTER_NOTIFY, /* bits: 1 who comes, 2 who goes */
    MCQ_PATTERN_ROUTER_RAW,
    MCQ_PATTERN_STREAM_NOTIFY,
    MCQ_PATTERN_CONNECT_ROUTING_ID, /* octets: of the next peer that is attached and connects */
    MCQ_PATTERN_PROBE_ROUTER,
    MCQ_PATTERN_REQ_RELAXED,
    MCQ_PATTERN_REQ_CORRELATE,
    MCQ_PATTERN_REQ_TIMEOUT, /* ms */
    MCQ_PATTERN_REQ_RESENDS,
    MCQ_PATTERN_REQ_RESEND_SAME,
    MCQ_PATTERN_REQ_RESENT,         /* only asked for */
    MCQ_PATTERN_SUBSCRIPTION_BYTES, /* that a publisher's peer may be charged */
    MCQ_PATTERN_XPUB_VERBOSE,
    MCQ_PATTERN_XPUB_VERBOSER,
    MCQ_PATTERN_XPUB_NODROP,
    MCQ_PATTERN_XPUB_MANUAL,
    MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE,
    MCQ_PATTERN_XPUB_WELCOME_MSG, /* octets */
    MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE,
    MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE,
    MCQ_PATTERN_INVERT_MATCHING,
    MCQ_PATTERN_TOPICS_COUNT, /* only asked for */
    MCQ_PATTERN_LAST_PEER,    /* the same: the number of the peer attached last; of a STREAM what
                                 follows the zero octet of its name */
};

/* What becomes of a message that a peer has no room for; the numbers of the option. */
enum mcq_policy {
    MCQ_POLICY_BY_TYPE,
    MCQ_POLICY_WAIT,
    MCQ_POLICY_DROP_NEWEST,
    MCQ_POLICY_DROP_OLDEST, /* of those that wait for the peer */
    MCQ_POLICY_DISCONNECT,  /* the peer; where all are full, as of a PUSH, there is no such one */
};

/* The policies that a type has beside its own: of one that sends to many, or to the peer that is
 * meant, and of one that sends to whoever has room. */
#define MCQ_POLICIES_OF_EACH                                                                       \
    (1u << MCQ_POLICY_BY_TYPE | MCQ_POLICIES_OF_ANY | 1u << MCQ_POLICY_DISCONNECT)
#define MCQ_POLICIES_OF_ANY                                                                        \
    (1u << MCQ_POLICY_BY_TYPE | 1u << MCQ_POLICY_WAIT | 1u << MCQ_POLICY_DROP_NEWEST |             \
     1u << MCQ_POLICY_DROP_OLDEST)
/* Of one whose peers get octets, among which none may be missing. */
#define MCQ_POLICIES_OF_OCTETS                                                                     \
    (1u << MCQ_POLICY_BY_TYPE | 1u << MCQ_POLICY_WAIT | 1u << MCQ_POLICY_DISCONNECT)

struct mcq_pattern;

#define MCQ_HEAR_MAX 1000
#define MCQ_NAMED_PARTS 2 /* the name of a peer, and what it says, or is told */

struct mcq_pattern_ops {
    enum mcq_socket_type type;
    bool can_send; /* the type has a send at all */
    bool can_recv;
    bool shares_output; /* see struct mcq_link_group */
    unsigned policies;  /* policies that can be chosen, 1 << enum mcq_policy; 0: none */

    /* MCQ_NOMEM: *pattern is untouched. free: all peers are detached. */
    enum mcq_err (*create)(const struct mcq_pattern_ops *ops,
                           const struct mcq_pattern_config *config, struct mcq_pattern **pattern);
    void (*free)(struct mcq_pattern *pattern);

    /* MCQ_OK
     *   MCQ_MISMATCH   the type has no place for it now (a second peer of a PAIR)
     *   MCQ_IN_USE     ROUTER: the name that it was to have is another one's
     *   MCQ_NOMEM */
    enum mcq_err (*attach)(struct mcq_pattern *pattern, struct mcq_peer *peer);
    /* The connection stands: link.is_up. identity: what the peer calls itself, may be empty.
     *   MCQ_OK
     *   MCQ_MISMATCH, MCQ_NOMEM, MCQ_LIMIT   the runtime ends the connection; down follows
     * *older, NULL unless set: a peer that was put out by this one, to be ended by the runtime. */
    enum mcq_err (*up)(struct mcq_pattern *pattern, struct mcq_peer *peer,
                       struct mcq_bytes identity, struct mcq_peer **older);
    void (*down)(struct mcq_pattern *pattern, struct mcq_peer *peer);
    void (*detach)(struct mcq_pattern *pattern, struct mcq_peer *peer);

    /* There may be something to take; there is room again. Both may be said for nothing. */
    void (*readable)(struct mcq_pattern *pattern, struct mcq_peer *peer);
    void (*room)(struct mcq_pattern *pattern, struct mcq_peer *peer);

    /* The peers that there may be something to take from, one after the other; NULL before the
     * first and behind the last. Nothing else is called meanwhile. NULL if the type has no recv. */
    struct mcq_peer *(*next_readable)(const struct mcq_pattern *pattern,
                                      const struct mcq_peer *peer);

    /* Types whose input is not, or not only, the application's: takes what the peer says now, up to
     * MCQ_HEAR_MAX parts and commands; the rest has its turn when others had theirs.
     * NULL: the runtime receives ahead (mcq_link_prefetch) and says readable. */
    void (*hear)(struct mcq_pattern *pattern, struct mcq_peer *peer);

    /* One part. NULL if the type has no such call.
     *   send   MCQ_OK      consumed: queued, or dropped by the type's rules
     *          MCQ_AGAIN   no peer has room; nothing changed. Only at the first part of a message:
     *                      one that has begun waits for nothing
     *          MCQ_STATE, MCQ_NO_ROUTE, MCQ_INVAL, MCQ_NOMEM: nothing was taken; of a message that
     *                      had begun, no part goes out
     *   recv   MCQ_OK      *msg is the caller's, more is set
     *          MCQ_AGAIN   nothing now; or, with the group's was_cut_short, nothing so far
     *          MCQ_STATE   out of turn
     *          MCQ_CLOSED  REQ: the peer went, and the reply with it; it may send again
     *          MCQ_TIMEOUT REQ: no reply came in time; it may send again */
    enum mcq_err (*send)(struct mcq_pattern *pattern, struct mcq_part *part);
    enum mcq_err (*recv)(struct mcq_pattern *pattern, struct mcq_msg *msg);

    /* Puts into the queues what send has kept while the group's may_defer allowed it. NULL: send
     * keeps nothing. */
    void (*share)(struct mcq_pattern *pattern);

    /* The time that mcq_pattern_alarm named has passed, and what peers have said was told. NULL: it
     * is never called. */
    void (*on_alarm)(struct mcq_pattern *pattern);

    /* Opens the group's lane for the peer that the next messages go to, or its tap for the one
     * they come from, where that is one peer until something else happens. NULL: never is. share
     * closes the lane. */
    void (*open_lane)(struct mcq_pattern *pattern);
    void (*open_tap)(struct mcq_pattern *pattern);

    /* The same for messages that come with the name of their peer, and leave with one: of one part
     * behind it. What is open is closed with the lane.
     *   open_questions   for the peer whose turn it is, where that is worth it
     *   take_question    parts: two, empty. False: nothing is open any more; ask recv
     *   put_answer       parts: two. False: nothing was taken; ask send
     * NULL, all three: no such type. */
    void (*open_questions)(struct mcq_pattern *pattern);
    bool (*take_question)(struct mcq_pattern *pattern, struct mcq_msg parts[MCQ_NAMED_PARTS]);
    bool (*put_answer)(struct mcq_pattern *pattern, struct mcq_msg parts[MCQ_NAMED_PARTS]);

    /* Whether send would take the first part of a message now: what POLLOUT says. */
    bool (*is_writable)(struct mcq_pattern *pattern);

    /* A type that hears: whether it does so no more until the application has received. NULL: it
     * hears all. */
    bool (*is_deaf)(const struct mcq_pattern *pattern);

    /* Types that send and receive by turns, while input that poll has found was not received:
     * whether send may be called all the same, which drops it once something was sent. NULL: the
     * two do not depend on each other. */
    bool (*may_skip_input)(const struct mcq_pattern *pattern);

    /* Peers that a message may reach: for a publisher those that have subscribed. NULL: all that
     * are connected. */
    uint32_t (*audience)(const struct mcq_pattern *pattern);

    /* How many peers a message that begins with this topic would go to; of a RADIO, one for this
     * group. Not within a message. NULL: the type does not choose. */
    uint32_t (*reach)(struct mcq_pattern *pattern, struct mcq_bytes topic);

    /* SUB: what the application wants; XPUB_MANUAL: what the peer gets whose subscription was
     * received last. NULL elsewhere.
     *   MCQ_INVAL      the topic is longer than a command can be; or not subscribed (is_on false)
     *   MCQ_MISMATCH   XPUB is not manual
     *   MCQ_LIMIT, MCQ_NOMEM */
    enum mcq_err (*subscribe)(struct mcq_pattern *pattern, struct mcq_bytes topic, bool is_on);

    /* DISH: joins a group, or leaves it. NULL elsewhere.
     *   MCQ_INVAL   not a group's name; has joined already, or has not
     *   MCQ_NOMEM */
    enum mcq_err (*join)(struct mcq_pattern *pattern, struct mcq_bytes group, bool is_on);

    /* MCQ_INVAL: not an option of this type, or the value is out of range. NULL: it has none. */
    enum mcq_err (*set)(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value);
    /* The same with octets, which are copied. Also MCQ_NOMEM. */
    enum mcq_err (*set_bytes)(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                              struct mcq_bytes value);
    /* MCQ_INVAL: this type does not say. NULL: it says nothing. */
    enum mcq_err (*get)(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                        int64_t *value);
};

/* The first member of every pattern's own struct. */
struct mcq_pattern {
    const struct mcq_pattern_ops *ops;
    struct mcq_link_group *group;
    bool probes; /* PROBE_ROUTER: each connection begins with an empty message */
    enum mcq_policy policy;
    uint64_t dropped_count; /* whole messages dropped by the type's rules */
};

/* A whole message is dropped; peer NULL: it is nobody's. */
static inline void mcq_pattern_drop(struct mcq_pattern *pattern, struct mcq_peer *peer,
                                    enum mcq_tally_drop why)
{
    struct mcq_tally *tally = peer != NULL ? &peer->link.tally : &pattern->group->tally;

    pattern->dropped_count++;
    mcq_tally_drop(tally, why, 1);
}

/* on_alarm is to be called so much later; instead of what was asked for before. It may come for
 * nothing: the pattern looks whether it still has a use for it. */
static inline void mcq_pattern_alarm(struct mcq_pattern *pattern, uint64_t after_ns)
{
    pattern->group->alarm_ns = after_ns;
    pattern->group->has_alarm = true;
}

/* Whether sending waits for a full peer: as the policy says, else as the type or its option. */
static inline bool mcq_pattern_waits(const struct mcq_pattern *pattern, bool is_usual)
{
    return MCQ_LIKELY(pattern->policy == MCQ_POLICY_BY_TYPE) ? is_usual
                                                             : pattern->policy == MCQ_POLICY_WAIT;
}

/* A peer is full, and nobody waits for it: what the policy does so that it takes the message after
 * all. False: it does not get it. */
static inline bool mcq_pattern_relieve(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    if (pattern->policy == MCQ_POLICY_DROP_OLDEST)
        return mcq_link_drop_oldest(&peer->link) && mcq_link_has_room(&peer->link);
    if (pattern->policy == MCQ_POLICY_DISCONNECT && peer->link.is_up) {
        mcq_link_lose(&peer->link, MCQ_FULL);
        mcq_link_drop(&peer->link);
    }
    return false;
}

/* A part that was received is nobody's. */
static inline void mcq_peer_refuse(struct mcq_peer *peer, struct mcq_msg *msg)
{
    peer->link.tally.drops[MCQ_TALLY_REFUSED] += !msg->more;
    mcq_msg_fini(msg);
}

/* The table; NULL: this type is not there (yet). */
const struct mcq_pattern_ops *mcq_pattern_find(enum mcq_socket_type type);

/* One file each. */
extern const struct mcq_pattern_ops mcq_pattern_pair;
extern const struct mcq_pattern_ops mcq_pattern_req;
extern const struct mcq_pattern_ops mcq_pattern_rep;
extern const struct mcq_pattern_ops mcq_pattern_dealer;
extern const struct mcq_pattern_ops mcq_pattern_router;
extern const struct mcq_pattern_ops mcq_pattern_stream;
extern const struct mcq_pattern_ops mcq_pattern_pub;
extern const struct mcq_pattern_ops mcq_pattern_sub;
extern const struct mcq_pattern_ops mcq_pattern_xpub;
extern const struct mcq_pattern_ops mcq_pattern_xsub;
extern const struct mcq_pattern_ops mcq_pattern_client;
extern const struct mcq_pattern_ops mcq_pattern_server;
extern const struct mcq_pattern_ops mcq_pattern_radio;
extern const struct mcq_pattern_ops mcq_pattern_dish;
extern const struct mcq_pattern_ops mcq_pattern_gather;
extern const struct mcq_pattern_ops mcq_pattern_scatter;
extern const struct mcq_pattern_ops mcq_pattern_peer;
extern const struct mcq_pattern_ops mcq_pattern_channel;
extern const struct mcq_pattern_ops mcq_pattern_dgram;
extern const struct mcq_pattern_ops mcq_pattern_push;
extern const struct mcq_pattern_ops mcq_pattern_pull;

#endif
