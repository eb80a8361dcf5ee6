/*
 * race: this library against others, over loopback TCP or ipc, or within a process.
 *
 * Question: how many messages per second from PUSH to PULL, how long is a round trip of REQ and
 *           REP, and how do the libraries compare on this machine, now?
 * Method:   two processes per run, or two threads of one for inproc. A sender sends without end
 *           and is killed from outside, so that no figure depends on how a library ends; the
 *           receiver counts for SECONDS after a warm-up. The libraries take turns within each
 *           round, and the ratio is taken within a round; what is shown are medians over all
 *           rounds. Figures are shown as they are, never judged.
 *
 *     race [--engine=NAME,NAME,...] [--rounds=N] [--seconds=S] [--json=FILE]
 *          [--transport=tcp|ipc|inproc] [--curve]
 */
#include "adapter.h"

#include <argp.h>
#include <monocoque.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENGINES_MAX 4
#define ROUNDS_MAX 99
#define TRIPS_MAX 2000000
#define WARM_UP 0.25 /* of the measured time */
#define PATIENCE_S 20
#define START_MS 5000 /* until the first message must be there */

static const struct race_adapter *const adapters[] = {
#ifdef RACE_MONOCOQUE
    &race_monocoque,
#endif
#ifdef RACE_LIBZMQ
    &race_libzmq,
#endif
#ifdef RACE_NNG
    &race_nng,
#endif
};
static struct race_keys new_keys;
const struct race_keys *race_keys;

#define ADAPTER_COUNT (sizeof adapters / sizeof adapters[0])

struct course {
    const char *name;
    size_t len;
    bool round_trip;
    bool gives; /* messages of the library's own, not copies */
};

static const struct course courses[] = {
    {"64 B", 64, false, false},      {"64 B given", 64, false, true},
    {"1 KiB", 1024, false, false},   {"1 KiB given", 1024, false, true},
    {"64 KiB", 65536, false, false}, {"REQ <-> REP 64 B", 64, true, false},
};
#define COURSE_COUNT (sizeof courses / sizeof courses[0])
#define LATENCY (COURSE_COUNT - 1)

/* What one run measures; all zero: it did not come to its end. */
struct result {
    double per_s;
    double p50_us, p99_us, p999_us;
    double cpu_us; /* of both processes, per message or round trip */
};

static struct {
    const struct race_adapter *engines[ENGINES_MAX];
    size_t engine_count;
    long rounds;
    double seconds;
    const char *json;
    const char *transport;
    bool is_inproc;
    bool is_ipc;
} options = {.rounds = 5, .seconds = 1, .transport = "tcp"};

static struct result results[COURSE_COUNT][ENGINES_MAX][ROUNDS_MAX];

/* Shared with the children. */
static struct shared {
    _Atomic bool listens;
    double messages, seconds;
    float trip_us[TRIPS_MAX];
} * shared;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void sleep_ms(long ms)
{
    (void) nanosleep(&(struct timespec) {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
                     NULL);
}

/* --- the children ----------------------------------------------------------------------------- */

static const struct race_adapter *engine;
static const struct course *course;
static char endpoint[64];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "race: %s: %s failed\n", engine->name, what);
    _exit(2);
}

static void *open_peer(enum race_role role)
{
    void *peer = engine->open(role, endpoint);

    must(peer != NULL, "open");
    return peer;
}

static void receive(void *peer)
{
    const void *data;
    size_t len;

    must(engine->recv(peer, &data, &len) && len == course->len, "recv");
}

static void run_sender(void)
{
    void *peer = open_peer(RACE_PUSH);
    char *message = calloc(1, course->len);

    must(!course->gives || engine->give != NULL, "give");
    while (course->gives)
        must(engine->give(peer, course->len), "give");
    for (;;)
        must(engine->send(peer, message, course->len), "send");
}

