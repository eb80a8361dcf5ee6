/* Foreign event loops: descriptors that can be polled while something can be done, and not longer;
 * no message waits for an edge that is gone. */

#include <poll.h>
#include <sys/epoll.h>

#include "api/test_support.h"

enum { MESSAGES = 3000 };

static int fd_of(struct mcq_socket *socket, enum mcq_option option)
{
    int fd = (int) number_of(socket, option);

    assert_true(fd >= 0);
    assert_int_equal(number_of(socket, option), fd); /* the same for everybody */
    return fd;
}

/* Whether it can be polled for input now. Without threads the context has its turn meanwhile. */
static bool is_ringing(int fd, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    uint64_t until = now_ms() + (uint64_t) timeout_ms;

    if (inline_context == NULL)
        return poll(&item, 1, timeout_ms) == 1;
    do {
        if (poll(&item, 1, 0) == 1)
            return true;
        assert_works(mcq_ctx_run(inline_context, timeout_ms > 0));
    } while (now_ms() < until);
    return poll(&item, 1, 0) == 1;
}

#define assert_rings(fd) assert_true(is_ringing(fd, PATIENCE_MS))
#define assert_silent(fd) assert_false(is_ringing(fd, 0))

static void await_silence(int fd)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; is_ringing(fd, 0) && now_ms() < until;)
        (void) sched_yield();
    assert_silent(fd);
}

static void recv_fd__rings_while_there_is_a_message(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    int fd = fd_of(couple.bound, MCQ_OPT_RECV_FD);

    assert_silent(fd);
    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    await_silence(fd);
    for (int i = 0; i < 3; i++)
        send_text(couple.connected, "message", i == 0 ? MCQ_SNDMORE : 0);
    for (int i = 0; i < 3; i++) {
        assert_rings(fd);
        assert_rings(fd);
        assert_int_equal(mcq_recv(couple.bound, NULL, 0, 0), 7);
    }
    assert_silent(fd);
    expect_nothing(couple.bound);
    assert_silent(fd);
    send_text(couple.connected, "again", 0);
    assert_rings(fd);
    expect_text(couple.bound, "again");
    assert_silent(fd);
    end_world(&world);
}

/* It was there before anybody asked. */
static void recv_fd__asked_for_late__rings_at_once(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (int i = 0; i < 10; i++)
        send_text(couple.connected, "message", 0);
    expect_text(couple.bound, "message"); /* the others' edge is spent */
    int fd = fd_of(couple.bound, MCQ_OPT_RECV_FD);

    for (int i = 1; i < 10; i++) {
        assert_rings(fd);
        expect_text(couple.bound, "message");
    }
    assert_silent(fd);
    end_world(&world);
}

static void send_fd__rings_while_there_is_room(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    static char body[100000];
    int sent = 0;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 2));
    int fd = fd_of(push, MCQ_OPT_SEND_FD);

    assert_silent(fd);
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    assert_rings(fd);
    while (is_ringing(fd, 10)) { /* what it promises is so */
        assert_works(mcq_send(push, body, sizeof body, MCQ_DONTWAIT));
        sent++;
    }
    assert_true(sent >= 2);
    for (int i = 0; i < sent; i++)
        assert_int_equal(mcq_recv(pull, NULL, 0, 0), sizeof body);
    assert_rings(fd);
    assert_works(mcq_send(push, body, sizeof body, MCQ_DONTWAIT));
    assert_int_equal(mcq_recv(pull, NULL, 0, 0), sizeof body);
    end_world(&world);
}

/* REQ and REP: whose turn it is counts. */
static void dialogue__rings_by_turns(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    int req_in = fd_of(couple.connected, MCQ_OPT_RECV_FD);
    int req_out = fd_of(couple.connected, MCQ_OPT_SEND_FD);
    int rep_in = fd_of(couple.bound, MCQ_OPT_RECV_FD);
    int rep_out = fd_of(couple.bound, MCQ_OPT_SEND_FD);

    for (int i = 0; i < 5; i++) {
        assert_rings(req_out);
        assert_silent(rep_out);
        send_text(couple.connected, "request", 0);
        assert_silent(req_out);
        assert_rings(rep_in);
        assert_silent(req_in);
        expect_text(couple.bound, "request");
        assert_rings(rep_out);
        assert_silent(rep_in);
        send_text(couple.bound, "reply", 0);
        assert_silent(rep_out);
        assert_rings(req_in);
        expect_text(couple.connected, "reply");
        assert_silent(req_in);
    }
    end_world(&world);
}

static void inproc__rings_as_well(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    int in = fd_of(pull, MCQ_OPT_RECV_FD);
    int out = fd_of(push, MCQ_OPT_SEND_FD);
    int sent = 0;

    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 5));
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 5));
    assert_works(mcq_bind(pull, "inproc://loop"));
    assert_works(mcq_connect(push, "inproc://loop"));
    for (; is_ringing(out, 5); sent++)
        assert_works(mcq_send(push, "message", 7, MCQ_DONTWAIT));
    assert_true(sent >= 5);
    for (int i = 0; i < sent; i++) {
        assert_rings(in);
        expect_text(pull, "message");
    }
    await_silence(in);
    assert_rings(out);
    end_world(&world);
}

