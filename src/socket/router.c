/* ROUTER: each message goes to the peer that its first part names, and comes with the name of the
 * peer it is from (RFC 28). */

#include "socket/duplex.h"

#include "wire/metadata.h"

static_assert(MCQ_ROUTER_ID_MAX == MCQ_PROPERTY_IDENTITY_BYTES_MAX,
              "the table of names must hold any Identity");

struct router {
    struct mcq_duplex duplex; /* first; its balance is not used: the router's is */
    struct mcq_router router;
    bool is_mandatory;
    bool hands_over;
    bool is_within; /* of an outgoing message: its name was taken */
    bool has_held;  /* a first part, behind the name that was handed out */
    struct mcq_msg held;
    unsigned notices;         /* enum notice */
    struct mcq_msg next_name; /* CONNECT_ROUTING_ID, for the next that connects; empty: none */
};

/* ROUTER_NOTIFY: of whom the application gets a message of one empty part. */
enum notice {
    NOTICE_UP = 1,
    NOTICE_DOWN = 2,
    NOTICE_ALL = 3,
};

static struct router *router_of(struct mcq_pattern *pattern)
{
    return (struct router *) pattern;
}

static struct mcq_peer *peer_of(struct mcq_router_peer *route)
{
    return mcq_peer_of_turn(&route->turn);
}

static enum mcq_err router_create(const struct mcq_pattern_ops *ops,
                                  const struct mcq_pattern_config *config,
                                  struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    uint32_t id;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct router), &duplex));
    *pattern = &duplex->base;
    memcpy(&id, config->random + MCQ_TABLE_KEY_BYTES, sizeof id);
    mcq_router_init(&router_of(*pattern)->router, config->random, id);
    return MCQ_OK;
}

static void router_free(struct mcq_pattern *pattern)
{
    struct router *router = router_of(pattern);

    if (router->has_held)
        mcq_msg_fini(&router->held);
    mcq_msg_fini(&router->next_name);
    mcq_router_fini(&router->router);
    mcq_duplex_free(pattern);
}

/* That of its connection; a peer that we have named is in before it has one. */
static uint64_t epoch_of(const struct mcq_peer *peer)
{
    return peer->is_named ? peer->route.turn.epoch : peer->link.epoch;
}

/* The application has named it: it may be written to before it is there. */
static enum mcq_err name_peer(struct router *router, struct mcq_peer *peer)
{
    struct mcq_router_peer *older = NULL;
    struct mcq_msg name;
    enum mcq_err err;

    mcq_msg_move(&name, &router->next_name);
    err = mcq_router_up(&router->router, &peer->route, peer->epoch, mcq_msg_bytes(&name), false,
                        &older);
    if (err != MCQ_OK) {
        mcq_msg_fini(&name);
        return err == MCQ_MISMATCH ? MCQ_IN_USE : err;
    }
    peer->is_named = true;
    mcq_msg_move(&peer->identity, &name);
    peer->identity.more = true;
    (void) mcq_router_set_ready(&router->router, &peer->route, peer->epoch, true);
    return MCQ_OK;
}

static enum mcq_err router_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct router *router = router_of(pattern);

    if (peer->is_connecting && mcq_msg_len(&router->next_name) > 0)
        MCQ_TRY(name_peer(router, peer));
    mcq_incoming_attach(&router->duplex.incoming, peer);
    return MCQ_OK;
}

/* The connection is this peer's from here on, and the application hears of it. */
static enum mcq_err welcome(struct router *router, struct mcq_peer *peer)
{
    (void) mcq_router_set_ready(&router->router, &peer->route, epoch_of(peer), true);
    if (router->duplex.base.probes)
        MCQ_TRY(mcq_link_probe(&peer->link));
    if (router->notices & NOTICE_UP) {
        MCQ_TRY(mcq_link_note(&peer->link));
        mcq_incoming_readable(&router->duplex.incoming, peer);
    }
    return MCQ_OK;
}

