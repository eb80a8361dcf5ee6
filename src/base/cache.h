/*
 * cache: a word to the processor about memory that is soon used.
 *
 * Layer:   base.
 */
#ifndef MCQ_BASE_CACHE_H
#define MCQ_BASE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#define MCQ_CACHE_LINE_BYTES 64

/* Fetches what is there, to be written to, while the caller goes on. It may be anything, or not
 * there at all: nothing is read. */
static inline void mcq_cache_warm(const void *start, size_t len)
{
    size_t before = (uintptr_t) start % MCQ_CACHE_LINE_BYTES;

    for (size_t at = 0; at < before + len; at += MCQ_CACHE_LINE_BYTES)
        __builtin_prefetch((const void *) ((uintptr_t) start - before + at), 1);
}

#endif
