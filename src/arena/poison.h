/*
 * poison: tells the sanitizers which octets of a pool nobody may touch.
 *
 * Layer:   arena.
 *
 * A block that came home stays mapped, so neither AddressSanitizer nor MemorySanitizer would see a
 * reader that comes too late, or a reader of what the last user left. Without them this is nothing.
 */
#ifndef MCQ_ARENA_POISON_H
#define MCQ_ARENA_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define MCQ_POISON_MSAN 1
#endif
#if __has_feature(address_sanitizer)
#define MCQ_POISON_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MCQ_POISON_ASAN 1
#endif

#if defined(MCQ_POISON_ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(MCQ_POISON_MSAN)
#include <sanitizer/msan_interface.h>
#endif

/* The block is free: touching it is an error. */
static inline void mcq_poison(const void *data, size_t len)
{
#if defined(MCQ_POISON_ASAN)
    __asan_poison_memory_region(data, len);
#else
    (void) data;
    (void) len;
#endif
}

/* The block is taken: it may be written, and read where it was written. */
static inline void mcq_unpoison(const void *data, size_t len)
{
#if defined(MCQ_POISON_ASAN)
    __asan_unpoison_memory_region(data, len);
#elif defined(MCQ_POISON_MSAN)
    __msan_allocated_memory(data, len);
#else
    (void) data;
    (void) len;
#endif
}

/* A library without instrumentation wrote these octets: MemorySanitizer did not see it. */
static inline void mcq_written(const void *data, size_t len)
{
#if defined(MCQ_POISON_MSAN)
    __msan_unpoison(data, len);
#else
    (void) data;
    (void) len;
#endif
}

/* What such a library is about to read has to be written, or it would leave the process unseen. */
static inline void mcq_check_written(const void *data, size_t len)
{
#if defined(MCQ_POISON_MSAN)
    __msan_check_mem_is_initialized(data, len);
#else
    (void) data;
    (void) len;
#endif
}

#endif
