/* Two queues without locks: every call, and the edges of chunks. */

#include "pump/pipe_support.h"

/* --- order ----------------------------------------------------------------------------------- */

static void put__is_not_seen_before_publish(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    assert_int_equal(mcq_pipe_unshown_count(&f.near), 0);
    put(&f.near, 1, false);
    assert_int_equal(mcq_pipe_unshown_count(&f.near), 1);
    expect_nothing(&f.far);
    publish(&f.near);
    assert_int_equal(mcq_pipe_unshown_count(&f.near), 0);
    expect(&f.far, 1, MCQ_PIPE_PART, false);
    expect_nothing(&f.far);
    end(&f);
}

static void publish__shows_whole_messages_only(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    put(&f.near, 1, false);
    put(&f.near, 2, true);
    assert_true(mcq_pipe_is_within(&f.near));
    publish(&f.near);
    expect(&f.far, 1, MCQ_PIPE_PART, false);
    expect_nothing(&f.far);
    assert_false(mcq_pipe_publish(&f.near)); /* nothing more is whole */
    put(&f.near, 3, false);
    assert_false(mcq_pipe_is_within(&f.near));
    publish(&f.near);
    expect(&f.far, 2, MCQ_PIPE_PART, true);
    expect(&f.far, 3, MCQ_PIPE_PART, false);
    end(&f);
}

static void ways__are_apart(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    put(&f.near, 1, true);
    put(&f.far, 2, false);
    publish(&f.near);
    publish(&f.far);
    assert_false(mcq_pipe_is_within(&f.far));
    expect(&f.near, 2, MCQ_PIPE_PART, false);
    expect_nothing(&f.far);
    end(&f);
}

static void chunks__any_count_in_one_go(void **state)
{
    struct fixture f;

    (void) state;
    for (uint64_t count = 1; count <= 3 * MCQ_PIPE_CHUNK + 1; count++) {
        begin(&f);
        for (int go = 0; go < 3; go++) {
            for (uint64_t i = 0; i < count; i++)
                put(&f.near, i, false);
            publish(&f.near);
            for (uint64_t i = 0; i < count; i++)
                expect(&f.far, i, MCQ_PIPE_PART, false);
            expect_nothing(&f.far);
        }
        end(&f);
    }
}

static void chunks__one_at_a_time__are_used_again(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    for (uint64_t i = 0; i < UINT64_C(100) * MCQ_PIPE_CHUNK; i++) {
        put(&f.near, i, false);
        publish(&f.near);
        expect(&f.far, i, MCQ_PIPE_PART, false);
        assert_true(mcq_alloc_ledger().block_count <= 3); /* one in use, one that waits, blocks */
    }
    end(&f);
}

static void fini__drops_what_nobody_took(void **state)
{
    const uint8_t body[LARGE_BYTES] = {0};

    (void) state;
    for (unsigned taken = 0; taken <= 2 * MCQ_PIPE_CHUNK + 1; taken++)
        for (unsigned left = 0; left <= MCQ_PIPE_CHUNK + 1; left += MCQ_PIPE_CHUNK / 4) {
            struct fixture f;
            struct mcq_msg msg;

            begin(&f);
            for (unsigned i = 0; i < taken + left; i++) {
                assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes(body, sizeof body)), MCQ_OK);
                msg.more = i + 1 == taken + left; /* the last is never whole */
                assert_int_equal(mcq_pipe_put(&f.near, &msg), MCQ_OK);
            }
            publish(&f.near);
            for (unsigned i = 0; i < taken && i + 1 < taken + left; i++)
                expect(&f.far, 0, MCQ_PIPE_PART, false);
            end(&f);
            assert_int_equal(mcq_alloc_ledger().block_count, 0);
        }
}

/* --- cut, and what goes in front ------------------------------------------------------------- */

/* Around a chunk's edge: so many whole messages in front, of which the reader has taken all or
 * none, and so many parts of one that was begun. */
