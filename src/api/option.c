#include <errno.h>
#include <inttypes.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "table/option.h"

enum kind {
    KIND_INT,            /* a field of struct mcq_socket_options */
    KIND_INT64,          /* the same */
    KIND_BOOL,           /* the same */
    KIND_PATTERN,        /* an enum mcq_pattern_option, which some types have */
    KIND_STATE,          /* what the socket is or has now */
    KIND_OCTETS,         /* not a number */
    KIND_PATTERN_OCTETS, /* the same, and an enum mcq_pattern_option */
};

/* Where an option lives; all else about it is in the generated table. */
struct home {
    enum mcq_option_id id;
    enum kind kind;
    size_t at; /* the field's place, or the number of the pattern's option */
};

/* An option that is there. */
struct option {
    const struct mcq_option_row *row;
    const struct home *home;
};

#define AT(field) offsetof(struct mcq_socket_options, field)

static const struct home homes[] = {
    {MCQ_OPTION_ROUTING_ID, KIND_OCTETS, 0},
    {MCQ_OPTION_SUBSCRIBE, KIND_OCTETS, 0},
    {MCQ_OPTION_UNSUBSCRIBE, KIND_OCTETS, 0},
    {MCQ_OPTION_LAST_ENDPOINT, KIND_OCTETS, 0},
    {MCQ_OPTION_RCVMORE, KIND_STATE, 0},
    {MCQ_OPTION_EVENTS, KIND_STATE, 0},
    {MCQ_OPTION_TYPE, KIND_STATE, 0},
    {MCQ_OPTION_LINGER, KIND_INT, AT(linger_ms)},
    {MCQ_OPTION_RECONNECT_IVL, KIND_INT, AT(reconnect_ms)},
    {MCQ_OPTION_BACKLOG, KIND_INT, AT(backlog)},
    {MCQ_OPTION_RECONNECT_IVL_MAX, KIND_INT, AT(reconnect_max_ms)},
    {MCQ_OPTION_MAXMSGSIZE, KIND_INT64, AT(max_message_bytes)},
    {MCQ_OPTION_SNDHWM, KIND_INT, AT(send_hwm)},
    {MCQ_OPTION_RCVHWM, KIND_INT, AT(recv_hwm)},
    {MCQ_OPTION_RCVTIMEO, KIND_INT, AT(recv_timeout_ms)},
    {MCQ_OPTION_SNDTIMEO, KIND_INT, AT(send_timeout_ms)},
    {MCQ_OPTION_ROUTER_MANDATORY, KIND_PATTERN, MCQ_PATTERN_ROUTER_MANDATORY},
    {MCQ_OPTION_ROUTER_NOTIFY, KIND_PATTERN, MCQ_PATTERN_ROUTER_NOTIFY},
    {MCQ_OPTION_PROBE_ROUTER, KIND_PATTERN, MCQ_PATTERN_PROBE_ROUTER},
    {MCQ_OPTION_CONNECT_ROUTING_ID, KIND_PATTERN_OCTETS, MCQ_PATTERN_CONNECT_ROUTING_ID},
    {MCQ_OPTION_IPV6, KIND_BOOL, AT(is_ipv6)},
    {MCQ_OPTION_REQ_CORRELATE, KIND_PATTERN, MCQ_PATTERN_REQ_CORRELATE},
    {MCQ_OPTION_REQ_RELAXED, KIND_PATTERN, MCQ_PATTERN_REQ_RELAXED},
    {MCQ_OPTION_ROUTER_HANDOVER, KIND_PATTERN, MCQ_PATTERN_ROUTER_HANDOVER},
    {MCQ_OPTION_XPUB_VERBOSE, KIND_PATTERN, MCQ_PATTERN_XPUB_VERBOSE},
    {MCQ_OPTION_XPUB_VERBOSER, KIND_PATTERN, MCQ_PATTERN_XPUB_VERBOSER},
    {MCQ_OPTION_XPUB_NODROP, KIND_PATTERN, MCQ_PATTERN_XPUB_NODROP},
    {MCQ_OPTION_XPUB_MANUAL, KIND_PATTERN, MCQ_PATTERN_XPUB_MANUAL},
    {MCQ_OPTION_XPUB_MANUAL_LAST_VALUE, KIND_PATTERN, MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE},
    {MCQ_OPTION_XPUB_WELCOME_MSG, KIND_PATTERN_OCTETS, MCQ_PATTERN_XPUB_WELCOME_MSG},
    {MCQ_OPTION_XSUB_VERBOSE_UNSUBSCRIBE, KIND_PATTERN, MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE},
    {MCQ_OPTION_ONLY_FIRST_SUBSCRIBE, KIND_PATTERN, MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE},
    {MCQ_OPTION_INVERT_MATCHING, KIND_PATTERN, MCQ_PATTERN_INVERT_MATCHING},
    {MCQ_OPTION_TOPICS_COUNT, KIND_PATTERN, MCQ_PATTERN_TOPICS_COUNT},
    {MCQ_OPTION_HANDSHAKE_IVL, KIND_INT, AT(handshake_ms)},
    {MCQ_OPTION_HEARTBEAT_IVL, KIND_INT, AT(heartbeat_ms)},
    {MCQ_OPTION_HEARTBEAT_TTL, KIND_INT, AT(heartbeat_ttl_ms)},
    {MCQ_OPTION_HEARTBEAT_TIMEOUT, KIND_INT, AT(heartbeat_timeout_ms)},
    {MCQ_OPTION_CONNECT_TIMEOUT, KIND_INT, AT(connect_timeout_ms)},
    {MCQ_OPTION_RECONNECT_STOP, KIND_INT, AT(reconnect_stop)},
    {MCQ_OPTION_STRANGERS_MAX, KIND_INT, AT(strangers_max)},
    {MCQ_OPTION_COMMAND_MAX, KIND_INT, AT(command_max)},
    {MCQ_OPTION_PROPERTIES_MAX, KIND_INT, AT(properties_max)},
    {MCQ_OPTION_PARTS_MAX, KIND_INT, AT(parts_max)},
    {MCQ_OPTION_MESSAGE_MAX, KIND_INT64, AT(message_max)},
    {MCQ_OPTION_SUBSCRIPTIONS_MAX, KIND_INT, AT(subscriptions_max)},
    {MCQ_OPTION_LIMITED, KIND_STATE, 0},
    {MCQ_OPTION_RECONNECT_JITTER, KIND_BOOL, AT(has_full_jitter)},
    {MCQ_OPTION_OLDER_PEERS, KIND_BOOL, AT(meets_older)},
};

