/* Sleepers: what ends a sleep, and that no wake-up is lost. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "reactor/ready.h"
#include "reactor/sleeper.h"
#include "reactor/test_support.h"

#define US UINT64_C(1000)

static struct mcq_sleeper *new_sleeper(struct fixture *f)
{
    struct mcq_sleeper *sleeper = NULL;

    assert_int_equal(mcq_sleeper_new(f->reactor, &sleeper), MCQ_OK);
    return sleeper;
}

static enum mcq_io_result sleep_for(struct fixture *f, struct mcq_sleeper *sleeper, uint64_t ns)
{
    struct pollfd fds[1];

    return mcq_sleeper_wait(sleeper, fds, 0, mcq_reactor_now_ns(f->reactor) + ns);
}

static enum mcq_io_result sleep_on(struct mcq_sleeper *sleeper, int fd, short events)
{
    struct pollfd fds[2] = {[1] = {.fd = fd, .events = events, .revents = -1}};
    enum mcq_io_result result = mcq_sleeper_wait(sleeper, fds, 1, MCQ_NEVER_NS);

    if (result == MCQ_IO_DONE)
        assert_int_equal(fds[1].revents, events);
    return result;
}

static void signals__before_the_sleep__end_it_once(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);

    for (int signals = 1; signals <= 3; signals++) {
        for (int i = 0; i < signals; i++)
            mcq_sleeper_signal(sleeper);
        assert_int_equal(sleep_for(&f, sleeper, 1000000 * MS), MCQ_IO_SIGNALED);
        assert_int_equal(sleep_for(&f, sleeper, MS), MCQ_IO_TIMED_OUT);
    }
    mcq_sleeper_free(&sleeper);
    assert_null(sleeper);
    close_reactor(&f);
}

static void time__over__says_timed_out_and_not_earlier(enum which which)
{
    struct fixture f;
    struct pollfd fds[1];

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);
    uint64_t start_ns = mcq_reactor_now_ns(f.reactor);

    assert_int_equal(mcq_sleeper_wait(sleeper, fds, 0, 0), MCQ_IO_TIMED_OUT);
    assert_int_equal(mcq_sleeper_wait(sleeper, fds, 0, start_ns), MCQ_IO_TIMED_OUT);
    for (uint64_t us = 1; us < 4000; us *= 3) {
        start_ns = mcq_reactor_now_ns(f.reactor);
        assert_int_equal(sleep_for(&f, sleeper, us * US), MCQ_IO_TIMED_OUT);
        assert_true(mcq_reactor_now_ns(f.reactor) >= start_ns + us * US);
    }
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

static void descriptor__ready__the_others_are_not_said(enum which which)
{
    struct fixture f;
    struct pollfd fds[5];

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);
    struct pair pair = connect_pair(&f);

    fds[1] = (struct pollfd) {.fd = pair.near, .events = POLLIN, .revents = -1};
    fds[2] = (struct pollfd) {.fd = -1, .events = POLLIN, .revents = -1}; /* passed over */
    fds[3] = (struct pollfd) {.fd = pair.far, .events = POLLIN, .revents = -1};
    fds[4] = (struct pollfd) {.fd = pair.near, .events = POLLIN, .revents = -1};
    assert_int_equal(mcq_sleeper_wait(sleeper, fds, 4, 0), MCQ_IO_TIMED_OUT);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(fds[i].revents, 0);
    assert_int_equal(send_text(&f, pair.near, "x").len, 1);
    assert_int_equal(mcq_sleeper_wait(sleeper, fds, 4, MCQ_NEVER_NS), MCQ_IO_DONE);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(fds[i].revents, i == 3 ? POLLIN : 0);
    fds[1].events = POLLIN | POLLOUT;
    assert_int_equal(mcq_sleeper_wait(sleeper, fds, 4, MCQ_NEVER_NS), MCQ_IO_DONE);
    assert_int_equal(fds[1].revents, POLLOUT);
    assert_int_equal(fds[3].revents, POLLIN);
    close_pair(&f, &pair);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

/* A signal hides no descriptor: the next sleep finds it. */
static void signal__and_a_ready_descriptor__both_are_said(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);
    struct pair pair = connect_pair(&f);

    mcq_sleeper_signal(sleeper);
    assert_int_equal(sleep_on(sleeper, pair.near, POLLOUT), MCQ_IO_SIGNALED);
    assert_int_equal(sleep_on(sleeper, pair.near, POLLOUT), MCQ_IO_DONE);
    close_pair(&f, &pair);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

