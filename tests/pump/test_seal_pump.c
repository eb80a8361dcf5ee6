/* Messages through a seal pump to a session that opens them, however the stream takes them, and
 * over connections that break. */

#include "session/curve_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pump/seal_pump.h"

#define BLOCK_BYTES 32768
#define BLOCK_COUNT 64
#define FRAME_MAX 400000

/* --- a world ---------------------------------------------------------------------------------- */

struct world {
    struct end client; /* sends */
    struct end server;
    struct mcq_slab *slab;
    struct mcq_wpump clear;
    struct mcq_spump_room spare;
    struct mcq_spump pump;
    uint8_t *frame; /* being collected by the server */
    size_t frame_len;
    unsigned part; /* of the message that comes in */
    uint32_t sent_count;
    uint32_t heard_count; /* whole messages */
    unsigned ping_count;
    uint64_t now_ns;
    uint32_t random;
};

static uint32_t draw(struct world *world, uint32_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 17;
    world->random ^= world->random << 5;
    return world->random % below;
}

static void connect_world(struct world *world)
{
    begin(&world->client, &world->server);
    world->client.config.heartbeat_ns = 1000;
    mcq_session_fini(&world->client.session);
    assert_int_equal(mcq_session_init(&world->client.session, &world->client.config, world->now_ns),
                     MCQ_OK);
    talk(&world->client, &world->server, SIZE_MAX);
    assert_int_equal(world->server.count[MCQ_EVENT_READY], 1);
    world->frame_len = 0;
    world->part = 0;
    mcq_spump_init(&world->pump, &world->spare);
}

static void begin_world(struct world *world, uint32_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed | 1;
    world->frame = test_malloc(FRAME_MAX);
    assert_int_equal(mcq_slab_new(BLOCK_BYTES, BLOCK_COUNT, &world->slab), MCQ_OK);
    mcq_wpump_init(&world->clear, world->slab);
    connect_world(world);
}

static void end_world(struct world *world)
{
    mcq_spump_fini(&world->pump);
    mcq_spump_room_fini(&world->spare);
    mcq_wpump_fini(&world->clear);
    mcq_slab_free(&world->slab);
    test_free(world->frame);
    finish(&world->client, &world->server);
}

/* --- messages: two parts, whose octets follow from their number ------------------------------- */

static size_t size_of(uint32_t number, unsigned part)
{
    static const size_t sizes[] = {0, 3, 220, 300, 4096, 5000, 30000, 200000};

    return sizes[(number * 5 + part * 3 + number / 7) % MCQ_COUNTOF(sizes)];
}

static uint8_t octet_of(uint32_t number, unsigned part, size_t at)
{
    return (uint8_t) (number * 31 + part * 7 + at * 13 + (at >> 8));
}

static void put(struct world *world)
{
    uint32_t number = world->sent_count++;

    for (unsigned part = 0; part < 2; part++) {
        size_t size = size_of(number, part);
        uint8_t head[MCQ_FRAME_HEAD_MAX];
        uint8_t *end = mcq_encode_frame_head(head, part == 0 ? MCQ_FRAME_MORE : 0, size);
        struct mcq_msg msg;

        assert_int_equal(mcq_msg_init_size(&msg, size), MCQ_OK);
        for (size_t at = 0; at < size; at++)
            mcq_msg_fill(&msg)[at] = octet_of(number, part, at);
        assert_int_equal(
            mcq_wpump_put(&world->clear, mcq_bytes(head, (size_t) (end - head)), &msg, part == 1),
            MCQ_OK);
    }
}

static void hear(struct world *world, const struct mcq_event *event)
{
    struct mcq_bytes body;

    world->ping_count += event->kind == MCQ_EVENT_PING;
    if (event->kind != MCQ_EVENT_BODY)
        return;
    body = event->body.piece.body;
    assert_int_equal(body.len, size_of(world->heard_count, world->part));
    for (size_t at = 0; at < body.len; at++)
        assert_int_equal(body.data[at], octet_of(world->heard_count, world->part, at));
    assert_int_equal(event->body.piece.flags, world->part == 0 ? MCQ_FRAME_MORE : 0);
    world->heard_count += world->part;
    world->part = !world->part;
}

static void receive(struct world *world, struct mcq_bytes in)
{
    struct mcq_session *session = &world->server.session;
    struct mcq_event event;
    enum mcq_err err;

    while ((err = mcq_session_feed(session, &in, 0, &event)) == MCQ_OK) {
        struct mcq_frame_piece piece = event.body.piece;

        assert_int_equal(event.kind, MCQ_EVENT_SEALED);
        world->frame_len = piece.first ? 0 : world->frame_len;
        assert_true(world->frame_len + piece.body.len <= FRAME_MAX);
        memcpy(world->frame + world->frame_len, piece.body.data, piece.body.len);
        world->frame_len += piece.body.len;
        if (!piece.last)
            continue;
        assert_int_equal(mcq_session_open(session, world->frame, world->frame_len, 0, &event),
                         MCQ_OK);
        hear(world, &event);
        mcq_session_sent(session, mcq_session_want(session).len); /* a PONG */
    }
    assert_int_equal(err, MCQ_AGAIN);
}

