#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "arena/poison.h"
#include "session/session.h"
#include "session/state.h"
#include "wire/encode.h"

#include "session/greeting.h"

static const char user[] = "a user of ours";
static const char password[] = "a password that nobody may find";

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

/* One end, what it said, and how ZAP answers it. */
struct end {
    struct mcq_session session;
    struct mcq_session_config config;
    unsigned status;   /* of ZAP's answer */
    bool answers_late; /* not in the call that tells the question */
    bool is_asked;
    unsigned count[MCQ_EVENT_IGNORED + 1];
    char seen_user[256];
    char seen_password[256];
    char seen_type[32];
    enum mcq_err answered; /* what mcq_session_zap said */
    enum mcq_err err;      /* of the last feed */
};

static void end_init(struct end *end, enum mcq_socket_type type, enum mcq_mechanism mechanism,
                     bool as_server)
{
    memset(end, 0, sizeof *end);
    mcq_session_config_init(&end->config, type, MCQ_PROFILE_NATIVE);
    end->config.mechanism = mechanism;
    end->config.as_server = as_server;
    end->config.username = mcq_bytes_of(user);
    end->config.password = mcq_bytes_of(password);
    end->status = 200;
}

static void end_start(struct end *end)
{
    assert_int_equal(mcq_session_init(&end->session, &end->config, 0), MCQ_OK);
}

static void copy(char *text, struct mcq_bytes bytes)
{
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
}

static void note(struct end *end, const struct mcq_event *event)
{
    struct mcq_property property;

    end->count[event->kind]++;
    if (event->kind == MCQ_EVENT_ZAP) {
        assert_string_equal(event->zap.mechanism, end->session.handshake.machine->mechanism);
        if (event->zap.credentials.username.len > 0) {
            copy(end->seen_user, event->zap.credentials.username);
            copy(end->seen_password, event->zap.credentials.password);
        }
        end->is_asked = true;
        if (!end->answers_late)
            end->answered = mcq_session_zap(&end->session, end->status, 0);
    }
    if (event->kind == MCQ_EVENT_READY) {
        struct mcq_bytes rest = event->ready.metadata;

        assert_true(mcq_property_next(&rest, &property));
        copy(end->seen_type, property.value);
    }
}

static enum mcq_err feed(struct end *end, const void *data, size_t len)
{
    /* An address of its own, so that a sanitizer sees what outlives the call. */
    uint8_t *octets = test_malloc(len + 1);
    struct mcq_bytes in = mcq_bytes(octets, len);
    struct mcq_event event;

    if (len > 0)
        memcpy(octets, data, len);
    while ((end->err = mcq_session_feed(&end->session, &in, 0, &event)) == MCQ_OK)
        note(end, &event);
    test_free(octets);
    return end->err;
}

/* Moves what one end wants to the other, `step` octets at a time, until both are silent. */
static void talk(struct end *a, struct end *b, size_t step)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < 2; i++) {
            struct end *from = i == 0 ? a : b;
            struct end *to = i == 0 ? b : a;
            struct mcq_bytes out = mcq_session_want(&from->session);
            size_t len = mcq_min_size(out.len, step);

            if (len == 0)
                continue;
            (void) feed(to, out.data, len);
            mcq_session_sent(&from->session, len);
            moved = true;
        }
    }
}

static void end_fini(struct end *end)
{
    mcq_session_fini(&end->session);
}

static const size_t steps[] = {1, 2, 7, 64, SIZE_MAX};

/* --- PLAIN ----------------------------------------------------------------------------------- */

static void plain__right_credentials__ready_on_both_sides_at_every_step(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
        struct end client;
        struct end server;

        end_init(&client, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_PLAIN, false);
        end_init(&server, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_PLAIN, true);
        end_start(&client);
        end_start(&server);
        talk(&client, &server, steps[i]);
        assert_int_equal(mcq_session_phase(&client.session), MCQ_PHASE_TRAFFIC);
        assert_int_equal(mcq_session_phase(&server.session), MCQ_PHASE_TRAFFIC);
        assert_string_equal(server.seen_user, user);
        assert_string_equal(server.seen_password, password);
        assert_string_equal(server.seen_type, "DEALER");
        assert_string_equal(client.seen_type, "ROUTER");
        assert_int_equal(server.count[MCQ_EVENT_ZAP], 1);
        assert_int_equal(client.count[MCQ_EVENT_ZAP], 0);
        end_fini(&client);
        end_fini(&server);
    }
}

