#include "socket/test_support.h"

#define TURN_BYTES 262144 /* a receive block */

static void recv__nothing_there__again(void **state)
{
    struct world world;
    struct end pull;

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    (void) peer_connecting(&pull);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    assert_null(pull.ops->send);
    world_fini(&world);
}

static void recv__messages_of_two_peers__are_never_mixed(void **state)
{
    struct world world;
    struct end pull;
    struct end pushes[2];

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    for (int i = 0; i < 2; i++) {
        end_init(&pushes[i], &world, MCQ_SOCKET_TYPE_PUSH);
        (void) join(&pushes[i], &pull);
    }
    SEND_MORE(&pushes[0], "a1");
    SEND_MORE(&pushes[1], "b1");
    SEND_MORE(&pushes[0], "a2");
    settle(&world);
    EXPECT_ERR(&pull, MCQ_AGAIN); /* no message is whole */
    SEND(&pushes[1], "b2");
    settle(&world);
    EXPECT_MORE(&pull, "b1");
    SEND(&pushes[0], "a3");
    settle(&world);
    EXPECT(&pull, "b2");
    EXPECT_MORE(&pull, "a1");
    EXPECT_MORE(&pull, "a2");
    EXPECT(&pull, "a3");
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

/* Each message is a kilobyte; two peers have a megabyte there, the third one message. */
static void recv__flooders_and_a_quiet_peer__turns_of_a_receive_block(void **state)
{
    static char body[1000];
    const size_t turn = TURN_BYTES / (sizeof body + MCQ_FAIR_FRAME_BYTES) + 1;
    struct world world;
    struct end pull;
    struct end pushes[3];
    size_t counts[3] = {0};
    size_t quiet_at = 0;

    (void) state;
    world_init(&world, 1 << 21);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    for (int i = 0; i < 3; i++) {
        end_init(&pushes[i], &world, MCQ_SOCKET_TYPE_PUSH);
        (void) join(&pushes[i], &pull);
        memset(body, 'a' + i, sizeof body);
        for (int n = 0; n < (i < 2 ? 1000 : 1); n++)
            assert_int_equal(send_bytes(&pushes[i], mcq_bytes(body, sizeof body), false), MCQ_OK);
    }
    settle(&world);
    for (size_t n = 1; n <= 2001; n++) {
        struct mcq_msg msg;
        int from;

        assert_int_equal(pull.ops->recv(pull.pattern, &msg), MCQ_OK);
        from = mcq_msg_data(&msg)[0] - 'a';
        counts[from]++;
        if (from == 2)
            quiet_at = n;
        if (n <= 1000)
            assert_true(counts[0] <= counts[1] + 2 * turn && counts[1] <= counts[0] + 2 * turn);
        mcq_msg_fini(&msg);
    }
    assert_in_range(quiet_at, 1, 2 * turn + 1);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

static void peer_lost__its_whole_messages_are_read_and_the_cut_one_is_not(void **state)
{
    static const uint8_t cut[] = {1, 2, 'x', 'y', 0, 200, 'z'}; /* a part, and the start of one */
    struct world world;
    struct end pull;
    struct end bare;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_PUSH);
    joined = join(&bare, &pull);
    put_text(joined.near, "one", false);
    put_text(joined.near, "two", true);
    put_text(joined.near, "parts", false);
    settle(&world);
    send_raw(joined.near, cut, sizeof cut);
    EXPECT(&pull, "one");
    EXPECT_MORE(&pull, "two");
    mcq_link_lose(&joined.near->peer.link, MCQ_CLOSED); /* it closes */
    settle(&world);
    prefetch(&pull);
    settle(&world);
    assert_int_equal(pull.lost_count, 1);
    assert_int_equal(pull.gone_count, 0); /* not before its last part was taken */
    EXPECT(&pull, "parts");
    settle(&world);
    assert_int_equal(pull.gone_count, 1);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    world_fini(&world);
}

static void connection_reset__what_was_received_is_kept(void **state)
{
    struct world world;
    struct end pull;
    struct end push;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    joined = join(&pull, &push);
    SEND(&push, "one");
    SEND(&push, "two");
    settle(&world);
    prefetch(&pull);
    mcq_sim_reset(world.sim, joined.near->peer.link.fd);
    settle(&world);
    prefetch(&pull);
    settle(&world);
    assert_false(joined.near->peer.link.is_up);
    EXPECT(&pull, "one");
    (void) join_peer(&pull, joined.near, &push);
    SEND(&push, "three");
    settle(&world);
    EXPECT(&pull, "two");
    EXPECT(&pull, "three");
    world_fini(&world);
}

/* All receive blocks are out: no edge says when one comes home, so each call looks again. */
static void no_receive_block__the_next_call_looks_again(void **state)
{
    static struct mcq_buf *blocks[4096];
    struct world world;
    struct end pull;
    struct end push;
    size_t count = 0;

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    end_init(&push, &world, MCQ_SOCKET_TYPE_PUSH);
    (void) join(&push, &pull);
    (void) join(&push, &pull);
    prefetch(&pull);                         /* gives the blocks of the handshake back */
    mcq_receiver_fini(&pull.group.receiver); /* the spare one, too */
    while (count < MCQ_COUNTOF(blocks) &&
           (blocks[count] = mcq_slab_take(pull.group.receiver.slab)) != NULL)
        count++;
    SEND(&push, "one");
    SEND(&push, "two");
    settle(&world);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    EXPECT_ERR(&pull, MCQ_AGAIN);
    while (count > 0)
        mcq_buf_unref(blocks[--count]);
    EXPECT(&pull, "one");
    EXPECT(&pull, "two");
    world_fini(&world);
}

/* Who was lost first may be who comes again, and has come. */
static void peers_gone_at_once__are_read_in_the_order_in_which_they_went(void **state)
{
    static const int order[] = {1, 0, 2};
    static const char *const texts[] = {"of the first", "of the second", "of the third"};
    struct world world;
    struct end pull;
    struct end pushes[3];
    struct test_peer *peers[3];

    (void) state;
    world_init(&world, 0);
    end_init(&pull, &world, MCQ_SOCKET_TYPE_PULL);
    for (int i = 0; i < 3; i++) {
        end_init(&pushes[i], &world, MCQ_SOCKET_TYPE_PUSH);
        peers[i] = join(&pushes[i], &pull).far;
        SEND(&pushes[i], texts[i]);
    }
    settle(&world);
    prefetch(&pull);
    for (int i = 0; i < 3; i++)
        mcq_link_lose(&peers[order[i]]->peer.link, MCQ_CLOSED);
    end_bury(&pull);
    for (int i = 0; i < 3; i++)
        EXPECT(&pull, texts[order[i]]);
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(recv__nothing_there__again),
        LEDGER_TEST(recv__messages_of_two_peers__are_never_mixed),
        LEDGER_TEST(recv__flooders_and_a_quiet_peer__turns_of_a_receive_block),
        LEDGER_TEST(peer_lost__its_whole_messages_are_read_and_the_cut_one_is_not),
        LEDGER_TEST(connection_reset__what_was_received_is_kept),
        LEDGER_TEST(no_receive_block__the_next_call_looks_again),
        LEDGER_TEST(peers_gone_at_once__are_read_in_the_order_in_which_they_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
