/* Messages and commands in boxes. */

#include "session/curve_support.h"

/* --- messages --------------------------------------------------------------------------------- */

static void fault_b7__messages_said_twice_or_late__are_refused(void **state)
{
    uint8_t first[512];
    uint8_t second[512];

    (void) state;
    for (unsigned late = 0; late < 2; late++) {
        struct end client;
        struct end server;
        size_t first_len;
        size_t second_len;

        meet(&client, &server);
        first_len = seal(&client, false, "first", first);
        second_len = seal(&client, false, "second", second);
        assert_int_equal(feed(&server, late ? second : first, late ? second_len : first_len),
                         MCQ_AGAIN);
        assert_int_equal(feed(&server, first, first_len), MCQ_PROTO);
        assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE_NONCE);
        assert_int_equal(server.count[MCQ_EVENT_BODY], 1);
        finish(&client, &server);
    }
}

/* Gaps are allowed: libzmq leaves some when it drops messages. */
static void messages__with_a_gap__are_taken(void **state)
{
    uint8_t lost[512];
    struct end client;
    struct end server;

    (void) state;
    meet(&client, &server);
    (void) seal(&client, false, "lost", lost);
    say(&client, &server, "here");
    assert_memory_equal(server.heard, "here", server.heard_len);
    finish(&client, &server);
}

static void fault_d8__any_octet_of_a_message_changed__ends_the_connection(void **state)
{
    uint8_t frame[512] = {0};

    (void) state;
    for (size_t at = FRAME_HEAD; at < FRAME_HEAD + MCQ_CURVE_DATA_AT + 4; at++) {
        struct end client;
        struct end server;
        size_t len;

        meet(&client, &server);
        len = seal(&client, false, "text", frame);
        frame[at] ^= 1;
        assert_int_equal(feed(&server, frame, len), MCQ_PROTO);
        assert_int_equal(server.count[MCQ_EVENT_BODY], 0);
        finish(&client, &server);
    }
}

static void fault_b22__messages_of_ones_own__do_not_open(void **state)
{
    uint8_t frame[512] = {0};
    struct end client;
    struct end server;

    (void) state;
    meet(&client, &server);
    (void) seal(&server, false, "to pass READY's number", frame);
    assert_int_equal(feed(&server, frame, seal(&server, false, "mirrored", frame)), MCQ_PROTO);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE_SEALED);
    assert_int_equal(mcq_session_failure(&server.session)->reason, MCQ_REASON_NOT_OPENED);
    finish(&client, &server);
}

/* RFC 37's way to send them. libzmq opens such a frame and throws away what is in it. */
static void defect_command_bit_of_messages__taken_and_never_sent(void **state)
{
    uint8_t frame[512] = {0};
    struct end client;
    struct end server;
    size_t len;

    (void) state;
    meet(&client, &server);
    len = seal(&client, true, "part", frame);
    frame[0] |= MCQ_FRAME_COMMAND;
    assert_int_equal(feed(&server, frame, len), MCQ_AGAIN);
    assert_int_equal(server.count[MCQ_EVENT_BODY], 1);
    assert_int_equal(server.flags, MCQ_FRAME_MORE);
    assert_int_equal(seal(&server, false, "ours", frame), len);
    assert_int_equal(frame[0], 0); /* as libzmq has to be told */
    finish(&client, &server);
}

/* Nobody vouches for it; libzmq counts it. */
static void messages__with_more_outside__are_refused(void **state)
{
    uint8_t frame[512] = {0};
    struct end client;
    struct end server;
    size_t len;

    (void) state;
    meet(&client, &server);
    len = seal(&client, false, "text", frame);
    frame[0] |= MCQ_FRAME_MORE;
    assert_int_equal(feed(&server, frame, len), MCQ_PROTO);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE);
    finish(&client, &server);
}