static void plain__each_status_that_is_no_yes__refused_and_told_only_where_it_should(void **state)
{
    static const struct {
        unsigned status;
        enum mcq_reason reason;
        const char *told;
    } rows[] = {
        {300, MCQ_REASON_REFUSED_FOR_NOW, NULL}, {400, MCQ_REASON_REFUSED, "400"},
        {500, MCQ_REASON_REFUSED, "500"},        {0, MCQ_REASON_ZAP_BROKEN, NULL},
        {201, MCQ_REASON_ZAP_BROKEN, NULL},      {UINT32_MAX, MCQ_REASON_ZAP_BROKEN, NULL},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct end client;
        struct end server;

        end_init(&client, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_PLAIN, false);
        end_init(&server, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_PLAIN, true);
        server.status = rows[i].status;
        end_start(&client);
        end_start(&server);
        talk(&client, &server, SIZE_MAX);
        assert_int_equal(server.answered, MCQ_REFUSED);
        assert_int_equal(mcq_session_failure(&server.session)->err, MCQ_REFUSED);
        assert_int_equal(mcq_session_failure(&server.session)->reason, rows[i].reason);
        assert_int_equal(mcq_session_failure(&server.session)->rule,
                         MCQ_RULE_PLAIN_SERVER_WAIT_ZAP);
        assert_int_equal(client.count[MCQ_EVENT_REFUSED], rows[i].told != NULL);
        assert_int_equal(client.count[MCQ_EVENT_READY], 0);
        assert_int_equal(mcq_session_zap(&server.session, 200, 0), MCQ_STATE);
        end_fini(&client);
        end_fini(&server);
    }
}

static size_t put_command(uint8_t *at, const uint8_t *body, const uint8_t *body_end)
{
    size_t len = (size_t) (body_end - body);
    uint8_t *end = mcq_encode_frame_head(at, MCQ_FRAME_COMMAND, len);

    return (size_t) (mcq_put_bytes(end, mcq_bytes(body, len)) - at);
}

static void start_after_greeting(struct end *end)
{
    struct mcq_greeting_v3 greeting;

    end_start(end);
    put_greeting(&greeting, "PLAIN");
    assert_int_equal(feed(end, &greeting, sizeof greeting), MCQ_AGAIN);
}

static void plain_server__any_command_while_zap_is_asked__early_and_refused(void **state)
{
    uint8_t body[256];
    uint8_t octets[300];
    struct mcq_bytes none = mcq_bytes(NULL, 0);

    (void) state;
    for (int i = 0; i < 4; i++) {
        struct end server;
        uint8_t *end = i == 0   ? mcq_encode_plain_initiate(body, none)
                       : i == 1 ? mcq_encode_plain_hello(body, none, none)
                       : i == 2 ? mcq_encode_ready(body, none)
                                : mcq_encode_ping(body, 1, none);

        end_init(&server, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_PLAIN, true);
        server.answers_late = true;
        start_after_greeting(&server);

        uint8_t hello[64];
        size_t len = put_command(octets, hello, mcq_encode_plain_hello(hello, none, none));

        assert_int_equal(feed(&server, octets, len), MCQ_AGAIN);
        assert_true(server.is_asked);
        len = put_command(octets, body, end);
        assert_int_equal(feed(&server, octets, len), MCQ_PROTO);
        assert_int_equal(mcq_session_failure(&server.session)->reason, MCQ_REASON_EARLY_COMMAND);
        end_fini(&server);
    }
}

