/*
 * zmq_proxy: the library's own, and for the steerable one what is said over its control socket:
 *
 *   PASSING --PAUSE--> PAUSED --RESUME--> PASSING      either --TERMINATE--> done
 */

#include "compat/compat.h"

static int send_statistics(struct mcq_proxy *proxy, struct mcq_socket *control)
{
    struct mcq_proxy_stats stats;

    if (mcq_proxy_stats(proxy, &stats, sizeof stats) != 0)
        return -1;

    const uint64_t values[] = {
        stats.front.messages_in, stats.front.bytes_in,   stats.front.messages_out,
        stats.front.bytes_out,   stats.back.messages_in, stats.back.bytes_in,
        stats.back.messages_out, stats.back.bytes_out,
    };

    for (size_t i = 0; i < ZMQ_COUNT(values); i++)
        if (mcq_send(control, &values[i], sizeof values[i],
                     i + 1 < ZMQ_COUNT(values) ? MCQ_SNDMORE : 0) != 0)
            return -1;
    return 0;
}

static bool is_word(const struct mcq_message *message, const void *data, const char *word)
{
    return mcq_message_size(message) == strlen(word) && memcmp(data, word, strlen(word)) == 0;
}

/* What the message asks for; a REP has to say something. */
static int obey(struct mcq_proxy *proxy, struct mcq_socket *control, int type,
                struct mcq_message *message)
{
    const void *data = mcq_message_data(message);
    int result = 0;

    if (is_word(message, data, "STATISTICS"))
        return send_statistics(proxy, control);
    if (is_word(message, data, "PAUSE"))
        result = mcq_proxy_tell(proxy, MCQ_PROXY_PAUSE);
    else if (is_word(message, data, "RESUME"))
        result = mcq_proxy_tell(proxy, MCQ_PROXY_RESUME);
    else if (is_word(message, data, "TERMINATE"))
        result = mcq_proxy_tell(proxy, MCQ_PROXY_STOP);
    if (result == 0 && type == ZMQ_REP)
        result = mcq_send(control, "", 0, 0);
    return result;
}

static int steer(struct mcq_proxy *proxy, struct mcq_socket *control, void *hint)
{
    struct mcq_message message;
    bool more;
    int result;

    (void) mcq_message_init(&message);
    if (mcq_recv_message(control, &message, MCQ_DONTWAIT) != 0)
        return errno == EAGAIN ? 0 : -1;
    more = mcq_message_more(&message);
    result = obey(proxy, control, ((struct zmq_socket *) hint)->type, &message);
    while (more && mcq_recv_message(control, &message, 0) == 0)
        more = mcq_message_more(&message);
    (void) mcq_message_close(&message);
    return result;
}

static int run(struct mcq_socket *front, struct mcq_socket *back, struct mcq_socket *capture,
               struct zmq_socket *control)
{
    struct mcq_proxy *proxy = mcq_proxy_new(front, back, capture);
    int result;
    int number;

    if (proxy == NULL)
        return -1;
    result = control != NULL ? mcq_proxy_set_control(proxy, control->inner, steer, control) : 0;
    if (result == 0)
        result = mcq_proxy_run(proxy);
    number = errno;
    (void) mcq_proxy_free(&proxy);
    errno = number;
    return result;
}

static int start(void *frontend, void *backend, void *capture, void *control)
{
    struct zmq_socket *front;
    struct zmq_socket *back;

    if (frontend == NULL || backend == NULL)
        return zmq_fail(EFAULT);
    front = zmq_socket_of(frontend);
    back = zmq_socket_of(backend);
    if (front == NULL || back == NULL || (capture != NULL && zmq_socket_of(capture) == NULL) ||
        (control != NULL && zmq_socket_of(control) == NULL))
        return -1;
    return run(front->inner, back->inner,
               capture != NULL ? ((struct zmq_socket *) capture)->inner : NULL, control);
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
