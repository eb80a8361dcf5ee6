#include "pump/pipe.h"

#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "security/crypto.h"

/* The reader says what it has taken that often, and when it finds nothing more: a word that both
 * sides write costs more than the message beside it. */
#define ACK_MESSAGES_MAX 64
#define ACK_SHARE 4 /* of the limit, one part, where that is less */

#define NOBODY (-1)

/* Tags that nobody else sees. */
#define TAG_SPREAD (UINT8_MAX - 1) /* the first octets of a body; routing_id is its length */
#define TAG_PIECE UINT8_MAX        /* the next ones: the place is no message */
static_assert(MCQ_PIPE_TAG_MAX < TAG_SPREAD, "users' tags are others");

/* --- life ------------------------------------------------------------------------------------ */

static void queue_init(struct mcq_pipe_queue *queue)
{
    *queue = (struct mcq_pipe_queue) {.tail = NULL};
    atomic_init(&queue->published, 0);
    atomic_init(&queue->reader_waits, true); /* it has seen that there is nothing */
    atomic_init(&queue->is_streaming, false);
    atomic_init(&queue->acked, 0);
    atomic_init(&queue->writer_waits, false);
    atomic_init(&queue->wake_at, 0);
    atomic_init(&queue->spare, NULL);
    atomic_init(&queue->writer_max, NOBODY);
    atomic_init(&queue->reader_max, NOBODY);
}

void mcq_pipe_init(struct mcq_pipe *pipe)
{
    queue_init(&pipe->queues[0]);
    queue_init(&pipe->queues[1]);
}

void mcq_pipe_set_fence(struct mcq_pipe *pipe, void (*fence_all)(void))
{
    pipe->queues[0].fence_all = fence_all;
    pipe->queues[1].fence_all = fence_all;
}

static void drop(struct mcq_pipe_chunk *chunk, size_t at)
{
    if (chunk->tags[at] != TAG_PIECE)
        mcq_msg_fini(&chunk->msgs[at]);
}

static struct mcq_pipe_chunk *head_chunk(struct mcq_pipe_queue *queue)
{
    return queue->head != NULL ? queue->head : queue->first;
}

static void queue_fini(struct mcq_pipe_queue *queue)
{
    struct mcq_pipe_chunk *chunk = head_chunk(queue);
    uint64_t at = queue->take_count;

    /* At a chunk's end the head is still the one that was read last. */
    if (queue->head != NULL && at % MCQ_PIPE_CHUNK == 0) {
        chunk = queue->head->next;
        mcq_free(queue->head);
    }
    for (; at != queue->put_count; at++) {
        drop(chunk, at % MCQ_PIPE_CHUNK);
        if ((at + 1) % MCQ_PIPE_CHUNK == 0) {
            struct mcq_pipe_chunk *next = chunk->next;

            mcq_free(chunk);
            chunk = next;
        }
    }
    while (chunk != NULL) {
        struct mcq_pipe_chunk *next = chunk->next;

        mcq_free(chunk);
        chunk = next;
    }
    mcq_free(atomic_load_explicit(&queue->spare, memory_order_relaxed));
}

void mcq_pipe_fini(struct mcq_pipe *pipe)
{
    queue_fini(&pipe->queues[0]);
    queue_fini(&pipe->queues[1]);
}

/* Places that were taken hold no body any more; those to take are messages still, and go first. */
static void queue_wipe(struct mcq_pipe_queue *queue)
{
    struct mcq_pipe_chunk *chunk = head_chunk(queue);
    struct mcq_pipe_chunk *spare = atomic_load_explicit(&queue->spare, memory_order_relaxed);
    uint64_t at = queue->take_count;

    if (queue->head != NULL && at % MCQ_PIPE_CHUNK == 0)
        chunk = queue->head->next;
    for (; at != queue->put_count; at++) {
        drop(chunk, at % MCQ_PIPE_CHUNK);
        chunk->tags[at % MCQ_PIPE_CHUNK] = TAG_PIECE;
        if ((at + 1) % MCQ_PIPE_CHUNK == 0)
            chunk = chunk->next;
    }
    for (chunk = head_chunk(queue); chunk != NULL; chunk = chunk->next)
        mcq_crypto_wipe(chunk->msgs, sizeof chunk->msgs);
    if (spare != NULL)
        mcq_crypto_wipe(spare->msgs, sizeof spare->msgs);
}

