/*
 * assert: three words for what must hold by construction.
 *
 * Layer:   base.
 *
 *   mcq_assert       our own bug; stays on in release builds
 *   mcq_assert_hot   the same inside hot loops; on unless NDEBUG
 *   static_assert    sizes, offsets, relations between constants
 *
 * Never for anything that a peer, the kernel or the application can cause: those have rows in
 * base/error.h.
 */
#ifndef MCQ_BASE_ASSERT_H
#define MCQ_BASE_ASSERT_H

#include <assert.h> /* static_assert */

#include "base/attr.h"

/* Prints the broken condition with its place and ends the process. */
_Noreturn void mcq_assert_failed(const char *condition, const char *file, int line);

#define mcq_assert(condition)                                                                      \
    (MCQ_LIKELY(condition) ? (void) 0 : mcq_assert_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define mcq_assert_hot(condition) ((void) 0)
#else
#define mcq_assert_hot(condition) mcq_assert(condition)
#endif

#endif
