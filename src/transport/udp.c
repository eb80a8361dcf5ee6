#include "transport/udp.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "arena/alloc.h"
#include "transport/tcp.h"

static const char interface_fault[] = "an interface and ';' stand in front of a multicast group";

static struct sockaddr_in v4_of(const struct mcq_address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in);
    return in;
}

static struct sockaddr_in6 v6_of(const struct mcq_address *address)
{
    struct sockaddr_in6 in6;

    memcpy(&in6, &address->storage, sizeof in6);
    return in6;
}

static bool is_group(const struct mcq_address *address)
{
    struct sockaddr_in6 in6;

    if (address->storage.ss_family == AF_INET)
        return IN_MULTICAST(ntohl(v4_of(address).sin_addr.s_addr));
    in6 = v6_of(address);
    return IN6_IS_ADDR_MULTICAST(&in6.sin6_addr);
}

static bool has_same_host(const struct sockaddr *at, const struct mcq_address *address)
{
    struct mcq_address own = {0};
    struct sockaddr_in6 one;
    struct sockaddr_in6 other;

    if (at == NULL || at->sa_family != address->storage.ss_family)
        return false;
    memcpy(&own.storage, at, address->len);
    if (at->sa_family == AF_INET)
        return v4_of(&own).sin_addr.s_addr == v4_of(address).sin_addr.s_addr;
    one = v6_of(&own);
    other = v6_of(address);
    return memcmp(&one.sin6_addr, &other.sin6_addr, sizeof one.sin6_addr) == 0;
}

/* The interface that has this address; 0: none has. */
static unsigned interface_at(const struct mcq_address *address)
{
    struct ifaddrs *all;
    unsigned found = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *at = all; at != NULL && found == 0; at = at->ifa_next)
        if (has_same_host(at->ifa_addr, address))
            found = if_nametoindex(at->ifa_name);
    freeifaddrs(all);
    return found;
}

/* By its name, or by an address that it has; `*` is any. */
static enum mcq_err find_interface(struct mcq_bytes text, unsigned *interface)
{
    const struct mcq_endpoint host = {.scheme = MCQ_SCHEME_UDP, .host = text};
    char name[IF_NAMESIZE];
    struct mcq_address address;

    *interface = 0;
    if (text.len == 0 || mcq_bytes_equal(text, mcq_bytes_of("*")))
        return MCQ_OK;
    if (text.len < sizeof name) {
        memcpy(name, text.data, text.len);
        name[text.len] = '\0';
        *interface = if_nametoindex(name);
    }
    if (*interface == 0 && mcq_tcp_numeric(&host, true, &address) == MCQ_OK)
        *interface = interface_at(&address);
    return *interface != 0 ? MCQ_OK : MCQ_NOT_FOUND;
}

/* The address is known. */
static enum mcq_err complete(const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use,
                             struct mcq_datagram_place *place, const char **fault)
{
    place->is_sent_to = use == MCQ_ENDPOINT_CONNECT;
    place->is_group = is_group(&place->address);
    if (endpoint->source.len == 0) {
        place->interface = place->address.storage.ss_family == AF_INET6 && place->is_group
                               ? v6_of(&place->address).sin6_scope_id
                               : 0;
        return MCQ_OK;
    }
    if (!place->is_group) {
        *fault = interface_fault;
        return MCQ_INVAL;
    }
    return find_interface(endpoint->source, &place->interface);
}

enum mcq_err mcq_udp_numeric(const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use,
                             bool is_ipv6, struct mcq_datagram_place *place, const char **fault)
{
    MCQ_TRY(mcq_tcp_numeric(endpoint, is_ipv6, &place->address));
    return complete(endpoint, use, place, fault);
}

static enum mcq_err look_up(const struct mcq_endpoint *endpoint, bool is_ipv6,
                            struct mcq_address *address)
{
    struct mcq_address *found;
    char host[NI_MAXHOST];
    uint32_t count;

