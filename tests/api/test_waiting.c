/* Calls that wait: timeouts, high-water marks, other threads, signals, lingering, coming back. */

#include <signal.h>

#include "api/test_support.h"

#define BODY_BYTES 65536 /* a few hundred of these fill what the kernel holds */
#define FILL_MAX 20000

static char body[BODY_BYTES];

static int receive(void *socket)
{
    return (int) mcq_recv(socket, NULL, 0, 0);
}

static int send_body(void *socket)
{
    return mcq_send(socket, body, sizeof body, 0);
}

/* --- timeouts -------------------------------------------------------------------------------- */

static void dontwait__is_eagain_at_once(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_says(mcq_recv(pull, NULL, 0, MCQ_DONTWAIT), EAGAIN, "recv on PULL: no message has come");
    assert_says(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN,
                "send on PUSH: no peer has room: none is connected, or as many messages wait as "
                "SNDHWM allows");
    end_world(&world);
}

static void timeouts__are_waited_for(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    uint64_t begun = now_ms();

    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 30));
    assert_works(mcq_set(push, MCQ_OPT_SNDTIMEO, 30));
    assert_fails(mcq_recv(pull, NULL, 0, 0), EAGAIN);
    assert_true(now_ms() >= begun + 29);
    assert_fails(mcq_send(push, "x", 1, 0), EAGAIN);
    assert_true(now_ms() >= begun + 59);
    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 0));
    assert_works(mcq_set(push, MCQ_OPT_SNDTIMEO, 0));
    assert_fails(mcq_recv(pull, NULL, 0, 0), EAGAIN);
    assert_fails(mcq_send(push, "x", 1, 0), EAGAIN);
    end_world(&world);
}

static void wait_peers__until_they_are_there(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_wait_peers(pull, 0, 0));
    assert_says(mcq_wait_peers(pull, 1, 0), EAGAIN,
                "wait_peers on PULL: too few peers have connected in time");
    assert_fails(mcq_wait_peers(pull, 1, 20), EAGAIN);
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    assert_works(mcq_wait_peers(pull, 1, -1));
    assert_works(mcq_wait_peers(push, 1, -1));
    end_world(&world);
}

static void wait_peers__of_a_publisher__counts_those_who_have_subscribed(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PUB, MCQ_SUB);

    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    assert_says(mcq_wait_peers(couple.bound, 1, 20), EAGAIN,
                "wait_peers on PUB: too few peers have subscribed in time");
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "a", 1));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    send_text(couple.bound, "a", 0);
    expect_text(couple.connected, "a");
    end_world(&world);
}

static void unknown_flags__are_einval(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pair = open_socket(&world, MCQ_PAIR);

    assert_works(mcq_message_init(&message));
    assert_says(mcq_send(pair, "x", 1, 4), EINVAL, "send: flag 4 is unknown");
    assert_fails(mcq_send_message(pair, &message, 8), EINVAL);
    assert_says(mcq_recv(pair, NULL, 0, MCQ_SNDMORE), EINVAL, "recv: flag 2 is unknown");
    assert_fails(mcq_recv_message(pair, &message, -1), EINVAL);
    assert_fails(mcq_send(NULL, "x", 1, 0), EFAULT);
    assert_fails(mcq_send(pair, NULL, 1, 0), EFAULT);
    assert_fails(mcq_recv(NULL, NULL, 0, 0), EFAULT);
    assert_fails(mcq_recv(pair, NULL, 1, 0), EFAULT);
    assert_fails(mcq_send_message(NULL, &message, 0), EFAULT);
    assert_fails(mcq_send_message(pair, NULL, 0), EFAULT);
    assert_fails(mcq_recv_message(NULL, &message, 0), EFAULT);
    assert_says(mcq_recv_message(pair, NULL, 0), EFAULT, "recv_message: message is NULL");
    end_world(&world);
}

/* --- other threads --------------------------------------------------------------------------- */

/* Its call fails for this reason. */
static void expect_woken(struct helper *helper, int number)
{
    join_helper(helper);
    assert_int_equal(helper->result, -1);
    assert_int_equal(helper->number, number);
}

static void recv__asleep__is_woken_by_a_message(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (int i = 0; i < 20; i++) {
        start_helper(&helper, receive, couple.bound);
        await_sleep(&helper);
        send_text(couple.connected, "wake up", 0);
        join_helper(&helper);
        assert_int_equal(helper.result, 7);
    }
    end_world(&world);
}

