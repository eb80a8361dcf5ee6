#include "arena/msg.h"

#include <pthread.h>
#include <sched.h>

#include "arena/slab.h"
#include "arena/test_support.h"

/* A body whose every octet depends on its length and place. */
static uint8_t octet_at(size_t len, size_t i)
{
    return (uint8_t) (len * 31 + i * 7 + (i >> 8));
}

static void write_body(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = octet_at(len, i);
}

static bool is_body(struct mcq_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != octet_at(bytes.len, i))
            return false;
    }
    return true;
}

static const size_t lens[] = {0,
                              1,
                              MCQ_MSG_INLINE_MAX - 1,
                              MCQ_MSG_INLINE_MAX,
                              MCQ_MSG_INLINE_MAX + 1,
                              1000,
                              MCQ_BLOCK_BYTES_MAX,
                              MCQ_BLOCK_BYTES_MAX + 1,
                              1000000};

static void init__fresh__is_empty(void **state)
{
    struct mcq_msg msg;

    (void) state;
    memset(&msg, 0xff, sizeof msg);
    mcq_msg_init(&msg);
    assert_int_equal(mcq_msg_len(&msg), 0);
    assert_non_null(mcq_msg_data(&msg));
    assert_false(msg.more);
    assert_int_equal(msg.routing_id, 0);
    mcq_msg_fini(&msg);
    mcq_msg_fini(&msg);
}

static void init_size__any_length__is_zero_and_writable(void **state)
{
    (void) state;
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        struct mcq_msg msg;

        memset(&msg, 0xff, sizeof msg);
        assert_int_equal(mcq_msg_init_size(&msg, lens[k]), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), lens[k]);
        for (size_t i = 0; i < lens[k]; i++) {
            if (mcq_msg_data(&msg)[i] != 0)
                fail_msg("octet %zu of %zu is not zero", i, lens[k]);
        }
        write_body(mcq_msg_fill(&msg), lens[k]);
        assert_true(is_body(mcq_msg_bytes(&msg)));
        mcq_msg_fini(&msg);
        assert_int_equal(mcq_msg_len(&msg), 0);
    }
}

static void init_size__no_memory__is_empty(void **state)
{
    struct mcq_msg msg;

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_msg_init_size(&msg, MCQ_MSG_INLINE_MAX), MCQ_OK);
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_msg_init_size(&msg, MCQ_MSG_INLINE_MAX + 1), MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&msg), 0);
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_msg_init_size(&msg, SIZE_MAX), MCQ_NOMEM);
    mcq_msg_fini(&msg);
}

static void init_copy__any_length__is_the_same_octets(void **state)
{
    static uint8_t body[1000000];

    (void) state;
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        struct mcq_msg msg;

        write_body(body, lens[k]);
        assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes(body, lens[k])), MCQ_OK);
        memset(body, 0, lens[k]);
        assert_int_equal(mcq_msg_len(&msg), lens[k]);
        assert_true(is_body(mcq_msg_bytes(&msg)));
        mcq_msg_fini(&msg);
    }
    mcq_alloc_fail_at(1);
    struct mcq_msg msg;

    assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes(body, 57)), MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&msg), 0);
    mcq_msg_fini(&msg);
}

static void init_block__any_length__is_the_same_octets(void **state)
{
    static uint8_t body[1000000];
    struct mcq_blocks *blocks;
    struct mcq_msg msg;

    (void) state;
    assert_int_equal(mcq_blocks_new(&blocks), MCQ_OK);
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        write_body(body, lens[k]);
        assert_int_equal(mcq_msg_init_block(&msg, blocks, mcq_bytes(body, lens[k])), MCQ_OK);
        memset(body, 0, lens[k]);
        assert_int_equal(mcq_msg_len(&msg), lens[k]);
        assert_true(is_body(mcq_msg_bytes(&msg)));
        mcq_msg_put(&msg, blocks);
    }
    mcq_blocks_trim(blocks);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_msg_init_block(&msg, blocks, mcq_bytes(body, 57)), MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&msg), 0);
    mcq_msg_fini(&msg);
    mcq_blocks_free(&blocks);
}

