#include "api/test_support.h"

/* The next report, + or - and the topic; waits for it. */
static void expect_report(struct mcq_socket *xpub, const char *report)
{
    char room[64];
    ptrdiff_t len = mcq_recv(xpub, room, sizeof room - 1, 0);

    if (len < 1)
        fail_msg("%s, instead of %s", mcq_last_error(), report);
    room[len] = '\0';
    assert_in_range(room[0], 0, 1);
    room[0] = room[0] == 1 ? '+' : '-';
    assert_string_equal(room, report);
    assert_int_equal(number_of(xpub, MCQ_OPT_RCVMORE), 0);
}

static void wish(struct mcq_socket *xsub, bool is_on, const char *topic)
{
    char octets[64] = {is_on ? 1 : 0};

    memcpy(octets + 1, topic, strlen(topic));
    assert_works(mcq_send(xsub, octets, strlen(topic) + 1, 0));
}

static void xpub__hears_subscribers_come_and_go(void)
{
    struct mcq_poll_entry entry = {.events = MCQ_POLLIN};
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_XPUB, MCQ_SUB);
    struct mcq_socket *other = open_socket(&world, MCQ_SUB);

    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "a", 1));
    expect_report(couple.bound, "+a");
    assert_int_equal(number_of(couple.bound, MCQ_OPT_TOPICS_COUNT), 1);
    assert_int_equal(number_of(couple.connected, MCQ_OPT_TOPICS_COUNT), 1);
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    send_text(couple.bound, "a1", MCQ_SNDMORE);
    send_text(couple.bound, "rest", 0);
    expect_part(couple.connected, "a1", true);
    expect_text(couple.connected, "rest");
    assert_works(mcq_set_bytes(other, MCQ_OPT_SUBSCRIBE, "b", 1));
    assert_works(mcq_set_bytes(other, MCQ_OPT_SUBSCRIBE, "a", 1)); /* no news */
    assert_works(mcq_connect(other, couple.endpoint));
    entry.socket = couple.bound;
    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    expect_report(couple.bound, "+b");
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    close_socket(&world, other);
    for (int i = 0; i < 2; i++) { /* in any order */
        char room[2];

        assert_int_equal(mcq_recv(couple.bound, room, sizeof room, 0), 2);
        assert_int_equal(room[0], 0);
        assert_in_range(room[1], 'a', 'b');
    }
    expect_nothing(couple.bound);
    assert_int_equal(number_of(couple.bound, MCQ_OPT_TOPICS_COUNT), 0);
    end_world(&world);
}

static void xsub__says_what_it_wants__and_talks_to_its_publisher(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_XPUB, MCQ_XSUB);

    wish(couple.connected, true, "a");
    send_text(couple.connected, "hello", MCQ_SNDMORE);
    send_text(couple.connected, "publisher", 0);
    for (int i = 0; i < 2; i++) { /* the message and the wish, in any order */
        char room[16] = "";

        assert_true(mcq_recv(couple.bound, room, sizeof room, 0) > 0);
        if (room[0] == 1) {
            assert_string_equal(room + 1, "a");
        } else {
            assert_string_equal(room, "hello");
            expect_text(couple.bound, "publisher");
        }
    }
    assert_int_equal(number_of(couple.bound, MCQ_OPT_TOPICS_COUNT), 1);
    send_text(couple.bound, "b", 0);
    send_text(couple.bound, "a2", 0);
    expect_text(couple.connected, "a2");
    end_world(&world);
}

/* Ten thousand topics, wanted before there is a publisher and after; see libzmq#4064. */
static void many_subscriptions__all_are_heard(void)
{
    enum { HALF = 5000 };
    static bool is_heard[2 * HALF];
    struct world world;

    begin_world(&world);
    struct mcq_socket *xpub = open_socket(&world, MCQ_XPUB);
    struct mcq_socket *xsub = open_socket(&world, MCQ_XSUB);
    char endpoint[ENDPOINT_BYTES];
    char topic[16];

    memset(is_heard, 0, sizeof is_heard);
    bind_somewhere(xpub, endpoint);
    for (int i = 0; i < 2 * HALF; i++) {
        if (i == HALF)
            assert_works(mcq_connect(xsub, endpoint));
        (void) snprintf(topic, sizeof topic, "%05d", i);
        wish(xsub, true, topic);
    }
    for (int i = 0; i < 2 * HALF; i++) {
        int number;

        memset(topic, 0, sizeof topic);
        assert_int_equal(mcq_recv(xpub, topic, sizeof topic, 0), 6);
        assert_int_equal(topic[0], 1);
        assert_int_equal(sscanf(topic + 1, "%5d", &number), 1);
        assert_in_range(number, 0, 2 * HALF - 1);
        assert_false(is_heard[number]);
        is_heard[number] = true;
    }
    assert_int_equal(number_of(xpub, MCQ_OPT_TOPICS_COUNT), 2 * HALF);
    close_socket(&world, xsub);
    for (int i = 0; i < 2 * HALF; i++) {
        assert_int_equal(mcq_recv(xpub, topic, sizeof topic, 0), 6);
        assert_int_equal(topic[0], 0);
    }
    expect_nothing(xpub);
    end_world(&world);
}

