#include "api/option.h"

#include <errno.h>

#include "api/fail.h"

#define AT(field) offsetof(struct mcq_socket_options, field)

static const struct mcq_option_home homes[] = {
    {MCQ_OPTION_ROUTING_ID, MCQ_KIND_OCTETS, 0},
    {MCQ_OPTION_SUBSCRIBE, MCQ_KIND_OCTETS, 0},
    {MCQ_OPTION_UNSUBSCRIBE, MCQ_KIND_OCTETS, 0},
    {MCQ_OPTION_LAST_ENDPOINT, MCQ_KIND_OCTETS, 0},
    {MCQ_OPTION_METADATA, MCQ_KIND_OCTETS, 0},
    {MCQ_OPTION_MECHANISM, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_SERVER, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_USERNAME, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_PLAIN_PASSWORD, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SERVER, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_PUBLICKEY, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SECRETKEY, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_CURVE_SERVERKEY, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_ZAP_DOMAIN, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_ZAP_ENFORCE_DOMAIN, MCQ_KIND_SECURITY, 0},
    {MCQ_OPTION_RCVMORE, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_FD, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_EVENTS, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_TYPE, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_AFFINITY, MCQ_KIND_INT64, AT(affinity)},
    {MCQ_OPTION_LINGER, MCQ_KIND_INT, AT(linger_ms)},
    {MCQ_OPTION_RECONNECT_IVL, MCQ_KIND_INT, AT(reconnect_ms)},
    {MCQ_OPTION_BACKLOG, MCQ_KIND_INT, AT(backlog)},
    {MCQ_OPTION_RECONNECT_IVL_MAX, MCQ_KIND_INT, AT(reconnect_max_ms)},
    {MCQ_OPTION_MAXMSGSIZE, MCQ_KIND_INT64, AT(max_message_bytes)},
    {MCQ_OPTION_SNDBUF, MCQ_KIND_INT, AT(tuning.send_buffer)},
    {MCQ_OPTION_RCVBUF, MCQ_KIND_INT, AT(tuning.recv_buffer)},
    {MCQ_OPTION_TCP_KEEPALIVE, MCQ_KIND_INT, AT(tuning.keepalive)},
    {MCQ_OPTION_TCP_KEEPALIVE_CNT, MCQ_KIND_INT, AT(tuning.keepalive_count)},
    {MCQ_OPTION_TCP_KEEPALIVE_IDLE, MCQ_KIND_INT, AT(tuning.keepalive_idle_s)},
    {MCQ_OPTION_TCP_KEEPALIVE_INTVL, MCQ_KIND_INT, AT(tuning.keepalive_every_s)},
    {MCQ_OPTION_TCP_MAXRT, MCQ_KIND_INT, AT(tuning.user_timeout_ms)},
    {MCQ_OPTION_TCP_ACCEPT_FILTER, MCQ_KIND_RULE, MCQ_ADMIT_NETWORK},
    {MCQ_OPTION_TCP_CONGESTION, MCQ_KIND_TEXT, AT(tuning.congestion)},
    {MCQ_OPTION_TOS, MCQ_KIND_INT, AT(tuning.type_of_service)},
    {MCQ_OPTION_PRIORITY, MCQ_KIND_INT, AT(tuning.priority)},
    {MCQ_OPTION_BUSY_POLL, MCQ_KIND_INT, AT(tuning.busy_poll_us)},
    {MCQ_OPTION_BINDTODEVICE, MCQ_KIND_TEXT, AT(tuning.device)},
    {MCQ_OPTION_MULTICAST_HOPS, MCQ_KIND_INT, AT(tuning.multicast_hops)},
    {MCQ_OPTION_MULTICAST_LOOP, MCQ_KIND_INT, AT(tuning.multicast_loop)},
    {MCQ_OPTION_USE_FD, MCQ_KIND_INT, AT(use_fd)},
    {MCQ_OPTION_SOCKS_PROXY, MCQ_KIND_PROXY, MCQ_PROXY_ADDRESS},
    {MCQ_OPTION_SOCKS_USERNAME, MCQ_KIND_PROXY, MCQ_PROXY_USERNAME},
    {MCQ_OPTION_SOCKS_PASSWORD, MCQ_KIND_PROXY, MCQ_PROXY_PASSWORD},
    {MCQ_OPTION_IPC_FILTER_PID, MCQ_KIND_RULE, MCQ_ADMIT_PID},
    {MCQ_OPTION_IPC_FILTER_UID, MCQ_KIND_RULE, MCQ_ADMIT_UID},
    {MCQ_OPTION_IPC_FILTER_GID, MCQ_KIND_RULE, MCQ_ADMIT_GID},
    {MCQ_OPTION_SNDHWM, MCQ_KIND_INT, AT(send_hwm)},
    {MCQ_OPTION_RCVHWM, MCQ_KIND_INT, AT(recv_hwm)},
    {MCQ_OPTION_RCVTIMEO, MCQ_KIND_INT, AT(recv_timeout_ms)},
    {MCQ_OPTION_SNDTIMEO, MCQ_KIND_INT, AT(send_timeout_ms)},
    {MCQ_OPTION_ROUTER_MANDATORY, MCQ_KIND_PATTERN, MCQ_PATTERN_ROUTER_MANDATORY},
    {MCQ_OPTION_ROUTER_BALANCE, MCQ_KIND_PATTERN, MCQ_PATTERN_ROUTER_BALANCE},
    {MCQ_OPTION_ROUTER_NOTIFY, MCQ_KIND_PATTERN, MCQ_PATTERN_ROUTER_NOTIFY},
    {MCQ_OPTION_PROBE_ROUTER, MCQ_KIND_PATTERN, MCQ_PATTERN_PROBE_ROUTER},
    {MCQ_OPTION_ROUTER_RAW, MCQ_KIND_BOOL, AT(is_raw)},
    {MCQ_OPTION_STREAM_NOTIFY, MCQ_KIND_PATTERN, MCQ_PATTERN_STREAM_NOTIFY},
    {MCQ_OPTION_IN_BATCH_SIZE, MCQ_KIND_INT, AT(piece_bytes)},
    {MCQ_OPTION_CONNECT_ROUTING_ID, MCQ_KIND_PATTERN_OCTETS, MCQ_PATTERN_CONNECT_ROUTING_ID},
    {MCQ_OPTION_HELLO_MSG, MCQ_KIND_WORD, MCQ_WORD_HELLO},
    {MCQ_OPTION_DISCONNECT_MSG, MCQ_KIND_WORD, MCQ_WORD_DISCONNECT},
    {MCQ_OPTION_HICCUP_MSG, MCQ_KIND_WORD, MCQ_WORD_HICCUP},
    {MCQ_OPTION_IMMEDIATE, MCQ_KIND_BOOL, AT(is_immediate)},
    {MCQ_OPTION_THREAD_SAFE, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_CONFLATE, MCQ_KIND_BOOL, AT(conflates)},
    {MCQ_OPTION_IPV6, MCQ_KIND_BOOL, AT(is_ipv6)},
    {MCQ_OPTION_REQ_CORRELATE, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_CORRELATE},
    {MCQ_OPTION_REQ_RELAXED, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_RELAXED},
    {MCQ_OPTION_REQ_TIMEOUT, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_TIMEOUT},
    {MCQ_OPTION_REQ_RESENDS, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_RESENDS},
    {MCQ_OPTION_REQ_RESEND_SAME, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_RESEND_SAME},
    {MCQ_OPTION_REQ_RESENT, MCQ_KIND_PATTERN, MCQ_PATTERN_REQ_RESENT},
    {MCQ_OPTION_ROUTER_HANDOVER, MCQ_KIND_PATTERN, MCQ_PATTERN_ROUTER_HANDOVER},
    {MCQ_OPTION_XPUB_VERBOSE, MCQ_KIND_PATTERN, MCQ_PATTERN_XPUB_VERBOSE},
    {MCQ_OPTION_XPUB_VERBOSER, MCQ_KIND_PATTERN, MCQ_PATTERN_XPUB_VERBOSER},
    {MCQ_OPTION_XPUB_NODROP, MCQ_KIND_PATTERN, MCQ_PATTERN_XPUB_NODROP},
    {MCQ_OPTION_XPUB_MANUAL, MCQ_KIND_PATTERN, MCQ_PATTERN_XPUB_MANUAL},
    {MCQ_OPTION_XPUB_MANUAL_LAST_VALUE, MCQ_KIND_PATTERN, MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE},
    {MCQ_OPTION_XPUB_WELCOME_MSG, MCQ_KIND_PATTERN_OCTETS, MCQ_PATTERN_XPUB_WELCOME_MSG},
    {MCQ_OPTION_XSUB_VERBOSE_UNSUBSCRIBE, MCQ_KIND_PATTERN, MCQ_PATTERN_XSUB_VERBOSE_UNSUBSCRIBE},
    {MCQ_OPTION_ONLY_FIRST_SUBSCRIBE, MCQ_KIND_PATTERN, MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE},
    {MCQ_OPTION_INVERT_MATCHING, MCQ_KIND_PATTERN, MCQ_PATTERN_INVERT_MATCHING},
    {MCQ_OPTION_TOPICS_COUNT, MCQ_KIND_PATTERN, MCQ_PATTERN_TOPICS_COUNT},
    {MCQ_OPTION_HANDSHAKE_IVL, MCQ_KIND_INT, AT(handshake_ms)},
    {MCQ_OPTION_HEARTBEAT_IVL, MCQ_KIND_INT, AT(heartbeat_ms)},
    {MCQ_OPTION_HEARTBEAT_TTL, MCQ_KIND_INT, AT(heartbeat_ttl_ms)},
    {MCQ_OPTION_HEARTBEAT_TIMEOUT, MCQ_KIND_INT, AT(heartbeat_timeout_ms)},
    {MCQ_OPTION_CONNECT_TIMEOUT, MCQ_KIND_INT, AT(connect_timeout_ms)},
    {MCQ_OPTION_RECONNECT_STOP, MCQ_KIND_INT, AT(reconnect_stop)},
    {MCQ_OPTION_STRANGERS_MAX, MCQ_KIND_INT, AT(strangers_max)},
    {MCQ_OPTION_SOURCE_STRANGERS_MAX, MCQ_KIND_INT, AT(source_strangers_max)},
    {MCQ_OPTION_SOURCE_MAX, MCQ_KIND_INT, AT(source_max)},
    {MCQ_OPTION_CROWDED, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_COMMAND_MAX, MCQ_KIND_INT, AT(command_max)},
    {MCQ_OPTION_PROPERTIES_MAX, MCQ_KIND_INT, AT(properties_max)},
    {MCQ_OPTION_PARTS_MAX, MCQ_KIND_INT, AT(parts_max)},
    {MCQ_OPTION_MESSAGE_MAX, MCQ_KIND_INT64, AT(message_max)},
    {MCQ_OPTION_SUBSCRIPTIONS_MAX, MCQ_KIND_INT, AT(subscriptions_max)},
    {MCQ_OPTION_LIMITED, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_RECV_FD, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_SEND_FD, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_PARKED, MCQ_KIND_STATE, 0},
    {MCQ_OPTION_WHEN_FULL, MCQ_KIND_POLICY, 0},
    {MCQ_OPTION_RECONNECT_JITTER, MCQ_KIND_BOOL, AT(has_full_jitter)},
    {MCQ_OPTION_OLDER_PEERS, MCQ_KIND_BOOL, AT(meets_older)},
    {MCQ_OPTION_PLAIN_REMOTE, MCQ_KIND_BOOL, AT(sends_plain_afar)},
};