/* The name is kept beside the table: messages outlive the connection they came on. */
static enum mcq_err router_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                              struct mcq_bytes identity, struct mcq_peer **older)
{
    struct mcq_router *table = &router_of(pattern)->router;
    struct mcq_router_peer *before = NULL;
    struct mcq_msg name;
    enum mcq_err err;

    if (peer->is_named && peer->route.turn.part != MCQ_RING_OUT)
        return welcome(router_of(pattern), peer);
    if (peer->is_named) /* who had taken its name over may have gone */
        identity = mcq_msg_bytes(&peer->identity);
    MCQ_TRY(mcq_msg_init_copy(&name, identity));
    err = mcq_router_up(table, &peer->route, peer->link.epoch, identity,
                        router_of(pattern)->hands_over, &before);
    if (err == MCQ_OK && identity.len == 0)
        err = mcq_msg_init_copy(&name, mcq_router_id(&peer->route)); /* short, so it cannot fail */
    if (err != MCQ_OK) {
        mcq_msg_fini(&name);
        return err;
    }
    if (before != NULL)
        *older = peer_of(before);
    if (!mcq_bytes_equal(mcq_msg_bytes(&peer->identity), mcq_msg_bytes(&name)))
        mcq_link_drop(&peer->link);
    mcq_msg_fini(&peer->identity);
    mcq_msg_move(&peer->identity, &name);
    peer->identity.more = true;
    return welcome(router_of(pattern), peer);
}

/* A name that we gave goes with its connection: whoever comes next at that endpoint is another one,
 * and what waits was not for it. */
static bool is_generated(struct mcq_bytes id)
{
    return id.len == MCQ_ROUTER_GENERATED_BYTES && id.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST;
}

/* The rest of what it sent is read before that. */
static void say_down(struct router *router, struct mcq_peer *peer)
{
    if ((router->notices & NOTICE_DOWN) && mcq_link_note(&peer->link) != MCQ_OK)
        mcq_pattern_drop(&router->duplex.base, peer, MCQ_TALLY_NO_MEMORY);
}

static void router_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct router *router = router_of(pattern);

    if (peer->is_named) { /* what waits is for whoever is there next */
        say_down(router, peer);
        return;
    }
    if (mcq_router_down(&router->router, &peer->route, peer->link.epoch))
        say_down(router, peer);
    if (is_generated(mcq_msg_bytes(&peer->identity)))
        mcq_link_drop(&peer->link);
}

static void router_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct router *router = router_of(pattern);

    (void) mcq_router_down(&router->router, &peer->route, epoch_of(peer));
    mcq_incoming_detach(&router->duplex.incoming, peer);
    mcq_msg_fini(&peer->identity);
}

static void router_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_router_set_ready(&router_of(pattern)->router, &peer->route, epoch_of(peer), true);
}

static enum mcq_err router_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct router *router = router_of(pattern);
    bool is_within = router->duplex.incoming.fair.is_within;
    struct mcq_peer *peer;
    enum mcq_err err;

    if (router->has_held) {
        mcq_msg_move(msg, &router->held);
        router->has_held = false;
        return MCQ_OK;
    }
    if (is_within) {
        err = mcq_incoming_take(&router->duplex.incoming, msg, &peer);
        if (err != MCQ_CLOSED)
            return err;
    }
    do
        err = mcq_incoming_take(&router->duplex.incoming, &router->held, &peer);
    while (err == MCQ_CLOSED);
    MCQ_TRY(err);
    router->has_held = true;
    mcq_msg_copy(msg, &peer->identity);
    msg->routing_id = peer->link.origin_number;
    return MCQ_OK;
}

/* The name of a message's peer. Where there is no such peer, or no room for it, the message goes
 * nowhere, unless the application wants to hear of it. */
static enum mcq_err take_name(struct router *router, struct mcq_part *part)
{
    struct mcq_router_peer *route;
    bool is_full;