/* What the peer got wrong is between ZAP and its handler. */
static void fault_a11__wrong_user_or_wrong_password__the_same_octets(void **state)
{
    static const char *const tries[][2] = {
        {"nobody", "a password that nobody may find"},
        {"a user of ours", "wrong"},
        {"", ""},
    };
    uint8_t said[MCQ_COUNTOF(tries)][32];
    size_t said_len[MCQ_COUNTOF(tries)];

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(tries); i++) {
        struct end server;
        uint8_t hello[128];
        uint8_t octets[140];
        size_t len = put_command(
            octets, hello,
            mcq_encode_plain_hello(hello, mcq_bytes_of(tries[i][0]), mcq_bytes_of(tries[i][1])));

        end_init(&server, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_PLAIN, true);
        server.status = 400;
        start_after_greeting(&server);
        mcq_session_sent(&server.session, mcq_session_want(&server.session).len);
        (void) feed(&server, octets, len);
        assert_int_equal(server.count[MCQ_EVENT_ZAP], 1);
        said_len[i] = mcq_session_want(&server.session).len;
        assert_in_range(said_len[i], 1, sizeof said[i]);
        memcpy(said[i], mcq_session_want(&server.session).data, said_len[i]);
        assert_int_equal(said_len[i], said_len[0]);
        assert_memory_equal(said[i], said[0], said_len[0]);
        end_fini(&server);
    }
}

static void plain_client__each_command_out_of_turn__refused_by_its_state(void **state)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);
    uint8_t body[256];
    uint8_t octets[300];

    (void) state;
    for (int welcomes = 0; welcomes < 2; welcomes++) {
        struct end client;
        size_t len;

        end_init(&client, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_PLAIN, false);
        start_after_greeting(&client);
        if (welcomes) {
            len = put_command(octets, body, mcq_encode_plain_welcome(body));
            assert_int_equal(feed(&client, octets, len), MCQ_AGAIN);
        }
        /* READY where WELCOME is due, and a second WELCOME where READY is. */
        len = welcomes ? put_command(octets, body, mcq_encode_plain_welcome(body))
                       : put_command(octets, body, mcq_encode_ready(body, none));
        assert_int_equal(feed(&client, octets, len), MCQ_PROTO);
        assert_int_equal(mcq_session_failure(&client.session)->reason,
                         MCQ_REASON_UNEXPECTED_COMMAND);
        assert_int_equal(mcq_session_failure(&client.session)->rule,
                         welcomes ? MCQ_RULE_PLAIN_CLIENT_WAIT_READY
                                  : MCQ_RULE_PLAIN_CLIENT_WAIT_WELCOME);
        end_fini(&client);
    }
}

static void plain_client__error_in_both_spellings__the_reason_and_refused(void **state)
{
    static const char spelt[2][12] = {"\x04\x0a\x05"
                                      "ERROR\x03"
                                      "400",
                                      "\x04\x09^RROR\x03"
                                      "400"};

    (void) state;
    for (int i = 0; i < 2; i++) {
        struct end client;

        end_init(&client, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_PLAIN, false);
        start_after_greeting(&client);
        assert_int_equal(feed(&client, spelt[i], i == 0 ? 12 : 11), MCQ_REFUSED);
        assert_int_equal(client.count[MCQ_EVENT_REFUSED], 1);
        end_fini(&client);
    }
}

/* Is the password in memory that the session keeps? */
static bool holds_password(const struct mcq_grow *grow)
{
    size_t len = sizeof password - 1;

    mcq_written(grow->data, grow->capacity); /* whatever lies there is looked at */
    for (size_t at = 0; at + len <= grow->capacity; at++) {
        if (memcmp(grow->data + at, password, len) == 0)
            return true;
    }
    return false;
}

static void fault_b14__hello_of_plain_has_left__no_password_stays(void **state)
{
    struct end client;

    (void) state;
    end_init(&client, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_PLAIN, false);
    start_after_greeting(&client);
    assert_true(holds_password(&client.session.out));
    mcq_session_sent(&client.session, mcq_session_want(&client.session).len);
    assert_int_equal(mcq_session_want(&client.session).len, 0);
    assert_false(holds_password(&client.session.out));
    end_fini(&client);
}

