/*
 * router: peers by routing id (ROUTER, STREAM; SERVER and PEER with ids of 4 octets).
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   the table's buckets (hub/table.h), and for an id above MCQ_ROUTER_ID_INLINE its octets;
 *          both go as peers go. A call costs what its id is long; no call walks the table.
 *
 *   OUT --up--> in, by id and in the round --down, taken over--> OUT, may be used again
 *
 * Ids come from strangers: they are looked up by a keyed hash (hub/table.h). Peers without one get
 * 00 and a 32-bit big-endian counter. Nobody can claim an id of that form, so nobody can be taken
 * for, or take over, a peer that was given one.
 *
 * Epochs: see hub/ring.h. What is said of an older connection, after another one took its id or its
 * node, is late: it changes nothing and is answered by NULL or false.
 *
 * Two ways to send, of which a socket may use either for each message:
 *   by id      mcq_router_aim, then as below; the way of ROUTER
 *   by turn    mcq_router_pick at once: body only, strictly one message per live peer and round.
 *              Peers that the caller finds gone or full are taken out in passing (down, set_ready)
 *              and pick goes on; each such step makes the round shorter, so it ends.
 *
 * Source: RFC 28, ROUTER; libzmq's router.
 */
#ifndef MCQ_HUB_ROUTER_H
#define MCQ_HUB_ROUTER_H

#include "base/bytes.h"
#include "hub/balance.h"
#include "hub/table.h"

#define MCQ_ROUTER_ID_MAX 255
#define MCQ_ROUTER_ID_INLINE 16
#define MCQ_ROUTER_GENERATED_BYTES 5

/* Zero at first. In the caller's memory for the peer; does not move while it is in. */
struct mcq_router_peer {
    struct mcq_ring_node turn; /* its place in the round, and the epoch */
    struct mcq_table_node entry;
    uint8_t id_len;
    union {
        uint8_t small[MCQ_ROUTER_ID_INLINE];
        uint8_t *large;
    } id;
};

struct mcq_router {
    struct mcq_table table;
    struct mcq_balance balance;
    uint32_t id_counter; /* the next generated id's */
};

/* Empty; allocates nothing.
 *   key          random, secret, this router's alone
 *   id_counter   where generated ids start: random, for those of an earlier run must not return */
void mcq_router_init(struct mcq_router *router, const uint8_t key[MCQ_TABLE_KEY_BYTES],
                     uint32_t id_counter);

/* Takes all peers out and frees the table. May be initialised again. */
void mcq_router_fini(struct mcq_router *router);

/* A peer connects. Empty id: it gets a generated one. It is not ready yet. If another peer has the
 * id and takes_over is set, *older is that peer, out now, for the caller to close; else *older is
 * NULL. Who may take over whose id (the same user's, for instance) the caller asks before, with
 * find.
 *   MCQ_OK        in
 *   MCQ_INVAL     an id above 255 octets
 *   MCQ_STATE     the peer is in already, or the epoch is not newer than its own and the holder's
 *   MCQ_MISMATCH  the id is taken, or has the form of a generated one
 *   MCQ_LIMIT     2^32 - 1 peers
 *   MCQ_NOMEM
 * After anything but OK nothing has changed. */
MCQ_MUST_CHECK enum mcq_err mcq_router_up(struct mcq_router *router, struct mcq_router_peer *peer,
                                          uint64_t epoch, struct mcq_bytes id, bool takes_over,
                                          struct mcq_router_peer **older);

/* The peer's connection is over. False: late, or already out. */
bool mcq_router_down(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch);

/* The same by id: returns the peer that is out now. NULL: nobody has this id in this epoch. */
struct mcq_router_peer *mcq_router_down_id(struct mcq_router *router, struct mcq_bytes id,
                                           uint64_t epoch);

/* The peer has room for a message, or is full. False: late. Look-ups find it all the same. */
bool mcq_router_set_ready(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch,
                          bool is_ready);

/* Who has this id; NULL: nobody. The id may be of any length. */
struct mcq_router_peer *mcq_router_find(const struct mcq_router *router, struct mcq_bytes id);

/* The id of a peer that is in, borrowed until it goes. */
struct mcq_bytes mcq_router_id(const struct mcq_router_peer *peer);

/* Whether this peer is in and has this id. Then it is who find would find; one that the caller
 * expects is known without a look at the table. */
static inline bool mcq_router_is(const struct mcq_router_peer *peer, struct mcq_bytes id)
{
    return peer->turn.part != MCQ_RING_OUT && mcq_bytes_equal(mcq_router_id(peer), id);
}

/* All peers, in no order that means anything: the first, and the one after `peer`. NULL: no more.
 * The table stays as it is meanwhile. */
struct mcq_router_peer *mcq_router_first(const struct mcq_router *router);
struct mcq_router_peer *mcq_router_next(const struct mcq_router *router,
                                        const struct mcq_router_peer *peer);

/* The message that starts now goes to this peer, which is in; NULL: it is swallowed.
 *   MCQ_STATE   in the middle of a message; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_router_aim(struct mcq_router *router, struct mcq_router_peer *peer);

/* Where the next frame goes, and that it went there: as mcq_balance_pick and mcq_balance_sent. */
enum mcq_turn mcq_router_pick(struct mcq_router *router, struct mcq_router_peer **peer);
void mcq_router_sent(struct mcq_router *router, bool more);

static inline size_t mcq_router_count(const struct mcq_router *router)
{
    return router->table.count;
}

#endif
