/* Two sessions back to back over a link that cuts and delays: the octets are a script of what
 * the applications, the link and the clock do. The link may rewrite one octet of both greetings,
 * so that two peers of today meet as peers of any older version, and may do so in one direction
 * only. The oracles: what one side sent the other receives whole, in order, once; sides that fit
 * get to traffic when all that is on its way has arrived, and any two end in the same way; they
 * agree on version, mechanism, type and identity; no older version without leave; each PING has
 * its PONG; a call that gives nothing is not to be made again, and no deadline is due twice;
 * what a side holds is bounded by what arrived and what it has to send, and nothing is left at
 * the end.
 *
 * The first choice is what the link rewrites, the second the mechanisms, whether one direction
 * only is rewritten, and which allocation is refused. */

#define FUZZ_OCTETS_MAX 512
#include "fuzz.h"

#include "budget.h"
#include "fuzz/grammar.h"
#include "wire/encode.h"

#define MS UINT64_C(1000000)
#define HANDSHAKE_NS (1000 * MS)
#define HEARTBEAT_NS (10 * MS)
#define SILENCE_NS (25 * MS)
#define TTL_DS 1
#define PIPE_BYTES (1u << 17) /* more than any script sends, so that the link is never full */
#define PENDING_MAX 8
#define TIGHT_BYTES 96 /* every limit of a side that is short of all */
#define IDLE_TURNS_MAX 4

struct message {
    uint32_t len;
    bool more;
    uint8_t fill;
};

struct side {
    struct mcq_session session;
    struct mcq_session_config config;
    bool is_hung_up;  /* the application went away, or the session failed and said all it had to */
    bool zap_pending; /* an answer is due */
    bool is_ready;
    enum mcq_zmtp version; /* as READY said */
    unsigned pings;        /* received */
    unsigned pongs;
    struct budget budget;
    struct message pending[PENDING_MAX];
    size_t pending_count;
    uint8_t frame[MCQ_FRAME_HEAD_MAX + UINT8_MAX]; /* being written */
    size_t frame_len;
    size_t frame_at;
    struct mcq_frame_piece last; /* of what is being received */
    uint64_t got;
};

struct pipe {
    uint8_t octets[PIPE_BYTES];
    size_t at;
    size_t len;
    uint64_t passed; /* octets that went in */
};

struct duel {
    struct side sides[2];
    uint64_t now_ns;
    const struct grammar_decision *rewrites; /* NULL: nothing */
    bool rewrites_both;
    uint8_t octet; /* what the rewritten one becomes */
    enum mcq_form form;
    enum mcq_zmtp version; /* in which the two meet */
    bool is_excused;       /* something happened that may end a good connection */
    struct mcq_bytes script;
};

/* Too large for the stack; each input starts with empty ones. */
static struct pipe pipes[2];     /* what each side wrote */
static struct text logs_sent[2]; /* by each side */
static struct text logs_got[2];  /* from each side */

__attribute__((constructor)) static void reserve_logs(void)
{
    for (unsigned who = 0; who < 2; who++) {
        write_room(&logs_sent[who], FUZZ_LOG_BYTES);
        write_room(&logs_got[who], FUZZ_LOG_BYTES);
    }
}

/* --- the script ------------------------------------------------------------------------------- */

static uint8_t next_octet(struct duel *duel)
{
    uint8_t octet = duel->script.len > 0 ? *duel->script.data : 0;

    mcq_bytes_skip(&duel->script, duel->script.len > 0);
    return octet;
}

static enum mcq_socket_type type_of(uint8_t octet)
{
    enum mcq_socket_type type = (enum mcq_socket_type)(octet % MCQ_SOCKET_TYPE_LIMIT);

    return mcq_socket_type_row(type) != NULL ? type : MCQ_SOCKET_TYPE_PAIR;
}

/* --- what was sent and what came -------------------------------------------------------------- */

static void log_octet(struct text *text, uint8_t octet)
{
    write_raw(text, &octet, 1);
}

static void log_named(struct text *text, char kind, struct mcq_bytes name)
{
    log_octet(text, (uint8_t) kind);
    write_octets(text, "name", name);
}

static void log_frame(struct text *text, bool more, uint64_t size)
{
    log_octet(text, 'm');
    log_octet(text, more);
    write_number(text, "size", size);
}

