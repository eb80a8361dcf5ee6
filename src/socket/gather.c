/* GATHER: a PULL whose messages have one part (RFC 49). */

#include "socket/single.h"

const struct mcq_pattern_ops mcq_pattern_gather = {
    .type = MCQ_SOCKET_TYPE_GATHER,
    .can_recv = true,
    .create = mcq_duplex_create,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach,
    .up = mcq_duplex_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .recv = mcq_single_recv,
    .open_tap = mcq_duplex_open_tap,
    .is_writable = mcq_duplex_is_writable,
};
