/* Counters, timers, clocks, threads, keys, and parts by arrays of buffers. */

#include <sys/uio.h>

#include "compat/test_support.h"

static void counter__counts(void)
{
    void *counter = zmq_atomic_counter_new();

    assert_int_equal(zmq_atomic_counter_value(counter), 0);
    assert_int_equal(zmq_atomic_counter_inc(counter), 0);
    assert_int_equal(zmq_atomic_counter_inc(counter), 1);
    assert_int_equal(zmq_atomic_counter_dec(counter), 1);
    assert_int_equal(zmq_atomic_counter_dec(counter), 0);
    zmq_atomic_counter_set(counter, 7);
    assert_int_equal(zmq_atomic_counter_value(counter), 7);
    zmq_atomic_counter_destroy(&counter);
    assert_null(counter);
}

struct ring {
    int ids[8];
    int count;
    void *timers;
};

static void on_timer(int id, void *argument)
{
    struct ring *ring = argument;

    assert_true(ring->count < 8);
    ring->ids[ring->count++] = id;
}

static void cancel_itself(int id, void *argument)
{
    on_timer(id, argument);
    assert_int_equal(zmq_timers_cancel(((struct ring *) argument)->timers, id), 0);
}

static void timers__run_when_due_and_as_often(void)
{
    struct ring ring = {.timers = zmq_timers_new()};
    void *timers = ring.timers;
    int once = zmq_timers_add(timers, 0, cancel_itself, &ring);
    int late = zmq_timers_add(timers, 100000, on_timer, &ring);

    assert_true(once > 0 && late > 0 && once != late);
    assert_int_equal(zmq_timers_timeout(timers), 0);
    assert_int_equal(zmq_timers_execute(timers), 0);
    assert_int_equal(ring.count, 1);
    assert_int_equal(ring.ids[0], once);
    assert_in_range(zmq_timers_timeout(timers), 90000, 100000);
    assert_fails(zmq_timers_cancel(timers, once), EINVAL);
    assert_int_equal(zmq_timers_set_interval(timers, late, 0), 0);
    assert_int_equal(zmq_timers_execute(timers), 0);
    assert_int_equal(ring.count, 2);
    assert_int_equal(ring.ids[1], late);
    assert_int_equal(zmq_timers_set_interval(timers, late, 50000), 0);
    assert_int_equal(zmq_timers_reset(timers, late), 0);
    assert_in_range(zmq_timers_timeout(timers), 40000, 50000);
    assert_int_equal(zmq_timers_cancel(timers, late), 0);
    assert_int_equal(zmq_timers_timeout(timers), -1);
    assert_fails(zmq_timers_add(timers, 1, NULL, NULL), EFAULT);
    assert_fails(zmq_timers_add(NULL, 1, on_timer, NULL), EFAULT);
    assert_int_equal(zmq_timers_destroy(&timers), 0);
    assert_null(timers);
    assert_fails(zmq_timers_destroy(&timers), EFAULT);
}

static void set_flag(void *argument)
{
    *(int *) argument = 1;
}

static void thread_and_stopwatch(void)
{
    int flag = 0;
    void *watch = zmq_stopwatch_start();
    void *thread = zmq_threadstart(set_flag, &flag);
    unsigned long before;

    assert_non_null(thread);
    zmq_threadclose(thread);
    assert_int_equal(flag, 1);
    before = zmq_stopwatch_intermediate(watch);
    assert_true(zmq_stopwatch_stop(watch) >= before);
}

static void keys__of_a_pair__belong_together(void)
{
    char public_key[41];
    char secret_key[41];
    char derived[41];
    uint8_t octets[32];
    char text[41];

    assert_int_equal(zmq_curve_keypair(public_key, secret_key), 0);
    assert_int_equal(strlen(public_key), 40);
    assert_int_equal(zmq_curve_public(derived, secret_key), 0);
    assert_string_equal(derived, public_key);
    assert_non_null(zmq_z85_decode(octets, public_key));
    assert_ptr_equal(zmq_z85_encode(text, octets, 32), text);
    assert_string_equal(text, public_key);
    errno = 0;
    assert_null(zmq_z85_encode(text, octets, 3));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(zmq_z85_decode(octets, "four"));
    assert_int_equal(errno, EINVAL);
}

static void parts__by_arrays_of_buffers(void)
{
    void *context = zmq_ctx_new();
    void *push = zmq_open(context, ZMQ_PUSH);
    void *pull = zmq_open(context, ZMQ_PULL);
    struct iovec out[3] = {{(void *) (uintptr_t) "a", 1}, {(void *) (uintptr_t) "bc", 2}, {0}};
    struct iovec in[4];
    size_t count = 4;

    zmq_join(pull, push);
    assert_zmq(zmq_sendiov(push, out, 3, ZMQ_SNDMORE));
    assert_int_equal(zmq_recviov(pull, in, &count, 0), 3);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(in[i].iov_len, out[i].iov_len);
        if (in[i].iov_len > 0)
            assert_memory_equal(in[i].iov_base, out[i].iov_base, in[i].iov_len);
        free(in[i].iov_base);
    }
    assert_int_equal(zmq_send_const(push, "constant", 8, 0), 8);
    zmq_expect(pull, "constant");
    assert_fails(zmq_sendiov(push, out, 0, 0), EINVAL);
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_ctx_term(context));
}

#define ON_BOTH(X)                                                                                 \
    X(counter__counts)                                                                             \
    X(timers__run_when_due_and_as_often)                                                           \
    X(thread_and_stopwatch)                                                                        \
    X(keys__of_a_pair__belong_together)                                                            \
    X(parts__by_arrays_of_buffers)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.utility");
}
