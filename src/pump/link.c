#include "pump/link.h"

#include "arena/alloc.h"
#include "base/assert.h"
#include "pump/link_pipe.h"
#include "session/state.h"
#include "wire/encode.h"
#include "wire/limits.h"

/* What a socket may hold at most is in docs/explanation/arena.md. Memory that was never needed is
 * never touched. */
#define RECEIVE_BLOCK_BYTES 262144
#define RECEIVE_BLOCK_COUNT 1024
#define SEND_BLOCK_BYTES 32768
#define SEND_BLOCK_COUNT 16384

#define IOV_COUNT 64           /* runs of one write */
#define PIPE_BATCH_PARTS 16    /* that a pipe's far side sees at once */
#define QUEUE_CAPACITY_MIN 2   /* parts; what a peer keeps that sends one now and then */
#define CONFLATE_PARTS 4096    /* that are read at once in search of the newest */
#define PREFETCH_BYTES 1048576 /* bodies that wait for the application, by peer */

/* Octets that a group holds without the budget's knowledge, and a link without the group's. */
#define LOT_BYTES 65536
/* Who has held so much gives memory back afterwards, but for a few blocks, and some of it at a
 * time: the lock is held meanwhile. */
#define SWOLLEN_BYTES 1048576
#define SEND_BLOCKS_KEPT 8
#define RECEIVE_BLOCKS_KEPT 1
#define BLOCKS_TRIMMED 64
/* What each link may hold of its input when the budget is used up: small messages, commands and
 * heartbeats still come through, so nobody waits for memory that only waiting would free. */
#define FLOOR_BYTES 16384

/* --- the group ------------------------------------------------------------------------------- */

enum mcq_err mcq_link_group_init(struct mcq_link_group *group, struct mcq_reactor *reactor)
{
    struct mcq_link_group made = {.reactor = reactor};
    struct mcq_slab *receive_slab = NULL;
    struct mcq_blocks *blocks = NULL;
    enum mcq_err err;

    MCQ_TRY(mcq_ready_new(reactor, &made.in_set));
    err = mcq_ready_new(reactor, &made.out_set);
    if (err != MCQ_OK)
        goto fail_in_set;
    err = MCQ_NOMEM;
    if (mcq_slab_new(RECEIVE_BLOCK_BYTES, RECEIVE_BLOCK_COUNT, &receive_slab) != MCQ_OK)
        goto fail_out_set;
    if (mcq_slab_new(SEND_BLOCK_BYTES, SEND_BLOCK_COUNT, &made.send_slab) != MCQ_OK)
        goto fail_receive_slab;
    if (mcq_blocks_new(&blocks) != MCQ_OK)
        goto fail_send_slab;
    mcq_receiver_init(&made.receiver, receive_slab, blocks);
    mcq_places_init(&made.places, made.send_slab);
    *group = made;
    return MCQ_OK;

fail_send_slab:
    mcq_slab_free(&made.send_slab);
fail_receive_slab:
    mcq_slab_free(&receive_slab);
fail_out_set:
    mcq_ready_free(&made.out_set);
fail_in_set:
    mcq_ready_free(&made.in_set);
    return err;
}

void mcq_link_group_fini(struct mcq_link_group *group)
{
    mcq_assert(group->dirty_first == NULL && group->lost_first == NULL &&
               group->roomy_first == NULL);
    mcq_assert(group->blocked_count == 0);
    mcq_assert(group->held_bytes == 0);
    if (group->budget != NULL)
        mcq_permits_put(group->budget, group->charged_bytes);
    mcq_receiver_fini(&group->receiver);
    mcq_blocks_free(&group->receiver.blocks);
    mcq_slab_free(&group->receiver.slab);
    mcq_places_fini(&group->places);
    mcq_slab_free(&group->send_slab);
    mcq_spump_room_fini(&group->seal_room);
    mcq_ready_free(&group->out_set);
    mcq_ready_free(&group->in_set);
}

enum mcq_err mcq_link_group_reserve(struct mcq_link_group *group, size_t len, struct mcq_msg *msg)
{
    return mcq_places_take(&group->places, mcq_frame_head_bytes(len), len, msg);
}

struct mcq_link *mcq_link_next_lost(struct mcq_link_group *group)
{
    struct mcq_link *link = group->lost_first;

    if (link != NULL) {
        group->lost_first = link->lost_next;
        link->is_lost = false;
    }
    return link;
}

static void forget_lost(struct mcq_link *link)
{
    struct mcq_link **at = &link->group->lost_first;

    if (!link->is_lost)
        return;
    while (*at != link)
        at = &(*at)->lost_next;
    *at = link->lost_next;
    link->is_lost = false;
}

