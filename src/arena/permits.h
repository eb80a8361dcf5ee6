/*
 * permits: the right to hold octets. Taken before octets are queued, given back when they leave.
 *
 * Layer:   arena.
 * Threads: take and put from any thread.
 * Bound:   limit_bytes, to the octet, for a counting budget and for each one above it.
 *
 *   peer's budget --> socket's --> context's          a take must fit in all of them, or in none
 *
 * Two policies stand behind the calls: none, which lets everything pass and counts nothing, and
 * counting. Others can be added: a policy is a pair of functions.
 *
 * Memory order: the counters guard no other memory, so relaxed is enough. A take that would exceed
 * a limit leaves the counters as they were, though another thread may see it in passing.
 */
#ifndef MCQ_ARENA_PERMITS_H
#define MCQ_ARENA_PERMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct mcq_permits;

struct mcq_permits_policy {
    bool (*take)(struct mcq_permits *permits, uint64_t bytes);
    void (*put)(struct mcq_permits *permits, uint64_t bytes);
};

struct mcq_permits {
    const struct mcq_permits_policy *policy;
    struct mcq_permits *parent;   /* asked as well; NULL: none is above */
    _Atomic uint64_t used_bytes;  /* out now */
    _Atomic uint64_t most_bytes;  /* the most that ever was */
    _Atomic uint64_t refused;     /* takes that did not fit */
    _Atomic uint64_t limit_bytes; /* may change at any time */
};

/* Lets everything pass and counts nothing. */
void mcq_permits_init_none(struct mcq_permits *permits);

/* Lets limit_bytes be out at a time; UINT64_MAX counts without a limit. The parent, which may be
 * NULL, outlives it. */
void mcq_permits_init_counting(struct mcq_permits *permits, uint64_t limit_bytes,
                               struct mcq_permits *parent);

/* All permits are home; asserts that. */
void mcq_permits_fini(struct mcq_permits *permits);

/* Takes `bytes` permits here and in every budget above. false: they do not fit somewhere, and none
 * were taken. That is backpressure and not a failure. */
MCQ_MUST_CHECK static inline bool mcq_permits_take(struct mcq_permits *permits, uint64_t bytes)
{
    return permits->policy->take(permits, bytes);
}

/* Gives back permits that were taken, in one piece or in several. */
static inline void mcq_permits_put(struct mcq_permits *permits, uint64_t bytes)
{
    permits->policy->put(permits, bytes);
}

/* Takes permits for octets that are there already, whether they fit or not: who asks first
 * (mcq_permits_is_over) goes over by no more than one batch. With a counting budget. */
void mcq_permits_charge(struct mcq_permits *permits, uint64_t bytes);

/* A new limit, for takes from now on. What is out above it stays out. */
void mcq_permits_set_limit(struct mcq_permits *permits, uint64_t limit_bytes);

/* Whether more permits are out than there should be. */
static inline bool mcq_permits_is_over(struct mcq_permits *permits)
{
    return atomic_load_explicit(&permits->used_bytes, memory_order_relaxed) >
           atomic_load_explicit(&permits->limit_bytes, memory_order_relaxed);
}

/* Permits that are out. */
static inline uint64_t mcq_permits_used_bytes(struct mcq_permits *permits)
{
    return atomic_load_explicit(&permits->used_bytes, memory_order_relaxed);
}

#endif
