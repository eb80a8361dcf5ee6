#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "session/session.h"
#include "session/state.h"
#include "wire/encode.h"
#include "wire/limits.h"

#include "session/greeting.h"

#define MS UINT64_C(1000000)

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

/* One session, what it said, and the last event of each kind. */
struct side {
    struct mcq_session session;
    struct mcq_session_config config;
    uint64_t now_ns;
    unsigned count[MCQ_EVENT_IGNORED + 1];
    struct mcq_event last;
    char identity[256];
    uint8_t body[4096];
    size_t body_len;
};

static void side_init(struct side *side, enum mcq_socket_type type, enum mcq_profile profile)
{
    memset(side, 0, sizeof *side);
    mcq_session_config_init(&side->config, type, profile);
}

static void side_start(struct side *side)
{
    assert_int_equal(mcq_session_init(&side->session, &side->config, side->now_ns), MCQ_OK);
}

static void side_end(struct side *side)
{
    mcq_session_fini(&side->session);
}

static void note(struct side *side, const struct mcq_event *event)
{
    side->count[event->kind]++;
    side->last = *event;
    if (event->kind == MCQ_EVENT_READY)
        snprintf(side->identity, sizeof side->identity, "%.*s", (int) event->ready.identity.len,
                 (const char *) event->ready.identity.data);
    if (event->kind == MCQ_EVENT_BODY) {
        struct mcq_bytes piece = event->body.piece.body;

        assert_true(side->body_len + piece.len <= sizeof side->body);
        mcq_put_bytes(side->body + side->body_len, piece);
        side->body_len += piece.len;
    }
}

/* Feeds all of it, or up to the first answer that is no event. */
static enum mcq_err feed(struct side *side, const void *data, size_t len)
{
    struct mcq_bytes in = mcq_bytes(data, len);
    struct mcq_event event;
    enum mcq_err err;

    while ((err = mcq_session_feed(&side->session, &in, side->now_ns, &event)) == MCQ_OK)
        note(side, &event);
    return err;
}

/* Moves what one side wants to the other, `step` octets at a time, until both are silent. */
static void talk(struct side *a, struct side *b, size_t step)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < 2; i++) {
            struct side *from = i == 0 ? a : b;
            struct side *to = i == 0 ? b : a;
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

static void to_traffic(struct side *side, enum mcq_socket_type peer_type)
{
    struct side peer;

    side_init(&peer, peer_type, MCQ_PROFILE_NATIVE);
    side_start(&peer);
    talk(side, &peer, SIZE_MAX);
    assert_int_equal(mcq_session_phase(&side->session), MCQ_PHASE_TRAFFIC);
    side_end(&peer);
}

static void start_in_traffic(struct side *side, enum mcq_socket_type type,
                             enum mcq_socket_type peer, enum mcq_profile profile)
{
    side_init(side, type, profile);
    side_start(side);
    to_traffic(side, peer);
}

static size_t put_command(uint8_t *at, const uint8_t *body, size_t len)
{
    uint8_t *end = mcq_encode_frame_head(at, MCQ_FRAME_COMMAND, len);

    return (size_t) (mcq_put_bytes(end, mcq_bytes(body, len)) - at);
}

/* --- handshake ------------------------------------------------------------------------------- */

static void each_pair_of_types__every_step_width__ready_or_refused_as_the_table_says(void **state)
{
    static const size_t steps[] = {1, 2, 7, 11, SIZE_MAX};

    (void) state;
    for (int a = 0; a < MCQ_SOCKET_TYPE_LIMIT; a++) {
        for (int b = 0; b < MCQ_SOCKET_TYPE_LIMIT; b++) {
            enum mcq_socket_type types[2] = {(enum mcq_socket_type) a, (enum mcq_socket_type) b};

            if (!mcq_socket_type_row(types[0]) || !mcq_socket_type_row(types[1]))
                continue;
            for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
                bool fits = mcq_socket_type_fits(types[0], types[1]);
                struct side sides[2];

                for (int s = 0; s < 2; s++) {
                    side_init(&sides[s], types[s], MCQ_PROFILE_NATIVE);
                    side_start(&sides[s]);
                }
                talk(&sides[0], &sides[1], steps[i]);
                for (int s = 0; s < 2; s++) {
                    const struct mcq_failure *failure = mcq_session_failure(&sides[s].session);

                    assert_int_equal(sides[s].count[MCQ_EVENT_GREETING], 1);
                    assert_int_equal(sides[s].count[MCQ_EVENT_READY], fits);
                    assert_int_equal(failure->err, fits ? MCQ_OK : MCQ_MISMATCH);
                    if (!fits)
                        assert_int_equal(failure->rule, MCQ_RULE_READY_METADATA_SOCKET_TYPE);
                    side_end(&sides[s]);
                }
            }
        }
    }
}

