/* The kernel's ready set is an epoll instance, whichever engine the reactor has. */
#define _GNU_SOURCE /* EPOLLRDHUP; NOLINT(bugprone-reserved-identifier) */

#include "reactor/ready.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/engine.h"

#define BATCH 64
#define OUT_MARK (UINT32_C(1) << 31) /* in the slot: the stream is watched for OUT */

enum mcq_err mcq_ready_new(struct mcq_reactor *reactor, struct mcq_ready_set **ready)
{
    return reactor->ops->ready_new(reactor, ready);
}

void mcq_ready_free(struct mcq_ready_set **ready)
{
    (*ready)->ops->free(*ready);
    *ready = NULL;
}

int mcq_ready_fd(const struct mcq_ready_set *ready)
{
    return ready->fd;
}

enum mcq_io_result mcq_ready_add(struct mcq_ready_set *ready, int fd, struct mcq_ready_key key,
                                 enum mcq_ready_interest interest)
{
    mcq_assert((key.slot & OUT_MARK) == 0);
    return ready->ops->add(ready, fd, key, interest);
}

void mcq_ready_remove(struct mcq_ready_set *ready, int fd)
{
    ready->ops->remove(ready, fd);
}

size_t mcq_ready_harvest(struct mcq_ready_set *ready, struct mcq_ready_event *events, size_t max)
{
    mcq_assert(max > 0);
    return ready->ops->harvest(ready, events, max);
}

/* --- the kernel's ---------------------------------------------------------------------------- */

static enum mcq_io_result kernel_add(struct mcq_ready_set *ready, int fd, struct mcq_ready_key key,
                                     enum mcq_ready_interest interest)
{
    bool is_out = interest == MCQ_READY_OUT;
    uint32_t slot = key.slot | (is_out ? OUT_MARK : 0);
    struct epoll_event event = {
        .events = EPOLLET | (is_out ? EPOLLOUT : EPOLLIN | EPOLLRDHUP),
        .data.u64 = (uint64_t) key.generation << 32 | slot,
    };

    if (epoll_ctl(ready->fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return MCQ_IO_DONE;
    return mcq_io_result_of(MCQ_IO_OP_WATCH, errno);
}

static void kernel_remove(struct mcq_ready_set *ready, int fd)
{
    (void) epoll_ctl(ready->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* What the kernel reports is what was asked for, or a failure, which recv as well as send says. */
static struct mcq_ready_event event_of(uint64_t data, uint32_t what)
{
    uint32_t slot = (uint32_t) data;
    bool is_out = (slot & OUT_MARK) != 0;

    return (struct mcq_ready_event) {
        .key = {slot & ~OUT_MARK, (uint32_t) (data >> 32)},
        .is_in = !is_out,
        .is_out = is_out,
        .is_end = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
    };
}

static size_t kernel_harvest(struct mcq_ready_set *ready, struct mcq_ready_event *events,
                             size_t max)
{
    struct epoll_event batch[BATCH];
    size_t taken = 0;

    while (taken < max) {
        int most = (int) mcq_min_size(max - taken, BATCH);
        int count = epoll_wait(ready->fd, batch, most, 0);

        for (int i = 0; i < count; i++)
            events[taken++] = event_of(batch[i].data.u64, batch[i].events);
        if (count < most)
            break; /* all of it, or nothing: without a wait there is no other failure */
    }
    return taken;
}

static void kernel_free(struct mcq_ready_set *ready)
{
    (void) close(ready->fd);
    mcq_free(ready);
}

static const struct mcq_ready_ops kernel_ops = {
    .add = kernel_add,
    .remove = kernel_remove,
    .harvest = kernel_harvest,
    .free = kernel_free,
};

enum mcq_err mcq_kernel_ready_new(struct mcq_reactor *reactor, struct mcq_ready_set **out)
{
    struct mcq_ready_set *ready = mcq_alloc(sizeof *ready);

    (void) reactor;
    if (ready == NULL)
        return MCQ_NOMEM;
    *ready = (struct mcq_ready_set) {.ops = &kernel_ops, .fd = epoll_create1(EPOLL_CLOEXEC)};
    if (ready->fd < 0) {
        enum mcq_err err = mcq_kernel_open_err(errno);

        mcq_free(ready);
        return err;
    }
    *out = ready;
    return MCQ_OK;
}
