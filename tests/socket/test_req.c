#include "socket/test_support.h"

/* A REQ and a bare peer, which sees what is on the wire. */
struct fixture {
    struct world world;
    struct end req;
    struct end bare;
    struct test_peer *near; /* of the REQ */
    struct test_peer *far;
};

static void start(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->req, &f->world, MCQ_SOCKET_TYPE_REQ);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_REP);
    joined = join(&f->req, &f->bare);
    f->near = joined.near;
    f->far = joined.far;
}

static void reply(struct fixture *f, const char *text)
{
    put_text(f->far, "", true);
    put_text(f->far, text, false);
    settle(&f->world);
}

static void take_request(struct fixture *f, const char *text)
{
    settle(&f->world);
    TAKE_MORE(f->far, "");
    TAKE(f->far, text);
}

static void dialogue__delimiter_out_and_in__and_calls_out_of_turn(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    EXPECT_ERR(&f.req, MCQ_STATE);
    for (int i = 0; i < 3; i++) {
        assert_true(is_writable(&f.req));
        SEND_MORE(&f.req, "q1");
        EXPECT_ERR(&f.req, MCQ_STATE);
        SEND(&f.req, "q2");
        assert_false(is_writable(&f.req));
        assert_int_equal(send_text(&f.req, "again", false), MCQ_STATE);
        settle(&f.world);
        TAKE_MORE(f.far, "");
        TAKE_MORE(f.far, "q1");
        TAKE(f.far, "q2");
        EXPECT_ERR(&f.req, MCQ_AGAIN);
        put_text(f.far, "", true);
        put_text(f.far, "r1", true);
        put_text(f.far, "", false);
        settle(&f.world);
        EXPECT_MORE(&f.req, "r1");
        assert_int_equal(send_text(&f.req, "too soon", false), MCQ_STATE);
        EXPECT(&f.req, "");
        EXPECT_ERR(&f.req, MCQ_STATE);
    }
    world_fini(&f.world);
}

static void requests__go_to_peers_in_turn__and_replies_of_others_do_not_count(void **state)
{
    struct fixture f;
    struct end other;
    struct joined joined;

    (void) state;
    start(&f);
    end_init_bare(&other, &f.world, MCQ_SOCKET_TYPE_REP);
    joined = join(&f.req, &other);
    SEND(&f.req, "one");
    take_request(&f, "one");
    put_text(joined.far, "", true);
    put_text(joined.far, "not asked", false);
    reply(&f, "asked");
    EXPECT(&f.req, "asked");
    SEND(&f.req, "two");
    settle(&f.world);
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    TAKE_MORE(joined.far, "");
    TAKE(joined.far, "two");
    world_fini(&f.world);
}

static void reply_before_the_request__is_thrown_away(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    reply(&f, "early");
    SEND(&f.req, "question");
    take_request(&f, "question");
    EXPECT_ERR(&f.req, MCQ_AGAIN);
    reply(&f, "answer");
    EXPECT(&f.req, "answer");
    assert_int_equal(f.req.lost_count, 0);
    world_fini(&f.world);
}

static void correlate__only_the_request_s_own_id_counts(void **state)
{
    struct fixture f;
    struct mcq_msg id;

    (void) state;
    start(&f);
    set(&f.req, MCQ_PATTERN_REQ_CORRELATE, 1);
    for (int i = 0; i < 2; i++) {
        char wrong[] = "0000";

        SEND(&f.req, "question");
        settle(&f.world);
        assert_int_equal(mcq_link_take(&f.far->peer.link, &id), MCQ_OK);
        assert_int_equal(mcq_msg_len(&id), 4);
        assert_true(id.more);
        TAKE_MORE(f.far, "");
        TAKE(f.far, "question");
        reply(&f, "without an id");
        put_text(f.far, wrong, true);
        reply(&f, "with another");
        EXPECT_ERR(&f.req, MCQ_AGAIN);

        struct mcq_part part = {.body = mcq_msg_bytes(&id), .more = true};

        assert_int_equal(mcq_link_put(&f.far->peer.link, &part), MCQ_OK);
        reply(&f, "with its own");
        EXPECT(&f.req, "with its own");
    }
    assert_int_equal(f.req.lost_count, 0);
    world_fini(&f.world);
}

