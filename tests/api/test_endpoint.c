#include "api/test_support.h"

/* As long as a text may be; none of it reaches the resolver. */
static void text__of_any_length__is_einval(void)
{
    enum { LEN = 5000 };
    static char digits[LEN + 1];
    static char text[LEN + 64];
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    memset(digits, '9', LEN);
    (void) snprintf(text, sizeof text, "tcp://127.0.0.1:%s", digits);
    assert_fails(mcq_bind(pull, text), EINVAL);
    assert_true(strlen(mcq_last_error()) < 512);
    assert_fails(mcq_unbind(pull, text), ENOENT);
    assert_fails(mcq_unbind(pull, digits), EINVAL);
    (void) snprintf(text, sizeof text, "tcp://%s:5555", digits);
    assert_fails(mcq_connect(pull, text), EINVAL);
    end_world(&world);
}

static void addresses__that_cannot_be_had(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    assert_says_of(mcq_bind(other, endpoint), EADDRINUSE, "bind %s: the address is in use",
                   endpoint);
    assert_says(mcq_bind(other, "tcp://192.0.2.1:5555"), EADDRNOTAVAIL,
                "bind tcp://192.0.2.1:5555: the address is not of this machine");
    end_world(&world);
}

static void any_interface_and_any_port__can_be_connected_to(void)
{
    char endpoint[ENDPOINT_BYTES];
    char local[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, "tcp://*:*"));
    assert_works(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    assert_non_null(strrchr(endpoint, ':'));
    (void) snprintf(local, sizeof local, "tcp://127.0.0.1%.6s", strrchr(endpoint, ':'));
    assert_works(mcq_connect(push, local));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    end_world(&world);
}

/* "localhost" needs no name server. */
static void fault_d14__name_of_a_host__is_looked_up_and_delivers(void)
{
    char endpoint[ENDPOINT_BYTES];
    char named[ENDPOINT_BYTES];
    char last[ENDPOINT_BYTES];
    size_t len = sizeof last;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(pull, endpoint);
    (void) snprintf(named, sizeof named, "tcp://localhost%.6s", strrchr(endpoint, ':'));
    assert_works(mcq_connect(push, named));
    assert_works(mcq_get_bytes(push, MCQ_OPT_LAST_ENDPOINT, last, &len));
    assert_string_equal(last, named);
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_works(mcq_disconnect(push, named));
    end_world(&world);
}

static void source__is_connected_from(void)
{
    char endpoint[ENDPOINT_BYTES];
    char with_source[2 * ENDPOINT_BYTES];
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(pull, endpoint);
    (void) snprintf(with_source, sizeof with_source, "tcp://127.0.0.3:0;%s",
                    endpoint + strlen("tcp://"));
    assert_works(mcq_connect(push, with_source));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_works(mcq_disconnect(push, with_source));
    assert_says(mcq_connect(push, "tcp://127.0.0.1;127.0.0.1:5555"), EINVAL,
                "connect tcp://127.0.0.1;127.0.0.1:5555: what stands in front of the ';' is not "
                "written ADDRESS:PORT");
    end_world(&world);
}

/* Refused, and so the end of the endpoint: a connection that stood would take the messages. */
static void fault_d5__a_connection_to_ourselves__counts_as_refused(void)
{
    char endpoint[ENDPOINT_BYTES];
    char to_itself[2 * ENDPOINT_BYTES];
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(pull, endpoint); /* a port that is free once this is closed */
    close_socket(&world, pull);
    (void) snprintf(to_itself, sizeof to_itself, "%s;%s", endpoint, endpoint + strlen("tcp://"));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 0));
    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_STOP, 1));
    assert_works(mcq_connect(push, to_itself));
    while (mcq_send(push, "x", 1, MCQ_DONTWAIT) == 0 && now_ms() < end_ms)
        (void) sched_yield();
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    end_world(&world);
}

static void many_endpoints__all_deliver(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    for (int i = 0; i < 5; i++) {
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
        char endpoint[ENDPOINT_BYTES];

        bind_somewhere(pull, endpoint);
        assert_works(mcq_connect(push, endpoint));
        send_text(push, "hello", 0);
        expect_text(pull, "hello");
    }
    end_world(&world);
}

static void unbind__port_is_free_again_and_connections_stay(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);

    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_works(mcq_unbind(couple.bound, couple.endpoint));
    assert_fails(mcq_unbind(couple.bound, couple.endpoint), ENOENT);
    bind_again(other, couple.endpoint);
    send_text(couple.connected, "still here", 0);
    expect_text(couple.bound, "still here");
    end_world(&world);
}

