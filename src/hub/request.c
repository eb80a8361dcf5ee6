#include "hub/request.h"

#include "arena/alloc.h"
#include "base/assert.h"

/* --- REQ -------------------------------------------------------------------------------------- */

enum req_event {
    REQ_SEND_MORE,
    REQ_SEND_LAST,
    REQ_ACCEPT, /* the envelope of the awaited reply is complete */
    REQ_FINISH, /* the reply's last frame */
    REQ_DOWN,   /* the asked connection, or the rest of its reply */
    REQ_AGAIN,  /* the same request, once more */
    REQ_EVENT_COUNT,
};

enum req_answer {
    REQ_GO,
    REQ_START,   /* a new request: another id, another peer */
    REQ_RESTART, /* the same if relaxed, else out of turn */
    REQ_IGNORE,  /* changes nothing */
};

struct req_row {
    enum mcq_req_state next;
    enum req_answer answer;
};

#define TO(state) MCQ_REQ_##state

static const struct req_row req_table[MCQ_REQ_STATE_COUNT][REQ_EVENT_COUNT] =
    {
        [MCQ_REQ_IDLE] =
            {
                [REQ_SEND_MORE] = {TO(SENDING), REQ_START},
                [REQ_SEND_LAST] = {TO(WAITING), REQ_START},
                [REQ_ACCEPT] = {TO(IDLE), REQ_IGNORE},
                [REQ_FINISH] = {TO(IDLE), REQ_IGNORE},
                [REQ_DOWN] = {TO(IDLE), REQ_IGNORE},
                [REQ_AGAIN] = {TO(IDLE), REQ_IGNORE},
            },
        [MCQ_REQ_SENDING] =
            {
                [REQ_SEND_MORE] = {TO(SENDING), REQ_GO},
                [REQ_SEND_LAST] = {TO(WAITING), REQ_GO},
                [REQ_ACCEPT] = {TO(SENDING), REQ_IGNORE},
                [REQ_FINISH] = {TO(SENDING), REQ_IGNORE},
                [REQ_DOWN] = {TO(CUT), REQ_GO},
                [REQ_AGAIN] = {TO(SENDING), REQ_IGNORE},
            },
        [MCQ_REQ_CUT] =
            {
                [REQ_SEND_MORE] = {TO(CUT), REQ_GO},
                [REQ_SEND_LAST] = {TO(LOST), REQ_GO},
                [REQ_ACCEPT] = {TO(CUT), REQ_IGNORE},
                [REQ_FINISH] = {TO(CUT), REQ_IGNORE},
                [REQ_DOWN] = {TO(CUT), REQ_IGNORE},
                [REQ_AGAIN] = {TO(CUT), REQ_IGNORE},
            },
        [MCQ_REQ_WAITING] =
            {
                [REQ_SEND_MORE] = {TO(SENDING), REQ_RESTART},
                [REQ_SEND_LAST] = {TO(WAITING), REQ_RESTART},
                [REQ_ACCEPT] = {TO(RECEIVING), REQ_GO},
                [REQ_FINISH] = {TO(WAITING), REQ_IGNORE},
                [REQ_DOWN] = {TO(LOST), REQ_GO},
                [REQ_AGAIN] = {TO(WAITING), REQ_START},
            },
        [MCQ_REQ_LOST] =
            {
                [REQ_SEND_MORE] = {TO(SENDING), REQ_RESTART},
                [REQ_SEND_LAST] = {TO(WAITING), REQ_RESTART},
                [REQ_ACCEPT] = {TO(LOST), REQ_IGNORE},
                [REQ_FINISH] = {TO(LOST), REQ_IGNORE},
                [REQ_DOWN] = {TO(LOST), REQ_IGNORE},
                [REQ_AGAIN] = {TO(WAITING), REQ_START},
            },
        [MCQ_REQ_RECEIVING] =
            {
                [REQ_SEND_MORE] = {TO(SENDING), REQ_RESTART},
                [REQ_SEND_LAST] = {TO(WAITING), REQ_RESTART},
                [REQ_ACCEPT] = {TO(RECEIVING), REQ_IGNORE},
                [REQ_FINISH] = {TO(IDLE), REQ_GO},
                [REQ_DOWN] = {TO(LOST), REQ_GO},
                [REQ_AGAIN] = {TO(RECEIVING), REQ_IGNORE},
            },
};

