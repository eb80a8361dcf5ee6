/* Batches: the same messages in the same order as one call for each, and results that can be
 * partial. */

#include "api/test_support.h"

enum { BATCH = 300, WINDOW = 32 };

static void begin_text(struct mcq_message *message, const char *text)
{
    assert_works(mcq_message_init_copy(message, text, strlen(text)));
}

static void begin_empty(struct mcq_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_works(mcq_message_init(&messages[i]));
}

static void close_all(struct mcq_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_works(mcq_message_close(&messages[i]));
}

static void assert_text(struct mcq_message *message, const char *text)
{
    assert_int_equal(mcq_message_size(message), strlen(text));
    assert_memory_equal(mcq_message_data(message), text, strlen(text));
}

/* Exactly so many, in as many calls as it takes. */
static void receive_all(struct mcq_socket *socket, struct mcq_message *messages, size_t count)
{
    for (size_t have = 0; have < count;) {
        int taken = mcq_recv_batch(socket, messages + have, count - have, 0);

        if (taken < 1)
            fail_msg("%s, after %zu", mcq_last_error(), have);
        have += (size_t) taken;
    }
}

/* Small bodies lie in the message, larger ones in blocks, the largest are shared. */
static size_t size_of(size_t i)
{
    static const size_t sizes[] = {0, 1, 56, 57, 1000, 4096, 4097, 70000};

    return sizes[i % MCQ_COUNTOF(sizes)];
}

static void messages_of_all_sizes__arrive_in_order(void)
{
    static struct mcq_message messages[BATCH];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (size_t i = 0; i < BATCH; i++) {
        assert_works(mcq_message_init_size(&messages[i], size_of(i)));
        if (size_of(i) > 0)
            memset(mcq_message_data(&messages[i]), (int) (i % 251), size_of(i));
    }
    /* In pieces that the kernel holds: nobody reads meanwhile. */
    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    for (size_t at = 0; at < BATCH; at += WINDOW) {
        size_t count = BATCH - at < WINDOW ? BATCH - at : WINDOW;

        assert_int_equal(mcq_send_batch(couple.connected, messages + at, count, 0), count);
        for (size_t i = at; i < at + count; i++)
            assert_int_equal(mcq_message_size(&messages[i]), 0);
        receive_all(couple.bound, messages + at, count);
    }
    for (size_t i = 0; i < BATCH; i++) {
        const uint8_t *data = mcq_message_data(&messages[i]);

        assert_int_equal(mcq_message_size(&messages[i]), size_of(i));
        assert_false(mcq_message_more(&messages[i]));
        for (size_t k = 0; k < size_of(i); k++)
            assert_int_equal(data[k], i % 251);
    }
    expect_nothing(couple.bound);
    close_all(messages, BATCH);
    end_world(&world);
}

static void first_one__is_waited_for__others_are_not(void)
{
    struct mcq_message messages[4];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    begin_empty(messages, 4);
    assert_fails(mcq_recv_batch(couple.bound, messages, 4, MCQ_DONTWAIT), EAGAIN);
    send_text(couple.connected, "alone", 0);
    assert_int_equal(mcq_recv_batch(couple.bound, messages, 4, 0), 1);
    assert_text(&messages[0], "alone");
    assert_fails(mcq_recv_batch(couple.bound, messages, 4, MCQ_DONTWAIT), EAGAIN);
    assert_int_equal(mcq_message_size(&messages[0]), 0);
    close_all(messages, 4);
    end_world(&world);
}

/* A batch ends within a message, and the next one goes on; what was received so is passed on so. */
static void parts__keep_together_and_are_passed_on(void)
{
    static const char *const texts[] = {"a", "b", "c", "d", "e"};
    static const bool mores[] = {true, true, false, true, false};
    struct mcq_message messages[5];
    struct world world;

    begin_world(&world);
    struct couple first = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct couple second = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (size_t i = 0; i < 3; i++)
        begin_text(&messages[i], texts[i]);
    assert_int_equal(mcq_send_batch(first.connected, messages, 2, MCQ_SNDMORE), 2);
    expect_nothing(first.bound);
    assert_int_equal(mcq_send_batch(first.connected, messages + 2, 1, 0), 1);
    send_text(first.connected, "d", MCQ_SNDMORE);
    send_text(first.connected, "e", 0);

    begin_empty(messages, 5);
    receive_all(first.bound, messages, 2);
    assert_int_equal(number_of(first.bound, MCQ_OPT_RCVMORE), 1);
    receive_all(first.bound, messages + 2, 3);
    assert_int_equal(number_of(first.bound, MCQ_OPT_RCVMORE), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_text(&messages[i], texts[i]);
        assert_int_equal(mcq_message_more(&messages[i]), mores[i]);
    }
    assert_int_equal(mcq_send_batch(second.connected, messages, 5, 0), 5);
    for (size_t i = 0; i < 5; i++)
        expect_part(second.bound, texts[i], mores[i]);
    end_world(&world);
}

