#include "pump/write_pump.h"

#include "arena/alloc.h"

#define RING_CAPACITY_MIN 4 /* what a peer keeps that is sent a message now and then */

/* --- rings ----------------------------------------------------------------------------------- */

static uint32_t ring_count(const struct mcq_wpump_ring *ring)
{
    return ring->tail - ring->head;
}

/* Indices keep their meaning, since they are masked on use only. */
static MCQ_COLD enum mcq_err ring_grow(struct mcq_wpump_ring *ring, size_t item_bytes,
                                       uint32_t wanted)
{
    uint32_t wider = ring->items != NULL ? ring->mask + 1 : RING_CAPACITY_MIN;
    uint8_t *items;

    while (wider - ring_count(ring) < wanted) {
        if (wider > UINT32_MAX / 8)
            return MCQ_NOMEM;
        wider *= 2;
    }
    items = mcq_alloc(mcq_size_mul(wider, item_bytes));
    if (items == NULL)
        return MCQ_NOMEM;
    for (uint32_t i = ring->head; ring->items != NULL && i != ring->tail; i++)
        memcpy(items + (i & (wider - 1)) * item_bytes,
               (uint8_t *) ring->items + (i & ring->mask) * item_bytes, item_bytes);
    mcq_free(ring->items);
    ring->items = items;
    ring->mask = wider - 1;
    return MCQ_OK;
}

/* Room for so many more items. */
static inline enum mcq_err ring_reserve(struct mcq_wpump_ring *ring, size_t item_bytes,
                                        uint32_t wanted)
{
    if (MCQ_LIKELY(ring->items != NULL && ring->mask + 1 - ring_count(ring) >= wanted))
        return MCQ_OK;
    return ring_grow(ring, item_bytes, wanted);
}

static void ring_fini(struct mcq_wpump_ring *ring)
{
    mcq_free(ring->items);
    *ring = (struct mcq_wpump_ring) {0};
}

static struct mcq_wpump_segment *segment_at(const struct mcq_wpump *pump, uint32_t index)
{
    return (struct mcq_wpump_segment *) pump->segments.items + (index & pump->segments.mask);
}

static uint64_t *end_at(const struct mcq_wpump *pump, uint32_t index)
{
    return (uint64_t *) pump->ends.items + (index & pump->ends.mask);
}

static void pump_check(const struct mcq_wpump *pump)
{
    mcq_assert_hot(pump->kept_at <= pump->sent_at && pump->sent_at <= pump->whole_at);
    mcq_assert_hot(pump->whole_at <= pump->put_at);
    mcq_assert_hot(pump->sent_segment - pump->segments.head <= ring_count(&pump->segments));
    mcq_assert_hot(pump->sent_segment != pump->segments.tail || pump->sent_offset == 0);
    (void) pump;
}

/* --- putting --------------------------------------------------------------------------------- */

/* A block with room for `len` octets. What the present one holds stays with its segments. */
static enum mcq_err reserve_block(struct mcq_wpump *pump, size_t len)
{
    struct mcq_buf *block;

    if (pump->block != NULL && mcq_buf_room_len(pump->block) >= len)
        return MCQ_OK;
    block = mcq_slab_take(pump->slab);
    if (block == NULL)
        return MCQ_AGAIN;
    mcq_assert(mcq_buf_room_len(block) >= len);
    if (pump->block != NULL)
        mcq_buf_unref(pump->block);
    pump->block = block;
    return MCQ_OK;
}

/* Adds a run. True: it goes on where the last one of the same buffer ended, whose reference does
 * for both; else it takes one, the caller's or a new one. */
static bool add_run(struct mcq_wpump *pump, struct mcq_bytes run, struct mcq_buf *owner)
{
    pump->put_at += run.len;
    if (ring_count(&pump->segments) > 0) {
        struct mcq_wpump_segment *last = segment_at(pump, pump->segments.tail - 1);

        if (last->owner == owner && last->data + last->len == run.data) {
            /* Wholly sent so far: the cursor had moved on to a segment that did not exist yet. */
            if (pump->sent_segment == pump->segments.tail) {
                pump->sent_segment--;
                pump->sent_offset = last->len;
            }
            last->len += run.len;
            return true;
        }
    }
    *segment_at(pump, pump->segments.tail) = (struct mcq_wpump_segment) {run.data, run.len, owner};
    pump->segments.tail++;
    return false;
}

