#include "socket/test_support.h"

/* A DISH and a bare RADIO, which hears what it is told and may send what was never wanted. */
struct fixture {
    struct world world;
    struct end dish;
    struct end bare;
    struct test_peer *near; /* of the DISH, which connects */
    struct test_peer *far;
};

static void start(struct fixture *f)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init(&f->dish, &f->world, MCQ_SOCKET_TYPE_DISH);
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_RADIO);
    joined = join(&f->dish, &f->bare);
    f->near = joined.near;
    f->far = joined.far;
}

static enum mcq_err join_group(struct fixture *f, const char *group, bool is_on)
{
    return f->dish.ops->join(f->dish.pattern, mcq_bytes_of(group), is_on);
}

static void expect_told(struct fixture *f, struct test_peer *peer, const char *group, bool is_on)
{
    struct mcq_event event;
    struct mcq_msg msg;

    settle(&f->world);
    assert_int_equal(mcq_link_hear(&peer->peer.link, &msg, &event), MCQ_OK);
    assert_int_equal(event.kind, is_on ? MCQ_EVENT_JOIN : MCQ_EVENT_LEAVE);
    assert_true(mcq_bytes_equal(event.group, mcq_bytes_of(group)));
}

static void say(struct test_peer *peer, const char *group, const char *text)
{
    put_text(peer, group, true);
    put_text(peer, text, false);
}

static void expect_message(struct fixture *f, const char *group, const char *text)
{
    struct mcq_msg msg;

    settle(&f->world);
    assert_int_equal(f->dish.ops->recv(f->dish.pattern, &msg), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_group(&msg), mcq_bytes_of(group)));
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of(text)));
    assert_false(msg.more);
    mcq_msg_fini(&msg);
}

/* Joining twice and leaving what was not joined are mistakes, as with libzmq. */
static void join__radios_hear_of_it__new_ones_of_all(void **state)
{
    static char group[257];
    struct fixture f;
    struct joined other;
    struct mcq_event event;
    struct mcq_msg msg;

    (void) state;
    start(&f);
    assert_int_equal(join_group(&f, "b", true), MCQ_OK);
    expect_told(&f, f.far, "b", true);
    assert_int_equal(join_group(&f, "b", true), MCQ_INVAL);
    assert_int_equal(join_group(&f, "a", false), MCQ_INVAL);
    assert_int_equal(join_group(&f, "a", true), MCQ_OK);
    expect_told(&f, f.far, "a", true);
    assert_int_equal(join_group(&f, "c", true), MCQ_OK);
    expect_told(&f, f.far, "c", true);
    assert_int_equal(join_group(&f, "c", false), MCQ_OK);
    expect_told(&f, f.far, "c", false);
    memset(group, 'g', 256);
    assert_int_equal(join_group(&f, group, true), MCQ_INVAL);
    group[255] = '\0';
    assert_int_equal(join_group(&f, group, true), MCQ_OK);
    assert_int_equal(f.dish.ops->join(f.dish.pattern, mcq_bytes("a\0b", 3), true), MCQ_INVAL);
    expect_told(&f, f.far, group, true);
    assert_int_equal(join_group(&f, group, false), MCQ_OK);
    other = join(&f.bare, &f.dish);
    expect_told(&f, other.near, "a", true);
    expect_told(&f, other.near, "b", true);
    assert_int_equal(mcq_link_hear(&other.near->peer.link, &msg, &event), MCQ_AGAIN);
    world_fini(&f.world);
}

static void recv__of_joined_groups__with_the_group_beside_it(void **state)
{
    static char large[5001];
    struct fixture f;

    (void) state;
    start(&f);
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(join_group(&f, "a", true), MCQ_OK);
    assert_int_equal(join_group(&f, "", true), MCQ_OK);
    say(f.far, "a", "1");
    say(f.far, "ab", "not joined");
    say(f.far, "", "2");
    put_text(f.far, "a", true);
    {
        struct mcq_msg msg;
        struct mcq_part part = {.msg = &msg};

        assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes_of(large)), MCQ_OK);
        part.body = mcq_msg_bytes(&msg);
        assert_int_equal(mcq_link_put(&f.far->peer.link, &part), MCQ_OK);
    }
    expect_message(&f, "a", "1");
    expect_message(&f, "", "2");
    expect_message(&f, "a", large);
    EXPECT_ERR(&f.dish, MCQ_AGAIN);
    assert_int_equal(f.dish.pattern->dropped_count, 1);
    assert_int_equal(join_group(&f, "a", false), MCQ_OK);
    say(f.far, "a", "late");
    settle(&f.world);
    EXPECT_ERR(&f.dish, MCQ_AGAIN);
    world_fini(&f.world);
}

/* libzmq's drafts end the connection, too. What came before is received. */
static void messages_of_other_than_two_parts__end_the_connection(void **state)
{
    (void) state;
    for (int parts = 1; parts <= 4; parts++) {
        struct fixture f;

        if (parts == 2)
            continue;
        start(&f);
        assert_int_equal(join_group(&f, "a", true), MCQ_OK);
        say(f.far, "a", "before");
        for (int i = 1; i <= parts; i++)
            put_text(f.far, "a", i < parts);
        say(f.far, "a", "behind it");
        expect_message(&f, "a", "before");
        while (recv_err(&f.dish) == MCQ_OK)
            continue;
        settle(&f.world);
        assert_int_equal(f.dish.lost_count, 1);
        assert_int_equal(f.dish.lost_by, MCQ_PROTO);
        world_fini(&f.world);
    }
}

/* Commands are no frames of a message, other than in libzmq, whose DISH is ended by a PING. */
static void commands_between_messages__are_no_harm(void **state)
{
    static const uint8_t octets[] = {1, 1, 'a', 4, 7, 4, 'P', 'I', 'N', 'G', 0, 0, 0, 1, '1'};
    struct fixture f;

    (void) state;
    start(&f);
    assert_int_equal(join_group(&f, "a", true), MCQ_OK);
    say(f.far, "a", "0");
    settle(&f.world);
    send_raw(f.far, octets + 3, 9);
    settle(&f.world);
    send_raw(f.far, octets, 3);
    settle(&f.world);
    send_raw(f.far, octets + 12, 3);
    settle(&f.world);
    expect_message(&f, "a", "0");
    expect_message(&f, "a", "1");
    assert_int_equal(f.dish.lost_count, 0);
    world_fini(&f.world);
}

static void nomem__messages_come_whole_or_not(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        struct mcq_msg msg;
        unsigned came = 0;

        start(&f);
        assert_int_equal(join_group(&f, "a", true), MCQ_OK);
        settle(&f.world);
        for (int i = 0; i < 3; i++)
            say(f.far, "a", "x");
        settle(&f.world);
        mcq_alloc_fail_at(n);
        while (f.dish.ops->recv(f.dish.pattern, &msg) == MCQ_OK) {
            assert_int_equal(mcq_msg_len(&msg), 1);
            assert_int_equal(mcq_msg_group(&msg).len, 1);
            mcq_msg_fini(&msg);
            came++;
        }
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_true(is_over ? came == 3 : came < 3);
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(join__radios_hear_of_it__new_ones_of_all),
        LEDGER_TEST(recv__of_joined_groups__with_the_group_beside_it),
        LEDGER_TEST(messages_of_other_than_two_parts__end_the_connection),
        LEDGER_TEST(commands_between_messages__are_no_harm),
        LEDGER_TEST(nomem__messages_come_whole_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