static void log_ignored(struct text *text, enum mcq_command_id id, size_t size)
{
    log_octet(text, 'i');
    write_number(text, "id", id);
    write_number(text, "size", size);
}

static void check_got(unsigned from)
{
    const struct text *sent = &logs_sent[from];
    const struct text *got = &logs_got[from];

    if (got->len > sent->len || memcmp(got->data, sent->data, got->len) != 0)
        fuzz_fail("side %u sent other things than came", from);
}

/* --- a side ----------------------------------------------------------------------------------- */

static struct mcq_bytes routing_id(unsigned bits)
{
    static const uint8_t octets[MCQ_PROPERTY_IDENTITY_BYTES_MAX] = "us, and more";
    static const size_t lens[] = {0, 2, 12, MCQ_PROPERTY_IDENTITY_BYTES_MAX};

    return mcq_bytes(octets, lens[bits % MCQ_COUNTOF(lens)]);
}

static void configure(struct duel *duel, unsigned who, enum mcq_mechanism mechanism, uint8_t type,
                      uint8_t bits)
{
    struct mcq_session_config *config = &duel->sides[who].config;

    mcq_session_config_init(config, type_of(type),
                            bits & 1 ? MCQ_PROFILE_COMPAT : MCQ_PROFILE_NATIVE);
    config->mechanism = mechanism;
    config->meets_older = true;
    config->asks_zap = bits & 2;
    config->as_server = bits & 4;
    config->username = mcq_bytes_of("user");
    config->password = mcq_bytes_of("password");
    config->handshake_ns = HANDSHAKE_NS;
    if (bits & 8) {
        config->heartbeat_ns = HEARTBEAT_NS;
        config->heartbeat_timeout_ns = SILENCE_NS;
    }
    config->heartbeat_ttl_ds = bits & 16 ? TTL_DS : 0;
    if (bits & 32) {
        config->max_command_bytes = TIGHT_BYTES;
        config->max_message_frames = 2;
        config->max_frame_bytes = config->max_message_bytes = TIGHT_BYTES;
        duel->is_excused = true;
    }
    config->routing_id = routing_id(bits >> 6);
}

static void check_memory(struct duel *duel)
{
    uint64_t bytes = 0;

    for (unsigned who = 0; who < 2; who++)
        bytes += budget_bytes(&duel->sides[who].budget, &duel->sides[who].session);
    budget_check(bytes, 2);
}

static bool is_failed(const struct side *side)
{
    return mcq_session_phase(&side->session) == MCQ_PHASE_FAILED;
}

/* A failure that a good connection may have is one of time, of memory or of what was done to it. */
static void note_failure(struct duel *duel, const struct side *side)
{
    const struct mcq_failure *failure = mcq_session_failure(&side->session);

    if (!is_failed(side) || failure->err == MCQ_OK)
        fuzz_fail("an error, and no failure");
    if (failure->err == MCQ_TIMEOUT || failure->err == MCQ_NOMEM)
        duel->is_excused = true;
}

/* --- what a side is told ---------------------------------------------------------------------- */

static void take_ready(struct duel *duel, unsigned who, const struct mcq_event *event)
{
    struct side *side = &duel->sides[who];
    const struct mcq_session_config *config = &side->config;
    const struct mcq_session_config *peer = &duel->sides[!who].config;
    bool says = mcq_socket_type_row(peer->socket_type)->sends_identity;
    bool is_older = event->ready.version < MCQ_ZMTP_3_0;
    struct mcq_bytes identity = event->ready.identity;

    if (side->is_ready)
        fuzz_fail("ready twice");
    side->is_ready = true;
    side->version = event->ready.version;
    if (is_older && (config->mechanism != MCQ_MECHANISM_NULL || config->asks_zap))
        fuzz_fail("an older version, though the peer was to prove something");
    if (!is_older && config->mechanism != peer->mechanism)
        fuzz_fail("ready, though the mechanisms differ");
    if (!duel->rewrites_both)
        return;
    if (event->ready.version != duel->version)
        fuzz_fail("the link makes of them %s, not %s", mcq_zmtp_name(duel->version),
                  mcq_zmtp_name(event->ready.version));
    if (event->ready.socket_type != MCQ_SOCKET_TYPE_NONE &&
        event->ready.socket_type != peer->socket_type)
        fuzz_fail("a type that the peer is not");
    if (!is_older && event->ready.socket_type == MCQ_SOCKET_TYPE_NONE)
        fuzz_fail("a peer without a type");
    if (!mcq_bytes_equal(identity, peer->routing_id) && identity.len > 0)
        fuzz_fail("an identity that the peer has not");
    if (!is_older && identity.len != (says ? peer->routing_id.len : 0))
        fuzz_fail("the identity is lost");
}

