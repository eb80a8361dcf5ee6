/* What an engine puts up with from peers, in simulation: those that are late, silent, many. */

#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define PORT 5555

static int connect_raw(struct world *w)
{
    struct mcq_address address = address_at(INADDR_LOOPBACK, PORT);
    int fd;

    assert_int_equal(mcq_reactor_connect(w->raw, NULL, &address, NULL, &fd), MCQ_IO_AGAIN);
    pass(w, MS);
    assert_int_equal(mcq_reactor_connected(w->raw, fd), MCQ_IO_DONE);
    return fd;
}

static enum mcq_io_result send_raw(struct world *w, int fd, const void *octets, size_t len)
{
    struct iovec run = {(void *) (uintptr_t) octets, len};

    return mcq_reactor_send(w->raw, fd, &run, 1).result;
}

/* Whether the other side has closed it; what it said before is dropped. */
static bool is_closed(struct world *w, int fd)
{
    uint8_t octets[256];
    struct iovec room = {octets, sizeof octets};
    enum mcq_io_result result;

    do
        result = mcq_reactor_recv(w->raw, fd, &room, 1).result;
    while (result == MCQ_IO_DONE);
    return result != MCQ_IO_AGAIN;
}

/* --- before the handshake is over ------------------------------------------------------------- */

/* A greeting of 3.1, NULL. */
static const uint8_t greeting[64] = {0xff, 0, 0,   0,   0,   0,   0, 0, 1, 0x7f,
                                     3,    1, 'N', 'U', 'L', 'L', 0, 0, 0, 0};

static void fault_a2__octet_by_octet__the_deadline_stands(void **state)
{
    (void) state;
    for (uint64_t gap_ms = 1; gap_ms < 600; gap_ms = gap_ms * 3) {
        struct world w;
        uint64_t since_ns;
        size_t sent = 0;
        int fd;

        open_world(&w);
        struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

        server->options.handshake_ms = 1000;
        bind_to(server, HERE);
        fd = connect_raw(&w);
        since_ns = now_ns(&w);
        while (!is_closed(&w, fd)) {
            if (sent < sizeof greeting)
                (void) send_raw(&w, fd, &greeting[sent++], 1);
            assert_true(now_ns(&w) - since_ns < 1100 * MS + gap_ms * MS);
            pass(&w, gap_ms * MS);
        }
        assert_true(now_ns(&w) - since_ns >= 990 * MS);
        mcq_reactor_close(w.raw, fd);
        close_world(&w);
    }
}

static size_t closed_count(struct world *w, const int *fds, size_t count)
{
    size_t closed = 0;

    for (size_t i = 0; i < count; i++)
        closed += is_closed(w, fds[i]);
    return closed;
}

/* One less than the limit, as many, and one more: that one waits in the backlog until the oldest
 * has had a second. */
static void fault_a3__strangers__as_many_as_the_option_says(void **state)
{
    enum { LIMIT = 5 };

    (void) state;
    for (size_t count = LIMIT - 1; count <= LIMIT + 1; count++) {
        struct world w;
        int fds[LIMIT + 1];

        open_world(&w);
        struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

        server->options.strangers_max = LIMIT;
        server->options.handshake_ms = 5000;
        bind_to(server, HERE);
        for (size_t i = 0; i < count; i++)
            fds[i] = connect_raw(&w);
        pass(&w, 900 * MS);
        assert_int_equal(closed_count(&w, fds, count), 0);
        assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_DONE),
                         count < LIMIT ? count : LIMIT);
        pass(&w, 200 * MS);
        assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_DONE), count);
        assert_int_equal(closed_count(&w, fds, count), count > LIMIT);
        assert_int_equal(is_closed(&w, fds[0]), count > LIMIT);
        pass(&w, 5000 * MS);
        assert_int_equal(closed_count(&w, fds, count), count);
        for (size_t i = 0; i < count; i++)
            mcq_reactor_close(w.raw, fds[i]);
        close_world(&w);
    }
}

