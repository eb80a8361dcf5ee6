#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"

#define TTL_MAX_MS 6553599 /* sixteen bits of tenths of a second: RFC 37, PING */

enum kind {
    KIND_INT,     /* a field of struct mcq_socket_options */
    KIND_INT64,   /* the same */
    KIND_BOOL,    /* the same */
    KIND_PATTERN, /* an enum mcq_pattern_option, which some types have */
    KIND_STATE,   /* what the socket is or has now */
    KIND_OCTETS,  /* not a number */
};

enum use { GET = 1, SET = 2, BOTH = 3 };

struct option_row {
    enum mcq_option id;
    const char *name;
    enum kind kind;
    enum use use;
    int64_t min; /* of octets: their count */
    int64_t max;
    size_t at; /* the field's place, or the number of the pattern's option */
};

#define AT(field) offsetof(struct mcq_socket_options, field)

/* docs/reference/api.md has the same rows, for people. */
static const struct option_row option_table[] = {
    /* id, name                                            kind         use   min max       at */
    {MCQ_OPT_ROUTING_ID, "ROUTING_ID", KIND_OCTETS, BOTH, 1, MCQ_ROUTING_ID_MAX, 0},
    {MCQ_OPT_SUBSCRIBE, "SUBSCRIBE", KIND_OCTETS, SET, 0, INT64_MAX, 0},
    {MCQ_OPT_UNSUBSCRIBE, "UNSUBSCRIBE", KIND_OCTETS, SET, 0, INT64_MAX, 0},
    {MCQ_OPT_LAST_ENDPOINT, "LAST_ENDPOINT", KIND_OCTETS, GET, 0, 0, 0},
    {MCQ_OPT_RCVMORE, "RCVMORE", KIND_STATE, GET, 0, 1, 0},
    {MCQ_OPT_EVENTS, "EVENTS", KIND_STATE, GET, 0, MCQ_POLLIN | MCQ_POLLOUT, 0},
    {MCQ_OPT_TYPE, "TYPE", KIND_STATE, GET, 0, MCQ_SOCKET_TYPE_LIMIT - 1, 0},
    {MCQ_OPT_LINGER, "LINGER", KIND_INT, BOTH, -1, INT_MAX, AT(linger_ms)},
    {MCQ_OPT_RECONNECT_IVL, "RECONNECT_IVL", KIND_INT, BOTH, -1, INT_MAX, AT(reconnect_ms)},
    {MCQ_OPT_BACKLOG, "BACKLOG", KIND_INT, BOTH, 0, INT_MAX, AT(backlog)},
    {MCQ_OPT_RECONNECT_IVL_MAX, "RECONNECT_IVL_MAX", KIND_INT, BOTH, 0, INT_MAX,
     AT(reconnect_max_ms)},
    {MCQ_OPT_MAXMSGSIZE, "MAXMSGSIZE", KIND_INT64, BOTH, -1, INT64_MAX, AT(max_message_bytes)},
    {MCQ_OPT_SNDHWM, "SNDHWM", KIND_INT, BOTH, 0, INT_MAX, AT(send_hwm)},
    {MCQ_OPT_RCVHWM, "RCVHWM", KIND_INT, BOTH, 0, INT_MAX, AT(recv_hwm)},
    {MCQ_OPT_RCVTIMEO, "RCVTIMEO", KIND_INT, BOTH, -1, INT_MAX, AT(recv_timeout_ms)},
    {MCQ_OPT_SNDTIMEO, "SNDTIMEO", KIND_INT, BOTH, -1, INT_MAX, AT(send_timeout_ms)},
    {MCQ_OPT_ROUTER_MANDATORY, "ROUTER_MANDATORY", KIND_PATTERN, SET, 0, 1,
     MCQ_PATTERN_ROUTER_MANDATORY},
    {MCQ_OPT_IPV6, "IPV6", KIND_BOOL, BOTH, 0, 1, AT(is_ipv6)},
    {MCQ_OPT_REQ_CORRELATE, "REQ_CORRELATE", KIND_PATTERN, SET, 0, 1, MCQ_PATTERN_REQ_CORRELATE},
    {MCQ_OPT_REQ_RELAXED, "REQ_RELAXED", KIND_PATTERN, SET, 0, 1, MCQ_PATTERN_REQ_RELAXED},
    {MCQ_OPT_ROUTER_HANDOVER, "ROUTER_HANDOVER", KIND_PATTERN, SET, 0, 1,
     MCQ_PATTERN_ROUTER_HANDOVER},
    {MCQ_OPT_HANDSHAKE_IVL, "HANDSHAKE_IVL", KIND_INT, BOTH, 0, INT_MAX, AT(handshake_ms)},
    {MCQ_OPT_HEARTBEAT_IVL, "HEARTBEAT_IVL", KIND_INT, BOTH, 0, INT_MAX, AT(heartbeat_ms)},
    {MCQ_OPT_HEARTBEAT_TTL, "HEARTBEAT_TTL", KIND_INT, BOTH, 0, TTL_MAX_MS, AT(heartbeat_ttl_ms)},
    {MCQ_OPT_HEARTBEAT_TIMEOUT, "HEARTBEAT_TIMEOUT", KIND_INT, BOTH, -1, INT_MAX,
     AT(heartbeat_timeout_ms)},
    {MCQ_OPT_OLDER_PEERS, "OLDER_PEERS", KIND_BOOL, BOTH, 0, 1, AT(meets_older)},
};

