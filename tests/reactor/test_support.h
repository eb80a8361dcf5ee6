/*
 * test_support: what the tests of the reactor share: each behaviour runs on all three engines, and
 * leaves no block, no operation and no descriptor behind.
 */
#ifndef MCQ_TESTS_REACTOR_TEST_SUPPORT_H
#define MCQ_TESTS_REACTOR_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/attr.h"
#include "reactor/reactor.h"
#include "reactor/sim/sim.h"
#include "support/descriptors.h"

#define MS UINT64_C(1000000)
#define TURNS_MAX 10000

enum which { WHICH_SIM, WHICH_EPOLL, WHICH_URING };

struct fixture {
    struct mcq_reactor *reactor;
    struct mcq_sim *sim; /* NULL: the engine is a real one */
    size_t fd_count;     /* of the process, before */
};

/* The process may open no descriptor more, until they are given back. */
static inline struct rlimit take_descriptors(void)
{
    struct rlimit before;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit) {.rlim_max = before.rlim_max}), 0);
    return before;
}

static inline void give_descriptors(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

static inline void open_reactor(struct fixture *f, enum which which)
{
    static const struct mcq_sim_faults none = {0};
    const char *why = NULL;

    *f = (struct fixture) {.fd_count = open_fd_count()};
    if (which == WHICH_SIM) {
        assert_int_equal(mcq_sim_new(1, &none, &f->sim), MCQ_OK);
        assert_int_equal(mcq_sim_reactor_new(f->sim, &f->reactor), MCQ_OK);
        return;
    }
    enum mcq_err err = mcq_reactor_new(which == WHICH_EPOLL ? MCQ_ENGINE_EPOLL : MCQ_ENGINE_URING,
                                       &f->reactor, &why);

    if (err == MCQ_INVAL) {
        print_message("# %s\n", why);
        skip();
    }
    assert_int_equal(err, MCQ_OK);
}

/* The kernel ends a ring in the background, its descriptor at once. */
static inline void close_reactor(struct fixture *f)
{
    assert_int_equal(mcq_reactor_armed_count(f->reactor), 0);
    mcq_reactor_free(&f->reactor);
    if (f->sim != NULL) {
        assert_int_equal(mcq_sim_open_count(f->sim), 0);
        mcq_sim_free(&f->sim);
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    assert_int_equal(open_fd_count(), f->fd_count);
}

/* The next completion; waits, and in the simulated world moves the time, until there is one. */
static inline struct mcq_op *await(struct fixture *f)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        struct mcq_op *op = mcq_reactor_next(f->reactor);

        if (op != NULL)
            return op;
        mcq_reactor_wait(f->reactor, MCQ_NEVER_NS);
        if (f->sim != NULL)
            (void) mcq_sim_advance(f->sim);
    }
    fail_msg("nothing completes");
    return NULL;
}

static inline void await_poll(struct fixture *f, int fd, enum mcq_op_kind kind)
{
    struct mcq_op op = {0};

    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &op, fd, kind), MCQ_OK);
    assert_ptr_equal(await(f), &op);
    assert_int_equal(op.result, MCQ_IO_DONE);
}

/* Time passes. What else is armed does not complete meanwhile. */
static inline void pause_ms(struct fixture *f, uint64_t ms)
{
    struct mcq_op op = {0};
    uint64_t at_ns = mcq_reactor_now_ns(f->reactor) + ms * MS;

    mcq_reactor_arm_timer(f->reactor, &op, at_ns);
    assert_ptr_equal(await(f), &op);
}

static inline struct mcq_address loopback(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct mcq_address address = {.len = sizeof in};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

/* Listens on a free port; *address says where. */
static inline int listen_somewhere(struct fixture *f, struct mcq_address *address)
{
    int listener = -1;

    *address = loopback(0);
    assert_int_equal(mcq_reactor_listen(f->reactor, address, NULL, 128, &listener), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f->reactor, listener, address));
    return listener;
}

struct pair {
    int listener;
    int near;
    int far;
};

