/*
 * time: moments and durations, in nanoseconds.
 *
 * Layer:   base.
 * Threads: values; no state.
 */
#ifndef MCQ_BASE_TIME_H
#define MCQ_BASE_TIME_H

#include <stdint.h>

/* As a deadline: there is none. */
#define MCQ_NEVER_NS UINT64_MAX

#endif
