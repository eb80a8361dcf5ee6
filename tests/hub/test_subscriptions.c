#include "hub/subscriptions.h"

#include <stdio.h>
#include <string.h>

#include "arena/test_support.h"

static const uint8_t table_key[MCQ_TABLE_KEY_BYTES] = "a key of 16 oct";

static void start(struct mcq_subscriptions *subs, enum mcq_subscription_counting counting,
                  struct mcq_subscriber *peers, int count)
{
    mcq_subscriptions_init(subs, table_key, counting, 1 << 20);
    for (int i = 0; i < count; i++)
        assert_int_equal(mcq_subscriptions_up(subs, &peers[i], 1), MCQ_OK);
}

static void add(struct mcq_subscriptions *subs, struct mcq_subscriber *peer, const char *prefix,
                enum mcq_subscription_kind expected)
{
    struct mcq_subscription_change change;

    assert_int_equal(mcq_subscriptions_add(subs, peer, mcq_bytes_of(prefix), &change), MCQ_OK);
    assert_int_equal(change.kind, expected);
    assert_true(mcq_bytes_equal(change.prefix, mcq_bytes_of(prefix)));
}

static void removes(struct mcq_subscriptions *subs, struct mcq_subscriber *peer, const char *prefix,
                    enum mcq_subscription_kind expected)
{
    struct mcq_subscription_change change;

    assert_int_equal(mcq_subscriptions_remove(subs, peer, mcq_bytes_of(prefix), &change), MCQ_OK);
    assert_int_equal(change.kind, expected);
    assert_true(mcq_bytes_equal(change.prefix, mcq_bytes_of(prefix)));
}

/* Bit i: peer i of the array is matched; each may come once only. */
static unsigned matches(struct mcq_subscriptions *subs, const struct mcq_subscriber *peers,
                        const char *topic)
{
    struct mcq_subscription_match match;
    struct mcq_subscriber *peer;
    unsigned found = 0;

    mcq_subscription_match_init(&match, subs, mcq_bytes_of(topic));
    while ((peer = mcq_subscription_match_next(&match)) != NULL) {
        assert_int_equal(found >> (peer - peers) & 1, 0);
        found |= 1u << (peer - peers);
    }
    return found;
}

