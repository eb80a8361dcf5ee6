/* What a session sends: its own control octets, never an application's body. */

#include "arena/alloc.h"
#include "session/state.h"
#include "wire/charset.h"
#include "wire/encode.h"
#include "wire/limits.h"

/* Where the next `len` octets go; NULL: no memory. */
static uint8_t *reserve(struct mcq_session *session, size_t len)
{
    return mcq_grow_reserve(&session->out, len) == MCQ_OK ? mcq_grow_room(&session->out) : NULL;
}

/* The header of a command frame whose body of `len` octets the caller writes next; NULL: no
 * memory. */
static uint8_t *begin_command(struct mcq_session *session, size_t len)
{
    uint8_t *at = reserve(session, mcq_frame_head_bytes(len) + len);

    return at != NULL ? mcq_encode_frame_head(at, MCQ_FRAME_COMMAND, len) : NULL;
}

static enum mcq_err end_command(struct mcq_session *session, const uint8_t *end)
{
    mcq_grow_commit(&session->out, (size_t) (end - mcq_grow_room(&session->out)));
    return MCQ_OK;
}

static bool sends_identity(const struct mcq_session_config *config)
{
    return mcq_socket_type_row(config->socket_type)->sends_identity;
}

/* What a peer before 3.0 is told of us. The greeting leaves before we know that it is one: its
 * padding says how long this is, which makes of the signature the header of a 1.0 frame. The RFC
 * wants the padding unread, so the native profile tells only who must be told, and only if such
 * peers are welcome. */
static struct mcq_bytes early_identity(const struct mcq_session_config *config)
{
    bool is_told =
        config->profile == MCQ_PROFILE_COMPAT || (config->meets_older && sends_identity(config));

    return is_told ? config->routing_id : mcq_bytes(NULL, 0);
}

void mcq_session_own_greeting(const struct mcq_session *session, enum mcq_form form,
                              union mcq_greeting *greeting)
{
    const struct mcq_session_config *config = &session->config;
    const struct mcq_greeting_sends sends = {
        .padding = (uint64_t) early_identity(config).len + 1,
        .mechanism = mcq_bytes_of(session->handshake.machine->mechanism),
        .socket_type = (uint8_t) config->socket_type,
    };

    mcq_encode_greeting(greeting, form, &sends);
}

enum mcq_err mcq_session_put_greeting(struct mcq_session *session)
{
    size_t due = session->greeting.due;
    union mcq_greeting own;

    if (due == session->greeting_queued)
        return MCQ_OK;
    mcq_session_own_greeting(session, session->greeting.form, &own);
    MCQ_TRY(mcq_grow_append(&session->out, mcq_bytes(own.octets + session->greeting_queued,
                                                     due - session->greeting_queued)));
    session->greeting_queued = due;
    return MCQ_OK;
}

enum mcq_err mcq_session_put_identity(struct mcq_session *session)
{
    struct mcq_bytes identity = early_identity(&session->config);
    enum mcq_framing framing = session->frames.framing;
    bool has_head = session->greeting.replay > 0; /* the signature was one to the peer */
    size_t head_len = has_head ? 0 : mcq_frame_head_bytes_as(framing, identity.len);
    uint8_t *at = reserve(session, head_len + identity.len);

    if (at == NULL)
        return MCQ_NOMEM;
    if (!has_head)
        at = mcq_encode_frame_head_as(framing, at, 0, identity.len);
    return end_command(session, mcq_put_bytes(at, identity));
}

static struct mcq_bytes type_name(const struct mcq_session_config *config)
{
    return mcq_bytes_of(mcq_socket_type_name(config->socket_type));
}

size_t mcq_session_metadata_bytes(const struct mcq_session_config *config)
{
    size_t len = mcq_property_bytes(mcq_bytes_of(MCQ_PROPERTY_SOCKET_TYPE), type_name(config));

    if (sends_identity(config))
        len += mcq_property_bytes(mcq_bytes_of(MCQ_PROPERTY_IDENTITY), config->routing_id);
    return mcq_size_add(len, config->extra_metadata.len);
}

