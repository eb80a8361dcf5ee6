/* mcq proxy: passes messages between two sides, and says how many. */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool/tool.h"
#include "tool/verbs.h"
#include "tool/wire.h"

#define BURST 64 /* messages of one side before the other has its turn */
#define TELL_EVERY_MS 1000

struct side {
    struct mcq_socket *socket;
    uint64_t in;
    uint64_t out;
};

struct proxy {
    struct tool_wire wire;
    struct side sides[TOOL_SIDES];
    struct tool_message message;
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

/* Passes on what is there, a burst at most. -1 and errno. */
static int pass(struct proxy *proxy, struct side *from, struct side *to)
{
    for (int i = 0; i < BURST; i++) {
        struct mcq_poll_entry entries[2] = {{.socket = from->socket, .events = MCQ_POLLIN},
                                            {.socket = to->socket, .events = MCQ_POLLOUT}};

        if (mcq_poll(entries, 2, 0) < 0)
            return -1;
        if (entries[0].revents == 0 || entries[1].revents == 0)
            return 0;
        if (mcq_tool_recv(&proxy->wire, from->socket, &proxy->message) != 0)
            return -1;
        from->in++;
        if (mcq_tool_send(&proxy->wire, to->socket, &proxy->message) != 0)
            return -1;
        to->out++;
    }
    return 0;
}

static void tell(struct proxy *proxy)
{
    uint64_t now = now_ms();
    uint64_t counts[2] = {proxy->sides[0].in + proxy->sides[1].in,
                          proxy->sides[0].out + proxy->sides[1].out};
    double seconds = (double) (now - proxy->told_ms) / 1000;
    bool is_shown = isatty(STDOUT_FILENO);

    if (seconds * 1000 < TELL_EVERY_MS || (!is_shown && counts[0] == proxy->told[0]))
        return;
    (void) printf("%sin %s msg/s  out %s msg/s%s", is_shown ? "\r\033[K" : "",
                  mcq_tool_number((double) (counts[0] - proxy->told[0]) / seconds),
                  mcq_tool_number((double) (counts[1] - proxy->told[1]) / seconds),
                  is_shown ? "" : "\n");
    (void) fflush(stdout);
    proxy->told_ms = now;
    memcpy(proxy->told, counts, sizeof counts);
}

/* Who cannot pass on is not asked what it has: POLLOUT of the other side wakes it. */
static int wait_for_work(struct proxy *proxy)
{
    struct side *sides = proxy->sides;
    struct mcq_poll_entry entries[TOOL_SIDES];
    bool can_send[TOOL_SIDES];

    for (size_t i = 0; i < TOOL_SIDES; i++)
        entries[i] =
            (struct mcq_poll_entry) {.socket = sides[i].socket, .events = MCQ_POLLIN | MCQ_POLLOUT};
    if (mcq_poll(entries, TOOL_SIDES, 0) < 0)
        return -1;
    for (size_t i = 0; i < TOOL_SIDES; i++)
        can_send[i] = (entries[i].revents & MCQ_POLLOUT) != 0;
    for (size_t i = 0; i < TOOL_SIDES; i++) {
        bool has_input = (entries[i].revents & MCQ_POLLIN) != 0;

        if (has_input && can_send[1 - i])
            return 0;
        entries[i].events =
            (short) ((can_send[1 - i] ? MCQ_POLLIN : 0) |
                     (entries[1 - i].revents & MCQ_POLLIN && !can_send[i] ? MCQ_POLLOUT : 0));
    }
    return mcq_poll(entries, TOOL_SIDES, TELL_EVERY_MS) < 0 ? -1 : 0;
}

static int run(struct proxy *proxy)
{
    while (!mcq_tool_is_over()) {
        if (wait_for_work(proxy) != 0 || pass(proxy, &proxy->sides[0], &proxy->sides[1]) != 0 ||
            pass(proxy, &proxy->sides[1], &proxy->sides[0]) != 0) {
            if (errno == EINTR)
                continue;
            return mcq_tool_fail_call(&proxy->wire);
        }
        tell(proxy);
    }
    (void) printf("%sin %s messages, out %s\n", isatty(STDOUT_FILENO) ? "\r\033[K" : "",
                  mcq_tool_number((double) (proxy->sides[0].in + proxy->sides[1].in)),
                  mcq_tool_number((double) (proxy->sides[0].out + proxy->sides[1].out)));
    return TOOL_DONE;
}

static int open_sides(struct proxy *proxy, const struct tool_options *options)
{
    proxy->sides[0].socket = proxy->wire.socket;
    proxy->sides[1].socket = mcq_tool_socket(&proxy->wire, options->sides[1].type);
    if (proxy->sides[1].socket == NULL)
        return TOOL_FAILED;
    for (size_t i = 0; i < TOOL_SIDES; i++)
        if (mcq_bind(proxy->sides[i].socket, options->sides[i].endpoint) != 0)
            return mcq_tool_fail_call(&proxy->wire);
    return TOOL_DONE;
}

int mcq_tool_proxy(int argc, char **argv)
{
    const struct tool_verb *verb = mcq_tool_verb(argv[0]);
    struct proxy proxy = {.told_ms = now_ms()};
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
    if (proxy.sides[1].socket != NULL)
        (void) mcq_close(proxy.sides[1].socket);
    mcq_tool_free(&proxy.message);
    return mcq_tool_close(&proxy.wire, status);
}
