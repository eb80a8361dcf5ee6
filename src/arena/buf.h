/*
 * buf: octets that never change once they are frozen, shared by reference count.
 *
 * Layer:   arena.
 * Threads: ref, unref and reading frozen octets from any thread that holds a reference. room and
 *          freeze belong to the filler, the one who took the buffer; only one at a time.
 * Bound:   none of its own; pools (arena/slab.h, arena/block.h) and the heap's users have theirs.
 *
 *   FREE --take, new--> FILLING --freeze--> SHARED --last unref--> FREE
 *                       kernel or caller    readers only;          to its pool, to the heap,
 *                       writes              never changes again    or to the application
 *
 *   0 ............... frozen ............... size
 *   |  SHARED         |  FILLING             |    freeze moves the border right
 *
 * It moves back only over octets that nobody but the filler has seen (mcq_buf_thaw).
 *
 * A receive block goes through this in pieces: messages at its front are shared while the kernel
 * fills its tail. Three kinds differ in where the octets live and where they go in the end:
 *
 *   HEAP      one allocation, header and octets together; freed
 *   POOL      a slab's or a size class's; comes home to its pool (arena/home.h)
 *   FOREIGN   the application's memory; its free function is called, once, by whichever thread
 *             drops the last reference
 *
 * Reference protocol (each line names the accesses that it orders):
 *
 *   ref     relaxed. Whoever adds a reference holds one, so the buffer cannot end meanwhile, and
 *           the octets came to this thread by whatever brought it that reference.
 *   unref   release. What this holder read or wrote comes before its drop.
 *   last    acquire, on the counter, after seeing that no reference but our own is left. Pairs with
 *           the release of all earlier drops, so every access of every holder comes before the end:
 *           free, reuse by the next filler, the application's free function.
 *
 * A holder that finds the counter at just what it holds is alone, and nobody can join it: only
 * holders make references. It skips the atomic subtraction.
 *
 * The counter has 64 bits and cannot wrap: adding a billion references a second it takes centuries
 * to come from MCQ_HANDOUT_LOT to 2^64, and each reference is held by some octets of memory. So ref
 * cannot fail, and fan-out has no error path.
 */
#ifndef MCQ_ARENA_BUF_H
#define MCQ_ARENA_BUF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

struct mcq_home;

/* Called once, with what mcq_buf_wrap was given, in whatever thread drops the last reference. It
 * must not call back into the socket that held the message. */
typedef void mcq_buf_free_fn(void *data, void *hint);

enum mcq_buf_kind {
    MCQ_BUF_HEAP,
    MCQ_BUF_POOL,
    MCQ_BUF_FOREIGN,
};

/* Read by holders, written by src/arena only. One cache line, for the counter is shared. */
struct mcq_buf {
    _Atomic(uint64_t) refs; /* 0: FREE */
    uint8_t *data;
    size_t size;
    size_t frozen; /* the filler's */
    enum mcq_buf_kind kind;
    uint32_t class_index; /* POOL: the size class; 0 in a slab */
    union {
        struct {
            struct mcq_home *home;
            struct mcq_buf *next; /* while FREE: the free list */
        } pool;
        struct {
            mcq_buf_free_fn *fn;
            void *hint;
        } foreign;
    };
    uint64_t parcel_count; /* FREE, on its way home: others whose addresses lie in its octets */
};
static_assert(sizeof(struct mcq_buf) == 64, "a cache line, and part of every pin bound");

/* A heap buffer with room for `size` octets, 1 or more, FILLING, one reference to the caller.
 *   MCQ_NOMEM   *buf is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_buf_new(size_t size, struct mcq_buf **buf);

/* The application's octets as a buffer, SHARED at once, one reference to the caller. fn may be
 * NULL: the octets are constant data. `size` may be 0.
 *   MCQ_OK      the octets must not change or go before fn is called
 *   MCQ_NOMEM   nothing moved: *buf is untouched, fn is not called */
MCQ_MUST_CHECK enum mcq_err mcq_buf_wrap(void *data, size_t size, mcq_buf_free_fn *fn, void *hint,
                                         struct mcq_buf **buf);

/* One more reference, for whoever the caller passes it to. */
static inline void mcq_buf_ref(struct mcq_buf *buf)
{
    uint64_t before = atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);

    mcq_assert_hot(before > 0); /* a FREE buffer has no holder who could do this */
    (void) before;
}

/* Drops the caller's reference; the last one ends the buffer, FILLING or SHARED. */
void mcq_buf_unref(struct mcq_buf *buf);

/* Where the filler writes: room_len octets, 0 when all is frozen. */
static inline uint8_t *mcq_buf_room(struct mcq_buf *buf)
{
    return buf->data + buf->frozen;
}

static inline size_t mcq_buf_room_len(const struct mcq_buf *buf)
{
    return buf->size - buf->frozen;
}

/* The first `len` octets of the room are filled and never change again; len <= room_len. Returns
 * them, borrowed as long as a reference is held. */
struct mcq_bytes mcq_buf_freeze(struct mcq_buf *buf, size_t len);

/* The last `len` octets that were frozen, from `start` on, are room again, if those are the last:
 * nobody has seen them. */
void mcq_buf_thaw(struct mcq_buf *buf, const uint8_t *start, size_t len);

/* Whether these octets are frozen octets of buf; the filler's to ask. */
bool mcq_buf_holds(const struct mcq_buf *buf, struct mcq_bytes bytes);

/* Whether they lie in it, frozen or not; anyone's to ask. */
bool mcq_buf_spans(const struct mcq_buf *buf, struct mcq_bytes bytes);

/* What a single reference keeps alive: all octets of the buffer and its header. */
static inline size_t mcq_buf_pinned_bytes(const struct mcq_buf *buf)
{
    return buf->size + sizeof(struct mcq_buf);
}

/*
 * handout: one holder gives out many references without an atomic operation for each.
 *
 * Threads: the owner's. The references it gives out are ordinary ones.
 *
 *   one reference --init--> a lot of them --ref, ref, ...--> fewer --fini--> the rest is dropped
 *
 * The counter starts at a large lot; each reference given out is a plain decrement of `left`; fini
 * subtracts what is left, in one step. Receiving n messages costs one atomic operation for each
 * that is closed, and one for the block.
 */
#define MCQ_HANDOUT_LOT (UINT64_C(1) << 62)

struct mcq_handout {
    struct mcq_buf *buf; /* NULL: empty */
    uint64_t left;       /* references owned and not given out; at least 1 */
};

/* Moves *buf, the only reference to it, in. */
void mcq_handout_init(struct mcq_handout *handout, struct mcq_buf **buf);

/* A reference, owned by the caller. */
static inline struct mcq_buf *mcq_handout_ref(struct mcq_handout *handout)
{
    mcq_assert_hot(handout->left > 1); /* the last one is the owner's, and cannot be reached */
    handout->left--;
    return handout->buf;
}

/* A reference comes back to the owner before anybody else had it, or from who had it under the same
 * lock. */
static inline void mcq_handout_take_back(struct mcq_handout *handout)
{
    handout->left++;
}

/* Starts the buffer over, all of it room again, if no reference is out: a receiver stays on memory
 * that is warm. True: done; all views of it end here. False: readers are left; nothing changed. */
bool mcq_handout_rewind(struct mcq_handout *handout);

/* Drops the rest of the lot; the buffer ends here or with the last reference that is out. */
void mcq_handout_fini(struct mcq_handout *handout);

#endif