/* What ends a sleep never takes the edge: that is the harvest's. */
static void ready_set__slept_on_by_two__wakes_both_until_the_harvest(enum which which)
{
    struct fixture f;
    struct mcq_ready_set *set;
    struct mcq_ready_event event;
    struct pollfd fds[2];

    open_reactor(&f, which);
    struct mcq_sleeper *first = new_sleeper(&f);
    struct mcq_sleeper *second = new_sleeper(&f);
    struct pair pair = connect_pair(&f);

    assert_int_equal(mcq_ready_new(f.reactor, &set), MCQ_OK);
    assert_int_equal(mcq_ready_add(set, pair.far, (struct mcq_ready_key) {1, 2}, MCQ_READY_IN),
                     MCQ_IO_DONE);
    fds[1] = (struct pollfd) {.fd = mcq_ready_fd(set), .events = POLLIN};
    assert_int_equal(mcq_sleeper_wait(first, fds, 1, 0), MCQ_IO_TIMED_OUT);
    assert_int_equal(send_text(&f, pair.near, "x").len, 1);
    assert_int_equal(sleep_on(first, mcq_ready_fd(set), POLLIN), MCQ_IO_DONE);
    assert_int_equal(sleep_on(second, mcq_ready_fd(set), POLLIN), MCQ_IO_DONE);
    assert_int_equal(mcq_ready_harvest(set, &event, 1), 1);
    assert_int_equal(mcq_sleeper_wait(first, fds, 1, 0), MCQ_IO_TIMED_OUT);
    mcq_ready_remove(set, pair.far);
    mcq_ready_free(&set);
    close_pair(&f, &pair);
    mcq_sleeper_free(&first);
    mcq_sleeper_free(&second);
    close_reactor(&f);
}

/* --- from elsewhere -------------------------------------------------------------------------- */

struct elsewhere {
    struct mcq_sleeper *sleeper;
    struct fixture *f;
    uint64_t at_ns;
    bool is_signaled;
};

static void *signal_later(void *argument)
{
    struct elsewhere *e = argument;

    (void) nanosleep(&(struct timespec) {.tv_nsec = 2000000}, NULL);
    mcq_sleeper_signal(e->sleeper);
    return NULL;
}

static bool signal_turn(void *argument)
{
    struct elsewhere *e = argument;

    mcq_reactor_wait(e->f->reactor, e->at_ns);
    if (e->is_signaled || mcq_reactor_now_ns(e->f->reactor) < e->at_ns)
        return false;
    mcq_sleeper_signal(e->sleeper);
    e->is_signaled = true;
    return true;
}

static void signal__during_the_sleep__ends_it(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct elsewhere e = {.sleeper = new_sleeper(&f), .f = &f};
    struct mcq_sim_actor actor = {.turn = signal_turn, .context = &e};
    uint64_t start_ns = mcq_reactor_now_ns(f.reactor);
    struct pair pair = connect_pair(&f);
    pthread_t thread = pthread_self();

    e.at_ns = start_ns + 2 * MS;
    if (f.sim != NULL)
        mcq_sim_add_actor(f.sim, &actor);
    else
        assert_int_equal(pthread_create(&thread, NULL, signal_later, &e), 0);
    assert_int_equal(sleep_on(e.sleeper, pair.far, POLLIN), MCQ_IO_SIGNALED);
    assert_true(mcq_reactor_now_ns(f.reactor) >= e.at_ns);
    if (f.sim != NULL)
        mcq_sim_remove_actor(f.sim, &actor);
    else
        assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sleep_for(&f, e.sleeper, MS), MCQ_IO_TIMED_OUT); /* it was taken */
    close_pair(&f, &pair);
    mcq_sleeper_free(&e.sleeper);
    close_reactor(&f);
}

static void new__without_memory_or_descriptors__says_so(enum which which)
{
    struct fixture f;
    struct rlimit before;
    struct mcq_sleeper *sleeper = NULL;

    open_reactor(&f, which);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_sleeper_new(f.reactor, &sleeper), MCQ_NOMEM);
    assert_null(sleeper);
    mcq_alloc_fail_at(0);
    if (which != WHICH_SIM) {
        before = take_descriptors();
        assert_int_equal(mcq_sleeper_new(f.reactor, &sleeper), MCQ_NO_FDS);
        assert_null(sleeper);
        give_descriptors(&before);
    }
    sleeper = new_sleeper(&f);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

