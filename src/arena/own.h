/*
 * own: blocks of the calling thread, for messages that an application makes before it says which
 * socket they are for.
 *
 * Layer:   arena.
 * Threads: each has its own; blocks may go anywhere and are given back by any thread (home.h).
 * Bound:   a pool (block.h) for each thread that has one, up to MCQ_OWN_BYTES_MAX a block.
 *
 *   (nothing) --begin--> a pool --end, or the thread's end--> (nothing)
 *
 * A thread that makes a message now and then is well served by the heap; one that goes on sending
 * them begins a pool. What comes home in its thread costs no atomic operation.
 */
#ifndef MCQ_ARENA_OWN_H
#define MCQ_ARENA_OWN_H

#include "arena/block.h"

#define MCQ_OWN_BYTES_MAX 4096 /* beyond it a body costs more than the heap does */

/* initial-exec: a word that a library may use without a call to look it up. */
extern _Thread_local struct mcq_blocks *mcq_own_pool __attribute__((tls_model("initial-exec")));

/* NULL: the heap will do. */
static inline struct mcq_blocks *mcq_own_blocks(void)
{
    return mcq_own_pool;
}

/* This thread has a pool from now on, if there is memory for it. */
void mcq_own_begin(void);

/* It has none any more; blocks that are out stay valid. */
void mcq_own_end(void);

#endif
