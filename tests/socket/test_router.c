#include "socket/test_support.h"

/* A ROUTER, and two bare peers that connect to it, "alice" and one without a name. */
struct fixture {
    struct world world;
    struct end router;
    struct end alice;
    struct end nameless;
    struct joined to_alice; /* near: hers; far: the ROUTER's */
    struct joined to_nameless;
};

static void start_with(struct fixture *f, uint32_t out_max, size_t pipe_bytes)
{
    world_init(&f->world, pipe_bytes);
    end_init(&f->router, &f->world, MCQ_SOCKET_TYPE_ROUTER);
    f->router.out_max = out_max;
    end_init_bare(&f->alice, &f->world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f->nameless, &f->world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&f->alice, "alice");
    f->to_alice = join(&f->alice, &f->router);
    f->to_nameless = join(&f->nameless, &f->router);
}

static void start(struct fixture *f)
{
    start_with(f, 0, 0);
}

/* The next part, an id that was generated. */
static void expect_generated(struct fixture *f, uint8_t id[5])
{
    struct mcq_msg msg;

    assert_int_equal(f->router.ops->recv(f->router.pattern, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), 5);
    assert_int_equal(mcq_msg_data(&msg)[0], 0);
    assert_true(msg.more);
    memcpy(id, mcq_msg_data(&msg), 5);
    mcq_msg_fini(&msg);
}

static void recv__the_sender_s_id_and_then_its_message(void **state)
{
    struct fixture f;
    uint8_t id[5];

    (void) state;
    start(&f);
    EXPECT_ERR(&f.router, MCQ_AGAIN);
    put_text(f.to_alice.near, "1", true);
    put_text(f.to_alice.near, "2", false);
    put_text(f.to_alice.near, "3", false);
    settle(&f.world);
    EXPECT_MORE(&f.router, "alice");
    put_text(f.to_nameless.near, "from nobody", false);
    settle(&f.world);
    EXPECT_MORE(&f.router, "1"); /* never another one's within a message */
    EXPECT(&f.router, "2");
    EXPECT_MORE(&f.router, "alice");
    EXPECT(&f.router, "3");
    expect_generated(&f, id);
    EXPECT(&f.router, "from nobody");
    EXPECT_ERR(&f.router, MCQ_AGAIN);

    assert_int_equal(send_bytes(&f.router, mcq_bytes(id, 5), true), MCQ_OK);
    SEND(&f.router, "to nobody");
    SEND_MORE(&f.router, "alice");
    SEND_MORE(&f.router, "");
    SEND(&f.router, "to alice");
    settle(&f.world);
    TAKE(f.to_nameless.near, "to nobody");
    TAKE_MORE(f.to_alice.near, "");
    TAKE(f.to_alice.near, "to alice");
    world_fini(&f.world);
}

static void fault_e7__long_id__is_handed_out_as_any_other(void **state)
{
    char name[256] = {0};
    struct world world;
    struct end router;
    struct end bare;
    struct joined joined;

    (void) state;
    memset(name, 'n', 255);
    world_init(&world, 0);
    end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&bare, name);
    joined = join(&bare, &router);
    for (int i = 0; i < 3; i++) {
        put_text(joined.near, "hello", false);
        settle(&world);
        EXPECT_MORE(&router, name);
        EXPECT(&router, "hello");
        SEND_MORE(&router, name);
        SEND(&router, "and back");
        settle(&world);
        TAKE(joined.near, "and back");
    }
    world_fini(&world);
}