static void around_edges(void (*run)(struct fixture *f, uint64_t before, uint64_t begun,
                                     bool is_taken))
{
    const uint64_t lens[] = {0,
                             1,
                             MCQ_PIPE_CHUNK - 1,
                             MCQ_PIPE_CHUNK,
                             MCQ_PIPE_CHUNK + 1,
                             UINT64_C(2) * MCQ_PIPE_CHUNK,
                             UINT64_C(2) * MCQ_PIPE_CHUNK + 1};

    for (size_t i = 0; i < MCQ_COUNTOF(lens); i++)
        for (size_t j = 0; j < MCQ_COUNTOF(lens); j++)
            for (int is_taken = 0; is_taken < 2; is_taken++) {
                struct fixture f;

                begin(&f);
                for (uint64_t n = 0; n < lens[i]; n++)
                    put(&f.near, n, false);
                publish(&f.near);
                for (uint64_t n = 0; is_taken && n < lens[i]; n++)
                    expect(&f.far, n, MCQ_PIPE_PART, false);
                for (uint64_t n = 0; n < lens[j]; n++)
                    put(&f.near, 1000 + n, true);
                run(&f, lens[i], lens[j], is_taken);
                end(&f);
                assert_int_equal(mcq_alloc_ledger().block_count, 0);
            }
}

static void run_cut(struct fixture *f, uint64_t before, uint64_t begun, bool is_taken)
{
    mcq_pipe_cut(&f->near);
    assert_false(mcq_pipe_is_within(&f->near));
    assert_int_equal(mcq_pipe_unshown_count(&f->near), 0);
    for (uint64_t n = 0; n < begun + 2; n++)
        put(&f->near, 2000 + n, n <= begun);
    publish(&f->near);
    for (uint64_t n = 0; !is_taken && n < before; n++)
        expect(&f->far, n, MCQ_PIPE_PART, false);
    for (uint64_t n = 0; n < begun + 2; n++)
        expect(&f->far, 2000 + n, MCQ_PIPE_PART, n <= begun);
    expect_nothing(&f->far);
}

static void cut__at_every_edge(void **state)
{
    (void) state;
    around_edges(run_cut);
}

static void run_tagged(struct fixture *f, uint64_t before, uint64_t begun, bool is_taken)
{
    put_tagged(&f->near, 500);
    put_tagged(&f->near, 501);
    publish(&f->near);
    for (uint64_t n = 0; !is_taken && n < before; n++)
        expect(&f->far, n, MCQ_PIPE_PART, false);
    expect(&f->far, 500, TAG, false);
    expect(&f->far, 501, TAG, false);
    expect_nothing(&f->far);
    put(&f->near, 1000 + begun, false);
    publish(&f->near);
    for (uint64_t n = 0; n <= begun; n++)
        expect(&f->far, 1000 + n, MCQ_PIPE_PART, n < begun);
    expect_nothing(&f->far);
}

static void tagged__goes_in_front_of_what_was_begun(void **state)
{
    (void) state;
    around_edges(run_tagged);
}

static void run_tagged_then_cut(struct fixture *f, uint64_t before, uint64_t begun, bool is_taken)
{
    (void) begun;
    put_tagged(&f->near, 500);
    mcq_pipe_cut(&f->near);
    publish(&f->near);
    for (uint64_t n = 0; !is_taken && n < before; n++)
        expect(&f->far, n, MCQ_PIPE_PART, false);
    expect(&f->far, 500, TAG, false);
    expect_nothing(&f->far);
}

static void cut__leaves_what_went_in_front(void **state)
{
    (void) state;
    around_edges(run_tagged_then_cut);
}

/* --- who is told ------------------------------------------------------------------------------ */

static void publish__tells_a_reader_that_found_nothing__once(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    put(&f.near, 1, false);
    assert_true(mcq_pipe_publish(&f.near)); /* it begins with having found nothing */
    put(&f.near, 2, false);
    assert_false(mcq_pipe_publish(&f.near));
    expect(&f.far, 1, MCQ_PIPE_PART, false);
    expect(&f.far, 2, MCQ_PIPE_PART, false);
    put(&f.near, 3, false);
    assert_false(mcq_pipe_publish(&f.near)); /* it has not looked since */
    expect(&f.far, 3, MCQ_PIPE_PART, false);
    expect_nothing(&f.far);
    expect_nothing(&f.far);
    assert_false(mcq_pipe_publish(&f.near)); /* nothing new */
    put(&f.near, 4, true);
    assert_false(mcq_pipe_publish(&f.near)); /* nothing whole */
    put_tagged(&f.near, 5);
    assert_true(mcq_pipe_publish(&f.near));
    end(&f);
}

