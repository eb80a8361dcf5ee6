/* What a peer may try before and after its handshake: NULL, PLAIN, and the greetings of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "runtime/random.h"
#include "session/session.h"
#include "session/state.h"
#include "wire/encode.h"

#include "session/greeting.h"

static const char ready_of_dealer[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                      "DEALER";
static const char message[] = "\x00\x05hello";

#define READY_BYTES (sizeof ready_of_dealer - 1)
#define MESSAGE_BYTES (sizeof message - 1)

static struct mcq_curve_keys curve_keys;

static int ledger_is_empty(void **state)
{
    (void) state;
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

/* One session of ours, and what became of it. */
struct side {
    struct mcq_session session;
    struct mcq_session_config config;
    unsigned count[MCQ_EVENT_IGNORED + 1];
};

static void side_init(struct side *side, enum mcq_socket_type type, enum mcq_mechanism mechanism,
                      bool as_server)
{
    memset(side, 0, sizeof *side);
    mcq_session_config_init(&side->config, type, MCQ_PROFILE_NATIVE);
    side->config.mechanism = mechanism;
    side->config.as_server = as_server;
    side->config.username = mcq_bytes_of("user");
    side->config.password = mcq_bytes_of("password");
    side->config.curve = &curve_keys;
    side->config.random = mcq_random_system();
    assert_int_equal(mcq_session_init(&side->session, &side->config, 0), MCQ_OK);
}

/* Credentials are not what these tests are about: all are good. */
static enum mcq_err feed(struct side *side, const void *octets, size_t len)
{
    uint8_t *copy = test_malloc(len + 1); /* boxes are opened where they lie */
    struct mcq_bytes in = mcq_bytes(copy, len);
    struct mcq_event event;
    enum mcq_err err;

    memcpy(copy, octets, len);
    while ((err = mcq_session_feed(&side->session, &in, 0, &event)) == MCQ_OK) {
        side->count[event.kind]++;
        if (event.kind == MCQ_EVENT_ZAP)
            (void) !mcq_session_zap(&side->session, 200, 0);
    }
    test_free(copy);
    return err;
}

static void expect_nobody_in(const struct side *side)
{
    assert_int_equal(side->count[MCQ_EVENT_READY], 0);
    assert_int_equal(side->count[MCQ_EVENT_BODY], 0);
    assert_int_equal(side->count[MCQ_EVENT_SUBSCRIBE], 0);
    assert_int_not_equal(mcq_session_phase(&side->session), MCQ_PHASE_TRAFFIC);
}

static void side_end(struct side *side)
{
    mcq_session_fini(&side->session);
}

static void start_in_traffic(struct side *side, enum mcq_socket_type type, const char *ready,
                             size_t len)
{
    struct mcq_greeting_v3 greeting;

    side_init(side, type, MCQ_MECHANISM_NULL, false);
    put_greeting(&greeting, "NULL");
    assert_int_equal(feed(side, &greeting, sizeof greeting), MCQ_AGAIN);
    assert_int_equal(feed(side, ready, len), MCQ_AGAIN);
    assert_int_equal(mcq_session_phase(&side->session), MCQ_PHASE_TRAFFIC);
    mcq_session_sent(&side->session, mcq_session_want(&side->session).len);
}

/* --- downgrades ------------------------------------------------------------------------------- */

/* Greets with one octet changed, then goes on as a peer without any security would. */
static void greet_and_go_on(enum mcq_mechanism mechanism, bool as_server, bool meets_older,
                            const struct mcq_greeting_v3 *greeting)
{
    struct side side;

    memset(&side, 0, sizeof side);
    side_init(&side, MCQ_SOCKET_TYPE_ROUTER, mechanism, as_server);
    side.session.config.meets_older = meets_older;
    if (feed(&side, greeting, sizeof *greeting) == MCQ_AGAIN &&
        feed(&side, ready_of_dealer, READY_BYTES) == MCQ_AGAIN)
        (void) feed(&side, message, MESSAGE_BYTES);
    expect_nobody_in(&side);
    side_end(&side);
}

