/* A link's life: from the connection that an opening has made to its end. */

#include "pump/link_parts.h"
#include "wire/encode.h"
#include "wire/limits.h"

#define DISCARD_PARTS 64

void mcq_link_init(struct mcq_link *link, struct mcq_link_group *group, uint32_t out_max,
                   uint32_t in_max)
{
    *link = (struct mcq_link) {.group = group,
                               .fd = -1,
                               .out_max = out_max,
                               .in_max = in_max,
                               .framing = MCQ_FRAMING_NEWEST};
    mcq_msg_init(&link->heard);
    mcq_wpump_init(&link->wpump, group->send_slab);
    mcq_spump_init(&link->spump, &group->seal_room);
}

void mcq_link_set_max(struct mcq_link *link, uint32_t out_max, uint32_t in_max)
{
    link->out_max = out_max;
    link->in_max = in_max;
    if (mcq_link_is_piped(link)) {
        mcq_pipe_set_max(&link->pipe, out_max, in_max);
        if (link->is_up)
            link->group->tell(link, MCQ_TELL_ROOM);
    }
    mcq_link_on_room(link);
}

void mcq_link_set_pipe(struct mcq_link *link, struct mcq_pipe_end pipe)
{
    link->pipe = pipe;
    mcq_pipe_set_max(&link->pipe, link->out_max, link->in_max);
    mcq_blocks_set_cache(link->group->receiver.blocks, MCQ_BLOCK_LENT_CACHE_BYTES);
}

void mcq_link_retire(struct mcq_link *link)
{
    if (!mcq_link_is_piped(link))
        mcq_link_cut(link);
    mcq_link_count_lost(link);
    mcq_tally_add(&link->group->tally, &link->tally);
    link->tally = (struct mcq_tally) {0};
}

void mcq_link_fini(struct mcq_link *link)
{
    mcq_assert(!link->is_up);
    mcq_link_close_taps(link); /* what it had queued was taken after its end */
    mcq_link_forget_lost(link);
    mcq_link_forget_roomy(link);
    mcq_origin_leave(&link->origin, link->has_named);
    mcq_msg_fini(&link->heard);
    link->pipe = (struct mcq_pipe_end) {0};
    mcq_link_datagram_fini(link);
    mcq_link_queue_fini(&link->in);
    mcq_wpump_fini(&link->wpump);
    link->table_bytes = 0;
    mcq_link_settle(link);
}

/* One frame, or a part of it, in the pump of another framing. */
static enum mcq_err put_piece(struct mcq_wpump *pump, enum mcq_framing framing,
                              const struct mcq_frame_piece *piece, struct mcq_buf *owner)
{
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t more = piece->flags & MCQ_FRAME_MORE;
    bool ends_message = piece->last && !more;
    uint8_t *end;

    if (piece->first) {
        end = mcq_encode_frame_head_as(framing, octets, more, piece->size);
        MCQ_TRY(mcq_wpump_put_octets(pump, mcq_bytes(octets, (size_t) (end - octets)),
                                     mcq_bytes(NULL, 0), ends_message && piece->body.len == 0));
    }
    return piece->body.len > 0 ? mcq_wpump_put_run(pump, owner, piece->body, ends_message) : MCQ_OK;
}

static enum mcq_err copy_frames(const struct mcq_link *link, struct mcq_wpump *pump,
                                enum mcq_framing framing)
{
    struct mcq_wpump_cursor cursor = mcq_wpump_walk(&link->wpump);
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    struct mcq_bytes run;
    struct mcq_buf *owner;
    enum mcq_err err;

    mcq_frame_decoder_init(&frames, 0, MCQ_MAX_FRAME_BYTES, 0);
    mcq_frame_decoder_set_framing(&frames, link->framing);
    while (mcq_wpump_walk_on(&link->wpump, &cursor, &run, &owner)) {
        while ((err = mcq_frame_decode(&frames, &run, &piece)) == MCQ_OK)
            MCQ_TRY(put_piece(pump, framing, &piece, owner));
        mcq_assert(err == MCQ_AGAIN); /* we wrote them */
    }
    return MCQ_OK;
}

/* What waits was put before anybody knew who would read it: a peer of another version wants other
 * headers. Bodies stay where they are. */
static enum mcq_err link_reframe(struct mcq_link *link, enum mcq_framing framing)
{
    struct mcq_wpump made;

    if (mcq_framing_heads_alike(link->framing, framing))
        return MCQ_OK;
    mcq_wpump_init(&made, link->group->send_slab);
    if (copy_frames(link, &made, framing) != MCQ_OK) {
        mcq_wpump_fini(&made);
        return MCQ_NOMEM;
    }
    mcq_wpump_fini(&link->wpump);
    link->wpump = made;
    link->framing = framing;
    return MCQ_OK;
}

enum mcq_err mcq_link_start(struct mcq_link *link, struct mcq_opening *opening, uint64_t epoch,
                            struct mcq_ready_key key)
{
    struct mcq_link_group *group = link->group;