/* Messages until the time is over; the clock is read every 64 KiB or 64 messages. */
static double count_for(void *peer, double seconds, double *took)
{
    int stride = course->len >= 1024 ? 1 : 64;
    double begun = now_s();
    double count = 0;

    do {
        for (int i = 0; i < stride; i++)
            receive(peer);
        count += stride;
        *took = now_s() - begun;
    } while (*took < seconds);
    return count;
}

static void run_receiver(void)
{
    void *peer = open_peer(RACE_PULL);
    double took;

    shared->listens = true;
    must(engine->wait(peer, START_MS), "wait");
    (void) count_for(peer, options.seconds * WARM_UP, &took);
    shared->messages = count_for(peer, options.seconds, &took);
    shared->seconds = took;
}

static void run_replier(void)
{
    void *peer = open_peer(RACE_REP);
    const void *data;
    size_t len;

    shared->listens = true;
    for (;;) {
        must(engine->recv(peer, &data, &len), "recv");
        must(engine->send(peer, data, len), "send");
    }
}

static void run_requester(void)
{
    void *peer = open_peer(RACE_REQ);
    char *message = calloc(1, course->len);
    double begun = now_s();
    double measured_from = 0;
    size_t trips = 0;

    for (double at = begun; measured_from == 0 || at - measured_from < options.seconds;) {
        double answered;

        must(engine->send(peer, message, course->len), "send");
        receive(peer);
        answered = now_s();
        if (measured_from == 0 && answered - begun > options.seconds * WARM_UP)
            measured_from = answered;
        else if (measured_from > 0 && trips < TRIPS_MAX)
            shared->trip_us[trips++] = (float) ((answered - at) * 1e6);
        at = answered;
    }
    shared->messages = (double) trips;
    shared->seconds = now_s() - measured_from;
}

static void await_listener(void)
{
    for (int i = 0; i < START_MS && !shared->listens; i++)
        sleep_ms(1);
}

static void *run_aside(void *unused)
{
    (void) unused;
    if (course->round_trip) {
        run_replier();
    } else {
        await_listener();
        run_sender();
    }
    return NULL;
}

/* Both sides in one process; who measures ends it. */
static void run_both(void)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, run_aside, NULL) == 0, "thread");
    if (course->round_trip) {
        await_listener();
        run_requester();
    } else {
        run_receiver();
    }
}

/* --- one run ---------------------------------------------------------------------------------- */

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, len) != 0 ||
        getsockname(fd, (struct sockaddr *) &address, &len) != 0) {
        perror("race: no port");
        exit(1);
    }
    close(fd);
    return ntohs(address.sin_port);
}

/* A name that nobody has, which leaves no file behind when its owner is killed. */
static void choose_endpoint(void)
{
    static unsigned count;

    if (options.is_ipc)
        (void) snprintf(endpoint, sizeof endpoint, "ipc://@race-%ld-%u", (long) getpid(), count++);
    else
        (void) snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", free_port());
}

static pid_t children[2];

static pid_t start(void (*run)(void))
{
    pid_t child = fork();

    if (child < 0) {
        perror("race: fork");
        exit(1);
    }
    if (child == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        run();
        _exit(0); /* without close: the figure is there, and no library is measured by its end */
    }
    return child;
}

static double cpu_us_of(const struct rusage *use)
{
    return (double) (use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1e6 +
           (double) (use->ru_utime.tv_usec + use->ru_stime.tv_usec);
}

/* Waits until the child has ended, for so long; false: it has not, or not well. */
static bool ended(pid_t child, double seconds, struct rusage *use)
{
    int status = 0;

    for (double until = now_s() + seconds; now_s() < until; sleep_ms(5))
        if (wait4(child, &status, WNOHANG, use) == child)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    kill(child, SIGKILL);
    (void) wait4(child, &status, 0, use);
    return false;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *) left;
    double b = *(const double *) right;

    return (a > b) - (a < b);
}

static int by_time(const void *left, const void *right)
{
    float a = *(const float *) left;
    float b = *(const float *) right;

    return (a > b) - (a < b);
}

