#include <stdio.h>

#include "socket/test_support.h"

/* --- the table ------------------------------------------------------------------------------- */

static void find__all_types_that_are_there__with_all_that_the_runtime_calls(void **state)
{
    size_t count = 0;

    (void) state;
    for (int type = 0; type < MCQ_SOCKET_TYPE_LIMIT; type++) {
        const struct mcq_pattern_ops *ops = mcq_pattern_find((enum mcq_socket_type) type);

        assert_int_equal(ops != NULL,
                         mcq_socket_type_row((enum mcq_socket_type) type) != NULL &&
                             mcq_socket_type_row((enum mcq_socket_type) type)->is_there);
        if (ops == NULL)
            continue;
        count++;
        assert_int_equal(ops->type, type);
        assert_true(ops->create && ops->free && ops->attach && ops->up && ops->down);
        assert_true(ops->detach && ops->readable && ops->room);
        assert_int_equal(ops->can_send, ops->send != NULL);
        assert_int_equal(ops->can_recv, ops->recv != NULL);
        assert_int_equal(ops->can_recv, ops->next_readable != NULL);
        assert_true(ops->is_deaf == NULL || (ops->hear != NULL && ops->can_recv));
        assert_true(!ops->can_send || ops->is_writable != NULL);
        assert_true(ops->can_recv || ops->hear != NULL); /* or nobody would ever read */
    }
    assert_int_equal(count, 21);
    assert_null(mcq_pattern_find(MCQ_SOCKET_TYPE_NONE));
}

static void create__no_memory__nothing_is_left(void **state)
{
    (void) state;
    for (int type = 0; type < MCQ_SOCKET_TYPE_LIMIT; type++) {
        const struct mcq_pattern_ops *ops = mcq_pattern_find((enum mcq_socket_type) type);
        struct mcq_pattern_config config = {.group = NULL};
        enum mcq_err err = MCQ_NOMEM;

        for (uint64_t n = 1; ops != NULL && err == MCQ_NOMEM; n++) {
            struct mcq_pattern *pattern = NULL;

            mcq_alloc_fail_at(n);
            err = ops->create(ops, &config, &pattern);
            mcq_alloc_fail_at(0);
            assert_int_equal(err == MCQ_OK, pattern != NULL);
            if (pattern != NULL)
                ops->free(pattern);
            assert_int_equal(mcq_alloc_ledger().block_count, 0);
        }
    }
}

/* --- messages that tell whether they are whole ----------------------------------------------- */

#define PARTS 3

/* Part `part` of message `number` of a sender; the middle one is now and then large. */
static struct mcq_bytes part_of(unsigned sender, unsigned number, unsigned part, uint8_t *room)
{
    size_t len = part == 1 && number % 3 == 0 ? 5000 : 20 + number % 50;

    memset(room, (int) (sender * 16 + part), len);
    (void) snprintf((char *) room, 20, "%u/%u/%u", sender, number, part);
    return mcq_bytes(room, len);
}

/* Who receives from whom, and how far that has come. */
struct reader {
    bool takes_id; /* ROUTER: a part before each message */
    bool is_within;
    unsigned sender;
    unsigned number;
    unsigned part;        /* the next */
    unsigned last[16];    /* by sender: 1 + number of the last message */
    unsigned whole_count; /* messages */
    struct mcq_msg id;
};