    if (endpoint->host.len >= sizeof host)
        return MCQ_INVAL;
    memcpy(host, endpoint->host.data, endpoint->host.len);
    host[endpoint->host.len] = '\0';
    MCQ_TRY(mcq_tcp_look_up(host, is_ipv6, &found, &count));
    *address = found[0];
    mcq_free(found);
    mcq_tcp_set_port(address, endpoint->port);
    return MCQ_OK;
}

enum mcq_err mcq_udp_resolve(const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use,
                             bool is_ipv6, struct mcq_datagram_place *place, const char **fault)
{
    if (use == MCQ_ENDPOINT_BIND)
        MCQ_TRY(mcq_tcp_resolve(endpoint, is_ipv6, &place->address));
    else
        MCQ_TRY(look_up(endpoint, is_ipv6, &place->address));
    return complete(endpoint, use, place, fault);
}

/* --- text ------------------------------------------------------------------------------------ */

static bool is_v4_inside(const struct sockaddr_in6 *in6)
{
    return IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
}

static struct mcq_address unclothe(const struct mcq_address *address)
{
    struct sockaddr_in6 in6 = v6_of(address);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6.sin6_port};
    struct mcq_address plain = {.len = sizeof in};

    memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof in.sin_addr);
    memcpy(&plain.storage, &in, sizeof in);
    return plain;
}

static struct mcq_address clothe(const struct mcq_address *address)
{
    struct sockaddr_in in = v4_of(address);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = in.sin_port};
    struct mcq_address clad = {.len = sizeof in6};

    in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&in6.sin6_addr.s6_addr[12], &in.sin_addr, sizeof in.sin_addr);
    memcpy(&clad.storage, &in6, sizeof in6);
    return clad;
}

size_t mcq_udp_peer_text(const struct mcq_address *address, char text[MCQ_UDP_TEXT_BYTES])
{
    struct mcq_address plain = *address;
    char host[NI_MAXHOST];
    struct sockaddr_in6 in6 = {0};
    int len;

    if (address->storage.ss_family == AF_INET6) {
        in6 = v6_of(address);
        if (is_v4_inside(&in6))
            plain = unclothe(address);
    }
    if (plain.storage.ss_family == AF_INET) {
        struct sockaddr_in in = v4_of(&plain);
        const uint8_t *octets = (const uint8_t *) &in.sin_addr;

        len = snprintf(text, MCQ_UDP_TEXT_BYTES, "%u.%u.%u.%u:%u", octets[0], octets[1], octets[2],
                       octets[3], ntohs(in.sin_port));
    } else if (getnameinfo((const struct sockaddr *) &plain.storage, plain.len, host, sizeof host,
                           NULL, 0, NI_NUMERICHOST) == 0) {
        len = snprintf(text, MCQ_UDP_TEXT_BYTES, "[%.64s]:%u", host, ntohs(in6.sin6_port));
    } else {
        len = snprintf(text, MCQ_UDP_TEXT_BYTES, "?");
    }
    return (size_t) len;
}

void mcq_udp_text(const struct mcq_address *address, char text[MCQ_UDP_TEXT_BYTES])
{
    char peer[MCQ_UDP_TEXT_BYTES];

    (void) mcq_udp_peer_text(address, peer);
    (void) snprintf(text, MCQ_UDP_TEXT_BYTES, "udp://%.*s",
                    (int) (MCQ_UDP_TEXT_BYTES - sizeof "udp://"), peer);
}

bool mcq_udp_parse_peer(struct mcq_bytes text, sa_family_t family, struct mcq_address *address)
{
    struct mcq_endpoint endpoint;

    if (text.len > 0 && text.data[text.len - 1] == '\0')
        text.len--;
    if (mcq_endpoint_parse_peer(text, &endpoint) != MCQ_ENDPOINT_GOOD ||
        mcq_tcp_numeric(&endpoint, family == AF_INET6, address) != MCQ_OK)
        return false;
    if (family == AF_INET6 && address->storage.ss_family == AF_INET)
        *address = clothe(address);
    return address->storage.ss_family == family;
}
