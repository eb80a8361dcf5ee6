#include "arena/buf.h"

#include <pthread.h>
#include <sched.h>

#include "arena/test_support.h"

static struct mcq_buf *new_buf(size_t size)
{
    struct mcq_buf *buf = NULL;

    assert_int_equal(mcq_buf_new(size, &buf), MCQ_OK);
    return buf;
}

static uint64_t refs_of(const struct mcq_buf *buf)
{
    return atomic_load_explicit(&buf->refs, memory_order_relaxed);
}

static void buf_new__fresh__is_all_room_with_one_reference(void **state)
{
    struct mcq_buf *buf = new_buf(100);

    (void) state;
    assert_int_equal(mcq_buf_room_len(buf), 100);
    memset(mcq_buf_room(buf), 'x', 100);
    assert_int_equal(refs_of(buf), 1);
    assert_int_equal(mcq_buf_pinned_bytes(buf), 100 + sizeof *buf);
    mcq_buf_unref(buf);
}

static void buf_new__no_memory__leaves_the_target(void **state)
{
    struct mcq_buf *buf = NULL;

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_buf_new(100, &buf), MCQ_NOMEM);
    assert_null(buf);
    assert_int_equal(mcq_buf_new(SIZE_MAX, &buf), MCQ_NOMEM);
    assert_int_equal(mcq_buf_new(SIZE_MAX - sizeof *buf + 1, &buf), MCQ_NOMEM);
    assert_null(buf);
}

static void freeze__in_pieces__moves_the_border_right(void **state)
{
    struct mcq_buf *buf = new_buf(10);
    struct mcq_bytes first;
    struct mcq_bytes second;

    (void) state;
    memcpy(mcq_buf_room(buf), "abcd", 4);
    first = mcq_buf_freeze(buf, 4);
    assert_int_equal(mcq_buf_room_len(buf), 6);
    memcpy(mcq_buf_room(buf), "efghij", 6);
    second = mcq_buf_freeze(buf, 6);
    assert_int_equal(mcq_buf_room_len(buf), 0);
    assert_true(mcq_bytes_equal(first, mcq_bytes_of("abcd")));
    assert_true(mcq_bytes_equal(second, mcq_bytes_of("efghij")));
    assert_int_equal(mcq_buf_freeze(buf, 0).len, 0);
    mcq_buf_unref(buf);
}

static void freeze_eleven(void *buf)
{
    (void) mcq_buf_freeze(buf, 11);
}

static void freeze__more_than_the_room__is_a_broken_invariant(void **state)
{
    struct mcq_buf *buf = new_buf(10);

    (void) state;
    assert_true(support_aborts(freeze_eleven, buf));
    mcq_buf_unref(buf);
}

static void holds__only_frozen_octets(void **state)
{
    struct mcq_buf *buf = new_buf(10);
    const uint8_t *data = mcq_buf_room(buf);

    (void) state;
    memset(mcq_buf_room(buf), 'x', 6);
    (void) mcq_buf_freeze(buf, 6);
    assert_true(mcq_buf_holds(buf, mcq_bytes(data, 6)));
    assert_true(mcq_buf_holds(buf, mcq_bytes(data + 5, 1)));
    assert_true(mcq_buf_holds(buf, mcq_bytes(data + 6, 0)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(data, 7)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(data + 6, 1)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(data + 7, 0)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(data - 1, 2)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(NULL, 0)));
    assert_false(mcq_buf_holds(buf, mcq_bytes(data, SIZE_MAX)));
    mcq_buf_unref(buf);
}