static void reader_take(struct reader *reader, struct mcq_msg *msg)
{
    uint8_t room[5000];
    unsigned part;

    if (!reader->is_within && !msg->more && mcq_msg_data(msg)[0] <= 1) { /* XPUB: a subscription */
        mcq_msg_fini(msg);
        return;
    }
    if (!reader->is_within && reader->takes_id && mcq_msg_len(&reader->id) == 0) {
        assert_true(msg->more);
        mcq_msg_move(&reader->id, msg);
        return;
    }
    if (!reader->is_within) {
        assert_int_equal(sscanf((const char *) mcq_msg_data(msg), "%u/%u/%u", &reader->sender,
                                &reader->number, &part),
                         3);
        assert_int_equal(part, 0); /* not the rest of a message */
        assert_true(reader->number >= reader->last[reader->sender]);
        reader->last[reader->sender] = reader->number + 1;
        reader->part = 0;
    }
    assert_true(mcq_bytes_equal(mcq_msg_bytes(msg),
                                part_of(reader->sender, reader->number, reader->part, room)));
    reader->part++;
    assert_int_equal(msg->more, reader->part < PARTS);
    reader->is_within = msg->more;
    if (!msg->more) {
        reader->whole_count++;
        mcq_msg_fini(&reader->id);
    }
    mcq_msg_fini(msg);
}

/* All that is there. */
static void reader_drain(struct reader *reader, struct end *end)
{
    struct mcq_msg msg;

    while (end->ops->recv(end->pattern, &msg) == MCQ_OK)
        reader_take(reader, &msg);
}

/* --- every allocation fails, once ------------------------------------------------------------ */

struct pair {
    enum mcq_socket_type near; /* connects, and sends first */
    enum mcq_socket_type far;
    bool is_dialogue;
};

static const struct pair pair_table[] = {
    {MCQ_SOCKET_TYPE_PUSH, MCQ_SOCKET_TYPE_PULL, false},
    {MCQ_SOCKET_TYPE_PUB, MCQ_SOCKET_TYPE_SUB, false},
    {MCQ_SOCKET_TYPE_XPUB, MCQ_SOCKET_TYPE_SUB, false},
    {MCQ_SOCKET_TYPE_XSUB, MCQ_SOCKET_TYPE_XPUB, false},
    {MCQ_SOCKET_TYPE_PAIR, MCQ_SOCKET_TYPE_PAIR, true},
    {MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_DEALER, true},
    {MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_ROUTER, true},
    {MCQ_SOCKET_TYPE_REQ, MCQ_SOCKET_TYPE_REP, true},
};

struct pair_run {
    struct world world;
    struct end near;
    struct end far;
    struct test_peer *near_peer;
    unsigned answer_count;
    struct reader at_near;
    struct reader at_far;
};

static void run_init(struct pair_run *run, const struct pair *pair)
{
    *run = (struct pair_run) {.at_far.takes_id = pair->far == MCQ_SOCKET_TYPE_ROUTER};
    world_init(&run->world, 0);
    end_init(&run->near, &run->world, pair->near);
    end_init(&run->far, &run->world, pair->far);
    if (pair->near == MCQ_SOCKET_TYPE_REQ) { /* else it may wait for ever for what was lost */
        set(&run->near, MCQ_PATTERN_REQ_RELAXED, 1);
        set(&run->near, MCQ_PATTERN_REQ_CORRELATE, 1);
    }
    if (pair->far == MCQ_SOCKET_TYPE_SUB)
        assert_int_equal(run->far.ops->subscribe(run->far.pattern, mcq_bytes(NULL, 0), true),
                         MCQ_OK);
    run->near_peer = join(&run->near, &run->far).near;
    settle(&run->world);
}

/* A message of three parts. What was not taken is tried again, once: so often an allocation fails.
 * The rest of a message that has failed goes nowhere, whatever it is. */
static void send_message(struct end *end, unsigned sender, unsigned number)
{
    for (unsigned part = 0; part < PARTS; part++) {
        uint8_t room[5000];
        struct mcq_bytes bytes = part_of(sender, number, part, room);

        if (send_bytes(end, bytes, part + 1 < PARTS) == MCQ_NOMEM)
            (void) send_bytes(end, bytes, part + 1 < PARTS);
    }
}