/* The row for a call that wants octets or a number, and sets or gets. NULL: it has failed. */
static const struct option_row *find(enum mcq_option option, enum use use, bool is_octets)
{
    const char *verb = use == SET ? "set" : "get";
    const struct option_row *row = NULL;

    for (size_t i = 0; i < MCQ_COUNTOF(option_table); i++)
        if (option_table[i].id == option)
            row = &option_table[i];
    if (row == NULL)
        (void) mcq_fail(EINVAL, "%s option %d: there is no such option", verb, (int) option);
    else if ((row->use & use) == 0)
        (void) mcq_fail(EINVAL, "%s %s: it can only be %s", verb, row->name,
                        use == SET ? "asked for" : "set");
    else if (is_octets != (row->kind == KIND_OCTETS))
        (void) mcq_fail(EINVAL, "%s %s: its value is %s; use mcq_%s%s", verb, row->name,
                        is_octets ? "a number" : "octets", verb, is_octets ? "" : "_bytes");
    else
        return row;
    return NULL;
}

/* A call on a socket's option fails for this reason. */
static MCQ_COLD int fail(const char *verb, const struct option_row *row,
                         const struct mcq_socket *socket, enum mcq_err err)
{
    return mcq_fail(mcq_err_errno(err), "%s %s: %s", verb, row->name,
                    mcq_fail_text(MCQ_CALL_OTHER, socket->type, err));
}

static MCQ_COLD int fail_foreign(const struct option_row *row, const struct mcq_socket *socket)
{
    return mcq_fail(EINVAL, "set %s: a %s socket has no such option", row->name,
                    mcq_socket_type_name(socket->type));
}

/* --- numbers --------------------------------------------------------------------------------- */

static char *field_of(struct mcq_socket *socket, const struct option_row *row)
{
    return (char *) &socket->options + row->at;
}

/* Fields that callers read without the lock (timeouts) are ints, and are read and written whole. */
static void store(struct mcq_socket *socket, const struct option_row *row, int64_t value)
{
    void *field = field_of(socket, row);

    if (row->kind == KIND_INT)
        __atomic_store_n((int *) field, (int) value, __ATOMIC_RELAXED);
    else if (row->kind == KIND_INT64)
        *(int64_t *) field = value;
    else
        *(bool *) field = value != 0;
}

static int64_t load(struct mcq_socket *socket, const struct option_row *row)
{
    const void *field = field_of(socket, row);

    if (row->kind == KIND_INT)
        return *(const int *) field;
    if (row->kind == KIND_INT64)
        return *(const int64_t *) field;
    return *(const bool *) field;
}

static enum mcq_err set_in_pattern(struct mcq_socket *socket, const struct option_row *row,
                                   int64_t value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->set == NULL)
        return MCQ_INVAL;
    return ops->set(socket->pattern, (enum mcq_pattern_option) row->at, (int) value);
}

int mcq_set(struct mcq_socket *socket, enum mcq_option option, int64_t value)
{
    const struct option_row *row;
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("set", "socket");
    row = find(option, SET, false);
    if (row == NULL)
        return -1;
    if (value < row->min || value > row->max)
        return mcq_fail(EINVAL, "set %s to %" PRId64 ": not in %" PRId64 "..%" PRId64, row->name,
                        value, row->min, row->max);
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("set", row, socket, err);
    if (row->kind == KIND_PATTERN)
        err = set_in_pattern(socket, row, value);
    else
        store(socket, row, value);
    mcq_socket_leave(socket);
    return err == MCQ_OK ? 0 : fail_foreign(row, socket);
}

static enum mcq_err get_events(struct mcq_socket *socket, int64_t *value)
{
    struct mcq_poll_item item = {.socket = socket, .events = POLLIN | POLLOUT};
    size_t ready_count;

    MCQ_TRY(mcq_socket_poll(&item, 1, 0, &ready_count));
    *value = (item.revents & POLLIN ? MCQ_POLLIN : 0) | (item.revents & POLLOUT ? MCQ_POLLOUT : 0);
    return MCQ_OK;
}

