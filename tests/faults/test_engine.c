/* f14, f15, f16: no ring, operations missing, little memory for it: epoll, one warning with the
 * cause, and the same behaviour. */
#define _GNU_SOURCE /* memfd_create; NOLINT(bugprone-reserved-identifier) */

#include "faults/inject.h"

#include <grp.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* A message each way, over connections that outlive a pause, a poll and a name in the library. */
static void talk(struct world *world)
{
    struct couple couple = open_couple(world, MCQ_REP, MCQ_REQ);
    struct mcq_poll_entry entry = {.socket = couple.bound, .events = MCQ_POLLIN};

    for (int i = 0; i < 3; i++) {
        send_text(couple.connected, "question", 0);
        assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
        expect_text(couple.bound, "question");
        send_text(couple.bound, "answer", 0);
        expect_text(couple.connected, "answer");
    }
}

/* Standard error, into memory. */
struct capture {
    int before;
    int file;
};

static struct capture begin_capture(void)
{
    struct capture capture = {.before = dup(2), .file = memfd_create("stderr", 0)};

    assert_true(capture.before >= 0 && capture.file >= 0);
    assert_int_equal(dup2(capture.file, 2), 2);
    return capture;
}

static void end_capture(struct capture *capture, char *text, size_t size)
{
    ssize_t len;

    (void) fflush(stderr);
    len = pread(capture->file, text, size - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_int_equal(dup2(capture->before, 2), 2);
    assert_int_equal(close(capture->before), 0);
    assert_int_equal(close(capture->file), 0);
}

/* Two contexts with two engines each say it once; what they say names the cause. */
static void expect_epoll(const char *cause)
{
    char text[1024];
    char wanted[256];
    struct capture capture;
    struct world worlds[2];

    assert_int_equal(setenv("MONOCOQUE_LOG", "stderr", 1), 0);
    capture = begin_capture();
    for (size_t i = 0; i < MCQ_COUNTOF(worlds); i++) {
        const char *why = "";

        begin_world(&worlds[i]);
        assert_string_equal(mcq_ctx_engine(worlds[i].context, &why), "");
        assert_null(why);
        assert_works(mcq_ctx_set(worlds[i].context, MCQ_CTX_IO_THREADS, 2));
        talk(&worlds[i]);
        assert_string_equal(mcq_ctx_engine(worlds[i].context, NULL), "epoll");
        assert_string_equal(mcq_ctx_engine(worlds[i].context, &why), "epoll");
        assert_string_equal(why, cause);
    }
    for (size_t i = 0; i < MCQ_COUNTOF(worlds); i++)
        end_world(&worlds[i]);
    end_capture(&capture, text, sizeof text);
    (void) snprintf(wanted, sizeof wanted, "monocoque: epoll instead of io_uring: %s\n", cause);
    assert_string_equal(text, wanted);
}

static int number_of_answer;

// NOLINTNEXTLINE(readability-non-const-parameter): what every answer is
static int answer_with_number(const struct seccomp_data *call, int64_t *value)
{
    (void) call;
    (void) value;
    return number_of_answer;
}

static void deny(int call, int number, const char *cause)
{
    struct injector injector;

    number_of_answer = number;
    begin_injection(&injector, &call, 1, answer_with_number);
    expect_epoll(cause);
    end_injection(&injector);
}

static const char denied[] = "io_uring is denied (a seccomp filter, or kernel.io_uring_disabled)";

static void fault_f14__setup_is_eperm__epoll(void)
{
    deny(SYS_io_uring_setup, EPERM, denied);
}

static void fault_f14__setup_is_enosys__epoll(void)
{
    deny(SYS_io_uring_setup, ENOSYS, "the kernel has no io_uring");
}

static void fault_f14__setup_is_einval__epoll(void)
{
    deny(SYS_io_uring_setup, EINVAL, "io_uring cannot be set up");
}

static void fault_f14__enter_is_eperm__epoll(void)
{
    deny(SYS_io_uring_enter, EPERM, denied);
}

static void fault_f15__no_probe__epoll(void)
{
    deny(SYS_io_uring_register, EINVAL, "the kernel's io_uring lacks an operation");
}

static void fault_f16__setup_is_enomem__epoll(void)
{
    deny(SYS_io_uring_setup, ENOMEM, "io_uring gets no memory (the limit on locked memory)");
}

static void fault_f14__denied_and_asked_for_by_name__is_einval(void)
{
    const int call = SYS_io_uring_setup;
    struct injector injector;
    struct mcq_context *context = mcq_ctx_new();

    number_of_answer = EPERM;
    begin_injection(&injector, &call, 1, answer_with_number);
    assert_int_equal(setenv("MONOCOQUE_ENGINE", "io_uring", 1), 0);
    assert_null(mcq_socket(context, MCQ_PULL));
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(mcq_last_error(), "MONOCOQUE_ENGINE"));
    assert_int_equal(setenv("MONOCOQUE_ENGINE", "auto", 1), 0);
    struct mcq_socket *socket = mcq_socket(context, MCQ_PULL);

    assert_non_null(socket);
    assert_works(mcq_close(socket));
    assert_works(mcq_ctx_term(context, PATIENCE_MS));
    end_injection(&injector);
}

