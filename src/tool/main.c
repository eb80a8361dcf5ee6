/* mcq: the verbs. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tool/tool.h"

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static int version(int argc, char **argv);

static const struct verb verbs[] = {
    {"run", mcq_tool_run,
     "run -- PROGRAM [ARGUMENT...]   run a ZeroMQ program on this library\n"
     "  run --check FILE...            what a program or library needs of it, and whether it is "
     "there"},
    {"version", version, "version                        the version of this program"},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static int version(int argc, char **argv)
{
    (void) argc;
    (void) argv;
    (void) puts("monocoque " MCQ_VERSION_TEXT);
    return TOOL_DONE;
}

int mcq_tool_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void) fputs("mcq: ", stderr);
    (void) vfprintf(stderr, format, arguments);
    (void) fputc('\n', stderr);
    va_end(arguments);
    return TOOL_FAILED;
}

static int usage(FILE *stream, int status)
{
    (void) fputs("usage: mcq VERB ...\n\n", stream);
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void) fprintf(stream, "  %s\n", verbs[i].help);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, TOOL_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, TOOL_DONE);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 2, argv + 2);
    (void) mcq_tool_fail("'%s' is no verb; see mcq --help", argv[1]);
    return TOOL_USAGE;
}
