#include "runtime/socket.h"

#include <stddef.h>
#include <string.h>

#include "runtime/holder.h"
#include "runtime/peers.h"

#define MS UINT64_C(1000000)

/* --- closing --------------------------------------------------------------------------------- */

static bool has_waiting(const struct mcq_socket *socket)
{
    for (uint32_t i = 0; i < socket->slot_count; i++) {
        const struct mcq_conn *conn = socket->slots[i].conn;

        if (conn != NULL && mcq_conn_keeping_count(conn) > 0)
            return true;
    }
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
            mcq_link_shut(&conn->peer.link);
            mcq_link_set_readable(&conn->peer.link);
            mcq_socket_set_unread(socket, conn);
        } else {
            mcq_conn_down(conn);
        }
    }
    mcq_socket_stop_endpoints(socket, false);
    atomic_store_explicit(&socket->close_at_ns, now_ns + MCQ_DRAIN_NS, memory_order_release);
    mcq_socket_ask(socket, MCQ_REQUEST_CLOSE_TIMER);
    mcq_socket_serve_input(socket);
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
    if (socket->up_count + socket->stream_count > 0 && now_ns < atomic_load(&socket->close_at_ns))
        return;
    end_all(socket);
    mcq_socket_stop_endpoints(socket, true);
    if (socket->endpoints != NULL || socket->conn_count > 0 || socket->call_count > 0)
        return;
    socket->is_finishing = true;
    mcq_socket_ask(socket, MCQ_REQUEST_END);
}

static void begin_close(struct mcq_socket *socket)
{
    int linger_ms = socket->options.linger_ms;
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);

    if (socket->has_peeked && socket->peeked_err == MCQ_OK)
        mcq_msg_fini(&socket->peeked);
    socket->has_peeked = false;
    socket->state = MCQ_SOCKET_CLOSING;
    mcq_socket_stop_leaving(socket);
    mcq_lock_set_biasable(&socket->lock, false); /* who leaves last must not look back */
    socket->news |= MCQ_NEWS_ALL;
    socket->linger_until_ns = linger_ms < 0 ? MCQ_NEVER_NS : now_ns + (uint64_t) linger_ms * MS;
    for (uint32_t i = 0; i < socket->slot_count; i++)
        if (socket->slots[i].conn != NULL)
            mcq_link_cut(&socket->slots[i].conn->peer.link);
    mcq_socket_stop_endpoints(socket, false);
    mcq_inproc_unbind_all(socket);
    mcq_socket_flush(socket);
    mcq_socket_guard_output(socket);
    mcq_socket_watch_input(socket);
    if (linger_ms > 0) {
        atomic_store_explicit(&socket->close_at_ns, socket->linger_until_ns, memory_order_release);
        mcq_socket_ask(socket, MCQ_REQUEST_CLOSE_TIMER);
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
    MCQ_TRY(mcq_socket_enter_to_send(socket));
    mcq_socket_share(socket);
    return MCQ_OK;
}

enum mcq_err mcq_socket_enter_to_send(struct mcq_socket *socket)
{
    mcq_lock_take(&socket->lock);
    return mcq_socket_admit(socket);
}

enum mcq_err mcq_socket_admit(struct mcq_socket *socket)
{
    enum mcq_err err;

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
    socket->stream_count = 0;
    socket->news = 0;
    socket->hint.fd = -1; /* the parent's loop has it */
    mcq_reports_init(&socket->reports);
    socket->recv_bell = NULL; /* the parent's loop has them */
    socket->send_bell = NULL;
    socket->ending = NULL;
    socket->leaving = NULL;
    socket->group.lost_first = NULL;
    socket->group.roomy_first = NULL;
    socket->group.dirty_first = NULL;
    socket->group.has_deferred = false;
    socket->group.lane = (struct mcq_lane) {0};
    socket->group.tap = (struct mcq_tap) {0};
    socket->group.duct = (struct mcq_tap) {0};
    socket->group.questions = (struct mcq_tap) {0};
    socket->group.answered = NULL;
    socket->group.blocked_count = 0;
    socket->group.is_starved = false;
    socket->group.is_swollen = false;
    socket->group.has_alarm = false;
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
        if (mail != &socket->mail) /* it says itself whether it looks at queues */
            mcq_socket_share(socket);
        mail->read(mail, socket);
    }
}

