/* A pipe against a model of it, and between two threads. */

#include "pump/pipe_support.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "runtime/bias.h"

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
    mcq_bias_enable();
    for (size_t i = 0; i < MCQ_COUNTOF(limits); i++) {
        struct stress stress = {.wrong = 0};
        pthread_t writer;
        pthread_t reader;

        begin(&stress.f);
        if (i % 2 > 0)
            mcq_pipe_set_fence(&stress.f.pipe, mcq_bias_fence);
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
        LEDGER_TEST(model__random_calls),
        LEDGER_TEST(threads__nothing_is_lost_and_nobody_sleeps_over_it),
    };

    return cmocka_run_group_tests_name("pump.pipe_model", tests, NULL, NULL);
}
