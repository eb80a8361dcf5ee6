/*
 * Calls of the router table against an array of peers.
 *
 * Oracle: every result, who is taken over, whom an id finds and where a message goes are the
 * array's; an older connection is never found, nor takes down its successor; generated ids are
 * nobody else's, wherever the counter is; what fails for want of memory changes nothing; all memory
 * comes back. The choices are where generated ids start.
 */

#include "hub/router.h"
#include "calls.h"
#include "round.h"

#define ID_MAX 300 /* more than an id may have */

struct run {
    struct calls calls;
    struct mcq_router router;
    struct mcq_router_peer peers[ROUND_PEERS];
    struct sender sender;
    uint8_t ids[ROUND_PEERS][ID_MAX]; /* of those that are in */
    size_t id_lens[ROUND_PEERS];
    uint32_t counter_start;
};

static struct run run;

static unsigned who_is(const struct mcq_ring_node *node)
{
    return (unsigned) ((const struct mcq_router_peer *) node - run.peers);
}

static unsigned who_of(const struct mcq_router_peer *peer)
{
    return peer == NULL ? ROUND_NOBODY : who_is(&peer->turn);
}

static struct mcq_bytes id_of(unsigned who)
{
    return mcq_bytes(run.ids[who], run.id_lens[who]);
}

/* Who has it, in the model. */
static unsigned holder_of(struct mcq_bytes id)
{
    for (unsigned who = 0; who < ROUND_PEERS; who++)
        if (run.sender.round.is_in[who] && mcq_bytes_equal(id_of(who), id))
            return who;
    return ROUND_NOBODY;
}

/* --- ids: none, short ones, those in use, those that are generated, too long ones ------------- */

static struct mcq_bytes read_id(uint8_t id[ID_MAX])
{
    static const uint16_t lens[] = {16, 17, 255, 256};
    unsigned kind = calls_octet(&run.calls);
    size_t len = 1 + kind / 8 % 4;

    memset(id, 'x', ID_MAX);
    switch (kind % 8) {
    case 0: return mcq_bytes(id, 0);
    case 1: /* somebody's, or what was */
        len = run.id_lens[kind / 8 % ROUND_PEERS];
        memcpy(id, run.ids[kind / 8 % ROUND_PEERS], len);
        return mcq_bytes(id, len);
    case 2: /* in the form of a generated one */
        mcq_put_u32be(mcq_put_u8(id, 0), run.router.id_counter - kind / 8);
        return mcq_bytes(id, MCQ_ROUTER_GENERATED_BYTES);
    case 3: /* at the edges: kept inside, or not; the longest, and one more */
        id[0] = calls_octet(&run.calls);
        return mcq_bytes(id, lens[kind / 8 % 4]);
    case 4: /* as long as a generated one, and not one, or one all the same */
        len = MCQ_ROUTER_GENERATED_BYTES;
        break;
    default: break;
    }
    calls_letters(&run.calls, id, len);
    return mcq_bytes(id, len);
}

/* The generated id that comes next: the first number that nobody has. */
static struct mcq_bytes next_id(uint8_t id[ID_MAX])
{
    struct mcq_bytes bytes = mcq_bytes(id, MCQ_ROUTER_GENERATED_BYTES);
    uint32_t number = run.router.id_counter;

    do
        mcq_put_u32be(mcq_put_u8(id, 0), number++);
    while (holder_of(bytes) != ROUND_NOBODY);
    return bytes;
}

/* --- calls ------------------------------------------------------------------------------------ */

static enum mcq_err model_up(unsigned who, uint64_t epoch, struct mcq_bytes id, bool takes_over)
{
    const struct round *round = &run.sender.round;
    unsigned holder = holder_of(id);

    if (id.len > MCQ_ROUTER_ID_MAX)
        return MCQ_INVAL;
    if (id.len == MCQ_ROUTER_GENERATED_BYTES && id.data[0] == 0)
        return MCQ_MISMATCH;
    if (round->is_in[who] || epoch <= round->epochs[who])
        return MCQ_STATE;
    if (id.len == 0 || holder == ROUND_NOBODY)
        return MCQ_OK;
    if (epoch <= round->epochs[holder])
        return MCQ_STATE;
    return takes_over ? MCQ_OK : MCQ_MISMATCH;
}

