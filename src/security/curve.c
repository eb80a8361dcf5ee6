#include "security/handshake.h"

/* Without cryptography no box opens, so that no handshake of CURVE succeeds. A session refuses to
 * be configured with it. */
static bool stays_closed(struct mcq_handshake *handshake, enum mcq_rule rule)
{
    handshake->err = MCQ_PROTO;
    handshake->rule = rule;
    return false;
}

bool mcq_curve_hello_opens(struct mcq_handshake *handshake)
{
    return stays_closed(handshake, MCQ_RULE_CURVE_HELLO_SEALED);
}

bool mcq_curve_welcome_opens(struct mcq_handshake *handshake)
{
    return stays_closed(handshake, MCQ_RULE_CURVE_WELCOME_SEALED);
}

bool mcq_curve_initiate_opens(struct mcq_handshake *handshake)
{
    return stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_SEALED);
}

bool mcq_curve_ready_opens(struct mcq_handshake *handshake)
{
    return stays_closed(handshake, MCQ_RULE_CURVE_READY_SEALED);
}
