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

#define MALFORMED "malformed_command"

/* libzmq's numbers for what a peer has broken: by the beginning of the rule's name and how it was,
 * the first row that fits. */
static const struct code_row {
    const char *rule;
    const char *reason; /* NULL: any */
    uint32_t code;
} code_rows[] = {
    {"greeting.v3.mechanism", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH},
    {"property", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA},
    {"READY.metadata", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA},
    {"ERROR.", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR},
    {"PLAIN.HELLO", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO},
    {"PLAIN.WELCOME", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME},
    {"PLAIN.INITIATE.metadata", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA},
    {"PLAIN.INITIATE", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE},
    {"CURVE.HELLO", MALFORMED, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO},
    {"CURVE.INITIATE.sealed.vouch.client", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE},
    {"CURVE.INITIATE", MALFORMED, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE},
    {"CURVE.READY", MALFORMED, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY},
    {"CURVE.MESSAGE.nonce", "", ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE},
    {"CURVE.MESSAGE.", MALFORMED, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE},
    {"CURVE.MESSAGE", MALFORMED, ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED},
    {"CURVE.MESSAGE", "unexpected_command", ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND},
    {"CURVE.server.wait_", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND},
    {"CURVE.client.wait_", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND},
    {"CURVE.server", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED},
    {"CURVE.client", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED},
    {"CURVE.", NULL, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC}, /* also a WELCOME of another size */
};

/* A rule of a state is broken by a command that has no place there. */
static uint32_t code_of(const struct mcq_report *report)
{
    for (size_t i = 0; i < ZMQ_COUNT(code_rows); i++) {
        const struct code_row *row = &code_rows[i];

        if (strncmp(report->rule, row->rule, strlen(row->rule)) == 0 &&
            (row->reason == NULL || strcmp(report->reason, row->reason) == 0))
            return row->code;
    }
    return strstr(report->rule, ".wait_") != NULL ? ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND
                                                  : ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED;
}

/* libzmq is silent about an end that its own side wanted, and connects over ipc at once. */
static bool is_silent(const struct mcq_report *report)
{
    return (report->kind == MCQ_REPORT_DISCONNECTED && report->cause == 0) ||
           (report->kind == MCQ_REPORT_CONNECT_DELAYED &&
            strncmp(report->endpoint, "ipc:", 4) == 0);
}

/* What ends a sealed connection is told as the handshake's fault there, whenever it comes. */
static bool is_broken_later(const struct mcq_report *report)
{
    return report->kind == MCQ_REPORT_DISCONNECTED && report->epoch != 0 &&
           strncmp(report->rule, "CURVE.", strlen("CURVE.")) == 0;
}

/* As libzmq tells it: another mechanism and a type that does not fit are faults of the peer's. */
static void tell(const struct mcq_report *report, void *hint)
{
    const struct zmq_socket *socket = hint;
    uint32_t code = code_of(report);
    int kind = (int) report->kind;
    uint32_t value = (uint32_t) report->value;

    if (is_broken_later(report) && (socket->monitor_kinds & ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL))
        send_event(socket->monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, code, report->endpoint);
    if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL &&
        (code == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ||
         code == ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA))
        kind = ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL && value == ECONNRESET)
        value = EPIPE; /* the peer has gone: so libzmq says it */
    if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
        value < ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED) /* else it is such a number already */
        value = code;
    if ((kind & socket->monitor_kinds) && !is_silent(report))
        send_event(socket->monitor, (uint16_t) kind, value, report->endpoint);
}

/* The mutex is held, and nothing is told any more. */
static void end(struct zmq_socket *socket)
{
    int linger_ms = 0;

    if (socket->monitor_kinds & ZMQ_EVENT_MONITOR_STOPPED)
        send_event(socket->monitor, ZMQ_EVENT_MONITOR_STOPPED, 0, "");
    (void) mcq_set(socket->monitor, MCQ_OPT_LINGER, linger_ms);
    (void) mcq_close(socket->monitor);
    socket->monitor = NULL;
}

void zmq_monitor_end(struct zmq_socket *socket)
{
    (void) pthread_mutex_lock(&socket->mutex);
    if (socket->monitor != NULL)
        end(socket);
    (void) pthread_mutex_unlock(&socket->mutex);
}

/* The mutex is held. */
static int start(struct zmq_socket *socket, const char *endpoint, int events)
{
    struct mcq_socket *pair = mcq_socket(socket->context->inner, MCQ_PAIR);
    unsigned kinds = (unsigned) events;
    int number;

    if (pair == NULL)
        return -1;
    if (events & ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        kinds |= ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_DISCONNECTED; /* some of these are told as those */
    socket->monitor = pair;
    socket->monitor_kinds = events;
    if (mcq_bind(pair, endpoint) == 0 && mcq_monitor(socket->inner, kinds, tell, socket) == 0)
        return 0;
    number = errno;
    socket->monitor = NULL;
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
    if (socket->monitor != NULL) {
        (void) mcq_monitor(socket->inner, 0, NULL, NULL);
        end(socket);
    }
    if (endpoint != NULL)
        result = start(socket, endpoint, events);
    (void) pthread_mutex_unlock(&socket->mutex);
    return result;
}
