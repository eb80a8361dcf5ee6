#include "runtime/socket.h"

#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "table/option.h"

#define MS UINT64_C(1000000)
#define COLD_NS (5 * MS) /* docs/adr/0006: the balance of wake-ups and a silent owner's delay */
#define TAIL_NS (MS / 2) /* the unsent tail leaves after at most twice this and the timer's slack */
#define TAIL_MAX_NS (4 * MS) /* the same where there are many peers */
#define DRAIN_NS (1000 * MS) /* for a peer to take what was sent, and to say that it ends, too */
#define RELIEF_NS (10 * MS)  /* who has to do without memory looks again */
#define TRIM_NS (200 * MS)   /* who has done nothing for so long gives some back */
#define HARVEST_COUNT 64
#define SERVE_MAX 256 /* peers in one service: others wait for the lock */
#define FLUSH_MAX 32  /* the same for writes */

/* What the engine tells the holder. */
enum socket_event {
    EVENT_IN_EDGE = 1,
    EVENT_COLD_DUE = 2,
    EVENT_OUT_EDGE = 4,
    EVENT_TAIL_DUE = 8,
    EVENT_TICK_DUE = 16,
    EVENT_CLOSE_DUE = 32,
    EVENT_RELIEF_DUE = 64,
    EVENT_FLUSH_DUE = 128,
};

/* What the holder asks of the engine. */
enum socket_request {
    REQUEST_IN_WATCH = 1,
    REQUEST_COLD_TIMER = 2,
    REQUEST_OUT_WATCH = 4,
    REQUEST_TAIL_TIMER = 8,
    REQUEST_TICK_TIMER = 16,
    REQUEST_CLOSE_TIMER = 32,
    REQUEST_SERVE_AGAIN = 64,
    REQUEST_END = 128,
    REQUEST_RELIEF_TIMER = 256,
    REQUEST_FLUSH = 512,
    REQUEST_TRIM_TIMER = 1024,
};

static void ask(struct mcq_socket *socket, uint32_t request)
{
    (void) atomic_fetch_or_explicit(&socket->requests, request, memory_order_release);
    mcq_engine_post(socket->engine, &socket->task);
}

/* --- input ----------------------------------------------------------------------------------- */

void mcq_socket_set_unread(struct mcq_socket *socket, struct mcq_conn *conn)
{
    if (conn->is_unread)
        return;
    conn->is_unread = true;
    conn->unread_next = NULL;
    *socket->unread_end = conn;
    socket->unread_end = &conn->unread_next;
}

static struct mcq_conn *next_unread(struct mcq_socket *socket)
{
    struct mcq_conn *conn = socket->unread;

    if (conn == NULL)
        return NULL;
    socket->unread = conn->unread_next;
    if (socket->unread == NULL)
        socket->unread_end = &socket->unread;
    conn->is_unread = false;
    return conn;
}

static struct mcq_conn *conn_of_key(const struct mcq_socket *socket, struct mcq_ready_key key)
{
    struct mcq_conn *conn = key.slot < socket->slot_count ? socket->slots[key.slot].conn : NULL;

    return conn != NULL && conn->key.generation == key.generation ? conn : NULL;
}

static size_t harvest_input_some(struct mcq_socket *socket)
{
    struct mcq_ready_event events[HARVEST_COUNT];
    size_t count = mcq_ready_harvest(socket->group.in_set, events, HARVEST_COUNT);

    for (size_t i = 0; i < count; i++) {
        struct mcq_conn *conn = conn_of_key(socket, events[i].key);

        if (conn == NULL || !conn->peer.link.is_up || conn->peer.link.is_lost)
            continue;
        conn->peer.link.can_read = true;
        mcq_socket_set_unread(socket, conn);
    }
    return count;
}

/* What the peer says is the pattern's to hear; else somebody has to take it. */
static void pass_on(struct mcq_socket *socket, struct mcq_conn *conn)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->hear != NULL)
        ops->hear(socket->pattern, &conn->peer);
    if (ops->can_recv)
        ops->readable(socket->pattern, &conn->peer);
}

bool mcq_socket_harvest_input(struct mcq_socket *socket)
{
    struct mcq_conn *conn;
    bool is_any = false;

    socket->since_harvest = 0;
    while (harvest_input_some(socket) == HARVEST_COUNT)
        continue;
    while ((conn = next_unread(socket)) != NULL) {
        pass_on(socket, conn);
        is_any = true;
    }
    return is_any;
}

/* Messages of a closing socket's peers are nobody's. */
static void discard(struct mcq_conn *conn)
{
    struct mcq_event event;
    struct mcq_msg msg;

    while (mcq_link_hear(&conn->peer.link, &msg, &event) == MCQ_OK)
        if (event.kind == MCQ_EVENT_BODY)
            mcq_msg_fini(&msg);
}

