/* XPUB: a PUB whose application receives what its subscribers say: subscriptions, as messages of
 * one part that begin with 1 or 0, and messages of their own.
 *
 * What was heard and not received waits in one queue for all peers, since the order counts: whether
 * a subscription is news depends on all that came before it. The queue is bounded: beyond
 * REPORT_BYTES_MAX nobody is heard until the application has received. Of peers that go their
 * unsubscriptions still come on top, no more than were in the index; so the two together stay as
 * they were. */

#include "socket/pub.h"

#include "arena/alloc.h"
#include "base/assert.h"
#include "wire/command.h"
#include "wire/encode.h"

#define REPORT_BYTES_MAX 16777216
#define CAPACITY_MIN 8
#define CAPACITY_MAX (UINT32_C(1) << 30)

struct report {
    struct mcq_msg msg;
    struct mcq_peer *peer; /* NULL: it is gone, or has lost the connection that it said this on */
    bool is_subscription;
};

/* A ring that doubles when full; indices count up and are masked on use. */
struct reports {
    struct report *items;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
};

struct xpub {
    struct mcq_pub pub; /* first */
    struct reports reports;
    struct reports begun;           /* parts of a message that is being heard */
    struct mcq_subscriptions asked; /* manual: what peers asked for; the index has what they get */
    struct mcq_peer *last;          /* manual: whose subscription was received last */
    struct mcq_msg welcome;         /* nothing is said if it is empty */
    size_t report_bytes;
    bool reports_again;   /* XPUB_VERBOSE: subscriptions that are no news */
    bool reports_cancels; /* XPUB_VERBOSER: nor such cancellations */
    bool is_manual;
    bool sends_to_last;
    bool only_first; /* ONLY_FIRST_SUBSCRIBE */
    bool is_compat;
};

static struct xpub *xpub_of(struct mcq_pattern *pattern)
{
    return (struct xpub *) pattern;
}

/* --- reports --------------------------------------------------------------------------------- */

static struct report *report_at(const struct reports *reports, uint32_t index)
{
    return &reports->items[index & reports->mask];
}

static uint32_t reports_count(const struct reports *reports)
{
    return reports->tail - reports->head;
}

/* Room for so many more. */
static enum mcq_err reports_reserve(struct reports *reports, uint32_t count)
{
    uint32_t capacity = reports->items != NULL ? reports->mask + 1 : 0;
    uint32_t wider = capacity > 0 ? capacity : CAPACITY_MIN;
    struct report *items;

    if (count <= capacity - reports_count(reports))
        return MCQ_OK;
    while (wider <= CAPACITY_MAX && wider - reports_count(reports) < count)
        wider *= 2;
    items = wider <= CAPACITY_MAX ? mcq_alloc(mcq_size_mul(wider, sizeof *items)) : NULL;
    if (items == NULL)
        return MCQ_NOMEM;
    for (uint32_t i = reports->head; i != reports->tail; i++)
        items[i & (wider - 1)] = *report_at(reports, i);
    mcq_free(reports->items);
    reports->items = items;
    reports->mask = wider - 1;
    return MCQ_OK;
}

static enum mcq_err reports_push(struct reports *reports, const struct report *report)
{
    MCQ_TRY(reports_reserve(reports, 1));
    *report_at(reports, reports->tail++) = *report;
    return MCQ_OK;
}

static bool reports_pop(struct reports *reports, struct report *report)
{
    if (reports_count(reports) == 0)
        return false;
    *report = *report_at(reports, reports->head++);
    return true;
}

static void reports_clear(struct reports *reports)
{
    struct report report;

    while (reports_pop(reports, &report))
        mcq_msg_fini(&report.msg);
}

static void reports_fini(struct reports *reports)
{
    reports_clear(reports);
    mcq_free(reports->items);
}

static size_t cost_of(const struct report *report)
{
    return sizeof *report + mcq_msg_len(&report->msg);
}

/* What the peer makes us hold. */
static void charge(struct mcq_peer *peer)
{
    peer->link.table_bytes = peer->subscriber.charged_bytes + peer->report_bytes +
                             (peer->asked != NULL ? peer->asked->charged_bytes : 0);
}