static void init_buf__part_of_a_buffer__moves_the_reference(void **state)
{
    struct mcq_msg msg;
    struct mcq_buf *buf;
    char data[] = "abcdef";

    (void) state;
    assert_int_equal(mcq_buf_wrap(data, 6, NULL, NULL, &buf), MCQ_OK);
    mcq_msg_init_buf(&msg, &buf, mcq_bytes(data + 2, 3));
    assert_null(buf);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of("cde")));
    assert_null(mcq_msg_fill(&msg));
    mcq_msg_fini(&msg);
}

static void init_with_foreign_octets(void *buf)
{
    struct mcq_buf *moved = buf;
    struct mcq_msg msg;

    mcq_msg_init_buf(&msg, &moved, mcq_bytes("other", 5));
}

static void init_buf__octets_of_another__is_a_broken_invariant(void **state)
{
    struct mcq_buf *buf;
    char data[] = "abcdef";

    (void) state;
    assert_int_equal(mcq_buf_wrap(data, 6, NULL, NULL, &buf), MCQ_OK);
    assert_true(support_aborts(init_with_foreign_octets, buf));
    mcq_buf_unref(buf);
}

static void move__any_length__leaves_the_source_empty(void **state)
{
    (void) state;
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        struct mcq_msg source;
        struct mcq_msg target;

        assert_int_equal(mcq_msg_init_size(&source, lens[k]), MCQ_OK);
        write_body(mcq_msg_fill(&source), lens[k]);
        source.more = true;
        source.routing_id = 77;
        mcq_msg_move(&target, &source);
        assert_int_equal(mcq_msg_len(&source), 0);
        assert_false(source.more);
        assert_int_equal(source.routing_id, 0);
        assert_int_equal(mcq_msg_len(&target), lens[k]);
        assert_true(is_body(mcq_msg_bytes(&target)));
        assert_true(target.more);
        assert_int_equal(target.routing_id, 77);
        assert_non_null(mcq_msg_fill(&target)); /* still its only holder */
        mcq_msg_fini(&source);
        mcq_msg_fini(&target);
    }
}

static void copy__any_length__both_have_the_body_and_large_ones_share_it(void **state)
{
    (void) state;
    for (size_t k = 0; k < MCQ_COUNTOF(lens); k++) {
        bool is_inline = lens[k] <= MCQ_MSG_INLINE_MAX;
        struct mcq_msg source;
        struct mcq_msg target;

        assert_int_equal(mcq_msg_init_size(&source, lens[k]), MCQ_OK);
        write_body(mcq_msg_fill(&source), lens[k]);
        source.more = true;
        source.routing_id = 77;
        mcq_msg_copy(&target, &source);
        assert_true(target.more);
        assert_int_equal(target.routing_id, 77);
        assert_int_equal(mcq_alloc_ledger().block_count, is_inline ? 0 : 1);
        assert_int_equal(mcq_msg_data(&source) != mcq_msg_data(&target), is_inline);
        mcq_msg_fini(&source);
        assert_int_equal(mcq_msg_len(&target), lens[k]);
        assert_true(is_body(mcq_msg_bytes(&target)));
        mcq_msg_fini(&target);
    }
}

static void look_sole__says_so_until_somebody_else_may_hold_it(void **state)
{
    struct mcq_blocks *blocks;
    struct mcq_msg msg;
    struct mcq_msg copy;
    uint8_t body[100] = {0};

    (void) state;
    assert_int_equal(mcq_blocks_new(&blocks), MCQ_OK);
    assert_int_equal(mcq_msg_init_copy(&msg, mcq_bytes(body, 10)), MCQ_OK);
    mcq_msg_look_sole(&msg); /* its body is in the message */
    assert_memory_equal(msg.small, body, 10);
    assert_int_equal(mcq_msg_init_block(&msg, blocks, mcq_bytes(body, 100)), MCQ_OK);
    assert_null(msg.large.sole_of);
    mcq_msg_look_sole(&msg);
    assert_ptr_equal(msg.large.sole_of, blocks);
    mcq_msg_freeze(&msg); /* who wants a reference asks for that first */
    assert_null(msg.large.sole_of);
    mcq_msg_look_sole(&msg);
    mcq_msg_copy(&copy, &msg);
    assert_null(msg.large.sole_of);
    assert_null(copy.large.sole_of);
    mcq_msg_look_sole(&msg);
    assert_null(msg.large.sole_of);
    mcq_msg_put(&copy, blocks);
    mcq_msg_look_sole(&msg);
    assert_ptr_equal(msg.large.sole_of, blocks);
    mcq_msg_put(&msg, blocks);
    mcq_blocks_free(&blocks);
}

