/* STREAM: octets of peers that speak no ZMTP, each run of them behind the name of the connection it
 * came on, or is to go to. An empty part ends a connection. */

#include "socket/router.h"

static struct mcq_routing *routing_of(struct mcq_pattern *pattern)
{
    return (struct mcq_routing *) pattern;
}

static enum mcq_err stream_create(const struct mcq_pattern_ops *ops,
                                  const struct mcq_pattern_config *config,
                                  struct mcq_pattern **pattern)
{
    MCQ_TRY(mcq_routing_create(ops, config, pattern));
    routing_of(*pattern)->is_raw = true;
    routing_of(*pattern)->is_mandatory = true;
    routing_of(*pattern)->is_compat = config->is_compat;
    return MCQ_OK;
}

/* With libzmq a name that stands alone makes the next part stand for its body, which is dropped. */
static enum mcq_err swallow(struct mcq_routing *routing, struct mcq_part *part)
{
    MCQ_TRY(mcq_router_aim(&routing->router, NULL));
    mcq_part_drop(part);
    routing->is_within = true;
    return MCQ_OK;
}

static enum mcq_err stream_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_routing *routing = routing_of(pattern);

    if (routing->is_within)
        return mcq_routing_send_body(pattern, part);
    if (!part->more && routing->is_compat)
        return swallow(routing, part);
    return mcq_routing_take_name(pattern, part);
}

/* libzmq says so of any STREAM. */
static bool stream_is_writable(struct mcq_pattern *pattern)
{
    struct mcq_routing *routing = routing_of(pattern);

    return routing->is_compat || mcq_balance_is_ready(&routing->router.balance);
}

static enum mcq_err stream_set(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                               int value)
{
    if (option != MCQ_PATTERN_STREAM_NOTIFY || (value != 0 && value != 1))
        return MCQ_INVAL;
    routing_of(pattern)->is_silent = value == 0;
    return MCQ_OK;
}

static enum mcq_err stream_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                               int64_t *value)
{
    const struct mcq_routing *routing = (const struct mcq_routing *) pattern;

    if (option != MCQ_PATTERN_LAST_PEER || !routing->has_given)
        return MCQ_INVAL;
    *value = routing->given;
    return MCQ_OK;
}

const struct mcq_pattern_ops mcq_pattern_stream = {
    .type = MCQ_SOCKET_TYPE_STREAM,
    .can_send = true,
    .can_recv = true,
    .policies = MCQ_POLICIES_OF_OCTETS,
    .create = stream_create,
    .free = mcq_routing_free,
    .attach = mcq_routing_attach,
    .up = mcq_routing_up,
    .down = mcq_routing_down,
    .detach = mcq_routing_detach,
    .readable = mcq_duplex_readable,
    .next_readable = mcq_duplex_next_readable,
    .room = mcq_routing_room,
    .send = stream_send,
    .recv = mcq_routing_recv,
    .is_writable = stream_is_writable,
    .set = stream_set,
    .set_bytes = mcq_routing_set_bytes,
    .get = stream_get,
};
