/*
 * wakeup: what sleeping on a set costs, and whether a wake-up can be lost.
 *
 * Question: is ppoll {epoll fd, own eventfd} dearer than sleeping on the descriptor itself, must a
 *           sleeper harvest the edge after each sleep, and does the protocol of waiter nodes hold?
 * Method:   round trips of 64 octets with an echo in another process, no spinning, ROUNDS
 *           alternations of the variants. Stress: 3 readers and 2 producers on one queue under a
 *           mutex, nodes and eventfds as in tests/model/wakeup.pml, every third sleep with a
 *           timeout; a reader without one that sleeps for a second while the queue is not empty
 *           ends the program. For the stress add -fsanitize=thread to the compiler's flags.
 *
 *     wakeup [ROUND_TRIPS]        wakeup stress SECONDS
 */
#include "prototype.h"

enum variant { BLOCKING, EPOLL, SET, SET_HARVEST, VARIANTS };

static const char *const variant_name[] = {"blocking recv", "epoll_wait, recv",
                                           "ppoll {epoll fd, eventfd}", "the same, harvesting"};

static int socket_fd, epoll_fd, event_fd;

static void sleep_for_input(enum variant variant)
{
    struct pollfd set[2] = {{epoll_fd, POLLIN, 0}, {event_fd, POLLIN, 0}};
    struct epoll_event event;

    if (variant == EPOLL) {
        must(epoll_wait(epoll_fd, &event, 1, -1) == 1, "epoll_wait");
        return;
    }
    must(ppoll(set, 2, NULL, NULL) > 0, "ppoll");
    if (variant == SET_HARVEST)
        (void) epoll_wait(epoll_fd, &event, 1, 0);
}

static void receive(enum variant variant)
{
    char octets[64];

    if (variant == BLOCKING) {
        must(recv(socket_fd, octets, sizeof octets, MSG_WAITALL) == sizeof octets, "recv");
        return;
    }
    while (recv(socket_fd, octets, sizeof octets, MSG_DONTWAIT) < 0)
        sleep_for_input(variant);
}

static double round_trips(enum variant variant, long count, double *cpu)
{
    double *took = calloc((size_t) count, sizeof *took);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    char message[64] = {0};
    double before, p50;
    int fd[2];
    pid_t child;

    tcp_pair(fd);
    child = fork();
    if (child == 0) {
        close(fd[0]);
        echo_for_ever(fd[1]);
    }
    close(fd[1]);
    socket_fd = fd[0];
    epoll_fd = epoll_create1(0);
    event_fd = eventfd(0, EFD_NONBLOCK);
    must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, socket_fd, &event) == 0, "epoll_ctl");
    before = cpu_us();
    for (long i = 0; i < count; i++) {
        double begun = now_us();

        must(send(socket_fd, message, sizeof message, 0) == sizeof message, "send");
        receive(variant);
        took[i] = now_us() - begun;
    }
    *cpu = (cpu_us() - before) / (double) count;
    p50 = quantile(took, (size_t) count, 0.5);
    free(took);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(socket_fd);
    close(epoll_fd);
    close(event_fd);
    return p50;
}

static void race_of_sleeps(long count)
{
    static double p50[VARIANTS][ROUNDS], cpu[VARIANTS][ROUNDS];

    for (int round = 0; round < ROUNDS; round++)
        for (enum variant v = BLOCKING; v < VARIANTS; v++)
            p50[v][round] = round_trips(v, count, &cpu[v][round]);
    printf("%ld round trips of 64 B, median of %d alternations\n", count, ROUNDS);
    for (enum variant v = BLOCKING; v < VARIANTS; v++) {
        double median = quantile(p50[v], ROUNDS, 0.5);

        printf("  %-26s p50 %5.1f us (%4.1f..%4.1f)  cpu %4.1f us  cpu ratio %.2f\n",
               variant_name[v], median, p50[v][0], p50[v][ROUNDS - 1],
               quantile(cpu[v], ROUNDS, 0.5),
               quantile(cpu[v], ROUNDS, 0.5) / quantile(cpu[BLOCKING], ROUNDS, 0.5));
    }
}