static void recv__asleep__context_ends__is_eterm(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    start_helper(&helper, receive, pull);
    await_sleep(&helper);
    assert_works(mcq_ctx_shutdown(world.context));
    expect_woken(&helper, MCQ_ETERM);
    end_world(&world);
}

static void recv__asleep__socket_is_closed__is_enotsock(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    start_helper(&helper, receive, couple.bound);
    await_sleep(&helper);
    close_socket(&world, couple.bound);
    expect_woken(&helper, ENOTSOCK);
    end_world(&world);
}

static void send__asleep__context_ends__is_eterm(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    start_helper(&helper, send_body, push);
    await_sleep(&helper);
    assert_works(mcq_ctx_shutdown(world.context));
    expect_woken(&helper, MCQ_ETERM);
    end_world(&world);
}

static void send__asleep__a_peer_connects__goes_on(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(push, endpoint);
    start_helper(&helper, send_body, push);
    await_sleep(&helper);
    assert_works(mcq_connect(pull, endpoint));
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    assert_int_equal(mcq_recv(pull, NULL, 0, 0), sizeof body);
    end_world(&world);
}

static void on_signal(int number)
{
    (void) number;
}

static void recv__asleep__a_signal_handler_runs__is_eintr(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct helper helper;
    struct world world;

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    start_helper(&helper, receive, couple.bound);
    await_sleep(&helper);
    while (!atomic_load(&helper.is_done)) { /* one that comes just before the sleep is lost */
        assert_int_equal(pthread_kill(helper.thread, SIGUSR1), 0);
        (void) sched_yield();
    }
    expect_woken(&helper, EINTR);
    send_text(couple.connected, "later", 0);
    expect_text(couple.bound, "later");
    end_world(&world);
}

/* --- high-water marks ------------------------------------------------------------------------ */

static void sndhwm__without_a_connection__is_exact(void)
{
    char endpoint[ENDPOINT_BYTES];
    char text[] = "0";
    struct world world;

    free_endpoint(endpoint);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 3));
    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_connect(push, endpoint));
    for (int i = 0; i < 3; i++) {
        text[0] = (char) ('0' + i);
        send_text(push, "head", MCQ_SNDMORE | MCQ_DONTWAIT);
        send_text(push, text, MCQ_DONTWAIT);
    }
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    /* Bound only now: what was sent before anybody was there arrives, in order. */
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_again(pull, endpoint);
    for (int i = 0; i < 3; i++) {
        text[0] = (char) ('0' + i);
        expect_part(pull, "head", true);
        expect_text(pull, text);
    }
    send_text(push, "more", 0);
    expect_text(pull, "more");
    end_world(&world);
}

/* Sends until nothing goes for a while; returns how many went. */
static int fill(struct mcq_socket *socket)
{
    int count = 0;

    assert_works(mcq_set(socket, MCQ_OPT_SNDTIMEO, 50));
    while (count < FILL_MAX && send_body(socket) == 0)
        count++;
    assert_int_equal(errno, EAGAIN);
    assert_true(count < FILL_MAX);
    assert_works(mcq_set(socket, MCQ_OPT_SNDTIMEO, PATIENCE_MS));
    return count;
}

static void hwm__with_a_reader_that_does_not__send_waits_until_it_does(void)
{
    struct helper helper;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 2));
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    int count = fill(push);

    assert_fails(mcq_send(push, body, sizeof body, MCQ_DONTWAIT), EAGAIN);
    start_helper(&helper, send_body, push);
    await_sleep(&helper);
    for (int i = 0; i <= count; i++)
        assert_int_equal(mcq_recv(pull, NULL, 0, 0), sizeof body);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    expect_nothing(pull);
    end_world(&world);
}

/* A subscriber that does not read loses messages; the publisher does not wait, and others get all.
 */