static const struct home *home_of(int id)
{
    for (size_t i = 0; i < MCQ_COUNTOF(homes); i++)
        if ((int) homes[i].id == id)
            return &homes[i];
    return NULL;
}

/* The option for a call that wants octets or a number, and sets or gets. row NULL: it failed. */
static struct option find(enum mcq_option id, enum mcq_option_use use, bool is_octets)
{
    const char *verb = use == MCQ_OPTION_SET ? "set" : "get";
    struct option option = {mcq_option_row(MCQ_OPTION_OF_SOCKET, (int) id, MCQ_OPTION_BOTH),
                            home_of((int) id)};

    if (option.row == NULL || option.home == NULL)
        (void) mcq_fail(EINVAL, "%s option %d: there is no such option", verb, (int) id);
    else if ((option.row->use & use) == 0)
        (void) mcq_fail(EINVAL, "%s %s: it can only be %s", verb, option.row->name,
                        use == MCQ_OPTION_SET ? "asked for" : "set");
    else if (is_octets == mcq_option_is_number(option.row))
        (void) mcq_fail(EINVAL, "%s %s: its value is %s; use mcq_%s%s", verb, option.row->name,
                        is_octets ? "a number" : "octets", verb, is_octets ? "" : "_bytes");
    else
        return option;
    return (struct option) {NULL, NULL};
}

/* A call on a socket's option fails for this reason. */
static MCQ_COLD int fail(const char *verb, const struct mcq_option_row *row,
                         const struct mcq_socket *socket, enum mcq_err err)
{
    return mcq_fail(mcq_err_errno(err), "%s %s: %s", verb, row->name,
                    mcq_fail_text(MCQ_CALL_OTHER, socket->type, err));
}

static MCQ_COLD int fail_foreign(const char *verb, const struct mcq_option_row *row,
                                 const struct mcq_socket *socket)
{
    return mcq_fail(EINVAL, "%s %s: a %s socket has no such option", verb, row->name,
                    mcq_socket_type_name(socket->type));
}

/* --- numbers --------------------------------------------------------------------------------- */

static char *field_of(struct mcq_socket *socket, const struct home *home)
{
    return (char *) &socket->options + home->at;
}

/* Fields that callers read without the lock (timeouts) are ints, and are read and written whole. */
static void store(struct mcq_socket *socket, const struct home *home, int64_t value)
{
    void *field = field_of(socket, home);

    if (home->kind == KIND_INT)
        __atomic_store_n((int *) field, (int) value, __ATOMIC_RELAXED);
    else if (home->kind == KIND_INT64)
        *(int64_t *) field = value;
    else
        *(bool *) field = value != 0;
}

static int64_t load(struct mcq_socket *socket, const struct home *home)
{
    const void *field = field_of(socket, home);

    if (home->kind == KIND_INT)
        return *(const int *) field;
    if (home->kind == KIND_INT64)
        return *(const int64_t *) field;
    return *(const bool *) field;
}

