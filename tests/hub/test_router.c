#include "hub/router.h"

#include <stdio.h>
#include <string.h>

#include "arena/test_support.h"

static const uint8_t table_key[MCQ_TABLE_KEY_BYTES] = "a key of 16 oct";

static struct mcq_bytes id_of(const char *text)
{
    return mcq_bytes_of(text);
}

static void up(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch,
               struct mcq_bytes id)
{
    struct mcq_router_peer *older;

    assert_int_equal(mcq_router_up(router, peer, epoch, id, false, &older), MCQ_OK);
    assert_null(older);
}

static enum mcq_err try_up(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch,
                           struct mcq_bytes id)
{
    struct mcq_router_peer *older;

    return mcq_router_up(router, peer, epoch, id, false, &older);
}

static void router_find__every_length_of_id__its_peer(void **state)
{
    static struct mcq_router_peer peers[MCQ_ROUTER_ID_MAX];
    uint8_t id[MCQ_ROUTER_ID_MAX + 1];
    struct mcq_router_peer extra = {0};
    struct mcq_router router;

    (void) state;
    memset(peers, 0, sizeof peers);
    memset(id, 'x', sizeof id);
    mcq_router_init(&router, table_key, 0);
    for (size_t len = 1; len <= MCQ_ROUTER_ID_MAX; len++)
        up(&router, &peers[len - 1], len, mcq_bytes(id, len));
    for (size_t len = 1; len <= MCQ_ROUTER_ID_MAX; len++) {
        struct mcq_router_peer *peer = mcq_router_find(&router, mcq_bytes(id, len));

        assert_ptr_equal(peer, &peers[len - 1]);
        assert_true(mcq_bytes_equal(mcq_router_id(peer), mcq_bytes(id, len)));
    }
    assert_null(mcq_router_find(&router, mcq_bytes(id, 0)));
    assert_null(mcq_router_find(&router, mcq_bytes(id, 256)));
    assert_null(mcq_router_find(&router, id_of("y")));
    assert_int_equal(try_up(&router, &extra, 1, mcq_bytes(id, 256)), MCQ_INVAL);
    assert_int_equal(mcq_router_count(&router), MCQ_ROUTER_ID_MAX);
    mcq_router_fini(&router);
}

static void router_up__no_id__gets_a_generated_one(void **state)
{
    static const uint8_t ids[3][5] = {
        {0, 0xff, 0xff, 0xff, 0xfe}, {0, 0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0, 0}};
    struct mcq_router_peer peers[3] = {0};
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, UINT32_MAX - 1);
    for (int i = 0; i < 3; i++) {
        up(&router, &peers[i], 1, mcq_bytes(NULL, 0));
        assert_true(mcq_bytes_equal(mcq_router_id(&peers[i]), mcq_bytes(ids[i], 5)));
    }
    mcq_router_fini(&router);
}

static void router_up__counter_meets_a_living_peer__steps_over_it(void **state)
{
    static const uint8_t next[5] = {0, 0, 0, 0, 7};
    struct mcq_router_peer peers[3] = {0};
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 5);
    up(&router, &peers[0], 1, mcq_bytes(NULL, 0));
    up(&router, &peers[1], 1, mcq_bytes(NULL, 0));
    router.id_counter = 5; /* as after 2^32 connections */
    up(&router, &peers[2], 1, mcq_bytes(NULL, 0));
    assert_true(mcq_bytes_equal(mcq_router_id(&peers[2]), mcq_bytes(next, 5)));
    mcq_router_fini(&router);
}

static void router_up__claims_a_generated_id__is_refused(void **state)
{
    static const uint8_t form[6] = {0, 1, 2, 3, 4, 5};
    struct mcq_router_peer peers[3] = {0};
    struct mcq_router_peer *older;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0x01020304);
    assert_int_equal(try_up(&router, &peers[0], 1, mcq_bytes(form, 5)), MCQ_MISMATCH);
    up(&router, &peers[0], 1, mcq_bytes(NULL, 0));
    assert_int_equal(mcq_router_up(&router, &peers[1], 2, mcq_bytes(form, 5), true, &older),
                     MCQ_MISMATCH);
    up(&router, &peers[1], 2, mcq_bytes(form, 4)); /* another form, which libzmq's peers may have */
    up(&router, &peers[2], 2, mcq_bytes(form, 6));
    mcq_router_fini(&router);
}

