#include "arena/block.h"

#include <pthread.h>
#include <string.h>

#include "arena/test_support.h"

static struct mcq_blocks *new_blocks(void)
{
    struct mcq_blocks *blocks = NULL;

    assert_int_equal(mcq_blocks_new(&blocks), MCQ_OK);
    return blocks;
}

static struct mcq_buf *take(struct mcq_blocks *blocks, size_t len)
{
    struct mcq_buf *buf = NULL;

    assert_int_equal(mcq_blocks_take(blocks, len, &buf), MCQ_OK);
    assert_true(mcq_buf_room_len(buf) >= len);
    return buf;
}

static void blocks_new__no_memory__leaves_the_target(void **state)
{
    struct mcq_blocks *blocks = NULL;

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_blocks_new(&blocks), MCQ_NOMEM);
    assert_null(blocks);
}

static void blocks_take__every_length__smallest_class_that_holds_it(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    size_t class_bytes = MCQ_BLOCK_BYTES_MIN;

    (void) state;
    for (size_t len = 1; len <= MCQ_BLOCK_BYTES_MAX; len++) {
        struct mcq_buf *buf = take(blocks, len);

        if (len > class_bytes)
            class_bytes *= 2;
        assert_int_equal(mcq_buf_room_len(buf), class_bytes);
        mcq_buf_unref(buf);
    }
    assert_int_equal(class_bytes, MCQ_BLOCK_BYTES_MAX);
    mcq_blocks_free(&blocks);
    assert_null(blocks);
}

static void blocks_take__above_the_classes__exact_and_not_cached(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *buf = take(blocks, MCQ_BLOCK_BYTES_MAX + 1);

    (void) state;
    assert_int_equal(mcq_buf_room_len(buf), MCQ_BLOCK_BYTES_MAX + 1);
    assert_int_equal(mcq_alloc_ledger().block_count, 2);
    mcq_buf_unref(buf);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_blocks_free(&blocks);
}

static void blocks_put__last_reference__is_the_next_one_taken(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *buf = take(blocks, 100);

    (void) state;
    (void) mcq_buf_freeze(buf, 100);
    mcq_blocks_put(blocks, buf);
    assert_ptr_equal(take(blocks, 128), buf);
    assert_int_equal(mcq_buf_room_len(buf), 128); /* all of it is room again */
    mcq_blocks_put(blocks, buf);
    assert_int_equal(mcq_alloc_ledger().block_count, 2);
    mcq_blocks_free(&blocks);
}

static void blocks_put__held_by_others_too__stays(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *buf = take(blocks, 100);
    struct mcq_buf *other;
    struct mcq_bytes bytes;

    (void) state;
    memset(mcq_buf_room(buf), 'b', 100);
    bytes = mcq_buf_freeze(buf, 100);
    mcq_buf_ref(buf);
    mcq_blocks_put(blocks, buf);
    other = take(blocks, 100);
    assert_ptr_not_equal(other, buf);
    assert_int_equal(bytes.data[99], 'b');
    mcq_buf_unref(other);
    mcq_buf_unref(buf);
    mcq_blocks_free(&blocks);
}

static void blocks_put__of_another_pool_or_of_none__is_unref(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others = new_blocks();
    struct mcq_buf *buf;

    (void) state;
    mcq_blocks_put(blocks, take(others, 100));
    assert_int_equal(mcq_buf_new(100, &buf), MCQ_OK);
    mcq_blocks_put(blocks, buf);
    mcq_blocks_put(blocks, take(blocks, MCQ_BLOCK_BYTES_MAX + 1));
    assert_int_equal(mcq_alloc_ledger().block_count, 3); /* the pools, and what came home */
    mcq_blocks_free(&others);
    mcq_blocks_free(&blocks);
}

static void blocks_take_back__only_what_is_theirs_and_nobody_else_s(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others = new_blocks();
    struct mcq_buf *foreign = take(others, 100);
    struct mcq_buf *buf = take(blocks, 100);
    struct mcq_buf *heap;

    (void) state;
    assert_int_equal(mcq_buf_new(100, &heap), MCQ_OK);
    mcq_buf_ref(buf);
    assert_false(mcq_blocks_take_back(blocks, heap));
    assert_false(mcq_blocks_take_back(blocks, foreign));
    assert_false(mcq_blocks_take_back(blocks, buf));
    mcq_buf_unref(buf);
    assert_true(mcq_blocks_take_back(blocks, buf));
    assert_ptr_equal(take(blocks, 100), buf);
    mcq_buf_unref(buf);
    mcq_buf_unref(foreign);
    mcq_buf_unref(heap);
    mcq_blocks_free(&others);
    mcq_blocks_free(&blocks);
}

