#include "arena/block.h"

#include "arena/alloc.h"
#include "arena/home.h"
#include "arena/poison.h"

#define COME_HOME_EVERY 16
#define UNPACK_COUNT 2 /* of those that came home, with each take */

struct block_class {
    struct mcq_buf *free; /* linked by pool.next */
    uint32_t free_count;
};

struct mcq_blocks {
    struct mcq_home home; /* of all classes: a block knows its own */
    struct block_class classes[MCQ_BLOCK_CLASS_COUNT];
    size_t cache_bytes; /* of each class */
    uint32_t take_count;
    struct mcq_buf *arrived;     /* came home, and not looked at since */
    struct mcq_home *guest_home; /* of those that wait to go home; NULL: none do */
    struct mcq_buf *guest_first;
    struct mcq_buf *guest_last;
    struct mcq_buf *parcel; /* one of them, the last that was begun; NULL: none */
    uint32_t guest_count;
    size_t guest_bytes;
};

static uint32_t block_class_index(size_t len);
static size_t block_class_bytes(uint32_t class_index);
static enum mcq_err block_new(struct mcq_blocks *blocks, uint32_t class_index,
                              struct mcq_buf **buf);
static void block_free(struct mcq_buf *buf);
static void block_keep(struct mcq_blocks *blocks, struct mcq_buf *buf);
static void block_host(struct mcq_blocks *blocks, struct mcq_buf *buf);
static void count_guest(struct mcq_blocks *blocks, size_t len);
static void begin_parcel(struct mcq_blocks *blocks, struct mcq_buf *buf);
static void unpack(struct mcq_blocks *blocks);
static void blocks_come_home(struct mcq_blocks *blocks);
static void blocks_end_buf(struct mcq_home *home, struct mcq_buf *buf);
static void blocks_end(struct mcq_home *home);

static const struct mcq_home_ops blocks_ops = {.end_buf = blocks_end_buf, .end_pool = blocks_end};

enum mcq_err mcq_blocks_new(struct mcq_blocks **blocks)
{
    struct mcq_blocks *made = mcq_alloc_lines(sizeof *made);

    if (made == NULL)
        return MCQ_NOMEM;
    *made = (struct mcq_blocks) {.cache_bytes = MCQ_BLOCK_CACHE_BYTES};
    mcq_home_init(&made->home, &blocks_ops);
    *blocks = made;
    return MCQ_OK;
}

void mcq_blocks_set_cache(struct mcq_blocks *blocks, size_t bytes)
{
    blocks->cache_bytes = bytes;
}

enum mcq_err mcq_blocks_take(struct mcq_blocks *blocks, size_t len, struct mcq_buf **buf)
{
    mcq_assert(len > 0);
    if (len > MCQ_BLOCK_BYTES_MAX)
        return mcq_buf_new(len, buf);

    uint32_t class_index = block_class_index(len);
    struct block_class *class = &blocks->classes[class_index];

    /* One exchange serves many takes; but who waits until the class is empty goes through all the
     * blocks there are, and finds none of them warm. */
    if (++blocks->take_count % COME_HOME_EVERY == 0 && blocks->arrived == NULL)
        blocks->arrived = mcq_home_detach(&blocks->home);
    for (int i = 0; i < UNPACK_COUNT && blocks->arrived != NULL; i++)
        unpack(blocks);
    if (class->free == NULL)
        blocks_come_home(blocks);
    if (class->free == NULL)
        return block_new(blocks, class_index, buf);

    struct mcq_buf *taken = class->free;

    class->free = taken->pool.next;
    class->free_count--;
    mcq_home_take(&blocks->home, taken);
    *buf = taken;
    return MCQ_OK;
}

bool mcq_blocks_take_back(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    if (buf->kind != MCQ_BUF_POOL || buf->pool.home != &blocks->home ||
        !mcq_home_take_back(&blocks->home, buf))
        return false;
    block_keep(blocks, buf);
    return true;
}

void mcq_blocks_put(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    if (buf->kind == MCQ_BUF_POOL && buf->pool.home != &blocks->home)
        block_host(blocks, buf);
    else if (!mcq_blocks_take_back(blocks, buf))
        mcq_buf_unref(buf);
}

bool mcq_blocks_welcome(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    if (buf->pool.home != &blocks->home)
        return false;
    mcq_assert(blocks->home.out_count > 0);
    mcq_poison(buf->data, buf->size);
    blocks->home.out_count--;
    block_keep(blocks, buf);
    return true;
}

struct mcq_blocks *mcq_blocks_of_sole(const struct mcq_buf *buf)
{
    /* Acquire: as mcq_home_take_last. */
    if (buf->kind != MCQ_BUF_POOL || buf->pool.home->ops != &blocks_ops ||
        atomic_load_explicit(&buf->refs, memory_order_acquire) != 1)
        return NULL;
    return (struct mcq_blocks *) buf->pool.home;
}

void mcq_blocks_put_sole(struct mcq_blocks *blocks, struct mcq_blocks *pool, struct mcq_buf *buf,
                         size_t len)
{
    if (pool == blocks) {
        mcq_blocks_put(blocks, buf);
    } else if (blocks->guest_home == &pool->home && blocks->parcel != NULL &&
               mcq_home_pack(blocks->parcel, buf)) {
        count_guest(blocks, len);
    } else {
        block_host(blocks, buf);
        begin_parcel(blocks, buf);
    }
}

