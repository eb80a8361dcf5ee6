/*
 * Endpoints: listeners, and the calls that make and end listeners and connectors.
 *
 *   listener   LISTENING --stopped--> gone once its openers are
 *
 * All of it is the engine's, but for what is marked.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/warn.h"
#include "runtime/datagram.h"
#include "runtime/endpoint.h"
#include "runtime/peers.h"

#define MS UINT64_C(1000000)
/* Of too many strangers the oldest makes room if it has had this long; else accepting pauses. */
#define OPENER_GRACE_NS (1000 * MS)
#define ACCEPT_PAUSE_NS (100 * MS) /* no descriptors or memory: until somebody closes something */
/* Beside so many strangers, or where so many come in an eighth of a second, newcomers are let in by
 * the batch: each by itself would wake the engine, and somebody who is at work would give way. */
#define CROWD_MIN 64
#define CROWD_NS (125 * MS)
#define BATCH_NS (1 * MS)

struct listener {
    struct mcq_endpoint_node node; /* first */
    struct mcq_seat seat;
    struct mcq_sources *sources; /* NULL: nobody counts */
    struct mcq_wait accept;
    struct mcq_wait knock; /* somebody waits, and there is no room */
    struct mcq_wait pause;
    bool is_knocked;
    uint32_t come_count;   /* connections since it was armed last */
    uint32_t window_count; /* and since then, which was an eighth of a second ago at most */
    uint64_t window_ns;
    bool was_crowded; /* in the eighth before that */
};

static void listener_step(struct listener *listener);
static void listener_fini(struct listener *listener);

/* --- the end of an endpoint ------------------------------------------------------------------- */

/* In the engine, behind every task of the node that a holder of the lock has posted; the socket may
 * be gone. */
static void node_free(struct mcq_task *task)
{
    struct mcq_endpoint_node *node = MCQ_CONTAINER_OF(task, struct mcq_endpoint_node, end_task);

    if (node->is_listener)
        listener_fini((struct listener *) node);
    else
        mcq_connector_fini((struct mcq_connector *) node);
    mcq_node_fini(node);
    mcq_free(node);
}

/* Under the socket's lock. From here on no holder finds the node. */
static void node_forget(struct mcq_mail *mail, struct mcq_socket *socket)
{
    struct mcq_endpoint_node *node = MCQ_CONTAINER_OF(mail, struct mcq_endpoint_node, mail);
    struct mcq_endpoint_node **at = &socket->endpoints;

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    if (!node->is_listener)
        mcq_connector_disown((struct mcq_connector *) node);
    mcq_engine_post(mcq_node_engine(node), &node->end_task);
}

void mcq_node_end(struct mcq_endpoint_node *node)
{
    if (node->is_gone || node->openers != NULL)
        return;
    node->is_gone = true;
    mcq_socket_post(node->socket, &node->mail);
}

void mcq_node_step(struct mcq_endpoint_node *node)
{
    if (node->is_gone)
        return;
    if (node->is_listener)
        listener_step((struct listener *) node);
    else
        mcq_connector_step((struct mcq_connector *) node);
}

static void node_run(struct mcq_task *task)
{
    mcq_node_step(MCQ_CONTAINER_OF(task, struct mcq_endpoint_node, task));
}

/* Under the socket's lock. */
static void node_stop(struct mcq_endpoint_node *node)
{
    if (!atomic_exchange(&node->is_stopped, true))
        mcq_engine_post(mcq_node_engine(node), &node->task);
}

/* --- listeners ------------------------------------------------------------------------------- */

static void listener_fini(struct listener *listener)
{
    mcq_sources_unref(&listener->sources);
}

/* Where nothing is limited nothing is counted. */
static enum mcq_err count_sources(struct listener *listener)
{
    const struct mcq_socket *socket = listener->node.socket;
    const struct mcq_source_limits limits = {
        .strangers = (uint32_t) socket->options.source_strangers_max,
        .all = (uint32_t) socket->options.source_max,
    };
    uint8_t key[MCQ_TABLE_KEY_BYTES];

    if (limits.strangers == 0 && limits.all == 0)
        return MCQ_OK;
    MCQ_TRY(mcq_context_random(socket->context, key, sizeof key));
    return mcq_sources_new(&limits, key, &listener->sources);
}

static void listener_pause(struct listener *listener, uint64_t until_ns)
{
    mcq_engine_timer(mcq_node_engine(&listener->node), &listener->pause, until_ns);
}

