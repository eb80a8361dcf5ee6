/* Timers: what is due is called in the order in which it is due. */

#include "api/test_support.h"

struct log {
    struct mcq_timers *timers;
    int ids[64];
    int count;
    int cancels; /* what the call does: an id; 0: nothing */
    int adds;    /* 1: one more timer that is due at once */
};

static void write_down(int id, void *hint)
{
    struct log *log = hint;

    if (log->count < 64)
        log->ids[log->count++] = id;
    if (log->cancels != 0)
        (void) mcq_timers_cancel(log->timers, log->cancels);
    if (log->adds != 0)
        assert_true(mcq_timers_add(log->timers, 0, write_down, hint) > 0);
    log->cancels = log->adds = 0;
}

/* Runs what is due until there were so many calls. */
static void run_until(struct log *log, int count)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; log->count < count && now_ms() < until;) {
        int timeout_ms = mcq_timers_timeout(log->timers);

        assert_true(timeout_ms >= 0);
        assert_int_equal(mcq_poll(NULL, 0, timeout_ms), 0);
        assert_true(mcq_timers_run(log->timers) >= 0);
    }
    assert_true(log->count >= count);
}

static void timers__come_in_the_order_in_which_they_are_due(void)
{
    struct log log = {.timers = mcq_timers_new()};
    int late = mcq_timers_add(log.timers, 40, write_down, &log);
    int early = mcq_timers_add(log.timers, 10, write_down, &log);
    int never = mcq_timers_add(log.timers, UINT64_MAX, write_down, &log);

    assert_true(late > 0 && early > late && never > early);
    assert_in_range(mcq_timers_timeout(log.timers), 0, 10);
    assert_works(mcq_timers_cancel(log.timers, never));
    assert_fails(mcq_timers_cancel(log.timers, never), EINVAL);
    run_until(&log, 1);
    assert_int_equal(log.ids[0], early); /* also where both have become due */
    assert_works(mcq_timers_cancel(log.timers, early));
    log.count = 0;
    run_until(&log, 2); /* again and again */
    assert_int_equal(log.ids[0], late);
    assert_int_equal(log.ids[1], late);
    assert_works(mcq_timers_free(&log.timers));
    assert_null(log.timers);
}

static void timers_changed__count_from_now_on(void)
{
    struct log log = {.timers = mcq_timers_new()};
    int id = mcq_timers_add(log.timers, 0, write_down, &log);

    assert_int_equal(mcq_timers_timeout(log.timers), 0);
    assert_works(mcq_timers_set(log.timers, id, 1000000));
    assert_int_equal(mcq_timers_run(log.timers), 0);
    assert_in_range(mcq_timers_timeout(log.timers), 900000, 1000000);
    assert_works(mcq_timers_set(log.timers, id, 5));
    run_until(&log, 1);
    assert_works(mcq_timers_reset(log.timers, id));
    assert_in_range(mcq_timers_timeout(log.timers), 0, 5);
    assert_fails(mcq_timers_reset(log.timers, id + 1), EINVAL);
    assert_says(mcq_timers_set(log.timers, 99, 1), EINVAL, "timers_set: there is no timer 99");
    assert_works(mcq_timers_free(&log.timers));
}

static void a_call__adds_and_cancels_timers__those_wait_for_the_next_round(void)
{
    struct log log = {.timers = mcq_timers_new(), .adds = 1};
    int first = mcq_timers_add(log.timers, 0, write_down, &log);
    int second = mcq_timers_add(log.timers, 0, write_down, &log);

    log.cancels = second;
    run_until(&log, 1);
    assert_int_equal(log.ids[0], first);
    assert_int_equal(log.count, 1);
    assert_works(mcq_timers_cancel(log.timers, first));
    run_until(&log, 2);
    assert_int_equal(log.ids[1], second + 1);
    assert_works(mcq_timers_free(&log.timers));
}

/* Against a plain list, with many of them and in any order of calls. */
static void many_timers__at_random__as_a_list_would(void)
{
    const char *given = getenv("MCQ_SEED");
    unsigned seed = given != NULL ? (unsigned) strtoul(given, NULL, 0) : 20261;
    struct log log = {.timers = mcq_timers_new()};
    uint64_t due[400] = {0};
    int ids[400] = {0};
    int count = 0;

    print_message("# MCQ_SEED=%u\n", seed);
    for (int step = 0; step < 2000; step++) {
        uint64_t interval = 1000000 + (uint64_t) rand_r(&seed) % 1000000;
        uint64_t first = UINT64_MAX;
        int at = count > 0 ? rand_r(&seed) % count : 0;

        if (count < 400 && (count == 0 || rand_r(&seed) % 3 > 0)) {
            at = count++;
            ids[at] = mcq_timers_add(log.timers, interval, write_down, &log);
            due[at] = now_ms() + interval;
        } else if (rand_r(&seed) % 2) {
            assert_works(mcq_timers_set(log.timers, ids[at], interval));
            due[at] = now_ms() + interval;
        } else {
            assert_works(mcq_timers_cancel(log.timers, ids[at]));
            ids[at] = ids[--count];
            due[at] = due[count];
        }
        for (int i = 0; i < count; i++)
            first = due[i] < first ? due[i] : first;
        if (count == 0)
            assert_int_equal(mcq_timers_timeout(log.timers), -1);
        else
            assert_in_range(mcq_timers_timeout(log.timers), first - now_ms() - 1000,
                            first - now_ms() + 1000);
    }
    assert_int_equal(mcq_timers_run(log.timers), 0);
    assert_works(mcq_timers_free(&log.timers));
}

static void wrong_calls__say_why(void)
{
    struct mcq_timers *timers = NULL;

    assert_works(mcq_timers_free(&timers));
    assert_fails(mcq_timers_free(NULL), EFAULT);
    assert_fails(mcq_timers_add(NULL, 1, write_down, NULL), EFAULT);
    assert_fails(mcq_timers_timeout(NULL), EFAULT);
    assert_fails(mcq_timers_run(NULL), EFAULT);
    timers = mcq_timers_new();
    assert_fails(mcq_timers_add(timers, 1, NULL, NULL), EFAULT);
    mcq_alloc_fail_at(1);
    assert_fails(mcq_timers_add(timers, 1, write_down, NULL), ENOMEM);
    mcq_alloc_fail_at(1);
    assert_null(mcq_timers_new());
    mcq_alloc_fail_at(0);
    assert_works(mcq_timers_free(&timers));
}

#define ON_BOTH(X)                                                                                 \
    X(timers__come_in_the_order_in_which_they_are_due)                                             \
    X(timers_changed__count_from_now_on)                                                           \
    X(a_call__adds_and_cancels_timers__those_wait_for_the_next_round)                              \
    X(many_timers__at_random__as_a_list_would)                                                     \
    X(wrong_calls__say_why)

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        struct mcq_ledger before = mcq_alloc_ledger();                                             \
                                                                                                   \
        (void) state;                                                                              \
        name();                                                                                    \
        assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);                      \
    }
#define ROW(name) cmocka_unit_test(test_##name),

ON_BOTH(TEST)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(ROW)};

    return run_group(tests, MCQ_COUNTOF(tests), "timers");
}
