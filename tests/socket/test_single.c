#include "socket/test_support.h"

/* CLIENT, SCATTER, GATHER, CHANNEL: as DEALER, PUSH, PULL and PAIR, with messages of one part. */
struct fixture {
    struct world world;
    struct end end;
    struct end bare;
    struct joined joined[2]; /* near: the bare peer's */
};

static void start(struct fixture *f, enum mcq_socket_type type, enum mcq_socket_type peer,
                  int peers)
{
    world_init(&f->world, 0);
    end_init(&f->end, &f->world, type);
    end_init_bare(&f->bare, &f->world, peer);
    for (int i = 0; i < peers; i++)
        f->joined[i] = join(&f->bare, &f->end);
}

static void send__several_parts__inval_and_nothing_goes_out(void **state)
{
    static const enum mcq_socket_type types[][2] = {
        {MCQ_SOCKET_TYPE_CLIENT, MCQ_SOCKET_TYPE_SERVER},
        {MCQ_SOCKET_TYPE_SCATTER, MCQ_SOCKET_TYPE_GATHER},
        {MCQ_SOCKET_TYPE_CHANNEL, MCQ_SOCKET_TYPE_CHANNEL},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct fixture f;

        start(&f, types[i][0], types[i][1], 1);
        assert_int_equal(send_text(&f.end, "begun", true), MCQ_INVAL);
        SEND(&f.end, "whole");
        settle(&f.world);
        TAKE(f.joined[0].near, "whole");
        assert_int_equal(take_err(f.joined[0].near), MCQ_AGAIN);
        world_fini(&f.world);
    }
}

/* Seen of libzmq's drafts: the message is dropped, all of it, and the connection stays. */
static void recv__several_parts__are_dropped(void **state)
{
    static const enum mcq_socket_type types[][2] = {
        {MCQ_SOCKET_TYPE_CLIENT, MCQ_SOCKET_TYPE_SERVER},
        {MCQ_SOCKET_TYPE_GATHER, MCQ_SOCKET_TYPE_SCATTER},
        {MCQ_SOCKET_TYPE_CHANNEL, MCQ_SOCKET_TYPE_CHANNEL},
        {MCQ_SOCKET_TYPE_SERVER, MCQ_SOCKET_TYPE_CLIENT},
        {MCQ_SOCKET_TYPE_PEER, MCQ_SOCKET_TYPE_PEER},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct fixture f;

        start(&f, types[i][0], types[i][1], 1);
        put_text(f.joined[0].near, "1", false);
        put_text(f.joined[0].near, "a", true);
        put_text(f.joined[0].near, "b", true);
        put_text(f.joined[0].near, "c", false);
        put_text(f.joined[0].near, "", false);
        settle(&f.world);
        EXPECT(&f.end, "1");
        EXPECT(&f.end, "");
        EXPECT_ERR(&f.end, MCQ_AGAIN);
        assert_int_equal(f.end.pattern->dropped_count, 1);
        assert_int_equal(f.end.lost_count, 0);
        world_fini(&f.world);
    }
}

static void scatter_and_client__one_peer_after_the_other(void **state)
{
    static const enum mcq_socket_type types[][2] = {
        {MCQ_SOCKET_TYPE_CLIENT, MCQ_SOCKET_TYPE_SERVER},
        {MCQ_SOCKET_TYPE_SCATTER, MCQ_SOCKET_TYPE_GATHER},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct fixture f;

        start(&f, types[i][0], types[i][1], 0);
        assert_int_equal(send_text(&f.end, "nobody", false), MCQ_AGAIN);
        assert_false(is_writable(&f.end));
        for (int peer = 0; peer < 2; peer++)
            f.joined[peer] = join(&f.bare, &f.end);
        assert_true(is_writable(&f.end));
        for (int n = 0; n < 4; n++)
            SEND(&f.end, n < 2 ? "1" : "2");
        settle(&f.world);
        for (int peer = 0; peer < 2; peer++) {
            TAKE(f.joined[peer].near, "1");
            TAKE(f.joined[peer].near, "2");
        }
        put_text(f.joined[0].near, "is a SCATTER's to drop", false);
        settle(&f.world);
        if (types[i][0] == MCQ_SOCKET_TYPE_SCATTER) {
            assert_null(f.end.ops->recv);
            assert_false(mcq_link_is_readable(&f.joined[0].far->peer.link));
        }
        world_fini(&f.world);
    }
}

static void channel__one_peer_at_a_time(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, MCQ_SOCKET_TYPE_CHANNEL, MCQ_SOCKET_TYPE_CHANNEL, 1);
    assert_int_equal(join(&f.bare, &f.end).far_err, MCQ_MISMATCH);
    put_text(f.joined[0].near, "in", false);
    SEND(&f.end, "out");
    settle(&f.world);
    EXPECT(&f.end, "in");
    TAKE(f.joined[0].near, "out");
    peer_down(f.joined[0].far);
    f.joined[1] = join(&f.bare, &f.end);
    assert_int_equal(f.joined[1].far_err, MCQ_OK);
    SEND(&f.end, "to the next one");
    settle(&f.world);
    TAKE(f.joined[1].near, "to the next one");
    world_fini(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(send__several_parts__inval_and_nothing_goes_out),
        LEDGER_TEST(recv__several_parts__are_dropped),
        LEDGER_TEST(scatter_and_client__one_peer_after_the_other),
        LEDGER_TEST(channel__one_peer_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
