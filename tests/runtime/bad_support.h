/*
 * bad_support: a bound socket, a peer that behaves, and what a test needs so that others may not.
 *
 * A test runs in a world of its own, on both real engines. The socket has two endpoints: a patient
 * one, where nothing is closed for being late, and one that gives a handshake SHORT_MS. When the
 * test is over the good peer has lost nothing, and the process holds what it held before.
 */
#ifndef MCQ_TESTS_RUNTIME_BAD_SUPPORT_H
#define MCQ_TESTS_RUNTIME_BAD_SUPPORT_H

#include "arena/test_support.h"

#include <stdio.h>
#include <sys/resource.h>

#include "interop/raw_peer.h"
#include "pump/origin.h"
#include "runtime/socket.h"
#include "support/descriptors.h"

#define SHORT_MS 100
#define LONG_MS 60000
#define BAD_MAX 1100
#define SETTLED_COUNT 20
#define NEVER_NS MCQ_NEVER_NS
#define ROWS_MAX 256

/* --- the world: a socket, a good peer, bad ones ---------------------------------------------- */

struct world {
    struct mcq_context *context;
    struct mcq_socket *socket;
    enum mcq_socket_type type;
    uint16_t patient_port; /* handshakes may last LONG_MS */
    uint16_t hasty_port;   /* SHORT_MS */
    int good;
    uint32_t number;    /* of the next message */
    size_t other_count; /* whole messages of others: "other" */
    uint64_t random;
    int bad[BAD_MAX];
    size_t bad_count;
};

/* The type of who talks to us. */
static inline const char *peer_type(const struct world *w)
{
    switch (w->type) {
    case MCQ_SOCKET_TYPE_PULL: return "PUSH";
    case MCQ_SOCKET_TYPE_ROUTER: return "DEALER";
    default: return "SUB";
    }
}

static inline uint16_t bind_somewhere(struct world *w, int handshake_ms)
{
    const char *fault = NULL;
    unsigned long port;

    assert_int_equal(mcq_socket_enter(w->socket), MCQ_OK);
    w->socket->options.handshake_ms = handshake_ms;
    assert_int_equal(mcq_socket_bind(w->socket, mcq_bytes_of("tcp://127.0.0.1:*"), &fault), MCQ_OK);
    port = strtoul(strrchr(w->socket->last_endpoint, ':') + 1, NULL, 10);
    mcq_socket_leave(w->socket);
    return (uint16_t) port;
}

/* A part of the next message of anybody. */
static inline struct mcq_msg recv_part(struct world *w)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_socket_recv(w->socket, &msg, RAW_PATIENCE_MS), MCQ_OK);
    return msg;
}

static inline bool says(const struct mcq_msg *msg, const void *octets, size_t len)
{
    return mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes(octets, len));
}

/* The message with the next number, of two parts; counts those of others on the way. */
static inline void expect_good(struct world *w)
{
    for (;;) {
        struct mcq_msg msg = recv_part(w);
        bool is_good;

        if (w->type == MCQ_SOCKET_TYPE_ROUTER) {
            mcq_msg_fini(&msg);
            msg = recv_part(w);
        }
        is_good = says(&msg, &w->number, sizeof w->number);
        assert_true(is_good || says(&msg, "other", 5));
        assert_int_equal(msg.more, is_good);
        mcq_msg_fini(&msg);
        if (is_good)
            break;
        w->other_count++;
    }
    struct mcq_msg last = recv_part(w);

    assert_true(says(&last, "good", 4));
    assert_false(last.more);
    mcq_msg_fini(&last);
}

static inline void send_part(struct world *w, const void *octets, size_t len, bool more)
{
    struct mcq_part part = {.body = mcq_bytes(octets, len), .more = more};

    assert_int_equal(mcq_socket_send(w->socket, &part, RAW_PATIENCE_MS), MCQ_OK);
}

/* The good peer gets the message with this number. */
static inline void expect_at_good(struct world *w)
{
    uint8_t body[255];
    uint8_t flags;

    assert_int_equal(raw_recv_frame(w->good, body, &flags), sizeof w->number);
    assert_int_equal(flags, RAW_MORE);
    assert_memory_equal(body, &w->number, sizeof w->number);
    assert_int_equal(raw_recv_frame(w->good, body, &flags), 4);
    assert_int_equal(flags, 0);
    assert_memory_equal(body, "good", 4);
}