/* Whether another pool has this one back: then it is the next one that it takes. */
static bool is_home(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    struct mcq_buf *taken = take(blocks, buf->size);
    bool is_that = taken == buf;

    mcq_blocks_put(blocks, taken);
    return is_that;
}

static void blocks_put__guests__go_home_together(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others = new_blocks();
    struct mcq_buf *bufs[MCQ_BLOCK_GUESTS_MAX];

    (void) state;
    for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
        bufs[i] = take(others, 100);
    for (size_t i = 0; i + 1 < MCQ_BLOCK_GUESTS_MAX; i++)
        mcq_blocks_put(blocks, bufs[i]);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_blocks_take(others, 100, &bufs[0]), MCQ_NOMEM); /* none is home */
    mcq_blocks_put(blocks, bufs[MCQ_BLOCK_GUESTS_MAX - 1]);
    mcq_alloc_fail_at(1);
    for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
        bufs[i] = take(others, 100);
    assert_int_equal(mcq_alloc_fail_left(), 1); /* all are */
    mcq_alloc_fail_at(0);
    for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
        mcq_blocks_put(others, bufs[i]);
    mcq_blocks_free(&others);
    mcq_blocks_free(&blocks);
}

static void blocks_put__guests__go_home_when_others_come_or_somebody_says_so(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others[2] = {new_blocks(), new_blocks()};
    struct mcq_buf *bufs[2] = {take(others[0], 100), take(others[1], 100)};
    struct mcq_buf *large = take(others[1], MCQ_BLOCK_GUEST_BYTES_MAX);
    struct mcq_buf *held = take(others[0], 1000);

    (void) state;
    mcq_blocks_flush(blocks);
    mcq_buf_ref(held);
    mcq_blocks_put(blocks, held); /* somebody else's, too: no guest */
    mcq_blocks_put(blocks, bufs[0]);
    mcq_blocks_put(blocks, bufs[1]);
    assert_true(is_home(others[0], bufs[0]));
    mcq_blocks_flush(blocks);
    assert_true(is_home(others[1], bufs[1]));
    mcq_blocks_put(blocks, large); /* so many octets do not wait */
    assert_true(is_home(others[1], large));
    mcq_buf_unref(held);
    mcq_blocks_put(blocks, take(others[0], 100));
    mcq_blocks_free(&others[0]); /* the pool ends with its last block */
    mcq_blocks_trim(blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 4); /* two pools, two blocks */
    mcq_blocks_free(&others[1]);
    mcq_blocks_free(&blocks);
}

/* Takes all that is home, and nothing that is not: each of them is whole, and nobody else's. */
static void take_all_back(struct mcq_blocks *blocks, struct mcq_buf **bufs, size_t count,
                          size_t len)
{
    mcq_alloc_fail_at(1);
    for (size_t i = 0; i < count; i++) {
        bufs[i] = take(blocks, len);
        memset(mcq_buf_room(bufs[i]), (int) i, len);
    }
    assert_int_equal(mcq_alloc_fail_left(), 1);
    mcq_alloc_fail_at(0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(mcq_buf_room(bufs[i])[len - 1], (uint8_t) i);
        assert_ptr_equal(mcq_blocks_of_sole(bufs[i]), blocks);
    }
}

static void blocks_of_sole__nobody_else_holds_it(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *buf = take(blocks, 100);
    struct mcq_buf *heap;

    (void) state;
    assert_int_equal(mcq_buf_new(100, &heap), MCQ_OK);
    assert_null(mcq_blocks_of_sole(heap));
    assert_ptr_equal(mcq_blocks_of_sole(buf), blocks);
    mcq_buf_ref(buf);
    assert_null(mcq_blocks_of_sole(buf));
    mcq_buf_unref(buf);
    assert_ptr_equal(mcq_blocks_of_sole(buf), blocks);
    mcq_blocks_put_sole(blocks, blocks, buf, 100);
    assert_ptr_equal(take(blocks, 100), buf);
    mcq_buf_unref(buf);
    mcq_buf_unref(heap);
    mcq_blocks_free(&blocks);
}

/* The smallest blocks have room for eight addresses each. */
static void blocks_put_sole__guests__go_home_in_parcels(void **state)
{
    static const size_t lens[] = {1, 100, 1000};

    (void) state;
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        struct mcq_blocks *blocks = new_blocks();
        struct mcq_blocks *others = new_blocks();
        struct mcq_buf *bufs[MCQ_BLOCK_GUESTS_MAX];

        for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
            bufs[i] = take(others, lens[k]);
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
                mcq_blocks_put_sole(blocks, others, bufs[i], lens[k]);
            take_all_back(others, bufs, MCQ_BLOCK_GUESTS_MAX, lens[k]);
        }
        for (size_t i = 0; i < MCQ_BLOCK_GUESTS_MAX; i++)
            mcq_blocks_put(others, bufs[i]);
        mcq_blocks_free(&others);
        mcq_blocks_free(&blocks);
    }
}

