/* Sending, receiving and polling: what an application's thread does, and how it waits. */

#include <sched.h>
#include <stddef.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/pause.h"
#include "runtime/socket.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

/* Bursts: after so many sends, each begun within DENSE_NS of the one before it, writes are shared.
 * Every so many sends a look at the clock tells whether that still pays. */
#define DENSE_NS (5 * US)
#define DENSE_COUNT 16
#define BATCH_LOOK_COUNT 64
/* A publisher's own work for its many peers is not a gap between sends. */
#define PUT_NS (US / 10)
#define WRITE_NS (5 * US)
/* Ready sets are looked at that often while one peer keeps us busy. */
#define HARVEST_EVERY 64
/* Before a sleep: a wake-up across cores costs 40 us, so it pays to look for about as long, as long
 * as that succeeds (runtime figures in docs/adr/0006 and 0010). */
#define SPIN_NS (40 * US)
#define SPIN_MISSES_MAX 3
#define SPIN_SKIPS 32
#define PAUSE_ROUNDS 4
#define PAUSES_A_ROUND 16

/* Without a thread of its own the engine has a turn that often, whatever the calls find. */
#define TURN_EVERY_NS MS
#define TURN_LOOK_COUNT 16

#define WAIT_FDS_MAX 4 /* the sleeper's own, input, output, the engine's */

/* --- waiting --------------------------------------------------------------------------------- */

static void waiter_join(struct mcq_socket *socket, struct mcq_waiter *waiter)
{
    waiter->next = socket->waiters;
    waiter->prev = &socket->waiters;
    if (waiter->next != NULL)
        waiter->next->prev = &waiter->next;
    socket->waiters = waiter;
    if (waiter->wants & MCQ_NEWS_IN)
        socket->in_sleepers++;
    if (waiter->wants & MCQ_NEWS_OUT)
        socket->out_sleepers++;
}

static void waiter_leave(struct mcq_socket *socket, struct mcq_waiter *waiter)
{
    *waiter->prev = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    if (waiter->wants & MCQ_NEWS_IN)
        socket->in_sleepers--;
    if (waiter->wants & MCQ_NEWS_OUT)
        socket->out_sleepers--;
}

/* What a thread that waits for news of this socket sleeps on: its ready sets. Output is of interest
 * to those who wait for input as well, if there is some that could not be written. */
static size_t wait_fds(const struct mcq_socket *socket, unsigned wants, struct pollfd *fds)
{
    size_t count = 0;

    if (wants & MCQ_NEWS_IN)
        fds[count++] = (struct pollfd) {.fd = mcq_ready_fd(socket->group.in_set), .events = POLLIN};
    if ((wants & MCQ_NEWS_OUT) || socket->group.blocked_count > 0)
        fds[count++] =
            (struct pollfd) {.fd = mcq_ready_fd(socket->group.out_set), .events = POLLIN};
    return count;
}

/* Lets go of the lock, sleeps, and takes it again. MCQ_OK: look again, whatever ended it. */
static enum mcq_err sleep_for(struct mcq_socket *socket, unsigned wants, uint64_t until_ns)
{
    struct mcq_context *context = socket->context;
    struct pollfd fds[WAIT_FDS_MAX];
    struct mcq_waiter waiter = {.wants = wants};
    struct sleeper_node *node;
    enum mcq_io_result result;
    enum mcq_err err;
    size_t count;

    MCQ_TRY(mcq_context_take_sleeper(context, &node));
    waiter.sleeper = node->sleeper;
    waiter_join(socket, &waiter);
    count = wait_fds(socket, wants, fds + 1);
    mcq_socket_pause(socket);
    result = mcq_context_sleep(context, node->sleeper, fds, count, until_ns);
    err = mcq_socket_resume(socket);
    waiter_leave(socket, &waiter);
    mcq_context_put_sleeper(context, node);
    MCQ_TRY(err);
    switch (result) {
    case MCQ_IO_INTERRUPTED: return MCQ_INTERRUPTED;
    case MCQ_IO_NO_MEMORY:
    case MCQ_IO_BROKEN: return MCQ_NOMEM;
    default: return MCQ_OK;
    }
}

