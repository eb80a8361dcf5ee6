/*
 * test_support: whole patterns over links in a simulated world, without the runtime: what that does
 * for a socket (attach, up, down, detach; harvest, flush, bury) is done here step by step, when the
 * test says so.
 */
#ifndef MCQ_TESTS_SOCKET_TEST_SUPPORT_H
#define MCQ_TESTS_SOCKET_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "arena/alloc.h"
#include "arena/test_support.h"
#include "reactor/sim/sim.h"
#include "socket/pattern.h"

#define PEERS_MAX 64
#define ENDS_MAX 16
#define TURNS_MAX 100000
#define PORT 5555
#define SHOWN_MAX 40 /* octets of a message, where one is not as it should be */

struct end;

/* A peer, as the runtime would keep it. */
struct test_peer {
    struct mcq_peer peer; /* first */
    struct end *end;
    uint32_t slot;
    bool is_attached;
};

struct world {
    struct mcq_sim *sim;
    struct mcq_reactor *reactor;
    int listener;
    struct mcq_address address;
    uint64_t epoch;
    struct end *ends[ENDS_MAX];
    size_t end_count;
};

/* A socket. Without a pattern (ops NULL) it is bare: the test puts into its links and takes from
 * them. */
struct end {
    struct world *world;
    const struct mcq_pattern_ops *ops;
    struct mcq_pattern *pattern;
    struct mcq_link_group group;
    struct mcq_session_config config;
    uint32_t out_max;
    uint32_t in_max;
    struct test_peer *peers[PEERS_MAX]; /* by slot */
    unsigned lost_count;                /* connections that were buried */
    enum mcq_err lost_by;               /* why the last of them was */
    unsigned room_count;
    unsigned gone_count; /* peers that were detached */
};

/* --- the world ------------------------------------------------------------------------------- */

static inline void world_init_faulty(struct world *world, uint64_t seed,
                                     const struct mcq_sim_faults *faults)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    *world = (struct world) {.address = {.len = sizeof in}};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&world->address.storage, &in, sizeof in);
    assert_int_equal(mcq_sim_new(seed, faults, &world->sim), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(world->sim, &world->reactor), MCQ_OK);
    assert_int_equal(
        mcq_reactor_listen(world->reactor, &world->address, NULL, 64, &world->listener),
        MCQ_IO_DONE);
}

/* Streams hold so much; 0: plenty. */
static inline void world_init(struct world *world, size_t pipe_bytes)
{
    struct mcq_sim_faults faults = {.pipe_bytes = pipe_bytes};

    world_init_faulty(world, 1, &faults);
}

static inline void end_fini(struct end *end);

static inline void world_fini(struct world *world)
{
    for (size_t i = 0; i < world->end_count; i++)
        end_fini(world->ends[i]);
    mcq_reactor_close(world->reactor, world->listener);
    assert_int_equal(mcq_reactor_armed_count(world->reactor), 0);
    assert_int_equal(mcq_sim_open_count(world->sim), 2 * world->end_count); /* their ready sets */
    for (size_t i = 0; i < world->end_count; i++)
        mcq_link_group_fini(&world->ends[i]->group);
    assert_int_equal(mcq_sim_open_count(world->sim), 0);
    mcq_origins_forget(world->reactor);
    mcq_reactor_free(&world->reactor);
    mcq_sim_free(&world->sim);
}

static inline void end_join(struct end *end, struct world *world, enum mcq_socket_type type)
{
    *end = (struct end) {.world = world};
    mcq_session_config_init(&end->config, type, MCQ_PROFILE_NATIVE);
    assert_int_equal(mcq_link_group_init(&end->group, world->reactor), MCQ_OK);
    assert_true(world->end_count < ENDS_MAX);
    world->ends[world->end_count++] = end;
}

static inline struct mcq_pattern_config pattern_config(struct end *end)
{
    struct mcq_pattern_config config = {.group = &end->group};

    for (size_t i = 0; i < sizeof config.random; i++)
        config.random[i] = (uint8_t) (i * 7 + 3);
    return config;
}

/* No high-water marks, unless the test sets them before its peers come. */
static inline void end_init(struct end *end, struct world *world, enum mcq_socket_type type)
{
    struct mcq_pattern_config config;

    end_join(end, world, type);
    config = pattern_config(end);
    end->ops = mcq_pattern_find(type);
    assert_non_null(end->ops);
    assert_int_equal(end->ops->create(end->ops, &config, &end->pattern), MCQ_OK);
}

