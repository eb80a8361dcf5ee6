#include "runtime/bias.h"

#include <assert.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"

/* Where the kernel has become forbidden ground (seccomp) since it was asked: what a processor has
 * not written out by then it never will. */
#define DRAIN_NS 1000000

enum fence {
    FENCE_UNKNOWN,
    FENCE_IS_THERE,
    FENCE_IS_NOT,
};

_Thread_local struct mcq_bias *mcq_bias_own;
static _Thread_local bool is_registered;
static _Atomic enum fence fence; /* of the process: the kernel's answer */
static struct mcq_bias cells[MCQ_BIAS_CELLS];
static _Atomic uint64_t taken_cells; /* one bit each */

static_assert(MCQ_BIAS_CELLS == 64, "as many as the word has bits");

/* As in arena/own.c. */
// NOLINTBEGIN(bugprone-reserved-identifier): their names
extern int __cxa_thread_atexit_impl(void (*end)(void *), void *object, void *dso)
    __attribute__((weak));
extern void *__dso_handle;
// NOLINTEND(bugprone-reserved-identifier)

/* One that nobody has. Acquire: what its last thread did comes before. */
static struct mcq_bias *take_cell(void)
{
    uint64_t taken = atomic_load_explicit(&taken_cells, memory_order_relaxed);
    unsigned index;

    do {
        if (taken == UINT64_MAX)
            return NULL;
        index = (unsigned) __builtin_ctzll(~taken);
    } while (!atomic_compare_exchange_weak_explicit(&taken_cells, &taken,
                                                    taken | UINT64_C(1) << index,
                                                    memory_order_acquire, memory_order_relaxed));
    return &cells[index];
}

static void put_cell(const struct mcq_bias *cell)
{
    (void) atomic_fetch_and_explicit(&taken_cells, ~(UINT64_C(1) << (cell - cells)),
                                     memory_order_release);
}

/* Locks that are this cell's are the next thread's that has it. */
static void end_of_thread(void *unused)
{
    (void) unused;
    is_registered = false;
    if (mcq_bias_own != NULL)
        put_cell(mcq_bias_own);
    mcq_bias_own = NULL;
}

void mcq_bias_enable(void)
{
    long err;

    if (atomic_load_explicit(&fence, memory_order_relaxed) != FENCE_UNKNOWN)
        return;
    err = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    atomic_store_explicit(&fence, err == 0 ? FENCE_IS_THERE : FENCE_IS_NOT, memory_order_relaxed);
}

bool mcq_bias_can_fence(void)
{
    return atomic_load_explicit(&fence, memory_order_relaxed) == FENCE_IS_THERE;
}

bool mcq_bias_begin(void)
{
    if (mcq_bias_own != NULL)
        return true;
    if (!mcq_bias_can_fence() || __cxa_thread_atexit_impl == NULL)
        return false;
    if (!is_registered && __cxa_thread_atexit_impl(end_of_thread, NULL, &__dso_handle) != 0)
        return false;
    is_registered = true;
    mcq_bias_own = take_cell();
    return mcq_bias_own != NULL;
}

void mcq_bias_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (MCQ_LIKELY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0))
        return;
    atomic_store_explicit(&fence, FENCE_IS_NOT, memory_order_relaxed);
    (void) nanosleep(&(struct timespec) {.tv_nsec = DRAIN_NS}, NULL);
}