static bool has_room(const struct listener *listener)
{
    return listener->node.opener_count < (uint32_t) listener->node.options.strangers_max;
}

static bool is_crowded(const struct listener *listener)
{
    return listener->node.opener_count >= CROWD_MIN || listener->window_count >= CROWD_MIN ||
           listener->was_crowded;
}

static void count_one(struct listener *listener)
{
    uint64_t now_ns = mcq_engine_now_ns(mcq_node_engine(&listener->node));

    if (now_ns - listener->window_ns >= CROWD_NS) {
        listener->was_crowded =
            listener->window_count >= CROWD_MIN && now_ns - listener->window_ns < 2 * CROWD_NS;
        listener->window_count = 0;
        listener->window_ns = now_ns;
    }
    listener->window_count++;
    listener->come_count++;
}

static void say_closed(struct listener *listener)
{
    if (!listener->node.has_said_closed)
        mcq_report_now(listener->node.socket, MCQ_REPORT_OF_CLOSED, listener->seat.fd, true,
                       mcq_node_name(&listener->node));
    listener->node.has_said_closed = true;
}

void mcq_socket_say_closed(struct mcq_socket *socket)
{
    for (struct mcq_endpoint_node *node = socket->endpoints; node != NULL; node = node->next)
        if (node->is_listener && !atomic_load(&node->is_stopped))
            say_closed((struct listener *) node);
}

static void listener_stop(struct listener *listener)
{
    struct mcq_reactor *reactor = mcq_node_engine(&listener->node)->reactor;
    struct mcq_wait *waits[] = {&listener->accept, &listener->knock, &listener->pause};
    bool is_armed = false;

    mcq_openers_stop(&listener->node);
    for (size_t i = 0; i < MCQ_COUNTOF(waits); i++) {
        mcq_reactor_cancel(reactor, &waits[i]->op);
        is_armed |= mcq_wait_is_armed(waits[i]);
    }
    if (is_armed)
        return;
    say_closed(listener);
    mcq_transport_leave(reactor, &listener->seat);
    mcq_node_end(&listener->node);
}

/* There are as many strangers as may be. Nobody gives way before somebody else wants to come in. */
static void listener_make_room(struct listener *listener)
{
    struct mcq_endpoint_node *node = &listener->node;
    struct mcq_engine *engine = mcq_node_engine(node);
    uint64_t now_ns = mcq_engine_now_ns(engine);
    uint64_t until_ns;

    if (!listener->is_knocked) {
        if (mcq_engine_poll(engine, &listener->knock, listener->seat.fd, MCQ_OP_POLL_IN) != MCQ_OK)
            listener_pause(listener, now_ns + ACCEPT_PAUSE_NS);
        return;
    }
    until_ns = mcq_openers_evict(node, now_ns, OPENER_GRACE_NS);
    if (until_ns != 0 && until_ns != MCQ_NEVER_NS)
        listener_pause(listener, until_ns);
}

static void listener_step(struct listener *listener)
{
    struct mcq_reactor *reactor = mcq_node_engine(&listener->node)->reactor;

    if (atomic_load(&listener->node.is_stopped)) {
        listener_stop(listener);
        return;
    }
    if (mcq_wait_is_armed(&listener->accept) || mcq_wait_is_armed(&listener->knock) ||
        mcq_wait_is_armed(&listener->pause))
        return;
    if (has_room(listener)) {
        listener->is_knocked = false;
        listener->accept.op.is_burst = listener->come_count > 0 && is_crowded(listener);
        listener->come_count = 0;
        mcq_reactor_arm_accept(reactor, &listener->accept.op, listener->seat.fd);
    } else {
        listener_make_room(listener);
    }
}

static void listener_knocked(struct mcq_wait *wait)
{
    struct listener *listener = MCQ_CONTAINER_OF(wait, struct listener, knock);

    listener->is_knocked = true;
    mcq_node_step(&listener->node);
}

/* Who is not to be let in learns nothing. */
static bool listener_admits(const struct listener *listener, int fd)
{
    struct mcq_reactor *reactor = mcq_node_engine(&listener->node)->reactor;
    const struct mcq_socket_options *options = &listener->node.options;

    if (!mcq_admission_admits(options->admission, reactor, fd))
        return false;
    mcq_reactor_tune(reactor, fd, &options->tuning);
    return true;
}

