#include <errno.h>
#include <inttypes.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "table/option.h"
#include "transport/tcp.h"
#include "wire/z85.h"

/* A key as text, and a zero. */
#define KEY_TEXT_BYTES (MCQ_Z85_TEXT_LEN(MCQ_CRYPTO_KEY_BYTES) + 1)

#define SHOWN_MAX 120 /* octets of a text that an error repeats */

enum kind {
    KIND_INT,            /* a field of struct mcq_socket_options */
    KIND_INT64,          /* the same */
    KIND_BOOL,           /* the same */
    KIND_PATTERN,        /* an enum mcq_pattern_option, which some types have */
    KIND_STATE,          /* what the socket is or has now */
    KIND_OCTETS,         /* not a number */
    KIND_TEXT,           /* the same, a field with a zero octet at its end */
    KIND_PROXY,          /* the same, an enum mcq_proxy_part */
    KIND_RULE,           /* adds to who may connect; an enum mcq_admission_kind */
    KIND_SECURITY,       /* of runtime/security.h, a number or not */
    KIND_POLICY,         /* a policy, which some types have */
    KIND_WORD,           /* the same, an enum mcq_word */
    KIND_PATTERN_OCTETS, /* not a number, and an enum mcq_pattern_option */
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
    {MCQ_OPTION_METADATA, KIND_OCTETS, 0},
    {MCQ_OPTION_MECHANISM, KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_SERVER, KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_USERNAME, KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_PASSWORD, KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SERVER, KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_PUBLICKEY, KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SECRETKEY, KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SERVERKEY, KIND_SECURITY, 0},
    {MCQ_OPTION_ZAP_DOMAIN, KIND_SECURITY, 0},
    {MCQ_OPTION_ZAP_ENFORCE_DOMAIN, KIND_SECURITY, 0},
    {MCQ_OPTION_RCVMORE, KIND_STATE, 0},
    {MCQ_OPTION_FD, KIND_STATE, 0},
    {MCQ_OPTION_EVENTS, KIND_STATE, 0},
    {MCQ_OPTION_TYPE, KIND_STATE, 0},
    {MCQ_OPTION_LINGER, KIND_INT, AT(linger_ms)},
    {MCQ_OPTION_RECONNECT_IVL, KIND_INT, AT(reconnect_ms)},
    {MCQ_OPTION_BACKLOG, KIND_INT, AT(backlog)},
    {MCQ_OPTION_RECONNECT_IVL_MAX, KIND_INT, AT(reconnect_max_ms)},
    {MCQ_OPTION_MAXMSGSIZE, KIND_INT64, AT(max_message_bytes)},
    {MCQ_OPTION_SNDBUF, KIND_INT, AT(tuning.send_buffer)},
    {MCQ_OPTION_RCVBUF, KIND_INT, AT(tuning.recv_buffer)},
    {MCQ_OPTION_TCP_KEEPALIVE, KIND_INT, AT(tuning.keepalive)},
    {MCQ_OPTION_TCP_KEEPALIVE_CNT, KIND_INT, AT(tuning.keepalive_count)},
    {MCQ_OPTION_TCP_KEEPALIVE_IDLE, KIND_INT, AT(tuning.keepalive_idle_s)},
    {MCQ_OPTION_TCP_KEEPALIVE_INTVL, KIND_INT, AT(tuning.keepalive_every_s)},
    {MCQ_OPTION_TCP_MAXRT, KIND_INT, AT(tuning.user_timeout_ms)},
    {MCQ_OPTION_TCP_ACCEPT_FILTER, KIND_RULE, MCQ_ADMIT_NETWORK},
    {MCQ_OPTION_TCP_CONGESTION, KIND_TEXT, AT(tuning.congestion)},
    {MCQ_OPTION_TOS, KIND_INT, AT(tuning.type_of_service)},
    {MCQ_OPTION_PRIORITY, KIND_INT, AT(tuning.priority)},
    {MCQ_OPTION_BUSY_POLL, KIND_INT, AT(tuning.busy_poll_us)},
    {MCQ_OPTION_BINDTODEVICE, KIND_TEXT, AT(tuning.device)},
    {MCQ_OPTION_USE_FD, KIND_INT, AT(use_fd)},
    {MCQ_OPTION_SOCKS_PROXY, KIND_PROXY, MCQ_PROXY_ADDRESS},
    {MCQ_OPTION_SOCKS_USERNAME, KIND_PROXY, MCQ_PROXY_USERNAME},
    {MCQ_OPTION_SOCKS_PASSWORD, KIND_PROXY, MCQ_PROXY_PASSWORD},
    {MCQ_OPTION_IPC_FILTER_PID, KIND_RULE, MCQ_ADMIT_PID},
    {MCQ_OPTION_IPC_FILTER_UID, KIND_RULE, MCQ_ADMIT_UID},
    {MCQ_OPTION_IPC_FILTER_GID, KIND_RULE, MCQ_ADMIT_GID},
    {MCQ_OPTION_SNDHWM, KIND_INT, AT(send_hwm)},
    {MCQ_OPTION_RCVHWM, KIND_INT, AT(recv_hwm)},
    {MCQ_OPTION_RCVTIMEO, KIND_INT, AT(recv_timeout_ms)},
    {MCQ_OPTION_SNDTIMEO, KIND_INT, AT(send_timeout_ms)},
    {MCQ_OPTION_ROUTER_MANDATORY, KIND_PATTERN, MCQ_PATTERN_ROUTER_MANDATORY},
    {MCQ_OPTION_ROUTER_BALANCE, KIND_PATTERN, MCQ_PATTERN_ROUTER_BALANCE},
    {MCQ_OPTION_ROUTER_NOTIFY, KIND_PATTERN, MCQ_PATTERN_ROUTER_NOTIFY},
    {MCQ_OPTION_PROBE_ROUTER, KIND_PATTERN, MCQ_PATTERN_PROBE_ROUTER},
    {MCQ_OPTION_ROUTER_RAW, KIND_BOOL, AT(is_raw)},
    {MCQ_OPTION_STREAM_NOTIFY, KIND_PATTERN, MCQ_PATTERN_STREAM_NOTIFY},
    {MCQ_OPTION_IN_BATCH_SIZE, KIND_INT, AT(piece_bytes)},
    {MCQ_OPTION_CONNECT_ROUTING_ID, KIND_PATTERN_OCTETS, MCQ_PATTERN_CONNECT_ROUTING_ID},
    {MCQ_OPTION_HELLO_MSG, KIND_WORD, MCQ_WORD_HELLO},
    {MCQ_OPTION_DISCONNECT_MSG, KIND_WORD, MCQ_WORD_DISCONNECT},
    {MCQ_OPTION_HICCUP_MSG, KIND_WORD, MCQ_WORD_HICCUP},
    {MCQ_OPTION_IMMEDIATE, KIND_BOOL, AT(is_immediate)},
    {MCQ_OPTION_THREAD_SAFE, KIND_STATE, 0},
    {MCQ_OPTION_CONFLATE, KIND_BOOL, AT(conflates)},
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
    {MCQ_OPTION_RECV_FD, KIND_STATE, 0},
    {MCQ_OPTION_SEND_FD, KIND_STATE, 0},
    {MCQ_OPTION_PARKED, KIND_STATE, 0},
    {MCQ_OPTION_WHEN_FULL, KIND_POLICY, 0},
    {MCQ_OPTION_RECONNECT_JITTER, KIND_BOOL, AT(has_full_jitter)},
    {MCQ_OPTION_OLDER_PEERS, KIND_BOOL, AT(meets_older)},
    {MCQ_OPTION_PLAIN_REMOTE, KIND_BOOL, AT(sends_plain_afar)},
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
                    mcq_fail_text(MCQ_CALL_OTHER, mcq_fail_type(socket, err), err));
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