static unsigned missing_operation;

/* A kernel that has all operations but one. */
INJECT_AS_KERNEL static int answer_probe(const struct seccomp_data *call, int64_t *value)
{
    struct io_uring_probe *probe = (struct io_uring_probe *) (uintptr_t) call->args[2];

    if (call->args[1] != IORING_REGISTER_PROBE)
        return 0;
    probe->last_op = (__u8) (call->args[3] - 1);
    probe->ops_len = (__u8) call->args[3];
    for (unsigned i = 0; i < call->args[3]; i++) {
        probe->ops[i].op = (__u8) i;
        probe->ops[i].flags = (__u16) (i == missing_operation ? 0 : IO_URING_OP_SUPPORTED);
    }
    *value = 0;
    return INJECT_VALUE;
}

static void lack(unsigned operation)
{
    const int call = SYS_io_uring_register;
    struct injector injector;

    missing_operation = operation;
    begin_injection(&injector, &call, 1, answer_probe);
    expect_epoll("the kernel's io_uring lacks an operation");
    end_injection(&injector);
}

static void fault_f15__no_poll__epoll(void)
{
    lack(IORING_OP_POLL_ADD);
}

static void fault_f15__no_cancel__epoll(void)
{
    lack(IORING_OP_ASYNC_CANCEL);
}

static void fault_f15__no_read__epoll(void)
{
    lack(IORING_OP_READ);
}

static unsigned missing_feature;

INJECT_AS_KERNEL static int answer_setup(const struct seccomp_data *call, int64_t *value)
{
    struct io_uring_params *params = (struct io_uring_params *) (uintptr_t) call->args[1];

    *value = syscall(SYS_io_uring_setup, call->args[0], params);
    if (*value < 0)
        return errno;
    params->features &= ~missing_feature;
    return INJECT_VALUE;
}

static void need_io_uring(void)
{
    struct io_uring ring;
    int result = io_uring_queue_init(2, &ring, 0);

    if (result != 0)
        skip_because("no io_uring here: %s", strerror(-result));
    io_uring_queue_exit(&ring);
}

static void lack_feature(unsigned feature)
{
    const int call = SYS_io_uring_setup;
    struct injector injector;

    need_io_uring();
    missing_feature = feature;
    begin_injection(&injector, &call, 1, answer_setup);
    expect_epoll("the kernel's io_uring lacks an operation");
    end_injection(&injector);
}

static void fault_f15__no_time_limit_on_enter__epoll(void)
{
    lack_feature(IORING_FEAT_EXT_ARG);
}

static void fault_f15__completions_may_be_dropped__epoll(void)
{
    lack_feature(IORING_FEAT_NODROP);
}

