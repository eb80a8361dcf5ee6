#include "arena/permits.h"

#include <stddef.h>

#include "base/assert.h"

static bool none_take(struct mcq_permits *permits, uint64_t bytes)
{
    (void) permits;
    (void) bytes;
    return true;
}

static void none_put(struct mcq_permits *permits, uint64_t bytes)
{
    (void) permits;
    (void) bytes;
}

static const struct mcq_permits_policy none_policy = {none_take, none_put};

/* The most that was ever out: racing takes keep the larger of their values. */
static void note_most(struct mcq_permits *permits, uint64_t used)
{
    uint64_t most = atomic_load_explicit(&permits->most_bytes, memory_order_relaxed);

    while (used > most &&
           !atomic_compare_exchange_weak_explicit(&permits->most_bytes, &most, used,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* Compares and exchanges rather than adds, so that a take that does not fit can make no other
 * fail. */
static bool take_here(struct mcq_permits *permits, uint64_t bytes)
{
    uint64_t limit = atomic_load_explicit(&permits->limit_bytes, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&permits->used_bytes, memory_order_relaxed);

    do {
        if (used > limit || bytes > limit - used) {
            atomic_fetch_add_explicit(&permits->refused, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&permits->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    note_most(permits, used + bytes);
    return true;
}

void mcq_permits_charge(struct mcq_permits *permits, uint64_t bytes)
{
    uint64_t used = atomic_fetch_add_explicit(&permits->used_bytes, bytes, memory_order_relaxed);

    note_most(permits, used + bytes);
    if (permits->parent != NULL)
        mcq_permits_charge(permits->parent, bytes);
}

static void put_here(struct mcq_permits *permits, uint64_t bytes)
{
    uint64_t used = atomic_fetch_sub_explicit(&permits->used_bytes, bytes, memory_order_relaxed);

    mcq_assert(bytes <= used); /* more came home than went out */
}

static bool counting_take(struct mcq_permits *permits, uint64_t bytes)
{
    if (!take_here(permits, bytes))
        return false;
    if (permits->parent == NULL || mcq_permits_take(permits->parent, bytes))
        return true;
    put_here(permits, bytes);
    return false;
}

static void counting_put(struct mcq_permits *permits, uint64_t bytes)
{
    put_here(permits, bytes);
    if (permits->parent != NULL)
        mcq_permits_put(permits->parent, bytes);
}

static const struct mcq_permits_policy counting_policy = {counting_take, counting_put};

static void permits_init(struct mcq_permits *permits, const struct mcq_permits_policy *policy,
                         uint64_t limit_bytes, struct mcq_permits *parent)
{
    permits->policy = policy;
    permits->parent = parent;
    atomic_init(&permits->used_bytes, 0);
    atomic_init(&permits->most_bytes, 0);
    atomic_init(&permits->refused, 0);
    atomic_init(&permits->limit_bytes, limit_bytes);
}

void mcq_permits_init_none(struct mcq_permits *permits)
{
    permits_init(permits, &none_policy, UINT64_MAX, NULL);
}

void mcq_permits_init_counting(struct mcq_permits *permits, uint64_t limit_bytes,
                               struct mcq_permits *parent)
{
    permits_init(permits, &counting_policy, limit_bytes, parent);
}

void mcq_permits_fini(struct mcq_permits *permits)
{
    mcq_assert(mcq_permits_used_bytes(permits) == 0);
}

void mcq_permits_set_limit(struct mcq_permits *permits, uint64_t limit_bytes)
{
    atomic_store_explicit(&permits->limit_bytes, limit_bytes, memory_order_relaxed);
}
