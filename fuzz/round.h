/*
 * round: a slow model of hub/ring.h and hub/balance.h: peers by number, in arrays.
 */
#ifndef MCQ_FUZZ_ROUND_H
#define MCQ_FUZZ_ROUND_H

#include "calls.h"
#include "hub/balance.h"

#define ROUND_PEERS 6
#define ROUND_NOBODY ROUND_PEERS

struct round {
    uint64_t epochs[ROUND_PEERS]; /* the newest of each */
    bool is_in[ROUND_PEERS];
    unsigned ready[ROUND_PEERS]; /* in the order of their turns */
    unsigned ready_count;
};

/* Who sends: where the next frame goes. */
struct sender {
    struct round round;
    unsigned peer; /* of the message that has begun */
    enum mcq_balance_state state;
};

static inline bool round_is_now(const struct round *round, unsigned who, uint64_t epoch)
{
    return round->is_in[who] && round->epochs[who] == epoch;
}

static inline unsigned round_place(const struct round *round, unsigned who)
{
    unsigned at = 0;

    while (at < round->ready_count && round->ready[at] != who)
        at++;
    return at;
}

static inline bool round_is_ready(const struct round *round, unsigned who)
{
    return round_place(round, who) < round->ready_count;
}

static inline void round_rest(struct round *round, unsigned who)
{
    unsigned at = round_place(round, who);

    if (at == round->ready_count)
        return;
    round->ready_count--;
    for (; at < round->ready_count; at++)
        round->ready[at] = round->ready[at + 1];
}

static inline void round_join(struct round *round, unsigned who)
{
    if (!round_is_ready(round, who))
        round->ready[round->ready_count++] = who;
}

static inline bool round_set(struct round *round, unsigned who, uint64_t epoch, bool is_ready)
{
    if (!round_is_now(round, who, epoch))
        return false;
    if (is_ready)
        round_join(round, who);
    else
        round_rest(round, who);
    return true;
}

static inline bool round_up(struct round *round, unsigned who, uint64_t epoch)
{
    if (epoch <= round->epochs[who])
        return false;
    round_rest(round, who);
    round->epochs[who] = epoch;
    round->is_in[who] = true;
    return true;
}

static inline bool round_down(struct round *round, unsigned who, uint64_t epoch)
{
    if (!round_is_now(round, who, epoch))
        return false;
    round_rest(round, who);
    round->is_in[who] = false;
    return true;
}

/* The ring has the model's peers, the ready ones in their order; `who_is` names a node. */
static inline void round_check(const struct round *round, const struct mcq_ring *ring,
                               unsigned (*who_is)(const struct mcq_ring_node *))
{
    unsigned at = 0, in_count = 0;
    bool is_seen[ROUND_PEERS] = {false};

    for (unsigned who = 0; who < ROUND_PEERS; who++)
        in_count += round->is_in[who];
    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL;
         node = mcq_ring_next(ring, node), at++) {
        unsigned who = who_is(node);

        calls_same(is_seen[who], false, "a peer comes twice");
        is_seen[who] = true;
        calls_same(round->is_in[who], true, "a peer that is in");
        calls_same(node->epoch, round->epochs[who], "a peer's epoch");
        if (at < round->ready_count)
            calls_same(who, round->ready[at], "whose turn it is");
    }
    calls_same(at, in_count, "peers that are in");
    calls_same(ring->ready_count, round->ready_count, "peers that are ready");
}

/* --- hub/balance.h ---------------------------------------------------------------------------- */

static inline bool sender_down(struct sender *sender, unsigned who, uint64_t epoch)
{
    if (!round_down(&sender->round, who, epoch))
        return false;
    if (sender->state == MCQ_BALANCE_BEGUN && sender->peer == who)
        sender->state = MCQ_BALANCE_CUT;
    return true;
}

static inline bool sender_up(struct sender *sender, unsigned who, uint64_t epoch)
{
    if (epoch <= sender->round.epochs[who])
        return false;
    (void) sender_down(sender, who, sender->round.epochs[who]);
    return round_up(&sender->round, who, epoch);
}

static inline enum mcq_turn sender_pick(struct sender *sender, unsigned *who)
{
    *who = ROUND_NOBODY;
    switch (sender->state) {
    case MCQ_BALANCE_BETWEEN:
        if (sender->round.ready_count == 0)
            return MCQ_TURN_NOBODY;
        *who = sender->round.ready[0];
        return MCQ_TURN_PEER;
    case MCQ_BALANCE_BEGUN: *who = sender->peer; return MCQ_TURN_PEER;
    case MCQ_BALANCE_CUT: sender->state = MCQ_BALANCE_SWALLOW; return MCQ_TURN_CUT;
    case MCQ_BALANCE_SWALLOW: break;
    }
    return MCQ_TURN_SWALLOW;
}

/* Said after pick gave a peer, or that the frame is swallowed. */
static inline void sender_sent(struct sender *sender, bool more)
{
    if (sender->state == MCQ_BALANCE_BETWEEN) {
        sender->peer = sender->round.ready[0];
        sender->state = MCQ_BALANCE_BEGUN;
        round_rest(&sender->round, sender->peer);
        round_join(&sender->round, sender->peer);
    }
    if (!more)
        sender->state = MCQ_BALANCE_BETWEEN;
}

/* who: ROUND_NOBODY: the message is swallowed. */
static inline enum mcq_err sender_aim(struct sender *sender, unsigned who)
{
    if (sender->state != MCQ_BALANCE_BETWEEN)
        return MCQ_STATE;
    sender->peer = who;
    sender->state = who == ROUND_NOBODY ? MCQ_BALANCE_SWALLOW : MCQ_BALANCE_BEGUN;
    return MCQ_OK;
}

#endif
