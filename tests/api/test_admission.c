/* Who may connect: the peer that is not to be let in gets no octet, and the end. */
#include <limits.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "api/test_support.h"

/* What comes first; 0: the end. The engine is given its turns meanwhile. */
static char first_octet(int fd)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    char octet;

    while (now_ms() < until) {
        ssize_t len = recv(fd, &octet, 1, MSG_DONTWAIT);

        if (len == 1)
            return octet;
        if (len == 0 || errno != EAGAIN)
            return 0;
        if (inline_context != NULL)
            assert_works(mcq_ctx_run(inline_context, 1));
        else
            (void) sched_yield();
    }
    fail_msg("neither an octet nor the end");
    return 0;
}

static bool is_greeted(int fd)
{
    return first_octet(fd) != 0;
}

/* From 127.0.0.`last`. */
static int connect_from(const char *endpoint, unsigned last)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    from.sin_addr.s_addr = htonl(0x7f000000u | last);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    assert_int_equal(bind(fd, (struct sockaddr *) &from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof to), 0);
    return fd;
}

static bool admits_from(const char *endpoint, unsigned last)
{
    int fd = connect_from(endpoint, last);
    bool is_in = is_greeted(fd);

    assert_int_equal(close(fd), 0);
    return is_in;
}

static void tcp__networks_that_may_connect(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set_bytes(pull, MCQ_OPT_TCP_ACCEPT_FILTER, "127.0.0.2", 9));
    assert_works(mcq_set_bytes(pull, MCQ_OPT_TCP_ACCEPT_FILTER, "127.0.0.4/31", 12));
    bind_somewhere(pull, endpoint);
    /* Later: what is bound already has the rules it was bound with. */
    assert_works(mcq_set_bytes(pull, MCQ_OPT_TCP_ACCEPT_FILTER, NULL, 0));
    for (unsigned last = 1; last < 7; last++)
        assert_int_equal(admits_from(endpoint, last), last == 2 || last == 4 || last == 5);
    bind_somewhere(pull, endpoint);
    assert_true(admits_from(endpoint, 1));
    end_world(&world);
}

static void tcp__a_network_that_is_none__is_einval(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_says(mcq_set_bytes(pull, MCQ_OPT_TCP_ACCEPT_FILTER, "127.0.0.1/33", 12), EINVAL,
                "set TCP_ACCEPT_FILTER to 127.0.0.1/33: a network is written ADDRESS or "
                "ADDRESS/BITS");
    assert_fails(mcq_set_bytes(pull, MCQ_OPT_TCP_ACCEPT_FILTER, "localhost", 9), EINVAL);
    assert_fails(mcq_set(pull, MCQ_OPT_TCP_ACCEPT_FILTER, 1), EINVAL);
    end_world(&world);
}

/* --- as many of one address as may be --------------------------------------------------------- */

#define CROWD 3 /* as many as may be */

struct refusals {
    atomic_int count;
    atomic_bool is_right;
};

static void note_refusal(const struct mcq_report *report, void *hint)
{
    static const char from[] = "tcp://127.0.0.2:";
    struct refusals *refusals = hint;

    if (report->value != EUSERS || report->cause != EUSERS ||
        strncmp(report->address, from, sizeof from - 1) != 0 ||
        strcmp(report->why, "too many connections from its address") != 0)
        atomic_store(&refusals->is_right, false);
    atomic_fetch_add(&refusals->count, 1);
}

/* Whether one more gets in, sooner or later: that another has gone takes the engine a moment. */
static bool admits_at_last(const char *endpoint, unsigned last)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield())
        if (admits_from(endpoint, last))
            return true;
    return false;
}

static void expect_crowd(size_t count)
{
    struct refusals refusals = {.is_right = true};
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int fds[CROWD + 1];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(pull, MCQ_OPT_SOURCE_STRANGERS_MAX, CROWD));
    assert_works(mcq_set(pull, MCQ_OPT_HANDSHAKE_IVL, 0));
    assert_works(mcq_monitor(pull, MCQ_REPORT_ACCEPT_FAILED, note_refusal, &refusals));
    bind_somewhere(pull, endpoint);
    for (size_t i = 0; i < count; i++) {
        fds[i] = connect_from(endpoint, 2);
        assert_int_equal(is_greeted(fds[i]), i < CROWD);
    }
    assert_true(admits_from(endpoint, 3)); /* others do not notice */
    assert_int_equal(number_of(pull, MCQ_OPT_CROWDED), count > CROWD);
    for (uint64_t until = now_ms() + PATIENCE_MS;
         count > CROWD && atomic_load(&refusals.count) == 0 && now_ms() < until;) {
        if (inline_context != NULL)
            assert_works(mcq_ctx_run(inline_context, 1));
        (void) sched_yield();
    }
    assert_int_equal(atomic_load(&refusals.count), count > CROWD);
    assert_true(atomic_load(&refusals.is_right));
    assert_works(mcq_monitor(pull, 0, NULL, NULL));
    assert_int_equal(close(fds[0]), 0);
    assert_true(admits_at_last(endpoint, 2));
    for (size_t i = 1; i < count; i++)
        assert_int_equal(close(fds[i]), 0);
    end_world(&world);
}

