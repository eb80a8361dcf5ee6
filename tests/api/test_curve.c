/* Keys, and sockets that seal what they say. */

#include "test_support.h"

static char server_public[MCQ_KEY_TEXT_BYTES];
static char server_secret[MCQ_KEY_TEXT_BYTES];
static char client_public[MCQ_KEY_TEXT_BYTES];
static char client_secret[MCQ_KEY_TEXT_BYTES];

static void make_keys(void)
{
    assert_works(mcq_curve_keypair(server_public, server_secret));
    assert_works(mcq_curve_keypair(client_public, client_secret));
}

static void set_key(struct mcq_socket *socket, enum mcq_option id, const char *key)
{
    assert_works(mcq_set_bytes(socket, id, key, strlen(key)));
}

static struct mcq_socket *open_server(struct world *world, enum mcq_type type)
{
    struct mcq_socket *socket = open_socket(world, type);

    set_key(socket, MCQ_OPT_CURVE_SECRETKEY, server_secret);
    assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
    return socket;
}

static struct mcq_socket *open_client(struct world *world, enum mcq_type type, const char *server)
{
    struct mcq_socket *socket = open_socket(world, type);

    set_key(socket, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    set_key(socket, MCQ_OPT_CURVE_SERVERKEY, server);
    return socket;
}

static void bind_any(struct mcq_socket *socket, char *endpoint, size_t len)
{
    assert_works(mcq_bind(socket, "tcp://127.0.0.1:*"));
    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
}

/* RFC 32's example, and what is none. */
static void z85__octets_and_text__there_and_back(void)
{
    static const uint8_t octets[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    uint8_t back[8];
    char text[11];

    assert_works(mcq_z85_from_octets(octets, sizeof octets, text));
    assert_string_equal(text, "HelloWorld");
    assert_works(mcq_z85_to_octets(text, back));
    assert_memory_equal(back, octets, sizeof octets);
    assert_says(mcq_z85_from_octets(octets, 7, text), EINVAL,
                "z85_from_octets: 7 octets are no multiple of 4");
    assert_fails(mcq_z85_to_octets("Hello World", back), EINVAL);
    assert_fails(mcq_z85_to_octets("Hell", back), EINVAL);
    assert_fails(mcq_z85_to_octets("#####", back), EINVAL);
    assert_fails(mcq_z85_to_octets(NULL, back), EFAULT);
}

static void keypair__the_public_key__follows_from_the_secret_one(void)
{
    char public_key[MCQ_KEY_TEXT_BYTES];

    make_keys();
    assert_string_not_equal(server_public, client_public);
    assert_works(mcq_curve_public(public_key, server_secret));
    assert_string_equal(public_key, server_public);
    assert_fails(mcq_curve_public(public_key, "too short"), EINVAL);
    assert_fails(mcq_curve_public(public_key, NULL), EFAULT);
}

static void options__octets_or_text__the_same_key(void)
{
    struct world world;
    uint8_t octets[MCQ_KEY_BYTES];
    uint8_t got[MCQ_KEY_BYTES];
    char text[MCQ_KEY_TEXT_BYTES];
    size_t len = sizeof got;

    begin_world(&world);
    make_keys();
    struct mcq_socket *socket = open_socket(&world, MCQ_DEALER);

    assert_works(mcq_z85_to_octets(server_secret, octets));
    assert_works(mcq_set_bytes(socket, MCQ_OPT_CURVE_SECRETKEY, octets, sizeof octets));
    assert_works(mcq_get_bytes(socket, MCQ_OPT_CURVE_SECRETKEY, got, &len));
    assert_int_equal(len, MCQ_KEY_BYTES);
    assert_memory_equal(got, octets, sizeof octets);
    len = sizeof text;
    assert_works(mcq_get_bytes(socket, MCQ_OPT_CURVE_PUBLICKEY, text, &len));
    assert_int_equal(len, MCQ_KEY_TEXT_BYTES);
    assert_string_equal(text, server_public);
    assert_works(mcq_set_bytes(socket, MCQ_OPT_CURVE_SERVERKEY, client_public, MCQ_KEY_TEXT_BYTES));
    assert_says(mcq_set_bytes(socket, MCQ_OPT_CURVE_SERVERKEY, "short", 5), EINVAL,
                "set CURVE_SERVERKEY of 5 octets: not a key, which is 32 octets or 40 characters "
                "of Z85");
    end_world(&world);
}

/* As with libzmq the option that was set last chooses. */
static void options__of_a_mechanism__choose_it(void)
{
    struct world world;

    begin_world(&world);
    make_keys();
    struct mcq_socket *socket = open_socket(&world, MCQ_DEALER);

    assert_int_equal(number_of(socket, MCQ_OPT_MECHANISM), 0);
    assert_works(mcq_set(socket, MCQ_OPT_PLAIN_SERVER, 1));
    assert_int_equal(number_of(socket, MCQ_OPT_MECHANISM), 1);
    assert_works(mcq_set_bytes(socket, MCQ_OPT_PLAIN_USERNAME, "me", 2));
    assert_int_equal(number_of(socket, MCQ_OPT_PLAIN_SERVER), 0);
    assert_int_equal(number_of(socket, MCQ_OPT_MECHANISM), 1);
    assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
    assert_int_equal(number_of(socket, MCQ_OPT_MECHANISM), 2);
    set_key(socket, MCQ_OPT_CURVE_SERVERKEY, server_public);
    assert_int_equal(number_of(socket, MCQ_OPT_CURVE_SERVER), 0);
    assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 0));
    assert_int_equal(number_of(socket, MCQ_OPT_MECHANISM), 0);
    end_world(&world);
}

