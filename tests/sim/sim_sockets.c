/* sim_sockets: whole sockets in simulated worlds (world.h), one for each seed (seeds.h). */
#include "sim/seeds.h"
#include "sim/world.h"

static bool run_seed(uint64_t seed, bool twice, bool is_verbose)
{
    static struct world world;
    uint64_t hash = world_run(&world, seed, NULL);

    if (world.wrong[0] == '\0' && twice && world_run(&world, seed, NULL) != hash)
        (void) snprintf(world.wrong, sizeof world.wrong, "another world the second time");
    if (is_verbose || world.wrong[0] != '\0')
        printf("# seed %" PRIu64
               " %s: %u of %u messages, %u late, %u cuts, %u let in%s, hash %016" PRIx64 "%s%s\n",
               seed, world.pair->name, world.received_count, world.message_count, world.late_count,
               world.cut_count, world.keeping.let_in_count, world.is_starving ? ", starving" : "",
               hash, world.wrong[0] != '\0' ? ": " : "", world.wrong);
    return world.wrong[0] == '\0';
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "sockets", run_seed);
}