/* Whole, and octet by octet: what was wrong is told the same. */
static void expect_refused(struct mcq_bytes frame, enum mcq_rule rule, enum mcq_reason reason)
{
    for (size_t step = 1; step <= frame.len; step += frame.len - 1) {
        struct end client;
        struct end server;

        meet(&client, &server);
        for (size_t at = 0; at < frame.len && server.err == MCQ_AGAIN; at += step)
            (void) feed(&server, frame.data + at, mcq_min_size(step, frame.len - at));
        assert_failed(&server, MCQ_PROTO, rule);
        assert_string_equal(mcq_reason_name(mcq_session_failure(&server.session)->reason),
                            mcq_reason_name(reason));
        assert_int_equal(server.count[MCQ_EVENT_BODY], 0);
        finish(&client, &server);
    }
}

static void fault_b10__messages_in_clear_or_short__are_refused(void **state)
{
    static const uint8_t clear[] = {0, 2, 'h', 'i'};
    static const uint8_t empty[] = {0, 0};
    static const uint8_t other[] = {0, 5, 4, 'W', 'H', 'A', 'T'};
    static const uint8_t cut[] = {0, 4, 7, 'M', 'E', 'S'};
    uint8_t shorter[FRAME_HEAD + MCQ_CURVE_MESSAGE_BYTES_MIN] = {0,
                                                                 MCQ_CURVE_MESSAGE_BYTES_MIN - 1};

    (void) state;
    (void) mcq_encode_curve_message(shorter + FRAME_HEAD, 9, mcq_bytes(NULL, 0));
    expect_refused(mcq_bytes(clear, sizeof clear), MCQ_RULE_CURVE_MESSAGE,
                   MCQ_REASON_MALFORMED_COMMAND);
    expect_refused(mcq_bytes(empty, sizeof empty), MCQ_RULE_CURVE_MESSAGE,
                   MCQ_REASON_MALFORMED_COMMAND);
    expect_refused(mcq_bytes(other, sizeof other), MCQ_RULE_CURVE_MESSAGE,
                   MCQ_REASON_UNEXPECTED_COMMAND);
    expect_refused(mcq_bytes(cut, sizeof cut), MCQ_RULE_CURVE_MESSAGE,
                   MCQ_REASON_MALFORMED_COMMAND);
    expect_refused(mcq_bytes(shorter, sizeof shorter - 1), MCQ_RULE_CURVE_MESSAGE_SEALED,
                   MCQ_REASON_MALFORMED_COMMAND);
}

static void messages__beyond_the_limits_of_their_content__are_refused(void **state)
{
    uint8_t frame[512] = {0};
    struct end client;
    struct end server;

    (void) state;
    end_init(&client, false);
    end_init(&server, true);
    server.config.max_frame_bytes = 4;
    server.config.max_message_bytes = 6;
    end_start(&client);
    end_start(&server);
    talk(&client, &server, SIZE_MAX);
    assert_int_equal(feed(&server, frame, seal(&client, true, "four", frame)), MCQ_AGAIN);
    assert_int_equal(feed(&server, frame, seal(&client, false, "four", frame)), MCQ_LIMIT);
    assert_failed(&server, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_MESSAGE_BYTES);
    finish(&client, &server);

    end_init(&client, false);
    end_init(&server, true);
    server.config.max_frame_bytes = 4;
    end_start(&client);
    end_start(&server);
    talk(&client, &server, SIZE_MAX);
    assert_int_equal(feed(&server, frame, seal(&client, false, "fives", frame)), MCQ_LIMIT);
    assert_failed(&server, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_FRAME_BYTES);
    finish(&client, &server);
}

/* --- commands in boxes ------------------------------------------------------------------------ */

