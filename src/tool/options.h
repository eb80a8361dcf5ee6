/*
 * options: what the words behind a verb of mcq ask for.
 *
 * Layer:   tool.
 */
#ifndef MCQ_TOOL_OPTIONS_H
#define MCQ_TOOL_OPTIONS_H

#include <monocoque.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_ENDPOINTS_MAX 16
#define TOOL_TOPICS_MAX 64
#define TOOL_SIDES 2

enum tool_format {
    TOOL_TEXT,   /* what can be shown as it is, the rest as \xNN; " | " between parts */
    TOOL_QUOTED, /* each part in quotes */
    TOOL_HEX,
    TOOL_JSON, /* an array of a message's parts */
    TOOL_RAW,  /* the octets, and nothing else */
};

struct tool_endpoint {
    const char *text;
    bool binds;
};

struct tool_options {
    const char *verb;
    struct tool_endpoint endpoints[TOOL_ENDPOINTS_MAX];
    size_t endpoint_count;
    int64_t count;       /* messages; 0: no limit */
    int64_t timeout_ms;  /* -1: none */
    int64_t linger_ms;   /* -1: without end */
    int64_t hwm;         /* -1: as it is */
    int64_t wait_peers;  /* before the first message */
    int64_t rate;        /* messages a second; 0: as fast as it goes */
    int64_t size;        /* octets of made-up messages; -1: none are made up */
    const char *id;      /* routing id */
    const char *curve;   /* a file of mcq keygen */
    const char *key;     /* of the CURVE server */
    const char *user;    /* of PLAIN */
    const char *file;    /* the payload */
    const char *command; /* whose output is the reply */
    const char *capture; /* a file for what a proxy passes on */
    const char *type;    /* of the socket */
    const char *topics[TOOL_TOPICS_MAX];
    size_t topic_count;
    enum tool_format format;
    bool is_verbose;
    bool has_stat;
    struct {
        enum mcq_type type;
        const char *endpoint;
    } sides[TOOL_SIDES]; /* of the proxy */
    size_t side_count;
    char **payload; /* parts */
    size_t payload_count;
};

/* A verb's words. */
struct tool_verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments; /* "ENDPOINT [PART...]" */
    const char *what;      /* one line */
    const char *examples;
    unsigned groups; /* of options, enum tool_group */
    bool binds;      /* what an endpoint without --bind or --connect is for */
};

/* Which options a verb has; they add up. */
enum tool_group {
    TOOL_HAS_SOCKET = 1, /* endpoints, limits, security */
    TOOL_HAS_OUTPUT = 2, /* how messages are shown */
    TOOL_HAS_INPUT = 4,  /* a payload, or many */
    TOOL_HAS_TOPICS = 8,
    TOOL_HAS_EXEC = 16,
    TOOL_HAS_SIDES = 32,
    TOOL_HAS_TYPE = 64,
    TOOL_HAS_JSON = 128,
    TOOL_HAS_PING = 256,
};

/* Takes the words apart. 0; else they do not mean anything, it has said why, and this is the exit
 * code. */
int mcq_tool_parse(const struct tool_verb *verb, int argc, char **argv,
                   struct tool_options *options);

/* Its page: examples, arguments, options. */
void mcq_tool_help(const struct tool_verb *verb);

/* The names of its options, "--name", one a line. */
void mcq_tool_list_options(const struct tool_verb *verb);

#endif
