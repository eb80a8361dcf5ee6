/*
 * Peers that were disconnected from while messages for them had not left.
 *
 *   connected --disconnect--> LEAVING --all have left--> DRAINING --its end, or a second--> gone
 *                                |
 *                                +------- linger is over, or there is no way left ------> gone
 *
 * For the pattern it is down from the beginning: nothing is put for it any more. Its connector
 * goes on, for a connection may have to be made, or made anew. What it says meanwhile is received
 * if its type only hands messages on. A socket that closes has its own linger, which is theirs too.
 */

#include "runtime/endpoint.h"
#include "runtime/holder.h"

#define MS UINT64_C(1000000)

static void enlist(struct mcq_socket *socket, struct mcq_conn *conn)
{
    conn->leaving_at = &socket->leaving;
    conn->leaving_next = socket->leaving;
    if (conn->leaving_next != NULL)
        conn->leaving_next->leaving_at = &conn->leaving_next;
    socket->leaving = conn;
}

void mcq_conn_unlist(struct mcq_conn *conn)
{
    if (conn->leaving_at == NULL)
        return;
    *conn->leaving_at = conn->leaving_next;
    if (conn->leaving_next != NULL)
        conn->leaving_next->leaving_at = conn->leaving_at;
    conn->leaving_at = NULL;
}

/* All has left that will. As with a socket that closes (begin_drain), the peer is to read it before
 * the stream goes. True: so it is waited for. */
static bool drain(struct mcq_conn *conn, uint64_t now_ns)
{
    struct mcq_socket *socket = conn->socket;
    struct mcq_link *link = &conn->peer.link;

    if (!link->is_up || link->is_lost || conn->end != NULL || !link->has_sent)
        return false;
    conn->is_draining = true;
    conn->leave_until_ns = now_ns + MCQ_DRAIN_NS;
    mcq_link_shut(link);
    mcq_link_set_readable(link);
    mcq_socket_begin_input(socket, conn);
    return true;
}

static bool is_over(struct mcq_conn *conn, uint64_t now_ns)
{
    if (now_ns >= conn->leave_until_ns)
        return true;
    if (conn->is_draining)
        return !conn->peer.link.is_up;
    return mcq_link_waiting_count(&conn->peer.link) == 0 && !drain(conn, now_ns);
}

static void finish(struct mcq_conn *conn)
{
    mcq_conn_unlist(conn);
    if (conn->connector != NULL)
        mcq_connector_stop(conn->connector);
    else
        mcq_conn_down(conn);
}

/* The timer is that of a closing socket, which has no other use yet. */
static void set_timer(struct mcq_socket *socket, uint64_t at_ns)
{
    if (at_ns >= socket->leave_at_ns)
        return; /* it comes soon enough, and is set again then */
    socket->leave_at_ns = at_ns;
    atomic_store_explicit(&socket->close_at_ns, at_ns, memory_order_release);
    mcq_socket_ask(socket, MCQ_REQUEST_CLOSE_TIMER);
}

void mcq_socket_see_off(struct mcq_socket *socket)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);
    uint64_t at_ns = MCQ_NEVER_NS;
    struct mcq_conn *next;

    for (struct mcq_conn *conn = socket->leaving; conn != NULL; conn = next) {
        next = conn->leaving_next;
        if (is_over(conn, now_ns))
            finish(conn);
        else
            at_ns = mcq_min_u64(at_ns, conn->leave_until_ns);
    }
    set_timer(socket, at_ns);
}

void mcq_conn_leave(struct mcq_conn *conn)
{
    struct mcq_socket *socket = conn->socket;
    int linger_ms = socket->options.linger_ms;

    (void) mcq_link_flush(&conn->peer.link);
    mcq_link_cut(&conn->peer.link);
    conn->peer.is_connecting = false;
    conn->is_leaving = true;
    conn->is_met = false;
    if (conn->peer.link.is_up)
        socket->up_count--;
    socket->pattern->ops->down(socket->pattern, &conn->peer);
    socket->news |= MCQ_NEWS_ALL;
    conn->leave_until_ns = linger_ms < 0
                               ? MCQ_NEVER_NS
                               : mcq_engine_now_ns(socket->engine) + (uint64_t) linger_ms * MS;
    enlist(socket, conn); /* seen off before the lock is let go */
}

void mcq_socket_stop_leaving(struct mcq_socket *socket)
{
    while (socket->leaving != NULL) {
        socket->leaving->peer.is_connecting = true; /* again: its queue outlives its connection */
        mcq_conn_unlist(socket->leaving);
    }
}