/* One message of the good peer, there and, if the type answers, back. */
static inline void good_goes_on(struct world *w)
{
    if (w->type != MCQ_SOCKET_TYPE_PUB) {
        assert_true(raw_send_frame(w->good, RAW_MORE, &w->number, sizeof w->number));
        assert_true(raw_send_frame(w->good, 0, "good", 4));
        expect_good(w);
    }
    if (w->type == MCQ_SOCKET_TYPE_ROUTER)
        send_part(w, "good", 4, true);
    if (w->type != MCQ_SOCKET_TYPE_PULL) {
        send_part(w, &w->number, sizeof w->number, true);
        send_part(w, "good", 4, false);
        expect_at_good(w);
    }
    w->number++;
}

/* Says numbers until the good one hears: it gets all from then on. */
static inline void subscribe_good(struct world *w)
{
    struct pollfd input = {.fd = w->good, .events = POLLIN};
    uint32_t last = w->number;
    uint8_t body[255];
    uint8_t flags;

    assert_true(raw_subscribe(w->good, ""));
    do {
        assert_in_range(last, 0, RAW_PATIENCE_MS);
        send_part(w, &last, sizeof last, false);
        last++;
    } while (poll(&input, 1, 1) == 0);
    while (w->number < last) {
        assert_int_equal(raw_recv_frame(w->good, body, &flags), sizeof w->number);
        memcpy(&w->number, body, sizeof w->number);
        w->number++;
    }
}

/* The owner finds nothing more, for it has taken all. */
static inline void look_further(struct world *w)
{
    struct mcq_msg msg;

    if (w->type != MCQ_SOCKET_TYPE_PUB)
        assert_int_equal(mcq_socket_recv(w->socket, &msg, 0), MCQ_AGAIN);
}

static inline void open_world(struct world *w, enum mcq_socket_type type)
{
    *w = (struct world) {.type = type};
    assert_int_equal(mcq_context_new(&w->context), MCQ_OK);
    enum mcq_err err = mcq_socket_open(w->context, type, &w->socket);

    if (err == MCQ_INVAL) {
        assert_int_equal(mcq_context_term(&w->context, NEVER_NS), MCQ_OK);
        print_message("# this engine is not allowed here\n");
        skip();
    }
    assert_int_equal(err, MCQ_OK);
    w->random = support_seed();
    w->patient_port = bind_somewhere(w, LONG_MS);
    w->hasty_port = bind_somewhere(w, SHORT_MS);
    w->good = raw_join(w->patient_port, peer_type(w), "good");
    if (type == MCQ_SOCKET_TYPE_PUB)
        subscribe_good(w);
}

static inline void close_world(struct world *w)
{
    assert_int_equal(mcq_socket_close(w->socket), MCQ_OK);
    assert_int_equal(close(w->good), 0); /* what it was sent need not wait to be read */
    assert_int_equal(mcq_context_term(&w->context, NEVER_NS), MCQ_OK);
}

/* --- bad ones -------------------------------------------------------------------------------- */

static inline int be_bad(struct world *w, uint16_t port)
{
    assert_in_range(w->bad_count, 0, BAD_MAX - 1);
    int fd = raw_connect(port);

    w->bad[w->bad_count++] = fd;
    return fd;
}

/* One that behaves until its handshake is over. */
static inline int be_bad_later(struct world *w)
{
    assert_in_range(w->bad_count, 0, BAD_MAX - 1);
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    w->bad[w->bad_count++] = fd;
    return fd;
}

/* All bad ones find that they were closed, and the good one goes on meanwhile. */
static inline void expect_closed(struct world *w)
{
    struct pollfd fds[BAD_MAX];
    int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS;

    while (w->bad_count > 0) {
        size_t kept = 0;

        good_goes_on(w);
        look_further(w);
        for (size_t i = 0; i < w->bad_count; i++)
            fds[i] = (struct pollfd) {.fd = w->bad[i], .events = POLLIN};
        assert_true(poll(fds, w->bad_count, 5) >= 0);
        for (size_t i = 0; i < w->bad_count; i++) {
            if (fds[i].revents != 0 && raw_is_closed(w->bad[i]))
                assert_int_equal(close(w->bad[i]), 0);
            else
                w->bad[kept++] = w->bad[i];
        }
        w->bad_count = kept;
        if (raw_now_ms() > until_ms)
            fail_msg("%zu of the bad ones are still there", kept);
    }
}

/* Octets that behave as far as a greeting goes, and what follows it. */
static inline void after_greeting(struct world *w, const void *octets, size_t len)
{
    uint8_t greeting[RAW_GREETING_BYTES];
    int fd = be_bad(w, w->patient_port);

    raw_greeting(greeting, "NULL");
    (void) raw_send(fd, greeting, sizeof greeting);
    (void) raw_send(fd, octets, len);
}