static void set_dirty(struct mcq_link *link, bool is_dirty)
{
    struct mcq_link_group *group = link->group;

    if (link->is_dirty == is_dirty)
        return;
    link->is_dirty = is_dirty;
    if (is_dirty) {
        link->dirty_at = group->dirty_count++;
        link->dirty_next = NULL;
        link->dirty_prev = group->dirty_last;
        if (group->dirty_last != NULL)
            group->dirty_last->dirty_next = link;
        else
            group->dirty_first = link;
        group->dirty_last = link;
        return;
    }
    if (link->dirty_next != NULL)
        link->dirty_next->dirty_prev = link->dirty_prev;
    else
        group->dirty_last = link->dirty_prev;
    if (link->dirty_prev != NULL)
        link->dirty_prev->dirty_next = link->dirty_next;
    else
        group->dirty_first = link->dirty_next;
}

static void set_blocked(struct mcq_link *link, bool is_blocked)
{
    if (link->is_blocked == is_blocked)
        return;
    link->is_blocked = is_blocked;
    link->group->blocked_count += is_blocked ? 1 : (size_t) -1;
}

void mcq_link_lose(struct mcq_link *link, enum mcq_err err)
{
    if (link->is_lost || !link->is_up)
        return;
    link->is_lost = true;
    link->lost_by = err;
    link->can_read = false;
    link->can_write = false;
    set_dirty(link, false);
    set_blocked(link, false);
    link->lost_next = link->group->lost_first;
    link->group->lost_first = link;
}

/* --- received parts -------------------------------------------------------------------------- */

static struct mcq_msg *part_at(const struct mcq_link_queue *queue, uint32_t index)
{
    return &queue->parts[index & queue->mask];
}

static enum mcq_err queue_push(struct mcq_link_queue *queue, struct mcq_msg *msg)
{
    uint32_t capacity = queue->parts != NULL ? queue->mask + 1 : 0;

    if (queue->tail - queue->head == capacity) {
        uint32_t wider = capacity > 0 ? capacity * 2 : QUEUE_CAPACITY_MIN;
        struct mcq_msg *parts =
            wider <= UINT32_MAX / 4 ? mcq_alloc(mcq_size_mul(wider, sizeof *parts)) : NULL;

        if (parts == NULL)
            return MCQ_NOMEM;
        for (uint32_t i = queue->head; i != queue->tail; i++)
            parts[i & (wider - 1)] = *part_at(queue, i);
        mcq_free(queue->parts);
        queue->parts = parts;
        queue->mask = wider - 1;
    }
    queue->body_bytes += mcq_msg_len(msg);
    queue->begun_bytes += mcq_msg_len(msg) + sizeof *msg;
    mcq_msg_move(part_at(queue, queue->tail++), msg);
    if (!part_at(queue, queue->tail - 1)->more) {
        queue->begun_bytes = 0;
        queue->whole_at = queue->tail;
        queue->message_count++;
    }
    return MCQ_OK;
}

static bool queue_pop(struct mcq_link_queue *queue, struct mcq_msg *msg)
{
    if (queue->head == queue->whole_at)
        return false;
    mcq_msg_move(msg, part_at(queue, queue->head++));
    queue->body_bytes -= mcq_msg_len(msg);
    if (!msg->more)
        queue->message_count--;
    queue->is_within = msg->more;
    return true;
}

/* Only the newest message stays, beside one that was begun to be taken. */
static void queue_conflate(struct mcq_link_queue *queue)
{
    struct mcq_msg msg;

    while (queue->message_count > 1 && !queue->is_within) {
        do {
            (void) queue_pop(queue, &msg);
            mcq_msg_fini(&msg);
        } while (queue->is_within);
    }
}

/* The rest of a message that was begun does not come any more. */
static void queue_cut(struct mcq_link_queue *queue)
{
    while (queue->tail != queue->whole_at) {
        struct mcq_msg *last = part_at(queue, --queue->tail);

        queue->body_bytes -= mcq_msg_len(last);
        mcq_msg_fini(last);
    }
    queue->begun_bytes = 0;
}

static void queue_fini(struct mcq_link_queue *queue)
{
    for (; queue->head != queue->tail; queue->head++)
        mcq_msg_fini(part_at(queue, queue->head));
    mcq_free(queue->parts);
    *queue = (struct mcq_link_queue) {0};
}

/* --- the budget ------------------------------------------------------------------------------ */

static uint64_t input_bytes(const struct mcq_link *link)
{
    const struct mcq_link_queue *in = &link->in;

    return in->body_bytes + (uint64_t) (in->tail - in->head) * sizeof *in->parts +
           mcq_rpump_partial_bytes(&link->rpump) + link->table_bytes;
}

static uint64_t held_bytes(const struct mcq_link *link)
{
    uint64_t output = link->group->shares_output ? 0 : mcq_wpump_kept_bytes(&link->wpump);

    return input_bytes(link) + mcq_rpump_block_bytes(&link->rpump) + output +
           mcq_spump_held_bytes(&link->spump);
}

uint64_t mcq_link_begun_bytes(const struct mcq_link *link)
{
    uint64_t begun = link->in.begun_bytes + mcq_rpump_partial_bytes(&link->rpump) +
                     (link->is_starved ? link->table_bytes : 0);

    return begun < FLOOR_BYTES ? 0 : begun;
}

