#include "security/handshake.h"

/* NULL proves nothing; all that READY has to do is to be well-formed and to name a type that fits.
 * */
bool mcq_null_metadata_ok(struct mcq_handshake *handshake)
{
    if (handshake->err == MCQ_OK)
        handshake->err = mcq_ready_check(handshake->metadata, handshake->own, handshake->quirks,
                                         &handshake->ready, &handshake->rule);
    return handshake->err == MCQ_OK;
}
