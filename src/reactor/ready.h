/*
 * ready: which of a socket's streams can be read, or written, now.
 *
 * Layer:   reactor.
 * Threads: whoever holds the socket's lock adds, removes and harvests. Any thread may sleep on the
 *          set's descriptor meanwhile (reactor/sleeper.h), or arm a poll of it.
 * Bound:   one entry for each stream; harvest takes as many as the caller has room for.
 *
 *   add for IN or OUT --> WATCHED --edge--> REPORTED by one harvest --> WATCHED ...
 *                            |
 *                         remove, before the stream is closed
 *
 * A socket has a set for input and, once a send of its said AGAIN, one for output: so who sleeps
 * until it can send is not woken by what arrives. A stream is in a set at most once, and may be in
 * several; each has edges of its own.
 *
 * A stream is reported once for each edge: octets arrived, room became free after an AGAIN of send,
 * the peer ended, the connection failed. So whoever harvests keeps the flag until recv or send says
 * AGAIN, and clears it on nothing else: what was left unread would not be reported again. What is
 * there when the stream is added counts as an edge. A report may be for nothing.
 *
 * The descriptor is readable while there is something to harvest. Nobody sleeps in harvest: of two
 * who did, one would take what the other waits for.
 */
#ifndef MCQ_REACTOR_READY_H
#define MCQ_REACTOR_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "reactor/table.h"

struct mcq_reactor;
struct mcq_ready_set; /* mcq_ready alone is the wire's command */

/* What a stream is watched for. */
enum mcq_ready_interest {
    MCQ_READY_IN,
    MCQ_READY_OUT,
};

/* Who a stream belongs to. An event whose generation is not the slot's any more is a late one. */
struct mcq_ready_key {
    uint32_t slot; /* below 2^31 */
    uint32_t generation;
};

/* One of the two, as the stream was added. */
struct mcq_ready_event {
    struct mcq_ready_key key;
    bool is_in;  /* recv has something to say: octets, the end or a failure */
    bool is_out; /* send has room, or says a failure */
    bool is_end; /* and there is an end or a failure behind the octets, with no edge of its own */
};

/* An empty set, in the world of that reactor, which need not outlive it.
 *   MCQ_OK      the caller owns *ready and ends it with mcq_ready_free
 *   MCQ_NO_FDS, MCQ_NOMEM: *ready is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_ready_new(struct mcq_reactor *reactor,
                                          struct mcq_ready_set **ready);

/* Nobody sleeps on it, and no poll of its descriptor is armed. *ready becomes NULL. */
void mcq_ready_free(struct mcq_ready_set **ready);

/* The set's own descriptor, to sleep on or to poll for IN. */
int mcq_ready_fd(const struct mcq_ready_set *ready);

/* Watches a stream that is not in this set. DONE, NO_MEMORY or BROKEN; it is in the set only if
 * DONE. */
MCQ_MUST_CHECK enum mcq_io_result mcq_ready_add(struct mcq_ready_set *ready, int fd,
                                                struct mcq_ready_key key,
                                                enum mcq_ready_interest interest);

/* Before it is closed: a forked child may hold the stream open, and with it the entry. What was not
 * harvested of it is not reported any more. */
void mcq_ready_remove(struct mcq_ready_set *ready, int fd);

/* Takes what is ready, at most `max` events, 1 or more; returns how many. Never sleeps. */
size_t mcq_ready_harvest(struct mcq_ready_set *ready, struct mcq_ready_event *events, size_t max);

/* What an engine's world brings; for the files of this folder. */
struct mcq_ready_ops {
    enum mcq_io_result (*add)(struct mcq_ready_set *, int fd, struct mcq_ready_key,
                              enum mcq_ready_interest);
    void (*remove)(struct mcq_ready_set *, int fd);
    size_t (*harvest)(struct mcq_ready_set *, struct mcq_ready_event *, size_t max);
    void (*free)(struct mcq_ready_set *);
};

struct mcq_ready_set {
    const struct mcq_ready_ops *ops;
    int fd;
};

#endif
