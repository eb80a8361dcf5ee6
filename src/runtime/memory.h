/*
 * memory: how much of it this process may have.
 *
 * Layer:   runtime.
 * Threads: any.
 * Bound:   a few small files are read.
 */
#ifndef MCQ_RUNTIME_MEMORY_H
#define MCQ_RUNTIME_MEMORY_H

#include <stdint.h>

/* Octets: the least of the machine's memory, the process's own limits (RLIMIT_AS, RLIMIT_DATA) and
 * memory.max of its group and all above it. Never 0. */
uint64_t mcq_memory_limit(void);

/* The same of the groups alone: `self` is /proc/self/cgroup, `root` where version 2 is mounted.
 * UINT64_MAX: no limit, or none that can be read. For tests. */
uint64_t mcq_memory_limit_of_groups(const char *self, const char *root);

#endif