static inline void end_init_compat(struct end *end, struct world *world, enum mcq_socket_type type)
{
    struct mcq_pattern_config config;

    end_join(end, world, type);
    config = pattern_config(end);
    config.is_compat = true;
    end->ops = mcq_pattern_find(type);
    assert_int_equal(end->ops->create(end->ops, &config, &end->pattern), MCQ_OK);
}

/* A bare one, which says that it is of this type. */
static inline void end_init_bare(struct end *end, struct world *world, enum mcq_socket_type type)
{
    end_join(end, world, type);
}

static inline void end_name(struct end *end, const char *identity)
{
    end->config.routing_id = mcq_bytes_of(identity);
}

/* --- peers ----------------------------------------------------------------------------------- */

static inline void peer_gone(struct test_peer *peer)
{
    struct end *end = peer->end;

    if (peer->is_attached) {
        end->ops->detach(end->pattern, &peer->peer);
        end->gone_count++;
    }
    mcq_link_fini(&peer->peer.link);
    end->peers[peer->slot] = NULL;
    mcq_free(peer);
}

static inline struct test_peer *peer_new(struct end *end, bool is_connecting)
{
    struct test_peer *peer = mcq_alloc(sizeof *peer);
    uint32_t slot = 0;

    assert_non_null(peer);
    *peer = (struct test_peer) {.end = end};
    while (end->peers[slot] != NULL)
        slot++;
    assert_true(slot < PEERS_MAX);
    peer->slot = slot;
    end->peers[slot] = peer;
    mcq_link_init(&peer->peer.link, &end->group, end->out_max, end->in_max);
    peer->peer.link.keeps_input = end->ops == NULL || end->ops->hear == NULL;
    peer->peer.is_connecting = is_connecting;
    peer->peer.epoch = ++end->world->epoch;
    return peer;
}

static inline enum mcq_err peer_attach(struct test_peer *peer)
{
    struct end *end = peer->end;
    enum mcq_err err = MCQ_OK;

    if (end->ops != NULL && !peer->is_attached)
        err = end->ops->attach(end->pattern, &peer->peer);
    peer->is_attached = end->ops != NULL && err == MCQ_OK;
    return err;
}

/* One that connects: attached before it has a connection. */
static inline struct test_peer *peer_connecting(struct end *end)
{
    struct test_peer *peer = peer_new(end, true);

    assert_int_equal(peer_attach(peer), MCQ_OK);
    return peer;
}

static inline bool has_input_left(const struct test_peer *peer)
{
    return peer->end->ops != NULL && peer->end->ops->can_recv &&
           mcq_link_is_readable(&peer->peer.link);
}

/* Its connection ends. One that was accepted goes, at once or once its input was taken; that of a
 * bare end stays for the test to look at. */
static inline void peer_down(struct test_peer *peer)
{
    struct end *end = peer->end;
    struct mcq_link *link = &peer->peer.link;

    if (link->is_up) {
        end->lost_count++;
        end->lost_by = link->lost_by;
        mcq_reactor_close(end->world->reactor, mcq_link_end(link));
        if (end->ops != NULL && peer->is_attached) {
            end->ops->down(end->pattern, &peer->peer);
            if (has_input_left(peer))
                end->ops->readable(end->pattern, &peer->peer);
        }
    }
    if (end->ops != NULL && !peer->peer.is_connecting && !has_input_left(peer))
        peer_gone(peer);
}

static inline void end_bury(struct end *end)
{
    struct mcq_link *link;

    while ((link = mcq_link_next_lost(&end->group)) != NULL)
        peer_down((struct test_peer *) link);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct test_peer *peer = end->peers[i];

        if (peer != NULL && !peer->peer.is_connecting && !peer->peer.link.is_up &&
            peer->is_attached && !has_input_left(peer))
            peer_gone(peer);
    }
}

static inline void end_fini(struct end *end)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct test_peer *peer = end->peers[i];

        if (peer == NULL)
            continue;
        if (peer->peer.link.is_up) {
            mcq_reactor_close(end->world->reactor, mcq_link_end(&peer->peer.link));
            if (peer->is_attached)
                end->ops->down(end->pattern, &peer->peer);
        }
        peer_gone(peer);
    }
    while (mcq_link_next_roomy(&end->group) != NULL)
        continue;
    if (end->ops != NULL && end->pattern != NULL)
        end->ops->free(end->pattern);
}