static void identity__sent_by_dealer_only__reaches_the_peer(void **state)
{
    struct side dealer;
    struct side router;

    (void) state;
    side_init(&dealer, MCQ_SOCKET_TYPE_DEALER, MCQ_PROFILE_NATIVE);
    side_init(&router, MCQ_SOCKET_TYPE_ROUTER, MCQ_PROFILE_NATIVE);
    dealer.config.routing_id = mcq_bytes_of("me");
    side_start(&dealer);
    side_start(&router);
    talk(&dealer, &router, 3);
    assert_string_equal(router.identity, "me");
    assert_string_equal(dealer.identity, "");
    side_end(&dealer);
    side_end(&router);
}

static void config__out_of_range__invalid_and_nothing_allocated(void **state)
{
    static const uint8_t id[256];
    static const uint8_t extra[MCQ_MAX_COMMAND_BYTES];
    struct mcq_session session;
    struct mcq_session_config good;
    struct mcq_session_config bad[4];

    (void) state;
    mcq_session_config_init(&good, MCQ_SOCKET_TYPE_REQ, MCQ_PROFILE_NATIVE);
    for (size_t i = 0; i < MCQ_COUNTOF(bad); i++)
        bad[i] = good;
    bad[0].routing_id = mcq_bytes(id, sizeof id);
    bad[1].extra_metadata = mcq_bytes(extra, sizeof extra);
    bad[2].socket_type = MCQ_SOCKET_TYPE_NONE;
    bad[3].max_properties = (uint32_t) MCQ_MAX_PROPERTIES + 1;
    for (size_t i = 0; i < MCQ_COUNTOF(bad); i++)
        assert_int_equal(mcq_session_init(&session, &bad[i], 0), MCQ_INVAL);
}

static void mechanism__of_the_peer_differs__mismatch_after_the_whole_greeting(void **state)
{
    struct mcq_greeting_v3 greeting;
    struct side side;

    (void) state;
    put_greeting(&greeting, "PLAIN");
    side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    side_start(&side);
    assert_int_equal(feed(&side, &greeting, sizeof greeting), MCQ_MISMATCH);
    assert_int_equal(mcq_session_failure(&side.session)->offset, MCQ_GREETING_BYTES);
    /* Our whole greeting went out, so that the peer can tell why. */
    assert_int_equal(mcq_session_want(&side.session).len, MCQ_GREETING_BYTES);
    assert_int_equal(feed(&side, "x", 1), MCQ_MISMATCH);
    side_end(&side);
}

static void error_command__in_the_handshake__event_then_refused(void **state)
{
    struct mcq_greeting_v3 greeting;
    uint8_t octets[64];
    uint8_t body[32];
    struct side side;
    size_t len;

    (void) state;
    put_greeting(&greeting, "NULL");
    len = put_command(octets, body,
                      (size_t) (mcq_encode_error(body, mcq_bytes_of("no entry")) - body));
    side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    side_start(&side);
    assert_int_equal(feed(&side, &greeting, sizeof greeting), MCQ_AGAIN);
    assert_int_equal(feed(&side, octets, len), MCQ_REFUSED);
    assert_int_equal(side.count[MCQ_EVENT_REFUSED], 1);
    assert_true(mcq_bytes_equal(side.last.reason, mcq_bytes_of("no entry")));
    assert_int_equal(mcq_session_failure(&side.session)->reason, MCQ_REASON_REFUSED_BY_PEER);
    side_end(&side);
}

