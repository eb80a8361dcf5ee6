/* Types whose messages have one part, and may be used by several threads. */

#include "api/test_support.h"

/* The routing id of who has sent this. */
static uint32_t expect_from(struct mcq_socket *socket, const char *text)
{
    struct mcq_message message;
    uint32_t id;

    assert_works(mcq_message_init(&message));
    assert_works(mcq_recv_message(socket, &message, 0));
    assert_int_equal(mcq_message_size(&message), strlen(text));
    assert_memory_equal(mcq_message_data(&message), text, strlen(text));
    assert_false(mcq_message_more(&message));
    id = mcq_message_routing_id(&message);
    assert_works(mcq_message_close(&message));
    return id;
}

static int send_to(struct mcq_socket *socket, uint32_t id, const char *text)
{
    struct mcq_message message;
    int result;
    int number;

    assert_works(mcq_message_init_copy(&message, text, strlen(text)));
    assert_works(mcq_message_set_routing_id(&message, id));
    result = mcq_send_message(socket, &message, 0);
    number = errno;
    assert_works(mcq_message_close(&message));
    errno = number;
    return result;
}

static void client_server__by_routing_id(void)
{
    struct world world;
    uint32_t ids[2];

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_SERVER, MCQ_CLIENT);
    struct mcq_socket *other = open_socket(&world, MCQ_CLIENT);

    assert_works(mcq_connect(other, couple.endpoint));
    send_text(couple.connected, "one", 0);
    ids[0] = expect_from(couple.bound, "one");
    send_text(other, "two", 0);
    ids[1] = expect_from(couple.bound, "two");
    assert_int_not_equal(ids[0], 0);
    assert_int_not_equal(ids[0], ids[1]);
    assert_works(send_to(couple.bound, ids[1], "to two"));
    assert_works(send_to(couple.bound, ids[0], "to one"));
    expect_text(couple.connected, "to one");
    expect_text(other, "to two");
    assert_fails(send_to(couple.bound, ids[0] ^ 0x40000000, "nobody"), EHOSTUNREACH);
    assert_says(mcq_send(couple.bound, "x", 1, 0), EHOSTUNREACH,
                "send on SERVER: no peer has the message's routing id");
    assert_says(mcq_send(couple.connected, "x", 1, MCQ_SNDMORE), EINVAL,
                "send on CLIENT: messages of this type have one part");
    end_world(&world);
}

static void scatter_gather__in_turns(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_SCATTER, MCQ_GATHER);
    struct mcq_socket *other = open_socket(&world, MCQ_GATHER);

    assert_works(mcq_connect(other, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 2, PATIENCE_MS));
    for (int i = 0; i < 4; i++)
        send_text(couple.bound, "task", 0);
    for (int i = 0; i < 2; i++) {
        expect_text(couple.connected, "task");
        expect_text(other, "task");
    }
    assert_fails(mcq_recv(couple.bound, NULL, 0, 0), ENOTSUP);
    assert_fails(mcq_send(other, "x", 1, 0), ENOTSUP);
    end_world(&world);
}

static void channel__both_ways(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_CHANNEL, MCQ_CHANNEL);

    send_text(couple.connected, "there", 0);
    expect_text(couple.bound, "there");
    send_text(couple.bound, "and back", 0);
    expect_text(couple.connected, "and back");
    end_world(&world);
}

static void peer__connects_and_knows_the_number(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    uint32_t id = 0;

    begin_world(&world);
    struct mcq_socket *one = open_socket(&world, MCQ_PEER);
    struct mcq_socket *other = open_socket(&world, MCQ_PEER);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(one, endpoint);
    assert_works(mcq_connect_peer(other, endpoint, &id));
    assert_works(send_to(other, id, "hello"));
    assert_works(send_to(one, expect_from(one, "hello"), "hello yourself"));
    assert_int_equal(expect_from(other, "hello yourself"), id);
    assert_says(mcq_connect_peer(push, endpoint, &id), ENOTSUP,
                "connect_peer: the peers of a PUSH socket have no routing ids");
    assert_fails(mcq_connect_peer(other, endpoint, NULL), EFAULT);
    assert_fails(mcq_connect_peer(other, "nowhere", &id), EINVAL);
    end_world(&world);
}

static void send_in(struct mcq_socket *radio, const char *group, const char *text)
{
    struct mcq_message message;

    assert_works(mcq_message_init_copy(&message, text, strlen(text)));
    assert_works(mcq_message_set_group(&message, group));
    assert_string_equal(mcq_message_group(&message), group);
    assert_works(mcq_send_message(radio, &message, 0));
    assert_string_equal(mcq_message_group(&message), "");
    assert_works(mcq_message_close(&message));
}