/* Kernels before 5.12 charge rings to the user's locked memory; newer ones have room. */
static void fault_f16__plain_user_without_locked_memory__talks(void)
{
    const struct rlimit none = {0, 0};
    struct world world;
    const char *name;
    const char *why;

    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0) {
        assert_int_equal(setgroups(0, NULL), 0);
        assert_int_equal(setgid(65534), 0);
        assert_int_equal(setuid(65534), 0);
    }
    begin_world(&world);
    talk(&world);
    name = mcq_ctx_engine(world.context, &why);
    assert_non_null(name);
    assert_int_equal(strcmp(name, "io_uring") == 0, why == NULL);
    end_world(&world);
}

/* Nobody is told who does not ask, nor where nothing is amiss. */
static void fault_f14__without_the_variable__is_silent(void)
{
    const int call = SYS_io_uring_setup;
    struct injector injector;
    struct capture capture;
    struct world world;
    char text[1024];

    assert_int_equal(unsetenv("MONOCOQUE_LOG"), 0);
    number_of_answer = EPERM;
    begin_injection(&injector, &call, 1, answer_with_number);
    capture = begin_capture();
    begin_world(&world);
    talk(&world);
    end_world(&world);
    end_capture(&capture, text, sizeof text);
    assert_string_equal(text, "");
    end_injection(&injector);
}

/* --- a queue that is too small ---------------------------------------------------------------- */

#define CROWD 60

static int tiny_fd = -1;
static const volatile unsigned *tiny_flags; /* of the submission queue: the kernel writes them */
static unsigned overflow_count;

/* The smallest queue there is, and no deferred work: the kernel would deal that out in portions. */
INJECT_AS_KERNEL static int make_tiny(struct io_uring_params *params, int64_t *value)
{
    void *queue;

    *params = (struct io_uring_params) {.flags = IORING_SETUP_CQSIZE, .cq_entries = 2};
    *value = syscall(SYS_io_uring_setup, 1, params);
    if (*value < 0)
        return errno;
    tiny_fd = (int) *value;
    queue = mmap(NULL, 4096, PROT_READ, MAP_SHARED, tiny_fd, IORING_OFF_SQ_RING);
    tiny_flags =
        queue != MAP_FAILED
            ? (const volatile unsigned *) (const void *) ((char *) queue + params->sq_off.flags)
            : NULL;
    return INJECT_VALUE;
}

INJECT_AS_KERNEL static int answer_tiny(const struct seccomp_data *call, int64_t *value)
{
    if (call->nr == SYS_io_uring_setup)
        return make_tiny((struct io_uring_params *) (uintptr_t) call->args[1], value);
    if (tiny_flags != NULL && (*tiny_flags & IORING_SQ_CQ_OVERFLOW) != 0)
        overflow_count++;
    return 0;
}

/* More completes at a time than the queue holds; the kernel keeps the rest until it is asked. */
static void fault_f8__more_completions_than_the_queue_holds__none_is_missed(void)
{
    const int calls[] = {SYS_io_uring_setup, SYS_io_uring_enter};
    struct mcq_socket *pushes[CROWD];
    char endpoint[ENDPOINT_BYTES];
    struct injector injector;
    struct world world;

    need_io_uring();
    begin_injection(&injector, calls, MCQ_COUNTOF(calls), answer_tiny);
    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_string_equal(mcq_ctx_engine(world.context, NULL), "io_uring");
    bind_somewhere(pull, endpoint);
    for (int i = 0; i < CROWD; i++) {
        pushes[i] = open_socket(&world, MCQ_PUSH);
        assert_works(mcq_connect(pushes[i], endpoint));
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CROWD; i++)
            send_text(pushes[i], "counted", 0);
        for (int i = 0; i < CROWD; i++)
            expect_text(pull, "counted");
    }
    end_world(&world);
    end_injection(&injector);
    assert_true(overflow_count > 0);
}

/* --- what the ring is asked for --------------------------------------------------------------- */

static const struct io_uring_sqe *entries;
static unsigned entry_count;
static unsigned looks; /* how often somebody looked */
static unsigned
    unknown_count; /* entries that are neither a poll, its end, nor the wake-up's read */
static unsigned chained_count;
static unsigned pooled_count;

