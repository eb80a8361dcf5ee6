/*
 * zmq_proxy: what comes in at one socket goes out at another, both ways.
 *
 *   PASSING --PAUSE--> PAUSED --RESUME--> PASSING      either --TERMINATE--> done
 *
 * A message is taken only if the other side would take it now, so no message is held in between.
 */

#include <poll.h>

#include "compat/compat.h"

#define BURST 1000 /* messages one way before the other way has its turn */

struct side {
    struct zmq_socket *socket;
    uint64_t messages_in;
    uint64_t bytes_in;
    uint64_t messages_out;
    uint64_t bytes_out;
    bool can_recv;
    bool can_send;
};

struct proxy {
    struct side front;
    struct side back;
    struct mcq_socket *capture; /* NULL: none */
    struct zmq_socket *control; /* NULL: none */
    bool is_paused;
    bool is_done;
};

/* --- passing --------------------------------------------------------------------------------- */

static int copy_to(struct mcq_socket *capture, struct mcq_message *message, bool more)
{
    struct mcq_message copy;
    int result;

    if (capture == NULL)
        return 0;
    (void) mcq_message_init(&copy);
    (void) mcq_message_copy(&copy, message);
    result = mcq_send_message(capture, &copy, more ? MCQ_SNDMORE : 0);
    if (result != 0) {
        int number = errno;

        (void) mcq_message_close(&copy);
        errno = number;
    }
    return result;
}

/* One message, all of its parts. EAGAIN: there was none. */
static int pass_one(struct proxy *proxy, struct side *from, struct side *to)
{
    struct mcq_message part;
    bool more = true;
    int result = 0;
    int flags = MCQ_DONTWAIT;

    (void) mcq_message_init(&part);
    for (; more && result == 0; flags = 0) {
        result = mcq_recv_message(from->socket->inner, &part, flags);
        if (result != 0)
            break;
        more = mcq_message_more(&part);
        from->bytes_in += mcq_message_size(&part);
        to->bytes_out += mcq_message_size(&part);
        result = copy_to(proxy->capture, &part, more);
        if (result == 0)
            result = mcq_send_message(to->socket->inner, &part, more ? MCQ_SNDMORE : 0);
    }
    if (result != 0) {
        int number = errno;

        (void) mcq_message_close(&part);
        return zmq_fail(number);
    }
    from->messages_in++;
    to->messages_out++;
    return 0;
}

static int look(struct side *side)
{
    int64_t events;

    if (mcq_get(side->socket->inner, MCQ_OPT_EVENTS, &events) != 0)
        return -1;
    side->can_recv = (events & MCQ_POLLIN) != 0;
    side->can_send = (events & MCQ_POLLOUT) != 0;
    return 0;
}

/* A socket that is both sides answers what it has just received: there is always room. */
static bool is_single(const struct proxy *proxy)
{
    return proxy->front.socket == proxy->back.socket;
}

static int look_at_both(struct proxy *proxy)
{
    if (look(&proxy->front) != 0 || look(&proxy->back) != 0)
        return -1;
    if (is_single(proxy))
        proxy->back.can_send = proxy->front.can_send = true;
    return 0;
}

static int pass(struct proxy *proxy, struct side *from, struct side *to)
{
    for (int i = 0; i < BURST && from->can_recv && to->can_send; i++) {
        if (pass_one(proxy, from, to) != 0 && errno != EAGAIN)
            return -1;
        if (look_at_both(proxy) != 0)
            return -1;
    }
    return 0;
}

/* --- steering -------------------------------------------------------------------------------- */

static int send_statistics(struct proxy *proxy)
{
    const struct side *front = &proxy->front;
    const struct side *back = &proxy->back;
    const uint64_t values[] = {
        front->messages_in, front->bytes_in, front->messages_out, front->bytes_out,
        back->messages_in,  back->bytes_in,  back->messages_out,  back->bytes_out,
    };

    for (size_t i = 0; i < ZMQ_COUNT(values); i++)
        if (mcq_send(proxy->control->inner, &values[i], sizeof values[i],
                     i + 1 < ZMQ_COUNT(values) ? MCQ_SNDMORE : 0) != 0)
            return -1;
    return 0;
}

/* A REP has to say something. */
static int answer(struct proxy *proxy)
{
    return proxy->control->type == ZMQ_REP ? mcq_send(proxy->control->inner, "", 0, 0) : 0;
}

