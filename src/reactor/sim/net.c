/* The simulated network: descriptors, and streams as two pipes whose octets take time to arrive. */

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/sim/world.h"

#define PIPE_BYTES_DEFAULT 65536
#define HOLD_NS_MIN 1 /* a fault's AGAIN is over when the time has moved */

static struct mcq_sim *sim_of(struct mcq_reactor *reactor)
{
    return mcq_sim_of(reactor);
}

/* --- descriptors ----------------------------------------------------------------------------- */

struct sim_fd *mcq_sim_slot(struct mcq_sim *sim, int fd)
{
    mcq_assert(fd >= 0 && fd < sim->fd_top && sim->fds[fd].kind != SIM_FREE);
    return &sim->fds[fd];
}

int mcq_sim_take_fd(struct mcq_sim *sim, enum sim_kind kind)
{
    int fd = 0;

    while (fd < sim->fd_top && sim->fds[fd].kind != SIM_FREE)
        fd++;
    if (fd == MCQ_SIM_FDS_MAX)
        return -1;
    sim->fds[fd] = (struct sim_fd) {.kind = kind, .peer = -1, .end_at_ns = MCQ_NEVER_NS};
    mcq_grow_init(&sim->fds[fd].octets, SIZE_MAX);
    mcq_grow_init(&sim->fds[fd].chunks, SIZE_MAX);
    if (fd == sim->fd_top)
        sim->fd_top++;
    return fd;
}

void mcq_sim_drop_fd(struct mcq_sim *sim, struct sim_fd *slot)
{
    mcq_grow_fini(&slot->octets);
    mcq_grow_fini(&slot->chunks);
    slot->kind = SIM_FREE;
    while (sim->fd_top > 0 && sim->fds[sim->fd_top - 1].kind == SIM_FREE)
        sim->fd_top--;
}

/* --- what is in a pipe ----------------------------------------------------------------------- */

size_t mcq_sim_chunk_count(const struct sim_fd *slot)
{
    return slot->chunks.len / sizeof(struct sim_chunk);
}

struct sim_chunk mcq_sim_chunk_at(const struct sim_fd *slot, size_t index)
{
    struct sim_chunk chunk;

    memcpy(&chunk, slot->chunks.data + index * sizeof chunk, sizeof chunk);
    return chunk;
}

static size_t arrived_bytes(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    size_t len = 0;

    for (size_t i = 0;
         i < mcq_sim_chunk_count(slot) && mcq_sim_chunk_at(slot, i).at_ns <= sim->now_ns; i++)
        len += mcq_sim_chunk_at(slot, i).len;
    return len;
}

size_t mcq_sim_pipe_room(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    size_t most = sim->faults.pipe_bytes > 0 ? sim->faults.pipe_bytes : PIPE_BYTES_DEFAULT;

    return slot->octets.len < most ? most - slot->octets.len : 0;
}

bool mcq_sim_can_recv(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    if (slot->kind == SIM_READY)
        return mcq_sim_ready_pending(sim, slot->ready);
    if (slot->kind == SIM_REACTOR)
        return mcq_sim_reactor_pending(sim, slot->owner);
    if (slot->is_reset)
        return true;
    if (slot->in_held_ns > sim->now_ns)
        return false;
    if (slot->kind == SIM_LISTENER)
        return slot->backlog_count > 0 && sim->fds[slot->backlog[0]].open_at_ns <= sim->now_ns;
    return arrived_bytes(sim, slot) > 0 || slot->end_at_ns <= sim->now_ns;
}

bool mcq_sim_can_send(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    if (slot->kind == SIM_DATAGRAMS)
        return slot->out_held_ns <= sim->now_ns;
    if (slot->kind != SIM_STREAM || slot->open_at_ns > sim->now_ns)
        return false;
    if (slot->is_reset || slot->is_refused || slot->is_shut || slot->peer < 0)
        return true;
    return slot->out_held_ns <= sim->now_ns && mcq_sim_pipe_room(sim, &sim->fds[slot->peer]) > 0;
}

/* Each of these counts grows by one when something new comes, and never shrinks. */
uint64_t mcq_sim_in_edges(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    uint64_t edges = slot->in_edges + slot->is_reset + (slot->end_at_ns <= sim->now_ns);

    for (size_t i = 0;
         i < mcq_sim_chunk_count(slot) && mcq_sim_chunk_at(slot, i).at_ns <= sim->now_ns; i++)
        edges++;
    return edges;
}

uint64_t mcq_sim_out_edges(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    return slot->out_edges + slot->is_reset + (slot->peer < 0) + (slot->open_at_ns <= sim->now_ns);
}

