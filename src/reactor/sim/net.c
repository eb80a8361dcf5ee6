/* The simulated network: listeners, and streams as two pipes of octets that take time to arrive. */

#include <netinet/in.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/sim/world.h"

#define PIPE_BYTES_DEFAULT 65536
#define HOLD_NS_MIN 1 /* a fault's AGAIN is over when the time has moved */

static struct mcq_sim *sim_of(struct mcq_reactor *reactor)
{
    return ((struct sim_reactor *) reactor)->sim;
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
    sim->fds[fd] = (struct sim_fd) {.kind = kind, .peer = -1, .end_at_ns = MCQ_REACTOR_NEVER_NS};
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

static size_t chunk_count(const struct sim_fd *slot)
{
    return slot->chunks.len / sizeof(struct sim_chunk);
}

static struct sim_chunk chunk_at(const struct sim_fd *slot, size_t index)
{
    struct sim_chunk chunk;

    memcpy(&chunk, slot->chunks.data + index * sizeof chunk, sizeof chunk);
    return chunk;
}

static size_t arrived_bytes(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    size_t len = 0;

    for (size_t i = 0; i < chunk_count(slot) && chunk_at(slot, i).at_ns <= sim->now_ns; i++)
        len += chunk_at(slot, i).len;
    return len;
}

static size_t pipe_room(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    size_t most = sim->faults.pipe_bytes > 0 ? sim->faults.pipe_bytes : PIPE_BYTES_DEFAULT;

    return slot->octets.len < most ? most - slot->octets.len : 0;
}

bool mcq_sim_can_recv(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    if (slot->kind == SIM_READY)
        return mcq_sim_ready_pending(sim, slot->ready);
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
    if (slot->kind != SIM_STREAM || slot->open_at_ns > sim->now_ns)
        return false;
    if (slot->is_reset || slot->is_refused || slot->is_shut || slot->peer < 0)
        return true;
    return slot->out_held_ns <= sim->now_ns && pipe_room(sim, &sim->fds[slot->peer]) > 0;
}

/* Each of these counts grows by one when something new comes, and never shrinks. */
uint64_t mcq_sim_in_edges(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    uint64_t edges = slot->in_edges + slot->is_reset + (slot->end_at_ns <= sim->now_ns);

    for (size_t i = 0; i < chunk_count(slot) && chunk_at(slot, i).at_ns <= sim->now_ns; i++)
        edges++;
    return edges;
}

uint64_t mcq_sim_out_edges(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    return slot->out_edges + slot->is_reset + (slot->peer < 0) + (slot->open_at_ns <= sim->now_ns);
}

static uint64_t ahead(const struct mcq_sim *sim, uint64_t at_ns, uint64_t next_ns)
{
    return at_ns > sim->now_ns && at_ns < next_ns ? at_ns : next_ns;
}

uint64_t mcq_sim_next_ns(const struct mcq_sim *sim)
{
    uint64_t next_ns = MCQ_REACTOR_NEVER_NS;

    for (int fd = 0; fd < sim->fd_top; fd++) {
        const struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_FREE)
            continue;
        next_ns = ahead(sim, slot->in.not_before_ns, next_ns);
        next_ns = ahead(sim, slot->out.not_before_ns, next_ns);
        next_ns = ahead(sim, slot->in_held_ns, next_ns);
        next_ns = ahead(sim, slot->out_held_ns, next_ns);
        next_ns = ahead(sim, slot->open_at_ns, next_ns);
        next_ns = ahead(sim, slot->end_at_ns, next_ns);
        for (size_t i = 0; i < chunk_count(slot); i++)
            next_ns = ahead(sim, chunk_at(slot, i).at_ns, next_ns);
    }
    return next_ns;
}

