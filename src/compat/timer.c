/*
 * zmq_timers: the library's own, behind a mark that tells whether a handle is one.
 *
 * Threads: one at a time, as in libzmq.
 */

#include <stdlib.h>

#include "compat/compat.h"

#define TIMERS_LIVE UINT32_C(0x5eb0c36d)

struct timers {
    uint32_t mark;
    struct mcq_timers *inner;
};

/* EFAULT: it is none. */
static struct mcq_timers *timers_of(void *handle)
{
    struct timers *timers = handle;

    if (timers != NULL && timers->mark == TIMERS_LIVE)
        return timers->inner;
    errno = EFAULT;
    return NULL;
}

void *zmq_timers_new(void)
{
    struct timers *timers = calloc(1, sizeof *timers);

    if (timers == NULL)
        return NULL;
    timers->mark = TIMERS_LIVE;
    timers->inner = mcq_timers_new();
    if (timers->inner != NULL)
        return timers;
    free(timers);
    errno = ENOMEM;
    return NULL;
}

int zmq_timers_destroy(void **handle)
{
    struct timers *timers = handle != NULL ? *handle : NULL;

    if (timers_of(timers) == NULL)
        return -1;
    timers->mark = 0;
    (void) mcq_timers_free(&timers->inner);
    free(timers);
    *handle = NULL;
    return 0;
}

int zmq_timers_add(void *handle, size_t interval, zmq_timer_fn handler, void *arg)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL ? mcq_timers_add(timers, interval, handler, arg) : -1;
}

int zmq_timers_cancel(void *handle, int timer_id)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL ? mcq_timers_cancel(timers, timer_id) : -1;
}

int zmq_timers_set_interval(void *handle, int timer_id, size_t interval)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL ? mcq_timers_set(timers, timer_id, interval) : -1;
}

int zmq_timers_reset(void *handle, int timer_id)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL ? mcq_timers_reset(timers, timer_id) : -1;
}

long zmq_timers_timeout(void *handle)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL ? mcq_timers_timeout(timers) : -1;
}

int zmq_timers_execute(void *handle)
{
    struct mcq_timers *timers = timers_of(handle);

    return timers != NULL && mcq_timers_run(timers) >= 0 ? 0 : -1;
}
