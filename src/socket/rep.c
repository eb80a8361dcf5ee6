/* REP: a request of some peer, the reply to it, the next request (RFC 28). */

#include "socket/duplex.h"

#include "hub/request.h"

#define ENVELOPE_BYTES_MAX 65536

struct rep {
    struct mcq_duplex duplex; /* first */
    struct mcq_rep state;
};

static struct rep *rep_of(struct mcq_pattern *pattern)
{
    return (struct rep *) pattern;
}

static enum mcq_err rep_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct rep), &duplex));
    *pattern = &duplex->base;
    mcq_rep_init(&rep_of(*pattern)->state, ENVELOPE_BYTES_MAX);
    return MCQ_OK;
}

static void rep_free(struct mcq_pattern *pattern)
{
    mcq_rep_fini(&rep_of(pattern)->state);
    mcq_duplex_free(pattern);
}

/* A requester whose connection was lost has lost its reply, too, all of it. */
static void rep_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_rep_peer_down(&rep_of(pattern)->state, peer->epoch);
    peer->was_too_deep = false;
    mcq_outgoing_void(&rep_of(pattern)->duplex.balance, peer);
    if (!peer->link.is_up)
        mcq_link_drop(&peer->link);
    mcq_duplex_down(pattern, peer);
}

static void rep_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_rep_peer_down(&rep_of(pattern)->state, peer->epoch);
    mcq_duplex_detach(pattern, peer);
}

/* Once may be a mistake of somebody behind it; who does it again means it. */
static void on_too_deep(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_pattern_drop(pattern, peer, MCQ_TALLY_REFUSED);
    if (peer->was_too_deep)
        mcq_link_lose(&peer->link, MCQ_LIMIT);
    peer->was_too_deep = true;
}

static enum mcq_err rep_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct rep *rep = rep_of(pattern);
    enum mcq_request_frame frame;
    struct mcq_peer *peer;
    uint32_t dropped = 0;

    MCQ_TRY(mcq_rep_may_receive(&rep->state));
    for (;;) {
        enum mcq_err err = mcq_incoming_take(&rep->duplex.incoming, msg, &peer);

        if (err == MCQ_CLOSED) {
            mcq_rep_cut(&rep->state);
            continue;
        }
        MCQ_TRY(err);
        err = mcq_rep_frame(&rep->state, &peer->route.turn, mcq_msg_bytes(msg), msg->more, &frame);
        if (err == MCQ_OK && frame == MCQ_REQUEST_BODY)
            return MCQ_OK;
        if (err == MCQ_LIMIT)
            on_too_deep(pattern, peer);
        else if (frame == MCQ_REQUEST_BROKEN && !msg->more)
            mcq_pattern_drop(pattern, peer, MCQ_TALLY_REFUSED);
        mcq_msg_fini(msg);
        if (!mcq_incoming_drops_on(pattern, &dropped))
            return MCQ_AGAIN;
    }
}

/* In front of the reply goes what was in front of the request. NULL: nobody waits for it. */
static enum mcq_err put_envelope(const struct rep *rep, struct mcq_link *link)
{
    struct mcq_bytes frame;
    size_t cursor = 0;
    bool is_first = true;
    enum mcq_err err;

    while (mcq_rep_envelope_next(&rep->state, &cursor, &frame)) {
        struct mcq_part part = {.body = frame, .more = true};
        struct mcq_msg msg;

        if (frame.len > MCQ_WPUMP_COPY_MAX) {
            MCQ_TRY(mcq_msg_init_copy(&msg, frame));
            part.body = mcq_msg_bytes(&msg);
            part.msg = &msg;
        }
        err = mcq_link_put(link, &part);
        if (err != MCQ_OK) {
            mcq_part_drop(&part);
            return is_first ? err : MCQ_NOMEM;
        }
        is_first = false;
    }
    return MCQ_OK;
}

/* Aims at the requester; NULL where it is gone or full: the reply is dropped. */
static enum mcq_err begin_reply(struct rep *rep, struct mcq_part *part, bool *is_put)
{
    struct mcq_balance *balance = &rep->duplex.balance;
    struct mcq_ring_node *node = mcq_rep_requester(&rep->state);
    struct mcq_link *link = node != NULL ? &mcq_peer_of_turn(node)->link : NULL;
    enum mcq_err err;

    *is_put = false;
    /* A request may be read after its sender has gone. */
    if (link == NULL)
        mcq_pattern_drop(&rep->duplex.base, NULL, MCQ_TALLY_DISCONNECTED);
    if (link != NULL && (node->part == MCQ_RING_OUT || !mcq_link_has_room(link))) {
        link = NULL;
        mcq_pattern_drop(&rep->duplex.base, mcq_peer_of_turn(node),
                         node->part == MCQ_RING_OUT ? MCQ_TALLY_DISCONNECTED : MCQ_TALLY_FULL);
    }
    if (link != NULL) {
        err = put_envelope(rep, link);
        if (err == MCQ_OK)
            err = mcq_link_put(link, part);
        if (err != MCQ_OK) {
            mcq_link_cut(link);
            return MCQ_NOMEM;
        }
        *is_put = true;
    }
    return mcq_balance_aim(balance, link != NULL ? node : NULL);
}

static enum mcq_err rep_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct rep *rep = rep_of(pattern);
    struct mcq_balance *balance = &rep->duplex.balance;
    bool more = part->more;
    struct mcq_peer *peer;
    bool is_put = false;

    MCQ_TRY(mcq_rep_may_send(&rep->state));
    if (mcq_rep_begins(&rep->state)) {
        MCQ_TRY(begin_reply(rep, part, &is_put));
        MCQ_TRY(mcq_outgoing_pick(balance, &peer));
        if (!is_put)
            mcq_part_drop(part);
        mcq_outgoing_sent(balance, more);
    } else {
        MCQ_TRY(mcq_outgoing_send(balance, part, &peer));
    }
    return mcq_rep_sent(&rep->state, more);
}

static bool rep_is_writable(struct mcq_pattern *pattern)
{
    return mcq_rep_may_send(&rep_of(pattern)->state) == MCQ_OK;
}

static bool rep_may_skip_input(const struct mcq_pattern *pattern)
{
    (void) pattern;
    return false;
}

const struct mcq_pattern_ops mcq_pattern_rep = {
    .type = MCQ_SOCKET_TYPE_REP,
    .can_send = true,
    .can_recv = true,
    .create = rep_create,
    .free = rep_free,
    .attach = mcq_duplex_attach,
    .up = mcq_duplex_up,
    .down = rep_down,
    .detach = rep_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .send = rep_send,
    .recv = rep_recv,
    .is_writable = rep_is_writable,
    .may_skip_input = rep_may_skip_input,
};