static void take_body(struct side *side, struct text *log, const struct mcq_event *event)
{
    const struct mcq_frame_piece *piece = &event->body.piece;

    if (piece->first != side->last.last)
        fuzz_fail("a frame begins inside another one");
    if (piece->first) {
        side->got = 0;
        log_frame(log, piece->flags & MCQ_FRAME_MORE, piece->size);
    }
    side->got += piece->body.len;
    if (piece->last != (side->got == piece->size))
        fuzz_fail("last=%d after %" PRIu64 " of %" PRIu64, piece->last, side->got, piece->size);
    write_raw(log, piece->body.data, piece->body.len);
    side->last = *piece;
}

static void take(struct duel *duel, unsigned who, const struct mcq_event *event)
{
    struct side *side = &duel->sides[who];
    struct text *log = &logs_got[!who];

    switch (event->kind) {
    case MCQ_EVENT_GREETING:
    case MCQ_EVENT_REFUSED: break;
    case MCQ_EVENT_ZAP: side->zap_pending = true; break;
    case MCQ_EVENT_READY: take_ready(duel, who, event); break;
    case MCQ_EVENT_BODY: take_body(side, log, event); break;
    case MCQ_EVENT_SUBSCRIBE: log_named(log, 's', event->topic); break;
    case MCQ_EVENT_CANCEL: log_named(log, 'c', event->topic); break;
    case MCQ_EVENT_JOIN: log_named(log, 'j', event->group); break;
    case MCQ_EVENT_LEAVE: log_named(log, 'l', event->group); break;
    case MCQ_EVENT_PING:
        if (event->ping.ttl_ns != duel->sides[!who].config.heartbeat_ttl_ds * (100 * MS))
            fuzz_fail("a TTL of %" PRIu64 " ns", event->ping.ttl_ns);
        side->pings++;
        break;
    case MCQ_EVENT_PONG:
        if (++side->pongs > duel->sides[!who].pings)
            fuzz_fail("a PONG to nothing");
        break;
    case MCQ_EVENT_IGNORED: log_ignored(log, event->ignored.id, event->ignored.size); break;
    default: fuzz_fail("an event of kind %d", (int) event->kind);
    }
}

/* --- the link --------------------------------------------------------------------------------- */

static void pipe_put(struct duel *duel, unsigned who, struct mcq_bytes octets)
{
    struct pipe *pipe = &pipes[who];
    uint64_t place = duel->rewrites != NULL ? duel->rewrites->octet : UINT64_MAX;

    if (octets.len > PIPE_BYTES - pipe->len)
        fuzz_fail("the link is full");
    if (octets.len > 0)
        memcpy(pipe->octets + pipe->len, octets.data, octets.len);
    if (place >= pipe->passed && place - pipe->passed < octets.len &&
        (who == 0 || duel->rewrites_both))
        pipe->octets[pipe->len + (size_t) (place - pipe->passed)] = duel->octet;
    pipe->len += octets.len;
    pipe->passed += octets.len;
}

/* The next frame of the application, if the session lets one go. */
static bool begin_frame(struct side *side, struct text *log)
{
    struct message message = side->pending[0];

    if (side->pending_count == 0 || mcq_session_phase(&side->session) != MCQ_PHASE_TRAFFIC)
        return false;
    memmove(side->pending, side->pending + 1, --side->pending_count * sizeof *side->pending);
    side->frame_len =
        mcq_session_frame_head(&side->session, message.more, message.len, side->frame);
    memset(side->frame + side->frame_len, message.fill, message.len);
    log_frame(log, message.more, message.len);
    write_raw(log, side->frame + side->frame_len, message.len);
    side->frame_len += message.len;
    side->frame_at = 0;
    return true;
}