static void audience__same_prefixes_and_no_change__is_the_same(void **state)
{
    static const char *const nested[] = {"", "n", "ne", "nes", "nest"};
    struct mcq_audience first, second;
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 2);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[1], "ab", MCQ_SUBSCRIBED_FIRST);
    mcq_subscriptions_audience(&subs, mcq_bytes_of("ax"), &first);
    assert_int_equal(first.count, 1);
    mcq_subscriptions_audience(&subs, mcq_bytes_of("a"), &second);
    assert_true(mcq_audience_is(&first, &second));
    mcq_subscriptions_audience(&subs, mcq_bytes_of("abc"), &second);
    assert_false(mcq_audience_is(&first, &second));
    add(&subs, &peers[1], "a", MCQ_SUBSCRIBED_NEW);
    mcq_subscriptions_audience(&subs, mcq_bytes_of("ax"), &second);
    assert_false(mcq_audience_is(&first, &second));
    removes(&subs, &peers[1], "a", MCQ_UNSUBSCRIBED_OWN);
    mcq_subscriptions_audience(&subs, mcq_bytes_of("ax"), &first);
    assert_false(mcq_audience_is(&first, &second));
    assert_true(mcq_subscriptions_down(&subs, &peers[1], 1));
    mcq_subscriptions_audience(&subs, mcq_bytes_of("ax"), &second);
    assert_false(mcq_audience_is(&first, &second));
    for (size_t i = 0; i < MCQ_COUNTOF(nested); i++)
        add(&subs, &peers[0], nested[i], MCQ_SUBSCRIBED_FIRST);
    mcq_subscriptions_audience(&subs, mcq_bytes_of("nest"), &first);
    assert_true(first.count > MCQ_AUDIENCE_PREFIXES_MAX);
    assert_false(mcq_audience_is(&first, &first)); /* too many to be named */
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_match__prefixes_of_the_topic__their_peers(void **state)
{
    struct mcq_subscriber peers[3] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 3);
    assert_int_equal(matches(&subs, peers, "any"), 0);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[1], "ab", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[2], "", MCQ_SUBSCRIBED_FIRST);
    assert_int_equal(matches(&subs, peers, ""), 4);
    assert_int_equal(matches(&subs, peers, "a"), 5);
    assert_int_equal(matches(&subs, peers, "abc"), 7);
    assert_int_equal(matches(&subs, peers, "b"), 4);
    assert_true(mcq_subscriptions_want(&subs, mcq_bytes_of("zzz")));
    removes(&subs, &peers[2], "", MCQ_UNSUBSCRIBED_LAST);
    assert_false(mcq_subscriptions_want(&subs, mcq_bytes_of("zzz")));
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_match__many_prefixes_of_one_peer__comes_once(void **state)
{
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 2);
    for (int i = 0; i < 2; i++) {
        add(&subs, &peers[i], "", i == 0 ? MCQ_SUBSCRIBED_FIRST : MCQ_SUBSCRIBED_NEW);
        add(&subs, &peers[i], "topic", i == 0 ? MCQ_SUBSCRIBED_FIRST : MCQ_SUBSCRIBED_NEW);
        add(&subs, &peers[i], "top", i == 0 ? MCQ_SUBSCRIBED_FIRST : MCQ_SUBSCRIBED_NEW);
    }
    assert_int_equal(mcq_subscriptions_count(&subs), 3);
    assert_int_equal(matches(&subs, peers, "topics"), 3);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_exact__no_beginnings_count(void **state)
{
    struct mcq_subscriber peers[3] = {0};
    struct mcq_subscription_match match;
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 3);
    mcq_subscription_exact_init(&match, &subs, mcq_bytes_of("a"));
    assert_null(mcq_subscription_match_next(&match));
    add(&subs, &peers[0], "", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[1], "ab", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[2], "a", MCQ_SUBSCRIBED_NEW);
    mcq_subscription_exact_init(&match, &subs, mcq_bytes_of("a"));
    assert_ptr_equal(mcq_subscription_match_next(&match), &peers[2]);
    assert_ptr_equal(mcq_subscription_match_next(&match), &peers[0]);
    assert_null(mcq_subscription_match_next(&match));
    assert_false(mcq_subscriptions_found(&subs, &peers[1]));
    mcq_subscription_exact_init(&match, &subs, mcq_bytes_of("abc"));
    assert_null(mcq_subscription_match_next(&match));
    assert_true(mcq_subscriptions_down(&subs, &peers[2], peers[2].node.epoch));
    mcq_subscription_exact_init(&match, &subs, mcq_bytes_of("a"));
    assert_ptr_equal(mcq_subscription_match_next(&match), &peers[0]);
    assert_null(mcq_subscription_match_next(&match));
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_add__set__second_one_adds_nothing(void **state)
{
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 2);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_AGAIN);
    add(&subs, &peers[1], "a", MCQ_SUBSCRIBED_NEW);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_OWN);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_NEVER);
    removes(&subs, &peers[1], "b", MCQ_UNSUBSCRIBED_NEVER);
    removes(&subs, &peers[1], "a", MCQ_UNSUBSCRIBED_LAST);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_add__counted__ends_with_the_last(void **state)
{
    struct mcq_subscriber peers[1] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_COUNTED, peers, 1);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_AGAIN);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_ONE);
    assert_int_equal(matches(&subs, peers, "a"), 1);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_LAST);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_NEVER);
    mcq_subscriptions_fini(&subs);
}

