/* What becomes of a message that a peer has no room for, as the socket's owner has chosen. */

#include "api/test_support.h"

#define HWM 3

static uint64_t drops_of(struct mcq_socket *socket, enum mcq_drop cause)
{
    struct mcq_socket_stats stats;

    assert_works(mcq_stats(socket, &stats, sizeof stats));
    return stats.drops[cause];
}

/* A socket that connects to where nobody is yet, with room for HWM messages. */
static struct mcq_socket *open_lonely(struct world *world, enum mcq_type type, int64_t policy,
                                      char endpoint[ENDPOINT_BYTES])
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_LINGER, 0));
    assert_works(mcq_set(socket, MCQ_OPT_SNDHWM, HWM));
    assert_works(mcq_set(socket, MCQ_OPT_WHEN_FULL, policy));
    assert_int_equal(number_of(socket, MCQ_OPT_WHEN_FULL), policy);
    free_endpoint(endpoint);
    assert_works(mcq_connect(socket, endpoint));
    return socket;
}

static void send_numbers(struct mcq_socket *socket, int count)
{
    for (int i = 1; i <= count; i++) {
        char text[16];

        (void) snprintf(text, sizeof text, "%d", i);
        send_text(socket, text, MCQ_SNDMORE | MCQ_DONTWAIT);
        send_text(socket, "rest", MCQ_DONTWAIT);
    }
}

static void expect_numbers(struct mcq_socket *socket, int first, int last)
{
    for (int i = first; i <= last; i++) {
        char text[16];

        (void) snprintf(text, sizeof text, "%d", i);
        expect_part(socket, text, true);
        expect_part(socket, "rest", false);
    }
}

static void push__drops_the_newest__or_the_oldest__and_never_waits(void)
{
    for (int64_t policy = MCQ_FULL_DROP_NEWEST; policy <= MCQ_FULL_DROP_OLDEST; policy++) {
        bool is_oldest = policy == MCQ_FULL_DROP_OLDEST;
        struct world world;
        struct mcq_socket *push;
        struct mcq_socket *pull;
        char endpoint[ENDPOINT_BYTES];

        begin_world(&world);
        push = open_lonely(&world, MCQ_PUSH, policy, endpoint);
        send_numbers(push, 8);
        assert_int_equal(drops_of(push, is_oldest ? MCQ_DROP_OLDER : MCQ_DROP_FULL), 8 - HWM);
        assert_int_equal(number_of(push, MCQ_OPT_EVENTS), MCQ_POLLOUT);
        pull = open_socket(&world, MCQ_PULL);
        assert_works(mcq_bind(pull, endpoint));
        expect_numbers(pull, is_oldest ? 8 - HWM + 1 : 1, is_oldest ? 8 : HWM);
        expect_nothing(pull);
        end_world(&world);
    }
}

static void dealer_with_two_peers__the_oldest_goes_in_turns(void)
{
    struct world world;
    struct mcq_socket *dealer;
    struct mcq_peer_info infos[2];
    char endpoint[2][ENDPOINT_BYTES];

    begin_world(&world);
    dealer = open_lonely(&world, MCQ_DEALER, MCQ_FULL_DROP_OLDEST, endpoint[0]);
    free_endpoint(endpoint[1]);
    assert_works(mcq_connect(dealer, endpoint[1]));
    send_numbers(dealer, 2 * HWM + 10);
    assert_int_equal(mcq_peers(dealer, infos, 2, sizeof *infos), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(infos[i].queued_out, HWM);
        assert_int_equal(infos[i].drops[MCQ_DROP_OLDER], 5);
    }
    end_world(&world);
}