static bool is_word(const struct mcq_message *message, const void *data, const char *word)
{
    return mcq_message_size(message) == strlen(word) && memcmp(data, word, strlen(word)) == 0;
}

static int steer(struct proxy *proxy)
{
    struct mcq_message message;
    const void *data;
    int result = 0;
    bool more;

    (void) mcq_message_init(&message);
    if (mcq_recv_message(proxy->control->inner, &message, MCQ_DONTWAIT) != 0)
        return errno == EAGAIN ? 0 : -1;
    data = mcq_message_data(&message);
    more = mcq_message_more(&message);
    if (is_word(&message, data, "STATISTICS"))
        result = send_statistics(proxy);
    else if (is_word(&message, data, "PAUSE"))
        proxy->is_paused = true;
    else if (is_word(&message, data, "RESUME"))
        proxy->is_paused = false;
    else if (is_word(&message, data, "TERMINATE"))
        proxy->is_done = true;
    if (!is_word(&message, data, "STATISTICS"))
        result = answer(proxy);
    while (more && mcq_recv_message(proxy->control->inner, &message, 0) == 0)
        more = mcq_message_more(&message);
    (void) mcq_message_close(&message);
    return result;
}

/* --- the loop -------------------------------------------------------------------------------- */

static bool can_pass(const struct proxy *proxy)
{
    return !proxy->is_paused && ((proxy->front.can_recv && proxy->back.can_send) ||
                                 (proxy->back.can_recv && proxy->front.can_send));
}

/* Whoever is known to have something is not asked again: the other side is, for room. */
static int wait_for_work(struct proxy *proxy)
{
    struct side *front = &proxy->front;
    struct side *back = &proxy->back;
    struct mcq_poll_entry entries[3] = {
        {.socket = front->socket->inner},
        {.socket = back->socket->inner},
        {.socket = proxy->control != NULL ? proxy->control->inner : NULL, .events = MCQ_POLLIN},
    };
    size_t count = proxy->control != NULL ? 3 : 2;

    if (!proxy->is_paused) {
        entries[0].events = (short) ((front->can_recv ? 0 : MCQ_POLLIN) |
                                     (back->can_recv && !front->can_send ? MCQ_POLLOUT : 0));
        entries[1].events = (short) ((back->can_recv ? 0 : MCQ_POLLIN) |
                                     (front->can_recv && !back->can_send ? MCQ_POLLOUT : 0));
    }
    if (is_single(proxy))
        entries[1] = (struct mcq_poll_entry) {.fd = -1};
    if (mcq_poll(entries, count, can_pass(proxy) ? 0 : -1) < 0)
        return -1;
    if (look_at_both(proxy) != 0)
        return -1;
    return proxy->control != NULL && (entries[2].revents & MCQ_POLLIN) ? steer(proxy) : 0;
}

static int run(struct proxy *proxy)
{
    if (look_at_both(proxy) != 0)
        return -1;
    while (!proxy->is_done) {
        if (!proxy->is_paused) {
            if (pass(proxy, &proxy->front, &proxy->back) != 0)
                return -1;
            if (!is_single(proxy) && pass(proxy, &proxy->back, &proxy->front) != 0)
                return -1;
        }
        if (wait_for_work(proxy) != 0)
            return -1;
    }
    return 0;
}

static int start(void *frontend, void *backend, void *capture, void *control)
{
    struct proxy proxy = {0};

    if (frontend == NULL || backend == NULL)
        return zmq_fail(EFAULT);
    proxy.front.socket = zmq_socket_of(frontend);
    proxy.back.socket = zmq_socket_of(backend);
    if (proxy.front.socket == NULL || proxy.back.socket == NULL)
        return -1;
    if (capture != NULL) {
        if (zmq_socket_of(capture) == NULL)
            return -1;
        proxy.capture = zmq_socket_of(capture)->inner;
    }
    if (control != NULL) {
        proxy.control = zmq_socket_of(control);
        if (proxy.control == NULL)
            return -1;
    }
    return run(&proxy);
}

int zmq_proxy(void *frontend, void *backend, void *capture)
{
    return start(frontend, backend, capture, NULL);
}

int zmq_proxy_steerable(void *frontend, void *backend, void *capture, void *control)
{
    return start(frontend, backend, capture, control);
}

int zmq_device(int type, void *frontend, void *backend)
{
    (void) type;
    return start(frontend, backend, NULL, NULL);
}
