/* Messages that are written where they leave from: what arrives is what was written and committed,
 * whatever is in between. */

#include "api/test_support.h"

#include "interop/raw_peer.h"

#define ROOM 40000 /* more than a block of the socket's */

static uint8_t octet_of(size_t i, size_t k)
{
    return (uint8_t) (i * 37 + k * 11 + (k >> 8));
}

static void write_body(struct mcq_message *message, size_t i, size_t len)
{
    uint8_t *data = mcq_message_data(message);

    for (size_t k = 0; k < len; k++)
        data[k] = octet_of(i, k);
}

static void begin(struct mcq_socket *socket, struct mcq_message *message, size_t i, size_t len)
{
    assert_works(mcq_reserve(socket, message, len));
    assert_int_equal(mcq_message_size(message), len);
    write_body(message, i, len);
}

static void expect_body(struct mcq_socket *socket, size_t i, size_t len, bool more)
{
    static uint8_t room[ROOM];

    assert_int_equal(mcq_recv(socket, room, sizeof room, 0), len);
    for (size_t k = 0; k < len; k++)
        if (room[k] != octet_of(i, k))
            fail_msg("octet %zu of message %zu is %u", k, i, room[k]);
    assert_int_equal(number_of(socket, MCQ_OPT_RCVMORE), more);
}

static const size_t lens[] = {0, 1, 255, 256, 300, 4096, 4097, 32758, 32759, 32760, ROOM};

/* Each length of room with each length used; others in between, every third of the same message. */
static void committed__arrives_as_written__in_order(void)
{
    struct mcq_message message;
    struct world world;
    size_t i = 0;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_message_init(&message));
    for (size_t r = 0; r < MCQ_COUNTOF(lens); r++)
        for (size_t u = 0; u <= r; u++, i++) {
            begin(couple.connected, &message, i, lens[r]);
            assert_works(
                mcq_commit(couple.connected, &message, lens[u], i % 3 == 1 ? MCQ_SNDMORE : 0));
            assert_int_equal(mcq_message_size(&message), 0);
            send_text(couple.connected, "between", 0);
        }
    i = 0;
    for (size_t r = 0; r < MCQ_COUNTOF(lens); r++)
        for (size_t u = 0; u <= r; u++, i++) {
            expect_body(couple.bound, i, lens[u], i % 3 == 1);
            expect_text(couple.bound, "between");
        }
    expect_nothing(couple.bound);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* As many as a burst has, all filled before the first one is sent, some given up. */
static void many_at_a_time__are_sent_in_any_order(void)
{
    enum { COUNT = 500, LEN = 200 };
    static struct mcq_message messages[COUNT];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (size_t i = 0; i < COUNT; i++)
        assert_works(mcq_message_init(&messages[i]));
    assert_int_equal(mcq_reserve_batch(couple.connected, messages, COUNT, LEN), COUNT);
    for (size_t i = 0; i < COUNT; i++)
        write_body(&messages[i], i, LEN);
    for (size_t i = 0; i < COUNT; i += 5)
        assert_works(mcq_message_close(&messages[i]));
    for (size_t i = COUNT; i-- > 0;)
        if (i % 5 != 0)
            assert_works(mcq_commit(couple.connected, &messages[i], i % LEN, 0));
    for (size_t i = COUNT; i-- > 0;)
        if (i % 5 != 0)
            expect_body(couple.bound, i, i % LEN, false);
    expect_nothing(couple.bound);
    end_world(&world);
}

static void batch__is_sent_as_a_batch(void)
{
    enum { COUNT = 64, LEN = 64 };
    struct mcq_message messages[COUNT];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (size_t i = 0; i < COUNT; i++)
        assert_works(mcq_message_init(&messages[i]));
    for (size_t round = 0; round < 3; round++) {
        assert_int_equal(mcq_reserve_batch(couple.connected, messages, COUNT, LEN), COUNT);
        for (size_t i = 0; i < COUNT; i++)
            write_body(&messages[i], i + round, LEN);
        assert_int_equal(mcq_send_batch(couple.connected, messages, COUNT, 0), COUNT);
        for (size_t i = 0; i < COUNT; i++)
            expect_body(couple.bound, i + round, LEN, false);
    }
    assert_int_equal(mcq_reserve_batch(couple.connected, NULL, 0, LEN), 0);
    end_world(&world);
}

