#include "socket/test_support.h"

/* A REP and a bare peer that connects to it. */
struct fixture {
    struct world world;
    struct end rep;
    struct end bare;
    struct test_peer *near; /* of the bare one */
    struct test_peer *far;
};

static void start(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->rep, &f->world, MCQ_SOCKET_TYPE_REP);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_DEALER);
    joined = join(&f->bare, &f->rep);
    f->near = joined.near;
    f->far = joined.far;
}

static void ask(struct test_peer *peer, const char *text)
{
    put_text(peer, "", true);
    put_text(peer, text, false);
}

static void dialogue__calls_out_of_turn(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    for (int i = 0; i < 3; i++) {
        assert_false(is_writable(&f.rep));
        assert_int_equal(send_text(&f.rep, "unasked", false), MCQ_STATE);
        EXPECT_ERR(&f.rep, MCQ_AGAIN);
        put_text(f.near, "", true);
        put_text(f.near, "q1", true);
        put_text(f.near, "q2", false);
        settle(&f.world);
        EXPECT_MORE(&f.rep, "q1");
        assert_int_equal(send_text(&f.rep, "too soon", false), MCQ_STATE);
        EXPECT(&f.rep, "q2");
        assert_true(is_writable(&f.rep));
        EXPECT_ERR(&f.rep, MCQ_STATE);
        SEND_MORE(&f.rep, "r1");
        EXPECT_ERR(&f.rep, MCQ_STATE);
        SEND(&f.rep, "r2");
        settle(&f.world);
        TAKE_MORE(f.near, "");
        TAKE_MORE(f.near, "r1");
        TAKE(f.near, "r2");
    }
    world_fini(&f.world);
}

/* Three hops, one of them with an id that is too long to be copied as a part. */
static void deep_envelope__goes_back_as_it_came(void **state)
{
    static char hop[MCQ_WPUMP_COPY_MAX + 1000];
    struct fixture f;
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg, .more = true};

    (void) state;
    start(&f);
    memset(hop, 'h', sizeof hop - 1);
    for (int i = 0; i < 3; i++) {
        put_text(f.near, "first hop", true);
        assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes_of(hop)), MCQ_OK);
        part.body = mcq_msg_bytes(&msg);
        assert_int_equal(mcq_link_put(&f.near->peer.link, &part), MCQ_OK);
        put_text(f.near, "x", true);
        ask(f.near, "question");
        settle(&f.world);
        EXPECT(&f.rep, "question");
        SEND(&f.rep, "answer");
        settle(&f.world);
        TAKE_MORE(f.near, "first hop");
        TAKE_MORE(f.near, hop);
        TAKE_MORE(f.near, "x");
        TAKE_MORE(f.near, "");
        TAKE(f.near, "answer");
    }
    world_fini(&f.world);
}

static void not_a_request__is_dropped_and_the_connection_stays(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    put_text(f.near, "no delimiter", false);
    put_text(f.near, "no", true);
    put_text(f.near, "delimiter", false);
    put_text(f.near, "delimiter last", true);
    put_text(f.near, "", false);
    put_text(f.near, "", false);
    for (int i = 0; i < 300; i++) /* more hops than there may be */
        put_text(f.near, "hop", true);
    ask(f.near, "too deep");
    ask(f.near, "question");
    settle(&f.world);
    EXPECT(&f.rep, "question");
    assert_int_equal(f.rep.pattern->dropped_count, 5);
    SEND(&f.rep, "answer");
    settle(&f.world);
    TAKE_MORE(f.near, "");
    TAKE(f.near, "answer");
    assert_int_equal(f.rep.lost_count, 0);
    world_fini(&f.world);
}

