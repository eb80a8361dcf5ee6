/* Peers that say too much which is for nobody to receive: read as far as others do not suffer. */

#include "pump/link_parts.h"
#include "session/state.h"
#include "socket/test_support.h"

#define MS UINT64_C(1000000)
#define UNKNOWN "\4\11\5WHAT?xyz" /* a command that nobody knows */
#define UNKNOWN_BYTES 11
#define UNKNOWN_COUNTS_AS (9 + MCQ_REST_COMMAND_BYTES)
#define COMMANDS 2000

static const uint8_t ping[] = {4, 8, 4, 'P', 'I', 'N', 'G', 0, 0, '?'};
static const uint8_t pong[] = {4, 6, 4, 'P', 'O', 'N', 'G', '?'};

/* A PULL, and bare ends that say to it what they like. */
struct fixture {
    struct world world;
    struct end pull;
    struct end others;
    struct joined loud;
    struct joined calm;
};

static void start(struct fixture *f)
{
    world_init(&f->world, 0);
    end_init(&f->pull, &f->world, MCQ_SOCKET_TYPE_PULL);
    end_init_bare(&f->others, &f->world, MCQ_SOCKET_TYPE_PUSH);
    f->loud = join(&f->others, &f->pull);
    f->calm = join(&f->others, &f->pull);
    settle(&f->world);
}

static struct mcq_link *loud_link(const struct fixture *f)
{
    return &f->loud.far->peer.link;
}

static void say_unknown(const struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        send_raw(f->loud.near, UNKNOWN, UNKNOWN_BYTES);
}

/* As the runtime does after a while. */
static void wake(struct fixture *f)
{
    assert_true(f->pull.group.has_resting);
    f->pull.group.has_resting = false;
    mcq_link_wake(loud_link(f));
    f->pull.ops->readable(f->pull.pattern, &f->loud.far->peer);
}

static uint64_t read_bytes(const struct fixture *f)
{
    return loud_link(f)->session->frames.offset;
}

static void fault_c7__commands_without_end__rest_after_their_share__and_nobody_waits(void **state)
{
    struct fixture f;
    uint64_t read_before;
    int wakes = 0;

    (void) state;
    start(&f);
    say_unknown(&f, COMMANDS);
    send_raw(f.loud.near, "\0\4late", 6);
    put_text(f.calm.near, "one", false);
    settle(&f.world);
    read_before = read_bytes(&f);
    EXPECT(&f.pull, "one");
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    while (wakes < COMMANDS) {
        uint64_t count = (read_bytes(&f) - read_before) / UNKNOWN_BYTES;

        if (!loud_link(&f)->is_resting)
            break;
        assert_int_equal(count, MCQ_REST_GROUP_BYTES / UNKNOWN_COUNTS_AS + 1);
        assert_false(mcq_link_is_readable(loud_link(&f)));
        assert_true(mcq_link_has_unread(loud_link(&f))); /* so its silence does not count */
        put_text(f.calm.near, "between", false);
        settle(&f.world);
        EXPECT(&f.pull, "between");
        EXPECT_ERR(&f.pull, MCQ_AGAIN); /* however often it is asked */
        assert_int_equal(read_bytes(&f) - read_before, count * UNKNOWN_BYTES);
        read_before = read_bytes(&f);
        wakes++;
        wake(&f);
        if (recv_err(&f.pull) == MCQ_OK)
            break;
    }
    assert_int_equal(wakes, COMMANDS / (MCQ_REST_GROUP_BYTES / UNKNOWN_COUNTS_AS + 1));
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    world_fini(&f.world);
}

/* The engine reads ahead for an owner who is away: the same share. */
static void prefetch__of_who_rests__reads_nothing(void **state)
{
    struct fixture f;
    uint64_t read_before;

    (void) state;
    start(&f);
    read_before = read_bytes(&f);
    say_unknown(&f, COMMANDS);
    settle(&f.world);
    for (int i = 0; i < 3; i++) {
        prefetch(&f.pull);
        assert_true(loud_link(&f)->is_resting);
        assert_int_equal((read_bytes(&f) - read_before) / UNKNOWN_BYTES,
                         MCQ_REST_GROUP_BYTES / UNKNOWN_COUNTS_AS + 1);
    }
    world_fini(&f.world);
}

/* While all that there is for commands is spent by one peer, the others' heartbeats go on. */
static void heartbeats__beside_a_flood__are_answered_at_once(void **state)
{
    uint8_t octets[64];
    struct iovec iov = {octets, sizeof octets};
    struct fixture f;
    struct mcq_io io;

    (void) state;
    start(&f);
    say_unknown(&f, COMMANDS);
    settle(&f.world);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    assert_true(loud_link(&f)->is_resting);
    for (int i = 0; i < 10; i++) {
        send_raw(f.calm.near, ping, sizeof ping);
        put_text(f.calm.near, "behind it", false);
        settle(&f.world);
        EXPECT(&f.pull, "behind it");
        settle(&f.world);
        io = mcq_reactor_recv(f.world.reactor, f.calm.near->peer.link.fd, &iov, 1);
        assert_int_equal(io.result, MCQ_IO_DONE);
        assert_int_equal(io.len, sizeof pong);
        assert_memory_equal(octets, pong, sizeof pong);
    }
    assert_false(f.calm.far->peer.link.is_resting);
    world_fini(&f.world);
}

