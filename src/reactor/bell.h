/*
 * bell: a descriptor for somebody else's event loop, readable while there is something to do.
 *
 * Layer:   reactor. The kernel's, for real worlds only.
 * Threads: set and set_time by one thread at a time; any may poll the descriptor, and nobody reads
 *          it.
 *
 *   SILENT --set, its time comes, what it watches is readable--> RINGING
 *   RINGING --set or set_time, and what it watches is not readable--> SILENT
 *
 * It is level-triggered: who looks too late, or twice, finds it as it is.
 */
#ifndef MCQ_REACTOR_BELL_H
#define MCQ_REACTOR_BELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"

struct mcq_bell;

enum mcq_bell_kind {
    MCQ_BELL_SWITCH, /* rung by mcq_bell_set */
    MCQ_BELL_CLOCK,  /* rung by mcq_bell_set_time */
};

/* A silent one.
 *   watched   a descriptor that rings it while it can be polled for input, and that outlives it;
 *             -1: none
 *   MCQ_OK    the caller owns *bell and ends it with mcq_bell_free
 *   MCQ_NO_FDS, MCQ_NOMEM: *bell is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_bell_new(enum mcq_bell_kind kind, int watched,
                                         struct mcq_bell **bell);

/* Closes its descriptors. *bell becomes NULL; one that is NULL is left so. */
void mcq_bell_free(struct mcq_bell **bell);

/* To be polled for input. */
int mcq_bell_fd(const struct mcq_bell *bell);

/* Of a switch. A change is a system call. */
void mcq_bell_set(struct mcq_bell *bell, bool rings);

/* Of a clock: rings from then on, on the reactor's clock; MCQ_NEVER_NS: not. */
void mcq_bell_set_time(struct mcq_bell *bell, uint64_t at_ns);

#endif
