/* What keeps a context from its end. */

#include "api/test_support.h"

static struct mcq_pending entries[8];

static int look(struct world *world)
{
    int count = mcq_ctx_pending(world->context, entries, MCQ_COUNTOF(entries), sizeof *entries);

    if (count < 0)
        fail_msg("%s", mcq_last_error());
    return count;
}

static void open_sockets__are_named(void)
{
    struct world world;
    struct mcq_socket *pull;

    begin_world(&world);
    assert_int_equal(look(&world), 0);
    pull = open_socket(&world, MCQ_PULL);
    assert_works(mcq_set(pull, MCQ_OPT_LINGER, 1234));
    assert_int_equal(look(&world), 1);
    assert_int_equal(entries[0].type, MCQ_PULL);
    assert_int_equal(entries[0].state, MCQ_PENDING_OPEN);
    assert_int_equal(entries[0].linger_ms, 1234);
    assert_int_equal(entries[0].peer, 0);
    assert_string_equal(entries[0].endpoint, "");
    (void) open_socket(&world, MCQ_PUB);
    assert_int_equal(look(&world), 2);
    assert_int_not_equal(entries[0].socket, entries[1].socket);
    end_world(&world);
}

static void lingering_sockets__one_entry_for_each_peer_that_messages_wait_for(void)
{
    struct world world;
    struct mcq_socket *push;
    char endpoints[2][ENDPOINT_BYTES];
    char sentence[512];

    begin_world(&world);
    push = open_socket(&world, MCQ_PUSH);
    free_endpoint(endpoints[0]);
    assert_works(mcq_connect(push, endpoints[0]));
    send_text(push, "five!", 0);
    assert_int_equal(look(&world), 1);
    assert_int_equal(entries[0].state, MCQ_PENDING_OPEN);
    assert_int_equal(entries[0].messages, 1);
    assert_int_equal(entries[0].bytes, 7);
    assert_int_equal(entries[0].linger_ms, -1);
    assert_string_equal(entries[0].endpoint, endpoints[0]);
    free_endpoint(endpoints[1]);
    assert_works(mcq_connect(push, endpoints[1]));
    for (int i = 0; i < 3; i++)
        send_text(push, "x", 0);
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 60000));
    close_socket(&world, push);
    assert_int_equal(look(&world), 2);
    assert_int_equal(entries[0].messages + entries[1].messages, 4);
    assert_int_equal(entries[0].socket, entries[1].socket);
    assert_int_not_equal(entries[0].peer, entries[1].peer);
    assert_int_equal(entries[0].state, MCQ_PENDING_LINGER);
    assert_int_equal(entries[0].is_connected, 0);
    assert_in_range(entries[0].linger_ms, 30000, 60000);

    assert_fails(mcq_ctx_term(world.context, 20), EAGAIN);
    (void) snprintf(sentence, sizeof sentence,
                    "ctx_term: 1 of its sockets are not closed, or linger, after 20 ms: a PUSH "
                    "lingers, %u messages of %u octets wait for %s, which is not there",
                    (unsigned) entries[0].messages, (unsigned) entries[0].bytes,
                    entries[0].endpoint);
    assert_string_equal(mcq_last_error(), sentence);
    assert_int_equal(look(&world), 2);

    /* Once somebody takes it all, nothing is left. */
    struct world others;
    struct mcq_socket *pulls[2];

    begin_world_with_threads(&others);
    for (int i = 0; i < 2; i++) {
        pulls[i] = open_socket(&others, MCQ_PULL);
        assert_works(mcq_bind(pulls[i], endpoints[i]));
    }
    end_world(&world);
    end_world(&others);
}

static void inproc__what_waits_for_a_name__keeps_nobody_once_the_context_ends(void)
{
    struct world world;
    struct mcq_socket *push;

    begin_world(&world);
    push = open_socket(&world, MCQ_PUSH);
    assert_works(mcq_connect(push, "inproc://later"));
    send_text(push, "waits", 0);
    assert_int_equal(look(&world), 1);
    assert_int_equal(entries[0].messages, 1);
    assert_string_equal(entries[0].endpoint, "inproc://later");
    close_socket(&world, push);
    end_world(&world);
}

static void older_programs_and_wrong_calls(void)
{
    struct world world;
    uint64_t numbers[2] = {7, 7};

    begin_world(&world);
    (void) open_socket(&world, MCQ_PULL);
    assert_int_equal(
        mcq_ctx_pending(world.context, (struct mcq_pending *) (void *) numbers, 2, sizeof *numbers),
        1);
    assert_true(numbers[0] != 7 && numbers[1] == 7);
    assert_int_equal(mcq_ctx_pending(world.context, NULL, 0, 0), 1);
    assert_says(mcq_ctx_pending(NULL, NULL, 0, 0), EFAULT, "ctx_pending: context is NULL");
    assert_says(mcq_ctx_pending(world.context, NULL, 1, 8), EFAULT, "ctx_pending: entries is NULL");
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(open_sockets__are_named)                                                                     \
    X(lingering_sockets__one_entry_for_each_peer_that_messages_wait_for)                           \
    X(inproc__what_waits_for_a_name__keeps_nobody_once_the_context_ends)                           \
    X(older_programs_and_wrong_calls)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "pending");
}
