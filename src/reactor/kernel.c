/* The kernel's sockets and clock, as both real engines use them. */
#define _GNU_SOURCE /* accept4, struct ucred; NOLINT(bugprone-reserved-identifier) */

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "base/bytes.h"
#include "reactor/engine.h"

#define UNANSWERED_MAX 2 /* one may be under way */

static struct mcq_io io_of(enum mcq_io_operation operation, ssize_t len)
{
    if (len > 0)
        return (struct mcq_io) {.result = MCQ_IO_DONE, .len = (size_t) len};
    if (len == 0)
        return (struct mcq_io) {.result = MCQ_IO_END};
    return (struct mcq_io) {.result = mcq_io_result_of(operation, errno)};
}

static size_t room_in(const struct iovec *iov, size_t iov_count)
{
    size_t len = 0;

    for (size_t i = 0; i < iov_count; i++)
        len += iov[i].iov_len;
    return len;
}

struct mcq_io mcq_kernel_recv(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                              size_t iov_count)
{
    struct mcq_io io;
    ssize_t len;

    (void) reactor;
    mcq_assert_hot(iov_count > 0 && iov[0].iov_len > 0); /* nothing asked for looks like the end */
    do {
        struct msghdr message = {.msg_iov = (struct iovec *) (uintptr_t) iov,
                                 .msg_iovlen = iov_count};

        len = iov_count == 1 ? recv(fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT)
                             : recvmsg(fd, &message, MSG_DONTWAIT);
    } while (len < 0 && errno == EINTR);
    io = io_of(MCQ_IO_OP_RECV, len);
    io.is_drained = io.len > 0 && io.len < room_in(iov, iov_count);
    return io;
}

struct mcq_io mcq_kernel_send(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                              size_t iov_count)
{
    ssize_t len;

