#include "runtime/transfer.h"

/* Ready sets are looked at after so many parts; where more peers than that have something at hand,
 * after as many as there are peers: who has something now would have to wait for all their turns
 * anyway. */
#define HARVEST_EVERY 64
#define HARVEST_MOST 512

static inline bool is_harvest_due(const struct mcq_socket *socket, uint32_t part_count)
{
    uint32_t count = socket->since_harvest + part_count;

    return count >= HARVEST_EVERY && socket->up_count > 1 &&
           count >= mcq_min_size(socket->group.asking_count, HARVEST_MOST);
}

static enum mcq_err take(struct mcq_socket *socket, struct mcq_msg *msg)
{
    if (MCQ_UNLIKELY(socket->has_peeked)) {
        if (socket->peeked_err == MCQ_OK)
            mcq_msg_move(msg, &socket->peeked);
        socket->has_peeked = false;
        return socket->peeked_err;
    }
    return mcq_socket_take(socket, msg);
}

/* Looks for input that nobody has told of. One peer is simply asked: what its stream says costs no
 * more than what the set says, and may be what we want. */
static bool probe(struct mcq_socket *socket)
{
    struct mcq_conn *conn = mcq_transfer_only_conn(socket);

    if (conn == NULL)
        return mcq_socket_harvest_input(socket);
    mcq_link_set_readable(&conn->peer.link);
    socket->pattern->ops->readable(socket->pattern, &conn->peer);
    return true;
}

/* As take, by who looks again soon if there is nothing: a pipe's far side that had to tell of its
 * next message would do little else. Whoever comes in between looks for itself. */
static enum mcq_err take_lightly(struct mcq_socket *socket, struct mcq_msg *msg)
{
    enum mcq_err err;

    if (socket->stream_count > 0 || mcq_transfer_only_conn(socket) == NULL)
        return take(socket, msg);
    socket->group.looks_again = true;
    err = take(socket, msg);
    socket->group.looks_again = false;
    if (err == MCQ_AGAIN)
        (void) probe(socket);
    return err;
}

static enum mcq_err spin(struct mcq_socket *socket, struct mcq_msg *msg, uint64_t until_ns)
{
    uint64_t now_ns = mcq_engine_now_ns(socket->engine);
    uint64_t spin_until_ns = mcq_min_u64(now_ns + MCQ_SPIN_NS, until_ns);
    enum mcq_err err = MCQ_AGAIN;
    uint32_t round = 0;

    while (err == MCQ_AGAIN && now_ns < spin_until_ns) {
        bool has_streams = socket->stream_count > 0; /* while the lock is held */

        mcq_socket_pause(socket);
        mcq_transfer_let_others_run(has_streams, round++);
        MCQ_TRY(mcq_socket_resume(socket));
        (void) probe(socket);
        err = take_lightly(socket, msg); /* mail that leave has read may have brought it */
        now_ns = mcq_engine_now_ns(socket->engine);
    }
    mcq_transfer_has_spun(socket, err != MCQ_AGAIN);
    return err;
}

static enum mcq_err recv_waiting(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    uint64_t until_ns = MCQ_NEVER_NS;
    enum mcq_err err = MCQ_AGAIN;
    bool has_slept = false;

    mcq_blocks_flush(socket->group.receiver.blocks);
    for (;;) {
        if (socket->group.lost_first != NULL || socket->ending != NULL)
            mcq_socket_bury(socket);
        if (mcq_socket_harvest_input(socket))
            err = take(socket, msg);
        if (err != MCQ_AGAIN || mcq_transfer_returns_at_once(socket, timeout_ms))
            return err;
        if (!has_slept)
            until_ns = mcq_socket_until(socket, timeout_ms);
        else if (mcq_socket_is_over(socket, until_ns))
            return MCQ_AGAIN;
        if (timeout_ms != 0 && mcq_transfer_may_spin(socket)) {
            err = spin(socket, msg, until_ns);
            if (err != MCQ_AGAIN)
                return err;
            continue; /* what came meanwhile may have no other edge */
        }
        err = socket->stream_count == 0 ? take(socket, msg) : MCQ_AGAIN; /* not lightly */
        if (err != MCQ_AGAIN)
            return err;
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
    if (is_harvest_due(socket, 1))
        (void) mcq_socket_harvest_input(socket);
    socket->since_harvest++;
    /* A burst of answers goes on as long as there are questions at hand. */
    err = timeout_ms != 0 && socket->stream_count == 0 ? take_lightly(socket, msg)
                                                       : take(socket, msg);
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

/* Between two messages, and nobody else has to be told of the next. */
static inline bool may_tap(const struct mcq_socket *socket)
{
    return !socket->is_within_recv && !socket->has_peeked && socket->in_sleepers == 0 &&
           !mcq_transfer_is_watched(socket);
}

/* Where the next messages are at hand, and one peer's, they need no look at others. */
static void open_tap(struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->open_tap != NULL && may_tap(socket))
        ops->open_tap(socket->pattern);
}

/* The same of messages that come with the name of their peer. */
static void open_questions(struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->open_questions != NULL && may_tap(socket))
        ops->open_questions(socket->pattern);
}

static void leave_recv(struct mcq_socket *socket, bool goes_on)
{
    mcq_socket_guard_input(socket);
    if (MCQ_UNLIKELY(socket->group.blocked_count > 0))
        mcq_socket_guard_output(socket);
    if (goes_on)
        open_tap(socket);
    mcq_transfer_leave(socket, false);
}