static void relaxed__a_second_request__gives_up_the_first_reply(void **state)
{
    struct fixture f;
    uint8_t ids[2][4];

    (void) state;
    start(&f);
    set(&f.req, MCQ_PATTERN_REQ_RELAXED, 1);
    set(&f.req, MCQ_PATTERN_REQ_CORRELATE, 1);
    for (int i = 0; i < 2; i++) {
        struct mcq_msg id;

        assert_true(is_writable(&f.req));
        SEND(&f.req, "question");
        settle(&f.world);
        assert_int_equal(mcq_link_take(&f.far->peer.link, &id), MCQ_OK);
        memcpy(ids[i], mcq_msg_data(&id), sizeof ids[i]);
        TAKE_MORE(f.far, "");
        TAKE(f.far, "question");
    }
    for (int i = 0; i < 2; i++) {
        struct mcq_part part = {.body = mcq_bytes(ids[i], sizeof ids[i]), .more = true};

        assert_int_equal(mcq_link_put(&f.far->peer.link, &part), MCQ_OK);
        reply(&f, i == 0 ? "late" : "right");
    }
    EXPECT(&f.req, "right");
    EXPECT_ERR(&f.req, MCQ_STATE);
    world_fini(&f.world);
}

static void set__what_it_takes(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_RELAXED, 2), MCQ_INVAL);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_REQ_CORRELATE, -1), MCQ_INVAL);
    assert_int_equal(f.req.ops->set(f.req.pattern, MCQ_PATTERN_ROUTER_HANDOVER, 1), MCQ_INVAL);
    world_fini(&f.world);
}

/* What no right peer sends costs it its connection. */
static void reply_without_a_delimiter__ends_the_connection(void **state)
{
    static const char *const replies[][2] = {{"x", "y"}, {"x", NULL}, {"", NULL}};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(replies); i++) {
        struct fixture f;

        start(&f);
        SEND(&f.req, "question");
        take_request(&f, "question");
        put_text(f.far, replies[i][0], replies[i][1] != NULL);
        if (replies[i][1] != NULL)
            put_text(f.far, replies[i][1], false);
        settle(&f.world);
        EXPECT_ERR(&f.req, MCQ_AGAIN);
        settle(&f.world);
        assert_int_equal(f.req.lost_count, 1);
        assert_int_equal(f.req.lost_by, MCQ_PROTO);
        EXPECT_ERR(&f.req, MCQ_CLOSED);
        world_fini(&f.world);
    }
}

/* --- connections that are lost --------------------------------------------------------------- */

static void lose(struct fixture *f)
{
    mcq_sim_reset(f->world.sim, f->near->peer.link.fd);
    settle(&f->world);
    prefetch(&f->req);
    settle(&f->world);
    assert_int_equal(f->req.lost_count, 1);
}

static void asked_peer_gone__told_once__then_another_request(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SEND(&f.req, "question");
    take_request(&f, "question");
    lose(&f);
    mcq_link_lose(&f.far->peer.link, MCQ_CLOSED);
    settle(&f.world);
    assert_int_equal(send_text(&f.req, "out of turn", false), MCQ_STATE);
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    EXPECT_ERR(&f.req, MCQ_STATE);
    SEND(&f.req, "another");
    f.far = join_peer(&f.req, f.near, &f.bare).far;
    take_request(&f, "another");
    reply(&f, "answer");
    EXPECT(&f.req, "answer");
    world_fini(&f.world);
}

static void asked_peer_gone__compat__waits_for_ever(void **state)
{
    struct fixture f;

    (void) state;
    world_init(&f.world, 0);
    end_init_compat(&f.req, &f.world, MCQ_SOCKET_TYPE_REQ);
    end_init_bare(&f.bare, &f.world, MCQ_SOCKET_TYPE_REP);
    f.near = join(&f.req, &f.bare).near;
    SEND(&f.req, "question");
    settle(&f.world);
    lose(&f);
    for (int i = 0; i < 3; i++) {
        EXPECT_ERR(&f.req, MCQ_AGAIN);
        assert_int_equal(send_text(&f.req, "out of turn", false), MCQ_STATE);
    }
    world_fini(&f.world);
}

