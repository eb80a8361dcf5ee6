/*
 * outgoing: the half of a pattern that sends each message to one peer, in turns or as it is told.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/balance.h, whose state it is; a call looks at each peer once.
 */
#ifndef MCQ_SOCKET_OUTGOING_H
#define MCQ_SOCKET_OUTGOING_H

#include "socket/pattern.h"

void mcq_outgoing_attach(struct mcq_balance *balance, struct mcq_peer *peer);
/* Its connection is over: one that was accepted gets no more messages. */
void mcq_outgoing_down(struct mcq_balance *balance, struct mcq_peer *peer);
void mcq_outgoing_detach(struct mcq_balance *balance, struct mcq_peer *peer);
/* It takes messages again: back in the round. */
void mcq_outgoing_room(struct mcq_balance *balance, struct mcq_peer *peer);

/* Whose the next part is; NULL: nobody's, and it is to be swallowed.
 *   MCQ_AGAIN   no peer has room */
MCQ_MUST_CHECK enum mcq_err mcq_outgoing_pick(struct mcq_balance *balance, struct mcq_peer **peer);

/* Whether a part would be taken now: what POLLOUT says. */
bool mcq_outgoing_is_ready(struct mcq_balance *balance);

/* The peer has no room: it leaves the round. */
void mcq_outgoing_full(struct mcq_balance *balance, struct mcq_peer *peer);

/* The part is queued, or was swallowed. */
void mcq_outgoing_sent(struct mcq_balance *balance, bool more);

/* Nothing of the message that was begun for this peer goes out, if one was: what is queued of it is
 * taken back, and its next parts are swallowed. */
void mcq_outgoing_void(struct mcq_balance *balance, struct mcq_peer *peer);

/* Queues a part where its turn is. *peer is who got it; NULL: it was swallowed.
 *   MCQ_AGAIN   no peer has room; or, for a message that was aimed, no memory: nothing changed
 *   MCQ_NOMEM   the part is the caller's; a message that had begun is void */
MCQ_MUST_CHECK enum mcq_err mcq_outgoing_send(struct mcq_balance *balance, struct mcq_part *part,
                                              struct mcq_peer **peer);

/* The part goes nowhere. */
void mcq_part_drop(struct mcq_part *part);

#endif
