/* read_command: a whole input through the decoder of commands, in the pieces of its feed. */
#ifndef MCQ_FUZZ_READ_COMMAND_H
#define MCQ_FUZZ_READ_COMMAND_H

#include "fuzz.h"
#include "wire/command.h"

/* MCQ_AGAIN: it wants more than there is. */
static inline enum mcq_err read_command(struct mcq_command_decoder *decoder,
                                        enum mcq_command_scope scope,
                                        const struct fuzz_input *input, uint32_t quirks,
                                        struct feed *feed)
{
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_command_begin(decoder, scope, (uint32_t) input->octets.len, quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_command_decode(decoder, piece);
    return err;
}

#endif
