/* A session with peers of 1.0 and 2.0: what they say is written out here octet by octet. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "session/session.h"
#include "session/state.h"
#include "wire/encode.h"

#include "session/greeting.h"

#define MS UINT64_C(1000000)
#define SIGNATURE "\xff\0\0\0\0\0\0\0\1\x7f"
#define OCTETS(text) mcq_bytes(text, sizeof(text) - 1)

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

/* How a peer begins: all up to the first message. */
static const struct beginning {
    enum mcq_zmtp version;
    enum mcq_framing framing;
    enum mcq_socket_type type; /* as it says itself */
    struct mcq_bytes octets;   /* with the identity "id" */
    struct mcq_bytes answer;   /* ours: a DEALER, with the routing id "me" */
} beginnings[] = {
    {MCQ_ZMTP_1_0,
     MCQ_FRAMING_V1,
     MCQ_SOCKET_TYPE_NONE,
     {(const uint8_t *) "\3\0id", 4},
     {(const uint8_t *) "\xff\0\0\0\0\0\0\0\3\x7fme", 12}},
    {MCQ_ZMTP_1_0,
     MCQ_FRAMING_V1,
     MCQ_SOCKET_TYPE_NONE,
     {(const uint8_t *) "\xff\0\0\0\0\0\0\0\3\0id", 12},
     {(const uint8_t *) "\xff\0\0\0\0\0\0\0\3\x7fme", 12}},
    {MCQ_ZMTP_1_0,
     MCQ_FRAMING_V1,
     MCQ_SOCKET_TYPE_ROUTER,
     {(const uint8_t *) SIGNATURE "\0\6\3\0id", 16},
     {(const uint8_t *) "\xff\0\0\0\0\0\0\0\3\x7f\3\5\3\0me", 16}},
    {MCQ_ZMTP_2_0,
     MCQ_FRAMING_V2,
     MCQ_SOCKET_TYPE_ROUTER,
     {(const uint8_t *) SIGNATURE "\1\6\0\2id", 16},
     {(const uint8_t *) "\xff\0\0\0\0\0\0\0\3\x7f\3\5\0\2me", 16}},
};

struct side {
    struct mcq_session session;
    struct mcq_session_config config;
    unsigned count[MCQ_EVENT_IGNORED + 1];
    struct mcq_event last;
    enum mcq_event_kind order[8];
    size_t order_count;
    uint8_t identity[256];
    struct mcq_event ready;
};

static void side_init(struct side *side, enum mcq_socket_type type, enum mcq_profile profile)
{
    memset(side, 0, sizeof *side);
    mcq_session_config_init(&side->config, type, profile);
    side->config.meets_older = true;
}

static void side_start(struct side *side)
{
    assert_int_equal(mcq_session_init(&side->session, &side->config, 0), MCQ_OK);
}

static void note(struct side *side, const struct mcq_event *event)
{
    side->count[event->kind]++;
    side->last = *event;
    if (side->order_count < MCQ_COUNTOF(side->order))
        side->order[side->order_count++] = event->kind;
    if (event->kind != MCQ_EVENT_READY)
        return;
    side->ready = *event;
    assert_true(event->ready.identity.len <= sizeof side->identity);
    mcq_put_bytes(side->identity, event->ready.identity);
}

static enum mcq_err feed(struct side *side, struct mcq_bytes octets, size_t step)
{
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_event event;

    while (octets.len > 0 && err == MCQ_AGAIN) {
        struct mcq_bytes in = mcq_bytes(octets.data, mcq_min_size(step, octets.len));

        mcq_bytes_skip(&octets, in.len);
        while ((err = mcq_session_feed(&side->session, &in, 0, &event)) == MCQ_OK)
            note(side, &event);
    }
    return err;
}

/* Behind the beginning; what went out by then is gone. */
static void start_in_traffic(struct side *side, const struct beginning *beginning)
{
    side_start(side);
    assert_int_equal(feed(side, beginning->octets, SIZE_MAX), MCQ_AGAIN);
    assert_int_equal(mcq_session_phase(&side->session), MCQ_PHASE_TRAFFIC);
    mcq_session_sent(&side->session, mcq_session_want(&side->session).len);
}

static void side_end(struct side *side)
{
    mcq_session_fini(&side->session);
}

