/* REQ: a request, its reply, the next request; the bookkeeping is in hub/request.h (RFC 28).
 *
 * A request with a deadline (docs/adr/0037) is kept until its reply comes, and sent again:
 *
 *   sent --deadline, or connection lost--> sent again ... --deadline--> late: recv is TIMEOUT
 *     |                                      |
 *     +------------- a reply ----------------+--> IDLE, as without
 */

#include "socket/duplex.h"

#include "base/assert.h"
#include "hub/request.h"
#include "socket/kept.h"

/* Parts that came early are looked for up to this; a peer that sends more without end could as well
 * answer too fast. */
#define EARLY_PARTS_MAX 4096

#define MS UINT64_C(1000000)

struct req {
    struct mcq_duplex duplex; /* first */
    struct mcq_req state;
    bool is_compat;
    bool is_correlated;  /* by its option */
    uint64_t gone_epoch; /* of a peer that went with whole messages left; 0: none */

    /* The options; they hold from the next request on. */
    int timeout_ms; /* 0: requests have no deadline */
    int resends;
    bool resends_to_same;

    /* The request that has no reply yet. */
    uint64_t wait_ns;       /* for each sending; 0: it has no deadline */
    int resends_left;       /* 0: nothing of it is kept */
    struct mcq_peer *asked; /* NULL: nobody, or it is gone */
    struct mcq_kept kept;
    bool is_unsent; /* nobody had room for it, and it waits for who comes */
    bool is_late;   /* recv is to say so */

    bool has_reply; /* found when the deadline was over; `early` is its first part */
    struct mcq_msg early;
    uint64_t resent_count;
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
    mcq_msg_init(&req_of(*pattern)->early);
    return MCQ_OK;
}

static void req_free(struct mcq_pattern *pattern)
{
    mcq_kept_fini(&req_of(pattern)->kept);
    mcq_msg_fini(&req_of(pattern)->early);
    mcq_duplex_free(pattern);
}

/* --- deadlines ------------------------------------------------------------------------------- */

/* Its reply is there, or is not wanted any more. */
static void forget_request(struct req *req)
{
    mcq_kept_drop(&req->kept);
    req->resends_left = 0;
    req->wait_ns = 0;
    req->is_unsent = false;
    req->is_late = false;
}

static bool has_no_reply(const struct req *req)
{
    return req->state.state == MCQ_REQ_WAITING || mcq_req_is_lost(&req->state);
}

static void begin_wait(struct req *req)
{
    mcq_pattern_alarm(&req->duplex.base, req->wait_ns);
}

/* The connection that was asked is over. What can be sent again will be: from on_alarm, for no
 * other link is to be touched here. */
static void lose(struct req *req, uint64_t epoch)
{
    if (mcq_req_peer_down(&req->state, epoch) && req->resends_left > 0 && has_no_reply(req))
        mcq_pattern_alarm(&req->duplex.base, 0);
}

/* Who is asked now: one that is connected rather than one that may come back, and another one than
 * before. NULL: nobody has room. */
static struct mcq_peer *choose(struct req *req)
{
    const struct mcq_ring *ring = &req->duplex.balance.ring;
    struct mcq_peer *best = NULL;
    int best_worth = 0;

    if (req->resends_to_same && req->asked != NULL && req->asked->route.turn.part != MCQ_RING_OUT)
        return mcq_link_has_room(&req->asked->link) ? req->asked : NULL;
    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL && best_worth < 4;
         node = mcq_ring_next(ring, node)) {
        struct mcq_peer *peer = mcq_peer_of_turn(node);
        int worth = 1 + (peer->link.is_up ? 2 : 0) + (peer != req->asked ? 1 : 0);

        if (worth <= best_worth || !mcq_link_has_room(&peer->link))
            continue;
        best = peer;
        best_worth = worth;
    }
    return best;
}

/* What was asked before and has not left is not to be answered. */
static void take_back(struct req *req)
{
    while (req->asked != NULL && mcq_link_drop_oldest(&req->asked->link))
        continue;
}