static uint8_t *encode_metadata(uint8_t *at, const struct mcq_session_config *config)
{
    at = mcq_encode_property(at, mcq_bytes_of(MCQ_PROPERTY_SOCKET_TYPE), type_name(config));
    if (sends_identity(config))
        at = mcq_encode_property(at, mcq_bytes_of(MCQ_PROPERTY_IDENTITY), config->routing_id);
    return mcq_put_bytes(at, config->extra_metadata);
}

static enum mcq_err put_ready(struct mcq_session *session)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);
    uint8_t *at = begin_command(session, mcq_ready_bytes(none) +
                                             mcq_session_metadata_bytes(&session->config));

    if (at == NULL)
        return MCQ_NOMEM;
    return end_command(session, encode_metadata(mcq_encode_ready(at, none), &session->config));
}

static enum mcq_err put_plain_initiate(struct mcq_session *session)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);
    uint8_t *at = begin_command(session, mcq_plain_initiate_bytes(none) +
                                             mcq_session_metadata_bytes(&session->config));

    if (at == NULL)
        return MCQ_NOMEM;
    return end_command(session,
                       encode_metadata(mcq_encode_plain_initiate(at, none), &session->config));
}

static enum mcq_err put_plain_hello(struct mcq_session *session)
{
    const struct mcq_session_config *config = &session->config;
    uint8_t *at = begin_command(session, mcq_plain_hello_bytes(config->username, config->password));

    if (at == NULL)
        return MCQ_NOMEM;
    return end_command(session, mcq_encode_plain_hello(at, config->username, config->password));
}

static enum mcq_err put_plain_welcome(struct mcq_session *session)
{
    uint8_t *at = begin_command(session, mcq_plain_welcome_bytes());

    return at != NULL ? end_command(session, mcq_encode_plain_welcome(at)) : MCQ_NOMEM;
}

/* The reason of an ERROR is the status of ZAP's reply, in digits. */
static enum mcq_err put_error(struct mcq_session *session, unsigned status)
{
    uint8_t digits[10];
    size_t at_digit = sizeof digits;

    do {
        digits[--at_digit] = (uint8_t) ('0' + status % 10);
        status /= 10;
    } while (status > 0);

    struct mcq_bytes reason = mcq_bytes(digits + at_digit, sizeof digits - at_digit);
    uint8_t *at = begin_command(session, mcq_error_bytes(reason));

    return at != NULL ? end_command(session, mcq_encode_error(at, reason)) : MCQ_NOMEM;
}

enum mcq_err mcq_session_put_handshake(struct mcq_session *session, enum mcq_command_id id,
                                       unsigned status)
{
    switch (id) {
    case MCQ_COMMAND_READY: return put_ready(session);
    case MCQ_COMMAND_ERROR: return put_error(session, status);
    case MCQ_COMMAND_PLAIN_HELLO: return put_plain_hello(session);
    case MCQ_COMMAND_PLAIN_WELCOME: return put_plain_welcome(session);
    case MCQ_COMMAND_PLAIN_INITIATE: return put_plain_initiate(session);
    default: return MCQ_INVAL; /* CURVE's, which no configuration asks for */
    }
}

enum mcq_err mcq_session_put_ping(struct mcq_session *session)
{
    struct mcq_bytes context = mcq_bytes(NULL, 0);
    uint16_t ttl = session->config.heartbeat_ttl_ds;
    uint8_t *at = begin_command(session, mcq_ping_bytes(ttl, context));

    return at != NULL ? end_command(session, mcq_encode_ping(at, ttl, context)) : MCQ_NOMEM;
}

enum mcq_err mcq_session_put_pong(struct mcq_session *session, struct mcq_bytes context)
{
    uint8_t *at = begin_command(session, mcq_pong_bytes(context));

    if (at == NULL)
        return MCQ_NOMEM;
    session->pong_due = true;
    return end_command(session, mcq_encode_pong(at, context));
}