    if (!part->more) { /* a name and no message */
        mcq_part_drop(part);
        return MCQ_OK;
    }
    route = mcq_router_find(&router->router, part->body);
    is_full = route != NULL && !mcq_link_has_room(&peer_of(route)->link);
    if (is_full) {
        peer_of(route)->link.is_full = true; /* its room will be told */
        (void) mcq_router_set_ready(&router->router, route, route->turn.epoch, false);
    }
    if (router->is_mandatory && (route == NULL || is_full))
        return is_full ? MCQ_AGAIN : MCQ_NO_ROUTE;
    if (route == NULL || is_full)
        mcq_pattern_drop(&router->duplex.base, is_full ? peer_of(route) : NULL,
                         is_full ? MCQ_TALLY_FULL : MCQ_TALLY_NOBODY);
    MCQ_TRY(mcq_router_aim(&router->router, is_full ? NULL : route));
    mcq_part_drop(part);
    router->is_within = true;
    return MCQ_OK;
}

static enum mcq_err router_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct router *router = router_of(pattern);
    struct mcq_balance *balance = &router->router.balance;
    bool more = part->more;
    struct mcq_peer *peer;
    enum mcq_err err;

    if (!router->is_within)
        return take_name(router, part);
    err = mcq_outgoing_send(balance, part, &peer);
    if (err == MCQ_AGAIN) { /* there was room, and there is no memory */
        mcq_pattern_drop(&router->duplex.base, peer, MCQ_TALLY_NO_MEMORY);
        mcq_outgoing_void(balance, peer);
        err = router->is_mandatory ? MCQ_NOMEM : mcq_outgoing_send(balance, part, &peer);
    }
    MCQ_TRY(err);
    router->is_within = more;
    return MCQ_OK;
}

/* Whether anybody has room says nothing about the one that is meant, but all that can be said. */
static bool router_is_writable(struct mcq_pattern *pattern)
{
    struct router *router = router_of(pattern);

    return !router->is_mandatory || mcq_balance_is_ready(&router->router.balance);
}

static enum mcq_err router_set(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                               int value)
{
    struct router *router = router_of(pattern);

    if (option == MCQ_PATTERN_ROUTER_NOTIFY) {
        if (value < 0 || value > NOTICE_ALL)
            return MCQ_INVAL;
        router->notices = (unsigned) value;
        return MCQ_OK;
    }
    if (value != 0 && value != 1)
        return MCQ_INVAL;
    if (option == MCQ_PATTERN_ROUTER_MANDATORY)
        router->is_mandatory = value != 0;
    else if (option == MCQ_PATTERN_ROUTER_HANDOVER)
        router->hands_over = value != 0;
    else
        return mcq_duplex_set(pattern, option, value);
    return MCQ_OK;
}

static enum mcq_err router_set_bytes(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                                     struct mcq_bytes value)
{
    struct router *router = router_of(pattern);
    struct mcq_msg name;

    if (option != MCQ_PATTERN_CONNECT_ROUTING_ID)
        return MCQ_INVAL;
    MCQ_TRY(mcq_msg_init_copy(&name, value));
    mcq_msg_fini(&router->next_name);
    mcq_msg_move(&router->next_name, &name);
    return MCQ_OK;
}

static enum mcq_err router_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                               int64_t *value)
{
    if (option != MCQ_PATTERN_ROUTER_NOTIFY)
        return MCQ_INVAL;
    *value = ((const struct router *) pattern)->notices;
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_router = {
    .type = MCQ_SOCKET_TYPE_ROUTER,
    .can_send = true,
    .can_recv = true,
    .create = router_create,
    .free = router_free,
    .attach = router_attach,
    .up = router_up,
    .down = router_down,
    .detach = router_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = router_room,
    .send = router_send,
    .recv = router_recv,
    .is_writable = router_is_writable,
    .set = router_set,
    .set_bytes = router_set_bytes,
    .get = router_get,
};
