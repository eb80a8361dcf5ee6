/*
 * tcp: the addresses that a tcp:// endpoint stands for.
 *
 * Layer:   transport.
 * Threads: any; where a name is looked up, that takes as long as the resolver does.
 */
#ifndef MCQ_TRANSPORT_TCP_H
#define MCQ_TRANSPORT_TCP_H

#include "base/attr.h"
#include "base/error.h"
#include "reactor/reactor.h"
#include "transport/endpoint.h"

/* Room for the longest text of an address: "tcp://[v6%zone]:port" and its zero. */
#define MCQ_TCP_TEXT_BYTES 96

/* Addresses that one name may have; further ones are not tried. */
#define MCQ_TCP_ADDRESSES_MAX 64

/* The address to bind to. `*` is any address of the family that is_ipv6 says; an interface's name
 * is its first address, with is_ipv6 one of IPv6 if it has any; other names are looked up, and IPv4
 * is taken unless is_ipv6.
 *   MCQ_OK
 *   MCQ_NOT_FOUND   no such name or interface, or none of a family that is looked for
 *   MCQ_INVAL       a name too long to be one */
MCQ_MUST_CHECK enum mcq_err mcq_tcp_resolve(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                            struct mcq_address *address);

/* The address to connect from: as above, but a name is that of an interface, or MCQ_NOT_FOUND. */
MCQ_MUST_CHECK enum mcq_err mcq_tcp_source(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                           struct mcq_address *address);

/* The system has a congestion control of this name. */
bool mcq_tcp_has_congestion(struct mcq_bytes name);

/* The address to connect to, or to bind, if it is written as a number or as `*`. Nobody is asked.
 *   MCQ_OK
 *   MCQ_AGAIN       it is a name: to be looked up
 *   MCQ_NOT_FOUND   neither an address of a family that is looked for nor a name
 *   MCQ_INVAL       too long to be one */
MCQ_MUST_CHECK enum mcq_err mcq_tcp_numeric(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                            struct mcq_address *address);

/* All addresses of a name, in the order in which they are to be tried, with port 0.
 *   MCQ_OK          *addresses is the caller's, to be freed; *count is at least 1
 *   MCQ_NOT_FOUND, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_tcp_look_up(const char *host, bool is_ipv6,
                                            struct mcq_address **addresses, uint32_t *count);

/* In the host's order; the address is IPv4 or IPv6. */
void mcq_tcp_set_port(struct mcq_address *address, uint16_t port);

/* The same host and port; of other families than IPv4 and IPv6, never. */
bool mcq_tcp_is_same(const struct mcq_address *a, const struct mcq_address *b);

/* "tcp://127.0.0.1:5555", "tcp://[::1]:5555": what can be connected to. */
void mcq_tcp_text(const struct mcq_address *address, char text[MCQ_TCP_TEXT_BYTES]);

/* Of 127.0.0.0/8, in IPv6's clothes or not, or ::1. */
bool mcq_tcp_is_loopback(const struct mcq_address *address);

#endif
