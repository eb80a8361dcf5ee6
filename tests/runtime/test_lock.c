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

#define OWNERS 3
#define POSTERS 2
#define ROUNDS 20000

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock__taken__refused_to_others_until_released),
        cmocka_unit_test(post__to_a_holder__release_waits_for_the_letters_in_their_order),
        cmocka_unit_test(post__to_a_free_lock__makes_the_poster_its_holder),
        cmocka_unit_test(lock__owners_and_posters_at_once__nothing_lost_doubled_or_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
