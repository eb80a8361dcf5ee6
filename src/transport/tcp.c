#define _GNU_SOURCE /* getaddrinfo's flags; NOLINT(bugprone-reserved-identifier) */

#include "transport/tcp.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arena/alloc.h"

#define HOST_BYTES 256 /* the longest name that DNS has, and its zero */

/* host, and %zone, as getaddrinfo wants them. */
static bool host_text(const struct mcq_endpoint *endpoint, char text[HOST_BYTES])
{
    int len = snprintf(text, HOST_BYTES, "%.*s%s%.*s", (int) endpoint->host.len,
                       (const char *) endpoint->host.data, endpoint->zone.len > 0 ? "%" : "",
                       (int) endpoint->zone.len, (const char *) endpoint->zone.data);

    return len > 0 && len < HOST_BYTES;
}

void mcq_tcp_set_port(struct mcq_address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *) &address->storage)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *) &address->storage)->sin6_port = htons(port);
}

static void any_address(bool is_ipv6, struct mcq_address *address)
{
    address->storage.ss_family = is_ipv6 ? AF_INET6 : AF_INET;
    address->len = is_ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static struct mcq_address address_of(const struct addrinfo *found)
{
    struct mcq_address address = {.len = found->ai_addrlen};

    memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    return address;
}

static struct addrinfo hints(bool is_ipv6, int flags)
{
    return (struct addrinfo) {
        .ai_family = is_ipv6 ? AF_UNSPEC : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags,
    };
}

/* The first address of the endpoint's host. */
static enum mcq_err first_of(const struct mcq_endpoint *endpoint, bool is_ipv6, int flags,
                             struct mcq_address *address)
{
    struct addrinfo wanted = hints(is_ipv6, flags);
    struct addrinfo *found;
    char host[HOST_BYTES];

    if (!host_text(endpoint, host))
        return MCQ_INVAL;
    if (getaddrinfo(host, NULL, &wanted, &found) != 0)
        return MCQ_NOT_FOUND;
    *address = address_of(found);
    freeaddrinfo(found);
    mcq_tcp_set_port(address, endpoint->port);
    return MCQ_OK;
}

/* How good an interface's address is; 0: not at all. */
static unsigned rank_of(const struct sockaddr *address, bool is_ipv6)
{
    struct sockaddr_in6 in6;

    if (address == NULL || (address->sa_family != AF_INET6 && address->sa_family != AF_INET))
        return 0;
    if (address->sa_family == AF_INET)
        return 1;
    memcpy(&in6, address, sizeof in6);
    return !is_ipv6 ? 0 : IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? 2 : 3;
}

/* The best address of the interface that the host names. */
static enum mcq_err of_interface(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                 struct mcq_address *address)
{
    struct ifaddrs *all;
    unsigned best = 0;

    if (endpoint->zone.len > 0 || getifaddrs(&all) != 0)
        return MCQ_NOT_FOUND;
    for (struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        unsigned rank = rank_of(at->ifa_addr, is_ipv6);

        if (rank <= best || !mcq_bytes_equal(mcq_bytes_of(at->ifa_name), endpoint->host))
            continue;
        best = rank;
        *address = (struct mcq_address) {
            .len = rank == 1 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
        };
        memcpy(&address->storage, at->ifa_addr, address->len);
    }
    freeifaddrs(all);
    if (best == 0)
        return MCQ_NOT_FOUND;
    mcq_tcp_set_port(address, endpoint->port);
    return MCQ_OK;
}

enum mcq_err mcq_tcp_source(const struct mcq_endpoint *endpoint, bool is_ipv6,
                            struct mcq_address *address)
{
    struct mcq_endpoint loopback = *endpoint;
    enum mcq_err err;

    if (mcq_bytes_equal(endpoint->host, mcq_bytes_of("localhost"))) /* nobody need be asked */
        loopback.host = mcq_bytes_of("127.0.0.1");
    err = mcq_tcp_numeric(&loopback, is_ipv6, address);
    return err == MCQ_AGAIN ? of_interface(endpoint, is_ipv6, address) : err;
}

bool mcq_tcp_has_congestion(struct mcq_bytes name)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data,
                                          (socklen_t) name.len) == 0;

    if (fd >= 0)
        (void) close(fd);
    return is_there;
}

enum mcq_err mcq_tcp_resolve(const struct mcq_endpoint *endpoint, bool is_ipv6,
                             struct mcq_address *address)
{
    struct mcq_address made = {0};

