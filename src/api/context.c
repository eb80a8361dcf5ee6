#include <errno.h>
#include <inttypes.h>
#include <monocoque.h>

#include "api/fail.h"
#include "api/pending.h"
#include "arena/own.h"
#include "table/option.h"

#define MS UINT64_C(1000000)

/* Where an option lives; all else about it is in the generated table. */
struct home {
    enum mcq_context_option_id id;
    size_t at; /* of a uint32_t in struct mcq_context; 0: not a field */
};

static const struct home homes[] = {
    {MCQ_CONTEXT_IO_THREADS, offsetof(struct mcq_context, engines_wanted)},
    {MCQ_CONTEXT_MAX_SOCKETS, offsetof(struct mcq_context, sockets_max)},
    {MCQ_CONTEXT_PROFILE, offsetof(struct mcq_context, profile)},
    {MCQ_CONTEXT_THREAD_PRIORITY, offsetof(struct mcq_context, threads.priority)},
    {MCQ_CONTEXT_THREAD_SCHED_POLICY, offsetof(struct mcq_context, threads.policy)},
    {MCQ_CONTEXT_THREAD_NAME_PREFIX, offsetof(struct mcq_context, threads.prefix)},
    {MCQ_CONTEXT_THREAD_AFFINITY_CPU_ADD, 0},
    {MCQ_CONTEXT_THREAD_AFFINITY_CPU_REMOVE, 0},
    {MCQ_CONTEXT_BUDGET, 0},
    {MCQ_CONTEXT_BUDGET_USED, 0},
    {MCQ_CONTEXT_ZAP_MAX, 0},
    {MCQ_CONTEXT_ZAP_HELD_UP, 0},
    {MCQ_CONTEXT_FD, 0},
    {MCQ_CONTEXT_REFUSED, 0},
};

static const struct home *option_find(enum mcq_ctx_option option)
{
    for (size_t i = 0; i < MCQ_COUNTOF(homes); i++)
        if ((int) homes[i].id == (int) option)
            return &homes[i];
    (void) mcq_fail(EINVAL, "ctx option %d: there is no such option", (int) option);
    return NULL;
}

static uint32_t *option_of(struct mcq_context *context, const struct home *home)
{
    return (uint32_t *) (void *) ((char *) context + home->at);
}

/* Whether a call may use the context; else it has failed. */
static bool is_usable(const char *call, const struct mcq_context *context)
{
    if (context == NULL)
        (void) mcq_fail_null(call, "context");
    else if (mcq_context_is_forked(context))
        (void) mcq_fail(EFAULT, "%s: the context was %s", call, mcq_err_text(MCQ_FORKED));
    else
        return true;
    return false;
}

static void lock(struct mcq_context *context)
{
    (void) pthread_mutex_lock(&context->mutex);
}

static void unlock(struct mcq_context *context)
{
    (void) pthread_mutex_unlock(&context->mutex);
}

struct mcq_context *mcq_ctx_new(void)
{
    struct mcq_context *context;
    enum mcq_err err = mcq_context_new(&context);

    if (err == MCQ_OK)
        return context;
    (void) mcq_fail(mcq_err_errno(err), "ctx_new: %s", mcq_err_text(err));
    return NULL;
}

/* They hold for threads that start afterwards. */
static bool is_of_processors(enum mcq_ctx_option option)
{
    return option == MCQ_CTX_THREAD_AFFINITY_CPU_ADD ||
           option == MCQ_CTX_THREAD_AFFINITY_CPU_REMOVE;
}

static bool is_of_threads(enum mcq_ctx_option option)
{
    return option == MCQ_CTX_IO_THREADS || option == MCQ_CTX_THREAD_PRIORITY ||
           option == MCQ_CTX_THREAD_SCHED_POLICY || is_of_processors(option) ||
           option == MCQ_CTX_THREAD_NAME_PREFIX;
}

int mcq_ctx_set(struct mcq_context *context, enum mcq_ctx_option option, int64_t value)
{
    const struct home *home = option_find(option);
    const struct mcq_option_row *row =
        mcq_option_row(MCQ_OPTION_OF_CONTEXT, (int) option, MCQ_OPTION_SET);
    bool is_taken = true;
    bool is_late;

    if (!is_usable("ctx_set", context))
        return -1;
    if (home == NULL)
        return -1;
    if (row == NULL || (row->use & MCQ_OPTION_SET) == 0)
        return mcq_fail(EINVAL, "ctx_set option %d: it can only be asked for", (int) option);
    if (!mcq_option_takes(row, value))
        return mcq_fail(EINVAL, "ctx_set %s to %" PRId64 ": not in %" PRId64 "..%" PRIu64,
                        row->name, value, row->min, row->max);
    lock(context);
    is_late = is_of_threads(option) && context->engine_count > 0;
    if (option == MCQ_CTX_BUDGET)
        mcq_context_set_budget(context, value);
    else if (option == MCQ_CTX_ZAP_MAX)
        atomic_store_explicit(&context->zap_max, (uint32_t) value, memory_order_relaxed);
    else if (!is_late && is_of_processors(option))
        is_taken =
            mcq_thread_set_cpu(&context->threads, value, option == MCQ_CTX_THREAD_AFFINITY_CPU_ADD);
    else if (!is_late)
        *option_of(context, home) = (uint32_t) value;
    unlock(context);
    if (is_late)
        return mcq_fail(EBUSY, "ctx_set %s: the threads run; set it before the first socket",
                        row->name);
    if (!is_taken)
        return mcq_fail(EINVAL, "ctx_set %s to %" PRId64 ": there is no such processor", row->name,
                        value);
    return 0;
}

