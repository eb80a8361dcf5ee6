/* CHANNEL: a PAIR whose messages have one part (RFC 52). */

#include "socket/single.h"

const struct mcq_pattern_ops mcq_pattern_channel = {
    .type = MCQ_SOCKET_TYPE_CHANNEL,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_ANY,
    .create = mcq_duplex_create_alone,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach_only,
    .up = mcq_duplex_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .send = mcq_single_send,
    .recv = mcq_single_recv,
    .share = mcq_duplex_share,
    .open_lane = mcq_duplex_open_lane,
    .open_tap = mcq_duplex_open_tap,
    .is_writable = mcq_duplex_is_writable,
};
