#include "hub/prefixes.h"

#include <stdbool.h>

#include "arena/alloc.h"
#include "base/assert.h"

#define HEAD_OCTETS 8
#define CAPACITY_MIN 2
#define CAPACITY_MAX 256 /* an octet's values */
#define IS_PREFIX ((uintptr_t) 1)

/* Where prefixes part, or one ends and others go on: `own` and the children are two at least. */
struct mcq_prefix_node {
    struct mcq_prefix *own; /* the one that ends here; NULL: none does */
    union {
        struct mcq_prefix *any;             /* one of those below, itself included */
        struct mcq_prefix_node *freed_next; /* in fini */
    };
    uint64_t head; /* as head_of the octets behind the parent's */
    size_t depth;  /* octets that all below begin with */
    uint16_t count;
    uint16_t capacity; /* at most CAPACITY_MAX */
    uint8_t firsts[];  /* `capacity` octets, of which `count` are in their order: the octet at depth
                         of each child; then the children, aligned */
};

static_assert(_Alignof(struct mcq_prefix_node) > IS_PREFIX, "the lowest bit of a child is free");
static_assert(_Alignof(struct mcq_prefix) > IS_PREFIX, "the lowest bit of a child is free");

/* --- children --------------------------------------------------------------------------------- */

static struct mcq_prefix_child child_of_prefix(const struct mcq_prefix *prefix)
{
    return (struct mcq_prefix_child) {(uintptr_t) prefix | IS_PREFIX};
}

static struct mcq_prefix_child child_of_node(const struct mcq_prefix_node *node)
{
    return (struct mcq_prefix_child) {(uintptr_t) node};
}

/* NULL: it is a prefix. */
static inline struct mcq_prefix_node *node_of(struct mcq_prefix_child child)
{
    return (child.word & IS_PREFIX) ? NULL : (struct mcq_prefix_node *) child.word;
}

static inline struct mcq_prefix *prefix_of(struct mcq_prefix_child child)
{
    return (struct mcq_prefix *) (child.word & ~IS_PREFIX);
}

/* Whose octets are those of all in the child, as far as these are the same. */
static struct mcq_prefix *any_of(struct mcq_prefix_child child)
{
    const struct mcq_prefix_node *node = node_of(child);

    return node != NULL ? node->any : prefix_of(child);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static inline size_t firsts_bytes(size_t capacity)
{
    size_t align = _Alignof(struct mcq_prefix_child);

    return (offsetof(struct mcq_prefix_node, firsts) + capacity + align - 1) / align * align;
}

static size_t node_bytes(size_t capacity)
{
    return firsts_bytes(capacity) + capacity * sizeof(struct mcq_prefix_child);
}

static inline struct mcq_prefix_child *children_of(const struct mcq_prefix_node *node)
{
    return (struct mcq_prefix_child *) ((uintptr_t) node + firsts_bytes(node->capacity));
}

/* The first of these octets as a number, padded with zeros. */
static uint64_t head_of(struct mcq_bytes octets)
{
    uint8_t head[HEAD_OCTETS] = {0};

    mcq_put_bytes(head, mcq_bytes(octets.data, mcq_min_size(octets.len, HEAD_OCTETS)));
    return mcq_get_u64be(head);
}

/* Its parent ends at `from` from now on. */
static void set_from(struct mcq_prefix_child child, size_t from)
{
    struct mcq_prefix_node *node = node_of(child);

    if (node != NULL)
        node->head = head_of(mcq_bytes(node->any->octets + from, node->depth - from));
}

/* NULL: no child begins with this octet. */
static inline struct mcq_prefix_child *child_at(const struct mcq_prefix_node *node, uint8_t first)
{
    const uint8_t *at = memchr(node->firsts, first, node->count);

    return at != NULL ? children_of(node) + (at - node->firsts) : NULL;
}

static size_t wider(size_t capacity)
{
    return mcq_min_size(capacity + capacity / 2 + 1, CAPACITY_MAX);
}

/* Gives the node at this place another capacity, at least its count. MCQ_NOMEM: nothing changed. */
static enum mcq_err node_resize(struct mcq_prefix_child *at, size_t capacity)
{
    struct mcq_prefix_node *node = node_of(*at);
    size_t children_bytes = node->count * sizeof(struct mcq_prefix_child);
    struct mcq_prefix_child *before = children_of(node);

