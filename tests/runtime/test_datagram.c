/* Sockets of udp in simulated worlds: what gets lost, what is bounded, and what is left. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/peers.h"
#include "runtime/sim_support.h"

#define HERE "udp://127.0.0.1:5555"
#define THERE "udp://127.0.0.1:5556"
#define LOOK_MAX 64 /* as in pump/link_datagram.h */

static void open_odd_world(struct world *w, uint64_t seed, const struct mcq_sim_faults *faults)
{
    struct mcq_reactor *reactor;

    *w = (struct world) {.engine = {.turn = engine_turn, .context = w}};
    assert_int_equal(mcq_sim_new(seed, faults, &w->sim), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &reactor), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &w->raw), MCQ_OK);
    assert_int_equal(mcq_context_new_on(reactor, seed, &w->context), MCQ_OK);
    mcq_sim_add_actor(w->sim, &w->engine);
}

static enum mcq_err try_bind(struct mcq_socket *socket, const char *endpoint)
{
    const char *fault;
    enum mcq_err err;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    err = mcq_socket_bind(socket, mcq_bytes_of(endpoint), &fault);
    mcq_socket_leave(socket);
    return err;
}

static enum mcq_err join(struct mcq_socket *dish, const char *group)
{
    enum mcq_err err;

    assert_int_equal(mcq_socket_enter(dish), MCQ_OK);
    err = dish->pattern->ops->join(dish->pattern, mcq_bytes_of(group), true);
    mcq_socket_leave(dish);
    return err;
}

static uint64_t drops_of(struct mcq_socket *socket, enum mcq_tally_drop why)
{
    struct mcq_tally tally;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    mcq_socket_sum(socket, &tally);
    mcq_socket_leave(socket);
    return tally.drops[why];
}

/* To the group without a name. */
static enum mcq_err tell(struct mcq_socket *radio, uint32_t number)
{
    struct mcq_part part = {.body = mcq_bytes(&number, sizeof number)};

    return mcq_socket_send(radio, &part, 0);
}

static enum mcq_err hear(struct mcq_socket *dish, uint32_t *number)
{
    struct mcq_msg msg;

    MCQ_TRY(mcq_socket_recv(dish, &msg, 0));
    assert_int_equal(mcq_msg_len(&msg), sizeof *number);
    assert_false(msg.more);
    memcpy(number, mcq_msg_data(&msg), sizeof *number);
    mcq_msg_fini(&msg);
    return MCQ_OK;
}

/* --- worlds with faults ----------------------------------------------------------------------- */

#define MESSAGES 60

/* Of a seed: datagrams get lost, come twice and late, calls fail and say AGAIN. What comes has been
 * sent, is whole, and no older than what came before it; without faults all of it comes. */
static uint64_t run_seed(uint64_t seed)
{
    struct mcq_sim_faults faults = {
        .partial = (unsigned) (seed % 3) * 100,
        .again = (unsigned) (seed % 5) * 60,
        .fail = seed % 7 == 6 ? 20 : 0,
        .spurious = (unsigned) (seed % 4) * 30,
        .late = (unsigned) (seed % 4) * 30,
        .delay_max_ns = seed % 2 * 5 * MS,
    };
    bool is_calm = faults.partial == 0 && faults.fail == 0;
    struct mcq_socket *dish;
    struct mcq_socket *radio;
    uint32_t next = 0;
    uint32_t heard_count = 0;
    uint32_t number = 0;
    uint64_t hash;
    struct world w;

    open_odd_world(&w, seed, &faults);
    dish = open_socket(&w, MCQ_SOCKET_TYPE_DISH);
    radio = open_socket(&w, MCQ_SOCKET_TYPE_RADIO);
    assert_int_equal(join(dish, ""), MCQ_OK);
    while (try_bind(dish, HERE) != MCQ_OK)
        assert_true(faults.fail > 0);
    while (try_connect(radio, HERE) != MCQ_OK)
        assert_true(faults.fail > 0);
    for (uint32_t i = 0; i < MESSAGES + 200; i++) {
        if (i < MESSAGES)
            assert_int_equal(tell(radio, i), MCQ_OK);
        if (mcq_sim_random(w.sim) % 3 == 0 || i >= MESSAGES)
            pass(&w, MS);
        while (hear(dish, &number) == MCQ_OK) {
            assert_true(number >= next && number < MESSAGES);
            next = number + (faults.partial == 0);
            heard_count++;
        }
    }
    if (is_calm)
        assert_int_equal(heard_count, MESSAGES);
    else
        assert_true(heard_count > 0);
    hash = mcq_sim_hash(w.sim);
    close_world(&w);
    return hash;
}

