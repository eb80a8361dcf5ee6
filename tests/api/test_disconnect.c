/* What mcq_disconnect leaves behind: what was sent before it leaves within LINGER. */
#include "api/test_support.h"

#define MANY 1000
#define LONG_BYTES 16384 /* together more than any stream takes at once */

static void send_numbered(struct mcq_socket *push, uint32_t number, size_t len)
{
    static unsigned char octets[LONG_BYTES];

    memcpy(octets, &number, sizeof number);
    assert_works(mcq_send(push, octets, len, 0));
}

static void expect_numbered(struct mcq_socket *pull, uint32_t number, size_t len)
{
    static unsigned char octets[LONG_BYTES];
    uint32_t found;

    if (mcq_recv(pull, octets, sizeof octets, 0) != (ptrdiff_t) len)
        fail_msg("message %u: %s", number, mcq_last_error());
    memcpy(&found, octets, sizeof found);
    assert_int_equal(found, number);
}

/* The peer is gone for the sender at once, whatever lingers. */
static void assert_is_gone(struct mcq_socket *push, const char *endpoint)
{
    assert_fails(mcq_send(push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    assert_fails(mcq_disconnect(push, endpoint), ENOENT);
}

static void slow_peer__gets_all_that_was_sent_before(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (uint32_t i = 0; i < MANY; i++)
        send_numbered(couple.connected, i, LONG_BYTES);
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    assert_is_gone(couple.connected, couple.endpoint);
    for (uint32_t i = 0; i < MANY; i++)
        expect_numbered(couple.bound, i, LONG_BYTES);
    expect_nothing(couple.bound);

    assert_works(mcq_connect(couple.connected, couple.endpoint));
    send_text(couple.connected, "anew", 0);
    expect_text(couple.bound, "anew");
    end_world(&world);
}

/* An endpoint that nobody has bound. */
static void free_place(char endpoint[ENDPOINT_BYTES])
{
    static int count;

    if (is_inproc())
        (void) snprintf(endpoint, ENDPOINT_BYTES, "inproc://later-%d", count++);
    else if (runs_over("ipc"))
        (void) snprintf(endpoint, ENDPOINT_BYTES, "ipc://@mcq-later-%ld-%d", (long) getpid(),
                        count++);
    else
        free_endpoint(endpoint);
}

static void peer_to_come__gets_it_when_it_is_there(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    free_place(endpoint);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_connect(push, endpoint));
    for (uint32_t i = 0; i < 3; i++)
        send_numbered(push, i, 4);
    assert_works(mcq_disconnect(push, endpoint));
    assert_is_gone(push, endpoint);

    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_again(pull, endpoint);
    for (uint32_t i = 0; i < 3; i++)
        expect_numbered(pull, i, 4);
    end_world(&world);
}

static void linger_0__what_waits_is_dropped(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    free_place(endpoint);
    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "dropped", 0);
    assert_works(mcq_disconnect(push, endpoint));
    assert_is_gone(push, endpoint);

    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_connect(push, endpoint));
    send_text(push, "first", 0);
    bind_again(pull, endpoint);
    expect_text(pull, "first");
    end_world(&world);
}

static void unfinished_message__goes_nowhere(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "whole", 0);
    send_text(couple.connected, "begun", MCQ_SNDMORE);
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    expect_text(couple.bound, "whole");
    send_text(couple.connected, "its end", 0); /* of that message */
    send_text(couple.connected, "next", 0);
    expect_text(couple.bound, "next");
    end_world(&world);
}

static void several__each_goes_its_own_way(void)
{
    enum { PEERS = 8, EACH = 50 };
    struct world world;
    struct mcq_socket *pulls[PEERS];
    char endpoints[PEERS][ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    for (size_t i = 0; i < PEERS; i++) {
        pulls[i] = open_socket(&world, MCQ_PULL);
        bind_somewhere(pulls[i], endpoints[i]);
        assert_works(mcq_connect(push, endpoints[i]));
        for (uint32_t number = 0; number < EACH; number++)
            send_numbered(push, number, LONG_BYTES);
        assert_works(mcq_disconnect(push, endpoints[i]));
    }
    for (size_t i = PEERS; i-- > 0;) {
        for (uint32_t number = 0; number < EACH; number++)
            expect_numbered(pulls[i], number, LONG_BYTES);
        expect_nothing(pulls[i]);
    }
    end_world(&world);
}

static void close_meanwhile__lingers_as_the_socket(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (uint32_t i = 0; i < MANY; i++)
        send_numbered(couple.connected, i, LONG_BYTES);
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    close_socket(&world, couple.connected);
    for (uint32_t i = 0; i < MANY; i++)
        expect_numbered(couple.bound, i, LONG_BYTES);
    end_world(&world);
}

static void reply__leaves_after_its_replier_has_gone(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_DEALER, MCQ_REP);

    send_text(couple.bound, "", MCQ_SNDMORE);
    send_text(couple.bound, "question", 0);
    expect_text(couple.connected, "question");
    send_text(couple.connected, "answer", 0);
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    expect_part(couple.bound, "", true);
    expect_text(couple.bound, "answer");
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(slow_peer__gets_all_that_was_sent_before)                                                    \
    X(peer_to_come__gets_it_when_it_is_there)                                                      \
    X(linger_0__what_waits_is_dropped)                                                             \
    X(unfinished_message__goes_nowhere)                                                            \
    X(several__each_goes_its_own_way)                                                              \
    X(close_meanwhile__lingers_as_the_socket)                                                      \
    X(reply__leaves_after_its_replier_has_gone)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.disconnect");
}
