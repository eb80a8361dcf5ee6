#include "runtime/peers.h"

#include <string.h>

#include "runtime/datagram.h"
#include "runtime/endpoint.h"
#include "session/state.h"

struct mcq_conn *mcq_socket_next_peer(const struct mcq_socket *socket, uint32_t *at)
{
    while (*at < socket->slot_count) {
        struct mcq_conn *conn = socket->slots[(*at)++].conn;

        if (conn != NULL)
            return conn;
    }
    return NULL;
}

static void set_text(char text[MCQ_ENDPOINT_BYTES], const char *from)
{
    size_t len = mcq_min_size(strlen(from), MCQ_ENDPOINT_BYTES - 1);

    memcpy(text, from, len);
    text[len] = '\0';
}

/* An accepted one came in at its own side's address. */
static void describe_place(const struct mcq_conn *conn, struct mcq_peer_state *state)
{
    struct mcq_reactor *reactor = conn->socket->engine->reactor;
    int fd = conn->peer.link.fd;
    struct mcq_address address;
    char text[MCQ_TRANSPORT_TEXT_BYTES];

    if (conn->end != NULL) {
        set_text(state->endpoint, mcq_inproc_name(conn->end));
        return;
    }
    if (conn->datagram != NULL)
        set_text(state->endpoint, conn->datagram->name);
    if (conn->connector != NULL)
        set_text(state->endpoint, mcq_connector_name(conn->connector));
    if (fd < 0 || conn->datagram != NULL)
        return;
    if (conn->connector == NULL && mcq_reactor_local_address(reactor, fd, &address)) {
        mcq_transport_text(&address, text);
        set_text(state->endpoint, text);
    }
    /* Who connects over ipc has no name. */
    if (mcq_reactor_peer_address(reactor, fd, &address) &&
        (address.storage.ss_family != AF_UNIX || conn->connector != NULL))
        mcq_transport_text(&address, state->address);
}

static struct mcq_bytes routing_id_of(const struct mcq_peer *peer, enum mcq_socket_type type)
{
    if (type == MCQ_SOCKET_TYPE_SERVER || type == MCQ_SOCKET_TYPE_PEER)
        return mcq_bytes(&peer->number, sizeof peer->number);
    if (type == MCQ_SOCKET_TYPE_ROUTER)
        return mcq_msg_bytes(&peer->identity);
    return mcq_bytes(NULL, 0);
}

void mcq_conn_describe(const struct mcq_conn *conn, struct mcq_peer_state *state)
{
    const struct mcq_link *link = &conn->peer.link;
    struct mcq_socket *socket = conn->socket;
    const char *user_id = NULL;

    *state = (struct mcq_peer_state) {
        .id = conn->peer.epoch,
        .is_accepted = mcq_conn_is_accepted(conn),
        .mechanism = MCQ_MECHANISM_NULL,
        .routing_id = routing_id_of(&conn->peer, socket->type),
    };
    if (link->is_up) {
        state->epoch = link->epoch;
        state->connected_ns = mcq_engine_now_ns(socket->engine) - link->started_ns;
    }
    if (link->session != NULL)
        state->mechanism = link->session->config.mechanism;
    if (link->session != NULL && link->is_up)
        state->rtt_ns = mcq_session_rtt_ns(link->session);
    if (mcq_link_is_piped(link)) {
        state->queued_out = mcq_pipe_waiting_count(&link->pipe);
    } else {
        state->queued_out = mcq_wpump_message_count(&link->wpump);
        state->queued_out_bytes = mcq_wpump_kept_bytes(&link->wpump);
    }
    if (link->origin != NULL)
        user_id = mcq_origin_text(link->origin, MCQ_ORIGIN_USER);
    state->user_id = user_id != NULL ? user_id : "";
    describe_place(conn, state);
}

static struct mcq_conn *find(const struct mcq_socket *socket, uint64_t id)
{
    struct mcq_conn *conn;
    uint32_t at = 0;

    do
        conn = mcq_socket_next_peer(socket, &at);
    while (conn != NULL && conn->peer.epoch != id);
    return conn;
}

enum mcq_err mcq_socket_close_peer(struct mcq_socket *socket, uint64_t id)
{
    struct mcq_conn *conn = find(socket, id);

    if (conn == NULL)
        return MCQ_NOT_FOUND;
    if (conn->connector != NULL)
        mcq_connector_stop(conn->connector); /* conn may be gone */
    else if (conn->peer.link.is_up || conn->end != NULL)
        mcq_conn_down(conn);
    conn = find(socket, id);
    if (conn != NULL) /* what it has left behind; it is buried before the lock is let go of */
        mcq_link_drop_input(&conn->peer.link);
    return MCQ_OK;
}

uint64_t mcq_conn_keeping_count(const struct mcq_conn *conn)
{
    if (conn->end != NULL && conn->socket->is_terminated)
        return 0; /* what waits for somebody to bind a name waits in vain */
    return mcq_link_waiting_count(&conn->peer.link);
}

uint64_t mcq_socket_linger_left_ns(const struct mcq_socket *socket)
{
    uint64_t until_ns = socket->is_draining
                            ? atomic_load_explicit(&socket->close_at_ns, memory_order_relaxed)
                            : socket->linger_until_ns;
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    if (until_ns == MCQ_NEVER_NS)
        return MCQ_NEVER_NS;
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

void mcq_socket_sum(const struct mcq_socket *socket, struct mcq_tally *sum)
{
    struct mcq_conn *conn;
    uint32_t at = 0;

    *sum = socket->group.tally;
    while ((conn = mcq_socket_next_peer(socket, &at)) != NULL)
        mcq_tally_add(sum, &conn->peer.link.tally);
}