static void handshake__each_age_at_every_step__ready_with_the_version_and_our_identity(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        const struct beginning *b = &beginnings[i];

        for (size_t step = 1; step <= b->octets.len; step++) {
            struct side side;

            side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
            side.config.routing_id = mcq_bytes_of("me");
            side_start(&side);
            assert_int_equal(feed(&side, b->octets, step), MCQ_AGAIN);
            assert_int_equal(side.count[MCQ_EVENT_GREETING], 1);
            assert_int_equal(side.count[MCQ_EVENT_READY], 1);
            assert_int_equal(side.ready.ready.version, b->version);
            assert_int_equal(side.ready.ready.socket_type, b->type);
            assert_int_equal(side.ready.ready.identity.len, 2);
            assert_memory_equal(side.identity, "id", 2);
            assert_int_equal(side.ready.ready.metadata.len, 0);
            assert_int_equal(mcq_session_framing(&side.session), b->framing);
            assert_true(mcq_bytes_equal(mcq_session_want(&side.session), b->answer));
            side_end(&side);
        }
    }
}

/* The second message of each kind begins where the first one ended. */
static void traffic__frames_of_the_age__both_ways(void **state)
{
    static const struct {
        struct mcq_bytes two_parts;
        struct mcq_bytes head; /* ours, of 300 octets */
    } frames[MCQ_FRAMING_COUNT] = {
        [MCQ_FRAMING_V1] = {{(const uint8_t *) "\2\1a\2\0b", 6},
                            {(const uint8_t *) "\xff\0\0\0\0\0\0\1\x2d\0", 10}},
        [MCQ_FRAMING_V2] = {{(const uint8_t *) "\1\1a\0\1b", 6},
                            {(const uint8_t *) "\2\0\0\0\0\0\0\1\x2c", 9}},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        const struct beginning *b = &beginnings[i];
        uint8_t head[MCQ_FRAME_HEAD_MAX];
        struct side side;

        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
        start_in_traffic(&side, b);
        assert_int_equal(feed(&side, frames[b->framing].two_parts, SIZE_MAX), MCQ_AGAIN);
        assert_int_equal(side.count[MCQ_EVENT_BODY], 2);
        assert_int_equal(side.last.body.part_index, 1);
        assert_memory_equal(side.last.body.piece.body.data, "b", 1);
        assert_true(mcq_bytes_equal(
            mcq_bytes(head, mcq_session_frame_head(&side.session, false, 300, head)),
            frames[b->framing].head));
        side_end(&side);
    }
}

static void heartbeat__to_a_peer_that_has_no_commands__none(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        struct side side;

        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
        side.config.heartbeat_ns = 10 * MS;
        start_in_traffic(&side, &beginnings[i]);
        assert_true(mcq_session_deadline_ns(&side.session) == MCQ_NEVER_NS);
        assert_int_equal(mcq_session_tick(&side.session, 100 * MS), MCQ_OK);
        assert_int_equal(mcq_session_want(&side.session).len, 0);
        assert_int_equal(mcq_session_join(&side.session, mcq_bytes_of("group"), true), MCQ_STATE);
        side_end(&side);
    }
}

static void handshake_deadline__before_the_identity__times_out(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        struct mcq_bytes most = beginnings[i].octets;
        struct side side;

        most.len--;
        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
        side.config.handshake_ns = 30 * MS;
        side_start(&side);
        assert_int_equal(feed(&side, most, SIZE_MAX), MCQ_AGAIN);
        assert_int_equal(mcq_session_phase(&side.session), MCQ_PHASE_HANDSHAKE);
        assert_int_equal(mcq_session_tick(&side.session, 30 * MS), MCQ_TIMEOUT);
        assert_int_equal(mcq_session_failure(&side.session)->reason, MCQ_REASON_HANDSHAKE_TIMEOUT);
        side_end(&side);
    }
}

