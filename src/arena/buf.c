#include "arena/buf.h"

#include "arena/alloc.h"
#include "arena/home.h"
#include "arena/own.h"

static void buf_init(struct mcq_buf *buf, enum mcq_buf_kind kind, uint8_t *data, size_t size);
static void buf_drop(struct mcq_buf *buf, uint64_t count);
static void buf_check(const struct mcq_buf *buf);

enum mcq_err mcq_buf_new(size_t size, struct mcq_buf **buf)
{
    mcq_assert(size > 0);

    struct mcq_buf *made = mcq_alloc(mcq_size_add(sizeof *made, size));

    if (made == NULL)
        return MCQ_NOMEM;
    buf_init(made, MCQ_BUF_HEAP, (uint8_t *) (made + 1), size);
    *buf = made;
    return MCQ_OK;
}

enum mcq_err mcq_buf_wrap(void *data, size_t size, mcq_buf_free_fn *fn, void *hint,
                          struct mcq_buf **buf)
{
    struct mcq_buf *made = mcq_alloc(sizeof *made);

    if (made == NULL)
        return MCQ_NOMEM;
    buf_init(made, MCQ_BUF_FOREIGN, data, size);
    made->frozen = size;
    made->foreign.fn = fn;
    made->foreign.hint = hint;
    *buf = made;
    return MCQ_OK;
}

void mcq_buf_unref(struct mcq_buf *buf)
{
    buf_drop(buf, 1);
}

struct mcq_bytes mcq_buf_freeze(struct mcq_buf *buf, size_t len)
{
    buf_check(buf);
    mcq_assert(len <= mcq_buf_room_len(buf));

    const uint8_t *start = mcq_buf_room(buf);

    buf->frozen += len;
    return mcq_bytes(start, len);
}

void mcq_buf_thaw(struct mcq_buf *buf, const uint8_t *start, size_t len)
{
    buf_check(buf);
    mcq_assert(mcq_buf_spans(buf, mcq_bytes(start, len)));
    if (start + len == mcq_buf_room(buf))
        buf->frozen -= len;
}

bool mcq_buf_holds(const struct mcq_buf *buf, struct mcq_bytes bytes)
{
    /* As numbers: bytes may point anywhere. */
    uintptr_t offset = (uintptr_t) bytes.data - (uintptr_t) buf->data;

    return bytes.len <= buf->frozen && offset <= buf->frozen - bytes.len;
}

bool mcq_buf_spans(const struct mcq_buf *buf, struct mcq_bytes bytes)
{
    uintptr_t offset = (uintptr_t) bytes.data - (uintptr_t) buf->data;

    return bytes.len <= buf->size && offset <= buf->size - bytes.len;
}

void mcq_handout_init(struct mcq_handout *handout, struct mcq_buf **buf)
{
    uint64_t refs = atomic_load_explicit(&(*buf)->refs, memory_order_relaxed);

    mcq_assert(refs == 1);
    /* A plain store will do: the only holder is this one, so nobody counts at the same time. */
    atomic_store_explicit(&(*buf)->refs, MCQ_HANDOUT_LOT, memory_order_relaxed);
    *handout = (struct mcq_handout) {*buf, MCQ_HANDOUT_LOT};
    *buf = NULL;
}

bool mcq_handout_rewind(struct mcq_handout *handout)
{
    struct mcq_buf *buf = handout->buf;

    buf_check(buf);
    /* Acquire: the last reads of those who dropped come before the next filler's writes. */
    if (atomic_load_explicit(&buf->refs, memory_order_acquire) != handout->left)
        return false;
    buf->frozen = 0;
    return true;
}

void mcq_handout_fini(struct mcq_handout *handout)
{
    mcq_assert(handout->left > 0);
    buf_drop(handout->buf, handout->left);
    *handout = (struct mcq_handout) {NULL, 0};
}

static void buf_init(struct mcq_buf *buf, enum mcq_buf_kind kind, uint8_t *data, size_t size)
{
    atomic_init(&buf->refs, 1);
    buf->data = data;
    buf->size = size;
    buf->frozen = 0;
    buf->kind = kind;
    buf->class_index = 0;
    buf->parcel_count = 0;
}

static void heap_end(struct mcq_buf *buf)
{
    mcq_free(buf);
}

static void pool_end(struct mcq_buf *buf)
{
    struct mcq_blocks *own = mcq_own_blocks();

    if (own != NULL && mcq_blocks_welcome(own, buf))
        return;
    mcq_home_put(buf->pool.home, buf);
}

static void foreign_end(struct mcq_buf *buf)
{
    if (buf->foreign.fn != NULL)
        buf->foreign.fn(buf->data, buf->foreign.hint);
    mcq_free(buf);
}

/* Drops `count` references, all the caller's. */
static void buf_drop(struct mcq_buf *buf, uint64_t count)
{
    static void (*const end_table[])(struct mcq_buf *) = {
        [MCQ_BUF_HEAP] = heap_end,
        [MCQ_BUF_POOL] = pool_end,
        [MCQ_BUF_FOREIGN] = foreign_end,
    };

    /* The header says which line of the protocol each of these is. */
    if (atomic_load_explicit(&buf->refs, memory_order_acquire) != count) {
        uint64_t before = atomic_fetch_sub_explicit(&buf->refs, count, memory_order_release);

        mcq_assert(before >= count); /* else somebody dropped what he did not hold */
        if (before != count)
            return;
        (void) atomic_load_explicit(&buf->refs, memory_order_acquire);
    }
    atomic_store_explicit(&buf->refs, 0, memory_order_relaxed);
    end_table[buf->kind](buf);
}

static void buf_check(const struct mcq_buf *buf)
{
    mcq_assert(atomic_load_explicit(&buf->refs, memory_order_relaxed) > 0);
    mcq_assert(buf->frozen <= buf->size);
}
