#include "runtime/engine.h"

#include <semaphore.h>
#include <signal.h>

#include "base/assert.h"
#include "pump/origin.h"

/* A peer that is not known yet gets small blocks, and they are given back while it is silent: all
 * that are opening together share these. */
#define OPENING_BLOCK_BYTES 8192
#define OPENING_BLOCK_COUNT 1024

#define ACCEPT_SHARE 2 /* one part in so many */
#define ACCEPT_NS_MIN UINT64_C(200000)
/* Of handshakes, most of whose time is arithmetic on keys that anybody may send. */
#define STRANGER_PARTS 3 /* of so many tenths */
#define STRANGER_TENTHS 10
#define STRANGER_NS_MIN UINT64_C(200000)

/* Where a turn's time goes. */
struct turn {
    uint64_t began_ns;
    uint64_t last_ns; /* the end of the last completion */
    uint64_t accept_ns;
    uint64_t stranger_ns;
};

static struct mcq_wait *wait_of(struct mcq_op *op)
{
    return MCQ_CONTAINER_OF(op, struct mcq_wait, op);
}

/* That it was posted is enough: the engine does not sleep. */
static void wake_up(struct mcq_task *task)
{
    (void) task;
}

enum mcq_err mcq_engine_init(struct mcq_engine *engine, struct mcq_reactor *reactor,
                             uint64_t random)
{
    struct mcq_slab *slab;
    struct mcq_blocks *blocks;

    MCQ_TRY(mcq_slab_new(OPENING_BLOCK_BYTES, OPENING_BLOCK_COUNT, &slab));
    if (mcq_blocks_new(&blocks) != MCQ_OK) {
        mcq_slab_free(&slab);
        return MCQ_NOMEM;
    }
    *engine =
        (struct mcq_engine) {.reactor = reactor, .random = random | 1, .held_task.run = wake_up};
    atomic_init(&engine->inbox, NULL);
    atomic_init(&engine->is_ending, false);
    mcq_receiver_init(&engine->receiver, slab, blocks);
    return MCQ_OK;
}

/* What the thread is told, and says, about its start. */
struct start {
    struct mcq_engine *engine;
    uint64_t random;
    enum mcq_err err;
    sem_t is_over;
    const struct mcq_thread_wish *wish;
    uint32_t index;
};

/* A ring belongs to the thread that makes it. */
static enum mcq_err begin(struct mcq_engine *engine, uint64_t random)
{
    struct mcq_reactor *reactor;
    const char *fallback;
    enum mcq_err err;

    MCQ_TRY(mcq_reactor_new(MCQ_ENGINE_AUTO, &reactor, &fallback));
    err = mcq_engine_init(engine, reactor, random);
    if (err != MCQ_OK)
        mcq_reactor_free(&reactor);
    else
        engine->fallback = fallback;
    return err;
}

static void *engine_main(void *context)
{
    struct start *start = context;
    struct mcq_engine *engine = start->engine;
    enum mcq_err err;

    mcq_thread_apply(start->wish, start->index);
    err = begin(engine, start->random);
    start->err = err;
    (void) sem_post(&start->is_over); /* from here on *start is gone */
    if (err != MCQ_OK)
        return NULL;
    while (!atomic_load_explicit(&engine->is_ending, memory_order_acquire)) {
        (void) mcq_engine_turn(engine);
        mcq_reactor_wait(engine->reactor, MCQ_NEVER_NS);
    }
    return NULL;
}

