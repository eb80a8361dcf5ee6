/* Reading: what a peer says, as far as there is room for it. */

#include "pump/link_parts.h"

#include "base/cache.h"

#define CONFLATE_PARTS 4096    /* that are read at once in search of the newest */
#define PREFETCH_BYTES 1048576 /* bodies that wait for the application, by peer */

void mcq_link_expect(const struct mcq_link *link)
{
    mcq_cache_warm(link->session, sizeof *link->session);
}

static void limit_runs(struct iovec iov[MCQ_RPUMP_IOV_MAX], size_t *count, size_t most)
{
    size_t runs = 0;

    while (runs < *count && most > 0) {
        iov[runs].iov_len = mcq_min_size(iov[runs].iov_len, most);
        most -= iov[runs++].iov_len;
    }
    *count = runs;
}

static enum mcq_err link_read(struct mcq_link *link)
{
    struct iovec iov[MCQ_RPUMP_IOV_MAX];
    struct mcq_permits *budget = link->group->budget;
    struct mcq_io io;
    bool is_over;
    size_t count;

    if (!link->can_read)
        return MCQ_AGAIN;
    mcq_link_settle(link);
    if (link->is_drained) {
        link->can_read = false;
        return MCQ_AGAIN;
    }
    is_over = budget != NULL && mcq_permits_is_over(budget);
    if (MCQ_UNLIKELY(is_over && mcq_link_starves(link)))
        return MCQ_AGAIN;
    MCQ_TRY(mcq_rpump_room(&link->rpump, iov, &count));
    if (MCQ_UNLIKELY(is_over))
        limit_runs(iov, &count, MCQ_LINK_FLOOR_BYTES);
    if (MCQ_UNLIKELY(link->now_ns < link->wary_until_ns))
        limit_runs(iov, &count, MCQ_REST_WARY_BYTES);
    io = mcq_reactor_recv(link->group->reactor, link->fd, iov, count);
    MCQ_PROBE(received, link->fd, io.len, io.result);
    mcq_rpump_on_read(&link->rpump, io.len);
    if (io.result == MCQ_IO_DONE) {
        link->is_drained = io.is_drained && link->is_one_of_many && !link->hears_end;
        link->now_ns = mcq_reactor_now_ns(link->group->reactor);
        return MCQ_OK;
    }
    link->can_read = false;
    if (io.result == MCQ_IO_AGAIN) {
        mcq_link_settle(link);
        return MCQ_AGAIN;
    }
    mcq_session_end(link->session);
    return io.result == MCQ_IO_NO_MEMORY ? MCQ_NOMEM : MCQ_CLOSED;
}

/* What the peer said next, whatever it is. */
enum mcq_err mcq_link_pull(struct mcq_link *link, struct mcq_msg *msg, struct mcq_event *event)
{
    enum mcq_err written;
    enum mcq_err err;

    for (;;) {
        err = mcq_rpump_next(&link->rpump, link->now_ns, msg, event);
        if (MCQ_LIKELY(err == MCQ_OK) && event->kind != MCQ_EVENT_PING) {
            if (MCQ_LIKELY(event->kind == MCQ_EVENT_BODY))
                mcq_link_count_in(link, msg);
            return MCQ_OK;
        }
        if (err == MCQ_AGAIN) {
            MCQ_TRY(link_read(link));
            continue;
        }
        if (err != MCQ_OK && err != MCQ_BUSY)
            return err;
        if (err == MCQ_OK)
            mcq_link_count_command(link);
        link->group->is_pinged = true;
        /* A PONG is due, or the last one keeps the next from being answered. */
        written = mcq_link_write(link);
        if (written == MCQ_AGAIN && link->has_sent)
            mcq_session_yield(link->session);
        else
            MCQ_TRY(written);
        if (link->is_resting)
            return MCQ_AGAIN;
    }
}

static bool link_is_deaf(const struct mcq_link *link)
{
    return !link->is_up || link->is_lost;
}

