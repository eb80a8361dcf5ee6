#include "arena/secret.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arena/alloc.h"
#include "arena/poison.h"
#include "base/assert.h"

#define CELLS 64
#define CHUNK_BYTES ((size_t) CELLS * MCQ_SECRET_BYTES_MAX)

static_assert(CELLS == 64, "a bit for each");

struct chunk {
    struct chunk *next;
    uint8_t *cells;
    uint64_t free; /* a bit for each */
};

/* File-level state, for the kernel counts mappings and locked memory by the process. The mutex
 * guards the list and all in it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t is_watching = PTHREAD_ONCE_INIT;
static struct chunk *chunks;
/* In a forked child: what its parent had, which is nobody's here, and not lost. */
static _Atomic(struct chunk *) parents;

/* Whatever another thread of the parent was doing here, it is not there to end it. */
static void forget_parent(void)
{
    mutex = (pthread_mutex_t) PTHREAD_MUTEX_INITIALIZER;
    atomic_store_explicit(&parents, chunks, memory_order_relaxed);
    chunks = NULL;
}

static void watch_forks(void)
{
    (void) pthread_atfork(NULL, NULL, forget_parent);
}

static struct chunk *chunk_new(void)
{
    struct chunk *chunk = mcq_alloc(sizeof *chunk);
    uint8_t *cells = chunk != NULL ? mcq_map_secret(CHUNK_BYTES) : NULL;

    if (cells == NULL) {
        mcq_free(chunk);
        return NULL;
    }
    *chunk = (struct chunk) {.next = chunks, .cells = cells, .free = UINT64_MAX};
    mcq_poison(cells, CHUNK_BYTES);
    chunks = chunk;
    return chunk;
}

static bool has_cell(const struct chunk *chunk, const uint8_t *cell)
{
    return cell >= chunk->cells && cell < chunk->cells + CHUNK_BYTES;
}

static void chunk_free(struct chunk *chunk)
{
    mcq_unpoison(chunk->cells, CHUNK_BYTES);
    mcq_unmap_secret(chunk->cells, CHUNK_BYTES);
    mcq_free(chunk);
}

void *mcq_secret_take(size_t bytes)
{
    struct chunk *chunk;
    uint8_t *cell = NULL;

    mcq_assert(bytes > 0 && bytes <= MCQ_SECRET_BYTES_MAX);
    (void) pthread_once(&is_watching, watch_forks);
    (void) pthread_mutex_lock(&mutex);
    for (chunk = chunks; chunk != NULL && chunk->free == 0; chunk = chunk->next)
        continue;
    if (chunk == NULL)
        chunk = chunk_new();
    if (chunk != NULL) {
        int index = __builtin_ctzll(chunk->free);

        chunk->free &= chunk->free - 1;
        cell = chunk->cells + (size_t) index * MCQ_SECRET_BYTES_MAX;
        mcq_unpoison(cell, MCQ_SECRET_BYTES_MAX);
    }
    (void) pthread_mutex_unlock(&mutex);
    if (cell != NULL)
        memset(cell, 0, MCQ_SECRET_BYTES_MAX); /* it is; the sanitizers are to know it, too */
    return cell;
}

void mcq_secret_put(void *memory)
{
    uint8_t *cell = memory;
    struct chunk **at = &chunks;
    struct chunk *empty = NULL;

    if (cell == NULL)
        return;
    explicit_bzero(cell, MCQ_SECRET_BYTES_MAX);
    (void) pthread_mutex_lock(&mutex);
    while (*at != NULL && !has_cell(*at, cell))
        at = &(*at)->next;
    if (*at == NULL) { /* the parent's */
        (void) pthread_mutex_unlock(&mutex);
        return;
    }
    mcq_poison(cell, MCQ_SECRET_BYTES_MAX);
    (*at)->free |= UINT64_C(1) << ((size_t) (cell - (*at)->cells) / MCQ_SECRET_BYTES_MAX);
    if ((*at)->free == UINT64_MAX) {
        empty = *at;
        *at = empty->next;
    }
    (void) pthread_mutex_unlock(&mutex);
    if (empty != NULL)
        chunk_free(empty);
}