/* How long a call may wait for room, in all; the clock is read only if it must be. */
struct patience {
    int timeout_ms; /* 0: not at all, -1: without end */
    uint64_t until_ns;
    bool is_counting; /* until_ns is known: the call has waited before */
};

/* A timeout, as a moment. */
static uint64_t until_of(struct mcq_socket *socket, int timeout_ms)
{
    if (timeout_ms < 0)
        return MCQ_REACTOR_NEVER_NS;
    return mcq_engine_now_ns(socket->engine) + (uint64_t) timeout_ms * MS;
}

static bool is_over(struct mcq_socket *socket, uint64_t until_ns)
{
    return until_ns != MCQ_REACTOR_NEVER_NS && mcq_engine_now_ns(socket->engine) >= until_ns;
}

/* Without a thread of its own the engine has its turn even in calls that do not wait. */
static bool returns_at_once(const struct mcq_socket *socket, int timeout_ms)
{
    return timeout_ms == 0 && !mcq_engine_is_mine(socket->engine);
}

/* A program that finds all it asks for never waits. So that its engine does not stand still, calls
 * look at the clock now and then. */
static void share_turns(struct mcq_engine *engine, struct mcq_context *context, bool looks)
{
    if (!mcq_engine_is_mine(engine) || (!looks && ++engine->calls < TURN_LOOK_COUNT))
        return;
    engine->calls = 0;
    if (mcq_engine_now_ns(engine) - engine->turned_at_ns >= TURN_EVERY_NS)
        mcq_context_help(context);
}

static void leave_transfer(struct mcq_socket *socket, bool looks)
{
    struct mcq_engine *engine = socket->engine;
    struct mcq_context *context = socket->context;

    mcq_socket_leave(socket);
    if (MCQ_UNLIKELY(engine->is_inline))
        share_turns(engine, context, looks);
}

/* --- sending --------------------------------------------------------------------------------- */

/* Whether that many sends came close behind each other since the last look. */
static bool is_dense(struct mcq_socket *socket, uint64_t now_ns, uint64_t send_count)
{
    const struct mcq_link_group *group = &socket->group;
    uint64_t work_ns = (group->put_count - socket->puts_seen) * PUT_NS +
                       (group->flush_count - socket->flushes_seen) * WRITE_NS;

    return now_ns - socket->sent_at_ns < send_count * DENSE_NS + work_ns;
}

static void look_at_clock(struct mcq_socket *socket)
{
    socket->sent_at_ns = mcq_engine_now_ns(socket->engine);
    socket->puts_seen = socket->group.put_count;
    socket->flushes_seen = socket->group.flush_count;
}

/* The first sends leave at once; those of a burst share writes. */
static void flush_or_batch(struct mcq_socket *socket, uint32_t send_count)
{
    if (socket->group.dirty_first == NULL)
        return;
    if (socket->is_batching) {
        socket->batch_count += send_count;
        if (socket->batch_count < BATCH_LOOK_COUNT)
            return;
        socket->is_batching =
            is_dense(socket, mcq_engine_now_ns(socket->engine), socket->batch_count);
        if (!socket->is_batching) {
            socket->dense_count = 0;
            mcq_socket_begin_flush(socket);
        }
    } else if (socket->is_flushing) {
        socket->is_batching = true; /* sends come faster than all peers are written to */
    } else {
        bool follows = is_dense(socket, mcq_engine_now_ns(socket->engine), 1);

        socket->dense_count = follows ? socket->dense_count + 1 : 0;
        mcq_socket_begin_flush(socket);
        socket->is_batching = socket->dense_count >= DENSE_COUNT;
    }
    socket->batch_count = 0;
    look_at_clock(socket);
}

