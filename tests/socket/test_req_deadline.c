/* REQ with a deadline: what is sent again, to whom, and what counts as its reply. */

#include "socket/test_support.h"

#include "pump/tally.h"

/* A REQ and two bare peers, which see what is on the wire. */
struct fixture {
    struct world world;
    struct end req;
    struct end bare[2];
    struct test_peer *near[2]; /* of the REQ */
    struct test_peer *far[2];
};

/* What a bare peer was asked with: its id is the reply's. */
struct asked {
    uint8_t id[4];
};

static void start(struct fixture *f, int resends)
{
    world_init(&f->world, 0);
    end_init(&f->req, &f->world, MCQ_SOCKET_TYPE_REQ);
    set(&f->req, MCQ_PATTERN_REQ_TIMEOUT, 100);
    set(&f->req, MCQ_PATTERN_REQ_RESENDS, resends);
    for (int i = 0; i < 2; i++) {
        struct joined joined;

        end_init_bare(&f->bare[i], &f->world, MCQ_SOCKET_TYPE_REP);
        joined = join(&f->req, &f->bare[i]);
        f->near[i] = joined.near;
        f->far[i] = joined.far;
    }
}

/* Time is the runtime's: what was asked for is asked for, and comes. */
static void pass_deadline(struct fixture *f, uint64_t after_ms)
{
    settle(&f->world);
    assert_true(f->req.group.has_alarm);
    assert_int_equal(f->req.group.alarm_ns, after_ms * 1000000);
    f->req.group.has_alarm = false;
    f->req.ops->on_alarm(f->req.pattern);
    settle(&f->world);
}

static struct asked take_request(struct fixture *f, int which, const char *text)
{
    struct asked asked;
    struct mcq_msg id;

    settle(&f->world);
    assert_int_equal(mcq_link_take(&f->far[which]->peer.link, &id), MCQ_OK);
    assert_int_equal(mcq_msg_len(&id), sizeof asked.id);
    assert_true(id.more);
    memcpy(asked.id, mcq_msg_data(&id), sizeof asked.id);
    TAKE_MORE(f->far[which], "");
    TAKE(f->far[which], text);
    return asked;
}

static void reply(struct fixture *f, int which, const struct asked *asked, const char *text)
{
    struct mcq_part id = {.body = mcq_bytes(asked->id, sizeof asked->id), .more = true};

    assert_int_equal(mcq_link_put(&f->far[which]->peer.link, &id), MCQ_OK);
    put_text(f->far[which], "", true);
    put_text(f->far[which], text, false);
    settle(&f->world);
}

static int64_t resent_count(struct fixture *f)
{
    int64_t count = -1;

    assert_int_equal(f->req.ops->get(f->req.pattern, MCQ_PATTERN_REQ_RESENT, &count), MCQ_OK);
    return count;
}

static uint64_t refused_count(const struct fixture *f, int which)
{
    return f->near[which]->peer.link.tally.drops[MCQ_TALLY_REFUSED];
}

static void no_reply__goes_to_the_next_peer__and_an_older_reply_is_dropped(void **state)
{
    struct fixture f;
    struct asked first;
    struct asked second;

    (void) state;
    start(&f, 1);
    SEND(&f.req, "question");
    first = take_request(&f, 0, "question");
    pass_deadline(&f, 100);
    second = take_request(&f, 1, "question");
    assert_memory_not_equal(first.id, second.id, sizeof first.id);
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    reply(&f, 0, &first, "late");
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    assert_int_equal(refused_count(&f, 0), 1);
    reply(&f, 1, &second, "in time");
    EXPECT(&f.req, "in time");
    assert_int_equal(resent_count(&f), 1);
    SEND(&f.req, "next");
    (void) take_request(&f, 0, "next");
    world_fini(&f.world);
}

static void no_reply__to_the_same__if_that_is_asked_for(void **state)
{
    struct fixture f;
    struct asked asked;

    (void) state;
    start(&f, 2);
    set(&f.req, MCQ_PATTERN_REQ_RESEND_SAME, 1);
    SEND(&f.req, "question");
    asked = take_request(&f, 0, "question");
    for (int i = 0; i < 2; i++) {
        pass_deadline(&f, 100);
        asked = take_request(&f, 0, "question");
    }
    assert_int_equal(take_err(f.far[1]), MCQ_AGAIN);
    reply(&f, 0, &asked, "at last");
    EXPECT(&f.req, "at last");
    world_fini(&f.world);
}

