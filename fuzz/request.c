/*
 * Calls of the dialogue of REQ and REP, against what RFC 28 says in words.
 *
 * Oracle: whose turn it is, what each incoming frame is and where the reply goes are the model's; a
 * request gets frames of the reply to it and of no other; REP's envelope comes back as it was;
 * calls out of turn, and what fails for want of memory, change nothing; all memory comes back. The
 * first choice is REQ or REP and how strict it is, the second how long an envelope may be. Messages
 * come as from a fair queue: from one peer, and with a cut if it goes in the middle.
 */

#include "hub/request.h"
#include "calls.h"

#define PEERS 4
#define KEPT_MAX (MCQ_REP_FRAMES_MAX + 1)
#define FRAME_MAX 40

struct run {
    struct calls calls;
    struct mcq_req req;
    struct mcq_rep rep;
    struct mcq_ring_node nodes[PEERS];
    uint64_t newest;
    uint64_t from; /* the connection whose message comes in; 0: between messages */
    unsigned from_who;

    /* REQ: a request was begun; its frames are not all sent; who was asked is there; its reply has
     * been recognised. */
    bool is_asked, is_sending, is_there, is_answered;
    uint64_t asked;
    uint32_t id;

    /* The message that comes in: frames so far, and what is known of the rest. */
    unsigned frame_count;
    bool is_ours;   /* REQ: its id is the request's */
    bool is_wasted; /* the rest goes, whatever it is */

    /* REP: a whole request is there; the reply has begun; who asked is there. */
    bool owes, is_replying, has_requester;
    bool has_delimiter; /* the envelope is complete */
    unsigned kept_count;
    size_t kept_bytes, kept_max;
    uint8_t kept[KEPT_MAX][FRAME_MAX];
    size_t kept_lens[KEPT_MAX];
    uint64_t requester;
};

static struct run run;

/* Nothing: an id: the right one, or one like it; letters. */
static struct mcq_bytes read_frame(uint8_t octets[FRAME_MAX])
{
    unsigned kind = calls_octet(&run.calls);
    size_t len = kind / 8;

    switch (kind % 8) {
    case 0:
    case 1:
    case 2: return mcq_bytes(octets, 0);
    case 3:
    case 4: memcpy(octets, &run.id, sizeof run.id); return mcq_bytes(octets, sizeof run.id);
    case 5: len = MCQ_REQ_ID_BYTES; break;
    default: break;
    }
    calls_letters(&run.calls, octets, len);
    return mcq_bytes(octets, len);
}

/* Who sends the next frame: in the middle of a message it is who began it. */
static void read_from(unsigned who)
{
    if (run.from != 0)
        return;
    if (run.nodes[who].epoch == 0)
        run.nodes[who].epoch = ++run.newest;
    run.from = run.nodes[who].epoch;
    run.from_who = who;
}

static void end_message(void)
{
    run.from = 0;
    run.frame_count = 0;
    run.is_ours = run.is_wasted = false;
}

/* --- REQ -------------------------------------------------------------------------------------- */

static bool req_may_send(void)
{
    return run.req.is_relaxed || !run.is_asked || run.is_sending;
}

static void req_give_up(void)
{
    run.is_wasted |= run.frame_count > 0 && (run.is_answered || run.is_ours) && !run.is_wasted;
    run.is_answered = false;
}

/* Another id, and somebody to reply to it. */
static void req_begin(uint64_t epoch)
{
    /* A reply whose right id was there, and no more, still has its form to be judged by. */
    bool is_judged = run.is_ours && !run.is_answered && !run.is_wasted;

    req_give_up();
    if (is_judged)
        run.is_wasted = run.is_ours = false;
    run.id++;
    run.asked = epoch;
    run.is_there = epoch != 0;
    run.is_asked = true;
}

static void req_send(unsigned who, bool more, bool to_nobody)
{
    uint64_t epoch = to_nobody ? 0 : run.nodes[who].epoch;
    bool begins = !run.is_sending, may = req_may_send();

    calls_same(mcq_req_may_send(&run.req), may ? MCQ_OK : MCQ_STATE, "REQ may send");
    calls_same(mcq_req_begins(&run.req), begins, "a request begins");
    calls_same(mcq_req_next_id(&run.req), run.id + 1, "the next id");
    calls_same(mcq_req_sent(&run.req, epoch, more), may ? MCQ_OK : MCQ_STATE, "REQ sent");
    if (!may)
        return;
    if (begins)
        req_begin(epoch);
    run.is_sending = more;
}

static void req_send_again(unsigned who)
{
    uint64_t epoch = run.nodes[who].epoch;
    bool may = run.is_asked && !run.is_sending && !run.is_answered;

    if (epoch == 0)
        return;
    calls_same(mcq_req_sent_again(&run.req, epoch), may ? MCQ_OK : MCQ_STATE, "REQ sent again");
    if (may)
        req_begin(epoch);
}

