/*
 * test_support: what the tests of the public calls share: each behaviour runs on both engines, and
 * leaves no block and no descriptor behind.
 *
 * Nothing sleeps for a time to have passed: tests wait for what they can see, and PATIENCE_MS is
 * only how long a test that fails takes to do so.
 */
#ifndef MCQ_TESTS_API_TEST_SUPPORT_H
#define MCQ_TESTS_API_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <monocoque.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/attr.h"
#include "support/descriptors.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#define PATIENCE_MS 20000
#define ENDPOINT_BYTES 64

/* -1, and this errno. */
#define assert_fails(call, number)                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(errno, (number));                                                         \
    } while (0)

/* The same, and the sentence for people. */
#define assert_says(call, number, sentence)                                                        \
    do {                                                                                           \
        assert_fails(call, number);                                                                \
        assert_string_equal(mcq_last_error(), sentence);                                           \
    } while (0)

/* The same of a sentence with an endpoint in it. */
#define assert_says_of(call, number, format, endpoint)                                             \
    do {                                                                                           \
        char sentence_[256];                                                                       \
                                                                                                   \
        (void) snprintf(sentence_, sizeof sentence_, format, endpoint);                            \
        assert_says(call, number, sentence_);                                                      \
    } while (0)

#define assert_works(call)                                                                         \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s", mcq_last_error());                                                      \
    } while (0)

/* --- the world ------------------------------------------------------------------------------- */

static const char *engine_wanted; /* MONOCOQUE_ENGINE as the program found it */

static inline uint64_t now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static inline bool engine_is_there(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = mcq_socket(context, MCQ_PULL);
    bool is_there = socket != NULL;

    if (is_there)
        assert_works(mcq_close(socket));
    assert_works(mcq_ctx_term(context, PATIENCE_MS));
    return is_there;
}

/* Runs a test on this engine; what it takes it gives back. */
static inline void run_on(const char *engine, void (*test)(void))
{
    struct mcq_ledger before = mcq_alloc_ledger();
    size_t fd_count = open_fd_count();

    if (engine_wanted != NULL && strcmp(engine_wanted, "auto") != 0 &&
        strcmp(engine_wanted, engine) != 0) {
        print_message("# MONOCOQUE_ENGINE asks for %s\n", engine_wanted);
        skip();
    }
    assert_int_equal(setenv("MONOCOQUE_ENGINE", engine, 1), 0);
    if (!engine_is_there()) {
        print_message("# %s\n", mcq_last_error());
        skip();
    }
    test();
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    assert_int_equal(open_fd_count(), fd_count);
}

/* A list ON_BOTH(X) of functions becomes two of cmocka's each by ON_BOTH(BOTH_TESTS), and rows of
 * its table by ON_BOTH(BOTH_ROWS). */
#define BOTH_TESTS(name)                                                                           \
    static void epoll_##name(void **state)                                                         \
    {                                                                                              \
        (void) state;                                                                              \
        run_on("epoll", name);                                                                     \
    }                                                                                              \
    static void uring_##name(void **state)                                                         \
    {                                                                                              \
        (void) state;                                                                              \
        run_on("io_uring", name);                                                                  \
    }
#define BOTH_ROWS(name) cmocka_unit_test(epoll_##name), cmocka_unit_test(uring_##name),