static void all_sendings_unanswered__timeout_once__then_another_request(void **state)
{
    struct fixture f;
    struct asked asked[3];

    (void) state;
    start(&f, 2);
    SEND(&f.req, "question");
    for (int i = 0; i < 3; i++) {
        asked[i] = take_request(&f, i % 2, "question");
        EXPECT_ERR(&f.req, MCQ_AGAIN);
        assert_int_equal(send_text(&f.req, "too soon", false), MCQ_STATE);
        pass_deadline(&f, 100);
    }
    assert_false(f.req.group.has_alarm);
    EXPECT_ERR(&f.req, MCQ_TIMEOUT);
    EXPECT_ERR(&f.req, MCQ_STATE);
    for (int i = 0; i < 3; i++)
        reply(&f, i % 2, &asked[i], "much too late");
    SEND(&f.req, "another");
    asked[0] = take_request(&f, 1, "another");
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    reply(&f, 1, &asked[0], "answer");
    EXPECT(&f.req, "answer");
    assert_int_equal(resent_count(&f), 2);
    world_fini(&f.world);
}

static void no_resends__timeout_and_nothing_is_kept(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 0);
    SEND(&f.req, "question");
    (void) take_request(&f, 0, "question");
    pass_deadline(&f, 100);
    EXPECT_ERR(&f.req, MCQ_TIMEOUT);
    assert_int_equal(resent_count(&f), 0);
    world_fini(&f.world);
}

static void reply_that_nobody_has_received__counts_when_the_deadline_comes(void **state)
{
    struct fixture f;
    struct asked asked;

    (void) state;
    start(&f, 1);
    SEND(&f.req, "question");
    asked = take_request(&f, 0, "question");
    put_text(f.far[0], "", true); /* not even an id: a stray one, in front of it */
    put_text(f.far[0], "stray", false);
    reply(&f, 0, &asked, "there already");
    pass_deadline(&f, 100);
    assert_int_equal(take_err(f.far[1]), MCQ_AGAIN);
    assert_false(is_writable(&f.req));
    assert_int_equal(send_text(&f.req, "too soon", false), MCQ_STATE);
    EXPECT(&f.req, "there already");
    EXPECT_ERR(&f.req, MCQ_STATE);
    assert_int_equal(resent_count(&f), 0);
    SEND(&f.req, "next");
    world_fini(&f.world);
}

static void lost_connection__is_sent_again_at_once__to_who_is_connected(void **state)
{
    struct fixture f;
    struct asked asked;

    (void) state;
    start(&f, 1);
    SEND_MORE(&f.req, "two");
    SEND(&f.req, "parts");
    settle(&f.world);
    mcq_link_lose(&f.near[0]->peer.link, MCQ_CLOSED);
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    pass_deadline(&f, 0);
    struct mcq_msg id;

    assert_int_equal(mcq_link_take(&f.far[1]->peer.link, &id), MCQ_OK);
    memcpy(asked.id, mcq_msg_data(&id), sizeof asked.id);
    TAKE_MORE(f.far[1], "");
    TAKE_MORE(f.far[1], "two");
    TAKE(f.far[1], "parts");
    reply(&f, 1, &asked, "answer");
    EXPECT(&f.req, "answer");
    SEND(&f.req, "again");
    settle(&f.world);
    mcq_link_lose(&f.near[1]->peer.link, MCQ_CLOSED);
    settle(&f.world);
    world_fini(&f.world);
}

static void last_sending_lost_with_its_connection__is_closed(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 0);
    SEND(&f.req, "question");
    settle(&f.world);
    mcq_link_lose(&f.near[0]->peer.link, MCQ_CLOSED);
    settle(&f.world);
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    SEND(&f.req, "next");
    world_fini(&f.world);
}

/* A REQ that is bound, and asked in two parts; its peer said something before, and goes between. */
static void start_bound(struct fixture *f, int resends)
{
    world_init(&f->world, 0);
    end_init(&f->req, &f->world, MCQ_SOCKET_TYPE_REQ);
    set(&f->req, MCQ_PATTERN_REQ_TIMEOUT, 100);
    set(&f->req, MCQ_PATTERN_REQ_RESENDS, resends);
    set(&f->req, MCQ_PATTERN_REQ_RESEND_SAME, 1);
    end_init_bare(&f->bare[0], &f->world, MCQ_SOCKET_TYPE_REP);
    f->near[0] = join(&f->bare[0], &f->req).far;
    SEND_MORE(&f->req, "begun");
    f->far[0] = f->bare[0].peers[0];
    put_text(f->far[0], "0000", true);
    put_text(f->far[0], "", true);
    put_text(f->far[0], "not asked for", false);
    settle(&f->world);
    prefetch(&f->req);
    peer_down(f->near[0]);
    SEND(&f->req, "nobody's");
}

