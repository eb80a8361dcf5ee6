/* The handshake: drives the machine of the configured mechanism, which says what each command and
 * each answer of ZAP means, and tells the caller what came of it. */

#include "session/state.h"

enum mcq_err mcq_session_rejected(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                                  uint64_t offset)
{
    mcq_assert(mcq_handshake_rejected(&session->handshake));
    return mcq_session_fail(session, err, rule, session->handshake.reason, offset);
}

enum mcq_err mcq_session_reject(struct mcq_session *session, unsigned event, enum mcq_err err,
                                enum mcq_rule rule, uint64_t offset)
{
    mcq_handshake_step(&session->handshake, event);
    return mcq_session_rejected(session, err, rule, offset);
}

enum mcq_err mcq_session_reject_unexpected(struct mcq_session *session)
{
    const struct mcq_machine *machine = session->handshake.machine;
    enum mcq_rule rule = mcq_handshake_rule(&session->handshake);

    return mcq_session_reject(session, machine->event_of[session->command.id], MCQ_PROTO, rule,
                              session->body_at);
}

static enum mcq_err no_memory(struct mcq_session *session)
{
    return mcq_session_fail(session, MCQ_NOMEM, MCQ_RULE_NONE, MCQ_REASON_NONE,
                            mcq_session_offset(session));
}

enum mcq_err mcq_session_run_handshake(struct mcq_session *session, unsigned status,
                                       uint64_t now_ns)
{
    struct mcq_handshake *handshake = &session->handshake;
    enum mcq_command_id id;

    if (mcq_handshake_asks(handshake, session->config.asks_zap)) {
        session->due = MCQ_DUE_ZAP;
        session->zap_asked = true;
        return MCQ_OK;
    }
    if (mcq_handshake_may_ask(handshake))
        mcq_handshake_step(handshake, handshake->machine->event_zap_ok);
    while ((id = mcq_handshake_sends(handshake)) != MCQ_COMMAND_UNKNOWN) {
        if (mcq_session_put_handshake(session, id, status) != MCQ_OK)
            return no_memory(session);
        mcq_handshake_step(handshake, handshake->machine->event_sent);
    }
    if (mcq_handshake_accepted(handshake)) {
        session->phase = MCQ_PHASE_TRAFFIC;
        mcq_session_start_heartbeat(session, now_ns);
        if (mcq_session_is_sealed(session))
            mcq_session_begin_sealed(session);
        if (session->ready_kept)
            session->due = MCQ_DUE_READY;
    }
    return MCQ_OK;
}

/* --- what the peer says ---------------------------------------------------------------------- */

static void tell_ready(struct mcq_session *session, struct mcq_event *event)
{
    event->kind = MCQ_EVENT_READY;
    event->ready.version = session->version;
    event->ready.socket_type = session->handshake.ready.socket_type;
    event->ready.identity = session->handshake.ready.identity;
    event->ready.metadata = session->handshake.metadata;
}

static void tell_zap(struct mcq_session *session, struct mcq_event *event)
{
    event->kind = MCQ_EVENT_ZAP;
    event->zap.mechanism = session->handshake.machine->mechanism;
    event->zap.credentials = session->handshake.credentials;
    event->zap.identity = session->handshake.ready.identity;
    session->handshake.credentials = (struct mcq_credentials) {0};
}

void mcq_session_tell_due(struct mcq_session *session, struct mcq_event *event)
{
    if (session->due == MCQ_DUE_ZAP) {
        tell_zap(session, event);
    } else if (session->due == MCQ_DUE_SUBSCRIBE) {
        event->kind = MCQ_EVENT_SUBSCRIBE;
        event->topic = mcq_bytes(NULL, 0);
    } else {
        session->ready_kept = false;
        tell_ready(session, event);
    }
    session->due = MCQ_DUE_NOTHING;
}

static struct mcq_bytes metadata_of(const struct mcq_session *session, const uint8_t *body)
{
    int span = mcq_command_metadata_span(session->command.id);

