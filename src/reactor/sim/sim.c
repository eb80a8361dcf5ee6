#include "reactor/sim/sim.h"

#include <netinet/in.h>
#include <string.h>

#include "arena/alloc.h"
#include "arena/grow.h"
#include "reactor/engine.h"

#define START_NS UINT64_C(1000000000)
#define PIPE_BYTES_DEFAULT 65536
#define BACKLOG_MAX 128

enum sim_kind {
    SIM_FREE,
    SIM_LISTENER,
    SIM_STREAM,
};

/* Octets that arrive together. */
struct sim_chunk {
    uint64_t at_ns;
    size_t len;
};

struct sim_fd {
    enum sim_kind kind;
    uint16_t port;            /* LISTENER */
    int backlog[BACKLOG_MAX]; /* LISTENER: connections that were not accepted */
    unsigned backlog_count;
    int peer;            /* STREAM; -1: closed */
    uint64_t open_at_ns; /* STREAM: when its owner may know of it */
    bool is_refused;     /* STREAM: nobody listened */
    bool is_reset;
    uint64_t end_at_ns;     /* STREAM: the peer's end arrives; never: it has none */
    struct mcq_grow octets; /* on their way in, oldest first */
    struct mcq_grow chunks; /* struct sim_chunk, in step with octets */
    struct mcq_op *in;
    struct mcq_op *out;
    struct sim_reactor *owner; /* of the polls */
};

struct sim_reactor {
    struct mcq_reactor head; /* first: a reactor is what it begins with */
    struct mcq_sim *sim;
    struct sim_reactor *next;
    uint64_t sleeps_until_ns; /* 0: does not */
};

struct mcq_sim {
    uint64_t random;
    uint64_t now_ns;
    uint64_t operations;
    uint64_t hash;
    uint64_t inject_at;
    enum mcq_io_result inject;
    bool injects;
    uint16_t next_port;
    struct mcq_sim_faults faults;
    struct sim_reactor *reactors;
    struct sim_fd fds[MCQ_SIM_FDS_MAX];
};

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

static bool happens(struct mcq_sim *sim, unsigned thousandths)
{
    return thousandths > 0 && mcq_sim_random(sim) % 1000 < thousandths;
}

static uint64_t later(struct mcq_sim *sim)
{
    uint64_t most = sim->faults.delay_max_ns;

    return sim->now_ns + (most > 0 ? mcq_sim_random(sim) % (most + 1) : 0);
}

static void remember(struct mcq_sim *sim, uint64_t value)
{
    sim->hash = (sim->hash ^ value) * 0x100000001b3u;
}

static enum mcq_io_result done(struct mcq_sim *sim, enum mcq_io_operation operation, int fd,
                               enum mcq_io_result result, size_t len)
{
    remember(sim, operation);
    remember(sim, (uint64_t) fd);
    remember(sim, result);
    remember(sim, len);
    remember(sim, sim->now_ns);
    return result;
}

/* A failure is one that a row of the table allows and that leaves nothing behind. */
static bool is_failure(enum mcq_io_result result)
{
    return result != MCQ_IO_DONE && result != MCQ_IO_AGAIN && result != MCQ_IO_END &&
           result != MCQ_IO_CANCELED;
}

static bool has_row(enum mcq_io_operation operation, enum mcq_io_result result)
{
    unsigned count;
    const struct mcq_io_row *row = mcq_io_rows(operation, &count);

    for (; count > 0; row++, count--)
        if (row->result == result)
            return true;
    return false;
}

/* What leaves nothing to be done for it: failures, and AGAIN where there is no descriptor to make.
 * */
static bool can_inject(enum mcq_io_operation operation, enum mcq_io_result result)
{
    bool is_again = result == MCQ_IO_AGAIN && operation != MCQ_IO_OP_CONNECT;

    return has_row(operation, result) && (is_failure(result) || is_again);
}

/* Whether this operation is to go wrong, and how. */
static bool goes_wrong(struct mcq_sim *sim, enum mcq_io_operation operation,
                       enum mcq_io_result *result)
{
    uint64_t index = sim->operations++;
    unsigned count;
    const struct mcq_io_row *rows = mcq_io_rows(operation, &count);

