/* Who may connect, where nobody says so: no handler, and those that are silent, die, talk nonsense
 * or are asked by too many (RFC 27). */

#include "zap_support.h"

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

        /* Long enough for the question to be asked on a slow machine, under valgrind. */
        assert_works(mcq_set(couple.bound, MCQ_OPT_HANDSHAKE_IVL, 300));
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
    struct asked asked;
    struct world world;

    begin_world(&world);
    begin_asked(&world, &asked);
    close_socket(&world, asked.couple.connected);
    AWAIT(atomic_load(&asked.ear.count) > 0);
    reply(asked.handler, "1", "200", "", "", 0);
    expect_nothing(asked.handler);
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
        struct asked asked;
        struct world world;

        begin_world(&world);
        begin_asked(&world, &asked);
        for (size_t at = 0; at < nonsense->count; at++) {
            bool is_last = at + 1 == nonsense->count;
            const char *frame = nonsense->frames[at];
            size_t len = is_last && nonsense->last_len > 0 ? nonsense->last_len : strlen(frame);

            assert_works(mcq_send(asked.handler, frame, len, is_last ? 0 : MCQ_SNDMORE));
        }
        expect_report(&asked.ear, MCQ_REPORT_HANDSHAKE_BROKEN, nonsense->fault);
        expect_nothing(asked.couple.bound);
        end_world(&world);
    }
}

static void fault_b19__a_reply_beyond_64_kib__is_none(void)
{
    static char large[65536];
    struct asked asked;
    struct world world;

    begin_world(&world);
    begin_asked(&world, &asked);
    reply(asked.handler, "1", "200", "", large, sizeof large);
    expect_report(&asked.ear, MCQ_REPORT_HANDSHAKE_BROKEN, 0x20000001);
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

/* A crowd comes to ask, and each of it is late, for nobody answers. */
static void ask_in_vain(struct world *world, struct couple *couple, int handshake_ms)
{
    assert_works(mcq_set(couple->bound, MCQ_OPT_HANDSHAKE_IVL, handshake_ms));
    bind_somewhere(couple->bound, couple->endpoint);
    for (int i = 0; i < CROWD; i++) {
        struct mcq_socket *client = open_client(world, MCQ_PUSH, PROOF_PLAIN);

        assert_works(mcq_set(client, MCQ_OPT_RECONNECT_IVL, -1));
        assert_works(mcq_connect(client, couple->endpoint));
    }
}

/* What a handler that hangs has not read counts until it has. */
static void fault_b19__a_handler_that_hangs__holds_no_more_than_the_limit(void)
{
    struct request request = {0};
    struct world world;
    struct ear ear;
    unsigned late = 0;
    unsigned asked = 0;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_ZAP_MAX, 3));
    struct mcq_socket *handler = open_handler(&world, MCQ_REP);
    struct couple couple = open_pair(&world, PROOF_PLAIN);

    listen_to(couple.bound, &ear);
    /* On a slow machine all may be late before they ask: the next ones have more time. */
    for (int ms = 30; (number_of(handler, MCQ_OPT_EVENTS) & MCQ_POLLIN) == 0; ms *= 4) {
        assert_in_range(ms, 1, 480); /* so many sockets has a world */
        ask_in_vain(&world, &couple, ms);
        late += CROWD;
        AWAIT(atomic_load(&ear.count) >= late);
    }
    assert_works(mcq_set(handler, MCQ_OPT_RCVTIMEO, 0));
    while (mcq_recv(handler, request.frames[0], 255, 0) >= 0) {
        while (number_of(handler, MCQ_OPT_RCVMORE) == 1)
            (void) mcq_recv(handler, request.frames[0], 255, 0);
        reply(handler, "1", "200", "", "", 0);
        asked++;
    }
    assert_in_range(asked, 1, 3);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
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

    return run_group(tests, MCQ_COUNTOF(tests), "api.zap_absent");
}
