#include <errno.h>
#include <limits.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "api/message.h"
#include "arena/own.h"
#include "transport/endpoint.h"

static_assert((int) MCQ_PAIR == MCQ_SOCKET_TYPE_PAIR && (int) MCQ_PUSH == MCQ_SOCKET_TYPE_PUSH,
              "the public numbers are those of the table");

/* --- life ------------------------------------------------------------------------------------ */

struct mcq_socket *mcq_socket(struct mcq_context *context, enum mcq_type type)
{
    enum mcq_socket_type inner = (enum mcq_socket_type) type;
    struct mcq_socket *socket;
    enum mcq_err err;

    if (context == NULL) {
        (void) mcq_fail_null("socket", "context");
        return NULL;
    }
    if (mcq_pattern_find(inner) == NULL) {
        (void) mcq_fail(EINVAL, "socket: there is no type %d", (int) type);
        return NULL;
    }
    err = mcq_socket_open(context, inner, &socket);
    if (err == MCQ_OK)
        return socket;
    (void) mcq_fail(err == MCQ_FORKED ? EFAULT : mcq_err_errno(err), "socket %s: %s",
                    mcq_socket_type_name(inner),
                    err == MCQ_FORKED ? "the context was opened by the process that this one was "
                                        "forked from"
                    : err == MCQ_INVAL
                        ? "the environment's MONOCOQUE_ENGINE asks for an engine that "
                          "is not there; it may be auto, io_uring or epoll"
                    : err == MCQ_NO_FDS ? "no descriptors are left, or MAX_SOCKETS are open"
                                        : mcq_err_text(err));
    return NULL;
}

int mcq_close(struct mcq_socket *socket)
{
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("close", "socket");
    err = mcq_socket_close(socket);
    if (err == MCQ_OK)
        return 0;
    return mcq_fail(mcq_err_errno(err), "close: %s",
                    mcq_fail_text(MCQ_CALL_OTHER, mcq_fail_type(socket, err), err));
}

/* --- endpoints ------------------------------------------------------------------------------- */

/* A call on an endpoint: its name, what runs under the lock, and what its errors are. */
struct endpoint_call {
    const char *name;
    enum mcq_endpoint_use use;
    enum mcq_err (*run)(struct mcq_socket *socket, struct mcq_bytes text, const char **fault);
    bool looks_up; /* the host's name */
    int not_found; /* errno */
    const char *not_found_text;
};

static enum mcq_err run_unbind(struct mcq_socket *socket, struct mcq_bytes text, const char **fault)
{
    (void) fault;
    return mcq_socket_unbind(socket, text);
}

static enum mcq_err run_disconnect(struct mcq_socket *socket, struct mcq_bytes text,
                                   const char **fault)
{
    (void) fault;
    return mcq_socket_disconnect(socket, text);
}

static const struct endpoint_call bind_call = {
    .name = "bind",
    .use = MCQ_ENDPOINT_BIND,
    .run = mcq_socket_bind,
    .looks_up = true,
    .not_found = ENODEV,
    .not_found_text = "there is no such host or interface",
};
static const struct endpoint_call connect_call = {
    .name = "connect",
    .use = MCQ_ENDPOINT_CONNECT,
    .run = mcq_socket_connect,
    .looks_up = true,
    .not_found = EHOSTUNREACH,
    .not_found_text = "there is no such host",
};
static const struct endpoint_call unbind_call = {
    .name = "unbind",
    .use = MCQ_ENDPOINT_BIND,
    .run = run_unbind,
    .not_found = ENOENT,
    .not_found_text = "this socket is not bound to it",
};
static const struct endpoint_call disconnect_call = {
    .name = "disconnect",
    .use = MCQ_ENDPOINT_CONNECT,
    .run = run_disconnect,
    .not_found = ENOENT,
    .not_found_text = "this socket does not connect to it",
};

static int errno_of(const struct endpoint_call *call, enum mcq_err err)
{
    switch (err) {
    case MCQ_NOT_FOUND: return call->not_found;
    case MCQ_NOT_SUPPORTED: return EPROTONOSUPPORT;
    case MCQ_MISMATCH: return EISCONN;
    default: return mcq_err_errno(err);
    }
}

