#include "security/handshake.h"

void mcq_handshake_init(struct mcq_handshake *handshake, const struct mcq_machine *machine,
                        enum mcq_socket_type own, uint32_t quirks)
{
    *handshake = (struct mcq_handshake) {
        .machine = machine,
        .own = own,
        .quirks = quirks,
        .state = machine->start,
        .ready.socket_type = MCQ_SOCKET_TYPE_NONE,
    };
}

void mcq_handshake_step(struct mcq_handshake *handshake, unsigned event)
{
    const struct mcq_machine *machine = handshake->machine;

    mcq_assert(handshake->state < machine->state_count);
    mcq_assert(event < machine->event_count);

    const struct mcq_step *step = &machine->steps[handshake->state * machine->event_count + event];
    bool agreed = step->guard == NULL || step->guard(handshake);

    if (agreed && step->action != NULL)
        step->action(handshake);
    handshake->state = agreed ? step->next : step->otherwise;
    if (mcq_handshake_rejected(handshake))
        handshake->reason = (enum mcq_reason) step->reason;
}

enum mcq_command_id mcq_handshake_sends(const struct mcq_handshake *handshake)
{
    if (handshake->state >= handshake->machine->state_count)
        return MCQ_COMMAND_UNKNOWN;
    return (enum mcq_command_id) handshake->machine->sends[handshake->state];
}

bool mcq_handshake_may_ask(const struct mcq_handshake *handshake)
{
    return handshake->state < handshake->machine->state_count &&
           handshake->machine->asks[handshake->state] != MCQ_ASKS_NOT;
}

bool mcq_handshake_asks(const struct mcq_handshake *handshake, bool is_told)
{
    return mcq_handshake_may_ask(handshake) &&
           (is_told || handshake->machine->asks[handshake->state] == MCQ_ASKS_ALWAYS);
}

bool mcq_handshake_metadata_ok(struct mcq_handshake *handshake)
{
    if (handshake->err == MCQ_OK)
        handshake->err = mcq_ready_check(handshake->metadata, handshake->own, handshake->quirks,
                                         &handshake->ready, &handshake->rule);
    return handshake->err == MCQ_OK;
}

enum mcq_rule mcq_handshake_rule(const struct mcq_handshake *handshake)
{
    if (handshake->state >= handshake->machine->state_count)
        return MCQ_RULE_NONE;
    return (enum mcq_rule) handshake->machine->rules[handshake->state];
}
