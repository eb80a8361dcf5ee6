/*
 * Connectors: a connection that is made, and made anew.
 *
 *   IDLE --> RESOLVING --> CONNECTING --> OPENING --READY--> UP --lost--> WAITING
 *             ^    |         | ^  | |       ^  |                            ^ |
 *             |    |         | +--+ +-------+  |                            | |
 *             |    |         | next TUNNELING  |                            | |
 *             |    +---------+-----------------+-------- failed ------------+ |
 *             +----------------------- back-off ------------------------------+
 *
 * An address written as a number is there without RESOLVING. A name is asked for anew after each
 * back-off, and all its addresses are tried in turn before the next one. There is one attempt at a
 * time. With a proxy that is where the connection goes; TUNNELING is asking it for the peer. All of
 * it is the engine's, but for what is marked.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "runtime/datagram.h"
#include "runtime/endpoint.h"
#include "runtime/resolver.h"

#define MS UINT64_C(1000000)
#define GIVE_UP_PAUSE_MS 1000 /* the peer refused us: it will, until somebody mends it */
#define PAUSE_NS_MIN MS       /* whatever the option says: a peer that is not there costs no core */

/* Bits of RECONNECT_STOP; the third, our own disconnect, ends attempts whatever the option says. */
enum stop {
    STOP_REFUSED = 1,
    STOP_HANDSHAKE_FAILED = 2,
};

enum connector_state {
    CONNECTOR_IDLE,
    CONNECTOR_RESOLVING,
    CONNECTOR_CONNECTING,
    CONNECTOR_TUNNELING,
    CONNECTOR_OPENING,
    CONNECTOR_UP,
    CONNECTOR_WAITING,
};

struct mcq_connector {
    struct mcq_endpoint_node node; /* first */
    struct mcq_conn *conn;         /* the holder's; NULL: disconnected */
    enum connector_state state;
    _Atomic bool is_lost; /* set by the holder */
    _Atomic int lost_by;
    uint32_t failure_count; /* in a row */

    /* Where to. */
    char *host; /* NULL: fixed is the address */
    uint16_t port;
    struct mcq_address fixed;
    struct mcq_address *source; /* NULL: any */
    struct mcq_resolver *resolver;
    struct mcq_lookup lookup;
    struct mcq_address *found; /* of the host */
    uint32_t found_count;
    uint32_t next; /* to be tried */

    /* The attempt under way. */
    struct mcq_wait connect;
    struct mcq_wait timeout;
    struct mcq_wait back_off;
    enum mcq_io_result outcome;
    int fd; /* DONE: the stream */
    struct mcq_tunnel *tunnel;
};

/* --- the end of attempts ---------------------------------------------------------------------- */

/* No more attempts: as if the application had disconnected. What waits for the peer is dropped with
 * it. */
static void connector_give_up(struct mcq_connector *connector)
{
    atomic_store(&connector->node.is_stopped, true);
    mcq_connector_step(connector);
}

/* The wait grows up to the maximum, if there is one, and is never the same for two peers: those of
 * one server that went away do not come back in step. */
static uint64_t back_off_ns(struct mcq_connector *connector, enum mcq_err why)
{
    const struct mcq_socket_options *options = &connector->node.options;
    uint64_t base_ns = mcq_at_least_0(options->reconnect_ms) * MS;
    uint64_t most_ns = mcq_at_least_0(options->reconnect_max_ms) * MS;
    uint64_t chance = mcq_engine_random(mcq_node_engine(&connector->node));
    bool is_hopeless = mcq_err_fate(why) == MCQ_FATE_GIVE_UP;

    for (uint32_t i = 0; i < connector->failure_count && base_ns > 0 && base_ns < most_ns; i++)
        base_ns *= 2;
    if (most_ns > 0 && base_ns > most_ns)
        base_ns = most_ns;
    if (is_hopeless && base_ns < GIVE_UP_PAUSE_MS * MS)
        base_ns = GIVE_UP_PAUSE_MS * MS;
    if (base_ns < PAUSE_NS_MIN)
        base_ns = PAUSE_NS_MIN;
    if (options->has_full_jitter && !is_hopeless)
        return PAUSE_NS_MIN + chance % base_ns;
    return base_ns + chance % base_ns;
}

static void connector_begin(struct mcq_connector *connector);

