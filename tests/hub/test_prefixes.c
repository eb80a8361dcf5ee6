#include "hub/prefixes.h"

#include <string.h>

#include "arena/test_support.h"

/* Many strings over few octets, so that prefixes nest; some share more than a node keeps. */
#define UNIVERSE 4000
#define LEN_MAX 40
/* What a prefix takes beside its octets: its own block as the heap rounds it, and of nodes. */
#define PREFIX_BYTES (sizeof(struct mcq_prefix) + 24)
#define NODE_BYTES 80

struct text {
    uint8_t octets[LEN_MAX];
    size_t len;
};

static struct text universe[UNIVERSE];
static struct mcq_prefix *model[UNIVERSE]; /* NULL: not in */
static size_t model_count;
static uint64_t failures = 1; /* of what a removal would allocate, at random */

static struct mcq_bytes text_bytes(const struct text *text)
{
    return mcq_bytes(text->octets, text->len);
}

static struct text random_text(uint64_t *random)
{
    static const uint8_t alphabet[] = {0x00, 'a', 'b', 0xff};
    struct text text = {.len = support_random_below(random, 7)};
    size_t kind = support_random_below(random, 8);
    size_t alike = kind < 2 ? 8 : kind == 2 ? 8 + support_random_below(random, LEN_MAX - 14) : 0;

    text.len += alike;
    for (size_t i = 0; i < text.len; i++)
        text.octets[i] = i < alike   ? 'a'
                         : kind == 3 ? (uint8_t) support_random_below(random, 256)
                                     : alphabet[support_random_below(random, 4)];
    return text;
}

static size_t universe_find(struct mcq_bytes octets, size_t count)
{
    size_t i = 0;

    while (i < count && !mcq_bytes_equal(text_bytes(&universe[i]), octets))
        i++;
    return i;
}

static void make_universe(uint64_t *random)
{
    memset(model, 0, sizeof model);
    model_count = 0;
    for (size_t count = 0; count < UNIVERSE;) {
        struct text text = random_text(random);

        if (universe_find(text_bytes(&text), count) < count)
            text = (struct text) {
                {(uint8_t) (count >> 8), (uint8_t) count, 'u', 'n', 'i', 'q', 'u', 'e'}, 8};
        universe[count++] = text;
    }
}

static bool begins_with(struct mcq_bytes topic, struct mcq_bytes prefix)
{
    return prefix.len <= topic.len && mcq_bytes_equal(mcq_bytes(topic.data, prefix.len), prefix);
}

static void check_order(const struct mcq_prefixes *prefixes)
{
    const struct mcq_prefix *last = NULL;
    const struct mcq_prefix *prefix;
    size_t bytes = 0;
    size_t count = 0;

    for (; (prefix = mcq_prefixes_next(prefixes, last)) != NULL; last = prefix, count++) {
        bytes += prefix->len;
        if (last == NULL)
            continue;
        size_t len = mcq_min_size(last->len, prefix->len);
        int order = memcmp(last->octets, prefix->octets, len);

        assert_true(order < 0 || (order == 0 && last->len < prefix->len));
    }
    assert_int_equal(count, model_count);
    assert_int_equal(prefixes->count, model_count);
    assert_true(mcq_alloc_ledger().bytes <= bytes + count * (PREFIX_BYTES + NODE_BYTES));
}

static void check_match(const struct mcq_prefixes *prefixes, struct mcq_bytes topic)
{
    struct mcq_prefix_match match;
    const struct mcq_prefix *prefix;
    size_t expected = 0;
    size_t found = 0;
    size_t longest = 0;

    for (size_t i = 0; i < UNIVERSE; i++)
        expected += model[i] != NULL && begins_with(topic, text_bytes(&universe[i]));
    mcq_prefix_match_init(&match, prefixes, topic);
    for (; (prefix = mcq_prefix_match_next(&match)) != NULL; found++) {
        assert_true(begins_with(topic, mcq_prefix_bytes(prefix)));
        assert_true(found == 0 || prefix->len > longest);
        longest = prefix->len;
    }
    assert_int_equal(found, expected);
    assert_null(mcq_prefix_match_next(&match));
}

static void toggle(struct mcq_prefixes *prefixes, size_t i)
{
    struct mcq_prefix_place place;
    struct mcq_bytes octets = text_bytes(&universe[i]);

    assert_ptr_equal(mcq_prefixes_find(prefixes, octets, &place), model[i]);
    if (model[i] == NULL) {
        assert_int_equal(mcq_prefixes_insert(prefixes, place, octets, &model[i]), MCQ_OK);
        assert_true(mcq_bytes_equal(mcq_prefix_bytes(model[i]), octets));
        model_count++;
    } else {
        mcq_alloc_fail_at(support_random_below(&failures, 2)); /* a removal needs no memory */
        mcq_prefixes_remove(prefixes, model[i]);
        mcq_alloc_fail_at(0);
        mcq_free(model[i]);
        model[i] = NULL;
        model_count--;
    }
}

