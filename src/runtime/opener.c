/*
 * Openers: streams whose handshakes are under way.
 *
 *   RUNNING --READY--> DELIVERED --read by the holder--> gone
 *      +-----failed, late, stopped--> DEAD --nothing armed--> gone
 *
 * All of it is the engine's, but for what is marked. What an opener has made goes to the socket by
 * letter, and comes back to the engine as a task.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/warn.h"
#include "runtime/endpoint.h"
#include "runtime/zap.h"
#include "session/state.h"
#include "wire/command.h"

#define MS UINT64_C(1000000)

enum opener_state {
    OPENER_RUNNING,
    OPENER_READY,
    OPENER_DELIVERED,
    OPENER_DEAD,
};

struct mcq_opener {
    struct mcq_endpoint_node *node;
    struct mcq_source *source; /* until it is the peer's */
    enum opener_state state : 8;
    uint8_t identity_len;
    enum mcq_err err;
    enum mcq_report_of verdict; /* how a failure is reported, ... */
    int verdict_value;          /* ... and with what */
    struct mcq_opening opening;
    struct mcq_zap_asker asker;
    struct mcq_wait in;
    struct mcq_wait out;
    struct mcq_wait deadline;
    union { /* strangers are many, and small: first it is a letter, and once read a task */
        struct mcq_mail mail;
        struct mcq_task task;
    };
    uint64_t since_ns;
    struct mcq_opener *newer;
    struct mcq_opener *older;
    uint8_t *identity; /* NULL: none */
};
static_assert(sizeof(struct mcq_opener) <= 55 * sizeof(void *),
              "a stranger costs 512 octets at most, the reactor's share included");

static void opener_link(struct mcq_opener *opener)
{
    struct mcq_endpoint_node *node = opener->node;

    opener->older = node->openers;
    if (node->openers != NULL)
        node->openers->newer = opener;
    else
        node->oldest_opener = opener;
    node->openers = opener;
    node->opener_count++;
}

static void opener_unlink(struct mcq_opener *opener)
{
    struct mcq_endpoint_node *node = opener->node;

    if (opener->newer != NULL)
        opener->newer->older = opener->older;
    else
        node->openers = opener->older;
    if (opener->older != NULL)
        opener->older->newer = opener->newer;
    else
        node->oldest_opener = opener->newer;
    node->opener_count--;
}

/* Nothing of it is armed any more, and no letter is under way. */
static void opener_free(struct mcq_opener *opener)
{
    struct mcq_endpoint_node *node = opener->node;
    int fd = mcq_opening_fini(&opener->opening);
    enum mcq_err err = opener->err;

    if (fd >= 0)
        mcq_reactor_close(mcq_node_engine(node)->reactor, fd);
    opener_unlink(opener);
    mcq_source_put(&opener->source, true);
    mcq_free(opener->identity);
    mcq_free(opener);
    if (!node->is_listener)
        mcq_connector_opened((struct mcq_connector *) node, err);
    mcq_node_step(node);
}

static void opener_returned(struct mcq_task *task)
{
    opener_free(MCQ_CONTAINER_OF(task, struct mcq_opener, task));
}

static bool opener_is_armed(const struct mcq_opener *opener)
{
    return mcq_wait_is_armed(&opener->in) || mcq_wait_is_armed(&opener->out) ||
           mcq_wait_is_armed(&opener->deadline);
}

/* Under the socket's lock. */
static enum mcq_err opener_meet(struct mcq_opener *opener, struct mcq_bytes identity)
{
    struct mcq_conn *conn;
    enum mcq_err err;

    MCQ_TRY(mcq_conn_new(opener->node->socket, false, &conn));
    conn->listener = opener->node->serial;
    err = mcq_conn_up(conn, &opener->opening, identity);
    if (err != MCQ_OK) {
        mcq_conn_free(conn);
        return err;
    }
    mcq_source_meet(opener->source);
    conn->source = opener->source;
    opener->source = NULL;
    return MCQ_OK;
}

