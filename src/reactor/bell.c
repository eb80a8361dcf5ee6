#include "reactor/bell.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

struct mcq_bell {
    enum mcq_bell_kind kind;
    int own_fd;     /* an eventfd or a timerfd */
    int outer_fd;   /* an epoll instance with that and what is watched; -1: nothing is */
    bool rings;     /* a switch */
    uint64_t at_ns; /* a clock */
};

static int open_own(enum mcq_bell_kind kind)
{
    return kind == MCQ_BELL_SWITCH ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
                                   : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

static bool join(struct mcq_bell *bell, int watched)
{
    struct epoll_event event = {.events = EPOLLIN};

    bell->outer_fd = epoll_create1(EPOLL_CLOEXEC);
    return bell->outer_fd >= 0 &&
           epoll_ctl(bell->outer_fd, EPOLL_CTL_ADD, bell->own_fd, &event) == 0 &&
           epoll_ctl(bell->outer_fd, EPOLL_CTL_ADD, watched, &event) == 0;
}

enum mcq_err mcq_bell_new(enum mcq_bell_kind kind, int watched, struct mcq_bell **out)
{
    struct mcq_bell *bell = mcq_alloc(sizeof *bell);
    enum mcq_err err;

    if (bell == NULL)
        return MCQ_NOMEM;
    *bell = (struct mcq_bell) {
        .kind = kind, .own_fd = open_own(kind), .outer_fd = -1, .at_ns = MCQ_NEVER_NS};
    if (bell->own_fd >= 0 && (watched < 0 || join(bell, watched))) {
        *out = bell;
        return MCQ_OK;
    }
    err = mcq_kernel_open_err(errno);
    mcq_bell_free(&bell);
    return err;
}

void mcq_bell_free(struct mcq_bell **bell)
{
    if (*bell == NULL)
        return;
    if ((*bell)->outer_fd >= 0)
        (void) close((*bell)->outer_fd);
    if ((*bell)->own_fd >= 0)
        (void) close((*bell)->own_fd);
    mcq_free(*bell);
    *bell = NULL;
}

int mcq_bell_fd(const struct mcq_bell *bell)
{
    return bell->outer_fd >= 0 ? bell->outer_fd : bell->own_fd;
}

void mcq_bell_set(struct mcq_bell *bell, bool rings)
{
    uint64_t count = 1;

    mcq_assert(bell->kind == MCQ_BELL_SWITCH);
    if (bell->rings == rings)
        return;
    bell->rings = rings;
    if (rings)
        (void) !write(bell->own_fd, &count, sizeof count);
    else
        (void) !read(bell->own_fd, &count, sizeof count);
}

void mcq_bell_set_time(struct mcq_bell *bell, uint64_t at_ns)
{
    struct itimerspec time = {0};

    mcq_assert(bell->kind == MCQ_BELL_CLOCK);
    if (bell->at_ns == at_ns)
        return;
    bell->at_ns = at_ns;
    if (at_ns == 0)
        at_ns = 1; /* long ago; zero would stop it */
    if (at_ns != MCQ_NEVER_NS) {
        time.it_value.tv_sec = (time_t) (at_ns / 1000000000u);
        time.it_value.tv_nsec = (long) (at_ns % 1000000000u);
    }
    (void) timerfd_settime(bell->own_fd, TFD_TIMER_ABSTIME, &time, NULL);
}
