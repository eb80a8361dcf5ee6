#include "runtime/lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/pause.h"

#define HELD MCQ_LOCK_HELD
#define SLEPT MCQ_LOCK_SLEPT
#define MAIL MCQ_LOCK_MAIL
#define BIASED MCQ_LOCK_BIASED
#define BITS MCQ_LOCK_BITS
#define NUMBER_SHIFT 4

#define PAUSES 64
/* Takes in a row for a bias: what its end costs is saved by as many as the least of these; where it
 * ends again and again, the most of them make that 1 ns a take. */
#define STREAK_MIN 64
#define STREAK_MAX 1024
#define STREAK_NEVER UINT32_MAX

static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    /* Woken early, or not at all because the word has changed: the caller looks again. */
    (void) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_one(_Atomic uint32_t *word)
{
    (void) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void mcq_lock_init(struct mcq_lock *lock)
{
    *lock = (struct mcq_lock) {.streak_wanted = STREAK_MIN};
}

/* --- the bias --------------------------------------------------------------------------------- */

/* Lets go of the lock to the calling thread's bias. False: it is still held. */
static bool give_bias(struct mcq_lock *lock)
{
    uint32_t word = HELD;

    if (lock->last != &mcq_bias_own)
        return false;
    if (!mcq_bias_begin()) {
        lock->streak_wanted = STREAK_NEVER;
        return false;
    }
    lock->streak = 0;
    lock->bias_count++;
    atomic_store_explicit(&lock->owner, mcq_bias_own, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(&lock->word, &word,
                                                BIASED | lock->bias_count << NUMBER_SHIFT,
                                                memory_order_release, memory_order_relaxed))
        return true;
    atomic_store_explicit(&lock->owner, NULL, memory_order_relaxed);
    return false;
}

/* By who is the holder now. */
static void end_bias(struct mcq_lock *lock)
{
    atomic_store_explicit(&lock->owner, NULL, memory_order_relaxed);
    if (lock->streak_wanted < STREAK_MAX)
        lock->streak_wanted *= 2;
}

/* Whether the owner has the lock. The word has said before this that somebody else is there. */
static bool is_inside(const struct mcq_lock *lock)
{
    const struct mcq_bias *owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);

    if (owner == NULL)
        return false; /* this bias is over, and the word another one */
    if (owner != mcq_bias_own)
        mcq_bias_fence();
    /* Acquire: pairs with the release of an owner that has left. */
    return atomic_load_explicit(&owner->inside, memory_order_acquire) == lock;
}

/* Of a word that is not HELD any other bits; of one that was BIASED this is the end. Acquire: pairs
 * with the release of the last holder. */
// NOLINTNEXTLINE(readability-non-const-parameter): the exchange writes what it found
static bool exchange(struct mcq_lock *lock, uint32_t *word, uint32_t bits)
{
    uint32_t before = *word;

    if (!atomic_compare_exchange_strong_explicit(&lock->word, word,
                                                 (before & (SLEPT | MAIL)) | bits,
                                                 memory_order_acquire, memory_order_acquire))
        return false;
    if (before & BIASED)
        end_bias(lock);
    return true;
}

/* The owner has left and found bits. Whoever set them may be gone, or have the lock by now. */
bool mcq_lock_return_slowly(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_acquire);

    do {
        if (!(word & BIASED) ||
            atomic_load_explicit(&lock->owner, memory_order_relaxed) != mcq_bias_own)
            return true;
    } while (!exchange(lock, &word, HELD));
    return mcq_lock_release_slowly(lock);
}

void mcq_lock_set_biasable(struct mcq_lock *lock, bool is_biasable)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);

    while ((word & BIASED) && !exchange(lock, &word, HELD))
        continue;
    if (mcq_bias_own != NULL &&
        atomic_load_explicit(&mcq_bias_own->inside, memory_order_relaxed) == lock)
        atomic_store_explicit(&mcq_bias_own->inside, NULL, memory_order_release);
    lock->streak = 0;
    lock->streak_wanted = is_biasable ? STREAK_MIN : STREAK_NEVER;
}

/* --- taking ----------------------------------------------------------------------------------- */

/* Sets these bits if the lock is nobody's, whatever else the word says. */
static bool try_with(struct mcq_lock *lock, uint32_t *word, uint32_t bits)
{
    while (!(*word & HELD)) {
        if ((*word & BITS) == BIASED) /* its owner has to hear of it first */
            *word = atomic_fetch_or_explicit(&lock->word, SLEPT, memory_order_acq_rel) | SLEPT;
        else if ((*word & BIASED) && is_inside(lock))
            return false;
        else if (exchange(lock, word, bits))
            return true;
    }
    return false;
}

bool mcq_lock_try(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_acquire);

    return try_with(lock, &word, HELD);
}

void mcq_lock_take_slowly(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_acquire);

    if ((word & BIASED) && try_with(lock, &word, HELD))
        return;
    /* It is mostly held for less than a sleep and a wake-up take. */
    for (int i = 0; i < PAUSES && (word & (HELD | BIASED)); i++) {
        mcq_pause();
        word = atomic_load_explicit(&lock->word, memory_order_acquire);
    }
    if (try_with(lock, &word, HELD))
        return;
    /* Who may have slept sets SLEPT with HELD: others may be asleep still, and only a release that
     * sees the bit wakes one of them. */
    while (!try_with(lock, &word, HELD | SLEPT)) {
        if (!(word & SLEPT) &&
            !atomic_compare_exchange_weak_explicit(&lock->word, &word, word | SLEPT,
                                                   memory_order_acquire, memory_order_acquire))
            continue;
        sleep_while(&lock->word, word | SLEPT);
        word = atomic_load_explicit(&lock->word, memory_order_acquire);
    }
}

bool mcq_lock_release_slowly(struct mcq_lock *lock)
{
    uint32_t word;

    if (lock->streak >= lock->streak_wanted && give_bias(lock))
        return true;
    word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    mcq_assert_hot(word & HELD);
    do {
        if (MCQ_UNLIKELY(word & MAIL))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &word, 0, memory_order_release,
                                                    memory_order_relaxed));
    if (MCQ_UNLIKELY(word & SLEPT))
        wake_one(&lock->word);
    return true;
}

bool mcq_lock_post(struct mcq_lock *lock, struct mcq_letter *letter)
{
    struct mcq_letter *newest = atomic_load_explicit(&lock->box, memory_order_relaxed);

    do {
        letter->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&lock->box, &newest, letter,
                                                    memory_order_release, memory_order_relaxed));

    uint32_t word = atomic_fetch_or_explicit(&lock->word, MAIL, memory_order_acq_rel) | MAIL;

    return try_with(lock, &word, HELD);
}

struct mcq_letter *mcq_lock_take_letters(struct mcq_lock *lock)
{
    struct mcq_letter *oldest = NULL;
    struct mcq_letter *letter;

    /* MAIL goes first: a letter that comes in between sets it again. Acquire: pairs with the
     * poster's release, so that the box shows at least its letter. */
    atomic_fetch_and_explicit(&lock->word, ~MAIL, memory_order_acq_rel);
    letter = atomic_exchange_explicit(&lock->box, NULL, memory_order_acquire);
    while (letter != NULL) {
        struct mcq_letter *next = letter->next;

        letter->next = oldest;
        oldest = letter;
        letter = next;
    }
    return oldest;
}
