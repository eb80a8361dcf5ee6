/* A session's deadlines: the handshake's, and those of PING in both directions (RFC 37,
 * Heartbeats). */

#include "session/state.h"

#define PINGS_IN_VAIN_MAX 3

void mcq_session_heard(struct mcq_session *session)
{
    session->silence_at_ns = MCQ_NEVER_NS;
    session->ttl_at_ns = MCQ_NEVER_NS;
}

void mcq_session_start_heartbeat(struct mcq_session *session, uint64_t now_ns)
{
    session->handshake_at_ns = MCQ_NEVER_NS;
    if (session->version >= MCQ_COMMAND_PING_SINCE)
        session->ping_at_ns = mcq_deadline_ns(now_ns, session->config.heartbeat_ns);
}

/* PONGs come in the order of their PINGs. One that leaves while another is on its way is not timed,
 * for its PONG cannot be told from that one's. A peer that is full may answer several by one: where
 * no PONG has come for some PINGs, none is waited for. */
static void time_ping(struct mcq_session *session, uint64_t now_ns)
{
    if (session->pings_in_vain++ >= PINGS_IN_VAIN_MAX)
        session->pings_out = 0;
    if (session->pings_out++ > 0)
        return;
    session->is_timed = true;
    session->pinged_ns = now_ns;
}

/* A PONG of the peer, whether it was asked for or not. */
void mcq_session_answered(struct mcq_session *session, uint64_t now_ns)
{
    session->pings_in_vain = 0;
    if (session->pings_out == 0)
        return;
    session->pings_out--;
    if (session->is_timed)
        session->rtt_ns = now_ns > session->pinged_ns ? now_ns - session->pinged_ns : 1;
    session->is_timed = false;
}

uint64_t mcq_session_rtt_ns(const struct mcq_session *session)
{
    return session->rtt_ns;
}

static enum mcq_err time_out(struct mcq_session *session, enum mcq_rule rule,
                             enum mcq_reason reason)
{
    return mcq_session_fail(session, MCQ_TIMEOUT, rule, reason,
                            session->greeting.accepted + session->frames.offset);
}

static enum mcq_err handshake_late(struct mcq_session *session)
{
    if (session->phase == MCQ_PHASE_GREETING ||
        mcq_form_begins_with_identity(session->greeting.form))
        return time_out(session, MCQ_RULE_NONE, MCQ_REASON_HANDSHAKE_TIMEOUT);
    mcq_handshake_step(&session->handshake, session->handshake.machine->event_timer);
    return mcq_session_rejected(session, MCQ_TIMEOUT, MCQ_RULE_NONE,
                                session->greeting.accepted + session->frames.offset);
}

static uint64_t timeout_ns(const struct mcq_session_config *config)
{
    return config->heartbeat_timeout_ns ? config->heartbeat_timeout_ns : config->heartbeat_ns;
}

void mcq_session_wait_on(struct mcq_session *session, uint64_t now_ns)
{
    if (session->silence_at_ns != MCQ_NEVER_NS)
        session->silence_at_ns = mcq_deadline_ns(now_ns, timeout_ns(&session->config));
}

void mcq_session_excuse(struct mcq_session *session, uint64_t now_ns)
{
    mcq_session_wait_on(session, now_ns);
    if (session->ttl_at_ns != MCQ_NEVER_NS)
        session->ttl_at_ns = mcq_deadline_ns(now_ns, session->ttl_ns);
}

static enum mcq_err send_ping(struct mcq_session *session, uint64_t now_ns)
{
    const struct mcq_session_config *config = &session->config;

    session->ping_at_ns = mcq_deadline_ns(now_ns, config->heartbeat_ns);
    if (session->silence_at_ns == MCQ_NEVER_NS)
        session->silence_at_ns = mcq_deadline_ns(now_ns, timeout_ns(config));
    /* While octets of ours wait for a full link another PING would only make the queue longer. */
    if (mcq_session_want(session).len > 0)
        return MCQ_OK;
    if (mcq_session_put_ping(session) != MCQ_OK)
        return mcq_session_fail(session, MCQ_NOMEM, MCQ_RULE_NONE, MCQ_REASON_NONE,
                                session->greeting.accepted + session->frames.offset);
    time_ping(session, now_ns);
    return MCQ_OK;
}

enum mcq_err mcq_session_tick(struct mcq_session *session, uint64_t now_ns)
{
    if (session->phase == MCQ_PHASE_FAILED)
        return session->failure.err;
    if (now_ns >= session->handshake_at_ns)
        return handshake_late(session);
    if (now_ns >= session->silence_at_ns)
        return time_out(session, MCQ_RULE_PONG, MCQ_REASON_NONE);
    if (now_ns >= session->ttl_at_ns)
        return time_out(session, MCQ_RULE_PING_TTL, MCQ_REASON_NONE);
    return now_ns >= session->ping_at_ns ? send_ping(session, now_ns) : MCQ_OK;
}

uint64_t mcq_session_deadline_ns(const struct mcq_session *session)
{
    if (session->phase == MCQ_PHASE_FAILED)
        return MCQ_NEVER_NS;
    return mcq_min_u64(mcq_min_u64(session->handshake_at_ns, session->ping_at_ns),
                       mcq_min_u64(session->silence_at_ns, session->ttl_at_ns));
}
