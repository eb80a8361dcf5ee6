/* How connections are made and made anew: limits, back-offs, stop conditions, names. */

#include <stdio.h>

#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define PORT 5555

static uint64_t attempts_within(struct world *w, uint64_t ns)
{
    uint64_t before = attempt_count(w);

    pass(w, ns);
    return attempt_count(w) - before;
}

static struct mcq_socket *open_client(struct world *w, int reconnect_ms, int most_ms,
                                      bool has_full_jitter)
{
    struct mcq_socket *socket = open_socket(w, MCQ_SOCKET_TYPE_DEALER);

    socket->options.reconnect_ms = reconnect_ms;
    socket->options.reconnect_max_ms = most_ms;
    socket->options.has_full_jitter = has_full_jitter;
    return socket;
}

/* --- back-off -------------------------------------------------------------------------------- */

static void fault_d4__refused__is_tried_as_often_as_the_interval_says(void **state)
{
    static const struct {
        int reconnect_ms;
        bool has_full_jitter;
        uint64_t least; /* in 100 s */
        uint64_t most;
    } rows[] = {
        {100, false, 500, 1000}, /* between once and twice the interval */
        {100, true, 1500, 2500}, /* half of it, on average */
        {1000, false, 50, 100},    {1, false, 50000, 100000},
        {0, false, 50000, 100000}, /* at once is once in a millisecond, at the most */
        {0, true, 50000, 100000},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct world w;

        open_world(&w);
        connect_to(open_client(&w, rows[i].reconnect_ms, 0, rows[i].has_full_jitter), HERE);

        uint64_t count = attempts_within(&w, 100 * SECOND);

        assert_in_range(count, rows[i].least, rows[i].most);
        close_world(&w);
    }
}

static void fault_d4__refused__the_interval_doubles_up_to_its_maximum(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    connect_to(open_client(&w, 100, 1000, false), HERE);
    pass(&w, MS);
    assert_int_equal(attempt_count(&w), 1);
    /* 100..200, 200..400, 400..800, 800..1600, 1000..2000 ... */
    assert_in_range(attempts_within(&w, 3 * SECOND), 3, 5);
    assert_in_range(attempts_within(&w, 100 * SECOND), 50, 101);

    /* Once somebody was there it begins anew. */
    struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);

    bind_to(server, HERE);
    pass(&w, 3 * SECOND);
    assert_int_equal(server->up_count, 1);
    close_socket(&w, server);
    pass(&w, 10 * MS);
    assert_in_range(attempts_within(&w, SECOND), 2, 5);
    close_world(&w);
}

static void fault_d4__black_hole__one_attempt_at_a_time_and_each_has_its_limit(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, false);
    size_t without = mcq_sim_open_count(w.sim);

    client->options.connect_timeout_ms = 200;
    mcq_sim_mute(w.sim, PORT);
    connect_to(client, HERE);
    pass(&w, MS);
    assert_int_equal(mcq_sim_open_count(w.sim), without + 1);
    pass(&w, 198 * MS);
    assert_int_equal(mcq_sim_open_count(w.sim), without + 1);
    pass(&w, 2 * MS);
    assert_int_equal(mcq_sim_open_count(w.sim), without); /* it was given up on time */
    for (int i = 0; i < 1000; i++) {                      /* 300..400 ms each */
        pass(&w, 10 * MS);
        assert_true(mcq_sim_open_count(w.sim) <= without + 1);
    }
    assert_in_range(attempt_count(&w), 10000 / 400, 10000 / 300 + 2);
    mcq_sim_mute(w.sim, 0);
    bind_to(open_socket(&w, MCQ_SOCKET_TYPE_DEALER), HERE);
    pass(&w, SECOND);
    assert_int_equal(client->up_count, 1);
    close_world(&w);
}

static void fault_d4__black_hole_without_a_limit__close_does_not_wait_for_it(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    mcq_sim_mute(w.sim, PORT);
    connect_to(open_client(&w, 100, 0, false), HERE);
    assert_int_equal(attempts_within(&w, 3600 * SECOND), 1);
    close_world_within(&w, 10 * MS);
}