static void copy__large_body__is_frozen_in_both(void **state)
{
    struct mcq_msg source;
    struct mcq_msg target;

    (void) state;
    assert_int_equal(mcq_msg_init_size(&source, 100), MCQ_OK);
    assert_non_null(mcq_msg_fill(&source));
    mcq_msg_copy(&target, &source);
    assert_null(mcq_msg_fill(&source));
    assert_null(mcq_msg_fill(&target));
    mcq_msg_fini(&target);
    assert_null(mcq_msg_fill(&source)); /* for good */
    mcq_msg_fini(&source);
}

static void freeze__large_body__may_not_be_written_again(void **state)
{
    struct mcq_msg msg;

    (void) state;
    assert_int_equal(mcq_msg_init_size(&msg, 100), MCQ_OK);
    mcq_msg_freeze(&msg);
    mcq_msg_freeze(&msg);
    assert_null(mcq_msg_fill(&msg));
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_msg_init_size(&msg, 5), MCQ_OK);
    mcq_msg_freeze(&msg);
    assert_non_null(mcq_msg_fill(&msg)); /* its own octets, whatever others hold */
    mcq_msg_fini(&msg);
}

/* A receive block that is all frozen, and what a reader of it needs. */
struct receiver {
    struct mcq_slab *slab;
    struct mcq_blocks *blocks;
    struct mcq_handout handout;
};

static void receiver_init(struct receiver *receiver, size_t block_bytes)
{
    struct mcq_buf *buf;

    assert_int_equal(mcq_slab_new(block_bytes, 1, &receiver->slab), MCQ_OK);
    assert_int_equal(mcq_blocks_new(&receiver->blocks), MCQ_OK);
    buf = mcq_slab_take(receiver->slab);
    memset(mcq_buf_room(buf), 0, block_bytes);
    (void) mcq_buf_freeze(buf, block_bytes);
    mcq_handout_init(&receiver->handout, &buf);
}

static void receiver_fini(struct receiver *receiver)
{
    mcq_handout_fini(&receiver->handout);
    mcq_slab_free(&receiver->slab);
    mcq_blocks_free(&receiver->blocks);
}

static void fault_c2__slice_of_every_length__pins_at_most_four_times_its_body(void **state)
{
    (void) state;
    for (size_t block_bytes = 512; block_bytes <= MCQ_SLAB_BLOCK_BYTES_MAX; block_bytes *= 4) {
        size_t step = block_bytes / 4096 + 1;
        struct receiver receiver;
        struct mcq_bytes whole;
        bool was_slice = false;

        receiver_init(&receiver, block_bytes);
        whole = mcq_bytes(receiver.handout.buf->data, block_bytes);
        for (size_t len = 0; len <= block_bytes; len += step) {
            struct mcq_bytes bytes = mcq_bytes(whole.data + block_bytes - len, len);
            struct mcq_msg msg;
            bool is_slice;

            assert_int_equal(mcq_msg_init_slice(&msg, &receiver.handout, receiver.blocks, bytes),
                             MCQ_OK);
            assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), bytes));
            is_slice = msg.kind != MCQ_MSG_INLINE && msg.large.buf == receiver.handout.buf;
            assert_int_equal(is_slice, mcq_msg_data(&msg) == bytes.data);
            assert_int_equal(msg.kind == MCQ_MSG_INLINE, len <= MCQ_MSG_INLINE_MAX);
            if (msg.kind != MCQ_MSG_INLINE)
                assert_true(mcq_buf_pinned_bytes(msg.large.buf) <= MCQ_MSG_PIN_FACTOR * len);
            assert_true(is_slice || !was_slice); /* one border, not several */
            was_slice = is_slice;
            mcq_msg_fini(&msg);
        }
        assert_true(was_slice);
        assert_true(mcq_handout_rewind(&receiver.handout)); /* nothing is pinned */
        receiver_fini(&receiver);
    }
}

