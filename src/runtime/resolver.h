/*
 * resolver: names looked up in threads of their own, since a name server may take its time.
 *
 * Layer:   runtime.
 * Threads: ask and forget from the asking engine's thread; the answer comes there, as a task.
 * Bound:   MCQ_RESOLVER_THREADS_MAX look-ups at a time, further ones wait in order; no thread while
 *          nobody asks.
 *
 *   lookup:  IDLE --ask--> ASKED --answer: the task is posted--> IDLE once it runs
 *                            +------forget: no answer comes----> IDLE
 *
 * Nobody waits for a look-up: one that hangs keeps its thread and the resolver's memory, and
 * nothing else. What it answers in the end is dropped when the asker, or the whole context, is gone
 * (docs/adr/0013).
 */
#ifndef MCQ_RUNTIME_RESOLVER_H
#define MCQ_RUNTIME_RESOLVER_H

#include "runtime/engine.h"

#define MCQ_RESOLVER_THREADS_MAX 4

struct mcq_resolver;
struct mcq_name_question;

/* A way to look names up; the call takes as long as it likes.
 *   MCQ_OK          *addresses is an allocation of *count addresses, at least one
 *   MCQ_NOT_FOUND   nobody has this name, or its server does not answer
 *   MCQ_NOMEM
 *   MCQ_AGAIN       not yet: ask again (simulated worlds only) */
struct mcq_name_server {
    enum mcq_err (*look_up)(void *data, const char *host, bool is_ipv6,
                            struct mcq_address **addresses, uint32_t *count);
    void *data;
};

/* Who asks, and what is answered. The asker's storage; zero at first, but for engine and task. */
struct mcq_lookup {
    struct mcq_engine *engine;
    struct mcq_task task; /* run once there is an answer */
    struct mcq_name_question *question;
    enum mcq_err err;
    struct mcq_address *addresses; /* MCQ_OK: the asker's, to be freed */
    uint32_t count;
};

/* A resolver that asks the system. is_stepwise: without threads, in mcq_resolver_turn.
 *   MCQ_NOMEM   *resolver is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_resolver_new(bool is_stepwise, struct mcq_resolver **resolver);

/* For tests: another way to look names up, before the first one is. */
void mcq_resolver_set(struct mcq_resolver *resolver, struct mcq_name_server server);

/* Answers those that can be answered, in a simulated world. True: there were some. */
bool mcq_resolver_turn(struct mcq_resolver *resolver);

/* Nobody asks any more. Threads in the middle of a look-up end by themselves; no engine is woken by
 * any of them from now on. */
void mcq_resolver_free(struct mcq_resolver **out);

/* Asks for the addresses of a host.
 *   MCQ_OK      the task runs once there is an answer, unless it is forgotten
 *   MCQ_NOMEM   no memory or no thread */
MCQ_MUST_CHECK enum mcq_err mcq_resolver_ask(struct mcq_resolver *resolver,
                                             struct mcq_lookup *lookup, const char *host,
                                             bool is_ipv6);

/* true: no task comes. false: it has been posted, and will run. */
MCQ_MUST_CHECK bool mcq_resolver_forget(struct mcq_resolver *resolver, struct mcq_lookup *lookup);

#endif
