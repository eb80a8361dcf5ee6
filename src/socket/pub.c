/* PUB: each message to every peer that has subscribed to what its first part begins with. Nobody
 * waits for a slow one: messages that it has no room for are dropped, whole (RFC 29). */

#include "socket/duplex.h"

#include "wire/encode.h"

#define PEER_BYTES_MAX (UINT32_C(16) << 20) /* charged for the subscriptions of one peer */

struct pub {
    struct mcq_duplex duplex; /* first; only its base is used */
    struct mcq_subscriptions subscriptions;
    struct mcq_buf *block;   /* of encoded frames, one reference; NULL: none */
    struct mcq_peer *takers; /* of the message under way, by next_taker */
    bool is_within;
};

static struct pub *pub_of(struct mcq_pattern *pattern)
{
    return (struct pub *) pattern;
}

static enum mcq_err pub_create(const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern)
{
    struct mcq_duplex *duplex;

    MCQ_TRY(mcq_duplex_new(&mcq_pattern_pub, config, sizeof(struct pub), &duplex));
    mcq_subscriptions_init(&((struct pub *) duplex)->subscriptions, config->random,
                           MCQ_SUBSCRIPTION_SET, PEER_BYTES_MAX);
    *pattern = &duplex->base;
    return MCQ_OK;
}

static void pub_free(struct mcq_pattern *pattern)
{
    struct pub *pub = pub_of(pattern);

    if (pub->block != NULL)
        mcq_buf_unref(pub->block);
    mcq_subscriptions_fini(&pub->subscriptions);
    mcq_duplex_free(pattern);
}

static struct mcq_peer *peer_of(struct mcq_subscriber *subscriber)
{
    return (struct mcq_peer *) ((char *) subscriber - offsetof(struct mcq_peer, subscriber));
}

/* --- who wants what -------------------------------------------------------------------------- */

static enum mcq_err pub_attach(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
    return MCQ_OK;
}

static enum mcq_err pub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older)
{
    (void) identity;
    (void) older;
    return mcq_subscriptions_up(&pub_of(pattern)->subscriptions, &peer->subscriber,
                                peer->link.epoch);
}

static void drop_taker(struct pub *pub, struct mcq_peer *peer)
{
    struct mcq_peer **at = &pub->takers;

    if (!peer->takes_message)
        return;
    while (*at != peer)
        at = &(*at)->next_taker;
    *at = peer->next_taker;
    peer->takes_message = false;
}

/* Its next connection begins without subscriptions. All that it had go at once: XPUB, which reports
 * each of them, will do it in steps. */
static void pub_down(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct pub *pub = pub_of(pattern);
    struct mcq_subscription_change change;

    drop_taker(pub, peer);
    mcq_link_cut(&peer->link);
    if (!mcq_subscriptions_down(&pub->subscriptions, &peer->subscriber, peer->link.epoch))
        return;
    while (mcq_subscriptions_drain(&pub->subscriptions, &peer->subscriber, &change))
        continue;
}

static void pub_readable(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    (void) pattern;
    (void) peer;
}

static enum mcq_err subscribe(struct pub *pub, struct mcq_peer *peer, struct mcq_bytes topic,
                              bool is_on)
{
    struct mcq_subscription_change change;

    return is_on ? mcq_subscriptions_add(&pub->subscriptions, &peer->subscriber, topic, &change)
                 : mcq_subscriptions_remove(&pub->subscriptions, &peer->subscriber, topic, &change);
}

/* Before 3.1 subscriptions are messages: 01 and the topic, or 00. All others are nobody's. */
static enum mcq_err hear_message(struct pub *pub, struct mcq_peer *peer, struct mcq_bytes body)
{
    if (body.len == 0 || body.data[0] > 1)
        return MCQ_OK;
    return subscribe(pub, peer, mcq_bytes(body.data + 1, body.len - 1), body.data[0] == 1);
}

static void pub_hear(struct mcq_pattern *pattern, struct mcq_peer *peer)
{
    struct pub *pub = pub_of(pattern);
    struct mcq_event event;
    struct mcq_msg msg;
    enum mcq_err err;

    for (int i = 0; i < MCQ_HEAR_MAX && mcq_link_hear(&peer->link, &msg, &event) == MCQ_OK; i++) {
        if (event.kind == MCQ_EVENT_BODY) {
            err = hear_message(pub, peer, mcq_msg_bytes(&msg));
            mcq_msg_fini(&msg);
        } else {
            err = subscribe(pub, peer, event.topic, event.kind == MCQ_EVENT_SUBSCRIBE);
        }
        if (err != MCQ_OK)
            mcq_link_lose(&peer->link, err);
    }
}

