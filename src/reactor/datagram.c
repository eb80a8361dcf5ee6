/* Sockets for datagrams: what both engines of the kernel share. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "reactor/engine.h"

static bool set_int(int fd, int level, int option, int value)
{
    return mcq_kernel_set(fd, level, option, &value, sizeof value);
}

/* Where a group is sent to, if that is said. false: errno says why. */
static bool set_interface(int fd, int family, unsigned interface)
{
    struct ip_mreqn request = {.imr_ifindex = (int) interface};

    if (interface == 0)
        return true;
    if (family == AF_INET6)
        return set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int) interface);
    return mcq_kernel_set(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}

/* What all who listen to a group share: its address. Other groups are others' business. */
static void share_group(int fd, int family)
{
    (void) !set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    (void) !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET)
        (void) !set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
}

static bool join_group(int fd, const struct mcq_datagram_place *place)
{
    struct group_req request = {.gr_interface = place->interface};
    int level = place->address.storage.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;

    memcpy(&request.gr_group, &place->address.storage, place->address.len);
    return mcq_kernel_set(fd, level, MCAST_JOIN_GROUP, &request, sizeof request);
}

static bool take_place(int fd, const struct mcq_datagram_place *place)
{
    const struct sockaddr *address = (const struct sockaddr *) &place->address.storage;

    if (place->is_sent_to)
        return connect(fd, address, place->address.len) == 0;
    if (bind(fd, address, place->address.len) != 0)
        return false;
    return !place->is_group || join_group(fd, place);
}

enum mcq_io_result mcq_kernel_open_datagrams(struct mcq_reactor *reactor,
                                             const struct mcq_datagram_place *place,
                                             const struct mcq_tuning *tuning, int *fd)
{
    enum mcq_io_operation operation = place->is_sent_to ? MCQ_IO_OP_CONNECT : MCQ_IO_OP_LISTEN;
    int family = place->address.storage.ss_family;
    int found = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum mcq_io_result result;

    (void) reactor;
    if (found < 0)
        return mcq_io_result_of(operation, errno);
    if (family == AF_INET6)
        (void) !set_int(found, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    else
        (void) !set_int(found, SOL_SOCKET, SO_BROADCAST, 1);
    if (place->is_group && !place->is_sent_to)
        share_group(found, family);
    if (mcq_kernel_tune_datagrams(found, family, tuning) &&
        set_interface(found, family, place->interface) && take_place(found, place)) {
        *fd = found;
        return MCQ_IO_DONE;
    }
    result = mcq_io_result_of(operation, errno);
    (void) close(found);
    /* Both would say that there is a socket. */
    return result == MCQ_IO_DONE || result == MCQ_IO_AGAIN ? MCQ_IO_BROKEN : result;
}

/* None is the end of anything, not even one without octets. */
struct mcq_io mcq_kernel_recv_datagram(struct mcq_reactor *reactor, int fd, void *room,
                                       size_t room_len, struct mcq_address *from)
{
    struct iovec iov = {.iov_base = room, .iov_len = room_len};
    struct msghdr message = {
        .msg_name = &from->storage,
        .msg_namelen = sizeof from->storage,
        .msg_iov = &iov,
        .msg_iovlen = 1,
    };
    ssize_t len;

    (void) reactor;
    do
        len = recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return (struct mcq_io) {.result = mcq_io_result_of(MCQ_IO_OP_RECV, errno)};
    from->len = message.msg_namelen;
    return (struct mcq_io) {.result = MCQ_IO_DONE, .len = (size_t) len};
}

struct mcq_io mcq_kernel_send_datagram(struct mcq_reactor *reactor, int fd, struct mcq_bytes octets,
                                       const struct mcq_address *to)
{
    const struct sockaddr *address = to != NULL ? (const struct sockaddr *) &to->storage : NULL;
    ssize_t len;

    (void) reactor;
    do
        len = sendto(fd, octets.data, octets.len, MSG_DONTWAIT | MSG_NOSIGNAL, address,
                     to != NULL ? to->len : 0);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return (struct mcq_io) {.result = mcq_io_result_of(MCQ_IO_OP_SEND, errno)};
    return (struct mcq_io) {.result = MCQ_IO_DONE, .len = (size_t) len};
}