/* --- stop conditions -------------------------------------------------------------------------- */

static void fault_d4__stop_when_refused__ends_the_endpoint(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);

    push->options.reconnect_stop = 1;
    connect_to(push, HERE);
    assert_int_equal(send_text(push, "nobody takes this"), MCQ_OK);
    assert_int_equal(attempts_within(&w, 10 * SECOND), 1);
    assert_int_equal(push->conn_count, 0);
    assert_int_equal(send_text(push, "nor this"), MCQ_AGAIN);
    assert_int_equal(disconnect_from(push, HERE), MCQ_NOT_FOUND);

    /* Other failures do not end it. */
    push->options.connect_timeout_ms = 50;
    mcq_sim_mute(w.sim, PORT);
    connect_to(push, HERE);
    assert_true(attempts_within(&w, 10 * SECOND) > 10);
    assert_int_equal(push->conn_count, 1);
    close_world(&w);
}

/* A listener of the test's own, which closes whoever comes. */
static int close_all_who_come(struct world *w, int listener)
{
    int count = 0;
    int fd;

    while (mcq_reactor_accept(w->raw, listener, &fd) == MCQ_IO_DONE) {
        mcq_reactor_close(w->raw, fd);
        count++;
    }
    return count;
}

static int play_server(struct world *w, int listener, int seconds)
{
    int count = 0;

    for (int i = 0; i < seconds * 100; i++) {
        pass(w, 10 * MS);
        count += close_all_who_come(w, listener);
    }
    return count;
}

static void fault_d4__stop_when_the_handshake_fails__ends_the_endpoint(void **state)
{
    struct mcq_address address = address_at(INADDR_LOOPBACK, PORT);
    struct world w;
    int listener;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);

    assert_int_equal(mcq_reactor_listen(w.raw, &address, NULL, 10, &listener), MCQ_IO_DONE);
    connect_to(push, HERE);
    assert_in_range(play_server(&w, listener, 10), 50, 200); /* it goes on coming back */
    assert_int_equal(disconnect_from(push, HERE), MCQ_OK);
    (void) play_server(&w, listener, 1);

    push->options.reconnect_stop = 2;
    connect_to(push, HERE);
    assert_int_equal(play_server(&w, listener, 10), 1);
    assert_int_equal(push->conn_count, 0);
    mcq_reactor_close(w.raw, listener);
    close_world(&w);
}

static void fault_d4__interval_of_minus_1__one_attempt_and_no_second_connection(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *pair = open_socket(&w, MCQ_SOCKET_TYPE_PAIR);

    pair->options.reconnect_ms = -1;
    connect_to(pair, HERE);
    assert_int_equal(attempts_within(&w, 10 * SECOND), 1);

    struct mcq_socket *other = open_socket(&w, MCQ_SOCKET_TYPE_PAIR);

    bind_to(other, HERE);
    connect_to(pair, HERE); /* its one peer was given up */
    pass(&w, SECOND);
    assert_int_equal(pair->up_count, 1);
    close_socket(&w, other);
    assert_int_equal(attempts_within(&w, 10 * SECOND), 0);
    assert_int_equal(pair->conn_count, 0);
    close_world(&w);
}

static void fault_d4__disconnect__ends_attempts_in_every_state(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, true);

    for (uint64_t after_ns = 0; after_ns < 40 * MS; after_ns += MS / 2) {
        connect_to(client, HERE);
        if (after_ns > 0)
            pass(&w, after_ns);
        assert_int_equal(disconnect_from(client, HERE), MCQ_OK);
        pass(&w, MS);
        assert_int_equal(attempts_within(&w, SECOND), 0);
        assert_null(client->endpoints);
    }
    close_world(&w);
}

/* --- where from ------------------------------------------------------------------------------- */