static int fence_count;

static void count_fence(void)
{
    fence_count++;
    atomic_thread_fence(memory_order_seq_cst);
}

static void stream__a_reader_that_waits_fences_for_both__and_ends_it(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    mcq_pipe_set_fence(&f.pipe, count_fence);
    fence_count = 0;
    put(&f.near, 0, false);
    assert_true(mcq_pipe_publish(&f.near));
    for (uint64_t i = 1; i <= MCQ_PIPE_QUIET; i++) {
        assert_false(atomic_load(&f.near.out->is_streaming));
        put(&f.near, i, false);
        assert_false(mcq_pipe_publish(&f.near));
    }
    assert_true(atomic_load(&f.near.out->is_streaming));
    for (uint64_t i = 0; i <= MCQ_PIPE_QUIET; i++)
        expect(&f.far, i, MCQ_PIPE_PART, false);
    assert_int_equal(fence_count, 0);
    expect_nothing(&f.far);
    expect_nothing(&f.far);
    assert_int_equal(fence_count, 1);
    put(&f.near, 1, false);
    assert_true(mcq_pipe_publish(&f.near));
    assert_false(atomic_load(&f.near.out->is_streaming));
    expect(&f.far, 1, MCQ_PIPE_PART, false);
    expect_nothing(&f.far);
    assert_int_equal(fence_count, 1); /* nobody streams */
    end(&f);
}

static void stream__not_without_a_fence(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    for (uint64_t i = 0; i < UINT64_C(3) * MCQ_PIPE_QUIET; i++) {
        put(&f.near, i, false);
        assert_int_equal(mcq_pipe_publish(&f.near), i == 0);
        assert_false(atomic_load(&f.near.out->is_streaming));
    }
    end(&f);
}

static void single__is_known_without_asking_to_be_told(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    assert_false(mcq_pipe_has_single(&f.far));
    put(&f.near, 1, false);
    put(&f.near, 2, true);
    put(&f.near, 3, false);
    put_tagged(&f.near, 4);
    assert_true(mcq_pipe_publish(&f.near));
    assert_true(mcq_pipe_has_single(&f.far));
    expect(&f.far, 1, MCQ_PIPE_PART, false);
    assert_false(mcq_pipe_has_single(&f.far)); /* of two parts */
    expect(&f.far, 2, MCQ_PIPE_PART, true);
    assert_true(mcq_pipe_has_single(&f.far)); /* within a message it is asked of the link */
    expect(&f.far, 3, MCQ_PIPE_PART, false);
    assert_false(mcq_pipe_has_single(&f.far)); /* no part of a message */
    expect(&f.far, 4, TAG, false);
    assert_false(mcq_pipe_has_single(&f.far));
    put(&f.near, 5, false);
    assert_false(mcq_pipe_publish(&f.near)); /* it has asked for nothing */
    end(&f);
}

/* Whole messages until there is no room. */
static uint64_t fill(struct mcq_pipe_end *end, uint64_t most)
{
    uint64_t count = 0;

    for (; count < most && mcq_pipe_has_room(end); count++)
        put(end, count, false);
    return count;
}

static void limit__is_the_sum_of_both(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    mcq_pipe_set_max(&f.near, 3, 100);
    assert_int_equal(fill(&f.near, 50), 3); /* nobody is at the far end */
    assert_int_equal(mcq_pipe_waiting_count(&f.near), 3);
    mcq_pipe_set_max(&f.far, 200, 2);
    assert_int_equal(fill(&f.near, 50), 2);
    mcq_pipe_set_max(&f.near, 10, 100);
    assert_int_equal(fill(&f.near, 50), 7);
    assert_int_equal(fill(&f.far, 500), 300);
    mcq_pipe_set_max(&f.near, 1, 100); /* lower than what is there, which stays */
    assert_int_equal(mcq_pipe_waiting_count(&f.near), 12);
    assert_int_equal(fill(&f.near, 50), 0);
    end(&f);
}

