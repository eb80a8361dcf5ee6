#include "arena/alloc.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

/* One counter that every thread writes would cost more than the allocation it counts, so each
 * thread has its own, or nearly: see ledger_shard. A shard alone may be below zero, since memory
 * moves between threads; their sum, modulo 2^64, is right. One word holds both figures, so that an
 * allocation is one atomic addition:
 *
 *   bits 36..63   allocations        up to 268 million
 *   bits  0..35   units of 8 octets  up to 512 GiB
 *
 * Beyond that the figures are wrong; whether anything is out is right all the same. */
#define LEDGER_SHARD_BITS 4
#define LEDGER_UNIT_BITS 36
#define LEDGER_UNIT_BYTES 8

struct ledger_shard {
    alignas(MCQ_LINE_BYTES) _Atomic(uint64_t) entry;
};

/* File-level state, for the heap is the process's, too. */
static struct ledger_shard ledger[1 << LEDGER_SHARD_BITS];
static _Atomic(uint64_t) fail_in;

static bool alloc_is_refused(size_t bytes);
static void *ledger_add(void *memory);
static uint64_t ledger_entry(size_t bytes);
static void ledger_count(uint64_t entry);

void *mcq_alloc(size_t bytes)
{
    return alloc_is_refused(bytes) ? NULL : ledger_add(malloc(bytes));
}

void *mcq_alloc_lines(size_t bytes)
{
    size_t whole_lines = (bytes + MCQ_LINE_BYTES - 1) & ~(size_t) (MCQ_LINE_BYTES - 1);

    return alloc_is_refused(bytes) ? NULL : ledger_add(aligned_alloc(MCQ_LINE_BYTES, whole_lines));
}

void *mcq_realloc(void *old, size_t bytes)
{
    if (alloc_is_refused(bytes))
        return NULL;

    uint64_t old_entry = old == NULL ? 0 : ledger_entry(malloc_usable_size(old));
    void *memory = realloc(old, bytes);

    if (memory != NULL)
        ledger_count(ledger_entry(malloc_usable_size(memory)) - old_entry);
    return memory;
}

void mcq_free(void *memory)
{
    if (memory == NULL)
        return;
    ledger_count(0 - ledger_entry(malloc_usable_size(memory)));
    free(memory);
}

void *mcq_map(size_t bytes)
{
    if (alloc_is_refused(bytes))
        return NULL;

    /* Slabs are as large as they may ever become; what is never touched is not to be paid for. */
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    ledger_count(ledger_entry(bytes));
    return memory;
}

/* Where the kernel does not want to, the memory stays: it is ours anyway. */
void *mcq_map_secret(size_t bytes)
{
    void *memory = mcq_map(bytes);

    if (memory != NULL) {
        (void) madvise(memory, bytes, MADV_DONTDUMP);
        (void) madvise(memory, bytes, MADV_WIPEONFORK);
        (void) mlock(memory, bytes);
    }
    return memory;
}

void mcq_unmap_secret(void *memory, size_t bytes)
{
    explicit_bzero(memory, bytes);
    mcq_unmap(memory, bytes);
}

void mcq_map_discard(void *memory, size_t bytes)
{
    (void) madvise(memory, bytes, MADV_DONTNEED);
}

void mcq_unmap(void *memory, size_t bytes)
{
    int result = munmap(memory, bytes);

    mcq_assert(result == 0); /* whole mappings only: nothing to split, nothing to run out of */
    ledger_count(0 - ledger_entry(bytes));
}

struct mcq_ledger mcq_alloc_ledger(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < MCQ_COUNTOF(ledger); i++)
        sum += atomic_load_explicit(&ledger[i].entry, memory_order_relaxed);
    return (struct mcq_ledger) {
        .block_count = sum >> LEDGER_UNIT_BITS,
        .bytes = (sum & ((UINT64_C(1) << LEDGER_UNIT_BITS) - 1)) * LEDGER_UNIT_BYTES,
    };
}

void mcq_alloc_fail_at(uint64_t n)
{
    atomic_store_explicit(&fail_in, n, memory_order_relaxed);
}

uint64_t mcq_alloc_fail_left(void)
{
    return atomic_load_explicit(&fail_in, memory_order_relaxed);
}

static bool alloc_is_refused(size_t bytes)
{
    mcq_assert(bytes > 0);
    if (MCQ_UNLIKELY(bytes > PTRDIFF_MAX))
        return true;

    uint64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);

    /* Exactly one of several threads gets the refusal. */
    while (MCQ_UNLIKELY(left > 0)) {
        if (atomic_compare_exchange_weak_explicit(&fail_in, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return left == 1;
    }
    return false;
}

static void *ledger_add(void *memory)
{
    if (memory != NULL)
        ledger_count(ledger_entry(malloc_usable_size(memory)));
    return memory;
}

/* The stack tells threads apart without a thread-local variable, which a shared library would have
 * to look up by a call. Two threads that meet in one shard lose time, nothing else. */
static struct ledger_shard *ledger_shard(void)
{
    uint64_t region = (uint64_t) (uintptr_t) __builtin_frame_address(0) >> 16;

    return &ledger[region * UINT64_C(0x9E3779B97F4A7C15) >> (64 - LEDGER_SHARD_BITS)];
}

/* What one allocation of so many octets adds. */
static uint64_t ledger_entry(size_t bytes)
{
    uint64_t units = (bytes + LEDGER_UNIT_BYTES - 1) / LEDGER_UNIT_BYTES;

    return (UINT64_C(1) << LEDGER_UNIT_BITS) + units;
}

/* Relaxed: counts order nothing. */
static void ledger_count(uint64_t entry)
{
    atomic_fetch_add_explicit(&ledger_shard()->entry, entry, memory_order_relaxed);
}
