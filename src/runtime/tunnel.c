/*
 * Tunnels: streams on which a SOCKS5 proxy is asked for a way to the peer.
 *
 *   SENDING <--> RECEIVING --granted, failed, late, stopped--> nothing armed --> gone
 *
 * All of it is the engine's. Nothing is read beyond the proxy's last octet: what comes next is the
 * peer's greeting, and the opener's.
 */

#include <stddef.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "runtime/endpoint.h"
#include "transport/socks.h"

struct mcq_tunnel {
    struct mcq_endpoint_node *node;
    int fd;
    enum mcq_err err; /* AGAIN: it is not over */
    struct mcq_socks socks;
    struct mcq_wait move;
    struct mcq_wait deadline;
    struct iovec out; /* lent to the reactor while it is sent */
    uint8_t in[sizeof((struct mcq_socks *) NULL)->in];
};

/* It is over once nothing is armed. */
static void tunnel_settle(struct mcq_tunnel *tunnel)
{
    struct mcq_endpoint_node *node = tunnel->node;
    struct mcq_reactor *reactor = mcq_node_engine(node)->reactor;
    enum mcq_err err = tunnel->err;
    int fd = tunnel->fd;

    mcq_reactor_cancel(reactor, &tunnel->move.op);
    mcq_reactor_cancel(reactor, &tunnel->deadline.op);
    if (mcq_wait_is_armed(&tunnel->move) || mcq_wait_is_armed(&tunnel->deadline))
        return;
    if (err != MCQ_OK) {
        mcq_reactor_close(reactor, fd);
        fd = -1;
    }
    mcq_socks_fini(&tunnel->socks);
    mcq_free(tunnel);
    mcq_connector_tunneled((struct mcq_connector *) node, fd, err);
}

static void tunnel_end(struct mcq_tunnel *tunnel, enum mcq_err err)
{
    if (tunnel->err == MCQ_AGAIN)
        tunnel->err = err;
    tunnel_settle(tunnel);
}

/* Whose turn it is. */
static void tunnel_step(struct mcq_tunnel *tunnel)
{
    struct mcq_reactor *reactor = mcq_node_engine(tunnel->node)->reactor;
    struct mcq_bytes want = mcq_socks_want(&tunnel->socks);

    if (want.len > 0) {
        tunnel->out = (struct iovec) {(void *) (uintptr_t) want.data, want.len};
        mcq_reactor_arm_send(reactor, &tunnel->move.op, tunnel->fd, &tunnel->out, 1);
    } else {
        mcq_reactor_arm_recv(reactor, &tunnel->move.op, tunnel->fd, tunnel->in,
                             mcq_socks_room(&tunnel->socks));
    }
}

static void tunnel_moved(struct mcq_wait *wait)
{
    struct mcq_tunnel *tunnel = MCQ_CONTAINER_OF(wait, struct mcq_tunnel, move);
    bool is_sent = mcq_socks_want(&tunnel->socks).len > 0;
    enum mcq_err err = MCQ_AGAIN;

    if (tunnel->err != MCQ_AGAIN || wait->op.result != MCQ_IO_DONE) {
        tunnel_end(tunnel, MCQ_CLOSED);
        return;
    }
    if (is_sent)
        mcq_socks_sent(&tunnel->socks, wait->op.len);
    else
        err = mcq_socks_feed(&tunnel->socks, mcq_bytes(tunnel->in, wait->op.len));
    if (err == MCQ_AGAIN)
        tunnel_step(tunnel);
    else
        tunnel_end(tunnel, err);
}

static void tunnel_late(struct mcq_wait *wait)
{
    tunnel_end(MCQ_CONTAINER_OF(wait, struct mcq_tunnel, deadline), MCQ_TIMEOUT);
}

enum mcq_err mcq_tunnel_new(struct mcq_endpoint_node *node, int fd, uint64_t until_ns,
                            struct mcq_tunnel **out)
{
    struct mcq_engine *engine = mcq_node_engine(node);
    struct mcq_tunnel *tunnel = mcq_alloc(sizeof *tunnel);
    struct mcq_endpoint endpoint = {0};

    if (tunnel == NULL) {
        mcq_reactor_close(engine->reactor, fd);
        return MCQ_NOMEM;
    }
    *tunnel = (struct mcq_tunnel) {
        .node = node,
        .fd = fd,
        .err = MCQ_AGAIN,
        .move.done = tunnel_moved,
        .deadline.done = tunnel_late,
    };
    /* It was one when it was connected to, so it is now. */
    (void) !mcq_endpoint_parse(mcq_bytes_of(node->text), MCQ_ENDPOINT_CONNECT, &endpoint);
    mcq_socks_init(&tunnel->socks, node->options.proxy, endpoint.host, endpoint.port);
    if (until_ns != MCQ_NEVER_NS)
        mcq_engine_timer(engine, &tunnel->deadline, until_ns);
    tunnel_step(tunnel);
    *out = tunnel;
    return MCQ_OK;
}

void mcq_tunnel_stop(struct mcq_tunnel *tunnel)
{
    if (tunnel->err == MCQ_AGAIN)
        tunnel->err = MCQ_CLOSED;
    mcq_reactor_cancel(mcq_node_engine(tunnel->node)->reactor, &tunnel->move.op);
}
