/*
 * single: what types have in common whose messages have one part, so that several threads can send
 * and receive without getting between each other's parts (RFC 41, 48, 49, 51, 52).
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 */
#ifndef MCQ_SOCKET_SINGLE_H
#define MCQ_SOCKET_SINGLE_H

#include "socket/duplex.h"

/* As mcq_incoming_take, but never MCQ_CLOSED: messages of more parts are dropped, and counted. */
MCQ_MUST_CHECK enum mcq_err mcq_single_take(struct mcq_pattern *pattern, struct mcq_msg *msg,
                                            struct mcq_peer **peer);

/* Calls of the table. MCQ_INVAL: more parts were to follow. */
enum mcq_err mcq_single_send(struct mcq_pattern *pattern, struct mcq_part *part);
enum mcq_err mcq_single_recv(struct mcq_pattern *pattern, struct mcq_msg *msg);

#endif
