#include "socket/duplex.h"

#include "arena/alloc.h"
#include "table/option.h"

enum mcq_err mcq_duplex_new(const struct mcq_pattern_ops *ops,
                            const struct mcq_pattern_config *config, size_t bytes,
                            struct mcq_duplex **out)
{
    struct mcq_duplex *duplex = mcq_alloc(bytes);

    if (duplex == NULL)
        return MCQ_NOMEM;
    memset(duplex, 0, bytes);
    duplex->base = (struct mcq_pattern) {.ops = ops, .group = config->group};
    mcq_incoming_init(&duplex->incoming, config->is_compat);
    mcq_balance_init(&duplex->balance);
    *out = duplex;
    return MCQ_OK;
}

void mcq_duplex_init_subscriptions(struct mcq_subscriptions *subscriptions,
                                   const struct mcq_pattern_ops *ops,
                                   const struct mcq_pattern_config *config, const uint8_t *random)
{
    int64_t bytes =
        mcq_option_default_of(MCQ_OPTION_SUBSCRIPTIONS_MAX, ops->type, config->is_compat);

    mcq_subscriptions_init(subscriptions, random, MCQ_SUBSCRIPTION_SET, (size_t) bytes);
}

enum mcq_err mcq_duplex_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof *duplex, &duplex));
    *pattern = &duplex->base;
    return MCQ_OK;
}

enum mcq_err mcq_duplex_create_alone(const struct mcq_pattern_ops *ops,
                                     const struct mcq_pattern_config *config,
                                     struct mcq_pattern **pattern)
{
    MCQ_TRY(mcq_duplex_create(ops, config, pattern));
    mcq_fair_init(&mcq_duplex_of(*pattern)->incoming.fair, SIZE_MAX);
    return MCQ_OK;
}

void mcq_duplex_free(struct mcq_pattern *pattern)
{
    mcq_free(pattern);
}

enum mcq_err mcq_duplex_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    if (pattern->ops->can_recv)
        mcq_incoming_attach(&mcq_duplex_of(pattern)->incoming, peer);
    if (pattern->ops->can_send)
        mcq_outgoing_attach(&mcq_duplex_of(pattern)->balance, peer);
    return MCQ_OK;
}

enum mcq_err mcq_duplex_attach_only(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    if (mcq_ring_count(&mcq_duplex_of(pattern)->balance.ring) > 0)
        return MCQ_MISMATCH;
    return mcq_duplex_attach(pattern, peer);
}

enum mcq_err mcq_duplex_attach_none(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
    return MCQ_OK;
}

enum mcq_err mcq_duplex_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    return pattern->probes ? mcq_link_greet(&peer->link, NULL) : MCQ_OK;
}

void mcq_duplex_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_outgoing_down(&mcq_duplex_of(pattern)->balance, peer);
}

void mcq_duplex_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_incoming_detach(&mcq_duplex_of(pattern)->incoming, peer);
    mcq_outgoing_detach(&mcq_duplex_of(pattern)->balance, peer);
}

void mcq_duplex_readable(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_incoming_readable(&mcq_duplex_of(pattern)->incoming, peer);
}

void mcq_duplex_readable_none(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
}

struct mcq_peer *mcq_duplex_next_readable(const struct mcq_pattern *pattern,
                                          const struct mcq_peer *peer)
{
    return mcq_incoming_next_readable(&((const struct mcq_duplex *) pattern)->incoming, peer);
}

void mcq_duplex_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    mcq_outgoing_room(&mcq_duplex_of(pattern)->balance, peer);
}

void mcq_duplex_hear_nothing(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_event event;
    struct mcq_msg msg;

    (void) pattern;
    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(&peer->link, &msg, &event) == MCQ_OK; i++)
        if (event.kind == MCQ_EVENT_BODY)
            mcq_peer_refuse(peer, &msg);
}

/* All are full. The one that has been longest is the first to give something up. */
static bool relieve_any(struct mcq_pattern *pattern, struct mcq_balance *balance)
{
    struct mcq_ring_node *node = mcq_ring_first(&balance->ring);

    for (; node != NULL; node = mcq_ring_next(&balance->ring, node)) {
        struct mcq_peer *peer = mcq_peer_of_turn(node);

        if (!mcq_pattern_relieve(pattern, peer))
            continue;
        mcq_outgoing_room(balance, peer);
        return true;
    }
    return false;
}

/* Nobody has room, and the policy is not to wait for it. */
static enum mcq_err send_muted(struct mcq_pattern *pattern, struct mcq_balance *balance,
                               struct mcq_part *part)
{
    bool is_alone = mcq_ring_count(&balance->ring) == 0;
    bool more = part->more;
    struct mcq_peer *peer;

    if (relieve_any(pattern, balance)) {
        enum mcq_err err = mcq_outgoing_send(balance, part, &peer);

        if (err != MCQ_AGAIN)
            return err;
    }
    MCQ_TRY(mcq_balance_aim(balance, NULL));
    mcq_pattern_drop(pattern, NULL, is_alone ? MCQ_TALLY_NOBODY : MCQ_TALLY_FULL);
    MCQ_TRY(mcq_outgoing_pick(balance, &peer));
    mcq_part_drop(part);
    mcq_outgoing_sent(balance, more);
    return MCQ_OK;
}

enum mcq_err mcq_duplex_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_balance *balance = &mcq_duplex_of(pattern)->balance;
    struct mcq_peer *peer;
    enum mcq_err err;

    pattern->group->duct.link = NULL;
    if (pattern->group->has_deferred)
        mcq_link_close_lane(pattern->group);
    err = mcq_outgoing_send(balance, part, &peer);
    if (MCQ_LIKELY(err != MCQ_AGAIN) || mcq_pattern_waits(pattern, true))
        return err;
    return send_muted(pattern, balance, part);
}

enum mcq_err mcq_duplex_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct mcq_peer *peer;
    enum mcq_err err;

    do
        err = mcq_incoming_take(&mcq_duplex_of(pattern)->incoming, msg, &peer);
    while (err == MCQ_CLOSED);
    return err;
}

void mcq_duplex_open_lane(struct mcq_pattern *pattern)
{
    const struct mcq_balance *balance = &mcq_duplex_of(pattern)->balance;

    if (balance->state == MCQ_BALANCE_BETWEEN && balance->ring.ready_count == 1)
        mcq_link_open_lane(&mcq_peer_of_turn(balance->ring.ready)->link);
}

void mcq_duplex_open_tap(struct mcq_pattern *pattern)
{
    const struct mcq_incoming *incoming = &mcq_duplex_of(pattern)->incoming;
    struct mcq_peer *peer = mcq_incoming_only(incoming);

    if (peer != NULL)
        mcq_link_open_tap(&peer->link, &pattern->group->tap);
}

void mcq_duplex_share(struct mcq_pattern *pattern)
{
    mcq_link_close_lane(pattern->group);
}

bool mcq_duplex_is_writable(struct mcq_pattern *pattern)
{
    return mcq_outgoing_is_ready(&mcq_duplex_of(pattern)->balance) ||
           !mcq_pattern_waits(pattern, true);
}

enum mcq_err mcq_duplex_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    if (option != MCQ_PATTERN_PROBE_ROUTER || (value != 0 && value != 1))
        return MCQ_INVAL;
    pattern->probes = value != 0;
    return MCQ_OK;
}