/* --- connections ----------------------------------------------------------------------------- */

struct stream {
    int near; /* of the side that connects */
    int far;
};

/* false: the world's faults were against it. */
static inline bool stream_open(struct world *world, struct stream *stream)
{
    struct mcq_reactor *reactor = world->reactor;
    enum mcq_io_result result =
        mcq_reactor_connect(reactor, NULL, &world->address, NULL, &stream->near);

    if (result != MCQ_IO_DONE && result != MCQ_IO_AGAIN)
        return false;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        result = mcq_reactor_accept(reactor, world->listener, &stream->far);
        if (result == MCQ_IO_DONE)
            break;
        if (result != MCQ_IO_AGAIN || !mcq_sim_advance(world->sim)) {
            mcq_reactor_close(reactor, stream->near);
            return false;
        }
    }
    while (mcq_reactor_connected(reactor, stream->near) == MCQ_IO_AGAIN)
        assert_true(mcq_sim_advance(world->sim));
    return true;
}

/* What an opening came to. */
struct opened {
    struct mcq_opening opening;
    enum mcq_err err; /* AGAIN: not yet */
    uint8_t identity[256];
    size_t identity_len;
};

static inline bool opened_init(struct opened *opened, struct end *end, int fd)
{
    *opened = (struct opened) {.err = MCQ_AGAIN};
    return mcq_opening_init(&opened->opening, end->world->reactor, &end->group.receiver, fd,
                            &end->config) == MCQ_OK;
}

/* true: it is READY now. */
static inline bool opened_step(struct opened *opened)
{
    struct mcq_event ready;

    if (opened->err != MCQ_AGAIN)
        return false;
    opened->err = mcq_opening_step(&opened->opening, &ready);
    if (opened->err != MCQ_OK)
        return false;
    opened->identity_len = ready.ready.identity.len;
    mcq_put_bytes(opened->identity, ready.ready.identity);
    return true;
}

static inline void opened_fini(struct opened *opened, struct end *end)
{
    mcq_reactor_close(end->world->reactor, mcq_opening_fini(&opened->opening));
}

/* As the runtime does it when a handshake is over. MCQ_OK: up, maybe refused and to be buried. */
static inline enum mcq_err peer_up(struct test_peer *peer, struct opened *opened)
{
    struct end *end = peer->end;
    struct mcq_peer *older = NULL;
    struct mcq_ready_key key = {peer->slot, (uint32_t) peer->peer.epoch};
    enum mcq_err err;

    MCQ_TRY(peer_attach(peer));
    MCQ_TRY(mcq_link_start(&peer->peer.link, &opened->opening, ++end->world->epoch, key));
    if (end->ops == NULL)
        return MCQ_OK;
    err = end->ops->up(end->pattern, &peer->peer, mcq_bytes(opened->identity, opened->identity_len),
                       &older);
    if (older != NULL)
        mcq_link_lose(&older->link, MCQ_MISMATCH);
    if (err != MCQ_OK)
        mcq_link_lose(&peer->peer.link, err);
    return MCQ_OK;
}

struct joined {
    struct test_peer *near; /* of the side that connects; NULL: its attach or start failed */
    struct test_peer *far;
    enum mcq_err near_err;
    enum mcq_err far_err;
};

static inline struct test_peer *peer_take_over(struct test_peer *peer, struct end *end,
                                               struct opened *opened, enum mcq_err *err)
{
    if (peer == NULL)
        peer = peer_new(end, false);
    *err = peer_up(peer, opened);
    if (*err == MCQ_OK)
        return peer;
    opened_fini(opened, end);
    if (!peer->peer.is_connecting)
        peer_gone(peer);
    return NULL;
}

/* --- what a lock's holder does --------------------------------------------------------------- */

static inline bool hears(const struct test_peer *peer)
{
    const struct mcq_pattern_ops *ops = peer != NULL ? peer->end->ops : NULL;

    return ops != NULL && ops->hear != NULL && peer->peer.link.is_up &&
           mcq_link_is_readable(&peer->peer.link) &&
           (ops->is_deaf == NULL || !ops->is_deaf(peer->end->pattern));
}