static void router_up__id_is_taken__is_refused(void **state)
{
    struct mcq_router_peer peers[2] = {0};
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    up(&router, &peers[0], 1, id_of("worker with a long name"));
    assert_int_equal(try_up(&router, &peers[1], 2, id_of("worker with a long name")), MCQ_MISMATCH);
    assert_ptr_equal(mcq_router_find(&router, id_of("worker with a long name")), &peers[0]);
    assert_true(mcq_router_down(&router, &peers[0], 1));
    up(&router, &peers[1], 2, id_of("worker with a long name"));
    mcq_router_fini(&router);
}

static void router_up__takes_over__older_one_is_out(void **state)
{
    struct mcq_router_peer peers[2] = {0};
    struct mcq_router_peer *older;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    up(&router, &peers[0], 1, id_of("worker"));
    assert_int_equal(mcq_router_up(&router, &peers[1], 2, id_of("worker"), true, &older), MCQ_OK);
    assert_ptr_equal(older, &peers[0]);
    assert_int_equal(older->turn.part, MCQ_RING_OUT);
    assert_ptr_equal(mcq_router_find(&router, id_of("worker")), &peers[1]);
    assert_int_equal(mcq_router_count(&router), 1);
    mcq_router_fini(&router);
}

static void router_up__ghost_older_than_the_holder__is_refused(void **state)
{
    struct mcq_router_peer peers[2] = {0};
    struct mcq_router_peer *older;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    up(&router, &peers[0], 2, id_of("worker"));
    assert_int_equal(mcq_router_up(&router, &peers[1], 1, id_of("worker"), true, &older),
                     MCQ_STATE);
    assert_int_equal(try_up(&router, &peers[0], 3, id_of("again")), MCQ_STATE);
    assert_ptr_equal(mcq_router_find(&router, id_of("worker")), &peers[0]);
    mcq_router_fini(&router);
}

static void fault_e3__events_of_an_older_epoch__ignored(void **state)
{
    struct mcq_router_peer peers[2] = {0};
    struct mcq_router_peer *older;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    up(&router, &peers[0], 1, id_of("worker"));
    assert_int_equal(mcq_router_up(&router, &peers[1], 2, id_of("worker"), true, &older), MCQ_OK);
    /* Now the end of the first connection is heard of, in all ways that there are. */
    assert_false(mcq_router_down(&router, &peers[0], 1));
    assert_false(mcq_router_down(&router, &peers[1], 1));
    assert_null(mcq_router_down_id(&router, id_of("worker"), 1));
    assert_false(mcq_router_set_ready(&router, &peers[1], 1, true));
    assert_ptr_equal(mcq_router_find(&router, id_of("worker")), &peers[1]);
    assert_ptr_equal(mcq_router_down_id(&router, id_of("worker"), 2), &peers[1]);
    assert_null(mcq_router_find(&router, id_of("worker")));
    assert_null(mcq_router_down_id(&router, id_of("worker"), 2));
    mcq_router_fini(&router);
}

static void router_up__nth_allocation_fails__nothing_changed(void **state)
{
    struct mcq_router_peer holder = {0};
    struct mcq_router_peer peer = {0};
    struct mcq_router_peer *older;
    struct mcq_router router;
    enum mcq_err err = MCQ_NOMEM;

    (void) state;
    for (uint64_t n = 1; err != MCQ_OK; n++) {
        mcq_router_init(&router, table_key, 0);
        mcq_alloc_fail_at(n);
        err = try_up(&router, &peer, n, id_of("an id that is not kept inline"));
        mcq_alloc_fail_at(0);
        if (err != MCQ_OK) {
            assert_int_equal(err, MCQ_NOMEM);
            assert_int_equal(peer.turn.part, MCQ_RING_OUT);
            assert_int_equal(mcq_router_count(&router), 0);
        }
        mcq_router_fini(&router);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
        assert_true(n < 10);
    }
    mcq_router_init(&router, table_key, 0);
    up(&router, &holder, 1, id_of("an id that is not kept inline"));
    mcq_alloc_fail_at(1);
    assert_int_equal(
        mcq_router_up(&router, &peer, 100, id_of("an id that is not kept inline"), true, &older),
        MCQ_NOMEM);
    assert_ptr_equal(mcq_router_find(&router, id_of("an id that is not kept inline")), &holder);
    mcq_router_fini(&router);
}

static void router_pick__by_turn__strict_round_over_live_peers(void **state)
{
    struct mcq_router_peer peers[3] = {0};
    struct mcq_router_peer *peer;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_NOBODY);
    for (int i = 0; i < 3; i++) {
        up(&router, &peers[i], 1, mcq_bytes(NULL, 0));
        assert_true(mcq_router_set_ready(&router, &peers[i], 1, true));
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_PEER);
        assert_ptr_equal(peer, &peers[i % 3]);
        mcq_router_sent(&router, false);
    }
    mcq_router_fini(&router);
}

