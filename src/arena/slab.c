#include "arena/slab.h"

#include "arena/alloc.h"
#include "arena/home.h"
#include "arena/poison.h"

#define SLAB_PAGE_BYTES 4096

/* The start of its own mapping:
 *
 *   | struct mcq_slab | headers ... | to a page | block 0 | block 1 | ... |
 *
 * Headers lie apart from the blocks, so that blocks stay powers of two and no reader of a block
 * shares a line with a counter. */
struct mcq_slab {
    struct mcq_home home;
    struct mcq_buf *free; /* linked by pool.next */
    struct mcq_buf *cold; /* free, without memory; the same */
    uint32_t cold_count;
    size_t mapped_bytes;
    size_t block_bytes;
    uint8_t *blocks;
    uint32_t block_count;
    uint32_t carved_count; /* blocks that were ever taken */
    struct mcq_buf bufs[];
};

static struct mcq_buf *slab_take_cold(struct mcq_slab *slab);
static void slab_come_home(struct mcq_slab *slab);
static void slab_end(struct mcq_home *home);

static const struct mcq_home_ops slab_ops = {.end_buf = NULL, .end_pool = slab_end};

enum mcq_err mcq_slab_new(size_t block_bytes, uint32_t block_count, struct mcq_slab **slab)
{
    mcq_assert(block_bytes >= MCQ_SLAB_BLOCK_BYTES_MIN);
    mcq_assert(block_bytes <= MCQ_SLAB_BLOCK_BYTES_MAX);
    mcq_assert((block_bytes & (block_bytes - 1)) == 0);
    mcq_assert(block_count >= 1);
    mcq_assert(block_count <= MCQ_SLAB_BLOCK_COUNT_MAX);

    size_t head_bytes = sizeof **slab + block_count * sizeof(struct mcq_buf);

    head_bytes = (head_bytes + SLAB_PAGE_BYTES - 1) / SLAB_PAGE_BYTES * SLAB_PAGE_BYTES;

    size_t mapped_bytes = mcq_size_add(head_bytes, mcq_size_mul(block_bytes, block_count));
    struct mcq_slab *made = mcq_map(mapped_bytes);

    if (made == NULL)
        return MCQ_NOMEM;
    mcq_home_init(&made->home, &slab_ops);
    made->mapped_bytes = mapped_bytes;
    made->block_bytes = block_bytes;
    made->blocks = (uint8_t *) made + head_bytes;
    made->block_count = block_count;
    *slab = made;
    return MCQ_OK;
}

struct mcq_buf *mcq_slab_take(struct mcq_slab *slab)
{
    slab_come_home(slab);

    struct mcq_buf *buf = slab->free;

    if (buf != NULL)
        slab->free = buf->pool.next;
    else
        buf = slab_take_cold(slab);
    if (buf == NULL)
        return NULL;
    mcq_home_take(&slab->home, buf);
    return buf;
}

uint32_t mcq_slab_warm_count(struct mcq_slab *slab)
{
    slab_come_home(slab);
    return slab->carved_count - slab->cold_count - (uint32_t) slab->home.out_count;
}

bool mcq_slab_trim(struct mcq_slab *slab, uint32_t keep, uint32_t most)
{
    uint32_t warm_count = mcq_slab_warm_count(slab);
    struct mcq_buf **at = &slab->free;

    if (warm_count <= keep || slab->block_bytes < SLAB_PAGE_BYTES)
        return false;
    for (uint32_t i = 0; i < keep; i++)
        at = &(*at)->pool.next;
    for (; *at != NULL && most > 0; most--) {
        struct mcq_buf *buf = *at;

        *at = buf->pool.next;
        mcq_map_discard(buf->data, slab->block_bytes);
        buf->pool.next = slab->cold;
        slab->cold = buf;
        slab->cold_count++;
    }
    return *at != NULL;
}

size_t mcq_slab_block_bytes(const struct mcq_slab *slab)
{
    return slab->block_bytes;
}

uint32_t mcq_slab_out_count(struct mcq_slab *slab)
{
    slab_come_home(slab);
    return (uint32_t) slab->home.out_count;
}

void mcq_slab_free(struct mcq_slab **slab)
{
    struct mcq_slab *leaving = *slab;

    *slab = NULL;
    mcq_home_leave(&leaving->home);
}

/* The next block that was never needed, lowest address first; its header is made now, so that the
 * memory of a large slab stays untouched until it is used. */
static struct mcq_buf *slab_carve(struct mcq_slab *slab)
{
    struct mcq_buf *buf = &slab->bufs[slab->carved_count];

    if (slab->carved_count == slab->block_count)
        return NULL;
    buf->kind = MCQ_BUF_POOL;
    buf->parcel_count = 0;
    buf->data = slab->blocks + slab->carved_count * slab->block_bytes;
    buf->size = slab->block_bytes;
    buf->pool.home = &slab->home;
    slab->carved_count++;
    return buf;
}

static struct mcq_buf *slab_take_cold(struct mcq_slab *slab)
{
    struct mcq_buf *buf = slab->cold;

    if (buf == NULL)
        return slab_carve(slab);
    slab->cold = buf->pool.next;
    slab->cold_count--;
    return buf;
}

/* Puts what came home on the free list, the newest on top. At every take and not only when the list
 * is empty: a block is taken once per read, and a warm one is worth more than the exchange. */
static void slab_come_home(struct mcq_slab *slab)
{
    struct mcq_buf *list = mcq_home_drain(&slab->home);

    if (list == NULL)
        return;

    struct mcq_buf *oldest = list;

    while (oldest->pool.next != NULL)
        oldest = oldest->pool.next;
    oldest->pool.next = slab->free;
    slab->free = list;
}

static void slab_end(struct mcq_home *home)
{
    struct mcq_slab *slab = (struct mcq_slab *) home; /* its first member */

    /* The addresses may be mapped anew for somebody else. */
    mcq_unpoison(slab->blocks, slab->carved_count * slab->block_bytes);
    mcq_unmap(slab, slab->mapped_bytes);
}

static_assert(offsetof(struct mcq_slab, home) == 0, "slab_end casts");