static void prefixes__any_calls__as_the_model(void **state)
{
    uint64_t random = support_seed();
    struct mcq_prefixes prefixes;

    (void) state;
    make_universe(&random);
    mcq_prefixes_init(&prefixes);
    check_match(&prefixes, mcq_bytes(NULL, 0));
    for (size_t step = 0; step < 40000; step++) {
        size_t i = support_random_below(&random, UNIVERSE);
        /* Phases that mostly add or mostly remove, down to few. */
        bool wants_in = support_random_below(&random, 10) < (step % 20000 < 10000 ? 9u : 1u);

        if (wants_in != (model[i] != NULL))
            toggle(&prefixes, i);
        if (step % 16 == 0) {
            struct text topic = random_text(&random);

            check_match(&prefixes, text_bytes(&topic));
        }
        if (step % 500 == 0)
            check_order(&prefixes);
    }
    for (size_t i = 0; i < UNIVERSE; i++)
        if (model[i] != NULL)
            toggle(&prefixes, i);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    mcq_prefixes_fini(&prefixes);
}

static void prefix_match__every_prefix_of_a_topic__shortest_first(void **state)
{
    static uint8_t topic[1000];
    struct mcq_prefixes prefixes;
    struct mcq_prefix_match match;
    struct mcq_prefix *prefix;

    (void) state;
    memset(topic, 'x', sizeof topic);
    mcq_prefixes_init(&prefixes);
    for (size_t len = sizeof topic;; len--) {
        struct mcq_prefix_place place;

        assert_null(mcq_prefixes_find(&prefixes, mcq_bytes(topic, len), &place));
        assert_int_equal(mcq_prefixes_insert(&prefixes, place, mcq_bytes(topic, len), &prefix),
                         MCQ_OK);
        if (len == 0)
            break;
    }
    mcq_prefix_match_init(&match, &prefixes, mcq_bytes(topic, 600));
    for (size_t len = 0; len <= 600; len++) {
        prefix = mcq_prefix_match_next(&match);
        assert_non_null(prefix);
        assert_int_equal(prefix->len, len);
    }
    assert_null(mcq_prefix_match_next(&match));
    mcq_prefixes_fini(&prefixes);
}

/* All 256 children of a node, and none again. */
static void prefixes__wide_node__grows_and_shrinks(void **state)
{
    struct mcq_prefix *in[256];
    struct mcq_prefixes prefixes;
    struct mcq_prefix_place place;
    struct mcq_prefix_match match;
    uint8_t octets[] = {'x', 'y', 0};

    (void) state;
    mcq_prefixes_init(&prefixes);
    for (unsigned i = 0; i < 256; i++) {
        octets[2] = (uint8_t) (i * 77);
        assert_null(mcq_prefixes_find(&prefixes, mcq_bytes(octets, 3), &place));
        assert_int_equal(mcq_prefixes_insert(&prefixes, place, mcq_bytes(octets, 3), &in[i]),
                         MCQ_OK);
    }
    for (unsigned i = 0; i < 256; i++) {
        octets[2] = (uint8_t) (i * 77);
        mcq_prefix_match_init(&match, &prefixes, mcq_bytes(octets, 3));
        assert_ptr_equal(mcq_prefix_match_next(&match), in[i]);
        mcq_prefixes_remove(&prefixes, in[i]);
        mcq_free(in[i]);
        assert_null(mcq_prefixes_find(&prefixes, mcq_bytes(octets, 3), &place));
        assert_true(mcq_alloc_ledger().bytes <= (255 - i) * (3 + PREFIX_BYTES + NODE_BYTES));
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    mcq_prefixes_fini(&prefixes);
}

/* Each insert of a random set, with each of its allocations refused before it succeeds. */
static void prefixes_insert__nth_allocation_fails__nothing_changed(void **state)
{
    uint64_t random = support_seed();
    struct mcq_prefixes prefixes;

    (void) state;
    make_universe(&random);
    mcq_prefixes_init(&prefixes);
    for (size_t i = 0; i < 600; i++) {
        struct mcq_bytes octets = text_bytes(&universe[i]);
        enum mcq_err err = MCQ_NOMEM;

        for (uint64_t n = 1; err == MCQ_NOMEM; n++) {
            struct mcq_prefix_place place;
            uint64_t blocks = mcq_alloc_ledger().block_count;

            assert_null(mcq_prefixes_find(&prefixes, octets, &place));
            mcq_alloc_fail_at(n);
            err = mcq_prefixes_insert(&prefixes, place, octets, &model[i]);
            mcq_alloc_fail_at(0);
            if (err == MCQ_OK)
                break;
            model[i] = NULL;
            assert_int_equal(mcq_alloc_ledger().block_count, blocks);
            check_match(&prefixes, octets);
            if (i % 20 == 0)
                check_order(&prefixes);
        }
        assert_int_equal(err, MCQ_OK);
        model_count++;
        check_match(&prefixes, octets);
    }
    check_order(&prefixes);
    mcq_prefixes_fini(&prefixes);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(prefixes__any_calls__as_the_model),
        LEDGER_TEST(prefixes__wide_node__grows_and_shrinks),
        LEDGER_TEST(prefix_match__every_prefix_of_a_topic__shortest_first),
        LEDGER_TEST(prefixes_insert__nth_allocation_fails__nothing_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
