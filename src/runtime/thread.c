#define _GNU_SOURCE /* names, processors; NOLINT(bugprone-reserved-identifier) */

#include "runtime/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define NAME_BYTES 16 /* the kernel's */

_Static_assert(MCQ_THREAD_CPUS == CPU_SETSIZE, "one bit each");

bool mcq_thread_set_cpu(struct mcq_thread_wish *wish, int64_t cpu, bool is_on)
{
    uint64_t bit;

    if (cpu < 0 || cpu >= MCQ_THREAD_CPUS)
        return false;
    bit = UINT64_C(1) << (cpu % 64);
    if (is_on)
        wish->cpus[cpu / 64] |= bit;
    else
        wish->cpus[cpu / 64] &= ~bit;
    return true;
}

/* Debuggers and ps show it; a long prefix cuts the end off. */
static void set_name(const struct mcq_thread_wish *wish, uint32_t index)
{
    const char *ours = wish->profile != 0 ? "ZMQbg/IO/" : "mcq/io/";
    char name[40];

    if (wish->prefix != 0)
        (void) snprintf(name, sizeof name, "%u/%s%u", wish->prefix, ours, index);
    else
        (void) snprintf(name, sizeof name, "%s%u", ours, index);
    name[NAME_BYTES - 1] = '\0';
    (void) pthread_setname_np(pthread_self(), name);
}

static void set_cpus(const struct mcq_thread_wish *wish)
{
    bool is_any = false;
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int cpu = 0; cpu < MCQ_THREAD_CPUS; cpu++)
        if (wish->cpus[cpu / 64] >> (cpu % 64) & 1) {
            CPU_SET(cpu, &set);
            is_any = true;
        }
    if (is_any)
        (void) pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/* One of both may be left as it is. */
static void set_schedule(const struct mcq_thread_wish *wish)
{
    int32_t priority = (int32_t) wish->priority;
    int32_t policy = (int32_t) wish->policy;
    struct sched_param param;
    int now;

    if ((priority < 0 && policy < 0) || pthread_getschedparam(pthread_self(), &now, &param) != 0)
        return;
    if (policy < 0)
        policy = now;
    param.sched_priority = priority >= 0 ? priority : sched_get_priority_min(policy);
    (void) pthread_setschedparam(pthread_self(), policy, &param);
}

void mcq_thread_apply(const struct mcq_thread_wish *wish, uint32_t index)
{
    set_name(wish, index);
    set_cpus(wish);
    set_schedule(wish);
}