/* One message for each time it rings, whoever sends meanwhile: a lost edge would be the end. */
static int send_many(void *socket)
{
    for (int i = 0; i < MESSAGES; i++) {
        if (mcq_send(socket, &i, sizeof i, 0) != 0)
            return -1;
        if (i % 100 == 0)
            (void) usleep(100); /* so that it falls silent now and then */
    }
    return 0;
}

static void one_message_for_each_ring__none_is_left(enum mcq_type from, enum mcq_type to,
                                                    const char *where)
{
    struct helper helper;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *sender = open_socket(&world, from);
    struct mcq_socket *receiver = open_socket(&world, to);
    int fd = fd_of(receiver, MCQ_OPT_RECV_FD);

    if (where != NULL)
        assert_works(mcq_bind(receiver, where));
    else
        bind_somewhere(receiver, endpoint);
    assert_works(mcq_connect(sender, where != NULL ? where : endpoint));
    start_helper(&helper, send_many, sender);
    for (int i = 0; i < MESSAGES;) {
        int number = -1;

        assert_rings(fd);
        if (mcq_recv(receiver, &number, sizeof number, MCQ_DONTWAIT) < 0) {
            assert_int_equal(errno, EAGAIN); /* octets that are not yet a message */
            continue;
        }
        assert_int_equal(number, i);
        i++;
    }
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    await_silence(fd);
    end_world(&world);
}

static void stream__one_message_for_each_ring__none_is_left(void)
{
    one_message_for_each_ring__none_is_left(MCQ_PUSH, MCQ_PULL, NULL);
}

static void pipe__one_message_for_each_ring__none_is_left(void)
{
    one_message_for_each_ring__none_is_left(MCQ_DEALER, MCQ_DEALER, "inproc://rings");
}

/* Room, one message for each ring; the other side takes its time. */
static int receive_many(void *socket)
{
    for (int i = 0; i < MESSAGES; i++) {
        int number = -1;

        if (mcq_recv(socket, &number, sizeof number, 0) != sizeof number || number != i)
            return -1;
        if (i % 200 == 0)
            (void) usleep(100);
    }
    return 0;
}

static void room__one_message_for_each_ring__all_go(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    char endpoint[ENDPOINT_BYTES];
    int fd = fd_of(push, MCQ_OPT_SEND_FD);

    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 3));
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 3));
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    start_helper(&helper, receive_many, pull);
    for (int i = 0; i < MESSAGES; i++) {
        assert_rings(fd);
        assert_works(mcq_send(push, &i, sizeof i, MCQ_DONTWAIT));
    }
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    end_world(&world);
}

/* Another thread reads, polls and sleeps on the same socket. */
static void shared_with_a_thread_that_receives__rings_for_what_is_left(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    int fd = fd_of(couple.bound, MCQ_OPT_RECV_FD);

    start_helper(&helper, receive_many, couple.bound);
    assert_int_equal(send_many(couple.connected), 0);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    await_silence(fd);
    send_text(couple.connected, "left", 0);
    assert_rings(fd);
    expect_text(couple.bound, "left");
    end_world(&world);
}

static void shutdown__rings_so_that_the_loop_hears_of_it(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    int in = fd_of(couple.bound, MCQ_OPT_RECV_FD);

    await_silence(in);
    assert_works(mcq_ctx_shutdown(world.context));
    assert_rings(in);
    assert_fails(mcq_recv(couple.bound, NULL, 0, MCQ_DONTWAIT), MCQ_ETERM);
    end_world(&world);
}

static void refusals(void)
{
    struct world world;
    int64_t value = -7;

    begin_world_with_threads(&world);
    assert_works(mcq_ctx_get(world.context, MCQ_CTX_FD, &value));
    assert_int_equal(value, -1);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_ctx_get(world.context, MCQ_CTX_FD, &value));
    assert_int_equal(value, -1);
    assert_fails(mcq_ctx_set(world.context, MCQ_CTX_FD, 1), EINVAL);
    assert_int_equal(number_of(push, MCQ_OPT_RECV_FD), -1);
    assert_int_equal(number_of(pull, MCQ_OPT_SEND_FD), -1);
    assert_fails(mcq_set(pull, MCQ_OPT_RECV_FD, 1), EINVAL);
    end_world(&world);
}

/* --- a loop that drives the context ---------------------------------------------------------- */

/* Sleeps until the context's or the socket's rings; does what the context has to do, and nothing
 * else. */
struct loop {
    struct mcq_context *context;
    int epoll_fd;
    int context_fd;
};

static void loop_add(struct loop *loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    assert_int_equal(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
}

static void loop_remove(struct loop *loop, int fd)
{
    assert_int_equal(epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL), 0);
}

