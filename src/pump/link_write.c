/* Writing: what is queued for a peer, and how it leaves. */

#include "pump/link_parts.h"

#include "wire/encode.h"

#define IOV_COUNT 64       /* runs of one write */
#define ROW_MIN 4          /* writes that are worth a row */
#define ROW_ASK_COUNT 1024 /* flushes until a row that was not to be had is asked for again */

/* The stream took no more: its next edge is worth knowing. */
enum mcq_err mcq_link_block(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;

    link->can_write = false;
    link->was_blocked = true;
    mcq_link_set_dirty(link, false);
    mcq_link_set_blocked(link, true);
    if (link->is_in_out_set)
        return MCQ_AGAIN;
    if (mcq_ready_add(group->out_set, link->fd, link->key, MCQ_READY_OUT) != MCQ_IO_DONE)
        return MCQ_NOMEM;
    link->is_in_out_set = true;
    return MCQ_AGAIN;
}

static bool is_below_max(struct mcq_link *link)
{
    if (mcq_link_is_piped(link))
        return mcq_pipe_has_room(&link->pipe);
    return link->out_max == 0 || link->conflates || mcq_link_waiting_count(link) < link->out_max;
}

void mcq_link_on_room(struct mcq_link *link)
{
    if (!link->is_full || !is_below_max(link))
        return;
    link->is_full = false;
    if (link->is_roomy)
        return;
    link->is_roomy = true;
    link->roomy_next = link->group->roomy_first;
    link->group->roomy_first = link;
}

/* What waits, as the stream gets it. */
static enum mcq_err link_lend(struct mcq_link *link, struct iovec iov[IOV_COUNT], size_t *count)
{
    if (MCQ_UNLIKELY(mcq_session_is_sealed(link->session)))
        return mcq_spump_lend(&link->spump, &link->wpump, link->session, iov, count);
    *count = mcq_wpump_lend(&link->wpump, mcq_session_want(link->session), iov, IOV_COUNT);
    return MCQ_OK;
}

/* The stream took so many octets; returns how many of them were no message's. */
static size_t link_on_written(struct mcq_link *link, size_t len)
{
    size_t control;

    if (MCQ_UNLIKELY(mcq_session_is_sealed(link->session)))
        return mcq_spump_on_written(&link->spump, &link->wpump, link->session, len);
    control = mcq_wpump_on_written(&link->wpump, len);
    mcq_session_sent(link->session, control);
    return control;
}

static struct mcq_io link_send(const struct mcq_link *link, const struct iovec *iov, size_t count)
{
    struct mcq_io io = {.result = MCQ_IO_DONE};

    if (MCQ_LIKELY(!link->is_shut))
        return mcq_reactor_send(link->group->reactor, link->fd, iov, count);
    for (size_t i = 0; i < count; i++)
        io.len += iov[i].iov_len;
    return io;
}

static enum mcq_err link_on_sent(struct mcq_link *link, const struct mcq_io *io)
{
    size_t control = link_on_written(link, io->len);

    MCQ_PROBE(sent, link->fd, io->len, io->result);
    link->has_sent = link->has_sent || io->len > control;
    if (MCQ_UNLIKELY(link->is_full))
        mcq_link_on_room(link);
    if (io->result == MCQ_IO_AGAIN)
        return mcq_link_block(link);
    if (io->result != MCQ_IO_DONE)
        return io->result == MCQ_IO_NO_MEMORY ? MCQ_NOMEM : MCQ_CLOSED;
    return MCQ_OK;
}

static enum mcq_err link_on_all_sent(struct mcq_link *link)
{
    mcq_link_set_dirty(link, false);
    mcq_link_set_blocked(link, false);
    return MCQ_UNLIKELY(link->is_finishing) ? MCQ_CLOSED : MCQ_OK;
}

static enum mcq_err link_write_all(struct mcq_link *link)
{
    struct iovec iov[IOV_COUNT];
    struct mcq_io io;
    size_t count;