static void lost_within_the_request__is_closed(void **state)
{
    struct fixture f;

    (void) state;
    start_bound(&f, 0);
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    f.req.ops->on_alarm(f.req.pattern);
    EXPECT_ERR(&f.req, MCQ_STATE);
    world_fini(&f.world);
}

static void lost_within_the_request__is_late(void **state)
{
    struct fixture f;

    (void) state;
    start_bound(&f, 0);
    f.req.ops->on_alarm(f.req.pattern);
    EXPECT_ERR(&f.req, MCQ_TIMEOUT);
    world_fini(&f.world);
}

/* Who is gone is not asked again, though what it said is there to be read. */
static void lost_within_the_request__who_comes_is_asked(void **state)
{
    struct fixture f;
    struct mcq_msg id;

    (void) state;
    start_bound(&f, 1);
    assert_true(f.req.group.has_alarm);
    f.req.ops->on_alarm(f.req.pattern);
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    f.far[1] = join(&f.bare[0], &f.req).near;
    settle(&f.world);
    assert_int_equal(mcq_link_take(&f.far[1]->peer.link, &id), MCQ_OK);
    TAKE_MORE(f.far[1], "");
    TAKE_MORE(f.far[1], "begun");
    TAKE(f.far[1], "nobody's");
    world_fini(&f.world);
}

/* A sending that nobody has taken yet gives way to the next one: a server that comes gets one. */
static void server_that_is_away__gets_the_request_once(void **state)
{
    struct world world;
    struct end req;
    struct end bare;
    struct test_peer *near;
    struct fixture f;

    (void) state;
    world_init(&world, 0);
    end_init(&req, &world, MCQ_SOCKET_TYPE_REQ);
    set(&req, MCQ_PATTERN_REQ_TIMEOUT, 100);
    set(&req, MCQ_PATTERN_REQ_RESENDS, 3);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_REP);
    near = peer_connecting(&req);
    SEND(&req, "question");
    for (int i = 0; i < 3; i++) {
        req.ops->on_alarm(req.pattern);
        assert_int_equal(mcq_link_waiting_count(&near->peer.link), 1);
    }
    assert_int_equal(near->peer.link.tally.drops[MCQ_TALLY_OLDER], 3);
    f.far[0] = join_peer(&req, near, &bare).far;
    f.world = world;
    settle(&world);
    (void) take_request(&f, 0, "question");
    assert_int_equal(take_err(f.far[0]), MCQ_AGAIN);
    world_fini(&world);
}

/* What is left of the connection goes on trying to leave, but not with what is asked elsewhere. */
static void disconnected_from_a_server_that_is_away__it_gets_nothing(void **state)
{
    struct world world;
    struct end req;
    struct test_peer *near;

    (void) state;
    world_init(&world, 0);
    end_init(&req, &world, MCQ_SOCKET_TYPE_REQ);
    set(&req, MCQ_PATTERN_REQ_TIMEOUT, 100);
    set(&req, MCQ_PATTERN_REQ_RESENDS, 1);
    near = peer_connecting(&req);
    SEND(&req, "question");
    assert_int_equal(mcq_link_waiting_count(&near->peer.link), 1);
    near->peer.is_connecting = false;
    req.ops->down(req.pattern, &near->peer);
    req.ops->on_alarm(req.pattern);
    assert_int_equal(mcq_link_waiting_count(&near->peer.link), 0);
    world_fini(&world);
}

static void nobody_has_room__who_comes_is_asked(void **state)
{
    struct world world;
    struct end req;
    struct end bare;
    struct joined joined;
    struct fixture f;

    (void) state;
    world_init(&world, 0);
    end_init(&req, &world, MCQ_SOCKET_TYPE_REQ);
    set(&req, MCQ_PATTERN_REQ_TIMEOUT, 100);
    set(&req, MCQ_PATTERN_REQ_RESENDS, 1);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_REP);
    joined = join(&bare, &req); /* the REQ is bound: who goes is no peer any more */
    SEND(&req, "question");
    settle(&world);
    mcq_link_lose(&joined.far->peer.link, MCQ_CLOSED);
    settle(&world);
    EXPECT_ERR(&req, MCQ_AGAIN);
    assert_int_equal(req.group.alarm_ns, 0);
    req.ops->on_alarm(req.pattern);
    EXPECT_ERR(&req, MCQ_AGAIN);
    f.far[0] = join(&bare, &req).near;
    f.world = world;
    f.req = req;
    struct asked asked = take_request(&f, 0, "question");

    reply(&f, 0, &asked, "answer");
    EXPECT(&req, "answer");
    world_fini(&world);
}

