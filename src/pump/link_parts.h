/*
 * link_parts: what the files that make a link share.
 *
 * Layer:   pump.
 * Threads: as link.h.
 *
 *   link.c         a connection's beginning and end      link_group.c   what the links of a socket
 *   link_read.c    what a peer says                                     share, and the lost
 *   link_write.c   what it is told                       link_budget.c  what all that holds
 *   link_queue.c   parts that were received              link_pipe.c    pipes instead of streams
 *   link_lane.c    many messages of one peer             link_datagram.c  the same of datagrams
 *   link_rest.c    peers that say too much
 */
#ifndef MCQ_PUMP_LINK_PARTS_H
#define MCQ_PUMP_LINK_PARTS_H

#include "arena/alloc.h"
#include "base/assert.h"
#include "pump/link.h"
#include "pump/link_datagram.h"
#include "pump/link_pipe.h"
#include "session/state.h"

#define MCQ_LINK_SEND_BLOCK_BYTES 32768
/* What each link may hold of its input when the budget is used up: small messages, commands and
 * heartbeats still come through, so nobody waits for memory that only waiting would free. */
#define MCQ_LINK_FLOOR_BYTES 16384

/* A command is decoded, perhaps answered, and gone: about as much work as a short message, so it
 * counts as its octets and these. */
#define MCQ_REST_COMMAND_BYTES 64
/* In one window: of all peers together, and of each in any case, which is a dozen of heartbeats. */
#define MCQ_REST_WINDOW_NS 10000000
#define MCQ_REST_GROUP_BYTES 32768
#define MCQ_REST_LINK_BYTES 1024
/* Of who has rested so much is read at a time. */
#define MCQ_REST_WARY_BYTES 4096

/* --- link_group.c ---------------------------------------------------------------------------- */

/* On the list of those with octets that nobody has tried to write. */
static inline void mcq_link_set_dirty(struct mcq_link *link, bool is_dirty)
{
    struct mcq_link_group *group = link->group;

    if (link->is_dirty == is_dirty)
        return;
    link->is_dirty = is_dirty;
    if (is_dirty) {
        link->dirty_at = group->dirty_count++;
        link->dirty_next = NULL;
        link->dirty_prev = group->dirty_last;
        if (group->dirty_last != NULL)
            group->dirty_last->dirty_next = link;
        else
            group->dirty_first = link;
        group->dirty_last = link;
        return;
    }
    if (link->dirty_next != NULL)
        link->dirty_next->dirty_prev = link->dirty_prev;
    else
        group->dirty_last = link->dirty_prev;
    if (link->dirty_prev != NULL)
        link->dirty_prev->dirty_next = link->dirty_next;
    else
        group->dirty_first = link->dirty_next;
}

static inline void mcq_link_set_blocked(struct mcq_link *link, bool is_blocked)
{
    if (link->is_blocked == is_blocked)
        return;
    link->is_blocked = is_blocked;
    link->group->blocked_count += is_blocked ? 1 : (size_t) -1;
}

/* Off the group's lists, if it is on them. */
void mcq_link_forget_lost(struct mcq_link *link);
void mcq_link_forget_roomy(struct mcq_link *link);

/* What waits for the peer will not leave. */
static inline void mcq_link_count_lost(struct mcq_link *link)
{
    link->tally.drops[MCQ_TALLY_DISCONNECTED] += mcq_link_waiting_count(link);
}

/* A message of the peer, or a part of one, is here. */
static inline void mcq_link_count_in(struct mcq_link *link, const struct mcq_msg *msg)
{
    link->tally.in_messages += !msg->more;
    link->tally.in_bytes += mcq_msg_len(msg);
}

/* --- link_lane.c ----------------------------------------------------------------------------- */

/* The tap and the duct of the group, and who is to be answered, if they are this link's. */
static inline void mcq_link_close_taps(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;

    if (group->tap.link == link)
        group->tap.link = NULL;
    if (group->duct.link == link)
        group->duct.link = NULL;
    if (group->questions.link == link)
        group->questions.link = NULL;
    if (group->answered == link)
        group->answered = NULL;
    if (group->asker == link)
        group->asker = NULL;
}

/* --- link_queue.c ---------------------------------------------------------------------------- */

/* MCQ_NOMEM: *msg is the caller's. */
MCQ_MUST_CHECK enum mcq_err mcq_link_queue_push(struct mcq_link_queue *queue, struct mcq_msg *msg);
/* false: there is no whole message. */
bool mcq_link_queue_pop(struct mcq_link_queue *queue, struct mcq_msg *msg);
/* Only the newest whole message stays. Returns how many went. */
uint32_t mcq_link_queue_conflate(struct mcq_link_queue *queue);
/* The rest of a message that was begun does not come any more. */
void mcq_link_queue_cut(struct mcq_link_queue *queue);
/* Only the rest of a message that was begun to be taken stays. Returns how many went. */
uint32_t mcq_link_queue_drop(struct mcq_link_queue *queue);
void mcq_link_queue_fini(struct mcq_link_queue *queue);

/* --- link_budget.c --------------------------------------------------------------------------- */

/* After a batch: what the link holds now. */
void mcq_link_settle(struct mcq_link *link);
/* Whether the link has to do without more for now. */
bool mcq_link_starves(struct mcq_link *link);

/* --- link_rest.c ----------------------------------------------------------------------------- */

/* A command has come that is not for the socket's user. The link may rest from now on. */
void mcq_link_count_command(struct mcq_link *link);

/* --- link_read.c, link_write.c --------------------------------------------------------------- */

/* What the peer said next, whatever it is.
 *   MCQ_AGAIN   nothing; others: the connection has failed */
MCQ_MUST_CHECK enum mcq_err mcq_link_pull(struct mcq_link *link, struct mcq_msg *msg,
                                          struct mcq_event *event);
/* As mcq_link_flush, of a link that is up, without losing it. */
MCQ_MUST_CHECK enum mcq_err mcq_link_write(struct mcq_link *link);
/* The stream, or the way of datagrams, takes no more now: MCQ_AGAIN; MCQ_NOMEM: its edge cannot be
 * waited for. */
MCQ_MUST_CHECK enum mcq_err mcq_link_block(struct mcq_link *link);

#endif