static void pair__without_a_peer__the_newest_is_dropped_whole(void)
{
    struct world world;
    struct mcq_socket *pair;

    begin_world(&world);
    pair = open_socket(&world, MCQ_PAIR);
    assert_fails(mcq_send(pair, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_set(pair, MCQ_OPT_WHEN_FULL, MCQ_FULL_DROP_NEWEST));
    send_text(pair, "one", MCQ_SNDMORE);
    send_text(pair, "two", MCQ_SNDMORE);
    send_text(pair, "three", 0);
    send_text(pair, "single", 0);
    assert_int_equal(drops_of(pair, MCQ_DROP_NOBODY), 2);
    end_world(&world);
}

/* A subscriber that does not read, behind which the stream is full. */
static struct couple open_deaf(struct world *world, enum mcq_type type, int64_t policy)
{
    struct couple couple = {.bound = open_socket(world, type)};

    couple.connected = open_socket(world, type == MCQ_ROUTER ? MCQ_DEALER : MCQ_SUB);
    assert_works(mcq_set(couple.bound, MCQ_OPT_LINGER, 0));
    assert_works(mcq_set(couple.bound, MCQ_OPT_SNDHWM, HWM));
    assert_works(mcq_set(couple.bound, MCQ_OPT_SNDBUF, 65536));
    assert_works(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, policy));
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVHWM, HWM));
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVBUF, 65536));
    if (type == MCQ_ROUTER)
        assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_ROUTING_ID, "it", 2));
    else
        assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "", 0));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    return couple;
}

struct numbered {
    uint32_t number;
    char filling[40000];
};

static int send_numbered(struct mcq_socket *socket, uint32_t number, enum mcq_type type)
{
    static struct numbered body;

    body.number = number;
    if (type == MCQ_ROUTER && mcq_send(socket, "it", 2, MCQ_SNDMORE | MCQ_DONTWAIT) != 0)
        return -1;
    return mcq_send(socket, &body, sizeof body, MCQ_DONTWAIT);
}

/* Sends until as many were dropped; returns how many messages there were. */
static uint32_t send_until(struct mcq_socket *socket, enum mcq_type type, enum mcq_drop cause,
                           uint64_t count)
{
    uint32_t sent = 0;

    while (drops_of(socket, cause) < count) {
        assert_true(sent < 20000);
        assert_works(send_numbered(socket, ++sent, type));
    }
    return sent;
}

/* The newest is there although many before it are not, and what comes is whole and in order. */
static void check_newest(struct mcq_socket *socket, uint32_t sent, uint64_t dropped)
{
    static struct numbered body;
    uint32_t last = 0;
    uint32_t count = 0;

    for (; last < sent; count++) {
        ptrdiff_t len = mcq_recv(socket, &body, sizeof body, 0);

        if (len < 0)
            fail_msg("%s, behind %u of %u", mcq_last_error(), last, sent);
        assert_int_equal(len, sizeof body);
        assert_true(body.number > last);
        last = body.number;
    }
    assert_int_equal(count, sent - dropped);
}

static void full_subscriber_or_peer__the_oldest_gives_way(void)
{
    const enum mcq_type types[] = {MCQ_PUB, MCQ_XPUB, MCQ_ROUTER};

    if (is_inproc()) { /* what is in a pipe is the reader's */
        print_message("# the oldest stays in a pipe\n");
        skip();
    }
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;
        struct couple couple;
        uint32_t sent;

        begin_world(&world);
        couple = open_deaf(&world, types[i], MCQ_FULL_DROP_OLDEST);
        sent = send_until(couple.bound, types[i], MCQ_DROP_OLDER, 20);
        assert_int_equal(drops_of(couple.bound, MCQ_DROP_FULL), 0);
        check_newest(couple.connected, sent, 20);
        end_world(&world);
    }
}

static void full_subscriber_or_peer__its_connection_ends(void)
{
    const enum mcq_type types[] = {MCQ_PUB, MCQ_XPUB, MCQ_ROUTER};

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;
        struct couple couple;
        struct mcq_peer_info info;
        uint64_t id;

        needs_streams();
        begin_world(&world);
        couple = open_deaf(&world, types[i], MCQ_FULL_DISCONNECT);
        assert_int_equal(mcq_peers(couple.bound, &info, 1, sizeof info), 1);
        id = info.id;
        (void) send_until(couple.bound, types[i], MCQ_DROP_FULL, 1);
        assert_true(mcq_peers(couple.bound, &info, 1, sizeof info) == 0 || info.id > id);
        assert_true(drops_of(couple.bound, MCQ_DROP_DISCONNECTED) >= HWM);
        assert_works(mcq_set(couple.connected, MCQ_OPT_RCVTIMEO, 10));
        for (uint64_t until = now_ms() + PATIENCE_MS; mcq_wait_peers(couple.bound, 1, 0) != 0;) {
            assert_true(now_ms() < until);
            (void) mcq_recv(couple.connected, NULL, 0, 0); /* having read, it comes back */
        }
        end_world(&world);
    }
}

