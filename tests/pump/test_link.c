/* A link that is up: octets, messages, control. */

#include "pump/link_support.h"

#define MS UINT64_C(1000000)
#define PREFETCH_BYTES 1048576 /* bodies that wait for the application */

/* --- octets ---------------------------------------------------------------------------------- */

static void streams_of_every_size__messages_arrive_whole(void **state)
{
    static const size_t lens[] = {0, 1, 55, 56, 57, 253, 255, 256, 300, 4096, 4097, 9000};
    static uint8_t body[9000];

    (void) state;
    for (size_t pipe_bytes = 1; pipe_bytes < 300; pipe_bytes += 1 + pipe_bytes / 4) {
        struct fixture f;

        start_with(&f, pipe_bytes, 0, 0);
        for (size_t i = 0; i < MCQ_COUNTOF(lens); i++) {
            memset(body, (int) i, sizeof body);
            assert_int_equal(put_bytes(f.near, mcq_bytes(body, lens[i]), i % 3 > 0), MCQ_OK);
        }
        put_text(f.near, "end", false);
        for (int turn = 0; turn < 30000 && f.far->peer.link.in.message_count < 5; turn++)
            carry_over(&f, 1);
        for (size_t i = 0; i < MCQ_COUNTOF(lens); i++)
            expect_part(f.far, (uint8_t) i, lens[i], i % 3 > 0);
        TAKE(f.far, "end");
        assert_int_equal(take_err(f.far), MCQ_AGAIN);
        assert_int_equal(mcq_link_waiting_count(&f.near->peer.link), 0);
        world_fini(&f.world);
    }
}

static void megabyte__and_nothing__both_ways(void **state)
{
    static uint8_t body[1 << 20];
    struct fixture f;

    (void) state;
    start_with(&f, 1 << 16, 0, 0);
    memset(body, 'm', sizeof body);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), true), MCQ_OK);
        put_text(f.near, "", false);
        put_text(f.far, "", true);
        assert_int_equal(put_bytes(f.far, mcq_bytes(body, sizeof body), false), MCQ_OK);
    }
    for (int turn = 0; turn < 100; turn++) {
        carry_over(&f, 1);
        (void) mcq_link_prefetch(&f.near->peer.link);
    }
    for (int i = 0; i < 3; i++) {
        expect_part(f.far, 'm', sizeof body, true);
        TAKE(f.far, "");
        TAKE_MORE(f.near, "");
        expect_part(f.near, 'm', sizeof body, false);
        for (int turn = 0; turn < 100; turn++) { /* beyond its bound nothing is received ahead */
            carry_over(&f, 1);
            (void) mcq_link_prefetch(&f.near->peer.link);
        }
    }
    world_fini(&f.world);
}

static void batch__leaves_by_itself(void **state)
{
    static uint8_t body[4000];
    struct fixture f;
    uint64_t before;

    (void) state;
    start_with(&f, 1 << 20, 0, 0);
    settle(&f.world);
    before = f.a.group.flush_count;
    for (size_t len = 0; len + sizeof body < MCQ_WPUMP_BATCH_BYTES; len += sizeof body + 9)
        assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
    assert_int_equal(f.a.group.flush_count, before);
    assert_ptr_equal(f.a.group.dirty_first, &f.near->peer.link);
    assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
    assert_int_equal(f.a.group.flush_count, before + 1);
    assert_null(f.a.group.dirty_first);
    world_fini(&f.world);
}

/* --- messages -------------------------------------------------------------------------------- */

static void first_part__is_not_handed_out_before_the_last_came(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    send_raw(f.near, "\1\1a", 3);
    settle(&f.world);
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    assert_false(mcq_link_is_readable(&f.far->peer.link));
    send_raw(f.near, "\1\1b\0", 4);
    settle(&f.world);
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    send_raw(f.near, "\1c\0\1d", 5);
    settle(&f.world);
    TAKE_MORE(f.far, "a");
    TAKE_MORE(f.far, "b");
    TAKE(f.far, "c");
    TAKE(f.far, "d");
    world_fini(&f.world);
}

