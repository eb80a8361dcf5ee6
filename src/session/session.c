#include "session/session.h"

#include "session/state.h"
#include "table/option.h"
#include "wire/encode.h"
#include "wire/limits.h"

struct profile_row {
    bool meets_older;
    uint32_t quirks;
    uint32_t max_command_bytes;
    uint32_t max_properties;
    uint32_t max_message_frames;
    uint64_t max_frame_bytes;
    uint64_t max_message_bytes;
};

#define PROFILE_ROW(profile, meets_older)                                                          \
    {                                                                                              \
        meets_older, MCQ_QUIRKS_##profile, MCQ_MAX_COMMAND_BYTES_##profile,                        \
            MCQ_MAX_PROPERTIES_##profile, MCQ_MAX_MESSAGE_FRAMES_##profile,                        \
            MCQ_MAX_FRAME_BYTES_##profile, MCQ_MAX_MESSAGE_BYTES_##profile                         \
    }

static const struct profile_row profile_table[] = {
    [MCQ_PROFILE_NATIVE] = PROFILE_ROW(NATIVE, false),
    [MCQ_PROFILE_COMPAT] = PROFILE_ROW(COMPAT, true),
};

uint32_t mcq_profile_quirks(enum mcq_profile profile)
{
    return profile_table[profile].quirks;
}

void mcq_session_config_init(struct mcq_session_config *config, enum mcq_socket_type type,
                             enum mcq_profile profile)
{
    const struct profile_row *row = &profile_table[profile];

    *config = (struct mcq_session_config) {
        .socket_type = type,
        .mechanism = MCQ_MECHANISM_NULL,
        .profile = profile,
        .meets_older = row->meets_older,
        .max_command_bytes = row->max_command_bytes,
        .max_properties = row->max_properties,
        .max_message_frames = row->max_message_frames,
        .max_frame_bytes = row->max_frame_bytes,
        .max_message_bytes = row->max_message_bytes,
        .piece_bytes = (uint32_t) mcq_option_default_of(MCQ_OPTION_IN_BATCH_SIZE, type,
                                                        profile == MCQ_PROFILE_COMPAT),
    };
}

/* Octets of a command in front of our metadata; CURVE's stand in a box. */
#define METADATA_AT_MAX                                                                            \
    (MCQ_METADATA_AT_MAX > MCQ_CURVE_INITIATE_METADATA_AT ? MCQ_METADATA_AT_MAX                    \
                                                          : MCQ_CURVE_INITIATE_METADATA_AT)

static bool config_is_valid(const struct mcq_session_config *config)
{
    return (size_t) config->profile < MCQ_COUNTOF(profile_table) &&
           mcq_machine_find(config->mechanism, config->as_server) != NULL &&
           (config->mechanism != MCQ_MECHANISM_CURVE ||
            (config->curve != NULL && config->random.fill != NULL)) &&
           config->username.len <= MCQ_PLAIN_HELLO_USERNAME_BYTES_MAX &&
           config->password.len <= MCQ_PLAIN_HELLO_PASSWORD_BYTES_MAX &&
           mcq_socket_type_row(config->socket_type) != NULL &&
           config->routing_id.len <= MCQ_PROPERTY_IDENTITY_BYTES_MAX &&
           config->max_command_bytes <= MCQ_MAX_COMMAND_BYTES &&
           (!config->is_raw || config->piece_bytes > 0) &&
           config->max_properties <= MCQ_MAX_PROPERTIES &&
           config->max_message_frames <= MCQ_MAX_MESSAGE_FRAMES &&
           config->max_frame_bytes <= MCQ_MAX_FRAME_BYTES &&
           config->max_message_bytes <= MCQ_MAX_MESSAGE_BYTES &&
           mcq_session_metadata_bytes(config) <= MCQ_MAX_COMMAND_BYTES - METADATA_AT_MAX;
}

static enum mcq_err init_curve(struct mcq_session *session)
{
    const struct mcq_session_config *config = &session->config;

    session->curve =
        mcq_curve_new(config->curve, config->as_server, &config->random, config->max_properties);
    session->handshake.curve = session->curve;
    return session->curve != NULL ? MCQ_OK : MCQ_NOMEM;
}

enum mcq_err mcq_session_init(struct mcq_session *session, const struct mcq_session_config *config,
                              uint64_t now_ns)
{
    if (!config_is_valid(config))
        return MCQ_INVAL;
    *session = (struct mcq_session) {
        .phase = MCQ_PHASE_GREETING,
        .quirks = profile_table[config->profile].quirks,
        .handshake_at_ns = mcq_deadline_ns(now_ns, config->handshake_ns),
        .ping_at_ns = MCQ_NEVER_NS,
        .silence_at_ns = MCQ_NEVER_NS,
        .ttl_at_ns = MCQ_NEVER_NS,
        .config = *config,
    };
    mcq_greeting_decoder_init(&session->greeting, session->quirks);
    mcq_frame_decoder_init(&session->frames, session->quirks, config->max_frame_bytes,
                           config->max_command_bytes);
    mcq_handshake_init(&session->handshake, mcq_machine_find(config->mechanism, config->as_server),
                       config->socket_type, session->quirks);
    mcq_grow_init(&session->cut, MCQ_MAX_COMMAND_BYTES);
    mcq_grow_init(&session->out, SIZE_MAX);
    session->cut.wipes = session->out.wipes = config->mechanism != MCQ_MECHANISM_NULL;
    if (config->is_raw) {
        mcq_session_begin_raw(session);
        return MCQ_OK;
    }

    enum mcq_err err = mcq_session_put_greeting(session);

    if (err == MCQ_OK && config->mechanism == MCQ_MECHANISM_CURVE)
        err = init_curve(session);
    if (err != MCQ_OK)
        mcq_session_fini(session);
    return err;
}