/* The budget hears of a lot, or of the end: one addition for many messages. */
static void group_settle(struct mcq_link_group *group)
{
    uint64_t held = group->held_bytes;

    if (group->shares_output)
        held += (uint64_t) mcq_slab_out_count(group->send_slab) * SEND_BLOCK_BYTES;
    if (held >= group->charged_bytes + LOT_BYTES)
        mcq_permits_charge(group->budget, held - group->charged_bytes);
    else if (held + LOT_BYTES <= group->charged_bytes || (held == 0 && group->charged_bytes > 0))
        mcq_permits_put(group->budget, group->charged_bytes - held);
    else
        return;
    group->charged_bytes = held;
    if (held > group->most_bytes)
        group->most_bytes = held;
    group->is_swollen = held < LOT_BYTES && group->most_bytes >= SWOLLEN_BYTES;
}

/* After a batch: what the link holds now. */
static void link_settle(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    uint64_t held;
    uint64_t begun;

    if (group->budget == NULL)
        return;
    held = held_bytes(link);
    group->held_bytes += held - link->held_bytes;
    link->held_bytes = held;
    link->settle_at = link->wpump.put_at + LOT_BYTES;
    link->settle_below = link->in.body_bytes > LOT_BYTES ? link->in.body_bytes - LOT_BYTES : 0;
    begun = mcq_link_begun_bytes(link);
    if (begun > atomic_load_explicit(group->begun_most, memory_order_relaxed))
        atomic_store_explicit(group->begun_most, begun, memory_order_relaxed);
    group_settle(group);
}

void mcq_link_group_hold(struct mcq_link_group *group, uint64_t bytes)
{
    if (group->budget == NULL)
        return;
    group->held_bytes += bytes;
    group_settle(group);
}

void mcq_link_group_release(struct mcq_link_group *group, uint64_t bytes)
{
    mcq_link_group_hold(group, 0 - bytes);
}

void mcq_link_trim(struct mcq_link *link)
{
    if (link->in.head == link->in.tail)
        queue_fini(&link->in);
    mcq_wpump_trim(&link->wpump);
    link_settle(link);
}

void mcq_link_group_trim(struct mcq_link_group *group)
{
    bool has_more;

    mcq_places_fini(&group->places);
    has_more = mcq_slab_trim(group->send_slab, SEND_BLOCKS_KEPT, BLOCKS_TRIMMED);
    mcq_receiver_fini(&group->receiver);
    mcq_spump_room_fini(&group->seal_room);
    has_more |= mcq_slab_trim(group->receiver.slab, RECEIVE_BLOCKS_KEPT, BLOCKS_TRIMMED);
    mcq_blocks_trim(group->receiver.blocks);
    group->is_swollen = has_more;
    if (!has_more)
        group->most_bytes = 0;
}

/* Whether the link has to do without more for now. */
static bool link_starves(struct mcq_link *link)
{
    if (link->is_drained || input_bytes(link) < FLOOR_BYTES)
        return false;
    link->is_starved = true;
    link->group->is_starved = true;
    link_settle(link);
    return true;
}

/* --- reading --------------------------------------------------------------------------------- */

static void limit_runs(struct iovec iov[MCQ_RPUMP_IOV_MAX], size_t *count, size_t most)
{
    size_t runs = 0;

    while (runs < *count && most > 0) {
        iov[runs].iov_len = mcq_min_size(iov[runs].iov_len, most);
        most -= iov[runs++].iov_len;
    }
    *count = runs;
}

static enum mcq_err link_read(struct mcq_link *link)
{
    struct iovec iov[MCQ_RPUMP_IOV_MAX];
    struct mcq_permits *budget = link->group->budget;
    struct mcq_io io;
    bool is_over;
    size_t count;

    if (!link->can_read)
        return MCQ_AGAIN;
    link_settle(link);
    is_over = budget != NULL && mcq_permits_is_over(budget);
    if (MCQ_UNLIKELY(is_over && link_starves(link)))
        return MCQ_AGAIN;
    MCQ_TRY(mcq_rpump_room(&link->rpump, iov, &count));
    if (MCQ_UNLIKELY(is_over))
        limit_runs(iov, &count, FLOOR_BYTES);
    io = mcq_reactor_recv(link->group->reactor, link->fd, iov, count);
    mcq_rpump_on_read(&link->rpump, io.len);
    if (io.result == MCQ_IO_DONE) {
        link->now_ns = mcq_reactor_now_ns(link->group->reactor);
        return MCQ_OK;
    }
    link->can_read = false;
    if (io.result == MCQ_IO_AGAIN) {
        link_settle(link);
        return MCQ_AGAIN;
    }
    mcq_session_end(link->session);
    return io.result == MCQ_IO_NO_MEMORY ? MCQ_NOMEM : MCQ_CLOSED;
}

static enum mcq_err link_write(struct mcq_link *link);

/* What the peer said next, whatever it is. */
static enum mcq_err link_pull(struct mcq_link *link, struct mcq_msg *msg, struct mcq_event *event)
{
    enum mcq_err written;
    enum mcq_err err;