static void begun_message__does_not_leave__and_can_be_taken_back(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    put_text(f.near, "whole", false);
    put_text(f.near, "begun", true);
    assert_int_equal(mcq_link_waiting_count(&f.near->peer.link), 2);
    settle(&f.world);
    assert_int_equal(mcq_link_waiting_count(&f.near->peer.link), 1);
    mcq_link_cut(&f.near->peer.link);
    assert_int_equal(mcq_link_waiting_count(&f.near->peer.link), 0);
    put_text(f.near, "next", false);
    settle(&f.world);
    TAKE(f.far, "whole");
    TAKE(f.far, "next");
    world_fini(&f.world);
}

static void high_water_mark__counts_messages__and_lets_in_what_was_begun(void **state)
{
    struct mcq_part part = {.body = mcq_bytes_of("x")};
    struct fixture f;

    (void) state;
    start_with(&f, 4, 2, 0); /* the stream holds a message and a bit */
    put_text(f.near, "x", true);
    for (int i = 0; i < 50; i++)
        put_text(f.near, "y", true);
    put_text(f.near, "z", false);
    put_text(f.near, "x", false);
    assert_int_equal(mcq_link_put(&f.near->peer.link, &part), MCQ_AGAIN);
    assert_true(f.near->peer.link.is_full);
    assert_false(mcq_link_has_room(&f.near->peer.link));
    assert_int_equal(f.a.room_count, 0);
    for (int turn = 0; turn < 100 && f.a.room_count == 0; turn++)
        carry_over(&f, 1);
    assert_int_equal(f.a.room_count, 1);
    assert_false(f.near->peer.link.is_full);
    assert_int_equal(mcq_link_put(&f.near->peer.link, &part), MCQ_OK);
    world_fini(&f.world);
}

/* As far ahead of the application as the marks allow, and one message more at most. */
static void prefetch__is_bounded_by_messages_and_by_octets(void **state)
{
    static uint8_t body[100000];
    struct fixture f;

    (void) state;
    start_with(&f, 1 << 22, 0, 5);
    for (int i = 0; i < 20; i++)
        put_text(f.near, "one of many", false);
    carry_over(&f, 10);
    assert_int_equal(f.far->peer.link.in.message_count, 5);
    for (int i = 0; i < 20; i++)
        TAKE(f.far, "one of many");
    world_fini(&f.world);

    start_with(&f, 1 << 22, 0, 0);
    for (int i = 0; i < 30; i++)
        assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
    carry_over(&f, 10);
    assert_in_range(f.far->peer.link.in.body_bytes, PREFETCH_BYTES, PREFETCH_BYTES + sizeof body);
    for (int i = 0; i < 30; i++)
        expect_part(f.far, 0, sizeof body, false);
    assert_int_equal(f.far->peer.link.in.body_bytes, 0);
    world_fini(&f.world);
}

static void dropped_input__leaves_the_part_that_is_due_and_counts_for_nothing_more(void **state)
{
    static uint8_t body[10000];
    struct fixture f;

    (void) state;
    start_with(&f, 1 << 16, 0, 0);
    memset(body, 'd', sizeof body);
    assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), true), MCQ_OK);
    assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
    assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
    put_text(f.near, "short", false);
    carry_over(&f, 20);
    expect_part(f.far, 'd', sizeof body, true);
    mcq_link_drop_input(&f.far->peer.link);
    assert_true(f.far->peer.link.in.body_bytes > 0); /* the second part of what was begun */
    expect_part(f.far, 'd', sizeof body, false);
    assert_int_equal(f.far->peer.link.in.body_bytes, 0);
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    world_fini(&f.world);
}

/* --- control --------------------------------------------------------------------------------- */

static const uint8_t pong[] = {4, 6, 4, 'P', 'O', 'N', 'G', '?'}; /* that answers ping */

static void ping__is_answered_between_messages(void **state)
{
    uint8_t octets[64];
    struct iovec iov = {octets, sizeof octets};
    struct fixture f;
    struct mcq_io io;

    (void) state;
    start(&f);
    settle(&f.world);
    send_raw(f.near, ping, sizeof ping);
    settle(&f.world);
    put_text(f.far, "begun", true);
    assert_int_equal(take_err(f.far), MCQ_AGAIN); /* reading answers it at once */
    io = mcq_reactor_recv(f.world.reactor, f.near->peer.link.fd, &iov, 1);
    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, sizeof pong);
    assert_memory_equal(octets, pong, sizeof pong);
    world_fini(&f.world);
}

/* The end has been said: a PONG that cannot leave must not end the connection early, for what the
 * peer has not read yet would go with it. */
