#include "arena/grow.h"

#include "arena/alloc.h"

static size_t grow_capacity(const struct mcq_grow *grow, size_t needed);
static uint8_t *grow_move(struct mcq_grow *grow, size_t capacity);
static void grow_check(const struct mcq_grow *grow);

void mcq_grow_init(struct mcq_grow *grow, size_t max_bytes)
{
    *grow = (struct mcq_grow) {.max_bytes = max_bytes};
}

void mcq_grow_fini(struct mcq_grow *grow)
{
    bool wipes = grow->wipes;

    grow_check(grow);
    if (wipes)
        mcq_wipe(grow->data, grow->capacity);
    mcq_free(grow->data);
    mcq_grow_init(grow, grow->max_bytes);
    grow->wipes = wipes;
}

enum mcq_err mcq_grow_reserve(struct mcq_grow *grow, size_t len)
{
    grow_check(grow);
    if (len > grow->max_bytes - grow->len)
        return MCQ_LIMIT;
    if (len <= grow->capacity - grow->len)
        return MCQ_OK;

    size_t capacity = grow_capacity(grow, grow->len + len);
    uint8_t *data = grow_move(grow, capacity);

    if (data == NULL)
        return MCQ_NOMEM;
    grow->data = data;
    grow->capacity = capacity;
    return MCQ_OK;
}

enum mcq_err mcq_grow_append(struct mcq_grow *grow, struct mcq_bytes bytes)
{
    MCQ_TRY(mcq_grow_reserve(grow, bytes.len));
    if (bytes.len > 0)
        memcpy(mcq_grow_room(grow), bytes.data, bytes.len);
    mcq_grow_commit(grow, bytes.len);
    return MCQ_OK;
}

void mcq_grow_clear(struct mcq_grow *grow)
{
    if (grow->capacity > MCQ_GROW_KEEP_BYTES)
        mcq_grow_fini(grow);
    if (grow->wipes)
        mcq_wipe(grow->data, grow->len);
    grow->len = 0;
}

void mcq_grow_cut(struct mcq_grow *grow, size_t at, size_t len)
{
    uint8_t *data;
    size_t capacity;

    grow_check(grow);
    mcq_assert(at <= grow->len && len <= grow->len - at);
    if (len == 0)
        return;
    memmove(grow->data + at, grow->data + at + len, grow->len - at - len);
    grow->len -= len;
    if (grow->wipes)
        mcq_wipe(grow->data + grow->len, len);
    capacity = grow->len > MCQ_GROW_KEEP_BYTES ? grow->len : MCQ_GROW_KEEP_BYTES;
    if (grow->capacity / 4 < capacity)
        return;
    data = grow_move(grow, capacity);
    if (data == NULL)
        return; /* it is there all the same */
    grow->data = data;
    grow->capacity = capacity;
}

/* Twice the last capacity or what is needed, whichever is more, within the ceiling. */
static size_t grow_capacity(const struct mcq_grow *grow, size_t needed)
{
    size_t capacity = grow->capacity > SIZE_MAX / 2 ? SIZE_MAX : grow->capacity * 2;

    if (capacity < MCQ_GROW_BYTES_MIN)
        capacity = MCQ_GROW_BYTES_MIN;
    if (capacity < needed)
        capacity = needed;
    return mcq_min_size(capacity, grow->max_bytes);
}

/* realloc() leaves the old octets where they were. */
static uint8_t *grow_move(struct mcq_grow *grow, size_t capacity)
{
    if (!grow->wipes)
        return mcq_realloc(grow->data, capacity);

    uint8_t *data = mcq_alloc(capacity);

    if (data == NULL)
        return NULL;
    mcq_put_bytes(data, mcq_grow_bytes(grow));
    mcq_wipe(grow->data, grow->capacity);
    mcq_free(grow->data);
    return data;
}

static void grow_check(const struct mcq_grow *grow)
{
    mcq_assert(grow->len <= grow->capacity);
    mcq_assert(grow->capacity <= grow->max_bytes);
    mcq_assert((grow->data == NULL) == (grow->capacity == 0));
}
