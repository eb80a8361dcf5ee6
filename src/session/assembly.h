/*
 * assembly: the parts of one message, kept until the last one is whole.
 *
 * Layer:   session. Sans-IO.
 * Threads: one at a time.
 * Bound:   the session has refused what exceeds its limits before a piece gets here; memory
 * follows the
 *          octets that arrived, at most twice what they are, plus one length of at most nine
 *          octets a part.
 *
 *   EMPTY --first piece--> COLLECTING --last piece of the last part--> WHOLE --clear--> EMPTY
 *
 * Parts lie one behind the other in one block, each behind its length, so that a flood of empty
 * ones costs no more than its octets on the wire. They become messages when the application takes
 * them.
 */
#ifndef MCQ_SESSION_ASSEMBLY_H
#define MCQ_SESSION_ASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/grow.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/frame.h"

struct mcq_assembly {
    struct mcq_grow store; /* whole parts, then the one being collected */
    uint64_t part_left;    /* octets of it still to come */
    uint32_t part_count;   /* whole parts */
    bool is_whole;         /* the message is complete */
};

/* max_bytes bounds what is kept of one message, lengths included. Allocates nothing. */
void mcq_assembly_init(struct mcq_assembly *assembly, size_t max_bytes);
void mcq_assembly_fini(struct mcq_assembly *assembly);

/* Adds the piece of an MCQ_EVENT_BODY. Not on a whole message: clear it first.
 *   MCQ_OK      the message is whole: walk it with mcq_assembly_next, then clear
 *   MCQ_AGAIN   more of it must come
 *   MCQ_LIMIT, MCQ_NOMEM
 *               the message cannot be kept; clear, and close the session it came from */
MCQ_MUST_CHECK enum mcq_err mcq_assembly_add(struct mcq_assembly *assembly,
                                             const struct mcq_frame_piece *piece);

/* Drops the message, or what there is of it. */
void mcq_assembly_clear(struct mcq_assembly *assembly);

/* Takes the next part of a whole message. *cursor starts at 0; *part is borrowed until clear or
 * fini. false: there are no more. */
bool mcq_assembly_next(const struct mcq_assembly *assembly, size_t *cursor, struct mcq_bytes *part);

#endif