static void unref__not_the_last__keeps_the_octets(void **state)
{
    struct mcq_buf *buf = new_buf(1);

    (void) state;
    mcq_buf_ref(buf);
    mcq_buf_ref(buf);
    mcq_buf_unref(buf);
    mcq_buf_unref(buf);
    assert_int_equal(refs_of(buf), 1);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_buf_unref(buf);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

/* What a free function was called with, and how often. */
struct freed {
    void *data;
    _Atomic(int) calls;
};

static void note_freed(void *data, void *hint)
{
    struct freed *freed = hint;

    freed->data = data;
    atomic_fetch_add(&freed->calls, 1);
}

static void fault_g10__last_unref__calls_the_free_function_once(void **state)
{
    struct freed freed = {NULL, 0};
    struct mcq_buf *buf;
    char data[] = "application's";

    (void) state;
    assert_int_equal(mcq_buf_wrap(data, 13, note_freed, &freed, &buf), MCQ_OK);
    assert_true(mcq_buf_holds(buf, mcq_bytes(data, 13)));
    assert_int_equal(mcq_buf_room_len(buf), 0);
    mcq_buf_ref(buf);
    mcq_buf_unref(buf);
    assert_int_equal(freed.calls, 0);
    mcq_buf_unref(buf);
    assert_int_equal(freed.calls, 1);
    assert_ptr_equal(freed.data, data);
}

static void wrap__no_free_function__leaves_constant_data_alone(void **state)
{
    struct mcq_buf *buf;
    char data[] = "constant";

    (void) state;
    assert_int_equal(mcq_buf_wrap(data, 8, NULL, NULL, &buf), MCQ_OK);
    mcq_buf_unref(buf);
    assert_string_equal(data, "constant");
}

static void wrap__nothing__is_a_buffer_of_no_octets(void **state)
{
    struct freed freed = {NULL, 0};
    struct mcq_buf *buf;

    (void) state;
    assert_int_equal(mcq_buf_wrap(NULL, 0, note_freed, &freed, &buf), MCQ_OK);
    assert_true(mcq_buf_holds(buf, mcq_bytes(NULL, 0)));
    mcq_buf_unref(buf);
    assert_int_equal(freed.calls, 1);
}

static void wrap__no_memory__moves_nothing(void **state)
{
    struct freed freed = {NULL, 0};
    struct mcq_buf *buf = NULL;
    char data[1];

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_buf_wrap(data, 1, note_freed, &freed, &buf), MCQ_NOMEM);
    assert_null(buf);
    assert_int_equal(freed.calls, 0);
}

static void *ref_and_unref(void *argument)
{
    struct mcq_buf *buf = argument;

    for (int i = 0; i < 2000; i++) {
        mcq_buf_ref(buf);
        mcq_buf_unref(buf);
    }
    mcq_buf_unref(buf); /* the one that this thread was given */
    return NULL;
}

static void unref__four_threads__one_of_them_frees(void **state)
{
    (void) state;
    for (int round = 0; round < 50; round++) {
        struct freed freed = {NULL, 0};
        struct mcq_buf *buf;
        pthread_t threads[4];
        char data[1];

        assert_int_equal(mcq_buf_wrap(data, 1, note_freed, &freed, &buf), MCQ_OK);
        for (int i = 1; i < 4; i++)
            mcq_buf_ref(buf);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, buf), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(freed.calls, 1);
    }
}

/* Two holders drop at the same moment, again and again; what each did to plain memory before must
 * be seen by whichever is last. They meet for many buffers at a time: on a machine with more to do
 * each meeting takes its turn. */
enum { DUEL_MEETINGS = 200, DUEL_BUFS = 100, DUEL_SPINS = 200 };

struct duel {
    struct mcq_buf *bufs[DUEL_BUFS];
    int places[DUEL_BUFS]; /* what the buffers wrap: their index */
    int touched[2][DUEL_BUFS];
    uint64_t random[2];
    _Atomic(int) at[2]; /* the buffer that each is about to drop */
    int meeting;
    _Atomic(int) called; /* the meeting that the second holder may come to */
    _Atomic(int) wrong;
    _Atomic(int) ended; /* buffers, of all meetings */
};

static struct duel duel;

static void check_touched(void *data, void *hint)
{
    int i = *(int *) data;

    (void) hint;
    if (duel.touched[0][i] != duel.meeting || duel.touched[1][i] != duel.meeting)
        (void) atomic_fetch_add_explicit(&duel.wrong, 1, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&duel.ended, 1, memory_order_release);
}

