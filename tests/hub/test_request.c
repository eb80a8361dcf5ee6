#include "hub/request.h"

#include <string.h>

#include "arena/test_support.h"
#include "base/attr.h"

#define EMPTY mcq_bytes(NULL, 0)
#define TEXT mcq_bytes_of("hello")

/* --- REQ -------------------------------------------------------------------------------------- */

static struct mcq_bytes id_bytes(const uint32_t *id)
{
    return mcq_bytes(id, sizeof *id);
}

static void ask(struct mcq_req *req, uint64_t epoch)
{
    assert_int_equal(mcq_req_sent(req, epoch, false), MCQ_OK);
}

static void req_sent__strict_twice__is_out_of_turn(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    assert_int_equal(mcq_req_may_receive(&req), MCQ_STATE);
    assert_true(mcq_req_begins(&req));
    assert_int_equal(mcq_req_sent(&req, 1, true), MCQ_OK);
    assert_false(mcq_req_begins(&req));
    assert_int_equal(mcq_req_may_receive(&req), MCQ_STATE);
    assert_int_equal(mcq_req_sent(&req, 1, false), MCQ_OK);
    assert_int_equal(mcq_req_may_receive(&req), MCQ_OK);
    assert_int_equal(mcq_req_may_send(&req), MCQ_STATE);
    assert_int_equal(mcq_req_sent(&req, 1, false), MCQ_STATE);
    assert_int_equal(req.id, 1);
}

static void req_sent_again__only_the_newest_id_counts(void **state)
{
    struct mcq_req req;
    uint32_t older = 6;
    uint32_t newer = 7;

    (void) state;
    mcq_req_init(&req, false, true, 5);
    assert_int_equal(mcq_req_sent_again(&req, 1), MCQ_STATE);
    assert_int_equal(mcq_req_sent(&req, 1, true), MCQ_OK);
    assert_int_equal(mcq_req_sent_again(&req, 1), MCQ_STATE);
    assert_int_equal(mcq_req_sent(&req, 1, false), MCQ_OK);
    assert_int_equal(mcq_req_frame(&req, 1, id_bytes(&older), true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_sent_again(&req, 2), MCQ_OK); /* within a reply: that is void */
    assert_int_equal(mcq_req_frame(&req, 1, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 1, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 2, id_bytes(&older), true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 2, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 2, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_true(mcq_req_peer_down(&req, 2));
    assert_int_equal(mcq_req_sent_again(&req, 3), MCQ_OK); /* lost, and asked once more */
    newer++;
    assert_int_equal(mcq_req_frame(&req, 3, id_bytes(&newer), true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 3, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_sent_again(&req, 3), MCQ_STATE); /* there is the reply */
    assert_int_equal(mcq_req_frame(&req, 3, TEXT, false), MCQ_REQUEST_BODY);
    assert_int_equal(mcq_req_may_send(&req), MCQ_OK);
}

static void req_frame__whole_reply__then_may_send_again(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_BODY);
    assert_int_equal(mcq_req_may_send(&req), MCQ_STATE);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_BODY);
    assert_int_equal(mcq_req_may_send(&req), MCQ_OK);
    assert_int_equal(mcq_req_may_receive(&req), MCQ_STATE);
}

static void req_frame__from_another_peer__discarded(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 8, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 8, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_BODY);
}

static void req_frame__nothing_was_asked__discarded(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_sent(&req, 7, true), MCQ_OK);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(req.state, MCQ_REQ_SENDING);
}

static void req_frame__not_the_form_of_a_reply__broken(void **state)
{
    struct mcq_req req;
    uint32_t id = 5;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, false), MCQ_REQUEST_BROKEN);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_BROKEN);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, true), MCQ_REQUEST_BROKEN);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&id), true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, false), MCQ_REQUEST_BROKEN);
    assert_int_equal(req.state, MCQ_REQ_WAITING);
}

