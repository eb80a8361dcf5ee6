/*
 * seeds: the command line of a program that runs a world for each seed.
 *
 *     PROGRAM [--seeds COUNT] [--first SEED] [--replay SEED] [--tap] [--verbose]
 *
 * A seed is run twice if --replay asks for it, and every tenth anyway: both worlds have the same
 * hash. Exit status: 0 all as promised, 1 not, 2 usage.
 */
#ifndef MCQ_TESTS_SIM_SEEDS_H
#define MCQ_TESTS_SIM_SEEDS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* worlds: what they are worlds of.
 *   run   false: something was not as promised, and it has said what */
static inline int seeds_main(int argc, char **argv, const char *worlds,
                             bool (*run)(uint64_t seed, bool twice, bool is_verbose))
{
    uint64_t count = 2000;
    uint64_t first = 1;
    uint64_t failed = 0;
    bool is_tap = false;
    bool is_verbose = false;
    bool is_replay = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tap") == 0) {
            is_tap = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            is_verbose = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--replay") == 0) {
            first = strtoull(argv[++i], NULL, 0);
            count = 1;
            is_replay = is_verbose = true;
        } else {
            fprintf(stderr,
                    "usage: %s [--seeds COUNT] [--first SEED] [--replay SEED] [--tap] "
                    "[--verbose]\n",
                    argv[0]);
            return 2;
        }
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        failed += !run(seed, is_replay || seed % 10 == 0, is_verbose);
    if (is_tap)
        printf("1..1\n%sok 1 - %" PRIu64 " worlds of %s\n", failed > 0 ? "not " : "", count,
               worlds);
    else
        printf("%" PRIu64 " worlds of %s, %" PRIu64 " failed\n", count, worlds, failed);
    return failed > 0 ? 1 : 0;
}

#endif