static void fault_a3__strangers_of_one_source__as_many_as_the_option_says(void)
{
    for (size_t count = CROWD - 1; count <= CROWD + 1; count++)
        expect_crowd(count);
}

/* A peer that was let in counts as well, and no longer than its connection stands. */
static void fault_a3__peers_of_one_source__as_many_as_the_option_says(void)
{
    struct world world;
    struct mcq_socket *peers[CROWD];
    char endpoint[ENDPOINT_BYTES];
    char from[2 * ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(pull, MCQ_OPT_SOURCE_MAX, CROWD));
    bind_somewhere(pull, endpoint);
    (void) snprintf(from, sizeof from, "tcp://127.0.0.2:0;%s", endpoint + strlen("tcp://"));
    for (int i = 0; i < CROWD; i++) {
        assert_true(admits_from(endpoint, 2)); /* there is room till now, and it is given back */
        peers[i] = open_socket(&world, MCQ_PUSH);
        assert_works(mcq_connect(peers[i], from));
        assert_works(mcq_send(peers[i], "in", 2, 0));
        expect_text(pull, "in");
    }
    assert_false(admits_from(endpoint, 2));
    assert_true(admits_from(endpoint, 3));
    assert_true(number_of(pull, MCQ_OPT_CROWDED) >= 1);
    close_socket(&world, peers[0]);
    assert_true(admits_at_last(endpoint, 2));
    end_world(&world);
}

/* --- ipc -------------------------------------------------------------------------------------- */

static int connect_to_name(const char *endpoint)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(endpoint) - strlen("ipc://@");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(un.sun_path + 1, endpoint + strlen("ipc://@"), len);
    if (connect(fd, (struct sockaddr *) &un,
                (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + len)) != 0)
        return -1;
    return fd;
}

static void bind_name(struct mcq_socket *socket, char endpoint[ENDPOINT_BYTES])
{
    static int count;

    (void) snprintf(endpoint, ENDPOINT_BYTES, "ipc://@mcq-admission-%ld-%d", (long) getpid(),
                    count++);
    assert_works(mcq_bind(socket, endpoint));
}

static void ipc__processes_users_and_groups_that_may_connect(void)
{
    const struct {
        enum mcq_option option;
        int64_t id;
        bool is_in;
    } rows[] = {
        {MCQ_OPT_IPC_FILTER_PID, getpid(), true},  {MCQ_OPT_IPC_FILTER_PID, 1, false},
        {MCQ_OPT_IPC_FILTER_UID, geteuid(), true}, {MCQ_OPT_IPC_FILTER_UID, 4242, false},
        {MCQ_OPT_IPC_FILTER_GID, getegid(), true}, {MCQ_OPT_IPC_FILTER_GID, 4242, false},
        {MCQ_OPT_TCP_ACCEPT_FILTER, 0, true}, /* of tcp only */
    };
    struct world world;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        char endpoint[ENDPOINT_BYTES];

        if (rows[i].option == MCQ_OPT_TCP_ACCEPT_FILTER)
            assert_works(mcq_set_bytes(pull, rows[i].option, "10.0.0.0/8", 10));
        else
            assert_works(mcq_set(pull, rows[i].option, rows[i].id));
        bind_name(pull, endpoint);
        int fd = connect_to_name(endpoint);

        assert_true(fd >= 0);
        if (is_greeted(fd) != rows[i].is_in)
            fail_msg("row %zu", i);
        assert_int_equal(close(fd), 0);
    }
    end_world(&world);
}

/* The kernel's call is of this thread alone, the library's of all: whoever connected counts. */
static void take_groups(const gid_t *groups, size_t count)
{
    assert_int_equal(syscall(SYS_setgroups, count, groups), 0);
}

static void ipc__supplementary_groups_count(void)
{
    const gid_t groups[] = {4242, 4243, 4244};
    gid_t before[NGROUPS_MAX];
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    if (geteuid() != 0) {
        print_message("# only root may have other groups\n");
        return;
    }
    int before_count = getgroups(NGROUPS_MAX, before);

    assert_true(before_count >= 0);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(pull, MCQ_OPT_IPC_FILTER_GID, 4243));
    bind_name(pull, endpoint);
    for (int has_groups = 0; has_groups < 2; has_groups++) {
        take_groups(groups, has_groups ? MCQ_COUNTOF(groups) : 0);
        int fd = connect_to_name(endpoint);

        take_groups(before, (size_t) before_count);
        assert_true(fd >= 0);
        assert_int_equal(is_greeted(fd), has_groups);
        assert_int_equal(close(fd), 0);
    }
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(tcp__networks_that_may_connect)                                                              \
    X(tcp__a_network_that_is_none__is_einval)                                                      \
    X(fault_a3__strangers_of_one_source__as_many_as_the_option_says)                               \
    X(fault_a3__peers_of_one_source__as_many_as_the_option_says)                                   \
    X(ipc__processes_users_and_groups_that_may_connect)                                            \
    X(ipc__supplementary_groups_count)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.admission");
}
