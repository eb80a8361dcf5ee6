/* What every engine must do, run against all three. */

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "base/bytes.h"
#include "reactor/reactor.h"
#include "reactor/sim/sim.h"

#define MS UINT64_C(1000000)
#define TURNS_MAX 10000

enum which { WHICH_SIM, WHICH_EPOLL, WHICH_URING };

struct fixture {
    struct mcq_reactor *reactor;
    struct mcq_sim *sim;
    enum which which;
};

static void open_reactor(struct fixture *f, enum which which)
{
    static const struct mcq_sim_faults none = {0};
    const char *why = NULL;

    *f = (struct fixture) {.which = which};
    if (which == WHICH_SIM) {
        assert_int_equal(mcq_sim_new(1, &none, &f->sim), MCQ_OK);
        assert_int_equal(mcq_sim_reactor_new(f->sim, &f->reactor), MCQ_OK);
        return;
    }
    enum mcq_err err = mcq_reactor_new(which == WHICH_EPOLL ? MCQ_ENGINE_EPOLL : MCQ_ENGINE_URING,
                                       &f->reactor, &why);

    if (err == MCQ_INVAL) {
        print_message("# %s\n", why);
        skip();
    }
    assert_int_equal(err, MCQ_OK);
}

static void close_reactor(struct fixture *f)
{
    assert_int_equal(mcq_reactor_armed_count(f->reactor), 0);
    mcq_reactor_free(&f->reactor);
    if (f->sim != NULL) {
        assert_int_equal(mcq_sim_open_count(f->sim), 0);
        mcq_sim_free(&f->sim);
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

/* The next completion; waits, and in the simulated world moves the time, until there is one. */
static struct mcq_op *await(struct fixture *f)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        struct mcq_op *op = mcq_reactor_next(f->reactor);

        if (op != NULL)
            return op;
        mcq_reactor_wait(f->reactor, MCQ_REACTOR_NEVER_NS);
        if (f->sim != NULL)
            (void) mcq_sim_advance(f->sim);
    }
    fail_msg("nothing completes");
    return NULL;
}

static struct mcq_address loopback(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct mcq_address address = {.len = sizeof in};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

struct pair {
    int listener;
    int near;
    int far;
};

static struct pair connect_pair(struct fixture *f)
{
    struct mcq_address address = loopback(0);
    struct mcq_op in = {0};
    struct mcq_op out = {0};
    struct pair pair;

    assert_int_equal(mcq_reactor_listen(f->reactor, &address, 16, &pair.listener), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f->reactor, pair.listener, &address));
    assert_int_equal(mcq_reactor_accept(f->reactor, pair.listener, &pair.far), MCQ_IO_AGAIN);
    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &in, pair.listener, MCQ_OP_POLL_IN), MCQ_OK);
    enum mcq_io_result result = mcq_reactor_connect(f->reactor, &address, &pair.near);

    assert_true(result == MCQ_IO_DONE || result == MCQ_IO_AGAIN);
    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &out, pair.near, MCQ_OP_POLL_OUT), MCQ_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(await(f)->result, MCQ_IO_DONE);
    assert_int_equal(mcq_reactor_connected(f->reactor, pair.near), MCQ_IO_DONE);
    assert_int_equal(mcq_reactor_accept(f->reactor, pair.listener, &pair.far), MCQ_IO_DONE);
    return pair;
}

static void close_pair(struct fixture *f, const struct pair *pair)
{
    mcq_reactor_close(f->reactor, pair->near);
    mcq_reactor_close(f->reactor, pair->far);
    mcq_reactor_close(f->reactor, pair->listener);
}

static struct mcq_io send_text(struct fixture *f, int fd, const char *text)
{
    struct iovec iov = {(void *) (uintptr_t) text, strlen(text)};

    return mcq_reactor_send(f->reactor, fd, &iov, 1);
}

static void await_poll(struct fixture *f, int fd, enum mcq_op_kind kind)
{
    struct mcq_op op = {0};

    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &op, fd, kind), MCQ_OK);
    assert_ptr_equal(await(f), &op);
    assert_int_equal(op.result, MCQ_IO_DONE);
}

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
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, 1, &fd), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f.reactor, fd, &address));
    mcq_reactor_close(f.reactor, fd); /* a port that was free a moment ago */
    enum mcq_io_result result = mcq_reactor_connect(f.reactor, &address, &fd);

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
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, 1, &first), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f.reactor, first, &address));
    assert_int_equal(mcq_reactor_listen(f.reactor, &address, 1, &second), MCQ_IO_IN_USE);
    mcq_reactor_close(f.reactor, first);
    close_reactor(&f);
}

