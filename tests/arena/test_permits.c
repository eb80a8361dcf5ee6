#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena/permits.h"

static void permits__around_the_limit__exact(void **state)
{
    struct mcq_permits permits;

    (void) state;
    for (uint64_t limit = 1; limit <= 64; limit *= 4) {
        mcq_permits_init_counting(&permits, limit, NULL);
        assert_true(mcq_permits_take(&permits, limit - 1));
        assert_true(mcq_permits_take(&permits, 1));
        assert_false(mcq_permits_take(&permits, 1));
        mcq_permits_put(&permits, 1);
        assert_true(mcq_permits_take(&permits, 1));
        mcq_permits_put(&permits, limit);
        assert_int_equal(permits.refused, 1);
        assert_int_equal(permits.most_bytes, limit);
        mcq_permits_fini(&permits);
    }
}

static void permits__sums_beyond_64_bits__refused_and_not_wrapped(void **state)
{
    struct mcq_permits permits;

    (void) state;
    mcq_permits_init_counting(&permits, UINT64_MAX, NULL);
    assert_true(mcq_permits_take(&permits, UINT64_MAX));
    assert_false(mcq_permits_take(&permits, 1));
    mcq_permits_put(&permits, UINT64_MAX);
    mcq_permits_fini(&permits);
}

static void permits__parent_is_full__nothing_taken_below(void **state)
{
    struct mcq_permits context;
    struct mcq_permits peer;

    (void) state;
    mcq_permits_init_counting(&context, 10, NULL);
    mcq_permits_init_counting(&peer, 100, &context);
    assert_true(mcq_permits_take(&peer, 10));
    assert_false(mcq_permits_take(&peer, 1));
    assert_int_equal(mcq_permits_used_bytes(&peer), 10);
    mcq_permits_put(&peer, 10);
    assert_int_equal(mcq_permits_used_bytes(&context), 0);
    mcq_permits_fini(&peer);
    mcq_permits_fini(&context);
}

static void permits__limit_lowered_below_what_is_out__no_take_until_it_is_home(void **state)
{
    struct mcq_permits permits;

    (void) state;
    mcq_permits_init_counting(&permits, 100, NULL);
    assert_true(mcq_permits_take(&permits, 80));
    mcq_permits_set_limit(&permits, 50);
    assert_false(mcq_permits_take(&permits, 1));
    mcq_permits_put(&permits, 40);
    assert_true(mcq_permits_take(&permits, 10));
    mcq_permits_put(&permits, 50);
    mcq_permits_fini(&permits);
}

static void permits__of_no_policy__always_there_and_never_counted(void **state)
{
    struct mcq_permits permits;

    (void) state;
    mcq_permits_init_none(&permits);
    assert_true(mcq_permits_take(&permits, UINT64_MAX));
    assert_true(mcq_permits_take(&permits, UINT64_MAX));
    assert_int_equal(mcq_permits_used_bytes(&permits), 0);
    mcq_permits_fini(&permits);
}

static void permits__charged__though_they_do_not_fit(void **state)
{
    struct mcq_permits all;
    struct mcq_permits part;

    (void) state;
    mcq_permits_init_counting(&all, 100, NULL);
    mcq_permits_init_counting(&part, 50, &all);
    mcq_permits_charge(&part, 100);
    assert_true(mcq_permits_is_over(&part));
    assert_false(mcq_permits_is_over(&all));
    assert_false(mcq_permits_take(&all, 1));
    mcq_permits_charge(&part, 1);
    assert_true(mcq_permits_is_over(&all));
    assert_int_equal(all.most_bytes, 101);
    mcq_permits_put(&part, 1);
    assert_false(mcq_permits_is_over(&all));
    mcq_permits_put(&part, 100);
    mcq_permits_fini(&part);
    mcq_permits_fini(&all);
}

#define TAKERS 4
#define ROUNDS 20000

static void *take_and_put(void *argument)
{
    struct mcq_permits *permits = argument;

    for (int i = 0; i < ROUNDS; i++)
        if (mcq_permits_take(permits, 3))
            mcq_permits_put(permits, 3);
    return NULL;
}

static void permits__many_threads__never_above_the_limit_and_all_come_home(void **state)
{
    struct mcq_permits permits;
    pthread_t threads[TAKERS];

    (void) state;
    mcq_permits_init_counting(&permits, 7, NULL);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_put, &permits), 0);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(permits.most_bytes, 3, 7);
    mcq_permits_fini(&permits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permits__around_the_limit__exact),
        cmocka_unit_test(permits__sums_beyond_64_bits__refused_and_not_wrapped),
        cmocka_unit_test(permits__parent_is_full__nothing_taken_below),
        cmocka_unit_test(permits__limit_lowered_below_what_is_out__no_take_until_it_is_home),
        cmocka_unit_test(permits__of_no_policy__always_there_and_never_counted),
        cmocka_unit_test(permits__charged__though_they_do_not_fit),
        cmocka_unit_test(permits__many_threads__never_above_the_limit_and_all_come_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
