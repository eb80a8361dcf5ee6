/* Parts that were received, and not taken. */

#include "pump/link_parts.h"

#define QUEUE_CAPACITY_MIN 2 /* parts; what a peer keeps that sends one now and then */

static struct mcq_msg *part_at(const struct mcq_link_queue *queue, uint32_t index)
{
    return &queue->parts[index & queue->mask];
}

/* What a body takes besides its place in the queue; short ones are in there. */
static size_t cost_of(const struct mcq_msg *msg)
{
    return mcq_msg_len(msg) + (msg->kind == MCQ_MSG_INLINE ? 0 : sizeof(struct mcq_buf));
}

enum mcq_err mcq_link_queue_push(struct mcq_link_queue *queue, struct mcq_msg *msg)
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
    queue->body_bytes += cost_of(msg);
    queue->begun_bytes += mcq_msg_len(msg) + sizeof *msg;
    mcq_msg_move(part_at(queue, queue->tail++), msg);
    if (!part_at(queue, queue->tail - 1)->more) {
        queue->begun_bytes = 0;
        queue->whole_at = queue->tail;
        queue->message_count++;
    }
    return MCQ_OK;
}

bool mcq_link_queue_pop(struct mcq_link_queue *queue, struct mcq_msg *msg)
{
    if (queue->head == queue->whole_at)
        return false;
    mcq_msg_move(msg, part_at(queue, queue->head++));
    queue->body_bytes -= cost_of(msg);
    if (!msg->more)
        queue->message_count--;
    queue->is_within = msg->more;
    return true;
}

/* Only the newest message stays, beside one that was begun to be taken. */
uint32_t mcq_link_queue_conflate(struct mcq_link_queue *queue)
{
    uint32_t before = queue->message_count;
    struct mcq_msg msg;

    while (queue->message_count > 1 && !queue->is_within) {
        do {
            (void) mcq_link_queue_pop(queue, &msg);
            mcq_msg_fini(&msg);
        } while (queue->is_within);
    }
    return before - queue->message_count;
}

/* The rest of a message that was begun does not come any more. */
void mcq_link_queue_cut(struct mcq_link_queue *queue)
{
    while (queue->tail != queue->whole_at) {
        struct mcq_msg *last = part_at(queue, --queue->tail);

        queue->body_bytes -= cost_of(last);
        mcq_msg_fini(last);
    }
    queue->begun_bytes = 0;
}

uint32_t mcq_link_queue_drop(struct mcq_link_queue *queue)
{
    uint32_t before = queue->message_count;
    uint32_t kept = queue->head;

    mcq_link_queue_cut(queue);
    while (queue->is_within && kept != queue->tail && part_at(queue, kept++)->more)
        continue;
    while (queue->tail != kept) {
        struct mcq_msg *last = part_at(queue, --queue->tail);

        queue->message_count -= !last->more;
        queue->body_bytes -= cost_of(last);
        mcq_msg_fini(last);
    }
    queue->whole_at = queue->tail;
    return before - queue->message_count;
}

void mcq_link_queue_fini(struct mcq_link_queue *queue)
{
    for (; queue->head != queue->tail; queue->head++)
        mcq_msg_fini(part_at(queue, queue->head));
    mcq_free(queue->parts);
    *queue = (struct mcq_link_queue) {0};
}