    for (;;) {
        err = mcq_rpump_next(&link->rpump, link->now_ns, msg, event);
        if (MCQ_LIKELY(err == MCQ_OK) && event->kind != MCQ_EVENT_PING)
            return MCQ_OK;
        if (err == MCQ_AGAIN) {
            MCQ_TRY(link_read(link));
            continue;
        }
        if (err != MCQ_OK && err != MCQ_BUSY)
            return err;
        /* A PONG is due, or the last one keeps the next from being answered. */
        written = link_write(link);
        if (written == MCQ_AGAIN && link->has_sent)
            mcq_session_yield(link->session);
        else
            MCQ_TRY(written);
    }
}

static bool link_is_deaf(const struct mcq_link *link)
{
    return !link->is_up || link->is_lost;
}

/* MCQ_OK: a part or an event; MCQ_AGAIN: nothing, and the link may have been lost. */
static enum mcq_err link_receive(struct mcq_link *link, struct mcq_msg *msg,
                                 struct mcq_event *event)
{
    enum mcq_err err;

    if (link_is_deaf(link))
        return MCQ_AGAIN;
    err = link_pull(link, msg, event);
    if (err == MCQ_OK || err == MCQ_AGAIN)
        return err;
    mcq_link_lose(link, err);
    return MCQ_AGAIN;
}

/* Receives one part into the queue. *is_whole: it was the last one of a message. */
static enum mcq_err link_enqueue(struct mcq_link *link, struct mcq_msg *msg, bool *is_whole)
{
    *is_whole = !msg->more;
    if (queue_push(&link->in, msg) == MCQ_OK)
        return MCQ_OK;
    mcq_msg_fini(msg);
    mcq_link_lose(link, MCQ_NOMEM);
    return MCQ_AGAIN;
}

/* Reads what there is, up to a bound for a peer that never stops, and keeps the newest. */
static void read_newest(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;
    bool is_whole;

    for (int i = 0; i < CONFLATE_PARTS; i++) {
        enum mcq_err err = mcq_link_is_piped(link) ? mcq_link_pipe_take(link, &msg)
                                                   : link_receive(link, &msg, &event);

        if (err != MCQ_OK)
            break;
        if ((mcq_link_is_piped(link) || event.kind == MCQ_EVENT_BODY) &&
            link_enqueue(link, &msg, &is_whole) != MCQ_OK)
            break;
        queue_conflate(&link->in);
    }
}

static enum mcq_err take_newest(struct mcq_link *link, struct mcq_msg *msg)
{
    if (!link->in.is_within)
        read_newest(link);
    return queue_pop(&link->in, msg) ? MCQ_OK : MCQ_AGAIN;
}

/* A notice of the far side's coming is taken before what it says, one of its going afterwards. */
static enum mcq_err take_piped(struct mcq_link *link, struct mcq_msg *msg)
{
    if (link->is_up && queue_pop(&link->in, msg))
        return MCQ_OK;
    if (MCQ_LIKELY(mcq_link_pipe_take(link, msg) == MCQ_OK))
        return MCQ_OK;
    return queue_pop(&link->in, msg) ? MCQ_OK : MCQ_AGAIN;
}

enum mcq_err mcq_link_take(struct mcq_link *link, struct mcq_msg *msg)
{
    struct mcq_event event;
    bool is_whole;

    if (MCQ_UNLIKELY(link->conflates))
        return take_newest(link, msg);
    if (mcq_link_is_piped(link))
        return take_piped(link, msg);
    if (queue_pop(&link->in, msg)) {
        if (MCQ_UNLIKELY(link->in.body_bytes < link->settle_below))
            link_settle(link);
        return MCQ_OK;
    }
    for (;;) {
        MCQ_TRY(link_receive(link, msg, &event));
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        if (MCQ_LIKELY(!msg->more && link->in.tail == link->in.whole_at))
            return MCQ_OK;
        MCQ_TRY(link_enqueue(link, msg, &is_whole));
        if (is_whole) {
            (void) queue_pop(&link->in, msg);
            return MCQ_OK;
        }
    }
}

static bool is_wish(const struct mcq_event *event)
{
    return event->kind == MCQ_EVENT_SUBSCRIBE || event->kind == MCQ_EVENT_CANCEL ||
           event->kind == MCQ_EVENT_JOIN || event->kind == MCQ_EVENT_LEAVE;
}

enum mcq_err mcq_link_hear(struct mcq_link *link, struct mcq_msg *msg, struct mcq_event *event)
{
    if (mcq_link_is_piped(link))
        return mcq_link_pipe_hear(link, msg, event);
    do
        MCQ_TRY(link_receive(link, msg, event));
    while (event->kind != MCQ_EVENT_BODY && !is_wish(event));
    return MCQ_OK;
}

enum mcq_err mcq_link_hear_whole(struct mcq_link *link, struct mcq_msg *msg,
                                 struct mcq_event *event)
{
    bool is_whole;

    if (mcq_link_is_piped(link))
        return mcq_link_pipe_hear(link, msg, event);
    for (;;) {
        if (queue_pop(&link->in, msg)) {
            event->kind = MCQ_EVENT_BODY;
            return MCQ_OK;
        }
        MCQ_TRY(link_receive(link, msg, event));
        if (is_wish(event))
            return MCQ_OK;
        if (event->kind != MCQ_EVENT_BODY)
            continue;
        if (!msg->more && link->in.tail == link->in.whole_at)
            return MCQ_OK;
        MCQ_TRY(link_enqueue(link, msg, &is_whole));
    }
}

