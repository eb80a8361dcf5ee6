#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/lock.h"

struct letter {
    struct mcq_letter head; /* first: a letter is what it begins with */
    int number;
};

static void lock__taken__refused_to_others_until_released(void **state)
{
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    mcq_lock_take(&lock);
    assert_false(mcq_lock_try(&lock));
    assert_true(mcq_lock_release(&lock));
    assert_true(mcq_lock_try(&lock));
    assert_true(mcq_lock_release(&lock));
}

static void post__to_a_holder__release_waits_for_the_letters_in_their_order(void **state)
{
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct mcq_lock lock;
    int expected = 0;

    (void) state;
    mcq_lock_init(&lock);
    mcq_lock_take(&lock);
    for (int i = 0; i < 3; i++)
        assert_false(mcq_lock_post(&lock, &letters[i].head));
    assert_false(mcq_lock_release(&lock));
    for (struct mcq_letter *letter = mcq_lock_take_letters(&lock); letter; letter = letter->next)
        assert_int_equal(((struct letter *) letter)->number, expected++);
    assert_int_equal(expected, 3);
    assert_null(mcq_lock_take_letters(&lock));
    assert_true(mcq_lock_release(&lock));
}

static void post__to_a_free_lock__makes_the_poster_its_holder(void **state)
{
    struct letter letter = {.number = 7};
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    assert_true(mcq_lock_post(&lock, &letter.head));
    assert_false(mcq_lock_try(&lock));
    assert_false(mcq_lock_release(&lock));
    assert_ptr_equal(mcq_lock_take_letters(&lock), &letter.head);
    assert_true(mcq_lock_release(&lock));
}

/* As often as it takes for the lock to be this thread's. */
static void take_often(struct mcq_lock *lock)
{
    for (int i = 0; i < 100000; i++) {
        mcq_lock_take(lock);
        assert_true(mcq_lock_release(lock));
    }
}

static bool is_biased(struct mcq_lock *lock)
{
    return atomic_load(&lock->word) & MCQ_LOCK_BIASED;
}

static void *try_and_release(void *argument)
{
    struct mcq_lock *lock = argument;

    if (!mcq_lock_try(lock))
        return NULL;
    return mcq_lock_release(lock) ? lock : NULL;
}

/* NULL: another thread did not get it. */
static void *let_other_try(struct mcq_lock *lock)
{
    pthread_t thread;
    void *got;

    assert_int_equal(pthread_create(&thread, NULL, try_and_release, lock), 0);
    assert_int_equal(pthread_join(thread, &got), 0);
    return got;
}

static void bias__of_a_thread_that_is_outside__gives_way_to_others(void **state)
{
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    take_often(&lock);
    if (!is_biased(&lock))
        skip(); /* the kernel cannot fence */
    assert_ptr_equal(let_other_try(&lock), &lock);
    assert_false(is_biased(&lock));
    take_often(&lock);
    assert_true(is_biased(&lock));
}

static void bias__of_a_thread_that_is_inside__refuses_others_and_ends_when_it_leaves(void **state)
{
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    take_often(&lock);
    if (!is_biased(&lock))
        skip();
    mcq_lock_take(&lock);
    assert_null(let_other_try(&lock));
    assert_true(is_biased(&lock));
    assert_true(mcq_lock_release(&lock));
    assert_false(is_biased(&lock));
    assert_ptr_equal(let_other_try(&lock), &lock);
}

static void bias__letter_to_who_is_inside__is_read_before_the_lock_is_let_go(void **state)
{
    struct letter letter = {.number = 7};
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    take_often(&lock);
    mcq_lock_take(&lock);
    assert_false(mcq_lock_post(&lock, &letter.head));
    assert_false(mcq_lock_release(&lock));
    assert_ptr_equal(mcq_lock_take_letters(&lock), &letter.head);
    assert_true(mcq_lock_release(&lock));
    assert_true(mcq_lock_post(&lock, &letter.head)); /* to nobody: the poster reads it */
    assert_ptr_equal(mcq_lock_take_letters(&lock), &letter.head);
    assert_true(mcq_lock_release(&lock));
}

static void bias__of_two_locks__one_is_taken_inside_the_other(void **state)
{
    struct mcq_lock outer, inner;

    (void) state;
    mcq_lock_init(&outer);
    mcq_lock_init(&inner);
    take_often(&outer);
    take_often(&inner);
    mcq_lock_take(&outer);
    mcq_lock_take(&inner);
    assert_null(let_other_try(&inner));
    assert_null(let_other_try(&outer));
    assert_true(mcq_lock_release(&inner));
    assert_ptr_equal(let_other_try(&inner), &inner);
    assert_null(let_other_try(&outer));
    assert_true(mcq_lock_release(&outer));
    assert_ptr_equal(let_other_try(&outer), &outer);
}

