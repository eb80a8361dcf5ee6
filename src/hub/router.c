#include "hub/router.h"

#include "arena/alloc.h"
#include "base/assert.h"

static struct mcq_router_peer *peer_of_turn(struct mcq_ring_node *node);
static struct mcq_router_peer *peer_of_entry(struct mcq_table_node *node);
static void router_check(const struct mcq_router *router);
static struct mcq_router_peer *router_find(const struct mcq_router *router, struct mcq_bytes id,
                                           uint64_t hash);
static enum mcq_err router_admit(const struct mcq_router *router,
                                 const struct mcq_router_peer *peer, uint64_t epoch,
                                 struct mcq_bytes id);
static struct mcq_bytes router_generate(struct mcq_router *router,
                                        uint8_t id[MCQ_ROUTER_GENERATED_BYTES]);
static enum mcq_err peer_set_id(struct mcq_router_peer *peer, struct mcq_bytes id);
static void peer_drop_id(struct mcq_router_peer *peer);

void mcq_router_init(struct mcq_router *router, const uint8_t key[MCQ_TABLE_KEY_BYTES],
                     uint32_t id_counter)
{
    mcq_table_init(&router->table, key);
    mcq_balance_init(&router->balance);
    router->id_counter = id_counter;
}

void mcq_router_fini(struct mcq_router *router)
{
    struct mcq_router_peer *peer;

    while ((peer = mcq_router_first(router)) != NULL)
        (void) mcq_router_down(router, peer, peer->turn.epoch);
    mcq_table_fini(&router->table);
}

enum mcq_err mcq_router_up(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch,
                           struct mcq_bytes id, bool takes_over, struct mcq_router_peer **older)
{
    uint8_t generated[MCQ_ROUTER_GENERATED_BYTES];

    router_check(router);
    MCQ_TRY(router_admit(router, peer, epoch, id));
    if (id.len == 0)
        id = router_generate(router, generated);

    uint64_t hash = mcq_table_hash(&router->table, id);
    struct mcq_router_peer *holder = router_find(router, id, hash);

    if (holder != NULL && epoch <= holder->turn.epoch)
        return MCQ_STATE;
    if (holder != NULL && !takes_over)
        return MCQ_MISMATCH;
    MCQ_TRY(peer_set_id(peer, id));

    enum mcq_err err = mcq_table_insert(&router->table, &peer->entry, hash);

    if (err != MCQ_OK) {
        peer_drop_id(peer);
        return err;
    }
    (void) mcq_balance_up(&router->balance, &peer->turn, epoch); /* admitted, so it is newer */
    if (holder != NULL)
        (void) mcq_router_down(router, holder, holder->turn.epoch);
    *older = holder;
    router_check(router);
    return MCQ_OK;
}

bool mcq_router_down(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch)
{
    if (!mcq_balance_down(&router->balance, &peer->turn, epoch))
        return false;
    mcq_table_remove(&router->table, &peer->entry);
    peer_drop_id(peer);
    router_check(router);
    return true;
}

struct mcq_router_peer *mcq_router_down_id(struct mcq_router *router, struct mcq_bytes id,
                                           uint64_t epoch)
{
    struct mcq_router_peer *peer = mcq_router_find(router, id);

    return peer != NULL && mcq_router_down(router, peer, epoch) ? peer : NULL;
}

bool mcq_router_set_ready(struct mcq_router *router, struct mcq_router_peer *peer, uint64_t epoch,
                          bool is_ready)
{
    return mcq_balance_set_ready(&router->balance, &peer->turn, epoch, is_ready);
}

struct mcq_router_peer *mcq_router_find(const struct mcq_router *router, struct mcq_bytes id)
{
    if (id.len == 0 || id.len > MCQ_ROUTER_ID_MAX)
        return NULL; /* nobody has such an id, and hashing a long one would cost its length */
    return router_find(router, id, mcq_table_hash(&router->table, id));
}

struct mcq_bytes mcq_router_id(const struct mcq_router_peer *peer)
{
    return mcq_bytes(peer->id_len > MCQ_ROUTER_ID_INLINE ? peer->id.large : peer->id.small,
                     peer->id_len);
}