static void handshake_deadline__at_any_stage__times_out_on_the_nanosecond(void **state)
{
    struct mcq_greeting_v3 greeting;

    (void) state;
    put_greeting(&greeting, "NULL");
    for (size_t len = 0; len <= sizeof greeting; len++) {
        struct side side;

        side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
        side.now_ns = 1000 * MS;
        side.config.handshake_ns = 30 * MS;
        side_start(&side);
        assert_int_equal(feed(&side, &greeting, len), MCQ_AGAIN);
        assert_true(mcq_session_deadline_ns(&side.session) == 1030 * MS);
        assert_int_equal(mcq_session_tick(&side.session, 1030 * MS - 1), MCQ_OK);
        assert_int_equal(mcq_session_tick(&side.session, 1030 * MS), MCQ_TIMEOUT);
        assert_int_equal(mcq_session_failure(&side.session)->reason, MCQ_REASON_HANDSHAKE_TIMEOUT);
        assert_true(mcq_session_deadline_ns(&side.session) == MCQ_NEVER_NS);
        side_end(&side);
    }
}

static void profiles__loose_handshakes__only_compat_takes_them(void **state)
{
    /* READY in a message frame; with reserved bits; with an empty name; without Socket-Type. */
    static const struct {
        const char *octets;
        size_t len;
    } loose[] = {
        {"\x00\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 28},
        {"\xfc\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 28},
        {"\x05\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH", 28},
        {"\x04\x1f\x05READY\x0bSocket-Type\0\0\0\x04PUSH\0\0\0\0\0", 33},
        {"\x04\x06\x05READY", 8},
    };
    struct mcq_greeting_v3 greeting;

    (void) state;
    put_greeting(&greeting, "NULL");
    for (size_t i = 0; i < MCQ_COUNTOF(loose); i++) {
        for (int compat = 0; compat < 2; compat++) {
            struct side side;

            side_init(&side, MCQ_SOCKET_TYPE_PULL,
                      compat ? MCQ_PROFILE_COMPAT : MCQ_PROFILE_NATIVE);
            side_start(&side);
            assert_int_equal(feed(&side, &greeting, sizeof greeting), MCQ_AGAIN);
            assert_int_equal(feed(&side, loose[i].octets, loose[i].len),
                             compat ? MCQ_AGAIN : MCQ_PROTO);
            assert_int_equal(side.count[MCQ_EVENT_READY], compat);
            side_end(&side);
        }
    }
}

/* --- traffic --------------------------------------------------------------------------------- */

static void message__any_sizes_and_cuts__arrives_whole_and_in_order(void **state)
{
    static const size_t sizes[] = {0, 1, 255, 256, 1000};

    (void) state;
    for (size_t step = 1; step < 40; step += 3) {
        uint8_t stream[2048];
        uint8_t *at = stream;
        struct side side;

        start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_NATIVE);
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            bool more = i + 1 < MCQ_COUNTOF(sizes);

            at += mcq_session_frame_head(&side.session, more, sizes[i], at);
            for (size_t k = 0; k < sizes[i]; k++)
                *at++ = (uint8_t) (k % 251);
        }
        for (const uint8_t *from = stream; from < at; from += step)
            assert_int_equal(feed(&side, from, mcq_min_size(step, (size_t) (at - from))),
                             MCQ_AGAIN);
        assert_int_equal(side.body_len, 0 + 1 + 255 + 256 + 1000);
        for (size_t k = 0; k < 1000; k++)
            assert_int_equal(side.body[512 + k], k % 251);
        assert_int_equal(side.last.body.part_index, 4);
        assert_true(side.last.body.piece.last);
        side_end(&side);
    }
}

/* `parts` empty frames with MORE, then whether one more octet-sized part is let in. */
static enum mcq_err after_parts(uint32_t parts, uint32_t limit)
{
    struct side side;
    enum mcq_err err = MCQ_AGAIN;

    side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    side.config.max_message_frames = limit;
    side_start(&side);
    to_traffic(&side, MCQ_SOCKET_TYPE_PUSH);
    for (uint32_t i = 0; i < parts && err == MCQ_AGAIN; i++)
        err = feed(&side, i + 1 < parts ? "\x01\x00" : "\x00\x00", 2);
    if (err == MCQ_LIMIT)
        assert_int_equal(mcq_session_failure(&side.session)->rule,
                         MCQ_RULE_LIMIT_MAX_MESSAGE_FRAMES);
    side_end(&side);
    return err;
}

