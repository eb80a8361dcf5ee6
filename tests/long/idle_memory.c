/*
 * idle_memory: what a connection costs that nobody uses.
 *
 *     idle_memory [--connections COUNT]     (1000)
 *
 * One process has a socket that is bound, another has one that is connected to it COUNT times, so
 * that each end's share is seen by itself: what the heap has granted, as the ledger counts it, for
 * connections that have had their handshake, and for those that have carried a message since. Then
 * the same for strangers that never say a word. Exit status 0: at most 4 KiB each, 512 of a
 * stranger.
 */
#include "long/long.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "arena/alloc.h"

#define MOST_BYTES 4096
#define STRANGER_MOST_BYTES 512

static const struct {
    const char *name;
    enum mcq_type bound;
    enum mcq_type connected;
} pair_table[] = {
    {"pull-push", MCQ_PULL, MCQ_PUSH},
    {"router-dealer", MCQ_ROUTER, MCQ_DEALER},
    {"pub-sub", MCQ_PUB, MCQ_SUB},
    {"sub-pub", MCQ_SUB, MCQ_PUB},
};
#define PAIR_COUNT (sizeof pair_table / sizeof pair_table[0])

struct ends {
    int to_far[2];
    int to_near[2];
};

static void say(int fd, const void *octets, size_t len)
{
    if (write(fd, octets, len) != (ssize_t) len)
        exit(1);
}

static void hear(int fd, void *octets, size_t len)
{
    if (read(fd, octets, len) != (ssize_t) len)
        exit(1);
}

static uint64_t held_bytes(void)
{
    return mcq_alloc_ledger().bytes;
}

/* What has come to be between two looks, for each of so many. */
static uint64_t each_of(uint64_t before, uint64_t count)
{
    uint64_t now = held_bytes();

    return count > 0 && now > before ? (now - before + count - 1) / count : 0;
}

static void send_one_to_each(struct mcq_socket *socket, enum mcq_type type, uint64_t count)
{
    if (type == MCQ_PUB)
        need(mcq_send(socket, "message", 7, 0), "send");
    else if (type != MCQ_PULL && type != MCQ_ROUTER && type != MCQ_SUB)
        for (uint64_t i = 0; i < count; i++)
            need(mcq_send(socket, "message", 7, 0), "send");
}

static void take_one_of_each(struct mcq_socket *socket, enum mcq_type type, uint64_t count)
{
    char body[64];

    if (type == MCQ_ROUTER)
        count *= 2; /* the id is a part of its own */
    if (type == MCQ_PULL || type == MCQ_ROUTER || type == MCQ_SUB)
        for (uint64_t i = 0; i < count; i++)
            need(mcq_recv(socket, body, sizeof body, 0), "recv");
}

struct figures {
    uint64_t fresh;
    uint64_t used;
};

static struct mcq_socket *open_end(struct mcq_context *context, enum mcq_type type)
{
    struct mcq_socket *socket = need_socket(context, type);

    if (type == MCQ_SUB)
        need(mcq_set_bytes(socket, MCQ_OPT_SUBSCRIBE, "", 0), "SUBSCRIBE");
    need(mcq_set(socket, MCQ_OPT_LINGER, 0), "LINGER");
    need(mcq_set(socket, MCQ_OPT_BACKLOG, 4096), "BACKLOG");
    return socket;
}

/* The side that connects, in a process of its own. */
static void be_far(const struct ends *ends, enum mcq_type type, uint64_t count)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = open_end(context, type);
    struct figures figures;
    char endpoint[64];
    uint64_t before;
    char go;

    hear(ends->to_far[0], endpoint, sizeof endpoint);
    need(mcq_connect(socket, endpoint), "connect"); /* the first one's tables are the socket's */
    need(mcq_wait_peers(socket, 1, LONG_PATIENCE_MS), "wait_peers");
    say(ends->to_near[1], "1", 1);
    hear(ends->to_far[0], &go, 1);
    before = held_bytes();
    for (uint64_t i = 0; i < count; i++)
        need(mcq_connect(socket, endpoint), "connect");
    need(mcq_wait_peers(socket, (uint32_t) count + 1, LONG_PATIENCE_MS), "wait_peers");
    say(ends->to_near[1], "2", 1);
    hear(ends->to_far[0], &go, 1);
    figures.fresh = each_of(before, count);
    send_one_to_each(socket, type, count + 1);
    take_one_of_each(socket, type, count + 1);
    say(ends->to_near[1], "3", 1);
    hear(ends->to_far[0], &go, 1);
    figures.used = each_of(before, count);
    say(ends->to_near[1], &figures, sizeof figures);
    hear(ends->to_far[0], &go, 1);
    need(mcq_close(socket), "close");
    need(mcq_ctx_term(context, LONG_PATIENCE_MS), "term");
    exit(0);
}

