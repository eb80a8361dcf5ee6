/*
 * endpoint: what makes connections: listeners, connectors, and the handshakes of both.
 *
 *   listener   LISTENING --stopped--> gone once its openers are
 *   connector  IDLE --> CONNECTING --> OPENING --READY--> UP --lost--> WAITING
 *                         ^  |             |                              ^ |
 *                         |  +-------------+------------- failed ---------+ |
 *                         +------------------------ back-off ---------------+
 *   opener     RUNNING --READY--> DELIVERED --read by the holder--> gone
 *                 +-----failed, late, stopped--> DEAD --nothing armed--> gone
 *
 * All of it is the engine's, but for what is marked. What an opener has made goes to the socket by
 * letter, and comes back to the engine as a task.
 */

#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "runtime/socket.h"
#include "session/state.h"
#include "transport/tcp.h"
#include "wire/command.h"

#define MS UINT64_C(1000000)
/* Strangers that may be opening at a time, by listener; beyond it the oldest makes room if it has
 * had a second, else accepting pauses. */
#define OPENERS_MAX 1024
#define OPENER_GRACE_NS (1000 * MS)
#define ACCEPT_PAUSE_NS (100 * MS) /* no descriptors or memory: until somebody closes something */
#define GIVE_UP_PAUSE_MS 1000      /* the peer refused us: it will, until somebody mends it */

struct mcq_endpoint_node {
    struct mcq_socket *socket;
    struct mcq_endpoint_node *next; /* in the socket's list: the holder's */
    bool is_listener;
    _Atomic bool is_stopped; /* asked to end: by the holder */
    bool is_ending;          /* the engine has been told: by the last task that the holder posts */
    bool is_gone;            /* the letter that says so is on its way */
    struct mcq_task task;
    struct mcq_task stop;
    struct mcq_mail mail;              /* "gone" */
    struct mcq_socket_options options; /* as they were when it was made; constant */
    struct opener *openers;            /* newest first */
    struct opener *oldest_opener;
    uint32_t opener_count;
    char *text; /* as asked for; constant */
    char bound[MCQ_TCP_TEXT_BYTES];
};

struct listener {
    struct mcq_endpoint_node node; /* first */
    int fd;
    struct mcq_wait accept;
    struct mcq_wait pause;
};

enum connector_state {
    CONNECTOR_IDLE,
    CONNECTOR_CONNECTING,
    CONNECTOR_OPENING,
    CONNECTOR_UP,
    CONNECTOR_WAITING,
    CONNECTOR_ENDED,
};

struct mcq_connector {
    struct mcq_endpoint_node node; /* first */
    struct mcq_conn *conn;         /* the holder's; NULL: disconnected */
    struct mcq_address address;
    enum connector_state state;
    _Atomic bool is_lost; /* set by the holder */
    _Atomic int lost_by;
    struct mcq_wait connect;
    struct mcq_wait back_off;
    uint32_t failure_count; /* in a row */
};

enum opener_state {
    OPENER_RUNNING,
    OPENER_READY,
    OPENER_DELIVERED,
    OPENER_DEAD,
};

struct opener {
    struct mcq_endpoint_node *node;
    enum opener_state state;
    enum mcq_err err;
    struct mcq_opening opening;
    struct mcq_wait in;
    struct mcq_wait out;
    struct mcq_wait deadline;
    struct mcq_mail mail;
    struct mcq_task task;
    uint64_t since_ns;
    struct opener *newer;
    struct opener *older;
    uint8_t identity_len;
    uint8_t identity[MCQ_ROUTING_ID_MAX];
};

#define CONTAINER_OF(member, type, name) ((type *) ((char *) (member) -offsetof(type, name)))

static void listener_step(struct listener *listener);
static void connector_step(struct mcq_connector *connector);
static void node_step(struct mcq_endpoint_node *node);

static struct mcq_engine *engine_of(const struct mcq_endpoint_node *node)
{
    return node->socket->engine;
}