bool mcq_link_prefetch(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;
    bool is_whole;

    if (mcq_link_is_piped(link))
        return mcq_link_is_readable(link);
    if (link->conflates) {
        read_newest(link);
        link_settle(link);
        return link->in.message_count > 0;
    }
    while ((link->in_max == 0 || link->in.message_count < link->in_max) &&
           link->in.body_bytes < PREFETCH_BYTES) {
        if (link_receive(link, &msg, &event) != MCQ_OK)
            break;
        if (event.kind == MCQ_EVENT_BODY && link_enqueue(link, &msg, &is_whole) != MCQ_OK)
            break;
    }
    link_settle(link);
    return link->in.message_count > 0;
}

bool mcq_link_has_unread(const struct mcq_link *link)
{
    return !link_is_deaf(link) &&
           (link->can_read || link->rpump.unread[0].len > 0 || link->rpump.unread[1].len > 0);
}

bool mcq_link_is_readable(const struct mcq_link *link)
{
    if (link->in.head != link->in.whole_at)
        return true;
    if (mcq_link_is_piped(link)) /* what is in the pipe outlives the connection */
        return mcq_pipe_is_readable(&link->pipe);
    return mcq_link_has_unread(link);
}

/* --- writing --------------------------------------------------------------------------------- */

/* The stream took no more: its next edge is worth knowing. */
static enum mcq_err link_block(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;

    link->can_write = false;
    link->was_blocked = true;
    set_dirty(link, false);
    set_blocked(link, true);
    if (link->is_in_out_set)
        return MCQ_AGAIN;
    if (mcq_ready_add(group->out_set, link->fd, link->key, MCQ_READY_OUT) != MCQ_IO_DONE)
        return MCQ_NOMEM;
    link->is_in_out_set = true;
    return MCQ_AGAIN;
}

static bool is_below_max(struct mcq_link *link)
{
    if (mcq_link_is_piped(link))
        return mcq_pipe_has_room(&link->pipe);
    return link->out_max == 0 || link->conflates || mcq_link_waiting_count(link) < link->out_max;
}

/* A write made room in a full link. */
static void note_room(struct mcq_link *link)
{
    if (!link->is_full || !is_below_max(link))
        return;
    link->is_full = false;
    if (link->is_roomy)
        return;
    link->is_roomy = true;
    link->roomy_next = link->group->roomy_first;
    link->group->roomy_first = link;
}

struct mcq_link *mcq_link_next_roomy(struct mcq_link_group *group)
{
    struct mcq_link *link = group->roomy_first;

    if (link != NULL) {
        group->roomy_first = link->roomy_next;
        link->is_roomy = false;
    }
    return link;
}

static void forget_roomy(struct mcq_link *link)
{
    struct mcq_link **at = &link->group->roomy_first;

    if (!link->is_roomy)
        return;
    while (*at != link)
        at = &(*at)->roomy_next;
    *at = link->roomy_next;
    link->is_roomy = false;
}

/* What waits, as the stream gets it. */
static enum mcq_err link_lend(struct mcq_link *link, struct iovec iov[IOV_COUNT], size_t *count)
{
    if (MCQ_UNLIKELY(mcq_session_is_sealed(link->session)))
        return mcq_spump_lend(&link->spump, &link->wpump, link->session, iov, count);
    *count = mcq_wpump_lend(&link->wpump, mcq_session_want(link->session), iov, IOV_COUNT);
    return MCQ_OK;
}

/* The stream took so many octets; returns how many of them were no message's. */
static size_t link_on_written(struct mcq_link *link, size_t len)
{
    size_t control;

    if (MCQ_UNLIKELY(mcq_session_is_sealed(link->session)))
        return mcq_spump_on_written(&link->spump, &link->wpump, link->session, len);
    control = mcq_wpump_on_written(&link->wpump, len);
    mcq_session_sent(link->session, control);
    return control;
}

static enum mcq_err link_write_all(struct mcq_link *link)
{
    struct iovec iov[IOV_COUNT];
    struct mcq_io io;
    size_t count;
    size_t control;

    link->group->flush_count++;
    for (;;) {
        if (!link->can_write)
            return MCQ_AGAIN;
        MCQ_TRY(link_lend(link, iov, &count));
        if (count == 0)
            break;
        io = mcq_reactor_send(link->group->reactor, link->fd, iov, count);
        control = link_on_written(link, io.len);
        link->has_sent = link->has_sent || io.len > control;
        if (MCQ_UNLIKELY(link->is_full))
            note_room(link);
        if (io.result == MCQ_IO_AGAIN)
            return link_block(link);
        if (io.result != MCQ_IO_DONE)
            return io.result == MCQ_IO_NO_MEMORY ? MCQ_NOMEM : MCQ_CLOSED;
    }
    set_dirty(link, false);
    set_blocked(link, false);
    return MCQ_OK;
}

