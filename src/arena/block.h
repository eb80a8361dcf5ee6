/*
 * block: buffers in a few sizes, for bodies too large to lie in a message and too small to keep a
 * receive block alive.
 *
 * Layer:   arena.
 * Threads: one owner thread, which may change under the owner's lock; the blocks' references are
 *          dropped in any thread.
 * Bound:   after each trim at most MCQ_BLOCK_CACHE_BYTES free octets per class, or what
 *          mcq_blocks_set_cache said; before it, what came home since as well. Blocks that are out
 *          are messages, and counted as such by their owner. Of another pool MCQ_BLOCK_GUESTS_MAX
 *          blocks that wait to go home.
 *
 * Those that wait to go home are a list, and the octets of one of them a parcel: the addresses of
 * others that nobody else holds, whose headers stay in the cache of their owner.
 *
 *   heap --take--> FILLING --freeze--> SHARED --last unref--> FREE --take--> FILLING ...
 *                                                              |
 *                                                              +-- cache is full, trim --> heap
 *
 * Classes double from MCQ_BLOCK_BYTES_MIN to MCQ_BLOCK_BYTES_MAX, so that a block is never twice as
 * large as its body, and with its header less than four times (the sum is in arena/msg.h).
 */
#ifndef MCQ_ARENA_BLOCK_H
#define MCQ_ARENA_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "arena/buf.h"

/* Smaller bodies lie in the message itself. */
#define MCQ_BLOCK_BYTES_MIN 64
/* A quarter of the largest receive block worth having, 256 KiB: what is longer is referenced, so
 * whatever is copied has a class. */
#define MCQ_BLOCK_BYTES_MAX 65536
#define MCQ_BLOCK_CLASS_COUNT 11
/* Free octets that a class keeps: two batches of 128 KiB, the one that the application holds and
 * the one that arrives. Without them malloc gives each batch back to the kernel and faults it in
 * again (docs/adr/0003-arena.md). */
#define MCQ_BLOCK_CACHE_BYTES 262144

static_assert(MCQ_BLOCK_BYTES_MIN << (MCQ_BLOCK_CLASS_COUNT - 1) == MCQ_BLOCK_BYTES_MAX,
              "the classes end where they should");

/* Blocks of other pools that wait to go home together, and their octets. */
#define MCQ_BLOCK_GUESTS_MAX 32
#define MCQ_BLOCK_GUEST_BYTES_MAX 65536

struct mcq_blocks;

/* A pool with empty caches; the caller owns it and ends it with mcq_blocks_free.
 *   MCQ_NOMEM   *blocks is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_blocks_new(struct mcq_blocks **blocks);

/* Free octets that a class keeps where another thread brings home what was lent: what two default
 * high-water marks of messages of 1 KiB have lent comes home in one go when that thread runs. */
#define MCQ_BLOCK_LENT_CACHE_BYTES (2 << 20)

/* How many free octets a class keeps, in place of MCQ_BLOCK_CACHE_BYTES. Owner thread. */
void mcq_blocks_set_cache(struct mcq_blocks *blocks, size_t bytes);

/* Takes a buffer with room for at least `len` octets, FILLING, one reference to the caller. `len`
 * is at least 1; above MCQ_BLOCK_BYTES_MAX it is a heap buffer of exactly that size. Owner thread.
 *   MCQ_NOMEM   *buf is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_blocks_take(struct mcq_blocks *blocks, size_t len,
                                            struct mcq_buf **buf);

/* Drops a reference of the caller's: as mcq_buf_unref, but what a pool of its own gets back at the
 * hands of its owner costs no atomic exchange, and what another pool gets back may wait. Owner
 * thread; `buf` may be any buffer. */
void mcq_blocks_put(struct mcq_blocks *blocks, struct mcq_buf *buf);

/* The same for what is this pool's and nobody else holds. false: it is not so, and nothing changed;
 * `buf` may be any buffer. Owner thread. */
bool mcq_blocks_take_back(struct mcq_blocks *blocks, struct mcq_buf *buf);

/* The pool that `buf` is of, if the caller's reference is the only one. NULL: it is of none, or
 * others hold it, too. Any holder. */
struct mcq_blocks *mcq_blocks_of_sole(const struct mcq_buf *buf);

/* As mcq_blocks_put, of a reference that was seen to be the only one: where it waits for others its
 * header is not looked at, which is in another processor's cache. `len`: of its octets, as many as
 * count. */
void mcq_blocks_put_sole(struct mcq_blocks *blocks, struct mcq_blocks *pool, struct mcq_buf *buf,
                         size_t len);

/* The last reference to this buffer was dropped in the owner's thread. true: it is this pool's, and
 * home again. */
bool mcq_blocks_welcome(struct mcq_blocks *blocks, struct mcq_buf *buf);

/* Those that are another pool's wait, MCQ_BLOCK_GUESTS_MAX at most, to go home together: one
 * exchange with a word that two threads write, not one for each. Sends home who waits: for an owner
 * that has nothing else to do. Owner thread. */
void mcq_blocks_flush(struct mcq_blocks *blocks);

/* Gives all free blocks back to the heap: for an owner that falls idle. Owner thread. */
void mcq_blocks_trim(struct mcq_blocks *blocks);

/* The owner leaves; *blocks becomes NULL. Blocks that are out stay valid, and the thread that drops
 * the last reference frees what is left. */
void mcq_blocks_free(struct mcq_blocks **blocks);

#endif
