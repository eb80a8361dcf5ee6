/* Contexts, sockets and their errors, as programs of libzmq know them. */

#include <signal.h>

#include "compat/test_support.h"

static void errors__have_libzmq_s_numbers_and_texts(void)
{
    int major;
    int minor;
    int patch;

    assert_int_equal(EFSM, 156384763);
    assert_int_equal(ENOCOMPATPROTO, 156384764);
    assert_int_equal(ETERM, 156384765);
    assert_int_equal(EMTHREAD, 156384766);
    assert_string_equal(zmq_strerror(EFSM), "Operation cannot be accomplished in current state");
    assert_string_equal(zmq_strerror(ETERM), "Context was terminated");
    assert_string_equal(zmq_strerror(EINVAL), strerror(EINVAL));
    zmq_version(&major, &minor, &patch);
    assert_int_equal(ZMQ_MAKE_VERSION(major, minor, patch), 40305);
    assert_int_equal(zmq_has("ipc"), 1);
    assert_int_equal(zmq_has("pgm"), 0);
}

static void context__options_and_ends(void)
{
    void *context = zmq_ctx_new();

    assert_int_equal(zmq_ctx_get(context, ZMQ_IO_THREADS), 1);
    assert_int_equal(zmq_ctx_get(context, ZMQ_MAX_SOCKETS), 1023);
    assert_int_equal(zmq_ctx_get(context, ZMQ_SOCKET_LIMIT), 65535);
    assert_int_equal(zmq_ctx_get(context, ZMQ_MSG_T_SIZE), 64);
    assert_int_equal(zmq_ctx_get(context, ZMQ_BLOCKY), 1);
    assert_int_equal(zmq_ctx_get(context, ZMQ_IPV6), 0);
    assert_fails(zmq_ctx_get(context, 1000), EINVAL);
    assert_fails(zmq_ctx_set(context, ZMQ_IO_THREADS, -1), EINVAL);
    assert_fails(zmq_ctx_set(context, 12345, 1), EINVAL);
    assert_int_equal(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 5), 0);
    assert_int_equal(zmq_ctx_get(context, ZMQ_MAX_SOCKETS), 5);
    assert_int_equal(zmq_ctx_shutdown(context), 0);
    errno = 0;
    assert_null(zmq_socket(context, ZMQ_PAIR));
    assert_int_equal(errno, ETERM);
    assert_int_equal(zmq_ctx_term(context), 0);
    assert_fails(zmq_ctx_term(context), EFAULT);
    assert_fails(zmq_ctx_term(NULL), EFAULT);
    assert_fails(zmq_ctx_get(NULL, ZMQ_IO_THREADS), EFAULT);
    errno = 0;
    assert_null(zmq_socket(NULL, ZMQ_PAIR));
    assert_int_equal(errno, EFAULT);
    errno = 0;
    assert_null(zmq_init(-1));
    assert_int_equal(errno, EINVAL);
}

