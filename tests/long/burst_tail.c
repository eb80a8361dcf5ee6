/*
 * burst_tail: how long the last message of a burst takes when its sender goes silent.
 *
 *     burst_tail [--rounds COUNT]     (40)
 *
 * A burst is sent as fast as calls go, the last message with the time of its call; the receiver, in
 * a process of its own, receives without sleeping and tells when it has that message from all its
 * connections. One peer, and 1,000 connections of one subscriber; on both engines. Prints medians
 * and the ninth of ten in microseconds. Exit status 0: with one peer the median is within 2 ms.
 */
#include "long/long.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#define PEERS_MANY 1000
#define MOST_US 2000
#define SETTLE_NS 20000000

struct body {
    uint64_t sent_ns; /* 0: not the last one */
    uint64_t filler[7];
};

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *) a;
    uint64_t right = *(const uint64_t *) b;

    return left < right ? -1 : left > right;
}

/* Says of each burst how long its last message took to come by all ways. */
static void receive(const char *endpoint, enum mcq_type type, uint64_t peers, int answer)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = need_socket(context, type);
    uint64_t left = peers;
    struct body body;

    need(mcq_set(socket, MCQ_OPT_RCVHWM, 0), "RCVHWM");
    if (type == MCQ_SUB)
        need(mcq_set_bytes(socket, MCQ_OPT_SUBSCRIBE, "", 0), "SUBSCRIBE");
    for (uint64_t i = 0; i < peers; i++)
        need(mcq_connect(socket, endpoint), "connect");
    for (;;) {
        uint64_t took_ns;

        if (mcq_recv(socket, &body, sizeof body, MCQ_DONTWAIT) != sizeof body ||
            body.sent_ns == 0 || --left > 0)
            continue;
        left = peers;
        took_ns = clock_ns() - body.sent_ns;
        if (write(answer, &took_ns, sizeof took_ns) != sizeof took_ns)
            exit(1);
    }
}

static uint64_t send_burst(struct mcq_socket *socket, uint64_t count, int answer)
{
    struct timespec calm = {.tv_nsec = SETTLE_NS};
    struct body body = {0};
    uint64_t took_ns;

    (void) nanosleep(&calm, NULL);
    for (uint64_t i = 0; i < count; i++) {
        if (i + 1 == count)
            body.sent_ns = clock_ns();
        need(mcq_send(socket, &body, sizeof body, 0), "send");
    }
    if (read(answer, &took_ns, sizeof took_ns) != sizeof took_ns)
        exit(1);
    return took_ns / 1000;
}

static uint64_t measure(const char *engine, uint64_t peers, uint64_t rounds)
{
    bool is_many = peers > 1;
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket;
    uint64_t *took_us = calloc(rounds, sizeof *took_us);
    char endpoint[64];
    int answer[2];
    pid_t pid;

    if (took_us == NULL || pipe(answer) != 0 || setenv("MONOCOQUE_ENGINE", engine, 1) != 0)
        exit(1);
    socket = need_socket(context, is_many ? MCQ_PUB : MCQ_PUSH);
    need(mcq_set(socket, MCQ_OPT_SNDHWM, 0), "SNDHWM");
    need(mcq_set(socket, MCQ_OPT_LINGER, 0), "LINGER");
    need(mcq_set(socket, MCQ_OPT_BACKLOG, 4096), "BACKLOG");
    need_bound(socket, endpoint);
    pid = fork();
    if (pid == 0)
        receive(endpoint, is_many ? MCQ_SUB : MCQ_PULL, peers, answer[1]);
    need(mcq_wait_peers(socket, (uint32_t) peers, LONG_PATIENCE_MS), "wait_peers");
    for (uint64_t i = 0; i < rounds; i++)
        took_us[i] = send_burst(socket, is_many ? 20 : 200, answer[0]);
    qsort(took_us, rounds, sizeof *took_us, by_size);
    printf("%-8s %4" PRIu64 " peers: median %6" PRIu64 " us, ninth of ten %6" PRIu64 " us\n",
           engine, peers, took_us[rounds / 2], took_us[rounds * 9 / 10]);

    uint64_t median_us = took_us[rounds / 2];

    free(took_us);
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
    (void) close(answer[0]);
    (void) close(answer[1]);
    need(mcq_close(socket), "close");
    need(mcq_ctx_term(context, LONG_PATIENCE_MS), "term");
    return median_us;
}

int main(int count, char **words)
{
    static const char *const engines[] = {"io_uring", "epoll"};
    uint64_t rounds = word_of(count, words, "--rounds", 40);
    bool is_good = true;

    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        is_good &= measure(engines[i], 1, rounds) <= MOST_US;
        (void) measure(engines[i], PEERS_MANY, rounds);
    }
    return is_good ? 0 : 1;
}
