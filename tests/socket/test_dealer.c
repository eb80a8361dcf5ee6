#include "socket/test_support.h"

static void both_ways__turns_out_and_turns_in(void **state)
{
    struct world world;
    struct end dealer;
    struct end others[2];

    (void) state;
    world_init(&world, 0);
    end_init(&dealer, &world, MCQ_SOCKET_TYPE_DEALER);
    for (int i = 0; i < 2; i++) {
        end_init(&others[i], &world, MCQ_SOCKET_TYPE_DEALER);
        (void) join(i == 0 ? &others[i] : &dealer, i == 0 ? &dealer : &others[i]);
    }
    for (char text[] = "0"; text[0] < '6'; text[0]++)
        SEND(&dealer, text);
    settle(&world);
    for (int i = 0; i < 2; i++) {
        for (char text[] = {(char) ('0' + i), 0}; text[0] < '6'; text[0] = (char) (text[0] + 2)) {
            EXPECT(&others[i], text);
            SEND_MORE(&others[i], "re");
            SEND(&others[i], text);
        }
        EXPECT_ERR(&others[i], MCQ_AGAIN);
    }
    settle(&world);
    for (int i = 0; i < 2; i++) /* who was ready first has its turn as long as it has something */
        for (char text[] = {(char) ('0' + i), 0}; text[0] < '6'; text[0] = (char) (text[0] + 2)) {
            EXPECT_MORE(&dealer, "re");
            EXPECT(&dealer, text);
        }
    EXPECT_ERR(&dealer, MCQ_AGAIN);
    world_fini(&world);
}

static void sending_and_receiving__in_the_middle_of_each_other(void **state)
{
    struct world world;
    struct end dealer;
    struct end other;

    (void) state;
    world_init(&world, 0);
    end_init(&dealer, &world, MCQ_SOCKET_TYPE_DEALER);
    end_init(&other, &world, MCQ_SOCKET_TYPE_DEALER);
    (void) join(&dealer, &other);
    SEND_MORE(&other, "in 1");
    SEND(&other, "in 2");
    settle(&world);
    SEND_MORE(&dealer, "out 1");
    EXPECT_MORE(&dealer, "in 1");
    SEND_MORE(&dealer, "out 2");
    EXPECT(&dealer, "in 2");
    SEND(&dealer, "out 3");
    settle(&world);
    EXPECT_MORE(&other, "out 1");
    EXPECT_MORE(&other, "out 2");
    EXPECT(&other, "out 3");
    world_fini(&world);
}

/* Down stops what goes out; what has come in is still read. */
static void accepted_peer_gone__is_read_and_not_written(void **state)
{
    struct world world;
    struct end dealer;
    struct end others[2];
    struct joined joined[2];

    (void) state;
    world_init(&world, 0);
    end_init(&dealer, &world, MCQ_SOCKET_TYPE_DEALER);
    for (int i = 0; i < 2; i++) {
        end_init(&others[i], &world, MCQ_SOCKET_TYPE_DEALER);
        joined[i] = join(&others[i], &dealer);
    }
    SEND(&others[0], "left behind");
    settle(&world);
    prefetch(&dealer);
    peer_down(joined[0].far);
    assert_int_equal(dealer.gone_count, 0);
    SEND(&dealer, "a");
    SEND(&dealer, "b");
    EXPECT(&dealer, "left behind");
    settle(&world);
    assert_int_equal(dealer.gone_count, 1);
    EXPECT(&others[1], "a");
    EXPECT(&others[1], "b");
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(both_ways__turns_out_and_turns_in),
        LEDGER_TEST(sending_and_receiving__in_the_middle_of_each_other),
        LEDGER_TEST(accepted_peer_gone__is_read_and_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
