/*
 * attr: the compiler attributes this project uses, by name.
 *
 * Layer:   base.
 */
#ifndef MCQ_BASE_ATTR_H
#define MCQ_BASE_ATTR_H

#define MCQ_MUST_CHECK __attribute__((warn_unused_result))
#define MCQ_LIKELY(x) __builtin_expect(!!(x), 1)
#define MCQ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MCQ_COLD __attribute__((cold, noinline))
#define MCQ_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define MCQ_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

#endif