static void relaxed__a_new_request__has_a_deadline_of_its_own(void **state)
{
    struct fixture f;
    struct asked asked;

    (void) state;
    start(&f, 1);
    set(&f.req, MCQ_PATTERN_REQ_RELAXED, 1);
    SEND(&f.req, "first");
    (void) take_request(&f, 0, "first");
    SEND(&f.req, "second");
    (void) take_request(&f, 1, "second");
    pass_deadline(&f, 100);
    asked = take_request(&f, 0, "second");
    reply(&f, 0, &asked, "answer");
    EXPECT(&f.req, "answer");
    f.req.ops->on_alarm(f.req.pattern); /* one that was for nothing */
    EXPECT_ERR(&f.req, MCQ_STATE);
    world_fini(&f.world);
}

static void set__what_it_takes(void **state)
{
    struct fixture f;
    int64_t value;

    (void) state;
    start(&f, 3);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_TIMEOUT, -1), MCQ_INVAL);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_RESENDS, -1), MCQ_INVAL);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_RESEND_SAME, 2), MCQ_INVAL);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_RESENT, 1), MCQ_INVAL);
    assert_int_equal(f.req.ops->get(f.req.pattern, MCQ_PATTERN_REQ_TIMEOUT, &value), MCQ_OK);
    assert_int_equal(value, 100);
    assert_int_equal(f.req.ops->get(f.req.pattern, MCQ_PATTERN_REQ_RESENDS, &value), MCQ_OK);
    assert_int_equal(value, 3);
    assert_int_equal(f.req.ops->get(f.req.pattern, MCQ_PATTERN_REQ_RESEND_SAME, &value), MCQ_OK);
    assert_int_equal(value, 0);
    assert_int_equal(f.req.ops->get(f.req.pattern, MCQ_PATTERN_REQ_RELAXED, &value), MCQ_INVAL);
    world_fini(&f.world);
}

/* However little memory there is: it is asked whole or not at all, and the request ends. */
static void nomem__request_and_resend__whole_or_not_at_all(void **state)
{
    static char large[10000];
    bool is_over = false;

    (void) state;
    memset(large, 'x', sizeof large);
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        enum mcq_err err;

        start(&f, 1);
        mcq_alloc_fail_at(n);
        err = send_text(&f.req, "head", true);
        if (err == MCQ_OK)
            err = send_bytes(&f.req, mcq_bytes(large, sizeof large), false);
        if (err == MCQ_OK)
            f.req.ops->on_alarm(f.req.pattern);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_true(err == MCQ_OK || err == MCQ_NOMEM);
        for (int i = 0; i < 2; i++)
            assert_false(mcq_wpump_is_within(&f.near[i]->peer.link.wpump));
        if (err == MCQ_OK) {
            settle(&f.world);
            f.req.ops->on_alarm(f.req.pattern);
            err = recv_err(&f.req);
            assert_true(err == MCQ_TIMEOUT || err == MCQ_AGAIN);
        }
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(no_reply__goes_to_the_next_peer__and_an_older_reply_is_dropped),
        LEDGER_TEST(no_reply__to_the_same__if_that_is_asked_for),
        LEDGER_TEST(all_sendings_unanswered__timeout_once__then_another_request),
        LEDGER_TEST(no_resends__timeout_and_nothing_is_kept),
        LEDGER_TEST(reply_that_nobody_has_received__counts_when_the_deadline_comes),
        LEDGER_TEST(lost_connection__is_sent_again_at_once__to_who_is_connected),
        LEDGER_TEST(last_sending_lost_with_its_connection__is_closed),
        LEDGER_TEST(lost_within_the_request__is_closed),
        LEDGER_TEST(lost_within_the_request__is_late),
        LEDGER_TEST(lost_within_the_request__who_comes_is_asked),
        LEDGER_TEST(server_that_is_away__gets_the_request_once),
        LEDGER_TEST(disconnected_from_a_server_that_is_away__it_gets_nothing),
        LEDGER_TEST(nobody_has_room__who_comes_is_asked),
        LEDGER_TEST(relaxed__a_new_request__has_a_deadline_of_its_own),
        LEDGER_TEST(set__what_it_takes),
        LEDGER_TEST(nomem__request_and_resend__whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
