/*
 * probe: static trace points of the provider `monocoque`, for bpftrace, perf and their like.
 *
 * Layer:   base.
 * Threads: any.
 *
 * In a build with MONOCOQUE_USDT each is one instruction that does nothing until somebody attaches;
 * without it they are nothing, and what they would tell is not evaluated. docs/howto/trace.md says
 * what each tells, and a test holds the library to it.
 */
#ifndef MCQ_BASE_PROBE_H
#define MCQ_BASE_PROBE_H

#ifdef MCQ_USDT

#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>

/* Up to twelve numbers or addresses follow the name. */
#define MCQ_PROBE(name, ...) STAP_PROBEV(monocoque, name, __VA_ARGS__)

#else

#define MCQ_PROBE(...) ((void) 0)

#endif

#endif