static void req_frame__correlated__only_the_right_id_counts(void **state)
{
    struct mcq_req req;
    uint32_t wrong = 41;
    uint32_t right = 42;

    (void) state;
    mcq_req_init(&req, false, true, 41);
    assert_int_equal(mcq_req_next_id(&req), right);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&wrong), true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 8, id_bytes(&right), true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 8, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 8, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&right), true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&right), false), MCQ_REQUEST_BODY);
}

static void req_sent__relaxed_within_a_reply__gives_it_up(void **state)
{
    struct mcq_req req;
    uint32_t first = 1;
    uint32_t second = 2;

    (void) state;
    mcq_req_init(&req, true, true, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&first), true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, true), MCQ_REQUEST_BODY);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&second), true), MCQ_REQUEST_ENVELOPE);
    ask(&req, 7); /* between id and empty frame */
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
    assert_int_equal(req.state, MCQ_REQ_WAITING);
}

static void req_sent__relaxed_behind_an_id__next_frame_is_no_head(void **state)
{
    struct mcq_req req;
    uint32_t first = 1;
    uint32_t second = 2;

    (void) state;
    mcq_req_init(&req, true, true, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&first), true), MCQ_REQUEST_ENVELOPE);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, id_bytes(&second), true), MCQ_REQUEST_BROKEN);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, false), MCQ_REQUEST_DISCARD);
}

static void req_peer_down__while_waiting__reply_is_lost(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    ask(&req, 7);
    assert_false(mcq_req_peer_down(&req, 6));
    assert_false(mcq_req_is_lost(&req));
    assert_true(mcq_req_peer_down(&req, 7));
    assert_true(mcq_req_is_lost(&req));
    assert_int_equal(mcq_req_may_receive(&req), MCQ_OK); /* for ever, as libzmq */
    assert_int_equal(mcq_req_may_send(&req), MCQ_STATE);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_DISCARD);
    req.is_relaxed = true;
    ask(&req, 8);
    assert_false(mcq_req_is_lost(&req));
}

static void req_peer_down__while_sending__rest_is_swallowed_and_lost(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    assert_int_equal(mcq_req_sent(&req, 7, true), MCQ_OK);
    assert_true(mcq_req_peer_down(&req, 7));
    assert_int_equal(mcq_req_sent(&req, 0, true), MCQ_OK);
    assert_int_equal(mcq_req_sent(&req, 0, false), MCQ_OK);
    assert_true(mcq_req_is_lost(&req));
    assert_int_equal(req.id, 1);
}

static void req_cut__within_a_reply__reply_is_lost(void **state)
{
    struct mcq_req req;

    (void) state;
    mcq_req_init(&req, false, false, 0);
    ask(&req, 7);
    assert_int_equal(mcq_req_frame(&req, 7, EMPTY, true), MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_req_frame(&req, 7, TEXT, true), MCQ_REQUEST_BODY);
    mcq_req_cut(&req);
    assert_true(mcq_req_is_lost(&req));
    assert_int_equal(mcq_req_frame(&req, 8, EMPTY, true), MCQ_REQUEST_DISCARD);
}

/* Any calls in any order: the invariants of the .c file hold, and what the application sees keeps
 * the order of a dialogue: never a body without a request, never two replies to one. */
