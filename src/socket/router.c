/* ROUTER: each message goes to the peer that its first part names, and comes with the name of the
 * peer it is from (RFC 28). */

#include "socket/router.h"

#include "pump/origin.h"
#include "wire/metadata.h"

static_assert(MCQ_ROUTER_ID_MAX == MCQ_PROPERTY_IDENTITY_BYTES_MAX,
              "the table of names must hold any Identity");

static struct mcq_routing *router_of(struct mcq_pattern *pattern)
{
    return (struct mcq_routing *) pattern;
}

static struct mcq_peer *peer_of(struct mcq_router_peer *route)
{
    return mcq_peer_of_turn(&route->turn);
}

enum mcq_err mcq_routing_create(const struct mcq_pattern_ops *ops,
                                const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    uint32_t id;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof(struct mcq_routing), &duplex));
    *pattern = &duplex->base;
    memcpy(&id, config->random + MCQ_TABLE_KEY_BYTES, sizeof id);
    mcq_router_init(&router_of(*pattern)->router, config->random, id);
    return MCQ_OK;
}

void mcq_routing_free(struct mcq_pattern *pattern)
{
    struct mcq_routing *router = router_of(pattern);

    if (router->has_held)
        mcq_msg_fini(&router->held);
    mcq_msg_fini(&router->next_name);
    mcq_router_fini(&router->router);
    mcq_duplex_free(pattern);
}

/* It speaks no ZMTP. */
static bool is_raw_peer(const struct mcq_peer *peer)
{
    return peer->link.framing == MCQ_FRAMING_RAW && !mcq_link_is_piped(&peer->link);
}

static unsigned notices_of(const struct mcq_routing *router, const struct mcq_peer *peer)
{
    if (is_raw_peer(peer))
        return router->is_silent ? 0 : MCQ_NOTICE_ALL;
    return router->notices;
}

/* That of its connection; a peer that we have named is in before it has one. */
static uint64_t epoch_of(const struct mcq_peer *peer)
{
    return peer->is_named ? peer->route.turn.epoch : peer->link.epoch;
}

/* A copy of the name that the table has given to this peer: short, so it cannot fail. */
static enum mcq_err copy_given(struct mcq_routing *router, const struct mcq_peer *peer,
                               struct mcq_msg *name)
{
    struct mcq_bytes id = mcq_router_id(&peer->route);

    router->given = mcq_get_u32be(id.data + 1);
    router->has_given = true;
    return mcq_msg_init_copy(name, id);
}

/* The application has named it, or there is nobody else who could: it may be written to before it
 * is there. */
static enum mcq_err name_peer(struct mcq_routing *router, struct mcq_peer *peer)
{
    struct mcq_router_peer *older = NULL;
    struct mcq_msg name;
    enum mcq_err err;

    mcq_msg_move(&name, &router->next_name);
    err = mcq_router_up(&router->router, &peer->route, peer->epoch, mcq_msg_bytes(&name), false,
                        &older);
    if (err == MCQ_OK && mcq_msg_len(&name) == 0)
        err = copy_given(router, peer, &name);
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

enum mcq_err mcq_routing_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_routing *router = router_of(pattern);

    if (peer->is_connecting && (is_raw_peer(peer) || mcq_msg_len(&router->next_name) > 0))
        MCQ_TRY(name_peer(router, peer));
    mcq_incoming_attach(&router->duplex.incoming, peer);
    return MCQ_OK;
}

/* The connection is this peer's from here on, and the application hears of it. */
static enum mcq_err welcome(struct mcq_routing *router, struct mcq_peer *peer)
{
    (void) mcq_router_set_ready(&router->router, &peer->route, epoch_of(peer), true);
    if (router->duplex.base.probes && !is_raw_peer(peer))
        MCQ_TRY(mcq_link_greet(&peer->link, NULL));
    if (notices_of(router, peer) & MCQ_NOTICE_UP) {
        MCQ_TRY(mcq_link_note(&peer->link, NULL));
        mcq_incoming_readable(&router->duplex.incoming, peer);
    }
    return MCQ_OK;
}

