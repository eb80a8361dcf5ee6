/* ZMQ_FD and ZMQ_EVENTS: the edges that foreign loops of libzmq's programs depend on. */

#include <poll.h>

#include "compat/test_support.h"

static void *context;
static void *push;
static void *pull;
static int fd;

static void begin(void)
{
    context = zmq_ctx_new();
    push = zmq_open(context, ZMQ_PUSH);
    pull = zmq_open(context, ZMQ_PULL);
}

static void end(void)
{
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_ctx_term(context));
}

static bool is_readable(int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

/* As a loop does it: the descriptor, then EVENTS, then what there is. */
static void await(int events)
{
    while ((zmq_number(pull, ZMQ_EVENTS) & events) == 0)
        if (!is_readable(PATIENCE_MS))
            fail_msg("an edge was lost");
}

static void hint__of_messages__is_given_once_and_taken_back_by_events(void)
{
    begin();
    zmq_join(pull, push);
    fd = zmq_number(pull, ZMQ_FD);
    assert_int_equal(zmq_number(pull, ZMQ_FD), fd);
    for (int i = 0; i < 3; i++)
        zmq_say(push, "x", 0);
    await(ZMQ_POLLIN);
    assert_int_equal(zmq_recv(pull, NULL, 0, 0), 1);
    await(ZMQ_POLLIN);
    assert_int_equal(zmq_recv(pull, NULL, 0, 0), 1);
    await(ZMQ_POLLIN); /* all three are here: nothing else will raise it */
    assert_int_equal(zmq_number(pull, ZMQ_EVENTS), ZMQ_POLLIN);
    assert_false(is_readable(0));
    assert_int_equal(zmq_number(pull, ZMQ_EVENTS), ZMQ_POLLIN);
    assert_int_equal(zmq_recv(pull, NULL, 0, 0), 1);
    assert_fails(zmq_recv(pull, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    assert_false(is_readable(0));
    zmq_say(push, "y", 0);
    assert_true(is_readable(PATIENCE_MS));
    assert_int_equal(zmq_number(pull, ZMQ_EVENTS), ZMQ_POLLIN);
    end();
}

/* Whoever waits by the descriptor alone, many times over. */
static void exchange(const char *endpoint)
{
    begin();
    assert_zmq(zmq_bind(pull, endpoint));
    if (strncmp(endpoint, "inproc", 6) != 0) {
        char bound[ENDPOINT_BYTES];
        size_t len = sizeof bound;

        assert_zmq(zmq_getsockopt(pull, ZMQ_LAST_ENDPOINT, bound, &len));
        assert_zmq(zmq_connect(push, bound));
    } else {
        assert_zmq(zmq_connect(push, endpoint));
    }
    fd = zmq_number(pull, ZMQ_FD);
    for (int i = 0; i < 2000; i++) {
        for (int j = 0; j <= i % 3; j++)
            zmq_say(push, "z", 0);
        for (int j = 0; j <= i % 3; j++) {
            await(ZMQ_POLLIN);
            assert_int_equal(zmq_recv(pull, NULL, 0, ZMQ_DONTWAIT), 1);
        }
    }
    end();
}

static void edges__over_tcp__are_never_lost(void)
{
    exchange("tcp://127.0.0.1:*");
}

static void edges__over_inproc__are_never_lost(void)
{
    exchange("inproc://edges");
}

static void hint__of_a_shutdown__is_given(void)
{
    size_t len = sizeof(int);
    int value;

    begin();
    fd = zmq_number(pull, ZMQ_FD);
    assert_int_equal(zmq_number(pull, ZMQ_EVENTS), 0);
    assert_false(is_readable(0));
    assert_zmq(zmq_ctx_shutdown(context));
    assert_true(is_readable(PATIENCE_MS));
    assert_fails(zmq_getsockopt(pull, ZMQ_EVENTS, &value, &len), ETERM);
    end();
}

static void hint__of_a_peer__is_given_to_a_sender(void)
{
    begin();
    fd = zmq_number(push, ZMQ_FD);
    assert_zmq(zmq_bind(push, "inproc://sender"));
    assert_int_equal(zmq_number(push, ZMQ_EVENTS), 0);
    assert_zmq(zmq_connect(pull, "inproc://sender"));
    assert_true(is_readable(PATIENCE_MS));
    assert_int_equal(zmq_number(push, ZMQ_EVENTS), ZMQ_POLLOUT);
    end();
}

#define ON_BOTH(X)                                                                                 \
    X(hint__of_messages__is_given_once_and_taken_back_by_events)                                   \
    X(edges__over_tcp__are_never_lost)                                                             \
    X(edges__over_inproc__are_never_lost)                                                          \
    X(hint__of_a_shutdown__is_given)                                                               \
    X(hint__of_a_peer__is_given_to_a_sender)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.fd");
}
