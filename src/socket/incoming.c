#include "socket/incoming.h"

#include "base/cache.h"

/* A peer that always has something keeps others waiting for about 128 messages of 64 octets. */
#define TURN_BYTES 16384
/* With so many peers between two turns of one, it is in no cache any more. */
#define COLD_COUNT 32

void mcq_incoming_init(struct mcq_incoming *incoming, bool is_compat)
{
    mcq_fair_init(&incoming->fair, is_compat ? 0 : TURN_BYTES);
}

void mcq_incoming_attach(struct mcq_incoming *incoming, struct mcq_peer *peer)
{
    (void) mcq_fair_up(&incoming->fair, &peer->fair, peer->epoch);
}

void mcq_incoming_detach(struct mcq_incoming *incoming, struct mcq_peer *peer)
{
    (void) mcq_fair_down(&incoming->fair, &peer->fair, peer->epoch);
}

void mcq_incoming_readable(struct mcq_incoming *incoming, struct mcq_peer *peer)
{
    /* One that was accepted, and is gone or unheard: who comes again says more as another one. */
    if (MCQ_UNLIKELY((!peer->link.is_up && !peer->is_connecting && peer->link.epoch > 0) ||
                     peer->link.is_unheard))
        (void) mcq_fair_finish(&incoming->fair, &peer->fair, peer->epoch);
    else
        (void) mcq_fair_set_ready(&incoming->fair, &peer->fair, peer->epoch, true);
}

struct mcq_peer *mcq_incoming_next_readable(const struct mcq_incoming *incoming,
                                            const struct mcq_peer *peer)
{
    const struct mcq_ring *ring = &incoming->fair.ring;
    struct mcq_ring_node *node =
        peer == NULL ? mcq_ring_first(ring) : mcq_ring_next(ring, &peer->fair);

    return node != NULL && node->part == MCQ_RING_READY ? mcq_peer_of_fair(node) : NULL;
}

struct mcq_peer *mcq_incoming_only(const struct mcq_incoming *incoming)
{
    const struct mcq_fair *fair = &incoming->fair;

    if (fair->is_within || fair->is_cut || fair->final != NULL || fair->ring.ready_count != 1)
        return NULL;
    return mcq_peer_of_fair(fair->ring.ready);
}

struct mcq_peer *mcq_incoming_goes_on(const struct mcq_incoming *incoming)
{
    const struct mcq_fair *fair = &incoming->fair;

    if (fair->peer == NULL || fair->is_within || fair->is_cut || fair->final != NULL)
        return NULL;
    return mcq_peer_of_fair(fair->peer);
}

void mcq_incoming_took(struct mcq_incoming *incoming, struct mcq_peer *peer,
                       const struct mcq_msg *msg)
{
    struct mcq_link_group *group = peer->link.group;

    mcq_fair_took(&incoming->fair, mcq_msg_len(msg), msg->more);
    group->asker = &peer->link;
    group->asking_count = incoming->fair.ring.ready_count;
}

/* A turn begins: the peer next but one comes nearer, and of the next one, which did so with the
 * turn before, what only it points to. */
static void expect_next(const struct mcq_ring_node *node)
{
    struct mcq_ring_node *next = node->next;

    mcq_link_expect(&mcq_peer_of_fair(next)->link);
    mcq_cache_warm(mcq_peer_of_fair(next->next), sizeof(struct mcq_peer));
}

enum mcq_err mcq_incoming_take(struct mcq_incoming *incoming, struct mcq_msg *msg,
                               struct mcq_peer **peer)
{
    struct mcq_ring_node *node;
    size_t stalled_count = 0;

    /* Each pass hands out a part, takes a peer out of the round, or counts one that is stalled. */
    for (;;) {
        enum mcq_turn turn = mcq_fair_pick(&incoming->fair, &node);

        if (MCQ_UNLIKELY(turn != MCQ_TURN_PEER))
            return turn == MCQ_TURN_CUT ? MCQ_CLOSED : MCQ_AGAIN;
        *peer = mcq_peer_of_fair(node);
        if (incoming->fair.peer == NULL && incoming->fair.ring.ready_count >= COLD_COUNT)
            expect_next(node);
        if (MCQ_LIKELY(mcq_link_take(&(*peer)->link, msg) == MCQ_OK)) {
            mcq_incoming_took(incoming, *peer, msg);
            return MCQ_OK;
        }
        (void) mcq_fair_set_ready(&incoming->fair, node, (*peer)->epoch, false);
        if (MCQ_LIKELY(!mcq_link_is_readable(&(*peer)->link)))
            continue;
        /* Held up by what no edge announces, such as memory: the next call looks again. */
        (void) mcq_fair_set_ready(&incoming->fair, node, (*peer)->epoch, true);
        if (++stalled_count >= incoming->fair.ring.ready_count)
            return MCQ_AGAIN;
    }
}

bool mcq_incoming_drops_on(const struct mcq_pattern *pattern, uint32_t *count)
{
    if (MCQ_LIKELY(++*count < MCQ_DROP_MAX))
        return true;
    pattern->group->was_cut_short = true;
    return false;
}
