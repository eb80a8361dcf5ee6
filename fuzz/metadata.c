/* Metadata, and what those properties say that the protocol knows by name. However it is cut the
 * decoder says the same; a list that it accepts can be walked to its end, and each property is
 * encoded to the octets that it came as. */

#define FUZZ_OCTETS_MAX 8192
#include "fuzz.h"

#include "wire/limits.h"

static void write_properties(struct text *text, struct mcq_bytes rest)
{
    struct mcq_property property;
    struct mcq_bytes before = rest;

    while (mcq_property_next(&rest, &property)) {
        size_t len = property_bytes(&property);
        uint8_t *octets = malloc(len + 1);

        if (octets == NULL)
            fuzz_fail("out of memory");
        if (encode_property(octets, &property) != octets + len || len != before.len - rest.len ||
            memcmp(octets, before.data, len) != 0)
            fuzz_fail("a property is not sent as it was read");
        free(octets);
        write_property(text, &property);
        before = rest;
    }
    if (rest.len > 0)
        fuzz_fail("%zu octets of a good list are left", rest.len);
}

static void run(const struct fuzz_input *input, struct feed *feed, unsigned variant,
                struct text *text)
{
    enum mcq_socket_type own = (enum mcq_socket_type) input->choice[0];
    uint32_t quirks = fuzz_quirks(input);
    struct mcq_metadata_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    (void) variant;
    mcq_metadata_begin(&decoder, (uint32_t) input->octets.len, MCQ_MAX_PROPERTIES, quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_metadata_decode(&decoder, piece);
    if (err == MCQ_AGAIN)
        fuzz_fail("a list that is all there wants more");
    if (is_refusal(err))
        check_repeats(err, mcq_metadata_decode(&decoder, mcq_bytes(NULL, 0)));
    write_verdict(text, err, decoder.rule, decoder.at);
    if (err == MCQ_OK) {
        struct mcq_ready ready;
        enum mcq_rule rule = MCQ_RULE_NONE;

        write_properties(text, input->octets);
        err = mcq_ready_check(input->octets, own, quirks, &ready, &rule);
        if (err == MCQ_OK)
            write_ready(text, &ready);
        write_verdict(text, err, rule, 0);
    }
}

static void fuzz_one(const struct fuzz_input *input)
{
    if (mcq_socket_type_row((enum mcq_socket_type) input->choice[0]) != NULL)
        fuzz_compare(input, run, 0, 1);
}
