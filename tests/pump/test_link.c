#include <stdio.h>

#include "session/state.h"
#include "socket/test_support.h"

#define MS UINT64_C(1000000)
#define PREFETCH_BYTES 1048576 /* bodies that wait for the application */

/* Two bare links that talk to each other. */
struct fixture {
    struct world world;
    struct end a;
    struct end b;
    struct test_peer *near; /* a's, which connects */
    struct test_peer *far;
};

static void start_with(struct fixture *f, size_t pipe_bytes, uint32_t out_max, uint32_t in_max)
{
    struct joined joined;

    world_init(&f->world, pipe_bytes);
    end_init_bare(&f->a, &f->world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f->b, &f->world, MCQ_SOCKET_TYPE_DEALER);
    f->a.out_max = out_max;
    f->b.in_max = in_max;
    joined = join(&f->a, &f->b);
    f->near = joined.near;
    f->far = joined.far;
}

static void start(struct fixture *f)
{
    start_with(f, 0, 0, 0);
}

static enum mcq_err put_bytes(struct test_peer *peer, struct mcq_bytes bytes, bool more)
{
    struct mcq_msg msg;
    struct mcq_part part = {.body = bytes, .more = more};
    enum mcq_err err;

    if (bytes.len <= MCQ_WPUMP_COPY_MAX)
        return mcq_link_put(&peer->peer.link, &part);
    if (mcq_msg_init_copy(&msg, bytes) != MCQ_OK)
        return MCQ_NOMEM;
    part.msg = &msg;
    part.body = mcq_msg_bytes(&msg);
    err = mcq_link_put(&peer->peer.link, &part);
    mcq_msg_fini(&msg);
    return err;
}

/* Octets go over, as often as the stream needs it. */
static void carry_over(struct fixture *f, int turns)
{
    for (int turn = 0; turn < turns; turn++) {
        settle(&f->world);
        (void) mcq_link_prefetch(&f->far->peer.link);
    }
}

static void expect_part(struct test_peer *peer, uint8_t octet, size_t len, bool more)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_link_take(&peer->peer.link, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(mcq_msg_data(&msg)[i], octet);
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
}

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

/* --- control --------------------------------------------------------------------------------- */

/* A PING with a context of one octet, and the PONG that answers it. */
static const uint8_t ping[] = {4, 8, 4, 'P', 'I', 'N', 'G', 0, 0, '?'};
static const uint8_t pong[] = {4, 6, 4, 'P', 'O', 'N', 'G', '?'};

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
        f.far->peer.link.can_read = true;
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
        f.far->peer.link.can_read = true;
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
            judge->can_read = true;
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

/* --- connections that end -------------------------------------------------------------------- */

static void fault_d2__peer_closed__whole_messages_that_it_sent_are_kept(void **state)
{
    (void) state;
    for (int keeps = 0; keeps < 2; keeps++) {
        struct fixture f;

        start(&f);
        f.far->peer.link.keeps_input = keeps;
        put_text(f.near, "received ahead", true);
        put_text(f.near, "of its end", false);
        settle(&f.world);
        (void) mcq_link_prefetch(&f.far->peer.link);
        put_text(f.near, "in the stream", false);
        settle(&f.world);
        for (int i = 0; i < 2; i++) { /* that nobody will answer any more */
            send_raw(f.near, ping, sizeof ping);
            send_raw(f.near, "\0\7between", 9);
        }
        send_raw(f.near, "\1\1x\0\5cut", 8);
        mcq_link_lose(&f.near->peer.link, MCQ_CLOSED);
        settle(&f.world);
        /* A write fails before anybody has read: the loss is known, the octets are not. */
        mcq_link_lose(&f.far->peer.link, MCQ_CLOSED);
        settle(&f.world);
        assert_false(f.far->peer.link.is_up);
        TAKE_MORE(f.far, "received ahead");
        TAKE(f.far, "of its end");
        if (keeps)
            TAKE(f.far, "in the stream");
        for (int i = 0; i < 2 * keeps; i++)
            TAKE(f.far, "between");
        assert_int_equal(take_err(f.far), MCQ_AGAIN);
        assert_false(mcq_link_is_readable(&f.far->peer.link));
        world_fini(&f.world);
    }
}

static void peer_broke_a_rule__what_was_whole_before_is_kept_and_nothing_after(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    put_text(f.near, "one", false);
    settle(&f.world);
    send_raw(f.near, "\0\3two\xff\0\5three", 12);
    settle(&f.world);
    (void) mcq_link_prefetch(&f.far->peer.link);
    assert_true(f.far->peer.link.is_lost);
    TAKE(f.far, "one");
    settle(&f.world);
    assert_int_equal(f.b.lost_by, MCQ_PROTO);
    TAKE(f.far, "two");
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    world_fini(&f.world);
}

