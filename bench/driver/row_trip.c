/* Round trips: one by one, at a given rate, of many pairs, and of many sockets of one thread. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "rows.h"

/* --- closed loop: the next request when the reply is there ------------------------------------ */

static void reply_forever(void *socket)
{
    for (;;) {
        const void *data;
        size_t len;

        must(bench_library.recv(socket, &data, &len), "recv");
        must(bench_library.send(socket, data, len), "send");
    }
}

void trip_replier(void)
{
    void *socket = open_socket(BENCH_REP, 0);

    run_tell(LISTENING);
    reply_forever(socket);
}

static double ask_for(void *socket, const char *message, double seconds, struct histogram *times)
{
    uint64_t at = now_ns();
    uint64_t until = at + (uint64_t) (seconds * 1e9);
    double count = 0;

    for (; at < until; count++) {
        uint64_t answered;

        must(bench_library.send(socket, message, run->bytes), "send");
        receive(socket);
        answered = now_ns();
        histogram_add(times, answered - at);
        at = answered;
    }
    return count;
}

void trip_requester(void)
{
    static struct histogram unused;
    char *message = calloc(1, run->bytes);
    double count;
    void *socket;

    run_await_phase(LISTENING);
    socket = open_socket(BENCH_REQ, 0);
    must(message != NULL, "memory");
    (void) ask_for(socket, message, warm_up_s(), &unused);
    run_begin();
    count = ask_for(socket, message, run->seconds, &run->times);
    run_end(count);
    tell_library();
    free(message);
}

/* --- open loop: at a given rate, whatever has been answered ------------------------------------
 *
 * A message says when it was to be sent, and its time runs from then on: if the sender is held up,
 * what it should have sent meanwhile is late, too, and is counted so. */

void open_echo(void)
{
    void *in = open_socket(BENCH_PULL, 0);
    void *out;

    run_tell(LISTENING);
    run_await(&run->is_open, "the way back");
    out = open_socket(BENCH_PUSH, 1);
    for (;;) {
        const void *data;
        size_t len;

        must(bench_library.recv(in, &data, &len), "recv");
        must(bench_library.send(out, data, len), "send");
    }
}