static int get_fd(struct mcq_context *context, int64_t *value)
{
    int fd = -1;
    enum mcq_err err = mcq_context_bell_fd(context, &fd);

    if (err != MCQ_OK && err != MCQ_DENIED)
        return mcq_fail(mcq_err_errno(err), "ctx_get FD: %s", mcq_err_text(err));
    *value = fd;
    return 0;
}

int mcq_ctx_get(struct mcq_context *context, enum mcq_ctx_option option, int64_t *value)
{
    const struct home *home = option_find(option);

    if (!is_usable("ctx_get", context))
        return -1;
    if (value == NULL)
        return mcq_fail_null("ctx_get", "value");
    if (home == NULL)
        return -1;
    if (home->at == 0 && is_of_threads(option))
        return mcq_fail(EINVAL, "ctx_get option %d: it can only be set", (int) option);
    if (option == MCQ_CTX_FD)
        return get_fd(context, value);
    lock(context);
    if (option == MCQ_CTX_BUDGET)
        *value = (int64_t) mcq_context_budget(context);
    else if (option == MCQ_CTX_BUDGET_USED)
        *value = (int64_t) mcq_permits_used_bytes(&context->budget);
    else if (option == MCQ_CTX_ZAP_MAX)
        *value = atomic_load_explicit(&context->zap_max, memory_order_relaxed);
    else if (option == MCQ_CTX_ZAP_HELD_UP)
        *value = (int64_t) atomic_load_explicit(&context->zap_held_up_count, memory_order_relaxed);
    else if (option == MCQ_CTX_REFUSED)
        *value = (int64_t) mcq_kernel_refused_count();
    else
        *value = (int32_t) *option_of(context, home);
    unlock(context);
    return 0;
}

int mcq_ctx_run(struct mcq_context *context, int timeout_ms)
{
    enum mcq_err err;

    if (!is_usable("ctx_run", context))
        return -1;
    if (timeout_ms < 0)
        return mcq_fail(EINVAL, "ctx_run: %d ms: it ends by its time only", timeout_ms);
    err = mcq_context_run(context, (uint64_t) timeout_ms * MS);
    if (err == MCQ_OK)
        return 0;
    if (err == MCQ_DENIED)
        return mcq_fail(EACCES, "ctx_run: the context is not this thread's (IO_THREADS 0, and the "
                                "thread that opened its first socket)");
    return mcq_fail(mcq_err_errno(err), "ctx_run: %s", mcq_err_text(err));
}

const char *mcq_ctx_engine(struct mcq_context *context, const char **why)
{
    const char *ignored;

    if (!is_usable("ctx_engine", context))
        return NULL;
    return mcq_context_engine(context, why != NULL ? why : &ignored);
}

int mcq_ctx_shutdown(struct mcq_context *context)
{
    if (!is_usable("ctx_shutdown", context))
        return -1;
    mcq_context_shutdown(context);
    return 0;
}

/* The moment at which the timeout ends; without engines there is no clock, and nothing to wait
 * for. */
static uint64_t until_of(struct mcq_context *context, int timeout_ms)
{
    uint64_t until_ns = MCQ_NEVER_NS;

    if (timeout_ms < 0)
        return until_ns;
    lock(context);
    if (context->engine_count > 0)
        until_ns = mcq_context_now_ns(context) + (uint64_t) timeout_ms * MS;
    unlock(context);
    return until_ns;
}

/* Not in time: how many sockets are left, and what the first of them waits for. */
static MCQ_COLD int fail_late(struct mcq_context *context, int timeout_ms)
{
    struct mcq_pending first = {0};
    char reason[400] = "";
    uint32_t open_count;

    if (mcq_ctx_pending(context, &first, 1, sizeof first) > 0)
        mcq_pending_text(&first, reason, sizeof reason);
    lock(context);
    open_count = context->open_count;
    unlock(context);
    return mcq_fail(EAGAIN,
                    "ctx_term: %" PRIu32 " of its sockets are not closed, or linger, after %d ms%s",
                    open_count, timeout_ms, reason);
}

int mcq_ctx_term(struct mcq_context *context, int timeout_ms)
{
    enum mcq_err err;

    if (!is_usable("ctx_term", context))
        return -1;
    err = mcq_context_term(&context, until_of(context, timeout_ms));
    if (err == MCQ_OK) {
        mcq_own_end();
        return 0;
    }
    if (err == MCQ_INTERRUPTED)
        return mcq_fail(EINTR, "ctx_term: a signal handler ran; call again");
    if (err == MCQ_DENIED)
        return mcq_fail(EACCES, "ctx_term: the context has no threads, and is another thread's");
    if (err != MCQ_TIMEOUT)
        return mcq_fail(mcq_err_errno(err), "ctx_term: %s", mcq_err_text(err));
    return fail_late(context, timeout_ms);
}
