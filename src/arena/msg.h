/*
 * msg: one part of a message: a body, small ones inline and large ones by reference.
 *
 * Layer:   arena.
 * Threads: one at a time per message. Parts that share a body may live in different threads.
 * Bound:   sizeof(struct mcq_msg) octets, and for a received body at most MCQ_MSG_PIN_FACTOR times
 *          its length.
 *
 *   (storage) --init, init_copy, init_buf, init_slice, copy, move--> body never changes again
 *   (storage) --init_size--> body may be written --copy, freeze----> body never changes again
 *   (storage) --init_place-> the same, and what is in front of it
 *   either --fini, or move away--> empty, holds nothing
 *
 * Calls that start a message take uninitialised storage or an empty message, since storage that
 * holds a body would lose it. A message may be copied as plain memory as long as only one of both
 * is used afterwards.
 *
 * A message that the application keeps must not hold back much more memory than it is worth, and a
 * receive block is large. So mcq_msg_init_slice decides by length, cheapest first:
 *
 *   length                             the body is                     memory kept, by its length
 *   up to MCQ_MSG_INLINE_MAX           in the message                  nothing else
 *   from a quarter of the receive      a reference to that block       at most 4
 *     block and its header
 *   all between                        a copy in a block of its class  (64 + 64) / 57 = 2.3 at most
 */
#ifndef MCQ_ARENA_MSG_H
#define MCQ_ARENA_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/block.h"
#include "arena/buf.h"

#define MCQ_MSG_INLINE_MAX 56 /* what a line has left; copying costs half of a reference */
#define MCQ_MSG_PIN_FACTOR 4
#define MCQ_MSG_FRONT_MAX 16 /* octets in front of a place's body */
/* A routing id with this bit is none, but the number of a received message's origin. */
#define MCQ_MSG_ORIGIN_BIT (UINT32_C(1) << 31)

enum mcq_msg_kind {
    MCQ_MSG_INLINE,
    MCQ_MSG_FILLING, /* the only reference to a buffer whose octets may still be written */
    MCQ_MSG_SHARED,
    MCQ_MSG_PLACE, /* the only right to some octets of a buffer (arena/place.h) */
};

/* `more` and `routing_id` are anyone's to read and write; the rest goes through the calls. */
struct mcq_msg {
    union {
        uint8_t small[MCQ_MSG_INLINE_MAX];
        struct {
            struct mcq_buf *buf;
            const uint8_t *data;
            size_t len;
            union {
                size_t place_len; /* PLACE: octets from `data` on that are the message's */
                struct mcq_blocks *sole_of; /* SHARED: the pool that the buffer is of, and this
                                             * is the only reference; NULL: nobody has looked */
            };
            uint8_t front_len;     /* PLACE: and in front of it */
            struct mcq_buf *group; /* if there is one: a reference; its octets and a zero */
        } large;
    };
    uint32_t routing_id; /* of the peer it came from or goes to, or its origin's; 0: none */
    bool more;           /* another part of the same message follows */
    uint8_t kind;        /* enum mcq_msg_kind */
    union {
        uint8_t small_len; /* INLINE */
        uint8_t has_group; /* all others: 0, 1 */
    };
    uint8_t keeper; /* whoever keeps messages may write here; it comes along with `=` only */
};
static_assert(sizeof(struct mcq_msg) == 64, "a cache line, and the drop-in's zmq_msg_t");
static_assert(_Alignof(struct mcq_msg) == 8, "the drop-in's zmq_msg_t");
static_assert(MCQ_BLOCK_BYTES_MIN + sizeof(struct mcq_buf) <=
                  MCQ_MSG_PIN_FACTOR * (MCQ_MSG_INLINE_MAX + (size_t) 1),
              "the smallest body in a block");
static_assert(MCQ_MSG_PIN_FACTOR >= 3, "larger ones: twice the length and a header below it");

static inline bool mcq_msg_has_group(const struct mcq_msg *msg)
{
    return msg->kind != MCQ_MSG_INLINE && msg->has_group != 0;
}

/* Starts an empty message: no body, no more, routing id 0. */
static inline void mcq_msg_init(struct mcq_msg *msg)
{
    msg->routing_id = 0;
    msg->more = false;
    msg->kind = MCQ_MSG_INLINE;
    msg->small_len = 0;
}

/* Starts a message with a body of `len` octets, all zero, for the caller to write (mcq_msg_fill).
 *   MCQ_NOMEM   *msg is empty */
MCQ_MUST_CHECK enum mcq_err mcq_msg_init_size(struct mcq_msg *msg, size_t len);

/* The same, but what does not lie in the message is whatever its memory held before. */
MCQ_MUST_CHECK enum mcq_err mcq_msg_init_unset(struct mcq_msg *msg, size_t len);

/* Starts a message with a copy of these octets.
 *   MCQ_NOMEM   *msg is empty */
MCQ_MUST_CHECK enum mcq_err mcq_msg_init_copy(struct mcq_msg *msg, struct mcq_bytes bytes);

/* The same, a large body in a block of `blocks`, whose owner thread this is. */
MCQ_MUST_CHECK enum mcq_err mcq_msg_init_block(struct mcq_msg *msg, struct mcq_blocks *blocks,
                                               struct mcq_bytes bytes);

/* Starts a message with `bytes`, frozen octets of *buf, as its body; moves the reference in. */
void mcq_msg_init_buf(struct mcq_msg *msg, struct mcq_buf **buf, struct mcq_bytes bytes);

