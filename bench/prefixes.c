/*
 * prefixes: the index of subscriptions against a plain radix tree.
 *
 * Question: what do adding, matching and removing cost with 10 to 1,000,000 different prefixes in
 *           hub/prefixes.h, and in a plain radix tree: each node has a copy of its octets, sorted
 *           children, and an allocation for each part? And how many octets does each take?
 * Method:   both hold the same prefixes, in random order: "words" are topics of four levels with
 *           shared beginnings, "octets" are 12 random ones. Topics to be matched are prefixes with
 *           four octets more (hits) or the same with an octet in the middle changed (misses).
 *           Processor time of the thread, medians of ROUNDS; octets are those asked of malloc.
 *
 *     prefixes [ROUNDS]
 */
#include "hub/prefixes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena/alloc.h"

#define TEXT_MAX 48
#define MATCHES 200000
#define ROUNDS_MAX 99

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* --- the radix tree --------------------------------------------------------------------------- */

/* The octets on the way to it, then its children by their first octets. One allocation each. */
struct node {
    uint32_t len;
    uint16_t child_count;
    bool is_prefix;
    uint8_t *octets;
    uint8_t *firsts;
    struct node **children;
};

static size_t radix_bytes;

static void *take(size_t bytes)
{
    void *room = malloc(bytes);

    if (room == NULL)
        abort();
    radix_bytes += bytes;
    return room;
}

static void put(void *room, size_t bytes)
{
    free(room);
    radix_bytes -= bytes;
}

static struct node *node_new(struct mcq_bytes octets)
{
    struct node *node = take(sizeof *node);

    *node = (struct node) {.len = (uint32_t) octets.len, .octets = take(octets.len + 1)};
    memcpy(node->octets, octets.data, octets.len);
    return node;
}

static void node_free(struct node *node)
{
    put(node->octets, node->len + 1);
    if (node->child_count > 0) {
        put(node->firsts, node->child_count);
        put(node->children, node->child_count * sizeof *node->children);
    }
    put(node, sizeof *node);
}

