/*
 * link_support: two bare links that talk to each other over a simulated stream.
 */
#ifndef MCQ_TESTS_PUMP_LINK_SUPPORT_H
#define MCQ_TESTS_PUMP_LINK_SUPPORT_H

#include "session/state.h"
#include "socket/test_support.h"

struct fixture {
    struct world world;
    struct end a;
    struct end b;
    struct test_peer *near; /* a's, which connects */
    struct test_peer *far;
};

static inline void start_with(struct fixture *f, size_t pipe_bytes, uint32_t out_max,
                              uint32_t in_max)
{
    struct joined joined;

    world_init(&f->world, pipe_bytes);
    end_init_bare(&f->a, &f->world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f->b, &f->world, MCQ_SOCKET_TYPE_DEALER);
    f->a.out_max = out_max;
    f->b.in_max = in_max;
    joined = join(&f->a, &f->b);
    f->near = joined.near;
    f->far = joined.far;
}

static inline void start(struct fixture *f)
{
    start_with(f, 0, 0, 0);
}

static inline enum mcq_err put_bytes(struct test_peer *peer, struct mcq_bytes bytes, bool more)
{
    struct mcq_msg msg;
    struct mcq_part part = {.body = bytes, .more = more};
    enum mcq_err err;

    if (bytes.len <= MCQ_WPUMP_COPY_MAX)
        return mcq_link_put(&peer->peer.link, &part);
    if (mcq_msg_init_copy(&msg, bytes) != MCQ_OK)
        return MCQ_NOMEM;
    part.msg = &msg;
    part.body = mcq_msg_bytes(&msg);
    err = mcq_link_put(&peer->peer.link, &part);
    mcq_msg_fini(&msg);
    return err;
}

/* Octets go over, as often as the stream needs it. */
static inline void carry_over(struct fixture *f, int turns)
{
    for (int turn = 0; turn < turns; turn++) {
        settle(&f->world);
        (void) mcq_link_prefetch(&f->far->peer.link);
    }
}

static inline void expect_part(struct test_peer *peer, uint8_t octet, size_t len, bool more)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_link_take(&peer->peer.link, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(mcq_msg_data(&msg)[i], octet);
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
}

/* A PING with a context of one octet. */
static const uint8_t ping[] = {4, 8, 4, 'P', 'I', 'N', 'G', 0, 0, '?'};

#endif
