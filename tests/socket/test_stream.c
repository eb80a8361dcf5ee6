#include "socket/test_support.h"

/* Raw peers in a simulated world: STREAM, and ROUTER with ROUTER_RAW. */

static void raw_init(struct end *end, struct world *world, enum mcq_socket_type type)
{
    end_init(end, world, type);
    end->config.is_raw = true;
    if (type == MCQ_SOCKET_TYPE_ROUTER)
        set(end, MCQ_PATTERN_ROUTER_RAW, 1);
}

static void bare_init(struct end *end, struct world *world)
{
    end_init_bare(end, world, MCQ_SOCKET_TYPE_STREAM);
    end->config.is_raw = true;
}

/* The name in front of the next message. */
static struct mcq_bytes take_name(struct end *end, uint8_t room[MCQ_ROUTER_ID_MAX])
{
    struct mcq_msg msg;
    struct mcq_bytes name;

    assert_int_equal(end->ops->recv(end->pattern, &msg), MCQ_OK);
    assert_true(msg.more);
    name = mcq_bytes(room, mcq_msg_len(&msg));
    mcq_put_bytes(room, mcq_msg_bytes(&msg));
    mcq_msg_fini(&msg);
    return name;
}

static void expect_from_at(struct end *end, struct mcq_bytes name, const char *text, int line)
{
    expect_bytes(end, name, true, line);
    expect_bytes(end, mcq_bytes_of(text), false, line);
}

#define expect_from(end, name, text) expect_from_at(end, name, text, __LINE__)

static void send_to(struct end *end, struct mcq_bytes name, const char *text)
{
    assert_int_equal(send_bytes(end, name, true), MCQ_OK);
    SEND(end, text);
}

/* What a bare peer has got, whatever the parts. */
static void expect_octets(struct test_peer *peer, const char *text)
{
    char room[64] = "";
    size_t len = 0;
    struct mcq_msg msg;

    for (bool is_any = true; is_any;) {
        settle(peer->end->world);
        is_any = false;
        while (mcq_link_take(&peer->peer.link, &msg) == MCQ_OK) {
            assert_true(len + mcq_msg_len(&msg) < sizeof room);
            mcq_put_bytes((uint8_t *) room + len, mcq_msg_bytes(&msg));
            len += mcq_msg_len(&msg);
            mcq_msg_fini(&msg);
            is_any = true;
        }
    }
    assert_string_equal(room, text);
}

static void raw__each_connection__has_a_name_and_says_when_it_begins_and_ends(void **state)
{
    static const enum mcq_socket_type types[] = {MCQ_SOCKET_TYPE_STREAM, MCQ_SOCKET_TYPE_ROUTER};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        uint8_t room[2][MCQ_ROUTER_ID_MAX];
        struct mcq_bytes names[2];
        struct test_peer *far[2];
        struct world world;
        struct end end;
        struct end bare;

        world_init(&world, 0);
        raw_init(&end, &world, types[i]);
        bare_init(&bare, &world);
        for (int j = 0; j < 2; j++) {
            far[j] = join(&bare, &end).near;
            names[j] = take_name(&end, room[j]);
            EXPECT(&end, "");
            assert_int_equal(names[j].len, MCQ_ROUTER_GENERATED_BYTES);
        }
        assert_false(mcq_bytes_equal(names[0], names[1]));
        for (int j = 0; j < 2; j++) {
            send_to(&end, names[j], j == 0 ? "to the first" : "to the second");
            put_text(far[j], "hello", false);
            settle(&world);
            expect_from(&end, names[j], "hello");
        }
        expect_octets(far[0], "to the first");
        expect_octets(far[1], "to the second");
        put_text(far[0], "bye", false);
        settle(&world);
        peer_down(far[0]);
        settle(&world);
        prefetch(&end);
        (void) end_pump(&end); /* finds that it is gone */
        expect_from(&end, names[0], "bye");
        expect_from(&end, names[0], "");
        EXPECT_ERR(&end, MCQ_AGAIN);
        (void) end_pump(&end);
        assert_int_equal(end.gone_count, 1);
        world_fini(&world);
    }
}

/* Nothing is heard of a connection that the application has ended, and its peer gets all. */
static void raw__ended_by_us__gets_all_and_is_heard_no_more(void **state)
{
    (void) state;
    for (size_t pipe_bytes = 1; pipe_bytes < 64; pipe_bytes += 7) {
        uint8_t room[MCQ_ROUTER_ID_MAX];
        struct mcq_bytes name;
        struct test_peer *far;
        struct world world;
        struct end end;
        struct end bare;

        world_init(&world, pipe_bytes);
        raw_init(&end, &world, MCQ_SOCKET_TYPE_STREAM);
        bare_init(&bare, &world);
        far = join(&bare, &end).near;
        name = take_name(&end, room);
        EXPECT(&end, "");
        put_text(far, "unheard", false);
        send_to(&end, name, "more than goes at once");
        send_to(&end, name, "");
        assert_int_equal(send_bytes(&end, name, true), MCQ_NO_ROUTE);
        expect_octets(far, "more than goes at once");
        EXPECT_ERR(&end, MCQ_AGAIN);
        assert_int_equal(end.lost_count, 1);
        assert_int_equal(end.gone_count, 1);
        assert_false(far->peer.link.is_up);
        world_fini(&world);
    }
}