/* Starts a message in `place`, octets of *buf that are behind its border and nobody else's, as its
 * body but for `front_len` octets in front; moves the reference in. */
void mcq_msg_init_place(struct mcq_msg *msg, struct mcq_buf **buf, struct mcq_bytes place,
                        size_t front_len);

/* Starts a message with `bytes`, frozen octets of the receive block that handout shares: inline, in
 * a block of `blocks`, or by a reference from handout, as the table above says. The owner thread of
 * both.
 *   MCQ_NOMEM   *msg is empty; only where a copy is made */
MCQ_MUST_CHECK enum mcq_err mcq_msg_init_slice(struct mcq_msg *msg, struct mcq_handout *handout,
                                               struct mcq_blocks *blocks, struct mcq_bytes bytes);

/* Starts target with what source has, more and routing id included; source is empty afterwards. */
static inline void mcq_msg_move(struct mcq_msg *target, struct mcq_msg *source)
{
    *target = *source;
    mcq_msg_init(source);
}

/* Starts target as a second message with the same body, which is shared if it is large; more and
 * routing id are copied. Neither body may be written afterwards unless it is inline. */
void mcq_msg_copy(struct mcq_msg *target, struct mcq_msg *source);

/* Releases the body. The message is empty and may be started anew; ending it twice is harmless. */
void mcq_msg_fini(struct mcq_msg *msg);

/* The name of the group that a message is for, kept beside its body, which may move.
 *   group   any octets, copied; empty: none
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_msg_set_group(struct mcq_msg *msg, struct mcq_bytes group);

/* The group's name, with a zero behind it, borrowed until the message ends; empty: none. */
struct mcq_bytes mcq_msg_group(const struct mcq_msg *msg);

static inline size_t mcq_msg_len(const struct mcq_msg *msg)
{
    return msg->kind == MCQ_MSG_INLINE ? msg->small_len : msg->large.len;
}

/* The body, borrowed until the message ends or, for it may be inline, moves. */
static inline const uint8_t *mcq_msg_data(const struct mcq_msg *msg)
{
    return msg->kind == MCQ_MSG_INLINE ? msg->small : msg->large.data;
}

static inline struct mcq_bytes mcq_msg_bytes(const struct mcq_msg *msg)
{
    return mcq_bytes(mcq_msg_data(msg), mcq_msg_len(msg));
}

/* The body, to be written. NULL: others may be reading it; start a message of your own. */
static inline uint8_t *mcq_msg_fill(struct mcq_msg *msg)
{
    if (msg->kind == MCQ_MSG_INLINE)
        return msg->small;
    return msg->kind == MCQ_MSG_SHARED ? NULL : (uint8_t *) (uintptr_t) msg->large.data;
}

/* As mcq_msg_fini, for the owner of the pool that the body may be from. */
static inline void mcq_msg_put(struct mcq_msg *msg, struct mcq_blocks *blocks)
{
    if (msg->kind == MCQ_MSG_INLINE)
        return;
    if (msg->has_group)
        mcq_buf_unref(msg->large.group);
    if (msg->kind == MCQ_MSG_SHARED && msg->large.sole_of != NULL)
        mcq_blocks_put_sole(blocks, msg->large.sole_of, msg->large.buf, msg->large.len);
    else
        mcq_blocks_put(blocks, msg->large.buf);
    mcq_msg_init(msg);
}

/* As mcq_msg_fini, for an owner of a pool that the body may be from: only what is of that pool, and
 * nobody else's, goes another way, without an atomic operation. */
static inline void mcq_msg_give_back(struct mcq_msg *msg, struct mcq_blocks *blocks)
{
    if (msg->kind != MCQ_MSG_INLINE && !msg->has_group &&
        mcq_blocks_take_back(blocks, msg->large.buf))
        mcq_msg_init(msg);
    else
        mcq_msg_fini(msg);
}

/* Puts `head` in front of a place's body: *run is both, still the message's. False: it is no place,
 * or has not so much in front. */
static inline bool mcq_msg_put_front(struct mcq_msg *msg, struct mcq_bytes head,
                                     struct mcq_bytes *run)
{
    uint8_t *front;

    if (msg->kind != MCQ_MSG_PLACE || head.len > msg->large.front_len)
        return false;
    front = (uint8_t *) (uintptr_t) msg->large.data - head.len;
    mcq_put_bytes(front, head);
    *run = mcq_bytes(front, head.len + msg->large.len);
    return true;
}

/* A body that is shorter than it was begun: `len` octets, which is at most its length. */
static inline void mcq_msg_cut(struct mcq_msg *msg, size_t len)
{
    if (msg->kind == MCQ_MSG_INLINE)
        msg->small_len = (uint8_t) len;
    else
        msg->large.len = len;
}

/* Ends the writing: what leaves the caller's hands is frozen. An inline body travels with its
 * message and needs it not. */
static inline void mcq_msg_freeze(struct mcq_msg *msg)
{
    if (msg->kind == MCQ_MSG_FILLING)
        (void) mcq_buf_freeze(msg->large.buf, msg->large.len);
    else if (msg->kind == MCQ_MSG_INLINE)
        return;
    msg->kind = MCQ_MSG_SHARED;
    msg->large.sole_of = NULL;
}

/* Of a message that was frozen and goes to another thread: whether its body is another holder's,
 * too, is looked at here, where the header is at hand. */
static inline void mcq_msg_look_sole(struct mcq_msg *msg)
{
    if (msg->kind == MCQ_MSG_SHARED)
        msg->large.sole_of = mcq_blocks_of_sole(msg->large.buf);
}

#endif
