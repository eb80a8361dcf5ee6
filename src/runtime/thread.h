/*
 * thread: how a context's threads are to run.
 *
 * Layer:   runtime.
 * Threads: filled before the first of them starts; read by each of them.
 */
#ifndef MCQ_RUNTIME_THREAD_H
#define MCQ_RUNTIME_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#define MCQ_THREAD_CPUS 1024 /* as many as the system's set has */

struct mcq_thread_wish {
    uint32_t priority;                   /* an int32_t; -1: as the system has it */
    uint32_t policy;                     /* the same: SCHED_OTHER and its like */
    uint32_t prefix;                     /* of the names: a number; 0: none */
    uint32_t profile;                    /* enum mcq_profile: whose names they have */
    uint64_t cpus[MCQ_THREAD_CPUS / 64]; /* that they may use; none: all */
};

/* false: it is no processor's number. */
bool mcq_thread_set_cpu(struct mcq_thread_wish *wish, int64_t cpu, bool is_on);

/* The calling thread, the index-th of the context, runs so from now on, as far as the system
 * allows: a priority that is denied leaves it as it is. */
void mcq_thread_apply(const struct mcq_thread_wish *wish, uint32_t index);

#endif