/* A peer of ours keeps its name; one that is ended before it is there is not waited for. */
static void raw__connecting__named_from_the_start(void **state)
{
    uint8_t room[MCQ_ROUTER_ID_MAX];
    struct mcq_bytes name;
    struct test_peer *peer;
    struct test_peer *far;
    struct world world;
    struct end end;
    struct end bare;
    int64_t number;

    (void) state;
    world_init(&world, 0);
    raw_init(&end, &world, MCQ_SOCKET_TYPE_STREAM);
    bare_init(&bare, &world);
    assert_int_equal(end.ops->get(end.pattern, MCQ_PATTERN_LAST_PEER, &number), MCQ_INVAL);
    peer = peer_connecting(&end);
    peer->peer.link.framing = MCQ_FRAMING_RAW;
    peer_gone(peer);
    peer = peer_new(&end, true);
    peer->peer.link.framing = MCQ_FRAMING_RAW;
    assert_int_equal(peer_attach(peer), MCQ_OK);
    assert_int_equal(end.ops->get(end.pattern, MCQ_PATTERN_LAST_PEER, &number), MCQ_OK);
    mcq_put_u32be(mcq_put_u8(room, 0), (uint32_t) number);
    name = mcq_bytes(room, MCQ_ROUTER_GENERATED_BYTES);
    send_to(&end, name, "waits");
    far = join_peer(&end, peer, &bare).far;
    expect_octets(far, "waits");
    expect_from(&end, name, "");
    peer_down(peer);
    expect_from(&end, name, "");
    send_to(&end, name, "waits again");
    far = join_peer(&end, peer, &bare).far;
    expect_octets(far, "waits again");
    expect_from(&end, name, "");
    peer_down(peer);
    expect_from(&end, name, "");
    send_to(&end, name, "");
    assert_ptr_equal(mcq_link_next_lost(&end.group), &peer->peer.link);
    assert_false(peer->peer.link.is_up);
    EXPECT_ERR(&end, MCQ_AGAIN);
    peer_gone(peer);
    world_fini(&world);
}

/* Of what the application asks of a body, only its octets count. */
static void raw__bodies__are_one_part(void **state)
{
    uint8_t room[MCQ_ROUTER_ID_MAX];
    struct mcq_bytes name;
    struct test_peer *far;

    (void) state;
    for (int is_compat = 0; is_compat <= 1; is_compat++) {
        struct world world;
        struct end end;
        struct end bare;

        world_init(&world, 0);
        if (is_compat)
            end_init_compat(&end, &world, MCQ_SOCKET_TYPE_STREAM);
        else
            end_init(&end, &world, MCQ_SOCKET_TYPE_STREAM);
        end.config.is_raw = true;
        bare_init(&bare, &world);
        far = join(&bare, &end).near;
        name = take_name(&end, room);
        EXPECT(&end, "");
        assert_int_equal(send_bytes(&end, name, true), MCQ_OK);
        SEND_MORE(&end, "one ");
        assert_int_equal(send_bytes(&end, name, true), MCQ_OK); /* a name again */
        SEND(&end, "two");
        SEND(&end, "a name alone"); /* which libzmq takes for the beginning of a message */
        if (is_compat)
            SEND(&end, "its body");
        send_to(&end, name, " three");
        expect_octets(far, "one two three");
        world_fini(&world);
    }
}

/* Whatever fails for want of memory: nothing is lost that was taken, and nothing stays behind. */
static void raw__no_memory__says_so(void **state)
{
    (void) state;
    for (uint64_t at = 1; at < 40; at++) {
        uint8_t room[MCQ_ROUTER_ID_MAX];
        struct mcq_bytes name;
        struct test_peer *far;
        struct world world;
        struct end end;
        struct end bare;
        enum mcq_err err;

        world_init(&world, 0);
        raw_init(&end, &world, MCQ_SOCKET_TYPE_STREAM);
        bare_init(&bare, &world);
        far = join(&bare, &end).near;
        name = take_name(&end, room);
        EXPECT(&end, "");
        mcq_alloc_fail_at(at);
        err = send_bytes(&end, name, true);
        assert_int_equal(err, MCQ_OK);
        err = send_text(&end, "body", false);
        mcq_alloc_fail_at(0);
        if (err != MCQ_OK) {
            assert_int_equal(err, MCQ_NOMEM);
            SEND(&end, "is swallowed");
        }
        expect_octets(far, err == MCQ_OK ? "body" : "");
        world_fini(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw__each_connection__has_a_name_and_says_when_it_begins_and_ends),
        cmocka_unit_test(raw__ended_by_us__gets_all_and_is_heard_no_more),
        cmocka_unit_test(raw__connecting__named_from_the_start),
        cmocka_unit_test(raw__bodies__are_one_part),
        cmocka_unit_test(raw__no_memory__says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
