#include "session/state.h"
#include "socket/test_support.h"

/* An XSUB and bare publishers. What libzmq does in each case was looked up in a live 4.3.4. */
struct fixture {
    struct world world;
    struct end xsub;
    struct end bare;
    struct test_peer *near; /* of the XSUB, which connects */
    struct test_peer *far;
};

static void start(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->xsub, &f->world, MCQ_SOCKET_TYPE_XSUB);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_XPUB);
    joined = join(&f->xsub, &f->bare);
    f->near = joined.near;
    f->far = joined.far;
}

static enum mcq_err say(struct end *end, const char *octets, size_t len, bool more)
{
    return send_bytes(end, mcq_bytes(octets, len), more);
}

#define SAY(f, octets) assert_int_equal(say(&(f)->xsub, octets, sizeof(octets) - 1, false), MCQ_OK)
#define SAY_MORE(f, octets)                                                                        \
    assert_int_equal(say(&(f)->xsub, octets, sizeof(octets) - 1, true), MCQ_OK)

/* The next thing that a publisher hears: a command (+ or -, and the topic), or a part of a message
 * with its octets. */
static void expect_heard(struct fixture *f, struct test_peer *peer, const char *octets, size_t len,
                         bool more, int line)
{
    struct mcq_event event;
    struct mcq_msg msg;
    char text[64];
    size_t text_len;

    settle(&f->world);
    if (mcq_link_hear(&peer->peer.link, &msg, &event) != MCQ_OK)
        fail_msg("line %d: nothing was heard", line);
    if (event.kind == MCQ_EVENT_BODY) {
        text_len = mcq_msg_len(&msg);
        memcpy(text, mcq_msg_data(&msg), text_len);
        assert_int_equal(msg.more, more);
        mcq_msg_fini(&msg);
    } else {
        text[0] = event.kind == MCQ_EVENT_SUBSCRIBE ? '+' : '-';
        memcpy(text + 1, event.topic.data, event.topic.len);
        text_len = event.topic.len + 1;
    }
    if (text_len != len || memcmp(text, octets, len) != 0)
        fail_msg("line %d: '%.*s' was heard", line, (int) text_len, text);
}

#define HEARD(f, peer, octets) expect_heard(f, peer, octets, sizeof(octets) - 1, false, __LINE__)
#define HEARD_MORE(f, peer, octets)                                                                \
    expect_heard(f, peer, octets, sizeof(octets) - 1, true, __LINE__)

static void expect_silence(struct fixture *f, struct test_peer *peer)
{
    struct mcq_event event;
    struct mcq_msg msg;

    settle(&f->world);
    assert_int_equal(mcq_link_hear(&peer->peer.link, &msg, &event), MCQ_AGAIN);
}

static void subscriptions__each_goes__and_the_last_cancellation(void **state)
{
    struct fixture f;
    int64_t count;

    (void) state;
    start(&f);
    SAY(&f, "\1a");
    HEARD(&f, f.far, "+a");
    SAY(&f, "\1a");
    HEARD(&f, f.far, "+a");
    assert_int_equal(f.xsub.ops->get(f.xsub.pattern, MCQ_PATTERN_TOPICS_COUNT, &count), MCQ_OK);
    assert_int_equal(count, 1);
    SAY(&f, "\0a");
    expect_silence(&f, f.far);
    SAY(&f, "\0a");
    HEARD(&f, f.far, "-a");
    SAY(&f, "\0a");
    SAY(&f, "\0never");
    expect_silence(&f, f.far);
    SAY(&f, "\1");
    HEARD(&f, f.far, "+");
    set(&f.xsub, MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE, 1);
    SAY(&f, "\0never");
    HEARD(&f, f.far, "-never");
    world_fini(&f.world);
}

static void messages__go_to_all__and_come_unfiltered(void **state)
{
    struct fixture f;
    struct joined other;

    (void) state;
    start(&f);
    other = join(&f.bare, &f.xsub);
    assert_true(is_writable(&f.xsub));
    SAY(&f, "user");
    SAY(&f, "");
    SAY_MORE(&f, "\2x");
    SAY(&f, "y");
    for (int i = 0; i < 2; i++) {
        struct test_peer *peer = i == 0 ? f.far : other.near;

        HEARD(&f, peer, "user");
        HEARD(&f, peer, "");
        HEARD_MORE(&f, peer, "\2x");
        HEARD(&f, peer, "y");
        expect_silence(&f, peer);
    }
    put_text(f.far, "not asked for", true);
    put_text(f.far, "", false);
    put_text(other.near, "nor this", false);
    settle(&f.world);
    EXPECT_MORE(&f.xsub, "not asked for");
    EXPECT(&f.xsub, "");
    EXPECT(&f.xsub, "nor this");
    EXPECT_ERR(&f.xsub, MCQ_AGAIN);
    world_fini(&f.world);
}

/* libzmq leaves a cancellation out even at a message's end, so that the next message becomes a part
 * of this one. */
