/* Traffic in boxes: each frame is a MESSAGE command, whatever its COMMAND bit says, and holds one
 * frame of a message, or one command. Its name and size are checked as it arrives; whoever has
 * collected it has it opened in place. */

#include "session/state.h"
#include "wire/encode.h"

bool mcq_session_is_sealed(const struct mcq_session *session)
{
    return session->curve != NULL && session->phase == MCQ_PHASE_TRAFFIC;
}

static enum mcq_err fail(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                         enum mcq_reason reason, size_t at)
{
    return mcq_session_fail(session, err, rule, reason, session->body_at + at);
}

/* --- what comes in ---------------------------------------------------------------------------- */

void mcq_session_begin_sealed(struct mcq_session *session)
{
    struct mcq_frame_decoder *frames = &session->frames;
    uint64_t most = mcq_min_u64(session->config.max_frame_bytes, UINT32_MAX - MCQ_CURVE_DATA_AT);

    mcq_curve_begin_messages(session->curve);
    frames->max_frame_bytes = most + MCQ_CURVE_DATA_AT;
    frames->max_command_bytes = (uint32_t) frames->max_frame_bytes;
}

static enum mcq_err begin_frame(struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    session->body_at = mcq_session_offset(session) - piece->body.len;
    if (!(session->quirks & MCQ_QUIRK_MESSAGE_IN_MESSAGE) && !(piece->flags & MCQ_FRAME_COMMAND))
        return fail(session, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE, MCQ_REASON_UNEXPECTED_COMMAND, 0);
    session->outer_more = piece->flags & MCQ_FRAME_MORE;
    if (session->outer_more && !(session->quirks & MCQ_QUIRK_OUTER_MORE_COUNTS))
        return fail(session, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE, MCQ_REASON_MALFORMED_COMMAND, 0);
    /* A box may be longer than any command: its decoder gets as much as each has. */
    mcq_command_begin(&session->command, MCQ_SCOPE_CURVE_TRAFFIC,
                      (uint32_t) mcq_min_u64(piece->size, MCQ_CURVE_MESSAGE_BYTES_MIN),
                      session->quirks);
    return MCQ_OK;
}

/* What was wrong with a frame that is no MESSAGE: its name does not fit into it, or is another. */
static enum mcq_reason reason_of(const struct mcq_session *session,
                                 const struct mcq_frame_piece *piece)
{
    return piece->size <= 1 || piece->size <= session->name_bytes ? MCQ_REASON_MALFORMED_COMMAND
                                                                  : MCQ_REASON_UNEXPECTED_COMMAND;
}

enum mcq_err mcq_session_feed_sealed(struct mcq_session *session,
                                     const struct mcq_frame_piece *piece, struct mcq_event *event)
{
    struct mcq_command_decoder *command = &session->command;
    struct mcq_bytes head = piece->body;

    if (piece->first)
        MCQ_TRY(begin_frame(session, piece));
    head.len = mcq_min_size(head.len, command->size - command->at);
    if (command->at == 0 && head.len > 0)
        session->name_bytes = head.data[0];
    if (mcq_command_decode(command, head) == MCQ_PROTO)
        return fail(session, MCQ_PROTO, command->rule, MCQ_REASON_MALFORMED_COMMAND, command->at);
    if (command->is_unknown || (piece->last && command->id == MCQ_COMMAND_UNKNOWN))
        return fail(session, MCQ_PROTO, MCQ_RULE_CURVE_MESSAGE, reason_of(session, piece), 0);
    event->kind = MCQ_EVENT_SEALED;
    event->body.piece = *piece;
    event->body.part_index = session->part_index;
    return MCQ_OK;
}