#undef TO

/* Incoming frames. Those that another frame follows are told apart by what they hold; whether they
 * are awaited depends on who sent them and what was asked. */
enum reply_event {
    REPLY_EMPTY,       /* from the peer that was asked, without an id */
    REPLY_STRAY_EMPTY, /* else */
    REPLY_ID,          /* of the request, from the peer that was asked */
    REPLY_STRAY_ID,    /* any other 4 octets */
    REPLY_OTHER,
    REPLY_LAST, /* whatever it holds */
    REPLY_CUT,
    REPLY_GIVE_UP, /* the awaited one is not awaited any more */
    REPLY_EVENT_COUNT,
};

enum reply_effect { REPLY_NOTHING, REPLY_ACCEPTS, REPLY_FINISHES };

struct reply_row {
    enum mcq_req_part next;
    enum mcq_request_frame frame; /* of CUT and GIVE_UP it means nothing */
    enum reply_effect effect;
};

#define TO(part, frame)                                                                            \
    {                                                                                              \
        MCQ_REQ_PART_##part, MCQ_REQUEST_##frame, REPLY_NOTHING                                    \
    }
#define WITH(part, frame, effect)                                                                  \
    {                                                                                              \
        MCQ_REQ_PART_##part, MCQ_REQUEST_##frame, REPLY_##effect                                   \
    }

static const struct reply_row reply_table[MCQ_REQ_PART_COUNT][REPLY_EVENT_COUNT] =
    {
        [MCQ_REQ_PART_HEAD] =
            {
                [REPLY_EMPTY] = WITH(BODY, ENVELOPE, ACCEPTS),
                [REPLY_STRAY_EMPTY] = TO(SKIP, DISCARD),
                [REPLY_ID] = TO(DELIMITER, ENVELOPE),
                [REPLY_STRAY_ID] = TO(SKIP_DELIMITER, DISCARD),
                [REPLY_OTHER] = TO(SKIP, BROKEN),
                [REPLY_LAST] = TO(HEAD, BROKEN),
                [REPLY_CUT] = TO(HEAD, DISCARD),
                [REPLY_GIVE_UP] = TO(HEAD, DISCARD),
            },
        [MCQ_REQ_PART_DELIMITER] =
            {
                [REPLY_EMPTY] = WITH(BODY, ENVELOPE, ACCEPTS),
                [REPLY_STRAY_EMPTY] = WITH(BODY, ENVELOPE, ACCEPTS), /* the id was right */
                [REPLY_ID] = TO(SKIP, BROKEN),
                [REPLY_STRAY_ID] = TO(SKIP, BROKEN),
                [REPLY_OTHER] = TO(SKIP, BROKEN),
                [REPLY_LAST] = TO(HEAD, BROKEN),
                [REPLY_CUT] = TO(HEAD, DISCARD),
                [REPLY_GIVE_UP] = TO(SKIP_DELIMITER, DISCARD),
            },
        [MCQ_REQ_PART_SKIP_DELIMITER] =
            {
                [REPLY_EMPTY] = TO(SKIP, DISCARD),
                [REPLY_STRAY_EMPTY] = TO(SKIP, DISCARD),
                [REPLY_ID] = TO(SKIP, BROKEN),
                [REPLY_STRAY_ID] = TO(SKIP, BROKEN),
                [REPLY_OTHER] = TO(SKIP, BROKEN),
                [REPLY_LAST] = TO(HEAD, BROKEN),
                [REPLY_CUT] = TO(HEAD, DISCARD),
                [REPLY_GIVE_UP] = TO(SKIP_DELIMITER, DISCARD),
            },
        [MCQ_REQ_PART_BODY] =
            {
                [REPLY_EMPTY] = TO(BODY, BODY),
                [REPLY_STRAY_EMPTY] = TO(BODY, BODY),
                [REPLY_ID] = TO(BODY, BODY),
                [REPLY_STRAY_ID] = TO(BODY, BODY),
                [REPLY_OTHER] = TO(BODY, BODY),
                [REPLY_LAST] = WITH(HEAD, BODY, FINISHES),
                [REPLY_CUT] = TO(HEAD, DISCARD),
                [REPLY_GIVE_UP] = TO(SKIP, DISCARD),
            },
        [MCQ_REQ_PART_SKIP] =
            {
                [REPLY_EMPTY] = TO(SKIP, DISCARD),
                [REPLY_STRAY_EMPTY] = TO(SKIP, DISCARD),
                [REPLY_ID] = TO(SKIP, DISCARD),
                [REPLY_STRAY_ID] = TO(SKIP, DISCARD),
                [REPLY_OTHER] = TO(SKIP, DISCARD),
                [REPLY_LAST] = TO(HEAD, DISCARD),
                [REPLY_CUT] = TO(HEAD, DISCARD),
                [REPLY_GIVE_UP] = TO(SKIP, DISCARD),
            },
};