/* Up to so many octets go from a side into the link, control octets between frames. Returns how
 * many did. */
static size_t write_out(struct duel *duel, unsigned who, size_t most)
{
    struct side *side = &duel->sides[who];
    size_t before = most;

    while (most > 0 && !side->is_hung_up) {
        struct mcq_bytes want = mcq_session_want(&side->session);
        bool in_frame = side->frame_at < side->frame_len;
        struct mcq_bytes from =
            in_frame ? mcq_bytes(side->frame + side->frame_at, side->frame_len - side->frame_at)
                     : want;

        if (from.len == 0) {
            if (!begin_frame(side, &logs_sent[who]))
                break;
            continue;
        }
        from.len = mcq_min_size(from.len, most);
        pipe_put(duel, who, from);
        most -= from.len;
        if (in_frame)
            side->frame_at += from.len;
        else
            mcq_session_sent(&side->session, from.len);
        budget_look(&side->budget, &side->session);
    }
    if (is_failed(side) && mcq_session_want(&side->session).len == 0)
        side->is_hung_up = true;
    return before - most;
}

/* All that comes of a piece; returns how many octets of it are taken. */
static size_t feed(struct duel *duel, unsigned who, struct mcq_bytes piece)
{
    struct side *side = &duel->sides[who];
    struct mcq_bytes in = piece;

    side->budget.received += piece.len;
    for (unsigned idle = 0; idle <= IDLE_TURNS_MAX; idle++) {
        struct mcq_event event = {0};
        size_t before = in.len;
        enum mcq_err err = mcq_session_feed(&side->session, &in, duel->now_ns, &event);

        if (err == MCQ_OK) {
            take(duel, who, &event);
        } else if (err == MCQ_BUSY) {
            if (mcq_session_want(&side->session).len == 0)
                fuzz_fail("busy, and there is nothing to send");
            break;
        } else if (err == MCQ_AGAIN) {
            if (in.len > 0)
                fuzz_fail("wants more and leaves %zu octets", in.len);
            break;
        } else {
            note_failure(duel, side);
            return piece.len;
        }
        if (in.len < before)
            idle = 0;
        else if (idle == IDLE_TURNS_MAX)
            fuzz_fail("events without end, and nothing is taken");
    }
    side->budget.received -= in.len;
    return piece.len - in.len;
}

/* Up to so many octets of what the peer wrote reach a side. Returns whether anything happened. */
static bool deliver(struct duel *duel, unsigned who, size_t most)
{
    struct side *side = &duel->sides[who];
    struct side *peer = &duel->sides[!who];
    struct pipe *pipe = &pipes[!who];
    struct mcq_bytes piece =
        mcq_bytes(pipe->octets + pipe->at, mcq_min_size(most, pipe->len - pipe->at));
    size_t taken;

    if (is_failed(side)) {
        pipe->at = pipe->len;
        return false;
    }
    if (piece.len == 0) {
        if (!peer->is_hung_up)
            return false;
        mcq_session_end(&side->session);
        note_failure(duel, side);
        return true;
    }
    if (FUZZ_COPIES) {
        uint8_t *copy = fuzz_copy(piece);

        taken = feed(duel, who, mcq_bytes(copy, piece.len));
        free(copy);
    } else {
        taken = feed(duel, who, piece);
    }
    pipe->at += taken;
    return taken > 0;
}

/* --- what the applications and the clock do --------------------------------------------------- */

static void send_message(struct duel *duel, unsigned who, uint8_t bits)
{
    struct side *side = &duel->sides[who];
    struct message message = {next_octet(duel), bits & 1, (uint8_t) logs_sent[who].len};

    if (side->pending_count < PENDING_MAX)
        side->pending[side->pending_count++] = message;
}

