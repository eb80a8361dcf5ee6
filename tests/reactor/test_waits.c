/* The simulated world's actors, armed operations, ready sets and sleepers together. A client that
 * sleeps on its ready sets, as an application's thread does, sends streams to a server of armed
 * operations, as an engine is, and gets them back; a friend's signals disturb its sleep. */

#include <stdlib.h>

#include "base/bytes.h"
#include "reactor/ready.h"
#include "reactor/sim/sim.h"
#include "reactor/sleeper.h"
#include "reactor/test_support.h"

#define STREAMS 3
#define STREAM_BYTES 1300
#define SIGNALS 20
#define STEPS_MAX 1000000
#define TURNS_OF_CLIENT 100000

static uint64_t first_seed(void)
{
    const char *seed = getenv("MCQ_SEED");

    return seed != NULL ? strtoull(seed, NULL, 0) : 1;
}

struct world;

/* The server's side of a connection. */
struct connection {
    struct world *world;
    int fd; /* -1: none */
    struct mcq_op reading;
    struct mcq_op writing;
    uint8_t room[700];
    struct iovec lent;
};

/* The client's side. */
struct stream {
    struct mcq_op connecting;
    int fd; /* -1: not open */
    uint32_t generation;
    bool may_recv; /* until AGAIN */
    bool may_send;
    bool is_in_out_set;
    size_t sent;
    size_t returned;
};

struct world {
    struct mcq_sim *sim;
    struct mcq_reactor *server;
    struct mcq_reactor *client;
    struct mcq_reactor *friend;
    struct mcq_sim_actor server_actor;
    struct mcq_sim_actor friend_actor;
    int listener;
    struct mcq_op accepting;
    bool is_closing; /* accept is not armed again */
    struct connection connections[STREAMS];
    struct mcq_op timer;
    unsigned signals_left;
    struct mcq_sleeper *sleeper;
    struct mcq_ready_set *in;
    struct mcq_ready_set *out;
    struct stream streams[STREAMS];
    bool is_wrong;  /* an octet came back changed */
    bool is_stuck;  /* a wake-up or an edge was lost */
    unsigned whole; /* streams that came back */
    unsigned broken_sleeps;
};

static uint8_t octet_at(size_t stream, size_t index)
{
    return (uint8_t) (index * 31 >> 3 ^ stream);
}

/* --- the server: armed operations ------------------------------------------------------------ */

static void close_connection(struct connection *c)
{
    mcq_reactor_close(c->world->server, c->fd);
    c->fd = -1;
}

static void arm_reading(struct connection *c)
{
    mcq_reactor_arm_recv(c->world->server, &c->reading, c->fd, c->room, sizeof c->room);
}

static void on_accept(struct world *w)
{
    struct connection *c = w->connections;

    if (w->accepting.is_final && !w->is_closing)
        mcq_reactor_arm_accept(w->server, &w->accepting, w->listener);
    else if (w->accepting.result == MCQ_IO_DONE) {
        while (c->fd >= 0)
            c++;
        c->fd = w->accepting.opened;
        arm_reading(c);
    }
}

static void on_read(struct connection *c)
{
    c->lent = (struct iovec) {c->room, c->reading.len};
    if (c->reading.result == MCQ_IO_DONE)
        mcq_reactor_arm_send(c->world->server, &c->writing, c->fd, &c->lent, 1);
    else
        close_connection(c);
}

static void on_written(struct connection *c)
{
    assert_true((c->writing.result == MCQ_IO_DONE) == (c->writing.len == c->lent.iov_len));
    if (c->writing.result == MCQ_IO_DONE)
        arm_reading(c);
    else
        close_connection(c);
}

static bool server_turn(void *context)
{
    struct world *w = context;
    struct mcq_op *op;
    bool has_moved = false;

    mcq_reactor_wait(w->server, MCQ_NEVER_NS);
    while ((op = mcq_reactor_next(w->server)) != NULL) {
        has_moved = true;
        if (op == &w->accepting)
            on_accept(w);
        for (size_t i = 0; i < STREAMS; i++) {
            if (op == &w->connections[i].reading)
                on_read(&w->connections[i]);
            else if (op == &w->connections[i].writing)
                on_written(&w->connections[i]);
        }
    }
    return has_moved;
}

static bool has_no_connection(void *context)
{
    const struct world *w = context;
    size_t count = 0;

    for (size_t i = 0; i < STREAMS; i++)
        count += w->connections[i].fd >= 0;
    return count == 0;
}

