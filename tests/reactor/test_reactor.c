/* What every engine must do, run against all three. */

#include <pthread.h>

#include "arena/test_support.h"
#include "reactor/engine.h"
#include "reactor/test_support.h"

static void stream__octets_end_and_nothing_more(enum which which)
{
    struct fixture f;
    char room[16];
    struct iovec parts[2] = {{room, 2}, {room + 2, sizeof room - 2}};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    assert_int_equal(mcq_reactor_recv(f.reactor, pair.far, parts, 2).result, MCQ_IO_AGAIN);
    assert_int_equal(send_text(&f, pair.near, "hello").len, 5);
    await_poll(&f, pair.far, MCQ_OP_POLL_IN);
    struct mcq_io io = mcq_reactor_recv(f.reactor, pair.far, parts, 2);

    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, 5);
    assert_memory_equal(room, "hello", 5);
    mcq_reactor_close(f.reactor, pair.near);
    await_poll(&f, pair.far, MCQ_OP_POLL_IN);
    assert_int_equal(mcq_reactor_recv(f.reactor, pair.far, parts, 2).result, MCQ_IO_END);
    mcq_reactor_close(f.reactor, pair.far);
    mcq_reactor_close(f.reactor, pair.listener);
    close_reactor(&f);
}

static void full_pipe__again_until_the_reader_took_some(enum which which)
{
    static char octets[65536];
    struct iovec iov = {octets, sizeof octets};
    struct fixture f;
    struct mcq_op op = {0};
    size_t sent = 0;
    size_t read = 0;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_io io;

    while ((io = mcq_reactor_send(f.reactor, pair.near, &iov, 1)).result == MCQ_IO_DONE)
        sent += io.len;
    assert_int_equal(io.result, MCQ_IO_AGAIN);
    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &op, pair.near, MCQ_OP_POLL_OUT), MCQ_OK);
    while (read < sent) {
        await_poll(&f, pair.far, MCQ_OP_POLL_IN);
        while ((io = mcq_reactor_recv(f.reactor, pair.far, &iov, 1)).result == MCQ_IO_DONE)
            read += io.len;
        if (!mcq_op_is_armed(&op))
            continue;
        if (read == sent)
            assert_ptr_equal(await(&f), &op);
        else
            mcq_reactor_cancel(f.reactor, &op);
        if (mcq_op_is_armed(&op))
            assert_ptr_equal(await(&f), &op);
    }
    assert_int_equal(read, sent);
    assert_int_equal(mcq_reactor_send(f.reactor, pair.near, &iov, 1).result, MCQ_IO_DONE);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void connect__to_nobody__is_refused(enum which which)
{
    struct fixture f;
    struct mcq_address address = loopback(0);
    int fd;

    open_reactor(&f, which);
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, NULL, 1, &fd), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f.reactor, fd, &address));
    mcq_reactor_close(f.reactor, fd); /* a port that was free a moment ago */
    enum mcq_io_result result = mcq_reactor_connect(f.reactor, NULL, &address, NULL, &fd);

    if (result == MCQ_IO_AGAIN) {
        await_poll(&f, fd, MCQ_OP_POLL_OUT);
        result = mcq_reactor_connected(f.reactor, fd);
        mcq_reactor_close(f.reactor, fd);
    }
    assert_int_equal(result, MCQ_IO_REFUSED);
    close_reactor(&f);
}

static void listen__on_a_port_in_use__says_so(enum which which)
{
    struct fixture f;
    struct mcq_address address = loopback(0);
    int first;
    int second;

    open_reactor(&f, which);
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, NULL, 1, &first), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f.reactor, first, &address));
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, NULL, 1, &second), MCQ_IO_IN_USE);
    mcq_reactor_close(f.reactor, first);
    close_reactor(&f);
}

