/* Two queues without locks: every call, the edges of chunks, a model, and two threads. */

#include "arena/test_support.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "pump/pipe.h"

#define TAG 7
#define LARGE_BYTES 100 /* a body on the heap: the ledger knows whether it ends */

struct fixture {
    struct mcq_pipe pipe;
    struct mcq_pipe_end near; /* writes in most tests */
    struct mcq_pipe_end far;
};

static struct mcq_blocks *blocks; /* the reader's, for short bodies */

static void begin(struct fixture *f)
{
    mcq_pipe_init(&f->pipe);
    assert_int_equal(mcq_blocks_new(&blocks), MCQ_OK);
    f->near = mcq_pipe_end(&f->pipe, 0);
    f->far = mcq_pipe_end(&f->pipe, 1);
}

static void end(struct fixture *f)
{
    mcq_pipe_fini(&f->pipe);
    mcq_blocks_free(&blocks);
}

static void start(struct mcq_msg *msg, uint64_t number, bool more)
{
    assert_int_equal(mcq_msg_init_copy(msg, mcq_bytes(&number, sizeof number)), MCQ_OK);
    msg->more = more;
}

static void put(struct mcq_pipe_end *end, uint64_t number, bool more)
{
    struct mcq_msg msg;

    start(&msg, number, more);
    assert_int_equal(mcq_pipe_put(end, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), 0); /* it moved */
}

static void put_tagged(struct mcq_pipe_end *end, uint64_t number)
{
    struct mcq_msg msg;

    start(&msg, number, false);
    assert_int_equal(mcq_pipe_put_tagged(end, &msg, TAG), MCQ_OK);
}

static uint64_t number_of(const struct mcq_msg *msg)
{
    uint64_t number;

    assert_true(mcq_msg_len(msg) >= sizeof number);
    memcpy(&number, mcq_msg_data(msg), sizeof number);
    return number;
}

/* Takes what must be there. Returns whether the writer is to be told. */
static bool expect(struct mcq_pipe_end *end, uint64_t number, uint8_t tag, bool more)
{
    struct mcq_msg msg;
    uint8_t found;
    bool tells;

    assert_true(mcq_pipe_is_readable(end));
    assert_int_equal(mcq_pipe_take(end, blocks, &msg, &found, &tells), MCQ_OK);
    assert_int_equal(number_of(&msg), number);
    assert_int_equal(found, tag);
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
    return tells;
}

static bool expect_nothing(struct mcq_pipe_end *end)
{
    struct mcq_msg msg;
    uint8_t tag;
    bool tells;

    assert_false(mcq_pipe_is_readable(end));
    assert_int_equal(mcq_pipe_take(end, blocks, &msg, &tag, &tells), MCQ_AGAIN);
    return tells;
}

static void publish(struct mcq_pipe_end *end)
{
    (void) !mcq_pipe_publish(end);
}

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
    for (uint64_t i = 0; i < 100 * MCQ_PIPE_CHUNK; i++) {
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
                             2 * MCQ_PIPE_CHUNK,
                             2 * MCQ_PIPE_CHUNK + 1};

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
        for (uint64_t before = 0; before <= 2 * MCQ_PIPE_CHUNK; before += MCQ_PIPE_CHUNK) {
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

/* --- against a model -------------------------------------------------------------------------- */

#define MODEL_PARTS 20000
#define MODEL_STEPS 20000

struct entry {
    uint64_t number;
    size_t len;   /* of the body */
    size_t count; /* places */
    uint8_t tag;
    bool more;
};

struct model {
    struct entry entries[MODEL_PARTS];
    uint64_t put, whole, shown, taken; /* parts */
    uint64_t messages, taken_messages;
    uint64_t limit;
    bool is_within, reader_waits, writer_waits;
};

static struct model model;
static uint64_t seed;

static size_t len_of(uint64_t number)
{
    const size_t lens[] = {8, 56, 57, 64, 120, 121, 200, MCQ_PIPE_COPY_MAX};

    return lens[number % MCQ_COUNTOF(lens)];
}

static void fill_body(uint8_t body[MCQ_PIPE_COPY_MAX], uint64_t number)
{
    for (size_t i = 0; i < MCQ_PIPE_COPY_MAX; i++)
        body[i] = (uint8_t) (number * 31 + i);
    memcpy(body, &number, sizeof number);
}

static bool is_body(const struct mcq_msg *msg, uint64_t number)
{
    uint8_t body[MCQ_PIPE_COPY_MAX];

    fill_body(body, number);
    return mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes(body, len_of(number)));
}

static size_t places_of(size_t len)
{
    return len <= MCQ_MSG_INLINE_MAX ? 1 : 1 + (len - MCQ_MSG_INLINE_MAX + 63) / 64;
}

