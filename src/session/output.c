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

/* A frame of ours in the making: `at` is where its body is written. */
struct output {
    uint8_t *frame;
    uint8_t *at; /* NULL: no memory */
    size_t len;
    uint8_t flags;
};

/* In the newest framing, and in a box if all of them are. */
static struct output begin_frame(struct mcq_session *session, uint8_t flags, size_t len)
{
    struct output output = {.len = len, .flags = flags};
    bool is_sealed = mcq_session_is_sealed(session);
    size_t head = is_sealed ? mcq_session_seal_head(len) : mcq_frame_head_bytes(len);

    output.frame = reserve(session, mcq_size_add(head, len));
    if (output.frame != NULL)
        output.at =
            is_sealed ? output.frame + head : mcq_encode_frame_head(output.frame, flags, len);
    return output;
}

static struct output begin_command(struct mcq_session *session, size_t len)
{
    return begin_frame(session, MCQ_FRAME_COMMAND, len);
}

static enum mcq_err commit(struct mcq_session *session, const uint8_t *end)
{
    mcq_grow_commit(&session->out, (size_t) (end - mcq_grow_room(&session->out)));
    return MCQ_OK;
}

/* The body is written up to its end. */
static enum mcq_err end_frame(struct mcq_session *session, const struct output *output,
                              const uint8_t *end)
{
    mcq_assert(end == output->at + output->len);
    if (mcq_session_is_sealed(session))
        mcq_session_put_sealed(session, output->flags, output->frame, output->len);
    return commit(session, end);
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
    return commit(session, mcq_put_bytes(at, identity));
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
    struct output output = begin_command(session, mcq_ready_bytes(none) +
                                                      mcq_session_metadata_bytes(&session->config));

    if (output.at == NULL)
        return MCQ_NOMEM;
    return end_frame(session, &output,
                     encode_metadata(mcq_encode_ready(output.at, none), &session->config));
}

static enum mcq_err put_plain_initiate(struct mcq_session *session)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);
    struct output output = begin_command(session, mcq_plain_initiate_bytes(none) +
                                                      mcq_session_metadata_bytes(&session->config));

    if (output.at == NULL)
        return MCQ_NOMEM;
    return end_frame(session, &output,
                     encode_metadata(mcq_encode_plain_initiate(output.at, none), &session->config));
}

static enum mcq_err put_plain_hello(struct mcq_session *session)
{
    const struct mcq_session_config *config = &session->config;
    struct output output =
        begin_command(session, mcq_plain_hello_bytes(config->username, config->password));

    if (output.at == NULL)
        return MCQ_NOMEM;
    return end_frame(session, &output,
                     mcq_encode_plain_hello(output.at, config->username, config->password));
}

static enum mcq_err put_plain_welcome(struct mcq_session *session)
{
    struct output output = begin_command(session, mcq_plain_welcome_bytes());

    return output.at != NULL ? end_frame(session, &output, mcq_encode_plain_welcome(output.at))
                             : MCQ_NOMEM;
}

/* Without random octets there is no session. */
static enum mcq_err end_curve(struct mcq_session *session, const struct output *output,
                              uint8_t *end)
{
    return session->curve->is_unfit ? MCQ_NOMEM : end_frame(session, output, end);
}

static enum mcq_err put_curve_hello(struct mcq_session *session)
{
    struct output output = begin_command(session, MCQ_CURVE_HELLO_BYTES);

    return output.at != NULL
               ? end_curve(session, &output, mcq_curve_put_hello(session->curve, output.at))
               : MCQ_NOMEM;
}

static enum mcq_err put_curve_welcome(struct mcq_session *session)
{
    struct output output = begin_command(session, MCQ_CURVE_WELCOME_BYTES);

    return output.at != NULL
               ? end_curve(session, &output, mcq_curve_put_welcome(session->curve, output.at))
               : MCQ_NOMEM;
}

/* A command whose box ends with our metadata, which stands `before` octets behind its beginning. */
static enum mcq_err put_curve_metadata(struct mcq_session *session, size_t before,
                                       uint8_t *(*put)(struct mcq_curve *curve, uint8_t *at,
                                                       size_t metadata_len))
{
    size_t len = mcq_session_metadata_bytes(&session->config);
    struct output output = begin_command(session, before + len);

    if (output.at == NULL)
        return MCQ_NOMEM;
    (void) encode_metadata(output.at + before, &session->config);
    return end_curve(session, &output, put(session->curve, output.at, len));
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
    struct output output = begin_command(session, mcq_error_bytes(reason));

    return output.at != NULL ? end_frame(session, &output, mcq_encode_error(output.at, reason))
                             : MCQ_NOMEM;
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
    case MCQ_COMMAND_CURVE_HELLO: return put_curve_hello(session);
    case MCQ_COMMAND_CURVE_WELCOME: return put_curve_welcome(session);
    case MCQ_COMMAND_CURVE_INITIATE:
        return put_curve_metadata(session, MCQ_CURVE_INITIATE_METADATA_AT, mcq_curve_put_initiate);
    case MCQ_COMMAND_CURVE_READY:
        return put_curve_metadata(session, MCQ_CURVE_READY_METADATA_AT, mcq_curve_put_ready);
    default: return MCQ_INVAL; /* no machine sends it */
    }
}

enum mcq_err mcq_session_put_ping(struct mcq_session *session)
{
    struct mcq_bytes context = mcq_bytes(NULL, 0);
    uint16_t ttl = session->config.heartbeat_ttl_ds;
    struct output output = begin_command(session, mcq_ping_bytes(ttl, context));

    return output.at != NULL ? end_frame(session, &output, mcq_encode_ping(output.at, ttl, context))
                             : MCQ_NOMEM;
}