    if (capacity < node->capacity) { /* what lies behind is to go */
        node->capacity = (uint16_t) capacity;
        memmove(children_of(node), before, children_bytes);
        node = mcq_realloc(node, node_bytes(capacity));
        if (node != NULL)
            *at = child_of_node(node);
        return MCQ_OK;
    }
    node = mcq_realloc(node, node_bytes(capacity));
    if (node == NULL)
        return MCQ_NOMEM;
    *at = child_of_node(node);
    before = children_of(node);
    node->capacity = (uint16_t) capacity;
    memmove(children_of(node), before, children_bytes);
    return MCQ_OK;
}

/* There is room, and none that begins with this octet. */
static void add_child(struct mcq_prefix_node *node, uint8_t first, struct mcq_prefix_child child)
{
    struct mcq_prefix_child *children = children_of(node);
    size_t at = 0;

    mcq_assert_hot(node->count < node->capacity);
    while (at < node->count && node->firsts[at] < first)
        at++;
    memmove(node->firsts + at + 1, node->firsts + at, node->count - at);
    memmove(children + at + 1, children + at, (node->count - at) * sizeof *children);
    node->firsts[at] = first;
    children[at] = child;
    node->count++;
}

static void drop_child(struct mcq_prefix_node *node, const struct mcq_prefix_child *child)
{
    struct mcq_prefix_child *children = children_of(node);
    size_t at = (size_t) (child - children);
    size_t behind = node->count - at - 1;

    memmove(node->firsts + at, node->firsts + at + 1, behind);
    memmove(children + at, children + at + 1, behind * sizeof *children);
    node->count--;
}

/* How many octets behind its parent's a node shares with these, of which `from` are its parent's:
 * all its own if they go on so far. */
static inline size_t node_shared(const struct mcq_prefix_node *node, struct mcq_bytes octets,
                                 size_t from)
{
    size_t own = node->depth - from;
    size_t len = mcq_min_size(own, octets.len - from);
    const uint8_t *data;
    size_t shared = 0;

    if (MCQ_LIKELY(own <= HEAD_OCTETS && octets.len - from >= HEAD_OCTETS)) {
        uint64_t differs = node->head ^ mcq_get_u64be(octets.data + from);

        return mcq_min_size(own,
                            differs == 0 ? HEAD_OCTETS : (size_t) __builtin_clzll(differs) / 8);
    }
    data = node->any->octets + from;
    while (shared < len && data[shared] == octets.data[from + shared])
        shared++;
    return shared;
}

/* --- the set ---------------------------------------------------------------------------------- */

static void prefixes_check(const struct mcq_prefixes *prefixes)
{
    mcq_assert_hot((prefixes->count == 0) == (prefixes->root.word == 0));
    (void) prefixes;
}

void mcq_prefixes_init(struct mcq_prefixes *prefixes)
{
    *prefixes = (struct mcq_prefixes) {0};
}

/* Frees a prefix; a node goes on the list of those to be freed. */
static void free_child(struct mcq_prefix_child child, struct mcq_prefix_node **freed)
{
    struct mcq_prefix_node *node = node_of(child);

    if (node == NULL) {
        mcq_free(prefix_of(child));
        return;
    }
    node->freed_next = *freed;
    *freed = node;
}

void mcq_prefixes_fini(struct mcq_prefixes *prefixes)
{
    struct mcq_prefix_node *freed = NULL;
    struct mcq_prefix_node *node;

    if (prefixes->root.word != 0)
        free_child(prefixes->root, &freed);
    while ((node = freed) != NULL) {
        freed = node->freed_next;
        for (size_t i = 0; i < node->count; i++)
            free_child(children_of(node)[i], &freed);
        mcq_free(node->own);
        mcq_free(node);
    }
    mcq_prefixes_init(prefixes);
}

struct mcq_prefix *mcq_prefixes_find(struct mcq_prefixes *prefixes, struct mcq_bytes octets,
                                     struct mcq_prefix_place *place)
{
    struct mcq_prefix_child *at = &prefixes->root;
    struct mcq_prefix_node *node;
    struct mcq_prefix *prefix;
    size_t shared = 0;
    size_t from = 0;

