/*
 * facts: what is known of a peer, kept beside each message that comes from it.
 *
 * Layer:   pump.
 * Threads: made by the engine that opened the connection; constant then, and read by any thread.
 * Bound:   the peer's metadata and ZAP's, once for a connection: its messages share the list.
 *
 * In the order in which a name is looked for: what we know by ourselves, what ZAP's handler has
 * said, what the peer says of itself. So no peer can say what only we and the handler may.
 */
#ifndef MCQ_PUMP_FACTS_H
#define MCQ_PUMP_FACTS_H

#include <stdbool.h>

#include "arena/buf.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

/* Source: zmq_msg_gets(3), RFC 27. Those of RFC 37 are the peer's own. */
#define MCQ_FACT_PEER_ADDRESS "Peer-Address"
#define MCQ_FACT_USER_ID "User-Id"

/* Borrowed for the call. */
struct mcq_facts {
    struct mcq_bytes address; /* empty: none */
    bool has_user_id;         /* ZAP has said who it is, though perhaps with nothing */
    struct mcq_bytes user_id;
    struct mcq_bytes decided; /* ZAP's properties: a list that its decoder has accepted */
    struct mcq_bytes claimed; /* the peer's: the same */
};

/* The list as a buffer, SHARED.
 *   MCQ_OK      one reference to the caller; NULL: nothing is known
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_facts_new(const struct mcq_facts *facts, struct mcq_buf **list);

/* The value of just this name, with a zero behind it that is not counted. false: there is none. */
bool mcq_facts_find(const struct mcq_buf *list, struct mcq_bytes name, struct mcq_bytes *value);

#endif