static void connector_fail(struct mcq_connector *connector, enum mcq_err why)
{
    struct mcq_engine *engine = mcq_node_engine(&connector->node);
    uint64_t wait_ns = back_off_ns(connector, why);
    uint64_t at_ns = mcq_engine_now_ns(engine) + wait_ns;

    connector->failure_count++;
    connector->state = CONNECTOR_WAITING;
    if (connector->node.options.reconnect_ms < 0) {
        connector_give_up(connector);
        return;
    }
    mcq_report_now(connector->node.socket, MCQ_REPORT_OF_CONNECT_RETRIED,
                   (int) mcq_min_u64(wait_ns / MS, INT32_MAX), false,
                   mcq_node_name(&connector->node));
    mcq_engine_timer(engine, &connector->back_off, at_ns);
}

/* --- attempts -------------------------------------------------------------------------------- */

static void connector_report(struct mcq_connector *connector, enum mcq_report_of kind, int value)
{
    mcq_report_now(connector->node.socket, kind, value, false, mcq_node_name(&connector->node));
}

/* Tries the next of its addresses. */
static void connector_try_next(struct mcq_connector *connector)
{
    struct mcq_engine *engine = mcq_node_engine(&connector->node);
    uint64_t timeout_ms = mcq_at_least_0(connector->node.options.connect_timeout_ms);
    const struct mcq_address *address = &connector->fixed;

    connector->state = CONNECTOR_CONNECTING;
    connector->fd = -1;
    if (connector->host != NULL)
        address = &connector->found[connector->next];
    connector->next++;
    if (timeout_ms > 0)
        mcq_engine_timer(engine, &connector->timeout, mcq_engine_now_ns(engine) + timeout_ms * MS);
    connector_report(connector, MCQ_REPORT_OF_CONNECT_DELAYED, EINPROGRESS);
    mcq_reactor_arm_connect(engine->reactor, &connector->connect.op, connector->source, address,
                            &connector->node.options.tuning);
}

static void connector_begin(struct mcq_connector *connector)
{
    connector->next = 0;
    if (connector->host == NULL) {
        connector_try_next(connector);
        return;
    }
    connector->state = CONNECTOR_RESOLVING;
    if (mcq_resolver_ask(connector->resolver, &connector->lookup, connector->host,
                         connector->node.options.is_ipv6) != MCQ_OK)
        connector_fail(connector, MCQ_NOMEM);
}

static void connector_resolved(struct mcq_task *task)
{
    struct mcq_connector *connector = MCQ_CONTAINER_OF(task, struct mcq_connector, lookup.task);
    struct mcq_lookup *lookup = &connector->lookup;

    mcq_free(connector->found);
    connector->found = lookup->addresses;
    connector->found_count = lookup->count;
    lookup->addresses = NULL;
    connector->state = CONNECTOR_IDLE;
    for (uint32_t i = 0; i < connector->found_count; i++)
        mcq_tcp_set_port(&connector->found[i], connector->port);
    if (atomic_load(&connector->node.is_stopped))
        mcq_connector_step(connector);
    else if (lookup->err == MCQ_OK)
        connector_try_next(connector);
    else
        connector_fail(connector, lookup->err);
}

/* A port of our own range that nobody listens on can be the one that the kernel chose for us: then
 * we have connected to ourselves. */
static bool is_ourselves(struct mcq_reactor *reactor, int fd)
{
    struct mcq_address local;
    struct mcq_address peer;

    return mcq_reactor_local_address(reactor, fd, &local) &&
           mcq_reactor_peer_address(reactor, fd, &peer) && mcq_tcp_is_same(&local, &peer);
}

static bool has_next(const struct mcq_connector *connector)
{
    return connector->host != NULL && connector->next < connector->found_count;
}

static bool has_proxy(const struct mcq_connector *connector)
{
    return connector->fixed.storage.ss_family != AF_UNIX &&
           mcq_proxy_get(connector->node.options.proxy, MCQ_PROXY_ADDRESS).len > 0;
}

/* The proxy has as long as the peer itself would have had, or as its handshake. */
static void connector_tunnel(struct mcq_connector *connector, int fd)
{
    const struct mcq_socket_options *options = &connector->node.options;
    uint64_t limit_ms = mcq_at_least_0(options->connect_timeout_ms);
    uint64_t until_ns = MCQ_NEVER_NS;

    if (limit_ms == 0)
        limit_ms = mcq_at_least_0(options->handshake_ms);
    if (limit_ms > 0)
        until_ns = mcq_engine_now_ns(mcq_node_engine(&connector->node)) + limit_ms * MS;
    connector->state = CONNECTOR_TUNNELING;
    if (mcq_tunnel_new(&connector->node, fd, until_ns, &connector->tunnel) != MCQ_OK)
        connector_fail(connector, MCQ_NOMEM);
}

