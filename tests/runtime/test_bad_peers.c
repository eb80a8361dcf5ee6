/*
 * Peers and strangers that are slow, many or greedy: each gets what is its own, and keeps nobody
 * else waiting.
 */

#include "bad_support.h"

#define GREED_MAX 200 /* messages that one peer may have taken while another one waits */

/* Slow, but as it must be. */
static void one_octet_at_a_time(struct world *w)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fd = raw_connect(w->patient_port);
    size_t len = RAW_GREETING_BYTES;

    raw_greeting(octets, "NULL");
    len += raw_ready(octets + len, peer_type(w), NULL);
    memcpy(octets + len, "\0\5other\0\5other", 14);
    len += 14;
    for (size_t i = 0; i < len; i++) {
        assert_true(raw_send(fd, octets + i, 1));
        if (i % 8 == 0)
            good_goes_on(w);
    }
    for (int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS; w->other_count < 2;) {
        assert_true(raw_now_ms() < until_ms);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

static void skip_without_descriptors(struct world *w, rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= count)
        return;
    close_world(w);
    print_message("# fewer than %u descriptors are allowed here\n", (unsigned) count);
    skip();
}

static void mute_flood(struct world *w, uint16_t port)
{
    skip_without_descriptors(w, 2 * BAD_MAX + 100);
    for (int i = 0; i < BAD_MAX; i++) {
        (void) be_bad(w, port);
        if (i % 50 == 0)
            good_goes_on(w);
    }
}

static void mute_flood_is_closed(struct world *w)
{
    struct holdings inner = settle(w);

    mute_flood(w, w->hasty_port);
    expect_closed(w);
    expect_no_more_than(w, inner);
}

/* They have all the time of the world, and yet must make room. */
static void mute_flood_keeps_nobody_out(struct world *w)
{
    struct holdings inner = settle(w);

    mute_flood(w, w->patient_port);
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_true(raw_send_frame(fd, 0, "other", 5));
    for (int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS; w->other_count < 1;) {
        assert_true(raw_now_ms() < until_ms);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
    while (w->bad_count > 0)
        assert_int_equal(close(w->bad[--w->bad_count]), 0);
    expect_no_more_than(w, inner);
}

/* What the kernel keeps of a connection, in one direction: SO_RCVBUF, SO_SNDBUF. */
static void set_kernel_room(int fd, int option, int len)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &len, sizeof len), 0);
}

#define LITTLE_ROOM 16384 /* with less, TCP waits for room in ever longer steps */
#define OUR_ROOM 65536    /* unasked, the kernel gives those that take their time 32 MiB */
#define PING_COUNT 60000
#define PING_BYTES 13 /* flags, size, name, ttl, a number as context */
#define PONG_BYTES 11

static void make_pings(uint8_t *octets)
{
    for (uint32_t i = 0; i < PING_COUNT; i++, octets += PING_BYTES) {
        memcpy(octets, "\4\13\4PING\0\0", 9);
        (void) mcq_put_u32be(octets + 9, i);
    }
}

