/*
 * hot_cold: what an engine's watch costs a socket that its owner reads, and how soon the engine
 * reads
 * for an owner that went away.
 *
 * Question: is one poll left armed on the socket's epoll fd too dear (wake-ups, round trip), is the
 *           one-shot watch with a deadline as good as none, and what does the deadline's length
 *           cost?
 * Method:   REQUEST -> REPLY of 64 octets with an echo in another process; the owner reads by
 * itself
 *           and sleeps in ppoll {epoll fd, eventfd}. ROUNDS alternations of the variants; medians.
 *           Then the owner stops after 100 round trips, the echo sends one message 0 to 12 ms later
 *           and another 40 ms after that; the delay runs until the engine has read.
 *
 *     hot_cold [ROUND_TRIPS]
 */
#include "prototype.h"

#include <liburing.h>

enum variant { DIRECT, KEPT, HOT_1MS, HOT_5MS, HOT_10MS, VARIANTS };
enum tag { WATCH = 1, DEADLINE, WAKE };

static const char *const variant_name[] = {"no engine", "watch kept", "deadline 1 ms",
                                           "deadline 5 ms", "deadline 10 ms"};
static const long deadline_ms[] = {0, 0, 1, 5, 10};

static struct {
    pthread_mutex_t lock;
    int fd, epoll_fd, event_fd, wake_fd;
    enum variant variant;
    _Atomic uint32_t calls;
    bool asleep, lent; /* under the lock, as is the next */
    size_t carried;    /* octets that the engine read for the owner */
    _Atomic bool end;
    _Atomic uint32_t wakes;
    double read_at[2]; /* by the engine, for a silent owner */
    double sent_at[2];
    _Atomic int reads;
} s;

static struct io_uring ring;
static uint32_t seen;

static void arm_watch(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_poll_add(sqe, s.epoll_fd, POLLIN);
    sqe->user_data = WATCH;
}

static void arm_deadline(void)
{
    static struct __kernel_timespec time;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    time.tv_nsec = deadline_ms[s.variant] * 1000000;
    io_uring_prep_timeout(sqe, &time, 0, 0);
    sqe->user_data = DEADLINE;
    seen = atomic_load(&s.calls);
}

static void read_for_owner(void)
{
    double octets[512];
    struct epoll_event event;
    ssize_t len;

    (void) epoll_wait(s.epoll_fd, &event, 1, 0);
    while ((len = recv(s.fd, octets, sizeof octets, MSG_DONTWAIT)) > 0) {
        int n = atomic_load(&s.reads);

        s.carried += (size_t) len;
        if (n < 2 && octets[0] > 0) {
            s.sent_at[n] = octets[0];
            s.read_at[n] = now_us();
            atomic_store(&s.reads, n + 1);
        }
    }
}

static void post_read(void)
{
    if (pthread_mutex_trylock(&s.lock) != 0) {
        arm_deadline(); /* the prototype has no mailbox */
        return;
    }
    if (s.asleep) {
        s.lent = true;
    } else {
        read_for_owner();
        seen = atomic_load(&s.calls);
        arm_watch();
    }
    pthread_mutex_unlock(&s.lock);
}

static void happened(uint64_t tag)
{
    if (tag == WAKE) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        uint64_t count;

        if (read(s.wake_fd, &count, sizeof count) > 0 && !atomic_load(&s.end))
            arm_deadline();
        io_uring_prep_poll_add(sqe, s.wake_fd, POLLIN);
        sqe->user_data = WAKE;
    } else if (s.variant == KEPT) {
        arm_watch();
    } else if (atomic_load(&s.calls) != seen) {
        arm_deadline();
    } else {
        post_read();
    }
}

static void *engine(void *unused)
{
    struct io_uring_sqe *sqe;

    must(io_uring_queue_init(16, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) ==
             0,
         "ring");
    seen = 0;
    arm_watch();
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_poll_add(sqe, s.wake_fd, POLLIN);
    sqe->user_data = WAKE;
    while (!atomic_load(&s.end)) {
        struct io_uring_cqe *cqe;

        io_uring_submit_and_wait(&ring, 1);
        atomic_fetch_add(&s.wakes, 1);
        while (!atomic_load(&s.end) && io_uring_peek_cqe(&ring, &cqe) == 0) {
            uint64_t tag = cqe->user_data;

            io_uring_cqe_seen(&ring, cqe);
            happened(tag);
        }
    }
    io_uring_queue_exit(&ring);
    return unused;
}

static void wake_engine(void)
{
    uint64_t one = 1;

    must(write(s.wake_fd, &one, sizeof one) == sizeof one, "wake");
}

static void receive(size_t want)
{
    char octets[4096];

    pthread_mutex_lock(&s.lock);
    atomic_store(&s.calls, s.calls + 1);
    while (want > 0) {
        if (s.carried > 0) {
            want -= 64; /* whole messages only */
            s.carried -= 64;
            continue;
        }

        ssize_t len = recv(s.fd, octets, want, MSG_DONTWAIT);

        if (len > 0) {
            want -= (size_t) len;
            continue;
        }
        struct pollfd set[2] = {{s.epoll_fd, POLLIN, 0}, {s.event_fd, POLLIN, 0}};
        struct epoll_event event;

        s.asleep = true;
        pthread_mutex_unlock(&s.lock);
        must(ppoll(set, 2, NULL, NULL) > 0, "ppoll");
        pthread_mutex_lock(&s.lock);
        s.asleep = false;
        (void) epoll_wait(s.epoll_fd, &event, 1, 0);
    }
    if (s.lent) {
        s.lent = false;
        wake_engine();
    }
    pthread_mutex_unlock(&s.lock);
}

