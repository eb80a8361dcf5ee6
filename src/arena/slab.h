/*
 * slab: fixed-size receive blocks carved from one mapping, shared by reference count.
 *
 * Layer:   arena.
 * Threads: one owner thread per slab, which may change under the owner's lock; blocks are ordinary
 *          buffers (arena/buf.h), so their references are dropped in any thread.
 * Bound:   block_count blocks, all mapped at new; take never allocates, blocks or fails.
 *
 *   FREE --take--> FILLING --freeze--> SHARED --last unref--> FREE
 *                  kernel writes       readers only; bytes never change again
 *
 * Blocks that come home lie on a lock-free stack until the owner's next take. The block that was
 * freed last is taken first, for it is the warmest; memory that was never needed is never touched,
 * and mcq_slab_trim makes blocks that are not needed any more like those.
 *
 * The mapping is copied on write by fork, as all memory: a child can read and close the messages it
 * inherited (docs/adr/0003-arena.md says why it is not kept out of the child).
 */
#ifndef MCQ_ARENA_SLAB_H
#define MCQ_ARENA_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "arena/buf.h"

#define MCQ_SLAB_BLOCK_BYTES_MIN 512
#define MCQ_SLAB_BLOCK_BYTES_MAX 1048576
#define MCQ_SLAB_BLOCK_COUNT_MAX 65536 /* what a ring's 16-bit buffer id can name */

struct mcq_slab;

/* Maps block_count * block_bytes octets, and 64 more for each block.
 *   block_bytes   power of two, 512 .. 1 MiB
 *   block_count   1 .. 65536
 *   MCQ_OK        live; the caller owns it and ends it with mcq_slab_free
 *   MCQ_NOMEM     the mapping failed; *slab is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_slab_new(size_t block_bytes, uint32_t block_count,
                                         struct mcq_slab **slab);

/* Takes a free block, FILLING, one reference to the caller. NULL: all are out, which is
 * backpressure and not a failure; stop arming reads until a block comes home. Owner thread only. */
struct mcq_buf *mcq_slab_take(struct mcq_slab *slab);

/* Gives the memory of free blocks back to the kernel, of `most` of them at a time, but for the
 * `keep` that came home last. Blocks of less than a page keep theirs. True: there are more. Owner
 * thread. */
bool mcq_slab_trim(struct mcq_slab *slab, uint32_t keep, uint32_t most);

/* Free blocks with memory behind them. Owner thread. */
uint32_t mcq_slab_warm_count(struct mcq_slab *slab);

size_t mcq_slab_block_bytes(const struct mcq_slab *slab);

/* Blocks that are out now; 0 means that mcq_slab_free unmaps at once. Owner thread only. */
uint32_t mcq_slab_out_count(struct mcq_slab *slab);

/* The owner leaves; *slab becomes NULL. While blocks are out, under a read or in messages of the
 * application, the mapping stays, and the thread that drops the last reference unmaps it. */
void mcq_slab_free(struct mcq_slab **slab);

#endif