static void hwm__of_a_publisher__drops_for_the_slow_one_only(void)
{
    enum { COUNT = 2000 };
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *subs[2];
    int received = 0;

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);

    assert_works(mcq_set(pub, MCQ_OPT_SNDHWM, 10));
    bind_somewhere(pub, endpoint);
    for (size_t i = 0; i < 2; i++) {
        subs[i] = open_socket(&world, MCQ_SUB);
        assert_works(mcq_set(subs[i], MCQ_OPT_RCVHWM, 10));
        assert_works(mcq_set_bytes(subs[i], MCQ_OPT_SUBSCRIBE, NULL, 0));
        assert_works(mcq_connect(subs[i], endpoint));
    }
    await_subscriber(pub, subs[1], "");
    await_subscriber(pub, subs[0], "");
    for (int i = 0; i < COUNT; i++) {
        assert_works(mcq_send(pub, body, sizeof body, 0));
        assert_int_equal(mcq_recv(subs[0], NULL, 0, 0), sizeof body);
    }
    assert_works(mcq_set(subs[1], MCQ_OPT_RCVTIMEO, 50));
    for (ptrdiff_t len = 0; len >= 0; len = mcq_recv(subs[1], NULL, 0, 0))
        received += len == (ptrdiff_t) sizeof body;
    assert_true(received > 10 && received < COUNT);
    end_world(&world);
}

static void mandatory_router__full_peer__is_eagain(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int count = 0;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

    assert_works(mcq_set(router, MCQ_OPT_ROUTER_MANDATORY, 1));
    assert_works(mcq_set(router, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(dealer, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "slow", 4));
    bind_somewhere(router, endpoint);
    assert_works(mcq_connect(dealer, endpoint));
    assert_works(mcq_wait_peers(router, 1, PATIENCE_MS));
    while (count < FILL_MAX && mcq_send(router, "slow", 4, MCQ_SNDMORE | MCQ_DONTWAIT) == 0) {
        assert_works(mcq_send(router, body, sizeof body, 0));
        count++;
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(count > 0 && count < FILL_MAX);
    for (int i = 0; i < count; i++)
        assert_int_equal(mcq_recv(dealer, NULL, 0, 0), sizeof body);
    send_text(router, "slow", MCQ_SNDMORE);
    send_text(router, "again", 0);
    expect_text(dealer, "again");
    end_world(&world);
}

/* --- ends and new beginnings ----------------------------------------------------------------- */

static void linger__sent_just_before_close_and_term__arrives(void)
{
    struct world there;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world_with_threads(&there);
    struct mcq_socket *pull = open_socket(&there, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    for (int i = 0; i < 20; i++) {
        struct world here;

        begin_world(&here);
        struct mcq_socket *push = open_socket(&here, MCQ_PUSH);

        assert_works(mcq_connect(push, endpoint));
        send_text(push, "last", MCQ_SNDMORE);
        send_text(push, "words", 0);
        end_world(&here);
        expect_part(pull, "last", true);
        expect_text(pull, "words");
    }
    end_world(&there);
}

static void linger__many_octets__all_arrive(void)
{
    enum { COUNT = 300 };
    struct world there;
    struct world here;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&there);
    begin_world(&here);
    struct mcq_socket *pull = open_socket(&there, MCQ_PULL);
    struct mcq_socket *push = open_socket(&here, MCQ_PUSH);

    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    for (int i = 0; i < COUNT; i++)
        assert_works(send_body(push));
    close_socket(&here, push);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(mcq_recv(pull, NULL, 0, 0), sizeof body);
    end_world(&here);
    end_world(&there);
}

static void linger_0__unsent_messages_do_not_hold_up_the_end(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    free_endpoint(endpoint);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_connect(push, endpoint));
    send_text(push, "never", 0);
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    end_world(&world);
}

static void linger__for_a_time__ends_with_it(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;
    uint64_t begun;

    free_endpoint(endpoint);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_connect(push, endpoint));
    send_text(push, "never", 0);
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 100));
    begun = now_ms();
    end_world(&world);
    assert_true(now_ms() >= begun + 99);
}

static void linger_without_end__term_waits_until_somebody_takes_it(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world here;
    struct world there;

    free_endpoint(endpoint);
    begin_world_with_threads(&here);
    struct mcq_socket *push = open_socket(&here, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "in the end", 0);
    close_socket(&here, push);
    assert_fails(mcq_ctx_term(here.context, 50), EAGAIN);
    begin_world(&there);
    struct mcq_socket *pull = open_socket(&there, MCQ_PULL);

    bind_again(pull, endpoint);
    expect_text(pull, "in the end");
    end_world(&here);
    end_world(&there);
}

