/* Armed accept, connect, recv and send, on all engines. */

#include <time.h>

#include "reactor/test_support.h"

/* Waits for this operation, which is the next to complete. */
static enum mcq_io_result await_op(struct fixture *f, struct mcq_op *op)
{
    assert_ptr_equal(await(f), op);
    return op->result;
}

/* Completes what can be completed without a wait, which must be nothing. */
static void assert_waits(struct fixture *f, const struct mcq_op *op)
{
    assert_null(mcq_reactor_next(f->reactor));
    pause_ms(f, 1);
    assert_true(mcq_op_is_armed(op));
}

/* Things happen that the reactor does not look at; then it does, or not. */
static void let_it_happen(struct fixture *f, bool is_seen)
{
    if (f->sim != NULL)
        mcq_sim_jump(f->sim, 5 * MS);
    else
        (void) nanosleep(&(struct timespec) {.tv_nsec = 5000000}, NULL);
    if (is_seen)
        mcq_reactor_wait(f->reactor, 0);
}

static int start_connect(struct fixture *f, const struct mcq_address *address)
{
    int fd = -1;
    enum mcq_io_result result = mcq_reactor_connect(f->reactor, NULL, address, NULL, &fd);

    assert_true(result == MCQ_IO_DONE || result == MCQ_IO_AGAIN);
    return fd;
}

static void cancel_and_await(struct fixture *f, struct mcq_op *op)
{
    mcq_reactor_cancel(f->reactor, op);
    assert_int_equal(await_op(f, op), MCQ_IO_CANCELED);
    assert_true(op->is_final);
    assert_false(mcq_op_is_armed(op));
    assert_int_equal(op->opened, -1);
    mcq_reactor_cancel(f->reactor, op); /* nothing happens to it */
    mcq_reactor_wait(f->reactor, 0);
    assert_null(mcq_reactor_next(f->reactor));
}

/* --- accept ---------------------------------------------------------------------------------- */

#define MANY 100 /* more than one wait accepts, fewer than a backlog holds */

static void fault_f3__accept_of_many_connections__stays_armed(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op accepting = {0};
    struct mcq_op timer = {0};
    int near[MANY];
    int far[MANY];

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    assert_waits(&f, &accepting);
    for (int i = 0; i < MANY; i++)
        near[i] = start_connect(&f, &address);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(await_op(&f, &accepting), MCQ_IO_DONE);
        assert_false(accepting.is_final);
        assert_true(mcq_op_is_armed(&accepting));
        far[i] = accepting.opened;
        assert_int_equal(send_text(&f, far[i], "x").len, 1); /* it stands */
    }
    assert_waits(&f, &accepting);
    mcq_reactor_arm_timer(f.reactor, &timer, 0);
    assert_int_equal(await_op(&f, &timer), MCQ_IO_DONE);
    cancel_and_await(&f, &accepting);
    for (int i = 0; i < MANY; i++) {
        mcq_reactor_close(f.reactor, near[i]);
        mcq_reactor_close(f.reactor, far[i]);
    }
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

