/* The epoll engine: for kernels, containers and tools that have no io_uring. */
#define _GNU_SOURCE /* epoll_pwait2; NOLINT(bugprone-reserved-identifier) */

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

#define BATCH 64

/* What is armed for a descriptor. epoll knows a descriptor once, so both polls share the entry. */
struct epoll_slot {
    struct mcq_op *in;
    struct mcq_op *out;
    bool is_known; /* to the kernel, unless it was closed since */
};

struct epoll_reactor {
    struct mcq_reactor head; /* first: a reactor is what it begins with */
    int epoll_fd;
    int wake_fd;
    struct epoll_slot *slots; /* by descriptor */
    size_t slot_count;
    bool is_coarse; /* the kernel is older than epoll_pwait2: milliseconds, rounded up */
};

static struct epoll_reactor *epoll_of(struct mcq_reactor *reactor)
{
    return (struct epoll_reactor *) reactor;
}

static enum mcq_err reserve_slot(struct epoll_reactor *reactor, int fd)
{
    size_t count = reactor->slot_count > 0 ? reactor->slot_count : 64;
    struct epoll_slot *slots;

    while (count <= (size_t) fd)
        count *= 2;
    if (count == reactor->slot_count)
        return MCQ_OK;
    slots = mcq_realloc(reactor->slots, mcq_size_mul(count, sizeof *slots));
    if (slots == NULL)
        return MCQ_NOMEM;
    for (size_t i = reactor->slot_count; i < count; i++)
        slots[i] = (struct epoll_slot) {0};
    reactor->slots = slots;
    reactor->slot_count = count;
    return MCQ_OK;
}

/* Tells the kernel what is armed for a descriptor now. Changing an entry fails if what it was for
 * was closed; then it is added. */
static enum mcq_err update(struct epoll_reactor *reactor, int fd)
{
    struct epoll_slot *slot = &reactor->slots[fd];
    struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = fd};

    if (slot->in != NULL)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (slot->out != NULL)
        event.events |= EPOLLOUT;
    if (slot->is_known && epoll_ctl(reactor->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return MCQ_OK;
    if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return MCQ_NOMEM;
    slot->is_known = true;
    return MCQ_OK;
}

static struct mcq_op **side_of(struct epoll_reactor *reactor, const struct mcq_op *op)
{
    struct epoll_slot *slot = &reactor->slots[op->fd];

    return mcq_op_is_in(op) ? &slot->in : &slot->out;
}

static enum mcq_err epoll_arm_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct epoll_reactor *reactor = epoll_of(head);
    enum mcq_err err;

    MCQ_TRY(reserve_slot(reactor, op->fd));
    mcq_assert(*side_of(reactor, op) == NULL);
    *side_of(reactor, op) = op;
    err = update(reactor, op->fd);
    if (err != MCQ_OK)
        *side_of(reactor, op) = NULL;
    return err;
}

static void finish(struct epoll_reactor *reactor, struct mcq_op *op, enum mcq_io_result result)
{
    *side_of(reactor, op) = NULL;
    mcq_reactor_complete(&reactor->head, op, result);
}

static void epoll_cancel_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct epoll_reactor *reactor = epoll_of(head);

    finish(reactor, op, MCQ_IO_CANCELED);
    (void) update(reactor, op->fd); /* a poll too many is answered by nobody */
}

/* A forked child may keep it open, and with it the entry, so that is removed, if there is one. Any
 * thread may close, and the slots are the owner's: that one finds out when it arms the descriptor's
 * number again (update). */
