/*
 * dial: a stream to an endpoint, for verbs that speak for themselves.
 *
 * Layer:   tool.
 */
#ifndef MCQ_TOOL_DIAL_H
#define MCQ_TOOL_DIAL_H

#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t mcq_tool_now_ns(void);

/* How long poll may wait until then: milliseconds, rounded up. */
int mcq_tool_wait_ms(uint64_t until_ns);

/* Connects to an endpoint of tcp or ipc, to each address that its name has until one answers. A
 * descriptor that does not block; -1: it has said why not, behind the verb's name. */
int mcq_tool_dial(const char *verb, const char *endpoint, uint64_t until_ns);

#endif
