#include "reactor/hint.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum mcq_err mcq_hint_open(struct mcq_hint *hint)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        return MCQ_NO_FDS;
    *hint = (struct mcq_hint) {.fd = fd};
    return MCQ_OK;
}

void mcq_hint_close(struct mcq_hint *hint)
{
    if (hint->fd >= 0)
        (void) close(hint->fd);
    *hint = (struct mcq_hint) {.fd = -1};
}

/* A counter that is one short of full cannot be: it is at 0 or 1. */
void mcq_hint_raise(struct mcq_hint *hint)
{
    uint64_t one = 1;

    if (hint->fd < 0 || hint->is_raised)
        return;
    hint->is_raised = true;
    (void) !write(hint->fd, &one, sizeof one);
}

void mcq_hint_lower(struct mcq_hint *hint)
{
    uint64_t count;

    if (hint->fd < 0 || !hint->is_raised)
        return;
    hint->is_raised = false;
    (void) !read(hint->fd, &count, sizeof count);
}
