/* mcq run: a program on our libzmq.so.5, by the search path of its loader; and whether that would
 * do. */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/elf.h"
#include "tool/tool.h"

#define SEARCH "LD_LIBRARY_PATH"

/* Beside the program in the build tree, and where both are installed. */
static const char *const places[] = {"/zmq/lib", "/../" MCQ_LIBDIR "/monocoque/zmq/lib"};

int mcq_tool_find_library(char folder[PATH_MAX])
{
    char own[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);

    if (len <= 0)
        return 0;
    own[len] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[PATH_MAX];
        int written = snprintf(folder, PATH_MAX, "%s%s", own, places[i]);

        if (written < 0 || written >= PATH_MAX)
            continue;
        written = snprintf(path, sizeof path, "%s/libzmq.so.5", folder);
        if (written > 0 && written < PATH_MAX && access(path, R_OK) == 0)
            return 1;
    }
    return 0;
}

/* --- run ------------------------------------------------------------------------------------- */

static int start(char **argv, const char *folder)
{
    const char *before = getenv(SEARCH);
    bool has_before = before != NULL && before[0] != '\0';
    size_t len = strlen(folder) + (has_before ? strlen(before) : 0) + 2;
    char *path = malloc(len);

    if (path == NULL)
        return mcq_tool_fail("run %s: no memory", argv[0]);
    (void) snprintf(path, len, "%s%s%s", folder, has_before ? ":" : "", has_before ? before : "");
    if (setenv(SEARCH, path, 1) == 0)
        (void) execvp(argv[0], argv);
    free(path);
    return mcq_tool_fail("run %s: %s", argv[0], strerrordesc_np(errno));
}

/* --- check ----------------------------------------------------------------------------------- */

static int check(const char *path, const struct mcq_elf *library)
{
    struct mcq_elf program;
    const char *why = mcq_elf_open(path, &program);
    size_t needed_count = 0;
    size_t lacking_count = 0;
    size_t index = 0;
    const char *name;

    if (why != NULL)
        return mcq_tool_fail("run --check %s: %s", path, why);
    while ((name = mcq_elf_next(&program, "zmq_", true, &index)) != NULL) {
        bool is_there = mcq_elf_has(library, name);

        needed_count++;
        lacking_count += !is_there;
        (void) printf("  %-36s %s\n", name, is_there ? "there" : "LACKING");
    }
    mcq_elf_close(&program);
    if (needed_count == 0)
        (void) printf("%s: calls nothing of libzmq by itself; ask about its libraries\n", path);
    else if (lacking_count == 0)
        (void) printf("%s: runs on this library; needs %zu calls\n", path, needed_count);
    else
        (void) printf("%s: does not run on this library; lacks %zu of %zu calls\n", path,
                      lacking_count, needed_count);
    return lacking_count == 0 ? TOOL_DONE : TOOL_FAILED;
}

static int check_all(char **paths, const char *folder)
{
    char path[PATH_MAX + 16];
    struct mcq_elf library;
    const char *why;
    int status = TOOL_DONE;

    (void) snprintf(path, sizeof path, "%s/libzmq.so.5", folder);
    why = mcq_elf_open(path, &library);
    if (why != NULL)
        return mcq_tool_fail("run --check: %s: %s", path, why);
    for (; *paths != NULL; paths++)
        if (check(*paths, &library) != TOOL_DONE)
            status = TOOL_FAILED;
    mcq_elf_close(&library);
    return status;
}

int mcq_tool_run(int argc, char **argv)
{
    argc--;
    argv++;
    bool is_check = argc > 0 && strcmp(argv[0], "--check") == 0;
    bool has_dashes = argc > 0 && strcmp(argv[0], "--") == 0;
    char folder[PATH_MAX];

    if (is_check || has_dashes) {
        argc--;
        argv++;
    }
    if (argc == 0 || (!has_dashes && !is_check && argv[0][0] == '-')) {
        (void) mcq_tool_fail("usage: mcq run -- PROGRAM [ARGUMENT...], or mcq run --check FILE...");
        return TOOL_USAGE;
    }
    if (!mcq_tool_find_library(folder))
        return mcq_tool_fail("run: libzmq.so.5 lies neither beside this program nor where it was "
                             "installed");
    return is_check ? check_all(argv, folder) : start(argv, folder);
}
