/*
 * Calls of the fair queue against an array of peers in the order of their turns.
 *
 * Oracle: every result and where each frame comes from are the array's, so nobody who has something
 * is forgotten, a message never changes peers, and one that is cut is told once; and peers that
 * always have something get shares that differ by less than two turns. The first choice is how long
 * a turn is.
 */

#include "hub/fair.h"
#include "calls.h"
#include "round.h"

#define FRAMES_MAX 96 /* of a burst */

struct run {
    struct calls calls;
    struct mcq_fair fair;
    struct mcq_ring_node nodes[ROUND_PEERS];
    struct round round;
    unsigned peer; /* whose turn has begun; ROUND_NOBODY: the first one's is next */
    uint64_t taken;
    bool is_within;
    bool is_cut;
};

static struct run run;

static unsigned who_is(const struct mcq_ring_node *node)
{
    return (unsigned) (node - run.nodes);
}

/* --- the model -------------------------------------------------------------------------------- */

static bool model_down(unsigned who, uint64_t epoch)
{
    if (!round_down(&run.round, who, epoch))
        return false;
    if (run.peer != who)
        return true;
    run.is_cut |= run.is_within;
    run.is_within = false;
    run.peer = ROUND_NOBODY;
    return true;
}

static bool model_up(unsigned who, uint64_t epoch)
{
    if (epoch <= run.round.epochs[who])
        return false;
    (void) model_down(who, run.round.epochs[who]);
    return round_up(&run.round, who, epoch);
}

static bool model_set(unsigned who, uint64_t epoch, bool is_ready)
{
    if (!round_set(&run.round, who, epoch, is_ready))
        return false;
    if (!is_ready && run.peer == who && !run.is_within)
        run.peer = ROUND_NOBODY;
    return true;
}

/* Who has the next frame. */
static unsigned model_who(void)
{
    if (run.is_within)
        return round_is_ready(&run.round, run.peer) ? run.peer : ROUND_NOBODY;
    if (run.round.ready_count == 0)
        return ROUND_NOBODY;
    return run.peer != ROUND_NOBODY ? run.peer : run.round.ready[0];
}

static void model_took(unsigned who, size_t len, bool more)
{
    if (run.peer == ROUND_NOBODY)
        run.taken = 0;
    run.peer = who;
    run.taken += len + MCQ_FAIR_FRAME_BYTES;
    run.is_within = more;
    if (more || run.taken < run.fair.turn_bytes)
        return;
    if (run.round.ready[0] == who) {
        round_rest(&run.round, who);
        round_join(&run.round, who);
    }
    run.peer = ROUND_NOBODY;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Takes a frame if there is one. Returns whose it was. */
static unsigned take_frame(size_t len, bool more, bool is_taken)
{
    struct mcq_ring_node *node = run.nodes;
    unsigned who = run.is_cut ? ROUND_NOBODY : model_who();
    enum mcq_turn expected = run.is_cut            ? MCQ_TURN_CUT
                             : who == ROUND_NOBODY ? MCQ_TURN_NOBODY
                                                   : MCQ_TURN_PEER;

    calls_same(mcq_fair_is_ready(&run.fair), expected != MCQ_TURN_NOBODY, "is ready");
    calls_same(mcq_fair_pick(&run.fair, &node), expected, "pick");
    run.is_cut = false;
    calls_same(node == NULL ? ROUND_NOBODY : who_is(node), who, "whose frame is next");
    if (who == ROUND_NOBODY || !is_taken)
        return ROUND_NOBODY;
    mcq_fair_took(&run.fair, len, more);
    model_took(who, len, more);
    return who;
}

/* Whole messages of one length, between which nobody comes, goes or pauses. */
static void burst(unsigned count, size_t len)
{
    unsigned shares[ROUND_PEERS] = {0}, least = UINT32_MAX, most = 0;
    size_t cost = len + MCQ_FAIR_FRAME_BYTES;
    size_t turn = run.fair.turn_bytes <= cost ? 1 : (run.fair.turn_bytes + cost - 1) / cost;

    if (run.is_cut || run.is_within || run.round.ready_count == 0)
        return;
    size_t begun = run.peer == ROUND_NOBODY ? 0 : turn; /* what it has had already, at most */

    for (unsigned i = 0; i < count; i++)
        shares[take_frame(len, false, true)]++;
    for (unsigned i = 0; i < run.round.ready_count; i++) {
        unsigned share = shares[run.round.ready[i]];

        least = share < least ? share : least;
        most = share > most ? share : most;
    }
    if (most - least > turn + begun)
        fuzz_fail("shares of %u and %u, with turns of %zu", least, most, turn);
}

static void call(void)
{
    static const uint16_t lens[] = {0, 1, 100, 5000};
    unsigned what = calls_octet(&run.calls), who = what / 8 % ROUND_PEERS;
    uint64_t delta = calls_octet(&run.calls);
    uint64_t now = run.round.epochs[who];
    uint64_t epoch = now + delta % 4 - (now > 0);
    struct mcq_ring_node *node = &run.nodes[who];
    bool expected;

    switch (what % 8) {
    case 0:
        expected = model_up(who, epoch);
        calls_same(mcq_fair_up(&run.fair, node, epoch), expected, "up");
        break;
    case 1:
        epoch = delta & 4 ? epoch : now;
        expected = model_down(who, epoch);
        calls_same(mcq_fair_down(&run.fair, node, epoch), expected, "down");
        break;
    case 2:
    case 3:
        epoch = delta & 4 ? epoch : now;
        expected = model_set(who, epoch, delta & 8);
        calls_same(mcq_fair_set_ready(&run.fair, node, epoch, delta & 8), expected, "set ready");
        break;
    case 4: burst((unsigned) delta % FRAMES_MAX, lens[what / 64]); break;
    default: (void) take_frame(lens[what / 64], delta & 1, delta & 2); break;
    }
}

static void fuzz_one(const struct fuzz_input *input)
{
    static const uint16_t turns[] = {0, 64, 300, 8192};

    run = (struct run) {.calls = calls_of(input), .peer = ROUND_NOBODY};
    mcq_fair_init(&run.fair, turns[input->choice[0] % MCQ_COUNTOF(turns)]);
    while (calls_next(&run.calls))
        call();
    round_check(&run.round, &run.fair.ring, who_is);
}