static void full_subscriber_or_peer__sending_waits(void)
{
    const enum mcq_type types[] = {MCQ_PUB, MCQ_XPUB, MCQ_ROUTER};

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;
        struct couple couple;
        uint32_t sent = 0;

        begin_world(&world);
        couple = open_deaf(&world, types[i], MCQ_FULL_WAIT);
        do { /* its kernel may have taken something just then */
            while (send_numbered(couple.bound, sent + 1, types[i]) == 0)
                assert_true(++sent < 20000);
            assert_int_equal(errno, EAGAIN);
        } while (number_of(couple.bound, MCQ_OPT_EVENTS) & MCQ_POLLOUT);
        assert_int_equal(drops_of(couple.bound, MCQ_DROP_FULL), 0);
        check_newest(couple.connected, sent, 0);
        end_world(&world);
    }
}

/* Nobody is there yet, so nothing but the mark makes room. */
static void mark_lowered_behind_a_name__counts_from_the_next_message_on(void)
{
    for (int64_t is_mandatory = 0; is_mandatory <= 1; is_mandatory++) {
        struct world world;
        struct mcq_socket *router;
        struct mcq_socket *dealer;
        char endpoint[ENDPOINT_BYTES];

        begin_world(&world);
        router = open_socket(&world, MCQ_ROUTER);
        assert_works(mcq_set(router, MCQ_OPT_WHEN_FULL, MCQ_FULL_WAIT));
        assert_works(mcq_set(router, MCQ_OPT_ROUTER_MANDATORY, is_mandatory));
        assert_works(mcq_set(router, MCQ_OPT_SNDHWM, 2));
        assert_works(mcq_set_bytes(router, MCQ_OPT_CONNECT_ROUTING_ID, "it", 2));
        free_endpoint(endpoint);
        assert_works(mcq_connect(router, endpoint));
        send_text(router, "it", MCQ_SNDMORE | MCQ_DONTWAIT);
        send_text(router, "one", MCQ_DONTWAIT);
        send_text(router, "it", MCQ_SNDMORE | MCQ_DONTWAIT);
        assert_works(mcq_set(router, MCQ_OPT_SNDHWM, 1));
        send_text(router, "two", MCQ_SNDMORE | MCQ_DONTWAIT);
        send_text(router, "parts", MCQ_DONTWAIT);
        assert_fails(mcq_send(router, "it", 2, MCQ_SNDMORE | MCQ_DONTWAIT), EAGAIN);
        assert_int_equal(drops_of(router, MCQ_DROP_NO_MEMORY), 0);
        dealer = open_socket(&world, MCQ_DEALER);
        assert_works(mcq_bind(dealer, endpoint));
        expect_part(dealer, "one", false);
        expect_part(dealer, "two", true);
        expect_part(dealer, "parts", false);
        end_world(&world);
    }
}

static int send_one(void *argument)
{
    return mcq_send(argument, "waits", 5, 0);
}

static void chosen_while_another_thread_waits__it_need_not_any_more(void)
{
    struct world world;
    struct mcq_socket *push;
    struct helper helper;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    push = open_lonely(&world, MCQ_PUSH, MCQ_FULL_AS_TYPE, endpoint);
    send_numbers(push, HWM);
    start_helper(&helper, send_one, push);
    await_sleep(&helper);
    assert_works(mcq_set(push, MCQ_OPT_WHEN_FULL, MCQ_FULL_DROP_NEWEST));
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    assert_int_equal(drops_of(push, MCQ_DROP_FULL), 1);
    end_world(&world);
}

