#include "hub/fair.h"

#include "arena/test_support.h"

#define NODE_COUNT 8

static void start(struct mcq_fair *fair, size_t turn_bytes, struct mcq_ring_node *nodes, int count)
{
    mcq_fair_init(fair, turn_bytes);
    for (int i = 0; i < count; i++) {
        assert_true(mcq_fair_up(fair, &nodes[i], 1));
        assert_true(mcq_fair_set_ready(fair, &nodes[i], 1, true));
    }
}

static void expect(struct mcq_fair *fair, enum mcq_turn turn, const struct mcq_ring_node *expected)
{
    struct mcq_ring_node *node;

    assert_int_equal(mcq_fair_pick(fair, &node), turn);
    assert_ptr_equal(node, expected);
}

static void take_from(struct mcq_fair *fair, const struct mcq_ring_node *expected, bool more)
{
    expect(fair, MCQ_TURN_PEER, expected);
    mcq_fair_took(fair, 1, more);
}

static void fair_pick__nothing_there__is_nobody(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, 0, NULL, 0);
    expect(&fair, MCQ_TURN_NOBODY, NULL);
    assert_true(mcq_fair_up(&fair, &node, 1));
    expect(&fair, MCQ_TURN_NOBODY, NULL);
    assert_false(mcq_fair_is_ready(&fair));
    assert_true(mcq_fair_set_ready(&fair, &node, 1, true));
    assert_true(mcq_fair_is_ready(&fair));
    expect(&fair, MCQ_TURN_PEER, &node);
}

static void fair_pick__whole_messages__one_per_peer_in_turn(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, 0, nodes, 3);
    for (int i = 0; i < 9; i++) {
        take_from(&fair, &nodes[i % 3], true);
        take_from(&fair, &nodes[i % 3], false);
    }
}

static void fair_pick__message_not_all_there__waits_for_its_peer(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, 0, nodes, 2);
    take_from(&fair, &nodes[0], true);
    assert_true(mcq_fair_set_ready(&fair, &nodes[0], 1, false));
    expect(&fair, MCQ_TURN_NOBODY, NULL);
    assert_true(mcq_fair_set_ready(&fair, &nodes[0], 1, true));
    take_from(&fair, &nodes[0], false);
    take_from(&fair, &nodes[1], false);
}

static void fair_down__within_a_message__said_once(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, 0, nodes, 2);
    take_from(&fair, &nodes[0], true);
    assert_false(mcq_fair_down(&fair, &nodes[0], 7));
    assert_true(mcq_fair_down(&fair, &nodes[0], 1));
    assert_true(mcq_fair_is_ready(&fair));
    expect(&fair, MCQ_TURN_CUT, NULL);
    take_from(&fair, &nodes[1], false);
}

static void fair_down__older_epoch__ignored(void **state)
{
    struct mcq_ring_node nodes[1] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, 0, nodes, 1);
    assert_true(mcq_fair_up(&fair, &nodes[0], 2));
    assert_true(mcq_fair_set_ready(&fair, &nodes[0], 2, true));
    assert_false(mcq_fair_down(&fair, &nodes[0], 1));
    assert_false(mcq_fair_set_ready(&fair, &nodes[0], 1, false));
    take_from(&fair, &nodes[0], false);
}

static void fair_took__turn_of_bytes__goes_on_until_they_are_taken(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, (size_t) 3 * (1 + MCQ_FAIR_FRAME_BYTES), nodes, 2);
    for (int turn = 0; turn < 4; turn++)
        for (int message = 0; message < 3; message++)
            take_from(&fair, &nodes[turn % 2], false);
}

static void fair_took__turn_of_bytes__ends_when_the_peer_has_no_more(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, SIZE_MAX, nodes, 2);
    take_from(&fair, &nodes[0], false);
    assert_true(mcq_fair_set_ready(&fair, &nodes[0], 1, false));
    assert_true(mcq_fair_set_ready(&fair, &nodes[0], 1, true));
    take_from(&fair, &nodes[1], false);
}

static void fair_took__empty_messages_for_ever__end_their_turn(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_fair fair;
    int taken = 0;

    (void) state;
    start(&fair, 65536, nodes, 2);
    for (struct mcq_ring_node *node = &nodes[0]; node == &nodes[0]; taken++) {
        assert_int_equal(mcq_fair_pick(&fair, &node), MCQ_TURN_PEER);
        mcq_fair_took(&fair, 0, false);
    }
    assert_int_equal(taken, 65536 / MCQ_FAIR_FRAME_BYTES + 1);
}

