/* Output: flushes and their slices, full streams, the unsent tail. */

#include "base/assert.h"
#include "runtime/holder.h"

#define MS UINT64_C(1000000)
#define TAIL_MAX_NS (4 * MS) /* how long a tail waits where there are many peers */
#define FLUSH_MAX 32         /* peers written to in one service: others wait for the lock */
#define GATHER_COUNT 64      /* messages of a peer that are worth a write, where there are many */
#define SPARE_COUNT 256      /* a burst of so many more helps the engine to write */

bool mcq_socket_tell_room(struct mcq_socket *socket)
{
    struct mcq_link *link;
    bool is_any = false;

    while ((link = mcq_link_next_roomy(&socket->group)) != NULL) {
        socket->pattern->ops->room(socket->pattern, &mcq_conn_of(link)->peer);
        socket->news |= MCQ_NEWS_OUT;
        is_any = true;
    }
    return is_any;
}

void mcq_socket_flush(struct mcq_socket *socket)
{
    mcq_socket_share(socket);
    while (mcq_link_flush_some(&socket->group, UINT64_MAX, SIZE_MAX) > 0)
        continue;
    (void) mcq_socket_tell_room(socket);
}

/* Writes to those that wait longest, so nobody is left out; the engine has it gone on with. */
static void flush_slice(struct mcq_socket *socket)
{
    struct mcq_link_group *group = &socket->group;
    size_t left = FLUSH_MAX;
    size_t count;

    while (left > 0 && (count = mcq_link_flush_some(group, socket->flush_before, left)) > 0)
        left -= count;
    if (group->dirty_first != NULL && group->dirty_first->dirty_at < socket->flush_before) {
        socket->is_flushing = true;
        mcq_socket_ask(socket, MCQ_REQUEST_FLUSH);
    }
    socket->flush_peers += FLUSH_MAX - (uint32_t) left;
    socket->is_wide =
        !socket->engine->is_inline && (socket->is_flushing || socket->flush_peers > FLUSH_MAX);
    (void) mcq_socket_tell_room(socket);
}

/* The next flush is of the links that were dirty at this count. */
static void count_from(struct mcq_socket *socket, uint64_t before)
{
    socket->flush_before = before;
    socket->flush_queued = socket->group.queued_count;
    socket->flush_peers = 0;
    socket->batch_count = 0;
}

/* The links that were dirty at this count. One flush at a time: who comes later is of the next. */
static void start_flush(struct mcq_socket *socket, uint64_t before)
{
    if (socket->is_flushing)
        return;
    count_from(socket, before);
    flush_slice(socket);
    socket->flush_begun_ns = socket->is_flushing ? mcq_engine_now_ns(socket->engine) : 0;
    atomic_store_explicit(&socket->tail_ns, MCQ_TAIL_NS, memory_order_relaxed);
}

void mcq_socket_begin_flush(struct mcq_socket *socket)
{
    mcq_socket_share(socket);
    if (socket->engine->is_inline)
        mcq_socket_flush(socket); /* nobody else would go on */
    else
        start_flush(socket, socket->group.dirty_count);
}

/* All that waits, by the engine. The caller goes on. */
static void hand_over(struct mcq_socket *socket, uint64_t now_ns)
{
    mcq_socket_share(socket);
    count_from(socket, socket->group.dirty_count);
    socket->flush_begun_ns = now_ns;
    socket->is_flushing = true;
    socket->is_batching = true;
    mcq_socket_ask(socket, MCQ_REQUEST_FLUSH);
}

/* Whether the next flush has enough for each of those who wait. Where each message is for another
 * one, many messages are not enough. */
static bool is_enough(const struct mcq_socket *socket)
{
    const struct mcq_link_group *group = &socket->group;

    return socket->batch_count >= GATHER_COUNT &&
           group->queued_count - socket->flush_queued >=
               GATHER_COUNT * (group->dirty_count - socket->flush_before);
}

/* To many peers: the first message after silence has the engine begin a flush; what is sent while
 * that is under way shares the next one, which begins when there is enough for it, else with the
 * tail. */
void mcq_socket_gather(struct mcq_socket *socket, uint32_t send_count)
{
    socket->batch_count += send_count;
    if (socket->is_flushing)
        socket->is_batching = true;
    else if (!socket->is_batching || is_enough(socket))
        hand_over(socket, mcq_engine_now_ns(socket->engine));
}

/* Whether a sender reads this in place of the engine, which tries again: all that is sent until it
 * finds the lock free shares the writes. */
static bool is_in_burst(const struct mcq_socket *socket)
{
    const struct mcq_engine *engine = socket->engine;

    return socket->is_batching && socket->batch_count < SPARE_COUNT && engine->has_thread &&
           !pthread_equal(pthread_self(), engine->thread);
}

