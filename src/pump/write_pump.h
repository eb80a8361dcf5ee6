/*
 * write_pump: octets on their way to one peer, in order, resumed exactly after partial writes.
 *
 * Layer:   pump. Knows no protocol: who puts octets says where a message ends.
 * Threads: the holder of the socket's lock.
 * Bound:   the caller's permits bound what is put; of its own a pump holds blocks of the slab (none
 *          while empty), 24 octets a segment and 8 a message.
 *
 *   put --> | kept, has left | lent to the kernel | waiting | begun message |
 *           ^ kept_at        ^ sent_at                      ^ whole_at      ^ put_at
 *
 * Small bodies are copied behind each other into a block, so that a batch leaves as one run; large
 * ones are referenced. What has left stays until its message has left as a whole: when the
 * connection is lost, mcq_wpump_rewind starts the first unfinished message anew on the next one. Of
 * a message that is not whole nothing leaves, so it can be taken back (mcq_wpump_cut).
 *
 * Control octets (a session's want) are not queued: each lend takes what there is of them and lets
 * them out at the first end of a message, so they wait for one message at most, and nothing of them
 * is left over when the connection is.
 */
#ifndef MCQ_PUMP_WRITE_PUMP_H
#define MCQ_PUMP_WRITE_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "arena/msg.h"
#include "arena/place.h"
#include "arena/slab.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

/* Bodies up to this length are copied: below it an iovec of their own costs more than the copy
 * (measured: at 1 KiB an iovec loses 7 to 23 %, at 8 KiB it wins 11 %). */
#define MCQ_WPUMP_COPY_MAX 4096
/* Octets of one write: the knee of octets per kernel call. */
#define MCQ_WPUMP_BATCH_BYTES 131072

struct mcq_wpump_segment {
    const uint8_t *data;
    size_t len;
    struct mcq_buf *owner; /* one reference */
};

/* A queue in a ring that doubles when full; indices count up and are masked on use. */
struct mcq_wpump_ring {
    void *items;
    uint32_t mask; /* capacity - 1; items is NULL while nothing was ever queued */
    uint32_t head;
    uint32_t tail;
};

struct mcq_wpump {
    struct mcq_slab *slab;          /* of blocks with room for at least 2 * MCQ_WPUMP_COPY_MAX */
    struct mcq_buf *block;          /* being filled, one reference; NULL: none */
    struct mcq_wpump_ring segments; /* struct mcq_wpump_segment, from kept_at to put_at */
    struct mcq_wpump_ring ends;     /* uint64_t: where the messages behind kept_at end */
    uint32_t sent_segment;          /* index of the segment that sent_at lies in */
    size_t sent_offset;             /* ... and where in it */
    uint64_t kept_at;               /* stream offsets: of the first segment, at a message's start */
    uint64_t sent_at;
    uint64_t whole_at; /* the last end of a message; only what lies before it is lent */
    uint64_t put_at;
    size_t lent_bytes;         /* of the write under way, control octets included; 0: none is */
    size_t lent_control_bytes; /* how many of them are control octets */
    size_t lent_before_bytes;  /* how many of ours go in front of those */
};

/* An empty pump; allocates nothing. The slab outlives it. */
void mcq_wpump_init(struct mcq_wpump *pump, struct mcq_slab *slab);

/* Drops all that is queued. Not while octets are lent. */
void mcq_wpump_fini(struct mcq_wpump *pump);

/* Gives back what its queues have grown to, if they are empty. */
void mcq_wpump_trim(struct mcq_wpump *pump);

/* Queues `head`, then the body of *msg, which may be NULL for octets that stand alone.
 *   head           at most MCQ_WPUMP_COPY_MAX octets; copied; empty only if the body is not
 *   msg            moved: empty afterwards; frozen if it is referenced
 *   ends_message   a new connection may begin behind these octets
 *   MCQ_OK      queued
 *   MCQ_AGAIN   the slab has no block now: backpressure; nothing changed
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_put(struct mcq_wpump *pump, struct mcq_bytes head,
                                          struct mcq_msg *msg, bool ends_message);

/* Room for a frame of at most `len` octets, to be written by the caller, who then says with
 * mcq_wpump_put_written how many they are; nothing else is done with the pump in between.
 *   MCQ_AGAIN, MCQ_NOMEM   as mcq_wpump_put */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_room(struct mcq_wpump *pump, size_t len, uint8_t **at);
void mcq_wpump_put_written(struct mcq_wpump *pump, size_t len, bool ends_message);

/* The same with a body that is not in a message: at most MCQ_WPUMP_COPY_MAX octets, copied. */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_put_octets(struct mcq_wpump *pump, struct mcq_bytes head,
                                                 struct mcq_bytes body, bool ends_message);

/* Queues frozen octets of *buf, whole frames, for which it takes a reference of its own: one
 * encoding for many peers. Runs that follow each other in a buffer become one.
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_put_run(struct mcq_wpump *pump, struct mcq_buf *buf,
                                              struct mcq_bytes run, bool ends_message);

/* Whole messages that lie one behind the other: one encoding for many peers. */
#define MCQ_FRAMES_MAX 64

