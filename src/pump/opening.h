/*
 * opening: a connection until its handshake is over.
 *
 * Layer:   pump.
 * Threads: the engine that makes the connection, alone: no socket knows of it before it is READY.
 * Bound:   the session's limits; a receive block only while octets are unread.
 *
 *   init --step--> AGAIN ... --step--> OK: mcq_link_start takes it over
 *                  |   ^           --> failed: the caller ends it
 *                doze  rouse
 *                  v   |
 *                 DOZING: the peer has said nothing, and costs no session
 */
#ifndef MCQ_PUMP_OPENING_H
#define MCQ_PUMP_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "pump/origin.h"
#include "pump/read_pump.h"
#include "reactor/reactor.h"
#include "session/session.h"

struct mcq_opening {
    struct mcq_reactor *reactor;
    struct mcq_session *session; /* NULL: empty, or it dozes */
    struct mcq_receiver *receiver;
    struct mcq_rpump *rpump;       /* as long as there is a session */
    struct mcq_origin *origin;     /* once READY */
    struct mcq_decision *decision; /* NULL: ZAP has not said yes, or was not asked */
    size_t greeted;                /* DOZING: octets of our greeting that have left */
    int fd;
    unsigned refusal; /* ZAP's status, as the peer's ERROR says it; 0: it has said none */
    bool is_blocked;  /* octets wait for room in the stream */
};

/* The config's borrowed members outlive the session.
 *   MCQ_OK      the stream is the opening's
 *   MCQ_INVAL   the configuration
 *   MCQ_NOMEM   in both cases *opening is empty, and the stream still the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_opening_init(struct mcq_opening *opening,
                                             struct mcq_reactor *reactor,
                                             struct mcq_receiver *receiver, int fd,
                                             const struct mcq_session_config *config);

/* Goes on: reads, answers, writes.
 *   MCQ_OK      READY, or ZAP, which is to be answered (mcq_session_zap) before the next call;
 *               *ready is the event, borrowed until then
 *   MCQ_AGAIN   waits for octets or, if is_blocked, for room
 *   other       failed: mcq_session_failure has more */
MCQ_MUST_CHECK enum mcq_err mcq_opening_step(struct mcq_opening *opening, struct mcq_event *ready);

/* What ZAP has said of the peer, for its origin. Copied. MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_opening_keep(struct mcq_opening *opening, struct mcq_bytes user_id,
                                             struct mcq_bytes metadata);

/* The last step has said AGAIN: if the peer has said nothing at all, and has got what there is to
 * say, its session is given back until it speaks. */
void mcq_opening_doze(struct mcq_opening *opening);

static inline bool mcq_opening_is_dozing(const struct mcq_opening *opening)
{
    return opening->session == NULL && opening->fd >= 0;
}

/* Makes the session anew, with the configuration that it had, before the next step. The handshake's
 * deadline is that of init: whoever dozes keeps it.
 *   MCQ_NOMEM   it dozes on */
MCQ_MUST_CHECK enum mcq_err mcq_opening_rouse(struct mcq_opening *opening,
                                              const struct mcq_session_config *config);

/* Drops all of it and returns the stream, for the caller to close. */
int mcq_opening_fini(struct mcq_opening *opening);

#endif
