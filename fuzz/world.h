/*
 * world: a context in a simulated world, and a reactor beside it for a peer that the target plays.
 *
 * One at a time, in place and never moved; what world_begin began world_end ends, and looks that
 * nothing is left.
 */
#ifndef MCQ_FUZZ_WORLD_H
#define MCQ_FUZZ_WORLD_H

#include "calls.h"
#include "reactor/sim/sim.h"
#include "runtime/socket.h"

#define MS UINT64_C(1000000)
#define CLOSING_MS_MAX 5000

struct world {
    struct mcq_sim *sim;
    struct mcq_reactor *raw; /* the peer's */
    struct mcq_context *context;
    struct mcq_sim_actor engine;
};

static inline bool world_engine_turn(void *context)
{
    return mcq_context_turn(context);
}

static inline void world_begin(struct world *world, const struct mcq_sim_faults *faults)
{
    struct mcq_reactor *reactor;

    if (mcq_sim_new(1, faults, &world->sim) != MCQ_OK ||
        mcq_sim_reactor_new(world->sim, &reactor) != MCQ_OK ||
        mcq_sim_reactor_new(world->sim, &world->raw) != MCQ_OK ||
        mcq_context_new_on(reactor, 1, &world->context) != MCQ_OK)
        fuzz_fail("no world");
    world->engine = (struct mcq_sim_actor) {.turn = world_engine_turn, .context = world->context};
    mcq_sim_add_actor(world->sim, &world->engine);
}

/* The world goes on for so long. */
static inline void world_pass(struct world *world, uint64_t ns)
{
    struct mcq_op alarm = {0};
    uint64_t until_ns = mcq_reactor_now_ns(world->raw) + ns;

    mcq_reactor_arm_timer(world->raw, &alarm, until_ns);
    while (mcq_op_is_armed(&alarm)) {
        mcq_reactor_wait(world->raw, MCQ_NEVER_NS);
        if (mcq_reactor_next(world->raw) == NULL && !mcq_sim_step(world->sim))
            fuzz_fail("the world stands still");
    }
}

/* The peer has closed what it had, and all sockets are closed. */
static inline void world_end(struct world *world)
{
    for (int i = 0; world->context->open_count > 0; i++, world_pass(world, MS))
        if (i == CLOSING_MS_MAX)
            fuzz_fail("a socket does not close");
    if (mcq_context_term(&world->context, 0) != MCQ_OK)
        fuzz_fail("term");
    mcq_sim_remove_actor(world->sim, &world->engine);
    mcq_reactor_free(&world->raw);
    calls_same(mcq_sim_open_count(world->sim), 0, "descriptors left");
    mcq_sim_free(&world->sim);
    calls_end();
}

#endif
