#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session/state.h"

/* A raw session, whose parts have at most so many octets. */
static void begin(struct mcq_session *session, uint32_t piece_bytes)
{
    struct mcq_session_config config;

    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_STREAM, MCQ_PROFILE_NATIVE);
    config.is_raw = true;
    config.piece_bytes = piece_bytes;
    config.handshake_ns = 1;
    config.heartbeat_ns = 1;
    assert_int_equal(mcq_session_init(session, &config, 1000), MCQ_OK);
}

static void raw__says_nothing__and_is_ready_at_once(void **state)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);
    struct mcq_session session;
    struct mcq_event event;

    (void) state;
    begin(&session, 1);
    assert_int_equal(mcq_session_want(&session).len, 0);
    assert_int_equal(mcq_session_deadline_ns(&session), MCQ_NEVER_NS);
    assert_int_equal(mcq_session_feed(&session, &none, 1000, &event), MCQ_OK);
    assert_int_equal(event.kind, MCQ_EVENT_READY);
    assert_int_equal(event.ready.identity.len, 0);
    assert_int_equal(event.ready.socket_type, MCQ_SOCKET_TYPE_NONE);
    assert_int_equal(mcq_session_feed(&session, &none, 1000, &event), MCQ_AGAIN);
    assert_int_equal(mcq_session_framing(&session), MCQ_FRAMING_RAW);
    assert_false(mcq_session_is_sealed(&session));
    assert_int_equal(mcq_session_tick(&session, UINT64_MAX - 1), MCQ_OK);
    assert_int_equal(mcq_session_subscribe(&session, none, true), MCQ_STATE);
    mcq_session_fini(&session);
}

/* Whatever the octets are, a greeting of ours among them: each comes once and in order. */
static void raw__octets_as_they_come__in_parts_of_no_more_than_asked_for(void **state)
{
    static const uint8_t octets[] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL\0\0\4\7READY";

    (void) state;
    for (uint32_t most = 1; most <= sizeof octets + 1; most++) {
        struct mcq_bytes in = mcq_bytes(octets, sizeof octets);
        struct mcq_session session;
        struct mcq_event event;
        size_t at = 0;

        begin(&session, most);
        assert_int_equal(mcq_session_feed(&session, &in, 1000, &event), MCQ_OK);
        assert_int_equal(event.kind, MCQ_EVENT_READY);
        assert_int_equal(in.len, sizeof octets);
        while (mcq_session_feed(&session, &in, 1000, &event) == MCQ_OK) {
            const struct mcq_frame_piece *piece = &event.body.piece;

            assert_int_equal(event.kind, MCQ_EVENT_BODY);
            assert_true(piece->first && piece->last && piece->flags == 0);
            assert_int_equal(piece->body.len, mcq_min_size(most, sizeof octets - at));
            assert_int_equal(piece->size, piece->body.len);
            assert_ptr_equal(piece->body.data, octets + at);
            at += piece->body.len;
        }
        assert_int_equal(at, sizeof octets);
        mcq_session_end(&session);
        assert_int_equal(mcq_session_failure(&session)->err, MCQ_CLOSED);
        assert_int_equal(mcq_session_failure(&session)->offset, sizeof octets);
        mcq_session_fini(&session);
    }
}

static void raw__parts_of_nothing__are_refused(void **state)
{
    struct mcq_session_config config;
    struct mcq_session session;

    (void) state;
    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_STREAM, MCQ_PROFILE_NATIVE);
    config.is_raw = true;
    config.piece_bytes = 0;
    assert_int_equal(mcq_session_init(&session, &config, 0), MCQ_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw__says_nothing__and_is_ready_at_once),
        cmocka_unit_test(raw__octets_as_they_come__in_parts_of_no_more_than_asked_for),
        cmocka_unit_test(raw__parts_of_nothing__are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
