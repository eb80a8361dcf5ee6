/*
 * grow: a run of octets that grows with what has arrived, up to a ceiling.
 *
 * Layer:   arena. Sans-IO callers may use it: it has no thread, descriptor, clock or global.
 * Threads: one at a time.
 * Bound:   max_bytes octets of content. Memory is for octets that are there: capacity is less than
 *          twice the most that was asked for since the last clear, and at least
 *          MCQ_GROW_BYTES_MIN. After clear at most MCQ_GROW_KEEP_BYTES stay.
 *
 *   | content: len | reserved and not yet committed | up to max_bytes |
 *   data           room
 *
 * Capacity doubles, so collecting n octets copies fewer than 2n in all, however they are cut. A
 * call that fails leaves the content as it was, and later calls may succeed.
 */
#ifndef MCQ_ARENA_GROW_H
#define MCQ_ARENA_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

#define MCQ_GROW_BYTES_MIN 64   /* the first allocation: most commands fit */
#define MCQ_GROW_KEEP_BYTES 512 /* what an idle peer may keep: a handshake fits, a burst does not */

struct mcq_grow {
    uint8_t *data; /* NULL while capacity is 0 */
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool wipes; /* it may hold secrets: what is dropped or left behind by growing is overwritten */
};

/* Empty; allocates nothing. `wipes` is false; set it before octets come. */
void mcq_grow_init(struct mcq_grow *grow, size_t max_bytes);

/* Frees the memory; views of it end. The struct may be initialised again. */
void mcq_grow_fini(struct mcq_grow *grow);

/* Makes room for `len` octets after the content, to be written in place; views of the content end.
 *   MCQ_OK      mcq_grow_room has at least len octets
 *   MCQ_LIMIT   the content would exceed max_bytes; nothing changed
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_grow_reserve(struct mcq_grow *grow, size_t len);

/* Where reserved octets are written; lasts until the next reserve, append, clear or fini. */
static inline uint8_t *mcq_grow_room(struct mcq_grow *grow)
{
    return grow->capacity == 0 ? NULL : grow->data + grow->len;
}

/* The first `len` octets of the room are written and belong to the content now. */
static inline void mcq_grow_commit(struct mcq_grow *grow, size_t len)
{
    mcq_assert(len <= grow->capacity - grow->len);
    grow->len += len;
}

/* Reserves, copies and commits; results as mcq_grow_reserve. `bytes` is not part of the content. */
MCQ_MUST_CHECK enum mcq_err mcq_grow_append(struct mcq_grow *grow, struct mcq_bytes bytes);

/* Drops the content; views of it end. */
void mcq_grow_clear(struct mcq_grow *grow);

/* Takes `len` octets at `at` out of the content; views of it end. What is left much less than its
 * memory moves to less. */
void mcq_grow_cut(struct mcq_grow *grow, size_t at, size_t len);

/* The content, borrowed until the next reserve, append, clear or fini. */
static inline struct mcq_bytes mcq_grow_bytes(const struct mcq_grow *grow)
{
    return mcq_bytes(grow->data, grow->len);
}

#endif
