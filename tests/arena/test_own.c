/* A thread's own blocks: who has them, and how they end. */

#include "arena/test_support.h"

#include <pthread.h>
#include <string.h>

#include "arena/msg.h"
#include "arena/own.h"

static void begin__without_memory__is_nothing(void **state)
{
    (void) state;
    assert_null(mcq_own_blocks());
    mcq_own_end();
    mcq_alloc_fail_at(1);
    mcq_own_begin();
    assert_null(mcq_own_blocks());
    mcq_own_begin();
    assert_non_null(mcq_own_blocks());
    mcq_own_begin();
    mcq_own_end();
    assert_null(mcq_own_blocks());
}

/* A body that was another message's is zero again, and its memory is the same. */
static void messages__use_blocks_again__and_begin_with_zeros(void **state)
{
    const size_t lens[] = {57, 64, 65, 1024, 1025, MCQ_OWN_BYTES_MAX};
    const uint8_t *before;
    struct mcq_msg msg;

    (void) state;
    mcq_own_begin();
    for (size_t i = 0; i < MCQ_COUNTOF(lens); i++) {
        assert_int_equal(mcq_msg_init_size(&msg, lens[i]), MCQ_OK);
        before = mcq_msg_data(&msg);
        memset(mcq_msg_fill(&msg), 'x', lens[i]);
        mcq_msg_fini(&msg);
        mcq_alloc_fail_at(1);
        assert_int_equal(mcq_msg_init_size(&msg, lens[i]), MCQ_OK);
        assert_int_equal(mcq_alloc_fail_left(), 1);
        mcq_alloc_fail_at(0);
        assert_ptr_equal(mcq_msg_data(&msg), before);
        for (size_t at = 0; at < lens[i]; at++)
            assert_int_equal(mcq_msg_data(&msg)[at], 0);
        mcq_msg_fini(&msg);
    }
    mcq_own_end();
}

static void messages__too_long_for_it__are_the_heap_s(void **state)
{
    struct mcq_ledger before;
    struct mcq_msg msg;

    (void) state;
    mcq_own_begin();
    before = mcq_alloc_ledger();
    assert_int_equal(mcq_msg_init_size(&msg, MCQ_OWN_BYTES_MAX + 1), MCQ_OK);
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    mcq_own_end();
}

#define LENT_COUNT 100

static void *lend(void *argument)
{
    struct mcq_msg *msgs = argument;

    mcq_own_begin();
    for (size_t i = 0; i < LENT_COUNT; i++) {
        assert_int_equal(mcq_msg_init_size(&msgs[i], 100 + i), MCQ_OK);
        memset(mcq_msg_fill(&msgs[i]), (int) i, 100 + i);
    }
    return NULL;
}

/* The thread ends with its pool; what it has lent stays, and takes the pool with it. */
static void end_of_thread__what_is_out_stays(void **state)
{
    struct mcq_msg msgs[LENT_COUNT];
    struct mcq_blocks *others;
    pthread_t thread;

    (void) state;
    assert_int_equal(pthread_create(&thread, NULL, lend, msgs), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(mcq_blocks_new(&others), MCQ_OK);
    for (size_t i = 0; i < LENT_COUNT; i++) {
        assert_int_equal(mcq_msg_data(&msgs[i])[99 + i], i);
        if (i % 3 == 0)
            mcq_msg_fini(&msgs[i]);
        else
            mcq_msg_put(&msgs[i], others);
    }
    mcq_blocks_free(&others);
}

static void *lend_nothing(void *argument)
{
    (void) argument;
    mcq_own_begin();
    return NULL;
}

static void end_of_thread__takes_an_idle_pool_along(void **state)
{
    pthread_t thread;

    (void) state;
    assert_int_equal(pthread_create(&thread, NULL, lend_nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(begin__without_memory__is_nothing),
        LEDGER_TEST(messages__use_blocks_again__and_begin_with_zeros),
        LEDGER_TEST(messages__too_long_for_it__are_the_heap_s),
        LEDGER_TEST(end_of_thread__what_is_out_stays),
        LEDGER_TEST(end_of_thread__takes_an_idle_pool_along),
    };

    return cmocka_run_group_tests_name("arena.own", tests, NULL, NULL);
}
