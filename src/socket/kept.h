/*
 * kept: the parts of a message that may have to be sent again.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   one message. Bodies that are not inline are shared with what was sent, not copied.
 */
#ifndef MCQ_SOCKET_KEPT_H
#define MCQ_SOCKET_KEPT_H

#include "pump/link.h"

/* All zero: empty. */
struct mcq_kept {
    struct mcq_msg *parts;
    size_t count;
    size_t capacity;
};

/* One more part, which stays the caller's to send.
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_kept_add(struct mcq_kept *kept, struct mcq_part *part);

/* The last one could not be sent; the first ones are of a message that is not wanted any more. */
void mcq_kept_drop_last(struct mcq_kept *kept);
void mcq_kept_drop_first(struct mcq_kept *kept, size_t count);

/* Queues all parts of the whole message, and keeps them.
 *   MCQ_AGAIN, MCQ_NOMEM: none; the message that was begun is to be taken back (mcq_link_cut) */
MCQ_MUST_CHECK enum mcq_err mcq_kept_put(struct mcq_kept *kept, struct mcq_link *link);

/* The message is not wanted any more; drop keeps room for a few parts. */
void mcq_kept_drop(struct mcq_kept *kept);
void mcq_kept_fini(struct mcq_kept *kept);

#endif
