/*
 * zmq_timers: callbacks of a thread's own, run by the calls of that thread.
 *
 * Threads: one at a time, as in libzmq.
 */

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "compat/compat.h"

#define TIMERS_LIVE UINT32_C(0x5eb0c36d)

struct timer {
    int id;
    bool is_cancelled;
    uint64_t interval_ms;
    uint64_t due_ms;
    zmq_timer_fn *handler;
    void *arg;
};

struct timers {
    uint32_t mark;
    int next_id;
    struct timer *rows; /* by id, which grows */
    size_t count;
    size_t room;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static struct timers *timers_of(void *handle)
{
    struct timers *timers = handle;

    if (timers != NULL && timers->mark == TIMERS_LIVE)
        return timers;
    errno = EFAULT;
    return NULL;
}

void *zmq_timers_new(void)
{
    struct timers *timers = calloc(1, sizeof *timers);

    if (timers != NULL)
        timers->mark = TIMERS_LIVE;
    return timers;
}

int zmq_timers_destroy(void **handle)
{
    struct timers *timers = handle != NULL ? timers_of(*handle) : NULL;

    if (timers == NULL)
        return zmq_fail(EFAULT);
    timers->mark = 0;
    free(timers->rows);
    free(timers);
    *handle = NULL;
    return 0;
}

static struct timer *find(struct timers *timers, int id)
{
    for (size_t i = 0; i < timers->count; i++)
        if (timers->rows[i].id == id && !timers->rows[i].is_cancelled)
            return &timers->rows[i];
    errno = EINVAL;
    return NULL;
}

static struct timer *timer_of(void *handle, int id)
{
    struct timers *timers = timers_of(handle);

    return timers != NULL ? find(timers, id) : NULL;
}

static bool make_room(struct timers *timers)
{
    size_t room = timers->room > 0 ? timers->room * 2 : 8;
    struct timer *rows;

    if (timers->count < timers->room)
        return true;
    rows = room < INT_MAX ? reallocarray(timers->rows, room, sizeof *rows) : NULL;
    if (rows == NULL)
        return false;
    timers->rows = rows;
    timers->room = room;
    return true;
}

int zmq_timers_add(void *handle, size_t interval, zmq_timer_fn handler, void *arg)
{
    struct timers *timers = timers_of(handle);

    if (timers == NULL)
        return -1;
    if (handler == NULL)
        return zmq_fail(EFAULT);
    if (timers->next_id == INT_MAX || !make_room(timers))
        return zmq_fail(ENOMEM);
    timers->rows[timers->count++] = (struct timer) {
        .id = ++timers->next_id,
        .interval_ms = interval,
        .due_ms = now_ms() + interval,
        .handler = handler,
        .arg = arg,
    };
    return timers->next_id;
}

int zmq_timers_cancel(void *handle, int timer_id)
{
    struct timer *timer = timer_of(handle, timer_id);

    if (timer == NULL)
        return -1;
    timer->is_cancelled = true;
    return 0;
}

int zmq_timers_set_interval(void *handle, int timer_id, size_t interval)
{
    struct timer *timer = timer_of(handle, timer_id);

    if (timer == NULL)
        return -1;
    timer->interval_ms = interval;
    timer->due_ms = now_ms() + interval;
    return 0;
}

int zmq_timers_reset(void *handle, int timer_id)
{
    struct timer *timer = timer_of(handle, timer_id);

    if (timer == NULL)
        return -1;
    timer->due_ms = now_ms() + timer->interval_ms;
    return 0;
}

static void drop_cancelled(struct timers *timers)
{
    size_t kept = 0;

    for (size_t i = 0; i < timers->count; i++)
        if (!timers->rows[i].is_cancelled)
            timers->rows[kept++] = timers->rows[i];
    timers->count = kept;
}

long zmq_timers_timeout(void *handle)
{
    struct timers *timers = timers_of(handle);
    uint64_t first_ms = UINT64_MAX;
    uint64_t now;

    if (timers == NULL)
        return -1;
    drop_cancelled(timers);
    for (size_t i = 0; i < timers->count; i++)
        if (timers->rows[i].due_ms < first_ms)
            first_ms = timers->rows[i].due_ms;
    if (first_ms == UINT64_MAX)
        return -1;
    now = now_ms();
    return first_ms > now ? (long) (first_ms - now) : 0;
}

/* The one that is due first and was not due later when the round began; NULL: none. */
static struct timer *next_due(struct timers *timers, uint64_t now, int id_max)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < timers->count; i++) {
        struct timer *timer = &timers->rows[i];

        if (!timer->is_cancelled && timer->due_ms <= now && timer->id <= id_max &&
            (first == NULL || timer->due_ms < first->due_ms))
            first = timer;
    }
    return first;
}

/* A handler may add, change and cancel: rows are looked up anew after each one. */
int zmq_timers_execute(void *handle)
{
    struct timers *timers = timers_of(handle);
    struct timer *timer;
    uint64_t now;
    int id_max;

    if (timers == NULL)
        return -1;
    now = now_ms();
    id_max = timers->next_id;
    while ((timer = next_due(timers, now, id_max)) != NULL) {
        timer->due_ms = now + (timer->interval_ms > 0 ? timer->interval_ms : 1);
        timer->handler(timer->id, timer->arg);
    }
    drop_cancelled(timers);
    return 0;
}