/* Whoever listens starts first. Who measures ends by itself, the other one is stopped. */
static bool run_processes(struct rusage use[2])
{
    int measures = course->round_trip ? 1 : 0;
    bool done;

    choose_endpoint();
    children[0] = start(course->round_trip ? run_replier : run_receiver);
    await_listener();
    children[1] = start(course->round_trip ? run_requester : run_sender);
    done = ended(children[measures], options.seconds * 2 + PATIENCE_S, &use[measures]);
    kill(children[!measures], SIGKILL);
    (void) wait4(children[!measures], NULL, 0, &use[!measures]);
    return done;
}

static bool run_threads(struct rusage use[2])
{
    (void) snprintf(endpoint, sizeof endpoint, "inproc://race");
    children[0] = start(run_both);
    return ended(children[0], options.seconds * 2 + PATIENCE_S, &use[0]);
}

static struct result run(void)
{
    struct result result = {0};
    struct rusage use[2] = {0};
    bool done;

    shared->listens = false;
    shared->messages = 0;
    done = options.is_inproc ? run_threads(use) : run_processes(use);
    if (!done || shared->messages == 0)
        return result;
    result.per_s = shared->messages / shared->seconds;
    result.cpu_us = (cpu_us_of(&use[0]) + cpu_us_of(&use[1])) / (1 + WARM_UP) / shared->messages;
    if (course->round_trip) {
        size_t trips = (size_t) shared->messages;

        qsort(shared->trip_us, trips, sizeof shared->trip_us[0], by_time);
        result.p50_us = (double) shared->trip_us[trips / 2];
        result.p99_us = (double) shared->trip_us[trips * 99 / 100];
        result.p999_us = (double) shared->trip_us[trips * 999 / 1000];
    }
    return result;
}

static void progress(long done, long total)
{
    char bar[21];

    if (!isatty(STDERR_FILENO))
        return;
    for (long i = 0; i < 20; i++)
        bar[i] = i < done * 20 / total ? '#' : '-';
    bar[20] = '\0';
    fprintf(stderr, "\r[%s] %3ld %%%s", bar, done * 100 / total, done == total ? "\r\033[K" : "");
}

static void run_all(void)
{
    long total = options.rounds * (long) (COURSE_COUNT * options.engine_count);
    long done = 0;

    for (long round = 0; round < options.rounds; round++)
        for (size_t c = 0; c < COURSE_COUNT; c++)
            for (size_t i = 0; i < options.engine_count; i++) {
                /* Each round begins with another library. */
                size_t e = (i + (size_t) round) % options.engine_count;

                progress(done++, total);
                engine = options.engines[e];
                course = &courses[c];
                results[c][e][round] = run();
            }
    progress(total, total);
}

/* --- figures ---------------------------------------------------------------------------------- */

struct figure {
    double median;
    double spread; /* half the distance of the quartiles, as a part of the median */
};

static struct figure figure_of(double *values, size_t count)
{
    struct figure figure = {0};

    if (count == 0)
        return figure;
    qsort(values, count, sizeof *values, by_value);
    figure.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    if (figure.median > 0)
        figure.spread = (values[(count * 3) / 4] - values[count / 4]) / 2 / figure.median;
    return figure;
}

enum what { PER_S, P50, P99, P999, CPU };

static double value_of(const struct result *result, enum what what)
{
    const double values[] = {result->per_s, result->p50_us, result->p99_us, result->p999_us,
                             result->cpu_us};

    return values[what];
}

/* A run that did not come to its end has no figure. */
static struct figure figure(size_t c, size_t e, enum what what)
{
    double values[ROUNDS_MAX];
    size_t count = 0;

    for (long round = 0; round < options.rounds; round++)
        if (results[c][e][round].per_s > 0)
            values[count++] = value_of(&results[c][e][round], what);
    return figure_of(values, count);
}

/* How much better the first library is than that one: taken within each round. */
static struct figure ratio(size_t c, size_t other, enum what what)
{
    double values[ROUNDS_MAX];
    size_t count = 0;