static void request_that_had_not_left__leaves_on_the_next_connection(void **state)
{
    struct fixture f;

    (void) state;
    world_init(&f.world, 5); /* the delimiter, and three octets of the request */
    end_init(&f.req, &f.world, MCQ_SOCKET_TYPE_REQ);
    end_init_bare(&f.bare, &f.world, MCQ_SOCKET_TYPE_REP);
    f.near = join(&f.req, &f.bare).near;
    SEND(&f.req, "question");
    settle(&f.world);
    lose(&f);
    EXPECT_ERR(&f.req, MCQ_AGAIN); /* nothing is lost */
    f.far = join_peer(&f.req, f.near, &f.bare).far;
    for (int i = 0; i < 10; i++) {
        settle(&f.world);
        (void) mcq_link_prefetch(&f.far->peer.link);
    }
    TAKE_MORE(f.far, "");
    TAKE(f.far, "question");
    put_text(f.far, "", true);
    put_text(f.far, "answer", false);
    for (int i = 0; i < 10; i++) {
        settle(&f.world);
        prefetch(&f.req);
    }
    EXPECT(&f.req, "answer");
    world_fini(&f.world);
}

static void reply_that_came_before_the_loss__is_read(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SEND(&f.req, "question");
    take_request(&f, "question");
    put_text(f.far, "", true);
    put_text(f.far, "part", true);
    put_text(f.far, "answer", false);
    settle(&f.world);
    prefetch(&f.req);
    lose(&f);
    EXPECT_MORE(&f.req, "part");
    EXPECT(&f.req, "answer");
    EXPECT_ERR(&f.req, MCQ_STATE);
    SEND(&f.req, "the next one");
    world_fini(&f.world);
}

/* Another peer that goes, with something to read, does not make us forget which was asked. */
static void other_peer_gone__the_asked_one_is_still_known_to_be(void **state)
{
    struct fixture f;
    struct end other;
    struct joined joined;

    (void) state;
    start(&f);
    end_init_bare(&other, &f.world, MCQ_SOCKET_TYPE_REP);
    joined = join(&f.req, &other);
    SEND(&f.req, "question");
    take_request(&f, "question");
    put_text(f.far, "0000", true); /* an id, where none was sent: discarded when it is read */
    reply(&f, "no reply");
    put_text(joined.far, "", true);
    put_text(joined.far, "unasked", false);
    settle(&f.world);
    prefetch(&f.req);
    lose(&f);
    peer_down(joined.near);
    f.req.ops->readable(f.req.pattern, &joined.near->peer);
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    world_fini(&f.world);
}

/* The REQ is bound, and its peer connects. */
static void start_accepting(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->req, &f->world, MCQ_SOCKET_TYPE_REQ);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_REP);
    joined = join(&f->bare, &f->req);
    f->near = joined.far;
    f->far = joined.near;
}

static void accepted_peer_gone_within_the_request__the_rest_is_swallowed(void **state)
{
    struct fixture f;

    (void) state;
    start_accepting(&f);
    SEND_MORE(&f.req, "begun");
    peer_down(f.near);
    SEND_MORE(&f.req, "nobody's");
    SEND(&f.req, "nobody's");
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    assert_int_equal(send_text(&f.req, "nobody there", false), MCQ_AGAIN);
    world_fini(&f.world);
}

/* What it had said before does not make the loss of the request unknown: it is no reply. */
static void accepted_peer_gone_within_the_request__though_it_may_still_be_read(void **state)
{
    struct fixture f;

    (void) state;
    start_accepting(&f);
    SEND_MORE(&f.req, "begun");
    put_text(f.far, "", true);
    put_text(f.far, "not asked for", false);
    settle(&f.world);
    prefetch(&f.req);
    peer_down(f.near);
    SEND(&f.req, "nobody's");
    EXPECT_ERR(&f.req, MCQ_CLOSED);
    world_fini(&f.world);
}

