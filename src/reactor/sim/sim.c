/* The world: chance, script, time, actors, and the reactors in it. */

#include "reactor/sim/sim.h"

#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/sim/world.h"

#define START_NS UINT64_C(1000000000)

static struct sim_reactor *sim_of(struct mcq_reactor *reactor)
{
    return (struct sim_reactor *) reactor;
}

/* --- chance ---------------------------------------------------------------------------------- */

uint64_t mcq_sim_random(struct mcq_sim *sim)
{
    /* splitmix64: any seed will do, 0 as well. */
    uint64_t z = (sim->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool mcq_sim_happens(struct mcq_sim *sim, unsigned thousandths)
{
    return thousandths > 0 && mcq_sim_random(sim) % 1000 < thousandths;
}

uint64_t mcq_sim_later(struct mcq_sim *sim)
{
    uint64_t most = sim->faults.delay_max_ns;

    return sim->now_ns + (most > 0 ? mcq_sim_random(sim) % (most + 1) : 0);
}

/* What can be made to happen without a lie: a deadline cannot be over, nor a connection stand. */
bool mcq_sim_can_inject(enum mcq_io_operation operation, enum mcq_io_result result)
{
    if (!mcq_io_has_row(operation, result))
        return false;
    switch (operation) {
    case MCQ_IO_OP_ACCEPT: return result == MCQ_IO_AGAIN || mcq_sim_is_failure(result);
    case MCQ_IO_OP_RECV:
        return result == MCQ_IO_AGAIN || result == MCQ_IO_END || mcq_sim_is_failure(result);
    case MCQ_IO_OP_SEND: return result == MCQ_IO_AGAIN || mcq_sim_is_failure(result);
    case MCQ_IO_OP_POLL: return result != MCQ_IO_CANCELED;
    case MCQ_IO_OP_SLEEP: return result != MCQ_IO_TIMED_OUT;
    case MCQ_IO_OP_LISTEN:
    case MCQ_IO_OP_CONNECT:
    case MCQ_IO_OP_CONNECTED:
    case MCQ_IO_OP_WATCH: return mcq_sim_is_failure(result);
    case MCQ_IO_OP_TIMER:
    case MCQ_IO_OP_COUNT: break;
    }
    return false;
}

struct sim_fate mcq_sim_fate(struct mcq_sim *sim, enum mcq_io_operation operation)
{
    uint64_t index = sim->operations++;
    struct sim_fate fate = {.len_max = SIZE_MAX};
    unsigned count;
    const struct mcq_io_row *rows = mcq_io_rows(operation, &count);

    if (index < MCQ_SIM_KINDS_MAX)
        sim->kinds[index] = (uint8_t) operation;
    for (unsigned i = 0; i < sim->injection_count; i++) {
        const struct sim_injection *injection = &sim->injections[i];

        if (injection->index != index)
            continue;
        fate.len_max = injection->len_max;
        fate.result = injection->result;
        fate.is_fixed = fate.len_max == SIZE_MAX && mcq_sim_can_inject(operation, fate.result);
        return fate;
    }
    if (mcq_sim_happens(sim, sim->faults.fail)) {
        fate.result = rows[mcq_sim_random(sim) % count].result;
        fate.is_fixed =
            mcq_sim_is_failure(fate.result) && mcq_sim_can_inject(operation, fate.result);
    }
    return fate;
}

static void remember(struct mcq_sim *sim, uint64_t value)
{
    sim->hash = (sim->hash ^ value) * 0x100000001b3u;
}

enum mcq_io_result mcq_sim_done(struct mcq_sim *sim, enum mcq_io_operation operation, int fd,
                                enum mcq_io_result result, size_t len)
{
    mcq_assert(mcq_io_has_row(operation, result));
    sim->reached[operation][result]++;
    remember(sim, operation);
    remember(sim, (uint64_t) fd);
    remember(sim, result);
    remember(sim, len);
    remember(sim, sim->now_ns);
    return result;
}

/* --- a reactor ------------------------------------------------------------------------------- */

static struct sim_poll *poll_of(struct sim_fd *slot, const struct mcq_op *op)
{
    return mcq_op_is_in(op) ? &slot->in : &slot->out;
}

static enum mcq_err sim_arm_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = mcq_sim_slot(sim, op->fd);
    struct sim_poll *poll = poll_of(slot, op);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_POLL);

    mcq_assert(poll->op == NULL);
    *poll = (struct sim_poll) {
        .op = op,
        .result = fate.is_fixed ? fate.result : MCQ_IO_DONE,
        .is_forced = fate.is_fixed || mcq_sim_happens(sim, sim->faults.spurious),
    };
    if (poll->is_forced) /* so that the time moves there, if nothing else happens */
        poll->not_before_ns = sim->now_ns + 1;
    if (mcq_sim_happens(sim, sim->faults.late))
        poll->not_before_ns = mcq_sim_later(sim);
    slot->owner = sim_of(head);
    return MCQ_OK;
}

