/* g1: a fork. The parent is untouched; the child's calls on what came with it are refused, without
 * a touch of the parent's rings, sets and streams, and the child opens its own. */
#include "faults/alone.h"

#include "reactor/engine.h"

#define FORKS 40

/* All calls on what the parent has opened, in the child. */
static void check_refusals(struct mcq_context *context, struct mcq_socket *socket)
{
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN | MCQ_POLLOUT};
    struct mcq_message message;
    int64_t value = 1;
    char room[8];
    size_t len = sizeof room;

    child_check(mcq_message_init(&message) == 0);
#define REFUSED(call, number)                                                                      \
    errno = 0;                                                                                     \
    child_check((call) == -1 && errno == (number));                                                \
    child_check(strstr(mcq_last_error(), "forked from") != NULL)
    REFUSED(mcq_send(socket, "x", 1, 0), ENOTSOCK);
    REFUSED(mcq_recv(socket, room, sizeof room, 0), ENOTSOCK);
    REFUSED(mcq_recv_message(socket, &message, 0), ENOTSOCK);
    REFUSED(mcq_send_message(socket, &message, 0), ENOTSOCK);
    REFUSED(mcq_bind(socket, "tcp://127.0.0.1:*"), ENOTSOCK);
    REFUSED(mcq_connect(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    REFUSED(mcq_unbind(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    REFUSED(mcq_disconnect(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    REFUSED(mcq_wait_peers(socket, 1, -1), ENOTSOCK);
    REFUSED(mcq_poll(&entry, 1, -1), ENOTSOCK);
    REFUSED(mcq_set(socket, MCQ_OPT_LINGER, 1), ENOTSOCK);
    REFUSED(mcq_get(socket, MCQ_OPT_EVENTS, &value), ENOTSOCK);
    REFUSED(mcq_get(socket, MCQ_OPT_TYPE, &value), ENOTSOCK);
    REFUSED(mcq_set_bytes(socket, MCQ_OPT_ROUTING_ID, "a", 1), ENOTSOCK);
    REFUSED(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, room, &len), ENOTSOCK);
    REFUSED(mcq_close(socket), ENOTSOCK);
    REFUSED(mcq_ctx_set(context, MCQ_CTX_MAX_SOCKETS, 9), EFAULT);
    REFUSED(mcq_ctx_get(context, MCQ_CTX_MAX_SOCKETS, &value), EFAULT);
    REFUSED(mcq_ctx_shutdown(context), EFAULT);
    REFUSED(mcq_ctx_term(context, -1), EFAULT);
    REFUSED(mcq_socket(context, MCQ_PULL) == NULL ? -1 : 0, EFAULT);
#undef REFUSED
    child_check(mcq_message_close(&message) == 0);
}

/* A context of the child's own, and a message through it. */
static void check_new_context(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *pull = mcq_socket(context, MCQ_PULL);
    struct mcq_socket *push = mcq_socket(context, MCQ_PUSH);
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    char room[8];

    child_check(pull != NULL && push != NULL);
    child_check(mcq_bind(pull, "tcp://127.0.0.1:*") == 0);
    child_check(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);
    child_check(mcq_connect(push, endpoint) == 0);
    child_check(mcq_set(pull, MCQ_OPT_RCVTIMEO, PATIENCE_MS) == 0);
    child_check(mcq_send(push, "own", 3, 0) == 0);
    child_check(mcq_recv(pull, room, sizeof room, 0) == 3);
    child_check(memcmp(room, "own", 3) == 0);
    child_check(mcq_close(push) == 0 && mcq_close(pull) == 0);
    child_check(mcq_ctx_term(context, PATIENCE_MS) == 0);
}

static void fault_g1__child__is_refused_and_parent_goes_on(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple = open_busy_couple(&world, "over the fork");

    pid_t pid = fork();

    if (pid == 0) {
        check_refusals(world.context, couple.bound);
        check_refusals(world.context, couple.connected);
        _exit(0);
    }
    join_child(pid);
    expect_text(couple.bound, "over the fork");
    send_text(couple.connected, "after", 0);
    expect_text(couple.bound, "after");
    end_world(&world);
}

static void fault_g1__child__opens_its_own_context(void)
{
    struct world world;
    struct couple couple;

    need_life_after_fork();
    begin_world(&world);
    couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    send_text(couple.connected, "question", 0);
    expect_text(couple.bound, "question");

    pid_t pid = fork();

    if (pid == 0) {
        check_new_context();
        check_refusals(world.context, couple.bound);
        check_new_context();
        pid = fork(); /* a grandchild, with nothing of its own yet */
        if (pid == 0) {
            check_refusals(world.context, couple.connected);
            check_new_context();
            _exit(0);
        }
        int status = 1;

        child_check(waitpid(pid, &status, 0) == pid && status == 0);
        _exit(0);
    }
    join_child(pid);
    send_text(couple.bound, "answer", 0);
    expect_text(couple.connected, "answer");
    end_world(&world);
}

/* Without _exit: whatever runs at the end of a process runs in the child. */
static void fault_g1__child_that_exits__is_quiet(void)
{
    struct world world;
    struct couple couple;

    need_life_after_fork();
    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    (void) fflush(NULL);

    pid_t pid = fork();

    if (pid == 0)
        exit(0);
    join_child(pid);
    send_text(couple.connected, "after", 0);
    expect_text(couple.bound, "after");
    end_world(&world);
}

static bool maps_have(const char *word)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/maps", "r");

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, word) != NULL;
    (void) fclose(file);
    return found;
}

static void fault_g1__rings__do_not_follow(void)
{
    struct world world;

    begin_world(&world);
    (void) open_socket(&world, MCQ_PULL);
    const char *engine = getenv("MONOCOQUE_ENGINE");

    assert_int_equal(maps_have("io_uring"), engine != NULL && strcmp(engine, "io_uring") == 0);

    pid_t pid = fork();

    if (pid == 0)
        _exit(maps_have("io_uring"));
    join_child(pid);
    end_world(&world);
}

/* Nor those that writes to many peers go through. */
static void fault_g1__rows__do_not_follow(void)
{
    struct mcq_reactor *reactor;
    struct mcq_row *row;
    const char *why;
    pid_t pid;

    if (mcq_reactor_new(MCQ_ENGINE_EPOLL, &reactor, &why) != MCQ_OK)
        fail_msg("no reactor");
    row = mcq_uring_row_new(reactor);
    if (row == NULL)
        skip_because("no io_uring");
    assert_true(maps_have("io_uring"));
    pid = fork();
    if (pid == 0)
        _exit(maps_have("io_uring"));
    join_child(pid);
    mcq_uring_row_free(row);
    mcq_reactor_free(&reactor);
}

struct traffic {
    struct mcq_socket *push;
    _Atomic bool is_over;
    uint32_t sent;
};

static int send_numbers(void *argument)
{
    struct traffic *traffic = argument;

    while (!atomic_load(&traffic->is_over)) {
        if (mcq_send(traffic->push, &traffic->sent, sizeof traffic->sent, 0) != 0)
            return -1;
        traffic->sent++;
    }
    return mcq_send(traffic->push, "end", 3, 0);
}

static int receive_numbers(void *argument)
{
    uint32_t expected = 0;
    uint32_t number;
    ptrdiff_t len;

    while ((len = mcq_recv(argument, &number, sizeof number, 0)) == (ptrdiff_t) sizeof number)
        if (number != expected++)
            return -1;
    return len == 3 ? (int) expected : -1;
}

/* Other threads are anywhere in their calls, with locks held, when the process forks. */
static void fault_g1__forks_during_traffic__lose_nothing(void)
{
    struct world world;
    struct traffic traffic = {0};
    struct helper sender;
    struct helper receiver;
    struct couple couple;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    traffic.push = couple.connected;
    start_helper(&receiver, receive_numbers, couple.bound);
    start_helper(&sender, send_numbers, &traffic);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            check_refusals(world.context, couple.bound);
            check_refusals(world.context, couple.connected);
            _exit(0);
        }
        join_child(pid);
    }
    atomic_store(&traffic.is_over, true);
    join_helper(&sender);
    join_helper(&receiver);
    assert_int_equal(sender.result, 0);
    assert_int_equal(receiver.result, traffic.sent);
    end_world(&world);
}

