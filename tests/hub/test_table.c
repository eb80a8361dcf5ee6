#include "hub/table.h"

#include "arena/test_support.h"

#define NODE_COUNT 20000

static const uint8_t table_key[MCQ_TABLE_KEY_BYTES] = "a key of 16 oct";

static struct mcq_table_node nodes[NODE_COUNT];

static uint64_t hash_of(const struct mcq_table *table, size_t i)
{
    return mcq_table_hash(table, mcq_bytes(&i, sizeof i));
}

static bool is_in(const struct mcq_table *table, size_t i)
{
    struct mcq_table_node *node = mcq_table_first(table, hash_of(table, i));

    while (node != NULL && node != &nodes[i])
        node = mcq_table_next(node);
    return node != NULL;
}

static void fault_c15__table_of_another_key__has_other_hashes(void **state)
{
    uint8_t key[MCQ_TABLE_KEY_BYTES] = {0};
    struct mcq_table a;
    struct mcq_table b;

    (void) state;
    mcq_table_init(&a, table_key);
    mcq_table_init(&b, key);
    assert_int_equal(mcq_table_hash(&a, mcq_bytes_of("id")),
                     mcq_table_hash(&a, mcq_bytes_of("id")));
    assert_int_not_equal(mcq_table_hash(&a, mcq_bytes_of("id")),
                         mcq_table_hash(&b, mcq_bytes_of("id")));
    (void) mcq_table_hash(&a, mcq_bytes(NULL, 0));
    mcq_table_fini(&a);
    mcq_table_fini(&b);
}

static void fault_c15__keys_of_equal_hashes__are_all_found(void **state)
{
    struct mcq_table table;
    size_t found = 0;

    (void) state;
    mcq_table_init(&table, table_key);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(mcq_table_insert(&table, &nodes[i], 7 + 8 * (i % 2)), MCQ_OK);
    for (struct mcq_table_node *node = mcq_table_first(&table, 15); node != NULL;
         node = mcq_table_next(node))
        found++;
    assert_int_equal(found, 50);
    mcq_table_fini(&table);
}

static void table_insert__grows_and_shrinks__nobody_is_lost(void **state)
{
    struct mcq_table table;
    size_t largest;

    (void) state;
    mcq_table_init(&table, table_key);
    for (size_t i = 0; i < NODE_COUNT; i++) {
        assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
        assert_true(is_in(&table, i / 2));
        assert_true(table.count <= table.bucket_count);
        assert_true(table.bucket_count <= 2 * table.count ||
                    table.bucket_count == MCQ_TABLE_BUCKETS_MIN);
    }
    largest = table.bucket_count;
    for (size_t i = 0; i < NODE_COUNT; i++) {
        mcq_table_remove(&table, &nodes[i]);
        assert_false(is_in(&table, i));
        if (i + 1 < NODE_COUNT)
            assert_true(is_in(&table, i + 1 + (NODE_COUNT - i - 1) / 2));
    }
    assert_true(largest >= NODE_COUNT);
    assert_int_equal(table.bucket_count, MCQ_TABLE_BUCKETS_MIN);
    mcq_table_fini(&table);
}

static void table_insert__at_every_step_of_a_move__all_are_found(void **state)
{
    enum { COUNT = 1100 };
    struct mcq_table table;

    (void) state;
    mcq_table_init(&table, table_key);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
        for (size_t k = 0; k < COUNT; k++)
            assert_int_equal(is_in(&table, k), k <= i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        mcq_table_remove(&table, &nodes[i]);
        for (size_t k = 0; k < COUNT; k++)
            assert_int_equal(is_in(&table, k), k > i);
    }
    mcq_table_fini(&table);
}

static void table_insert__no_memory_to_grow__goes_on_with_longer_chains(void **state)
{
    struct mcq_table table;
    size_t i = 0;

    (void) state;
    mcq_table_init(&table, table_key);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_table_insert(&table, &nodes[0], 0), MCQ_NOMEM);
    for (; i < MCQ_TABLE_BUCKETS_MIN; i++)
        assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
    for (; i < (size_t) MCQ_TABLE_BUCKETS_MIN * MCQ_TABLE_LOAD_MAX; i++) {
        mcq_alloc_fail_at(1);
        assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
    }
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_NOMEM);
    assert_false(is_in(&table, i));
    assert_int_equal(table.count, i);
    assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
    for (size_t k = 0; k <= i; k++)
        assert_true(is_in(&table, k));
    mcq_table_fini(&table);
}

static void table_remove__no_memory_to_shrink__stays_large_and_right(void **state)
{
    struct mcq_table table;

    (void) state;
    mcq_table_init(&table, table_key);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
    for (size_t i = 0; i < 999; i++) {
        mcq_alloc_fail_at(1);
        mcq_table_remove(&table, &nodes[i]);
        assert_true(is_in(&table, 999));
    }
    assert_true(table.bucket_count >= 1000);
    mcq_alloc_fail_at(0);
    mcq_table_remove(&table, &nodes[999]);
    assert_true(table.bucket_count < 1000);
    mcq_table_fini(&table);
}

static void table__any_calls__as_the_model(void **state)
{
    static bool model[NODE_COUNT];
    uint64_t random = support_seed();
    struct mcq_table table;
    size_t count = 0;

    (void) state;
    mcq_table_init(&table, table_key);
    /* Phases that mostly add or mostly remove, so that it moves in both directions. */
    for (size_t step = 0; step < 400000; step++) {
        size_t range = step % 40000 < 20000 ? NODE_COUNT : 2000;
        size_t i = support_random_below(&random, range);
        bool wants_in = support_random_below(&random, 8) < (step % 20000 < 10000 ? 7u : 1u);

        assert_int_equal(is_in(&table, i), model[i]);
        if (wants_in && !model[i])
            assert_int_equal(mcq_table_insert(&table, &nodes[i], hash_of(&table, i)), MCQ_OK);
        else if (!wants_in && model[i])
            mcq_table_remove(&table, &nodes[i]);
        count = count + wants_in - model[i];
        model[i] = wants_in;
        assert_int_equal(table.count, count);
    }
    mcq_table_fini(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(fault_c15__table_of_another_key__has_other_hashes),
        LEDGER_TEST(fault_c15__keys_of_equal_hashes__are_all_found),
        LEDGER_TEST(table_insert__grows_and_shrinks__nobody_is_lost),
        LEDGER_TEST(table_insert__at_every_step_of_a_move__all_are_found),
        LEDGER_TEST(table_insert__no_memory_to_grow__goes_on_with_longer_chains),
        LEDGER_TEST(table_remove__no_memory_to_shrink__stays_large_and_right),
        LEDGER_TEST(table__any_calls__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
