/*
 * Calls of the load balancer against an array of peers in the order of their turns.
 *
 * Oracle: every result and where each frame goes are the array's, so no peer is lost, none that is
 * gone is chosen, and a message never changes peers; and whole messages to peers that stay ready
 * are shared evenly. The choices say nothing.
 */

#include "hub/balance.h"
#include "calls.h"
#include "round.h"

#define FRAMES_MAX 64 /* of a burst */

struct run {
    struct calls calls;
    struct mcq_balance balance;
    struct mcq_ring_node nodes[ROUND_PEERS];
    struct sender sender;
};

static struct run run;

static unsigned who_is(const struct mcq_ring_node *node)
{
    return (unsigned) (node - run.nodes);
}

/* Hands a frame over if it goes anywhere. Returns who got it. */
static unsigned send_frame(bool more, bool is_sent)
{
    struct mcq_ring_node *node;
    unsigned who;
    bool is_ready = run.sender.state != MCQ_BALANCE_BETWEEN || run.sender.round.ready_count > 0;

    calls_same(mcq_balance_is_ready(&run.balance), is_ready, "is ready");
    enum mcq_turn expected = sender_pick(&run.sender, &who);

    calls_same(mcq_balance_pick(&run.balance, &node), expected, "pick");
    calls_same(node == NULL ? ROUND_NOBODY : who_is(node), who, "where a frame goes");
    if (!is_sent || (expected != MCQ_TURN_PEER && expected != MCQ_TURN_SWALLOW))
        return ROUND_NOBODY;
    mcq_balance_sent(&run.balance, more);
    sender_sent(&run.sender, more);
    return who;
}

/* Whole messages between which nobody comes or goes: shares differ by one at most. */
static void burst(unsigned count)
{
    unsigned shares[ROUND_PEERS] = {0};

    if (run.sender.state != MCQ_BALANCE_BETWEEN || run.sender.round.ready_count == 0)
        return;
    for (unsigned i = 0; i < count; i++) {
        unsigned who = send_frame(i & 1, true);

        shares[who]++;
        if (i & 1 && send_frame(false, true) != who)
            fuzz_fail("a message changes peers");
    }
    for (unsigned i = 0; i < run.sender.round.ready_count; i++) {
        unsigned share = shares[run.sender.round.ready[i]],
                 even = count / run.sender.round.ready_count;

        if (share < even || share > even + 1)
            fuzz_fail("a share of %u where %u is even", share, even);
    }
}

static void call(void)
{
    unsigned what = calls_octet(&run.calls), who = what / 8 % ROUND_PEERS;
    uint64_t delta = calls_octet(&run.calls);
    uint64_t now = run.sender.round.epochs[who];
    uint64_t epoch = now + delta % 4 - (now > 0);
    struct mcq_ring_node *node = &run.nodes[who];
    bool expected;

    switch (what % 8) {
    case 0:
        expected = sender_up(&run.sender, who, epoch);
        calls_same(mcq_balance_up(&run.balance, node, epoch), expected, "up");
        break;
    case 1:
        epoch = delta & 4 ? epoch : now;
        expected = sender_down(&run.sender, who, epoch);
        calls_same(mcq_balance_down(&run.balance, node, epoch), expected, "down");
        break;
    case 2:
    case 3:
        epoch = delta & 4 ? epoch : now;
        expected = round_set(&run.sender.round, who, epoch, delta & 8);
        calls_same(mcq_balance_set_ready(&run.balance, node, epoch, delta & 8), expected,
                   "set ready");
        break;
    case 4:
        who = (unsigned) (delta % (ROUND_PEERS + 1));
        if (who == ROUND_NOBODY || run.sender.round.is_in[who])
            calls_same(mcq_balance_aim(&run.balance, who == ROUND_NOBODY ? NULL : &run.nodes[who]),
                       sender_aim(&run.sender, who), "aim");
        break;
    case 5: burst(delta % FRAMES_MAX); break;
    default: (void) send_frame(delta & 1, delta & 2); break;
    }
}

static void fuzz_one(const struct fuzz_input *input)
{
    run = (struct run) {.calls = calls_of(input)};
    mcq_balance_init(&run.balance);
    while (calls_next(&run.calls))
        call();
    round_check(&run.sender.round, &run.balance.ring, who_is);
}