/* A flood at the door does not keep the others waiting. */
static void accept__of_a_flood__leaves_room_for_a_timer(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op accepting = {0};
    struct mcq_op timer = {0};
    struct mcq_op *op;
    int fds[2 * MANY];
    int count = 0;
    int accepted = 0;

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    for (int i = 0; i < MANY; i++)
        fds[count++] = start_connect(&f, &address);
    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    mcq_reactor_arm_timer(f.reactor, &timer, 0);
    while ((op = await(&f)) == &accepting) {
        fds[count++] = accepting.opened;
        accepted++;
    }
    assert_ptr_equal(op, &timer);
    assert_in_range(accepted, 1, MANY - 1);
    for (; accepted < MANY; accepted++) {
        assert_int_equal(await_op(&f, &accepting), MCQ_IO_DONE);
        fds[count++] = accepting.opened;
    }
    cancel_and_await(&f, &accepting);
    while (count > 0)
        mcq_reactor_close(f.reactor, fds[--count]);
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

/* Whatever its poll has seen by then: canceled, it takes none. The next one does. */
/* Whoever has had enough of them takes the rest after the next wait. */
static void fault_a3__accepts_held__wait_for_the_next_turn(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op accepting = {0};
    int fds[2 * MANY];
    int count = 0;
    int accepted = 0;

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    for (int i = 0; i < MANY; i++)
        fds[count++] = start_connect(&f, &address);
    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    for (; accepted < MANY; accepted++) {
        assert_ptr_equal(await(&f), &accepting);
        assert_int_equal(accepting.result, MCQ_IO_DONE);
        fds[count++] = accepting.opened;
        mcq_reactor_hold_accepts(f.reactor);
        assert_null(mcq_reactor_next(f.reactor));
    }
    cancel_and_await(&f, &accepting);
    while (count > 0)
        mcq_reactor_close(f.reactor, fds[--count]);
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

static void accept__canceled_with_a_connection_at_the_door__takes_none(enum which which)
{
    for (int is_seen = 0; is_seen < 2; is_seen++) {
        struct fixture f;
        struct mcq_address address;
        struct mcq_op accepting = {0};

        open_reactor(&f, which);
        int listener = listen_somewhere(&f, &address);

        mcq_reactor_arm_accept(f.reactor, &accepting, listener);
        cancel_and_await(&f, &accepting); /* not even tried */
        mcq_reactor_arm_accept(f.reactor, &accepting, listener);
        assert_waits(&f, &accepting);
        int near = start_connect(&f, &address);

        let_it_happen(&f, is_seen);
        cancel_and_await(&f, &accepting);
        mcq_reactor_arm_accept(f.reactor, &accepting, listener);
        assert_int_equal(await_op(&f, &accepting), MCQ_IO_DONE);
        int far = accepting.opened;

        cancel_and_await(&f, &accepting);
        mcq_reactor_close(f.reactor, near);
        mcq_reactor_close(f.reactor, far);
        mcq_reactor_close(f.reactor, listener);
        close_reactor(&f);
    }
}

/* The connection waits in the backlog until there is a descriptor for it. */
static void fault_f3__accept_without_descriptors__ends_and_is_armed_again(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op accepting = {0};

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    int near = start_connect(&f, &address);

    let_it_happen(&f, true);
    struct rlimit before = take_descriptors();

    assert_int_equal(await_op(&f, &accepting), MCQ_IO_NO_FDS);
    assert_int_equal(accepting.number, EMFILE);
    give_descriptors(&before);
    assert_true(accepting.is_final);
    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    char room[1];

    if (recv_some(&f, near, room, 1).result == MCQ_IO_AGAIN) { /* valgrind's limit closes it */
        assert_int_equal(await_op(&f, &accepting), MCQ_IO_DONE);
        mcq_reactor_close(f.reactor, accepting.opened);
    }
    cancel_and_await(&f, &accepting);
    mcq_reactor_close(f.reactor, near);
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

/* --- connect --------------------------------------------------------------------------------- */

static void connect__to_a_listener__a_stream_that_stands(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op connecting = {0};
    int far;

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
    assert_int_equal(await_op(&f, &connecting), MCQ_IO_DONE);
    assert_true(connecting.is_final);
    int near = connecting.opened;

    assert_int_equal(send_text(&f, near, "x").len, 1);
    await_poll(&f, listener, MCQ_OP_POLL_IN);
    assert_int_equal(mcq_reactor_accept(f.reactor, listener, &far), MCQ_IO_DONE);
    await_poll(&f, far, MCQ_OP_POLL_IN);
    assert_int_equal(drain(&f, far), 1);
    mcq_reactor_close(f.reactor, near);
    mcq_reactor_close(f.reactor, far);
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

static void connect__to_nobody__is_refused_and_opens_nothing(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op connecting = {0};

    open_reactor(&f, which);
    mcq_reactor_close(f.reactor, listen_somewhere(&f, &address)); /* free a moment ago */
    mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
    assert_int_equal(await_op(&f, &connecting), MCQ_IO_REFUSED);
    assert_true(connecting.is_final);
    assert_int_equal(connecting.opened, -1);
    close_reactor(&f);
}

static void connect__canceled__opens_nothing(enum which which)
{
    for (int is_seen = 0; is_seen < 2; is_seen++) {
        struct fixture f;
        struct mcq_address address;
        struct mcq_op connecting = {0};

        open_reactor(&f, which);
        int listener = listen_somewhere(&f, &address);

        mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
        cancel_and_await(&f, &connecting);
        mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
        let_it_happen(&f, is_seen);
        cancel_and_await(&f, &connecting);
        mcq_reactor_close(f.reactor, listener);
        close_reactor(&f);
    }
}

static void connect__without_descriptors__says_so(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op connecting = {0};

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);
    struct rlimit before = take_descriptors();

    mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
    give_descriptors(&before);
    mcq_reactor_cancel(f.reactor, &connecting); /* too late: what happened is said */
    assert_int_equal(await_op(&f, &connecting), MCQ_IO_NO_FDS);
    assert_int_equal(connecting.opened, -1);
    mcq_reactor_close(f.reactor, listener);
    close_reactor(&f);
}

/* --- recv ------------------------------------------------------------------------------------ */

static void recv__waits_for_octets_and_for_the_end(enum which which)
{
    struct fixture f;
    struct mcq_op reading = {0};
    char room[8] = {0};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    mcq_reactor_arm_recv(f.reactor, &reading, pair.far, room, sizeof room);
    assert_waits(&f, &reading);
    assert_int_equal(send_text(&f, pair.near, "0123456789").len, 10);
    assert_int_equal(await_op(&f, &reading), MCQ_IO_DONE);
    assert_int_equal(reading.len, 8);
    assert_memory_equal(room, "01234567", 8);
    assert_false(mcq_op_is_armed(&reading));

    mcq_reactor_arm_recv(f.reactor, &reading, pair.far, room, sizeof room); /* what is there */
    assert_int_equal(await_op(&f, &reading), MCQ_IO_DONE);
    assert_int_equal(reading.len, 2);
    assert_memory_equal(room, "89", 2);

    mcq_reactor_arm_recv(f.reactor, &reading, pair.far, room, sizeof room);
    assert_waits(&f, &reading);
    mcq_reactor_shutdown(f.reactor, pair.near);
    assert_int_equal(await_op(&f, &reading), MCQ_IO_END);
    assert_int_equal(reading.len, 0);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void fault_f12__recv_canceled__takes_nothing(enum which which)
{
    for (int is_seen = 0; is_seen < 2; is_seen++) {
        struct fixture f;
        struct mcq_op reading = {0};
        char room[8] = "before";

        open_reactor(&f, which);
        struct pair pair = connect_pair(&f);

        mcq_reactor_arm_recv(f.reactor, &reading, pair.far, room, sizeof room);
        cancel_and_await(&f, &reading); /* not even tried */
        mcq_reactor_arm_recv(f.reactor, &reading, pair.far, room, sizeof room);
        assert_waits(&f, &reading);
        assert_int_equal(send_text(&f, pair.near, "x").len, 1);
        let_it_happen(&f, is_seen);
        cancel_and_await(&f, &reading);
        assert_int_equal(reading.len, 0);
        assert_string_equal(room, "before");
        await_poll(&f, pair.far, MCQ_OP_POLL_IN); /* it is still there */
        assert_int_equal(drain(&f, pair.far), 1);
        close_pair(&f, &pair);
        close_reactor(&f);
    }
}

static void reset__ends_recv_and_send(enum which which)
{
    struct fixture f;
    struct mcq_op reading = {0};
    struct mcq_op writing = {0};
    char room[8] = {0};
    struct iovec iov = {room, sizeof room};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    (void) fill(&f, pair.near);
    mcq_reactor_arm_recv(f.reactor, &reading, pair.near, room, sizeof room);
    assert_waits(&f, &reading);
    close_with_reset(&f, pair.far);
    assert_int_equal(await_op(&f, &reading), MCQ_IO_RESET);
    mcq_reactor_arm_send(f.reactor, &writing, pair.near, &iov, 1);
    assert_int_equal(await_op(&f, &writing), MCQ_IO_RESET);
    assert_int_equal(writing.len, 0);
    mcq_reactor_close(f.reactor, pair.near);
    mcq_reactor_close(f.reactor, pair.listener);
    close_reactor(&f);
}

/* --- send ------------------------------------------------------------------------------------ */

#define PARTS 200 /* more than one call takes */
#define LARGE_BYTES ((size_t) 12 << 20)

static uint8_t octet_at(size_t index)
{
    return (uint8_t) (index * 2654435761u >> 13);
}

/* Parts of all sizes, empty ones among them; the last one has the rest. */
struct large {
    uint8_t *octets;
    struct iovec parts[PARTS];
};

static void large_init(struct large *large)
{
    size_t done = 0;

    large->octets = mcq_alloc(LARGE_BYTES);
    assert_non_null(large->octets);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large->octets[i] = octet_at(i);
    for (size_t i = 0; i < PARTS; i++) {
        size_t len = i % 7 == 0 ? 0 : i * i * i % 100003;

        if (i == PARTS - 1)
            len = LARGE_BYTES - done;
        large->parts[i] = (struct iovec) {large->octets + done, len};
        done += len;
    }
    assert_int_equal(done, LARGE_BYTES);
}

/* Reads what is there and compares; *read counts. */
static enum mcq_io_result read_large(struct fixture *f, int fd, size_t *read)
{
    static uint8_t room[100000];
    struct mcq_io io;

    while ((io = recv_some(f, fd, room, sizeof room)).result == MCQ_IO_DONE) {
        for (size_t i = 0; i < io.len; i++)
            if (room[i] != octet_at(*read + i))
                fail_msg("octet %zu is wrong", *read + i);
        *read += io.len;
    }
    return io.result;
}

static void send__larger_than_the_pipe__completes_once_all_went(enum which which)
{
    static struct large large;
    struct fixture f;
    struct mcq_op writing = {0};
    struct mcq_op readable = {0};
    size_t read = 0;

    open_reactor(&f, which);
    large_init(&large);
    struct pair pair = connect_pair(&f);

    mcq_reactor_arm_send(f.reactor, &writing, pair.near, large.parts, PARTS);
    while (read < LARGE_BYTES) {
        assert_int_equal(mcq_reactor_arm_poll(f.reactor, &readable, pair.far, MCQ_OP_POLL_IN),
                         MCQ_OK);
        while (await(&f) != &readable)
            assert_false(mcq_op_is_armed(&writing));
        (void) read_large(&f, pair.far, &read);
    }
    if (mcq_op_is_armed(&writing))
        assert_int_equal(await_op(&f, &writing), MCQ_IO_DONE);
    assert_int_equal(writing.result, MCQ_IO_DONE);
    assert_int_equal(writing.len, LARGE_BYTES);
    assert_int_equal(read, LARGE_BYTES);
    mcq_free(large.octets);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* Reads the rest and the end: exactly the octets that op->len says have gone. */
static void assert_sent(struct fixture *f, const struct pair *pair, const struct mcq_op *writing,
                        size_t read)
{
    mcq_reactor_shutdown(f->reactor, pair->near);
    while (read_large(f, pair->far, &read) != MCQ_IO_END)
        await_poll(f, pair->far, MCQ_OP_POLL_IN);
    assert_int_equal(writing->len, read);
}

/* The system does not take ever more of it, as it does for a reader that is slow. */
static void keep_narrow(const struct fixture *f, const struct pair *pair)
{
    const int len = 256 * 1024;

    if (f->sim != NULL)
        return;
    assert_int_equal(setsockopt(pair->near, SOL_SOCKET, SO_SNDBUF, &len, sizeof len), 0);
    assert_int_equal(setsockopt(pair->far, SOL_SOCKET, SO_RCVBUF, &len, sizeof len), 0);
}

static void fault_f6__send_canceled_midway__says_how_much_has_gone(enum which which)
{
    static struct large large;

    for (int reads = 0; reads < 4; reads++) {
        struct fixture f;
        struct mcq_op writing = {0};
        size_t read = 0;

        open_reactor(&f, which);
        large_init(&large);
        struct pair pair = connect_pair(&f);

        keep_narrow(&f, &pair);
        mcq_reactor_arm_send(f.reactor, &writing, pair.near, large.parts, PARTS);
        for (int i = 0; i < reads; i++) {
            assert_waits(&f, &writing);
            (void) read_large(&f, pair.far, &read);
        }
        let_it_happen(&f, reads % 2 == 0);
        cancel_and_await(&f, &writing); /* though there is room by now */
        assert_true(writing.len < LARGE_BYTES);
        assert_true((writing.len > 0) == (reads > 0));
        assert_sent(&f, &pair, &writing, read);
        mcq_free(large.octets);
        close_pair(&f, &pair);
        close_reactor(&f);
    }
}

static void send__of_a_failing_stream__says_how_much_had_gone(enum which which)
{
    static struct large large;
    struct fixture f;
    struct mcq_op writing = {0};

    open_reactor(&f, which);
    large_init(&large);
    struct pair pair = connect_pair(&f);

    mcq_reactor_arm_send(f.reactor, &writing, pair.near, large.parts, PARTS);
    assert_waits(&f, &writing);
    close_with_reset(&f, pair.far);
    assert_int_equal(await_op(&f, &writing), MCQ_IO_RESET);
    assert_in_range(writing.len, 1, LARGE_BYTES - 1);
    mcq_free(large.octets);
    mcq_reactor_close(f.reactor, pair.near);
    mcq_reactor_close(f.reactor, pair.listener);
    close_reactor(&f);
}

static void recv_and_send__of_one_stream__wait_apart(enum which which)
{
    struct fixture f;
    struct mcq_op reading = {0};
    struct mcq_op writing = {0};
    char room[8] = {0};
    struct iovec iov = {room, sizeof room};
    struct mcq_op timer = {0};
    struct mcq_op *done;
    bool is_written;
    size_t len = 0;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    mcq_reactor_arm_recv(f.reactor, &reading, pair.near, room, sizeof room);
    do { /* on a busy machine the kernel finds room once more after it had none */
        len += fill(&f, pair.near);
        mcq_reactor_arm_send(f.reactor, &writing, pair.near, &iov, 1);
        mcq_reactor_arm_timer(f.reactor, &timer, mcq_reactor_now_ns(f.reactor) + MS);
        is_written = false;
        while ((done = await(&f)) != &timer) {
            assert_ptr_equal(done, &writing);
            is_written = true;
            len += writing.len;
        }
    } while (is_written);
    assert_true(mcq_op_is_armed(&writing));
    assert_int_equal(send_text(&f, pair.far, "x").len, 1);
    assert_int_equal(await_op(&f, &reading), MCQ_IO_DONE);
    assert_true(mcq_op_is_armed(&writing));
    while (len > 0)
        len -= drain(&f, pair.far);
    assert_int_equal(await_op(&f, &writing), MCQ_IO_DONE);
    assert_int_equal(writing.len, sizeof room);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* --- ends ------------------------------------------------------------------------------------ */

/* Completions that nobody took are dropped with the reactor, and a stream in them is closed. */
static void free__with_completions__leaves_nothing_open(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_op connecting = {0};
    struct mcq_op accepting = {0};

    open_reactor(&f, which);
    int listener = listen_somewhere(&f, &address);

    mcq_reactor_arm_connect(f.reactor, &connecting, NULL, &address, NULL);
    mcq_reactor_arm_accept(f.reactor, &accepting, listener);
    while (!connecting.is_complete)
        let_it_happen(&f, true);
    mcq_reactor_close(f.reactor, listener);
    mcq_reactor_free(&f.reactor);
    if (f.sim != NULL) {
        assert_int_equal(mcq_sim_open_count(f.sim), 0);
        mcq_sim_free(&f.sim);
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    assert_int_equal(open_fd_count(), f.fd_count);
}

/* A connection and three octets over it, as far as they come. false: something was refused. */
static bool run_exchange(struct fixture *f, const struct mcq_address *address, int listener)
{
    struct mcq_op accepting = {0};
    struct mcq_op connecting = {0};
    struct mcq_op reading = {0};
    struct mcq_op writing = {0};
    struct iovec iov = {(char[3]) {"abc"}, 3};
    char room[3];
    int far = -1;

    mcq_reactor_arm_accept(f->reactor, &accepting, listener);
    mcq_reactor_arm_connect(f->reactor, &connecting, NULL, address, NULL);
    for (int i = 0; i < 2; i++)
        if (await(f) == &accepting && accepting.result == MCQ_IO_DONE)
            far = accepting.opened;
    bool is_fine = far >= 0 && connecting.result == MCQ_IO_DONE;

    if (is_fine) {
        mcq_reactor_arm_recv(f->reactor, &reading, far, room, sizeof room);
        mcq_reactor_arm_send(f->reactor, &writing, connecting.opened, &iov, 1);
        for (int i = 0; i < 2; i++)
            if (await(f) == &writing && writing.result != MCQ_IO_DONE)
                mcq_reactor_cancel(f->reactor, &reading);
        is_fine = reading.result == MCQ_IO_DONE && writing.result == MCQ_IO_DONE;
    }
    if (mcq_op_is_armed(&accepting))
        cancel_and_await(f, &accepting);
    if (connecting.opened >= 0)
        mcq_reactor_close(f->reactor, connecting.opened);
    if (far >= 0)
        mcq_reactor_close(f->reactor, far);
    return is_fine;
}

static void each_allocation_refused__ends_cleanly(enum which which)
{
    for (uint64_t n = 1; n < 100; n++) {
        struct fixture f;
        struct mcq_address address;

        open_reactor(&f, which);
        int listener = listen_somewhere(&f, &address);

        mcq_alloc_fail_at(n);
        bool is_fine = run_exchange(&f, &address, listener);
        bool is_over = mcq_alloc_fail_left() > 0;

        mcq_alloc_fail_at(0);
        mcq_reactor_close(f.reactor, listener);
        close_reactor(&f);
        assert_int_equal(is_fine, is_over);
        if (is_over)
            return;
    }
    fail_msg("allocations without end");
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(fault_f3__accept_of_many_connections__stays_armed)                                           \
    X(fault_a3__accepts_held__wait_for_the_next_turn)                                              \
    X(accept__of_a_flood__leaves_room_for_a_timer)                                                 \
    X(accept__canceled_with_a_connection_at_the_door__takes_none)                                  \
    X(connect__to_a_listener__a_stream_that_stands)                                                \
    X(connect__to_nobody__is_refused_and_opens_nothing)                                            \
    X(connect__canceled__opens_nothing)                                                            \
    X(recv__waits_for_octets_and_for_the_end)                                                      \
    X(fault_f12__recv_canceled__takes_nothing)                                                     \
    X(reset__ends_recv_and_send)                                                                   \
    X(send__larger_than_the_pipe__completes_once_all_went)                                         \
    X(fault_f6__send_canceled_midway__says_how_much_has_gone)                                      \
    X(send__of_a_failing_stream__says_how_much_had_gone)                                           \
    X(recv_and_send__of_one_stream__wait_apart)                                                    \
    X(free__with_completions__leaves_nothing_open)                                                 \
    X(each_allocation_refused__ends_cleanly)

#define ON_THE_KERNEL(X)                                                                           \
    X(fault_f3__accept_without_descriptors__ends_and_is_armed_again)                               \
    X(connect__without_descriptors__says_so)

ON_EVERY_ENGINE(ENGINE_TESTS)
ON_THE_KERNEL(KERNEL_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS) ON_THE_KERNEL(KERNEL_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