/* What holds for peers that are there. */
static enum mcq_err apply(struct mcq_socket *socket, const struct home *home, int64_t value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (home->id == MCQ_OPTION_SUBSCRIPTIONS_MAX &&
        (ops->set == NULL ||
         ops->set(socket->pattern, MCQ_PATTERN_SUBSCRIPTION_BYTES, (int) value) != MCQ_OK))
        return MCQ_INVAL;
    store(socket, home, value);
    if (home->id == MCQ_OPTION_SNDHWM || home->id == MCQ_OPTION_RCVHWM)
        mcq_socket_apply_hwm(socket);
    return MCQ_OK;
}

static enum mcq_err set_in_pattern(struct mcq_socket *socket, const struct home *home,
                                   int64_t value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->set == NULL)
        return MCQ_INVAL;
    return ops->set(socket->pattern, (enum mcq_pattern_option) home->at, (int) value);
}

int mcq_set(struct mcq_socket *socket, enum mcq_option id, int64_t value)
{
    struct option option;
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("set", "socket");
    option = find(id, MCQ_OPTION_SET, false);
    if (option.row == NULL)
        return -1;
    if (!mcq_option_takes(option.row, value))
        return mcq_fail(EINVAL, "set %s to %" PRId64 ": not in %" PRId64 "..%" PRIu64,
                        option.row->name, value, option.row->min, option.row->max);
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("set", option.row, socket, err);
    if (option.home->kind == KIND_PATTERN)
        err = set_in_pattern(socket, option.home, value);
    else
        err = apply(socket, option.home, value);
    mcq_socket_leave(socket);
    return err == MCQ_OK ? 0 : fail_foreign("set", option.row, socket);
}

static enum mcq_err get_events(struct mcq_socket *socket, int64_t *value)
{
    struct mcq_poll_item item = {.socket = socket, .events = POLLIN | POLLOUT};
    size_t ready_count;

    MCQ_TRY(mcq_socket_poll(&item, 1, 0, &ready_count));
    *value = (item.revents & POLLIN ? MCQ_POLLIN : 0) | (item.revents & POLLOUT ? MCQ_POLLOUT : 0);
    return MCQ_OK;
}

static enum mcq_err get_from_pattern(struct mcq_socket *socket, const struct home *home,
                                     int64_t *value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (ops->get == NULL)
        return MCQ_INVAL;
    return ops->get(socket->pattern, (enum mcq_pattern_option) home->at, value);
}

static enum mcq_err get(struct mcq_socket *socket, const struct home *home, int64_t *value)
{
    enum mcq_err err = MCQ_OK;

    if (home->id == MCQ_OPTION_EVENTS)
        return get_events(socket, value);
    MCQ_TRY(mcq_socket_enter(socket));
    if (home->kind == KIND_PATTERN)
        err = get_from_pattern(socket, home, value);
    else if (home->id == MCQ_OPTION_TYPE)
        *value = (int64_t) socket->type;
    else if (home->id == MCQ_OPTION_RCVMORE)
        *value = socket->is_within_recv;
    else if (home->id == MCQ_OPTION_LIMITED)
        *value = (int64_t) socket->limited_count;
    else
        *value = load(socket, home);
    mcq_socket_leave(socket);
    return err;
}

int mcq_get(struct mcq_socket *socket, enum mcq_option id, int64_t *value)
{
    struct option option;
    enum mcq_err err;

    if (socket == NULL || value == NULL)
        return mcq_fail_null("get", socket == NULL ? "socket" : "value");
    option = find(id, MCQ_OPTION_GET, false);
    if (option.row == NULL)
        return -1;
    err = get(socket, option.home, value);
    if (err == MCQ_INVAL)
        return fail_foreign("get", option.row, socket);
    return err == MCQ_OK ? 0 : fail("get", option.row, socket, err);
}

/* --- octets ---------------------------------------------------------------------------------- */

static int set_routing_id(struct mcq_socket *socket, struct mcq_bytes id)
{
    (void) mcq_put_bytes(socket->options.routing_id, id);
    socket->options.routing_id_len = (uint8_t) id.len;
    return 0;
}

/* A part of the topic that can be shown. */
static int fail_topic(const struct mcq_option_row *row, struct mcq_bytes topic, enum mcq_err err)
{
    const char *why = err != MCQ_INVAL                        ? mcq_err_text(err)
                      : row->number == MCQ_OPTION_UNSUBSCRIBE ? "there is no such subscription"
                                                              : "the topic is too long";

    return mcq_fail(mcq_err_errno(err), "set %s of %zu octets: %s", row->name, topic.len, why);
}

