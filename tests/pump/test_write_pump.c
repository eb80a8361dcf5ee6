#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "pump/write_pump.h"

#define BLOCK_BYTES 16384
#define STREAM_MAX (1 << 20)

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

/* What a pump should do, kept as one flat stream. */
struct model {
    uint8_t octets[STREAM_MAX];
    size_t len;
    size_t sent;
    size_t kept; /* end of the last message that was sent whole */
    size_t ends[4096];
    size_t end_count;
};

struct fixture {
    struct mcq_slab *slab;
    struct mcq_wpump pump;
    struct model *model;
    uint64_t seed;
};

static uint64_t next_random(struct fixture *f)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return f->seed;
}

static void fixture_init(struct fixture *f, uint32_t block_count)
{
    const char *seed = getenv("MCQ_SEED");

    memset(f, 0, sizeof *f);
    f->seed = seed != NULL ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15u;
    f->model = calloc(1, sizeof *f->model);
    assert_non_null(f->model);
    assert_int_equal(mcq_slab_new(BLOCK_BYTES, block_count, &f->slab), MCQ_OK);
    mcq_wpump_init(&f->pump, f->slab);
}

static void fixture_fini(struct fixture *f)
{
    mcq_wpump_fini(&f->pump);
    assert_int_equal(mcq_slab_out_count(f->slab), 0);
    mcq_slab_free(&f->slab);
    free(f->model);
}

/* Puts a part whose octets follow from its place in the stream, into the pump and the model. */
static enum mcq_err put(struct fixture *f, size_t head_len, size_t body_len, bool ends)
{
    struct model *model = f->model;
    uint8_t *at = model->octets + model->len;
    struct mcq_msg msg;
    enum mcq_err err;

    assert_true(model->len + head_len + body_len <= STREAM_MAX);
    for (size_t i = 0; i < head_len + body_len; i++)
        at[i] = (uint8_t) ((model->len + i) * 31 >> 3);
    assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes(at + head_len, body_len)), MCQ_OK);
    err = mcq_wpump_put(&f->pump, mcq_bytes(at, head_len), &msg, ends);
    if (err == MCQ_OK) {
        model->len += head_len + body_len;
        if (ends)
            model->ends[model->end_count++] = model->len;
        assert_int_equal(mcq_msg_len(&msg), 0);
    }
    mcq_msg_fini(&msg);
    return err;
}

/* Where the last whole message ends: what lies behind it is not lent. */
static size_t whole(const struct model *model)
{
    return model->end_count > 0 ? model->ends[model->end_count - 1] : 0;
}

/* The same by the other two ways in: octets that are copied, and a run of a shared buffer. */
static enum mcq_err put_otherwise(struct fixture *f, size_t head_len, size_t body_len, bool ends,
                                  bool as_run)
{
    struct model *model = f->model;
    uint8_t *at = model->octets + model->len;
    size_t len = head_len + body_len;
    struct mcq_buf *buf;
    struct mcq_bytes run;
    enum mcq_err err;

    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t) ((model->len + i) * 31 >> 3);
    if (as_run) {
        assert_int_equal(mcq_buf_new(len, &buf), MCQ_OK);
        memcpy(mcq_buf_room(buf), at, len);
        run = mcq_buf_freeze(buf, len);
        err = mcq_wpump_put_run(&f->pump, buf, run, ends);
        mcq_buf_unref(buf);
    } else {
        err = mcq_wpump_put_octets(&f->pump, mcq_bytes(at, head_len),
                                   mcq_bytes(at + head_len, body_len), ends);
    }
    if (err != MCQ_OK)
        return err;
    model->len += len;
    if (ends)
        model->ends[model->end_count++] = model->len;
    return MCQ_OK;
}

static void cut(struct fixture *f)
{
    mcq_wpump_cut(&f->pump);
    f->model->len = whole(f->model);
    assert_false(mcq_wpump_is_within(&f->pump));
}

static bool is_end(const struct model *model, size_t at)
{
    for (size_t i = 0; i < model->end_count; i++)
        if (model->ends[i] == at)
            return true;
    return at == 0;
}

