#include "api/test_support.h"

/* Messages that connections make by themselves, and peers that are there only while they are
 * connected: HELLO_MSG, DISCONNECT_MSG, HICCUP_MSG, IMMEDIATE. */

static void set_word(struct mcq_socket *socket, enum mcq_option option, const char *text)
{
    assert_works(mcq_set_bytes(socket, option, text, strlen(text)));
}

/* Each of a pair begins with its own word, in front of what waited for the connection. */
static void hello__begins_each_connection(void)
{
    struct world world;
    struct couple pair;

    begin_world(&world);
    pair.bound = open_socket(&world, MCQ_DEALER);
    pair.connected = open_socket(&world, MCQ_DEALER);
    set_word(pair.bound, MCQ_OPT_HELLO_MSG, "from the bound");
    set_word(pair.connected, MCQ_OPT_HELLO_MSG, "from the connected");
    bind_somewhere(pair.bound, pair.endpoint);
    assert_works(mcq_connect(pair.connected, pair.endpoint));
    send_text(pair.connected, "waited", 0);
    expect_text(pair.bound, "from the connected");
    expect_text(pair.bound, "waited");
    expect_text(pair.connected, "from the bound");
    expect_nothing(pair.connected);
    end_world(&world);
}

static void disconnect__is_the_last_that_comes_from_who_connected(void)
{
    struct world world;
    struct couple pair;

    begin_world(&world);
    pair.bound = open_socket(&world, MCQ_ROUTER);
    pair.connected = open_socket(&world, MCQ_DEALER);
    set_word(pair.bound, MCQ_OPT_DISCONNECT_MSG, "gone");
    set_word(pair.connected, MCQ_OPT_DISCONNECT_MSG, "not said by who connects");
    set_word(pair.connected, MCQ_OPT_ROUTING_ID, "bob");
    bind_somewhere(pair.bound, pair.endpoint);
    assert_works(mcq_connect(pair.connected, pair.endpoint));
    send_text(pair.connected, "last", 0);
    close_socket(&world, pair.connected);
    expect_part(pair.bound, "bob", true);
    expect_text(pair.bound, "last");
    expect_part(pair.bound, "bob", true);
    expect_text(pair.bound, "gone");
    expect_nothing(pair.bound);
    end_world(&world);
}

/* A CLIENT hears of the loss, and goes on with the next one at the endpoint. */
static void hiccup__tells_who_connects_of_a_loss(void)
{
    struct world world;
    struct couple pair;

    needs_streams();
    begin_world(&world);
    pair.bound = open_socket(&world, MCQ_CHANNEL);
    pair.connected = open_socket(&world, MCQ_CHANNEL);
    set_word(pair.connected, MCQ_OPT_HICCUP_MSG, "lost");
    assert_works(mcq_set(pair.connected, MCQ_OPT_RECONNECT_IVL, 1));
    bind_somewhere(pair.bound, pair.endpoint);
    assert_works(mcq_connect(pair.connected, pair.endpoint));
    send_text(pair.bound, "hello", 0);
    expect_text(pair.connected, "hello");
    close_socket(&world, pair.bound);
    expect_text(pair.connected, "lost");
    pair.bound = open_socket(&world, MCQ_CHANNEL);
    bind_again(pair.bound, pair.endpoint);
    send_text(pair.bound, "again", 0);
    expect_text(pair.connected, "again");
    assert_works(mcq_disconnect(pair.connected, pair.endpoint));
    expect_nothing(pair.connected); /* this end is our own */
    end_world(&world);
}

