/*
 * fanout: the half of a pattern that gives each message to several peers at once.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   one send block beside what the links hold.
 *
 *   between messages --add, ...: its takers--> put, put, ..., the last part --> between messages
 *
 * A part is encoded once: short ones into a block whose octets all queues share, long ones by
 * reference. Messages for the same peers may be put into their queues many at a time: what makes a
 * put dear is that its peer's queue lies in no cache. Who is full at the first part, or has no
 * memory for one, misses the whole message, and nobody waits.
 */
#ifndef MCQ_SOCKET_FANOUT_H
#define MCQ_SOCKET_FANOUT_H

#include "socket/pattern.h"

struct mcq_fanout {
    struct mcq_buf *block;   /* of encoded frames, one reference; NULL: none */
    struct mcq_peer *takers; /* of the message under way, by next_taker */
    bool is_within;
    struct mcq_frames deferred; /* messages for all takers, in nobody's queue yet */
};

/* Zero at first. */
void mcq_fanout_fini(struct mcq_fanout *fanout);

/* The next message goes to this peer, too; said once each, before its first part. */
void mcq_fanout_add(struct mcq_fanout *fanout, struct mcq_peer *peer);

/* The peer goes: it gets no more of the message under way. */
void mcq_fanout_drop(struct mcq_fanout *fanout, struct mcq_peer *peer);

/* Whether all takers have room for a message; they do not before its first part. */
bool mcq_fanout_has_room(const struct mcq_fanout *fanout);

/* The message under way is nobody's from here on; before its first part: it goes to nobody. */
void mcq_fanout_void(struct mcq_fanout *fanout);

/* Takes a part, the only one of its message, for all takers, and keeps it: mcq_fanout_share comes
 * before anything else is done with queues or takers.
 *   false   nothing changed: there is no place for it */
bool mcq_fanout_defer(struct mcq_fanout *fanout, struct mcq_pattern *pattern,
                      struct mcq_part *part);

/* Puts what was deferred into the takers' queues; as mcq_fanout_put. */
void mcq_fanout_share(struct mcq_fanout *fanout, struct mcq_pattern *pattern);

static inline bool mcq_fanout_has_deferred(const struct mcq_fanout *fanout)
{
    return fanout->deferred.count > 0;
}

/* Queues a part for all takers, and takes it. Each that it is dropped for is one more dropped_count
 * of the pattern.
 *   MCQ_NOMEM   the part is the caller's; the message is void, and its next parts are nobody's */
MCQ_MUST_CHECK enum mcq_err mcq_fanout_put(struct mcq_fanout *fanout, struct mcq_pattern *pattern,
                                           struct mcq_part *part);

#endif
