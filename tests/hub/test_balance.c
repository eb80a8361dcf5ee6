#include "hub/balance.h"

#include "arena/test_support.h"

#define NODE_COUNT 8

static void start(struct mcq_balance *balance, struct mcq_ring_node *nodes, int count)
{
    mcq_balance_init(balance);
    for (int i = 0; i < count; i++) {
        assert_true(mcq_balance_up(balance, &nodes[i], 1));
        assert_true(mcq_balance_set_ready(balance, &nodes[i], 1, true));
    }
}

static void expect(struct mcq_balance *balance, enum mcq_turn turn,
                   const struct mcq_ring_node *expected)
{
    struct mcq_ring_node *node;

    assert_int_equal(mcq_balance_pick(balance, &node), turn);
    assert_ptr_equal(node, expected);
}

static void send_to(struct mcq_balance *balance, const struct mcq_ring_node *expected, bool more)
{
    expect(balance, MCQ_TURN_PEER, expected);
    mcq_balance_sent(balance, more);
}

static void balance_pick__no_peer_ready__is_nobody(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, NULL, 0);
    expect(&balance, MCQ_TURN_NOBODY, NULL);
    assert_true(mcq_balance_up(&balance, &node, 1));
    expect(&balance, MCQ_TURN_NOBODY, NULL);
    assert_false(mcq_balance_is_ready(&balance));
    assert_true(mcq_balance_set_ready(&balance, &node, 1, true));
    assert_true(mcq_balance_is_ready(&balance));
    expect(&balance, MCQ_TURN_PEER, &node);
}

static void balance_pick__single_messages__strict_round_robin(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 3);
    for (int i = 0; i < 9; i++)
        send_to(&balance, &nodes[i % 3], false);
}

static void balance_pick__multipart__keeps_the_peer_to_the_end(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 2);
    send_to(&balance, &nodes[0], true);
    send_to(&balance, &nodes[0], true);
    send_to(&balance, &nodes[0], false);
    send_to(&balance, &nodes[1], false);
}

static void balance_set_ready__full_within_a_message__finishes_it_first(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 2);
    send_to(&balance, &nodes[0], true);
    assert_true(mcq_balance_set_ready(&balance, &nodes[0], 1, false));
    assert_true(mcq_balance_set_ready(&balance, &nodes[1], 1, false));
    send_to(&balance, &nodes[0], false);
    expect(&balance, MCQ_TURN_NOBODY, NULL);
}

static void balance_set_ready__full_and_back__joins_the_end(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 3);
    assert_true(mcq_balance_set_ready(&balance, &nodes[0], 1, false));
    assert_true(mcq_balance_set_ready(&balance, &nodes[0], 1, true));
    send_to(&balance, &nodes[1], false);
    send_to(&balance, &nodes[2], false);
    send_to(&balance, &nodes[0], false);
}

static void balance_down__within_a_message__rest_is_swallowed(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 2);
    send_to(&balance, &nodes[0], true);
    assert_true(mcq_balance_down(&balance, &nodes[0], 1));
    assert_true(mcq_balance_is_ready(&balance));
    expect(&balance, MCQ_TURN_CUT, NULL);
    expect(&balance, MCQ_TURN_SWALLOW, NULL);
    mcq_balance_sent(&balance, true);
    expect(&balance, MCQ_TURN_SWALLOW, NULL);
    mcq_balance_sent(&balance, false);
    send_to(&balance, &nodes[1], false);
}

static void balance_down__last_frame_outstanding__goes_nowhere_else(void **state)
{
    struct mcq_ring_node nodes[2] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 2);
    send_to(&balance, &nodes[0], true);
    assert_true(mcq_balance_down(&balance, &nodes[0], 1));
    expect(&balance, MCQ_TURN_CUT, NULL);
    expect(&balance, MCQ_TURN_SWALLOW, NULL);
    mcq_balance_sent(&balance, false);
    send_to(&balance, &nodes[1], false);
}

static void balance_down__older_epoch__ignored(void **state)
{
    struct mcq_ring_node nodes[1] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 1);
    send_to(&balance, &nodes[0], true);
    assert_false(mcq_balance_down(&balance, &nodes[0], 0));
    send_to(&balance, &nodes[0], false);
}

static void balance_up__newer_within_a_message__cuts_it(void **state)
{
    struct mcq_ring_node nodes[1] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 1);
    send_to(&balance, &nodes[0], true);
    assert_true(mcq_balance_up(&balance, &nodes[0], 2));
    assert_true(mcq_balance_set_ready(&balance, &nodes[0], 2, true));
    assert_false(mcq_balance_down(&balance, &nodes[0], 1));
    expect(&balance, MCQ_TURN_CUT, NULL);
    expect(&balance, MCQ_TURN_SWALLOW, NULL);
    mcq_balance_sent(&balance, false);
    send_to(&balance, &nodes[0], false);
}

static void balance_aim__at_a_peer__leaves_the_round_alone(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 3);
    assert_int_equal(mcq_balance_aim(&balance, &nodes[2]), MCQ_OK);
    send_to(&balance, &nodes[2], true);
    assert_int_equal(mcq_balance_aim(&balance, &nodes[1]), MCQ_STATE);
    send_to(&balance, &nodes[2], false);
    send_to(&balance, &nodes[0], false);
}