/* One write that takes at most `accept` octets; every octet is compared with the model's. */
static size_t write_some(struct fixture *f, struct mcq_bytes control, size_t accept)
{
    struct iovec iov[8];
    size_t count = mcq_wpump_lend(&f->pump, control, iov, MCQ_COUNTOF(iov));
    struct model *model = f->model;
    size_t written = 0;
    size_t control_sent = 0;
    size_t at = model->sent;   /* what the write takes */
    size_t lent = model->sent; /* what was offered to it */

    for (size_t i = 0; i < count; i++) {
        size_t len = mcq_min_size(iov[i].iov_len, accept - written);

        if (iov[i].iov_base == control.data && control.len > 0) {
            assert_true(is_end(model, lent)); /* never inside a message */
            assert_int_equal(iov[i].iov_len, control.len);
            control_sent = len;
        } else {
            assert_true(lent + iov[i].iov_len <= whole(model));
            assert_memory_equal(iov[i].iov_base, model->octets + lent, iov[i].iov_len);
            lent += iov[i].iov_len;
            at += len;
        }
        written += len;
    }
    assert_int_equal(mcq_wpump_on_written(&f->pump, written), control_sent);
    model->sent = at;
    for (size_t i = 0; i < model->end_count; i++)
        if (model->ends[i] <= at && model->ends[i] > model->kept)
            model->kept = model->ends[i];
    assert_true(mcq_wpump_waiting_bytes(&f->pump) == whole(model) - model->sent);
    return control_sent;
}

static void fault_f1__partial_writes_of_every_length__resume_at_the_very_octet(void **state)
{
    (void) state;
    for (size_t accept = 1; accept < 300; accept++) {
        struct fixture f;

        fixture_init(&f, 8);
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(put(&f, 2, i * 11, i % 2 == 1), MCQ_OK);
        assert_int_equal(put(&f, 9, 5000, true), MCQ_OK);
        while (mcq_wpump_waiting_bytes(&f.pump) > 0)
            (void) write_some(&f, mcq_bytes(NULL, 0), accept);
        assert_int_equal(f.model->sent, f.model->len);
        fixture_fini(&f);
    }
}

static void small_bodies__many__leave_as_one_run(void **state)
{
    struct fixture f;
    struct iovec iov[4];

    (void) state;
    fixture_init(&f, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(put(&f, 2, 64, true), MCQ_OK);
    assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 1);
    assert_int_equal(iov[0].iov_len, 6600);
    (void) mcq_wpump_on_written(&f.pump, 6600);
    assert_int_equal(mcq_slab_out_count(f.slab), 0); /* an idle pump holds no block */
    fixture_fini(&f);
}

static void large_body__is_lent_in_place_and_released_when_it_left(void **state)
{
    struct fixture f;
    struct iovec iov[4];
    struct mcq_msg msg;
    const uint8_t *data;

    (void) state;
    fixture_init(&f, 2);
    assert_int_equal(mcq_msg_init_size(&msg, 100000), MCQ_OK);
    data = mcq_msg_data(&msg);
    assert_int_equal(mcq_wpump_put(&f.pump, mcq_bytes("h", 1), &msg, true), MCQ_OK);
    assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 2);
    assert_ptr_equal(iov[1].iov_base, data);
    uint64_t before = mcq_alloc_ledger().bytes;

    (void) mcq_wpump_on_written(&f.pump, 100001);
    assert_true(mcq_alloc_ledger().bytes + 100000 <= before);
    fixture_fini(&f);
}

/* Apart: where gcc sees both the message and the length it takes the octets for the inline ones. */
static __attribute__((noinline)) void fill_with(uint8_t *at, int octet, size_t len)
{
    memset(at, octet, len);
}

/* Header and body are lent where they were written, in a run with those before and behind them. */
static void place__is_lent_where_it_was_written(void **state)
{
    struct mcq_places places;
    struct mcq_bytes run = {0};
    const uint8_t *first = NULL;
    struct fixture f;
    struct iovec iov[4];
    struct mcq_msg msg;
    uint64_t blocks;

    (void) state;
    fixture_init(&f, 2);
    mcq_places_init(&places, f.slab);
    assert_int_equal(put(&f, 2, 0, true), MCQ_OK); /* the queues are there */
    blocks = mcq_alloc_ledger().block_count;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(mcq_places_take(&places, 2, 300, &msg), MCQ_OK);
        fill_with(mcq_msg_fill(&msg), 'a' + i, 300);
        mcq_msg_cut(&msg, 100 + (size_t) i);
        assert_true(mcq_msg_put_front(&msg, mcq_bytes("he", 2), &run));
        first = i == 0 ? run.data : first;
        assert_int_equal(mcq_wpump_put_place(&f.pump, &places, &msg, run, true), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), 0);
    }
    assert_int_equal(mcq_alloc_ledger().block_count, blocks);
    assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 2);
    assert_ptr_equal(iov[1].iov_base, first);
    assert_int_equal(iov[1].iov_len, 10 * 102 + 45);
    (void) mcq_wpump_on_written(&f.pump, 2 + iov[1].iov_len);
    assert_int_equal(mcq_slab_out_count(f.slab), 1); /* the places', for the next one */
    mcq_places_fini(&places);
    fixture_fini(&f);
}

