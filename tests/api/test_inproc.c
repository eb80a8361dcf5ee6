/* Pipes between the sockets of a context: names, orders of bind, connect and close, and threads. */

#include "api/test_support.h"

#define NAME "inproc://here"

/* A message in memory that is handed over, not copied. */
#define LARGE_BYTES 100000
/* One that comes from its sender's pool. */
#define BLOCK_BYTES 1000
#define COPIES 7

static void join(struct mcq_socket *bound, struct mcq_socket *connected)
{
    assert_works(mcq_bind(bound, NAME));
    assert_works(mcq_connect(connected, NAME));
}

static struct couple open_pipe(struct world *world, enum mcq_type bound, enum mcq_type connected)
{
    struct couple couple = {.bound = open_socket(world, bound)};

    couple.connected = open_socket(world, connected);
    join(couple.bound, couple.connected);
    return couple;
}

static void fault_g14__connect_before_bind__messages_wait_for_the_name(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_connect(push, NAME));
    send_text(push, "head", MCQ_SNDMORE);
    send_text(push, "one", 0);
    send_text(push, "two", 0);
    expect_nothing(pull);
    assert_works(mcq_bind(pull, NAME));
    expect_part(pull, "head", true);
    expect_text(pull, "one");
    expect_text(pull, "two");
    send_text(push, "three", 0);
    expect_text(pull, "three");
    end_world(&world);
}

static void bind__a_name_has_one_owner(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *first = open_socket(&world, MCQ_PULL);
    struct mcq_socket *second = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(first, NAME));
    assert_fails(mcq_bind(second, NAME), EADDRINUSE);
    assert_works(mcq_connect(push, NAME));
    assert_fails(mcq_unbind(second, NAME), ENOENT);
    assert_works(mcq_unbind(first, NAME));
    assert_fails(mcq_unbind(first, NAME), ENOENT);
    send_text(push, "still here", 0); /* the connection stays */
    expect_text(first, "still here");
    assert_works(mcq_bind(second, NAME));
    close_socket(&world, second);
    assert_works(mcq_bind(first, NAME));
    end_world(&world);
}

static void last_endpoint__is_the_name(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(pull, NAME));
    assert_works(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    assert_string_equal(endpoint, NAME);
    assert_says(mcq_bind(pull, "inproc://"), EINVAL,
                "bind inproc://: nothing stands behind the ://");
    end_world(&world);
}

static void names__belong_to_a_context(void)
{
    struct world here;
    struct world there;

    begin_world(&here);
    begin_world_with_threads(&there);
    assert_works(mcq_bind(open_socket(&here, MCQ_PULL), NAME));
    assert_works(mcq_bind(open_socket(&there, MCQ_PULL), NAME));
    struct mcq_socket *push = open_socket(&there, MCQ_PUSH);

    assert_works(mcq_connect(push, NAME));
    send_text(push, "there", 0);
    expect_text(there.sockets[0], "there");
    expect_nothing(here.sockets[0]);
    end_world(&there);
    end_world(&here);
}

/* In one thread, too, and however close sends follow each other. */
static void sent__is_there_at_once(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *pull = couple.bound;
    struct mcq_socket *push = couple.connected;

    for (int i = 0; i < 500; i++) {
        send_text(push, "head", MCQ_SNDMORE);
        send_text(push, "body", 0);
        assert_int_equal(mcq_recv(pull, NULL, 0, MCQ_DONTWAIT), 4);
        assert_int_equal(mcq_recv(pull, NULL, 0, MCQ_DONTWAIT), 4);
    }
    end_world(&world);
}

/* --- high-water marks ------------------------------------------------------------------------ */

static int sent_until_full(struct mcq_socket *push, int most)
{
    int count = 0;

    while (count < most && mcq_send(push, "x", 1, MCQ_DONTWAIT) == 0)
        count++;
    return count;
}

static void hwm__is_the_sum_of_both(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 3));
    join(pull, push);
    assert_int_equal(sent_until_full(push, 100), 5);
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    expect_text(pull, "x");
    assert_int_equal(sent_until_full(push, 100), 1);
    for (int i = 0; i < 5; i++)
        expect_text(pull, "x");
    expect_nothing(pull);
    end_world(&world);
}

