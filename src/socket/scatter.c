/* SCATTER: a PUSH whose messages have one part (RFC 49). */

#include "socket/single.h"

const struct mcq_pattern_ops mcq_pattern_scatter = {
    .type = MCQ_SOCKET_TYPE_SCATTER,
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
    .send = mcq_single_send,
    .share = mcq_duplex_share,
    .open_lane = mcq_duplex_open_lane,
    .is_writable = mcq_duplex_is_writable,
};