/* What the peer is to be told by a subscription that was queued. */
static void log_topic(struct duel *duel, unsigned who, struct mcq_bytes topic, bool is_wanted)
{
    struct text *log = &logs_sent[who];
    bool is_heard = mcq_socket_type_fits(duel->sides[!who].config.socket_type, MCQ_SOCKET_TYPE_SUB);

    if (duel->version < MCQ_COMMAND_SUBSCRIBE_SINCE) {
        uint8_t octets[UINT8_MAX + 1];
        size_t len = mcq_subscribe_message_bytes(topic);

        if (is_wanted)
            mcq_encode_subscribe_message(octets, topic);
        else
            mcq_encode_cancel_message(octets, topic);
        log_frame(log, false, len);
        write_raw(log, octets, len);
    } else if (is_heard) {
        log_named(log, is_wanted ? 's' : 'c', topic);
    } else {
        log_ignored(log, is_wanted ? MCQ_COMMAND_SUBSCRIBE : MCQ_COMMAND_CANCEL,
                    is_wanted ? mcq_subscribe_bytes(topic) : mcq_cancel_bytes(topic));
    }
}

static void log_group(struct duel *duel, unsigned who, struct mcq_bytes group, bool is_joined)
{
    if (mcq_socket_type_fits(duel->sides[!who].config.socket_type, MCQ_SOCKET_TYPE_DISH))
        log_named(&logs_sent[who], is_joined ? 'j' : 'l', group);
    else
        log_ignored(&logs_sent[who], is_joined ? MCQ_COMMAND_JOIN : MCQ_COMMAND_LEAVE,
                    is_joined ? mcq_join_bytes(group) : mcq_leave_bytes(group));
}

static void announce(struct duel *duel, unsigned who, uint8_t bits, bool is_group)
{
    static const uint8_t octets[] = "topics and groups begin with the same letters";
    struct side *side = &duel->sides[who];
    struct mcq_bytes name = mcq_bytes(octets, next_octet(duel) % sizeof octets);
    bool is_on = bits & 1;
    enum mcq_err err = is_group ? mcq_session_join(&side->session, name, is_on)
                                : mcq_session_subscribe(&side->session, name, is_on);

    if (err == MCQ_NOMEM)
        duel->is_excused = true;
    if (err == MCQ_OK && mcq_session_phase(&side->session) != MCQ_PHASE_TRAFFIC)
        fuzz_fail("announced before the traffic");
    if (err == MCQ_OK && is_group)
        log_group(duel, who, name, is_on);
    else if (err == MCQ_OK)
        log_topic(duel, who, name, is_on);
}

static void answer_zap(struct duel *duel, unsigned who, unsigned status)
{
    struct side *side = &duel->sides[who];
    bool is_due = side->zap_pending && !is_failed(side);
    enum mcq_err err = mcq_session_zap(&side->session, status, duel->now_ns);

    if (is_due == (err == MCQ_STATE))
        fuzz_fail("ZAP's answer is %s", mcq_err_name(err));
    if (!is_due)
        return;
    side->zap_pending = false;
    if (err != MCQ_OK) {
        note_failure(duel, side);
        return;
    }
    (void) feed(duel, who, mcq_bytes(NULL, 0));
}

static void pass_time(struct duel *duel, uint64_t wait_ns)
{
    duel->now_ns += wait_ns;
    for (unsigned who = 0; who < 2; who++) {
        struct side *side = &duel->sides[who];
        bool is_due = mcq_session_deadline_ns(&side->session) <= duel->now_ns;
        size_t before = mcq_session_want(&side->session).len;

        if (is_failed(side))
            continue;
        if (mcq_session_tick(&side->session, duel->now_ns) != MCQ_OK) {
            note_failure(duel, side);
            if (!is_due)
                fuzz_fail("late before its time");
        } else if (mcq_session_deadline_ns(&side->session) <= duel->now_ns) {
            fuzz_fail("what was due is due again at once");
        } else if (!is_due && mcq_session_want(&side->session).len != before) {
            fuzz_fail("octets before their time");
        }
    }
}

/* All that can happen without time, in any order. */
static void settle(struct duel *duel)
{
    bool is_moving = true;

    while (is_moving) {
        is_moving = false;
        for (unsigned who = 0; who < 2; who++) {
            if (duel->sides[who].zap_pending && !is_failed(&duel->sides[who])) {
                answer_zap(duel, who, grammar_statuses[0]);
                is_moving = true;
            }
            is_moving |= write_out(duel, who, SIZE_MAX) > 0;
            is_moving |= deliver(duel, !who, SIZE_MAX);
        }
        check_memory(duel);
    }
}