#define BOTH_COUNT ((size_t) MCQ_BLOCK_GUESTS_MAX * 2)

static void blocks_put_sole__two_homes_and_shared_ones_between__all_come_home(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others[2] = {new_blocks(), new_blocks()};
    uint64_t random = support_seed();
    struct mcq_buf *bufs[2][MCQ_BLOCK_GUESTS_MAX];

    (void) state;
    for (size_t i = 0; i < BOTH_COUNT; i++)
        bufs[i % 2][i / 2] = take(others[i % 2], 500);
    for (int round = 0; round < 300; round++) {
        for (size_t at[2] = {0, 0}; at[0] + at[1] < BOTH_COUNT;) {
            size_t which = (size_t) support_random_below(&random, 2);

            if (at[which] == MCQ_BLOCK_GUESTS_MAX)
                continue;
            if (support_random_below(&random, 3) == 0)
                mcq_blocks_put(blocks, bufs[which][at[which]++]);
            else
                mcq_blocks_put_sole(blocks, others[which], bufs[which][at[which]++], 500);
        }
        mcq_blocks_flush(blocks);
        for (size_t k = 0; k < 2; k++)
            take_all_back(others[k], bufs[k], MCQ_BLOCK_GUESTS_MAX, 500);
    }
    for (size_t i = 0; i < BOTH_COUNT; i++)
        mcq_blocks_put(others[i % 2], bufs[i % 2][i / 2]);
    mcq_blocks_free(&others[0]);
    mcq_blocks_free(&others[1]);
    mcq_blocks_free(&blocks);
}

/* Two are under way when the owner leaves, two come afterwards; the ledger sees what is left. */
static void blocks_put_sole__their_owner_has_left__the_last_one_ends_the_pool(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_blocks *others = new_blocks();
    struct mcq_blocks *gone = others;
    struct mcq_buf *bufs[4];

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(bufs); i++)
        bufs[i] = take(others, 1000);
    for (size_t i = 0; i < 2; i++)
        mcq_blocks_put_sole(blocks, gone, bufs[i], 1000);
    mcq_blocks_flush(blocks);
    mcq_blocks_free(&others);
    for (size_t i = 2; i < 4; i++)
        mcq_blocks_put_sole(blocks, gone, bufs[i], 1000);
    assert_int_equal(mcq_alloc_ledger().block_count, 4); /* the pools, and two blocks */
    mcq_blocks_flush(blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_blocks_free(&blocks);
}

/* What is beyond the cache goes at once. */
static void blocks_put__full_cache__to_the_heap(void **state)
{
    enum { KEPT = MCQ_BLOCK_CACHE_BYTES / MCQ_BLOCK_BYTES_MAX };
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *bufs[KEPT + 1];

    (void) state;
    for (size_t i = 0; i <= KEPT; i++)
        bufs[i] = take(blocks, MCQ_BLOCK_BYTES_MAX);
    for (size_t i = 0; i <= KEPT; i++)
        mcq_blocks_put(blocks, bufs[i]);
    assert_int_equal(mcq_alloc_ledger().block_count, 1 + KEPT);
    mcq_blocks_free(&blocks);
}

static void blocks_take__no_memory__leaves_the_pool_usable(void **state)
{
    static const size_t lens[] = {1, 1000, MCQ_BLOCK_BYTES_MAX, MCQ_BLOCK_BYTES_MAX + 1, SIZE_MAX};
    struct mcq_blocks *blocks = new_blocks();

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(lens); i++) {
        struct mcq_buf *buf = NULL;

        mcq_alloc_fail_at(1);
        assert_int_equal(mcq_blocks_take(blocks, lens[i], &buf), MCQ_NOMEM);
        assert_null(buf);
    }
    mcq_alloc_fail_at(0);
    mcq_buf_unref(take(blocks, 1));
    mcq_blocks_free(&blocks);
}

static void blocks_take__one_came_home__allocates_nothing(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *first = take(blocks, 200);

    (void) state;
    (void) mcq_buf_freeze(first, 200);
    mcq_buf_unref(first);
    mcq_alloc_fail_at(1);
    assert_ptr_equal(take(blocks, 129), first);
    assert_int_equal(mcq_buf_room_len(first), 256);
    assert_int_equal(mcq_alloc_fail_left(), 1);
    mcq_alloc_fail_at(0);
    mcq_buf_unref(first);
    mcq_blocks_free(&blocks);
}