static pthread_t thread;
static pid_t child;

static void start(enum variant variant, void (*peer)(int))
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    int fd[2];

    memset(&s, 0, sizeof s);
    pthread_mutex_init(&s.lock, NULL);
    tcp_pair(fd);
    child = fork();
    if (child == 0) {
        close(fd[0]);
        peer(fd[1]);
    }
    close(fd[1]);
    s.fd = fd[0];
    s.variant = variant;
    s.epoll_fd = epoll_create1(0);
    s.event_fd = eventfd(0, EFD_NONBLOCK);
    s.wake_fd = eventfd(0, EFD_NONBLOCK);
    must(epoll_ctl(s.epoll_fd, EPOLL_CTL_ADD, s.fd, &event) == 0, "epoll_ctl");
    if (variant != DIRECT)
        must(pthread_create(&thread, NULL, engine, NULL) == 0, "thread");
    usleep(5000);
}

static void stop(void)
{
    atomic_store(&s.end, true);
    if (s.variant != DIRECT) {
        wake_engine();
        pthread_join(thread, NULL);
    }
    close(s.fd);
    close(s.epoll_fd);
    close(s.event_fd);
    close(s.wake_fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void round_trips(long count, double *p50, double *p99, double *wakes, double *cpu)
{
    double *took = calloc((size_t) count, sizeof *took);
    double before = cpu_us();
    uint32_t wakes_before = atomic_load(&s.wakes);
    char message[64] = {0};

    for (long i = 0; i < count; i++) {
        double begun = now_us();

        must(send(s.fd, message, sizeof message, 0) == sizeof message, "send");
        receive(sizeof message);
        took[i] = now_us() - begun;
    }
    *cpu = (cpu_us() - before) / (double) count;
    *wakes = (double) (atomic_load(&s.wakes) - wakes_before) * 10000 / (double) count;
    *p50 = quantile(took, (size_t) count, 0.5);
    *p99 = quantile(took, (size_t) count, 0.99);
    free(took);
}

/* Echoes 100 times, then sends on its own: the time of sending is the first octets of a message. */
static void lonely_peer(int fd)
{
    double message[8] = {0};
    struct timespec now;

    for (int i = 0; i < 100; i++) {
        must(recv(fd, message, sizeof message, MSG_WAITALL) == sizeof message, "recv");
        must(send(fd, message, sizeof message, 0) == sizeof message, "send");
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    usleep((useconds_t) (now.tv_nsec / 1000 % 12000));
    for (int i = 0; i < 2; i++) {
        message[0] = now_us();
        must(send(fd, message, sizeof message, 0) == sizeof message, "send");
        usleep(40000);
    }
    pause();
}

int main(int argc, char **argv)
{
    static double results[VARIANTS][4][ROUNDS];
    long count = argc > 1 ? strtol(argv[1], NULL, 0) : 10000;

    for (int round = 0; round < ROUNDS; round++)
        for (enum variant v = DIRECT; v < VARIANTS; v++) {
            start(v, echo_for_ever);
            round_trips(count, &results[v][0][round], &results[v][1][round], &results[v][2][round],
                        &results[v][3][round]);
            stop();
        }
    printf("%ld round trips of 64 B, median of %d alternations\n", count, ROUNDS);
    for (enum variant v = DIRECT; v < VARIANTS; v++) {
        double p50 = quantile(results[v][0], ROUNDS, 0.5);

        printf("  %-14s p50 %5.1f us (%4.1f..%4.1f)  p99 %6.1f us  cpu %5.1f us  wake-ups %7.1f "
               "per 10000  p50 ratio %.2f\n",
               variant_name[v], p50, results[v][0][0], results[v][0][ROUNDS - 1],
               quantile(results[v][1], ROUNDS, 0.5), quantile(results[v][3], ROUNDS, 0.5),
               quantile(results[v][2], ROUNDS, 0.5),
               p50 / quantile(results[DIRECT][0], ROUNDS, 0.5));
    }
    printf("owner silent, 40 trials each: from the peer's send until the engine has read\n");
    for (enum variant v = HOT_1MS; v < VARIANTS; v++) {
        double first[40], second[40], cpu;
        double p50, p99, wakes;

        for (int i = 0; i < 40; i++) {
            start(v, lonely_peer);
            round_trips(100, &p50, &p99, &wakes, &cpu);
            while (atomic_load(&s.reads) < 2)
                usleep(2000);
            first[i] = s.read_at[0] - s.sent_at[0];
            second[i] = s.read_at[1] - s.sent_at[1];
            stop();
        }
        printf("  %-14s first p50 %7.1f  max %7.1f us   when cold p50 %5.1f  max %6.1f us\n",
               variant_name[v], quantile(first, 40, 0.5), quantile(first, 40, 1.0),
               quantile(second, 40, 0.5), quantile(second, 40, 1.0));
    }
    return 0;
}