    for (long round = 0; round < options.rounds; round++) {
        double ours = value_of(&results[c][0][round], what);
        double theirs = value_of(&results[c][other][round], what);

        if (ours > 0 && theirs > 0)
            values[count++] = what == PER_S ? ours / theirs : theirs / ours;
    }
    return figure_of(values, count);
}

static void show_stalled(size_t e)
{
    long count = 0;

    for (size_t c = 0; c < COURSE_COUNT; c++)
        for (long round = 0; round < options.rounds; round++)
            count += results[c][e][round].per_s == 0;
    if (count > 0)
        printf("%s: %ld runs came to no end and are left out.\n", options.engines[e]->name, count);
}

/* "4.91 M/s", or "6.1 GB/s" where messages are large. */
static const char *rate_text(char *text, size_t size, size_t c, size_t e)
{
    double per_s = figure(c, e, PER_S).median;

    if (per_s == 0)
        (void) snprintf(text, size, "-");
    else if (courses[c].len >= 65536)
        (void) snprintf(text, size, "%.1f GB/s", per_s * (double) courses[c].len * 1e-9);
    else
        (void) snprintf(text, size, "%.2f M/s", per_s * 1e-6);
    return text;
}

static const char *time_text(char *text, size_t size, size_t e, enum what what)
{
    (void) snprintf(text, size, "%.1f us", figure(LATENCY, e, what).median);
    return text;
}

#define TIME_COUNT 3

/* A line of the right half of the table; beyond its end there is none. */
static void show_time(size_t row, size_t other, double *worst)
{
    static const char *const names[TIME_COUNT] = {"p50", "p99", "p99.9"};
    char ours[32], theirs[32];
    struct figure time;

    if (row < TIME_COUNT) {
        time = ratio(LATENCY, other, P50 + row);
        printf("    %-16s %11s %10s %6.2fx", names[row], time_text(ours, sizeof ours, 0, P50 + row),
               time_text(theirs, sizeof theirs, other, P50 + row), time.median);
        if (row == 0) /* the tails of 1 s swing by nature */
            *worst = time.spread > *worst ? time.spread : *worst;
    }
    printf("\n");
}

static void show_pair(size_t other)
{
    double worst = 0;

    printf("%-14s %10s %10s %7s %7s    %-16s %11s %10s %7s\n", "PUSH -> PULL",
           options.engines[0]->name, options.engines[other]->name, "ratio", "of CPU",
           courses[LATENCY].name, options.engines[0]->name, options.engines[other]->name, "ratio");
    for (size_t row = 0; row < LATENCY; row++) {
        char ours[32], theirs[32];
        struct figure rate = ratio(row, other, PER_S);

        printf("%-14s %10s %10s %6.2fx %6.2fx", courses[row].name,
               rate_text(ours, sizeof ours, row, 0), rate_text(theirs, sizeof theirs, row, other),
               rate.median, ratio(row, other, CPU).median);
        worst = rate.spread > worst ? rate.spread : worst;
        show_time(row, other, &worst);
    }
    printf("Both ends share %ld cores: read the ratios (+-%.0f %%), not the absolute numbers.\n",
           sysconf(_SC_NPROCESSORS_ONLN), worst * 100);
    show_stalled(0);
    if (other > 0)
        show_stalled(other);
}

