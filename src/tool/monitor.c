/* mcq monitor: what becomes of the connections of a socket, one line each. */

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "tool/tool.h"
#include "tool/verbs.h"
#include "tool/wire.h"

enum value { NOTHING, DESCRIPTOR, ERRNO, DELAY };

static const struct {
    enum mcq_report_kind kind;
    const char *name;
    enum value value;
} events[] = {
    {MCQ_REPORT_CONNECTED, "connected", DESCRIPTOR},
    {MCQ_REPORT_CONNECT_DELAYED, "connect_delayed", ERRNO},
    {MCQ_REPORT_CONNECT_RETRIED, "connect_retried", DELAY},
    {MCQ_REPORT_LISTENING, "listening", DESCRIPTOR},
    {MCQ_REPORT_BIND_FAILED, "bind_failed", ERRNO},
    {MCQ_REPORT_ACCEPTED, "accepted", DESCRIPTOR},
    {MCQ_REPORT_ACCEPT_FAILED, "accept_failed", ERRNO},
    {MCQ_REPORT_CLOSED, "closed", DESCRIPTOR},
    {MCQ_REPORT_DISCONNECTED, "disconnected", DESCRIPTOR},
    {MCQ_REPORT_HANDSHAKE_FAILED, "handshake_failed", ERRNO},
    {MCQ_REPORT_HANDSHAKE_SUCCEEDED, "handshake_succeeded", NOTHING},
    {MCQ_REPORT_HANDSHAKE_BROKEN, "handshake_broken", ERRNO},
    {MCQ_REPORT_HANDSHAKE_REFUSED, "handshake_refused", ERRNO},
};

#define EVENTS (sizeof events / sizeof events[0])

static void print_json(const char *time, size_t event, const struct mcq_report *report)
{
    json_t *line = json_pack("{s:s,s:s,s:s}", "t", time, "event", events[event].name, "endpoint",
                             report->endpoint);

    if (line == NULL) /* no text that JSON could hold */
        line = json_pack("{s:s,s:s}", "t", time, "event", events[event].name);
    switch (events[event].value) {
    case DESCRIPTOR: (void) json_object_set_new(line, "fd", json_integer(report->value)); break;
    case DELAY: (void) json_object_set_new(line, "ms", json_integer(report->value)); break;
    case ERRNO:
        (void) json_object_set_new(line, "code", json_string(strerrorname_np(report->value)));
        (void) json_object_set_new(line, "why", json_string(mcq_strerror(report->value)));
        break;
    default: break;
    }
    if (report->address[0] != '\0')
        (void) json_object_set_new(line, "peer", json_string(report->address));
    if (report->rule[0] != '\0')
        (void) json_object_set_new(line, "rule", json_string(report->rule));
    (void) json_dumpf(line, stdout, JSON_COMPACT);
    (void) putchar('\n');
    json_decref(line);
}

static void print_text(const char *time, size_t event, const struct mcq_report *report)
{
    (void) printf("%s  %-20s %s", time, events[event].name, report->endpoint);
    switch (events[event].value) {
    case DESCRIPTOR: (void) printf("  fd %d\n", report->value); break;
    case DELAY: (void) printf("  in %d ms\n", report->value); break;
    case ERRNO:
        (void) printf("  %s%s%s\n", mcq_strerror(report->value),
                      report->rule[0] != '\0' ? ", rule " : "", report->rule);
        break;
    default: (void) putchar('\n'); break;
    }
}

/* In a thread of the library. */
static void tell(const struct mcq_report *report, void *hint)
{
    const struct tool_options *options = hint;
    char time[TOOL_TIME_BYTES];

    mcq_tool_write_time(time);
    if (report->lost > 0)
        (void) fprintf(stderr, "mcq monitor: %llu lines are missing here\n",
                       (unsigned long long) report->lost);
    for (size_t i = 0; i < EVENTS; i++)
        if (events[i].kind == report->kind)
            (options->format == TOOL_JSON ? print_json : print_text)(time, i, report);
    (void) fflush(stdout);
}

static const struct {
    const char *name;
    enum mcq_type type;
} types[] = {
    {"pair", MCQ_PAIR}, {"pub", MCQ_PUB},       {"sub", MCQ_SUB},       {"req", MCQ_REQ},
    {"rep", MCQ_REP},   {"dealer", MCQ_DEALER}, {"router", MCQ_ROUTER}, {"pull", MCQ_PULL},
    {"push", MCQ_PUSH}, {"xpub", MCQ_XPUB},     {"xsub", MCQ_XSUB},
};

static int type_of(const char *name, enum mcq_type *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(types[i].name, name) == 0) {
            *type = types[i].type;
            return 0;
        }
    (void) mcq_tool_fail("monitor --type %s: there is no such type of socket", name);
    return TOOL_USAGE;
}

/* Messages are taken and dropped: a peer that is full would say nothing more. */
static int watch(struct tool_wire *wire)
{
    struct tool_message message = {0};
    int status = TOOL_DONE;

    while (!mcq_tool_is_over() && status == TOOL_DONE) {
        if (mcq_tool_recv(wire, wire->socket, &message) == 0 || errno == EINTR)
            continue;
        if (errno == EAGAIN)
            break;
        if (errno == ENOTSUP || errno == MCQ_EFSM) {
            if (mcq_poll(NULL, 0, (int) wire->options->timeout_ms) == 0)
                break;
            continue;
        }
        status = mcq_tool_fail_call(wire);
    }
    mcq_tool_free(&message);
    return status;
}

int mcq_tool_monitor(int argc, char **argv)
{
    const struct tool_verb *verb = mcq_tool_verb(argv[0]);
    enum mcq_type type = MCQ_ROUTER;
    struct tool_options options;
    struct tool_wire wire;
    int status = mcq_tool_parse(verb, argc, argv, &options);

    if (status == 0 && options.type != NULL)
        status = type_of(options.type, &type);
    if (status != 0)
        return status;
    status = mcq_tool_open_for(&wire, type, &options, tell);
    if (status != 0)
        return status;
    return mcq_tool_close(&wire, watch(&wire));
}
