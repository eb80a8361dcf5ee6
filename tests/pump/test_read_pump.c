#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "pump/read_pump.h"
#include "session/state.h"
#include "wire/encode.h"

#define BLOCK_BYTES 4096
#define STREAM_MAX (1 << 21)

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

struct fixture {
    struct mcq_slab *slab;
    struct mcq_blocks *blocks;
    struct mcq_receiver receiver;
    struct mcq_session session;
    struct mcq_rpump pump;
    uint8_t *stream;
    size_t len;
    size_t read;
    uint64_t seed;
};

/* Opens a session up to the traffic by talking to another one. */
static void open_session(struct mcq_session *session)
{
    struct mcq_session_config config;
    struct mcq_session peer;

    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_PULL, MCQ_PROFILE_COMPAT);
    assert_int_equal(mcq_session_init(session, &config, 0), MCQ_OK);
    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_PUSH, MCQ_PROFILE_COMPAT);
    assert_int_equal(mcq_session_init(&peer, &config, 0), MCQ_OK);
    while (mcq_session_phase(session) != MCQ_PHASE_TRAFFIC ||
           mcq_session_phase(&peer) != MCQ_PHASE_TRAFFIC) {
        struct mcq_session *pair[2] = {session, &peer};

        for (int i = 0; i < 2; i++) {
            struct mcq_bytes out = mcq_session_want(pair[i]);
            size_t len = out.len;
            struct mcq_event event;

            while (mcq_session_feed(pair[1 - i], &out, 0, &event) == MCQ_OK)
                continue;
            mcq_session_sent(pair[i], len);
        }
    }
    mcq_session_fini(&peer);
}

static void fixture_init(struct fixture *f, uint32_t block_count)
{
    const char *seed = getenv("MCQ_SEED");

    memset(f, 0, sizeof *f);
    f->seed = seed != NULL ? strtoull(seed, NULL, 0) : 0x2545f4914f6cdd1du;
    f->stream = malloc(STREAM_MAX);
    assert_non_null(f->stream);
    assert_int_equal(mcq_slab_new(BLOCK_BYTES, block_count, &f->slab), MCQ_OK);
    assert_int_equal(mcq_blocks_new(&f->blocks), MCQ_OK);
    mcq_receiver_init(&f->receiver, f->slab, f->blocks);
    open_session(&f->session);
    mcq_rpump_init(&f->pump, &f->receiver, &f->session);
}

static void fixture_fini(struct fixture *f)
{
    mcq_rpump_fini(&f->pump);
    mcq_receiver_fini(&f->receiver);
    assert_int_equal(mcq_slab_out_count(f->slab), 0);
    mcq_session_fini(&f->session);
    mcq_blocks_free(&f->blocks);
    mcq_slab_free(&f->slab);
    free(f->stream);
}

static uint64_t next_random(struct fixture *f)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return f->seed;
}

static uint8_t octet_of(size_t part, size_t i)
{
    return (uint8_t) (part * 7 + i % 251);
}

static void add_frame(struct fixture *f, size_t part, size_t size, bool more)
{
    uint8_t *at = f->stream + f->len;

    assert_true(f->len + size + MCQ_FRAME_HEAD_MAX <= STREAM_MAX);
    at = mcq_encode_frame_head(at, more ? MCQ_FRAME_MORE : 0, size);
    for (size_t i = 0; i < size; i++)
        *at++ = octet_of(part, i);
    f->len = (size_t) (at - f->stream);
}

/* One read of at most `max` octets of the stream. */
static void read_some(struct fixture *f, size_t max)
{
    struct iovec iov[MCQ_RPUMP_IOV_MAX];
    size_t count;
    size_t got = 0;

    assert_int_equal(mcq_rpump_room(&f->pump, iov, &count), MCQ_OK);
    for (size_t i = 0; i < count; i++) {
        size_t len = mcq_min_size(iov[i].iov_len, mcq_min_size(max - got, f->len - f->read));

        memcpy(iov[i].iov_base, f->stream + f->read, len);
        f->read += len;
        got += len;
    }
    mcq_rpump_on_read(&f->pump, got);
}