static void commands__as_time_goes_by__never_rest(void **state)
{
    const int count = MCQ_REST_GROUP_BYTES / UNKNOWN_COUNTS_AS;
    struct fixture f;

    (void) state;
    start(&f);
    for (int i = 0; i < 10; i++) {
        say_unknown(&f, count);
        send_raw(f.loud.near, "\0\1m", 3);
        settle(&f.world);
        EXPECT(&f.pull, "m");
        EXPECT_ERR(&f.pull, MCQ_AGAIN);
        assert_false(loud_link(&f)->is_resting);
        mcq_sim_jump(f.world.sim, MCQ_REST_WINDOW_NS);
    }
    world_fini(&f.world);
}

/* Each PING is answered, and the stream to its peer is not the reason to wait. */
static void pings_without_end__rest__and_are_all_answered(void **state)
{
    const size_t count = MCQ_REST_GROUP_BYTES / (8 + MCQ_REST_COMMAND_BYTES) + 1;
    static uint8_t octets[16384];
    struct iovec iov = {octets, sizeof octets};
    struct fixture f;
    struct mcq_io io;

    (void) state;
    start(&f);
    for (size_t i = 0; i < count + 5; i++)
        send_raw(f.loud.near, ping, sizeof ping);
    settle(&f.world);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    settle(&f.world);
    io = mcq_reactor_recv(f.world.reactor, f.loud.near->peer.link.fd, &iov, 1);
    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, count * sizeof pong);
    wake(&f);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    assert_false(loud_link(&f)->is_resting);
    settle(&f.world);
    io = mcq_reactor_recv(f.world.reactor, f.loud.near->peer.link.fd, &iov, 1);
    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, 5 * sizeof pong);
    world_fini(&f.world);
}

/* What it has said rests in our memory, so it is little. */
static void who_has_rested__is_read_a_little_at_a_time__for_a_while(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    say_unknown(&f, COMMANDS);
    settle(&f.world);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    assert_true(loud_link(&f)->rpump.unread[1].len > MCQ_REST_WARY_BYTES);
    for (int i = 0; loud_link(&f)->is_resting; i++) {
        assert_true(i < COMMANDS);
        wake(&f);
        EXPECT_ERR(&f.pull, MCQ_AGAIN);
    }
    say_unknown(&f, COMMANDS);
    settle(&f.world);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    assert_true(loud_link(&f)->is_resting);
    assert_true(loud_link(&f)->rpump.unread[1].len <= MCQ_REST_WARY_BYTES);
    while (loud_link(&f)->is_resting) {
        wake(&f);
        EXPECT_ERR(&f.pull, MCQ_AGAIN);
    }
    mcq_sim_jump(f.world.sim, 1000 * MS);
    send_raw(f.loud.near, "\0\1m", 3); /* whose read tells that time has passed */
    settle(&f.world);
    EXPECT(&f.pull, "m");
    say_unknown(&f, COMMANDS);
    settle(&f.world);
    EXPECT_ERR(&f.pull, MCQ_AGAIN);
    assert_true(loud_link(&f)->rpump.unread[1].len > MCQ_REST_WARY_BYTES);
    world_fini(&f.world);
}

static void end__of_who_rests__what_it_has_said_is_kept(void **state)
{
    (void) state;
    for (int by_ping = 0; by_ping < 2; by_ping++) {
        struct fixture f;

        start(&f);
        for (int i = 0; i < COMMANDS; i++)
            send_raw(f.loud.near, by_ping ? (const char *) ping : UNKNOWN,
                     by_ping ? sizeof ping : UNKNOWN_BYTES);
        send_raw(f.loud.near, "\0\4last", 6);
        settle(&f.world);
        EXPECT_ERR(&f.pull, MCQ_AGAIN);
        assert_true(loud_link(&f)->is_resting);
        mcq_link_lose(&f.loud.near->peer.link, MCQ_CLOSED);
        mcq_link_lose(loud_link(&f), MCQ_CLOSED); /* a write has failed, perhaps */
        settle(&f.world);
        EXPECT(&f.pull, "last");
        EXPECT_ERR(&f.pull, MCQ_AGAIN);
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(fault_c7__commands_without_end__rest_after_their_share__and_nobody_waits),
        LEDGER_TEST(prefetch__of_who_rests__reads_nothing),
        LEDGER_TEST(heartbeats__beside_a_flood__are_answered_at_once),
        LEDGER_TEST(commands__as_time_goes_by__never_rest),
        LEDGER_TEST(pings_without_end__rest__and_are_all_answered),
        LEDGER_TEST(who_has_rested__is_read_a_little_at_a_time__for_a_while),
        LEDGER_TEST(end__of_who_rests__what_it_has_said_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