/* Moves it into the queue. */
static enum mcq_err put_report(struct xpub *xpub, struct report *report)
{
    size_t cost = cost_of(report);

    MCQ_TRY(reports_push(&xpub->reports, report));
    xpub->report_bytes += cost;
    if (report->peer != NULL)
        report->peer->report_bytes += cost;
    else
        mcq_link_group_hold(xpub->pub.duplex.base.group, cost);
    return MCQ_OK;
}

static bool take_report(struct xpub *xpub, struct report *report)
{
    size_t cost;

    if (!reports_pop(&xpub->reports, report))
        return false;
    cost = cost_of(report);
    xpub->report_bytes -= cost;
    if (report->peer == NULL) {
        mcq_link_group_release(xpub->pub.duplex.base.group, cost);
    } else {
        report->peer->report_bytes -= cost;
        charge(report->peer);
    }
    return true;
}

/* What it said stays, and is nobody's. */
static void forget_peer(struct xpub *xpub, struct mcq_peer *peer)
{
    struct reports *reports = &xpub->reports;

    if (xpub->last == peer)
        xpub->last = NULL;
    for (uint32_t i = reports->head; peer->report_bytes > 0 && i != reports->tail; i++) {
        struct report *report = report_at(reports, i);

        if (report->peer != peer)
            continue;
        report->peer = NULL;
        peer->report_bytes -= cost_of(report);
        mcq_link_group_hold(xpub->pub.duplex.base.group, cost_of(report));
    }
}

/* Tells the application of a subscription, or of its end. */
static enum mcq_err report_wish(struct xpub *xpub, struct mcq_peer *peer, struct mcq_bytes topic,
                                bool is_on)
{
    struct report report = {.peer = peer, .is_subscription = true};
    uint8_t *at;
    enum mcq_err err;

    MCQ_TRY(mcq_msg_init_size(&report.msg, mcq_subscribe_message_bytes(topic)));
    at = mcq_msg_fill(&report.msg);
    (void) (is_on ? mcq_encode_subscribe_message(at, topic) : mcq_encode_cancel_message(at, topic));
    mcq_msg_freeze(&report.msg);
    report.msg.routing_id = peer != NULL ? mcq_link_name_origin(&peer->link) : 0;
    err = put_report(xpub, &report);
    if (err != MCQ_OK)
        mcq_msg_fini(&report.msg);
    return err;
}

/* --- who wants what -------------------------------------------------------------------------- */

static enum mcq_err xpub_create(const struct mcq_pattern_ops *ops,
                                const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern)
{
    struct xpub *xpub;

    MCQ_TRY(mcq_pub_new(ops, config, sizeof *xpub, pattern));
    xpub = xpub_of(*pattern);
    mcq_duplex_init_subscriptions(&xpub->asked, ops, config, config->random + MCQ_TABLE_KEY_BYTES);
    xpub->is_compat = config->is_compat;
    return MCQ_OK;
}

static void xpub_free(struct mcq_pattern *pattern)
{
    struct xpub *xpub = xpub_of(pattern);
    struct report report;

    while (take_report(xpub, &report))
        mcq_msg_fini(&report.msg);
    reports_fini(&xpub->reports);
    reports_fini(&xpub->begun);
    mcq_msg_fini(&xpub->welcome);
    mcq_subscriptions_fini(&xpub->asked);
    mcq_pub_free(pattern);
}

static enum mcq_err xpub_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_incoming_attach(&mcq_duplex_of(pattern)->incoming, peer);
    return MCQ_OK;
}

/* The first thing that it hears, whatever it wants. */
static enum mcq_err say_welcome(struct xpub *xpub, struct mcq_link *link)
{
    struct mcq_msg copy;
    struct mcq_part part = {.msg = &copy};
    enum mcq_err err;

    if (mcq_msg_len(&xpub->welcome) == 0)
        return MCQ_OK;
    mcq_msg_copy(&copy, &xpub->welcome);
    part.body = mcq_msg_bytes(&copy);
    err = mcq_link_put(link, &part);
    if (err != MCQ_OK)
        mcq_msg_fini(&copy);
    return err == MCQ_AGAIN ? MCQ_OK : err; /* what fills the queue was for it, too */
}