static void subscriptions_within_messages__count_and_go_along(void **state)
{
    struct fixture f;
    struct joined other;

    (void) state;
    start(&f);
    SAY_MORE(&f, "\1a");
    SAY_MORE(&f, "\1b");
    SAY(&f, "u");
    HEARD_MORE(&f, f.far, "\1a");
    HEARD_MORE(&f, f.far, "\1b");
    HEARD(&f, f.far, "u");
    SAY_MORE(&f, "u");
    SAY_MORE(&f, "\1c");
    SAY_MORE(&f, "\0never");
    SAY(&f, "\0c");
    HEARD_MORE(&f, f.far, "u");
    HEARD_MORE(&f, f.far, "\1c");
    HEARD(&f, f.far, "\0c");
    SAY_MORE(&f, "u");
    SAY(&f, "\0never");
    HEARD_MORE(&f, f.far, "u");
    HEARD(&f, f.far, "");
    SAY_MORE(&f, "\0never");
    SAY(&f, "u");
    HEARD(&f, f.far, "u");
    SAY_MORE(&f, "\0never");
    SAY(&f, "\0never");
    expect_silence(&f, f.far);
    other = join(&f.bare, &f.xsub);
    HEARD(&f, other.near, "+a");
    HEARD(&f, other.near, "+b");
    expect_silence(&f, other.near);
    set(&f.xsub, MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE, 1);
    SAY_MORE(&f, "u");
    SAY(&f, "\0a");
    HEARD_MORE(&f, f.far, "u");
    HEARD(&f, f.far, "\0a");
    SAY(&f, "\1a"); /* it is still there */
    SAY(&f, "\0a");
    HEARD(&f, f.far, "+a");
    expect_silence(&f, f.far);
    world_fini(&f.world);
}

/* Each new connection hears what is wanted now; messages that had not left go there, too. */
static void reconnect__all_topics_are_said_again(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SAY(&f, "\1a");
    SAY(&f, "\1b");
    SAY(&f, "\0a");
    HEARD(&f, f.far, "+a");
    HEARD(&f, f.far, "+b");
    HEARD(&f, f.far, "-a");
    SAY_MORE(&f, "begun");
    peer_down(f.near);
    SAY(&f, "its end goes nowhere");
    SAY(&f, "\1c");
    SAY(&f, "\0b");
    SAY(&f, "user");
    f.far = join_peer(&f.xsub, f.near, &f.bare).far;
    HEARD(&f, f.far, "+c");
    HEARD(&f, f.far, "user");
    expect_silence(&f, f.far);
    world_fini(&f.world);
}

/* A peer of 3.0 hears messages. */
static void older_publisher__hears_the_old_form(void **state)
{
    static const uint8_t topic[] = {1, 'a'};
    struct fixture f;
    struct mcq_event event;
    struct mcq_msg msg;

    (void) state;
    start(&f);
    f.near->peer.link.session->version = MCQ_ZMTP_3_0;
    SAY(&f, "\1a");
    settle(&f.world);
    assert_int_equal(mcq_link_hear(&f.far->peer.link, &msg, &event), MCQ_OK);
    assert_int_equal(event.kind, MCQ_EVENT_BODY);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes(topic, sizeof topic)));
    mcq_msg_fini(&msg);
    world_fini(&f.world);
}

static void full_publisher__misses_whole_messages__and_no_subscription(void **state)
{
    static char body[1000];
    struct world world;
    struct end xsub;
    struct end bare;
    struct joined joined;
    unsigned came = 0;

    (void) state;
    world_init(&world, 2000);
    end_init(&xsub, &world, MCQ_SOCKET_TYPE_XSUB);
    xsub.out_max = 2;
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_XPUB);
    joined = join(&xsub, &bare);
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(send_bytes(&xsub, mcq_bytes(body, sizeof body), true), MCQ_OK);
        assert_int_equal(send_text(&xsub, "end", false), MCQ_OK);
        settle(&world);
    }
    assert_int_equal(say(&xsub, "\1a", 2, false), MCQ_OK);
    for (bool has_heard = false; !has_heard;) {
        struct mcq_event event;
        struct mcq_msg msg;

        settle(&world);
        if (mcq_link_hear(&joined.far->peer.link, &msg, &event) != MCQ_OK)
            fail_msg("the subscription does not come");
        has_heard = event.kind == MCQ_EVENT_SUBSCRIBE;
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        came += !msg.more;
        mcq_msg_fini(&msg);
    }
    assert_in_range(came, 1, 8);
    assert_in_range(xsub.pattern->dropped_count, 20 - 8, 19);
    world_fini(&world);
}

static void topic_too_long_for_a_command__inval(void **state)
{
    static char topic[20000];
    struct fixture f;

    (void) state;
    start(&f);
    memset(topic, 't', sizeof topic);
    topic[0] = 1;
    assert_int_equal(send_bytes(&f.xsub, mcq_bytes(topic, sizeof topic), false), MCQ_INVAL);
    SAY(&f, "user");
    HEARD(&f, f.far, "user");
    expect_silence(&f, f.far);
    world_fini(&f.world);
}

static void set__what_it_takes(void **state)
{
    static const enum mcq_pattern_option flags[] = {
        MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE,
        MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE,
        MCQ_PATTERN_INVERT_MATCHING,
    };
    struct fixture f;

    (void) state;
    start(&f);
    for (size_t i = 0; i < MCQ_COUNTOF(flags); i++) {
        set(&f.xsub, flags[i], 1);
        set(&f.xsub, flags[i], 0);
        assert_int_equal(f.xsub.ops->set(f.xsub.pattern, flags[i], 2), MCQ_INVAL);
    }
    assert_int_equal(f.xsub.ops->set(f.xsub.pattern, MCQ_PATTERN_XPUB_VERBOSE, 1), MCQ_INVAL);
    assert_null(f.xsub.ops->subscribe); /* it says so in messages, as with libzmq */
    world_fini(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(subscriptions__each_goes__and_the_last_cancellation),
        LEDGER_TEST(messages__go_to_all__and_come_unfiltered),
        LEDGER_TEST(subscriptions_within_messages__count_and_go_along),
        LEDGER_TEST(reconnect__all_topics_are_said_again),
        LEDGER_TEST(older_publisher__hears_the_old_form),
        LEDGER_TEST(full_publisher__misses_whole_messages__and_no_subscription),
        LEDGER_TEST(topic_too_long_for_a_command__inval),
        LEDGER_TEST(set__what_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
