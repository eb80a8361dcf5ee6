/*
 * sleeper: how a thread without a reactor waits, and how others end its wait.
 *
 * Layer:   reactor.
 * Threads: wait belongs to the thread that made the sleeper; signal may come from any.
 *
 *   AWAKE --wait--> ASLEEP --a descriptor, the time, a signal handler--> AWAKE
 *     |                |
 *   signal           signal: writes the eventfd
 *     v                v
 *   SIGNALED --wait returns at once, or is ended; the signal is taken--> AWAKE
 *
 * No wake-up is lost: whoever changes what the sleeper waits for does so first and signals then
 * (one exchange of the state, release); wait takes the signal with an exchange (acquire) before it
 * returns, so the sleeper sees the change. Signals are coalesced: only the first one to a thread
 * that sleeps is a system call, and one that came before the sleep ends it before it begins. So the
 * sleeper looks at its condition after each wait, whatever the result.
 */
#ifndef MCQ_REACTOR_SLEEPER_H
#define MCQ_REACTOR_SLEEPER_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "reactor/table.h"

struct mcq_reactor;
struct mcq_sleeper;

/* A sleeper of the calling thread, in the world of that reactor, which need not outlive it.
 *   MCQ_OK      the caller owns *sleeper and ends it with mcq_sleeper_free
 *   MCQ_NO_FDS, MCQ_NOMEM: *sleeper is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_sleeper_new(struct mcq_reactor *reactor,
                                            struct mcq_sleeper **sleeper);

/* Nobody signals it any more. *sleeper becomes NULL. */
void mcq_sleeper_free(struct mcq_sleeper **sleeper);

/* Sleeps until one of fds[1] .. fds[count] is ready, somebody signals, or until_ns, on the
 * reactor's clock, has come. fds[0] is the call's to fill in. May return early.
 *   DONE          fds[1 ..].revents say which are ready
 *   SIGNALED      a signal was taken; revents count as well
 *   TIMED_OUT     it is until_ns, or later
 *   INTERRUPTED   a signal handler ran
 *   NO_MEMORY, BROKEN */
MCQ_MUST_CHECK enum mcq_io_result mcq_sleeper_wait(struct mcq_sleeper *sleeper, struct pollfd *fds,
                                                   size_t count, uint64_t until_ns);

/* Ends the wait under way, or the next one. */
void mcq_sleeper_signal(struct mcq_sleeper *sleeper);

/* What an engine's world brings; for the files of this folder. */
struct mcq_sleeper_ops {
    enum mcq_io_result (*wait)(struct mcq_sleeper *, struct pollfd *, size_t, uint64_t until_ns);
    void (*signal)(struct mcq_sleeper *);
    void (*free)(struct mcq_sleeper *);
};

struct mcq_sleeper {
    const struct mcq_sleeper_ops *ops;
};

#endif
