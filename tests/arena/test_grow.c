#include "arena/grow.h"

#include "arena/test_support.h"

static void init__allocates_nothing(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 1000);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    assert_int_equal(mcq_grow_bytes(&grow).len, 0);
    assert_null(mcq_grow_room(&grow));
    mcq_grow_fini(&grow);
}

/* The content is what was appended, in whatever pieces it came. */
static void append__random_pieces__content_is_their_sum(void **state)
{
    uint64_t random = support_seed();
    static uint8_t octets[20000];

    (void) state;
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t) support_random(&random);
    for (int round = 0; round < 50; round++) {
        size_t piece_max = 1 + support_random_below(&random, 3000);
        struct mcq_grow grow;
        size_t len = 0;

        mcq_grow_init(&grow, sizeof octets);
        while (len < sizeof octets) {
            size_t piece = support_random_below(&random, piece_max + 1);

            piece = mcq_min_size(piece, sizeof octets - len);
            assert_int_equal(mcq_grow_append(&grow, mcq_bytes(octets + len, piece)), MCQ_OK);
            len += piece;
            assert_true(mcq_bytes_equal(mcq_grow_bytes(&grow), mcq_bytes(octets, len)));
        }
        mcq_grow_fini(&grow);
    }
}

static void append__octet_by_octet__few_reallocations_and_bounded_room(void **state)
{
    struct mcq_grow grow;
    size_t reallocations = 0;

    (void) state;
    mcq_grow_init(&grow, SIZE_MAX);
    for (size_t len = 1; len <= 100000; len++) {
        size_t capacity = grow.capacity;

        assert_int_equal(mcq_grow_append(&grow, mcq_bytes("x", 1)), MCQ_OK);
        reallocations += grow.capacity != capacity;
        assert_true(grow.capacity == MCQ_GROW_BYTES_MIN || grow.capacity < 2 * len);
    }
    assert_true(reallocations <= 12); /* 64 << 11 > 100000 */
    mcq_grow_fini(&grow);
}

static void append__at_the_ceiling__is_limit_and_changes_nothing(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 100);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes_of("0123456789")), MCQ_OK);
    assert_int_equal(mcq_grow_reserve(&grow, 91), MCQ_LIMIT);
    assert_int_equal(mcq_grow_reserve(&grow, SIZE_MAX), MCQ_LIMIT);
    assert_true(mcq_bytes_equal(mcq_grow_bytes(&grow), mcq_bytes_of("0123456789")));
    assert_int_equal(mcq_grow_reserve(&grow, 90), MCQ_OK);
    assert_int_equal(grow.capacity, 100); /* never beyond it */
    memset(mcq_grow_room(&grow), 'x', 90);
    mcq_grow_commit(&grow, 90);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes("y", 1)), MCQ_LIMIT);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes(NULL, 0)), MCQ_OK);
    mcq_grow_fini(&grow);
}

static void append__ceiling_of_nothing__takes_nothing(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 0);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes(NULL, 0)), MCQ_OK);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes("x", 1)), MCQ_LIMIT);
    mcq_grow_fini(&grow);
}

static void append__nth_allocation_fails__content_stays_and_later_calls_succeed(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct mcq_grow grow;
        bool has_failed = false;

        mcq_grow_init(&grow, 2000);
        mcq_alloc_fail_at(n);
        for (size_t len = 0; len < 2000;) {
            enum mcq_err err = mcq_grow_append(&grow, mcq_bytes("0123456789", 10));

            if (err == MCQ_OK) {
                len += 10;
            } else {
                assert_int_equal(err, MCQ_NOMEM);
                assert_false(has_failed);
                has_failed = true;
            }
            assert_int_equal(mcq_grow_bytes(&grow).len, len);
        }
        for (size_t i = 0; i < 2000; i++)
            assert_int_equal(mcq_grow_bytes(&grow).data[i], '0' + i % 10);
        mcq_grow_fini(&grow);
        if (!has_failed)
            break;
    }
    assert_true(mcq_alloc_fail_left() > 0);
}

static void reserve__room_that_is_there__allocates_nothing(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 1000);
    assert_int_equal(mcq_grow_reserve(&grow, 1), MCQ_OK);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_grow_reserve(&grow, MCQ_GROW_BYTES_MIN), MCQ_OK);
    assert_int_equal(mcq_alloc_fail_left(), 1);
    assert_int_equal(mcq_grow_bytes(&grow).len, 0);
    mcq_alloc_fail_at(0);
    mcq_grow_fini(&grow);
}

static void commit_too_much(void *grow)
{
    mcq_grow_commit(grow, MCQ_GROW_BYTES_MIN + 1);
}

static void commit__more_than_reserved__is_a_broken_invariant(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 1000);
    assert_int_equal(mcq_grow_reserve(&grow, 1), MCQ_OK);
    assert_true(support_aborts(commit_too_much, &grow));
    mcq_grow_fini(&grow);
}