/* What a message held is released; a room is a message like any other. */
static void reserved__may_be_reserved_again__moved__copied__sent_elsewhere(void)
{
    struct mcq_message message;
    struct mcq_message other;
    struct world world;

    begin_world(&world);
    struct couple first = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct couple second = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_message_init_size(&message, 1000));
    begin(first.connected, &message, 1, 100);
    begin(first.connected, &message, 2, 300);
    assert_works(mcq_message_init(&other));
    assert_works(mcq_message_move(&other, &message));
    assert_works(mcq_send_message(second.connected, &other, 0));
    expect_body(second.bound, 2, 300, false);

    begin(first.connected, &message, 3, 100);
    assert_works(mcq_message_copy(&other, &message));
    assert_works(mcq_send_message(first.connected, &message, MCQ_SNDMORE));
    assert_works(mcq_commit(first.connected, &other, 50, 0));
    expect_body(first.bound, 3, 100, true);
    expect_body(first.bound, 3, 50, false);

    begin(first.connected, &message, 4, 100);
    begin(second.connected, &other, 5, 100);
    assert_works(mcq_commit(second.connected, &message, 90, MCQ_SNDMORE));
    assert_works(mcq_commit(second.connected, &other, 80, 0));
    expect_body(second.bound, 4, 90, true);
    expect_body(second.bound, 5, 80, false);
    end_world(&world);
}

/* A part in a place among parts that are not, where a type adds or takes frames of its own. */
static void req_rep_router__frame_it_as_any_other(void)
{
    struct mcq_message message;
    struct world world;
    char id[16];
    ptrdiff_t id_len;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    struct couple routed = open_couple(&world, MCQ_ROUTER, MCQ_DEALER);

    assert_works(mcq_message_init(&message));
    begin(couple.connected, &message, 1, 300);
    assert_works(mcq_commit(couple.connected, &message, 200, 0));
    expect_body(couple.bound, 1, 200, false);
    begin(couple.bound, &message, 2, 10);
    assert_works(mcq_send_message(couple.bound, &message, 0));
    expect_body(couple.connected, 2, 10, false);

    begin(routed.connected, &message, 3, 70);
    assert_works(mcq_commit(routed.connected, &message, 60, 0));
    id_len = mcq_recv(routed.bound, id, sizeof id, 0);
    assert_true(id_len > 0);
    expect_body(routed.bound, 3, 60, false);
    assert_works(mcq_reserve(routed.bound, &message, sizeof id));
    memcpy(mcq_message_data(&message), id, (size_t) id_len);
    assert_works(mcq_commit(routed.bound, &message, (size_t) id_len, MCQ_SNDMORE));
    begin(routed.bound, &message, 4, 5000);
    assert_works(mcq_commit(routed.bound, &message, 4999, 0));
    expect_body(routed.connected, 4, 4999, false);
    end_world(&world);
}

static void published__reaches_each_subscriber(void)
{
    static const size_t sizes[] = {3, 200, 300, 4096, 4097, ROOM};
    struct mcq_socket *subs[3];
    struct mcq_message message;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);

    bind_somewhere(pub, endpoint);
    assert_works(mcq_message_init(&message));
    begin(pub, &message, 0, 100);
    assert_works(mcq_commit(pub, &message, 100, 0)); /* to nobody */
    for (size_t s = 0; s < MCQ_COUNTOF(subs); s++) {
        subs[s] = open_socket(&world, MCQ_SUB);
        assert_works(mcq_set_bytes(subs[s], MCQ_OPT_SUBSCRIBE, "", 0));
        assert_works(mcq_connect(subs[s], endpoint));
    }
    assert_works(mcq_wait_peers(pub, MCQ_COUNTOF(subs), PATIENCE_MS));
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        begin(pub, &message, i, sizes[i]);
        assert_works(mcq_commit(pub, &message, sizes[i] - 2, i % 2 ? 0 : MCQ_SNDMORE));
    }
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++)
        for (size_t s = 0; s < MCQ_COUNTOF(subs); s++) {
            if (i % 2 == 0)
                expect_body(subs[s], i, sizes[i] - 2, true);
            else
                assert_int_equal(mcq_recv(subs[s], NULL, 0, 0), sizes[i - (i + 1) % 2] - 2);
        }
    end_world(&world);
}