/* --- a handler ------------------------------------------------------------------------------- */

static _Atomic bool is_interrupted;
static pthread_t sleeping_thread;

static void on_signal(int number)
{
    (void) number;
}

static void *interrupt_often(void *argument)
{
    (void) argument;
    while (!atomic_load(&is_interrupted)) {
        (void) pthread_kill(sleeping_thread, SIGUSR1);
        (void) nanosleep(&(struct timespec) {.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

/* The sleeper does not hide it: what EINTR means is for the caller to say. */
static void fault_g2__handler_during_the_sleep__interrupts_it(enum which which)
{
    struct fixture f;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction before;
    pthread_t thread;

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);
    struct pair pair = connect_pair(&f);

    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    sleeping_thread = pthread_self();
    atomic_store(&is_interrupted, false);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_often, NULL), 0);
    assert_int_equal(sleep_on(sleeper, pair.far, POLLIN), MCQ_IO_INTERRUPTED);
    atomic_store(&is_interrupted, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    mcq_sleeper_signal(sleeper); /* it sleeps on as before */
    assert_int_equal(sleep_for(&f, sleeper, 1000 * MS), MCQ_IO_SIGNALED);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    close_pair(&f, &pair);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

/* --- stress ---------------------------------------------------------------------------------- */

#define ROUNDS 20000
#define PRODUCERS 3

/* A ball that two threads throw. Nothing but the signals orders the accesses to it, so a signal
 * that is lost ends the test by its time limit, and one that orders nothing is seen by TSan. */
struct game {
    struct mcq_reactor *reactor;
    struct mcq_sleeper *sleepers[2];
    unsigned ball;
    unsigned wrong;
};

/* Some are slow to sleep, and are signaled before; every third sleep has a limit, and so may end as
 * the signal comes. */
static void catch_ball(struct game *game, int side, unsigned round)
{
    struct pollfd fds[1];
    enum mcq_io_result result;
    uint64_t slow_until_ns = round % 32 == 0 ? mcq_reactor_now_ns(game->reactor) + 300000 : 0;

    while (mcq_reactor_now_ns(game->reactor) < slow_until_ns)
        continue;
    do {
        uint64_t until_ns =
            round % 3 == 0 ? mcq_reactor_now_ns(game->reactor) + round % 50 * US : UINT64_MAX;

        result = mcq_sleeper_wait(game->sleepers[side], fds, 0, until_ns);
    } while (result == MCQ_IO_TIMED_OUT);
    game->wrong += result != MCQ_IO_SIGNALED;
}

static void *play_far_side(void *argument)
{
    struct game *game = argument;

    for (unsigned round = 0; round < ROUNDS; round++) {
        catch_ball(game, 1, round);
        game->wrong += game->ball++ != 2 * round;
        mcq_sleeper_signal(game->sleepers[0]);
    }
    return NULL;
}

static void stress__two_threads_in_turn__each_signal_is_taken(enum which which)
{
    static struct game game; /* on a stack TSan misses the race of a signal that orders nothing */
    struct fixture f;
    pthread_t thread;

    open_reactor(&f, which);
    game = (struct game) {f.reactor, {new_sleeper(&f), new_sleeper(&f)}, 0, 0};

    assert_int_equal(pthread_create(&thread, NULL, play_far_side, &game), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        mcq_sleeper_signal(game.sleepers[1]);
        catch_ball(&game, 0, round + 1);
        game.wrong += game.ball++ != 2 * round + 1;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(game.wrong, 0);
    mcq_sleeper_free(&game.sleepers[0]);
    mcq_sleeper_free(&game.sleepers[1]);
    close_reactor(&f);
}

struct market {
    struct fixture *f;
    struct mcq_sleeper *sleeper;
    int fd; /* the last producer writes here instead of signaling */
    _Atomic unsigned stock;
};

static void *produce(void *argument)
{
    struct market *market = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_fetch_add_explicit(&market->stock, 1, memory_order_relaxed);
        mcq_sleeper_signal(market->sleeper);
    }
    return NULL;
}

static void *produce_octets(void *argument)
{
    struct market *market = argument;

    for (unsigned i = 0; i < ROUNDS / 10; i++)
        while (send_text(market->f, market->fd, "x").result != MCQ_IO_DONE)
            (void) nanosleep(&(struct timespec) {.tv_nsec = 10000}, NULL);
    return NULL;
}

/* Late writes of the eventfd, signals and a descriptor all meet the same sleeps. */
static void fault_f18__stress_of_signals_and_octets__none_is_left_behind(enum which which)
{
    struct fixture f;
    pthread_t threads[PRODUCERS + 1];
    const unsigned all = PRODUCERS * ROUNDS + ROUNDS / 10;
    unsigned taken = 0;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);
    struct market market = {&f, new_sleeper(&f), pair.near, 0};

    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &market), 0);
    assert_int_equal(pthread_create(&threads[PRODUCERS], NULL, produce_octets, &market), 0);
    for (unsigned turn = 0; taken < all; turn++) {
        struct pollfd fds[2] = {[1] = {.fd = pair.far, .events = POLLIN}};
        unsigned found = atomic_exchange_explicit(&market.stock, 0, memory_order_relaxed) +
                         (unsigned) drain(&f, pair.far);

        taken += found;
        if (found > 0)
            continue;
        uint64_t until_ns =
            turn % 3 == 0 ? mcq_reactor_now_ns(f.reactor) + turn % 50 * US : UINT64_MAX;
        enum mcq_io_result result = mcq_sleeper_wait(market.sleeper, fds, 1, until_ns);

        assert_true(result == MCQ_IO_SIGNALED || result == MCQ_IO_DONE ||
                    (result == MCQ_IO_TIMED_OUT && until_ns != UINT64_MAX));
        assert_true(result != MCQ_IO_DONE || fds[1].revents != 0);
    }
    for (int i = 0; i <= PRODUCERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(taken, all);
    mcq_sleeper_free(&market.sleeper);
    close_pair(&f, &pair);
    close_reactor(&f);
}

/* --- the simulated world alone ---------------------------------------------------------------- */

/* A wake-up that nobody sends is a fault of the caller's, and here it can be known. */
static void sleep__that_never_ends__says_broken(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);
    struct pair pair = connect_pair(&f);

    assert_int_equal(sleep_on(sleeper, pair.near, POLLIN), MCQ_IO_BROKEN);
    close_pair(&f, &pair);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

static void injected_handler__interrupts_the_sleep(enum which which)
{
    struct fixture f;

    open_reactor(&f, which);
    struct mcq_sleeper *sleeper = new_sleeper(&f);

    mcq_sim_inject(f.sim, mcq_sim_operation_count(f.sim), MCQ_IO_INTERRUPTED);
    assert_int_equal(sleep_for(&f, sleeper, MS), MCQ_IO_INTERRUPTED);
    assert_int_equal(sleep_for(&f, sleeper, MS), MCQ_IO_TIMED_OUT);
    mcq_sleeper_free(&sleeper);
    close_reactor(&f);
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(signals__before_the_sleep__end_it_once)                                                      \
    X(time__over__says_timed_out_and_not_earlier)                                                  \
    X(descriptor__ready__the_others_are_not_said)                                                  \
    X(signal__and_a_ready_descriptor__both_are_said)                                               \
    X(ready_set__slept_on_by_two__wakes_both_until_the_harvest)                                    \
    X(signal__during_the_sleep__ends_it)                                                           \
    X(new__without_memory_or_descriptors__says_so)

#define ON_THE_KERNEL(X)                                                                           \
    X(fault_g2__handler_during_the_sleep__interrupts_it)                                           \
    X(stress__two_threads_in_turn__each_signal_is_taken)                                           \
    X(fault_f18__stress_of_signals_and_octets__none_is_left_behind)

#define ON_THE_SIM(X)                                                                              \
    X(sleep__that_never_ends__says_broken)                                                         \
    X(injected_handler__interrupts_the_sleep)

ON_EVERY_ENGINE(ENGINE_TESTS)
ON_THE_KERNEL(KERNEL_TESTS)
ON_THE_SIM(SIM_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS) ON_THE_KERNEL(KERNEL_ROWS)
                                           ON_THE_SIM(SIM_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