struct mcq_router_peer *mcq_router_first(const struct mcq_router *router)
{
    return peer_of_turn(mcq_ring_first(&router->balance.ring));
}

struct mcq_router_peer *mcq_router_next(const struct mcq_router *router,
                                        const struct mcq_router_peer *peer)
{
    return peer_of_turn(mcq_ring_next(&router->balance.ring, &peer->turn));
}

enum mcq_err mcq_router_aim(struct mcq_router *router, struct mcq_router_peer *peer)
{
    return mcq_balance_aim(&router->balance, peer == NULL ? NULL : &peer->turn);
}

enum mcq_turn mcq_router_pick(struct mcq_router *router, struct mcq_router_peer **peer)
{
    struct mcq_ring_node *node;
    enum mcq_turn turn = mcq_balance_pick(&router->balance, &node);

    *peer = peer_of_turn(node);
    return turn;
}

void mcq_router_sent(struct mcq_router *router, bool more)
{
    mcq_balance_sent(&router->balance, more);
}

/* NULL stays NULL, for turn comes first. */
static_assert(offsetof(struct mcq_router_peer, turn) == 0, "a peer is its turn");

static struct mcq_router_peer *peer_of_turn(struct mcq_ring_node *node)
{
    return (struct mcq_router_peer *) node;
}

static struct mcq_router_peer *peer_of_entry(struct mcq_table_node *node)
{
    return MCQ_CONTAINER_OF(node, struct mcq_router_peer, entry);
}

static void router_check(const struct mcq_router *router)
{
    mcq_assert_hot(router->table.count == mcq_ring_count(&router->balance.ring));
    (void) router;
}

static struct mcq_router_peer *router_find(const struct mcq_router *router, struct mcq_bytes id,
                                           uint64_t hash)
{
    struct mcq_table_node *node = mcq_table_first(&router->table, hash);

    while (node != NULL && !mcq_bytes_equal(mcq_router_id(peer_of_entry(node)), id))
        node = mcq_table_next(node);
    return node == NULL ? NULL : peer_of_entry(node);
}

/* What can be said without looking at other peers. */
static enum mcq_err router_admit(const struct mcq_router *router,
                                 const struct mcq_router_peer *peer, uint64_t epoch,
                                 struct mcq_bytes id)
{
    if (id.len > MCQ_ROUTER_ID_MAX)
        return MCQ_INVAL;
    if (id.len == MCQ_ROUTER_GENERATED_BYTES && id.data[0] == 0)
        return MCQ_MISMATCH;
    if (peer->turn.part != MCQ_RING_OUT || epoch <= peer->turn.epoch)
        return MCQ_STATE;
    return router->table.count >= UINT32_MAX ? MCQ_LIMIT : MCQ_OK;
}

/* The next id that nobody has. After 2^32 connections the counter meets ids of peers that are still
 * there and steps over them; there are fewer peers than numbers, so it finds one. */
static struct mcq_bytes router_generate(struct mcq_router *router,
                                        uint8_t id[MCQ_ROUTER_GENERATED_BYTES])
{
    struct mcq_bytes bytes = mcq_bytes(id, MCQ_ROUTER_GENERATED_BYTES);

    for (size_t tries = 0;; tries++) {
        mcq_assert(tries <= router->table.count);
        mcq_put_u32be(mcq_put_u8(id, 0), router->id_counter++);
        if (mcq_router_find(router, bytes) == NULL)
            return bytes;
    }
}

static enum mcq_err peer_set_id(struct mcq_router_peer *peer, struct mcq_bytes id)
{
    uint8_t *octets = peer->id.small;

    if (id.len > MCQ_ROUTER_ID_INLINE) {
        octets = mcq_alloc(id.len);
        if (octets == NULL)
            return MCQ_NOMEM;
        peer->id.large = octets;
    }
    mcq_put_bytes(octets, id);
    peer->id_len = (uint8_t) id.len;
    return MCQ_OK;
}

static void peer_drop_id(struct mcq_router_peer *peer)
{
    if (peer->id_len > MCQ_ROUTER_ID_INLINE)
        mcq_free(peer->id.large);
    peer->id_len = 0;
}