static void limit__none_on_one_side__is_none(void **state)
{
    struct fixture f;

    (void) state;
    for (int side = 0; side < 2; side++) {
        begin(&f);
        mcq_pipe_set_max(&f.near, side == 0 ? 0 : 1, 1);
        mcq_pipe_set_max(&f.far, 1, side == 1 ? 0 : 1);
        assert_int_equal(fill(&f.near, 1000), 1000);
        end(&f);
    }
}

static void limit__counts_messages__not_parts_nor_tagged(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    mcq_pipe_set_max(&f.near, 1, 1);
    mcq_pipe_set_max(&f.far, 1, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(mcq_pipe_has_room(&f.near));
        put_tagged(&f.near, 9);
        put(&f.near, 1, true);
        put(&f.near, 2, true);
        put(&f.near, 3, false);
    }
    assert_false(mcq_pipe_has_room(&f.near));
    publish(&f.near);
    assert_false(expect(&f.far, 9, TAG, false));
    assert_false(expect(&f.far, 1, MCQ_PIPE_PART, true));
    assert_false(expect(&f.far, 2, MCQ_PIPE_PART, true));
    assert_true(expect(&f.far, 3, MCQ_PIPE_PART, false)); /* now it is whole, and there is room */
    assert_true(mcq_pipe_has_room(&f.near));
    end(&f);
}

/* After how many taken messages a writer that found no room is told, which happens once. */
static uint64_t told_after(uint32_t limit)
{
    struct fixture f;
    uint64_t count = 0;
    uint64_t told_at;

    begin(&f);
    mcq_pipe_set_max(&f.near, limit, 1);
    assert_int_equal(fill(&f.near, limit + 1), limit);
    publish(&f.near);
    while (!expect(&f.far, count++, MCQ_PIPE_PART, false))
        assert_true(count < limit);
    told_at = count;
    assert_true(mcq_pipe_has_room(&f.near));
    while (count < limit)
        assert_false(expect(&f.far, count++, MCQ_PIPE_PART, false));
    assert_false(expect_nothing(&f.far));
    end(&f);
    return told_at;
}

static void room__is_told_at_once__or_at_half_of_a_large_limit(void **state)
{
    (void) state;
    for (uint32_t limit = MCQ_PIPE_SLACK_FROM; limit <= 300; limit++)
        assert_in_range(told_after(limit), limit / 2, limit / 2 + limit / 4);
    for (uint32_t limit = 1; limit < 8; limit++)
        assert_int_equal(told_after(limit), 1);
    assert_in_range(told_after(MCQ_PIPE_SLACK_FROM - 1), 1, 3); /* a quarter is said at a time */
    assert_int_equal(told_after(MCQ_PIPE_SLACK_FROM), MCQ_PIPE_SLACK_FROM / 2);
    assert_in_range(told_after(1000), 500, 563);
}

static void room__is_told_when_nothing_is_left(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f);
    mcq_pipe_set_max(&f.near, 1000, 1000);
    mcq_pipe_set_max(&f.far, 1000, 1000);
    for (uint64_t i = 0; i < 10; i++)
        put(&f.near, i, false);
    publish(&f.near);
    for (uint64_t i = 0; i < 10; i++)
        assert_false(expect(&f.far, i, MCQ_PIPE_PART, false));
    mcq_pipe_set_max(&f.near, 4, 1000);
    mcq_pipe_set_max(&f.far, 1000, 4);
    assert_false(mcq_pipe_has_room(&f.near)); /* as far as it was told */
    assert_true(expect_nothing(&f.far));
    assert_true(mcq_pipe_has_room(&f.near));
    end(&f);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void no_memory__leaves_all_as_it_was(void **state)
{
    (void) state;
    for (int is_tagged = 0; is_tagged < 2; is_tagged++)
        for (uint64_t before = 0; before <= UINT64_C(2) * MCQ_PIPE_CHUNK;
             before += MCQ_PIPE_CHUNK) {
            struct fixture f;
            struct mcq_msg msg;

            begin(&f);
            for (uint64_t n = 0; n < before; n++)
                put(&f.near, n, n + 1 == before);
            publish(&f.near);
            start(&msg, before, false);
            for (int i = 0; i < 2; i++) { /* twice: a failure leaves nothing half made */
                mcq_alloc_fail_at(1);
                assert_int_equal(is_tagged ? mcq_pipe_put_tagged(&f.near, &msg, TAG)
                                           : mcq_pipe_put(&f.near, &msg),
                                 MCQ_NOMEM);
                assert_int_equal(mcq_alloc_fail_left(), 0);
                assert_int_equal(number_of(&msg), before);
                assert_int_equal(mcq_pipe_is_within(&f.near), before > 0);
            }
            assert_int_equal(mcq_pipe_put(&f.near, &msg), MCQ_OK);
            publish(&f.near);
            for (uint64_t n = 0; n <= before; n++)
                expect(&f.far, n, MCQ_PIPE_PART, before > 0 && n + 1 == before);
            expect_nothing(&f.far);
            end(&f);
            assert_int_equal(mcq_alloc_ledger().block_count, 0);
        }
}