/* Whoever asks for something does not go on sending: what waits leaves now. */
static void flush_before_wait(struct mcq_socket *socket)
{
    socket->is_batching = false;
    socket->dense_count = 0;
    if (MCQ_UNLIKELY(socket->group.dirty_first != NULL))
        mcq_socket_flush(socket);
}

static enum mcq_err send_waiting(struct mcq_socket *socket, struct mcq_part *part,
                                 struct patience *patience)
{
    enum mcq_err err = MCQ_AGAIN;
    bool has_slept = false;

    while (err == MCQ_AGAIN) {
        mcq_socket_flush(socket);
        if (socket->group.lost_first != NULL)
            mcq_socket_bury(socket);
        (void) mcq_socket_harvest_output(socket);
        err = socket->pattern->ops->send(socket->pattern, part);
        if (err != MCQ_AGAIN || returns_at_once(socket, patience->timeout_ms))
            break;
        if (!patience->is_counting)
            patience->until_ns = until_of(socket, patience->timeout_ms);
        else if (has_slept && is_over(socket, patience->until_ns))
            break;
        patience->is_counting = true;
        MCQ_TRY(sleep_for(socket, MCQ_NEWS_OUT, patience->until_ns));
        has_slept = true;
    }
    return err;
}

static void drop_peeked(struct mcq_socket *socket)
{
    if (socket->peeked_err == MCQ_OK)
        mcq_msg_fini(&socket->peeked);
    socket->has_peeked = false;
}

/* Poll has received for the application, which has not; to it the turn is still the peer's. */
static bool is_input_s_turn(const struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    return socket->has_peeked && ops->may_skip_input != NULL &&
           !ops->may_skip_input(socket->pattern);
}

/* The lock is held. */
static enum mcq_err send_held(struct mcq_socket *socket, struct mcq_part *part,
                              struct patience *patience)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(!socket->pattern->ops->can_send))
        return MCQ_NOT_SUPPORTED;
    if (MCQ_UNLIKELY(socket->has_peeked)) {
        if (is_input_s_turn(socket))
            return MCQ_STATE;
        if (socket->pattern->ops->may_skip_input != NULL)
            drop_peeked(socket);
    }
    err = socket->pattern->ops->send(socket->pattern, part);
    return MCQ_UNLIKELY(err == MCQ_AGAIN) ? send_waiting(socket, part, patience) : err;
}

static void leave_send(struct mcq_socket *socket, uint32_t whole_count)
{
    if (whole_count > 0)
        flush_or_batch(socket, whole_count);
    if (socket->group.blocked_count > 0 || socket->group.dirty_first != NULL)
        mcq_socket_guard_output(socket);
    leave_transfer(socket, !socket->is_batching);
}

enum mcq_err mcq_socket_send(struct mcq_socket *socket, struct mcq_part *part, int timeout_ms)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter(socket));
    err = send_held(socket, part, &patience);
    leave_send(socket, err == MCQ_OK && !part->more);
    return err;
}

enum mcq_err mcq_socket_send_batch(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   bool more, int timeout_ms, size_t *sent_count)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    uint32_t whole_count = 0;
    enum mcq_err err;
    size_t i;

    *sent_count = 0;
    MCQ_TRY(mcq_socket_enter(socket));
    for (i = 0, err = MCQ_OK; i < count; i++) {
        struct mcq_part part = {mcq_msg_bytes(&msgs[i]), &msgs[i], more || msgs[i].more};

        err = send_held(socket, &part, &patience);
        if (err != MCQ_OK)
            break;
        mcq_msg_fini(&msgs[i]); /* a type that drops a message leaves it to us */
        msgs[i].more = false;
        whole_count += !part.more;
    }
    leave_send(socket, whole_count);
    *sent_count = i;
    return i > 0 ? MCQ_OK : err;
}

/* --- receiving ------------------------------------------------------------------------------- */

