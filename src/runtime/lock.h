/*
 * lock: a socket's one lock, and the mail for whoever holds it.
 *
 * Layer:   runtime.
 * Threads: any. Application threads wait for the lock; an engine never does: what it has to say to
 * a
 *          socket that is locked it posts, and the holder reads it before it lets go.
 * Bound:   the lock allocates nothing; letters are their senders' storage.
 *
 *   word:   HELD   somebody has the lock
 *           SLEPT  somebody may sleep for it in the kernel
 *           MAIL   letters were posted and not yet taken
 *
 *   take --> HELD --release--> free              release answers false while there is MAIL:
 *             ^                                  the holder takes the letters, and tries again
 *             +--- post, when it was free meanwhile: the poster is the holder then
 *
 * No letter is left: post puts it in the box first (release), then sets MAIL in the word. Whoever
 * clears HELD does so only in a word without MAIL, in one exchange with the word (acquire,
 * release), so a post comes either before it, and is seen, or behind it, and finds the word free.
 */
#ifndef MCQ_RUNTIME_LOCK_H
#define MCQ_RUNTIME_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* Embedded in what is said. In one box at a time. */
struct mcq_letter {
    struct mcq_letter *next;
};

struct mcq_lock {
    _Atomic uint32_t word;
    _Atomic(struct mcq_letter *) box; /* newest first */
};

void mcq_lock_init(struct mcq_lock *lock);

#define MCQ_LOCK_HELD UINT32_C(1)
#define MCQ_LOCK_SLEPT UINT32_C(2)
#define MCQ_LOCK_MAIL UINT32_C(4)

/* The rest of the calls below: somebody else has the lock, sleeps for it, or has written. */
void mcq_lock_take_slowly(struct mcq_lock *lock);
MCQ_MUST_CHECK bool mcq_lock_release_slowly(struct mcq_lock *lock);

/* Waits until the lock is the caller's. */
static inline void mcq_lock_take(struct mcq_lock *lock)
{
    uint32_t word = 0;

    if (MCQ_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->word, &word, MCQ_LOCK_HELD, memory_order_acquire, memory_order_relaxed)))
        mcq_lock_take_slowly(lock);
}

/* Takes the lock if it is free now. */
MCQ_MUST_CHECK bool mcq_lock_try(struct mcq_lock *lock);

/* Lets go. false: there are letters, and the lock is still the caller's; take them and try again.
 */
MCQ_MUST_CHECK static inline bool mcq_lock_release(struct mcq_lock *lock)
{
    uint32_t word = MCQ_LOCK_HELD;

    if (MCQ_LIKELY(atomic_compare_exchange_strong_explicit(
            &lock->word, &word, 0, memory_order_release, memory_order_relaxed)))
        return true;
    return mcq_lock_release_slowly(lock);
}

/* Posts a letter.
 *   true    the lock was free, and is the caller's now: take the letters, then release
 *   false   the holder, or the next one, will take it */
MCQ_MUST_CHECK bool mcq_lock_post(struct mcq_lock *lock, struct mcq_letter *letter);

/* All letters, oldest first, linked by next; NULL: none. The holder's. */
struct mcq_letter *mcq_lock_take_letters(struct mcq_lock *lock);

#endif