/* Several at a time, sent in another order, from two owners: no two runs of them are one. */
static void places__in_any_order__leave_in_the_order_they_were_put(void **state)
{
    struct mcq_places places;
    struct mcq_places others;
    struct mcq_msg msgs[4];
    struct mcq_bytes run = {0};
    struct fixture f;
    struct iovec iov[8];
    char came[32];
    size_t len = 0;
    size_t count;

    (void) state;
    fixture_init(&f, 4);
    mcq_places_init(&places, f.slab);
    mcq_places_init(&others, f.slab);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mcq_places_take(i == 2 ? &others : &places, 1, 9, &msgs[i]), MCQ_OK);
        memset(mcq_msg_fill(&msgs[i]), 'a' + i, 9);
        mcq_msg_cut(&msgs[i], 1);
    }
    for (int i = 3; i >= 0; i--) {
        assert_true(mcq_msg_put_front(&msgs[i], mcq_bytes("|", 1), &run));
        assert_int_equal(mcq_wpump_put_place(&f.pump, &places, &msgs[i], run, true), MCQ_OK);
    }
    count = mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov));
    for (size_t i = 0; i < count; i++) {
        memcpy(came + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    assert_int_equal(len, 8);
    assert_memory_equal(came, "|d|c|b|a", 8);
    (void) mcq_wpump_on_written(&f.pump, len);
    mcq_places_fini(&places);
    mcq_places_fini(&others);
    fixture_fini(&f);
}

static void slab_exhausted__put_answers_again_and_changes_nothing(void **state)
{
    struct fixture f;
    size_t count = 0;

    (void) state;
    fixture_init(&f, 1);
    while (put(&f, 2, 1000, true) == MCQ_OK)
        count++;
    assert_int_equal(count, BLOCK_BYTES / 1002);
    assert_true(mcq_wpump_waiting_bytes(&f.pump) == count * 1002);
    while (mcq_wpump_waiting_bytes(&f.pump) > 0)
        (void) write_some(&f, mcq_bytes(NULL, 0), SIZE_MAX / 2);
    assert_int_equal(put(&f, 2, 1000, true), MCQ_OK);
    fixture_fini(&f);
}

static void control__goes_at_message_ends_only__and_before_what_waits(void **state)
{
    static const uint8_t control[] = "PONG";
    struct mcq_bytes bytes = mcq_bytes(control, 4);
    struct fixture f;

    (void) state;
    fixture_init(&f, 4);
    assert_int_equal(write_some(&f, bytes, 3), 3); /* an idle link: at once, even in pieces */
    assert_int_equal(write_some(&f, mcq_bytes(control + 3, 1), 9), 1);
    assert_int_equal(put(&f, 2, 10, false), MCQ_OK);
    assert_int_equal(write_some(&f, bytes, 100), 4); /* nothing of the message may leave yet */
    assert_int_equal(f.model->sent, 0);
    assert_int_equal(put(&f, 2, 10, true), MCQ_OK);
    assert_int_equal(put(&f, 2, 10, true), MCQ_OK);
    assert_int_equal(write_some(&f, mcq_bytes(NULL, 0), 5), 0);
    assert_int_equal(write_some(&f, bytes, 20), 1); /* behind the 24 octets of the first one */
    assert_int_equal(write_some(&f, mcq_bytes(control + 1, 3), 100), 3);
    assert_true(mcq_wpump_waiting_bytes(&f.pump) == 0);
    fixture_fini(&f);
}

static void rewind__after_a_cut_message__sends_it_anew_and_nothing_before_it(void **state)
{
    struct fixture f;

    (void) state;
    for (size_t sent = 0; sent <= 36; sent++) {
        fixture_init(&f, 4);
        for (int i = 0; i < 3; i++)
            assert_int_equal(put(&f, 2, 10, true), MCQ_OK);
        (void) write_some(&f, mcq_bytes(NULL, 0), sent);
        assert_true(mcq_wpump_rewind(&f.pump) == 36 - sent / 12 * 12);
        f.model->sent = f.model->kept;
        while (mcq_wpump_waiting_bytes(&f.pump) > 0)
            (void) write_some(&f, mcq_bytes(NULL, 0), 7);
        assert_int_equal(f.model->sent, 36);
        fixture_fini(&f);
    }
}

static void begun_message__is_not_lent__and_can_be_taken_back(void **state)
{
    struct fixture f;
    struct iovec iov[4];

    (void) state;
    for (int i = 0; i < 3; i++) {
        fixture_init(&f, 4);
        assert_int_equal(put(&f, 2, 10, true), MCQ_OK);
        if (i > 0)
            (void) write_some(&f, mcq_bytes(NULL, 0), i == 1 ? 7 : 12);
        assert_int_equal(put(&f, 2, 10, false), MCQ_OK);
        assert_int_equal(put(&f, 9, 5000, false), MCQ_OK);
        assert_int_equal(mcq_wpump_message_count(&f.pump), i == 2 ? 1 : 2);
        cut(&f);
        assert_int_equal(mcq_wpump_message_count(&f.pump), i == 2 ? 0 : 1);
        assert_int_equal(put(&f, 2, 30, true), MCQ_OK); /* and life goes on */
        while (mcq_wpump_waiting_bytes(&f.pump) > 0)
            (void) write_some(&f, mcq_bytes(NULL, 0), 5);
        assert_int_equal(f.model->sent, 12 + 32);
        assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 0);
        fixture_fini(&f);
    }
}

