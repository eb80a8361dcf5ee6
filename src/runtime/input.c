/* Input, and deadlines, of peers that are silent and of the pattern: who reads, and when the engine
 * does. */

#include "base/cache.h"
#include "runtime/holder.h"

#define EDGES_COLD 4  /* where fewer come at once, little is won */
#define SERVE_MAX 256 /* peers in one service: others wait for the lock */
#define COLD_MAX_NS (10 * MCQ_COLD_NS)

void mcq_socket_set_unread(struct mcq_socket *socket, struct mcq_conn *conn)
{
    if (conn->is_unread)
        return;
    conn->is_unread = true;
    conn->unread_next = NULL;
    *socket->unread_end = conn;
    socket->unread_end = &conn->unread_next;
}

void mcq_socket_forget_unread(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_conn **at = &socket->unread;

    if (!conn->is_unread)
        return;
    while (*at != conn)
        at = &(*at)->unread_next;
    *at = conn->unread_next;
    if (conn->unread_next == NULL)
        socket->unread_end = at;
    conn->is_unread = false;
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

static void note_edge(const struct mcq_socket *socket, struct mcq_link *link,
                      const struct mcq_ready_event *event)
{
    mcq_link_set_readable(link);
    link->is_one_of_many = socket->up_count > 1;
    link->hears_end = link->hears_end || event->is_end;
}

/* What an edge changes of its peer: whether it can be read, whose turn it is, the list. */
static void warm_for_edge(const struct mcq_conn *conn)
{
    const struct mcq_peer *peer = &conn->peer;

    mcq_cache_warm(&peer->link, offsetof(struct mcq_link, command_bytes));
    mcq_cache_warm(&peer->epoch,
                   offsetof(struct mcq_peer, route) - offsetof(struct mcq_peer, epoch));
    mcq_cache_warm(&conn->key, sizeof *conn - offsetof(struct mcq_conn, key));
}

/* Many peers are in no cache: they come nearer side by side, not one behind the other. */
static void expect_edges(const struct mcq_socket *socket, const struct mcq_ready_event *events,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = events[i].key.slot;

        if (slot < socket->slot_count && socket->slots[slot].conn != NULL)
            warm_for_edge(socket->slots[slot].conn);
    }
}

static size_t harvest_input_some(struct mcq_socket *socket)
{
    struct mcq_ready_event events[MCQ_HARVEST_COUNT];
    size_t count = mcq_ready_harvest(socket->group.in_set, events, MCQ_HARVEST_COUNT);

    if (count >= EDGES_COLD)
        expect_edges(socket, events, count);
    for (size_t i = 0; i < count; i++) {
        struct mcq_conn *conn = mcq_socket_conn_of(socket, events[i].key);

        if (conn == NULL || !conn->peer.link.is_up || conn->peer.link.is_lost)
            continue;
        note_edge(socket, &conn->peer.link, &events[i]);
        mcq_socket_set_unread(socket, conn);
    }
    return count;
}

static void harvest_edges(struct mcq_socket *socket)
{
    while (harvest_input_some(socket) == MCQ_HARVEST_COUNT)
        continue;
}

/* Messages of a closing socket's peers are nobody's. One that never stops has its turns. */
static void discard(struct mcq_conn *conn)
{
    struct mcq_link *link = &conn->peer.link;
    struct mcq_event event;
    struct mcq_msg msg;

    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(link, &msg, &event) == MCQ_OK; i++) {
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        mcq_tally_drop(&link->tally, MCQ_TALLY_REFUSED, conn->ouster != NULL && !msg.more);
        mcq_msg_fini(&msg);
    }
}

/* Nor is what a peer says whose name is another one's, or that leaves, if the pattern does more
 * with it than hand it on. */
static bool is_unheard(const struct mcq_socket *socket, const struct mcq_conn *conn)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    return conn->ouster != NULL || (conn->is_leaving && (ops->hear != NULL || !ops->can_recv));
}

/* A peer that does not take its PONG is read on once it has (resume_output). */
static bool may_read_on(const struct mcq_link *link)
{
    return link->is_up && !link->is_lost && link->can_read && !link->is_resting &&
           !mcq_link_is_held(link);
}

/* What the peer says is the pattern's to hear; else somebody has to take it. */
static void pass_on(struct mcq_socket *socket, struct mcq_conn *conn)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (is_unheard(socket, conn)) {
        discard(conn);
        if (may_read_on(&conn->peer.link) && !conn->peer.link.is_starved) {
            mcq_socket_set_unread(socket, conn);
            mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
        }
        return;
    }
    if (ops->hear != NULL)
        ops->hear(socket->pattern, &conn->peer);
    if (ops->can_recv)
        ops->readable(socket->pattern, &conn->peer);
}