static void fault_c6__counter_of_a_subscription_at_its_end__is_refused(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[1] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_COUNTED, peers, 1);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    peers[0].links->refs = UINT64_MAX;
    assert_int_equal(mcq_subscriptions_add(&subs, &peers[0], mcq_bytes_of("a"), &change),
                     MCQ_LIMIT);
    removes(&subs, &peers[0], "a", MCQ_UNSUBSCRIBED_ONE);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_add__more_octets_than_allowed__exactly_refused(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    mcq_subscriptions_init(&subs, table_key, MCQ_SUBSCRIPTION_SET, 2 * MCQ_SUBSCRIPTION_BYTES + 8);
    for (int i = 0; i < 2; i++)
        assert_int_equal(mcq_subscriptions_up(&subs, &peers[i], 1), MCQ_OK);
    add(&subs, &peers[0], "four", MCQ_SUBSCRIBED_FIRST);
    assert_int_equal(mcq_subscriptions_add(&subs, &peers[0], mcq_bytes_of("fives"), &change),
                     MCQ_LIMIT);
    add(&subs, &peers[0], "4444", MCQ_SUBSCRIBED_FIRST);
    assert_int_equal(mcq_subscriptions_add(&subs, &peers[0], mcq_bytes_of(""), &change), MCQ_LIMIT);
    add(&subs, &peers[0], "4444", MCQ_SUBSCRIBED_AGAIN);
    add(&subs, &peers[1], "four", MCQ_SUBSCRIBED_NEW); /* others are not concerned */
    assert_int_equal(mcq_subscriptions_count(&subs), 2);
    removes(&subs, &peers[0], "four", MCQ_UNSUBSCRIBED_OWN);
    add(&subs, &peers[0], "more", MCQ_SUBSCRIBED_FIRST);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_add__a_flood__costs_what_it_is_charged(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[1] = {0};
    struct mcq_subscriptions subs;
    enum mcq_err err = MCQ_OK;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 1);
    for (uint32_t i = 0; err == MCQ_OK; i++) {
        uint32_t name = i * UINT32_C(2654435761);

        err = mcq_subscriptions_add(&subs, &peers[0], mcq_bytes(&name, sizeof name), &change);
        assert_true(mcq_alloc_ledger().bytes <= peers[0].charged_bytes + 4096);
    }
    assert_int_equal(err, MCQ_LIMIT);
    assert_true(peers[0].charged_bytes <= 1 << 20);
    assert_true(peers[0].link_count > 4000);
    mcq_subscriptions_fini(&subs);
    assert_null(peers[0].links);
}