/* What an error means where the general text does not say enough. */
struct endpoint_text_row {
    enum mcq_scheme scheme;
    enum mcq_err err;
    int number;
    const char *text;
};

static const struct endpoint_text_row bind_table[] = {
    {MCQ_SCHEME_IPC, MCQ_NOT_FOUND, ENOENT, "the folder is not there; make it first"},
    {MCQ_SCHEME_IPC, MCQ_IN_USE, EADDRINUSE,
     "somebody listens there, or it is a file of another kind"},
    {MCQ_SCHEME_IPC, MCQ_DENIED, EACCES, "nothing may be made in this folder"},
    {MCQ_SCHEME_IPC, MCQ_TOO_LONG, ENAMETOOLONG,
     "the folder for temporary files has too long a name; set TMPDIR to another one"},
};

static const struct endpoint_text_row *
find_text(const struct endpoint_call *call, const struct mcq_endpoint *endpoint, enum mcq_err err)
{
    for (size_t i = 0; call == &bind_call && i < MCQ_COUNTOF(bind_table); i++)
        if (bind_table[i].scheme == endpoint->scheme && bind_table[i].err == err)
            return &bind_table[i];
    return NULL;
}

/* A port that is a number, but none that ports have. NULL: something else is wrong. */
static const char *too_large_port(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

    return digits > 0 && colon[1 + digits] == '\0' ? colon + 1 : NULL;
}

/* An IPv6 address, where only names and IPv4 are looked up. */
static bool lacks_ipv6(const struct mcq_socket *socket, const struct mcq_endpoint *endpoint)
{
    return endpoint->host.len > 0 && memchr(endpoint->host.data, ':', endpoint->host.len) != NULL &&
           !__atomic_load_n(&socket->options.is_ipv6, __ATOMIC_RELAXED);
}

/* Nothing that any call could take. */
static bool is_rubbish(enum mcq_endpoint_fault fault)
{
    return fault == MCQ_ENDPOINT_NO_SCHEME || fault == MCQ_ENDPOINT_UNKNOWN_SCHEME ||
           fault == MCQ_ENDPOINT_NO_ADDRESS;
}

static MCQ_COLD int fail_endpoint(const struct endpoint_call *call, const struct mcq_socket *socket,
                                  const char *endpoint, enum mcq_err err, const char *fault)
{
    struct mcq_endpoint parsed;
    enum mcq_endpoint_fault found = mcq_endpoint_parse(mcq_bytes_of(endpoint), call->use, &parsed);
    const char *port = found == MCQ_ENDPOINT_BAD_PORT ? too_large_port(endpoint) : NULL;
    const struct endpoint_text_row *row =
        found == MCQ_ENDPOINT_GOOD ? find_text(call, &parsed, err) : NULL;
    int number = errno_of(call, err);

    if (err == MCQ_NOT_FOUND && is_rubbish(found))
        return mcq_fail(found == MCQ_ENDPOINT_UNKNOWN_SCHEME ? EPROTONOSUPPORT : EINVAL,
                        "%s %.200s: %s", call->name, endpoint, mcq_endpoint_fault_text(found));
    if (row != NULL)
        return mcq_fail(row->number, "%s %.200s: %s", call->name, endpoint, row->text);
    if (err == MCQ_INVAL && port != NULL)
        return mcq_fail(number, "%s %.200s: port %.20s is not in 0..65535", call->name, endpoint,
                        port);
    if (err == MCQ_NOT_FOUND && fault == NULL && call->looks_up && found == MCQ_ENDPOINT_GOOD &&
        lacks_ipv6(socket, &parsed))
        return mcq_fail(EINVAL, "%s %.200s: this is an IPv6 address; set IPV6 first", call->name,
                        endpoint);
    if (err == MCQ_NOT_FOUND && fault == NULL)
        fault = call->not_found_text;
    return mcq_fail(number, "%s %.200s: %s", call->name, endpoint,
                    fault != NULL ? fault
                                  : mcq_fail_text(MCQ_CALL_OTHER, mcq_fail_type(socket, err), err));
}