static void tidy(struct mcq_socket *socket)
{
    if (MCQ_UNLIKELY(socket->group.lost_first != NULL || socket->ending != NULL))
        mcq_socket_bury(socket);
    if (MCQ_UNLIKELY(socket->group.roomy_first != NULL))
        (void) mcq_socket_tell_room(socket);
}

/* Looking may find that connections are lost, which may be what they waited for. */
static MCQ_COLD void see_off(struct mcq_socket *socket)
{
    mcq_socket_see_off(socket);
    while (socket->group.lost_first != NULL) {
        tidy(socket);
        mcq_socket_see_off(socket);
    }
}

/* Looking may find that connections are lost, and what they leave rings again. */
static void ring(struct mcq_socket *socket)
{
    mcq_socket_ring(socket);
    while (socket->group.lost_first != NULL) {
        tidy(socket);
        mcq_socket_ring(socket);
    }
}

/* Whether settle has anything to do: one question, for mostly it has not. */
static inline bool has_chores(const struct mcq_socket *socket)
{
    const struct mcq_link_group *group = &socket->group;

    return ((uintptr_t) group->lost_first | (uintptr_t) group->roomy_first |
            (uintptr_t) socket->ending | (uintptr_t) socket->recv_bell |
            (uintptr_t) socket->send_bell | (uintptr_t) (socket->state ^ MCQ_SOCKET_OPEN) |
            socket->news | group->is_starved | group->has_resting | group->is_swollen |
            group->has_alarm) != 0;
}

static MCQ_COLD void settle(struct mcq_socket *socket)
{
    tidy(socket);
    if (MCQ_UNLIKELY(socket->leaving != NULL))
        see_off(socket);
    if (MCQ_UNLIKELY(socket->recv_bell != NULL || socket->send_bell != NULL))
        ring(socket);
    if (MCQ_UNLIKELY(socket->state == MCQ_SOCKET_CLOSING))
        close_step(socket);
    if (MCQ_UNLIKELY(
            (socket->group.is_starved || socket->group.has_resting || socket->group.is_swollen) &&
            !socket->is_finishing))
        mcq_socket_guard_relief(socket);
    if (MCQ_UNLIKELY(socket->group.has_alarm && !socket->is_finishing))
        mcq_socket_set_alarm(socket);
    if (MCQ_UNLIKELY(socket->news != 0)) {
        signal_waiters(socket);
        mcq_hint_raise(&socket->hint);
        socket->news = 0;
    }
}

void mcq_socket_leave(struct mcq_socket *socket)
{
    if (MCQ_UNLIKELY(has_chores(socket)))
        settle(socket);
    while (MCQ_UNLIKELY(!mcq_lock_release(&socket->lock))) {
        read_mail(socket);
        settle(socket);
    }
}

MCQ_COLD void mcq_socket_leave_with_mail(struct mcq_socket *socket)
{
    read_mail(socket);
    mcq_socket_leave(socket);
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
    mcq_socket_share(socket);
    return refusal(socket);
}

void mcq_socket_post(struct mcq_socket *socket, struct mcq_mail *mail)
{
    if (mcq_lock_post(&socket->lock, &mail->letter))
        mcq_socket_leave(socket);
}

/* --- life ------------------------------------------------------------------------------------ */

