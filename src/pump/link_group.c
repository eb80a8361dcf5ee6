/* What the links of a socket share, and the lists of those that somebody has to look after. */

#include "pump/link_parts.h"
#include "wire/encode.h"

/* What a socket may hold at most is in docs/explanation/arena.md. Memory that was never needed is
 * never touched. */
#define RECEIVE_BLOCK_BYTES 262144
#define RECEIVE_BLOCK_COUNT 1024
#define SEND_BLOCK_COUNT 16384

enum mcq_err mcq_link_group_init(struct mcq_link_group *group, struct mcq_reactor *reactor)
{
    struct mcq_link_group made = {.reactor = reactor};
    struct mcq_slab *receive_slab = NULL;
    struct mcq_blocks *blocks = NULL;
    enum mcq_err err;

    MCQ_TRY(mcq_ready_new(reactor, &made.in_set));
    err = mcq_ready_new(reactor, &made.out_set);
    if (err != MCQ_OK)
        goto fail_in_set;
    err = MCQ_NOMEM;
    if (mcq_slab_new(RECEIVE_BLOCK_BYTES, RECEIVE_BLOCK_COUNT, &receive_slab) != MCQ_OK)
        goto fail_out_set;
    if (mcq_slab_new(MCQ_LINK_SEND_BLOCK_BYTES, SEND_BLOCK_COUNT, &made.send_slab) != MCQ_OK)
        goto fail_receive_slab;
    if (mcq_blocks_new(&blocks) != MCQ_OK)
        goto fail_send_slab;
    mcq_receiver_init(&made.receiver, receive_slab, blocks);
    mcq_places_init(&made.places, made.send_slab);
    *group = made;
    return MCQ_OK;

fail_send_slab:
    mcq_slab_free(&made.send_slab);
fail_receive_slab:
    mcq_slab_free(&receive_slab);
fail_out_set:
    mcq_ready_free(&made.out_set);
fail_in_set:
    mcq_ready_free(&made.in_set);
    return err;
}

void mcq_link_group_fini(struct mcq_link_group *group)
{
    mcq_assert(group->dirty_first == NULL && group->lost_first == NULL &&
               group->roomy_first == NULL);
    mcq_assert(group->blocked_count == 0);
    mcq_assert(group->held_bytes == 0 && group->empty_bytes == 0);
    if (group->budget != NULL)
        mcq_permits_put(group->budget, group->charged_bytes);
    mcq_receiver_fini(&group->receiver);
    mcq_blocks_free(&group->receiver.blocks);
    mcq_slab_free(&group->receiver.slab);
    mcq_places_fini(&group->places);
    mcq_slab_free(&group->send_slab);
    mcq_spump_room_fini(&group->seal_room);
    mcq_row_free(group->reactor, &group->row);
    mcq_ready_free(&group->out_set);
    mcq_ready_free(&group->in_set);
}

enum mcq_err mcq_link_group_reserve(struct mcq_link_group *group, size_t len, struct mcq_msg *msg)
{
    return mcq_places_take(&group->places, mcq_frame_head_bytes(len), len, msg);
}

struct mcq_link *mcq_link_next_lost(struct mcq_link_group *group)
{
    struct mcq_link *link = group->lost_first;

    if (link != NULL) {
        group->lost_first = link->lost_next;
        link->is_lost = false;
    }
    return link;
}

void mcq_link_forget_lost(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    struct mcq_link *before = NULL;

    if (!link->is_lost)
        return;
    for (struct mcq_link *at = group->lost_first; at != link; at = at->lost_next)
        before = at;
    if (before == NULL)
        group->lost_first = link->lost_next;
    else
        before->lost_next = link->lost_next;
    if (group->lost_last == link)
        group->lost_last = before;
    link->is_lost = false;
}

/* What a peer said before it came again is kept in order by the order in which they are lost. */
static void enlist_lost(struct mcq_link_group *group, struct mcq_link *link)
{
    link->lost_next = NULL;
    if (group->lost_first == NULL)
        group->lost_first = link;
    else
        group->lost_last->lost_next = link;
    group->lost_last = link;
}

static void lose(struct mcq_link *link, enum mcq_err err)
{
    mcq_link_close_taps(link);
    if (link->is_lost)
        return;
    link->is_lost = true;
    link->lost_by = err;
    link->can_read = false;
    link->can_write = false;
    mcq_link_set_dirty(link, false);
    mcq_link_set_blocked(link, false);
    enlist_lost(link->group, link);
}

void mcq_link_lose(struct mcq_link *link, enum mcq_err err)
{
    if (link->is_up)
        lose(link, err);
}

void mcq_link_finish(struct mcq_link *link)
{
    mcq_assert(!mcq_link_is_piped(link));
    link->is_finishing = true;
    mcq_link_queue_fini(&link->in);
    mcq_link_settle(link);
    if (link->is_up)
        (void) mcq_link_flush(link);
    else if (mcq_link_waiting_count(link) == 0)
        lose(link, MCQ_CLOSED);
}

void mcq_link_shut(struct mcq_link *link)
{
    mcq_assert(link->is_up && !mcq_link_is_piped(link));
    link->is_shut = true;
    mcq_reactor_shutdown(link->group->reactor, link->fd);
}

struct mcq_link *mcq_link_next_roomy(struct mcq_link_group *group)
{
    struct mcq_link *link = group->roomy_first;

    if (link != NULL) {
        group->roomy_first = link->roomy_next;
        link->is_roomy = false;
    }
    return link;
}

void mcq_link_forget_roomy(struct mcq_link *link)
{
    struct mcq_link **at = &link->group->roomy_first;

    if (!link->is_roomy)
        return;
    while (*at != link)
        at = &(*at)->roomy_next;
    *at = link->roomy_next;
    link->is_roomy = false;
}
