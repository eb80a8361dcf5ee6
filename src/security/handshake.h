/*
 * handshake: walks a mechanism's machine and keeps why it ended.
 *
 * Layer:   security. Sans-IO.
 * Threads: the session's.
 *
 * The machines are generated (security/steps.h); what their guards ask and their actions do is
 * written by hand, one file a mechanism.
 */
#ifndef MCQ_SECURITY_HANDSHAKE_H
#define MCQ_SECURITY_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "security/steps.h"
#include "table/socket_type.h"
#include "wire/command.h"
#include "wire/metadata.h"

/* What a peer shows to prove who it is. Empty where the mechanism has no such thing. */
struct mcq_credentials {
    struct mcq_bytes username;
    struct mcq_bytes password;
    struct mcq_bytes public_key; /* CURVE's, and proved */
};

struct mcq_curve;

struct mcq_handshake {
    const struct mcq_machine *machine;
    enum mcq_socket_type own;
    uint32_t quirks; /* MCQ_QUIRK_* bits */
    uint8_t state;
    enum mcq_reason reason;             /* of the rejection */
    enum mcq_err err;                   /* what a guard found; MCQ_OK: nothing */
    enum mcq_rule rule;                 /* the rule it found broken */
    const struct mcq_command *command;  /* the one this step is about, else NULL */
    struct mcq_curve *curve;            /* NULL: another mechanism */
    uint8_t *body;                      /* of the command; written by CURVE, NULL for others */
    struct mcq_bytes metadata;          /* the peer's; set before the step that asks for it */
    struct mcq_ready ready;             /* what it says, once accepted */
    struct mcq_credentials credentials; /* what ZAP is asked about; borrowed from the command */
};

void mcq_handshake_init(struct mcq_handshake *handshake, const struct mcq_machine *machine,
                        enum mcq_socket_type own, uint32_t quirks);

/* Takes one event's answer. The caller sends what mcq_handshake_sends names and reports it as
 * `sent`. */
void mcq_handshake_step(struct mcq_handshake *handshake, unsigned event);

/* The command to send on entering the present state; MCQ_COMMAND_UNKNOWN: none. */
enum mcq_command_id mcq_handshake_sends(const struct mcq_handshake *handshake);

/* Does the present state ask ZAP? `is_told`: it is configured. */
bool mcq_handshake_asks(const struct mcq_handshake *handshake, bool is_told);

/* ... or would, if it were configured: the answer is yes. */
bool mcq_handshake_may_ask(const struct mcq_handshake *handshake);

/* What READY and its like say, held against their rules; shared by the guards of the mechanisms. */
bool mcq_handshake_metadata_ok(struct mcq_handshake *handshake);

/* The rule of the present state, for reports; MCQ_RULE_NONE once it ended. */
enum mcq_rule mcq_handshake_rule(const struct mcq_handshake *handshake);

static inline bool mcq_handshake_accepted(const struct mcq_handshake *handshake)
{
    return handshake->state == handshake->machine->accept;
}

static inline bool mcq_handshake_rejected(const struct mcq_handshake *handshake)
{
    return handshake->state == handshake->machine->reject;
}

#endif