/* Whether the pattern takes what peers say, whatever the application does. */
static bool hears_on(const struct mcq_pattern *pattern)
{
    return pattern->ops->hear != NULL &&
           (pattern->ops->is_deaf == NULL || !pattern->ops->is_deaf(pattern));
}

/* The engine's way of reading: what the owner of the socket would have done. True: there is more
 * that need not wait for the application. */
static bool serve_conn(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_link *link = &conn->peer.link;

    if (socket->state == MCQ_SOCKET_CLOSING) {
        discard(conn);
    } else if (socket->pattern->ops->hear != NULL) {
        pass_on(socket, conn);
        socket->news |= socket->pattern->ops->can_recv ? MCQ_NEWS_ALL : MCQ_NEWS_OUT;
    } else if (mcq_link_prefetch(link)) {
        pass_on(socket, conn);
        socket->news |= MCQ_NEWS_IN;
    }
    /* A peer that does not take its PONG is read on once it has (resume_output). */
    if (!link->is_up || link->is_lost || !link->can_read || mcq_link_is_held(link))
        return false;
    mcq_socket_set_unread(socket, conn);
    return hears_on(socket->pattern) && !link->is_starved;
}

static void serve_input(struct mcq_socket *socket)
{
    struct mcq_conn *last_conn;
    struct mcq_conn *conn;
    bool has_more = false;

    while (harvest_input_some(socket) == HARVEST_COUNT)
        continue;
    last_conn = socket->unread == NULL
                    ? NULL
                    : (struct mcq_conn *) ((char *) socket->unread_end -
                                           offsetof(struct mcq_conn, unread_next));
    for (uint32_t i = 0; (conn = next_unread(socket)) != NULL; i++) {
        has_more |= serve_conn(socket, conn);
        if (conn == last_conn)
            break;
        if (i == SERVE_MAX) {
            has_more = true;
            break;
        }
    }
    mcq_socket_begin_flush(socket);
    if (has_more)
        ask(socket, REQUEST_SERVE_AGAIN);
}

/* What a queue had no room for has had its edge. */
void mcq_socket_apply_hwm(struct mcq_socket *socket)
{
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL)
            continue;
        mcq_link_set_max(&conn->peer.link, (uint32_t) socket->options.send_hwm,
                         (uint32_t) socket->options.recv_hwm);
        if (mcq_link_has_unread(&conn->peer.link))
            mcq_socket_set_unread(socket, conn);
    }
    if (socket->unread != NULL)
        ask(socket, REQUEST_SERVE_AGAIN);
}

static void watch_input(struct mcq_socket *socket)
{
    socket->is_in_guarded = true;
    socket->is_in_watched = true;
    ask(socket, REQUEST_IN_WATCH);
}

static void wait_for_cold(struct mcq_socket *socket)
{
    socket->in_calls_seen = socket->in_calls;
    socket->is_in_guarded = true;
    socket->is_in_watched = false;
    ask(socket, REQUEST_COLD_TIMER);
}

/* The edges of what the caller knows of are spent, so a watch would not tell of it. */
static bool knows_of_more(const struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    return ops->can_recv && ops->next_readable(socket->pattern, NULL) != NULL;
}

void mcq_socket_guard_input(struct mcq_socket *socket)
{
    if (socket->up_count == 0)
        return;
    if (!socket->is_in_guarded || (socket->is_in_watched && knows_of_more(socket)))
        wait_for_cold(socket);
}

void mcq_socket_begin_input(struct mcq_socket *socket, struct mcq_conn *conn)
{
    if (serve_conn(socket, conn))
        ask(socket, REQUEST_SERVE_AGAIN);
    mcq_socket_begin_flush(socket);
    if (!socket->is_in_guarded && socket->in_sleepers == 0)
        watch_input(socket);
}

/* The owner has gone cold, and may have left octets that it knew of and did not come to: they have
 * no other edge. */
static void take_over_input(struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    struct mcq_peer *peer = NULL;

    if (socket->in_calls == socket->in_calls_served || !ops->can_recv)
        return;
    socket->in_calls_served = socket->in_calls;
    while ((peer = ops->next_readable(socket->pattern, peer)) != NULL)
        if (mcq_link_has_unread(&peer->link))
            mcq_socket_set_unread(socket, (struct mcq_conn *) peer);
}

/* Somebody reads: a watch would only wake the engine for nothing. */
static void on_input(struct mcq_socket *socket)
{
    if (socket->state == MCQ_SOCKET_OPEN && socket->in_calls != socket->in_calls_seen) {
        wait_for_cold(socket);
    } else if (socket->state == MCQ_SOCKET_OPEN && socket->in_sleepers > 0) {
        socket->is_in_guarded = false; /* the sleeper is the guard */
        if (socket->unread != NULL)
            socket->news |= MCQ_NEWS_IN; /* no edge would wake it */
    } else {
        take_over_input(socket);
        serve_input(socket);
        watch_input(socket);
    }
}