static inline size_t end_harvest(struct end *end)
{
    struct mcq_ready_event events[PEERS_MAX];
    size_t in_count = mcq_ready_harvest(end->group.in_set, events, PEERS_MAX);

    for (size_t i = 0; i < in_count; i++) {
        struct test_peer *peer = end->peers[events[i].key.slot];

        if (peer == NULL || (uint32_t) peer->peer.epoch != events[i].key.generation)
            continue;
        if (!peer->peer.link.is_up || peer->peer.link.is_lost)
            continue;
        mcq_link_set_readable(&peer->peer.link);
        if (end->ops != NULL && end->ops->can_recv)
            end->ops->readable(end->pattern, &peer->peer);
    }
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct test_peer *peer = end->peers[i];

        while (hears(peer))
            peer->end->ops->hear(peer->end->pattern, &peer->peer);
    }

    size_t out_count = mcq_ready_harvest(end->group.out_set, events, PEERS_MAX);

    for (size_t i = 0; i < out_count; i++) {
        struct test_peer *peer = end->peers[events[i].key.slot];

        if (peer == NULL || (uint32_t) peer->peer.epoch != events[i].key.generation)
            continue;
        if (!peer->peer.link.is_up || peer->peer.link.is_lost)
            continue;
        peer->peer.link.can_write = true;
        (void) mcq_link_flush(&peer->peer.link);
    }
    return in_count + out_count;
}

/* true: something happened. */
static inline bool end_pump(struct end *end)
{
    size_t events = end_harvest(end);
    struct mcq_link *link;

    while ((link = end->group.dirty_first) != NULL) {
        (void) mcq_link_flush(link);
        events++;
    }
    while ((link = mcq_link_next_roomy(&end->group)) != NULL) {
        if (end->ops != NULL)
            end->ops->room(end->pattern, &((struct test_peer *) link)->peer);
        end->room_count++;
        events++;
    }
    events += end->group.lost_first != NULL;
    end_bury(end);
    return events > 0;
}

/* Connects a peer of one end, NULL: a new one, with the other end, and lets both know. */
static inline struct joined join_peer(struct end *near_end, struct test_peer *near,
                                      struct end *far_end)
{
    struct world *world = near_end->world;
    struct opened near_opened;
    struct opened far_opened;
    struct stream stream;
    struct joined joined = {0};

    if (near == NULL)
        near = peer_connecting(near_end);
    assert_true(stream_open(world, &stream));
    assert_true(opened_init(&near_opened, near_end, stream.near));
    assert_true(opened_init(&far_opened, far_end, stream.far));
    for (int turn = 0; near_opened.err == MCQ_AGAIN || far_opened.err == MCQ_AGAIN; turn++) {
        assert_true(turn < TURNS_MAX);
        if (opened_step(&far_opened))
            joined.far = peer_take_over(NULL, far_end, &far_opened, &joined.far_err);
        if (opened_step(&near_opened))
            joined.near = peer_take_over(near, near_end, &near_opened, &joined.near_err);
        /* The rest of a handshake may be the link's to send. */
        (void) end_pump(near_end);
        (void) end_pump(far_end);
        (void) mcq_sim_advance(world->sim);
    }
    assert_int_equal(near_opened.err, MCQ_OK);
    assert_int_equal(far_opened.err, MCQ_OK);
    return joined;
}

static inline struct joined join(struct end *near_end, struct end *far_end)
{
    return join_peer(near_end, NULL, far_end);
}

/* Until nothing happens any more: all that can be is written, and was announced. */
static inline void settle(struct world *world)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        bool is_any = false;

        for (size_t i = 0; i < world->end_count; i++)
            is_any |= end_pump(world->ends[i]);
        if (!is_any && !mcq_sim_advance(world->sim))
            return;
    }
    fail_msg("the world does not come to rest");
}

/* --- messages -------------------------------------------------------------------------------- */

static inline enum mcq_err send_bytes(struct end *end, struct mcq_bytes bytes, bool more)
{
    struct mcq_msg msg;
    struct mcq_part part = {.body = bytes, .more = more};
    uint64_t fail_left;
    enum mcq_err err;

    if (bytes.len <= MCQ_WPUMP_COPY_MAX)
        return end->ops->send(end->pattern, &part);
    fail_left = mcq_alloc_fail_left(); /* the failure is the pattern's, not the test's */
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_msg_init_copy(&msg, bytes), MCQ_OK);
    mcq_alloc_fail_at(fail_left);
    part.body = mcq_msg_bytes(&msg);
    part.msg = &msg;
    err = end->ops->send(end->pattern, &part);
    mcq_msg_fini(&msg);
    return err;
}

