#include "runtime/context.h"

#include <stddef.h>
#include <sys/random.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "base/probe.h"
#include "base/warn.h"
#include "pump/origin.h"
#include "runtime/memory.h"
#include "runtime/socket.h"

#define FIRST_EPOCH 0
#define BUDGET_SHARE 4 /* of what the process may have, one part */

/* --- forks ----------------------------------------------------------------------------------- */

/* File-level, for a fork is the process's, and tells its handlers nothing. */
static pthread_mutex_t contexts_mutex = PTHREAD_MUTEX_INITIALIZER; /* of who changes the list */
static _Atomic(struct mcq_context *) contexts;
static bool hears_of_forks;

/* In the child, which has this thread only: whoever held a lock is not there to let it go. */
static void mark_forked(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    struct mcq_context *context = atomic_load(&contexts);

    contexts_mutex = fresh;
    mcq_origins_mark_forked();
    for (; context != NULL; context = atomic_load(&context->next)) {
        struct mcq_socket *socket = atomic_load(&context->slots);

        context->mutex = fresh;
        context->is_forked = true;
        for (; socket != NULL; socket = socket->next_slot)
            mcq_socket_mark_forked(socket);
    }
}

static enum mcq_err join_contexts(struct mcq_context *context)
{
    (void) pthread_mutex_lock(&contexts_mutex);
    if (!hears_of_forks)
        hears_of_forks = pthread_atfork(NULL, NULL, mark_forked) == 0;
    if (hears_of_forks) {
        atomic_init(&context->next, atomic_load(&contexts));
        atomic_store(&contexts, context);
    }
    (void) pthread_mutex_unlock(&contexts_mutex);
    return hears_of_forks ? MCQ_OK : MCQ_NOMEM;
}

static void leave_contexts(struct mcq_context *context)
{
    _Atomic(struct mcq_context *) *at = &contexts;

    (void) pthread_mutex_lock(&contexts_mutex);
    while (atomic_load(at) != context)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&context->next));
    (void) pthread_mutex_unlock(&contexts_mutex);
}

/* --- life ------------------------------------------------------------------------------------ */

static enum mcq_err new_context(struct mcq_context **out)
{
    struct mcq_context *context = mcq_alloc_lines(sizeof *context);

    if (context == NULL)
        return MCQ_NOMEM;
    mcq_bias_enable();
    *context = (struct mcq_context) {
        .engines_wanted = MCQ_CONTEXT_IO_THREADS_DEFAULT,
        .sockets_max = MCQ_CONTEXT_MAX_SOCKETS_DEFAULT,
        .profile = MCQ_CONTEXT_PROFILE_DEFAULT,
        .threads = {.priority = (uint32_t) MCQ_CONTEXT_THREAD_PRIORITY_DEFAULT,
                    .policy = (uint32_t) MCQ_CONTEXT_THREAD_SCHED_POLICY_DEFAULT},
    };
    atomic_init(&context->epoch, FIRST_EPOCH);
    atomic_init(&context->slots, NULL);
    atomic_init(&context->zap_max, MCQ_CONTEXT_ZAP_MAX_DEFAULT);
    atomic_init(&context->zap_held_up_count, 0);
    mcq_permits_init_counting(&context->budget, UINT64_MAX, NULL);
    if (pthread_mutex_init(&context->mutex, NULL) != 0) {
        mcq_free(context);
        return MCQ_NOMEM;
    }
    if (join_contexts(context) != MCQ_OK) {
        (void) pthread_mutex_destroy(&context->mutex);
        mcq_free(context);
        return MCQ_NOMEM;
    }
    *out = context;
    return MCQ_OK;
}

enum mcq_err mcq_context_new(struct mcq_context **context)
{
    MCQ_TRY(new_context(context));
    mcq_context_set_budget(*context, MCQ_CONTEXT_BUDGET_DEFAULT);
    return MCQ_OK;
}

void mcq_context_set_budget(struct mcq_context *context, int64_t bytes)
{
    uint64_t limit = bytes < 0    ? mcq_memory_limit() / BUDGET_SHARE
                     : bytes == 0 ? UINT64_MAX
                                  : (uint64_t) bytes;

    mcq_permits_set_limit(&context->budget, limit);
}

