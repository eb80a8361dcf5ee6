/* Peers that speak no ZMTP: there is nothing to agree on, and no octet of theirs can be wrong. */

#include "session/state.h"

void mcq_session_begin_raw(struct mcq_session *session)
{
    session->phase = MCQ_PHASE_RAW;
    session->due = MCQ_DUE_READY;
    session->handshake_at_ns = MCQ_NEVER_NS;
    session->frames.framing = MCQ_FRAMING_RAW;
}

enum mcq_err mcq_session_feed_raw(struct mcq_session *session, struct mcq_bytes *in,
                                  struct mcq_event *event)
{
    size_t len = mcq_min_size(in->len, session->config.piece_bytes);

    if (len == 0)
        return MCQ_AGAIN;
    event->kind = MCQ_EVENT_BODY;
    event->body.part_index = 0;
    event->body.piece = (struct mcq_frame_piece) {
        .body = mcq_bytes(in->data, len), .size = len, .first = true, .last = true};
    mcq_bytes_skip(in, len);
    session->frames.offset += len;
    return MCQ_OK;
}