static enum mcq_err take(struct mcq_socket *socket, struct mcq_msg *msg)
{
    if (MCQ_UNLIKELY(socket->has_peeked)) {
        if (socket->peeked_err == MCQ_OK)
            mcq_msg_move(msg, &socket->peeked);
        socket->has_peeked = false;
        return socket->peeked_err;
    }
    return socket->pattern->ops->recv(socket->pattern, msg);
}

/* Looks for input that nobody has told of. One peer is simply asked: what its stream says costs no
 * more than what the set says, and may be what we want. */
static bool probe(struct mcq_socket *socket)
{
    for (uint32_t i = 0; socket->up_count == 1 && i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_up)
            continue;
        conn->peer.link.can_read = true;
        socket->pattern->ops->readable(socket->pattern, &conn->peer);
        return true;
    }
    return mcq_socket_harvest_input(socket);
}

/* Between sleeping and this, whatever pays: three times in a row for nothing, and the next ones are
 * left out. */
static bool may_spin(struct mcq_socket *socket)
{
    if (socket->up_count == 0 || socket->context->seed != 0)
        return false;
    if (socket->spin_skips == 0)
        return true;
    socket->spin_skips--;
    return false;
}

static void has_spun(struct mcq_socket *socket, bool found)
{
    socket->spin_misses = found ? 0 : socket->spin_misses + 1;
    if (socket->spin_misses < SPIN_MISSES_MAX)
        return;
    socket->spin_skips = SPIN_SKIPS;
    socket->spin_misses = SPIN_MISSES_MAX - 1; /* one more miss is enough the next time */
}

/* A pipe's far side is a thread that may be about to write: the kernel need not be asked yet. */
static void let_others_run(const struct mcq_socket *socket, uint32_t round)
{
    if (socket->stream_count > 0 || round >= PAUSE_ROUNDS) {
        (void) sched_yield();
        return;
    }
    for (int i = 0; i < PAUSES_A_ROUND; i++)
        mcq_pause();
}

static enum mcq_err spin(struct mcq_socket *socket, struct mcq_msg *msg, uint64_t until_ns)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);
    uint64_t spin_until_ns = mcq_min_u64(now_ns + SPIN_NS, until_ns);
    enum mcq_err err = MCQ_AGAIN;
    uint32_t round = 0;

    while (err == MCQ_AGAIN && now_ns < spin_until_ns) {
        mcq_socket_pause(socket);
        let_others_run(socket, round++);
        MCQ_TRY(mcq_socket_resume(socket));
        (void) probe(socket);
        err = take(socket, msg); /* mail that leave has read may have brought it, without an edge */
        now_ns = mcq_engine_now_ns(socket->engine);
    }
    has_spun(socket, err != MCQ_AGAIN);
    return err;
}

static enum mcq_err recv_waiting(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    uint64_t until_ns = MCQ_REACTOR_NEVER_NS;
    enum mcq_err err = MCQ_AGAIN;
    bool has_slept = false;

    for (;;) {
        if (socket->group.lost_first != NULL || socket->ending != NULL)
            mcq_socket_bury(socket);
        if (mcq_socket_harvest_input(socket))
            err = take(socket, msg);
        if (err != MCQ_AGAIN || returns_at_once(socket, timeout_ms))
            return err;
        if (!has_slept)
            until_ns = until_of(socket, timeout_ms);
        else if (is_over(socket, until_ns))
            return MCQ_AGAIN;
        if (timeout_ms != 0 && may_spin(socket)) {
            err = spin(socket, msg, until_ns);
            if (err != MCQ_AGAIN)
                return err;
            continue; /* what came meanwhile may have no other edge */
        }
        MCQ_TRY(sleep_for(socket, MCQ_NEWS_IN, until_ns));
        has_slept = true;
        (void) mcq_socket_harvest_output(socket);
        /* The engine, or another thread, may have received it. */
        err = take(socket, msg);
        if (err != MCQ_AGAIN)
            return err;
    }
}