/* Once: the reports say who. */
static void warn_of_crowds(void)
{
    static atomic_flag has_warned = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&has_warned))
        mcq_warn("connections are turned away", mcq_err_text(MCQ_CROWDED));
}

static void turn_away(struct listener *listener, int fd, enum mcq_err why)
{
    struct mcq_socket *socket = listener->node.socket;
    const struct mcq_report_stream stream = {.fd = fd, .why = why};

    if (why == MCQ_CROWDED) {
        atomic_fetch_add_explicit(&socket->crowded_count, 1, memory_order_relaxed);
        warn_of_crowds();
    }
    mcq_report_of_stream(socket, MCQ_REPORT_OF_ACCEPT_FAILED, mcq_err_errno(why), &stream);
    mcq_reactor_close(socket->engine->reactor, fd);
}

static void listener_open(struct listener *listener, int fd)
{
    struct mcq_reactor *reactor = mcq_node_engine(&listener->node)->reactor;
    struct mcq_source *source = NULL;
    struct mcq_address peer = {0};
    enum mcq_err err = MCQ_OK;

    if (listener->sources != NULL && mcq_reactor_peer_address(reactor, fd, &peer))
        err = mcq_source_take(listener->sources, &peer, &source);
    if (err == MCQ_OK)
        (void) !mcq_opener_new(&listener->node, fd, source);
    else
        turn_away(listener, fd, err);
}

static void listener_accepted(struct mcq_wait *wait)
{
    struct listener *listener = MCQ_CONTAINER_OF(wait, struct listener, accept);
    struct mcq_engine *engine = mcq_node_engine(&listener->node);
    enum mcq_io_result result = wait->op.result;

    if (result == MCQ_IO_DONE) {
        int fd = wait->op.opened;

        mcq_report_of_stream(listener->node.socket, MCQ_REPORT_OF_ACCEPTED, fd,
                             &(struct mcq_report_stream) {.fd = fd});
        if (atomic_load(&listener->node.is_stopped) || !listener_admits(listener, fd))
            mcq_reactor_close(engine->reactor, fd);
        else
            listener_open(listener, fd);
        count_one(listener);
        wait->op.is_burst = is_crowded(listener);
        if (mcq_wait_is_armed(wait) && !has_room(listener))
            mcq_reactor_cancel(engine->reactor, &wait->op);
    } else if (result == MCQ_IO_AGAIN) { /* the next batch; where nobody came, the next one */
        if (listener->come_count > 0)
            listener_pause(listener, mcq_engine_now_ns(engine) + BATCH_NS);
    } else if (result != MCQ_IO_ABORTED && result != MCQ_IO_CANCELED) {
        mcq_report_now(listener->node.socket, MCQ_REPORT_OF_ACCEPT_FAILED,
                       wait->op.number != 0 ? wait->op.number : EIO, true,
                       mcq_node_name(&listener->node));
        atomic_fetch_add_explicit(&listener->node.socket->parked_count, 1, memory_order_relaxed);
        listener_pause(listener, mcq_engine_now_ns(engine) + ACCEPT_PAUSE_NS);
    }
    if (!mcq_wait_is_armed(wait))
        mcq_node_step(&listener->node);
}

static void listener_resumed(struct mcq_wait *wait)
{
    mcq_node_step(&MCQ_CONTAINER_OF(wait, struct listener, pause)->node);
}

/* --- bind, connect and their ends, under the socket's lock ------------------------------------ */

