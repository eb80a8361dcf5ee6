#include <errno.h>
#include <inttypes.h>

#include "api/fail.h"
#include "api/option.h"

/* Fields that callers read without the lock (timeouts) are ints, and are read and written whole. */
static void store(struct mcq_socket *socket, const struct mcq_option_home *home, int64_t value)
{
    void *field = mcq_option_field(socket, home);

    if (home->kind == MCQ_KIND_INT)
        __atomic_store_n((int *) field, (int) value, __ATOMIC_RELAXED);
    else if (home->kind == MCQ_KIND_INT64)
        *(int64_t *) field = value;
    else
        *(bool *) field = value != 0;
}

static int64_t load(struct mcq_socket *socket, const struct mcq_option_home *home)
{
    const void *field = mcq_option_field(socket, home);

    if (home->kind == MCQ_KIND_INT)
        return *(const int *) field;
    if (home->kind == MCQ_KIND_INT64)
        return *(const int64_t *) field;
    return *(const bool *) field;
}

/* What holds for peers that are there. */
static enum mcq_err apply(struct mcq_socket *socket, const struct mcq_option_place *option,
                          int64_t value)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    const struct mcq_option_home *home = option->home;

    if (home->id == MCQ_OPTION_SUBSCRIPTIONS_MAX &&
        (ops->set == NULL ||
         ops->set(socket->pattern, MCQ_PATTERN_SUBSCRIPTION_BYTES, (int) value) != MCQ_OK))
        return MCQ_INVAL;
    if (home->id == MCQ_OPTION_ROUTER_RAW &&
        (ops->set == NULL ||
         ops->set(socket->pattern, MCQ_PATTERN_ROUTER_RAW, (int) value) != MCQ_OK))
        return MCQ_INVAL;
    if (home->id == MCQ_OPTION_CONFLATE && !mcq_option_is_of(option->row, socket->type))
        return MCQ_INVAL;
    store(socket, home, value);
    if (home->id == MCQ_OPTION_SNDHWM || home->id == MCQ_OPTION_RCVHWM)
        mcq_socket_apply_hwm(socket);
    return MCQ_OK;
}

static enum mcq_err set_in_pattern(struct mcq_socket *socket, const struct mcq_option_home *home,
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

static enum mcq_err add_rule(struct mcq_socket *socket, const struct mcq_option_home *home,
                             int64_t value)
{
    const struct mcq_admission_rule rule = {.kind = (enum mcq_admission_kind) home->at,
                                            .id = (uint32_t) value};

    return mcq_admission_add(&socket->options.admission, &rule);
}

int mcq_set(struct mcq_socket *socket, enum mcq_option id, int64_t value)
{
    struct mcq_option_place option;
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("set", "socket");
    option = mcq_option_place(id, MCQ_OPTION_SET, false);
    if (option.row == NULL)
        return -1;
    if (!mcq_option_takes(option.row, value))
        return mcq_fail(EINVAL, "set %s to %" PRId64 ": not in %" PRId64 "..%" PRIu64,
                        option.row->name, value, option.row->min, option.row->max);
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return mcq_option_fail("set", option.row, socket, err);
    if (option.home->kind == MCQ_KIND_PATTERN)
        err = set_in_pattern(socket, option.home, value);
    else if (option.home->kind == MCQ_KIND_RULE)
        err = add_rule(socket, option.home, value);
    else if (option.home->kind == MCQ_KIND_POLICY)
        err = set_policy(socket, (enum mcq_policy) value);
    else if (option.home->kind == MCQ_KIND_SECURITY)
        err = mcq_security_set_number(&socket->options.security, option.home->id, (int) value);
    else
        err = apply(socket, &option, value);
    mcq_socket_leave(socket);
    if (err == MCQ_INVAL)
        return mcq_option_fail_foreign("set", option.row, socket);
    if (err == MCQ_NOT_SUPPORTED)
        return mcq_fail(ENOTSUP, "set %s to %" PRId64 ": a %s socket has no use for it",
                        option.row->name, value, mcq_socket_type_name(socket->type));
    return err == MCQ_OK ? 0 : mcq_option_fail_full(option.row, socket, err);
}

static enum mcq_err get_events(struct mcq_socket *socket, int64_t *value)
{
    struct mcq_poll_item item = {.socket = socket, .events = POLLIN | POLLOUT};
    size_t ready_count;

    MCQ_TRY(mcq_socket_poll(&item, 1, 0, &ready_count));
    *value = (item.revents & POLLIN ? MCQ_POLLIN : 0) | (item.revents & POLLOUT ? MCQ_POLLOUT : 0);
    return MCQ_OK;
}

static enum mcq_err get_from_pattern(struct mcq_socket *socket, const struct mcq_option_home *home,
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

static enum mcq_err get(struct mcq_socket *socket, const struct mcq_option_place *option,
                        int64_t *value)
{
    const struct mcq_option_home *home = option->home;
    enum mcq_err err = MCQ_OK;

    if (home->id == MCQ_OPTION_RECV_FD || home->id == MCQ_OPTION_SEND_FD)
        return get_fd(socket, home->id == MCQ_OPTION_SEND_FD, value);
    if (home->id == MCQ_OPTION_EVENTS)
        return get_events(socket, value);
    if (home->id == MCQ_OPTION_FD)
        return get_hint(socket, value);
    MCQ_TRY(mcq_socket_enter(socket));
    if (!mcq_option_is_of(option->row, socket->type))
        err = MCQ_INVAL;
    else if (home->kind == MCQ_KIND_PATTERN)
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
    else if (home->kind == MCQ_KIND_SECURITY)
        *value = mcq_security_number(socket->options.security, home->id);
    else if (home->id == MCQ_OPTION_PARKED)
        *value = (int64_t) atomic_load_explicit(&socket->parked_count, memory_order_relaxed);
    else if (home->id == MCQ_OPTION_CROWDED)
        *value = (int64_t) atomic_load_explicit(&socket->crowded_count, memory_order_relaxed);
    else
        *value = load(socket, home);
    mcq_socket_leave(socket);
    return err;
}

int mcq_get(struct mcq_socket *socket, enum mcq_option id, int64_t *value)
{
    struct mcq_option_place option;
    enum mcq_err err;

    if (socket == NULL || value == NULL)
        return mcq_fail_null("get", socket == NULL ? "socket" : "value");
    option = mcq_option_place(id, MCQ_OPTION_GET, false);
    if (option.row == NULL)
        return -1;
    err = get(socket, &option, value);
    if (err == MCQ_INVAL)
        return mcq_option_fail_foreign("get", option.row, socket);
    return err == MCQ_OK ? 0 : mcq_option_fail("get", option.row, socket, err);
}
