#include <fcntl.h>

#include "api/test_support.h"

static void several_sockets_and_a_pipe__whoever_has_something(void)
{
    struct world world;
    int pipe_fds[2];

    begin_world(&world);
    struct couple first = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct couple second = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_poll_entry entries[] = {
        {.socket = first.bound, .events = MCQ_POLLIN},
        {.fd = -1, .events = MCQ_POLLIN},
        {.fd = -1, .events = MCQ_POLLIN},
        {.socket = second.bound, .events = MCQ_POLLIN},
    };

    assert_int_equal(pipe(pipe_fds), 0);
    entries[1].fd = pipe_fds[0];
    assert_int_equal(mcq_poll(entries, 4, 0), 0);
    assert_int_equal(mcq_poll(entries, 4, 20), 0);
    send_text(second.connected, "two", 0);
    assert_int_equal(mcq_poll(entries, 4, PATIENCE_MS), 1);
    assert_int_equal(entries[0].revents | entries[1].revents | entries[2].revents, 0);
    assert_int_equal(entries[3].revents, MCQ_POLLIN);
    assert_int_equal(write(pipe_fds[1], "p", 1), 1);
    assert_int_equal(mcq_poll(entries, 4, PATIENCE_MS), 2);
    assert_int_equal(entries[1].revents, MCQ_POLLIN);
    expect_text(second.bound, "two");
    assert_int_equal(mcq_poll(entries, 4, PATIENCE_MS), 1);
    char octet;

    assert_int_equal(read(pipe_fds[0], &octet, 1), 1);
    send_text(first.connected, "one", 0);
    assert_int_equal(mcq_poll(entries, 4, PATIENCE_MS), 1);
    assert_int_equal(entries[0].revents, MCQ_POLLIN);
    expect_text(first.bound, "one");
    assert_int_equal(mcq_poll(entries, 4, 0), 0);
    assert_int_equal(close(pipe_fds[1]), 0);
    assert_int_equal(mcq_poll(entries, 4, PATIENCE_MS), 1);
    assert_int_equal(entries[1].revents, MCQ_POLLERR);
    assert_int_equal(close(pipe_fds[0]), 0);
    end_world(&world);
}

/* What poll has seen is there for recv, however often it looks. */
static void pollin__twice__message_is_received_once(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_poll_entry entry = {.socket = couple.bound, .events = MCQ_POLLIN};

    send_text(couple.connected, "one", MCQ_SNDMORE);
    send_text(couple.connected, "two", 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    expect_part(couple.bound, "one", true);
    assert_int_equal(mcq_poll(&entry, 1, 0), 1);
    expect_text(couple.bound, "two");
    assert_int_equal(mcq_poll(&entry, 1, 0), 0);
    assert_int_equal(entry.revents, 0);
    end_world(&world);
}

static void pollout__as_soon_as_there_is_a_peer(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_poll_entry entries[] = {
        {.socket = push, .events = MCQ_POLLOUT | MCQ_POLLIN},
        {.socket = pull, .events = MCQ_POLLOUT | MCQ_POLLIN},
    };

    assert_int_equal(mcq_poll(entries, 2, 0), 0);
    bind_somewhere(push, endpoint);
    assert_works(mcq_connect(pull, endpoint));
    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    assert_int_equal(entries[0].revents, MCQ_POLLOUT);
    assert_int_equal(entries[1].revents, 0);
    end_world(&world);
}

static void pollout__follows_req_and_rep(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    struct mcq_poll_entry entries[] = {
        {.socket = couple.connected, .events = MCQ_POLLOUT | MCQ_POLLIN},
        {.socket = couple.bound, .events = MCQ_POLLOUT | MCQ_POLLIN},
    };

    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    assert_int_equal(entries[0].revents, MCQ_POLLOUT);
    send_text(couple.connected, "request", 0);
    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    assert_int_equal(entries[1].revents, MCQ_POLLIN);
    assert_fails(mcq_send(couple.bound, "too early", 9, MCQ_DONTWAIT), MCQ_EFSM);
    expect_text(couple.bound, "request");
    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    assert_int_equal(entries[1].revents, MCQ_POLLOUT);
    send_text(couple.bound, "reply", 0);
    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    assert_int_equal(entries[0].revents, MCQ_POLLIN);
    assert_fails(mcq_send(couple.connected, "too early", 9, MCQ_DONTWAIT), MCQ_EFSM);
    expect_text(couple.connected, "reply");
    end_world(&world);
}

/* The message that fills a peer's queue to the mark takes POLLOUT away. */
static void pollout__at_the_high_water_mark__send_keeps_its_promise(void)
{
    static char body[65536];
    struct world world;
    uint32_t sent_count = 0;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_poll_entry entry = {.socket = couple.connected, .events = MCQ_POLLOUT};

    assert_works(mcq_set(couple.bound, MCQ_OPT_RCVHWM, 1));
    assert_works(mcq_set(couple.connected, MCQ_OPT_SNDHWM, 3));
    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    while (mcq_poll(&entry, 1, 50) == 1 && sent_count < 10000) {
        assert_works(mcq_send(couple.connected, body, sizeof body, MCQ_DONTWAIT));
        sent_count++;
    }
    assert_true(sent_count < 10000);
    for (; sent_count > 0; sent_count--)
        assert_int_equal(mcq_recv(couple.bound, NULL, 0, 0), sizeof body);
    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    end_world(&world);
}

static int poll_without_end(void *socket)
{
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN};
    int count = mcq_poll(&entry, 1, -1);

    return count == 1 ? entry.revents : count;
}