/* The same octets in the place of a READY, and behind one. */
static inline void in_every_phase(struct world *w, const void *octets, size_t len)
{
    after_greeting(w, octets, len);
    (void) raw_send(be_bad_later(w), octets, len);
}

static inline void fill_with_random(struct world *w, uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t) support_random(&w->random);
}

/* --- nothing is left -------------------------------------------------------------------------- */

/* What the process has. */
struct holdings {
    uint64_t block_count;
    size_t fd_count;
};

static inline struct holdings look(void)
{
    uint64_t block_count = mcq_alloc_ledger().block_count - mcq_origins_gone_count();

    return (struct holdings) {block_count, open_fd_count()};
}

/* Strangers go in the background: what is left once that is over. */
static inline struct holdings settle(struct world *w)
{
    struct holdings last = look();

    for (int same_count = 0; same_count < SETTLED_COUNT;) {
        good_goes_on(w);
        struct holdings now = look();
        bool is_same = now.block_count == last.block_count && now.fd_count == last.fd_count;

        same_count = is_same ? same_count + 1 : 0;
        last = now;
    }
    return last;
}

static inline void expect_no_more_than(struct world *w, struct holdings before)
{
    int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS;
    struct holdings now;

    while ((now = look()).block_count > before.block_count || now.fd_count > before.fd_count) {
        if (raw_now_ms() > until_ms)
            fail_msg("left of strangers: %d allocations, %d descriptors",
                     (int) (now.block_count - before.block_count),
                     (int) (now.fd_count - before.fd_count));
        good_goes_on(w);
    }
}

static inline void expect_as_before(const struct holdings *before)
{
    struct holdings now = look();

    assert_int_equal(now.block_count, before->block_count);
    assert_int_equal(now.fd_count, before->fd_count);
}

/* --- tests ----------------------------------------------------------------------------------- */

struct bad_test {
    const char *name;
    enum mcq_socket_type type;
    void (*run)(struct world *w);
    bool is_mischief; /* run twice; who is bad must be closed, and nothing left of it */
};

static const char *const engines[] = {"epoll", "io_uring"};
static const char *asked_engine; /* NULL: any */

struct row {
    struct bad_test test;
    const char *engine;
    char name[120];
};

static struct row rows[ROWS_MAX];
static struct CMUnitTest unit_tests[ROWS_MAX];
static size_t row_count;

/* The first time, rooms grow to what they need; the second time nothing may. */
static inline void run_mischief(void (*mischief)(struct world *w), struct world *w)
{
    struct holdings inner;

    mischief(w);
    expect_closed(w);
    inner = settle(w);
    mischief(w);
    expect_closed(w);
    expect_no_more_than(w, inner);
    assert_int_equal(w->other_count, 0);
}

static inline void run_row(void **state)
{
    const struct row *row = *state;
    struct holdings before = look();
    struct world w;

    if (asked_engine != NULL && strcmp(asked_engine, row->engine) != 0) {
        print_message("# MONOCOQUE_ENGINE asks for another engine\n");
        skip();
    }
    assert_int_equal(setenv("MONOCOQUE_ENGINE", row->engine, 1), 0);
    open_world(&w, row->test.type);
    good_goes_on(&w);
    if (row->test.is_mischief)
        run_mischief(row->test.run, &w);
    else
        row->test.run(&w);
    good_goes_on(&w);
    close_world(&w);
    expect_as_before(&before);
}

static inline void add_row(struct bad_test test, const char *engine)
{
    struct row *row = &rows[row_count];

    mcq_assert(row_count < ROWS_MAX);
    *row = (struct row) {.test = test, .engine = engine};
    (void) snprintf(row->name, sizeof row->name, "%s_%s__%s", engine,
                    mcq_socket_type_name(test.type), test.name);
    unit_tests[row_count++] =
        (struct CMUnitTest) {.name = row->name, .test_func = run_row, .initial_state = row};
}

/* All that were added, or those of a filter like "epoll_PULL__*". */
static inline int run_rows(const char *group, const char *filter)
{
    struct rlimit limit = {0};

    asked_engine = getenv("MONOCOQUE_ENGINE");
    (void) getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
    if (filter != NULL)
        cmocka_set_test_filter(filter);
    return _cmocka_run_group_tests(group, unit_tests, row_count, NULL, NULL);
}

#endif
