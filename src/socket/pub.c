/* PUB: each message to every peer that has subscribed to what its first part begins with. Nobody
 * waits for a slow one: messages that it has no room for are dropped, whole (RFC 29). It is an XPUB
 * whose application does not receive. */

#include "socket/pub.h"

#include "wire/command.h"

enum mcq_err mcq_pub_new(const struct mcq_pattern_ops *ops, const struct mcq_pattern_config *config,
                         size_t bytes, struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, bytes, &duplex));
    mcq_duplex_init_subscriptions(&((struct mcq_pub *) duplex)->subscriptions, ops, config,
                                  config->random);
    *pattern = &duplex->base;
    return MCQ_OK;
}

static enum mcq_err pub_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    return mcq_pub_new(ops, config, sizeof(struct mcq_pub), pattern);
}

void mcq_pub_free(struct mcq_pattern *pattern)
{
    struct mcq_pub *pub = mcq_pub_of(pattern);

    mcq_fanout_fini(&pub->fanout);
    mcq_subscriptions_fini(&pub->subscriptions);
    mcq_duplex_free(pattern);
}

/* --- who wants what -------------------------------------------------------------------------- */

enum mcq_err mcq_pub_up(struct mcq_pub *pub, struct mcq_peer *peer)
{
    return mcq_subscriptions_up(&pub->subscriptions, &peer->subscriber, peer->link.epoch);
}

static enum mcq_err pub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    return mcq_pub_up(mcq_pub_of(pattern), peer);
}

bool mcq_pub_leave(struct mcq_pub *pub, struct mcq_peer *peer)
{
    mcq_pub_share(&pub->duplex.base); /* its queue may outlive the connection */
    mcq_fanout_drop(&pub->fanout, peer);
    mcq_link_cut(&peer->link);
    pub->is_held = false; /* it may have been the one that was full */
    return mcq_subscriptions_down(&pub->subscriptions, &peer->subscriber, peer->link.epoch);
}

/* Its next connection begins without subscriptions. */
static void pub_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_pub *pub = mcq_pub_of(pattern);
    struct mcq_subscription_change change;

    if (!mcq_pub_leave(pub, peer))
        return;
    while (mcq_subscriptions_drain(&pub->subscriptions, &peer->subscriber, &change))
        continue;
}

static enum mcq_err subscribe(struct mcq_pub *pub, struct mcq_peer *peer, struct mcq_bytes topic,
                              bool is_on)
{
    struct mcq_subscription_change change;

    return is_on ? mcq_subscriptions_add(&pub->subscriptions, &peer->subscriber, topic, &change)
                 : mcq_subscriptions_remove(&pub->subscriptions, &peer->subscriber, topic, &change);
}

/* Before 3.1 subscriptions are messages. All others are nobody's. */
static enum mcq_err hear_message(struct mcq_pub *pub, struct mcq_peer *peer, struct mcq_msg *msg)
{
    struct mcq_bytes body = mcq_msg_bytes(msg);
    enum mcq_command_id id = mcq_command_of_message(body);
    enum mcq_err err;

    if (id == MCQ_COMMAND_UNKNOWN) {
        mcq_peer_refuse(peer, msg);
        return MCQ_OK;
    }
    mcq_bytes_skip(&body, 1);
    err = subscribe(pub, peer, body, id == MCQ_COMMAND_SUBSCRIBE);
    mcq_msg_fini(msg);
    return err;
}

static void pub_hear(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_pub *pub = mcq_pub_of(pattern);
    struct mcq_event event;
    struct mcq_msg msg;
    enum mcq_err err;

    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(&peer->link, &msg, &event) == MCQ_OK; i++) {
        if (event.kind == MCQ_EVENT_BODY) {
            err = hear_message(pub, peer, &msg);
        } else {
            err = subscribe(pub, peer, event.topic, event.kind == MCQ_EVENT_SUBSCRIBE);
        }
        peer->link.table_bytes = peer->subscriber.charged_bytes;
        if (err != MCQ_OK)
            mcq_link_lose(&peer->link, err);
    }
}

/* --- sending --------------------------------------------------------------------------------- */

static void take_others(struct mcq_pub *pub, const struct mcq_peer *only)
{
    const struct mcq_subscriptions *subscriptions = &pub->subscriptions;

    for (struct mcq_subscriber *each = mcq_subscriptions_first(subscriptions); each != NULL;
         each = mcq_subscriptions_next(subscriptions, each))
        if (!mcq_subscriptions_found(subscriptions, each) &&
            (only == NULL || mcq_peer_of_subscriber(each) == only))
            mcq_fanout_add(&pub->fanout, mcq_peer_of_subscriber(each));
}

static void find_takers(struct mcq_pub *pub, struct mcq_bytes topic, const struct mcq_peer *only)
{
    struct mcq_subscription_match match;
    struct mcq_subscriber *subscriber;

    mcq_subscription_match_init(&match, &pub->subscriptions, topic);
    while ((subscriber = mcq_subscription_match_next(&match)) != NULL)
        if (!pub->is_inverted && (only == NULL || mcq_peer_of_subscriber(subscriber) == only))
            mcq_fanout_add(&pub->fanout, mcq_peer_of_subscriber(subscriber));
    if (pub->is_inverted)
        take_others(pub, only);
}

void mcq_pub_share(struct mcq_pattern *pattern)
{
    if (mcq_fanout_has_deferred(&mcq_pub_of(pattern)->fanout))
        mcq_fanout_share(&mcq_pub_of(pattern)->fanout, pattern);
}

