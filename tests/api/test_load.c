/* Many peers, many threads, many messages: nothing is lost, doubled or out of order. */

#include "api/test_support.h"

enum { CONNECTIONS = 100, EACH = 10 };

static void hundred_connections__of_one_socket__all_are_used(void)
{
    struct mcq_message message;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

    bind_somewhere(router, endpoint);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_works(mcq_connect(dealer, endpoint));
    assert_works(mcq_wait_peers(router, CONNECTIONS, PATIENCE_MS));
    assert_works(mcq_wait_peers(dealer, CONNECTIONS, PATIENCE_MS));
    for (int i = 0; i < CONNECTIONS * EACH; i++)
        send_text(dealer, "there", 0);
    assert_works(mcq_message_init(&message));
    for (int i = 0; i < CONNECTIONS * EACH; i++) {
        assert_works(mcq_recv_message(router, &message, 0));
        assert_true(mcq_message_more(&message));
        assert_works(mcq_send_message(router, &message, MCQ_SNDMORE));
        assert_works(mcq_recv_message(router, &message, 0));
        assert_works(mcq_send_message(router, &message, 0));
    }
    for (int i = 0; i < CONNECTIONS * EACH; i++)
        expect_text(dealer, "there");
    expect_nothing(dealer);
    expect_nothing(router);
    end_world(&world);
}

static void hundred_sockets__of_one_context__all_arrive(void)
{
    int counts[CONNECTIONS] = {0};
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_IO_THREADS, 2));
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_connect(push, endpoint));
        for (int part = 0; part < EACH; part++)
            assert_works(mcq_send(push, &i, sizeof i, 0));
    }
    for (int i = 0; i < CONNECTIONS * EACH; i++) {
        int from = -1;

        assert_int_equal(mcq_recv(pull, &from, sizeof from, 0), sizeof from);
        assert_in_range(from, 0, CONNECTIONS - 1);
        counts[from]++;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(counts[i], EACH);
    expect_nothing(pull);
    end_world(&world);
}

/* --- fan-out --------------------------------------------------------------------------------- */

enum {
    SUBSCRIBERS = 70,
    BURST = 600,
    BURSTS = 3
}; /* more peers than one flush writes to at once */

/* The publisher says nothing behind a burst: what has not left yet leaves without it. */
static void seventy_subscribers__all_get_all_in_order(void)
{
    struct mcq_socket *subs[SUBSCRIBERS];
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);

    bind_somewhere(pub, endpoint);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        subs[i] = open_socket(&world, MCQ_SUB);
        assert_works(mcq_set_bytes(subs[i], MCQ_OPT_SUBSCRIBE, NULL, 0));
        assert_works(mcq_connect(subs[i], endpoint));
    }
    assert_works(mcq_wait_peers(pub, SUBSCRIBERS, PATIENCE_MS));
    for (int burst = 0; burst < (is_slow() ? 1 : BURSTS); burst++) {
        for (int number = 0; number < BURST; number++)
            assert_works(mcq_send(pub, &number, sizeof number, 0));
        for (int number = 0; number < BURST; number++)
            for (int i = 0; i < SUBSCRIBERS; i++) {
                int got = -1;

                assert_int_equal(mcq_recv(subs[i], &got, sizeof got, 0), sizeof got);
                assert_int_equal(got, number);
            }
    }
    end_world(&world);
}

/* One that reads nothing loses messages; the others get each one, and it gets none in pieces. */
static void slow_subscriber__is_the_only_one_that_loses(void)
{
    enum { OTHERS = 33, COUNT = 600 }; /* the kernel holds less than 18 MB of one stream */
    static char body[60000];
    struct mcq_socket *subs[OTHERS];
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int last = -1;

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);
    struct mcq_socket *slow = open_socket(&world, MCQ_SUB);

    assert_works(mcq_set(pub, MCQ_OPT_SNDHWM, 10));
    assert_works(mcq_set(slow, MCQ_OPT_RCVHWM, 1));
    bind_somewhere(pub, endpoint);
    assert_works(mcq_set_bytes(slow, MCQ_OPT_SUBSCRIBE, NULL, 0));
    assert_works(mcq_connect(slow, endpoint));
    for (int i = 0; i < OTHERS; i++) {
        subs[i] = open_socket(&world, MCQ_SUB);
        assert_works(mcq_set_bytes(subs[i], MCQ_OPT_SUBSCRIBE, NULL, 0));
        assert_works(mcq_connect(subs[i], endpoint));
    }
    assert_works(mcq_wait_peers(pub, OTHERS + 1, PATIENCE_MS));
    for (int number = 0; number < COUNT; number++) {
        /* The short ones are for all, the long ones fill up whoever does not read. */
        memcpy(body, &number, sizeof number);
        assert_works(mcq_send(pub, body, number % 2 == 0 ? sizeof number : sizeof body, 0));
        for (int i = 0; i < OTHERS; i++) {
            int got = -1;

            assert_true(mcq_recv(subs[i], &got, sizeof got, 0) > 0);
            assert_int_equal(got, number);
        }
    }
    assert_works(mcq_set(slow, MCQ_OPT_RCVTIMEO, 200)); /* nothing depends on how much it gets */
    for (ptrdiff_t len; (len = mcq_recv(slow, body, sizeof body, 0)) >= 0;) {
        int number = -1;

        memcpy(&number, body, sizeof number);
        assert_true(number > last);
        assert_int_equal(len, number % 2 == 0 ? sizeof number : sizeof body);
        last = number;
    }
    assert_in_range(last, 0, COUNT - 2);
    end_world(&world);
}

/* --- threads --------------------------------------------------------------------------------- */

