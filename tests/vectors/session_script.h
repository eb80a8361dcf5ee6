/*
 * session_script: what session_driver is told on its standard input.
 */
#ifndef MCQ_TESTS_VECTORS_SESSION_SCRIPT_H
#define MCQ_TESTS_VECTORS_SESSION_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/session.h"
#include "session_text.h"

enum op_kind {
    OP_FEED,
    OP_AT,
    OP_DUE_PING,
    OP_DUE_CLOSE,
    OP_FRAME,
    OP_SUBSCRIBE,
    OP_CANCEL,
    OP_JOIN,
    OP_LEAVE,
    OP_END
};

struct op {
    enum op_kind kind;
    struct text octets;
    uint64_t now_ns;
    bool more;
};

struct script {
    struct mcq_session_config config;
    struct text routing_id;
    struct text metadata;
    struct text username;
    struct text password;
    struct text random; /* that the session draws */
    struct mcq_curve_keys keys;
    unsigned zap_status; /* what ZAP answers when it is asked */
    uint64_t start_ns;
    uint64_t slack_ns;
    struct op *ops;
    size_t op_count;
    size_t *cuts;
    size_t cut_count;
    bool cut_everywhere;
    size_t input_bytes;
};

/* From standard input, to its end; the program ends where a line cannot be read. *script is all
 * zero before. config borrows from the rest of *script, which stays where it is. */
void script_read(struct script *script);
void script_free(struct script *script);

#endif
