/*
 * tail: an unsent tail whose caller went away, and what the deadline for it costs at full rate.
 *
 * Question: how long does a tail stay when its caller computes instead of calling, and what does
 *           one message cost more if a deadline guards every batch? Three ways to guard it:
 *             once   asked for if none is out; one that finds the batch renewed is set again
 *             each   asked for at the start of every batch
 *             tick   a permanent tick of 1 ms, nothing to ask for
 * Method:   64-octet messages copied into a batch under a lock, flushed at 128 KiB; another process
 *           reads. Cost: CPU time of sender and engine, ROUNDS alternations of 4 million messages.
 *           Delay: 2000 messages, 1 to 50 more that stay in the batch, then the caller computes for
 *           6 ms; from the last message's time to its arrival; 60 trials each.
 *
 *     tail
 */
#include "prototype.h"

#include <liburing.h>

#define BATCH_BYTES 131072
#define MESSAGE_BYTES 64
#define COST_MESSAGES 4000000L
#define TRIALS 60

enum variant { NONE, ONCE, EACH, TICK, VARIANTS };
enum tag { DEADLINE = 1, WAKE };

static const char *const variant_name[] = {"no guard", "once", "each", "tick"};

static struct {
    pthread_mutex_t lock;
    int fd, wake_fd;
    enum variant variant;
    size_t len;   /* octets in the batch */
    bool out;     /* the deadline is asked for, and did not run out */
    bool renewed; /* the batch was emptied since */
    _Atomic bool ask, end;
    _Atomic uint32_t wakes;
    char batch[BATCH_BYTES + MESSAGE_BYTES];
} s;

static struct io_uring ring;

static void arm_deadline(void)
{
    static struct __kernel_timespec time = {.tv_nsec = 1000000};
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_timeout(sqe, &time, 0, 0);
    sqe->user_data = DEADLINE;
}

static void arm_wake(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_poll_add(sqe, s.wake_fd, POLLIN);
    sqe->user_data = WAKE;
}

/* With the lock. */
static void flush(void)
{
    size_t sent = 0;

    while (sent < s.len) {
        ssize_t len = send(s.fd, s.batch + sent, s.len - sent, MSG_NOSIGNAL);

        must(len > 0, "send");
        sent += (size_t) len;
    }
    s.len = 0;
    s.renewed = true;
}

static void ran_out(void)
{
    if (pthread_mutex_trylock(&s.lock) !=
        0) { /* a caller is inside; the prototype has no mailbox */
        arm_deadline();
        return;
    }
    s.out = false;
    if (s.len > 0 && s.renewed && s.variant == ONCE) {
        s.out = true;
        s.renewed = false;
        arm_deadline();
    } else if (s.len > 0) {
        flush();
    }
    if (s.variant == TICK)
        arm_deadline();
    pthread_mutex_unlock(&s.lock);
}

static void *engine(void *unused)
{
    must(io_uring_queue_init(64, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) ==
             0,
         "ring");
    arm_wake();
    if (s.variant == TICK)
        arm_deadline();
    while (!atomic_load(&s.end)) {
        struct io_uring_cqe *cqe;

        io_uring_submit_and_wait(&ring, 1);
        atomic_fetch_add(&s.wakes, 1);
        while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            uint64_t tag = cqe->user_data;
            uint64_t count;

            io_uring_cqe_seen(&ring, cqe);
            if (tag == DEADLINE) {
                ran_out();
                continue;
            }
            if (read(s.wake_fd, &count, sizeof count) > 0 && atomic_exchange(&s.ask, false))
                arm_deadline();
            arm_wake();
        }
    }
    io_uring_queue_exit(&ring);
    return unused;
}

static void ask(void)
{
    uint64_t one = 1;

    s.out = true;
    s.renewed = false;
    if (!atomic_exchange(&s.ask, true))
        must(write(s.wake_fd, &one, sizeof one) == sizeof one, "wake");
}

static void __attribute__((noinline)) send_one(const void *message)
{
    pthread_mutex_lock(&s.lock);
    if (s.len + MESSAGE_BYTES > BATCH_BYTES)
        flush();
    memcpy(s.batch + s.len, message, MESSAGE_BYTES);
    s.len += MESSAGE_BYTES;
    if ((s.variant == ONCE && !s.out) || (s.variant == EACH && s.len == MESSAGE_BYTES))
        ask();
    pthread_mutex_unlock(&s.lock);
}

