/* PEER: a SERVER among others of its kind, which connects, too, and knows at once what number whom
 * it connects to has (RFC 51). */

#include "socket/server.h"

const struct mcq_pattern_ops mcq_pattern_peer = {
    .type = MCQ_SOCKET_TYPE_PEER,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = mcq_server_create,
    .free = mcq_server_free,
    .attach = mcq_server_attach,
    .up = mcq_duplex_up,
    .down = mcq_server_down,
    .detach = mcq_server_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_server_room,
    .send = mcq_server_send,
    .recv = mcq_server_recv,
    .is_writable = mcq_server_is_writable,
    .get = mcq_server_get,
};
