/* g2, f10: signals a thousand times a second during all calls: EINTR or progress, and no message is
 * lost. f22: no SIGPIPE, ever. */
#include "faults/alone.h"

#include "interop/raw_peer.h"

#define PERIOD_NS 1000000
#define MESSAGES 3000
#define SLEEPS 50 /* calls that surely sleep */

static _Atomic int signal_count;

static void count_signal(int number)
{
    (void) number;
    (void) atomic_fetch_add(&signal_count, 1);
}

/* A signal to one thread, a thousand times a second. */
struct storm {
    timer_t timer;
};

static void begin_storm(struct storm *storm)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec times = {{0, PERIOD_NS}, {0, PERIOD_NS}};

    event._sigev_un._tid = (pid_t) syscall(SYS_gettid);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &storm->timer), 0);
    assert_int_equal(timer_settime(storm->timer, 0, &times, NULL), 0);
}

static void end_storm(struct storm *storm)
{
    assert_int_equal(timer_delete(storm->timer), 0);
}

static void hear_signals_with(int flags)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Without SA_RESTART: every call of the kernel's that sleeps is interrupted. */
static void hear_signals(void)
{
    hear_signals_with(0);
}

/* Again, as long as a signal ends it. */
#define again(call)                                                                                \
    __extension__({                                                                                \
        __typeof__(call) result_;                                                                  \
                                                                                                   \
        do                                                                                         \
            result_ = (call);                                                                      \
        while (result_ < 0 && errno == EINTR);                                                     \
        result_;                                                                                   \
    })

static int reply_under_signals(void *socket)
{
    struct storm storm;
    uint32_t number = 0;

    begin_storm(&storm);
    for (uint32_t i = 0; i < MESSAGES; i++)
        if (again(mcq_recv(socket, &number, sizeof number, 0)) != sizeof number || number != i ||
            again(mcq_send(socket, &number, sizeof number, 0)) != 0)
            return -1;
    end_storm(&storm);
    return (int) number + 1;
}

static void fault_g2__signals_during_requests__no_message_is_lost(void)
{
    struct world world;
    struct storm storm;
    struct helper helper;
    struct couple couple;

    hear_signals();
    begin_world(&world);
    begin_storm(&storm);
    couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    start_helper(&helper, reply_under_signals, couple.bound);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t number = 0;

        assert_int_equal(again(mcq_send(couple.connected, &i, sizeof i, 0)), 0);
        assert_int_equal(again(mcq_recv(couple.connected, &number, sizeof number, 0)),
                         sizeof number);
        assert_int_equal(number, i);
    }
    join_helper(&helper);
    assert_int_equal(helper.result, MESSAGES);
    end_storm(&storm);
    end_world(&world);
}

static int receive_under_signals(void *socket)
{
    struct storm storm;
    uint32_t expected = 0;
    uint32_t number = 0;

    begin_storm(&storm);
    while (again(mcq_recv(socket, &number, sizeof number, 0)) == sizeof number)
        if (number != expected++)
            return -1;
    end_storm(&storm);
    return (int) expected;
}