static enum mcq_err link_write(struct mcq_link *link)
{
    enum mcq_err err;

    if (mcq_link_is_piped(link)) {
        link->group->flush_count++;
        set_dirty(link, false);
        mcq_link_pipe_flush(link);
        return MCQ_OK;
    }
    err = link_write_all(link);
    link_settle(link);
    return err;
}

enum mcq_err mcq_link_flush(struct mcq_link *link)
{
    enum mcq_err err;

    if (!link->is_up)
        return MCQ_OK;
    if (link->is_lost)
        return link->lost_by;
    err = link_write(link);
    if (err != MCQ_OK && err != MCQ_AGAIN)
        mcq_link_lose(link, err);
    return err;
}

bool mcq_link_has_room(struct mcq_link *link)
{
    if (is_below_max(link))
        return true;
    if (link->can_write)
        mcq_link_flush(link);
    if (is_below_max(link))
        return true;
    link->is_full = true;
    return false;
}

void mcq_link_on_room(struct mcq_link *link)
{
    note_room(link);
}

uint64_t mcq_link_waiting_count(const struct mcq_link *link)
{
    if (!mcq_link_is_piped(link))
        return mcq_wpump_message_count(&link->wpump);
    return link->epoch > 0 ? 0 : mcq_pipe_waiting_count(&link->pipe);
}

/* A part was queued. */
static void link_on_put(struct mcq_link *link)
{
    link->group->put_count++;
    if (MCQ_UNLIKELY(link->wpump.put_at >= link->settle_at))
        link_settle(link);
    if (!link->is_up || link->is_lost || link->is_blocked)
        return;
    set_dirty(link, true);
    if (mcq_wpump_waiting_bytes(&link->wpump) >= MCQ_WPUMP_BATCH_BYTES ||
        (mcq_link_is_piped(link) && mcq_pipe_unshown_count(&link->pipe) >= PIPE_BATCH_PARTS))
        mcq_link_flush(link);
}

/* The slab has no block: at a message's start that is like being full. */
static enum mcq_err link_put_error(struct mcq_link *link, enum mcq_err err, bool begins)
{
    if (err != MCQ_AGAIN || !begins)
        return MCQ_NOMEM;
    link->is_full = true;
    return MCQ_AGAIN;
}

static enum mcq_err link_encode(struct mcq_link *link, struct mcq_part *part)
{
    struct mcq_bytes run;
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t *end = mcq_encode_frame_head_as(link->framing, octets, part->more ? MCQ_FRAME_MORE : 0,
                                            part->body.len);
    struct mcq_bytes head = mcq_bytes(octets, (size_t) (end - octets));

    if (part->msg == NULL)
        return mcq_wpump_put_octets(&link->wpump, head, part->body, !part->more);
    if (MCQ_LIKELY(!mcq_msg_put_front(part->msg, head, &run)))
        return mcq_wpump_put(&link->wpump, head, part->msg, !part->more);
    return mcq_wpump_put_place(&link->wpump, &link->group->places, part->msg, run, !part->more);
}

static bool link_is_within(const struct mcq_link *link)
{
    return mcq_link_is_piped(link) ? mcq_pipe_is_within(&link->pipe)
                                   : mcq_wpump_is_within(&link->wpump);
}

enum mcq_err mcq_link_put(struct mcq_link *link, struct mcq_part *part)
{
    bool begins = !link_is_within(link);
    enum mcq_err err;

    if (begins && !mcq_link_has_room(link))
        return MCQ_AGAIN;
    if (MCQ_UNLIKELY(link->conflates) && begins && !mcq_link_is_piped(link))
        mcq_wpump_conflate(&link->wpump);
    err = mcq_link_is_piped(link) ? mcq_link_pipe_put(link, part) : link_encode(link, part);
    if (MCQ_UNLIKELY(err != MCQ_OK))
        return link_put_error(link, err, begins);
    link_on_put(link);
    return MCQ_OK;
}

enum mcq_err mcq_link_put_run(struct mcq_link *link, struct mcq_buf *buf, struct mcq_bytes run,
                              bool ends_message)
{
    bool begins = !mcq_wpump_is_within(&link->wpump);
    enum mcq_err err;

    if (begins && !mcq_link_has_room(link))
        return MCQ_AGAIN;
    if (MCQ_UNLIKELY(link->conflates) && begins)
        mcq_wpump_conflate(&link->wpump);
    err = mcq_wpump_put_run(&link->wpump, buf, run, ends_message);
    if (err != MCQ_OK)
        return link_put_error(link, err, begins);
    link_on_put(link);
    return MCQ_OK;
}

void mcq_link_cut(struct mcq_link *link)
{
    if (mcq_link_is_piped(link))
        mcq_pipe_cut(&link->pipe);
    else
        mcq_wpump_cut(&link->wpump);
}

void mcq_link_drop(struct mcq_link *link)
{
    mcq_wpump_fini(&link->wpump);
    if (link->is_full)
        note_room(link);
    link_settle(link);
}

