/* Pollers: who has something is told, and again until it was taken. */

#include "api/test_support.h"

#include <poll.h>

static struct mcq_poller_event events[16];

static int wait_for(struct mcq_poller *poller, int timeout_ms)
{
    int count = mcq_poller_wait(poller, events, MCQ_COUNTOF(events), timeout_ms);

    if (count < 0)
        fail_msg("%s", mcq_last_error());
    return count;
}

/* Bells may ring for nothing, once. */
static void expect_silence(struct mcq_poller *poller)
{
    for (int i = 0; i < 3 && wait_for(poller, 0) > 0; i++)
        assert_true(i < 2);
}

static void sockets__are_told_while_they_have_something(void)
{
    struct world world;
    struct couple first;
    struct couple second;
    struct mcq_poller *poller = mcq_poller_new();
    int tag;

    begin_world(&world);
    first = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    second = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_poller_set(poller, first.bound, MCQ_POLLIN, &tag));
    assert_works(mcq_poller_set(poller, second.bound, MCQ_POLLIN, NULL));
    expect_silence(poller);
    send_text(first.connected, "one", 0);
    send_text(first.connected, "two", 0);
    for (int i = 0; i < 3; i++) { /* level-triggered */
        assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
        assert_ptr_equal(events[0].socket, first.bound);
        assert_ptr_equal(events[0].hint, &tag);
        assert_int_equal(events[0].events, MCQ_POLLIN);
        assert_int_equal(events[0].fd, -1);
    }
    expect_text(first.bound, "one");
    expect_text(first.bound, "two");
    expect_silence(poller);
    assert_works(mcq_poller_remove(poller, first.bound));
    assert_fails(mcq_poller_remove(poller, first.bound), ENOENT);
    send_text(first.connected, "nobody asks", 0);
    send_text(second.connected, "three", 0);
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    assert_ptr_equal(events[0].socket, second.bound);
    expect_text(second.bound, "three");
    expect_text(first.bound, "nobody asks");
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