/* peer: what the pattern calls the peer that was attached; NULL: it is not asked. */
static int call_endpoint_of(const struct endpoint_call *call, struct mcq_socket *socket,
                            const char *endpoint, int64_t *peer)
{
    struct mcq_context *context;
    const char *fault = NULL;
    enum mcq_err err;
    bool is_mine;

    if (socket == NULL || endpoint == NULL)
        return mcq_fail_null(call->name, socket == NULL ? "socket" : "endpoint");
    err = mcq_socket_enter(socket);
    if (err == MCQ_OK) {
        err = call->run(socket, mcq_bytes_of(endpoint), &fault);
        if (err == MCQ_OK && peer != NULL)
            err = socket->pattern->ops->get(socket->pattern, MCQ_PATTERN_LAST_PEER, peer);
        context = socket->context;
        is_mine = mcq_engine_is_mine(socket->engine);
        mcq_socket_leave(socket); /* *socket may be gone, and the context with it */
        if (is_mine)              /* not so: only this thread ends the context */
            mcq_context_help(context);
    }
    return err == MCQ_OK ? 0 : fail_endpoint(call, socket, endpoint, err, fault);
}

static int call_endpoint(const struct endpoint_call *call, struct mcq_socket *socket,
                         const char *endpoint)
{
    return call_endpoint_of(call, socket, endpoint, NULL);
}

int mcq_bind(struct mcq_socket *socket, const char *endpoint)
{
    return call_endpoint(&bind_call, socket, endpoint);
}

int mcq_unbind(struct mcq_socket *socket, const char *endpoint)
{
    return call_endpoint(&unbind_call, socket, endpoint);
}

int mcq_connect(struct mcq_socket *socket, const char *endpoint)
{
    return call_endpoint(&connect_call, socket, endpoint);
}

int mcq_connect_peer(struct mcq_socket *socket, const char *endpoint, uint32_t *routing_id)
{
    int64_t peer = 0;

    if (socket == NULL || routing_id == NULL)
        return mcq_fail_null("connect_peer", socket == NULL ? "socket" : "routing_id");
    if (socket->type != MCQ_SOCKET_TYPE_PEER)
        return mcq_fail(ENOTSUP, "connect_peer: the peers of a %s socket have no routing ids",
                        mcq_socket_type_name(socket->type));
    if (socket->options.is_immediate)
        return mcq_fail(EFAULT,
                        "connect_peer: with IMMEDIATE a peer has no routing id before it is there");
    if (call_endpoint_of(&connect_call, socket, endpoint, &peer) != 0)
        return -1;
    *routing_id = (uint32_t) peer;
    return 0;
}

int mcq_disconnect(struct mcq_socket *socket, const char *endpoint)
{
    return call_endpoint(&disconnect_call, socket, endpoint);
}

int mcq_wait_peers(struct mcq_socket *socket, uint32_t count, int timeout_ms)
{
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("wait_peers", "socket");
    err = mcq_socket_wait_peers(socket, count, timeout_ms);
    return err == MCQ_OK ? 0 : mcq_fail_on(socket, MCQ_CALL_WAIT_PEERS, err);
}

/* --- messages -------------------------------------------------------------------------------- */

/* Why the arguments of a send or recv cannot be. */
static MCQ_COLD int fail_arguments(const char *call, const struct mcq_socket *socket,
                                   const char *parameter, int flags, int known)
{
    if (socket == NULL)
        return mcq_fail_null(call, "socket");
    if ((flags & ~known) != 0)
        return mcq_fail(EINVAL, "%s: flag %d is unknown", call, flags & ~known);
    return mcq_fail_null(call, parameter);
}

/* As many as the result can count. */
static size_t batch_of(size_t count)
{
    return mcq_min_size(count, INT_MAX);
}

/* A timeout may be set while another thread is here. */
static inline int timeout_of(const int *option_ms, int flags)
{
    return flags & MCQ_DONTWAIT ? 0 : __atomic_load_n(option_ms, __ATOMIC_RELAXED);
}

static inline enum mcq_err send_part(struct mcq_socket *socket, struct mcq_part *part, int flags)
{
    part->more = (flags & MCQ_SNDMORE) != 0;
    return mcq_socket_send(socket, part, timeout_of(&socket->options.send_timeout_ms, flags));
}

