/* Who may connect: a socket of the application decides (RFC 27). Here it is the test's own thread.
 */

#include "test_support.h"

#define HANDLER "inproc://zeromq.zap.01"
#define FRAMES_MAX 9
#define HANDSHAKE_MS 60000 /* but where its end is what a test is about */

/* What a monitor has heard. */
struct ear {
    _Atomic int kind; /* of the last failed handshake; 0: none */
    _Atomic int value;
    _Atomic unsigned count;
};

static void hear(const struct mcq_report *report, void *hint)
{
    struct ear *ear = hint;

    atomic_store(&ear->value, report->value);
    atomic_store(&ear->kind, (int) report->kind);
    atomic_fetch_add(&ear->count, 1);
}

static void listen_to(struct mcq_socket *socket, struct ear *ear)
{
    *ear = (struct ear) {0};
    assert_works(mcq_monitor(socket,
                             MCQ_REPORT_HANDSHAKE_FAILED | MCQ_REPORT_HANDSHAKE_BROKEN |
                                 MCQ_REPORT_HANDSHAKE_REFUSED,
                             hear, ear));
}

static bool drive(void)
{
    if (inline_context != NULL)
        assert_works(mcq_ctx_run(inline_context, 1));
    else
        (void) sched_yield();
    return true;
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = now_ms() + PATIENCE_MS;                                                  \
                                                                                                   \
        while (!(condition) && drive() && now_ms() < until_)                                       \
            continue;                                                                              \
        assert_true(condition);                                                                    \
    } while (0)

static void expect_report(struct ear *ear, int kind, int value)
{
    AWAIT(atomic_load(&ear->count) > 0);
    assert_int_equal(atomic_load(&ear->kind), kind);
    assert_int_equal(atomic_load(&ear->value), value);
}

/* --- the handler ----------------------------------------------------------------------------- */

static struct mcq_socket *open_handler(struct world *world, enum mcq_type type)
{
    struct mcq_socket *handler = open_socket(world, type);

    assert_works(mcq_set(handler, MCQ_OPT_LINGER, 0));
    assert_works(mcq_bind(handler, HANDLER));
    return handler;
}

/* A request, as a REP sees it. */
struct request {
    char frames[FRAMES_MAX][256];
    int lens[FRAMES_MAX];
    int count;
};

static void take_request(struct mcq_socket *handler, struct request *request)
{
    *request = (struct request) {.count = 0};
    do {
        assert_true(request->count < FRAMES_MAX);
        int len = (int) mcq_recv(handler, request->frames[request->count], 255, 0);

        if (len < 0)
            fail_msg("%s", mcq_last_error());
        request->lens[request->count++] = len;
    } while (number_of(handler, MCQ_OPT_RCVMORE) == 1);
}

static void reply(struct mcq_socket *handler, const char *id, const char *status,
                  const char *user_id, const char *metadata, size_t metadata_len)
{
    send_text(handler, "1.0", MCQ_SNDMORE);
    send_text(handler, id, MCQ_SNDMORE);
    send_text(handler, status, MCQ_SNDMORE);
    send_text(handler, "as the test has it", MCQ_SNDMORE);
    send_text(handler, user_id, MCQ_SNDMORE);
    assert_works(mcq_send(handler, metadata, metadata_len, 0));
}

static void answer(struct mcq_socket *handler, const char *status)
{
    struct request request;

    take_request(handler, &request);
    reply(handler, request.frames[1], status, "", "", 0);
}

/* --- both ends ------------------------------------------------------------------------------- */

enum proof { PROOF_NULL, PROOF_PLAIN, PROOF_CURVE, PROOF_COUNT };

static char server_public[MCQ_KEY_TEXT_BYTES];
static char server_secret[MCQ_KEY_TEXT_BYTES];
static char client_public[MCQ_KEY_TEXT_BYTES];
static char client_secret[MCQ_KEY_TEXT_BYTES];

static void set_text(struct mcq_socket *socket, enum mcq_option id, const char *text)
{
    assert_works(mcq_set_bytes(socket, id, text, strlen(text)));
}

static struct mcq_socket *open_server(struct world *world, enum mcq_type type, enum proof proof)
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, HANDSHAKE_MS));
    set_text(socket, MCQ_OPT_ZAP_DOMAIN, "global");
    if (proof == PROOF_PLAIN)
        assert_works(mcq_set(socket, MCQ_OPT_PLAIN_SERVER, 1));
    if (proof == PROOF_CURVE) {
        assert_works(mcq_curve_keypair(server_public, server_secret));
        assert_works(mcq_curve_keypair(client_public, client_secret));
        set_text(socket, MCQ_OPT_CURVE_SECRETKEY, server_secret);
        assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
    }
    return socket;
}

