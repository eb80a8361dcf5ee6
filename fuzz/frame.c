/* Frames of each framing. The straight-line code and the machine say the same of them, however
 * they are cut; the pieces of a frame make it up and agree on it; a header that we would send
 * for what was read is read as that. */

#define FUZZ_OCTETS_MAX 4096
#include "fuzz.h"

#include "wire/limits.h"

#define LIMIT_BYTES 65536 /* for large sizes to be tried on both sides of a limit */

/* A header that we would send for this frame is read as it, and is no longer than the peer's. */
static void check_identity(enum mcq_framing framing, const struct mcq_frame_piece *piece)
{
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece again;
    uint8_t flags = piece->flags & (uint8_t) ~MCQ_FRAME_LONG;
    uint8_t head[MCQ_FRAME_HEAD_MAX];
    uint8_t twice[MCQ_FRAME_HEAD_MAX];
    size_t len = (size_t) (mcq_encode_frame_head_as(framing, head, flags, piece->size) - head);
    struct mcq_bytes input = mcq_bytes(head, len);

    mcq_frame_decoder_init(&decoder, UINT32_MAX, MCQ_MAX_FRAME_BYTES, UINT32_MAX);
    mcq_frame_decoder_set_framing(&decoder, framing);
    if (mcq_frame_decode(&decoder, &input, &again) != MCQ_OK || again.size != piece->size ||
        (again.flags & (uint8_t) ~MCQ_FRAME_LONG) != flags || !again.first)
        fuzz_fail("a header is not sent as it was read");
    mcq_encode_frame_head_as(framing, twice, flags, again.size);
    if (memcmp(head, twice, len) != 0)
        fuzz_fail("a header is not sent twice the same");
}

/* Joins the pieces of a frame, so that cuts do not show, and holds them against each other. */
static void write_piece(struct text *text, enum mcq_framing framing, uint64_t *got,
                        const struct mcq_frame_piece *last, const struct mcq_frame_piece *piece)
{
    if (piece->first != last->last)
        fuzz_fail("a frame begins before another one is over");
    if (piece->first) {
        *got = 0;
        check_identity(framing, piece);
        write_number(text, "flags", piece->flags);
        write_number(text, "size", piece->size);
    } else if (piece->flags != last->flags || piece->size != last->size) {
        fuzz_fail("the pieces of a frame do not agree on it");
    }
    *got += piece->body.len;
    if (piece->last != (*got == piece->size))
        fuzz_fail("last is %d after %" PRIu64 " of %" PRIu64 " octets", piece->last, *got,
                  piece->size);
    write_raw(text, piece->body.data, piece->body.len);
}

static void run(const struct fuzz_input *input, struct feed *feed, unsigned is_slow,
                struct text *text)
{
    enum mcq_framing framing = (enum mcq_framing)(input->choice[0] % MCQ_FRAMING_COUNT);
    enum mcq_err (*decode)(struct mcq_frame_decoder *, struct mcq_bytes *,
                           struct mcq_frame_piece *) =
        is_slow ? mcq_frame_decode_slow : mcq_frame_decode;
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece last = {.last = true};
    struct mcq_frame_piece frame;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;
    uint64_t got = 0;

    mcq_frame_decoder_init(&decoder, fuzz_quirks(input),
                           input->choice[1] & 4 ? LIMIT_BYTES : MCQ_MAX_FRAME_BYTES, LIMIT_BYTES);
    mcq_frame_decoder_set_framing(&decoder, framing);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        while ((err = decode(&decoder, &piece, &frame)) == MCQ_OK) {
            write_piece(text, framing, &got, &last, &frame);
            last = frame;
        }
    if (is_refusal(err))
        check_repeats(err, decode(&decoder, &piece, &frame));
    write_number(text, "open", !last.last);
    write_verdict(text, err, decoder.rule, decoder.offset);
}

static void fuzz_one(const struct fuzz_input *input)
{
    fuzz_compare(input, run, 0, 2);
}
