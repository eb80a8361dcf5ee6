/* Rows: sends to many streams, each with the outcome that it would have alone. */

#include "reactor/row.h"

#include <pthread.h>

#include "reactor/test_support.h"

/* Texts of different lengths, one a stream. */
static const char text[] = "as many octets as its number says, and one";

static struct mcq_row_send send_of(int fd, const void *octets, size_t len)
{
    return (struct mcq_row_send) {.fd = fd, .octets = {(void *) (uintptr_t) octets, len}};
}

/* A row, and streams for it. */
static struct mcq_row *open_row(struct fixture *f, enum which which, struct pair *pairs,
                                size_t count)
{
    struct mcq_row *row;

    open_reactor(f, which);
    row = mcq_row_new(f->reactor);
    assert_int_equal(row != NULL, which == WHICH_URING);
    for (size_t i = 0; i < count; i++)
        pairs[i] = connect_pair(f);
    return row;
}

static void each_stream_gets_its_octets__again_and_again(enum which which)
{
    struct mcq_row_send sends[MCQ_ROW_MAX];
    struct pair pairs[MCQ_ROW_MAX];
    struct fixture f;
    struct mcq_row *row = open_row(&f, which, pairs, MCQ_ROW_MAX);

    for (size_t count = 1; count <= MCQ_ROW_MAX; count = count * 2 + 1) {
        for (size_t i = 0; i < count; i++)
            sends[i] = send_of(pairs[i].near, text, 1 + i);
        mcq_row_send(f.reactor, &row, sends, count);
        for (size_t i = 0; i < count; i++) {
            char room[sizeof text];

            assert_int_equal(sends[i].io.result, MCQ_IO_DONE);
            assert_int_equal(sends[i].io.len, 1 + i);
            await_poll(&f, pairs[i].far, MCQ_OP_POLL_IN);
            assert_int_equal(recv_some(&f, pairs[i].far, room, sizeof room).len, 1 + i);
            assert_memory_equal(room, text, 1 + i);
        }
    }
    mcq_row_free(f.reactor, &row);
    assert_null(row);
    for (size_t i = 0; i < MCQ_ROW_MAX; i++)
        close_pair(&f, &pairs[i]);
    close_reactor(&f);
}

/* It does not wait for who is full, nor stop at who is gone. */
static void full_and_gone_streams__are_told_apart(enum which which)
{
    static const char octets[100000];
    enum { GOOD, FULL, GONE, LAST, COUNT };
    struct mcq_row_send sends[COUNT];
    struct pair pairs[COUNT];
    struct fixture f;
    struct mcq_row *row = open_row(&f, which, pairs, COUNT);

    (void) fill(&f, pairs[FULL].near);
    close_with_reset(&f, pairs[GONE].far);
    await_poll(&f, pairs[GONE].near, MCQ_OP_POLL_IN);
    for (size_t i = 0; i < COUNT; i++)
        sends[i] = send_of(pairs[i].near, i == LAST ? octets : text, i == LAST ? sizeof octets : 5);
    mcq_row_send(f.reactor, &row, sends, COUNT);
    assert_int_equal(sends[GOOD].io.result, MCQ_IO_DONE);
    assert_int_equal(sends[FULL].io.result, MCQ_IO_AGAIN);
    assert_int_equal(sends[FULL].io.len, 0);
    assert_true(sends[GONE].io.result == MCQ_IO_RESET || sends[GONE].io.result == MCQ_IO_END);
    assert_int_equal(sends[LAST].io.result, MCQ_IO_DONE);
    assert_true(sends[LAST].io.len > 0 && sends[LAST].io.len <= sizeof octets);
    assert_int_equal(drain(&f, pairs[GOOD].far), 5);
    mcq_row_free(f.reactor, &row);
    pairs[GONE].far = -1;
    for (size_t i = 0; i < COUNT; i++) {
        mcq_reactor_close(f.reactor, pairs[i].near);
        if (pairs[i].far >= 0)
            mcq_reactor_close(f.reactor, pairs[i].far);
        mcq_reactor_close(f.reactor, pairs[i].listener);
    }
    close_reactor(&f);
}

struct sender {
    struct fixture *f;
    struct mcq_row *row;
    struct mcq_row_send send;
};

static void *send_once(void *argument)
{
    struct sender *sender = argument;

    mcq_row_send(sender->f->reactor, &sender->row, &sender->send, 1);
    return NULL;
}

/* Whoever holds a socket's lock sends; the thread that did so before may be gone. */
static void threads_in_turn__leave_nothing_behind(enum which which)
{
    struct sender sender;
    struct fixture f;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    sender = (struct sender) {.f = &f, .row = mcq_row_new(f.reactor)};
    for (int i = 0; i < 5; i++) {
        pthread_t thread;

        sender.send = send_of(pair.near, text, 7);
        assert_int_equal(pthread_create(&thread, NULL, send_once, &sender), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(sender.send.io.len, 7);
        (void) send_once(&sender);
        assert_int_equal(sender.send.io.len, 7);
        await_poll(&f, pair.far, MCQ_OP_POLL_IN);
        assert_int_equal(drain(&f, pair.far), 14);
    }
    mcq_row_free(f.reactor, &sender.row);
    close_pair(&f, &pair);
    close_reactor(&f);
}

static void no_descriptor_or_memory__one_by_one(enum which which)
{
    struct mcq_row_send sends[2];
    struct mcq_row *row;
    struct rlimit before;
    struct fixture f;

    open_reactor(&f, which);
    struct pair pair = connect_pair(&f);

    mcq_alloc_fail_at(1);
    assert_null(mcq_row_new(f.reactor));
    mcq_alloc_fail_at(0);
    before = take_descriptors();
    row = mcq_row_new(f.reactor);
    give_descriptors(&before);
    assert_null(row);
    sends[0] = send_of(pair.near, text, 3);
    sends[1] = send_of(pair.far, text, 4);
    mcq_row_send(f.reactor, &row, sends, MCQ_COUNTOF(sends));
    assert_int_equal(sends[0].io.len, 3);
    assert_int_equal(sends[1].io.len, 4);
    mcq_row_free(f.reactor, &row);
    close_pair(&f, &pair);
    close_reactor(&f);
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(each_stream_gets_its_octets__again_and_again)                                                \
    X(full_and_gone_streams__are_told_apart)

#define ON_KERNEL(X)                                                                               \
    X(threads_in_turn__leave_nothing_behind)                                                       \
    X(no_descriptor_or_memory__one_by_one)

ON_EVERY_ENGINE(ENGINE_TESTS)
ON_KERNEL(KERNEL_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS) ON_KERNEL(KERNEL_ROWS)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