void mcq_pipe_wipe(struct mcq_pipe *pipe)
{
    queue_wipe(&pipe->queues[0]);
    queue_wipe(&pipe->queues[1]);
}

void mcq_pipe_set_max(struct mcq_pipe_end *end, uint32_t out_max, uint32_t in_max)
{
    atomic_store_explicit(&end->out->writer_max, out_max, memory_order_relaxed);
    atomic_store_explicit(&end->in->reader_max, in_max, memory_order_relaxed);
}

/* 0: none. */
static uint64_t limit_of(const struct mcq_pipe_queue *queue)
{
    int64_t writer_max = atomic_load_explicit(&queue->writer_max, memory_order_relaxed);
    int64_t reader_max = atomic_load_explicit(&queue->reader_max, memory_order_relaxed);

    if (writer_max == 0 || reader_max == 0)
        return 0;
    return (uint64_t) (writer_max == NOBODY ? 0 : writer_max) +
           (uint64_t) (reader_max == NOBODY ? 0 : reader_max);
}

/* --- the writer ------------------------------------------------------------------------------ */

static uint64_t wake_at(const struct mcq_pipe_queue *queue, uint64_t limit)
{
    uint64_t room = limit < MCQ_PIPE_SLACK_FROM ? 1 : limit / 2;
    uint64_t full = queue->message_count - limit; /* as many taken leave none */

    return queue->message_count < limit ? 0 : full + room;
}

