/*
 * slow_subscriber: a publisher as fast as it can, and a subscriber that takes a message in 20 ms,
 * holds one at most, and wants a sign of life every 100 ms: back-pressure must not look like death.
 *
 *     slow_subscriber [--seconds COUNT]     (600)
 *
 * Every ten seconds a line: what was sent and received, and the process's memory. Exit status 0:
 * numbers only grew, the subscriber was there whenever somebody looked, no ten seconds brought
 * less than a tenth of what they should, and memory did not grow over the second half.
 */
#include "long/long.h"

#include <inttypes.h>

#define LINE_NS UINT64_C(10000000000)
#define PAUSE_NS UINT64_C(20000000) /* of the subscriber */
#define BODY_BYTES 1000
#define GROWTH_KIB 4096

struct run {
    struct mcq_socket *pub;
    struct mcq_socket *sub;
    uint64_t sent;
    uint64_t received;
    uint64_t last; /* number received */
    uint64_t next_take_ns;
    bool is_wrong;
};

static void complain(struct run *run, const char *what)
{
    printf("wrong: %s, after %" PRIu64 " sent and %" PRIu64 " received\n", what, run->sent,
           run->received);
    run->is_wrong = true;
}

static void take(struct run *run)
{
    uint64_t body[BODY_BYTES / 8];
    ptrdiff_t len = mcq_recv(run->sub, body, sizeof body, MCQ_DONTWAIT);

    if (len < 0)
        return;
    run->received++;
    if (len != BODY_BYTES || body[0] != body[BODY_BYTES / 8 - 1])
        complain(run, "a message that is not whole");
    if (body[0] <= run->last)
        complain(run, "a message that came twice, or was overtaken");
    run->last = body[0];
}

/* As many as leave in a moment; they are dropped where the subscriber has no room. */
static void publish(struct run *run)
{
    uint64_t body[BODY_BYTES / 8] = {0};

    for (int i = 0; i < 20; i++) {
        body[0] = body[BODY_BYTES / 8 - 1] = ++run->sent;
        need(mcq_send(run->pub, body, BODY_BYTES, 0), "send");
    }
}

static void play(struct run *run, uint64_t until_ns)
{
    struct timespec moment = {.tv_nsec = 1000000};

    for (uint64_t now_ns = clock_ns(); now_ns < until_ns && !run->is_wrong; now_ns = clock_ns()) {
        publish(run);
        if (now_ns >= run->next_take_ns) {
            take(run);
            run->next_take_ns = now_ns + PAUSE_NS;
        }
        (void) nanosleep(&moment, NULL);
    }
}

int main(int count, char **words)
{
    uint64_t lines = (word_of(count, words, "--seconds", 600) + 9) / 10;
    struct mcq_context *near = mcq_ctx_new();
    struct mcq_context *far = mcq_ctx_new();
    struct run run = {.pub = need_socket(near, MCQ_PUB), .sub = need_socket(far, MCQ_SUB)};
    uint64_t half_kib = 0;
    char endpoint[64];

    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    need(mcq_set(run.pub, MCQ_OPT_HEARTBEAT_IVL, 100), "HEARTBEAT_IVL");
    need(mcq_set(run.sub, MCQ_OPT_HEARTBEAT_IVL, 100), "HEARTBEAT_IVL");
    need(mcq_set(run.sub, MCQ_OPT_RCVHWM, 1), "RCVHWM");
    need(mcq_set_bytes(run.sub, MCQ_OPT_SUBSCRIBE, "", 0), "SUBSCRIBE");
    need_bound(run.pub, endpoint);
    need(mcq_connect(run.sub, endpoint), "connect");
    need(mcq_wait_peers(run.pub, 1, LONG_PATIENCE_MS), "wait_peers");
    for (uint64_t line = 1; line <= lines && !run.is_wrong; line++) {
        uint64_t before = run.received;

        play(&run, clock_ns() + LINE_NS);
        if (mcq_wait_peers(run.pub, 1, 0) != 0)
            complain(&run, "the subscriber is gone");
        if (run.received - before < LINE_NS / PAUSE_NS / 10)
            complain(&run, "next to nothing has come");
        if (line == (lines + 1) / 2)
            half_kib = resident_kib();
        printf("%4" PRIu64 " s: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " KiB\n",
               line * 10, run.sent, run.received, resident_kib());
    }
    if (resident_kib() > half_kib + GROWTH_KIB)
        complain(&run, "memory has grown");
    need(mcq_set(run.pub, MCQ_OPT_LINGER, 0), "LINGER");
    need(mcq_close(run.pub), "close");
    need(mcq_close(run.sub), "close");
    need(mcq_ctx_term(near, LONG_PATIENCE_MS), "term");
    need(mcq_ctx_term(far, LONG_PATIENCE_MS), "term");
    return run.is_wrong ? 1 : 0;
}