static void source__is_what_the_peer_sees(void **state)
{
    struct mcq_address address = address_at(INADDR_LOOPBACK, PORT);
    struct world w;
    int listener;
    int fd;

    (void) state;
    open_world(&w);
    assert_int_equal(mcq_reactor_listen(w.raw, &address, NULL, 10, &listener), MCQ_IO_DONE);
    connect_to(open_client(&w, 100, 0, true), "tcp://127.0.0.1:7777;127.0.0.1:5555");
    pass(&w, 10 * MS);
    assert_int_equal(mcq_reactor_accept(w.raw, listener, &fd), MCQ_IO_DONE);
    assert_true(mcq_reactor_peer_address(w.raw, fd, &address));

    struct mcq_address expected = address_at(INADDR_LOOPBACK, 7777);

    assert_memory_equal(&address.storage, &expected.storage, sizeof(struct sockaddr_in));
    mcq_reactor_close(w.raw, fd);
    mcq_reactor_close(w.raw, listener);
    close_world(&w);
}

static void fault_d5__a_connection_to_ourselves__is_noticed_and_closed(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, true);
    size_t without = mcq_sim_open_count(w.sim);

    connect_to(client, "tcp://127.0.0.1:5555;127.0.0.1:5555");
    for (int i = 0; i < 100; i++) {
        pass(&w, 10 * MS);
        assert_int_equal(client->up_count, 0);
    }
    assert_true(attempt_count(&w) > 5);
    assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_CONNECTED, MCQ_IO_DONE), attempt_count(&w));
    assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_SEND, MCQ_IO_DONE), 0);
    assert_true(mcq_sim_open_count(w.sim) <= without + 1);
    close_world(&w);
}

/* --- names ----------------------------------------------------------------------------------- */

#define ANSWERS_MAX 4

/* What the name server says; the last answer stands for all later ones. */
struct server {
    uint32_t hosts[8][ANSWERS_MAX]; /* of each question, 0 ends; none: nobody has this name */
    unsigned question_count;
    bool hangs;
    char asked[64]; /* the host asked for last */
};

static enum mcq_err look_up(void *data, const char *host, bool is_ipv6,
                            struct mcq_address **addresses, uint32_t *count)
{
    struct server *server = data;
    const uint32_t *hosts;

    assert_false(is_ipv6);
    (void) snprintf(server->asked, sizeof server->asked, "%s", host);
    if (server->hangs)
        return MCQ_AGAIN;
    hosts = server->hosts[server->question_count < 7 ? server->question_count : 7];
    server->question_count++;
    *count = 0;
    if (hosts[0] == 0)
        return MCQ_NOT_FOUND;
    *addresses = mcq_alloc(ANSWERS_MAX * sizeof **addresses);
    assert_non_null(*addresses);
    while (*count < ANSWERS_MAX && hosts[*count] != 0) {
        (*addresses)[*count] = address_at(hosts[*count], 0);
        ++*count;
    }
    return MCQ_OK;
}

static void serve_names(struct world *w, struct server *server)
{
    struct mcq_resolver *resolver;

    assert_int_equal(mcq_context_resolver(w->context, &resolver), MCQ_OK);
    mcq_resolver_set(resolver, (struct mcq_name_server) {look_up, server});
}

#define HOST(n) (0x7f000000u + (n))

static void fault_d14__all_addresses_of_a_name__are_tried_before_the_back_off(void **state)
{
    struct server server = {.hosts = {{HOST(3), HOST(2), HOST(1), HOST(4)}}};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 60000, 0, false);
    struct mcq_socket *bound = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);

    serve_names(&w, &server);
    bind_to(bound, HERE);
    connect_to(client, "tcp://server.example:5555");
    assert_string_equal(client->last_endpoint, "tcp://server.example:5555");
    assert_int_equal(send_text(client, "hello"), MCQ_OK); /* it may be sent at once */
    pass(&w, SECOND);
    assert_string_equal(server.asked, "server.example");
    assert_int_equal(server.question_count, 1);
    assert_int_equal(attempt_count(&w), 3);
    expect_text(bound, "hello");
    close_world(&w);
}