static void finish(struct sim_reactor *reactor, struct sim_poll *poll, enum mcq_io_result result)
{
    struct mcq_op *op = poll->op;

    poll->op = NULL;
    poll->not_before_ns = 0;
    (void) mcq_sim_done(reactor->sim, MCQ_IO_OP_POLL, op->fd, result, 0);
    mcq_reactor_complete(&reactor->head, op, result);
}

static void sim_cancel_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct sim_poll *poll = poll_of(mcq_sim_slot(sim_of(head)->sim, op->fd), op);

    finish(sim_of(head), poll, MCQ_IO_CANCELED);
}

static bool is_over(const struct mcq_sim *sim, const struct sim_poll *poll, bool is_ready)
{
    return poll->op != NULL && poll->not_before_ns <= sim->now_ns && (is_ready || poll->is_forced);
}

static void collect_poll(struct sim_reactor *reactor, struct sim_poll *poll, bool is_ready)
{
    if (is_over(reactor->sim, poll, is_ready))
        finish(reactor, poll, poll->result);
}

static void sim_collect(struct mcq_reactor *head, uint64_t until_ns)
{
    struct sim_reactor *reactor = sim_of(head);
    struct mcq_sim *sim = reactor->sim;

    for (int fd = 0; fd < sim->fd_top; fd++) {
        struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_FREE || slot->owner != reactor)
            continue;
        collect_poll(reactor, &slot->in, mcq_sim_can_recv(sim, slot));
        collect_poll(reactor, &slot->out, mcq_sim_can_send(sim, slot));
    }
    mcq_reactor_awake(head);
    reactor->is_woken = false;
    reactor->sleeps_until_ns = until_ns;
}

bool mcq_sim_reactor_pending(const struct mcq_sim *sim, const struct sim_reactor *reactor)
{
    for (int fd = 0; fd < sim->fd_top; fd++) {
        const struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_FREE || slot->kind == SIM_REACTOR || slot->owner != reactor)
            continue;
        if (is_over(sim, &slot->in, slot->in.op != NULL && mcq_sim_can_recv(sim, slot)) ||
            is_over(sim, &slot->out, slot->out.op != NULL && mcq_sim_can_send(sim, slot)))
            return true;
    }
    return reactor->is_woken;
}

static int sim_watch(struct mcq_reactor *head)
{
    struct sim_reactor *reactor = sim_of(head);

    if (reactor->watch_fd < 0) {
        reactor->watch_fd = mcq_sim_take_fd(reactor->sim, SIM_REACTOR);
        if (reactor->watch_fd >= 0)
            reactor->sim->fds[reactor->watch_fd].owner = reactor;
    }
    return reactor->watch_fd;
}

/* A wait has returned long ago; who dozes is told by its descriptor. */
static void sim_wake(struct mcq_reactor *head)
{
    sim_of(head)->is_woken = true;
}

static uint64_t sim_now_ns(struct mcq_reactor *head)
{
    return sim_of(head)->sim->now_ns;
}

static void sim_reactor_free(struct mcq_reactor *head)
{
    struct sim_reactor *reactor = sim_of(head);
    struct sim_reactor **link = &reactor->sim->reactors;

    mcq_reactor_fini(head);
    if (reactor->watch_fd >= 0)
        mcq_sim_drop_fd(reactor->sim, mcq_sim_slot(reactor->sim, reactor->watch_fd));
    while (*link != reactor)
        link = &(*link)->next;
    *link = reactor->next;
    mcq_free(reactor);
}