/* The first `len` octets were read: the chunks they came in get shorter, or go. */
static void drop_front(struct sim_fd *slot, size_t len)
{
    memmove(slot->octets.data, slot->octets.data + len, slot->octets.len - len);
    slot->octets.len -= len;
    while (len > 0) {
        struct sim_chunk chunk = chunk_at(slot, 0);
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
static bool deliver(struct mcq_sim *sim, struct sim_fd *peer, const struct iovec *iov,
                    size_t iov_count, size_t len)
{
    struct sim_chunk chunk = {mcq_sim_later(sim), len};
    size_t count = chunk_count(peer);

    if (count > 0 && chunk_at(peer, count - 1).at_ns > chunk.at_ns)
        chunk.at_ns = chunk_at(peer, count - 1).at_ns;
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
static void cut(struct mcq_sim *sim, struct sim_fd *slot)
{
    slot->is_reset = true;
    if (slot->peer >= 0)
        sim->fds[slot->peer].is_reset = true;
}

/* Its peer reads what was sent, then the end. */
static void send_end(struct mcq_sim *sim, struct sim_fd *peer)
{
    size_t count = chunk_count(peer);
    uint64_t at_ns = mcq_sim_later(sim);

    if (peer->end_at_ns != MCQ_REACTOR_NEVER_NS)
        return; /* it was sent before */
    if (count > 0 && chunk_at(peer, count - 1).at_ns > at_ns)
        at_ns = chunk_at(peer, count - 1).at_ns;
    peer->end_at_ns = at_ns;
}

/* A fault: the peer has closed, and all that was under way is lost. */
static void end_now(struct mcq_sim *sim, struct sim_fd *slot)
{
    slot->in_edges += chunk_count(slot);
    mcq_grow_clear(&slot->octets);
    mcq_grow_clear(&slot->chunks);
    slot->end_at_ns = sim->now_ns;
    slot->in_held_ns = 0;
    if (slot->peer >= 0)
        sim->fds[slot->peer].is_reset = true;
}

static void leave(struct mcq_sim *sim, struct sim_fd *slot)
{
    struct sim_fd *peer = slot->peer < 0 ? NULL : &sim->fds[slot->peer]; /* maybe itself */

    if (peer == NULL)
        return;
    peer->peer = -1;
    send_end(sim, peer);
    slot->peer = -1;
}

void mcq_sim_unplug(struct mcq_sim *sim, int fd)
{
    mcq_sim_slot(sim, fd)->is_unplugged = true;
}

void mcq_sim_reset(struct mcq_sim *sim, int fd)
{
    cut(sim, mcq_sim_slot(sim, fd));
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
static void hold(struct mcq_sim *sim, uint64_t *held_ns, uint64_t *edges)
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
    drop_front(slot, len);
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
            hold(sim, &slot->in_held_ns, &slot->in_edges);
        else if (result == MCQ_IO_END)
            end_now(sim, slot);
        else
            cut(sim, slot);
    } else if (slot->is_reset) {
        result = MCQ_IO_RESET;
    } else if (!mcq_sim_can_recv(sim, slot)) {
        result = MCQ_IO_AGAIN;
    } else if (arrived_bytes(sim, slot) == 0) {
        result = MCQ_IO_END;
    } else if (mcq_sim_happens(sim, sim->faults.again)) {
        hold(sim, &slot->in_held_ns, &slot->in_edges);
    } else {
        len = scatter(slot, iov, iov_count, how_many(sim, arrived_bytes(sim, slot), &fate));
        tell_of_room(sim, slot);
        result = MCQ_IO_DONE;
    }
    return (struct mcq_io) {mcq_sim_done(sim, MCQ_IO_OP_RECV, fd, result, len), len};
}

/* A send that nothing stands against; *len is what it asks for, and then what it got. */
static enum mcq_io_result send_octets(struct mcq_sim *sim, struct sim_fd *slot,
                                      const struct iovec *iov, size_t iov_count,
                                      const struct sim_fate *fate, size_t *len)
{
    struct sim_fd *peer = &sim->fds[slot->peer];
    size_t room = slot->out_held_ns > sim->now_ns ? 0 : pipe_room(sim, peer);

    if (room > 0 && mcq_sim_happens(sim, sim->faults.again)) {
        hold(sim, &slot->out_held_ns, &slot->out_edges);
        room = 0;
    }
    if (room == 0) {
        slot->wants_room = true;
        return MCQ_IO_AGAIN;
    }
    *len = how_many(sim, mcq_min_size(*len, room), fate);
    return deliver(sim, peer, iov, iov_count, *len) ? MCQ_IO_DONE : MCQ_IO_NO_MEMORY;
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
            hold(sim, &slot->out_held_ns, &slot->out_edges);
        else
            cut(sim, slot);
    } else if (slot->is_reset || slot->is_shut || slot->peer < 0) {
        result = MCQ_IO_RESET;
    } else {
        result = send_octets(sim, slot, iov, iov_count, &fate, &len);
    }
    if (result != MCQ_IO_DONE)
        len = 0;
    return (struct mcq_io) {mcq_sim_done(sim, MCQ_IO_OP_SEND, fd, result, len), len};
}

/* --- connections ----------------------------------------------------------------------------- */

static uint16_t port_of(const struct mcq_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in);
    return ntohs(in.sin_port);
}

static void address_of(uint16_t port, struct mcq_address *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(&address->storage, 0, sizeof address->storage);
    memcpy(&address->storage, &in, sizeof in);
    address->len = sizeof in;
}

static uint32_t host_of(const struct mcq_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in);
    return ntohl(in.sin_addr.s_addr);
}