    if (endpoint->host.len > 0 && of_interface(endpoint, is_ipv6, address) == MCQ_OK)
        return MCQ_OK;
    if (endpoint->host.len > 0)
        return first_of(endpoint, is_ipv6, AI_PASSIVE, address);
    any_address(is_ipv6, &made);
    mcq_tcp_set_port(&made, endpoint->port);
    *address = made;
    return MCQ_OK;
}

/* No name has a colon or a zone, and the last label of none is a number. */
static bool may_be_name(const struct mcq_endpoint *endpoint)
{
    const struct mcq_bytes host = endpoint->host;
    size_t at = host.len;

    if (endpoint->zone.len > 0 || memchr(host.data, ':', host.len) != NULL)
        return false;
    while (at > 0 && host.data[at - 1] >= '0' && host.data[at - 1] <= '9')
        at--;
    return at == host.len || (at > 0 && host.data[at - 1] != '.');
}

enum mcq_err mcq_tcp_numeric(const struct mcq_endpoint *endpoint, bool is_ipv6,
                             struct mcq_address *address)
{
    enum mcq_err err;

    if (endpoint->host.len == 0)
        return mcq_tcp_resolve(endpoint, is_ipv6, address); /* asks nobody */
    err = first_of(endpoint, is_ipv6, AI_NUMERICHOST, address);
    return err == MCQ_NOT_FOUND && may_be_name(endpoint) ? MCQ_AGAIN : err;
}

enum mcq_err mcq_tcp_look_up(const char *host, bool is_ipv6, struct mcq_address **addresses,
                             uint32_t *count)
{
    struct addrinfo wanted = hints(is_ipv6, 0);
    struct mcq_address *made;
    struct addrinfo *found;
    uint32_t most = 0;

    if (getaddrinfo(host, NULL, &wanted, &found) != 0)
        return MCQ_NOT_FOUND;
    for (struct addrinfo *at = found; at != NULL && most < MCQ_TCP_ADDRESSES_MAX; at = at->ai_next)
        most++;
    made = mcq_alloc(mcq_size_mul(most, sizeof *made));
    *count = 0;
    if (made != NULL)
        for (struct addrinfo *at = found; *count < most; at = at->ai_next)
            made[(*count)++] = address_of(at);
    freeaddrinfo(found);
    *addresses = made;
    return made != NULL ? MCQ_OK : MCQ_NOMEM;
}

static bool is_same_v4(const struct mcq_address *a, const struct mcq_address *b)
{
    struct sockaddr_in one;
    struct sockaddr_in other;

    memcpy(&one, &a->storage, sizeof one);
    memcpy(&other, &b->storage, sizeof other);
    return one.sin_port == other.sin_port && one.sin_addr.s_addr == other.sin_addr.s_addr;
}

static bool is_same_v6(const struct mcq_address *a, const struct mcq_address *b)
{
    struct sockaddr_in6 one;
    struct sockaddr_in6 other;

    memcpy(&one, &a->storage, sizeof one);
    memcpy(&other, &b->storage, sizeof other);
    return one.sin6_port == other.sin6_port && one.sin6_scope_id == other.sin6_scope_id &&
           memcmp(&one.sin6_addr, &other.sin6_addr, sizeof one.sin6_addr) == 0;
}

bool mcq_tcp_is_same(const struct mcq_address *a, const struct mcq_address *b)
{
    sa_family_t family = a->storage.ss_family;

    if (family != b->storage.ss_family || (family != AF_INET && family != AF_INET6))
        return false;
    return family == AF_INET ? is_same_v4(a, b) : is_same_v6(a, b);
}

void mcq_tcp_text(const struct mcq_address *address, char text[MCQ_TCP_TEXT_BYTES])
{
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    bool is_ipv6 = address->storage.ss_family == AF_INET6;

    if (getnameinfo((const struct sockaddr *) &address->storage, address->len, host, sizeof host,
                    port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void) snprintf(text, MCQ_TCP_TEXT_BYTES, "tcp://?");
    else
        (void) snprintf(text, MCQ_TCP_TEXT_BYTES,
                        is_ipv6 ? "tcp://[%.64s]:%.8s" : "tcp://%.64s:%.8s", host, port);
}

bool mcq_tcp_is_loopback(const struct mcq_address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *) &address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &address->storage;

    if (address->storage.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->storage.ss_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}