static void up(unsigned who, uint64_t epoch, bool takes_over, uint64_t fail_at)
{
    uint8_t id_octets[ID_MAX], generated[ID_MAX];
    struct mcq_bytes id = read_id(id_octets);
    enum mcq_err expected = model_up(who, epoch, id, takes_over);
    struct mcq_bytes expected_id = id.len == 0 ? next_id(generated) : id;
    unsigned holder = holder_of(expected_id);
    struct mcq_router_peer *older = NULL;

    mcq_alloc_fail_at(fail_at);
    enum mcq_err err = mcq_router_up(&run.router, &run.peers[who], epoch, id, takes_over, &older);
    bool is_refused = fail_at > 0 && mcq_alloc_fail_left() == 0;

    mcq_alloc_fail_at(0);
    if (is_refused && err == MCQ_NOMEM)
        return; /* and what follows finds nothing changed */
    calls_same(err, expected, "up");
    if (err != MCQ_OK)
        return;
    calls_same(who_of(older), holder, "who is taken over");
    calls_same_bytes(mcq_router_id(&run.peers[who]), expected_id, "the id");
    (void) sender_up(&run.sender, who, epoch);
    if (holder != ROUND_NOBODY)
        (void) sender_down(&run.sender, holder, run.sender.round.epochs[holder]);
    memcpy(run.ids[who], expected_id.data, expected_id.len);
    run.id_lens[who] = expected_id.len;
}

static void down_id(uint64_t delta)
{
    uint8_t octets[ID_MAX];
    struct mcq_bytes id = read_id(octets);
    unsigned holder = holder_of(id);
    uint64_t epoch = delta;

    if (holder != ROUND_NOBODY)
        epoch = run.sender.round.epochs[holder] + delta % 2;
    if (holder != ROUND_NOBODY && !sender_down(&run.sender, holder, epoch))
        holder = ROUND_NOBODY;
    calls_same(who_of(mcq_router_down_id(&run.router, id, epoch)), holder, "who goes by id");
}

static void find(void)
{
    uint8_t octets[ID_MAX];
    struct mcq_bytes id = read_id(octets);

    calls_same(who_of(mcq_router_find(&run.router, id)), holder_of(id), "whom an id finds");
}

static void aim(unsigned who)
{
    if (who != ROUND_NOBODY && !run.sender.round.is_in[who])
        return;
    calls_same(mcq_router_aim(&run.router, who == ROUND_NOBODY ? NULL : &run.peers[who]),
               sender_aim(&run.sender, who), "aim");
}

/* Hands a frame over if it goes anywhere. */
static void send_frame(bool more, bool is_sent)
{
    struct mcq_router_peer *peer;
    unsigned who;
    enum mcq_turn expected = sender_pick(&run.sender, &who);

    calls_same(mcq_router_pick(&run.router, &peer), expected, "pick");
    calls_same(who_of(peer), who, "where a frame goes");
    if (!is_sent || (expected != MCQ_TURN_PEER && expected != MCQ_TURN_SWALLOW))
        return;
    mcq_router_sent(&run.router, more);
    sender_sent(&run.sender, more);
}

static void call(void)
{
    unsigned what = calls_octet(&run.calls), who = what / 16 % ROUND_PEERS;
    uint64_t delta = calls_octet(&run.calls);
    uint64_t now = run.sender.round.epochs[who];
    uint64_t epoch = now + delta % 8 - (now > 0);
    bool expected;

    switch (what % 16) {
    case 0:
    case 1:
    case 2:
    case 3: up(who, epoch, delta & 8, 0); break;
    case 4: up(who, epoch, delta & 8, 1 + delta / 16); break;
    case 5:
        expected = sender_down(&run.sender, who, now);
        calls_same(mcq_router_down(&run.router, &run.peers[who], now), expected, "down");
        break;
    case 6:
        expected = sender_down(&run.sender, who, epoch);
        calls_same(mcq_router_down(&run.router, &run.peers[who], epoch), expected, "down");
        break;
    case 7: down_id(delta); break;
    case 8:
    case 9:
        epoch = delta % 8 == 0 ? epoch : now;
        expected = round_set(&run.sender.round, who, epoch, delta & 8);
        calls_same(mcq_router_set_ready(&run.router, &run.peers[who], epoch, delta & 8), expected,
                   "set ready");
        break;
    case 10:
    case 11: find(); break;
    case 12: aim((unsigned) (delta % (ROUND_PEERS + 1))); break;
    case 13: run.router.id_counter = run.counter_start; break; /* as after 2^32 connections */
    default: send_frame(delta & 1, delta & 2); break;
    }
    calls_same(mcq_router_count(&run.router), mcq_ring_count(&run.router.balance.ring), "count");
}

static void fuzz_one(const struct fuzz_input *input)
{
    static const uint8_t key[MCQ_TABLE_KEY_BYTES] = {1, 2, 3};

    run = (struct run) {.calls = calls_of(input)};
    run.counter_start = (uint32_t) (input->choice[1] << 8) - input->choice[0];
    mcq_router_init(&run.router, key, run.counter_start);
    while (calls_next(&run.calls))
        call();
    round_check(&run.sender.round, &run.router.balance.ring, who_is);
    for (unsigned who = 0; who < ROUND_PEERS; who++)
        if (run.sender.round.is_in[who]) {
            calls_same_bytes(mcq_router_id(&run.peers[who]), id_of(who), "an id in the end");
            calls_same(who_of(mcq_router_find(&run.router, id_of(who))), who, "whom it finds");
        }
    mcq_router_fini(&run.router);
    calls_end();
}
