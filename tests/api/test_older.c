/* Peers of ZMTP 1.0 and 2.0, by hand, at the sockets of this library: messages in both directions,
 * in the peer's own frames; and who is not welcome. */

#include "api/test_support.h"

#include "interop/raw_peer.h"

#define LARGE 6000 /* beyond what is copied together with its header */

static const enum raw_age ages[] = {RAW_1_0, RAW_1_0_GREETING, RAW_2_0};

static uint16_t port_of(const char *endpoint)
{
    return (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
}

/* A bound socket to which they are welcome. */
static struct mcq_socket *open_bound(struct world *world, enum mcq_type type, uint16_t *port)
{
    struct mcq_socket *socket = open_socket(world, type);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(socket, MCQ_OPT_OLDER_PEERS, 1));
    bind_somewhere(socket, endpoint);
    *port = port_of(endpoint);
    return socket;
}

/* A listener by hand. */
static int raw_listen(char endpoint[ENDPOINT_BYTES])
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &in, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
    assert_int_equal(listen(fd, 1), 0);
    (void) snprintf(endpoint, ENDPOINT_BYTES, "tcp://127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

static void expect_frame(int fd, enum raw_age age, const char *text, bool more)
{
    uint8_t body[300];
    uint8_t flags;

    assert_int_equal(raw_old_recv(fd, age, body, sizeof body, &flags), strlen(text));
    assert_memory_equal(body, text, strlen(text));
    assert_int_equal(flags, more);
}

static void pull__from_an_older_push__all_sizes_and_parts(void)
{
    static const size_t sizes[] = {0, 1, 252, 253, 254, 255, 256, 300};
    struct world world;
    uint8_t octets[300];
    uint8_t room[300];
    uint16_t port;

    memset(octets, 'x', sizeof octets);
    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_bound(&world, MCQ_PULL, &port);

    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        int fd = raw_connect(port);

        assert_true(raw_old_greet(fd, ages[i], MCQ_PUSH, ""));
        raw_old_expect_greeting(fd, ages[i], MCQ_PULL, "");
        for (size_t s = 0; s < MCQ_COUNTOF(sizes); s++) {
            assert_true(raw_old_send(fd, ages[i], RAW_MORE, "head", 4));
            assert_true(raw_old_send(fd, ages[i], 0, octets, sizes[s]));
            expect_part(pull, "head", true);
            assert_int_equal(mcq_recv(pull, room, sizeof room, 0), sizes[s]);
            assert_memory_equal(room, octets, sizes[s]);
            assert_int_equal(number_of(pull, MCQ_OPT_RCVMORE), 0);
        }
        assert_int_equal(close(fd), 0);
    }
    end_world(&world);
}

/* They wait in a form that only peers of 3.x read, since nobody knows yet who comes. */
static void push__messages_that_wait_for_a_peer__reach_an_older_one(void)
{
    struct world world;
    uint8_t octets[LARGE];
    uint8_t room[LARGE + 9];

    memset(octets, 'y', sizeof octets);
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        char endpoint[ENDPOINT_BYTES];
        int listener = raw_listen(endpoint);
        uint8_t flags;

        begin_world_with_threads(&world);
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_set(push, MCQ_OPT_OLDER_PEERS, 1));
        assert_works(mcq_connect(push, endpoint));
        send_text(push, "early", MCQ_SNDMORE);
        send_text(push, "", MCQ_SNDMORE);
        assert_works(mcq_send(push, octets, sizeof octets, 0));
        send_text(push, "second", 0);
        int fd = accept(listener, NULL, NULL);

        assert_true(fd >= 0);
        assert_true(raw_old_greet(fd, ages[i], MCQ_PULL, ""));
        raw_old_expect_greeting(fd, ages[i], MCQ_PUSH, "");
        expect_frame(fd, ages[i], "early", true);
        expect_frame(fd, ages[i], "", true);
        assert_int_equal(raw_old_recv(fd, ages[i], room, sizeof room, &flags), LARGE);
        assert_memory_equal(room, octets, LARGE);
        assert_int_equal(flags, 0);
        expect_frame(fd, ages[i], "second", false);
        send_text(push, "late", 0);
        expect_frame(fd, ages[i], "late", false);
        assert_int_equal(close(fd), 0);
        assert_int_equal(close(listener), 0);
        assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
        end_world(&world);
    }
}