void mcq_session_fini(struct mcq_session *session)
{
    mcq_grow_fini(&session->cut);
    mcq_grow_fini(&session->out);
    mcq_curve_free(&session->curve);
    session->out_sent = 0;
    session->phase = MCQ_PHASE_FAILED;
}

void mcq_session_trim(struct mcq_session *session)
{
    if (session->phase != MCQ_PHASE_TRAFFIC || session->due != MCQ_DUE_NOTHING)
        return;
    if (!session->frames.in_body)
        mcq_grow_fini(&session->cut);
    if (session->out_sent == session->out.len)
        mcq_session_sent(session, 0);
    if (session->out.len == 0)
        mcq_grow_fini(&session->out);
}

enum mcq_err mcq_session_fail(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                              enum mcq_reason reason, uint64_t offset)
{
    mcq_assert(session->phase != MCQ_PHASE_FAILED);
    session->phase = MCQ_PHASE_FAILED;
    session->due = MCQ_DUE_NOTHING;
    session->failure = (struct mcq_failure) {err, rule, reason, offset};
    return err;
}

/* All twenty octets of the mechanism must be ours. */
static enum mcq_err meet_equal(struct mcq_session *session, uint64_t now_ns)
{
    const union mcq_greeting *peer = &session->greeting.greeting;
    union mcq_greeting own;

    mcq_session_own_greeting(session, session->greeting.form, &own);
    if (memcmp(peer->v3.mechanism, own.v3.mechanism, sizeof own.v3.mechanism) != 0)
        return mcq_session_fail(session, MCQ_MISMATCH, MCQ_RULE_GREETING_V3_MECHANISM,
                                MCQ_REASON_NONE, session->greeting.accepted);
    session->phase = MCQ_PHASE_HANDSHAKE;
    return mcq_session_run_handshake(session, 0, now_ns);
}

static enum mcq_err greeting_done(struct mcq_session *session, uint64_t now_ns,
                                  struct mcq_event *event)
{
    session->version = session->greeting.version;
    mcq_frame_decoder_set_framing(&session->frames, session->greeting.framing);
    event->kind = MCQ_EVENT_GREETING;
    event->greeting.form = session->greeting.form;
    event->greeting.version = session->version;
    event->greeting.octets = &session->greeting.greeting;
    return mcq_form_begins_with_identity(session->greeting.form) ? mcq_session_meet_older(session)
                                                                 : meet_equal(session, now_ns);
}

static enum mcq_err feed_greeting(struct mcq_session *session, struct mcq_bytes *in,
                                  uint64_t now_ns, struct mcq_event *event)
{
    enum mcq_err err = mcq_greeting_decode(&session->greeting, in);
    enum mcq_err put = mcq_session_put_greeting(session);

    if (put != MCQ_OK)
        return mcq_session_fail(session, put, MCQ_RULE_NONE, MCQ_REASON_NONE,
                                session->greeting.accepted);
    if (err == MCQ_OK)
        return greeting_done(session, now_ns, event);
    if (err == MCQ_AGAIN)
        return MCQ_AGAIN;
    return mcq_session_fail(session, err, session->greeting.rule, MCQ_REASON_NONE,
                            session->greeting.accepted);
}

enum mcq_err mcq_session_feed(struct mcq_session *session, struct mcq_bytes *in, uint64_t now_ns,
                              struct mcq_event *event)
{
    if (MCQ_UNLIKELY(session->due != MCQ_DUE_NOTHING)) {
        mcq_session_tell_due(session, event);
        return MCQ_OK;
    }
    switch (session->phase) {
    case MCQ_PHASE_TRAFFIC: return mcq_session_feed_frames(session, in, now_ns, event);
    case MCQ_PHASE_HANDSHAKE:
        return mcq_form_begins_with_identity(session->greeting.form)
                   ? mcq_session_feed_identity(session, in, now_ns, event)
                   : mcq_session_feed_frames(session, in, now_ns, event);
    case MCQ_PHASE_GREETING: return feed_greeting(session, in, now_ns, event);
    case MCQ_PHASE_RAW: return mcq_session_feed_raw(session, in, event);
    case MCQ_PHASE_FAILED: break;
    }
    return session->failure.err;
}

void mcq_session_end(struct mcq_session *session)
{
    if (session->phase == MCQ_PHASE_FAILED)
        return;
    (void) mcq_session_fail(session, MCQ_CLOSED, MCQ_RULE_NONE, MCQ_REASON_NONE,
                            session->greeting.accepted + session->frames.offset);
}

enum mcq_framing mcq_session_framing(const struct mcq_session *session)
{
    return session->frames.framing;
}

enum mcq_session_phase mcq_session_phase(const struct mcq_session *session)
{
    return session->phase;
}

const struct mcq_failure *mcq_session_failure(const struct mcq_session *session)
{
    return &session->failure;
}
