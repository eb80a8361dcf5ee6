/* One command's body, in each table of names. However it is cut the decoder says the same, and says
 * it again when asked again; a command that needed no quirk is encoded to the octets that it came
 * as, and any other to as many as its size says. */

#define FUZZ_OCTETS_MAX 4096
#include "read_command.h"

/* A command that needed no quirk is sent as it came; any other fits the size that it is to have. */
static void check_identity(const struct fuzz_input *input, const struct mcq_command *command)
{
    size_t len = command_bytes(command);
    uint8_t *octets = malloc(len + 1);

    if (octets == NULL)
        fuzz_fail("out of memory");
    if (encode_command(octets, command) != octets + len)
        fuzz_fail("%s: size and encoder do not agree", mcq_command_name(command->id));
    if (fuzz_quirks(input) == 0 && !mcq_bytes_equal(mcq_bytes(octets, len), input->octets))
        fuzz_fail("%s is not sent as it was read", mcq_command_name(command->id));
    free(octets);
}

static void run(const struct fuzz_input *input, struct feed *feed, unsigned variant,
                struct text *text)
{
    struct mcq_command_decoder decoder;
    struct mcq_command command;
    enum mcq_command_scope scope = (enum mcq_command_scope)(input->choice[0] % MCQ_SCOPE_COUNT);
    enum mcq_err err = read_command(&decoder, scope, input, fuzz_quirks(input), feed);

    (void) variant;
    if (err == MCQ_AGAIN)
        fuzz_fail("a command that is all there wants more");
    if (is_refusal(err))
        check_repeats(err, mcq_command_decode(&decoder, mcq_bytes(NULL, 0)));
    if (err == MCQ_OK) {
        mcq_command_view(&decoder, input->octets.data, &command);
        write_command(text, &command);
        write_number(text, "metadata", (uint64_t) mcq_command_metadata_span(command.id));
        if (command.id != MCQ_COMMAND_UNKNOWN)
            check_identity(input, &command);
    }
    write_verdict(text, err, decoder.rule, decoder.at);
}

static void fuzz_one(const struct fuzz_input *input)
{
    fuzz_compare(input, run, 0, 1);
}