/* Whether it gets a name that another peer has. */
static bool takes_over(const struct mcq_routing *router, const struct mcq_peer *peer,
                       struct mcq_bytes identity)
{
    struct mcq_router_peer *holder =
        router->hands_over ? mcq_router_find(&router->router, identity) : NULL;

    return holder != NULL && mcq_origin_may_follow(peer_of(holder)->link.origin, peer->link.origin);
}

/* The name is kept beside the table: messages outlive the connection they came on. */
enum mcq_err mcq_routing_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                            struct mcq_bytes identity, struct mcq_peer **older)
{
    struct mcq_router *table = &router_of(pattern)->router;
    struct mcq_router_peer *before = NULL;
    struct mcq_msg name;
    enum mcq_err err;

    if (peer->link.is_finishing)
        return MCQ_OK;
    if (peer->is_named && peer->route.turn.part != MCQ_RING_OUT)
        return welcome(router_of(pattern), peer);
    if (peer->is_named) /* who had taken its name over may have gone */
        identity = mcq_msg_bytes(&peer->identity);
    MCQ_TRY(mcq_msg_init_copy(&name, identity));
    err = mcq_router_up(table, &peer->route, peer->link.epoch, identity,
                        takes_over(router_of(pattern), peer, identity), &before);
    if (err == MCQ_OK && identity.len == 0)
        err = copy_given(router_of(pattern), peer, &name);
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
static void say_down(struct mcq_routing *router, struct mcq_peer *peer)
{
    if ((notices_of(router, peer) & MCQ_NOTICE_DOWN) && mcq_link_note(&peer->link, NULL) != MCQ_OK)
        mcq_pattern_drop(&router->duplex.base, peer, MCQ_TALLY_NO_MEMORY);
}

void mcq_routing_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_routing *router = router_of(pattern);

    if (peer->link.is_finishing)
        return;
    if (peer->is_named && peer->is_connecting) { /* what waits is for whoever is there next */
        say_down(router, peer);
        return;
    }
    if (mcq_router_down(&router->router, &peer->route, epoch_of(peer)))
        say_down(router, peer);
    if (!peer->link.is_up && is_generated(mcq_msg_bytes(&peer->identity)))
        mcq_link_drop(&peer->link);
}

void mcq_routing_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_routing *router = router_of(pattern);

    (void) mcq_router_down(&router->router, &peer->route, epoch_of(peer));
    mcq_incoming_detach(&router->duplex.incoming, peer);
    mcq_msg_fini(&peer->identity);
}

void mcq_routing_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_router_set_ready(&router_of(pattern)->router, &peer->route, epoch_of(peer), true);
}

enum mcq_err mcq_routing_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct mcq_routing *router = router_of(pattern);
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
    msg->routing_id = mcq_link_name_origin(&peer->link);
    return MCQ_OK;
}

/* --- questions and answers of a peer whose turn goes on --------------------------------------- */

static void router_open_questions(struct mcq_pattern *pattern)
{
    struct mcq_routing *router = router_of(pattern);
    struct mcq_peer *peer = mcq_incoming_goes_on(&router->duplex.incoming);

    if (peer != NULL && !router->has_held && !mcq_link_is_piped(&peer->link))
        mcq_link_open_tap(&peer->link, &pattern->group->questions);
}

static bool router_take_question(struct mcq_pattern *pattern, struct mcq_msg parts[MCQ_NAMED_PARTS])
{
    struct mcq_link_group *group = pattern->group;
    struct mcq_incoming *incoming = &router_of(pattern)->duplex.incoming;
    struct mcq_peer *peer = mcq_incoming_goes_on(incoming);

    /* A send may have found somebody gone, whose last words come first. */
    if (MCQ_UNLIKELY(peer == NULL) || &peer->link != group->questions.link ||
        !mcq_link_tap(&group->questions, &parts[1]))
        return false;
    mcq_msg_copy(&parts[0], &peer->identity);
    parts[0].routing_id = parts[1].routing_id;
    mcq_incoming_took(incoming, peer, &parts[1]);
    return true;
}

