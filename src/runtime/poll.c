/* Polling, and waiting for peers. */

#include "arena/alloc.h"
#include "base/assert.h"
#include "runtime/holder.h"

#define MS UINT64_C(1000000)

/* Who sleeps for input, the caller among them, is woken when the lock is let go; a bell has nobody
 * who would look again. */
void mcq_socket_was_cut_short(struct mcq_socket *socket)
{
    socket->group.was_cut_short = false;
    socket->news |= MCQ_NEWS_IN;
    if (socket->recv_bell != NULL)
        mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
}

bool mcq_socket_peek(struct mcq_socket *socket)
{
    socket->peeked_err = mcq_socket_take(socket, &socket->peeked);
    socket->has_peeked = socket->peeked_err != MCQ_AGAIN && socket->peeked_err != MCQ_STATE;
    return socket->has_peeked;
}

static bool look_for_input(struct mcq_socket *socket)
{
    bool is_any;

    if (!socket->pattern->ops->can_recv)
        return false; /* its input is the engine's, however often the caller looks */
    socket->in_calls++;
    if (socket->has_peeked || mcq_socket_peek(socket))
        return true;
    is_any = mcq_socket_harvest_input(socket);
    if (is_any && socket->in_sleepers > 0)
        socket->news |= MCQ_NEWS_IN; /* the edge they sleep for is spent */
    return is_any && mcq_socket_peek(socket);
}

bool mcq_socket_may_send(struct mcq_socket *socket)
{
    return socket->pattern->ops->can_send && !mcq_socket_is_input_s_turn(socket) &&
           socket->pattern->ops->is_writable(socket->pattern);
}

/* A peer that this look has found gone, while it read or wrote, has no room. */
static bool look_for_room(struct mcq_socket *socket)
{
    (void) mcq_socket_harvest_output(socket);
    if (socket->group.lost_first != NULL)
        mcq_socket_bury(socket);
    return mcq_socket_may_send(socket);
}

static short look(struct mcq_socket *socket, short events)
{
    short found = 0;

    mcq_socket_end_burst(socket);
    mcq_hint_lower(&socket->hint); /* before the look: what comes behind it raises it again */
    if ((events & POLLIN) && look_for_input(socket))
        found |= POLLIN;
    if ((events & POLLOUT) && look_for_room(socket))
        found |= POLLOUT;
    if (!(events & POLLOUT) && socket->group.blocked_count > 0) /* what is slept for is taken */
        (void) mcq_socket_harvest_output(socket);
    return found;
}

struct poll_call {
    struct mcq_poll_item *items;
    size_t count;
    struct pollfd *fds;
    size_t fd_count;
    struct mcq_sleeper_node *node;
    struct mcq_context *context;
    bool is_joined; /* waiters are registered */
};

/* What to sleep for. The input of a type that does not receive is not the caller's: it would only
 * wake it up, and the engine has to read it meanwhile. */
static unsigned news_of(const struct mcq_socket *socket, short events)
{
    bool is_in = (events & POLLIN) && socket->pattern->ops->can_recv;

    return (is_in ? MCQ_NEWS_IN : 0u) | (events & POLLOUT ? MCQ_NEWS_OUT : 0u);
}

/* Looks at all of them; with join, makes those that have nothing wait. */
static enum mcq_err look_at_all(struct poll_call *call, bool join, size_t *ready_count)
{
    *ready_count = 0;
    call->fd_count = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];
        unsigned wants;

        item->revents = 0;
        item->waiter.sleeper = NULL;
        if (item->socket == NULL) {
            call->fds[1 + call->fd_count++] =
                (struct pollfd) {.fd = item->fd, .events = item->events};
            continue;
        }
        MCQ_TRY(mcq_socket_enter(item->socket));
        wants = news_of(item->socket, item->events);
        item->revents = look(item->socket, item->events);
        *ready_count += item->revents != 0;
        if (join && item->revents == 0) {
            item->waiter = (struct mcq_waiter) {.sleeper = call->node->sleeper, .wants = wants};
            mcq_socket_join(item->socket, &item->waiter);
            item->socket->call_count++;
            call->fd_count +=
                mcq_socket_wait_fds(item->socket, wants, call->fds + 1 + call->fd_count);
        }
        if (item->waiter.sleeper == NULL || !(wants & MCQ_NEWS_IN))
            mcq_socket_guard_input(item->socket);
        mcq_socket_guard_output(item->socket);
        mcq_socket_leave(item->socket);
    }
    return MCQ_OK;
}

static void leave_all(struct poll_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];

        if (item->socket == NULL || item->waiter.sleeper == NULL)
            continue;
        (void) !mcq_socket_resume(item->socket); /* who calls next hears of it */
        mcq_socket_part(item->socket, &item->waiter);
        item->waiter.sleeper = NULL;
        mcq_socket_leave(item->socket);
    }
}

/* What the descriptors among the items say. */
static size_t take_fds(struct poll_call *call)
{
    size_t ready_count = 0;
    size_t at = 1;

    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];

        if (item->socket != NULL)
            continue;
        while (call->fds[at].fd != item->fd)
            at++;
        item->revents = call->fds[at++].revents;
        ready_count += item->revents != 0;
    }
    return ready_count;
}