static void unbind__text_as_it_was_bound__works_too(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(pull, "tcp://127.0.0.1:*"));
    assert_says(mcq_unbind(pull, "tcp://127.0.0.1:1"), ENOENT,
                "unbind tcp://127.0.0.1:1: this socket is not bound to it");
    assert_fails(mcq_disconnect(pull, "tcp://127.0.0.1:*"), ENOENT);
    assert_works(mcq_unbind(pull, "tcp://127.0.0.1:*"));
    end_world(&world);
}

static void disconnect__peer_is_gone(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "before", 0);
    expect_text(couple.bound, "before");
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    assert_fails(mcq_send(couple.connected, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_says_of(mcq_disconnect(couple.connected, couple.endpoint), ENOENT,
                   "disconnect %s: this socket does not connect to it", couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    send_text(couple.connected, "after", 0);
    expect_text(couple.bound, "after");
    end_world(&world);
}

static void null__is_efault(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_fails(mcq_bind(NULL, "tcp://*:*"), EFAULT);
    assert_fails(mcq_bind(pull, NULL), EFAULT);
    assert_fails(mcq_unbind(NULL, "tcp://*:*"), EFAULT);
    assert_fails(mcq_unbind(pull, NULL), EFAULT);
    assert_fails(mcq_connect(NULL, "tcp://*:*"), EFAULT);
    assert_fails(mcq_connect(pull, NULL), EFAULT);
    assert_fails(mcq_disconnect(NULL, "tcp://*:*"), EFAULT);
    assert_says(mcq_disconnect(pull, NULL), EFAULT, "disconnect: endpoint is NULL");
    assert_fails(mcq_wait_peers(NULL, 1, 0), EFAULT);
    assert_fails(mcq_close(NULL), EFAULT);
    end_world(&world);
}

static void closed_socket__every_call_is_enotsock(void)
{
    struct world world;
    int64_t value;
    size_t len = 0;

    begin_world(&world);
    struct mcq_socket *pair = open_socket(&world, MCQ_PAIR);
    struct mcq_poll_entry entry = {.socket = pair, .events = MCQ_POLLIN};
    struct mcq_message message;

    assert_works(mcq_message_init(&message));
    close_socket(&world, pair);
    assert_says(mcq_close(pair), ENOTSOCK, "close: the socket is closed");
    assert_says(mcq_bind(pair, "tcp://127.0.0.1:*"), ENOTSOCK,
                "bind tcp://127.0.0.1:*: the socket is closed");
    assert_fails(mcq_unbind(pair, "tcp://127.0.0.1:*"), ENOTSOCK);
    assert_fails(mcq_connect(pair, "tcp://127.0.0.1:9"), ENOTSOCK);
    assert_fails(mcq_disconnect(pair, "tcp://127.0.0.1:9"), ENOTSOCK);
    assert_fails(mcq_wait_peers(pair, 1, 0), ENOTSOCK);
    assert_fails(mcq_send(pair, "x", 1, 0), ENOTSOCK);
    assert_fails(mcq_send_message(pair, &message, 0), ENOTSOCK);
    assert_fails(mcq_recv(pair, NULL, 0, 0), ENOTSOCK);
    assert_fails(mcq_recv_message(pair, &message, 0), ENOTSOCK);
    assert_says(mcq_poll(&entry, 1, 0), ENOTSOCK, "poll: one of the sockets is closed");
    assert_says(mcq_set(pair, MCQ_OPT_LINGER, 0), ENOTSOCK, "set LINGER: the socket is closed");
    assert_fails(mcq_get(pair, MCQ_OPT_LINGER, &value), ENOTSOCK);
    assert_fails(mcq_get(pair, MCQ_OPT_EVENTS, &value), ENOTSOCK);
    assert_fails(mcq_set_bytes(pair, MCQ_OPT_ROUTING_ID, "x", 1), ENOTSOCK);
    assert_fails(mcq_get_bytes(pair, MCQ_OPT_ROUTING_ID, NULL, &len), ENOTSOCK);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(text__of_any_length__is_einval)                                                              \
    X(addresses__that_cannot_be_had)                                                               \
    X(any_interface_and_any_port__can_be_connected_to)                                             \
    X(fault_d14__name_of_a_host__is_looked_up_and_delivers)                                        \
    X(source__is_connected_from)                                                                   \
    X(fault_d5__a_connection_to_ourselves__counts_as_refused)                                      \
    X(many_endpoints__all_deliver)                                                                 \
    X(unbind__port_is_free_again_and_connections_stay)                                             \
    X(unbind__text_as_it_was_bound__works_too)                                                     \
    X(disconnect__peer_is_gone)                                                                    \
    X(null__is_efault)                                                                             \
    X(closed_socket__every_call_is_enotsock)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.endpoint");
}