/* --- want of memory -------------------------------------------------------------------------- */

/* Grows with whatever a socket does. */
static uint64_t activity(const struct mcq_socket *socket)
{
    return socket->in_calls + socket->group.flush_count + socket->group.put_count;
}

static void guard_relief(struct mcq_socket *socket)
{
    uint32_t request = socket->group.is_starved ? REQUEST_RELIEF_TIMER : REQUEST_TRIM_TIMER;

    socket->group.is_starved = false;
    if (socket->is_relief_guarded)
        return;
    socket->is_relief_guarded = true;
    socket->relief_seen = activity(socket);
    ask(socket, request);
}

/* A burst is over, and its memory is not needed. */
static void trim(struct mcq_socket *socket)
{
    if (activity(socket) != socket->relief_seen)
        return;
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            mcq_link_trim(&socket->slots[i].conn->peer.link);
    mcq_link_group_trim(&socket->group);
}

/* Some time has passed, and memory may have come free: who was not read is. */
static void on_relief(struct mcq_socket *socket)
{
    bool is_any = false;

    socket->is_relief_guarded = false;
    if (socket->group.is_swollen)
        trim(socket);
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_starved)
            continue;
        conn->peer.link.is_starved = false;
        mcq_socket_set_unread(socket, conn);
        is_any = true;
    }
    if (is_any && socket->state == MCQ_SOCKET_OPEN && socket->in_sleepers > 0)
        socket->news |= MCQ_NEWS_IN;
    else if (is_any)
        serve_input(socket);
}

static struct mcq_link *most_begun(struct mcq_socket *socket, uint64_t *most)
{
    struct mcq_link *found = NULL;

    *most = 0;
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_up || conn->peer.link.is_lost ||
            mcq_link_begun_bytes(&conn->peer.link) <= *most)
            continue;
        found = &conn->peer.link;
        *most = mcq_link_begun_bytes(found);
    }
    return found;
}

bool mcq_socket_shed(struct mcq_socket *socket, uint64_t least)
{
    struct mcq_link *link;
    bool is_shed;
    uint64_t most;

    mcq_lock_take(&socket->lock);
    link = most_begun(socket, &most);
    is_shed = link != NULL && most >= least;
    if (is_shed)
        mcq_link_lose(link, MCQ_LIMIT);
    if (is_shed)
        (void) most_begun(socket, &most);
    atomic_store_explicit(&socket->begun_most, most, memory_order_relaxed);
    mcq_socket_leave(socket);
    return is_shed;
}

/* --- output ---------------------------------------------------------------------------------- */

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
    struct mcq_link *link;

    while ((link = socket->group.dirty_first) != NULL) {
        mcq_link_flush(link);
        mcq_assert_hot(!link->is_dirty); /* written, blocked or lost */
    }
    (void) mcq_socket_tell_room(socket);
}

/* Writes to those that wait longest, so nobody is left out; the engine has it gone on with. */
static void flush_slice(struct mcq_socket *socket)
{
    struct mcq_link *link;

    for (int i = 0; (link = socket->group.dirty_first) != NULL; i++) {
        if (link->dirty_at >= socket->flush_before)
            break;
        if (i == FLUSH_MAX) {
            socket->is_flushing = true;
            ask(socket, REQUEST_FLUSH);
            break;
        }
        mcq_link_flush(link);
        mcq_assert_hot(!link->is_dirty);
    }
    (void) mcq_socket_tell_room(socket);
}

/* The links that were dirty at this count. One flush at a time: who came later waits for the next.
 */
static void start_flush(struct mcq_socket *socket, uint64_t before)
{
    if (socket->is_flushing)
        return;
    socket->flush_before = before;
    flush_slice(socket);
    socket->flush_begun_ns = socket->is_flushing ? mcq_engine_now_ns(socket->engine) : 0;
    atomic_store_explicit(&socket->tail_ns, TAIL_NS, memory_order_relaxed);
}

void mcq_socket_begin_flush(struct mcq_socket *socket)
{
    if (socket->engine->is_inline)
        mcq_socket_flush(socket); /* nobody else would go on */
    else
        start_flush(socket, socket->group.dirty_count);
}

/* Many peers take their time: the next tail waits as long, so that what is sent meanwhile shares
 * writes. */
static void on_flush(struct mcq_socket *socket)
{
    uint64_t took_ns;

    socket->is_flushing = false;
    flush_slice(socket);
    if (socket->is_flushing)
        return;
    took_ns = mcq_engine_now_ns(socket->engine) - socket->flush_begun_ns;
    took_ns = took_ns < TAIL_NS ? TAIL_NS : mcq_min_u64(took_ns, TAIL_MAX_NS);
    atomic_store_explicit(&socket->tail_ns, took_ns, memory_order_relaxed);
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
    ask(socket, REQUEST_SERVE_AGAIN);
}