/* The application's signals are the application's threads'. */
static bool start_thread(struct start *start, pthread_t *thread)
{
    sigset_t all;
    sigset_t before;
    int failed;

    (void) sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    failed = pthread_create(thread, NULL, engine_main, start);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

enum mcq_err mcq_engine_start(struct mcq_engine *engine, uint64_t random,
                              const struct mcq_thread_wish *wish, uint32_t index)
{
    struct start start = {.engine = engine, .random = random, .wish = wish, .index = index};
    pthread_t thread;

    (void) sem_init(&start.is_over, 0, 0);
    if (!start_thread(&start, &thread)) {
        (void) sem_destroy(&start.is_over);
        return MCQ_NOMEM;
    }
    while (sem_wait(&start.is_over) != 0) /* a signal */
        continue;
    (void) sem_destroy(&start.is_over);
    if (start.err != MCQ_OK) {
        (void) pthread_join(thread, NULL);
        return start.err;
    }
    engine->thread = thread;
    engine->has_thread = true;
    return MCQ_OK;
}

enum mcq_err mcq_engine_begin(struct mcq_engine *engine, uint64_t random)
{
    MCQ_TRY(begin(engine, random));
    engine->is_inline = true;
    engine->thread = pthread_self();
    return MCQ_OK;
}

static bool is_any_ready(const struct pollfd *fds, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        if (fds[i].revents != 0)
            return true;
    return false;
}

/* The sleeper's poll has the engine's descriptor as its last one. */
enum mcq_io_result mcq_engine_sleep(struct mcq_engine *engine, struct mcq_sleeper *sleeper,
                                    struct pollfd *fds, size_t count, uint64_t until_ns)
{
    struct pollfd *own = &fds[count + 1];
    enum mcq_io_result result = MCQ_IO_TIMED_OUT;

    for (;;) {
        bool did_any = mcq_engine_turn(engine);
        uint64_t wake_ns = until_ns;

        *own = (struct pollfd) {.events = POLLIN};
        if (!mcq_reactor_doze(engine->reactor, &own->fd, &wake_ns) || did_any)
            wake_ns = 0;
        result = mcq_sleeper_wait(sleeper, fds, count + 1, wake_ns);
        mcq_reactor_rouse(engine->reactor, own->revents != 0);
        if (result == MCQ_IO_DONE && !is_any_ready(fds, count))
            result = MCQ_IO_TIMED_OUT;
        if (result != MCQ_IO_TIMED_OUT)
            return result;
        if (until_ns != MCQ_NEVER_NS && mcq_engine_now_ns(engine) >= until_ns)
            return result;
    }
}

void mcq_engine_rouse(struct mcq_engine *engine)
{
    if (engine->bell != NULL)
        mcq_reactor_rouse(engine->reactor, true);
}

/* Who wakes the reactor from now on does so by its descriptor, which the bell watches. */
void mcq_engine_rest(struct mcq_engine *engine)
{
    uint64_t at_ns = MCQ_NEVER_NS;
    int fd;

    if (engine->bell == NULL)
        return;
    if (!mcq_reactor_doze(engine->reactor, &fd, &at_ns))
        at_ns = 0; /* there is more to do */
    mcq_bell_set_time(engine->bell, at_ns);
}

enum mcq_err mcq_engine_bell_fd(struct mcq_engine *engine, int *fd)
{
    uint64_t at_ns = MCQ_NEVER_NS;
    int watched = -1;

    if (engine->bell == NULL) {
        (void) !mcq_reactor_doze(engine->reactor, &watched, &at_ns);
        mcq_reactor_rouse(engine->reactor, false);
        if (watched < 0)
            return MCQ_NO_FDS;
        MCQ_TRY(mcq_bell_new(MCQ_BELL_CLOCK, watched, &engine->bell));
        mcq_engine_rest(engine);
    }
    *fd = mcq_bell_fd(engine->bell);
    return MCQ_OK;
}

/* Oldest first. A task may be gone after its run. */
static void run_tasks(struct mcq_engine *engine)
{
    struct mcq_task *task = atomic_exchange_explicit(&engine->inbox, NULL, memory_order_acquire);
    struct mcq_task *oldest = NULL;

    while (task != NULL) {
        struct mcq_task *next = task->next;

        task->next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest != NULL) {
        task = oldest;
        oldest = task->next;
        (void) atomic_exchange_explicit(&task->is_posted, false, memory_order_acq_rel);
        task->run(task);
    }
}

void mcq_engine_fini(struct mcq_engine *engine)
{
    if (engine->has_thread) {
        atomic_store_explicit(&engine->is_ending, true, memory_order_release);
        mcq_reactor_wake(engine->reactor);
        (void) pthread_join(engine->thread, NULL);
    }
    run_tasks(engine); /* endpoints whose socket went first: they are only freed */
    mcq_assert(atomic_load(&engine->inbox) == NULL && engine->held_first == NULL);
    mcq_receiver_fini(&engine->receiver);
    mcq_blocks_free(&engine->receiver.blocks);
    mcq_slab_free(&engine->receiver.slab);
    mcq_bell_free(&engine->bell);
    mcq_origins_forget(engine->reactor);
    mcq_reactor_free(&engine->reactor);
}

void mcq_engine_post(struct mcq_engine *engine, struct mcq_task *task)
{
    struct mcq_task *newest;

    if (atomic_exchange_explicit(&task->is_posted, true, memory_order_acq_rel))
        return;
    newest = atomic_load_explicit(&engine->inbox, memory_order_relaxed);
    do
        task->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&engine->inbox, &newest, task,
                                                  memory_order_release, memory_order_relaxed));
    mcq_reactor_wake(engine->reactor);
}

