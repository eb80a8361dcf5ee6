#include "runtime/resolver.h"

#include <signal.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "transport/tcp.h"

/* The resolver's own, so that it outlives who asked. */
struct mcq_name_question {
    struct mcq_name_question *next;
    struct mcq_lookup *asker; /* NULL: nobody wants to know any more */
    bool is_ipv6;
    char host[];
};

struct mcq_resolver {
    pthread_mutex_t mutex;
    pthread_cond_t idle; /* a thread has ended */
    struct mcq_name_server server;
    bool is_stepwise;
    bool is_closed;        /* the context is gone: the last thread frees it */
    uint32_t thread_count; /* all that run */
    uint32_t busy_count;   /* those that are looking something up */
    uint32_t waiting_count;
    struct mcq_name_question *first; /* waiting */
    struct mcq_name_question **end;
};

static enum mcq_err ask_system(void *data, const char *host, bool is_ipv6,
                               struct mcq_address **addresses, uint32_t *count)
{
    (void) data;
    return mcq_tcp_look_up(host, is_ipv6, addresses, count);
}

static void lock(struct mcq_resolver *resolver)
{
    (void) pthread_mutex_lock(&resolver->mutex);
}

static void unlock(struct mcq_resolver *resolver)
{
    (void) pthread_mutex_unlock(&resolver->mutex);
}

enum mcq_err mcq_resolver_new(bool is_stepwise, struct mcq_resolver **out)
{
    struct mcq_resolver *resolver = mcq_alloc(sizeof *resolver);

    if (resolver == NULL)
        return MCQ_NOMEM;
    *resolver =
        (struct mcq_resolver) {.server = {.look_up = ask_system}, .is_stepwise = is_stepwise};
    resolver->end = &resolver->first;
    if (pthread_mutex_init(&resolver->mutex, NULL) != 0) {
        mcq_free(resolver);
        return MCQ_NOMEM;
    }
    if (pthread_cond_init(&resolver->idle, NULL) != 0) {
        (void) pthread_mutex_destroy(&resolver->mutex);
        mcq_free(resolver);
        return MCQ_NOMEM;
    }
    *out = resolver;
    return MCQ_OK;
}

void mcq_resolver_set(struct mcq_resolver *resolver, struct mcq_name_server server)
{
    lock(resolver);
    mcq_assert(resolver->thread_count == 0);
    resolver->server = server;
    unlock(resolver);
}

static void destroy(struct mcq_resolver *resolver)
{
    (void) pthread_cond_destroy(&resolver->idle);
    (void) pthread_mutex_destroy(&resolver->mutex);
    mcq_free(resolver);
}

/* --- questions, under the mutex --------------------------------------------------------------- */

static struct mcq_name_question *take_question(struct mcq_resolver *resolver)
{
    struct mcq_name_question *question = resolver->first;

    if (question == NULL)
        return NULL;
    resolver->first = question->next;
    if (resolver->first == NULL)
        resolver->end = &resolver->first;
    resolver->waiting_count--;
    return question;
}

static void put_question(struct mcq_resolver *resolver, struct mcq_name_question *question)
{
    question->next = NULL;
    *resolver->end = question;
    resolver->end = &question->next;
    resolver->waiting_count++;
}

static void drop_question(struct mcq_resolver *resolver, struct mcq_name_question *question)
{
    struct mcq_name_question **at = &resolver->first;

    while (*at != NULL && *at != question)
        at = &(*at)->next;
    if (*at == NULL)
        return; /* a thread has it, and frees it */
    *at = question->next;
    if (resolver->end == &question->next)
        resolver->end = at;
    resolver->waiting_count--;
    mcq_free(question);
}

/* The asker hears of it while the mutex is held: it cannot have gone meanwhile. */
static void answer(struct mcq_name_question *question, enum mcq_err err,
                   struct mcq_address *addresses, uint32_t count)
{
    struct mcq_lookup *asker = question->asker;

    if (asker != NULL) {
        asker->question = NULL;
        asker->err = err;
        asker->addresses = addresses;
        asker->count = count;
        mcq_engine_post(asker->engine, &asker->task);
    } else {
        mcq_free(addresses);
    }
    mcq_free(question);
}

/* --- threads --------------------------------------------------------------------------------- */