    if (sim->injects && index == sim->inject_at && can_inject(operation, sim->inject)) {
        *result = sim->inject;
        return true;
    }
    if (!happens(sim, sim->faults.fail))
        return false;
    *result = rows[mcq_sim_random(sim) % count].result;
    return is_failure(*result);
}

/* --- streams --------------------------------------------------------------------------------- */

static struct sim_fd *stream_of(struct mcq_sim *sim, int fd)
{
    mcq_assert(fd >= 0 && fd < MCQ_SIM_FDS_MAX && sim->fds[fd].kind != SIM_FREE);
    return &sim->fds[fd];
}

static int take_fd(struct mcq_sim *sim, enum sim_kind kind)
{
    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++) {
        if (sim->fds[fd].kind != SIM_FREE)
            continue;
        sim->fds[fd] =
            (struct sim_fd) {.kind = kind, .peer = -1, .end_at_ns = MCQ_REACTOR_NEVER_NS};
        mcq_grow_init(&sim->fds[fd].octets, SIZE_MAX);
        mcq_grow_init(&sim->fds[fd].chunks, SIZE_MAX);
        return fd;
    }
    return -1;
}

static void drop_fd(struct sim_fd *slot)
{
    mcq_grow_fini(&slot->octets);
    mcq_grow_fini(&slot->chunks);
    slot->kind = SIM_FREE;
}

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

static bool can_recv(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    if (slot->kind == SIM_LISTENER)
        return slot->backlog_count > 0 && sim->fds[slot->backlog[0]].open_at_ns <= sim->now_ns;
    return slot->is_reset || arrived_bytes(sim, slot) > 0 || slot->end_at_ns <= sim->now_ns;
}

static bool can_send(const struct mcq_sim *sim, const struct sim_fd *slot)
{
    if (slot->kind != SIM_STREAM || slot->open_at_ns > sim->now_ns)
        return false;
    return slot->is_reset || slot->is_refused || slot->peer < 0 ||
           pipe_room(sim, &sim->fds[slot->peer]) > 0;
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
    }
}

/* --- now ------------------------------------------------------------------------------------- */

/* Both ends know that the connection is gone. */
static void cut(struct mcq_sim *sim, struct sim_fd *slot)
{
    slot->is_reset = true;
    if (slot->peer >= 0)
        sim->fds[slot->peer].is_reset = true;
}

/* How many of `most` octets an operation takes: all, or fewer if that is a fault. */
static size_t how_many(struct mcq_sim *sim, size_t most)
{
    return most > 1 && happens(sim, sim->faults.partial) ? 1 + mcq_sim_random(sim) % (most - 1)
                                                         : most;
}

static struct mcq_io sim_recv(struct mcq_reactor *head, int fd, const struct iovec *iov,
                              size_t iov_count)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = stream_of(sim, fd);
    enum mcq_io_result result = MCQ_IO_AGAIN;
    size_t len = 0;

    if (goes_wrong(sim, MCQ_IO_OP_RECV, &result)) {
        if (is_failure(result))
            cut(sim, slot);
    } else if (slot->is_reset) {
        result = MCQ_IO_RESET;
    } else if (arrived_bytes(sim, slot) > 0 && !happens(sim, sim->faults.again)) {
        size_t most = how_many(sim, arrived_bytes(sim, slot));

        for (size_t i = 0; i < iov_count && len < most; i++) {
            size_t step = mcq_min_size(iov[i].iov_len, most - len);

            memcpy(iov[i].iov_base, slot->octets.data + len, step);
            len += step;
        }
        drop_front(slot, len);
        result = MCQ_IO_DONE;
    } else if (slot->end_at_ns <= sim->now_ns && slot->octets.len == 0) {
        result = MCQ_IO_END;
    }
    return (struct mcq_io) {done(sim, MCQ_IO_OP_RECV, fd, result, len), len};
}