/* Many peers take their time: the next tail waits as long, so that what is sent meanwhile shares
 * writes. */
void mcq_socket_on_flush(struct mcq_socket *socket)
{
    uint64_t now_ns;
    uint64_t took_ns;

    if (is_in_burst(socket)) {
        mcq_socket_ask(socket, MCQ_REQUEST_FLUSH);
        return;
    }
    mcq_socket_share(socket);
    socket->is_flushing = false;
    flush_slice(socket);
    if (socket->is_flushing)
        return;
    now_ns = mcq_engine_now_ns(socket->engine);
    took_ns = now_ns - socket->flush_begun_ns;
    took_ns = took_ns < MCQ_TAIL_NS ? MCQ_TAIL_NS : mcq_min_u64(took_ns, TAIL_MAX_NS);
    atomic_store_explicit(&socket->tail_ns, took_ns, memory_order_relaxed);
    if (!socket->is_wide)
        return;
    if (is_enough(socket))
        hand_over(socket, now_ns);
    else if (!mcq_socket_has_unsent(socket))
        socket->is_batching = false;
}

/* The stream takes more. A PONG that had not fitted kept its peer from being read, and what that
 * has sent may have no other edge. */
static void resume_output(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_link *link = &conn->peer.link;
    bool was_held = mcq_link_is_held(link);

    link->can_write = true;
    mcq_link_flush(link);
    if (!was_held || !mcq_link_is_readable(link))
        return;
    mcq_socket_set_unread(socket, conn);
    mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
}

bool mcq_socket_harvest_output(struct mcq_socket *socket)
{
    struct mcq_ready_event events[MCQ_HARVEST_COUNT];
    size_t count;

    if (socket->stream_count == 0)
        return mcq_socket_tell_room(socket);
    do {
        count = mcq_ready_harvest(socket->group.out_set, events, MCQ_HARVEST_COUNT);
        for (size_t i = 0; i < count; i++) {
            struct mcq_conn *conn = mcq_socket_conn_of(socket, events[i].key);

            if (conn != NULL && conn->peer.link.is_up && !conn->peer.link.is_lost)
                resume_output(socket, conn);
        }
    } while (count == MCQ_HARVEST_COUNT);
    return mcq_socket_tell_room(socket);
}

static void watch_output(struct mcq_socket *socket)
{
    socket->is_out_guarded = true;
    mcq_socket_ask(socket, MCQ_REQUEST_OUT_WATCH);
}

/* What is gathered for many peers leaves with the tail, and waits for no second look. */
static void tell_tail(struct mcq_socket *socket)
{
    const struct mcq_link_group *group = &socket->group;
    uint64_t oldest = group->dirty_first != NULL ? group->dirty_first->dirty_at : UINT64_MAX;

    atomic_store_explicit(&socket->tail_oldest, socket->is_wide ? 0 : oldest, memory_order_relaxed);
    atomic_store_explicit(&socket->tail_puts, group->put_count, memory_order_relaxed);
    atomic_store_explicit(&socket->tail_answers, group->answered != NULL, memory_order_relaxed);
    atomic_store_explicit(&socket->tail_count, group->dirty_count, memory_order_release);
}

static void guard_tail(struct mcq_socket *socket)
{
    mcq_socket_share(socket); /* the tail is what is dirty now */
    if (socket->group.dirty_first == NULL)
        return;
    tell_tail(socket);
    socket->tail_before = socket->group.dirty_count;
    socket->tail_puts_seen = socket->group.put_count;
    socket->is_tail_guarded = true;
    mcq_socket_ask(socket, MCQ_REQUEST_TAIL_TIMER);
}

void mcq_socket_guard_output(struct mcq_socket *socket)
{
    if (socket->group.blocked_count > 0 && !socket->is_out_guarded)
        watch_output(socket);
    if (socket->is_tail_guarded)
        tell_tail(socket);
    else if (mcq_socket_has_unsent(socket) && !socket->is_flushing)
        guard_tail(socket);
}

void mcq_socket_on_output(struct mcq_socket *socket)
{
    (void) mcq_socket_harvest_output(socket);
    socket->is_out_guarded = false;
    if (socket->group.blocked_count > 0)
        watch_output(socket);
}

void mcq_socket_on_tail(struct mcq_socket *socket)
{
    bool is_silent = socket->group.put_count == socket->tail_puts_seen;

    socket->is_tail_guarded = false;
    if (socket->group.dirty_first != NULL) {
        start_flush(socket, socket->tail_before);
        is_silent = is_silent || socket->group.dirty_first == NULL;
    }
    if (is_silent) {
        socket->is_batching = false;
        socket->dense_count = 0;
    }
}
