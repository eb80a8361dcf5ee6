/* SUB: what its peers publish, as far as it has subscribed to it (RFC 29). */

#include "socket/sub.h"

#include "wire/ids.h"
#include "wire/limits.h"

/* A topic travels in a command, behind its name. */
#define TOPIC_BYTES_MAX (MCQ_MAX_COMMAND_BYTES_NATIVE - 64)

enum mcq_err mcq_sub_new(const struct mcq_pattern_ops *ops, const struct mcq_pattern_config *config,
                         size_t bytes, struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    struct mcq_sub *sub;

    MCQ_TRY(mcq_duplex_new(ops, config, bytes, &duplex));
    sub = (struct mcq_sub *) duplex;
    mcq_subscriptions_init(&sub->subscriptions, config->random, MCQ_SUBSCRIPTION_COUNTED, SIZE_MAX);
    if (mcq_subscriptions_up(&sub->subscriptions, &sub->self, 1) != MCQ_OK) {
        mcq_subscriptions_fini(&sub->subscriptions);
        mcq_duplex_free(&duplex->base);
        return MCQ_NOMEM;
    }
    *pattern = &duplex->base;
    return MCQ_OK;
}

static enum mcq_err sub_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    return mcq_sub_new(ops, config, sizeof(struct mcq_sub), pattern);
}

void mcq_sub_free(struct mcq_pattern *pattern)
{
    mcq_subscriptions_fini(&mcq_sub_of(pattern)->subscriptions);
    mcq_duplex_free(pattern);
}

/* A publisher that is told too late, or not at all, would keep silent for ever. */
static void tell(struct mcq_peer *peer, struct mcq_bytes topic, bool is_on)
{
    enum mcq_err err = mcq_link_subscribe(&peer->link, topic, is_on);

    if (err != MCQ_OK)
        mcq_link_lose(&peer->link, err);
}

enum mcq_err mcq_sub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                        struct mcq_bytes identity, struct mcq_peer **older)
{
    const struct mcq_prefixes *prefixes = &mcq_sub_of(pattern)->subscriptions.prefixes;
    const struct mcq_prefix *prefix = NULL;

    (void) identity;
    (void) older;
    while ((prefix = mcq_prefixes_next(prefixes, prefix)) != NULL)
        tell(peer, mcq_prefix_bytes(prefix), true);
    return MCQ_OK;
}

void mcq_sub_tell(struct mcq_sub *sub, struct mcq_bytes topic, bool is_on)
{
    const struct mcq_ring *ring = &sub->duplex.incoming.fair.ring;

    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL;
         node = mcq_ring_next(ring, node))
        if (mcq_peer_of_fair(node)->link.is_up)
            tell(mcq_peer_of_fair(node), topic, is_on);
}

bool mcq_sub_fits(struct mcq_bytes topic)
{
    return topic.len <= TOPIC_BYTES_MAX;
}

enum mcq_err mcq_sub_note(struct mcq_sub *sub, struct mcq_bytes topic, bool is_on, bool *is_news)
{
    struct mcq_subscription_change change;

    *is_news = is_on || sub->tells_cancels;
    if (is_on)
        return mcq_subscriptions_add(&sub->subscriptions, &sub->self, topic, &change);
    MCQ_TRY(mcq_subscriptions_remove(&sub->subscriptions, &sub->self, topic, &change));
    *is_news = *is_news || change.kind == MCQ_UNSUBSCRIBED_LAST;
    return change.kind == MCQ_UNSUBSCRIBED_NEVER ? MCQ_INVAL : MCQ_OK;
}

static enum mcq_err sub_subscribe(struct mcq_pattern *pattern, struct mcq_bytes topic, bool is_on)
{
    struct mcq_sub *sub = mcq_sub_of(pattern);
    bool is_news;

    if (!mcq_sub_fits(topic))
        return MCQ_INVAL;
    MCQ_TRY(mcq_sub_note(sub, topic, is_on, &is_news));
    if (is_news)
        mcq_sub_tell(sub, topic, is_on);
    return MCQ_OK;
}

static enum mcq_err sub_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct mcq_sub *sub = mcq_sub_of(pattern);
    struct mcq_peer *peer;
    uint32_t dropped = 0;

    for (;;) {
        bool begins = !sub->duplex.incoming.fair.is_within;
        enum mcq_err err = mcq_incoming_take(&sub->duplex.incoming, msg, &peer);

        if (err == MCQ_CLOSED)
            continue;
        MCQ_TRY(err);
        if (begins)
            sub->skips =
                mcq_subscriptions_want(&sub->subscriptions, mcq_msg_bytes(msg)) == sub->is_inverted;
        if (!sub->skips)
            return MCQ_OK;
        if (!msg->more)
            mcq_pattern_drop(pattern, peer, MCQ_TALLY_FILTERED);
        mcq_msg_fini(msg);
        if (!mcq_incoming_drops_on(pattern, &dropped))
            return MCQ_AGAIN;
    }
}

static enum mcq_err sub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    if (option != MCQ_PATTERN_INVERT_MATCHING || (value != 0 && value != 1))
        return MCQ_INVAL;
    mcq_sub_of(pattern)->is_inverted = value != 0;
    return MCQ_OK;
}

enum mcq_err mcq_sub_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                         int64_t *value)
{
    const struct mcq_sub *sub = (const struct mcq_sub *) pattern;

    switch (option) {
    case MCQ_PATTERN_TOPICS_COUNT:
        *value = (int64_t) mcq_subscriptions_count(&sub->subscriptions);
        return MCQ_OK;
    case MCQ_PATTERN_INVERT_MATCHING: *value = sub->is_inverted; return MCQ_OK;
    default: return MCQ_INVAL;
    }
}

const struct mcq_pattern_ops mcq_pattern_sub = {
    .type = MCQ_SOCKET_TYPE_SUB,
    .can_recv = true,
    .create = sub_create,
    .free = mcq_sub_free,
    .attach = mcq_duplex_attach,
    .up = mcq_sub_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .recv = sub_recv,
    .is_writable = mcq_duplex_is_writable,
    .subscribe = sub_subscribe,
    .set = sub_set,
    .get = mcq_sub_get,
};
