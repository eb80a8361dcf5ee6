#include "socket/pattern.h"

static const struct mcq_pattern_ops *const pattern_table[] = {
    &mcq_pattern_pair,    &mcq_pattern_pub,    &mcq_pattern_sub,     &mcq_pattern_req,
    &mcq_pattern_rep,     &mcq_pattern_dealer, &mcq_pattern_router,  &mcq_pattern_pull,
    &mcq_pattern_push,    &mcq_pattern_xpub,   &mcq_pattern_xsub,    &mcq_pattern_client,
    &mcq_pattern_server,  &mcq_pattern_radio,  &mcq_pattern_dish,    &mcq_pattern_gather,
    &mcq_pattern_scatter, &mcq_pattern_peer,   &mcq_pattern_channel, &mcq_pattern_stream,
    &mcq_pattern_dgram,
};

const struct mcq_pattern_ops *mcq_pattern_find(enum mcq_socket_type type)
{
    for (size_t i = 0; i < MCQ_COUNTOF(pattern_table); i++)
        if (pattern_table[i]->type == type)
            return pattern_table[i];
    return NULL;
}
