/*
 * attr: the compiler attributes this project uses, by name, and what C has no word for.
 *
 * Layer:   base.
 */
#ifndef MCQ_BASE_ATTR_H
#define MCQ_BASE_ATTR_H

#include <stddef.h>

#define MCQ_MUST_CHECK __attribute__((warn_unused_result))
#define MCQ_LIKELY(x) __builtin_expect(!!(x), 1)
#define MCQ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MCQ_COLD __attribute__((cold, noinline))
#define MCQ_NOINLINE __attribute__((noinline))
/* From the start of a cache line: as fast wherever the code before it ends. */
#define MCQ_ON_LINE __attribute__((aligned(64)))
#define MCQ_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define MCQ_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))
/* The struct whose member `name` this is. */
#define MCQ_CONTAINER_OF(member, type, name)                                                       \
    ((type *) (void *) ((char *) (member) -offsetof(type, name)))

#endif
