#include "hub/subscriptions.h"

#include "arena/alloc.h"
#include "base/assert.h"

static struct mcq_subscriber *subscriber_of(struct mcq_ring_node *node);
static uint64_t link_hash(const struct mcq_subscriptions *subscriptions,
                          const struct mcq_subscriber *peer, const struct mcq_prefix *prefix);
static struct mcq_interest *link_find(const struct mcq_subscriptions *subscriptions,
                                      const struct mcq_subscriber *peer,
                                      const struct mcq_prefix *prefix);
static enum mcq_err link_new(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                             struct mcq_prefix_place place, struct mcq_bytes octets,
                             struct mcq_prefix **prefix);
static void link_join(struct mcq_interest *link, struct mcq_subscriber *peer,
                      struct mcq_prefix *prefix);
static void link_free(struct mcq_subscriptions *subscriptions, struct mcq_interest *link,
                      struct mcq_subscription_change *change);
static size_t charge_of(struct mcq_bytes prefix);
static void forget_change(struct mcq_subscriptions *subscriptions);

void mcq_subscriptions_init(struct mcq_subscriptions *subscriptions,
                            const uint8_t key[MCQ_TABLE_KEY_BYTES],
                            enum mcq_subscription_counting counting, size_t peer_bytes_max)
{
    mcq_prefixes_init(&subscriptions->prefixes);
    mcq_table_init(&subscriptions->links, key);
    mcq_ring_init(&subscriptions->peers);
    subscriptions->gone = NULL;
    subscriptions->peer_bytes_max = peer_bytes_max;
    subscriptions->counting = counting;
    subscriptions->search = 0;
    subscriptions->change_count = 0;
}

void mcq_subscriptions_fini(struct mcq_subscriptions *subscriptions)
{
    struct mcq_prefix *prefix = NULL;
    struct mcq_subscriber *peer;

    while ((peer = mcq_subscriptions_first(subscriptions)) != NULL)
        (void) mcq_ring_down(&subscriptions->peers, &peer->node, peer->node.epoch);
    while ((prefix = mcq_prefixes_next(&subscriptions->prefixes, prefix)) != NULL) {
        while (prefix->links != NULL) {
            struct mcq_interest *link = prefix->links;

            prefix->links = link->next_of_prefix;
            link->peer->links = NULL;
            link->peer->link_count = 0;
            link->peer->charged_bytes = 0;
            mcq_free(link);
        }
    }
    forget_change(subscriptions);
    mcq_prefixes_fini(&subscriptions->prefixes);
    mcq_table_fini(&subscriptions->links);
}

enum mcq_err mcq_subscriptions_up(struct mcq_subscriptions *subscriptions,
                                  struct mcq_subscriber *peer, uint64_t epoch)
{
    if (peer->node.part != MCQ_RING_OUT || epoch <= peer->node.epoch)
        return MCQ_STATE;
    if (peer->links != NULL)
        return MCQ_BUSY;
    peer->visited = 0;
    (void) mcq_ring_up(&subscriptions->peers, &peer->node, epoch); /* it is newer */
    return MCQ_OK;
}

bool mcq_subscriptions_down(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                            uint64_t epoch)
{
    subscriptions->change_count++;
    return mcq_ring_down(&subscriptions->peers, &peer->node, epoch);
}

bool mcq_subscriptions_drain(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                             struct mcq_subscription_change *change)
{
    mcq_assert(peer->node.part == MCQ_RING_OUT);
    forget_change(subscriptions);
    if (peer->links == NULL) {
        mcq_assert(peer->link_count == 0 && peer->charged_bytes == 0);
        return false;
    }
    link_free(subscriptions, peer->links, change);
    return true;
}

enum mcq_err mcq_subscriptions_add(struct mcq_subscriptions *subscriptions,
                                   struct mcq_subscriber *peer, struct mcq_bytes prefix,
                                   struct mcq_subscription_change *change)
{
    struct mcq_prefix_place place;

    if (peer->node.part == MCQ_RING_OUT)
        return MCQ_STATE;

    struct mcq_prefix *known = mcq_prefixes_find(&subscriptions->prefixes, prefix, &place);
    struct mcq_interest *link = known == NULL ? NULL : link_find(subscriptions, peer, known);

    if (link != NULL && subscriptions->counting == MCQ_SUBSCRIPTION_COUNTED) {
        if (link->refs == UINT64_MAX)
            return MCQ_LIMIT;
        link->refs++;
    }
    if (link == NULL) {
        struct mcq_prefix *joined = known;

        if (charge_of(prefix) > subscriptions->peer_bytes_max - peer->charged_bytes)
            return MCQ_LIMIT;
        MCQ_TRY(link_new(subscriptions, peer, place, prefix, &joined));
        change->kind = known == NULL ? MCQ_SUBSCRIBED_FIRST : MCQ_SUBSCRIBED_NEW;
        known = joined;
    } else {
        change->kind = MCQ_SUBSCRIBED_AGAIN;
    }
    change->prefix = mcq_prefix_bytes(known);
    forget_change(subscriptions);
    return MCQ_OK;
}