static struct mcq_socket *open_client(struct world *world, enum mcq_type type, enum proof proof)
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_LINGER, 0));
    assert_works(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, HANDSHAKE_MS));
    if (proof == PROOF_PLAIN) {
        set_text(socket, MCQ_OPT_PLAIN_USERNAME, "admin");
        set_text(socket, MCQ_OPT_PLAIN_PASSWORD, "secret");
    }
    if (proof == PROOF_CURVE) {
        set_text(socket, MCQ_OPT_CURVE_SECRETKEY, client_secret);
        set_text(socket, MCQ_OPT_CURVE_SERVERKEY, server_public);
    }
    return socket;
}

static struct couple open_pair(struct world *world, enum proof proof)
{
    struct couple couple = {.bound = open_server(world, MCQ_PULL, proof)};

    couple.connected = open_client(world, MCQ_PUSH, proof);
    bind_somewhere(couple.bound, couple.endpoint);
    return couple;
}

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

/* --- no handler, and handlers that do not answer --------------------------------------------- */

static void fault_b16__no_handler__plain_stays_out_and_others_come_in(void)
{
    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct couple couple = open_pair(&world, proof);

        listen_to(couple.bound, &ear);
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        if (proof == PROOF_PLAIN) {
            expect_report(&ear, MCQ_REPORT_HANDSHAKE_FAILED, EFAULT);
        } else {
            send_text(couple.connected, "hello", 0);
            expect_text(couple.bound, "hello");
        }
        end_world(&world);
    }
}

static void fault_b16__enforced_domain_without_a_handler__nobody_comes_in(void)
{
    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct couple couple = open_pair(&world, proof);

        assert_works(mcq_set(couple.bound, MCQ_OPT_ZAP_ENFORCE_DOMAIN, 1));
        assert_int_equal(number_of(couple.bound, MCQ_OPT_ZAP_ENFORCE_DOMAIN), 1);
        bind_somewhere(couple.bound, couple.endpoint);
        listen_to(couple.bound, &ear);
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        expect_report(&ear, MCQ_REPORT_HANDSHAKE_FAILED, EFAULT);
        expect_nothing(couple.bound);
        end_world(&world);
    }
}

/* Without a domain NULL and, where domains are enforced, CURVE do not ask at all. */
static void no_domain__a_handler_that_says_nothing__is_not_missed(void)
{
    for (int turn = 0; turn < 2; turn++) {
        enum proof proof = turn == 0 ? PROOF_NULL : PROOF_CURVE;
        struct world world;

        begin_world(&world);
        (void) open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, proof);

        assert_works(mcq_set_bytes(couple.bound, MCQ_OPT_ZAP_DOMAIN, "", 0));
        assert_works(mcq_set(couple.bound, MCQ_OPT_ZAP_ENFORCE_DOMAIN, 1));
        bind_somewhere(couple.bound, couple.endpoint);
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        send_text(couple.connected, "hello", 0);
        expect_text(couple.bound, "hello");
        end_world(&world);
    }
}

static void fault_b16__a_handler_of_another_type__is_none(void)
{
    struct world world;
    struct ear ear;

    begin_world(&world);
    (void) open_handler(&world, MCQ_PULL);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    listen_to(couple.bound, &ear);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    expect_report(&ear, MCQ_REPORT_HANDSHAKE_FAILED, EFAULT);
    end_world(&world);
}