static enum mcq_err open_command(struct mcq_session *session, struct mcq_bytes data,
                                 uint64_t now_ns, struct mcq_event *event)
{
    if (data.len > session->config.max_command_bytes)
        return fail(session, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_COMMAND_BYTES, MCQ_REASON_NONE,
                    MCQ_CURVE_DATA_AT);
    mcq_command_begin(&session->command, MCQ_SCOPE_TRAFFIC, (uint32_t) data.len, session->quirks);
    if (mcq_command_decode(&session->command, data) == MCQ_PROTO)
        return fail(session, MCQ_PROTO, session->command.rule, MCQ_REASON_MALFORMED_COMMAND,
                    MCQ_CURVE_DATA_AT + session->command.at);
    return mcq_session_take_traffic(session, data.data, now_ns, event);
}

enum mcq_err mcq_session_open(struct mcq_session *session, uint8_t *frame, size_t len,
                              uint64_t now_ns, struct mcq_event *event)
{
    const size_t content_at = MCQ_CURVE_DATA_AT - MCQ_CURVE_MESSAGE_SEALED_DATA_AT;
    struct mcq_bytes content = mcq_bytes(frame + content_at, len - content_at);
    struct mcq_bytes data = mcq_bytes(frame + MCQ_CURVE_DATA_AT, len - MCQ_CURVE_DATA_AT);
    enum mcq_rule rule;
    uint8_t flags;
    size_t at;

    mcq_assert(mcq_session_is_sealed(session) && len >= MCQ_CURVE_DATA_AT);
    if (mcq_curve_open_message(session->curve, frame, len, &rule) != MCQ_OK)
        return rule == MCQ_RULE_CURVE_MESSAGE_NONCE
                   ? fail(session, MCQ_PROTO, rule, MCQ_REASON_NONE, MCQ_CURVE_MESSAGE_NONCE_AT)
                   : fail(session, MCQ_PROTO, rule, MCQ_REASON_NOT_OPENED,
                          MCQ_CURVE_MESSAGE_SEALED_AT);
    if (mcq_box_check(MCQ_BOX_CURVE_MESSAGE_SEALED, content, session->quirks, &rule, &at) != MCQ_OK)
        return fail(session, MCQ_PROTO, rule, MCQ_REASON_MALFORMED_COMMAND, content_at + at);
    flags = content.data[MCQ_CURVE_MESSAGE_SEALED_FLAGS_AT];
    if (flags & MCQ_CURVE_MESSAGE_SEALED_FLAGS_COMMAND)
        return open_command(session, data, now_ns, event);

    struct mcq_frame_piece piece = {
        .body = data,
        .size = data.len,
        .flags = (flags & MCQ_CURVE_MESSAGE_SEALED_FLAGS_MORE) || session->outer_more
                     ? MCQ_FRAME_MORE
                     : 0,
        .first = true,
        .last = true,
    };

    return mcq_session_take_part(session, &piece, session->body_at, event);
}

/* --- what goes out ---------------------------------------------------------------------------- */

size_t mcq_session_seal_head(uint64_t body_bytes)
{
    return mcq_frame_head_bytes(body_bytes + MCQ_CURVE_DATA_AT) + MCQ_CURVE_DATA_AT;
}

/* libzmq takes MESSAGE for data only without the COMMAND bit on its frame. */
void mcq_session_put_sealed(struct mcq_session *session, uint8_t flags, uint8_t *frame, size_t len)
{
    uint8_t *body = mcq_encode_frame_head(frame, 0, len + MCQ_CURVE_DATA_AT);

    mcq_curve_seal_message(
        session->curve, body, len,
        (flags & MCQ_FRAME_COMMAND)
            ? MCQ_CURVE_MESSAGE_SEALED_FLAGS_COMMAND
            : ((flags & MCQ_FRAME_MORE) ? MCQ_CURVE_MESSAGE_SEALED_FLAGS_MORE : 0));
}

void mcq_session_seal(struct mcq_session *session, bool more, uint8_t *frame, size_t body_len)
{
    mcq_session_put_sealed(session, more ? MCQ_FRAME_MORE : 0, frame, body_len);
}
