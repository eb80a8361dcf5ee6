/*
 * datagram: endpoints of udp, which are peers of their own from bind or connect on.
 *
 * Layer:   runtime.
 * Threads: the holder of the socket's lock; the engine has no part in it.
 * Bound:   one conn for each endpoint.
 *
 *   bind, connect --> a conn whose link is UP --unbind, disconnect, close--> gone
 */
#ifndef MCQ_RUNTIME_DATAGRAM_H
#define MCQ_RUNTIME_DATAGRAM_H

#include "runtime/socket.h"
#include "transport/endpoint.h"

/* Whether the type may do this with an endpoint of this text, as far as its transport says.
 *   MCQ_TRANSPORT   it may not: *fault says why */
MCQ_MUST_CHECK enum mcq_err mcq_datagram_check(const struct mcq_socket *socket,
                                               struct mcq_bytes text, enum mcq_endpoint_use use,
                                               const char **fault);

/* bind or connect; the lock is let go of while a name is looked up. As mcq_socket_bind. */
MCQ_MUST_CHECK enum mcq_err mcq_datagram_open(struct mcq_socket *socket, struct mcq_bytes text,
                                              const struct mcq_endpoint *endpoint,
                                              enum mcq_endpoint_use use, const char **fault);

/* unbind or disconnect. MCQ_NOT_FOUND; MCQ_TRANSPORT: not for this type. */
MCQ_MUST_CHECK enum mcq_err mcq_datagram_end(struct mcq_socket *socket, struct mcq_bytes text,
                                             enum mcq_endpoint_use use);

/* --- for conn.c and peers.c ------------------------------------------------------------------ */

/* What a conn has of its endpoint. */
struct mcq_datagram_end {
    bool is_bound;
    char text[MCQ_ENDPOINT_BYTES]; /* as asked for */
    char name[MCQ_ENDPOINT_BYTES]; /* its address */
};

#endif
