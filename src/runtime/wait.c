/* How a call waits: it joins those who are told of news, lets go of the lock, and sleeps on what
 * brings them. */

#include "runtime/holder.h"

#define MS UINT64_C(1000000)

#define WAIT_FDS_MAX 4 /* the sleeper's own, input, output, the engine's */

void mcq_socket_join(struct mcq_socket *socket, struct mcq_waiter *waiter)
{
    waiter->next = socket->waiters;
    waiter->prev = &socket->waiters;
    if (waiter->next != NULL)
        waiter->next->prev = &waiter->next;
    socket->waiters = waiter;
    if (waiter->wants & MCQ_NEWS_IN)
        socket->in_sleepers++;
    if (waiter->wants & MCQ_NEWS_OUT)
        socket->out_sleepers++;
}

void mcq_socket_part(struct mcq_socket *socket, struct mcq_waiter *waiter)
{
    *waiter->prev = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    if (waiter->wants & MCQ_NEWS_IN)
        socket->in_sleepers--;
    if (waiter->wants & MCQ_NEWS_OUT)
        socket->out_sleepers--;
}

/* Output is of interest to those who wait for input as well, if some could not be written. */
size_t mcq_socket_wait_fds(const struct mcq_socket *socket, unsigned wants, struct pollfd *fds)
{
    size_t count = 0;

    if (wants & MCQ_NEWS_IN)
        fds[count++] = (struct pollfd) {.fd = mcq_ready_fd(socket->group.in_set), .events = POLLIN};
    if ((wants & MCQ_NEWS_OUT) || socket->group.blocked_count > 0)
        fds[count++] =
            (struct pollfd) {.fd = mcq_ready_fd(socket->group.out_set), .events = POLLIN};
    return count;
}

enum mcq_err mcq_socket_sleep(struct mcq_socket *socket, unsigned wants, uint64_t until_ns)
{
    struct mcq_context *context = socket->context;
    struct pollfd fds[WAIT_FDS_MAX];
    struct mcq_waiter waiter = {.wants = wants};
    struct mcq_sleeper_node *node;
    enum mcq_io_result result;
    enum mcq_err err;
    size_t count;

    MCQ_TRY(mcq_context_take_sleeper(context, &node));
    waiter.sleeper = node->sleeper;
    mcq_socket_join(socket, &waiter);
    count = mcq_socket_wait_fds(socket, wants, fds + 1);
    mcq_socket_pause(socket);
    result = mcq_context_sleep(context, node->sleeper, fds, count, until_ns);
    err = mcq_socket_resume(socket);
    mcq_socket_part(socket, &waiter);
    mcq_context_put_sleeper(context, node);
    MCQ_TRY(err);
    switch (result) {
    case MCQ_IO_INTERRUPTED: return MCQ_INTERRUPTED;
    case MCQ_IO_NO_MEMORY:
    case MCQ_IO_BROKEN: return MCQ_NOMEM;
    default: return MCQ_OK;
    }
}

uint64_t mcq_socket_until(struct mcq_socket *socket, int timeout_ms)
{
    if (timeout_ms < 0)
        return MCQ_NEVER_NS;
    return mcq_engine_now_ns(socket->engine) + (uint64_t) timeout_ms * MS;
}

bool mcq_socket_is_over(struct mcq_socket *socket, uint64_t until_ns)
{
    return until_ns != MCQ_NEVER_NS && mcq_engine_now_ns(socket->engine) >= until_ns;
}