void mcq_blocks_flush(struct mcq_blocks *blocks)
{
    if (blocks->guest_home == NULL)
        return;
    mcq_home_put_all(blocks->guest_home, blocks->guest_first, blocks->guest_last);
    blocks->guest_home = NULL;
    blocks->parcel = NULL;
    blocks->guest_count = 0;
    blocks->guest_bytes = 0;
}

void mcq_blocks_trim(struct mcq_blocks *blocks)
{
    mcq_blocks_flush(blocks);
    blocks_come_home(blocks);
    for (uint32_t i = 0; i < MCQ_BLOCK_CLASS_COUNT; i++) {
        struct block_class *class = &blocks->classes[i];

        while (class->free != NULL) {
            struct mcq_buf *buf = class->free;

            class->free = buf->pool.next;
            block_free(buf);
        }
        class->free_count = 0;
    }
}

void mcq_blocks_free(struct mcq_blocks **blocks)
{
    struct mcq_blocks *leaving = *blocks;

    *blocks = NULL;
    mcq_blocks_trim(leaving);
    mcq_home_leave(&leaving->home);
}

/* The smallest class that holds `len` octets, 1 .. MCQ_BLOCK_BYTES_MAX. */
static uint32_t block_class_index(size_t len)
{
    /* With all of len's lines counted from 0, the class is the width of the last one's number. */
    unsigned int last_line = (unsigned int) (len - 1) / MCQ_BLOCK_BYTES_MIN;

    return last_line == 0 ? 0 : 32 - (uint32_t) __builtin_clz(last_line);
}

static size_t block_class_bytes(uint32_t class_index)
{
    return (size_t) MCQ_BLOCK_BYTES_MIN << class_index;
}

static enum mcq_err block_new(struct mcq_blocks *blocks, uint32_t class_index, struct mcq_buf **buf)
{
    struct mcq_buf *made;

    MCQ_TRY(mcq_buf_new(block_class_bytes(class_index), &made));
    /* A heap buffer, but for where it goes in the end. */
    made->kind = MCQ_BUF_POOL;
    made->class_index = class_index;
    made->pool.home = &blocks->home;
    blocks->home.out_count++;
    *buf = made;
    return MCQ_OK;
}

static void block_free(struct mcq_buf *buf)
{
    mcq_unpoison(buf->data, buf->size);
    mcq_free(buf);
}

/* Into its class's cache, if that may keep more. */
static void block_keep(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    struct block_class *class = &blocks->classes[buf->class_index];
    /* As cache_bytes / buf->size, a division that cost a tenth of a receive. */
    size_t most_count = (blocks->cache_bytes / MCQ_BLOCK_BYTES_MIN) >> buf->class_index;

    if (class->free_count >= most_count) {
        block_free(buf);
        return;
    }
    buf->pool.next = class->free;
    class->free = buf;
    class->free_count++;
}

/* Drops the reference to another pool's; if it is the last one, the block is a guest now. */
static void block_host(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    struct mcq_home *home = buf->pool.home;

    if (!mcq_home_take_last(buf)) {
        mcq_buf_unref(buf);
        return;
    }
    if (home != blocks->guest_home) {
        mcq_blocks_flush(blocks);
        blocks->guest_home = home;
        blocks->guest_last = buf;
        buf->pool.next = NULL;
    } else {
        buf->pool.next = blocks->guest_first;
    }
    blocks->guest_first = buf;
    count_guest(blocks, buf->size);
}

static void count_guest(struct mcq_blocks *blocks, size_t len)
{
    blocks->guest_bytes += len;
    if (++blocks->guest_count == MCQ_BLOCK_GUESTS_MAX ||
        blocks->guest_bytes >= MCQ_BLOCK_GUEST_BYTES_MAX)
        mcq_blocks_flush(blocks);
}

/* Of the guest that came last, if it has not gone home at once. */
static void begin_parcel(struct mcq_blocks *blocks, struct mcq_buf *buf)
{
    if (blocks->guest_home != NULL && blocks->guest_first == buf)
        blocks->parcel = buf;
}

/* The header was another thread's until now, and so is the next one's: the processor fetches that
 * while somebody works with this one. */
static void unpack(struct mcq_blocks *blocks)
{
    struct mcq_buf *buf = mcq_home_next(&blocks->arrived);

    __builtin_prefetch(blocks->arrived, 1);
    mcq_home_arrived(&blocks->home);
    block_keep(blocks, buf);
}

static void blocks_come_home(struct mcq_blocks *blocks)
{
    do {
        while (blocks->arrived != NULL)
            unpack(blocks);
        blocks->arrived = mcq_home_detach(&blocks->home);
    } while (blocks->arrived != NULL);
}

static void blocks_end_buf(struct mcq_home *home, struct mcq_buf *buf)
{
    (void) home;
    block_free(buf);
}

static void blocks_end(struct mcq_home *home)
{
    mcq_free(home); /* its first member */
}

static_assert(offsetof(struct mcq_blocks, home) == 0, "blocks_end casts");
