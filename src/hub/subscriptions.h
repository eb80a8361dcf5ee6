/*
 * subscriptions: who wants which prefixes, and to whom a message goes (PUB, XPUB; SUB and XSUB for
 * their own).
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   each peer is charged its prefixes' octets and MCQ_SUBSCRIPTION_BYTES for each of them,
 *          up to peer_bytes_max, shared or not; beyond a few pages that covers all memory. A call
 *          costs O(length); leaving goes one subscription per call. No recursion.
 *
 *   peer   OUT --up--> IN --down--> LEAVING --drain, ...: none left--> OUT
 *
 *   prefixes   "a" ---- "ab" ---- "b"          a tree (hub/prefixes.h), each there once
 *                |        |         |
 *   links      p1 p3     p3        p2 p3       one per peer and prefix, in a list of its prefix and
 *                                              in a list of its peer; found by a keyed hash
 *
 * Counting decides what a second subscription of the same prefix by the same peer is:
 *   SET      nothing new; one unsubscription ends it. For peers: a SUB sends every subscription,
 *            but of its unsubscriptions only the last, so a count would never come back to 0
 *   COUNTED  one more, to be ended one by one. For the application's own subscriptions
 *
 * The sum of all this is said by the kind of each change, from which XPUB tells the application
 * what its VERBOSE options ask for, and SUB its publishers: see enum mcq_subscription_kind.
 *
 * Matching visits each peer once, however many of its prefixes match: every search has a number,
 * and a peer that was visited carries it. The number has 64 bits and does not wrap.
 *
 * Source: RFC 29, publish-subscribe; libzmq's mtrie and dist.
 */
#ifndef MCQ_HUB_SUBSCRIPTIONS_H
#define MCQ_HUB_SUBSCRIPTIONS_H

#include "hub/prefixes.h"
#include "hub/ring.h"
#include "hub/table.h"

/* What a subscription is charged beside its octets: a link (80 with the heap's own), a prefix (40),
 * nodes (80 at most), buckets (24; while they shrink there may be more). What was measured is 141,
 * 10000 prefixes of 8 octets in any order. */
#define MCQ_SUBSCRIPTION_BYTES 224

enum mcq_subscription_counting {
    MCQ_SUBSCRIPTION_SET,
    MCQ_SUBSCRIPTION_COUNTED,
};

enum mcq_subscription_kind {
    MCQ_SUBSCRIBED_FIRST,   /* nobody had this prefix before */
    MCQ_SUBSCRIBED_NEW,     /* others had, this peer had not */
    MCQ_SUBSCRIBED_AGAIN,   /* this peer had it */
    MCQ_UNSUBSCRIBED_LAST,  /* nobody has this prefix any more */
    MCQ_UNSUBSCRIBED_OWN,   /* others still have */
    MCQ_UNSUBSCRIBED_ONE,   /* COUNTED: this peer still has it */
    MCQ_UNSUBSCRIBED_NEVER, /* this peer did not have it; nothing changed */
};

struct mcq_subscription_change {
    enum mcq_subscription_kind kind;
    struct mcq_bytes prefix; /* borrowed until the next call that changes anything */
};

/* One per peer and prefix. */
struct mcq_interest {
    struct mcq_table_node entry;
    struct mcq_subscriber *peer;
    struct mcq_prefix *prefix;
    struct mcq_interest **at_prefix; /* what points to it in its prefix's list */
    struct mcq_interest *next_of_prefix;
    struct mcq_interest **at_peer;
    struct mcq_interest *next_of_peer;
    uint64_t refs; /* COUNTED: at most UINT64_MAX, and then refused */
};

/* Zero at first. In the caller's memory for the peer; does not move while it is in or leaving. */
struct mcq_subscriber {
    struct mcq_ring_node node; /* its place among all peers, and the epoch */
    struct mcq_interest *links;
    size_t link_count;
    size_t charged_bytes;
    uint64_t visited; /* the search that found it last */
};

/* The prefixes of a topic: as long as nothing changes, who is behind them is the same. */
#define MCQ_AUDIENCE_PREFIXES_MAX 4

struct mcq_audience {
    uint64_t change_count; /* when it was made */
    size_t count;          /* of its prefixes; beyond the maximum it is like no other */
    const struct mcq_prefix *prefixes[MCQ_AUDIENCE_PREFIXES_MAX];
};

struct mcq_subscriptions {
    struct mcq_prefixes prefixes;
    struct mcq_table links;
    struct mcq_ring peers;   /* IN, not LEAVING; all in its idle part */
    struct mcq_prefix *gone; /* the octets of the last change, if it took its prefix out */
    size_t peer_bytes_max;
    enum mcq_subscription_counting counting;
    uint64_t search;       /* number of the latest; 0: none yet */
    uint64_t change_count; /* of who is behind which prefix */
};

