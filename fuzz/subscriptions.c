/*
 * Calls of the subscription index against a list of names and who wants them.
 *
 * Oracle: every result, every change's kind and octets, and whom a topic finds are the list's; what
 * fails for want of memory changes nothing; in the end the index walks as the list does, and all
 * memory is back. The first choice is the counting, the second what a peer may be charged.
 */

#include "calls.h"

#include "hub/subscriptions.h"

#define PEERS 6
#define NAMES_MAX 128
#define TOPIC_MAX 40
#define LOTS 4 /* of names of two octets, the first of which is the lot's number: a model of */
#define LOT_NAMES 256  /* them is a look-up, so that nodes can be filled without slowing all down */
#define MANY 160       /* children of a node that grows and shrinks */
#define MANY_COSTS 100 /* as many other calls */

/* A name, and how often each peer has subscribed it; of peers that are leaving, too. */
struct name {
    uint32_t refs[PEERS];
    size_t len;
    uint8_t octets[TOPIC_MAX];
};

struct run {
    struct calls calls;
    struct mcq_subscriptions index;
    enum mcq_subscription_counting counting;
    size_t bytes_max;
    struct mcq_subscriber peers[PEERS];
    uint64_t epochs[PEERS];
    bool is_in[PEERS];
    size_t link_counts[PEERS];
    size_t charges[PEERS];
    struct name names[NAMES_MAX]; /* once there, they stay; most are in use */
    size_t name_count;
    uint32_t lots[LOTS * LOT_NAMES][PEERS];
    struct mcq_bytes last; /* the last change's octets, as long as they are there */
};

/* --- the model -------------------------------------------------------------------------------- */

/* How often each peer has it. NULL: there is no room for another name. */
static uint32_t *model_refs(struct run *run, struct mcq_bytes octets)
{
    if (octets.len == 2 && octets.data[0] < LOTS)
        return run->lots[octets.data[0] * LOT_NAMES + octets.data[1]];
    for (size_t i = 0; i < run->name_count; i++)
        if (mcq_bytes_equal(mcq_bytes(run->names[i].octets, run->names[i].len), octets))
            return run->names[i].refs;
    if (run->name_count == NAMES_MAX)
        return NULL;

    struct name *name = &run->names[run->name_count++];

    *name = (struct name) {.len = octets.len};
    if (octets.len > 0)
        memcpy(name->octets, octets.data, octets.len);
    return name->refs;
}

static bool is_anyones(const uint32_t refs[PEERS])
{
    bool is_one = false;

    for (unsigned who = 0; who < PEERS; who++)
        is_one = is_one || refs[who] > 0;
    return is_one;
}

