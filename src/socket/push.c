/* PUSH: each message to one peer with room, in turns. What peers send is nobody's (RFC 30). */

#include "socket/duplex.h"

static enum mcq_err push_create(const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern)
{
    return mcq_duplex_new(&mcq_pattern_push, config, sizeof(struct mcq_duplex),
                          (struct mcq_duplex **) pattern);
}

static void push_hear(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_event event;
    struct mcq_msg msg;

    (void) pattern;
    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(&peer->link, &msg, &event) == MCQ_OK; i++)
        if (event.kind == MCQ_EVENT_BODY)
            mcq_msg_fini(&msg);
}

const struct mcq_pattern_ops mcq_pattern_push = {
    .type = MCQ_SOCKET_TYPE_PUSH,
    .can_send = true,
    .create = push_create,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach,
    .up = mcq_duplex_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .room = mcq_duplex_room,
    .hear = push_hear,
    .send = mcq_duplex_send,
    .is_writable = mcq_duplex_is_writable,
};