static void connector_open(struct mcq_connector *connector, int fd)
{
    const struct mcq_report_stream stream = {.fd = fd, .endpoint = mcq_node_name(&connector->node)};
    enum mcq_err err;

    connector->state = CONNECTOR_OPENING;
    mcq_report_of_stream(connector->node.socket, MCQ_REPORT_OF_CONNECTED, fd, &stream);
    err = mcq_opener_new(&connector->node, fd, NULL);
    if (err != MCQ_OK)
        connector_fail(connector, err);
}

static bool gives_up_if_refused(const struct mcq_connector *connector)
{
    return (connector->node.options.reconnect_stop & STOP_REFUSED) != 0;
}

void mcq_connector_tunneled(struct mcq_connector *connector, int fd, enum mcq_err err)
{
    connector->tunnel = NULL;
    if (atomic_load(&connector->node.is_stopped)) {
        if (fd >= 0)
            mcq_reactor_close(mcq_node_engine(&connector->node)->reactor, fd);
        mcq_connector_step(connector);
    } else if (err == MCQ_OK) {
        connector_open(connector, fd);
    } else if (err == MCQ_REFUSED && gives_up_if_refused(connector)) {
        connector_give_up(connector);
    } else {
        connector_fail(connector, err == MCQ_REFUSED ? MCQ_CLOSED : err);
    }
}

static void connector_ended(struct mcq_connector *connector)
{
    struct mcq_reactor *reactor = mcq_node_engine(&connector->node)->reactor;
    int fd = connector->fd;

    connector->fd = -1;
    if (atomic_load(&connector->node.is_stopped)) {
        if (fd >= 0)
            mcq_reactor_close(reactor, fd);
        mcq_connector_step(connector);
    } else if (fd >= 0 && has_proxy(connector)) {
        connector_tunnel(connector, fd);
    } else if (fd >= 0) {
        connector_open(connector, fd);
    } else if (has_next(connector)) {
        connector_try_next(connector);
    } else {
        connector_report(connector, MCQ_REPORT_OF_CLOSED, -1);
        if (connector->outcome == MCQ_IO_REFUSED && gives_up_if_refused(connector))
            connector_give_up(connector);
        else
            connector_fail(connector, MCQ_CLOSED);
    }
}

/* The attempt is over once neither it nor its time limit is armed. */
static void connector_settle(struct mcq_connector *connector)
{
    mcq_reactor_cancel(mcq_node_engine(&connector->node)->reactor, &connector->timeout.op);
    if (!mcq_wait_is_armed(&connector->connect) && !mcq_wait_is_armed(&connector->timeout))
        connector_ended(connector);
}

static void connector_connected(struct mcq_wait *wait)
{
    struct mcq_connector *connector = MCQ_CONTAINER_OF(wait, struct mcq_connector, connect);
    struct mcq_reactor *reactor = mcq_node_engine(&connector->node)->reactor;

    connector->outcome = wait->op.result;
    if (wait->op.result == MCQ_IO_DONE)
        connector->fd = wait->op.opened;
    if (connector->fd >= 0 && is_ourselves(reactor, connector->fd)) {
        mcq_reactor_close(reactor, connector->fd);
        connector->fd = -1;
        connector->outcome = MCQ_IO_REFUSED;
    }
    connector_settle(connector);
}

static void connector_timed_out(struct mcq_wait *wait)
{
    struct mcq_connector *connector = MCQ_CONTAINER_OF(wait, struct mcq_connector, timeout);

    if (mcq_wait_is_armed(&connector->connect))
        mcq_reactor_cancel(mcq_node_engine(&connector->node)->reactor, &connector->connect.op);
    else
        connector_settle(connector);
}

static void connector_waited(struct mcq_wait *wait)
{
    struct mcq_connector *connector = MCQ_CONTAINER_OF(wait, struct mcq_connector, back_off);

    if (atomic_load(&connector->node.is_stopped))
        mcq_connector_step(connector);
    else
        connector_begin(connector);
}

/* --- what the other files see ----------------------------------------------------------------- */

