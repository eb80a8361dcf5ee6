#include "runtime/datagram.h"

#include <string.h>

#include "arena/alloc.h"
#include "pump/link_datagram.h"
#include "transport/transport.h"
#include "transport/udp.h"

#define HOPS_MAX UINT8_MAX /* an octet of the header */

/* Types that datagrams are for, and what they do with an endpoint. */
struct type_row {
    enum mcq_socket_type type;
    enum mcq_endpoint_use use;
    enum mcq_datagram_form form;
    bool is_read;
    bool has_others; /* transports */
};

static const struct type_row type_table[] = {
    {MCQ_SOCKET_TYPE_RADIO, MCQ_ENDPOINT_CONNECT, MCQ_DATAGRAM_GROUP, false, true},
    {MCQ_SOCKET_TYPE_DISH, MCQ_ENDPOINT_BIND, MCQ_DATAGRAM_GROUP, true, true},
    {MCQ_SOCKET_TYPE_DGRAM, MCQ_ENDPOINT_BIND, MCQ_DATAGRAM_ADDRESS, true, false},
};

static const struct type_row *find_type(const struct mcq_socket *socket)
{
    for (size_t i = 0; i < MCQ_COUNTOF(type_table); i++)
        if (type_table[i].type == socket->type)
            return &type_table[i];
    return NULL;
}

enum mcq_err mcq_datagram_check(const struct mcq_socket *socket, struct mcq_bytes text,
                                enum mcq_endpoint_use use, const char **fault)
{
    const struct type_row *row = find_type(socket);
    bool is_udp = mcq_endpoint_is_udp(text);
    struct mcq_endpoint endpoint;

    if (is_udp && row == NULL)
        *fault = "udp is for RADIO, DISH and DGRAM";
    else if (is_udp && row->use != use)
        *fault = use == MCQ_ENDPOINT_BIND ? "a RADIO connects to udp endpoints"
                                          : "a DISH and a DGRAM bind udp endpoints";
    else if (!is_udp && row != NULL && !row->has_others &&
             mcq_endpoint_parse(text, use, &endpoint) == MCQ_ENDPOINT_GOOD)
        *fault = "a DGRAM is for udp alone";
    else
        return MCQ_OK;
    return MCQ_TRANSPORT;
}

/* What the socket asks of its connections, and datagrams do not have. */
static enum mcq_err check_wishes(const struct mcq_socket *socket, bool is_bound, const char **fault)
{
    const struct mcq_security *security = socket->options.security;

    if (mcq_security_asks(security) || mcq_security_number(security, MCQ_OPTION_MECHANISM) != 0) {
        *fault = "the socket is to be secured, and datagrams are not";
        return MCQ_TRANSPORT;
    }
    if (is_bound && socket->options.use_fd >= 0) {
        *fault = "USE_FD is for what listens, and udp does not";
        return MCQ_INVAL;
    }
    return MCQ_OK;
}

static enum mcq_err find_place(struct mcq_socket *socket, const struct mcq_endpoint *endpoint,
                               enum mcq_endpoint_use use, struct mcq_datagram_place *place,
                               const char **fault)
{
    bool is_ipv6 = socket->options.is_ipv6;
    enum mcq_err err = mcq_udp_numeric(endpoint, use, is_ipv6, place, fault);

    if (err != MCQ_AGAIN)
        return err;
    mcq_socket_pause(socket); /* others need not wait for a name server */
    err = mcq_udp_resolve(endpoint, use, is_ipv6, place, fault);
    MCQ_TRY(mcq_socket_resume(socket));
    return err;
}

static enum mcq_err open_place(struct mcq_socket *socket, const struct mcq_datagram_place *place,
                               int *fd, const char **fault)
{
    struct mcq_tuning tuning = socket->options.tuning;
    enum mcq_io_result result;

    if (tuning.multicast_hops > HOPS_MAX)
        tuning.multicast_hops = HOPS_MAX;
    result = mcq_reactor_open_datagrams(socket->engine->reactor, place, &tuning, fd);
    if (result == MCQ_IO_UNREACHABLE)
        *fault = tuning.device[0] != '\0' ? "the device of BINDTODEVICE is not there"
                 : place->is_sent_to      ? "no way leads there"
                                          : "there is no interface for this group";
    else if (result == MCQ_IO_IN_USE)
        *fault = "another socket has this address";
    return mcq_transport_listen_err(result);
}