/* Beside the other one, who may not run at all: then it is not waited for. Relaxed, so that nothing
 * but the references orders what the two do. */
static void drop_all(int me, int meeting)
{
    for (int i = 0; i < DUEL_BUFS; i++) {
        atomic_store_explicit(&duel.at[me], i, memory_order_relaxed);
        for (int spin = 0; spin < DUEL_SPINS; spin++)
            if (atomic_load_explicit(&duel.at[!me], memory_order_relaxed) >= i)
                break;
        for (size_t wait = support_random_below(&duel.random[me], 300); wait > 0; wait--)
            atomic_signal_fence(memory_order_seq_cst);
        duel.touched[me][i] = meeting;
        mcq_buf_unref(duel.bufs[i]);
    }
}

static void *duel_second(void *argument)
{
    (void) argument;
    for (int meeting = 1; meeting <= DUEL_MEETINGS; meeting++) {
        while (atomic_load_explicit(&duel.called, memory_order_acquire) != meeting)
            sched_yield();
        drop_all(1, meeting);
    }
    return NULL;
}

static void unref__two_threads_at_once__the_last_sees_what_the_other_did(void **state)
{
    pthread_t second;

    (void) state;
    duel.random[0] = support_seed();
    duel.random[1] = ~duel.random[0];
    assert_int_equal(pthread_create(&second, NULL, duel_second, NULL), 0);
    for (int meeting = 1; meeting <= DUEL_MEETINGS; meeting++) {
        duel.meeting = meeting;
        for (int me = 0; me < 2; me++)
            atomic_store_explicit(&duel.at[me], -1, memory_order_relaxed);
        for (int i = 0; i < DUEL_BUFS; i++) {
            duel.places[i] = i;
            assert_int_equal(mcq_buf_wrap(&duel.places[i], sizeof duel.places[i], check_touched,
                                          NULL, &duel.bufs[i]),
                             MCQ_OK);
            mcq_buf_ref(duel.bufs[i]);
        }
        atomic_store_explicit(&duel.called, meeting, memory_order_release);
        drop_all(0, meeting);
        while (atomic_load_explicit(&duel.ended, memory_order_acquire) != meeting * DUEL_BUFS)
            sched_yield();
    }
    assert_int_equal(pthread_join(second, NULL), 0);
    assert_int_equal(duel.wrong, 0);
}

