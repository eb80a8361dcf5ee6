/*
 * warn: what a person should know though no call has failed.
 *
 * Layer:   base.
 * Threads: any.
 *
 * A library writes to nobody's standard error unasked: MONOCOQUE_LOG=stderr asks for it.
 */
#ifndef MCQ_BASE_WARN_H
#define MCQ_BASE_WARN_H

/* One line, "monocoque: WHAT: WHY". */
void mcq_warn(const char *what, const char *why);

#endif
