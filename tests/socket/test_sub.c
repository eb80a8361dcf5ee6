#include "socket/test_support.h"

/* A SUB and a bare publisher, which hears what it is told and may send what was never wanted. */
struct fixture {
    struct world world;
    struct end sub;
    struct end bare;
    struct test_peer *near; /* of the SUB, which connects */
    struct test_peer *far;
};

static void start(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->sub, &f->world, MCQ_SOCKET_TYPE_SUB);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_PUB);
    joined = join(&f->sub, &f->bare);
    f->near = joined.near;
    f->far = joined.far;
}

static enum mcq_err subscribe(struct fixture *f, const char *topic, bool is_on)
{
    return f->sub.ops->subscribe(f->sub.pattern, mcq_bytes_of(topic), is_on);
}

/* The next thing that a publisher is told. */
static void expect_told(struct fixture *f, struct test_peer *peer, const char *topic, bool is_on)
{
    struct mcq_event event;
    struct mcq_msg msg;

    settle(&f->world);
    assert_int_equal(mcq_link_hear(&peer->peer.link, &msg, &event), MCQ_OK);
    assert_int_equal(event.kind, is_on ? MCQ_EVENT_SUBSCRIBE : MCQ_EVENT_CANCEL);
    assert_true(mcq_bytes_equal(event.topic, mcq_bytes_of(topic)));
}

static void expect_told_nothing(struct fixture *f, struct test_peer *peer)
{
    struct mcq_event event;
    struct mcq_msg msg;

    settle(&f->world);
    assert_int_equal(mcq_link_hear(&peer->peer.link, &msg, &event), MCQ_AGAIN);
}

static void subscribe__publishers_hear_each_and_the_last_to_go(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    assert_null(f.sub.ops->send);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
    expect_told(&f, f.far, "a", true);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK); /* as libzmq does: an XPUB may want it */
    expect_told(&f, f.far, "a", true);
    assert_int_equal(subscribe(&f, "", true), MCQ_OK);
    expect_told(&f, f.far, "", true);
    assert_int_equal(subscribe(&f, "a", false), MCQ_OK);
    expect_told_nothing(&f, f.far);
    assert_int_equal(subscribe(&f, "a", false), MCQ_OK);
    expect_told(&f, f.far, "a", false);
    assert_int_equal(subscribe(&f, "a", false), MCQ_INVAL); /* not subscribed */
    assert_int_equal(subscribe(&f, "b", false), MCQ_INVAL);
    expect_told_nothing(&f, f.far);
    world_fini(&f.world);
}

static void new_publisher__and_each_new_connection__hears_all_topics_once(void **state)
{
    struct fixture f;
    struct joined other;

    (void) state;
    start(&f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(subscribe(&f, "b", true), MCQ_OK);
        assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
        assert_int_equal(subscribe(&f, "", true), MCQ_OK);
    }
    assert_int_equal(subscribe(&f, "c", true), MCQ_OK);
    assert_int_equal(subscribe(&f, "c", false), MCQ_OK);
    other = join(&f.bare, &f.sub);
    for (int i = 0; i < 2; i++) {
        struct test_peer *peer = other.near;

        if (i == 1) {
            peer_down(f.near);
            f.far = join_peer(&f.sub, f.near, &f.bare).far;
            peer = f.far;
        }
        expect_told(&f, peer, "", true);
        expect_told(&f, peer, "a", true);
        expect_told(&f, peer, "b", true);
        expect_told_nothing(&f, peer);
    }
    assert_int_equal(subscribe(&f, "d", true), MCQ_OK);
    expect_told(&f, other.near, "d", true);
    expect_told(&f, f.far, "d", true);
    world_fini(&f.world);
}

static void topic_too_long_for_a_command__inval(void **state)
{
    static char topic[20000];
    struct fixture f;

    (void) state;
    start(&f);
    memset(topic, 't', sizeof topic - 1);
    assert_int_equal(subscribe(&f, topic, true), MCQ_INVAL);
    topic[16000] = '\0';
    assert_int_equal(subscribe(&f, topic, true), MCQ_OK);
    expect_told(&f, f.far, topic, true);
    assert_int_equal(f.sub.lost_count, 0);
    world_fini(&f.world);
}

