#include "arena/home.h"

#include <pthread.h>
#include <string.h>

#include "arena/poison.h"
#include "arena/test_support.h"

#define TOY_COUNT 8

/* A pool of buffers with nothing around it: what home does and no more. */
struct toy {
    struct mcq_home home;
    struct mcq_buf bufs[TOY_COUNT];
    struct {
        _Alignas(8) uint8_t octet; /* what AddressSanitizer marks as one: threads free neighbours */
    } places[TOY_COUNT];
    int ended_bufs[TOY_COUNT]; /* plain memory: TSan sees whether the pool's end comes after */
    int ended_bufs_at_end;
    int ended_pools;
};

static void toy_end_buf(struct mcq_home *home, struct mcq_buf *buf)
{
    struct toy *toy = (struct toy *) home;

    assert_true(buf >= toy->bufs && buf < toy->bufs + TOY_COUNT);
    toy->ended_bufs[buf - toy->bufs]++;
}

static void toy_end_pool(struct mcq_home *home)
{
    struct toy *toy = (struct toy *) home;

    toy->ended_pools++;
    for (int i = 0; i < TOY_COUNT; i++)
        toy->ended_bufs_at_end += toy->ended_bufs[i];
}

static const struct mcq_home_ops toy_ops = {toy_end_buf, toy_end_pool};
static const struct mcq_home_ops toy_ops_no_buf = {NULL, toy_end_pool};

static void toy_init(struct toy *toy, const struct mcq_home_ops *ops)
{
    mcq_unpoison(toy->places, sizeof toy->places); /* of an earlier test */
    memset(toy, 0, sizeof *toy);
    mcq_home_init(&toy->home, ops);
    for (int i = 0; i < TOY_COUNT; i++) {
        toy->bufs[i].kind = MCQ_BUF_POOL;
        toy->bufs[i].data = &toy->places[i].octet;
        toy->bufs[i].size = 1;
        toy->bufs[i].pool.home = &toy->home;
        mcq_home_take(&toy->home, &toy->bufs[i]);
    }
}

static void take__free_buffer__is_filling_with_one_reference(void **state)
{
    static struct toy toy;

    (void) state;
    toy_init(&toy, &toy_ops);
    assert_int_equal(toy.home.out_count, TOY_COUNT);
    assert_int_equal(mcq_buf_room_len(&toy.bufs[0]), 1);
    assert_int_equal(toy.bufs[0].refs, 1);
}

static void take_again(void *buf)
{
    struct mcq_buf *taken = buf;

    mcq_home_take(taken->pool.home, taken);
}

static void take__buffer_that_is_out__is_a_broken_invariant(void **state)
{
    static struct toy toy;

    (void) state;
    toy_init(&toy, &toy_ops);
#ifndef NDEBUG
    assert_true(support_aborts(take_again, &toy.bufs[0]));
#else
    (void) take_again;
#endif
}

static void drain__some_came_home__newest_first(void **state)
{
    static struct toy toy;
    struct mcq_buf *list;

    (void) state;
    toy_init(&toy, &toy_ops);
    assert_null(mcq_home_drain(&toy.home));
    mcq_buf_unref(&toy.bufs[3]);
    mcq_buf_unref(&toy.bufs[1]);
    mcq_buf_unref(&toy.bufs[2]);
    list = mcq_home_drain(&toy.home);
    assert_ptr_equal(list, &toy.bufs[2]);
    assert_ptr_equal(list->pool.next, &toy.bufs[1]);
    assert_ptr_equal(list->pool.next->pool.next, &toy.bufs[3]);
    assert_null(list->pool.next->pool.next->pool.next);
    assert_int_equal(toy.home.out_count, TOY_COUNT - 3);
    assert_null(mcq_home_drain(&toy.home));
}

static void leave__all_are_home__ends_the_pool_at_once(void **state)
{
    static struct toy toy;

    (void) state;
    toy_init(&toy, &toy_ops);
    for (int i = 0; i < TOY_COUNT; i++)
        mcq_buf_unref(&toy.bufs[i]);
    mcq_home_leave(&toy.home);
    assert_int_equal(toy.ended_bufs_at_end, TOY_COUNT);
    assert_int_equal(toy.ended_pools, 1);
}

static void leave__some_are_out__the_last_one_ends_the_pool(void **state)
{
    static struct toy toy;

    (void) state;
    toy_init(&toy, &toy_ops_no_buf);
    for (int i = 0; i < 3; i++)
        mcq_buf_unref(&toy.bufs[i]);
    mcq_home_leave(&toy.home);
    for (int i = 3; i < TOY_COUNT; i++) {
        assert_int_equal(toy.ended_pools, 0);
        mcq_buf_unref(&toy.bufs[i]);
    }
    assert_int_equal(toy.ended_pools, 1);
}

struct bringer {
    struct toy *toy;
    int first;
    pthread_barrier_t *start;
};

static void *bring_half(void *argument)
{
    struct bringer *bringer = argument;

    pthread_barrier_wait(bringer->start);
    for (int i = bringer->first; i < TOY_COUNT; i += 2)
        mcq_buf_unref(&bringer->toy->bufs[i]);
    return NULL;
}

/* The owner leaves in the midst of two threads that bring the buffers: one of the three ends it. */
static void leave__while_threads_bring_the_rest__ends_the_pool_once(void **state)
{
    static struct toy toy;

    (void) state;
    for (int round = 0; round < 500; round++) {
        pthread_barrier_t start;
        struct bringer bringers[2] = {{&toy, 0, &start}, {&toy, 1, &start}};
        pthread_t threads[2];

        toy_init(&toy, &toy_ops);
        pthread_barrier_init(&start, NULL, 3);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, bring_half, &bringers[i]), 0);
        pthread_barrier_wait(&start);
        mcq_home_leave(&toy.home);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(toy.ended_bufs_at_end, TOY_COUNT);
        assert_int_equal(toy.ended_pools, 1);
        pthread_barrier_destroy(&start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(take__free_buffer__is_filling_with_one_reference),
        LEDGER_TEST(take__buffer_that_is_out__is_a_broken_invariant),
        LEDGER_TEST(drain__some_came_home__newest_first),
        LEDGER_TEST(leave__all_are_home__ends_the_pool_at_once),
        LEDGER_TEST(leave__some_are_out__the_last_one_ends_the_pool),
        LEDGER_TEST(leave__while_threads_bring_the_rest__ends_the_pool_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
