#include <errno.h>
#include <limits.h>
#include <monocoque.h>

#include "api/fail.h"
#include "arena/alloc.h"

#define FEW 8 /* entries without an allocation: what most programs poll */

static short to_system(short events)
{
    return (short) ((events & MCQ_POLLIN ? POLLIN : 0) | (events & MCQ_POLLOUT ? POLLOUT : 0));
}

static short from_system(short events)
{
    return (short) ((events & POLLIN ? MCQ_POLLIN : 0) | (events & POLLOUT ? MCQ_POLLOUT : 0) |
                    (events & (POLLERR | POLLHUP | POLLNVAL) ? MCQ_POLLERR : 0));
}

static int fail(enum mcq_err err)
{
    return mcq_fail(mcq_err_errno(err), "poll: %s",
                    err == MCQ_NOT_OPEN ? "one of the sockets is closed"
                                        : mcq_fail_text(MCQ_CALL_POLL, MCQ_SOCKET_TYPE_NONE, err));
}

/* Without a socket there is no context, and nothing of ours to wait for. */
static int poll_fds(struct mcq_poll_entry *entries, size_t count, struct pollfd *fds,
                    int timeout_ms)
{
    int ready_count;

    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd) {.fd = entries[i].fd, .events = to_system(entries[i].events)};
    ready_count = poll(fds, count, timeout_ms);
    if (ready_count < 0)
        return fail(errno == EINTR ? MCQ_INTERRUPTED : errno == EINVAL ? MCQ_INVAL : MCQ_NOMEM);
    for (size_t i = 0; i < count; i++)
        entries[i].revents = from_system(fds[i].revents);
    return ready_count;
}

static int poll_items(struct mcq_poll_entry *entries, size_t count, struct mcq_poll_item *items,
                      int timeout_ms)
{
    size_t ready_count = 0;
    enum mcq_err err;

    for (size_t i = 0; i < count; i++)
        items[i] = (struct mcq_poll_item) {
            .socket = entries[i].socket,
            .fd = entries[i].fd,
            .events = to_system(entries[i].events),
        };
    err = mcq_socket_poll(items, count, timeout_ms, &ready_count);
    if (err != MCQ_OK)
        return fail(err);
    for (size_t i = 0; i < count; i++)
        entries[i].revents = from_system(items[i].revents);
    return (int) ready_count;
}

static int check_entries(const struct mcq_poll_entry *entries, size_t count, size_t *socket_count)
{
    const short known = MCQ_POLLIN | MCQ_POLLOUT | MCQ_POLLERR;

    *socket_count = 0;
    if (entries == NULL && count > 0)
        return mcq_fail_null("poll", "entries");
    if (count > INT_MAX)
        return mcq_fail(EINVAL, "poll: %zu entries are too many", count);
    for (size_t i = 0; i < count; i++) {
        *socket_count += entries[i].socket != NULL;
        if ((entries[i].events & ~known) != 0)
            return mcq_fail(EINVAL, "poll: entry %zu asks for event %d, which is unknown", i,
                            entries[i].events & ~known);
    }
    return 0;
}

int mcq_poll(struct mcq_poll_entry *entries, size_t count, int timeout_ms)
{
    union {
        struct mcq_poll_item items[FEW];
        struct pollfd fds[FEW];
    } few;
    void *room = &few;
    size_t socket_count;
    int ready_count;

    if (check_entries(entries, count, &socket_count) != 0)
        return -1;
    if (count > FEW)
        room = mcq_alloc(mcq_size_mul(count, sizeof few.items[0]));
    if (room == NULL)
        return fail(MCQ_NOMEM);
    if (socket_count > 0)
        ready_count = poll_items(entries, count, room, timeout_ms);
    else
        ready_count = poll_fds(entries, count, room, timeout_ms);
    if (room != &few)
        mcq_free(room);
    return ready_count;
}