/* One write, of which the stream takes so much. Returns whether there was something. */
static bool write_some(struct world *world, size_t most)
{
    struct iovec iov[MCQ_SPUMP_IOV_MAX];
    size_t taken = 0;
    size_t count;

    assert_int_equal(
        mcq_spump_lend(&world->pump, &world->clear, &world->client.session, iov, &count), MCQ_OK);
    for (size_t i = 0; i < count && taken < most; i++) {
        size_t len = mcq_min_size(iov[i].iov_len, most - taken);

        receive(world, mcq_bytes(iov[i].iov_base, len));
        taken += len;
    }
    (void) mcq_spump_on_written(&world->pump, &world->clear, &world->client.session, taken);
    return count > 0;
}

static void ping(struct world *world)
{
    world->now_ns += 1000;
    mcq_session_excuse(&world->client.session, world->now_ns);
    mcq_session_heard(&world->client.session);
    assert_int_equal(mcq_session_tick(&world->client.session, world->now_ns), MCQ_OK);
}

static void break_connection(struct world *world)
{
    mcq_spump_fini(&world->pump);
    mcq_session_fini(&world->client.session);
    mcq_session_fini(&world->server.session);
    (void) mcq_wpump_rewind(&world->clear);
    connect_world(world);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void idle__nothing_waits__nothing_is_lent_or_held(void **state)
{
    struct world world;

    (void) state;
    begin_world(&world, 1);
    assert_false(write_some(&world, SIZE_MAX));
    assert_int_equal(mcq_spump_held_bytes(&world.pump), 0);
    put(&world);
    assert_true(write_some(&world, SIZE_MAX));
    assert_int_equal(world.heard_count, 1);
    assert_int_equal(mcq_spump_held_bytes(&world.pump), 0);
    assert_int_equal(mcq_wpump_kept_bytes(&world.clear), 0);
    end_world(&world);
}

static void messages__taken_octet_by_octet__come_whole(void **state)
{
    struct world world;

    (void) state;
    begin_world(&world, 1);
    put(&world);
    ping(&world);
    for (unsigned i = 0; write_some(&world, 1); i++)
        if (i == 100)
            ping(&world); /* sealed while the batch is on its way: goes behind it */
    assert_int_equal(world.heard_count, 1);
    assert_int_equal(world.ping_count, 2);
    end_world(&world);
}

/* What had wholly left is gone, and what had not comes once. */
static void messages__over_connections_that_break__come_once_and_in_order(void **state)
{
    const char *given = getenv("MCQ_SEED");
    uint32_t seed = given != NULL ? (uint32_t) strtoul(given, NULL, 10) : (uint32_t) time(NULL);

    (void) state;
    printf("# MCQ_SEED=%u\n", (unsigned) seed);
    for (unsigned run = 0; run < 20; run++) {
        struct world world;

        begin_world(&world, seed + run * 2);
        for (unsigned step = 0; step < 400; step++) {
            switch (draw(&world, 8)) {
            case 0:
            case 1:
                if (world.sent_count < world.heard_count + 40)
                    put(&world);
                break;
            case 2: ping(&world); break;
            case 3:
                if (draw(&world, 10) == 0)
                    break_connection(&world);
                break;
            default: (void) write_some(&world, draw(&world, draw(&world, 2) ? 500 : 300000)); break;
            }
        }
        while (write_some(&world, SIZE_MAX))
            ;
        assert_int_equal(world.heard_count, world.sent_count);
        end_world(&world);
    }
}

static void lend__without_memory__no_memory_and_later_all_of_it(void **state)
{
    struct iovec iov[MCQ_SPUMP_IOV_MAX];
    struct world world;
    size_t count;

    (void) state;
    for (uint64_t n = 1;; n++) {
        enum mcq_err err;

        begin_world(&world, 1);
        for (unsigned i = 0; i < 9; i++)
            put(&world);
        mcq_alloc_fail_at(n);
        err = mcq_spump_lend(&world.pump, &world.clear, &world.client.session, iov, &count);
        if (mcq_alloc_fail_left() > 0) {
            mcq_alloc_fail_at(0);
            mcq_spump_on_written(&world.pump, &world.clear, &world.client.session, 0);
            end_world(&world);
            break;
        }
        if (err == MCQ_OK)
            mcq_spump_on_written(&world.pump, &world.clear, &world.client.session, 0);
        else
            assert_int_equal(err, MCQ_NOMEM);
        while (write_some(&world, SIZE_MAX))
            ;
        assert_int_equal(world.heard_count, 9);
        end_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle__nothing_waits__nothing_is_lent_or_held),
        cmocka_unit_test(messages__taken_octet_by_octet__come_whole),
        cmocka_unit_test(messages__over_connections_that_break__come_once_and_in_order),
        cmocka_unit_test(lend__without_memory__no_memory_and_later_all_of_it),
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
