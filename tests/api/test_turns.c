/* Whose turn it is, and what comes of connections that come and go, as applications see it. */

#include "api/test_support.h"

#define PEERS 5
#define SENDERS 4
#define MESSAGES 100000
#define BODY_BYTES 16
#define RECONNECTS 1000 /* half of them of each side */
#define LOSSES 1000     /* the same */
#define LONG_BYTES 1000
/* Both buffers of the kernel, as they are asked for; it doubles them. What the receiver's end loses
 * lay in them, or in front of its high-water mark; less than that and what waited at the sender. */
#define KERNEL_BYTES 16384
#define GAP_MAX (8 * KERNEL_BYTES / LONG_BYTES)
#define WINDOW_MAX 1024 /* messages between both ends; HWM 100 and 10, and what the kernel has */

/* --- sending in turns ------------------------------------------------------------------------ */

/* Each gets one message of each round, and always at the same place in it. */
static void check_rounds(struct world *world, enum mcq_type from, enum mcq_type to)
{
    struct mcq_socket *sender = open_socket(world, from);
    struct mcq_socket *peers[PEERS];
    char endpoint[ENDPOINT_BYTES];
    uint32_t first[PEERS];

    assert_works(mcq_set(sender, MCQ_OPT_SNDHWM, 0));
    if (from == MCQ_ROUTER)
        assert_works(mcq_set(sender, MCQ_OPT_ROUTER_BALANCE, 1));
    bind_somewhere(sender, endpoint);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = open_socket(world, to);
        assert_works(mcq_connect(peers[i], endpoint));
    }
    assert_works(mcq_wait_peers(sender, PEERS, PATIENCE_MS));
    for (uint32_t number = 0; number < 200 * PEERS; number++)
        assert_works(mcq_send(sender, &number, sizeof number, 0));
    for (int i = 0; i < PEERS; i++) {
        for (uint32_t round = 0; round < 200; round++) {
            uint32_t number = UINT32_MAX;

            assert_int_equal(mcq_recv(peers[i], &number, sizeof number, 0), sizeof number);
            if (round == 0)
                first[i] = number;
            assert_int_equal(number, first[i] + round * PEERS);
        }
        expect_nothing(peers[i]);
        assert_in_range(first[i], 0, PEERS - 1);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(first[k], first[i]);
    }
}

static void push__strict_round_robin(void)
{
    struct world world;

    begin_world(&world);
    check_rounds(&world, MCQ_PUSH, MCQ_PULL);
    end_world(&world);
}

static void dealer__strict_round_robin(void)
{
    struct world world;

    begin_world(&world);
    check_rounds(&world, MCQ_DEALER, MCQ_DEALER);
    end_world(&world);
}

static void router_that_balances__strict_round_robin(void)
{
    struct world world;

    begin_world(&world);
    check_rounds(&world, MCQ_ROUTER, MCQ_DEALER);
    end_world(&world);
}

/* --- receiving in turns ---------------------------------------------------------------------- */

/* Until so many messages lie with the receiver: then only its turns decide. */
static void await_queued(struct mcq_socket *receiver, uint64_t count)
{
    uint64_t queued = 0;

    for (uint64_t until = now_ms() + PATIENCE_MS; queued < count && now_ms() < until;) {
        struct mcq_peer_info infos[SENDERS];
        int peers = mcq_peers(receiver, infos, SENDERS, sizeof *infos);

        assert_in_range(peers, 0, SENDERS);
        queued = 0;
        for (int i = 0; i < peers; i++)
            queued += infos[i].queued_in;
        if (inline_context != NULL)
            (void) mcq_ctx_run(inline_context, 1);
        else
            (void) sched_yield();
    }
    assert_int_equal(queued, count);
}

/* Some have much more to say than others, and say it first; each has the same share of what is
 * received while all have something. */
