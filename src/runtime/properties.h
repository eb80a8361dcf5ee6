/*
 * properties: what a socket tells its peers of itself, beside what the protocol wants.
 *
 * Layer:   runtime.
 * Threads: a list never changes; who holds a reference may read it.
 * Bound:   MCQ_PROPERTIES_BYTES_MAX octets.
 */
#ifndef MCQ_RUNTIME_PROPERTIES_H
#define MCQ_RUNTIME_PROPERTIES_H

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

#define MCQ_PROPERTIES_BYTES_MAX 16384

struct mcq_properties;

/* *list, NULL at first, becomes one with this, too: "X-NAME:VALUE".
 *   MCQ_INVAL   it is not written so, or the protocol knows no such name
 *   MCQ_LIMIT   there is no room for it
 *   MCQ_NOMEM   in each case *list is what it was */
MCQ_MUST_CHECK enum mcq_err mcq_properties_add(struct mcq_properties **list, struct mcq_bytes text);

/* As READY has them. NULL: empty. */
struct mcq_bytes mcq_properties_octets(const struct mcq_properties *list);

/* NULL is a list. */
struct mcq_properties *mcq_properties_ref(struct mcq_properties *list);
void mcq_properties_unref(struct mcq_properties **list);

#endif
