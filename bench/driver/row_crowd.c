/* One socket and a crowd of peers that are plain descriptors (crowd.c), so whichever library the
 * socket is of, the crowd costs the same. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rows.h"

/* Messages that a publisher may be ahead of the slowest subscriber, so that no queue grows and
 * every library does the same work; a stop for a burst of a few would be all that is measured.
 * Publishers have no high-water mark: libzmq looks at what its peers have taken once a millisecond,
 * and drops what comes meanwhile. nng's have one at all times. */
static uint64_t window(void)
{
    uint64_t share = 40000 / run->peers;

    return share < 400 || run->is_sp ? 400 : share;
}

/* --- publishers ------------------------------------------------------------------------------ */

/* Of the subscriber that has the least. */
static uint64_t least_octets(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < run->peers; i++)
        least = run->octets[i] < least ? run->octets[i] : least;
    return least;
}

static uint64_t all_octets(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < run->peers; i++)
        sum += run->octets[i];
    return sum;
}

/* Waits until all have so many octets. */
static void await_octets(uint64_t octets)
{
    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); least_octets() < octets;
         rest_us(50))
        must(now_ns() < until && run->phase != FAILED, "delivery");
}

/* Sends until everybody hears it, for subscriptions are on their way for some time. */
static void await_subscribers(void *socket, const char *message)
{
    uint64_t sum;

    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); least_octets() == 0;
         rest_us(20000)) {
        must(now_ns() < until && run->phase != FAILED, "subscription");
        must(bench_library.send(socket, message, run->bytes), "send");
    }
    do { /* until all of that has arrived; some have more of it than others */
        sum = all_octets();
        rest_us(100000);
    } while (sum != all_octets());
}

static double publish_for(void *socket, const char *message, double seconds)
{
    const uint64_t each = run->wire_bytes;
    const uint64_t half = window() / 2;
    const uint64_t before = least_octets();
    uint64_t until = now_ns() + (uint64_t) (seconds * 1e9);
    uint64_t sent = 0;

    do {
        must(bench_library.send(socket, message, run->bytes), "send");
        if (++sent % half == 0 && sent > half)
            await_octets(before + (sent - half) * each);
    } while (now_ns() < until);
    await_octets(before + sent * each);
    return (double) sent * run->peers;
}

static void publish(const char *message)
{
    void *socket = open_socket(BENCH_PUB, 0);
    double count;

    run_tell(LISTENING);
    for (uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000); !run->is_open;
         rest_us(500)) {
        /* libzmq takes subscriptions in while it is called, and a thousand wait at most. */
        if (run->topics > 0)
            must(bench_library.send(socket, message, run->bytes), "send");
        must(now_ns() < until && run->phase != FAILED, "connections");
    }
    await_subscribers(socket, message);
    for (uint32_t i = 0; i < run->peers; i++)
        run->octets[i] = 0;
    (void) publish_for(socket, message, warm_up_s());
    run_begin();
    count = publish_for(socket, message, run->seconds);
    run_end(count);
    tell_library();
}

void crowd_publisher(void)
{
    char *message = calloc(1, run->bytes);

    must(message != NULL, "memory");
    publish(message);
    free(message);
}

/* What the crowd subscribes to last: whoever hears it has been heard. */
void crowd_topics(void)
{
    char *message = calloc(1, run->bytes);

    must(message != NULL && run->bytes > 16, "memory");
    (void) snprintf(message, run->bytes, "topic-%08x", run->topics - 1);
    publish(message);
    free(message);
}

/* --- a publisher whose subscribers want different things -------------------------------------- */

#define ROUNDS_AHEAD 8 /* messages for each that may be on the way */

static void send_round(void *socket, const char *messages)
{
    for (uint32_t i = 0; i < run->peers; i++)
        must(bench_library.send(socket, messages + i * run->bytes, run->bytes), "send");
}

static double publish_rounds_for(void *socket, const char *messages, double seconds)
{
    const uint64_t before = least_octets();
    uint64_t until = now_ns() + (uint64_t) (seconds * 1e9);
    uint64_t rounds = 0;

    do {
        send_round(socket, messages);
        if (++rounds > ROUNDS_AHEAD)
            await_octets(before + (rounds - ROUNDS_AHEAD) * run->wire_bytes);
    } while (now_ns() < until);
    await_octets(before + rounds * run->wire_bytes);
    return (double) rounds * run->peers;
}

/* Each message is for one subscriber, in turns: what it subscribes to last. */
void crowd_apart(void)
{
    void *socket = open_socket(BENCH_PUB, 0);
    char *messages = calloc(run->peers, run->bytes);
    uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    double count;

    must(messages != NULL && run->bytes > 16 && run->topics > 0, "memory");
    for (uint32_t i = 0; i < run->peers; i++)
        (void) snprintf(messages + i * run->bytes, run->bytes, "topic-%08x",
                        (i + 1) * run->topics - 1);
    run_tell(LISTENING);
    for (; !run->is_open || least_octets() == 0; rest_us(2000)) {
        /* libzmq takes subscriptions in while it is called, and accepts nobody while it writes. */
        if (run->is_open)
            send_round(socket, messages);
        else
            must(bench_library.send(socket, messages, run->bytes), "send");
        must(now_ns() < until && run->phase != FAILED, "subscriptions");
    }
    rest_us(500000);
    for (uint32_t i = 0; i < run->peers; i++)
        run->octets[i] = 0;
    (void) publish_rounds_for(socket, messages, warm_up_s());
    run_begin();
    count = publish_rounds_for(socket, messages, run->seconds);
    run_end(count);
    tell_library();
    free(messages);
}

/* --- a ROUTER -------------------------------------------------------------------------------- */

void crowd_router(void)
{
    void *socket = open_socket(BENCH_ROUTER, 0);

    tell_library();
    run_tell(LISTENING);
    for (;;)
        must(bench_library.answer(socket, true), "answer");
}

/* Hears each of the crowd once and then does nothing. */
void crowd_idle(void)
{
    void *socket = open_socket(BENCH_ROUTER, 0);

    tell_library();
    run_tell(LISTENING);
    for (uint32_t i = 0; i < run->peers; i++)
        must(bench_library.answer(socket, false), "recv");
    sleep_us(500000); /* what was only held for a while is given back */
    if (bench_library.ledger != NULL)
        run->ledger_bytes = bench_library.ledger();
    run->has_spoken = true;
    for (;;)
        (void) pause();
}