static void message_frames__around_the_limit__exact(void **state)
{
    (void) state;
    for (uint32_t limit = 1; limit < 20; limit += 6) {
        assert_int_equal(after_parts(limit, limit), MCQ_AGAIN);
        assert_int_equal(after_parts(limit + 1, limit), MCQ_LIMIT);
    }
}

static enum mcq_err after_bytes(size_t first, size_t second, uint64_t limit)
{
    static const uint8_t zeros[512];
    uint8_t stream[1200];
    uint8_t *at = stream;
    struct side side;
    enum mcq_err err;

    side_init(&side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    side.config.max_message_bytes = limit;
    side_start(&side);
    to_traffic(&side, MCQ_SOCKET_TYPE_PUSH);
    at = mcq_encode_frame_head(at, MCQ_FRAME_MORE, first);
    at = mcq_put_bytes(at, mcq_bytes(zeros, first));
    at = mcq_encode_frame_head(at, 0, second);
    at = mcq_put_bytes(at, mcq_bytes(zeros, second));
    err = feed(&side, stream, (size_t) (at - stream));
    if (err == MCQ_AGAIN) /* the next message counts from zero */
        err = feed(&side, stream, (size_t) (at - stream));
    side_end(&side);
    return err;
}

static void message_bytes__around_the_limit__exact(void **state)
{
    (void) state;
    assert_int_equal(after_bytes(100, 199, 300), MCQ_AGAIN);
    assert_int_equal(after_bytes(100, 200, 300), MCQ_AGAIN);
    assert_int_equal(after_bytes(100, 201, 300), MCQ_LIMIT);
    assert_int_equal(after_bytes(301, 0, 300), MCQ_LIMIT);
}

static void fault_c9__unknown_command__ignored_and_free_of_charge(void **state)
{
    uint8_t octets[300] = {MCQ_FRAME_COMMAND, 250, 5, 'H', 'E', 'L', 'L', 'P'};
    struct side side;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_NATIVE);
    uint64_t blocks = mcq_alloc_ledger().block_count;

    for (int i = 0; i < 100; i++)
        assert_int_equal(feed(&side, octets, 252), MCQ_AGAIN);
    assert_int_equal(side.count[MCQ_EVENT_IGNORED], 100);
    assert_int_equal(mcq_alloc_ledger().block_count, blocks);
    assert_int_equal(feed(&side, "\x04\x08\x05READY\x01x", 10), MCQ_AGAIN);
    assert_int_equal(side.count[MCQ_EVENT_IGNORED], 101);
    side_end(&side);
}

static void subscribe__to_a_publisher_and_to_others__event_or_ignored(void **state)
{
    struct side pub;
    struct side sub;

    (void) state;
    side_init(&pub, MCQ_SOCKET_TYPE_PUB, MCQ_PROFILE_NATIVE);
    side_init(&sub, MCQ_SOCKET_TYPE_SUB, MCQ_PROFILE_NATIVE);
    side_start(&pub);
    side_start(&sub);
    assert_int_equal(mcq_session_subscribe(&sub.session, mcq_bytes_of("a"), true), MCQ_STATE);
    talk(&pub, &sub, 5);
    assert_int_equal(mcq_session_subscribe(&sub.session, mcq_bytes_of("a"), true), MCQ_OK);
    assert_int_equal(mcq_session_subscribe(&sub.session, mcq_bytes_of("a"), false), MCQ_OK);
    talk(&pub, &sub, 1);
    assert_int_equal(pub.count[MCQ_EVENT_SUBSCRIBE], 1);
    assert_int_equal(pub.count[MCQ_EVENT_CANCEL], 1);
    assert_int_equal(mcq_session_subscribe(&pub.session, mcq_bytes_of("b"), true), MCQ_OK);
    talk(&pub, &sub, 4);
    assert_int_equal(sub.count[MCQ_EVENT_IGNORED], 1);
    side_end(&pub);
    side_end(&sub);
}

/* --- heartbeats ------------------------------------------------------------------------------ */

