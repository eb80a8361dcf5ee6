/*
 * fair: which peer the next incoming frame is taken from: whole messages, one peer after the other.
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   allocates nothing; every call is O(1), however many peers are silent.
 *
 *   BETWEEN --took, more--> WITHIN --took, last--> BETWEEN
 *                            |
 *                            +--its peer goes--> cut, which pick tells once --> BETWEEN
 *
 * A turn is one message. With turn_bytes a turn goes on, message by message, until that much was
 * taken: peers that always have something get shares that differ by less than two, as long as no
 * message is longer than turn_bytes, and a turn stays in one peer's memory. A frame counts as its
 * octets and MCQ_FAIR_FRAME_BYTES, so that empty ones end a turn, too.
 *
 * A peer that has gone, with something left, comes before all that are there: whoever connects
 * again has said that before what it says now.
 *
 * A reader never changes peers inside a message. If the rest of it is not there yet, it waits for
 * that peer alone: NOBODY. Whoever shows only complete messages never meets this.
 *
 * A receiving socket does this:
 *
 *   pick -> PEER     has a frame:  take it, took(len, more)
 *                    has none:     set_ready(peer, false), pick again; each pass takes one peer out
 *        -> NOBODY   block or AGAIN
 *        -> CUT      the rest of the message never comes; pick again
 *
 * Source: RFC 28 and 30, fair-queued; libzmq's fq.
 */
#ifndef MCQ_HUB_FAIR_H
#define MCQ_HUB_FAIR_H

#include "hub/ring.h"

#define MCQ_FAIR_FRAME_BYTES 64 /* what a message costs before its body: sizeof(struct mcq_msg) */

struct mcq_fair {
    struct mcq_ring ring;
    struct mcq_ring_node *peer;  /* whose turn has begun; NULL: the head's is next */
    struct mcq_ring_node *final; /* the last of those at the head that have finished; NULL: none */
    size_t turn_bytes;
    size_t taken_bytes; /* in this turn */
    bool is_within;     /* a message */
    bool is_cut;        /* to be told */
};

/* No peers. turn_bytes 0: one message per turn. */
void mcq_fair_init(struct mcq_fair *fair, size_t turn_bytes);

/* A peer connects, without messages yet. If an older connection of the same node is still in, that
 * is over. False: the epoch is not newer. */
bool mcq_fair_up(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch);

/* The connection is over, and so is what it had. False: a late word about an older connection. */
bool mcq_fair_down(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch);

/* The peer has something to take, or nothing more. False: as above. */
bool mcq_fair_set_ready(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch,
                        bool is_ready);

/* The peer has something to take, and no more will ever come from it: between two messages it is
 * taken before what others have, behind those of which this was said before. False: as above. */
bool mcq_fair_finish(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch);

/* Where the next frame comes from. PEER: *node has it. Never SWALLOW. */
enum mcq_turn mcq_fair_pick(struct mcq_fair *fair, struct mcq_ring_node **node);

/* A frame of `len` octets was taken where pick said; more: others of its message follow. Said right
 * after pick, before anything about that peer. */
void mcq_fair_took(struct mcq_fair *fair, size_t len, bool more);

/* Whether pick has an answer other than NOBODY: what POLLIN says. */
static inline bool mcq_fair_is_ready(const struct mcq_fair *fair)
{
    if (fair->is_cut)
        return true;
    return fair->is_within ? fair->peer->part == MCQ_RING_READY : fair->ring.ready_count > 0;
}

#endif