static void seeds__datagrams_lost_late_and_twice__what_comes_was_sent(void **state)
{
    const char *only = getenv("MONOCOQUE_TEST_SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 0) : 1;
    uint64_t last = only != NULL ? first : 210;

    (void) state;
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t hash;

        print_message("# MONOCOQUE_TEST_SEED=%" PRIu64 "\n", seed);
        hash = run_seed(seed);
        if (seed % 10 == 0)
            assert_int_equal(run_seed(seed), hash);
    }
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void say(struct world *w, int fd, const char *octets, size_t len)
{
    struct mcq_address to = address_at(INADDR_LOOPBACK, 5555);

    assert_int_equal(mcq_reactor_send_datagram(w->raw, fd, mcq_bytes(octets, len), &to).result,
                     MCQ_IO_DONE);
}

static int open_plain(struct world *w)
{
    struct mcq_datagram_place place = {.address = address_at(INADDR_LOOPBACK, 6000)};
    int fd = -1;

    assert_int_equal(mcq_reactor_open_datagrams(w->raw, &place, NULL, &fd), MCQ_IO_DONE);
    return fd;
}

/* A call has its share of a flood, and the engine reads the rest of it. */
static void dish__flood_for_others__a_call_looks_at_so_many(void **state)
{
    uint64_t before;
    uint32_t number;
    struct world w;
    int fd;

    (void) state;
    open_world(&w);
    struct mcq_socket *dish = open_socket(&w, MCQ_SOCKET_TYPE_DISH);

    bind_to(dish, HERE);
    assert_int_equal(join(dish, ""), MCQ_OK);
    fd = open_plain(&w);
    for (int i = 0; i < 1000; i++)
        say(&w, fd, "\x01hnot for us", 12);
    say(&w, fd, "\0four", 5);
    before = mcq_sim_reached(w.sim, MCQ_IO_OP_RECV, MCQ_IO_DONE);
    assert_int_equal(hear(dish, &number), MCQ_AGAIN);
    assert_true(mcq_sim_reached(w.sim, MCQ_IO_OP_RECV, MCQ_IO_DONE) - before <=
                UINT64_C(3) * LOOK_MAX);
    pass(&w, SECOND);
    assert_int_equal(hear(dish, &number), MCQ_OK);
    assert_int_equal(drops_of(dish, MCQ_TALLY_FILTERED), 1000);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

static void radio__way_is_full__drops_beyond_the_mark(void **state)
{
    uint32_t number;
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *dish = open_socket(&w, MCQ_SOCKET_TYPE_DISH);
    struct mcq_socket *radio = open_socket(&w, MCQ_SOCKET_TYPE_RADIO);

    radio->options.send_hwm = 3;
    bind_to(dish, HERE);
    assert_int_equal(join(dish, ""), MCQ_OK);
    connect_to(radio, HERE);
    mcq_sim_inject(w.sim, mcq_sim_operation_count(w.sim), MCQ_IO_AGAIN);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(tell(radio, i), MCQ_OK);
    assert_int_equal(drops_of(radio, MCQ_TALLY_FULL), 7);
    pass(&w, 100 * MS);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(hear(dish, &number), MCQ_OK);
        assert_int_equal(number, i);
    }
    assert_int_equal(hear(dish, &number), MCQ_AGAIN);
    close_world(&w);
}

/* What had not left at disconnect, and at close, leaves within the linger time. */
static void radio__disconnect_and_close__what_waits_leaves(void **state)
{
    uint32_t number;
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *dish = open_socket(&w, MCQ_SOCKET_TYPE_DISH);

    bind_to(dish, HERE);
    assert_int_equal(join(dish, ""), MCQ_OK);
    for (uint32_t i = 0; i < 2; i++) {
        struct mcq_socket *radio = open_socket(&w, MCQ_SOCKET_TYPE_RADIO);

        radio->options.linger_ms = 1000;
        connect_to(radio, HERE);
        mcq_sim_inject(w.sim, mcq_sim_operation_count(w.sim), MCQ_IO_AGAIN);
        assert_int_equal(tell(radio, i), MCQ_OK);
        if (i == 0)
            assert_int_equal(disconnect_from(radio, HERE), MCQ_OK);
        close_socket(&w, radio);
        pass(&w, 100 * MS);
        assert_int_equal(hear(dish, &number), MCQ_OK);
        assert_int_equal(number, i);
    }
    close_world(&w);
}

static void idle__no_operation_is_made(void **state)
{
    uint64_t before;
    uint32_t number;
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *dish = open_socket(&w, MCQ_SOCKET_TYPE_DISH);
    struct mcq_socket *radio = open_socket(&w, MCQ_SOCKET_TYPE_RADIO);

    bind_to(dish, HERE);
    assert_int_equal(join(dish, ""), MCQ_OK);
    connect_to(radio, HERE);
    assert_int_equal(tell(radio, 1), MCQ_OK);
    assert_int_equal(hear(dish, &number), MCQ_OK);
    pass(&w, SECOND);
    before = mcq_sim_operation_count(w.sim);
    pass(&w, 100 * SECOND);
    assert_true(mcq_sim_operation_count(w.sim) - before <= 1); /* the clock that we wait for */
    close_world(&w);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Every allocation of an exchange fails once: a call says so, or a datagram is lost. */
static void fault_f17__datagrams_without_memory__say_so_or_lose_one(void **state)
{
    static char body[3000];

    (void) state;
    for (uint64_t n = 1;; n++) {
        struct mcq_part part = {.body = mcq_bytes_of("127.0.0.1:5555"), .more = true};
        enum mcq_err errs[4] = {MCQ_AGAIN, MCQ_AGAIN, MCQ_AGAIN, MCQ_AGAIN};
        struct mcq_msg msg;
        struct world w;

        open_world(&w);
        struct mcq_socket *near = open_socket(&w, MCQ_SOCKET_TYPE_DGRAM);
        struct mcq_socket *far = open_socket(&w, MCQ_SOCKET_TYPE_DGRAM);

        mcq_alloc_fail_at(n);
        errs[0] = try_bind(far, HERE);
        errs[1] = try_bind(near, THERE);
        if (errs[0] == MCQ_OK && errs[1] == MCQ_OK)
            errs[2] = mcq_socket_send(near, &part, 0);
        if (errs[2] == MCQ_OK) {
            part = (struct mcq_part) {.body = mcq_bytes(body, sizeof body)};
            errs[3] = mcq_socket_send(near, &part, 0);
        }
        while (errs[2] == MCQ_OK && mcq_socket_recv(far, &msg, 0) == MCQ_OK) {
            errs[3] = mcq_msg_len(&msg) == sizeof body ? MCQ_OK : MCQ_AGAIN;
            mcq_msg_fini(&msg);
        }
        bool is_over = mcq_alloc_fail_left() > 0;

        mcq_alloc_fail_at(0);
        for (int i = 0; i < 4; i++)
            assert_true(errs[i] == MCQ_OK || errs[i] == MCQ_NOMEM || errs[i] == MCQ_AGAIN);
        pass(&w, SECOND);
        close_world(&w);
        if (is_over) {
            assert_int_equal(errs[3], MCQ_OK);
            break;
        }
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds__datagrams_lost_late_and_twice__what_comes_was_sent),
        cmocka_unit_test(dish__flood_for_others__a_call_looks_at_so_many),
        cmocka_unit_test(radio__way_is_full__drops_beyond_the_mark),
        cmocka_unit_test(radio__disconnect_and_close__what_waits_leaves),
        cmocka_unit_test(idle__no_operation_is_made),
        cmocka_unit_test(fault_f17__datagrams_without_memory__say_so_or_lose_one),
    };

    return cmocka_run_group_tests_name("runtime.datagram", tests, NULL, NULL);
}