/* --- openers --------------------------------------------------------------------------------- */

static void opener_link(struct opener *opener)
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

static void opener_unlink(struct opener *opener)
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
static void opener_free(struct opener *opener)
{
    struct mcq_endpoint_node *node = opener->node;
    int fd = mcq_opening_fini(&opener->opening);
    enum mcq_err err = opener->err;

    if (fd >= 0)
        mcq_reactor_close(engine_of(node)->reactor, fd);
    opener_unlink(opener);
    mcq_free(opener);
    if (!node->is_listener) {
        struct mcq_connector *connector = (struct mcq_connector *) node;

        if (err == MCQ_OK) {
            connector->state = CONNECTOR_UP;
            connector->failure_count = 0;
        } else {
            mcq_connector_retry(connector, err);
        }
    }
    node_step(node);
}

static bool opener_is_armed(const struct opener *opener)
{
    return mcq_wait_is_armed(&opener->in) || mcq_wait_is_armed(&opener->out) ||
           mcq_wait_is_armed(&opener->deadline);
}

/* Under the socket's lock. */
static void opener_read(struct mcq_mail *mail, struct mcq_socket *socket)
{
    struct opener *opener = CONTAINER_OF(mail, struct opener, mail);
    struct mcq_endpoint_node *node = opener->node;
    struct mcq_bytes identity = mcq_bytes(opener->identity, opener->identity_len);
    struct mcq_conn *conn = NULL;

    opener->err = MCQ_CLOSED;
    if (atomic_load(&node->is_stopped) ||
        (socket->state == MCQ_SOCKET_CLOSING && (node->is_listener || socket->is_draining))) {
        /* nobody wants it any more */
    } else if (!node->is_listener) {
        opener->err =
            mcq_conn_up(((struct mcq_connector *) node)->conn, &opener->opening, identity);
    } else {
        opener->err = mcq_conn_new(socket, false, &conn);
        if (opener->err == MCQ_OK)
            opener->err = mcq_conn_up(conn, &opener->opening, identity);
        if (opener->err != MCQ_OK && conn != NULL)
            mcq_conn_free(conn);
    }
    mcq_engine_post(socket->engine, &opener->task);
}

static void opener_returned(struct mcq_task *task)
{
    opener_free(CONTAINER_OF(task, struct opener, task));
}