static void subscriptions_drain__says_each_prefix__then_node_is_free(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;
    unsigned last = 0;
    unsigned own = 0;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_COUNTED, peers, 2);
    add(&subs, &peers[0], "mine", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[0], "mine", MCQ_SUBSCRIBED_AGAIN);
    add(&subs, &peers[0], "ours", MCQ_SUBSCRIBED_FIRST);
    add(&subs, &peers[1], "ours", MCQ_SUBSCRIBED_NEW);
    assert_true(mcq_subscriptions_down(&subs, &peers[0], 1));
    assert_int_equal(matches(&subs, peers, "mine"), 0); /* at once, before it is drained */
    assert_int_equal(matches(&subs, peers, "ours"), 2);
    assert_int_equal(mcq_subscriptions_up(&subs, &peers[0], 2), MCQ_BUSY);
    assert_int_equal(mcq_subscriptions_add(&subs, &peers[0], mcq_bytes_of("x"), &change),
                     MCQ_STATE);
    assert_int_equal(mcq_subscriptions_remove(&subs, &peers[0], mcq_bytes_of("mine"), &change),
                     MCQ_STATE);
    while (mcq_subscriptions_drain(&subs, &peers[0], &change)) {
        bool is_mine = mcq_bytes_equal(change.prefix, mcq_bytes_of("mine"));

        assert_int_equal(change.kind, is_mine ? MCQ_UNSUBSCRIBED_LAST : MCQ_UNSUBSCRIBED_OWN);
        last += is_mine;
        own += !is_mine;
    }
    assert_int_equal(last, 1);
    assert_int_equal(own, 1);
    assert_int_equal(mcq_subscriptions_up(&subs, &peers[0], 2), MCQ_OK);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_down__older_epoch__ignored(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[1] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 1);
    assert_int_equal(mcq_subscriptions_up(&subs, &peers[0], 2), MCQ_STATE); /* still in */
    assert_true(mcq_subscriptions_down(&subs, &peers[0], 1));
    assert_false(mcq_subscriptions_drain(&subs, &peers[0], &change));
    assert_int_equal(mcq_subscriptions_up(&subs, &peers[0], 1), MCQ_STATE); /* not newer */
    assert_int_equal(mcq_subscriptions_up(&subs, &peers[0], 2), MCQ_OK);
    add(&subs, &peers[0], "a", MCQ_SUBSCRIBED_FIRST);
    assert_false(mcq_subscriptions_down(&subs, &peers[0], 1));
    assert_int_equal(matches(&subs, peers, "a"), 1);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_remove__own_last_change__octets_are_still_there(void **state)
{
    struct mcq_subscription_change change;
    struct mcq_subscriber peers[2] = {0};
    struct mcq_subscriptions subs;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 2);
    add(&subs, &peers[0], "a prefix", MCQ_SUBSCRIBED_FIRST);
    assert_int_equal(mcq_subscriptions_remove(&subs, &peers[0], mcq_bytes_of("a prefix"), &change),
                     MCQ_OK);
    assert_int_equal(mcq_subscriptions_remove(&subs, &peers[1], change.prefix, &change), MCQ_OK);
    assert_int_equal(change.kind, MCQ_UNSUBSCRIBED_NEVER);
    assert_int_equal(mcq_subscriptions_add(&subs, &peers[1], change.prefix, &change), MCQ_OK);
    assert_true(mcq_bytes_equal(change.prefix, mcq_bytes_of("a prefix")));
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_found__after_a_search__tells_who_was_not(void **state)
{
    struct mcq_subscriber peers[3] = {0};
    struct mcq_subscriptions subs;
    unsigned others = 0;

    (void) state;
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 3);
    add(&subs, &peers[1], "a", MCQ_SUBSCRIBED_FIRST);
    assert_int_equal(matches(&subs, peers, "abc"), 2);
    for (struct mcq_subscriber *peer = mcq_subscriptions_first(&subs); peer != NULL;
         peer = mcq_subscriptions_next(&subs, peer))
        others += mcq_subscriptions_found(&subs, peer) ? 0 : 1u << (peer - peers);
    assert_int_equal(others, 5);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions_add__nth_allocation_fails__nothing_changed(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct mcq_subscription_change change;
        struct mcq_subscriber peers[2] = {0};
        struct mcq_subscriptions subs;
        bool failed = false;

        start(&subs, MCQ_SUBSCRIPTION_SET, peers, 2);
        mcq_alloc_fail_at(n);
        for (uint32_t i = 0; i < 200 && !failed; i++) {
            uint32_t name = i / 2 * 7919;
            size_t count = mcq_subscriptions_count(&subs);
            size_t charged = peers[i % 2].charged_bytes;
            struct mcq_bytes prefix = mcq_bytes(&name, sizeof name);
            enum mcq_err err = mcq_subscriptions_add(&subs, &peers[i % 2], prefix, &change);

            if (err == MCQ_OK)
                continue;
            assert_int_equal(err, MCQ_NOMEM);
            failed = true;
            assert_int_equal(mcq_subscriptions_count(&subs), count);
            assert_int_equal(peers[i % 2].charged_bytes, charged);
            assert_int_equal(peers[i % 2].link_count, i / 2);
            assert_int_equal(mcq_subscriptions_add(&subs, &peers[i % 2], prefix, &change), MCQ_OK);
        }
        bool is_over = mcq_alloc_fail_left() > 0;

        mcq_alloc_fail_at(0);
        mcq_subscriptions_fini(&subs);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
        if (is_over)
            break;
    }
}

