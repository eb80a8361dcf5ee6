#include "arena/msg.h"

#include "arena/alloc.h"
#include "arena/own.h"

static void msg_set_large(struct mcq_msg *msg, enum mcq_msg_kind kind, struct mcq_buf *buf,
                          struct mcq_bytes body);
static void msg_set_copy(struct mcq_msg *msg, struct mcq_buf *buf, struct mcq_bytes bytes);
static bool msg_may_pin(const struct mcq_buf *buf, size_t len);

/* For a body that the application makes. */
static enum mcq_err new_buf(size_t len, struct mcq_buf **buf)
{
    struct mcq_blocks *own = mcq_own_blocks();

    return own != NULL && len <= MCQ_OWN_BYTES_MAX ? mcq_blocks_take(own, len, buf)
                                                   : mcq_buf_new(len, buf);
}

enum mcq_err mcq_msg_init_unset(struct mcq_msg *msg, size_t len)
{
    struct mcq_buf *buf;

    mcq_msg_init(msg);
    if (len <= MCQ_MSG_INLINE_MAX) {
        memset(msg->small, 0, len);
        msg->small_len = (uint8_t) len;
        return MCQ_OK;
    }
    MCQ_TRY(new_buf(len, &buf));
    msg_set_large(msg, MCQ_MSG_FILLING, buf, mcq_bytes(mcq_buf_room(buf), len));
    return MCQ_OK;
}

enum mcq_err mcq_msg_init_size(struct mcq_msg *msg, size_t len)
{
    MCQ_TRY(mcq_msg_init_unset(msg, len));
    /* What the memory held before is nobody's to read or send. */
    if (msg->kind != MCQ_MSG_INLINE)
        memset(mcq_msg_fill(msg), 0, len);
    return MCQ_OK;
}

enum mcq_err mcq_msg_init_copy(struct mcq_msg *msg, struct mcq_bytes bytes)
{
    struct mcq_buf *buf;

    mcq_msg_init(msg);
    if (bytes.len <= MCQ_MSG_INLINE_MAX) {
        mcq_put_bytes(msg->small, bytes);
        msg->small_len = (uint8_t) bytes.len;
        return MCQ_OK;
    }
    MCQ_TRY(new_buf(bytes.len, &buf));
    msg_set_copy(msg, buf, bytes);
    return MCQ_OK;
}

enum mcq_err mcq_msg_init_block(struct mcq_msg *msg, struct mcq_blocks *blocks,
                                struct mcq_bytes bytes)
{
    struct mcq_buf *buf;

    if (bytes.len <= MCQ_MSG_INLINE_MAX)
        return mcq_msg_init_copy(msg, bytes);
    mcq_msg_init(msg);
    MCQ_TRY(mcq_blocks_take(blocks, bytes.len, &buf));
    msg_set_copy(msg, buf, bytes);
    return MCQ_OK;
}

void mcq_msg_init_buf(struct mcq_msg *msg, struct mcq_buf **buf, struct mcq_bytes bytes)
{
    mcq_assert(mcq_buf_holds(*buf, bytes));
    mcq_msg_init(msg);
    msg_set_large(msg, MCQ_MSG_SHARED, *buf, bytes);
    *buf = NULL;
}

void mcq_msg_init_place(struct mcq_msg *msg, struct mcq_buf **buf, struct mcq_bytes place,
                        size_t front_len)
{
    mcq_assert(mcq_buf_holds(*buf, place));
    mcq_assert(front_len <= MCQ_MSG_FRONT_MAX && front_len <= place.len);
    mcq_msg_init(msg);
    mcq_bytes_skip(&place, front_len);
    msg_set_large(msg, MCQ_MSG_PLACE, *buf, place);
    msg->large.place_len = place.len;
    msg->large.front_len = (uint8_t) front_len;
    *buf = NULL;
}