static int preset(const struct mcq_socket *socket, enum mcq_option_id id)
{
    return (int) mcq_option_default_of(id, socket->type, socket->profile == MCQ_PROFILE_COMPAT);
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
        .source_strangers_max = preset(socket, MCQ_OPTION_SOURCE_STRANGERS_MAX),
        .source_max = preset(socket, MCQ_OPTION_SOURCE_MAX),
        .command_max = preset(socket, MCQ_OPTION_COMMAND_MAX),
        .properties_max = preset(socket, MCQ_OPTION_PROPERTIES_MAX),
        .parts_max = preset(socket, MCQ_OPTION_PARTS_MAX),
        .message_max = preset(socket, MCQ_OPTION_MESSAGE_MAX),
        .subscriptions_max = preset(socket, MCQ_OPTION_SUBSCRIPTIONS_MAX),
        .heartbeat_ms = preset(socket, MCQ_OPTION_HEARTBEAT_IVL),
        .heartbeat_ttl_ms = preset(socket, MCQ_OPTION_HEARTBEAT_TTL),
        .heartbeat_timeout_ms = preset(socket, MCQ_OPTION_HEARTBEAT_TIMEOUT),
        .tuning =
            {
                .send_buffer = preset(socket, MCQ_OPTION_SNDBUF),
                .recv_buffer = preset(socket, MCQ_OPTION_RCVBUF),
                .type_of_service = preset(socket, MCQ_OPTION_TOS),
                .priority = preset(socket, MCQ_OPTION_PRIORITY),
                .busy_poll_us = preset(socket, MCQ_OPTION_BUSY_POLL),
                .keepalive = preset(socket, MCQ_OPTION_TCP_KEEPALIVE),
                .keepalive_count = preset(socket, MCQ_OPTION_TCP_KEEPALIVE_CNT),
                .keepalive_idle_s = preset(socket, MCQ_OPTION_TCP_KEEPALIVE_IDLE),
                .keepalive_every_s = preset(socket, MCQ_OPTION_TCP_KEEPALIVE_INTVL),
                .user_timeout_ms = preset(socket, MCQ_OPTION_TCP_MAXRT),
                .multicast_hops = preset(socket, MCQ_OPTION_MULTICAST_HOPS),
                .multicast_loop = preset(socket, MCQ_OPTION_MULTICAST_LOOP),
            },
        .use_fd = preset(socket, MCQ_OPTION_USE_FD),
        .is_raw = socket->type == MCQ_SOCKET_TYPE_STREAM,
        .piece_bytes = preset(socket, MCQ_OPTION_IN_BATCH_SIZE),
        .meets_older = preset(socket, MCQ_OPTION_OLDER_PEERS),
        .sends_plain_afar = preset(socket, MCQ_OPTION_PLAIN_REMOTE),
        .max_message_bytes = preset(socket, MCQ_OPTION_MAXMSGSIZE),
    };
}

void mcq_socket_options_copy(struct mcq_socket_options *target,
                             const struct mcq_socket_options *source)
{
    *target = *source;
    target->admission = mcq_admission_ref(source->admission);
    target->proxy = mcq_proxy_ref(source->proxy);
    target->properties = mcq_properties_ref(source->properties);
    target->security = mcq_security_ref(source->security);
    if (target->routing_id != NULL)
        mcq_buf_ref(target->routing_id);
}

static void drop_routing_id(struct mcq_socket_options *options)
{
    if (options->routing_id != NULL)
        mcq_buf_unref(options->routing_id);
    options->routing_id = NULL;
}

void mcq_socket_options_drop(struct mcq_socket_options *options)
{
    mcq_admission_unref(&options->admission);
    mcq_proxy_unref(&options->proxy);
    mcq_properties_unref(&options->properties);
    mcq_security_unref(options->security);
    options->security = NULL;
    drop_routing_id(options);
}

enum mcq_err mcq_socket_options_name(struct mcq_socket_options *options,
                                     struct mcq_bytes routing_id)
{
    struct mcq_buf *buf;

    MCQ_TRY(mcq_buf_new(routing_id.len, &buf));
    memcpy(mcq_buf_room(buf), routing_id.data, routing_id.len);
    (void) mcq_buf_freeze(buf, routing_id.len);
    drop_routing_id(options);
    options->routing_id = buf;
    return MCQ_OK;
}

