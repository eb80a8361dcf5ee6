/* Ready sets: one report for each edge, on all engines. */

#include <pthread.h>

#include "base/bytes.h"
#include "reactor/ready.h"
#include "reactor/test_support.h"

static const struct mcq_ready_key key_a = {7, 1};
static const struct mcq_ready_key key_b = {INT32_MAX, UINT32_MAX}; /* as large as they get */

static struct mcq_ready_set *new_set(struct fixture *f)
{
    struct mcq_ready_set *set = NULL;

    assert_int_equal(mcq_ready_new(f->reactor, &set), MCQ_OK);
    return set;
}

static void add(struct mcq_ready_set *set, int fd, struct mcq_ready_key key,
                enum mcq_ready_interest interest)
{
    assert_int_equal(mcq_ready_add(set, fd, key, interest), MCQ_IO_DONE);
}

static void assert_event(const struct mcq_ready_event *event, struct mcq_ready_key key,
                         enum mcq_ready_interest interest)
{
    assert_int_equal(event->key.slot, key.slot);
    assert_int_equal(event->key.generation, key.generation);
    assert_int_equal(event->is_in, interest == MCQ_READY_IN);
    assert_int_equal(event->is_out, interest == MCQ_READY_OUT);
}

/* Sleeps on the set's descriptor; then there is this one event. */
static void await_event(struct fixture *f, struct mcq_ready_set *set, struct mcq_ready_key key,
                        enum mcq_ready_interest interest)
{
    struct mcq_ready_event events[4];

    await_poll(f, mcq_ready_fd(set), MCQ_OP_POLL_IN);
    assert_int_equal(mcq_ready_harvest(set, events, MCQ_COUNTOF(events)), 1);
    assert_event(&events[0], key, interest);
}

/* Nothing is reported, now and a little later, and nobody who sleeps on the set is woken. */
static void assert_quiet(struct fixture *f, struct mcq_ready_set *set)
{
    struct mcq_ready_event event;
    struct mcq_op op = {0};

    assert_int_equal(mcq_ready_harvest(set, &event, 1), 0);
    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &op, mcq_ready_fd(set), MCQ_OP_POLL_IN),
                     MCQ_OK);
    pause_ms(f, 2);
    mcq_reactor_cancel(f->reactor, &op);
    assert_ptr_equal(await(f), &op);
    assert_int_equal(op.result, MCQ_IO_CANCELED);
    assert_int_equal(mcq_ready_harvest(set, &event, 1), 0);
}

