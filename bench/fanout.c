/*
 * fanout: one publisher and many subscribers over loopback TCP, this library against libzmq.
 *
 * Question: how many deliveries per second does a PUB make to 100 and to 1000 subscribers of 64 B,
 *           and what does a delivery cost the publisher's process?
 * Method:   two processes per run. The subscribers are plain descriptors of one process, which
 *           shakes hands, subscribes to all and then only counts octets: whoever publishes, they
 *           cost the same. The publisher is never more than WINDOW messages ahead of what they have
 *           all received, so that nothing is dropped at a high-water mark and each library does the
 *           same work. The libraries take turns within each round, ratios are taken within a round,
 *           and medians are shown.
 *
 *     fanout [ROUNDS [SECONDS]]
 */
#include "adapter.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session/state.h"
#include "wire/encode.h"

#define ROUNDS_MAX 49
#define CROWD_MAX 1000
#define MESSAGE_BYTES 64
#define WINDOW 400 /* messages; high-water marks are at 1000 */
#define WARM_UP_S 0.2
#define PATIENCE_S 30

const struct race_keys *race_keys; /* none */

static const struct race_adapter *const adapters[] = {
    &race_monocoque,
#ifdef RACE_LIBZMQ
    &race_libzmq,
#endif
};
#define ADAPTER_COUNT (sizeof adapters / sizeof adapters[0])

static const uint32_t crowds[] = {100, CROWD_MAX};
#define CROWD_COUNT (sizeof crowds / sizeof crowds[0])

struct result {
    double per_s; /* deliveries; 0: the run came to no end */
    double cpu_ns;
};

/* Shared with the children. */
static struct shared {
    struct result result;
    _Atomic bool are_open;
    _Atomic uint64_t octets[CROWD_MAX]; /* that each subscriber has received */
} * shared;

static const struct race_adapter *engine;
static uint32_t crowd;
static char endpoint[64];
static struct sockaddr_in address;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void sleep_us(long us)
{
    (void) nanosleep(&(struct timespec) {.tv_nsec = us * 1000}, NULL);
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fanout: %s: %s failed\n", engine->name, what);
    _exit(2);
}

/* --- subscribers ----------------------------------------------------------------------------- */

static void write_wanted(int fd, struct mcq_session *session)
{
    struct mcq_bytes want = mcq_session_want(session);

    while (want.len > 0) {
        ssize_t len = send(fd, want.data, want.len, MSG_NOSIGNAL);

        must(len > 0, "handshake");
        mcq_session_sent(session, (size_t) len);
        want = mcq_session_want(session);
    }
}

static void shake_hands(int fd, struct mcq_session *session)
{
    bool is_ready = false;

    while (!is_ready) {
        uint8_t room[512];
        struct mcq_event event;
        struct mcq_bytes in;
        ssize_t len;

        write_wanted(fd, session);
        len = recv(fd, room, sizeof room, 0);
        must(len > 0, "handshake");
        in = mcq_bytes(room, (size_t) len);
        while (mcq_session_feed(session, &in, 0, &event) == MCQ_OK)
            is_ready = is_ready || event.kind == MCQ_EVENT_READY;
    }
    must(mcq_session_subscribe(session, mcq_bytes(NULL, 0), true) == MCQ_OK, "subscribe");
    write_wanted(fd, session);
}

static int open_subscriber(void)
{
    struct mcq_session_config config;
    struct mcq_session *session = calloc(1, sizeof *session);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_SUB, MCQ_PROFILE_NATIVE);
    must(fd >= 0 && session != NULL, "socket");
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    for (double until = now_s() + PATIENCE_S;
         connect(fd, (struct sockaddr *) &address, sizeof address) != 0; sleep_us(1000))
        must(now_s() < until, "connect");
    must(mcq_session_init(session, &config, 0) == MCQ_OK, "session");
    shake_hands(fd, session);
    mcq_session_fini(session);
    free(session);
    return fd;
}

static void run_subscribers(void)
{
    static uint8_t room[1 << 18];
    int set = epoll_create1(0);

    must(set >= 0, "epoll_create1");
    for (uint32_t i = 0; i < crowd; i++) {
        int fd = open_subscriber();
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t) fd << 32 | i};

        must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
    shared->are_open = true;
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(set, events, 256, -1);

        for (int i = 0; i < count; i++) {
            ssize_t len = recv((int) (events[i].data.u64 >> 32), room, sizeof room, MSG_DONTWAIT);

            if (len <= 0)
                _exit(0); /* the publisher is done */
            shared->octets[(uint32_t) events[i].data.u64] += (uint64_t) len;
        }
    }
}

/* --- the publisher --------------------------------------------------------------------------- */

static double cpu_ns(void)
{
    struct rusage use;

    (void) getrusage(RUSAGE_SELF, &use);
    return ((double) (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
            (double) (use.ru_utime.tv_usec + use.ru_stime.tv_usec)) *
           1e3;
}

/* Of the subscriber that has the least. */
static uint64_t least_octets(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < crowd; i++)
        least = mcq_min_u64(least, shared->octets[i]);
    return least;
}

static uint64_t all_octets(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < crowd; i++)
        sum += shared->octets[i];
    return sum;
}