static void each_octet_of_a_greeting(size_t from, size_t to)
{
    static const char *const names[] = {"NULL", "PLAIN", "CURVE"};
    const enum mcq_mechanism mechanisms[] = {MCQ_MECHANISM_PLAIN, MCQ_MECHANISM_CURVE};

    for (size_t name = 0; name < MCQ_COUNTOF(names); name++) {
        struct mcq_greeting_v3 greeting;
        uint8_t *octets = (uint8_t *) &greeting;

        put_greeting(&greeting, names[name]);
        for (size_t at = from; at < to; at++) {
            uint8_t as_it_was = octets[at];

            for (unsigned value = 0; value < 256; value++) {
                octets[at] = (uint8_t) value;
                for (unsigned i = 0; i < 4; i++)
                    greet_and_go_on(mechanisms[i / 2], i % 2, value % 2, &greeting);
            }
            octets[at] = as_it_was;
        }
    }
}

static void fault_b1__any_octet_of_the_mechanism__leads_no_secured_socket_to_null(void **state)
{
    (void) state;
    each_octet_of_a_greeting(offsetof(struct mcq_greeting_v3, mechanism),
                             offsetof(struct mcq_greeting_v3, mechanism) + 6);
    each_octet_of_a_greeting(offsetof(struct mcq_greeting_v3, as_server),
                             offsetof(struct mcq_greeting_v3, as_server) + 1);
}

static void
fault_b2__any_octet_of_the_version__leads_no_secured_socket_to_an_older_one(void **state)
{
    (void) state;
    each_octet_of_a_greeting(0, 1);
    each_octet_of_a_greeting(offsetof(struct mcq_greeting_v3, major) - 1,
                             offsetof(struct mcq_greeting_v3, mechanism));
}

/* --- mirrors ---------------------------------------------------------------------------------- */

static void fault_b22__our_own_octets_come_back__nobody_is_let_in(void **state)
{
    const enum mcq_mechanism mechanisms[] = {MCQ_MECHANISM_PLAIN, MCQ_MECHANISM_CURVE};

    (void) state;
    for (unsigned i = 0; i < 4; i++) {
        for (size_t step = 1; step < 100; step += 33) {
            struct side side;
            struct mcq_bytes want;
            enum mcq_err err = MCQ_AGAIN;

            side_init(&side, MCQ_SOCKET_TYPE_DEALER, mechanisms[i / 2], i % 2);
            while (err == MCQ_AGAIN && (want = mcq_session_want(&side.session)).len > 0) {
                uint8_t said[100];
                size_t len = mcq_min_size(want.len, step);

                memcpy(said, want.data, len);
                mcq_session_sent(&side.session, len);
                err = feed(&side, said, len);
            }
            expect_nobody_in(&side);
            if (i % 2 == 0)
                assert_int_equal(err, MCQ_PROTO); /* a client has spoken, and hears itself */
            side_end(&side);
        }
    }
}

/* --- commands that are too long, early, too many ---------------------------------------------- */

/* Nothing of a body is waited for, however long it says that it is. */
static void fault_a7__what_is_no_ready__ends_with_its_head_or_name(void **state)
{
    static const struct {
        const char *octets;
        size_t len; /* all that it would be */
        size_t proof;
    } rows[] = {
        {"\x00\x05hello", 7, 2},                                /* a message */
        {"\x02\0\0\0\0\x40\0\0\0hello", 14, 9},                 /* a long one */
        {"\x04\x07\x04PING\0\0", 9, 7},                         /* known, not here */
        {"\x04\x0c\x09SUBSCRIBEab", 14, 12},                    /* likewise */
        {"\x06\0\0\0\0\0\x80\0\0\5READY", 15, 9},               /* 8 MiB */
        {"\x04\x0b\x05WHATSxxxxx", 13, 8},                      /* nobody knows it */
        {"\x04\x00", 2, 2},                                     /* no name at all */
        {"\x04\x16\x05READY\x0bSocket-Type\x7f\0\0\0", 24, 24}, /* ends before its value */
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_greeting_v3 greeting;
        struct side side;
        size_t at = 0;
        enum mcq_err err;

        put_greeting(&greeting, "NULL");
        side_init(&side, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
        assert_int_equal(feed(&side, &greeting, sizeof greeting), MCQ_AGAIN);
        do
            err = feed(&side, rows[i].octets + at++, 1);
        while (err == MCQ_AGAIN && at < rows[i].len);
        if (err == MCQ_AGAIN || at > rows[i].proof)
            fail_msg("row %zu: %s after %zu octets", i, mcq_err_text(err), at);
        expect_nobody_in(&side);
        side_end(&side);
    }
}

static void fault_a8__errors_without_end__cost_nothing(void **state)
{
    static const char error[] = "\x04\x0a\x05"
                                "ERROR\x03"
                                "400";
    struct side side;
    struct mcq_ledger before;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_ROUTER, ready_of_dealer, READY_BYTES);
    assert_int_equal(feed(&side, error, sizeof error - 1), MCQ_AGAIN);
    before = mcq_alloc_ledger();
    for (int i = 0; i < 100000; i++)
        assert_int_equal(feed(&side, error, sizeof error - 1), MCQ_AGAIN);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    assert_int_equal(mcq_alloc_ledger().bytes, before.bytes);
    assert_int_equal(side.count[MCQ_EVENT_IGNORED], 100001);
    assert_int_equal(mcq_session_want(&side.session).len, 0);
    side_end(&side);
}

