/*
 * peers: what can be told of a socket's peers, and the end of one of them.
 *
 * Layer:   runtime.
 * Threads: the holder of the socket's lock.
 * Bound:   a walk over the slots; nothing is allocated.
 */
#ifndef MCQ_RUNTIME_PEERS_H
#define MCQ_RUNTIME_PEERS_H

#include "runtime/socket.h"
#include "transport/transport.h"

/* A peer as it is now; texts end with a zero octet. */
struct mcq_peer_state {
    uint64_t id;    /* that no other peer of the context has */
    uint64_t epoch; /* of its connection; 0: none stands */
    uint64_t connected_ns;
    uint64_t rtt_ns; /* 0: no PING was answered */
    uint64_t queued_out;
    uint64_t queued_out_bytes; /* frames; 0 of a pipe */
    bool is_accepted;
    enum mcq_mechanism mechanism;
    const char *user_id;         /* borrowed; "": ZAP said nothing */
    struct mcq_bytes routing_id; /* borrowed; empty: it has none that the application knows */
    char endpoint[MCQ_ENDPOINT_BYTES];
    char address[MCQ_TRANSPORT_TEXT_BYTES]; /* the other side's; "" if it has none */
};

/* The next peer, from *at on, which begins with 0; NULL: all were there. */
struct mcq_conn *mcq_socket_next_peer(const struct mcq_socket *socket, uint32_t *at);

/* Fills *state; what is borrowed in it lasts as long as the lock is held. */
void mcq_conn_describe(const struct mcq_conn *conn, struct mcq_peer_state *state);

/* Ends the connection with this peer and drops what waits for it; one that was connected to is not
 * tried again. What it has sent and nobody has begun to receive is gone, unless it is in a pipe.
 *   MCQ_NOT_FOUND   no such peer, or it has gone */
MCQ_MUST_CHECK enum mcq_err mcq_socket_close_peer(struct mcq_socket *socket, uint64_t id);

/* Of a socket that the context's end waits for: messages for this peer that keep it. */
uint64_t mcq_conn_keeping_count(const struct mcq_conn *conn);

/* For how long it would still wait for them, in ns; MCQ_NEVER_NS: without a limit. */
uint64_t mcq_socket_linger_left_ns(const struct mcq_socket *socket);

/* Of all peers that the socket has and had. */
void mcq_socket_sum(const struct mcq_socket *socket, struct mcq_tally *sum);

#endif
