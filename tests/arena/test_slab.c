#include "arena/slab.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/poison.h"
#include "arena/test_support.h"

static struct mcq_slab *new_slab(size_t block_bytes, uint32_t block_count)
{
    struct mcq_slab *slab = NULL;

    assert_int_equal(mcq_slab_new(block_bytes, block_count, &slab), MCQ_OK);
    return slab;
}

static void slab_new__no_memory__leaves_the_target(void **state)
{
    struct mcq_slab *slab = NULL;

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_slab_new(512, 1, &slab), MCQ_NOMEM);
    assert_null(slab);
}

struct shape {
    size_t block_bytes;
    uint32_t block_count;
};

static void new_from_shape(void *argument)
{
    const struct shape *shape = argument;
    struct mcq_slab *slab;

    if (mcq_slab_new(shape->block_bytes, shape->block_count, &slab) == MCQ_OK)
        mcq_slab_free(&slab);
}

static void slab_new__shape_at_its_bounds__is_made(void **state)
{
    static const struct shape shapes[] = {
        {MCQ_SLAB_BLOCK_BYTES_MIN, 1},
        {MCQ_SLAB_BLOCK_BYTES_MIN, MCQ_SLAB_BLOCK_COUNT_MAX},
        {MCQ_SLAB_BLOCK_BYTES_MAX, 1},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(shapes); i++) {
        struct mcq_slab *slab = new_slab(shapes[i].block_bytes, shapes[i].block_count);

        assert_int_equal(mcq_slab_out_count(slab), 0);
        mcq_slab_free(&slab);
        assert_null(slab);
    }
}

static void slab_new__shape_beyond_its_bounds__is_a_broken_invariant(void **state)
{
    struct shape shapes[] = {
        {MCQ_SLAB_BLOCK_BYTES_MIN / 2, 1},
        {(size_t) MCQ_SLAB_BLOCK_BYTES_MAX * 2, 1},
        {513, 1},
        {512, 0},
        {512, MCQ_SLAB_BLOCK_COUNT_MAX + 1},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(shapes); i++)
        assert_true(support_aborts(new_from_shape, &shapes[i]));
}

static void slab_take__all_blocks_out__returns_null(void **state)
{
    struct mcq_slab *slab = new_slab(512, 3);
    struct mcq_buf *bufs[3];

    (void) state;
    for (int i = 0; i < 3; i++) {
        bufs[i] = mcq_slab_take(slab);
        assert_non_null(bufs[i]);
        assert_int_equal(mcq_slab_out_count(slab), i + 1);
    }
    assert_null(mcq_slab_take(slab));
    mcq_buf_unref(bufs[1]);
    assert_ptr_equal(mcq_slab_take(slab), bufs[1]);
    assert_null(mcq_slab_take(slab));
    for (int i = 0; i < 3; i++)
        mcq_buf_unref(bufs[i]);
    assert_int_equal(mcq_slab_out_count(slab), 0);
    mcq_slab_free(&slab);
}

static void slab_take__never_allocates(void **state)
{
    struct mcq_slab *slab = new_slab(512, 4);
    struct mcq_ledger before = mcq_alloc_ledger();

    (void) state;
    mcq_alloc_fail_at(1);
    for (int i = 0; i < 100; i++) {
        struct mcq_buf *buf = mcq_slab_take(slab);

        assert_non_null(buf);
        mcq_buf_unref(buf);
    }
    assert_int_equal(mcq_alloc_fail_left(), 1);
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    mcq_slab_free(&slab);
}

/* Every octet of every block belongs to that block alone. */
static void slab_take__blocks__do_not_overlap(void **state)
{
    enum { COUNT = 16, BYTES = 1024 };
    struct mcq_slab *slab = new_slab(BYTES, COUNT);
    struct mcq_bytes views[COUNT];
    struct mcq_buf *bufs[COUNT];

    (void) state;
    for (int i = 0; i < COUNT; i++) {
        bufs[i] = mcq_slab_take(slab);
        assert_int_equal(mcq_buf_room_len(bufs[i]), BYTES);
        assert_int_equal((uintptr_t) mcq_buf_room(bufs[i]) % BYTES, 0);
        memset(mcq_buf_room(bufs[i]), i, BYTES);
        views[i] = mcq_buf_freeze(bufs[i], BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < BYTES; k++)
            assert_int_equal(views[i].data[k], i);
        mcq_buf_unref(bufs[i]);
    }
    mcq_slab_free(&slab);
}