static void init_slice__at_the_border__copies_below_and_refers_above(void **state)
{
    const size_t border = (4096 + sizeof(struct mcq_buf)) / MCQ_MSG_PIN_FACTOR;
    struct receiver receiver;
    struct mcq_msg below;
    struct mcq_msg above;
    const uint8_t *data;

    (void) state;
    receiver_init(&receiver, 4096);
    data = receiver.handout.buf->data;
    assert_int_equal(
        mcq_msg_init_slice(&below, &receiver.handout, receiver.blocks, mcq_bytes(data, border - 1)),
        MCQ_OK);
    assert_ptr_not_equal(mcq_msg_data(&below), data);
    assert_int_equal(
        mcq_msg_init_slice(&above, &receiver.handout, receiver.blocks, mcq_bytes(data, border)),
        MCQ_OK);
    assert_ptr_equal(mcq_msg_data(&above), data);
    receiver_fini(&receiver); /* both outlive the socket that they came from */
    assert_int_equal(mcq_msg_len(&below), border - 1);
    assert_int_equal(mcq_msg_data(&above)[border - 1], 0);
    mcq_msg_fini(&below);
    mcq_msg_fini(&above);
}

static void init_slice__no_memory__only_copies_fail(void **state)
{
    struct receiver receiver;
    const uint8_t *data;
    struct mcq_msg msg;

    (void) state;
    receiver_init(&receiver, 4096);
    data = receiver.handout.buf->data;
    mcq_alloc_fail_at(1);
    assert_int_equal(
        mcq_msg_init_slice(&msg, &receiver.handout, receiver.blocks, mcq_bytes(data, 56)), MCQ_OK);
    mcq_msg_fini(&msg);
    assert_int_equal(
        mcq_msg_init_slice(&msg, &receiver.handout, receiver.blocks, mcq_bytes(data, 2000)),
        MCQ_OK);
    mcq_msg_fini(&msg);
    assert_int_equal(
        mcq_msg_init_slice(&msg, &receiver.handout, receiver.blocks, mcq_bytes(data, 57)),
        MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&msg), 0);
    mcq_msg_fini(&msg);
    receiver_fini(&receiver);
}

/* --- a receiver, and applications in other threads -------------------------------------------- */

enum { APPLICATIONS = 3, RING = 8 };

/* One producer, one consumer. */
struct ring {
    struct mcq_msg slots[RING];
    _Atomic(size_t) head;
    _Atomic(size_t) tail;
    _Atomic(bool) is_closed;
};

struct application {
    struct ring in;
    uint64_t random;
    size_t seen;
    size_t wrong;
};

static void ring_put(struct ring *ring, struct mcq_msg *msg)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    while (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == RING)
        sched_yield();
    mcq_msg_move(&ring->slots[head % RING], msg);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

static bool ring_take(struct ring *ring, struct mcq_msg *msg)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (;;) {
        bool was_closed = atomic_load_explicit(&ring->is_closed, memory_order_acquire);

        if (atomic_load_explicit(&ring->head, memory_order_acquire) != tail)
            break;
        if (was_closed)
            return false;
        sched_yield();
    }
    mcq_msg_move(msg, &ring->slots[tail % RING]);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

/* Reads each message now, and a copy of it again when it has kept it for a while. */
static void *application_run(void *argument)
{
    struct application *application = argument;
    struct mcq_msg kept[16];
    struct mcq_msg msg;

    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++)
        mcq_msg_init(&kept[i]);
    while (ring_take(&application->in, &msg)) {
        size_t place = support_random_below(&application->random, MCQ_COUNTOF(kept));

        application->seen++;
        application->wrong += !is_body(mcq_msg_bytes(&msg));
        application->wrong += !is_body(mcq_msg_bytes(&kept[place]));
        mcq_msg_fini(&kept[place]);
        mcq_msg_copy(&kept[place], &msg);
        mcq_msg_fini(&msg);
    }
    for (size_t i = 0; i < MCQ_COUNTOF(kept); i++) {
        application->wrong += !is_body(mcq_msg_bytes(&kept[i]));
        mcq_msg_fini(&kept[i]);
    }
    return NULL;
}