    (void) reactor;
    mcq_assert_hot(iov_count > 0 && iov[0].iov_len > 0); /* nothing asked for looks like the end */
    do {
        struct msghdr message = {.msg_iov = (struct iovec *) (uintptr_t) iov,
                                 .msg_iovlen = iov_count};

        len = iov_count == 1
                  ? send(fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                  : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (len < 0 && errno == EINTR);
    return io_of(MCQ_IO_OP_SEND, len);
}

enum mcq_err mcq_kernel_open_err(int number)
{
    return number == EMFILE || number == ENFILE ? MCQ_NO_FDS : MCQ_NOMEM;
}

static int open_socket(const struct mcq_address *address)
{
    return socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* IPv6's sockets take IPv4, too, whatever the system's default. */
static bool bind_to(int fd, const struct mcq_address *address)
{
    int one = 1;
    int zero = 0;

    (void) !mcq_kernel_set(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->storage.ss_family == AF_INET6)
        (void) !mcq_kernel_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    return bind(fd, (const struct sockaddr *) &address->storage, address->len) == 0;
}

enum mcq_io_result mcq_kernel_listen(struct mcq_reactor *reactor, const struct mcq_address *address,
                                     const struct mcq_tuning *tuning, int backlog, int *fd)
{
    int found = open_socket(address);

    (void) reactor;
    if (found < 0)
        return mcq_io_result_of(MCQ_IO_OP_LISTEN, errno);
    mcq_kernel_hurry(found, address->storage.ss_family); /* and so are those that it accepts */
    if (!mcq_kernel_tune(found, address->storage.ss_family, tuning) || !bind_to(found, address) ||
        listen(found, backlog) != 0) {
        enum mcq_io_result result = mcq_io_result_of(MCQ_IO_OP_LISTEN, errno);

        (void) close(found);
        return result;
    }
    *fd = found;
    return MCQ_IO_DONE;
}

static bool is_listening(int fd)
{
    int type = 0;
    int listens = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

bool mcq_kernel_adopt(struct mcq_reactor *reactor, int fd)
{
    struct mcq_address address = {0};
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || !is_listening(fd) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return false;
    if (mcq_kernel_local_address(reactor, fd, &address))
        mcq_kernel_hurry(fd, address.storage.ss_family);
    return true;
}

enum mcq_io_result mcq_kernel_accept(struct mcq_reactor *reactor, int listener, int *fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int found;

    do
        found = accept4(listener, (struct sockaddr *) &peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (found < 0 && errno == EINTR);
    if (found < 0) {
        reactor->accept_number = errno;
        return mcq_io_result_of(MCQ_IO_OP_ACCEPT, errno);
    }
    mcq_kernel_prepare(found, &peer);
    *fd = found;
    return MCQ_IO_DONE;
}

/* The port of the source, if it is any, is chosen by connect: before it, it could be used by one
 * connection only. */
static int bind_source(int fd, const struct mcq_address *source)
{
    int one = 1;

    if (source == NULL)
        return 0;
    (void) !mcq_kernel_set(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void) !mcq_kernel_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (const struct sockaddr *) &source->storage, source->len);
}

enum mcq_io_result mcq_kernel_connect(struct mcq_reactor *reactor, const struct mcq_address *source,
                                      const struct mcq_address *address,
                                      const struct mcq_tuning *tuning, int *fd)
{
    int found = open_socket(address);
    enum mcq_io_result result = MCQ_IO_DONE;

    (void) reactor;
    if (found < 0)
        return mcq_io_result_of(MCQ_IO_OP_CONNECT, errno);
    mcq_kernel_hurry(found, address->storage.ss_family);
    mcq_kernel_prepare(found, &address->storage);
    /* Interrupted, it goes on by itself, as if it had said EINPROGRESS. */
    if (!mcq_kernel_tune(found, address->storage.ss_family, tuning) ||
        bind_source(found, source) != 0)
        result = mcq_io_result_of(MCQ_IO_OP_CONNECT, errno);
    else if (connect(found, (const struct sockaddr *) &address->storage, address->len) != 0)
        result = errno == EINTR ? MCQ_IO_AGAIN : mcq_io_result_of(MCQ_IO_OP_CONNECT, errno);
    if (result == MCQ_IO_DONE || result == MCQ_IO_AGAIN)
        *fd = found;
    else
        (void) close(found);
    return result;
}

enum mcq_io_result mcq_kernel_connected(struct mcq_reactor *reactor, int fd)
{
    int number = 0;
    socklen_t len = sizeof number;

    (void) reactor;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    return number == 0 ? MCQ_IO_DONE : mcq_io_result_of(MCQ_IO_OP_CONNECTED, number);
}

bool mcq_kernel_local_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address)
{
    (void) reactor;
    address->len = sizeof address->storage;
    return getsockname(fd, (struct sockaddr *) &address->storage, &address->len) == 0;
}

bool mcq_kernel_peer_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address)
{
    (void) reactor;
    address->len = sizeof address->storage;
    return getpeername(fd, (struct sockaddr *) &address->storage, &address->len) == 0;
}

/* A host that is gone leaves octets, or questions about room for them, without an answer, and TCP
 * asks again; one that is slow answers each. Of a unix stream both ends are here. */
bool mcq_kernel_is_held_back(struct mcq_reactor *reactor, int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int waiting = 0;

    (void) reactor;
    if (ioctl(fd, SIOCOUTQ, &waiting) != 0 || waiting == 0)
        return false;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return true;
    return info.tcpi_retransmits < UNANSWERED_MAX && info.tcpi_probes < UNANSWERED_MAX;
}

void mcq_kernel_retune(struct mcq_reactor *reactor, int fd, const struct mcq_tuning *tuning)
{
    struct mcq_address address = {0};

    if (mcq_kernel_is_tuned(tuning) && mcq_kernel_local_address(reactor, fd, &address))
        (void) !mcq_kernel_tune(fd, address.storage.ss_family, tuning);
}

bool mcq_kernel_owner(struct mcq_reactor *reactor, int fd, struct mcq_owner *owner)
{
    struct ucred found;
    socklen_t len = sizeof found;

    (void) reactor;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &len) != 0 || found.pid <= 0)
        return false;
    *owner = (struct mcq_owner) {
        .pid = (uint32_t) found.pid,
        .uid = found.uid,
        .gid = found.gid,
    };
    return true;
}

bool mcq_kernel_has_group(struct mcq_reactor *reactor, int fd, uint32_t gid)
{
    socklen_t len = 0;
    bool is_found = false;
    gid_t *groups;

    (void) reactor;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
        return false;
    groups = mcq_alloc(len);
    if (groups != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
        for (size_t i = 0; i < len / sizeof *groups; i++)
            is_found |= groups[i] == gid;
    mcq_free(groups);
    return is_found;
}

void mcq_kernel_shutdown(struct mcq_reactor *reactor, int fd)
{
    (void) reactor;
    (void) shutdown(fd, SHUT_WR);
}

/* Ends it for a forked child that has it open as well: the port is free, the peer sees the end. */
void mcq_kernel_close(struct mcq_reactor *reactor, int fd)
{
    (void) reactor;
    (void) shutdown(fd, SHUT_RDWR);
    (void) close(fd);
}

uint64_t mcq_kernel_now_ns(struct mcq_reactor *reactor)
{
    struct timespec now;

    (void) reactor;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}
