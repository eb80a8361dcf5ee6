#include "api/test_support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>

/* Peers that speak no ZMTP: STREAM, and ROUTER with ROUTER_RAW. */

#define NAME_BYTES 255

struct name {
    uint8_t octets[NAME_BYTES];
    size_t len;
};

/* --- plain peers ----------------------------------------------------------------------------- */

/* The engine of a context without threads runs in our calls. */
static void turn(void)
{
    if (inline_context != NULL)
        (void) mcq_ctx_run(inline_context, 0);
    else
        (void) sched_yield();
}

static in_port_t port_of(const char *endpoint)
{
    return htons((uint16_t) strtol(strrchr(endpoint, ':') + 1, NULL, 10));
}

static int dial(const char *endpoint)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port_of(endpoint)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *) &in, sizeof in), 0);
    return fd;
}

static int listen_somewhere(char endpoint[ENDPOINT_BYTES])
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &in, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
    (void) snprintf(endpoint, ENDPOINT_BYTES, "tcp://127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

static void await_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; turn())
        if (poll(&entry, 1, inline_context != NULL ? 0 : 10) == 1)
            return;
    fail_msg("the plain peer has nothing to read");
}

static int answer_call(int listener)
{
    int fd;

    await_readable(listener);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* Reads just this text; "": the end of the stream. */
static void hear(int fd, const char *text)
{
    char room[64] = "";
    size_t want = strlen(text);
    size_t len = 0;

    do {
        ssize_t got;

        await_readable(fd);
        got = recv(fd, room + len, want > 0 ? want - len : sizeof room, 0);
        assert_true(got >= 0);
        assert_int_equal(got > 0, want > 0);
        len += (size_t) got;
    } while (len < want);
    assert_string_equal(room, text);
}

/* --- a socket -------------------------------------------------------------------------------- */

/* A message from anybody: its name, then this text. */
static struct name expect_from_anybody(struct mcq_socket *socket, const char *text)
{
    struct name name;
    ptrdiff_t len = mcq_recv(socket, name.octets, sizeof name.octets, 0);

    if (len < 0)
        fail_msg("%s, instead of \"%s\"", mcq_last_error(), text);
    name.len = (size_t) len;
    assert_int_equal(number_of(socket, MCQ_OPT_RCVMORE), 1);
    expect_text(socket, text);
    return name;
}

static void expect_from(struct mcq_socket *socket, const struct name *from, const char *text)
{
    struct name name = expect_from_anybody(socket, text);

    assert_int_equal(name.len, from->len);
    assert_memory_equal(name.octets, from->octets, name.len);
}

static int try_name(struct mcq_socket *socket, const struct name *to)
{
    return mcq_send(socket, to->octets, to->len, MCQ_SNDMORE | MCQ_DONTWAIT);
}

static void send_to(struct mcq_socket *socket, const struct name *to, const char *text)
{
    assert_works(mcq_send(socket, to->octets, to->len, MCQ_SNDMORE));
    send_text(socket, text, 0);
}

static struct name newest_name(struct mcq_socket *socket)
{
    struct name name = {.len = sizeof name.octets};

    assert_works(mcq_get_bytes(socket, MCQ_OPT_ROUTING_ID, name.octets, &name.len));
    return name;
}

/* A STREAM, or a ROUTER that does as one. */
static struct mcq_socket *open_raw(struct world *world, enum mcq_type type)
{
    struct mcq_socket *socket = open_socket(world, type);

    if (type == MCQ_ROUTER)
        assert_works(mcq_set(socket, MCQ_OPT_ROUTER_RAW, 1));
    assert_works(mcq_set(socket, MCQ_OPT_RECONNECT_IVL, 1));
    return socket;
}

/* Binds it; a plain peer comes, and the notice of that, with the name that it has here. */
static int meet_bound(struct mcq_socket *socket, char endpoint[ENDPOINT_BYTES], struct name *name)
{
    int fd;

    bind_somewhere(socket, endpoint);
    fd = dial(endpoint);
    *name = expect_from_anybody(socket, "");
    return fd;
}

/* --- what comes ------------------------------------------------------------------------------ */

static void bound_dialogue(enum mcq_type type)
{
    struct world world;
    struct mcq_socket *socket;
    char endpoint[ENDPOINT_BYTES];
    struct name name;
    int fd;

    begin_world(&world);
    socket = open_raw(&world, type);
    fd = meet_bound(socket, endpoint, &name);
    assert_int_equal(name.len, 5);
    assert_int_equal(name.octets[0], 0);
    say(fd, "GET / HTTP/1.0\r\n\r\n");
    expect_from(socket, &name, "GET / HTTP/1.0\r\n\r\n");
    send_to(socket, &name, "HTTP/1.0 200 OK\r\n");
    send_to(socket, &name, "\r\nbody");
    hear(fd, "HTTP/1.0 200 OK\r\n\r\nbody");
    say(fd, "bye");
    expect_from(socket, &name, "bye");
    assert_int_equal(close(fd), 0);
    expect_from(socket, &name, "");
    if (type == MCQ_STREAM)
        assert_fails(try_name(socket, &name), EHOSTUNREACH);
    expect_nothing(socket);
    end_world(&world);
}

static void stream__bound__dialogue_with_notices(void)
{
    bound_dialogue(MCQ_STREAM);
}

static void router_raw__bound__dialogue_with_notices(void)
{
    bound_dialogue(MCQ_ROUTER);
}

static void stream__notify_off__data_alone(void)
{
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_works(mcq_set(stream, MCQ_OPT_STREAM_NOTIFY, 0));
    assert_fails(mcq_set(stream, MCQ_OPT_STREAM_NOTIFY, 2), EINVAL);
    bind_somewhere(stream, endpoint);
    fd = dial(endpoint);
    say(fd, "q");
    assert_int_equal(close(fd), 0);
    (void) expect_from_anybody(stream, "q");
    fd = dial(endpoint);
    say(fd, "r");
    (void) expect_from_anybody(stream, "r"); /* and nothing between the two */
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

static void stream__long_input__in_parts_of_in_batch_size(void)
{
    enum { LEN = 20000, MOST = 4096 };
    static char octets[LEN];
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    size_t at = 0;
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_int_equal(number_of(stream, MCQ_OPT_IN_BATCH_SIZE), 8192);
    assert_works(mcq_set(stream, MCQ_OPT_IN_BATCH_SIZE, MOST));
    bind_somewhere(stream, endpoint);
    for (size_t i = 0; i < LEN; i++)
        octets[i] = (char) (i * 13 + (i >> 8));
    fd = dial(endpoint);
    (void) expect_from_anybody(stream, "");
    assert_int_equal(send(fd, octets, LEN, 0), LEN);
    while (at < LEN) {
        char room[2 * MOST];
        ptrdiff_t len;

        assert_int_equal(mcq_recv(stream, room, 5, 0), 5);
        len = mcq_recv(stream, room, sizeof room, 0);
        assert_in_range(len, 1, MOST);
        assert_memory_equal(room, octets + at, (size_t) len);
        at += (size_t) len;
    }
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

/* --- who is connected to --------------------------------------------------------------------- */

/* It has its name before it is there, and keeps it. */
static void stream__connected__name_outlives_connections(void)
{
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    int listener = listen_somewhere(endpoint);
    struct name name;
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_works(mcq_connect(stream, endpoint));
    name = newest_name(stream);
    assert_int_equal(name.len, 5);
    send_to(stream, &name, "early");
    fd = answer_call(listener);
    hear(fd, "early");
    expect_from(stream, &name, "");
    assert_int_equal(close(fd), 0);
    expect_from(stream, &name, "");
    fd = answer_call(listener);
    expect_from(stream, &name, "");
    send_to(stream, &name, "later");
    hear(fd, "later");
    say(fd, "answer");
    expect_from(stream, &name, "answer");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listener), 0);
    end_world(&world);
}

static void stream__connect_routing_id__is_the_peer_s_name(void)
{
    static const struct name srv = {"srv", 3};
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    int listener = listen_somewhere(endpoint);
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_fails(try_name(stream, &srv), EHOSTUNREACH);
    assert_works(mcq_set_bytes(stream, MCQ_OPT_CONNECT_ROUTING_ID, "srv", 3));
    assert_works(mcq_connect(stream, endpoint));
    assert_int_equal(newest_name(stream).len, 0);
    send_to(stream, &srv, "hi");
    fd = answer_call(listener);
    hear(fd, "hi");
    expect_from(stream, &srv, "");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listener), 0);
    end_world(&world);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void end_of_bound(enum mcq_type type)
{
    struct world world;
    struct mcq_socket *socket;
    char endpoint[ENDPOINT_BYTES];
    struct name name;
    int fd;

    begin_world(&world);
    socket = open_raw(&world, type);
    fd = meet_bound(socket, endpoint, &name);
    say(fd, "not read any more");
    send_to(socket, &name, "last words");
    send_to(socket, &name, "");
    if (type == MCQ_STREAM)
        assert_fails(try_name(socket, &name), EHOSTUNREACH);
    hear(fd, "last words");
    hear(fd, "");
    assert_int_equal(close(fd), 0);
    fd = dial(endpoint); /* nothing is said of the other one */
    name = expect_from_anybody(socket, "");
    say(fd, "next");
    expect_from(socket, &name, "next");
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

static void stream__empty_part__ends_the_connection_behind_what_was_sent(void)
{
    end_of_bound(MCQ_STREAM);
}

static void router_raw__empty_part__ends_the_connection_behind_what_was_sent(void)
{
    end_of_bound(MCQ_ROUTER);
}

/* Nobody comes back to where the application has ended it. */
static void stream__empty_part_to_a_connected_peer__ends_its_endpoint(void)
{
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    int listener = listen_somewhere(endpoint);
    struct name name;
    struct name other;
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_works(mcq_connect(stream, endpoint));
    name = newest_name(stream);
    fd = answer_call(listener);
    expect_from(stream, &name, "");
    send_to(stream, &name, "x");
    send_to(stream, &name, "");
    hear(fd, "x");
    hear(fd, "");
    assert_int_equal(close(fd), 0);
    assert_works(mcq_connect(stream, endpoint)); /* this one comes, and no other */
    other = newest_name(stream);
    assert_memory_not_equal(name.octets, other.octets, 5);
    fd = answer_call(listener);
    expect_from(stream, &other, "");
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    expect_nothing(stream);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listener), 0);
    end_world(&world);
}

