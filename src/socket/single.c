#include "socket/single.h"

enum mcq_err mcq_single_take(struct mcq_pattern *pattern, struct mcq_msg *msg,
                             struct mcq_peer **peer)
{
    struct mcq_incoming *incoming = &mcq_duplex_of(pattern)->incoming;
    uint32_t dropped = 0;

    for (;;) {
        bool begins = !incoming->fair.is_within;
        enum mcq_err err = mcq_incoming_take(incoming, msg, peer);

        if (err == MCQ_CLOSED)
            continue;
        MCQ_TRY(err);
        if (MCQ_LIKELY(begins && !msg->more))
            return MCQ_OK;
        if (!msg->more)
            mcq_pattern_drop(pattern, *peer, MCQ_TALLY_REFUSED);
        mcq_msg_fini(msg);
        if (!mcq_incoming_drops_on(pattern, &dropped))
            return MCQ_AGAIN;
    }
}

enum mcq_err mcq_single_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    return part->more ? MCQ_INVAL : mcq_duplex_send(pattern, part);
}

enum mcq_err mcq_single_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct mcq_peer *peer;

    return mcq_single_take(pattern, msg, &peer);
}
