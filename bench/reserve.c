/*
 * reserve: writing a message where it leaves from, against having it copied.
 *
 * Question: what does a message of 64 B, 1 KiB and 16 KiB cost its sender with mcq_send, with
 *           mcq_reserve and mcq_commit, with the same in batches, and with libzmq?
 * Method:   each way has a process of its own that fills each message anew and sends for SECONDS
 *           over loopback TCP; the receiver is the same for all, this library's PULL in batches.
 *           The ways take turns within a round; shown are medians over the rounds: messages per
 *           second, and processor time of the sender's process for one, kernel included.
 *
 *     reserve [ROUNDS [SECONDS]]
 */
#include <monocoque.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef RACE_LIBZMQ
#include <zmq.h>
#endif

#define BATCH 64
#define ROUNDS_MAX 99
#define WAYS_MAX 8

static double seconds = 0.5;
static char endpoint[64];
static size_t len;

static double now_s(clockid_t clock)
{
    struct timespec now;

    (void) clock_gettime(clock, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void must(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "reserve: %s\n", mcq_last_error());
    _exit(2);
}

/* --- the ways to send BATCH messages ---------------------------------------------------------- */

static struct mcq_socket *push;
static struct mcq_message messages[BATCH];
static char own[16384];

static void by_send(void)
{
    for (int i = 0; i < BATCH; i++) {
        memset(own, i, len);
        must(mcq_send(push, own, len, 0) == 0);
    }
}

static void by_commit(void)
{
    for (int i = 0; i < BATCH; i++) {
        must(mcq_reserve(push, messages, len) == 0);
        memset(mcq_message_data(messages), i, len);
        must(mcq_commit(push, messages, len, 0) == 0);
    }
}

static void send_all(void)
{
    must(mcq_send_batch(push, messages, BATCH, 0) == BATCH);
}

static void by_batch(void)
{
    for (int i = 0; i < BATCH; i++) {
        must(mcq_message_init_size(&messages[i], len) == 0);
        memset(mcq_message_data(&messages[i]), i, len);
    }
    send_all();
}

static void by_reserved_batch(void)
{
    must(mcq_reserve_batch(push, messages, BATCH, len) == BATCH);
    for (int i = 0; i < BATCH; i++)
        memset(mcq_message_data(&messages[i]), i, len);
    send_all();
}

static void open_push(void)
{
    push = mcq_socket(mcq_ctx_new(), MCQ_PUSH);
    must(push != NULL && mcq_connect(push, endpoint) == 0);
    for (int i = 0; i < BATCH; i++)
        (void) mcq_message_init(&messages[i]);
}

#ifdef RACE_LIBZMQ
static void *other;

static void open_other(void)
{
    other = zmq_socket(zmq_ctx_new(), ZMQ_PUSH);
    must(other != NULL && zmq_connect(other, endpoint) == 0);
}

static void by_zmq_send(void)
{
    for (int i = 0; i < BATCH; i++) {
        memset(own, i, len);
        must(zmq_send(other, own, len, 0) >= 0);
    }
}

static void by_zmq_msg(void)
{
    for (int i = 0; i < BATCH; i++) {
        zmq_msg_t msg;

        must(zmq_msg_init_size(&msg, len) == 0);
        memset(zmq_msg_data(&msg), i, len);
        must(zmq_msg_send(&msg, other, 0) >= 0);
    }
}
#endif

static const struct way {
    const char *name;
    void (*open)(void);
    void (*run)(void);
} ways[] = {
    {"mcq_send", open_push, by_send},
    {"mcq_reserve, mcq_commit", open_push, by_commit},
    {"mcq_message_init_size, mcq_send_batch of 64", open_push, by_batch},
    {"mcq_reserve_batch, mcq_send_batch of 64", open_push, by_reserved_batch},
#ifdef RACE_LIBZMQ
    {"zmq_send", open_other, by_zmq_send},
    {"zmq_msg_init_size, zmq_msg_send", open_other, by_zmq_msg},
#endif
};
#define WAY_COUNT (sizeof ways / sizeof ways[0])

/* --- one run ---------------------------------------------------------------------------------- */

/* Written by the sender, read by its parent. */
static struct sent {
    _Atomic double count;
    double begun_s;
    _Atomic double cpu_s;
} * sent;

static void run_sender(const struct way *way)
{
    double count = 0;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    way->open();
    for (;;) {
        way->run();
        count += BATCH;
        if ((size_t) count % (BATCH * 64) != 0)
            continue;
        sent->cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
        sent->count = count;
    }
}

struct result {
    double per_s, cpu_ns;
};

static double count_for(struct mcq_socket *pull, double for_s)
{
    static struct mcq_message in[BATCH];
    double until = now_s(CLOCK_MONOTONIC) + for_s;
    double count = 0;

    while (now_s(CLOCK_MONOTONIC) < until) {
        int taken = mcq_recv_batch(pull, in, BATCH, 0);

        must(taken > 0);
        count += taken;
    }
    return count;
}

static struct result run(const struct way *way)
{
    struct result result;
    double begun_cpu_s, begun_count, begun_s;
    struct mcq_context *context;
    struct mcq_socket *pull;
    size_t room = sizeof endpoint;
    pid_t child;
    int pipes[2];

    must(pipe(pipes) == 0);
    child = fork(); /* before there are threads */
    must(child >= 0);
    if (child == 0) {
        must(read(pipes[0], endpoint, sizeof endpoint) > 0);
        run_sender(way);
    }
    context = mcq_ctx_new();
    pull = mcq_socket(context, MCQ_PULL);
    must(pull != NULL && mcq_set(pull, MCQ_OPT_RCVTIMEO, 10000) == 0);
    must(mcq_bind(pull, "tcp://127.0.0.1:*") == 0);
    must(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &room) == 0);
    must(write(pipes[1], endpoint, sizeof endpoint) > 0);
    (void) count_for(pull, seconds / 4);
    begun_cpu_s = sent->cpu_s;
    begun_count = sent->count;
    begun_s = now_s(CLOCK_MONOTONIC);
    result.per_s = count_for(pull, seconds) / (now_s(CLOCK_MONOTONIC) - begun_s);
    result.cpu_ns = (sent->cpu_s - begun_cpu_s) / (sent->count - begun_count) * 1e9;
    (void) kill(child, SIGKILL);
    (void) waitpid(child, NULL, 0);
    (void) close(pipes[0]);
    (void) close(pipes[1]);
    (void) mcq_close(pull);
    (void) mcq_ctx_term(context, -1);
    return result;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *) a - *(const double *) b;

    return (difference > 0) - (difference < 0);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double per_s[WAYS_MAX][ROUNDS_MAX];
    static double cpu_ns[WAYS_MAX][ROUNDS_MAX];
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;

    if (argc > 2)
        seconds = strtod(argv[2], NULL);
    if (rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0)
        return 2;
    sent = mmap(NULL, sizeof *sent, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(sent != MAP_FAILED);
    for (len = 64; len <= sizeof own; len *= 16) {
        for (size_t round = 0; round < rounds; round++)
            for (size_t i = 0; i < WAY_COUNT; i++) {
                struct result result = run(&ways[i]);

                per_s[i][round] = result.per_s;
                cpu_ns[i][round] = result.cpu_ns;
            }
        printf("%zu B%*s messages/s   sender, ns\n", len,
               42 - (len >= 10000  ? 5
                     : len >= 1000 ? 4
                                   : 2),
               "");
        for (size_t i = 0; i < WAY_COUNT; i++)
            printf("  %-44s %9.0f %12.0f\n", ways[i].name, median(per_s[i], rounds),
                   median(cpu_ns[i], rounds));
    }
    return 0;
}