/* Octets that are too many to be copied twice go as a message. */
static enum mcq_err send_long(struct mcq_socket *socket, struct mcq_bytes bytes, int flags)
{
    struct mcq_msg msg;
    struct mcq_part part = {.body = bytes, .more = (flags & MCQ_SNDMORE) != 0};
    enum mcq_err err;

    if (MCQ_UNLIKELY(mcq_msg_init_copy(&msg, bytes) != MCQ_OK))
        return mcq_socket_give_up(socket, &part);
    part = (struct mcq_part) {.body = mcq_msg_bytes(&msg), .msg = &msg};
    err = send_part(socket, &part, flags);
    mcq_msg_fini(&msg);
    return err;
}

int mcq_send(struct mcq_socket *socket, const void *data, size_t len, int flags)
{
    struct mcq_part part = {.body = mcq_bytes(data, len)};
    const int known = MCQ_DONTWAIT | MCQ_SNDMORE;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (data == NULL && len > 0) || (flags & ~known) != 0))
        return fail_arguments("send", socket, "data", flags, known);
    if (MCQ_LIKELY(len <= MCQ_WPUMP_COPY_MAX))
        err = send_part(socket, &part, flags);
    else
        err = send_long(socket, part.body, flags);
    return MCQ_LIKELY(err == MCQ_OK) ? 0 : mcq_fail_on(socket, MCQ_CALL_SEND, err);
}

/* Who makes messages of a size that a pool has, and sends them, may go on doing so. */
static inline void begin_own_pool(const struct mcq_msg *msg)
{
    if (MCQ_UNLIKELY(msg->kind == MCQ_MSG_FILLING && mcq_own_blocks() == NULL) &&
        mcq_msg_len(msg) <= MCQ_OWN_BYTES_MAX)
        mcq_own_begin();
}

int mcq_send_message(struct mcq_socket *socket, struct mcq_message *message, int flags)
{
    struct mcq_msg *msg = mcq_msg_of(message);
    const int known = MCQ_DONTWAIT | MCQ_SNDMORE;
    struct mcq_part part;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || message == NULL || (flags & ~known) != 0))
        return fail_arguments("send_message", socket, "message", flags, known);
    begin_own_pool(msg);
    part = (struct mcq_part) {.body = mcq_msg_bytes(msg), .msg = msg};
    err = send_part(socket, &part, flags);
    if (MCQ_UNLIKELY(err != MCQ_OK))
        return mcq_fail_on(socket, MCQ_CALL_SEND, err);
    mcq_msg_fini(msg); /* a type that drops a message leaves it to us */
    return 0;
}

int mcq_reserve(struct mcq_socket *socket, struct mcq_message *message, size_t len)
{
    return mcq_reserve_batch(socket, message, 1, len) == 1 ? 0 : -1;
}

int mcq_reserve_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count,
                      size_t len)
{
    size_t made_count;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (messages == NULL && count > 0)))
        return mcq_fail_null("reserve", socket == NULL ? "socket" : "message");
    err = mcq_socket_reserve(socket, mcq_msg_of(messages), batch_of(count), len, &made_count);
    return MCQ_LIKELY(err == MCQ_OK) ? (int) made_count
                                     : mcq_fail_on(socket, MCQ_CALL_RESERVE, err);
}

int mcq_commit(struct mcq_socket *socket, struct mcq_message *message, size_t len, int flags)
{
    size_t before;

    if (MCQ_UNLIKELY(socket == NULL || message == NULL))
        return mcq_fail_null("commit", socket == NULL ? "socket" : "message");
    before = mcq_msg_len(mcq_msg_of(message));
    if (MCQ_UNLIKELY(len > before))
        return mcq_fail(EINVAL, "commit of %zu octets: the message has room for %zu", len, before);
    mcq_msg_cut(mcq_msg_of(message), len);
    if (MCQ_LIKELY(mcq_send_message(socket, message, flags) == 0))
        return 0;
    mcq_msg_cut(mcq_msg_of(message), before);
    return -1;
}