static void loop_until(struct loop *loop, int wanted_fd)
{
    for (;;) {
        struct epoll_event events[4];
        int count = epoll_wait(loop->epoll_fd, events, 4, PATIENCE_MS);
        bool is_there = false;

        /* The kernel takes down the ring of a test before in the threads that used it: EINTR. */
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 1)
            fail_msg("the loop sleeps for ever");
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == loop->context_fd)
                assert_works(mcq_ctx_run(loop->context, 0));
            else
                is_there |= events[i].data.fd == wanted_fd;
        if (is_there)
            return;
    }
}

/* It falls silent, once timers of what has been are over. */
static void await_rest(struct loop *loop)
{
    struct pollfd item = {.fd = loop->context_fd, .events = POLLIN};
    uint64_t until = now_ms() + PATIENCE_MS;

    while (poll(&item, 1, 20) == 1) {
        assert_true(now_ms() < until);
        assert_works(mcq_ctx_run(loop->context, 0));
    }
}

/* A server and its client in one thread; the client is there first, so a timer has to bring them
 * together. */
static void context_fd__is_all_that_a_loop_needs(void)
{
    struct loop loop = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int64_t fd = -1;

    begin_world_with_threads(&world);
    loop.context = world.context;
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_IO_THREADS, 0));
    assert_works(mcq_ctx_get(world.context, MCQ_CTX_FD, &fd));
    assert_int_equal(fd, -1);
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);

    assert_works(mcq_ctx_get(world.context, MCQ_CTX_FD, &fd));
    loop.context_fd = (int) fd;
    int req_in = fd_of(req, MCQ_OPT_RECV_FD);
    int req_out = fd_of(req, MCQ_OPT_SEND_FD);
    int rep_in = fd_of(rep, MCQ_OPT_RECV_FD);

    loop_add(&loop, loop.context_fd);
    loop_add(&loop, req_out);
    free_endpoint(endpoint);
    assert_works(mcq_set(req, MCQ_OPT_RECONNECT_IVL, 5));
    assert_works(mcq_connect(req, endpoint)); /* refused */
    loop_until(&loop, req_out);
    loop_remove(&loop, req_out);
    assert_works(mcq_send(req, "request", 7, MCQ_DONTWAIT));
    loop_add(&loop, req_in);
    loop_add(&loop, rep_in);
    for (int i = 0; i < 20; i++) /* it is refused, and tries again */
        assert_works(mcq_ctx_run(world.context, 1));
    bind_again(rep, endpoint);
    for (int i = 0; i < 100; i++) {
        char room[16];

        loop_until(&loop, rep_in);
        assert_int_equal(mcq_recv(rep, room, sizeof room, MCQ_DONTWAIT), 7);
        assert_works(mcq_send(rep, "reply", 5, MCQ_DONTWAIT));
        loop_until(&loop, req_in);
        assert_int_equal(mcq_recv(req, room, sizeof room, MCQ_DONTWAIT), 5);
        assert_works(mcq_send(req, "request", 7, MCQ_DONTWAIT));
    }
    await_rest(&loop);
    assert_int_equal(close(loop.epoll_fd), 0);
    end_world(&world);
}

/* What other threads do rings, too. */
static int send_one(void *socket)
{
    return mcq_send(socket, "from another thread", 19, 0);
}

static void context_fd__rings_for_what_other_threads_ask(void)
{
    struct helper helper;
    struct loop loop = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int64_t fd = -1;

    begin_world_with_threads(&world);
    loop.context = world.context;
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_IO_THREADS, 0));
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_ctx_get(world.context, MCQ_CTX_FD, &fd));
    loop.context_fd = (int) fd;
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    loop_add(&loop, loop.context_fd);
    loop_add(&loop, fd_of(pull, MCQ_OPT_RECV_FD));
    start_helper(&helper, send_one, push);
    loop_until(&loop, fd_of(pull, MCQ_OPT_RECV_FD));
    expect_text(pull, "from another thread");
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    assert_int_equal(close(loop.epoll_fd), 0);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(recv_fd__rings_while_there_is_a_message)                                                     \
    X(recv_fd__asked_for_late__rings_at_once)                                                      \
    X(send_fd__rings_while_there_is_room)                                                          \
    X(dialogue__rings_by_turns)                                                                    \
    X(inproc__rings_as_well)                                                                       \
    X(stream__one_message_for_each_ring__none_is_left)                                             \
    X(pipe__one_message_for_each_ring__none_is_left)                                               \
    X(room__one_message_for_each_ring__all_go)                                                     \
    X(shared_with_a_thread_that_receives__rings_for_what_is_left)                                  \
    X(shutdown__rings_so_that_the_loop_hears_of_it)                                                \
    X(refusals)                                                                                    \
    X(context_fd__is_all_that_a_loop_needs)                                                        \
    X(context_fd__rings_for_what_other_threads_ask)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.loop");
}
