/*
 * zmq_socket_monitor: the library's reports as messages of a PAIR, which the context's threads
 * write and the application reads at the other end of an inproc name.
 *
 * Each is two frames: a number of 16 bits and a value of 32, in the machine's order and without a
 * gap, then the endpoint. Nobody waits: what the PAIR has no room for is dropped, both frames.
 */

#include <stdlib.h>

#include "compat/compat.h"

#define EVENT_BYTES (sizeof(uint16_t) + sizeof(uint32_t))

static void send_event(struct mcq_socket *pair, uint16_t event, uint32_t value,
                       const char *endpoint)
{
    unsigned char frame[EVENT_BYTES];

    memcpy(frame, &event, sizeof event);
    memcpy(frame + sizeof event, &value, sizeof value);
    if (mcq_send(pair, frame, sizeof frame, MCQ_SNDMORE | MCQ_DONTWAIT) == 0)
        (void) mcq_send(pair, endpoint, strlen(endpoint), MCQ_DONTWAIT);
}

/* What libzmq would say where it knows more than an errno. */
static uint32_t value_of(const struct mcq_report *report)
{
    bool is_errno = report->value < ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED;

    return report->kind == MCQ_REPORT_HANDSHAKE_BROKEN && is_errno
               ? ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED
               : (uint32_t) report->value;
}

static void tell(const struct mcq_report *report, void *hint)
{
    send_event(hint, (uint16_t) report->kind, value_of(report), report->endpoint);
}

/* The mutex is held. */
static void stop(struct zmq_socket *socket)
{
    int linger_ms = 0;

    if (socket->monitor == NULL)
        return;
    (void) mcq_monitor(socket->inner, 0, NULL, NULL);
    if (socket->monitor_kinds & ZMQ_EVENT_MONITOR_STOPPED)
        send_event(socket->monitor, ZMQ_EVENT_MONITOR_STOPPED, 0, "");
    (void) mcq_set(socket->monitor, MCQ_OPT_LINGER, linger_ms);
    (void) mcq_close(socket->monitor);
    socket->monitor = NULL;
}

void zmq_monitor_stop(struct zmq_socket *socket)
{
    (void) pthread_mutex_lock(&socket->mutex);
    stop(socket);
    (void) pthread_mutex_unlock(&socket->mutex);
}

/* The mutex is held. */
static int start(struct zmq_socket *socket, const char *endpoint, int events)
{
    struct mcq_socket *pair = mcq_socket(socket->context->inner, MCQ_PAIR);
    int number;

    if (pair == NULL)
        return -1;
    if (mcq_bind(pair, endpoint) == 0 &&
        mcq_monitor(socket->inner, (unsigned) events, tell, pair) == 0) {
        socket->monitor = pair;
        socket->monitor_kinds = events;
        return 0;
    }
    number = errno;
    (void) mcq_close(pair);
    return zmq_fail(number);
}

int zmq_socket_monitor(void *handle, const char *endpoint, int events)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    static const char inproc[] = "inproc://";
    int result = 0;

    if (socket == NULL)
        return -1;
    if (endpoint != NULL && strstr(endpoint, "://") == NULL)
        return zmq_fail(EINVAL);
    if (endpoint != NULL && strncmp(endpoint, inproc, sizeof inproc - 1) != 0)
        return zmq_fail(EPROTONOSUPPORT);
    (void) pthread_mutex_lock(&socket->mutex);
    stop(socket);
    if (endpoint != NULL)
        result = start(socket, endpoint, events);
    (void) pthread_mutex_unlock(&socket->mutex);
    return result;
}