enum mcq_err mcq_link_subscribe(struct mcq_link *link, struct mcq_bytes topic, bool is_on)
{
    enum mcq_err err =
        mcq_link_is_piped(link)
            ? mcq_link_pipe_say(link, is_on ? MCQ_EVENT_SUBSCRIBE : MCQ_EVENT_CANCEL, topic)
            : mcq_session_subscribe(link->session, topic, is_on);

    if (err == MCQ_OK && !link->is_lost && !link->is_blocked)
        set_dirty(link, true);
    return err;
}

enum mcq_err mcq_link_join(struct mcq_link *link, struct mcq_bytes group, bool is_on)
{
    enum mcq_err err =
        mcq_link_is_piped(link)
            ? mcq_link_pipe_say(link, is_on ? MCQ_EVENT_JOIN : MCQ_EVENT_LEAVE, group)
            : mcq_session_join(link->session, group, is_on);

    if (err == MCQ_OK && !link->is_lost && !link->is_blocked)
        set_dirty(link, true);
    return err;
}

enum mcq_err mcq_link_probe(struct mcq_link *link)
{
    struct mcq_part empty = {.body = mcq_bytes(NULL, 0)};
    enum mcq_err err;

    if (mcq_link_is_piped(link))
        return mcq_link_put(link, &empty);
    err = mcq_session_probe(link->session);
    if (err == MCQ_OK && !link->is_lost && !link->is_blocked)
        set_dirty(link, true);
    return err;
}

enum mcq_err mcq_link_note(struct mcq_link *link)
{
    struct mcq_msg msg;

    mcq_msg_init(&msg);
    return queue_push(&link->in, &msg);
}

/* --- life ------------------------------------------------------------------------------------ */

void mcq_link_init(struct mcq_link *link, struct mcq_link_group *group, uint32_t out_max,
                   uint32_t in_max)
{
    *link = (struct mcq_link) {.group = group,
                               .fd = -1,
                               .out_max = out_max,
                               .in_max = in_max,
                               .framing = MCQ_FRAMING_NEWEST};
    mcq_msg_init(&link->heard);
    mcq_wpump_init(&link->wpump, group->send_slab);
    mcq_spump_init(&link->spump, &group->seal_room);
}

void mcq_link_set_max(struct mcq_link *link, uint32_t out_max, uint32_t in_max)
{
    link->out_max = out_max;
    link->in_max = in_max;
    if (mcq_link_is_piped(link)) {
        mcq_pipe_set_max(&link->pipe, out_max, in_max);
        if (link->is_up)
            link->group->tell(link, MCQ_TELL_ROOM);
    }
    note_room(link);
}

void mcq_link_set_pipe(struct mcq_link *link, struct mcq_pipe_end pipe)
{
    link->pipe = pipe;
    mcq_pipe_set_max(&link->pipe, link->out_max, link->in_max);
    mcq_blocks_set_cache(link->group->receiver.blocks, MCQ_BLOCK_LENT_CACHE_BYTES);
}

void mcq_link_fini(struct mcq_link *link)
{
    mcq_assert(!link->is_up);
    forget_roomy(link);
    mcq_msg_fini(&link->heard);
    link->pipe = (struct mcq_pipe_end) {0};
    queue_fini(&link->in);
    mcq_wpump_fini(&link->wpump);
    link->table_bytes = 0;
    link_settle(link);
}

/* One frame, or a part of it, in the pump of another framing. */
static enum mcq_err put_piece(struct mcq_wpump *pump, enum mcq_framing framing,
                              const struct mcq_frame_piece *piece, struct mcq_buf *owner)
{
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t more = piece->flags & MCQ_FRAME_MORE;
    bool ends_message = piece->last && !more;
    uint8_t *end;

    if (piece->first) {
        end = mcq_encode_frame_head_as(framing, octets, more, piece->size);
        MCQ_TRY(mcq_wpump_put_octets(pump, mcq_bytes(octets, (size_t) (end - octets)),
                                     mcq_bytes(NULL, 0), ends_message && piece->body.len == 0));
    }
    return piece->body.len > 0 ? mcq_wpump_put_run(pump, owner, piece->body, ends_message) : MCQ_OK;
}

static enum mcq_err copy_frames(const struct mcq_link *link, struct mcq_wpump *pump,
                                enum mcq_framing framing)
{
    struct mcq_wpump_cursor cursor = mcq_wpump_walk(&link->wpump);
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    struct mcq_bytes run;
    struct mcq_buf *owner;
    enum mcq_err err;

    mcq_frame_decoder_init(&frames, 0, MCQ_MAX_FRAME_BYTES, 0);
    mcq_frame_decoder_set_framing(&frames, link->framing);
    while (mcq_wpump_walk_on(&link->wpump, &cursor, &run, &owner)) {
        while ((err = mcq_frame_decode(&frames, &run, &piece)) == MCQ_OK)
            MCQ_TRY(put_piece(pump, framing, &piece, owner));
        mcq_assert(err == MCQ_AGAIN); /* we wrote them */
    }
    return MCQ_OK;
}

/* What waits was put before anybody knew who would read it: a peer of another version wants other
 * headers. Bodies stay where they are. */