static void clear__small__keeps_its_memory(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 1000);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes_of("short")), MCQ_OK);
    mcq_grow_clear(&grow);
    assert_int_equal(mcq_grow_bytes(&grow).len, 0);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes_of("again")), MCQ_OK);
    mcq_alloc_fail_at(0);
    mcq_grow_fini(&grow);
}

static void clear__large__lets_its_memory_go(void **state)
{
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, 1000);
    assert_int_equal(mcq_grow_reserve(&grow, MCQ_GROW_KEEP_BYTES + 1), MCQ_OK);
    mcq_grow_clear(&grow);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes_of("again")), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_grow_bytes(&grow), mcq_bytes_of("again")));
    assert_int_equal(mcq_grow_reserve(&grow, 996), MCQ_LIMIT); /* the ceiling stays */
    mcq_grow_fini(&grow);
}

static void wipes__grown_and_cleared__content_kept_then_overwritten(void **state)
{
    static const char secret[] = "what nobody may find in memory";
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, SIZE_MAX);
    grow.wipes = true;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(mcq_grow_append(&grow, mcq_bytes(secret, sizeof secret)), MCQ_OK);
    assert_true(grow.capacity > MCQ_GROW_BYTES_MIN && grow.capacity <= MCQ_GROW_KEEP_BYTES);
    for (size_t i = 0; i < 8; i++)
        assert_memory_equal(grow.data + i * sizeof secret, secret, sizeof secret);
    mcq_grow_clear(&grow);
    for (size_t i = 0; i < 8 * sizeof secret; i++)
        assert_int_equal(grow.data[i], 0);
    mcq_grow_fini(&grow);
    assert_true(grow.wipes);
}

/* What is taken out is gone, the rest is in order, and memory that is far too much goes back. */
static void cut__anywhere__the_rest_is_in_order(void **state)
{
    uint64_t random = support_seed();
    static uint8_t octets[4000];

    (void) state;
    for (int wipes = 0; wipes < 2; wipes++) {
        size_t len = sizeof octets;
        struct mcq_grow grow;

        for (size_t i = 0; i < sizeof octets; i++)
            octets[i] = (uint8_t) support_random(&random);
        mcq_grow_init(&grow, SIZE_MAX);
        grow.wipes = wipes == 1;
        assert_int_equal(mcq_grow_append(&grow, mcq_bytes(octets, len)), MCQ_OK);
        while (len > 0) {
            size_t at = support_random_below(&random, len + 1);
            size_t cut = support_random_below(&random, len - at + 1);

            memmove(octets + at, octets + at + cut, len - at - cut);
            len -= cut;
            mcq_grow_cut(&grow, at, cut);
            assert_true(mcq_bytes_equal(mcq_grow_bytes(&grow), mcq_bytes(octets, len)));
            assert_true(grow.capacity < 4 * (len + MCQ_GROW_KEEP_BYTES));
        }
        mcq_grow_fini(&grow);
    }
}

/* No memory for less memory: what is there stays. */
static void cut__without_memory__content_stays(void **state)
{
    static const uint8_t octets[8000] = {1, 2, 3};
    struct mcq_grow grow;

    (void) state;
    mcq_grow_init(&grow, SIZE_MAX);
    assert_int_equal(mcq_grow_append(&grow, mcq_bytes(octets, sizeof octets)), MCQ_OK);
    mcq_alloc_fail_at(1);
    mcq_grow_cut(&grow, 3, sizeof octets - 3);
    assert_int_equal(mcq_alloc_fail_left(), 0);
    assert_true(mcq_bytes_equal(mcq_grow_bytes(&grow), mcq_bytes(octets, 3)));
    mcq_grow_fini(&grow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(init__allocates_nothing),
        LEDGER_TEST(append__random_pieces__content_is_their_sum),
        LEDGER_TEST(append__octet_by_octet__few_reallocations_and_bounded_room),
        LEDGER_TEST(append__at_the_ceiling__is_limit_and_changes_nothing),
        LEDGER_TEST(append__ceiling_of_nothing__takes_nothing),
        LEDGER_TEST(append__nth_allocation_fails__content_stays_and_later_calls_succeed),
        LEDGER_TEST(reserve__room_that_is_there__allocates_nothing),
        LEDGER_TEST(commit__more_than_reserved__is_a_broken_invariant),
        LEDGER_TEST(clear__small__keeps_its_memory),
        LEDGER_TEST(clear__large__lets_its_memory_go),
        LEDGER_TEST(cut__anywhere__the_rest_is_in_order),
        LEDGER_TEST(cut__without_memory__content_stays),
        LEDGER_TEST(wipes__grown_and_cleared__content_kept_then_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
