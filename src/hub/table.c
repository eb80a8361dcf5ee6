#include "hub/table.h"

#include <sodium.h>

#include "arena/alloc.h"
#include "arena/poison.h"
#include "base/assert.h"

/* Larger arrays are mappings: zero without being written, and back to the kernel when they go. */
#define TABLE_HEAP_BYTES_MAX 65536

static_assert(MCQ_TABLE_KEY_BYTES == crypto_shorthash_KEYBYTES, "the library's key");
static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "the library's hash");

static void table_check(const struct mcq_table *table);
static struct mcq_table_node **table_bucket(const struct mcq_table *table, uint64_t hash);
static enum mcq_err table_resize(struct mcq_table *table, size_t bucket_count);
static void table_move(struct mcq_table *table);
static struct mcq_table_node **buckets_new(size_t count);
static void buckets_free(struct mcq_table_node **buckets, size_t count);

void mcq_table_init(struct mcq_table *table, const uint8_t key[MCQ_TABLE_KEY_BYTES])
{
    *table = (struct mcq_table) {0};
    memcpy(table->key, key, sizeof table->key);
}

void mcq_table_fini(struct mcq_table *table)
{
    buckets_free(table->buckets, table->bucket_count);
    buckets_free(table->old, table->old_count);
    sodium_memzero(table, sizeof *table);
}

uint64_t mcq_table_hash(const struct mcq_table *table, struct mcq_bytes key)
{
    static const uint8_t none[1];
    uint64_t hash;

    crypto_shorthash((uint8_t *) &hash, key.len == 0 ? none : key.data, key.len, table->key);
    mcq_written(&hash, sizeof hash);
    return hash;
}

struct mcq_table_node *mcq_table_first(const struct mcq_table *table, uint64_t hash)
{
    struct mcq_table_node *node = table->count == 0 ? NULL : *table_bucket(table, hash);

    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct mcq_table_node *mcq_table_next(const struct mcq_table_node *node)
{
    struct mcq_table_node *next = node->next;

    while (next != NULL && next->hash != node->hash)
        next = next->next;
    return next;
}

enum mcq_err mcq_table_insert(struct mcq_table *table, struct mcq_table_node *node, uint64_t hash)
{
    table_check(table);
    if (table->buckets == NULL)
        MCQ_TRY(table_resize(table, MCQ_TABLE_BUCKETS_MIN));
    if (table->count >= table->bucket_count && table->old == NULL &&
        table_resize(table, table->bucket_count * 2) != MCQ_OK &&
        table->count / table->bucket_count >= MCQ_TABLE_LOAD_MAX)
        return MCQ_NOMEM;
    table_move(table);

    struct mcq_table_node **bucket = table_bucket(table, hash);

    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return MCQ_OK;
}

void mcq_table_remove(struct mcq_table *table, struct mcq_table_node *node)
{
    struct mcq_table_node **at = table_bucket(table, node->hash);

    table_check(table);
    while (*at != node) {
        mcq_assert(*at != NULL); /* it is in, the caller says */
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
    /* A refusal leaves the table as large as it was; the next removal tries again. */
    if (table->count < table->bucket_count / 8 && table->bucket_count > MCQ_TABLE_BUCKETS_MIN &&
        table->old == NULL)
        (void) table_resize(table, table->bucket_count / 4 < MCQ_TABLE_BUCKETS_MIN
                                       ? MCQ_TABLE_BUCKETS_MIN
                                       : table->bucket_count / 4);
    table_move(table);
}

static void table_check(const struct mcq_table *table)
{
    mcq_assert_hot((table->buckets == NULL) == (table->bucket_count == 0));
    mcq_assert_hot(table->buckets != NULL || table->count == 0);
    mcq_assert_hot((table->bucket_count & (table->bucket_count - 1)) == 0);
    mcq_assert_hot(table->old == NULL || table->moved < table->old_count);
    (void) table;
}

/* While the table moves, a node's bucket is in the old array until that bucket's turn. */
static struct mcq_table_node **table_bucket(const struct mcq_table *table, uint64_t hash)
{
    if (table->old != NULL && (hash & (table->old_count - 1)) >= table->moved)
        return &table->old[hash & (table->old_count - 1)];
    return &table->buckets[hash & (table->bucket_count - 1)];
}

/* Starts moving to an array of another size. */
static enum mcq_err table_resize(struct mcq_table *table, size_t bucket_count)
{
    struct mcq_table_node **buckets = buckets_new(bucket_count);

    if (buckets == NULL)
        return MCQ_NOMEM;
    table->old = table->buckets;
    table->old_count = table->bucket_count;
    table->moved = 0;
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    return MCQ_OK;
}

static void table_move(struct mcq_table *table)
{
    if (table->old == NULL)
        return;

    size_t end = table->moved + mcq_min_size(MCQ_TABLE_STEP, table->old_count - table->moved);

    for (; table->moved < end; table->moved++) {
        struct mcq_table_node *node = table->old[table->moved];

        table->old[table->moved] = NULL;
        while (node != NULL) {
            struct mcq_table_node *next = node->next;
            struct mcq_table_node **bucket =
                &table->buckets[node->hash & (table->bucket_count - 1)];

            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    if (table->moved == table->old_count) {
        buckets_free(table->old, table->old_count);
        table->old = NULL;
        table->old_count = 0;
    }
}

static struct mcq_table_node **buckets_new(size_t count)
{
    size_t bytes = mcq_size_mul(count, sizeof(struct mcq_table_node *));
    void *buckets = bytes > TABLE_HEAP_BYTES_MAX ? mcq_map(bytes) : mcq_alloc(bytes);

    if (buckets != NULL && bytes <= TABLE_HEAP_BYTES_MAX)
        memset(buckets, 0, bytes);
    return buckets;
}

static void buckets_free(struct mcq_table_node **buckets, size_t count)
{
    size_t bytes = count * sizeof(struct mcq_table_node *);

    if (buckets != NULL && bytes > TABLE_HEAP_BYTES_MAX)
        mcq_unmap(buckets, bytes);
    else
        mcq_free(buckets);
}