static const struct mcq_engine_ops sim_ops = {
    .name = "sim",
    .recv = mcq_sim_recv,
    .send = mcq_sim_send,
    .listen = mcq_sim_listen,
    .adopt = mcq_sim_adopt,
    .accept = mcq_sim_accept,
    .connect = mcq_sim_connect,
    .connected = mcq_sim_connected,
    .open_datagrams = mcq_sim_open_datagrams,
    .recv_datagram = mcq_sim_recv_datagram,
    .send_datagram = mcq_sim_send_datagram,
    .local_address = mcq_sim_local_address,
    .peer_address = mcq_sim_peer_address,
    .is_held_back = mcq_sim_is_held_back,
    .tune = mcq_sim_tune,
    .owner = mcq_sim_owner,
    .has_group = mcq_sim_has_group,
    .shutdown = mcq_sim_shutdown,
    .close = mcq_sim_close,
    .ready_new = mcq_sim_ready_new,
    .sleeper_new = mcq_sim_sleeper_new,
    .arm_poll = sim_arm_poll,
    .cancel_poll = sim_cancel_poll,
    .collect = sim_collect,
    .watch = sim_watch,
    .wake = sim_wake,
    .now_ns = sim_now_ns,
    .free = sim_reactor_free,
};

enum mcq_err mcq_sim_reactor_new(struct mcq_sim *sim, struct mcq_reactor **out)
{
    struct sim_reactor *reactor = mcq_alloc(sizeof *reactor);

    if (reactor == NULL)
        return MCQ_NOMEM;
    *reactor = (struct sim_reactor) {.sim = sim, .next = sim->reactors, .watch_fd = -1};
    mcq_reactor_init(&reactor->head, &sim_ops);
    sim->reactors = reactor;
    *out = &reactor->head;
    return MCQ_OK;
}

/* --- the world ------------------------------------------------------------------------------- */

enum mcq_err mcq_sim_new(uint64_t seed, const struct mcq_sim_faults *faults, struct mcq_sim **out)
{
    struct mcq_sim *sim = mcq_alloc(sizeof *sim);

    if (sim == NULL)
        return MCQ_NOMEM;
    memset(sim, 0, offsetof(struct mcq_sim, fds)); /* a slot is set up when it is taken */
    sim->random = seed;
    sim->now_ns = START_NS;
    sim->hash = 0xcbf29ce484222325u;
    sim->next_port = 40000;
    sim->faults = *faults;
    *out = sim;
    return MCQ_OK;
}

void mcq_sim_free(struct mcq_sim **sim)
{
    mcq_assert((*sim)->reactors == NULL && (*sim)->sleepers == NULL);
    for (int fd = 0; fd < (*sim)->fd_top; fd++)
        if ((*sim)->fds[fd].kind != SIM_FREE)
            mcq_sim_drop_fd(*sim, &(*sim)->fds[fd]);
    mcq_free(*sim);
    *sim = NULL;
}

/* To the next thing that happens after that; where it is over already the time stays. */
static bool advance(struct mcq_sim *sim, uint64_t after_ns)
{
    uint64_t next_ns = mcq_sim_next_ns(sim, after_ns);

    for (struct sim_reactor *reactor = sim->reactors; reactor != NULL; reactor = reactor->next)
        next_ns = mcq_sim_sooner(next_ns, reactor->sleeps_until_ns, after_ns);
    for (struct sim_sleeper *sleeper = sim->sleepers; sleeper != NULL; sleeper = sleeper->next)
        next_ns = mcq_sim_sooner(next_ns, sleeper->sleeps_until_ns, after_ns);
    if (next_ns == MCQ_NEVER_NS)
        return false;
    if (next_ns > sim->now_ns)
        sim->now_ns = next_ns;
    return true;
}

bool mcq_sim_advance(struct mcq_sim *sim)
{
    return advance(sim, sim->now_ns);
}