static void look_one_up(struct mcq_resolver *resolver, struct mcq_name_question *question)
{
    struct mcq_address *addresses = NULL;
    uint32_t count = 0;
    enum mcq_err err;

    resolver->busy_count++;
    unlock(resolver);
    err = resolver->server.look_up(resolver->server.data, question->host, question->is_ipv6,
                                   &addresses, &count);
    lock(resolver);
    resolver->busy_count--;
    answer(question, err, addresses, count);
}

static void *resolver_main(void *context)
{
    struct mcq_resolver *resolver = context;
    struct mcq_name_question *question;
    bool is_last;

    lock(resolver);
    while ((question = take_question(resolver)) != NULL)
        look_one_up(resolver, question);
    resolver->thread_count--;
    is_last = resolver->is_closed && resolver->thread_count == 0;
    (void) pthread_cond_signal(&resolver->idle);
    unlock(resolver);
    if (is_last)
        destroy(resolver);
    return NULL;
}

/* The application's signals are the application's threads'. */
static bool start_thread(struct mcq_resolver *resolver)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    bool is_started = false;

    (void) sigfillset(&all);
    if (pthread_attr_init(&attr) != 0)
        return false;
    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        is_started = pthread_create(&thread, &attr, resolver_main, resolver) == 0;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void) pthread_attr_destroy(&attr);
    return is_started;
}

/* Somebody will take what waits. A thread that is not looking up takes one question, at least. */
static bool has_taker(struct mcq_resolver *resolver)
{
    uint32_t idle_count = resolver->thread_count - resolver->busy_count;

    if (resolver->is_stepwise || idle_count >= resolver->waiting_count ||
        resolver->thread_count == MCQ_RESOLVER_THREADS_MAX)
        return true;
    resolver->thread_count++;
    if (start_thread(resolver))
        return true;
    resolver->thread_count--;
    return resolver->thread_count > 0; /* later, but it will */
}

/* --- calls ----------------------------------------------------------------------------------- */

enum mcq_err mcq_resolver_ask(struct mcq_resolver *resolver, struct mcq_lookup *lookup,
                              const char *host, bool is_ipv6)
{
    size_t len = strlen(host);
    struct mcq_name_question *question = mcq_alloc(sizeof *question + len + 1);
    enum mcq_err err = MCQ_OK;

    mcq_assert(lookup->question == NULL);
    if (question == NULL)
        return MCQ_NOMEM;
    *question = (struct mcq_name_question) {.asker = lookup, .is_ipv6 = is_ipv6};
    memcpy(question->host, host, len + 1);
    lock(resolver);
    put_question(resolver, question);
    lookup->question = question;
    if (!has_taker(resolver)) {
        lookup->question = NULL;
        drop_question(resolver, question);
        err = MCQ_NOMEM;
    }
    unlock(resolver);
    return err;
}

bool mcq_resolver_forget(struct mcq_resolver *resolver, struct mcq_lookup *lookup)
{
    struct mcq_name_question *question;

    lock(resolver);
    question = lookup->question;
    if (question != NULL) {
        question->asker = NULL;
        lookup->question = NULL;
        drop_question(resolver, question);
    }
    unlock(resolver);
    return question != NULL;
}

bool mcq_resolver_turn(struct mcq_resolver *resolver)
{
    struct mcq_name_question *question = resolver->is_stepwise ? resolver->first : NULL;
    struct mcq_address *addresses = NULL;
    uint32_t count = 0;
    enum mcq_err err;

    if (question == NULL)
        return false;
    err = resolver->server.look_up(resolver->server.data, question->host, question->is_ipv6,
                                   &addresses, &count);
    if (err == MCQ_AGAIN)
        return false;
    answer(take_question(resolver), err, addresses, count);
    return true;
}

void mcq_resolver_free(struct mcq_resolver **out)
{
    struct mcq_resolver *resolver = *out;
    bool is_last;

    *out = NULL;
    lock(resolver);
    mcq_assert(resolver->first == NULL); /* the askers are gone */
    while (resolver->thread_count > resolver->busy_count)
        (void) pthread_cond_wait(&resolver->idle, &resolver->mutex);
    resolver->is_closed = true; /* not before: who is waited for here does not free it */
    is_last = resolver->thread_count == 0;
    unlock(resolver);
    if (is_last)
        destroy(resolver);
}
