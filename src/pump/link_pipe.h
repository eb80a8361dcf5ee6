/*
 * link_pipe: what a link does where there is a pipe and no stream. For link.c.
 *
 * Layer:   pump.
 * Threads: as link.h.
 */
#ifndef MCQ_PUMP_LINK_PIPE_H
#define MCQ_PUMP_LINK_PIPE_H

#include "pump/link.h"

/* As mcq_link_put, but the look for room. MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_link_pipe_put(struct mcq_link *link, struct mcq_part *part);

/* Says something that is no message: the far side hears an event of this kind, with these octets.
 * MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_link_pipe_say(struct mcq_link *link, enum mcq_event_kind kind,
                                              struct mcq_bytes octets);

/* Shows the far side what is whole, and has it told if it waits. */
void mcq_link_pipe_flush(struct mcq_link *link);

/* As mcq_link_take and mcq_link_hear. MCQ_AGAIN: nothing, and the far side tells. */
MCQ_MUST_CHECK enum mcq_err mcq_link_pipe_take(struct mcq_link *link, struct mcq_msg *msg);
MCQ_MUST_CHECK enum mcq_err mcq_link_pipe_hear(struct mcq_link *link, struct mcq_msg *msg,
                                               struct mcq_event *event);

#endif