static void pull__unequal_senders__shares_within_five_percent(void)
{
    static const uint32_t counts[SENDERS] = {60000, 30000, 28000, 50000};
    struct world world;

    needs_streams();
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    uint32_t shares[SENDERS] = {0};
    char endpoint[ENDPOINT_BYTES];
    uint64_t sum = 0;

    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 0));
    bind_somewhere(pull, endpoint);
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
        uint32_t body[BODY_BYTES / sizeof(uint32_t)] = {i};

        assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 0));
        assert_works(mcq_connect(push, endpoint));
        assert_works(mcq_wait_peers(push, 1, PATIENCE_MS));
        for (uint32_t number = 0; number < counts[i]; number++)
            assert_works(mcq_send(push, body, sizeof body, 0));
        sum += counts[i];
    }
    await_queued(pull, sum);
    for (int i = 0; i < MESSAGES; i++) {
        uint32_t body[BODY_BYTES / sizeof(uint32_t)];

        assert_int_equal(mcq_recv(pull, body, sizeof body, 0), sizeof body);
        assert_in_range(body[0], 0, SENDERS - 1);
        shares[body[0]]++;
    }
    for (int i = 0; i < SENDERS; i++)
        assert_in_range(shares[i], MESSAGES / SENDERS * 95 / 100, MESSAGES / SENDERS * 105 / 100);
    end_world(&world);
}

/* --- connections that come and go ------------------------------------------------------------ */

/* True: there was one, and it was connected. */
static bool lose_peer(struct mcq_socket *socket)
{
    struct mcq_peer_info info;

    return mcq_peers(socket, &info, 1, sizeof info) > 0 && info.epoch > 0 &&
           mcq_close_peer(socket, info.id) == 0;
}

/* Sends numbers until one arrives that was sent since; those that arrive grow. */
static void talk_until_heard(struct mcq_socket *push, struct mcq_socket *pull, uint32_t *next,
                             uint32_t *heard)
{
    uint32_t since = *next;

    for (uint64_t until = now_ms() + PATIENCE_MS; *heard < since;) {
        uint32_t number;

        assert_true(now_ms() < until);
        if (mcq_send(push, next, sizeof *next, MCQ_DONTWAIT) == 0)
            ++*next;
        if (mcq_recv(pull, &number, sizeof number, 0) < 0) {
            assert_int_equal(errno, EAGAIN);
            continue;
        }
        assert_true(number > *heard && number < *next);
        *heard = number;
    }
}

static void check_reconnects(bool push_binds)
{
    struct world world;
    uint32_t next = 1;
    uint32_t heard = 0;

    needs_streams();
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *other = push_binds ? pull : push;
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 1));
    assert_works(mcq_set(other, MCQ_OPT_RECONNECT_IVL, 1));
    bind_somewhere(push_binds ? push : pull, endpoint);
    assert_works(mcq_connect(other, endpoint));
    talk_until_heard(push, pull, &next, &heard);
    for (int lost = 0; lost < RECONNECTS / 2;) {
        lost += lose_peer(push_binds ? push : pull); /* one that came to us comes back */
        talk_until_heard(push, pull, &next, &heard);
    }
    while (mcq_recv(pull, &next, sizeof next, 0) > 0) {
        assert_true(next > heard);
        heard = next;
    }
    end_world(&world);
}

static void reconnects__of_the_sender__nothing_twice_or_overtaken(void)
{
    check_reconnects(false);
}

static void reconnects__of_the_receiver__nothing_twice_or_overtaken(void)
{
    check_reconnects(true);
}

/* --- what is lost with a connection ---------------------------------------------------------- */

/* The descriptor of the stream that stands now, or is about to. */
static void note_descriptor(const struct mcq_report *report, void *hint)
{
    atomic_store((_Atomic int *) hint, report->value);
}

static void let_the_engine_run(void)
{
    if (inline_context != NULL)
        assert_works(mcq_ctx_run(inline_context, 1));
    else
        (void) sched_yield();
}

/* The epoch of its only peer's connection, once that is another one than before. */
static uint64_t await_epoch(struct mcq_socket *socket, uint64_t before)
{
    struct mcq_peer_info info;

    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; let_the_engine_run())
        if (mcq_peers(socket, &info, 1, sizeof info) == 1 && info.epoch > before)
            return info.epoch;
    fail_msg("no connection after %llu", (unsigned long long) before);
    return 0;
}

