/*
 * prefixes: a set of octet strings in their order, and those of them that a topic begins with.
 *
 * Layer:   hub; the lower half of subscriptions.
 * Threads: the caller's lock orders all calls.
 * Bound:   fewer nodes than prefixes, each at least half full: 80 octets a prefix at most, in the
 *          heap's own sizes, beside the prefix itself. No recursion.
 *
 *   prefixes  ab abcd abce x        root --> node, 0 octets
 *                                              a --> node, 2 octets, own "ab"
 *                                              |        c --> node, 3 octets
 *                                              |                 d --> "abcd"
 *                                              |                 e --> "abce"
 *                                              x --> "x"
 *
 * A radix tree of the octets at which prefixes part. Where only one is left, that is the child
 * itself. What all below a node begin with is not kept in it but for the first 8 octets behind its
 * parent's: any prefix that lies below it has the others. So two nodes become one without a copy:
 * nothing is allocated in a removal, and what lies below does not move.
 *
 * find, insert, remove, match: one way down, that looks at each octet once; a set's size costs as
 * many steps as prefixes part on the way. Matches come shortest first.
 */
#ifndef MCQ_HUB_PREFIXES_H
#define MCQ_HUB_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

struct mcq_interest;

/* One prefix; `links` and `link_count` are hub/subscriptions.c's. Stays where it is while it is in.
 */
struct mcq_prefix {
    struct mcq_interest *links;
    uint64_t link_count;
    size_t len;
    uint8_t octets[];
};

/* A node, or a prefix if the lowest bit is set. 0: nothing. */
struct mcq_prefix_child {
    uintptr_t word;
};

struct mcq_prefixes {
    struct mcq_prefix_child root;
    size_t count;
};

/* Where octets that are not in the set belong, until it changes. */
struct mcq_prefix_place {
    struct mcq_prefix_child *at; /* what is there begins with the first `shared` of them */
    size_t from;                 /* how many of those all in its parent begin with */
    size_t shared;
};

/* A search for the matches of one topic; the set stays as it is meanwhile. */
struct mcq_prefix_match {
    struct mcq_bytes topic;
    struct mcq_prefix_child child; /* the next to look at; nothing: over */
    size_t from;                   /* octets of the topic that are known to be its */
};

/* Empty; allocates nothing. */
void mcq_prefixes_init(struct mcq_prefixes *prefixes);

/* Frees the nodes and all prefixes that are in. */
void mcq_prefixes_fini(struct mcq_prefixes *prefixes);

static inline struct mcq_bytes mcq_prefix_bytes(const struct mcq_prefix *prefix)
{
    return mcq_bytes(prefix->octets, prefix->len);
}

/* The prefix with just these octets. NULL: it is not there, and *place is where it belongs. */
struct mcq_prefix *mcq_prefixes_find(struct mcq_prefixes *prefixes, struct mcq_bytes octets,
                                     struct mcq_prefix_place *place);

/* Adds a prefix without links at the place that find gave for these octets.
 *   MCQ_OK      *prefix is the set's
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_prefixes_insert(struct mcq_prefixes *prefixes,
                                                struct mcq_prefix_place place,
                                                struct mcq_bytes octets,
                                                struct mcq_prefix **prefix);

/* Takes a prefix out; it is the caller's to give to mcq_free. Needs no memory. */
void mcq_prefixes_remove(struct mcq_prefixes *prefixes, struct mcq_prefix *prefix);

/* The one behind `prefix` in their order; NULL: the first. NULL: no more. */
struct mcq_prefix *mcq_prefixes_next(const struct mcq_prefixes *prefixes,
                                     const struct mcq_prefix *prefix);

/* Starts a search; the topic is borrowed until it is over. */
void mcq_prefix_match_init(struct mcq_prefix_match *match, const struct mcq_prefixes *prefixes,
                           struct mcq_bytes topic);

/* The next longer prefix that the topic begins with. NULL: no more. */
struct mcq_prefix *mcq_prefix_match_next(struct mcq_prefix_match *match);

/* No more from here on. */
static inline void mcq_prefix_match_end(struct mcq_prefix_match *match)
{
    match->child = (struct mcq_prefix_child) {0};
}

#endif
