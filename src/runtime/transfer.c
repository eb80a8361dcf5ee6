/* Sending and receiving: what an application's thread does. */

#include <sched.h>

#include "base/assert.h"
#include "base/pause.h"
#include "runtime/holder.h"

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

/* How long a call may wait for room, in all; the clock is read only if it must be. */
struct patience {
    int timeout_ms; /* 0: not at all, -1: without end */
    uint64_t until_ns;
    bool is_counting; /* until_ns is known: the call has waited before */
};

/* Without a thread of its own the engine has its turn even in calls that do not wait. */
static bool returns_at_once(const struct mcq_socket *socket, int timeout_ms)
{
    return timeout_ms == 0 && !mcq_engine_is_mine(socket->engine);
}

/* A program that finds all it asks for never waits. So that its engine does not stand still, calls
 * look at the clock now and then. */
static void share_turns(struct mcq_engine *engine, struct mcq_context *context, bool looks)
{
    if (!looks && ++engine->calls < TURN_LOOK_COUNT)
        return;
    engine->calls = 0;
    if (mcq_engine_now_ns(engine) - engine->turned_at_ns >= TURN_EVERY_NS)
        mcq_context_help(context);
}

static void leave_transfer(struct mcq_socket *socket, bool looks)
{
    struct mcq_engine *engine = socket->engine;
    struct mcq_context *context = socket->context;
    bool is_mine = mcq_engine_is_mine(engine);

    mcq_socket_leave(socket);  /* *socket may be gone, and the context with it */
    if (MCQ_UNLIKELY(is_mine)) /* not so: only this thread ends the context */
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
    if (!mcq_socket_has_unsent(socket))
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
            patience->until_ns = mcq_socket_until(socket, patience->timeout_ms);
        else if (has_slept && mcq_socket_is_over(socket, patience->until_ns))
            break;
        patience->is_counting = true;
        MCQ_TRY(mcq_socket_sleep(socket, MCQ_NEWS_OUT, patience->until_ns));
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

/* The lock is held. */
static enum mcq_err send_held(struct mcq_socket *socket, struct mcq_part *part,
                              struct patience *patience)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(!socket->pattern->ops->can_send))
        return MCQ_NOT_SUPPORTED;
    if (MCQ_UNLIKELY(socket->has_peeked)) {
        if (mcq_socket_is_input_s_turn(socket))
            return MCQ_STATE;
        if (socket->pattern->ops->may_skip_input != NULL)
            drop_peeked(socket);
    }
    socket->group.may_defer = socket->is_batching;
    err = socket->pattern->ops->send(socket->pattern, part);
    if (MCQ_UNLIKELY(err == MCQ_AGAIN)) {
        mcq_assert_hot(!socket->is_within_send); /* else the lock would be let go of within it */
        mcq_hint_lower(&socket->hint);
        err = send_waiting(socket, part, patience);
    }
    if (MCQ_LIKELY(err == MCQ_OK))
        socket->is_within_send = part->more;
    return err;
}

static void leave_send(struct mcq_socket *socket, uint32_t whole_count)
{
    if (whole_count > 0)
        flush_or_batch(socket, whole_count);
    if (socket->group.blocked_count > 0 || mcq_socket_has_unsent(socket))
        mcq_socket_guard_output(socket);
    leave_transfer(socket, !socket->is_batching);
}

enum mcq_err mcq_socket_send(struct mcq_socket *socket, struct mcq_part *part, int timeout_ms)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter_to_send(socket));
    err = send_held(socket, part, &patience);
    leave_send(socket, err == MCQ_OK && !part->more);
    return err;
}

enum mcq_err mcq_socket_give_up(struct mcq_socket *socket, struct mcq_part *part)
{
    struct patience patience = {0};
    enum mcq_err err = MCQ_NOMEM;

    MCQ_TRY(mcq_socket_enter_to_send(socket));
    if (socket->is_within_send)
        err = send_held(socket, part, &patience);
    leave_send(socket, err == MCQ_OK && !part->more);
    return err;
}

enum mcq_err mcq_socket_reserve(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                size_t len, size_t *made_count)
{
    enum mcq_err err = MCQ_OK;
    size_t i;