static void connect__before_bind__is_made_up_for(void)
{
    static const enum mcq_type types[][2] = {
        {MCQ_PULL, MCQ_PUSH}, {MCQ_REP, MCQ_REQ}, {MCQ_PAIR, MCQ_PAIR}, {MCQ_ROUTER, MCQ_DEALER}};
    struct world world;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        char endpoint[ENDPOINT_BYTES];

        free_endpoint(endpoint);
        struct mcq_socket *connected = open_socket(&world, types[i][1]);
        struct mcq_socket *bound = open_socket(&world, types[i][0]);

        assert_works(mcq_set(connected, MCQ_OPT_RECONNECT_IVL, 1));
        assert_works(mcq_connect(connected, endpoint));
        send_text(connected, "early", 0);
        bind_again(bound, endpoint);
        if (types[i][0] == MCQ_ROUTER)
            assert_int_equal(mcq_recv(bound, NULL, 0, 0), 5);
        expect_text(bound, "early");
    }
    end_world(&world);
}

/* What is sent while the loss has not been seen may be lost with the connection; what is sent later
 * arrives. */
static void reconnect__bound_side_comes_back__messages_flow_again(void)
{
    struct world here;
    struct world there;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&here);
    struct mcq_socket *push = open_socket(&here, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    begin_world(&there);
    struct mcq_socket *pull = open_socket(&there, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    for (int round = 0; round < 3; round++) {
        ptrdiff_t len = -1;

        assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 20));
        for (uint64_t until = now_ms() + PATIENCE_MS; len < 0 && now_ms() < until;) {
            (void) mcq_send(push, "are you there?", 14, MCQ_DONTWAIT);
            len = mcq_recv(pull, NULL, 0, 0);
        }
        assert_int_equal(len, 14);
        end_world(&there);
        begin_world(&there);
        pull = open_socket(&there, MCQ_PULL);
        bind_again(pull, endpoint);
    }
    end_world(&there);
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    end_world(&here);
}

static void resubscribe__publisher_comes_back__subscriptions_hold(void)
{
    struct world here;
    struct world there;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&here);
    struct mcq_socket *sub = open_socket(&here, MCQ_SUB);

    assert_works(mcq_set(sub, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "topic", 5));
    begin_world(&there);
    struct mcq_socket *pub = open_socket(&there, MCQ_PUB);

    bind_somewhere(pub, endpoint);
    assert_works(mcq_connect(sub, endpoint));
    for (int round = 0; round < 3; round++) {
        await_subscriber(pub, sub, "topic");
        send_text(pub, "topic: news", 0);
        expect_text(sub, "topic: news");
        end_world(&there);
        begin_world(&there);
        pub = open_socket(&there, MCQ_PUB);
        bind_again(pub, endpoint);
    }
    end_world(&there);
    end_world(&here);
}

#define ON_BOTH(X)                                                                                 \
    X(dontwait__is_eagain_at_once)                                                                 \
    X(timeouts__are_waited_for)                                                                    \
    X(wait_peers__until_they_are_there)                                                            \
    X(wait_peers__of_a_publisher__counts_those_who_have_subscribed)                                \
    X(unknown_flags__are_einval)                                                                   \
    X(recv__asleep__is_woken_by_a_message)                                                         \
    X(recv__asleep__context_ends__is_eterm)                                                        \
    X(recv__asleep__socket_is_closed__is_enotsock)                                                 \
    X(send__asleep__context_ends__is_eterm)                                                        \
    X(send__asleep__a_peer_connects__goes_on)                                                      \
    X(recv__asleep__a_signal_handler_runs__is_eintr)                                               \
    X(sndhwm__without_a_connection__is_exact)                                                      \
    X(hwm__with_a_reader_that_does_not__send_waits_until_it_does)                                  \
    X(hwm__of_a_publisher__drops_for_the_slow_one_only)                                            \
    X(mandatory_router__full_peer__is_eagain)                                                      \
    X(linger__sent_just_before_close_and_term__arrives)                                            \
    X(linger__many_octets__all_arrive)                                                             \
    X(linger_0__unsent_messages_do_not_hold_up_the_end)                                            \
    X(linger__for_a_time__ends_with_it)                                                            \
    X(linger_without_end__term_waits_until_somebody_takes_it)                                      \
    X(connect__before_bind__is_made_up_for)                                                        \
    X(reconnect__bound_side_comes_back__messages_flow_again)                                       \
    X(resubscribe__publisher_comes_back__subscriptions_hold)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.waiting");
}