/* Takes a peer's subscription out, all its counts, and says what that is. */
static enum mcq_subscription_kind model_end(struct run *run, unsigned who, uint32_t *refs,
                                            size_t len)
{
    refs[who] = 0;
    run->link_counts[who]--;
    run->charges[who] -= len + MCQ_SUBSCRIPTION_BYTES;
    return is_anyones(refs) ? MCQ_UNSUBSCRIBED_OWN : MCQ_UNSUBSCRIBED_LAST;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void check_change(const struct mcq_subscription_change *change,
                         enum mcq_subscription_kind kind, struct mcq_bytes prefix)
{
    calls_same(change->kind, kind, "the change's kind");
    calls_same_bytes(change->prefix, prefix, "the change's prefix");
}

static void check_peer(const struct run *run, unsigned who)
{
    calls_same(run->peers[who].link_count, run->link_counts[who], "a peer's subscriptions");
    calls_same(run->peers[who].charged_bytes, run->charges[who], "a peer's charge");
}

/* fail_at: which allocation of the call fails; 0: none. */
static void add(struct run *run, unsigned who, struct mcq_bytes prefix, uint64_t fail_at)
{
    uint32_t *refs = model_refs(run, prefix);
    size_t charge = prefix.len + MCQ_SUBSCRIPTION_BYTES;
    size_t distinct = mcq_subscriptions_count(&run->index);
    struct mcq_subscription_change change = {0};
    enum mcq_err expected = MCQ_OK;

    if (refs == NULL)
        return;
    if (!run->is_in[who])
        expected = MCQ_STATE;
    else if (refs[who] == 0 && charge > run->bytes_max - run->charges[who])
        expected = MCQ_LIMIT;

    mcq_alloc_fail_at(fail_at);
    enum mcq_err err = mcq_subscriptions_add(&run->index, &run->peers[who], prefix, &change);
    bool is_refused = fail_at > 0 && mcq_alloc_fail_left() == 0;

    mcq_alloc_fail_at(0);
    if (is_refused && err == MCQ_NOMEM && expected == MCQ_OK && refs[who] == 0) {
        calls_same(mcq_subscriptions_count(&run->index), distinct, "prefixes after no memory");
        check_peer(run, who);
        return;
    }
    calls_same(err, expected, "add");
    if (err != MCQ_OK)
        return;
    check_change(&change,
                 refs[who] > 0      ? MCQ_SUBSCRIBED_AGAIN
                 : is_anyones(refs) ? MCQ_SUBSCRIBED_NEW
                                    : MCQ_SUBSCRIBED_FIRST,
                 prefix);
    if (refs[who] == 0) {
        run->link_counts[who]++;
        run->charges[who] += charge;
    }
    refs[who] = run->counting == MCQ_SUBSCRIPTION_COUNTED ? refs[who] + 1 : 1;
    run->last = change.prefix;
}

/* The prefix may be the last change's own, and go with the call. */
static void remove_one(struct run *run, unsigned who, struct mcq_bytes prefix)
{
    uint32_t *refs = model_refs(run, prefix);
    enum mcq_subscription_kind kind = MCQ_UNSUBSCRIBED_NEVER;
    struct mcq_subscription_change change = {0};
    uint8_t copy[TOPIC_MAX] = {0};

    if (refs == NULL)
        return;
    if (prefix.len > 0)
        memcpy(copy, prefix.data, prefix.len);
    enum mcq_err err = mcq_subscriptions_remove(&run->index, &run->peers[who], prefix, &change);

    calls_same(err, run->is_in[who] ? MCQ_OK : MCQ_STATE, "remove");
    if (err != MCQ_OK)
        return;
    if (refs[who] > 1)
        kind = MCQ_UNSUBSCRIBED_ONE;
    else if (refs[who] == 1)
        kind = model_end(run, who, refs, prefix.len);
    if (kind == MCQ_UNSUBSCRIBED_ONE)
        refs[who]--;
    check_change(&change, kind, mcq_bytes(copy, prefix.len));
    if (kind != MCQ_UNSUBSCRIBED_NEVER) /* whose prefix is the caller's own */
        run->last = change.prefix;
}

static void up(struct run *run, unsigned who, uint64_t epoch)
{
    struct mcq_subscriber *peer = &run->peers[who];
    enum mcq_err expected = run->is_in[who] || epoch <= run->epochs[who] ? MCQ_STATE
                            : run->link_counts[who] > 0                  ? MCQ_BUSY
                                                                         : MCQ_OK;

    calls_same(mcq_subscriptions_up(&run->index, peer, epoch), expected, "up");
    if (expected == MCQ_OK) {
        run->is_in[who] = true;
        run->epochs[who] = epoch;
    }
}

static void down(struct run *run, unsigned who, uint64_t epoch)
{
    bool expected = run->is_in[who] && epoch == run->epochs[who];

    calls_same(mcq_subscriptions_down(&run->index, &run->peers[who], epoch), expected, "down");
    if (expected)
        run->is_in[who] = false;
}

static void drain(struct run *run, unsigned who)
{
    size_t left = run->link_counts[who];
    struct mcq_subscription_change change;

    if (run->is_in[who])
        return;
    run->last = mcq_bytes(NULL, 0);
    calls_same(mcq_subscriptions_drain(&run->index, &run->peers[who], &change), left > 0, "drain");
    if (left == 0)
        return;

    uint32_t *refs = model_refs(run, change.prefix);

    if (refs == NULL || refs[who] == 0)
        fuzz_fail("drained what the peer did not have");
    calls_same(change.kind, model_end(run, who, refs, change.prefix.len), "the change's kind");
    run->last = change.prefix;
}

static bool model_wants(const struct run *run, unsigned who, struct mcq_bytes topic)
{
    if (!run->is_in[who])
        return false;
    if (topic.len >= 2 && topic.data[0] < LOTS &&
        run->lots[topic.data[0] * LOT_NAMES + topic.data[1]][who] > 0)
        return true;
    for (size_t i = 0; i < run->name_count; i++) {
        const struct name *name = &run->names[i];

        if (name->refs[who] > 0 && name->len <= topic.len &&
            memcmp(name->octets, topic.data, name->len) == 0)
            return true;
    }
    return false;
}

static void match(struct run *run, struct mcq_bytes topic)
{
    struct mcq_subscription_match match;
    unsigned counts[PEERS] = {0};
    bool is_wanted = false;
    struct mcq_subscriber *peer;

    mcq_subscription_match_init(&match, &run->index, topic);
    while ((peer = mcq_subscription_match_next(&match)) != NULL)
        counts[peer - run->peers]++;
    for (unsigned who = 0; who < PEERS; who++) {
        bool expected = model_wants(run, who, topic);

        calls_same(counts[who], expected, "how often a peer is found");
        calls_same(mcq_subscriptions_found(&run->index, &run->peers[who]), expected, "found");
        is_wanted = is_wanted || expected;
    }
    calls_same(mcq_subscriptions_want(&run->index, topic), is_wanted, "want");
}

/* Who wants just these octets. */
static void match_exact(struct run *run, struct mcq_bytes octets)
{
    uint32_t *refs = model_refs(run, octets);
    struct mcq_subscription_match match;
    unsigned counts[PEERS] = {0};
    struct mcq_subscriber *peer;

    if (refs == NULL)
        return;
    mcq_subscription_exact_init(&match, &run->index, octets);
    while ((peer = mcq_subscription_match_next(&match)) != NULL)
        counts[peer - run->peers]++;
    for (unsigned who = 0; who < PEERS; who++)
        calls_same(counts[who], run->is_in[who] && refs[who] > 0, "how often it is found");
}

/* --- the whole -------------------------------------------------------------------------------- */

static int order(struct mcq_bytes one, struct mcq_bytes other)
{
    int order = memcmp(one.data, other.data, mcq_min_size(one.len, other.len));

    return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

/* Every prefix in its order, each once, with as many links as the list has. */
static void check_prefixes(struct run *run)
{
    const struct mcq_prefix *prefix = NULL;
    struct mcq_bytes before = {0};
    size_t links = 0, count = 0;

    for (; (prefix = mcq_prefixes_next(&run->index.prefixes, prefix)) != NULL; count++) {
        struct mcq_bytes octets = mcq_prefix_bytes(prefix);

        if (count > 0 && order(before, octets) >= 0)
            fuzz_fail("prefixes are out of order");
        before = octets;
        for (struct mcq_interest *link = prefix->links; link != NULL; link = link->next_of_prefix) {
            const uint32_t *refs = model_refs(run, octets);

            if (refs == NULL || refs[link->peer - run->peers] == 0)
                fuzz_fail("a link that the model does not have");
            calls_same(link->refs, refs[link->peer - run->peers], "a link's count");
            links++;
        }
    }
    calls_same(count, mcq_subscriptions_count(&run->index), "prefixes walked");
    for (unsigned who = 0; who < PEERS; who++)
        links -= run->link_counts[who];
    calls_same(links, 0, "links walked"); /* all of them, since each was found */
}

static void check_peers(struct run *run)
{
    unsigned counts[PEERS] = {0};

    for (struct mcq_subscriber *peer = mcq_subscriptions_first(&run->index); peer != NULL;
         peer = mcq_subscriptions_next(&run->index, peer))
        counts[peer - run->peers]++;
    for (unsigned who = 0; who < PEERS; who++) {
        size_t links = 0;

        for (struct mcq_interest *link = run->peers[who].links; link != NULL;
             link = link->next_of_peer)
            links++;
        calls_same(counts[who], run->is_in[who], "how often a peer is walked");
        calls_same(links, run->link_counts[who], "a peer's links");
        check_peer(run, who);
    }
}

/* Names of two octets, of which the first says which lot: wide nodes, and narrow ones again. */
static void many(struct run *run, unsigned who, bool is_add)
{
    unsigned lot = calls_octet(&run->calls) % LOTS;
    unsigned step = 1 + (calls_octet(&run->calls) & 7);

    run->calls.count += MANY_COSTS;
    for (unsigned i = 0; i < MANY; i += step) {
        uint8_t octets[2] = {(uint8_t) lot, (uint8_t) (i * 7)};

        if (is_add)
            add(run, who, mcq_bytes(octets, sizeof octets), 0);
        else
            remove_one(run, who, mcq_bytes(octets, sizeof octets));
    }
}

static struct mcq_bytes prefix_of(struct run *run, uint8_t octets[TOPIC_MAX])
{
    size_t len = calls_octet(&run->calls) % (TOPIC_MAX + 1);

    calls_letters(&run->calls, octets, len);
    return mcq_bytes(octets, len);
}

static void call(struct run *run)
{
    uint8_t octets[TOPIC_MAX];
    unsigned what = calls_octet(&run->calls), who = what / 16 % PEERS;
    uint64_t delta = calls_octet(&run->calls);
    uint64_t epoch = run->epochs[who] + delta % 4 - (run->epochs[who] > 0);

    switch (what % 16) {
    case 0:
    case 1: up(run, who, epoch); break;
    case 2: down(run, who, run->epochs[who]); break;
    case 3: down(run, who, epoch); break;
    case 4:
    case 5: drain(run, who); break;
    case 6:
    case 7:
    case 8: add(run, who, prefix_of(run, octets), 0); break;
    case 9: add(run, who, prefix_of(run, octets), 1 + delta % 5); break;
    case 10: remove_one(run, who, prefix_of(run, octets)); break;
    case 11: remove_one(run, who, run->last); break;
    case 12: many(run, who, true); break;
    case 13: many(run, who, false); break;
    case 14: match_exact(run, prefix_of(run, octets)); break;
    default: match(run, prefix_of(run, octets)); break;
    }
}

static void fuzz_one(const struct fuzz_input *input)
{
    static const uint8_t key[MCQ_TABLE_KEY_BYTES] = {1, 2, 3};
    static struct run run;

    memset(run.peers, 0, sizeof run.peers);
    memset(run.epochs, 0, sizeof run.epochs);
    memset(run.is_in, 0, sizeof run.is_in);
    memset(run.link_counts, 0, sizeof run.link_counts);
    memset(run.charges, 0, sizeof run.charges);
    memset(run.lots, 0, sizeof run.lots);
    run.calls = calls_of(input);
    run.counting = input->choice[0] & 1 ? MCQ_SUBSCRIPTION_COUNTED : MCQ_SUBSCRIPTION_SET;
    run.bytes_max = input->choice[1] == 0 ? SIZE_MAX : (size_t) input->choice[1] * 64;
    run.name_count = 0;
    run.last = mcq_bytes(NULL, 0);
    mcq_subscriptions_init(&run.index, key, run.counting, run.bytes_max);
    while (calls_next(&run.calls))
        call(&run);
    check_prefixes(&run);
    check_peers(&run);
    mcq_subscriptions_fini(&run.index);
    calls_end();
}