/* Appends octets to the peer's pipe. They arrive after those that were sent before. */
static bool deliver(struct mcq_sim *sim, struct sim_fd *peer, const struct iovec *iov,
                    size_t iov_count, size_t len)
{
    struct sim_chunk chunk = {later(sim), len};
    size_t count = chunk_count(peer);

    if (count > 0 && chunk_at(peer, count - 1).at_ns > chunk.at_ns)
        chunk.at_ns = chunk_at(peer, count - 1).at_ns;
    if (mcq_grow_reserve(&peer->octets, len) != MCQ_OK ||
        mcq_grow_append(&peer->chunks, mcq_bytes(&chunk, sizeof chunk)) != MCQ_OK)
        return false;
    for (size_t i = 0; i < iov_count && len > 0; i++) {
        size_t step = mcq_min_size(iov[i].iov_len, len);

        memcpy(mcq_grow_room(&peer->octets), iov[i].iov_base, step);
        mcq_grow_commit(&peer->octets, step);
        len -= step;
    }
    return true;
}

static struct mcq_io sim_send(struct mcq_reactor *head, int fd, const struct iovec *iov,
                              size_t iov_count)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = stream_of(sim, fd);
    enum mcq_io_result result = MCQ_IO_AGAIN;
    size_t len = 0;

    for (size_t i = 0; i < iov_count; i++)
        len += iov[i].iov_len;
    if (goes_wrong(sim, MCQ_IO_OP_SEND, &result)) {
        if (is_failure(result))
            cut(sim, slot);
        len = 0;
    } else if (slot->is_reset || slot->peer < 0) {
        result = MCQ_IO_RESET;
        len = 0;
    } else {
        struct sim_fd *peer = &sim->fds[slot->peer];

        len = mcq_min_size(len, pipe_room(sim, peer));
        if (len > 0 && happens(sim, sim->faults.again))
            len = 0;
        len = how_many(sim, len);
        if (len > 0)
            result = deliver(sim, peer, iov, iov_count, len) ? MCQ_IO_DONE : MCQ_IO_NO_MEMORY;
        if (result != MCQ_IO_DONE)
            len = 0;
    }
    return (struct mcq_io) {done(sim, MCQ_IO_OP_SEND, fd, result, len), len};
}

static uint16_t port_of(const struct mcq_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in);
    return ntohs(in.sin_port);
}

static int find_listener(const struct mcq_sim *sim, uint16_t port)
{
    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++)
        if (sim->fds[fd].kind == SIM_LISTENER && sim->fds[fd].port == port)
            return fd;
    return -1;
}

static enum mcq_io_result sim_listen(struct mcq_reactor *head, const struct mcq_address *address,
                                     int backlog, int *fd)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    enum mcq_io_result result = MCQ_IO_DONE;
    uint16_t port = port_of(address);
    int found = -1;

    (void) backlog;
    if (goes_wrong(sim, MCQ_IO_OP_LISTEN, &result))
        return done(sim, MCQ_IO_OP_LISTEN, -1, result, 0);
    while (port == 0 && find_listener(sim, port = sim->next_port++) >= 0)
        port = 0;
    if (find_listener(sim, port) >= 0)
        result = MCQ_IO_IN_USE;
    else if ((found = take_fd(sim, SIM_LISTENER)) < 0)
        result = MCQ_IO_NO_FDS;
    if (result == MCQ_IO_DONE) {
        sim->fds[found].port = port;
        *fd = found;
    }
    return done(sim, MCQ_IO_OP_LISTEN, found, result, port);
}

static enum mcq_io_result sim_accept(struct mcq_reactor *head, int listener, int *fd)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = stream_of(sim, listener);
    enum mcq_io_result result = MCQ_IO_AGAIN;
    int found = -1;

    if (goes_wrong(sim, MCQ_IO_OP_ACCEPT, &result))
        return done(sim, MCQ_IO_OP_ACCEPT, listener, result, 0);
    if (can_recv(sim, slot) && !happens(sim, sim->faults.again)) {
        found = slot->backlog[0];
        slot->backlog_count--;
        memmove(slot->backlog, slot->backlog + 1, slot->backlog_count * sizeof slot->backlog[0]);
        *fd = found;
        result = MCQ_IO_DONE;
    }
    return done(sim, MCQ_IO_OP_ACCEPT, found, result, 0);
}

/* Both ends of a connection; the far one waits in the listener's backlog. */
static enum mcq_io_result join(struct mcq_sim *sim, int listener, int near)
{
    struct sim_fd *slot = &sim->fds[listener];
    int far;