/* The other requester does not notice. */
static void fault_c17__too_deep_again__ends_that_connection(void **state)
{
    struct fixture f;
    struct test_peer *other;

    (void) state;
    start(&f);
    other = join(&f.bare, &f.rep).near;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(f.rep.lost_count, 0);
        for (int i = 0; i < 256; i++)
            put_text(f.near, "hop", true);
        ask(f.near, "too deep");
        ask(other, "question");
        settle(&f.world);
        EXPECT(&f.rep, "question");
        SEND(&f.rep, "answer");
        settle(&f.world);
        TAKE_MORE(other, "");
        TAKE(other, "answer");
        EXPECT_ERR(&f.rep, MCQ_AGAIN);
        assert_int_equal(f.rep.pattern->dropped_count, again + 1);
    }
    settle(&f.world);
    assert_int_equal(f.rep.lost_count, 1);
    assert_int_equal(f.rep.lost_by, MCQ_LIMIT);
    world_fini(&f.world);
}

static void two_peers__each_gets_its_own_reply(void **state)
{
    struct fixture f;
    struct test_peer *other;

    (void) state;
    start(&f);
    other = join(&f.bare, &f.rep).near;
    ask(f.near, "a");
    ask(other, "b");
    settle(&f.world);
    EXPECT(&f.rep, "a");
    SEND(&f.rep, "to a");
    EXPECT(&f.rep, "b");
    SEND(&f.rep, "to b");
    settle(&f.world);
    TAKE_MORE(f.near, "");
    TAKE(f.near, "to a");
    TAKE_MORE(other, "");
    TAKE(other, "to b");
    world_fini(&f.world);
}

static void fault_c10__full_requester__its_reply_is_dropped_and_nobody_waits(void **state)
{
    struct world world;
    struct end rep;
    struct end bare;
    struct joined joined;
    char text[2000];

    (void) state;
    world_init(&world, 1000);
    end_init(&rep, &world, MCQ_SOCKET_TYPE_REP);
    rep.out_max = 1;
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    joined = join(&bare, &rep);
    memset(text, 'r', sizeof text);
    for (int i = 0; i < 4; i++)
        ask(joined.near, "q");
    settle(&world);
    for (int i = 0; i < 4; i++) {
        EXPECT(&rep, "q");
        assert_int_equal(send_bytes(&rep, mcq_bytes(text, sizeof text), true), MCQ_OK);
        SEND(&rep, "end");
    }
    assert_int_equal(rep.pattern->dropped_count, 3);
    for (int i = 0; i < 10; i++) {
        settle(&world);
        (void) mcq_link_prefetch(&joined.near->peer.link);
    }
    assert_int_equal(joined.near->peer.link.in.message_count, 1);
    world_fini(&world);
}

/* --- requesters that go ---------------------------------------------------------------------- */

static void requester_gone__its_reply_goes_nowhere_and_the_next_is_served(void **state)
{
    struct fixture f;
    struct test_peer *other;

    (void) state;
    start(&f);
    other = join(&f.bare, &f.rep).near;
    ask(f.near, "a");
    ask(other, "b");
    settle(&f.world);
    EXPECT(&f.rep, "a");
    peer_down(f.far);
    assert_int_equal(f.rep.gone_count, 1);
    SEND_MORE(&f.rep, "to");
    SEND(&f.rep, "nobody");
    EXPECT(&f.rep, "b");
    SEND(&f.rep, "to b");
    settle(&f.world);
    TAKE_MORE(other, "");
    TAKE(other, "to b");
    world_fini(&f.world);
}

static void requester_gone_within_its_reply__the_rest_is_swallowed(void **state)
{
    struct fixture f;
    struct test_peer *other;

    (void) state;
    start(&f);
    other = join(&f.bare, &f.rep).near;
    ask(f.near, "a");
    ask(other, "b");
    settle(&f.world);
    EXPECT(&f.rep, "a");
    SEND_MORE(&f.rep, "begun");
    peer_down(f.far);
    SEND_MORE(&f.rep, "rest");
    SEND(&f.rep, "rest");
    EXPECT(&f.rep, "b");
    SEND(&f.rep, "to b");
    settle(&f.world);
    TAKE_MORE(other, "");
    TAKE(other, "to b");
    world_fini(&f.world);
}

