/* Listeners and connections of the simulated network: who is met where, and how that ends. Of ipc
 * this world has abstract names only, for it has no files. */

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/sim/world.h"

static struct mcq_sim *sim_of(struct mcq_reactor *reactor)
{
    return ((struct sim_reactor *) reactor)->sim;
}

uint16_t mcq_sim_port_of(const struct mcq_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in);
    return ntohs(in.sin_port);
}

void mcq_sim_address_of(uint16_t port, struct mcq_address *address)
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

/* The abstract name of a unix address, a zero octet in front; of others nothing. */
static struct mcq_bytes name_of(const struct mcq_address *address)
{
    const uint8_t *octets = (const uint8_t *) &address->storage;
    const size_t lead = offsetof(struct sockaddr_un, sun_path);

    if (address->storage.ss_family != AF_UNIX || address->len <= lead || octets[lead] != '\0')
        return mcq_bytes(NULL, 0);
    return mcq_bytes(octets + lead, address->len - lead);
}

static void name_it(struct sim_fd *slot, struct mcq_bytes name)
{
    mcq_assert(name.len <= sizeof slot->name);
    slot->is_ipc = true;
    slot->name_len = (uint8_t) name.len;
    memcpy(slot->name, name.data, name.len);
}

/* Unnamed, if it has no name. */
static void address_of_name(const struct sim_fd *slot, struct mcq_address *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, slot->name, slot->name_len);
    memset(&address->storage, 0, sizeof address->storage);
    memcpy(&address->storage, &un, sizeof un);
    address->len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + slot->name_len);
}

static int find_name(const struct mcq_sim *sim, struct mcq_bytes name)
{
    for (int fd = 0; fd < sim->fd_top; fd++) {
        const struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_LISTENER && slot->is_ipc &&
            mcq_bytes_equal(mcq_bytes(slot->name, slot->name_len), name))
            return fd;
    }
    return -1;
}