/* A copy in places: any length at any place of a chunk, whole or not at all. */
static void copy__any_length_anywhere(void **state)
{
    uint8_t body[MCQ_PIPE_COPY_MAX];

    (void) state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t) (i * 7);
    for (uint64_t before = MCQ_PIPE_CHUNK - 5; before <= MCQ_PIPE_CHUNK + 1; before++)
        for (size_t len = 0; len <= sizeof body; len++) {
            struct fixture f;
            struct mcq_msg msg;
            uint8_t tag;
            bool tells;

            begin(&f);
            for (uint64_t n = 0; n < before; n++)
                put(&f.near, n, false);
            publish(&f.near);
            mcq_alloc_fail_at(1); /* of a chunk, if one is needed */
            if (mcq_pipe_put_copy(&f.near, mcq_bytes(body, len), false) != MCQ_OK) {
                assert_int_equal(mcq_alloc_fail_left(), 0);
                assert_int_equal(mcq_pipe_unshown_count(&f.near), 0);
                assert_int_equal(mcq_pipe_put_copy(&f.near, mcq_bytes(body, len), false), MCQ_OK);
            }
            mcq_alloc_fail_at(0);
            put(&f.near, before, false);
            publish(&f.near);
            for (uint64_t n = 0; n < before; n++)
                expect(&f.far, n, MCQ_PIPE_PART, false);
            mcq_alloc_fail_at(1); /* of a block */
            if (mcq_pipe_take(&f.far, blocks, &msg, &tag, &tells) != MCQ_OK) {
                assert_true(len > MCQ_MSG_INLINE_MAX);
                assert_int_equal(mcq_pipe_take(&f.far, blocks, &msg, &tag, &tells), MCQ_OK);
            }
            mcq_alloc_fail_at(0);
            assert_int_equal(tag, MCQ_PIPE_PART);
            assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes(body, len)));
            mcq_msg_fini(&msg);
            expect(&f.far, before, MCQ_PIPE_PART, false);
            expect_nothing(&f.far);
            end(&f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(put__is_not_seen_before_publish),
        LEDGER_TEST(publish__shows_whole_messages_only),
        LEDGER_TEST(ways__are_apart),
        LEDGER_TEST(chunks__any_count_in_one_go),
        LEDGER_TEST(chunks__one_at_a_time__are_used_again),
        LEDGER_TEST(fini__drops_what_nobody_took),
        LEDGER_TEST(cut__at_every_edge),
        LEDGER_TEST(tagged__goes_in_front_of_what_was_begun),
        LEDGER_TEST(cut__leaves_what_went_in_front),
        LEDGER_TEST(publish__tells_a_reader_that_found_nothing__once),
        LEDGER_TEST(stream__a_reader_that_waits_fences_for_both__and_ends_it),
        LEDGER_TEST(stream__not_without_a_fence),
        LEDGER_TEST(single__is_known_without_asking_to_be_told),
        LEDGER_TEST(limit__is_the_sum_of_both),
        LEDGER_TEST(limit__none_on_one_side__is_none),
        LEDGER_TEST(limit__counts_messages__not_parts_nor_tagged),
        LEDGER_TEST(room__is_told_at_once__or_at_half_of_a_large_limit),
        LEDGER_TEST(room__is_told_when_nothing_is_left),
        LEDGER_TEST(no_memory__leaves_all_as_it_was),
        LEDGER_TEST(copy__any_length_anywhere),
    };

    return cmocka_run_group_tests_name("pump.pipe", tests, NULL, NULL);
}