    MCQ_TRY(mcq_socket_enter_to_send(socket));
    if (MCQ_UNLIKELY(!socket->pattern->ops->can_send))
        err = MCQ_NOT_SUPPORTED;
    for (i = 0; i < count && err == MCQ_OK; i++) {
        mcq_msg_put(&msgs[i], socket->group.receiver.blocks);
        err = mcq_link_group_reserve(&socket->group, len, &msgs[i]);
    }
    if (err != MCQ_OK && i > 0)
        i--;
    mcq_socket_leave(socket);
    *made_count = i;
    return i > 0 ? MCQ_OK : err;
}

enum mcq_err mcq_socket_send_batch(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   bool more, int timeout_ms, size_t *sent_count)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    uint32_t whole_count = 0;
    enum mcq_err err;
    size_t i;

    *sent_count = 0;
    MCQ_TRY(mcq_socket_enter_to_send(socket));
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

static void swallow(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count)
{
    struct patience patience = {0};

    for (size_t i = 0; i < count; i++) {
        struct mcq_part part = {mcq_msg_bytes(&msgs[i]), &msgs[i], i + 1 < count};

        (void) !send_held(socket, &part, &patience);
        mcq_msg_fini(&msgs[i]);
    }
}

enum mcq_err mcq_socket_send_parts(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   int timeout_ms)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter_to_send(socket));
    err = MCQ_UNLIKELY(socket->is_within_send) ? MCQ_BUSY : MCQ_OK;
    for (size_t i = 0; i < count && err == MCQ_OK; i++) {
        struct mcq_part part = {mcq_msg_bytes(&msgs[i]), &msgs[i], i + 1 < count};

        err = send_held(socket, &part, &patience);
        if (MCQ_UNLIKELY(err != MCQ_OK && i > 0)) /* void: what is left of it ends it */
            swallow(socket, msgs + i, count - i);
        if (err == MCQ_OK)
            mcq_msg_fini(&msgs[i]);
    }
    leave_send(socket, count > 0 && err == MCQ_OK);
    return err;
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

        if (conn == NULL || !conn->peer.link.is_up || conn->is_leaving)
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
static void let_others_run(bool has_streams, uint32_t round)
{
    if (has_streams || round >= PAUSE_ROUNDS) {
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
        bool has_streams = socket->stream_count > 0; /* while the lock is held */

        mcq_socket_pause(socket);
        let_others_run(has_streams, round++);
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

    mcq_blocks_flush(socket->group.receiver.blocks);
    for (;;) {
        if (socket->group.lost_first != NULL || socket->ending != NULL)
            mcq_socket_bury(socket);
        if (mcq_socket_harvest_input(socket))
            err = take(socket, msg);
        if (err != MCQ_AGAIN || returns_at_once(socket, timeout_ms))
            return err;
        if (!has_slept)
            until_ns = mcq_socket_until(socket, timeout_ms);
        else if (mcq_socket_is_over(socket, until_ns))
            return MCQ_AGAIN;
        if (timeout_ms != 0 && may_spin(socket)) {
            err = spin(socket, msg, until_ns);
            if (err != MCQ_AGAIN)
                return err;
            continue; /* what came meanwhile may have no other edge */
        }
        MCQ_TRY(mcq_socket_sleep(socket, MCQ_NEWS_IN, until_ns));
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
    if (++socket->since_harvest >= HARVEST_EVERY && socket->up_count > 1)
        (void) mcq_socket_harvest_input(socket);
    /* A burst of answers goes on as long as there are questions at hand. */
    err = take(socket, msg);
    if (err == MCQ_AGAIN) {
        mcq_socket_end_burst(socket);
        mcq_hint_lower(&socket->hint);
        err = recv_waiting(socket, msg, timeout_ms);
    }
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

/* What there is without waiting, behind the first one; of the same message only, if `one` says so.
 * An error is kept for the next call. */
static size_t take_more(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count, bool one)
{
    enum mcq_err err;
    size_t i;

    for (i = 0; i < count && (!one || socket->is_within_recv); i++) {
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
                                   bool one, int timeout_ms, size_t *taken_count)
{
    enum mcq_err err;

    *taken_count = 0;
    MCQ_TRY(mcq_socket_enter(socket));
    if (count > 0) {
        mcq_msg_put(msgs, socket->group.receiver.blocks);
        err = recv_held(socket, msgs, timeout_ms);
        if (err == MCQ_OK)
            *taken_count = 1 + take_more(socket, msgs + 1, count - 1, one);
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
