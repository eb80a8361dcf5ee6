/* What the kernel is asked for each stream: what is best for all, then what its owner wishes. */
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "reactor/engine.h"

enum family {
    FAMILY_ANY,
    FAMILY_IP,  /* of either version */
    FAMILY_TCP, /* over it */
    FAMILY_IPV4,
    FAMILY_IPV6,
    FAMILY_UDP_IPV4,
    FAMILY_UDP_IPV6,
};

struct row {
    size_t at; /* of an int in struct mcq_tuning */
    int unset;
    enum family family;
    int level;
    int option;
};

/* File-level: what the kernel lacks, or a filter denies, it does to the process, and who sets an
 * option does not know whose stream it is. */
static _Atomic uint64_t refused_count;

bool mcq_kernel_set(int fd, int level, int option, const void *value, socklen_t len)
{
    if (setsockopt(fd, level, option, value, len) == 0)
        return true;
    atomic_fetch_add_explicit(&refused_count, 1, memory_order_relaxed);
    return false;
}

uint64_t mcq_kernel_refused_count(void)
{
    return atomic_load_explicit(&refused_count, memory_order_relaxed);
}

#define AT(field) offsetof(struct mcq_tuning, field)

static const struct row rows[] = {
    {AT(send_buffer), -1, FAMILY_ANY, SOL_SOCKET, SO_SNDBUF},
    {AT(recv_buffer), -1, FAMILY_ANY, SOL_SOCKET, SO_RCVBUF},
    {AT(type_of_service), 0, FAMILY_IPV4, IPPROTO_IP, IP_TOS},
    {AT(type_of_service), 0, FAMILY_IPV6, IPPROTO_IPV6, IPV6_TCLASS},
    {AT(priority), 0, FAMILY_IP, SOL_SOCKET, SO_PRIORITY}, /* behind TOS, which sets it, too */
    {AT(busy_poll_us), 0, FAMILY_IP, SOL_SOCKET, SO_BUSY_POLL},
    {AT(keepalive), -1, FAMILY_TCP, SOL_SOCKET, SO_KEEPALIVE},
    {AT(keepalive_count), -1, FAMILY_TCP, IPPROTO_TCP, TCP_KEEPCNT},
    {AT(keepalive_idle_s), -1, FAMILY_TCP, IPPROTO_TCP, TCP_KEEPIDLE},
    {AT(keepalive_every_s), -1, FAMILY_TCP, IPPROTO_TCP, TCP_KEEPINTVL},
    {AT(user_timeout_ms), 0, FAMILY_TCP, IPPROTO_TCP, TCP_USER_TIMEOUT},
    {AT(multicast_hops), 1, FAMILY_UDP_IPV4, IPPROTO_IP, IP_MULTICAST_TTL},
    {AT(multicast_hops), 1, FAMILY_UDP_IPV6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {AT(multicast_loop), 1, FAMILY_UDP_IPV4, IPPROTO_IP, IP_MULTICAST_LOOP},
    {AT(multicast_loop), 1, FAMILY_UDP_IPV6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
};

static bool is_of(enum family family, int address_family, bool is_stream)
{
    bool is_ipv4 = address_family == AF_INET;
    bool is_ipv6 = address_family == AF_INET6;

    switch (family) {
    case FAMILY_IP: return is_ipv4 || is_ipv6;
    case FAMILY_TCP: return is_stream && (is_ipv4 || is_ipv6);
    case FAMILY_IPV4: return is_ipv4;
    case FAMILY_IPV6: return is_ipv6;
    case FAMILY_UDP_IPV4: return !is_stream && is_ipv4;
    case FAMILY_UDP_IPV6: return !is_stream && is_ipv6;
    default: return true;
    }
}

static bool is_loopback(const struct sockaddr_storage *storage)
{
    if (storage->ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, storage, sizeof in);
        return (ntohl(in.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    if (storage->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, storage, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

/* Options may fail: each is a matter of speed. Messages are small and wait for nobody. */
void mcq_kernel_hurry(int fd, int family)
{
    int one = 1;

    if (is_of(FAMILY_TCP, family, true))
        (void) !mcq_kernel_set(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Over loopback a paced congestion control costs up to four fifths of the throughput. A unix
 * stream's buffer does not grow by itself as those of TCP do: with 1 MiB it carries twice as much.
 */
void mcq_kernel_prepare(int fd, const struct sockaddr_storage *peer)
{
    static const char reno[] = "reno";
    int bytes = 1 << 20;

    if (peer->ss_family == AF_UNIX) {
        (void) !mcq_kernel_set(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        return;
    }
    if (is_loopback(peer))
        (void) !mcq_kernel_set(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof reno - 1);
}

static int value_of(const struct mcq_tuning *tuning, const struct row *row)
{
    int value;

    memcpy(&value, (const char *) tuning + row->at, sizeof value);
    return value;
}

static bool set_text(int fd, int level, int option, const char *text)
{
    return mcq_kernel_set(fd, level, option, text, (socklen_t) strlen(text));
}

bool mcq_kernel_is_tuned(const struct mcq_tuning *tuning)
{
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++)
        if (value_of(tuning, &rows[i]) != rows[i].unset && rows[i].family < FAMILY_UDP_IPV4)
            return true;
    return tuning->congestion[0] != '\0' || tuning->device[0] != '\0';
}

static bool tune(int fd, int family, bool is_stream, const struct mcq_tuning *tuning)
{
    if (tuning == NULL)
        return true;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        int value = value_of(tuning, &rows[i]);

        if (value != rows[i].unset && is_of(rows[i].family, family, is_stream))
            (void) !mcq_kernel_set(fd, rows[i].level, rows[i].option, &value, sizeof value);
    }
    if (is_of(FAMILY_TCP, family, is_stream) && tuning->congestion[0] != '\0')
        (void) !set_text(fd, IPPROTO_TCP, TCP_CONGESTION, tuning->congestion);
    return !is_of(FAMILY_IP, family, is_stream) || tuning->device[0] == '\0' ||
           set_text(fd, SOL_SOCKET, SO_BINDTODEVICE, tuning->device);
}

bool mcq_kernel_tune(int fd, int family, const struct mcq_tuning *tuning)
{
    return tune(fd, family, true, tuning);
}

bool mcq_kernel_tune_datagrams(int fd, int family, const struct mcq_tuning *tuning)
{
    return tune(fd, family, false, tuning);
}