static void epoll_close(struct mcq_reactor *head, int fd)
{
    (void) epoll_ctl(epoll_of(head)->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    mcq_kernel_close(head, fd);
}

static void take_event(struct epoll_reactor *reactor, const struct epoll_event *event)
{
    int fd = event->data.fd;
    const uint32_t failed = EPOLLERR | EPOLLHUP;
    struct epoll_slot *slot;

    if (fd == reactor->wake_fd) {
        uint64_t count;

        (void) !read(fd, &count, sizeof count); /* nothing to read: somebody was faster */
        return;
    }
    slot = &reactor->slots[fd];
    if (slot->in != NULL && (event->events & (EPOLLIN | EPOLLRDHUP | failed)))
        finish(reactor, slot->in, MCQ_IO_DONE);
    if (slot->out != NULL && (event->events & (EPOLLOUT | failed)))
        finish(reactor, slot->out, MCQ_IO_DONE);
    if (slot->in != NULL || slot->out != NULL)
        (void) update(reactor, fd); /* it is known: changing it allocates nothing */
}

static uint64_t time_left(struct mcq_reactor *reactor, uint64_t until_ns)
{
    uint64_t now_ns = mcq_reactor_now_ns(reactor);

    if (until_ns == MCQ_NEVER_NS)
        return UINT64_MAX;
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

/* Rounded up so as not to wake before it; -1: for ever. */
static int coarse_ms(uint64_t left_ns)
{
    uint64_t ms = left_ns / 1000000 + (left_ns % 1000000 != 0);

    if (left_ns == UINT64_MAX)
        return -1;
    return ms < INT_MAX ? (int) ms : INT_MAX;
}

static int sleep_for(struct epoll_reactor *reactor, struct epoll_event *events, uint64_t left_ns)
{
    const struct timespec left = {(time_t) (left_ns / 1000000000u), (long) (left_ns % 1000000000u)};

    if (left_ns > 0 && !reactor->is_coarse) {
        int count = epoll_pwait2(reactor->epoll_fd, events, BATCH,
                                 left_ns == UINT64_MAX ? NULL : &left, NULL);

        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: a seccomp filter */
            return count;
        reactor->is_coarse = true;
    }
    return epoll_wait(reactor->epoll_fd, events, BATCH, coarse_ms(left_ns));
}

static void epoll_collect(struct mcq_reactor *head, uint64_t until_ns)
{
    struct epoll_reactor *reactor = epoll_of(head);
    struct epoll_event events[BATCH] = {0}; /* MSan does not know that epoll_pwait2 writes there */
    uint64_t left_ns = time_left(head, until_ns);
    int count;

    if (left_ns != 0 && !mcq_reactor_may_sleep(head))
        left_ns = 0;
    count = sleep_for(reactor, events, left_ns);
    mcq_reactor_awake(head);
    for (int i = 0; i < count; i++)
        take_event(reactor, &events[i]);
}

static int epoll_watch(struct mcq_reactor *head)
{
    return epoll_of(head)->epoll_fd;
}

static void epoll_wake(struct mcq_reactor *head)
{
    uint64_t one = 1;

    (void) !write(epoll_of(head)->wake_fd, &one, sizeof one); /* full: it is awake already */
}

static void epoll_free(struct mcq_reactor *head)
{
    struct epoll_reactor *reactor = epoll_of(head);

    mcq_reactor_fini(head);
    (void) close(reactor->wake_fd);
    (void) close(reactor->epoll_fd);
    mcq_free(reactor->slots);
    mcq_free(reactor);
}

static const struct mcq_engine_ops epoll_ops = {
    .name = "epoll",
    .recv = mcq_kernel_recv,
    .send = mcq_kernel_send,
    .listen = mcq_kernel_listen,
    .adopt = mcq_kernel_adopt,
    .accept = mcq_kernel_accept,
    .connect = mcq_kernel_connect,
    .connected = mcq_kernel_connected,
    .open_datagrams = mcq_kernel_open_datagrams,
    .recv_datagram = mcq_kernel_recv_datagram,
    .send_datagram = mcq_kernel_send_datagram,
    .local_address = mcq_kernel_local_address,
    .peer_address = mcq_kernel_peer_address,
    .is_held_back = mcq_kernel_is_held_back,
    .tune = mcq_kernel_retune,
    .owner = mcq_kernel_owner,
    .has_group = mcq_kernel_has_group,
    .shutdown = mcq_kernel_shutdown,
    .close = epoll_close,
    .ready_new = mcq_kernel_ready_new,
    .sleeper_new = mcq_kernel_sleeper_new,
    .arm_poll = epoll_arm_poll,
    .cancel_poll = epoll_cancel_poll,
    .collect = epoll_collect,
    .watch = epoll_watch,
    .wake = epoll_wake,
    .now_ns = mcq_kernel_now_ns,
    .free = epoll_free,
};

enum mcq_err mcq_epoll_new(struct mcq_reactor **out)
{
    struct epoll_reactor *reactor = mcq_alloc(sizeof *reactor);
    struct epoll_event event = {.events = EPOLLIN};
    enum mcq_err err;

    if (reactor == NULL)
        return MCQ_NOMEM;
    *reactor = (struct epoll_reactor) {
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    mcq_reactor_init(&reactor->head, &epoll_ops);
    event.data.fd = reactor->wake_fd;
    if (reactor->epoll_fd >= 0 && reactor->wake_fd >= 0 &&
        epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, reactor->wake_fd, &event) == 0) {
        *out = &reactor->head;
        return MCQ_OK;
    }
    err = mcq_kernel_open_err(errno); /* of the call that failed last */
    if (reactor->epoll_fd >= 0)
        (void) close(reactor->epoll_fd);
    if (reactor->wake_fd >= 0)
        (void) close(reactor->wake_fd);
    mcq_free(reactor);
    return err;
}