static void add_shared_run(struct mcq_wpump *pump, struct mcq_bytes run, struct mcq_buf *owner)
{
    if (!add_run(pump, run, owner))
        mcq_buf_ref(owner);
}

static void copy_to_block(struct mcq_wpump *pump, struct mcq_bytes head, struct mcq_bytes body)
{
    struct mcq_buf *block = pump->block;

    mcq_put_bytes(mcq_put_bytes(mcq_buf_room(block), head), body);
    add_shared_run(pump, mcq_buf_freeze(block, head.len + body.len), block);
}

/* Rooms for what a put may add: two segments, and the ends of so many messages. */
static inline enum mcq_err reserve_rings(struct mcq_wpump *pump, uint32_t message_count)
{
    MCQ_TRY(ring_reserve(&pump->ends, sizeof(uint64_t), message_count));
    return ring_reserve(&pump->segments, sizeof(struct mcq_wpump_segment), 2);
}

bool mcq_wpump_expects(struct mcq_wpump *pump, uint32_t count)
{
    return pump->block != NULL && reserve_rings(pump, count) == MCQ_OK;
}

static void end_message(struct mcq_wpump *pump, bool ends_message)
{
    if (!ends_message)
        return;
    *end_at(pump, pump->ends.tail++) = pump->put_at;
    pump->whole_at = pump->put_at;
}

enum mcq_err mcq_wpump_room(struct mcq_wpump *pump, size_t len, uint8_t **at)
{
    mcq_assert_hot(len <= (size_t) MCQ_WPUMP_COPY_MAX * 2);
    pump_check(pump);
    MCQ_TRY(reserve_rings(pump, 1));
    MCQ_TRY(reserve_block(pump, len));
    *at = mcq_buf_room(pump->block);
    return MCQ_OK;
}

void mcq_wpump_put_written(struct mcq_wpump *pump, size_t len, bool ends_message)
{
    mcq_assert_hot(len > 0);
    add_shared_run(pump, mcq_buf_freeze(pump->block, len), pump->block);
    end_message(pump, ends_message);
    pump_check(pump);
}

enum mcq_err mcq_wpump_put_octets(struct mcq_wpump *pump, struct mcq_bytes head,
                                  struct mcq_bytes body, bool ends_message)
{
    mcq_assert(head.len + body.len > 0);
    mcq_assert(head.len <= MCQ_WPUMP_COPY_MAX && body.len <= MCQ_WPUMP_COPY_MAX);
    pump_check(pump);
    MCQ_TRY(reserve_rings(pump, 1));
    MCQ_TRY(reserve_block(pump, head.len + body.len));
    copy_to_block(pump, head, body);
    end_message(pump, ends_message);
    pump_check(pump);
    return MCQ_OK;
}

enum mcq_err mcq_wpump_put(struct mcq_wpump *pump, struct mcq_bytes head, struct mcq_msg *msg,
                           bool ends_message)
{
    struct mcq_bytes body = msg != NULL ? mcq_msg_bytes(msg) : mcq_bytes(NULL, 0);

    if (body.len <= MCQ_WPUMP_COPY_MAX) {
        MCQ_TRY(mcq_wpump_put_octets(pump, head, body, ends_message));
    } else {
        mcq_assert(head.len <= MCQ_WPUMP_COPY_MAX);
        MCQ_TRY(reserve_rings(pump, 1));
        if (MCQ_LIKELY(head.len > 0)) {
            MCQ_TRY(reserve_block(pump, head.len));
            copy_to_block(pump, head, mcq_bytes(NULL, 0));
        }
        mcq_msg_freeze(msg);
        add_shared_run(pump, body, msg->large.buf);
        end_message(pump, ends_message);
    }
    if (msg != NULL)
        mcq_msg_fini(msg);
    return MCQ_OK;
}

enum mcq_err mcq_wpump_put_run(struct mcq_wpump *pump, struct mcq_buf *buf, struct mcq_bytes run,
                               bool ends_message)
{
    mcq_assert_hot(mcq_buf_spans(buf, run)); /* its border may be another thread's */
    MCQ_TRY(reserve_rings(pump, 1));
    add_shared_run(pump, run, buf);
    end_message(pump, ends_message);
    pump_check(pump);
    return MCQ_OK;
}