/* The numbers of messages have 64 bits, and none is used twice. */
static void fault_c14__numbers_beyond_32_bits__and_the_last_one_ends_it(void **state)
{
    uint8_t frame[512] = {0};
    struct end client;
    struct end server;
    size_t len;

    (void) state;
    meet(&client, &server);
    client.session.curve->sent_nonce = UINT32_MAX - 1;
    say(&client, &server, "a");
    say(&client, &server, "b");
    assert_true(server.session.curve->seen_nonce == UINT64_C(1) << 32);
    client.session.curve->sent_nonce = UINT64_MAX - 1;
    say(&client, &server, "c");
    assert_memory_equal(server.heard, "abc", 3);
    len = seal(&client, false, "dddddddd", frame);
    for (size_t i = 0; i + 8 <= len; i++)
        assert_memory_not_equal(frame + i, "dddddddd", 8);
    assert_int_equal(feed(&server, frame, len), MCQ_PROTO);
    assert_failed(&server, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE_NONCE);
    assert_int_equal(server.heard_len, 3);
    finish(&client, &server);
}

static void commands__heartbeats_and_groups__travel_in_boxes(void **state)
{
    struct end client;
    struct end server;
    struct mcq_bytes octets;

    (void) state;
    end_init(&client, false);
    end_init(&server, true);
    client.config.heartbeat_ns = 1000;
    end_start(&client);
    end_start(&server);
    talk(&client, &server, SIZE_MAX);
    assert_int_equal(mcq_session_tick(&client.session, 5000), MCQ_OK);
    octets = take(&client, SIZE_MAX);
    assert_int_equal(octets.data[0], 0); /* a MESSAGE like any other */
    assert_int_equal(feed(&server, octets.data, octets.len), MCQ_AGAIN);
    assert_int_equal(server.count[MCQ_EVENT_PING], 1);
    octets = take(&server, SIZE_MAX);
    assert_int_equal(feed(&client, octets.data, octets.len), MCQ_AGAIN);
    assert_int_equal(client.count[MCQ_EVENT_PONG], 1);
    assert_int_equal(mcq_session_join(&client.session, mcq_bytes_of("group"), true), MCQ_OK);
    octets = take(&client, SIZE_MAX);
    assert_int_equal(feed(&server, octets.data, octets.len), MCQ_AGAIN);
    assert_int_equal(server.count[MCQ_EVENT_IGNORED], 1); /* a ROUTER has no use for it */
    finish(&client, &server);
}

/* A flood of them costs no more than one answer that waits. */
static void commands__pings_that_nobody_writes_answers_to__are_answered_once(void **state)
{
    struct end client;
    struct end server;
    size_t want;

    (void) state;
    end_init(&client, false);
    end_init(&server, true);
    client.config.heartbeat_ns = 1000;
    end_start(&client);
    end_start(&server);
    talk(&client, &server, SIZE_MAX);
    for (unsigned i = 1; i < 20; i++) {
        struct mcq_bytes octets;

        assert_int_equal(mcq_session_tick(&client.session, (uint64_t) i * 1000), MCQ_OK);
        octets = take(&client, SIZE_MAX);
        assert_int_equal(feed(&server, octets.data, octets.len), MCQ_AGAIN);
        if (i == 1)
            want = mcq_session_want(&server.session).len;
        assert_int_equal(mcq_session_want(&server.session).len, want);
        mcq_session_excuse(&client.session, (uint64_t) i * 1000);
        mcq_session_heard(&client.session);
    }
    finish(&client, &server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_b7__messages_said_twice_or_late__are_refused),
        cmocka_unit_test(messages__with_a_gap__are_taken),
        cmocka_unit_test(fault_d8__any_octet_of_a_message_changed__ends_the_connection),
        cmocka_unit_test(fault_b22__messages_of_ones_own__do_not_open),
        cmocka_unit_test(defect_command_bit_of_messages__taken_and_never_sent),
        cmocka_unit_test(messages__with_more_outside__are_refused),
        cmocka_unit_test(fault_b10__messages_in_clear_or_short__are_refused),
        cmocka_unit_test(messages__beyond_the_limits_of_their_content__are_refused),
        cmocka_unit_test(fault_c14__numbers_beyond_32_bits__and_the_last_one_ends_it),
        cmocka_unit_test(commands__heartbeats_and_groups__travel_in_boxes),
        cmocka_unit_test(commands__pings_that_nobody_writes_answers_to__are_answered_once),
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
