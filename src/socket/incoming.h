/*
 * incoming: the half of a pattern that takes messages from its peers, one after the other.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/fair.h; a call looks at each peer once, and drops MCQ_DROP_MAX parts at most.
 */
#ifndef MCQ_SOCKET_INCOMING_H
#define MCQ_SOCKET_INCOMING_H

#include "socket/pattern.h"

/* Parts that nobody gets, in one call. */
#define MCQ_DROP_MAX MCQ_HEAR_MAX

struct mcq_incoming {
    struct mcq_fair fair;
};

/* is_compat: a turn is one message, as in libzmq, whose programs count on the order. */
void mcq_incoming_init(struct mcq_incoming *incoming, bool is_compat);
void mcq_incoming_attach(struct mcq_incoming *incoming, struct mcq_peer *peer);
void mcq_incoming_detach(struct mcq_incoming *incoming, struct mcq_peer *peer);
void mcq_incoming_readable(struct mcq_incoming *incoming, struct mcq_peer *peer);

/* The peers that readable was said of, and take did not find empty; see mcq_pattern_ops. */
struct mcq_peer *mcq_incoming_next_readable(const struct mcq_incoming *incoming,
                                            const struct mcq_peer *peer);

/* The one peer that the next message comes from, until others are ready, too. NULL: there is none,
 * or more. */
struct mcq_peer *mcq_incoming_only(const struct mcq_incoming *incoming);

/* The peer that the next message comes from again, if it has one. NULL: others are asked first. */
struct mcq_peer *mcq_incoming_goes_on(const struct mcq_incoming *incoming);

/* A part of the peer whose turn it is was taken. */
void mcq_incoming_took(struct mcq_incoming *incoming, struct mcq_peer *peer,
                       const struct mcq_msg *msg);

/* The next part, and whose it is; the parts of a message come from one peer.
 *   MCQ_AGAIN    none now
 *   MCQ_CLOSED   the rest of the message that was begun never comes; said once */
MCQ_MUST_CHECK enum mcq_err mcq_incoming_take(struct mcq_incoming *incoming, struct mcq_msg *msg,
                                              struct mcq_peer **peer);

/* A part that nobody gets was dropped; *count: so far in this call. False: that is enough, and the
 * call says MCQ_AGAIN. The runtime is told that there may be more, which has no other edge. */
MCQ_MUST_CHECK bool mcq_incoming_drops_on(const struct mcq_pattern *pattern, uint32_t *count);

#endif
