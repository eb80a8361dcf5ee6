/*
 * sim_sockets: whole sockets in simulated worlds, one for each seed (world.h).
 *
 *     sim_sockets [--seeds COUNT] [--first SEED] [--replay SEED] [--tap] [--verbose]
 *
 * A seed is run twice if --replay asks for it, and every tenth anyway: both worlds have the same
 * hash. Exit status: 0 all as promised, 1 not, 2 usage.
 */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool run_seed(uint64_t seed, bool twice, bool is_verbose)
{
    static struct world world;
    uint64_t hash = world_run(&world, seed, NULL);

    if (world.wrong[0] == '\0' && twice && world_run(&world, seed, NULL) != hash)
        (void) snprintf(world.wrong, sizeof world.wrong, "another world the second time");
    if (is_verbose || world.wrong[0] != '\0')
        printf("# seed %" PRIu64 " %s: %u of %u messages, %u cuts%s, hash %016" PRIx64 "%s%s\n",
               seed, world.pair->name, world.received_count, world.message_count, world.cut_count,
               world.is_starving ? ", starving" : "", hash, world.wrong[0] != '\0' ? ": " : "",
               world.wrong);
    return world.wrong[0] == '\0';
}

static int usage(void)
{
    fputs("usage: sim_sockets [--seeds COUNT] [--first SEED] [--replay SEED] [--tap] [--verbose]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
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
            return usage();
        }
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        failed += !run_seed(seed, is_replay || seed % 10 == 0, is_verbose);
    if (is_tap)
        printf("1..1\n%sok 1 - %" PRIu64 " worlds of sockets\n", failed > 0 ? "not " : "", count);
    else
        printf("%" PRIu64 " worlds, %" PRIu64 " failed\n", count, failed);
    return failed > 0 ? 1 : 0;
}