static void fault_b17__a_silent_handler__ends_with_the_handshake_s_time(void)
{
    for (enum proof proof = 0; proof < PROOF_COUNT; proof++) {
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, proof);
        struct request request;

        assert_works(mcq_set(couple.bound, MCQ_OPT_HANDSHAKE_IVL, 30));
        bind_somewhere(couple.bound, couple.endpoint);
        listen_to(couple.bound, &ear);
        assert_works(mcq_set(couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        expect_report(&ear, MCQ_REPORT_HANDSHAKE_FAILED, ETIMEDOUT);
        /* Its answer comes too late, and hurts nobody. */
        take_request(handler, &request);
        reply(handler, "1", "200", "late", "", 0);
        expect_nothing(couple.bound);
        end_world(&world);
    }
}

static void fault_b18__a_handler_that_dies__ends_the_handshake(void)
{
    for (int turn = 0; turn < 2; turn++) {
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, PROOF_PLAIN);
        struct request request;

        listen_to(couple.bound, &ear);
        assert_works(mcq_set(couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        if (turn == 0)
            take_request(handler, &request);
        else
            assert_works(mcq_wait_peers(handler, 1, PATIENCE_MS));
        close_socket(&world, handler);
        expect_report(&ear, MCQ_REPORT_HANDSHAKE_FAILED, EFAULT);
        end_world(&world);
    }
}

static void fault_b17__a_peer_that_goes_while_zap_thinks__is_forgotten(void)
{
    struct request request;
    struct world world;
    struct ear ear;

    begin_world(&world);
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    listen_to(couple.bound, &ear);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    take_request(handler, &request);
    close_socket(&world, couple.connected);
    AWAIT(atomic_load(&ear.count) > 0);
    reply(handler, "1", "200", "", "", 0);
    expect_nothing(handler);
    end_world(&world);
}

static void fault_g4__term_while_zap_thinks__returns(void)
{
    for (int turn = 0; turn < 2; turn++) {
        struct request request;
        struct world world;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, PROOF_PLAIN);

        assert_works(mcq_connect(couple.connected, couple.endpoint));
        if (turn == 0)
            take_request(handler, &request);
        else
            assert_works(mcq_wait_peers(handler, 1, PATIENCE_MS));
        end_world(&world);
    }
}

/* --- replies that are none ------------------------------------------------------------------- */

struct nonsense {
    const char *frames[8];
    size_t count;
    size_t last_len; /* 0: as its text */
    int fault;
};

static const struct nonsense nonsenses[] = {
    {{"1.0", "1", "200", "", ""}, 5, 0, 0x20000001},
    {{"1.0", "1", "200", "", "", "", ""}, 7, 0, 0x20000001},
    {{""}, 1, 0, 0x20000001},
    {{"1.0", "2", "200", "", "", ""}, 6, 0, 0x20000002},
    {{"2.0", "1", "200", "", "", ""}, 6, 0, 0x20000003},
    {{"1.0", "1", "201", "", "", ""}, 6, 0, 0x20000004},
    {{"1.0", "1", "", "", "", ""}, 6, 0, 0x20000004},
    {{"1.0", "1", "200", "", "", "\5Hello"}, 6, 0, 0x20000005},
    {{"1.0", "1", "200", "", "", "\1a\0\0\0\0\1b\0\0\0\1"}, 6, 12, 0x20000005},
};

static void fault_b18__nonsense_for_a_reply__closes_with_its_number(void)
{
    for (size_t i = 0; i < MCQ_COUNTOF(nonsenses); i++) {
        const struct nonsense *nonsense = &nonsenses[i];
        struct request request;
        struct world world;
        struct ear ear;

        begin_world(&world);
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, PROOF_PLAIN);

        listen_to(couple.bound, &ear);
        assert_works(mcq_set(couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
        assert_works(mcq_connect(couple.connected, couple.endpoint));
        take_request(handler, &request);
        for (size_t at = 0; at < nonsense->count; at++) {
            bool is_last = at + 1 == nonsense->count;
            const char *frame = nonsense->frames[at];
            size_t len = is_last && nonsense->last_len > 0 ? nonsense->last_len : strlen(frame);

            assert_works(mcq_send(handler, frame, len, is_last ? 0 : MCQ_SNDMORE));
        }
        expect_report(&ear, MCQ_REPORT_HANDSHAKE_BROKEN, nonsense->fault);
        expect_nothing(couple.bound);
        end_world(&world);
    }
}

static void fault_b19__a_reply_beyond_64_kib__is_none(void)
{
    static char large[65536];
    struct request request;
    struct world world;
    struct ear ear;

    begin_world(&world);
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    listen_to(couple.bound, &ear);
    assert_works(mcq_set(couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    take_request(handler, &request);
    reply(handler, "1", "200", "", large, sizeof large);
    expect_report(&ear, MCQ_REPORT_HANDSHAKE_BROKEN, 0x20000001);
    end_world(&world);
}

/* --- many ------------------------------------------------------------------------------------ */

#define CROWD 40

static int64_t held_up_count(struct world *world)
{
    int64_t count;

    assert_works(mcq_ctx_get(world->context, MCQ_CTX_ZAP_HELD_UP, &count));
    return count;
}

/* The handler has two questions at most; the others wait, and all come in. */
static void fault_b19__more_questions_than_may_be__wait_for_their_turn(void)
{
    static const int limits[] = {CROWD - 1, CROWD, CROWD + 1, 2};

    for (size_t turn = 0; turn < MCQ_COUNTOF(limits); turn++) {
        struct mcq_socket *clients[CROWD];
        struct world world;
        int64_t expected = limits[turn] < CROWD ? CROWD - limits[turn] : 0;

        begin_world(&world);
        assert_works(mcq_ctx_set(world.context, MCQ_CTX_ZAP_MAX, limits[turn]));
        struct mcq_socket *handler = open_handler(&world, MCQ_REP);
        struct couple couple = open_pair(&world, PROOF_PLAIN);

        clients[0] = couple.connected;
        for (int i = 1; i < CROWD; i++)
            clients[i] = open_client(&world, MCQ_PUSH, PROOF_PLAIN);
        for (int i = 0; i < CROWD; i++)
            assert_works(mcq_connect(clients[i], couple.endpoint));
        AWAIT(held_up_count(&world) == expected);
        assert_works(mcq_wait_peers(handler, limits[turn] < CROWD ? (uint32_t) limits[turn] : CROWD,
                                    PATIENCE_MS));
        for (int i = 0; i < CROWD; i++)
            answer(handler, "200");
        for (int i = 0; i < CROWD; i++)
            assert_works(mcq_wait_peers(clients[i], 1, PATIENCE_MS));
        assert_works(mcq_wait_peers(couple.bound, CROWD, PATIENCE_MS));
        end_world(&world);
    }
}

/* What a handler that hangs has not read counts until it has. */
static void fault_b19__a_handler_that_hangs__holds_no_more_than_the_limit(void)
{
    struct mcq_socket *clients[CROWD];
    struct request request;
    struct world world;
    struct ear ear;
    unsigned asked = 0;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_ZAP_MAX, 3));
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    assert_works(mcq_set(couple.bound, MCQ_OPT_HANDSHAKE_IVL, 30));
    bind_somewhere(couple.bound, couple.endpoint);
    listen_to(couple.bound, &ear);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = i == 0 ? couple.connected : open_client(&world, MCQ_PUSH, PROOF_PLAIN);
        assert_works(mcq_set(clients[i], MCQ_OPT_RECONNECT_IVL, -1));
        assert_works(mcq_connect(clients[i], couple.endpoint));
    }
    AWAIT(atomic_load(&ear.count) >= CROWD);
    assert_works(mcq_set(handler, MCQ_OPT_RCVTIMEO, 0));
    while (mcq_recv(handler, request.frames[0], 255, 0) >= 0) {
        while (number_of(handler, MCQ_OPT_RCVMORE) == 1)
            (void) mcq_recv(handler, request.frames[0], 255, 0);
        reply(handler, "1", "200", "", "", 0);
        asked++;
    }
    assert_in_range(asked, 1, 3); /* on a slow machine some have no time to ask at all */
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(each_mechanism__200__the_peer_comes_in)                                                      \
    X(each_mechanism__refused__both_sides_hear_why)                                                \
    X(fault_a11__wrong_user_or_wrong_password__the_same_refusal)                                   \
    X(connector__that_serves__asks_too)                                                            \
    X(router__as_the_handler__answers_in_any_order)                                                \
    X(fault_b20__properties_of_zap_and_the_peer__are_with_each_part)                               \
    X(fault_b20__a_peer_that_names_itself__is_nobody)                                              \
    X(fault_b16__no_handler__plain_stays_out_and_others_come_in)                                   \
    X(fault_b16__enforced_domain_without_a_handler__nobody_comes_in)                               \
    X(no_domain__a_handler_that_says_nothing__is_not_missed)                                       \
    X(fault_b16__a_handler_of_another_type__is_none)                                               \
    X(fault_b17__a_silent_handler__ends_with_the_handshake_s_time)                                 \
    X(fault_b18__a_handler_that_dies__ends_the_handshake)                                          \
    X(fault_b17__a_peer_that_goes_while_zap_thinks__is_forgotten)                                  \
    X(fault_g4__term_while_zap_thinks__returns)                                                    \
    X(fault_b18__nonsense_for_a_reply__closes_with_its_number)                                     \
    X(fault_b19__a_reply_beyond_64_kib__is_none)                                                   \
    X(fault_b19__more_questions_than_may_be__wait_for_their_turn)                                  \
    X(fault_b19__a_handler_that_hangs__holds_no_more_than_the_limit)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.zap");
}