/* Many are let in together, and each within a moment; while nobody comes nobody looks. */
static void fault_a3__newcomers_to_a_crowd__are_let_in_by_the_batch(void **state)
{
    enum { CROWD = 80, MORE = 100 };
    static int fds[CROWD + MORE];
    struct world w;
    uint64_t looks;

    (void) state;
    open_world(&w);
    struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    server->options.handshake_ms = 60000;
    bind_to(server, HERE);
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = connect_raw(&w);
    pass(&w, 100 * MS);
    assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_DONE), CROWD);
    for (size_t i = 0; i < MORE; i++) {
        fds[CROWD + i] = connect_raw(&w);
        pass(&w, 2 * MS);
        assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_DONE), CROWD + i + 1);
    }
    pass(&w, 100 * MS);
    looks = mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_AGAIN);
    pass(&w, 10 * SECOND);
    assert_int_equal(mcq_sim_reached(w.sim, MCQ_IO_OP_ACCEPT, MCQ_IO_AGAIN), looks);
    for (size_t i = 0; i < CROWD + MORE; i++)
        mcq_reactor_close(w.raw, fds[i]);
    close_world(&w);
}

/* As many mute strangers as there may be, and ever more: one who behaves gets in. */
static void fault_a9__flood_of_strangers__newcomers_get_in(void **state)
{
    enum { LIMIT = 8, FLOOD = 60 };
    struct world w;
    int fds[FLOOD];

    (void) state;
    open_world(&w);
    struct mcq_socket *server = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    struct mcq_socket *client = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);

    server->options.strangers_max = LIMIT;
    bind_to(server, HERE);
    for (size_t i = 0; i < FLOOD / 2; i++)
        fds[i] = connect_raw(&w);
    connect_to(client, HERE);
    for (size_t i = FLOOD / 2; i < FLOOD; i++)
        fds[i] = connect_raw(&w);
    pass(&w, 10 * SECOND);
    assert_int_equal(server->up_count, 1);
    assert_int_equal(send_text(client, "hello"), MCQ_OK);
    pass(&w, MS);
    expect_text(server, "hello");
    for (size_t i = 0; i < FLOOD; i++)
        mcq_reactor_close(w.raw, fds[i]);
    close_world(&w);
}

/* A READY of so many octets, body and all, with so many properties; the last one fills it up. */
static size_t make_ready(uint8_t *frame, size_t len, size_t property_count)
{
    static const uint8_t start[] = "\5READY\13Socket-Type\0\0\0\4PUSH";
    size_t at = 9 + sizeof start - 1;
    size_t end = 9 + len;

    frame[0] = 6; /* a long command */
    for (unsigned i = 0; i < 8; i++)
        frame[1 + i] = (uint8_t) (len >> (56 - 8 * i));
    memcpy(frame + 9, start, sizeof start - 1);
    for (size_t i = 1; i < property_count; i++) {
        size_t value_len = i + 1 < property_count ? 0 : end - at - 7;

        assert_true(at + 7 <= end);
        frame[at++] = 2;
        frame[at++] = 'X';
        frame[at++] = (uint8_t) ('!' + i % 10 + 15); /* a digit */
        for (unsigned j = 0; j < 4; j++)
            frame[at++] = (uint8_t) (value_len >> (24 - 8 * j));
        memset(frame + at, 'x', value_len);
        at += value_len;
    }
    assert_int_equal(at, end);
    return end;
}

static bool is_let_in(int command_max, int properties_max, size_t len, size_t property_count)
{
    static uint8_t frame[80000];
    struct world w;
    bool is_in;
    int fd;

    open_world(&w);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    pull->options.command_max = command_max;
    pull->options.properties_max = properties_max;
    bind_to(pull, HERE);
    fd = connect_raw(&w);
    assert_int_equal(send_raw(&w, fd, greeting, sizeof greeting), MCQ_IO_DONE);
    len = make_ready(frame, len, property_count);
    for (size_t at = 0; at < len && !is_closed(&w, fd); at += 10000) {
        (void) send_raw(&w, fd, frame + at, mcq_min_size(len - at, 10000));
        pass(&w, MS);
    }
    pass(&w, MS);
    is_in = pull->up_count == 1;
    assert_int_equal(is_closed(&w, fd), !is_in);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
    return is_in;
}

static void fault_a5__a_ready_around_its_limits__exact(void **state)
{
    (void) state;
    for (int beyond = -1; beyond <= 1; beyond++) {
        bool fits = beyond <= 0;

        assert_int_equal(is_let_in(300, -1, (size_t) (300 + beyond), 2), fits);
        assert_int_equal(is_let_in(-1, -1, (size_t) (16384 + beyond), 2), fits);
        assert_int_equal(is_let_in(65536, -1, (size_t) (65536 + beyond), 2), fits);
        assert_int_equal(is_let_in(-1, 5, 300, (size_t) (5 + beyond)), fits);
        assert_int_equal(is_let_in(-1, -1, 1000, (size_t) (64 + beyond)), fits);
        assert_int_equal(is_let_in(-1, 1024, 10000, (size_t) (1024 + beyond)), fits);
    }
}

