/* Proxies, steered and not. */

#include "compat/test_support.h"

struct sides {
    void *front;
    void *back;
    void *capture;
    void *control;
};

static int proxy(void *argument)
{
    struct sides *sides = argument;

    if (sides->control == NULL)
        return zmq_proxy(sides->front, sides->back, sides->capture);
    return zmq_proxy_steerable(sides->front, sides->back, sides->capture, sides->control);
}

static void close_all(struct sides *sides)
{
    assert_zmq(zmq_close(sides->front));
    assert_zmq(zmq_close(sides->back));
    if (sides->capture != NULL)
        assert_zmq(zmq_close(sides->capture));
    if (sides->control != NULL)
        assert_zmq(zmq_close(sides->control));
}

static void proxy__between_requests_and_a_reply__passes_both_ways_and_shows(void)
{
    void *context = zmq_ctx_new();
    struct sides sides = {zmq_open(context, ZMQ_ROUTER), zmq_open(context, ZMQ_DEALER),
                          zmq_open(context, ZMQ_PUSH), NULL};
    void *seen = zmq_open(context, ZMQ_PULL);
    void *req = zmq_open(context, ZMQ_REQ);
    void *rep = zmq_open(context, ZMQ_REP);
    struct helper helper;
    char id[16];

    zmq_join(sides.front, req);
    zmq_join(sides.back, rep);
    assert_zmq(zmq_bind(sides.capture, "inproc://seen"));
    assert_zmq(zmq_connect(seen, "inproc://seen"));
    start_helper(&helper, proxy, &sides);
    for (int i = 0; i < 100; i++) {
        zmq_say(req, "ask", 0);
        zmq_expect(rep, "ask");
        zmq_say(rep, "first", ZMQ_SNDMORE);
        zmq_say(rep, "second", 0);
        zmq_expect(req, "first");
        zmq_expect(req, "second");
        assert_int_equal(zmq_recv(seen, id, sizeof id, 0), 5);
        zmq_expect(seen, "");
        zmq_expect(seen, "ask");
        assert_int_equal(zmq_recv(seen, id, sizeof id, 0), 5);
        zmq_expect(seen, "");
        zmq_expect(seen, "first");
        zmq_expect(seen, "second");
    }
    assert_zmq(zmq_ctx_shutdown(context));
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, ETERM);
    close_all(&sides);
    assert_zmq(zmq_close(seen));
    assert_zmq(zmq_close(req));
    assert_zmq(zmq_close(rep));
    assert_zmq(zmq_ctx_term(context));
}

static void proxy__steered__pauses_counts_and_ends(void)
{
    void *context = zmq_ctx_new();
    struct sides sides = {zmq_open(context, ZMQ_PULL), zmq_open(context, ZMQ_PUSH), NULL,
                          zmq_open(context, ZMQ_PAIR)};
    void *push = zmq_open(context, ZMQ_PUSH);
    void *pull = zmq_open(context, ZMQ_PULL);
    void *control = zmq_open(context, ZMQ_PAIR);
    const uint64_t expected[8] = {1, 5, 0, 0, 0, 0, 1, 5};
    struct helper helper;

    zmq_join(sides.front, push);
    zmq_join(sides.back, pull);
    assert_zmq(zmq_bind(sides.control, "inproc://control"));
    assert_zmq(zmq_connect(control, "inproc://control"));
    start_helper(&helper, proxy, &sides);
    zmq_say(push, "hello", 0);
    zmq_expect(pull, "hello");
    zmq_say(control, "STATISTICS", 0);
    for (int i = 0; i < 8; i++) {
        uint64_t value;

        assert_int_equal(zmq_recv(control, &value, sizeof value, 0), sizeof value);
        assert_int_equal(value, expected[i]);
        assert_int_equal(zmq_number(control, ZMQ_RCVMORE), i < 7);
    }
    zmq_say(control, "PAUSE", 0);
    zmq_say(control, "STATISTICS", 0); /* it has read the one before */
    for (int i = 0; i < 8; i++)
        assert_int_equal(zmq_recv(control, NULL, 0, 0), 8);
    zmq_say(push, "later", 0);
    assert_fails(zmq_recv(pull, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    zmq_say(control, "RESUME", 0);
    zmq_expect(pull, "later");
    zmq_say(control, "TERMINATE", 0);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    close_all(&sides);
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_close(control));
    assert_zmq(zmq_ctx_term(context));
}

static void device__of_one_socket__answers_what_it_receives(void)
{
    void *context = zmq_ctx_new();
    void *rep = zmq_open(context, ZMQ_REP);
    void *req = zmq_open(context, ZMQ_REQ);
    struct sides sides = {rep, rep, NULL, NULL};
    struct helper helper;

    zmq_join(rep, req);
    start_helper(&helper, proxy, &sides);
    for (int i = 0; i < 10; i++) {
        zmq_say(req, "echo", 0);
        zmq_expect(req, "echo");
    }
    assert_zmq(zmq_ctx_shutdown(context));
    join_helper(&helper);
    assert_int_equal(helper.number, ETERM);
    assert_zmq(zmq_close(rep));
    assert_zmq(zmq_close(req));
    assert_zmq(zmq_ctx_term(context));
}

static void proxy__without_a_side__is_efault(void)
{
    assert_fails(zmq_proxy(NULL, NULL, NULL), EFAULT);
}

#define ON_BOTH(X)                                                                                 \
    X(proxy__between_requests_and_a_reply__passes_both_ways_and_shows)                             \
    X(proxy__steered__pauses_counts_and_ends)                                                      \
    X(device__of_one_socket__answers_what_it_receives)                                             \
    X(proxy__without_a_side__is_efault)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.proxy");
}