    mcq_assert(!link->is_up && epoch > link->epoch);
    MCQ_TRY(link_reframe(link, mcq_session_framing(opening->session)));
    if (mcq_ready_add(group->in_set, opening->fd, key, MCQ_READY_IN) != MCQ_IO_DONE)
        return MCQ_NOMEM;
    mcq_session_trim(opening->session);
    link->session = opening->session;
    mcq_origin_leave(&link->origin, link->has_named);
    link->origin = opening->origin;
    link->has_named = false;
    link->origin_number = mcq_origin_number(opening->origin);
    link->rpump = *opening->rpump;
    mcq_free(opening->rpump);
    link->rpump.receiver = &group->receiver;
    link->fd = opening->fd;
    *opening = (struct mcq_opening) {.fd = -1};
    link->key = key;
    link->epoch = epoch;
    link->is_up = true;
    mcq_link_set_readable(link);
    link->hears_end = false;
    link->is_one_of_many = false;
    link->can_write = true;
    link->has_sent = false;
    link->is_shut = false;
    link->was_blocked = false;
    link->lost_by = MCQ_OK;
    link->now_ns = mcq_reactor_now_ns(group->reactor);
    link->started_ns = link->now_ns;
    link->start_count++;
    mcq_link_set_dirty(link, true);
    mcq_link_settle(link);
    return MCQ_OK;
}

/* Our PING is behind octets that the peer has not come to, or was until now. */
static bool link_is_held_back(struct mcq_link *link)
{
    bool was_blocked = link->was_blocked;

    if (mcq_reactor_is_held_back(link->group->reactor, link->fd))
        return true;
    link->was_blocked = false;
    return was_blocked;
}

void mcq_link_start_piped(struct mcq_link *link, uint64_t epoch)
{
    mcq_assert(!link->is_up && epoch > link->epoch);
    link->epoch = epoch;
    link->is_up = true;
    mcq_link_set_readable(link);
    link->can_write = true;
    link->lost_by = MCQ_OK;
    link->started_ns = mcq_reactor_now_ns(link->group->reactor);
    link->start_count++;
    mcq_link_set_dirty(link, true);
    mcq_link_on_room(link); /* as many more as the far side's high-water mark says */
}

void mcq_link_tick(struct mcq_link *link, uint64_t now_ns)
{
    enum mcq_err err;

    if (mcq_link_has_unread(link)) /* back-pressure must not look like death */
        mcq_session_excuse(link->session, now_ns);
    else if (now_ns >= link->session->silence_at_ns && link_is_held_back(link))
        mcq_session_wait_on(link->session, now_ns);
    err = mcq_session_tick(link->session, now_ns);
    if (err != MCQ_OK)
        mcq_link_lose(link, err);
    else if (mcq_session_want(link->session).len > 0)
        mcq_link_flush(link);
}

/* What the peer said next, and no answer to it: nobody would hear that. */
static enum mcq_err link_pull_unanswered(struct mcq_link *link, struct mcq_msg *msg,
                                         struct mcq_event *event)
{
    enum mcq_err err;

    do {
        mcq_session_sent(link->session, mcq_session_want(link->session).len);
        link->is_resting = false;
        err = mcq_link_pull(link, msg, event);
    } while (err == MCQ_AGAIN && (link->is_resting || mcq_session_want(link->session).len > 0));
    return err;
}

/* A peer that is gone may have left messages in the stream. What the kernel holds is finite, but
 * peers may come and go without end: beyond the budget each has what a peer is read ahead then. */
static void link_drain(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;

    mcq_link_set_readable(link);
    while (link_pull_unanswered(link, &msg, &event) == MCQ_OK) {
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        msg.routing_id = mcq_link_name_origin(link);
        if (mcq_link_queue_push(&link->in, &msg) != MCQ_OK) {
            mcq_msg_fini(&msg);
            break;
        }
    }
}

/* A stream that is closed with unread octets is reset, and with it goes what the peer has not read
 * yet. Of a peer that never stops so many parts are read. */
static void link_discard(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;

    mcq_link_set_readable(link);
    for (int i = 0; i < DISCARD_PARTS; i++) {
        if (link_pull_unanswered(link, &msg, &event) != MCQ_OK)
            break;
        if (event.kind == MCQ_EVENT_BODY)
            mcq_msg_fini(&msg);
    }
    mcq_link_queue_fini(&link->in);
}

int mcq_link_end(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    int fd = link->fd;

    mcq_assert(link->is_up && group->lane.link != link);
    mcq_link_close_taps(link);
    mcq_link_forget_lost(link);
    link->can_write = false;
    if (mcq_link_is_piped(link)) {
        mcq_link_cut(link);
        (void) !mcq_link_write(link); /* a pipe takes it all */
        link->can_read = false;
        link->is_up = false;
        link->table_bytes = 0;
        return -1;
    }
    if (MCQ_UNLIKELY(link->is_finishing))
        link_discard(link);
    else if (link->keeps_input && !link->is_unheard && link->lost_by == MCQ_CLOSED &&
             link->session != NULL)
        link_drain(link);
    if (link->datagrams == NULL || link->datagrams->is_read)
        mcq_ready_remove(group->in_set, fd);
    if (link->is_in_out_set)
        mcq_ready_remove(group->out_set, fd);
    mcq_link_set_dirty(link, false);
    mcq_link_set_blocked(link, false);
    mcq_link_queue_cut(&link->in);
    mcq_rpump_fini(&link->rpump);
    mcq_spump_fini(&link->spump);
    if (link->session != NULL)
        mcq_session_fini(link->session);
    mcq_free(link->session);
    (void) mcq_wpump_rewind(&link->wpump);
    link->session = NULL;
    link->is_in_out_set = false;
    link->can_read = false;
    link->is_up = false;
    link->is_resting = false;
    link->is_unheard = false;
    link->is_starved = false;
    link->table_bytes = 0;
    link->fd = -1;
    mcq_link_settle(link);
    return fd;
}
