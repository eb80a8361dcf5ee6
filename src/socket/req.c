/* REQ: a request, its reply, the next request; the bookkeeping is in hub/request.h (RFC 28). */

#include "socket/duplex.h"

#include "hub/request.h"

/* Parts that came early are looked for up to this; a peer that sends more without end could as well
 * answer too fast. */
#define EARLY_PARTS_MAX 4096

struct req {
    struct mcq_duplex duplex; /* first */
    struct mcq_req state;
    bool is_compat;
    uint64_t gone_epoch; /* of a peer that went with whole messages left; 0: none */
};

static struct req *req_of(struct mcq_pattern *pattern)
{
    return (struct req *) pattern;
}

static enum mcq_err req_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    uint32_t id;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct req), &duplex));
    *pattern = &duplex->base;
    memcpy(&id, config->random, sizeof id);
    mcq_req_init(&req_of(*pattern)->state, false, false, id);
    req_of(*pattern)->is_compat = config->is_compat;
    return MCQ_OK;
}

/* A request that had not wholly left will leave on the next connection. A reply that is there
 * already is read first; else it is lost. */
static void req_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct req *req = req_of(pattern);

    mcq_duplex_down(pattern, peer);
    if (peer->epoch != req->state.epoch)
        return;
    if (peer->is_connecting && mcq_link_waiting_count(&peer->link) > 0)
        return;
    if (mcq_link_is_readable(&peer->link))
        req->gone_epoch = peer->epoch;
    else
        (void) mcq_req_peer_down(&req->state, peer->epoch);
}

static void req_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_req_peer_down(&req_of(pattern)->state, peer->epoch);
    mcq_duplex_detach(pattern, peer);
}

/* The next part from any peer, and what it is. */
static enum mcq_err take(struct req *req, struct mcq_msg *msg, enum mcq_request_frame *frame)
{
    struct mcq_peer *peer;
    enum mcq_err err = mcq_incoming_take(&req->duplex.incoming, msg, &peer);

    if (err == MCQ_AGAIN && req->gone_epoch != 0) {
        (void) mcq_req_peer_down(&req->state, req->gone_epoch);
        req->gone_epoch = 0;
    }
    if (err == MCQ_CLOSED) {
        mcq_req_cut(&req->state);
        *frame = MCQ_REQUEST_DISCARD;
        mcq_msg_init(msg);
        return MCQ_OK;
    }
    MCQ_TRY(err);
    *frame = mcq_req_frame(&req->state, peer->epoch, mcq_msg_bytes(msg), msg->more);
    if (*frame == MCQ_REQUEST_DISCARD && !msg->more)
        peer->link.tally.drops[MCQ_TALLY_REFUSED]++;
    if (*frame == MCQ_REQUEST_BROKEN)
        mcq_link_lose(&peer->link, MCQ_PROTO);
    return MCQ_OK;
}

/* What came before the request must not be taken for its reply. Where requests have ids, it is not.
 */
static void drop_early(struct req *req)
{
    enum mcq_request_frame frame;
    struct mcq_msg msg;

    for (int i = 0; i < EARLY_PARTS_MAX && !req->state.correlates; i++) {
        if (take(req, &msg, &frame) != MCQ_OK)
            break;
        mcq_msg_fini(&msg);
    }
}

static enum mcq_err put_envelope(const struct req *req, struct mcq_link *link)
{
    struct mcq_part delimiter = {.more = true};
    uint32_t id = mcq_req_next_id(&req->state);
    struct mcq_part correlation = {.body = mcq_bytes(&id, sizeof id), .more = true};
    enum mcq_err err;

    if (req->state.correlates)
        MCQ_TRY(mcq_link_put(link, &correlation));
    err = mcq_link_put(link, &delimiter);
    if (err != MCQ_OK && req->state.correlates) {
        mcq_link_cut(link);
        return MCQ_NOMEM;
    }
    return err;
}

/* The envelope and the first part go together, or not at all. */
static enum mcq_err put_first(const struct req *req, struct mcq_link *link, struct mcq_part *part)
{
    enum mcq_err err;

    MCQ_TRY(put_envelope(req, link));
    err = mcq_link_put(link, part);
    if (err != MCQ_OK)
        mcq_link_cut(link);
    return err;
}

static enum mcq_err req_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct req *req = req_of(pattern);
    struct mcq_balance *balance = &req->duplex.balance;
    bool more = part->more;
    struct mcq_peer *peer;
    enum mcq_err err;

    MCQ_TRY(mcq_req_may_send(&req->state));
    if (mcq_req_begins(&req->state)) {
        drop_early(req);
        do {
            MCQ_TRY(mcq_outgoing_pick(balance, &peer));
            err = peer != NULL ? put_first(req, &peer->link, part) : MCQ_OK;
            if (err == MCQ_AGAIN)
                mcq_outgoing_full(balance, peer);
        } while (err == MCQ_AGAIN);
        MCQ_TRY(err);
        if (peer == NULL)
            mcq_part_drop(part);
        mcq_outgoing_sent(balance, more);
    } else {
        err = mcq_outgoing_send(balance, part, &peer);
        if (err == MCQ_NOMEM) /* the request is void, so nobody will answer it */
            (void) mcq_req_peer_down(&req->state, req->state.epoch);
        MCQ_TRY(err);
    }
    req->gone_epoch = 0;
    return mcq_req_sent(&req->state, peer != NULL ? peer->epoch : 0, more);
}

static enum mcq_err req_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct req *req = req_of(pattern);
    enum mcq_request_frame frame;

    MCQ_TRY(mcq_req_may_receive(&req->state));
    for (;;) {
        enum mcq_err err = take(req, msg, &frame);

        if (err == MCQ_AGAIN && mcq_req_is_lost(&req->state) && !req->is_compat) {
            mcq_req_init(&req->state, req->state.is_relaxed, req->state.correlates, req->state.id);
            return MCQ_CLOSED;
        }
        MCQ_TRY(err);
        if (frame == MCQ_REQUEST_BODY)
            return MCQ_OK;
        mcq_msg_fini(msg);
    }
}

static bool req_is_writable(struct mcq_pattern *pattern)
{
    return mcq_req_may_send(&req_of(pattern)->state) == MCQ_OK && mcq_duplex_is_writable(pattern);
}

static bool req_may_skip_input(const struct mcq_pattern *pattern)
{
    return ((const struct req *) pattern)->state.is_relaxed;
}

static enum mcq_err req_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    struct mcq_req *state = &req_of(pattern)->state;

    if (value != 0 && value != 1)
        return MCQ_INVAL;
    if (option == MCQ_PATTERN_REQ_RELAXED)
        state->is_relaxed = value != 0;
    else if (option == MCQ_PATTERN_REQ_CORRELATE)
        state->correlates = value != 0;
    else
        return mcq_duplex_set(pattern, option, value);
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_req = {
    .type = MCQ_SOCKET_TYPE_REQ,
    .can_send = true,
    .can_recv = true,
    .create = req_create,
    .free = mcq_duplex_free,
    .attach = mcq_duplex_attach,
    .up = mcq_duplex_up,
    .down = req_down,
    .detach = req_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .send = req_send,
    .recv = req_recv,
    .is_writable = req_is_writable,
    .may_skip_input = req_may_skip_input,
    .set = req_set,
};