/* The lock is held. */
static enum mcq_err recv_held(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    enum mcq_err err;

    socket->in_calls++;
    if (MCQ_UNLIKELY(!socket->pattern->ops->can_recv))
        return MCQ_NOT_SUPPORTED;
    flush_before_wait(socket);
    if (++socket->since_harvest >= HARVEST_EVERY && socket->up_count > 1)
        (void) mcq_socket_harvest_input(socket);
    err = take(socket, msg);
    if (err == MCQ_AGAIN)
        err = recv_waiting(socket, msg, timeout_ms);
    if (err != MCQ_OK)
        return err;
    if (MCQ_UNLIKELY(socket->in_sleepers > 0))
        socket->news |= MCQ_NEWS_IN; /* the edge they sleep for may be spent, and more there */
    socket->is_within_recv = msg->more;
    return MCQ_OK;
}

static void leave_recv(struct mcq_socket *socket)
{
    mcq_socket_guard_input(socket);
    if (MCQ_UNLIKELY(socket->group.blocked_count > 0))
        mcq_socket_guard_output(socket);
    leave_transfer(socket, false);
}

enum mcq_err mcq_socket_recv(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter(socket));
    err = recv_held(socket, msg, timeout_ms);
    leave_recv(socket);
    return err;
}

enum mcq_err mcq_socket_recv_again(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    enum mcq_err err = mcq_socket_enter(socket);

    if (err == MCQ_OK) {
        mcq_msg_put(msg, socket->group.receiver.blocks);
        err = recv_held(socket, msg, timeout_ms);
        leave_recv(socket);
    } else {
        mcq_msg_fini(msg);
    }
    if (MCQ_UNLIKELY(err != MCQ_OK))
        mcq_msg_init(msg);
    return err;
}

/* What there is without waiting, behind the first one. An error is kept for the next call. */
static size_t take_more(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count)
{
    enum mcq_err err;
    size_t i;

    for (i = 0; i < count; i++) {
        mcq_msg_put(&msgs[i], socket->group.receiver.blocks);
        if (++socket->since_harvest >= HARVEST_EVERY && socket->up_count > 1)
            (void) mcq_socket_harvest_input(socket);
        err = take(socket, &msgs[i]);
        if (MCQ_LIKELY(err == MCQ_OK)) {
            socket->is_within_recv = msgs[i].more;
            continue;
        }
        mcq_msg_init(&msgs[i]);
        if (err == MCQ_AGAIN || err == MCQ_STATE)
            break;
        socket->has_peeked = true;
        socket->peeked_err = err;
        break;
    }
    return i;
}

enum mcq_err mcq_socket_recv_batch(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   int timeout_ms, size_t *taken_count)
{
    enum mcq_err err;

    *taken_count = 0;
    MCQ_TRY(mcq_socket_enter(socket));
    if (count > 0) {
        mcq_msg_put(msgs, socket->group.receiver.blocks);
        err = recv_held(socket, msgs, timeout_ms);
        if (err == MCQ_OK)
            *taken_count = 1 + take_more(socket, msgs + 1, count - 1);
        else
            mcq_msg_init(msgs);
    } else {
        err = MCQ_OK;
    }
    leave_recv(socket);
    return err;
}

enum mcq_err mcq_socket_recv_octets(struct mcq_socket *socket, void *room, size_t room_len,
                                    size_t *len, int timeout_ms)
{
    struct mcq_msg msg;
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter(socket));
    err = recv_held(socket, &msg, timeout_ms);
    if (err == MCQ_OK) {
        *len = mcq_msg_len(&msg);
        if (room_len > 0)
            (void) mcq_put_bytes(room, mcq_bytes(mcq_msg_data(&msg), mcq_min_size(*len, room_len)));
        mcq_msg_put(&msg, socket->group.receiver.blocks);
    }
    leave_recv(socket);
    return err;
}

/* --- polling --------------------------------------------------------------------------------- */

