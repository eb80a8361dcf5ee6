/* Which version a peer speaks, and its greeting. However it is cut the decoder says the same; what
 * we would send to be taken for the peer is read as it; a whole greeting stays whole whatever comes
 * behind it; and whoever is welcome under some demand is so without. */

#define FUZZ_OCTETS_MAX 256 /* more than the longest greeting: what follows is not read */
#include "fuzz.h"

/* What we would send to be taken for this peer stands at the log's end: it must be read as such,
 * and be sent again the same. */
static void check_identity(enum mcq_form form, const struct text *text)
{
    struct mcq_greeting_decoder decoder;
    struct text again = {0};
    size_t len = greeting_bytes(form);
    const uint8_t *sent = text->data + text->len - len;
    struct mcq_bytes input = mcq_bytes(sent, len);

    if (len == 0)
        return;
    mcq_greeting_decoder_init(&decoder, 0);
    if (mcq_greeting_decode(&decoder, &input) == MCQ_PROTO)
        fuzz_fail("our own greeting breaks %s", mcq_rule_name(decoder.rule));
    /* A 2.0 peer's greeting is answered with a revision that is another form's. */
    memcpy(decoder.greeting.octets, sent, len);
    write_greeting(&again, form, &decoder.greeting);
    if (memcmp(again.data + again.len - len, sent, len) != 0)
        fuzz_fail("a greeting is not sent as it was read");
    free(again.data);
}

/* What is not read is not taken, and more demands do not let more in. */
static void check_whole(struct mcq_greeting_decoder *decoder, struct text *text)
{
    static const char *const mechanisms[] = {"NULL", "PLAIN", "CURVE"};
    struct mcq_bytes more = mcq_bytes_of("more");

    if (mcq_greeting_decode(decoder, &more) != MCQ_OK || more.len != strlen("more"))
        fuzz_fail("a whole greeting takes more");
    write_number(text, "identity", mcq_form_begins_with_identity(decoder->form));
    for (size_t i = 0; i < MCQ_COUNTOF(mechanisms); i++) {
        struct mcq_bytes mechanism = mcq_bytes_of(mechanisms[i]);
        bool is_refused = mcq_form_is_refused(decoder->form, mechanism, false);

        write_number(text, "refused", is_refused);
        if (is_refused && !mcq_form_is_refused(decoder->form, mechanism, true))
            fuzz_fail("a ZAP domain lets a form in");
    }
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
        write_greeting(text, decoder.form, &decoder.greeting);
        check_identity(decoder.form, text);
        write_number(text, "form", decoder.form);
        write_number(text, "framing", decoder.framing);
        write_number(text, "version", decoder.version);
        write_octets(text, "replay", mcq_bytes(decoder.greeting.octets, decoder.replay));
        check_whole(&decoder, text);
    }
    write_number(text, "due", decoder.due);
    write_verdict(text, err, decoder.rule, decoder.accepted);
}

static void fuzz_one(const struct fuzz_input *input)
{
    fuzz_compare(input, run, 0, 1);
}
