/* Writes to many links at a time. */

#include "pump/link_support.h"

#define LINKS 6
#define LARGE 20000

struct row {
    struct world world;
    struct end a;
    struct end b;
    struct test_peer *near[LINKS];
    struct test_peer *far[LINKS];
};

static void start_row(struct row *r, size_t pipe_bytes)
{
    world_init(&r->world, pipe_bytes);
    end_init_bare(&r->a, &r->world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&r->b, &r->world, MCQ_SOCKET_TYPE_DEALER);
    for (int i = 0; i < LINKS; i++) {
        struct joined joined = join(&r->a, &r->b);

        r->near[i] = joined.near;
        r->far[i] = joined.far;
    }
    settle(&r->world);
    for (int i = 0; i < LINKS; i++)
        put_text(r->near[i], "in a row", false);
}

static bool is_dirty(const struct row *r, int i)
{
    return r->near[i]->peer.link.is_dirty;
}

static void some__those_that_are_dirty_longest(void **state)
{
    struct row r;
    uint64_t before;

    (void) state;
    start_row(&r, 0);
    before = r.a.group.dirty_count - 1;
    assert_int_equal(mcq_link_flush_some(&r.a.group, before, 4), 4);
    for (int i = 0; i < LINKS; i++)
        assert_int_equal(is_dirty(&r, i), i >= 4);
    assert_int_equal(mcq_link_flush_some(&r.a.group, before, 4), 1);
    assert_true(is_dirty(&r, 5));
    assert_int_equal(mcq_link_flush_some(&r.a.group, before, 4), 0);
    assert_int_equal(mcq_link_flush_some(&r.a.group, before + 1, SIZE_MAX), 1);
    assert_null(r.a.group.dirty_first);
    settle(&r.world);
    for (int i = 0; i < LINKS; i++)
        TAKE(r.far[i], "in a row");
    world_fini(&r.world);
}

/* A body that lies elsewhere, a stream that is full, one that has ended. */
static void all__whatever_else_some_of_them_have(void **state)
{
    static uint8_t body[LARGE];
    struct row r;

    (void) state;
    memset(body, 'x', sizeof body);
    start_row(&r, 4096);
    assert_int_equal(put_bytes(r.near[1], mcq_bytes(body, sizeof body), false), MCQ_OK);
    mcq_sim_reset(r.world.sim, r.near[3]->peer.link.fd);
    assert_int_equal(mcq_link_flush_some(&r.a.group, UINT64_MAX, SIZE_MAX), 1);
    assert_int_equal(mcq_link_flush_some(&r.a.group, UINT64_MAX, SIZE_MAX), 1); /* two runs */
    assert_int_equal(mcq_link_flush_some(&r.a.group, UINT64_MAX, SIZE_MAX), 4);
    assert_null(r.a.group.dirty_first);
    assert_true(r.near[1]->peer.link.is_blocked);
    assert_true(r.near[3]->peer.link.is_lost);
    for (int turn = 0; turn < 100; turn++) {
        settle(&r.world);
        (void) mcq_link_prefetch(&r.far[1]->peer.link);
    }
    for (int i = 0; i < LINKS; i++)
        if (i != 3)
            TAKE(r.far[i], "in a row");
    expect_part(r.far[1], 'x', sizeof body, false);
    world_fini(&r.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(some__those_that_are_dirty_longest),
        LEDGER_TEST(all__whatever_else_some_of_them_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