/* Under the socket's lock. */
static void opener_read(struct mcq_mail *mail, struct mcq_socket *socket)
{
    struct mcq_opener *opener = MCQ_CONTAINER_OF(mail, struct mcq_opener, mail);
    struct mcq_endpoint_node *node = opener->node;
    struct mcq_bytes identity = mcq_bytes(opener->identity, opener->identity_len);

    opener->err = MCQ_CLOSED;
    if (atomic_load(&node->is_stopped) ||
        (socket->state == MCQ_SOCKET_CLOSING && (node->is_listener || socket->is_draining))) {
        /* nobody wants it any more */
    } else if (!node->is_listener) {
        opener->err = mcq_connector_meet((struct mcq_connector *) node, &opener->opening, identity);
    } else {
        opener->err = opener_meet(opener, identity);
    }
    opener->task = (struct mcq_task) {.run = opener_returned};
    mcq_engine_post(socket->engine, &opener->task);
}

/* It is READY or DEAD: goes on once nothing is armed for it. */
static void opener_settle(struct mcq_opener *opener)
{
    struct mcq_engine *engine = mcq_node_engine(opener->node);

    mcq_reactor_cancel(engine->reactor, &opener->in.op);
    mcq_reactor_cancel(engine->reactor, &opener->out.op);
    mcq_reactor_cancel(engine->reactor, &opener->deadline.op);
    if (opener_is_armed(opener))
        return;
    if (opener->state == OPENER_DEAD) {
        opener_free(opener);
    } else if (opener->state == OPENER_READY) {
        opener->state = OPENER_DELIVERED;
        mcq_socket_post(opener->node->socket, &opener->mail);
    }
}

static void opener_report(const struct mcq_opener *opener, enum mcq_report_of kind, int value,
                          enum mcq_err why)
{
    const struct mcq_endpoint_node *node = opener->node;
    const struct mcq_session *session = opener->opening.session;
    const struct mcq_report_stream stream = {
        .fd = opener->opening.fd,
        .endpoint = node->is_listener ? NULL : mcq_node_name(node),
        .why = why,
        .broken = session != NULL ? mcq_session_failure(session) : NULL, /* as long as one knows */
    };

    mcq_report_of_stream(node->socket, kind, value, &stream);
}

static void set_verdict(struct mcq_opener *opener, enum mcq_report_of kind, int value)
{
    opener->verdict = kind;
    opener->verdict_value = value;
}

/* Whose fault it was: the peer's manners, its credentials, our handler of ZAP, or just the
 * connection. */
static void report_failure(struct mcq_opener *opener, enum mcq_err err)
{
    if (opener->verdict == 0 && opener->opening.refusal != 0)
        set_verdict(opener, MCQ_REPORT_OF_HANDSHAKE_REFUSED, (int) opener->opening.refusal);
    else if (opener->verdict == 0)
        set_verdict(opener,
                    err == MCQ_PROTO ? MCQ_REPORT_OF_HANDSHAKE_BROKEN
                                     : MCQ_REPORT_OF_HANDSHAKE_FAILED,
                    mcq_err_errno(err));
    opener_report(opener, opener->verdict, opener->verdict_value, err);
    opener_report(opener, MCQ_REPORT_OF_DISCONNECTED, opener->opening.fd, err);
}

static void opener_fail(struct mcq_opener *opener, enum mcq_err err)
{
    mcq_zap_forget(&opener->asker);
    report_failure(opener, err);
    opener->err = err;
    opener->state = OPENER_DEAD;
    opener_settle(opener);
}

static void opener_step(struct mcq_opener *opener);

/* --- ZAP ------------------------------------------------------------------------------------- */

/* The peer is told what the mechanism tells it. */
static void opener_refuse(struct mcq_opener *opener)
{
    struct mcq_event event;

    (void) !mcq_opening_step(&opener->opening, &event);
    opener_fail(opener, MCQ_DENIED);
}

/* `status` is what ZAP says, or would. */
static void opener_decide(struct mcq_opener *opener, unsigned status)
{
    enum mcq_err err = mcq_session_zap(opener->opening.session, status,
                                       mcq_engine_now_ns(mcq_node_engine(opener->node)));

    if (err == MCQ_OK)
        opener_step(opener);
    else if (err == MCQ_REFUSED)
        opener_refuse(opener);
    else
        opener_fail(opener, err);
}