static enum mcq_err end_new(struct mcq_bytes text, bool is_bound, struct mcq_datagram_end **out)
{
    struct mcq_datagram_end *end = mcq_alloc(sizeof *end);

    if (end == NULL)
        return MCQ_NOMEM;
    *end = (struct mcq_datagram_end) {.is_bound = is_bound};
    mcq_put_bytes((uint8_t *) end->text, text); /* which was found to be short enough */
    *out = end;
    return MCQ_OK;
}

/* The descriptor becomes the conn's, or is closed. */
static enum mcq_err begin(struct mcq_socket *socket, const struct mcq_datagram_place *place, int fd,
                          struct mcq_datagram_end *end, const char **fault)
{
    const struct type_row *row = find_type(socket);
    const struct mcq_datagrams like = {
        .form = row->form,
        .is_read = row->is_read,
        .ends_addresses = socket->profile == MCQ_PROFILE_COMPAT,
        .family = place->address.storage.ss_family,
        .fd = fd,
    };
    struct mcq_reactor *reactor = socket->engine->reactor;
    struct mcq_conn *conn;
    enum mcq_err err = mcq_conn_new(socket, false, &conn);

    if (err != MCQ_OK) {
        mcq_reactor_close(reactor, fd);
        mcq_free(end);
        return err;
    }
    conn->datagram = end;
    err = mcq_link_set_datagrams(&conn->peer.link, &like);
    if (err != MCQ_OK)
        mcq_reactor_close(reactor, fd);
    else
        err = mcq_conn_up(conn, NULL, mcq_bytes(NULL, 0));
    if (err != MCQ_OK)
        mcq_conn_free(conn);
    if (err == MCQ_MISMATCH)
        *fault = "a DGRAM has one endpoint";
    return err;
}

enum mcq_err mcq_datagram_open(struct mcq_socket *socket, struct mcq_bytes text,
                               const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use,
                               const char **fault)
{
    bool is_bound = use == MCQ_ENDPOINT_BIND;
    struct mcq_datagram_place place = {.interface = 0};
    struct mcq_datagram_end *end;
    struct mcq_address address;
    enum mcq_err err;
    int fd;

    MCQ_TRY(check_wishes(socket, is_bound, fault));
    MCQ_TRY(find_place(socket, endpoint, use, &place, fault));
    MCQ_TRY(end_new(text, is_bound, &end));
    err = open_place(socket, &place, &fd, fault);
    if (err != MCQ_OK) {
        if (is_bound)
            mcq_report_now(socket, MCQ_REPORT_OF_BIND_FAILED, mcq_err_errno(err), true, end->text);
        mcq_free(end);
        return err;
    }
    address = place.address;
    if (is_bound)
        (void) mcq_reactor_local_address(socket->engine->reactor, fd, &address);
    mcq_udp_text(&address, end->name);
    MCQ_TRY(begin(socket, &place, fd, end, fault));
    memcpy(socket->last_endpoint, end->name, sizeof end->name);
    mcq_report_now(socket, is_bound ? MCQ_REPORT_OF_LISTENING : MCQ_REPORT_OF_CONNECTED, fd,
                   is_bound, end->name);
    return MCQ_OK;
}

enum mcq_err mcq_datagram_end(struct mcq_socket *socket, struct mcq_bytes text,
                              enum mcq_endpoint_use use)
{
    if (find_type(socket) == NULL)
        return MCQ_TRANSPORT;
    for (uint32_t i = socket->slot_count; i > 0; i--) {
        struct mcq_conn *conn = socket->slots[i - 1].conn;
        const struct mcq_datagram_end *end = conn != NULL ? conn->datagram : NULL;

        if (end == NULL || end->is_bound != (use == MCQ_ENDPOINT_BIND) || conn->is_ending ||
            conn->is_leaving ||
            (!mcq_bytes_equal(mcq_bytes_of(end->text), text) &&
             !mcq_bytes_equal(mcq_bytes_of(end->name), text)))
            continue;
        mcq_conn_leave(conn);
        return MCQ_OK;
    }
    return MCQ_NOT_FOUND;
}