static void shut__pings_are_heard_without_an_answer__and_the_link_goes_on(void **state)
{
    uint8_t octets[64];
    struct iovec iov = {octets, sizeof octets};
    struct fixture f;
    struct mcq_io io;

    (void) state;
    start(&f);
    settle(&f.world);
    mcq_link_shut(&f.far->peer.link);
    for (int i = 0; i < 3; i++) {
        send_raw(f.near, ping, sizeof ping);
        settle(&f.world);
        mcq_link_set_readable(&f.far->peer.link);
        assert_int_equal(take_err(f.far), MCQ_AGAIN);
        assert_int_equal(mcq_link_flush(&f.far->peer.link), MCQ_OK);
    }
    assert_false(f.far->peer.link.is_lost);
    io = mcq_reactor_recv(f.world.reactor, f.near->peer.link.fd, &iov, 1);
    assert_int_equal(io.result, MCQ_IO_END);
    world_fini(&f.world);
}

/* Who does not read what is sent is not answered without end either. */
static void fault_c7__pings_without_end_while_nothing_can_leave__are_not_read(void **state)
{
    struct fixture f;

    (void) state;
    start_with(&f, 30, 0, 0);
    settle(&f.world);
    for (int i = 0; i < 1000; i++) {
        struct iovec iov = {(void *) (uintptr_t) ping, sizeof ping};
        struct mcq_io io = mcq_reactor_send(f.world.reactor, f.near->peer.link.fd, &iov, 1);

        if (io.result == MCQ_IO_AGAIN)
            break;
        assert_true(i < 100);
        if (io.len < sizeof ping) /* the rest would have to follow */
            break;
        mcq_link_set_readable(&f.far->peer.link);
        assert_int_equal(take_err(f.far), MCQ_AGAIN);
        assert_true(f.far->peer.link.session->out.len <= sizeof pong);
    }
    assert_true(f.far->peer.link.is_blocked);
    assert_true(mcq_link_is_readable(&f.far->peer.link)); /* what is left of them */
    world_fini(&f.world);
}

#define TALK_COUNT 40

/* Both streams are full of a message that does not fit, and in both a PING follows another: none of
 * the two PONG can leave before the other peer reads on. */
static void fault_c7__pings_both_ways_while_both_are_full_of_messages__are_read_on(void **state)
{
    static const uint8_t body[500];
    struct fixture f;

    (void) state;
    start_with(&f, 60, 0, 0);
    put_text(f.near, "first", false);
    put_text(f.far, "first", false);
    settle(&f.world);
    TAKE(f.near, "first");
    TAKE(f.far, "first");
    for (int i = 0; i < 3; i++) {
        send_raw(f.near, ping, sizeof ping);
        send_raw(f.far, ping, sizeof ping);
    }
    for (int i = 0; i < TALK_COUNT; i++) {
        assert_int_equal(put_bytes(f.near, mcq_bytes(body, sizeof body), false), MCQ_OK);
        assert_int_equal(put_bytes(f.far, mcq_bytes(body, sizeof body), false), MCQ_OK);
    }
    for (int turn = 0; turn < 1000; turn++) {
        carry_over(&f, 1);
        (void) mcq_link_prefetch(&f.near->peer.link);
        assert_true(f.near->peer.link.session->out.len <= 2 * sizeof pong);
    }
    for (int i = 0; i < TALK_COUNT; i++) {
        expect_part(f.far, 0, sizeof body, false);
        expect_part(f.near, 0, sizeof body, false);
    }
    assert_int_equal(take_err(f.near), MCQ_AGAIN);
    world_fini(&f.world);
}