bool mcq_socket_harvest_output(struct mcq_socket *socket)
{
    struct mcq_ready_event events[HARVEST_COUNT];
    size_t count;

    do {
        count = mcq_ready_harvest(socket->group.out_set, events, HARVEST_COUNT);
        for (size_t i = 0; i < count; i++) {
            struct mcq_conn *conn = conn_of_key(socket, events[i].key);

            if (conn != NULL && conn->peer.link.is_up && !conn->peer.link.is_lost)
                resume_output(socket, conn);
        }
    } while (count == HARVEST_COUNT);
    return mcq_socket_tell_room(socket);
}

static void watch_output(struct mcq_socket *socket)
{
    socket->is_out_guarded = true;
    ask(socket, REQUEST_OUT_WATCH);
}

static void guard_tail(struct mcq_socket *socket)
{
    socket->tail_before = socket->group.dirty_count;
    socket->tail_puts_seen = socket->group.put_count;
    socket->is_tail_guarded = true;
    ask(socket, REQUEST_TAIL_TIMER);
}

void mcq_socket_guard_output(struct mcq_socket *socket)
{
    if (socket->group.blocked_count > 0 && !socket->is_out_guarded)
        watch_output(socket);
    if (socket->group.dirty_first != NULL && !socket->is_tail_guarded && !socket->is_flushing)
        guard_tail(socket);
}

static void on_output(struct mcq_socket *socket)
{
    (void) mcq_socket_harvest_output(socket);
    socket->is_out_guarded = false;
    if (socket->group.blocked_count > 0)
        watch_output(socket);
}

static void on_tail(struct mcq_socket *socket)
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

/* --- deadlines of links ---------------------------------------------------------------------- */

void mcq_socket_set_tick(struct mcq_socket *socket)
{
    uint64_t at_ns = MCQ_NEVER_NS;

    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            at_ns = mcq_min_u64(at_ns, mcq_link_deadline_ns(&socket->slots[i].conn->peer.link));
    if (at_ns == atomic_load_explicit(&socket->tick_at_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&socket->tick_at_ns, at_ns, memory_order_release);
    ask(socket, REQUEST_TICK_TIMER);
}

static void on_tick(struct mcq_socket *socket)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || mcq_link_deadline_ns(&conn->peer.link) > now_ns)
            continue;
        /* A verdict about a silent peer follows a last look at what it has sent. */
        if (!conn->peer.link.is_lost) {
            conn->peer.link.can_read = true;
            if (serve_conn(socket, conn))
                ask(socket, REQUEST_SERVE_AGAIN);
        }
        if (conn->peer.link.is_up && !conn->peer.link.is_lost)
            mcq_link_tick(&conn->peer.link, now_ns);
    }
    atomic_store_explicit(&socket->tick_at_ns, MCQ_NEVER_NS, memory_order_relaxed);
    mcq_socket_set_tick(socket);
}

/* --- closing --------------------------------------------------------------------------------- */

static bool has_waiting(const struct mcq_socket *socket)
{
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL &&
            mcq_link_waiting_count(&socket->slots[i].conn->peer.link) > 0)
            return true;
    return false;
}

/* All messages are with the kernel. A stream that is closed while octets of its peer are unread
 * resets, and what the peer has not read yet may be lost; so we say that we end, read on, and close
 * when the peer ends, too. */
static void begin_drain(struct mcq_socket *socket, uint64_t now_ns)
{
    socket->is_draining = true;
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_up)
            continue;
        if (conn->peer.link.has_sent && socket->options.linger_ms != 0) {
            mcq_reactor_shutdown(socket->engine->reactor, conn->peer.link.fd);
            conn->peer.link.can_read = true;
            mcq_socket_set_unread(socket, conn);
        } else {
            mcq_conn_down(conn);
        }
    }
    mcq_socket_stop_endpoints(socket, false);
    atomic_store_explicit(&socket->close_at_ns, now_ns + DRAIN_NS, memory_order_release);
    ask(socket, REQUEST_CLOSE_TIMER);
    serve_input(socket);
    mcq_socket_bury(socket);
}

static void end_all(struct mcq_socket *socket)
{
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            mcq_conn_down(socket->slots[i].conn);
}

/* What is left to do before a closing socket is no more; asked whenever something has changed. */
static void close_step(struct mcq_socket *socket)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    if (socket->is_finishing)
        return;
    if (!socket->is_draining) {
        if (now_ns < socket->linger_until_ns && has_waiting(socket))
            return;
        begin_drain(socket, now_ns);
    }
    if (socket->up_count > 0 && now_ns < atomic_load(&socket->close_at_ns))
        return;
    end_all(socket);
    mcq_socket_stop_endpoints(socket, true);
    if (socket->endpoints != NULL || socket->conn_count > 0 || socket->call_count > 0)
        return;
    socket->is_finishing = true;
    ask(socket, REQUEST_END);
}