void mcq_sim_jump(struct mcq_sim *sim, uint64_t ns)
{
    sim->now_ns += ns;
}

void mcq_sim_add_actor(struct mcq_sim *sim, struct mcq_sim_actor *actor)
{
    actor->is_running = false;
    actor->next = sim->actors;
    sim->actors = actor;
}

void mcq_sim_remove_actor(struct mcq_sim *sim, struct mcq_sim_actor *actor)
{
    struct mcq_sim_actor **link = &sim->actors;

    while (*link != actor)
        link = &(*link)->next;
    *link = actor->next;
}

/* The list starts somewhere else: its first actors go behind the others. */
static void turn_around(struct mcq_sim *sim)
{
    size_t count = 0;
    struct mcq_sim_actor *last = NULL;

    for (struct mcq_sim_actor *actor = sim->actors; actor != NULL; actor = actor->next) {
        last = actor;
        count++;
    }
    for (size_t left = count > 1 ? mcq_sim_random(sim) % count : 0; left > 0; left--) {
        struct mcq_sim_actor *first = sim->actors;

        sim->actors = first->next;
        last->next = first;
        first->next = NULL;
        last = first;
    }
}

bool mcq_sim_step(struct mcq_sim *sim)
{
    struct mcq_sim_actor *order[MCQ_SIM_ACTORS_MAX]; /* a turn inside a turn changes the list's */
    uint64_t began_ns = sim->now_ns;
    size_t count = 0;
    bool has_moved = false;

    turn_around(sim);
    for (struct mcq_sim_actor *actor = sim->actors; actor != NULL; actor = actor->next) {
        mcq_assert(count < MCQ_SIM_ACTORS_MAX);
        order[count++] = actor;
    }
    for (size_t i = 0; i < count; i++) {
        if (order[i]->is_running)
            continue;
        order[i]->is_running = true;
        has_moved |= order[i]->turn(order[i]->context);
        order[i]->is_running = false;
    }
    return has_moved || advance(sim, began_ns); /* who sleeps in a turn moves the time in it */
}

bool mcq_sim_run_until(struct mcq_sim *sim, bool (*is_done)(void *context), void *context,
                       uint64_t steps_max)
{
    for (uint64_t step = 0; step < steps_max; step++) {
        if (is_done(context))
            return true;
        if (!mcq_sim_step(sim))
            break;
    }
    return is_done(context);
}

static void add_injection(struct mcq_sim *sim, struct sim_injection injection)
{
    mcq_assert(sim->injection_count < MCQ_SIM_INJECTIONS_MAX);
    sim->injections[sim->injection_count++] = injection;
}

void mcq_sim_inject(struct mcq_sim *sim, uint64_t index, enum mcq_io_result result)
{
    add_injection(sim, (struct sim_injection) {index, result, SIZE_MAX});
}

void mcq_sim_inject_short(struct mcq_sim *sim, uint64_t index, size_t len_max)
{
    mcq_assert(len_max > 0);
    add_injection(sim, (struct sim_injection) {index, MCQ_IO_DONE, len_max});
}

void mcq_sim_mute(struct mcq_sim *sim, uint16_t port)
{
    sim->mute_port = port;
}

uint64_t mcq_sim_operation_count(const struct mcq_sim *sim)
{
    return sim->operations;
}

enum mcq_io_operation mcq_sim_operation_at(const struct mcq_sim *sim, uint64_t index)
{
    return index < sim->operations && index < MCQ_SIM_KINDS_MAX
               ? (enum mcq_io_operation) sim->kinds[index]
               : MCQ_IO_OP_COUNT;
}

uint64_t mcq_sim_hash(const struct mcq_sim *sim)
{
    return sim->hash;
}

uint64_t mcq_sim_reached(const struct mcq_sim *sim, enum mcq_io_operation operation,
                         enum mcq_io_result result)
{
    return sim->reached[operation][result];
}

size_t mcq_sim_open_count(const struct mcq_sim *sim)
{
    size_t count = 0;

    for (int fd = 0; fd < sim->fd_top; fd++)
        count += sim->fds[fd].kind != SIM_FREE;
    return count;
}
