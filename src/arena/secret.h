/*
 * secret: small memory for what nobody else may see: keys of connections.
 *
 * Layer:   arena.
 * Threads: any; memory may be given back by another thread than the one that took it.
 * Bound:   none of its own: one cell for each connection that has keys. A chunk of cells goes back
 *          to the kernel with its last one.
 * Fork:    nothing is locked over a fork. The child begins without chunks; those that it came with
 *          read as zero there, and stay mapped.
 *
 *   FREE, poisoned --take--> OUT, zero --put--> wiped, FREE
 *
 * Chunks are mappings that the kernel leaves out of core dumps, does not write to swap as far as
 * the process's limits allow, and shows forked children as zeros (mcq_map_secret). What says which
 * cell is free lies apart, on the heap, so that it is there after a fork.
 */
#ifndef MCQ_ARENA_SECRET_H
#define MCQ_ARENA_SECRET_H

#include <stddef.h>

#include "base/attr.h"

#define MCQ_SECRET_BYTES_MAX 512

/* A cell of at least `bytes` octets, 1 .. MCQ_SECRET_BYTES_MAX, all zero, on a line of its own.
 * NULL: out of memory. */
MCQ_MUST_CHECK void *mcq_secret_take(size_t bytes);

/* Wipes it and gives it back. NULL is nothing. */
void mcq_secret_put(void *memory);

#endif