/* ff begins a signature, or the long form of the size of a 1.0 identity. */
static void fault_a12__endless_length_of_a_1_0_peer__is_refused_by_its_head(void **state)
{
    static const uint8_t sizes[][8] = {
        {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0, 0, 0, 1, 0, 0, 0, 0},
    };

    (void) state;
    for (int meets_older = 0; meets_older < 2; meets_older++) {
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            struct side side;
            uint8_t octets[10] = {0xff};
            enum mcq_err err;

            memcpy(octets + 1, sizes[i], sizeof sizes[i]);
            side_init(&side, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
            side.session.config.meets_older = meets_older;
            struct mcq_ledger before = mcq_alloc_ledger();

            err = feed(&side, octets, sizeof octets);
            assert_int_not_equal(err, MCQ_AGAIN);
            assert_true(mcq_alloc_ledger().bytes <= before.bytes + 64);
            expect_nobody_in(&side);
            side_end(&side);
        }
    }
}

/* The second one neither hides the first nor is hidden by it. */
static void fault_b20__a_type_said_twice__both_must_fit(void **state)
{
    static const char *const seconds[] = {"DEALER", "ROUTER", "PULL"};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(seconds); i++) {
        struct mcq_greeting_v3 greeting;
        struct side side;
        uint8_t octets[80];
        size_t len = READY_BYTES;

        memcpy(octets, ready_of_dealer, len);
        memcpy(octets + len, "\x0bSocket-Type\0\0", 14);
        octets[len + 15] = (uint8_t) strlen(seconds[i]);
        octets[len + 14] = 0;
        memcpy(octets + len + 16, seconds[i], strlen(seconds[i]));
        len += 16 + strlen(seconds[i]);
        octets[1] = (uint8_t) (len - 2);
        put_greeting(&greeting, "NULL");
        side_init(&side, MCQ_SOCKET_TYPE_ROUTER, MCQ_MECHANISM_NULL, false);
        assert_int_equal(feed(&side, &greeting, sizeof greeting), MCQ_AGAIN);
        assert_int_equal(feed(&side, octets, len), i < 2 ? MCQ_AGAIN : MCQ_MISMATCH);
        assert_int_equal(side.count[MCQ_EVENT_READY], i < 2);
        side_end(&side);
    }
}

/* --- defects of libzmq ------------------------------------------------------------------------ */

static void fault_c8__a_context_beyond_16_octets__is_never_echoed_in_full(void **state)
{
    (void) state;
    for (size_t len = 0; len < 120; len++) {
        uint8_t ping[2 + 7 + 120] = "\4\0\4PING\0\0";
        struct mcq_bytes pong;
        struct side side;
        enum mcq_err err;

        start_in_traffic(&side, MCQ_SOCKET_TYPE_ROUTER, ready_of_dealer, READY_BYTES);
        ping[1] = (uint8_t) (7 + len);
        memset(ping + 9, 'c', len);
        err = feed(&side, ping, 9 + len);
        pong = mcq_session_want(&side.session);
        if (err != MCQ_AGAIN) {
            assert_true(len > 16);
            assert_int_equal(pong.len, 0);
        } else {
            assert_int_equal(pong.len, 2 + 5 + mcq_min_size(len, 16));
        }
        side_end(&side);
    }
}

/* libzmq counts the octets of a topic of 255 before it adds the 01 in front, and writes a header
 * that loses the peer; 4.3.4 does so with commands from 246 on. */