    *place = (struct mcq_prefix_place) {.at = at};
    if (at->word == 0)
        return NULL;
    while ((node = node_of(*at)) != NULL) {
        shared = from + node_shared(node, octets, from);
        *place = (struct mcq_prefix_place) {at, from, shared};
        if (shared < node->depth)
            return NULL;
        if (octets.len == node->depth)
            return node->own;
        at = child_at(node, octets.data[node->depth]);
        if (at == NULL)
            return NULL;
        from = node->depth;
    }
    prefix = prefix_of(*at);
    for (shared = from; shared < mcq_min_size(prefix->len, octets.len); shared++)
        if (prefix->octets[shared] != octets.data[shared])
            break;
    *place = (struct mcq_prefix_place) {at, from, shared};
    return shared == prefix->len && shared == octets.len ? prefix : NULL;
}

/* A node in front of what is at the place, which goes on behind the octets that it shares. */
static enum mcq_err split(struct mcq_prefix_place place, struct mcq_prefix *added)
{
    struct mcq_prefix_child before = *place.at;
    struct mcq_prefix *other = any_of(before);
    struct mcq_prefix_node *node = mcq_alloc(node_bytes(CAPACITY_MIN));

    if (node == NULL)
        return MCQ_NOMEM;
    *node =
        (struct mcq_prefix_node) {.any = added, .depth = place.shared, .capacity = CAPACITY_MIN};
    set_from(child_of_node(node), place.from);
    if (other->len == place.shared) { /* and so it is no node */
        node->own = other;
    } else {
        add_child(node, other->octets[place.shared], before);
        set_from(before, place.shared);
    }
    if (added->len == place.shared)
        node->own = added;
    else
        add_child(node, added->octets[place.shared], child_of_prefix(added));
    *place.at = child_of_node(node);
    return MCQ_OK;
}

static enum mcq_err place_put(struct mcq_prefix_place place, struct mcq_prefix *added)
{
    struct mcq_prefix_node *node;

    if (place.at->word == 0) {
        *place.at = child_of_prefix(added);
        return MCQ_OK;
    }
    node = node_of(*place.at);
    if (node == NULL || place.shared < node->depth)
        return split(place, added);
    if (added->len == node->depth) {
        node->own = added;
        return MCQ_OK;
    }
    if (node->count == node->capacity) {
        MCQ_TRY(node_resize(place.at, wider(node->capacity)));
        node = node_of(*place.at);
    }
    add_child(node, added->octets[node->depth], child_of_prefix(added));
    return MCQ_OK;
}

enum mcq_err mcq_prefixes_insert(struct mcq_prefixes *prefixes, struct mcq_prefix_place place,
                                 struct mcq_bytes octets, struct mcq_prefix **prefix)
{
    struct mcq_prefix *added = mcq_alloc(mcq_size_add(sizeof *added, octets.len));

    if (added == NULL)
        return MCQ_NOMEM;
    added->links = NULL;
    added->link_count = 0;
    added->len = octets.len;
    mcq_put_bytes(added->octets, octets);
    if (place_put(place, added) != MCQ_OK) {
        mcq_free(added);
        return MCQ_NOMEM;
    }
    prefixes->count++;
    prefixes_check(prefixes);
    *prefix = added;
    return MCQ_OK;
}

/* --- removal ---------------------------------------------------------------------------------- */

/* A node that has lost a child or its own prefix: gives way if only one is left, and gives back
 * what it does not need. Returns one that is below it still. */
static struct mcq_prefix *settle(struct mcq_prefix_child *at, size_t from)
{
    struct mcq_prefix_node *node = node_of(*at);

    if (node->own != NULL && node->count == 0) {
        *at = child_of_prefix(node->own);
        mcq_free(node);
    } else if (node->own == NULL && node->count == 1) {
        *at = *children_of(node);
        set_from(*at, from);
        mcq_free(node);
    } else if (node->count * 2 < node->capacity && node->capacity > CAPACITY_MIN) {
        (void) !node_resize(at, node->count > CAPACITY_MIN ? node->count : CAPACITY_MIN);
    }
    node = node_of(*at);
    if (node == NULL)
        return prefix_of(*at);
    return node->own != NULL ? node->own : any_of(*children_of(node));
}

/* Nodes on the way to it may have its octets for theirs: `other` has the same ones. */
static void forget(struct mcq_prefixes *prefixes, const struct mcq_prefix *prefix,
                   struct mcq_prefix *other)
{
    const struct mcq_prefix_child *at = &prefixes->root;
    struct mcq_prefix_node *node;