/* Through a pipe it goes as it is, unless it is short: a copy holds no block. */
static void inproc__hands_the_place_over(void)
{
    struct mcq_message message;
    struct world world;
    const void *written;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, "inproc://place"));
    assert_works(mcq_connect(push, "inproc://place"));
    assert_works(mcq_message_init(&message));
    for (size_t r = 0; r < MCQ_COUNTOF(lens); r++) {
        begin(push, &message, r, lens[r]);
        written = mcq_message_data(&message);
        assert_works(mcq_commit(push, &message, lens[r] / 2, 0));
        assert_works(mcq_recv_message(pull, &message, 0));
        if (lens[r] / 2 > 256)
            assert_ptr_equal(mcq_message_data(&message), written);
        else
            assert_ptr_not_equal(mcq_message_data(&message), written);
        assert_int_equal(mcq_message_size(&message), lens[r] / 2);
        for (size_t k = 0; k < lens[r] / 2; k++)
            assert_int_equal(((const uint8_t *) mcq_message_data(&message))[k], octet_of(r, k));
    }
    close_socket(&world, push);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* Headers of such peers are not those that room was left for. */
static void older_peers__get_it_in_their_frames(void)
{
    static const enum raw_age ages[] = {RAW_1_0, RAW_1_0_GREETING, RAW_2_0};
    static const size_t sizes[] = {0, 1, 253, 254, 255, 256, 300, 5000};
    static uint8_t room[5000];
    struct mcq_message message;
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    uint8_t flags;

    assert_works(mcq_message_init(&message));
    for (size_t a = 0; a < MCQ_COUNTOF(ages); a++) {
        begin_world_with_threads(&world);
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_set(push, MCQ_OPT_OLDER_PEERS, 1));
        bind_somewhere(push, endpoint);
        int fd = raw_connect((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));

        assert_true(raw_old_greet(fd, ages[a], MCQ_PULL, ""));
        raw_old_expect_greeting(fd, ages[a], MCQ_PUSH, "");
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            begin(push, &message, i, sizes[i]);
            assert_works(mcq_send_message(push, &message, i % 2 ? 0 : MCQ_SNDMORE));
        }
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            assert_int_equal(raw_old_recv(fd, ages[a], room, sizeof room, &flags), sizes[i]);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(room[k], octet_of(i, k));
            assert_int_equal(flags, i % 2 == 0);
        }
        assert_int_equal(close(fd), 0);
        assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
        end_world(&world);
    }
}

static void commit__no_room__is_as_it_was__and_goes_later(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_message_init(&message));
    begin(push, &message, 6, 100); /* before there is any peer */
    assert_fails(mcq_commit(push, &message, 70, MCQ_DONTWAIT), EAGAIN);
    assert_int_equal(mcq_message_size(&message), 100);
    write_body(&message, 7, 100);
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    assert_works(mcq_commit(push, &message, 80, 0));
    expect_body(pull, 7, 80, false);
    end_world(&world);
}

static int close_message(void *message)
{
    return mcq_message_close(message);
}

/* The room outlives its socket and its context, and is given up by another thread. */
static void closed_socket__leaves_the_room__and_takes_nothing(void)
{
    struct mcq_message messages[2];
    struct helper helper;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_message_init(&messages[0]));
    assert_works(mcq_message_init(&messages[1]));
    begin(push, &messages[0], 1, 100);
    begin(push, &messages[1], 2, ROOM);
    close_socket(&world, push);
    assert_fails(mcq_commit(push, &messages[0], 50, 0), ENOTSOCK);
    assert_fails(mcq_reserve(push, &messages[0], 50), ENOTSOCK);
    assert_int_equal(mcq_message_size(&messages[0]), 100);
    end_world(&world);
    write_body(&messages[0], 3, 100);
    write_body(&messages[1], 3, ROOM);
    assert_int_equal(((uint8_t *) mcq_message_data(&messages[0]))[99], octet_of(3, 99));
    start_helper(&helper, close_message, &messages[0]);
    join_helper(&helper);
    assert_works(mcq_message_close(&messages[1]));
}