static void fault_f5__cancel_of_each_armed_operation__completes_once(enum which which)
{
    struct fixture f;
    struct mcq_op in = {0};
    struct mcq_op out = {0};
    struct mcq_op timer = {0};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &in, pair.far, MCQ_OP_POLL_IN), MCQ_OK);
    mcq_reactor_arm_timer(f.reactor, &timer, MCQ_NEVER_NS);
    mcq_reactor_cancel(f.reactor, &in);
    mcq_reactor_cancel(f.reactor, &timer);
    for (int i = 0; i < 2; i++)
        assert_int_equal(await(&f)->result, MCQ_IO_CANCELED);
    assert_false(mcq_op_is_armed(&in) || mcq_op_is_armed(&timer));

    /* Too late, and twice, and to what is not armed: nothing happens to it. */
    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &out, pair.near, MCQ_OP_POLL_OUT), MCQ_OK);
    mcq_reactor_wait(f.reactor, 0);
    mcq_reactor_cancel(f.reactor, &out);
    mcq_reactor_cancel(f.reactor, &out);
    assert_ptr_equal(await(&f), &out);
    assert_null(mcq_reactor_next(f.reactor));
    mcq_reactor_cancel(f.reactor, &out);
    mcq_reactor_wait(f.reactor, 0);
    assert_null(mcq_reactor_next(f.reactor));
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void polls__of_both_kinds_on_one_descriptor__complete_apart(enum which which)
{
    struct fixture f;
    struct mcq_op in = {0};
    struct mcq_op out = {0};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &in, pair.far, MCQ_OP_POLL_IN), MCQ_OK);
    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &out, pair.far, MCQ_OP_POLL_OUT), MCQ_OK);
    assert_ptr_equal(await(&f), &out);
    assert_true(mcq_op_is_armed(&in));
    assert_int_equal(send_text(&f, pair.near, "x").len, 1);
    assert_ptr_equal(await(&f), &in);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void timers__complete_in_order__equal_ones_as_armed(enum which which)
{
    static const uint64_t ms[] = {5, 1, 3, 3, 2, 1, 4};
    static const int order[] = {1, 5, 4, 2, 3, 6, 0};
    struct mcq_op ops[MCQ_COUNTOF(ms)] = {0};
    struct fixture f;

    open_reactor(&f, which);
    uint64_t start_ns = mcq_reactor_now_ns(f.reactor);

    for (size_t i = 0; i < MCQ_COUNTOF(ms); i++)
        mcq_reactor_arm_timer(f.reactor, &ops[i], start_ns + ms[i] * MS);
    for (size_t i = 0; i < MCQ_COUNTOF(ms); i++) {
        struct mcq_op *op = await(&f);

        assert_ptr_equal(op, &ops[order[i]]);
        assert_true(mcq_reactor_now_ns(f.reactor) >= op->at_ns); /* late perhaps, never early */
    }
    close_reactor(&f);
}

static void timers__canceled_in_the_middle__the_others_keep_their_order(enum which which)
{
    struct mcq_op ops[64] = {0};
    struct fixture f;
    uint64_t last_ns = 0;
    int done = 0;

    open_reactor(&f, which);
    uint64_t start_ns = mcq_reactor_now_ns(f.reactor);

    for (size_t i = 0; i < MCQ_COUNTOF(ops); i++)
        mcq_reactor_arm_timer(f.reactor, &ops[i], start_ns + (i * 37 % 64) * MS / 16);
    for (size_t i = 0; i < MCQ_COUNTOF(ops); i += 3)
        mcq_reactor_cancel(f.reactor, &ops[i]);
    for (size_t i = 0; i < MCQ_COUNTOF(ops); i++) {
        struct mcq_op *op = await(&f);

        if (op->result == MCQ_IO_CANCELED)
            continue;
        assert_true(op->at_ns >= last_ns);
        last_ns = op->at_ns;
        done++;
    }
    assert_int_equal(done, 42);
    close_reactor(&f);
}

static void *wake_many(void *argument)
{
    struct fixture *f = argument;

    for (int i = 0; i < 1000; i++)
        mcq_reactor_wake(f->reactor);
    return NULL;
}