/* --- the friend ------------------------------------------------------------------------------ */

static bool friend_turn(void *context)
{
    struct world *w = context;
    uint64_t at_ns = mcq_reactor_now_ns(w->friend) + mcq_sim_random(w->sim) % (2 * MS);

    mcq_reactor_wait(w->friend, MCQ_NEVER_NS);
    if (mcq_op_is_armed(&w->timer) && mcq_reactor_next(w->friend) == NULL)
        return false;
    if (w->signals_left == 0)
        return false;
    w->signals_left--;
    mcq_sleeper_signal(w->sleeper);
    mcq_reactor_arm_timer(w->friend, &w->timer, at_ns);
    return true;
}

/* --- the client: immediate calls, ready sets, a sleeper -------------------------------------- */

static void close_stream(struct world *w, struct stream *s)
{
    mcq_ready_remove(w->in, s->fd);
    if (s->is_in_out_set)
        mcq_ready_remove(w->out, s->fd);
    mcq_reactor_close(w->client, s->fd);
    s->fd = -1;
    s->generation++;
}

static void open_stream(struct world *w, struct stream *s)
{
    struct mcq_ready_key key = {(uint32_t) (s - w->streams), s->generation};

    s->fd = s->connecting.opened;
    s->may_send = true;
    if (mcq_ready_add(w->in, s->fd, key, MCQ_READY_IN) == MCQ_IO_DONE)
        return;
    mcq_reactor_close(w->client, s->fd);
    s->fd = -1;
}

static void connect_streams(struct world *w)
{
    struct mcq_address address;
    unsigned left = STREAMS;
    struct mcq_op *op;

    assert_true(mcq_reactor_local_address(w->server, w->listener, &address));
    for (size_t i = 0; i < STREAMS; i++)
        mcq_reactor_arm_connect(w->client, &w->streams[i].connecting, NULL, &address, NULL);
    for (uint64_t step = 0; left > 0 && step < STEPS_MAX; step++) {
        mcq_reactor_wait(w->client, MCQ_NEVER_NS);
        while ((op = mcq_reactor_next(w->client)) != NULL) {
            left--;
            for (size_t i = 0; i < STREAMS; i++)
                if (op == &w->streams[i].connecting && op->result == MCQ_IO_DONE)
                    open_stream(w, &w->streams[i]);
        }
        if (left > 0 && !mcq_sim_step(w->sim))
            break;
    }
    w->is_stuck |= left > 0;
}

static void harvest(struct world *w, struct mcq_ready_set *set)
{
    struct mcq_ready_event events[2]; /* fewer than there are streams */
    size_t count;

    while ((count = mcq_ready_harvest(set, events, MCQ_COUNTOF(events))) > 0)
        for (size_t i = 0; i < count; i++) {
            struct stream *s = &w->streams[events[i].key.slot];

            if (events[i].key.generation != s->generation)
                continue;
            s->may_recv |= events[i].is_in;
            s->may_send |= events[i].is_out;
        }
}

/* false: the stream has failed. */
static bool send_more(struct world *w, struct stream *s)
{
    struct mcq_ready_key key = {(uint32_t) (s - w->streams), s->generation};
    uint8_t octets[512];
    struct iovec iov = {octets, mcq_min_size(sizeof octets, STREAM_BYTES - s->sent)};

    for (size_t i = 0; i < iov.iov_len; i++)
        octets[i] = octet_at(key.slot, s->sent + i);
    struct mcq_io io = mcq_reactor_send(w->client, s->fd, &iov, 1);

    s->sent += io.len;
    if (io.result != MCQ_IO_AGAIN)
        return io.result == MCQ_IO_DONE;
    s->may_send = false;
    if (!s->is_in_out_set)
        s->is_in_out_set = mcq_ready_add(w->out, s->fd, key, MCQ_READY_OUT) == MCQ_IO_DONE;
    return s->is_in_out_set;
}

static bool recv_more(struct world *w, struct stream *s)
{
    uint8_t room[300];
    struct iovec iov = {room, sizeof room};
    struct mcq_io io = mcq_reactor_recv(w->client, s->fd, &iov, 1);

    for (size_t i = 0; i < io.len; i++)
        w->is_wrong |= room[i] != octet_at((size_t) (s - w->streams), s->returned + i);
    s->returned += io.len;
    if (io.result != MCQ_IO_AGAIN)
        return io.result == MCQ_IO_DONE;
    s->may_recv = false;
    return true;
}

