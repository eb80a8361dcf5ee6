/* What a peer sends behind its greeting: commands of the handshake, then messages and commands.
 *
 * A command's octets are checked as they arrive, so that a bad one ends the session at its first
 * bad octet. Its fields are read once it is whole: from the input when it came in one piece, else
 * from `cut`. */

#include "session/state.h"
#include "wire/encode.h"

#define NS_PER_MS UINT64_C(1000000)

/* --- handshake ------------------------------------------------------------------------------- */

static bool is_expected(const struct mcq_session *session)
{
    const struct mcq_machine *machine = session->handshake.machine;
    enum mcq_command_id id = session->command.id;
    bool is_undecided = id == MCQ_COMMAND_UNKNOWN && !session->command.is_unknown;

    return is_undecided || machine->event_of[id] != machine->event_other;
}

/* The part of a piece that belongs to the command's metadata, through its own decoder. `before`
 * octets of the body came with earlier pieces. */
static enum mcq_err feed_metadata(struct mcq_session *session, struct mcq_bytes piece,
                                  uint32_t before)
{
    const struct mcq_command_decoder *command = &session->command;
    struct mcq_metadata_decoder *metadata = &session->metadata;
    int span = mcq_command_metadata_span(command->id);
    uint32_t from = span >= 0 ? command->spans[span].at : UINT32_MAX;

    if (command->at < from || command->rule != MCQ_RULE_NONE)
        return MCQ_AGAIN;
    if (before <= from) {
        mcq_metadata_begin(metadata, command->spans[span].len, session->config.max_properties,
                           session->quirks);
        mcq_bytes_skip(&piece, from - before);
    }
    return mcq_metadata_decode(metadata, piece);
}

static enum mcq_err reject_metadata(struct mcq_session *session, enum mcq_err err)
{
    struct mcq_handshake *handshake = &session->handshake;
    int span = mcq_command_metadata_span(session->command.id);
    uint64_t at = session->body_at + session->command.spans[span].at + session->metadata.at;

    handshake->err = err;
    handshake->rule = session->metadata.rule;
    return mcq_session_reject(session, handshake->machine->event_of[session->command.id], err,
                              handshake->rule, at);
}

/* --- traffic --------------------------------------------------------------------------------- */

static enum mcq_err ignore_command(struct mcq_session *session, struct mcq_event *event)
{
    event->kind = MCQ_EVENT_IGNORED;
    event->ignored.id = session->command.id;
    event->ignored.size = session->command.size;
    return MCQ_OK;
}

static enum mcq_err take_topic(struct mcq_session *session, enum mcq_event_kind kind,
                               struct mcq_bytes topic, struct mcq_event *event)
{
    /* libzmq hands subscriptions to any application; only publishers have a use for them. */
    if (!mcq_socket_type_fits(session->config.socket_type, MCQ_SOCKET_TYPE_SUB))
        return ignore_command(session, event);
    event->kind = kind;
    event->topic = topic;
    return MCQ_OK;
}

static enum mcq_err take_group(struct mcq_session *session, enum mcq_event_kind kind,
                               struct mcq_bytes group, struct mcq_event *event)
{
    if (!mcq_socket_type_fits(session->config.socket_type, MCQ_SOCKET_TYPE_DISH))
        return ignore_command(session, event);
    event->kind = kind;
    event->group = group;
    return MCQ_OK;
}

static enum mcq_err take_ping(struct mcq_session *session, uint16_t ttl, struct mcq_bytes context,
                              uint64_t now_ns, struct mcq_event *event)
{
    uint64_t ttl_ns = NS_PER_MS * MCQ_PING_TTL_UNIT_MS * ttl;
    /* A sealed PING cannot be told from a message, so it cannot be made to wait: the PONG that has
     * not left answers it, too. */
    bool is_answered = mcq_session_is_sealed(session) && session->pong_due;

    if (!is_answered && mcq_session_put_pong(session, context) != MCQ_OK)
        return mcq_session_fail(session, MCQ_NOMEM, MCQ_RULE_NONE, MCQ_REASON_NONE,
                                mcq_session_offset(session));
    session->ttl_ns = ttl_ns;
    session->ttl_at_ns = mcq_deadline_ns(now_ns, ttl_ns);
    event->kind = MCQ_EVENT_PING;
    event->ping.ttl_ns = ttl_ns;
    event->ping.context = context;
    return MCQ_OK;
}

