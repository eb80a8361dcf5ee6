#include "security/handshake.h"

/* The octets stay where the command is; whoever is asked copies them, and wipes its copy. */
void mcq_plain_keep_credentials(struct mcq_handshake *handshake)
{
    handshake->credentials = (struct mcq_credentials) {
        .username = handshake->command->plain_hello.username,
        .password = handshake->command->plain_hello.password,
    };
}

bool mcq_plain_metadata_ok(struct mcq_handshake *handshake)
{
    return mcq_handshake_metadata_ok(handshake);
}