enum mcq_err mcq_wpump_put_frames(struct mcq_wpump *pump, const struct mcq_frames *frames,
                                  uint32_t from, uint32_t count)
{
    uint32_t at = mcq_frames_at(frames, from);
    uint64_t base = pump->put_at - at;
    struct mcq_bytes run = mcq_bytes(frames->start + at, mcq_frames_at(frames, from + count) - at);

    mcq_assert_hot(!mcq_wpump_is_within(pump) && from + count <= frames->count);
    mcq_assert_hot(mcq_buf_spans(frames->buf, run));
    MCQ_TRY(reserve_rings(pump, count));
    add_shared_run(pump, run, frames->buf);
    for (uint32_t i = from; i < from + count; i++)
        *end_at(pump, pump->ends.tail++) = base + frames->ends[i];
    pump->whole_at = pump->put_at;
    pump_check(pump);
    return MCQ_OK;
}

enum mcq_err mcq_wpump_put_place(struct mcq_wpump *pump, struct mcq_places *places,
                                 struct mcq_msg *msg, struct mcq_bytes run, bool ends_message)
{
    mcq_assert_hot(mcq_buf_spans(msg->large.buf, run));
    MCQ_TRY(reserve_rings(pump, 1));
    mcq_places_shrink(places, msg);
    if (add_run(pump, run, msg->large.buf))
        mcq_places_put(places, msg);
    else
        mcq_msg_init(msg);
    end_message(pump, ends_message);
    pump_check(pump);
    return MCQ_OK;
}

/* --- lending --------------------------------------------------------------------------------- */

/* Where control octets may go next: the first message's end from sent_at on. UINT64_MAX: the last
 * message is not whole. */
static uint64_t next_boundary(const struct mcq_wpump *pump)
{
    if (pump->sent_at == pump->kept_at)
        return pump->sent_at;
    for (uint32_t i = pump->ends.head; i != pump->ends.tail; i++)
        if (*end_at(pump, i) >= pump->sent_at)
            return *end_at(pump, i);
    return UINT64_MAX;
}

size_t mcq_wpump_lend(struct mcq_wpump *pump, struct mcq_bytes control, struct iovec *iov,
                      size_t iov_max)
{
    uint32_t index = pump->sent_segment;
    size_t offset = pump->sent_offset;
    uint64_t at = pump->sent_at;
    uint64_t boundary = control.len > 0 ? next_boundary(pump) : UINT64_MAX;
    size_t count = 0;

    mcq_assert(pump->lent_bytes == 0 && iov_max >= 2);
    pump_check(pump);
    pump->lent_control_bytes = 0;
    while (count < iov_max && pump->lent_bytes < MCQ_WPUMP_BATCH_BYTES) {
        if (at == boundary) {
            iov[count++] = (struct iovec) {(void *) (uintptr_t) control.data, control.len};
            pump->lent_before_bytes = (size_t) (at - pump->sent_at);
            pump->lent_control_bytes = control.len;
            pump->lent_bytes += control.len;
            boundary = UINT64_MAX;
            continue;
        }
        if (at == pump->whole_at)
            break;

        const struct mcq_wpump_segment *segment = segment_at(pump, index);
        size_t len =
            (size_t) mcq_min_u64(segment->len - offset, mcq_min_u64(boundary, pump->whole_at) - at);

        iov[count++] = (struct iovec) {(void *) (uintptr_t) (segment->data + offset), len};
        pump->lent_bytes += len;
        at += len;
        offset += len;
        if (offset == segment->len) {
            index++;
            offset = 0;
        }
    }
    return count;
}

/* Drops what no new connection will need: all up to the last end of a message that has left. */
static void drop_sent(struct mcq_wpump *pump)
{
    while (ring_count(&pump->ends) > 0 && *end_at(pump, pump->ends.head) <= pump->sent_at)
        pump->kept_at = *end_at(pump, pump->ends.head++);

    uint64_t at = pump->sent_at - pump->sent_offset; /* start of the segment of the cursor */

    for (uint32_t i = pump->sent_segment; i != pump->segments.head; i--)
        at -= segment_at(pump, i - 1)->len;
    while (pump->segments.head != pump->sent_segment) {
        struct mcq_wpump_segment *first = segment_at(pump, pump->segments.head);

        if (at + first->len > pump->kept_at)
            break;
        at += first->len;
        mcq_buf_unref(first->owner);
        pump->segments.head++;
    }
}