static void check_part(struct mcq_msg *msg, size_t part, size_t size, bool more)
{
    assert_int_equal(mcq_msg_len(msg), size);
    assert_int_equal(msg->more, more);
    for (size_t i = 0; i < size; i++)
        if (mcq_msg_data(msg)[i] != octet_of(part, i))
            fail_msg("part %zu, octet %zu", part, i);
}

static const size_t sizes[] = {0,    1,    56,   57,    255,   256,  1000, 4000,
                               4087, 4096, 5000, 20000, 65536, 3000, 0,    70000};

static void fault_f2__parts_of_many_sizes_and_reads__arrive_whole_and_in_order(void **state)
{
    (void) state;
    for (size_t max = 1; max < 200000; max = max * 3 + 1) {
        struct fixture f;
        size_t part = 0;
        struct mcq_event event;
        struct mcq_msg msg;

        fixture_init(&f, 64);
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++)
            add_frame(&f, i, sizes[i], i % 3 == 0);
        while (part < MCQ_COUNTOF(sizes)) {
            enum mcq_err err = mcq_rpump_next(&f.pump, 0, &msg, &event);

            if (err == MCQ_AGAIN) {
                read_some(&f, max);
                continue;
            }
            assert_int_equal(err, MCQ_OK);
            check_part(&msg, part, sizes[part], part % 3 == 0);
            mcq_msg_fini(&msg);
            part++;
        }
        assert_int_equal(mcq_rpump_next(&f.pump, 0, &msg, &event), MCQ_AGAIN);
        assert_in_range(mcq_slab_out_count(f.slab), 0, 1); /* at most the spare one */
        fixture_fini(&f);
    }
}

static void messages_that_are_kept__stay_as_they_were(void **state)
{
    struct mcq_msg kept[64];
    struct fixture f;
    struct mcq_event event;

    (void) state;
    fixture_init(&f, 256);
    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++)
        add_frame(&f, i, i * 41, false);
    for (size_t i = 0; i < MCQ_COUNTOF(kept);) {
        if (mcq_rpump_next(&f.pump, 0, &kept[i], &event) == MCQ_AGAIN)
            read_some(&f, 3000);
        else
            i++;
    }
    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++) {
        check_part(&kept[i], i, i * 41, false);
        mcq_msg_fini(&kept[i]);
    }
    fixture_fini(&f);
}

static void idle_peers__hold_no_block__and_share_a_warm_one(void **state)
{
    struct fixture f;
    struct mcq_event event;
    struct mcq_msg msg;

    (void) state;
    fixture_init(&f, 4);
    for (int i = 0; i < 100; i++) {
        add_frame(&f, 0, 20, false);
        read_some(&f, 1000);
        assert_int_equal(mcq_rpump_next(&f.pump, 0, &msg, &event), MCQ_OK);
        mcq_msg_fini(&msg);
        assert_int_equal(mcq_rpump_next(&f.pump, 0, &msg, &event), MCQ_AGAIN);
        assert_null(f.pump.block.buf);
        assert_non_null(f.receiver.spare.buf);
    }
    read_some(&f, 0); /* the kernel had nothing */
    assert_null(f.pump.block.buf);
    fixture_fini(&f);
}

static void fault_f4__slab_exhausted__room_answers_again(void **state)
{
    struct fixture f;
    struct mcq_buf *held;
    struct iovec iov[MCQ_RPUMP_IOV_MAX];
    size_t count;

    (void) state;
    fixture_init(&f, 1);
    held = mcq_slab_take(f.slab);
    assert_non_null(held);
    assert_int_equal(mcq_rpump_room(&f.pump, iov, &count), MCQ_AGAIN);
    mcq_buf_unref(held);
    assert_int_equal(mcq_rpump_room(&f.pump, iov, &count), MCQ_OK);
    mcq_rpump_on_read(&f.pump, 0);
    fixture_fini(&f);
}