static void begin_close(struct mcq_socket *socket)
{
    int linger_ms = socket->options.linger_ms;
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    if (socket->has_peeked && socket->peeked_err == MCQ_OK)
        mcq_msg_fini(&socket->peeked);
    socket->has_peeked = false;
    socket->state = MCQ_SOCKET_CLOSING;
    socket->news |= MCQ_NEWS_ALL;
    socket->linger_until_ns = linger_ms < 0 ? MCQ_NEVER_NS : now_ns + (uint64_t) linger_ms * MS;
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            mcq_link_cut(&socket->slots[i].conn->peer.link);
    mcq_socket_stop_endpoints(socket, false);
    mcq_socket_flush(socket);
    mcq_socket_guard_output(socket);
    watch_input(socket);
    if (linger_ms > 0) {
        atomic_store_explicit(&socket->close_at_ns, socket->linger_until_ns, memory_order_release);
        ask(socket, REQUEST_CLOSE_TIMER);
    }
}

/* --- the lock -------------------------------------------------------------------------------- */

/* Why a call may not go on. */
static enum mcq_err refusal(const struct mcq_socket *socket)
{
    switch (socket->state) {
    case MCQ_SOCKET_OPEN: return socket->is_terminated ? MCQ_TERMINATED : MCQ_OK;
    case MCQ_SOCKET_FORKED: return MCQ_FORKED;
    default: return MCQ_NOT_OPEN;
    }
}

enum mcq_err mcq_socket_enter(struct mcq_socket *socket)
{
    enum mcq_err err;

    mcq_lock_take(&socket->lock);
    if (MCQ_LIKELY(socket->state == MCQ_SOCKET_OPEN && !socket->is_terminated))
        return MCQ_OK;
    err = refusal(socket);
    mcq_socket_leave(socket);
    return err;
}

/* All that a call does on its way out is left undone: the parent does it. */
void mcq_socket_mark_forked(struct mcq_socket *socket)
{
    mcq_lock_init(&socket->lock);
    socket->state = MCQ_SOCKET_FORKED;
    socket->up_count = 0;
    socket->news = 0;
    socket->ending = NULL;
    socket->group.lost_first = NULL;
    socket->group.roomy_first = NULL;
    socket->group.dirty_first = NULL;
    socket->group.blocked_count = 0;
    socket->group.is_starved = false;
    socket->group.is_swollen = false;
}

static void signal_waiters(struct mcq_socket *socket)
{
    for (struct mcq_waiter *waiter = socket->waiters; waiter != NULL; waiter = waiter->next)
        if (waiter->wants & socket->news)
            mcq_sleeper_signal(waiter->sleeper);
}

static MCQ_COLD void read_mail(struct mcq_socket *socket)
{
    struct mcq_letter *letter = mcq_lock_take_letters(&socket->lock);

    while (letter != NULL) {
        struct mcq_mail *mail = (struct mcq_mail *) letter; /* its first member */

        letter = letter->next;
        mail->read(mail, socket);
    }
}

static void settle(struct mcq_socket *socket)
{
    if (MCQ_UNLIKELY(socket->group.lost_first != NULL || socket->ending != NULL))
        mcq_socket_bury(socket);
    if (MCQ_UNLIKELY(socket->group.roomy_first != NULL))
        (void) mcq_socket_tell_room(socket);
    if (MCQ_UNLIKELY(socket->state == MCQ_SOCKET_CLOSING))
        close_step(socket);
    if (MCQ_UNLIKELY((socket->group.is_starved || socket->group.is_swollen) &&
                     !socket->is_finishing))
        guard_relief(socket);
    if (MCQ_UNLIKELY(socket->news != 0)) {
        signal_waiters(socket);
        socket->news = 0;
    }
}

void mcq_socket_leave(struct mcq_socket *socket)
{
    settle(socket);
    while (MCQ_UNLIKELY(!mcq_lock_release(&socket->lock))) {
        read_mail(socket);
        settle(socket);
    }
}

void mcq_socket_pause(struct mcq_socket *socket)
{
    socket->call_count++;
    mcq_socket_leave(socket);
}

enum mcq_err mcq_socket_resume(struct mcq_socket *socket)
{
    mcq_lock_take(&socket->lock);
    socket->call_count--;
    return refusal(socket);
}

void mcq_socket_post(struct mcq_socket *socket, struct mcq_mail *mail)
{
    if (mcq_lock_post(&socket->lock, &mail->letter))
        mcq_socket_leave(socket);
}

/* --- the engine's side ----------------------------------------------------------------------- */

