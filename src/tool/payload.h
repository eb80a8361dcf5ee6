/*
 * payload: the messages that a verb is to send: of its arguments, of a file, made up, or one for
 * each line of the input.
 *
 * Layer:   tool.
 */
#ifndef MCQ_TOOL_PAYLOAD_H
#define MCQ_TOOL_PAYLOAD_H

#include "tool/wire.h"

struct tool_payload {
    const struct tool_options *options;
    uint64_t made; /* messages so far */
    char *line;
    size_t room;
};

/* The next message. 1: it is there; 0: that was all; -1: it has said why not. */
int mcq_tool_next(struct tool_payload *payload, struct tool_message *message);
void mcq_tool_payload_free(struct tool_payload *payload);

/* What this command prints if it is given the message, a line for each part: the reply. false: it
 * has said why there is none. */
bool mcq_tool_exec(const char *command, const struct tool_message *request,
                   struct tool_message *reply);

#endif