/* A search in progress. Nothing changes meanwhile, and there is one at a time. */
struct mcq_subscription_match {
    struct mcq_subscriptions *subscriptions;
    struct mcq_prefix_match prefixes;
    struct mcq_interest *link; /* the next to look at */
    size_t left_count;         /* peers not found yet */
};

/* Empty; allocates nothing.
 *   key             random, secret, this table's alone
 *   peer_bytes_max  what one peer may be charged */
void mcq_subscriptions_init(struct mcq_subscriptions *subscriptions,
                            const uint8_t key[MCQ_TABLE_KEY_BYTES],
                            enum mcq_subscription_counting counting, size_t peer_bytes_max);

/* Takes out all peers and subscriptions, leaving ones too, in one go: for a socket that ends. */
void mcq_subscriptions_fini(struct mcq_subscriptions *subscriptions);

/* A peer connects, without subscriptions.
 *   MCQ_STATE   the epoch is not newer than its node's, or it is in
 *   MCQ_BUSY    an earlier connection of this node is leaving; drain it first */
MCQ_MUST_CHECK enum mcq_err mcq_subscriptions_up(struct mcq_subscriptions *subscriptions,
                                                 struct mcq_subscriber *peer, uint64_t epoch);

/* The connection is over: from now on no search finds the peer. Its subscriptions are still there,
 * until mcq_subscriptions_drain has said false. False: a late word; nothing changed. */
bool mcq_subscriptions_down(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                            uint64_t epoch);

/* Takes one subscription away from a peer that is leaving, all its counts at once, and says which:
 * LAST or OWN. False: none is left, the node may be used again or go. */
bool mcq_subscriptions_drain(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                             struct mcq_subscription_change *change);

/* A peer that is in subscribes. The octets may be any, and no more than the peer has sent.
 *   MCQ_OK      *change says what that was: FIRST, NEW or AGAIN
 *   MCQ_LIMIT   the peer would be charged more than it may be, or its count would wrap
 *   MCQ_STATE   the peer is not in
 *   MCQ_NOMEM
 * After anything but OK nothing has changed. */
MCQ_MUST_CHECK enum mcq_err mcq_subscriptions_add(struct mcq_subscriptions *subscriptions,
                                                  struct mcq_subscriber *peer,
                                                  struct mcq_bytes prefix,
                                                  struct mcq_subscription_change *change);

/* A peer that is in unsubscribes. The prefix may be the last change's own.
 *   MCQ_OK      *change says what that was: LAST, OWN, ONE or NEVER
 *   MCQ_STATE   the peer is not in; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_subscriptions_remove(struct mcq_subscriptions *subscriptions,
                                                     struct mcq_subscriber *peer,
                                                     struct mcq_bytes prefix,
                                                     struct mcq_subscription_change *change);

/* Starts a search for the peers that want a message with this topic; it stays borrowed. */
void mcq_subscription_match_init(struct mcq_subscription_match *match,
                                 struct mcq_subscriptions *subscriptions, struct mcq_bytes topic);

/* The same for the peers that want just these octets, and no beginning of them (groups). */
void mcq_subscription_exact_init(struct mcq_subscription_match *match,
                                 struct mcq_subscriptions *subscriptions, struct mcq_bytes octets);

/* The next of them; each comes once. NULL: no more. */
struct mcq_subscriber *mcq_subscription_match_next(struct mcq_subscription_match *match);

/* Who would be found, by name: looks at prefixes, and at no peer. */
void mcq_subscriptions_audience(const struct mcq_subscriptions *subscriptions,
                                struct mcq_bytes topic, struct mcq_audience *audience);

/* Whether searches for two topics find the same peers. False: that is not known. */
bool mcq_audience_is(const struct mcq_audience *audience, const struct mcq_audience *other);

/* Whether anybody wants it: what a SUB asks about a message that came. A search of its own. */
bool mcq_subscriptions_want(struct mcq_subscriptions *subscriptions, struct mcq_bytes topic);

/* Whether the latest search found this peer, once that is over: INVERT_MATCHING sends to the
 * others. */
static inline bool mcq_subscriptions_found(const struct mcq_subscriptions *subscriptions,
                                           const struct mcq_subscriber *peer)
{
    return peer->visited == subscriptions->search;
}

/* All peers that are in: the first, and the one after `peer`. NULL: no more. */
struct mcq_subscriber *mcq_subscriptions_first(const struct mcq_subscriptions *subscriptions);
struct mcq_subscriber *mcq_subscriptions_next(const struct mcq_subscriptions *subscriptions,
                                              const struct mcq_subscriber *peer);

/* The subscriptions of a peer, for those who list them: its links from peer->links on, by
 * next_of_peer. All prefixes: mcq_prefixes_next. Different ones: */
static inline size_t mcq_subscriptions_count(const struct mcq_subscriptions *subscriptions)
{
    return subscriptions->prefixes.count;
}

#endif
