/*
 * balance: which peer the next outgoing frame goes to: whole messages, one peer after the other
 * (PUSH, DEALER, REQ, and messages that are addressed: ROUTER, REP).
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   allocates nothing; every call is O(1).
 *
 *   BETWEEN --sent, more--> BEGUN --sent, last--> BETWEEN
 *    |  |                    ^  |
 *    |  +----aim at a peer---+  +--its peer goes--> CUT --pick says it-+
 *    |                                                                 v
 *    +-----------aim at nobody------------------------------------> SWALLOW --sent, last--> BETWEEN
 *
 * The turn passes on with the first frame of each message, so strictly one message per ready peer
 * and round. A peer that fills up leaves the round; the message it has begun may be finished. When
 * it has room again, it joins the end of the round. Of a message whose peer went nothing goes
 * elsewhere: the receiver would get the end of a message without its start.
 *
 * A sending socket does this:
 *
 *   pick -> PEER     has room:  queue the frame there, sent(more)
 *                    is full:   set_ready(peer, false), pick again; each pass takes one peer out
 *        -> NOBODY   block or AGAIN
 *        -> CUT      the message is lost; the drop-in answers AGAIN if it may not block; pick again
 *        -> SWALLOW  release the frame, sent(more)
 *
 * Source: RFC 28 and 30, round-robin; libzmq's lb.
 */
#ifndef MCQ_HUB_BALANCE_H
#define MCQ_HUB_BALANCE_H

#include "base/attr.h"
#include "base/error.h"
#include "hub/ring.h"

enum mcq_balance_state {
    MCQ_BALANCE_BETWEEN,
    MCQ_BALANCE_BEGUN,
    MCQ_BALANCE_CUT,
    MCQ_BALANCE_SWALLOW,
};

struct mcq_balance {
    struct mcq_ring ring;
    struct mcq_ring_node *peer; /* BEGUN: the message's; else NULL */
    enum mcq_balance_state state;
};

/* No peers, between messages. */
void mcq_balance_init(struct mcq_balance *balance);

/* A peer connects, without room for messages yet: mcq_balance_set_ready follows. If an older
 * connection of the same node is still in, that is over. False: the epoch is not newer. */
bool mcq_balance_up(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch);

/* The connection is over. False: a late word about an older connection; nothing changed. */
bool mcq_balance_down(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch);

/* The peer has room for a message, or is full. False: as above. */
bool mcq_balance_set_ready(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch,
                           bool is_ready);

/* Where the next frame goes. PEER: *node has it. Says CUT once per lost message, and otherwise the
 * same again until something else is called. */
enum mcq_turn mcq_balance_pick(struct mcq_balance *balance, struct mcq_ring_node **node);

/* The frame is where pick said (PEER or SWALLOW); more: others of its message follow. Said right
 * after pick, before anything about that peer. */
void mcq_balance_sent(struct mcq_balance *balance, bool more);

/* The message that starts now goes to this peer, whoever's turn it is; NULL: nowhere, its frames
 * are swallowed. The round is not moved. The node is up.
 *   MCQ_STATE   in the middle of a message; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_balance_aim(struct mcq_balance *balance,
                                            struct mcq_ring_node *node);

/* Whether a frame would be taken now, by a peer if nobody finds that it is full. */
static inline bool mcq_balance_is_ready(const struct mcq_balance *balance)
{
    return balance->state != MCQ_BALANCE_BETWEEN || balance->ring.ready_count > 0;
}

#endif
