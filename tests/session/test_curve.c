/* CURVE's handshake, both ends of it, and what an attacker in between or at one end can try. */

#include "session/curve_support.h"

/* --- the handshake ---------------------------------------------------------------------------- */

static void handshake__at_every_step__ready_on_both_sides(void **state)
{
    static const size_t steps[] = {1, 2, 7, 64, SIZE_MAX};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
        struct end client;
        struct end server;

        begin(&client, &server);
        talk(&client, &server, steps[i]);
        assert_int_equal(client.count[MCQ_EVENT_READY], 1);
        assert_int_equal(server.count[MCQ_EVENT_READY], 1);
        assert_int_equal(server.count[MCQ_EVENT_ZAP], 0);
        say(&client, &server, "to the server");
        say(&server, &client, "and back");
        assert_memory_equal(server.heard, "to the server", server.heard_len);
        assert_memory_equal(client.heard, "and back", client.heard_len);
        finish(&client, &server);
    }
}

static void handshake__the_same_random_octets__the_same_conversation(void **state)
{
    struct end client[2];
    struct end server[2];

    (void) state;
    for (unsigned i = 0; i < 2; i++)
        meet(&client[i], &server[i]);
    assert_int_equal(client[0].random_count, MCQ_CRYPTO_KEY_BYTES + 16);
    assert_int_equal(server[0].random_count, 2 * MCQ_CRYPTO_KEY_BYTES + 32);
    assert_int_equal(client[0].said_len, client[1].said_len);
    assert_memory_equal(client[0].said, client[1].said, client[0].said_len);
    assert_memory_equal(server[0].said, server[1].said, server[0].said_len);
    mcq_session_fini(&client[0].session);
    mcq_session_fini(&server[0].session);
    finish(&client[1], &server[1]);
}

static void fault_b4__another_servers_key__hello_does_not_open(void **state)
{
    struct end client;
    struct end server;

    (void) state;
    begin(&client, &server);
    client.keys.server = other_pair.public;
    talk(&client, &server, SIZE_MAX);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_HELLO_SEALED);
    assert_int_equal(client.count[MCQ_EVENT_READY] + server.count[MCQ_EVENT_READY], 0);
    finish(&client, &server);
}

/* The peers of libzmq's servers may prove themselves to one server and be passed on to another. */
static void fault_b6__a_vouch_for_another_server__is_refused(void **state)
{
    struct end client;
    struct end server;
    uint8_t hello[512];
    size_t len;

    (void) state;
    begin(&client, &server);
    take_hello(&client, &server, hello, &len);
    (void) feed(&server, hello, len);
    client.keys.server = other_pair.public; /* what its INITIATE will vouch for */
    talk(&client, &server, SIZE_MAX);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_INITIATE_SEALED_VOUCH_SERVER);
    finish(&client, &server);
}

static void fault_b6__a_vouch_by_another_key__is_refused(void **state)
{
    struct end client;
    struct end server;

    (void) state;
    begin(&client, &server);
    client.keys.own.public = other_pair.public; /* somebody else's, whose secret half it lacks */
    talk(&client, &server, SIZE_MAX);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_INITIATE_SEALED_VOUCH);
    finish(&client, &server);
}

/* What one connection said opens nothing on the next: its cookie has a key of its own. */
static void fault_b5__recorded_and_replayed__the_cookie_does_not_open(void **state)
{
    struct end client;
    struct end server;
    struct end next;

    (void) state;
    meet(&client, &server);
    end_init(&next, true);
    next.next_random = 77;
    end_start(&next);
    (void) feed(&next, client.said, client.said_len);
    assert_failed(&next, MCQ_PROTO, MCQ_RULE_CURVE_INITIATE_COOKIE);
    mcq_session_fini(&next.session);
    finish(&client, &server);
}

static void fault_b9__a_key_that_agrees_with_everyone__is_refused(void **state)
{
    struct end client;
    struct end server;
    uint8_t hello[512];
    size_t len;

    (void) state;
    begin(&client, &server);
    take_hello(&client, &server, hello, &len);
    memset(hello + FRAME_HEAD + MCQ_CURVE_HELLO_CLIENT_AT, 0, MCQ_CRYPTO_KEY_BYTES);
    (void) feed(&server, hello, len);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_HELLO_CLIENT);
    finish(&client, &server);
}