struct mcq_bytes mcq_socket_options_routing_id(const struct mcq_socket_options *options)
{
    const struct mcq_buf *buf = options->routing_id;

    return buf != NULL ? mcq_bytes(buf->data, buf->size) : mcq_bytes_of("");
}

static enum mcq_err open_pattern(struct mcq_socket *socket, const struct mcq_pattern_ops *ops)
{
    struct mcq_pattern_config config = {
        .group = &socket->group,
        .is_compat = socket->profile == MCQ_PROFILE_COMPAT,
    };
    enum mcq_err err;

    MCQ_TRY(mcq_context_random(socket->context, config.random, sizeof config.random));
    MCQ_TRY(mcq_link_group_init(&socket->group, socket->engine->reactor));
    socket->group.tell = mcq_inproc_tell;
    socket->group.budget = &socket->context->budget;
    socket->group.begun_most = &socket->begun_most;
    socket->group.shares_output = ops->shares_output;
    err = ops->create(ops, &config, &socket->pattern);
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
    socket->hint.fd = -1;
    mcq_socket_init_letters(socket);
    atomic_store_explicit(&socket->begun_most, 0, memory_order_relaxed);
}

enum mcq_err mcq_socket_open(struct mcq_context *context, enum mcq_socket_type type,
                             struct mcq_socket **out)
{
    const struct mcq_pattern_ops *ops = mcq_pattern_find(type);
    struct mcq_socket *socket;
    struct mcq_engine *engine;
    enum mcq_profile profile;
    enum mcq_err err;

    if (ops == NULL)
        return MCQ_INVAL;
    mcq_context_help(context); /* a slot may come free */
    MCQ_TRY(mcq_context_take_slot(context, &socket, &engine, &profile));
    mcq_lock_take(&socket->lock);
    init_slot(socket);
    mcq_lock_set_biasable(&socket->lock, true);
    socket->engine = engine;
    atomic_store_explicit(&socket->type, type, memory_order_relaxed);
    socket->profile = profile;
    socket->serial = mcq_context_next_epoch(context);
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

enum mcq_err mcq_socket_choose_engine(struct mcq_socket *socket)
{
    struct mcq_engine *engine = socket->engine;
    uint64_t mask = (uint64_t) socket->options.affinity;
    bool is_engine_fixed = atomic_load_explicit(&socket->is_engine_fixed, memory_order_relaxed);

    if (MCQ_UNLIKELY(mask != 0)) {
        MCQ_TRY(mcq_context_choose(socket->context, mask, !is_engine_fixed, &engine));
        socket->engine = engine;
        socket->group.reactor = engine->reactor; /* it has no links but pipes */
    }
    atomic_store_explicit(&socket->is_engine_fixed, true, memory_order_relaxed);
    return MCQ_OK;
}

/* Who listens hears of the listeners' end, and of nothing afterwards. */
static void report_end(struct mcq_socket *socket)
{
    mcq_lock_take(&socket->lock);
    if (socket->state == MCQ_SOCKET_OPEN)
        mcq_socket_say_closed(socket);
    mcq_socket_leave(socket);
    mcq_reports_listen(socket, 0, (struct mcq_listener) {0});
}

enum mcq_err mcq_socket_close(struct mcq_socket *socket)
{
    struct mcq_context *context;
    bool is_mine;

    if (atomic_load_explicit(&socket->reports.kinds, memory_order_relaxed) != 0)
        report_end(socket);
    mcq_lock_take(&socket->lock);
    if (socket->state != MCQ_SOCKET_OPEN) {
        enum mcq_err err = refusal(socket);

        mcq_socket_leave(socket);
        return err;
    }
    mcq_socket_share(socket);
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
    if (socket->state == MCQ_SOCKET_OPEN || socket->state == MCQ_SOCKET_CLOSING) {
        mcq_socket_share(socket);
        socket->is_terminated = true;
        socket->news |= MCQ_NEWS_ALL;
    }
    mcq_socket_leave(socket);
}
