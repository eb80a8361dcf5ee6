/* SUB: what its peers publish, as far as it has subscribed to it (RFC 29). */

#include "socket/duplex.h"

#include "wire/ids.h"
#include "wire/limits.h"

/* A topic travels in a command, behind its name. */
#define TOPIC_BYTES_MAX (MCQ_MAX_COMMAND_BYTES_NATIVE - 64)

struct sub {
    struct mcq_duplex duplex; /* first */
    struct mcq_subscriptions subscriptions;
    struct mcq_subscriber self;
    bool skips; /* the rest of a message that nobody asked for */
};

static struct sub *sub_of(struct mcq_pattern *pattern)
{
    return (struct sub *) pattern;
}

static enum mcq_err sub_create(const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    struct sub *sub;

    MCQ_TRY(mcq_duplex_new(&mcq_pattern_sub, config, sizeof *sub, &duplex));
    sub = (struct sub *) duplex;
    mcq_subscriptions_init(&sub->subscriptions, config->random, MCQ_SUBSCRIPTION_COUNTED, SIZE_MAX);
    if (mcq_subscriptions_up(&sub->subscriptions, &sub->self, 1) != MCQ_OK) {
        mcq_subscriptions_fini(&sub->subscriptions);
        mcq_duplex_free(&duplex->base);
        return MCQ_NOMEM;
    }
    *pattern = &duplex->base;
    return MCQ_OK;
}

static void sub_free(struct mcq_pattern *pattern)
{
    mcq_subscriptions_fini(&sub_of(pattern)->subscriptions);
    mcq_duplex_free(pattern);
}

/* A publisher that is told too late, or not at all, would keep silent for ever. */
static void tell(struct mcq_peer *peer, struct mcq_bytes topic, bool is_on)
{
    enum mcq_err err = mcq_link_subscribe(&peer->link, topic, is_on);

    if (err != MCQ_OK)
        mcq_link_lose(&peer->link, err);
}

static enum mcq_err sub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older)
{
    const struct mcq_prefixes *prefixes = &sub_of(pattern)->subscriptions.prefixes;
    struct mcq_prefix_place place = {0};
    struct mcq_prefix *prefix;

    (void) identity;
    (void) older;
    while ((prefix = mcq_prefixes_next(prefixes, &place)) != NULL)
        tell(peer, mcq_prefix_bytes(prefix), true);
    return MCQ_OK;
}

static void tell_all(struct sub *sub, struct mcq_bytes topic, bool is_on)
{
    const struct mcq_ring *ring = &sub->duplex.incoming.fair.ring;

    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL;
         node = mcq_ring_next(ring, node)) {
        struct mcq_peer *peer =
            (struct mcq_peer *) ((char *) node - offsetof(struct mcq_peer, fair));

        if (peer->link.is_up)
            tell(peer, topic, is_on);
    }
}

static enum mcq_err sub_subscribe(struct mcq_pattern *pattern, struct mcq_bytes topic, bool is_on)
{
    struct sub *sub = sub_of(pattern);
    struct mcq_subscription_change change;

    if (topic.len > TOPIC_BYTES_MAX)
        return MCQ_INVAL;
    if (is_on)
        MCQ_TRY(mcq_subscriptions_add(&sub->subscriptions, &sub->self, topic, &change));
    else
        MCQ_TRY(mcq_subscriptions_remove(&sub->subscriptions, &sub->self, topic, &change));
    if (change.kind == MCQ_UNSUBSCRIBED_NEVER)
        return MCQ_INVAL;
    if (change.kind == MCQ_SUBSCRIBED_FIRST || change.kind == MCQ_UNSUBSCRIBED_LAST)
        tell_all(sub, topic, is_on);
    return MCQ_OK;
}

static enum mcq_err sub_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct sub *sub = sub_of(pattern);

    for (;;) {
        bool begins = !sub->duplex.incoming.fair.is_within;

        MCQ_TRY(mcq_duplex_recv(pattern, msg));
        if (begins)
            sub->skips = !mcq_subscriptions_want(&sub->subscriptions, mcq_msg_bytes(msg));
        if (!sub->skips)
            return MCQ_OK;
        pattern->dropped_count += !msg->more;
        mcq_msg_fini(msg);
    }
}

const struct mcq_pattern_ops mcq_pattern_sub = {
    .type = MCQ_SOCKET_TYPE_SUB,
    .can_recv = true,
    .create = sub_create,
    .free = sub_free,
    .attach = mcq_duplex_attach,
    .up = sub_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .recv = sub_recv,
    .is_writable = mcq_duplex_is_writable,
    .subscribe = sub_subscribe,
};