/* Fills one block with bodies of random lengths, handing each out while the rest still fills. */
static size_t receive_block(struct receiver *receiver, struct application *applications,
                            uint64_t *random)
{
    struct mcq_buf *buf = receiver->handout.buf;
    size_t messages = 0;

    while (mcq_buf_room_len(buf) > 0) {
        size_t len_max = (size_t) 1 << support_random_below(random, 13);
        size_t len = 1 + support_random_below(random, len_max);
        size_t taker = support_random_below(random, APPLICATIONS);
        struct mcq_bytes bytes;
        struct mcq_msg msg;
        struct mcq_msg copy;

        len = mcq_min_size(len, mcq_buf_room_len(buf));
        write_body(mcq_buf_room(buf), len);
        bytes = mcq_buf_freeze(buf, len);
        assert_int_equal(mcq_msg_init_slice(&msg, &receiver->handout, receiver->blocks, bytes),
                         MCQ_OK);
        if (support_random_below(random, 4) == 0) { /* fan-out */
            mcq_msg_copy(&copy, &msg);
            ring_put(&applications[(taker + 1) % APPLICATIONS].in, &copy);
            messages++;
        }
        ring_put(&applications[taker].in, &msg);
        messages++;
    }
    return messages;
}

static void messages__kept_in_three_threads__never_change_and_all_come_home(void **state)
{
    enum { BLOCKS = 150 };
    static struct application applications[APPLICATIONS];
    struct receiver receiver = {.handout = {NULL, 0}};
    uint64_t random = support_seed();
    pthread_t threads[APPLICATIONS];
    size_t sent = 0;
    size_t seen = 0;

    (void) state;
    assert_int_equal(mcq_slab_new(8192, 64, &receiver.slab), MCQ_OK);
    assert_int_equal(mcq_blocks_new(&receiver.blocks), MCQ_OK);
    for (size_t i = 0; i < APPLICATIONS; i++) {
        memset(&applications[i], 0, sizeof applications[i]);
        applications[i].random = random + i;
        assert_int_equal(pthread_create(&threads[i], NULL, application_run, &applications[i]), 0);
    }
    for (size_t round = 0; round < BLOCKS;) {
        struct mcq_buf *buf = NULL;

        if (receiver.handout.buf == NULL) {
            buf = mcq_slab_take(receiver.slab);
            if (buf == NULL) { /* backpressure: the applications keep them all */
                sched_yield();
                continue;
            }
            mcq_handout_init(&receiver.handout, &buf);
        }
        sent += receive_block(&receiver, applications, &random);
        if (!mcq_handout_rewind(&receiver.handout))
            mcq_handout_fini(&receiver.handout);
        round++;
    }
    /* The receiver goes first; what is kept outlives it. */
    if (receiver.handout.buf != NULL)
        mcq_handout_fini(&receiver.handout);
    mcq_slab_free(&receiver.slab);
    mcq_blocks_free(&receiver.blocks);
    for (size_t i = 0; i < APPLICATIONS; i++) {
        atomic_store_explicit(&applications[i].in.is_closed, true, memory_order_release);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(applications[i].wrong, 0);
        seen += applications[i].seen;
    }
    assert_int_equal(seen, sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(init__fresh__is_empty),
        LEDGER_TEST(init_size__any_length__is_zero_and_writable),
        LEDGER_TEST(init_size__no_memory__is_empty),
        LEDGER_TEST(init_copy__any_length__is_the_same_octets),
        LEDGER_TEST(init_block__any_length__is_the_same_octets),
        LEDGER_TEST(init_buf__part_of_a_buffer__moves_the_reference),
        LEDGER_TEST(init_buf__octets_of_another__is_a_broken_invariant),
        LEDGER_TEST(move__any_length__leaves_the_source_empty),
        LEDGER_TEST(copy__any_length__both_have_the_body_and_large_ones_share_it),
        LEDGER_TEST(look_sole__says_so_until_somebody_else_may_hold_it),
        LEDGER_TEST(copy__large_body__is_frozen_in_both),
        LEDGER_TEST(freeze__large_body__may_not_be_written_again),
        LEDGER_TEST(fault_c2__slice_of_every_length__pins_at_most_four_times_its_body),
        LEDGER_TEST(init_slice__at_the_border__copies_below_and_refers_above),
        LEDGER_TEST(init_slice__no_memory__only_copies_fail),
        LEDGER_TEST(messages__kept_in_three_threads__never_change_and_all_come_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