static bool router_put_answer(struct mcq_pattern *pattern, struct mcq_msg parts[MCQ_NAMED_PARTS])
{
    struct mcq_link_group *group = pattern->group;
    struct mcq_peer *peer = MCQ_CONTAINER_OF(group->answered, struct mcq_peer, link);
    struct mcq_part body = {mcq_msg_bytes(&parts[1]), &parts[1], false};

    if (router_of(pattern)->balances || !mcq_router_is(&peer->route, mcq_msg_bytes(&parts[0])) ||
        !mcq_link_answer(group, &body))
        return false;
    mcq_msg_fini(&parts[0]);
    return true;
}

static bool waits(const struct mcq_routing *router)
{
    return mcq_pattern_waits(&router->duplex.base, router->is_mandatory);
}

/* Most of what is sent is an answer to whom we heard last. */
static struct mcq_router_peer *find_route(struct mcq_routing *router, struct mcq_bytes id)
{
    struct mcq_link *asker = router->duplex.base.group->asker;

    if (MCQ_LIKELY(asker != NULL)) {
        struct mcq_peer *peer = MCQ_CONTAINER_OF(asker, struct mcq_peer, link);

        if (MCQ_LIKELY(mcq_router_is(&peer->route, id)))
            return &peer->route;
    }
    return mcq_router_find(&router->router, id);
}

/* The name of a message's peer. Where there is no such peer, or no room for it, the message goes
 * nowhere, unless the application wants to hear of it. */
enum mcq_err mcq_routing_take_name(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_routing *router = router_of(pattern);
    struct mcq_router_peer *route;
    bool is_full;

    if (!part->more) { /* a name and no message */
        mcq_part_drop(part);
        return MCQ_OK;
    }
    route = find_route(router, part->body);
    is_full = route != NULL && !mcq_link_has_room(&peer_of(route)->link) &&
              !mcq_pattern_relieve(&router->duplex.base, peer_of(route));
    if (is_full) {
        peer_of(route)->link.is_full = true; /* its room will be told */
        (void) mcq_router_set_ready(&router->router, route, route->turn.epoch, false);
    }
    if (is_full && waits(router))
        return MCQ_AGAIN;
    if (route == NULL && router->is_mandatory)
        return MCQ_NO_ROUTE;
    if (route == NULL || is_full)
        mcq_pattern_drop(&router->duplex.base, is_full ? peer_of(route) : NULL,
                         is_full ? MCQ_TALLY_FULL : MCQ_TALLY_NOBODY);
    MCQ_TRY(mcq_router_aim(&router->router, is_full ? NULL : route));
    mcq_part_drop(part);
    router->is_within = true;
    return MCQ_OK;
}

/* A name that we gave may be that of a peer which is not there. */
static enum mcq_err send_in_turn(struct mcq_routing *router, struct mcq_part *part)
{
    struct mcq_balance *balance = &router->router.balance;
    bool more = part->more;
    struct mcq_peer *peer;

    for (;;) {
        MCQ_TRY(mcq_outgoing_pick(balance, &peer));
        if (MCQ_LIKELY(peer == NULL || peer->link.is_up))
            break;
        mcq_outgoing_full(balance, peer);
    }
    MCQ_TRY(mcq_outgoing_send(balance, part, &peer));
    router->is_within = more;
    return MCQ_OK;
}

/* The application wants no more of a peer, which ends once what waits has left. */
static void end_peer(struct mcq_routing *router, struct mcq_peer *peer)
{
    (void) mcq_router_down(&router->router, &peer->route, epoch_of(peer));
    mcq_incoming_detach(&router->duplex.incoming, peer);
    mcq_link_finish(&peer->link);
}

/* Where a body goes whose name was taken; NULL: nowhere. */
static struct mcq_peer *aimed_at(const struct mcq_routing *router)
{
    struct mcq_ring_node *node = router->router.balance.peer;

    return node != NULL ? mcq_peer_of_turn(node) : NULL;
}

/* There was room when the name was taken: a mark that is lower since counts from the next on. */
static enum mcq_err send_promised(struct mcq_balance *balance, struct mcq_part *part,
                                  struct mcq_peer *peer)
{
    bool more = part->more;
    enum mcq_err err = mcq_link_put_promised(&peer->link, part);

