/*
 * hint: a descriptor that says "look again", once for each reason.
 *
 * Layer:   reactor. The kernel's, for real worlds only.
 * Threads: raise and lower by one thread at a time; any may poll the descriptor.
 *
 *   LOWERED --raise--> RAISED: readable --lower--> LOWERED
 *
 * Not a level: who lowers it has looked, and hears of what comes afterwards only.
 */
#ifndef MCQ_REACTOR_HINT_H
#define MCQ_REACTOR_HINT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"

struct mcq_hint {
    int fd; /* -1: there is none */
    bool is_raised;
};

/* MCQ_NO_FDS: *hint is untouched. */
MCQ_MUST_CHECK enum mcq_err mcq_hint_open(struct mcq_hint *hint);
void mcq_hint_close(struct mcq_hint *hint);

/* A system call each, where it changes something. */
void mcq_hint_raise(struct mcq_hint *hint);
void mcq_hint_lower(struct mcq_hint *hint);

#endif
