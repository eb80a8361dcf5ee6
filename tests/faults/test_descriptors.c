/* a10, d10: accept without descriptors or memory. Every descriptor that cannot be had is reported,
 * and nothing of it is left. f21: socket options that fail. */
#include "faults/inject.h"

#include <netinet/in.h>
#include <sys/resource.h>

#define OBSERVED_MS 1000

/* --- the limit of descriptors ----------------------------------------------------------------- */

/* So many more can be opened from now on; gives the limit that was before. */
static rlim_t allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    rlim_t before;
    int next = dup(0);

    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t) next + count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void allow_again(rlim_t before)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int open_stream(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static void connect_stream(int fd, const char *endpoint)
{
    struct sockaddr_in to = {.sin_family = AF_INET};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof to), 0);
}

/* Our greeting comes. */
static void await_greeting(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char octet;

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(recv(fd, &octet, 1, 0), 1);
}

static bool is_silent(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 0) == 0;
}

/* Microseconds of processor that the process has had. */
static int64_t processor_us(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void expect_idle(void)
{
    int64_t used_us = processor_us();

    assert_int_equal(poll(NULL, 0, OBSERVED_MS), 0);
    used_us = processor_us() - used_us;
    print_message("# %lld us of processor in %d ms\n", (long long) used_us, OBSERVED_MS);
    assert_true(used_us < OBSERVED_MS * 1000 / 100);
}

static void fault_a10__no_descriptor_at_accept__is_parked_and_goes_on(void)
{
    struct world world;
    struct couple couple;
    int strangers[3];

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    send_text(couple.connected, "before", 0);
    expect_text(couple.bound, "before");
    for (size_t i = 0; i < MCQ_COUNTOF(strangers); i++)
        strangers[i] = open_stream();

    rlim_t before = allow_descriptors(0);

    for (size_t i = 0; i < MCQ_COUNTOF(strangers); i++)
        connect_stream(strangers[i], couple.endpoint);
    expect_idle();
    for (size_t i = 0; i < MCQ_COUNTOF(strangers); i++)
        assert_true(is_silent(strangers[i]));
    send_text(couple.connected, "meanwhile", 0); /* who is there does not notice */
    expect_text(couple.bound, "meanwhile");
    allow_again(before);
    for (size_t i = 0; i < MCQ_COUNTOF(strangers); i++) {
        await_greeting(strangers[i]);
        assert_int_equal(close(strangers[i]), 0);
    }
    assert_in_range(number_of(couple.bound, MCQ_OPT_PARKED), 1, 1000);
    assert_int_equal(number_of(couple.connected, MCQ_OPT_PARKED), 0);
    end_world(&world);
}

/* The same, where what is free comes from a close of our own. */
static void fault_a10__descriptor_freed__is_taken(void)
{
    struct world world;
    struct couple couple;
    int spare;
    int stranger;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    stranger = open_stream();
    spare = dup(0);

    rlim_t before = allow_descriptors(0);

    connect_stream(stranger, couple.endpoint);
    send_text(couple.connected, "meanwhile", 0);
    expect_text(couple.bound, "meanwhile");
    assert_true(is_silent(stranger));
    assert_int_equal(close(spare), 0);
    await_greeting(stranger);
    allow_again(before);
    assert_int_equal(close(stranger), 0);
    end_world(&world);
}

/* --- every descriptor ------------------------------------------------------------------------- */

static bool works(bool did, int *failure_count)
{
    if (!did && errno != EMFILE)
        fail_msg("%s", mcq_last_error());
    *failure_count += !did;
    return did;
}

/* What cannot be had is asked for once more when it can. */
static void with_so_many_descriptors(rlim_t count, int *failure_count)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *pull;
    struct mcq_socket *push;
    char endpoint[ENDPOINT_BYTES] = "";
    size_t len = sizeof endpoint;
    char room[8];
    ptrdiff_t got;
    rlim_t before;

    assert_non_null(context);
    before = allow_descriptors(count);
    pull = mcq_socket(context, MCQ_PULL);
    if (!works(pull != NULL, failure_count)) {
        allow_again(before);
        pull = mcq_socket(context, MCQ_PULL);
        assert_non_null(pull);
    }
    push = mcq_socket(context, MCQ_PUSH);
    if (!works(push != NULL, failure_count)) {
        allow_again(before);
        push = mcq_socket(context, MCQ_PUSH);
        assert_non_null(push);
    }
    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 20));
    if (!works(mcq_bind(pull, "tcp://127.0.0.1:*") == 0, failure_count)) {
        allow_again(before);
        assert_works(mcq_bind(pull, "tcp://127.0.0.1:*"));
    }
    assert_works(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    assert_works(mcq_connect(push, endpoint)); /* takes its descriptors later, and anew */
    assert_works(mcq_send(push, "x", 1, 0));
    got = mcq_recv(pull, room, sizeof room, 0);
    if (got < 0 && errno == EAGAIN)
        ++*failure_count; /* no connection came to be */
    else
        (void) works(got == 1, failure_count);
    allow_again(before);
    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, PATIENCE_MS));
    if (got < 0)
        assert_int_equal(mcq_recv(pull, room, sizeof room, 0), 1);
    assert_works(mcq_close(push));
    assert_works(mcq_close(pull));
    assert_works(mcq_ctx_term(context, PATIENCE_MS));
}

