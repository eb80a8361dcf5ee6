/* What links and their group hold, told to the context's budget by the lot. */

#include "pump/link_parts.h"

/* Octets that a group holds without the budget's knowledge, and a link without the group's. */
#define LOT_BYTES 65536
/* Who has held so much gives memory back afterwards, but for a few blocks, and some of it at a
 * time: the lock is held meanwhile. */
#define SWOLLEN_BYTES 1048576
#define SEND_BLOCKS_KEPT 8
#define RECEIVE_BLOCKS_KEPT 1
#define BLOCKS_TRIMMED 64

static uint64_t input_bytes(const struct mcq_link *link)
{
    const struct mcq_link_queue *in = &link->in;

    return in->body_bytes + (uint64_t) (in->tail - in->head) * sizeof *in->parts +
           mcq_rpump_partial_bytes(&link->rpump) + link->table_bytes;
}

/* Places that no part is in, of a table that doubles: memory like other, but nobody has sent it, so
 * it does not count where a peer is held to a floor. A table that is empty is on its way out. */
static uint64_t empty_bytes(const struct mcq_link_queue *queue)
{
    uint32_t count = queue->tail - queue->head;

    return count > 0 ? ((uint64_t) queue->mask + 1 - count) * sizeof *queue->parts : 0;
}

static uint64_t held_bytes(const struct mcq_link *link)
{
    uint64_t output = link->group->shares_output ? 0 : mcq_wpump_kept_bytes(&link->wpump);

    return input_bytes(link) + mcq_rpump_block_bytes(&link->rpump) + output +
           mcq_spump_held_bytes(&link->spump);
}

uint64_t mcq_link_begun_bytes(const struct mcq_link *link)
{
    uint64_t begun = link->in.begun_bytes + mcq_rpump_partial_bytes(&link->rpump) +
                     (link->is_starved ? link->table_bytes : 0);

    return begun < MCQ_LINK_FLOOR_BYTES ? 0 : begun;
}

/* The budget hears of a lot, or of the end: one addition for many messages. */
static void group_settle(struct mcq_link_group *group)
{
    uint64_t full = group->held_bytes;
    uint64_t held;

    if (group->shares_output)
        full += (uint64_t) mcq_slab_out_count(group->send_slab) * MCQ_LINK_SEND_BLOCK_BYTES;
    held = full + group->empty_bytes;
    if (held >= group->charged_bytes + LOT_BYTES)
        mcq_permits_charge(group->budget, held - group->charged_bytes);
    else if (held + LOT_BYTES <= group->charged_bytes || (held == 0 && group->charged_bytes > 0))
        mcq_permits_put(group->budget, group->charged_bytes - held);
    else
        return;
    group->charged_bytes = held;
    if (held > group->most_bytes)
        group->most_bytes = held;
    group->is_swollen = full < LOT_BYTES && group->most_bytes >= SWOLLEN_BYTES;
}

/* After a batch: what the link holds now. */
void mcq_link_settle(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    uint64_t held;
    uint64_t begun;

    if (group->budget == NULL)
        return;
    if (link->in.head == link->in.tail && link->in.parts != NULL &&
        mcq_permits_is_over(group->budget))
        mcq_link_queue_fini(&link->in);
    held = held_bytes(link);
    group->held_bytes += held - link->held_bytes;
    link->held_bytes = held;
    held = empty_bytes(&link->in);
    group->empty_bytes += held - link->empty_bytes;
    link->empty_bytes = held;
    link->settle_at = link->wpump.put_at + LOT_BYTES;
    link->settle_below = link->in.body_bytes > LOT_BYTES ? link->in.body_bytes - LOT_BYTES : 0;
    begun = mcq_link_begun_bytes(link);
    if (begun > atomic_load_explicit(group->begun_most, memory_order_relaxed))
        atomic_store_explicit(group->begun_most, begun, memory_order_relaxed);
    group_settle(group);
}

void mcq_link_group_hold(struct mcq_link_group *group, uint64_t bytes)
{
    if (group->budget == NULL)
        return;
    group->held_bytes += bytes;
    group_settle(group);
}

void mcq_link_group_release(struct mcq_link_group *group, uint64_t bytes)
{
    mcq_link_group_hold(group, 0 - bytes);
}

void mcq_link_trim(struct mcq_link *link)
{
    if (link->in.head == link->in.tail)
        mcq_link_queue_fini(&link->in);
    mcq_wpump_trim(&link->wpump);
    mcq_link_settle(link);
}

void mcq_link_group_trim(struct mcq_link_group *group)
{
    bool has_more;

    mcq_places_fini(&group->places);
    has_more = mcq_slab_trim(group->send_slab, SEND_BLOCKS_KEPT, BLOCKS_TRIMMED);
    mcq_receiver_fini(&group->receiver);
    mcq_spump_room_fini(&group->seal_room);
    has_more |= mcq_slab_trim(group->receiver.slab, RECEIVE_BLOCKS_KEPT, BLOCKS_TRIMMED);
    mcq_blocks_trim(group->receiver.blocks);
    group->is_swollen = has_more;
    if (!has_more)
        group->most_bytes = 0;
}

/* Whether the link has to do without more for now. */
bool mcq_link_starves(struct mcq_link *link)
{
    if (input_bytes(link) < MCQ_LINK_FLOOR_BYTES)
        return false;
    link->is_starved = true;
    link->group->is_starved = true;
    mcq_link_settle(link);
    return true;
}