bool mcq_pipe_has_room(struct mcq_pipe_end *end)
{
    struct mcq_pipe_queue *queue = end->out;
    uint64_t limit = limit_of(queue);

    if (limit == 0 || queue->message_count - queue->acked_seen < limit)
        return true;
    queue->acked_seen = atomic_load_explicit(&queue->acked, memory_order_acquire);
    if (queue->message_count - queue->acked_seen < limit)
        return true;
    atomic_store_explicit(&queue->wake_at, wake_at(queue, limit), memory_order_relaxed);
    atomic_store_explicit(&queue->writer_waits, true, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    queue->acked_seen = atomic_load_explicit(&queue->acked, memory_order_acquire);
    return queue->message_count - queue->acked_seen < limit;
}

uint32_t mcq_pipe_room_count(const struct mcq_pipe_end *end, uint32_t most)
{
    const struct mcq_pipe_queue *queue = end->out;
    uint64_t limit = limit_of(queue);
    uint64_t count = queue->message_count - queue->acked_seen;

    if (limit == 0)
        return most;
    return count < limit ? (uint32_t) mcq_min_u64(limit - count, most) : 0;
}

/* The chunk of the next part, at a chunk's beginning: one that a cut has left, one that the reader
 * is through with, or a new one. */
static enum mcq_err next_chunk(struct mcq_pipe_queue *queue)
{
    struct mcq_pipe_chunk **at = queue->tail != NULL ? &queue->tail->next : &queue->first;
    struct mcq_pipe_chunk *chunk = *at;

    if (chunk == NULL)
        chunk = atomic_exchange_explicit(&queue->spare, NULL, memory_order_acquire);
    if (chunk == NULL)
        chunk = mcq_alloc(sizeof *chunk);
    if (chunk == NULL)
        return MCQ_NOMEM;
    if (*at != chunk) {
        chunk->next = NULL;
        chunk->prev = queue->tail;
        *at = chunk;
    }
    queue->tail = chunk;
    return MCQ_OK;
}

/* The next place. NULL: no memory. */
static struct mcq_msg *next_place(struct mcq_pipe_queue *queue, uint8_t tag)
{
    size_t at = queue->put_count % MCQ_PIPE_CHUNK;

    if (at == 0 && next_chunk(queue) != MCQ_OK)
        return NULL;
    queue->tail->tags[at] = tag;
    queue->put_count++;
    return &queue->tail->msgs[at];
}

/* Gives up all places from this one on. */
static void cut_to(struct mcq_pipe_queue *queue, uint64_t count)
{
    while (queue->put_count != count) {
        size_t at = (queue->put_count - 1) % MCQ_PIPE_CHUNK;

        drop(queue->tail, at);
        queue->put_count--;
        if (at == 0) /* stays behind the new tail, for the next put */
            queue->tail = queue->tail->prev;
    }
}

static void has_put(struct mcq_pipe_queue *queue, bool more)
{
    queue->is_within = more;
    if (more)
        return;
    queue->whole_count = queue->put_count;
    queue->message_count++;
}

enum mcq_err mcq_pipe_put(struct mcq_pipe_end *end, struct mcq_msg *msg)
{
    struct mcq_pipe_queue *queue = end->out;
    struct mcq_msg *place = next_place(queue, MCQ_PIPE_PART);

    if (place == NULL)
        return MCQ_NOMEM;
    mcq_msg_move(place, msg);
    has_put(queue, place->more);
    return MCQ_OK;
}

static enum mcq_err put_pieces(struct mcq_pipe_queue *queue, struct mcq_bytes octets)
{
    while (octets.len > 0) {
        size_t len = mcq_min_size(octets.len, sizeof(struct mcq_msg));
        struct mcq_msg *place = next_place(queue, TAG_PIECE);

        if (place == NULL)
            return MCQ_NOMEM;
        memcpy(place, octets.data, len);
        mcq_bytes_skip(&octets, len);
    }
    return MCQ_OK;
}

enum mcq_err mcq_pipe_put_copy(struct mcq_pipe_end *end, struct mcq_bytes octets, bool more)
{
    struct mcq_pipe_queue *queue = end->out;
    size_t len = mcq_min_size(octets.len, MCQ_MSG_INLINE_MAX);
    uint64_t before = queue->put_count;
    struct mcq_msg *place;

    mcq_assert(octets.len <= MCQ_PIPE_COPY_MAX);
    place = next_place(queue, octets.len > len ? TAG_SPREAD : MCQ_PIPE_PART);
    if (place == NULL)
        return MCQ_NOMEM;
    mcq_msg_init(place);
    mcq_put_bytes(place->small, mcq_bytes(octets.data, len));
    place->small_len = (uint8_t) len;
    place->more = more;
    if (octets.len > len) {
        place->routing_id = (uint32_t) octets.len;
        mcq_bytes_skip(&octets, len);
        if (put_pieces(queue, octets) != MCQ_OK) {
            cut_to(queue, before);
            return MCQ_NOMEM;
        }
    }
    has_put(queue, more);
    return MCQ_OK;
}

/* A part that no publish has shown, in a chunk that is still there. */
static struct mcq_pipe_chunk *chunk_of(const struct mcq_pipe_queue *queue, uint64_t index)
{
    uint64_t last = (queue->put_count - 1) / MCQ_PIPE_CHUNK;
    struct mcq_pipe_chunk *chunk = queue->tail;

    for (; last > index / MCQ_PIPE_CHUNK; last--)
        chunk = chunk->prev;
    return chunk;
}

static void swap_with_next(struct mcq_pipe_queue *queue, uint64_t index)
{
    struct mcq_pipe_chunk *a = chunk_of(queue, index);
    struct mcq_pipe_chunk *b = chunk_of(queue, index + 1);
    size_t at = index % MCQ_PIPE_CHUNK;
    size_t next = (index + 1) % MCQ_PIPE_CHUNK;
    struct mcq_msg msg = a->msgs[at];
    uint8_t tag = a->tags[at];

    a->msgs[at] = b->msgs[next];
    a->tags[at] = b->tags[next];
    b->msgs[next] = msg;
    b->tags[next] = tag;
}

enum mcq_err mcq_pipe_put_tagged(struct mcq_pipe_end *end, struct mcq_msg *msg, uint8_t tag)
{
    struct mcq_pipe_queue *queue = end->out;
    struct mcq_msg *place;

    mcq_assert(tag <= MCQ_PIPE_TAG_MAX);
    place = next_place(queue, tag);
    if (place == NULL)
        return MCQ_NOMEM;
    mcq_msg_move(place, msg);
    for (uint64_t at = queue->put_count - 1; at > queue->whole_count; at--)
        swap_with_next(queue, at - 1);
    queue->whole_count++;
    return MCQ_OK;
}

void mcq_pipe_cut(struct mcq_pipe_end *end)
{
    cut_to(end->out, end->out->whole_count);
    end->out->is_within = false;
}

/* The fence makes sure that whoever still finds it false has set its own word before. */
static void begin_stream(struct mcq_pipe_queue *queue)
{
    if (queue->fence_all == NULL)
        return;
    atomic_store_explicit(&queue->is_streaming, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

/* The reader has waited: where that goes on, a fence here costs less than one everywhere. */
static bool wake(struct mcq_pipe_queue *queue)
{
    queue->quiet_count = 0;
    atomic_store_explicit(&queue->is_streaming, false, memory_order_release);
    return atomic_exchange_explicit(&queue->reader_waits, false, memory_order_acq_rel);
}

bool mcq_pipe_publish(struct mcq_pipe_end *end)
{
    struct mcq_pipe_queue *queue = end->out;

    if (queue->shown_count == queue->whole_count)
        return false;
    queue->shown_count = queue->whole_count;
    atomic_store_explicit(&queue->published, queue->whole_count, memory_order_release);
    if (MCQ_LIKELY(atomic_load_explicit(&queue->is_streaming, memory_order_relaxed)))
        atomic_signal_fence(memory_order_seq_cst); /* which the reader's makes a real one */
    else
        atomic_thread_fence(memory_order_seq_cst);
    if (MCQ_UNLIKELY(atomic_load_explicit(&queue->reader_waits, memory_order_relaxed)))
        return wake(queue);
    if (MCQ_UNLIKELY(++queue->quiet_count == MCQ_PIPE_QUIET))
        begin_stream(queue);
    return false;
}

uint64_t mcq_pipe_waiting_count(const struct mcq_pipe_end *end)
{
    return end->out->message_count - atomic_load_explicit(&end->out->acked, memory_order_acquire);
}

/* --- the reader ------------------------------------------------------------------------------ */

/* true: the writer waits for it. */
static bool ack(struct mcq_pipe_queue *queue)
{
    queue->acked_own = queue->taken_messages;
    atomic_store_explicit(&queue->acked, queue->taken_messages, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(&queue->writer_waits, memory_order_acquire) &&
           queue->taken_messages >= atomic_load_explicit(&queue->wake_at, memory_order_relaxed) &&
           atomic_exchange_explicit(&queue->writer_waits, false, memory_order_acq_rel);
}

static bool ack_is_due(const struct mcq_pipe_queue *queue)
{
    uint64_t unsaid = queue->taken_messages - queue->acked_own;
    uint64_t limit;

    if (unsaid == 0)
        return false;
    if (unsaid >= ACK_MESSAGES_MAX)
        return true;
    limit = limit_of(queue);
    return limit > 0 && unsaid >= limit / ACK_SHARE;
}

/* Nothing is known to be there: looks, and has the writer tell if so. */
static bool look(struct mcq_pipe_queue *queue, bool *tells)
{
    queue->published_seen = atomic_load_explicit(&queue->published, memory_order_acquire);
    if (queue->take_count != queue->published_seen)
        return true;
    if (queue->taken_messages != queue->acked_own)
        *tells = ack(queue);
    if (atomic_load_explicit(&queue->reader_waits, memory_order_relaxed))
        return false;
    atomic_store_explicit(&queue->reader_waits, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&queue->is_streaming, memory_order_relaxed))
        queue->fence_all();
    queue->published_seen = atomic_load_explicit(&queue->published, memory_order_acquire);
    return queue->take_count != queue->published_seen;
}

/* The reader steps into the next chunk; the one it leaves may be used again. */
static void step(struct mcq_pipe_queue *queue)
{
    struct mcq_pipe_chunk *left = queue->head;

    queue->head = left != NULL ? left->next : queue->first;
    if (left != NULL)
        mcq_free(atomic_exchange_explicit(&queue->spare, left, memory_order_acq_rel));
}

/* The place of the next part, which stays. */
static const struct mcq_msg *peek(const struct mcq_pipe_queue *queue, uint8_t *tag)
{
    size_t at = queue->take_count % MCQ_PIPE_CHUNK;
    const struct mcq_pipe_chunk *chunk = queue->head;

    if (at == 0)
        chunk = chunk != NULL ? chunk->next : queue->first;
    *tag = chunk->tags[at];
    return &chunk->msgs[at];
}

bool mcq_pipe_has_single(struct mcq_pipe_end *end)
{
    struct mcq_pipe_queue *queue = end->in;
    const struct mcq_msg *place;
    uint8_t tag;

    if (queue->take_count == queue->published_seen)
        queue->published_seen = atomic_load_explicit(&queue->published, memory_order_acquire);
    if (queue->take_count == queue->published_seen)
        return false;
    place = peek(queue, &tag);
    return (tag == MCQ_PIPE_PART || tag == TAG_SPREAD) && !place->more;
}

static const struct mcq_msg *take_place(struct mcq_pipe_queue *queue)
{
    size_t at = queue->take_count % MCQ_PIPE_CHUNK;

    if (at == 0)
        step(queue);
    queue->take_count++;
    return &queue->head->msgs[at];
}

/* Makes a message of what crosses in places. */
static enum mcq_err gather(struct mcq_pipe_queue *queue, const struct mcq_msg *first,
                           struct mcq_blocks *blocks, struct mcq_msg *msg)
{
    size_t len = first->routing_id;
    struct mcq_bytes body;
    struct mcq_buf *buf;
    uint8_t *at;
    bool more = first->more;

    MCQ_TRY(mcq_blocks_take(blocks, len, &buf));
    at = mcq_buf_room(buf);
    memcpy(at, take_place(queue)->small, MCQ_MSG_INLINE_MAX);
    at += MCQ_MSG_INLINE_MAX;
    for (size_t left = len - MCQ_MSG_INLINE_MAX; left > 0;) {
        size_t piece = mcq_min_size(left, sizeof *first);

        memcpy(at, take_place(queue), piece);
        at += piece;
        left -= piece;
    }
    body = mcq_buf_freeze(buf, len);
    mcq_msg_init_buf(msg, &buf, body);
    msg->more = more;
    return MCQ_OK;
}

enum mcq_err mcq_pipe_take(struct mcq_pipe_end *end, struct mcq_blocks *blocks, struct mcq_msg *msg,
                           uint8_t *tag, bool *tells)
{
    struct mcq_pipe_queue *queue = end->in;
    const struct mcq_msg *place;

    *tells = false;
    if (MCQ_UNLIKELY(queue->take_count == queue->published_seen) && !look(queue, tells))
        return MCQ_AGAIN;
    place = peek(queue, tag);
    if (*tag == TAG_SPREAD) {
        MCQ_TRY(gather(queue, place, blocks, msg));
        *tag = MCQ_PIPE_PART;
    } else {
        *msg = *take_place(queue);
    }
    if (*tag == MCQ_PIPE_PART && !msg->more) {
        queue->taken_messages++;
        *tells = *tells || (ack_is_due(queue) && ack(queue));
    }
    return MCQ_OK;
}
