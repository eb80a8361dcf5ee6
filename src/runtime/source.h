/*
 * source: how many connections each address has to a bound endpoint.
 *
 * Layer:   runtime.
 * Threads: any; a mutex orders them. It is the last lock that anybody takes, and is held for a
 *          look-up.
 * Bound:   one account for each address that has a connection, in a table whose hashes have a
 *          secret key: no more accounts than connections.
 * Owner:   the endpoint has the book, and each connection its place in it; the last one frees it.
 *
 *   accepted --take--> STRANGER --meet--> PEER --put--> gone
 *                         +---------------put-----------^
 *
 * A source is an address of IPv4, or a network of 64 bits of IPv6, which is what one customer has.
 */
#ifndef MCQ_RUNTIME_SOURCE_H
#define MCQ_RUNTIME_SOURCE_H

#include "base/attr.h"
#include "base/error.h"
#include "hub/table.h"
#include "reactor/reactor.h"

struct mcq_sources;
struct mcq_source;

/* What one source may have; 0: as many as it likes. */
struct mcq_source_limits {
    uint32_t strangers; /* whose handshake is not over */
    uint32_t all;
};

/* MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_sources_new(const struct mcq_source_limits *limits,
                                            const uint8_t key[MCQ_TABLE_KEY_BYTES],
                                            struct mcq_sources **sources);
/* The endpoint is gone. NULL is fine. */
void mcq_sources_unref(struct mcq_sources **sources);

/* A connection from there has come.
 *   MCQ_OK        *source is its place; NULL: it has no such address, or there are no limits
 *   MCQ_CROWDED   it would be one too many
 *   MCQ_NOMEM     in both cases *source is NULL */
MCQ_MUST_CHECK enum mcq_err mcq_source_take(struct mcq_sources *sources,
                                            const struct mcq_address *address,
                                            struct mcq_source **source);
/* Its handshake is over: it is a stranger no more. NULL is fine, here and below. */
void mcq_source_meet(struct mcq_source *source);
/* It has ended, and was a stranger or not. */
void mcq_source_put(struct mcq_source **source, bool is_stranger);

#endif