uint64_t mcq_sim_next_ns(const struct mcq_sim *sim, uint64_t after_ns)
{
    uint64_t next_ns = MCQ_NEVER_NS;

    for (int fd = 0; fd < sim->fd_top; fd++) {
        const struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_FREE)
            continue;
        next_ns = mcq_sim_sooner(next_ns, slot->in.not_before_ns, after_ns);
        next_ns = mcq_sim_sooner(next_ns, slot->out.not_before_ns, after_ns);
        next_ns = mcq_sim_sooner(next_ns, slot->in_held_ns, after_ns);
        next_ns = mcq_sim_sooner(next_ns, slot->out_held_ns, after_ns);
        next_ns = mcq_sim_sooner(next_ns, slot->open_at_ns, after_ns);
        next_ns = mcq_sim_sooner(next_ns, slot->end_at_ns, after_ns);
        for (size_t i = 0; i < mcq_sim_chunk_count(slot); i++)
            next_ns = mcq_sim_sooner(next_ns, mcq_sim_chunk_at(slot, i).at_ns, after_ns);
    }
    return next_ns;
}

/* The first `len` octets were read: the chunks they came in get shorter, or go. */
void mcq_sim_drop_front(struct sim_fd *slot, size_t len)
{
    memmove(slot->octets.data, slot->octets.data + len, slot->octets.len - len);
    slot->octets.len -= len;
    while (len > 0) {
        struct sim_chunk chunk = mcq_sim_chunk_at(slot, 0);
        size_t step = mcq_min_size(len, chunk.len);

        len -= step;
        chunk.len -= step;
        memcpy(slot->chunks.data, &chunk, sizeof chunk);
        if (chunk.len > 0)
            break;
        slot->chunks.len -= sizeof chunk;
        memmove(slot->chunks.data, slot->chunks.data + sizeof chunk, slot->chunks.len);
        slot->in_edges++;
    }
}

/* Its reader took octets: whoever waited for room hears of it. */
static void tell_of_room(struct mcq_sim *sim, struct sim_fd *slot)
{
    struct sim_fd *peer = slot->peer >= 0 ? &sim->fds[slot->peer] : NULL;

    if (peer == NULL || !peer->wants_room)
        return;
    peer->wants_room = false;
    peer->out_edges++;
}

/* Appends octets to the peer's pipe. They arrive after those that were sent before. */
bool mcq_sim_deliver(struct mcq_sim *sim, struct sim_fd *peer, const struct iovec *iov,
                     size_t iov_count, size_t len)
{
    struct sim_chunk chunk = {mcq_sim_later(sim), len};
    size_t count = mcq_sim_chunk_count(peer);

    if (count > 0 && mcq_sim_chunk_at(peer, count - 1).at_ns > chunk.at_ns)
        chunk.at_ns = mcq_sim_chunk_at(peer, count - 1).at_ns;
    if (mcq_grow_reserve(&peer->octets, len) != MCQ_OK ||
        mcq_grow_append(&peer->chunks, mcq_bytes(&chunk, sizeof chunk)) != MCQ_OK)
        return false;
    for (size_t i = 0; i < iov_count && len > 0; i++) {
        size_t step = mcq_min_size(iov[i].iov_len, len);

        if (step == 0)
            continue;
        memcpy(mcq_grow_room(&peer->octets), iov[i].iov_base, step);
        mcq_grow_commit(&peer->octets, step);
        len -= step;
    }
    return true;
}

/* --- how streams end ------------------------------------------------------------------------- */

/* Both ends know that the connection is gone. */
void mcq_sim_cut(struct mcq_sim *sim, struct sim_fd *slot)
{
    slot->is_reset = true;
    if (slot->peer >= 0)
        sim->fds[slot->peer].is_reset = true;
}

/* Its peer reads what was sent, then the end. */
static void send_end(struct mcq_sim *sim, struct sim_fd *peer)
{
    size_t count = mcq_sim_chunk_count(peer);
    uint64_t at_ns = mcq_sim_later(sim);

    if (peer->end_at_ns != MCQ_NEVER_NS)
        return; /* it was sent before */
    if (count > 0 && mcq_sim_chunk_at(peer, count - 1).at_ns > at_ns)
        at_ns = mcq_sim_chunk_at(peer, count - 1).at_ns;
    peer->end_at_ns = at_ns;
}

/* A fault: the peer has closed, and all that was under way is lost. */
static void end_now(struct mcq_sim *sim, struct sim_fd *slot)
{
    slot->in_edges += mcq_sim_chunk_count(slot);
    mcq_grow_clear(&slot->octets);
    mcq_grow_clear(&slot->chunks);
    slot->end_at_ns = sim->now_ns;
    slot->in_held_ns = 0;
    if (slot->peer >= 0)
        sim->fds[slot->peer].is_reset = true;
}

void mcq_sim_leave(struct mcq_sim *sim, struct sim_fd *slot)
{
    struct sim_fd *peer = slot->peer < 0 ? NULL : &sim->fds[slot->peer]; /* maybe itself */

    if (peer == NULL)
        return;
    peer->peer = -1;
    send_end(sim, peer);
    slot->peer = -1;
}

void mcq_sim_shutdown(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);

    slot->is_shut = true;
    if (slot->peer >= 0)
        send_end(sim, &sim->fds[slot->peer]);
}

void mcq_sim_unplug(struct mcq_sim *sim, int fd)
{
    mcq_sim_slot(sim, fd)->is_unplugged = true;
}