    if (span < 0)
        return mcq_bytes(NULL, 0);
    return mcq_bytes(body + session->command.spans[span].at, session->command.spans[span].len);
}

/* The peer said all that it has to, but our side may not go on yet: its metadata waits with us. */
static enum mcq_err keep_ready(struct mcq_session *session, const uint8_t *body, bool is_kept)
{
    struct mcq_handshake *handshake = &session->handshake;

    session->ready_kept = true;
    if (is_kept)
        return MCQ_OK;
    if (mcq_grow_append(&session->cut, mcq_bytes(body, session->command.size)) != MCQ_OK)
        return no_memory(session);
    handshake->metadata = metadata_of(session, mcq_grow_bytes(&session->cut).data);
    /* The views of what it says move with it. */
    (void) mcq_handshake_metadata_ok(handshake);
    return MCQ_OK;
}

static enum mcq_err refused(struct mcq_session *session, const struct mcq_command *command,
                            enum mcq_rule rule, struct mcq_event *event)
{
    const struct mcq_handshake *handshake = &session->handshake;

    if (handshake->reason == MCQ_REASON_REFUSED_BY_PEER) {
        event->kind = MCQ_EVENT_REFUSED;
        event->reason = command->error.reason;
        (void) mcq_session_rejected(session, MCQ_REFUSED, MCQ_RULE_ERROR,
                                    mcq_session_offset(session));
        return MCQ_OK;
    }
    if (handshake->err != MCQ_OK)
        return mcq_session_rejected(session, handshake->err, handshake->rule,
                                    mcq_session_offset(session));
    return mcq_session_rejected(session, MCQ_PROTO, rule, session->body_at);
}

enum mcq_err mcq_session_take_handshake(struct mcq_session *session, const uint8_t *body,
                                        bool is_kept, uint64_t now_ns, struct mcq_event *event)
{
    struct mcq_handshake *handshake = &session->handshake;
    enum mcq_rule rule = mcq_handshake_rule(handshake);
    struct mcq_command command;
    bool has_metadata;

    mcq_command_view(&session->command, body, &command);
    handshake->command = &command;
    handshake->body = session->curve != NULL ? session->cut.data : NULL;
    handshake->metadata = metadata_of(session, body);
    mcq_handshake_step(handshake, handshake->machine->event_of[command.id]);
    handshake->command = NULL;
    handshake->body = NULL;
    if (mcq_handshake_rejected(handshake))
        return refused(session, &command, rule, event);
    MCQ_TRY(mcq_session_run_handshake(session, 0, now_ns));
    has_metadata = handshake->metadata.data != NULL;
    if (has_metadata && !mcq_handshake_accepted(handshake))
        MCQ_TRY(keep_ready(session, body, is_kept));
    if (session->due == MCQ_DUE_ZAP) {
        mcq_session_tell_due(session, event);
        return MCQ_OK;
    }
    if (!has_metadata || !mcq_handshake_accepted(handshake))
        return MCQ_AGAIN;
    tell_ready(session, event);
    return MCQ_OK;
}

/* --- what ZAP says --------------------------------------------------------------------------- */

enum mcq_err mcq_session_zap(struct mcq_session *session, unsigned status, uint64_t now_ns)
{
    struct mcq_handshake *handshake = &session->handshake;

    if (session->phase != MCQ_PHASE_HANDSHAKE || !session->zap_asked || session->due == MCQ_DUE_ZAP)
        return MCQ_STATE;
    enum mcq_rule rule = mcq_handshake_rule(handshake);

    session->zap_asked = false;
    /* The credentials were in it, unless a command of the peer has begun since. */
    if (!session->ready_kept && session->command.at == session->command.size)
        mcq_grow_clear(&session->cut);
    mcq_handshake_step(handshake, mcq_machine_on_status(handshake->machine, status));
    if (!mcq_handshake_rejected(handshake))
        MCQ_TRY(mcq_session_run_handshake(session, status, now_ns));
    if (!mcq_handshake_rejected(handshake))
        return MCQ_OK;
    return mcq_session_rejected(session, MCQ_REFUSED, rule, mcq_session_offset(session));
}
