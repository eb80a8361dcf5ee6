#include "socket/kept.h"

#include "arena/alloc.h"

#define CAPACITY_MIN 2
#define CAPACITY_KEPT 16 /* parts; room for them stays with the next message */

static enum mcq_err make_room(struct mcq_kept *kept)
{
    size_t wider = kept->capacity > 0 ? kept->capacity * 2 : CAPACITY_MIN;
    struct mcq_msg *parts;

    if (kept->count < kept->capacity)
        return MCQ_OK;
    parts = wider <= UINT32_MAX ? mcq_alloc(mcq_size_mul(wider, sizeof *parts)) : NULL;
    if (parts == NULL)
        return MCQ_NOMEM;
    for (size_t i = 0; i < kept->count; i++)
        parts[i] = kept->parts[i];
    mcq_free(kept->parts);
    kept->parts = parts;
    kept->capacity = wider;
    return MCQ_OK;
}

enum mcq_err mcq_kept_add(struct mcq_kept *kept, struct mcq_part *part)
{
    MCQ_TRY(make_room(kept));
    if (part->msg != NULL)
        mcq_msg_copy(&kept->parts[kept->count], part->msg);
    else
        MCQ_TRY(mcq_msg_init_copy(&kept->parts[kept->count], part->body));
    kept->parts[kept->count++].more = part->more;
    return MCQ_OK;
}

void mcq_kept_drop_last(struct mcq_kept *kept)
{
    mcq_msg_fini(&kept->parts[--kept->count]);
}

void mcq_kept_drop_first(struct mcq_kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mcq_msg_fini(&kept->parts[i]);
    kept->count -= count;
    for (size_t i = 0; count > 0 && i < kept->count; i++)
        mcq_msg_move(&kept->parts[i], &kept->parts[count + i]);
}

enum mcq_err mcq_kept_put(struct mcq_kept *kept, struct mcq_link *link)
{
    for (size_t i = 0; i < kept->count; i++) {
        struct mcq_msg msg;
        struct mcq_part part;
        enum mcq_err err;

        mcq_msg_copy(&msg, &kept->parts[i]);
        part = (struct mcq_part) {mcq_msg_bytes(&msg), &msg, kept->parts[i].more};
        err = mcq_link_put(link, &part);
        mcq_msg_fini(&msg); /* a link that has taken the body left it empty */
        MCQ_TRY(err);
    }
    return MCQ_OK;
}

void mcq_kept_drop(struct mcq_kept *kept)
{
    while (kept->count > 0)
        mcq_kept_drop_last(kept);
    if (kept->capacity > CAPACITY_KEPT)
        mcq_kept_fini(kept);
}

void mcq_kept_fini(struct mcq_kept *kept)
{
    while (kept->count > 0)
        mcq_kept_drop_last(kept);
    mcq_free(kept->parts);
    *kept = (struct mcq_kept) {0};
}
