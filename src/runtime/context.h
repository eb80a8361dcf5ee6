/*
 * context: the engines, the sockets and the sleepers that belong together.
 *
 * Layer:   runtime.
 * Threads: any; its mutex orders them and is held for a few lines only. Lock order: context before
 *          socket; nobody waits for the context while holding a socket, but for its free lists and
 *          its choice of an engine.
 * Fork:    nothing is locked over a fork. What the child needs, the lists of contexts and of their
 *          sockets, changes by single stores, so it finds them whole, and marks all in them.
 * Bound:   sockets_max sockets. A socket's slot stays mapped until the context goes, so that a call
 *          on a socket that was closed finds that out instead of foreign memory.
 */
#ifndef MCQ_RUNTIME_CONTEXT_H
#define MCQ_RUNTIME_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/permits.h"
#include "reactor/sleeper.h"
#include "runtime/inproc.h"
#include "runtime/resolver.h"
#include "runtime/thread.h"
#include "session/session.h"
#include "table/option.h"

#define MCQ_ENGINES_MAX MCQ_CONTEXT_IO_THREADS_MAX

struct mcq_socket;

struct mcq_context {
    pthread_mutex_t mutex;
    struct mcq_engine engines[MCQ_ENGINES_MAX];
    uint32_t engine_count;                      /* running; 0 until the first socket */
    _Atomic(struct mcq_engine *) inline_engine; /* NULL: it has threads, or none yet */
    uint32_t engines_wanted;
    uint32_t sockets_max;
    uint32_t profile;               /* enum mcq_profile of the next socket */
    struct mcq_thread_wish threads; /* how they run */
    uint32_t open_count;            /* sockets that are open, or closed and lingering */
    bool is_terminated;
    bool is_forked;                     /* this process is a child of the one that made it */
    _Atomic(struct mcq_context *) next; /* in the list of the process's contexts */
    _Atomic(struct mcq_socket *) slots; /* all there ever were, by next_slot */
    struct mcq_socket *free_slots;      /* by next_free */
    struct mcq_sleeper_node *sleepers;  /* that nobody uses */
    uint32_t asleep_count;              /* that are taken: the context stays while there are any */
    struct mcq_resolver *resolver;      /* NULL: nobody has asked yet */
    struct mcq_sleeper *term_sleeper;   /* who waits in term; NULL: nobody */
    struct mcq_names names;             /* of inproc */
    struct mcq_permits budget;          /* octets that its sockets hold */
    _Atomic uint32_t zap_max;           /* questions that a handler has of each engine */
    _Atomic uint64_t zap_held_up_count; /* questions that had to wait for their turn */
    uint64_t seed;                      /* of a simulated world; 0: the kernel's random numbers */
    _Atomic uint64_t epoch; /* the latest; connections and peers get numbers that only grow */
};

/* A context; engines start with the first socket.
 *   MCQ_NOMEM   *context is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_context_new(struct mcq_context **context);

/* A context whose one engine has no thread: it takes its turns from mcq_context_turn. For simulated
 * worlds: all that is random comes from the seed, 1 or more.
 *   MCQ_OK      the reactor is the context's
 *   MCQ_NOMEM   the reactor is still the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_context_new_on(struct mcq_reactor *reactor, uint64_t seed,
                                               struct mcq_context **context);
bool mcq_context_turn(struct mcq_context *context);

/* All calls on its sockets, but close, answer MCQ_TERMINATED from now on. */
void mcq_context_shutdown(struct mcq_context *context);

/* Shuts down, waits until all sockets are closed and have lingered, and frees the context.
 *   until_ns        on the engines' clock; MCQ_NEVER_NS: without a limit
 *   MCQ_OK          *context is NULL
 *   MCQ_TIMEOUT     not yet: it may be called again
 *   MCQ_INTERRUPTED a signal handler ran: the same
 *   MCQ_FORKED      the context is the parent's */
MCQ_MUST_CHECK enum mcq_err mcq_context_term(struct mcq_context **context, uint64_t until_ns);

/* As mcq_sleeper_wait; in the thread of a context without threads, its engine works meanwhile. fds
 * has room for one more at its end. */
MCQ_MUST_CHECK enum mcq_io_result mcq_context_sleep(struct mcq_context *context,
                                                    struct mcq_sleeper *sleeper, struct pollfd *fds,
                                                    size_t count, uint64_t until_ns);

