/*
 * alone: each test of a fault runs in a process of its own, a fresh start of this program: faults
 * are limits, filters, signals and forks, which are the whole process's and do not go away.
 *
 *   run_alone --fork, exec of /proc/self/exe with the test's name--> alone_main --> the test
 *             <-------- its output; 0 passed, 77 skipped, else failed ----+
 *
 * A file has a list FAULTS(X) of its tests on both engines, FAULTS_AUTO(X) of those that leave the
 * choice to the library, and ends with FAULTS_MAIN.
 */
#ifndef MCQ_TESTS_FAULTS_ALONE_H
#define MCQ_TESTS_FAULTS_ALONE_H

#include "api/test_support.h"

#include <signal.h>
#include <sys/wait.h>

#define ALONE_SECONDS 100 /* a test that hangs ends then, before ctest ends the program */
#define ALONE_SECONDS_FULL 3600
#define ALONE_SKIPPED 77
#define ALONE_OUTPUT_BYTES 16384

struct alone_case {
    const char *name;
    void (*run)(void);
};

static bool alone_is_skipped;

/* MONOCOQUE_FAULTS=full: as many rounds as were promised, and what tests say is shown. */
static inline bool is_full_run(void)
{
    const char *text = getenv("MONOCOQUE_FAULTS");

    return text != NULL && strcmp(text, "full") == 0;
}

/* Ends the test: what it needs is not to be had. */
#define skip_because(...)                                                                          \
    do {                                                                                           \
        print_message("# " __VA_ARGS__);                                                           \
        print_message("\n");                                                                       \
        alone_is_skipped = true;                                                                   \
        skip();                                                                                    \
    } while (0)

/* The child of a process with threads is to allocate, to start threads and to exit as any other. */
static inline void need_life_after_fork(void)
{
#ifdef UNDER_TSAN
    skip_because("ThreadSanitizer allows no threads in a forked child");
#endif
#ifdef __SANITIZE_ADDRESS__
    skip_because("AddressSanitizer's allocator may be locked for ever in a forked child");
#endif
}

/* Its frames of a checked call are many times as large as ours. */
static inline void need_small_frames(void)
{
#ifdef UNDER_TSAN
    skip_because("ThreadSanitizer's own frames do not fit into 64 KiB");
#endif
}

/* --- the test's own side --------------------------------------------------------------------- */

static const struct alone_case *alone_running;

static void alone_test(void **state)
{
    const char *engine = getenv("MONOCOQUE_ENGINE");

    (void) state;
    if (strcmp(engine, "auto") != 0) {
        run_on(engine, alone_running->run);
        return;
    }

    struct mcq_ledger before = mcq_alloc_ledger();
    size_t fd_count = open_fd_count();

    alone_running->run();
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    assert_int_equal(open_fd_count(), fd_count);
}

static inline int alone_main(const struct alone_case *cases, size_t count, const char *name)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(alone_test)};

    (void) alarm(is_full_run() ? ALONE_SECONDS_FULL : ALONE_SECONDS);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cases[i].name, name) != 0)
            continue;
        alone_running = &cases[i];
        if (_cmocka_run_group_tests(name, tests, 1, NULL, NULL) != 0)
            return 1;
        return alone_is_skipped ? ALONE_SKIPPED : 0;
    }
    return 2;
}

/* A PULL and a PUSH that have been used, and a message that nobody has received. */
static inline struct couple open_busy_couple(struct world *world, const char *left)
{
    struct couple couple = open_couple(world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "before", 0);
    expect_text(couple.bound, "before");
    send_text(couple.connected, left, 0);
    return couple;
}

/* In a forked child: no cmocka, which would go on with the parent's tests. */
#define child_check(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void) dprintf(2, "%s:%d, in the child: %s; errno %d, \"%s\"\n", __FILE__, __LINE__,   \
                           #condition, errno, mcq_last_error());                                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* It ended by itself, and well. */
static inline void join_child(pid_t pid)
{
    int status;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %#x", (unsigned) status);
}

/* --- the side of the program that ctest runs -------------------------------------------------- */

static inline void run_alone(const char *name, const char *engine)
{
    char output[ALONE_OUTPUT_BYTES];
    char program[512];
    ssize_t program_len;
    off_t written;
    ssize_t len;
    int status;
    FILE *file;
    pid_t pid;

    if (engine_wanted != NULL && strcmp(engine_wanted, "auto") != 0 &&
        strcmp(engine_wanted, engine) != 0) {
        print_message("# MONOCOQUE_ENGINE asks for %s\n", engine_wanted);
        skip();
    }
    assert_int_equal(setenv("MONOCOQUE_ENGINE", engine, 1), 0);
    program_len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(program_len > 0);
    program[program_len] = '\0';
    /* A file, not a pipe: a child that outlives the test would keep a pipe's end open. */
    file = tmpfile();
    assert_non_null(file);
    (void) fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) setpgid(0, 0);
        (void) dup2(fileno(file), 1);
        (void) dup2(fileno(file), 2);
        (void) close(fileno(file));
        (void) execl(program, program, name, (char *) NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void) kill(-pid, SIGKILL); /* what it has left */
    /* What it wrote last is what explains a failure. */
    written = lseek(fileno(file), 0, SEEK_END);
    len = pread(fileno(file), output, sizeof output - 1,
                written < (off_t) sizeof output ? 0 : written - (off_t) sizeof output + 1);
    output[len < 0 ? 0 : len] = '\0';
    assert_int_equal(fclose(file), 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (is_full_run())
            print_message("%s", output);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == ALONE_SKIPPED) {
        char *reason = strstr(output, "# ");

        print_message("%.*s\n", reason != NULL ? (int) strcspn(reason, "\n") : 0, reason);
        skip();
    }
    print_message("%s", output);
    fail_msg("%s on %s ended with status %#x", name, engine, (unsigned) status);
}

#define FAULT_BOTH_TESTS(name)                                                                     \
    static void name##__epoll(void **state)                                                        \
    {                                                                                              \
        (void) state;                                                                              \
        run_alone(#name, "epoll");                                                                 \
    }                                                                                              \
    static void name##__io_uring(void **state)                                                     \
    {                                                                                              \
        (void) state;                                                                              \
        run_alone(#name, "io_uring");                                                              \
    }
#define FAULT_BOTH_ROWS(name) cmocka_unit_test(name##__epoll), cmocka_unit_test(name##__io_uring),
#define FAULT_AUTO_TESTS(name)                                                                     \
    static void name##__auto(void **state)                                                         \
    {                                                                                              \
        (void) state;                                                                              \
        run_alone(#name, "auto");                                                                  \
    }
#define FAULT_AUTO_ROWS(name) cmocka_unit_test(name##__auto),
#define FAULT_CASES(name) {#name, name},

#define FAULTS_MAIN(group)                                                                         \
    FAULTS(FAULT_BOTH_TESTS)                                                                       \
    FAULTS_AUTO(FAULT_AUTO_TESTS)                                                                  \
    int main(int count, char **words)                                                              \
    {                                                                                              \
        static const struct alone_case cases[] = {FAULTS(FAULT_CASES) FAULTS_AUTO(FAULT_CASES)};   \
        const struct CMUnitTest tests[] = {FAULTS(FAULT_BOTH_ROWS) FAULTS_AUTO(FAULT_AUTO_ROWS)};  \
                                                                                                   \
        if (count == 2)                                                                            \
            return alone_main(cases, MCQ_COUNTOF(cases), words[1]);                                \
        return run_group(tests, MCQ_COUNTOF(tests), group);                                        \
    }

#endif