static void handout__references_end_first__buffer_ends_at_fini(void **state)
{
    struct mcq_buf *buf = new_buf(1);
    struct mcq_buf *refs[3];
    struct mcq_handout handout;

    (void) state;
    mcq_handout_init(&handout, &buf);
    assert_null(buf);
    for (int i = 0; i < 3; i++)
        refs[i] = mcq_handout_ref(&handout);
    for (int i = 0; i < 3; i++)
        mcq_buf_unref(refs[i]);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_handout_fini(&handout);
    assert_null(handout.buf);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static void handout__fini_first__buffer_ends_with_the_last_reference(void **state)
{
    struct mcq_buf *buf = new_buf(1);
    struct mcq_buf *refs[3];
    struct mcq_handout handout;

    (void) state;
    mcq_handout_init(&handout, &buf);
    for (int i = 0; i < 3; i++)
        refs[i] = mcq_handout_ref(&handout);
    mcq_buf_unref(refs[0]);
    mcq_handout_fini(&handout);
    assert_int_equal(refs_of(refs[1]), 2);
    mcq_buf_unref(refs[1]);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_buf_unref(refs[2]);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static void init_handout(void *buf)
{
    struct mcq_buf *moved = buf;
    struct mcq_handout handout;

    mcq_handout_init(&handout, &moved);
}

static void handout_init__buffer_with_two_references__is_a_broken_invariant(void **state)
{
    struct mcq_buf *buf = new_buf(1);

    (void) state;
    mcq_buf_ref(buf);
    assert_true(support_aborts(init_handout, buf));
    mcq_buf_unref(buf);
    mcq_buf_unref(buf);
}

static void rewind__reference_out__changes_nothing(void **state)
{
    struct mcq_buf *buf = new_buf(8);
    struct mcq_handout handout;
    struct mcq_buf *ref;

    (void) state;
    (void) mcq_buf_freeze(buf, 8);
    mcq_handout_init(&handout, &buf);
    ref = mcq_handout_ref(&handout);
    assert_false(mcq_handout_rewind(&handout));
    assert_int_equal(mcq_buf_room_len(handout.buf), 0);
    mcq_buf_unref(ref);
    assert_true(mcq_handout_rewind(&handout));
    assert_int_equal(mcq_buf_room_len(handout.buf), 8);
    mcq_handout_fini(&handout);
}

/* 2^62 and a few: nothing of the counter is 32 bits wide, so it cannot wrap in a process's life. */
static void fault_c5__references_beyond_32_bits__still_count(void **state)
{
    struct mcq_buf *buf = new_buf(1);
    struct mcq_handout handout;
    struct mcq_buf *ref;

    (void) state;
    mcq_handout_init(&handout, &buf);
    ref = mcq_handout_ref(&handout);
    mcq_buf_ref(ref);
    assert_true(refs_of(ref) == MCQ_HANDOUT_LOT + 1);
    mcq_handout_fini(&handout);
    assert_int_equal(refs_of(ref), 2);
    mcq_buf_unref(ref);
    mcq_buf_unref(ref);
}

/* Against a plain count: whatever the order of calls, the buffer ends exactly when it is zero. */
static void references__any_order__buffer_ends_at_zero(void **state)
{
    uint64_t random = support_seed();

    (void) state;
    for (int round = 0; round < 300; round++) {
        struct freed freed = {NULL, 0};
        struct mcq_handout handout;
        struct mcq_buf *buf;
        bool is_owned = true;
        size_t held = 0;
        char data[1];

        assert_int_equal(mcq_buf_wrap(data, 1, note_freed, &freed, &buf), MCQ_OK);
        mcq_handout_init(&handout, &buf);
        buf = handout.buf;
        while (is_owned || held > 0) {
            size_t choice = support_random_below(&random, 8);

            assert_int_equal(freed.calls, 0);
            if (choice < 3 && is_owned) {
                assert_ptr_equal(mcq_handout_ref(&handout), buf);
                held++;
            } else if (choice < 4 && held > 0 && held < 20) {
                mcq_buf_ref(buf);
                held++;
            } else if (choice < 7 && held > 0) {
                mcq_buf_unref(buf);
                held--;
            } else if (choice == 7 && is_owned) {
                assert_int_equal(mcq_handout_rewind(&handout), held == 0);
                mcq_handout_fini(&handout);
                is_owned = false;
            }
        }
        assert_int_equal(freed.calls, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(buf_new__fresh__is_all_room_with_one_reference),
        LEDGER_TEST(buf_new__no_memory__leaves_the_target),
        LEDGER_TEST(freeze__in_pieces__moves_the_border_right),
        LEDGER_TEST(freeze__more_than_the_room__is_a_broken_invariant),
        LEDGER_TEST(holds__only_frozen_octets),
        LEDGER_TEST(unref__not_the_last__keeps_the_octets),
        LEDGER_TEST(fault_g10__last_unref__calls_the_free_function_once),
        LEDGER_TEST(wrap__no_free_function__leaves_constant_data_alone),
        LEDGER_TEST(wrap__nothing__is_a_buffer_of_no_octets),
        LEDGER_TEST(wrap__no_memory__moves_nothing),
        LEDGER_TEST(unref__four_threads__one_of_them_frees),
        LEDGER_TEST(unref__two_threads_at_once__the_last_sees_what_the_other_did),
        LEDGER_TEST(handout__references_end_first__buffer_ends_at_fini),
        LEDGER_TEST(handout__fini_first__buffer_ends_with_the_last_reference),
        LEDGER_TEST(handout_init__buffer_with_two_references__is_a_broken_invariant),
        LEDGER_TEST(rewind__reference_out__changes_nothing),
        LEDGER_TEST(fault_c5__references_beyond_32_bits__still_count),
        LEDGER_TEST(references__any_order__buffer_ends_at_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