enum mcq_err mcq_subscriptions_remove(struct mcq_subscriptions *subscriptions,
                                      struct mcq_subscriber *peer, struct mcq_bytes prefix,
                                      struct mcq_subscription_change *change)
{
    struct mcq_prefix *gone = subscriptions->gone; /* may hold the prefix's octets */
    struct mcq_prefix_place place;

    if (peer->node.part == MCQ_RING_OUT)
        return MCQ_STATE;

    struct mcq_prefix *known = mcq_prefixes_find(&subscriptions->prefixes, prefix, &place);
    struct mcq_interest *link = known == NULL ? NULL : link_find(subscriptions, peer, known);

    if (link == NULL) {
        *change = (struct mcq_subscription_change) {MCQ_UNSUBSCRIBED_NEVER, prefix};
        return MCQ_OK;
    }
    subscriptions->gone = NULL;
    if (--link->refs > 0)
        *change = (struct mcq_subscription_change) {MCQ_UNSUBSCRIBED_ONE, mcq_prefix_bytes(known)};
    else
        link_free(subscriptions, link, change);
    mcq_free(gone);
    return MCQ_OK;
}

void mcq_subscription_match_init(struct mcq_subscription_match *match,
                                 struct mcq_subscriptions *subscriptions, struct mcq_bytes topic)
{
    subscriptions->search++;
    match->subscriptions = subscriptions;
    match->link = NULL;
    match->left_count = mcq_ring_count(&subscriptions->peers);
    mcq_prefix_match_init(&match->prefixes, &subscriptions->prefixes, topic);
}

void mcq_subscription_exact_init(struct mcq_subscription_match *match,
                                 struct mcq_subscriptions *subscriptions, struct mcq_bytes octets)
{
    struct mcq_prefix_place place;
    struct mcq_prefix *prefix = mcq_prefixes_find(&subscriptions->prefixes, octets, &place);

    mcq_subscription_match_init(match, subscriptions, octets);
    mcq_prefix_match_end(&match->prefixes); /* no other prefix */
    match->link = prefix != NULL ? prefix->links : NULL;
}

struct mcq_subscriber *mcq_subscription_match_next(struct mcq_subscription_match *match)
{
    while (match->left_count > 0) {
        if (match->link == NULL) {
            struct mcq_prefix *prefix = mcq_prefix_match_next(&match->prefixes);

            if (prefix == NULL)
                return NULL;
            match->link = prefix->links;
        }
        struct mcq_subscriber *peer = match->link->peer;

        match->link = match->link->next_of_prefix;
        if (peer->visited == match->subscriptions->search || peer->node.part == MCQ_RING_OUT)
            continue;
        peer->visited = match->subscriptions->search;
        match->left_count--;
        return peer;
    }
    return NULL;
}

void mcq_subscriptions_audience(const struct mcq_subscriptions *subscriptions,
                                struct mcq_bytes topic, struct mcq_audience *audience)
{
    const struct mcq_prefix *prefix;
    struct mcq_prefix_match match;

    audience->change_count = subscriptions->change_count;
    audience->count = 0;
    mcq_prefix_match_init(&match, &subscriptions->prefixes, topic);
    while ((prefix = mcq_prefix_match_next(&match)) != NULL) {
        if (audience->count == MCQ_AUDIENCE_PREFIXES_MAX) {
            audience->count++;
            return;
        }
        audience->prefixes[audience->count++] = prefix;
    }
}

bool mcq_audience_is(const struct mcq_audience *audience, const struct mcq_audience *other)
{
    if (audience->change_count != other->change_count || audience->count != other->count ||
        audience->count > MCQ_AUDIENCE_PREFIXES_MAX)
        return false;
    for (size_t i = 0; i < audience->count; i++)
        if (audience->prefixes[i] != other->prefixes[i])
            return false;
    return true;
}

bool mcq_subscriptions_want(struct mcq_subscriptions *subscriptions, struct mcq_bytes topic)
{
    struct mcq_subscription_match match;

    mcq_subscription_match_init(&match, subscriptions, topic);
    return mcq_subscription_match_next(&match) != NULL;
}

struct mcq_subscriber *mcq_subscriptions_first(const struct mcq_subscriptions *subscriptions)
{
    return subscriber_of(mcq_ring_first(&subscriptions->peers));
}

struct mcq_subscriber *mcq_subscriptions_next(const struct mcq_subscriptions *subscriptions,
                                              const struct mcq_subscriber *peer)
{
    return subscriber_of(mcq_ring_next(&subscriptions->peers, &peer->node));
}