/* One peer floods with long messages, the others with short ones: by octets, nobody gets more than
 * twice what another gets. */
static void fair_took__flooder_and_quiet_peers__shares_within_two(void **state)
{
    enum { PEERS = 100, TURN = 4096 };
    struct mcq_ring_node nodes[PEERS] = {0};
    size_t shares[PEERS] = {0};
    struct mcq_ring_node *node;
    struct mcq_fair fair;

    (void) state;
    start(&fair, TURN, nodes, PEERS);
    for (int i = 0; i < 200000; i++) {
        assert_int_equal(mcq_fair_pick(&fair, &node), MCQ_TURN_PEER);
        size_t len = node == &nodes[0] ? TURN - MCQ_FAIR_FRAME_BYTES - 1 : 100;

        mcq_fair_took(&fair, len, false);
        shares[node - nodes] += len + MCQ_FAIR_FRAME_BYTES;
    }
    for (int i = 1; i < PEERS; i++) {
        assert_true(shares[0] < shares[i] * 21 / 10);
        assert_true(shares[i] < shares[0] * 21 / 10);
    }
}

/* The reference: each peer's messages are counters in arrays; the order of turns is a queue. */
struct model {
    int queue[NODE_COUNT];
    size_t count;
    bool is_up[NODE_COUNT];
    uint64_t epochs[NODE_COUNT];
    int within; /* -1: no message */
    bool is_cut;
};

static bool model_has(const struct model *model, int item)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->queue[i] == item)
            return true;
    return false;
}

static void model_leave(struct model *model, int item)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->count; i++)
        if (model->queue[i] != item)
            model->queue[kept++] = model->queue[i];
    model->count = kept;
}

static void model_join(struct model *model, int item)
{
    if (!model_has(model, item))
        model->queue[model->count++] = item;
}

static void model_down(struct model *model, int item)
{
    model_leave(model, item);
    model->is_up[item] = false;
    if (model->within == item) {
        model->within = -1;
        model->is_cut = true;
    }
}

static void step_frame(struct mcq_fair *fair, const struct mcq_ring_node *nodes,
                       struct model *model, bool more)
{
    struct mcq_ring_node *node;
    enum mcq_turn turn = mcq_fair_pick(fair, &node);
    int expected = model->within >= 0 ? model->within : model->queue[0];

    if (model->is_cut) {
        assert_int_equal(turn, MCQ_TURN_CUT);
        model->is_cut = false;
    } else if (model->within >= 0 ? !model_has(model, expected) : model->count == 0) {
        assert_int_equal(turn, MCQ_TURN_NOBODY);
    } else {
        assert_int_equal(turn, MCQ_TURN_PEER);
        assert_int_equal(node - nodes, expected);
        mcq_fair_took(fair, 1, more);
        if (!more && model->queue[0] == expected) {
            model_leave(model, expected);
            model_join(model, expected);
        }
        model->within = more ? expected : -1;
    }
}

static void fair__any_calls__as_the_model(void **state)
{
    uint64_t random = support_seed();
    struct mcq_ring_node nodes[NODE_COUNT] = {0};
    struct model model = {.within = -1};
    struct mcq_fair fair;

    (void) state;
    mcq_fair_init(&fair, 0);
    for (int step = 0; step < 200000; step++) {
        int item = (int) support_random_below(&random, NODE_COUNT);
        bool is_late = model.epochs[item] > 0 && support_random_below(&random, 4) == 0;
        uint64_t epoch = model.epochs[item] - is_late;
        bool is_current = model.is_up[item] && !is_late;
        bool is_ready = support_random_below(&random, 3) > 0;

        switch (support_random_below(&random, 6)) {
        case 0:
            assert_int_equal(mcq_fair_up(&fair, &nodes[item], epoch + 1), !is_late);
            if (!is_late) {
                model_down(&model, item);
                model.is_up[item] = true;
                model.epochs[item] = epoch + 1;
            }
            break;
        case 1:
            assert_int_equal(mcq_fair_down(&fair, &nodes[item], epoch), is_current);
            if (is_current)
                model_down(&model, item);
            break;
        case 2:
        case 3:
            assert_int_equal(mcq_fair_set_ready(&fair, &nodes[item], epoch, is_ready), is_current);
            if (is_current && is_ready)
                model_join(&model, item);
            else if (is_current)
                model_leave(&model, item);
            break;
        default: step_frame(&fair, nodes, &model, support_random_below(&random, 2) == 0);
        }
    }
}