/* --- heartbeats ------------------------------------------------------------------------------- */

/* To all that it says; one message may wait for whoever reads. */
static void subscribe_to(struct world *w, struct mcq_socket *sub, struct mcq_socket *pub)
{
    sub->options.recv_hwm = 1;
    assert_int_equal(mcq_socket_enter(sub), MCQ_OK);
    assert_int_equal(sub->pattern->ops->subscribe(sub->pattern, mcq_bytes(NULL, 0), true), MCQ_OK);
    mcq_socket_leave(sub);
    bind_to(pub, HERE);
    connect_to(sub, HERE);
    pass(w, SECOND);
    assert_int_equal(pub->up_count, 1);
}

/* The subscriber's application reads nothing for an hour, its queue is full, and the publisher says
 * more than the stream holds: nobody is dead. */
static void fault_d3__a_full_queue_and_heartbeats__connections_stand(void **state)
{
    static const char text[2000] = {'x'};
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *pub = open_socket(&w, MCQ_SOCKET_TYPE_PUB);
    struct mcq_socket *sub = open_socket(&w, MCQ_SOCKET_TYPE_SUB);
    struct mcq_socket *sockets[] = {pub, sub};

    for (size_t i = 0; i < MCQ_COUNTOF(sockets); i++) {
        sockets[i]->options.heartbeat_ms = 100;
        sockets[i]->options.heartbeat_ttl_ms = 300;
    }
    subscribe_to(&w, sub, pub);

    uint64_t attempts = attempt_count(&w);

    for (int i = 0; i < 600; i++) {
        struct mcq_part part = {.body = mcq_bytes(text, sizeof text)};

        assert_int_equal(mcq_socket_send(pub, &part, 0), MCQ_OK);
        pass(&w, 100 * MS);
    }
    assert_int_equal(attempt_count(&w), attempts);
    assert_int_equal(pub->up_count, 1);
    assert_int_equal(sub->up_count, 1);
    close_world(&w);
}

/* The far side's window is zero for an hour: it is waited for, nothing grows, nobody wakes up for
 * it, and afterwards all is there. */
static void fault_d12__a_window_of_zero_for_an_hour__holds_and_costs_nothing(void **state)
{
    static const char text[2000] = {'x'};
    struct mcq_part part = {.body = mcq_bytes(text, sizeof text)};
    struct mcq_ledger before;
    struct world w;
    struct mcq_msg msg;
    size_t sent = 0;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    push->options.send_hwm = 10;
    pull->options.recv_hwm = 1;
    bind_to(pull, HERE);
    connect_to(push, HERE);
    pass(&w, SECOND);

    uint64_t attempts = attempt_count(&w);

    for (int quiet = 0; quiet < 10; quiet++) { /* until nothing has left for a while */
        for (; mcq_socket_send(push, &part, 0) == MCQ_OK; sent++)
            quiet = 0;
        pass(&w, 100 * MS);
    }
    before = mcq_alloc_ledger();
    pass(&w, 3600 * SECOND);
    assert_int_equal(attempt_count(&w), attempts);
    assert_int_equal(push->up_count + pull->up_count, 2);
    assert_in_range(mcq_alloc_ledger().block_count, 0, before.block_count);
    assert_in_range(mcq_alloc_ledger().bytes, 0, before.bytes);
    for (; sent > 0; sent--) {
        while (mcq_socket_recv(pull, &msg, 0) != MCQ_OK) {
            pass(&w, MS);
            assert_true(now_ns(&w) < UINT64_C(2) * 3600 * SECOND);
        }
        assert_int_equal(mcq_msg_len(&msg), sizeof text);
        mcq_msg_fini(&msg);
    }
    close_world(&w);
}

/* A publisher at full speed to a subscriber that takes a message now and then: its PING is behind
 * what the subscriber has not come to, so an answer comes too late, or never. The host that is gone
 * is found all the same. */