    for (;;) {
        if (!link->can_write && !link->is_shut)
            return MCQ_AGAIN;
        MCQ_TRY(link_lend(link, iov, &count));
        if (count == 0)
            break;
        io = link_send(link, iov, count);
        MCQ_TRY(link_on_sent(link, &io));
    }
    return link_on_all_sent(link);
}

enum mcq_err mcq_link_write(struct mcq_link *link)
{
    enum mcq_err err;

    link->group->flush_count++;
    if (mcq_link_is_piped(link)) {
        mcq_link_set_dirty(link, false);
        mcq_link_pipe_flush(link);
        return MCQ_OK;
    }
    err = MCQ_UNLIKELY(link->datagrams != NULL) ? mcq_link_datagram_write(link)
                                                : link_write_all(link);
    mcq_link_settle(link);
    return err;
}

enum mcq_err mcq_link_flush(struct mcq_link *link)
{
    enum mcq_err err;

    if (!link->is_up)
        return MCQ_OK;
    if (link->is_lost)
        return link->lost_by;
    err = mcq_link_write(link);
    if (err != MCQ_OK && err != MCQ_AGAIN)
        mcq_link_lose(link, err);
    return err;
}

/* --- many at a time --------------------------------------------------------------------------- */

/* What waits is one run of octets, for a stream in the clear. */
static bool fits_row(const struct mcq_link *link)
{
    return link->is_up && link->can_write && !link->is_shut && !mcq_link_is_piped(link) &&
           link->datagrams == NULL && mcq_wpump_is_one_run(&link->wpump) &&
           !mcq_session_is_sealed(link->session) && mcq_session_want(link->session).len == 0;
}

static void ask_for_row(struct mcq_link_group *group)
{
    if (group->row != NULL || group->flush_count < group->row_at)
        return;
    group->row = mcq_row_new(group->reactor);
    group->row_at = group->flush_count + ROW_ASK_COUNT;
}

static void write_row(struct mcq_link_group *group, struct mcq_link *const *links, size_t count)
{
    struct mcq_row_send sends[MCQ_ROW_MAX];

    for (size_t i = 0; i < count; i++) {
        struct iovec iov[2];
        size_t runs = mcq_wpump_lend(&links[i]->wpump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov));

        mcq_assert_hot(runs == 1);
        (void) runs;
        sends[i] = (struct mcq_row_send) {.fd = links[i]->fd, .octets = iov[0]};
    }
    ask_for_row(group);
    mcq_row_send(group->reactor, &group->row, sends, count);
    for (size_t i = 0; i < count; i++) {
        enum mcq_err err = link_on_sent(links[i], &sends[i].io);

        if (err == MCQ_OK)
            err = link_write_all(links[i]);
        mcq_link_settle(links[i]);
        if (err != MCQ_OK && err != MCQ_AGAIN)
            mcq_link_lose(links[i], err);
        mcq_assert_hot(!links[i]->is_dirty); /* written, blocked or lost */
    }
    group->flush_count += count;
}

size_t mcq_link_flush_some(struct mcq_link_group *group, uint64_t before, size_t max)
{
    struct mcq_link *first = group->dirty_first;
    struct mcq_link *links[MCQ_ROW_MAX];
    size_t count = 0;

    mcq_assert(max > 0);
    if (first == NULL || first->dirty_at >= before)
        return 0;
    max = mcq_min_size(max, MCQ_ROW_MAX);
    for (struct mcq_link *link = first;
         link != NULL && link->dirty_at < before && count < max && fits_row(link);
         link = link->dirty_next)
        links[count++] = link;
    if (count >= ROW_MIN) {
        write_row(group, links, count);
        return count;
    }
    mcq_link_flush(first);
    mcq_assert_hot(!first->is_dirty);
    return 1;
}

bool mcq_link_has_room(struct mcq_link *link)
{
    if (is_below_max(link))
        return true;
    if (link->can_write)
        mcq_link_flush(link);
    if (is_below_max(link))
        return true;
    link->is_full = true;
    return false;
}

uint64_t mcq_link_waiting_count(const struct mcq_link *link)
{
    if (!mcq_link_is_piped(link))
        return mcq_wpump_message_count(&link->wpump);
    return link->epoch > 0 ? 0 : mcq_pipe_waiting_count(&link->pipe);
}

