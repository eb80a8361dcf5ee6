#include "hub/prefixes.h"

#include <stdbool.h>

#include "arena/alloc.h"
#include "base/assert.h"

#define HEAD_OCTETS 8
#define PAGE_POINTER_BYTES sizeof(void *) /* the table is one of pointers to pages */
#define PAGE_CAPACITY_MIN 4

static void prefixes_check(const struct mcq_prefixes *prefixes);
static uint64_t head_of(struct mcq_bytes octets);
static int slot_compare(const struct mcq_prefix_slot *slot, uint64_t head, struct mcq_bytes octets);
static enum mcq_err page_make_room(struct mcq_prefixes *prefixes, struct mcq_prefix_place *place);
static enum mcq_err pages_insert(struct mcq_prefixes *prefixes, size_t at);
static void pages_remove(struct mcq_prefixes *prefixes, size_t at);
static void page_merge(struct mcq_prefixes *prefixes, size_t at);
static const struct mcq_prefix_slot *match_slot(const struct mcq_prefix_match *match,
                                                struct mcq_prefix_place place);
static bool match_is_over(struct mcq_prefix_match *match);
static void match_end(struct mcq_prefix_match *match);
static unsigned slot_octet(const struct mcq_prefix_slot *slot, size_t depth);
static size_t match_shared(const struct mcq_prefix_match *match, const struct mcq_prefix *first,
                           const struct mcq_prefix *last);
static struct mcq_prefix_place match_bound(const struct mcq_prefix_match *match, unsigned octet);

void mcq_prefixes_init(struct mcq_prefixes *prefixes)
{
    *prefixes = (struct mcq_prefixes) {0};
}

void mcq_prefixes_fini(struct mcq_prefixes *prefixes)
{
    for (size_t p = 0; p < prefixes->page_count; p++) {
        struct mcq_prefix_page *page = prefixes->pages[p];

        for (size_t i = 0; i < page->count; i++)
            mcq_free(page->slots[i].prefix);
        mcq_free(page);
    }
    mcq_free(prefixes->pages);
    mcq_prefixes_init(prefixes);
}

struct mcq_prefix *mcq_prefixes_find(const struct mcq_prefixes *prefixes, struct mcq_bytes octets,
                                     struct mcq_prefix_place *place)
{
    uint64_t head = head_of(octets);
    size_t low = 0;
    size_t high = prefixes->page_count;

    *place = (struct mcq_prefix_place) {0, 0};
    if (high == 0)
        return NULL;
    while (high - low > 1) { /* the last page that starts at or below it, or the first page */
        size_t middle = low + (high - low) / 2;

        if (slot_compare(&prefixes->pages[middle]->slots[0], head, octets) <= 0)
            low = middle;
        else
            high = middle;
    }
    const struct mcq_prefix_page *page = prefixes->pages[low];

