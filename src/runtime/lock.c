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

#define PAUSES 64

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
    atomic_init(&lock->word, 0);
    atomic_init(&lock->box, NULL);
}

/* Sets HELD if it is not set, whatever else is. Acquire: pairs with the release of the last
 * holder. */
// NOLINTNEXTLINE(readability-non-const-parameter): the exchange writes what it found
static bool try_with(struct mcq_lock *lock, uint32_t *word, uint32_t bits)
{
    while (!(*word & HELD))
        if (atomic_compare_exchange_weak_explicit(&lock->word, word, *word | bits,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

bool mcq_lock_try(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);

    return try_with(lock, &word, HELD);
}

void mcq_lock_take_slowly(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);

    /* It is mostly held for less than a sleep and a wake-up take. */
    for (int i = 0; i < PAUSES && (word & HELD); i++) {
        mcq_pause();
        word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    }
    if (try_with(lock, &word, HELD))
        return;
    /* Who may have slept sets SLEPT with HELD: others may be asleep still, and only a release that
     * sees the bit wakes one of them. */
    while (!try_with(lock, &word, HELD | SLEPT)) {
        if (!(word & SLEPT) &&
            !atomic_compare_exchange_weak_explicit(&lock->word, &word, word | SLEPT,
                                                   memory_order_relaxed, memory_order_relaxed))
            continue;
        sleep_while(&lock->word, word | SLEPT);
        word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    }
}

bool mcq_lock_release_slowly(struct mcq_lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);

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
