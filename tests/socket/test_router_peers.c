#include "socket/test_support.h"

/* What a ROUTER says of its peers, and to them: notices, probes, names of its own. */

static void notify__who_comes_and_who_goes__around_what_it_said(void **state)
{
    struct world world;
    struct end router;
    struct end bob;
    struct joined to_bob;
    int64_t value;

    (void) state;
    world_init(&world, 0);
    end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
    set(&router, MCQ_PATTERN_ROUTER_NOTIFY, 3);
    assert_int_equal(router.ops->get(router.pattern, MCQ_PATTERN_ROUTER_NOTIFY, &value), MCQ_OK);
    assert_int_equal(value, 3);
    assert_int_equal(router.ops->set(router.pattern, MCQ_PATTERN_ROUTER_NOTIFY, 4), MCQ_INVAL);
    end_init_bare(&bob, &world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&bob, "bob");
    to_bob = join(&bob, &router);
    EXPECT_MORE(&router, "bob");
    EXPECT(&router, "");
    put_text(to_bob.near, "news", false);
    settle(&world);
    prefetch(&router);
    (void) join(&bob, &router); /* the name is taken: of this one nothing is heard */
    settle(&world);
    peer_down(to_bob.far);
    EXPECT_MORE(&router, "bob");
    EXPECT(&router, "news");
    EXPECT_MORE(&router, "bob");
    EXPECT(&router, "");
    EXPECT_ERR(&router, MCQ_AGAIN);
    set(&router, MCQ_PATTERN_ROUTER_NOTIFY, 1);
    to_bob = join(&bob, &router);
    EXPECT_MORE(&router, "bob");
    EXPECT(&router, "");
    peer_down(to_bob.far);
    EXPECT_ERR(&router, MCQ_AGAIN);
    world_fini(&world);
}

/* Each new connection begins with an empty message, in front of what has waited for it. */
static void probe__goes_first_on_each_connection(void **state)
{
    static const enum mcq_socket_type types[] = {MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_ROUTER,
                                                 MCQ_SOCKET_TYPE_REQ};
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;
        struct end near;
        struct end bare;
        struct test_peer *peer;
        struct test_peer *far;

        world_init(&world, 0);
        end_init(&near, &world, types[i]);
        end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_ROUTER);
        end_name(&bare, "far");
        set(&near, MCQ_PATTERN_PROBE_ROUTER, 1);
        assert_int_equal(near.ops->set(near.pattern, MCQ_PATTERN_PROBE_ROUTER, 2), MCQ_INVAL);
        peer = peer_connecting(&near);
        if (types[i] == MCQ_SOCKET_TYPE_DEALER)
            SEND(&near, "waits");
        far = join_peer(&near, peer, &bare).far;
        settle(&world);
        TAKE(far, "");
        if (types[i] == MCQ_SOCKET_TYPE_DEALER)
            TAKE(far, "waits");
        assert_int_equal(take_err(far), MCQ_AGAIN);
        peer_down(peer);
        far = join_peer(&near, peer, &bare).far;
        settle(&world);
        TAKE(far, "");
        assert_int_equal(take_err(far), MCQ_AGAIN);
        set(&near, MCQ_PATTERN_PROBE_ROUTER, 0);
        far = join(&near, &bare).far;
        settle(&world);
        assert_int_equal(take_err(far), MCQ_AGAIN);
        world_fini(&world);
    }
}

/* Two that connect, of which the first has a name of ours; see CONNECT_ROUTING_ID. */
static void connect_routing_id__is_the_next_peer_s__before_it_is_there(void **state)
{
    struct world world;
    struct end router;
    struct end bare;
    struct test_peer *peer;
    struct test_peer *far;

    (void) state;
    world_init(&world, 0);
    end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&bare, "its own name");
    set(&router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    assert_int_equal(router.ops->set_bytes(router.pattern, MCQ_PATTERN_CONNECT_ROUTING_ID,
                                           mcq_bytes_of("first")),
                     MCQ_OK);
    assert_int_equal(send_text(&router, "first", true), MCQ_NO_ROUTE);
    peer = peer_connecting(&router);
    SEND_MORE(&router, "first");
    SEND(&router, "waits");
    far = join_peer(&router, peer, &bare).far;
    settle(&world);
    TAKE(far, "waits");
    put_text(far, "hello", false);
    settle(&world);
    EXPECT_MORE(&router, "first");
    EXPECT(&router, "hello");
    peer_down(peer); /* the name stays with the endpoint, and so does what waits */
    SEND_MORE(&router, "first");
    SEND(&router, "waits again");
    far = join_peer(&router, peer, &bare).far;
    settle(&world);
    TAKE(far, "waits again");
    (void) join(&router, &bare); /* the second one is called as it says */
    SEND_MORE(&router, "its own name");
    SEND(&router, "x");
    /* A name is given once. */
    assert_int_equal(router.ops->set_bytes(router.pattern, MCQ_PATTERN_CONNECT_ROUTING_ID,
                                           mcq_bytes_of("first")),
                     MCQ_OK);
    struct test_peer *other = peer_new(&router, true);

    assert_int_equal(peer_attach(other), MCQ_IN_USE);
    peer_gone(other);
    (void) peer_connecting(&router); /* the name was for that one only */
    peer_down(peer);
    peer_gone(peer);
    assert_int_equal(send_text(&router, "first", true), MCQ_NO_ROUTE);
    assert_int_equal(
        router.ops->set_bytes(router.pattern, MCQ_PATTERN_XPUB_WELCOME_MSG, mcq_bytes_of("x")),
        MCQ_INVAL);
    world_fini(&world);
}

/* With HANDOVER a stranger may take the name; once it has gone, the endpoint's peer has it. */
static void connect_routing_id__taken_over__comes_back_with_its_endpoint(void **state)
{
    struct world world;
    struct end router;
    struct end bare;
    struct end thief;
    struct test_peer *peer;
    struct joined stolen;
    struct test_peer *far;

    (void) state;
    world_init(&world, 0);
    end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&thief, &world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&thief, "first");
    set(&router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    set(&router, MCQ_PATTERN_ROUTER_HANDOVER, 1);
    assert_int_equal(router.ops->set_bytes(router.pattern, MCQ_PATTERN_CONNECT_ROUTING_ID,
                                           mcq_bytes_of("first")),
                     MCQ_OK);
    peer = peer_connecting(&router);
    (void) join_peer(&router, peer, &bare);
    stolen = join(&thief, &router);
    settle(&world);
    SEND_MORE(&router, "first");
    SEND(&router, "to the thief");
    settle(&world);
    TAKE(stolen.near, "to the thief");
    assert_false(peer->peer.link.is_up);
    peer_down(stolen.far);
    far = join_peer(&router, peer, &bare).far;
    SEND_MORE(&router, "first");
    SEND(&router, "back");
    settle(&world);
    TAKE(far, "back");
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(notify__who_comes_and_who_goes__around_what_it_said),
        LEDGER_TEST(probe__goes_first_on_each_connection),
        LEDGER_TEST(connect_routing_id__is_the_next_peer_s__before_it_is_there),
        LEDGER_TEST(connect_routing_id__taken_over__comes_back_with_its_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
