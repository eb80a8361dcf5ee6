#include "transport/transport.h"

#include <netdb.h>
#include <stdio.h>

static_assert(MCQ_TCP_TEXT_BYTES <= MCQ_TRANSPORT_TEXT_BYTES &&
                  MCQ_IPC_TEXT_BYTES <= MCQ_TRANSPORT_TEXT_BYTES,
              "there is room for the text of any address");

static enum mcq_err ipc_address(const struct mcq_endpoint *endpoint, struct mcq_address *address)
{
    *address = (struct mcq_address) {0};
    if (endpoint->path.len > 0)
        mcq_ipc_address(endpoint, address);
    return MCQ_OK;
}

enum mcq_err mcq_transport_numeric(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                   struct mcq_address *address)
{
    if (endpoint->scheme == MCQ_SCHEME_IPC)
        return ipc_address(endpoint, address);
    return mcq_tcp_numeric(endpoint, is_ipv6, address);
}

enum mcq_err mcq_transport_resolve(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                   struct mcq_address *address)
{
    if (endpoint->scheme == MCQ_SCHEME_IPC)
        return ipc_address(endpoint, address);
    return mcq_tcp_resolve(endpoint, is_ipv6, address);
}

enum mcq_err mcq_transport_listen_err(enum mcq_io_result result)
{
    switch (result) {
    case MCQ_IO_DONE: return MCQ_OK;
    case MCQ_IO_IN_USE: return MCQ_IN_USE;
    case MCQ_IO_NOT_LOCAL: return MCQ_NOT_LOCAL;
    case MCQ_IO_UNREACHABLE: return MCQ_NOT_FOUND;
    case MCQ_IO_DENIED: return MCQ_DENIED;
    case MCQ_IO_NO_FDS: return MCQ_NO_FDS;
    default: return MCQ_NOMEM;
    }
}

enum mcq_err mcq_transport_listen(struct mcq_reactor *reactor, const struct mcq_endpoint *endpoint,
                                  struct mcq_address *address, const struct mcq_tuning *tuning,
                                  int backlog, struct mcq_seat *seat)
{
    *seat = (struct mcq_seat) {.fd = -1};
    if (endpoint->scheme == MCQ_SCHEME_IPC)
        return mcq_ipc_claim(reactor, endpoint, tuning, backlog, &seat->file, address, &seat->fd);
    MCQ_TRY(
        mcq_transport_listen_err(mcq_reactor_listen(reactor, address, tuning, backlog, &seat->fd)));
    (void) mcq_reactor_local_address(reactor, seat->fd, address);
    return MCQ_OK;
}

enum mcq_err mcq_transport_adopt(struct mcq_reactor *reactor, const struct mcq_endpoint *endpoint,
                                 int fd, struct mcq_address *address, struct mcq_seat *seat)
{
    if (!mcq_reactor_local_address(reactor, fd, address))
        return MCQ_INVAL;
    sa_family_t family = address->storage.ss_family;

    if (endpoint->scheme == MCQ_SCHEME_IPC ? family != AF_UNIX
                                           : family != AF_INET && family != AF_INET6)
        return MCQ_INVAL;
    if (!mcq_reactor_adopt(reactor, fd))
        return MCQ_INVAL;
    *seat = (struct mcq_seat) {.fd = fd};
    return MCQ_OK;
}

void mcq_transport_leave(struct mcq_reactor *reactor, struct mcq_seat *seat)
{
    mcq_ipc_release(&seat->file);
    if (seat->fd >= 0)
        mcq_reactor_close(reactor, seat->fd);
    seat->fd = -1;
}

void mcq_transport_text(const struct mcq_address *address, char text[MCQ_TRANSPORT_TEXT_BYTES])
{
    if (address->storage.ss_family == AF_UNIX)
        mcq_ipc_text(address, text);
    else
        mcq_tcp_text(address, text);
}

bool mcq_transport_peer_text(struct mcq_reactor *reactor, int fd,
                             char text[MCQ_TRANSPORT_TEXT_BYTES])
{
    struct mcq_address address;
    struct mcq_owner owner;

    if (!mcq_reactor_peer_address(reactor, fd, &address))
        return false;
    if (address.storage.ss_family != AF_UNIX)
        return getnameinfo((const struct sockaddr *) &address.storage, address.len, text,
                           MCQ_TRANSPORT_TEXT_BYTES, NULL, 0, NI_NUMERICHOST) == 0;
    if (!mcq_reactor_owner(reactor, fd, &owner))
        return false;
    (void) snprintf(text, MCQ_TRANSPORT_TEXT_BYTES, "localhost:%u:%u:%u", owner.uid, owner.gid,
                    owner.pid);
    return true;
}

bool mcq_transport_is_local(struct mcq_reactor *reactor, int fd)
{
    struct mcq_address address;

    return mcq_reactor_peer_address(reactor, fd, &address) &&
           (address.storage.ss_family == AF_UNIX || mcq_tcp_is_loopback(&address));
}