static enum mcq_err put_as_command(struct mcq_session *session, struct mcq_bytes topic,
                                   bool subscribe)
{
    size_t len = subscribe ? mcq_subscribe_bytes(topic) : mcq_cancel_bytes(topic);

    if (len > session->config.max_command_bytes)
        return MCQ_INVAL;

    uint8_t *at = begin_command(session, len);

    if (at == NULL)
        return MCQ_NOMEM;
    at = subscribe ? mcq_encode_subscribe(at, topic) : mcq_encode_cancel(at, topic);
    return end_command(session, at);
}

static enum mcq_err put_as_message(struct mcq_session *session, struct mcq_bytes topic,
                                   bool subscribe)
{
    size_t len = mcq_subscribe_message_bytes(topic);

    if (len > session->config.max_command_bytes)
        return MCQ_INVAL;

    enum mcq_framing framing = session->frames.framing;
    uint8_t *at = reserve(session, mcq_frame_head_bytes_as(framing, len) + len);

    if (at == NULL)
        return MCQ_NOMEM;
    at = mcq_encode_frame_head_as(framing, at, 0, len);
    at = subscribe ? mcq_encode_subscribe_message(at, topic) : mcq_encode_cancel_message(at, topic);
    return end_command(session, at);
}

enum mcq_err mcq_session_subscribe(struct mcq_session *session, struct mcq_bytes topic,
                                   bool subscribe)
{
    if (session->phase != MCQ_PHASE_TRAFFIC)
        return MCQ_STATE;
    if (topic.len > MCQ_MAX_COMMAND_BYTES) /* keeps the sums below from wrapping */
        return MCQ_INVAL;
    return session->version >= MCQ_COMMAND_SUBSCRIBE_SINCE
               ? put_as_command(session, topic, subscribe)
               : put_as_message(session, topic, subscribe);
}

enum mcq_err mcq_session_probe(struct mcq_session *session)
{
    enum mcq_framing framing = session->frames.framing;
    uint8_t *at;

    if (session->phase != MCQ_PHASE_TRAFFIC)
        return MCQ_STATE;
    at = reserve(session, mcq_frame_head_bytes_as(framing, 0));
    if (at == NULL)
        return MCQ_NOMEM;
    return end_command(session, mcq_encode_frame_head_as(framing, at, 0, 0));
}

enum mcq_err mcq_session_join(struct mcq_session *session, struct mcq_bytes group, bool join)
{
    if (session->phase != MCQ_PHASE_TRAFFIC || session->version < MCQ_ZMTP_3_0)
        return MCQ_STATE;
    if (group.len > MCQ_JOIN_GROUP_BYTES_MAX ||
        mcq_charset_span(&mcq_charset_group, group) < group.len)
        return MCQ_INVAL;

    uint8_t *at = begin_command(session, join ? mcq_join_bytes(group) : mcq_leave_bytes(group));

    if (at == NULL)
        return MCQ_NOMEM;
    at = join ? mcq_encode_join(at, group) : mcq_encode_leave(at, group);
    return end_command(session, at);
}

struct mcq_bytes mcq_session_want(const struct mcq_session *session)
{
    struct mcq_bytes bytes = mcq_grow_bytes(&session->out);

    mcq_bytes_skip(&bytes, session->out_sent);
    return bytes;
}

void mcq_session_sent(struct mcq_session *session, size_t len)
{
    mcq_assert(len <= session->out.len - session->out_sent);
    session->out_sent += len;
    if (session->out_sent < session->out.len)
        return;
    mcq_grow_clear(&session->out);
    session->out_sent = 0;
    session->pong_due = false;
}

size_t mcq_session_frame_head(const struct mcq_session *session, bool more, uint64_t body_bytes,
                              uint8_t head[MCQ_FRAME_HEAD_MAX])
{
    mcq_assert_hot(session->phase == MCQ_PHASE_TRAFFIC);
    return (size_t) (mcq_encode_frame_head_as(session->frames.framing, head,
                                              more ? MCQ_FRAME_MORE : 0, body_bytes) -
                     head);
}
