/* Timers: a heap by when they are due, and a table by their ids. */

#include <errno.h>
#include <limits.h>
#include <monocoque.h>
#include <time.h>

#include "api/fail.h"
#include "arena/alloc.h"

#define ROOM_MIN 8

struct timer {
    int id;
    uint64_t interval_ms;
    uint64_t due_ms;
    mcq_timer_fn *call;
    void *hint;
};

struct mcq_timers {
    struct timer *rows; /* a heap: the first is due first */
    size_t count;
    size_t room;
    int last_id;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Of two that are due at once the older one comes first. */
static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static void swap(struct timer *a, struct timer *b)
{
    struct timer held = *a;

    *a = *b;
    *b = held;
}

static void sift_up(struct mcq_timers *timers, size_t at)
{
    for (; at > 0 && is_before(&timers->rows[at], &timers->rows[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&timers->rows[at], &timers->rows[(at - 1) / 2]);
}

static void sift_down(struct mcq_timers *timers, size_t at)
{
    for (;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < timers->count; child++)
            if (is_before(&timers->rows[child], &timers->rows[least]))
                least = child;
        if (least == at)
            return;
        swap(&timers->rows[at], &timers->rows[least]);
        at = least;
    }
}

/* The row has another time. */
static void sift(struct mcq_timers *timers, size_t at)
{
    sift_up(timers, at);
    sift_down(timers, at);
}

struct mcq_timers *mcq_timers_new(void)
{
    struct mcq_timers *timers = mcq_alloc(sizeof *timers);

    if (timers == NULL)
        (void) mcq_fail(ENOMEM, "timers_new: out of memory");
    else
        *timers = (struct mcq_timers) {0};
    return timers;
}

int mcq_timers_free(struct mcq_timers **timers)
{
    if (timers == NULL)
        return mcq_fail_null("timers_free", "timers");
    if (*timers != NULL)
        mcq_free((*timers)->rows);
    mcq_free(*timers);
    *timers = NULL;
    return 0;
}

static bool make_room(struct mcq_timers *timers)
{
    size_t room = timers->room > 0 ? 2 * timers->room : ROOM_MIN;
    struct timer *rows;

    if (timers->count < timers->room)
        return true;
    rows = mcq_realloc(timers->rows, mcq_size_mul(room, sizeof *rows));
    if (rows == NULL)
        return false;
    timers->rows = rows;
    timers->room = room;
    return true;
}

/* A time that is never reached does not turn around. */
static uint64_t due_ms(uint64_t interval_ms)
{
    uint64_t now = now_ms();

    return interval_ms < UINT64_MAX - now ? now + interval_ms : UINT64_MAX;
}

int mcq_timers_add(struct mcq_timers *timers, uint64_t interval_ms, mcq_timer_fn *call, void *hint)
{
    if (timers == NULL || call == NULL)
        return mcq_fail_null("timers_add", timers == NULL ? "timers" : "call");
    if (timers->last_id == INT_MAX || !make_room(timers))
        return mcq_fail(ENOMEM, "timers_add: out of %s",
                        timers->last_id == INT_MAX ? "ids" : "memory");
    timers->rows[timers->count] = (struct timer) {
        .id = ++timers->last_id,
        .interval_ms = interval_ms,
        .due_ms = due_ms(interval_ms),
        .call = call,
        .hint = hint,
    };
    sift_up(timers, timers->count++);
    return timers->last_id;
}

/* Its row; count: there is none. */
static size_t find(const struct mcq_timers *timers, int id)
{
    size_t at = 0;

    while (at < timers->count && timers->rows[at].id != id)
        at++;
    return at;
}

/* The row of a call's timer. */
static bool look_up(const char *call, const struct mcq_timers *timers, int id, size_t *at)
{
    if (timers == NULL) {
        (void) mcq_fail_null(call, "timers");
        return false;
    }
    *at = find(timers, id);
    if (*at < timers->count)
        return true;
    (void) mcq_fail(EINVAL, "%s: there is no timer %d", call, id);
    return false;
}

int mcq_timers_set(struct mcq_timers *timers, int id, uint64_t interval_ms)
{
    size_t at;

    if (!look_up("timers_set", timers, id, &at))
        return -1;
    timers->rows[at].interval_ms = interval_ms;
    timers->rows[at].due_ms = due_ms(interval_ms);
    sift(timers, at);
    return 0;
}

int mcq_timers_reset(struct mcq_timers *timers, int id)
{
    size_t at;

    if (!look_up("timers_reset", timers, id, &at))
        return -1;
    timers->rows[at].due_ms = due_ms(timers->rows[at].interval_ms);
    sift(timers, at);
    return 0;
}

int mcq_timers_cancel(struct mcq_timers *timers, int id)
{
    size_t at;

    if (!look_up("timers_cancel", timers, id, &at))
        return -1;
    timers->rows[at] = timers->rows[--timers->count];
    if (at < timers->count)
        sift(timers, at);
    return 0;
}

int mcq_timers_timeout(struct mcq_timers *timers)
{
    uint64_t now = now_ms();
    uint64_t first;

    if (timers == NULL)
        return mcq_fail_null("timers_timeout", "timers");
    if (timers->count == 0)
        return -1;
    first = timers->rows[0].due_ms;
    return first <= now ? 0 : (int) mcq_min_u64(first - now, INT_MAX);
}

/* What a call adds, or what is due again, waits for the next round. */
int mcq_timers_run(struct mcq_timers *timers)
{
    uint64_t now = now_ms();
    int count = 0;

    if (timers == NULL)
        return mcq_fail_null("timers_run", "timers");
    for (int last_id = timers->last_id; timers->count > 0; count++) {
        struct timer timer = timers->rows[0];

        if (timer.due_ms > now || timer.id > last_id)
            break;
        timers->rows[0].due_ms = due_ms(timer.interval_ms > 0 ? timer.interval_ms : 1);
        if (timers->rows[0].due_ms <= now)
            timers->rows[0].due_ms = now + 1;
        sift_down(timers, 0);
        timer.call(timer.id, timer.hint);
    }
    return count;
}
