/*
 * pending: what keeps a context from its end, for those who ask.
 *
 * Layer:   api.
 * Threads: any.
 * Bound:   a walk over the context's sockets and their peers; each is locked for its own.
 */
#ifndef MCQ_API_PENDING_H
#define MCQ_API_PENDING_H

#include <monocoque.h>

/* ": ", and the entry as a person would say it. */
void mcq_pending_text(const struct mcq_pending *entry, char *text, size_t room);

/* To a program that may know of less, or of more, than this library: as much of a struct as both
 * know, and zeros. */
void mcq_hand_out(void *room, size_t room_bytes, const void *known, size_t known_bytes);

#endif
