#include "socket/test_support.h"

static void send__no_peer__again(void **state)
{
    struct world world;
    struct end push;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    assert_false(is_writable(&push));
    assert_int_equal(send_text(&push, "a", false), MCQ_AGAIN);
    world_fini(&world);
}

static void send__three_peers__each_gets_every_third_message(void **state)
{
    struct world world;
    struct end push;
    struct end pulls[3];

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    for (int i = 0; i < 3; i++) {
        end_init(&pulls[i], &world, MCQ_SOCKET_TYPE_PULL);
        (void) join(&pulls[i], &push);
    }
    assert_true(is_writable(&push));
    for (char text[] = "0"; text[0] < '9'; text[0]++) {
        SEND_MORE(&push, text); /* a message's turn, however many parts it has */
        SEND(&push, "end");
    }
    settle(&world);
    for (char text[] = "0"; text[0] < '9'; text[0]++) {
        EXPECT_MORE(&pulls[(text[0] - '0') % 3], text);
        EXPECT(&pulls[(text[0] - '0') % 3], "end");
    }
    world_fini(&world);
}

static void send__before_there_is_a_connection__leaves_with_the_first(void **state)
{
    struct world world;
    struct end push;
    struct end pull;
    struct test_peer *peer;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    push.out_max = 2;
    peer = peer_connecting(&push);
    SEND(&push, "one");
    SEND_MORE(&push, "two");
    SEND(&push, "and a half");
    assert_int_equal(send_text(&push, "three", false), MCQ_AGAIN);
    assert_false(is_writable(&push));
    (void) join_peer(&push, peer, &pull);
    settle(&world);
    assert_true(is_writable(&push)); /* they have left, so there is room */
    SEND(&push, "three");
    settle(&world);
    EXPECT(&pull, "one");
    EXPECT_MORE(&pull, "two");
    EXPECT(&pull, "and a half");
    EXPECT(&pull, "three");
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

/* Both streams hold 64 octets; high-water marks of one message. */
static void send__a_full_peer__is_passed_over_until_it_has_room(void **state)
{
    static const char text[] = "forty octets, and so a stream holds one.";
    struct world world;
    struct end push;
    struct end pulls[2];
    int sent = 0;

    (void) state;
    world_init(&world, 64);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    push.out_max = 1;
    for (int i = 0; i < 2; i++) {
        end_init(&pulls[i], &world, MCQ_SOCKET_TYPE_PULL);
        (void) join(&pulls[i], &push);
    }
    for (int i = 0; i < 10 && send_text(&push, text, false) == MCQ_OK; i++) {
        sent++;
        settle(&world);
    }
    assert_in_range(sent, 2, 4);
    assert_false(is_writable(&push));
    assert_int_equal(send_text(&push, text, false), MCQ_AGAIN);

    EXPECT(&pulls[1], text); /* only this one reads */
    settle(&world);
    assert_true(push.room_count > 0);
    for (int i = 0; i < 3; i++) {
        assert_true(is_writable(&push));
        SEND(&push, text);
        settle(&world);
        EXPECT(&pulls[1], text);
        settle(&world);
    }
    world_fini(&world);
}

static void peer_lost_within_a_message__the_rest_goes_nowhere(void **state)
{
    struct world world;
    struct end push;
    struct end pulls[2];
    struct joined joined[2];

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    for (int i = 0; i < 2; i++) {
        end_init(&pulls[i], &world, MCQ_SOCKET_TYPE_PULL);
        joined[i] = join(&pulls[i], &push);
    }
    SEND_MORE(&push, "begun");
    peer_down(joined[0].far);
    assert_true(is_writable(&push));
    SEND_MORE(&push, "nobody's");
    SEND(&push, "nobody's");
    SEND(&push, "next");
    settle(&world);
    EXPECT_ERR(&pulls[0], MCQ_AGAIN);
    EXPECT(&pulls[1], "next");
    EXPECT_ERR(&pulls[1], MCQ_AGAIN);
    world_fini(&world);
}

static void connection_lost__what_had_not_wholly_left__leaves_on_the_next(void **state)
{
    struct world world;
    struct end push;
    struct end pull;
    struct joined joined;

    (void) state;
    world_init(&world, 20); /* one message, and half of the second */
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    joined = join(&push, &pull);
    SEND(&push, "first 0123456");
    SEND(&push, "second 0123456");
    SEND(&push, "third 0123456");
    SEND_MORE(&push, "fourth 0123456");
    settle(&world);
    mcq_sim_reset(world.sim, joined.near->peer.link.fd);
    settle(&world);
    assert_int_equal(push.lost_count, 1);
    assert_int_equal(mcq_link_waiting_count(&joined.near->peer.link), 3);
    assert_true(is_writable(&push)); /* it connects: its queue outlives the connection */
    SEND(&push, "end of the fourth");
    (void) join_peer(&push, joined.near, &pull);
    for (int i = 0; i < 10; i++) {
        settle(&world);
        prefetch(&pull);
    }
    EXPECT(&pull, "second 0123456");
    EXPECT(&pull, "third 0123456");
    EXPECT_MORE(&pull, "fourth 0123456");
    EXPECT(&pull, "end of the fourth");
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

static void accepted_peer_lost__takes_its_queue_with_it(void **state)
{
    struct world world;
    struct end push;
    struct end pull;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    joined = join(&pull, &push);
    SEND(&push, "queued");
    peer_down(joined.far);
    assert_int_equal(push.gone_count, 1);
    assert_int_equal(send_text(&push, "nobody is there", false), MCQ_AGAIN);
    prefetch(&pull); /* sees the end */
    settle(&world);
    (void) join_peer(&pull, joined.near, &push);
    settle(&world);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

static void peer_that_sends__is_not_listened_to(void **state)
{
    struct world world;
    struct end push;
    struct end bare;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_PULL);
    joined = join(&bare, &push);
    for (int i = 0; i < 3000; i++) {
        put_text(joined.near, "who wants", true);
        put_text(joined.near, "to know", false);
    }
    settle(&world);
    assert_int_equal(push.lost_count, 0);
    assert_int_equal(joined.far->peer.link.in.tail, 0); /* nothing was ever kept */
    SEND(&push, "still there");
    settle(&world);
    TAKE(joined.near, "still there");
    world_fini(&world);
}

static void send_large(struct end *end, bool more, enum mcq_err expected)
{
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg, .more = more};
    enum mcq_err err;

    assert_int_equal(mcq_msg_init_size(&msg, MCQ_WPUMP_COPY_MAX + 1), MCQ_OK);
    part.body = mcq_msg_bytes(&msg);
    mcq_alloc_fail_at(1);
    err = end->ops->send(end->pattern, &part);
    mcq_alloc_fail_at(0);
    assert_int_equal(err, expected);
    /* The part is the pattern's if it took it, and still ours if not. */
    assert_int_equal(mcq_msg_len(&msg), err == MCQ_OK ? 0 : MCQ_WPUMP_COPY_MAX + 1);
    mcq_msg_fini(&msg);
}

static void nomem_within_a_message__nothing_of_it_goes_out(void **state)
{
    struct world world;
    struct end push;
    struct end pull;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    joined = join(&push, &pull);
    SEND(&push, "first");
    settle(&world);
    EXPECT(&pull, "first");
    SEND_MORE(&push, "a"); /* two segments: the ring of 4 is full within the next one */
    send_large(&push, false, MCQ_OK);
    SEND_MORE(&push, "begun");
    send_large(&push, true, MCQ_NOMEM);
    assert_false(mcq_wpump_is_within(&joined.near->peer.link.wpump));
    /* The same part again, or the next: the message is over either way. */
    send_large(&push, true, MCQ_OK);
    SEND(&push, "its end");
    SEND(&push, "another");
    settle(&world);
    for (int i = 0; i < 2; i++) {
        struct mcq_msg msg;

        assert_int_equal(pull.ops->recv(pull.pattern, &msg), MCQ_OK);
        mcq_msg_fini(&msg);
    }
    EXPECT(&pull, "another");
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

static void nomem_at_the_first_part__nothing_was_taken(void **state)
{
    struct world world;
    struct end push;
    struct end pull;

    (void) state;
    world_init(&world, 0);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    (void) join(&push, &pull);
    mcq_alloc_fail_at(1);
    assert_int_equal(send_text(&push, "a", true), MCQ_NOMEM);
    SEND_MORE(&push, "b");
    SEND(&push, "c");
    settle(&world);
    EXPECT_MORE(&pull, "b");
    EXPECT(&pull, "c");
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

/* What has begun to leave goes on; of what waits behind it the newest stays, whole. */
static void conflate__the_newest_of_what_waits(void **state)
{
    static char body[3000];
    struct world world;
    struct end push;
    struct end bare;
    struct test_peer *peer;
    struct test_peer *far;
    struct mcq_msg msg;
    char last = 0;

    (void) state;
    world_init(&world, 1000);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    push.out_max = 1;
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_PULL);
    peer = peer_connecting(&push);
    peer->peer.link.conflates = true;
    SEND(&push, "1");
    SEND_MORE(&push, "2");
    SEND(&push, "and its end");
    assert_int_equal(mcq_link_waiting_count(&peer->peer.link), 1);
    far = join_peer(&push, peer, &bare).far;
    settle(&world);
    TAKE_MORE(far, "2");
    TAKE(far, "and its end");
    for (int i = 0; i < 26; i++) {
        memset(body, 'a' + i, sizeof body);
        assert_int_equal(send_bytes(&push, mcq_bytes(body, sizeof body), false), MCQ_OK);
        assert_true(mcq_link_waiting_count(&peer->peer.link) <= 2);
        settle(&world);
    }
    for (int came = 0; last != 'z'; came++) {
        settle(&world);
        if (mcq_link_take(&far->peer.link, &msg) != MCQ_OK)
            continue;
        assert_int_equal(mcq_msg_len(&msg), sizeof body);
        assert_true((char) mcq_msg_data(&msg)[0] > last);
        last = (char) mcq_msg_data(&msg)[0];
        for (size_t i = 0; i < sizeof body; i++)
            assert_int_equal(mcq_msg_data(&msg)[i], last);
        mcq_msg_fini(&msg);
        assert_true(came < 10000);
    }
    assert_int_equal(mcq_link_waiting_count(&peer->peer.link), 0);
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(send__no_peer__again),
        LEDGER_TEST(send__three_peers__each_gets_every_third_message),
        LEDGER_TEST(send__before_there_is_a_connection__leaves_with_the_first),
        LEDGER_TEST(send__a_full_peer__is_passed_over_until_it_has_room),
        LEDGER_TEST(peer_lost_within_a_message__the_rest_goes_nowhere),
        LEDGER_TEST(connection_lost__what_had_not_wholly_left__leaves_on_the_next),
        LEDGER_TEST(accepted_peer_lost__takes_its_queue_with_it),
        LEDGER_TEST(peer_that_sends__is_not_listened_to),
        LEDGER_TEST(nomem_within_a_message__nothing_of_it_goes_out),
        LEDGER_TEST(nomem_at_the_first_part__nothing_was_taken),
        LEDGER_TEST(conflate__the_newest_of_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
