/*
 * engine: the thread that owns every operation that outlives a call.
 *
 * Layer:   runtime.
 * Threads: post from any; everything else is the engine's own thread, or in a simulated world
 *          whoever takes its turns.
 * Bound:   tasks and waits are their owners' storage; the handshakes' receive blocks are its own.
 *
 *   others --post(task)--> inbox --turn--> task->run          in the engine's thread
 *   reactor --completion--> turn --> wait->done               in the engine's thread
 *
 * A task is in the inbox at most once: post sets is_posted and puts it in only if it was not set;
 * the engine clears it (acquire) before it runs the task. So what the poster wrote before is seen
 * by this run or by the next one.
 */
#ifndef MCQ_RUNTIME_ENGINE_H
#define MCQ_RUNTIME_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pump/read_pump.h"
#include "reactor/bell.h"
#include "reactor/reactor.h"
#include "reactor/sleeper.h"
#include "runtime/thread.h"

struct mcq_task {
    struct mcq_task *next;
    void (*run)(struct mcq_task *task);
    _Atomic bool is_posted;
};

/* An armed operation and who it is for. One of a stranger gives way: when strangers have had their
 * share of a turn, `done` follows in a later one, and until then it counts as armed. */
struct mcq_wait {
    struct mcq_op op;
    void (*done)(struct mcq_wait *wait);
    bool gives_way; /* its owner's to set */
    bool is_held;   /* in the engine's list, by op.next */
};

struct mcq_question;

struct mcq_engine {
    struct mcq_reactor *reactor;
    _Atomic(struct mcq_task *) inbox; /* newest first */
    struct mcq_receiver receiver;     /* of connections that are being opened */
    uint64_t random;                  /* state of mcq_engine_random */
    struct mcq_op *held_first;        /* that gave way, oldest first */
    struct mcq_op *held_last;
    struct mcq_task held_task; /* keeps the engine from sleeping while there are any */
    uint64_t held_count;       /* how often one had to */
    struct {
        uint32_t asked_count;       /* questions that a handler has, or has not let go of */
        struct mcq_question *first; /* that wait, oldest first */
        struct mcq_question *last;
    } zap;                /* runtime/zap.h */
    const char *fallback; /* why it is not on io_uring, which was looked for; NULL: not so */
    _Atomic bool is_ending;
    bool has_thread;
    uint32_t socket_count; /* that belong to it: its context's, under the mutex */
    uint32_t calls;        /* inline: that did not wait, since it had a turn */
    uint64_t turned_at_ns; /* inline: its last turn */
    bool is_inline;        /* `thread` is an application's, and drives it in its calls ... */
    bool is_telling;       /* ... but in those that a listener makes (runtime/report.h) */
    struct mcq_bell *bell; /* inline: rings while there is work; NULL: nobody has asked for it */
    pthread_t thread;      /* its own, or its owner */
};

/* An engine on this reactor, which it owns from now on; without a thread.
 *   random      where its random numbers start
 *   MCQ_NOMEM   *engine is untouched, and the reactor the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_engine_init(struct mcq_engine *engine, struct mcq_reactor *reactor,
                                            uint64_t random);

/* An engine with a reactor and a thread of its own, in which all signals are blocked.
 *   wish, index   how the thread runs; borrowed for the call
 *   MCQ_NOMEM   no memory or threads
 *   MCQ_NO_FDS  no descriptors
 *   MCQ_INVAL   MONOCOQUE_ENGINE asks for what is not there */
MCQ_MUST_CHECK enum mcq_err mcq_engine_start(struct mcq_engine *engine, uint64_t random,
                                             const struct mcq_thread_wish *wish, uint32_t index);

/* An engine with a reactor of the calling thread, which drives it by mcq_engine_sleep. */
MCQ_MUST_CHECK enum mcq_err mcq_engine_begin(struct mcq_engine *engine, uint64_t random);

/* The calling thread is the one that drives it. */
static inline bool mcq_engine_is_mine(const struct mcq_engine *engine)
{
    return engine->is_inline && pthread_equal(engine->thread, pthread_self());
}

/* As mcq_sleeper_wait, for the thread that drives the engine: does the engine's work meanwhile.
 * fds has room for one more at its end. */
MCQ_MUST_CHECK enum mcq_io_result mcq_engine_sleep(struct mcq_engine *engine,
                                                   struct mcq_sleeper *sleeper, struct pollfd *fds,
                                                   size_t count, uint64_t until_ns);

/* Inline, around what its owner does for it, if somebody has asked for its bell: rouse before, and
 * rest after it, from when on the bell tells of work. */
void mcq_engine_rouse(struct mcq_engine *engine);
void mcq_engine_rest(struct mcq_engine *engine);

/* Inline: a descriptor that can be polled for input while there is work; the engine's.
 *   MCQ_NO_FDS, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_engine_bell_fd(struct mcq_engine *engine, int *fd);

/* Ends the thread, if there is one; nothing is armed or posted. */
void mcq_engine_fini(struct mcq_engine *engine);

/* Runs `task` in the engine, soon. */
void mcq_engine_post(struct mcq_engine *engine, struct mcq_task *task);

/* All tasks and completions that are there. True: there were some. */
bool mcq_engine_turn(struct mcq_engine *engine);

/* Random numbers for back-offs: not secret. */
uint64_t mcq_engine_random(struct mcq_engine *engine);

static inline uint64_t mcq_engine_now_ns(const struct mcq_engine *engine)
{
    return mcq_reactor_now_ns(engine->reactor);
}

/* Arms what is not armed yet.
 *   MCQ_NOMEM   not armed */
MCQ_MUST_CHECK enum mcq_err mcq_engine_poll(struct mcq_engine *engine, struct mcq_wait *wait,
                                            int fd, enum mcq_op_kind kind);
void mcq_engine_timer(struct mcq_engine *engine, struct mcq_wait *wait, uint64_t at_ns);

static inline bool mcq_wait_is_armed(const struct mcq_wait *wait)
{
    return mcq_op_is_armed(&wait->op) || wait->is_held;
}

#endif
