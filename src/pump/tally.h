/*
 * tally: what has passed over a link, what was dropped on the way, and why.
 *
 * Layer:   pump.
 * Threads: the holder of the socket's lock.
 * Bound:   fixed. A link's ends in its group's, which is that of all links that were there.
 */
#ifndef MCQ_PUMP_TALLY_H
#define MCQ_PUMP_TALLY_H

#include <stdint.h>

#include "base/probe.h"

/* Why a message goes nowhere. The numbers are public. */
enum mcq_tally_drop {
    MCQ_TALLY_FULL,         /* its peer's queue has as many as it may */
    MCQ_TALLY_OLDER,        /* it waited, and gave way to a newer one */
    MCQ_TALLY_NOBODY,       /* to send; nobody has asked for it, has this routing id, or is there */
    MCQ_TALLY_FILTERED,     /* received; it matches no subscription, or no group */
    MCQ_TALLY_REFUSED,      /* received; the type has no use for it, or not of this form */
    MCQ_TALLY_OVERSIZED,    /* received, in part: beyond a limit, which ends the connection; or a
                               datagram, either way */
    MCQ_TALLY_DISCONNECTED, /* it waited for a peer that is gone */
    MCQ_TALLY_NO_MEMORY,
    MCQ_TALLY_DROPS
};

struct mcq_tally {
    uint64_t out_messages; /* taken to be sent */
    uint64_t out_bytes;    /* of their bodies */
    uint64_t in_messages;  /* received whole */
    uint64_t in_bytes;     /* the same, and what was received of others */
    uint64_t drops[MCQ_TALLY_DROPS];
};

/* `count` messages went nowhere, 0 or more. */
static inline void mcq_tally_drop(struct mcq_tally *tally, enum mcq_tally_drop why, uint64_t count)
{
    tally->drops[why] += count;
    if (count > 0)
        MCQ_PROBE(drop, tally, why, count);
}

static inline void mcq_tally_add(struct mcq_tally *sum, const struct mcq_tally *tally)
{
    sum->out_messages += tally->out_messages;
    sum->out_bytes += tally->out_bytes;
    sum->in_messages += tally->in_messages;
    sum->in_bytes += tally->in_bytes;
    for (int i = 0; i < MCQ_TALLY_DROPS; i++)
        sum->drops[i] += tally->drops[i];
}

#endif
