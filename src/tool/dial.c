#include "tool/dial.h"

#include <errno.h>
#include <monocoque.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tool/tool.h"
#include "transport/endpoint.h"

#define HOST_BYTES 256

uint64_t mcq_tool_now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

int mcq_tool_wait_ms(uint64_t until_ns)
{
    uint64_t now_ns = mcq_tool_now_ns();
    uint64_t left_ms = until_ns > now_ns ? (until_ns - now_ns + 999999) / 1000000 : 0;

    return left_ms < INT32_MAX ? (int) left_ms : INT32_MAX;
}

/* 0, or errno. */
static int await(int fd, uint64_t until_ns)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int why = 0;
    socklen_t len = sizeof why;
    int count;

    do
        count = poll(&wait, 1, mcq_tool_wait_ms(until_ns));
    while (count < 0 && errno == EINTR);
    if (count == 0)
        return ETIMEDOUT;
    return count > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0 ? why : errno;
}

/* -1 and errno: nobody is there. */
static int connect_to(int family, const void *address, socklen_t len, uint64_t until_ns)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int why = 0;

    if (fd < 0)
        return -1;
    if (family != AF_UNIX) /* a PING is to leave at once */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    if (connect(fd, address, len) != 0)
        why = errno == EINPROGRESS ? await(fd, until_ns) : errno;
    if (why == 0)
        return fd;
    (void) close(fd);
    errno = why;
    return -1;
}

static int dial_ipc(const struct mcq_endpoint *endpoint, uint64_t until_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + endpoint->path.len);

    memcpy(address.sun_path, endpoint->path.data, endpoint->path.len);
    if (address.sun_path[0] == '@') /* a name that is no file's: unix(7) */
        address.sun_path[0] = '\0';
    else
        len++;
    return connect_to(AF_UNIX, &address, len, until_ns);
}

static int dial_tcp(const char *verb, const char *text, const struct mcq_endpoint *endpoint,
                    uint64_t until_ns)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    char host[HOST_BYTES];
    char port[sizeof "65535"];
    int fd = -1;
    int result;

    (void) snprintf(port, sizeof port, "%u", endpoint->port);
    result = snprintf(host, sizeof host, "%.*s%s%.*s", (int) endpoint->host.len,
                      (const char *) endpoint->host.data, endpoint->zone.len > 0 ? "%" : "",
                      (int) endpoint->zone.len, (const char *) endpoint->zone.data);
    if (result < 0 || (size_t) result >= sizeof host) {
        (void) mcq_tool_fail("%s %s: its name is too long", verb, text);
        return -2;
    }
    result = getaddrinfo(host, port, &hints, &found);
    if (result != 0) {
        (void) mcq_tool_fail("%s %s: %s", verb, text, gai_strerror(result));
        return -2;
    }
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next)
        fd = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, until_ns);
    result = errno;
    freeaddrinfo(found);
    errno = result;
    return fd;
}

int mcq_tool_dial(const char *verb, const char *endpoint, uint64_t until_ns)
{
    struct mcq_endpoint parsed;
    enum mcq_endpoint_fault fault =
        mcq_endpoint_parse(mcq_bytes(endpoint, strlen(endpoint)), MCQ_ENDPOINT_CONNECT, &parsed);
    int fd = -2;

    if (fault != MCQ_ENDPOINT_GOOD)
        (void) mcq_tool_fail("%s %s: %s", verb, endpoint, mcq_endpoint_fault_text(fault));
    else if (parsed.source.len > 0)
        (void) mcq_tool_fail("%s %s: it takes no source address", verb, endpoint);
    else if (parsed.scheme == MCQ_SCHEME_TCP)
        fd = dial_tcp(verb, endpoint, &parsed, until_ns);
    else if (parsed.scheme == MCQ_SCHEME_IPC)
        fd = dial_ipc(&parsed, until_ns);
    else
        (void) mcq_tool_fail("%s %s: only tcp and ipc have connections", verb, endpoint);
    if (fd == -1)
        (void) mcq_tool_fail("%s %s: %s", verb, endpoint, mcq_strerror(errno));
    return fd < 0 ? -1 : fd;
}