/* Receives what recv will hand out; out of turn there is nothing to wait for. */
static bool peek(struct mcq_socket *socket)
{
    socket->peeked_err = socket->pattern->ops->recv(socket->pattern, &socket->peeked);
    socket->has_peeked = socket->peeked_err != MCQ_AGAIN && socket->peeked_err != MCQ_STATE;
    return socket->has_peeked;
}

static bool look_for_input(struct mcq_socket *socket)
{
    bool is_any;

    if (socket->has_peeked)
        return true;
    if (!socket->pattern->ops->can_recv)
        return false;
    if (peek(socket))
        return true;
    is_any = mcq_socket_harvest_input(socket);
    if (is_any && socket->in_sleepers > 0)
        socket->news |= MCQ_NEWS_IN; /* the edge they sleep for is spent */
    return is_any && peek(socket);
}

static bool look_for_room(struct mcq_socket *socket)
{
    (void) mcq_socket_harvest_output(socket);
    return socket->pattern->ops->can_send && !is_input_s_turn(socket) &&
           socket->pattern->ops->is_writable(socket->pattern);
}

static short look(struct mcq_socket *socket, short events)
{
    short found = 0;

    flush_before_wait(socket);
    if (events & POLLIN) {
        socket->in_calls++;
        if (look_for_input(socket))
            found |= POLLIN;
    }
    if ((events & POLLOUT) && look_for_room(socket))
        found |= POLLOUT;
    if (!(events & POLLOUT) && socket->group.blocked_count > 0) /* what is slept for is taken */
        (void) mcq_socket_harvest_output(socket);
    return found;
}

struct poll_call {
    struct mcq_poll_item *items;
    size_t count;
    struct pollfd *fds;
    size_t fd_count;
    struct sleeper_node *node;
    struct mcq_context *context;
    bool is_joined; /* waiters are registered */
};

/* What to sleep for. The input of a type that does not receive is not the caller's: it would only
 * wake it up, and the engine has to read it meanwhile. */
static unsigned news_of(const struct mcq_socket *socket, short events)
{
    bool is_in = (events & POLLIN) && socket->pattern->ops->can_recv;

    return (is_in ? MCQ_NEWS_IN : 0u) | (events & POLLOUT ? MCQ_NEWS_OUT : 0u);
}

/* Looks at all of them; with join, makes those that have nothing wait. */
static enum mcq_err look_at_all(struct poll_call *call, bool join, size_t *ready_count)
{
    *ready_count = 0;
    call->fd_count = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];
        unsigned wants;

        item->revents = 0;
        item->waiter.sleeper = NULL;
        if (item->socket == NULL) {
            call->fds[1 + call->fd_count++] =
                (struct pollfd) {.fd = item->fd, .events = item->events};
            continue;
        }
        MCQ_TRY(mcq_socket_enter(item->socket));
        wants = news_of(item->socket, item->events);
        item->revents = look(item->socket, item->events);
        *ready_count += item->revents != 0;
        if (join && item->revents == 0) {
            item->waiter = (struct mcq_waiter) {.sleeper = call->node->sleeper, .wants = wants};
            waiter_join(item->socket, &item->waiter);
            item->socket->call_count++;
            call->fd_count += wait_fds(item->socket, wants, call->fds + 1 + call->fd_count);
        }
        if (item->waiter.sleeper == NULL || !(wants & MCQ_NEWS_IN))
            mcq_socket_guard_input(item->socket);
        mcq_socket_guard_output(item->socket);
        mcq_socket_leave(item->socket);
    }
    return MCQ_OK;
}

static void leave_all(struct poll_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];

        if (item->socket == NULL || item->waiter.sleeper == NULL)
            continue;
        (void) !mcq_socket_resume(item->socket); /* who calls next hears of it */
        waiter_leave(item->socket, &item->waiter);
        item->waiter.sleeper = NULL;
        mcq_socket_leave(item->socket);
    }
}

