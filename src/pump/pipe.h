/*
 * pipe: messages between two links of one process, without a kernel in between.
 *
 * Layer:   pump. No protocol, no lock, no thread and no wake-up of its own: where the far side has
 *          to be told of something the calls say so, and their caller tells it.
 * Threads: two, one for each end. An end is used under the lock of the socket that its link is of.
 * Bound:   as many messages as both ends' high-water marks allow together; MCQ_PIPE_CHUNK places at
 *          a time, and one chunk more that waits to be used again.
 *
 * A pipe is two queues, one each way, each with one writer and one reader:
 *
 *   put ... put | publish --> what the reader may take         put is the writer's own business;
 *   cut takes back what no publish has shown                   only whole messages are published
 *
 * What each side knows of the other, and what orders it:
 *
 *   published   places the reader may take   writer: store (release); reader: load (acquire)
 *   acked       messages the reader took     reader: store (release); writer: load (acquire)
 *   reader_waits, writer_waits               set by who has found nothing to do, cleared by who
 *                                            tells it. Both sides write what they have, fence, and
 *                                            look at the other's word (seq_cst fences on both
 *                                            sides), so one of the two sees the other's: either
 *                                            the waiter finds what it waited for, or it is told
 *   is_streaming                             set by a writer that has shown MCQ_PIPE_QUIET times
 *                                            and nobody waited: it shows without a fence then, and
 *                                            a reader that sets its word fences the writer's
 *                                            processor, too (mcq_pipe_set_fence). The writer
 *                                            fences once behind its store of it, so a reader that
 *                                            does not see it has set its word before that
 *
 * A short body crosses in its place and in those behind it: what it cost to lend it a block, and to
 * bring the block home from another thread, is more than two copies. The reader makes a message of
 * it, with a block of its own.
 *
 * Chunks are a list that grows at the writer's end. The reader lets go of a chunk when it takes the
 * first part of the next one, which has been published by then; so the writer, which takes back
 * unpublished parts only, never steps into a chunk that is gone.
 */
#ifndef MCQ_PUMP_PIPE_H
#define MCQ_PUMP_PIPE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/block.h"
#include "arena/msg.h"
#include "base/attr.h"
#include "base/error.h"

#define MCQ_PIPE_CHUNK 64
#define MCQ_PIPE_LINE 64
#define MCQ_PIPE_SLACK_FROM 16
#define MCQ_PIPE_QUIET 64
#define MCQ_PIPE_PART 0 /* the tag of a message's parts; others are their users' */
#define MCQ_PIPE_TAG_MAX INT8_MAX
/* A body that crosses in places: what lies in a message, and a few places more. */
#define MCQ_PIPE_PIECES_MAX 3
#define MCQ_PIPE_COPY_MAX (MCQ_MSG_INLINE_MAX + MCQ_PIPE_PIECES_MAX * sizeof(struct mcq_msg))

struct mcq_pipe_chunk {
    struct mcq_msg msgs[MCQ_PIPE_CHUNK];
    uint8_t tags[MCQ_PIPE_CHUNK];
    struct mcq_pipe_chunk *next;
    struct mcq_pipe_chunk *prev;
};

/* One way. What both sides touch, and what one of them does, lies in lines of its own. */
struct mcq_pipe_queue {
    alignas(MCQ_PIPE_LINE) struct mcq_pipe_chunk *tail; /* the writer's; NULL: before the first */
    uint64_t put_count;                                 /* places */
    uint64_t whole_count;                               /* places, up to the last whole message */
    uint64_t shown_count;                               /* what published says */
    uint64_t message_count;
    uint64_t acked_seen;
    uint32_t quiet_count; /* shown since the reader waited */
    bool is_within;       /* a message was begun and not ended */
    void (*fence_all)(void);

    alignas(MCQ_PIPE_LINE) _Atomic uint64_t published;
    _Atomic bool reader_waits;
    _Atomic bool is_streaming; /* the writer's word */
    struct mcq_pipe_chunk *first;

    alignas(MCQ_PIPE_LINE) _Atomic uint64_t acked;
    _Atomic bool writer_waits;
    _Atomic uint64_t wake_at; /* what acked has to reach for the writer to be told */
    _Atomic(struct mcq_pipe_chunk *) spare;
    _Atomic int64_t writer_max; /* the high-water mark of each side; 0: none, -1: nobody is there */
    _Atomic int64_t reader_max;

