/*
 * test_support: what the tests of the arena share: the ledger at teardown, a printed seed, and a
 * look at assertions that must fire.
 */
#ifndef MCQ_TESTS_ARENA_TEST_SUPPORT_H
#define MCQ_TESTS_ARENA_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"

/* A row of a test table whose teardown wants the ledger at zero. */
#define LEDGER_TEST(function) cmocka_unit_test_teardown(function, support_ledger_is_zero)

static inline int support_ledger_is_zero(void **state)
{
    struct mcq_ledger ledger = mcq_alloc_ledger();

    (void) state;
    mcq_alloc_fail_at(0);
    if (ledger.block_count == 0 && ledger.bytes == 0)
        return 0;
    print_error("left behind: %" PRIu64 " allocations, %" PRIu64 " octets\n", ledger.block_count,
                ledger.bytes);
    return -1;
}

/* MCQ_SEED, or one from the clock; printed, so that a failure can be run again. */
static inline uint64_t support_seed(void)
{
    const char *text = getenv("MCQ_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t) now.tv_sec ^ (uint64_t) now.tv_nsec;
    print_message("# MCQ_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* splitmix64: every seed is as good as any other. */
static inline uint64_t support_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

static inline size_t support_random_below(uint64_t *state, size_t bound)
{
    return (size_t) (support_random(state) % bound);
}

/* Whether `call` ends a child process by abort, as a broken invariant does. */
static inline bool support_aborts(void (*call)(void *argument), void *argument)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka would report it as its own failure */
        call(argument);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        fail_msg("no child process");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