/* Nothing was sent, so the reply that it would have given up is still to be had. */
static void relaxed__a_request_that_nobody_takes__gives_up_nothing(void **state)
{
    struct fixture f;

    (void) state;
    start_accepting(&f);
    set(&f.req, MCQ_PATTERN_REQ_RELAXED, 1);
    SEND(&f.req, "question");
    take_request(&f, "question");
    put_text(f.far, "", true);
    put_text(f.far, "part", true);
    put_text(f.far, "another", true);
    put_text(f.far, "answer", false);
    settle(&f.world);
    prefetch(&f.req);
    peer_down(f.near);
    EXPECT_MORE(&f.req, "part");
    assert_int_equal(send_text(&f.req, "too soon", false), MCQ_AGAIN);
    EXPECT_MORE(&f.req, "another");
    EXPECT(&f.req, "answer");
    world_fini(&f.world);
}

/* --- room and memory ------------------------------------------------------------------------- */

static void all_full__again__and_the_envelope_is_not_left_alone(void **state)
{
    struct world world;
    struct end req;
    struct end bare;
    struct test_peer *peer;

    (void) state;
    world_init(&world, 0);
    end_init(&req, &world, MCQ_SOCKET_TYPE_REQ);
    set(&req, MCQ_PATTERN_REQ_RELAXED, 1);
    set(&req, MCQ_PATTERN_REQ_CORRELATE, 1);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_REP);
    req.out_max = 1;
    peer = peer_connecting(&req);
    SEND(&req, "one");
    assert_int_equal(send_text(&req, "two", false), MCQ_AGAIN);
    assert_int_equal(mcq_link_waiting_count(&peer->peer.link), 1);
    assert_false(is_writable(&req));
    (void) join_peer(&req, peer, &bare);
    settle(&world);
    assert_true(is_writable(&req));
    SEND(&req, "two");
    world_fini(&world);
}

static void nomem__a_request_goes_whole_or_not_at_all(void **state)
{
    static char large[10000];
    bool is_over = false;

    (void) state;
    memset(large, 'x', sizeof large);
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        enum mcq_err first;
        enum mcq_err second = MCQ_OK;

        start(&f);
        set(&f.req, MCQ_PATTERN_REQ_CORRELATE, 1);
        mcq_alloc_fail_at(n);
        first = send_bytes(&f.req, mcq_bytes(large, sizeof large), true);
        if (first == MCQ_OK)
            second = send_bytes(&f.req, mcq_bytes(large, sizeof large), false);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_true(first == MCQ_OK || first == MCQ_NOMEM);
        if (first != MCQ_OK) { /* nothing was taken: from the start */
            assert_false(mcq_wpump_is_within(&f.near->peer.link.wpump));
            SEND(&f.req, "question");
        } else if (second == MCQ_NOMEM && mcq_wpump_is_within(&f.near->peer.link.wpump)) {
            SEND(&f.req, "refused by the test's own copy, so the message goes on");
        } else if (second == MCQ_NOMEM) {
            SEND(&f.req, "swallowed");
            EXPECT_ERR(&f.req, MCQ_CLOSED);
        }
        settle(&f.world);
        if (first != MCQ_OK || second == MCQ_OK)
            EXPECT_ERR(&f.req, MCQ_AGAIN);
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(dialogue__delimiter_out_and_in__and_calls_out_of_turn),
        LEDGER_TEST(requests__go_to_peers_in_turn__and_replies_of_others_do_not_count),
        LEDGER_TEST(reply_before_the_request__is_thrown_away),
        LEDGER_TEST(correlate__only_the_request_s_own_id_counts),
        LEDGER_TEST(relaxed__a_second_request__gives_up_the_first_reply),
        LEDGER_TEST(set__what_it_takes),
        LEDGER_TEST(reply_without_a_delimiter__ends_the_connection),
        LEDGER_TEST(asked_peer_gone__told_once__then_another_request),
        LEDGER_TEST(asked_peer_gone__compat__waits_for_ever),
        LEDGER_TEST(request_that_had_not_left__leaves_on_the_next_connection),
        LEDGER_TEST(reply_that_came_before_the_loss__is_read),
        LEDGER_TEST(accepted_peer_gone_within_the_request__though_it_may_still_be_read),
        LEDGER_TEST(other_peer_gone__the_asked_one_is_still_known_to_be),
        LEDGER_TEST(accepted_peer_gone_within_the_request__the_rest_is_swallowed),
        LEDGER_TEST(relaxed__a_request_that_nobody_takes__gives_up_nothing),
        LEDGER_TEST(all_full__again__and_the_envelope_is_not_left_alone),
        LEDGER_TEST(nomem__a_request_goes_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