static inline enum mcq_err send_text(struct end *end, const char *text, bool more)
{
    return send_bytes(end, mcq_bytes_of(text), more);
}

#define SEND(end, text) assert_int_equal(send_text(end, text, false), MCQ_OK)
#define SEND_MORE(end, text) assert_int_equal(send_text(end, text, true), MCQ_OK)

/* The next part is this one. */
static inline void expect_bytes(struct end *end, struct mcq_bytes bytes, bool more, int line)
{
    struct mcq_msg msg;
    enum mcq_err err = end->ops->recv(end->pattern, &msg);

    if (err != MCQ_OK)
        fail_msg("line %d: %s instead of a part", line, mcq_err_name(err));
    if (!mcq_bytes_equal(mcq_msg_bytes(&msg), bytes))
        fail_msg("line %d: '%.*s' instead of '%.*s'", line,
                 (int) mcq_min_size(mcq_msg_len(&msg), SHOWN_MAX),
                 (const char *) mcq_msg_data(&msg), (int) mcq_min_size(bytes.len, SHOWN_MAX),
                 (const char *) bytes.data);
    if (msg.more != more)
        fail_msg("line %d: more is %d", line, msg.more);
    mcq_msg_fini(&msg);
}

#define EXPECT(end, text) expect_bytes(end, mcq_bytes_of(text), false, __LINE__)
#define EXPECT_MORE(end, text) expect_bytes(end, mcq_bytes_of(text), true, __LINE__)

static inline enum mcq_err recv_err(struct end *end)
{
    struct mcq_msg msg;
    enum mcq_err err = end->ops->recv(end->pattern, &msg);

    if (err == MCQ_OK) {
        print_error("# '%.*s' was received\n", (int) mcq_msg_len(&msg),
                    (const char *) mcq_msg_data(&msg));
        mcq_msg_fini(&msg);
    }
    return err;
}

#define EXPECT_ERR(end, err) assert_int_equal(recv_err(end), err)

/* Bare ends. */
static inline void put_text(struct test_peer *peer, const char *text, bool more)
{
    struct mcq_part part = {.body = mcq_bytes_of(text), .more = more};

    assert_int_equal(mcq_link_put(&peer->peer.link, &part), MCQ_OK);
}

static inline void expect_taken(struct test_peer *peer, const char *text, bool more, int line)
{
    struct mcq_msg msg;
    enum mcq_err err = mcq_link_take(&peer->peer.link, &msg);

    if (err != MCQ_OK)
        fail_msg("line %d: %s instead of a part", line, mcq_err_name(err));
    if (!mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of(text)) || msg.more != more)
        fail_msg("line %d: '%.*s'%s instead of '%s'", line, (int) mcq_msg_len(&msg),
                 (const char *) mcq_msg_data(&msg), msg.more ? " and more" : "", text);
    mcq_msg_fini(&msg);
}

#define TAKE(peer, text) expect_taken(peer, text, false, __LINE__)
#define TAKE_MORE(peer, text) expect_taken(peer, text, true, __LINE__)

static inline enum mcq_err take_err(struct test_peer *peer)
{
    struct mcq_msg msg;
    enum mcq_err err = mcq_link_take(&peer->peer.link, &msg);

    if (err == MCQ_OK)
        mcq_msg_fini(&msg);
    return err;
}

/* Octets that no pattern would send, straight into the peer's stream. */
static inline void send_raw(struct test_peer *peer, const void *octets, size_t len)
{
    struct iovec iov = {(void *) (uintptr_t) octets, len};
    struct mcq_io io = mcq_reactor_send(peer->end->world->reactor, peer->peer.link.fd, &iov, 1);

    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, len);
}

/* What has come is received, as the engine does for an owner who is away. */
static inline void prefetch(struct end *end)
{
    for (size_t i = 0; i < PEERS_MAX && end->ops->can_recv; i++)
        if (end->peers[i] != NULL && mcq_link_prefetch(&end->peers[i]->peer.link))
            end->ops->readable(end->pattern, &end->peers[i]->peer);
}

static inline bool is_writable(struct end *end)
{
    return end->ops->is_writable(end->pattern);
}

static inline void set(struct end *end, enum mcq_pattern_option option, int value)
{
    assert_int_equal(end->ops->set(end->pattern, option, value), MCQ_OK);
}

#endif