/* --- sending --------------------------------------------------------------------------------- */

static void find_takers(struct pub *pub, struct mcq_bytes topic)
{
    struct mcq_subscription_match match;
    struct mcq_subscriber *subscriber;

    mcq_subscription_match_init(&match, &pub->subscriptions, topic);
    while ((subscriber = mcq_subscription_match_next(&match)) != NULL) {
        struct mcq_peer *peer = peer_of(subscriber);

        peer->takes_message = true;
        peer->next_taker = pub->takers;
        pub->takers = peer;
    }
}

/* One encoding for all: a run of frozen octets of the block. */
static enum mcq_err encode(struct pub *pub, const struct mcq_part *part, struct mcq_bytes *run)
{
    size_t head_len = mcq_frame_head_bytes(part->body.len);
    uint8_t *at;

    if (pub->block == NULL || mcq_buf_room_len(pub->block) < head_len + part->body.len) {
        struct mcq_buf *block = mcq_slab_take(pub->duplex.base.group->send_slab);

        if (block == NULL)
            return MCQ_NOMEM;
        if (pub->block != NULL)
            mcq_buf_unref(pub->block);
        pub->block = block;
    }
    at = mcq_encode_frame_head(mcq_buf_room(pub->block), part->more ? MCQ_FRAME_MORE : 0,
                               part->body.len);
    mcq_put_bytes(at, part->body);
    *run = mcq_buf_freeze(pub->block, head_len + part->body.len);
    return MCQ_OK;
}

/* A large body is shared as it is. */
static enum mcq_err put_copy(struct mcq_link *link, const struct mcq_part *part)
{
    struct mcq_msg copy;
    struct mcq_part shared = {.msg = &copy, .more = part->more};
    enum mcq_err err;

    mcq_msg_copy(&copy, part->msg);
    shared.body = mcq_msg_bytes(&copy);
    err = mcq_link_put(link, &shared);
    if (err != MCQ_OK)
        mcq_msg_fini(&copy);
    return err;
}

static enum mcq_err pub_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct pub *pub = pub_of(pattern);
    bool is_large = part->body.len > MCQ_WPUMP_COPY_MAX;
    struct mcq_bytes run = {0};
    struct mcq_peer *next;

    if (!pub->is_within)
        find_takers(pub, part->body);
    if (pub->takers != NULL && !is_large) {
        enum mcq_err err = encode(pub, part, &run);

        if (err != MCQ_OK) {
            while (!pub->is_within && pub->takers != NULL)
                drop_taker(pub, pub->takers);
            return err;
        }
    } else if (is_large) {
        mcq_msg_freeze(part->msg);
    }
    for (struct mcq_peer *peer = pub->takers; peer != NULL; peer = next) {
        enum mcq_err err = is_large ? put_copy(&peer->link, part)
                                    : mcq_link_put_run(&peer->link, pub->block, run, !part->more);

        next = peer->next_taker;
        if (err != MCQ_OK) { /* full, or no memory: this message is not for this peer */
            mcq_link_cut(&peer->link);
            drop_taker(pub, peer);
            pub->duplex.base.dropped_count++;
        }
    }
    while (!part->more && pub->takers != NULL)
        drop_taker(pub, pub->takers);
    pub->is_within = part->more;
    mcq_part_drop(part);
    return MCQ_OK;
}

static bool pub_is_writable(struct mcq_pattern *pattern)
{
    (void) pattern;
    return true;
}

const struct mcq_pattern_ops mcq_pattern_pub = {
    .type = MCQ_SOCKET_TYPE_PUB,
    .can_send = true,
    .create = pub_create,
    .free = pub_free,
    .attach = pub_attach,
    .up = pub_up,
    .down = pub_down,
    .detach = pub_down,
    .readable = pub_readable,
    .room = pub_readable,
    .hear = pub_hear,
    .send = pub_send,
    .is_writable = pub_is_writable,
};
