/* The io_uring engine: one ring, of the thread that made it. */
#define _GNU_SOURCE /* POLLRDHUP; NOLINT(bugprone-reserved-identifier) */

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

#define ENTRIES 256

/* Newer than the headers of liburing 2.3. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

struct uring_reactor {
    struct mcq_reactor head; /* first: a reactor is what it begins with */
    struct io_uring ring;
    int wake_fd;
    int event_fd; /* counts completions and deferred work for a poll elsewhere; -1: none asked */
    bool wake_is_armed;
    uint64_t wake_count; /* where the kernel puts the eventfd's count */
};

/* Completions that belong to no operation carry these in place of one. */
static char wake_mark;
static char cancel_mark;

static struct uring_reactor *uring_of(struct mcq_reactor *reactor)
{
    return (struct uring_reactor *) reactor;
}

static void take_completion(struct uring_reactor *reactor, const struct io_uring_cqe *completion)
{
    void *data = io_uring_cqe_get_data(completion);

    if (data == &cancel_mark)
        return;
    if (data == &wake_mark) {
        reactor->wake_is_armed = false;
        return;
    }
    mcq_reactor_complete(&reactor->head, data,
                         completion->res >= 0 ? MCQ_IO_DONE
                                              : mcq_io_result_of(MCQ_IO_OP_POLL, -completion->res));
}

static void take_completions(struct uring_reactor *reactor)
{
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&reactor->ring, head, completion)
    {
        take_completion(reactor, completion);
        count++;
    }
    io_uring_cq_advance(&reactor->ring, count);
}

/* A free entry; what fills the queue is submitted first. The kernel may refuse that until somebody
 * has taken completions, so they are taken: that only records them. NULL: it takes no more now. */
static struct io_uring_sqe *take_entry(struct uring_reactor *reactor)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&reactor->ring);

    if (entry != NULL)
        return entry;
    (void) io_uring_submit(&reactor->ring);
    take_completions(reactor);
    return io_uring_get_sqe(&reactor->ring);
}

static enum mcq_err uring_arm_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct io_uring_sqe *entry = take_entry(uring_of(head));

    if (entry == NULL)
        return MCQ_NOMEM;
    io_uring_prep_poll_add(entry, op->fd, mcq_op_is_in(op) ? POLLIN | POLLRDHUP : POLLOUT);
    io_uring_sqe_set_data(entry, op);
    return MCQ_OK;
}

/* The target completes by itself, as canceled or with what was faster. */
static void uring_cancel_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct io_uring_sqe *entry;

    while ((entry = take_entry(uring_of(head))) == NULL)
        continue; /* taking completions makes room to submit, and submitting makes room here */
    io_uring_prep_cancel(entry, op, 0);
    io_uring_sqe_set_data(entry, &cancel_mark);
}

static void arm_wake(struct uring_reactor *reactor)
{
    struct io_uring_sqe *entry;

    if (reactor->wake_is_armed)
        return;
    entry = take_entry(reactor);
    if (entry == NULL)
        return; /* tried again before the next sleep */
    io_uring_prep_read(entry, reactor->wake_fd, &reactor->wake_count, sizeof reactor->wake_count,
                       0);
    io_uring_sqe_set_data(entry, &wake_mark);
    reactor->wake_is_armed = true;
}

/* One entry into the kernel: submits, runs deferred work, and sleeps until something completes or
 * the time has come. What it answers is seen in the completions; EINTR and a full queue are tried
 * again by the next turn. */
static void enter(struct uring_reactor *reactor, uint64_t wait_ns)
{
    struct __kernel_timespec time = {
        .tv_sec = (int64_t) (wait_ns / 1000000000u),
        .tv_nsec = (long long) (wait_ns % 1000000000u),
    };
    struct io_uring_cqe *completion;

    if (wait_ns == 0) {
        /* Enters even if completions are there: deferred work would signal no eventfd again. */
        (void) io_uring_submit_and_get_events(&reactor->ring);
        return;
    }
    (void) io_uring_submit_and_wait_timeout(&reactor->ring, &completion, 1,
                                            wait_ns == UINT64_MAX ? NULL : &time, NULL);
}

static void uring_collect(struct mcq_reactor *head, uint64_t until_ns)
{
    struct uring_reactor *reactor = uring_of(head);
    uint64_t wait_ns = UINT64_MAX;
    uint64_t ignored;
    bool sleeps;

    arm_wake(reactor);
    if (reactor->event_fd >= 0)
        (void) !read(reactor->event_fd, &ignored, sizeof ignored); /* what comes next counts anew */
    if (until_ns != MCQ_NEVER_NS) {
        uint64_t now_ns = mcq_reactor_now_ns(head);

        wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    }
    sleeps = wait_ns > 0 && reactor->wake_is_armed && mcq_reactor_may_sleep(head);
    enter(reactor, sleeps ? wait_ns : 0);
    mcq_reactor_awake(head);
    take_completions(reactor);
}

/* A poll of the ring itself is not told of deferred work; an eventfd that is registered is. What
 * was there before counts as the first event. */
static void open_event_fd(struct uring_reactor *reactor)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd >= 0 && io_uring_register_eventfd(&reactor->ring, fd) == 0)
        reactor->event_fd = fd;
    else if (fd >= 0)
        (void) close(fd);
}