static void words__of_other_types__are_refused__and_empty_ones_are_none(void)
{
    struct world world;
    struct mcq_socket *pub;
    struct couple pair;

    begin_world(&world);
    pub = open_socket(&world, MCQ_PUB);
    assert_fails(mcq_set_bytes(pub, MCQ_OPT_HELLO_MSG, "x", 1), EINVAL);
    assert_fails(mcq_set_bytes(pub, MCQ_OPT_DISCONNECT_MSG, "x", 1), EINVAL);
    assert_fails(mcq_set_bytes(pub, MCQ_OPT_HICCUP_MSG, "x", 1), EINVAL);
    pair = open_couple(&world, MCQ_DEALER, MCQ_DEALER);
    set_word(pair.connected, MCQ_OPT_HELLO_MSG, "x");
    assert_works(mcq_set_bytes(pair.connected, MCQ_OPT_HELLO_MSG, NULL, 0));
    assert_int_equal(number_of(pair.connected, MCQ_OPT_THREAD_SAFE), 0);
    assert_int_equal(number_of(open_socket(&world, MCQ_CLIENT), MCQ_OPT_THREAD_SAFE), 1);
    end_world(&world);
}

/* The engine of a context without threads runs in our calls. */
static void turn(void)
{
    if (inline_context != NULL)
        (void) mcq_ctx_run(inline_context, 20);
    else
        (void) sched_yield();
}

/* --- IMMEDIATE ------------------------------------------------------------------------------- */

/* Nobody is there before the handshake is over, and nobody once the connection is lost. */
static void immediate__only_who_is_there_gets_messages(void)
{
    struct world world;
    struct mcq_socket *push;
    struct mcq_socket *pull;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&world);
    push = open_socket(&world, MCQ_PUSH);
    assert_int_equal(number_of(push, MCQ_OPT_IMMEDIATE), 0);
    assert_works(mcq_set(push, MCQ_OPT_IMMEDIATE, 1));
    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    free_endpoint(endpoint);
    assert_works(mcq_connect(push, endpoint));
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    for (int round = 0; round < 3; round++) {
        pull = open_socket(&world, MCQ_PULL);
        bind_again(pull, endpoint);
        send_text(push, "there", 0); /* waits until it is */
        expect_text(pull, "there");
        close_socket(&world, pull);
        for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; turn())
            if (number_of(push, MCQ_OPT_EVENTS) == 0)
                break;
        assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    }
    assert_works(mcq_disconnect(push, endpoint));
    end_world(&world);
}

/* What a peer has said is read although it is gone, while the next one is there. */
static void immediate__input_outlives_its_connection(void)
{
    struct world world;
    struct mcq_socket *near;
    struct mcq_socket *far;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&world);
    near = open_socket(&world, MCQ_DEALER);
    assert_works(mcq_set(near, MCQ_OPT_IMMEDIATE, 1));
    assert_works(mcq_set(near, MCQ_OPT_RECONNECT_IVL, 1));
    far = open_socket(&world, MCQ_DEALER);
    bind_somewhere(far, endpoint);
    assert_works(mcq_connect(near, endpoint));
    send_text(far, "one", 0);
    send_text(far, "two", 0);
    expect_text(near, "one");
    close_socket(&world, far);
    far = open_socket(&world, MCQ_DEALER);
    bind_again(far, endpoint);
    expect_text(near, "two");
    send_text(far, "three", 0);
    expect_text(near, "three");
    assert_works(mcq_disconnect(near, endpoint));
    expect_nothing(near);
    end_world(&world);
}

static void immediate__connect_peer__has_no_number_to_give(void)
{
    struct world world;
    struct mcq_socket *peer;
    uint32_t id;

    begin_world(&world);
    peer = open_socket(&world, MCQ_PEER);
    assert_works(mcq_set(peer, MCQ_OPT_IMMEDIATE, 1));
    assert_fails(mcq_connect_peer(peer, "tcp://127.0.0.1:1", &id), EFAULT);
    end_world(&world);
}

#define WORD_TESTS(X)                                                                              \
    X(hello__begins_each_connection)                                                               \
    X(disconnect__is_the_last_that_comes_from_who_connected)                                       \
    X(hiccup__tells_who_connects_of_a_loss)                                                        \
    X(words__of_other_types__are_refused__and_empty_ones_are_none)                                 \
    X(immediate__only_who_is_there_gets_messages)                                                  \
    X(immediate__input_outlives_its_connection)                                                    \
    X(immediate__connect_peer__has_no_number_to_give)

WORD_TESTS(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {WORD_TESTS(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.words");
}
