/*
 * endpoint: what bind and connect leave behind, as its files see it.
 *
 * Layer:   runtime.
 * Threads: the engine's, but for what is marked.
 * Bound:   openers by the listener's limit; one at a time for a connector.
 *
 *   node       a listener (endpoint.c) or a connector (connector.c): in the socket's list until
 *              nothing of it is armed and nobody opens
 *   opener     a stream of a node until its handshake is over (opener.c)
 *   tunnel     a stream of a connector until its proxy has made a way (tunnel.c)
 *
 *   bind, connect --node_join--> engine: step ... is_stopped --node_end--> letter --> task: freed
 */
#ifndef MCQ_RUNTIME_ENDPOINT_H
#define MCQ_RUNTIME_ENDPOINT_H

#include "runtime/socket.h"
#include "runtime/source.h"
#include "transport/transport.h"

struct mcq_opener;

struct mcq_endpoint_node {
    struct mcq_socket *socket;
    struct mcq_endpoint_node *next; /* in the socket's list: the holder's */
    bool is_listener;
    bool has_said_closed; /* of a listener: its end was reported; the holder's until is_stopped */
    uint64_t serial;      /* of its socket's endpoints; constant once joined */
    _Atomic bool is_stopped; /* asked to end */
    bool is_gone;            /* the letter that says so is on its way */
    struct mcq_task task;
    struct mcq_mail mail;              /* "gone": no holder of the lock finds it from now on */
    struct mcq_task end_task;          /* behind the last of their tasks: it is freed */
    struct mcq_socket_options options; /* as they were when it was made; constant */
    struct mcq_opener *openers;        /* newest first */
    struct mcq_opener *oldest_opener;
    uint32_t opener_count;
    char *text;  /* as asked for; constant */
    char *bound; /* its address; NULL: the text says it, or names a host */
};

static inline struct mcq_engine *mcq_node_engine(const struct mcq_endpoint_node *node)
{
    return node->socket->engine;
}

static inline uint64_t mcq_at_least_0(int value)
{
    return value > 0 ? (uint64_t) value : 0;
}

/* As a person would write it. */
static inline const char *mcq_node_name(const struct mcq_endpoint_node *node)
{
    return node->bound != NULL ? node->bound : node->text;
}

/* --- nodes (endpoint.c) ---------------------------------------------------------------------- */

/* Takes a text apart.
 *   MCQ_OK                         *endpoint has views of it
 *   MCQ_INVAL, MCQ_NOT_SUPPORTED, MCQ_TOO_LONG
 *                                  *fault says why */
MCQ_MUST_CHECK enum mcq_err mcq_node_parse(struct mcq_bytes text, enum mcq_endpoint_use use,
                                           struct mcq_endpoint *endpoint, const char **fault);
/* Under the socket's lock. MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_node_init(struct mcq_endpoint_node *node, struct mcq_socket *socket,
                                          struct mcq_bytes text);
/* With a zero behind it, to be freed. NULL: no memory. */
char *mcq_text_copy(struct mcq_bytes text);
/* What it has is given back; itself is the caller's. */
void mcq_node_fini(struct mcq_endpoint_node *node);
/* Under the socket's lock: it is in the socket's list, and the engine begins with it. */
void mcq_node_join(struct mcq_endpoint_node *node);
/* Goes on with it, whatever it is. It may be gone afterwards. */
void mcq_node_step(struct mcq_endpoint_node *node);
/* Nothing of it is armed: once nobody opens it goes. It may be gone afterwards. */
void mcq_node_end(struct mcq_endpoint_node *node);

/* --- openers (opener.c) ---------------------------------------------------------------------- */

/* Begins a handshake on a stream, which it owns from now on, as it does `source`, which may be
 * NULL. The node may be gone afterwards.
 *   MCQ_DENIED             PLAIN does not leave this machine
 *   MCQ_NOMEM, MCQ_INVAL   the stream is closed, in all three */
MCQ_MUST_CHECK enum mcq_err mcq_opener_new(struct mcq_endpoint_node *node, int fd,
                                           struct mcq_source *source);
/* All that are still running end. */
void mcq_openers_stop(struct mcq_endpoint_node *node);
/* The one that has waited longest ends, if it has had until now_ns - grace_ns.
 *   0              it was ended, or is about to go anyway: the node is stepped once it has
 *   NEVER          all have finished their handshakes
 *   other          when it may be ended */
uint64_t mcq_openers_evict(struct mcq_endpoint_node *node, uint64_t now_ns, uint64_t grace_ns);

/* --- tunnels (tunnel.c) ---------------------------------------------------------------------- */

struct mcq_tunnel;

/* Asks the proxy at the other end of the stream, which it owns from now on, for the connector's
 * peer; mcq_connector_tunneled follows.
 *   until_ns    at most
 *   MCQ_NOMEM   the stream is closed */
MCQ_MUST_CHECK enum mcq_err mcq_tunnel_new(struct mcq_endpoint_node *node, int fd,
                                           uint64_t until_ns, struct mcq_tunnel **tunnel);
/* Ends soon, without success. */
void mcq_tunnel_stop(struct mcq_tunnel *tunnel);

/* --- connectors (connector.c) ---------------------------------------------------------------- */

/* The node's turn: it stops, begins, or meets the loss of what it was connected to. */
void mcq_connector_step(struct mcq_connector *connector);
/* Its opener is gone: MCQ_OK, the connection stands. */
void mcq_connector_opened(struct mcq_connector *connector, enum mcq_err err);
/* Its tunnel is gone. MCQ_OK: the stream leads to the peer, and is the connector's; else it is
 * closed. */
void mcq_connector_tunneled(struct mcq_connector *connector, int fd, enum mcq_err err);
/* Under the socket's lock: its opener's connection has a peer from now on. As mcq_conn_up. */
MCQ_MUST_CHECK enum mcq_err mcq_connector_meet(struct mcq_connector *connector,
                                               struct mcq_opening *opening,
                                               struct mcq_bytes identity);
/* Under the socket's lock: its peer goes, or is one that was accepted from now on. */
void mcq_connector_disown(struct mcq_connector *connector);
/* Under the socket's lock: ends, and its peer with it, which it has. */
void mcq_connector_stop(struct mcq_connector *connector);
/* Under the socket's lock: the peer, NULL after disconnect. */
struct mcq_conn *mcq_connector_conn(const struct mcq_connector *connector);
/* What it has of its own is freed; itself is the caller's. */
void mcq_connector_fini(struct mcq_connector *connector);

#endif