/* Within a burst, a short message for all who want it, whether they have room or not. */
static bool may_defer(const struct mcq_pub *pub, const struct mcq_part *part,
                      const struct mcq_peer *only)
{
    return pub->duplex.base.group->may_defer && !part->more && only == NULL &&
           !pub->waits_for_all && !pub->is_inverted &&
           pub->duplex.base.policy == MCQ_POLICY_BY_TYPE && part->body.len <= MCQ_WPUMP_COPY_MAX &&
           (part->msg == NULL || part->msg->kind != MCQ_MSG_PLACE);
}

/* Keeps the message for those that the last one was kept for, or begins anew. False: it is to be
 * put like any other; nothing is deferred. */
static bool defer(struct mcq_pub *pub, struct mcq_part *part)
{
    struct mcq_pattern *pattern = &pub->duplex.base;
    struct mcq_audience audience;

    mcq_subscriptions_audience(&pub->subscriptions, part->body, &audience);
    if (mcq_fanout_has_deferred(&pub->fanout)) {
        if (mcq_audience_is(&pub->audience, &audience) &&
            mcq_fanout_defer(&pub->fanout, pattern, part))
            return true;
        mcq_pub_share(pattern);
    }
    if (audience.count == 0 || audience.count > MCQ_AUDIENCE_PREFIXES_MAX)
        return false;
    find_takers(pub, part->body, NULL);
    pub->audience = audience;
    if (pub->fanout.takers == NULL)
        return false;
    if (mcq_fanout_defer(&pub->fanout, pattern, part))
        return true;
    mcq_fanout_void(&pub->fanout);
    return false;
}

enum mcq_err mcq_pub_send(struct mcq_pub *pub, struct mcq_part *part, const struct mcq_peer *only)
{
    if (!pub->fanout.is_within) {
        if (may_defer(pub, part, only) && defer(pub, part))
            return MCQ_OK;
        mcq_pub_share(&pub->duplex.base);
        find_takers(pub, part->body, only);
        if (MCQ_UNLIKELY(mcq_pattern_waits(&pub->duplex.base, pub->waits_for_all)) &&
            !mcq_fanout_has_room(&pub->fanout)) {
            mcq_fanout_void(&pub->fanout);
            pub->is_held = true;
            return MCQ_AGAIN;
        }
    }
    return mcq_fanout_put(&pub->fanout, &pub->duplex.base, part);
}

static enum mcq_err pub_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    return mcq_pub_send(mcq_pub_of(pattern), part, NULL);
}

void mcq_pub_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) peer;
    mcq_pub_of(pattern)->is_held = false;
}

bool mcq_pub_is_writable(struct mcq_pattern *pattern)
{
    const struct mcq_pub *pub = mcq_pub_of(pattern);

    return !pub->is_held || !mcq_pattern_waits(pattern, pub->waits_for_all);
}

uint32_t mcq_pub_audience(const struct mcq_pattern *pattern)
{
    const struct mcq_subscriptions *subscriptions =
        &((const struct mcq_pub *) pattern)->subscriptions;
    uint32_t count = 0;

    for (const struct mcq_subscriber *peer = mcq_subscriptions_first(subscriptions); peer != NULL;
         peer = mcq_subscriptions_next(subscriptions, peer))
        count += peer->link_count > 0;
    return count;
}

uint32_t mcq_pub_reach(struct mcq_pattern *pattern, struct mcq_bytes topic)
{
    struct mcq_pub *pub = mcq_pub_of(pattern);
    struct mcq_subscription_match match;
    uint32_t count = 0;

    mcq_subscription_match_init(&match, &pub->subscriptions, topic);
    while (mcq_subscription_match_next(&match) != NULL)
        count += !pub->is_inverted;
    if (pub->is_inverted)
        for (struct mcq_subscriber *each = mcq_subscriptions_first(&pub->subscriptions);
             each != NULL; each = mcq_subscriptions_next(&pub->subscriptions, each))
            count += !mcq_subscriptions_found(&pub->subscriptions, each);
    return count;
}

/* --- options --------------------------------------------------------------------------------- */

enum mcq_err mcq_pub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    struct mcq_pub *pub = mcq_pub_of(pattern);

    if (option == MCQ_PATTERN_SUBSCRIPTION_BYTES) {
        pub->subscriptions.peer_bytes_max = (size_t) value;
        return MCQ_OK;
    }
    if (value != 0 && value != 1)
        return MCQ_INVAL;
    if (option == MCQ_PATTERN_XPUB_NODROP)
        pub->waits_for_all = value != 0;
    else if (option == MCQ_PATTERN_INVERT_MATCHING)
        pub->is_inverted = value != 0;
    else
        return MCQ_INVAL;
    pub->is_held = false;
    return MCQ_OK;
}

enum mcq_err mcq_pub_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                         int64_t *value)
{
    const struct mcq_pub *pub = (const struct mcq_pub *) pattern;

    switch (option) {
    case MCQ_PATTERN_TOPICS_COUNT:
        *value = (int64_t) mcq_subscriptions_count(&pub->subscriptions);
        return MCQ_OK;
    case MCQ_PATTERN_INVERT_MATCHING: *value = pub->is_inverted; return MCQ_OK;
    default: return MCQ_INVAL;
    }
}

const struct mcq_pattern_ops mcq_pattern_pub = {
    .type = MCQ_SOCKET_TYPE_PUB,
    .can_send = true,
    .shares_output = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = pub_create,
    .free = mcq_pub_free,
    .attach = mcq_duplex_attach_none,
    .up = pub_up,
    .down = pub_down,
    .detach = pub_down,
    .readable = mcq_duplex_readable_none,
    .room = mcq_pub_room,
    .hear = pub_hear,
    .send = pub_send,
    .share = mcq_pub_share,
    .set = mcq_pub_set,
    .get = mcq_pub_get,
    .is_writable = mcq_pub_is_writable,
    .audience = mcq_pub_audience,
    .reach = mcq_pub_reach,
};
