/* RADIO: each message to every peer that has joined just its group. Nobody waits for a slow one:
 * messages that it has no room for are dropped (RFC 48). On the way a message has two parts: the
 * group, and what the application sent. */

#include "socket/duplex.h"
#include "socket/fanout.h"
#include "table/option.h"

struct radio {
    struct mcq_duplex duplex; /* first; only its base is used */
    struct mcq_fanout fanout;
    struct mcq_subscriptions groups;
    bool waits_for_all; /* XPUB_NODROP */
    bool is_held;       /* the last send found somebody full */
};

static struct radio *radio_of(struct mcq_pattern *pattern)
{
    return (struct radio *) pattern;
}

static struct mcq_peer *peer_of(struct mcq_subscriber *subscriber)
{
    return (struct mcq_peer *) ((char *) subscriber - offsetof(struct mcq_peer, subscriber));
}

static enum mcq_err radio_create(const struct mcq_pattern_ops *ops,
                                 const struct mcq_pattern_config *config,
                                 struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct radio), &duplex));
    mcq_subscriptions_init(&((struct radio *) duplex)->groups, config->random, MCQ_SUBSCRIPTION_SET,
                           (size_t) mcq_option_default_of(MCQ_OPTION_SUBSCRIPTIONS_MAX,
                                                          MCQ_SOCKET_TYPE_RADIO,
                                                          config->is_compat));
    *pattern = &duplex->base;
    return MCQ_OK;
}

static void radio_free(struct mcq_pattern *pattern)
{
    struct radio *radio = radio_of(pattern);

    mcq_fanout_fini(&radio->fanout);
    mcq_subscriptions_fini(&radio->groups);
    mcq_duplex_free(pattern);
}

static enum mcq_err radio_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
    return MCQ_OK;
}

static enum mcq_err radio_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                             struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    return mcq_subscriptions_up(&radio_of(pattern)->groups, &peer->subscriber, peer->link.epoch);
}

/* Its next connection begins without groups. */
static void radio_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct radio *radio = radio_of(pattern);
    struct mcq_subscription_change change;

    radio->is_held = false;
    if (!mcq_subscriptions_down(&radio->groups, &peer->subscriber, peer->link.epoch))
        return;
    while (mcq_subscriptions_drain(&radio->groups, &peer->subscriber, &change))
        continue;
}

static void radio_readable(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
}

static void radio_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) peer;
    radio_of(pattern)->is_held = false;
}

/* Messages are nobody's. */
static void radio_hear(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_subscriptions *groups = &radio_of(pattern)->groups;
    struct mcq_subscription_change change;
    struct mcq_event event;
    struct mcq_msg msg;

    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(&peer->link, &msg, &event) == MCQ_OK; i++) {
        enum mcq_err err = MCQ_OK;

        if (event.kind == MCQ_EVENT_BODY)
            mcq_peer_refuse(peer, &msg);
        else if (event.kind == MCQ_EVENT_JOIN)
            err = mcq_subscriptions_add(groups, &peer->subscriber, event.group, &change);
        else if (event.kind == MCQ_EVENT_LEAVE)
            err = mcq_subscriptions_remove(groups, &peer->subscriber, event.group, &change);
        peer->link.table_bytes = peer->subscriber.charged_bytes;
        if (err != MCQ_OK)
            mcq_link_lose(&peer->link, err);
    }
}

static void find_takers(struct radio *radio, struct mcq_bytes group)
{
    struct mcq_subscription_match match;
    struct mcq_subscriber *subscriber;

    mcq_subscription_exact_init(&match, &radio->groups, group);
    while ((subscriber = mcq_subscription_match_next(&match)) != NULL)
        mcq_fanout_add(&radio->fanout, peer_of(subscriber));
}

static enum mcq_err radio_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct radio *radio = radio_of(pattern);
    struct mcq_part head = {.more = true};

    if (part->more)
        return MCQ_INVAL;
    if (part->msg != NULL)
        head.body = mcq_msg_group(part->msg);
    find_takers(radio, head.body);
    if (mcq_pattern_waits(pattern, radio->waits_for_all) && !mcq_fanout_has_room(&radio->fanout)) {
        mcq_fanout_void(&radio->fanout);
        radio->is_held = true;
        return MCQ_AGAIN;
    }
    MCQ_TRY(mcq_fanout_put(&radio->fanout, pattern, &head));
    return mcq_fanout_put(&radio->fanout, pattern, part);
}

static bool radio_is_writable(struct mcq_pattern *pattern)
{
    const struct radio *radio = radio_of(pattern);

    return !radio->is_held || !mcq_pattern_waits(pattern, radio->waits_for_all);
}

static uint32_t radio_audience(const struct mcq_pattern *pattern)
{
    const struct mcq_subscriptions *groups = &((const struct radio *) pattern)->groups;
    uint32_t count = 0;

    for (const struct mcq_subscriber *peer = mcq_subscriptions_first(groups); peer != NULL;
         peer = mcq_subscriptions_next(groups, peer))
        count += peer->link_count > 0;
    return count;
}

static uint32_t radio_reach(struct mcq_pattern *pattern, struct mcq_bytes group)
{
    struct mcq_subscription_match match;
    uint32_t count = 0;

    mcq_subscription_exact_init(&match, &radio_of(pattern)->groups, group);
    while (mcq_subscription_match_next(&match) != NULL)
        count++;
    return count;
}

static enum mcq_err radio_set(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                              int value)
{
    struct radio *radio = radio_of(pattern);

    if (option == MCQ_PATTERN_SUBSCRIPTION_BYTES) {
        radio->groups.peer_bytes_max = (size_t) value;
        return MCQ_OK;
    }
    if (option != MCQ_PATTERN_XPUB_NODROP || (value != 0 && value != 1))
        return MCQ_INVAL;
    radio->waits_for_all = value != 0;
    radio->is_held = false;
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_radio = {
    .type = MCQ_SOCKET_TYPE_RADIO,
    .can_send = true,
    .shares_output = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = radio_create,
    .free = radio_free,
    .attach = radio_attach,
    .up = radio_up,
    .down = radio_down,
    .detach = radio_down,
    .readable = radio_readable,
    .room = radio_room,
    .hear = radio_hear,
    .send = radio_send,
    .set = radio_set,
    .is_writable = radio_is_writable,
    .audience = radio_audience,
    .reach = radio_reach,
};