static void fault_d14__a_name__is_asked_for_anew_before_each_round(void **state)
{
    struct server server = {.hosts = {{0}, {HOST(3), HOST(2)}, {HOST(4)}, {HOST(1)}}};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, false);
    struct mcq_socket *bound = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);

    serve_names(&w, &server);
    bind_to(bound, HERE);
    connect_to(client, "tcp://moves.example:5555");
    pass(&w, 90 * MS);
    assert_int_equal(server.question_count, 1);
    assert_int_equal(attempt_count(&w), 0);
    pass(&w, 2 * SECOND);
    assert_int_equal(server.question_count, 4);
    assert_int_equal(attempt_count(&w), 4);
    assert_int_equal(client->up_count, 1);
    assert_int_equal(disconnect_from(client, "tcp://moves.example:5555"), MCQ_OK);
    close_world(&w);
}

static void fault_d14__a_look_up_that_hangs__stalls_nobody_and_is_not_waited_for(void **state)
{
    struct server server = {.hangs = true, .hosts = {{HOST(1)}, {HOST(1)}}};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *waits = open_client(&w, 100, 0, false);
    struct mcq_socket *bound = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    struct mcq_socket *other = open_client(&w, 100, 0, false);

    serve_names(&w, &server);
    bind_to(bound, HERE);
    connect_to(waits, "tcp://slow.example:5555");
    connect_to(other, HERE);
    pass(&w, SECOND);
    assert_int_equal(other->up_count, 1);
    assert_int_equal(attempt_count(&w), 1);
    assert_int_equal(send_text(other, "hello"), MCQ_OK);
    pass(&w, MS);
    expect_text(bound, "hello");

    /* Ended while it hangs, asked for once more, answered at last. */
    assert_int_equal(disconnect_from(waits, "tcp://slow.example:5555"), MCQ_OK);
    pass(&w, MS);
    assert_null(waits->endpoints);
    connect_to(waits, "tcp://slow.example:5555");
    connect_to(waits, "tcp://slower.example:5555");
    pass(&w, SECOND);
    server.hangs = false;
    pass(&w, SECOND);
    assert_int_equal(waits->up_count, 2);
    assert_int_equal(server.question_count, 2);
    server.hangs = true;
    connect_to(waits, "tcp://slow.example:5555");
    pass(&w, SECOND);
    close_world_within(&w, 10 * MS);
}

static void fault_g4__linger_with_a_look_up_that_hangs__ends_with_the_linger_time(void **state)
{
    struct server server = {.hangs = true};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);

    serve_names(&w, &server);
    push->options.linger_ms = 500;
    connect_to(push, "tcp://slow.example:5555");
    assert_int_equal(send_text(push, "it waits"), MCQ_OK);
    close_socket(&w, push);
    pass(&w, 490 * MS);
    assert_int_equal(w.context->open_count, 1);
    close_world_within(&w, 20 * MS);
}

static void texts__that_are_neither_address_nor_name__are_said_at_once(void **state)
{
    struct server server = {.hangs = true};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, false);

    serve_names(&w, &server);
    assert_int_equal(try_connect(client, "tcp://999.1.1.1:5555"), MCQ_NOT_FOUND);
    assert_int_equal(try_connect(client, "tcp://12345678901234:5555"), MCQ_NOT_FOUND);
    assert_int_equal(try_connect(client, "tcp://[::1]:5555"), MCQ_NOT_FOUND); /* without IPV6 */
    assert_int_equal(try_connect(client, "tcp://name%lo:5555"), MCQ_NOT_FOUND);
    assert_int_equal(try_connect(client, "tcp://name:0x50"), MCQ_INVAL);
    assert_int_equal(try_connect(client, "tcp://name;127.0.0.1:5555"), MCQ_INVAL);
    assert_int_equal(try_connect(client, "tcp://name:0;127.0.0.1:5555"), MCQ_INVAL);
    assert_int_equal(try_connect(client, "tcp://[::1]:0;127.0.0.1:5555"), MCQ_INVAL);
    assert_null(client->endpoints);
    assert_int_equal(try_connect(client, "tcp://4chan.example1:5555"), MCQ_OK);
    pass(&w, MS);
    assert_string_equal(server.asked, "4chan.example1");
    close_world(&w);
}