static void connect__without_a_key__says_which(void)
{
    struct world world;

    begin_world(&world);
    make_keys();
    struct mcq_socket *socket = open_socket(&world, MCQ_DEALER);

    assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
    assert_says(mcq_bind(socket, "tcp://127.0.0.1:*"), EINVAL,
                "bind tcp://127.0.0.1:*: CURVE needs a key of its own: set CURVE_SECRETKEY");
    set_key(socket, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    set_key(socket, MCQ_OPT_CURVE_PUBLICKEY, server_public);
    assert_fails(mcq_bind(socket, "tcp://127.0.0.1:*"), EINVAL);
    set_key(socket, MCQ_OPT_CURVE_PUBLICKEY, client_public);
    assert_works(mcq_bind(socket, "tcp://127.0.0.1:*"));

    struct mcq_socket *client = open_socket(&world, MCQ_DEALER);

    set_key(client, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    assert_fails(mcq_connect(client, "tcp://127.0.0.1:1"), EINVAL);
    assert_works(
        mcq_set_bytes(client, MCQ_OPT_CURVE_SERVERKEY, (const uint8_t[32]) {0}, MCQ_KEY_BYTES));
    assert_says(mcq_connect(client, "tcp://127.0.0.1:1"), EINVAL,
                "connect tcp://127.0.0.1:1: CURVE_SERVERKEY is no key of a server");
    end_world(&world);
}

static void curve__messages_of_all_sizes__come_as_they_were_sent(void)
{
    static const size_t sizes[] = {0, 1, 55, 222, 223, 4096, 4097, 70000, 3000000};
    static uint8_t octets[3000000];
    static uint8_t got[3000000];
    struct world world;
    char endpoint[256];

    begin_world(&world);
    make_keys();
    struct mcq_socket *server = open_server(&world, MCQ_DEALER);
    struct mcq_socket *client = open_client(&world, MCQ_DEALER, server_public);

    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t) (i * 7 + (i >> 8));
    bind_any(server, endpoint, sizeof endpoint);
    assert_works(mcq_connect(client, endpoint));
    for (unsigned turn = 0; turn < 2 * MCQ_COUNTOF(sizes); turn++) {
        size_t size = sizes[turn / 2];
        struct mcq_socket *from = turn % 2 ? server : client;
        struct mcq_socket *to = turn % 2 ? client : server;

        assert_works(mcq_send(from, octets, size, MCQ_SNDMORE));
        assert_works(mcq_send(from, "end", 3, 0));
        assert_int_equal(mcq_recv(to, got, sizeof got, 0), (int) size);
        assert_memory_equal(got, octets, size);
        assert_int_equal(number_of(to, MCQ_OPT_RCVMORE), 1);
        expect_text(to, "end");
    }
    end_world(&world);
}

static void curve__subscriptions_and_heartbeats__work_in_boxes(void)
{
    struct world world;
    char endpoint[256];

    begin_world(&world);
    make_keys();
    struct mcq_socket *pub = open_server(&world, MCQ_PUB);
    struct mcq_socket *sub = open_client(&world, MCQ_SUB, server_public);

    assert_works(mcq_set(sub, MCQ_OPT_HEARTBEAT_IVL, 5));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "a", 1));
    bind_any(pub, endpoint, sizeof endpoint);
    assert_works(mcq_connect(sub, endpoint));
    assert_works(mcq_wait_peers(pub, 1, PATIENCE_MS));
    assert_works(mcq_set(sub, MCQ_OPT_RCVTIMEO, 10));
    for (unsigned tries = 0;; tries++) {
        char text[8];

        assert_true(tries < 500);
        assert_works(mcq_send(pub, "beside", 6, 0));
        assert_works(mcq_send(pub, "apple", 5, 0));
        if (mcq_recv(sub, text, sizeof text, 0) == 5) {
            assert_memory_equal(text, "apple", 5);
            break;
        }
    }
    end_world(&world);
}

