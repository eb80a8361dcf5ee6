/* Who may connect: a socket of the application decides (RFC 27). Here it is the test's own thread.
 */

#include "zap_support.h"

/* --- what is asked, and what comes of it ----------------------------------------------------- */

static void assert_request(const struct request *request, enum proof proof)
{
    static const char *const names[] = {"NULL", "PLAIN", "CURVE"};
    static const int counts[] = {6, 8, 7};
    uint8_t key[MCQ_KEY_BYTES];

    assert_int_equal(request->count, counts[proof]);
    assert_string_equal(request->frames[0], "1.0");
    assert_string_equal(request->frames[1], "1");
    assert_string_equal(request->frames[2], "global");
    assert_string_equal(request->frames[3], "127.0.0.1");
    assert_string_equal(request->frames[5], names[proof]);
    if (proof == PROOF_PLAIN) {
        assert_string_equal(request->frames[6], "admin");
        assert_string_equal(request->frames[7], "secret");
    }
    if (proof == PROOF_CURVE) {
        assert_works(mcq_z85_to_octets(client_public, key));
        assert_int_equal(request->lens[6], MCQ_KEY_BYTES);
        assert_memory_equal(request->frames[6], key, sizeof key);
    }
}

static void each_mechanism__200__the_peer_comes_in(void)
{
    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        struct request request;
        struct world world;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, proof);

        assert_works(mcq_connect(couple.connected, couple.endpoint));
        take_request(handler, &request);
        assert_request(&request, proof);
        expect_nothing(couple.bound);
        reply(handler, request.frames[1], "200", "", "", 0);
        send_text(couple.connected, "hello", 0);
        expect_text(couple.bound, "hello");
        end_world(&world);
    }
}

static void each_mechanism__refused__both_sides_hear_why(void)
{
    static const struct {
        const char *text;
        int number;
    } statuses[] = {{"300", 300}, {"400", 400}, {"500", 500}};

    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        for (size_t i = 0; i < MCQ_COUNTOF(statuses); i++) {
            struct world world;
            struct ear server;
            struct ear client;

            begin_world(&world);
            struct mcq_socket *handler = open_handler(&world, MCQ_REP);
            struct couple couple = open_pair(&world, proof);

            listen_to(couple.bound, &server);
            listen_to(couple.connected, &client);
            assert_works(mcq_set(couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
            assert_works(mcq_connect(couple.connected, couple.endpoint));
            answer(handler, statuses[i].text);
            expect_report(&server, MCQ_REPORT_HANDSHAKE_REFUSED, statuses[i].number);
            if (i == 0) /* later: nothing is said */
                AWAIT(atomic_load(&client.kind) == MCQ_REPORT_HANDSHAKE_FAILED);
            else
                expect_report(&client, MCQ_REPORT_HANDSHAKE_REFUSED, statuses[i].number);
            expect_nothing(couple.bound);
            end_world(&world);
        }
    }
}

/* The handler says no to each for a reason of its own; the client cannot tell which. */
static void fault_a11__wrong_user_or_wrong_password__the_same_refusal(void)
{
    static const char *const shown[][2] = {{"nobody", "secret"}, {"admin", "wrong"}};

    for (size_t i = 0; i < MCQ_COUNTOF(shown); i++) {
        struct request request;
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, PROOF_PLAIN);

        set_text(couple.connected, MCQ_OPT_PLAIN_USERNAME, shown[i][0]);
        set_text(couple.connected, MCQ_OPT_PLAIN_PASSWORD, shown[i][1]);
        listen_to(couple.connected, &ear);
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        take_request(handler, &request);
        assert_string_equal(request.frames[6], shown[i][0]);
        assert_string_equal(request.frames[7], shown[i][1]);
        reply(handler, "1", "400", shown[i][0], "", 0);
        expect_report(&ear, MCQ_REPORT_HANDSHAKE_REFUSED, 400);
        end_world(&world);
    }
}

/* The connecting side may be the one that asks. */
static void connector__that_serves__asks_too(void)
{
    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        struct world world;
        char endpoint[ENDPOINT_BYTES];

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct mcq_socket *server = open_server(&world, MCQ_PULL, proof);
        struct mcq_socket *client = open_client(&world, MCQ_PUSH, proof);

        bind_somewhere(client, endpoint);
        assert_works(mcq_connect(server, endpoint));
        answer(handler, "200");
        send_text(client, "hello", 0);
        expect_text(server, "hello");
        end_world(&world);
    }
}

static void router__as_the_handler__answers_in_any_order(void)
{
    struct mcq_socket *clients[3];
    char names[3][16];
    ptrdiff_t lens[3];
    struct world world;

    begin_world(&world);
    struct mcq_socket *handler = open_handler(&world, MCQ_ROUTER);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    clients[0] = couple.connected;
    for (int i = 1; i < 3; i++)
        clients[i] = open_client(&world, MCQ_PUSH, PROOF_PLAIN);
    for (int i = 0; i < 3; i++) {
        struct request request;

        assert_works(mcq_connect(clients[i], couple.endpoint));
        lens[i] = mcq_recv(handler, names[i], sizeof names[i], 0);
        assert_true(lens[i] > 0);
        take_request(handler, &request);
        assert_string_equal(request.frames[0], "");
        assert_string_equal(request.frames[6], "PLAIN");
    }
    for (int i = 2; i >= 0; i--) {
        assert_works(mcq_send(handler, names[i], (size_t) lens[i], MCQ_SNDMORE));
        assert_works(mcq_send(handler, "", 0, MCQ_SNDMORE));
        reply(handler, "1", "200", "", "", 0);
        send_text(clients[i], "hello", 0);
        expect_text(couple.bound, "hello");
    }
    end_world(&world);
}

