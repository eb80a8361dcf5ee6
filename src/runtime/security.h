/*
 * security: how a socket's connections prove who they are, as its options say.
 *
 * Layer:   runtime.
 * Threads: set and asked for by the holder of the socket's lock; what an endpoint keeps is constant
 *          and may be read by its engine meanwhile.
 * Bound:   a page, out of core dumps, for a socket that sets one of these options; none else.
 *
 *   NULL --set--> own --share--> constant, counted --set--> a copy of its own --unref--> wiped
 *
 * As with libzmq the options of a mechanism choose it: the last one that was set counts. NULL is
 * the mechanism of a socket that sets none.
 */
#ifndef MCQ_RUNTIME_SECURITY_H
#define MCQ_RUNTIME_SECURITY_H

#include "session/session.h"
#include "table/option.h"

struct mcq_security;

/* Another holder of the same; NULL stays NULL. From now on it is constant. */
struct mcq_security *mcq_security_ref(struct mcq_security *security);

/* NULL is nothing. The last one wipes it. */
void mcq_security_unref(struct mcq_security *security);

/* Sets the socket's own.
 *   MCQ_INVAL   not a key; nothing changed
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_security_set_number(struct mcq_security **security,
                                                    enum mcq_option_id id, int value);
MCQ_MUST_CHECK enum mcq_err mcq_security_set_octets(struct mcq_security **security,
                                                    enum mcq_option_id id, struct mcq_bytes octets);

/* The numbers of libzmq's option. */
int mcq_mechanism_number(enum mcq_mechanism mechanism);

/* What they are. Octets are borrowed until the next set. */
int mcq_security_number(const struct mcq_security *security, enum mcq_option_id id);
struct mcq_bytes mcq_security_octets(const struct mcq_security *security, enum mcq_option_id id);

/* Before bind or connect: what the mechanism needs is there.
 *   is_compat   whether keys fit each other is left to the handshake, as in libzmq
 *   MCQ_INVAL   *fault says what is not */
MCQ_MUST_CHECK enum mcq_err mcq_security_check(const struct mcq_security *security, bool is_compat,
                                               const char **fault);

/* Whether ZAP is to be asked about a peer: NULL only with a domain, CURVE unless domains are
 * enforced and there is none, PLAIN always. */
bool mcq_security_asks(const struct mcq_security *security);

/* Whether credentials cross in clear. */
bool mcq_security_is_plain(const struct mcq_security *security);

/* Whether a peer comes in of which nobody can be asked: not by PLAIN, and not where domains are
 * enforced. */
bool mcq_security_admits_unasked(const struct mcq_security *security);

/* For a new session, which borrows from it until its handshake is over. */
void mcq_security_configure(const struct mcq_security *security, struct mcq_session_config *config);

#endif
