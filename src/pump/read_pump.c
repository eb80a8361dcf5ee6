#include "pump/read_pump.h"

/* A partial body may have this much room before four times what arrived exceeds it. */
#define PARTIAL_BYTES_MIN 2048
/* The next power of the 4x rule: whole bodies of up to four times what came at once need no copy
 * but the first. */
#define PARTIAL_GROWTH 4

/* --- blocks ---------------------------------------------------------------------------------- */

void mcq_receiver_init(struct mcq_receiver *receiver, struct mcq_slab *slab,
                       struct mcq_blocks *blocks)
{
    *receiver = (struct mcq_receiver) {
        .slab = slab, .blocks = blocks, .block_bytes = mcq_slab_block_bytes(slab)};
}

void mcq_receiver_fini(struct mcq_receiver *receiver)
{
    if (receiver->spare.buf != NULL)
        mcq_handout_fini(&receiver->spare);
    receiver->spare = (struct mcq_handout) {0};
}

static enum mcq_err take_block(struct mcq_rpump *pump)
{
    struct mcq_receiver *receiver = pump->receiver;
    struct mcq_buf *buf;

    if (pump->block.buf != NULL)
        return MCQ_OK;
    if (receiver->spare.buf != NULL) {
        pump->block = receiver->spare;
        receiver->spare = (struct mcq_handout) {0};
        return MCQ_OK;
    }
    buf = mcq_slab_take(receiver->slab);
    if (buf == NULL)
        return MCQ_AGAIN;
    mcq_handout_init(&pump->block, &buf);
    return MCQ_OK;
}

/* Nothing of the block is unread. If it is of this receiver's size (a link that has just opened
 * brings one of another) and no message refers to it either, the next peer starts it over;
 * else it ends with the last of them. */
static void put_block(struct mcq_rpump *pump)
{
    struct mcq_receiver *receiver = pump->receiver;

    if (pump->block.buf == NULL)
        return;
    if (receiver->spare.buf == NULL && pump->block.buf->size == receiver->block_bytes &&
        mcq_handout_rewind(&pump->block))
        receiver->spare = pump->block;
    else
        mcq_handout_fini(&pump->block);
    pump->block = (struct mcq_handout) {0};
}

/* --- partial bodies -------------------------------------------------------------------------- */

/* Room for octets to come: four times what is there, if the body is as long as that. */
static size_t partial_capacity(uint64_t size, size_t len)
{
    uint64_t most = len > UINT64_MAX / PARTIAL_GROWTH ? size : (uint64_t) len * PARTIAL_GROWTH;

    if (most < PARTIAL_BYTES_MIN)
        most = PARTIAL_BYTES_MIN;
    return (size_t) mcq_min_u64(size, most);
}

/* A buffer for `len` octets and those to come, with `bytes` as its first. */
static enum mcq_err partial_new(uint64_t size, struct mcq_bytes bytes, struct mcq_buf **buf)
{
    MCQ_TRY(mcq_buf_new(partial_capacity(size, bytes.len), buf));
    mcq_put_bytes(mcq_buf_room(*buf), bytes);
    return MCQ_OK;
}

/* The buffer is full and the body is not: a larger one takes its place. */
static enum mcq_err partial_grow(struct mcq_rpump *pump)
{
    struct mcq_buf *wider;

    if (pump->partial_len < mcq_buf_room_len(pump->partial))
        return MCQ_OK;
    MCQ_TRY(partial_new(pump->partial_size,
                        mcq_bytes(mcq_buf_room(pump->partial), pump->partial_len), &wider));
    mcq_buf_unref(pump->partial);
    pump->partial = wider;
    return MCQ_OK;
}

static enum mcq_err begin_partial(struct mcq_rpump *pump, const struct mcq_frame_piece *piece)
{
    MCQ_TRY(partial_new(piece->size, piece->body, &pump->partial));
    pump->partial_size = piece->size;
    pump->partial_len = piece->body.len;
    return MCQ_OK;
}

static void end_partial(struct mcq_rpump *pump, struct mcq_msg *msg)
{
    struct mcq_bytes body = mcq_buf_freeze(pump->partial, pump->partial_len);

    mcq_msg_init_buf(msg, &pump->partial, body);
    pump->partial = NULL;
}

/* A body's next piece. Behind the first one it was received in place, or it follows in the block
 * because less than the whole body had come when the read was made. */
static enum mcq_err continue_partial(struct mcq_rpump *pump, const struct mcq_frame_piece *piece)
{
    struct mcq_bytes body = piece->body;

    while (body.len > 0) {
        MCQ_TRY(partial_grow(pump));

        uint8_t *at = mcq_buf_room(pump->partial) + pump->partial_len;
        size_t len = mcq_min_size(body.len, mcq_buf_room_len(pump->partial) - pump->partial_len);

        if (at != body.data)
            memcpy(at, body.data, len);
        pump->partial_len += len;
        mcq_bytes_skip(&body, len);
    }
    return MCQ_OK;
}

/* MCQ_OK: *msg is the whole part. MCQ_AGAIN: more of it must come. */
static enum mcq_err take_piece(struct mcq_rpump *pump, const struct mcq_frame_piece *piece,
                               struct mcq_msg *msg)
{
    if (piece->first && piece->last)
        return mcq_msg_init_slice(msg, &pump->block, pump->receiver->blocks, piece->body);
    MCQ_TRY(piece->first ? begin_partial(pump, piece) : continue_partial(pump, piece));
    if (!piece->last)
        return MCQ_AGAIN;
    end_partial(pump, msg);
    return MCQ_OK;
}

/* --- sealed frames --------------------------------------------------------------------------- */

