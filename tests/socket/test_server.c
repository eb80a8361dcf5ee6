#include <stdio.h>

#include "socket/test_support.h"

/* A SERVER or PEER, and bare peers that connect to it. */
#define PEERS 2

struct fixture {
    struct world world;
    struct end server;
    struct end bare;
    struct joined joined[PEERS]; /* near: the bare peer's */
};

static void start_with(struct fixture *f, enum mcq_socket_type type, uint32_t out_max,
                       size_t pipe_bytes)
{
    world_init(&f->world, pipe_bytes);
    end_init(&f->server, &f->world, type);
    f->server.out_max = out_max;
    end_init_bare(&f->bare, &f->world,
                  type == MCQ_SOCKET_TYPE_PEER ? type : MCQ_SOCKET_TYPE_CLIENT);
    for (int i = 0; i < PEERS; i++)
        f->joined[i] = join(&f->bare, &f->server);
}

static void start(struct fixture *f)
{
    start_with(f, MCQ_SOCKET_TYPE_SERVER, 0, 0);
}

static enum mcq_err send_to(struct end *end, uint32_t id, const char *text)
{
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg};
    enum mcq_err err;

    assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes_of(text)), MCQ_OK);
    msg.routing_id = id;
    part.body = mcq_msg_bytes(&msg);
    err = end->ops->send(end->pattern, &part);
    mcq_msg_fini(&msg);
    return err;
}

/* The number of who has sent this. */
static uint32_t expect_from(struct end *end, const char *text)
{
    struct mcq_msg msg;
    uint32_t id;

    assert_int_equal(end->ops->recv(end->pattern, &msg), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of(text)));
    id = msg.routing_id;
    mcq_msg_fini(&msg);
    return id;
}

static void dialogue__by_the_number_beside_the_message(void **state)
{
    struct fixture f;
    uint32_t ids[PEERS];

    (void) state;
    start(&f);
    EXPECT_ERR(&f.server, MCQ_AGAIN);
    for (int i = 0; i < PEERS; i++) {
        put_text(f.joined[i].near, "request", false);
        settle(&f.world);
        ids[i] = expect_from(&f.server, "request");
        assert_int_not_equal(ids[i], 0);
    }
    assert_int_not_equal(ids[0], ids[1]);
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(send_to(&f.server, ids[i], i == 0 ? "first" : "second"), MCQ_OK);
    assert_int_equal(send_to(&f.server, ids[0] + ids[1], "x"), MCQ_NO_ROUTE);
    assert_int_equal(send_to(&f.server, 0, "x"), MCQ_NO_ROUTE);
    assert_int_equal(send_text(&f.server, "x", false), MCQ_NO_ROUTE);
    assert_int_equal(send_text(&f.server, "x", true), MCQ_INVAL);
    settle(&f.world);
    TAKE(f.joined[0].near, "first");
    TAKE(f.joined[1].near, "second");
    assert_int_equal(take_err(f.joined[1].near), MCQ_AGAIN);
    world_fini(&f.world);
}

/* What it left is read with its number; nobody else gets that number soon. */
static void peer_gone__no_route_to_it(void **state)
{
    struct fixture f;
    struct joined late;
    uint32_t id;

    (void) state;
    start(&f);
    put_text(f.joined[0].near, "last words", false);
    settle(&f.world);
    prefetch(&f.server);
    peer_down(f.joined[0].far);
    id = expect_from(&f.server, "last words");
    assert_int_equal(send_to(&f.server, id, "x"), MCQ_NO_ROUTE);
    late = join(&f.bare, &f.server);
    put_text(late.near, "late", false);
    settle(&f.world);
    assert_int_not_equal(expect_from(&f.server, "late"), id);
    assert_int_equal(send_to(&f.server, id, "x"), MCQ_NO_ROUTE);
    world_fini(&f.world);
}