/* A crowd of subscribers comes and goes; the memory goes with it. */
static void fault_c18__crowd_of_subscribers_comes_and_goes__shrinks_back(void **state)
{
    enum { PEERS = 200, EACH = 500 };
    static struct mcq_subscriber peers[PEERS];
    struct mcq_subscription_change change;
    struct mcq_subscriptions subs;
    char text[32];

    (void) state;
    memset(peers, 0, sizeof peers);
    start(&subs, MCQ_SUBSCRIPTION_SET, peers, 0);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        for (unsigned p = 0; p < PEERS; p++) {
            assert_int_equal(mcq_subscriptions_up(&subs, &peers[p], epoch), MCQ_OK);
            for (unsigned i = 0; i < EACH; i++) {
                int len = snprintf(text, sizeof text, "%u.%u", i % 2 ? p : 0, i);

                assert_int_equal(
                    mcq_subscriptions_add(&subs, &peers[p], mcq_bytes(text, (size_t) len), &change),
                    MCQ_OK);
            }
        }
        for (unsigned p = 0; p < PEERS; p++) {
            assert_true(mcq_subscriptions_down(&subs, &peers[p], epoch));
            while (mcq_subscriptions_drain(&subs, &peers[p], &change))
                ;
        }
        assert_int_equal(mcq_subscriptions_count(&subs), 0);
        assert_int_equal(mcq_alloc_ledger().block_count, 1); /* the table's smallest size */
    }
    mcq_subscriptions_fini(&subs);
}

/* The reference: how often each peer has each of some prefixes, and nothing else. */
enum { PEERS = 12, PREFIXES = 300 };

struct model {
    uint64_t refs[PEERS][PREFIXES];
    bool is_in[PEERS];
    char texts[PREFIXES][8];
};

static uint64_t model_others(const struct model *model, int peer, size_t prefix)
{
    uint64_t refs = 0;

    for (int p = 0; p < PEERS; p++)
        refs += p == peer ? 0 : model->refs[p][prefix];
    return refs;
}

static size_t model_prefixes(struct model *model, uint64_t *random)
{
    size_t count = 0;

    for (int tries = 0; count < PREFIXES && tries < 10000; tries++) {
        char *text = model->texts[count];
        size_t i = 0;

        for (size_t len = support_random_below(random, 7), k = 0; k < len; k++)
            text[k] = "abc"[support_random_below(random, 3)];
        while (strcmp(model->texts[i], text) != 0)
            i++;
        if (i == count)
            count++;
        else
            memset(text, 0, sizeof model->texts[0]);
    }
    return count;
}

static void model_leave(struct model *model, struct mcq_subscriptions *subs,
                        struct mcq_subscriber *peers, int p)
{
    struct mcq_subscription_change change;

    assert_true(mcq_subscriptions_down(subs, &peers[p], peers[p].node.epoch));
    while (mcq_subscriptions_drain(subs, &peers[p], &change)) {
        size_t i = 0;

        while (!mcq_bytes_equal(mcq_bytes_of(model->texts[i]), change.prefix))
            i++;
        assert_true(model->refs[p][i] > 0);
        assert_int_equal(change.kind, model_others(model, p, i) > 0 ? MCQ_UNSUBSCRIBED_OWN
                                                                    : MCQ_UNSUBSCRIBED_LAST);
        model->refs[p][i] = 0;
    }
    for (size_t i = 0; i < PREFIXES; i++)
        assert_int_equal(model->refs[p][i], 0);
    model->is_in[p] = false;
}

static unsigned model_matches(const struct model *model, const char *topic, size_t count)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        if (strncmp(topic, model->texts[i], strlen(model->texts[i])) == 0)
            for (int p = 0; p < PEERS; p++)
                found |= model->refs[p][i] > 0 ? 1u << p : 0;
    return found;
}