static void fault_b14__password_was_judged__none_stays(void **state)
{
    uint8_t hello[128];
    uint8_t octets[140];
    size_t len = put_command(
        octets, hello, mcq_encode_plain_hello(hello, mcq_bytes_of(user), mcq_bytes_of(password)));

    (void) state;
    for (size_t cut = 1; cut < len; cut++) {
        struct end server;

        end_init(&server, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_PLAIN, true);
        server.answers_late = true;
        start_after_greeting(&server);
        assert_int_equal(feed(&server, octets, cut), MCQ_AGAIN);
        assert_int_equal(feed(&server, octets + cut, len - cut), MCQ_AGAIN);
        assert_string_equal(server.seen_password, password);
        assert_true(cut <= 2 || holds_password(&server.session.cut));
        assert_int_equal(mcq_session_zap(&server.session, 200, 0), MCQ_OK);
        assert_false(holds_password(&server.session.cut));
        assert_null(server.session.handshake.credentials.password.data);
        end_fini(&server);
    }
}

/* --- NULL with a domain ---------------------------------------------------------------------- */

static void null__zap_answers_after_the_peer_is_ready__its_metadata_was_kept(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
        struct end asking;
        struct end peer;

        end_init(&asking, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
        end_init(&peer, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_NULL, false);
        asking.config.asks_zap = true;
        asking.answers_late = true;
        peer.config.routing_id = mcq_bytes_of("peer");
        end_start(&asking);
        end_start(&peer);
        talk(&asking, &peer, steps[i]);
        assert_int_equal(asking.count[MCQ_EVENT_ZAP], 1);
        assert_int_equal(asking.count[MCQ_EVENT_READY], 0);
        assert_int_equal(mcq_session_phase(&peer.session), MCQ_PHASE_HANDSHAKE);

        assert_int_equal(mcq_session_zap(&asking.session, 200, 0), MCQ_OK);
        assert_int_equal(mcq_session_zap(&asking.session, 200, 0), MCQ_STATE);
        assert_int_equal(feed(&asking, NULL, 0), MCQ_AGAIN);
        assert_string_equal(asking.seen_type, "DEALER");
        talk(&asking, &peer, steps[i]);
        assert_int_equal(mcq_session_phase(&peer.session), MCQ_PHASE_TRAFFIC);
        assert_int_equal(asking.count[MCQ_EVENT_READY], 1);
        end_fini(&asking);
        end_fini(&peer);
    }
}

static void null__zap_answers_while_ready_arrives__no_octet_is_lost(void **state)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";

    (void) state;
    for (size_t cut = 0; cut < sizeof ready - 1; cut++) {
        struct mcq_greeting_v3 greeting;
        struct end asking;

        put_greeting(&greeting, "NULL");
        end_init(&asking, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
        asking.config.asks_zap = true;
        asking.answers_late = true;
        end_start(&asking);
        assert_int_equal(feed(&asking, &greeting, sizeof greeting), MCQ_AGAIN);
        assert_int_equal(feed(&asking, ready, cut), MCQ_AGAIN);
        assert_int_equal(asking.count[MCQ_EVENT_ZAP], 1);
        assert_int_equal(mcq_session_zap(&asking.session, 200, 0), MCQ_OK);
        assert_int_equal(feed(&asking, ready + cut, sizeof ready - 1 - cut), MCQ_AGAIN);
        assert_int_equal(asking.count[MCQ_EVENT_READY], 1);
        assert_string_equal(asking.seen_type, "DEALER");
        end_fini(&asking);
    }
}

static void null__a_second_command_before_zap_answers__refused_and_ready_never_told(void **state)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    struct mcq_greeting_v3 greeting;
    struct end asking;

    (void) state;
    put_greeting(&greeting, "NULL");
    end_init(&asking, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
    asking.config.asks_zap = true;
    asking.answers_late = true;
    end_start(&asking);
    assert_int_equal(feed(&asking, &greeting, sizeof greeting), MCQ_AGAIN);
    assert_int_equal(feed(&asking, ready, sizeof ready - 1), MCQ_AGAIN);
    assert_int_equal(feed(&asking, ready, 3), MCQ_PROTO);
    assert_int_equal(mcq_session_failure(&asking.session)->rule, MCQ_RULE_NULL_PEER_HEARD_WAIT_ZAP);
    assert_int_equal(asking.count[MCQ_EVENT_READY], 0);
    end_fini(&asking);
}