static void recv__what_is_not_wanted_is_dropped_whole(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    EXPECT_ERR(&f.sub, MCQ_AGAIN);
    put_text(f.far, "a before it was wanted", false);
    settle(&f.world);
    EXPECT_ERR(&f.sub, MCQ_AGAIN);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
    put_text(f.far, "b", true);
    put_text(f.far, "a", true); /* only the first part counts */
    put_text(f.far, "a", false);
    put_text(f.far, "", false);
    put_text(f.far, "ab", true);
    put_text(f.far, "b", true);
    put_text(f.far, "", false);
    put_text(f.far, "a", false);
    settle(&f.world);
    EXPECT_MORE(&f.sub, "ab");
    assert_int_equal(subscribe(&f, "a", false), MCQ_OK);
    EXPECT_MORE(&f.sub, "b"); /* what was begun is finished */
    EXPECT(&f.sub, "");
    EXPECT_ERR(&f.sub, MCQ_AGAIN);
    assert_int_equal(f.sub.pattern->dropped_count, 4);
    world_fini(&f.world);
}

static void publisher_gone_within_a_message__the_next_one_is_filtered_anew(void **state)
{
    struct fixture f;
    struct joined other;

    (void) state;
    start(&f);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
    other = join(&f.bare, &f.sub);
    put_text(f.far, "a", true);
    put_text(f.far, "rest", false);
    settle(&f.world);
    EXPECT_MORE(&f.sub, "a");
    put_text(other.near, "b", false);
    put_text(other.near, "a", false);
    settle(&f.world);
    peer_down(f.near);
    peer_gone(f.near); /* disconnected by the application: the rest of the message goes with it */
    EXPECT(&f.sub, "a");
    world_fini(&f.world);
}

/* Probed with libzmq 4.3.4: what matches is dropped. */
static void invert_matching__what_matches_no_topic_comes(void **state)
{
    struct fixture f;
    int64_t value;

    (void) state;
    start(&f);
    set(&f.sub, MCQ_PATTERN_INVERT_MATCHING, 1);
    assert_int_equal(f.sub.ops->set(f.sub.pattern, MCQ_PATTERN_INVERT_MATCHING, 2), MCQ_INVAL);
    assert_int_equal(f.sub.ops->get(f.sub.pattern, MCQ_PATTERN_INVERT_MATCHING, &value), MCQ_OK);
    assert_int_equal(value, 1);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
    assert_int_equal(subscribe(&f, "a", true), MCQ_OK);
    assert_int_equal(subscribe(&f, "x", true), MCQ_OK);
    assert_int_equal(f.sub.ops->get(f.sub.pattern, MCQ_PATTERN_TOPICS_COUNT, &value), MCQ_OK);
    assert_int_equal(value, 2);
    assert_int_equal(f.sub.ops->get(f.sub.pattern, MCQ_PATTERN_XPUB_NODROP, &value), MCQ_INVAL);
    put_text(f.far, "ab", false);
    put_text(f.far, "b", true);
    put_text(f.far, "a", false);
    put_text(f.far, "", false);
    settle(&f.world);
    EXPECT_MORE(&f.sub, "b");
    EXPECT(&f.sub, "a");
    EXPECT(&f.sub, "");
    EXPECT_ERR(&f.sub, MCQ_AGAIN);
    world_fini(&f.world);
}

static void nomem__a_topic_is_subscribed_everywhere_or_the_publisher_is_lost(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        static char topic[2000];
        struct fixture f;
        enum mcq_err err;

        start(&f);
        memset(topic, 't', sizeof topic - 1);
        mcq_alloc_fail_at(n);
        err = subscribe(&f, topic, true);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        settle(&f.world);
        if (err == MCQ_OK && f.sub.lost_count > 0) {
            assert_int_equal(f.sub.lost_by, MCQ_NOMEM);
            f.far = join_peer(&f.sub, f.near, &f.bare).far;
        } else if (err == MCQ_NOMEM) {
            assert_int_equal(subscribe(&f, topic, false), MCQ_INVAL); /* nothing changed */
            assert_int_equal(subscribe(&f, topic, true), MCQ_OK);
        }
        expect_told(&f, f.far, topic, true);
        expect_told_nothing(&f, f.far);
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(subscribe__publishers_hear_each_and_the_last_to_go),
        LEDGER_TEST(new_publisher__and_each_new_connection__hears_all_topics_once),
        LEDGER_TEST(topic_too_long_for_a_command__inval),
        LEDGER_TEST(recv__what_is_not_wanted_is_dropped_whole),
        LEDGER_TEST(publisher_gone_within_a_message__the_next_one_is_filtered_anew),
        LEDGER_TEST(invert_matching__what_matches_no_topic_comes),
        LEDGER_TEST(nomem__a_topic_is_subscribed_everywhere_or_the_publisher_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