/* The other side takes what has come, and answers each message. false: there was none. */
static bool answer(struct pair_run *run, const struct pair *pair)
{
    unsigned before = run->at_far.whole_count;
    struct mcq_msg id;
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &id, .more = true};
    bool is_named = true;

    mcq_msg_init(&id);
    while (run->at_far.whole_count == before &&
           run->far.ops->recv(run->far.pattern, &msg) == MCQ_OK) {
        reader_take(&run->at_far, &msg);
        if (mcq_msg_len(&run->at_far.id) > 0 && mcq_msg_len(&id) == 0)
            mcq_msg_copy(&id, &run->at_far.id);
    }
    part.body = mcq_msg_bytes(&id);
    if (run->at_far.whole_count > before && pair->is_dialogue) {
        if (run->at_far.takes_id)
            is_named = run->far.ops->send(run->far.pattern, &part) == MCQ_OK;
        if (is_named)
            send_message(&run->far, 2, run->answer_count++);
    }
    mcq_msg_fini(&id);
    settle(&run->world);
    return run->at_far.whole_count > before;
}

static void exchange(struct pair_run *run, const struct pair *pair, unsigned number)
{
    send_message(&run->near, 1, number);
    settle(&run->world);
    prefetch(&run->far);
    while (answer(run, pair))
        if (run->near.ops->can_recv)
            reader_drain(&run->at_near, &run->near);
}

static void each_allocation_refused__messages_are_whole_and_life_goes_on(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(pair_table); i++) {
        const struct pair *pair = &pair_table[i];
        bool is_over = false;
        uint64_t n;

        for (n = 1; !is_over; n++) {
            struct pair_run run;
            unsigned before;

            run_init(&run, pair);
            mcq_alloc_fail_at(n);
            for (unsigned number = 0; number < 4; number++)
                exchange(&run, pair, number);
            is_over = mcq_alloc_fail_left() > 0;
            mcq_alloc_fail_at(0);
            settle(&run.world);
            prefetch(&run.near);
            prefetch(&run.far);
            settle(&run.world);
            if (!run.near_peer->peer.link.is_up)
                (void) join_peer(&run.near, run.near_peer, &run.far);
            for (unsigned number = 4; number < 6; number++)
                exchange(&run, pair, number);
            before = run.at_far.whole_count;
            exchange(&run, pair, 6);
            assert_int_equal(run.at_far.whole_count, before + 1);
            if (pair->is_dialogue)
                assert_int_equal(run.at_near.last[2], run.answer_count);
            if (is_over)
                assert_int_equal(run.at_far.whole_count, 7);
            world_fini(&run.world);
            assert_int_equal(mcq_alloc_ledger().block_count, 0);
        }
        print_message("# %s to %s: %u allocations\n", mcq_socket_type_name(pair->near),
                      mcq_socket_type_name(pair->far), (unsigned) n - 2);
    }
}

/* --- a ROUTER among peers that come and go ---------------------------------------------------- */

#define DEALERS 5

struct life {
    uint64_t random;
    struct world world;
    struct end router;
    struct end dealers[DEALERS];
    struct test_peer *peers[DEALERS];
    struct reader at_router;
    struct reader at_dealers[DEALERS];
    char names[DEALERS][8];
    unsigned next[DEALERS];  /* message of a DEALER */
    unsigned parts[DEALERS]; /* of it that went out */
    unsigned router_next;    /* message of the ROUTER */
    unsigned router_parts;   /* of it; 0: the id is next */
    bool router_is_within;
};

static size_t below(struct life *life, size_t bound)
{
    return support_random_below(&life->random, bound);
}

static void dealer_sends(struct life *life, size_t d)
{
    uint8_t room[5000];
    unsigned part = life->parts[d];
    enum mcq_err err = send_bytes(
        &life->dealers[d], part_of((unsigned) d, life->next[d], part, room), part + 1 < PARTS);

    if (err == MCQ_AGAIN || (err == MCQ_NOMEM && part == 0))
        return; /* nothing was taken: the same again, later */
    life->parts[d] = part + 1;
    if (err == MCQ_NOMEM && part + 1 == PARTS)
        life->parts[d] = part;
    if (life->parts[d] == PARTS) {
        life->parts[d] = 0;
        life->next[d]++;
    }
}