/* Where a child that begins with this octet is, or belongs. */
static uint32_t child_at(const struct node *node, uint8_t first)
{
    uint32_t low = 0;
    uint32_t high = node->child_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (node->firsts[middle] < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void resize(struct node *node, uint16_t count)
{
    size_t kept = count < node->child_count ? count : node->child_count;
    uint8_t *firsts = count > 0 ? take(count) : NULL;
    struct node **children = count > 0 ? take(count * sizeof *children) : NULL;

    if (kept > 0) {
        memcpy(firsts, node->firsts, kept);
        memcpy(children, node->children, kept * sizeof *children);
    }
    if (node->child_count > 0) {
        put(node->firsts, node->child_count);
        put(node->children, node->child_count * sizeof *node->children);
    }
    node->firsts = firsts;
    node->children = children;
    node->child_count = count;
}

static void child_add(struct node *node, struct node *child)
{
    uint32_t at = child_at(node, child->octets[0]);
    uint32_t behind = node->child_count - at;

    resize(node, (uint16_t) (node->child_count + 1));
    memmove(node->firsts + at + 1, node->firsts + at, behind);
    memmove(node->children + at + 1, node->children + at, behind * sizeof *node->children);
    node->firsts[at] = child->octets[0];
    node->children[at] = child;
}

static void child_remove(struct node *node, uint32_t at)
{
    uint32_t behind = node->child_count - at - 1u;

    memmove(node->firsts + at, node->firsts + at + 1, behind);
    memmove(node->children + at, node->children + at + 1, behind * sizeof *node->children);
    resize(node, (uint16_t) (node->child_count - 1));
}

static uint32_t shared(const struct node *node, struct mcq_bytes octets)
{
    uint32_t len = 0;

    while (len < node->len && len < octets.len && node->octets[len] == octets.data[len])
        len++;
    return len;
}

/* The first `len` octets become a node of their own in its place. */
static struct node *split(struct node *node, uint32_t len)
{
    struct node *upper = node_new(mcq_bytes(node->octets, len));
    struct node *lower = node_new(mcq_bytes(node->octets + len, node->len - len));

    lower->is_prefix = node->is_prefix;
    lower->firsts = node->firsts;
    lower->children = node->children;
    lower->child_count = node->child_count;
    node->child_count = 0;
    node_free(node);
    child_add(upper, lower);
    return upper;
}

static void radix_add(struct node *root, struct mcq_bytes octets)
{
    struct node *node = root;

    for (;;) {
        if (octets.len == 0) {
            node->is_prefix = true;
            return;
        }
        uint32_t at = child_at(node, octets.data[0]);

        if (at == node->child_count || node->firsts[at] != octets.data[0]) {
            child_add(node, node_new(octets));
            node = node->children[at];
            node->is_prefix = true;
            return;
        }
        uint32_t len = shared(node->children[at], octets);

        if (len < node->children[at]->len)
            node->children[at] = split(node->children[at], len);
        node = node->children[at];
        mcq_bytes_skip(&octets, len);
    }
}

static uint32_t radix_match(const struct node *node, struct mcq_bytes topic)
{
    uint32_t found = node->is_prefix;

    while (topic.len > 0) {
        uint32_t at = child_at(node, topic.data[0]);

        if (at == node->child_count || node->firsts[at] != topic.data[0])
            break;
        node = node->children[at];
        if (topic.len < node->len || memcmp(topic.data, node->octets, node->len) != 0)
            break;
        mcq_bytes_skip(&topic, node->len);
        found += node->is_prefix;
    }
    return found;
}

/* A node with one child and no prefix of its own becomes one with it. */
static struct node *join(struct node *node)
{
    struct node *child = node->children[0];
    uint8_t *octets = take(node->len + child->len + 1u);

    memcpy(octets, node->octets, node->len);
    memcpy(octets + node->len, child->octets, child->len);
    put(child->octets, child->len + 1);
    child->octets = octets;
    child->len += node->len;
    node_free(node);
    return child;
}

static void radix_remove(struct node *node, struct mcq_bytes octets)
{
    uint32_t at = child_at(node, octets.data[0]);
    struct node *child = node->children[at];

    mcq_bytes_skip(&octets, child->len);
    if (octets.len > 0)
        radix_remove(child, octets);
    else
        child->is_prefix = false;
    if (!child->is_prefix && child->child_count == 0) {
        node_free(child);
        child_remove(node, at);
    } else if (!child->is_prefix && child->child_count == 1) {
        node->children[at] = join(child);
    }
}

/* --- what is measured ------------------------------------------------------------------------- */

struct text {
    uint8_t len;
    uint8_t octets[TEXT_MAX - 1];
};

struct result {
    double add_ns;
    double hit_ns;
    double miss_ns;
    double remove_ns;
    double bytes;
};

static struct mcq_bytes bytes_of(const struct text *text)
{
    return mcq_bytes(text->octets, text->len);
}

static void make_word(struct text *text, uint32_t i)
{
    text->len =
        (uint8_t) snprintf((char *) text->octets, sizeof text->octets,
                           "market.%02u.instrument.%05u.q%u", i % 37, i / 37 / 4, i / 37 % 4);
}

static void make_octets(struct text *text)
{
    text->len = 12;
    for (int i = 0; i < text->len; i++)
        text->octets[i] = (uint8_t) next_random();
}

static struct text *make_texts(uint32_t count, bool are_words)
{
    struct text *texts = calloc(count, sizeof *texts);

    if (texts == NULL)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        if (are_words)
            make_word(&texts[i], i);
        else
            make_octets(&texts[i]);
    }
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t) (next_random() % i);
        struct text held = texts[i - 1];

        texts[i - 1] = texts[other];
        texts[other] = held;
    }
    return texts;
}

static struct text *make_topics(const struct text *texts, uint32_t count, bool hits)
{
    struct text *topics = calloc(MATCHES, sizeof *topics);

    if (topics == NULL)
        abort();
    for (uint32_t i = 0; i < MATCHES; i++) {
        topics[i] = texts[next_random() % count];
        memcpy(topics[i].octets + topics[i].len, " 42!", 4);
        topics[i].len += 4;
        if (!hits)
            topics[i].octets[topics[i].len / 2] ^= 0x80;
    }
    return topics;
}

static uint32_t index_match(const struct mcq_prefixes *prefixes, struct mcq_bytes topic)
{
    struct mcq_prefix_match match;
    uint32_t found = 0;

    mcq_prefix_match_init(&match, prefixes, topic);
    while (mcq_prefix_match_next(&match) != NULL)
        found++;
    return found;
}

static volatile uint32_t sink;