static void full_peer__again__and_others_are_not_waited_for(void **state)
{
    static char body[1000];
    struct fixture f;
    uint32_t ids[PEERS];
    unsigned sent = 0;
    enum mcq_err err;

    (void) state;
    start_with(&f, MCQ_SOCKET_TYPE_SERVER, 2, 2000);
    memset(body, 'x', sizeof body - 1);
    for (int i = 0; i < PEERS; i++) {
        put_text(f.joined[i].near, "", false);
        settle(&f.world);
        ids[i] = expect_from(&f.server, "");
    }
    while ((err = send_to(&f.server, ids[0], body)) == MCQ_OK) {
        sent++;
        settle(&f.world);
    }
    assert_int_equal(err, MCQ_AGAIN);
    assert_true(is_writable(&f.server));
    assert_int_equal(send_to(&f.server, ids[1], "not full"), MCQ_OK);
    settle(&f.world);
    TAKE(f.joined[1].near, "not full");
    for (unsigned came = 0; came < sent; came++) {
        settle(&f.world);
        TAKE(f.joined[0].near, body);
    }
    settle(&f.world);
    assert_true(f.server.room_count > 0);
    assert_int_equal(send_to(&f.server, ids[0], "room again"), MCQ_OK);
    world_fini(&f.world);
}

/* A client that connects again is another one to the SERVER; what it said before comes first. */
static void reconnect__what_was_said_before__comes_first(void **state)
{
    enum { COUNT = 400 }; /* more octets than one turn has */
    struct fixture f;
    struct joined again;
    char text[80];

    (void) state;
    start(&f);
    for (int i = 0; i < COUNT; i++) {
        (void) snprintf(text, sizeof text, "%040d of the first connection", i);
        put_text(f.joined[0].near, text, false);
    }
    settle(&f.world);
    prefetch(&f.server);
    (void) expect_from(&f.server,
                       "0000000000000000000000000000000000000000 of the first connection");
    peer_down(f.joined[0].near);
    again = join(&f.bare, &f.server);
    for (int i = 0; i < COUNT; i++)
        put_text(again.near, "of the second one", false);
    settle(&f.world);
    prefetch(&f.server);
    (void) end_pump(&f.server);
    for (int i = 1; i < COUNT; i++) {
        (void) snprintf(text, sizeof text, "%040d of the first connection", i);
        (void) expect_from(&f.server, text);
    }
    (void) expect_from(&f.server, "of the second one");
    world_fini(&f.world);
}

/* Whom it connects to has its number at once, and keeps it. */
static void peer__one_that_connects__may_be_written_to_before_it_is_there(void **state)
{
    struct fixture f;
    struct test_peer *peer;
    struct test_peer *far;
    int64_t id;

    (void) state;
    start_with(&f, MCQ_SOCKET_TYPE_PEER, 0, 0);
    assert_int_equal(f.server.ops->get(f.server.pattern, MCQ_PATTERN_TOPICS_COUNT, &id), MCQ_INVAL);
    peer = peer_connecting(&f.server);
    assert_int_equal(f.server.ops->get(f.server.pattern, MCQ_PATTERN_LAST_PEER, &id), MCQ_OK);
    assert_int_equal(send_to(&f.server, (uint32_t) id, "waits"), MCQ_OK);
    far = join_peer(&f.server, peer, &f.bare).far;
    settle(&f.world);
    TAKE(far, "waits");
    peer_down(peer);
    assert_int_equal(send_to(&f.server, (uint32_t) id, "waits again"), MCQ_OK);
    far = join_peer(&f.server, peer, &f.bare).far;
    put_text(far, "hello", false);
    settle(&f.world);
    TAKE(far, "waits again");
    assert_int_equal(expect_from(&f.server, "hello"), id);
    peer_down(peer);
    peer_gone(peer);
    assert_int_equal(send_to(&f.server, (uint32_t) id, "x"), MCQ_NO_ROUTE);
    world_fini(&f.world);
}

static void nomem_at_attach__nothing_is_left_of_the_peer(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        struct test_peer *peer;
        enum mcq_err err;

        start(&f);
        peer = peer_new(&f.server, true);
        mcq_alloc_fail_at(n);
        err = peer_attach(peer);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_int_equal(err, is_over ? MCQ_OK : MCQ_NOMEM);
        peer_gone(peer);
        put_text(f.joined[0].near, "request", false);
        settle(&f.world);
        (void) expect_from(&f.server, "request");
        world_fini(&f.world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(dialogue__by_the_number_beside_the_message),
        LEDGER_TEST(peer_gone__no_route_to_it),
        LEDGER_TEST(full_peer__again__and_others_are_not_waited_for),
        LEDGER_TEST(peer__one_that_connects__may_be_written_to_before_it_is_there),
        LEDGER_TEST(nomem_at_attach__nothing_is_left_of_the_peer),
        cmocka_unit_test(reconnect__what_was_said_before__comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