/* A part was queued. A pipe shows each message at once: whoever looks for it after the send that
 * returned finds it, in another thread or in this one. */
static void link_on_put(struct mcq_link *link, size_t body_bytes, bool ends_message)
{
    link->group->put_count++;
    link->begun_out_bytes += body_bytes;
    if (ends_message) {
        link->group->queued_count++;
        link->tally.out_messages++;
        link->tally.out_bytes += link->begun_out_bytes;
        link->begun_out_bytes = 0;
    }
    if (MCQ_UNLIKELY(link->wpump.put_at >= link->settle_at))
        mcq_link_settle(link);
    if (!link->is_up || link->is_lost || link->is_blocked)
        return;
    if (mcq_link_is_piped(link)) {
        if (!mcq_pipe_is_within(&link->pipe))
            mcq_link_flush(link);
        return;
    }
    mcq_link_set_dirty(link, true);
    if (mcq_wpump_waiting_bytes(&link->wpump) >= MCQ_WPUMP_BATCH_BYTES)
        mcq_link_flush(link);
}

/* The slab has no block: at a message's start that is like being full. */
static enum mcq_err link_put_error(struct mcq_link *link, enum mcq_err err, bool begins)
{
    if (err != MCQ_AGAIN || !begins)
        return MCQ_NOMEM;
    link->is_full = true;
    return MCQ_AGAIN;
}

/* Octets alone: each part is a whole message, and one without octets is nothing. */
static enum mcq_err link_put_raw(struct mcq_link *link, struct mcq_part *part)
{
    struct mcq_bytes none = mcq_bytes(NULL, 0);

    if (part->msg == NULL && part->body.len > 0)
        return mcq_wpump_put_octets(&link->wpump, none, part->body, true);
    if (part->body.len > 0)
        return mcq_wpump_put(&link->wpump, none, part->msg, true);
    if (part->msg != NULL)
        mcq_msg_fini(part->msg);
    return MCQ_OK;
}

/* A frame whose body is copied is written where it leaves from. */
static enum mcq_err link_copy(struct mcq_link *link, const struct mcq_part *part)
{
    uint8_t *start;
    uint8_t *end;

    MCQ_TRY(mcq_wpump_room(&link->wpump, MCQ_FRAME_HEAD_MAX + part->body.len, &start));
    end = mcq_encode_frame_head_as(link->framing, start, part->more ? MCQ_FRAME_MORE : 0,
                                   part->body.len);
    end = mcq_put_bytes(end, part->body);
    mcq_wpump_put_written(&link->wpump, (size_t) (end - start), !part->more);
    return MCQ_OK;
}

/* One that is not: its body stays where it is. */
static enum mcq_err link_refer(struct mcq_link *link, struct mcq_part *part)
{
    struct mcq_bytes run;
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t *end = mcq_encode_frame_head_as(link->framing, octets, part->more ? MCQ_FRAME_MORE : 0,
                                            part->body.len);
    struct mcq_bytes head = mcq_bytes(octets, (size_t) (end - octets));

    if (MCQ_LIKELY(!mcq_msg_put_front(part->msg, head, &run)))
        return mcq_wpump_put(&link->wpump, head, part->msg, !part->more);
    return mcq_wpump_put_place(&link->wpump, &link->group->places, part->msg, run, !part->more);
}

static enum mcq_err link_encode(struct mcq_link *link, struct mcq_part *part)
{
    if (MCQ_UNLIKELY(part->msg == NULL && part->body.len > MCQ_WPUMP_COPY_MAX))
        return MCQ_NOMEM;
    if (MCQ_UNLIKELY(link->framing == MCQ_FRAMING_RAW))
        return link_put_raw(link, part);
    if (part->msg != NULL &&
        (part->body.len > MCQ_WPUMP_COPY_MAX || part->msg->kind == MCQ_MSG_PLACE))
        return link_refer(link, part);
    MCQ_TRY(link_copy(link, part));
    if (part->msg != NULL) /* that may be one which was received here */
        mcq_msg_give_back(part->msg, link->group->receiver.blocks);
    return MCQ_OK;
}