static void fault_d3__a_ping_behind_a_full_stream__is_waited_for_but_not_from_the_dead(void **state)
{
    static const char text[2000] = {'x'};
    struct world w;
    struct mcq_msg msg;

    (void) state;
    open_world(&w);
    struct mcq_socket *pub = open_socket(&w, MCQ_SOCKET_TYPE_PUB);
    struct mcq_socket *sub = open_socket(&w, MCQ_SOCKET_TYPE_SUB);

    pub->options.heartbeat_ms = 100;
    subscribe_to(&w, sub, pub);

    uint64_t attempts = attempt_count(&w);

    for (int i = 0; i < 3000; i++) {
        struct mcq_part part = {.body = mcq_bytes(text, sizeof text)};

        for (int burst = 0; burst < 5; burst++)
            assert_int_equal(mcq_socket_send(pub, &part, 0), MCQ_OK);
        if (i % 4 == 0 && mcq_socket_recv(sub, &msg, 0) == MCQ_OK)
            mcq_msg_fini(&msg);
        pass(&w, 10 * MS);
        assert_int_equal(pub->up_count, 1);
    }
    assert_int_equal(attempt_count(&w), attempts);
    for (uint32_t i = 0; i < pub->slot_count; i++)
        if (pub->slots[i].conn != NULL)
            mcq_sim_unplug(w.sim, pub->slots[i].conn->peer.link.fd);
    pass(&w, 500 * MS);
    assert_int_equal(pub->up_count, 0);
    close_world(&w);
}

/* The clock jumps an hour, as after a sleep of the machine, in all that a connection can be at: who
 * waits for it goes on, and nobody is given up who has answered. */
static void fault_f19__clock_jumps__what_waits_goes_on(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);
    struct mcq_socket *early = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);

    push->options.heartbeat_ms = pull->options.heartbeat_ms = 1000;
    connect_to(early, HERE); /* nobody is there yet */
    pass(&w, SECOND);
    mcq_sim_jump(w.sim, 3600 * SECOND);
    bind_to(pull, HERE);
    connect_to(push, HERE);
    pass(&w, 5 * SECOND);
    assert_int_equal(pull->up_count, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_text(push, "goes on"), MCQ_OK);
        mcq_sim_jump(w.sim, 3600 * SECOND);
        pass(&w, 5 * SECOND);
        assert_int_equal(send_text(early, "goes on"), MCQ_OK);
        pass(&w, SECOND);
        assert_int_equal(pull->up_count, 2);
        expect_text(pull, "goes on");
        expect_text(pull, "goes on");
    }
    close_world(&w);
}

/* An hour in which queues are full, signs of life are asked for ten times a second, and the
 * connection is cut now and then: what arrives never does so twice, and nothing grows. (What a lost
 * connection has left behind and what the next one brings take turns.) */
#define HOUR_NUMBERS 1000000
static void fault_g3__heartbeats_full_queues_and_reconnects__for_an_hour(void **state)
{
    static bool has_come[HOUR_NUMBERS];
    static uint8_t body[500];
    struct world w;
    struct mcq_msg msg;
    uint32_t sent = 0;
    uint32_t received = 0;
    uint64_t early_bytes = 0;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    push->options.heartbeat_ms = pull->options.heartbeat_ms = 100;
    push->options.heartbeat_ttl_ms = pull->options.heartbeat_ttl_ms = 300;
    push->options.send_hwm = 5;
    push->options.reconnect_ms = 50;
    pull->options.recv_hwm = 1;
    bind_to(pull, HERE);
    connect_to(push, HERE);
    for (uint32_t tenth = 1; tenth <= 36000; tenth++) {
        struct mcq_part part = {.body = mcq_bytes(body, sizeof body)};
        uint32_t next = sent + 1;

        for (memcpy(body, &next, sizeof next); mcq_socket_send(push, &part, 0) == MCQ_OK;
             memcpy(body, &next, sizeof next))
            sent = next++;
        if (tenth % 3 == 0 && mcq_socket_recv(pull, &msg, 0) == MCQ_OK) {
            uint32_t number;

            assert_int_equal(mcq_msg_len(&msg), sizeof body);
            memcpy(&number, mcq_msg_data(&msg), sizeof number);
            assert_in_range(number, 1, sent);
            assert_true(number < HOUR_NUMBERS && !has_come[number]);
            has_come[number] = true;
            received++;
            mcq_msg_fini(&msg);
        }
        if (tenth % 70 == 0 && pull->up_count > 0)
            for (uint32_t i = 0; i < pull->slot_count; i++)
                if (pull->slots[i].conn != NULL && pull->slots[i].conn->peer.link.is_up)
                    mcq_sim_reset(w.sim, pull->slots[i].conn->peer.link.fd);
        pass(&w, 100 * MS);
        if (tenth == 6000)
            early_bytes = mcq_alloc_ledger().bytes;
    }
    assert_true(received > 10000);
    assert_in_range(attempt_count(&w), 36000 / 70, 36000 / 70 * 3);
    assert_in_range(mcq_alloc_ledger().bytes, 1, early_bytes + 65536);
    close_world(&w);
}

