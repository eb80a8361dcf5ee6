/* The epoll engine: for kernels, containers and tools that have no io_uring. */

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
    bool is_known; /* to the kernel */
};

struct epoll_reactor {
    struct mcq_reactor head; /* first: a reactor is what it begins with */
    int epoll_fd;
    int wake_fd;
    struct epoll_slot *slots; /* by descriptor */
    size_t slot_count;
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

/* Tells the kernel what is armed for a descriptor now. */
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

    return op->kind == MCQ_OP_POLL_IN ? &slot->in : &slot->out;
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

static void epoll_close(struct mcq_reactor *head, int fd)
{
    struct epoll_reactor *reactor = epoll_of(head);

    if ((size_t) fd < reactor->slot_count) {
        mcq_assert(reactor->slots[fd].in == NULL && reactor->slots[fd].out == NULL);
        reactor->slots[fd].is_known = false;
    }
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

/* Milliseconds until then, rounded up so as not to wake before it; -1: for ever. */
static int timeout_ms(struct mcq_reactor *reactor, uint64_t until_ns)
{
    uint64_t now_ns = mcq_reactor_now_ns(reactor);
    uint64_t wait_ms;

    if (until_ns == MCQ_REACTOR_NEVER_NS)
        return -1;
    if (until_ns <= now_ns)
        return 0;
    wait_ms = (until_ns - now_ns + 999999) / 1000000;
    return wait_ms < INT_MAX ? (int) wait_ms : INT_MAX;
}

static void epoll_collect(struct mcq_reactor *head, uint64_t until_ns)
{
    struct epoll_reactor *reactor = epoll_of(head);
    struct epoll_event events[BATCH];
    int timeout = timeout_ms(head, until_ns);
    int count;

    if (timeout != 0 && !mcq_reactor_may_sleep(head))
        timeout = 0;
    count = epoll_wait(reactor->epoll_fd, events, BATCH, timeout);
    mcq_reactor_awake(head);
    for (int i = 0; i < count; i++)
        take_event(reactor, &events[i]);
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
    .accept = mcq_kernel_accept,
    .connect = mcq_kernel_connect,
    .connected = mcq_kernel_connected,
    .local_address = mcq_kernel_local_address,
    .close = epoll_close,
    .arm_poll = epoll_arm_poll,
    .cancel_poll = epoll_cancel_poll,
    .collect = epoll_collect,
    .wake = epoll_wake,
    .now_ns = mcq_kernel_now_ns,
    .free = epoll_free,
};

enum mcq_err mcq_epoll_new(struct mcq_reactor **out)
{
    struct epoll_reactor *reactor = mcq_alloc(sizeof *reactor);
    struct epoll_event event = {.events = EPOLLIN};

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
    if (reactor->epoll_fd >= 0)
        (void) close(reactor->epoll_fd);
    if (reactor->wake_fd >= 0)
        (void) close(reactor->wake_fd);
    mcq_free(reactor);
    return MCQ_NOMEM;
}
