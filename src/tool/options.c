#include "tool/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SHOWN 1000 /* numbers of options without a letter begin here */
#define LINGER_MS 5000

enum kind { BIND, CONNECT, NUMBER, TIME, TEXT, FLAG, TOPIC, FORMAT, JSON, SIDE };

struct row {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    unsigned groups;
    size_t at; /* the member; of SIDE the type of socket */
    const char *argument;
    const char *help;
};

#define AT(member) offsetof(struct tool_options, member)

static const struct row rows[] = {
    {"bind", 0, BIND, TOOL_HAS_SOCKET, 0, "EP", "take connections at this endpoint"},
    {"connect", 0, CONNECT, TOOL_HAS_SOCKET, 0, "EP", "connect to this endpoint"},
    {"topic", 't', TOPIC, TOOL_HAS_TOPICS, 0, "TEXT", "messages that begin so (all)"},
    {"xsub", 0, SIDE, TOOL_HAS_SIDES, MCQ_XSUB, "EP", "this side binds for publishers"},
    {"xpub", 0, SIDE, TOOL_HAS_SIDES, MCQ_XPUB, "EP", "for subscribers"},
    {"router", 0, SIDE, TOOL_HAS_SIDES, MCQ_ROUTER, "EP", "for clients"},
    {"dealer", 0, SIDE, TOOL_HAS_SIDES, MCQ_DEALER, "EP", "for workers"},
    {"pull", 0, SIDE, TOOL_HAS_SIDES, MCQ_PULL, "EP", "for those who push"},
    {"push", 0, SIDE, TOOL_HAS_SIDES, MCQ_PUSH, "EP", "for those who pull"},
    {"capture", 0, TEXT, TOOL_HAS_SIDES, AT(capture), "FILE", "write what passes to it, as JSON"},
    {"type", 0, TEXT, TOOL_HAS_TYPE, AT(type), "TYPE", "of the socket (router)"},
    {"count", 'n', NUMBER, TOOL_HAS_SOCKET, AT(count), "COUNT", "end after so many messages"},
    {"count", 'n', NUMBER, TOOL_HAS_PING, AT(count), "COUNT", "so many pings (5)"},
    {"timeout", 0, TIME, TOOL_HAS_PING, AT(timeout_ms), "T", "for each answer (2s); 500ms, 5s"},
    {"timeout", 0, TIME, TOOL_HAS_SOCKET, AT(timeout_ms), "T", "for a message (none); 500ms, 2s"},
    {"wait-peers", 0, NUMBER, TOOL_HAS_SOCKET, AT(wait_peers), "N", "begin when N peers are there"},
    {"linger", 0, TIME, TOOL_HAS_SOCKET, AT(linger_ms), "T", "to send what waits at the end (5s)"},
    {"hwm", 0, NUMBER, TOOL_HAS_SOCKET, AT(hwm), "N", "messages that wait for a peer (1000)"},
    {"id", 0, TEXT, TOOL_HAS_SOCKET, AT(id), "ID", "our routing id"},
    {"curve", 0, TEXT, TOOL_HAS_SOCKET | TOOL_HAS_PING, AT(curve), "FILE",
     "CURVE: our keys, of mcq keygen"},
    {"server-key", 0, TEXT, TOOL_HAS_SOCKET | TOOL_HAS_PING, AT(key), "KEY",
     "... as client of who has this one"},
    {"plain", 0, TEXT, TOOL_HAS_SOCKET, AT(user), "USER", "PLAIN; the password is MCQ_PASSWORD"},
    {"file", 'f', TEXT, TOOL_HAS_INPUT, AT(file), "FILE", "send what is in it, as one part"},
    {"rate", 0, NUMBER, TOOL_HAS_INPUT, AT(rate), "N", "messages a second (no limit)"},
    {"size", 0, NUMBER, TOOL_HAS_INPUT, AT(size), "OCTETS", "send made-up messages of this size"},
    {"exec", 0, TEXT, TOOL_HAS_EXEC, AT(command), "COMMAND", "the reply is what it prints"},
    {"format", 0, FORMAT, TOOL_HAS_OUTPUT, 0, "WORD", "text, quoted, hex, json, raw (text)"},
    {"json", 0, JSON, TOOL_HAS_OUTPUT | TOOL_HAS_JSON, 0, NULL, "one JSON value a line"},
    {"stat", 0, FLAG, TOOL_HAS_OUTPUT, AT(has_stat), NULL, "only count, and say how fast"},
    {"verbose", 'v', FLAG, TOOL_HAS_SOCKET, AT(is_verbose), NULL, "say what connections do"},
};

static int refuse(const struct tool_verb *verb, const char *what, const char *why)
{
    (void) mcq_tool_fail("%s %s: %s; see mcq %s --help", verb->name, what, why, verb->name);
    return TOOL_USAGE;
}

/* --- values ---------------------------------------------------------------------------------- */

static bool number(const char *text, int64_t *value, const char **rest)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    *rest = end;
    return end != text && errno == 0 && *value >= 0;
}

static bool duration_ms(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *unit;

    if (!number(text, ms, &unit) || *ms > INT32_MAX)
        return false;
    for (size_t i = 0; i < COUNT(units); i++)
        if (strcmp(unit, units[i].unit) == 0) {
            *ms *= units[i].ms;
            return *ms <= INT32_MAX;
        }
    return false;
}

static bool format_of(const char *word, enum tool_format *format)
{
    static const char *const words[] = {"text", "quoted", "hex", "json", "raw"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *format = (enum tool_format) i;
            return true;
        }
    return false;
}