/* Nobody is there to take more than the high-water mark: the rest stays with the caller. */
static void no_more_room__gives_how_many_were_sent(void)
{
    struct mcq_message messages[5];
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    free_endpoint(endpoint);
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 3));
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    assert_works(mcq_connect(push, endpoint));
    for (size_t i = 0; i < 5; i++)
        begin_text(&messages[i], "text");
    assert_int_equal(mcq_send_batch(push, messages, 5, MCQ_DONTWAIT), 3);
    assert_int_equal(mcq_message_size(&messages[2]), 0);
    assert_text(&messages[3], "text");
    assert_text(&messages[4], "text");
    assert_fails(mcq_send_batch(push, messages + 3, 2, MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_set(push, MCQ_OPT_SNDTIMEO, 1));
    assert_fails(mcq_send_batch(push, messages + 3, 2, 0), EAGAIN);
    assert_text(&messages[3], "text");
    close_all(messages, 5);
    end_world(&world);
}

/* More than the high-water marks and the kernel hold: it waits in the middle. */
struct drain {
    struct mcq_socket *socket;
    _Atomic size_t count;
};

static void *take_slowly(void *opaque)
{
    struct drain *drain = opaque;
    struct mcq_message messages[WINDOW];

    for (size_t i = 0; i < WINDOW; i++)
        (void) mcq_message_init(&messages[i]);
    while (drain->count < BATCH) {
        int taken = mcq_recv_batch(drain->socket, messages, WINDOW, 0);

        if (taken < 1)
            break;
        drain->count += (size_t) taken;
    }
    for (size_t i = 0; i < WINDOW; i++)
        (void) mcq_message_close(&messages[i]);
    return NULL;
}

static void batch_beyond_all_room__waits_until_it_is_sent(void)
{
    static struct mcq_message messages[BATCH];
    struct world sending;
    struct world receiving;
    pthread_t thread;
    char endpoint[ENDPOINT_BYTES];

    needs_streams();
    begin_world(&sending);
    begin_world_with_threads(&receiving);
    struct drain drain = {.socket = open_socket(&receiving, MCQ_PULL)};
    struct mcq_socket *push = open_socket(&sending, MCQ_PUSH);

    assert_works(mcq_set(drain.socket, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set(push, MCQ_OPT_SNDHWM, 2));
    bind_somewhere(drain.socket, endpoint);
    assert_works(mcq_connect(push, endpoint));
    for (size_t i = 0; i < BATCH; i++)
        assert_works(mcq_message_init_size(&messages[i], 100000));
    assert_int_equal(pthread_create(&thread, NULL, take_slowly, &drain), 0);
    assert_int_equal(mcq_send_batch(push, messages, BATCH, 0), BATCH);
    while (is_inline() && drain.count < BATCH)
        assert_true(mcq_ctx_run(sending.context, 1) >= 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(drain.count, BATCH);
    end_world(&sending);
    end_world(&receiving);
}

static void out_of_turn__is_an_error_only_for_the_first(void)
{
    struct mcq_message messages[2];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);

    begin_text(&messages[0], "one");
    begin_text(&messages[1], "two");
    assert_int_equal(mcq_send_batch(couple.connected, messages, 2, 0), 1);
    assert_fails(mcq_send_batch(couple.connected, messages + 1, 1, 0), MCQ_EFSM);
    assert_text(&messages[1], "two");
    assert_int_equal(mcq_recv_batch(couple.bound, messages, 2, 0), 1);
    assert_text(&messages[0], "one");
    assert_fails(mcq_recv_batch(couple.bound, messages, 2, 0), MCQ_EFSM);
    close_all(messages, 2);
    end_world(&world);
}

static void published__reaches_each_subscriber(void)
{
    struct mcq_message messages[3];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PUB, MCQ_SUB);

    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "b", 1));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    begin_text(&messages[0], "a1");
    begin_text(&messages[1], "b2");
    begin_text(&messages[2], "b3");
    assert_int_equal(mcq_send_batch(couple.bound, messages, 3, 0), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mcq_message_size(&messages[i]), 0);
    expect_text(couple.connected, "b2");
    expect_text(couple.connected, "b3");
    end_world(&world);
}

static void what_cannot_be__says_why(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    begin_text(&message, "text");
    assert_says(mcq_send_batch(NULL, &message, 1, 0), EFAULT, "send_batch: socket is NULL");
    assert_says(mcq_send_batch(couple.connected, NULL, 1, 0), EFAULT,
                "send_batch: messages is NULL");
    assert_says(mcq_recv_batch(couple.bound, NULL, 1, 0), EFAULT, "recv_batch: messages is NULL");
    assert_says(mcq_send_batch(couple.connected, &message, 1, 8), EINVAL,
                "send_batch: flag 8 is unknown");
    assert_says(mcq_recv_batch(couple.bound, &message, 1, MCQ_SNDMORE), EINVAL,
                "recv_batch: flag 2 is unknown");
    assert_fails(mcq_send_batch(couple.bound, &message, 1, 0), ENOTSUP);
    assert_text(&message, "text");
    assert_int_equal(mcq_send_batch(couple.connected, NULL, 0, 0), 0);
    assert_int_equal(mcq_recv_batch(couple.bound, NULL, 0, 0), 0);
    assert_fails(mcq_recv_batch(couple.connected, &message, 1, 0), ENOTSUP);
    close_all(&message, 1);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(messages_of_all_sizes__arrive_in_order)                                                      \
    X(first_one__is_waited_for__others_are_not)                                                    \
    X(parts__keep_together_and_are_passed_on)                                                      \
    X(no_more_room__gives_how_many_were_sent)                                                      \
    X(batch_beyond_all_room__waits_until_it_is_sent)                                               \
    X(out_of_turn__is_an_error_only_for_the_first)                                                 \
    X(published__reaches_each_subscriber)                                                          \
    X(what_cannot_be__says_why)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.batch");
}