static enum mcq_err xpub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                            struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    MCQ_TRY(mcq_pub_up(mcq_pub_of(pattern), peer));
    return say_welcome(xpub_of(pattern), &peer->link);
}

/* The end of what a peer had asked for that is gone. Where there is no memory to tell of it, it
 * counts as dropped. */
static void report_end(struct xpub *xpub, const struct mcq_subscription_change *change)
{
    if (report_wish(xpub, NULL, change->prefix, false) != MCQ_OK)
        mcq_pattern_drop(&xpub->pub.duplex.base, NULL, MCQ_TALLY_NO_MEMORY);
}

static void drain_asked(struct xpub *xpub, struct mcq_peer *peer)
{
    struct mcq_subscription_change change;

    if (peer->asked == NULL)
        return;
    (void) mcq_subscriptions_down(&xpub->asked, peer->asked, peer->asked->node.epoch);
    while (mcq_subscriptions_drain(&xpub->asked, peer->asked, &change))
        if (xpub->is_manual)
            report_end(xpub, &change);
    mcq_free(peer->asked);
    peer->asked = NULL;
}

static void xpub_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct xpub *xpub = xpub_of(pattern);
    struct mcq_subscription_change change;
    bool was_up = mcq_pub_leave(&xpub->pub, peer);

    forget_peer(xpub, peer);
    drain_asked(xpub, peer);
    while (was_up && mcq_subscriptions_drain(&xpub->pub.subscriptions, &peer->subscriber, &change))
        if (!xpub->is_manual && (change.kind == MCQ_UNSUBSCRIBED_LAST || xpub->reports_cancels))
            report_end(xpub, &change);
}

static void xpub_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    xpub_down(pattern, peer);
    mcq_incoming_detach(&mcq_duplex_of(pattern)->incoming, peer);
}

static enum mcq_err change_of(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                              struct mcq_bytes topic, bool is_on,
                              struct mcq_subscription_change *change)
{
    return is_on ? mcq_subscriptions_add(subscriptions, peer, topic, change)
                 : mcq_subscriptions_remove(subscriptions, peer, topic, change);
}

/* The application answers it. */
static enum mcq_err ask(struct xpub *xpub, struct mcq_peer *peer, struct mcq_bytes topic,
                        bool is_on)
{
    struct mcq_subscription_change change;

    if (peer->asked == NULL) {
        peer->asked = mcq_alloc(sizeof *peer->asked);
        if (peer->asked == NULL)
            return MCQ_NOMEM;
        *peer->asked = (struct mcq_subscriber) {0};
        MCQ_TRY(mcq_subscriptions_up(&xpub->asked, peer->asked, peer->link.epoch));
    }
    MCQ_TRY(change_of(&xpub->asked, peer->asked, topic, is_on, &change));
    return report_wish(xpub, peer, topic, is_on);
}

/* Whether the application wants to know. libzmq tells of the end of what never was as if the last
 * one had ended, even while others have that subscription: whoever passes that on (a proxy) cuts
 * them off. */
static bool is_news(const struct xpub *xpub, enum mcq_subscription_kind kind)
{
    switch (kind) {
    case MCQ_SUBSCRIBED_FIRST:
    case MCQ_UNSUBSCRIBED_LAST: return true;
    case MCQ_SUBSCRIBED_NEW:
    case MCQ_SUBSCRIBED_AGAIN: return xpub->reports_again;
    case MCQ_UNSUBSCRIBED_NEVER: return xpub->reports_cancels || xpub->is_compat;
    default: return xpub->reports_cancels;
    }
}

static enum mcq_err wish(struct xpub *xpub, struct mcq_peer *peer, struct mcq_bytes topic,
                         bool is_on)
{
    struct mcq_subscription_change change;

    if (!peer->link.is_up)
        return MCQ_OK; /* it was said on a connection that is over */
    if (xpub->is_manual)
        return ask(xpub, peer, topic, is_on);
    MCQ_TRY(change_of(&xpub->pub.subscriptions, &peer->subscriber, topic, is_on, &change));
    return is_news(xpub, change.kind) ? report_wish(xpub, peer, topic, is_on) : MCQ_OK;
}

/* --- hearing --------------------------------------------------------------------------------- */

