/*
 * alloc: the one door to the heap and to anonymous mappings, with a ledger of what is out.
 *
 * Layer:   arena.
 * Threads: any thread; memory may be given back by another thread than the one that got it.
 * Bound:   none of its own: whoever allocates has one. No request above PTRDIFF_MAX is granted.
 *
 *   NULL --mcq_alloc, mcq_map--> LIVE, counted --mcq_free, mcq_unmap--> gone, no longer counted
 *
 * Sizes that are computed go through mcq_size_add and mcq_size_mul. Those stick at SIZE_MAX instead
 * of wrapping, and SIZE_MAX is always refused; so a request is either granted in full or is NULL.
 *
 * Two things are here for tests, and in every build, so that tests see what users get: the ledger,
 * which each test's teardown wants at zero, and the failure of the n-th allocation from now.
 */
#ifndef MCQ_ARENA_ALLOC_H
#define MCQ_ARENA_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define MCQ_LINE_BYTES 64 /* x86-64 and most of arm64 */

static inline size_t mcq_size_add(size_t a, size_t b)
{
    size_t sum;

    return MCQ_UNLIKELY(__builtin_add_overflow(a, b, &sum)) ? SIZE_MAX : sum;
}

static inline size_t mcq_size_mul(size_t a, size_t b)
{
    size_t product;

    return MCQ_UNLIKELY(__builtin_mul_overflow(a, b, &product)) ? SIZE_MAX : product;
}

/* Memory for `bytes` octets, aligned for any type, contents undefined. The caller owns it and gives
 * it back with mcq_free. NULL: out of memory. `bytes` is at least 1. */
MCQ_MUST_CHECK void *mcq_alloc(size_t bytes);

/* The same, starting on a cache line: for structs that keep what threads share on lines apart. */
MCQ_MUST_CHECK void *mcq_alloc_lines(size_t bytes);

/* Makes old, from here or NULL, `bytes` long; octets up to the smaller of both lengths are kept.
 * The result replaces old. NULL: out of memory, and old is what it was. */
MCQ_MUST_CHECK void *mcq_realloc(void *old, size_t bytes);

/* Gives back what the calls above granted. NULL is nothing. */
void mcq_free(void *memory);

/* An anonymous mapping of `bytes` octets, all zero, page-aligned; given back with mcq_unmap and the
 * same length. NULL: out of memory. */
MCQ_MUST_CHECK void *mcq_map(size_t bytes);
void mcq_unmap(void *memory, size_t bytes);

/* The same for secrets: left out of core dumps, zero in forked children, and not written to swap as
 * far as the process's limits allow. Wiped when it is given back. */
MCQ_MUST_CHECK void *mcq_map_secret(size_t bytes);
void mcq_unmap_secret(void *memory, size_t bytes);

/* The pages of a mapping from mcq_map that lie here go back to the kernel; they read as zero until
 * they are written again. */
void mcq_map_discard(void *memory, size_t bytes);

/* What is out at this moment. Exact when no other thread is inside a call of this file. */
struct mcq_ledger {
    uint64_t block_count; /* allocations and mappings */
    uint64_t bytes;       /* what they occupy: the heap rounds requests up */
};

struct mcq_ledger mcq_alloc_ledger(void);

/* For tests: the n-th allocation or mapping from now is refused, once; n = 0: none is. */
void mcq_alloc_fail_at(uint64_t n);

/* How many more calls until that happens. 0: it has happened, or nothing was asked for. */
uint64_t mcq_alloc_fail_left(void);

#endif