static void begun_message_taken_back__when_all_others_have_left__no_block_is_held(void **state)
{
    struct fixture f;

    (void) state;
    fixture_init(&f, 4);
    assert_int_equal(put(&f, 2, 10, true), MCQ_OK);
    assert_int_equal(put(&f, 2, 10, false), MCQ_OK); /* behind the first, in the same run */
    (void) write_some(&f, mcq_bytes(NULL, 0), 100);
    assert_int_equal(f.model->sent, 12);
    cut(&f);
    assert_int_equal(mcq_slab_out_count(f.slab), 0);
    fixture_fini(&f);
}

static void runs_of_one_buffer__for_two_pumps__are_shared_and_leave_as_one(void **state)
{
    struct mcq_wpump other;
    struct iovec iov[4];
    struct mcq_buf *buf;
    struct fixture f;

    (void) state;
    fixture_init(&f, 2);
    mcq_wpump_init(&other, f.slab);
    assert_int_equal(mcq_buf_new(1000, &buf), MCQ_OK);
    memset(mcq_buf_room(buf), 'x', 1000);
    for (int i = 0; i < 10; i++) {
        struct mcq_bytes run = mcq_buf_freeze(buf, 100);

        assert_int_equal(mcq_wpump_put_run(&f.pump, buf, run, true), MCQ_OK);
        assert_int_equal(mcq_wpump_put_run(&other, buf, run, true), MCQ_OK);
    }
    assert_int_equal(mcq_slab_out_count(f.slab), 0); /* nothing was copied */
    mcq_buf_unref(buf);
    assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 1);
    assert_int_equal(iov[0].iov_len, 1000);
    (void) mcq_wpump_on_written(&f.pump, 1000);
    assert_int_equal(mcq_wpump_message_count(&other), 10);
    mcq_wpump_fini(&other);
    fixture_fini(&f);
}