/* As a message of its own, or as a copy. Some allocations fail; then nothing has happened. */
static bool is_put(struct fixture *f, uint64_t number, bool more, bool is_tagged, bool is_copy)
{
    uint8_t body[MCQ_PIPE_COPY_MAX];
    struct mcq_bytes octets = mcq_bytes(body, len_of(number));
    struct mcq_msg msg;
    enum mcq_err err;

    fill_body(body, number);
    assert_int_equal(mcq_msg_init_copy(&msg, octets), MCQ_OK);
    msg.more = more;
    mcq_alloc_fail_at(support_random_below(&seed, 4) == 0);
    if (is_copy)
        err = mcq_pipe_put_copy(&f->near, octets, more);
    else if (is_tagged)
        err = mcq_pipe_put_tagged(&f->near, &msg, TAG);
    else
        err = mcq_pipe_put(&f->near, &msg);
    mcq_alloc_fail_at(0);
    mcq_msg_fini(&msg); /* empty if it moved */
    assert_true(err == MCQ_OK || err == MCQ_NOMEM);
    return err == MCQ_OK;
}

static void step_put(struct fixture *f)
{
    bool more = support_random_below(&seed, 3) == 0;
    bool is_copy = support_random_below(&seed, 2) == 0;
    size_t len = len_of(model.put);

    if (!model.is_within) {
        uint64_t waiting = model.messages - model.taken_messages;
        bool has_room = mcq_pipe_has_room(&f->near);

        if (has_room)
            assert_true(model.limit == 0 || waiting < model.limit);
        else /* but for what the reader has not said yet */
            assert_true(waiting + model.limit / 4 >= model.limit || waiting + 64 >= model.limit);
        if (!has_room) {
            model.writer_waits = true;
            return;
        }
    }
    if (!is_put(f, model.put, more, false, is_copy))
        return;
    model.entries[model.put] =
        (struct entry) {model.put, len, is_copy ? places_of(len) : 1, MCQ_PIPE_PART, more};
    model.put++;
    model.is_within = more;
    if (!more) {
        model.whole = model.put;
        model.messages++;
    }
}

static void step_put_tagged(struct fixture *f)
{
    if (!is_put(f, model.put, false, true, false))
        return;
    memmove(&model.entries[model.whole + 1], &model.entries[model.whole],
            (model.put - model.whole) * sizeof model.entries[0]);
    model.entries[model.whole++] = (struct entry) {model.put, len_of(model.put), 1, TAG, false};
    model.put++;
}

static uint64_t unshown_places(void)
{
    uint64_t count = 0;

    for (uint64_t i = model.shown; i < model.put; i++)
        count += model.entries[i].count;
    return count;
}

static void step_cut(struct fixture *f)
{
    mcq_pipe_cut(&f->near);
    model.put = model.whole;
    model.is_within = false;
}

static void step_publish(struct fixture *f)
{
    bool tells = model.shown != model.whole && model.reader_waits;

    assert_int_equal(mcq_pipe_publish(&f->near), tells);
    model.shown = model.whole;
    if (tells)
        model.reader_waits = false;
}

static void step_take(struct fixture *f)
{
    const struct entry *entry = &model.entries[model.taken];
    bool is_any = model.taken != model.shown;
    struct mcq_msg msg;
    enum mcq_err err;
    uint8_t tag;
    bool tells;

    assert_int_equal(mcq_pipe_is_readable(&f->far), is_any);
    err = mcq_pipe_take(&f->far, blocks, &msg, &tag, &tells);
    assert_int_equal(err, is_any ? MCQ_OK : MCQ_AGAIN);
    if (is_any) {
        assert_int_equal(number_of(&msg), entry->number);
        assert_true(is_body(&msg, entry->number));
        assert_int_equal(tag, entry->tag);
        assert_int_equal(msg.more, entry->more);
        mcq_msg_put(&msg, blocks);
        model.taken++;
        model.taken_messages += tag == MCQ_PIPE_PART && !entry->more;
    } else {
        model.reader_waits = true;
        if (model.taken == model.whole) /* nothing is left that it could wait for */
            assert_int_equal(tells, model.writer_waits);
    }
    if (tells) {
        assert_true(model.writer_waits);
        model.writer_waits = false;
    }
}