static void context__too_many_sockets__is_emfile(void)
{
    void *context = zmq_ctx_new();
    void *socket;

    assert_int_equal(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 1), 0);
    socket = zmq_open(context, ZMQ_PULL);
    errno = 0;
    assert_null(zmq_socket(context, ZMQ_PULL));
    assert_int_equal(errno, EMFILE);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void context__blocky_and_ipv6__are_inherited(void)
{
    void *context = zmq_ctx_new();
    void *socket;

    assert_zmq(zmq_ctx_set(context, ZMQ_BLOCKY, 0));
    assert_zmq(zmq_ctx_set(context, ZMQ_IPV6, 1));
    socket = zmq_open(context, ZMQ_PUSH);
    assert_int_equal(zmq_number(socket, ZMQ_LINGER), 0);
    assert_int_equal(zmq_number(socket, ZMQ_IPV6), 1);
    assert_int_equal(zmq_number(socket, ZMQ_IPV4ONLY), 0);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void io_threads__none__is_emthread_but_for_inproc(void)
{
    void *context = zmq_ctx_new();
    void *socket;

    assert_zmq(zmq_ctx_set(context, ZMQ_IO_THREADS, 0));
    socket = zmq_open(context, ZMQ_PULL);
    assert_fails(zmq_bind(socket, "tcp://127.0.0.1:*"), EMTHREAD);
    assert_zmq(zmq_bind(socket, "inproc://alone"));
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void handles__closed_or_none__are_enotsock(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    char buffer[4];

    assert_zmq(zmq_close(socket));
    assert_fails(zmq_close(socket), ENOTSOCK);
    assert_fails(zmq_recv(socket, buffer, 4, 0), ENOTSOCK);
    assert_fails(zmq_send(socket, buffer, 4, 0), ENOTSOCK);
    assert_fails(zmq_bind(socket, "inproc://x"), ENOTSOCK);
    assert_fails(zmq_poll(&item, 1, 0), ENOTSOCK);
    assert_fails(zmq_close(NULL), ENOTSOCK);
    assert_zmq(zmq_ctx_term(context));
}

static void endpoints__that_cannot_be__say_why(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);

    assert_fails(zmq_bind(socket, "nothing"), EINVAL);
    assert_fails(zmq_bind(socket, NULL), EINVAL);
    assert_fails(zmq_bind(socket, "norm://x"), EPROTONOSUPPORT);
    assert_fails(zmq_connect(socket, "carrier://pigeon"), EPROTONOSUPPORT);
    assert_fails(zmq_unbind(socket, "tcp://127.0.0.1:9"), ENOENT);
    assert_fails(zmq_disconnect(socket, "tcp://127.0.0.1:9"), ENOENT);
    errno = 0;
    assert_null(zmq_socket(context, 99));
    assert_int_equal(errno, EINVAL);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void recv__into_less_room__gives_the_whole_length(void)
{
    void *context = zmq_ctx_new();
    void *push = zmq_open(context, ZMQ_PUSH);
    void *pull = zmq_open(context, ZMQ_PULL);
    char buffer[4];

    zmq_join(pull, push);
    zmq_say(push, "0123456789", ZMQ_SNDMORE);
    zmq_say(push, "end", 0);
    assert_int_equal(zmq_recv(pull, buffer, sizeof buffer, 0), 10);
    assert_memory_equal(buffer, "0123", 4);
    assert_int_equal(zmq_number(pull, ZMQ_RCVMORE), 1);
    zmq_expect(pull, "end");
    assert_int_equal(zmq_number(pull, ZMQ_RCVMORE), 0);
    assert_fails(zmq_recv(pull, buffer, sizeof buffer, ZMQ_DONTWAIT), EAGAIN);
    assert_fails(zmq_send(pull, buffer, 1, 0), ENOTSUP);
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_ctx_term(context));
}

static void req__out_of_turn__is_efsm(void)
{
    void *context = zmq_ctx_new();
    void *req = zmq_open(context, ZMQ_REQ);
    void *rep = zmq_open(context, ZMQ_REP);
    char buffer[4];

    zmq_join(rep, req);
    assert_fails(zmq_recv(req, buffer, 4, 0), EFSM);
    assert_fails(zmq_send(rep, "x", 1, 0), EFSM);
    zmq_say(req, "ping", 0);
    assert_fails(zmq_send(req, "x", 1, 0), EFSM);
    zmq_expect(rep, "ping");
    zmq_say(rep, "pong", 0);
    zmq_expect(req, "pong");
    assert_zmq(zmq_close(req));
    assert_zmq(zmq_close(rep));
    assert_zmq(zmq_ctx_term(context));
}

static int receive(void *socket)
{
    char buffer[4];

    return zmq_recv(socket, buffer, sizeof buffer, 0);
}

static void shutdown__ends_a_call_that_sleeps_and_later_ones(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);
    struct helper helper;
    size_t len = sizeof(int);
    int value;

    start_helper(&helper, receive, socket);
    await_sleep(&helper);
    assert_zmq(zmq_ctx_shutdown(context));
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, ETERM);
    assert_fails(zmq_getsockopt(socket, ZMQ_EVENTS, &value, &len), ETERM);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void on_signal(int number)
{
    (void) number;
}