#undef WITH
#undef TO

static void req_check(const struct mcq_req *req);
static enum req_answer req_step(struct mcq_req *req, enum req_event event);
static enum mcq_request_frame reply_step(struct mcq_req *req, enum reply_event event);
static enum reply_event reply_event_of(const struct mcq_req *req, uint64_t epoch,
                                       struct mcq_bytes frame, bool more);

void mcq_req_init(struct mcq_req *req, bool is_relaxed, bool correlates, uint32_t id)
{
    *req = (struct mcq_req) {.is_relaxed = is_relaxed, .correlates = correlates, .id = id};
}

enum mcq_err mcq_req_may_send(const struct mcq_req *req)
{
    bool refused = req_table[req->state][REQ_SEND_LAST].answer == REQ_RESTART && !req->is_relaxed;

    return refused ? MCQ_STATE : MCQ_OK;
}

bool mcq_req_begins(const struct mcq_req *req)
{
    return req_table[req->state][REQ_SEND_LAST].answer != REQ_GO;
}

enum mcq_err mcq_req_sent(struct mcq_req *req, uint64_t epoch, bool more)
{
    MCQ_TRY(mcq_req_may_send(req));
    if (req_step(req, more ? REQ_SEND_MORE : REQ_SEND_LAST) != REQ_GO) {
        (void) reply_step(req, REPLY_GIVE_UP);
        req->id++;
        req->epoch = epoch;
        if (epoch == 0) /* nobody was asked, so nobody answers */
            (void) req_step(req, REQ_DOWN);
    }
    req_check(req);
    return MCQ_OK;
}

enum mcq_err mcq_req_sent_again(struct mcq_req *req, uint64_t epoch)
{
    if (req_table[req->state][REQ_AGAIN].answer != REQ_START)
        return MCQ_STATE;
    (void) req_step(req, REQ_AGAIN);
    (void) reply_step(req, REPLY_GIVE_UP);
    req->id++;
    req->epoch = epoch;
    req_check(req);
    return MCQ_OK;
}

enum mcq_err mcq_req_may_receive(const struct mcq_req *req)
{
    return req->state >= MCQ_REQ_WAITING ? MCQ_OK : MCQ_STATE;
}

enum mcq_request_frame mcq_req_frame(struct mcq_req *req, uint64_t epoch, struct mcq_bytes frame,
                                     bool more)
{
    req_check(req);
    return reply_step(req, reply_event_of(req, epoch, frame, more));
}

void mcq_req_cut(struct mcq_req *req)
{
    if (req->part == MCQ_REQ_PART_BODY)
        (void) req_step(req, REQ_DOWN);
    (void) reply_step(req, REPLY_CUT);
    req_check(req);
}

bool mcq_req_peer_down(struct mcq_req *req, uint64_t epoch)
{
    if (epoch == 0 || epoch != req->epoch)
        return false;
    (void) req_step(req, REQ_DOWN);
    (void) reply_step(req, REPLY_GIVE_UP);
    req->epoch = 0;
    req_check(req);
    return true;
}

