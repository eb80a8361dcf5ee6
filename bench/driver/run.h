/*
 * run: what the processes of one measurement share, and how they measure each other.
 *
 * A run has two sides. The first one listens; the second one connects, or is a crowd of plain
 * descriptors (crowd.c). They are processes, or two threads of one for inproc. One of them
 * measures: it warms up, calls run_begin, works, calls run_end; the other one goes on until it is
 * killed, so that no figure depends on how a library ends. All is told through one mapping.
 *
 *   STARTING --first side is bound--> LISTENING --run_begin--> MEASURING --run_end--> MEASURED
 *       any --a side cannot go on--> FAILED
 */
#ifndef MCQ_BENCH_RUN_H
#define MCQ_BENCH_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "histogram.h"

#define SIDES 2
#define ENDPOINTS_MAX 16
#define PEERS_MAX 20000
#define PATIENCE_S 30

enum run_phase { STARTING, LISTENING, MEASURING, MEASURED, FAILED };

/* What costs: of a side, from run_begin to run_end. */
struct run_cost {
    double cpu_ns;
    double calls; /* into the kernel; less than 0: not counted, or it does not let us */
    double allocations;
};

/* What a process holds at one time. */
struct run_memory {
    double user_bytes; /* private and written to */
};

struct run {
    /* set before the sides start */
    size_t bytes;      /* of a message */
    uint32_t peers;    /* of a crowd, or pairs */
    uint32_t active;   /* of these peers: who asks */
    uint32_t window;   /* requests that an active one has on the way */
    uint32_t topics;   /* subscriptions of each subscriber */
    bool is_apart;     /* no two subscribers have the same ones */
    double seconds;    /* measured; a quarter of it goes before as warm-up */
    double rate;       /* of the open loop, per second */
    bool gives;        /* messages of the library's own, not copies */
    bool is_sp;        /* the crowd speaks nng's protocol */
    bool counts_calls; /* into the kernel, which makes each of them slower */
    char endpoints[ENDPOINTS_MAX][64];
    pid_t pids[SIDES]; /* both the same: threads of one process */

    /* told by the sides */
    _Atomic uint32_t phase; /* enum run_phase */
    _Atomic bool is_open;   /* the crowd has connected */
    _Atomic bool may_speak; /* row "idle" */
    _Atomic bool has_spoken;
    _Atomic uint64_t allocations[SIDES]; /* counted by preload/heap.c */
    _Atomic uint64_t octets[PEERS_MAX];  /* that each peer of a crowd has received */

    /* the measuring side's, from run_end on */
    double count, took_s;
    uint64_t wire_bytes; /* of a message, between a crowd and its library */
    double open_s;       /* that the crowd took to connect */
    uint64_t ledger_bytes;
    struct run_cost costs[SIDES];
    struct histogram times;
    char engine[32];
};

extern struct run *run;
extern void (*run_turn)(void); /* of the engine that is the thread; NULL: it has threads */

uint64_t now_ns(void);
void sleep_us(long us);
/* The same for a thread that is its library's engine: that has a turn first. */
void rest_us(long us);
/* A side cannot go on: says why, and the run has failed. */
_Noreturn void run_fail(const char *what);
static inline void must(bool ok, const char *what)
{
    if (!ok)
        run_fail(what);
}

void run_tell(enum run_phase phase);
/* Waits until that, or run_fail. */
void run_await(_Atomic bool *what, const char *name);
void run_await_phase(enum run_phase phase);

/* From here on it counts; up to here, `count` messages in all. */
void run_begin(void);
void run_end(double count);

/* seconds of the warm-up */
static inline double warm_up_s(void)
{
    return run->seconds / 4;
}

#endif