/* Found within the interval, the time for an answer, and a tick. */
static void fault_d3__a_silent_peer__is_found_in_time(void **state)
{
    struct mcq_address address = address_at(INADDR_LOOPBACK, PORT);
    static const uint8_t ready[] = "\4\x1a\5READY\13Socket-Type\0\0\0\4PUSH";
    struct world w;
    int listener;
    int fd;

    (void) state;
    open_world(&w);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    pull->options.heartbeat_ms = 100;
    pull->options.heartbeat_timeout_ms = 250;
    assert_int_equal(mcq_reactor_listen(w.raw, &address, NULL, 10, &listener), MCQ_IO_DONE);
    connect_to(pull, HERE);
    pass(&w, MS);
    assert_int_equal(mcq_reactor_accept(w.raw, listener, &fd), MCQ_IO_DONE);
    assert_int_equal(send_raw(&w, fd, greeting, sizeof greeting), MCQ_IO_DONE);
    assert_int_equal(send_raw(&w, fd, ready, sizeof ready - 1), MCQ_IO_DONE);
    pass(&w, MS);
    assert_int_equal(pull->up_count, 1);
    pass(&w, 340 * MS);
    assert_int_equal(pull->up_count, 1);
    pass(&w, 15 * MS);
    assert_int_equal(pull->up_count, 0);
    mcq_reactor_close(w.raw, fd);
    mcq_reactor_close(w.raw, listener);
    close_world(&w);
}

/* --- identities ------------------------------------------------------------------------------- */

/* The second one with a name is turned away, over and over, and the first one notices nothing; once
 * that has gone it gets in. */
static void fault_e1__a_name_that_is_taken__waits_until_it_is_free(void **state)
{
    struct world w;
    struct mcq_msg msg;

    (void) state;
    open_world(&w);
    struct mcq_socket *router = open_socket(&w, MCQ_SOCKET_TYPE_ROUTER);
    struct mcq_socket *dealers[2];

    bind_to(router, HERE);
    for (size_t i = 0; i < 2; i++) {
        dealers[i] = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
        assert_int_equal(mcq_socket_options_name(&dealers[i]->options, mcq_bytes_of("worker")),
                         MCQ_OK);
        connect_to(dealers[i], HERE);
        pass(&w, 10 * MS);
    }
    for (int i = 0; i < 20; i++) {
        pass(&w, 500 * MS);
        assert_int_equal(router->up_count, 1);
        assert_int_equal(dealers[0]->up_count, 1);
    }
    assert_in_range(attempt_count(&w), 5, 300); /* it does not give up, nor does it spin */
    close_socket(&w, dealers[0]);
    pass(&w, 5 * SECOND);
    assert_int_equal(dealers[1]->up_count, 1);
    assert_int_equal(send_text(dealers[1], "mine now"), MCQ_OK);
    pass(&w, MS);
    assert_int_equal(mcq_socket_recv(router, &msg, 0), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of("worker")));
    mcq_msg_fini(&msg);
    expect_text(router, "mine now");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_a2__octet_by_octet__the_deadline_stands),
        cmocka_unit_test(fault_a3__strangers__as_many_as_the_option_says),
        cmocka_unit_test(fault_a3__newcomers_to_a_crowd__are_let_in_by_the_batch),
        cmocka_unit_test(fault_a9__flood_of_strangers__newcomers_get_in),
        cmocka_unit_test(fault_a5__a_ready_around_its_limits__exact),
        cmocka_unit_test(fault_d3__a_full_queue_and_heartbeats__connections_stand),
        cmocka_unit_test(fault_d12__a_window_of_zero_for_an_hour__holds_and_costs_nothing),
        cmocka_unit_test(
            fault_d3__a_ping_behind_a_full_stream__is_waited_for_but_not_from_the_dead),
        cmocka_unit_test(fault_f19__clock_jumps__what_waits_goes_on),
        cmocka_unit_test(fault_g3__heartbeats_full_queues_and_reconnects__for_an_hour),
        cmocka_unit_test(fault_d3__a_silent_peer__is_found_in_time),
        cmocka_unit_test(fault_e1__a_name_that_is_taken__waits_until_it_is_free),
    };

    return cmocka_run_group_tests_name("runtime.peers", tests, NULL, NULL);
}