/* host 0: whatever its own is. */
static int find_listener(const struct mcq_sim *sim, uint16_t port, uint32_t host)
{
    for (int fd = 0; fd < sim->fd_top; fd++)
        if (sim->fds[fd].kind == SIM_LISTENER && sim->fds[fd].port == port &&
            (host == 0 || sim->fds[fd].host == 0 || sim->fds[fd].host == host))
            return fd;
    return -1;
}

/* A port that nobody listens on. There are fewer descriptors than ports, so one is found. */
static uint16_t free_port(struct mcq_sim *sim)
{
    uint16_t port;

    do {
        port = sim->next_port;
        sim->next_port = port == UINT16_MAX ? 40000 : (uint16_t) (port + 1);
    } while (find_listener(sim, port, 0) >= 0);
    return port;
}

enum mcq_io_result mcq_sim_listen(struct mcq_reactor *head, const struct mcq_address *address,
                                  const struct mcq_tuning *tuning, int backlog, int *fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_LISTEN);
    uint16_t port = port_of(address);
    int found;

    (void) tuning;
    (void) backlog; /* connections wait up to the world's own limit */
    if (fate.is_fixed)
        return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, -1, fate.result, 0);
    if (address->storage.ss_family == AF_UNIX) /* this world has no files */
        return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, -1, MCQ_IO_NOT_LOCAL, 0);
    if (port == 0)
        port = free_port(sim);
    if (find_listener(sim, port, 0) >= 0)
        return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, -1, MCQ_IO_IN_USE, port);
    found = mcq_sim_take_fd(sim, SIM_LISTENER);
    if (found < 0)
        return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, -1, MCQ_IO_NO_FDS, port);
    sim->fds[found].host = host_of(address);
    sim->fds[found].port = port;
    *fd = found;
    return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, found, MCQ_IO_DONE, port);
}

static int shift_backlog(struct sim_fd *slot)
{
    int found = slot->backlog[0];

    slot->backlog_count--;
    memmove(slot->backlog, slot->backlog + 1, slot->backlog_count * sizeof slot->backlog[0]);
    return found;
}

/* A fault. Only what is ABORTED leaves the backlog; for the rest the connection waits. */
static enum mcq_io_result fail_accept(struct mcq_sim *sim, struct sim_fd *slot,
                                      enum mcq_io_result result)
{
    if (result == MCQ_IO_AGAIN)
        hold(sim, &slot->in_held_ns, &slot->in_edges);
    if (result == MCQ_IO_ABORTED && mcq_sim_can_recv(sim, slot)) {
        struct sim_fd *far = &sim->fds[shift_backlog(slot)];

        cut(sim, far);
        leave(sim, far);
        mcq_sim_drop_fd(sim, far);
    }
    return result;
}

enum mcq_io_result mcq_sim_accept(struct mcq_reactor *head, int listener, int *fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, listener);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_ACCEPT);
    enum mcq_io_result result = MCQ_IO_AGAIN;

    if (fate.is_fixed) {
        result = fail_accept(sim, slot, fate.result);
    } else if (mcq_sim_can_recv(sim, slot)) {
        if (mcq_sim_happens(sim, sim->faults.again)) {
            hold(sim, &slot->in_held_ns, &slot->in_edges);
        } else {
            *fd = shift_backlog(slot);
            result = MCQ_IO_DONE;
        }
    }
    head->accept_number = mcq_io_number_of(MCQ_IO_OP_ACCEPT, result);
    return mcq_sim_done(sim, MCQ_IO_OP_ACCEPT, listener, result, 0);
}

/* Both ends of a connection; the far one waits in the listener's backlog. */
static enum mcq_io_result join(struct mcq_sim *sim, int listener, int near)
{
    struct sim_fd *slot = &sim->fds[listener];
    int far;

    if (slot->backlog_count == MCQ_SIM_BACKLOG_MAX)
        return MCQ_IO_REFUSED;
    far = mcq_sim_take_fd(sim, SIM_STREAM);
    if (far < 0)
        return MCQ_IO_NO_FDS;
    sim->fds[near].peer_port = slot->port;
    sim->fds[near].peer = far;
    sim->fds[far].port = slot->port;
    sim->fds[far].peer_port = sim->fds[near].port;
    sim->fds[far].peer = near;
    sim->fds[far].open_at_ns = mcq_sim_later(sim);
    slot->backlog[slot->backlog_count++] = far;
    return MCQ_IO_AGAIN;
}

/* Nobody listens on the port, but it is the one that the connection goes out from: TCP lets it meet
 * itself. */
static enum mcq_io_result join_itself(struct mcq_sim *sim, int near)
{
    sim->fds[near].peer_port = sim->fds[near].port;
    sim->fds[near].peer = near;
    return MCQ_IO_AGAIN;
}