static void read_events(struct mcq_mail *mail, struct mcq_socket *socket)
{
    uint32_t events;

    (void) mail;
    (void) atomic_exchange_explicit(&socket->is_mailed, false, memory_order_acq_rel);
    events = atomic_exchange_explicit(&socket->events, 0, memory_order_acquire);
    if (socket->state == MCQ_SOCKET_FREE || socket->is_finishing)
        return;
    if (events & EVENT_OUT_EDGE)
        on_output(socket);
    if (events & (EVENT_IN_EDGE | EVENT_COLD_DUE))
        on_input(socket);
    if (events & EVENT_TAIL_DUE)
        on_tail(socket);
    if (events & EVENT_FLUSH_DUE)
        on_flush(socket);
    if (events & EVENT_TICK_DUE)
        on_tick(socket);
    if (events & EVENT_RELIEF_DUE)
        on_relief(socket);
    mcq_socket_guard_output(socket);
}

static void tell(struct mcq_socket *socket, uint32_t event)
{
    if (socket->is_ended)
        return;
    (void) atomic_fetch_or_explicit(&socket->events, event, memory_order_release);
    if (!atomic_exchange_explicit(&socket->is_mailed, true, memory_order_acq_rel))
        mcq_socket_post(socket, &socket->mail);
}

static void try_to_end(struct mcq_socket *socket);

#define SOCKET_OF(wait, member)                                                                    \
    ((struct mcq_socket *) ((char *) (wait) -offsetof(struct mcq_socket, member)))

/* The watch or timer is over, or was canceled because the socket ends. */
static void on_wait(struct mcq_socket *socket, uint32_t event)
{
    tell(socket, event);
    try_to_end(socket);
}

static void in_watch_done(struct mcq_wait *wait)
{
    on_wait(SOCKET_OF(wait, in_watch), EVENT_IN_EDGE);
}

static void out_watch_done(struct mcq_wait *wait)
{
    on_wait(SOCKET_OF(wait, out_watch), EVENT_OUT_EDGE);
}

static void cold_timer_done(struct mcq_wait *wait)
{
    on_wait(SOCKET_OF(wait, cold_timer), EVENT_COLD_DUE);
}

static void tail_timer_done(struct mcq_wait *wait)
{
    on_wait(SOCKET_OF(wait, tail_timer), EVENT_TAIL_DUE);
}

/* Nobody is waited for in vain: what is not whole, and cannot become so, gives way. */
static void relief_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = SOCKET_OF(wait, relief_timer);

    if (!socket->is_ended)
        mcq_context_relieve(socket->context);
    on_wait(socket, EVENT_RELIEF_DUE);
}

static void arm_tick(struct mcq_socket *socket);
static void arm_close(struct mcq_socket *socket);

/* A timer that was canceled to be armed for another time is armed then. */
static void tick_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = SOCKET_OF(wait, tick_timer);

    if (wait->op.result == MCQ_IO_CANCELED && !socket->is_ended)
        arm_tick(socket);
    else
        on_wait(socket, EVENT_TICK_DUE);
}

static void close_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = SOCKET_OF(wait, close_timer);

    if (wait->op.result == MCQ_IO_CANCELED && !socket->is_ended)
        arm_close(socket);
    else
        on_wait(socket, EVENT_CLOSE_DUE);
}

/* Where nothing can be armed the event is told at once: work is done too early, never not at all.
 */
static void arm_watch(struct mcq_socket *socket, struct mcq_wait *wait,
                      const struct mcq_ready_set *set, uint32_t event)
{
    if (mcq_engine_poll(socket->engine, wait, mcq_ready_fd(set), MCQ_OP_POLL_IN) != MCQ_OK)
        tell(socket, event);
}

static void arm_timer(struct mcq_socket *socket, struct mcq_wait *wait, uint64_t at_ns,
                      uint32_t event)
{
    if (mcq_engine_timer(socket->engine, wait, at_ns) != MCQ_OK)
        tell(socket, event);
}

static void arm_at(struct mcq_socket *socket, struct mcq_wait *wait, uint64_t at_ns, uint32_t event)
{
    if (mcq_wait_is_armed(wait))
        mcq_reactor_cancel(socket->engine->reactor, &wait->op);
    else if (at_ns != MCQ_NEVER_NS)
        arm_timer(socket, wait, at_ns, event);
}

static void arm_tick(struct mcq_socket *socket)
{
    arm_at(socket, &socket->tick_timer,
           atomic_load_explicit(&socket->tick_at_ns, memory_order_acquire), EVENT_TICK_DUE);
}

static void arm_close(struct mcq_socket *socket)
{
    arm_at(socket, &socket->close_timer,
           atomic_load_explicit(&socket->close_at_ns, memory_order_acquire), EVENT_CLOSE_DUE);
}

static void cancel_all(struct mcq_socket *socket)
{
    struct mcq_wait *waits[] = {&socket->in_watch,    &socket->out_watch,  &socket->cold_timer,
                                &socket->tail_timer,  &socket->tick_timer, &socket->close_timer,
                                &socket->relief_timer};

    for (size_t i = 0; i < MCQ_COUNTOF(waits); i++)
        mcq_reactor_cancel(socket->engine->reactor, &waits[i]->op);
}