static const struct mcq_option_home *home_of(int id)
{
    for (size_t i = 0; i < MCQ_COUNTOF(homes); i++)
        if ((int) homes[i].id == id)
            return &homes[i];
    return NULL;
}

struct mcq_option_place mcq_option_place(enum mcq_option id, enum mcq_option_use use,
                                         bool is_octets)
{
    const char *verb = use == MCQ_OPTION_SET ? "set" : "get";
    struct mcq_option_place option = {
        mcq_option_row(MCQ_OPTION_OF_SOCKET, (int) id, MCQ_OPTION_BOTH), home_of((int) id)};

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
    return (struct mcq_option_place) {NULL, NULL};
}

int mcq_option_fail(const char *verb, const struct mcq_option_row *row,
                    const struct mcq_socket *socket, enum mcq_err err)
{
    return mcq_fail(mcq_err_errno(err), "%s %s: %s", verb, row->name,
                    mcq_fail_text(MCQ_CALL_OTHER, mcq_fail_type(socket, err), err));
}

int mcq_option_fail_foreign(const char *verb, const struct mcq_option_row *row,
                            const struct mcq_socket *socket)
{
    return mcq_fail(EINVAL, "%s %s: a %s socket has no such option", verb, row->name,
                    mcq_socket_type_name(socket->type));
}

int mcq_option_fail_full(const struct mcq_option_row *row, const struct mcq_socket *socket,
                         enum mcq_err err)
{
    if (err == MCQ_LIMIT)
        return mcq_fail(ENOMEM, "set %s: there are %d of these rules already", row->name,
                        MCQ_ADMIT_RULES_MAX);
    return mcq_option_fail("set", row, socket, err);
}