    place->page = low;
    low = 0;
    high = page->count;
    while (low < high) { /* the first slot at or above it */
        size_t middle = low + (high - low) / 2;
        int order = slot_compare(&page->slots[middle], head, octets);

        if (order == 0) {
            place->index = middle;
            return page->slots[middle].prefix;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    place->index = low;
    return NULL;
}

enum mcq_err mcq_prefixes_insert(struct mcq_prefixes *prefixes, struct mcq_prefix_place place,
                                 struct mcq_bytes octets, struct mcq_prefix **prefix)
{
    struct mcq_prefix *added = mcq_alloc(mcq_size_add(sizeof *added, octets.len));

    if (added == NULL)
        return MCQ_NOMEM;
    if (page_make_room(prefixes, &place) != MCQ_OK) {
        mcq_free(added);
        return MCQ_NOMEM;
    }
    added->links = NULL;
    added->link_count = 0;
    added->len = octets.len;
    mcq_put_bytes(added->octets, octets);

    struct mcq_prefix_page *page = prefixes->pages[place.page];
    struct mcq_prefix_slot *slot = &page->slots[place.index];

    memmove(slot + 1, slot, (page->count - place.index) * sizeof *slot);
    *slot = (struct mcq_prefix_slot) {head_of(octets), added};
    page->count++;
    prefixes->count++;
    prefixes_check(prefixes);
    *prefix = added;
    return MCQ_OK;
}

void mcq_prefixes_remove(struct mcq_prefixes *prefixes, struct mcq_prefix *prefix)
{
    struct mcq_prefix_place place;
    struct mcq_prefix *found = mcq_prefixes_find(prefixes, mcq_prefix_bytes(prefix), &place);

    mcq_assert(found == prefix);

    struct mcq_prefix_page *page = prefixes->pages[place.page];
    struct mcq_prefix_slot *slot = &page->slots[place.index];

    memmove(slot, slot + 1, (page->count - place.index - 1) * sizeof *slot);
    page->count--;
    prefixes->count--;
    if (page->count == 0) {
        pages_remove(prefixes, place.page);
    } else {
        page_merge(prefixes, place.page);
        if (place.page > 0)
            page_merge(prefixes, place.page - 1);
    }
    prefixes_check(prefixes);
}

struct mcq_prefix *mcq_prefixes_next(const struct mcq_prefixes *prefixes,
                                     struct mcq_prefix_place *place)
{
    if (place->page < prefixes->page_count && place->index == prefixes->pages[place->page]->count)
        *place = (struct mcq_prefix_place) {place->page + 1, 0};
    if (place->page == prefixes->page_count)
        return NULL;
    return prefixes->pages[place->page]->slots[place->index++].prefix;
}

void mcq_prefix_match_init(struct mcq_prefix_match *match, const struct mcq_prefixes *prefixes,
                           struct mcq_bytes topic)
{
    size_t pages = prefixes->page_count;

    *match = (struct mcq_prefix_match) {.prefixes = prefixes, .topic = topic};
    if (pages > 0)
        match->high = (struct mcq_prefix_place) {pages - 1, prefixes->pages[pages - 1]->count};
}

struct mcq_prefix *mcq_prefix_match_next(struct mcq_prefix_match *match)
{
    while (!match_is_over(match)) {
        struct mcq_prefix *first = match_slot(match, match->low)->prefix;

        if (first->len == match->depth) {
            match->low.index++;
            return first;
        }
        struct mcq_prefix_place end = {match->high.page, match->high.index - 1};
        size_t shared = match_shared(match, first, match_slot(match, end)->prefix);
        size_t more = shared - match->depth;

        if (shared > match->topic.len ||
            (more > 0 &&
             memcmp(first->octets + match->depth, match->topic.data + match->depth, more) != 0)) {
            match_end(match);
        } else if (shared == first->len) {
            match->depth = shared;
        } else if (shared == match->topic.len) {
            match_end(match); /* all of them are longer than the topic */
        } else {
            match->depth = shared;
            match->low = match_bound(match, match->topic.data[shared]);
            match->high = match_bound(match, match->topic.data[shared] + 1U);
            match->depth++;
        }
    }
    return NULL;
}

static void prefixes_check(const struct mcq_prefixes *prefixes)
{
    mcq_assert_hot(prefixes->page_count <= prefixes->page_capacity);
    mcq_assert_hot((prefixes->count == 0) == (prefixes->page_count == 0));
    mcq_assert_hot(prefixes->count <= prefixes->page_count * MCQ_PREFIX_PAGE_SLOTS);
    (void) prefixes;
}

static uint64_t head_of(struct mcq_bytes octets)
{
    uint8_t head[HEAD_OCTETS] = {0};

    mcq_put_bytes(head, mcq_bytes(octets.data, mcq_min_size(octets.len, HEAD_OCTETS)));
    return mcq_get_u64be(head);
}

/* Negative: the slot's comes first. Equal heads may still differ, for they are padded. */
static int slot_compare(const struct mcq_prefix_slot *slot, uint64_t head, struct mcq_bytes octets)
{
    const struct mcq_prefix *prefix = slot->prefix;

    if (slot->head != head)
        return slot->head < head ? -1 : 1;

    size_t len = mcq_min_size(prefix->len, octets.len);
    int order = len == 0 ? 0 : memcmp(prefix->octets, octets.data, len);

    if (order != 0)
        return order;
    return (prefix->len > octets.len) - (prefix->len < octets.len);
}

/* Afterwards the place is on a page with room, for the same neighbours. */
static enum mcq_err page_make_room(struct mcq_prefixes *prefixes, struct mcq_prefix_place *place)
{
    if (prefixes->page_count == 0)
        return pages_insert(prefixes, 0);

    struct mcq_prefix_page *page = prefixes->pages[place->page];

    if (page->count < MCQ_PREFIX_PAGE_SLOTS)
        return MCQ_OK;
    MCQ_TRY(pages_insert(prefixes, place->page + 1));

    struct mcq_prefix_page *right = prefixes->pages[place->page + 1];
    /* What comes in its order fills its pages; what comes in any order leaves them half full. */
    bool is_append = place->page + 2 == prefixes->page_count && place->index == page->count;
    size_t keep = is_append ? page->count : page->count / 2;

    right->count = page->count - keep;
    memcpy(right->slots, page->slots + keep, right->count * sizeof *right->slots);
    page->count = keep;
    if (place->index > keep || is_append)
        *place = (struct mcq_prefix_place) {place->page + 1, place->index - keep};
    return MCQ_OK;
}

/* An empty page at this index. */
static enum mcq_err pages_insert(struct mcq_prefixes *prefixes, size_t at)
{
    struct mcq_prefix_page *page = mcq_alloc(sizeof *page);

    if (page == NULL)
        return MCQ_NOMEM;
    if (prefixes->page_count == prefixes->page_capacity) {
        size_t capacity =
            prefixes->page_count == 0 ? PAGE_CAPACITY_MIN : mcq_size_mul(prefixes->page_count, 2);
        void *pages = mcq_realloc(prefixes->pages, mcq_size_mul(capacity, PAGE_POINTER_BYTES));

        if (pages == NULL) {
            mcq_free(page);
            return MCQ_NOMEM;
        }
        prefixes->pages = pages;
        prefixes->page_capacity = capacity;
    }
    memmove(prefixes->pages + at + 1, prefixes->pages + at,
            (prefixes->page_count - at) * PAGE_POINTER_BYTES);
    page->count = 0;
    prefixes->pages[at] = page;
    prefixes->page_count++;
    return MCQ_OK;
}

static void pages_remove(struct mcq_prefixes *prefixes, size_t at)
{
    mcq_free(prefixes->pages[at]);
    prefixes->page_count--;
    memmove(prefixes->pages + at, prefixes->pages + at + 1,
            (prefixes->page_count - at) * PAGE_POINTER_BYTES);
    if (prefixes->page_count == 0) {
        mcq_free(prefixes->pages);
        prefixes->pages = NULL;
        prefixes->page_capacity = 0;
    } else if (prefixes->page_count < prefixes->page_capacity / 4) {
        size_t capacity = prefixes->page_capacity / 2;
        void *pages = mcq_realloc(prefixes->pages, capacity * PAGE_POINTER_BYTES);

        if (pages != NULL) { /* else it stays large until the next removal */
            prefixes->pages = pages;
            prefixes->page_capacity = capacity;
        }
    }
}

/* A page and the next become one when both together fill only half of it: so any two neighbours
 * hold more than that, and a merged page takes as many inserts again before it splits. */
static void page_merge(struct mcq_prefixes *prefixes, size_t at)
{
    if (at + 1 == prefixes->page_count)
        return;

    mcq_assert(prefixes->pages != NULL); /* there are at least two */
    struct mcq_prefix_page *left = prefixes->pages[at];
    struct mcq_prefix_page *right = prefixes->pages[at + 1];

    if (left->count + right->count > MCQ_PREFIX_PAGE_SLOTS / 2)
        return;
    memcpy(left->slots + left->count, right->slots, right->count * sizeof *right->slots);
    left->count += right->count;
    pages_remove(prefixes, at + 1);
}

static const struct mcq_prefix_slot *match_slot(const struct mcq_prefix_match *match,
                                                struct mcq_prefix_place place)
{
    return &match->prefixes->pages[place.page]->slots[place.index];
}

/* Steps from behind a page to the next one, which has a slot at 0. */
static bool match_is_over(struct mcq_prefix_match *match)
{
    if (match->low.page == match->high.page)
        return match->low.index == match->high.index;
    if (match->low.index == match->prefixes->pages[match->low.page]->count)
        match->low = (struct mcq_prefix_place) {match->low.page + 1, 0};
    return false; /* the range ends on a later page, behind one of its slots */
}

static void match_end(struct mcq_prefix_match *match)
{
    match->low = match->high;
}

/* How many octets all prefixes of the range begin with; more than the topic has are not counted. */
static size_t match_shared(const struct mcq_prefix_match *match, const struct mcq_prefix *first,
                           const struct mcq_prefix *last)
{
    size_t len = mcq_min_size(mcq_min_size(first->len, last->len), match->topic.len + 1);
    size_t shared = match->depth;

    while (shared < len && first->octets[shared] == last->octets[shared])
        shared++;
    return shared;
}

static unsigned slot_octet(const struct mcq_prefix_slot *slot, size_t depth)
{
    if (depth < HEAD_OCTETS)
        return (unsigned) (slot->head >> (8 * (HEAD_OCTETS - 1 - depth))) & 0xff;
    return slot->prefix->octets[depth];
}

/* The first place of the range whose octet at depth is `octet` or above. */
static struct mcq_prefix_place match_bound(const struct mcq_prefix_match *match, unsigned octet)
{
    size_t low = match->low.page;
    size_t high = match->high.page + 1;

    while (high - low > 1) { /* the last page that starts below it, or the range's first */
        size_t middle = low + (high - low) / 2;
        struct mcq_prefix_place start = {middle, 0};

        if (slot_octet(match_slot(match, start), match->depth) < octet)
            low = middle;
        else
            high = middle;
    }
    struct mcq_prefix_place place = {low, low == match->low.page ? match->low.index : 0};
    size_t end = low == match->high.page ? match->high.index : match->prefixes->pages[low]->count;

    while (place.index < end) {
        size_t middle = place.index + (end - place.index) / 2;
        struct mcq_prefix_place probe = {low, middle};

        if (slot_octet(match_slot(match, probe), match->depth) < octet)
            place.index = middle + 1;
        else
            end = middle;
    }
    return place;
}