static void signal__ends_a_call_that_sleeps(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PULL);
    struct helper helper;

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    start_helper(&helper, receive, socket);
    await_sleep(&helper);
    assert_int_equal(pthread_kill(helper.thread, SIGUSR1), 0);
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, EINTR);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void options__lengths_types_and_ranges(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_DEALER);
    int64_t wide = 7;
    size_t len = sizeof wide;
    char text[256];
    int value;

    assert_fails(zmq_setsockopt(socket, ZMQ_SNDHWM, &wide, sizeof wide), EINVAL);
    assert_fails(zmq_getsockopt(socket, ZMQ_SNDHWM, &wide, &len), EINVAL);
    assert_zmq(zmq_getsockopt(socket, ZMQ_MAXMSGSIZE, &wide, &len));
    assert_int_equal(wide, -1);
    assert_zmq(zmq_getsockopt(socket, ZMQ_AFFINITY, &wide, &len));
    assert_int_equal(wide, 0);
    wide = 3;
    assert_zmq(zmq_setsockopt(socket, ZMQ_AFFINITY, &wide, sizeof wide));
    wide = 0;
    assert_zmq(zmq_getsockopt(socket, ZMQ_AFFINITY, &wide, &len));
    assert_int_equal(wide, 3);
    assert_int_equal(zmq_number(socket, ZMQ_SNDHWM), 1000);
    assert_int_equal(zmq_number(socket, ZMQ_HANDSHAKE_IVL), 30000);
    assert_int_equal(zmq_number(socket, ZMQ_BACKLOG), 100);
    assert_int_equal(zmq_number(socket, ZMQ_RATE), 100);
    assert_int_equal(zmq_number(socket, ZMQ_THREAD_SAFE), 0);
    assert_int_equal(zmq_number(socket, ZMQ_TYPE), ZMQ_DEALER);
    value = 1;
    assert_fails(zmq_setsockopt(socket, ZMQ_TYPE, &value, sizeof value), EINVAL);
    assert_fails(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), EINVAL);
    assert_fails(zmq_setsockopt(socket, 12345, &value, sizeof value), EINVAL);
    assert_fails(zmq_setsockopt(socket, 1000, &value, sizeof value), EINVAL); /* one of ours */
    assert_fails(zmq_setsockopt(socket, ZMQ_GSSAPI_SERVER, &value, sizeof value), EINVAL);
    assert_fails(zmq_setsockopt(socket, 112, &value, sizeof value), EINVAL); /* a draft */
    assert_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, "me", 2));
    len = sizeof text;
    assert_zmq(zmq_getsockopt(socket, ZMQ_ROUTING_ID, text, &len));
    assert_int_equal(len, 2);
    len = 1;
    assert_fails(zmq_getsockopt(socket, ZMQ_ROUTING_ID, text, &len), EINVAL);
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void texts__have_one_zero_behind_them(void)
{
    static const struct {
        int option;
        const char *text;
    } rows[] = {
        {ZMQ_PLAIN_USERNAME, "user"}, {ZMQ_PLAIN_PASSWORD, "word"},
        {ZMQ_ZAP_DOMAIN, "domain"},   {ZMQ_SOCKS_PROXY, "127.0.0.1:1080"},
        {ZMQ_BINDTODEVICE, "lo"},
    };
    void *context = zmq_ctx_new();
    void *socket = zmq_open(context, ZMQ_PUSH);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].text), got = len + 1;
        char room[64];

        assert_zmq(zmq_setsockopt(socket, rows[i].option, rows[i].text, len));
        assert_zmq(zmq_getsockopt(socket, rows[i].option, room, &got)); /* there is room for one */
        assert_int_equal(got, len + 1);
        assert_string_equal(room, rows[i].text);
        assert_fails(zmq_getsockopt(socket, rows[i].option, room, &len), EINVAL);
    }
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void unsubscribe__of_what_was_not_subscribed__is_nothing(void)
{
    void *context = zmq_ctx_new();
    void *sub = zmq_open(context, ZMQ_SUB);

    assert_zmq(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "a", 1));
    assert_zmq(zmq_setsockopt(sub, ZMQ_UNSUBSCRIBE, "b", 1));
    assert_zmq(zmq_setsockopt(sub, ZMQ_UNSUBSCRIBE, "a", 1));
    assert_zmq(zmq_close(sub));
    assert_zmq(zmq_ctx_term(context));
}

static void poll__sockets_descriptors_and_nothing(void)
{
    void *context = zmq_ctx_new();
    void *push = zmq_open(context, ZMQ_PUSH);
    void *pull = zmq_open(context, ZMQ_PULL);
    zmq_pollitem_t items[2] = {{.socket = pull, .events = ZMQ_POLLIN}, {.events = ZMQ_POLLIN}};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    items[1].fd = ends[0];
    zmq_join(pull, push);
    assert_int_equal(zmq_poll(NULL, 0, 0), 0);
    assert_fails(zmq_poll(NULL, 1, 0), EFAULT);
    assert_fails(zmq_poll(items, -1, 0), EINVAL);
    assert_int_equal(zmq_poll(items, 2, 0), 0);
    zmq_say(push, "x", 0);
    assert_int_equal(zmq_poll(items, 2, PATIENCE_MS), 1);
    assert_int_equal(items[0].revents, ZMQ_POLLIN);
    assert_int_equal(items[1].revents, 0);
    assert_int_equal(write(ends[1], "y", 1), 1);
    assert_int_equal(zmq_poll(items, 2, PATIENCE_MS), 2);
    assert_int_equal(zmq_poll(items + 1, 1, 0), 1);
    assert_int_equal(items[1].revents, ZMQ_POLLIN);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_zmq(zmq_ctx_shutdown(context));
    assert_fails(zmq_poll(items, 1, -1), ETERM);
    assert_zmq(zmq_close(push));
    assert_zmq(zmq_close(pull));
    assert_zmq(zmq_ctx_term(context));
}

#define ON_BOTH(X)                                                                                 \
    X(errors__have_libzmq_s_numbers_and_texts)                                                     \
    X(context__options_and_ends)                                                                   \
    X(context__too_many_sockets__is_emfile)                                                        \
    X(context__blocky_and_ipv6__are_inherited)                                                     \
    X(io_threads__none__is_emthread_but_for_inproc)                                                \
    X(handles__closed_or_none__are_enotsock)                                                       \
    X(endpoints__that_cannot_be__say_why)                                                          \
    X(texts__have_one_zero_behind_them)                                                            \
    X(recv__into_less_room__gives_the_whole_length)                                                \
    X(req__out_of_turn__is_efsm)                                                                   \
    X(shutdown__ends_a_call_that_sleeps_and_later_ones)                                            \
    X(signal__ends_a_call_that_sleeps)                                                             \
    X(options__lengths_types_and_ranges)                                                           \
    X(unsubscribe__of_what_was_not_subscribed__is_nothing)                                         \
    X(poll__sockets_descriptors_and_nothing)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.socket");
}