static void lose__said_twice_or_of_one_that_is_off__is_said_once(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    mcq_link_lose(&f.near->peer.link, MCQ_LIMIT);
    mcq_link_lose(&f.near->peer.link, MCQ_PROTO);
    mcq_link_lose(&f.far->peer.link, MCQ_PROTO);
    peer_down(f.far); /* ended while it is on the list */
    settle(&f.world);
    assert_int_equal(f.a.lost_count, 1);
    assert_int_equal(f.a.lost_by, MCQ_LIMIT);
    assert_int_equal(f.b.lost_count, 1);
    mcq_link_lose(&f.near->peer.link, MCQ_PROTO);
    assert_null(mcq_link_next_lost(&f.a.group));
    assert_int_equal(mcq_link_flush(&f.near->peer.link), MCQ_OK); /* it waits for a connection */
    world_fini(&f.world);
}

static void drop__makes_room_and_leaves_nothing_behind(void **state)
{
    struct mcq_part part = {.body = mcq_bytes_of("x"), .more = true};
    struct world world;
    struct end end;
    struct test_peer *peer;

    (void) state;
    world_init(&world, 0);
    end_init_bare(&end, &world, MCQ_SOCKET_TYPE_DEALER);
    end.out_max = 1;
    peer = peer_connecting(&end);
    put_text(peer, "waits", false);
    assert_int_equal(mcq_link_put(&peer->peer.link, &part), MCQ_AGAIN);
    mcq_link_drop(&peer->peer.link);
    assert_int_equal(mcq_link_waiting_count(&peer->peer.link), 0);
    assert_ptr_equal(mcq_link_next_roomy(&end.group), &peer->peer.link);
    assert_int_equal(mcq_link_put(&peer->peer.link, &part), MCQ_OK);
    world_fini(&world);
}

static unsigned number_of(const struct mcq_msg *msg)
{
    char text[16];

    assert_true(mcq_msg_len(msg) < sizeof text);
    (void) snprintf(text, sizeof text, "%.*s", (int) mcq_msg_len(msg),
                    (const char *) mcq_msg_data(msg));
    return (unsigned) strtoul(text, NULL, 10);
}

/* Numbered messages of three parts, from a side that connects again and again, over a stream whose
 * reads and writes are partial and that is cut at any moment. What the receiver gets is whole and
 * in order; none comes twice, and none is lost but those that were in the stream. */