static void req_check(const struct mcq_req *req)
{
    mcq_assert_hot(req->state < MCQ_REQ_STATE_COUNT && req->part < MCQ_REQ_PART_COUNT);
    mcq_assert_hot((req->state == MCQ_REQ_RECEIVING) == (req->part == MCQ_REQ_PART_BODY));
    mcq_assert_hot(req->part != MCQ_REQ_PART_DELIMITER || req->state == MCQ_REQ_WAITING);
    (void) req;
}

static enum req_answer req_step(struct mcq_req *req, enum req_event event)
{
    const struct req_row *row = &req_table[req->state][event];

    req->state = row->next;
    return row->answer;
}

static enum mcq_request_frame reply_step(struct mcq_req *req, enum reply_event event)
{
    const struct reply_row *row = &reply_table[req->part][event];

    req->part = row->next;
    if (row->effect == REPLY_ACCEPTS)
        (void) req_step(req, REQ_ACCEPT);
    if (row->effect == REPLY_FINISHES)
        (void) req_step(req, REQ_FINISH);
    return row->frame;
}

static enum reply_event reply_event_of(const struct mcq_req *req, uint64_t epoch,
                                       struct mcq_bytes frame, bool more)
{
    bool is_awaited = req->state == MCQ_REQ_WAITING && epoch == req->epoch;

    if (!more)
        return REPLY_LAST;
    if (frame.len == 0)
        return is_awaited && !req->correlates ? REPLY_EMPTY : REPLY_STRAY_EMPTY;
    if (frame.len != MCQ_REQ_ID_BYTES)
        return REPLY_OTHER;
    return is_awaited && req->correlates && memcmp(frame.data, &req->id, MCQ_REQ_ID_BYTES) == 0
               ? REPLY_ID
               : REPLY_STRAY_ID;
}

/* --- REP -------------------------------------------------------------------------------------- */

enum rep_event {
    REP_EMPTY_MORE,
    REP_EMPTY_LAST,
    REP_FULL_MORE,
    REP_FULL_LAST,
    REP_SEND_MORE,
    REP_SEND_LAST,
    REP_CUT,
    REP_TOO_MUCH, /* instead of FULL_MORE: the envelope cannot be kept */
    REP_EVENT_COUNT,
};

enum rep_answer {
    REP_KEEP,   /* the frame joins the envelope */
    REP_BODY,   /* the application's */
    REP_DROP,   /* the frame goes; so does the envelope */
    REP_BREAK,  /* the same; the message has not the form of a request */
    REP_GO,     /* a frame of the reply */
    REP_END,    /* its last: the envelope goes */
    REP_REFUSE, /* out of turn */
    REP_IGNORE,
};

struct rep_row {
    enum mcq_rep_state next;
    enum rep_answer answer;
};

#define TO(state, answer)                                                                          \
    {                                                                                              \
        MCQ_REP_##state, REP_##answer                                                              \
    }