static void types__have_the_policies_that_make_sense(void)
{
    struct {
        enum mcq_type type;
        int64_t last;
    } const rows[] = {
        {MCQ_PAIR, MCQ_FULL_DROP_OLDEST},
        {MCQ_DEALER, MCQ_FULL_DROP_OLDEST},
        {MCQ_PUSH, MCQ_FULL_DROP_OLDEST},
        {MCQ_CLIENT, MCQ_FULL_DROP_OLDEST},
        {MCQ_SCATTER, MCQ_FULL_DROP_OLDEST},
        {MCQ_CHANNEL, MCQ_FULL_DROP_OLDEST},
        {MCQ_PUB, MCQ_FULL_DISCONNECT},
        {MCQ_XPUB, MCQ_FULL_DISCONNECT},
        {MCQ_XSUB, MCQ_FULL_DISCONNECT},
        {MCQ_RADIO, MCQ_FULL_DISCONNECT},
        {MCQ_ROUTER, MCQ_FULL_DISCONNECT},
        {MCQ_SERVER, MCQ_FULL_DISCONNECT},
        {MCQ_PEER, MCQ_FULL_DISCONNECT},
        {MCQ_REQ, -1},
        {MCQ_REP, -1},
        {MCQ_SUB, -1},
        {MCQ_PULL, -1},
        {MCQ_DISH, -1},
        {MCQ_GATHER, -1},
    };
    struct world world;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_socket *socket = open_socket(&world, rows[i].type);
        int64_t value;

        for (int64_t policy = 0; policy <= MCQ_FULL_DISCONNECT; policy++) {
            if (policy <= rows[i].last)
                assert_works(mcq_set(socket, MCQ_OPT_WHEN_FULL, policy));
            else
                assert_fails(mcq_set(socket, MCQ_OPT_WHEN_FULL, policy),
                             rows[i].last < 0 ? EINVAL : ENOTSUP);
        }
        if (rows[i].last < 0)
            assert_fails(mcq_get(socket, MCQ_OPT_WHEN_FULL, &value), EINVAL);
        else
            assert_int_equal(number_of(socket, MCQ_OPT_WHEN_FULL), rows[i].last);
        assert_fails(mcq_set(socket, MCQ_OPT_WHEN_FULL, MCQ_FULL_DISCONNECT + 1), EINVAL);
    }
    end_world(&world);
}

/* Of octets none may be missing: who takes too few is waited for, or disconnected. */
static void stream__waits_or_disconnects__and_drops_nothing(void)
{
    static char octets[40000];
    struct world world;

    needs_streams();
    begin_world(&world);
    struct couple couple = {.bound = open_socket(&world, MCQ_STREAM)};
    struct mcq_socket_stats stats;
    char name[8];

    assert_fails(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, MCQ_FULL_DROP_NEWEST), ENOTSUP);
    assert_fails(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, MCQ_FULL_DROP_OLDEST), ENOTSUP);
    assert_works(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, MCQ_FULL_WAIT));
    assert_works(mcq_set(couple.bound, MCQ_OPT_SNDHWM, HWM));
    couple.connected = open_socket(&world, MCQ_STREAM);
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVHWM, HWM));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    ptrdiff_t len = mcq_recv(couple.bound, name, sizeof name, 0);

    assert_int_equal(len, 5);
    expect_text(couple.bound, "");
    for (int sent = 0;; sent++) { /* until it is full */
        assert_true(sent < 20000);
        if (mcq_send(couple.bound, name, (size_t) len, MCQ_SNDMORE | MCQ_DONTWAIT) != 0)
            break;
        assert_works(mcq_send(couple.bound, octets, sizeof octets, 0));
    }
    assert_int_equal(errno, EAGAIN);
    assert_works(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, MCQ_FULL_DISCONNECT));
    assert_works(mcq_send(couple.bound, name, (size_t) len, MCQ_SNDMORE | MCQ_DONTWAIT));
    assert_works(mcq_send(couple.bound, octets, sizeof octets, 0));
    assert_int_equal(mcq_recv(couple.bound, name, sizeof name, 0), len);
    expect_text(couple.bound, ""); /* its end */
    assert_works(mcq_stats(couple.bound, &stats, sizeof stats));
    assert_int_equal(stats.drops[MCQ_DROP_FULL], 1);
    assert_true(stats.drops[MCQ_DROP_DISCONNECTED] > 0);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(push__drops_the_newest__or_the_oldest__and_never_waits)                                      \
    X(dealer_with_two_peers__the_oldest_goes_in_turns)                                             \
    X(stream__waits_or_disconnects__and_drops_nothing)                                             \
    X(pair__without_a_peer__the_newest_is_dropped_whole)                                           \
    X(full_subscriber_or_peer__the_oldest_gives_way)                                               \
    X(full_subscriber_or_peer__its_connection_ends)                                                \
    X(full_subscriber_or_peer__sending_waits)                                                      \
    X(mark_lowered_behind_a_name__counts_from_the_next_message_on)                                 \
    X(chosen_while_another_thread_waits__it_need_not_any_more)                                     \
    X(types__have_the_policies_that_make_sense)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "when_full");
}