static bool is_wish(const struct mcq_event *event)
{
    return event->kind == MCQ_EVENT_SUBSCRIBE || event->kind == MCQ_EVENT_CANCEL ||
           event->kind == MCQ_EVENT_JOIN || event->kind == MCQ_EVENT_LEAVE;
}

/* MCQ_OK: a part or an event; MCQ_AGAIN: nothing, and the link may have been lost. */
static enum mcq_err link_receive(struct mcq_link *link, struct mcq_msg *msg,
                                 struct mcq_event *event)
{
    enum mcq_err err;

    if (link_is_deaf(link) || link->is_resting)
        return MCQ_AGAIN;
    err = MCQ_UNLIKELY(link->datagrams != NULL) ? mcq_link_datagram_pull(link, msg, event)
                                                : mcq_link_pull(link, msg, event);
    if (MCQ_LIKELY(err == MCQ_OK)) {
        msg->routing_id = mcq_link_name_origin(link);
        if (MCQ_UNLIKELY(event->kind != MCQ_EVENT_BODY) && !is_wish(event))
            mcq_link_count_command(link);
        return MCQ_OK;
    }
    if (err == MCQ_AGAIN)
        return err;
    mcq_link_lose(link, err);
    return MCQ_AGAIN;
}

/* Receives one part into the queue. *is_whole: it was the last one of a message. */
static enum mcq_err link_enqueue(struct mcq_link *link, struct mcq_msg *msg, bool *is_whole)
{
    *is_whole = !msg->more;
    if (mcq_link_queue_push(&link->in, msg) == MCQ_OK)
        return MCQ_OK;
    mcq_msg_fini(msg);
    if (mcq_link_is_of_datagrams(link))
        mcq_link_datagram_give_up(link);
    else
        mcq_link_lose(link, MCQ_NOMEM);
    return MCQ_AGAIN;
}

/* Reads what there is, up to a bound for a peer that never stops, and keeps the newest. */
static void read_newest(struct mcq_link *link)
{
    struct mcq_event event = {.kind = MCQ_EVENT_BODY}; /* a pipe says parts only */
    struct mcq_msg msg;
    bool is_whole;

    for (int i = 0; i < CONFLATE_PARTS; i++) {
        enum mcq_err err = mcq_link_is_piped(link) ? mcq_link_pipe_take(link, &msg)
                                                   : link_receive(link, &msg, &event);

        if (err != MCQ_OK)
            break;
        if (event.kind == MCQ_EVENT_BODY && link_enqueue(link, &msg, &is_whole) != MCQ_OK)
            break;
        mcq_tally_drop(&link->tally, MCQ_TALLY_OLDER, mcq_link_queue_conflate(&link->in));
    }
}

static enum mcq_err take_newest(struct mcq_link *link, struct mcq_msg *msg)
{
    if (!link->in.is_within)
        read_newest(link);
    return mcq_link_queue_pop(&link->in, msg) ? MCQ_OK : MCQ_AGAIN;
}

/* A notice of the far side's coming is taken before what it says, one of its going afterwards. */
static enum mcq_err take_piped(struct mcq_link *link, struct mcq_msg *msg)
{
    if (link->is_up && mcq_link_queue_pop(&link->in, msg))
        return MCQ_OK;
    if (MCQ_LIKELY(mcq_link_pipe_take(link, msg) == MCQ_OK))
        return MCQ_OK;
    return mcq_link_queue_pop(&link->in, msg) ? MCQ_OK : MCQ_AGAIN;
}

enum mcq_err mcq_link_take(struct mcq_link *link, struct mcq_msg *msg)
{
    struct mcq_event event;
    bool is_whole;