static enum mcq_err put_envelope(const struct req *req, struct mcq_link *link);

static bool send_again(struct req *req)
{
    struct mcq_balance *balance = &req->duplex.balance;
    struct mcq_peer *peer;
    enum mcq_err err;

    take_back(req);
    peer = choose(req);
    if (peer == NULL)
        return false;
    err = put_envelope(req, &peer->link);
    if (err == MCQ_OK) {
        err = mcq_kept_put(&req->kept, &peer->link);
        if (err != MCQ_OK)
            mcq_link_cut(&peer->link);
    }
    if (err != MCQ_OK || mcq_req_sent_again(&req->state, peer->epoch) != MCQ_OK)
        return false;
    if (balance->ring.ready == &peer->route.turn)
        mcq_outgoing_sent(balance, false);
    req->asked = peer;
    req->gone_epoch = 0;
    req->resent_count++;
    return true;
}

static enum mcq_err take(struct req *req, struct mcq_msg *msg, enum mcq_request_frame *frame);

/* The reply may have come while nobody received. */
static bool find_reply(struct req *req)
{
    enum mcq_request_frame frame;
    struct mcq_msg msg;

    for (int i = 0; i < EARLY_PARTS_MAX && take(req, &msg, &frame) == MCQ_OK; i++) {
        if (frame == MCQ_REQUEST_BODY) {
            mcq_msg_move(&req->early, &msg);
            req->has_reply = true;
            forget_request(req);
            return true;
        }
        mcq_msg_fini(&msg);
    }
    return false;
}

static void req_on_alarm(struct mcq_pattern *pattern)
{
    struct req *req = req_of(pattern);

    if (req->wait_ns == 0 || !has_no_reply(req) || find_reply(req))
        return;
    if (req->resends_left == 0) {
        take_back(req);
        forget_request(req);
        (void) mcq_req_peer_down(&req->state, req->state.epoch);
        req->is_late = true;
        return;
    }
    req->is_unsent = !send_again(req);
    if (--req->resends_left == 0 && !req->is_unsent)
        mcq_kept_drop(&req->kept);
    begin_wait(req);
}

/* --- peers ----------------------------------------------------------------------------------- */

static enum mcq_err req_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older)
{
    struct req *req = req_of(pattern);

    MCQ_TRY(mcq_duplex_up(pattern, peer, identity, older));
    if (req->is_unsent && has_no_reply(req))
        req->is_unsent = !send_again(req);
    return MCQ_OK;
}

/* A request that had not wholly left will leave on the next connection, where there is to be one.
 * A reply that is there already is read first; else it is lost. To a request whose end was not sent
 * there is none. */
static void req_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct req *req = req_of(pattern);

    mcq_duplex_down(pattern, peer);
    if (!peer->is_connecting && !peer->link.is_up && !mcq_link_is_piped(&peer->link))
        mcq_link_cut(&peer->link); /* it may have the begin of what goes on nowhere */
    if (peer->epoch != req->state.epoch)
        return;
    if (peer->is_connecting && mcq_link_waiting_count(&peer->link) > 0)
        return;
    if (mcq_req_begins(&req->state) && mcq_link_is_readable(&peer->link))
        req->gone_epoch = peer->epoch;
    else
        lose(req, peer->epoch);
}

static void req_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct req *req = req_of(pattern);

    lose(req, peer->epoch);
    if (req->asked == peer)
        req->asked = NULL;
    mcq_duplex_detach(pattern, peer);
}

/* The next part from any peer, and what it is. */
static enum mcq_err take(struct req *req, struct mcq_msg *msg, enum mcq_request_frame *frame)
{
    struct mcq_peer *peer;
    enum mcq_err err = mcq_incoming_take(&req->duplex.incoming, msg, &peer);