static void hwm__none_on_one_side__is_none(void)
{
    const enum mcq_option options[] = {MCQ_OPT_RCVHWM, MCQ_OPT_SNDHWM};

    for (size_t i = 0; i < 2; i++) {
        struct world world;

        begin_world(&world);
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_set(i == 0 ? pull : push, options[i], 0));
        join(pull, push);
        assert_int_equal(sent_until_full(push, 10000), 10000);
        for (int count = 0; count < 10000; count++)
            assert_int_equal(mcq_recv(pull, NULL, 0, 0), 1);
        expect_nothing(pull);
        end_world(&world);
    }
}

static void hwm__waits_for_a_name_with_the_sender_s_alone(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 4));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 3));
    assert_works(mcq_connect(push, NAME));
    assert_int_equal(sent_until_full(push, 100), 3);
    assert_works(mcq_bind(pull, NAME));
    assert_int_equal(sent_until_full(push, 100), 4);
    end_world(&world);
}

static void hwm__raised__sends_go_on(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 1));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 1));
    join(pull, push);
    assert_int_equal(sent_until_full(push, 100), 2);
    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 10));
    assert_int_equal(sent_until_full(push, 100), 9);
    end_world(&world);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void large_message__is_handed_over_not_copied(void)
{
    struct mcq_message message;
    struct world world;
    const void *data;

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *pull = couple.bound;
    struct mcq_socket *push = couple.connected;

    assert_works(mcq_message_init_size(&message, LARGE_BYTES));
    data = mcq_message_data(&message);
    memset(mcq_message_data(&message), 'm', LARGE_BYTES);
    assert_works(mcq_send_message(push, &message, 0));
    assert_works(mcq_recv_message(pull, &message, 0));
    assert_int_equal(mcq_message_size(&message), LARGE_BYTES);
    assert_ptr_equal(mcq_message_data(&message), data);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

static void send_filled(struct mcq_socket *push, int octet)
{
    struct mcq_message message;

    assert_works(mcq_message_init_unset(&message, BLOCK_BYTES));
    memset(mcq_message_data(&message), octet, BLOCK_BYTES);
    assert_works(mcq_send_message(push, &message, 0));
}

static void expect_filled(struct mcq_message *message, int octet)
{
    const char *data = mcq_message_data(message);

    assert_int_equal(mcq_message_size(message), BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        assert_int_equal(data[i], octet);
}

/* A body goes home when the last of those who hold it lets go, not the first. */
static void received_and_copied__stays_until_the_copy_goes(void)
{
    struct mcq_message message;
    struct mcq_message copies[COPIES];
    int octets[COPIES] = {0}; /* of each */
    struct world world;

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_message_init(&message));
    for (int i = 0; i < COPIES; i++)
        assert_works(mcq_message_init(&copies[i]));
    for (int i = 1; i < 100 * COPIES; i++) {
        send_filled(couple.connected, i & 0x7f);
        assert_works(mcq_recv_message(couple.bound, &message, 0));
        expect_filled(&message, i & 0x7f);
        if (octets[i % COPIES] != 0)
            expect_filled(&copies[i % COPIES], octets[i % COPIES]);
        if (i % 3 == 0)
            continue;
        octets[i % COPIES] = i & 0x7f;
        if (i % 3 == 1)
            assert_works(mcq_message_copy(&copies[i % COPIES], &message));
        else
            assert_works(mcq_message_move(&copies[i % COPIES], &message));
    }
    for (int i = 0; i < COPIES; i++)
        assert_works(mcq_message_close(&copies[i]));
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

static void sizes__around_what_lies_in_a_message(void)
{
    struct world world;
    char body[300];
    char room[300];

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_PAIR, MCQ_PAIR);

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char) (i * 7);
    for (size_t len = 0; len < sizeof body; len++) {
        assert_works(mcq_send(couple.connected, body, len, 0));
        memset(room, 0, sizeof room);
        assert_int_equal(mcq_recv(couple.bound, room, sizeof room, 0), len);
        assert_memory_equal(room, body, len);
    }
    end_world(&world);
}

/* --- who talks to whom ----------------------------------------------------------------------- */

static void router__knows_its_dealers_by_name(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *early = open_socket(&world, MCQ_DEALER);
    struct mcq_socket *late = open_socket(&world, MCQ_DEALER);

    assert_works(mcq_set_bytes(early, MCQ_OPT_ROUTING_ID, "early", 5));
    assert_works(mcq_set_bytes(late, MCQ_OPT_ROUTING_ID, "late", 4));
    assert_works(mcq_connect(early, NAME));
    join(router, late);
    send_text(late, "from late", 0);
    expect_part(router, "late", true);
    expect_text(router, "from late");
    send_text(early, "from early", 0);
    expect_part(router, "early", true);
    expect_text(router, "from early");
    send_text(router, "early", MCQ_SNDMORE);
    send_text(router, "to early", 0);
    expect_text(early, "to early");
    expect_nothing(late);
    end_world(&world);
}

