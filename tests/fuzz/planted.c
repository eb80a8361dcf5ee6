/* A target with two bugs in it, for the tests of fuzz/campaign. A fuzzer has to make a PING whose
 * context is long enough and begins with the right octet. */

#include "fuzz/read_command.h"

#define CONTEXT_LEAST 4

#ifdef MCQ_PLANTED_BUG
static void bugs(struct mcq_bytes context)
{
    if (context.len < CONTEXT_LEAST)
        return;
    if (context.data[0] == '!')
        fuzz_fail("a planted bug, with %zu octets of context", context.len);
    if (context.data[0] == '?') { /* reads one octet too many, which only a sanitizer sees */
        uint8_t *copy = malloc(context.len);
        unsigned sum = 0;

        if (copy == NULL)
            fuzz_fail("out of memory");
        memcpy(copy, context.data, context.len);
        for (size_t i = 0; i <= context.len; i++)
            sum += copy[i];
        fprintf(stderr, "%u\n", sum);
        free(copy);
    }
}
#else
static void bugs(struct mcq_bytes context)
{
    (void) context;
}
#endif

static void run(const struct fuzz_input *input, struct feed *feed, unsigned variant,
                struct text *text)
{
    struct mcq_command_decoder decoder;
    struct mcq_command command;
    enum mcq_command_scope scope = (enum mcq_command_scope)(input->choice[0] % MCQ_SCOPE_COUNT);
    enum mcq_err err = read_command(&decoder, scope, input, fuzz_quirks(input), feed);

    (void) variant;
    write_verdict(text, err, decoder.rule, decoder.at);
    if (err != MCQ_OK)
        return;
    mcq_command_view(&decoder, input->octets.data, &command);
    if (command.id == MCQ_COMMAND_PING)
        bugs(command.ping.context);
}

static void fuzz_one(const struct fuzz_input *input)
{
    fuzz_compare(input, run, 0, 1);
}