static void
fault_a4__body_that_was_only_declared__commits_what_arrived_at_most_fourfold(void **state)
{
    struct fixture f;
    struct mcq_event event;
    struct mcq_msg msg;
    uint64_t before;
    size_t arrived = 0;

    (void) state;
    fixture_init(&f, 4);
    add_frame(&f, 0, 1000000, false);
    f.len -= 400000; /* the rest never comes */
    before = mcq_alloc_ledger().bytes;
    while (f.read < f.len) {
        size_t was = f.read;

        read_some(&f, 10000);
        arrived += f.read - was;
        assert_int_equal(mcq_rpump_next(&f.pump, 0, &msg, &event), MCQ_AGAIN);
        assert_true(mcq_alloc_ledger().bytes - before <= 4 * arrived + 2048 + 256);
    }
    fixture_fini(&f);
}

static void random_life__messages_kept_and_dropped__every_octet_agrees(void **state)
{
    struct fixture f;
    struct mcq_msg kept[16];
    size_t kept_part[16];
    size_t part_sizes[600];
    size_t part = 0;
    struct mcq_event event;

    (void) state;
    fixture_init(&f, 64);
    print_message("# seed %llu\n", (unsigned long long) f.seed);
    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++) {
        mcq_msg_init(&kept[i]);
        kept_part[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < MCQ_COUNTOF(part_sizes); i++) {
        part_sizes[i] = next_random(&f) % (next_random(&f) % 20 == 0 ? 12000 : 300);
        add_frame(&f, i, part_sizes[i], false);
    }
    while (part < MCQ_COUNTOF(part_sizes)) {
        size_t slot = next_random(&f) % MCQ_COUNTOF(kept);
        struct mcq_msg msg;
        enum mcq_err err = mcq_rpump_next(&f.pump, 0, &msg, &event);

        if (err == MCQ_AGAIN) {
            read_some(&f, next_random(&f) % 6000);
            continue;
        }
        assert_int_equal(err, MCQ_OK);
        if (kept_part[slot] != SIZE_MAX)
            check_part(&kept[slot], kept_part[slot], part_sizes[kept_part[slot]], false);
        mcq_msg_fini(&kept[slot]);
        mcq_msg_move(&kept[slot], &msg);
        kept_part[slot] = part++;
    }
    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++)
        mcq_msg_fini(&kept[i]);
    fixture_fini(&f);
}

static void each_allocation_refused__no_memory_and_nothing_leaks(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct fixture f;
        struct mcq_event event;
        enum mcq_err err = MCQ_AGAIN;

        fixture_init(&f, 16);
        add_frame(&f, 0, 1000, true);
        add_frame(&f, 0, 30000, false);
        mcq_alloc_fail_at(n);
        while (err == MCQ_AGAIN && f.read < f.len) {
            struct mcq_msg msg;

            read_some(&f, 20000);
            while ((err = mcq_rpump_next(&f.pump, 0, &msg, &event)) == MCQ_OK)
                mcq_msg_fini(&msg);
        }
        bool failed = mcq_alloc_fail_left() == 0;

        mcq_alloc_fail_at(0);
        assert_int_equal(err, failed ? MCQ_NOMEM : MCQ_AGAIN);
        fixture_fini(&f);
        if (!failed)
            break;
    }
}

#define pump_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pump_test(fault_f2__parts_of_many_sizes_and_reads__arrive_whole_and_in_order),
        pump_test(messages_that_are_kept__stay_as_they_were),
        pump_test(idle_peers__hold_no_block__and_share_a_warm_one),
        pump_test(fault_f4__slab_exhausted__room_answers_again),
        pump_test(fault_a4__body_that_was_only_declared__commits_what_arrived_at_most_fourfold),
        pump_test(random_life__messages_kept_and_dropped__every_octet_agrees),
        pump_test(each_allocation_refused__no_memory_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
