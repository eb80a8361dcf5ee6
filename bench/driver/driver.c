/*
 * driver: one measurement of one library, and its figures as one line of JSON.
 *
 * Which library is decided when this is linked, with one of the adapters; a program for each. It
 * compares nothing and repeats nothing: bench/suite does that, which runs the programs in turn.
 *
 *     driver-NAME ROW [OPTION...]
 */
#include <argp.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.h"

static const struct row rows[] = {
    {"flow", "PUSH to PULL", flow_receiver, flow_sender, NULL, 0, 1},
    {"trip", "REQ and REP, one request after the other", trip_replier, trip_requester, NULL, 1, 1},
    {"open", "there and back at --rate, timed from when it was due", open_echo, open_client, NULL,
     1, 2},
    {"pairs", "--peers pairs of REQ and REP", pairs_repliers, pairs_requesters, NULL, 1, 0},
    {"fanout", "PUB to --peers subscribers", crowd_publisher, NULL, "subscribers", 0, 1},
    {"topics", "PUB to a subscriber of --topics", crowd_topics, NULL, "subscribers", 0, 1},
    {"apart", "PUB to --peers subscribers of --topics each, a message to one of them", crowd_apart,
     NULL, "subscribers", 0, 1},
    {"fanin", "--peers senders to one PULL", many_receiver, NULL, "pushers", 0, 1},
    {"router", "ROUTER answers --active of --peers", crowd_router, NULL, "dealers", 1, 1},
    {"dealers", "ROUTER answers --peers sockets of its own library", crowd_router, dealers_ask,
     NULL, 1, 1},
    {"idle", "memory of --peers connections", crowd_idle, NULL, "idle", -1, 1},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

struct bench_choice bench_choice;

static const struct row *row;
static const char *transport = "tcp";
static const char *program; /* ours; the crowd is beside it */
static int run_fd;
static double user_bytes[3]; /* of the listening process: alone, connected, spoken with */

/* --- the sides ------------------------------------------------------------------------------- */

void *open_socket(enum bench_role role, uint32_t endpoint)
{
    void *socket = bench_library.open(role, run->endpoints[endpoint]);

    must(socket != NULL, "open");
    return socket;
}

void receive(void *socket)
{
    const void *data;
    size_t len;

    must(bench_library.recv(socket, &data, &len) && len == run->bytes, "recv");
}

void tell_library(void)
{
    (void) snprintf(run->engine, sizeof run->engine, "%s", bench_library.engine());
}

/* Where preload/heap.c is loaded, it counts there. */
static void count_allocations(int side)
{
    void (*use)(_Atomic uint64_t *);
    void *found = dlsym(RTLD_DEFAULT, "bench_heap_use");

    memcpy(&use, &found, sizeof use);
    if (use != NULL)
        use(&run->allocations[side]);
}

static void become(int side)
{
    count_allocations(side);
    run_turn = bench_choice.is_inline ? bench_library.turn : NULL;
    if (side == 0)
        row->first();
    else
        row->second();
    run_tell(MEASURED);
    for (;;) /* to be killed: no library is measured by its end */
        (void) pause();
}

static void become_crowd(void)
{
    char path[4096];
    char descriptor[16];
    const char *slash = strrchr(program, '/');

    (void) snprintf(path, sizeof path, "%.*scrowd", slash != NULL ? (int) (slash - program) + 1 : 0,
                    program);
    (void) snprintf(descriptor, sizeof descriptor, "%d", run_fd);
    (void) unsetenv("LD_PRELOAD");
    (void) execl(path, path, row->crowd, descriptor, NULL);
    must(false, path);
}

/* Of the two sides the one that does not measure. */
static void *run_aside(void *unused)
{
    (void) unused;
    if (row->measures == 1)
        row->first();
    else
        row->second();
    return NULL;
}

/* Both sides in one process. */
static void become_both(void)
{
    pthread_t thread;

    count_allocations(0);
    must(pthread_create(&thread, NULL, run_aside, NULL) == 0, "thread");
    if (row->measures == 1)
        row->second();
    else
        row->first();
    run_tell(MEASURED);
    for (;;)
        (void) pause();
}

static void start(int side)
{
    pid_t parent = getpid();
    pid_t child = fork();

    must(child >= 0, "fork");
    if (child > 0) {
        run->pids[side] = child;
        return;
    }
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it was ended before that */
        _exit(2);
    while (run->pids[SIDES - 1] == 0) /* each must know both */
        sleep_us(200);
    if (bench_choice.is_inproc)
        become_both();
    else if (side == 1 && row->crowd != NULL)
        become_crowd();
    else
        become(side);
}

/* --- one run --------------------------------------------------------------------------------- */

/* A socket with a free port, which is nobody else's while that is open. */
static int hold_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd >= 0 && bind(fd, (struct sockaddr *) &address, len) == 0 &&
             getsockname(fd, (struct sockaddr *) &address, &len) == 0,
         "a free port");
    *port = ntohs(address.sin_port);
    return fd;
}