/* The form of a subscription, by what the publisher's greeting says. */
static void subscribe__by_the_version__message_or_command(void **state)
{
    struct mcq_greeting_v3 greeting;
    const struct {
        struct mcq_bytes begins;
        struct mcq_bytes said;
    } rows[] = {
        {OCTETS("\1\0"), OCTETS("\3\0\1A")},
        {OCTETS(SIGNATURE "\0\1\1\0"), OCTETS("\3\0\1A")},
        {OCTETS(SIGNATURE "\1\1\0\0"), OCTETS("\0\2\1A")},
        {mcq_bytes(&greeting, sizeof greeting), OCTETS("\0\2\1A")}, /* 3.0 */
        {mcq_bytes(&greeting, sizeof greeting), OCTETS("\4\13\11SUBSCRIBEA")},
    };
    struct mcq_bytes ready = OCTETS("\4\x19\5READY\13Socket-Type\0\0\0\3PUB");

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct side side;

        put_greeting(&greeting, "NULL");
        greeting.minor = i == 3 ? 0 : 1;
        side_init(&side, MCQ_SOCKET_TYPE_SUB, MCQ_PROFILE_NATIVE);
        side_start(&side);
        assert_int_equal(feed(&side, rows[i].begins, SIZE_MAX), MCQ_AGAIN);
        if (i >= 3)
            assert_int_equal(feed(&side, ready, SIZE_MAX), MCQ_AGAIN);
        assert_int_equal(side.ready.ready.version, i < 2    ? MCQ_ZMTP_1_0
                                                   : i == 2 ? MCQ_ZMTP_2_0
                                                   : i == 3 ? MCQ_ZMTP_3_0
                                                            : MCQ_ZMTP_3_1);
        mcq_session_sent(&side.session, mcq_session_want(&side.session).len);
        assert_int_equal(mcq_session_subscribe(&side.session, mcq_bytes_of("A"), true), MCQ_OK);
        assert_true(mcq_bytes_equal(mcq_session_want(&side.session), rows[i].said));
        side_end(&side);
    }
}

static void subscription__of_who_never_subscribes__is_to_everything(void **state)
{
    (void) state;
    for (int greets = 0; greets < 2; greets++) {
        for (int publishes = 0; publishes < 2; publishes++) {
            struct side side;

            side_init(&side, publishes ? MCQ_SOCKET_TYPE_XPUB : MCQ_SOCKET_TYPE_PUSH,
                      MCQ_PROFILE_COMPAT);
            side_start(&side);
            assert_int_equal(
                feed(&side, greets ? OCTETS(SIGNATURE "\0\2\1\0") : OCTETS("\1\0"), SIZE_MAX),
                MCQ_AGAIN);
            assert_int_equal(side.count[MCQ_EVENT_SUBSCRIBE], publishes && !greets);
            if (publishes && !greets) {
                assert_int_equal(side.order[1], MCQ_EVENT_READY);
                assert_int_equal(side.order[2], MCQ_EVENT_SUBSCRIBE);
                assert_int_equal(side.last.topic.len, 0);
            }
            side_end(&side);
        }
    }
}

static void check_refused(struct side *side, struct mcq_bytes octets, enum mcq_err err,
                          enum mcq_rule rule)
{
    side_start(side);
    assert_int_equal(feed(side, octets, SIZE_MAX), err);
    assert_int_equal(mcq_session_failure(&side->session)->rule, rule);
    assert_int_equal(side->count[MCQ_EVENT_READY], 0);
    side_end(side);
}

static void older_peers__where_security_is_asked_for_or_nobody_wants_them__refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        bool greets = beginnings[i].type != MCQ_SOCKET_TYPE_NONE;
        enum mcq_rule rule = greets ? MCQ_RULE_GREETING_V2 : MCQ_RULE_GREETING_V1;
        struct side side;

        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_COMPAT);
        side.config.asks_zap = true;
        check_refused(&side, beginnings[i].octets, MCQ_MISMATCH, rule);
        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_COMPAT);
        side.config.mechanism = MCQ_MECHANISM_PLAIN;
        check_refused(&side, beginnings[i].octets, MCQ_MISMATCH, rule);
        side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_COMPAT);
        side.config.meets_older = false;
        check_refused(&side, beginnings[i].octets, MCQ_PROTO, rule);
    }
}

static void profiles__older_peers__welcome_in_compat_only_unless_said_otherwise(void **state)
{
    struct mcq_session_config config;

    (void) state;
    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    assert_false(config.meets_older);
    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_COMPAT);
    assert_true(config.meets_older);
}