static bool is_of_type(enum mcq_option_id id, enum mcq_socket_type type)
{
    const struct mcq_option_row *row =
        mcq_option_row(MCQ_OPTION_OF_SOCKET, (int) id, MCQ_OPTION_BOTH);

    return row->types >> type & 1;
}

/* What holds for peers that are there. */
static enum mcq_err apply(struct mcq_socket *socket, const struct home *home, int64_t value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    if (home->id == MCQ_OPTION_SUBSCRIPTIONS_MAX &&
        (ops->set == NULL ||
         ops->set(socket->pattern, MCQ_PATTERN_SUBSCRIPTION_BYTES, (int) value) != MCQ_OK))
        return MCQ_INVAL;
    if (home->id == MCQ_OPTION_ROUTER_RAW &&
        (ops->set == NULL ||
         ops->set(socket->pattern, MCQ_PATTERN_ROUTER_RAW, (int) value) != MCQ_OK))
        return MCQ_INVAL;
    if (home->id == MCQ_OPTION_CONFLATE && !is_of_type(home->id, socket->type))
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

/* Who waits for a full peer may not have to any more. */
static enum mcq_err set_policy(struct mcq_socket *socket, enum mcq_policy policy)
{
    if (socket->pattern->ops->policies == 0)
        return MCQ_INVAL;
    if ((socket->pattern->ops->policies >> policy & 1) == 0)
        return MCQ_NOT_SUPPORTED;
    socket->pattern->policy = policy;
    socket->news |= MCQ_NEWS_OUT;
    return MCQ_OK;
}

static enum mcq_err add_rule(struct mcq_socket *socket, const struct home *home, int64_t value)
{
    const struct mcq_admission_rule rule = {.kind = (enum mcq_admission_kind) home->at,
                                            .id = (uint32_t) value};

    return mcq_admission_add(&socket->options.admission, &rule);
}

/* One more of what adds up. */
static MCQ_COLD int fail_full(const struct mcq_option_row *row, const struct mcq_socket *socket,
                              enum mcq_err err)
{
    if (err == MCQ_LIMIT)
        return mcq_fail(ENOMEM, "set %s: there are %d of these rules already", row->name,
                        MCQ_ADMIT_RULES_MAX);
    return fail("set", row, socket, err);
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
    else if (option.home->kind == KIND_RULE)
        err = add_rule(socket, option.home, value);
    else if (option.home->kind == KIND_POLICY)
        err = set_policy(socket, (enum mcq_policy) value);
    else if (option.home->kind == KIND_SECURITY)
        err = mcq_security_set_number(&socket->options.security, option.home->id, (int) value);
    else
        err = apply(socket, option.home, value);
    mcq_socket_leave(socket);
    if (err == MCQ_INVAL)
        return fail_foreign("set", option.row, socket);
    if (err == MCQ_NOT_SUPPORTED)
        return mcq_fail(ENOTSUP, "set %s to %" PRId64 ": a %s socket has no use for it",
                        option.row->name, value, mcq_socket_type_name(socket->type));
    return err == MCQ_OK ? 0 : fail_full(option.row, socket, err);
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

static enum mcq_err get_hint(struct mcq_socket *socket, int64_t *value)
{
    enum mcq_err err;
    int fd;

    MCQ_TRY(mcq_socket_enter(socket));
    err = mcq_socket_hint_fd(socket, &fd);
    if (err == MCQ_OK)
        *value = fd;
    mcq_socket_leave(socket);
    return err;
}

static enum mcq_err get_fd(struct mcq_socket *socket, bool is_send, int64_t *value)
{
    enum mcq_err err;
    int fd = -1;

    MCQ_TRY(mcq_socket_enter(socket));
    err = mcq_socket_bell_fd(socket, is_send, &fd);
    mcq_socket_leave(socket); /* it rings, if it is to */
    *value = fd;
    return err == MCQ_NOT_SUPPORTED ? MCQ_OK : err;
}

static enum mcq_err get(struct mcq_socket *socket, const struct home *home, int64_t *value)
{
    enum mcq_err err = MCQ_OK;

    if (home->id == MCQ_OPTION_RECV_FD || home->id == MCQ_OPTION_SEND_FD)
        return get_fd(socket, home->id == MCQ_OPTION_SEND_FD, value);
    if (home->id == MCQ_OPTION_EVENTS)
        return get_events(socket, value);
    if (home->id == MCQ_OPTION_FD)
        return get_hint(socket, value);
    MCQ_TRY(mcq_socket_enter(socket));
    if (!is_of_type(home->id, socket->type))
        err = MCQ_INVAL;
    else if (home->kind == KIND_PATTERN)
        err = get_from_pattern(socket, home, value);
    else if (home->id == MCQ_OPTION_WHEN_FULL)
        *value = (int64_t) socket->pattern->policy;
    else if (home->id == MCQ_OPTION_TYPE)
        *value = (int64_t) socket->type;
    else if (home->id == MCQ_OPTION_THREAD_SAFE)
        *value = mcq_socket_type_row(socket->type)->is_thread_safe;
    else if (home->id == MCQ_OPTION_RCVMORE)
        *value = socket->is_within_recv;
    else if (home->id == MCQ_OPTION_LIMITED)
        *value = (int64_t) socket->limited_count;
    else if (home->kind == KIND_SECURITY)
        *value = mcq_security_number(socket->options.security, home->id);
    else if (home->id == MCQ_OPTION_PARKED)
        *value = (int64_t) atomic_load_explicit(&socket->parked_count, memory_order_relaxed);
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

static int set_word(struct mcq_socket *socket, const struct option *option, struct mcq_bytes bytes)
{
    struct mcq_msg *word = &socket->words[option->home->at];
    struct mcq_msg copy;
    enum mcq_err err;

    if (!is_of_type(option->home->id, socket->type))
        return fail_foreign("set", option->row, socket);
    err = mcq_msg_init_copy(&copy, bytes);
    if (err != MCQ_OK)
        return fail("set", option->row, socket, err);
    mcq_msg_freeze(&copy);
    mcq_msg_fini(word);
    mcq_msg_move(word, &copy);
    return 0;
}

static int set_security(struct mcq_socket *socket, const struct mcq_option_row *row,
                        struct mcq_bytes bytes)
{
    enum mcq_err err =
        mcq_security_set_octets(&socket->options.security, (enum mcq_option_id) row->number, bytes);

    if (err == MCQ_INVAL)
        return mcq_fail(EINVAL,
                        "set %s of %zu octets: not a key, which is 32 octets or 40 "
                        "characters of Z85",
                        row->name, bytes.len);
    return err == MCQ_OK ? 0 : fail("set", row, socket, err);
}

/* Keys have a text, too, and tell by themselves whether it is one. */
static bool has_good_size(const struct mcq_option_row *row, size_t len)
{
    return row->type == MCQ_OPTION_KEY || (len >= (uint64_t) row->min && len <= row->max);
}

static int add_network(struct mcq_socket *socket, const struct mcq_option_row *row,
                       struct mcq_bytes text)
{
    struct mcq_admission **admission = &socket->options.admission;
    struct mcq_admission_rule rule;
    enum mcq_err err;

    if (text.len > 0 && !mcq_admission_parse(text, &rule))
        return mcq_fail(EINVAL, "set %s to %.*s: a network is written ADDRESS or ADDRESS/BITS",
                        row->name, (int) mcq_min_size(text.len, SHOWN_MAX),
                        (const char *) text.data);
    err = text.len > 0 ? mcq_admission_add(admission, &rule)
                       : mcq_admission_clear(admission, MCQ_ADMIT_NETWORK);
    return err == MCQ_OK ? 0 : fail_full(row, socket, err);
}

static int set_text(struct mcq_socket *socket, const struct option *option, struct mcq_bytes text)
{
    char *field = field_of(socket, option->home);

    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        return mcq_fail(EINVAL, "set %s: a name has no zero octet", option->row->name);
    if (option->home->id == MCQ_OPTION_TCP_CONGESTION && text.len > 0 &&
        !mcq_tcp_has_congestion(text))
        return mcq_fail(EINVAL, "set %s to %.*s: the system has none of this name, or denies it",
                        option->row->name, (int) text.len, (const char *) text.data);
    *mcq_put_bytes((uint8_t *) field, text) = '\0';
    return 0;
}

static int set_routing_id(struct mcq_socket *socket, const struct mcq_option_row *row,
                          struct mcq_bytes id)
{
    enum mcq_err err = mcq_socket_options_name(&socket->options, id);

    return err == MCQ_OK ? 0 : fail("set", row, socket, err);
}

static int set_proxy(struct mcq_socket *socket, const struct option *option, struct mcq_bytes text)
{
    struct mcq_endpoint endpoint;
    enum mcq_endpoint_fault fault = option->home->at == MCQ_PROXY_ADDRESS && text.len > 0
                                        ? mcq_endpoint_parse_peer(text, &endpoint)
                                        : MCQ_ENDPOINT_GOOD;
    enum mcq_err err;

    if (fault != MCQ_ENDPOINT_GOOD)
        return mcq_fail(EINVAL, "set %s to %.*s: %s", option->row->name, (int) text.len,
                        (const char *) text.data, mcq_endpoint_fault_text(fault));
    err = mcq_proxy_set(&socket->options.proxy, (enum mcq_proxy_part) option->home->at, text);
    return err == MCQ_OK ? 0 : fail("set", option->row, socket, err);
}

static int add_property(struct mcq_socket *socket, const struct mcq_option_row *row,
                        struct mcq_bytes text)
{
    enum mcq_err err = mcq_properties_add(&socket->options.properties, text);

    if (err == MCQ_INVAL || err == MCQ_LIMIT)
        return mcq_fail(EINVAL,
                        err == MCQ_LIMIT ? "set %s to %.*s: all of them have more than 16 KiB"
                                         : "set %s to %.*s: a property is written X-NAME:VALUE",
                        row->name, (int) mcq_min_size(text.len, SHOWN_MAX),
                        (const char *) text.data);
    return err == MCQ_OK ? 0 : fail("set", row, socket, err);
}

/* Those that are neither a number nor a text are told apart by their ids. */
static int set_octets(struct mcq_socket *socket, const struct option *option,
                      struct mcq_bytes bytes)
{
    if (option->home->kind == KIND_TEXT)
        return set_text(socket, option, bytes);
    if (option->home->kind == KIND_PROXY)
        return set_proxy(socket, option, bytes);
    if (option->home->kind == KIND_RULE)
        return add_network(socket, option->row, bytes);
    if (option->home->kind == KIND_SECURITY)
        return set_security(socket, option->row, bytes);
    if (option->home->kind == KIND_WORD)
        return set_word(socket, option, bytes);
    if (option->home->kind == KIND_PATTERN_OCTETS)
        return set_pattern_bytes(socket, option, bytes);
    if (option->home->id == MCQ_OPTION_ROUTING_ID)
        return set_routing_id(socket, option->row, bytes);
    if (option->home->id == MCQ_OPTION_METADATA)
        return add_property(socket, option->row, bytes);
    return subscribe(socket, option->row, bytes);
}

int mcq_set_bytes(struct mcq_socket *socket, enum mcq_option id, const void *data, size_t len)
{
    struct option option;
    struct mcq_bytes bytes = mcq_bytes(data, len);
    const struct mcq_option_row *row;
    enum mcq_err err;
    int result;

    if (socket == NULL || (data == NULL && len > 0))
        return mcq_fail_null("set_bytes", socket == NULL ? "socket" : "data");
    option = find(id, MCQ_OPTION_SET, true);
    row = option.row;
    if (row == NULL)
        return -1;
    if (!has_good_size(row, len))
        return mcq_fail(EINVAL, "set %s of %zu octets: not %" PRId64 "..%" PRIu64 " octets",
                        row->name, len, row->min, row->max);
    if (id == MCQ_OPT_ROUTING_ID && len > 0 && bytes.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST)
        return mcq_fail(EINVAL, "set ROUTING_ID: those that begin with a zero octet are ROUTER's");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("set", row, socket, err);
    result = set_octets(socket, &option, bytes);
    mcq_socket_leave(socket);
    return result;
}

/* A STREAM is told the name of its newest peer, if that was not given by the application. */
static struct mcq_bytes routing_id_of(struct mcq_socket *socket)
{
    struct mcq_socket_options *options = &socket->options;
    uint8_t octets[MCQ_ROUTER_GENERATED_BYTES];
    int64_t number;

    if (socket->type == MCQ_SOCKET_TYPE_STREAM &&
        socket->pattern->ops->get(socket->pattern, MCQ_PATTERN_LAST_PEER, &number) == MCQ_OK) {
        mcq_put_u32be(mcq_put_u8(octets, MCQ_PROPERTY_IDENTITY_NOT_FIRST), (uint32_t) number);
        if (mcq_socket_options_name(options, mcq_bytes(octets, sizeof octets)) != MCQ_OK)
            return mcq_bytes_of("");
    }
    return mcq_socket_options_routing_id(options);
}

static struct mcq_bytes bytes_of(struct mcq_socket *socket, const struct option *option)
{
    const struct mcq_socket_options *options = &socket->options;
    struct mcq_bytes bytes;

    if (option->home->kind == KIND_SECURITY)
        return mcq_security_octets(options->security, option->home->id);
    if (option->row->number == MCQ_OPTION_ROUTING_ID)
        return routing_id_of(socket);
    if (option->home->kind == KIND_PROXY) {
        bytes = mcq_proxy_get(options->proxy, (enum mcq_proxy_part) option->home->at);
        return mcq_bytes(bytes.data, bytes.len + 1);
    }
    if (option->home->kind == KIND_TEXT) {
        const char *text = field_of(socket, option->home);

        return mcq_bytes(text, strlen(text) + 1);
    }
    return mcq_bytes(socket->last_endpoint, strlen(socket->last_endpoint) + 1);
}

/* A key as its text, with a zero. */
static struct mcq_bytes key_text(struct mcq_bytes key, char text[KEY_TEXT_BYTES])
{
    (void) !mcq_z85_encode(key, text);
    text[KEY_TEXT_BYTES - 1] = '\0';
    return mcq_bytes(text, KEY_TEXT_BYTES);
}

int mcq_get_bytes(struct mcq_socket *socket, enum mcq_option id, void *buffer, size_t *len)
{
    const struct mcq_option_row *row;
    char text[KEY_TEXT_BYTES];
    struct option option;
    struct mcq_bytes bytes;
    enum mcq_err err;
    size_t room;

    if (socket == NULL || len == NULL || (buffer == NULL && *len > 0))
        return mcq_fail_null("get_bytes", socket == NULL ? "socket"
                                          : len == NULL  ? "len"
                                                         : "buffer");
    option = find(id, MCQ_OPTION_GET, true);
    row = option.row;
    if (row == NULL)
        return -1;
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return fail("get", row, socket, err);
    room = *len;
    bytes = bytes_of(socket, &option);
    if (row->type == MCQ_OPTION_KEY && room >= KEY_TEXT_BYTES)
        bytes = key_text(bytes, text);
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