/* The same in calls that do not wait: what there is to do now, and nothing elsewhere. */
void mcq_context_help(struct mcq_context *context);

/* Of a context without threads: does what its engine has to do, for so long.
 *   MCQ_DENIED       it has threads, or this is not the one that opened its first socket
 *   MCQ_INTERRUPTED, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_context_run(struct mcq_context *context, uint64_t for_ns);

/* Of a context without threads: a descriptor that can be polled for input while there is something
 * to do; the context's.
 *   MCQ_DENIED   it has threads or no socket yet, or this is not the one that opened the first
 *   MCQ_NO_FDS, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_context_bell_fd(struct mcq_context *context, int *fd);

/* Whether it came with a fork: then every call but this one answers MCQ_FORKED, and nothing of it
 * is touched, for rings, descriptors and threads are the parent's. It is never freed. */
static inline bool mcq_context_is_forked(const struct mcq_context *context)
{
    return context->is_forked;
}

/* The engine that its sockets run on, "" before the first one; *why is the reason if it is epoll
 * only because io_uring cannot be had, else NULL. Constant texts. */
const char *mcq_context_engine(struct mcq_context *context, const char **why);

/* The clock of everything in this context. */
uint64_t mcq_context_now_ns(struct mcq_context *context);

/* How many octets its sockets may hold: 0 as many as they like, -1 a quarter of what the process
 * may have. */
void mcq_context_set_budget(struct mcq_context *context, int64_t bytes);
/* 0: there is no limit. */
uint64_t mcq_context_budget(struct mcq_context *context);

/* --- for sockets ----------------------------------------------------------------------------- */

/* Its mutex, for a few lines that take no other. */
void mcq_context_lock(struct mcq_context *context);
void mcq_context_unlock(struct mcq_context *context);

/* If the budget is used up: ends one connection, that with the longest message that is not whole,
 * whosesoever it is. From the engines' threads, without a lock. */
void mcq_context_relieve(struct mcq_context *context);

/* The next number of a peer or connection. */
static inline uint64_t mcq_context_next_epoch(struct mcq_context *context)
{
    return atomic_fetch_add_explicit(&context->epoch, 1, memory_order_relaxed) + 1;
}

/* Fills with random octets.
 *   MCQ_NOMEM   the kernel has none yet */
MCQ_MUST_CHECK enum mcq_err mcq_context_random(struct mcq_context *context, void *octets,
                                               size_t len);

/* The context's resolver; it is made with the first call, and lives as long as the context.
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_context_resolver(struct mcq_context *context,
                                                 struct mcq_resolver **resolver);

/* A sleeper for one call: taken and put by the same thread. Until then the context stays, even if
 * its last socket goes.
 *   MCQ_NO_FDS, MCQ_NOMEM, MCQ_FORKED */
struct mcq_sleeper_node {
    struct mcq_sleeper *sleeper;
    struct mcq_sleeper_node *next;
};
MCQ_MUST_CHECK enum mcq_err mcq_context_take_sleeper(struct mcq_context *context,
                                                     struct mcq_sleeper_node **node);
void mcq_context_put_sleeper(struct mcq_context *context, struct mcq_sleeper_node *node);

/* A slot for a socket, the engine it belongs to, and whose habits it has.
 *   MCQ_TERMINATED, MCQ_FORKED, MCQ_NO_FDS, MCQ_NOMEM, MCQ_INVAL (MONOCOQUE_ENGINE) */
MCQ_MUST_CHECK enum mcq_err mcq_context_take_slot(struct mcq_context *context,
                                                  struct mcq_socket **socket,
                                                  struct mcq_engine **engine,
                                                  enum mcq_profile *profile);
/* A socket of *engine is to belong to one of these, one bit each: *engine if it is one of them or
 * may not change, else that with the fewest sockets.
 *   MCQ_NO_THREAD   there is none of them */
MCQ_MUST_CHECK enum mcq_err mcq_context_choose(struct mcq_context *context, uint64_t mask,
                                               bool may_change, struct mcq_engine **engine);
/* The socket is no more. May end the context's wait in term. */
void mcq_context_put_slot(struct mcq_context *context, struct mcq_socket *socket);

#endif