/* One step of a proxy, whichever way there is something to pass on. */
static void pass_on(struct mcq_socket *xsub, struct mcq_socket *xpub)
{
    struct mcq_poll_entry entries[] = {{.socket = xsub, .events = MCQ_POLLIN},
                                       {.socket = xpub, .events = MCQ_POLLIN}};

    assert_true(mcq_poll(entries, 2, 10) >= 0);
    for (int i = 0; i < 2; i++) {
        struct mcq_message message;

        if (!(entries[i].revents & MCQ_POLLIN))
            continue;
        assert_works(mcq_message_init(&message));
        assert_works(mcq_recv_message(entries[i].socket, &message, 0));
        assert_works(mcq_send_message(entries[1 - i].socket, &message,
                                      mcq_message_more(&message) ? MCQ_SNDMORE : 0));
    }
}

static void proxy__subscriptions_go_up_and_messages_down(void)
{
    struct world world;
    char room[16] = "";

    begin_world(&world);
    struct couple front = open_couple(&world, MCQ_XSUB, MCQ_PUB);
    struct couple back = open_couple(&world, MCQ_XPUB, MCQ_SUB);

    assert_works(mcq_set_bytes(back.connected, MCQ_OPT_SUBSCRIBE, "a", 1));
    while (mcq_wait_peers(front.connected, 1, 0) != 0)
        pass_on(front.bound, back.bound);
    assert_works(mcq_set(back.connected, MCQ_OPT_RCVTIMEO, 1));
    send_text(front.connected, "b", 0);
    send_text(front.connected, "a1", 0);
    while (mcq_recv(back.connected, room, sizeof room, 0) < 0)
        pass_on(front.bound, back.bound);
    assert_string_equal(room, "a1");
    assert_works(mcq_set_bytes(back.connected, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    while (number_of(front.connected, MCQ_OPT_TOPICS_COUNT) > 0)
        pass_on(front.bound, back.bound);
    end_world(&world);
}

static void manual__the_application_says_who_gets_what(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_XPUB, MCQ_SUB);

    assert_says(mcq_set_bytes(couple.bound, MCQ_OPT_SUBSCRIBE, "x", 1), EINVAL,
                "set SUBSCRIBE: set XPUB_MANUAL first");
    assert_works(mcq_set(couple.bound, MCQ_OPT_XPUB_MANUAL, 1));
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "", 0));
    expect_report(couple.bound, "+");
    assert_works(mcq_set_bytes(couple.bound, MCQ_OPT_SUBSCRIBE, "only this", 9));
    send_text(couple.bound, "that", 0);
    send_text(couple.bound, "only this", 0);
    expect_text(couple.connected, "only this");
    assert_works(mcq_set_bytes(couple.bound, MCQ_OPT_UNSUBSCRIBE, "only this", 9));
    send_text(couple.bound, "only this", 0);
    close_socket(&world, couple.connected);
    expect_report(couple.bound, "-");
    end_world(&world);
}

static void welcome__comes_first(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *xpub = open_socket(&world, MCQ_XPUB);
    struct mcq_socket *sub = open_socket(&world, MCQ_SUB);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set_bytes(xpub, MCQ_OPT_XPUB_WELCOME_MSG, "welcome", 7));
    assert_says(mcq_set_bytes(sub, MCQ_OPT_XPUB_WELCOME_MSG, "welcome", 7), EINVAL,
                "set XPUB_WELCOME_MSG: a SUB socket has no such option");
    bind_somewhere(xpub, endpoint);
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "", 0));
    assert_works(mcq_connect(sub, endpoint));
    expect_text(sub, "welcome");
    end_world(&world);
}

/* Twice what the high-water marks let through: send waits, and all of it comes. */
static void nodrop__send_waits_for_the_slowest(void)
{
    enum { COUNT = 400 };
    static char body[20000];
    struct world world;
    int sent = 0;

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);
    struct mcq_socket *sub = open_socket(&world, MCQ_SUB);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(pub, MCQ_OPT_XPUB_NODROP, 1));
    assert_works(mcq_set(pub, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(sub, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "", 0));
    bind_somewhere(pub, endpoint);
    assert_works(mcq_connect(sub, endpoint));
    assert_works(mcq_wait_peers(pub, 1, PATIENCE_MS));
    for (int came = 0; came < COUNT; came++) {
        while (sent < COUNT && mcq_send(pub, body, sizeof body, MCQ_DONTWAIT) == 0)
            sent++;
        assert_int_equal(mcq_recv(sub, NULL, 0, 0), sizeof body);
    }
    assert_int_equal(sent, COUNT);
    expect_nothing(sub);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(xpub__hears_subscribers_come_and_go)                                                         \
    X(xsub__says_what_it_wants__and_talks_to_its_publisher)                                        \
    X(many_subscriptions__all_are_heard)                                                           \
    X(proxy__subscriptions_go_up_and_messages_down)                                                \
    X(manual__the_application_says_who_gets_what)                                                  \
    X(welcome__comes_first)                                                                        \
    X(nodrop__send_waits_for_the_slowest)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    static const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "xpub");
}
