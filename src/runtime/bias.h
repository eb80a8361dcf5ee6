/*
 * bias: how a thread enters a lock that is mostly its own without an atomic exchange.
 *
 * Layer:   runtime; half of lock.h.
 * Threads: a cell is one thread's to write, anybody's to read.
 * Bound:   MCQ_BIAS_CELLS cells a process; further threads do without. They stay where they are, so
 *          a lock may name the cell of a thread that is gone: the next one that has it is its heir.
 *
 * An exchange waits for all stores before it, 8 to 10 ns a call behind the copy of a message. A
 * store and a load of another word need not wait for each other; what has to be ordered is then
 * ordered by those who come from outside, all at their cost:
 *
 *   the cell's thread   says that it is inside (store), looks whether the lock is still its (load)
 *   everybody else      says that it is not (exchange), fences (membarrier, in every thread of the
 *                       process), looks whether the thread is inside (load)
 *
 * One of the two sees the other's word: either the thread's store came before the fence in its own
 * thread, and is seen behind it, or the thread's load comes behind the fence, and sees the
 * exchange.
 */
#ifndef MCQ_RUNTIME_BIAS_H
#define MCQ_RUNTIME_BIAS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MCQ_BIAS_CELLS 64
#define MCQ_BIAS_LINE 64

struct mcq_lock;

/* In a line of its own: its thread writes it twice a call. */
struct mcq_bias {
    /* What its thread has taken by its bias; NULL: nothing. */
    alignas(MCQ_BIAS_LINE) _Atomic(const struct mcq_lock *) inside;
};

/* The calling thread's; NULL: it has none. initial-exec: read without a call to look it up. */
extern _Thread_local struct mcq_bias *mcq_bias_own __attribute__((tls_model("initial-exec")));

/* Asks the kernel whether it can fence, once a process: before the first lock. In a process that
 * has other threads already the kernel takes some 10 ms for it. */
void mcq_bias_enable(void);

/* Gives the calling thread a cell, if it has none. False: all are taken, or the
 * kernel cannot fence. */
bool mcq_bias_begin(void);

/* Whether mcq_bias_fence is not dear. */
bool mcq_bias_can_fence(void);

/* A full fence in every thread of the process. */
void mcq_bias_fence(void);

#endif
