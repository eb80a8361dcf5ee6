/*
 * row: sends to many streams by one entry into the kernel.
 *
 * Layer:   reactor.
 * Threads: one at a time, whichever: when a call returns, nothing of it is under way.
 * Fork:    a child must not touch it.
 * Bound:   MCQ_ROW_MAX sends a call; a ring of as many entries (two pages, and a descriptor).
 */
#ifndef MCQ_REACTOR_ROW_H
#define MCQ_REACTOR_ROW_H

#include "reactor/reactor.h"

#define MCQ_ROW_MAX 32

struct mcq_row;

struct mcq_row_send {
    int fd;
    struct iovec octets; /* one at least; they stay where they are during the call */
    struct mcq_io io;    /* the outcome, as mcq_reactor_send has it */
};

/* NULL: the engine has none, or the kernel gives none now, and sends are made one by one. */
struct mcq_row *mcq_row_new(struct mcq_reactor *reactor);
void mcq_row_free(struct mcq_reactor *reactor, struct mcq_row **row); /* NULL: nothing */

/* Makes them all, each of another stream.
 *   row     *row NULL: one by one; it becomes NULL if the kernel does not take it any more
 *   count   MCQ_ROW_MAX at most */
void mcq_row_send(struct mcq_reactor *reactor, struct mcq_row **row, struct mcq_row_send *sends,
                  size_t count);

#endif