/* Each octet of the handshake matters, but for those that a native reader does not look at. */
static void
fault_d8__any_octet_of_a_handshake_changed__nobody_is_ready_who_should_not_be(void **state)
{
    struct end client;
    struct end server;
    struct end peer;
    size_t client_len;
    uint8_t said[LOG_BYTES];

    (void) state;
    meet(&client, &server);
    client_len = client.said_len;
    memcpy(said, client.said, client_len);
    finish(&client, &server);
    for (size_t at = GREETING; at < client_len; at++) {
        said[at] ^= 0x40;
        end_init(&peer, true);
        end_start(&peer);
        (void) feed(&peer, said, client_len);
        /* The nonce of HELLO is in its box's nonce; all of it is. */
        assert_int_equal(peer.count[MCQ_EVENT_READY], 0);
        said[at] ^= 0x40;
        end_fini(&peer);
    }
}

/* However far the octets go: nothing that was made without them leaves, and nobody is let in. */
static void fault_b13__no_random_octets__no_session(void **state)
{
    (void) state;
    for (int is_server = 0; is_server < 2; is_server++) {
        for (size_t most = 0; most < 2000; most += 8) {
            struct end client;
            struct end server;
            struct end *poor;

            end_init(&client, false);
            end_init(&server, true);
            poor = is_server ? &server : &client;
            poor->random_most = most;
            end_start(&client);
            end_start(&server);
            talk(&client, &server, SIZE_MAX);
            if (poor->random_count <= most) { /* they were enough */
                assert_int_equal(server.count[MCQ_EVENT_READY], 1);
                assert_true(most > MCQ_CRYPTO_KEY_BYTES);
                most = SIZE_MAX / 2;
            } else {
                assert_int_equal(poor->err, MCQ_NOMEM);
                assert_int_equal(poor->count[MCQ_EVENT_READY], 0);
                assert_int_equal(mcq_session_want(&poor->session).len, 0);
            }
            finish(&client, &server);
        }
    }
}

/* Wherever a box does not open, and whichever it is, the peer sees the end and nothing else. */
static void fault_b11__whatever_does_not_open__the_same_silence(void **state)
{
    const size_t hello_at[] = {FRAME_HEAD + MCQ_CURVE_HELLO_CLIENT_AT,
                               FRAME_HEAD + MCQ_CURVE_HELLO_SEALED_AT,
                               FRAME_HEAD + MCQ_CURVE_HELLO_BYTES - 1};
    const size_t initiate_head = 1 + sizeof(uint64_t); /* it is a long frame, or a short one */

    (void) state;
    for (size_t i = 0; i < 6; i++) {
        struct end client;
        struct end server;
        uint8_t octets[LOG_BYTES];
        struct mcq_bytes initiate;
        size_t len;

        begin(&client, &server);
        take_hello(&client, &server, octets, &len);
        if (i < 3)
            octets[hello_at[i]] ^= 1;
        (void) feed(&server, octets, len);
        if (i >= 3) {
            struct mcq_bytes welcome = take(&server, SIZE_MAX);

            assert_int_equal(feed(&client, welcome.data, welcome.len), MCQ_AGAIN);
            initiate = take(&client, SIZE_MAX);
            memcpy(octets, initiate.data, initiate.len);
            octets[i == 3   ? initiate_head + MCQ_CURVE_INITIATE_COOKIE_AT
                   : i == 4 ? initiate_head + MCQ_CURVE_INITIATE_SEALED_AT
                            : initiate.len - 1] ^= 1;
            (void) feed(&server, octets, initiate.len);
        }
        assert_int_equal(server.err, MCQ_PROTO);
        assert_int_equal(mcq_session_want(&server.session).len, 0);
        assert_int_equal(mcq_session_failure(&server.session)->reason, MCQ_REASON_NOT_OPENED);
        finish(&client, &server);
    }
}