static const char *add_endpoint(struct tool_options *options, const char *text, bool binds)
{
    if (options->endpoint_count == TOOL_ENDPOINTS_MAX)
        return "these are more than 16 endpoints";
    options->endpoints[options->endpoint_count++] = (struct tool_endpoint) {text, binds};
    return NULL;
}

/* NULL: done; else why not. */
static const char *take(const struct row *row, const char *text, struct tool_options *options)
{
    char *member = (char *) options + row->at;
    const char *rest;

    switch (row->kind) {
    case BIND:
    case CONNECT: return add_endpoint(options, text, row->kind == BIND);
    case NUMBER:
        return number(text, (int64_t *) (void *) member, &rest) && *rest == '\0' ? NULL
                                                                                 : "not a number";
    case TIME:
        return duration_ms(text, (int64_t *) (void *) member)
                   ? NULL
                   : "not a time, as 500ms, 2s or 5m are";
    case TEXT: *(const char **) (void *) member = text; return NULL;
    case FLAG: *(bool *) member = true; return NULL;
    case JSON: options->format = TOOL_JSON; return NULL;
    case FORMAT: return format_of(text, &options->format) ? NULL : "no such format";
    case TOPIC:
        if (options->topic_count == TOOL_TOPICS_MAX)
            return "these are more than 64 topics";
        options->topics[options->topic_count++] = text;
        return NULL;
    default:
        if (options->side_count == TOOL_SIDES)
            return "a proxy has two sides";
        options->sides[options->side_count].type = (enum mcq_type) row->at;
        options->sides[options->side_count++].endpoint = text;
        return NULL;
    }
}

/* --- words ----------------------------------------------------------------------------------- */

/* What getopt wants: those that the verb has. */
static void describe(const struct tool_verb *verb, struct option *longs, char *letters)
{
    *letters++ = '+';
    *letters++ = ':';
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];

        if ((row->groups & verb->groups) == 0)
            continue;
        *longs++ = (struct option) {row->name, row->argument != NULL, NULL, (int) (SHOWN + i)};
        if (row->letter == 0)
            continue;
        *letters++ = row->letter;
        if (row->argument != NULL)
            *letters++ = ':';
    }
    *longs = (struct option) {0};
    *letters = '\0';
}

static const struct row *row_of(int found)
{
    if (found >= SHOWN)
        return &rows[found - SHOWN];
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].letter == found)
            return &rows[i];
    return NULL;
}

/* Endpoints and payload may stand among the options; behind "--" all is payload. */
static int take_words(const struct tool_verb *verb, int argc, char **argv,
                      const struct option *longs, const char *letters, struct tool_options *options)
{
    bool is_payload = false;
    const char *why;

    optind = 1;
    opterr = 0;
    while (optind < argc) {
        const char *word = argv[optind];
        int found = is_payload ? -1 : getopt_long(argc, argv, letters, longs, NULL);

        if (found == '?' || found == ':')
            return refuse(verb, word,
                          found == '?' ? "it has no such option" : "a value is missing");
        if (found != -1) {
            const struct row *row = row_of(found);

            why = take(row, optarg, options);
            if (why != NULL)
                return refuse(verb, optarg != NULL ? optarg : row->name, why);
            continue;
        }
        if (!is_payload && strcmp(word, "--") == 0) {
            is_payload = true;
            continue;
        }
        word = argv[optind++];
        if (!is_payload && options->payload_count == 0 &&
            (verb->groups & (TOOL_HAS_SOCKET | TOOL_HAS_PING)) && strstr(word, "://") != NULL) {
            why = add_endpoint(options, word, verb->binds);
            if (why != NULL)
                return refuse(verb, word, why);
            continue;
        }
        if ((verb->groups & (TOOL_HAS_INPUT | TOOL_HAS_EXEC)) == 0)
            return refuse(verb, word, "an endpoint is written TRANSPORT://ADDRESS");
        options->payload[options->payload_count++] = argv[optind - 1];
    }
    return 0;
}

int mcq_tool_parse(const struct tool_verb *verb, int argc, char **argv,
                   struct tool_options *options)
{
    struct option longs[COUNT(rows) + 1];
    char letters[2 * COUNT(rows) + 3];

    *options = (struct tool_options) {
        .verb = verb->name,
        .timeout_ms = -1,
        .linger_ms = LINGER_MS,
        .hwm = -1,
        .size = -1,
        .payload = argv, /* words that were read make room for it */
    };
    describe(verb, longs, letters);
    return take_words(verb, argc, argv, longs, letters, options);
}

/* --- help ------------------------------------------------------------------------------------ */

static void help_of(const struct row *row)
{
    char words[40];
    char letter[] = {'-', row->letter, ',', ' ', '\0'};

    (void) snprintf(words, sizeof words, "%s--%s%s%s", row->letter != 0 ? letter : "    ",
                    row->name, row->argument != NULL ? " " : "",
                    row->argument != NULL ? row->argument : "");
    (void) printf("  %-26s%s\n", words, row->help);
}

void mcq_tool_help(const struct tool_verb *verb)
{
    (void) printf("%s\nusage: mcq %s %s\n\n%s.\n", verb->examples, verb->name, verb->arguments,
                  verb->what);
    for (size_t i = 0, shown = 0; i < COUNT(rows); i++)
        if (rows[i].groups & verb->groups) {
            (void) fputs(shown++ == 0 ? "\n" : "", stdout);
            help_of(&rows[i]);
        }
}

void mcq_tool_list_options(const struct tool_verb *verb)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].groups & verb->groups)
            (void) printf("--%s\n", rows[i].name);
}