/* As many as there is room for: here, in the kernel, and there. */
static void send_all_that_fits(struct mcq_socket *push, uint32_t *next)
{
    uint8_t body[LONG_BYTES] = {0};

    for (;;) {
        memcpy(body, next, sizeof *next);
        if (mcq_send(push, body, sizeof body, MCQ_DONTWAIT) != 0)
            break;
        ++*next;
    }
    assert_int_equal(errno, EAGAIN);
}

static uint32_t receive_number(struct mcq_socket *pull)
{
    uint8_t body[LONG_BYTES];
    uint32_t number;

    if (mcq_recv(pull, body, sizeof body, 0) != sizeof body)
        fail_msg("%s", mcq_last_error());
    memcpy(&number, body, sizeof number);
    return number;
}

/* The receiver's end: what came afterwards came by one connection, and missing is one run of them
 * that the kernel has had. */
static void expect_all_but_a_gap(struct mcq_socket *pull, uint32_t heard, uint32_t last)
{
    uint32_t gap = 0;

    while (heard < last) {
        uint32_t number = receive_number(pull);

        assert_in_range(number, heard + 1, last);
        if (number != heard + 1) {
            assert_int_equal(gap, 0);
            gap = number - heard - 1;
            assert_in_range(gap, 1, GAP_MAX);
        }
        heard = number;
    }
}

/* The sender's: its kernel goes on to deliver, and to the receiver the next connection is another
 * peer, whose messages have their turns with those that are left of this one's. All come, once. */
static void expect_all(struct mcq_socket *pull, uint32_t heard, uint32_t last)
{
    bool seen[WINDOW_MAX] = {false};

    assert_in_range(last - heard, 0, WINDOW_MAX);
    for (uint32_t count = 0; count < last - heard; count++) {
        uint32_t number = receive_number(pull);

        assert_in_range(number, heard + 1, last);
        assert_false(seen[number - heard - 1]);
        seen[number - heard - 1] = true;
    }
}

/* It ends in the middle of what is sent: the receiver wants it to, or the sender's breaks. */
static void end_connection(struct mcq_socket *pull, int descriptor, bool is_receiver_s)
{
    if (is_receiver_s)
        assert_true(lose_peer(pull));
    else
        assert_int_equal(shutdown(descriptor, SHUT_RDWR), 0);
}

static void lost_connections__only_what_the_kernel_had_is_missing(void)
{
    _Atomic int descriptor = -1;
    uint64_t sender_s = 0;
    uint64_t receiver_s = 0;
    uint32_t heard = 0;
    uint32_t next = 1;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 100));
    assert_works(mcq_set(push, MCQ_OPT_SNDBUF, KERNEL_BYTES));
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 10));
    assert_works(mcq_set(pull, MCQ_OPT_RCVBUF, KERNEL_BYTES));
    assert_works(mcq_monitor(push, MCQ_REPORT_CONNECTED, note_descriptor, &descriptor));
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    for (int i = 0; i < LOSSES; i++) {
        sender_s = await_epoch(push, sender_s);
        receiver_s = await_epoch(pull, receiver_s);
        while (atomic_load(&descriptor) < 0)
            let_the_engine_run();
        send_all_that_fits(push, &next);
        end_connection(pull, atomic_exchange(&descriptor, -1), i % 2 == 0);
        (void) await_epoch(push, sender_s); /* what waits goes there */
        (i % 2 == 0 ? expect_all_but_a_gap : expect_all)(pull, heard, next - 1);
        heard = next - 1;
    }
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(push__strict_round_robin)                                                                    \
    X(dealer__strict_round_robin)                                                                  \
    X(router_that_balances__strict_round_robin)                                                    \
    X(pull__unequal_senders__shares_within_five_percent)                                           \
    X(reconnects__of_the_sender__nothing_twice_or_overtaken)                                       \
    X(reconnects__of_the_receiver__nothing_twice_or_overtaken)                                     \
    X(lost_connections__only_what_the_kernel_had_is_missing)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    static const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "turns");
}