static void fork_here(int number)
{
    int before = errno;

    (void) number;
    if (fork() == 0)
        (void) alarm(PATIENCE_MS / 1000);
    errno = before;
}

static int receive_or_die(void *socket)
{
    pid_t parent = getpid();
    char room[8];
    ptrdiff_t len;

    do
        len = mcq_recv(socket, room, sizeof room, 0);
    while (len < 0 && errno == EINTR && getpid() == parent);
    if (getpid() != parent)
        _exit(len < 0 && (errno == ENOTSOCK || errno == EINTR) &&
                      mcq_recv(socket, room, sizeof room, 0) < 0 && errno == ENOTSOCK
                  ? 0
                  : 1);
    return (int) len;
}

static void fault_g1__handler_forks_in_a_sleeping_call__child_is_refused(void)
{
    const struct sigaction action = {.sa_handler = fork_here};
    struct world world;
    struct helper helper;
    struct couple couple;
    int status = -1;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    start_helper(&helper, receive_or_die, couple.bound);
    await_sleep(&helper);
    assert_int_equal(pthread_kill(helper.thread, SIGUSR1), 0);
    assert_true(wait(&status) > 0 || errno == EINTR || errno == ECHILD);
    while (status == -1 && wait(&status) < 0) /* the fork may still be to come */
        (void) sched_yield();
    assert_int_equal(status, 0);
    send_text(couple.connected, "after", 0);
    join_helper(&helper);
    assert_int_equal(helper.result, 5);
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_g1__child__is_refused_and_parent_goes_on)                                              \
    X(fault_g1__child__opens_its_own_context)                                                      \
    X(fault_g1__child_that_exits__is_quiet)                                                        \
    X(fault_g1__rows__do_not_follow)                                                               \
    X(fault_g1__rings__do_not_follow)                                                              \
    X(fault_g1__forks_during_traffic__lose_nothing)                                                \
    X(fault_g1__handler_forks_in_a_sleeping_call__child_is_refused)
#define FAULTS_AUTO(X)

FAULTS_MAIN("fork")
