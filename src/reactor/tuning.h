/*
 * tuning: how the system shall treat a stream, beside what is best for all of them.
 *
 * Layer:   reactor.
 * Threads: values; no state.
 */
#ifndef MCQ_REACTOR_TUNING_H
#define MCQ_REACTOR_TUNING_H

#include <net/if.h>
#include <netinet/tcp.h>

#define MCQ_DEVICE_BYTES IFNAMSIZ /* an interface's name, and its zero */
#define MCQ_CONGESTION_BYTES 16   /* a congestion control's name (TCP_CA_NAME_MAX), the same */

/* Numbers as socket(7), ip(7) and tcp(7) have them; "unset" leaves the matter to the system. What
 * is not for the address's family is passed over, and so is what the system refuses, but for the
 * device: without it there is no stream. */
struct mcq_tuning {
    int send_buffer;                       /* octets; -1: unset */
    int recv_buffer;                       /* the same */
    int type_of_service;                   /* 0: unset; also IPv6's traffic class */
    int priority;                          /* 0: unset */
    int busy_poll_us;                      /* 0: unset */
    int keepalive;                         /* 0 off, 1 on, -1: unset */
    int keepalive_count;                   /* -1: unset */
    int keepalive_idle_s;                  /* the same */
    int keepalive_every_s;                 /* the same */
    int user_timeout_ms;                   /* 0: unset */
    int multicast_hops;                    /* of datagrams; 1 is what the system takes */
    int multicast_loop;                    /* 0 off, 1 on, which is the same */
    char device[MCQ_DEVICE_BYTES];         /* empty: any */
    char congestion[MCQ_CONGESTION_BYTES]; /* empty: ours over loopback, else the system's */
};

#endif
