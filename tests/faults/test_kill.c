/* g13: either side is killed at any moment: the other recovers, and a restart needs no cleaning. */
#include "faults/alone.h"
#include "support/folder.h"

#define KILLS 25
#define CLOSES_LATE_MS 2000
#define LIFE_US 30000 /* at most, before a kill; at any moment of its start, traffic and end */

/* Starts and kills the victims. It is forked before the test has threads: a child that is forked
 * beside them may find the allocator of a sanitizer locked, for ever. */
struct spawner {
    pid_t pid;
    int fd;
};

/* Each request is an endpoint, to start a victim with, or "", to kill it; the answer is "ok". The
 * end of the requests is the end of the victim. */
static void spawn_for_ever(int fd, void (*victim)(const char *endpoint))
{
    char request[ENDPOINT_BYTES];
    pid_t pid = 0;

    while (recv(fd, request, sizeof request, 0) > 0) {
        int status;

        if (request[0] == '\0') {
            child_check(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
            child_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            pid = 0;
        } else {
            pid = fork();
            if (pid == 0) {
                (void) close(fd);
                victim(request);
            }
            child_check(pid > 0);
        }
        child_check(send(fd, "ok", sizeof "ok", 0) == sizeof "ok");
    }
    if (pid != 0)
        child_check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    _exit(0);
}

static void start_spawner(struct spawner *spawner, void (*victim)(const char *endpoint))
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    spawner->fd = ends[0];
    spawner->pid = fork();
    assert_true(spawner->pid >= 0);
    if (spawner->pid == 0) {
        (void) close(ends[0]);
        spawn_for_ever(ends[1], victim);
    }
    assert_int_equal(close(ends[1]), 0);
}

static void ask_spawner(const struct spawner *spawner, const char *request)
{
    char answer[sizeof "ok"];
    ssize_t len = (ssize_t) strlen(request) + 1;

    assert_int_equal(send(spawner->fd, request, (size_t) len, 0), len);
    assert_int_equal(recv(spawner->fd, answer, sizeof answer, 0), sizeof answer);
}

static void start_victim(const struct spawner *spawner, const char *endpoint)
{
    ask_spawner(spawner, endpoint);
}

/* Its address is free when this returns: what a dead process had is closed. */
static void kill_victim(const struct spawner *spawner)
{
    ask_spawner(spawner, "");
}

static void end_spawner(const struct spawner *spawner)
{
    assert_int_equal(close(spawner->fd), 0);
    join_child(spawner->pid);
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static uint64_t seed_of_run(void)
{
    const char *text = getenv("MONOCOQUE_FAULT_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t) getpid();

    print_message("# MONOCOQUE_FAULT_SEED=%llu\n", (unsigned long long) seed);
    return seed;
}

static void live_for(uint64_t us)
{
    (void) nanosleep(&(struct timespec) {.tv_nsec = (long) us * 1000}, NULL);
}

/* --- the client dies -------------------------------------------------------------------------- */

/* Requests, one after the other, until somebody kills it. Each is a number, twice. */
static void request_for_ever(const char *endpoint)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *req = mcq_socket(context, MCQ_REQ);
    uint64_t numbers[2];
    uint64_t answer[2];

    child_check(req != NULL && mcq_connect(req, endpoint) == 0);
    for (uint64_t i = 0;; i++) {
        numbers[0] = i;
        numbers[1] = ~i;
        child_check(mcq_send(req, numbers, sizeof numbers, 0) == 0);
        child_check(mcq_recv(req, answer, sizeof answer, 0) == sizeof answer);
        child_check(answer[0] == i && answer[1] == ~i);
    }
}

static _Atomic bool is_over;

/* Whole requests only, whatever becomes of those who asked. */
static int reply_until_over(void *socket)
{
    uint64_t numbers[2];
    int count = 0;

    while (!atomic_load(&is_over)) {
        ptrdiff_t len = mcq_recv(socket, numbers, sizeof numbers, 0);

        if (len < 0 && errno == EAGAIN)
            continue;
        if (len != sizeof numbers || numbers[1] != ~numbers[0] ||
            mcq_send(socket, numbers, sizeof numbers, 0) != 0)
            return -1;
        count++;
    }
    return count;
}

static void fault_g13__clients_are_killed__server_goes_on(void)
{
    uint64_t random = seed_of_run();
    struct world world;
    struct helper helper;
    char endpoint[ENDPOINT_BYTES];
    struct spawner spawner;
    uint64_t number = 7;

    start_spawner(&spawner, request_for_ever);
    begin_world(&world);
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);

    assert_works(mcq_set(rep, MCQ_OPT_RCVTIMEO, 10));
    bind_somewhere(rep, endpoint);
    start_helper(&helper, reply_until_over, rep);
    for (int i = 0; i < KILLS; i++) {
        start_victim(&spawner, endpoint);
        live_for(next_random(&random) % LIFE_US);
        kill_victim(&spawner);
    }
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);

    assert_works(mcq_connect(req, endpoint));
    assert_works(mcq_send(req, (uint64_t[2]) {number, ~number}, 16, 0));
    assert_int_equal(mcq_recv(req, &number, sizeof number, 0), 16);
    assert_int_equal(number, 7);
    atomic_store(&is_over, true);
    join_helper(&helper);
    assert_true(helper.result > 0);
    end_world(&world);
    end_spawner(&spawner);
}

