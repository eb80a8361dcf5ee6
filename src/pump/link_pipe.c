#include "pump/link_pipe.h"

#include "pump/link_parts.h"

static_assert(MCQ_EVENT_SUBSCRIBE != MCQ_PIPE_PART && MCQ_EVENT_CANCEL != MCQ_PIPE_PART &&
                  MCQ_EVENT_JOIN != MCQ_PIPE_PART && MCQ_EVENT_LEAVE != MCQ_PIPE_PART,
              "an event's kind is the tag of what is no part of a message");
static_assert(MCQ_EVENT_SUBSCRIBE <= MCQ_PIPE_TAG_MAX && MCQ_EVENT_CANCEL <= MCQ_PIPE_TAG_MAX &&
                  MCQ_EVENT_JOIN <= MCQ_PIPE_TAG_MAX && MCQ_EVENT_LEAVE <= MCQ_PIPE_TAG_MAX,
              "and is a tag");

enum mcq_err mcq_link_pipe_put(struct mcq_link *link, struct mcq_part *part)
{
    struct mcq_msg copy;
    struct mcq_msg *msg = part->msg;
    enum mcq_err err;

    if (MCQ_LIKELY(part->body.len <= MCQ_PIPE_COPY_MAX)) { /* whoever has it */
        MCQ_TRY(mcq_pipe_put_copy(&link->pipe, part->body, part->more));
        if (msg != NULL && msg->kind == MCQ_MSG_PLACE)
            mcq_places_put(&link->group->places, msg);
        else if (msg != NULL)
            mcq_msg_fini(msg);
        return MCQ_OK;
    }
    if (msg == NULL) {
        msg = &copy;
        MCQ_TRY(mcq_msg_init_block(msg, link->group->receiver.blocks, part->body));
    }
    mcq_msg_freeze(msg);
    mcq_msg_look_sole(msg);
    msg->more = part->more;
    msg->routing_id = 0;
    if (MCQ_UNLIKELY(mcq_msg_has_group(msg))) /* it is not sent */
        (void) !mcq_msg_set_group(msg, mcq_bytes(NULL, 0));
    err = mcq_pipe_put(&link->pipe, msg);
    if (err != MCQ_OK && part->msg == NULL)
        mcq_msg_fini(msg);
    return err;
}

enum mcq_err mcq_link_pipe_say(struct mcq_link *link, enum mcq_event_kind kind,
                               struct mcq_bytes octets)
{
    struct mcq_msg msg;
    enum mcq_err err;

    MCQ_TRY(mcq_msg_init_block(&msg, link->group->receiver.blocks, octets));
    err = mcq_pipe_put_tagged(&link->pipe, &msg, (uint8_t) kind);
    if (err != MCQ_OK)
        mcq_msg_fini(&msg);
    return err;
}

void mcq_link_pipe_flush(struct mcq_link *link)
{
    if (mcq_pipe_publish(&link->pipe))
        link->group->tell(link, MCQ_TELL_INPUT);
}

static enum mcq_err take(struct mcq_link *link, struct mcq_msg *msg, uint8_t *tag)
{
    struct mcq_link_group *group = link->group;
    enum mcq_err err;
    bool tells;

    if (group->looks_again && !mcq_pipe_is_readable(&link->pipe))
        return MCQ_AGAIN;
    err = mcq_pipe_take(&link->pipe, group->receiver.blocks, msg, tag, &tells);
    if (MCQ_UNLIKELY(tells))
        group->tell(link, MCQ_TELL_ROOM);
    if (MCQ_LIKELY(err == MCQ_OK)) {
        if (MCQ_LIKELY(*tag == MCQ_PIPE_PART))
            mcq_link_count_in(link, msg);
        return MCQ_OK;
    }
    if (err == MCQ_AGAIN)
        link->can_read = false;
    else
        link->is_starved = group->is_starved = true; /* it stays, and is looked at again */
    return MCQ_AGAIN;
}

enum mcq_err mcq_link_pipe_take(struct mcq_link *link, struct mcq_msg *msg)
{
    uint8_t tag;

    while (take(link, msg, &tag) == MCQ_OK) {
        if (MCQ_LIKELY(tag == MCQ_PIPE_PART))
            return MCQ_OK;
        mcq_msg_fini(msg);
    }
    return MCQ_AGAIN;
}

enum mcq_err mcq_link_pipe_hear(struct mcq_link *link, struct mcq_msg *msg, struct mcq_event *event)
{
    uint8_t tag;

    MCQ_TRY(take(link, msg, &tag));
    if (tag == MCQ_PIPE_PART) {
        event->kind = MCQ_EVENT_BODY;
        return MCQ_OK;
    }
    mcq_msg_fini(&link->heard);
    mcq_msg_move(&link->heard, msg);
    event->kind = (enum mcq_event_kind) tag;
    event->topic = mcq_msg_bytes(&link->heard);
    return MCQ_OK;
}