uint64_t mcq_context_budget(struct mcq_context *context)
{
    uint64_t limit = atomic_load_explicit(&context->budget.limit_bytes, memory_order_relaxed);

    return limit == UINT64_MAX ? 0 : limit;
}

enum mcq_err mcq_context_new_on(struct mcq_reactor *reactor, uint64_t seed,
                                struct mcq_context **out)
{
    struct mcq_context *context;
    enum mcq_err err;

    MCQ_TRY(new_context(&context));
    err = mcq_engine_init(&context->engines[0], reactor, seed);
    if (err != MCQ_OK) {
        leave_contexts(context);
        (void) pthread_mutex_destroy(&context->mutex);
        mcq_free(context);
        return err;
    }
    context->engine_count = 1;
    context->seed = seed;
    *out = context;
    return MCQ_OK;
}

bool mcq_context_turn(struct mcq_context *context)
{
    struct mcq_engine *engine = &context->engines[0];
    bool did_any = context->resolver != NULL && mcq_resolver_turn(context->resolver);

    if (mcq_engine_turn(engine) || did_any)
        return true;
    mcq_reactor_wait(engine->reactor, MCQ_NEVER_NS); /* says until when it would sleep */
    return mcq_engine_turn(engine);
}

void mcq_context_lock(struct mcq_context *context)
{
    (void) pthread_mutex_lock(&context->mutex);
}

void mcq_context_unlock(struct mcq_context *context)
{
    (void) pthread_mutex_unlock(&context->mutex);
}

uint64_t mcq_context_now_ns(struct mcq_context *context)
{
    return mcq_engine_now_ns(&context->engines[0]);
}

enum mcq_err mcq_context_random(struct mcq_context *context, void *octets, size_t len)
{
    uint8_t *at = octets;

    if (context->seed == 0) {
        /* No octets are random enough only before the machine has booted. */
        return getrandom(octets, len, GRND_NONBLOCK) == (ssize_t) len ? MCQ_OK : MCQ_NOMEM;
    }
    mcq_context_lock(context);
    for (size_t i = 0; i < len; i++) { /* splitmix64 */
        uint64_t mixed = context->seed += UINT64_C(0x9e3779b97f4a7c15);

        mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
        at[i] = (uint8_t) (mixed ^ (mixed >> 31));
    }
    mcq_context_unlock(context);
    return MCQ_OK;
}

enum mcq_err mcq_context_resolver(struct mcq_context *context, struct mcq_resolver **resolver)
{
    enum mcq_err err = MCQ_OK;

    mcq_context_lock(context);
    if (context->resolver == NULL)
        err = mcq_resolver_new(context->seed != 0, &context->resolver);
    *resolver = context->resolver;
    mcq_context_unlock(context);
    return err;
}

/* --- sleepers -------------------------------------------------------------------------------- */

/* Nobody needs the context any more, but for the thread that ends it. */
static bool is_unused(const struct mcq_context *context)
{
    return context->open_count == 0 && context->asleep_count <= 1;
}

static void tell_term(struct mcq_context *context)
{
    if (context->term_sleeper != NULL && is_unused(context))
        mcq_sleeper_signal(context->term_sleeper);
}

static enum mcq_err new_sleeper(struct mcq_context *context, struct mcq_sleeper_node **out)
{
    struct mcq_sleeper_node *node = mcq_alloc(sizeof *node);
    enum mcq_err err;

    if (node == NULL)
        return MCQ_NOMEM;
    err = mcq_sleeper_new(context->engines[0].reactor, &node->sleeper);
    if (err == MCQ_OK)
        *out = node;
    else
        mcq_free(node);
    return err;
}

enum mcq_err mcq_context_take_sleeper(struct mcq_context *context, struct mcq_sleeper_node **out)
{
    struct mcq_sleeper_node *node;
    enum mcq_err err;