/* What the next frame of this message is; and what follows from that. */
static enum mcq_request_frame req_model(struct mcq_bytes frame, bool more)
{
    bool is_waiting = run.is_asked && !run.is_sending && run.is_there && !run.is_answered;
    bool is_awaited = is_waiting && run.from == run.asked;
    bool is_id = frame.len == MCQ_REQ_ID_BYTES;

    if (run.is_answered && run.frame_count > 0 && !run.is_wasted) {
        if (!more)
            run.is_asked = run.is_answered = false;
        return MCQ_REQUEST_BODY;
    }
    if (run.is_wasted)
        return MCQ_REQUEST_DISCARD;
    if (run.frame_count == 0 && more && is_id) {
        run.is_ours =
            is_awaited && run.req.correlates && memcmp(frame.data, &run.id, sizeof run.id) == 0;
        return run.is_ours ? MCQ_REQUEST_ENVELOPE : MCQ_REQUEST_DISCARD;
    }
    if (more && frame.len == 0) {
        run.is_answered = run.frame_count == 0 ? is_awaited && !run.req.correlates : run.is_ours;
        run.is_wasted = !run.is_answered;
        return run.is_answered ? MCQ_REQUEST_ENVELOPE : MCQ_REQUEST_DISCARD;
    }
    run.is_wasted = true;
    return MCQ_REQUEST_BROKEN;
}

static void req_frame(unsigned who, bool more)
{
    uint8_t octets[FRAME_MAX];

    read_from(who);
    struct mcq_bytes frame = read_frame(octets);
    enum mcq_request_frame expected = req_model(frame, more);

    calls_same(mcq_req_frame(&run.req, run.from, frame, more), expected, "what a frame is");
    run.frame_count++;
    if (!more)
        end_message();
}

static void req_cut(void)
{
    if (run.is_answered && run.frame_count > 0 && !run.is_wasted)
        run.is_answered = run.is_there = false;
    end_message();
    mcq_req_cut(&run.req);
}

static void req_down(unsigned who)
{
    uint64_t epoch = run.nodes[who].epoch;
    bool is_asked = epoch != 0 && epoch == run.asked;

    calls_same(mcq_req_peer_down(&run.req, epoch), is_asked, "the asked one goes");
    if (is_asked) {
        run.is_there = false;
        run.is_answered = false;
        run.asked = 0;
    }
    run.nodes[who].epoch = 0;
    if (run.from != 0 && run.from == epoch)
        req_cut();
}

static void req_check(void)
{
    bool is_complete = run.is_asked && !run.is_sending;

    calls_same(mcq_req_may_receive(&run.req), is_complete ? MCQ_OK : MCQ_STATE, "REQ may receive");
    calls_same(mcq_req_is_lost(&run.req), is_complete && !run.is_there, "the reply is lost");
}

static void req_call(unsigned what)
{
    unsigned who = what / 8 % PEERS;

    switch (what % 8) {
    case 0: req_down(who); break;
    case 1:
        if (run.from != 0 && what & 128)
            req_cut();
        else if ((what & 128) == 0)
            req_send_again(who);
        break;
    case 2:
    case 3: req_send(who, what & 32, what & 64); break;
    default: req_frame(who, what & 32 && what & 192); break;
    }
    req_check();
}

/* --- REP -------------------------------------------------------------------------------------- */

static void rep_forget(void)
{
    run.kept_count = 0;
    run.kept_bytes = 0;
    run.has_delimiter = run.has_requester = run.owes = run.is_replying = false;
}

static enum mcq_err rep_keep(struct mcq_bytes frame)
{
    if (frame.len > 0 && run.kept_count == MCQ_REP_FRAMES_MAX)
        return MCQ_LIMIT;
    if (run.kept_bytes + frame.len + sizeof(uint32_t) > run.kept_max)
        return MCQ_LIMIT;
    if (frame.len > 0)
        memcpy(run.kept[run.kept_count], frame.data, frame.len);
    run.kept_lens[run.kept_count++] = frame.len;
    run.kept_bytes += frame.len + sizeof(uint32_t);
    run.has_delimiter = frame.len == 0;
    return MCQ_OK;
}

static void rep_model(struct mcq_bytes frame, bool more, bool is_refused, enum mcq_err *err,
                      enum mcq_request_frame *kind)
{
    *err = MCQ_OK;
    *kind = MCQ_REQUEST_DISCARD;
    if (run.is_wasted)
        return;
    if (run.has_delimiter) {
        *kind = MCQ_REQUEST_BODY;
        run.owes = !more;
        return;
    }
    if (run.frame_count == 0) {
        run.requester = run.from;
        run.has_requester = true;
    }
    *kind = MCQ_REQUEST_ENVELOPE;
    if (more)
        *err = is_refused ? MCQ_NOMEM : rep_keep(frame);
    if (more && *err == MCQ_OK)
        return;
    *kind = *err == MCQ_NOMEM ? MCQ_REQUEST_DISCARD : MCQ_REQUEST_BROKEN;
    run.is_wasted = true;
    rep_forget();
}