static void req__any_calls__keep_the_order_of_a_dialogue(void **state)
{
    uint64_t random = support_seed();
    unsigned replies = 0;

    (void) state;
    for (int mode = 0; mode < 4; mode++) {
        struct mcq_req req;
        bool is_asked = false;
        bool is_begun = false;

        mcq_req_init(&req, mode & 1, mode & 2, (uint32_t) support_random(&random));
        for (int step = 0; step < 200000; step++) {
            uint64_t epoch = 1 + support_random_below(&random, 2);
            bool more = support_random_below(&random, 3) > 0;
            size_t what = support_random_below(&random, 6);
            uint32_t id = req.id - (support_random_below(&random, 4) == 0);
            struct mcq_bytes frame = what < 2 ? EMPTY : what < 4 ? id_bytes(&id) : TEXT;

            switch (support_random_below(&random, 16)) {
            case 0: (void) mcq_req_peer_down(&req, epoch); break;
            case 1: mcq_req_cut(&req); break;
            case 2:
            case 3: {
                bool may = mcq_req_may_send(&req) == MCQ_OK;
                bool begins = mcq_req_begins(&req);

                assert_int_equal(mcq_req_sent(&req, epoch, more), may ? MCQ_OK : MCQ_STATE);
                if (may && begins) {
                    assert_true(!is_asked || req.is_relaxed);
                    is_asked = true;
                }
                if (may)
                    is_begun = false;
                break;
            }
            default:
                if (mcq_req_frame(&req, epoch, frame, more) == MCQ_REQUEST_BODY) {
                    assert_true(is_asked);
                    is_begun = more;
                    if (!more) {
                        is_asked = false;
                        replies++;
                    }
                }
            }
            assert_true(!is_begun || is_asked);
            if (!is_asked)
                assert_int_equal(mcq_req_may_send(&req), MCQ_OK);
            /* A strict socket that has lost its reply stays so; this one starts over. */
            if (mcq_req_is_lost(&req) && !req.is_relaxed) {
                mcq_req_init(&req, false, req.correlates, req.id);
                is_asked = is_begun = false;
            }
        }
    }
    assert_true(replies > 1000);
}

/* --- REP -------------------------------------------------------------------------------------- */

static struct mcq_ring_node peers[2] = {{.epoch = 1, .part = MCQ_RING_IDLE},
                                        {.epoch = 2, .part = MCQ_RING_IDLE}};

static void feed(struct mcq_rep *rep, struct mcq_bytes frame, bool more,
                 enum mcq_request_frame expected)
{
    enum mcq_request_frame kind;

    assert_int_equal(mcq_rep_frame(rep, &peers[0], frame, more, &kind), MCQ_OK);
    assert_int_equal(kind, expected);
}

static void rep_frame__deep_envelope__goes_back_in_order(void **state)
{
    static const char *const hops[] = {"first hop", "2", ""};
    struct mcq_rep rep;
    struct mcq_bytes frame;
    size_t cursor = 0;

    (void) state;
    mcq_rep_init(&rep, 1000);
    assert_int_equal(mcq_rep_may_receive(&rep), MCQ_OK);
    for (size_t i = 0; i < MCQ_COUNTOF(hops); i++)
        feed(&rep, mcq_bytes_of(hops[i]), true, MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_rep_may_send(&rep), MCQ_STATE);
    assert_int_equal(mcq_rep_sent(&rep, false), MCQ_STATE);
    feed(&rep, EMPTY, true, MCQ_REQUEST_BODY);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    assert_int_equal(mcq_rep_may_receive(&rep), MCQ_STATE);
    assert_true(mcq_rep_begins(&rep));
    assert_ptr_equal(mcq_rep_requester(&rep), &peers[0]);
    for (size_t i = 0; i < MCQ_COUNTOF(hops); i++) {
        assert_true(mcq_rep_envelope_next(&rep, &cursor, &frame));
        assert_true(mcq_bytes_equal(frame, mcq_bytes_of(hops[i])));
    }
    assert_false(mcq_rep_envelope_next(&rep, &cursor, &frame));
    assert_int_equal(mcq_rep_sent(&rep, true), MCQ_OK);
    assert_false(mcq_rep_begins(&rep));
    assert_int_equal(mcq_rep_sent(&rep, false), MCQ_OK);
    assert_int_equal(mcq_rep_may_receive(&rep), MCQ_OK);
    mcq_rep_fini(&rep);
}

static void rep_frame__reply_is_due__out_of_turn(void **state)
{
    enum mcq_request_frame kind = MCQ_REQUEST_BROKEN;
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 1000);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    assert_int_equal(mcq_rep_frame(&rep, &peers[1], EMPTY, true, &kind), MCQ_STATE);
    assert_ptr_equal(mcq_rep_requester(&rep), &peers[0]);
    mcq_rep_fini(&rep);
}