    if (MCQ_UNLIKELY(context->is_forked))
        return MCQ_FORKED;
    mcq_context_lock(context);
    node = context->sleepers;
    if (node != NULL)
        context->sleepers = node->next;
    context->asleep_count++;
    mcq_context_unlock(context);
    if (node == NULL) {
        err = new_sleeper(context, &node);
        if (err != MCQ_OK) {
            mcq_context_lock(context);
            context->asleep_count--;
            tell_term(context);
            mcq_context_unlock(context);
            return err;
        }
    }
    *out = node;
    return MCQ_OK;
}

void mcq_context_put_sleeper(struct mcq_context *context, struct mcq_sleeper_node *node)
{
    mcq_context_lock(context);
    node->next = context->sleepers;
    context->sleepers = node;
    context->asleep_count--;
    tell_term(context);
    mcq_context_unlock(context);
}

/* --- slots ----------------------------------------------------------------------------------- */

/* Once: it says something of the machine. */
static void warn_of_fallback(const char *why)
{
    static atomic_flag has_warned = ATOMIC_FLAG_INIT;

    if (why != NULL && !atomic_flag_test_and_set(&has_warned))
        mcq_warn("epoll instead of io_uring", why);
}

const char *mcq_context_engine(struct mcq_context *context, const char **why)
{
    const char *name = "";

    *why = NULL;
    mcq_context_lock(context);
    if (context->engine_count > 0) {
        name = mcq_reactor_name(context->engines[0].reactor);
        *why = context->engines[0].fallback;
    }
    mcq_context_unlock(context);
    return name;
}

static enum mcq_err start_engines(struct mcq_context *context)
{
    uint64_t random;

    if (context->engine_count == 0 && context->engines_wanted == 0) {
        MCQ_TRY(mcq_context_random(context, &random, sizeof random));
        MCQ_TRY(mcq_engine_begin(&context->engines[0], random));
        context->engine_count = 1;
        atomic_store_explicit(&context->inline_engine, &context->engines[0], memory_order_release);
    }
    while (context->engine_count < context->engines_wanted) {
        if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
            return MCQ_NOMEM;
        context->threads.profile = context->profile;
        MCQ_TRY(mcq_engine_start(&context->engines[context->engine_count], random,
                                 &context->threads, context->engine_count));
        warn_of_fallback(context->engines[context->engine_count].fallback);
        context->engine_count++;
    }
    return MCQ_OK;
}

static enum mcq_err take_slot(struct mcq_context *context, struct mcq_socket **out)
{
    struct mcq_socket *socket = context->free_slots;

    if (context->is_forked)
        return MCQ_FORKED;
    if (context->is_terminated)
        return MCQ_TERMINATED;
    if (context->open_count >= context->sockets_max)
        return MCQ_NO_FDS;
    MCQ_TRY(start_engines(context));
    if (socket != NULL) {
        context->free_slots = socket->next_free;
    } else {
        socket = mcq_alloc_lines(sizeof *socket);
        if (socket == NULL)
            return MCQ_NOMEM;
        *socket = (struct mcq_socket) {.state = MCQ_SOCKET_FREE, .context = context};
        mcq_lock_init(&socket->lock);
        mcq_reports_init(&socket->reports);
        socket->next_slot = atomic_load(&context->slots);
        atomic_store(&context->slots, socket);
    }
    context->open_count++;
    *out = socket;
    return MCQ_OK;
}

static bool is_among(const struct mcq_context *context, const struct mcq_engine *engine,
                     uint64_t mask)
{
    return (mask >> (engine - context->engines) & 1) != 0;
}

/* Of those with a bit in the mask, the first of those with the fewest sockets. NULL: none runs. */
static struct mcq_engine *least_busy(struct mcq_context *context, uint64_t mask)
{
    struct mcq_engine *found = NULL;

    for (uint32_t i = 0; i < context->engine_count; i++) {
        struct mcq_engine *engine = &context->engines[i];

        if (is_among(context, engine, mask) &&
            (found == NULL || engine->socket_count < found->socket_count))
            found = engine;
    }
    return found;
}

enum mcq_err mcq_context_take_slot(struct mcq_context *context, struct mcq_socket **socket,
                                   struct mcq_engine **engine, enum mcq_profile *profile)
{
    enum mcq_err err;