static int subscribe(struct mcq_socket *socket, const struct mcq_option_row *row,
                     struct mcq_bytes topic)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    enum mcq_err err;

    if (ops->subscribe == NULL)
        return fail_foreign("set", row, socket);
    err = ops->subscribe(socket->pattern, topic, row->number == MCQ_OPTION_SUBSCRIBE);
    mcq_socket_flush(socket);
    mcq_socket_guard_output(socket);
    if (err == MCQ_MISMATCH)
        return mcq_fail(EINVAL, "set %s: set XPUB_MANUAL first", row->name);
    return err == MCQ_OK ? 0 : fail_topic(row, topic, err);
}

static int set_pattern_bytes(struct mcq_socket *socket, const struct option *option,
                             struct mcq_bytes bytes)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    enum mcq_err err = MCQ_INVAL;

    if (ops->set_bytes != NULL)
        err = ops->set_bytes(socket->pattern, (enum mcq_pattern_option) option->home->at, bytes);
    if (err == MCQ_INVAL)
        return fail_foreign("set", option->row, socket);
    return err == MCQ_OK ? 0 : fail("set", option->row, socket, err);
}

/* The lock is held. */
static int set_held(struct mcq_socket *socket, const struct option *option, struct mcq_bytes bytes)
{
    if (option->row->number == MCQ_OPTION_ROUTING_ID)
        return set_routing_id(socket, bytes);
    if (option->home->kind == KIND_PATTERN_OCTETS)
        return set_pattern_bytes(socket, option, bytes);
    return subscribe(socket, option->row, bytes);
}

int mcq_set_bytes(struct mcq_socket *socket, enum mcq_option id, const void *data, size_t len)
{
    struct mcq_bytes bytes = mcq_bytes(data, len);
    const struct mcq_option_row *row;
    struct option option;
    enum mcq_err err;
    int result;

    if (socket == NULL || (data == NULL && len > 0))
        return mcq_fail_null("set_bytes", socket == NULL ? "socket" : "data");
    option = find(id, MCQ_OPTION_SET, true);
    row = option.row;
    if (row == NULL)
        return -1;
    if (len < (uint64_t) row->min || len > row->max)
        return mcq_fail(EINVAL, "set %s of %zu octets: not %" PRId64 "..%" PRIu64 " octets",
                        row->name, len, row->min, row->max);
    if (id == MCQ_OPT_ROUTING_ID && len > 0 && bytes.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST)
        return mcq_fail(EINVAL, "set ROUTING_ID: those that begin with a zero octet are ROUTER's");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("set", row, socket, err);
    result = set_held(socket, &option, bytes);
    mcq_socket_leave(socket);
    return result;
}

static struct mcq_bytes bytes_of(const struct mcq_socket *socket, const struct mcq_option_row *row)
{
    const struct mcq_socket_options *options = &socket->options;

    if (row->number == MCQ_OPTION_ROUTING_ID)
        return mcq_bytes(options->routing_id, options->routing_id_len);
    return mcq_bytes(socket->last_endpoint, strlen(socket->last_endpoint) + 1);
}

int mcq_get_bytes(struct mcq_socket *socket, enum mcq_option id, void *buffer, size_t *len)
{
    const struct mcq_option_row *row;
    struct mcq_bytes bytes;
    enum mcq_err err;
    size_t room;

    if (socket == NULL || len == NULL || (buffer == NULL && *len > 0))
        return mcq_fail_null("get_bytes", socket == NULL ? "socket"
                                          : len == NULL  ? "len"
                                                         : "buffer");
    row = find(id, MCQ_OPTION_GET, true).row;
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

/* --- groups ---------------------------------------------------------------------------------- */

static int call_join(struct mcq_socket *socket, const char *group, bool is_on)
{
    const char *verb = is_on ? "join" : "leave";
    enum mcq_err err;

    if (socket == NULL || group == NULL)
        return mcq_fail_null(verb, socket == NULL ? "socket" : "group");
    err = mcq_socket_enter(socket);
    if (err == MCQ_OK) {
        err = socket->pattern->ops->join == NULL
                  ? MCQ_NOT_SUPPORTED
                  : socket->pattern->ops->join(socket->pattern, mcq_bytes_of(group), is_on);
        mcq_socket_flush(socket);
        mcq_socket_guard_output(socket);
        mcq_socket_leave(socket);
    }
    if (err == MCQ_OK)
        return 0;
    if (err == MCQ_NOT_SUPPORTED)
        return mcq_fail(ENOTSUP, "%s: a %s socket has no groups", verb,
                        mcq_socket_type_name(socket->type));
    return mcq_fail(mcq_err_errno(err), "%s %.255s: %s", verb, group,
                    err != MCQ_INVAL ? mcq_fail_text(MCQ_CALL_OTHER, socket->type, err)
                    : is_on          ? "it is joined, or longer than 255 octets"
                                     : "it is not joined");
}

int mcq_join(struct mcq_socket *socket, const char *group)
{
    return call_join(socket, group, true);
}

int mcq_leave(struct mcq_socket *socket, const char *group)
{
    return call_join(socket, group, false);
}
