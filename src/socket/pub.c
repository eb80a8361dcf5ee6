/* PUB: each message to every peer that has subscribed to what its first part begins with. Nobody
 * waits for a slow one: messages that it has no room for are dropped, whole (RFC 29). */

#include "socket/duplex.h"

#include "table/option.h"
#include "wire/command.h"
#include "wire/encode.h"

struct pub {
    struct mcq_duplex duplex; /* first; only its base is used */
    struct mcq_subscriptions subscriptions;
    struct mcq_buf *block;   /* of encoded frames, one reference; NULL: none */
    struct mcq_peer *takers; /* of the message under way, by next_taker */
    bool is_within;
};

/* A part as all takers get it. */
struct encoded {
    struct mcq_buf *buf; /* NULL: its body is too large, and shared */
    struct mcq_bytes run;
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
                           MCQ_SUBSCRIPTION_SET,
                           (size_t) mcq_option_default_of(MCQ_OPTION_SUBSCRIPTIONS_MAX,
                                                          MCQ_SOCKET_TYPE_PUB, config->is_compat));
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

/* Before 3.1 subscriptions are messages. All others are nobody's. */
static enum mcq_err hear_message(struct pub *pub, struct mcq_peer *peer, struct mcq_bytes body)
{
    enum mcq_command_id id = mcq_command_of_message(body);

    if (id == MCQ_COMMAND_UNKNOWN)
        return MCQ_OK;
    mcq_bytes_skip(&body, 1);
    return subscribe(pub, peer, body, id == MCQ_COMMAND_SUBSCRIBE);
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
        peer->link.table_bytes = peer->subscriber.charged_bytes;
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

/* A body that was written where it can leave from is encoded there. */
static bool encode_in_place(struct pub *pub, const struct mcq_part *part, struct encoded *encoded)
{
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t *end = mcq_encode_frame_head(octets, part->more ? MCQ_FRAME_MORE : 0, part->body.len);

    if (part->msg == NULL ||
        !mcq_msg_put_front(part->msg, mcq_bytes(octets, (size_t) (end - octets)), &encoded->run))
        return false;
    encoded->buf = part->msg->large.buf;
    mcq_places_shrink(&pub->duplex.base.group->places, part->msg);
    return true;
}

/* One encoding for all: frozen octets of the block. */
static enum mcq_err encode(struct pub *pub, const struct mcq_part *part, struct encoded *encoded)
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
    encoded->run = mcq_buf_freeze(pub->block, head_len + part->body.len);
    encoded->buf = pub->block;
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

/* A peer of an older version does not read the header in the run, and one with a pipe none. */
static enum mcq_err put_encoded(struct mcq_link *link, const struct mcq_part *part,
                                const struct encoded *encoded)
{
    struct mcq_part own = {.body = part->body, .more = part->more};

    if (MCQ_UNLIKELY(mcq_link_is_piped(link) ||
                     !mcq_framing_heads_alike(link->framing, MCQ_FRAMING_NEWEST)))
        return mcq_link_put(link, &own);
    return mcq_link_put_run(link, encoded->buf, encoded->run, !part->more);
}

/* Who is full, or has no memory for it, does not get this message, nor its next parts. */
static void fan_out(struct pub *pub, const struct mcq_part *part, const struct encoded *encoded)
{
    struct mcq_peer **at = &pub->takers;
    struct mcq_peer *peer;

    while ((peer = *at) != NULL) {
        enum mcq_err err = encoded->buf == NULL ? put_copy(&peer->link, part)
                                                : put_encoded(&peer->link, part, encoded);

        if (MCQ_LIKELY(err == MCQ_OK)) {
            at = &peer->next_taker;
            continue;
        }
        mcq_link_cut(&peer->link);
        *at = peer->next_taker;
        peer->takes_message = false;
        pub->duplex.base.dropped_count++;
    }
}

/* The message under way is nobody's from here on. */
static void drop_takers(struct pub *pub)
{
    for (; pub->takers != NULL; pub->takers = pub->takers->next_taker) {
        mcq_link_cut(&pub->takers->link);
        pub->takers->takes_message = false;
    }
}

static enum mcq_err pub_send(struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct pub *pub = pub_of(pattern);
    struct encoded encoded = {0};
    enum mcq_err err = MCQ_OK;

    if (!pub->is_within)
        find_takers(pub, part->body);
    if (pub->takers != NULL && part->body.len <= MCQ_WPUMP_COPY_MAX &&
        !encode_in_place(pub, part, &encoded))
        err = encode(pub, part, &encoded);
    if (err != MCQ_OK) {
        drop_takers(pub);
        return err;
    }
    fan_out(pub, part, &encoded);
    if (!part->more)
        drop_takers(pub); /* it is whole in their queues: nothing is cut */
    pub->is_within = part->more;
    mcq_part_drop(part);
    return MCQ_OK;
}

static uint32_t pub_audience(const struct mcq_pattern *pattern)
{
    const struct mcq_subscriptions *subscriptions = &((const struct pub *) pattern)->subscriptions;
    uint32_t count = 0;

    for (const struct mcq_subscriber *peer = mcq_subscriptions_first(subscriptions); peer != NULL;
         peer = mcq_subscriptions_next(subscriptions, peer))
        count += peer->link_count > 0;
    return count;
}

static enum mcq_err pub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value)
{
    if (option != MCQ_PATTERN_SUBSCRIPTION_BYTES)
        return MCQ_INVAL;
    pub_of(pattern)->subscriptions.peer_bytes_max = (size_t) value;
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
    .shares_output = true,
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
    .set = pub_set,
    .is_writable = pub_is_writable,
    .audience = pub_audience,
};
