#include "api/test_support.h"

#include "arena/own.h"
#include "arena/poison.h"

static int release_count;
static void *released;

static void release(void *data, void *hint)
{
    released = data;
    release_count += *(int *) hint;
}

static void init__is_empty_and_may_be_closed_twice(void **state)
{
    struct mcq_message message;

    (void) state;
    assert_works(mcq_message_init(&message));
    assert_int_equal(mcq_message_size(&message), 0);
    assert_false(mcq_message_more(&message));
    assert_works(mcq_message_close(&message));
    assert_works(mcq_message_close(&message));
}

static void init_size__any_size__is_zero_and_writable(void **state)
{
    static const size_t sizes[] = {0, 1, 55, 56, 57, 4096, 4097, 1000000};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        struct mcq_message message;

        assert_works(mcq_message_init_size(&message, sizes[i]));
        assert_int_equal(mcq_message_size(&message), sizes[i]);
        uint8_t *data = mcq_message_data(&message);

        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(data[at], 0);
        memset(data, 'x', sizes[i]);
        assert_ptr_equal(mcq_message_data(&message), data);
        assert_works(mcq_message_close(&message));
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

/* What a message of zeros had to overwrite, this one shows: the block is the same. */
static void init_unset__any_size__is_writable_and_not_cleared(void **state)
{
    static const size_t sizes[] = {0, 1, 56, 57, 4096, 1000000};
    struct mcq_message message;
    const uint8_t *place;

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        assert_works(mcq_message_init_unset(&message, sizes[i]));
        assert_int_equal(mcq_message_size(&message), sizes[i]);
        memset(mcq_message_data(&message), 'x', sizes[i]);
        assert_works(mcq_message_close(&message));
    }
    mcq_own_begin();
    assert_works(mcq_message_init_unset(&message, 1000));
    place = memset(mcq_message_data(&message), 'x', 1000);
    assert_works(mcq_message_close(&message));
    assert_works(mcq_message_init_unset(&message, 1000));
    assert_ptr_equal(mcq_message_data(&message), place);
#ifndef MCQ_POISON_MSAN
    assert_int_equal(place[999], 'x');
#endif
    assert_works(mcq_message_close(&message));
    assert_works(mcq_message_init_size(&message, 1000));
    assert_ptr_equal(mcq_message_data(&message), place);
    assert_int_equal(place[999], 0);
    assert_works(mcq_message_close(&message));
    mcq_own_end();
    mcq_alloc_fail_at(1);
    assert_says(mcq_message_init_unset(&message, 100), ENOMEM,
                "message_init_unset of 100 octets: out of memory");
    assert_fails(mcq_message_init_unset(NULL, 1), EFAULT);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static void init_size__more_than_there_is__is_enomem_and_empty(void **state)
{
    struct mcq_message message;

    (void) state;
    assert_fails(mcq_message_init_size(&message, SIZE_MAX), ENOMEM);
    assert_int_equal(mcq_message_size(&message), 0);
    mcq_alloc_fail_at(1);
    assert_says(mcq_message_init_size(&message, 100), ENOMEM,
                "message_init_size of 100 octets: out of memory");
    assert_works(mcq_message_close(&message));
}

static void init_copy__is_a_copy(void **state)
{
    static char text[5000];
    struct mcq_message message;

    (void) state;
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len <= sizeof text; len += 50) {
        assert_works(mcq_message_init_copy(&message, text, len));
        assert_int_equal(mcq_message_size(&message), len);
        if (len > 0)
            assert_ptr_not_equal(mcq_message_data(&message), text);
        assert_memory_equal(mcq_message_data(&message), text, len);
        assert_works(mcq_message_close(&message));
    }
    assert_works(mcq_message_init_copy(&message, NULL, 0));
}

static void init_data__is_not_a_copy_and_is_released_once(void **state)
{
    struct mcq_message message;
    struct mcq_message other;
    char text[] = "not ours";
    int hint = 1;

    (void) state;
    release_count = 0;
    assert_works(mcq_message_init_data(&message, text, sizeof text, release, &hint));
    assert_ptr_equal(mcq_message_data(&message), text);
    assert_works(mcq_message_init(&other));
    assert_works(mcq_message_copy(&other, &message));
    assert_works(mcq_message_close(&message));
    assert_int_equal(release_count, 0);
    assert_ptr_equal(mcq_message_data(&other), text);
    assert_works(mcq_message_close(&other));
    assert_int_equal(release_count, 1);
    assert_ptr_equal(released, text);
    mcq_alloc_fail_at(1);
    assert_fails(mcq_message_init_data(&message, text, sizeof text, release, &hint), ENOMEM);
    assert_int_equal(release_count, 1);
    assert_works(mcq_message_init_data(&message, text, sizeof text, NULL, NULL));
    assert_works(mcq_message_close(&message));
}