static enum mcq_err poll_once(struct poll_call *call, uint64_t until_ns, size_t *ready_count)
{
    enum mcq_io_result result;
    enum mcq_err err = look_at_all(call, until_ns != 0, ready_count);
    size_t fds_ready;

    if (err == MCQ_OK) {
        /* Ready ones end the sleep before it begins; the descriptors are asked all the same. */
        result = mcq_context_sleep(call->context, call->node->sleeper, call->fds, call->fd_count,
                                   *ready_count > 0 ? 0 : until_ns);
        if (result == MCQ_IO_INTERRUPTED && *ready_count == 0)
            err = MCQ_INTERRUPTED;
        else if (result == MCQ_IO_NO_MEMORY || result == MCQ_IO_BROKEN)
            err = MCQ_NOMEM;
    }
    leave_all(call);
    if (err != MCQ_OK)
        return err;
    fds_ready = take_fds(call);
    if (*ready_count == 0 && fds_ready == 0 && until_ns != 0)
        return look_at_all(call, false, ready_count);
    *ready_count += fds_ready;
    return MCQ_OK;
}

/* One that waits for this thread before others. */
static struct mcq_context *context_of(const struct mcq_poll_item *items, size_t count)
{
    struct mcq_context *context = NULL;

    for (size_t i = 0; i < count; i++) {
        if (items[i].socket == NULL)
            continue;
        context = items[i].socket->context;
        if (mcq_engine_is_mine(&context->engines[0]))
            break;
    }
    return context;
}

enum mcq_err mcq_socket_poll(struct mcq_poll_item *items, size_t count, int timeout_ms,
                             size_t *ready_count)
{
    struct poll_call call = {.items = items, .count = count};
    uint64_t until_ns = timeout_ms == 0 ? 0 : MCQ_NEVER_NS;
    enum mcq_err err;

    call.context = context_of(items, count);
    mcq_assert(call.context != NULL);
    call.fds = mcq_alloc(mcq_size_mul(sizeof *call.fds, count * 2 + 2));
    if (call.fds == NULL)
        return MCQ_NOMEM;
    err = mcq_context_take_sleeper(call.context, &call.node);
    if (err == MCQ_OK) {
        if (timeout_ms > 0)
            until_ns = mcq_context_now_ns(call.context) + (uint64_t) timeout_ms * MS;
        do
            err = poll_once(&call, until_ns, ready_count);
        while (err == MCQ_OK && *ready_count == 0 && until_ns != 0 &&
               mcq_context_now_ns(call.context) < until_ns);
        mcq_context_put_sleeper(call.context, call.node);
    }
    mcq_free(call.fds);
    return err;
}

static uint32_t audience(const struct mcq_socket *socket)
{
    const struct mcq_pattern *pattern = socket->pattern;

    return pattern->ops->audience != NULL ? pattern->ops->audience(pattern) : socket->up_count;
}

/* topic NULL: of whatever topic. */
static uint32_t count_of(struct mcq_socket *socket, const struct mcq_bytes *topic)
{
    return topic != NULL ? socket->pattern->ops->reach(socket->pattern, *topic) : audience(socket);
}

static enum mcq_err wait_for(struct mcq_socket *socket, const struct mcq_bytes *topic,
                             uint32_t count, int timeout_ms)
{
    uint64_t until_ns;
    enum mcq_err err = MCQ_OK;

    MCQ_TRY(mcq_socket_enter(socket));
    if (topic != NULL && socket->pattern->ops->reach == NULL)
        err = MCQ_NOT_SUPPORTED;
    until_ns = mcq_socket_until(socket, timeout_ms);
    while (err == MCQ_OK && count_of(socket, topic) < count) {
        mcq_socket_end_burst(socket);
        (void) mcq_socket_harvest_output(socket); /* it would end the sleep again and again */
        if (mcq_socket_is_over(socket, until_ns))
            err = MCQ_AGAIN;
        else
            err = mcq_socket_sleep(socket, MCQ_NEWS_OUT, until_ns);
    }
    mcq_socket_guard_output(socket);
    mcq_socket_leave(socket);
    return err;
}

enum mcq_err mcq_socket_wait_peers(struct mcq_socket *socket, uint32_t count, int timeout_ms)
{
    return wait_for(socket, NULL, count, timeout_ms);
}

enum mcq_err mcq_socket_wait_topic(struct mcq_socket *socket, struct mcq_bytes topic,
                                   uint32_t count, int timeout_ms)
{
    return wait_for(socket, &topic, count, timeout_ms);
}

/* What is there now may have had its news. */
enum mcq_err mcq_socket_hint_fd(struct mcq_socket *socket, int *fd)
{
    if (socket->context->seed != 0)
        return MCQ_NOT_SUPPORTED;
    if (socket->hint.fd < 0) {
        MCQ_TRY(mcq_hint_open(&socket->hint));
        if (socket->conn_count > 0)
            mcq_hint_raise(&socket->hint);
        mcq_socket_guard_input(socket);
    }
    *fd = socket->hint.fd;
    return MCQ_OK;
}
