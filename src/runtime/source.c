#include "runtime/source.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"

#define KEY_BYTES 16
#define NETWORK_BYTES 8 /* of IPv6 */

struct mcq_source {
    struct mcq_table_node node; /* first */
    struct mcq_sources *sources;
    uint32_t stranger_count;
    uint32_t count; /* they among them */
    uint8_t key[KEY_BYTES];
};

struct mcq_sources {
    pthread_mutex_t mutex;
    uint64_t ref_count; /* the endpoint, and each connection */
    struct mcq_source_limits limits;
    struct mcq_table table;
};

enum mcq_err mcq_sources_new(const struct mcq_source_limits *limits,
                             const uint8_t key[MCQ_TABLE_KEY_BYTES], struct mcq_sources **sources)
{
    struct mcq_sources *made = mcq_alloc(sizeof *made);

    if (made == NULL)
        return MCQ_NOMEM;
    *made = (struct mcq_sources) {.ref_count = 1, .limits = *limits};
    (void) pthread_mutex_init(&made->mutex, NULL);
    mcq_table_init(&made->table, key);
    *sources = made;
    return MCQ_OK;
}

/* The mutex is held; afterwards it is not. */
static void let_go(struct mcq_sources *sources)
{
    bool is_last = --sources->ref_count == 0;

    (void) pthread_mutex_unlock(&sources->mutex);
    if (!is_last)
        return;
    mcq_assert(sources->table.count == 0);
    mcq_table_fini(&sources->table);
    (void) pthread_mutex_destroy(&sources->mutex);
    mcq_free(sources);
}

void mcq_sources_unref(struct mcq_sources **sources)
{
    struct mcq_sources *old = *sources;

    *sources = NULL;
    if (old == NULL)
        return;
    (void) pthread_mutex_lock(&old->mutex);
    let_go(old);
}

/* IPv4 mapped into IPv6 is the same source, whichever family it came by. */
static bool key_of(const struct mcq_address *address, uint8_t key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, &address->storage, sizeof in);
        memset(key + NETWORK_BYTES + 2, UINT8_MAX, 2);
        memcpy(key + NETWORK_BYTES + 4, &in.sin_addr, sizeof in.sin_addr);
    } else if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &address->storage, sizeof in6);
        memcpy(key, &in6.sin6_addr,
               IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) ? KEY_BYTES : NETWORK_BYTES);
    } else {
        return false;
    }
    return true;
}

static struct mcq_source *find(const struct mcq_sources *sources, const uint8_t *key, uint64_t hash)
{
    struct mcq_table_node *node = mcq_table_first(&sources->table, hash);

    while (node != NULL && memcmp(((struct mcq_source *) node)->key, key, KEY_BYTES) != 0)
        node = mcq_table_next(node);
    return (struct mcq_source *) node;
}

static struct mcq_source *add(struct mcq_sources *sources, const uint8_t *key, uint64_t hash)
{
    struct mcq_source *made = mcq_alloc(sizeof *made);

    if (made == NULL)
        return NULL;
    *made = (struct mcq_source) {.sources = sources};
    memcpy(made->key, key, KEY_BYTES);
    if (mcq_table_insert(&sources->table, &made->node, hash) == MCQ_OK)
        return made;
    mcq_free(made);
    return NULL;
}

static bool is_crowded(const struct mcq_source *source)
{
    const struct mcq_source_limits *limits = &source->sources->limits;

    return (limits->strangers > 0 && source->stranger_count >= limits->strangers) ||
           (limits->all > 0 && source->count >= limits->all);
}

enum mcq_err mcq_source_take(struct mcq_sources *sources, const struct mcq_address *address,
                             struct mcq_source **source)
{
    enum mcq_err err = MCQ_NOMEM;
    struct mcq_source *found;
    uint8_t key[KEY_BYTES];
    uint64_t hash;

    *source = NULL;
    if (sources == NULL || !key_of(address, key))
        return MCQ_OK;
    (void) pthread_mutex_lock(&sources->mutex);
    hash = mcq_table_hash(&sources->table, mcq_bytes(key, KEY_BYTES));
    found = find(sources, key, hash);
    if (found == NULL)
        found = add(sources, key, hash);
    if (found != NULL)
        err = is_crowded(found) ? MCQ_CROWDED : MCQ_OK; /* a new one is not: limits begin at 1 */
    if (err == MCQ_OK) {
        found->stranger_count++;
        found->count++;
        sources->ref_count++;
        *source = found;
    }
    (void) pthread_mutex_unlock(&sources->mutex);
    return err;
}

void mcq_source_meet(struct mcq_source *source)
{
    if (source == NULL)
        return;
    (void) pthread_mutex_lock(&source->sources->mutex);
    mcq_assert(source->stranger_count > 0);
    source->stranger_count--;
    (void) pthread_mutex_unlock(&source->sources->mutex);
}

void mcq_source_put(struct mcq_source **source, bool is_stranger)
{
    struct mcq_source *old = *source;
    struct mcq_sources *sources;

    *source = NULL;
    if (old == NULL)
        return;
    sources = old->sources;
    (void) pthread_mutex_lock(&sources->mutex);
    old->stranger_count -= is_stranger;
    if (--old->count == 0) {
        mcq_table_remove(&sources->table, &old->node);
        mcq_free(old);
    }
    let_go(sources);
}