/* Who makes the ring is not who uses it, so it is for any thread. */
INJECT_AS_KERNEL static int make_watched(const struct seccomp_data *call, int64_t *value)
{
    struct io_uring_params *params = (struct io_uring_params *) (uintptr_t) call->args[1];
    void *queue;

    params->flags &= IORING_SETUP_CLAMP;
    *value = syscall(SYS_io_uring_setup, call->args[0], params);
    if (*value < 0)
        return errno;
    queue = mmap(NULL, params->sq_entries * sizeof *entries, PROT_READ, MAP_SHARED, (int) *value,
                 (off_t) IORING_OFF_SQES);
    entries = queue != MAP_FAILED ? queue : NULL;
    entry_count = params->sq_entries;
    return INJECT_VALUE;
}

/* All that were ever filled in, as they were last. */
INJECT_AS_KERNEL static int answer_watched(const struct seccomp_data *call, int64_t *value)
{
    if (call->nr == SYS_io_uring_setup)
        return make_watched(call, value);
    if (call->nr == SYS_io_uring_register)
        pooled_count += call->args[1] != IORING_REGISTER_PROBE;
    if (call->nr != SYS_io_uring_enter || entries == NULL)
        return 0;
    for (unsigned i = 0; i < entry_count; i++) {
        const struct io_uring_sqe *entry = &entries[i];

        unknown_count += entry->opcode != IORING_OP_NOP && entry->opcode != IORING_OP_POLL_ADD &&
                         entry->opcode != IORING_OP_ASYNC_CANCEL && entry->opcode != IORING_OP_READ;
        chained_count += (entry->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)) != 0;
        pooled_count += (entry->flags & IOSQE_BUFFER_SELECT) != 0;
    }
    looks++;
    return 0;
}

/* Connections come, talk, outlive a poll, and go. */
static void watch_entries(void)
{
    const int calls[] = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};
    struct injector injector;
    struct world world;

    need_io_uring();
    begin_injection(&injector, calls, MCQ_COUNTOF(calls), answer_watched);
    begin_world_with_threads(&world);
    talk(&world);
    assert_string_equal(mcq_ctx_engine(world.context, NULL), "io_uring");
    end_world(&world);
    end_injection(&injector);
    assert_true(looks > 0);
    assert_int_equal(unknown_count, 0);
}

/* There are no chains that could be split (docs/adr/0005-reactor.md). */
static void fault_f9__what_is_submitted__is_never_part_of_a_chain(void)
{
    watch_entries();
    assert_int_equal(chained_count, 0);
}

/* Nor buffers that the kernel chooses (docs/adr/0022-no-multishot.md). */
static void fault_f13__what_is_submitted__takes_no_buffer_of_a_pool(void)
{
    watch_entries();
    assert_int_equal(pooled_count, 0);
}

#define FAULTS(X)
#define FAULTS_AUTO(X)                                                                             \
    X(fault_f14__setup_is_eperm__epoll)                                                            \
    X(fault_f14__setup_is_enosys__epoll)                                                           \
    X(fault_f14__setup_is_einval__epoll)                                                           \
    X(fault_f14__enter_is_eperm__epoll)                                                            \
    X(fault_f14__denied_and_asked_for_by_name__is_einval)                                          \
    X(fault_f14__without_the_variable__is_silent)                                                  \
    X(fault_f8__more_completions_than_the_queue_holds__none_is_missed)                             \
    X(fault_f9__what_is_submitted__is_never_part_of_a_chain)                                       \
    X(fault_f13__what_is_submitted__takes_no_buffer_of_a_pool)                                     \
    X(fault_f15__no_probe__epoll)                                                                  \
    X(fault_f15__no_poll__epoll)                                                                   \
    X(fault_f15__no_cancel__epoll)                                                                 \
    X(fault_f15__no_read__epoll)                                                                   \
    X(fault_f15__no_time_limit_on_enter__epoll)                                                    \
    X(fault_f15__completions_may_be_dropped__epoll)                                                \
    X(fault_f16__setup_is_enomem__epoll)                                                           \
    X(fault_f16__plain_user_without_locked_memory__talks)

FAULTS_MAIN("engine")