    if (slot->backlog_count == BACKLOG_MAX)
        return MCQ_IO_REFUSED;
    far = take_fd(sim, SIM_STREAM);
    if (far < 0)
        return MCQ_IO_NO_FDS;
    sim->fds[far].peer = near;
    sim->fds[far].open_at_ns = later(sim);
    sim->fds[near].peer = far;
    slot->backlog[slot->backlog_count++] = far;
    return MCQ_IO_AGAIN;
}

static enum mcq_io_result sim_connect(struct mcq_reactor *head, const struct mcq_address *address,
                                      int *fd)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    int listener = find_listener(sim, port_of(address));
    enum mcq_io_result result = MCQ_IO_AGAIN;
    int near = -1;

    if (!goes_wrong(sim, MCQ_IO_OP_CONNECT, &result)) {
        near = take_fd(sim, SIM_STREAM);
        if (near < 0)
            result = MCQ_IO_NO_FDS;
        else
            result = listener >= 0 ? join(sim, listener, near) : MCQ_IO_REFUSED;
    }
    if (near >= 0 && result == MCQ_IO_REFUSED) { /* said by connected, as the kernel does */
        sim->fds[near].is_refused = true;
        result = MCQ_IO_AGAIN;
    }
    if (result == MCQ_IO_AGAIN) {
        sim->fds[near].open_at_ns = later(sim);
        *fd = near;
    } else if (near >= 0) {
        drop_fd(&sim->fds[near]);
    }
    return done(sim, MCQ_IO_OP_CONNECT, near, result, 0);
}

static enum mcq_io_result sim_connected(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = stream_of(sim, fd);
    enum mcq_io_result result = MCQ_IO_DONE;

    if (goes_wrong(sim, MCQ_IO_OP_CONNECTED, &result))
        cut(sim, slot);
    else if (slot->is_refused)
        result = MCQ_IO_REFUSED;
    else if (slot->is_reset)
        result = MCQ_IO_RESET;
    return done(sim, MCQ_IO_OP_CONNECTED, fd, result, 0);
}

static bool sim_local_address(struct mcq_reactor *head, int fd, struct mcq_address *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(stream_of(sim_of(head)->sim, fd)->port);
    memcpy(&address->storage, &in, sizeof in);
    address->len = sizeof in;
    return true;
}

/* The peer reads what was sent, then the end. */
static void end_peer(struct mcq_sim *sim, int fd)
{
    struct sim_fd *slot = &sim->fds[fd];
    size_t count = chunk_count(slot);

    slot->peer = -1;
    slot->end_at_ns = later(sim);
    if (count > 0 && chunk_at(slot, count - 1).at_ns > slot->end_at_ns)
        slot->end_at_ns = chunk_at(slot, count - 1).at_ns;
}

static void sim_close(struct mcq_reactor *head, int fd)
{
    struct mcq_sim *sim = sim_of(head)->sim;
    struct sim_fd *slot = stream_of(sim, fd);

    mcq_assert(slot->in == NULL && slot->out == NULL);
    for (unsigned i = 0; i < slot->backlog_count; i++) {
        struct sim_fd *waiting = &sim->fds[slot->backlog[i]];

        if (waiting->peer >= 0)
            end_peer(sim, waiting->peer);
        drop_fd(waiting);
    }
    if (slot->peer >= 0)
        end_peer(sim, slot->peer);
    drop_fd(slot);
}

/* --- armed ----------------------------------------------------------------------------------- */

static enum mcq_err sim_arm_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    struct sim_fd *slot = stream_of(sim_of(head)->sim, op->fd);
    struct mcq_op **side = op->kind == MCQ_OP_POLL_IN ? &slot->in : &slot->out;

    mcq_assert(*side == NULL);
    *side = op;
    slot->owner = sim_of(head);
    return MCQ_OK;
}

static void finish(struct sim_fd *slot, struct mcq_op *op, enum mcq_io_result result)
{
    *(op->kind == MCQ_OP_POLL_IN ? &slot->in : &slot->out) = NULL;
    mcq_reactor_complete(&slot->owner->head, op, result);
}

static void sim_cancel_poll(struct mcq_reactor *head, struct mcq_op *op)
{
    finish(stream_of(sim_of(head)->sim, op->fd), op, MCQ_IO_CANCELED);
}