/* Each allocation of a connect to a name and of all that follows, refused in turn. */
static void fault_f17__no_memory_for_a_name__is_reported_or_tried_again(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct server server = {.hosts = {{HOST(2), HOST(1)}}};
        struct world w;
        enum mcq_err err;

        open_world(&w);
        struct mcq_socket *bound = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
        struct mcq_socket *client = open_client(&w, 1, 0, false);

        bind_to(bound, HERE);
        pass(&w, MS);
        for (unsigned i = 1; i < 8; i++)
            memcpy(server.hosts[i], server.hosts[0], sizeof server.hosts[0]);
        serve_names(&w, &server);
        mcq_alloc_fail_at(n);
        err = try_connect(client, "tcp://name.example:5555");
        assert_true(err == MCQ_OK || (err == MCQ_NOMEM && client->endpoints == NULL));
        while (mcq_alloc_fail_left() > 1 && client->up_count == 0)
            pass(&w, MS); /* the test's own allocations are not to fail */
        bool is_over = mcq_alloc_fail_left() > 0;

        mcq_alloc_fail_at(0);
        pass(&w, SECOND);
        assert_int_equal(client->up_count, err == MCQ_OK);
        close_world(&w);
        if (is_over && err == MCQ_OK)
            break;
        assert_true(n < 1000);
    }
}

/* --- many ------------------------------------------------------------------------------------ */

static void fault_d13__crossing_connects__end_in_one_session_for_each_connect(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *a = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    struct mcq_socket *b = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);

    bind_to(a, "tcp://127.0.0.1:5555");
    bind_to(b, "tcp://127.0.0.1:5556");
    connect_to(a, "tcp://127.0.0.1:5556");
    connect_to(b, "tcp://127.0.0.1:5555");
    pass(&w, SECOND);
    assert_int_equal(a->up_count, 2);
    assert_int_equal(b->up_count, 2);
    for (int i = 0; i < 4; i++) /* by turns over both */
        assert_int_equal(send_text(a, "hello"), MCQ_OK);
    pass(&w, SECOND);
    for (int i = 0; i < 4; i++)
        expect_text(b, "hello");

    /* A PAIR has one peer, its own connect's: who comes besides is turned away. */
    struct mcq_socket *c = open_socket(&w, MCQ_SOCKET_TYPE_PAIR);
    struct mcq_socket *d = open_socket(&w, MCQ_SOCKET_TYPE_PAIR);

    bind_to(c, "tcp://127.0.0.1:5557");
    bind_to(d, "tcp://127.0.0.1:5558");
    connect_to(c, "tcp://127.0.0.1:5558");
    connect_to(d, "tcp://127.0.0.1:5557");
    pass(&w, 10 * SECOND);
    assert_true(c->up_count <= 1 && d->up_count <= 1);
    assert_true(c->conn_count <= 1 && d->conn_count <= 1);
    close_world(&w);
}

#define MANY 200
#define SOCKET_MAPPED_BYTES (UINT64_C(800) << 20) /* most of it is never touched */

static struct mcq_socket *the_server;

static bool all_are_served(struct world *w)
{
    (void) w;
    return the_server->up_count == MANY;
}

static void fault_d6__many_peers_that_return_together__are_all_served_within_10_s(void **state)
{
    static struct world w;
    struct mcq_socket *clients[MANY];
    void *room = mcq_map(MANY * SOCKET_MAPPED_BYTES);

    (void) state;
    if (room == NULL) {
        print_message("# no addresses for so many sockets, as under valgrind\n");
        skip();
    }
    mcq_unmap(room, MANY * SOCKET_MAPPED_BYTES);
    open_world(&w);
    the_server = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    bind_to(the_server, HERE);
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = open_client(&w, 100, 0, true);
        connect_to(clients[i], HERE);
    }
    assert_true(pass_until(&w, all_are_served, 10 * SECOND));
    for (int round = 0; round < 3; round++) {
        close_socket(&w, the_server);
        pass(&w, 100 * MS);
        the_server = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
        bind_to(the_server, HERE);
        assert_true(pass_until(&w, all_are_served, 10 * SECOND));
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(send_text(clients[i], "back"), MCQ_OK);
    pass(&w, SECOND);
    for (size_t i = 0; i < MANY; i++)
        expect_text(the_server, "back");
    close_world(&w);
}

/* --- what a disconnect leaves behind ---------------------------------------------------------- */

