/*
 * program: a fuzz target as a program.
 *
 *     TARGET FILE|FOLDER...       as a plain program: each file once
 *     afl-fuzz ... -- TARGET      built by AFL++'s compiler: persistent, deferred fork server
 *     TARGET CORPUS...            built with MCQ_LIBFUZZER: libFuzzer's own main
 *
 * A target defines fuzz_one. An input is two octets that choose, and then what a peer sends, or the
 * calls to make; an empty or shorter one is no input, and of a longer one than FUZZ_OCTETS_MAX,
 * which a target may set before it includes this, only so much counts. Whatever is wrong ends in
 * fuzz_fail, which aborts.
 */
#ifndef MCQ_FUZZ_PROGRAM_H
#define MCQ_FUZZ_PROGRAM_H

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/bytes.h"

#define FUZZ_HEAD_BYTES 2
#ifndef FUZZ_OCTETS_MAX
#define FUZZ_OCTETS_MAX (1u << 17) /* what is longer says nothing new and takes long */
#endif

struct fuzz_input {
    uint8_t choice[FUZZ_HEAD_BYTES];
    struct mcq_bytes octets;
};

static void fuzz_one(const struct fuzz_input *input);

MCQ_PRINTF(1, 2) _Noreturn static inline void fuzz_fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    /* The analyser does not follow va_start: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    abort();
}

/* Octets at an address of their own, so that a sanitizer sees a read beyond them. */
static inline uint8_t *fuzz_copy(struct mcq_bytes octets)
{
    uint8_t *copy = malloc(octets.len > 0 ? octets.len : 1);

    if (copy == NULL)
        fuzz_fail("out of memory");
    if (octets.len > 0)
        memcpy(copy, octets.data, octets.len);
    return copy;
}

/* --- the program ------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < FUZZ_HEAD_BYTES)
        return 0;
    struct fuzz_input input = {
        .octets =
            mcq_bytes(data + FUZZ_HEAD_BYTES, mcq_min_size(len - FUZZ_HEAD_BYTES, FUZZ_OCTETS_MAX)),
    };
    memcpy(input.choice, data, FUZZ_HEAD_BYTES);
    fuzz_one(&input);
    return 0;
}

#if defined MCQ_LIBFUZZER
/* libFuzzer brings its own */
#elif defined __AFL_COMPILER

#include <unistd.h>

/* in AFL++'s own macros */
#pragma clang diagnostic ignored "-Wcast-qual"
#pragma clang diagnostic ignored "-Wshorten-64-to-32"

__AFL_FUZZ_INIT()

/* A heap that is the same after each input: what was freed is joined again at once. Else addresses,
 * and all that hashes them, differ from run to run, which AFL++ takes for new behaviour. */
static void fuzz_steady_heap(char **argv)
{
    const char *name = "GLIBC_TUNABLES";

    if (getenv(name) != NULL)
        return;
    setenv(name, "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 0);
    execv("/proc/self/exe", argv);
    fuzz_fail("cannot run again");
}

/* As it is written: an optimiser sets the first turn apart from the others, which AFL++ would take
 * for something that the target does now and then. */
__attribute__((optnone, noinline)) int main(int argc, char **argv)
{
    (void) argc;
    fuzz_steady_heap(argv);
    __AFL_INIT();
    unsigned char *octets = __AFL_FUZZ_TESTCASE_BUF;
    const uint8_t empty[FUZZ_HEAD_BYTES] = {0};

    LLVMFuzzerTestOneInput(empty, sizeof empty); /* what is opened once is no input's doing */
    while (__AFL_LOOP(20000))
        LLVMFuzzerTestOneInput(octets, (size_t) __AFL_FUZZ_TESTCASE_LEN);
    return 0;
}

#else

static size_t fuzz_file(const char *path)
{
    static uint8_t octets[FUZZ_HEAD_BYTES + FUZZ_OCTETS_MAX];
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return 0;
    size_t len = fread(octets, 1, sizeof octets, file);
    bool is_read = ferror(file) == 0;

    fclose(file);
    if (is_read)
        LLVMFuzzerTestOneInput(octets, len);
    return is_read;
}

static size_t fuzz_folder(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;

    if (folder == NULL)
        return fuzz_file(path);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        if ((size_t) snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < sizeof name)
            count += fuzz_file(name);
    }
    closedir(folder);
    return count;
}

/* Exit status: 0 every input ran, 1 there was none. */
int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += fuzz_folder(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}

#endif

#endif