/* There is nobody who could be asked. */
static void opener_unasked(struct mcq_opener *opener)
{
    bool is_admitted = mcq_security_admits_unasked(opener->node->options.security);

    if (!is_admitted)
        set_verdict(opener, MCQ_REPORT_OF_HANDSHAKE_FAILED, EFAULT);
    opener_decide(opener, is_admitted ? MCQ_ZAP_STATUS_OK : 0);
}

static void opener_answered(struct mcq_zap_asker *asker, const struct mcq_zap_answer *answer)
{
    struct mcq_opener *opener = MCQ_CONTAINER_OF(asker, struct mcq_opener, asker);
    enum mcq_err err = answer->err;

    if (err == MCQ_NOT_FOUND) {
        opener_unasked(opener);
        return;
    }
    if (err == MCQ_CLOSED)
        set_verdict(opener, MCQ_REPORT_OF_HANDSHAKE_FAILED, EFAULT);
    else if (answer->fault != MCQ_ZAP_FAULT_NONE)
        set_verdict(opener, MCQ_REPORT_OF_HANDSHAKE_BROKEN, (int) answer->fault);
    else if (answer->status != MCQ_ZAP_STATUS_OK)
        set_verdict(opener, MCQ_REPORT_OF_HANDSHAKE_REFUSED, (int) answer->status);
    else
        err = mcq_opening_keep(&opener->opening, answer->user_id, answer->metadata);
    if (err == MCQ_NOMEM)
        opener_fail(opener, err);
    else
        opener_decide(opener, answer->status);
}

/* What the handler is told of the peer. */
static enum mcq_err opener_ask(struct mcq_opener *opener, const struct mcq_event *event)
{
    const struct mcq_endpoint_node *node = opener->node;
    const struct mcq_socket_options *options = &node->options;
    const struct mcq_credentials *shown = &event->zap.credentials;
    uint32_t quirks = mcq_profile_quirks(node->socket->profile);
    char address[MCQ_TRANSPORT_TEXT_BYTES];
    struct mcq_zap_request request = {
        .request_id = mcq_bytes_of("1"), /* each has a pipe of its own, and asks once */
        .domain = mcq_security_octets(options->security, MCQ_OPTION_ZAP_DOMAIN),
        .identity = (quirks & MCQ_QUIRK_ZAP_IDENTITY_OWN) != 0
                        ? mcq_socket_options_routing_id(options)
                        : event->zap.identity,
        .mechanism = mcq_bytes_of(event->zap.mechanism),
        .username = shown->username,
        .password = shown->password,
        .client = shown->public_key,
    };

    if (mcq_transport_peer_text(mcq_node_engine(node)->reactor, opener->opening.fd, address))
        request.address = mcq_bytes_of(address);
    return mcq_zap_ask(&opener->asker, node->socket->context, mcq_node_engine(node), quirks,
                       &request);
}

/* The peer is listened to meanwhile: it may go. */
static void opener_question(struct mcq_opener *opener, const struct mcq_event *event)
{
    enum mcq_err err = opener_ask(opener, event);

    if (err == MCQ_OK)
        opener_step(opener);
    else if (err == MCQ_NOT_FOUND)
        opener_unasked(opener);
    else
        opener_fail(opener, err);
}

static enum mcq_err keep_identity(struct mcq_opener *opener, struct mcq_bytes identity)
{
    if (identity.len == 0)
        return MCQ_OK;
    if (identity.len > MCQ_ROUTING_ID_MAX) /* the looser profile lets it through */
        return MCQ_PROTO;
    opener->identity = mcq_alloc(identity.len);
    if (opener->identity == NULL)
        return MCQ_NOMEM;
    memcpy(opener->identity, identity.data, identity.len);
    opener->identity_len = (uint8_t) identity.len;
    return MCQ_OK;
}

static void session_config(const struct mcq_endpoint_node *node, struct mcq_session_config *config);

static enum mcq_err opener_rouse(struct mcq_opener *opener)
{
    struct mcq_session_config config;

    if (!mcq_opening_is_dozing(&opener->opening))
        return MCQ_OK;
    session_config(opener->node, &config);
    return mcq_opening_rouse(&opener->opening, &config);
}