/* Connections that come in get no more than half of a turn, once they have had a little. */
static void share_turn(struct mcq_engine *engine, bool is_accept, bool is_stranger,
                       struct turn *turn)
{
    uint64_t now_ns = mcq_engine_now_ns(engine);

    if (is_accept)
        turn->accept_ns += now_ns - turn->last_ns;
    if (is_stranger)
        turn->stranger_ns += now_ns - turn->last_ns;
    turn->last_ns = now_ns;
    if (is_accept && turn->accept_ns > ACCEPT_NS_MIN &&
        turn->accept_ns * ACCEPT_SHARE > now_ns - turn->began_ns)
        mcq_reactor_hold_accepts(engine->reactor);
}

static bool strangers_had_their_share(const struct turn *turn)
{
    return turn->stranger_ns > STRANGER_NS_MIN &&
           turn->stranger_ns * STRANGER_TENTHS > (turn->last_ns - turn->began_ns) * STRANGER_PARTS;
}

static void hold(struct mcq_engine *engine, struct mcq_wait *wait)
{
    wait->is_held = true;
    wait->op.next = NULL;
    if (engine->held_last != NULL)
        engine->held_last->next = &wait->op;
    else
        engine->held_first = &wait->op;
    engine->held_last = &wait->op;
    engine->held_count++;
}

/* Those that gave way in the turn before, in their order. */
static void run_held(struct mcq_engine *engine, struct turn *turn)
{
    while (engine->held_first != NULL && !strangers_had_their_share(turn)) {
        struct mcq_wait *wait = wait_of(engine->held_first);

        engine->held_first = wait->op.next;
        if (engine->held_first == NULL)
            engine->held_last = NULL;
        wait->is_held = false;
        wait->done(wait);
        share_turn(engine, false, true, turn);
    }
}

bool mcq_engine_turn(struct mcq_engine *engine)
{
    bool did_any = atomic_load_explicit(&engine->inbox, memory_order_relaxed) != NULL;
    uint64_t now_ns = mcq_engine_now_ns(engine);
    struct turn turn = {.began_ns = now_ns, .last_ns = now_ns};
    struct mcq_op *op;

    /* Once: tasks that post tasks must not keep the reactor from looking at the world. */
    if (did_any)
        run_tasks(engine);
    if (MCQ_UNLIKELY(engine->held_first != NULL)) {
        turn.last_ns = mcq_engine_now_ns(engine);
        run_held(engine, &turn);
    }
    while ((op = mcq_reactor_next(engine->reactor)) != NULL) {
        bool is_accept = op->kind == MCQ_OP_ACCEPT; /* one that goes on */
        struct mcq_wait *wait = wait_of(op);
        bool is_stranger = wait->gives_way;

        did_any = true;
        /* Nobody overtakes those that are held already. */
        if (is_stranger && (engine->held_first != NULL || strangers_had_their_share(&turn))) {
            hold(engine, wait);
            continue;
        }
        wait->done(wait);
        share_turn(engine, is_accept, is_stranger, &turn);
    }
    if (MCQ_UNLIKELY(engine->held_first != NULL))
        mcq_engine_post(engine, &engine->held_task);
    return did_any;
}

uint64_t mcq_engine_random(struct mcq_engine *engine)
{
    engine->random ^= engine->random << 13;
    engine->random ^= engine->random >> 7;
    engine->random ^= engine->random << 17;
    return engine->random;
}

enum mcq_err mcq_engine_poll(struct mcq_engine *engine, struct mcq_wait *wait, int fd,
                             enum mcq_op_kind kind)
{
    if (mcq_wait_is_armed(wait))
        return MCQ_OK;
    return mcq_reactor_arm_poll(engine->reactor, &wait->op, fd, kind);
}

void mcq_engine_timer(struct mcq_engine *engine, struct mcq_wait *wait, uint64_t at_ns)
{
    if (!mcq_wait_is_armed(wait))
        mcq_reactor_arm_timer(engine->reactor, &wait->op, at_ns);
}