static struct result measure_index(const struct text *texts, uint32_t count,
                                   const struct text *hits, const struct text *misses)
{
    struct mcq_prefixes prefixes;
    struct mcq_prefix_place place;
    struct mcq_prefix *prefix;
    uint64_t before = mcq_alloc_ledger().bytes;
    struct result result;
    uint32_t found = 0;
    double start = now_ns();

    mcq_prefixes_init(&prefixes);
    for (uint32_t i = 0; i < count; i++)
        if (mcq_prefixes_find(&prefixes, bytes_of(&texts[i]), &place) == NULL &&
            mcq_prefixes_insert(&prefixes, place, bytes_of(&texts[i]), &prefix) != MCQ_OK)
            abort();
    result.add_ns = (now_ns() - start) / count;
    result.bytes = (double) (mcq_alloc_ledger().bytes - before) / count;
    start = now_ns();
    for (uint32_t i = 0; i < MATCHES; i++)
        found += index_match(&prefixes, bytes_of(&hits[i]));
    result.hit_ns = (now_ns() - start) / MATCHES;
    start = now_ns();
    for (uint32_t i = 0; i < MATCHES; i++)
        found += index_match(&prefixes, bytes_of(&misses[i]));
    result.miss_ns = (now_ns() - start) / MATCHES;
    sink = found;
    start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        prefix = mcq_prefixes_find(&prefixes, bytes_of(&texts[i]), &place);
        if (prefix == NULL)
            continue;
        mcq_prefixes_remove(&prefixes, prefix);
        mcq_free(prefix);
    }
    result.remove_ns = (now_ns() - start) / count;
    mcq_prefixes_fini(&prefixes);
    return result;
}

static struct result measure_radix(const struct text *texts, uint32_t count,
                                   const struct text *hits, const struct text *misses)
{
    struct node *root = node_new(mcq_bytes(NULL, 0));
    struct result result;
    uint32_t found = 0;
    double start = now_ns();

    for (uint32_t i = 0; i < count; i++)
        radix_add(root, bytes_of(&texts[i]));
    result.add_ns = (now_ns() - start) / count;
    result.bytes = (double) radix_bytes / count;
    start = now_ns();
    for (uint32_t i = 0; i < MATCHES; i++)
        found += radix_match(root, bytes_of(&hits[i]));
    result.hit_ns = (now_ns() - start) / MATCHES;
    if (found < MATCHES)
        abort(); /* each topic begins with a prefix that is there */
    start = now_ns();
    for (uint32_t i = 0; i < MATCHES; i++)
        found += radix_match(root, bytes_of(&misses[i]));
    result.miss_ns = (now_ns() - start) / MATCHES;
    if (found != sink)
        abort(); /* both say the same */
    start = now_ns();
    for (uint32_t i = 0; i < count; i++)
        radix_remove(root, bytes_of(&texts[i]));
    result.remove_ns = (now_ns() - start) / count;
    node_free(root);
    return result;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;

    return left < right ? -1 : left > right;
}

static double median(const struct result *results, int rounds, size_t at)
{
    double values[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++)
        memcpy(&values[i], (const char *) &results[i] + at, sizeof values[i]);
    qsort(values, (size_t) rounds, sizeof *values, by_size);
    return values[rounds / 2];
}

static void show(const char *name, const struct result *results, int rounds)
{
    printf("  %-6s add %7.0f  hit %7.0f  miss %7.0f  remove %7.0f ns   %6.0f octets each\n", name,
           median(results, rounds, offsetof(struct result, add_ns)),
           median(results, rounds, offsetof(struct result, hit_ns)),
           median(results, rounds, offsetof(struct result, miss_ns)),
           median(results, rounds, offsetof(struct result, remove_ns)),
           median(results, rounds, offsetof(struct result, bytes)));
}

static void compare(uint32_t count, bool are_words, int rounds)
{
    struct text *texts = make_texts(count, are_words);
    struct text *hits = make_topics(texts, count, true);
    struct text *misses = make_topics(texts, count, false);
    struct result index[ROUNDS_MAX];
    struct result radix[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        index[i] = measure_index(texts, count, hits, misses);
        radix[i] = measure_radix(texts, count, hits, misses);
    }
    printf("%u %s\n", count, are_words ? "words" : "octets");
    show("index", index, rounds);
    show("plain", radix, rounds);
    (void) fflush(stdout);
    free(texts);
    free(hits);
    free(misses);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int) strtol(argv[1], NULL, 10) : 5;

    if (rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    for (int are_words = 1; are_words >= 0; are_words--)
        for (uint32_t count = 10; count <= 1000000; count *= 10)
            compare(count, are_words != 0, rounds);
    return 0;
}