/* Where the octets of a piece lie is ours to write, as long as no message has a part of them. */
static uint8_t *writable(struct mcq_bytes octets)
{
    return (uint8_t *) (uintptr_t) octets.data;
}

static void forget_told(struct mcq_rpump *pump)
{
    if (pump->told != NULL)
        mcq_buf_unref(pump->told);
    pump->told = NULL;
}

/* A whole frame in the block. */
static enum mcq_err open_whole(struct mcq_rpump *pump, struct mcq_bytes frame, uint64_t now_ns,
                               struct mcq_msg *msg, struct mcq_event *event)
{
    MCQ_TRY(mcq_session_open(pump->session, writable(frame), frame.len, now_ns, event));
    if (event->kind != MCQ_EVENT_BODY)
        return MCQ_OK;
    return mcq_msg_init_slice(msg, &pump->block, pump->receiver->blocks, event->body.piece.body);
}

/* A whole frame in a buffer of its own. */
static enum mcq_err open_partial(struct mcq_rpump *pump, uint64_t now_ns, struct mcq_msg *msg,
                                 struct mcq_event *event)
{
    struct mcq_bytes frame = mcq_buf_freeze(pump->partial, pump->partial_len);

    pump->told = pump->partial;
    pump->partial = NULL;
    MCQ_TRY(mcq_session_open(pump->session, writable(frame), frame.len, now_ns, event));
    if (event->kind == MCQ_EVENT_BODY)
        mcq_msg_init_buf(msg, &pump->told, event->body.piece.body);
    return MCQ_OK;
}

/* As take_piece, of a frame that is a box; what is in it may be something else than a part. */
static enum mcq_err take_sealed(struct mcq_rpump *pump, uint64_t now_ns, struct mcq_msg *msg,
                                struct mcq_event *event)
{
    const struct mcq_frame_piece piece = event->body.piece;

    if (piece.first && piece.last)
        return open_whole(pump, piece.body, now_ns, msg, event);
    MCQ_TRY(piece.first ? begin_partial(pump, &piece) : continue_partial(pump, &piece));
    return piece.last ? open_partial(pump, now_ns, msg, event) : MCQ_AGAIN;
}

/* --- the pump -------------------------------------------------------------------------------- */

void mcq_rpump_init(struct mcq_rpump *pump, struct mcq_receiver *receiver,
                    struct mcq_session *session)
{
    *pump = (struct mcq_rpump) {.receiver = receiver, .session = session};
}

void mcq_rpump_fini(struct mcq_rpump *pump)
{
    pump->unread[0].len = 0;
    pump->unread[1].len = 0;
    put_block(pump);
    if (pump->partial != NULL)
        mcq_buf_unref(pump->partial);
    pump->partial = NULL;
    forget_told(pump);
}

enum mcq_err mcq_rpump_room(struct mcq_rpump *pump, struct iovec iov[MCQ_RPUMP_IOV_MAX],
                            size_t *count)
{
    size_t runs = 0;

    mcq_assert(pump->unread[0].len == 0 && pump->unread[1].len == 0);
    MCQ_TRY(take_block(pump));
    pump->partial_room = 0;
    if (pump->partial != NULL) {
        MCQ_TRY(partial_grow(pump));
        pump->partial_room = mcq_buf_room_len(pump->partial) - pump->partial_len;
        iov[runs++] =
            (struct iovec) {mcq_buf_room(pump->partial) + pump->partial_len, pump->partial_room};
    }
    iov[runs++] = (struct iovec) {mcq_buf_room(pump->block.buf), mcq_buf_room_len(pump->block.buf)};
    *count = runs;
    return MCQ_OK;
}

void mcq_rpump_on_read(struct mcq_rpump *pump, size_t len)
{
    size_t to_partial = mcq_min_size(len, pump->partial_room);

    if (to_partial > 0)
        pump->unread[0] = mcq_bytes(mcq_buf_room(pump->partial) + pump->partial_len, to_partial);
    if (len > to_partial)
        pump->unread[1] = mcq_buf_freeze(pump->block.buf, len - to_partial);
    pump->partial_room = 0;
    if (len == 0)
        put_block(pump);
}

enum mcq_err mcq_rpump_next(struct mcq_rpump *pump, uint64_t now_ns, struct mcq_msg *msg,
                            struct mcq_event *event)
{
    struct mcq_bytes body;
    enum mcq_err err;

    if (MCQ_UNLIKELY(pump->told != NULL))
        forget_told(pump);
    if (MCQ_LIKELY(pump->unread[0].len == 0 &&
                   mcq_session_take_whole(pump->session, &pump->unread[1], &body))) {
        event->kind = MCQ_EVENT_BODY;
        return mcq_msg_init_slice(msg, &pump->block, pump->receiver->blocks, body);
    }
    do {
        struct mcq_bytes *unread = &pump->unread[pump->unread[0].len > 0 ? 0 : 1];

        err = mcq_session_feed(pump->session, unread, now_ns, event);
        if (err == MCQ_OK && event->kind == MCQ_EVENT_BODY)
            err = take_piece(pump, &event->body.piece, msg);
        else if (err == MCQ_OK && event->kind == MCQ_EVENT_SEALED)
            err = take_sealed(pump, now_ns, msg, event);
        if (err == MCQ_OK && event->kind != MCQ_EVENT_BODY)
            return MCQ_OK;
        /* One run is used up; the other may have octets still. */
        if (err == MCQ_AGAIN && pump->unread[0].len == 0 && pump->unread[1].len == 0)
            break;
    } while (err == MCQ_AGAIN);
    if (err == MCQ_OK)
        msg->more = event->body.piece.flags & MCQ_FRAME_MORE;
    if (err == MCQ_AGAIN)
        put_block(pump);
    return err;
}
