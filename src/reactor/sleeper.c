#define _GNU_SOURCE /* ppoll; NOLINT(bugprone-reserved-identifier) */

#include "reactor/sleeper.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

enum mcq_err mcq_sleeper_new(struct mcq_reactor *reactor, struct mcq_sleeper **sleeper)
{
    return reactor->ops->sleeper_new(reactor, sleeper);
}

void mcq_sleeper_free(struct mcq_sleeper **sleeper)
{
    (*sleeper)->ops->free(*sleeper);
    *sleeper = NULL;
}

enum mcq_io_result mcq_sleeper_wait(struct mcq_sleeper *sleeper, struct pollfd *fds, size_t count,
                                    uint64_t until_ns)
{
    return sleeper->ops->wait(sleeper, fds, count, until_ns);
}

void mcq_sleeper_signal(struct mcq_sleeper *sleeper)
{
    sleeper->ops->signal(sleeper);
}

/* --- the kernel's ---------------------------------------------------------------------------- */

enum sleep_state {
    STATE_AWAKE,
    STATE_ASLEEP,
    STATE_SIGNALED,
};

struct kernel_sleeper {
    struct mcq_sleeper head; /* first: a sleeper is what it begins with */
    int fd;
    _Atomic int state;
};

static struct kernel_sleeper *kernel_of(struct mcq_sleeper *sleeper)
{
    return (struct kernel_sleeper *) sleeper;
}

/* Back to AWAKE. true: a signal was taken. An exchange, not a store: it reads what the signaler
 * wrote, so that what was published before the signal is seen after the wait. */
static bool take_signal(struct kernel_sleeper *sleeper)
{
    return atomic_exchange_explicit(&sleeper->state, STATE_AWAKE, memory_order_acq_rel) ==
           STATE_SIGNALED;
}

/* The time left as ppoll wants it; NULL: for ever. */
static const struct timespec *time_left(uint64_t until_ns, struct timespec *left)
{
    uint64_t now_ns = mcq_kernel_now_ns(NULL);
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

    if (until_ns == MCQ_NEVER_NS)
        return NULL;
    left->tv_sec = (time_t) (left_ns / 1000000000u);
    left->tv_nsec = (long) (left_ns % 1000000000u);
    return left;
}

/* A signaler that found us asleep may write only after we have returned for another reason; then
 * the next sleep ends at once, finds no signal, and goes on. */
static enum mcq_io_result sleep_once(struct kernel_sleeper *sleeper, struct pollfd *fds,
                                     size_t count, uint64_t until_ns, bool *is_stale)
{
    int awake = STATE_AWAKE;
    struct timespec left;
    uint64_t ignored;
    int ready;
    int number;

    *is_stale = false;
    if (!atomic_compare_exchange_strong(&sleeper->state, &awake, STATE_ASLEEP)) {
        for (size_t i = 1; i <= count; i++)
            fds[i].revents = 0;
        (void) take_signal(sleeper);
        return MCQ_IO_SIGNALED;
    }
    fds[0] = (struct pollfd) {.fd = sleeper->fd, .events = POLLIN};
    ready = ppoll(fds, count + 1, time_left(until_ns, &left), NULL);
    number = errno;
    if (ready < 0)
        for (size_t i = 0; i <= count; i++)
            fds[i].revents = 0;
    if (fds[0].revents != 0)
        (void) !read(sleeper->fd, &ignored, sizeof ignored);
    if (take_signal(sleeper))
        return MCQ_IO_SIGNALED;
    if (ready < 0)
        return mcq_io_result_of(MCQ_IO_OP_SLEEP, number);
    *is_stale = ready == 1 && fds[0].revents != 0;
    return ready > 0 ? MCQ_IO_DONE : MCQ_IO_TIMED_OUT;
}

static enum mcq_io_result kernel_wait(struct mcq_sleeper *head, struct pollfd *fds, size_t count,
                                      uint64_t until_ns)
{
    enum mcq_io_result result;
    bool is_stale;

    do
        result = sleep_once(kernel_of(head), fds, count, until_ns, &is_stale);
    while (is_stale);
    return result;
}

static void kernel_signal(struct mcq_sleeper *head)
{
    struct kernel_sleeper *sleeper = kernel_of(head);
    uint64_t one = 1;

    if (atomic_exchange_explicit(&sleeper->state, STATE_SIGNALED, memory_order_acq_rel) ==
        STATE_ASLEEP)
        (void) !write(sleeper->fd, &one, sizeof one); /* full: it is awake already */
}

static void kernel_free(struct mcq_sleeper *head)
{
    (void) close(kernel_of(head)->fd);
    mcq_free(head);
}

static const struct mcq_sleeper_ops kernel_ops = {
    .wait = kernel_wait,
    .signal = kernel_signal,
    .free = kernel_free,
};

enum mcq_err mcq_kernel_sleeper_new(struct mcq_reactor *reactor, struct mcq_sleeper **out)
{
    struct kernel_sleeper *sleeper = mcq_alloc(sizeof *sleeper);

    (void) reactor;
    if (sleeper == NULL)
        return MCQ_NOMEM;
    *sleeper = (struct kernel_sleeper) {
        .head = {&kernel_ops},
        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    atomic_init(&sleeper->state, STATE_AWAKE);
    if (sleeper->fd < 0) {
        enum mcq_err err = mcq_kernel_open_err(errno);

        mcq_free(sleeper);
        return err;
    }
    *out = &sleeper->head;
    return MCQ_OK;
}