enum mcq_err mcq_session_put_pong(struct mcq_session *session, struct mcq_bytes context)
{
    struct output output = begin_command(session, mcq_pong_bytes(context));
    size_t before = session->out.len;

    if (output.at == NULL)
        return MCQ_NOMEM;
    MCQ_TRY(end_frame(session, &output, mcq_encode_pong(output.at, context)));
    if (session->pong_due && session->out_sent <= session->pong_at) {
        mcq_grow_cut(&session->out, session->pong_at, session->pong_len);
        before -= session->pong_len;
    }
    session->pong_due = true;
    session->pong_at = before;
    session->pong_len = session->out.len - before;
    return MCQ_OK;
}

void mcq_session_yield(struct mcq_session *session)
{
    session->pong_yields = true;
}

static enum mcq_err put_as_command(struct mcq_session *session, struct mcq_bytes topic,
                                   bool subscribe)
{
    size_t len = subscribe ? mcq_subscribe_bytes(topic) : mcq_cancel_bytes(topic);

    if (len > session->config.max_command_bytes)
        return MCQ_INVAL;

    struct output output = begin_command(session, len);

    if (output.at == NULL)
        return MCQ_NOMEM;
    return end_frame(session, &output,
                     subscribe ? mcq_encode_subscribe(output.at, topic)
                               : mcq_encode_cancel(output.at, topic));
}

static uint8_t *encode_as_message(uint8_t *at, struct mcq_bytes topic, bool subscribe)
{
    return subscribe ? mcq_encode_subscribe_message(at, topic)
                     : mcq_encode_cancel_message(at, topic);
}

static enum mcq_err put_as_message(struct mcq_session *session, struct mcq_bytes topic,
                                   bool subscribe)
{
    size_t len = mcq_subscribe_message_bytes(topic);
    enum mcq_framing framing = session->frames.framing;

    if (len > session->config.max_command_bytes)
        return MCQ_INVAL;
    if (mcq_session_is_sealed(session)) {
        struct output output = begin_frame(session, 0, len);

        return output.at != NULL
                   ? end_frame(session, &output, encode_as_message(output.at, topic, subscribe))
                   : MCQ_NOMEM;
    }

    uint8_t *at = reserve(session, mcq_frame_head_bytes_as(framing, len) + len);

    if (at == NULL)
        return MCQ_NOMEM;
    at = mcq_encode_frame_head_as(framing, at, 0, len);
    return commit(session, encode_as_message(at, topic, subscribe));
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

enum mcq_err mcq_session_greet(struct mcq_session *session, struct mcq_bytes body)
{
    enum mcq_framing framing = session->frames.framing;
    uint8_t *at;

    if (session->phase == MCQ_PHASE_RAW)
        return mcq_grow_append(&session->out, body);
    if (session->phase != MCQ_PHASE_TRAFFIC)
        return MCQ_STATE;
    if (mcq_session_is_sealed(session)) {
        struct output output = begin_frame(session, 0, body.len);

        return output.at != NULL ? end_frame(session, &output, mcq_put_bytes(output.at, body))
                                 : MCQ_NOMEM;
    }
    at = reserve(session, mcq_size_add(mcq_frame_head_bytes_as(framing, body.len), body.len));
    if (at == NULL)
        return MCQ_NOMEM;
    at = mcq_encode_frame_head_as(framing, at, 0, body.len);
    return commit(session, mcq_put_bytes(at, body));
}

enum mcq_err mcq_session_join(struct mcq_session *session, struct mcq_bytes group, bool join)
{
    if (session->phase != MCQ_PHASE_TRAFFIC || session->version < MCQ_COMMAND_JOIN_SINCE)
        return MCQ_STATE;
    if (group.len > MCQ_JOIN_GROUP_BYTES_MAX ||
        mcq_charset_span(&mcq_charset_group, group) < group.len)
        return MCQ_INVAL;

    struct output output =
        begin_command(session, join ? mcq_join_bytes(group) : mcq_leave_bytes(group));

    if (output.at == NULL)
        return MCQ_NOMEM;
    return end_frame(session, &output,
                     join ? mcq_encode_join(output.at, group) : mcq_encode_leave(output.at, group));
}

struct mcq_bytes mcq_session_want(const struct mcq_session *session)
{
    struct mcq_bytes bytes = mcq_grow_bytes(&session->out);

    mcq_bytes_skip(&bytes, session->out_sent);
    return bytes;
}

/* What has left makes room, but not for each octet: fewer are moved than have left. */
static void drop_sent(struct mcq_session *session)
{
    size_t len = session->out_sent;

    mcq_grow_cut(&session->out, 0, len);
    session->out_sent = 0;
    if (session->pong_due && session->pong_at >= len)
        session->pong_at -= len;
    else
        session->pong_due = false; /* it has begun to leave: no other takes its place */
}

void mcq_session_sent(struct mcq_session *session, size_t len)
{
    mcq_assert(len <= session->out.len - session->out_sent);
    session->out_sent += len;
    if (session->out_sent < session->out.len) {
        if (session->out_sent > MCQ_GROW_KEEP_BYTES &&
            session->out_sent >= session->out.len - session->out_sent)
            drop_sent(session);
        return;
    }
    mcq_grow_clear(&session->out);
    session->out_sent = 0;
    session->pong_due = false;
    session->pong_yields = false;
}

size_t mcq_session_frame_head(const struct mcq_session *session, bool more, uint64_t body_bytes,
                              uint8_t head[MCQ_FRAME_HEAD_MAX])
{
    mcq_assert_hot(session->phase == MCQ_PHASE_TRAFFIC);
    return (size_t) (mcq_encode_frame_head_as(session->frames.framing, head,
                                              more ? MCQ_FRAME_MORE : 0, body_bytes) -
                     head);
}