static void connector_stop(struct mcq_connector *connector)
{
    struct mcq_reactor *reactor = mcq_node_engine(&connector->node)->reactor;

    mcq_openers_stop(&connector->node);
    mcq_reactor_cancel(reactor, &connector->connect.op);
    mcq_reactor_cancel(reactor, &connector->back_off.op);
    if (connector->tunnel != NULL)
        mcq_tunnel_stop(connector->tunnel);
    if (connector->state == CONNECTOR_RESOLVING &&
        mcq_resolver_forget(connector->resolver, &connector->lookup))
        connector->state = CONNECTOR_IDLE; /* else its answer is on its way, and steps again */
    if (connector->state != CONNECTOR_RESOLVING && connector->tunnel == NULL &&
        !mcq_wait_is_armed(&connector->connect) && !mcq_wait_is_armed(&connector->timeout) &&
        !mcq_wait_is_armed(&connector->back_off))
        mcq_node_end(&connector->node);
}

void mcq_connector_step(struct mcq_connector *connector)
{
    if (atomic_load(&connector->node.is_stopped))
        connector_stop(connector);
    else if (connector->state == CONNECTOR_IDLE)
        connector_begin(connector);
    else if (connector->node.openers == NULL && atomic_exchange(&connector->is_lost, false))
        connector_fail(connector, (enum mcq_err) atomic_load(&connector->lost_by));
}

void mcq_connector_opened(struct mcq_connector *connector, enum mcq_err err)
{
    if (err == MCQ_OK) {
        connector->state = CONNECTOR_UP;
        connector->failure_count = 0;
    } else if (err != MCQ_NOMEM &&
               (connector->node.options.reconnect_stop & STOP_HANDSHAKE_FAILED)) {
        atomic_store(&connector->node.is_stopped, true);
    } else {
        mcq_connector_retry(connector, err);
    }
}

void mcq_connector_retry(struct mcq_connector *connector, enum mcq_err why)
{
    if (atomic_load(&connector->node.is_stopped))
        return;
    atomic_store(&connector->lost_by, (int) why);
    atomic_store(&connector->is_lost, true);
    mcq_engine_post(mcq_node_engine(&connector->node), &connector->node.task);
}

struct mcq_conn *mcq_connector_conn(const struct mcq_connector *connector)
{
    return connector->conn;
}

const char *mcq_connector_name(const struct mcq_connector *connector)
{
    return mcq_node_name(&connector->node);
}

static void own(struct mcq_connector *connector, struct mcq_conn *conn)
{
    connector->conn = conn;
    conn->connector = connector;
    conn->is_dialed = true;
}

enum mcq_err mcq_connector_meet(struct mcq_connector *connector, struct mcq_opening *opening,
                                struct mcq_bytes identity)
{
    struct mcq_conn *conn = connector->conn;
    enum mcq_err err;

    if (conn != NULL)
        return mcq_conn_up(conn, opening, identity);
    MCQ_TRY(mcq_conn_new(connector->node.socket, false, &conn));
    own(connector, conn);
    err = mcq_conn_up(conn, opening, identity);
    if (err != MCQ_OK) {
        mcq_connector_let_go(connector);
        mcq_conn_free(conn);
    }
    return err;
}

void mcq_connector_let_go(struct mcq_connector *connector)
{
    connector->conn->connector = NULL;
    connector->conn = NULL;
}

void mcq_connector_disown(struct mcq_connector *connector)
{
    struct mcq_conn *conn = connector->conn;

    if (conn == NULL)
        return;
    connector->conn = NULL;
    conn->connector = NULL;
    mcq_conn_down(conn);
}

void mcq_connector_fini(struct mcq_connector *connector)
{
    mcq_free(connector->host);
    mcq_free(connector->found);
    mcq_free(connector->source);
}

/* --- connect, under the socket's lock --------------------------------------------------------- */

/* The host is a name: remembered, to be looked up. */
static enum mcq_err set_host(struct mcq_connector *connector, struct mcq_socket *socket,
                             struct mcq_bytes host)
{
    MCQ_TRY(mcq_context_resolver(socket->context, &connector->resolver));
    connector->host = mcq_text_copy(host);
    return connector->host != NULL ? MCQ_OK : MCQ_NOMEM;
}

/* As an address is written, if that is not what was asked for. */
static enum mcq_err set_bound(struct mcq_connector *connector)
{
    char text[MCQ_TRANSPORT_TEXT_BYTES];

    mcq_transport_text(&connector->fixed, text);
    if (strcmp(text, connector->node.text) == 0)
        return MCQ_OK;
    connector->node.bound = mcq_text_copy(mcq_bytes_of(text));
    return connector->node.bound != NULL ? MCQ_OK : MCQ_NOMEM;
}