    alignas(MCQ_PIPE_LINE) struct mcq_pipe_chunk *head; /* the reader's; NULL: before the first */
    uint64_t take_count;
    uint64_t published_seen;
    uint64_t taken_messages;
    uint64_t acked_own;
};

struct mcq_pipe {
    struct mcq_pipe_queue queues[2];
};

/* What an end writes to and reads from. */
struct mcq_pipe_end {
    struct mcq_pipe_queue *out;
    struct mcq_pipe_queue *in;
};

/* Empty, with nobody at either end. */
void mcq_pipe_init(struct mcq_pipe *pipe);

/* Writers may stream: fence_all is a full fence in every thread of the process. Before the first
 * put; without it none does. */
void mcq_pipe_set_fence(struct mcq_pipe *pipe, void (*fence_all)(void));

/* Drops what nobody took. Both ends are gone. */
void mcq_pipe_fini(struct mcq_pipe *pipe);

/* Before fini: overwrites what crossed in places, or was to. Longer bodies are their blocks'. */
void mcq_pipe_wipe(struct mcq_pipe *pipe);

/* The end 0 or 1. */
static inline struct mcq_pipe_end mcq_pipe_end(struct mcq_pipe *pipe, unsigned index)
{
    return (struct mcq_pipe_end) {&pipe->queues[index], &pipe->queues[1 - index]};
}

/* The high-water marks of this end, in messages, 0: none: from now on. The limit of a way is the
 * sum of its writer's and its reader's, and there is none if one has none. */
void mcq_pipe_set_max(struct mcq_pipe_end *end, uint32_t out_max, uint32_t in_max);

/* --- the writer ------------------------------------------------------------------------------ */

/* Whether the first part of a message may be put. false: the reader tells once there is room, or,
 * where the limit is MCQ_PIPE_SLACK_FROM messages or more, once half of it is free: two threads
 * that wake each other for every message do little else. */
bool mcq_pipe_has_room(struct mcq_pipe_end *end);

/* How many messages may be put without another look, `most` of them at most. */
uint32_t mcq_pipe_room_count(const struct mcq_pipe_end *end, uint32_t most);

/* Adds a part, which moves; it is the last one of a message unless it says more.
 *   MCQ_NOMEM   *msg is the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_pipe_put(struct mcq_pipe_end *end, struct mcq_msg *msg);

/* The same with a copy of these octets, MCQ_PIPE_COPY_MAX at most.
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_pipe_put_copy(struct mcq_pipe_end *end, struct mcq_bytes octets,
                                              bool more);

/* Adds what is no part of a message, with a tag of its own; in front of a message that was begun.
 *   MCQ_NOMEM   *msg is the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_pipe_put_tagged(struct mcq_pipe_end *end, struct mcq_msg *msg,
                                                uint8_t tag);

/* How many places no publish has shown yet. */
static inline uint64_t mcq_pipe_unshown_count(const struct mcq_pipe_end *end)
{
    return end->out->put_count - end->out->shown_count;
}

/* Takes back the message that was begun and not ended. */
void mcq_pipe_cut(struct mcq_pipe_end *end);

/* Shows the reader all that is whole. true: it waits, and has to be told. */
MCQ_MUST_CHECK bool mcq_pipe_publish(struct mcq_pipe_end *end);

/* Messages that the reader has not taken, as far as the writer knows. */
uint64_t mcq_pipe_waiting_count(const struct mcq_pipe_end *end);

static inline bool mcq_pipe_is_within(const struct mcq_pipe_end *end)
{
    return end->out->is_within;
}

/* --- the reader ------------------------------------------------------------------------------ */

/* Takes the next part. The blocks are the reader's own.
 *   MCQ_OK      *msg is the caller's, and *tag says what it is
 *   MCQ_AGAIN   nothing is there: the writer is told to tell once there is
 *   MCQ_NOMEM   it stays where it is
 * *tells: the writer waits for room, and has to be told. */
MCQ_MUST_CHECK enum mcq_err mcq_pipe_take(struct mcq_pipe_end *end, struct mcq_blocks *blocks,
                                          struct mcq_msg *msg, uint8_t *tag, bool *tells);

/* Whether it would be a message of one part. Nobody is asked to tell if not. */
bool mcq_pipe_has_single(struct mcq_pipe_end *end);

/* Whether take would find something. */
static inline bool mcq_pipe_is_readable(const struct mcq_pipe_end *end)
{
    return atomic_load_explicit(&end->in->published, memory_order_acquire) != end->in->take_count;
}

#endif