static void rep_frame__no_delimiter_or_nothing_behind__broken(void **state)
{
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 1000);
    feed(&rep, TEXT, false, MCQ_REQUEST_BROKEN);
    feed(&rep, EMPTY, false, MCQ_REQUEST_BROKEN);
    feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BROKEN);
    feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, EMPTY, false, MCQ_REQUEST_BROKEN);
    assert_int_equal(rep.state, MCQ_REP_IDLE);
    assert_null(mcq_rep_requester(&rep));
    mcq_rep_fini(&rep);
}

static void fault_c17__255_hops__kept_and_256_refused(void **state)
{
    enum mcq_request_frame kind;
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 100000);
    for (int i = 0; i < MCQ_REP_FRAMES_MAX; i++)
        feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    assert_int_equal(mcq_rep_sent(&rep, false), MCQ_OK);

    for (int i = 0; i < MCQ_REP_FRAMES_MAX; i++)
        feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_rep_frame(&rep, &peers[0], TEXT, true, &kind), MCQ_LIMIT);
    assert_int_equal(kind, MCQ_REQUEST_BROKEN);
    feed(&rep, EMPTY, true, MCQ_REQUEST_DISCARD);
    feed(&rep, TEXT, false, MCQ_REQUEST_DISCARD);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE); /* the next message is another one */
    mcq_rep_fini(&rep);
}

static void rep_frame__octets_of_envelope__bounded_exactly(void **state)
{
    enum mcq_request_frame kind;
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 4 + 5 + 4);
    feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    assert_int_equal(mcq_rep_sent(&rep, false), MCQ_OK);
    feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    assert_int_equal(mcq_rep_frame(&rep, &peers[0], TEXT, true, &kind), MCQ_LIMIT);
    feed(&rep, TEXT, false, MCQ_REQUEST_DISCARD);
    mcq_rep_fini(&rep);
}

static void rep_frame__nth_allocation_fails__message_is_dropped(void **state)
{
    enum mcq_err err = MCQ_NOMEM;

    (void) state;
    for (uint64_t n = 1; err != MCQ_OK; n++) {
        enum mcq_request_frame kind = MCQ_REQUEST_BODY;
        struct mcq_rep rep;

        mcq_rep_init(&rep, 100000);
        mcq_alloc_fail_at(n);
        err = MCQ_OK;
        for (int i = 0; i < MCQ_REP_FRAMES_MAX && err == MCQ_OK; i++)
            err = mcq_rep_frame(&rep, &peers[0], TEXT, true, &kind);
        mcq_alloc_fail_at(0);
        if (err != MCQ_OK) {
            assert_int_equal(err, MCQ_NOMEM);
            assert_int_equal(kind, MCQ_REQUEST_DISCARD);
            feed(&rep, TEXT, false, MCQ_REQUEST_DISCARD);
            assert_int_equal(rep.state, MCQ_REP_IDLE);
        }
        mcq_rep_fini(&rep);
        assert_true(n < 100);
    }
}

static void rep_peer_down__reply_is_due__goes_nowhere(void **state)
{
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 1000);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    assert_false(mcq_rep_peer_down(&rep, 2));
    assert_true(mcq_rep_peer_down(&rep, 1));
    assert_false(mcq_rep_peer_down(&rep, 1));
    assert_null(mcq_rep_requester(&rep));
    assert_int_equal(mcq_rep_sent(&rep, true), MCQ_OK);
    assert_int_equal(mcq_rep_sent(&rep, false), MCQ_OK);
    assert_int_equal(mcq_rep_may_receive(&rep), MCQ_OK);
    mcq_rep_fini(&rep);
}

static void rep_cut__in_every_part_of_a_request__ready_for_the_next(void **state)
{
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 1000);
    mcq_rep_cut(&rep);
    feed(&rep, TEXT, true, MCQ_REQUEST_ENVELOPE);
    mcq_rep_cut(&rep);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, true, MCQ_REQUEST_BODY);
    mcq_rep_cut(&rep);
    assert_int_equal(mcq_rep_may_send(&rep), MCQ_STATE);
    feed(&rep, EMPTY, true, MCQ_REQUEST_ENVELOPE);
    feed(&rep, TEXT, false, MCQ_REQUEST_BODY);
    mcq_rep_cut(&rep); /* of a message after this one: the reply is still due */
    assert_int_equal(mcq_rep_may_send(&rep), MCQ_OK);
    mcq_rep_fini(&rep);
}