/* --- the server dies -------------------------------------------------------------------------- */

static void reply_for_ever(const char *endpoint)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *rep = mcq_socket(context, MCQ_REP);
    uint64_t numbers[2];

    uint64_t begun_ms = now_ms();

    child_check(rep != NULL);
    /* The kernel may close what a killed process had in a ring a moment after its end; there is
     * nothing to clean up. */
    while (mcq_bind(rep, endpoint) != 0) {
        child_check(errno == EADDRINUSE && now_ms() - begun_ms < CLOSES_LATE_MS);
        (void) sched_yield();
    }
    for (;;) {
        child_check(mcq_recv(rep, numbers, sizeof numbers, 0) == sizeof numbers);
        child_check(numbers[1] == ~numbers[0]);
        child_check(mcq_send(rep, numbers, sizeof numbers, 0) == 0);
    }
}

/* One answer, to a request that may have to be made anew. */
static void ask(struct mcq_socket *req, uint64_t number)
{
    uint64_t numbers[2] = {number, ~number};
    uint64_t answer[2] = {0};

    for (uint64_t until = now_ms() + PATIENCE_MS;; assert_true(now_ms() < until)) {
        assert_works(mcq_send(req, numbers, sizeof numbers, 0));
        if (mcq_recv(req, answer, sizeof answer, 0) == sizeof answer)
            break;
        assert_true(errno == ECONNRESET || errno == EAGAIN);
    }
    assert_int_equal(answer[0], number);
    assert_int_equal(answer[1], ~number);
}

static void kill_servers(const char *endpoint)
{
    uint64_t random = seed_of_run();
    struct spawner spawner;
    struct world world;

    start_spawner(&spawner, reply_for_ever);
    begin_world(&world);
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);

    assert_works(mcq_set(req, MCQ_OPT_REQ_RELAXED, 1));
    assert_works(mcq_set(req, MCQ_OPT_REQ_CORRELATE, 1));
    assert_works(mcq_set(req, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set(req, MCQ_OPT_RCVTIMEO, 200));
    assert_works(mcq_connect(req, endpoint));
    for (uint64_t i = 0; i < KILLS; i++) {
        start_victim(&spawner, endpoint);
        for (uint64_t end = now_ms() + next_random(&random) % (LIFE_US / 1000);;) {
            ask(req, i);
            if (now_ms() >= end)
                break;
        }
        kill_victim(&spawner);
    }
    assert_works(mcq_set(req, MCQ_OPT_LINGER, 0));
    end_world(&world);
    end_spawner(&spawner);
}

static void fault_g13__server_is_killed__client_comes_back(void)
{
    char endpoint[ENDPOINT_BYTES];

    free_endpoint(endpoint);
    kill_servers(endpoint);
}

/* Each leaves its file, and the next one replaces it. */
static void fault_g13__server_over_ipc_is_killed__client_comes_back(void)
{
    char folder[OWN_FOLDER_BYTES];
    char endpoint[ENDPOINT_BYTES];

    assert_true(make_own_folder(folder));
    (void) snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    kill_servers(endpoint);
    assert_int_equal(unlink(endpoint + strlen("ipc://")), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* --- a stream of parts ------------------------------------------------------------------------ */

/* Messages of three parts, of one number each. */
static void push_for_ever(const char *endpoint)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *push = mcq_socket(context, MCQ_PUSH);

    child_check(push != NULL && mcq_connect(push, endpoint) == 0);
    for (uint32_t i = 0;; i++)
        for (int part = 0; part < 3; part++)
            child_check(mcq_send(push, &i, sizeof i, part < 2 ? MCQ_SNDMORE : 0) == 0);
}

static void fault_g13__sender_is_killed_in_a_message__only_whole_ones_arrive(void)
{
    uint64_t random = seed_of_run();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct spawner spawner;
    uint64_t count = 0;

    start_spawner(&spawner, push_for_ever);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    for (int i = 0; i < KILLS; i++) {
        uint32_t numbers[3];

        start_victim(&spawner, endpoint);
        live_for(next_random(&random) % LIFE_US);
        kill_victim(&spawner);
        /* The end of the stream may come after what is waited for here; then it is the next's. */
        assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 20));
        while (mcq_recv(pull, &numbers[0], 4, 0) == 4) {
            for (int part = 1; part < 3; part++) {
                assert_int_equal(number_of(pull, MCQ_OPT_RCVMORE), 1);
                assert_int_equal(mcq_recv(pull, &numbers[part], 4, 0), 4);
                assert_int_equal(numbers[part], numbers[0]);
            }
            assert_int_equal(number_of(pull, MCQ_OPT_RCVMORE), 0);
            count++;
        }
        assert_int_equal(errno, EAGAIN);
    }
    print_message("# %llu messages\n", (unsigned long long) count);
    assert_true(count > 0);
    end_world(&world);
    end_spawner(&spawner);
}

#define FAULTS(X)                                                                                  \
    X(fault_g13__clients_are_killed__server_goes_on)                                               \
    X(fault_g13__server_is_killed__client_comes_back)                                              \
    X(fault_g13__server_over_ipc_is_killed__client_comes_back)                                     \
    X(fault_g13__sender_is_killed_in_a_message__only_whole_ones_arrive)
#define FAULTS_AUTO(X)

FAULTS_MAIN("kill")