static void router__by_the_identity_of_an_older_dealer(void)
{
    struct world world;
    uint16_t port;

    begin_world_with_threads(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(router, MCQ_OPT_OLDER_PEERS, 1));
    assert_works(mcq_set_bytes(router, MCQ_OPT_ROUTING_ID, "ours", 4));
    bind_somewhere(router, endpoint);
    port = port_of(endpoint);
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        char name[] = {'o', 'l', 'd', (char) ('0' + i), '\0'};
        int fd = raw_connect(port);

        assert_true(raw_old_greet(fd, ages[i], MCQ_DEALER, name));
        raw_old_expect_greeting(fd, ages[i], MCQ_ROUTER, "ours");
        assert_true(raw_old_send(fd, ages[i], 0, "question", 8));
        expect_part(router, name, true);
        expect_part(router, "question", false);
        send_text(router, name, MCQ_SNDMORE);
        send_text(router, "answer", 0);
        expect_frame(fd, ages[i], "answer", false);
        assert_int_equal(close(fd), 0);
    }
    end_world(&world);
}

/* One subscriber of each age, and of the present; 1.0 never subscribes and gets all. */
static void pub__subscribers_of_all_ages__each_reads_its_own_frames(void)
{
    struct world world;
    uint8_t large[LARGE];
    uint8_t room[LARGE];
    uint8_t body[255];
    uint8_t flags;
    uint16_t port;
    int fds[MCQ_COUNTOF(ages)];

    memset(large, 'z', sizeof large);
    begin_world_with_threads(&world);
    struct mcq_socket *pub = open_bound(&world, MCQ_PUB, &port);
    int new = raw_join(port, "SUB", NULL);

    assert_true(raw_subscribe(new, "z"));
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        fds[i] = raw_connect(port);
        assert_true(raw_old_greet(fds[i], ages[i], MCQ_SUB, ""));
        raw_old_expect_greeting(fds[i], ages[i], MCQ_PUB, "");
        if (ages[i] != RAW_1_0)
            assert_true(raw_old_send(fds[i], ages[i], 0, "\1z", 2));
    }
    /* Until all are in: a mark that each gets to see. */
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        struct pollfd heard = {.fd = fds[i], .events = POLLIN};

        while (poll(&heard, 1, 10) == 0)
            send_text(pub, "z mark", 0);
    }
    for (struct pollfd heard = {.fd = new, .events = POLLIN}; poll(&heard, 1, 10) == 0;)
        send_text(pub, "z mark", 0);
    send_text(pub, "z", MCQ_SNDMORE);
    assert_works(mcq_send(pub, large, sizeof large, 0));
    send_text(pub, "z end", 0);
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        int len;

        while ((len = raw_old_recv(fds[i], ages[i], room, sizeof room, &flags)) == 6)
            assert_memory_equal(room, "z mark", 6);
        assert_int_equal(len, 1);
        assert_int_equal(flags, RAW_MORE);
        assert_int_equal(raw_old_recv(fds[i], ages[i], room, sizeof room, &flags), LARGE);
        assert_memory_equal(room, large, LARGE);
        expect_frame(fds[i], ages[i], "z end", false);
        assert_int_equal(close(fds[i]), 0);
    }
    while (raw_recv_frame(new, body, &flags) == 6)
        assert_memory_equal(body, "z mark", 6);
    assert_int_equal(flags, RAW_MORE);
    assert_int_equal(close(new), 0);
    end_world(&world);
}

/* Nothing but the signature, and the end. */
static void expect_refusal(int fd, size_t most)
{
    uint8_t octets[64];
    size_t len = 0;

    while (len < sizeof octets && raw_recv(fd, octets + len, 1))
        len++;
    assert_true(len <= most);
    assert_int_equal(close(fd), 0);
}

static void older_peers__not_asked_for__are_closed(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_int_equal(number_of(pull, MCQ_OPT_OLDER_PEERS), 0);
    bind_somewhere(pull, endpoint);
    for (size_t i = 0; i < MCQ_COUNTOF(ages); i++) {
        int fd = raw_connect(port_of(endpoint));

        (void) raw_old_greet(fd, ages[i], MCQ_PUSH, "");
        expect_refusal(fd, 12);
    }
    expect_nothing(pull);
    end_world(&world);
}

static void older_peers__of_a_type_that_does_not_fit__are_closed(void)
{
    struct world world;
    uint16_t port;

    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_bound(&world, MCQ_PULL, &port);

    for (size_t i = 1; i < MCQ_COUNTOF(ages); i++) {
        int fd = raw_connect(port);

        (void) raw_old_greet(fd, ages[i], MCQ_SUB, "");
        expect_refusal(fd, 12);
    }
    expect_nothing(pull);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(pull__from_an_older_push__all_sizes_and_parts)                                               \
    X(push__messages_that_wait_for_a_peer__reach_an_older_one)                                     \
    X(router__by_the_identity_of_an_older_dealer)                                                  \
    X(pub__subscribers_of_all_ages__each_reads_its_own_frames)                                     \
    X(older_peers__not_asked_for__are_closed)                                                      \
    X(older_peers__of_a_type_that_does_not_fit__are_closed)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.older");
}
