/*
 * table: a hash table of nodes that lie in what the caller has, for keys that strangers choose.
 *
 * Layer:   hub; what router and subscriptions have in common.
 * Threads: the caller's lock orders all calls.
 * Bound:   buckets of 8 octets: at most 3 per node while it grows, 10 while it shrinks, and
 *          MCQ_TABLE_BUCKETS_MIN stay until fini. Each call moves at most MCQ_TABLE_STEP of them,
 *          so no single call pays for a table that changes its size.
 *
 *   STEADY --more nodes than buckets, or fewer than an eighth--> MOVING: each insert and remove
 *      ^                                                          |      moves some buckets to the
 *      +--------------------the old array is empty----------------+      new array
 *
 * Hashes are SipHash-2-4 with a secret key per table, so that nobody who picks keys can pick their
 * buckets, and the expected cost of a look-up is the length of its key.
 *
 * Growing may fail for want of memory: chains become longer then, up to MCQ_TABLE_LOAD_MAX nodes
 * per bucket in the mean, and only beyond it insert fails. Removing never fails.
 */
#ifndef MCQ_HUB_TABLE_H
#define MCQ_HUB_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

#define MCQ_TABLE_KEY_BYTES 16
#define MCQ_TABLE_BUCKETS_MIN 8
#define MCQ_TABLE_LOAD_MAX 4
/* Moving must end before the next resize is due. After shrinking n buckets to n/4 that is soonest:
 * at n/32 nodes, 3n/32 removals later, so 11 buckets per call would do. */
#define MCQ_TABLE_STEP 16

struct mcq_table_node {
    struct mcq_table_node *next; /* in its bucket */
    uint64_t hash;
};

struct mcq_table {
    uint8_t key[MCQ_TABLE_KEY_BYTES];
    size_t count;
    struct mcq_table_node **buckets; /* NULL until the first insert */
    size_t bucket_count;             /* a power of two */
    struct mcq_table_node **old;     /* NULL: STEADY */
    size_t old_count;
    size_t moved; /* buckets of old below this are empty */
};

/* Empty; allocates nothing. The key is random, secret and this table's alone. */
void mcq_table_init(struct mcq_table *table, const uint8_t key[MCQ_TABLE_KEY_BYTES]);

/* Frees the buckets. Nodes that are in are simply forgotten. May be initialised again. */
void mcq_table_fini(struct mcq_table *table);

/* By the table's own key, so that nobody can choose what collides. */
uint64_t mcq_table_hash(const struct mcq_table *table, struct mcq_bytes key);

/* The nodes with this hash: the first, and the one after `node`. NULL: no more. */
struct mcq_table_node *mcq_table_first(const struct mcq_table *table, uint64_t hash);
struct mcq_table_node *mcq_table_next(const struct mcq_table_node *node);

/* Puts a node in; its key is not there yet, and the caller keeps the node where it is.
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_table_insert(struct mcq_table *table, struct mcq_table_node *node,
                                             uint64_t hash);

/* Takes out a node that is in. */
void mcq_table_remove(struct mcq_table *table, struct mcq_table_node *node);

#endif
