/*
 * multishot: one kernel entry a turn, against sleeping on a ready set and reading at once.
 *
 * Question: does a context without threads gain from multishot receives into provided buffers,
 *           where a turn submits, sleeps and collects in one entry?
 * Method:   a receiver of 1 and of 100 streams over loopback TCP; the peers are another process.
 *           One way, they send without end, to one stream after the other, 64 messages to a write
 *           or one; round trips, each stream has one message under way. READY is today's path:
 *           ppoll, a harvest of the ready set, recv until it says EAGAIN, send. SHORT is the same
 *           but takes less than it asked for as the end. RING is multishot receive, its sends
 *           submitted with the next wait. ROUNDS alternations; medians of messages a second and of
 *           the receiver's processor time for one, each as a ratio to READY within the round.
 *
 *     multishot
 */
#include "prototype.h"

#include <liburing.h>

#define STREAMS_MAX 100
#define SECONDS 0.2
#define ROOM 262144 /* of a recv */
#define BUFFERS 256
#define BUFFER_BYTES 16384
#define EVENTS 64

enum variant { READY, SHORT, RING, VARIANTS };
static const char *const names[] = {"READY", "SHORT", "RING"};

static int fds[STREAMS_MAX][2]; /* ours, the peers' */
static int streams;
static size_t len;
static size_t batch; /* messages of a write; 0: round trips */
static size_t begun[STREAMS_MAX];
static double messages;
static char room[ROOM];

/* --- the peers -------------------------------------------------------------------------------- */

static void send_all(int fd, size_t bytes)
{
    static char octets[65536];

    for (size_t sent = 0; sent < bytes;) {
        ssize_t now = send(fd, octets, bytes - sent, MSG_NOSIGNAL);

        if (now < 0)
            _exit(0);
        sent += (size_t) now;
    }
}

static void run_peers(void)
{
    static size_t got[STREAMS_MAX];
    struct epoll_event events[EVENTS];
    int set = epoll_create1(0);

    for (; batch > 0;)
        for (int i = 0; i < streams; i++)
            send_all(fds[i][1], batch * len);
    for (int i = 0; i < streams; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t) i};

        must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i][1], &event) == 0, "epoll_ctl");
        send_all(fds[i][1], len);
    }
    for (;;) {
        int count = epoll_wait(set, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            uint32_t who = events[i].data.u32;
            ssize_t now = recv(fds[who][1], room, ROOM, MSG_DONTWAIT);

            if (now <= 0)
                _exit(0);
            for (got[who] += (size_t) now; got[who] >= len; got[who] -= len)
                send_all(fds[who][1], len);
        }
    }
}

/* --- ready sets ------------------------------------------------------------------------------- */

/* How many messages are whole now. */
static size_t take(int who, size_t bytes)
{
    size_t count;

    begun[who] += bytes;
    count = begun[who] / len;
    begun[who] %= len;
    messages += (double) count;
    return count;
}

static void read_stream(int who, enum variant variant)
{
    for (;;) {
        ssize_t now = recv(fds[who][0], room, ROOM, MSG_DONTWAIT);

        if (now <= 0)
            return;
        for (size_t i = take(who, (size_t) now); i > 0 && batch == 0; i--)
            must(send(fds[who][0], room, len, MSG_DONTWAIT) == (ssize_t) len, "send");
        if (variant == SHORT && now < ROOM)
            return;
    }
}

static void run_ready(enum variant variant, double until_us)
{
    int set = epoll_create1(0);
    int wake = eventfd(0, 0);
    struct epoll_event events[EVENTS];
    int count;

    for (int i = 0; i < streams; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t) i};

        must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i][0], &event) == 0, "epoll_ctl");
    }
    while (now_us() < until_us) {
        struct pollfd wait[] = {{wake, POLLIN, 0}, {set, POLLIN, 0}, {wake, POLLIN, 0}};

        count = epoll_wait(set, events, EVENTS, 0);
        if (count <= 0) {
            (void) poll(wait, 3, 100);
            continue;
        }
        for (int i = 0; i < count; i++)
            read_stream((int) events[i].data.u32, variant);
    }
    close(set);
    close(wake);
}

/* --- the ring --------------------------------------------------------------------------------- */

#define SENT UINT64_MAX

static void arm(struct io_uring *ring, int who)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    io_uring_prep_recv_multishot(sqe, fds[who][0], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = (uint64_t) who;
}