enum mcq_err mcq_msg_init_slice(struct mcq_msg *msg, struct mcq_handout *handout,
                                struct mcq_blocks *blocks, struct mcq_bytes bytes)
{
    mcq_assert_hot(mcq_buf_holds(handout->buf, bytes));
    if (bytes.len <= MCQ_MSG_INLINE_MAX)
        return mcq_msg_init_copy(msg, bytes);
    if (!msg_may_pin(handout->buf, bytes.len))
        return mcq_msg_init_block(msg, blocks, bytes);
    mcq_msg_init(msg);
    msg_set_large(msg, MCQ_MSG_SHARED, mcq_handout_ref(handout), bytes);
    return MCQ_OK;
}

void mcq_msg_copy(struct mcq_msg *target, struct mcq_msg *source)
{
    mcq_msg_freeze(source);
    if (source->kind == MCQ_MSG_SHARED)
        mcq_buf_ref(source->large.buf);
    if (mcq_msg_has_group(source))
        mcq_buf_ref(source->large.group);
    *target = *source;
}

void mcq_msg_fini(struct mcq_msg *msg)
{
    if (mcq_msg_has_group(msg))
        mcq_buf_unref(msg->large.group);
    if (msg->kind != MCQ_MSG_INLINE)
        mcq_buf_unref(msg->large.buf);
    mcq_msg_init(msg);
}

/* The body of an inline message, to a buffer of its own, in which it may still be written. */
static enum mcq_err msg_enlarge(struct mcq_msg *msg)
{
    size_t len = msg->small_len;
    struct mcq_buf *buf;

    MCQ_TRY(mcq_buf_new(len > 0 ? len : 1, &buf));
    mcq_put_bytes(mcq_buf_room(buf), mcq_bytes(msg->small, len));
    msg->small_len = 0;
    msg_set_large(msg, MCQ_MSG_FILLING, buf, mcq_bytes(mcq_buf_room(buf), len));
    return MCQ_OK;
}

enum mcq_err mcq_msg_set_group(struct mcq_msg *msg, struct mcq_bytes group)
{
    static const uint8_t zero = 0;
    struct mcq_buf *named = NULL;

    if (group.len > 0) {
        MCQ_TRY(mcq_buf_new(mcq_size_add(group.len, 1), &named));
        mcq_put_bytes(mcq_put_bytes(mcq_buf_room(named), group), mcq_bytes(&zero, 1));
        (void) mcq_buf_freeze(named, group.len + 1);
        if (msg->kind == MCQ_MSG_INLINE && msg_enlarge(msg) != MCQ_OK) {
            mcq_buf_unref(named);
            return MCQ_NOMEM;
        }
    }
    if (mcq_msg_has_group(msg))
        mcq_buf_unref(msg->large.group);
    if (msg->kind != MCQ_MSG_INLINE)
        msg->has_group = named != NULL;
    if (named != NULL)
        msg->large.group = named;
    return MCQ_OK;
}

struct mcq_bytes mcq_msg_group(const struct mcq_msg *msg)
{
    static const char none[] = "";

    if (!mcq_msg_has_group(msg))
        return mcq_bytes(none, 0);
    return mcq_bytes(msg->large.group->data, msg->large.group->frozen - 1);
}

static void msg_set_large(struct mcq_msg *msg, enum mcq_msg_kind kind, struct mcq_buf *buf,
                          struct mcq_bytes body)
{
    msg->kind = (uint8_t) kind;
    msg->large.buf = buf;
    msg->large.data = body.data;
    msg->large.len = body.len;
    msg->large.sole_of = NULL;
}

/* Fills a buffer that is the caller's alone. */
static void msg_set_copy(struct mcq_msg *msg, struct mcq_buf *buf, struct mcq_bytes bytes)
{
    mcq_put_bytes(mcq_buf_room(buf), bytes);
    msg_set_large(msg, MCQ_MSG_SHARED, buf, mcq_buf_freeze(buf, bytes.len));
}

/* Whether a reference is within the pin bound. Where it is, it costs less than a copy. */
static bool msg_may_pin(const struct mcq_buf *buf, size_t len)
{
    return mcq_size_mul(len, MCQ_MSG_PIN_FACTOR) >= mcq_buf_pinned_bytes(buf);
}