/* --- stress ----------------------------------------------------------------------------------- */

#define READERS 3
#define PRODUCERS 2

struct node {
    int event_fd;
    bool waits, told; /* under the lock */
};

static struct {
    pthread_mutex_t lock;
    unsigned queue;
    bool term;
    struct node nodes[READERS];
    long taken, given, writes, sleeps;
} q = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(int fd)
{
    uint64_t one = 1;

    must(fd < 0 || write(fd, &one, sizeof one) == sizeof one, "tell");
}

/* With the lock: the one to be told, or -1. One that is told already comes back and passes it on.
 */
static int choose(void)
{
    struct node *first = NULL;

    for (int i = 0; i < READERS && q.queue > 0; i++) {
        if (q.nodes[i].waits && q.nodes[i].told)
            return -1;
        if (q.nodes[i].waits && first == NULL)
            first = &q.nodes[i];
    }
    if (first == NULL)
        return -1;
    first->told = true;
    q.writes++;
    return first->event_fd;
}

static void let_go(void)
{
    int fd = choose();

    pthread_mutex_unlock(&q.lock);
    tell(fd);
}

static void *reader(void *opaque)
{
    struct node *node = opaque;

    for (unsigned turn = 0;; turn++) {
        struct pollfd set = {node->event_fd, POLLIN, 0};
        struct timespec shortly = {.tv_nsec = 20000}, long_enough = {.tv_sec = 1};
        uint64_t count;
        bool timed = turn % 3 == 0;
        int woken;

        pthread_mutex_lock(&q.lock);
        node->waits = node->told = false;
        if (q.queue > 0) {
            q.queue--;
            q.taken++;
        } else if (q.term) {
            pthread_mutex_unlock(&q.lock);
            return NULL;
        } else {
            node->waits = true;
            q.sleeps++;
        }

        bool sleeps = node->waits;

        let_go();
        if (!sleeps)
            continue;
        woken = ppoll(&set, 1, timed ? &shortly : &long_enough, NULL);
        if (woken > 0)
            must(read(node->event_fd, &count, sizeof count) > 0, "eventfd");
        if (woken == 0 && !timed) {
            pthread_mutex_lock(&q.lock);
            if (q.queue > 0 && !node->told) {
                fprintf(stderr, "lost: asleep with %u in the queue\n", q.queue);
                exit(1);
            }
            pthread_mutex_unlock(&q.lock);
        }
    }
}

static void *producer(void *opaque)
{
    unsigned seed = (unsigned) (uintptr_t) opaque;

    for (bool end = false; !end;) {
        seed = seed * 1664525 + 1013904223;
        pthread_mutex_lock(&q.lock);
        end = q.term;
        if (!end && q.queue < 64) {
            q.queue++;
            q.given++;
        }
        let_go();
        if (seed >> 28 == 0)
            usleep(seed >> 8 & 63);
    }
    return NULL;
}

static void stress(unsigned seconds)
{
    pthread_t threads[READERS + PRODUCERS];

    for (int i = 0; i < READERS; i++) {
        q.nodes[i].event_fd = eventfd(0, EFD_NONBLOCK);
        must(pthread_create(&threads[i], NULL, reader, &q.nodes[i]) == 0, "thread");
    }
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        must(pthread_create(&threads[READERS + i], NULL, producer, (void *) (i + 1)) == 0,
             "thread");
    sleep(seconds);
    pthread_mutex_lock(&q.lock);
    q.term = true;
    for (int i = 0; i < READERS; i++)
        tell(q.nodes[i].event_fd);
    pthread_mutex_unlock(&q.lock);
    for (int i = 0; i < READERS + PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    printf("stress %u s: %ld given, %ld taken, %u left, %ld sleeps, %ld eventfd writes\n", seconds,
           q.given, q.taken, q.queue, q.sleeps, q.writes);
    must(q.given == q.taken + q.queue && q.writes <= q.sleeps, "the count");
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "stress") == 0)
        stress((unsigned) strtoul(argv[2], NULL, 0));
    else
        race_of_sleeps(argc > 1 ? strtol(argv[1], NULL, 0) : 10000);
    return 0;
}