static void bias__not_wanted_any_more__ends_and_does_not_come_back(void **state)
{
    struct mcq_lock lock;

    (void) state;
    mcq_lock_init(&lock);
    take_often(&lock);
    mcq_lock_take(&lock);
    mcq_lock_set_biasable(&lock, false);
    assert_null(let_other_try(&lock));
    assert_true(mcq_lock_release(&lock));
    take_often(&lock);
    assert_false(is_biased(&lock));
}

#define OWNERS 3
#define POSTERS 2
#define ROUNDS 5000

struct stress {
    struct mcq_lock lock;
    long counter; /* guarded by the lock */
    long received;
    long order_broken;
    int last[POSTERS];
};

struct poster {
    struct stress *stress;
    int index;
    struct letter letters[ROUNDS];
};

static struct poster posters[POSTERS];

static void read_letters(struct stress *stress)
{
    struct mcq_letter *letter = mcq_lock_take_letters(&stress->lock);

    while (letter != NULL) {
        int number = ((struct letter *) letter)->number;
        int poster = number / ROUNDS;

        letter = letter->next;
        stress->received++;
        stress->order_broken += number % ROUNDS != stress->last[poster];
        stress->last[poster] = number % ROUNDS + 1;
    }
}

static void let_go(struct stress *stress)
{
    while (!mcq_lock_release(&stress->lock))
        read_letters(stress);
}

static void *own(void *argument)
{
    struct stress *stress = argument;

    for (int i = 0; i < ROUNDS; i++) {
        mcq_lock_take(&stress->lock);
        stress->counter++;
        let_go(stress);
    }
    return NULL;
}

static void *post(void *argument)
{
    struct poster *poster = argument;

    for (int i = 0; i < ROUNDS; i++) {
        poster->letters[i].number = poster->index * ROUNDS + i;
        if (mcq_lock_post(&poster->stress->lock, &poster->letters[i].head))
            let_go(poster->stress);
    }
    return NULL;
}

static void lock__owners_and_posters_at_once__nothing_lost_doubled_or_left(void **state)
{
    static struct stress stress;
    pthread_t threads[OWNERS + POSTERS];

    (void) state;
    mcq_lock_init(&stress.lock);
    for (int i = 0; i < OWNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, own, &stress), 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].stress = &stress;
        posters[i].index = i;
        assert_int_equal(pthread_create(&threads[OWNERS + i], NULL, post, &posters[i]), 0);
    }
    for (int i = 0; i < OWNERS + POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    /* Nobody comes along afterwards: what was posted last was read by its poster or its holder. */
    assert_int_equal(stress.counter, OWNERS * ROUNDS);
    assert_int_equal(stress.received, POSTERS * ROUNDS);
    assert_int_equal(stress.order_broken, 0);
    assert_true(mcq_lock_try(&stress.lock));
    assert_true(mcq_lock_release(&stress.lock));
}

/* One thread takes the lock all the time, and has it by its bias mostly; the others end that. */
static void *own_mostly(void *argument)
{
    struct stress *stress = argument;

    for (int i = 0; i < 100 * ROUNDS; i++) {
        mcq_lock_take(&stress->lock);
        stress->counter++;
        let_go(stress);
    }
    return NULL;
}

static void bias__against_owners_and_posters__nothing_lost_doubled_or_left(void **state)
{
    static struct stress stress;
    pthread_t threads[3 + POSTERS];

    (void) state;
    mcq_lock_init(&stress.lock);
    assert_int_equal(pthread_create(&threads[0], NULL, own_mostly, &stress), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, own_mostly, &stress), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, own, &stress), 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].stress = &stress;
        posters[i].index = i;
        assert_int_equal(pthread_create(&threads[3 + i], NULL, post, &posters[i]), 0);
    }
    for (int i = 0; i < 3 + POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(stress.counter, 201 * ROUNDS);
    assert_int_equal(stress.received, POSTERS * ROUNDS);
    assert_int_equal(stress.order_broken, 0);
    assert_true(mcq_lock_try(&stress.lock));
    assert_true(mcq_lock_release(&stress.lock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock__taken__refused_to_others_until_released),
        cmocka_unit_test(post__to_a_holder__release_waits_for_the_letters_in_their_order),
        cmocka_unit_test(post__to_a_free_lock__makes_the_poster_its_holder),
        cmocka_unit_test(bias__of_a_thread_that_is_outside__gives_way_to_others),
        cmocka_unit_test(bias__of_a_thread_that_is_inside__refuses_others_and_ends_when_it_leaves),
        cmocka_unit_test(bias__letter_to_who_is_inside__is_read_before_the_lock_is_let_go),
        cmocka_unit_test(bias__of_two_locks__one_is_taken_inside_the_other),
        cmocka_unit_test(bias__not_wanted_any_more__ends_and_does_not_come_back),
        cmocka_unit_test(lock__owners_and_posters_at_once__nothing_lost_doubled_or_left),
        cmocka_unit_test(bias__against_owners_and_posters__nothing_lost_doubled_or_left),
    };

    mcq_bias_enable();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
