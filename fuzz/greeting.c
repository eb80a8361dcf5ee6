/* Which version a peer speaks, and its greeting. */

#include "fuzz.h"

/* What we would send to be taken for this peer must be read as such, and be sent again the same. */
static void check_identity(const struct mcq_greeting_decoder *decoder)
{
    struct mcq_greeting_decoder again;
    union mcq_greeting ours;
    union mcq_greeting twice;
    size_t len = encode_greeting(&ours, decoder);
    struct mcq_bytes input = mcq_bytes(ours.octets, len);

    if (len == 0)
        return;
    mcq_greeting_decoder_init(&again, 0);
    again.form = decoder->form;
    memcpy(again.greeting.octets, ours.octets, len);
    if (encode_greeting(&twice, &again) != len || memcmp(ours.octets, twice.octets, len) != 0)
        fuzz_fail("a greeting is not sent as it was read");
    mcq_greeting_decoder_init(&again, 0);
    if (mcq_greeting_decode(&again, &input) == MCQ_PROTO)
        fuzz_fail("our own greeting breaks %s", mcq_rule_name(again.rule));
}

static void run(const struct fuzz_input *input, struct feed *feed, unsigned variant,
                struct text *text)
{
    struct mcq_greeting_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    (void) variant;
    mcq_greeting_decoder_init(&decoder, fuzz_quirks(input));
    while (err == MCQ_AGAIN && feed_next(feed, &piece)) {
        err = mcq_greeting_decode(&decoder, &piece);
        if (decoder.due > MCQ_GREETING_BYTES || decoder.accepted > MCQ_GREETING_BYTES)
            fuzz_fail("more than a greeting: %u due, %u accepted", (unsigned) decoder.due,
                      (unsigned) decoder.accepted);
    }
    if (is_refusal(err))
        check_repeats(err, mcq_greeting_decode(&decoder, &piece));
    if (err == MCQ_OK) {
        write_greeting(text, &decoder);
        write_number(text, "replay", decoder.replay);
        write_octets(text, "replayed", mcq_bytes(decoder.greeting.octets, decoder.replay));
        check_identity(&decoder);
    }
    write_number(text, "due", decoder.due);
    write_verdict(text, err, decoder.rule, decoder.accepted);
}

static void fuzz_one(const struct fuzz_input *input)
{
    fuzz_compare(input, run, 0, 1);
}
