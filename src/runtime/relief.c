/* Links that are not read for a while, and giving back what a burst has left. */

#include "runtime/holder.h"

/* Grows with whatever a socket does. */
static uint64_t activity(const struct mcq_socket *socket)
{
    return socket->in_calls + socket->group.flush_count + socket->group.put_count;
}

void mcq_socket_guard_relief(struct mcq_socket *socket)
{
    bool is_soon = socket->group.is_starved || socket->group.has_resting;
    uint32_t request = is_soon ? MCQ_REQUEST_RELIEF_TIMER : MCQ_REQUEST_TRIM_TIMER;

    socket->group.is_starved = false;
    socket->group.has_resting = false;
    if (socket->is_relief_guarded && (socket->is_relief_soon || !is_soon))
        return;
    socket->is_relief_guarded = true;
    socket->is_relief_soon = is_soon;
    socket->relief_seen = activity(socket);
    mcq_socket_ask(socket, request);
}

/* A burst is over, and its memory is not needed. */
static void trim(struct mcq_socket *socket)
{
    if (activity(socket) != socket->relief_seen)
        return;
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            mcq_link_trim(&socket->slots[i].conn->peer.link);
    mcq_link_group_trim(&socket->group);
}

/* Some time has passed, and memory may have come free: who was not read is. */
void mcq_socket_on_relief(struct mcq_socket *socket)
{
    bool is_any = false;

    socket->is_relief_guarded = false;
    if (socket->group.is_swollen)
        trim(socket);
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !(conn->peer.link.is_starved || conn->peer.link.is_resting))
            continue;
        mcq_link_wake(&conn->peer.link);
        mcq_socket_set_unread(socket, conn);
        is_any = true;
    }
    if (is_any && socket->state == MCQ_SOCKET_OPEN && socket->in_sleepers > 0)
        socket->news |= MCQ_NEWS_IN;
    else if (is_any)
        mcq_socket_serve_input(socket);
}

static struct mcq_link *most_begun(struct mcq_socket *socket, uint64_t *most)
{
    struct mcq_link *found = NULL;

    *most = 0;
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_up || conn->peer.link.is_lost ||
            mcq_link_begun_bytes(&conn->peer.link) <= *most)
            continue;
        found = &conn->peer.link;
        *most = mcq_link_begun_bytes(found);
    }
    return found;
}

bool mcq_socket_shed(struct mcq_socket *socket, uint64_t least)
{
    struct mcq_link *link;
    bool is_shed;
    uint64_t most;

    mcq_lock_take(&socket->lock);
    link = most_begun(socket, &most);
    is_shed = link != NULL && most >= least;
    if (is_shed) {
        mcq_link_lose(link, MCQ_LIMIT);
        (void) most_begun(socket, &most);
    }
    atomic_store_explicit(&socket->begun_most, most, memory_order_relaxed);
    mcq_socket_leave(socket);
    return is_shed;
}