static void radio_dish__groups_that_were_joined(void)
{
    struct world world;
    struct mcq_message message;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_RADIO, MCQ_DISH);

    assert_works(mcq_join(couple.connected, "news"));
    assert_works(mcq_join(couple.connected, "sport"));
    assert_works(mcq_leave(couple.connected, "sport"));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_says(mcq_join(couple.connected, "news"), EINVAL,
                "join news: it is joined, or longer than 255 octets");
    assert_says(mcq_leave(couple.connected, "sport"), EINVAL, "leave sport: it is not joined");
    assert_says(mcq_join(couple.bound, "news"), ENOTSUP, "join: a RADIO socket has no groups");
    assert_fails(mcq_join(couple.connected, NULL), EFAULT);
    assert_works(mcq_message_init(&message));
    for (int i = 0; i < 3; i++) {
        send_in(couple.bound, "new", "not just this group");
        send_in(couple.bound, "news", "just this");
        assert_works(mcq_recv_message(couple.connected, &message, 0));
        assert_int_equal(mcq_message_size(&message), 9);
        assert_string_equal(mcq_message_group(&message), "news");
    }
    assert_works(mcq_message_close(&message));
    expect_nothing(couple.connected);
    assert_fails(mcq_recv(couple.bound, NULL, 0, 0), ENOTSUP);
    assert_fails(mcq_send(couple.connected, "x", 1, 0), ENOTSUP);
    assert_fails(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "x", 1), EINVAL);
    end_world(&world);
}

static void group__of_a_message(void)
{
    struct mcq_message message;
    struct mcq_message other;
    char name[MCQ_GROUP_MAX + 2];
    char body[100];

    memset(name, 'g', sizeof name);
    name[MCQ_GROUP_MAX + 1] = '\0';
    memset(body, 'b', sizeof body);
    for (size_t len = 0; len <= sizeof body; len += 50) {
        assert_works(mcq_message_init_copy(&message, body, len));
        assert_string_equal(mcq_message_group(&message), "");
        assert_fails(mcq_message_set_group(&message, name), EINVAL);
        assert_works(mcq_message_set_group(&message, "first"));
        assert_works(mcq_message_set_group(&message, name + 1));
        assert_works(mcq_message_init(&other));
        assert_works(mcq_message_copy(&other, &message));
        assert_works(mcq_message_close(&message));
        assert_string_equal(mcq_message_group(&other), name + 1);
        assert_int_equal(mcq_message_size(&other), len);
        assert_memory_equal(mcq_message_data(&other), body, len);
        assert_works(mcq_message_move(&message, &other));
        assert_string_equal(mcq_message_group(&other), "");
        assert_string_equal(mcq_message_group(&message), name + 1);
        assert_works(mcq_message_set_group(&message, ""));
        assert_string_equal(mcq_message_group(&message), "");
        assert_works(mcq_message_close(&message));
    }
    assert_fails(mcq_message_set_group(&message, NULL), EFAULT);
    assert_fails(mcq_message_set_group(NULL, ""), EFAULT);
    assert_string_equal(mcq_message_group(NULL), "");
}

/* A message that was begun with a length may be written also once it has a group. */
static void group__a_short_body_may_still_be_written(void)
{
    struct world world;
    struct mcq_message message;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PAIR, MCQ_PAIR);

    assert_works(mcq_message_init_size(&message, 3));
    assert_works(mcq_message_set_group(&message, "is not sent by this type"));
    memcpy(mcq_message_data(&message), "abc", 3);
    assert_works(mcq_send_message(couple.connected, &message, 0));
    assert_works(mcq_recv_message(couple.bound, &message, 0));
    assert_string_equal(mcq_message_group(&message), "");
    assert_memory_equal(mcq_message_data(&message), "abc", 3);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* Several threads ask one CLIENT's server; each request is answered once. */
#define THREADS 4
#define REQUESTS 200

static int ask_many(void *client)
{
    for (int i = 0; i < REQUESTS; i++)
        if (mcq_send(client, "ask", 3, 0) != 0)
            return -1;
    return 0;
}

static void client__many_threads_send_at_once(void)
{
    struct world world;
    struct helper helpers[THREADS];

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_SERVER, MCQ_CLIENT);

    for (int i = 0; i < THREADS; i++)
        start_helper(&helpers[i], ask_many, couple.connected);
    for (int i = 0; i < THREADS * REQUESTS; i++)
        assert_works(send_to(couple.bound, expect_from(couple.bound, "ask"), "answer"));
    for (int i = 0; i < THREADS; i++) {
        join_helper(&helpers[i]);
        assert_int_equal(helpers[i].result, 0);
    }
    for (int i = 0; i < THREADS * REQUESTS; i++)
        expect_text(couple.connected, "answer");
    expect_nothing(couple.connected);
    end_world(&world);
}

static void routing_id__of_a_message(void)
{
    struct mcq_message message;

    assert_works(mcq_message_init(&message));
    assert_int_equal(mcq_message_routing_id(&message), 0);
    assert_says(mcq_message_set_routing_id(&message, 0), EINVAL,
                "message_set_routing_id: 0 is nobody's");
    assert_works(mcq_message_set_routing_id(&message, 7));
    assert_int_equal(mcq_message_routing_id(&message), 7);
    assert_works(mcq_message_close(&message));
    assert_int_equal(mcq_message_routing_id(&message), 0);
    errno = 0;
    assert_int_equal(mcq_message_routing_id(NULL), 0);
    assert_int_equal(errno, EFAULT);
    assert_fails(mcq_message_set_routing_id(NULL, 1), EFAULT);
}

#define ON_BOTH(X)                                                                                 \
    X(client_server__by_routing_id)                                                                \
    X(scatter_gather__in_turns)                                                                    \
    X(channel__both_ways)                                                                          \
    X(peer__connects_and_knows_the_number)                                                         \
    X(radio_dish__groups_that_were_joined)                                                         \
    X(group__of_a_message)                                                                         \
    X(group__a_short_body_may_still_be_written)                                                    \
    X(client__many_threads_send_at_once)                                                           \
    X(routing_id__of_a_message)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    static const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.single");
}