    if (err == MCQ_AGAIN && req->gone_epoch != 0) {
        lose(req, req->gone_epoch);
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
        mcq_tally_drop(&peer->link.tally, MCQ_TALLY_REFUSED, 1);
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

/* A reply that was found and not received is still to be. */
static enum mcq_err may_send(const struct req *req)
{
    if (req->has_reply && !req->state.is_relaxed)
        return MCQ_STATE;
    return mcq_req_may_send(&req->state);
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

/* Its first part was queued: the request before is given up, and what is kept of that. */
static void begin_request(struct req *req, size_t kept_before, struct mcq_peer *peer)
{
    mcq_kept_drop_first(&req->kept, kept_before);
    mcq_msg_fini(&req->early);
    req->has_reply = false;
    req->is_unsent = false;
    req->is_late = false;
    req->asked = peer;
    req->wait_ns = (uint64_t) req->timeout_ms * MS;
    req->resends_left = req->kept.count > 0 ? req->resends : 0;
}

/* The first part decides who is asked. */
static enum mcq_err put_in_turn(struct req *req, struct mcq_part *part, struct mcq_peer **peer)
{
    struct mcq_balance *balance = &req->duplex.balance;
    bool more = part->more;
    enum mcq_err err;

    do {
        MCQ_TRY(mcq_outgoing_pick(balance, peer));
        err = *peer != NULL ? put_first(req, &(*peer)->link, part) : MCQ_OK;
        if (err == MCQ_AGAIN)
            mcq_outgoing_full(balance, *peer);
    } while (err == MCQ_AGAIN);
    MCQ_TRY(err);
    if (*peer == NULL)
        mcq_part_drop(part);
    mcq_outgoing_sent(balance, more);
    return MCQ_OK;
}

static enum mcq_err send_first(struct req *req, struct mcq_part *part, struct mcq_peer **peer)
{
    bool is_kept = req->timeout_ms > 0 && req->resends > 0;
    bool correlated_before = req->state.correlates;
    size_t kept_before = req->kept.count;
    enum mcq_err err;

    if (!mcq_outgoing_is_ready(&req->duplex.balance))
        return MCQ_AGAIN; /* the reply that this request would give up is still to be had */
    /* Without ids a reply to an earlier sending would count. */
    req->state.correlates = req->is_correlated || req->timeout_ms > 0;
    drop_early(req);
    err = is_kept ? mcq_kept_add(&req->kept, part) : MCQ_OK;
    if (err == MCQ_OK)
        err = put_in_turn(req, part, peer);
    if (err == MCQ_OK) {
        begin_request(req, kept_before, *peer);
        return MCQ_OK;
    }
    if (req->kept.count > kept_before)
        mcq_kept_drop_last(&req->kept);
    req->state.correlates = correlated_before; /* the request before is still the one */
    return err;
}

static enum mcq_err send_next(struct req *req, struct mcq_part *part, struct mcq_peer **peer)
{
    enum mcq_err err = MCQ_OK;

    if (req->resends_left > 0)
        err = mcq_kept_add(&req->kept, part);
    if (err == MCQ_OK)
        err = mcq_outgoing_send(&req->duplex.balance, part, peer);
    else if (req->asked != NULL)
        mcq_outgoing_void(&req->duplex.balance, req->asked);
    if (err == MCQ_OK)
        return err;
    mcq_assert_hot(err == MCQ_NOMEM); /* a request that has begun waits for nothing */
    forget_request(req);              /* it is void, so nobody will answer it */
    (void) mcq_req_peer_down(&req->state, req->state.epoch);
    return err;
}

static enum mcq_err req_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct req *req = req_of(pattern);
    bool more = part->more;
    struct mcq_peer *peer;

    MCQ_TRY(may_send(req));
    if (mcq_req_begins(&req->state))
        MCQ_TRY(send_first(req, part, &peer));
    else
        MCQ_TRY(send_next(req, part, &peer));
    req->gone_epoch = 0;
    MCQ_TRY(mcq_req_sent(&req->state, peer != NULL ? peer->epoch : 0, more));
    if (more || req->wait_ns == 0)
        return MCQ_OK;
    if (mcq_req_is_lost(&req->state) && req->resends_left > 0)
        mcq_pattern_alarm(pattern, 0);
    else
        begin_wait(req);
    return MCQ_OK;
}

/* What recv says of a request that has no reply, and gets none. MCQ_AGAIN: it may get one. */
static enum mcq_err give_up(struct req *req)
{
    bool is_late = req->is_late;

    if (!mcq_req_is_lost(&req->state) || req->resends_left > 0 || req->is_unsent ||
        (req->is_compat && !is_late))
        return MCQ_AGAIN;
    forget_request(req);
    mcq_req_init(&req->state, req->state.is_relaxed, req->state.correlates, req->state.id);
    return is_late ? MCQ_TIMEOUT : MCQ_CLOSED;
}

static enum mcq_err req_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct req *req = req_of(pattern);
    enum mcq_request_frame frame;
    uint32_t dropped = 0;

    if (MCQ_UNLIKELY(req->has_reply)) {
        mcq_msg_move(msg, &req->early);
        req->has_reply = false;
        return MCQ_OK;
    }
    MCQ_TRY(mcq_req_may_receive(&req->state));
    for (;;) {
        enum mcq_err err = take(req, msg, &frame);

        if (err == MCQ_AGAIN)
            return give_up(req);
        MCQ_TRY(err);
        if (frame == MCQ_REQUEST_BODY) {
            if (req->wait_ns != 0)
                forget_request(req);
            return MCQ_OK;
        }
        mcq_msg_fini(msg);
        if (!mcq_incoming_drops_on(pattern, &dropped))
            return MCQ_AGAIN;
    }
}

static bool req_is_writable(struct mcq_pattern *pattern)
{
    return may_send(req_of(pattern)) == MCQ_OK && mcq_duplex_is_writable(pattern);
}

static bool req_may_skip_input(const struct mcq_pattern *pattern)
{
    return ((const struct req *) pattern)->state.is_relaxed;
}

static enum mcq_err req_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    struct req *req = req_of(pattern);