/* What waits is sent all the same; what does not, is not waited for. */
static void stream__empty_part_before_the_connection__ends_it_once_it_was_there(void)
{
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    int listener = listen_somewhere(endpoint);
    struct name first;
    struct name second;
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_works(mcq_connect(stream, endpoint));
    first = newest_name(stream);
    send_to(stream, &first, "knock");
    send_to(stream, &first, "");
    assert_fails(try_name(stream, &first), EHOSTUNREACH);
    fd = answer_call(listener);
    hear(fd, "knock");
    hear(fd, "");
    assert_int_equal(close(fd), 0);
    assert_works(mcq_connect(stream, "tcp://127.0.0.1:1"));
    second = newest_name(stream);
    send_to(stream, &second, "");
    assert_fails(try_name(stream, &second), EHOSTUNREACH);
    expect_nothing(stream);
    assert_int_equal(close(listener), 0);
    end_world(&world);
}

/* --- what goes ------------------------------------------------------------------------------- */

static void stream__nobody_has_the_name_or_no_room__says_so(void)
{
    static const struct name nobody = {"nobody", 6};
    struct world world;
    struct mcq_socket *stream;
    struct name name;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    assert_fails(try_name(stream, &nobody), EHOSTUNREACH);
    assert_works(mcq_set(stream, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(stream, MCQ_OPT_LINGER, 0));
    assert_works(mcq_connect(stream, "tcp://127.0.0.1:1"));
    name = newest_name(stream);
    send_to(stream, &name, "one");
    send_to(stream, &name, "two");
    assert_fails(try_name(stream, &name), EAGAIN);
    end_world(&world);
}

static void stream__parts_behind_the_body__stand_alone(void)
{
    struct world world;
    struct mcq_socket *stream;
    char endpoint[ENDPOINT_BYTES];
    struct name name;
    int fd;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    fd = meet_bound(stream, endpoint, &name);
    assert_works(mcq_send(stream, name.octets, name.len, MCQ_SNDMORE));
    send_text(stream, "one", MCQ_SNDMORE);
    send_text(stream, "a name without a body", 0); /* is dropped */
    send_to(stream, &name, "two");
    hear(fd, "onetwo");
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

/* A STREAM talks to anybody but ZeroMQ's own types. */
static void stream__options_and_endpoints_of_others__are_refused(void)
{
    struct world world;
    struct mcq_socket *stream;
    struct mcq_socket *dealer;
    int64_t value;

    begin_world(&world);
    stream = open_raw(&world, MCQ_STREAM);
    dealer = open_socket(&world, MCQ_DEALER);
    assert_fails(mcq_set(stream, MCQ_OPT_ROUTER_MANDATORY, 1), EINVAL);
    assert_fails(mcq_set(stream, MCQ_OPT_ROUTER_RAW, 1), EINVAL);
    assert_fails(mcq_set(dealer, MCQ_OPT_ROUTER_RAW, 1), EINVAL);
    assert_fails(mcq_set(dealer, MCQ_OPT_STREAM_NOTIFY, 1), EINVAL);
    assert_fails(mcq_get(stream, MCQ_OPT_STREAM_NOTIFY, &value), EINVAL);
    assert_fails(mcq_set_bytes(stream, MCQ_OPT_CONNECT_ROUTING_ID, "", 0), EINVAL);
    assert_works(mcq_bind(stream, "inproc://plain"));
    assert_fails(mcq_connect(dealer, "inproc://plain"), EINVAL);
    end_world(&world);
}

/* Two of ours, which say nothing to each other but what they are told. */
static void stream__to_a_stream__octets(void)
{
    struct world world;
    struct couple pair;
    struct name far;
    struct name near;

    begin_world(&world);
    pair = open_couple(&world, MCQ_STREAM, MCQ_STREAM);
    near = newest_name(pair.connected);
    far = expect_from_anybody(pair.bound, "");
    expect_from(pair.connected, &near, "");
    send_to(pair.connected, &near, "over");
    expect_from(pair.bound, &far, "over");
    send_to(pair.bound, &far, "and back");
    expect_from(pair.connected, &near, "and back");
    send_to(pair.bound, &far, "");
    expect_from(pair.connected, &near, "");
    end_world(&world);
}

#define STREAM_TESTS(X)                                                                            \
    X(stream__bound__dialogue_with_notices)                                                        \
    X(router_raw__bound__dialogue_with_notices)                                                    \
    X(stream__notify_off__data_alone)                                                              \
    X(stream__long_input__in_parts_of_in_batch_size)                                               \
    X(stream__connected__name_outlives_connections)                                                \
    X(stream__connect_routing_id__is_the_peer_s_name)                                              \
    X(stream__empty_part__ends_the_connection_behind_what_was_sent)                                \
    X(router_raw__empty_part__ends_the_connection_behind_what_was_sent)                            \
    X(stream__empty_part_to_a_connected_peer__ends_its_endpoint)                                   \
    X(stream__empty_part_before_the_connection__ends_it_once_it_was_there)                         \
    X(stream__nobody_has_the_name_or_no_room__says_so)                                             \
    X(stream__parts_behind_the_body__stand_alone)                                                  \
    X(stream__options_and_endpoints_of_others__are_refused)                                        \
    X(stream__to_a_stream__octets)

STREAM_TESTS(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {STREAM_TESTS(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.stream");
}