ptrdiff_t mcq_recv(struct mcq_socket *socket, void *buffer, size_t len, int flags)
{
    enum mcq_err err;
    size_t size;

    if (MCQ_UNLIKELY(socket == NULL || (buffer == NULL && len > 0) || (flags & ~MCQ_DONTWAIT) != 0))
        return fail_arguments("recv", socket, "buffer", flags, MCQ_DONTWAIT);
    err = mcq_socket_recv_octets(socket, buffer, len, &size,
                                 timeout_of(&socket->options.recv_timeout_ms, flags));
    if (MCQ_UNLIKELY(err != MCQ_OK))
        return mcq_fail_on(socket, MCQ_CALL_RECV, err);
    return (ptrdiff_t) size;
}

int mcq_recv_message(struct mcq_socket *socket, struct mcq_message *message, int flags)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || message == NULL || (flags & ~MCQ_DONTWAIT) != 0))
        return fail_arguments("recv_message", socket, "message", flags, MCQ_DONTWAIT);
    err = mcq_socket_recv_again(socket, mcq_msg_of(message),
                                timeout_of(&socket->options.recv_timeout_ms, flags));
    if (MCQ_LIKELY(err == MCQ_OK))
        return 0;
    return mcq_fail_on(socket, MCQ_CALL_RECV, err);
}

/* --- batches --------------------------------------------------------------------------------- */

int mcq_send_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count, int flags)
{
    const int known = MCQ_DONTWAIT | MCQ_SNDMORE;
    size_t sent_count;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (messages == NULL && count > 0) || (flags & ~known) != 0))
        return fail_arguments("send_batch", socket, "messages", flags, known);
    if (count > 0)
        begin_own_pool(mcq_msg_of(messages));
    err = mcq_socket_send_batch(socket, mcq_msg_of(messages), batch_of(count),
                                (flags & MCQ_SNDMORE) != 0,
                                timeout_of(&socket->options.send_timeout_ms, flags), &sent_count);
    return MCQ_LIKELY(err == MCQ_OK) ? (int) sent_count : mcq_fail_on(socket, MCQ_CALL_SEND, err);
}

int mcq_recv_batch(struct mcq_socket *socket, struct mcq_message *messages, size_t count, int flags)
{
    size_t taken_count;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (messages == NULL && count > 0) ||
                     (flags & ~MCQ_DONTWAIT) != 0))
        return fail_arguments("recv_batch", socket, "messages", flags, MCQ_DONTWAIT);
    err = mcq_socket_recv_batch(socket, mcq_msg_of(messages), batch_of(count),
                                timeout_of(&socket->options.recv_timeout_ms, flags), &taken_count);
    return MCQ_LIKELY(err == MCQ_OK) ? (int) taken_count : mcq_fail_on(socket, MCQ_CALL_RECV, err);
}

int mcq_send_parts(struct mcq_socket *socket, struct mcq_message *parts, size_t count, int flags)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (parts == NULL && count > 0) ||
                     (flags & ~MCQ_DONTWAIT) != 0))
        return fail_arguments("send_parts", socket, "parts", flags, MCQ_DONTWAIT);
    err = mcq_socket_send_parts(socket, mcq_msg_of(parts), count,
                                timeout_of(&socket->options.send_timeout_ms, flags));
    return MCQ_LIKELY(err == MCQ_OK) ? 0 : mcq_fail_on(socket, MCQ_CALL_SEND, err);
}

int mcq_recv_parts(struct mcq_socket *socket, struct mcq_message *parts, size_t count, int flags)
{
    size_t taken_count;
    enum mcq_err err;

    if (MCQ_UNLIKELY(socket == NULL || (parts == NULL && count > 0) ||
                     (flags & ~MCQ_DONTWAIT) != 0))
        return fail_arguments("recv_parts", socket, "parts", flags, MCQ_DONTWAIT);
    err = mcq_socket_recv_parts(socket, mcq_msg_of(parts), batch_of(count),
                                timeout_of(&socket->options.recv_timeout_ms, flags), &taken_count);
    return MCQ_LIKELY(err == MCQ_OK) ? (int) taken_count : mcq_fail_on(socket, MCQ_CALL_RECV, err);
}
