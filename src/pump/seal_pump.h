/*
 * seal_pump: seals what a write pump holds, on its way to a peer whose frames are boxes.
 *
 * Layer:   pump. Knows frames and a session, no stream.
 * Threads: the holder of the socket's lock.
 * Bound:   a batch of about MCQ_WPUMP_BATCH_BYTES, or one message if that is longer: the tag of a
 *          box stands in front of it, so none leaves before all of it is sealed. Nothing while all
 *          that was sealed has left.
 *
 *   write pump: whole messages in clear --lend--> | sealed, has left | sealed, waits |
 *                                                 sealed             sent            len
 *
 * What is sealed is numbered, so it leaves in the order in which it was sealed. A session's own
 * octets (want) were sealed when they were queued: those that were there before the batch go in
 * front of it, and those that came since behind it. A message counts as gone from the write pump
 * once all of its octets have left; the next connection, which has other keys, begins with the
 * first one that has not.
 */
#ifndef MCQ_PUMP_SEAL_PUMP_H
#define MCQ_PUMP_SEAL_PUMP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/error.h"
#include "pump/write_pump.h"
#include "session/session.h"

/* Runs of one write: the session's, what is sealed, the session's. */
#define MCQ_SPUMP_IOV_MAX 3

/* Where a message of the batch ends: sealed, and in clear. */
struct mcq_spump_mark {
    size_t sealed_end;
    uint64_t clear_end;
};

/* The memory of a batch. Who shares pumps keeps a warm one. */
struct mcq_spump_room {
    uint8_t *octets;
    size_t capacity;
    struct mcq_spump_mark *marks;
    uint32_t mark_capacity;
};

struct mcq_spump {
    struct mcq_spump_room *spare; /* that links share; it is lent to who has something to seal */
    struct mcq_spump_room room;
    size_t len;
    size_t sent;
    size_t ahead_bytes; /* of the session's octets, in front of what is sealed */
    uint32_t mark_count;
    uint32_t mark_at;  /* the first message that has not wholly left */
    uint64_t clear_at; /* octets in clear of those before it */
    size_t lent_bytes; /* of the write under way */
};

/* `spare` outlives the pump; it begins as zeros and ends with mcq_spump_room_fini. */
void mcq_spump_init(struct mcq_spump *pump, struct mcq_spump_room *spare);

/* Drops what is sealed: the connection is gone. */
void mcq_spump_fini(struct mcq_spump *pump);

void mcq_spump_room_fini(struct mcq_spump_room *room);

/* Lends octets to a write, sealing a batch if nothing sealed waits: *count runs of iov, 0: nothing
 * waits. The write's end is mcq_spump_on_written.
 *   MCQ_NOMEM   no room for a single message */
MCQ_MUST_CHECK enum mcq_err mcq_spump_lend(struct mcq_spump *pump, const struct mcq_wpump *clear,
                                           struct mcq_session *session,
                                           struct iovec iov[MCQ_SPUMP_IOV_MAX], size_t *count);

/* The write took `len` octets: tells the session, and the write pump of whole messages. Returns how
 * many of them were the session's own. */
size_t mcq_spump_on_written(struct mcq_spump *pump, struct mcq_wpump *clear,
                            struct mcq_session *session, size_t len);

/* Octets in clear of the messages that are sealed, and have not wholly left. */
static inline uint64_t mcq_spump_clear_bytes(const struct mcq_spump *pump)
{
    return pump->mark_at < pump->mark_count
               ? pump->room.marks[pump->mark_count - 1].clear_end - pump->clear_at
               : 0;
}

/* What it holds. */
static inline uint64_t mcq_spump_held_bytes(const struct mcq_spump *pump)
{
    return pump->room.capacity;
}

#endif
