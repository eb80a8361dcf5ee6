/*
 * test_support: what the tests of libzmq's calls share.
 */
#ifndef MCQ_TESTS_COMPAT_TEST_SUPPORT_H
#define MCQ_TESTS_COMPAT_TEST_SUPPORT_H

#include <compat/zmq.h>

#include "api/test_support.h"

/* 0, or a failed test that says why not. */
#define assert_zmq(call)                                                                           \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, zmq_strerror(zmq_errno()));                                  \
    } while (0)

static inline int zmq_number(void *socket, int option)
{
    size_t len = sizeof(int);
    int value = -1;

    assert_zmq(zmq_getsockopt(socket, option, &value, &len));
    assert_int_equal(len, sizeof value);
    return value;
}

static inline void zmq_set_number(void *socket, int option, int value)
{
    assert_zmq(zmq_setsockopt(socket, option, &value, sizeof value));
}

/* A socket whose calls give up when the test has failed. */
static inline void *zmq_open(void *context, int type)
{
    void *socket = zmq_socket(context, type);

    assert_non_null(socket);
    zmq_set_number(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    zmq_set_number(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    return socket;
}

/* Over tcp, by any free port. */
static inline void zmq_join(void *bound, void *connected)
{
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;

    assert_zmq(zmq_bind(bound, "tcp://127.0.0.1:*"));
    assert_zmq(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &len));
    assert_int_equal(len, strlen(endpoint) + 1);
    assert_zmq(zmq_connect(connected, endpoint));
}

static inline void zmq_expect(void *socket, const char *text)
{
    char buffer[256];
    int len = zmq_recv(socket, buffer, sizeof buffer, 0);

    assert_zmq(len);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(buffer, text, strlen(text));
}

static inline void zmq_say(void *socket, const char *text, int flags)
{
    assert_int_equal(zmq_send(socket, text, strlen(text), flags), strlen(text));
}

#endif
