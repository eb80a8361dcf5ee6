/* frame: a stream of frames, by the straight-line code and by the machine. */
#include "fuzz.h"

#define MESSAGE_MOST 65536 /* so that both limits are met by small inputs */
#define COMMAND_MOST 4096

static void encode_again(const struct mcq_frame_piece *piece, uint32_t quirks, struct text *text)
{
    uint8_t head[MCQ_FRAME_HEAD_MAX];
    uint8_t flags = piece->flags & (uint8_t) ~MCQ_FRAME_LONG;
    uint8_t *end = mcq_encode_frame_head(head, flags, piece->size);
    struct mcq_bytes octets = mcq_bytes(head, (size_t) (end - head));
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece ours;

    must(octets.len == mcq_frame_head_bytes(piece->size), "a head of another size", text);
    mcq_frame_decoder_init(&decoder, quirks, MESSAGE_MOST, COMMAND_MOST);
    must(mcq_frame_decode(&decoder, &octets, &ours) == MCQ_OK && ours.size == piece->size &&
             (ours.flags & (uint8_t) ~MCQ_FRAME_LONG) == flags,
         "our head says something else", text);
}

/* The record of a frame begins with its first piece and ends with its last. */
static void write_piece(struct text *text, const struct mcq_frame_piece *piece, uint32_t quirks)
{
    if (piece->first) {
        write_number(text, "flags", piece->flags);
        write_number(text, "size", piece->size);
        encode_again(piece, quirks, text);
        write_text(text, " body ");
    }
    write_raw(text, piece->body.data, piece->body.len);
    if (piece->last)
        write_text(text, " last\n");
}

static void run(struct feed *feed, uint32_t quirks, unsigned by_machine, struct text *text)
{
    enum mcq_err (*decode)(struct mcq_frame_decoder *, struct mcq_bytes *,
                           struct mcq_frame_piece *) =
        by_machine ? mcq_frame_decode_slow : mcq_frame_decode;
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece frame;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_frame_decoder_init(&decoder, quirks, MESSAGE_MOST, COMMAND_MOST);
    while (err == MCQ_AGAIN && feed_next(feed, &piece)) {
        while ((err = decode(&decoder, &piece, &frame)) == MCQ_OK)
            write_piece(text, &frame, quirks);
        must(err != MCQ_AGAIN || piece.len == 0, "octets are left", text);
    }
    if (is_refusal(err))
        must(decode(&decoder, &piece, &frame) == err, "a refusal is not repeated", text);
    write_verdict(text, err, decoder.rule, decoder.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < MCQ_COUNTOF(fuzz_quirks); i++)
        compare_cuttings(mcq_bytes(data, size), fuzz_quirks[i], 0, run, true);
    return 0;
}
