#include "arena/home.h"

#include "arena/poison.h"

#define ADDRESS_BYTES sizeof(void *)

/* In place of the stack once the owner has left. Only its address matters; never written. */
static struct mcq_buf home_left;

static void home_put_orphan(struct mcq_home *home, struct mcq_buf *buf);
static void home_settle(struct mcq_home *home, uint64_t change);

void mcq_home_init(struct mcq_home *home, const struct mcq_home_ops *ops)
{
    home->ops = ops;
    home->out_count = 0;
    atomic_init(&home->returned, NULL);
    atomic_init(&home->orphan_count, 0);
}

void mcq_home_take(struct mcq_home *home, struct mcq_buf *buf)
{
    mcq_assert_hot(buf->kind == MCQ_BUF_POOL);
    mcq_assert_hot(buf->pool.home == home);
    mcq_assert_hot(atomic_load_explicit(&buf->refs, memory_order_relaxed) == 0);

    home->out_count++;
    mcq_unpoison(buf->data, buf->size);
    buf->frozen = 0;
    atomic_store_explicit(&buf->refs, 1, memory_order_relaxed);
}

void mcq_home_put(struct mcq_home *home, struct mcq_buf *buf)
{
    mcq_poison(buf->data, buf->size);
    buf->pool.next = NULL;
    mcq_home_put_all(home, buf, buf);
}

bool mcq_home_pack(struct mcq_buf *parcel, struct mcq_buf *buf)
{
    struct mcq_buf **addresses = (struct mcq_buf **) (void *) parcel->data;

    if (parcel->parcel_count >= parcel->size / ADDRESS_BYTES)
        return false;
    mcq_unpoison(&addresses[parcel->parcel_count], ADDRESS_BYTES);
    addresses[parcel->parcel_count++] = buf;
    return true;
}

struct mcq_buf *mcq_home_next(struct mcq_buf **list)
{
    struct mcq_buf *buf = *list;
    struct mcq_buf *packed;

    if (buf->parcel_count == 0) {
        *list = buf->pool.next;
        return buf;
    }
    packed = ((struct mcq_buf **) (void *) buf->data)[--buf->parcel_count];
    mcq_poison(&buf->data[buf->parcel_count * ADDRESS_BYTES], ADDRESS_BYTES);
    atomic_store_explicit(&packed->refs, 0, memory_order_relaxed);
    mcq_poison(packed->data, packed->size);
    return packed;
}

static void home_put_orphans(struct mcq_home *home, struct mcq_buf *first,
                             const struct mcq_buf *last)
{
    bool is_last = false;

    while (!is_last) {
        is_last = first == last && last->parcel_count == 0;
        home_put_orphan(home, mcq_home_next(&first)); /* the pool may end with the last one */
    }
}

void mcq_home_put_all(struct mcq_home *home, struct mcq_buf *first, struct mcq_buf *last)
{
    struct mcq_buf *top = atomic_load_explicit(&home->returned, memory_order_relaxed);

    do {
        if (MCQ_UNLIKELY(top == &home_left)) {
            home_put_orphans(home, first, last);
            return;
        }
        last->pool.next = top;
        /* Release: pool.next, and all that was done with them, before the owner sees them. */
    } while (!atomic_compare_exchange_weak_explicit(&home->returned, &top, first,
                                                    memory_order_release, memory_order_relaxed));
}

bool mcq_home_take_last(struct mcq_buf *buf)
{
    /* Acquire: the last reads of those who dropped theirs come before the next filler's writes. */
    if (atomic_load_explicit(&buf->refs, memory_order_acquire) != 1)
        return false;
    atomic_store_explicit(&buf->refs, 0, memory_order_relaxed);
    mcq_poison(buf->data, buf->size);
    return true;
}

bool mcq_home_take_back(struct mcq_home *home, struct mcq_buf *buf)
{
    if (!mcq_home_take_last(buf))
        return false;
    mcq_assert(home->out_count > 0);
    home->out_count--;
    return true;
}

struct mcq_buf *mcq_home_detach(struct mcq_home *home)
{
    /* The look spares the exchange, which takes the line away from the other threads. */
    if (atomic_load_explicit(&home->returned, memory_order_relaxed) == NULL)
        return NULL;

    /* Acquire: pairs with the release of each push. */
    return atomic_exchange_explicit(&home->returned, NULL, memory_order_acquire);
}

struct mcq_buf *mcq_home_drain(struct mcq_home *home)
{
    struct mcq_buf *list = mcq_home_detach(home);

    for (const struct mcq_buf *buf = list; buf != NULL; buf = buf->pool.next) {
        mcq_assert(home->out_count > 0);
        home->out_count--;
    }
    return list;
}

void mcq_home_leave(struct mcq_home *home)
{
    struct mcq_buf *list =
        atomic_exchange_explicit(&home->returned, &home_left, memory_order_acquire);
    uint64_t still_out = home->out_count;

    while (list != NULL) {
        struct mcq_buf *buf = mcq_home_next(&list);

        mcq_assert(still_out > 0);
        still_out--;
        if (home->ops->end_buf != NULL)
            home->ops->end_buf(home, buf);
    }
    home_settle(home, still_out);
}

static void home_put_orphan(struct mcq_home *home, struct mcq_buf *buf)
{
    if (home->ops->end_buf != NULL)
        home->ops->end_buf(home, buf);
    home_settle(home, UINT64_MAX);
}

/* Adds `change`, modulo 2^64, to the number of buffers still to come: the owner adds those that
 * were out as it left, each buffer that comes adds -1, possibly before the owner got so far.
 * Whoever makes it zero ends the pool. That happens once: before the owner's step the number is
 * below zero, and after it the number falls to zero and no further.
 * Acquire and release: what each thread did with the pool comes before its end. */
static void home_settle(struct mcq_home *home, uint64_t change)
{
    uint64_t before = atomic_fetch_add_explicit(&home->orphan_count, change, memory_order_acq_rel);

    if (before + change == 0)
        home->ops->end_pool(home);
}