static enum mcq_err set_source(struct mcq_connector *connector, const struct mcq_socket *socket,
                               const struct mcq_endpoint *endpoint, const char **fault)
{
    connector->source = mcq_alloc(sizeof *connector->source);
    if (connector->source == NULL)
        return MCQ_NOMEM;
    if (mcq_tcp_source(endpoint, socket->options.is_ipv6, connector->source) == MCQ_OK)
        return MCQ_OK;
    *fault = "what stands in front of the ';' is neither an interface nor an address of a family "
             "that is looked for";
    return MCQ_INVAL;
}

/* What the text says, as far as nobody has to be asked. */
static enum mcq_err set_target(struct mcq_connector *connector, struct mcq_socket *socket,
                               const struct mcq_endpoint *endpoint, bool *is_direct,
                               const char **fault)
{
    struct mcq_endpoint through = *endpoint;
    struct mcq_endpoint source;
    struct mcq_bytes proxy;
    enum mcq_err err;

    if (mcq_endpoint_source(endpoint, &source))
        MCQ_TRY(set_source(connector, socket, &source, fault));
    proxy = mcq_proxy_get(socket->options.proxy, MCQ_PROXY_ADDRESS);
    if (proxy.len > 0 && endpoint->scheme == MCQ_SCHEME_TCP) {
        /* It was one when the option was set. The endpoint's own host is the proxy's to find. */
        (void) !mcq_endpoint_parse_peer(proxy, &through);
        endpoint = &through;
        *is_direct = false;
    }
    connector->port = endpoint->port;
    err = mcq_transport_numeric(endpoint, socket->options.is_ipv6, &connector->fixed);
    if (err == MCQ_NOT_FOUND && !*is_direct) {
        *fault = "SOCKS_PROXY is no address of a family that is looked for; set IPV6";
        return MCQ_INVAL;
    }
    return err == MCQ_AGAIN ? set_host(connector, socket, endpoint->host) : err;
}

enum mcq_err mcq_socket_connect(struct mcq_socket *socket, struct mcq_bytes text,
                                const char **fault)
{
    struct mcq_connector *connector;
    struct mcq_endpoint endpoint;
    bool is_direct = true; /* not through a proxy */
    enum mcq_err err;

    MCQ_TRY(mcq_datagram_check(socket, text, MCQ_ENDPOINT_CONNECT, fault));
    MCQ_TRY(mcq_node_parse(text, MCQ_ENDPOINT_CONNECT, &endpoint, fault));
    if (endpoint.scheme == MCQ_SCHEME_INPROC)
        return mcq_inproc_connect(socket, text, fault);
    MCQ_TRY(mcq_socket_choose_engine(socket));
    if (endpoint.scheme == MCQ_SCHEME_UDP)
        return mcq_datagram_open(socket, text, &endpoint, MCQ_ENDPOINT_CONNECT, fault);
    connector = mcq_alloc(sizeof *connector);
    if (connector == NULL)
        return MCQ_NOMEM;
    *connector = (struct mcq_connector) {
        .connect.done = connector_connected,
        .timeout.done = connector_timed_out,
        .back_off.done = connector_waited,
        .lookup = {.engine = socket->engine, .task.run = connector_resolved},
        .fd = -1,
    };
    err = set_target(connector, socket, &endpoint, &is_direct, fault);
    if (err == MCQ_OK)
        err = mcq_security_check(socket->options.security, socket->profile == MCQ_PROFILE_COMPAT,
                                 fault);
    if (err == MCQ_OK)
        err = mcq_node_init(&connector->node, socket, text);
    if (err == MCQ_OK && is_direct && connector->host == NULL)
        err = set_bound(connector);
    if (err == MCQ_OK && !socket->options.is_immediate)
        err = mcq_conn_new(socket, true, &connector->conn);
    if (err != MCQ_OK) {
        if (err == MCQ_MISMATCH)
            *fault = "this socket has its one peer";
        if (err == MCQ_IN_USE)
            *fault = "another peer has this CONNECT_ROUTING_ID";
        mcq_connector_fini(connector);
        mcq_node_fini(&connector->node);
        mcq_free(connector);
        return err;
    }
    if (connector->conn != NULL)
        own(connector, connector->conn);
    mcq_node_join(&connector->node);
    return MCQ_OK;
}