enum mcq_err mcq_session_take_traffic(struct mcq_session *session, const uint8_t *body,
                                      uint64_t now_ns, struct mcq_event *event)
{
    struct mcq_command command;

    mcq_command_view(&session->command, body, &command);
    switch (command.id) {
    case MCQ_COMMAND_SUBSCRIBE:
        return take_topic(session, MCQ_EVENT_SUBSCRIBE, command.subscribe.topic, event);
    case MCQ_COMMAND_CANCEL:
        return take_topic(session, MCQ_EVENT_CANCEL, command.cancel.topic, event);
    case MCQ_COMMAND_JOIN: return take_group(session, MCQ_EVENT_JOIN, command.join.group, event);
    case MCQ_COMMAND_LEAVE: return take_group(session, MCQ_EVENT_LEAVE, command.leave.group, event);
    case MCQ_COMMAND_PING:
        return take_ping(session, command.ping.ttl, command.ping.context, now_ns, event);
    case MCQ_COMMAND_PONG:
        mcq_session_answered(session, now_ns);
        event->kind = MCQ_EVENT_PONG;
        event->ping.ttl_ns = 0;
        event->ping.context = command.pong.context;
        return MCQ_OK;
    default: return ignore_command(session, event);
    }
}

/* --- commands, piece by piece ---------------------------------------------------------------- */

static enum mcq_err begin_command(struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    session->body_at = mcq_session_offset(session) - piece->body.len;
    /* The peer had its say, and `cut` holds it. */
    if (session->ready_kept)
        return mcq_session_reject_unexpected(session);
    mcq_grow_clear(&session->cut);
    /* In the handshake a message frame can stand for a command, which no header check has bounded
     * yet. */
    if (piece->size > session->config.max_command_bytes)
        return mcq_session_fail(session, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_COMMAND_BYTES,
                                MCQ_REASON_NONE, session->body_at);
    mcq_command_begin(&session->command,
                      session->phase == MCQ_PHASE_HANDSHAKE ? session->handshake.machine->scope
                                                            : MCQ_SCOPE_TRAFFIC,
                      (uint32_t) piece->size, session->quirks);
    /* What a 2.0 peer takes for a command is none of ours, whatever its name. */
    session->command.is_unknown = session->version < MCQ_ZMTP_3_0;
    if (session->phase == MCQ_PHASE_HANDSHAKE &&
        !(session->quirks & MCQ_QUIRK_HANDSHAKE_FLAGS_IGNORED) &&
        !(piece->flags & MCQ_FRAME_COMMAND))
        return mcq_session_reject_unexpected(session);
    return MCQ_OK;
}

/* A command that comes in several pieces is put together; CURVE's are opened in place, which the
 * input is not for. */
static bool is_kept(const struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    return !(piece->first && piece->last) || session->handshake.curve != NULL;
}

/* Keeps such a piece; of a command that nobody will read nothing needs keeping. */
static enum mcq_err keep_piece(struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    if (!is_kept(session, piece) || session->command.is_unknown)
        return MCQ_OK;
    if (mcq_grow_append(&session->cut, piece->body) != MCQ_OK)
        return mcq_session_fail(session, MCQ_NOMEM, MCQ_RULE_NONE, MCQ_REASON_NONE,
                                mcq_session_offset(session));
    return MCQ_OK;
}

static enum mcq_err malformed(struct mcq_session *session)
{
    const struct mcq_command_decoder *command = &session->command;
    uint64_t at = session->body_at + command->at;

    if (session->phase == MCQ_PHASE_HANDSHAKE)
        return mcq_session_reject(session, session->handshake.machine->event_malformed, MCQ_PROTO,
                                  command->rule, at);
    return mcq_session_fail(session, MCQ_PROTO, command->rule, MCQ_REASON_NONE, at);
}

static enum mcq_err check_piece(struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    uint32_t before = session->command.at;
    enum mcq_err err = mcq_command_decode(&session->command, piece->body);

    if (session->phase == MCQ_PHASE_HANDSHAKE && !is_expected(session))
        return mcq_session_reject_unexpected(session);
    if (err == MCQ_PROTO)
        return malformed(session);
    if (session->phase != MCQ_PHASE_HANDSHAKE)
        return MCQ_OK;
    err = feed_metadata(session, piece->body, before);
    return err == MCQ_OK || err == MCQ_AGAIN ? MCQ_OK : reject_metadata(session, err);
}

