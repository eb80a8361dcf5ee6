#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define THREADS_MAX 64

struct run *run;
void (*run_turn)(void);

/* Descriptors that count the calls of each thread of a side. */
static int counters[SIDES][THREADS_MAX];
static int counter_count[SIDES];
static struct run_cost begun[SIDES];
static uint64_t begun_ns;

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

void sleep_us(long us)
{
    (void) nanosleep(&(struct timespec) {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
                     NULL);
}

void rest_us(long us)
{
    if (run_turn != NULL)
        run_turn();
    sleep_us(us);
}

void run_fail(const char *what)
{
    fprintf(stderr, "%s failed\n", what);
    run_tell(FAILED);
    _exit(2);
}

void run_tell(enum run_phase phase)
{
    run->phase = phase;
}

void run_await(_Atomic bool *what, const char *name)
{
    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); !*what; rest_us(500))
        must(now_ns() < until && run->phase != FAILED, name);
}

void run_await_phase(enum run_phase phase)
{
    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); run->phase < phase;
         rest_us(500))
        must(now_ns() < until, "the other side");
    must(run->phase != FAILED, "the other side");
}

/* --- what a side costs ----------------------------------------------------------------------- */

/* The number of the kernel's trace point at the entry of all calls; 0: not to be had. */
static uint64_t trace_point(void)
{
    static const char *const paths[] = {
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
    };
    uint64_t id = 0;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && id == 0; i++) {
        FILE *file = fopen(paths[i], "r");

        if (file == NULL)
            continue;
        if (fscanf(file, "%lu", &id) != 1)
            id = 0;
        (void) fclose(file);
    }
    return id;
}

/* Counts the calls of every thread that the process has by now. */
static void open_counters(int side)
{
    struct perf_event_attr what = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof what, .config = trace_point()};
    char path[64];
    DIR *threads;

    counter_count[side] = 0;
    if (!run->counts_calls)
        return;
    (void) snprintf(path, sizeof path, "/proc/%d/task", (int) run->pids[side]);
    threads = what.config != 0 ? opendir(path) : NULL;
    if (threads == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        long thread = strtol(entry->d_name, NULL, 10);

        if (thread > 0 && counter_count[side] < THREADS_MAX) {
            int fd = (int) syscall(SYS_perf_event_open, &what, (pid_t) thread, -1, -1,
                                   PERF_FLAG_FD_CLOEXEC);

            if (fd >= 0)
                counters[side][counter_count[side]++] = fd;
        }
    }
    (void) closedir(threads);
}

static double calls_of(int side)
{
    double calls = counter_count[side] > 0 ? 0 : -1;

    for (int i = 0; i < counter_count[side]; i++) {
        uint64_t count;

        if (read(counters[side][i], &count, sizeof count) == sizeof count)
            calls += (double) count;
    }
    return calls;
}

static double cpu_ns_of(int side)
{
    struct timespec used = {0};
    clockid_t clock;

    if (clock_getcpuclockid(run->pids[side], &clock) == 0)
        (void) clock_gettime(clock, &used);
    return (double) used.tv_sec * 1e9 + (double) used.tv_nsec;
}

/* Threads of one process cost together, and that is the first side's. */
static int side_count(void)
{
    return run->pids[0] == run->pids[1] ? 1 : SIDES;
}

static struct run_cost cost_of(int side)
{
    return (struct run_cost) {.cpu_ns = cpu_ns_of(side),
                              .calls = calls_of(side),
                              .allocations = (double) run->allocations[side]};
}

void run_begin(void)
{
    for (int side = 0; side < side_count(); side++) {
        open_counters(side);
        begun[side] = cost_of(side);
    }
    run_tell(MEASURING);
    begun_ns = now_ns();
}

void run_end(double count)
{
    run->took_s = (double) (now_ns() - begun_ns) * 1e-9;
    run->count = count;
    for (int side = 0; side < side_count(); side++) {
        struct run_cost cost = cost_of(side);

        run->costs[side].cpu_ns = cost.cpu_ns - begun[side].cpu_ns;
        run->costs[side].calls = cost.calls < 0 ? -1 : cost.calls - begun[side].calls;
        run->costs[side].allocations = cost.allocations - begun[side].allocations;
    }
}
