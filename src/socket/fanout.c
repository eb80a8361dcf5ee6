#include "socket/fanout.h"

#include "socket/outgoing.h"
#include "wire/encode.h"

void mcq_fanout_fini(struct mcq_fanout *fanout)
{
    if (fanout->block != NULL)
        mcq_buf_unref(fanout->block);
}

void mcq_fanout_add(struct mcq_fanout *fanout, struct mcq_peer *peer)
{
    peer->takes_message = true;
    peer->next_taker = fanout->takers;
    fanout->takers = peer;
}

void mcq_fanout_drop(struct mcq_fanout *fanout, struct mcq_peer *peer)
{
    struct mcq_peer **at = &fanout->takers;

    if (!peer->takes_message)
        return;
    while (*at != peer)
        at = &(*at)->next_taker;
    *at = peer->next_taker;
    peer->takes_message = false;
}

bool mcq_fanout_has_room(const struct mcq_fanout *fanout)
{
    bool has_room = true;

    for (struct mcq_peer *peer = fanout->takers; peer != NULL; peer = peer->next_taker)
        has_room = mcq_link_has_room(&peer->link) && has_room; /* each tells when it has */
    return has_room;
}

void mcq_fanout_void(struct mcq_fanout *fanout)
{
    for (; fanout->takers != NULL; fanout->takers = fanout->takers->next_taker) {
        mcq_link_cut(&fanout->takers->link);
        fanout->takers->takes_message = false;
    }
}

/* A part as all takers get it. */
struct encoded {
    struct mcq_buf *buf; /* NULL: its body is too large, and shared */
    struct mcq_bytes run;
};

/* A body that was written where it can leave from is encoded there. */
static bool encode_in_place(struct mcq_pattern *pattern, const struct mcq_part *part,
                            struct encoded *encoded)
{
    uint8_t octets[MCQ_FRAME_HEAD_MAX];
    uint8_t *end = mcq_encode_frame_head(octets, part->more ? MCQ_FRAME_MORE : 0, part->body.len);

    if (part->msg == NULL ||
        !mcq_msg_put_front(part->msg, mcq_bytes(octets, (size_t) (end - octets)), &encoded->run))
        return false;
    encoded->buf = part->msg->large.buf;
    mcq_places_shrink(&pattern->group->places, part->msg);
    return true;
}

static bool has_room(const struct mcq_fanout *fanout, size_t len)
{
    return fanout->block != NULL && mcq_buf_room_len(fanout->block) >= len;
}

static enum mcq_err take_block(struct mcq_fanout *fanout, struct mcq_slab *slab)
{
    struct mcq_buf *block = mcq_slab_take(slab);

    if (block == NULL)
        return MCQ_NOMEM;
    if (fanout->block != NULL)
        mcq_buf_unref(fanout->block);
    fanout->block = block;
    return MCQ_OK;
}

/* One encoding for all: frozen octets of the block, which has room for them. */
static struct mcq_bytes encode_in_block(struct mcq_fanout *fanout, const struct mcq_part *part)
{
    size_t head_len = mcq_frame_head_bytes(part->body.len);
    uint8_t *at = mcq_encode_frame_head(mcq_buf_room(fanout->block),
                                        part->more ? MCQ_FRAME_MORE : 0, part->body.len);

    mcq_put_bytes(at, part->body);
    return mcq_buf_freeze(fanout->block, head_len + part->body.len);
}