    if (MCQ_UNLIKELY(link->conflates))
        return take_newest(link, msg);
    if (mcq_link_is_piped(link))
        return take_piped(link, msg);
    if (mcq_link_queue_pop(&link->in, msg)) {
        if (MCQ_UNLIKELY(link->in.body_bytes < link->settle_below))
            mcq_link_settle(link);
        return MCQ_OK;
    }
    if (MCQ_UNLIKELY(link->is_unheard))
        return MCQ_AGAIN;
    for (;;) {
        MCQ_TRY(link_receive(link, msg, &event));
        if (event.kind != MCQ_EVENT_BODY)
            continue;
        if (MCQ_LIKELY(!msg->more && link->in.tail == link->in.whole_at))
            return MCQ_OK;
        MCQ_TRY(link_enqueue(link, msg, &is_whole));
        if (is_whole) {
            (void) mcq_link_queue_pop(&link->in, msg);
            return MCQ_OK;
        }
    }
}

enum mcq_err mcq_link_hear(struct mcq_link *link, struct mcq_msg *msg, struct mcq_event *event)
{
    if (mcq_link_is_piped(link))
        return mcq_link_pipe_hear(link, msg, event);
    do
        MCQ_TRY(link_receive(link, msg, event));
    while (event->kind != MCQ_EVENT_BODY && !is_wish(event));
    return MCQ_OK;
}

enum mcq_err mcq_link_hear_whole(struct mcq_link *link, struct mcq_msg *msg,
                                 struct mcq_event *event)
{
    bool is_whole;

    if (mcq_link_is_piped(link))
        return mcq_link_pipe_hear(link, msg, event);
    for (;;) {
        if (mcq_link_queue_pop(&link->in, msg)) {
            event->kind = MCQ_EVENT_BODY;
            return MCQ_OK;
        }
        MCQ_TRY(link_receive(link, msg, event));
        if (is_wish(event))
            return MCQ_OK;
        if (event->kind != MCQ_EVENT_BODY)
            continue;
        if (!msg->more && link->in.tail == link->in.whole_at)
            return MCQ_OK;
        MCQ_TRY(link_enqueue(link, msg, &is_whole));
    }
}

bool mcq_link_prefetch(struct mcq_link *link)
{
    struct mcq_event event;
    struct mcq_msg msg;
    bool is_whole;

    if (mcq_link_is_piped(link))
        return mcq_link_is_readable(link);
    if (link->conflates) {
        read_newest(link);
        mcq_link_settle(link);
        return link->in.message_count > 0;
    }
    while ((link->in_max == 0 || link->in.message_count < link->in_max) &&
           link->in.body_bytes < PREFETCH_BYTES) {
        if (link_receive(link, &msg, &event) != MCQ_OK)
            break;
        if (event.kind == MCQ_EVENT_BODY && link_enqueue(link, &msg, &is_whole) != MCQ_OK)
            break;
    }
    mcq_link_settle(link);
    return link->in.message_count > 0;
}

void mcq_link_drop_input(struct mcq_link *link)
{
    mcq_tally_drop(&link->tally, MCQ_TALLY_DISCONNECTED, mcq_link_queue_drop(&link->in));
    mcq_link_settle(link);
}

static bool has_octets(const struct mcq_link *link)
{
    return link->rpump.unread[0].len > 0 || link->rpump.unread[1].len > 0;
}

bool mcq_link_has_unread(const struct mcq_link *link)
{
    return !link_is_deaf(link) && (link->can_read || has_octets(link));
}

/* What it says next may be for somebody, and is read. */
static bool link_is_heard(const struct mcq_link *link)
{
    return !link_is_deaf(link) && !link->is_resting && !link->is_unheard;
}

bool mcq_link_has_at_hand(const struct mcq_link *link)
{
    return link->in.head != link->in.whole_at || (link_is_heard(link) && has_octets(link));
}

bool mcq_link_is_readable(const struct mcq_link *link)
{
    if (link->in.head != link->in.whole_at)
        return true;
    if (mcq_link_is_piped(link)) /* what is in the pipe outlives the connection */
        return mcq_pipe_is_readable(&link->pipe);
    return link_is_heard(link) && mcq_link_has_unread(link);
}
