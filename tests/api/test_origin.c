/* Whom a message is from: what its origin says, and how long. */

#include "api/test_support.h"

/* The next message's origin; the message is gone already. */
static struct mcq_origin *next_origin(struct mcq_socket *socket)
{
    struct mcq_message message;
    struct mcq_origin *origin;

    assert_works(mcq_message_init(&message));
    assert_works(mcq_recv_message(socket, &message, 0));
    assert_int_equal(mcq_message_routing_id(&message), 0);
    origin = mcq_message_origin(&message);
    assert_works(mcq_message_close(&message));
    return origin;
}

static void expect_property(const struct mcq_origin *origin, const char *name, const char *text)
{
    const char *found = mcq_origin_property(origin, name);

    if (found == NULL)
        fail_msg("%s", mcq_last_error());
    assert_string_equal(found, text);
}

static void expect_none(const struct mcq_origin *origin, const char *name)
{
    errno = 0;
    assert_null(mcq_origin_property(origin, name));
    assert_int_equal(errno, ENOENT);
}

static void received__says_who_the_peer_is(void)
{
    static const char property[] = "X-Colour:red:ish";
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "me", 2));
    assert_works(mcq_set_bytes(dealer, MCQ_OPT_METADATA, property, sizeof property - 1));
    assert_fails(mcq_set_bytes(dealer, MCQ_OPT_METADATA, "User-Id:root", 12), EINVAL);
    bind_somewhere(router, endpoint);
    assert_works(mcq_connect(dealer, endpoint));
    send_text(dealer, "a", MCQ_SNDMORE);
    send_text(dealer, "b", 0);
    for (int part = 0; part < 3; part++) { /* the routing id, too */
        struct mcq_origin *origin = next_origin(router);

        assert_non_null(origin);
        expect_property(origin, "Socket-Type", "DEALER");
        expect_property(origin, "Identity", "me");
        expect_property(origin, "Peer-Address", "127.0.0.1");
        expect_property(origin, "X-Colour", "red:ish");
        expect_none(origin, "User-Id");
        expect_none(origin, "x-colour");
        assert_true(mcq_origin_descriptor(origin) > 2);
        mcq_origin_release(origin);
    }
    end_world(&world);
}

static void metadata__that_is_not_written_so__is_einval(void)
{
    static const char *const texts[] = {"", "X-", "X-a", "X-a:", "X-:b", "a:b", "x-a:b", "X-a b:c"};
    static char large[17000] = "X-a:";
    struct world world;

    begin_world(&world);
    struct mcq_socket *pair = open_socket(&world, MCQ_PAIR);

    for (size_t i = 0; i < MCQ_COUNTOF(texts); i++)
        assert_fails(mcq_set_bytes(pair, MCQ_OPT_METADATA, texts[i], strlen(texts[i])), EINVAL);
    assert_says(mcq_set_bytes(pair, MCQ_OPT_METADATA, "a:b", 3), EINVAL,
                "set METADATA to a:b: a property is written X-NAME:VALUE");
    memset(large + 4, 'x', sizeof large - 4);
    assert_fails(mcq_set_bytes(pair, MCQ_OPT_METADATA, large, sizeof large), EINVAL);
    assert_works(mcq_set_bytes(pair, MCQ_OPT_METADATA, large, 10000));
    assert_fails(mcq_set_bytes(pair, MCQ_OPT_METADATA, large, 10000), EINVAL);
    end_world(&world);
}

static void pipe_and_own_messages__have_no_origin(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *bound = open_socket(&world, MCQ_PAIR);
    struct mcq_socket *connected = open_socket(&world, MCQ_PAIR);

    assert_works(mcq_bind(bound, "inproc://origin"));
    assert_works(mcq_connect(connected, "inproc://origin"));
    send_text(connected, "x", 0);
    errno = 0;
    assert_null(next_origin(bound));
    assert_int_equal(errno, ENOENT);
    assert_works(mcq_message_init(&message));
    assert_null(mcq_message_origin(&message));
    end_world(&world);
}

/* The connection goes, and the context; who holds the origin has it still. */
static void held__outlives_connection_and_context(void)
{
    struct mcq_origin *origin;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "x", 0);
    origin = next_origin(couple.bound);
    end_world(&world);
    expect_property(origin, "Socket-Type", "PUSH");
    mcq_origin_release(origin);
}

/* A message that waits in the socket while its peer goes is known for whose it is. */
static void gone__is_known_for_a_while(void)
{
    struct mcq_message message;
    struct mcq_origin *origin;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "x", 0);
    close_socket(&world, couple.connected);
    assert_works(mcq_message_init(&message));
    assert_works(mcq_recv_message(couple.bound, &message, 0));
    origin = mcq_message_origin(&message);
    assert_non_null(origin);
    expect_property(origin, "Socket-Type", "PUSH");
    mcq_origin_release(origin);
    end_world(&world);
    assert_null(mcq_message_origin(&message));
    assert_works(mcq_message_close(&message));
}

#define ON_BOTH(X)                                                                                 \
    X(received__says_who_the_peer_is)                                                              \
    X(metadata__that_is_not_written_so__is_einval)                                                 \
    X(pipe_and_own_messages__have_no_origin)                                                       \
    X(held__outlives_connection_and_context)                                                       \
    X(gone__is_known_for_a_while)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.origin");
}
