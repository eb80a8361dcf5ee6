/*
 * sim: a world of its own for reactors: time, network and faults, all from one seed.
 *
 * Layer:   reactor.
 * Threads: one, for the world and all reactors in it.
 * Bound:   MCQ_SIM_FDS_MAX descriptors; streams hold what their faults' pipe allows.
 *
 *   actors take their turns --nobody has anything to do--> advance --time moves--> actors ...
 *
 * Nothing sleeps: a reactor's wait says until when it would, and returns. When no actor makes
 * progress, mcq_sim_advance moves the time to the next thing that happens. The same seed and the
 * same calls give the same world, to the last octet; the hash of everything that happened tells.
 */
#ifndef MCQ_REACTOR_SIM_H
#define MCQ_REACTOR_SIM_H

#include "reactor/reactor.h"

#define MCQ_SIM_FDS_MAX 4096

struct mcq_sim;

/* What goes wrong, and how often: thousandths of all operations of the kind. */
struct mcq_sim_faults {
    unsigned partial;      /* recv and send take fewer octets than they could */
    unsigned again;        /* recv, send and accept say AGAIN though they could */
    unsigned fail;         /* any operation ends in one of its failures */
    uint64_t delay_max_ns; /* octets and connections arrive up to this much later */
    size_t pipe_bytes;     /* octets that a stream holds; 0: 65536 */
};

/* An empty world at time 1 s. Print the seed: it is all that a replay needs.
 *   MCQ_NOMEM   *sim is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_sim_new(uint64_t seed, const struct mcq_sim_faults *faults,
                                        struct mcq_sim **sim);

/* All reactors are gone. *sim becomes NULL. */
void mcq_sim_free(struct mcq_sim **sim);

/* A reactor in this world. */
MCQ_MUST_CHECK enum mcq_err mcq_sim_reactor_new(struct mcq_sim *sim, struct mcq_reactor **reactor);

/* Moves the time to the next thing that happens: octets arrive, a wait ends. false: nothing ever
 * will. */
bool mcq_sim_advance(struct mcq_sim *sim);

/* The operation of this index, counted from 0, ends in `result`, if it has such a row. */
void mcq_sim_inject(struct mcq_sim *sim, uint64_t index, enum mcq_io_result result);

/* Cuts a connection: both sides get RESET. */
void mcq_sim_reset(struct mcq_sim *sim, int fd);

/* How many operations there were, and the hash of all of them: kind, descriptor, result, length and
 * time. */
uint64_t mcq_sim_operation_count(const struct mcq_sim *sim);
uint64_t mcq_sim_hash(const struct mcq_sim *sim);

/* A random number of the world's, for actors that want to be part of the replay. */
uint64_t mcq_sim_random(struct mcq_sim *sim);

/* Descriptors that are open: zero in every test's teardown. */
size_t mcq_sim_open_count(const struct mcq_sim *sim);

#endif
