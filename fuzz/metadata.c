/* metadata: a list of properties, and what it says to a socket. */
#include "fuzz.h"

#include "table/socket_type.h"

static void write_list(struct text *text, struct mcq_bytes list)
{
    const uint8_t *at = list.data;
    struct mcq_property property;

    while (mcq_property_next(&list, &property)) {
        size_t len = property_bytes(&property);
        uint8_t *octets = malloc(len);

        if (octets == NULL)
            abort();
        write_property(text, &property);
        must(encode_property(octets, &property) == octets + len, "not its size", text);
        must(memcmp(octets, at, len) == 0 && list.data == at + len, "other octets", text);
        at += len;
        free(octets);
    }
    must(list.len == 0, "octets are left", text);
}

static void run(struct feed *feed, uint32_t quirks, unsigned own, struct text *text)
{
    struct mcq_metadata_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;
    struct mcq_ready ready;
    enum mcq_rule rule;

    mcq_metadata_begin(&decoder, (uint32_t) feed->all.len, MCQ_MAX_PROPERTIES_NATIVE, quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_metadata_decode(&decoder, piece);
    must(err != MCQ_AGAIN, "a whole list is no verdict", text);
    if (is_refusal(err))
        must(mcq_metadata_decode(&decoder, mcq_bytes(NULL, 0)) == err, "a refusal is not repeated",
             text);
    write_verdict(text, err, decoder.rule, decoder.at);
    if (err != MCQ_OK)
        return;
    write_list(text, feed->all);
    err = mcq_ready_check(feed->all, (enum mcq_socket_type) own, quirks, &ready, &rule);
    if (err == MCQ_OK)
        write_ready(text, &ready);
    write_verdict(text, err, rule, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MCQ_MAX_COMMAND_BYTES)
        return 0; /* the command's limit stands before */
    /* A few of our types: which ones, the length says. */
    for (size_t i = 0; i < MCQ_COUNTOF(fuzz_quirks); i++)
        for (unsigned own = 0; own < MCQ_SOCKET_TYPE_LIMIT; own += 1 + (unsigned) size % 5)
            if (mcq_socket_type_row((enum mcq_socket_type) own) != NULL)
                compare_cuttings(mcq_bytes(data, size), fuzz_quirks[i], own, run, false);
    return 0;
}