static struct mcq_conn *last_unread(const struct mcq_socket *socket)
{
    return socket->unread != NULL
               ? MCQ_CONTAINER_OF(socket->unread_end, struct mcq_conn, unread_next)
               : NULL;
}

bool mcq_socket_harvest_input(struct mcq_socket *socket)
{
    struct mcq_conn *last_conn;
    struct mcq_conn *conn;
    bool is_any = false;

    socket->since_harvest = 0;
    if (socket->stream_count > 0)
        harvest_edges(socket);
    last_conn = last_unread(socket);
    while ((conn = next_unread(socket)) != NULL) {
        pass_on(socket, conn);
        is_any = true;
        if (conn == last_conn)
            break;
    }
    return is_any;
}

/* Whether the pattern takes what peers say, whatever the application does. */
static bool hears_on(const struct mcq_pattern *pattern)
{
    return pattern->ops->hear != NULL &&
           (pattern->ops->is_deaf == NULL || !pattern->ops->is_deaf(pattern));
}

void mcq_socket_on_told(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_link *link = &conn->peer.link;

    if (!link->is_up || link->is_lost || socket->state != MCQ_SOCKET_OPEN)
        return;
    mcq_link_set_readable(link);
    pass_on(socket, conn);
    socket->news |= MCQ_NEWS_IN;
    if (socket->pattern->ops->hear == NULL)
        return;
    socket->news |= MCQ_NEWS_OUT; /* a subscription, perhaps */
    mcq_socket_begin_flush(socket);
    if (!link->can_read || link->is_lost || !hears_on(socket->pattern))
        return;
    mcq_socket_set_unread(socket, conn);
    mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
}

/* The engine's way of reading: what the owner of the socket would have done. True: there is more
 * that need not wait for the application. */
static bool serve_conn(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_link *link = &conn->peer.link;
    bool is_nobodys = socket->state == MCQ_SOCKET_CLOSING || is_unheard(socket, conn);

    if (is_nobodys) {
        discard(conn);
    } else if (socket->pattern->ops->hear != NULL) {
        pass_on(socket, conn);
        socket->news |= socket->pattern->ops->can_recv ? MCQ_NEWS_ALL : MCQ_NEWS_OUT;
    } else if (mcq_link_prefetch(link)) {
        pass_on(socket, conn);
        socket->news |= MCQ_NEWS_IN;
    }
    if (!may_read_on(link))
        return false;
    mcq_socket_set_unread(socket, conn);
    return (is_nobodys || hears_on(socket->pattern)) && !link->is_starved;
}

static void serve_unread(struct mcq_socket *socket)
{
    struct mcq_conn *last_conn = last_unread(socket);
    struct mcq_conn *conn;
    bool has_more = false;

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
        mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
}

void mcq_socket_serve_input(struct mcq_socket *socket)
{
    harvest_edges(socket);
    serve_unread(socket);
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
        mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
}

void mcq_socket_watch_input(struct mcq_socket *socket)
{
    socket->is_in_guarded = true;
    socket->is_in_watched = true;
    mcq_socket_ask(socket, MCQ_REQUEST_IN_WATCH);
}

/* Who comes back for what the engine has read, again and again, has much to look after and reads
 * cheaper itself: the engine waits longer for it, unless some peer waits for an answer that nobody
 * has to ask for. Who does not come is waited for less. */
static void expect_owner(struct mcq_socket *socket, bool has_come)
{
    uint64_t cold_ns = atomic_load_explicit(&socket->cold_ns, memory_order_relaxed);

    if (socket->group.is_pinged)
        cold_ns = MCQ_COLD_NS;
    else if (has_come)
        cold_ns = mcq_min_u64(cold_ns * 4, COLD_MAX_NS);
    else
        cold_ns = cold_ns / 2 < MCQ_COLD_NS ? MCQ_COLD_NS : cold_ns / 2;
    atomic_store_explicit(&socket->cold_ns, cold_ns, memory_order_relaxed);
}

static void wait_for_cold(struct mcq_socket *socket)
{
    if (socket->is_in_guarded && socket->is_in_watched)
        expect_owner(socket, true);
    socket->in_calls_seen = socket->in_calls;
    socket->is_in_guarded = true;
    socket->is_in_watched = false;
    mcq_socket_ask(socket, MCQ_REQUEST_COLD_TIMER);
}