static void move_and_copy__release_what_the_target_had(void **state)
{
    static char large[10000];
    struct mcq_message a;
    struct mcq_message b;

    (void) state;
    assert_works(mcq_message_init_copy(&a, large, sizeof large));
    assert_works(mcq_message_init_copy(&b, large, sizeof large));
    assert_works(mcq_message_move(&a, &b));
    assert_int_equal(mcq_message_size(&a), sizeof large);
    assert_int_equal(mcq_message_size(&b), 0);
    assert_works(mcq_message_copy(&b, &a));
    assert_ptr_equal(mcq_message_data(&a), mcq_message_data(&b));
    assert_works(mcq_message_copy(&b, &a));
    assert_works(mcq_message_copy(&b, &b));
    assert_works(mcq_message_move(&a, &a));
    assert_int_equal(mcq_message_size(&a), sizeof large);
    assert_works(mcq_message_close(&a));
    assert_works(mcq_message_close(&b));
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static void null__is_efault(void **state)
{
    struct mcq_message message;

    (void) state;
    assert_works(mcq_message_init(&message));
    assert_fails(mcq_message_init(NULL), EFAULT);
    assert_fails(mcq_message_init_size(NULL, 1), EFAULT);
    assert_fails(mcq_message_init_copy(NULL, "", 1), EFAULT);
    assert_fails(mcq_message_init_copy(&message, NULL, 1), EFAULT);
    assert_fails(mcq_message_init_data(NULL, NULL, 0, NULL, NULL), EFAULT);
    assert_fails(mcq_message_init_data(&message, NULL, 1, NULL, NULL), EFAULT);
    assert_fails(mcq_message_close(NULL), EFAULT);
    assert_fails(mcq_message_move(NULL, &message), EFAULT);
    assert_fails(mcq_message_move(&message, NULL), EFAULT);
    assert_fails(mcq_message_copy(NULL, &message), EFAULT);
    assert_says(mcq_message_copy(&message, NULL), EFAULT, "message_copy: source is NULL");
    assert_null(mcq_message_data(NULL));
    assert_int_equal(mcq_message_size(NULL), 0);
    assert_false(mcq_message_more(NULL));
}

/* --- over the wire --------------------------------------------------------------------------- */

static void sent__message_is_moved_and_released(void)
{
    static char large[100000];
    struct world world;
    struct mcq_message message;
    int hint = 1;

    release_count = 0;
    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    memset(large, 'z', sizeof large);
    for (size_t len = 10; len <= sizeof large; len *= 10) {
        assert_works(mcq_message_init_data(&message, large, len, release, &hint));
        assert_works(mcq_send_message(couple.connected, &message, 0));
        assert_int_equal(mcq_message_size(&message), 0);
        assert_works(mcq_recv_message(couple.bound, &message, 0));
        assert_int_equal(mcq_message_size(&message), len);
        assert_memory_equal(mcq_message_data(&message), large, len);
        assert_works(mcq_message_close(&message));
    }
    end_world(&world);
    assert_int_equal(release_count, 5);
}

static void failed_send__message_is_as_it_was(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_message_init_size(&message, 5000));
    memset(mcq_message_data(&message), 'q', 5000);
    assert_fails(mcq_send_message(push, &message, MCQ_DONTWAIT), EAGAIN);
    assert_int_equal(mcq_message_size(&message), 5000);
    assert_int_equal(((char *) mcq_message_data(&message))[4999], 'q');
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

static void failed_recv__message_is_empty(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_message_init_size(&message, 5000));
    assert_fails(mcq_recv_message(pull, &message, MCQ_DONTWAIT), EAGAIN);
    assert_int_equal(mcq_message_size(&message), 0);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

static void parts__say_that_more_follow(void)
{
    struct mcq_message message;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "one", MCQ_SNDMORE);
    send_text(couple.connected, "", MCQ_SNDMORE);
    send_text(couple.connected, "three", 0);
    assert_works(mcq_message_init(&message));
    for (int i = 0; i < 3; i++) {
        assert_works(mcq_recv_message(couple.bound, &message, 0));
        assert_int_equal(mcq_message_more(&message), i < 2);
        assert_int_equal(number_of(couple.bound, MCQ_OPT_RCVMORE), i < 2);
    }
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* Bodies of all kinds: inline, in a block of their own, in the block they were received in. */
static void received__outlives_socket_and_context(void)
{
    static const size_t sizes[] = {10, 1000, 70000, 300000};
    struct mcq_message messages[MCQ_COUNTOF(sizes)];
    static char large[300000];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    memset(large, 'k', sizeof large);
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++)
        assert_works(mcq_send(couple.connected, large, sizes[i], 0));
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        assert_works(mcq_message_init(&messages[i]));
        assert_works(mcq_recv_message(couple.bound, &messages[i], 0));
    }
    end_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        assert_int_equal(mcq_message_size(&messages[i]), sizes[i]);
        assert_memory_equal(mcq_message_data(&messages[i]), large, sizes[i]);
        assert_works(mcq_message_close(&messages[i]));
    }
}

/* What came in goes out as it is: the way of every broker. */
static void forwarded__message_arrives(void)
{
    struct mcq_message message;
    struct world world;
    static char large[200000];

    begin_world(&world);
    struct couple first = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct couple second = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    memset(large, 'f', sizeof large);
    assert_works(mcq_message_init(&message));
    for (size_t len = 2; len <= sizeof large; len *= 10) {
        assert_works(mcq_send(first.connected, large, len, 0));
        assert_works(mcq_recv_message(first.bound, &message, 0));
        assert_works(mcq_send_message(second.connected, &message, 0));
        assert_works(mcq_recv_message(second.bound, &message, 0));
        assert_int_equal(mcq_message_size(&message), len);
        assert_memory_equal(mcq_message_data(&message), large, len);
    }
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(sent__message_is_moved_and_released)                                                         \
    X(failed_send__message_is_as_it_was)                                                           \
    X(failed_recv__message_is_empty)                                                               \
    X(parts__say_that_more_follow)                                                                 \
    X(received__outlives_socket_and_context)                                                       \
    X(forwarded__message_arrives)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init__is_empty_and_may_be_closed_twice),
        cmocka_unit_test(init_size__any_size__is_zero_and_writable),
        cmocka_unit_test(init_unset__any_size__is_writable_and_not_cleared),
        cmocka_unit_test(init_size__more_than_there_is__is_enomem_and_empty),
        cmocka_unit_test(init_copy__is_a_copy),
        cmocka_unit_test(init_data__is_not_a_copy_and_is_released_once),
        cmocka_unit_test(move_and_copy__release_what_the_target_had),
        cmocka_unit_test(null__is_efault),
        ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.message");
}