/* true: it is not over, and nothing can be done for it now. */
static bool serve_stream(struct world *w, struct stream *s)
{
    bool is_fine = true;

    if (s->may_send && s->sent < STREAM_BYTES)
        is_fine = send_more(w, s);
    if (is_fine && s->may_recv)
        is_fine = recv_more(w, s);
    if (is_fine && s->returned < STREAM_BYTES)
        return !s->may_recv && (!s->may_send || s->sent == STREAM_BYTES);
    w->whole += s->returned == STREAM_BYTES;
    close_stream(w, s);
    return false;
}

static void sleep_on_sets(struct world *w)
{
    struct pollfd fds[3] = {
        [1] = {.fd = mcq_ready_fd(w->in), .events = POLLIN},
        [2] = {.fd = mcq_ready_fd(w->out), .events = POLLIN},
    };
    uint64_t until_ns = MCQ_NEVER_NS;

    if (w->signals_left % 3 == 1) /* some sleeps have an end; the last ones have none */
        until_ns = mcq_reactor_now_ns(w->client) + 1000;
    /* One may be a fault of the script's; but nothing comes of trying again what is stuck. */
    w->broken_sleeps += mcq_sleeper_wait(w->sleeper, fds, 2, until_ns) == MCQ_IO_BROKEN;
    w->is_stuck = w->broken_sleeps > 10;
}

static void run_client(struct world *w)
{
    for (unsigned turn = 0; !w->is_stuck; turn++) {
        bool is_idle = true;
        bool is_any_open = false;

        harvest(w, w->in);
        harvest(w, w->out);
        for (size_t i = 0; i < STREAMS; i++) {
            if (w->streams[i].fd < 0)
                continue;
            is_any_open = true;
            is_idle &= serve_stream(w, &w->streams[i]);
        }
        if (!is_any_open)
            return;
        if (is_idle)
            sleep_on_sets(w);
        w->is_stuck |= turn > TURNS_OF_CLIENT;
    }
}

/* --- a run ----------------------------------------------------------------------------------- */

struct run {
    uint64_t seed;
    struct mcq_sim_faults faults;
    uint64_t inject_at; /* UINT64_MAX: nothing */
    enum mcq_io_result inject;
};

struct outcome {
    uint64_t hash;
    uint64_t operations;
    unsigned whole;
};

/* How often each result was seen, over all runs. */
static uint64_t reached[MCQ_IO_OP_COUNT][MCQ_IO_RESULT_COUNT];

static void open_world(struct world *w, const struct run *run)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(mcq_sim_new(run->seed, &run->faults, &w->sim), MCQ_OK);
    if (run->inject_at != UINT64_MAX)
        mcq_sim_inject(w->sim, run->inject_at, run->inject);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &w->server), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &w->client), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &w->friend), MCQ_OK);
    assert_int_equal(mcq_sleeper_new(w->client, &w->sleeper), MCQ_OK);
    assert_int_equal(mcq_ready_new(w->client, &w->in), MCQ_OK);
    assert_int_equal(mcq_ready_new(w->client, &w->out), MCQ_OK);
    w->server_actor = (struct mcq_sim_actor) {.turn = server_turn, .context = w};
    w->friend_actor = (struct mcq_sim_actor) {.turn = friend_turn, .context = w};
    w->signals_left = SIGNALS;
    for (size_t i = 0; i < STREAMS; i++) {
        w->connections[i] = (struct connection) {.world = w, .fd = -1};
        w->streams[i].fd = -1;
    }
    mcq_sim_add_actor(w->sim, &w->server_actor);
    mcq_sim_add_actor(w->sim, &w->friend_actor);
}

