/* Contexts: the library's, with the options that only libzmq has kept beside. */

#include <stdlib.h>
#include <unistd.h>

#include "compat/compat.h"

#define CONTEXT_LIVE UINT32_C(0x3f9d5ae1)

/* File-level: storage of contexts outlives them, so that one that ended is known. */
static pthread_mutex_t free_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct zmq_context *free_contexts;

struct zmq_context *zmq_context_of(void *handle)
{
    struct zmq_context *context = handle;

    if (context != NULL && atomic_load(&context->mark) == CONTEXT_LIVE)
        return context;
    errno = EFAULT;
    return NULL;
}

bool zmq_is_own(const struct zmq_context *context)
{
    return context->pid == getpid();
}

/* --- options --------------------------------------------------------------------------------- */

static const struct mcq_option_row *row_of(int option, enum mcq_option_use use)
{
    const struct mcq_option_row *row = mcq_option_row(MCQ_OPTION_OF_CONTEXT, option, use);

    /* Ours are not for programs that know libzmq's only. */
    return row != NULL && row->number < 1000 ? row : NULL;
}

static int *value_of(struct zmq_context *context, const struct mcq_option_row *row)
{
    return &context->values[row - mcq_option_at(0)];
}

int zmq_context_value(struct zmq_context *context, enum mcq_context_option_id id)
{
    const struct mcq_option_row *row = row_of((int) id, MCQ_OPTION_BOTH);
    int value;

    (void) pthread_mutex_lock(&context->mutex);
    value = *value_of(context, row);
    (void) pthread_mutex_unlock(&context->mutex);
    return value;
}

/* Connections need a thread; what asks for none is refused where it matters (zmq_bind). */
static int pass_on(struct zmq_context *context, int option, int value)
{
    if (option == ZMQ_IO_THREADS && value == 0)
        value = 1;
    if (mcq_ctx_set(context->inner, (enum mcq_ctx_option) option, value) == 0)
        return 0;
    return errno == EBUSY ? 0 : -1; /* too late: it stays without effect */
}

int zmq_ctx_set(void *handle, int option, int value)
{
    struct zmq_context *context = zmq_context_of(handle);
    const struct mcq_option_row *row = row_of(option, MCQ_OPTION_SET);

    if (context == NULL)
        return -1;
    if (row == NULL || !mcq_option_takes(row, value))
        return zmq_fail(EINVAL);
    if (row->is_there && pass_on(context, option, value) != 0)
        return -1;
    (void) pthread_mutex_lock(&context->mutex);
    *value_of(context, row) = value;
    (void) pthread_mutex_unlock(&context->mutex);
    return 0;
}

int zmq_ctx_get(void *handle, int option)
{
    struct zmq_context *context = zmq_context_of(handle);
    const struct mcq_option_row *row = row_of(option, MCQ_OPTION_GET);
    int value;

    if (context == NULL)
        return -1;
    if (row == NULL)
        return zmq_fail(EINVAL);
    (void) pthread_mutex_lock(&context->mutex);
    value = *value_of(context, row);
    (void) pthread_mutex_unlock(&context->mutex);
    return value;
}

/* --- life ------------------------------------------------------------------------------------ */

static struct zmq_context *take_storage(void)
{
    struct zmq_context *context;

    (void) pthread_mutex_lock(&free_mutex);
    context = free_contexts;
    if (context != NULL)
        free_contexts = context->next_free;
    (void) pthread_mutex_unlock(&free_mutex);
    if (context != NULL)
        return context;
    context = calloc(1, sizeof *context);
    if (context != NULL)
        (void) pthread_mutex_init(&context->mutex, NULL);
    return context;
}

static void put_storage(struct zmq_context *context)
{
    atomic_store(&context->mark, 0);
    (void) pthread_mutex_lock(&free_mutex);
    context->next_free = free_contexts;
    free_contexts = context;
    (void) pthread_mutex_unlock(&free_mutex);
}

/* As libzmq has it: its defaults, and no limit on memory. */
static int set_up(struct zmq_context *context)
{
    for (size_t i = 0; i < MCQ_OPTION_ROWS; i++) {
        const struct mcq_option_row *row = mcq_option_at(i);

        if (row->scope == MCQ_OPTION_OF_CONTEXT && row->number < 1000)
            context->values[i] = (int) row->compat;
    }
    if (mcq_ctx_set(context->inner, MCQ_CTX_PROFILE, 1) != 0 ||
        mcq_ctx_set(context->inner, MCQ_CTX_BUDGET, 0) != 0)
        return -1;
    return mcq_ctx_set(context->inner, MCQ_CTX_MAX_SOCKETS,
                       zmq_context_value(context, MCQ_CONTEXT_MAX_SOCKETS));
}

void *zmq_ctx_new(void)
{
    struct zmq_context *context = take_storage();

    if (context == NULL)
        return NULL;
    context->inner = mcq_ctx_new();
    context->pid = getpid();
    if (context->inner == NULL || set_up(context) != 0) {
        if (context->inner != NULL)
            (void) mcq_ctx_term(context->inner, 0);
        put_storage(context);
        return NULL;
    }
    atomic_store(&context->mark, CONTEXT_LIVE);
    return context;
}

int zmq_ctx_term(void *handle)
{
    struct zmq_context *context = zmq_context_of(handle);

    if (context == NULL)
        return -1;
    if (zmq_is_own(context) && mcq_ctx_term(context->inner, -1) != 0)
        return -1;
    put_storage(context);
    return 0;
}

int zmq_ctx_shutdown(void *handle)
{
    struct zmq_context *context = zmq_context_of(handle);

    if (context == NULL)
        return -1;
    return zmq_is_own(context) ? mcq_ctx_shutdown(context->inner) : 0;
}

/* --- older names ----------------------------------------------------------------------------- */

void *zmq_init(int io_threads)
{
    void *context;

    if (io_threads < 0) {
        errno = EINVAL;
        return NULL;
    }
    context = zmq_ctx_new();
    if (context != NULL)
        (void) zmq_ctx_set(context, ZMQ_IO_THREADS, io_threads);
    return context;
}

int zmq_term(void *context)
{
    return zmq_ctx_term(context);
}

int zmq_ctx_destroy(void *context)
{
    return zmq_ctx_term(context);
}