static enum mcq_err encode(struct mcq_fanout *fanout, struct mcq_slab *slab,
                           const struct mcq_part *part, struct encoded *encoded)
{
    if (!has_room(fanout, mcq_frame_head_bytes(part->body.len) + part->body.len))
        MCQ_TRY(take_block(fanout, slab));
    encoded->run = encode_in_block(fanout, part);
    encoded->buf = fanout->block;
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
static bool reads_frames(const struct mcq_link *link)
{
    return !mcq_link_is_piped(link) && mcq_framing_heads_alike(link->framing, MCQ_FRAMING_NEWEST);
}

static enum mcq_err put_encoded(struct mcq_link *link, const struct mcq_part *part,
                                const struct encoded *encoded)
{
    struct mcq_part own = {.body = part->body, .more = part->more};

    if (MCQ_UNLIKELY(!reads_frames(link)))
        return mcq_link_put(link, &own);
    return mcq_link_put_run(link, encoded->buf, encoded->run, part->body.len, !part->more);
}

static enum mcq_err put_to(struct mcq_link *link, const struct mcq_part *part,
                           const struct encoded *encoded)
{
    return encoded->buf == NULL ? put_copy(link, part) : put_encoded(link, part, encoded);
}

/* Who is full, or has no memory for it, does not get this message, nor its next parts. */
static void put_to_all(struct mcq_fanout *fanout, struct mcq_pattern *pattern,
                       const struct mcq_part *part, const struct encoded *encoded)
{
    struct mcq_peer **at = &fanout->takers;
    struct mcq_peer *peer;

    while ((peer = *at) != NULL) {
        enum mcq_err err = put_to(&peer->link, part, encoded);

        if (MCQ_UNLIKELY(err == MCQ_AGAIN) && mcq_pattern_relieve(pattern, peer))
            err = put_to(&peer->link, part, encoded);
        if (MCQ_LIKELY(err == MCQ_OK)) {
            at = &peer->next_taker;
            continue;
        }
        mcq_link_cut(&peer->link);
        *at = peer->next_taker;
        peer->takes_message = false;
        mcq_pattern_drop(pattern, peer, err == MCQ_AGAIN ? MCQ_TALLY_FULL : MCQ_TALLY_NO_MEMORY);
    }
}

/* --- many messages together ------------------------------------------------------------------ */

bool mcq_fanout_defer(struct mcq_fanout *fanout, struct mcq_pattern *pattern, struct mcq_part *part)
{
    struct mcq_frames *frames = &fanout->deferred;
    size_t head_len = mcq_frame_head_bytes(part->body.len);

    mcq_assert_hot(!fanout->is_within && !part->more && part->body.len <= MCQ_WPUMP_COPY_MAX);
    if (frames->count == MCQ_FRAMES_MAX)
        return false;
    if (!has_room(fanout, head_len + part->body.len) &&
        (frames->count > 0 || take_block(fanout, pattern->group->send_slab) != MCQ_OK))
        return false;

    struct mcq_bytes run = encode_in_block(fanout, part);

    if (frames->count == 0) {
        frames->buf = fanout->block;
        frames->start = run.data;
    }
    frames->body_bytes[frames->count] =
        mcq_frames_body_bytes(frames, frames->count) + (uint32_t) part->body.len;
    frames->ends[frames->count] = mcq_frames_at(frames, frames->count) + (uint32_t) run.len;
    frames->count++;
    pattern->group->put_count++;
    pattern->group->has_deferred = true;
    mcq_part_drop(part);
    return true;
}

/* For queues that take no frames, or keep the newest only. Returns how many were queued. */
static uint32_t put_one_by_one(const struct mcq_fanout *fanout, struct mcq_link *link)
{
    const struct mcq_frames *frames = &fanout->deferred;
    uint32_t taken_count = 0;

    for (uint32_t i = 0; i < frames->count; i++) {
        struct mcq_bytes body = mcq_bytes(frames->start + mcq_frames_at(frames, i),
                                          frames->ends[i] - mcq_frames_at(frames, i));
        size_t body_len = mcq_frames_body_bytes(frames, i + 1) - mcq_frames_body_bytes(frames, i);
        struct mcq_part part;

        mcq_bytes_skip(&body, body.len - body_len);
        part = (struct mcq_part) {.body = body};
        if (mcq_link_put(link, &part) == MCQ_OK)
            taken_count++;
        else
            mcq_link_cut(link);
    }
    return taken_count;
}

static void drop(struct mcq_pattern *pattern, struct mcq_link *link, uint32_t count)
{
    pattern->dropped_count += count;
    mcq_tally_drop(&link->tally, mcq_link_has_room(link) ? MCQ_TALLY_NO_MEMORY : MCQ_TALLY_FULL,
                   count);
}

void mcq_fanout_share(struct mcq_fanout *fanout, struct mcq_pattern *pattern)
{
    struct mcq_frames *frames = &fanout->deferred;

    for (struct mcq_peer *peer = fanout->takers; peer != NULL; peer = peer->next_taker) {
        struct mcq_link *link = &peer->link;
        uint32_t taken_count = MCQ_LIKELY(reads_frames(link) && !link->conflates)
                                   ? mcq_link_put_frames(link, frames)
                                   : put_one_by_one(fanout, link);

        if (MCQ_UNLIKELY(taken_count < frames->count))
            drop(pattern, link, frames->count - taken_count);
    }
    frames->count = 0;
    pattern->group->has_deferred = false;
    mcq_fanout_void(fanout); /* they are whole in the queues: nothing is cut */
}

enum mcq_err mcq_fanout_put(struct mcq_fanout *fanout, struct mcq_pattern *pattern,
                            struct mcq_part *part)
{
    struct encoded encoded = {0};
    enum mcq_err err = MCQ_OK;

    mcq_assert_hot(!mcq_fanout_has_deferred(fanout));
    if (!fanout->is_within && fanout->takers == NULL)
        mcq_tally_drop(&pattern->group->tally, MCQ_TALLY_NOBODY, 1);
    if (part->body.len > MCQ_WPUMP_COPY_MAX)
        err = part->msg != NULL ? MCQ_OK : MCQ_NOMEM;
    else if (fanout->takers != NULL && !encode_in_place(pattern, part, &encoded))
        err = encode(fanout, pattern->group->send_slab, part, &encoded);
    if (err != MCQ_OK) {
        mcq_fanout_void(fanout);
        return err;
    }
    put_to_all(fanout, pattern, part, &encoded);
    if (!part->more)
        mcq_fanout_void(fanout); /* it is whole in their queues: nothing is cut */
    fanout->is_within = part->more;
    mcq_part_drop(part);
    return MCQ_OK;
}