/* One more than the cache holds comes home: that one goes to the heap, at the next take. */
static void blocks_take__cache_at_its_bound__the_rest_is_freed(void **state)
{
    (void) state;
    for (size_t len = MCQ_BLOCK_BYTES_MIN; len <= MCQ_BLOCK_BYTES_MAX; len *= 4) {
        enum { EXTRA = 3 };
        static struct mcq_buf *bufs[MCQ_BLOCK_CACHE_BYTES / MCQ_BLOCK_BYTES_MIN + EXTRA];
        const size_t kept = MCQ_BLOCK_CACHE_BYTES / len;
        struct mcq_blocks *blocks = new_blocks();

        for (size_t i = 0; i < kept + EXTRA; i++)
            bufs[i] = take(blocks, len);
        for (size_t i = 0; i < kept + EXTRA; i++)
            mcq_buf_unref(bufs[i]);
        assert_int_equal(mcq_alloc_ledger().block_count, 1 + kept + EXTRA);
        mcq_buf_unref(take(blocks, len));
        assert_int_equal(mcq_alloc_ledger().block_count, 1 + kept);
        mcq_blocks_free(&blocks);
    }
}

static void blocks_trim__free_blocks__go_and_those_out_stay(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *held = take(blocks, 100);

    (void) state;
    mcq_buf_unref(take(blocks, 100));
    mcq_buf_unref(take(blocks, 5000));
    mcq_blocks_trim(blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 2);
    memset(mcq_buf_room(held), 'x', 100);
    mcq_buf_unref(held);
    mcq_blocks_trim(blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_buf_unref(take(blocks, 100));
    mcq_blocks_free(&blocks);
}

static void blocks_free__blocks_out__stay_until_the_last_unref(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    struct mcq_buf *one = take(blocks, 100);
    struct mcq_buf *two = take(blocks, 1000);

    (void) state;
    mcq_buf_unref(take(blocks, 64));
    mcq_blocks_free(&blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 3); /* both, and what counts them */
    mcq_buf_unref(one);
    memset(mcq_buf_room(two), 'x', 1000);
    mcq_buf_unref(two);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

struct load {
    struct mcq_buf *bufs[64];
    size_t count;
};

static void *unref_load(void *argument)
{
    struct load *load = argument;

    for (size_t i = 0; i < load->count; i++)
        mcq_buf_unref(load->bufs[i]);
    return NULL;
}

static void blocks__unref_in_other_threads__come_home(void **state)
{
    struct mcq_blocks *blocks = new_blocks();
    uint64_t random = support_seed();

    (void) state;
    for (int round = 0; round < 60; round++) {
        struct load loads[3] = {{.count = 0}};
        pthread_t threads[3];

        for (int i = 0; i < 3; i++) {
            while (loads[i].count < MCQ_COUNTOF(loads[i].bufs)) {
                size_t len = 1 + support_random_below(&random, 2000);
                struct mcq_buf *buf = take(blocks, len);

                memset(mcq_buf_room(buf), i, len);
                (void) mcq_buf_freeze(buf, len);
                loads[i].bufs[loads[i].count++] = buf;
            }
            assert_int_equal(pthread_create(&threads[i], NULL, unref_load, &loads[i]), 0);
        }
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    mcq_blocks_trim(blocks);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_blocks_free(&blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(blocks_new__no_memory__leaves_the_target),
        LEDGER_TEST(blocks_take__every_length__smallest_class_that_holds_it),
        LEDGER_TEST(blocks_take__above_the_classes__exact_and_not_cached),
        LEDGER_TEST(blocks_put__last_reference__is_the_next_one_taken),
        LEDGER_TEST(blocks_put__held_by_others_too__stays),
        LEDGER_TEST(blocks_put__of_another_pool_or_of_none__is_unref),
        LEDGER_TEST(blocks_take_back__only_what_is_theirs_and_nobody_else_s),
        LEDGER_TEST(blocks_put__guests__go_home_together),
        LEDGER_TEST(blocks_put__guests__go_home_when_others_come_or_somebody_says_so),
        LEDGER_TEST(blocks_of_sole__nobody_else_holds_it),
        LEDGER_TEST(blocks_put_sole__guests__go_home_in_parcels),
        LEDGER_TEST(blocks_put_sole__two_homes_and_shared_ones_between__all_come_home),
        LEDGER_TEST(blocks_put_sole__their_owner_has_left__the_last_one_ends_the_pool),
        LEDGER_TEST(blocks_put__full_cache__to_the_heap),
        LEDGER_TEST(blocks_take__no_memory__leaves_the_pool_usable),
        LEDGER_TEST(blocks_take__one_came_home__allocates_nothing),
        LEDGER_TEST(blocks_take__cache_at_its_bound__the_rest_is_freed),
        LEDGER_TEST(blocks_trim__free_blocks__go_and_those_out_stay),
        LEDGER_TEST(blocks_free__blocks_out__stay_until_the_last_unref),
        LEDGER_TEST(blocks__unref_in_other_threads__come_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