/* host 0: whatever its own is. */
static int find_listener(const struct mcq_sim *sim, uint16_t port, uint32_t host)
{
    for (int fd = 0; fd < sim->fd_top; fd++)
        if (sim->fds[fd].kind == SIM_LISTENER && !sim->fds[fd].is_ipc &&
            sim->fds[fd].port == port &&
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

static enum mcq_io_result listen_ipc(struct mcq_sim *sim, const struct mcq_address *address,
                                     int *fd)
{
    struct mcq_bytes name = name_of(address);

    if (name.len == 0)
        return MCQ_IO_NOT_LOCAL;
    if (find_name(sim, name) >= 0)
        return MCQ_IO_IN_USE;
    *fd = mcq_sim_take_fd(sim, SIM_LISTENER);
    if (*fd < 0)
        return MCQ_IO_NO_FDS;
    name_it(&sim->fds[*fd], name);
    return MCQ_IO_DONE;
}

static enum mcq_io_result listen_tcp(struct mcq_sim *sim, const struct mcq_address *address,
                                     int *fd)
{
    uint16_t port = mcq_sim_port_of(address) != 0 ? mcq_sim_port_of(address) : free_port(sim);

    if (find_listener(sim, port, 0) >= 0)
        return MCQ_IO_IN_USE;
    *fd = mcq_sim_take_fd(sim, SIM_LISTENER);
    if (*fd < 0)
        return MCQ_IO_NO_FDS;
    sim->fds[*fd].host = host_of(address);
    sim->fds[*fd].port = port;
    return MCQ_IO_DONE;
}

enum mcq_io_result mcq_sim_listen(struct mcq_reactor *head, const struct mcq_address *address,
                                  const struct mcq_tuning *tuning, int backlog, int *fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_LISTEN);
    enum mcq_io_result result = fate.result;
    int found = -1;

    (void) tuning;
    (void) backlog; /* connections wait up to the world's own limit */
    if (!fate.is_fixed)
        result = address->storage.ss_family == AF_UNIX ? listen_ipc(sim, address, &found)
                                                       : listen_tcp(sim, address, &found);
    if (result == MCQ_IO_DONE)
        *fd = found;
    return mcq_sim_done(sim, MCQ_IO_OP_LISTEN, result == MCQ_IO_DONE ? found : -1, result, 0);
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
        mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
    if (result == MCQ_IO_ABORTED && mcq_sim_can_recv(sim, slot)) {
        struct sim_fd *far = &sim->fds[shift_backlog(slot)];

        mcq_sim_cut(sim, far);
        mcq_sim_leave(sim, far);
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
            mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
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
    if (slot->is_ipc)
        name_it(&sim->fds[far], mcq_bytes(slot->name, slot->name_len));
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

/* As the kernel's: it stands, or does not, at once. */
static enum mcq_io_result connect_ipc(struct mcq_sim *sim, const struct mcq_address *address,
                                      int *near)
{
    int listener = find_name(sim, name_of(address));
    enum mcq_io_result result;

    if (listener < 0)
        return MCQ_IO_REFUSED;
    *near = mcq_sim_take_fd(sim, SIM_STREAM);
    if (*near < 0)
        return MCQ_IO_NO_FDS;
    sim->fds[*near].is_ipc = true;
    result = join(sim, listener, *near);
    if (result == MCQ_IO_AGAIN)
        return MCQ_IO_DONE;
    mcq_sim_drop_fd(sim, &sim->fds[*near]);
    return result == MCQ_IO_REFUSED ? MCQ_IO_UNREACHABLE : result;
}

static enum mcq_io_result connect_tcp(struct mcq_sim *sim, const struct mcq_address *source,
                                      const struct mcq_address *address, int *near)
{
    int listener = find_listener(sim, mcq_sim_port_of(address), host_of(address));
    enum mcq_io_result result = MCQ_IO_REFUSED;
    struct sim_fd *slot;

    *near = mcq_sim_take_fd(sim, SIM_STREAM);
    if (*near < 0)
        return MCQ_IO_NO_FDS;
    slot = &sim->fds[*near];
    slot->port =
        source != NULL && mcq_sim_port_of(source) != 0 ? mcq_sim_port_of(source) : free_port(sim);
    if (sim->mute_port != 0 && sim->mute_port == mcq_sim_port_of(address))
        result = MCQ_IO_AGAIN;
    else if (listener >= 0)
        result = join(sim, listener, *near);
    else if (slot->port == mcq_sim_port_of(address))
        result = join_itself(sim, *near);
    if (result == MCQ_IO_NO_FDS) {
        mcq_sim_drop_fd(sim, slot);
        return result;
    }
    slot->is_refused = result == MCQ_IO_REFUSED; /* said by connected, as the kernel does */
    slot->open_at_ns = slot->peer < 0 && result == MCQ_IO_AGAIN
                           ? MCQ_NEVER_NS /* there is no answer */
                           : mcq_sim_later(sim);
    /* Nothing kept it back: some connections stand at once, as unix ones do. */
    if (!slot->is_refused && slot->open_at_ns == sim->now_ns &&
        mcq_sim_happens(sim, sim->faults.spurious))
        return MCQ_IO_DONE;
    return MCQ_IO_AGAIN;
}

enum mcq_io_result mcq_sim_connect(struct mcq_reactor *head, const struct mcq_address *source,
                                   const struct mcq_address *address,
                                   const struct mcq_tuning *tuning, int *fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_CONNECT);
    enum mcq_io_result result = fate.result;
    int near = -1;

    (void) tuning;
    if (!fate.is_fixed)
        result = address->storage.ss_family == AF_UNIX ? connect_ipc(sim, address, &near)
                                                       : connect_tcp(sim, source, address, &near);
    if (result != MCQ_IO_DONE && result != MCQ_IO_AGAIN)
        return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, -1, result, 0);
    *fd = near;
    return mcq_sim_done(sim, MCQ_IO_OP_CONNECT, near, result, 0);
}

enum mcq_io_result mcq_sim_connected(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_CONNECTED);
    enum mcq_io_result result = MCQ_IO_DONE;

    if (fate.is_fixed) {
        mcq_sim_cut(sim, slot);
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
    const struct sim_fd *slot = mcq_sim_slot(sim_of(head), fd);

    if (slot->is_ipc)
        address_of_name(slot, address);
    else
        mcq_sim_address_of(slot->port, address);
    return true;
}

bool mcq_sim_peer_address(struct mcq_reactor *head, int fd, struct mcq_address *address)
{
    struct mcq_sim *sim = sim_of(head);
    const struct sim_fd *slot = mcq_sim_slot(sim, fd);

    if (slot->kind != SIM_STREAM || slot->is_refused || slot->is_reset ||
        (slot->is_ipc && slot->peer < 0))
        return false;
    if (slot->is_ipc)
        address_of_name(&sim->fds[slot->peer], address);
    else
        mcq_sim_address_of(slot->peer_port, address);
    return true;
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

void mcq_sim_close(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);

    mcq_assert(slot->in.op == NULL && slot->out.op == NULL);
    mcq_assert(slot->kind != SIM_READY && slot->kind != SIM_REACTOR);
    for (size_t i = 0; i < MCQ_COUNTOF(slot->watches); i++)
        mcq_assert(slot->watches[i].set == NULL);
    while (slot->backlog_count > 0) {
        struct sim_fd *far = &sim->fds[shift_backlog(slot)];

        mcq_sim_leave(sim, far);
        mcq_sim_drop_fd(sim, far);
    }
    mcq_sim_leave(sim, slot);
    mcq_sim_drop_fd(sim, slot);
}