enum mcq_io_result mcq_sim_connect(struct mcq_reactor *head, const struct mcq_address *source,
                                   const struct mcq_address *address,
                                   const struct mcq_tuning *tuning, int *fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_CONNECT);
    int listener = find_listener(sim, port_of(address), host_of(address));
    enum mcq_io_result result = MCQ_IO_REFUSED;
    int near;

    (void) tuning;
    if (fate.is_fixed)
        return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, -1, fate.result, 0);
    if (address->storage.ss_family == AF_UNIX)
        return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, -1, MCQ_IO_REFUSED, 0);
    near = mcq_sim_take_fd(sim, SIM_STREAM);
    if (near < 0)
        return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, -1, MCQ_IO_NO_FDS, 0);
    sim->fds[near].port = source != NULL && port_of(source) != 0 ? port_of(source) : free_port(sim);
    if (sim->mute_port != 0 && sim->mute_port == port_of(address))
        result = MCQ_IO_AGAIN;
    else if (listener >= 0)
        result = join(sim, listener, near);
    else if (sim->fds[near].port == port_of(address))
        result = join_itself(sim, near);
    if (result == MCQ_IO_NO_FDS) {
        mcq_sim_drop_fd(sim, &sim->fds[near]);
        return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, -1, result, 0);
    }
    sim->fds[near].is_refused =
        result == MCQ_IO_REFUSED; /* said by connected, as the kernel does */
    sim->fds[near].open_at_ns = sim->fds[near].peer < 0 && result == MCQ_IO_AGAIN
                                    ? MCQ_REACTOR_NEVER_NS /* there is no answer */
                                    : mcq_sim_later(sim);
    *fd = near;
    /* Nothing kept it back: some connections stand at once, as unix ones do. */
    result = MCQ_IO_AGAIN;
    if (!sim->fds[near].is_refused && sim->fds[near].open_at_ns == sim->now_ns &&
        mcq_sim_happens(sim, sim->faults.spurious))
        result = MCQ_IO_DONE;
    return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, near, result, 0);
}

enum mcq_io_result mcq_sim_connected(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_CONNECTED);
    enum mcq_io_result result = MCQ_IO_DONE;

    if (fate.is_fixed) {
        cut(sim, slot);
        result = fate.result;
    } else if (slot->is_refused) {
        result = MCQ_IO_REFUSED;
    } else if (slot->is_reset) {
        result = MCQ_IO_RESET;
    }
    return mcq_sim_done(sim, MCQ_IO_OP_CONNECTED, fd, result, 0);
}

bool mcq_sim_local_address(struct mcq_reactor *head, int fd, struct mcq_address *address)
{
    address_of(mcq_sim_slot(sim_of(head), fd)->port, address);
    return true;
}

bool mcq_sim_peer_address(struct mcq_reactor *head, int fd, struct mcq_address *address)
{
    struct sim_fd *slot = mcq_sim_slot(sim_of(head), fd);

    if (slot->kind != SIM_STREAM || slot->is_refused || slot->is_reset)
        return false;
    address_of(slot->peer_port, address);
    return true;
}

bool mcq_sim_is_held_back(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    const struct sim_fd *slot = mcq_sim_slot(sim, fd);

    return !slot->is_unplugged && slot->peer >= 0 && pipe_room(sim, &sim->fds[slot->peer]) == 0;
}

bool mcq_sim_adopt(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);

    return fd >= 0 && fd < sim->fd_top && sim->fds[fd].kind == SIM_LISTENER;
}

/* Streams of this world have nothing to be tuned, and no users at their ends. */
void mcq_sim_tune(struct mcq_reactor *head, int fd, const struct mcq_tuning *tuning)
{
    (void) head;
    (void) fd;
    (void) tuning;
}

bool mcq_sim_owner(struct mcq_reactor *head, int fd, struct mcq_owner *owner)
{
    (void) head;
    (void) fd;
    (void) owner;
    return false;
}

bool mcq_sim_has_group(struct mcq_reactor *head, int fd, uint32_t gid)
{
    (void) head;
    (void) fd;
    (void) gid;
    return false;
}

void mcq_sim_shutdown(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);

    slot->is_shut = true;
    if (slot->peer >= 0)
        send_end(sim, &sim->fds[slot->peer]);
}

void mcq_sim_close(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);

    mcq_assert(slot->in.op == NULL && slot->out.op == NULL);
    mcq_assert(slot->kind != SIM_READY);
    for (size_t i = 0; i < MCQ_COUNTOF(slot->watches); i++)
        mcq_assert(slot->watches[i].set == NULL);
    while (slot->backlog_count > 0) {
        struct sim_fd *far = &sim->fds[shift_backlog(slot)];

        leave(sim, far);
        mcq_sim_drop_fd(sim, far);
    }
    leave(sim, slot);
    mcq_sim_drop_fd(sim, slot);
}