/* The connections of most peers are dead and nobody said so: whoever sends finds out. */
static void router_pick__stale_peers__repaired_in_passing_and_ends(void **state)
{
    enum { PEERS = 1000 };
    static struct mcq_router_peer peers[PEERS];
    struct mcq_router_peer *peer;
    struct mcq_router router;
    size_t passes = 0;

    (void) state;
    memset(peers, 0, sizeof peers);
    mcq_router_init(&router, table_key, 0);
    for (size_t i = 0; i < PEERS; i++) {
        up(&router, &peers[i], 1, mcq_bytes(NULL, 0));
        assert_true(mcq_router_set_ready(&router, &peers[i], 1, true));
    }
    for (; mcq_router_pick(&router, &peer) == MCQ_TURN_PEER && peer != &peers[700]; passes++) {
        if (passes % 2 == 0)
            assert_true(mcq_router_down(&router, peer, 1));
        else
            assert_true(mcq_router_set_ready(&router, peer, 1, false));
    }
    assert_int_equal(passes, 700);
    assert_int_equal(mcq_router_count(&router), PEERS - 350);
    while (mcq_router_pick(&router, &peer) == MCQ_TURN_PEER) {
        assert_true(mcq_router_down(&router, peer, 1));
        passes++;
    }
    assert_int_equal(passes, PEERS);
    assert_int_equal(mcq_router_count(&router), 350);
    mcq_router_fini(&router);
}

static void router_aim__peer_goes_within_the_message__rest_is_swallowed(void **state)
{
    struct mcq_router_peer peers[2] = {0};
    struct mcq_router_peer *peer;
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    up(&router, &peers[0], 1, id_of("a"));
    up(&router, &peers[1], 1, id_of("b"));
    assert_int_equal(mcq_router_aim(&router, mcq_router_find(&router, id_of("b"))), MCQ_OK);
    assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_PEER);
    assert_ptr_equal(peer, &peers[1]);
    mcq_router_sent(&router, true);
    assert_true(mcq_router_down(&router, &peers[1], 1));
    assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_CUT);
    assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_SWALLOW);
    mcq_router_sent(&router, false);
    /* To an id that nobody has: the message goes nowhere, and changes nothing. */
    assert_int_equal(mcq_router_aim(&router, mcq_router_find(&router, id_of("b"))), MCQ_OK);
    assert_int_equal(mcq_router_pick(&router, &peer), MCQ_TURN_SWALLOW);
    mcq_router_sent(&router, false);
    mcq_router_fini(&router);
}

static void router_next__visits_every_peer_once(void **state)
{
    struct mcq_router_peer peers[20] = {0};
    bool seen[20] = {0};
    struct mcq_router router;

    (void) state;
    mcq_router_init(&router, table_key, 0);
    assert_null(mcq_router_first(&router));
    for (int i = 0; i < 20; i++) {
        up(&router, &peers[i], 1, mcq_bytes(NULL, 0));
        assert_true(mcq_router_set_ready(&router, &peers[i], 1, i % 3 == 0));
    }
    for (struct mcq_router_peer *peer = mcq_router_first(&router); peer != NULL;
         peer = mcq_router_next(&router, peer)) {
        assert_false(seen[peer - peers]);
        seen[peer - peers] = true;
    }
    for (int i = 0; i < 20; i++)
        assert_true(seen[i]);
    mcq_router_fini(&router);
}

/* A million connections with fresh identities, never more than a thousand at once, then a crowd
 * that leaves: the table is as small as before. */
static void fault_c18__a_million_identities__shrinks_back(void **state)
{
    enum { CHURN = 1000000, CROWD = 50000, STEADY = 1000 };
    static struct mcq_router_peer peers[CROWD];
    struct mcq_router router;
    struct mcq_ledger steady;
    char id[40];

    (void) state;
    memset(peers, 0, sizeof peers);
    mcq_router_init(&router, table_key, 0);
    for (uint64_t i = 0; i < CHURN; i++) {
        struct mcq_router_peer *peer = &peers[i % STEADY];
        int len = snprintf(id, sizeof id, i % 2 ? "%u" : "a longer name of peer %u", (unsigned) i);

        if (i >= STEADY)
            assert_true(mcq_router_down(&router, peer, i - STEADY + 1));
        up(&router, peer, i + 1, mcq_bytes(id, (size_t) len));
    }
    assert_int_equal(mcq_router_count(&router), STEADY);
    assert_true(router.table.bucket_count <= 2048);
    steady = mcq_alloc_ledger();
    for (uint64_t i = STEADY; i < CROWD; i++)
        up(&router, &peers[i], 1, mcq_bytes(NULL, 0));
    assert_true(mcq_alloc_ledger().bytes > steady.bytes + CROWD * sizeof(void *));
    for (uint64_t i = STEADY; i < CROWD; i++)
        assert_true(mcq_router_down(&router, &peers[i], 1));
    assert_true(mcq_alloc_ledger().bytes <= steady.bytes + (size_t) 2 * 8192 * sizeof(void *));
    assert_true(router.table.bucket_count <= 8192);
    for (uint64_t i = 0; i < STEADY; i++)
        assert_true(mcq_router_down(&router, &peers[i], peers[i].turn.epoch));
    assert_int_equal(router.table.bucket_count, MCQ_TABLE_BUCKETS_MIN);
    assert_int_equal(mcq_alloc_ledger().block_count, 1);
    mcq_router_fini(&router);
}

