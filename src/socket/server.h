/*
 * server: routing by a number beside the message: what SERVER and PEER have in common.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/router.h, whose names here are numbers.
 */
#ifndef MCQ_SOCKET_SERVER_H
#define MCQ_SOCKET_SERVER_H

#include "socket/single.h"

struct mcq_server {
    struct mcq_duplex duplex; /* first; its balance is not used: the router's is */
    struct mcq_router router;
    uint32_t last_id; /* of the peer attached last; 0: none yet */
};

/* MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_server_create(const struct mcq_pattern_ops *ops,
                                              const struct mcq_pattern_config *config,
                                              struct mcq_pattern **pattern);

/* Calls of the table. A peer has its number from attach to detach, or, if it was accepted, to
 * down. */
void mcq_server_free(struct mcq_pattern *pattern);
enum mcq_err mcq_server_attach(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_server_down(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_server_detach(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_server_room(struct mcq_pattern *pattern, struct mcq_peer *peer);
/* To the peer of the message's routing_id. MCQ_AGAIN: it is full; MCQ_NO_ROUTE: there is none;
 * MCQ_INVAL: more parts were to follow. */
enum mcq_err mcq_server_send(struct mcq_pattern *pattern, struct mcq_part *part);
/* routing_id says whose it is. */
enum mcq_err mcq_server_recv(struct mcq_pattern *pattern, struct mcq_msg *msg);
bool mcq_server_is_writable(struct mcq_pattern *pattern);
/* MCQ_PATTERN_LAST_PEER. */
enum mcq_err mcq_server_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                            int64_t *value);

#endif