static void choose_endpoints(void)
{
    uint32_t count = row->endpoints > 0 ? row->endpoints : run->peers;
    int held[ENDPOINTS_MAX];
    int port;

    for (uint32_t i = 0; i < count; i++) {
        char *text = run->endpoints[i];
        size_t size = sizeof run->endpoints[i];

        held[i] = -1;
        if (strcmp(transport, "tcp") == 0) {
            held[i] = hold_port(&port);
            (void) snprintf(text, size, "tcp://127.0.0.1:%d", port);
        } else {
            (void) snprintf(text, size, "%s://%sbench-%ld-%u", transport,
                            bench_choice.is_inproc ? "" : "@", (long) getpid(), i);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        if (held[i] >= 0)
            (void) close(held[i]);
}

/* Private memory of the listening process that has been written to. */
static double private_bytes(void)
{
    char path[64], line[256];
    double kib = 0;
    FILE *file;

    (void) snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) run->pids[0]);
    file = fopen(path, "r");
    must(file != NULL, path);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Private_Dirty:", 14) == 0 || strncmp(line, "Swap:", 5) == 0)
            kib += strtod(strchr(line, ':') + 1, NULL);
    (void) fclose(file);
    return kib * 1024;
}

static void weigh(void)
{
    run_await_phase(LISTENING);
    user_bytes[0] = private_bytes();
    run_await(&run->is_open, "connections");
    sleep_us(500000);
    user_bytes[1] = private_bytes();
    run->may_speak = true;
    run_await(&run->has_spoken, "a word of each");
    sleep_us(500000);
    user_bytes[2] = private_bytes();
    run_tell(MEASURED);
}

/* What subscribers and what they want take, before the first message is timed. */
static void weigh_subscriptions(void)
{
    run_await_phase(LISTENING);
    user_bytes[0] = private_bytes();
    run_await_phase(MEASURING);
    user_bytes[1] = private_bytes();
}

static void end_sides(void)
{
    for (int side = 0; side < SIDES; side++)
        if (run->pids[side] > 0 && (side == 0 || run->pids[1] != run->pids[0])) {
            (void) kill(run->pids[side], SIGKILL);
            (void) waitpid(run->pids[side], NULL, 0);
        }
}

/* Until who measures is done; false: somebody could not go on, or took too long. */
static bool await_end(void)
{
    uint64_t until = now_ns() + (uint64_t) ((run->seconds * 2 + PATIENCE_S * 3) * 1e9);

    for (; run->phase < MEASURED && now_ns() < until; sleep_us(20000))
        for (int side = 0; side < SIDES; side++)
            if (waitpid(run->pids[side], NULL, WNOHANG) > 0) {
                run->pids[side] = 0;
                return false;
            }
    return run->phase == MEASURED;
}

