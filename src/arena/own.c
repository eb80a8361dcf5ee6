#include "arena/own.h"

#include <stddef.h>

/* A thread's, and nobody else's: the reason for each of them to have one. */
_Thread_local struct mcq_blocks *mcq_own_pool;
static _Thread_local bool is_registered;

/* Of the C library, for languages whose thread-local objects end by a call: unlike a key's
 * destructor it keeps the code mapped until it has run. */
// NOLINTBEGIN(bugprone-reserved-identifier): their names
extern int __cxa_thread_atexit_impl(void (*end)(void *), void *object, void *dso)
    __attribute__((weak));
extern void *__dso_handle;
// NOLINTEND(bugprone-reserved-identifier)

static void end_of_thread(void *unused)
{
    (void) unused;
    mcq_own_end();
    is_registered = false; /* a later destructor may begin anew, and is the last */
}

void mcq_own_begin(void)
{
    if (mcq_own_pool != NULL || __cxa_thread_atexit_impl == NULL)
        return;
    if (!is_registered && __cxa_thread_atexit_impl(end_of_thread, NULL, &__dso_handle) != 0)
        return;
    is_registered = true;
    if (mcq_blocks_new(&mcq_own_pool) == MCQ_OK)
        mcq_blocks_set_cache(mcq_own_pool, MCQ_BLOCK_LENT_CACHE_BYTES);
}

void mcq_own_end(void)
{
    if (mcq_own_pool != NULL)
        mcq_blocks_free(&mcq_own_pool);
}
