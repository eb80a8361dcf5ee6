#include "socket/test_support.h"

static void both_ways__whole_messages_in_order(void **state)
{
    struct world world;
    struct end a;
    struct end b;

    (void) state;
    world_init(&world, 0);
    end_init(&a, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&b, &world, MCQ_SOCKET_TYPE_PAIR);
    assert_int_equal(send_text(&a, "nobody there", false), MCQ_AGAIN);
    (void) join(&a, &b);
    SEND_MORE(&a, "1");
    SEND(&a, "2");
    SEND(&b, "3");
    settle(&world);
    EXPECT_MORE(&b, "1");
    EXPECT(&b, "2");
    EXPECT(&a, "3");
    world_fini(&world);
}

static void attach__a_second_peer__is_refused_and_the_first_stays(void **state)
{
    struct world world;
    struct end pair;
    struct end others[2];
    struct joined second;

    (void) state;
    world_init(&world, 0);
    end_init(&pair, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[0], &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[1], &world, MCQ_SOCKET_TYPE_PAIR);
    (void) join(&others[0], &pair);
    second = join(&others[1], &pair);
    assert_null(second.far);
    assert_int_equal(second.far_err, MCQ_MISMATCH);
    SEND(&pair, "first come");
    settle(&world);
    EXPECT(&others[0], "first come");
    EXPECT_ERR(&others[1], MCQ_AGAIN);
    world_fini(&world);
}

/* More than a turn of a receive block is left behind. */
static void first_peer_gone__another_is_welcome_and_what_was_left_is_read_first(void **state)
{
    static char body[60000];
    struct world world;
    struct end pair;
    struct end others[2];
    struct joined first;

    (void) state;
    world_init(&world, 1 << 20);
    end_init(&pair, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[0], &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[1], &world, MCQ_SOCKET_TYPE_PAIR);
    first = join(&others[0], &pair);
    memset(body, 'o', sizeof body);
    for (int i = 0; i < 10; i++)
        assert_int_equal(send_bytes(&others[0], mcq_bytes(body, sizeof body), false), MCQ_OK);
    settle(&world);
    prefetch(&pair);
    peer_down(first.far);
    assert_int_equal(pair.gone_count, 0);
    assert_int_equal(send_text(&pair, "nobody there", false), MCQ_AGAIN);

    assert_non_null(join(&others[1], &pair).far);
    SEND(&pair, "to the new one");
    SEND(&others[1], "from the new one");
    settle(&world);
    EXPECT(&others[1], "to the new one");
    for (int i = 0; i < 10; i++)
        expect_bytes(&pair, mcq_bytes(body, sizeof body), false, __LINE__);
    EXPECT(&pair, "from the new one");
    settle(&world);
    assert_int_equal(pair.gone_count, 1);
    world_fini(&world);
}

static void one_that_connects__keeps_its_place_while_it_is_away(void **state)
{
    struct world world;
    struct end pair;
    struct end other;
    struct end stranger;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&pair, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&other, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&stranger, &world, MCQ_SOCKET_TYPE_PAIR);
    joined = join(&pair, &other);
    mcq_sim_reset(world.sim, joined.near->peer.link.fd);
    settle(&world);
    prefetch(&pair);
    prefetch(&other);
    settle(&world);
    assert_false(joined.near->peer.link.is_up);
    SEND(&pair, "for later");
    assert_int_equal(join(&stranger, &pair).far_err, MCQ_MISMATCH);
    (void) join_peer(&pair, joined.near, &other);
    settle(&world);
    EXPECT(&other, "for later");
    world_fini(&world);
}

static void peer_lost_within_a_message__its_rest_is_not_for_the_next_peer(void **state)
{
    struct world world;
    struct end pair;
    struct end others[2];
    struct joined first;

    (void) state;
    world_init(&world, 0);
    end_init(&pair, &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[0], &world, MCQ_SOCKET_TYPE_PAIR);
    end_init(&others[1], &world, MCQ_SOCKET_TYPE_PAIR);
    first = join(&others[0], &pair);
    SEND_MORE(&pair, "begun");
    peer_down(first.far);
    (void) join(&others[1], &pair);
    SEND(&pair, "rest");
    SEND(&pair, "next");
    settle(&world);
    EXPECT(&others[1], "next");
    EXPECT_ERR(&others[1], MCQ_AGAIN);
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(both_ways__whole_messages_in_order),
        LEDGER_TEST(attach__a_second_peer__is_refused_and_the_first_stays),
        LEDGER_TEST(first_peer_gone__another_is_welcome_and_what_was_left_is_read_first),
        LEDGER_TEST(one_that_connects__keeps_its_place_while_it_is_away),
        LEDGER_TEST(peer_lost_within_a_message__its_rest_is_not_for_the_next_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
