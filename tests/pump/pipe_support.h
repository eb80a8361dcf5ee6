/*
 * pipe_support: a pipe with both its ends in one hand; numbers go through it.
 */
#ifndef MCQ_TESTS_PUMP_PIPE_SUPPORT_H
#define MCQ_TESTS_PUMP_PIPE_SUPPORT_H

#include "arena/test_support.h"

#include <string.h>

#include "pump/pipe.h"

#define TAG 7
#define LARGE_BYTES 100 /* a body on the heap: the ledger knows whether it ends */

struct fixture {
    struct mcq_pipe pipe;
    struct mcq_pipe_end near; /* writes in most tests */
    struct mcq_pipe_end far;
};

static struct mcq_blocks *blocks; /* the reader's, for short bodies */

static inline void begin(struct fixture *f)
{
    mcq_pipe_init(&f->pipe);
    assert_int_equal(mcq_blocks_new(&blocks), MCQ_OK);
    f->near = mcq_pipe_end(&f->pipe, 0);
    f->far = mcq_pipe_end(&f->pipe, 1);
}

static inline void end(struct fixture *f)
{
    mcq_pipe_fini(&f->pipe);
    mcq_blocks_free(&blocks);
}

static inline void start(struct mcq_msg *msg, uint64_t number, bool more)
{
    assert_int_equal(mcq_msg_init_copy(msg, mcq_bytes(&number, sizeof number)), MCQ_OK);
    msg->more = more;
}

static inline void put(struct mcq_pipe_end *end, uint64_t number, bool more)
{
    struct mcq_msg msg;

    start(&msg, number, more);
    assert_int_equal(mcq_pipe_put(end, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), 0); /* it moved */
}

static inline void put_tagged(struct mcq_pipe_end *end, uint64_t number)
{
    struct mcq_msg msg;

    start(&msg, number, false);
    assert_int_equal(mcq_pipe_put_tagged(end, &msg, TAG), MCQ_OK);
}

static inline uint64_t number_of(const struct mcq_msg *msg)
{
    uint64_t number;

    assert_true(mcq_msg_len(msg) >= sizeof number);
    memcpy(&number, mcq_msg_data(msg), sizeof number);
    return number;
}

/* Takes what must be there. Returns whether the writer is to be told. */
static inline bool expect(struct mcq_pipe_end *end, uint64_t number, uint8_t tag, bool more)
{
    struct mcq_msg msg;
    uint8_t found;
    bool tells;

    assert_true(mcq_pipe_is_readable(end));
    assert_int_equal(mcq_pipe_take(end, blocks, &msg, &found, &tells), MCQ_OK);
    assert_int_equal(number_of(&msg), number);
    assert_int_equal(found, tag);
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
    return tells;
}

static inline bool expect_nothing(struct mcq_pipe_end *end)
{
    struct mcq_msg msg;
    uint8_t tag;
    bool tells;

    assert_false(mcq_pipe_is_readable(end));
    assert_int_equal(mcq_pipe_take(end, blocks, &msg, &tag, &tells), MCQ_AGAIN);
    return tells;
}

static inline void publish(struct mcq_pipe_end *end)
{
    (void) !mcq_pipe_publish(end);
}

#endif
