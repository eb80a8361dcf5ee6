/* greeting: the peer's first octets, at every reading. */
#include "fuzz.h"

static void encode_again(const struct mcq_greeting *greeting, struct text *text)
{
    struct mcq_bytes name = mcq_bytes(greeting->mechanism, 0);
    struct mcq_greeting_decoder decoder;
    struct mcq_greeting ours;

    while (name.len < sizeof greeting->mechanism && name.data[name.len] != 0)
        name.len++;
    mcq_encode_greeting(&ours, mcq_get_u64be(greeting->padding), name);
    struct mcq_bytes octets = mcq_bytes(&ours, sizeof ours);

    mcq_greeting_decoder_init(&decoder, 0);
    must(mcq_greeting_decode(&decoder, &octets) == MCQ_OK, "our greeting is refused", text);
    must(memcmp(ours.mechanism, greeting->mechanism, sizeof ours.mechanism) == 0 &&
             memcmp(ours.padding, greeting->padding, sizeof ours.padding) == 0,
         "our greeting says something else", text);
}

static void run(struct feed *feed, uint32_t quirks, unsigned variant, struct text *text)
{
    struct mcq_greeting_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    (void) variant;
    mcq_greeting_decoder_init(&decoder, quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_greeting_decode(&decoder, &piece);
    if (is_refusal(err))
        must(mcq_greeting_decode(&decoder, &piece) == err, "a refusal is not repeated", text);
    if (err == MCQ_OK) {
        write_greeting(text, &decoder.greeting);
        encode_again(&decoder.greeting, text);
    }
    write_number(text, "due", mcq_greeting_due(decoder.accepted));
    write_verdict(text, err, decoder.rule, decoder.accepted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < MCQ_COUNTOF(fuzz_quirks); i++)
        compare_cuttings(mcq_bytes(data, size), fuzz_quirks[i], 0, run, false);
    return 0;
}
