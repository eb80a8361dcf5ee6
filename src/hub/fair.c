#include "hub/fair.h"

#include "arena/alloc.h"
#include "base/assert.h"

static void fair_check(const struct mcq_fair *fair);

void mcq_fair_init(struct mcq_fair *fair, size_t turn_bytes)
{
    *fair = (struct mcq_fair) {.turn_bytes = turn_bytes};
    mcq_ring_init(&fair->ring);
}

bool mcq_fair_up(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch)
{
    if (epoch <= node->epoch)
        return false;
    (void) mcq_fair_down(fair, node, node->epoch); /* false: it was out, as usual */
    node->is_final = false;
    return mcq_ring_up(&fair->ring, node, epoch);
}

/* It leaves the head, for whatever reason. */
static void forget_final(struct mcq_fair *fair, struct mcq_ring_node *node)
{
    if (fair->final == node)
        fair->final = fair->ring.ready != node ? node->prev : NULL;
}

bool mcq_fair_down(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch)
{
    fair_check(fair);
    if (node->part == MCQ_RING_READY && node->epoch == epoch)
        forget_final(fair, node);
    if (!mcq_ring_down(&fair->ring, node, epoch))
        return false;
    if (fair->peer == node) {
        fair->is_cut = fair->is_cut || fair->is_within;
        fair->is_within = false;
        fair->peer = NULL;
    }
    fair_check(fair);
    return true;
}

bool mcq_fair_set_ready(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch,
                        bool is_ready)
{
    if (is_ready && node->is_final)
        return mcq_fair_finish(fair, node, epoch);
    if (node->part == MCQ_RING_READY && node->epoch == epoch && !is_ready)
        forget_final(fair, node);
    if (!mcq_ring_set(&fair->ring, node, epoch, is_ready))
        return false;
    if (!is_ready && fair->peer == node && !fair->is_within)
        fair->peer = NULL; /* it had less than its turn allows */
    fair_check(fair);
    return true;
}

bool mcq_fair_finish(struct mcq_fair *fair, struct mcq_ring_node *node, uint64_t epoch)
{
    bool is_there = node->part == MCQ_RING_READY && node->is_final;

    if (!mcq_ring_set(&fair->ring, node, epoch, true))
        return false;
    node->is_final = true;
    if (is_there)
        return true;
    mcq_ring_move(&fair->ring, node, fair->final);
    fair->final = node;
    fair_check(fair);
    return true;
}

enum mcq_turn mcq_fair_pick(struct mcq_fair *fair, struct mcq_ring_node **node)
{
    fair_check(fair);
    *node = NULL;
    if (fair->is_cut) {
        fair->is_cut = false;
        return MCQ_TURN_CUT;
    }
    if (!mcq_fair_is_ready(fair))
        return MCQ_TURN_NOBODY;
    if (MCQ_UNLIKELY(fair->final != NULL) && !fair->is_within)
        fair->peer = NULL; /* its turn goes on when those that have gone are empty */
    *node = fair->peer != NULL ? fair->peer : fair->ring.ready;
    return MCQ_TURN_PEER;
}

void mcq_fair_took(struct mcq_fair *fair, size_t len, bool more)
{
    fair_check(fair);
    mcq_assert(!fair->is_cut); /* pick comes first, and it told so */
    if (fair->peer == NULL) {
        mcq_assert(fair->ring.ready != NULL);
        fair->peer = fair->ring.ready;
        fair->taken_bytes = 0;
    }
    fair->taken_bytes = mcq_size_add(fair->taken_bytes, mcq_size_add(len, MCQ_FAIR_FRAME_BYTES));
    fair->is_within = more;
    if (!more && fair->taken_bytes >= fair->turn_bytes) {
        /* Behind all that became ready meanwhile; one that paused in its message is already. */
        if (fair->ring.ready == fair->peer && fair->final == NULL)
            mcq_ring_rotate(&fair->ring);
        fair->peer = NULL;
    }
    fair_check(fair);
}

static void fair_check(const struct mcq_fair *fair)
{
    mcq_assert_hot(fair->peer != NULL || !fair->is_within);
    mcq_assert_hot(fair->peer == NULL || fair->peer->part != MCQ_RING_OUT);
    mcq_assert_hot(fair->peer == NULL || fair->is_within || fair->peer->part == MCQ_RING_READY);
    (void) fair;
}