static void balance_aim__at_nobody__swallows_the_message(void **state)
{
    struct mcq_ring_node nodes[1] = {0};
    struct mcq_balance balance;

    (void) state;
    start(&balance, nodes, 1);
    assert_int_equal(mcq_balance_aim(&balance, NULL), MCQ_OK);
    for (int frame = 0; frame < 3; frame++) {
        expect(&balance, MCQ_TURN_SWALLOW, NULL);
        mcq_balance_sent(&balance, frame < 2);
    }
    send_to(&balance, &nodes[0], false);
}

/* The reference: a queue of indices, front first, and what the current message is. */
struct model {
    int queue[NODE_COUNT];
    size_t count;
    bool is_up[NODE_COUNT];
    uint64_t epochs[NODE_COUNT];
    int target; /* -1: none; -2: lost, not told; -3: lost */
};

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
    for (size_t i = 0; i < model->count; i++)
        if (model->queue[i] == item)
            return;
    model->queue[model->count++] = item;
}

static void model_send(struct model *model, bool more)
{
    if (model->target == -1) {
        model->target = model->queue[0];
        model_leave(model, model->target);
        model_join(model, model->target);
    }
    if (!more)
        model->target = -1;
}

static void model_down(struct model *model, int item)
{
    model_leave(model, item);
    model->is_up[item] = false;
    if (model->target == item)
        model->target = -2;
}

static void step_frame(struct mcq_balance *balance, const struct mcq_ring_node *nodes,
                       struct model *model, bool more)
{
    struct mcq_ring_node *node;
    enum mcq_turn turn = mcq_balance_pick(balance, &node);

    if (model->target == -2) {
        assert_int_equal(turn, MCQ_TURN_CUT);
        model->target = -3;
        return;
    }
    if (model->target == -1 && model->count == 0) {
        assert_int_equal(turn, MCQ_TURN_NOBODY);
        return;
    }
    if (model->target == -3) {
        assert_int_equal(turn, MCQ_TURN_SWALLOW);
    } else {
        assert_int_equal(turn, MCQ_TURN_PEER);
        assert_int_equal(node - nodes, model->target >= 0 ? model->target : model->queue[0]);
    }
    mcq_balance_sent(balance, more);
    model_send(model, more);
}

static void balance__any_calls__as_the_model(void **state)
{
    uint64_t random = support_seed();
    struct mcq_ring_node nodes[NODE_COUNT] = {0};
    struct model model = {.target = -1};
    struct mcq_balance balance;

    (void) state;
    mcq_balance_init(&balance);
    for (int step = 0; step < 200000; step++) {
        int item = (int) support_random_below(&random, NODE_COUNT);
        bool is_late = model.epochs[item] > 0 && support_random_below(&random, 4) == 0;
        uint64_t epoch = model.epochs[item] - is_late;
        bool is_current = model.is_up[item] && !is_late;

        switch (support_random_below(&random, 8)) {
        case 0:
            epoch++;
            assert_int_equal(mcq_balance_up(&balance, &nodes[item], epoch), !is_late);
            if (!is_late) {
                model_down(&model, item);
                model.is_up[item] = true;
                model.epochs[item] = epoch;
            }
            break;
        case 1:
            assert_int_equal(mcq_balance_down(&balance, &nodes[item], epoch), is_current);
            if (is_current)
                model_down(&model, item);
            break;
        case 2:
            assert_int_equal(mcq_balance_set_ready(&balance, &nodes[item], epoch, false),
                             is_current);
            if (is_current)
                model_leave(&model, item);
            break;
        case 3:
        case 4:
            assert_int_equal(mcq_balance_set_ready(&balance, &nodes[item], epoch, true),
                             is_current);
            if (is_current)
                model_join(&model, item);
            break;
        case 5:
            if (!model.is_up[item])
                break;
            assert_int_equal(mcq_balance_aim(&balance, &nodes[item]),
                             model.target == -1 ? MCQ_OK : MCQ_STATE);
            if (model.target == -1)
                model.target = item;
            break;
        default: step_frame(&balance, nodes, &model, support_random_below(&random, 2) == 0);
        }
        assert_int_equal(mcq_balance_is_ready(&balance), model.target != -1 || model.count > 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(balance_pick__no_peer_ready__is_nobody),
        LEDGER_TEST(balance_pick__single_messages__strict_round_robin),
        LEDGER_TEST(balance_pick__multipart__keeps_the_peer_to_the_end),
        LEDGER_TEST(balance_set_ready__full_within_a_message__finishes_it_first),
        LEDGER_TEST(balance_set_ready__full_and_back__joins_the_end),
        LEDGER_TEST(balance_down__within_a_message__rest_is_swallowed),
        LEDGER_TEST(balance_down__last_frame_outstanding__goes_nowhere_else),
        LEDGER_TEST(balance_down__older_epoch__ignored),
        LEDGER_TEST(balance_up__newer_within_a_message__cuts_it),
        LEDGER_TEST(balance_aim__at_a_peer__leaves_the_round_alone),
        LEDGER_TEST(balance_aim__at_nobody__swallows_the_message),
        LEDGER_TEST(balance__any_calls__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