char *mcq_text_copy(struct mcq_bytes text)
{
    char *copy = mcq_alloc(text.len + 1);

    if (copy != NULL) {
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

enum mcq_err mcq_node_init(struct mcq_endpoint_node *node, struct mcq_socket *socket,
                           struct mcq_bytes text)
{
    node->text = mcq_text_copy(text);
    if (node->text == NULL)
        return MCQ_NOMEM;
    node->socket = socket;
    mcq_socket_options_copy(&node->options, &socket->options);
    node->task.run = node_run;
    node->end_task.run = node_free;
    node->mail.read = node_forget;
    return MCQ_OK;
}

void mcq_node_fini(struct mcq_endpoint_node *node)
{
    if (node->text == NULL)
        return; /* never begun */
    mcq_socket_options_drop(&node->options);
    mcq_free(node->text);
    mcq_free(node->bound);
}

void mcq_node_join(struct mcq_endpoint_node *node)
{
    const char *last = mcq_node_name(node);

    node->serial = ++node->socket->endpoint_count;
    node->next = node->socket->endpoints;
    node->socket->endpoints = node;
    memcpy(node->socket->last_endpoint, last, strlen(last) + 1);
    mcq_engine_post(mcq_node_engine(node), &node->task);
}

enum mcq_err mcq_node_parse(struct mcq_bytes text, enum mcq_endpoint_use use,
                            struct mcq_endpoint *endpoint, const char **fault)
{
    enum mcq_endpoint_fault found = mcq_endpoint_parse(text, use, endpoint);

    *fault = NULL;
    if (found != MCQ_ENDPOINT_GOOD) {
        *fault = mcq_endpoint_fault_text(found);
        return found == MCQ_ENDPOINT_UNKNOWN_SCHEME ? MCQ_NOT_SUPPORTED
               : found == MCQ_ENDPOINT_LONG_PATH    ? MCQ_TOO_LONG
                                                    : MCQ_INVAL;
    }
    if (text.len < MCQ_ENDPOINT_BYTES)
        return MCQ_OK;
    *fault = "it is longer than an endpoint can be";
    return MCQ_INVAL;
}

static enum mcq_err resolve(struct mcq_socket *socket, const struct mcq_endpoint *endpoint,
                            struct mcq_address *address)
{
    bool is_ipv6 = socket->options.is_ipv6;
    enum mcq_err err;

    if (mcq_transport_numeric(endpoint, is_ipv6, address) == MCQ_OK)
        return MCQ_OK;
    mcq_socket_pause(socket); /* others need not wait for a name server */
    err = mcq_transport_resolve(endpoint, is_ipv6, address);
    MCQ_TRY(mcq_socket_resume(socket));
    return err;
}

/* Listens, or takes over what does. */
static enum mcq_err take_seat(struct mcq_socket *socket, const struct mcq_endpoint *endpoint,
                              struct mcq_address *address, struct mcq_seat *seat,
                              const char **fault)
{
    const struct mcq_socket_options *options = &socket->options;
    struct mcq_reactor *reactor = socket->engine->reactor;
    enum mcq_err err;

    if (options->use_fd < 0) {
        err = mcq_transport_listen(reactor, endpoint, address, &options->tuning, options->backlog,
                                   seat);
        if (err == MCQ_NOT_FOUND && options->tuning.device[0] != '\0')
            *fault = "the device of BINDTODEVICE is not there";
        return err;
    }
    err = mcq_transport_adopt(reactor, endpoint, options->use_fd, address, seat);
    if (err == MCQ_OK)
        socket->options.use_fd = -1;
    else
        *fault = "the descriptor of USE_FD does not listen for this transport";
    return err;
}

enum mcq_err mcq_socket_bind(struct mcq_socket *socket, struct mcq_bytes text, const char **fault)
{
    struct mcq_endpoint endpoint;
    struct mcq_address address;
    struct listener *listener;
    enum mcq_err err;

    MCQ_TRY(mcq_datagram_check(socket, text, MCQ_ENDPOINT_BIND, fault));
    MCQ_TRY(mcq_node_parse(text, MCQ_ENDPOINT_BIND, &endpoint, fault));
    if (endpoint.scheme == MCQ_SCHEME_INPROC)
        return mcq_inproc_bind(socket, text);
    MCQ_TRY(mcq_socket_choose_engine(socket));
    if (endpoint.scheme == MCQ_SCHEME_UDP)
        return mcq_datagram_open(socket, text, &endpoint, MCQ_ENDPOINT_BIND, fault);
    endpoint.takes_over = socket->profile == MCQ_PROFILE_COMPAT;
    MCQ_TRY(
        mcq_security_check(socket->options.security, socket->profile == MCQ_PROFILE_COMPAT, fault));
    if (socket->options.use_fd < 0)
        MCQ_TRY(resolve(socket, &endpoint, &address));
    listener = mcq_alloc(sizeof *listener);
    if (listener == NULL)
        return MCQ_NOMEM;
    *listener = (struct listener) {
        .node.is_listener = true,
        .accept.done = listener_accepted,
        .knock.done = listener_knocked,
        .pause.done = listener_resumed,
    };
    err = mcq_node_init(&listener->node, socket, text);
    if (err == MCQ_OK) { /* which address it will be is not known yet */
        listener->node.bound = mcq_alloc(MCQ_TRANSPORT_TEXT_BYTES);
        err = listener->node.bound != NULL ? MCQ_OK : MCQ_NOMEM;
    }
    if (err == MCQ_OK)
        err = count_sources(listener);
    if (err == MCQ_OK)
        err = take_seat(socket, &endpoint, &address, &listener->seat, fault);
    if (err != MCQ_OK) {
        if (listener->node.text != NULL)
            mcq_report_now(socket, MCQ_REPORT_OF_BIND_FAILED, mcq_err_errno(err), true,
                           listener->node.text);
        listener_fini(listener);
        mcq_node_fini(&listener->node);
        mcq_free(listener);
        return err;
    }
    mcq_transport_text(&address, listener->node.bound);
    mcq_report_now(socket, MCQ_REPORT_OF_LISTENING, listener->seat.fd, true,
                   mcq_node_name(&listener->node));
    mcq_node_join(&listener->node);
    return MCQ_OK;
}

static bool is_leaving(struct mcq_endpoint_node *node)
{
    const struct mcq_conn *conn =
        node->is_listener ? NULL : mcq_connector_conn((struct mcq_connector *) node);

    return conn != NULL && conn->is_leaving;
}

/* The newest of just this text that was not ended yet. */
static struct mcq_endpoint_node *find_node(const struct mcq_socket *socket, bool is_listener,
                                           struct mcq_bytes text)
{
    for (struct mcq_endpoint_node *node = socket->endpoints; node != NULL; node = node->next)
        if (node->is_listener == is_listener && !atomic_load(&node->is_stopped) &&
            !is_leaving(node) &&
            (mcq_bytes_equal(mcq_bytes_of(node->text), text) ||
             mcq_bytes_equal(mcq_bytes_of(mcq_node_name(node)), text)))
            return node;
    return NULL;
}

/* Whom this listener has let in goes with it, as in libzmq. */
static void dismiss(struct mcq_socket *socket, uint64_t listener)
{
    struct mcq_conn *conn;
    uint32_t at = 0;

    while ((conn = mcq_socket_next_peer(socket, &at)) != NULL)
        if (conn->listener == listener && !conn->is_leaving && !conn->is_ending)
            mcq_conn_leave(conn);
}

enum mcq_err mcq_socket_unbind(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_endpoint_node *node = find_node(socket, true, text);

    if (node == NULL && mcq_endpoint_is_udp(text))
        return mcq_datagram_end(socket, text, MCQ_ENDPOINT_BIND);
    if (node == NULL)
        return mcq_inproc_unbind(socket, text);
    if (socket->profile == MCQ_PROFILE_COMPAT)
        dismiss(socket, node->serial);
    node_stop(node);
    return MCQ_OK;
}

void mcq_connector_stop(struct mcq_connector *connector)
{
    struct mcq_conn *conn = mcq_connector_conn(connector);

    node_stop((struct mcq_endpoint_node *) connector);
    if (conn != NULL)
        (void) mcq_link_flush(&conn->peer.link);
    mcq_connector_disown(connector);
}

static void part_from(struct mcq_endpoint_node *node)
{
    struct mcq_conn *conn = mcq_connector_conn((struct mcq_connector *) node);

    if (conn != NULL)
        mcq_conn_leave(conn);
    else
        node_stop(node);
}

/* One of those that were made with this text; in libzmq all of them. */
enum mcq_err mcq_socket_disconnect(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_endpoint_node *node = find_node(socket, false, text);

    if (node == NULL && mcq_endpoint_is_udp(text))
        return mcq_datagram_end(socket, text, MCQ_ENDPOINT_CONNECT);
    if (node == NULL)
        return mcq_inproc_disconnect(socket, text);
    do
        part_from(node);
    while (socket->profile == MCQ_PROFILE_COMPAT &&
           (node = find_node(socket, false, text)) != NULL);
    return MCQ_OK;
}

void mcq_connector_quit(struct mcq_connector *connector)
{
    node_stop((struct mcq_endpoint_node *) connector);
    mcq_connector_disown(connector);
}

void mcq_socket_stop_endpoints(struct mcq_socket *socket, bool all)
{
    struct mcq_endpoint_node *node;

    for (node = socket->endpoints; node != NULL; node = node->next) {
        const struct mcq_conn *conn =
            node->is_listener ? NULL : mcq_connector_conn((struct mcq_connector *) node);
        bool is_wanted = conn != NULL &&
                         (conn->peer.link.is_up ||
                          (!socket->is_draining && mcq_link_waiting_count(&conn->peer.link) > 0));

        if (all || !is_wanted)
            node_stop(node);
    }
}
