/*
 * request: whose turn it is in a dialogue of requests and replies (REQ and REP).
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   REQ allocates nothing; REP keeps at most MCQ_REP_FRAMES_MAX envelope frames in
 *          envelope_bytes_max octets. Every call is O(1), but for copying an envelope's frame.
 *
 * Both are tables, in the .c file: each state has an answer to each event, and calls out of turn
 * are MCQ_STATE, which changes nothing.
 *
 * Source: RFC 28, REQ and REP; libzmq's req and rep.
 */
#ifndef MCQ_HUB_REQUEST_H
#define MCQ_HUB_REQUEST_H

#include "arena/grow.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "hub/ring.h"

/* What an incoming frame is, for REQ and REP. */
enum mcq_request_frame {
    MCQ_REQUEST_ENVELOPE, /* taken in; the application does not see it */
    MCQ_REQUEST_BODY,     /* the application's */
    MCQ_REQUEST_DISCARD,  /* of a message that is dropped as a whole, which is nobody's fault */
    MCQ_REQUEST_BROKEN,   /* of one that no right peer sends: REQ closes, REP drops and counts */
};

/* --- REQ -----------------------------------------------------------------------------------------
 *
 *   IDLE --sent, more--> SENDING --sent, last--> WAITING --a reply--> RECEIVING --last--> IDLE
 *                         |                       |                    |
 *                         +--peer goes--> CUT     +-----peer goes------+--> LOST
 *                                          |                                 ^
 *                                          +------------sent, last-----------+
 *
 *   WAITING, LOST, RECEIVING --sent, only if relaxed--> a new request, as from IDLE
 *   WAITING, LOST --sent again--> WAITING for the reply to that, with another id
 *
 * Strict: in WAITING, LOST and RECEIVING sending is out of turn; in LOST that is for ever, which is
 * what libzmq does, and mcq_req_is_lost lets the caller do better. Relaxed: a request may be sent
 * at any time; it gives up the reply to the one before.
 *
 * A reply counts if it comes from the connection that was asked and, if the socket correlates, with
 * the request's id. All others are discarded. A reply is: the id if one was sent, an empty frame,
 * at least one frame of body. Anything else is BROKEN.
 *
 * Without ids, a reply that was there before the request must not be taken for its answer: before
 * sending the first frame the caller passes all frames that are queued to mcq_req_frame, which
 * discards them.
 */

#define MCQ_REQ_ID_BYTES 4

enum mcq_req_state {
    MCQ_REQ_IDLE,
    MCQ_REQ_SENDING,
    MCQ_REQ_CUT,
    MCQ_REQ_WAITING,
    MCQ_REQ_LOST,
    MCQ_REQ_RECEIVING,
    MCQ_REQ_STATE_COUNT,
};

/* Where in an incoming message the next frame is. */
enum mcq_req_part {
    MCQ_REQ_PART_HEAD,
    MCQ_REQ_PART_DELIMITER,      /* behind the right id */
    MCQ_REQ_PART_SKIP_DELIMITER, /* behind another id */
    MCQ_REQ_PART_BODY,
    MCQ_REQ_PART_SKIP,
    MCQ_REQ_PART_COUNT,
};

struct mcq_req {
    enum mcq_req_state state;
    enum mcq_req_part part;
    bool is_relaxed;
    bool correlates;
    uint32_t id;    /* of the latest request */
    uint64_t epoch; /* of the connection that was asked; 0: none */
};

/* May send. id: of the last request before the first: random. */
void mcq_req_init(struct mcq_req *req, bool is_relaxed, bool correlates, uint32_t id);

/* Whether a frame may be sent now. Changes nothing: to be asked before a peer is picked.
 *   MCQ_OK, MCQ_STATE */
MCQ_MUST_CHECK enum mcq_err mcq_req_may_send(const struct mcq_req *req);

/* Whether the next frame begins a request: an envelope goes before it, the id (if the socket
 * correlates; as it is in memory, for only we read it) and an empty frame. */
bool mcq_req_begins(const struct mcq_req *req);

/* The id that the next request will have. */
static inline uint32_t mcq_req_next_id(const struct mcq_req *req)
{
    return req->id + 1;
}

/* A frame of the application was queued for the connection with this epoch; 0: it was swallowed.
 * The first frame decides who is asked.
 *   MCQ_STATE   out of turn */
MCQ_MUST_CHECK enum mcq_err mcq_req_sent(struct mcq_req *req, uint64_t epoch, bool more);

