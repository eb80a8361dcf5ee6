/* Messages that nobody gets, without end: a call drops so many, and then others are served. */
#include <poll.h>

#include "runtime/raw_support.h"
#include "socket/incoming.h"

#define FLOOD_PARTS 100000
#define LOOKS 6 /* a call that does not wait asks the pattern no more often */

struct flood_case {
    const char *name;
    enum mcq_socket_type type;
    const char *peer_type;
    const char *bad; /* a message that is dropped, as octets of frames */
    size_t bad_len;
    const char *good;
    size_t good_len;
    bool is_of_others; /* the same peer's messages would not be dropped */
};

#define FRAMES(text) text, sizeof(text) - 1

static const struct flood_case cases[] = {
    {"SUB", MCQ_SOCKET_TYPE_SUB, "PUB", FRAMES("\0\1x"), FRAMES("\0\4good"), false},
    {"REP", MCQ_SOCKET_TYPE_REP, "REQ", FRAMES("\0\1x"), FRAMES("\1\0\0\4good"), false},
    {"SERVER", MCQ_SOCKET_TYPE_SERVER, "CLIENT", FRAMES("\1\1x\0\1x"), FRAMES("\0\4good"), false},
    {"GATHER", MCQ_SOCKET_TYPE_GATHER, "SCATTER", FRAMES("\1\1x\0\1x"), FRAMES("\0\4good"), false},
    {"DISH", MCQ_SOCKET_TYPE_DISH, "RADIO", FRAMES("\1\1g\0\1x"), FRAMES("\1\4good\0\4good"),
     false},
    {"REQ", MCQ_SOCKET_TYPE_REQ, "REP", FRAMES("\1\0\0\1x"), FRAMES("\1\0\0\4good"), true},
};

struct flood {
    struct world world;
    const struct flood_case *is;
    struct mcq_socket *socket;
    int good;
    int bad;
    char *run; /* many bad messages */
    size_t run_len;
    size_t run_at; /* of the octets that were not sent yet */
};

static void start(struct flood *f, const struct flood_case *is)
{
    size_t count = FLOOD_PARTS;

    *f = (struct flood) {.is = is, .run_len = count * is->bad_len};
    print_message("# %s\n", is->name);
    f->run = malloc(f->run_len);
    assert_non_null(f->run);
    for (size_t i = 0; i < count; i++)
        memcpy(f->run + i * is->bad_len, is->bad, is->bad_len);
    open_world(&f->world);
    f->socket = open_socket(&f->world, is->type);
    assert_int_equal(mcq_socket_enter(f->socket), MCQ_OK);
    if (is->type == MCQ_SOCKET_TYPE_SUB)
        assert_int_equal(
            f->socket->pattern->ops->subscribe(f->socket->pattern, mcq_bytes_of("good"), true),
            MCQ_OK);
    if (is->type == MCQ_SOCKET_TYPE_DISH)
        assert_int_equal(
            f->socket->pattern->ops->join(f->socket->pattern, mcq_bytes_of("good"), true), MCQ_OK);
    mcq_socket_leave(f->socket);
    bind_to(f->socket, HERE);
    f->good = join_raw(&f->world, is->peer_type);
    if (is->type == MCQ_SOCKET_TYPE_REQ)
        assert_int_equal(send_text(f->socket, "?"), MCQ_OK);
    pass(&f->world, MS);
    f->bad = join_raw(&f->world, is->peer_type);
}

static void end(struct flood *f)
{
    free(f->run);
    mcq_reactor_close(f->world.raw, f->good);
    mcq_reactor_close(f->world.raw, f->bad);
    close_world(&f->world);
}

/* As much of the flood as the streams take. */
static void fill(struct flood *f)
{
    for (int quiet = 0; quiet < 20 && f->run_at < f->run_len;) {
        struct iovec rest = {f->run + f->run_at, f->run_len - f->run_at};
        struct mcq_io io = mcq_reactor_send(f->world.raw, f->bad, &rest, 1);

        f->run_at += io.result == MCQ_IO_DONE ? io.len : 0;
        quiet = io.result == MCQ_IO_DONE ? 0 : quiet + 1;
        pass(&f->world, MS);
    }
}

static uint64_t dropped(struct flood *f)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < f->socket->slot_count; i++) {
        const struct mcq_conn *conn = f->socket->slots[i].conn;

        for (int why = 0; conn != NULL && why < MCQ_TALLY_DROPS; why++)
            count += conn->peer.link.tally.drops[why];
    }
    return count;
}

static void expect_good(struct mcq_msg *msg)
{
    assert_true(mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes_of("good")));
    mcq_msg_fini(msg);
}

static void fault_c11__flood_of_what_nobody_gets__calls_that_do_not_wait_return(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(cases); i++) {
        enum mcq_err err = MCQ_AGAIN;
        struct mcq_msg msg;
        struct flood f;
        uint64_t before;

        start(&f, &cases[i]);
        for (int round = 0; round < 3; round++) {
            fill(&f);
            before = dropped(&f);
            assert_int_equal(mcq_socket_recv(f.socket, &msg, 0), MCQ_AGAIN);
            assert_in_range(dropped(&f) - before, MCQ_DROP_MAX / 4, LOOKS * MCQ_DROP_MAX);
        }
        fill(&f);
        send_raw(&f.world, f.good, f.is->good, f.is->good_len);
        pass(&f.world, MS);
        for (int round = 0; round < 3 && err == MCQ_AGAIN; round++)
            err = mcq_socket_recv(f.socket, &msg, 0);
        assert_int_equal(err, MCQ_OK);
        expect_good(&msg);
        end(&f);
    }
}

/* What is at hand has had its edge: a call that slept for another one would never return. */
static void fault_c11__flood_of_what_nobody_gets__calls_that_wait_go_on(void **state)
{
    (void) state;
    for (size_t i = 0; i < 2 * MCQ_COUNTOF(cases); i++) {
        struct flood f;
        struct mcq_msg msg;
        bool polls = i % 2 == 1;
        struct mcq_poll_item item = {.events = POLLIN};
        size_t ready_count = 0;

        start(&f, &cases[i / 2]);
        f.run_len = f.run_len / 20; /* all of it in the stream, and the good one behind it */
        fill(&f);
        assert_int_equal(f.run_at, f.run_len);
        send_raw(&f.world, f.is->is_of_others ? f.good : f.bad, f.is->good, f.is->good_len);
        pass(&f.world, MS);
        item.socket = f.socket;
        if (polls) {
            assert_int_equal(mcq_socket_poll(&item, 1, 10000, &ready_count), MCQ_OK);
            assert_int_equal(ready_count, 1);
        }
        assert_int_equal(mcq_socket_recv(f.socket, &msg, polls ? 0 : 10000), MCQ_OK);
        expect_good(&msg);
        end(&f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_c11__flood_of_what_nobody_gets__calls_that_do_not_wait_return),
        cmocka_unit_test(fault_c11__flood_of_what_nobody_gets__calls_that_wait_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
