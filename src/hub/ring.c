#include "hub/ring.h"

#include "base/assert.h"

static void ring_check(const struct mcq_ring *ring);
static bool ring_is_current(const struct mcq_ring_node *node, uint64_t epoch);
static void ring_link(struct mcq_ring *ring, struct mcq_ring_node *node, enum mcq_ring_part part);
static void ring_unlink(struct mcq_ring *ring, struct mcq_ring_node *node);

void mcq_ring_init(struct mcq_ring *ring)
{
    *ring = (struct mcq_ring) {0};
}

bool mcq_ring_up(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch)
{
    if (epoch <= node->epoch)
        return false;
    if (node->part != MCQ_RING_OUT)
        ring_unlink(ring, node);
    node->epoch = epoch;
    ring_link(ring, node, MCQ_RING_IDLE);
    return true;
}

bool mcq_ring_down(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch)
{
    if (!ring_is_current(node, epoch))
        return false;
    ring_unlink(ring, node);
    return true;
}

bool mcq_ring_set(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch, bool is_ready)
{
    enum mcq_ring_part part = is_ready ? MCQ_RING_READY : MCQ_RING_IDLE;

    if (!ring_is_current(node, epoch))
        return false;
    if (node->part != part) {
        ring_unlink(ring, node);
        ring_link(ring, node, part);
    }
    return true;
}

void mcq_ring_move(struct mcq_ring *ring, struct mcq_ring_node *node, struct mcq_ring_node *after)
{
    mcq_assert(node->part == MCQ_RING_READY && node != after);
    ring_unlink(ring, node);
    ring_link(ring, node, MCQ_RING_READY); /* before the head */
    if (after == NULL) {
        ring->ready = node;
        return;
    }
    mcq_assert(after->part == MCQ_RING_READY);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = after;
    node->next = after->next;
    node->next->prev = node;
    after->next = node;
    ring_check(ring);
}

struct mcq_ring_node *mcq_ring_first(const struct mcq_ring *ring)
{
    return ring->ready != NULL ? ring->ready : ring->idle;
}

struct mcq_ring_node *mcq_ring_next(const struct mcq_ring *ring, const struct mcq_ring_node *node)
{
    if (node->part == MCQ_RING_READY)
        return node->next != ring->ready ? node->next : ring->idle;
    return node->next != ring->idle ? node->next : NULL;
}

static void ring_check(const struct mcq_ring *ring)
{
    mcq_assert_hot((ring->ready == NULL) == (ring->ready_count == 0));
    mcq_assert_hot((ring->idle == NULL) == (ring->idle_count == 0));
    mcq_assert_hot(ring->ready == NULL || ring->ready->part == MCQ_RING_READY);
    mcq_assert_hot(ring->idle == NULL || ring->idle->part == MCQ_RING_IDLE);
    (void) ring;
}

static bool ring_is_current(const struct mcq_ring_node *node, uint64_t epoch)
{
    return node->part != MCQ_RING_OUT && node->epoch == epoch;
}

/* Before the head, which is the end of a circle. */
static void ring_link(struct mcq_ring *ring, struct mcq_ring_node *node, enum mcq_ring_part part)
{
    struct mcq_ring_node **head = part == MCQ_RING_READY ? &ring->ready : &ring->idle;

    mcq_assert(node->part == MCQ_RING_OUT);
    if (*head == NULL) {
        node->prev = node->next = node;
        *head = node;
    } else {
        node->next = *head;
        node->prev = (*head)->prev;
        node->prev->next = node;
        node->next->prev = node;
    }
    node->part = part;
    *(part == MCQ_RING_READY ? &ring->ready_count : &ring->idle_count) += 1;
    ring_check(ring);
}

static void ring_unlink(struct mcq_ring *ring, struct mcq_ring_node *node)
{
    bool is_ready = node->part == MCQ_RING_READY;
    struct mcq_ring_node **head = is_ready ? &ring->ready : &ring->idle;

    mcq_assert(node->part != MCQ_RING_OUT);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    if (*head == node)
        *head = node->next == node ? NULL : node->next;
    node->prev = node->next = NULL;
    node->part = MCQ_RING_OUT;
    *(is_ready ? &ring->ready_count : &ring->idle_count) -= 1;
    ring_check(ring);
}
