/*
 * path: what one send and one receive of a small message cost the processor.
 *
 * Question: how many nanoseconds of processor time go into a send and into a receive, by the way
 *           that messages take, and how many of them are the kernel's?
 * Method:   one thread has both sockets: it sends LOT messages and then receives them, so that
 *           neither side ever waits, sleeps or meets the other in a cache line at the same time.
 *           Each half is timed by the thread's own clock, which does not run while others do; the
 *           median over all lots is shown. Under `valgrind --tool=callgrind`
 *           (MONOCOQUE_ENGINE=epoll) it counts the instructions of the same two halves.
 *
 *     path [tcp|ipc|inproc] [OCTETS] [LOTS] [copy|give]
 */
#include <monocoque.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Messages of 64 octets: two batches. Of others no more than are as many octets. */
#define LOT 4000
#define LOT_BYTES 262144
/* So many lots more are sent than received: what waits for a batch is never asked for. */
#define LEAD_LOTS 2
#define LOTS_MAX 20000

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "path: %s: %s\n", what, mcq_last_error());
    exit(1);
}

static uint64_t thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *) left;
    double b = *(const double *) right;

    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static char body[65536];
static size_t lot;

__attribute__((noinline)) static void send_lot(struct mcq_socket *push, size_t len, int gives)
{
    for (size_t i = 0; i < lot; i++) {
        struct mcq_message message;

        if (!gives) {
            must(mcq_send(push, body, len, 0) == 0, "send");
            continue;
        }
        must(mcq_message_init_size(&message, len) == 0, "init");
        memset(mcq_message_data(&message), 7, len);
        must(mcq_send_message(push, &message, 0) == 0, "send");
    }
}

__attribute__((noinline)) static void recv_lot(struct mcq_socket *pull, struct mcq_message *message)
{
    for (size_t i = 0; i < lot; i++)
        must(mcq_recv_message(pull, message, 0) == 0, "recv");
}

int main(int argc, char **argv)
{
    static double sends[LOTS_MAX], recvs[LOTS_MAX];
    const char *transport = argc > 1 ? argv[1] : "tcp";
    size_t len = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
    size_t lots = argc > 3 ? strtoul(argv[3], NULL, 10) : 500;
    int gives = argc > 4 && strcmp(argv[4], "give") == 0;
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *pull = mcq_socket(context, MCQ_PULL);
    struct mcq_socket *push = mcq_socket(context, MCQ_PUSH);
    struct mcq_message message;
    char endpoint[128];
    struct rusage use;

    if (lots < 1 || lots > LOTS_MAX || len > sizeof body) {
        fprintf(stderr, "path [tcp|ipc|inproc] [OCTETS] [LOTS] [copy|give]\n");
        return 64;
    }
    lot = len * LOT > LOT_BYTES ? LOT_BYTES / len : LOT;
    (void) snprintf(endpoint, sizeof endpoint,
                    strcmp(transport, "tcp") == 0   ? "tcp://127.0.0.1:*"
                    : strcmp(transport, "ipc") == 0 ? "ipc://*"
                                                    : "inproc://path");
    must(mcq_set(push, MCQ_OPT_SNDHWM, 0) == 0 && mcq_set(pull, MCQ_OPT_RCVHWM, 0) == 0, "set");
    must(mcq_bind(pull, endpoint) == 0, "bind");
    must(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &(size_t) {sizeof endpoint}) == 0,
         "endpoint");
    must(mcq_connect(push, endpoint) == 0, "connect");
    must(mcq_wait_peers(push, 1, 5000) == 0, "peers");
    (void) mcq_message_init(&message);
    for (size_t i = 0; i < (len < 4096 ? LEAD_LOTS : 0); i++)
        send_lot(push, len, gives);
    for (size_t i = 0; i < lots; i++) {
        uint64_t at = thread_ns();
        uint64_t sent_at, received_at;

        send_lot(push, len, gives);
        sent_at = thread_ns();
        recv_lot(pull, &message);
        received_at = thread_ns();
        sends[i] = (double) (sent_at - at) / (double) lot;
        recvs[i] = (double) (received_at - sent_at) / (double) lot;
    }
    (void) getrusage(RUSAGE_THREAD, &use);
    printf("%-6s %6zu B %s  send %7.1f ns  recv %7.1f ns  kernel %4.1f %%\n", transport, len,
           gives ? "given " : "copied", median(sends, lots), median(recvs, lots),
           100.0 * ((double) use.ru_stime.tv_sec * 1e6 + (double) use.ru_stime.tv_usec) /
               ((double) (use.ru_stime.tv_sec + use.ru_utime.tv_sec) * 1e6 +
                (double) (use.ru_stime.tv_usec + use.ru_utime.tv_usec)));
    (void) mcq_message_close(&message);
    must(mcq_set(push, MCQ_OPT_LINGER, 0) == 0 && mcq_close(push) == 0 && mcq_close(pull) == 0,
         "close");
    return mcq_ctx_term(context, -1) == 0 ? 0 : 1;
}