/* What was cut off is at its end; nobody waits for anybody. */
static void close_world(struct world *w)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (w->streams[i].fd >= 0)
            close_stream(w, &w->streams[i]);
    w->is_stuck |= !mcq_sim_run_until(w->sim, has_no_connection, w, STEPS_MAX);
    w->is_closing = true;
    mcq_reactor_cancel(w->server, &w->accepting);
    mcq_reactor_cancel(w->friend, &w->timer);
    (void) server_turn(w);
    (void) mcq_reactor_next(w->friend);
    mcq_sim_remove_actor(w->sim, &w->friend_actor);
    mcq_sim_remove_actor(w->sim, &w->server_actor);
    if (w->listener >= 0)
        mcq_reactor_close(w->server, w->listener);
    mcq_ready_free(&w->in);
    mcq_ready_free(&w->out);
    mcq_sleeper_free(&w->sleeper);
    assert_int_equal(mcq_reactor_armed_count(w->server), 0);
    assert_int_equal(mcq_reactor_armed_count(w->client), 0);
    assert_int_equal(mcq_reactor_armed_count(w->friend), 0);
    mcq_reactor_free(&w->server);
    mcq_reactor_free(&w->client);
    mcq_reactor_free(&w->friend);
    assert_int_equal(mcq_sim_open_count(w->sim), 0);
    for (int operation = 0; operation < MCQ_IO_OP_COUNT; operation++)
        for (int result = 0; result < MCQ_IO_RESULT_COUNT; result++)
            reached[operation][result] += mcq_sim_reached(w->sim, (enum mcq_io_operation) operation,
                                                          (enum mcq_io_result) result);
}

static struct outcome run_world(const struct run *run)
{
    static struct world w;
    struct mcq_address address = loopback(0);
    struct outcome outcome;

    open_world(&w, run);
    if (mcq_reactor_listen(w.server, &address, NULL, 8, &w.listener) == MCQ_IO_DONE) {
        mcq_reactor_arm_accept(w.server, &w.accepting, w.listener);
        connect_streams(&w);
        run_client(&w);
    } else {
        w.listener = -1;
    }
    outcome = (struct outcome) {mcq_sim_hash(w.sim), mcq_sim_operation_count(w.sim), w.whole};
    close_world(&w);
    mcq_sim_free(&w.sim);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    if (w.is_wrong || w.is_stuck)
        fail_msg("%s: seed %llu, operation %llu is %s", w.is_wrong ? "wrong octets" : "stuck",
                 (unsigned long long) run->seed, (unsigned long long) run->inject_at,
                 mcq_io_result_text(run->inject));
    return outcome;
}

/* --- tests ----------------------------------------------------------------------------------- */

static const struct mcq_sim_faults rough = {
    .partial = 400,
    .again = 150,
    .spurious = 100,
    .late = 200,
    .delay_max_ns = 1000000,
    .pipe_bytes = 300,
};

static void streams__partial_late_and_disturbed__every_octet_comes_back(void **state)
{
    uint64_t seed = first_seed();

    (void) state;
    print_message("# seeds %llu to %llu\n", (unsigned long long) seed,
                  (unsigned long long) seed + 199);
    for (uint64_t i = 0; i < 200; i++) {
        struct run run = {seed + i, rough, UINT64_MAX, MCQ_IO_DONE};

        run.faults.delay_max_ns *= i % 2; /* every other world is quick */
        if (run_world(&run).whole != STREAMS)
            fail_msg("seed %llu: a stream did not come back", (unsigned long long) run.seed);
    }
}

static void same_seed__same_world__another_seed_another(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run run = {seed, rough, UINT64_MAX, MCQ_IO_DONE};
        struct run other_run = {seed + 1000, rough, UINT64_MAX, MCQ_IO_DONE};
        struct outcome first = run_world(&run);
        struct outcome again = run_world(&run);
        struct outcome other = run_world(&other_run);

        assert_true(first.hash == again.hash && first.operations == again.operations);
        assert_true(first.hash != other.hash);
    }
}

static void faults_at_random__never_wrong_never_stuck(void **state)
{
    uint64_t seed = first_seed();
    unsigned whole = 0;

    (void) state;
    for (uint64_t i = 0; i < 200; i++) {
        struct run run = {seed + i, rough, UINT64_MAX, MCQ_IO_DONE};

        run.faults.fail = 2;
        whole += run_world(&run).whole;
    }
    assert_in_range(whole, 1, 200 * STREAMS - 1); /* some got through, some did not */
}

static void fault_f18__each_result_at_each_operation__never_wrong_never_stuck(void **state)
{
    static const struct mcq_sim_faults calm = {.pipe_bytes = 700};
    struct run run = {1, calm, UINT64_MAX, MCQ_IO_DONE};
    struct outcome outcome = run_world(&run);
    unsigned cuts = 0;

    (void) state;
    assert_int_equal(outcome.whole, STREAMS);
    for (run.inject_at = 0; run.inject_at < outcome.operations; run.inject_at++)
        for (int result = 0; result < MCQ_IO_RESULT_COUNT; result++) {
            run.inject = (enum mcq_io_result) result;
            cuts += run_world(&run).whole < STREAMS;
        }
    assert_true(cuts > outcome.operations); /* the faults were felt */
}