/* Parts of a message that are no subscriptions are the peer's message to the application. */
static enum mcq_err hear_part(struct xpub *xpub, struct mcq_peer *peer, struct mcq_msg *msg,
                              bool looks)
{
    enum mcq_command_id id =
        looks ? mcq_command_of_message(mcq_msg_bytes(msg)) : MCQ_COMMAND_UNKNOWN;
    struct report report = {.peer = peer};
    struct mcq_bytes topic = mcq_msg_bytes(msg);
    enum mcq_err err;

    if (id == MCQ_COMMAND_UNKNOWN) {
        mcq_msg_move(&report.msg, msg);
        err = reports_push(&xpub->begun, &report);
        if (err != MCQ_OK)
            mcq_msg_fini(&report.msg);
        return err;
    }
    mcq_bytes_skip(&topic, 1);
    err = wish(xpub, peer, topic, id == MCQ_COMMAND_SUBSCRIBE);
    mcq_msg_fini(msg);
    return err;
}

/* The peer's own message is whole: its last part may have been a subscription. All parts are told
 * of, or none. */
static enum mcq_err end_message(struct xpub *xpub)
{
    struct reports *begun = &xpub->begun;
    struct report report;
    enum mcq_err err = reports_reserve(&xpub->reports, reports_count(begun));

    while (err == MCQ_OK && reports_pop(begun, &report)) {
        report.msg.more = reports_count(begun) > 0;
        err = put_report(xpub, &report);
        mcq_assert(err == MCQ_OK); /* there is room */
    }
    return err;
}

/* All parts of a message, the first of which is *msg. */
static enum mcq_err hear_message(struct xpub *xpub, struct mcq_peer *peer, struct mcq_msg *msg)
{
    struct mcq_event event;
    bool is_subscription = mcq_command_of_message(mcq_msg_bytes(msg)) != MCQ_COMMAND_UNKNOWN;
    bool looks = true;
    bool more;
    enum mcq_err err = MCQ_OK;

    for (;;) {
        more = msg->more;
        if (err == MCQ_OK)
            err = hear_part(xpub, peer, msg, looks);
        else
            mcq_msg_fini(msg);
        if (!more)
            break;
        looks = !xpub->only_first || is_subscription;
        if (mcq_link_hear_whole(&peer->link, msg, &event) != MCQ_OK)
            break; /* not so: its parts are there */
    }
    if (err == MCQ_OK)
        err = end_message(xpub);
    reports_clear(&xpub->begun);
    return err;
}

static bool is_full(const struct xpub *xpub)
{
    return xpub->report_bytes >= REPORT_BYTES_MAX;
}

/* Returns how much was heard. */
static int hear(struct xpub *xpub, struct mcq_peer *peer)
{
    struct mcq_event event;
    struct mcq_msg msg;
    int count = 0;

    while (count < MCQ_HEAR_MAX && !is_full(xpub) &&
           mcq_link_hear_whole(&peer->link, &msg, &event) == MCQ_OK) {
        enum mcq_err err = event.kind == MCQ_EVENT_BODY
                               ? hear_message(xpub, peer, &msg)
                               : wish(xpub, peer, event.topic, event.kind == MCQ_EVENT_SUBSCRIBE);

        charge(peer);
        if (err != MCQ_OK)
            mcq_link_lose(&peer->link, err);
        count++;
    }
    return count;
}

static void xpub_hear(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) hear(xpub_of(pattern), peer);
}

static bool xpub_is_deaf(const struct mcq_pattern *pattern)
{
    return is_full((const struct xpub *) pattern);
}

/* Hears those who have something to say, in turns, until there is something to receive. */
static void hear_some(struct xpub *xpub)
{
    struct mcq_incoming *incoming = &xpub->pub.duplex.incoming;
    size_t left_count = incoming->fair.ring.ready_count;

    while (left_count > 0 && reports_count(&xpub->reports) == 0) {
        struct mcq_peer *peer = mcq_incoming_next_readable(incoming, NULL);
        int count;

        if (peer == NULL)
            return;
        count = hear(xpub, peer);
        if (mcq_link_is_readable(&peer->link))
            mcq_ring_rotate(&incoming->fair.ring);
        else
            (void) mcq_fair_set_ready(&incoming->fair, &peer->fair, peer->epoch, false);
        /* Who is held up by what no edge announces is asked once a call. */
        left_count = count == MCQ_HEAR_MAX ? incoming->fair.ring.ready_count : left_count - 1;
    }
}