/* What waits gives way to what comes. */
static void link_conflate(struct mcq_link *link)
{
    uint32_t before = mcq_wpump_message_count(&link->wpump);

    if (mcq_spump_clear_bytes(&link->spump) == 0)
        mcq_wpump_conflate(&link->wpump);
    else /* what is sealed has to leave */
        while (mcq_wpump_drop_oldest(&link->wpump, mcq_spump_clear_bytes(&link->spump)))
            continue;
    mcq_tally_drop(&link->tally, MCQ_TALLY_OLDER, before - mcq_wpump_message_count(&link->wpump));
}

static bool link_is_within(const struct mcq_link *link)
{
    return mcq_link_is_piped(link) ? mcq_pipe_is_within(&link->pipe)
                                   : mcq_wpump_is_within(&link->wpump);
}

static enum mcq_err link_put(struct mcq_link *link, struct mcq_part *part, bool begins)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(link->conflates) && begins && !mcq_link_is_piped(link))
        link_conflate(link);
    err = mcq_link_is_piped(link) ? mcq_link_pipe_put(link, part) : link_encode(link, part);
    if (MCQ_UNLIKELY(err != MCQ_OK))
        return link_put_error(link, err, begins);
    link_on_put(link, part->body.len, !part->more);
    return MCQ_OK;
}

enum mcq_err mcq_link_put(struct mcq_link *link, struct mcq_part *part)
{
    bool begins = !link_is_within(link);

    if (begins && !mcq_link_has_room(link))
        return MCQ_AGAIN;
    return link_put(link, part, begins);
}

enum mcq_err mcq_link_put_promised(struct mcq_link *link, struct mcq_part *part)
{
    return link_put(link, part, !link_is_within(link));
}

/* Whether one more answer changes nothing: it waits, as the last one does. */
static bool may_wait(struct mcq_link *link, size_t len)
{
    const struct mcq_link_group *group = link->group;

    return group->dirty_last == link && is_below_max(link) &&
           mcq_wpump_waiting_bytes(&link->wpump) + MCQ_FRAME_HEAD_MAX + len <
               MCQ_WPUMP_BATCH_BYTES &&
           (group->asking_count > 1 || mcq_link_has_at_hand(link));
}

bool mcq_link_answer(struct mcq_link_group *group, struct mcq_part *part)
{
    struct mcq_link *link = group->answered;
    size_t len = part->body.len;

    if (group->asker != link || len > MCQ_WPUMP_COPY_MAX || part->msg->kind == MCQ_MSG_PLACE ||
        !may_wait(link, len))
        return false;
    /* What it has asked since came through the tap, so it speaks in frames; and whatever else was
     * sent would have made it the last one no more. */
    mcq_assert_hot(link->framing != MCQ_FRAMING_RAW && !link->conflates);
    mcq_assert_hot(!mcq_wpump_is_within(&link->wpump));
    if (link_copy(link, part) != MCQ_OK)
        return false;
    mcq_msg_give_back(part->msg, group->receiver.blocks);
    group->asker = NULL;
    link_on_put(link, len, true);
    return true;
}

enum mcq_err mcq_link_put_run(struct mcq_link *link, struct mcq_buf *buf, struct mcq_bytes run,
                              size_t body_bytes, bool ends_message)
{
    bool begins = !mcq_wpump_is_within(&link->wpump);
    enum mcq_err err;

    if (begins && !mcq_link_has_room(link))
        return MCQ_AGAIN;
    if (MCQ_UNLIKELY(link->conflates) && begins)
        link_conflate(link);
    err = mcq_wpump_put_run(&link->wpump, buf, run, ends_message);
    if (err != MCQ_OK)
        return link_put_error(link, err, begins);
    link_on_put(link, body_bytes, ends_message);
    return MCQ_OK;
}