static inline struct pair connect_pair(struct fixture *f)
{
    struct mcq_address address;
    struct mcq_op in = {0};
    struct mcq_op out = {0};
    struct pair pair;

    pair.listener = listen_somewhere(f, &address);
    assert_int_equal(mcq_reactor_accept(f->reactor, pair.listener, &pair.far), MCQ_IO_AGAIN);
    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &in, pair.listener, MCQ_OP_POLL_IN), MCQ_OK);
    enum mcq_io_result result = mcq_reactor_connect(f->reactor, NULL, &address, NULL, &pair.near);

    assert_true(result == MCQ_IO_DONE || result == MCQ_IO_AGAIN);
    assert_int_equal(mcq_reactor_arm_poll(f->reactor, &out, pair.near, MCQ_OP_POLL_OUT), MCQ_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(await(f)->result, MCQ_IO_DONE);
    assert_int_equal(mcq_reactor_connected(f->reactor, pair.near), MCQ_IO_DONE);
    assert_int_equal(mcq_reactor_accept(f->reactor, pair.listener, &pair.far), MCQ_IO_DONE);
    return pair;
}

static inline void close_pair(struct fixture *f, const struct pair *pair)
{
    mcq_reactor_close(f->reactor, pair->near);
    mcq_reactor_close(f->reactor, pair->far);
    mcq_reactor_close(f->reactor, pair->listener);
}

/* Closes one side of a connection so that the other one gets RESET. */
static inline void close_with_reset(struct fixture *f, int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (f->sim != NULL) {
        mcq_sim_reset(f->sim, fd);
        mcq_reactor_close(f->reactor, fd);
        return;
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(fd), 0); /* not the reactor's close: that says the end before */
}

static inline struct mcq_io send_text(struct fixture *f, int fd, const char *text)
{
    struct iovec iov = {(void *) (uintptr_t) text, strlen(text)};

    return mcq_reactor_send(f->reactor, fd, &iov, 1);
}

static inline struct mcq_io recv_some(struct fixture *f, int fd, void *room, size_t len)
{
    struct iovec iov = {room, len};

    return mcq_reactor_recv(f->reactor, fd, &iov, 1);
}

/* Reads until there is no more now; returns how many octets there were. */
static inline size_t drain(struct fixture *f, int fd)
{
    static char room[65536];
    struct mcq_io io;
    size_t len = 0;

    while ((io = recv_some(f, fd, room, sizeof room)).result == MCQ_IO_DONE)
        len += io.len;
    return len;
}

/* Writes until nothing goes any more, and a little later nothing either: the kernel moves octets to
 * the reader's side after send has said AGAIN. */
static inline size_t fill(struct fixture *f, int fd)
{
    static char octets[65536];
    struct iovec iov = {octets, sizeof octets};
    size_t len = 0;
    size_t before;

    do {
        struct mcq_io io;

        before = len;
        while ((io = mcq_reactor_send(f->reactor, fd, &iov, 1)).result == MCQ_IO_DONE)
            len += io.len;
        assert_int_equal(io.result, MCQ_IO_AGAIN);
        pause_ms(f, 5);
    } while (len > before);
    return len;
}

/* Tests are functions of `enum which`. A list ON_EVERY_ENGINE(X) of them becomes three of cmocka's
 * each by ON_EVERY_ENGINE(ENGINE_TESTS), and rows of its table by ON_EVERY_ENGINE(ENGINE_ROWS). The
 * same with KERNEL for those with threads or signals, which the simulated world does not have, and
 * with SIM for what only that one can do. */
#define TEST_ON(engine, which, name)                                                               \
    static void engine##_##name(void **state)                                                      \
    {                                                                                              \
        (void) state;                                                                              \
        name(which);                                                                               \
    }

#define KERNEL_TESTS(name) TEST_ON(epoll, WHICH_EPOLL, name) TEST_ON(uring, WHICH_URING, name)
#define SIM_TESTS(name) TEST_ON(sim, WHICH_SIM, name)
#define ENGINE_TESTS(name) SIM_TESTS(name) KERNEL_TESTS(name)

#define KERNEL_ROWS(name) cmocka_unit_test(epoll_##name), cmocka_unit_test(uring_##name),
#define SIM_ROWS(name) cmocka_unit_test(sim_##name),
#define ENGINE_ROWS(name) SIM_ROWS(name) KERNEL_ROWS(name)

#endif