static void defect_topic_of_255__each_length_and_form__is_read_as_it_was_meant(void **state)
{
    static const char ready_of_pub[] = "\x04\x19\5READY\13Socket-Type\0\0\0\3PUB";
    static const char ready_of_sub[] = "\x04\x19\5READY\13Socket-Type\0\0\0\3SUB";
    static uint8_t topic[600];

    (void) state;
    for (unsigned minor = 0; minor < 2; minor++) {
        for (size_t len = 240; len < 262; len++) {
            struct mcq_greeting_v3 greeting;
            struct side sub;
            struct side pub;
            struct mcq_bytes said;

            side_init(&sub, MCQ_SOCKET_TYPE_SUB, MCQ_MECHANISM_NULL, false);
            put_greeting(&greeting, "NULL");
            greeting.minor = (uint8_t) minor;
            assert_int_equal(feed(&sub, &greeting, sizeof greeting), MCQ_AGAIN);
            assert_int_equal(feed(&sub, ready_of_pub, sizeof ready_of_pub - 1), MCQ_AGAIN);
            mcq_session_sent(&sub.session, mcq_session_want(&sub.session).len);
            assert_int_equal(mcq_session_subscribe(&sub.session, mcq_bytes(topic, len), true),
                             MCQ_OK);

            said = mcq_session_want(&sub.session);
            start_in_traffic(&pub, MCQ_SOCKET_TYPE_PUB, ready_of_sub, sizeof ready_of_sub - 1);
            assert_int_equal(feed(&pub, said.data, said.len), MCQ_AGAIN);
            assert_int_equal(feed(&pub, "\4\13\11SUBSCRIBEA", 13), MCQ_AGAIN); /* still in step */
            assert_int_equal(pub.count[MCQ_EVENT_SUBSCRIBE], minor == 1 ? 2 : 1);
            assert_int_equal(pub.count[MCQ_EVENT_BODY] > 0, minor == 0);
            side_end(&sub);
            side_end(&pub);
        }
    }
}

/* A RADIO of libzmq ends its process. */
static void defect_oversize_group__is_refused(void **state)
{
    static const char ready_of_dish[] = "\x04\x1a\5READY\13Socket-Type\0\0\0\4DISH";

    (void) state;
    for (int leaves = 0; leaves < 2; leaves++) {
        for (size_t len = 255; len < 258; len++) {
            uint8_t octets[9 + 6 + 258] = {MCQ_FRAME_COMMAND | MCQ_FRAME_LONG, [7] = 1};
            size_t name_len = leaves ? 6 : 5;
            struct side side;

            start_in_traffic(&side, MCQ_SOCKET_TYPE_RADIO, ready_of_dish, sizeof ready_of_dish - 1);
            (void) mcq_put_u64be(octets + 1, name_len + len);
            memcpy(octets + 9, leaves ? "\5LEAVE" : "\4JOIN", name_len);
            memset(octets + 9 + name_len, 'g', len);
            assert_int_equal(feed(&side, octets, 9 + name_len + len),
                             len == 255 ? MCQ_AGAIN : MCQ_PROTO);
            assert_int_equal(side.count[leaves ? MCQ_EVENT_LEAVE : MCQ_EVENT_JOIN], len == 255);
            side_end(&side);
        }
    }
}

static int make_keys(void **state)
{
    struct mcq_random random;

    (void) state;
    if (mcq_crypto_init() != MCQ_OK)
        return 1;
    random = mcq_random_system();
    if (!mcq_crypto_pair(&curve_keys.own, &random))
        return 1;
    curve_keys.server = curve_keys.own.public;
    return 0;
}

#define hostile_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        hostile_test(fault_b1__any_octet_of_the_mechanism__leads_no_secured_socket_to_null),
        hostile_test(fault_b2__any_octet_of_the_version__leads_no_secured_socket_to_an_older_one),
        hostile_test(fault_b22__our_own_octets_come_back__nobody_is_let_in),
        hostile_test(fault_a7__what_is_no_ready__ends_with_its_head_or_name),
        hostile_test(fault_a8__errors_without_end__cost_nothing),
        hostile_test(fault_a12__endless_length_of_a_1_0_peer__is_refused_by_its_head),
        hostile_test(fault_b20__a_type_said_twice__both_must_fit),
        hostile_test(fault_c8__a_context_beyond_16_octets__is_never_echoed_in_full),
        hostile_test(defect_topic_of_255__each_length_and_form__is_read_as_it_was_meant),
        hostile_test(defect_oversize_group__is_refused),
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