static void model__random_calls(void **state)
{
    const uint64_t limits[] = {0, 1, 2, 15, 16, 100, 1000};

    (void) state;
    seed = support_seed();
    for (size_t i = 0; i < MCQ_COUNTOF(limits); i++) {
        size_t takes = 20 + support_random_below(&seed, 30); /* how fast the reader is */
        struct fixture f;

        begin(&f);
        model = (struct model) {.reader_waits = true, .limit = limits[i]};
        mcq_pipe_set_max(&f.near, (uint32_t) limits[i], 1);
        for (int step = 0; step < MODEL_STEPS; step++) {
            size_t what = support_random_below(&seed, 100);

            if (what < takes)
                step_take(&f);
            else if (what < 90)
                step_put(&f);
            else if (what < 96)
                step_publish(&f);
            else if (what < 99)
                step_put_tagged(&f);
            else
                step_cut(&f);
            assert_int_equal(mcq_pipe_unshown_count(&f.near), unshown_places());
            assert_int_equal(mcq_pipe_is_within(&f.near), model.is_within);
        }
        end(&f);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
}

/* --- two threads ------------------------------------------------------------------------------ */

#define STRESS_MESSAGES 20000

/* Who is told is posted; who waits is posted or waits for ever. */
struct stress {
    struct fixture f;
    sem_t room;
    sem_t input;
    uint64_t wrong; /* the reader's */
};

static void show(struct stress *stress)
{
    if (mcq_pipe_publish(&stress->f.near))
        sem_post(&stress->input);
}

/* Numbers in order: each message has one to three parts, and some are cut off and begun again. */
static void *write_numbers(void *argument)
{
    struct stress *stress = argument;
    struct mcq_pipe_end *end = &stress->f.near;
    uint64_t number = 0;

    for (uint64_t message = 0; message < STRESS_MESSAGES; message++) {
        while (!mcq_pipe_has_room(end)) {
            show(stress);
            sem_wait(&stress->room);
        }
        if (message % 11 == 0) { /* what does not lie in one place */
            uint64_t octets[25] = {number};

            (void) !mcq_pipe_put_copy(end, mcq_bytes(octets, sizeof octets), true);
            number++;
        }
        if (message % 7 == 0 && !mcq_pipe_is_within(end)) {
            put(end, UINT64_MAX, true);
            put_tagged(end, number++);
            mcq_pipe_cut(end);
        }
        for (uint64_t part = message % 3; part > 0; part--)
            put(end, number++, true);
        put(end, number++, false);
        if (message % 5 == 0)
            show(stress);
    }
    put_tagged(end, UINT64_MAX); /* the end */
    show(stress);
    return NULL;
}

static void *read_numbers(void *argument)
{
    struct stress *stress = argument;
    struct mcq_pipe_end *end = &stress->f.far;
    uint64_t number = 0;

    for (;;) {
        struct mcq_msg msg;
        uint8_t tag;
        bool tells;
        bool is_any = mcq_pipe_take(end, blocks, &msg, &tag, &tells) == MCQ_OK;

        if (tells)
            sem_post(&stress->room);
        if (!is_any) {
            sem_wait(&stress->input);
            continue;
        }
        if (tag == TAG && number_of(&msg) == UINT64_MAX)
            return NULL;
        stress->wrong += number_of(&msg) != number++;
        mcq_msg_fini(&msg);
    }
}

static void threads__nothing_is_lost_and_nobody_sleeps_over_it(void **state)
{
    const uint32_t limits[] = {1, 2, 15, 16, 200, 0};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(limits); i++) {
        struct stress stress = {.wrong = 0};
        pthread_t writer;
        pthread_t reader;

        begin(&stress.f);
        mcq_pipe_set_max(&stress.f.near, limits[i], 1);
        assert_int_equal(sem_init(&stress.room, 0, 0), 0);
        assert_int_equal(sem_init(&stress.input, 0, 0), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_numbers, &stress), 0);
        assert_int_equal(pthread_create(&writer, NULL, write_numbers, &stress), 0);
        assert_int_equal(pthread_join(writer, NULL), 0);
        assert_int_equal(pthread_join(reader, NULL), 0);
        assert_int_equal(stress.wrong, 0);
        sem_destroy(&stress.room);
        sem_destroy(&stress.input);
        end(&stress.f);
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
        LEDGER_TEST(limit__is_the_sum_of_both),
        LEDGER_TEST(limit__none_on_one_side__is_none),
        LEDGER_TEST(limit__counts_messages__not_parts_nor_tagged),
        LEDGER_TEST(room__is_told_at_once__or_at_half_of_a_large_limit),
        LEDGER_TEST(room__is_told_when_nothing_is_left),
        LEDGER_TEST(no_memory__leaves_all_as_it_was),
        LEDGER_TEST(copy__any_length_anywhere),
        LEDGER_TEST(model__random_calls),
        LEDGER_TEST(threads__nothing_is_lost_and_nobody_sleeps_over_it),
    };

    return cmocka_run_group_tests_name("pump.pipe", tests, NULL, NULL);
}
