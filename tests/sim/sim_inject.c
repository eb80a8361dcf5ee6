/*
 * sim_inject: every result of the reactor's table, at every operation of a world (world.h).
 *
 *     sim_inject [--pair NAME] [--first INDEX] [--inline] [--ipc] [--verbose] [--tap]
 *
 * A world of each pair, in which nothing goes wrong by chance, is run once to see its operations.
 * Then it is run anew for each of them and each result that may end it, and once more where it
 * moves octets, with one octet moved. What was under way may be lost; what arrives is whole, in
 * order and once, the sockets come back, nothing is left. --inline: no context has a thread, so
 * sleeps are among the operations. Exit status: 0 all as promised, 1 not, 2 usage.
 */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 800 /* or a little before, and those behind it: one for each pair */

struct tally {
    uint64_t worlds;
    uint64_t failed;
    uint64_t by_operation[MCQ_IO_OP_COUNT];
    bool is_verbose;
    bool is_inline;
    bool is_ipc;
};

static void run_script(struct tally *tally, uint64_t seed, struct script script,
                       enum mcq_io_operation operation)
{
    static struct world world;
    bool is_wrong;

    script.is_inline = tally->is_inline;
    script.is_ipc = tally->is_ipc;
    (void) world_run(&world, seed, &script);
    is_wrong = world.wrong[0] != '\0';
    tally->worlds++;
    tally->by_operation[operation]++;
    tally->failed += is_wrong;
    if (is_wrong || tally->is_verbose)
        printf("# %s, operation %" PRIu64 ": %s %s%s%s\n", world.pair->name, script.index,
               mcq_io_operation_name(operation),
               script.is_short ? "moves one octet" : mcq_io_result_text(script.result),
               is_wrong ? ": " : "", world.wrong);
}

static void run_index(struct tally *tally, uint64_t seed, uint64_t index,
                      enum mcq_io_operation operation)
{
    struct script script = {.is_on = true, .index = index};

    for (unsigned result = 0; result < MCQ_IO_RESULT_COUNT; result++) {
        script.result = (enum mcq_io_result) result;
        if (mcq_sim_can_inject(operation, script.result))
            run_script(tally, seed, script, operation);
    }
    script.is_short = true;
    if (operation == MCQ_IO_OP_RECV || operation == MCQ_IO_OP_SEND)
        run_script(tally, seed, script, operation);
}

/* The script of an operation that never comes: what the others are held against. */
static void run_pair(struct tally *tally, unsigned pair, uint64_t first)
{
    static struct world plain;
    struct script nothing = {
        .is_on = true, .is_inline = tally->is_inline, .is_ipc = tally->is_ipc, .index = UINT64_MAX};
    uint64_t seed = SEED - SEED % world_pair_count() + pair; /* a seed's pair is its remainder */

    (void) world_run(&plain, seed, &nothing);
    if (plain.wrong[0] != '\0' || plain.operation_count > KINDS_MAX) {
        printf("# %s: %s\n", plain.pair->name,
               plain.wrong[0] != '\0' ? plain.wrong : "more operations than are remembered");
        tally->failed++;
        return;
    }
    for (uint64_t index = first; index < plain.operation_count; index++)
        run_index(tally, seed, index, (enum mcq_io_operation) plain.kinds[index]);
}

static int report(const struct tally *tally, bool is_tap)
{
    for (unsigned operation = 0; operation < MCQ_IO_OP_COUNT; operation++)
        if (tally->by_operation[operation] > 0)
            printf("# %s: %" PRIu64 " worlds\n",
                   mcq_io_operation_name((enum mcq_io_operation) operation),
                   tally->by_operation[operation]);
    if (is_tap)
        printf("1..1\n%sok 1 - %" PRIu64 " worlds, each with one result of the table\n",
               tally->failed > 0 ? "not " : "", tally->worlds);
    else
        printf("%" PRIu64 " worlds, %" PRIu64 " failed\n", tally->worlds, tally->failed);
    return tally->failed > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    const char *name = NULL;
    uint64_t first = 0;
    bool is_tap = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tap") == 0) {
            is_tap = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            tally.is_verbose = true;
        } else if (strcmp(argv[i], "--inline") == 0) {
            tally.is_inline = true;
        } else if (strcmp(argv[i], "--ipc") == 0) {
            tally.is_ipc = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--pair") == 0) {
            name = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            first = strtoull(argv[++i], NULL, 0);
        } else {
            fputs("usage: sim_inject [--pair NAME] [--first INDEX] [--inline] [--ipc] [--verbose] "
                  "[--tap]\n",
                  stderr);
            return 2;
        }
    }
    for (unsigned pair = 0; pair < world_pair_count(); pair++)
        if (name == NULL || strcmp(name, world_pair_name(pair)) == 0)
            run_pair(&tally, pair, first);
    if (tally.worlds == 0)
        tally.failed++; /* there is no such pair, or its world did not stand */
    return report(&tally, is_tap);
}
