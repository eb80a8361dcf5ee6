/* mcq proxy: passes messages between two sides, and says how many. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool/capture.h"
#include "tool/tool.h"
#include "tool/verbs.h"
#include "tool/wire.h"

#define TELL_EVERY_MS 1000

struct proxy {
    struct tool_wire wire;
    struct mcq_socket *other; /* the wire's socket is the one side */
    struct tool_capture capture;
    struct mcq_proxy *inner;
    int failed; /* the errno that its thread has ended with; 0: it was stopped */
    uint64_t told_ms;
    uint64_t told[2]; /* messages in and out by then */
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Which types belong together. */
static bool fits(enum mcq_type one, enum mcq_type other)
{
    static const enum mcq_type pairs[][2] = {
        {MCQ_XSUB, MCQ_XPUB},
        {MCQ_ROUTER, MCQ_DEALER},
        {MCQ_PULL, MCQ_PUSH},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if ((pairs[i][0] == one && pairs[i][1] == other) ||
            (pairs[i][0] == other && pairs[i][1] == one))
            return true;
    return false;
}

/* --- what it says ---------------------------------------------------------------------------- */

static void count_messages(const struct proxy *proxy, uint64_t counts[2])
{
    struct mcq_proxy_stats stats = {0};

    (void) mcq_proxy_stats(proxy->inner, &stats, sizeof stats);
    counts[0] = stats.front.messages_in + stats.back.messages_in;
    counts[1] = stats.front.messages_out + stats.back.messages_out;
}

/* Peers that are connected, and messages that were dropped, on both sides. */
static void add_stats(struct mcq_socket *socket, struct mcq_socket_stats *sum)
{
    struct mcq_socket_stats stats;

    if (mcq_stats(socket, &stats, sizeof stats) != 0)
        return;
    sum->connected += stats.connected;
    for (size_t cause = 0; cause < MCQ_DROP_ROOM; cause++)
        sum->drops[cause] += stats.drops[cause];
}

/* "subs 17" where there are subscriptions, else "peers 3". */
static void tell_peers(const struct proxy *proxy, const struct mcq_socket_stats *sum)
{
    int64_t topics = 0;
    bool has_topics = mcq_get(proxy->wire.socket, MCQ_OPT_TOPICS_COUNT, &topics) == 0;

    (void) printf("%s %s", has_topics ? "subs" : "peers",
                  mcq_tool_number(has_topics ? (double) topics : (double) sum->connected));
}

static void tell_drops(const struct mcq_socket_stats *sum)
{
    uint64_t all = 0;

    for (size_t cause = 0; cause < MCQ_DROP_ROOM; cause++)
        all += sum->drops[cause];
    (void) printf("  dropped %s (hwm %s, no-route %s)", mcq_tool_number((double) all),
                  mcq_tool_number((double) sum->drops[MCQ_DROP_FULL]),
                  mcq_tool_number((double) sum->drops[MCQ_DROP_NOBODY]));
}

/* In place where somebody looks; elsewhere a line, if there is news. */
static void tell(struct proxy *proxy)
{
    double seconds = (double) (now_ms() - proxy->told_ms) / 1000;
    bool is_shown = isatty(STDOUT_FILENO);
    struct mcq_socket_stats sum = {0};
    uint64_t counts[2];

    count_messages(proxy, counts);
    if (seconds <= 0 || (!is_shown && counts[0] == proxy->told[0]))
        return;
    add_stats(proxy->wire.socket, &sum);
    add_stats(proxy->other, &sum);
    (void) printf("%sin %s msg/s  out %s msg/s  ", is_shown ? "\r\033[K" : "",
                  mcq_tool_number((double) (counts[0] - proxy->told[0]) / seconds),
                  mcq_tool_number((double) (counts[1] - proxy->told[1]) / seconds));
    tell_peers(proxy, &sum);
    tell_drops(&sum);
    (void) fputs(is_shown ? "" : "\n", stdout);
    (void) fflush(stdout);
    proxy->told_ms = now_ms();
    memcpy(proxy->told, counts, sizeof counts);
}

/* --- its life -------------------------------------------------------------------------------- */

/* Signals are the main thread's. */
static void *run_proxy(void *hint)
{
    struct proxy *proxy = hint;

    while (mcq_proxy_run(proxy->inner) != 0)
        if (errno != EINTR) {
            proxy->failed = errno;
            (void) mcq_tool_fail_call(&proxy->wire);
            (void) kill(getpid(), SIGTERM); /* nobody passes anything on any more */
            break;
        }
    return NULL;
}

static int run(struct proxy *proxy)
{
    struct pollfd end = {.fd = mcq_tool_end_fd(), .events = POLLIN};
    uint64_t counts[2];
    pthread_t thread;
    sigset_t before;
    sigset_t all;
    int number;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    number = pthread_create(&thread, NULL, run_proxy, proxy);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0)
        return mcq_tool_fail("proxy: %s", mcq_strerror(number));
    while (!mcq_tool_is_over()) {
        (void) poll(&end, 1, TELL_EVERY_MS);
        tell(proxy);
    }
    (void) mcq_proxy_tell(proxy->inner, MCQ_PROXY_STOP);
    (void) pthread_join(thread, NULL);
    count_messages(proxy, counts);
    (void) printf("%sin %s messages, out %s\n", isatty(STDOUT_FILENO) ? "\r\033[K" : "",
                  mcq_tool_number((double) counts[0]), mcq_tool_number((double) counts[1]));
    return proxy->failed == 0 ? TOOL_DONE : TOOL_FAILED;
}

static int open_sides(struct proxy *proxy, const struct tool_options *options)
{
    proxy->other = mcq_tool_socket(&proxy->wire, options->sides[1].type);
    if (proxy->other == NULL)
        return TOOL_FAILED;
    if (mcq_bind(proxy->wire.socket, options->sides[0].endpoint) != 0 ||
        mcq_bind(proxy->other, options->sides[1].endpoint) != 0)
        return mcq_tool_fail_call(&proxy->wire);
    if (options->capture != NULL &&
        mcq_tool_capture_open(&proxy->capture, &proxy->wire, options->capture) != TOOL_DONE)
        return TOOL_FAILED;
    proxy->inner = mcq_proxy_new(proxy->wire.socket, proxy->other, proxy->capture.front);
    return proxy->inner != NULL ? TOOL_DONE : mcq_tool_fail_call(&proxy->wire);
}

int mcq_tool_proxy(int argc, char **argv)
{
    const struct tool_verb *verb = mcq_tool_verb(argv[0]);
    struct proxy proxy = {.capture.end_fd = -1, .told_ms = now_ms()};
    struct tool_options options;
    int status = mcq_tool_parse(verb, argc, argv, &options);

    if (status != 0)
        return status;
    if (options.side_count != TOOL_SIDES || options.endpoint_count > 0 ||
        !fits(options.sides[0].type, options.sides[1].type)) {
        (void) mcq_tool_fail("proxy: it wants --xsub and --xpub, --router and --dealer, or --pull "
                             "and --push, each with an endpoint");
        return TOOL_USAGE;
    }
    status = mcq_tool_open(&proxy.wire, options.sides[0].type, &options);
    if (status != 0)
        return status;
    status = open_sides(&proxy, &options);
    if (status == TOOL_DONE)
        status = run(&proxy);
    (void) mcq_proxy_free(&proxy.inner);
    if (mcq_tool_capture_close(&proxy.capture) != TOOL_DONE)
        status = TOOL_FAILED;
    if (proxy.other != NULL)
        (void) mcq_close(proxy.other);
    return mcq_tool_close(&proxy.wire, status);
}
