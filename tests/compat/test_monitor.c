/* zmq_socket_monitor: what is told, in which order, and when it ends. */

#include "compat/test_support.h"

struct event {
    uint16_t number;
    int32_t value;
    char endpoint[ENDPOINT_BYTES];
};

static struct event next_event(void *pair)
{
    unsigned char frame[16];
    struct event event;
    int len;

    assert_int_equal(zmq_recv(pair, frame, sizeof frame, 0), 6);
    memcpy(&event.number, frame, 2);
    memcpy(&event.value, frame + 2, 4);
    assert_int_equal(zmq_number(pair, ZMQ_RCVMORE), 1);
    len = zmq_recv(pair, event.endpoint, sizeof event.endpoint - 1, 0);
    assert_in_range(len, 0, sizeof event.endpoint - 1);
    event.endpoint[len] = '\0';
    assert_int_equal(zmq_number(pair, ZMQ_RCVMORE), 0);
    return event;
}

static struct event expect_event(void *pair, uint16_t number, const char *endpoint)
{
    struct event event = next_event(pair);

    assert_int_equal(event.number, number);
    assert_string_equal(event.endpoint, endpoint);
    return event;
}

static void *monitor_of(void *context, void *socket, const char *name, int events)
{
    void *pair = zmq_open(context, ZMQ_PAIR);

    assert_zmq(zmq_socket_monitor(socket, name, events));
    assert_zmq(zmq_connect(pair, name));
    return pair;
}

static void events__of_a_connection__come_in_order(void)
{
    void *context = zmq_ctx_new();
    void *bound = zmq_open(context, ZMQ_PULL);
    void *connected = zmq_open(context, ZMQ_PUSH);
    void *of_bound = monitor_of(context, bound, "inproc://bound", ZMQ_EVENT_ALL);
    void *of_connected = monitor_of(context, connected, "inproc://connected", ZMQ_EVENT_ALL);
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;

    zmq_join(bound, connected);
    assert_zmq(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &len));
    assert_true(expect_event(of_bound, ZMQ_EVENT_LISTENING, endpoint).value > 2);
    assert_true(expect_event(of_bound, ZMQ_EVENT_ACCEPTED, endpoint).value > 2);
    (void) expect_event(of_bound, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, endpoint);
    (void) expect_event(of_connected, ZMQ_EVENT_CONNECT_DELAYED, endpoint);
    assert_true(expect_event(of_connected, ZMQ_EVENT_CONNECTED, endpoint).value > 2);
    (void) expect_event(of_connected, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, endpoint);
    assert_zmq(zmq_close(connected));
    (void) expect_event(of_connected, ZMQ_EVENT_MONITOR_STOPPED, "");
    (void) expect_event(of_bound, ZMQ_EVENT_DISCONNECTED, endpoint);
    assert_zmq(zmq_unbind(bound, endpoint));
    (void) expect_event(of_bound, ZMQ_EVENT_CLOSED, endpoint);
    assert_zmq(zmq_close(bound));
    (void) expect_event(of_bound, ZMQ_EVENT_MONITOR_STOPPED, "");
    assert_zmq(zmq_close(of_bound));
    assert_zmq(zmq_close(of_connected));
    assert_zmq(zmq_ctx_term(context));
}

static void events__of_attempts_in_vain__repeat(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PUSH);
    void *pair = monitor_of(context, socket, "inproc://vain", ZMQ_EVENT_ALL);
    char endpoint[ENDPOINT_BYTES];

    free_endpoint(endpoint);
    zmq_set_number(socket, ZMQ_LINGER, 0);
    zmq_set_number(socket, ZMQ_RECONNECT_IVL, 1);
    assert_zmq(zmq_connect(socket, endpoint));
    for (int i = 0; i < 3; i++) {
        (void) expect_event(pair, ZMQ_EVENT_CONNECT_DELAYED, endpoint);
        (void) expect_event(pair, ZMQ_EVENT_CLOSED, endpoint);
        assert_true(expect_event(pair, ZMQ_EVENT_CONNECT_RETRIED, endpoint).value >= 1);
    }
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_close(pair));
    assert_zmq(zmq_ctx_term(context));
}

static void mask__lets_through_only_what_was_asked_for(void)
{
    void *context = zmq_ctx_new();
    void *bound = zmq_open(context, ZMQ_PULL);
    void *connected = zmq_open(context, ZMQ_PUSH);
    void *pair =
        monitor_of(context, bound, "inproc://mask", ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_MONITOR_STOPPED);

    zmq_join(bound, connected);
    zmq_say(connected, "x", 0);
    zmq_expect(bound, "x");
    assert_int_equal(next_event(pair).number, ZMQ_EVENT_ACCEPTED);
    assert_zmq(zmq_socket_monitor(bound, NULL, 0));
    assert_int_equal(next_event(pair).number, ZMQ_EVENT_MONITOR_STOPPED);
    assert_zmq(zmq_close(connected));
    assert_zmq(zmq_close(bound));
    assert_zmq(zmq_close(pair));
    assert_zmq(zmq_ctx_term(context));
}

/* A monitor that nobody reads, in a context that ends before it is taken away. */
static void monitor__that_nobody_reads__stops_nobody(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);

    assert_zmq(zmq_socket_monitor(socket, "inproc://deaf", ZMQ_EVENT_ALL));
    for (int i = 0; i < 10; i++)
        assert_zmq(zmq_bind(socket, "tcp://127.0.0.1:*"));
    assert_zmq(zmq_socket_monitor(socket, "inproc://deaf-2", ZMQ_EVENT_ALL));
    assert_zmq(zmq_ctx_shutdown(context));
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void endpoint__that_is_not_inproc__is_refused(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);

    assert_fails(zmq_socket_monitor(socket, "tcp://127.0.0.1:*", 1), EPROTONOSUPPORT);
    assert_fails(zmq_socket_monitor(socket, "nothing", 1), EINVAL);
    assert_fails(zmq_socket_monitor(NULL, "inproc://x", 1), ENOTSOCK);
    assert_zmq(zmq_socket_monitor(socket, NULL, 0));
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

#define ON_BOTH(X)                                                                                 \
    X(events__of_a_connection__come_in_order)                                                      \
    X(events__of_attempts_in_vain__repeat)                                                         \
    X(mask__lets_through_only_what_was_asked_for)                                                  \
    X(monitor__that_nobody_reads__stops_nobody)                                                    \
    X(endpoint__that_is_not_inproc__is_refused)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.monitor");
}
