/*
 * tcp: the addresses that a tcp:// endpoint stands for.
 *
 * Layer:   transport.
 * Threads: any; a name may be looked up, which takes as long as the resolver does.
 */
#ifndef MCQ_TRANSPORT_TCP_H
#define MCQ_TRANSPORT_TCP_H

#include "base/attr.h"
#include "base/error.h"
#include "reactor/reactor.h"
#include "transport/endpoint.h"

/* Room for the longest text of an address: "tcp://[v6%zone]:port" and its zero. */
#define MCQ_TCP_TEXT_BYTES 96

/* The address to bind or to connect to. `*` is any address of the family that is_ipv6 says; names
 * are looked up, and IPv4 is taken unless is_ipv6.
 *   MCQ_OK
 *   MCQ_NOT_FOUND   no such name or interface, or none of a family that is looked for
 *   MCQ_INVAL       a name too long to be one */
MCQ_MUST_CHECK enum mcq_err mcq_tcp_resolve(const struct mcq_endpoint *endpoint,
                                            enum mcq_endpoint_use use, bool is_ipv6,
                                            struct mcq_address *address);

/* "tcp://127.0.0.1:5555", "tcp://[::1]:5555": what can be connected to. */
void mcq_tcp_text(const struct mcq_address *address, char text[MCQ_TCP_TEXT_BYTES]);

#endif