static enum mcq_err link_reframe(struct mcq_link *link, enum mcq_framing framing)
{
    struct mcq_wpump made;

    if (mcq_framing_heads_alike(link->framing, framing))
        return MCQ_OK;
    mcq_wpump_init(&made, link->group->send_slab);
    if (copy_frames(link, &made, framing) != MCQ_OK) {
        mcq_wpump_fini(&made);
        return MCQ_NOMEM;
    }
    mcq_wpump_fini(&link->wpump);
    link->wpump = made;
    link->framing = framing;
    return MCQ_OK;
}

enum mcq_err mcq_link_start(struct mcq_link *link, struct mcq_opening *opening, uint64_t epoch,
                            struct mcq_ready_key key)
{
    struct mcq_link_group *group = link->group;

    mcq_assert(!link->is_up && epoch > link->epoch);
    MCQ_TRY(link_reframe(link, mcq_session_framing(opening->session)));
    if (mcq_ready_add(group->in_set, opening->fd, key, MCQ_READY_IN) != MCQ_IO_DONE)
        return MCQ_NOMEM;
    mcq_session_trim(opening->session);
    link->session = opening->session;
    link->rpump = *opening->rpump;
    mcq_free(opening->rpump);
    link->rpump.receiver = &group->receiver;
    link->fd = opening->fd;
    *opening = (struct mcq_opening) {.fd = -1};
    link->key = key;
    link->epoch = epoch;
    link->is_up = true;
    link->can_read = true;
    link->can_write = true;
    link->has_sent = false;
    link->was_blocked = false;
    link->lost_by = MCQ_OK;
    link->now_ns = mcq_reactor_now_ns(group->reactor);
    set_dirty(link, true);
    link_settle(link);
    return MCQ_OK;
}

/* Our PING is behind octets that the peer has not come to, or was until now. */
static bool link_is_held_back(struct mcq_link *link)
{
    bool was_blocked = link->was_blocked;

    if (mcq_reactor_is_held_back(link->group->reactor, link->fd))
        return true;
    link->was_blocked = false;
    return was_blocked;
}

void mcq_link_start_piped(struct mcq_link *link, uint64_t epoch)
{
    mcq_assert(!link->is_up && epoch > link->epoch);
    link->epoch = epoch;
    link->is_up = true;
    link->can_read = true;
    link->can_write = true;
    link->lost_by = MCQ_OK;
    set_dirty(link, true);
    note_room(link); /* as many more as the far side's high-water mark says */
}

void mcq_link_tick(struct mcq_link *link, uint64_t now_ns)
{
    enum mcq_err err;

    if (mcq_link_has_unread(link)) /* back-pressure must not look like death */
        mcq_session_excuse(link->session, now_ns);
    else if (now_ns >= link->session->silence_at_ns && link_is_held_back(link))
        mcq_session_wait_on(link->session, now_ns);
    err = mcq_session_tick(link->session, now_ns);
    if (err != MCQ_OK)
        mcq_link_lose(link, err);
    else if (mcq_session_want(link->session).len > 0)
        mcq_link_flush(link);
}

/* What the peer said next, and no answer to it: nobody would hear that. */
static enum mcq_err link_pull_unanswered(struct mcq_link *link, struct mcq_msg *msg,
                                         struct mcq_event *event)
{
    enum mcq_err err;

    do {
        mcq_session_sent(link->session, mcq_session_want(link->session).len);
        err = link_pull(link, msg, event);
    } while (err == MCQ_AGAIN && mcq_session_want(link->session).len > 0);
    return err;
}

/* A peer that is gone may have left messages in the stream. What the kernel holds is finite. */
static void link_drain(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;

    link->can_read = true;
    link->is_drained = true;
    while (link_pull_unanswered(link, &msg, &event) == MCQ_OK) {
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        if (queue_push(&link->in, &msg) != MCQ_OK) {
            mcq_msg_fini(&msg);
            break;
        }
    }
    link->is_drained = false;
}

int mcq_link_end(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    int fd = link->fd;

    mcq_assert(link->is_up);
    forget_lost(link);
    link->can_write = false;
    if (mcq_link_is_piped(link)) {
        mcq_link_cut(link);
        (void) link_write(link);
        link->can_read = false;
        link->is_up = false;
        link->table_bytes = 0;
        return -1;
    }
    if (link->keeps_input && link->lost_by == MCQ_CLOSED)
        link_drain(link);
    mcq_ready_remove(group->in_set, fd);
    if (link->is_in_out_set)
        mcq_ready_remove(group->out_set, fd);
    set_dirty(link, false);
    set_blocked(link, false);
    queue_cut(&link->in);
    mcq_rpump_fini(&link->rpump);
    mcq_spump_fini(&link->spump);
    mcq_session_fini(link->session);
    mcq_free(link->session);
    (void) mcq_wpump_rewind(&link->wpump);
    link->session = NULL;
    link->is_in_out_set = false;
    link->can_read = false;
    link->is_up = false;
    link->is_starved = false;
    link->table_bytes = 0;
    link->fd = -1;
    link_settle(link);
    return fd;
}