static void run_requests(struct mcq_task *task)
{
    struct mcq_socket *socket = SOCKET_OF(task, task);
    uint32_t requests = atomic_exchange_explicit(&socket->requests, 0, memory_order_acquire);
    uint64_t now_ns;

    if (socket->is_ended || (requests & REQUEST_END)) {
        socket->is_ended = true;
        cancel_all(socket);
        try_to_end(socket);
        return;
    }
    if (requests & REQUEST_IN_WATCH)
        arm_watch(socket, &socket->in_watch, socket->group.in_set, EVENT_IN_EDGE);
    if (requests & REQUEST_OUT_WATCH)
        arm_watch(socket, &socket->out_watch, socket->group.out_set, EVENT_OUT_EDGE);
    if (requests &
        (REQUEST_COLD_TIMER | REQUEST_TAIL_TIMER | REQUEST_RELIEF_TIMER | REQUEST_TRIM_TIMER)) {
        now_ns = mcq_engine_now_ns(socket->engine);
        if (requests & REQUEST_COLD_TIMER)
            arm_timer(socket, &socket->cold_timer, now_ns + COLD_NS, EVENT_COLD_DUE);
        if (requests & REQUEST_TAIL_TIMER)
            arm_timer(socket, &socket->tail_timer,
                      now_ns + atomic_load_explicit(&socket->tail_ns, memory_order_relaxed),
                      EVENT_TAIL_DUE);
        if (requests & REQUEST_RELIEF_TIMER)
            arm_timer(socket, &socket->relief_timer, now_ns + RELIEF_NS, EVENT_RELIEF_DUE);
        if (requests & REQUEST_TRIM_TIMER)
            arm_timer(socket, &socket->relief_timer, now_ns + TRIM_NS, EVENT_RELIEF_DUE);
    }
    if (requests & REQUEST_SERVE_AGAIN)
        tell(socket, EVENT_COLD_DUE);
    if (requests & REQUEST_FLUSH)
        tell(socket, EVENT_FLUSH_DUE);
    if (requests & REQUEST_TICK_TIMER)
        arm_tick(socket);
    if (requests & REQUEST_CLOSE_TIMER)
        arm_close(socket);
}

/* --- life ------------------------------------------------------------------------------------ */

static int preset(const struct mcq_socket *socket, enum mcq_option_id id)
{
    return (int) mcq_option_default(id, socket->type);
}

static void init_options(struct mcq_socket *socket)
{
    socket->options = (struct mcq_socket_options) {
        .linger_ms = preset(socket, MCQ_OPTION_LINGER),
        .recv_timeout_ms = preset(socket, MCQ_OPTION_RCVTIMEO),
        .send_timeout_ms = preset(socket, MCQ_OPTION_SNDTIMEO),
        .send_hwm = preset(socket, MCQ_OPTION_SNDHWM),
        .recv_hwm = preset(socket, MCQ_OPTION_RCVHWM),
        .backlog = preset(socket, MCQ_OPTION_BACKLOG),
        .reconnect_ms = preset(socket, MCQ_OPTION_RECONNECT_IVL),
        .reconnect_max_ms = preset(socket, MCQ_OPTION_RECONNECT_IVL_MAX),
        .reconnect_stop = preset(socket, MCQ_OPTION_RECONNECT_STOP),
        .connect_timeout_ms = preset(socket, MCQ_OPTION_CONNECT_TIMEOUT),
        .has_full_jitter = preset(socket, MCQ_OPTION_RECONNECT_JITTER),
        .handshake_ms = preset(socket, MCQ_OPTION_HANDSHAKE_IVL),
        .strangers_max = preset(socket, MCQ_OPTION_STRANGERS_MAX),
        .command_max = preset(socket, MCQ_OPTION_COMMAND_MAX),
        .properties_max = preset(socket, MCQ_OPTION_PROPERTIES_MAX),
        .parts_max = preset(socket, MCQ_OPTION_PARTS_MAX),
        .message_max = preset(socket, MCQ_OPTION_MESSAGE_MAX),
        .subscriptions_max = preset(socket, MCQ_OPTION_SUBSCRIPTIONS_MAX),
        .heartbeat_ms = preset(socket, MCQ_OPTION_HEARTBEAT_IVL),
        .heartbeat_ttl_ms = preset(socket, MCQ_OPTION_HEARTBEAT_TTL),
        .heartbeat_timeout_ms = preset(socket, MCQ_OPTION_HEARTBEAT_TIMEOUT),
        .meets_older = preset(socket, MCQ_OPTION_OLDER_PEERS),
        .max_message_bytes = preset(socket, MCQ_OPTION_MAXMSGSIZE),
    };
}

static enum mcq_err open_pattern(struct mcq_socket *socket, const struct mcq_pattern_ops *ops)
{
    struct mcq_pattern_config config = {.group = &socket->group};
    enum mcq_err err;

