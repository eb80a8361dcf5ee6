/*
 * sim_support: sockets in a simulated world, for the tests of what their engine does.
 *
 * One context, whose engine takes its turns as an actor, and a reactor for peers that the test
 * plays itself. What a test began it ends with close_world, which looks that nothing is left.
 */
#ifndef MCQ_TESTS_RUNTIME_SIM_SUPPORT_H
#define MCQ_TESTS_RUNTIME_SIM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "arena/alloc.h"
#include "reactor/sim/sim.h"
#include "runtime/socket.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define SOCKETS_MAX 256

struct world {
    struct mcq_sim *sim;
    struct mcq_context *context;
    struct mcq_reactor *raw; /* the test's own */
    struct mcq_sim_actor engine;
    struct mcq_socket *sockets[SOCKETS_MAX];
    size_t socket_count;
};

static inline bool engine_turn(void *context)
{
    return mcq_context_turn(((struct world *) context)->context);
}

static inline void open_world(struct world *w)
{
    static const struct mcq_sim_faults none = {0};
    struct mcq_reactor *reactor;

    *w = (struct world) {.engine = {.turn = engine_turn, .context = w}};
    assert_int_equal(mcq_sim_new(1, &none, &w->sim), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &reactor), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(w->sim, &w->raw), MCQ_OK);
    assert_int_equal(mcq_context_new_on(reactor, 1, &w->context), MCQ_OK);
    mcq_sim_add_actor(w->sim, &w->engine);
}

static inline uint64_t now_ns(const struct world *w)
{
    return mcq_reactor_now_ns(w->raw);
}

/* The world goes on for so long. */
static inline void pass(struct world *w, uint64_t ns)
{
    uint64_t until_ns = now_ns(w) + ns;
    struct mcq_op alarm = {0};

    mcq_reactor_arm_timer(w->raw, &alarm, until_ns);
    while (mcq_op_is_armed(&alarm)) {
        mcq_reactor_wait(w->raw, MCQ_NEVER_NS);
        if (mcq_reactor_next(w->raw) == NULL)
            assert_true(mcq_sim_step(w->sim));
    }
}

/* The world goes on until is_done, for most_ns at most. */
static inline bool pass_until(struct world *w, bool (*is_done)(struct world *w), uint64_t most_ns)
{
    uint64_t end_ns = now_ns(w) + most_ns;

    while (!is_done(w) && now_ns(w) < end_ns)
        pass(w, MS);
    return is_done(w);
}

static inline struct mcq_socket *open_socket(struct world *w, enum mcq_socket_type type)
{
    struct mcq_socket *socket;

    assert_int_equal(mcq_socket_open(w->context, type, &socket), MCQ_OK);
    socket->options.linger_ms = 0;
    assert_true(w->socket_count < SOCKETS_MAX);
    w->sockets[w->socket_count++] = socket;
    return socket;
}

static inline enum mcq_err try_connect(struct mcq_socket *socket, const char *endpoint)
{
    const char *fault;
    enum mcq_err err;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    err = mcq_socket_connect(socket, mcq_bytes_of(endpoint), &fault);
    mcq_socket_leave(socket);
    return err;
}

static inline void connect_to(struct mcq_socket *socket, const char *endpoint)
{
    assert_int_equal(try_connect(socket, endpoint), MCQ_OK);
}

static inline void bind_to(struct mcq_socket *socket, const char *endpoint)
{
    const char *fault;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(mcq_socket_bind(socket, mcq_bytes_of(endpoint), &fault), MCQ_OK);
    mcq_socket_leave(socket);
}

static inline enum mcq_err disconnect_from(struct mcq_socket *socket, const char *endpoint)
{
    enum mcq_err err;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    err = mcq_socket_disconnect(socket, mcq_bytes_of(endpoint));
    mcq_socket_leave(socket);
    return err;
}

static inline void unbind_from(struct mcq_socket *socket, const char *endpoint)
{
    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(mcq_socket_unbind(socket, mcq_bytes_of(endpoint)), MCQ_OK);
    mcq_socket_leave(socket);
}

static inline void close_socket(struct world *w, struct mcq_socket *socket)
{
    size_t at = 0;

    while (w->sockets[at] != socket)
        at++;
    w->sockets[at] = w->sockets[--w->socket_count];
    assert_int_equal(mcq_socket_close(socket), MCQ_OK);
}

static inline bool all_are_closed(struct world *w)
{
    return w->context->open_count == 0;
}

/* Everything ends within `most_ns`, and nothing is left of it. */
static inline void close_world_within(struct world *w, uint64_t most_ns)
{
    while (w->socket_count > 0)
        close_socket(w, w->sockets[0]);
    assert_true(pass_until(w, all_are_closed, most_ns));
    assert_int_equal(mcq_context_term(&w->context, 0), MCQ_OK);
    mcq_sim_remove_actor(w->sim, &w->engine);
    mcq_reactor_free(&w->raw);
    assert_int_equal(mcq_sim_open_count(w->sim), 0);
    mcq_sim_free(&w->sim);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static inline void close_world(struct world *w)
{
    close_world_within(w, 5 * SECOND);
}

static inline enum mcq_err send_text(struct mcq_socket *socket, const char *text)
{
    struct mcq_part part = {.body = mcq_bytes_of(text)};

    return mcq_socket_send(socket, &part, 0);
}

/* The next message is this one part. */
static inline void expect_text(struct mcq_socket *socket, const char *text)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_socket_recv(socket, &msg, 0), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of(text)));
    assert_false(msg.more);
    mcq_msg_fini(&msg);
}

static inline struct mcq_address address_at(uint32_t host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct mcq_address address = {.len = sizeof in};

    in.sin_addr.s_addr = htonl(host);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

/* How often anybody has tried to connect. */
static inline uint64_t attempt_count(const struct world *w)
{
    uint64_t count = 0;

    for (int result = 0; result < MCQ_IO_RESULT_COUNT; result++)
        count += mcq_sim_reached(w->sim, MCQ_IO_OP_CONNECT, (enum mcq_io_result) result);
    return count;
}

#endif