static void router_sends(struct life *life)
{
    uint8_t room[5000];
    unsigned part = life->router_parts;
    enum mcq_err err;

    if (!life->router_is_within) {
        err = send_text(&life->router, life->names[below(life, DEALERS)], true);
        assert_int_equal(err, MCQ_OK);
        life->router_is_within = true;
        return;
    }
    err = send_bytes(&life->router, part_of(15, life->router_next, part, room), part + 1 < PARTS);
    assert_true(err == MCQ_OK || err == MCQ_NOMEM);
    if (err == MCQ_NOMEM && part + 1 == PARTS)
        return;
    life->router_parts++;
    if (life->router_parts == PARTS) {
        life->router_parts = 0;
        life->router_is_within = false;
        life->router_next++;
    }
}

static void one_receives(struct end *end, struct reader *reader)
{
    struct mcq_msg msg;
    enum mcq_err err = end->ops->recv(end->pattern, &msg);

    assert_true(err == MCQ_OK || err == MCQ_AGAIN);
    if (err == MCQ_OK)
        reader_take(reader, &msg);
}

static void one_step(struct life *life)
{
    size_t d = below(life, DEALERS);
    struct test_peer *peer = life->peers[d];

    switch (below(life, 12)) {
    case 0:
    case 1:
    case 2: dealer_sends(life, d); break;
    case 3:
    case 4:
    case 5: router_sends(life); break;
    case 6:
    case 7: /* as many parts as come in, or those who go would leave ever more behind */
        for (int i = 0; i < 8; i++)
            one_receives(&life->router, &life->at_router);
        break;
    case 8: one_receives(&life->dealers[d], &life->at_dealers[d]); break;
    case 9: (void) end_pump(below(life, 2) == 0 ? &life->router : &life->dealers[d]); break;
    case 10:
        if (below(life, 4) == 0 && peer->peer.link.is_up)
            mcq_sim_reset(life->world.sim, peer->peer.link.fd);
        if (below(life, 2) == 0)
            prefetch(&life->router);
        if (below(life, 3) == 0)
            mcq_alloc_fail_at(1 + below(life, 4));
        break;
    default:
        settle(&life->world);
        prefetch(&life->dealers[d]);
        settle(&life->world);
        mcq_alloc_fail_at(0);
        if (!peer->peer.link.is_up)
            (void) join_peer(&life->dealers[d], peer, &life->router);
    }
}

static void random_life__router_and_dealers__messages_are_whole_and_in_order(void **state)
{
    struct life life = {.random = support_seed(), .at_router.takes_id = true};
    struct mcq_sim_faults faults = {.partial = 100, .again = 50, .pipe_bytes = 4000};

    (void) state;
    world_init_faulty(&life.world, 1, &faults);
    end_init(&life.router, &life.world, MCQ_SOCKET_TYPE_ROUTER);
    set(&life.router, MCQ_PATTERN_ROUTER_HANDOVER,
        1); /* a name comes back before its loss is seen */
    life.router.out_max = 3;
    for (size_t d = 0; d < DEALERS; d++) {
        (void) snprintf(life.names[d], sizeof life.names[d], "d%zu", d);
        end_init(&life.dealers[d], &life.world, MCQ_SOCKET_TYPE_DEALER);
        end_name(&life.dealers[d], life.names[d]);
        life.dealers[d].out_max = 3;
        life.peers[d] = join(&life.dealers[d], &life.router).near;
    }
    for (int step = 0; step < 30000; step++)
        one_step(&life);
    mcq_alloc_fail_at(0);
    assert_true(life.at_router.whole_count > 100);
    print_message("# %u messages in, %u out\n", life.at_router.whole_count, life.router_next);
    mcq_msg_fini(&life.at_router.id);
    world_fini(&life.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(find__all_types_that_are_there__with_all_that_the_runtime_calls),
        LEDGER_TEST(create__no_memory__nothing_is_left),
        LEDGER_TEST(each_allocation_refused__messages_are_whole_and_life_goes_on),
        LEDGER_TEST(random_life__router_and_dealers__messages_are_whole_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
