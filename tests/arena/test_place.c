#include "arena/place.h"

#include <pthread.h>

#include "arena/test_support.h"

#define BLOCK_BYTES 512
#define FRONT 9

struct fixture {
    struct mcq_slab *slab;
    struct mcq_places places;
};

static void start(struct fixture *f, uint32_t block_count)
{
    assert_int_equal(mcq_slab_new(BLOCK_BYTES, block_count, &f->slab), MCQ_OK);
    mcq_places_init(&f->places, f->slab);
}

static void stop(struct fixture *f)
{
    mcq_places_fini(&f->places);
    assert_int_equal(mcq_slab_out_count(f->slab), 0);
    mcq_slab_free(&f->slab);
}

static void take(struct fixture *f, size_t len, struct mcq_msg *msg)
{
    assert_int_equal(mcq_places_take(&f->places, FRONT, len, msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(msg), len);
    assert_ptr_equal(mcq_msg_fill(msg), mcq_msg_data(msg));
    memset(mcq_msg_fill(msg), (int) len, len);
}

static void take__one_after_the_other__lie_behind_each_other(void **state)
{
    struct mcq_msg first;
    struct mcq_msg second;
    struct mcq_msg third;
    struct fixture f;

    (void) state;
    start(&f, 2);
    take(&f, 100, &first);
    take(&f, 0, &second);
    take(&f, 30, &third);
    assert_ptr_equal(mcq_msg_data(&second), mcq_msg_data(&first) + 100 + FRONT);
    assert_ptr_equal(mcq_msg_data(&third), mcq_msg_data(&second) + FRONT);
    assert_int_equal(mcq_msg_data(&first)[99], 100);
    mcq_msg_fini(&second);
    mcq_msg_fini(&first);
    mcq_msg_fini(&third);
    stop(&f);
}

static void put_front__is_followed_by_the_body(void **state)
{
    struct mcq_bytes run = {0};
    struct mcq_msg msg;
    struct fixture f;

    (void) state;
    start(&f, 1);
    take(&f, 3, &msg);
    assert_true(mcq_msg_put_front(&msg, mcq_bytes("HE", 2), &run));
    assert_int_equal(run.len, 5);
    assert_memory_equal(run.data, "HE\3\3\3", 5);
    mcq_msg_cut(&msg, 1);
    assert_true(mcq_msg_put_front(&msg, mcq_bytes("123456789", 9), &run));
    assert_int_equal(run.len, 10);
    assert_memory_equal(run.data, "123456789\3", 10);
    assert_false(mcq_msg_put_front(&msg, mcq_bytes("1234567890", 10), &run));
    mcq_msg_freeze(&msg);
    assert_false(mcq_msg_put_front(&msg, mcq_bytes("HE", 2), &run));
    assert_null(mcq_msg_fill(&msg));
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_msg_init_size(&msg, 100), MCQ_OK);
    assert_false(mcq_msg_put_front(&msg, mcq_bytes("HE", 2), &run));
    mcq_msg_fini(&msg);
    stop(&f);
}

static void shrink__gives_back_what_is_behind__of_the_last_one_only(void **state)
{
    struct mcq_msg first;
    struct mcq_msg second;
    struct mcq_msg third;
    struct fixture f;

    (void) state;
    start(&f, 2);
    take(&f, 100, &first);
    take(&f, 100, &second);
    mcq_msg_cut(&first, 1);
    mcq_places_shrink(&f.places, &first);
    mcq_msg_cut(&second, 20);
    mcq_places_shrink(&f.places, &second);
    take(&f, 100, &third);
    assert_ptr_equal(mcq_msg_data(&third), mcq_msg_data(&second) + 20 + FRONT);
    memset(mcq_msg_fill(&third), 7, 100);
    assert_int_equal(mcq_msg_data(&second)[19], 100);
    mcq_msg_fini(&first);
    mcq_msg_fini(&second);
    mcq_msg_fini(&third);
    stop(&f);
}

