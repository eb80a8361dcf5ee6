#include "session/assembly.h"

#include "wire/limits.h"

/* A part's length: seven bits an octet, lowest first, the top bit set on all but the last. */
#define LENGTH_BYTES_MAX 9

static_assert(MCQ_MAX_FRAME_BYTES >> (7 * LENGTH_BYTES_MAX) == 0,
              "every size of a frame can be written");

static size_t put_length(uint8_t *at, uint64_t size)
{
    size_t len = 0;

    for (; size > 0x7f; size >>= 7)
        at[len++] = (uint8_t) (size | 0x80);
    at[len++] = (uint8_t) size;
    return len;
}

static uint64_t take_length(struct mcq_bytes *rest)
{
    uint64_t size = 0;
    unsigned shift = 0;

    for (;;) {
        uint8_t octet = rest->data[0];

        mcq_bytes_skip(rest, 1);
        size |= (uint64_t) (octet & 0x7f) << shift;
        if (octet <= 0x7f)
            return size;
        shift += 7;
    }
}

void mcq_assembly_init(struct mcq_assembly *assembly, size_t max_bytes)
{
    *assembly = (struct mcq_assembly) {0};
    mcq_grow_init(&assembly->store, max_bytes);
}

void mcq_assembly_fini(struct mcq_assembly *assembly)
{
    mcq_grow_fini(&assembly->store);
}

void mcq_assembly_clear(struct mcq_assembly *assembly)
{
    mcq_grow_clear(&assembly->store);
    assembly->part_left = 0;
    assembly->part_count = 0;
    assembly->is_whole = false;
}

static enum mcq_err begin_part(struct mcq_assembly *assembly, uint64_t size)
{
    uint8_t length[LENGTH_BYTES_MAX];

    MCQ_TRY(mcq_grow_append(&assembly->store, mcq_bytes(length, put_length(length, size))));
    assembly->part_left = size;
    return MCQ_OK;
}

enum mcq_err mcq_assembly_add(struct mcq_assembly *assembly, const struct mcq_frame_piece *piece)
{
    mcq_assert(!assembly->is_whole);
    if (piece->first)
        MCQ_TRY(begin_part(assembly, piece->size));
    mcq_assert(piece->body.len <= assembly->part_left);
    MCQ_TRY(mcq_grow_append(&assembly->store, piece->body));
    assembly->part_left -= piece->body.len;
    if (!piece->last)
        return MCQ_AGAIN;
    assembly->part_count++;
    assembly->is_whole = !(piece->flags & MCQ_FRAME_MORE);
    return assembly->is_whole ? MCQ_OK : MCQ_AGAIN;
}

bool mcq_assembly_next(const struct mcq_assembly *assembly, size_t *cursor, struct mcq_bytes *part)
{
    struct mcq_bytes rest = mcq_grow_bytes(&assembly->store);

    mcq_assert(assembly->is_whole);
    mcq_bytes_skip(&rest, *cursor);
    if (rest.len == 0)
        return false;

    uint64_t size = take_length(&rest);

    mcq_assert(size <= rest.len);
    *part = mcq_bytes(rest.data, (size_t) size);
    *cursor = (size_t) (rest.data - mcq_grow_bytes(&assembly->store).data) + (size_t) size;
    return true;
}