/* --- what is known of a peer ----------------------------------------------------------------- */

static void expect_property(struct mcq_origin *origin, const char *name, const char *value)
{
    const char *found = mcq_origin_property(origin, name);

    if (found == NULL)
        fail_msg("%s", mcq_last_error());
    assert_string_equal(found, value);
}

/* What ZAP has said counts before what the peer says, and who it is only ZAP can say. */
static void fault_b20__properties_of_zap_and_the_peer__are_with_each_part(void)
{
    static const char list[] = "\5Hello\0\0\0\5World\7User-Id\0\0\0\4fake\13Socket-Type\0\0\0\3any";
    struct request request;
    struct mcq_peer_info info;
    struct mcq_message message;
    struct mcq_origin *origin = NULL;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct mcq_socket *server = open_server(&world, MCQ_ROUTER, PROOF_PLAIN);
    struct mcq_socket *client = open_client(&world, MCQ_DEALER, PROOF_PLAIN);

    set_text(client, MCQ_OPT_ROUTING_ID, "me");
    set_text(client, MCQ_OPT_METADATA, "X-Role:admin");
    bind_somewhere(server, endpoint);
    assert_works(mcq_connect(client, endpoint));
    take_request(handler, &request);
    reply(handler, "1", "200", "anna", list, sizeof list - 1);
    send_text(client, "short", MCQ_SNDMORE);
    assert_works(mcq_send(client, (const char[5000]) {0}, 5000, 0));
    assert_works(mcq_message_init(&message));
    for (int part = 0; part < 3; part++) {
        mcq_origin_release(origin);
        assert_works(mcq_recv_message(server, &message, 0));
        origin = mcq_message_origin(&message);
        assert_non_null(origin);
        expect_property(origin, "User-Id", "anna");
        expect_property(origin, "Hello", "World");
        expect_property(origin, "Peer-Address", "127.0.0.1");
        expect_property(origin, "Socket-Type", "any");
        expect_property(origin, "Identity", "me");
        expect_property(origin, "X-Role", "admin");
    }
    assert_works(mcq_message_close(&message));
    assert_int_equal(mcq_peers(server, &info, 1, sizeof info), 1);
    assert_string_equal(info.user_id, "anna");
    assert_int_equal(info.mechanism, 1);
    close_socket(&world, client);
    expect_property(origin, "User-Id", "anna");
    mcq_origin_release(origin);
    end_world(&world);
}

/* Who has a name that a newcomer wants gives way to the same user, and to nobody else. */
static void fault_e2__a_name_that_is_taken__is_handed_over_to_the_same_user_only(void)
{
    struct request request;
    struct world world;
    struct ear ears[3] = {0}; /* the first client is heard, too, when its successor sends it away */
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct mcq_socket *server = open_server(&world, MCQ_ROUTER, PROOF_PLAIN);

    assert_works(mcq_set(server, MCQ_OPT_ROUTER_HANDOVER, 1));
    bind_somewhere(server, endpoint);
    for (int turn = 0; turn < 3; turn++) {
        const char *users[] = {"anna", "bert", "anna"};
        struct mcq_socket *client = open_client(&world, MCQ_DEALER, PROOF_PLAIN);

        assert_works(mcq_monitor(client, MCQ_REPORT_DISCONNECTED, hear, &ears[turn]));
        assert_works(mcq_set(client, MCQ_OPT_RECONNECT_IVL, -1));
        set_text(client, MCQ_OPT_ROUTING_ID, "me");
        assert_works(mcq_connect(client, endpoint));
        take_request(handler, &request);
        reply(handler, "1", "200", users[turn], "", 0);
        if (turn == 1) {
            AWAIT(atomic_load(&ears[turn].count) > 0); /* it is sent away, ... */
        } else {
            send_text(client, "here", 0);
            expect_part(server, "me", true);
            expect_text(server, "here");
            send_text(server, "me", MCQ_SNDMORE);
            send_text(server, users[turn], 0);
            expect_text(client, "anna");
        }
        if (turn == 1) { /* ... and the name is still whose it was */
            send_text(server, "me", MCQ_SNDMORE);
            send_text(server, "still anna", 0);
            expect_text(world.sockets[2], "still anna");
        }
    }
    end_world(&world);
}

/* Nobody was asked, so nobody is known, whatever the peer says. */
static void fault_b20__a_peer_that_names_itself__is_nobody(void)
{
    struct mcq_message message;
    struct mcq_origin *origin;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_message_init(&message));
    send_text(couple.connected, "hello", 0);
    assert_works(mcq_recv_message(couple.bound, &message, 0));
    origin = mcq_message_origin(&message);
    assert_non_null(origin);
    assert_null(mcq_origin_property(origin, "User-Id"));
    mcq_origin_release(origin);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(each_mechanism__200__the_peer_comes_in)                                                      \
    X(each_mechanism__refused__both_sides_hear_why)                                                \
    X(fault_a11__wrong_user_or_wrong_password__the_same_refusal)                                   \
    X(connector__that_serves__asks_too)                                                            \
    X(router__as_the_handler__answers_in_any_order)                                                \
    X(fault_b20__properties_of_zap_and_the_peer__are_with_each_part)                               \
    X(fault_e2__a_name_that_is_taken__is_handed_over_to_the_same_user_only)                        \
    X(fault_b20__a_peer_that_names_itself__is_nobody)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.zap");
}