enum act {
    ACT_SEND,
    ACT_SUBSCRIBE,
    ACT_JOIN,
    ACT_WRITE,
    ACT_DELIVER,
    ACT_WRITE_FEW,
    ACT_DELIVER_FEW,
    ACT_WAIT,
    ACT_ZAP,
    ACT_CLOSE,
    ACT_ALL,
    ACT_COUNT,
};

static void act(struct duel *duel, uint8_t octet)
{
    uint8_t bits = octet / ACT_COUNT;
    unsigned who = bits & 1;
    unsigned status;

    bits >>= 1;
    switch ((enum act)(octet % ACT_COUNT)) {
    case ACT_SEND: send_message(duel, who, bits); break;
    case ACT_SUBSCRIBE: announce(duel, who, bits, false); break;
    case ACT_JOIN: announce(duel, who, bits, true); break;
    case ACT_WRITE: write_out(duel, who, 1u + next_octet(duel)); break;
    case ACT_DELIVER: deliver(duel, who, 1u + next_octet(duel)); break;
    case ACT_WRITE_FEW: write_out(duel, who, 1u + bits); break;
    case ACT_DELIVER_FEW: deliver(duel, who, 1u + bits); break;
    case ACT_WAIT: pass_time(duel, next_octet(duel) * MS); break;
    case ACT_ZAP:
        status = grammar_statuses[bits % MCQ_COUNTOF(grammar_statuses)];
        if (status != grammar_statuses[0])
            duel->is_excused = true;
        answer_zap(duel, who, status);
        break;
    case ACT_CLOSE:
        duel->is_excused = true;
        duel->sides[who].is_hung_up = true;
        mcq_session_end(&duel->sides[who].session);
        break;
    case ACT_ALL: settle(duel); break;
    case ACT_COUNT: break;
    }
}

/* --- how they meet ---------------------------------------------------------------------------- */

/* The octet that takes this row and no earlier one. */
static uint8_t octet_for(const struct grammar_decision *row)
{
    for (unsigned octet = 0; octet <= UINT8_MAX; octet++) {
        const struct grammar_decision *first = grammar_decisions;

        while (first < row && (first->octet != row->octet || (octet & first->mask) != first->value))
            first++;
        if (first == row && (octet & row->mask) == row->value)
            return (uint8_t) octet;
    }
    fuzz_fail("no octet takes row %td of the decision", row - grammar_decisions);
}

/* As what the two meet behind this link. false: as nothing that can go on. */
static bool find_version(struct duel *duel)
{
    const struct mcq_greeting_sends sends = {.mechanism = mcq_bytes_of("NULL"), .padding = 1};
    struct mcq_greeting_decoder decoder;
    union mcq_greeting greeting;
    struct mcq_bytes in = mcq_bytes(greeting.octets, MCQ_GREETING_BYTES);

    mcq_encode_greeting(&greeting, MCQ_FORM_V3, &sends);
    if (duel->rewrites != NULL)
        greeting.octets[duel->rewrites->octet] = duel->octet;
    mcq_greeting_decoder_init(&decoder, 0);
    enum mcq_err err = mcq_greeting_decode(&decoder, &in);

    duel->form = decoder.form;
    duel->version = decoder.version;
    /* Without its first octet a greeting is not even a frame's head. */
    return err == MCQ_OK && (duel->rewrites == NULL || duel->rewrites->octet > 0);
}

static bool fits(const struct duel *duel)
{
    const struct mcq_session_config *one = &duel->sides[0].config, *two = &duel->sides[1].config;
    bool is_proven = one->mechanism != MCQ_MECHANISM_NULL || one->asks_zap || two->asks_zap;

    return one->mechanism == two->mechanism &&
           (one->mechanism == MCQ_MECHANISM_NULL || one->as_server != two->as_server) &&
           (duel->version >= MCQ_ZMTP_3_0 || !is_proven) &&
           mcq_socket_type_fits(one->socket_type, two->socket_type) &&
           mcq_socket_type_fits(two->socket_type, one->socket_type);
}

