/*
 * udp: the addresses that a udp:// endpoint stands for, and those of datagrams as text.
 *
 * Layer:   transport.
 * Threads: any; where a name is looked up, that takes as long as the resolver does.
 */
#ifndef MCQ_TRANSPORT_UDP_H
#define MCQ_TRANSPORT_UDP_H

#include "base/attr.h"
#include "base/error.h"
#include "reactor/reactor.h"
#include "transport/endpoint.h"

/* Room for the longest text of an endpoint, and its zero: "udp://[v6%zone]:port". */
#define MCQ_UDP_TEXT_BYTES 96

/* The place that an endpoint stands for, as far as nobody has to be asked.
 *   MCQ_OK
 *   MCQ_AGAIN       it has a name: to be looked up
 *   MCQ_NOT_FOUND   neither an address of a family that is looked for nor a name; or no interface
 *                   has the name, or the address, that stands in front of the group
 *   MCQ_INVAL       too long to be one; or, as *fault says, an interface in front of what is no
 *                   group */
MCQ_MUST_CHECK enum mcq_err mcq_udp_numeric(const struct mcq_endpoint *endpoint,
                                            enum mcq_endpoint_use use, bool is_ipv6,
                                            struct mcq_datagram_place *place, const char **fault);

/* The same, asking whoever knows: to bind, an interface's first address, or a name's; to connect, a
 * name's first. Not MCQ_AGAIN. */
MCQ_MUST_CHECK enum mcq_err mcq_udp_resolve(const struct mcq_endpoint *endpoint,
                                            enum mcq_endpoint_use use, bool is_ipv6,
                                            struct mcq_datagram_place *place, const char **fault);

/* "udp://127.0.0.1:5555", "udp://[ff02::1]:5555". */
void mcq_udp_text(const struct mcq_address *address, char text[MCQ_UDP_TEXT_BYTES]);

/* A sender's address, "127.0.0.1:5555" or "[::1]:5555". One of IPv4 in IPv6's clothes is without.
 * Returns the length. */
size_t mcq_udp_peer_text(const struct mcq_address *address, char text[MCQ_UDP_TEXT_BYTES]);

/* Back, for a socket of this family; a zero octet may stand behind it. false: it is none, or one
 * that such a socket does not reach. */
bool mcq_udp_parse_peer(struct mcq_bytes text, sa_family_t family, struct mcq_address *address);

#endif