static void ping__while_a_pong_waits__busy_until_it_left(void **state)
{
    static const char two[] = "\x04\x08\x04PING\0\0A\x04\x08\x04PING\0\0B";
    struct side side;
    struct mcq_event event;
    struct mcq_bytes in = mcq_bytes(two, sizeof two - 1);

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_NATIVE);
    assert_int_equal(mcq_session_feed(&side.session, &in, 0, &event), MCQ_OK);
    assert_int_equal(mcq_session_feed(&side.session, &in, 0, &event), MCQ_BUSY);
    assert_int_equal(in.len, 10);
    assert_memory_equal(mcq_session_want(&side.session).data, "\x04\x06\x04PONGA", 8);
    mcq_session_sent(&side.session, 7);
    assert_int_equal(mcq_session_feed(&side.session, &in, 0, &event), MCQ_BUSY);
    mcq_session_sent(&side.session, 1);
    assert_int_equal(mcq_session_feed(&side.session, &in, 0, &event), MCQ_OK);
    assert_memory_equal(mcq_session_want(&side.session).data, "\x04\x06\x04PONGB", 8);
    side_end(&side);
}

/* Where nothing can leave, one PONG answers both; what has begun to leave is left whole. */
static void ping__while_a_pong_waits_that_yields__one_pong_for_both(void **state)
{
    static const char two[] = "\x04\x08\x04PING\0\0A\x04\x08\x04PING\0\0B";
    static const char third[] = "\x04\x08\x04PING\0\0C";
    struct side side;
    struct mcq_bytes want;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_SUB, MCQ_SOCKET_TYPE_PUB, MCQ_PROFILE_NATIVE);
    mcq_session_yield(&side.session);
    assert_int_equal(feed(&side, two, 10), MCQ_AGAIN);
    assert_int_equal(mcq_session_subscribe(&side.session, mcq_bytes_of("x"), true), MCQ_OK);
    assert_int_equal(feed(&side, two + 10, 10), MCQ_AGAIN);
    want = mcq_session_want(&side.session);
    assert_int_equal(want.len, 13 + 8);
    assert_memory_equal(want.data, "\x04\x0b\x09SUBSCRIBEx\x04\x06\x04PONGB", 13 + 8);
    mcq_session_sent(&side.session, 14);
    assert_int_equal(feed(&side, third, sizeof third - 1), MCQ_AGAIN);
    want = mcq_session_want(&side.session);
    assert_int_equal(want.len, 7 + 8);
    assert_memory_equal(want.data, "\x06\x04PONGB\x04\x06\x04PONGC", 7 + 8);
    mcq_session_sent(&side.session, want.len);
    assert_int_equal(feed(&side, two, 10), MCQ_AGAIN); /* from here on none yields any more */
    assert_int_equal(feed(&side, "", 0), MCQ_AGAIN);
    assert_int_equal(mcq_session_want(&side.session).len, 8);
    side_end(&side);
}

/* A slow peer takes a bit at a time, and there is always more to say: what it has does not stay. */
static void want__never_empty__memory_for_what_has_left_comes_back(void **state)
{
    struct side side;
    size_t most = 0;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_SUB, MCQ_SOCKET_TYPE_PUB, MCQ_PROFILE_NATIVE);
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t topic[100] = {(uint8_t) i, (uint8_t) (i >> 8)};

        assert_int_equal(mcq_session_subscribe(&side.session, mcq_bytes(topic, sizeof topic), true),
                         MCQ_OK);
    }
    for (uint32_t left = 5000; left > 2; left--) {
        struct mcq_bytes want = mcq_session_want(&side.session);

        assert_int_equal(want.data[12], (uint8_t) (5000 - left));
        assert_int_equal(want.data[13], (uint8_t) ((5000 - left) >> 8));
        mcq_session_sent(&side.session, 112);
        most = side.session.out.capacity;
    }
    assert_in_range(most, 1, MCQ_GROW_KEEP_BYTES * 4);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(mcq_session_subscribe(&side.session, mcq_bytes("octets", 6), true),
                         MCQ_OK);
        mcq_session_sent(&side.session, 18);
    }
    assert_in_range(side.session.out.capacity, 1, MCQ_GROW_KEEP_BYTES * 4);
    side_end(&side);
}

