/* XSUB: a SUB that says what it wants in messages, which begin with 1 or 0, and may send its
 * publishers messages of its own. It receives all that they send: they filter.
 *
 * A subscription that is a message goes as the peer's version has it, a command since 3.1, is not
 * bounded by the high-water mark and is said again on each new connection. One that is a part of a
 * longer message goes there as it is. */

#include "socket/fanout.h"
#include "socket/sub.h"
#include "wire/command.h"

struct xsub {
    struct mcq_sub sub; /* first */
    struct mcq_fanout fanout;
    bool is_within;  /* a message was begun */
    bool has_put;    /* ... and a part of it went out */
    bool is_held;    /* the last send found somebody full, and waits */
    bool looks;      /* its next parts may be subscriptions, too */
    bool only_first; /* ONLY_FIRST_SUBSCRIBE */
};

static struct xsub *xsub_of(struct mcq_pattern *pattern)
{
    return (struct xsub *) pattern;
}

static enum mcq_err xsub_create(const struct mcq_pattern_ops *ops,
                                const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern)
{
    return mcq_sub_new(ops, config, sizeof(struct xsub), pattern);
}

static void xsub_free(struct mcq_pattern *pattern)
{
    mcq_fanout_fini(&xsub_of(pattern)->fanout);
    mcq_sub_free(pattern);
}

static enum mcq_err xsub_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_incoming_attach(&mcq_duplex_of(pattern)->incoming, peer);
    return MCQ_OK;
}

static void xsub_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_fanout_drop(&xsub_of(pattern)->fanout, peer);
    mcq_link_cut(&peer->link);
    xsub_of(pattern)->is_held = false;
}

static void xsub_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    xsub_down(pattern, peer);
    mcq_incoming_detach(&mcq_duplex_of(pattern)->incoming, peer);
}

static void xsub_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) peer;
    xsub_of(pattern)->is_held = false;
}

/* To all publishers, those to come that we connect to among them. */
static void take_all(struct xsub *xsub)
{
    const struct mcq_ring *ring = &xsub->sub.duplex.incoming.fair.ring;

    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL;
         node = mcq_ring_next(ring, node)) {
        struct mcq_peer *peer = mcq_peer_of_fair(node);

        if (peer->link.is_up || peer->is_connecting)
            mcq_fanout_add(&xsub->fanout, peer);
    }
}

static enum mcq_err put(struct xsub *xsub, struct mcq_part *part)
{
    struct mcq_pattern *pattern = &xsub->sub.duplex.base;

    if (!xsub->has_put)
        take_all(xsub);
    if (mcq_pattern_waits(pattern, false) && !xsub->is_within &&
        !mcq_fanout_has_room(&xsub->fanout)) {
        xsub->is_held = true;
        return MCQ_AGAIN;
    }
    MCQ_TRY(mcq_fanout_put(&xsub->fanout, pattern, part));
    xsub->has_put = true;
    return MCQ_OK;
}

/* A cancellation that is nobody's business is left out of its message; where that ends with it, an
 * empty part does. */
static enum mcq_err leave_out(struct xsub *xsub, struct mcq_part *part)
{
    struct mcq_part empty = {.body = mcq_bytes(NULL, 0)};

    if (!part->more && xsub->has_put)
        MCQ_TRY(mcq_fanout_put(&xsub->fanout, &xsub->sub.duplex.base, &empty));
    mcq_part_drop(part);
    return MCQ_OK;
}

static enum mcq_err send_wish(struct xsub *xsub, struct mcq_part *part, bool is_on)
{
    struct mcq_bytes topic = part->body;
    bool is_news;
    enum mcq_err err;

    mcq_bytes_skip(&topic, 1);
    if (!mcq_sub_fits(topic))
        return MCQ_INVAL;
    err = mcq_sub_note(&xsub->sub, topic, is_on, &is_news);
    if (err != MCQ_OK && err != MCQ_INVAL) /* which is no failure: libzmq drops it */
        return err;
    if (!is_news)
        return leave_out(xsub, part);
    if (xsub->is_within || part->more)
        return put(xsub, part);
    mcq_sub_tell(&xsub->sub, topic, is_on);
    mcq_part_drop(part);
    return MCQ_OK;
}

static enum mcq_err xsub_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct xsub *xsub = xsub_of(pattern);
    bool begins = !xsub->is_within;
    bool more = part->more;
    enum mcq_command_id id =
        begins || xsub->looks ? mcq_command_of_message(part->body) : MCQ_COMMAND_UNKNOWN;
    enum mcq_err err;

    err = id == MCQ_COMMAND_UNKNOWN ? put(xsub, part)
                                    : send_wish(xsub, part, id == MCQ_COMMAND_SUBSCRIBE);
    if (err != MCQ_OK) {
        mcq_fanout_void(&xsub->fanout);
        return err;
    }
    if (begins)
        xsub->looks = !xsub->only_first || id == MCQ_COMMAND_SUBSCRIBE;
    xsub->is_within = more;
    xsub->has_put = xsub->has_put && more;
    return MCQ_OK;
}

static bool xsub_is_writable(struct mcq_pattern *pattern)
{
    return !xsub_of(pattern)->is_held || !mcq_pattern_waits(pattern, false);
}

static enum mcq_err xsub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    struct xsub *xsub = xsub_of(pattern);

    if (value != 0 && value != 1)
        return MCQ_INVAL;
    switch (option) {
    case MCQ_PATTERN_INVERT_MATCHING: xsub->sub.is_inverted = value != 0; return MCQ_OK; /* idle */
    case MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE: xsub->only_first = value != 0; return MCQ_OK;
    case MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE: xsub->sub.tells_cancels = value != 0; return MCQ_OK;
    default: return MCQ_INVAL;
    }
}

const struct mcq_pattern_ops mcq_pattern_xsub = {
    .type = MCQ_SOCKET_TYPE_XSUB,
    .can_send = true,
    .can_recv = true,
    .shares_output = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = xsub_create,
    .free = xsub_free,
    .attach = xsub_attach,
    .up = mcq_sub_up,
    .down = xsub_down,
    .detach = xsub_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = xsub_room,
    .send = xsub_send,
    .recv = mcq_duplex_recv,
    .set = xsub_set,
    .get = mcq_sub_get,
    .is_writable = xsub_is_writable,
};
