/*
 * admission: who may connect to what is bound.
 *
 * Layer:   transport.
 * Threads: a value that is shared never changes; mcq_admission_ref and unref from any thread.
 * Bound:   MCQ_ADMIT_RULES_MAX rules.
 *
 * Without a rule for its transport anybody may: for tcp the rules are networks, for ipc processes,
 * users and groups. With some, a peer must fit one of them. NULL is no rule at all.
 */
#ifndef MCQ_TRANSPORT_ADMISSION_H
#define MCQ_TRANSPORT_ADMISSION_H

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "reactor/reactor.h"

#define MCQ_ADMIT_RULES_MAX 1024

enum mcq_admission_kind {
    MCQ_ADMIT_NETWORK,
    MCQ_ADMIT_PID,
    MCQ_ADMIT_UID,
    MCQ_ADMIT_GID, /* a supplementary group counts, too */
};

struct mcq_admission_rule {
    enum mcq_admission_kind kind;
    uint32_t id;         /* of all kinds but NETWORK */
    uint8_t network[16]; /* IPv6, or IPv4 mapped into it */
    uint8_t bits;        /* of the network: 0..128 */
};

struct mcq_admission;

/* Reads "ADDRESS" or "ADDRESS/BITS", IPv4 or IPv6, in numbers. false: it is none. */
MCQ_MUST_CHECK bool mcq_admission_parse(struct mcq_bytes text, struct mcq_admission_rule *rule);

/* *admission becomes one with this rule, too, or without those of a kind; who shared the old one
 * still has it.
 *   MCQ_NOMEM, MCQ_LIMIT   as it was */
MCQ_MUST_CHECK enum mcq_err mcq_admission_add(struct mcq_admission **admission,
                                              const struct mcq_admission_rule *rule);
MCQ_MUST_CHECK enum mcq_err mcq_admission_clear(struct mcq_admission **admission,
                                                enum mcq_admission_kind kind);

/* NULL is fine. */
struct mcq_admission *mcq_admission_ref(struct mcq_admission *admission);
void mcq_admission_unref(struct mcq_admission **admission);

/* Whether the peer of this stream may connect. */
bool mcq_admission_admits(const struct mcq_admission *admission, struct mcq_reactor *reactor,
                          int fd);

#endif