static void wake__before_or_during_a_wait__ends_it(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    mcq_reactor_wake(f.reactor);
    mcq_reactor_wake(f.reactor);
    mcq_reactor_wait(f.reactor, MCQ_NEVER_NS); /* comes back, or the test's limit ends it */
    if (which != WHICH_SIM) {
        pthread_t thread;

        /* A thousand wake-ups against waits: the last one is never lost. */
        assert_int_equal(pthread_create(&thread, NULL, wake_many, &f), 0);
        for (int i = 0; i < 100; i++)
            mcq_reactor_wait(f.reactor, mcq_reactor_now_ns(f.reactor) + MS / 10);
        assert_int_equal(pthread_join(thread, NULL), 0);
        mcq_reactor_wake(f.reactor);
        mcq_reactor_wait(f.reactor, MCQ_NEVER_NS);
    }
    close_reactor(&f);
}

struct timers {
    struct mcq_op ops[40];
    uint64_t orders[40]; /* in which they were armed; 0: it is not */
    uint64_t count;
    uint64_t random;
};

/* Arms one for a time that has passed, or for never, or cancels it. */
static void toggle(struct mcq_reactor *reactor, struct timers *timers)
{
    size_t i = support_random_below(&timers->random, MCQ_COUNTOF(timers->ops));
    uint64_t at_ns = support_random_below(&timers->random, 8);

    if (timers->orders[i] > 0) {
        if (at_ns == 0)
            mcq_reactor_cancel(reactor, &timers->ops[i]);
        return;
    }
    mcq_reactor_arm_timer(reactor, &timers->ops[i], at_ns == 0 ? MCQ_NEVER_NS : at_ns);
    timers->orders[i] = ++timers->count;
}

/* By time, then as they were armed. Those that are not due stay. */
static void take_due(struct mcq_reactor *reactor, struct timers *timers)
{
    uint64_t last_ns = 0;
    uint64_t last_order = 0;
    struct mcq_op *op;

    mcq_reactor_wait(reactor, 0);
    while ((op = mcq_reactor_next(reactor)) != NULL) {
        uint64_t order = timers->orders[op - timers->ops];

        assert_true(order > 0);
        timers->orders[op - timers->ops] = 0;
        if (op->result == MCQ_IO_CANCELED)
            continue;
        assert_int_not_equal(op->at_ns, MCQ_NEVER_NS);
        assert_true(op->at_ns > last_ns || (op->at_ns == last_ns && order > last_order));
        last_ns = op->at_ns;
        last_order = order;
    }
}

static void timers__at_random__in_order_and_without_memory(enum which which)
{
    struct timers timers = {.random = support_seed()};
    struct fixture f;

    open_reactor(&f, which);
    f.reactor->timer_order = UINT32_MAX - 1000; /* it wraps around */
    mcq_alloc_fail_at(1);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 60; i++)
            toggle(f.reactor, &timers);
        take_due(f.reactor, &timers);
        for (size_t i = 0; i < MCQ_COUNTOF(timers.ops); i++)
            assert_true(timers.orders[i] == 0 || timers.ops[i].at_ns == MCQ_NEVER_NS);
    }
    assert_int_equal(mcq_alloc_fail_left(), 1);
    mcq_alloc_fail_at(0);
    for (size_t i = 0; i < MCQ_COUNTOF(timers.ops); i++)
        mcq_reactor_cancel(f.reactor, &timers.ops[i]);
    take_due(f.reactor, &timers);
    close_reactor(&f);
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(stream__octets_end_and_nothing_more)                                                         \
    X(full_pipe__again_until_the_reader_took_some)                                                 \
    X(connect__to_nobody__is_refused)                                                              \
    X(listen__on_a_port_in_use__says_so)                                                           \
    X(fault_f5__cancel_of_each_armed_operation__completes_once)                                    \
    X(polls__of_both_kinds_on_one_descriptor__complete_apart)                                      \
    X(timers__complete_in_order__equal_ones_as_armed)                                              \
    X(timers__canceled_in_the_middle__the_others_keep_their_order)                                 \
    X(wake__before_or_during_a_wait__ends_it)                                                      \
    X(timers__at_random__in_order_and_without_memory)

ON_EVERY_ENGINE(ENGINE_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
