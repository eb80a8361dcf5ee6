/* Ready sets with the edges of epoll, and sleepers whose sleep is other actors' turns. */

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/sim/world.h"

#define SLEEP_STEPS_MAX 1000000 /* whoever sleeps longer sleeps for ever */

/* --- ready sets ------------------------------------------------------------------------------ */

static struct sim_ready *ready_of(struct mcq_ready_set *ready)
{
    return (struct sim_ready *) ready;
}

/* Where a stream notes its membership of a set; of none, if set is NULL: a free place. */
static bool find_watch(const struct sim_fd *slot, const struct sim_ready *set, size_t *place)
{
    for (size_t i = 0; mcq_sim_is_watched(slot) && i < MCQ_COUNTOF(slot->watches); i++) {
        *place = i;
        if (slot->watches[i].set == set)
            return true;
    }
    return false;
}

static uint64_t edges_of(const struct mcq_sim *sim, const struct sim_fd *slot,
                         enum mcq_ready_interest interest)
{
    return interest == MCQ_READY_IN ? mcq_sim_in_edges(sim, slot) : mcq_sim_out_edges(sim, slot);
}

/* The stream is in the set, and has something that was not harvested. */
static bool find_edge(const struct sim_ready *ready, const struct sim_fd *slot, size_t *place)
{
    const struct sim_watch *watch;
    bool is_ready;

    if (!find_watch(slot, ready, place))
        return false;
    watch = &slot->watches[*place];
    is_ready = watch->interest == MCQ_READY_IN ? mcq_sim_can_recv(ready->sim, slot)
                                               : mcq_sim_can_send(ready->sim, slot);
    return is_ready && edges_of(ready->sim, slot, watch->interest) != watch->edges_seen;
}

bool mcq_sim_ready_pending(const struct mcq_sim *sim, const struct sim_ready *ready)
{
    size_t place;

    for (int fd = 0; fd < sim->fd_top; fd++)
        if (find_edge(ready, &sim->fds[fd], &place))
            return true;
    return false;
}

static enum mcq_io_result sim_add(struct mcq_ready_set *head, int fd, struct mcq_ready_key key,
                                  enum mcq_ready_interest interest)
{
    struct sim_ready *ready = ready_of(head);
    struct sim_fd *slot = mcq_sim_slot(ready->sim, fd);
    struct sim_fate fate = mcq_sim_fate(ready->sim, MCQ_IO_OP_WATCH);
    enum mcq_io_result result = fate.is_fixed ? fate.result : MCQ_IO_DONE;
    size_t place;
    bool is_there = find_watch(slot, ready, &place);
    bool has_room = find_watch(slot, NULL, &place);

    mcq_assert(mcq_sim_is_watched(slot) && !is_there && has_room);
    if (result == MCQ_IO_DONE)
        slot->watches[place] = (struct sim_watch) {
            .set = ready,
            .key = key,
            .interest = interest,
            .edges_seen = UINT64_MAX, /* what there is counts as new */
        };
    return mcq_sim_done(ready->sim, MCQ_IO_OP_WATCH, fd, result, interest);
}

static void sim_remove(struct mcq_ready_set *head, int fd)
{
    struct sim_fd *slot = mcq_sim_slot(ready_of(head)->sim, fd);
    size_t place;
    bool is_there = find_watch(slot, ready_of(head), &place);

    mcq_assert(is_there);
    slot->watches[place].set = NULL;
}

static bool harvest_one(const struct sim_ready *ready, struct sim_fd *slot,
                        struct mcq_ready_event *event)
{
    struct sim_watch *watch;
    size_t place;

    if (!find_edge(ready, slot, &place))
        return false;
    watch = &slot->watches[place];
    watch->edges_seen = edges_of(ready->sim, slot, watch->interest);
    *event = (struct mcq_ready_event) {
        .key = watch->key,
        .is_in = watch->interest == MCQ_READY_IN,
        .is_out = watch->interest == MCQ_READY_OUT,
    };
    return true;
}

static size_t sim_harvest(struct mcq_ready_set *head, struct mcq_ready_event *events, size_t max)
{
    struct sim_ready *ready = ready_of(head);
    struct mcq_sim *sim = ready->sim;
    int first = ready->first;
    size_t count = 0;

    for (int i = 0; i < sim->fd_top && count < max; i++) {
        int fd = (first + i) % sim->fd_top;
        struct sim_fd *slot = &sim->fds[fd];

        if (!harvest_one(ready, slot, &events[count]))
            continue;
        count++;
        ready->first = fd + 1;
    }
    return count;
}

static void sim_ready_free(struct mcq_ready_set *head)
{
    struct mcq_sim *sim = ready_of(head)->sim;
    struct sim_fd *slot = mcq_sim_slot(sim, head->fd);
    size_t place;

    for (int fd = 0; fd < sim->fd_top; fd++)
        if (find_watch(&sim->fds[fd], ready_of(head), &place))
            sim->fds[fd].watches[place].set = NULL;
    mcq_assert(slot->in.op == NULL && slot->out.op == NULL);
    mcq_sim_drop_fd(sim, slot);
    mcq_free(head);
}