struct mcq_frames {
    struct mcq_buf *buf; /* frozen octets of it */
    const uint8_t *start;
    uint32_t count;
    uint32_t ends[MCQ_FRAMES_MAX];       /* of each, in octets from the start */
    uint32_t body_bytes[MCQ_FRAMES_MAX]; /* of the bodies up to each */
};

/* Where this one begins, in octets from the start; behind the last one: where that ends. */
static inline uint32_t mcq_frames_at(const struct mcq_frames *frames, uint32_t index)
{
    return index > 0 ? frames->ends[index - 1] : 0;
}

/* Octets of the bodies in front of this one. */
static inline uint32_t mcq_frames_body_bytes(const struct mcq_frames *frames, uint32_t index)
{
    return index > 0 ? frames->body_bytes[index - 1] : 0;
}

/* Queues `count` of these from the one at `from` on, between two messages; as mcq_wpump_put_run.
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_put_frames(struct mcq_wpump *pump,
                                                 const struct mcq_frames *frames, uint32_t from,
                                                 uint32_t count);

/* Queues `run`, the body of *msg and its frame's header in front of it, which lie in a place
 * (arena/place.h): nothing is copied. What the place has behind them is given back.
 *   msg         moved: empty afterwards
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_wpump_put_place(struct mcq_wpump *pump, struct mcq_places *places,
                                                struct mcq_msg *msg, struct mcq_bytes run,
                                                bool ends_message);

/* Whether so many messages can be put behind each other, into the block that is being filled,
 * without memory. */
bool mcq_wpump_expects(struct mcq_wpump *pump, uint32_t count);

/* Takes back the message that was begun and not ended, if there is one. */
void mcq_wpump_cut(struct mcq_wpump *pump);

/* Takes back all whole messages of which nothing has left: the next one stands for them. Not while
 * octets are lent, nor within a message. */
void mcq_wpump_conflate(struct mcq_wpump *pump);

/* Takes back the oldest whole message of which nothing has left, nor any of the first `kept_bytes`
 * octets that wait. Not while octets are lent, nor within a message. False: there is none, or no
 * memory to part it from others. */
bool mcq_wpump_drop_oldest(struct mcq_wpump *pump, uint64_t kept_bytes);

/* Lends whole messages that wait to a write, up to iov_max runs and about MCQ_WPUMP_BATCH_BYTES;
 * returns how many runs of iov are filled, 0: nothing waits. The write's end is
 * mcq_wpump_on_written. Not while octets are lent.
 *   control    octets that go out at the next end of a message; borrowed for the write
 *   iov_max    at least 2 */
size_t mcq_wpump_lend(struct mcq_wpump *pump, struct mcq_bytes control, struct iovec *iov,
                      size_t iov_max);

/* The write under way took `len` of the lent octets: all, some or none. Returns how many of them
 * were control octets. */
size_t mcq_wpump_on_written(struct mcq_wpump *pump, size_t len);

/* So many octets that wait have left by another way. Not while octets are lent. */
void mcq_wpump_skip(struct mcq_wpump *pump, size_t len);

/* The connection is gone: goes back to the start of the first message that has not wholly left.
 * Returns how many octets wait now. Not while octets are lent. */
uint64_t mcq_wpump_rewind(struct mcq_wpump *pump);

/* Where a walk over what has not left is. */
struct mcq_wpump_cursor {
    uint32_t segment;
    size_t offset;
};

/* A walk from the first octet that has not left. */
static inline struct mcq_wpump_cursor mcq_wpump_walk(const struct mcq_wpump *pump)
{
    return (struct mcq_wpump_cursor) {pump->sent_segment, pump->sent_offset};
}

/* The next run of it, and whose octets they are, borrowed until the pump changes. False: there is
 * no more. */
bool mcq_wpump_walk_on(const struct mcq_wpump *pump, struct mcq_wpump_cursor *cursor,
                       struct mcq_bytes *run, struct mcq_buf **owner);

/* Octets of whole messages that have not left. */
static inline uint64_t mcq_wpump_waiting_bytes(const struct mcq_wpump *pump)
{
    return pump->whole_at - pump->sent_at;
}

/* What waits is not nothing, and lies in one piece. */
static inline bool mcq_wpump_is_one_run(const struct mcq_wpump *pump)
{
    return pump->segments.tail - pump->sent_segment == 1 && pump->whole_at > pump->sent_at;
}

/* Octets that are kept: those, and what has left of a message that has not wholly. */
static inline uint64_t mcq_wpump_kept_bytes(const struct mcq_wpump *pump)
{
    return pump->put_at - pump->kept_at;
}

/* Messages that have not wholly left, one that was begun included: what high-water marks count. */
static inline uint32_t mcq_wpump_message_count(const struct mcq_wpump *pump)
{
    return pump->ends.tail - pump->ends.head + (pump->put_at > pump->whole_at ? 1 : 0);
}

/* Whether a message was begun and not ended. */
static inline bool mcq_wpump_is_within(const struct mcq_wpump *pump)
{
    return pump->put_at > pump->whole_at;
}

#endif
