/* How an engine's turn is shared, in a simulated world whose clock the completions move. */

#include "runtime/engine.h"

#include "runtime/sim_support.h"

#define STRANGERS 20
#define FRIENDS 10
#define US UINT64_C(1000)

struct guest {
    struct mcq_wait wait; /* first */
    uint64_t takes_ns;
    unsigned served_at; /* its place in the order; 0: not yet */
};

static struct mcq_sim *sim;
static unsigned served_count;

static void serve(struct mcq_wait *wait)
{
    struct guest *guest = (struct guest *) wait;

    guest->served_at = ++served_count;
    mcq_sim_jump(sim, guest->takes_ns);
}

static unsigned count_served(const struct guest *guests, unsigned count)
{
    unsigned served = 0;

    for (unsigned i = 0; i < count; i++)
        served += guests[i].served_at > 0;
    return served;
}

/* Handshakes that are slow to compute leave the rest of the turn to others, and lose nothing. */
static void fault_b12__strangers__have_three_tenths_of_a_turn(void **state)
{
    static const struct mcq_sim_faults none = {0};
    struct guest strangers[STRANGERS] = {0};
    struct guest friends[FRIENDS] = {0};
    struct mcq_reactor *reactor;
    struct mcq_engine engine;
    unsigned before;

    (void) state;
    served_count = 0;
    assert_int_equal(mcq_sim_new(1, &none, &sim), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(sim, &reactor), MCQ_OK);
    assert_int_equal(mcq_engine_init(&engine, reactor, 1), MCQ_OK);
    for (unsigned i = 0; i < STRANGERS; i++) {
        strangers[i] =
            (struct guest) {.wait = {.done = serve, .gives_way = true}, .takes_ns = 100 * US};
        mcq_engine_timer(&engine, &strangers[i].wait, 1);
    }
    for (unsigned i = 0; i < FRIENDS; i++) {
        friends[i] = (struct guest) {.wait = {.done = serve}, .takes_ns = US};
        mcq_engine_timer(&engine, &friends[i].wait, 2);
    }
    mcq_sim_jump(sim, MS);
    mcq_reactor_wait(engine.reactor, 0);
    assert_true(mcq_engine_turn(&engine));
    before = count_served(strangers, STRANGERS);
    assert_true(before > 0 && before <= 3); /* 0.2 ms, and the one that goes beyond it */
    assert_int_equal(count_served(friends, FRIENDS), FRIENDS);
    assert_int_equal(engine.held_count, STRANGERS - before);
    assert_true(mcq_wait_is_armed(&strangers[STRANGERS - 1].wait));
    for (unsigned turn = 0; turn < STRANGERS && before < STRANGERS; turn++) {
        assert_true(mcq_engine_turn(&engine)); /* it does not sleep while any are held */
        assert_true(count_served(strangers, STRANGERS) > before);
        before = count_served(strangers, STRANGERS);
    }
    assert_int_equal(before, STRANGERS);
    for (unsigned i = 1; i < STRANGERS; i++)
        assert_true(strangers[i].served_at > strangers[i - 1].served_at);
    (void) mcq_engine_turn(&engine);
    assert_false(mcq_engine_turn(&engine));
    mcq_engine_fini(&engine);
    mcq_sim_free(&sim);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_b12__strangers__have_three_tenths_of_a_turn),
    };

    return cmocka_run_group_tests_name("runtime.engine", tests, NULL, NULL);
}