static void null__nobody_to_ask__no_question(void **state)
{
    struct end a;
    struct end b;

    (void) state;
    end_init(&a, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
    end_init(&b, MCQ_SOCKET_TYPE_DEALER, MCQ_MECHANISM_NULL, false);
    end_start(&a);
    end_start(&b);
    assert_int_equal(mcq_session_zap(&a.session, 200, 0), MCQ_STATE);
    talk(&a, &b, SIZE_MAX);
    assert_int_equal(a.count[MCQ_EVENT_ZAP] + b.count[MCQ_EVENT_ZAP], 0);
    assert_int_equal(mcq_session_phase(&a.session), MCQ_PHASE_TRAFFIC);
    end_fini(&a);
    end_fini(&b);
}

/* --- all ------------------------------------------------------------------------------------- */

static void config__curve_or_credentials_too_long__invalid(void **state)
{
    static const uint8_t octets[256];
    struct mcq_session session;
    struct end end;

    (void) state;
    end_init(&end, MCQ_SOCKET_TYPE_REQ, MCQ_MECHANISM_CURVE, false);
    assert_int_equal(mcq_session_init(&session, &end.config, 0), MCQ_INVAL);
    end_init(&end, MCQ_SOCKET_TYPE_REQ, MCQ_MECHANISM_PLAIN, false);
    end.config.username = mcq_bytes(octets, sizeof octets);
    assert_int_equal(mcq_session_init(&session, &end.config, 0), MCQ_INVAL);
    end_init(&end, MCQ_SOCKET_TYPE_REQ, MCQ_MECHANISM_PLAIN, false);
    end.config.password = mcq_bytes(octets, sizeof octets);
    assert_int_equal(mcq_session_init(&session, &end.config, 0), MCQ_INVAL);
}

static void each_allocation_refused__both_mechanisms__fails_cleanly(void **state)
{
    (void) state;
    for (int plain = 0; plain < 2; plain++) {
        for (size_t nth = 1; nth < 12; nth++) {
            struct end ends[2];
            enum mcq_mechanism mechanism = plain ? MCQ_MECHANISM_PLAIN : MCQ_MECHANISM_NULL;

            for (int i = 0; i < 2; i++) {
                end_init(&ends[i], i ? MCQ_SOCKET_TYPE_ROUTER : MCQ_SOCKET_TYPE_DEALER, mechanism,
                         i == 1);
                ends[i].config.asks_zap = true;
                end_start(&ends[i]);
            }
            mcq_alloc_fail_at(nth);
            talk(&ends[0], &ends[1], 5);
            mcq_alloc_fail_at(0);
            for (int i = 0; i < 2; i++) {
                enum mcq_err err = mcq_session_failure(&ends[i].session)->err;

                assert_true(err == MCQ_OK || err == MCQ_NOMEM);
                end_fini(&ends[i]);
            }
        }
    }
}

#define security_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        security_test(plain__right_credentials__ready_on_both_sides_at_every_step),
        security_test(plain__each_status_that_is_no_yes__refused_and_told_only_where_it_should),
        security_test(plain_server__any_command_while_zap_is_asked__early_and_refused),
        security_test(fault_a11__wrong_user_or_wrong_password__the_same_octets),
        security_test(plain_client__each_command_out_of_turn__refused_by_its_state),
        security_test(plain_client__error_in_both_spellings__the_reason_and_refused),
        security_test(fault_b14__hello_of_plain_has_left__no_password_stays),
        security_test(fault_b14__password_was_judged__none_stays),
        security_test(null__zap_answers_after_the_peer_is_ready__its_metadata_was_kept),
        security_test(null__zap_answers_while_ready_arrives__no_octet_is_lost),
        security_test(null__a_second_command_before_zap_answers__refused_and_ready_never_told),
        security_test(null__nobody_to_ask__no_question),
        security_test(config__curve_or_credentials_too_long__invalid),
        security_test(each_allocation_refused__both_mechanisms__fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