/* What is sealed has to leave, whatever is newer. */
static void curve__conflated__the_newest_comes_and_what_was_sealed(void)
{
    static struct {
        uint32_t number;
        char filling[30000];
    } body;
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    const uint32_t last = 1000;
    uint32_t before = 0;

    make_keys();
    begin_world(&world);
    struct mcq_socket *pull = open_server(&world, MCQ_PULL);
    struct mcq_socket *push = open_client(&world, MCQ_PUSH, server_public);

    assert_works(mcq_set(pull, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set(pull, MCQ_OPT_RCVBUF, 65536));
    assert_works(mcq_set(push, MCQ_OPT_SNDBUF, 65536));
    assert_works(mcq_set(push, MCQ_OPT_CONFLATE, 1));
    bind_any(pull, endpoint, sizeof endpoint);
    assert_works(mcq_connect(push, endpoint));
    assert_works(mcq_wait_peers(push, 1, PATIENCE_MS));
    for (body.number = 1; body.number <= last; body.number++)
        assert_works(mcq_send(push, &body, sizeof body, 0));
    while (before < last) {
        assert_int_equal(mcq_recv(pull, &body, sizeof body, 0), sizeof body);
        assert_true(body.number > before);
        before = body.number;
    }
    end_world(&world);
}

static void curve__a_client_with_another_servers_key__never_gets_through(void)
{
    struct world world;
    char endpoint[256];

    begin_world(&world);
    make_keys();
    struct mcq_socket *server = open_server(&world, MCQ_PULL);
    struct mcq_socket *stranger = open_client(&world, MCQ_PUSH, client_public);
    struct mcq_socket *clear = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *friend = open_client(&world, MCQ_PUSH, server_public);

    bind_any(server, endpoint, sizeof endpoint);
    assert_works(mcq_connect(stranger, endpoint));
    assert_works(mcq_connect(clear, endpoint));
    assert_works(mcq_send(stranger, "stranger", 8, MCQ_DONTWAIT));
    assert_works(mcq_send(clear, "clear", 5, MCQ_DONTWAIT));
    assert_works(mcq_connect(friend, endpoint));
    assert_works(mcq_send(friend, "friend", 6, 0));
    expect_text(server, "friend");
    assert_fails(mcq_wait_peers(stranger, 1, 50), EAGAIN);
    assert_fails(mcq_recv(server, endpoint, sizeof endpoint, MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_set(stranger, MCQ_OPT_LINGER, 0));
    assert_works(mcq_set(clear, MCQ_OPT_LINGER, 0));
    end_world(&world);
}

/* Nobody could say whether a password is right. */
static void plain__without_a_handler_of_zap__nobody_comes_in(void)
{
    struct world world;
    char endpoint[256];

    begin_world(&world);
    struct mcq_socket *server = open_socket(&world, MCQ_PULL);
    struct mcq_socket *client = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(server, MCQ_OPT_PLAIN_SERVER, 1));
    assert_works(mcq_set_bytes(client, MCQ_OPT_PLAIN_USERNAME, "me", 2));
    assert_works(mcq_set_bytes(client, MCQ_OPT_PLAIN_PASSWORD, "it", 2));
    bind_any(server, endpoint, sizeof endpoint);
    assert_works(mcq_connect(client, endpoint));
    assert_fails(mcq_wait_peers(client, 1, 50), EAGAIN);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(z85__octets_and_text__there_and_back)                                                        \
    X(keypair__the_public_key__follows_from_the_secret_one)                                        \
    X(options__octets_or_text__the_same_key)                                                       \
    X(options__of_a_mechanism__choose_it)                                                          \
    X(connect__without_a_key__says_which)                                                          \
    X(curve__messages_of_all_sizes__come_as_they_were_sent)                                        \
    X(curve__subscriptions_and_heartbeats__work_in_boxes)                                          \
    X(curve__conflated__the_newest_comes_and_what_was_sealed)                                      \
    X(curve__a_client_with_another_servers_key__never_gets_through)                                \
    X(plain__without_a_handler_of_zap__nobody_comes_in)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.curve");
}