    if (err == MCQ_OK)
        mcq_outgoing_sent(balance, more);
    else if (err != MCQ_AGAIN)
        mcq_outgoing_void(balance, peer);
    return err;
}

enum mcq_err mcq_routing_send_body(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_routing *router = router_of(pattern);
    struct mcq_balance *balance = &router->router.balance;
    struct mcq_peer *peer = aimed_at(router);
    bool is_raw = peer != NULL && is_raw_peer(peer);
    bool more;
    enum mcq_err err;

    if (MCQ_UNLIKELY(is_raw || router->is_raw))
        part->more = false;
    if (MCQ_UNLIKELY(is_raw && part->body.len == 0)) {
        mcq_outgoing_sent(balance, false);
        mcq_part_drop(part);
        router->is_within = false;
        end_peer(router, peer);
        return MCQ_OK;
    }
    more = part->more;
    err = mcq_outgoing_send(balance, part, &peer);
    if (err == MCQ_AGAIN)
        err = send_promised(balance, part, peer);
    if (err == MCQ_AGAIN) { /* there is no memory */
        mcq_pattern_drop(&router->duplex.base, peer, MCQ_TALLY_NO_MEMORY);
        mcq_outgoing_void(balance, peer);
        err = router->is_mandatory ? MCQ_NOMEM : mcq_outgoing_send(balance, part, &peer);
    }
    MCQ_TRY(err);
    router->is_within = more;
    return MCQ_OK;
}

static enum mcq_err router_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_routing *router = router_of(pattern);

    if (router->is_within)
        return mcq_routing_send_body(pattern, part);
    return router->balances ? send_in_turn(router, part) : mcq_routing_take_name(pattern, part);
}

/* Whether anybody has room says nothing about the one that is meant, but all that can be said. */
static bool router_is_writable(struct mcq_pattern *pattern)
{
    struct mcq_routing *router = router_of(pattern);

    return !(waits(router) || router->balances) || mcq_balance_is_ready(&router->router.balance);
}

static enum mcq_err router_set(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                               int value)
{
    struct mcq_routing *router = router_of(pattern);

    if (option == MCQ_PATTERN_ROUTER_NOTIFY) {
        if (value < 0 || value > MCQ_NOTICE_ALL)
            return MCQ_INVAL;
        router->notices = (unsigned) value;
        return MCQ_OK;
    }
    if (value != 0 && value != 1)
        return MCQ_INVAL;
    if (option == MCQ_PATTERN_ROUTER_RAW)
        router->is_raw = value != 0;
    else if (option == MCQ_PATTERN_ROUTER_MANDATORY)
        router->is_mandatory = value != 0;
    else if (option == MCQ_PATTERN_ROUTER_BALANCE)
        router->balances = value != 0;
    else if (option == MCQ_PATTERN_ROUTER_HANDOVER)
        router->hands_over = value != 0;
    else
        return mcq_duplex_set(pattern, option, value);
    return MCQ_OK;
}

enum mcq_err mcq_routing_set_bytes(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                                   struct mcq_bytes value)
{
    struct mcq_routing *router = router_of(pattern);
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
    const struct mcq_routing *router = (const struct mcq_routing *) pattern;

    switch (option) {
    case MCQ_PATTERN_ROUTER_NOTIFY: *value = router->notices; return MCQ_OK;
    case MCQ_PATTERN_ROUTER_BALANCE: *value = router->balances; return MCQ_OK;
    default: return MCQ_INVAL;
    }
}

const struct mcq_pattern_ops mcq_pattern_router = {
    .type = MCQ_SOCKET_TYPE_ROUTER,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = mcq_routing_create,
    .free = mcq_routing_free,
    .attach = mcq_routing_attach,
    .up = mcq_routing_up,
    .down = mcq_routing_down,
    .detach = mcq_routing_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_routing_room,
    .send = router_send,
    .recv = mcq_routing_recv,
    .open_questions = router_open_questions,
    .take_question = router_take_question,
    .put_answer = router_put_answer,
    .is_writable = router_is_writable,
    .set = router_set,
    .set_bytes = mcq_routing_set_bytes,
    .get = router_get,
};
