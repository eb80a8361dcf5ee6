/* Lanes and taps: messages for and from one peer, many behind each other. */

#include "pump/link_parts.h"

#include "session/state.h"

/* A lane that takes less is not worth opening. */
#define LANE_BYTES_MIN 256
/* Messages of a duct. */
#define DUCT_MAX 64

static bool may_have_lane(const struct mcq_link *link)
{
    return link->is_up && !link->is_lost && !link->is_blocked && !link->is_finishing &&
           !link->is_shut && !link->conflates && !mcq_link_is_piped(link) &&
           mcq_framing_heads_alike(link->framing, MCQ_FRAMING_NEWEST) &&
           !mcq_wpump_is_within(&link->wpump);
}

/* Octets until a write is due, and the block is full. */
static size_t lane_bytes(const struct mcq_link *link)
{
    uint64_t waiting = mcq_wpump_waiting_bytes(&link->wpump);

    if (waiting >= MCQ_WPUMP_BATCH_BYTES)
        return 0;
    return mcq_min_size(mcq_buf_room_len(link->wpump.block),
                        (size_t) (MCQ_WPUMP_BATCH_BYTES - waiting));
}

static void open_duct(struct mcq_link *link)
{
    if (link->is_up && !link->is_lost && !mcq_pipe_is_within(&link->pipe))
        link->group->duct = (struct mcq_tap) {
            .link = link, .left_count = mcq_pipe_room_count(&link->pipe, DUCT_MAX)};
}

bool mcq_link_duct(struct mcq_link_group *group, struct mcq_part *part)
{
    struct mcq_tap *duct = &group->duct;
    struct mcq_link *link = duct->link;
    size_t len = part->body.len;

    if (MCQ_UNLIKELY(duct->left_count == 0 || part->more ||
                     mcq_link_pipe_put(link, part) != MCQ_OK)) {
        duct->link = NULL;
        return false;
    }
    duct->left_count--;
    group->put_count++;
    link->tally.out_messages++;
    link->tally.out_bytes += len;
    mcq_link_pipe_flush(link);
    return true;
}

void mcq_link_open_lane(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    struct mcq_lane *lane = &group->lane;
    uint64_t most_count = MCQ_FRAMES_MAX;
    size_t bytes;

    mcq_assert_hot(lane->link == NULL && !group->has_deferred);
    if (mcq_link_is_piped(link))
        open_duct(link);
    if (!may_have_lane(link))
        return;
    if (link->out_max > 0)
        most_count = mcq_min_u64(
            most_count, link->out_max - mcq_min_u64(link->out_max, mcq_link_waiting_count(link)));
    if (most_count == 0 || !mcq_wpump_expects(&link->wpump, (uint32_t) most_count))
        return;
    bytes = lane_bytes(link);
    if (bytes < LANE_BYTES_MIN)
        return;
    lane->link = link;
    lane->most_count = (uint32_t) most_count;
    lane->frames.buf = link->wpump.block;
    lane->frames.start = mcq_buf_room(link->wpump.block);
    lane->frames.count = 0;
    lane->at = mcq_buf_room(link->wpump.block);
    lane->limit = lane->at + bytes - MCQ_FRAME_HEAD_MAX;
    group->has_deferred = true;
}

void mcq_link_close_lane(struct mcq_link_group *group)
{
    struct mcq_lane *lane = &group->lane;
    struct mcq_link *link = lane->link;
    uint32_t count = lane->frames.count;
    uint32_t taken_count;

    lane->link = NULL;
    lane->limit = lane->at;
    group->has_deferred = false;
    if (count == 0)
        return;
    (void) mcq_buf_freeze(lane->frames.buf, lane->frames.ends[count - 1]);
    taken_count = mcq_link_put_frames(link, &lane->frames);
    mcq_assert(taken_count == count); /* there was room, and memory, when it opened */
    group->put_count += count - 1;
    group->laned_count += count;
}

void mcq_link_open_tap(struct mcq_link *link, struct mcq_tap *tap)
{
    const struct mcq_rpump *pump = &link->rpump;

    if (!link->is_up || link->is_lost || link->conflates || link->in.head != link->in.tail)
        return;
    if (!mcq_link_is_piped(link) &&
        (pump->unread[0].len > 0 || pump->unread[1].len == 0 || pump->told != NULL))
        return;
    *tap = (struct mcq_tap) {.link = link, .left_count = MCQ_TAP_MAX};
}

bool mcq_link_tap_octets(struct mcq_tap *tap, struct mcq_bytes *body)
{
    struct mcq_link *link = tap->link;

    if (MCQ_UNLIKELY(tap->left_count == 0 ||
                     !mcq_session_take_whole(link->session, &link->rpump.unread[1], body))) {
        tap->link = NULL;
        return false;
    }
    tap->left_count--;
    link->tally.in_messages++;
    link->tally.in_bytes += body->len;
    return true;
}

static bool tap_pipe(struct mcq_tap *tap, struct mcq_msg *msg)
{
    struct mcq_link *link = tap->link;

    if (MCQ_UNLIKELY(tap->left_count == 0 || !mcq_pipe_has_single(&link->pipe) ||
                     mcq_link_pipe_take(link, msg) != MCQ_OK)) {
        tap->link = NULL;
        return false;
    }
    tap->left_count--;
    return true;
}

bool mcq_link_tap(struct mcq_tap *tap, struct mcq_msg *msg)
{
    struct mcq_link *link = tap->link;
    struct mcq_bytes body;

    if (mcq_link_is_piped(link))
        return tap_pipe(tap, msg);
    if (!mcq_link_tap_octets(tap, &body))
        return false;
    if (MCQ_UNLIKELY(mcq_msg_init_slice(msg, &link->rpump.block, link->group->receiver.blocks,
                                        body) != MCQ_OK)) {
        mcq_link_lose(link, MCQ_NOMEM);
        return false;
    }
    msg->routing_id = mcq_link_name_origin(link);
    return true;
}