static void opener_step(struct mcq_opener *opener)
{
    struct mcq_engine *engine = mcq_node_engine(opener->node);
    struct mcq_event ready;
    enum mcq_err err = opener_rouse(opener);

    if (err == MCQ_OK)
        err = mcq_opening_step(&opener->opening, &ready);
    if (err == MCQ_AGAIN) {
        err = mcq_engine_poll(engine, &opener->in, opener->opening.fd, MCQ_OP_POLL_IN);
        if (err == MCQ_OK && opener->opening.is_blocked)
            err = mcq_engine_poll(engine, &opener->out, opener->opening.fd, MCQ_OP_POLL_OUT);
        if (err == MCQ_OK) {
            if (opener->node->is_listener)
                mcq_opening_doze(&opener->opening);
            return;
        }
    } else if (err == MCQ_OK && ready.kind == MCQ_EVENT_ZAP) {
        opener_question(opener, &ready);
        return;
    } else if (err == MCQ_OK) {
        err = keep_identity(opener, ready.ready.identity);
        if (err == MCQ_OK) {
            opener->state = OPENER_READY;
            opener_settle(opener);
            return;
        }
    }
    opener_fail(opener, err);
}

static void opener_on_poll(struct mcq_opener *opener)
{
    if (opener->state == OPENER_RUNNING)
        opener_step(opener);
    else
        opener_settle(opener);
}

static void opener_in_done(struct mcq_wait *wait)
{
    opener_on_poll(MCQ_CONTAINER_OF(wait, struct mcq_opener, in));
}

static void opener_out_done(struct mcq_wait *wait)
{
    opener_on_poll(MCQ_CONTAINER_OF(wait, struct mcq_opener, out));
}

static void opener_deadline_done(struct mcq_wait *wait)
{
    struct mcq_opener *opener = MCQ_CONTAINER_OF(wait, struct mcq_opener, deadline);

    if (opener->state == OPENER_RUNNING)
        opener_fail(opener, MCQ_TIMEOUT);
    else
        opener_settle(opener);
}

/* libzmq keeps the time to live in 16 bits of milliseconds, and ends a connection by what is left
 * of a longer one. Where PINGs come often enough, less is said than was asked for; else nothing. */
static uint16_t ttl_to_say_ds(const struct mcq_socket_options *options)
{
    const uint64_t most_ds = UINT16_MAX / MCQ_PING_TTL_UNIT_MS;
    uint64_t ttl_ds = mcq_at_least_0(options->heartbeat_ttl_ms) / MCQ_PING_TTL_UNIT_MS;

    if (ttl_ds <= most_ds)
        return (uint16_t) ttl_ds;
    return mcq_at_least_0(options->heartbeat_ms) < most_ds * MCQ_PING_TTL_UNIT_MS / 2
               ? (uint16_t) most_ds
               : 0;
}

static void session_config(const struct mcq_endpoint_node *node, struct mcq_session_config *config)
{
    const struct mcq_socket_options *options = &node->options;

    mcq_session_config_init(config, node->socket->type, node->socket->profile);
    config->routing_id = mcq_socket_options_routing_id(options);
    config->is_raw = options->is_raw;
    config->piece_bytes = (uint32_t) options->piece_bytes;
    config->extra_metadata = mcq_properties_octets(options->properties);
    config->meets_older = options->meets_older;
    mcq_security_configure(options->security, config);
    config->handshake_ns = mcq_at_least_0(options->handshake_ms) * MS;
    config->heartbeat_ns = mcq_at_least_0(options->heartbeat_ms) * MS;
    config->heartbeat_timeout_ns = mcq_at_least_0(options->heartbeat_timeout_ms) * MS;
    config->heartbeat_ttl_ds = ttl_to_say_ds(options);
    if (options->command_max >= 0)
        config->max_command_bytes = (uint32_t) options->command_max;
    if (options->properties_max >= 0)
        config->max_properties = (uint32_t) options->properties_max;
    if (options->parts_max >= 0)
        config->max_message_frames = (uint32_t) options->parts_max;
    if (options->message_max >= 0)
        config->max_message_bytes = (uint64_t) options->message_max;
    if (options->max_message_bytes >= 0) {
        uint64_t most = (uint64_t) options->max_message_bytes;

        config->max_frame_bytes = mcq_min_u64(config->max_frame_bytes, most);
        config->max_message_bytes = mcq_min_u64(config->max_message_bytes, most);
    }
}

