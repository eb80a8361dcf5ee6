/*
 * place: where a message's body is written that leaves from there: in a block with those before and
 * behind it, with room in front of it for the header of its frame.
 *
 * Layer:   arena.
 * Threads: take, shrink and trim by the owner, one thread at a time. The place itself belongs to
 *          its message: any thread that has that writes it, and without the owner's knowledge.
 * Bound:   the slab's blocks; one that is not full stays with the owner.
 *
 *   |  frozen, on its way  | front, body | front, body |  room  |      a block
 *                            a place       a place
 *
 * A place lies behind the block's border (arena/buf.h): it is no room any more, and it is no one's
 * to read until its message says so. Then header and body are frozen octets like all others, and go
 * on where those of the place before it end. What a message did not use goes back to the room if
 * its place is the last one.
 */
#ifndef MCQ_ARENA_PLACE_H
#define MCQ_ARENA_PLACE_H

#include "arena/msg.h"
#include "arena/slab.h"

struct mcq_places {
    struct mcq_slab *slab;
    struct mcq_handout block; /* whose references are the messages'; empty: none */
};

/* No block yet. The slab outlives it. */
void mcq_places_init(struct mcq_places *places, struct mcq_slab *slab);

/* Messages that have a place keep it. */
void mcq_places_fini(struct mcq_places *places);

/* Starts a message whose body of `len` octets is a place: they are undefined until the caller has
 * written them (mcq_msg_fill). One that is too long for the slab's blocks has a buffer of its own.
 *   front_len   room in front of it, up to MCQ_MSG_FRONT_MAX
 *   MCQ_NOMEM   *msg is empty */
MCQ_MUST_CHECK enum mcq_err mcq_places_take(struct mcq_places *places, size_t front_len, size_t len,
                                            struct mcq_msg *msg);

/* Of a message that has a place, of these or of others: what is behind its body is not needed. */
void mcq_places_shrink(struct mcq_places *places, const struct mcq_msg *msg);

/* Ends such a message, whose octets somebody else keeps: as mcq_msg_fini, but without an atomic
 * operation if its place is in the present block. */
void mcq_places_put(struct mcq_places *places, struct mcq_msg *msg);

#endif