static void slab_take__several_came_home__the_last_one_first(void **state)
{
    struct mcq_slab *slab = new_slab(512, 8);
    struct mcq_buf *first = mcq_slab_take(slab);
    struct mcq_buf *second = mcq_slab_take(slab);

    (void) state;
    mcq_buf_unref(first);
    mcq_buf_unref(second);
    assert_ptr_equal(mcq_slab_take(slab), second);
    assert_ptr_equal(mcq_slab_take(slab), first);
    mcq_buf_unref(first);
    mcq_buf_unref(second);
    mcq_slab_free(&slab);
}

static void slab_take__block_that_was_used__is_all_room_again(void **state)
{
    struct mcq_slab *slab = new_slab(512, 1);
    struct mcq_buf *buf = mcq_slab_take(slab);

    (void) state;
    (void) mcq_buf_freeze(buf, 100);
    mcq_buf_unref(buf);
    buf = mcq_slab_take(slab);
    assert_int_equal(mcq_buf_room_len(buf), 512);
    mcq_buf_unref(buf); /* FILLING: a read that was cancelled */
    mcq_slab_free(&slab);
}

static bool is_resident(const struct mcq_buf *buf)
{
    unsigned char page;

    assert_int_equal(mincore(buf->data, 4096, &page), 0);
    return page & 1;
}

static void slab_trim__free_blocks__lose_their_memory_and_can_be_taken(void **state)
{
    enum { COUNT = 6, BYTES = 4096 };
    struct mcq_slab *slab = new_slab(BYTES, COUNT);
    struct mcq_buf *bufs[COUNT];

    (void) state;
    assert_false(mcq_slab_trim(slab, 0, COUNT)); /* nothing was ever taken */
    for (int i = 0; i < COUNT; i++) {
        bufs[i] = mcq_slab_take(slab);
        memset(mcq_buf_room(bufs[i]), i + 1, BYTES);
    }
    assert_false(mcq_slab_trim(slab, 0, COUNT)); /* nor is one free */
    for (int i = 1; i < COUNT; i++)
        mcq_buf_unref(bufs[i]);
    assert_int_equal(mcq_slab_warm_count(slab), 5);
    assert_false(mcq_slab_trim(slab, 5, COUNT));
    assert_true(mcq_slab_trim(slab, 2, 1));
    assert_int_equal(mcq_slab_warm_count(slab), 4);
    assert_false(mcq_slab_trim(slab, 2, COUNT));
    assert_int_equal(mcq_slab_warm_count(slab), 2);
    for (int i = 0; i < COUNT; i++) /* the last ones that came home are kept */
        assert_int_equal(is_resident(bufs[i]), i == 0 || i >= COUNT - 2);
    assert_int_equal(bufs[0]->data[BYTES - 1], 1);
    for (int i = 1; i < COUNT; i++) {
        bufs[i] = mcq_slab_take(slab);
        assert_non_null(bufs[i]);
        memset(mcq_buf_room(bufs[i]), i, BYTES);
    }
    assert_null(mcq_slab_take(slab));
    assert_int_equal(mcq_slab_warm_count(slab), 0);
    for (int i = 0; i < COUNT; i++)
        mcq_buf_unref(bufs[i]);
    mcq_slab_free(&slab);
}

