/* DGRAM: datagrams of one endpoint. A message has two parts: the far side's address, and the
 * datagram. What is no address is found out when it leaves, and the message is dropped then, as
 * libzmq has it. */

#include "socket/duplex.h"

struct dgram {
    struct mcq_duplex duplex; /* first */
    bool is_within;           /* the address was sent, and its datagram was not */
};

static enum mcq_err dgram_create(const struct mcq_pattern_ops *ops,
                                 const struct mcq_pattern_config *config,
                                 struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct dgram), &duplex));
    *pattern = &duplex->base;
    return MCQ_OK;
}

/* An address alone, or a third part, is refused, and leaves all as it was. */
static enum mcq_err dgram_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct dgram *dgram = (struct dgram *) pattern;

    if (part->more == dgram->is_within)
        return MCQ_INVAL;
    MCQ_TRY(mcq_duplex_send(pattern, part));
    dgram->is_within = part->more;
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_dgram = {
    .type = MCQ_SOCKET_TYPE_DGRAM,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_ANY,
    .create = dgram_create,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach_only,
    .up = mcq_duplex_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .send = dgram_send,
    .recv = mcq_duplex_recv,
    .is_writable = mcq_duplex_is_writable,
};