/* NULL stays NULL, for node comes first. */
static_assert(offsetof(struct mcq_subscriber, node) == 0, "a subscriber is its node");
static_assert(offsetof(struct mcq_interest, entry) == 0, "a link is its entry");

static struct mcq_subscriber *subscriber_of(struct mcq_ring_node *node)
{
    return (struct mcq_subscriber *) node;
}

/* The addresses of both are the key: the heap gives them out, but strangers have a say in when. */
static uint64_t link_hash(const struct mcq_subscriptions *subscriptions,
                          const struct mcq_subscriber *peer, const struct mcq_prefix *prefix)
{
    uintptr_t key[2] = {(uintptr_t) peer, (uintptr_t) prefix};

    return mcq_table_hash(&subscriptions->links, mcq_bytes(key, sizeof key));
}

static struct mcq_interest *link_find(const struct mcq_subscriptions *subscriptions,
                                      const struct mcq_subscriber *peer,
                                      const struct mcq_prefix *prefix)
{
    uint64_t hash = link_hash(subscriptions, peer, prefix);
    struct mcq_table_node *node = mcq_table_first(&subscriptions->links, hash);

    for (; node != NULL; node = mcq_table_next(node)) {
        struct mcq_interest *link = (struct mcq_interest *) node;

        if (link->peer == peer && link->prefix == prefix)
            return link;
    }
    return NULL;
}

/* *prefix NULL: adds it at its place and says which it is. */
static enum mcq_err link_new(struct mcq_subscriptions *subscriptions, struct mcq_subscriber *peer,
                             struct mcq_prefix_place place, struct mcq_bytes octets,
                             struct mcq_prefix **prefix)
{
    struct mcq_prefix *added = NULL;
    struct mcq_interest *link = mcq_alloc(sizeof *link);

    if (link == NULL)
        return MCQ_NOMEM;
    if (*prefix == NULL) {
        if (mcq_prefixes_insert(&subscriptions->prefixes, place, octets, &added) != MCQ_OK)
            goto fail;
        *prefix = added;
    }
    if (mcq_table_insert(&subscriptions->links, &link->entry,
                         link_hash(subscriptions, peer, *prefix)) != MCQ_OK)
        goto fail;
    link_join(link, peer, *prefix);
    subscriptions->change_count++;
    return MCQ_OK;

fail:
    if (added != NULL) {
        mcq_prefixes_remove(&subscriptions->prefixes, added);
        mcq_free(added);
    }
    mcq_free(link);
    return MCQ_NOMEM;
}

static void link_join(struct mcq_interest *link, struct mcq_subscriber *peer,
                      struct mcq_prefix *prefix)
{
    link->peer = peer;
    link->prefix = prefix;
    link->refs = 1;

    link->at_prefix = &prefix->links;
    link->next_of_prefix = prefix->links;
    if (prefix->links != NULL)
        prefix->links->at_prefix = &link->next_of_prefix;
    prefix->links = link;
    prefix->link_count++;

    link->at_peer = &peer->links;
    link->next_of_peer = peer->links;
    if (peer->links != NULL)
        peer->links->at_peer = &link->next_of_peer;
    peer->links = link;
    peer->link_count++;
    peer->charged_bytes += charge_of(mcq_prefix_bytes(prefix));
}

/* Ends a subscription, and its prefix if it was the last: the octets stay for *change. */
static void link_free(struct mcq_subscriptions *subscriptions, struct mcq_interest *link,
                      struct mcq_subscription_change *change)
{
    struct mcq_prefix *prefix = link->prefix;
    struct mcq_subscriber *peer = link->peer;

    subscriptions->change_count++;
    mcq_table_remove(&subscriptions->links, &link->entry);
    *link->at_prefix = link->next_of_prefix;
    if (link->next_of_prefix != NULL)
        link->next_of_prefix->at_prefix = link->at_prefix;
    prefix->link_count--;
    *link->at_peer = link->next_of_peer;
    if (link->next_of_peer != NULL)
        link->next_of_peer->at_peer = link->at_peer;
    peer->link_count--;
    peer->charged_bytes -= charge_of(mcq_prefix_bytes(prefix));
    mcq_free(link);

    mcq_assert((prefix->links == NULL) == (prefix->link_count == 0));
    *change = (struct mcq_subscription_change) {prefix->links == NULL ? MCQ_UNSUBSCRIBED_LAST
                                                                      : MCQ_UNSUBSCRIBED_OWN,
                                                mcq_prefix_bytes(prefix)};
    if (prefix->links == NULL) {
        mcq_prefixes_remove(&subscriptions->prefixes, prefix);
        subscriptions->gone = prefix;
    }
}

static size_t charge_of(struct mcq_bytes prefix)
{
    return mcq_size_add(prefix.len, MCQ_SUBSCRIPTION_BYTES);
}

static void forget_change(struct mcq_subscriptions *subscriptions)
{
    mcq_free(subscriptions->gone);
    subscriptions->gone = NULL;
}
