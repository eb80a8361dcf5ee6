/* zmq_msg_*: what a message is before, while and after it holds something. */

#include "arena/alloc.h"
#include "compat/test_support.h"

struct release {
    int count;
    void *data;
    void *hint;
};

static void count_release(void *data, void *hint)
{
    struct release *release = hint;

    release->count++;
    release->data = data;
    release->hint = hint;
}

static void body__of_any_length__is_there(void)
{
    const size_t lens[] = {0, 1, 33, 34, 56, 57, 4096, 1000000};

    assert_int_equal(sizeof(zmq_msg_t), 64);
    for (size_t i = 0; i < MCQ_COUNTOF(lens); i++) {
        zmq_msg_t msg;

        assert_int_equal(zmq_msg_init_size(&msg, lens[i]), 0);
        assert_int_equal(zmq_msg_size(&msg), lens[i]);
        memset(zmq_msg_data(&msg), 'x', lens[i]);
        assert_int_equal(zmq_msg_more(&msg), 0);
        assert_int_equal(zmq_msg_get(&msg, ZMQ_MORE), 0);
        assert_int_equal(zmq_msg_close(&msg), 0);
    }
}

static void close__twice_or_never_begun__is_efault(void)
{
    zmq_msg_t msg;

    memset(&msg, 0, sizeof msg);
    assert_fails(zmq_msg_close(&msg), EFAULT);
    assert_int_equal(zmq_msg_init(&msg), 0);
    assert_int_equal(zmq_msg_close(&msg), 0);
    assert_fails(zmq_msg_close(&msg), EFAULT);
    assert_fails(zmq_msg_send(&msg, NULL, 0), ENOTSOCK);
    assert_fails(zmq_msg_close(NULL), EFAULT);
}

static void closed__is_not_sent(void)
{
    void *context = zmq_ctx_new();
    void *push = zmq_open(context, ZMQ_PUSH);
    zmq_msg_t msg;

    assert_int_equal(zmq_msg_init(&msg), 0);
    assert_int_equal(zmq_msg_close(&msg), 0);
    assert_fails(zmq_msg_send(&msg, push, ZMQ_DONTWAIT), EFAULT);
    assert_fails(zmq_sendmsg(push, &msg, ZMQ_DONTWAIT), EFAULT);
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_ctx_term(context));
}

static void init__without_memory__is_enomem(void)
{
    static char body[100];
    zmq_msg_t msg;

    memset(&msg, 0, sizeof msg);
    mcq_alloc_fail_at(1);
    assert_fails(zmq_msg_init_data(&msg, body, sizeof body, NULL, NULL), ENOMEM);
    mcq_alloc_fail_at(1);
    assert_fails(zmq_msg_init_size(&msg, sizeof body), ENOMEM);
    mcq_alloc_fail_at(0);
    assert_fails(zmq_msg_close(&msg), EFAULT);
}

static void free_function__is_called_once_with_the_last_copy(void)
{
    struct release release = {0};
    char body[100];
    zmq_msg_t copy;
    zmq_msg_t msg;

    assert_int_equal(zmq_msg_init_data(&msg, body, sizeof body, count_release, &release), 0);
    assert_ptr_equal(zmq_msg_data(&msg), body);
    assert_int_equal(zmq_msg_get(&msg, ZMQ_SHARED), 0);
    assert_int_equal(zmq_msg_init(&copy), 0);
    assert_int_equal(zmq_msg_copy(&copy, &msg), 0);
    assert_int_equal(zmq_msg_get(&msg, ZMQ_SHARED), 1);
    assert_int_equal(zmq_msg_get(&copy, ZMQ_SHARED), 1);
    assert_int_equal(zmq_msg_close(&msg), 0);
    assert_int_equal(release.count, 0);
    assert_int_equal(zmq_msg_close(&copy), 0);
    assert_int_equal(release.count, 1);
    assert_ptr_equal(release.data, body);
    assert_ptr_equal(release.hint, &release);
}

static void move__leaves_an_empty_message(void)
{
    zmq_msg_t target;
    zmq_msg_t source;

    assert_int_equal(zmq_msg_init(&target), 0);
    assert_int_equal(zmq_msg_init_size(&source, 3), 0);
    memcpy(zmq_msg_data(&source), "abc", 3);
    assert_int_equal(zmq_msg_move(&target, &source), 0);
    assert_int_equal(zmq_msg_size(&source), 0);
    assert_int_equal(zmq_msg_size(&target), 3);
    assert_memory_equal(zmq_msg_data(&target), "abc", 3);
    assert_int_equal(zmq_msg_move(&target, &target), 0);
    assert_int_equal(zmq_msg_size(&target), 3);
    assert_int_equal(zmq_msg_close(&source), 0);
    assert_fails(zmq_msg_move(&target, &source), EFAULT);
    assert_int_equal(zmq_msg_close(&target), 0);
}

static void properties__that_are_none__are_einval(void)
{
    zmq_msg_t msg;

    assert_int_equal(zmq_msg_init(&msg), 0);
    assert_fails(zmq_msg_get(&msg, 99), EINVAL);
    assert_fails(zmq_msg_set(&msg, ZMQ_MORE, 1), EINVAL);
    errno = 0;
    assert_null(zmq_msg_gets(&msg, "No-Such"));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(zmq_msg_close(&msg), 0);
}

