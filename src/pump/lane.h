/*
 * lane: the next messages between an application and its one peer, with no look at anything else.
 *
 * Layer:   pump.
 * Threads: the holder of the socket's lock.
 * Bound:   MCQ_FRAMES_MAX messages, in room that the link's block has.
 *
 *   closed --mcq_link_open_lane--> open --mcq_lane_put, ...--> full
 *      ^                            |                            |
 *      +---mcq_link_close_lane------+----------------------------+
 *
 * Who sends many short messages to one peer has answered the same questions for each of them: is
 * the socket open, whose turn is it, is there room, does somebody have to be told. An open lane is
 * those answers: it holds as long as nothing but mcq_lane_put is done with the socket, and nobody
 * else has had the lock. What was put is in no queue until it closes, which comes before anything
 * else is done with links, peers or queues (mcq_socket_share), and at the tail's timer at the
 * latest.
 *
 * A tap is the same for who receives: whole messages of one part that lie in the link's block, or
 * in its pipe. A duct is the same for who sends into a pipe. Nothing waits in either, so they may
 * be forgotten at any time.
 *
 * Questions are a tap of a peer whose messages come with its name, as a ROUTER's do, while its turn
 * goes on; and answers are what is sent back to it with that name, while they wait for others'
 * anyway (mcq_link_answer). Each is forgotten with the taps; answers also when anything is sent in
 * another way.
 */
#ifndef MCQ_PUMP_LANE_H
#define MCQ_PUMP_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "pump/write_pump.h"
#include "wire/encode.h"

struct mcq_link;

struct mcq_lane {
    struct mcq_link *link; /* NULL: closed */
    uint8_t *at;           /* where the next frame goes */
    uint8_t *limit;        /* its body is no longer than up to here; closed, or full: at */
    uint32_t most_count;
    struct mcq_frames frames; /* in the block, behind what is frozen of it */
};

/* A tap or a duct. */
struct mcq_tap {
    struct mcq_link *link; /* UP, not lost, between two messages; NULL: closed */
    uint32_t left_count;   /* messages until the others are looked at, or there is no room */
};

/* Whether the lane is open, and has room for a message of one part. */
static inline bool mcq_lane_takes(const struct mcq_lane *lane, size_t len)
{
    return len <= MCQ_WPUMP_COPY_MAX && (ptrdiff_t) len < lane->limit - lane->at;
}

/* Puts one that it takes. */
static inline void mcq_lane_put(struct mcq_lane *lane, struct mcq_bytes body)
{
    struct mcq_frames *frames = &lane->frames;
    uint32_t index = frames->count;

    lane->at = mcq_put_bytes(mcq_encode_frame_head(lane->at, 0, body.len), body);
    frames->ends[index] = (uint32_t) (lane->at - frames->start);
    frames->body_bytes[index] = mcq_frames_body_bytes(frames, index) + (uint32_t) body.len;
    frames->count = index + 1;
    if (MCQ_UNLIKELY(frames->count == lane->most_count))
        lane->limit = lane->at;
}

#endif
