/*
 * read_pump: octets from one peer, received into blocks and turned into messages without copying
 * what is large.
 *
 * Layer:   pump. Between a reactor's reads and a session's feed; no protocol of its own.
 * Threads: the holder of the socket's lock.
 * Bound:   one receive block while octets are unread, none while the peer is idle; a body that came
 *          in part holds at most 4 times what arrived of it, and 2 KiB.
 *
 *   IDLE --room--> READING --on_read--> UNREAD --next, ..., MCQ_AGAIN--> IDLE
 *
 * The block of the last peer that was drained is the next one's: it is warm. A body that does not
 * end in the block moves to a buffer of its own, which grows with what arrives; the rest of it is
 * received in place, and the octets behind it go to the block in the same read.
 *
 * A sealed frame is collected like a body, and opened where it lies, be it in a frozen part of the
 * block: until then it is nobody's but the pump's, and what is in it is made a message afterwards.
 */
#ifndef MCQ_PUMP_READ_PUMP_H
#define MCQ_PUMP_READ_PUMP_H

#include <stdint.h>
#include <sys/uio.h>

#include "arena/msg.h"
#include "arena/slab.h"
#include "base/attr.h"
#include "base/error.h"
#include "session/session.h"

/* What the peers of a socket share. */
struct mcq_receiver {
    struct mcq_slab *slab;     /* receive blocks */
    struct mcq_blocks *blocks; /* for bodies between inline and reference */
    struct mcq_handout spare;  /* a warm block that nobody holds; empty: none */
    size_t block_bytes;        /* of the slab's */
};

struct mcq_rpump {
    struct mcq_receiver *receiver;
    struct mcq_session *session;
    struct mcq_handout block;   /* holds the unread octets; empty: none is held */
    struct mcq_bytes unread[2]; /* of the partial body, then of the block */
    struct mcq_buf *partial;    /* a body that came in part; NULL: none */
    size_t partial_len;         /* octets of it that are in */
    uint64_t partial_size;      /* octets it will have */
    size_t partial_room;        /* of it, offered to the read under way */
    struct mcq_buf *told;       /* holds what the last event is about; NULL: it needs no keeping */
};

#define MCQ_RPUMP_IOV_MAX 2

/* The slab and the blocks outlive the receiver, the receiver its pumps. */
void mcq_receiver_init(struct mcq_receiver *receiver, struct mcq_slab *slab,
                       struct mcq_blocks *blocks);
void mcq_receiver_fini(struct mcq_receiver *receiver);

void mcq_rpump_init(struct mcq_rpump *pump, struct mcq_receiver *receiver,
                    struct mcq_session *session);

/* What a body that came in part holds, and the block. */
static inline uint64_t mcq_rpump_partial_bytes(const struct mcq_rpump *pump)
{
    return pump->partial != NULL ? pump->partial_len : 0;
}

static inline uint64_t mcq_rpump_block_bytes(const struct mcq_rpump *pump)
{
    return pump->block.buf != NULL ? pump->block.buf->size : 0;
}

/* Drops what is unread and what there is of a message part. Not while a read is under way. */
void mcq_rpump_fini(struct mcq_rpump *pump);

/* Where the next read goes: *count runs of iov, in order. Only when nothing is unread.
 *   MCQ_OK      the read's end is mcq_rpump_on_read
 *   MCQ_AGAIN   the slab has no block now: backpressure; nothing changed
 *   MCQ_NOMEM   the partial body cannot grow: close the session */
MCQ_MUST_CHECK enum mcq_err mcq_rpump_room(struct mcq_rpump *pump,
                                           struct iovec iov[MCQ_RPUMP_IOV_MAX], size_t *count);

/* The read brought `len` octets: 0 when it brought none. */
void mcq_rpump_on_read(struct mcq_rpump *pump, size_t len);

/* Takes what happened next off the unread octets.
 *   MCQ_OK      event->kind is MCQ_EVENT_BODY: *msg is a whole part, the caller's, `more` set, and
 *               the event's view of it is void; any other kind: *msg is untouched
 *   MCQ_AGAIN   nothing is unread; the block is given back
 *   MCQ_BUSY    as mcq_session_feed: write first
 *   other       as mcq_session_feed; MCQ_NOMEM also where a part cannot be kept: close the session
 *   */
MCQ_MUST_CHECK enum mcq_err mcq_rpump_next(struct mcq_rpump *pump, uint64_t now_ns,
                                           struct mcq_msg *msg, struct mcq_event *event);

#endif
