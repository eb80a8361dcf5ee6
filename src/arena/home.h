/*
 * home: where the buffers of a pool come back to, from whichever thread drops the last reference.
 *
 * Layer:   arena; the part that slab and block have in common.
 * Threads: put from any thread; all else from the pool's owner thread.
 * Bound:   holds at most the buffers that are out; allocates nothing.
 *
 *   OPEN --leave, all are home--> ended
 *    |
 *    +--leave, some are out--> ORPHANED --the last one comes home--> ended
 *
 * OPEN: a stack. Any thread pushes one, the owner detaches all at once; nobody pops a single one,
 * so there is no ABA. ORPHANED: the owner is gone, as when a message outlives its socket and its
 * context. Buffers end one by one, and the thread that brings the last one ends the pool.
 */
#ifndef MCQ_ARENA_HOME_H
#define MCQ_ARENA_HOME_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/alloc.h"
#include "arena/buf.h"
#include "base/assert.h"

struct mcq_home_ops {
    void (*end_buf)(struct mcq_home *home, struct mcq_buf *buf); /* NULL: ends with the pool */
    void (*end_pool)(struct mcq_home *home);
};

struct mcq_home {
    const struct mcq_home_ops *ops;
    uint64_t out_count; /* the owner's: taken and not drained */
    /* On a line of its own: other threads write it while the owner works on its pool. */
    alignas(MCQ_LINE_BYTES) _Atomic(struct mcq_buf *) returned;
    _Atomic(uint64_t) orphan_count; /* see mcq_home_leave */
};

void mcq_home_init(struct mcq_home *home, const struct mcq_home_ops *ops);

/* Makes a free buffer of this pool FILLING, all room, one reference to the caller. Owner thread. */
void mcq_home_take(struct mcq_home *home, struct mcq_buf *buf);

/* A buffer whose last reference was dropped. Any thread. */
void mcq_home_put(struct mcq_home *home, struct mcq_buf *buf);

/* The caller holds a reference of a buffer of any pool. If it is the last one the buffer is FREE
 * and the caller's, who sees that it comes home. false: others hold it, too; nothing changed. Any
 * thread. */
MCQ_MUST_CHECK bool mcq_home_take_last(struct mcq_buf *buf);

/* Writes the address of a buffer, of which the caller holds the only reference, into the octets of
 * such a FREE one of the same pool, to come home with it. false: no room; nothing changed. Any
 * thread. */
bool mcq_home_pack(struct mcq_buf *parcel, struct mcq_buf *buf);

/* Puts several such buffers of one pool, linked by pool.next. Any thread. */
void mcq_home_put_all(struct mcq_home *home, struct mcq_buf *first, struct mcq_buf *last);

/* The owner holds a reference of a buffer of this pool. If it is the last one the buffer is FREE,
 * as if it had come home and been drained. false: others hold it, too; nothing changed. Owner
 * thread. */
bool mcq_home_take_back(struct mcq_home *home, struct mcq_buf *buf);

/* All that came home, newest first, linked by pool.next. NULL: nothing did. Owner thread. */
struct mcq_buf *mcq_home_drain(struct mcq_home *home);

/* The same without a look at each: mcq_home_next and mcq_home_arrived follow for every one of them,
 * before the owner leaves. */
struct mcq_buf *mcq_home_detach(struct mcq_home *home);

/* The next of a list, FREE; *list is the rest, NULL at its end. What was packed comes before its
 * parcel. */
struct mcq_buf *mcq_home_next(struct mcq_buf **list);
static inline void mcq_home_arrived(struct mcq_home *home)
{
    mcq_assert_hot(home->out_count > 0);
    home->out_count--;
}

/* The owner leaves, having drained for the last time or not. Ends the pool now or when the last
 * buffer comes home, in that thread; *home is no longer the caller's. */
void mcq_home_leave(struct mcq_home *home);

#endif