/* Tells when a message with a mark has come. */
struct seen {
    _Atomic long count;
    _Atomic double arrived;
};

static struct seen *seen;

static void reader(int fd)
{
    static char octets[1 << 18];
    size_t len = 0;

    for (;;) {
        ssize_t more = recv(fd, octets + len, sizeof octets - len, 0);
        size_t at = 0;

        if (more <= 0)
            _exit(0);
        for (len += (size_t) more; len - at >= MESSAGE_BYTES; at += MESSAGE_BYTES)
            if (octets[at] != 0) {
                seen->arrived = now_us();
                seen->count++;
            }
        memmove(octets, octets + at, len - at);
        len -= at;
    }
}

static pthread_t thread;
static pid_t child;

static void start(enum variant variant)
{
    int fd[2];

    memset(&s, 0, sizeof s);
    pthread_mutex_init(&s.lock, NULL);
    tcp_pair(fd);
    child = fork();
    if (child == 0) {
        close(fd[0]);
        reader(fd[1]);
    }
    close(fd[1]);
    s.fd = fd[0];
    s.variant = variant;
    s.wake_fd = eventfd(0, EFD_NONBLOCK);
    if (variant != NONE)
        must(pthread_create(&thread, NULL, engine, NULL) == 0, "thread");
    usleep(5000);
}

static void stop(void)
{
    uint64_t one = 1;

    atomic_store(&s.end, true);
    if (s.variant != NONE) {
        must(write(s.wake_fd, &one, sizeof one) == sizeof one, "wake");
        pthread_join(thread, NULL);
    }
    close(s.fd);
    close(s.wake_fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void compute_us(double us)
{
    double until = now_us() + us;

    while (now_us() < until)
        continue;
}

static double one_delay(int unsent)
{
    char message[MESSAGE_BYTES] = {0};
    long count = seen->count;
    double sent;

    for (int i = 0; i < 2000; i++)
        send_one(message);
    pthread_mutex_lock(&s.lock);
    flush();
    pthread_mutex_unlock(&s.lock);
    for (int i = 1; i < unsent; i++)
        send_one(message);
    message[0] = 1;
    sent = now_us();
    send_one(message);
    compute_us(6000);
    while (seen->count == count)
        usleep(100);
    return seen->arrived - sent;
}

int main(void)
{
    static double cost[VARIANTS][ROUNDS];
    static double wakes[VARIANTS][ROUNDS];
    char message[MESSAGE_BYTES] = {0};

    seen = shared_memory(sizeof *seen);
    for (int round = 0; round < ROUNDS; round++)
        for (enum variant v = NONE; v < VARIANTS; v++) {
            double begun, used;

            start(v);
            begun = now_us();
            used = cpu_us();
            for (long i = 0; i < COST_MESSAGES; i++)
                send_one(message);
            cost[v][round] = (cpu_us() - used) * 1000 / COST_MESSAGES;
            wakes[v][round] = s.wakes / (now_us() - begun) * 1e6;
            stop();
        }
    printf("cost, %ld messages of 64 B, median of %d alternations\n", COST_MESSAGES, ROUNDS);
    for (enum variant v = NONE; v < VARIANTS; v++) {
        double median = quantile(cost[v], ROUNDS, 0.5);

        printf("  %-9s %5.1f ns of CPU per message (%5.1f..%5.1f)  ratio %.3f  "
               "engine wake-ups %6.0f per s\n",
               variant_name[v], median, cost[v][0], cost[v][ROUNDS - 1],
               median / quantile(cost[NONE], ROUNDS, 0.5), quantile(wakes[v], ROUNDS, 0.5));
    }
    printf("delay of a tail whose caller computes, %d trials\n", TRIALS);
    for (enum variant v = ONCE; v < VARIANTS; v++) {
        double delay[TRIALS];

        start(v);
        for (int i = 0; i < TRIALS; i++)
            delay[i] = one_delay(1 + i % 50);
        stop();
        printf("  %-9s p50 %6.0f us  p90 %6.0f us  max %6.0f us\n", variant_name[v],
               quantile(delay, TRIALS, 0.5), quantile(delay, TRIALS, 0.9),
               quantile(delay, TRIALS, 1.0));
    }
    return 0;
}