static inline int run_group(const struct CMUnitTest *tests, size_t count, const char *name)
{
    const char *wanted = getenv("MONOCOQUE_ENGINE");

    engine_wanted = wanted != NULL ? strdup(wanted) : NULL;
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

/* --- contexts and sockets -------------------------------------------------------------------- */

/* The sockets of a test, closed by end_world. */
struct world {
    struct mcq_context *context;
    struct mcq_socket *sockets[128];
    size_t socket_count;
};

static inline void begin_world_with_threads(struct world *world)
{
    *world = (struct world) {.context = mcq_ctx_new()};
    assert_non_null(world->context);
}

/* MONOCOQUE_TEST_IO_THREADS=0: the tests run in contexts without threads. */
static inline bool is_inline(void)
{
    const char *threads = getenv("MONOCOQUE_TEST_IO_THREADS");

    return threads != NULL && strcmp(threads, "0") == 0;
}

/* MONOCOQUE_TEST_SLOW: an instruction costs forty, as under valgrind. What tests the same thing
 * again and again does so less often. */
static inline bool is_slow(void)
{
    return getenv("MONOCOQUE_TEST_SLOW") != NULL;
}

/* The context that this thread has to drive while it waits for helpers; NULL: none. */
static struct mcq_context *inline_context;

static inline void begin_world(struct world *world)
{
    begin_world_with_threads(world);
    if (!is_inline() || inline_context != NULL)
        return; /* nobody would drive a second one */
    assert_works(mcq_ctx_set(world->context, MCQ_CTX_IO_THREADS, 0));
    inline_context = world->context;
}

/* A socket whose calls give up when the test has failed. */
static inline struct mcq_socket *open_socket(struct world *world, enum mcq_type type)
{
    struct mcq_socket *socket = mcq_socket(world->context, type);

    if (socket == NULL)
        fail_msg("%s", mcq_last_error());
    assert_works(mcq_set(socket, MCQ_OPT_RCVTIMEO, PATIENCE_MS));
    assert_works(mcq_set(socket, MCQ_OPT_SNDTIMEO, PATIENCE_MS));
    assert_true(world->socket_count < MCQ_COUNTOF(world->sockets));
    world->sockets[world->socket_count++] = socket;
    return socket;
}

/* Closes one before the end. */
static inline void close_socket(struct world *world, struct mcq_socket *socket)
{
    for (size_t i = 0; i < world->socket_count; i++)
        if (world->sockets[i] == socket)
            world->sockets[i] = world->sockets[--world->socket_count];
    assert_works(mcq_close(socket));
}

static inline void end_world(struct world *world)
{
    if (inline_context == world->context)
        inline_context = NULL;
    while (world->socket_count > 0)
        assert_works(mcq_close(world->sockets[--world->socket_count]));
    assert_works(mcq_ctx_term(world->context, PATIENCE_MS));
}

/* MONOCOQUE_TEST_TRANSPORT=inproc or ipc: where a test says bind_somewhere, that is a name. */
static inline bool runs_over(const char *name)
{
    const char *transport = getenv("MONOCOQUE_TEST_TRANSPORT");

    return transport != NULL && strcmp(transport, name) == 0;
}

static inline bool is_inproc(void)
{
    return runs_over("inproc");
}

/* For what pipes do not have: several contexts, coming back after the other side was gone. */
static inline void needs_streams(void)
{
    if (!is_inproc())
        return;
    print_message("# pipes end with their context\n");
    skip();
}

/* Binds to any free port; says where. */
static inline void bind_somewhere(struct mcq_socket *socket, char endpoint[ENDPOINT_BYTES])
{
    static int count;
    size_t len = ENDPOINT_BYTES;
    char name[ENDPOINT_BYTES];

    if (runs_over("ipc"))
        (void) snprintf(name, sizeof name, "ipc://@mcq-somewhere-%ld-%d", (long) getpid(), count++);
    else if (is_inproc())
        (void) snprintf(name, sizeof name, "inproc://somewhere-%d", count++);
    else
        (void) snprintf(name, sizeof name, "tcp://127.0.0.1:*");
    assert_works(mcq_bind(socket, name));
    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    assert_int_equal(len, strlen(endpoint) + 1);
}

/* A port that was free a moment ago. */
static inline void free_endpoint(char endpoint[ENDPOINT_BYTES])
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &in, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
    assert_int_equal(close(fd), 0);
    (void) snprintf(endpoint, ENDPOINT_BYTES, "tcp://127.0.0.1:%d", ntohs(in.sin_port));
}

/* Binds to a port that somebody else is just giving back. */
static inline void bind_again(struct mcq_socket *socket, const char *endpoint)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield()) {
        if (mcq_bind(socket, endpoint) == 0)
            return;
        assert_int_equal(errno, EADDRINUSE);
    }
    fail_msg("%s", mcq_last_error());
}

/* A socket that is bound, and one that is connected to it. */
struct couple {
    struct mcq_socket *bound;
    struct mcq_socket *connected;
    char endpoint[ENDPOINT_BYTES];
};

