/*
 * greeting: what a peer of 3.x begins with, for the tests of this folder.
 */
#ifndef MCQ_TESTS_SESSION_GREETING_H
#define MCQ_TESTS_SESSION_GREETING_H

#include "wire/encode.h"

static inline void put_greeting(struct mcq_greeting_v3 *greeting, const char *mechanism)
{
    const struct mcq_greeting_sends sends = {.padding = 1, .mechanism = mcq_bytes_of(mechanism)};

    mcq_encode_greeting_v3(greeting, &sends);
}

#endif
