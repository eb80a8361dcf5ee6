#define _GNU_SOURCE /* getaddrinfo's flags; NOLINT(bugprone-reserved-identifier) */

#include "transport/tcp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define HOST_BYTES 256 /* the longest name that DNS has, and its zero */

/* host, and %zone, as getaddrinfo wants them. */
static bool host_text(const struct mcq_endpoint *endpoint, char text[HOST_BYTES])
{
    int len = snprintf(text, HOST_BYTES, "%.*s%s%.*s", (int) endpoint->host.len,
                       (const char *) endpoint->host.data, endpoint->zone.len > 0 ? "%" : "",
                       (int) endpoint->zone.len, (const char *) endpoint->zone.data);

    return len > 0 && len < HOST_BYTES;
}

static void set_port(struct mcq_address *address, uint16_t port)
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

enum mcq_err mcq_tcp_resolve(const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use,
                             bool is_ipv6, struct mcq_address *address)
{
    struct addrinfo hints = {
        .ai_family = is_ipv6 ? AF_UNSPEC : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = use == MCQ_ENDPOINT_BIND ? AI_PASSIVE : 0,
    };
    struct mcq_address made = {0};
    struct addrinfo *found;
    char host[HOST_BYTES];

    if (endpoint->host.len == 0) {
        any_address(is_ipv6, &made);
    } else {
        if (!host_text(endpoint, host))
            return MCQ_INVAL;
        if (getaddrinfo(host, NULL, &hints, &found) != 0)
            return MCQ_NOT_FOUND;
        memcpy(&made.storage, found->ai_addr, found->ai_addrlen);
        made.len = found->ai_addrlen;
        freeaddrinfo(found);
    }
    set_port(&made, endpoint->port);
    *address = made;
    return MCQ_OK;
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
