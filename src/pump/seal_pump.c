#include "pump/seal_pump.h"

#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "wire/encode.h"
#include "wire/frame.h"
#include "wire/limits.h"

#define MARKS_MIN 64
/* A batch and the frames around its last message, as long as that is a small one. */
#define ROOM_BYTES_MIN (MCQ_WPUMP_BATCH_BYTES + 2 * MCQ_WPUMP_COPY_MAX)
/* What a warm room may have grown to. */
#define ROOM_BYTES_KEPT ((size_t) 2 * ROOM_BYTES_MIN)

/* --- room ------------------------------------------------------------------------------------- */

void mcq_spump_init(struct mcq_spump *pump, struct mcq_spump_room *spare)
{
    *pump = (struct mcq_spump) {.spare = spare};
}

void mcq_spump_room_fini(struct mcq_spump_room *room)
{
    mcq_free(room->octets);
    mcq_free(room->marks);
    *room = (struct mcq_spump_room) {0};
}

static void take_room(struct mcq_spump *pump)
{
    if (pump->room.octets != NULL)
        return;
    pump->room = *pump->spare;
    *pump->spare = (struct mcq_spump_room) {0};
}

static void put_room(struct mcq_spump *pump)
{
    if (pump->spare->octets == NULL && pump->room.capacity <= ROOM_BYTES_KEPT) {
        mcq_spump_room_fini(pump->spare);
        *pump->spare = pump->room;
    } else {
        mcq_spump_room_fini(&pump->room);
    }
    pump->room = (struct mcq_spump_room) {0};
    pump->len = 0;
    pump->sent = 0;
    pump->mark_count = 0;
    pump->mark_at = 0;
    pump->clear_at = 0;
}

void mcq_spump_fini(struct mcq_spump *pump)
{
    put_room(pump);
    pump->ahead_bytes = 0;
    pump->lent_bytes = 0;
}

static enum mcq_err reserve_octets(struct mcq_spump_room *room, size_t len)
{
    size_t wider = mcq_size_add(len, len / 2);
    uint8_t *octets;

    if (len <= room->capacity)
        return MCQ_OK;
    if (wider < ROOM_BYTES_MIN)
        wider = ROOM_BYTES_MIN;
    octets = mcq_realloc(room->octets, wider);
    if (octets == NULL)
        return MCQ_NOMEM;
    room->octets = octets;
    room->capacity = wider;
    return MCQ_OK;
}

static enum mcq_err reserve_mark(struct mcq_spump_room *room, uint32_t count)
{
    uint32_t wider = room->mark_capacity > 0 ? 2 * room->mark_capacity : MARKS_MIN;
    struct mcq_spump_mark *marks;

    if (count < room->mark_capacity)
        return MCQ_OK;
    if (wider > UINT32_MAX / 2)
        return MCQ_NOMEM;
    marks = mcq_realloc(room->marks, mcq_size_mul(wider, sizeof *marks));
    if (marks == NULL)
        return MCQ_NOMEM;
    room->marks = marks;
    room->mark_capacity = wider;
    return MCQ_OK;
}

/* --- sealing ---------------------------------------------------------------------------------- */

/* A batch in the making. */
struct batch {
    struct mcq_spump *pump;
    struct mcq_session *session;
    size_t frame_at; /* of the frame that is being copied */
    size_t at;       /* where its next octets go */
    uint64_t clear;  /* octets in clear so far */
};

static enum mcq_err add_piece(struct batch *batch, const struct mcq_frame_piece *piece)
{
    struct mcq_spump *pump = batch->pump;
    size_t head = mcq_session_seal_head(piece->size);

    if (piece->first) {
        size_t end = mcq_size_add(batch->at, mcq_size_add(head, (size_t) piece->size));

        MCQ_TRY(reserve_octets(&pump->room, end));
        batch->frame_at = batch->at;
        batch->at += head;
        batch->clear += mcq_frame_head_bytes(piece->size);
    }
    if (piece->body.len > 0)
        memcpy(pump->room.octets + batch->at, piece->body.data, piece->body.len);
    batch->at += piece->body.len;
    batch->clear += piece->body.len;
    if (!piece->last)
        return MCQ_OK;
    mcq_session_seal(batch->session, piece->flags & MCQ_FRAME_MORE,
                     pump->room.octets + batch->frame_at, (size_t) piece->size);
    if (piece->flags & MCQ_FRAME_MORE)
        return MCQ_OK;
    MCQ_TRY(reserve_mark(&pump->room, pump->mark_count));
    pump->room.marks[pump->mark_count++] = (struct mcq_spump_mark) {batch->at, batch->clear};
    pump->len = batch->at;
    return MCQ_OK;
}