    MCQ_TRY(mcq_context_random(socket->context, config.random, sizeof config.random));
    MCQ_TRY(mcq_link_group_init(&socket->group, socket->engine->reactor));
    socket->group.budget = &socket->context->budget;
    socket->group.begun_most = &socket->begun_most;
    socket->group.shares_output = ops->shares_output;
    err = ops->create(&config, &socket->pattern);
    if (err != MCQ_OK)
        mcq_link_group_fini(&socket->group);
    return err;
}

/* A slot keeps its lock and its place in the context's lists. */
static void init_slot(struct mcq_socket *socket)
{
    size_t from = offsetof(struct mcq_socket, pattern);

    memset((char *) socket + from, 0, sizeof *socket - from);
    socket->is_terminated = false;
    socket->is_finishing = false;
    socket->unread_end = &socket->unread;
    socket->mail.read = read_events;
    socket->task.run = run_requests;
    socket->in_watch.done = in_watch_done;
    socket->out_watch.done = out_watch_done;
    socket->cold_timer.done = cold_timer_done;
    socket->tail_timer.done = tail_timer_done;
    socket->tick_timer.done = tick_timer_done;
    socket->close_timer.done = close_timer_done;
    socket->relief_timer.done = relief_timer_done;
    atomic_store_explicit(&socket->tick_at_ns, MCQ_NEVER_NS, memory_order_relaxed);
    atomic_store_explicit(&socket->begun_most, 0, memory_order_relaxed);
    atomic_store_explicit(&socket->tail_ns, TAIL_NS, memory_order_relaxed);
}

enum mcq_err mcq_socket_open(struct mcq_context *context, enum mcq_socket_type type,
                             struct mcq_socket **out)
{
    const struct mcq_pattern_ops *ops = mcq_pattern_find(type);
    struct mcq_socket *socket;
    struct mcq_engine *engine;
    enum mcq_err err;

    if (ops == NULL)
        return MCQ_INVAL;
    mcq_context_help(context); /* a slot may come free */
    MCQ_TRY(mcq_context_take_slot(context, &socket, &engine));
    mcq_lock_take(&socket->lock);
    init_slot(socket);
    socket->context = context;
    socket->engine = engine;
    socket->type = type;
    err = open_pattern(socket, ops);
    if (err == MCQ_OK) {
        init_options(socket);
        socket->state = MCQ_SOCKET_OPEN;
        *out = socket;
    }
    mcq_socket_leave(socket);
    if (err != MCQ_OK)
        mcq_context_put_slot(context, socket);
    return err;
}

enum mcq_err mcq_socket_close(struct mcq_socket *socket)
{
    struct mcq_context *context;
    bool is_mine;

    mcq_lock_take(&socket->lock);
    if (socket->state != MCQ_SOCKET_OPEN) {
        enum mcq_err err = refusal(socket);

        mcq_socket_leave(socket);
        return err;
    }
    begin_close(socket);
    context = socket->context;
    is_mine = mcq_engine_is_mine(socket->engine);
    mcq_socket_leave(socket); /* *socket may be gone, and the context with it */
    if (is_mine)              /* not so: only this thread ends the context */
        mcq_context_help(context);
    return MCQ_OK;
}

void mcq_socket_terminate(struct mcq_socket *socket)
{
    mcq_lock_take(&socket->lock);
    if (socket->state == MCQ_SOCKET_OPEN) {
        socket->is_terminated = true;
        socket->news |= MCQ_NEWS_ALL;
    }
    mcq_socket_leave(socket);
}

/* In the engine's thread, as the last one: no peer, endpoint or caller is left, and once nothing is
 * armed no letter is under way. Who asked for the end may still be between its request and its
 * post, both under the lock: only there is it sure that the task will not come once more. */
static void try_to_end(struct mcq_socket *socket)
{
    if (!socket->is_ended || mcq_wait_is_armed(&socket->in_watch) ||
        mcq_wait_is_armed(&socket->out_watch) || mcq_wait_is_armed(&socket->cold_timer) ||
        mcq_wait_is_armed(&socket->tail_timer) || mcq_wait_is_armed(&socket->tick_timer) ||
        mcq_wait_is_armed(&socket->close_timer) || mcq_wait_is_armed(&socket->relief_timer))
        return;
    mcq_lock_take(&socket->lock);
    if (atomic_load(&socket->task.is_posted)) {
        mcq_socket_leave(socket);
        return;
    }
    socket->pattern->ops->free(socket->pattern);
    mcq_link_group_fini(&socket->group);
    mcq_free(socket->slots);
    socket->slots = NULL;
    socket->slot_count = 0;
    socket->pattern = NULL;
    socket->state = MCQ_SOCKET_FREE;
    mcq_socket_leave(socket);
    mcq_context_put_slot(socket->context, socket);
}