enum { ROUNDS = 500, IN_TURN = 7 };

/* A socket that two threads use in turns; whose turn it is says the count, under the mutex. */
struct relay {
    struct mcq_socket *socket;
    pthread_mutex_t mutex;
    pthread_cond_t has_turned;
    int turn;
    int sent;
    int failed;
};

static int run_relay(struct relay *relay, int me)
{
    for (int round = 0; round < ROUNDS; round++) {
        (void) pthread_mutex_lock(&relay->mutex);
        while (relay->turn != me)
            (void) pthread_cond_wait(&relay->has_turned, &relay->mutex);
        for (int i = 0; i < IN_TURN; i++, relay->sent++)
            if (mcq_send(relay->socket, &relay->sent, sizeof relay->sent, 0) != 0)
                relay->failed++;
        relay->turn = !me;
        (void) pthread_cond_signal(&relay->has_turned);
        (void) pthread_mutex_unlock(&relay->mutex);
    }
    return 0;
}

static int run_first(void *relay)
{
    return run_relay(relay, 0);
}

static int run_second(void *relay)
{
    return run_relay(relay, 1);
}

static void socket__migrates_between_threads__order_is_kept(void)
{
    struct relay relay = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                          .has_turned = PTHREAD_COND_INITIALIZER};
    struct helper helpers[2];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    relay.socket = couple.connected;
    start_helper(&helpers[0], run_first, &relay);
    start_helper(&helpers[1], run_second, &relay);
    for (int i = 0; i < 2 * ROUNDS * IN_TURN; i++) {
        int number = -1;

        assert_int_equal(mcq_recv(couple.bound, &number, sizeof number, 0), sizeof number);
        assert_int_equal(number, i);
    }
    join_helper(&helpers[0]);
    join_helper(&helpers[1]);
    assert_int_equal(relay.failed, 0);
    end_world(&world);
}

static int receive_until_the_end(void *socket)
{
    ptrdiff_t len;
    int count = 0;

    while ((len = mcq_recv(socket, NULL, 0, 0)) > 0)
        count++;
    return len == 0 ? count : -1;
}

static int send_many(void *socket)
{
    for (int i = 0; i < ROUNDS * 10; i++)
        if (mcq_send(socket, "x", 1, 0) != 0)
            return -1;
    return 0;
}

/* Three threads send on one socket, three receive on another one; an empty message ends each. */
static void sockets__shared_by_threads__nothing_is_lost(void)
{
    struct helper senders[3];
    struct helper receivers[3];
    struct world world;
    int count = 0;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (int i = 0; i < 3; i++) {
        start_helper(&receivers[i], receive_until_the_end, couple.bound);
        start_helper(&senders[i], send_many, couple.connected);
    }
    for (int i = 0; i < 3; i++) {
        join_helper(&senders[i]);
        assert_int_equal(senders[i].result, 0);
    }
    for (int i = 0; i < 3; i++)
        send_text(couple.connected, "", 0);
    for (int i = 0; i < 3; i++) {
        join_helper(&receivers[i]);
        assert_true(receivers[i].result >= 0);
        count += receivers[i].result;
    }
    assert_int_equal(count, 3 * ROUNDS * 10);
    end_world(&world);
}

static int serve(void *socket)
{
    char room[64];
    ptrdiff_t len;

    while ((len = mcq_recv(socket, room, sizeof room, 0)) >= 0)
        if (mcq_send(socket, room, (size_t) len, 0) != 0)
            return -1;
    return errno == MCQ_ETERM ? 0 : -1;
}

/* The end of a context is how servers are told to stop. */
static void server_thread__serves_and_ends_with_its_context(void)
{
    struct world here;
    struct world there;
    struct helper server;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&here);
    begin_world(&there);
    struct mcq_socket *rep = open_socket(&there, MCQ_REP);
    struct mcq_socket *req = open_socket(&here, MCQ_REQ);

    bind_somewhere(rep, endpoint);
    start_helper(&server, serve, rep);
    assert_works(mcq_connect(req, endpoint));
    for (int i = 0; i < ROUNDS; i++) {
        send_text(req, "ping", 0);
        expect_text(req, "ping");
    }
    assert_works(mcq_ctx_shutdown(there.context));
    join_helper(&server);
    assert_int_equal(server.result, 0);
    end_world(&there);
    end_world(&here);
}

static void stream__of_many_messages__in_order(void)
{
    enum { COUNT = 200000 };
    struct world world;
    uint32_t received = 0;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_set(couple.bound, MCQ_OPT_RCVTIMEO, 0));
    for (uint32_t sent = 0; sent < COUNT || received < COUNT;) {
        uint32_t number;

        for (int i = 0; i < 100 && sent < COUNT; i++, sent++)
            if (mcq_send(couple.connected, &sent, sizeof sent, MCQ_DONTWAIT) != 0)
                break;
        while (mcq_recv(couple.bound, &number, sizeof number, 0) == (ptrdiff_t) sizeof number)
            assert_int_equal(number, received++);
        assert_int_equal(errno, EAGAIN);
    }
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(hundred_connections__of_one_socket__all_are_used)                                            \
    X(seventy_subscribers__all_get_all_in_order)                                                   \
    X(slow_subscriber__is_the_only_one_that_loses)                                                 \
    X(hundred_sockets__of_one_context__all_arrive)                                                 \
    X(socket__migrates_between_threads__order_is_kept)                                             \
    X(sockets__shared_by_threads__nothing_is_lost)                                                 \
    X(server_thread__serves_and_ends_with_its_context)                                             \
    X(stream__of_many_messages__in_order)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.load");
}
