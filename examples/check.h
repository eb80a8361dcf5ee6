/* check: what the larger examples share. Each call may fail; a failure ends the program and says
 * why. */
#ifndef MCQ_EXAMPLES_CHECK_H
#define MCQ_EXAMPLES_CHECK_H

#include <monocoque.h>
#include <stdio.h>
#include <stdlib.h>

#define ENDPOINT_BYTES 64

static inline void check(bool is_good)
{
    if (is_good)
        return;
    fprintf(stderr, "%s\n", mcq_last_error());
    exit(1);
}

/* A socket that is bound to a free port; says where. */
static inline struct mcq_socket *bound(struct mcq_context *context, enum mcq_type type,
                                       char endpoint[ENDPOINT_BYTES])
{
    struct mcq_socket *socket = mcq_socket(context, type);
    size_t len = ENDPOINT_BYTES;

    check(socket != NULL && mcq_bind(socket, "tcp://127.0.0.1:*") == 0);
    check(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);
    return socket;
}

static inline struct mcq_socket *connected(struct mcq_context *context, enum mcq_type type,
                                           const char *endpoint)
{
    struct mcq_socket *socket = mcq_socket(context, type);

    check(socket != NULL && mcq_connect(socket, endpoint) == 0);
    return socket;
}

#endif