static void fault_d10__each_descriptor_missing__is_reported_and_nothing_leaks(void)
{
    size_t fd_count = open_fd_count();
    int failure_count = 1;
    rlim_t count;

    for (count = 0; failure_count > 0; count++) {
        failure_count = 0;
        with_so_many_descriptors(count, &failure_count);
        assert_int_equal(open_fd_count(), fd_count);
        assert_true(count < 100);
    }
    print_message("# %d descriptors are enough\n", (int) count - 1);
    assert_true(count > 8); /* two engine's, two sets each, listener, two ends, a sleeper's */
}

/* Closing and ending need none. */
static void fault_d10__no_descriptors__close_and_term_work(void)
{
    struct world world;
    rlim_t before;

    begin_world(&world);
    (void) open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *lonely = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(lonely, MCQ_OPT_RCVTIMEO, 1));
    assert_fails(mcq_recv(lonely, NULL, 0, 0), EAGAIN); /* a sleeper is there now */
    before = allow_descriptors(0);
    end_world(&world);
    allow_again(before);
}

static void fault_d10__no_descriptor_to_sleep_with__is_emfile(void)
{
    struct world world;
    rlim_t before;

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN};

    before = allow_descriptors(0);
    assert_says(mcq_recv(socket, NULL, 0, 0), EMFILE, "recv on PULL: no descriptors are left");
    assert_says(mcq_poll(&entry, 1, -1), EMFILE, "poll: no descriptors are left");
    assert_fails(mcq_wait_peers(socket, 1, -1), EMFILE);
    assert_null(mcq_socket(world.context, MCQ_PULL));
    assert_int_equal(errno, EMFILE);
    assert_fails(mcq_bind(socket, "tcp://127.0.0.1:*"), EMFILE);
    allow_again(before);
    assert_fails(mcq_recv(socket, NULL, 0, MCQ_DONTWAIT), EAGAIN);
    end_world(&world);
}

/* --- what the kernel says to accept ----------------------------------------------------------- */

#define REFUSALS 3

static int accept_number;
static _Atomic int refusals_left;

// NOLINTNEXTLINE(readability-non-const-parameter): what every answer is
static int answer_accept(const struct seccomp_data *call, int64_t *value)
{
    (void) call;
    (void) value;
    if (atomic_load(&refusals_left) == 0)
        return 0;
    return atomic_fetch_sub(&refusals_left, 1) > 0 ? accept_number : 0;
}

static void refuse_accepts(int number)
{
    const int call = SYS_accept4;
    struct injector injector;
    struct world world;
    struct couple couple;

    accept_number = number;
    atomic_store(&refusals_left, REFUSALS);
    begin_injection(&injector, &call, 1, answer_accept);
    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    send_text(couple.connected, "in spite of it", 0);
    expect_text(couple.bound, "in spite of it");
    assert_int_equal(atomic_load(&refusals_left), 0);
    end_world(&world);
    end_injection(&injector);
}

#define REFUSED_ACCEPT(name, number)                                                               \
    static void fault_d10__accept_is_##name##__listener_goes_on(void)                              \
    {                                                                                              \
        refuse_accepts(number);                                                                    \
    }
