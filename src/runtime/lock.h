/*
 * lock: a socket's one lock, and the mail for whoever holds it.
 *
 * Layer:   runtime.
 * Threads: any. Application threads wait for the lock; an engine never does: what it has to say
 *          to a socket that is locked it posts, and the holder reads it before it lets go.
 * Bound:   the lock allocates nothing; letters are their senders' storage.
 *
 *   word:   HELD     somebody has the lock
 *           SLEPT    somebody may sleep for it in the kernel
 *           MAIL     letters were posted and not yet taken
 *           BIASED   the lock is `owner`'s, who enters and leaves without writing the word
 *
 *   take --> HELD --release--> free              release answers false while there is MAIL:
 *             ^                                  the holder takes the letters, and tries again
 *             +--- post, when it was free meanwhile: the poster is the holder then
 *
 * No letter is left: post puts it in the box first (release), then sets MAIL in the word. Whoever
 * clears HELD does so only in a word without MAIL, in one exchange with the word (acquire,
 * release), so a post comes either before it, and is seen, or behind it, and finds the word free.
 *
 * A lock that one thread has taken many times in a row is biased to it (runtime/bias.h):
 *
 *   free --many takes by one thread--> BIASED --anybody else, or mail--> HELD --release--> free
 *
 * The owner says in its cell that it is inside, then reads the word: nothing but BIASED, and the
 * lock is its own. It says that it is out (release) and reads the word once more: if there is mail,
 * or somebody sleeps, it tries to be the holder in the ordinary way, and goes on as such. Others
 * set MAIL or SLEPT in the word, fence, and read the owner's cell (acquire): if it is out, they
 * exchange the word for HELD, which fails if anything of it has changed; if it is inside it will
 * see their bit on its way out. Each bias of a lock has a number in the word, so that this exchange
 * cannot take a later bias for the one whose owner was seen outside. The model is
 * tests/model/bias.pml.
 *
 * What a bias saves in a call is a fiftieth of what its end costs, so each end doubles the number
 * of takes that the next one needs.
 */
#ifndef MCQ_RUNTIME_LOCK_H
#define MCQ_RUNTIME_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "runtime/bias.h"

/* Embedded in what is said. In one box at a time. */
struct mcq_letter {
    struct mcq_letter *next;
};

struct mcq_lock {
    _Atomic uint32_t word;            /* bits, and above them the number of the bias */
    _Atomic(struct mcq_letter *) box; /* newest first */
    _Atomic(struct mcq_bias *) owner; /* while it is BIASED */
    const void *last;       /* who took it last without a bias; from here on the holder's */
    uint32_t streak;        /* how often in a row */
    uint32_t streak_wanted; /* for a bias */
    uint32_t bias_count;
};

/* Free, no letters. */
void mcq_lock_init(struct mcq_lock *lock);

#define MCQ_LOCK_HELD UINT32_C(1)
#define MCQ_LOCK_SLEPT UINT32_C(2)
#define MCQ_LOCK_MAIL UINT32_C(4)
#define MCQ_LOCK_BIASED UINT32_C(8)
#define MCQ_LOCK_BITS UINT32_C(15)

/* The rest of the calls below: somebody else has the lock, sleeps for it, or has written. */
void mcq_lock_take_slowly(struct mcq_lock *lock);
MCQ_MUST_CHECK bool mcq_lock_release_slowly(struct mcq_lock *lock);
MCQ_MUST_CHECK bool mcq_lock_return_slowly(struct mcq_lock *lock);

/* Whether the lock is the calling thread's by its bias, from now on. */
static inline bool mcq_lock_enter(struct mcq_lock *lock)
{
    struct mcq_bias *own = mcq_bias_own;

    if (own == NULL || atomic_load_explicit(&lock->owner, memory_order_relaxed) != own ||
        atomic_load_explicit(&own->inside, memory_order_relaxed) != NULL)
        return false;
    atomic_store_explicit(&own->inside, lock, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* what others' fence makes one of the processor's */
    /* Acquire: pairs with the release of the last holder, and shows the owner of this bias. */
    if (MCQ_LIKELY((atomic_load_explicit(&lock->word, memory_order_acquire) & MCQ_LOCK_BITS) ==
                   MCQ_LOCK_BIASED) &&
        MCQ_LIKELY(atomic_load_explicit(&lock->owner, memory_order_relaxed) == own))
        return true;
    atomic_store_explicit(&own->inside, NULL, memory_order_release);
    return false;
}

/* Waits until the lock is the caller's. */
static inline void mcq_lock_take(struct mcq_lock *lock)
{
    uint32_t word = 0;

    if (MCQ_LIKELY(mcq_lock_enter(lock)))
        return;
    if (MCQ_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->word, &word, MCQ_LOCK_HELD, memory_order_acquire, memory_order_relaxed)))
        mcq_lock_take_slowly(lock);
    lock->streak = lock->last == &mcq_bias_own ? lock->streak + 1 : 0;
    lock->last = &mcq_bias_own;
}

/* Takes the lock if it is free now. */
MCQ_MUST_CHECK bool mcq_lock_try(struct mcq_lock *lock);

/* The holder's: whether the lock may be biased from now on; at first it may. If not, whoever lets
 * go of it does not look at it afterwards: for a lock that is about to end. */
void mcq_lock_set_biasable(struct mcq_lock *lock, bool is_biasable);

/* Lets go. false: there are letters, and the lock is still held; take them and try again. */
MCQ_MUST_CHECK static inline bool mcq_lock_release(struct mcq_lock *lock)
{
    struct mcq_bias *own = mcq_bias_own;
    uint32_t word = MCQ_LOCK_HELD;

    if (own != NULL && atomic_load_explicit(&own->inside, memory_order_relaxed) == lock) {
        atomic_store_explicit(&own->inside, NULL, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst); /* as in mcq_lock_enter */
        if (MCQ_LIKELY((atomic_load_explicit(&lock->word, memory_order_relaxed) & MCQ_LOCK_BITS) ==
                       MCQ_LOCK_BIASED))
            return true;
        return mcq_lock_return_slowly(lock);
    }
    if (MCQ_LIKELY(lock->streak < lock->streak_wanted) &&
        MCQ_LIKELY(atomic_compare_exchange_strong_explicit(
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