/* What the descriptors among the items say. */
static size_t take_fds(struct poll_call *call)
{
    size_t ready_count = 0;
    size_t at = 1;

    for (size_t i = 0; i < call->count; i++) {
        struct mcq_poll_item *item = &call->items[i];

        if (item->socket != NULL)
            continue;
        while (call->fds[at].fd != item->fd)
            at++;
        item->revents = call->fds[at++].revents;
        ready_count += item->revents != 0;
    }
    return ready_count;
}

static enum mcq_err poll_once(struct poll_call *call, uint64_t until_ns, size_t *ready_count)
{
    enum mcq_io_result result;
    enum mcq_err err = look_at_all(call, until_ns != 0, ready_count);
    size_t fds_ready;

    if (err == MCQ_OK) {
        /* Ready ones end the sleep before it begins; the descriptors are asked all the same. */
        result = mcq_context_sleep(call->context, call->node->sleeper, call->fds, call->fd_count,
                                   *ready_count > 0 ? 0 : until_ns);
        if (result == MCQ_IO_INTERRUPTED && *ready_count == 0)
            err = MCQ_INTERRUPTED;
        else if (result == MCQ_IO_NO_MEMORY || result == MCQ_IO_BROKEN)
            err = MCQ_NOMEM;
    }
    leave_all(call);
    if (err != MCQ_OK)
        return err;
    fds_ready = take_fds(call);
    if (*ready_count == 0 && fds_ready == 0 && until_ns != 0)
        return look_at_all(call, false, ready_count);
    *ready_count += fds_ready;
    return MCQ_OK;
}

/* One that waits for this thread before others. */
static struct mcq_context *context_of(const struct mcq_poll_item *items, size_t count)
{
    struct mcq_context *context = NULL;

    for (size_t i = 0; i < count; i++) {
        if (items[i].socket == NULL)
            continue;
        context = items[i].socket->context;
        if (mcq_engine_is_mine(&context->engines[0]))
            break;
    }
    return context;
}

enum mcq_err mcq_socket_poll(struct mcq_poll_item *items, size_t count, int timeout_ms,
                             size_t *ready_count)
{
    struct poll_call call = {.items = items, .count = count};
    uint64_t until_ns = timeout_ms == 0 ? 0 : MCQ_REACTOR_NEVER_NS;
    enum mcq_err err;

    call.context = context_of(items, count);
    mcq_assert(call.context != NULL);
    call.fds = mcq_alloc(mcq_size_mul(sizeof *call.fds, count * 2 + 2));
    if (call.fds == NULL)
        return MCQ_NOMEM;
    err = mcq_context_take_sleeper(call.context, &call.node);
    if (err == MCQ_OK) {
        if (timeout_ms > 0)
            until_ns = mcq_context_now_ns(call.context) + (uint64_t) timeout_ms * MS;
        do
            err = poll_once(&call, until_ns, ready_count);
        while (err == MCQ_OK && *ready_count == 0 && until_ns != 0 &&
               mcq_context_now_ns(call.context) < until_ns);
        mcq_context_put_sleeper(call.context, call.node);
    }
    mcq_free(call.fds);
    return err;
}

static uint32_t audience(const struct mcq_socket *socket)
{
    const struct mcq_pattern *pattern = socket->pattern;

    return pattern->ops->audience != NULL ? pattern->ops->audience(pattern) : socket->up_count;
}

enum mcq_err mcq_socket_wait_peers(struct mcq_socket *socket, uint32_t count, int timeout_ms)
{
    uint64_t until_ns;
    enum mcq_err err = MCQ_OK;

    MCQ_TRY(mcq_socket_enter(socket));
    until_ns = until_of(socket, timeout_ms);
    while (err == MCQ_OK && audience(socket) < count) {
        flush_before_wait(socket);
        (void) mcq_socket_harvest_output(socket); /* it would end the sleep again and again */
        if (is_over(socket, until_ns))
            err = MCQ_AGAIN;
        else
            err = sleep_for(socket, MCQ_NEWS_OUT, until_ns);
    }
    mcq_socket_guard_output(socket);
    mcq_socket_leave(socket);
    return err;
}