static void defect_ttl_overflow__656_tenths__65600_ms_and_not_64(void **state)
{
    static const char ping[] = "\x04\x07\x04PING\x02\x90";
    struct side side;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_COMPAT);
    assert_int_equal(feed(&side, ping, sizeof ping - 1), MCQ_AGAIN);
    assert_true(side.last.ping.ttl_ns == 65600 * MS);
    assert_int_equal(mcq_session_tick(&side.session, 65600 * MS - 1), MCQ_OK);
    assert_int_equal(mcq_session_tick(&side.session, 65600 * MS), MCQ_TIMEOUT);
    assert_int_equal(mcq_session_failure(&side.session)->rule, MCQ_RULE_PING_TTL);
    side_end(&side);
}

static void defect_ping_without_ttl__refused_and_nothing_leaks_back(void **state)
{
    struct side side;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_COMPAT);
    assert_int_equal(feed(&side, "\x04\x06\x04PING\x00", 8), MCQ_PROTO);
    assert_int_equal(mcq_session_failure(&side.session)->rule, MCQ_RULE_PING_TTL);
    assert_int_equal(mcq_session_want(&side.session).len, 0);
    side_end(&side);
}

/* In traffic, with a PING each 10 ms. */
static void start_heartbeats(struct side *side, uint64_t timeout_ns)
{
    side_init(side, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_NATIVE);
    side->config.heartbeat_ns = 10 * MS;
    side->config.heartbeat_timeout_ns = timeout_ns;
    side->config.heartbeat_ttl_ds = 7;
    side_start(side);
    to_traffic(side, MCQ_SOCKET_TYPE_PUSH);
}

static void heartbeat__silent_peer__pings_then_timeout__any_octet_saves_it(void **state)
{
    struct side side;

    (void) state;
    start_heartbeats(&side, 25 * MS);
    assert_true(mcq_session_deadline_ns(&side.session) == 10 * MS);
    assert_int_equal(mcq_session_tick(&side.session, 10 * MS), MCQ_OK);
    assert_memory_equal(mcq_session_want(&side.session).data, "\x04\x07\x04PING\0\x07", 9);
    mcq_session_sent(&side.session, 9);
    assert_int_equal(mcq_session_tick(&side.session, 20 * MS), MCQ_OK);
    assert_int_equal(mcq_session_want(&side.session).len, 9);
    /* One that cannot leave is not joined by another. */
    assert_int_equal(mcq_session_tick(&side.session, 30 * MS), MCQ_OK);
    assert_int_equal(mcq_session_want(&side.session).len, 9);
    assert_int_equal(feed(&side, "\x00", 1), MCQ_AGAIN);
    assert_int_equal(mcq_session_tick(&side.session, 40 * MS), MCQ_OK);
    assert_int_equal(mcq_session_tick(&side.session, 65 * MS - 1), MCQ_OK);
    assert_int_equal(mcq_session_tick(&side.session, 65 * MS), MCQ_TIMEOUT);
    side_end(&side);
}

static void pong(struct side *side, uint64_t now_ns)
{
    struct mcq_bytes in = mcq_bytes("\x04\x05\x04PONG", 7);
    struct mcq_event event;

    assert_int_equal(mcq_session_feed(&side->session, &in, now_ns, &event), MCQ_OK);
    assert_int_equal(event.kind, MCQ_EVENT_PONG);
}

static void ping(struct side *side, uint64_t now_ns)
{
    assert_int_equal(mcq_session_tick(&side->session, now_ns), MCQ_OK);
    assert_int_equal(mcq_session_want(&side->session).len, 9);
    mcq_session_sent(&side->session, 9);
}

/* A PING that leaves before the last one's PONG has come is not timed by that PONG. */
static void heartbeat__answers__are_timed(void **state)
{
    struct side side;

    (void) state;
    start_heartbeats(&side, 500 * MS);
    pong(&side, 5 * MS); /* nobody has asked */
    assert_int_equal(mcq_session_rtt_ns(&side.session), 0);
    ping(&side, 10 * MS);
    assert_int_equal(mcq_session_rtt_ns(&side.session), 0);
    pong(&side, 13 * MS);
    assert_int_equal(mcq_session_rtt_ns(&side.session), 3 * MS);
    ping(&side, 20 * MS);
    ping(&side, 30 * MS);
    pong(&side, 34 * MS);
    assert_int_equal(mcq_session_rtt_ns(&side.session), 14 * MS);
    ping(&side, 40 * MS);
    pong(&side, 41 * MS); /* of the second one */
    assert_int_equal(mcq_session_rtt_ns(&side.session), 14 * MS);
    pong(&side, 42 * MS);
    ping(&side, 50 * MS);
    pong(&side, 50 * MS);
    assert_int_equal(mcq_session_rtt_ns(&side.session), 1);
    side_end(&side);
}

