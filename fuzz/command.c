/* command: a command's body, in every table of names. */
#include "fuzz.h"

static void encode_again(const struct mcq_command *command, struct mcq_bytes octets,
                         uint32_t quirks, unsigned scope, struct text *text)
{
    struct mcq_command_decoder decoder;
    struct mcq_command again;
    struct text one = {0}, other = {0};
    size_t len = command_bytes(command);
    uint8_t *body = malloc(len + 1);

    if (body == NULL)
        abort();
    must(encode_command(body, command) == body + len, "size and encoder do not agree", text);
    mcq_command_begin(&decoder, (enum mcq_command_scope) scope, (uint32_t) len, quirks);
    must(mcq_command_decode(&decoder, mcq_bytes(body, len)) == MCQ_OK, "ours is refused", text);
    mcq_command_view(&decoder, body, &again);
    write_command(&one, command);
    write_command(&other, &again);
    /* A quirk lets in what is never sent, so ours may differ then; so may the record. */
    if (quirks == 0) {
        must(mcq_bytes_equal(mcq_bytes(body, len), octets), "ours has other octets", text);
        must(one.len == other.len && memcmp(one.data, other.data, one.len) == 0,
             "ours says something else", text);
    }
    must(again.id == command->id, "ours has another name", text);
    free(one.data);
    free(other.data);
    free(body);
}

static void run(struct feed *feed, uint32_t quirks, unsigned scope, struct text *text)
{
    struct mcq_command_decoder decoder;
    struct mcq_command command;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_command_begin(&decoder, (enum mcq_command_scope) scope, (uint32_t) feed->all.len, quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_command_decode(&decoder, piece);
    must(err != MCQ_AGAIN, "a whole command is no verdict", text);
    if (is_refusal(err))
        must(mcq_command_decode(&decoder, mcq_bytes(NULL, 0)) == err, "a refusal is not repeated",
             text);
    if (err == MCQ_OK) {
        mcq_command_view(&decoder, feed->all.data, &command);
        write_command(text, &command);
        if (command.id != MCQ_COMMAND_UNKNOWN)
            encode_again(&command, feed->all, quirks, scope, text);
    }
    write_verdict(text, err, decoder.rule, decoder.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MCQ_MAX_COMMAND_BYTES)
        return 0; /* the frame's limit stands before */
    for (unsigned scope = 0; scope < MCQ_SCOPE_COUNT; scope++)
        for (size_t i = 0; i < MCQ_COUNTOF(fuzz_quirks); i++)
            compare_cuttings(mcq_bytes(data, size), fuzz_quirks[i], scope, run, false);
    return 0;
}