/* The reference: the frames of the current message in an array, judged when it is complete. */
static void rep__any_messages__as_the_model(void **state)
{
    enum { FRAMES = 6 };
    uint64_t random = support_seed();
    struct mcq_rep rep;

    (void) state;
    mcq_rep_init(&rep, 1000);
    for (int round = 0; round < 50000; round++) {
        size_t count = 1 + support_random_below(&random, FRAMES);
        bool is_empty[FRAMES] = {false};
        size_t delimiter = count;
        size_t bodies = 0;
        size_t kept = 0;
        size_t cursor = 0;
        struct mcq_bytes frame;

        for (size_t i = 0; i < count; i++) {
            enum mcq_request_frame kind;

            is_empty[i] = support_random_below(&random, 3) == 0;
            if (is_empty[i] && delimiter == count)
                delimiter = i;
            assert_int_equal(mcq_rep_frame(&rep, &peers[round % 2], is_empty[i] ? EMPTY : TEXT,
                                           i + 1 < count, &kind),
                             MCQ_OK);
            bodies += kind == MCQ_REQUEST_BODY;
        }
        bool is_request = delimiter + 1 < count;

        assert_int_equal(bodies, is_request ? count - delimiter - 1 : 0);
        assert_int_equal(mcq_rep_may_send(&rep), is_request ? MCQ_OK : MCQ_STATE);
        if (!is_request)
            continue;
        assert_ptr_equal(mcq_rep_requester(&rep), &peers[round % 2]);
        while (mcq_rep_envelope_next(&rep, &cursor, &frame))
            assert_int_equal(frame.len == 0, is_empty[kept++]);
        assert_int_equal(kept, delimiter + 1);
        for (size_t left = 1 + support_random_below(&random, 3); left > 0; left--)
            assert_int_equal(mcq_rep_sent(&rep, left > 1), MCQ_OK);
    }
    mcq_rep_fini(&rep);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(req_sent__strict_twice__is_out_of_turn),
        LEDGER_TEST(req_sent_again__only_the_newest_id_counts),
        cmocka_unit_test(req_sent_again__only_the_newest_id_counts),
        LEDGER_TEST(req_frame__whole_reply__then_may_send_again),
        LEDGER_TEST(req_frame__from_another_peer__discarded),
        LEDGER_TEST(req_frame__nothing_was_asked__discarded),
        LEDGER_TEST(req_frame__not_the_form_of_a_reply__broken),
        LEDGER_TEST(req_frame__correlated__only_the_right_id_counts),
        LEDGER_TEST(req_sent__relaxed_within_a_reply__gives_it_up),
        LEDGER_TEST(req_sent__relaxed_behind_an_id__next_frame_is_no_head),
        LEDGER_TEST(req_peer_down__while_waiting__reply_is_lost),
        LEDGER_TEST(req_peer_down__while_sending__rest_is_swallowed_and_lost),
        LEDGER_TEST(req_cut__within_a_reply__reply_is_lost),
        LEDGER_TEST(req__any_calls__keep_the_order_of_a_dialogue),
        LEDGER_TEST(rep_frame__deep_envelope__goes_back_in_order),
        LEDGER_TEST(rep_frame__reply_is_due__out_of_turn),
        LEDGER_TEST(rep_frame__no_delimiter_or_nothing_behind__broken),
        LEDGER_TEST(fault_c17__255_hops__kept_and_256_refused),
        LEDGER_TEST(rep_frame__octets_of_envelope__bounded_exactly),
        LEDGER_TEST(rep_frame__nth_allocation_fails__message_is_dropped),
        LEDGER_TEST(rep_peer_down__reply_is_due__goes_nowhere),
        LEDGER_TEST(rep_cut__in_every_part_of_a_request__ready_for_the_next),
        LEDGER_TEST(rep__any_messages__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