static void pub_sub__hears_what_it_wants(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);
    struct mcq_socket *before = open_socket(&world, MCQ_SUB);
    struct mcq_socket *after = open_socket(&world, MCQ_SUB);

    assert_works(mcq_set_bytes(before, MCQ_OPT_SUBSCRIBE, "a", 1));
    assert_works(mcq_connect(before, NAME));
    join(pub, after);
    assert_works(mcq_set_bytes(after, MCQ_OPT_SUBSCRIBE, "", 0));
    assert_works(mcq_wait_peers(pub, 2, PATIENCE_MS));
    send_text(pub, "b", 0);
    send_text(pub, "a", MCQ_SNDMORE);
    send_text(pub, "rest", 0);
    expect_text(after, "b");
    expect_part(after, "a", true);
    expect_text(after, "rest");
    expect_part(before, "a", true);
    expect_text(before, "rest");
    expect_nothing(before);
    assert_works(mcq_set_bytes(before, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    assert_works(mcq_set_bytes(before, MCQ_OPT_SUBSCRIBE, "c", 1));
    await_subscriber(pub, before, "c");
    send_text(pub, "a", 0);
    expect_nothing(before);
    end_world(&world);
}

/* A subscription is no message, and comes as soon. */
static void subscription__is_there_at_once(void)
{
    struct world world;
    char room[8];

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_XPUB, MCQ_SUB);
    struct mcq_socket *xpub = couple.bound;
    struct mcq_socket *sub = couple.connected;

    for (int i = 0; i < 100; i++) {
        bool is_on = i % 2 == 0;

        assert_works(mcq_set_bytes(sub, is_on ? MCQ_OPT_SUBSCRIBE : MCQ_OPT_UNSUBSCRIBE, "a", 1));
        assert_int_equal(mcq_recv(xpub, room, sizeof room, MCQ_DONTWAIT), 2);
        assert_memory_equal(room, is_on ? "\1a" : "\0a", 2);
    }
    end_world(&world);
}

static void connect__to_a_type_that_does_not_fit__is_einval(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);
    struct mcq_socket *early = open_socket(&world, MCQ_REQ);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_connect(early, NAME)); /* nobody knows yet; bind leaves it out */
    assert_works(mcq_bind(pull, NAME));
    assert_says(mcq_connect(req, NAME), EINVAL,
                "connect " NAME
                ": the socket that has bound it is of a type that this one does not talk to");
    assert_fails(mcq_send(req, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_fails(mcq_send(early, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_connect(push, NAME));
    send_text(push, "fits", 0);
    expect_text(pull, "fits");
    end_world(&world);
}

static void pair__has_one_peer(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *bound = open_socket(&world, MCQ_PAIR);
    struct mcq_socket *first = open_socket(&world, MCQ_PAIR);
    struct mcq_socket *second = open_socket(&world, MCQ_PAIR);

    join(bound, first);
    assert_works(mcq_connect(second, NAME));
    send_text(first, "first", 0);
    expect_text(bound, "first");
    send_text(bound, "back", 0);
    expect_text(first, "back");
    assert_fails(mcq_send(second, "x", 1, MCQ_DONTWAIT), EAGAIN);
    end_world(&world);
}

static void connect__to_itself(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

    join(dealer, dealer);
    assert_works(mcq_wait_peers(dealer, 2, PATIENCE_MS));
    send_text(dealer, "one", 0);
    send_text(dealer, "two", 0);
    expect_text(dealer, "one");
    expect_text(dealer, "two");
    end_world(&world);
}

static void streams_and_pipes__on_one_socket(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *near = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *far = open_socket(&world, MCQ_PUSH);

    bind_somewhere(pull, endpoint);
    join(pull, near);
    assert_works(mcq_connect(far, endpoint));
    for (int i = 0; i < 3; i++) {
        send_text(near, "near", 0);
        expect_text(pull, "near");
        send_text(far, "far", 0);
        expect_text(pull, "far");
    }
    end_world(&world);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void sender_closes__what_it_sent_arrives(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_pipe(&world, MCQ_PULL, MCQ_PUSH);
    struct mcq_socket *pull = couple.bound;
    struct mcq_socket *push = couple.connected;

    for (int i = 0; i < 200; i++)
        send_text(push, "sent", 0);
    send_text(push, "never whole", MCQ_SNDMORE);
    close_socket(&world, push);
    for (int i = 0; i < 200; i++)
        expect_text(pull, "sent");
    expect_nothing(pull);
    end_world(&world);
}

static void sender_closes_before_bind__lingers(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *hasty = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_LINGER, -1));
    assert_works(mcq_set(hasty, MCQ_OPT_LINGER, 0));
    assert_works(mcq_connect(push, NAME));
    assert_works(mcq_connect(hasty, NAME));
    send_text(push, "patient", 0);
    send_text(hasty, "hasty", 0);
    close_socket(&world, push);
    close_socket(&world, hasty);
    assert_works(mcq_bind(pull, NAME));
    expect_text(pull, "patient");
    expect_nothing(pull);
    end_world(&world);
}

static void term__does_not_wait_for_a_name(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_LINGER, -1));
    assert_works(mcq_connect(push, NAME));
    send_text(push, "for nobody", 0);
    end_world(&world); /* in time, and nothing is left: run_on looks */
}

