#include "runtime/transfer.h"

#include <sched.h>

#include "base/pause.h"

#define SPIN_MISSES_MAX 3
#define SPIN_SKIPS 32
#define PAUSE_ROUNDS 4
#define PAUSES_A_ROUND 16

/* Without a thread of its own the engine has a turn that often, whatever the calls find. */
#define TURN_EVERY_NS UINT64_C(1000000)
#define TURN_LOOK_COUNT 16

bool mcq_transfer_may_spin(struct mcq_socket *socket)
{
    if (socket->up_count == 0 || socket->context->seed != 0)
        return false;
    if (socket->spin_skips == 0)
        return true;
    socket->spin_skips--;
    return false;
}

void mcq_transfer_has_spun(struct mcq_socket *socket, bool found)
{
    socket->spin_misses = found ? 0 : socket->spin_misses + 1;
    if (socket->spin_misses < SPIN_MISSES_MAX)
        return;
    socket->spin_skips = SPIN_SKIPS;
    socket->spin_misses = SPIN_MISSES_MAX - 1; /* one more miss is enough the next time */
}

void mcq_transfer_let_others_run(bool has_streams, uint32_t round)
{
    if (has_streams || round >= PAUSE_ROUNDS) {
        (void) sched_yield();
        return;
    }
    for (int i = 0; i < PAUSES_A_ROUND; i++)
        mcq_pause();
}

void mcq_transfer_share_turns(struct mcq_engine *engine, struct mcq_context *context, bool looks)
{
    if (!looks && ++engine->calls < TURN_LOOK_COUNT)
        return;
    engine->calls = 0;
    if (mcq_engine_now_ns(engine) - engine->turned_at_ns >= TURN_EVERY_NS)
        mcq_context_help(context);
}