static void frames__some_of_them__are_messages_of_one_run(void **state)
{
    struct mcq_frames frames = {.count = 4, .ends = {10, 30, 60, 100}};
    struct iovec iov[4];
    struct fixture f;

    (void) state;
    fixture_init(&f, 2);
    assert_int_equal(mcq_buf_new(100, &frames.buf), MCQ_OK);
    memset(mcq_buf_room(frames.buf), 'x', 100);
    frames.start = mcq_buf_freeze(frames.buf, 100).data;
    assert_int_equal(mcq_wpump_put_frames(&f.pump, &frames, 1, 2), MCQ_OK);
    assert_int_equal(mcq_wpump_message_count(&f.pump), 2);
    assert_int_equal(mcq_wpump_waiting_bytes(&f.pump), 50);
    assert_int_equal(mcq_wpump_put_frames(&f.pump, &frames, 3, 1), MCQ_OK);
    assert_int_equal(mcq_wpump_lend(&f.pump, mcq_bytes(NULL, 0), iov, MCQ_COUNTOF(iov)), 1);
    assert_ptr_equal(iov[0].iov_base, frames.start + 10);
    assert_int_equal(iov[0].iov_len, 90);
    (void) mcq_wpump_on_written(&f.pump, 20 + 29); /* one, and most of the next */
    assert_int_equal(mcq_wpump_message_count(&f.pump), 2);
    assert_int_equal(mcq_wpump_rewind(&f.pump), 70);
    mcq_buf_unref(frames.buf);
    fixture_fini(&f);
}

static void random_life__against_a_flat_model__every_octet_agrees(void **state)
{
    static const uint8_t control[] = "control";
    struct fixture f;

    (void) state;
    fixture_init(&f, 64);
    print_message("# seed %llu\n", (unsigned long long) f.seed);
    for (int step = 0; step < 20000 && f.model->len < STREAM_MAX - 20000; step++) {
        uint64_t dice = next_random(&f) % 100;

        if (dice < 50 && f.model->end_count < MCQ_COUNTOF(f.model->ends)) {
            size_t len = dice < 3 ? 4097 + next_random(&f) % 9000 : next_random(&f) % 200;

            size_t head = 1 + next_random(&f) % 9;

            if (len > MCQ_WPUMP_COPY_MAX || dice % 4 < 2)
                (void) put(&f, head, len, dice % 3 != 0);
            else
                (void) put_otherwise(&f, head, len, dice % 3 != 0, dice % 4 == 2);
        } else if (dice < 98) {
            size_t left = dice % 4 == 0 ? sizeof control - 1 : 0;

            while (left > 0 || dice % 4 != 0) {
                size_t sent = write_some(&f, mcq_bytes(control + sizeof control - 1 - left, left),
                                         next_random(&f) % 400);

                left -= sent;
                if (sent == 0 || left == 0)
                    break;
            }
        } else if (dice == 98) {
            cut(&f);
        } else {
            (void) mcq_wpump_rewind(&f.pump);
            f.model->sent = f.model->kept;
        }
    }
    cut(&f);
    while (mcq_wpump_waiting_bytes(&f.pump) > 0)
        (void) write_some(&f, mcq_bytes(NULL, 0), SIZE_MAX / 2);
    assert_int_equal(f.model->sent, f.model->len);
    fixture_fini(&f);
}

static void each_allocation_refused__put_changes_nothing(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct fixture f;
        struct mcq_msg msg;
        enum mcq_err err = MCQ_OK;
        int puts = 0;

        fixture_init(&f, 64);
        mcq_alloc_fail_at(n);
        for (; puts < 40 && err == MCQ_OK; puts++) {
            mcq_msg_init(&msg);
            err = mcq_wpump_put(&f.pump, mcq_bytes("ab", 2), &msg, true);
        }
        bool failed = mcq_alloc_fail_left() == 0;

        assert_int_equal(err, failed ? MCQ_NOMEM : MCQ_OK);
        assert_true(mcq_wpump_waiting_bytes(&f.pump) == 2 * (uint64_t) (failed ? puts - 1 : puts));
        fixture_fini(&f);
        if (!failed)
            break;
    }
}

/* The same in the model: the first message that begins behind what was sent and `kept` more. */
static bool drop_oldest(struct fixture *f, size_t kept)
{
    struct model *model = f->model;
    size_t start = 0;
    size_t i = 0;

    while (i < model->end_count && (start < model->kept || start < model->sent + kept))
        start = model->ends[i++];
    if (i == model->end_count) {
        assert_false(mcq_wpump_drop_oldest(&f->pump, kept));
        return false;
    }
    size_t len = model->ends[i] - start;

    assert_true(mcq_wpump_drop_oldest(&f->pump, kept));
    memmove(model->octets + start, model->octets + start + len, model->len - start - len);
    for (; i + 1 < model->end_count; i++)
        model->ends[i] = model->ends[i + 1] - len;
    model->end_count--;
    model->len -= len;
    assert_int_equal(mcq_wpump_waiting_bytes(&f->pump), whole(model) - model->sent);
    return true;
}