/* Once: it says something of the program. */
static void warn_of_plain(void)
{
    static atomic_flag has_warned = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&has_warned))
        mcq_warn("PLAIN beyond this machine", "names and passwords can be read on the way");
}

/* What crosses in clear is for this machine, unless the application says otherwise. */
static bool may_open(const struct mcq_endpoint_node *node, int fd)
{
    struct mcq_reactor *reactor = mcq_node_engine(node)->reactor;

    if (!mcq_security_is_plain(node->options.security) || mcq_transport_is_local(reactor, fd))
        return true;
    if (node->options.sends_plain_afar)
        warn_of_plain();
    return node->options.sends_plain_afar;
}

static enum mcq_err refuse_plain(struct mcq_endpoint_node *node, int fd)
{
    const struct mcq_report_stream stream = {
        .fd = fd,
        .endpoint = node->is_listener ? NULL : mcq_node_name(node),
        .why = MCQ_DENIED,
    };

    mcq_report_of_stream(node->socket, MCQ_REPORT_OF_HANDSHAKE_FAILED, mcq_err_errno(MCQ_DENIED),
                         &stream);
    mcq_reactor_close(mcq_node_engine(node)->reactor, fd);
    return MCQ_DENIED;
}

enum mcq_err mcq_opener_new(struct mcq_endpoint_node *node, int fd, struct mcq_source *source)
{
    struct mcq_engine *engine = mcq_node_engine(node);
    struct mcq_opener *opener = mcq_alloc(sizeof *opener);
    struct mcq_session_config config;
    uint64_t late_ns;
    enum mcq_err err = MCQ_NOMEM;

    if (!may_open(node, fd)) {
        mcq_free(opener);
        mcq_source_put(&source, true);
        return refuse_plain(node, fd);
    }
    session_config(node, &config);
    if (opener != NULL) {
        *opener = (struct mcq_opener) {
            .node = node,
            .source = source,
            .in = {.done = opener_in_done, .gives_way = true},
            .out = {.done = opener_out_done, .gives_way = true},
            .deadline.done = opener_deadline_done,
            .asker.answered = opener_answered,
            .mail.read = opener_read,
            .since_ns = mcq_engine_now_ns(engine),
        };
        err = mcq_opening_init(&opener->opening, engine->reactor, &engine->receiver, fd, &config);
    }
    if (err != MCQ_OK) {
        mcq_free(opener);
        mcq_source_put(&source, true);
        mcq_reactor_close(engine->reactor, fd);
        return err;
    }
    opener_link(opener);
    late_ns = mcq_session_deadline_ns(opener->opening.session);
    if (late_ns != MCQ_NEVER_NS)
        mcq_engine_timer(engine, &opener->deadline, late_ns);
    opener_step(opener);
    return MCQ_OK;
}

void mcq_openers_stop(struct mcq_endpoint_node *node)
{
    struct mcq_opener *next;

    for (struct mcq_opener *opener = node->openers; opener != NULL; opener = next) {
        next = opener->older;
        if (opener->state == OPENER_RUNNING)
            opener_fail(opener, MCQ_CLOSED);
    }
}

uint64_t mcq_openers_evict(struct mcq_endpoint_node *node, uint64_t now_ns, uint64_t grace_ns)
{
    struct mcq_opener *oldest = node->oldest_opener;

    while (oldest != NULL && (oldest->state == OPENER_READY || oldest->state == OPENER_DELIVERED))
        oldest = oldest->newer;
    if (oldest == NULL)
        return MCQ_NEVER_NS;
    if (oldest->state == OPENER_DEAD)
        return 0;
    if (now_ns < oldest->since_ns + grace_ns)
        return oldest->since_ns + grace_ns;
    opener_fail(oldest, MCQ_TIMEOUT);
    return 0;
}
