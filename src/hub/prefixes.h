/*
 * prefixes: a sorted set of octet strings, and those of them that a topic begins with.
 *
 * Layer:   hub; the lower half of subscriptions.
 * Threads: the caller's lock orders all calls.
 * Bound:   16 octets of slot per prefix on pages that are at least a quarter full in the mean, and
 *          the prefixes themselves. Pages merge and go as prefixes go.
 *
 *   pages   [ "" a ab ] [ abc abd b ] [ ... ]      each sorted, at most MCQ_PREFIX_PAGE_SLOTS slots
 *   slot    the first 8 octets as a number, so that most comparisons stay on the page; the prefix
 *
 * find, insert, remove: two binary searches, over the pages and in one; moving at most a page.
 * Splitting moves page pointers, too: one step in a hundred, 8 octets per MCQ_PREFIX_PAGE_SLOTS / 2
 * prefixes.
 *
 * match narrows a range of neighbours, which all begin with the topic's first `depth` octets:
 *
 *   - the first of them is just that long: a match, the only one of its length; step over it
 *   - what the first and the last of them share, all share: compare it with the topic at once
 *   - then keep those whose next octet is the topic's: two binary searches inside the range
 *   - the topic ends, differs or the range is empty: there are no more
 *
 * So it looks at no more octets than the topic has, searches only where prefixes really part, and
 * ends early for most topics. Matches come shortest first.
 */
#ifndef MCQ_HUB_PREFIXES_H
#define MCQ_HUB_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

#define MCQ_PREFIX_PAGE_SLOTS 128 /* 2 KiB: half of it moves in an insert, about 30 ns */

struct mcq_interest;

/* One prefix; `links` and `link_count` are hub/subscriptions.c's. */
struct mcq_prefix {
    struct mcq_interest *links;
    uint64_t link_count;
    size_t len;
    uint8_t octets[];
};

struct mcq_prefix_slot {
    uint64_t head; /* the first 8 octets, big-endian, padded with zeros */
    struct mcq_prefix *prefix;
};

struct mcq_prefix_page {
    size_t count; /* at least 1 */
    struct mcq_prefix_slot slots[MCQ_PREFIX_PAGE_SLOTS];
};

struct mcq_prefixes {
    struct mcq_prefix_page **pages;
    size_t page_count;
    size_t page_capacity;
    size_t count;
};

/* Slot `index` of page `page`; index may be the page's count: behind its last. */
struct mcq_prefix_place {
    size_t page;
    size_t index;
};

/* A search for the matches of one topic; the set stays as it is meanwhile. */
struct mcq_prefix_match {
    const struct mcq_prefixes *prefixes;
    struct mcq_bytes topic;
    size_t depth; /* octets of the topic that all in the range begin with */
    struct mcq_prefix_place low;
    struct mcq_prefix_place high; /* behind its last, on that one's page; low == high: over */
};

/* Empty; allocates nothing. */
void mcq_prefixes_init(struct mcq_prefixes *prefixes);

/* Frees the pages and all prefixes that are in. */
void mcq_prefixes_fini(struct mcq_prefixes *prefixes);

static inline struct mcq_bytes mcq_prefix_bytes(const struct mcq_prefix *prefix)
{
    return mcq_bytes(prefix->octets, prefix->len);
}

/* The prefix with just these octets; NULL: it is not there. Either way *place is where it belongs,
 * until the set changes. */
struct mcq_prefix *mcq_prefixes_find(const struct mcq_prefixes *prefixes, struct mcq_bytes octets,
                                     struct mcq_prefix_place *place);

/* Adds a prefix without links at the place that find gave.
 *   MCQ_OK      *prefix is the set's
 *   MCQ_NOMEM   nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_prefixes_insert(struct mcq_prefixes *prefixes,
                                                struct mcq_prefix_place place,
                                                struct mcq_bytes octets,
                                                struct mcq_prefix **prefix);

/* Takes a prefix out; it is the caller's to give to mcq_free. */
void mcq_prefixes_remove(struct mcq_prefixes *prefixes, struct mcq_prefix *prefix);

/* All prefixes in their order, starting at place {0, 0}. NULL: no more. */
struct mcq_prefix *mcq_prefixes_next(const struct mcq_prefixes *prefixes,
                                     struct mcq_prefix_place *place);

/* Starts a search; the topic is borrowed until it is over. */
void mcq_prefix_match_init(struct mcq_prefix_match *match, const struct mcq_prefixes *prefixes,
                           struct mcq_bytes topic);

/* The next longer prefix that the topic begins with. NULL: no more. */
struct mcq_prefix *mcq_prefix_match_next(struct mcq_prefix_match *match);

#endif
