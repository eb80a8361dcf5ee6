/* SERVER: each message goes to the peer whose number it carries, and comes with the number of the
 * peer it is from; the number is not sent (RFC 41). */

#include "socket/server.h"

static struct mcq_server *server_of(struct mcq_pattern *pattern)
{
    return (struct mcq_server *) pattern;
}

static struct mcq_bytes name_of(const uint32_t *id)
{
    return mcq_bytes(id, sizeof *id);
}

enum mcq_err mcq_server_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;
    struct mcq_server *server;

    MCQ_TRY(mcq_duplex_new(ops, config, sizeof *server, &duplex));
    *pattern = &duplex->base;
    server = server_of(*pattern);
    memcpy(&server->last_id, config->random + MCQ_TABLE_KEY_BYTES, sizeof server->last_id);
    mcq_router_init(&server->router, config->random, 0);
    return MCQ_OK;
}

void mcq_server_free(struct mcq_pattern *pattern)
{
    mcq_router_fini(&server_of(pattern)->router);
    mcq_duplex_free(pattern);
}

/* 0 is nobody's, and a number that is still somebody's is passed over; so is what means an origin.
 */
enum mcq_err mcq_server_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_server *server = server_of(pattern);
    struct mcq_router_peer *older = NULL;
    enum mcq_err err;

    do {
        uint32_t id = (server->last_id + 1) & (MCQ_MSG_ORIGIN_BIT - 1);

        if (id == 0)
            id = 1;
        server->last_id = id;
        peer->number = id;
        err =
            mcq_router_up(&server->router, &peer->route, peer->epoch, name_of(&id), false, &older);
    } while (err == MCQ_MISMATCH);
    MCQ_TRY(err);
    (void) mcq_router_set_ready(&server->router, &peer->route, peer->epoch, true);
    mcq_incoming_attach(&server->duplex.incoming, peer);
    return MCQ_OK;
}

void mcq_server_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    if (!peer->is_connecting)
        (void) mcq_router_down(&server_of(pattern)->router, &peer->route, peer->epoch);
}

void mcq_server_detach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct mcq_server *server = server_of(pattern);

    (void) mcq_router_down(&server->router, &peer->route, peer->epoch);
    mcq_incoming_detach(&server->duplex.incoming, peer);
}

void mcq_server_room(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) mcq_router_set_ready(&server_of(pattern)->router, &peer->route, peer->epoch, true);
}

enum mcq_err mcq_server_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_server *server = server_of(pattern);
    uint32_t id = part->msg != NULL ? part->msg->routing_id : 0;
    struct mcq_router_peer *route = mcq_router_find(&server->router, name_of(&id));
    struct mcq_peer *peer;
    enum mcq_err err;

    if (part->more)
        return MCQ_INVAL;
    if (route == NULL)
        return MCQ_NO_ROUTE;
    peer = mcq_peer_of_turn(&route->turn);
    err = mcq_link_put(&peer->link, part);
    if (err == MCQ_AGAIN && mcq_pattern_relieve(pattern, peer))
        err = mcq_link_put(&peer->link, part);
    if (err != MCQ_AGAIN)
        return err;
    (void) mcq_router_set_ready(&server->router, route, route->turn.epoch, false);
    if (mcq_pattern_waits(pattern, true))
        return MCQ_AGAIN;
    mcq_pattern_drop(pattern, peer, MCQ_TALLY_FULL);
    mcq_part_drop(part);
    return MCQ_OK;
}

enum mcq_err mcq_server_recv(struct mcq_pattern *pattern, struct mcq_msg *msg)
{
    struct mcq_peer *peer;

    MCQ_TRY(mcq_single_take(pattern, msg, &peer));
    msg->routing_id = peer->number;
    return MCQ_OK;
}

/* Whether anybody has room says nothing about the one that is meant, but all that can be said. */
bool mcq_server_is_writable(struct mcq_pattern *pattern)
{
    return !mcq_pattern_waits(pattern, true) ||
           mcq_outgoing_is_ready(&server_of(pattern)->router.balance);
}

enum mcq_err mcq_server_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                            int64_t *value)
{
    if (option != MCQ_PATTERN_LAST_PEER)
        return MCQ_INVAL;
    *value = ((const struct mcq_server *) pattern)->last_id & (MCQ_MSG_ORIGIN_BIT - 1);
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_server = {
    .type = MCQ_SOCKET_TYPE_SERVER,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_EACH,
    .create = mcq_server_create,
    .free = mcq_server_free,
    .attach = mcq_server_attach,
    .up = mcq_duplex_up,
    .down = mcq_server_down,
    .detach = mcq_server_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_server_room,
    .send = mcq_server_send,
    .recv = mcq_server_recv,
    .is_writable = mcq_server_is_writable,
};
