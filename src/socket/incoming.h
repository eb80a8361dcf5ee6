/*
 * incoming: the half of a pattern that takes messages from its peers, one after the other.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/fair.h; a call looks at each peer once.
 */
#ifndef MCQ_SOCKET_INCOMING_H
#define MCQ_SOCKET_INCOMING_H

#include "socket/pattern.h"

struct mcq_incoming {
    struct mcq_fair fair;
};

void mcq_incoming_init(struct mcq_incoming *incoming);
void mcq_incoming_attach(struct mcq_incoming *incoming, struct mcq_peer *peer);
void mcq_incoming_detach(struct mcq_incoming *incoming, struct mcq_peer *peer);
void mcq_incoming_readable(struct mcq_incoming *incoming, struct mcq_peer *peer);

/* The peers that readable was said of, and take did not find empty; see mcq_pattern_ops. */
struct mcq_peer *mcq_incoming_next_readable(const struct mcq_incoming *incoming,
                                            const struct mcq_peer *peer);

/* The next part, and whose it is; the parts of a message come from one peer.
 *   MCQ_AGAIN    none now
 *   MCQ_CLOSED   the rest of the message that was begun never comes; said once */
MCQ_MUST_CHECK enum mcq_err mcq_incoming_take(struct mcq_incoming *incoming, struct mcq_msg *msg,
                                              struct mcq_peer **peer);

#endif
