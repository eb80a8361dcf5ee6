/* Peers of 1.0 and 2.0 (RFC 13, RFC 15). There is no handshake: the first frame of each side is its
 * identity, and messages follow. 1.0 has no greeting either, so that the octets by which we told it
 * are the beginning of that frame. */

#include "session/state.h"
#include "wire/encode.h"

static enum mcq_err fail(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule)
{
    return mcq_session_fail(session, err, rule, MCQ_REASON_NONE, mcq_session_offset(session));
}

/* The same behind a frame's header, however much of the body came with it. */
static enum mcq_err fail_at_head(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                                 const struct mcq_frame_piece *piece)
{
    return mcq_session_fail(session, err, rule, MCQ_REASON_NONE,
                            mcq_session_offset(session) - piece->body.len);
}

/* 2.0 tells its type by number, 1.0 not at all. */
static enum mcq_socket_type type_of(const struct mcq_greeting_decoder *greeting)
{
    enum mcq_socket_type type = (enum mcq_socket_type) greeting->greeting.v2.socket_type;

    return greeting->form == MCQ_FORM_V2 && mcq_socket_type_row(type) != NULL
               ? type
               : MCQ_SOCKET_TYPE_NONE;
}

enum mcq_err mcq_session_meet_older(struct mcq_session *session)
{
    const struct mcq_session_config *config = &session->config;
    enum mcq_form form = session->greeting.form;
    enum mcq_socket_type type = type_of(&session->greeting);

    if (!config->meets_older)
        return fail(session, MCQ_PROTO, mcq_form_rule(form));
    if (mcq_form_is_refused(form, mcq_bytes_of(session->handshake.machine->mechanism),
                            config->asks_zap))
        return fail(session, MCQ_MISMATCH, mcq_form_rule(form));
    if (form == MCQ_FORM_V2 && !(session->quirks & MCQ_QUIRK_TYPE_OCTET_UNCHECKED) &&
        !mcq_socket_type_fits(config->socket_type, type))
        return fail(session, MCQ_MISMATCH, MCQ_RULE_GREETING_V2_SOCKET_TYPE);
    if (mcq_session_put_identity(session) != MCQ_OK)
        return fail(session, MCQ_NOMEM, MCQ_RULE_NONE);
    session->phase = MCQ_PHASE_HANDSHAKE;
    return MCQ_OK;
}

/* From the octets that were read to tell the version, as long as there are any. */
static enum mcq_err decode(struct mcq_session *session, struct mcq_bytes *in,
                           struct mcq_frame_piece *piece)
{
    const struct mcq_greeting_decoder *greeting = &session->greeting;
    struct mcq_bytes replay = mcq_bytes(greeting->greeting.octets + session->replayed,
                                        greeting->replay - session->replayed);

    if (replay.len > 0) {
        enum mcq_err err = mcq_frame_decode(&session->frames, &replay, piece);

        session->replayed = greeting->replay - (uint32_t) replay.len;
        if (err != MCQ_AGAIN)
            return err;
    }
    return mcq_frame_decode(&session->frames, in, piece);
}

/* What the header says: the frame is no part of a message, and of a length that an identity has. */
static enum mcq_err begin_identity(struct mcq_session *session, const struct mcq_frame_piece *piece)
{
    if (!(session->quirks & MCQ_QUIRK_HANDSHAKE_FLAGS_IGNORED) && piece->flags & MCQ_FRAME_MORE)
        return fail_at_head(session, MCQ_PROTO, mcq_form_rule(session->greeting.form), piece);
    if (piece->size > session->config.max_command_bytes)
        return fail_at_head(session, MCQ_LIMIT, MCQ_RULE_LIMIT_MAX_COMMAND_BYTES, piece);
    if (!(session->quirks & MCQ_QUIRK_IDENTITY_ANY) &&
        piece->size > MCQ_PROPERTY_IDENTITY_BYTES_MAX)
        return fail_at_head(session, MCQ_PROTO, MCQ_RULE_READY_METADATA_IDENTITY, piece);
    mcq_grow_clear(&session->cut);
    return MCQ_OK;
}

/* 1.0 subscribers take all and drop what they do not want. Behind a greeting they are young enough
 * to subscribe. */
static bool never_subscribes(const struct mcq_session *session)
{
    return session->greeting.form == MCQ_FORM_V1 &&
           mcq_socket_type_fits(session->config.socket_type, MCQ_SOCKET_TYPE_SUB);
}

static enum mcq_err identity_done(struct mcq_session *session, struct mcq_bytes identity,
                                  uint64_t now_ns, struct mcq_event *event)
{
    if (!(session->quirks & MCQ_QUIRK_IDENTITY_ANY) && identity.len > 0 &&
        identity.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST)
        return fail(session, MCQ_PROTO, MCQ_RULE_READY_METADATA_IDENTITY);
    event->kind = MCQ_EVENT_READY;
    event->ready.version = session->version;
    event->ready.socket_type = type_of(&session->greeting);
    event->ready.identity = identity;
    event->ready.metadata = mcq_bytes(NULL, 0);
    session->phase = MCQ_PHASE_TRAFFIC;
    mcq_session_start_heartbeat(session, now_ns);
    if (never_subscribes(session))
        session->due = MCQ_DUE_SUBSCRIBE;
    return MCQ_OK;
}

enum mcq_err mcq_session_feed_identity(struct mcq_session *session, struct mcq_bytes *in,
                                       uint64_t now_ns, struct mcq_event *event)
{
    struct mcq_frame_piece piece;

    do {
        enum mcq_err err = decode(session, in, &piece);

        if (err == MCQ_AGAIN)
            return MCQ_AGAIN;
        if (err != MCQ_OK)
            return fail(session, err, session->frames.rule);
        if (piece.first)
            MCQ_TRY(begin_identity(session, &piece));
        if (mcq_grow_append(&session->cut, piece.body) != MCQ_OK)
            return fail(session, MCQ_NOMEM, MCQ_RULE_NONE);
    } while (!piece.last);
    return identity_done(session, mcq_grow_bytes(&session->cut), now_ns, event);
}
