/* DISH: what its peers say to the groups that it has joined, each message with its group beside it
 * (RFC 48). On the way a message has two parts, and a peer that sends others is ended. */

#include "socket/duplex.h"
#include "wire/charset.h"
#include "wire/command.h"

struct dish {
    struct mcq_duplex duplex; /* first */
    struct mcq_subscriptions groups;
    struct mcq_subscriber self;
};

static struct dish *dish_of(struct mcq_pattern *pattern)
{
    return (struct dish *) pattern;
}

static enum mcq_err dish_create(const struct mcq_pattern_ops *ops,
                                const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    struct dish *dish;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof *dish, &duplex));
    dish = (struct dish *) duplex;
    mcq_subscriptions_init(&dish->groups, config->random, MCQ_SUBSCRIPTION_SET, SIZE_MAX);
    if (mcq_subscriptions_up(&dish->groups, &dish->self, 1) != MCQ_OK) {
        mcq_subscriptions_fini(&dish->groups);
        mcq_duplex_free(&duplex->base);
        return MCQ_NOMEM;
    }
    *pattern = &duplex->base;
    return MCQ_OK;
}

static void dish_free(struct mcq_pattern *pattern)
{
    mcq_subscriptions_fini(&dish_of(pattern)->groups);
    mcq_duplex_free(pattern);
}

/* A peer that is told too late, or not at all, would keep silent for ever. */
static void tell(struct mcq_peer *peer, struct mcq_bytes group, bool is_on)
{
    enum mcq_err err = mcq_link_join(&peer->link, group, is_on);

    if (err != MCQ_OK)
        mcq_link_lose(&peer->link, err);
}

static bool has_joined(struct dish *dish, struct mcq_bytes group)
{
    struct mcq_subscription_match match;

    mcq_subscription_exact_init(&match, &dish->groups, group);
    return mcq_subscription_match_next(&match) != NULL;
}

/* Of datagrams, which come for any group: those are dropped before they are messages. */
static bool wants(void *dish, struct mcq_bytes group)
{
    return has_joined(dish, group);
}

static enum mcq_err dish_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                            struct mcq_bytes identity, struct mcq_peer **older)
{
    const struct mcq_prefix *group = NULL;

    (void) identity;
    (void) older;
    if (mcq_link_is_of_datagrams(&peer->link)) {
        mcq_link_set_filter(&peer->link, wants, dish_of(pattern));
        return MCQ_OK;
    }
    while ((group = mcq_prefixes_next(&dish_of(pattern)->groups.prefixes, group)) != NULL)
        tell(peer, mcq_prefix_bytes(group), true);
    return MCQ_OK;
}

static void tell_all(struct dish *dish, struct mcq_bytes group, bool is_on)
{
    const struct mcq_ring *ring = &dish->duplex.incoming.fair.ring;

    for (struct mcq_ring_node *node = mcq_ring_first(ring); node != NULL;
         node = mcq_ring_next(ring, node)) {
        struct mcq_peer *peer = mcq_peer_of_fair(node);

        if (peer->link.is_up)
            tell(peer, group, is_on);
    }
}

static enum mcq_err dish_join(struct mcq_pattern *pattern, struct mcq_bytes group, bool is_on)
{
    struct dish *dish = dish_of(pattern);
    struct mcq_subscription_change change;

    if (group.len > MCQ_JOIN_GROUP_BYTES_MAX ||
        mcq_charset_span(&mcq_charset_group, group) < group.len)
        return MCQ_INVAL;
    if (is_on)
        MCQ_TRY(mcq_subscriptions_add(&dish->groups, &dish->self, group, &change));
    else
        MCQ_TRY(mcq_subscriptions_remove(&dish->groups, &dish->self, group, &change));
    if (change.kind == MCQ_SUBSCRIBED_AGAIN || change.kind == MCQ_UNSUBSCRIBED_NEVER)
        return MCQ_INVAL;
    tell_all(dish, group, is_on);
    return MCQ_OK;
}

/* The next message, its group and its body. MCQ_CLOSED: it was none, look again. */
static enum mcq_err take(struct dish *dish, struct mcq_msg *group, struct mcq_msg *body,
                         struct mcq_peer **from)
{
    struct mcq_incoming *incoming = &dish->duplex.incoming;
    bool begins = !incoming->fair.is_within;
    struct mcq_peer *peer;
    enum mcq_err err;

    MCQ_TRY(mcq_incoming_take(incoming, group, from));
    peer = *from;
    if (begins && group->more && mcq_msg_len(group) <= MCQ_JOIN_GROUP_BYTES_MAX) {
        err = mcq_incoming_take(incoming, body, &peer);
        if (err == MCQ_OK && !body->more)
            return MCQ_OK;
        if (err == MCQ_OK)
            mcq_msg_fini(body);
    }
    mcq_msg_fini(group);
    mcq_link_lose(&peer->link, MCQ_PROTO);
    return MCQ_CLOSED;
}

static enum mcq_err dish_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct dish *dish = dish_of(pattern);
    struct mcq_peer *peer;
    struct mcq_msg group;
    bool is_mine;
    uint32_t dropped = 0;

    for (;;) {
        enum mcq_err err = take(dish, &group, msg, &peer);

        if (err == MCQ_CLOSED)
            continue;
        MCQ_TRY(err);
        is_mine = has_joined(dish, mcq_msg_bytes(&group)) &&
                  mcq_msg_set_group(msg, mcq_msg_bytes(&group)) == MCQ_OK;
        mcq_msg_fini(&group);
        if (is_mine)
            return MCQ_OK;
        mcq_msg_fini(msg);
        mcq_pattern_drop(pattern, peer, MCQ_TALLY_FILTERED);
        if (!mcq_incoming_drops_on(pattern, &dropped))
            return MCQ_AGAIN;
    }
}

const struct mcq_pattern_ops mcq_pattern_dish = {
    .type = MCQ_SOCKET_TYPE_DISH,
    .can_recv = true,
    .create = dish_create,
    .free = dish_free,
    .attach = mcq_duplex_attach,
    .up = dish_up,
    .down = mcq_duplex_down,
    .detach = mcq_duplex_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_duplex_room,
    .recv = dish_recv,
    .is_writable = mcq_duplex_is_writable,
    .join = dish_join,
};