static void both_ways_of_a_socket__are_one_event(void)
{
    struct world world;
    struct couple couple;
    struct mcq_poller *poller = mcq_poller_new();
    uint64_t until = now_ms() + PATIENCE_MS;

    begin_world(&world);
    couple = open_couple(&world, MCQ_DEALER, MCQ_DEALER);
    send_text(couple.connected, "hello", 0);
    assert_works(mcq_poller_set(poller, couple.bound, MCQ_POLLIN | MCQ_POLLOUT, NULL));
    do
        assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    while (events[0].events != (MCQ_POLLIN | MCQ_POLLOUT) && now_ms() < until);
    assert_int_equal(events[0].events, MCQ_POLLIN | MCQ_POLLOUT);
    assert_works(mcq_poller_set(poller, couple.bound, MCQ_POLLOUT, NULL));
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    assert_int_equal(events[0].events, MCQ_POLLOUT);
    assert_works(mcq_poller_set(poller, couple.bound, 0, NULL));
    expect_silence(poller);
    assert_works(mcq_poller_set(poller, couple.bound, MCQ_POLLIN, NULL));
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    expect_text(couple.bound, "hello");
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

static void descriptors__beside_sockets(void)
{
    struct mcq_poller *poller = mcq_poller_new();
    struct pollfd outside = {.fd = mcq_poller_fd(poller), .events = POLLIN};
    int ends[2];
    char octet;

    assert_int_equal(pipe(ends), 0);
    assert_works(mcq_poller_set_fd(poller, ends[0], MCQ_POLLIN, ends));
    assert_int_equal(wait_for(poller, 0), 0);
    assert_int_equal(poll(&outside, 1, 0), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(poll(&outside, 1, PATIENCE_MS), 1);
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    assert_null(events[0].socket);
    assert_int_equal(events[0].fd, ends[0]);
    assert_int_equal(events[0].events, MCQ_POLLIN);
    assert_ptr_equal(events[0].hint, ends);
    assert_int_equal(read(ends[0], &octet, 1), 1);
    assert_int_equal(wait_for(poller, 10), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    assert_int_equal(events[0].events & MCQ_POLLERR, MCQ_POLLERR);
    assert_works(mcq_poller_remove_fd(poller, ends[0]));
    assert_fails(mcq_poller_remove_fd(poller, ends[0]), ENOENT);
    assert_int_equal(close(ends[0]), 0);
    assert_works(mcq_poller_free(&poller));
}

static int send_later(void *argument)
{
    return mcq_send(argument, "later", 5, 0);
}

static void a_wait__ends_with_what_comes_meanwhile(void)
{
    struct world world;
    struct couple couple;
    struct mcq_poller *poller = mcq_poller_new();
    struct helper helper;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_poller_set(poller, couple.bound, MCQ_POLLIN, NULL));
    start_helper(&helper, send_later, couple.connected);
    for (ptrdiff_t len = -1; len < 0;) {
        assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
        len = mcq_recv(couple.bound, NULL, 0, MCQ_DONTWAIT);
        assert_true(len == 5 || errno == EAGAIN);
    }
    join_helper(&helper);
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

static void more_ready_than_asked_for__the_others_are_told_then(void)
{
    struct world world;
    struct couple couples[3];
    struct mcq_poller *poller = mcq_poller_new();
    unsigned seen = 0;

    begin_world(&world);
    for (int i = 0; i < 3; i++) {
        couples[i] = open_couple(&world, MCQ_PULL, MCQ_PUSH);
        assert_works(mcq_poller_set(poller, couples[i].bound, MCQ_POLLIN, &couples[i]));
        send_text(couples[i].connected, "x", 0);
    }
    for (uint64_t until = now_ms() + PATIENCE_MS; seen != 7 && now_ms() < until;) {
        assert_int_equal(mcq_poller_wait(poller, events, 1, PATIENCE_MS), 1);
        if (mcq_recv(events[0].socket, NULL, 0, MCQ_DONTWAIT) == 1)
            seen |= 1u << ((struct couple *) events[0].hint - couples);
    }
    assert_int_equal(seen, 7);
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

static void context_shut_down__who_waits_is_told(void)
{
    struct world world;
    struct mcq_socket *pull;
    struct mcq_poller *poller = mcq_poller_new();

    begin_world(&world);
    pull = open_socket(&world, MCQ_PULL);
    assert_works(mcq_poller_set(poller, pull, MCQ_POLLIN, NULL));
    assert_works(mcq_ctx_shutdown(world.context));
    assert_int_equal(wait_for(poller, PATIENCE_MS), 1);
    assert_fails(mcq_recv(pull, NULL, 0, MCQ_DONTWAIT), MCQ_ETERM);
    assert_works(mcq_poller_remove(poller, pull));
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

static void wrong_calls__say_why(void)
{
    struct world world;
    struct mcq_socket *pull;
    struct mcq_poller *poller = NULL;

    assert_works(mcq_poller_free(&poller));
    poller = mcq_poller_new();
    begin_world(&world);
    pull = open_socket(&world, MCQ_PULL);
    assert_fails(mcq_poller_set(poller, pull, 16, NULL), EINVAL);
    assert_fails(mcq_poller_set(poller, NULL, MCQ_POLLIN, NULL), EFAULT);
    assert_fails(mcq_poller_set_fd(poller, -1, MCQ_POLLIN, NULL), EBADF);
    assert_fails(mcq_poller_wait(poller, events, 0, 0), EINVAL);
    assert_fails(mcq_poller_wait(poller, NULL, 1, 0), EFAULT);
    assert_fails(mcq_poller_remove(poller, pull), ENOENT);
    assert_fails(mcq_poller_fd(NULL), EFAULT);
    assert_works(mcq_poller_set(poller, pull, MCQ_POLLOUT, NULL)); /* which it never has */
    assert_int_equal(wait_for(poller, 0), 0);
    assert_works(mcq_poller_free(&poller));
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(sockets__are_told_while_they_have_something)                                                 \
    X(both_ways_of_a_socket__are_one_event)                                                        \
    X(descriptors__beside_sockets)                                                                 \
    X(a_wait__ends_with_what_comes_meanwhile)                                                      \
    X(more_ready_than_asked_for__the_others_are_told_then)                                         \
    X(context_shut_down__who_waits_is_told)                                                        \
    X(wrong_calls__say_why)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "poller");
}