static void sim_collect(struct mcq_reactor *head, uint64_t until_ns)
{
    struct sim_reactor *reactor = sim_of(head);
    struct mcq_sim *sim = reactor->sim;

    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++) {
        struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind == SIM_FREE || slot->owner != reactor)
            continue;
        if (slot->in != NULL && can_recv(sim, slot))
            finish(slot, slot->in, MCQ_IO_DONE);
        if (slot->out != NULL && can_send(sim, slot))
            finish(slot, slot->out, MCQ_IO_DONE);
    }
    mcq_reactor_awake(head);
    reactor->sleeps_until_ns = head->done_first == NULL ? until_ns : 0;
}

static void sim_wake(struct mcq_reactor *head)
{
    sim_of(head)->sleeps_until_ns = 0;
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
    while (*link != reactor)
        link = &(*link)->next;
    *link = reactor->next;
    mcq_free(reactor);
}

static const struct mcq_engine_ops sim_ops = {
    .name = "sim",
    .recv = sim_recv,
    .send = sim_send,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .connected = sim_connected,
    .local_address = sim_local_address,
    .close = sim_close,
    .arm_poll = sim_arm_poll,
    .cancel_poll = sim_cancel_poll,
    .collect = sim_collect,
    .wake = sim_wake,
    .now_ns = sim_now_ns,
    .free = sim_reactor_free,
};

/* --- the world ------------------------------------------------------------------------------- */

enum mcq_err mcq_sim_new(uint64_t seed, const struct mcq_sim_faults *faults, struct mcq_sim **out)
{
    struct mcq_sim *sim = mcq_alloc(sizeof *sim);

    if (sim == NULL)
        return MCQ_NOMEM;
    memset(sim, 0, sizeof *sim);
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
    mcq_assert((*sim)->reactors == NULL);
    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++)
        if ((*sim)->fds[fd].kind != SIM_FREE)
            drop_fd(&(*sim)->fds[fd]);
    mcq_free(*sim);
    *sim = NULL;
}

enum mcq_err mcq_sim_reactor_new(struct mcq_sim *sim, struct mcq_reactor **out)
{
    struct sim_reactor *reactor = mcq_alloc(sizeof *reactor);

    if (reactor == NULL)
        return MCQ_NOMEM;
    *reactor = (struct sim_reactor) {.sim = sim, .next = sim->reactors};
    mcq_reactor_init(&reactor->head, &sim_ops);
    sim->reactors = reactor;
    *out = &reactor->head;
    return MCQ_OK;
}

static void take_if_ahead(const struct mcq_sim *sim, uint64_t at_ns, uint64_t *next_ns)
{
    if (at_ns > sim->now_ns && at_ns < *next_ns)
        *next_ns = at_ns;
}

bool mcq_sim_advance(struct mcq_sim *sim)
{
    uint64_t next_ns = MCQ_REACTOR_NEVER_NS;

    for (struct sim_reactor *reactor = sim->reactors; reactor != NULL; reactor = reactor->next)
        take_if_ahead(sim, reactor->sleeps_until_ns, &next_ns);
    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++) {
        const struct sim_fd *slot = &sim->fds[fd];

        if (slot->kind != SIM_STREAM)
            continue;
        take_if_ahead(sim, slot->open_at_ns, &next_ns);
        take_if_ahead(sim, slot->end_at_ns, &next_ns);
        for (size_t i = 0; i < chunk_count(slot); i++)
            take_if_ahead(sim, chunk_at(slot, i).at_ns, &next_ns);
    }
    if (next_ns == MCQ_REACTOR_NEVER_NS)
        return false;
    sim->now_ns = next_ns;
    return true;
}

void mcq_sim_inject(struct mcq_sim *sim, uint64_t index, enum mcq_io_result result)
{
    sim->injects = true;
    sim->inject_at = index;
    sim->inject = result;
}

void mcq_sim_reset(struct mcq_sim *sim, int fd)
{
    cut(sim, stream_of(sim, fd));
}

uint64_t mcq_sim_operation_count(const struct mcq_sim *sim)
{
    return sim->operations;
}

uint64_t mcq_sim_hash(const struct mcq_sim *sim)
{
    return sim->hash;
}

size_t mcq_sim_open_count(const struct mcq_sim *sim)
{
    size_t count = 0;

    for (int fd = 0; fd < MCQ_SIM_FDS_MAX; fd++)
        count += sim->fds[fd].kind != SIM_FREE;
    return count;
}