/* Seals whole messages, as many as make a batch. A frame that finds no room costs a number: there
 * may be gaps in them. */
static enum mcq_err fill(struct mcq_spump *pump, const struct mcq_wpump *clear,
                         struct mcq_session *session)
{
    struct mcq_wpump_cursor cursor = mcq_wpump_walk(clear);
    uint64_t left = mcq_wpump_waiting_bytes(clear);
    struct batch batch = {.pump = pump, .session = session};
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    struct mcq_bytes run;
    struct mcq_buf *owner;
    enum mcq_err err = MCQ_OK;

    mcq_frame_decoder_init(&frames, 0, MCQ_MAX_FRAME_BYTES, 0);
    while (left > 0 && pump->len < MCQ_WPUMP_BATCH_BYTES && err != MCQ_NOMEM &&
           mcq_wpump_walk_on(clear, &cursor, &run, &owner)) {
        run.len = (size_t) mcq_min_u64(run.len, left);
        left -= run.len;
        while (pump->len < MCQ_WPUMP_BATCH_BYTES &&
               (err = mcq_frame_decode(&frames, &run, &piece)) == MCQ_OK &&
               (err = add_piece(&batch, &piece)) == MCQ_OK)
            ;
    }
    return pump->mark_count > 0 || err != MCQ_NOMEM ? MCQ_OK : MCQ_NOMEM;
}

/* --- lending ---------------------------------------------------------------------------------- */

static void lend_run(struct iovec *iov, size_t *count, const uint8_t *octets, size_t len)
{
    if (len > 0)
        iov[(*count)++] = (struct iovec) {(void *) (uintptr_t) octets, len};
}

enum mcq_err mcq_spump_lend(struct mcq_spump *pump, const struct mcq_wpump *clear,
                            struct mcq_session *session, struct iovec iov[MCQ_SPUMP_IOV_MAX],
                            size_t *count)
{
    struct mcq_bytes own;

    mcq_assert(pump->lent_bytes == 0);
    if (pump->sent == pump->len && mcq_wpump_waiting_bytes(clear) > 0) {
        take_room(pump);
        MCQ_TRY(fill(pump, clear, session));
        pump->ahead_bytes = mcq_session_want(session).len;
    }
    own = mcq_session_want(session);
    if (pump->sent == pump->len)
        pump->ahead_bytes = own.len;
    *count = 0;
    lend_run(iov, count, own.data, pump->ahead_bytes);
    if (pump->len > pump->sent)
        lend_run(iov, count, pump->room.octets + pump->sent, pump->len - pump->sent);
    if (own.len > pump->ahead_bytes)
        lend_run(iov, count, own.data + pump->ahead_bytes, own.len - pump->ahead_bytes);
    pump->lent_bytes = own.len + pump->len - pump->sent;
    return MCQ_OK;
}

/* Whole messages are gone. */
static void tell_clear(struct mcq_spump *pump, struct mcq_wpump *clear)
{
    uint64_t gone = pump->clear_at;

    while (pump->mark_at < pump->mark_count &&
           pump->room.marks[pump->mark_at].sealed_end <= pump->sent)
        pump->clear_at = pump->room.marks[pump->mark_at++].clear_end;
    if (pump->clear_at > gone)
        mcq_wpump_skip(clear, (size_t) (pump->clear_at - gone));
}

size_t mcq_spump_on_written(struct mcq_spump *pump, struct mcq_wpump *clear,
                            struct mcq_session *session, size_t len)
{
    size_t ahead = mcq_min_size(len, pump->ahead_bytes);
    size_t sealed = mcq_min_size(len - ahead, pump->len - pump->sent);

    mcq_assert(len <= pump->lent_bytes);
    pump->lent_bytes = 0;
    pump->ahead_bytes -= ahead;
    pump->sent += sealed;
    mcq_session_sent(session, len - sealed);
    tell_clear(pump, clear);
    if (pump->sent == pump->len && pump->room.octets != NULL)
        put_room(pump);
    return len - sealed;
}