    while (at != NULL && (node = node_of(*at)) != NULL) {
        if (node->any == prefix)
            node->any = other;
        if (node->depth >= prefix->len)
            break;
        at = child_at(node, prefix->octets[node->depth]);
    }
}

void mcq_prefixes_remove(struct mcq_prefixes *prefixes, struct mcq_prefix *prefix)
{
    struct mcq_prefix_child *parent = NULL; /* the node that it hangs from */
    struct mcq_prefix_child *at = &prefixes->root;
    struct mcq_prefix_node *node;
    bool is_any = false;
    size_t parent_from = 0;
    size_t from = 0;

    while (node_of(*at) != NULL && node_of(*at)->depth < prefix->len) {
        parent = at;
        parent_from = from;
        node = node_of(*at);
        is_any = is_any || node->any == prefix;
        from = node->depth;
        at = child_at(node, prefix->octets[from]);
        mcq_assert(at != NULL); /* it is in */
    }
    node = node_of(*at);
    prefixes->count--;
    if (node != NULL) {
        mcq_assert(node->own == prefix);
        is_any = is_any || node->any == prefix;
        node->own = NULL;
        parent = at;
        parent_from = from;
    } else {
        mcq_assert(prefix_of(*at) == prefix);
        if (parent != NULL)
            drop_child(node_of(*parent), at);
        else
            *at = (struct mcq_prefix_child) {0};
    }
    if (parent != NULL) {
        struct mcq_prefix *other = settle(parent, parent_from);

        if (is_any)
            forget(prefixes, prefix, other);
    }
    prefixes_check(prefixes);
}

/* --- order ------------------------------------------------------------------------------------ */

static struct mcq_prefix *first_in(struct mcq_prefix_child child)
{
    const struct mcq_prefix_node *node;

    while ((node = node_of(child)) != NULL) {
        if (node->own != NULL)
            return node->own;
        child = *children_of(node);
    }
    return prefix_of(child);
}

struct mcq_prefix *mcq_prefixes_next(const struct mcq_prefixes *prefixes,
                                     const struct mcq_prefix *prefix)
{
    struct mcq_prefix_child behind = {0}; /* what comes behind all that lies on the way */
    struct mcq_prefix_child child = prefixes->root;
    const struct mcq_prefix_node *node;

    if (prefix == NULL)
        return child.word != 0 ? first_in(child) : NULL;
    while ((node = node_of(child)) != NULL) {
        const struct mcq_prefix_child *at;

        if (node->depth == prefix->len)
            return first_in(*children_of(node));
        at = child_at(node, prefix->octets[node->depth]);
        mcq_assert(at != NULL); /* it is in */
        if (at + 1 < children_of(node) + node->count)
            behind = at[1];
        child = *at;
    }
    return behind.word != 0 ? first_in(behind) : NULL;
}

/* --- matching --------------------------------------------------------------------------------- */

void mcq_prefix_match_init(struct mcq_prefix_match *match, const struct mcq_prefixes *prefixes,
                           struct mcq_bytes topic)
{
    *match = (struct mcq_prefix_match) {.topic = topic, .child = prefixes->root};
}

/* It is the last one, if the topic begins with it. */
static struct mcq_prefix *match_prefix(struct mcq_prefix_match *match)
{
    struct mcq_prefix *prefix = prefix_of(match->child);

    mcq_prefix_match_end(match);
    if (prefix->len == match->from)
        return prefix;
    if (prefix->len > match->topic.len ||
        memcmp(prefix->octets + match->from, match->topic.data + match->from,
               prefix->len - match->from) != 0)
        return NULL;
    return prefix;
}

struct mcq_prefix *mcq_prefix_match_next(struct mcq_prefix_match *match)
{
    while (match->child.word != 0) {
        const struct mcq_prefix_node *node = node_of(match->child);
        const struct mcq_prefix_child *next;

        if (node == NULL)
            return match_prefix(match);
        if (node->depth > match->topic.len ||
            node_shared(node, match->topic, match->from) < node->depth - match->from) {
            mcq_prefix_match_end(match);
            return NULL;
        }
        match->from = node->depth;
        next =
            node->depth < match->topic.len ? child_at(node, match->topic.data[node->depth]) : NULL;
        if (next != NULL)
            match->child = *next;
        else
            mcq_prefix_match_end(match);
        if (node->own != NULL)
            return node->own;
    }
    return NULL;
}