static void fault_b8__commands_out_of_their_states__are_refused(void **state)
{
    struct end client;
    struct end server;
    struct end peer;
    uint8_t said[LOG_BYTES];
    size_t welcome_len = FRAME_HEAD + MCQ_CURVE_WELCOME_BYTES;

    (void) state;
    meet(&client, &server);
    memcpy(said, server.said, server.said_len);
    /* READY in place of WELCOME: libzmq tries to open it. */
    end_init(&peer, false);
    end_start(&peer);
    (void) feed(&peer, said, GREETING);
    (void) feed(&peer, said + GREETING + welcome_len, server.said_len - GREETING - welcome_len);
    assert_failed(&peer, MCQ_PROTO, MCQ_RULE_CURVE_CLIENT_WAIT_WELCOME);
    mcq_session_fini(&peer.session);
    /* WELCOME twice: libzmq takes it anew. */
    end_init(&peer, false);
    end_start(&peer);
    (void) feed(&peer, said, GREETING + welcome_len);
    assert_int_equal(mcq_session_failure(&peer.session)->err, MCQ_OK);
    (void) feed(&peer, said + GREETING, welcome_len);
    assert_failed(&peer, MCQ_PROTO, MCQ_RULE_CURVE_CLIENT_WAIT_READY);
    mcq_session_fini(&peer.session);
    finish(&client, &server);
}

static void fault_b12__padding_that_is_not_zero__is_refused_unopened(void **state)
{
    struct end client;
    struct end server;
    uint8_t hello[512];
    size_t len;

    (void) state;
    begin(&client, &server);
    take_hello(&client, &server, hello, &len);
    hello[FRAME_HEAD + MCQ_CURVE_HELLO_PADDING_AT + 5] = 1;
    memset(hello + FRAME_HEAD + MCQ_CURVE_HELLO_SEALED_AT, 0, MCQ_CURVE_HELLO_SEALED_BYTES);
    (void) feed(&server, hello, len);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_HELLO_PADDING);
    finish(&client, &server);
}

static void handshake__each_allocation_refused_once__no_memory_or_ready(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct end client;
        struct end server;
        bool was_refused;

        end_init(&client, false);
        end_init(&server, true);
        mcq_alloc_fail_at(n);
        if (mcq_session_init(&client.session, &client.config, 0) != MCQ_OK)
            continue;
        if (mcq_session_init(&server.session, &server.config, 0) != MCQ_OK) {
            mcq_session_fini(&client.session);
            continue;
        }
        talk(&client, &server, SIZE_MAX);
        was_refused = mcq_alloc_fail_left() == 0;
        if (!was_refused) {
            assert_int_equal(server.count[MCQ_EVENT_READY], 1);
        } else {
            assert_true(mcq_session_failure(&client.session)->err == MCQ_NOMEM ||
                        mcq_session_failure(&server.session)->err == MCQ_NOMEM);
        }
        finish(&client, &server);
        if (!was_refused)
            break;
    }
}

/* --- ZAP -------------------------------------------------------------------------------------- */

static void zap__asked__about_the_key_that_was_proved(void **state)
{
    static const size_t steps[] = {1, SIZE_MAX};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
        struct end client;
        struct end server;

        end_init(&client, false);
        end_init(&server, true);
        server.config.asks_zap = true;
        end_start(&client);
        end_start(&server);
        talk(&client, &server, steps[i]);
        (void) feed(&server, "", 0);
        talk(&client, &server, steps[i]);
        assert_int_equal(server.count[MCQ_EVENT_ZAP], 1);
        assert_memory_equal(server.zap_key, client_pair.public.octets, sizeof server.zap_key);
        assert_int_equal(server.count[MCQ_EVENT_READY], 1);
        assert_int_equal(client.count[MCQ_EVENT_READY], 1);
        finish(&client, &server);
    }
}

static void zap__says_no__error_tells_the_client(void **state)
{
    struct end client;
    struct end server;

    (void) state;
    end_init(&client, false);
    end_init(&server, true);
    server.config.asks_zap = true;
    server.status = 400;
    end_start(&client);
    end_start(&server);
    talk(&client, &server, SIZE_MAX);
    assert_failed(&server, MCQ_REFUSED, MCQ_RULE_CURVE_SERVER_WAIT_ZAP);
    assert_int_equal(client.count[MCQ_EVENT_REFUSED], 1);
    assert_failed(&client, MCQ_REFUSED, MCQ_RULE_ERROR);
    finish(&client, &server);
}