static void cancel__each_armed_operation__completes_once(enum which which)
{
    struct fixture f;
    struct mcq_op in = {0};
    struct mcq_op out = {0};
    struct mcq_op timer = {0};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    assert_int_equal(mcq_reactor_arm_poll(f.reactor, &in, pair.far, MCQ_OP_POLL_IN), MCQ_OK);
    assert_int_equal(mcq_reactor_arm_timer(f.reactor, &timer, MCQ_REACTOR_NEVER_NS), MCQ_OK);
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
        assert_int_equal(mcq_reactor_arm_timer(f.reactor, &ops[i], start_ns + ms[i] * MS), MCQ_OK);
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
        assert_int_equal(
            mcq_reactor_arm_timer(f.reactor, &ops[i], start_ns + (i * 37 % 64) * MS / 16), MCQ_OK);
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
    mcq_reactor_wait(f.reactor, MCQ_REACTOR_NEVER_NS); /* comes back, or the test's limit ends it */
    if (which != WHICH_SIM) {
        pthread_t thread;

        /* A thousand wake-ups against waits: the last one is never lost. */
        assert_int_equal(pthread_create(&thread, NULL, wake_many, &f), 0);
        for (int i = 0; i < 100; i++)
            mcq_reactor_wait(f.reactor, mcq_reactor_now_ns(f.reactor) + MS / 10);
        assert_int_equal(pthread_join(thread, NULL), 0);
        mcq_reactor_wake(f.reactor);
        mcq_reactor_wait(f.reactor, MCQ_REACTOR_NEVER_NS);
    }
    close_reactor(&f);
}

static void each_allocation_refused__no_memory_and_nothing_armed(enum which which)
{
    for (uint64_t n = 1; n < 100; n++) {
        struct fixture f;
        struct mcq_op timers[40] = {0};
        bool failed = false;

        open_reactor(&f, which);
        mcq_alloc_fail_at(n);
        for (size_t i = 0; i < MCQ_COUNTOF(timers); i++)
            failed |= mcq_reactor_arm_timer(f.reactor, &timers[i], 0) == MCQ_NOMEM;
        bool over = mcq_alloc_fail_left() > 0;

        mcq_alloc_fail_at(0);
        for (size_t i = 0; i < MCQ_COUNTOF(timers); i++)
            mcq_reactor_cancel(f.reactor, &timers[i]);
        while (mcq_reactor_next(f.reactor) != NULL)
            continue;
        close_reactor(&f);
        assert_true(failed != over);
        if (over)
            return;
    }
    fail_msg("allocations without end");
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(stream__octets_end_and_nothing_more)                                                         \
    X(full_pipe__again_until_the_reader_took_some)                                                 \
    X(connect__to_nobody__is_refused)                                                              \
    X(listen__on_a_port_in_use__says_so)                                                           \
    X(cancel__each_armed_operation__completes_once)                                                \
    X(polls__of_both_kinds_on_one_descriptor__complete_apart)                                      \
    X(timers__complete_in_order__equal_ones_as_armed)                                              \
    X(timers__canceled_in_the_middle__the_others_keep_their_order)                                 \
    X(wake__before_or_during_a_wait__ends_it)                                                      \
    X(each_allocation_refused__no_memory_and_nothing_armed)

#define ENGINE_TESTS(name)                                                                         \
    static void sim_##name(void **state)                                                           \
    {                                                                                              \
        (void) state;                                                                              \
        name(WHICH_SIM);                                                                           \
    }                                                                                              \
    static void epoll_##name(void **state)                                                         \
    {                                                                                              \
        (void) state;                                                                              \
        name(WHICH_EPOLL);                                                                         \
    }                                                                                              \
    static void uring_##name(void **state)                                                         \
    {                                                                                              \
        (void) state;                                                                              \
        name(WHICH_URING);                                                                         \
    }
ON_EVERY_ENGINE(ENGINE_TESTS)

#define ENGINE_ROWS(name)                                                                          \
    cmocka_unit_test(sim_##name), cmocka_unit_test(epoll_##name), cmocka_unit_test(uring_##name),

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