static bool measure(void)
{
    bool is_done;

    start(0);
    if (bench_choice.is_inproc)
        run->pids[1] = run->pids[0];
    else
        start(1);
    if (row->measures < 0)
        weigh();
    if (run->is_apart)
        weigh_subscriptions();
    is_done = await_end();
    end_sides();
    return is_done;
}

/* --- figures --------------------------------------------------------------------------------- */

static void tell_costs(void)
{
    static const char *const sides[] = {"first", "second"};

    for (int side = 0; side < SIDES; side++) {
        const struct run_cost *cost = &run->costs[side];

        printf(", \"%s\": {\"cpu_ns\": %.3f", sides[side], cost->cpu_ns / run->count);
        if (cost->calls >= 0)
            printf(", \"calls\": %.6f", cost->calls / run->count);
        if (dlsym(RTLD_DEFAULT, "bench_heap_use") != NULL)
            printf(", \"allocations\": %.6f", cost->allocations / run->count);
        printf("}");
    }
}

/* Percentiles, and what a curve over them needs: each step halves what is left. */
static void tell_times(void)
{
    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    static const char *const names[] = {"p50", "p90", "p99", "p999", "p9999"};
    double total = (double) run->times.total;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf(", \"%s_us\": %.3f", names[i], histogram_us(&run->times, parts[i]));
    printf(", \"max_us\": %.3f, \"curve\": [[0, %.3f]", (double) run->times.longest_ns * 1e-3,
           histogram_us(&run->times, 0));
    for (double left = 0.5; left * total >= 1; left /= 2)
        printf(", [%.9g, %.3f]", 1 - left, histogram_us(&run->times, 1 - left));
    printf("]");
}

static void tell_memory(void)
{
    double peers = run->peers;

    printf(", \"user_bytes\": %.1f, \"spoken_bytes\": %.1f, \"process_bytes\": %.0f",
           (user_bytes[1] - user_bytes[0]) / peers, (user_bytes[2] - user_bytes[0]) / peers,
           user_bytes[0]);
    if (bench_library.ledger != NULL)
        printf(", \"ledger_bytes\": %.1f", (double) run->ledger_bytes / peers);
}

static void tell(void)
{
    printf("{\"row\": \"%s\", \"library\": \"%s\", \"version\": \"%s\", \"engine\": \"%s\", "
           "\"transport\": \"%s\", \"bytes\": %zu, \"peers\": %u",
           row->name, bench_library.name, bench_library.version(), run->engine, transport,
           run->bytes, run->peers);
    if (run->open_s > 0)
        printf(", \"open_per_s\": %.1f", run->peers / run->open_s);
    if (row->measures < 0) {
        tell_memory();
    } else {
        printf(", \"count\": %.0f, \"seconds\": %.9f, \"per_s\": %.3f", run->count, run->took_s,
               run->count / run->took_s);
        tell_costs();
    }
    if (run->is_apart)
        printf(", \"user_bytes\": %.1f", (user_bytes[1] - user_bytes[0]) / run->peers);
    if (run->times.total > 0)
        tell_times();
    printf("}\n");
}

/* --- the command line ------------------------------------------------------------------------ */

static uint64_t number(struct argp_state *state, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*end != '\0' || value < least || value > most)
        argp_error(state, "'%s' is not in %lu..%lu", text, least, most);
    return value;
}

