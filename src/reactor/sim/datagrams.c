/* The simulated network: datagrams, which get lost and come twice where streams stay short. */

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/sim/world.h"

#define PORT_BYTES sizeof(uint16_t)

/* Whose place this is; -1: nobody's. */
static int find_place(const struct mcq_sim *sim, uint16_t port)
{
    for (int fd = 0; fd < sim->fd_top; fd++)
        if (sim->fds[fd].kind == SIM_DATAGRAMS && sim->fds[fd].port == port)
            return fd;
    return -1;
}

static uint16_t free_port(struct mcq_sim *sim)
{
    uint16_t port;

    do {
        port = sim->next_port;
        sim->next_port = port == UINT16_MAX ? 40000 : (uint16_t) (port + 1);
    } while (find_place(sim, port) >= 0);
    return port;
}

/* There is one machine in this world, so there are no groups. */
enum mcq_io_result mcq_sim_open_datagrams(struct mcq_reactor *head,
                                          const struct mcq_datagram_place *place,
                                          const struct mcq_tuning *tuning, int *fd)
{
    struct mcq_sim *sim = mcq_sim_of(head);
    enum mcq_io_operation operation = place->is_sent_to ? MCQ_IO_OP_CONNECT : MCQ_IO_OP_LISTEN;
    struct sim_fate fate = mcq_sim_fate(sim, operation);
    uint16_t port = mcq_sim_port_of(&place->address);
    int found;

    (void) tuning;
    if (fate.is_fixed && mcq_sim_is_failure(fate.result))
        return mcq_sim_done(sim, operation, -1, fate.result, 0);
    if (place->is_group)
        return mcq_sim_done(sim, operation, -1, MCQ_IO_NOT_LOCAL, 0);
    if (!place->is_sent_to && port != 0 && find_place(sim, port) >= 0)
        return mcq_sim_done(sim, operation, -1, MCQ_IO_IN_USE, port);
    found = mcq_sim_take_fd(sim, SIM_DATAGRAMS);
    if (found < 0)
        return mcq_sim_done(sim, operation, -1, MCQ_IO_NO_FDS, port);
    sim->fds[found].port = place->is_sent_to || port == 0 ? free_port(sim) : port;
    sim->fds[found].peer_port = place->is_sent_to ? port : 0;
    *fd = found;
    return mcq_sim_done(sim, operation, found, MCQ_IO_DONE, port);
}

static size_t take_datagram(struct sim_fd *slot, void *room, size_t room_len,
                            struct mcq_address *from)
{
    size_t len = mcq_sim_chunk_at(slot, 0).len;
    uint16_t port;

    memcpy(&port, slot->octets.data, PORT_BYTES);
    mcq_sim_address_of(port, from);
    memcpy(room, slot->octets.data + PORT_BYTES, mcq_min_size(room_len, len - PORT_BYTES));
    mcq_sim_drop_front(slot, len);
    return len - PORT_BYTES;
}

struct mcq_io mcq_sim_recv_datagram(struct mcq_reactor *head, int fd, void *room, size_t room_len,
                                    struct mcq_address *from)
{
    struct mcq_sim *sim = mcq_sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_RECV);
    enum mcq_io_result result = MCQ_IO_AGAIN;
    size_t len = 0;

    if (fate.is_fixed && mcq_sim_is_failure(fate.result)) {
        result = fate.result;
    } else if (fate.is_fixed) {
        mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
    } else if (mcq_sim_can_recv(sim, slot)) {
        if (mcq_sim_happens(sim, sim->faults.again)) {
            mcq_sim_hold(sim, &slot->in_held_ns, &slot->in_edges);
        } else {
            len = take_datagram(slot, room, room_len, from);
            result = MCQ_IO_DONE;
        }
    }
    return (struct mcq_io) {.result = mcq_sim_done(sim, MCQ_IO_OP_RECV, fd, result, len),
                            .len = len};
}

/* Where there is no room it is lost, as the kernel has it. */
static bool post(struct mcq_sim *sim, uint16_t from, uint16_t to, struct mcq_bytes octets)
{
    struct iovec iov[] = {
        {.iov_base = &from, .iov_len = PORT_BYTES},
        {.iov_base = (void *) (uintptr_t) octets.data, .iov_len = octets.len},
    };
    int fd = find_place(sim, to);

    if (fd < 0 || mcq_sim_pipe_room(sim, &sim->fds[fd]) < PORT_BYTES + octets.len)
        return true;
    return mcq_sim_deliver(sim, &sim->fds[fd], iov, MCQ_COUNTOF(iov), PORT_BYTES + octets.len);
}

static enum mcq_io_result send_some(struct mcq_sim *sim, struct sim_fd *slot,
                                    struct mcq_bytes octets, uint16_t port)
{
    bool is_odd = mcq_sim_happens(sim, sim->faults.partial);
    uint64_t copies = is_odd ? 2 * (mcq_sim_random(sim) % 2) : 1;

    for (; copies > 0; copies--)
        if (!post(sim, slot->port, port, octets))
            return MCQ_IO_NO_MEMORY;
    return MCQ_IO_DONE;
}

struct mcq_io mcq_sim_send_datagram(struct mcq_reactor *head, int fd, struct mcq_bytes octets,
                                    const struct mcq_address *to)
{
    struct mcq_sim *sim = mcq_sim_of(head);
    struct sim_fd *slot = mcq_sim_slot(sim, fd);
    struct sim_fate fate = mcq_sim_fate(sim, MCQ_IO_OP_SEND);
    bool can_send = mcq_sim_can_send(sim, slot);
    enum mcq_io_result result = MCQ_IO_AGAIN;

    if (fate.is_fixed && mcq_sim_is_failure(fate.result))
        result = fate.result;
    else if (fate.is_fixed || (can_send && mcq_sim_happens(sim, sim->faults.again)))
        mcq_sim_hold(sim, &slot->out_held_ns, &slot->out_edges);
    else if (can_send)
        result = send_some(sim, slot, octets, to != NULL ? mcq_sim_port_of(to) : slot->peer_port);
    return (struct mcq_io) {.result = mcq_sim_done(sim, MCQ_IO_OP_SEND, fd, result, octets.len),
                            .len = octets.len};
}