static void profiles__loose_older_peers__only_compat_takes_them(void **state)
{
    static const struct {
        struct mcq_bytes octets;
        enum mcq_rule rule;
    } rows[] = {
        /* A type that does not fit; none at all; an identity that begins with zero, that has MORE,
         * with reserved bits; a message with reserved bits, a frame with the bit of a command. */
        {{(const uint8_t *) SIGNATURE "\1\1\0\0", 14}, MCQ_RULE_GREETING_V2_SOCKET_TYPE},
        {{(const uint8_t *) SIGNATURE "\1\x63\0\0", 14}, MCQ_RULE_GREETING_V2_SOCKET_TYPE},
        {{(const uint8_t *) "\3\0\0a", 4}, MCQ_RULE_READY_METADATA_IDENTITY},
        {{(const uint8_t *) "\1\1", 2}, MCQ_RULE_GREETING_V1},
        {{(const uint8_t *) "\1\x80", 2}, MCQ_RULE_FRAME_V1_FLAGS},
        {{(const uint8_t *) "\1\0\1\x80", 4}, MCQ_RULE_FRAME_V1_FLAGS},
        {{(const uint8_t *) SIGNATURE "\1\10\0\0\4\5\4PING", 21}, MCQ_RULE_FRAME_V2_FLAGS},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        enum mcq_err err =
            rows[i].rule == MCQ_RULE_GREETING_V2_SOCKET_TYPE ? MCQ_MISMATCH : MCQ_PROTO;
        struct side side;

        side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_COMPAT);
        side_start(&side);
        assert_int_equal(feed(&side, rows[i].octets, SIZE_MAX), MCQ_AGAIN);
        assert_int_equal(side.count[MCQ_EVENT_READY], 1);
        assert_int_equal(side.count[MCQ_EVENT_PING], 0); /* dropped, not answered */
        side_end(&side);
        side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
        side_start(&side);
        assert_int_equal(feed(&side, rows[i].octets, SIZE_MAX), err);
        assert_int_equal(mcq_session_failure(&side.session)->rule, rows[i].rule);
        side_end(&side);
    }
}

static void identity__of_255_octets_and_more__refused_above(void **state)
{
    (void) state;
    for (size_t len = 254; len <= 256; len++) {
        uint8_t octets[MCQ_FRAME_HEAD_MAX + 256];
        uint8_t *end = mcq_encode_frame_v1_head(octets, 0, len);
        struct side side;

        memset(end, 'i', len);
        side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
        side_start(&side);
        assert_int_equal(feed(&side, mcq_bytes(octets, (size_t) (end - octets) + len), 1),
                         len <= MCQ_PROPERTY_IDENTITY_BYTES_MAX ? MCQ_AGAIN : MCQ_PROTO);
        assert_int_equal(side.count[MCQ_EVENT_READY], len <= MCQ_PROPERTY_IDENTITY_BYTES_MAX);
        side_end(&side);
    }
}

static void each_allocation_refused__a_handshake__fails_cleanly(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(beginnings); i++) {
        for (uint64_t at = 1;; at++) {
            struct side side;
            enum mcq_err err;

            side_init(&side, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
            side.config.routing_id = mcq_bytes_of("me");
            mcq_alloc_fail_at(at);
            err = mcq_session_init(&side.session, &side.config, 0);
            if (err == MCQ_OK) {
                err = feed(&side, beginnings[i].octets, 1);
                side_end(&side);
            }
            mcq_alloc_fail_at(0);
            if (err == MCQ_AGAIN)
                break;
            assert_int_equal(err, MCQ_NOMEM);
            assert_true(at < 20);
        }
    }
}

#define session_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(handshake__each_age_at_every_step__ready_with_the_version_and_our_identity),
        session_test(traffic__frames_of_the_age__both_ways),
        session_test(heartbeat__to_a_peer_that_has_no_commands__none),
        session_test(handshake_deadline__before_the_identity__times_out),
        session_test(subscribe__by_the_version__message_or_command),
        session_test(subscription__of_who_never_subscribes__is_to_everything),
        session_test(older_peers__where_security_is_asked_for_or_nobody_wants_them__refused),
        session_test(profiles__older_peers__welcome_in_compat_only_unless_said_otherwise),
        session_test(profiles__loose_older_peers__only_compat_takes_them),
        session_test(identity__of_255_octets_and_more__refused_above),
        session_test(each_allocation_refused__a_handshake__fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