    mcq_context_lock(context);
    err = take_slot(context, socket);
    *profile = (enum mcq_profile) context->profile;
    if (err == MCQ_OK) {
        *engine = least_busy(context, UINT64_MAX);
        (*engine)->socket_count++;
    }
    mcq_context_unlock(context);
    return err;
}

enum mcq_err mcq_context_choose(struct mcq_context *context, uint64_t mask, bool may_change,
                                struct mcq_engine **engine)
{
    struct mcq_engine *chosen;

    mcq_context_lock(context);
    chosen = least_busy(context, mask);
    if (chosen != NULL && may_change && !is_among(context, *engine, mask)) {
        (*engine)->socket_count--;
        chosen->socket_count++;
        *engine = chosen;
    }
    mcq_context_unlock(context);
    return chosen != NULL ? MCQ_OK : MCQ_NO_THREAD;
}

void mcq_context_put_slot(struct mcq_context *context, struct mcq_socket *socket)
{
    mcq_context_lock(context);
    socket->next_free = context->free_slots;
    context->free_slots = socket;
    context->open_count--;
    atomic_load(&socket->engine)->socket_count--;
    tell_term(context);
    mcq_context_unlock(context);
}

/* --- the budget ------------------------------------------------------------------------------ */

static struct mcq_socket *most_begun(struct mcq_context *context, uint64_t *most)
{
    struct mcq_socket *socket = atomic_load(&context->slots);
    struct mcq_socket *found = NULL;

    *most = 0;
    for (; socket != NULL; socket = socket->next_slot) {
        uint64_t bytes = atomic_load_explicit(&socket->begun_most, memory_order_relaxed);

        if (bytes <= *most)
            continue;
        found = socket;
        *most = bytes;
    }
    return found;
}

/* What a socket has said may be long over: then it says so now, and another one is asked. */
void mcq_context_relieve(struct mcq_context *context)
{
    struct mcq_socket *socket;
    uint64_t most;

    while (mcq_permits_is_over(&context->budget)) {
        socket = most_begun(context, &most);
        if (socket == NULL || mcq_socket_shed(socket, most))
            return;
    }
}

/* --- contexts without threads ---------------------------------------------------------------- */

/* The engine that this thread has to drive; NULL: none. It may ask before there are engines. */
static struct mcq_engine *own_engine(struct mcq_context *context)
{
    struct mcq_engine *engine = atomic_load_explicit(&context->inline_engine, memory_order_acquire);

    return engine != NULL && mcq_engine_is_mine(engine) ? engine : NULL;
}

enum mcq_io_result mcq_context_sleep(struct mcq_context *context, struct mcq_sleeper *sleeper,
                                     struct pollfd *fds, size_t count, uint64_t until_ns)
{
    struct mcq_engine *engine = own_engine(context);
    enum mcq_io_result result;

    MCQ_PROBE(sleep, context, until_ns);
    if (MCQ_LIKELY(engine == NULL)) {
        result = mcq_sleeper_wait(sleeper, fds, count, until_ns);
    } else {
        mcq_engine_rouse(engine);
        result = mcq_engine_sleep(engine, sleeper, fds, count, until_ns);
        mcq_engine_rest(engine);
    }
    MCQ_PROBE(wake, context, result);
    return result;
}

void mcq_context_help(struct mcq_context *context)
{
    struct mcq_engine *engine = own_engine(context);

    if (MCQ_LIKELY(engine == NULL) || engine->is_telling)
        return;
    mcq_engine_rouse(engine);
    (void) mcq_engine_turn(engine);
    mcq_reactor_wait(engine->reactor, 0);
    (void) mcq_engine_turn(engine);
    engine->turned_at_ns = mcq_engine_now_ns(engine);
    mcq_engine_rest(engine);
}

enum mcq_err mcq_context_run(struct mcq_context *context, uint64_t for_ns)
{
    struct pollfd fds[2];
    struct mcq_sleeper_node *node;
    enum mcq_io_result result;
    uint32_t engine_count;
    uint64_t until_ns;

