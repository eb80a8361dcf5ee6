/* zmq_poll: descriptors alone are the system's; with sockets among them it is the library's. */

#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "compat/compat.h"

#define FEW 16 /* entries that live on the stack */

static int timeout_of(long timeout)
{
    if (timeout < 0)
        return -1;
    return timeout < INT_MAX ? (int) timeout : INT_MAX;
}

/* ZMQ_POLLIN and the others, as the system calls them; and back. */
static const short pairs[][2] = {
    {ZMQ_POLLIN, POLLIN},
    {ZMQ_POLLOUT, POLLOUT},
    {ZMQ_POLLPRI, POLLPRI},
};

static short to_system(short events)
{
    short found = 0;

    for (size_t i = 0; i < ZMQ_COUNT(pairs); i++)
        if (events & pairs[i][0])
            found |= pairs[i][1];
    return found;
}

static short from_system(short events)
{
    short found = 0;

    for (size_t i = 0; i < ZMQ_COUNT(pairs); i++)
        if (events & pairs[i][1])
            found |= pairs[i][0];
    return events & (POLLERR | POLLHUP | POLLNVAL) ? found | ZMQ_POLLERR : found;
}

static int poll_fds(zmq_pollitem_t *items, size_t count, struct pollfd *fds, int timeout_ms)
{
    int result;

    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd) {.fd = items[i].fd, .events = to_system(items[i].events)};
    result = poll(fds, count, timeout_ms);
    for (size_t i = 0; i < count && result >= 0; i++)
        items[i].revents = from_system(fds[i].revents);
    return result;
}

static int poll_sockets(zmq_pollitem_t *items, size_t count, struct mcq_poll_entry *entries,
                        int timeout_ms)
{
    int result;

    for (size_t i = 0; i < count; i++) {
        struct zmq_socket *socket = items[i].socket;

        entries[i] = (struct mcq_poll_entry) {
            .fd = items[i].fd,
            .events = items[i].events & (ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR),
        };
        if (socket == NULL)
            continue;
        if (zmq_socket_of(socket) == NULL)
            return -1;
        entries[i].socket = socket->inner;
        entries[i].events &= ZMQ_POLLIN | ZMQ_POLLOUT;
    }
    result = mcq_poll(entries, count, timeout_ms);
    for (size_t i = 0; i < count && result >= 0; i++)
        items[i].revents = entries[i].revents;
    return result;
}

int zmq_poll(zmq_pollitem_t *items, int nitems, long timeout)
{
    union {
        struct pollfd fds[FEW];
        struct mcq_poll_entry entries[FEW];
    } few;
    void *room = &few;
    size_t count = nitems > 0 ? (size_t) nitems : 0;
    bool has_socket = false;
    int result;

    if (nitems < 0)
        return zmq_fail(EINVAL);
    if (count == 0)
        return timeout == 0 ? 0 : poll(NULL, 0, timeout_of(timeout));
    if (items == NULL)
        return zmq_fail(EFAULT);
    for (size_t i = 0; i < count; i++)
        has_socket |= items[i].socket != NULL;
    if (count > FEW)
        room = calloc(count, sizeof few.entries[0]);
    if (room == NULL)
        return zmq_fail(ENOMEM);
    if (has_socket)
        result = poll_sockets(items, count, room, timeout_of(timeout));
    else
        result = poll_fds(items, count, room, timeout_of(timeout));
    if (room != &few) {
        int number = errno;

        free(room);
        errno = number;
    }
    return result;
}
