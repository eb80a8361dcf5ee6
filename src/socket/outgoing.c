#include "socket/outgoing.h"

#include "base/assert.h"

void mcq_part_drop(struct mcq_part *part)
{
    if (part->msg != NULL)
        mcq_msg_fini(part->msg);
}

void mcq_outgoing_attach(struct mcq_balance *balance, struct mcq_peer *peer)
{
    (void) mcq_balance_up(balance, &peer->route.turn, peer->epoch);
    (void) mcq_balance_set_ready(balance, &peer->route.turn, peer->epoch, true);
}

void mcq_outgoing_down(struct mcq_balance *balance, struct mcq_peer *peer)
{
    if (!peer->is_connecting)
        mcq_outgoing_detach(balance, peer);
}

void mcq_outgoing_detach(struct mcq_balance *balance, struct mcq_peer *peer)
{
    (void) mcq_balance_down(balance, &peer->route.turn, peer->epoch);
}

void mcq_outgoing_room(struct mcq_balance *balance, struct mcq_peer *peer)
{
    (void) mcq_balance_set_ready(balance, &peer->route.turn, peer->epoch, true);
}

void mcq_outgoing_full(struct mcq_balance *balance, struct mcq_peer *peer)
{
    (void) mcq_balance_set_ready(balance, &peer->route.turn, peer->epoch, false);
}

/* A peer that has become full with its last message counts as ready until somebody looks. */
bool mcq_outgoing_is_ready(struct mcq_balance *balance)
{
    while (balance->state == MCQ_BALANCE_BETWEEN && mcq_balance_is_ready(balance)) {
        struct mcq_peer *peer = mcq_peer_of_turn(balance->ring.ready);

        if (mcq_link_has_room(&peer->link))
            return true;
        mcq_outgoing_full(balance, peer);
    }
    return mcq_balance_is_ready(balance);
}

enum mcq_err mcq_outgoing_pick(struct mcq_balance *balance, struct mcq_peer **peer)
{
    struct mcq_ring_node *node;
    enum mcq_turn turn;

    do
        turn = mcq_balance_pick(balance, &node);
    while (turn == MCQ_TURN_CUT); /* said once; the rest of that message is swallowed */
    if (turn == MCQ_TURN_NOBODY)
        return MCQ_AGAIN;
    *peer = turn == MCQ_TURN_PEER ? mcq_peer_of_turn(node) : NULL;
    return MCQ_OK;
}

void mcq_outgoing_sent(struct mcq_balance *balance, bool more)
{
    mcq_balance_sent(balance, more);
}

void mcq_outgoing_void(struct mcq_balance *balance, struct mcq_peer *peer)
{
    enum mcq_err err;

    mcq_link_cut(&peer->link);
    if (balance->peer != &peer->route.turn)
        return;
    mcq_balance_sent(balance, false);
    err = mcq_balance_aim(balance, NULL);
    mcq_assert(err == MCQ_OK);
}

enum mcq_err mcq_outgoing_send(struct mcq_balance *balance, struct mcq_part *part,
                               struct mcq_peer **peer)
{
    bool more = part->more;
    enum mcq_err err;

    for (;;) {
        MCQ_TRY(mcq_outgoing_pick(balance, peer));
        if (MCQ_UNLIKELY(*peer == NULL)) {
            mcq_part_drop(part);
            break;
        }
        err = mcq_link_put(&(*peer)->link, part);
        if (MCQ_LIKELY(err == MCQ_OK))
            break;
        if (err != MCQ_AGAIN)
            mcq_outgoing_void(balance, *peer);
        if (err != MCQ_AGAIN || balance->state != MCQ_BALANCE_BETWEEN)
            return err; /* one that was aimed at must wait for its peer */
        mcq_outgoing_full(balance, *peer);
    }
    mcq_outgoing_sent(balance, more);
    return MCQ_OK;
}
