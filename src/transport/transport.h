/*
 * transport: what an endpoint is to the system, whichever transport it names.
 *
 * Layer:   transport.
 * Threads: any; where a name is looked up, that takes as long as the resolver does.
 *
 *   parse (endpoint.h) --numeric, or resolve--> address --listen--> seat --leave--> gone
 */
#ifndef MCQ_TRANSPORT_TRANSPORT_H
#define MCQ_TRANSPORT_TRANSPORT_H

#include "transport/ipc.h"
#include "transport/tcp.h"

/* Room for an address's text, of any transport. */
#define MCQ_TRANSPORT_TEXT_BYTES 128

/* What a bound endpoint has of the system. */
struct mcq_seat {
    int fd;
    struct mcq_ipc_file file;
};

/* The address to bind, or to connect to, as far as nobody has to be asked. An endpoint that leaves
 * the choice to the transport has one of length 0, or a port of 0.
 *   MCQ_OK
 *   MCQ_AGAIN       it is a name: to be looked up
 *   MCQ_NOT_FOUND   neither an address of a family that is looked for nor a name
 *   MCQ_INVAL       too long to be one */
MCQ_MUST_CHECK enum mcq_err mcq_transport_numeric(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                                  struct mcq_address *address);

/* The same, asking whoever knows.
 *   MCQ_OK
 *   MCQ_NOT_FOUND   no such name or interface, or none of a family that is looked for
 *   MCQ_INVAL       too long to be one */
MCQ_MUST_CHECK enum mcq_err mcq_transport_resolve(const struct mcq_endpoint *endpoint, bool is_ipv6,
                                                  struct mcq_address *address);

/* Listens.
 *   address         as numeric or resolve gave it; becomes what it is in the end
 *   MCQ_OK          *seat is the caller's, until mcq_transport_leave
 *   MCQ_IN_USE, MCQ_NOT_LOCAL, MCQ_NOT_FOUND, MCQ_TOO_LONG, MCQ_DENIED, MCQ_NO_FDS, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_transport_listen(struct mcq_reactor *reactor,
                                                 const struct mcq_endpoint *endpoint,
                                                 struct mcq_address *address,
                                                 const struct mcq_tuning *tuning, int backlog,
                                                 struct mcq_seat *seat);

/* Takes over a descriptor that listens already, and leaves what it stands for to its maker.
 *   MCQ_OK      *address is where it listens, and *seat the caller's
 *   MCQ_INVAL   it does not listen, or not for this transport; it is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_transport_adopt(struct mcq_reactor *reactor,
                                                const struct mcq_endpoint *endpoint, int fd,
                                                struct mcq_address *address, struct mcq_seat *seat);

/* Closes what listens, and takes away what it left. Nothing of it is armed. */
void mcq_transport_leave(struct mcq_reactor *reactor, struct mcq_seat *seat);

/* What can be connected to: "tcp://127.0.0.1:5555", "ipc:///tmp/x". */
void mcq_transport_text(const struct mcq_address *address, char text[MCQ_TRANSPORT_TEXT_BYTES]);

/* Who is at the other end of a stream: a numeric address without the port; of ipc, which has none,
 * "localhost:UID:GID:PID". false: nobody knows. */
bool mcq_transport_peer_text(struct mcq_reactor *reactor, int fd,
                             char text[MCQ_TRANSPORT_TEXT_BYTES]);

/* Whether the peer is on this machine: a unix stream, or loopback. */
bool mcq_transport_is_local(struct mcq_reactor *reactor, int fd);

/* How an attempt to listen ended, for those who asked. */
enum mcq_err mcq_transport_listen_err(enum mcq_io_result result);

#endif
