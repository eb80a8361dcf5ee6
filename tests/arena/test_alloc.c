#include "arena/alloc.h"

#include <pthread.h>
#include <string.h>

#include "arena/test_support.h"

static void size_add__sum_above_the_top__sticks(void **state)
{
    (void) state;
    assert_int_equal(mcq_size_add(2, 3), 5);
    assert_true(mcq_size_add(SIZE_MAX - 1, 1) == SIZE_MAX);
    assert_true(mcq_size_add(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(mcq_size_add(SIZE_MAX, SIZE_MAX) == SIZE_MAX);
}

static void size_mul__product_above_the_top__sticks(void **state)
{
    (void) state;
    assert_int_equal(mcq_size_mul(6, 7), 42);
    assert_int_equal(mcq_size_mul(SIZE_MAX, 0), 0);
    assert_true(mcq_size_mul(SIZE_MAX / 2, 2) == SIZE_MAX - 1);
    assert_true(mcq_size_mul(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
}

static void alloc__size_that_stuck__returns_null(void **state)
{
    (void) state;
    assert_null(mcq_alloc(SIZE_MAX));
    assert_null(mcq_alloc((size_t) PTRDIFF_MAX + 1));
    assert_null(mcq_alloc_lines(SIZE_MAX));
    assert_null(mcq_realloc(NULL, SIZE_MAX));
    assert_null(mcq_map(SIZE_MAX));
}

static void alloc__until_free__is_in_the_ledger(void **state)
{
    void *small = mcq_alloc(1);
    void *large = mcq_alloc(100000);
    struct mcq_ledger ledger = mcq_alloc_ledger();

    (void) state;
    assert_non_null(small);
    assert_non_null(large);
    assert_int_equal(ledger.block_count, 2);
    assert_true(ledger.bytes >= 100001);
    assert_true(ledger.bytes < 102000);
    mcq_free(large);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_free(small);
}

static void alloc_lines__any_size__starts_on_a_line(void **state)
{
    void *memory[200];

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(memory); i++) {
        memory[i] = mcq_alloc_lines(i + 1);
        assert_non_null(memory[i]);
        assert_int_equal((uintptr_t) memory[i] % MCQ_LINE_BYTES, 0);
        memset(memory[i], 1, i + 1);
    }
    for (size_t i = 0; i < MCQ_COUNTOF(memory); i++)
        mcq_free(memory[i]);
}

static void realloc__longer_and_shorter__keeps_what_fits(void **state)
{
    char *memory = mcq_realloc(NULL, 4);

    (void) state;
    assert_non_null(memory);
    memcpy(memory, "abc", 4);
    memory = mcq_realloc(memory, 100000);
    assert_non_null(memory);
    assert_string_equal(memory, "abc");
    assert_true(mcq_alloc_ledger().bytes >= 100000);
    memory = mcq_realloc(memory, 2);
    assert_non_null(memory);
    assert_memory_equal(memory, "ab", 2);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    assert_true(mcq_alloc_ledger().bytes < 1000);
    mcq_free(memory);
}

static void realloc__refused__leaves_the_old_as_it_was(void **state)
{
    char *memory = mcq_alloc(4);

    (void) state;
    assert_non_null(memory);
    memcpy(memory, "abc", 4);
    mcq_alloc_fail_at(1);
    assert_null(mcq_realloc(memory, 100000));
    assert_string_equal(memory, "abc");
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_free(memory);
}

static void free__null__does_nothing(void **state)
{
    (void) state;
    mcq_free(NULL);
}

static void map__until_unmap__is_zero_and_in_the_ledger(void **state)
{
    uint8_t *memory = mcq_map(8192);

    (void) state;
    assert_non_null(memory);
    assert_int_equal((uintptr_t) memory % 4096, 0);
    for (size_t i = 0; i < 8192; i++)
        assert_int_equal(memory[i], 0);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    assert_int_equal(mcq_alloc_ledger().bytes, 8192);
    mcq_unmap(memory, 8192);
}

static void fail_at__n__refuses_the_nth_and_no_other(void **state)
{
    (void) state;
    for (uint64_t n = 1; n <= 5; n++) {
        mcq_alloc_fail_at(n);
        for (uint64_t i = 1; i <= 6; i++) {
            void *memory = mcq_alloc(8);

            assert_int_equal(memory == NULL, i == n);
            assert_int_equal(mcq_alloc_fail_left(), i < n ? n - i : 0);
            mcq_free(memory);
        }
    }
}

static void fail_at__mapping__is_counted_with_the_rest(void **state)
{
    (void) state;
    mcq_alloc_fail_at(1);
    assert_null(mcq_map(4096));
    assert_int_equal(mcq_alloc_fail_left(), 0);
}

static void *count_refusals(void *refused)
{
    for (int i = 0; i < 1000; i++) {
        void *memory = mcq_alloc(8);

        if (memory == NULL)
            ++*(int *) refused;
        mcq_free(memory);
    }
    return NULL;
}

static void fail_at__four_threads__one_of_them_is_refused(void **state)
{
    pthread_t threads[4];
    int refused[4] = {0};

    (void) state;
    mcq_alloc_fail_at(2000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_refusals, &refused[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(refused[0] + refused[1] + refused[2] + refused[3], 1);
}

static void *free_it(void *memory)
{
    mcq_free(memory);
    return NULL;
}

static void ledger__freed_by_another_thread__is_zero(void **state)
{
    (void) state;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, free_it, mcq_alloc(1000)), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(size_add__sum_above_the_top__sticks),
        LEDGER_TEST(size_mul__product_above_the_top__sticks),
        LEDGER_TEST(alloc__size_that_stuck__returns_null),
        LEDGER_TEST(alloc__until_free__is_in_the_ledger),
        LEDGER_TEST(alloc_lines__any_size__starts_on_a_line),
        LEDGER_TEST(realloc__longer_and_shorter__keeps_what_fits),
        LEDGER_TEST(realloc__refused__leaves_the_old_as_it_was),
        LEDGER_TEST(free__null__does_nothing),
        LEDGER_TEST(map__until_unmap__is_zero_and_in_the_ledger),
        LEDGER_TEST(fail_at__n__refuses_the_nth_and_no_other),
        LEDGER_TEST(fail_at__mapping__is_counted_with_the_rest),
        LEDGER_TEST(fail_at__four_threads__one_of_them_is_refused),
        LEDGER_TEST(ledger__freed_by_another_thread__is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