static void heartbeat__silent_peer__is_lost(void **state)
{
    struct fixture f;
    struct joined joined;
    uint64_t at_ns;

    (void) state;
    world_init(&f.world, 0);
    end_init_bare(&f.a, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f.b, &f.world, MCQ_SOCKET_TYPE_DEALER);
    f.a.config.heartbeat_ns = 100 * MS;
    f.a.config.heartbeat_timeout_ns = 50 * MS;
    joined = join(&f.a, &f.b);
    settle(&f.world);
    assert_true(mcq_link_deadline_ns(&joined.far->peer.link) == MCQ_NEVER_NS);
    for (int i = 0; i < 3; i++) { /* as long as it answers */
        at_ns = mcq_link_deadline_ns(&joined.near->peer.link);
        mcq_sim_jump(f.world.sim, at_ns - mcq_reactor_now_ns(f.world.reactor));
        mcq_link_tick(&joined.near->peer.link, at_ns);
        settle(&f.world);
        assert_int_equal(take_err(joined.far), MCQ_AGAIN); /* PING in, PONG out */
        settle(&f.world);
        assert_int_equal(take_err(joined.near), MCQ_AGAIN);
        assert_false(joined.near->peer.link.is_lost);
    }
    for (int i = 0; i < 2; i++) {
        at_ns = mcq_link_deadline_ns(&joined.near->peer.link);
        mcq_sim_jump(f.world.sim, at_ns - mcq_reactor_now_ns(f.world.reactor));
        mcq_link_tick(&joined.near->peer.link, at_ns);
    }
    assert_true(joined.near->peer.link.is_lost);
    settle(&f.world);
    assert_int_equal(f.a.lost_by, MCQ_TIMEOUT);
    world_fini(&f.world);
}

/* While nothing is read the peer's silence does not count; from then on it does, all of it. */
static void fault_d3__silence_while_we_do_not_read__is_not_held_against_the_peer(void **state)
{
    (void) state;
    for (int by_ttl = 0; by_ttl < 2; by_ttl++) {
        struct fixture f;
        struct joined joined;
        struct mcq_link *judge;
        uint64_t at_ns;

        world_init(&f.world, 0);
        end_init_bare(&f.a, &f.world, MCQ_SOCKET_TYPE_DEALER);
        end_init_bare(&f.b, &f.world, MCQ_SOCKET_TYPE_DEALER);
        f.a.config.heartbeat_ns = 100 * MS; /* a asks, and says when it is to be given up */
        f.a.config.heartbeat_timeout_ns = 50 * MS;
        f.a.config.heartbeat_ttl_ds = 3;
        joined = join(&f.a, &f.b);
        settle(&f.world);
        at_ns = mcq_link_deadline_ns(&joined.near->peer.link);
        mcq_sim_jump(f.world.sim, at_ns - mcq_reactor_now_ns(f.world.reactor));
        mcq_link_tick(&joined.near->peer.link, at_ns);
        settle(&f.world);
        if (by_ttl) /* PING in: from now on b judges a */
            assert_int_equal(take_err(joined.far), MCQ_AGAIN);
        judge = by_ttl ? &joined.far->peer.link : &joined.near->peer.link;
        for (int i = 0; i < 100; i++) { /* its queue is full: it does not read */
            at_ns = mcq_link_deadline_ns(judge);
            assert_true(at_ns != MCQ_NEVER_NS);
            mcq_sim_jump(f.world.sim, at_ns - mcq_reactor_now_ns(f.world.reactor));
            mcq_link_set_readable(judge);
            mcq_link_tick(judge, at_ns);
            assert_false(judge->is_lost);
        }
        judge->can_read = false;
        at_ns += (by_ttl ? 300 : 50) * MS - 1;
        mcq_link_tick(judge, at_ns);
        assert_false(judge->is_lost);
        mcq_link_tick(judge, at_ns + 1);
        assert_true(judge->is_lost);
        settle(&f.world);
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(streams_of_every_size__messages_arrive_whole),
        LEDGER_TEST(megabyte__and_nothing__both_ways),
        LEDGER_TEST(batch__leaves_by_itself),
        LEDGER_TEST(first_part__is_not_handed_out_before_the_last_came),
        LEDGER_TEST(begun_message__does_not_leave__and_can_be_taken_back),
        LEDGER_TEST(high_water_mark__counts_messages__and_lets_in_what_was_begun),
        LEDGER_TEST(prefetch__is_bounded_by_messages_and_by_octets),
        LEDGER_TEST(dropped_input__leaves_the_part_that_is_due_and_counts_for_nothing_more),
        LEDGER_TEST(ping__is_answered_between_messages),
        LEDGER_TEST(shut__pings_are_heard_without_an_answer__and_the_link_goes_on),
        LEDGER_TEST(fault_c7__pings_without_end_while_nothing_can_leave__are_not_read),
        LEDGER_TEST(fault_c7__pings_both_ways_while_both_are_full_of_messages__are_read_on),
        LEDGER_TEST(heartbeat__silent_peer__is_lost),
        LEDGER_TEST(fault_d3__silence_while_we_do_not_read__is_not_held_against_the_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