static void in__reported_once__until_new_octets_come(enum which which)
{
    struct fixture f;
    char room[2];

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    add(set, pair.far, key_a, MCQ_READY_IN);
    assert_quiet(&f, set);
    assert_int_equal(send_text(&f, pair.near, "hello").len, 5);
    await_event(&f, set, key_a, MCQ_READY_IN);
    assert_quiet(&f, set);
    assert_int_equal(recv_some(&f, pair.far, room, sizeof room).len, 2);
    assert_quiet(&f, set); /* what was left unread is not reported again */
    assert_int_equal(send_text(&f, pair.near, "!").len, 1);
    await_event(&f, set, key_a, MCQ_READY_IN);
    assert_int_equal(drain(&f, pair.far), 4);
    assert_quiet(&f, set);
    assert_int_equal(send_text(&f, pair.near, "again").len, 5);
    await_event(&f, set, key_a, MCQ_READY_IN);
    mcq_ready_remove(set, pair.far);
    mcq_ready_free(&set);
    assert_null(set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* A read that says so needs no other one: what comes next is reported. */
static void in__drained_by_a_short_read__next_octets_are_an_edge(enum which which)
{
    struct fixture f;
    struct mcq_io io;
    char room[64];

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    add(set, pair.far, key_a, MCQ_READY_IN);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send_text(&f, pair.near, "hello").len, 5);
        await_event(&f, set, key_a, MCQ_READY_IN);
        io = recv_some(&f, pair.far, room, 3);
        assert_int_equal(io.len, 3);
        assert_false(io.is_drained);
        io = recv_some(&f, pair.far, room, sizeof room);
        assert_int_equal(io.len, 2);
        assert_true(io.is_drained);
    }
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* The end that comes with octets has no edge of its own: it is told with theirs, or the read that
 * takes them does not say that there is no more. */
static void in__octets_and_the_end_at_once__are_read_to_the_end(enum which which)
{
    struct mcq_ready_event event;
    struct fixture f;
    struct mcq_io io;
    char room[64];

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    assert_int_equal(send_text(&f, pair.near, "bye").len, 3);
    mcq_reactor_shutdown(f.reactor, pair.near);
    pause_ms(&f, 2);
    add(set, pair.far, key_a, MCQ_READY_IN);
    await_poll(&f, mcq_ready_fd(set), MCQ_OP_POLL_IN);
    assert_int_equal(mcq_ready_harvest(set, &event, 1), 1);
    io = recv_some(&f, pair.far, room, sizeof room);
    assert_int_equal(io.len, 3);
    assert_true(event.is_end || !io.is_drained);
    assert_int_equal(recv_some(&f, pair.far, room, sizeof room).result, MCQ_IO_END);
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void add__of_what_is_ready__counts_as_an_edge(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *in = new_set(&f);
    struct mcq_ready_set *out = new_set(&f);

    assert_int_equal(send_text(&f, pair.near, "x").len, 1);
    await_poll(&f, pair.far, MCQ_OP_POLL_IN);
    add(in, pair.far, key_a, MCQ_READY_IN);
    add(out, pair.far, key_b, MCQ_READY_OUT);
    await_event(&f, in, key_a, MCQ_READY_IN);
    await_event(&f, out, key_b, MCQ_READY_OUT);
    assert_quiet(&f, in);
    assert_quiet(&f, out);
    mcq_ready_free(&in); /* with a stream in it */
    mcq_ready_free(&out);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void remove__before_the_harvest__nothing_is_reported(enum which which)
{
    struct fixture f;
    struct mcq_ready_key later = {key_a.slot, key_a.generation + 1};

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    add(set, pair.far, key_a, MCQ_READY_IN);
    assert_int_equal(send_text(&f, pair.near, "x").len, 1);
    await_poll(&f, mcq_ready_fd(set), MCQ_OP_POLL_IN);
    mcq_ready_remove(set, pair.far);
    assert_quiet(&f, set);
    assert_int_equal(send_text(&f, pair.near, "y").len, 1);
    assert_quiet(&f, set);
    add(set, pair.far, later, MCQ_READY_IN); /* the slot's next owner */
    await_event(&f, set, later, MCQ_READY_IN);
    mcq_ready_remove(set, pair.far);
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* The set does not know what a generation is: whoever harvested late compares. */
static void fault_f7__keys_of_one_slot__pass_through_with_their_generation(enum which which)
{
    static const struct mcq_ready_key keys[] = {{3, 0}, {3, UINT32_MAX}, {INT32_MAX, 0}, {0, 1}};
    struct mcq_ready_event events[MCQ_COUNTOF(keys) + 1];
    struct pair pairs[MCQ_COUNTOF(keys)];
    struct fixture f;
    unsigned seen = 0;

    open_reactor(&f, which);
    struct mcq_ready_set *set = new_set(&f);

    for (size_t i = 0; i < MCQ_COUNTOF(keys); i++) {
        pairs[i] = connect_pair(&f);
        add(set, pairs[i].far, keys[i], i % 2 == 0 ? MCQ_READY_IN : MCQ_READY_OUT);
        assert_int_equal(send_text(&f, pairs[i].near, "x").len, 1);
        await_poll(&f, pairs[i].far, MCQ_OP_POLL_IN);
    }
    assert_int_equal(mcq_ready_harvest(set, events, MCQ_COUNTOF(events)), MCQ_COUNTOF(keys));
    for (size_t i = 0; i < MCQ_COUNTOF(keys); i++) {
        size_t j = 0;

        while (memcmp(&events[i].key, &keys[j], sizeof keys[j]) != 0)
            assert_true(++j < MCQ_COUNTOF(keys));
        assert_event(&events[i], keys[j], j % 2 == 0 ? MCQ_READY_IN : MCQ_READY_OUT);
        seen |= 1u << j;
    }
    assert_int_equal(seen, (1u << MCQ_COUNTOF(keys)) - 1);
    for (size_t i = 0; i < MCQ_COUNTOF(keys); i++) {
        mcq_ready_remove(set, pairs[i].far);
        close_pair(&f, &pairs[i]);
    }
    mcq_ready_free(&set);
    close_reactor(&f);
}

static void end__of_the_peer__is_an_edge_of_in(enum which which)
{
    struct fixture f;
    char room[16];

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    add(set, pair.far, key_a, MCQ_READY_IN);
    assert_int_equal(send_text(&f, pair.near, "last").len, 4);
    await_event(&f, set, key_a, MCQ_READY_IN);
    mcq_reactor_shutdown(f.reactor, pair.near);
    await_event(&f, set, key_a, MCQ_READY_IN); /* while octets are left unread */
    assert_int_equal(recv_some(&f, pair.far, room, sizeof room).len, 4);
    assert_int_equal(recv_some(&f, pair.far, room, sizeof room).result, MCQ_IO_END);
    mcq_ready_remove(set, pair.far);
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* Both directions of a connection that fails hear of it, the full one too. */
static void reset__is_an_edge_of_in_and_of_out(enum which which)
{
    struct fixture f;
    char room[16];

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *in = new_set(&f);
    struct mcq_ready_set *out = new_set(&f);

    (void) fill(&f, pair.near);
    add(in, pair.near, key_a, MCQ_READY_IN);
    add(out, pair.near, key_b, MCQ_READY_OUT);
    assert_quiet(&f, in);
    assert_quiet(&f, out);
    close_with_reset(&f, pair.far);
    await_event(&f, in, key_a, MCQ_READY_IN);
    await_event(&f, out, key_b, MCQ_READY_OUT);
    assert_int_equal(recv_some(&f, pair.near, room, sizeof room).result, MCQ_IO_RESET);
    assert_int_equal(send_text(&f, pair.near, "x").result, MCQ_IO_RESET);
    mcq_ready_remove(in, pair.near);
    mcq_ready_remove(out, pair.near);
    mcq_ready_free(&in);
    mcq_ready_free(&out);
    mcq_reactor_close(f.reactor, pair.near);
    mcq_reactor_close(f.reactor, pair.listener);
    close_reactor(&f);
}

static void out__after_again__reported_once_the_peer_has_read(enum which which)
{
    struct fixture f;
    size_t len;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *out = new_set(&f);

    len = fill(&f, pair.near);
    add(out, pair.near, key_a, MCQ_READY_OUT);
    assert_quiet(&f, out);
    for (int round = 0; round < 3; round++) {
        while (len > 0) {
            await_poll(&f, pair.far, MCQ_OP_POLL_IN);
            len -= drain(&f, pair.far);
        }
        await_poll(&f, mcq_ready_fd(out), MCQ_OP_POLL_IN);
        /* Room may come in several steps, each of them an edge. */
        struct mcq_ready_event event;

        while (mcq_ready_harvest(out, &event, 1) == 1)
            assert_event(&event, key_a, MCQ_READY_OUT);
        if (which == WHICH_SIM) /* on a busy machine some steps come late */
            assert_quiet(&f, out);
        len = fill(&f, pair.near);
        assert_true(len > 0);
        while (mcq_ready_harvest(out, &event, 1) == 1) /* while it was filled */
            assert_event(&event, key_a, MCQ_READY_OUT);
        if (which == WHICH_SIM)
            assert_quiet(&f, out);
    }
    mcq_ready_remove(out, pair.near);
    mcq_ready_free(&out);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* Who sleeps until it can send is not woken by what arrives, nor the other way round. */
static void two_sets__each_with_edges_of_its_own(enum which which)
{
    struct fixture f;
    size_t len;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *in = new_set(&f);
    struct mcq_ready_set *other = new_set(&f);
    struct mcq_ready_set *out = new_set(&f);

    len = fill(&f, pair.near);
    add(in, pair.near, key_a, MCQ_READY_IN);
    add(other, pair.near, key_b, MCQ_READY_IN);
    add(out, pair.near, key_a, MCQ_READY_OUT);
    assert_int_equal(send_text(&f, pair.far, "x").len, 1);
    await_event(&f, in, key_a, MCQ_READY_IN);
    assert_quiet(&f, in);
    assert_quiet(&f, out);
    await_event(&f, other, key_b, MCQ_READY_IN); /* a harvest takes its own set's alone */
    while (len > 0) {
        await_poll(&f, pair.far, MCQ_OP_POLL_IN);
        len -= drain(&f, pair.far);
    }
    await_poll(&f, mcq_ready_fd(out), MCQ_OP_POLL_IN);
    assert_quiet(&f, in);
    assert_quiet(&f, other);
    mcq_ready_remove(out, pair.near);
    assert_quiet(&f, out);
    mcq_ready_free(&out);
    assert_int_equal(send_text(&f, pair.far, "y").len, 1); /* the others go on */
    await_event(&f, in, key_a, MCQ_READY_IN);
    await_event(&f, other, key_b, MCQ_READY_IN);
    mcq_ready_remove(in, pair.near);
    mcq_ready_remove(other, pair.near);
    mcq_ready_free(&in);
    mcq_ready_free(&other);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void poll__of_the_set__completes_with_the_next_edge(enum which which)
{
    struct fixture f;
    struct mcq_op op = {0};
    struct mcq_ready_event event;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct mcq_ready_set *set = new_set(&f);

    add(set, pair.far, key_a, MCQ_READY_IN);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(mcq_reactor_arm_poll(f.reactor, &op, mcq_ready_fd(set), MCQ_OP_POLL_IN),
                         MCQ_OK);
        pause_ms(&f, 1);
        assert_true(mcq_op_is_armed(&op));
        assert_int_equal(send_text(&f, pair.near, "x").len, 1);
        assert_ptr_equal(await(&f), &op);
        assert_int_equal(op.result, MCQ_IO_DONE);
        /* It stays readable until the harvest. */
        await_poll(&f, mcq_ready_fd(set), MCQ_OP_POLL_IN);
        assert_int_equal(mcq_ready_harvest(set, &event, 1), 1);
        assert_int_equal(drain(&f, pair.far), 1);
    }
    mcq_ready_remove(set, pair.far);
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void harvest__of_more_than_there_is_room_for__takes_each_once(enum which which)
{
    enum { COUNT = 150 }; /* more than two batches of the kernel's */
    static struct pair pairs[COUNT];
    static bool is_seen[COUNT];
    struct mcq_ready_event events[100];
    struct fixture f;
    size_t seen = 0;
    size_t taken;

    memset(is_seen, 0, sizeof is_seen);
    open_reactor(&f, which);
    struct mcq_ready_set *set = new_set(&f);

    for (uint32_t i = 0; i < COUNT; i++) {
        pairs[i] = connect_pair(&f);
        add(set, pairs[i].far, (struct mcq_ready_key) {i, i}, MCQ_READY_IN);
        assert_int_equal(send_text(&f, pairs[i].near, "x").len, 1);
        await_poll(&f, pairs[i].far, MCQ_OP_POLL_IN);
    }
    for (size_t most = 7; (taken = mcq_ready_harvest(set, events, most)) > 0; most = 100) {
        assert_int_equal(taken, mcq_min_size(most, COUNT - seen));
        for (size_t i = 0; i < taken; i++) {
            assert_false(is_seen[events[i].key.slot]);
            is_seen[events[i].key.slot] = true;
        }
        seen += taken;
    }
    assert_int_equal(seen, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        mcq_ready_remove(set, pairs[i].far);
        close_pair(&f, &pairs[i]);
    }
    mcq_ready_free(&set);
    close_reactor(&f);
}

static void new__without_memory_or_descriptors__says_so(enum which which)
{
    struct fixture f;
    struct rlimit before;
    struct mcq_ready_set *set = NULL;

    open_reactor(&f, which);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_ready_new(f.reactor, &set), MCQ_NOMEM);
    assert_null(set);
    mcq_alloc_fail_at(0);
    if (which != WHICH_SIM) {
        before = take_descriptors();
        assert_int_equal(mcq_ready_new(f.reactor, &set), MCQ_NO_FDS);
        assert_null(set);
        give_descriptors(&before);
    }
    set = new_set(&f);
    mcq_ready_free(&set);
    close_reactor(&f);
}

/* --- threads --------------------------------------------------------------------------------- */

#define CLOSERS 4
#define ROUNDS 300

static void *close_streams(void *argument)
{
    struct fixture *f = argument;

    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        struct mcq_ready_set *set = NULL;
        struct mcq_ready_event event;
        bool is_fine;

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
            mcq_ready_new(f->reactor, &set) != MCQ_OK)
            return f;
        is_fine = mcq_ready_add(set, fds[0], key_a, MCQ_READY_OUT) == MCQ_IO_DONE &&
                  mcq_ready_harvest(set, &event, 1) == 1 && event.is_out;
        mcq_ready_remove(set, fds[0]);
        mcq_ready_free(&set);
        mcq_reactor_close(f->reactor, fds[0]);
        mcq_reactor_close(f->reactor, fds[1]);
        if (!is_fine)
            return f;
    }
    return NULL;
}

/* Descriptors come and go under other threads while the owner arms polls of its own. */
static void other_threads__make_and_close__while_the_owner_arms(enum which which)
{
    pthread_t threads[CLOSERS];
    struct fixture f;
    void *failed;

    open_reactor(&f, which);
    for (size_t i = 0; i < CLOSERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, close_streams, &f), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct pair pair = connect_pair(&f);

        await_poll(&f, pair.near, MCQ_OP_POLL_OUT);
        close_pair(&f, &pair);
    }
    for (size_t i = 0; i < CLOSERS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    close_reactor(&f);
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(in__reported_once__until_new_octets_come)                                                    \
    X(in__drained_by_a_short_read__next_octets_are_an_edge)                                        \
    X(in__octets_and_the_end_at_once__are_read_to_the_end)                                         \
    X(add__of_what_is_ready__counts_as_an_edge)                                                    \
    X(remove__before_the_harvest__nothing_is_reported)                                             \
    X(fault_f7__keys_of_one_slot__pass_through_with_their_generation)                              \
    X(end__of_the_peer__is_an_edge_of_in)                                                          \
    X(reset__is_an_edge_of_in_and_of_out)                                                          \
    X(out__after_again__reported_once_the_peer_has_read)                                           \
    X(two_sets__each_with_edges_of_its_own)                                                        \
    X(poll__of_the_set__completes_with_the_next_edge)                                              \
    X(harvest__of_more_than_there_is_room_for__takes_each_once)                                    \
    X(new__without_memory_or_descriptors__says_so)

#define ON_THE_KERNEL(X) X(other_threads__make_and_close__while_the_owner_arms)

ON_EVERY_ENGINE(ENGINE_TESTS)
ON_THE_KERNEL(KERNEL_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS) ON_THE_KERNEL(KERNEL_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