static enum mcq_err feed_command(struct mcq_session *session, const struct mcq_frame_piece *piece,
                                 uint64_t now_ns, struct mcq_event *event)
{
    if (piece->first)
        MCQ_TRY(begin_command(session, piece));
    MCQ_TRY(check_piece(session, piece));
    MCQ_TRY(keep_piece(session, piece));
    if (!piece->last)
        return MCQ_AGAIN;

    bool kept = is_kept(session, piece);
    const uint8_t *body = kept ? mcq_grow_bytes(&session->cut).data : piece->body.data;

    return session->phase == MCQ_PHASE_HANDSHAKE
               ? mcq_session_take_handshake(session, body, kept, now_ns, event)
               : mcq_session_take_traffic(session, body, now_ns, event);
}

/* --- messages -------------------------------------------------------------------------------- */

/* A message frame's header is in: its place in the message and the message's size must be within
 * their bounds. */
static enum mcq_err begin_part(struct mcq_session *session, const struct mcq_frame_piece *piece,
                               uint64_t head_end)
{
    const struct mcq_session_config *config = &session->config;

    if (session->part_index >= config->max_message_frames)
        return mcq_session_fail(session, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_MESSAGE_FRAMES,
                                MCQ_REASON_NONE, head_end);
    if (piece->size > config->max_message_bytes - session->message_bytes)
        return mcq_session_fail(session, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_MESSAGE_BYTES,
                                MCQ_REASON_NONE, head_end);
    session->message_bytes += piece->size;
    return MCQ_OK;
}

enum mcq_err mcq_session_take_part(struct mcq_session *session, const struct mcq_frame_piece *piece,
                                   uint64_t head_end, struct mcq_event *event)
{
    if (piece->first)
        MCQ_TRY(begin_part(session, piece, head_end));
    event->kind = MCQ_EVENT_BODY;
    event->body.piece = *piece;
    event->body.piece.flags &= MCQ_FRAME_MORE;
    event->body.part_index = session->part_index;
    if (!piece->last)
        return MCQ_OK;
    if (piece->flags & MCQ_FRAME_MORE) {
        session->part_index++;
    } else {
        session->part_index = 0;
        session->message_bytes = 0;
    }
    return MCQ_OK;
}

bool mcq_session_take_whole(struct mcq_session *session, struct mcq_bytes *in,
                            struct mcq_bytes *body)
{
    const struct mcq_session_config *config = &session->config;
    uint64_t offset = session->frames.offset;
    struct mcq_bytes before = *in;
    uint8_t flags;

    if (session->phase != MCQ_PHASE_TRAFFIC || session->due != MCQ_DUE_NOTHING ||
        session->part_index > 0 || config->max_message_frames == 0 ||
        session->curve != NULL || /* then it is sealed */
        !mcq_frame_take_whole(&session->frames, in, MCQ_FRAME_ENDING_FLAGS, &flags, body))
        return false;
    if (MCQ_UNLIKELY(body->len > config->max_message_bytes)) {
        session->frames.offset = offset;
        *in = before;
        return false;
    }
    mcq_session_heard(session);
    return true;
}

/* One PONG waits at most; a command may ask for another, so it waits for the link as the PONG
 * does. */
static bool must_wait(const struct mcq_session *session, struct mcq_bytes in)
{
    return MCQ_UNLIKELY(session->pong_due) && !session->pong_yields && !session->frames.in_body &&
           in.len > 0 && (in.data[0] & MCQ_FRAME_COMMAND) && !mcq_session_is_sealed(session);
}

enum mcq_err mcq_session_feed_frames(struct mcq_session *session, struct mcq_bytes *in,
                                     uint64_t now_ns, struct mcq_event *event)
{
    struct mcq_frame_piece piece;
    enum mcq_err err;

    if (in->len > 0)
        mcq_session_heard(session);
    do {
        if (must_wait(session, *in))
            return MCQ_BUSY;
        err = mcq_frame_decode(&session->frames, in, &piece);
        if (MCQ_UNLIKELY(err != MCQ_OK)) {
            if (err == MCQ_AGAIN)
                return MCQ_AGAIN;
            return mcq_session_fail(session, err, session->frames.rule, MCQ_REASON_NONE,
                                    mcq_session_offset(session));
        }
        if (MCQ_UNLIKELY(mcq_session_is_sealed(session)))
            return mcq_session_feed_sealed(session, &piece, event);
        if (piece.first)
            session->in_command =
                session->phase == MCQ_PHASE_HANDSHAKE || (piece.flags & MCQ_FRAME_COMMAND);
        if (MCQ_LIKELY(!session->in_command))
            return mcq_session_take_part(session, &piece,
                                         mcq_session_offset(session) - piece.body.len, event);
        err = feed_command(session, &piece, now_ns, event);
    } while (err == MCQ_AGAIN);
    return err;
}