static void asleep__is_woken_by_a_message_the_end_and_close(void)
{
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);

    start_helper(&helper, poll_without_end, couple.bound);
    await_sleep(&helper);
    send_text(couple.connected, "wake up", 0);
    join_helper(&helper);
    assert_int_equal(helper.result, MCQ_POLLIN);
    start_helper(&helper, poll_without_end, other);
    await_sleep(&helper);
    close_socket(&world, other);
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, ENOTSOCK);
    expect_text(couple.bound, "wake up");
    start_helper(&helper, poll_without_end, couple.bound);
    await_sleep(&helper);
    assert_works(mcq_ctx_shutdown(world.context));
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, MCQ_ETERM);
    end_world(&world);
}

static void many_entries__of_two_contexts(void)
{
    enum { COUNT = 20 };
    struct mcq_poll_entry entries[COUNT];
    struct couple couples[COUNT];
    struct world worlds[2];

    begin_world(&worlds[0]);
    begin_world(&worlds[1]);
    for (int i = 0; i < COUNT; i++) {
        couples[i] = open_couple(&worlds[i % 2], MCQ_PULL, MCQ_PUSH);
        entries[i] = (struct mcq_poll_entry) {.socket = couples[i].bound, .events = MCQ_POLLIN};
    }
    assert_int_equal(mcq_poll(entries, COUNT, 0), 0);
    for (int i = 0; i < COUNT; i++) {
        send_text(couples[i].connected, "x", 0);
        assert_int_equal(mcq_poll(entries, COUNT, PATIENCE_MS), 1);
        for (int at = 0; at < COUNT; at++)
            assert_int_equal(entries[at].revents, at == i ? MCQ_POLLIN : 0);
        expect_text(couples[i].bound, "x");
    }
    end_world(&worlds[1]);
    end_world(&worlds[0]);
}

static void without_sockets__is_the_system_s_poll(void)
{
    struct mcq_poll_entry entry = {.events = MCQ_POLLOUT};
    uint64_t begun = now_ms();
    int pipe_fds[2];

    assert_int_equal(mcq_poll(NULL, 0, 20), 0);
    assert_true(now_ms() >= begun + 19);
    assert_int_equal(pipe(pipe_fds), 0);
    entry.fd = pipe_fds[1];
    assert_int_equal(mcq_poll(&entry, 1, 0), 1);
    assert_int_equal(entry.revents, MCQ_POLLOUT);
    assert_int_equal(close(pipe_fds[0]), 0);
    assert_int_equal(close(pipe_fds[1]), 0);
    assert_int_equal(mcq_poll(&entry, 1, 0), 1);
    assert_int_equal(entry.revents, MCQ_POLLERR);
}

static void refusals(void)
{
    struct world world;
    struct mcq_poll_entry entry = {.events = 64};

    begin_world(&world);
    entry.socket = open_socket(&world, MCQ_PULL);
    assert_says(mcq_poll(NULL, 1, 0), EFAULT, "poll: entries is NULL");
    assert_says(mcq_poll(&entry, 1, 0), EINVAL,
                "poll: entry 0 asks for event 64, which is unknown");
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(several_sockets_and_a_pipe__whoever_has_something)                                           \
    X(pollin__twice__message_is_received_once)                                                     \
    X(pollout__as_soon_as_there_is_a_peer)                                                         \
    X(pollout__at_the_high_water_mark__send_keeps_its_promise)                                     \
    X(pollout__follows_req_and_rep)                                                                \
    X(asleep__is_woken_by_a_message_the_end_and_close)                                             \
    X(many_entries__of_two_contexts)                                                               \
    X(without_sockets__is_the_system_s_poll)                                                       \
    X(refusals)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.poll");
}