static void reply(struct io_uring *ring, int who)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (sqe == NULL) {
        (void) io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
    }
    io_uring_prep_send(sqe, fds[who][0], room, len, 0);
    sqe->user_data = SENT;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void run_ring(double until_us)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4096};
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
    struct io_uring_buf_ring *buffers;
    static char *octets;
    struct io_uring ring;

    must(io_uring_queue_init_params(512, &ring, &params) == 0, "ring");
    must(posix_memalign((void **) &buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)) == 0,
         "memory");
    if (octets == NULL)
        octets = malloc((size_t) BUFFERS * BUFFER_BYTES);
    reg.ring_addr = (uintptr_t) buffers;
    must(io_uring_register_buf_ring(&ring, &reg, 0) == 0, "buffers");
    io_uring_buf_ring_init(buffers);
    for (unsigned short i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(buffers, octets + (size_t) i * BUFFER_BYTES, BUFFER_BYTES, i,
                              io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(buffers, BUFFERS);
    for (int i = 0; i < streams; i++)
        arm(&ring, i);
    while (now_us() < until_us) {
        struct __kernel_timespec patience = {.tv_nsec = 100000000};
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned seen = 0;
        int given = 0;

        (void) io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &patience, NULL);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            int who = (int) cqe->user_data;

            seen++;
            if (cqe->user_data == SENT || cqe->user_data == LIBURING_UDATA_TIMEOUT)
                continue;
            if (cqe->res > 0) {
                unsigned short id = (unsigned short) (cqe->flags >> IORING_CQE_BUFFER_SHIFT);

                for (size_t i = take(who, (size_t) cqe->res); i > 0 && batch == 0; i--)
                    reply(&ring, who);
                io_uring_buf_ring_add(buffers, octets + (size_t) id * BUFFER_BYTES, BUFFER_BYTES,
                                      id, io_uring_buf_ring_mask(BUFFERS), given++);
            }
            if (!(cqe->flags & IORING_CQE_F_MORE))
                arm(&ring, who);
        }
        io_uring_buf_ring_advance(buffers, given);
        io_uring_cq_advance(&ring, seen);
    }
    io_uring_queue_exit(&ring);
    free(buffers);
}

/* --- one run ---------------------------------------------------------------------------------- */

static void run(enum variant variant, double *per_s, double *cpu_ns)
{
    double begun_us, begun_cpu_us, until_us;
    pid_t child;

    messages = 0;
    for (int i = 0; i < streams; i++) {
        begun[i] = 0;
        tcp_pair(fds[i]);
    }
    child = fork();
    must(child >= 0, "fork");
    if (child == 0)
        run_peers();
    for (int i = 0; i < streams; i++)
        close(fds[i][1]);
    begun_us = now_us();
    begun_cpu_us = cpu_us();
    until_us = begun_us + SECONDS * 1e6;
    if (variant == RING)
        run_ring(until_us);
    else
        run_ready(variant, until_us);
    *per_s = messages / (now_us() - begun_us) * 1e6;
    *cpu_ns = (cpu_us() - begun_cpu_us) / messages * 1e3;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < streams; i++)
        close(fds[i][0]);
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *) a - *(const double *) b;

    return (difference > 0) - (difference < 0);
}

static double median_of(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void course(int stream_count, size_t message_len, size_t message_batch)
{
    static double per_s[VARIANTS][ROUNDS], cpu_ns[VARIANTS][ROUNDS];
    static double rate[VARIANTS][ROUNDS], cost[VARIANTS][ROUNDS];

    streams = stream_count;
    len = message_len;
    batch = message_batch;
    for (int round = 0; round < ROUNDS; round++) {
        for (int variant = 0; variant < VARIANTS; variant++)
            run(variant, &per_s[variant][round], &cpu_ns[variant][round]);
        for (int variant = 0; variant < VARIANTS; variant++) {
            rate[variant][round] = per_s[variant][round] / per_s[READY][round];
            cost[variant][round] = cpu_ns[variant][round] / cpu_ns[READY][round];
        }
    }
    printf("%3d streams, %4zu B, %s:", streams, len,
           batch == 0   ? "round trips"
           : batch == 1 ? "one to a write"
                        : "64 to a write ");
    for (int variant = 0; variant < VARIANTS; variant++)
        printf("  %s %9.0f/s (%.2f), %6.0f ns (%.2f)", names[variant], median_of(per_s[variant]),
               median_of(rate[variant]), median_of(cpu_ns[variant]), median_of(cost[variant]));
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    static const int counts[] = {1, STREAMS_MAX};
    static const size_t lens[] = {16, 64, 1024};

    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < 3; i++) {
            course(counts[c], lens[i], 64);
            course(counts[c], lens[i], 1);
        }
        course(counts[c], 64, 0);
    }
    return 0;
}