static enum mcq_err xpub_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct xpub *xpub = xpub_of(pattern);
    struct report report;

    hear_some(xpub);
    if (!take_report(xpub, &report))
        return MCQ_AGAIN;
    if (report.is_subscription && xpub->is_manual)
        xpub->last = report.peer;
    mcq_msg_move(msg, &report.msg);
    return MCQ_OK;
}

/* --- sending --------------------------------------------------------------------------------- */

static enum mcq_err xpub_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct xpub *xpub = xpub_of(pattern);
    const struct mcq_peer *only = NULL;

    if (xpub->sends_to_last && !xpub->pub.fanout.is_within)
        only = xpub->last;
    MCQ_TRY(mcq_pub_send(&xpub->pub, part, only));
    if (only != NULL)
        xpub->last = NULL;
    return MCQ_OK;
}

/* --- options --------------------------------------------------------------------------------- */

static enum mcq_err xpub_subscribe(struct mcq_pattern *pattern, struct mcq_bytes topic, bool is_on)
{
    struct xpub *xpub = xpub_of(pattern);
    struct mcq_peer *last = xpub->last;
    struct mcq_subscription_change change;
    enum mcq_err err;

    if (!xpub->is_manual)
        return MCQ_MISMATCH;
    if (last == NULL || !last->link.is_up)
        return MCQ_OK; /* nobody can tell the application in time that it has gone */
    err = change_of(&xpub->pub.subscriptions, &last->subscriber, topic, is_on, &change);
    charge(last);
    return err;
}

static enum mcq_err xpub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    struct xpub *xpub = xpub_of(pattern);
    bool is_on = value != 0;

    if (option == MCQ_PATTERN_SUBSCRIPTION_BYTES)
        xpub->asked.peer_bytes_max = (size_t) value;
    else if (value != 0 && value != 1)
        return MCQ_INVAL;
    switch (option) {
    case MCQ_PATTERN_XPUB_VERBOSE: /* takes XPUB_VERBOSER back */
    case MCQ_PATTERN_XPUB_VERBOSER:
        xpub->reports_again = is_on;
        xpub->reports_cancels = is_on && option == MCQ_PATTERN_XPUB_VERBOSER;
        return MCQ_OK;
    case MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE:
        xpub->sends_to_last = is_on;
        xpub->is_manual = is_on;
        return MCQ_OK;
    case MCQ_PATTERN_XPUB_MANUAL: xpub->is_manual = is_on; return MCQ_OK;
    case MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE: xpub->only_first = is_on; return MCQ_OK;
    default: return mcq_pub_set(pattern, option, value);
    }
}

static enum mcq_err xpub_set_bytes(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                                   struct mcq_bytes value)
{
    struct xpub *xpub = xpub_of(pattern);
    struct mcq_msg welcome;

    if (option != MCQ_PATTERN_XPUB_WELCOME_MSG)
        return MCQ_INVAL;
    MCQ_TRY(mcq_msg_init_copy(&welcome, value));
    mcq_msg_fini(&xpub->welcome);
    mcq_msg_move(&xpub->welcome, &welcome);
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_xpub = {
    .type = MCQ_SOCKET_TYPE_XPUB,
    .can_send = true,
    .can_recv = true,
    .shares_output = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = xpub_create,
    .free = xpub_free,
    .attach = xpub_attach,
    .up = xpub_up,
    .down = xpub_down,
    .detach = xpub_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_pub_room,
    .hear = xpub_hear,
    .is_deaf = xpub_is_deaf,
    .send = xpub_send,
    .share = mcq_pub_share,
    .recv = xpub_recv,
    .subscribe = xpub_subscribe,
    .set = xpub_set,
    .set_bytes = xpub_set_bytes,
    .get = mcq_pub_get,
    .is_writable = mcq_pub_is_writable,
    .audience = mcq_pub_audience,
    .reach = mcq_pub_reach,
};