static void free_function__after_socket_and_context__is_called_once(void)
{
    static char body[4096];
    struct release release = {0};
    void *context = zmq_ctx_new();
    void *push = zmq_socket(context, ZMQ_PUSH);
    void *pull = zmq_socket(context, ZMQ_PULL);
    zmq_msg_t msg;

    assert_int_equal(zmq_bind(pull, "inproc://late"), 0);
    assert_int_equal(zmq_connect(push, "inproc://late"), 0);
    assert_int_equal(zmq_msg_init_data(&msg, body, sizeof body, count_release, &release), 0);
    assert_int_equal(zmq_msg_send(&msg, push, 0), sizeof body);
    assert_int_equal(zmq_msg_size(&msg), 0);
    assert_int_equal(zmq_msg_recv(&msg, pull, 0), sizeof body);
    assert_int_equal(zmq_close(push), 0);
    assert_int_equal(zmq_close(pull), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
    assert_int_equal(release.count, 0);
    assert_memory_equal(zmq_msg_data(&msg), body, sizeof body);
    assert_int_equal(zmq_msg_close(&msg), 0);
    assert_int_equal(release.count, 1);
}

/* What gets has given is good until the message is closed, whatever becomes of the peer. */
static void received__tells_of_its_peer(void)
{
    void *context = zmq_ctx_new();
    void *push = zmq_open(context, ZMQ_PUSH);
    void *pull = zmq_open(context, ZMQ_PULL);
    const char *type;
    zmq_msg_t other;
    zmq_msg_t msg;

    assert_zmq(zmq_setsockopt(push, MCQ_OPT_METADATA, "X-key:value", 11));
    assert_fails(zmq_setsockopt(push, MCQ_OPT_METADATA, "key:value", 9), EINVAL);
    zmq_join(pull, push);
    zmq_say(push, "one", ZMQ_SNDMORE);
    zmq_say(push, "two", 0);
    assert_int_equal(zmq_msg_init(&msg), 0);
    assert_int_equal(zmq_msg_recv(&msg, pull, 0), 3);
    type = zmq_msg_gets(&msg, "Socket-Type");
    assert_string_equal(type, "PUSH");
    assert_ptr_equal(zmq_msg_gets(&msg, "Socket-Type"), type);
    assert_string_equal(zmq_msg_gets(&msg, "Peer-Address"), "127.0.0.1");
    assert_string_equal(zmq_msg_gets(&msg, "X-key"), "value");
    assert_null(zmq_msg_gets(&msg, "Routing-Id"));
    assert_int_equal(errno, EINVAL);
    assert_true(zmq_msg_get(&msg, ZMQ_SRCFD) > 2);
    assert_int_equal(zmq_msg_init(&other), 0);
    assert_int_equal(zmq_msg_copy(&other, &msg), 0);
    assert_string_equal(zmq_msg_gets(&other, "X-key"), "value");
    assert_int_equal(zmq_msg_recv(&other, pull, 0), 3);
    assert_string_equal(zmq_msg_gets(&other, "X-key"), "value");
    assert_int_equal(zmq_msg_move(&other, &msg), 0);
    assert_null(zmq_msg_gets(&msg, "X-key"));
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_ctx_term(context));
    assert_string_equal(type, "PUSH");
    assert_string_equal(zmq_msg_gets(&other, "X-key"), "value");
    assert_int_equal(zmq_msg_close(&other), 0);
    assert_int_equal(zmq_msg_close(&msg), 0);
}

/* A message that was received and is sent on has forgotten whom it is from. */
static void sent_on__has_the_new_peer(void)
{
    void *context = zmq_ctx_new();
    void *pair[4];
    zmq_msg_t msg;

    for (int i = 0; i < 4; i++)
        pair[i] = zmq_open(context, ZMQ_PAIR);
    zmq_join(pair[0], pair[1]);
    assert_zmq(zmq_bind(pair[2], "inproc://on"));
    assert_zmq(zmq_connect(pair[3], "inproc://on"));
    zmq_say(pair[1], "x", 0);
    assert_int_equal(zmq_msg_init(&msg), 0);
    assert_int_equal(zmq_msg_recv(&msg, pair[0], 0), 1);
    assert_non_null(zmq_msg_gets(&msg, "Socket-Type"));
    assert_int_equal(zmq_msg_send(&msg, pair[2], 0), 1);
    assert_null(zmq_msg_gets(&msg, "Socket-Type"));
    assert_int_equal(zmq_msg_recv(&msg, pair[3], 0), 1);
    assert_null(zmq_msg_gets(&msg, "Socket-Type"));
    assert_fails(zmq_msg_get(&msg, ZMQ_SRCFD), EINVAL);
    assert_int_equal(zmq_msg_close(&msg), 0);
    for (int i = 0; i < 4; i++)
        assert_zmq(zmq_close(pair[i]));
    assert_zmq(zmq_ctx_term(context));
}

#define ON_BOTH(X)                                                                                 \
    X(body__of_any_length__is_there)                                                               \
    X(close__twice_or_never_begun__is_efault)                                                      \
    X(closed__is_not_sent)                                                                         \
    X(init__without_memory__is_enomem)                                                             \
    X(free_function__is_called_once_with_the_last_copy)                                            \
    X(move__leaves_an_empty_message)                                                               \
    X(properties__that_are_none__are_einval)                                                       \
    X(received__tells_of_its_peer)                                                                 \
    X(sent_on__has_the_new_peer)                                                                   \
    X(free_function__after_socket_and_context__is_called_once)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.message");
}