static void binder_closes__the_connection_is_gone(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *again = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    join(pull, push);
    send_text(push, "lost with it", 0);
    close_socket(&world, pull);
    assert_works(mcq_bind(again, NAME)); /* there is no coming back */
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_connect(push, NAME));
    send_text(push, "anew", 0);
    expect_text(again, "anew");
    end_world(&world);
}

static void disconnect__what_was_sent_arrives(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, NAME));
    assert_fails(mcq_disconnect(push, NAME), ENOENT);
    assert_works(mcq_connect(push, NAME));
    send_text(push, "before", 0);
    assert_works(mcq_disconnect(push, NAME));
    assert_fails(mcq_disconnect(push, NAME), ENOENT);
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    expect_text(pull, "before");
    assert_fails(mcq_disconnect(pull, NAME), ENOENT); /* the binder's end is not its own doing */
    assert_works(mcq_connect(push, "inproc://nobody"));
    assert_works(mcq_disconnect(push, "inproc://nobody"));
    end_world(&world);
}

/* --- threads --------------------------------------------------------------------------------- */

#define SENDER_COUNT 3
#define MESSAGE_COUNT 20000

struct sender {
    struct mcq_context *context;
    uint32_t id;
};

struct numbered {
    uint32_t sender;
    uint32_t number;
};

static int send_numbers(void *argument)
{
    const struct sender *sender = argument;
    struct mcq_socket *push = mcq_socket(sender->context, MCQ_PUSH);

    if (push == NULL || mcq_connect(push, NAME) != 0)
        return -1;
    for (uint32_t i = 0; i < MESSAGE_COUNT; i++) {
        struct numbered numbered = {sender->id, i};

        if (mcq_send(push, &numbered, sizeof numbered, i % 3 == 0 ? MCQ_SNDMORE : 0) != 0)
            return -1;
    }
    return mcq_close(push);
}

/* Several threads into one socket: all arrives, each sender's in its order, and messages whole. */
static void threads__all_arrives_in_each_sender_s_order(void)
{
    struct helper helpers[SENDER_COUNT];
    struct sender senders[SENDER_COUNT];
    uint32_t next[SENDER_COUNT] = {0};
    struct world world;

    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(pull, NAME));
    for (uint32_t i = 0; i < SENDER_COUNT; i++) {
        senders[i] = (struct sender) {world.context, i};
        start_helper(&helpers[i], send_numbers, &senders[i]);
    }
    for (uint32_t i = 0; i < SENDER_COUNT * MESSAGE_COUNT; i++) {
        struct numbered numbered;

        assert_int_equal(mcq_recv(pull, &numbered, sizeof numbered, 0), sizeof numbered);
        assert_true(numbered.sender < SENDER_COUNT);
        assert_int_equal(numbered.number, next[numbered.sender]);
        next[numbered.sender]++;
    }
    expect_nothing(pull);
    for (size_t i = 0; i < SENDER_COUNT; i++) {
        join_helper(&helpers[i]);
        assert_int_equal(helpers[i].result, 0);
    }
    end_world(&world);
}

static int answer(void *argument)
{
    struct mcq_socket *rep = argument;
    uint32_t number;

    while (mcq_recv(rep, &number, sizeof number, 0) == sizeof number) {
        number++;
        if (mcq_send(rep, &number, sizeof number, 0) != 0)
            return -1;
    }
    return errno;
}