static double amount(struct argp_state *state, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (*end != '\0' || !(value >= least && value <= most))
        argp_error(state, "'%s' is not in %g..%g", text, least, most);
    return value;
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case 't': transport = value; break;
    case 'b': run->bytes = number(state, value, 1, 1 << 20); break;
    case 'p': run->peers = (uint32_t) number(state, value, 1, PEERS_MAX); break;
    case 'a': run->active = (uint32_t) number(state, value, 1, PEERS_MAX); break;
    case 'w': run->window = (uint32_t) number(state, value, 1, 500); break;
    case 'T': run->topics = (uint32_t) number(state, value, 1, 10000000); break;
    case 's': run->seconds = amount(state, value, 0.001, 600); break;
    case 'r': run->rate = amount(state, value, 1, 1e7); break;
    case 'g': run->gives = true; break;
    case 'C': run->counts_calls = true; break;
    case 'i': bench_choice.is_inline = true; break;
    case 'c': bench_choice.is_sealed = true; break;
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < ROW_COUNT; i++)
            if (strcmp(rows[i].name, value) == 0)
                row = &rows[i];
        if (row == NULL)
            argp_error(state, "there is no row '%s'", value);
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* What does not go together. */
static void check_choice(void)
{
    bench_choice.is_inproc = strcmp(transport, "inproc") == 0;
    run->is_sp = strcmp(bench_library.name, "nng") == 0;
    run->is_apart = row != NULL && strcmp(row->name, "apart") == 0;
    if (run->active == 0 || run->active > run->peers)
        run->active = run->peers;
    must(row != NULL, "a row is needed: --help");
    must(bench_choice.is_inproc || strcmp(transport, "ipc") == 0 || strcmp(transport, "tcp") == 0,
         "--transport is tcp, ipc or inproc, and another one");
    must(row->crowd == NULL || strcmp(transport, "tcp") == 0, "a crowd over another than tcp");
    must(strcmp(row->name, "pairs") != 0 || run->peers <= ENDPOINTS_MAX, "so many pairs");
    must(strcmp(row->name, "pairs") != 0 || !bench_choice.is_inproc, "pairs over inproc");
    must(!bench_choice.is_sealed ||
             (row->crowd == NULL && bench_library.make_keys != NULL && bench_library.make_keys()),
         "--curve here");
}

/* Ten thousand connections need as many descriptors, and who measures may have them. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"transport", 't', "NAME", 0, "tcp, ipc, or inproc: two threads of one process (tcp)", 0},
        {"bytes", 'b', "N", 0, "of a message (64)", 0},
        {"seconds", 's', "S", 0, "measured, after a quarter of that (1)", 0},
        {"peers", 'p', "N", 0, "of a crowd, or pairs (1)", 0},
        {"active", 'a', "N", 0, "of these: who asks a ROUTER (all)", 0},
        {"window", 'w', "N", 0, "requests that each of these has on the way (1)", 0},
        {"topics", 'T', "N", 0, "subscriptions of each subscriber, rows topics and apart", 0},
        {"rate", 'r', "N", 0, "messages a second of row open (10000)", 0},
        {"give", 'g', NULL, 0, "messages of the library's own, handed over", 0},
        {"inline", 'i', NULL, 0, "contexts without threads", 0},
        {"curve", 'c', NULL, 0, "all of it sealed", 0},
        {"calls", 'C', NULL, 0, "count them into the kernel, which makes each slower", 0},
        {0},
    };
    static const struct argp parser = {
        known,
        on_option,
        "flow|trip|open|pairs|fanout|topics|apart|fanin|router|dealers|idle",
        "Measures a messaging library once; prints JSON.",
        NULL,
        NULL,
        NULL};

    program = argv[0];
    raise_descriptors();
    run_fd = memfd_create("run", 0);
    if (run_fd < 0 || ftruncate(run_fd, sizeof *run) != 0)
        return 1;
    run = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED, run_fd, 0);
    if (run == MAP_FAILED)
        return 1;
    run->bytes = 64;
    run->peers = 1;
    run->window = 1;
    run->seconds = 1;
    run->rate = 10000;
    (void) argp_parse(&parser, argc, argv, 0, NULL, NULL);
    check_choice();
    choose_endpoints();
    if (!measure()) {
        fprintf(stderr, "driver: %s of %s came to no end\n", row->name, bench_library.name);
        return 1;
    }
    tell();
    return 0;
}
