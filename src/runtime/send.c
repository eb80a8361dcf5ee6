#include "base/assert.h"
#include "runtime/transfer.h"

#define US UINT64_C(1000)

/* Bursts: after so many sends, each begun within DENSE_NS of the one before it, writes are shared.
 * Every so many sends a look at the clock tells whether that still pays. */
#define DENSE_NS (5 * US)
#define DENSE_COUNT 16
#define BATCH_LOOK_COUNT 64
/* A publisher's own work for its many peers is not a gap between sends. */
#define PUT_NS (US / 10)
#define WRITE_NS (5 * US)
/* Answers, each within ANSWER_NS of the one before it, leave when so many peers have some. */
#define ANSWER_NS (4 * DENSE_NS)
#define ANSWERED_MAX 32

/* How long a call may wait for room, in all; the clock is read only if it must be. */
struct patience {
    int timeout_ms; /* 0: not at all, -1: without end */
    uint64_t until_ns;
    bool is_counting; /* until_ns is known: the call has waited before */
};

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

/* Answers of somebody who is quick with them wait for each other while more questions are at hand:
 * writes to peers that are asleep cost less in a row. */
static bool is_in_row(struct mcq_socket *socket, bool asks_more)
{
    const struct mcq_link_group *group = &socket->group;
    uint64_t now_ns;
    bool is_quick;

    if (group->dirty_count == socket->answered_last && asks_more)
        return true; /* one look at the clock for all that a peer gets in a row */
    socket->answered_last = group->dirty_count;
    now_ns = mcq_engine_now_ns(socket->engine);
    is_quick = now_ns - socket->sent_at_ns < ANSWER_NS;
    socket->sent_at_ns = now_ns;
    return is_quick && group->dirty_count - socket->answered_before < ANSWERED_MAX && asks_more;
}

/* What goes to the peer that was heard last is an answer. */
static bool answers(struct mcq_socket *socket)
{
    struct mcq_link_group *group = &socket->group;
    struct mcq_link *asker = group->asker;

    group->asker = NULL;
    if (asker == NULL || group->dirty_last != asker || group->has_deferred || socket->is_flushing)
        return false;
    if (is_in_row(socket, group->asking_count > 1 || mcq_link_has_at_hand(asker))) {
        group->answered = asker;
        return true;
    }
    socket->answered_before = group->dirty_count;
    mcq_socket_flush(socket);
    look_at_clock(socket);
    return true;
}