void mcq_sim_reset(struct mcq_sim *sim, int fd)
{
    mcq_sim_cut(sim, mcq_sim_slot(sim, fd));
}

/* --- octets ---------------------------------------------------------------------------------- */

/* How many of `most` octets an operation takes: all, or fewer if that is a fault. */
static size_t how_many(struct mcq_sim *sim, size_t most, const struct sim_fate *fate)
{
    most = mcq_min_size(most, fate->len_max);
    if (most <= 1 || !mcq_sim_happens(sim, sim->faults.partial))
        return most;
    return 1 + mcq_sim_random(sim) % (most - 1);
}

/* A fault: AGAIN although there is something. It is said to have come only later. */
void mcq_sim_hold(struct mcq_sim *sim, uint64_t *held_ns, uint64_t *edges)
{
    *held_ns = mcq_sim_later(sim) + HOLD_NS_MIN;
    ++*edges;
}

static size_t scatter(struct sim_fd *slot, const struct iovec *iov, size_t iov_count, size_t most)
{
    size_t len = 0;

    for (size_t i = 0; i < iov_count && len < most; i++) {
        size_t step = mcq_min_size(iov[i].iov_len, most - len);

        if (step > 0)
            memcpy(iov[i].iov_base, slot->octets.data + len, step);
        len += step;
    }
    mcq_sim_drop_front(slot, len);
    return len;
}

struct mcq_io mcq_sim_recv(struct mcq_reactor *head, int fd, const struct iovec *iov,
                           size_t iov_count)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_RECV);
    enum mcq_io_result result = MCQ_IO_AGAIN;
    size_t len = 0;

    mcq_assert(iov_count > 0 && iov[0].iov_len > 0);
    if (fate.is_fixed) {
        result = fate.result;
        if (result == MCQ_IO_AGAIN)
            mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
        else if (result == MCQ_IO_END)
            end_now(sim, slot);
        else
            mcq_sim_cut(sim, slot);
    } else if (slot->is_reset) {
        result = MCQ_IO_RESET;
    } else if (!mcq_sim_can_recv(sim, slot)) {
        result = MCQ_IO_AGAIN;
    } else if (arrived_bytes(sim, slot) == 0) {
        result = MCQ_IO_END;
    } else if (mcq_sim_happens(sim, sim->faults.again)) {
        mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
    } else {
        len = scatter(slot, iov, iov_count, how_many(sim, arrived_bytes(sim, slot), &fate));
        tell_of_room(sim, slot);
        result = MCQ_IO_DONE;
    }
    return (struct mcq_io) {
        .result = mcq_sim_done(sim, MCQ_IO_OP_RECV, fd, result, len),
        .len = len,
        .is_drained = result == MCQ_IO_DONE && !slot->is_reset && !mcq_sim_can_recv(sim, slot),
    };
}

/* A send that nothing stands against; *len is what it asks for, and then what it got. */
static enum mcq_io_result send_octets(struct mcq_sim *sim, struct sim_fd *slot,
                                      const struct iovec *iov, size_t iov_count,
                                      const struct sim_fate *fate, size_t *len)
{
    struct sim_fd *peer = &sim->fds[slot->peer];
    size_t room = slot->out_held_ns > sim->now_ns ? 0 : mcq_sim_pipe_room(sim, peer);

    if (room > 0 && mcq_sim_happens(sim, sim->faults.again)) {
        mcq_sim_hold(sim, &slot->out_held_ns, &slot->out_edges);
        room = 0;
    }
    if (room == 0) {
        slot->wants_room = true;
        return MCQ_IO_AGAIN;
    }
    *len = how_many(sim, mcq_min_size(*len, room), fate);
    return mcq_sim_deliver(sim, peer, iov, iov_count, *len) ? MCQ_IO_DONE : MCQ_IO_NO_MEMORY;
}

struct mcq_io mcq_sim_send(struct mcq_reactor *head, int fd, const struct iovec *iov,
                           size_t iov_count)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_SEND);
    enum mcq_io_result result;
    size_t len = 0;

    for (size_t i = 0; i < iov_count; i++)
        len += iov[i].iov_len;
    mcq_assert(len > 0);
    if (fate.is_fixed) {
        result = fate.result;
        if (result == MCQ_IO_AGAIN)
            mcq_sim_hold(sim, &slot->out_held_ns, &slot->out_edges);
        else
            mcq_sim_cut(sim, slot);
    } else if (slot->is_reset || slot->is_shut || slot->peer < 0) {
        result = MCQ_IO_RESET;
    } else {
        result = send_octets(sim, slot, iov, iov_count, &fate, &len);
    }
    if (result != MCQ_IO_DONE)
        len = 0;
    return (struct mcq_io) {.result = mcq_sim_done(sim, MCQ_IO_OP_SEND, fd, result, len),
                            .len = len};
}

bool mcq_sim_is_held_back(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    const struct sim_fd *slot = mcq_sim_slot(sim, fd);

    return !slot->is_unplugged && slot->peer >= 0 &&
           mcq_sim_pipe_room(sim, &sim->fds[slot->peer]) == 0;
}
