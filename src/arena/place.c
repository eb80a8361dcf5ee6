#include "arena/place.h"

#include "arena/alloc.h"

void mcq_places_init(struct mcq_places *places, struct mcq_slab *slab)
{
    *places = (struct mcq_places) {.slab = slab};
}

void mcq_places_fini(struct mcq_places *places)
{
    if (places->block.buf != NULL)
        mcq_handout_fini(&places->block);
}

/* A block with room for `len` octets, and a reference for who gets them. */
static enum mcq_err take_block(struct mcq_places *places, size_t len, struct mcq_buf **out)
{
    if (len > mcq_slab_block_bytes(places->slab))
        return len == SIZE_MAX ? MCQ_NOMEM : mcq_buf_new(len, out);
    if (places->block.buf == NULL || mcq_buf_room_len(places->block.buf) < len) {
        struct mcq_buf *block = mcq_slab_take(places->slab);

        if (block == NULL)
            return MCQ_NOMEM;
        mcq_places_fini(places);
        mcq_handout_init(&places->block, &block);
    }
    *out = mcq_handout_ref(&places->block);
    return MCQ_OK;
}

enum mcq_err mcq_places_take(struct mcq_places *places, size_t front_len, size_t len,
                             struct mcq_msg *msg)
{
    struct mcq_bytes place;
    struct mcq_buf *buf;

    mcq_msg_init(msg);
    MCQ_TRY(take_block(places, mcq_size_add(front_len, len), &buf));
    place = mcq_buf_freeze(buf, front_len + len);
    mcq_msg_init_place(msg, &buf, place, front_len);
    return MCQ_OK;
}

void mcq_places_shrink(struct mcq_places *places, const struct mcq_msg *msg)
{
    if (msg->large.buf == places->block.buf)
        mcq_buf_thaw(msg->large.buf, msg->large.data + msg->large.len,
                     msg->large.place_len - msg->large.len);
}

void mcq_places_put(struct mcq_places *places, struct mcq_msg *msg)
{
    if (msg->large.buf != places->block.buf || mcq_msg_has_group(msg)) {
        mcq_msg_fini(msg);
        return;
    }
    mcq_handout_take_back(&places->block);
    mcq_msg_init(msg);
}