static void fault_e5__unknown_id__is_dropped_whole_or_said(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    assert_true(is_writable(&f.router));
    SEND_MORE(&f.router, "bob");
    SEND_MORE(&f.router, "nobody's");
    SEND(&f.router, "nobody's");
    SEND_MORE(&f.router, ""); /* nobody has such an id */
    SEND(&f.router, "nobody's");
    SEND(&f.router, "alice"); /* an id, and no message */
    settle(&f.world);
    assert_int_equal(take_err(f.to_alice.near), MCQ_AGAIN);

    set(&f.router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    assert_int_equal(send_text(&f.router, "bob", true), MCQ_NO_ROUTE);
    SEND_MORE(&f.router, "alice"); /* nothing was begun */
    SEND(&f.router, "hers");
    SEND(&f.router, "bob"); /* still dropped without a sound */
    settle(&f.world);
    TAKE(f.to_alice.near, "hers");
    assert_int_equal(take_err(f.to_alice.near), MCQ_AGAIN);
    world_fini(&f.world);
}

static void fault_c10__full_peer__its_message_is_dropped_whole_or_waits(void **state)
{
    struct fixture f;
    int dropped = 0;

    (void) state;
    start_with(&f, 1, 100);
    for (int i = 0; i < 6; i++) {
        SEND_MORE(&f.router, "alice");
        SEND_MORE(&f.router, "fifty octets, so that her stream holds one of them");
        SEND(&f.router, "end");
        settle(&f.world);
    }
    dropped = (int) f.router.pattern->dropped_count;
    assert_in_range(dropped, 3, 5);

    set(&f.router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    assert_true(is_writable(&f.router)); /* the other one has room */
    peer_down(f.to_nameless.far);
    assert_int_equal(send_text(&f.router, "alice", true), MCQ_AGAIN);
    assert_false(is_writable(&f.router));
    for (int i = 0; i < 6 - dropped; i++) {
        for (int turn = 0; turn < 10; turn++) {
            settle(&f.world);
            (void) mcq_link_prefetch(&f.to_alice.near->peer.link);
        }
        TAKE_MORE(f.to_alice.near, "fifty octets, so that her stream holds one of them");
        TAKE(f.to_alice.near, "end");
    }
    assert_true(f.router.room_count > 0);
    assert_true(is_writable(&f.router));
    SEND_MORE(&f.router, "alice");
    SEND(&f.router, "room again");
    settle(&f.world);
    TAKE(f.to_alice.near, "room again");
    world_fini(&f.world);
}

/* --- ids that are taken ---------------------------------------------------------------------- */

static void fault_e1__same_id__without_handover__the_newcomer_is_refused(void **state)
{
    struct fixture f;
    struct end twin;

    (void) state;
    start(&f);
    end_init_bare(&twin, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&twin, "alice");
    (void) join(&twin, &f.router);
    settle(&f.world);
    assert_int_equal(f.router.lost_count, 1);
    assert_int_equal(f.router.lost_by, MCQ_MISMATCH);
    SEND_MORE(&f.router, "alice");
    SEND(&f.router, "the first");
    settle(&f.world);
    TAKE(f.to_alice.near, "the first");
    world_fini(&f.world);
}

static void fault_e1__same_id__with_handover__the_older_one_goes_and_is_read_first(void **state)
{
    struct fixture f;
    struct end twin;
    struct joined joined;

    (void) state;
    start(&f);
    set(&f.router, MCQ_PATTERN_ROUTER_HANDOVER, 1);
    end_init_bare(&twin, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&twin, "alice");
    put_text(f.to_alice.near, "left behind", true);
    put_text(f.to_alice.near, "by the older", false);
    settle(&f.world);
    prefetch(&f.router);
    SEND_MORE(&f.router, "alice");
    SEND_MORE(&f.router, "begun");
    joined = join(&twin, &f.router);
    settle(&f.world);
    assert_int_equal(f.router.lost_count, 1);
    SEND(&f.router, "rest of what was for the older");
    SEND_MORE(&f.router, "alice");
    SEND(&f.router, "to the newer");
    put_text(joined.near, "hello", false);
    settle(&f.world);
    TAKE(joined.near, "to the newer");
    assert_int_equal(take_err(joined.near), MCQ_AGAIN);
    EXPECT_MORE(&f.router, "alice");
    EXPECT_MORE(&f.router, "left behind");
    EXPECT(&f.router, "by the older");
    EXPECT_MORE(&f.router, "alice");
    EXPECT(&f.router, "hello");
    world_fini(&f.world);
}

static void fault_e4__id_of_a_generated_form__cannot_be_claimed(void **state)
{
    static const uint8_t claim[5] = {0, 1, 2, 3, 4};
    struct fixture f;
    struct end thief;

    (void) state;
    start(&f);
    /* The native profile does not even let it through the handshake. */
    mcq_session_config_init(&f.router.config, MCQ_SOCKET_TYPE_ROUTER, MCQ_PROFILE_COMPAT);
    end_init_bare(&thief, &f.world, MCQ_SOCKET_TYPE_DEALER);
    thief.config.routing_id = mcq_bytes(claim, sizeof claim);
    (void) join(&thief, &f.router);
    settle(&f.world);
    assert_int_equal(f.router.lost_by, MCQ_MISMATCH);
    world_fini(&f.world);
}

/* --- peers that go --------------------------------------------------------------------------- */

/* Messages outlive their connection, and so does the id in front of them; the id is free. */
static void peer_gone__what_it_left_has_its_id__and_the_id_is_free(void **state)
{
    struct fixture f;
    struct end twin;
    struct joined joined;

    (void) state;
    start(&f);
    put_text(f.to_alice.near, "1", true);
    put_text(f.to_alice.near, "2", false);
    put_text(f.to_alice.near, "3", false);
    settle(&f.world);
    EXPECT_MORE(&f.router, "alice"); /* within a message when it happens */
    prefetch(&f.router);
    mcq_link_lose(&f.to_alice.near->peer.link, MCQ_CLOSED);
    settle(&f.world);
    prefetch(&f.router);
    settle(&f.world);
    assert_int_equal(f.router.lost_count, 1);
    set(&f.router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    assert_int_equal(send_text(&f.router, "alice", true), MCQ_NO_ROUTE);

    end_init_bare(&twin, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&twin, "alice");
    joined = join(&twin, &f.router);
    put_text(joined.near, "4", false);
    settle(&f.world);
    SEND_MORE(&f.router, "alice");
    SEND(&f.router, "welcome");
    settle(&f.world);
    TAKE(joined.near, "welcome");
    EXPECT_MORE(&f.router, "1");
    EXPECT(&f.router, "2");
    EXPECT_MORE(&f.router, "alice");
    EXPECT(&f.router, "3");
    settle(&f.world);
    assert_int_equal(f.router.gone_count, 1);
    EXPECT_MORE(&f.router, "alice");
    EXPECT(&f.router, "4");
    world_fini(&f.world);
}

static void fault_e6__peer_gone_within_a_message_to_it__the_rest_is_swallowed(void **state)
{
    struct fixture f;
    uint8_t id[5];

    (void) state;
    start(&f);
    put_text(f.to_nameless.near, "hello", false);
    settle(&f.world);
    expect_generated(&f, id);
    EXPECT(&f.router, "hello");
    for (int parts = 0; parts < 2; parts++) {
        struct joined joined = parts == 0 ? f.to_alice : join(&f.alice, &f.router);

        SEND_MORE(&f.router, "alice");
        for (int i = 0; i < parts; i++)
            SEND_MORE(&f.router, "begun");
        peer_down(joined.far);
        SEND_MORE(&f.router, "rest"); /* not an id */
        SEND(&f.router, "rest");
        mcq_link_lose(&joined.near->peer.link, MCQ_CLOSED);
        settle(&f.world);
    }
    assert_int_equal(send_bytes(&f.router, mcq_bytes(id, 5), true), MCQ_OK);
    SEND(&f.router, "next");
    settle(&f.world);
    TAKE(f.to_nameless.near, "next");
    world_fini(&f.world);
}

static void one_that_connects__same_name_again__gets_what_waited(void **state)
{
    struct world world;
    struct end router;
    struct end bare;
    struct joined joined;

    (void) state;
    world_init(&world, 60);
    end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
    end_name(&bare, "bob");
    joined = join(&router, &bare);
    settle(&world);
    for (char text[] = "1"; text[0] < '4'; text[0]++) {
        SEND_MORE(&router, "bob");
        SEND_MORE(&router, "forty octets, and so a stream holds one.");
        SEND(&router, text);
    }
    settle(&world);
    peer_down(joined.near);
    mcq_link_lose(&joined.far->peer.link, MCQ_CLOSED);
    settle(&world);
    joined = join_peer(&router, joined.near, &bare);
    for (char text[] = "2"; text[0] < '4'; text[0]++) {
        for (int turn = 0; turn < 10; turn++) {
            settle(&world);
            (void) mcq_link_prefetch(&joined.far->peer.link);
        }
        TAKE_MORE(joined.far, "forty octets, and so a stream holds one.");
        TAKE(joined.far, text);
    }
    world_fini(&world);
}

/* Whoever is found there next is another one: what was for the first is not for it. */
static void one_that_connects__another_name__gets_nothing_that_waited(void **state)
{
    static const char *const names[][2] = {{"bob", "carol"}, {"", ""}, {"bob", ""}};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(names); i++) {
        struct world world;
        struct end router;
        struct end bare;
        struct joined joined;
        struct mcq_msg id;
        struct mcq_part part = {.msg = &id, .more = true};

        world_init(&world, 0);
        end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
        end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_DEALER);
        end_name(&bare, names[i][0]);
        joined = join(&router, &bare);
        put_text(joined.far, "hello", false);
        settle(&world);
        assert_int_equal(router.ops->recv(router.pattern, &id), MCQ_OK);
        EXPECT(&router, "hello");
        part.body = mcq_msg_bytes(&id);
        assert_int_equal(router.ops->send(router.pattern, &part), MCQ_OK);
        SEND(&router, "for the first");
        peer_down(joined.near);
        mcq_link_lose(&joined.far->peer.link, MCQ_CLOSED);
        settle(&world);
        end_name(&bare, names[i][1]);
        joined = join_peer(&router, joined.near, &bare);
        settle(&world);
        assert_int_equal(take_err(joined.far), MCQ_AGAIN);
        world_fini(&world);
    }
}

/* --- memory ---------------------------------------------------------------------------------- */

static void nomem_at_up__nothing_is_left_of_the_peer(void **state)
{
    static const char *const names[] = {
        "alice", "", "a name that is too long for what there is of room in the table of names ..."};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(names); i++) {
        bool is_over = false;

        for (uint64_t n = 1; !is_over; n++) {
            struct world world;
            struct end router;
            struct test_peer *peer;
            struct mcq_peer *older = NULL;
            enum mcq_err err;

            world_init(&world, 0);
            end_init(&router, &world, MCQ_SOCKET_TYPE_ROUTER);
            peer = peer_connecting(&router);
            peer->peer.link.epoch = ++world.epoch; /* as if it were up */
            mcq_alloc_fail_at(n);
            err = router.ops->up(router.pattern, &peer->peer, mcq_bytes_of(names[i]), &older);
            is_over = mcq_alloc_fail_left() > 0;
            mcq_alloc_fail_at(0);
            assert_int_equal(err, is_over ? MCQ_OK : MCQ_NOMEM);
            set(&router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
            if (names[i][0] != '\0')
                assert_int_equal(send_text(&router, names[i], true),
                                 is_over ? MCQ_OK : MCQ_NO_ROUTE);
            router.ops->down(router.pattern, &peer->peer);
            world_fini(&world);
        }
    }
}

/* No block for the first part behind the id. */
static void no_send_block__the_message_is_dropped_or_void(void **state)
{
    static struct mcq_buf *blocks[65536];
    struct fixture f;
    size_t count = 0;

    (void) state;
    start(&f);
    settle(&f.world);
    while (count < MCQ_COUNTOF(blocks) &&
           (blocks[count] = mcq_slab_take(f.router.group.send_slab)) != NULL)
        count++;
    SEND_MORE(&f.router, "alice");
    SEND_MORE(&f.router, "dropped");
    SEND(&f.router, "dropped");
    assert_int_equal(f.router.pattern->dropped_count, 1);
    set(&f.router, MCQ_PATTERN_ROUTER_MANDATORY, 1);
    SEND_MORE(&f.router, "alice");
    assert_int_equal(send_text(&f.router, "void", false), MCQ_NOMEM);
    while (count > 0)
        mcq_buf_unref(blocks[--count]);
    SEND(&f.router, "void"); /* the same part again */
    SEND_MORE(&f.router, "alice");
    SEND(&f.router, "next");
    settle(&f.world);
    /* The bare ends have slabs of their own. */
    TAKE(f.to_alice.near, "next");
    assert_int_equal(take_err(f.to_alice.near), MCQ_AGAIN);
    world_fini(&f.world);
}

static void set__what_it_takes(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    assert_int_equal(f.router.ops->set(f.router.pattern, MCQ_PATTERN_ROUTER_MANDATORY, 2),
                     MCQ_INVAL);
    assert_int_equal(f.router.ops->set(f.router.pattern, MCQ_PATTERN_REQ_RELAXED, 1), MCQ_INVAL);
    world_fini(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(recv__the_sender_s_id_and_then_its_message),
        LEDGER_TEST(fault_e7__long_id__is_handed_out_as_any_other),
        LEDGER_TEST(fault_e5__unknown_id__is_dropped_whole_or_said),
        LEDGER_TEST(fault_c10__full_peer__its_message_is_dropped_whole_or_waits),
        LEDGER_TEST(fault_e1__same_id__without_handover__the_newcomer_is_refused),
        LEDGER_TEST(fault_e1__same_id__with_handover__the_older_one_goes_and_is_read_first),
        LEDGER_TEST(fault_e4__id_of_a_generated_form__cannot_be_claimed),
        LEDGER_TEST(peer_gone__what_it_left_has_its_id__and_the_id_is_free),
        LEDGER_TEST(fault_e6__peer_gone_within_a_message_to_it__the_rest_is_swallowed),
        LEDGER_TEST(one_that_connects__same_name_again__gets_what_waited),
        LEDGER_TEST(one_that_connects__another_name__gets_nothing_that_waited),
        LEDGER_TEST(nomem_at_up__nothing_is_left_of_the_peer),
        LEDGER_TEST(no_send_block__the_message_is_dropped_or_void),
        LEDGER_TEST(set__what_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