uint32_t mcq_link_put_frames(struct mcq_link *link, const struct mcq_frames *frames)
{
    uint32_t at = 0;

    mcq_assert_hot(!mcq_link_is_piped(link) && !link->conflates);
    while (at < frames->count && mcq_link_has_room(link)) {
        uint32_t count = frames->count - at;

        if (link->out_max > 0)
            count = (uint32_t) mcq_min_u64(count, link->out_max - mcq_link_waiting_count(link));
        if (mcq_wpump_put_frames(&link->wpump, frames, at, count) != MCQ_OK)
            break;
        link->group->queued_count += count;
        link->tally.out_messages += count;
        link->tally.out_bytes +=
            mcq_frames_body_bytes(frames, at + count) - mcq_frames_body_bytes(frames, at);
        link_on_put(link, 0, false);
        at += count;
    }
    return at;
}

void mcq_link_cut(struct mcq_link *link)
{
    link->begun_out_bytes = 0;
    if (mcq_link_is_piped(link))
        mcq_pipe_cut(&link->pipe);
    else
        mcq_wpump_cut(&link->wpump);
}

bool mcq_link_drop_oldest(struct mcq_link *link)
{
    if (mcq_link_is_piped(link) ||
        !mcq_wpump_drop_oldest(&link->wpump, mcq_spump_clear_bytes(&link->spump)))
        return false;
    mcq_tally_drop(&link->tally, MCQ_TALLY_OLDER, 1);
    return true;
}

void mcq_link_drop(struct mcq_link *link)
{
    mcq_link_count_lost(link);
    mcq_wpump_fini(&link->wpump);
    if (link->is_full)
        mcq_link_on_room(link);
    mcq_link_settle(link);
}

/* What was said goes out with the next write; a pipe shows it at once, as it shows messages. */
static enum mcq_err link_on_said(struct mcq_link *link, enum mcq_err err)
{
    if (err != MCQ_OK || link->is_lost || link->is_blocked)
        return err;
    if (mcq_link_is_piped(link))
        return mcq_link_flush(link);
    mcq_link_set_dirty(link, true);
    return MCQ_OK;
}

enum mcq_err mcq_link_subscribe(struct mcq_link *link, struct mcq_bytes topic, bool is_on)
{
    enum mcq_event_kind kind = is_on ? MCQ_EVENT_SUBSCRIBE : MCQ_EVENT_CANCEL;

    return link_on_said(link, mcq_link_is_piped(link)
                                  ? mcq_link_pipe_say(link, kind, topic)
                                  : mcq_session_subscribe(link->session, topic, is_on));
}

enum mcq_err mcq_link_join(struct mcq_link *link, struct mcq_bytes group, bool is_on)
{
    enum mcq_event_kind kind = is_on ? MCQ_EVENT_JOIN : MCQ_EVENT_LEAVE;

    if (mcq_link_is_of_datagrams(link))
        return MCQ_OK;
    return link_on_said(link, mcq_link_is_piped(link)
                                  ? mcq_link_pipe_say(link, kind, group)
                                  : mcq_session_join(link->session, group, is_on));
}

enum mcq_err mcq_link_greet(struct mcq_link *link, struct mcq_msg *msg)
{
    struct mcq_part part = {.body = mcq_bytes(NULL, 0)};
    struct mcq_msg copy;
    enum mcq_err err;

    if (mcq_link_is_piped(link)) {
        mcq_msg_init(&copy);
        if (msg != NULL)
            mcq_msg_copy(&copy, msg);
        part.body = mcq_msg_bytes(&copy);
        part.msg = &copy;
        err = mcq_link_put(link, &part);
        mcq_msg_fini(&copy);
        return err;
    }
    if (msg != NULL)
        part.body = mcq_msg_bytes(msg);
    err = mcq_session_greet(link->session, part.body);
    if (err == MCQ_OK && !link->is_lost && !link->is_blocked)
        mcq_link_set_dirty(link, true);
    return err;
}

enum mcq_err mcq_link_note(struct mcq_link *link, struct mcq_msg *msg)
{
    struct mcq_msg copy;
    enum mcq_err err;

    mcq_msg_init(&copy);
    if (msg != NULL)
        mcq_msg_copy(&copy, msg);
    copy.more = false;
    copy.routing_id = mcq_link_name_origin(link);
    err = mcq_link_queue_push(&link->in, &copy);
    mcq_msg_fini(&copy);
    return err;
}