/* The reference: an array of who has which of a few ids. */
static void router__any_calls__as_the_model(void **state)
{
    enum { PEERS = 40, IDS = 30 };
    uint64_t random = support_seed();
    struct mcq_router_peer peers[PEERS] = {0};
    int holder[IDS]; /* of each id: a peer, or -1 */
    int id_held[PEERS];
    uint64_t epochs[PEERS] = {0};
    uint64_t clock = 1;
    struct mcq_router router;
    char name[40];

    (void) state;
    memset(holder, -1, sizeof holder);
    memset(id_held, -1, sizeof id_held);
    mcq_router_init(&router, table_key, 0);
    for (int step = 0; step < 200000; step++) {
        int p = (int) support_random_below(&random, PEERS);
        int i = (int) support_random_below(&random, IDS);
        bool is_late = support_random_below(&random, 5) == 0;
        bool takes_over = support_random_below(&random, 2) == 0;
        int len = snprintf(name, sizeof name, i % 2 ? "id %d" : "the peer with number %d", i);
        struct mcq_bytes id = mcq_bytes(name, (size_t) len);
        uint64_t epoch = is_late ? epochs[p] - (epochs[p] > 0) : clock++;
        struct mcq_router_peer *older = NULL;
        struct mcq_router_peer *found = mcq_router_find(&router, id);

        assert_ptr_equal(found, holder[i] < 0 ? NULL : &peers[holder[i]]);
        assert_int_equal(mcq_router_is(&peers[p], id), found == &peers[p]);
        if (support_random_below(&random, 2) == 0) {
            uint64_t newest = holder[i] < 0 ? 0 : epochs[holder[i]];
            enum mcq_err expected = id_held[p] >= 0 || epoch <= epochs[p] ? MCQ_STATE
                                    : epoch <= newest                     ? MCQ_STATE
                                    : newest > 0 && !takes_over           ? MCQ_MISMATCH
                                                                          : MCQ_OK;

            assert_int_equal(mcq_router_up(&router, &peers[p], epoch, id, takes_over, &older),
                             expected);
            if (expected != MCQ_OK)
                continue;
            assert_ptr_equal(older, found);
            if (holder[i] >= 0)
                id_held[holder[i]] = -1;
            holder[i] = p;
            id_held[p] = i;
            epochs[p] = epoch;
        } else {
            bool expected = id_held[p] >= 0 && !is_late;

            assert_int_equal(mcq_router_down(&router, &peers[p], is_late ? epoch : epochs[p]),
                             expected);
            if (expected) {
                holder[id_held[p]] = -1;
                id_held[p] = -1;
            }
        }
    }
    mcq_router_fini(&router);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(router_find__every_length_of_id__its_peer),
        LEDGER_TEST(router_up__no_id__gets_a_generated_one),
        LEDGER_TEST(router_up__counter_meets_a_living_peer__steps_over_it),
        LEDGER_TEST(router_up__claims_a_generated_id__is_refused),
        LEDGER_TEST(router_up__id_is_taken__is_refused),
        LEDGER_TEST(router_up__takes_over__older_one_is_out),
        LEDGER_TEST(router_up__ghost_older_than_the_holder__is_refused),
        LEDGER_TEST(fault_e3__events_of_an_older_epoch__ignored),
        LEDGER_TEST(router_up__nth_allocation_fails__nothing_changed),
        LEDGER_TEST(router_pick__by_turn__strict_round_over_live_peers),
        LEDGER_TEST(router_pick__stale_peers__repaired_in_passing_and_ends),
        LEDGER_TEST(router_aim__peer_goes_within_the_message__rest_is_swallowed),
        LEDGER_TEST(router_next__visits_every_peer_once),
        LEDGER_TEST(fault_c18__a_million_identities__shrinks_back),
        LEDGER_TEST(router__any_calls__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