/* A peer that is full answers several by one PONG. */
static void heartbeat__fewer_answers_than_pings__are_timed_again(void **state)
{
    struct side side;

    (void) state;
    start_heartbeats(&side, 500 * MS);
    ping(&side, 10 * MS);
    ping(&side, 20 * MS);
    pong(&side, 25 * MS); /* of both */
    for (uint64_t at = 30; at <= 60; at += 10)
        ping(&side, at * MS);
    pong(&side, 62 * MS);
    assert_int_equal(mcq_session_rtt_ns(&side.session), 2 * MS);
    side_end(&side);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void each_allocation_refused__a_whole_conversation__fails_cleanly(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        static uint8_t topic[2000];
        struct side sub;
        struct side pub;
        bool ok;

        side_init(&sub, MCQ_SOCKET_TYPE_SUB, MCQ_PROFILE_NATIVE);
        side_init(&pub, MCQ_SOCKET_TYPE_PUB, MCQ_PROFILE_NATIVE);
        side_start(&pub);
        mcq_alloc_fail_at(n);
        if (mcq_session_init(&sub.session, &sub.config, 0) == MCQ_NOMEM) {
            side_end(&pub);
            continue;
        }
        talk(&sub, &pub, 9);
        ok = mcq_session_subscribe(&sub.session, mcq_bytes(topic, sizeof topic), true) == MCQ_OK;
        talk(&sub, &pub, 9);
        ok = ok && pub.count[MCQ_EVENT_SUBSCRIBE] == 1;
        side_end(&sub);
        side_end(&pub);
        if (mcq_alloc_fail_left() > 0) {
            assert_true(ok);
            break;
        }
        assert_false(ok);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
}

static void end_of_stream__at_any_place__closed_and_nothing_partial(void **state)
{
    struct side side;

    (void) state;
    start_in_traffic(&side, MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_NATIVE);
    assert_int_equal(feed(&side, "\x00\x05he", 4), MCQ_AGAIN);
    mcq_session_end(&side.session);
    assert_int_equal(mcq_session_failure(&side.session)->err, MCQ_CLOSED);
    mcq_session_end(&side.session);
    assert_int_equal(mcq_session_tick(&side.session, 0), MCQ_CLOSED);
    side_end(&side);
}

#define session_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(each_pair_of_types__every_step_width__ready_or_refused_as_the_table_says),
        session_test(identity__sent_by_dealer_only__reaches_the_peer),
        session_test(config__out_of_range__invalid_and_nothing_allocated),
        session_test(mechanism__of_the_peer_differs__mismatch_after_the_whole_greeting),
        session_test(error_command__in_the_handshake__event_then_refused),
        session_test(handshake_deadline__at_any_stage__times_out_on_the_nanosecond),
        session_test(profiles__loose_handshakes__only_compat_takes_them),
        session_test(message__any_sizes_and_cuts__arrives_whole_and_in_order),
        session_test(message_frames__around_the_limit__exact),
        session_test(message_bytes__around_the_limit__exact),
        session_test(fault_c9__unknown_command__ignored_and_free_of_charge),
        session_test(subscribe__to_a_publisher_and_to_others__event_or_ignored),
        session_test(ping__while_a_pong_waits__busy_until_it_left),
        session_test(ping__while_a_pong_waits_that_yields__one_pong_for_both),
        session_test(want__never_empty__memory_for_what_has_left_comes_back),
        session_test(defect_ttl_overflow__656_tenths__65600_ms_and_not_64),
        session_test(defect_ping_without_ttl__refused_and_nothing_leaks_back),
        session_test(heartbeat__answers__are_timed),
        session_test(heartbeat__fewer_answers_than_pings__are_timed_again),
        session_test(heartbeat__silent_peer__pings_then_timeout__any_octet_saves_it),
        session_test(each_allocation_refused__a_whole_conversation__fails_cleanly),
        session_test(end_of_stream__at_any_place__closed_and_nothing_partial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