/* Timers do not pass through the table, and streams are canceled while they wait in their polls. */
static bool is_seen_by_the_world(const struct mcq_io_row *row)
{
    return row->operation != MCQ_IO_OP_TIMER &&
           (row->result != MCQ_IO_CANCELED || row->operation == MCQ_IO_OP_POLL);
}

/* After all the others. */
static void table__each_row__was_met(void **state)
{
    (void) state;
    for (int operation = 0; operation < MCQ_IO_OP_COUNT; operation++) {
        unsigned count;
        const struct mcq_io_row *row = mcq_io_rows((enum mcq_io_operation) operation, &count);

        for (; count > 0; row++, count--)
            if (is_seen_by_the_world(row) && reached[operation][row->result] == 0)
                fail_msg("%s never said: %s", mcq_io_operation_name(row->operation),
                         mcq_io_result_text(row->result));
    }
}

/* --- what is armed, and the time ------------------------------------------------------------- */

struct sentry {
    struct mcq_reactor *reactor;
    struct mcq_sim_actor actor;
    int listener;
    struct mcq_op accepting;
    struct mcq_op timer;
    unsigned timers;
};

static bool sentry_turn(void *context)
{
    struct sentry *s = context;
    struct mcq_op *op;

    mcq_reactor_wait(s->reactor, MCQ_NEVER_NS);
    op = mcq_reactor_next(s->reactor);
    s->timers += op == &s->timer;
    return op != NULL;
}

/* One that waits for somebody to accept, in a world of its own. */
static void post_sentry(struct fixture *f, struct sentry *sentry)
{
    struct mcq_address address;

    open_reactor(f, WHICH_SIM);
    *sentry = (struct sentry) {
        .reactor = f->reactor,
        .actor = {.turn = sentry_turn, .context = sentry},
        .listener = listen_somewhere(f, &address),
    };
    mcq_sim_add_actor(f->sim, &sentry->actor);
    mcq_reactor_arm_accept(f->reactor, &sentry->accepting, sentry->listener);
}

static void relieve_sentry(struct fixture *f, struct sentry *sentry)
{
    mcq_sim_remove_actor(f->sim, &sentry->actor);
    mcq_reactor_close(f->reactor, sentry->listener);
    close_reactor(f);
}

static bool has_timer(void *context)
{
    return ((struct sentry *) context)->timers > 0;
}

/* A completion that leads to nothing but another wait is no reason to forget until when. */
static void timer__beside_an_accept_that_finds_nobody__is_waited_for(void **state)
{
    struct fixture f;
    struct sentry sentry;

    (void) state;
    post_sentry(&f, &sentry);
    mcq_reactor_arm_timer(f.reactor, &sentry.timer, mcq_reactor_now_ns(f.reactor) + MS);
    assert_true(mcq_sim_run_until(f.sim, has_timer, &sentry, 10));
    mcq_reactor_cancel(f.reactor, &sentry.accepting);
    assert_true(sentry_turn(&sentry));
    relieve_sentry(&f, &sentry);
}

/* Also a fault may be all that happens. */
static void failure__of_a_poll_that_waits_for_ever__is_met(void **state)
{
    struct fixture f;
    struct sentry sentry;

    (void) state;
    post_sentry(&f, &sentry);
    mcq_sim_inject(f.sim, mcq_sim_operation_count(f.sim) + 1, MCQ_IO_NO_MEMORY);
    for (int step = 0; step < 10 && mcq_op_is_armed(&sentry.accepting); step++)
        assert_true(mcq_sim_step(f.sim));
    assert_false(mcq_op_is_armed(&sentry.accepting));
    assert_int_equal(sentry.accepting.result, MCQ_IO_NO_MEMORY);
    relieve_sentry(&f, &sentry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams__partial_late_and_disturbed__every_octet_comes_back),
        cmocka_unit_test(same_seed__same_world__another_seed_another),
        cmocka_unit_test(faults_at_random__never_wrong_never_stuck),
        cmocka_unit_test(fault_f18__each_result_at_each_operation__never_wrong_never_stuck),
        cmocka_unit_test(table__each_row__was_met),
        cmocka_unit_test(timer__beside_an_accept_that_finds_nobody__is_waited_for),
        cmocka_unit_test(failure__of_a_poll_that_waits_for_ever__is_met),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
