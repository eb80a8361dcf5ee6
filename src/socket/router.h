/*
 * router: routing by a name in front of the message: what ROUTER and STREAM have in common.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/router.h; one part that is held while its peer's name is taken.
 *
 * Raw peers, which speak no ZMTP, have the names that we give them. One that we connect to has its
 * name from then on, through all its connections; one that was accepted, for its connection.
 */
#ifndef MCQ_SOCKET_ROUTER_H
#define MCQ_SOCKET_ROUTER_H

#include "socket/duplex.h"

/* Of whom the application gets a message of one empty part. */
enum mcq_notice {
    MCQ_NOTICE_UP = 1,
    MCQ_NOTICE_DOWN = 2,
    MCQ_NOTICE_ALL = 3,
};

struct mcq_routing {
    struct mcq_duplex duplex; /* first; its balance is not used: the router's is */
    struct mcq_router router;
    bool is_mandatory;
    bool hands_over;
    bool balances;  /* ROUTER_BALANCE: sends without names */
    bool is_raw;    /* peers that come speak no ZMTP: a body is one part */
    bool is_silent; /* STREAM_NOTIFY 0 */
    bool is_compat;
    bool is_within; /* of an outgoing message: its name was taken */
    bool has_held;  /* a first part, behind the name that was handed out */
    bool has_given;
    uint32_t given; /* the number in the name that was given last */
    struct mcq_msg held;
    unsigned notices;         /* enum mcq_notice, of peers that are not raw */
    struct mcq_msg next_name; /* CONNECT_ROUTING_ID, for the next that connects; empty: none */
};

/* Calls of the table. */
enum mcq_err mcq_routing_create(const struct mcq_pattern_ops *ops,
                                const struct mcq_pattern_config *config,
                                struct mcq_pattern **pattern);
void mcq_routing_free(struct mcq_pattern *pattern);
enum mcq_err mcq_routing_attach(struct mcq_pattern *pattern, struct mcq_peer *peer);
enum mcq_err mcq_routing_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                            struct mcq_bytes identity, struct mcq_peer **older);
void mcq_routing_down(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_routing_detach(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_routing_room(struct mcq_pattern *pattern, struct mcq_peer *peer);
enum mcq_err mcq_routing_recv(struct mcq_pattern *pattern, struct mcq_msg *msg);
enum mcq_err mcq_routing_set_bytes(struct mcq_pattern *pattern, enum mcq_pattern_option option,
                                   struct mcq_bytes value);

/* A message's first part, which names its peer; is_within says that a body is to follow.
 *   MCQ_NO_ROUTE, MCQ_AGAIN   with is_mandatory: nobody has the name, or there is no room */
MCQ_MUST_CHECK enum mcq_err mcq_routing_take_name(struct mcq_pattern *pattern,
                                                  struct mcq_part *part);
/* A part behind it. Results as of send, of the table. */
MCQ_MUST_CHECK enum mcq_err mcq_routing_send_body(struct mcq_pattern *pattern,
                                                  struct mcq_part *part);

#endif