static const struct rep_row rep_table[MCQ_REP_STATE_COUNT][REP_EVENT_COUNT] =
    {
        [MCQ_REP_IDLE] =
            {
                [REP_EMPTY_MORE] = TO(BODY, KEEP),
                [REP_EMPTY_LAST] = TO(IDLE, BREAK),
                [REP_FULL_MORE] = TO(ENVELOPE, KEEP),
                [REP_FULL_LAST] = TO(IDLE, BREAK),
                [REP_SEND_MORE] = TO(IDLE, REFUSE),
                [REP_SEND_LAST] = TO(IDLE, REFUSE),
                [REP_CUT] = TO(IDLE, IGNORE),
                [REP_TOO_MUCH] = TO(SKIP, DROP),
            },
        [MCQ_REP_ENVELOPE] =
            {
                [REP_EMPTY_MORE] = TO(BODY, KEEP),
                [REP_EMPTY_LAST] = TO(IDLE, BREAK),
                [REP_FULL_MORE] = TO(ENVELOPE, KEEP),
                [REP_FULL_LAST] = TO(IDLE, BREAK),
                [REP_SEND_MORE] = TO(ENVELOPE, REFUSE),
                [REP_SEND_LAST] = TO(ENVELOPE, REFUSE),
                [REP_CUT] = TO(IDLE, DROP),
                [REP_TOO_MUCH] = TO(SKIP, DROP),
            },
        [MCQ_REP_SKIP] =
            {
                [REP_EMPTY_MORE] = TO(SKIP, DROP),
                [REP_EMPTY_LAST] = TO(IDLE, DROP),
                [REP_FULL_MORE] = TO(SKIP, DROP),
                [REP_FULL_LAST] = TO(IDLE, DROP),
                [REP_SEND_MORE] = TO(SKIP, REFUSE),
                [REP_SEND_LAST] = TO(SKIP, REFUSE),
                [REP_CUT] = TO(IDLE, DROP),
                [REP_TOO_MUCH] = TO(SKIP, DROP),
            },
        [MCQ_REP_BODY] =
            {
                [REP_EMPTY_MORE] = TO(BODY, BODY),
                [REP_EMPTY_LAST] = TO(REPLY, BODY),
                [REP_FULL_MORE] = TO(BODY, BODY),
                [REP_FULL_LAST] = TO(REPLY, BODY),
                [REP_SEND_MORE] = TO(BODY, REFUSE),
                [REP_SEND_LAST] = TO(BODY, REFUSE),
                [REP_CUT] = TO(IDLE, DROP),
                [REP_TOO_MUCH] = TO(BODY, IGNORE),
            },
        [MCQ_REP_REPLY] =
            {
                [REP_EMPTY_MORE] = TO(REPLY, REFUSE),
                [REP_EMPTY_LAST] = TO(REPLY, REFUSE),
                [REP_FULL_MORE] = TO(REPLY, REFUSE),
                [REP_FULL_LAST] = TO(REPLY, REFUSE),
                [REP_SEND_MORE] = TO(SENDING, GO),
                [REP_SEND_LAST] = TO(IDLE, END),
                [REP_CUT] = TO(REPLY, IGNORE),
                [REP_TOO_MUCH] = TO(REPLY, IGNORE),
            },
        [MCQ_REP_SENDING] =
            {
                [REP_EMPTY_MORE] = TO(SENDING, REFUSE),
                [REP_EMPTY_LAST] = TO(SENDING, REFUSE),
                [REP_FULL_MORE] = TO(SENDING, REFUSE),
                [REP_FULL_LAST] = TO(SENDING, REFUSE),
                [REP_SEND_MORE] = TO(SENDING, GO),
                [REP_SEND_LAST] = TO(IDLE, END),
                [REP_CUT] = TO(SENDING, IGNORE),
                [REP_TOO_MUCH] = TO(SENDING, IGNORE),
            },
};

#undef TO

static void rep_check(const struct mcq_rep *rep);
static enum rep_answer rep_step(struct mcq_rep *rep, enum rep_event event);
static void rep_forget(struct mcq_rep *rep);
static enum mcq_err rep_keep(struct mcq_rep *rep, struct mcq_bytes frame);

void mcq_rep_init(struct mcq_rep *rep, size_t envelope_bytes_max)
{
    *rep = (struct mcq_rep) {.state = MCQ_REP_IDLE};
    mcq_grow_init(&rep->frames, envelope_bytes_max);
}

void mcq_rep_fini(struct mcq_rep *rep)
{
    mcq_grow_fini(&rep->frames);
}

enum mcq_err mcq_rep_may_receive(const struct mcq_rep *rep)
{
    return rep->state < MCQ_REP_REPLY ? MCQ_OK : MCQ_STATE;
}

enum mcq_err mcq_rep_may_send(const struct mcq_rep *rep)
{
    return rep->state >= MCQ_REP_REPLY ? MCQ_OK : MCQ_STATE;
}