static enum mcq_err get(struct mcq_socket *socket, const struct option_row *row, int64_t *value)
{
    if (row->id == MCQ_OPT_EVENTS)
        return get_events(socket, value);
    MCQ_TRY(mcq_socket_enter(socket));
    if (row->id == MCQ_OPT_TYPE)
        *value = (int64_t) socket->type;
    else if (row->id == MCQ_OPT_RCVMORE)
        *value = socket->is_within_recv;
    else
        *value = load(socket, row);
    mcq_socket_leave(socket);
    return MCQ_OK;
}

int mcq_get(struct mcq_socket *socket, enum mcq_option option, int64_t *value)
{
    const struct option_row *row;
    enum mcq_err err;

    if (socket == NULL || value == NULL)
        return mcq_fail_null("get", socket == NULL ? "socket" : "value");
    row = find(option, GET, false);
    if (row == NULL)
        return -1;
    err = get(socket, row, value);
    return err == MCQ_OK ? 0 : fail("get", row, socket, err);
}

/* --- octets ---------------------------------------------------------------------------------- */

static int set_routing_id(struct mcq_socket *socket, struct mcq_bytes id)
{
    (void) mcq_put_bytes(socket->options.routing_id, id);
    socket->options.routing_id_len = (uint8_t) id.len;
    return 0;
}

/* A part of the topic that can be shown. */
static int fail_topic(const struct option_row *row, struct mcq_bytes topic, enum mcq_err err)
{
    const char *why = err != MCQ_INVAL                 ? mcq_err_text(err)
                      : row->id == MCQ_OPT_UNSUBSCRIBE ? "there is no such subscription"
                                                       : "the topic is too long";

    return mcq_fail(mcq_err_errno(err), "set %s of %zu octets: %s", row->name, topic.len, why);
}

static int subscribe(struct mcq_socket *socket, const struct option_row *row,
                     struct mcq_bytes topic)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    enum mcq_err err;

    if (ops->subscribe == NULL)
        return fail_foreign(row, socket);
    err = ops->subscribe(socket->pattern, topic, row->id == MCQ_OPT_SUBSCRIBE);
    mcq_socket_flush(socket);
    mcq_socket_guard_output(socket);
    return err == MCQ_OK ? 0 : fail_topic(row, topic, err);
}

int mcq_set_bytes(struct mcq_socket *socket, enum mcq_option option, const void *data, size_t len)
{
    struct mcq_bytes bytes = mcq_bytes(data, len);
    const struct option_row *row;
    enum mcq_err err;
    int result;

    if (socket == NULL || (data == NULL && len > 0))
        return mcq_fail_null("set_bytes", socket == NULL ? "socket" : "data");
    row = find(option, SET, true);
    if (row == NULL)
        return -1;
    if (len < (uint64_t) row->min || len > (uint64_t) row->max)
        return mcq_fail(EINVAL, "set %s of %zu octets: not %" PRId64 "..%" PRId64 " octets",
                        row->name, len, row->min, row->max);
    if (option == MCQ_OPT_ROUTING_ID && len > 0 && bytes.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST)
        return mcq_fail(EINVAL, "set ROUTING_ID: those that begin with a zero octet are ROUTER's");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("set", row, socket, err);
    result = option == MCQ_OPT_ROUTING_ID ? set_routing_id(socket, bytes)
                                          : subscribe(socket, row, bytes);
    mcq_socket_leave(socket);
    return result;
}

static struct mcq_bytes bytes_of(const struct mcq_socket *socket, const struct option_row *row)
{
    const struct mcq_socket_options *options = &socket->options;

    if (row->id == MCQ_OPT_ROUTING_ID)
        return mcq_bytes(options->routing_id, options->routing_id_len);
    return mcq_bytes(socket->last_endpoint, strlen(socket->last_endpoint) + 1);
}

int mcq_get_bytes(struct mcq_socket *socket, enum mcq_option option, void *buffer, size_t *len)
{
    const struct option_row *row;
    struct mcq_bytes bytes;
    enum mcq_err err;
    size_t room;

    if (socket == NULL || len == NULL || (buffer == NULL && *len > 0))
        return mcq_fail_null("get_bytes", socket == NULL ? "socket"
                                          : len == NULL  ? "len"
                                                         : "buffer");
    row = find(option, GET, true);
    if (row == NULL)
        return -1;
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("get", row, socket, err);
    room = *len;
    bytes = bytes_of(socket, row);
    *len = bytes.len;
    if (bytes.len > 0 && bytes.len <= room)
        (void) mcq_put_bytes(buffer, bytes);
    mcq_socket_leave(socket);
    if (*len > room)
        return mcq_fail(EINVAL, "get %s: %zu octets do not fit into %zu", row->name, *len, room);
    return 0;
}