static void send_octet(struct mcq_socket *socket)
{
    struct mcq_part part = {.body = mcq_bytes_of("x")};

    assert_int_equal(mcq_socket_send(socket, &part, 0), MCQ_OK);
}

static void disconnect__nobody_comes__is_given_up_after_linger(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *client = open_client(&w, 100, 0, false);

    client->options.linger_ms = 5000;
    connect_to(client, HERE);
    send_octet(client);
    assert_int_equal(disconnect_from(client, HERE), MCQ_OK);
    assert_int_equal(disconnect_from(client, HERE), MCQ_NOT_FOUND);

    client->options.linger_ms = 2000; /* an earlier one, behind it */
    connect_to(client, "tcp://127.0.0.1:5556");
    send_octet(client);
    assert_int_equal(disconnect_from(client, "tcp://127.0.0.1:5556"), MCQ_OK);
    assert_int_equal(client->conn_count, 2);
    pass(&w, 1900 * MS);
    assert_int_equal(client->conn_count, 2);
    pass(&w, 200 * MS);
    assert_int_equal(client->conn_count, 1);
    assert_in_range(attempts_within(&w, 2 * SECOND), 10, 20);
    pass(&w, SECOND);
    assert_int_equal(client->conn_count, 0);
    assert_null(client->endpoints);
    assert_int_equal(attempts_within(&w, 10 * SECOND), 0);
    close_world(&w);
}

static void disconnect__all_has_left__goes_with_the_peer(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    struct mcq_socket *client = open_client(&w, 100, 0, false);

    bind_to(server, HERE);
    connect_to(client, HERE);
    pass(&w, SECOND);
    assert_int_equal(client->up_count, 1);
    send_octet(client);
    assert_int_equal(disconnect_from(client, HERE), MCQ_OK);
    assert_int_equal(client->up_count, 0);
    pass(&w, 100 * MS); /* our own peers end when we do */
    assert_int_equal(client->conn_count, 0);
    assert_int_equal(client->stream_count, 0);
    assert_int_equal(server->up_count, 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_d4__refused__is_tried_as_often_as_the_interval_says),
        cmocka_unit_test(fault_d4__refused__the_interval_doubles_up_to_its_maximum),
        cmocka_unit_test(fault_d4__black_hole__one_attempt_at_a_time_and_each_has_its_limit),
        cmocka_unit_test(fault_d4__black_hole_without_a_limit__close_does_not_wait_for_it),
        cmocka_unit_test(fault_d4__stop_when_refused__ends_the_endpoint),
        cmocka_unit_test(fault_d4__stop_when_the_handshake_fails__ends_the_endpoint),
        cmocka_unit_test(fault_d4__interval_of_minus_1__one_attempt_and_no_second_connection),
        cmocka_unit_test(fault_d4__disconnect__ends_attempts_in_every_state),
        cmocka_unit_test(disconnect__nobody_comes__is_given_up_after_linger),
        cmocka_unit_test(disconnect__all_has_left__goes_with_the_peer),
        cmocka_unit_test(source__is_what_the_peer_sees),
        cmocka_unit_test(fault_d5__a_connection_to_ourselves__is_noticed_and_closed),
        cmocka_unit_test(fault_d14__all_addresses_of_a_name__are_tried_before_the_back_off),
        cmocka_unit_test(fault_d14__a_name__is_asked_for_anew_before_each_round),
        cmocka_unit_test(fault_d14__a_look_up_that_hangs__stalls_nobody_and_is_not_waited_for),
        cmocka_unit_test(fault_g4__linger_with_a_look_up_that_hangs__ends_with_the_linger_time),
        cmocka_unit_test(texts__that_are_neither_address_nor_name__are_said_at_once),
        cmocka_unit_test(fault_f17__no_memory_for_a_name__is_reported_or_tried_again),
        cmocka_unit_test(fault_d13__crossing_connects__end_in_one_session_for_each_connect),
        cmocka_unit_test(fault_d6__many_peers_that_return_together__are_all_served_within_10_s),
    };

    return cmocka_run_group_tests_name("runtime.connector", tests, NULL, NULL);
}