static void slab_free__blocks_out__stay_until_the_last_unref(void **state)
{
    struct mcq_slab *slab = new_slab(512, 4);
    struct mcq_buf *one = mcq_slab_take(slab);
    struct mcq_buf *two = mcq_slab_take(slab);
    struct mcq_bytes view;

    (void) state;
    memcpy(mcq_buf_room(one), "held", 4);
    view = mcq_buf_freeze(one, 4);
    mcq_slab_free(&slab);
    assert_null(slab);
    mcq_buf_unref(two);
    assert_true(mcq_bytes_equal(view, mcq_bytes_of("held")));
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_buf_unref(one);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

/* A program may fork with messages in hand; the child reads and closes its own copies. */
static void slab__forked_child__reads_and_closes_what_it_inherited(void **state)
{
    struct mcq_slab *slab = new_slab(4096, 2);
    struct mcq_buf *buf = mcq_slab_take(slab);
    struct mcq_bytes view;
    int status = 0;
    pid_t child;

    (void) state;
    memcpy(mcq_buf_room(buf), "inherited", 9);
    view = mcq_buf_freeze(buf, 9);
    child = fork();
    if (child == 0) {
        bool is_same = mcq_bytes_equal(view, mcq_bytes_of("inherited"));

        mcq_buf_unref(buf);
        _exit(is_same ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(mcq_slab_out_count(slab), 1);
    mcq_buf_unref(buf);
    mcq_slab_free(&slab);
}

#ifdef MCQ_POISON_ASAN
static void slab__block_at_home__is_poisoned(void **state)
{
    struct mcq_slab *slab = new_slab(512, 1);
    struct mcq_buf *buf = mcq_slab_take(slab);
    uint8_t *data = mcq_buf_room(buf);

    (void) state;
    assert_int_equal(__asan_address_is_poisoned(data), 0);
    mcq_buf_unref(buf);
    assert_int_equal(__asan_address_is_poisoned(data), 1);
    assert_int_equal(__asan_address_is_poisoned(data + 511), 1);
    mcq_slab_free(&slab);
    assert_int_equal(__asan_address_is_poisoned(data), 0);
}
#endif

/* One place between the owner and a reader; the reader empties it. */
struct place {
    _Atomic(struct mcq_buf *) buf;
    _Atomic(bool) is_closed;
};

static void *check_and_unref(void *argument)
{
    struct place *place = argument;
    size_t wrong = 0;

    for (;;) {
        bool was_closed = atomic_load(&place->is_closed);
        struct mcq_buf *buf = atomic_exchange(&place->buf, NULL);

        if (buf != NULL) {
            const uint8_t *data = buf->data;

            for (size_t i = 1; i < 512; i++)
                wrong += data[i] != data[0];
            mcq_buf_unref(buf);
        } else if (was_closed) {
            return (void *) wrong;
        } else {
            sched_yield();
        }
    }
}

/* The owner fills and hands out; three threads read and bring home; then the owner leaves first. */
static void slab__readers_in_three_threads__never_see_a_block_change(void **state)
{
    enum { READERS = 3, ROUNDS = 3000 };
    struct mcq_slab *slab = new_slab(512, 4);
    struct place places[READERS];
    pthread_t threads[READERS];

    (void) state;
    for (int i = 0; i < READERS; i++) {
        atomic_init(&places[i].buf, NULL);
        atomic_init(&places[i].is_closed, false);
        assert_int_equal(pthread_create(&threads[i], NULL, check_and_unref, &places[i]), 0);
    }
    for (int round = 0; round < ROUNDS;) {
        struct mcq_buf *buf = mcq_slab_take(slab);
        struct mcq_handout handout;

        if (buf == NULL) { /* backpressure */
            sched_yield();
            continue;
        }
        memset(mcq_buf_room(buf), round, 512);
        (void) mcq_buf_freeze(buf, 512);
        mcq_handout_init(&handout, &buf);
        for (int i = 0; i < READERS; i++) {
            struct mcq_buf *ref = mcq_handout_ref(&handout);
            struct mcq_buf *empty = NULL;

            while (!atomic_compare_exchange_weak(&places[i].buf, &empty, ref)) {
                empty = NULL;
                sched_yield();
            }
        }
        mcq_handout_fini(&handout);
        round++;
    }
    mcq_slab_free(&slab);
    for (int i = 0; i < READERS; i++) {
        void *wrong;

        atomic_store(&places[i].is_closed, true);
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(slab_new__no_memory__leaves_the_target),
        LEDGER_TEST(slab_new__shape_at_its_bounds__is_made),
        LEDGER_TEST(slab_new__shape_beyond_its_bounds__is_a_broken_invariant),
        LEDGER_TEST(slab_take__all_blocks_out__returns_null),
        LEDGER_TEST(slab_take__never_allocates),
        LEDGER_TEST(slab_take__blocks__do_not_overlap),
        LEDGER_TEST(slab_take__several_came_home__the_last_one_first),
        LEDGER_TEST(slab_take__block_that_was_used__is_all_room_again),
        LEDGER_TEST(slab_trim__free_blocks__lose_their_memory_and_can_be_taken),
        LEDGER_TEST(slab_free__blocks_out__stay_until_the_last_unref),
        LEDGER_TEST(slab__forked_child__reads_and_closes_what_it_inherited),
#ifdef MCQ_POISON_ASAN
        LEDGER_TEST(slab__block_at_home__is_poisoned),
#endif
        LEDGER_TEST(slab__readers_in_three_threads__never_see_a_block_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