/* Its requests are read although nobody will hear the replies. */
static void requester_that_left_several_requests__replies_go_nowhere(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    for (int i = 0; i < 3; i++)
        ask(f.near, "left behind");
    settle(&f.world);
    prefetch(&f.rep);
    mcq_link_lose(&f.near->peer.link, MCQ_CLOSED);
    settle(&f.world);
    prefetch(&f.rep);
    settle(&f.world);
    assert_int_equal(f.rep.lost_count, 1);
    for (int i = 0; i < 3; i++) {
        EXPECT(&f.rep, "left behind");
        if (i == 2)
            settle(&f.world); /* with its last part it goes */
        SEND_MORE(&f.rep, "to");
        SEND(&f.rep, "nobody");
        settle(&f.world);
    }
    assert_int_equal(f.rep.gone_count, 1);
    EXPECT_ERR(&f.rep, MCQ_AGAIN);
    world_fini(&f.world);
}

/* A REP that connects: what was begun for the connection that is gone is not for the next one. */
static void connection_lost_within_a_reply__nothing_of_it_is_sent_on_the_next(void **state)
{
    struct world world;
    struct end rep;
    struct end bare;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&rep, &world, MCQ_SOCKET_TYPE_REP);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    joined = join(&rep, &bare);
    ask(joined.far, "question");
    settle(&world);
    EXPECT(&rep, "question");
    SEND_MORE(&rep, "begun");
    peer_down(joined.near);
    joined = join_peer(&rep, joined.near, &bare);
    SEND_MORE(&rep, "rest");
    SEND(&rep, "rest");
    settle(&world);
    assert_int_equal(take_err(joined.far), MCQ_AGAIN);
    ask(joined.far, "another");
    settle(&world);
    EXPECT(&rep, "another");
    SEND(&rep, "answer");
    settle(&world);
    TAKE_MORE(joined.far, "");
    TAKE(joined.far, "answer");
    world_fini(&world);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void nomem__requests_and_replies_go_whole_or_not_at_all(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        struct mcq_msg msg;
        enum mcq_err err;

        start(&f);
        put_text(f.near, "a hop whose name is too long for what an envelope has at first ......",
                 true);
        ask(f.near, "question");
        settle(&f.world);
        mcq_alloc_fail_at(n);
        err = f.rep.ops->recv(f.rep.pattern, &msg);
        if (err == MCQ_OK) {
            mcq_msg_fini(&msg);
            for (err = MCQ_NOMEM; err == MCQ_NOMEM;)
                err = send_text(&f.rep, "answer", false);
            assert_int_equal(err, MCQ_OK);
        }
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        settle(&f.world);
        err = mcq_link_take(&f.near->peer.link, &msg);
        if (err == MCQ_OK) {
            assert_int_equal(msg.more, true);
            mcq_msg_fini(&msg);
            TAKE_MORE(f.near, "");
            TAKE(f.near, "answer");
        } else if (f.rep.lost_count == 0) { /* the request was dropped: the next one is served */
            ask(f.near, "another");
            settle(&f.world);
            EXPECT(&f.rep, "another");
        }
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(dialogue__calls_out_of_turn),
        LEDGER_TEST(deep_envelope__goes_back_as_it_came),
        LEDGER_TEST(not_a_request__is_dropped_and_the_connection_stays),
        LEDGER_TEST(fault_c17__too_deep_again__ends_that_connection),
        LEDGER_TEST(two_peers__each_gets_its_own_reply),
        LEDGER_TEST(fault_c10__full_requester__its_reply_is_dropped_and_nobody_waits),
        LEDGER_TEST(requester_gone__its_reply_goes_nowhere_and_the_next_is_served),
        LEDGER_TEST(requester_gone_within_its_reply__the_rest_is_swallowed),
        LEDGER_TEST(requester_that_left_several_requests__replies_go_nowhere),
        LEDGER_TEST(connection_lost_within_a_reply__nothing_of_it_is_sent_on_the_next),
        LEDGER_TEST(nomem__requests_and_replies_go_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