/* Those that have gone come before all others, in the order in which they went, but not into the
 * middle of a message. */
static void fair_finish__who_has_gone__comes_first(void **state)
{
    struct mcq_ring_node nodes[5] = {0};
    struct mcq_fair fair;

    (void) state;
    start(&fair, SIZE_MAX, nodes, 5);
    take_from(&fair, &nodes[0], false);
    take_from(&fair, &nodes[0], true);
    assert_true(mcq_fair_finish(&fair, &nodes[3], 1));
    assert_true(mcq_fair_finish(&fair, &nodes[1], 1));
    assert_false(mcq_fair_finish(&fair, &nodes[2], 2));
    take_from(&fair, &nodes[0], false);
    take_from(&fair, &nodes[3], false);
    take_from(&fair, &nodes[3], false);
    assert_true(mcq_fair_set_ready(&fair, &nodes[3], 1, false)); /* held up */
    take_from(&fair, &nodes[1], true);
    assert_true(mcq_fair_set_ready(&fair, &nodes[3], 1, true));
    take_from(&fair, &nodes[1], false);
    take_from(&fair, &nodes[1], false);
    assert_true(mcq_fair_down(&fair, &nodes[1], 1));
    take_from(&fair, &nodes[3], false);
    assert_true(mcq_fair_finish(&fair, &nodes[3], 1)); /* said once more */
    take_from(&fair, &nodes[3], false);
    assert_true(mcq_fair_set_ready(&fair, &nodes[3], 1, false));
    assert_true(mcq_fair_down(&fair, &nodes[3], 1));
    take_from(&fair, &nodes[0], false);
    assert_true(mcq_fair_up(&fair, &nodes[3], 2)); /* another connection is like any other */
    assert_true(mcq_fair_set_ready(&fair, &nodes[3], 2, true));
    take_from(&fair, &nodes[0], false);
}

/* Whatever is said in whatever order: a peer that has gone is never passed over. */
static void fair_finish__at_random__never_passed_over(void **state)
{
    (void) state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct mcq_ring_node nodes[NODE_COUNT] = {0};
        struct mcq_fair fair;
        uint32_t chance = seed * 2654435761u;

        start(&fair, (size_t) (seed % 3) * 100, nodes, NODE_COUNT);
        for (int step = 0; step < 400; step++) {
            struct mcq_ring_node *node;
            int i;

            chance = chance * 1664525 + 1013904223;
            i = (int) (chance >> 16) % NODE_COUNT;
            switch (chance >> 28) {
            case 0: (void) mcq_fair_finish(&fair, &nodes[i], nodes[i].epoch); break;
            case 1: (void) mcq_fair_down(&fair, &nodes[i], nodes[i].epoch); break;
            case 2: (void) mcq_fair_up(&fair, &nodes[i], nodes[i].epoch + 1); break;
            case 3: (void) mcq_fair_set_ready(&fair, &nodes[i], nodes[i].epoch, false); break;
            case 4:
            case 5: (void) mcq_fair_set_ready(&fair, &nodes[i], nodes[i].epoch, true); break;
            default:
                if (mcq_fair_pick(&fair, &node) != MCQ_TURN_PEER)
                    break;
                if (!fair.is_within && !node->is_final)
                    for (int j = 0; j < NODE_COUNT; j++)
                        if (nodes[j].is_final && nodes[j].part == MCQ_RING_READY)
                            fail_msg("seed %u, step %d: %d is passed over", seed, step, j);
                mcq_fair_took(&fair, 1, chance >> 27 & 1);
            }
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(fair_pick__nothing_there__is_nobody),
        LEDGER_TEST(fair_pick__whole_messages__one_per_peer_in_turn),
        LEDGER_TEST(fair_pick__message_not_all_there__waits_for_its_peer),
        LEDGER_TEST(fair_down__within_a_message__said_once),
        LEDGER_TEST(fair_down__older_epoch__ignored),
        LEDGER_TEST(fair_took__turn_of_bytes__goes_on_until_they_are_taken),
        LEDGER_TEST(fair_took__turn_of_bytes__ends_when_the_peer_has_no_more),
        LEDGER_TEST(fair_took__empty_messages_for_ever__end_their_turn),
        LEDGER_TEST(fair_took__flooder_and_quiet_peers__shares_within_two),
        LEDGER_TEST(fair__any_calls__as_the_model),
        cmocka_unit_test(fair_finish__who_has_gone__comes_first),
        cmocka_unit_test(fair_finish__at_random__never_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