struct plan {
    uint64_t begin_ns, measure_ns;
    uint64_t total; /* messages, warm-up and all */
};

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t) (at_ns / 1000000000),
                          .tv_nsec = (long) (at_ns % 1000000000)};

    (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void *send_as_planned(void *opaque)
{
    struct plan *plan = opaque;
    void *socket = open_socket(BENCH_PUSH, 0);
    char *message = calloc(1, run->bytes);
    double interval_ns = 1e9 / run->rate;

    must(message != NULL, "memory");
    (void) prctl(PR_SET_TIMERSLACK, 1);
    while (now_ns() < plan->begin_ns)
        rest_us(1000);
    for (uint64_t i = 0; i < plan->total; i++) {
        uint64_t due_ns = plan->begin_ns + (uint64_t) ((double) i * interval_ns);

        if (due_ns > now_ns())
            sleep_until(due_ns);
        memcpy(message, &due_ns, sizeof due_ns);
        must(bench_library.send(socket, message, run->bytes), "send");
    }
    while (run->phase < MEASURED)
        rest_us(1000);
    free(message);
    return NULL;
}

static void *receive_and_time(void *opaque)
{
    struct plan *plan = opaque;
    void *socket = open_socket(BENCH_PULL, 1);

    run->is_open = true;
    for (uint64_t i = 0; i < plan->total; i++) {
        uint64_t due_ns, arrived_ns;
        const void *data;
        size_t len;

        must(bench_library.recv(socket, &data, &len) && len == run->bytes, "recv");
        arrived_ns = now_ns();
        memcpy(&due_ns, data, sizeof due_ns);
        if (due_ns >= plan->measure_ns)
            histogram_add(&run->times, arrived_ns - due_ns);
    }
    return NULL;
}

void open_client(void)
{
    struct plan plan = {.begin_ns = now_ns() + 200000000};
    pthread_t sender, receiver;

    must(run->bytes >= sizeof(uint64_t), "a message that can say its time");
    run_await_phase(LISTENING);
    plan.measure_ns = plan.begin_ns + (uint64_t) (warm_up_s() * 1e9);
    plan.total = (uint64_t) ((warm_up_s() + run->seconds) * run->rate) + 1;
    must(pthread_create(&receiver, NULL, receive_and_time, &plan) == 0, "thread");
    must(pthread_create(&sender, NULL, send_as_planned, &plan) == 0, "thread");
    sleep_until(plan.measure_ns);
    run_begin();
    (void) pthread_join(receiver, NULL);
    must(run->times.total > 0, "the rate");
    run_end((double) run->times.total);
    tell_library();
}

/* --- pairs: a thread for each on either side ------------------------------------------------- */

struct asker {
    _Alignas(128) _Atomic uint64_t count;
    pthread_t thread;
    uint32_t endpoint;
};

static struct asker askers[ENDPOINTS_MAX];
static _Atomic uint32_t bound;

static void *reply_as_thread(void *opaque)
{
    const struct asker *asker = opaque;
    void *socket = open_socket(BENCH_REP, asker->endpoint);

    bound++;
    reply_forever(socket);
    return NULL;
}

static void *ask_as_thread(void *opaque)
{
    struct asker *asker = opaque;
    void *socket = open_socket(BENCH_REQ, asker->endpoint);
    char *message = calloc(1, run->bytes);

    must(message != NULL, "memory");
    while (run->phase < MEASURED) {
        must(bench_library.send(socket, message, run->bytes), "send");
        receive(socket);
        atomic_fetch_add_explicit(&asker->count, 1, memory_order_relaxed);
    }
    free(message);
    return NULL;
}

static void start_threads(void *(*work)(void *) )
{
    for (uint32_t i = 0; i < run->peers; i++) {
        askers[i].endpoint = i;
        must(pthread_create(&askers[i].thread, NULL, work, &askers[i]) == 0, "thread");
    }
}

void pairs_repliers(void)
{
    start_threads(reply_as_thread);
    while (bound < run->peers)
        sleep_us(500);
    run_tell(LISTENING);
    (void) pthread_join(askers[0].thread, NULL);
}

static double asked(void)
{
    double sum = 0;

    for (uint32_t i = 0; i < run->peers; i++)
        sum += (double) askers[i].count;
    return sum;
}

void pairs_requesters(void)
{
    double before;

    run_await_phase(LISTENING);
    start_threads(ask_as_thread);
    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); asked() == 0; sleep_us(500))
        must(now_ns() < until, "the first reply");
    sleep_us((long) (warm_up_s() * 1e6));
    run_begin();
    before = asked();
    do
        sleep_us((long) (run->seconds * 1e6));
    while (asked() <= before);
    run_end(asked() - before);
    tell_library();
}

/* --- many sockets of one thread, each with requests of its own on the way --------------------- */

static double ask_in_turn(void *const *sockets, const char *message, double seconds)
{
    uint64_t until = now_ns() + (uint64_t) (seconds * 1e9);
    double count = 0;

    do
        for (uint32_t i = 0; i < run->peers; i++) {
            for (uint32_t n = 0; n < run->window; n++)
                receive(sockets[i]);
            for (uint32_t n = 0; n < run->window; n++)
                must(bench_library.send(sockets[i], message, run->bytes), "send");
            count += run->window;
        }
    while (now_ns() < until);
    return count;
}

void dealers_ask(void)
{
    void **sockets = calloc(run->peers, sizeof *sockets);
    char *message = calloc(1, run->bytes);
    double count;

    must(sockets != NULL && message != NULL, "memory");
    run_await_phase(LISTENING);
    for (uint32_t i = 0; i < run->peers; i++) {
        sockets[i] = open_socket(BENCH_DEALER, 0);
        for (uint32_t n = 0; n < run->window; n++)
            must(bench_library.send(sockets[i], message, run->bytes), "send");
    }
    (void) ask_in_turn(sockets, message, warm_up_s());
    run_begin();
    count = ask_in_turn(sockets, message, run->seconds);
    run_end(count);
    free(message);
    free(sockets);
}