/* What is armed must be with the kernel before somebody sleeps elsewhere. */
static int uring_watch(struct mcq_reactor *head)
{
    struct uring_reactor *reactor = uring_of(head);

    if (reactor->event_fd < 0)
        open_event_fd(reactor);
    arm_wake(reactor);
    if (io_uring_sq_ready(&reactor->ring) > 0)
        (void) io_uring_submit(&reactor->ring);
    return reactor->event_fd;
}

static void uring_wake(struct mcq_reactor *head)
{
    uint64_t one = 1;

    (void) !write(uring_of(head)->wake_fd, &one, sizeof one); /* full: it is awake already */
}

static void uring_free(struct mcq_reactor *head)
{
    struct uring_reactor *reactor = uring_of(head);

    mcq_reactor_fini(head);
    io_uring_queue_exit(&reactor->ring); /* ends the read of the eventfd, too */
    (void) close(reactor->wake_fd);
    if (reactor->event_fd >= 0)
        (void) close(reactor->event_fd);
    mcq_free(reactor);
}

static const struct mcq_engine_ops uring_ops = {
    .name = "io_uring",
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
    .close = mcq_kernel_close,
    .ready_new = mcq_kernel_ready_new,
    .row_new = mcq_uring_row_new,
    .row_send = mcq_uring_row_send,
    .row_free = mcq_uring_row_free,
    .sleeper_new = mcq_kernel_sleeper_new,
    .arm_poll = uring_arm_poll,
    .cancel_poll = uring_cancel_poll,
    .collect = uring_collect,
    .watch = uring_watch,
    .wake = uring_wake,
    .now_ns = mcq_kernel_now_ns,
    .free = uring_free,
};

/* Flag sets from the best to the plainest; old kernels refuse what they do not know. */
static int init_ring(struct io_uring *ring)
{
    static const unsigned flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int result = -EINVAL;

    for (size_t i = 0; i < MCQ_COUNTOF(flags) && result == -EINVAL; i++)
        result = io_uring_queue_init(ENTRIES, ring, flags[i] | IORING_SETUP_CLAMP);
    return result;
}

/* The operations that this engine cannot do without. */
static bool has_operations(struct io_uring *ring)
{
    static const int needed[] = {IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_READ};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool all = probe != NULL;

    for (size_t i = 0; all && i < MCQ_COUNTOF(needed); i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    if (probe != NULL)
        io_uring_free_probe(probe);
    /* Waiting with a time limit without a timeout operation in the ring, and losing no completion.
     * */
    return all && (ring->features & IORING_FEAT_EXT_ARG) && (ring->features & IORING_FEAT_NODROP);
}

/* A filter may allow the setup and deny the rest: one operation through the ring and back. */
static int try_ring(struct io_uring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    struct io_uring_cqe *completion = NULL;
    int result;

    if (entry == NULL)
        return -ENOMEM;
    io_uring_prep_nop(entry);
    do
        result = io_uring_submit_and_wait(ring, 1);
    while (result == -EINTR);
    if (result < 0)
        return result;
    result = io_uring_peek_cqe(ring, &completion);
    if (result == 0)
        io_uring_cqe_seen(ring, completion);
    return result;
}

static const char *why_not(int result)
{
    switch (-result) {
    case EOPNOTSUPP: return "the kernel's io_uring lacks an operation";
    case EPERM:
    case EACCES: return "io_uring is denied (a seccomp filter, or kernel.io_uring_disabled)";
    case ENOSYS: return "the kernel has no io_uring";
    case ENOMEM: return "io_uring gets no memory (the limit on locked memory)";
    default: return "io_uring cannot be set up";
    }
}

enum mcq_err mcq_uring_new(struct mcq_reactor **out, const char **why)
{
    struct uring_reactor *reactor = mcq_alloc(sizeof *reactor);
    int result;

    if (reactor == NULL)
        return MCQ_NOMEM;
    *reactor = (struct uring_reactor) {.wake_fd = eventfd(0, EFD_CLOEXEC), .event_fd = -1};
    if (reactor->wake_fd < 0) {
        enum mcq_err err = mcq_kernel_open_err(errno);

        mcq_free(reactor);
        return err;
    }
    result = init_ring(&reactor->ring);
    if (result == 0 && !has_operations(&reactor->ring)) {
        io_uring_queue_exit(&reactor->ring);
        result = -EOPNOTSUPP;
    } else if (result == 0) {
        result = try_ring(&reactor->ring);
        if (result != 0)
            io_uring_queue_exit(&reactor->ring);
    }
    if (result != 0) {
        (void) close(reactor->wake_fd);
        mcq_free(reactor);
        if (mcq_kernel_open_err(-result) == MCQ_NO_FDS)
            return MCQ_NO_FDS; /* nobody else could do without, and it may pass */
        *why = why_not(result);
        return MCQ_STATE;
    }
    (void) io_uring_ring_dontfork(&reactor->ring); /* a forked child must not touch it */
    mcq_reactor_init(&reactor->head, &uring_ops);
    *out = &reactor->head;
    return MCQ_OK;
}