static void any_calls(enum mcq_subscription_counting counting)
{
    uint64_t random = support_seed();
    struct mcq_subscriber peers[PEERS] = {0};
    static struct model model;
    struct mcq_subscriptions subs;
    uint64_t epoch = 0;

    memset(&model, 0, sizeof model);
    start(&subs, counting, peers, 0);
    size_t count = model_prefixes(&model, &random);

    for (int step = 0; step < 60000; step++) {
        int p = (int) support_random_below(&random, PEERS);
        size_t i = support_random_below(&random, count);
        uint64_t *refs = &model.refs[p][i];
        bool others = model_others(&model, p, i) > 0;
        char topic[12] = {0};

        if (!model.is_in[p]) {
            assert_int_equal(mcq_subscriptions_up(&subs, &peers[p], ++epoch), MCQ_OK);
            model.is_in[p] = true;
        }
        switch (support_random_below(&random, 200) == 0 ? 9 : support_random_below(&random, 3)) {
        case 0:
            add(&subs, &peers[p], model.texts[i],
                *refs > 0 ? MCQ_SUBSCRIBED_AGAIN
                : others  ? MCQ_SUBSCRIBED_NEW
                          : MCQ_SUBSCRIBED_FIRST);
            *refs = counting == MCQ_SUBSCRIPTION_COUNTED ? *refs + 1 : 1;
            break;
        case 1:
            removes(&subs, &peers[p], model.texts[i],
                    *refs == 0  ? MCQ_UNSUBSCRIBED_NEVER
                    : *refs > 1 ? MCQ_UNSUBSCRIBED_ONE
                    : others    ? MCQ_UNSUBSCRIBED_OWN
                                : MCQ_UNSUBSCRIBED_LAST);
            *refs -= *refs > 0;
            break;
        case 9: model_leave(&model, &subs, peers, p); break;
        default:
            for (size_t len = support_random_below(&random, 9), k = 0; k < len; k++)
                topic[k] = "abcd"[support_random_below(&random, 4)];
            assert_int_equal(matches(&subs, peers, topic), model_matches(&model, topic, count));
        }
    }
    for (int p = 0; p < PEERS; p++)
        if (model.is_in[p])
            model_leave(&model, &subs, peers, p);
    assert_int_equal(mcq_subscriptions_count(&subs), 0);
    mcq_subscriptions_fini(&subs);
}

static void subscriptions__any_calls_of_a_set__as_the_model(void **state)
{
    (void) state;
    any_calls(MCQ_SUBSCRIPTION_SET);
}

static void subscriptions__any_calls_counted__as_the_model(void **state)
{
    (void) state;
    any_calls(MCQ_SUBSCRIPTION_COUNTED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(audience__same_prefixes_and_no_change__is_the_same),
        LEDGER_TEST(subscriptions_match__prefixes_of_the_topic__their_peers),
        LEDGER_TEST(subscriptions_match__many_prefixes_of_one_peer__comes_once),
        LEDGER_TEST(subscriptions_exact__no_beginnings_count),
        LEDGER_TEST(subscriptions_add__set__second_one_adds_nothing),
        LEDGER_TEST(subscriptions_add__counted__ends_with_the_last),
        LEDGER_TEST(fault_c6__counter_of_a_subscription_at_its_end__is_refused),
        LEDGER_TEST(subscriptions_add__more_octets_than_allowed__exactly_refused),
        LEDGER_TEST(subscriptions_add__a_flood__costs_what_it_is_charged),
        LEDGER_TEST(subscriptions_drain__says_each_prefix__then_node_is_free),
        LEDGER_TEST(subscriptions_down__older_epoch__ignored),
        LEDGER_TEST(subscriptions_remove__own_last_change__octets_are_still_there),
        LEDGER_TEST(subscriptions_found__after_a_search__tells_who_was_not),
        LEDGER_TEST(subscriptions_add__nth_allocation_fails__nothing_changed),
        LEDGER_TEST(fault_c18__crowd_of_subscribers_comes_and_goes__shrinks_back),
        LEDGER_TEST(subscriptions__any_calls_of_a_set__as_the_model),
        LEDGER_TEST(subscriptions__any_calls_counted__as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