static void fault_d1__random_cuts__messages_are_whole_in_order_and_never_twice(void **state)
{
    struct mcq_sim_faults faults = {.partial = 300, .again = 100, .pipe_bytes = 700};
    uint64_t random = support_seed();
    struct fixture f;
    struct joined joined;
    unsigned next = 0;
    unsigned expected = 0;
    unsigned came = 0;
    unsigned cuts = 0;

    (void) state;
    world_init_faulty(&f.world, random, &faults);
    end_init_bare(&f.a, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f.b, &f.world, MCQ_SOCKET_TYPE_DEALER);
    joined = join(&f.a, &f.b);
    while (next < 3000 && cuts < 50) {
        size_t dice = support_random_below(&random, 100);
        char text[200] = "";

        if (dice < 60 && mcq_link_waiting_count(&joined.near->peer.link) < 20) {
            (void) snprintf(text, sizeof text, "%u", next++);
            put_text(joined.near, text, true);
            memset(text, 'x', support_random_below(&random, sizeof text));
            put_text(joined.near, text, true);
            put_text(joined.near, "end", false);
        } else if (dice < 98) {
            settle(&f.world);
        } else if (joined.near->peer.link.is_up) {
            mcq_sim_reset(f.world.sim, joined.near->peer.link.fd);
            cuts++;
        }
        for (int parts = 0;; parts++) {
            struct mcq_msg msg;

            if (mcq_link_take(&joined.far->peer.link, &msg) != MCQ_OK) {
                assert_int_equal(parts % 3, 0);
                break;
            }
            if (parts % 3 == 0) {
                unsigned number = number_of(&msg);

                assert_true(number >= expected);
                expected = number + 1;
                came++;
            } else if (parts % 3 == 2) {
                assert_memory_equal(mcq_msg_data(&msg), "end", 3);
            }
            assert_int_equal(msg.more, parts % 3 < 2);
            mcq_msg_fini(&msg);
        }
        (void) take_err(joined.near); /* sees the end */
        (void) end_pump(&f.a);
        (void) end_pump(&f.b);
        if (!joined.near->peer.link.is_up && !joined.far->peer.link.is_up) {
            peer_gone(joined.far);
            joined = join_peer(&f.a, joined.near, &f.b);
        }
    }
    /* A stream holds 700 octets: at most 700 / 15 messages go with each of them. */
    assert_true(came + cuts * 47 + 20 >= next);
    print_message("# %u of %u messages over %u connections\n", came, next, cuts + 1);
    world_fini(&f.world);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void nomem_at_start__the_opening_stays_the_caller_s(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct world world;
        struct end end;
        struct end other;
        struct opened opened;
        struct opened other_opened;
        struct stream stream;
        struct test_peer *peer;
        enum mcq_err err;

        world_init(&world, 0);
        end_init_bare(&end, &world, MCQ_SOCKET_TYPE_DEALER);
        end_init_bare(&other, &world, MCQ_SOCKET_TYPE_DEALER);
        assert_true(stream_open(&world, &stream));
        assert_true(opened_init(&opened, &end, stream.near));
        assert_true(opened_init(&other_opened, &other, stream.far));
        while (opened.err == MCQ_AGAIN || other_opened.err == MCQ_AGAIN) {
            (void) opened_step(&opened);
            (void) opened_step(&other_opened);
            (void) mcq_sim_advance(world.sim);
        }
        peer = peer_new(&end, true);
        mcq_alloc_fail_at(n);
        err = mcq_link_start(&peer->peer.link, &opened.opening, 100, (struct mcq_ready_key) {0});
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_int_equal(err, is_over ? MCQ_OK : MCQ_NOMEM);
        assert_int_equal(peer->peer.link.is_up, is_over);
        if (!is_over)
            opened_fini(&opened, &end);
        opened_fini(&other_opened, &other);
        world_fini(&world);
    }
}

/* Whatever fails in a link's reading or writing, it costs no more than the connection. */
static void nomem_in_traffic__costs_the_connection_and_no_whole_message_before_it(void **state)
{
    static uint8_t body[5000];
    bool is_over = false;
    uint64_t n;

    (void) state;
    for (n = 1; !is_over; n++) {
        struct fixture f;
        unsigned put_count = 0;
        unsigned came = 0;

        start_with(&f, 1000, 0, 0);
        mcq_alloc_fail_at(n);
        for (int i = 0; i < 20; i++) {
            bool more = i % 2 == 0;

            if (put_bytes(f.near, mcq_bytes(body, i % 5 == 4 ? sizeof body : 70), more) != MCQ_OK) {
                mcq_link_cut(&f.near->peer.link);
                i |= 1; /* its second part is not sent either */
                continue;
            }
            put_count += !more;
        }
        carry_over(&f, 60);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        for (struct mcq_msg msg; mcq_link_take(&f.far->peer.link, &msg) == MCQ_OK;) {
            came += !msg.more;
            mcq_msg_fini(&msg);
        }
        if (f.a.lost_count + f.b.lost_count == 0)
            assert_int_equal(came, put_count);
        assert_true(came <= put_count);
        world_fini(&f.world);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
    print_message("# %u allocations\n", (unsigned) n - 2);
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
        LEDGER_TEST(ping__is_answered_between_messages),
        LEDGER_TEST(shut__pings_are_heard_without_an_answer__and_the_link_goes_on),
        LEDGER_TEST(fault_c7__pings_without_end_while_nothing_can_leave__are_not_read),
        LEDGER_TEST(fault_c7__pings_both_ways_while_both_are_full_of_messages__are_read_on),
        LEDGER_TEST(heartbeat__silent_peer__is_lost),
        LEDGER_TEST(fault_d3__silence_while_we_do_not_read__is_not_held_against_the_peer),
        LEDGER_TEST(fault_d2__peer_closed__whole_messages_that_it_sent_are_kept),
        LEDGER_TEST(peer_broke_a_rule__what_was_whole_before_is_kept_and_nothing_after),
        LEDGER_TEST(lose__said_twice_or_of_one_that_is_off__is_said_once),
        LEDGER_TEST(drop__makes_room_and_leaves_nothing_behind),
        LEDGER_TEST(fault_d1__random_cuts__messages_are_whole_in_order_and_never_twice),
        LEDGER_TEST(nomem_at_start__the_opening_stays_the_caller_s),
        LEDGER_TEST(nomem_in_traffic__costs_the_connection_and_no_whole_message_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