/* Nothing waits and nothing is kept: an idle peer holds no block. */
static void release_block(struct mcq_wpump *pump)
{
    if (ring_count(&pump->segments) > 0 || pump->block == NULL)
        return;
    mcq_buf_unref(pump->block);
    pump->block = NULL;
}

void mcq_wpump_cut(struct mcq_wpump *pump)
{
    uint64_t excess = pump->put_at - pump->whole_at;

    while (excess > 0) {
        struct mcq_wpump_segment *last = segment_at(pump, pump->segments.tail - 1);
        size_t len = (size_t) mcq_min_u64(excess, last->len);

        excess -= len;
        last->len -= len;
        if (last->len > 0)
            break;
        mcq_buf_unref(last->owner);
        pump->segments.tail--;
    }
    pump->put_at = pump->whole_at;
    /* All that is left of the cursor's segment may have been sent. */
    if (pump->sent_offset > 0 && pump->sent_offset == segment_at(pump, pump->sent_segment)->len) {
        pump->sent_segment++;
        pump->sent_offset = 0;
    }
    drop_sent(pump); /* what the begun message alone kept */
    release_block(pump);
    pump_check(pump);
}

size_t mcq_wpump_on_written(struct mcq_wpump *pump, size_t len)
{
    mcq_assert(len <= pump->lent_bytes); /* the kernel cannot send what we never lent */
    size_t after = len > pump->lent_before_bytes ? len - pump->lent_before_bytes : 0;
    size_t control = mcq_min_size(after, pump->lent_control_bytes);
    size_t left = len - control;

    pump->lent_bytes = 0;
    pump->sent_at += left;
    while (left > 0) {
        const struct mcq_wpump_segment *segment = segment_at(pump, pump->sent_segment);
        size_t step = mcq_min_size(left, segment->len - pump->sent_offset);

        left -= step;
        pump->sent_offset += step;
        if (pump->sent_offset == segment->len) {
            pump->sent_segment++;
            pump->sent_offset = 0;
        }
    }
    drop_sent(pump);
    release_block(pump);
    pump_check(pump);
    return control;
}

void mcq_wpump_skip(struct mcq_wpump *pump, size_t len)
{
    mcq_assert(pump->lent_bytes == 0 && len <= mcq_wpump_waiting_bytes(pump));
    pump->lent_bytes = len;
    pump->lent_control_bytes = 0;
    (void) mcq_wpump_on_written(pump, len);
}

void mcq_wpump_conflate(struct mcq_wpump *pump)
{
    bool has_begun = pump->sent_at > pump->kept_at; /* the first message: it must go on */

    mcq_assert(pump->lent_bytes == 0 && !mcq_wpump_is_within(pump));
    if (ring_count(&pump->ends) <= (has_begun ? 1 : 0))
        return;
    pump->whole_at = has_begun ? *end_at(pump, pump->ends.head) : pump->kept_at;
    pump->ends.tail = pump->ends.head + (has_begun ? 1 : 0);
    mcq_wpump_cut(pump);
}

/* --- the oldest ------------------------------------------------------------------------------ */

/* The segments in front of this one move up, over as many that are free. */
static void close_gap(struct mcq_wpump *pump, uint32_t index, uint32_t gap)
{
    for (uint32_t i = index; gap > 0 && i != pump->segments.head; i--)
        *segment_at(pump, i - 1 + gap) = *segment_at(pump, i - 1);
    pump->segments.head += gap;
    pump->sent_segment += gap;
}

/* Makes two of a segment: octets from `from` on stay where it is, those before `to` in one in front
 * of it. */
static enum mcq_err part_segment(struct mcq_wpump *pump, uint32_t index, size_t to, size_t from)
{
    struct mcq_wpump_segment *segment;

    MCQ_TRY(ring_reserve(&pump->segments, sizeof *segment, 1));
    for (uint32_t i = pump->segments.head; i != index + 1; i++)
        *segment_at(pump, i - 1) = *segment_at(pump, i);
    pump->segments.head--;
    pump->sent_segment--;
    segment_at(pump, index - 1)->len = to;
    segment = segment_at(pump, index);
    segment->data += from;
    segment->len -= from;
    mcq_buf_ref(segment->owner);
    return MCQ_OK;
}