static void check_end(struct duel *duel, bool is_good)
{
    struct side *one = &duel->sides[0], *two = &duel->sides[1];
    bool is_up = mcq_session_phase(&one->session) == MCQ_PHASE_TRAFFIC &&
                 mcq_session_phase(&two->session) == MCQ_PHASE_TRAFFIC;

    if (is_good && !duel->is_excused && !is_up)
        fuzz_fail("sides that fit are not in traffic: %s %s, %s %s",
                  mcq_err_name(mcq_session_failure(&one->session)->err),
                  mcq_rule_name(mcq_session_failure(&one->session)->rule),
                  mcq_err_name(mcq_session_failure(&two->session)->err),
                  mcq_rule_name(mcq_session_failure(&two->session)->rule));
    if (!duel->rewrites_both)
        return;
    check_got(0);
    check_got(1);
    if (!is_up)
        return;
    if (one->version != two->version)
        fuzz_fail("versions differ");
    if (logs_got[0].len != logs_sent[0].len || logs_got[1].len != logs_sent[1].len)
        fuzz_fail("of %zu and %zu octets %zu and %zu came", logs_sent[0].len, logs_sent[1].len,
                  logs_got[0].len, logs_got[1].len);
    if (one->pings != two->pongs || two->pings != one->pongs)
        fuzz_fail("PINGs without PONG");
}

/* Whoever still waits for the other one gives up in time, and then both are gone. */
static void run_out(struct duel *duel)
{
    struct side *one = &duel->sides[0], *two = &duel->sides[1];

    if (mcq_session_phase(&one->session) != mcq_session_phase(&two->session) ||
        mcq_session_phase(&one->session) != MCQ_PHASE_TRAFFIC) {
        pass_time(duel, HANDSHAKE_NS);
        settle(duel);
        if (!is_failed(one) || !is_failed(two))
            fuzz_fail("one side is in traffic and the other is not, or both wait for ever");
    }
}

static void begin(struct duel *duel, const struct fuzz_input *input)
{
    uint8_t choice = input->choice[1];
    unsigned way = input->choice[0] % (MCQ_COUNTOF(grammar_decisions) + 1);
    uint8_t heads[4];

    for (size_t i = 0; i < sizeof heads; i++)
        heads[i] = next_octet(duel);
    for (unsigned who = 0; who < 2; who++) {
        bool is_plain = (choice & 1) ^ (who & (choice >> 1));

        duel->sides[who].last.last = true;
        configure(duel, who, is_plain ? MCQ_MECHANISM_PLAIN : MCQ_MECHANISM_NULL, heads[who],
                  heads[2 + who]);
        pipes[who].at = pipes[who].len = 0;
        pipes[who].passed = 0;
        logs_sent[who].len = logs_got[who].len = 0;
    }
    duel->rewrites = way > 0 ? &grammar_decisions[way - 1] : NULL;
    duel->rewrites_both = !(choice & 4) || way == 0;
    duel->octet = way > 0 ? octet_for(duel->rewrites) : 0;
}

static void fuzz_one(const struct fuzz_input *input)
{
    struct duel duel = {.now_ns = 1, .script = input->octets};
    uint64_t refused = input->choice[1] >> 3;

    begin(&duel, input);
    bool is_good = find_version(&duel) && fits(&duel) && duel.rewrites_both;

    /* Peers of the oldest version never subscribe, and count as subscribed to all. */
    for (unsigned who = 0; who < 2; who++)
        if (duel.form == MCQ_FORM_V1 &&
            mcq_socket_type_fits(duel.sides[!who].config.socket_type, MCQ_SOCKET_TYPE_SUB))
            log_named(&logs_sent[who], 's', mcq_bytes(NULL, 0));
    mcq_alloc_fail_at(refused);
    for (unsigned who = 0; who < 2; who++)
        if (mcq_session_init(&duel.sides[who].session, &duel.sides[who].config, duel.now_ns) !=
            MCQ_OK) {
            if (refused == 0)
                fuzz_fail("a good configuration is refused");
            if (who > 0)
                mcq_session_fini(&duel.sides[0].session);
            goto end;
        }
    while (duel.script.len > 0) {
        act(&duel, next_octet(&duel));
        check_memory(&duel);
    }
    settle(&duel);
    check_end(&duel, is_good);
    run_out(&duel);
    mcq_session_fini(&duel.sides[0].session);
    mcq_session_fini(&duel.sides[1].session);
end:
    mcq_alloc_fail_at(0);
    budget_check_empty();
}