/* It is READY or DEAD: goes on once nothing is armed for it. */
static void opener_settle(struct opener *opener)
{
    struct mcq_engine *engine = engine_of(opener->node);

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

static void opener_fail(struct opener *opener, enum mcq_err err)
{
    opener->err = err;
    opener->state = OPENER_DEAD;
    opener_settle(opener);
}

static void opener_step(struct opener *opener)
{
    struct mcq_engine *engine = engine_of(opener->node);
    struct mcq_event ready;
    enum mcq_err err = mcq_opening_step(&opener->opening, &ready);

    if (err == MCQ_AGAIN) {
        err = mcq_engine_poll(engine, &opener->in, opener->opening.fd, MCQ_OP_POLL_IN);
        if (err == MCQ_OK && opener->opening.is_blocked)
            err = mcq_engine_poll(engine, &opener->out, opener->opening.fd, MCQ_OP_POLL_OUT);
        if (err == MCQ_OK)
            return;
    } else if (err == MCQ_OK) {
        mcq_assert(ready.ready.identity.len <= sizeof opener->identity);
        opener->identity_len = (uint8_t) ready.ready.identity.len;
        if (ready.ready.identity.len > 0)
            memcpy(opener->identity, ready.ready.identity.data, ready.ready.identity.len);
        opener->state = OPENER_READY;
        opener_settle(opener);
        return;
    }
    opener_fail(opener, err);
}

static void opener_on_poll(struct opener *opener)
{
    if (opener->state == OPENER_RUNNING)
        opener_step(opener);
    else
        opener_settle(opener);
}

static void opener_in_done(struct mcq_wait *wait)
{
    opener_on_poll(CONTAINER_OF(wait, struct opener, in));
}

static void opener_out_done(struct mcq_wait *wait)
{
    opener_on_poll(CONTAINER_OF(wait, struct opener, out));
}

static void opener_deadline_done(struct mcq_wait *wait)
{
    struct opener *opener = CONTAINER_OF(wait, struct opener, deadline);

    if (opener->state == OPENER_RUNNING)
        opener_fail(opener, MCQ_TIMEOUT);
    else
        opener_settle(opener);
}

static uint64_t at_least_0(int value)
{
    return value > 0 ? (uint64_t) value : 0;
}

static void session_config(const struct mcq_endpoint_node *node, struct mcq_session_config *config)
{
    const struct mcq_socket_options *options = &node->options;
    uint64_t ttl_ds = at_least_0(options->heartbeat_ttl_ms) / MCQ_PING_TTL_UNIT_MS;

    mcq_session_config_init(config, node->socket->type, MCQ_PROFILE_NATIVE);
    config->routing_id = mcq_bytes(options->routing_id, options->routing_id_len);
    config->meets_older = options->meets_older;
    config->handshake_ns = at_least_0(options->handshake_ms) * MS;
    config->heartbeat_ns = at_least_0(options->heartbeat_ms) * MS;
    config->heartbeat_timeout_ns = at_least_0(options->heartbeat_timeout_ms) * MS;
    config->heartbeat_ttl_ds = (uint16_t) mcq_min_u64(ttl_ds, UINT16_MAX);
    if (options->max_message_bytes >= 0) {
        uint64_t most = (uint64_t) options->max_message_bytes;

        config->max_frame_bytes = mcq_min_u64(config->max_frame_bytes, most);
        config->max_message_bytes = mcq_min_u64(config->max_message_bytes, most);
    }
}

/* Begins a handshake on a stream, which it owns from now on. */
static enum mcq_err opener_new(struct mcq_endpoint_node *node, int fd)
{
    struct mcq_engine *engine = engine_of(node);
    struct opener *opener = mcq_alloc(sizeof *opener);
    struct mcq_session_config config;
    uint64_t late_ns;
    enum mcq_err err = MCQ_NOMEM;

    session_config(node, &config);
    if (opener != NULL) {
        *opener = (struct opener) {
            .node = node,
            .in.done = opener_in_done,
            .out.done = opener_out_done,
            .deadline.done = opener_deadline_done,
            .mail.read = opener_read,
            .task.run = opener_returned,
            .since_ns = mcq_engine_now_ns(engine),
        };
        err = mcq_opening_init(&opener->opening, engine->reactor, &engine->receiver, fd, &config);
    }
    if (err != MCQ_OK) {
        mcq_free(opener);
        mcq_reactor_close(engine->reactor, fd);
        return err;
    }
    opener_link(opener);
    late_ns = mcq_session_deadline_ns(opener->opening.session);
    if (late_ns != MCQ_NEVER_NS && mcq_engine_timer(engine, &opener->deadline, late_ns) != MCQ_OK)
        opener_fail(opener, MCQ_NOMEM);
    else
        opener_step(opener);
    return MCQ_OK;
}

static void stop_openers(struct mcq_endpoint_node *node)
{
    struct opener *next;

    for (struct opener *opener = node->openers; opener != NULL; opener = next) {
        next = opener->older;
        if (opener->state == OPENER_RUNNING)
            opener_fail(opener, MCQ_CLOSED);
    }
}

/* --- the end of an endpoint ------------------------------------------------------------------- */

/* Under the socket's lock. Its peer goes, or is one that was accepted from now on. */
static void connector_disown(struct mcq_connector *connector)
{
    struct mcq_conn *conn = connector->conn;

    if (conn == NULL)
        return;
    connector->conn = NULL;
    conn->connector = NULL;
    mcq_conn_down(conn);
}

/* Under the socket's lock. */
static void node_forget(struct mcq_mail *mail, struct mcq_socket *socket)
{
    struct mcq_endpoint_node *node = CONTAINER_OF(mail, struct mcq_endpoint_node, mail);
    struct mcq_endpoint_node **at = &socket->endpoints;

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    if (!node->is_listener)
        connector_disown((struct mcq_connector *) node);
    mcq_free(node->text);
    mcq_free(node);
}

/* Nothing of it is armed, and nobody opens: the holder frees it. */
static void node_end(struct mcq_endpoint_node *node)
{
    if (node->is_gone || node->openers != NULL || atomic_load(&node->task.is_posted))
        return;
    node->is_gone = true;
    mcq_socket_post(node->socket, &node->mail);
}

static void node_step(struct mcq_endpoint_node *node)
{
    if (node->is_gone)
        return;
    if (node->is_listener)
        listener_step((struct listener *) node);
    else
        connector_step((struct mcq_connector *) node);
}

static void node_run(struct mcq_task *task)
{
    node_step(CONTAINER_OF(task, struct mcq_endpoint_node, task));
}

static void node_run_stop(struct mcq_task *task)
{
    struct mcq_endpoint_node *node = CONTAINER_OF(task, struct mcq_endpoint_node, stop);

    node->is_ending = true;
    node_step(node);
}

/* Under the socket's lock. The engine ends it when it comes to this task, not when it sees the
 * mark: the holder may be between the two, and would post for what is freed. */
static void node_stop(struct mcq_endpoint_node *node)
{
    if (!atomic_exchange(&node->is_stopped, true))
        mcq_engine_post(engine_of(node), &node->stop);
}

/* --- listeners ------------------------------------------------------------------------------- */

static void listener_pause(struct listener *listener, uint64_t until_ns)
{
    struct mcq_engine *engine = engine_of(&listener->node);

    /* Where not even a timer can be armed, the next opener that ends goes on. */
    (void) !mcq_engine_timer(engine, &listener->pause, until_ns);
}

/* Room for one more stranger. */
static bool make_room(struct listener *listener)
{
    struct opener *oldest = listener->node.oldest_opener;
    uint64_t now_ns = mcq_engine_now_ns(engine_of(&listener->node));

    if (listener->node.opener_count < OPENERS_MAX)
        return true;
    while (oldest != NULL && oldest->state != OPENER_RUNNING)
        oldest = oldest->newer;
    if (oldest == NULL)
        return false; /* all are on their way in */
    if (now_ns < oldest->since_ns + OPENER_GRACE_NS) {
        listener_pause(listener, oldest->since_ns + OPENER_GRACE_NS);
        return false;
    }
    opener_fail(oldest, MCQ_TIMEOUT);
    return listener->node.opener_count < OPENERS_MAX;
}

static void listener_step(struct listener *listener)
{
    struct mcq_reactor *reactor = engine_of(&listener->node)->reactor;

    if (listener->node.is_ending) {
        stop_openers(&listener->node);
        mcq_reactor_cancel(reactor, &listener->accept.op);
        mcq_reactor_cancel(reactor, &listener->pause.op);
        if (mcq_wait_is_armed(&listener->accept) || mcq_wait_is_armed(&listener->pause))
            return;
        if (listener->fd >= 0)
            mcq_reactor_close(reactor, listener->fd);
        listener->fd = -1;
        node_end(&listener->node);
    } else if (!mcq_wait_is_armed(&listener->accept) && !mcq_wait_is_armed(&listener->pause) &&
               make_room(listener)) {
        mcq_reactor_arm_accept(reactor, &listener->accept.op, listener->fd);
    }
}

static void listener_accepted(struct mcq_wait *wait)
{
    struct listener *listener = CONTAINER_OF(wait, struct listener, accept);
    struct mcq_engine *engine = engine_of(&listener->node);
    enum mcq_io_result result = wait->op.result;

    if (result == MCQ_IO_DONE) {
        int fd = wait->op.opened;

        if (atomic_load(&listener->node.is_stopped))
            mcq_reactor_close(engine->reactor, fd);
        else
            (void) !opener_new(&listener->node, fd);
        if (mcq_wait_is_armed(wait) && !make_room(listener))
            mcq_reactor_cancel(engine->reactor, &wait->op);
    } else if (result != MCQ_IO_ABORTED && result != MCQ_IO_CANCELED) {
        listener_pause(listener, mcq_engine_now_ns(engine) + ACCEPT_PAUSE_NS);
    }
    if (!mcq_wait_is_armed(wait))
        node_step(&listener->node);
}

static void listener_resumed(struct mcq_wait *wait)
{
    node_step(&CONTAINER_OF(wait, struct listener, pause)->node);
}

/* --- connectors ------------------------------------------------------------------------------ */

static void connector_fail(struct mcq_connector *connector, enum mcq_err why);

static void connector_connect(struct mcq_connector *connector)
{
    connector->state = CONNECTOR_CONNECTING;
    mcq_reactor_arm_connect(engine_of(&connector->node)->reactor, &connector->connect.op,
                            &connector->address);
}

/* The wait grows up to the maximum, if there is one, and is never the same for two peers: those of
 * one server that went away do not come back in step. */
static uint64_t back_off_ns(struct mcq_connector *connector, enum mcq_err why)
{
    const struct mcq_socket_options *options = &connector->node.options;
    uint64_t base_ms = at_least_0(options->reconnect_ms);
    uint64_t most_ms = at_least_0(options->reconnect_max_ms);

    for (uint32_t i = 0; i < connector->failure_count && base_ms < most_ms; i++)
        base_ms *= 2;
    if (most_ms > 0 && base_ms > most_ms)
        base_ms = most_ms;
    if (mcq_err_fate(why) == MCQ_FATE_GIVE_UP && base_ms < GIVE_UP_PAUSE_MS)
        base_ms = GIVE_UP_PAUSE_MS;
    if (base_ms == 0)
        return 0;
    return base_ms * MS + mcq_engine_random(engine_of(&connector->node)) % (base_ms * MS);
}

static void connector_fail(struct mcq_connector *connector, enum mcq_err why)
{
    struct mcq_engine *engine = engine_of(&connector->node);
    uint64_t at_ns = mcq_engine_now_ns(engine) + back_off_ns(connector, why);

    connector->failure_count++;
    connector->state = CONNECTOR_WAITING;
    if (connector->node.options.reconnect_ms < 0)
        connector->state = CONNECTOR_ENDED;
    else if (mcq_engine_timer(engine, &connector->back_off, at_ns) != MCQ_OK)
        connector_connect(connector);
}

static void connector_step(struct mcq_connector *connector)
{
    struct mcq_reactor *reactor = engine_of(&connector->node)->reactor;

    if (connector->node.is_ending) {
        stop_openers(&connector->node);
        mcq_reactor_cancel(reactor, &connector->connect.op);
        mcq_reactor_cancel(reactor, &connector->back_off.op);
        if (!mcq_wait_is_armed(&connector->connect) && !mcq_wait_is_armed(&connector->back_off))
            node_end(&connector->node);
        return;
    }
    if (connector->state == CONNECTOR_IDLE)
        connector_connect(connector);
    else if (connector->node.openers == NULL && atomic_exchange(&connector->is_lost, false))
        connector_fail(connector, (enum mcq_err) atomic_load(&connector->lost_by));
}

void mcq_connector_retry(struct mcq_connector *connector, enum mcq_err why)
{
    if (atomic_load(&connector->node.is_stopped))
        return; /* the letter that frees it may be on its way */
    atomic_store(&connector->lost_by, (int) why);
    atomic_store(&connector->is_lost, true);
    mcq_engine_post(engine_of(&connector->node), &connector->node.task);
}

static void connector_connected(struct mcq_wait *wait)
{
    struct mcq_connector *connector = CONTAINER_OF(wait, struct mcq_connector, connect);

    if (wait->op.result == MCQ_IO_DONE) {
        int fd = wait->op.opened;

        if (atomic_load(&connector->node.is_stopped)) {
            mcq_reactor_close(engine_of(&connector->node)->reactor, fd);
        } else {
            connector->state = CONNECTOR_OPENING;
            if (opener_new(&connector->node, fd) != MCQ_OK)
                connector_fail(connector, MCQ_NOMEM);
            return;
        }
    } else if (!atomic_load(&connector->node.is_stopped)) {
        connector_fail(connector, MCQ_CLOSED);
        return;
    }
    node_step(&connector->node);
}

static void connector_waited(struct mcq_wait *wait)
{
    struct mcq_connector *connector = CONTAINER_OF(wait, struct mcq_connector, back_off);

    if (atomic_load(&connector->node.is_stopped))
        node_step(&connector->node);
    else
        connector_connect(connector);
}

/* --- bind, connect and their ends, under the socket's lock ------------------------------------ */

static enum mcq_err node_init(struct mcq_endpoint_node *node, struct mcq_socket *socket,
                              struct mcq_bytes text)
{
    node->text = mcq_alloc(text.len + 1);
    if (node->text == NULL)
        return MCQ_NOMEM;
    memcpy(node->text, text.data, text.len);
    node->text[text.len] = '\0';
    node->socket = socket;
    node->options = socket->options;
    node->task.run = node_run;
    node->stop.run = node_run_stop;
    node->mail.read = node_forget;
    return MCQ_OK;
}

static void node_join(struct mcq_endpoint_node *node)
{
    node->next = node->socket->endpoints;
    node->socket->endpoints = node;
    memcpy(node->socket->last_endpoint, node->bound, sizeof node->bound);
    mcq_engine_post(engine_of(node), &node->task);
}

static enum mcq_err resolve(struct mcq_socket *socket, struct mcq_bytes text,
                            enum mcq_endpoint_use use, struct mcq_address *address,
                            const char **fault)
{
    struct mcq_endpoint endpoint;
    enum mcq_endpoint_fault found = mcq_endpoint_parse(text, use, &endpoint);
    bool is_ipv6;
    enum mcq_err err;

    *fault = NULL;
    if (found != MCQ_ENDPOINT_GOOD) {
        *fault = mcq_endpoint_fault_text(found);
        return found == MCQ_ENDPOINT_UNKNOWN_SCHEME ? MCQ_NOT_SUPPORTED : MCQ_INVAL;
    }
    if (endpoint.source.len > 0)
        return MCQ_NOT_SUPPORTED;
    is_ipv6 = socket->options.is_ipv6;
    mcq_socket_pause(socket); /* others need not wait for a name server */
    err = mcq_tcp_resolve(&endpoint, use, is_ipv6, address);
    MCQ_TRY(mcq_socket_resume(socket));
    if (err != MCQ_OK)
        *fault = "no such host or interface";
    return err;
}

static enum mcq_err listen_err(enum mcq_io_result result)
{
    switch (result) {
    case MCQ_IO_DONE: return MCQ_OK;
    case MCQ_IO_IN_USE: return MCQ_IN_USE;
    case MCQ_IO_NOT_LOCAL: return MCQ_NOT_LOCAL;
    case MCQ_IO_DENIED: return MCQ_DENIED;
    case MCQ_IO_NO_FDS: return MCQ_NO_FDS;
    default: return MCQ_NOMEM;
    }
}

enum mcq_err mcq_socket_bind(struct mcq_socket *socket, struct mcq_bytes text, const char **fault)
{
    struct mcq_reactor *reactor = socket->engine->reactor;
    struct mcq_address address;
    struct listener *listener;
    enum mcq_err err;

    MCQ_TRY(resolve(socket, text, MCQ_ENDPOINT_BIND, &address, fault));
    listener = mcq_alloc(sizeof *listener);
    if (listener == NULL)
        return MCQ_NOMEM;
    *listener = (struct listener) {
        .node.is_listener = true,
        .accept.done = listener_accepted,
        .pause.done = listener_resumed,
    };
    err = node_init(&listener->node, socket, text);
    if (err == MCQ_OK)
        err = listen_err(
            mcq_reactor_listen(reactor, &address, socket->options.backlog, &listener->fd));
    if (err != MCQ_OK) {
        mcq_free(listener->node.text);
        mcq_free(listener);
        return err;
    }
    if (!mcq_reactor_local_address(reactor, listener->fd, &address))
        address.len = 0;
    mcq_tcp_text(&address, listener->node.bound);
    node_join(&listener->node);
    return MCQ_OK;
}

enum mcq_err mcq_socket_connect(struct mcq_socket *socket, struct mcq_bytes text,
                                const char **fault)
{
    struct mcq_connector *connector;
    struct mcq_address address;
    enum mcq_err err;

    MCQ_TRY(resolve(socket, text, MCQ_ENDPOINT_CONNECT, &address, fault));
    connector = mcq_alloc(sizeof *connector);
    if (connector == NULL)
        return MCQ_NOMEM;
    *connector = (struct mcq_connector) {
        .address = address,
        .connect.done = connector_connected,
        .back_off.done = connector_waited,
    };
    err = node_init(&connector->node, socket, text);
    if (err == MCQ_OK)
        err = mcq_conn_new(socket, true, &connector->conn);
    if (err != MCQ_OK) {
        mcq_free(connector->node.text);
        mcq_free(connector);
        *fault = err == MCQ_MISMATCH ? "this socket has its one peer" : NULL;
        return err;
    }
    connector->conn->connector = connector;
    mcq_tcp_text(&address, connector->node.bound);
    node_join(&connector->node);
    return MCQ_OK;
}

/* The newest of just this text that was not ended yet. */
static struct mcq_endpoint_node *find_node(const struct mcq_socket *socket, bool is_listener,
                                           struct mcq_bytes text)
{
    for (struct mcq_endpoint_node *node = socket->endpoints; node != NULL; node = node->next)
        if (node->is_listener == is_listener && !atomic_load(&node->is_stopped) &&
            (mcq_bytes_equal(mcq_bytes_of(node->text), text) ||
             mcq_bytes_equal(mcq_bytes_of(node->bound), text)))
            return node;
    return NULL;
}

enum mcq_err mcq_socket_unbind(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_endpoint_node *node = find_node(socket, true, text);

    if (node == NULL)
        return MCQ_NOT_FOUND;
    node_stop(node);
    return MCQ_OK;
}

enum mcq_err mcq_socket_disconnect(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_endpoint_node *node = find_node(socket, false, text);

    if (node == NULL)
        return MCQ_NOT_FOUND;
    node_stop(node);
    (void) mcq_link_flush(&((struct mcq_connector *) node)->conn->peer.link);
    connector_disown((struct mcq_connector *) node);
    return MCQ_OK;
}

void mcq_socket_stop_endpoints(struct mcq_socket *socket, bool all)
{
    struct mcq_endpoint_node *node;

    for (node = socket->endpoints; node != NULL; node = node->next) {
        const struct mcq_conn *conn =
            node->is_listener ? NULL : ((struct mcq_connector *) node)->conn;
        bool is_wanted = conn != NULL &&
                         (conn->peer.link.is_up ||
                          (!socket->is_draining && mcq_link_waiting_count(&conn->peer.link) > 0));

        if (all || !is_wanted)
            node_stop(node);
    }
}