/* The edges of what the caller knows of are spent, so a watch would not tell of it. */
static bool knows_of_more(const struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    return ops->can_recv && ops->next_readable(socket->pattern, NULL) != NULL;
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

/* The owner sleeps elsewhere, and every moment counts: the engine reads in its stead. */
static void watch_for_owner(struct mcq_socket *socket)
{
    if (socket->is_in_guarded && socket->is_in_watched && !knows_of_more(socket))
        return;
    take_over_input(socket);
    mcq_socket_serve_input(socket);
    mcq_socket_watch_input(socket);
}

void mcq_socket_guard_input(struct mcq_socket *socket)
{
    if (socket->stream_count == 0) /* pipes need nobody to look after them */
        return;
    if (MCQ_UNLIKELY(socket->hint.fd >= 0)) {
        watch_for_owner(socket);
        return;
    }
    if (!socket->is_in_guarded || (socket->is_in_watched && knows_of_more(socket)))
        wait_for_cold(socket);
}

/* Who comes may have been here before: what others have said by now, and their ends, come first,
 * though its own edge may have come before theirs. */
void mcq_socket_begin_input(struct mcq_socket *socket, struct mcq_conn *conn)
{
    if (socket->stream_count > 1) {
        harvest_edges(socket);
        mcq_socket_forget_unread(socket, conn);
        serve_unread(socket);
    }
    if (serve_conn(socket, conn))
        mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
    mcq_socket_begin_flush(socket);
    if (socket->stream_count > 0 && !socket->is_in_guarded && socket->in_sleepers == 0)
        mcq_socket_watch_input(socket);
}

/* Somebody reads: a watch would only wake the engine for nothing. An edge while a deadline stands
 * is left to that: the owner may be back before it. */
void mcq_socket_on_input(struct mcq_socket *socket, bool is_due)
{
    if (!is_due && socket->is_in_guarded && !socket->is_in_watched)
        return;
    if (socket->state == MCQ_SOCKET_OPEN && socket->in_calls != socket->in_calls_seen &&
        socket->hint.fd < 0) {
        wait_for_cold(socket);
    } else if (socket->state == MCQ_SOCKET_OPEN && socket->in_sleepers > 0) {
        socket->is_in_guarded = false; /* the sleeper is the guard */
        if (socket->unread != NULL)
            socket->news |= MCQ_NEWS_IN; /* no edge would wake it */
    } else {
        if (socket->is_in_guarded && socket->is_in_watched)
            expect_owner(socket, false);
        take_over_input(socket);
        mcq_socket_serve_input(socket);
        mcq_socket_watch_input(socket);
    }
}

/* --- deadlines of links ---------------------------------------------------------------------- */

void mcq_socket_set_tick(struct mcq_socket *socket)
{
    uint64_t at_ns = socket->alarm_at_ns;

    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            at_ns = mcq_min_u64(at_ns, mcq_link_deadline_ns(&socket->slots[i].conn->peer.link));
    if (at_ns == atomic_load_explicit(&socket->tick_at_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&socket->tick_at_ns, at_ns, memory_order_release);
    mcq_socket_ask(socket, MCQ_REQUEST_TICK_TIMER);
}

/* A timer that is set for earlier stays: most requests are answered in time, and none of them costs
 * the engine a turn. */
void mcq_socket_set_alarm(struct mcq_socket *socket)
{
    uint64_t after_ns = socket->group.alarm_ns;

    socket->group.has_alarm = false;
    socket->alarm_at_ns = mcq_engine_now_ns(socket->engine) + after_ns;
    if (socket->alarm_at_ns >= atomic_load_explicit(&socket->tick_at_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&socket->tick_at_ns, socket->alarm_at_ns, memory_order_release);
    mcq_socket_ask(socket, MCQ_REQUEST_TICK_TIMER);
}

static void ring_alarm(struct mcq_socket *socket)
{
    socket->alarm_at_ns = MCQ_NEVER_NS;
    if (socket->state != MCQ_SOCKET_OPEN)
        return;
    (void) mcq_socket_harvest_input(socket);
    socket->pattern->ops->on_alarm(socket->pattern);
    mcq_socket_begin_flush(socket);
    socket->news |= MCQ_NEWS_ALL;
}

void mcq_socket_on_tick(struct mcq_socket *socket)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || mcq_link_deadline_ns(&conn->peer.link) > now_ns)
            continue;
        /* A verdict about a silent peer follows a last look at what it has sent. */
        if (!conn->peer.link.is_lost) {
            mcq_link_set_readable(&conn->peer.link);
            if (serve_conn(socket, conn))
                mcq_socket_ask(socket, MCQ_REQUEST_SERVE_AGAIN);
        }
        if (conn->peer.link.is_up && !conn->peer.link.is_lost)
            mcq_link_tick(&conn->peer.link, now_ns);
    }
    if (socket->alarm_at_ns <= now_ns)
        ring_alarm(socket);
    atomic_store_explicit(&socket->tick_at_ns, MCQ_NEVER_NS, memory_order_relaxed);
    mcq_socket_set_tick(socket);
}