static bool is_within(const char *name, const char *end, struct figures figures)
{
    printf("%-14s %-10s %6" PRIu64 " octets after the handshake, %6" PRIu64 " after a message\n",
           name, end, figures.fresh, figures.used);
    return figures.fresh <= MOST_BYTES && figures.used <= MOST_BYTES;
}

static int socket_of_stranger(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *) to, sizeof *to) != 0)
        exit(1);
    return fd;
}

static bool run_pair(size_t at, uint64_t count)
{
    enum mcq_type type = pair_table[at].bound;
    struct timespec moment = {.tv_nsec = 300000000}; /* who has done nothing for so long is idle */
    struct mcq_context *context;
    struct mcq_socket *socket;
    struct figures figures;
    struct figures far;
    struct ends ends;
    char endpoint[64] = "";
    uint64_t before;
    int status;
    char word;
    pid_t pid;

    if (pipe(ends.to_far) != 0 || pipe(ends.to_near) != 0)
        exit(1);
    (void) fflush(stdout);
    pid = fork();
    if (pid == 0)
        be_far(&ends, pair_table[at].connected, count);
    context = mcq_ctx_new();
    socket = open_end(context, type);
    need_bound(socket, endpoint);
    say(ends.to_far[1], endpoint, sizeof endpoint);
    hear(ends.to_near[0], &word, 1);
    need(mcq_wait_peers(socket, 1, LONG_PATIENCE_MS), "wait_peers");
    before = held_bytes();
    say(ends.to_far[1], "1", 1);
    hear(ends.to_near[0], &word, 1);
    need(mcq_wait_peers(socket, (uint32_t) count + 1, LONG_PATIENCE_MS), "wait_peers");
    (void) nanosleep(&moment, NULL);
    figures.fresh = each_of(before, count);
    say(ends.to_far[1], "2", 1);
    if (type == MCQ_PUB)
        send_one_to_each(socket, type, count);
    take_one_of_each(socket, type, count + 1);
    hear(ends.to_near[0], &word, 1);
    (void) nanosleep(&moment, NULL);
    figures.used = each_of(before, count);
    say(ends.to_far[1], "3", 1);
    hear(ends.to_near[0], &far, sizeof far);
    say(ends.to_far[1], "4", 1);
    need(mcq_close(socket), "close");
    need(mcq_ctx_term(context, LONG_PATIENCE_MS), "term");
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        exit(1);
    for (int i = 0; i < 2; i++) {
        (void) close(ends.to_far[i]);
        (void) close(ends.to_near[i]);
    }

    bool is_good = is_within(pair_table[at].name, "accepted", figures);

    return is_within(pair_table[at].name, "connected", far) && is_good;
}

/* Connections that say nothing, in this process: all of theirs is the kernel's. */
static bool run_strangers(uint64_t count)
{
    struct timespec moment = {.tv_nsec = 300000000};
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = open_end(context, MCQ_PULL);
    int *fds = calloc(count, sizeof *fds);
    struct sockaddr_in to = {.sin_family = AF_INET};
    char endpoint[64];
    uint64_t before;
    uint64_t each;
    char octet;

    if (fds == NULL)
        exit(1);
    need(mcq_set(socket, MCQ_OPT_STRANGERS_MAX, (int64_t) count + 1), "STRANGERS_MAX");
    need(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, LONG_PATIENCE_MS), "HANDSHAKE_IVL");
    need_bound(socket, endpoint);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    before = held_bytes();
    for (uint64_t i = 0; i < count; i++) {
        fds[i] = socket_of_stranger(&to);
        hear(fds[i], &octet, 1); /* it is greeted: our side is there */
    }
    (void) nanosleep(&moment, NULL);
    each = each_of(before, count);
    printf("%-14s %-10s %6" PRIu64 " octets\n", "a stranger", "accepted", each);
    for (uint64_t i = 0; i < count; i++)
        (void) close(fds[i]);
    free(fds);
    need(mcq_close(socket), "close");
    need(mcq_ctx_term(context, LONG_PATIENCE_MS), "term");
    return each <= STRANGER_MOST_BYTES;
}

int main(int count, char **words)
{
    uint64_t connections = word_of(count, words, "--connections", 1000);
    bool is_good = true;

    for (size_t at = 0; at < PAIR_COUNT; at++)
        is_good &= run_pair(at, connections);
    is_good &= run_strangers(connections);
    return is_good ? 0 : 1;
}