enum mcq_err mcq_rep_frame(struct mcq_rep *rep, struct mcq_ring_node *peer, struct mcq_bytes frame,
                           bool more, enum mcq_request_frame *kind)
{
    static const enum rep_event events[2][2] = {{REP_FULL_LAST, REP_FULL_MORE},
                                                {REP_EMPTY_LAST, REP_EMPTY_MORE}};
    enum rep_event event = events[frame.len == 0][more];
    enum mcq_err err = MCQ_OK;

    rep_check(rep);
    MCQ_TRY(mcq_rep_may_receive(rep));
    if (rep_table[rep->state][event].answer == REP_KEEP) {
        err = rep_keep(rep, frame);
        if (err != MCQ_OK)
            event = REP_TOO_MUCH;
    }
    if (rep->state == MCQ_REP_IDLE) {
        rep->peer = peer;
        rep->epoch = peer->epoch;
    }
    switch (rep_step(rep, event)) {
    case REP_KEEP: *kind = MCQ_REQUEST_ENVELOPE; break;
    case REP_BODY: *kind = MCQ_REQUEST_BODY; break;
    case REP_BREAK: *kind = MCQ_REQUEST_BROKEN; break;
    default: *kind = err == MCQ_LIMIT ? MCQ_REQUEST_BROKEN : MCQ_REQUEST_DISCARD;
    }
    rep_check(rep);
    return err;
}

void mcq_rep_cut(struct mcq_rep *rep)
{
    (void) rep_step(rep, REP_CUT);
    rep_check(rep);
}

bool mcq_rep_peer_down(struct mcq_rep *rep, uint64_t epoch)
{
    if (rep->peer == NULL || rep->epoch != epoch)
        return false;
    rep->peer = NULL;
    return true;
}

bool mcq_rep_envelope_next(const struct mcq_rep *rep, size_t *cursor, struct mcq_bytes *frame)
{
    if (*cursor == rep->frames.len)
        return false;

    const uint8_t *at = rep->frames.data + *cursor;

    *frame = mcq_bytes(at + sizeof(uint32_t), mcq_get_u32be(at));
    *cursor += sizeof(uint32_t) + frame->len;
    mcq_assert(*cursor <= rep->frames.len);
    return true;
}

enum mcq_err mcq_rep_sent(struct mcq_rep *rep, bool more)
{
    rep_check(rep);
    if (rep_step(rep, more ? REP_SEND_MORE : REP_SEND_LAST) == REP_REFUSE)
        return MCQ_STATE;
    rep_check(rep);
    return MCQ_OK;
}

static void rep_check(const struct mcq_rep *rep)
{
    mcq_assert_hot(rep->state < MCQ_REP_STATE_COUNT);
    mcq_assert_hot(rep->frame_count <= MCQ_REP_FRAMES_MAX + 1);
    mcq_assert_hot((rep->frames.len > 0) == (rep->frame_count > 0));
    mcq_assert_hot(rep->state != MCQ_REP_IDLE || (rep->frame_count == 0 && rep->peer == NULL));
    mcq_assert_hot(rep->state != MCQ_REP_REPLY || rep->frame_count > 0);
    (void) rep;
}

static enum rep_answer rep_step(struct mcq_rep *rep, enum rep_event event)
{
    const struct rep_row *row = &rep_table[rep->state][event];

    rep->state = row->next;
    if (row->answer == REP_DROP || row->answer == REP_BREAK || row->answer == REP_END)
        rep_forget(rep);
    return row->answer;
}

static void rep_forget(struct mcq_rep *rep)
{
    mcq_grow_clear(&rep->frames);
    rep->frame_count = 0;
    rep->peer = NULL;
}

static enum mcq_err rep_keep(struct mcq_rep *rep, struct mcq_bytes frame)
{
    uint8_t len[sizeof(uint32_t)];

    /* The empty frame is not one of them: it ends what they say. */
    if ((frame.len > 0 && rep->frame_count == MCQ_REP_FRAMES_MAX) || frame.len > UINT32_MAX)
        return MCQ_LIMIT;
    MCQ_TRY(mcq_grow_reserve(&rep->frames, mcq_size_add(frame.len, sizeof len)));
    mcq_put_u32be(len, (uint32_t) frame.len);
    mcq_put_bytes(mcq_put_bytes(mcq_grow_room(&rep->frames), mcq_bytes(len, sizeof len)), frame);
    mcq_grow_commit(&rep->frames, frame.len + sizeof len);
    rep->frame_count++;
    return MCQ_OK;
}
