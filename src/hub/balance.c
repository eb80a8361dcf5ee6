#include "hub/balance.h"

#include "base/assert.h"

static void balance_check(const struct mcq_balance *balance);

void mcq_balance_init(struct mcq_balance *balance)
{
    mcq_ring_init(&balance->ring);
    balance->peer = NULL;
    balance->state = MCQ_BALANCE_BETWEEN;
}

bool mcq_balance_up(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch)
{
    if (epoch <= node->epoch)
        return false;
    (void) mcq_balance_down(balance, node, node->epoch); /* false: it was out, as usual */
    return mcq_ring_up(&balance->ring, node, epoch);
}

bool mcq_balance_down(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch)
{
    balance_check(balance);
    if (!mcq_ring_down(&balance->ring, node, epoch))
        return false;
    if (balance->peer == node) {
        balance->peer = NULL;
        balance->state = MCQ_BALANCE_CUT;
    }
    balance_check(balance);
    return true;
}

bool mcq_balance_set_ready(struct mcq_balance *balance, struct mcq_ring_node *node, uint64_t epoch,
                           bool is_ready)
{
    return mcq_ring_set(&balance->ring, node, epoch, is_ready);
}

enum mcq_turn mcq_balance_pick(struct mcq_balance *balance, struct mcq_ring_node **node)
{
    balance_check(balance);
    *node = NULL;
    switch (balance->state) {
    case MCQ_BALANCE_BETWEEN:
        *node = balance->ring.ready;
        return *node == NULL ? MCQ_TURN_NOBODY : MCQ_TURN_PEER;
    case MCQ_BALANCE_BEGUN: *node = balance->peer; return MCQ_TURN_PEER;
    case MCQ_BALANCE_CUT: balance->state = MCQ_BALANCE_SWALLOW; return MCQ_TURN_CUT;
    case MCQ_BALANCE_SWALLOW: break;
    }
    return MCQ_TURN_SWALLOW;
}

void mcq_balance_sent(struct mcq_balance *balance, bool more)
{
    balance_check(balance);
    mcq_assert(balance->state != MCQ_BALANCE_CUT); /* pick comes first, and it told so */
    if (balance->state == MCQ_BALANCE_BETWEEN) {
        mcq_assert(balance->ring.ready != NULL);
        balance->peer = balance->ring.ready;
        balance->state = MCQ_BALANCE_BEGUN;
        mcq_ring_rotate(&balance->ring);
    }
    if (!more) {
        balance->peer = NULL;
        balance->state = MCQ_BALANCE_BETWEEN;
    }
    balance_check(balance);
}

enum mcq_err mcq_balance_aim(struct mcq_balance *balance, struct mcq_ring_node *node)
{
    if (balance->state != MCQ_BALANCE_BETWEEN)
        return MCQ_STATE;
    mcq_assert(node == NULL || node->part != MCQ_RING_OUT);
    balance->peer = node;
    balance->state = node == NULL ? MCQ_BALANCE_SWALLOW : MCQ_BALANCE_BEGUN;
    return MCQ_OK;
}

static void balance_check(const struct mcq_balance *balance)
{
    mcq_assert_hot((balance->peer != NULL) == (balance->state == MCQ_BALANCE_BEGUN));
    mcq_assert_hot(balance->peer == NULL || balance->peer->part != MCQ_RING_OUT);
    (void) balance;
}