/* Takes `len` octets out, from `offset` of this segment on: the cursor lies before them. */
static enum mcq_err take_out(struct mcq_wpump *pump, uint32_t index, size_t offset, uint64_t len)
{
    struct mcq_wpump_segment *segment = segment_at(pump, index);
    uint32_t gap = 0;

    if (offset > 0 && len < segment->len - offset)
        return part_segment(pump, index, offset, offset + (size_t) len);
    if (offset > 0) {
        len -= segment->len - offset;
        segment->len = offset;
        index++;
    }
    for (; len > 0 && len >= segment_at(pump, index + gap)->len; gap++) {
        segment = segment_at(pump, index + gap);
        len -= segment->len;
        mcq_buf_unref(segment->owner);
    }
    if (len > 0) {
        segment = segment_at(pump, index + gap);
        segment->data += len;
        segment->len -= (size_t) len;
    }
    close_gap(pump, index, gap);
    return MCQ_OK;
}

/* What lies in front of it moves up in the stream, and so do the ends of its messages. */
static bool drop_from_middle(struct mcq_wpump *pump, uint32_t end, uint64_t at)
{
    uint64_t len = *end_at(pump, end) - at;
    uint32_t index = pump->sent_segment;
    uint64_t offset = pump->sent_offset + (at - pump->sent_at);

    for (; offset >= segment_at(pump, index)->len; index++)
        offset -= segment_at(pump, index)->len;
    if (take_out(pump, index, (size_t) offset, len) != MCQ_OK)
        return false;
    for (uint32_t i = end; i != pump->ends.head; i--)
        *end_at(pump, i) = *end_at(pump, i - 1) + len;
    pump->ends.head++;
    pump->kept_at += len;
    pump->sent_at += len;
    pump_check(pump);
    return true;
}

bool mcq_wpump_drop_oldest(struct mcq_wpump *pump, uint64_t kept_bytes)
{
    uint64_t at = pump->kept_at; /* a message's start */
    uint32_t end = pump->ends.head;

    mcq_assert(pump->lent_bytes == 0 && !mcq_wpump_is_within(pump));
    for (; end != pump->ends.tail && at < pump->sent_at + kept_bytes; end++)
        at = *end_at(pump, end);
    if (end == pump->ends.tail)
        return false;
    if (at > pump->sent_at)
        return drop_from_middle(pump, end, at);
    mcq_wpump_skip(pump, (size_t) (*end_at(pump, end) - at));
    return true;
}

uint64_t mcq_wpump_rewind(struct mcq_wpump *pump)
{
    mcq_assert(pump->lent_bytes == 0);
    uint64_t at = pump->sent_at - pump->sent_offset;

    for (; pump->sent_segment != pump->segments.head; pump->sent_segment--)
        at -= segment_at(pump, pump->sent_segment - 1)->len;
    /* The first segment may begin in front of the message: it is kept whole for its tail. */
    pump->sent_offset = (size_t) (pump->kept_at - at);
    pump->sent_at = pump->kept_at;
    pump_check(pump);
    return mcq_wpump_waiting_bytes(pump);
}

bool mcq_wpump_walk_on(const struct mcq_wpump *pump, struct mcq_wpump_cursor *cursor,
                       struct mcq_bytes *run, struct mcq_buf **owner)
{
    const struct mcq_wpump_segment *segment;

    if (cursor->segment == pump->segments.tail)
        return false;
    segment = segment_at(pump, cursor->segment);
    *run = mcq_bytes(segment->data + cursor->offset, segment->len - cursor->offset);
    *owner = segment->owner;
    cursor->segment++;
    cursor->offset = 0;
    return true;
}

void mcq_wpump_init(struct mcq_wpump *pump, struct mcq_slab *slab)
{
    *pump = (struct mcq_wpump) {.slab = slab};
}

void mcq_wpump_fini(struct mcq_wpump *pump)
{
    mcq_assert(pump->lent_bytes == 0);
    for (; pump->segments.head != pump->segments.tail; pump->segments.head++)
        mcq_buf_unref(segment_at(pump, pump->segments.head)->owner);
    if (pump->block != NULL)
        mcq_buf_unref(pump->block);
    ring_fini(&pump->segments);
    ring_fini(&pump->ends);
    mcq_wpump_init(pump, pump->slab);
}

void mcq_wpump_trim(struct mcq_wpump *pump)
{
    if (pump->put_at == pump->kept_at && pump->lent_bytes == 0)
        mcq_wpump_fini(pump);
}