/* The first sends leave at once; those of a burst share writes. */
static void flush_or_batch(struct mcq_socket *socket, uint32_t send_count)
{
    uint32_t laned_count = (uint32_t) (socket->group.laned_count - socket->laned_seen);

    socket->laned_seen = socket->group.laned_count;
    if (!mcq_socket_has_unsent(socket) || answers(socket))
        return;
    if (MCQ_UNLIKELY(socket->is_wide)) {
        mcq_socket_gather(socket, laned_count + send_count);
        return;
    }
    if (socket->is_batching) {
        socket->batch_count += laned_count + send_count;
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

/* A pipe's far side, while it takes what is there, makes room for many at a time. */
static enum mcq_err spin_for_room(struct mcq_socket *socket, struct mcq_part *part)
{
    uint64_t until_ns = mcq_engine_now_ns(socket->engine) + MCQ_SPIN_NS;
    struct mcq_conn *conn;
    enum mcq_err err = MCQ_AGAIN;
    uint32_t round = 0;

    while (err == MCQ_AGAIN && mcq_engine_now_ns(socket->engine) < until_ns) {
        mcq_socket_pause(socket);
        mcq_transfer_let_others_run(false, round++);
        MCQ_TRY(mcq_socket_resume(socket));
        conn = mcq_transfer_only_conn(socket);
        if (conn != NULL)
            socket->pattern->ops->room(socket->pattern, &conn->peer);
        err = socket->pattern->ops->send(socket->pattern, part);
    }
    mcq_transfer_has_spun(socket, err != MCQ_AGAIN);
    return err;
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
        if (err != MCQ_AGAIN || mcq_transfer_returns_at_once(socket, patience->timeout_ms))
            break;
        if (!patience->is_counting)
            patience->until_ns = mcq_socket_until(socket, patience->timeout_ms);
        else if (has_slept && mcq_socket_is_over(socket, patience->until_ns))
            break;
        patience->is_counting = true;
        if (socket->stream_count == 0 && patience->timeout_ms < 0 &&
            mcq_transfer_may_spin(socket)) {
            err = spin_for_room(socket, part);
            if (err != MCQ_AGAIN)
                break;
        }
        MCQ_TRY(mcq_socket_sleep(socket, MCQ_NEWS_OUT, patience->until_ns));
        has_slept = true;
    }
    return err;
}

/* What poll has found of an answer that this request gives up. */
static void skip_peeked(struct mcq_socket *socket)
{
    if (socket->pattern->ops->may_skip_input == NULL)
        return;
    if (socket->peeked_err == MCQ_OK)
        mcq_msg_fini(&socket->peeked);
    socket->has_peeked = false;
}

/* The lock is held. */
static enum mcq_err send_held(struct mcq_socket *socket, struct mcq_part *part,
                              struct patience *patience)
{
    enum mcq_err err;

    socket->group.answered = NULL;
    if (MCQ_UNLIKELY(!socket->pattern->ops->can_send))
        return MCQ_NOT_SUPPORTED;
    if (MCQ_UNLIKELY(mcq_socket_is_input_s_turn(socket)))
        return MCQ_STATE;
    socket->group.may_defer = socket->is_batching;
    err = socket->pattern->ops->send(socket->pattern, part);
    if (MCQ_UNLIKELY(err == MCQ_AGAIN)) {
        mcq_assert_hot(!socket->is_within_send); /* else the lock would be let go of within it */
        mcq_hint_lower(&socket->hint);
        err = send_waiting(socket, part, patience);
    }
    if (MCQ_UNLIKELY(err != MCQ_OK))
        return err;
    if (MCQ_UNLIKELY(socket->has_peeked))
        skip_peeked(socket);
    socket->is_within_send = part->more;
    return MCQ_OK;
}

/* Within a burst the next messages to the same peer need not ask what this one has asked. */
static void open_lane(struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->open_lane != NULL && (socket->is_batching || socket->stream_count == 0) &&
        !socket->group.has_deferred && !socket->has_peeked && !mcq_transfer_is_watched(socket))
        ops->open_lane(socket->pattern);
}

static void leave_send(struct mcq_socket *socket, uint32_t whole_count)
{
    if (whole_count > 0) {
        flush_or_batch(socket, whole_count);
        open_lane(socket);
    }
    if (socket->group.blocked_count > 0 || mcq_socket_has_unsent(socket))
        mcq_socket_guard_output(socket);
    mcq_transfer_leave(socket, !socket->is_batching);
}

/* What was reserved in a place need not be copied. */
static inline bool takes_lane(const struct mcq_socket *socket, const struct mcq_part *part)
{
    return mcq_lane_takes(&socket->group.lane, part->body.len) && !part->more &&
           (part->msg == NULL || part->msg->kind != MCQ_MSG_PLACE);
}

enum mcq_err mcq_socket_send(struct mcq_socket *socket, struct mcq_part *part, int timeout_ms)
{
    struct patience patience = {.timeout_ms = timeout_ms};
    enum mcq_err err;

    mcq_lock_take(&socket->lock);
    if (MCQ_LIKELY(takes_lane(socket, part))) {
        mcq_lane_put(&socket->group.lane, part->body);
        mcq_socket_let_go(socket);
        return MCQ_OK;
    }
    if (socket->group.duct.link != NULL && mcq_link_duct(&socket->group, part)) {
        mcq_socket_let_go(socket);
        return MCQ_OK;
    }
    MCQ_TRY(mcq_socket_admit(socket));
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

    mcq_lock_take(&socket->lock);
    if (socket->group.answered != NULL && count == MCQ_NAMED_PARTS &&
        socket->pattern->ops->put_answer != NULL &&
        socket->pattern->ops->put_answer(socket->pattern, msgs)) {
        mcq_socket_let_go(socket);
        return MCQ_OK;
    }
    MCQ_TRY(mcq_socket_admit(socket));
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