/* Waits until all have so many octets. */
static void await_octets(uint64_t octets)
{
    for (double until = now_s() + PATIENCE_S; least_octets() < octets; sleep_us(50))
        must(now_s() < until, "delivery");
}

/* Publishes for so long; returns how many deliveries there were. */
static double publish_for(void *peer, double seconds, double *took)
{
    static const char message[MESSAGE_BYTES];
    const uint64_t octets_each = mcq_frame_head_bytes(MESSAGE_BYTES) + MESSAGE_BYTES;
    const uint64_t before = least_octets();
    uint64_t sent = 0;
    double begun = now_s();

    do {
        must(engine->send(peer, message, sizeof message), "send");
        if (++sent % (WINDOW / 2) == 0 && sent >= WINDOW)
            await_octets(before + (sent - WINDOW / 2) * octets_each);
        *took = now_s() - begun;
    } while (*took < seconds);
    await_octets(before + sent * octets_each);
    *took = now_s() - begun;
    return (double) sent * crowd;
}

static void run_publisher(double seconds)
{
    void *peer = engine->open(RACE_PUB, endpoint);
    uint64_t octets;
    double took, used, count;

    must(peer != NULL, "open");
    for (double until = now_s() + PATIENCE_S; !shared->are_open; sleep_us(2000))
        must(now_s() < until, "connections");
    for (double until = now_s() + PATIENCE_S; least_octets() == 0; sleep_us(20000)) {
        must(now_s() < until, "subscription");
        must(engine->send(peer, "", 1), "send");
    }
    do { /* until all of that has arrived; some have more of it than others */
        octets = all_octets();
        sleep_us(100000);
    } while (octets != all_octets());
    for (uint32_t i = 0; i < crowd; i++)
        shared->octets[i] = 0;
    (void) publish_for(peer, WARM_UP_S, &took);
    used = cpu_ns();
    count = publish_for(peer, seconds, &took);
    shared->result = (struct result) {.per_s = count / took, .cpu_ns = (cpu_ns() - used) / count};
    _exit(0); /* without close: no library is measured by its end */
}

/* --- runs and figures ------------------------------------------------------------------------ */

static void find_port(void)
{
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address = (struct sockaddr_in) {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd >= 0 && bind(fd, (struct sockaddr *) &address, len) == 0 &&
             getsockname(fd, (struct sockaddr *) &address, &len) == 0,
         "port");
    close(fd);
    (void) snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
}

static pid_t start(bool publishes, double seconds)
{
    pid_t child = fork();

    must(child >= 0, "fork");
    if (child > 0)
        return child;
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (publishes)
        run_publisher(seconds);
    run_subscribers();
    _exit(0);
}

static struct result run(double seconds)
{
    pid_t publisher, subscribers;

    memset(shared, 0, sizeof *shared);
    find_port();
    publisher = start(true, seconds);
    subscribers = start(false, seconds);
    (void) waitpid(publisher, NULL, 0);
    kill(subscribers, SIGKILL);
    (void) waitpid(subscribers, NULL, 0);
    return shared->result;
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
    return count > 0 ? values[count / 2] : 0;
}

static void show(size_t c, struct result results[ADAPTER_COUNT][ROUNDS_MAX], size_t rounds)
{
    for (size_t e = 0; e < ADAPTER_COUNT; e++) {
        double rate[ROUNDS_MAX], cpu[ROUNDS_MAX], rate_ratio[ROUNDS_MAX], cpu_ratio[ROUNDS_MAX];
        size_t count = 0, pairs = 0;

        for (size_t i = 0; i < rounds; i++) {
            const struct result *ours = &results[0][i];
            const struct result *theirs = &results[e][i];

            if (theirs->per_s <= 0)
                continue;
            rate[count] = theirs->per_s;
            cpu[count++] = theirs->cpu_ns;
            if (ours->per_s <= 0)
                continue;
            rate_ratio[pairs] = ours->per_s / theirs->per_s;
            cpu_ratio[pairs++] = theirs->cpu_ns / ours->cpu_ns;
        }
        printf("%5u  %-10s %8.2f M/s  %6.0f ns   %5.2fx   %5.2fx\n", crowds[c], adapters[e]->name,
               median(rate, count) * 1e-6, median(cpu, count), median(rate_ratio, pairs),
               median(cpu_ratio, pairs));
    }
}

int main(int argc, char **argv)
{
    static struct result results[CROWD_COUNT][ADAPTER_COUNT][ROUNDS_MAX];
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;

    engine = adapters[0];
    if (rounds < 1 || rounds > ROUNDS_MAX || !(seconds > 0)) {
        fprintf(stderr, "fanout [ROUNDS [SECONDS]]; at most %d rounds\n", ROUNDS_MAX);
        return 64;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED, "mmap");
    for (size_t i = 0; i < rounds; i++)
        for (size_t c = 0; c < CROWD_COUNT; c++)
            for (size_t k = 0; k < ADAPTER_COUNT; k++) {
                size_t e = (k + i) % ADAPTER_COUNT; /* each round begins with another one */

                engine = adapters[e];
                crowd = crowds[c];
                results[c][e][i] = run(seconds);
            }
    printf("peers  publisher   deliveries  CPU each   ratios (ours is better by)\n");
    for (size_t c = 0; c < CROWD_COUNT; c++)
        show(c, results[c], rounds);
    return 0;
}