/* Full queues both ways: calls that sleep, calls that write, calls that poll. */
static void fault_g2__signals_during_a_flood__no_message_is_lost(void)
{
    struct world world;
    struct storm storm;
    struct helper helper;
    uint32_t number = 0;
    int before = atomic_load(&signal_count);

    hear_signals();
    begin_world(&world);
    struct couple couple = {.bound = open_socket(&world, MCQ_PULL),
                            .connected = open_socket(&world, MCQ_PUSH)};

    assert_works(mcq_set(couple.bound, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set(couple.connected, MCQ_OPT_SNDHWM, 2));
    bind_somewhere(couple.bound, couple.endpoint);
    begin_storm(&storm);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    assert_int_equal(again(mcq_wait_peers(couple.connected, 1, PATIENCE_MS)), 0);
    start_helper(&helper, receive_under_signals, couple.bound);
    while (number < 20 * MESSAGES || atomic_load(&signal_count) < before + 200) {
        struct mcq_poll_entry entry = {.socket = couple.connected, .events = MCQ_POLLOUT};

        if (number % 3 == 0)
            assert_true(again(mcq_poll(&entry, 1, PATIENCE_MS)) == 1);
        assert_int_equal(again(mcq_send(couple.connected, &number, sizeof number, 0)), 0);
        number++;
    }
    assert_int_equal(again(mcq_send(couple.connected, "the end", 7, 0)), 0);
    join_helper(&helper);
    assert_int_equal(helper.result, number);
    end_storm(&storm);
    end_world(&world);
}

/* Nothing comes: each call ends, by EINTR, and as often as it is made. */
static void expect_eintr(int flags)
{
    struct world world;
    struct storm storm;

    hear_signals_with(flags);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_poll_entry entry = {.socket = pull, .events = MCQ_POLLIN};
    struct mcq_poll_entry none = {.fd = -1};
    struct mcq_message messages[2];

    assert_works(mcq_message_init(&messages[0]));
    assert_works(mcq_message_init(&messages[1]));
    begin_storm(&storm);
    for (int i = 0; i < SLEEPS; i++) {
        assert_fails(mcq_recv(pull, NULL, 0, 0), EINTR);
        assert_fails(mcq_recv_message(pull, messages, 0), EINTR);
        assert_fails(mcq_recv_batch(pull, messages, 2, 0), EINTR);
        assert_fails(mcq_recv_parts(pull, messages, 2, 0), EINTR);
        assert_fails(mcq_send(push, "x", 1, 0), EINTR);
        assert_fails(mcq_send_message(push, messages, 0), EINTR);
        assert_fails(mcq_send_batch(push, messages, 2, 0), EINTR);
        assert_fails(mcq_send_parts(push, messages, 2, 0), EINTR);
        assert_fails(mcq_commit(push, messages, 0, 0), EINTR);
        assert_fails(mcq_poll(&entry, 1, -1), EINTR);
        assert_fails(mcq_poll(&none, 1, -1), EINTR);
        assert_fails(mcq_wait_peers(pull, 1, -1), EINTR);
    }
    for (int i = 0; i < SLEEPS; i++)
        assert_fails(mcq_ctx_term(world.context, -1), EINTR);
    assert_fails(mcq_recv(pull, NULL, 0, 0), MCQ_ETERM);
    assert_works(mcq_close(pull));
    assert_works(mcq_close(push));
    assert_int_equal(again(mcq_ctx_term(world.context, -1)), 0);
    end_storm(&storm);
}

static void fault_g2__calls_that_sleep__give_eintr(void)
{
    expect_eintr(0);
}

/* The kernel does not begin a poll anew, whatever the handler says. */
static void fault_g2__calls_that_sleep__with_sa_restart__give_eintr(void)
{
    expect_eintr(SA_RESTART);
}

static void fault_g2__ctx_run__gives_eintr(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket;
    struct storm storm;

    hear_signals();
    assert_works(mcq_ctx_set(context, MCQ_CTX_IO_THREADS, 0));
    socket = mcq_socket(context, MCQ_PULL);
    assert_non_null(socket);
    begin_storm(&storm);
    for (int i = 0; i < SLEEPS; i++)
        assert_fails(mcq_ctx_run(context, PATIENCE_MS), EINTR);
    assert_works(mcq_close(socket));
    assert_int_equal(again(mcq_ctx_term(context, -1)), 0);
    end_storm(&storm);
}

/* --- f22 -------------------------------------------------------------------------------------- */

static uint16_t port_of(const char *endpoint)
{
    return (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
}

/* SIGPIPE as a process has it at first: it would end here. */
static void fault_f22__peers_that_reset__raise_no_sigpipe(void)
{
    static const char octets[70000];
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(push, endpoint);
    for (int i = 0; i < 20; i++) {
        int fd = raw_join(port_of(endpoint), "PULL", NULL);

        assert_works(mcq_wait_peers(push, 1, PATIENCE_MS));
        if (i % 2 == 0)
            raw_reset(fd);
        else
            assert_int_equal(close(fd), 0);
        /* Small ones and long ones, until the loss is known. */
        for (uint64_t until = now_ms() + PATIENCE_MS; mcq_wait_peers(push, 1, 0) == 0;) {
            (void) mcq_send(push, octets, i % 4 < 2 ? 10 : sizeof octets, MCQ_DONTWAIT);
            assert_true(now_ms() < until);
        }
    }
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    end_world(&world);
}

/* Strangers who go in the midst of our greeting, which the engine writes. */
static void fault_f22__strangers_that_reset__raise_no_sigpipe(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    for (int i = 0; i < 300; i++) {
        int fd = raw_connect(port_of(endpoint));

        if (i % 3 == 1)
            assert_true(raw_send(fd, "\xff\0\0\0\0\0\0\0\1\x7f\3", 11));
        raw_reset(fd);
    }
    int fd = raw_join(port_of(endpoint), "PUSH", NULL);

    assert_true(raw_send_frame(fd, 0, "alive", 5));
    expect_text(pull, "alive");
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_g2__signals_during_requests__no_message_is_lost)                                       \
    X(fault_g2__signals_during_a_flood__no_message_is_lost)                                        \
    X(fault_g2__calls_that_sleep__give_eintr)                                                      \
    X(fault_g2__calls_that_sleep__with_sa_restart__give_eintr)                                     \
    X(fault_g2__ctx_run__gives_eintr)                                                              \
    X(fault_f22__peers_that_reset__raise_no_sigpipe)                                               \
    X(fault_f22__strangers_that_reset__raise_no_sigpipe)
#define FAULTS_AUTO(X)

FAULTS_MAIN("signals")