/* One message at a time: each side is told, or looks, and never sleeps over one. */
static void threads__ping_pong_never_stalls(void)
{
    struct helper helper;
    struct world world;

    begin_world_with_threads(&world);
    struct couple couple = open_pipe(&world, MCQ_REP, MCQ_REQ);
    struct mcq_socket *rep = couple.bound;
    struct mcq_socket *req = couple.connected;

    start_helper(&helper, answer, rep);
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t number = i;

        assert_works(mcq_send(req, &number, sizeof number, 0));
        assert_int_equal(mcq_recv(req, &number, sizeof number, 0), sizeof number);
        assert_int_equal(number, i + 1);
    }
    assert_works(mcq_ctx_shutdown(world.context));
    join_helper(&helper);
    assert_int_equal(helper.result, MCQ_ETERM);
    end_world(&world);
}

#define CHURN_COUNT 300

static int churn(void *argument)
{
    const struct sender *sender = argument;

    for (uint32_t i = 0; i < CHURN_COUNT; i++) {
        bool binds = (i + sender->id) % 3 == 0;
        struct mcq_socket *socket = mcq_socket(sender->context, binds ? MCQ_PULL : MCQ_PUSH);

        if (socket == NULL)
            return -1;
        if (binds && mcq_bind(socket, NAME) != 0 && errno != EADDRINUSE)
            return -1;
        if (!binds && mcq_connect(socket, NAME) != 0)
            return -1;
        for (int count = 0; count < 5; count++)
            if (binds)
                (void) mcq_recv(socket, NULL, 0, MCQ_DONTWAIT);
            else
                (void) mcq_send(socket, "churn", 5, MCQ_DONTWAIT);
        if (mcq_set(socket, MCQ_OPT_LINGER, i % 2 == 0 ? 0 : -1) != 0 || mcq_close(socket) != 0)
            return -1;
    }
    return 0;
}

/* Bind, connect, send and close in every order, by several threads at once. */
static void fault_g14__any_order_of_bind_connect_and_close__by_threads(void)
{
    struct helper helpers[SENDER_COUNT];
    struct sender senders[SENDER_COUNT];
    struct world world;

    begin_world_with_threads(&world);
    for (uint32_t i = 0; i < SENDER_COUNT; i++) {
        senders[i] = (struct sender) {world.context, i};
        start_helper(&helpers[i], churn, &senders[i]);
    }
    for (size_t i = 0; i < SENDER_COUNT; i++) {
        join_helper(&helpers[i]);
        assert_int_equal(helpers[i].result, 0);
    }
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(fault_g14__connect_before_bind__messages_wait_for_the_name)                                  \
    X(bind__a_name_has_one_owner)                                                                  \
    X(last_endpoint__is_the_name)                                                                  \
    X(names__belong_to_a_context)                                                                  \
    X(sent__is_there_at_once)                                                                      \
    X(hwm__is_the_sum_of_both)                                                                     \
    X(hwm__none_on_one_side__is_none)                                                              \
    X(hwm__waits_for_a_name_with_the_sender_s_alone)                                               \
    X(hwm__raised__sends_go_on)                                                                    \
    X(large_message__is_handed_over_not_copied)                                                    \
    X(received_and_copied__stays_until_the_copy_goes)                                              \
    X(sizes__around_what_lies_in_a_message)                                                        \
    X(router__knows_its_dealers_by_name)                                                           \
    X(pub_sub__hears_what_it_wants)                                                                \
    X(subscription__is_there_at_once)                                                              \
    X(connect__to_a_type_that_does_not_fit__is_einval)                                             \
    X(pair__has_one_peer)                                                                          \
    X(connect__to_itself)                                                                          \
    X(streams_and_pipes__on_one_socket)                                                            \
    X(sender_closes__what_it_sent_arrives)                                                         \
    X(sender_closes_before_bind__lingers)                                                          \
    X(term__does_not_wait_for_a_name)                                                              \
    X(binder_closes__the_connection_is_gone)                                                       \
    X(disconnect__what_was_sent_arrives)                                                           \
    X(threads__all_arrives_in_each_sender_s_order)                                                 \
    X(threads__ping_pong_never_stalls)                                                             \
    X(fault_g14__any_order_of_bind_connect_and_close__by_threads)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.inproc");
}