static void shutdown__refuses_both__and_the_room_stays(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_message_init(&message));
    begin(push, &message, 1, 100);
    assert_works(mcq_ctx_shutdown(world.context));
    assert_fails(mcq_commit(push, &message, 50, 0), MCQ_ETERM);
    assert_fails(mcq_reserve(push, &message, 50), MCQ_ETERM);
    assert_int_equal(mcq_message_size(&message), 100);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* One thread writes while others send and reserve from the same block. */
struct writer {
    struct mcq_socket *socket;
    size_t number;
};

enum { WRITERS = 4, ROUNDS = 500 };

static int write_many(void *argument)
{
    const struct writer *writer = argument;
    struct mcq_message message;

    assert_works(mcq_message_init(&message));
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t len = 1 + (round * 7 + writer->number) % 400;

        if (mcq_reserve(writer->socket, &message, len) != 0)
            return -1;
        memset(mcq_message_data(&message), (int) writer->number, len);
        if (round % 16 == 5)
            (void) mcq_message_close(&message);
        else if (mcq_commit(writer->socket, &message, len - len / 3, 0) != 0)
            return -1;
    }
    return 0;
}

static void threads__reserve_and_commit_on_one_socket(void)
{
    static uint8_t room[ROOM];
    struct helper helpers[WRITERS];
    struct writer writers[WRITERS];
    size_t counts[WRITERS] = {0};
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer) {couple.connected, i};
        start_helper(&helpers[i], write_many, &writers[i]);
    }
    for (size_t i = 0; i < (size_t) WRITERS * (ROUNDS - ROUNDS / 16); i++) {
        ptrdiff_t len = mcq_recv(couple.bound, room, sizeof room, 0);

        if (len < 1)
            fail_msg("%s, after %zu", mcq_last_error(), i);
        assert_in_range(room[0], 0, WRITERS - 1);
        counts[room[0]]++;
        for (ptrdiff_t k = 1; k < len; k++)
            assert_int_equal(room[k], room[0]);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        join_helper(&helpers[i]);
        assert_int_equal(helpers[i].result, 0);
        assert_int_equal(counts[i], ROUNDS - ROUNDS / 16);
    }
    end_world(&world);
}

static void what_cannot_be__says_why(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_message_init(&message));
    assert_says(mcq_reserve(pull, &message, 1), ENOTSUP,
                "reserve on PULL: this type only receives");
    assert_says(mcq_reserve(NULL, &message, 1), EFAULT, "reserve: socket is NULL");
    assert_says(mcq_reserve(push, NULL, 1), EFAULT, "reserve: message is NULL");
    assert_fails(mcq_reserve(push, &message, SIZE_MAX), ENOMEM);
    assert_int_equal(mcq_message_size(&message), 0);
    assert_works(mcq_reserve(push, &message, 10));
    assert_says(mcq_commit(push, &message, 11, 0), EINVAL,
                "commit of 11 octets: the message has room for 10");
    assert_fails(mcq_commit(push, &message, 10, 4), EINVAL);
    assert_says(mcq_commit(NULL, &message, 10, 0), EFAULT, "commit: socket is NULL");
    assert_says(mcq_commit(push, NULL, 10, 0), EFAULT, "commit: message is NULL");
    assert_int_equal(mcq_message_size(&message), 10);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(committed__arrives_as_written__in_order)                                                     \
    X(many_at_a_time__are_sent_in_any_order)                                                       \
    X(batch__is_sent_as_a_batch)                                                                   \
    X(reserved__may_be_reserved_again__moved__copied__sent_elsewhere)                              \
    X(req_rep_router__frame_it_as_any_other)                                                       \
    X(published__reaches_each_subscriber)                                                          \
    X(inproc__hands_the_place_over)                                                                \
    X(older_peers__get_it_in_their_frames)                                                         \
    X(commit__no_room__is_as_it_was__and_goes_later)                                               \
    X(closed_socket__leaves_the_room__and_takes_nothing)                                           \
    X(shutdown__refuses_both__and_the_room_stays)                                                  \
    X(threads__reserve_and_commit_on_one_socket)                                                   \
    X(what_cannot_be__says_why)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.reserve");
}