    mcq_context_lock(context);
    engine_count = context->engine_count;
    mcq_context_unlock(context);
    if (engine_count == 0)
        return MCQ_OK; /* no socket yet, nothing to do */
    if (own_engine(context) == NULL)
        return MCQ_DENIED;
    if (for_ns == 0) {
        mcq_context_help(context);
        return MCQ_OK;
    }
    MCQ_TRY(mcq_context_take_sleeper(context, &node));
    until_ns = mcq_context_now_ns(context) + for_ns;
    result = mcq_context_sleep(context, node->sleeper, fds, 0, until_ns);
    mcq_context_put_sleeper(context, node);
    switch (result) {
    case MCQ_IO_INTERRUPTED: return MCQ_INTERRUPTED;
    case MCQ_IO_NO_MEMORY:
    case MCQ_IO_BROKEN: return MCQ_NOMEM;
    default: return MCQ_OK;
    }
}

enum mcq_err mcq_context_bell_fd(struct mcq_context *context, int *fd)
{
    struct mcq_engine *engine = own_engine(context);

    return engine != NULL ? mcq_engine_bell_fd(engine, fd) : MCQ_DENIED;
}

/* --- the end --------------------------------------------------------------------------------- */

void mcq_context_shutdown(struct mcq_context *context)
{
    struct mcq_socket *first;

    mcq_context_lock(context);
    context->is_terminated = true;
    first = atomic_load(&context->slots); /* none is added from now on */
    mcq_context_unlock(context);
    for (struct mcq_socket *socket = first; socket != NULL; socket = socket->next_slot)
        mcq_socket_terminate(socket);
}

/* MCQ_OK: no socket is left, and no call in one. tests/model/term.pml has the protocol. */
static enum mcq_err wait_for_sockets(struct mcq_context *context, uint64_t until_ns)
{
    struct mcq_sleeper_node *node;
    enum mcq_err err = MCQ_OK;

    MCQ_TRY(mcq_context_take_sleeper(context, &node));
    mcq_context_lock(context);
    context->term_sleeper = node->sleeper;
    while (!is_unused(context) && err == MCQ_OK) {
        struct pollfd fds[2];
        enum mcq_io_result result;

        mcq_context_unlock(context);
        result = mcq_context_sleep(context, node->sleeper, fds, 0, until_ns);
        mcq_context_lock(context);
        if (result == MCQ_IO_INTERRUPTED)
            err = MCQ_INTERRUPTED;
        else if (result != MCQ_IO_SIGNALED && mcq_context_now_ns(context) >= until_ns)
            err = MCQ_TIMEOUT;
        else if (result == MCQ_IO_BROKEN || result == MCQ_IO_NO_MEMORY)
            err = MCQ_NOMEM;
    }
    context->term_sleeper = NULL;
    if (is_unused(context))
        err = MCQ_OK;
    mcq_context_unlock(context);
    mcq_context_put_sleeper(context, node);
    return err;
}

static void free_context(struct mcq_context *context)
{
    struct mcq_socket *slots = atomic_load(&context->slots);

    leave_contexts(context);
    while (context->sleepers != NULL) {
        struct mcq_sleeper_node *node = context->sleepers;

        context->sleepers = node->next;
        mcq_sleeper_free(&node->sleeper);
        mcq_free(node);
    }
    if (context->resolver != NULL) /* its threads wake engines */
        mcq_resolver_free(&context->resolver);
    for (uint32_t i = 0; i < context->engine_count; i++)
        mcq_engine_fini(&context->engines[i]);
    while (slots != NULL) {
        struct mcq_socket *socket = slots;

        slots = socket->next_slot;
        mcq_free(socket);
    }
    (void) pthread_mutex_destroy(&context->mutex);
    mcq_permits_fini(&context->budget);
    mcq_free(context);
}

enum mcq_err mcq_context_term(struct mcq_context **context, uint64_t until_ns)
{
    if ((*context)->is_forked)
        return MCQ_FORKED;
    mcq_context_shutdown(*context);
    if (atomic_load(&(*context)->inline_engine) != NULL && own_engine(*context) == NULL)
        return MCQ_DENIED;
    if ((*context)->engine_count > 0)
        MCQ_TRY(wait_for_sockets(*context, until_ns));
    free_context(*context);
    *context = NULL;
    return MCQ_OK;
}