enum mcq_err mcq_socket_recv(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    enum mcq_err err;

    MCQ_TRY(mcq_socket_enter(socket));
    err = recv_held(socket, msg, timeout_ms);
    leave_recv(socket, err == MCQ_OK);
    return err;
}

static inline bool recv_tapped(struct mcq_socket *socket, struct mcq_msg *msg)
{
    if (!mcq_link_tap(&socket->group.tap, msg))
        return false;
    socket->in_calls++;
    return true;
}

enum mcq_err mcq_socket_recv_again(struct mcq_socket *socket, struct mcq_msg *msg, int timeout_ms)
{
    enum mcq_err err;

    mcq_lock_take(&socket->lock);
    if (socket->group.tap.link != NULL) {
        mcq_msg_put(msg, socket->group.receiver.blocks);
        if (recv_tapped(socket, msg)) {
            mcq_socket_let_go(socket);
            return MCQ_OK;
        }
    }
    err = mcq_socket_admit(socket);
    if (err == MCQ_OK) {
        mcq_socket_share(socket);
        mcq_msg_put(msg, socket->group.receiver.blocks);
        err = recv_held(socket, msg, timeout_ms);
        leave_recv(socket, err == MCQ_OK);
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
        if (is_harvest_due(socket, 1))
            (void) mcq_socket_harvest_input(socket);
        socket->since_harvest++;
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

/* The lock is held. */
static enum mcq_err recv_some(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                              bool one, int timeout_ms, size_t *taken_count)
{
    enum mcq_err err;

    if (count == 0)
        return MCQ_OK;
    mcq_msg_put(msgs, socket->group.receiver.blocks);
    err = recv_held(socket, msgs, timeout_ms);
    if (err == MCQ_OK)
        *taken_count = 1 + take_more(socket, msgs + 1, count - 1, one);
    else
        mcq_msg_init(msgs);
    return err;
}

enum mcq_err mcq_socket_recv_batch(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   int timeout_ms, size_t *taken_count)
{
    enum mcq_err err;

    *taken_count = 0;
    MCQ_TRY(mcq_socket_enter(socket));
    err = recv_some(socket, msgs, count, false, timeout_ms, taken_count);
    leave_recv(socket, false);
    return err;
}

/* The ready set is looked at as often as without. */
static inline bool recv_question(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count)
{
    if (count < MCQ_NAMED_PARTS || is_harvest_due(socket, MCQ_NAMED_PARTS))
        return false;
    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        mcq_msg_put(&msgs[i], socket->group.receiver.blocks);
    if (!socket->pattern->ops->take_question(socket->pattern, msgs))
        return false;
    socket->since_harvest += MCQ_NAMED_PARTS;
    socket->in_calls++;
    return true;
}

enum mcq_err mcq_socket_recv_parts(struct mcq_socket *socket, struct mcq_msg *msgs, size_t count,
                                   int timeout_ms, size_t *taken_count)
{
    enum mcq_err err;

    *taken_count = 0;
    mcq_lock_take(&socket->lock);
    if (socket->group.questions.link != NULL && recv_question(socket, msgs, count)) {
        mcq_socket_let_go(socket);
        *taken_count = MCQ_NAMED_PARTS;
        return MCQ_OK;
    }
    MCQ_TRY(mcq_socket_admit(socket));
    mcq_socket_share(socket);
    err = recv_some(socket, msgs, count, true, timeout_ms, taken_count);
    if (err == MCQ_OK)
        open_questions(socket);
    leave_recv(socket, false);
    return err;
}

static void copy_out(struct mcq_socket *socket, struct mcq_msg *msg, void *room, size_t room_len,
                     size_t *len)
{
    *len = mcq_msg_len(msg);
    if (room_len > 0)
        (void) mcq_put_bytes(room, mcq_bytes(mcq_msg_data(msg), mcq_min_size(*len, room_len)));
    mcq_msg_put(msg, socket->group.receiver.blocks);
}

/* What lies in a stream's block is copied once. */
static inline bool tap_octets(struct mcq_socket *socket, void *room, size_t room_len, size_t *len)
{
    struct mcq_bytes body;
    struct mcq_msg msg;

    if (mcq_link_is_piped(socket->group.tap.link)) {
        if (!recv_tapped(socket, &msg))
            return false;
        copy_out(socket, &msg, room, room_len, len);
        return true;
    }
    if (!mcq_link_tap_octets(&socket->group.tap, &body))
        return false;
    socket->in_calls++;
    *len = body.len;
    body.len = mcq_min_size(body.len, room_len);
    if (body.len > 0) /* room may be NULL */
        (void) mcq_put_bytes(room, body);
    return true;
}

enum mcq_err mcq_socket_recv_octets(struct mcq_socket *socket, void *room, size_t room_len,
                                    size_t *len, int timeout_ms)
{
    struct mcq_msg msg;
    enum mcq_err err;

    mcq_lock_take(&socket->lock);
    if (socket->group.tap.link != NULL && tap_octets(socket, room, room_len, len)) {
        mcq_socket_let_go(socket);
        return MCQ_OK;
    }
    MCQ_TRY(mcq_socket_admit(socket));
    mcq_socket_share(socket);
    err = recv_held(socket, &msg, timeout_ms);
    if (err == MCQ_OK)
        copy_out(socket, &msg, room, room_len, len);
    leave_recv(socket, err == MCQ_OK);
    return err;
}