static void write_json(void)
{
    static const char *const names[] = {"per_s", "p50_us", "p99_us", "p999_us", "cpu_us"};
    FILE *file = strcmp(options.json, "-") == 0 ? stdout : fopen(options.json, "w");
    struct utsname system;

    if (file == NULL) {
        perror(options.json);
        exit(1);
    }
    (void) uname(&system);
    fprintf(file,
            "{\"kernel\": \"%s\", \"transport\": \"%s\", \"cores\": %ld, \"rounds\": %ld, "
            "\"seconds\": %g, \"runs\": [",
            system.release, options.transport, sysconf(_SC_NPROCESSORS_ONLN), options.rounds,
            options.seconds);
    for (size_t c = 0; c < COURSE_COUNT; c++)
        for (size_t e = 0; e < options.engine_count; e++)
            for (long round = 0; round < options.rounds; round++) {
                fprintf(file,
                        "%s\n  {\"course\": \"%s%s\", \"engine\": \"%s\", \"lane\": %zu, "
                        "\"round\": %ld, \"bytes\": %zu",
                        c + e + (size_t) round > 0 ? "," : "",
                        courses[c].round_trip ? "" : "PUSH -> PULL ", courses[c].name,
                        options.engines[e]->name, e, round, courses[c].len);
                for (enum what what = PER_S; what <= CPU; what++)
                    if (courses[c].round_trip || what == PER_S || what == CPU)
                        fprintf(file, ", \"%s\": %.3f", names[what],
                                value_of(&results[c][e][round], what));
                fprintf(file, "}");
            }
    fprintf(file, "\n]}\n");
    if (file != stdout && fclose(file) != 0) {
        perror(options.json);
        exit(1);
    }
}

/* --- the command line ------------------------------------------------------------------------- */

static void choose(struct argp_state *state, char *names)
{
    options.engine_count = 0;
    for (char *name = names; name != NULL;) {
        char *comma = strchr(name, ',');
        const struct race_adapter *found = NULL;

        if (comma != NULL)
            *comma++ = '\0';
        for (size_t i = 0; i < ADAPTER_COUNT; i++)
            if (strcmp(adapters[i]->name, name) == 0)
                found = adapters[i];
        if (found == NULL)
            argp_error(state, "no library '%s' was built in", name);
        if (options.engine_count == ENGINES_MAX)
            argp_error(state, "at most %d libraries", ENGINES_MAX);
        options.engines[options.engine_count++] = found;
        name = comma;
    }
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case 'e': choose(state, value); break;
    case 'r':
        options.rounds = strtol(value, NULL, 10);
        if (options.rounds < 1 || options.rounds > ROUNDS_MAX)
            argp_error(state, "--rounds: 1 to %d", ROUNDS_MAX);
        break;
    case 's':
        options.seconds = strtod(value, NULL);
        if (!(options.seconds >= 0.01 && options.seconds <= 60))
            argp_error(state, "--seconds: 0.01 to 60");
        break;
    case 'j': options.json = value; break;
    case 'c':
        race_keys = &new_keys;
        if (mcq_curve_keypair(new_keys.public_key, new_keys.secret_key) != 0)
            argp_error(state, "--curve: %s", mcq_last_error());
        break;
    case 't':
        options.transport = value;
        options.is_ipc = strcmp(value, "ipc") == 0;
        options.is_inproc = strcmp(value, "inproc") == 0;
        if (!options.is_ipc && !options.is_inproc && strcmp(value, "tcp") != 0)
            argp_error(state, "--transport: tcp, ipc or inproc");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"engine", 'e', "NAME,...", 0, "libraries; the others are compared with the first", 0},
        {"rounds", 'r', "N", 0, "alternations (5)", 0},
        {"seconds", 's', "S", 0, "measured in each run (1)", 0},
        {"transport", 't', "NAME", 0, "tcp, ipc, or inproc: two threads of one process (tcp)", 0},
        {"json", 'j', "FILE", 0, "every run's figures; - is the standard output, without a table",
         0},
        {"curve", 'c', NULL, 0, "all of it sealed", 0},
        {0},
    };
    static const struct argp parser = {known, on_option, NULL, "Races messaging libraries.",
                                       NULL,  NULL,      NULL};

    for (size_t i = 0; i < ADAPTER_COUNT; i++)
        options.engines[options.engine_count++] = adapters[i];
    (void) argp_parse(&parser, argc, argv, 0, NULL, NULL);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("race");
        return 1;
    }
    run_all();
    if (options.json == NULL || strcmp(options.json, "-") != 0)
        for (size_t other = options.engine_count > 1; other < options.engine_count; other++)
            show_pair(other);
    if (options.json != NULL)
        write_json();
    return 0;
}
