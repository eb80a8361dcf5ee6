/*
 * rows: what can be measured, each with the work of its two sides.
 */
#ifndef MCQ_BENCH_ROWS_H
#define MCQ_BENCH_ROWS_H

#include "adapter.h"
#include "run.h"

struct row {
    const char *name;
    const char *help;
    void (*first)(void);
    void (*second)(void); /* NULL: a crowd, in this part */
    const char *crowd;
    int measures;       /* which side does; -1: who starts both */
    uint32_t endpoints; /* that are needed; 0: as many as peers */
};

/* row_flow.c */
void flow_receiver(void);
void flow_sender(void);
void many_receiver(void);
/* row_trip.c */
void trip_replier(void);
void trip_requester(void);
void open_echo(void);
void open_client(void);
void pairs_repliers(void);
void pairs_requesters(void);
void dealers_ask(void);
/* row_crowd.c */
void crowd_publisher(void);
void crowd_topics(void);
void crowd_apart(void);
void crowd_router(void);
void crowd_idle(void);

void *open_socket(enum bench_role role, uint32_t endpoint);
/* Of this length, or the run has failed. */
void receive(void *socket);
/* What the measuring side tells last. */
void tell_library(void);

#endif