REFUSED_ACCEPT(emfile, EMFILE)
REFUSED_ACCEPT(enfile, ENFILE)
REFUSED_ACCEPT(enobufs, ENOBUFS)
REFUSED_ACCEPT(enomem, ENOMEM)
REFUSED_ACCEPT(econnaborted, ECONNABORTED)
REFUSED_ACCEPT(eproto, EPROTO)
REFUSED_ACCEPT(eperm, EPERM)
REFUSED_ACCEPT(unknown, EXDEV)

/* A stranger that nobody can take costs no processor, whatever the kernel says. */
static void fault_a10__enobufs_for_ever__is_parked(void)
{
    const int call = SYS_accept4;
    struct injector injector;
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int stranger = open_stream();

    accept_number = ENOBUFS;
    atomic_store(&refusals_left, 1000000);
    begin_injection(&injector, &call, 1, answer_accept);
    begin_world(&world);
    bind_somewhere(open_socket(&world, MCQ_PULL), endpoint);
    connect_stream(stranger, endpoint);
    expect_idle();
    atomic_store(&refusals_left, 0);
    await_greeting(stranger);
    assert_in_range(number_of(world.sockets[0], MCQ_OPT_PARKED), 1, 1000);
    assert_int_equal(close(stranger), 0);
    end_world(&world);
    end_injection(&injector);
}

/* --- options ---------------------------------------------------------------------------------- */

static _Atomic int option_count;

// NOLINTNEXTLINE(readability-non-const-parameter): what every answer is
static int answer_option(const struct seccomp_data *call, int64_t *value)
{
    (void) call;
    (void) value;
    (void) atomic_fetch_add(&option_count, 1);
    return ENOPROTOOPT;
}

static void fault_f21__options_fail__streams_work_and_are_closed_once(void)
{
    const int call = SYS_setsockopt;
    struct injector injector;
    size_t fd_count;
    int64_t before;
    int64_t after;

    begin_injection(&injector, &call, 1, answer_option);
    fd_count = open_fd_count();
    for (int i = 0; i < 20; i++) {
        struct world world;
        struct couple couple;

        begin_world(&world);
        assert_works(mcq_ctx_get(world.context, MCQ_CTX_REFUSED, &before));
        couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
        int ours[2] = {dup(0), dup(0)}; /* numbers that a second close would hit */

        send_text(couple.connected, "without", 0);
        expect_text(couple.bound, "without");
        assert_works(mcq_ctx_get(world.context, MCQ_CTX_REFUSED, &after));
        assert_in_range(after - before, 3, 100); /* of a listener and two streams */
        end_world(&world);
        assert_int_equal(close(ours[0]), 0);
        assert_int_equal(close(ours[1]), 0);
        assert_int_equal(open_fd_count(), fd_count);
    }
    assert_true(atomic_load(&option_count) >= 20);
    end_injection(&injector);
}

#define FAULTS(X)                                                                                  \
    X(fault_a10__no_descriptor_at_accept__is_parked_and_goes_on)                                   \
    X(fault_a10__descriptor_freed__is_taken)                                                       \
    X(fault_a10__enobufs_for_ever__is_parked)                                                      \
    X(fault_d10__each_descriptor_missing__is_reported_and_nothing_leaks)                           \
    X(fault_d10__no_descriptors__close_and_term_work)                                              \
    X(fault_d10__no_descriptor_to_sleep_with__is_emfile)                                           \
    X(fault_d10__accept_is_emfile__listener_goes_on)                                               \
    X(fault_d10__accept_is_enfile__listener_goes_on)                                               \
    X(fault_d10__accept_is_enobufs__listener_goes_on)                                              \
    X(fault_d10__accept_is_enomem__listener_goes_on)                                               \
    X(fault_d10__accept_is_econnaborted__listener_goes_on)                                         \
    X(fault_d10__accept_is_eproto__listener_goes_on)                                               \
    X(fault_d10__accept_is_eperm__listener_goes_on)                                                \
    X(fault_d10__accept_is_unknown__listener_goes_on)                                              \
    X(fault_f21__options_fail__streams_work_and_are_closed_once)
#define FAULTS_AUTO(X)

FAULTS_MAIN("descriptors")