static const struct mcq_ready_ops ready_ops = {
    .add = sim_add,
    .remove = sim_remove,
    .harvest = sim_harvest,
    .free = sim_ready_free,
};

enum mcq_err mcq_sim_ready_new(struct mcq_reactor *reactor, struct mcq_ready_set **out)
{
    struct mcq_sim *sim = ((struct sim_reactor *) reactor)->sim;
    struct sim_ready *ready = mcq_alloc(sizeof *ready);
    int fd;

    if (ready == NULL)
        return MCQ_NOMEM;
    fd = mcq_sim_take_fd(sim, SIM_READY);
    if (fd < 0) {
        mcq_free(ready);
        return MCQ_NOMEM;
    }
    *ready = (struct sim_ready) {.head = {&ready_ops, fd}, .sim = sim};
    sim->fds[fd].ready = ready;
    *out = &ready->head;
    return MCQ_OK;
}

/* --- sleepers -------------------------------------------------------------------------------- */

static struct sim_sleeper *sleeper_of(struct mcq_sleeper *sleeper)
{
    return (struct sim_sleeper *) sleeper;
}

static bool look_at(struct mcq_sim *sim, struct pollfd *fds, size_t count)
{
    bool is_any = false;

    for (size_t i = 1; i <= count; i++) {
        const struct sim_fd *slot;

        fds[i].revents = 0;
        if (fds[i].fd < 0) /* passed over, as ppoll does */
            continue;
        slot = mcq_sim_slot(sim, fds[i].fd);
        if ((fds[i].events & POLLIN) && mcq_sim_can_recv(sim, slot))
            fds[i].revents |= POLLIN;
        if ((fds[i].events & POLLOUT) && mcq_sim_can_send(sim, slot))
            fds[i].revents |= POLLOUT;
        is_any |= fds[i].revents != 0;
    }
    return is_any;
}

static enum mcq_io_result run_others(struct sim_sleeper *sleeper, struct pollfd *fds, size_t count,
                                     uint64_t until_ns)
{
    struct mcq_sim *sim = sleeper->sim;
    bool may_change = true;

    for (unsigned step = 0; step < SLEEP_STEPS_MAX; step++) {
        bool is_any = look_at(sim, fds, count);

        if (sleeper->is_signaled) {
            sleeper->is_signaled = false;
            return MCQ_IO_SIGNALED;
        }
        if (is_any)
            return MCQ_IO_DONE;
        if (until_ns <= sim->now_ns)
            return MCQ_IO_TIMED_OUT;
        if (!may_change)
            break;
        sleeper->sleeps_until_ns = until_ns;
        may_change = mcq_sim_step(sim);
        sleeper->sleeps_until_ns = 0;
    }
    return MCQ_IO_BROKEN; /* a wake-up that is lost, in a world where that can be known */
}

static enum mcq_io_result sim_wait(struct mcq_sleeper *head, struct pollfd *fds, size_t count,
                                   uint64_t until_ns)
{
    struct sim_sleeper *sleeper = sleeper_of(head);
    struct mcq_sim *sim = sleeper->sim;
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_SLEEP);
    enum mcq_io_result result;

    for (size_t i = 1; i <= count; i++)
        fds[i].revents = 0;
    if (fate.is_fixed)
        result = fate.result;
    else if (mcq_sim_happens(sim, sim->faults.spurious))
        result = MCQ_IO_SIGNALED;
    else
        result = run_others(sleeper, fds, count, until_ns);
    return mcq_sim_done(sim, MCQ_IO_OP_SLEEP, -1, result, 0);
}

static void sim_signal(struct mcq_sleeper *head)
{
    sleeper_of(head)->is_signaled = true;
}

static void sim_sleeper_free(struct mcq_sleeper *head)
{
    struct sim_sleeper **link = &sleeper_of(head)->sim->sleepers;

    while (*link != sleeper_of(head))
        link = &(*link)->next;
    *link = sleeper_of(head)->next;
    mcq_free(head);
}

static const struct mcq_sleeper_ops sleeper_ops = {
    .wait = sim_wait,
    .signal = sim_signal,
    .free = sim_sleeper_free,
};

enum mcq_err mcq_sim_sleeper_new(struct mcq_reactor *reactor, struct mcq_sleeper **out)
{
    struct mcq_sim *sim = ((struct sim_reactor *) reactor)->sim;
    struct sim_sleeper *sleeper = mcq_alloc(sizeof *sleeper);

    if (sleeper == NULL)
        return MCQ_NOMEM;
    *sleeper = (struct sim_sleeper) {.head = {&sleeper_ops}, .sim = sim, .next = sim->sleepers};
    sim->sleepers = sleeper;
    *out = &sleeper->head;
    return MCQ_OK;
}