static void rep_frame(unsigned who, bool more, uint64_t fail_at)
{
    enum mcq_request_frame kind = MCQ_REQUEST_BODY, expected;
    enum mcq_err err, expected_err;
    uint8_t octets[FRAME_MAX];

    if (run.owes || run.is_replying) {
        calls_same(mcq_rep_frame(&run.rep, &run.nodes[who], mcq_bytes("x", 1), more, &kind),
                   MCQ_STATE, "a request before the reply");
        return;
    }
    read_from(who);
    struct mcq_bytes frame = read_frame(octets);

    mcq_alloc_fail_at(fail_at);
    err = mcq_rep_frame(&run.rep, &run.nodes[run.from_who], frame, more, &kind);
    mcq_alloc_fail_at(0);
    rep_model(frame, more, fail_at > 0 && err == MCQ_NOMEM, &expected_err, &expected);
    calls_same(err, expected_err, "a request's frame");
    calls_same(kind, expected, "what a frame is");
    run.frame_count++;
    if (!more)
        end_message();
}

/* Frames of an envelope, more of them than anybody writes by hand. */
static void rep_frames(unsigned who, unsigned count)
{
    struct calls calls = run.calls;

    for (unsigned i = 0; i < count && !run.owes && !run.is_replying; i++) {
        run.calls = calls;
        rep_frame(who, true, 0);
    }
}

static void rep_cut(void)
{
    rep_forget();
    end_message();
    mcq_rep_cut(&run.rep);
}

static void rep_down(unsigned who)
{
    uint64_t epoch = run.nodes[who].epoch;
    bool is_requester = run.has_requester && run.requester == epoch;

    calls_same(mcq_rep_peer_down(&run.rep, epoch), is_requester, "the requester goes");
    run.has_requester = run.has_requester && !is_requester;
    run.nodes[who].epoch = 0;
    if (run.from != 0 && run.from == epoch)
        rep_cut();
}

static void rep_send(bool more)
{
    bool may = run.owes || run.is_replying;

    calls_same(mcq_rep_begins(&run.rep), run.owes, "a reply begins");
    calls_same(mcq_rep_sent(&run.rep, more), may ? MCQ_OK : MCQ_STATE, "REP sent");
    if (!may)
        return;
    run.owes = false;
    run.is_replying = more;
    if (!more)
        rep_forget();
}

static void rep_check(void)
{
    bool is_due = run.owes || run.is_replying;
    const struct mcq_ring_node *node = mcq_rep_requester(&run.rep);
    struct mcq_bytes frame;
    size_t cursor = 0;

    calls_same(mcq_rep_may_receive(&run.rep), is_due ? MCQ_STATE : MCQ_OK, "REP may receive");
    calls_same(mcq_rep_may_send(&run.rep), is_due ? MCQ_OK : MCQ_STATE, "REP may send");
    calls_same(node != NULL, run.has_requester, "somebody to reply to");
    if (node != NULL)
        calls_same(node->epoch, run.requester, "whom to reply to");
    for (unsigned i = 0; i < run.kept_count; i++) {
        calls_same(mcq_rep_envelope_next(&run.rep, &cursor, &frame), true, "the envelope");
        calls_same_bytes(frame, mcq_bytes(run.kept[i], run.kept_lens[i]), "the envelope");
    }
    calls_same(mcq_rep_envelope_next(&run.rep, &cursor, &frame), false, "the envelope's end");
}

static void rep_call(unsigned what)
{
    unsigned who = what / 8 % PEERS;

    switch (what % 8) {
    case 0: rep_down(who); break;
    case 1:
        if (run.from != 0 && what & 128)
            rep_cut();
        break;
    case 2: rep_send(what & 32); break;
    case 3: rep_frames(who, calls_octet(&run.calls)); break;
    case 4: rep_frame(who, what & 32, what / 64); break;
    default: rep_frame(who, what & 32 && what & 192, 0); break;
    }
    if (!(what & 64) || what % 8 == 2)
        rep_check();
}

static void fuzz_one(const struct fuzz_input *input)
{
    static const uint16_t kept_max[] = {0, 4, 100, 2000, 20000};
    uint8_t how = input->choice[0];

    run = (struct run) {.calls = calls_of(input),
                        .kept_max = kept_max[input->choice[1] % MCQ_COUNTOF(kept_max)],
                        .id = how & 8 ? UINT32_MAX - 1 : 0x61620062};
    mcq_req_init(&run.req, how & 2, how & 4, run.id);
    mcq_rep_init(&run.rep, run.kept_max);
    while (calls_next(&run.calls)) {
        if (how & 1)
            req_call(calls_octet(&run.calls));
        else
            rep_call(calls_octet(&run.calls));
    }
    if (!(how & 1))
        rep_check();
    mcq_rep_fini(&run.rep);
    calls_end();
}