/* Sends what is taken; while nothing is, time passes. */
static size_t send_until_stuck(struct world *w, int fd, const uint8_t *octets, size_t len)
{
    size_t sent = 0;

    for (int stuck_count = 0; sent < len && stuck_count < SETTLED_COUNT;) {
        ssize_t step = send(fd, octets + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        stuck_count = step > 0 ? 0 : stuck_count + 1;
        sent += step > 0 ? (size_t) step : 0;
        good_goes_on(w);
    }
    return sent;
}

static void expect_pong(int fd, uint32_t number)
{
    uint8_t octets[PONG_BYTES];

    assert_true(raw_recv(fd, octets, sizeof octets));
    assert_memory_equal(octets, "\4\11\4PONG", 7);
    assert_int_equal(mcq_get_u32be(octets + 7), number);
}

/* Its answers have nowhere to go, so it is not read any more; nobody else is kept waiting. */
static void pings(struct world *w)
{
    static uint8_t octets[PING_COUNT * PING_BYTES];
    struct mcq_tuning *tuning = &w->socket->options.tuning;
    size_t sent;

    tuning->recv_buffer = OUR_ROOM;
    tuning->send_buffer = OUR_ROOM;

    int fd = raw_join(bind_somewhere(w, LONG_MS), peer_type(w), NULL);

    set_kernel_room(fd, SO_RCVBUF, LITTLE_ROOM);
    set_kernel_room(fd, SO_SNDBUF, LITTLE_ROOM);
    make_pings(octets);
    sent = send_until_stuck(w, fd, octets, sizeof octets);
    assert_in_range(sent, 1, sizeof octets - 1);
    set_kernel_room(fd, SO_RCVBUF, 1 << 20);
    for (uint32_t i = 0; i < PING_COUNT; i++) {
        size_t left = sizeof octets - sent;
        ssize_t step = left > 0 ? send(fd, octets + sent, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

        sent += step > 0 ? (size_t) step : 0;
        expect_pong(fd, i);
        if (i % 1000 == 0)
            good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

/* The owner takes one message and stops: what else it has heard of is the engine's to read. */
static void owner_stops(struct world *w)
{
    static const uint8_t octets[] = "\0\5other\4\13\4PING\0\0";
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t number[4];
        struct mcq_msg msg;

        (void) mcq_put_u32be(number, i);
        assert_true(raw_send_frame(w->good, 0, "good", 4));
        assert_true(raw_send(fd, octets, sizeof octets - 1) && raw_send(fd, number, 4));
        msg = recv_part(w);
        mcq_msg_fini(&msg);
        expect_pong(fd, i);
        msg = recv_part(w);
        mcq_msg_fini(&msg);
    }
    assert_int_equal(close(fd), 0);
}

static void name_of_another(struct world *w)
{
    w->bad[w->bad_count++] = raw_join(w->patient_port, peer_type(w), "good");
    expect_closed(w);
}

/* The good peer has said something before each look; another one's message waits meanwhile. */
static void greedy_peer(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    good_goes_on(w); /* its turn has begun */
    assert_true(raw_send_frame(fd, 0, "other", 5));
    for (uint32_t first = w->number; w->other_count < 1;) {
        assert_in_range(w->number - first, 0, GREED_MAX);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

static void wait_for_subscriber(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);
    uint8_t body[255];
    uint8_t flags;

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, 20), MCQ_AGAIN);
    assert_true(raw_subscribe(fd, "much"));
    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    send_part(w, "much", 4, false);
    assert_int_equal(raw_recv_frame(fd, body, &flags), 4);
    assert_int_equal(raw_recv_frame(w->good, body, &flags), 4);
    assert_int_equal(close(fd), 0);
}

#define MUCH_COUNT 30000
#define FILLER_BYTES 200

static void publish_much(struct world *w, uint32_t number)
{
    static const uint8_t filler[FILLER_BYTES];

    send_part(w, "much", 4, true);
    send_part(w, &number, sizeof number, true);
    send_part(w, filler, sizeof filler, false);
}

/* A whole message; returns its number. */
static uint32_t recv_much(int fd)
{
    uint8_t body[255];
    uint32_t number;
    uint8_t flags;

    assert_int_equal(raw_recv_frame(fd, body, &flags), 4);
    assert_memory_equal(body, "much", 4);
    assert_int_equal(flags, RAW_MORE);
    assert_int_equal(raw_recv_frame(fd, body, &flags), sizeof number);
    assert_int_equal(flags, RAW_MORE);
    memcpy(&number, body, sizeof number);
    assert_int_equal(raw_recv_frame(fd, body, &flags), FILLER_BYTES);
    assert_int_equal(flags, 0);
    return number;
}

/* What it gets in the end is whole, and in order; the good one gets all. */
static void mute_subscriber(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);
    uint32_t number = 0;
    uint32_t last = 0;
    uint32_t got_count = 0;

    set_kernel_room(fd, SO_RCVBUF, LITTLE_ROOM);
    assert_true(raw_subscribe(fd, "much"));
    while (number < MUCH_COUNT) {
        publish_much(w, ++number);
        assert_int_equal(recv_much(w->good), number);
    }
    set_kernel_room(fd, SO_RCVBUF, 1 << 20);
    while (last <= MUCH_COUNT) {
        struct pollfd input = {.fd = fd, .events = POLLIN};

        if (poll(&input, 1, 0) == 0) { /* it has all that was not dropped: one more */
            publish_much(w, ++number);
            assert_int_equal(recv_much(w->good), number);
            assert_in_range(number, 1, 10 * MUCH_COUNT);
            (void) poll(&input, 1, 1);
            continue;
        }
        uint32_t next = recv_much(fd);

        assert_true(next > last);
        last = next;
        got_count++;
    }
    assert_true(got_count < MUCH_COUNT);
    assert_int_equal(close(fd), 0);
}

/* Each costs memory, of which a peer may have so much. */
static void endless_subscriptions(struct world *w)
{
    struct holdings inner = settle(w);
    uint8_t octets[2 + 10 + FILLER_BYTES] = "\4\0\11SUBSCRIBE";
    int fd = be_bad_later(w);
    uint32_t count = 0;

    octets[1] = sizeof octets - 2;
    do {
        (void) mcq_put_u32be(octets + 12, ++count);
        if (count % 1000 == 0)
            good_goes_on(w);
        assert_in_range(count, 1, 1 << 20);
    } while (raw_send(fd, octets, sizeof octets));
    expect_closed(w);
    expect_no_more_than(w, inner);
}

#define GONE_COUNT 40
#define GONE_BUDGET (UINT64_C(1) << 20)
/* A floor, and a read of as much, which is four times that as short messages in their table. */
#define GONE_EACH ((UINT64_C(16) << 10) + (UINT64_C(64) << 10))
/* The read under way when the limit was passed: a block, as much again for the places of its short
 * messages, and for those that their table has left. */
#define GONE_READ (3 * (UINT64_C(256) << 10))

/* They say as much as the stream takes, and are gone before anybody has read it: what is found of
 * it when they are missed is kept as far as the budget goes. */
static void gone_with_much_unread(struct world *w)
{
    static const uint8_t frame[2 + 64] = {0, 64};
    struct mcq_msg msg;

    mcq_context_set_budget(w->context, GONE_BUDGET);
    for (int i = 0; i < GONE_COUNT; i++) {
        char name[24];
        int fd;

        (void) snprintf(name, sizeof name, "gone-%d", i);
        fd = raw_join(w->patient_port, peer_type(w), name);
        while (send(fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof frame)
            continue;
        raw_reset(fd);
        for (int said = 0; said < 2; said++) { /* nobody hears it, and the second one shows that */
            send_part(w, name, strlen(name), true);
            send_part(w, "there?", 6, false);
        }
    }
    assert_true(mcq_permits_used_bytes(&w->context->budget) <=
                GONE_BUDGET + GONE_READ + GONE_COUNT * GONE_EACH);
    assert_int_equal(mcq_socket_enter(w->socket), MCQ_OK);
    mcq_socket_leave(w->socket);
    while (mcq_socket_recv(w->socket, &msg, 0) == MCQ_OK) /* all that are left are whole */
        mcq_msg_fini(&msg);
}

static const struct bad_test test_table[] = {
    {"one_octet_at_a_time__arrives_whole", MCQ_SOCKET_TYPE_PULL, one_octet_at_a_time, false},
    {"one_octet_at_a_time__arrives_whole", MCQ_SOCKET_TYPE_ROUTER, one_octet_at_a_time, false},
    {"fault_a3__flood_of_mute_strangers__is_closed_when_late", MCQ_SOCKET_TYPE_PULL,
     mute_flood_is_closed, false},
    {"fault_a1__flood_of_mute_strangers__keeps_nobody_out", MCQ_SOCKET_TYPE_PULL,
     mute_flood_keeps_nobody_out, false},
    {"fault_c7__pings_without_reading__are_answered_once_it_reads", MCQ_SOCKET_TYPE_PULL, pings,
     false},
    {"fault_c7__pings_without_reading__are_answered_once_it_reads", MCQ_SOCKET_TYPE_PUB, pings,
     false},
    {"owner_that_stops__others_are_read", MCQ_SOCKET_TYPE_PULL, owner_stops, false},
    {"name_of_another_peer__is_closed", MCQ_SOCKET_TYPE_ROUTER, name_of_another, false},
    {"fault_c11__peer_that_always_has_more__keeps_others_waiting_a_little", MCQ_SOCKET_TYPE_PULL,
     greedy_peer, false},
    {"fault_c11__peer_that_always_has_more__keeps_others_waiting_a_little", MCQ_SOCKET_TYPE_ROUTER,
     greedy_peer, false},
    {"wait_peers__counts_who_has_subscribed", MCQ_SOCKET_TYPE_PUB, wait_for_subscriber, false},
    {"fault_c10__subscriber_that_does_not_read__misses_whole_messages", MCQ_SOCKET_TYPE_PUB,
     mute_subscriber, false},
    {"fault_c3__endless_subscriptions__are_closed", MCQ_SOCKET_TYPE_PUB, endless_subscriptions,
     false},
    {"fault_c13__peers_gone_with_much_unread__stay_within_the_budget", MCQ_SOCKET_TYPE_ROUTER,
     gone_with_much_unread, false},
};

int main(int argc, char **argv)
{
    for (size_t engine = 0; engine < MCQ_COUNTOF(engines); engine++)
        for (size_t i = 0; i < MCQ_COUNTOF(test_table); i++)
            add_row(test_table[i], engines[engine]);
    return run_rows("bad_peers", argc > 1 ? argv[1] : NULL);
}