static inline struct couple open_couple(struct world *world, enum mcq_type bound,
                                        enum mcq_type connected)
{
    struct couple couple = {.bound = open_socket(world, bound)};

    couple.connected = open_socket(world, connected);
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    return couple;
}

/* --- messages -------------------------------------------------------------------------------- */

static inline void send_text(struct mcq_socket *socket, const char *text, int flags)
{
    assert_works(mcq_send(socket, text, strlen(text), flags));
}

static inline int64_t number_of(struct mcq_socket *socket, enum mcq_option option)
{
    int64_t value = -7;

    assert_works(mcq_get(socket, option, &value));
    return value;
}

/* Receives a part of just this text. */
static inline void expect_part(struct mcq_socket *socket, const char *text, bool more)
{
    char room[256];
    ptrdiff_t len = mcq_recv(socket, room, sizeof room - 1, 0);

    if (len < 0)
        fail_msg("%s, instead of \"%s\"", mcq_last_error(), text);
    room[len] = '\0';
    assert_string_equal(room, text);
    assert_int_equal(number_of(socket, MCQ_OPT_RCVMORE), more);
}

static inline void expect_text(struct mcq_socket *socket, const char *text)
{
    expect_part(socket, text, false);
}

static inline void expect_nothing(struct mcq_socket *socket)
{
    assert_fails(mcq_recv(socket, NULL, 0, MCQ_DONTWAIT), EAGAIN);
}

/* Publishes until the subscriber, which wants all that begins with this topic, hears it; returns
 * when nothing of that is left. */
static inline void await_subscriber(struct mcq_socket *pub, struct mcq_socket *sub,
                                    const char *topic)
{
    static int count;
    char mark[64];
    char room[64] = "";
    ptrdiff_t heard = -1;

    (void) snprintf(mark, sizeof mark, "%s %d", topic, count++);
    assert_works(mcq_set(sub, MCQ_OPT_RCVTIMEO, 10));
    for (uint64_t until = now_ms() + PATIENCE_MS; heard < 0 && now_ms() < until;) {
        send_text(pub, topic, 0);
        heard = mcq_recv(sub, room, sizeof room - 1, 0);
    }
    assert_works(mcq_set(sub, MCQ_OPT_RCVTIMEO, PATIENCE_MS));
    send_text(pub, mark, 0);
    while (heard >= 0 && strcmp(room, mark) != 0) {
        memset(room, 0, sizeof room);
        heard = mcq_recv(sub, room, sizeof room - 1, 0);
    }
    assert_string_equal(room, mark);
    expect_nothing(sub);
}

/* --- threads --------------------------------------------------------------------------------- */

/* A call in a thread of its own. */
struct helper {
    int (*run)(void *argument);
    void *argument;
    pthread_t thread;
    _Atomic long id; /* 0: not yet running */
    _Atomic bool is_done;
    int result;
    int number; /* errno */
};

static inline void *helper_main(void *argument)
{
    struct helper *helper = argument;

    atomic_store(&helper->id, syscall(SYS_gettid));
    helper->result = helper->run(helper->argument);
    helper->number = errno;
    atomic_store(&helper->is_done, true);
    return NULL;
}

static inline void start_helper(struct helper *helper, int (*run)(void *argument), void *argument)
{
    *helper = (struct helper) {.run = run, .argument = argument};
    assert_int_equal(pthread_create(&helper->thread, NULL, helper_main, helper), 0);
}

/* Returns when the kernel says that the thread sleeps. */
static inline void await_sleep(struct helper *helper)
{
    char path[64];
    char stat[256];

    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield()) {
        if (atomic_load(&helper->id) == 0)
            continue;
        (void) snprintf(path, sizeof path, "/proc/self/task/%ld/stat", atomic_load(&helper->id));
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        size_t len = fread(stat, 1, sizeof stat - 1, file);

        (void) fclose(file);
        stat[len] = '\0';
        if (strstr(stat, ") S ") != NULL)
            return;
    }
    fail_msg("the thread does not sleep");
}

static inline void join_helper(struct helper *helper)
{
    while (inline_context != NULL && !atomic_load(&helper->is_done))
        assert_works(mcq_ctx_run(inline_context, 1));
    assert_int_equal(pthread_join(helper->thread, NULL), 0);
}

#endif
