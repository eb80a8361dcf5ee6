#include "hub/ring.h"

#include "arena/test_support.h"

#define NODE_COUNT 12

static void up_ready(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch)
{
    assert_true(mcq_ring_up(ring, node, epoch));
    assert_true(mcq_ring_set(ring, node, epoch, true));
}

static void ring_up__new_node__is_idle(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    assert_null(mcq_ring_first(&ring));
    assert_true(mcq_ring_up(&ring, &node, 1));
    assert_int_equal(node.part, MCQ_RING_IDLE);
    assert_ptr_equal(mcq_ring_first(&ring), &node);
    assert_null(mcq_ring_next(&ring, &node));
    assert_int_equal(mcq_ring_count(&ring), 1);
}

static void ring_up__epoch_not_newer__is_refused(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    assert_false(mcq_ring_up(&ring, &node, 0));
    assert_true(mcq_ring_up(&ring, &node, 5));
    assert_false(mcq_ring_up(&ring, &node, 5));
    assert_false(mcq_ring_up(&ring, &node, 4));
    assert_true(mcq_ring_down(&ring, &node, 5));
    assert_false(mcq_ring_up(&ring, &node, 5));
    assert_int_equal(mcq_ring_count(&ring), 0);
}

static void ring_up__newer_while_in__replaces_the_older(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    up_ready(&ring, &node, 1);
    assert_true(mcq_ring_up(&ring, &node, 2));
    assert_int_equal(node.part, MCQ_RING_IDLE);
    assert_int_equal(mcq_ring_count(&ring), 1);
}

static void ring_down__older_epoch__ignored(void **state)
{
    struct mcq_ring_node node = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    assert_true(mcq_ring_up(&ring, &node, 1));
    assert_true(mcq_ring_up(&ring, &node, 2));
    assert_false(mcq_ring_down(&ring, &node, 1));
    assert_false(mcq_ring_set(&ring, &node, 1, true));
    assert_int_equal(node.part, MCQ_RING_IDLE);
    assert_true(mcq_ring_down(&ring, &node, 2));
    assert_false(mcq_ring_down(&ring, &node, 2));
    assert_false(mcq_ring_set(&ring, &node, 2, true));
}

static void ring_set__ready_again__keeps_its_place(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    for (int i = 0; i < 3; i++)
        up_ready(&ring, &nodes[i], 1);
    assert_true(mcq_ring_set(&ring, &nodes[0], 1, true));
    assert_ptr_equal(ring.ready, &nodes[0]);
    mcq_ring_rotate(&ring);
    assert_ptr_equal(ring.ready, &nodes[1]);
}

static void ring_set__idle_and_back__joins_the_end(void **state)
{
    struct mcq_ring_node nodes[3] = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    for (int i = 0; i < 3; i++)
        up_ready(&ring, &nodes[i], 1);
    assert_true(mcq_ring_set(&ring, &nodes[0], 1, false));
    assert_true(mcq_ring_set(&ring, &nodes[0], 1, true));
    assert_ptr_equal(mcq_ring_first(&ring), &nodes[1]);
    assert_ptr_equal(mcq_ring_next(&ring, &nodes[1]), &nodes[2]);
    assert_ptr_equal(mcq_ring_next(&ring, &nodes[2]), &nodes[0]);
    assert_null(mcq_ring_next(&ring, &nodes[0]));
}

/* The reference: two plain arrays in order. */
struct model {
    int items[2][NODE_COUNT]; /* idle, ready */
    size_t counts[2];
    uint64_t epochs[NODE_COUNT];
};

static int model_part(const struct model *model, int item)
{
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; i < model->counts[part]; i++)
            if (model->items[part][i] == item)
                return part;
    return -1;
}

static void model_take(struct model *model, int part, int item)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->counts[part]; i++)
        if (model->items[part][i] != item)
            model->items[part][kept++] = model->items[part][i];
    model->counts[part] = kept;
}

static void model_put(struct model *model, int part, int item)
{
    model->items[part][model->counts[part]++] = item;
}

static void compare(const struct model *model, const struct mcq_ring *ring,
                    const struct mcq_ring_node *nodes)
{
    const struct mcq_ring_node *node = mcq_ring_first(ring);

    assert_int_equal(ring->ready_count, model->counts[1]);
    assert_int_equal(ring->idle_count, model->counts[0]);
    for (int part = 1; part >= 0; part--) {
        for (size_t i = 0; i < model->counts[part]; i++) {
            assert_non_null(node);
            if (part == 1) /* the idle part has no order that means anything */
                assert_int_equal(node - nodes, model->items[part][i]);
            node = mcq_ring_next(ring, node);
        }
    }
    assert_null(node);
}

static void ring__any_calls__as_the_model(void **state)
{
    uint64_t random = support_seed();
    struct mcq_ring_node nodes[NODE_COUNT] = {0};
    struct model model = {0};
    struct mcq_ring ring;

    (void) state;
    mcq_ring_init(&ring);
    for (int step = 0; step < 100000; step++) {
        int item = (int) support_random_below(&random, NODE_COUNT);
        bool is_late = model.epochs[item] > 0 && support_random_below(&random, 4) == 0;
        uint64_t epoch = model.epochs[item] - is_late;
        bool is_current = epoch == model.epochs[item] && model_part(&model, item) >= 0;
        int part = model_part(&model, item);
        int to = (int) support_random_below(&random, 2);

        switch (support_random_below(&random, 5)) {
        case 0:
            epoch += support_random_below(&random, 3);
            assert_int_equal(mcq_ring_up(&ring, &nodes[item], epoch), epoch > model.epochs[item]);
            if (epoch > model.epochs[item]) {
                if (part >= 0)
                    model_take(&model, part, item);
                model_put(&model, 0, item);
                model.epochs[item] = epoch;
            }
            break;
        case 1:
            assert_int_equal(mcq_ring_down(&ring, &nodes[item], epoch), is_current);
            if (is_current)
                model_take(&model, part, item);
            break;
        case 2:
            if (model.counts[1] > 0) {
                int head = model.items[1][0];

                mcq_ring_rotate(&ring);
                model_take(&model, 1, head);
                model_put(&model, 1, head);
            }
            break;
        default:
            assert_int_equal(mcq_ring_set(&ring, &nodes[item], epoch, to == 1), is_current);
            if (is_current && part != to) {
                model_take(&model, part, item);
                model_put(&model, to, item);
            }
        }
        compare(&model, &ring, nodes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(ring_up__new_node__is_idle),
        LEDGER_TEST(ring_up__epoch_not_newer__is_refused),
        LEDGER_TEST(ring_up__newer_while_in__replaces_the_older),
        LEDGER_TEST(ring_down__older_epoch__ignored),
        LEDGER_TEST(ring_set__ready_again__keeps_its_place),
        LEDGER_TEST(ring_set__idle_and_back__joins_the_end),
        LEDGER_TEST(ring__any_calls__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