static void oldest_dropped__in_every_place_of_a_write__the_others_leave_as_they_were(void **state)
{
    (void) state;
    for (size_t accept = 0; accept < 200; accept++) {
        struct fixture f;
        size_t count = 0;

        fixture_init(&f, 8);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(put(&f, 2, i * 11, i % 2 == 0), MCQ_OK);
        assert_int_equal(put(&f, 9, 5000, true), MCQ_OK);
        assert_int_equal(put(&f, 2, 7, true), MCQ_OK);
        (void) write_some(&f, mcq_bytes(NULL, 0), accept);
        while (drop_oldest(&f, 0))
            count++;
        assert_in_range(count, 1, 5);
        assert_int_equal(put(&f, 2, 20, true), MCQ_OK);
        while (mcq_wpump_waiting_bytes(&f.pump) > 0)
            (void) write_some(&f, mcq_bytes(NULL, 0), 3);
        assert_int_equal(f.model->sent, f.model->len);
        fixture_fini(&f);
    }
}

static void oldest_dropped__at_random_in_a_random_life__every_octet_agrees(void **state)
{
    struct fixture f;
    size_t dropped = 0;

    (void) state;
    fixture_init(&f, 64);
    print_message("# MCQ_SEED=%#llx\n", (unsigned long long) f.seed);
    for (int step = 0; step < 20000 && f.model->len < STREAM_MAX - 20000 &&
                       f.model->end_count < MCQ_COUNTOF(f.model->ends) - 1;
         step++) {
        size_t body = next_random(&f) % (next_random(&f) % 8 == 0 ? 9000 : 60);
        bool ends = next_random(&f) % 3 > 0;
        enum mcq_err err;

        switch (next_random(&f) % 4) {
        case 0:
            err = body < 4096 ? put_otherwise(&f, 2, body, ends, next_random(&f) % 2)
                              : put(&f, 9, body, ends);
            assert_true(err == MCQ_OK || err == MCQ_AGAIN);
            break;
        case 1: (void) write_some(&f, mcq_bytes(NULL, 0), next_random(&f) % 200); break;
        case 2:
            if (!mcq_wpump_is_within(&f.pump))
                dropped += drop_oldest(&f, next_random(&f) % 3 == 0 ? next_random(&f) % 300 : 0);
            break;
        default:
            if (next_random(&f) % 8 == 0) {
                assert_int_equal(mcq_wpump_rewind(&f.pump), whole(f.model) - f.model->kept);
                f.model->sent = f.model->kept;
            }
        }
    }
    assert_true(dropped > 100);
    cut(&f);
    while (mcq_wpump_waiting_bytes(&f.pump) > 0)
        (void) write_some(&f, mcq_bytes(NULL, 0), SIZE_MAX);
    assert_int_equal(f.model->sent, f.model->len);
    fixture_fini(&f);
}

#define pump_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pump_test(fault_f1__partial_writes_of_every_length__resume_at_the_very_octet),
        pump_test(small_bodies__many__leave_as_one_run),
        pump_test(large_body__is_lent_in_place_and_released_when_it_left),
        pump_test(place__is_lent_where_it_was_written),
        pump_test(places__in_any_order__leave_in_the_order_they_were_put),
        pump_test(slab_exhausted__put_answers_again_and_changes_nothing),
        pump_test(control__goes_at_message_ends_only__and_before_what_waits),
        pump_test(rewind__after_a_cut_message__sends_it_anew_and_nothing_before_it),
        pump_test(begun_message__is_not_lent__and_can_be_taken_back),
        pump_test(begun_message_taken_back__when_all_others_have_left__no_block_is_held),
        pump_test(runs_of_one_buffer__for_two_pumps__are_shared_and_leave_as_one),
        pump_test(frames__some_of_them__are_messages_of_one_run),
        pump_test(random_life__against_a_flat_model__every_octet_agrees),
        pump_test(each_allocation_refused__put_changes_nothing),
        pump_test(oldest_dropped__in_every_place_of_a_write__the_others_leave_as_they_were),
        pump_test(oldest_dropped__at_random_in_a_random_life__every_octet_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
