/*
 * random: the system's random octets, for sessions, which have no system.
 *
 * Layer:   runtime.
 * Threads: any.
 */
#ifndef MCQ_RUNTIME_RANDOM_H
#define MCQ_RUNTIME_RANDOM_H

#include "security/crypto.h"

/* A source that fills from the kernel; it holds nothing. */
struct mcq_random mcq_random_system(void);

/* Whether the kernel gives any: before mcq_crypto_init. */
bool mcq_random_is_there(void);

#endif