/* A place of somebody else's slab. */
static void shrink__of_another_owner__changes_nothing(void **state)
{
    struct mcq_msg theirs;
    struct mcq_msg ours;
    struct fixture f;
    struct fixture g;

    (void) state;
    start(&f, 1);
    start(&g, 1);
    take(&f, 10, &ours);
    take(&g, 100, &theirs);
    mcq_msg_cut(&theirs, 1);
    mcq_places_shrink(&f.places, &theirs);
    mcq_msg_fini(&theirs);
    take(&g, 1, &theirs);
    assert_ptr_equal(mcq_msg_data(&theirs) - mcq_buf_room(g.places.block.buf), -1);
    mcq_msg_fini(&ours);
    mcq_msg_fini(&theirs);
    stop(&f);
    stop(&g);
}

static void take__full_block__another_one_and_the_first_comes_home(void **state)
{
    struct mcq_msg msgs[4];
    struct mcq_msg last;
    struct fixture f;

    (void) state;
    start(&f, 2);
    for (int i = 0; i < 4; i++) /* two to a block */
        take(&f, BLOCK_BYTES / 2 - FRONT, &msgs[i]);
    assert_int_equal(mcq_slab_out_count(f.slab), 2);
    assert_int_equal(mcq_places_take(&f.places, FRONT, 1, &last), MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&last), 0);
    mcq_msg_fini(&msgs[0]);
    assert_int_equal(mcq_places_take(&f.places, FRONT, 1, &last), MCQ_NOMEM);
    mcq_msg_fini(&msgs[1]); /* the last one in it, and the owner is in another */
    take(&f, 1, &last);
    mcq_msg_fini(&last);
    mcq_msg_fini(&msgs[2]);
    mcq_msg_fini(&msgs[3]);
    stop(&f);
}

static void take__larger_than_a_block__has_a_buffer_of_its_own(void **state)
{
    struct mcq_msg msg;
    struct fixture f;

    (void) state;
    start(&f, 1);
    take(&f, BLOCK_BYTES - FRONT, &msg);
    assert_int_equal(mcq_slab_out_count(f.slab), 1);
    mcq_msg_fini(&msg);
    mcq_places_fini(&f.places);
    take(&f, BLOCK_BYTES - FRONT + 1, &msg);
    assert_int_equal(mcq_slab_out_count(f.slab), 0);
    mcq_msg_fini(&msg);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_places_take(&f.places, FRONT, 1000, &msg), MCQ_NOMEM);
    assert_int_equal(mcq_places_take(&f.places, FRONT, SIZE_MAX, &msg), MCQ_NOMEM);
    assert_int_equal(mcq_places_take(&f.places, FRONT, SIZE_MAX - FRONT, &msg), MCQ_NOMEM);
    assert_int_equal(mcq_msg_len(&msg), 0);
    stop(&f);
}

static void copy__shares_the_place__which_is_written_no_more(void **state)
{
    struct mcq_msg copy;
    struct mcq_msg msg;
    struct fixture f;

    (void) state;
    start(&f, 1);
    take(&f, 60, &msg);
    mcq_msg_copy(&copy, &msg);
    assert_null(mcq_msg_fill(&msg));
    assert_null(mcq_msg_fill(&copy));
    assert_ptr_equal(mcq_msg_data(&copy), mcq_msg_data(&msg));
    mcq_msg_fini(&msg);
    assert_int_equal(mcq_msg_data(&copy)[59], 60);
    mcq_msg_fini(&copy);
    stop(&f);
}

static void *write_and_end(void *argument)
{
    struct mcq_msg *msg = argument;

    memset(mcq_msg_fill(msg), 1, mcq_msg_len(msg));
    mcq_msg_fini(msg);
    return NULL;
}

static void message__outlives_its_owner__in_another_thread(void **state)
{
    struct mcq_msg msg;
    struct fixture f;
    pthread_t thread;

    (void) state;
    start(&f, 1);
    take(&f, 100, &msg);
    mcq_places_fini(&f.places);
    mcq_slab_free(&f.slab);
    assert_int_equal(pthread_create(&thread, NULL, write_and_end, &msg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(take__one_after_the_other__lie_behind_each_other),
        LEDGER_TEST(put_front__is_followed_by_the_body),
        LEDGER_TEST(shrink__gives_back_what_is_behind__of_the_last_one_only),
        LEDGER_TEST(shrink__of_another_owner__changes_nothing),
        LEDGER_TEST(take__full_block__another_one_and_the_first_comes_home),
        LEDGER_TEST(take__larger_than_a_block__has_a_buffer_of_its_own),
        LEDGER_TEST(copy__shares_the_place__which_is_written_no_more),
        LEDGER_TEST(message__outlives_its_owner__in_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