    if (option == MCQ_PATTERN_REQ_TIMEOUT && value >= 0)
        req->timeout_ms = value;
    else if (option == MCQ_PATTERN_REQ_RESENDS && value >= 0)
        req->resends = value;
    else if (value != 0 && value != 1)
        return MCQ_INVAL;
    else if (option == MCQ_PATTERN_REQ_RESEND_SAME)
        req->resends_to_same = value != 0;
    else if (option == MCQ_PATTERN_REQ_RELAXED)
        req->state.is_relaxed = value != 0;
    else if (option == MCQ_PATTERN_REQ_CORRELATE)
        req->is_correlated = value != 0;
    else
        return mcq_duplex_set(pattern, option, value);
    return MCQ_OK;
}

static enum mcq_err req_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                            int64_t *value)
{
    const struct req *req = (const struct req *) pattern;

    switch (option) {
    case MCQ_PATTERN_REQ_TIMEOUT: *value = req->timeout_ms; break;
    case MCQ_PATTERN_REQ_RESENDS: *value = req->resends; break;
    case MCQ_PATTERN_REQ_RESEND_SAME: *value = req->resends_to_same; break;
    case MCQ_PATTERN_REQ_RESENT: *value = (int64_t) req->resent_count; break;
    default: return MCQ_INVAL;
    }
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_req = {
    .type = MCQ_SOCKET_TYPE_REQ,
    .can_send = true,
    .can_recv = true,
    .create = req_create,
    .free = req_free,
    .attach = mcq_duplex_attach,
    .up = req_up,
    .down = req_down,
    .detach = req_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .send = req_send,
    .recv = req_recv,
    .on_alarm = req_on_alarm,
    .is_writable = req_is_writable,
    .may_skip_input = req_may_skip_input,
    .set = req_set,
    .get = req_get,
};
