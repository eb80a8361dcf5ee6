/* A socket's bells: descriptors by which somebody else's event loop hears what can be done. Each
 * holder of the lock leaves them as the socket is; what comes behind it is told by the ready set
 * that the one for input watches, and by the engine's letters, whose reader is a holder, too. */

#include "runtime/holder.h"

/* A call would say so. */
static bool is_over(const struct mcq_socket *socket)
{
    return socket->state != MCQ_SOCKET_OPEN || socket->is_terminated;
}

/* The edges that the bell would ring for in vain are taken, as by a call: so they are guarded as
 * those that a call leaves behind. */
static bool has_input(struct mcq_socket *socket)
{
    if (socket->has_peeked)
        return true;
    if (!mcq_socket_peek(socket)) {
        if (!mcq_socket_harvest_input(socket))
            return false;
        socket->in_calls++;
        mcq_socket_guard_input(socket);
        (void) mcq_socket_peek(socket);
    }
    if (socket->in_sleepers > 0)
        socket->news |= MCQ_NEWS_IN; /* the edge they sleep for is spent */
    return socket->has_peeked;
}

void mcq_socket_ring(struct mcq_socket *socket)
{
    bool rings = is_over(socket);

    if (socket->recv_bell != NULL)
        mcq_bell_set(socket->recv_bell, rings || has_input(socket));
    if (socket->send_bell != NULL)
        mcq_bell_set(socket->send_bell, rings || mcq_socket_may_send(socket));
    if (!rings)
        mcq_socket_guard_output(socket);
}

enum mcq_err mcq_socket_bell_fd(struct mcq_socket *socket, bool is_send, int *fd)
{
    struct mcq_bell **bell = is_send ? &socket->send_bell : &socket->recv_bell;
    int watched = is_send ? -1 : mcq_ready_fd(socket->group.in_set);

    if (is_send ? !socket->pattern->ops->can_send : !socket->pattern->ops->can_recv)
        return MCQ_NOT_SUPPORTED;
    if (socket->context->seed != 0)
        return MCQ_NOT_SUPPORTED; /* there is no loop in a simulated world */
    if (*bell == NULL)
        MCQ_TRY(mcq_bell_new(MCQ_BELL_SWITCH, watched, bell));
    *fd = mcq_bell_fd(*bell);
    return MCQ_OK;
}
