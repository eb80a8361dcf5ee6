/* RADIO: each message to every peer that has joined just its group. Nobody waits for a slow one:
 * messages that it has no room for are dropped (RFC 48). On the way a message has two parts: the
 * group, and what the application sent. Who is reached by datagrams says nothing, and gets all. */

#include "socket/duplex.h"
#include "socket/fanout.h"

struct radio {
    struct mcq_duplex duplex; /* first; only its base is used */
    struct mcq_fanout fanout;
    struct mcq_subscriptions groups;
    struct mcq_ring all; /* peers that get every group; by their place in a round of readers */
    bool waits_for_all;  /* XPUB_NODROP */
    bool is_held;        /* the last send found somebody full */
};

static struct radio *radio_of(struct mcq_pattern *pattern)
{
    return (struct radio *) pattern;
}

static enum mcq_err radio_create(const struct mcq_pattern_ops *ops,
                                 const struct mcq_pattern_config *config,
                                 struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct radio), &duplex));
    mcq_duplex_init_subscriptions(&((struct radio *) duplex)->groups, ops, config, config->random);
    mcq_ring_init(&((struct radio *) duplex)->all);
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

static enum mcq_err radio_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                             struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    if (mcq_link_is_of_datagrams(&peer->link)) {
        (void) mcq_ring_up(&radio_of(pattern)->all, &peer->fair, peer->link.epoch);
        return MCQ_OK;
    }
    return mcq_subscriptions_up(&radio_of(pattern)->groups, &peer->subscriber, peer->link.epoch);
}

/* Its next connection begins without groups. */
static void radio_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct radio *radio = radio_of(pattern);
    struct mcq_subscription_change change;

    radio->is_held = false;
    if (mcq_ring_down(&radio->all, &peer->fair, peer->link.epoch))
        return;
    if (!mcq_subscriptions_down(&radio->groups, &peer->subscriber, peer->link.epoch))
        return;
    while (mcq_subscriptions_drain(&radio->groups, &peer->subscriber, &change))
        continue;
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
        mcq_fanout_add(&radio->fanout, mcq_peer_of_subscriber(subscriber));
    for (struct mcq_ring_node *node = mcq_ring_first(&radio->all); node != NULL;
         node = mcq_ring_next(&radio->all, node))
        mcq_fanout_add(&radio->fanout, mcq_peer_of_fair(node));
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
    uint32_t count = (uint32_t) mcq_ring_count(&((const struct radio *) pattern)->all);

    for (const struct mcq_subscriber *peer = mcq_subscriptions_first(groups); peer != NULL;
         peer = mcq_subscriptions_next(groups, peer))
        count += peer->link_count > 0;
    return count;
}

static uint32_t radio_reach(struct mcq_pattern *pattern, struct mcq_bytes group)
{
    struct mcq_subscription_match match;
    uint32_t count = (uint32_t) mcq_ring_count(&radio_of(pattern)->all);

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
    .attach = mcq_duplex_attach_none,
    .up = radio_up,
    .down = radio_down,
    .detach = radio_down,
    .readable = mcq_duplex_readable_none,
    .room = radio_room,
    .hear = radio_hear,
    .send = radio_send,
    .set = radio_set,
    .is_writable = radio_is_writable,
    .audience = radio_audience,
    .reach = radio_reach,
};