/* --- secrets ---------------------------------------------------------------------------------- */

static bool holds(const void *memory, size_t len, const uint8_t *secret)
{
    const uint8_t *octets = memory;

    for (size_t i = 0; i + MCQ_CRYPTO_KEY_BYTES <= len; i++)
        if (memcmp(octets + i, secret, MCQ_CRYPTO_KEY_BYTES) == 0)
            return true;
    return false;
}

static void fault_b14__secrets_of_the_handshake__are_gone_once_it_is_over(void **state)
{
    struct end client;
    struct end server;
    uint8_t drawn[2][MCQ_CRYPTO_KEY_BYTES];

    (void) state;
    meet(&client, &server);
    for (unsigned i = 0; i < MCQ_CRYPTO_KEY_BYTES; i++) {
        drawn[0][i] = (uint8_t) (1 + i);
        drawn[1][i] = (uint8_t) (101 + i);
    }
    assert_false(holds(server.session.curve, sizeof *server.session.curve, drawn[0]));
    assert_false(holds(client.session.curve, sizeof *client.session.curve, drawn[1]));
    assert_null(server.session.curve->keys);
    assert_false(holds(server.session.cut.data, server.session.cut.len, drawn[0]));
    say(&client, &server, "still");
    finish(&client, &server);
}

/* Between WELCOME and INITIATE all that the server needs is in the client's cookie. */
static void fault_b14__secrets_of_the_server__are_in_the_cookie_alone(void **state)
{
    struct end client;
    struct end server;
    uint8_t drawn[MCQ_CRYPTO_KEY_BYTES];
    uint8_t hello[512];
    size_t len;

    (void) state;
    begin(&client, &server);
    take_hello(&client, &server, hello, &len);
    (void) feed(&server, hello, len);
    for (unsigned i = 0; i < sizeof drawn; i++)
        drawn[i] = (uint8_t) (1 + i);
    assert_false(holds(server.session.curve, sizeof *server.session.curve, drawn));
    assert_true(mcq_crypto_equal(&server.session.curve->hello_key, &(struct mcq_crypto_key) {{0}},
                                 sizeof(struct mcq_crypto_key)));
    talk(&client, &server, SIZE_MAX);
    assert_int_equal(server.count[MCQ_EVENT_READY], 1);
    finish(&client, &server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake__at_every_step__ready_on_both_sides),
        cmocka_unit_test(handshake__the_same_random_octets__the_same_conversation),
        cmocka_unit_test(fault_b4__another_servers_key__hello_does_not_open),
        cmocka_unit_test(fault_b6__a_vouch_for_another_server__is_refused),
        cmocka_unit_test(fault_b6__a_vouch_by_another_key__is_refused),
        cmocka_unit_test(fault_b5__recorded_and_replayed__the_cookie_does_not_open),
        cmocka_unit_test(fault_b9__a_key_that_agrees_with_everyone__is_refused),
        cmocka_unit_test(
            fault_d8__any_octet_of_a_handshake_changed__nobody_is_ready_who_should_not_be),
        cmocka_unit_test(fault_b13__no_random_octets__no_session),
        cmocka_unit_test(fault_b11__whatever_does_not_open__the_same_silence),
        cmocka_unit_test(fault_b8__commands_out_of_their_states__are_refused),
        cmocka_unit_test(fault_b12__padding_that_is_not_zero__is_refused_unopened),
        cmocka_unit_test(handshake__each_allocation_refused_once__no_memory_or_ready),
        cmocka_unit_test(zap__asked__about_the_key_that_was_proved),
        cmocka_unit_test(zap__says_no__error_tells_the_client),
        cmocka_unit_test(fault_b14__secrets_of_the_handshake__are_gone_once_it_is_over),
        cmocka_unit_test(fault_b14__secrets_of_the_server__are_in_the_cookie_alone),
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