/* All frames of the latest request were queued once more, with the next id, for the connection with
 * this epoch: what comes for an older id is discarded.
 *   MCQ_STATE   there is no request without a reply; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_req_sent_again(struct mcq_req *req, uint64_t epoch);

/* Whether the application may wait for a frame. MCQ_OK, MCQ_STATE: nothing was asked. */
MCQ_MUST_CHECK enum mcq_err mcq_req_may_receive(const struct mcq_req *req);

/* The next frame from the fair queue, from the connection with this epoch: says what it is. */
enum mcq_request_frame mcq_req_frame(struct mcq_req *req, uint64_t epoch, struct mcq_bytes frame,
                                     bool more);

/* The fair queue said CUT: the rest of the incoming message never comes. */
void mcq_req_cut(struct mcq_req *req);

/* A connection is over, and nothing of it is queued any more. False: not the one that was asked. */
bool mcq_req_peer_down(struct mcq_req *req, uint64_t epoch);

/* The request was sent, and no reply can come. */
static inline bool mcq_req_is_lost(const struct mcq_req *req)
{
    return req->state == MCQ_REQ_LOST;
}

/* --- REP -----------------------------------------------------------------------------------------
 *
 *   IDLE --frame--> ENVELOPE --empty frame--> BODY --last frame--> REPLY --sent--> IDLE
 *    |               |                                              |               ^
 *    +--no envelope--+--too much, no end--> SKIP --last--> IDLE     +--> SENDING ---+ sent, last
 *
 * The envelope, up to and with the first empty frame, goes back in front of the reply. A message
 * without one, with nothing behind it or with too much of it is BROKEN and dropped. A requester
 * that goes takes its reply with it: the frames are taken and go nowhere, and REP is ready for the
 * next.
 */

#define MCQ_REP_FRAMES_MAX 255

enum mcq_rep_state {
    MCQ_REP_IDLE,
    MCQ_REP_ENVELOPE,
    MCQ_REP_SKIP,
    MCQ_REP_BODY,
    MCQ_REP_REPLY,
    MCQ_REP_SENDING,
    MCQ_REP_STATE_COUNT,
};

struct mcq_rep {
    enum mcq_rep_state state;
    uint32_t frame_count;       /* kept, the empty one included */
    struct mcq_grow frames;     /* each: a length of 4 octets, big-endian; its octets */
    struct mcq_ring_node *peer; /* the requester; NULL: none, or gone */
    uint64_t epoch;
};

/* May receive. Allocates nothing. envelope_bytes_max counts each frame's octets and 4. */
void mcq_rep_init(struct mcq_rep *rep, size_t envelope_bytes_max);

/* Frees the envelope. May be initialised again. */
void mcq_rep_fini(struct mcq_rep *rep);

/* Whether frames may be taken from the fair queue, or sent. MCQ_OK, MCQ_STATE. */
MCQ_MUST_CHECK enum mcq_err mcq_rep_may_receive(const struct mcq_rep *rep);
MCQ_MUST_CHECK enum mcq_err mcq_rep_may_send(const struct mcq_rep *rep);

/* The next frame from the fair queue, from this peer. *kind says what it is.
 *   MCQ_OK
 *   MCQ_LIMIT   the envelope is too long; the message is dropped (BROKEN)
 *   MCQ_NOMEM   the envelope cannot be kept; the message is dropped (DISCARD)
 *   MCQ_STATE   a reply is due; nothing changed, *kind neither */
MCQ_MUST_CHECK enum mcq_err mcq_rep_frame(struct mcq_rep *rep, struct mcq_ring_node *peer,
                                          struct mcq_bytes frame, bool more,
                                          enum mcq_request_frame *kind);

/* The fair queue said CUT: the rest of the request never comes, and no reply is due. */
void mcq_rep_cut(struct mcq_rep *rep);

/* A connection is over. False: not the requester's. */
bool mcq_rep_peer_down(struct mcq_rep *rep, uint64_t epoch);

/* Where the reply goes, for mcq_balance_aim. NULL: nowhere. */
static inline struct mcq_ring_node *mcq_rep_requester(const struct mcq_rep *rep)
{
    return rep->peer;
}

/* Whether the next frame begins a reply: the envelope goes before it. */
static inline bool mcq_rep_begins(const struct mcq_rep *rep)
{
    return rep->state == MCQ_REP_REPLY;
}

/* The envelope's frames in their order, all to be sent with MORE: *cursor starts at 0. False: no
 * more. *frame is borrowed until the first mcq_rep_sent. */
bool mcq_rep_envelope_next(const struct mcq_rep *rep, size_t *cursor, struct mcq_bytes *frame);

/* A frame of the application was queued or swallowed.
 *   MCQ_STATE   out of turn; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_rep_sent(struct mcq_rep *rep, bool more);

#endif
