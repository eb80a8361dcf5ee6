/* PUSH: each message to one peer with room, in turns. What peers send is nobody's (RFC 30). */

#include "socket/duplex.h"

const struct mcq_pattern_ops mcq_pattern_push = {
    .type = MCQ_SOCKET_TYPE_PUSH,
    .can_send = true,
    .policies = MCQ_POLICIES_OF_ANY,
    .create = mcq_duplex_create,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach,
    .up = mcq_duplex_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .room = mcq_duplex_room,
    .hear = mcq_duplex_hear_nothing,
    .send = mcq_duplex_send,
    .share = mcq_duplex_share,
    .open_lane = mcq_duplex_open_lane,
    .is_writable = mcq_duplex_is_writable,
};
