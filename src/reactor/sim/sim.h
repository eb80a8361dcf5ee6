/*
 * sim: a world of its own for reactors: time, network and faults, all from one seed.
 *
 * Layer:   reactor.
 * Threads: one, for the world and all reactors in it.
 * Bound:   MCQ_SIM_FDS_MAX descriptors, MCQ_SIM_ACTORS_MAX actors; streams hold what their faults'
 *          pipe allows.
 *
 *   actors take their turns --nobody has anything to do--> advance --time moves--> actors ...
 *
 * Nothing sleeps: a reactor's wait says until when it would, and returns. When no actor makes
 * progress, mcq_sim_advance moves the time to the next thing that happens. The same seed and the
 * same calls give the same world, to the last octet; the hash of everything that happened tells.
 *
 * A sleeper's wait lets the other actors run until it is over. Such waits nest, and the inner one
 * is over first: one actor that sleeps may wait for all others, but of two that sleep the inner one
 * must not wait for the outer. A sleep that can never end says BROKEN: its wake-up was lost.
 */
#ifndef MCQ_REACTOR_SIM_H
#define MCQ_REACTOR_SIM_H

#include "reactor/reactor.h"

#define MCQ_SIM_FDS_MAX 4096
#define MCQ_SIM_ACTORS_MAX 64
#define MCQ_SIM_KINDS_MAX 4096 /* operations whose kind is remembered */

struct mcq_sim;

/* What goes wrong, and how often: thousandths of all operations of the kind. */
struct mcq_sim_faults {
    unsigned partial;      /* recv and send take fewer octets than they could */
    unsigned again;        /* recv, send and accept say AGAIN though they could */
    unsigned fail;         /* any operation ends in one of its failures */
    unsigned spurious;     /* polls complete and sleepers return for nothing */
    unsigned late;         /* polls complete later than they could, so in another order */
    uint64_t delay_max_ns; /* octets, connections and completions come up to this much later */
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

/* Somebody in this world: a turn does what can be done now and says whether that was anything.
 * The caller's storage; `next` and `is_running` are the world's. */
struct mcq_sim_actor {
    bool (*turn)(void *context);
    void *context;
    struct mcq_sim_actor *next;
    bool is_running; /* it is inside its turn, asleep: it gets no other */
};

/* Between steps only. */
void mcq_sim_add_actor(struct mcq_sim *sim, struct mcq_sim_actor *actor);
void mcq_sim_remove_actor(struct mcq_sim *sim, struct mcq_sim_actor *actor);

/* A turn for each actor, in an order that chance chooses; if none of them did anything, the time
 * moves. false: nothing was done and nothing ever will be. */
bool mcq_sim_step(struct mcq_sim *sim);

/* Steps until is_done says so. false: it never will, or not within steps_max. */
MCQ_MUST_CHECK bool mcq_sim_run_until(struct mcq_sim *sim, bool (*is_done)(void *context),
                                      void *context, uint64_t steps_max);

/* The time jumps forward, past whatever would have happened meanwhile. */
void mcq_sim_jump(struct mcq_sim *sim, uint64_t ns);

/* The operation of this index, counted from 0, ends in `result`, if the table and the state of
 * things allow it: failures always; AGAIN of recv, send and accept; END of recv, for which the peer
 * has closed; DONE and SIGNALED of a poll and a sleep for nothing. Up to 16 in a world. */
void mcq_sim_inject(struct mcq_sim *sim, uint64_t index, enum mcq_io_result result);

/* The recv or send of this index moves at most len_max octets. */
void mcq_sim_inject_short(struct mcq_sim *sim, uint64_t index, size_t len_max);

/* Connections to this port get no answer, as if a filter dropped them; 0: to none. */
void mcq_sim_mute(struct mcq_sim *sim, uint16_t port);

/* The host at the other end is gone, and says nothing: not even that it got what was sent. */
void mcq_sim_unplug(struct mcq_sim *sim, int fd);

/* Cuts a connection: both sides get RESET. */
void mcq_sim_reset(struct mcq_sim *sim, int fd);

/* How many operations there were, and the hash of all of them: kind, descriptor, result, length and
 * time. */
uint64_t mcq_sim_operation_count(const struct mcq_sim *sim);
uint64_t mcq_sim_hash(const struct mcq_sim *sim);

/* Which operation had this index; MCQ_IO_OP_COUNT: none, or nobody remembers. */
enum mcq_io_operation mcq_sim_operation_at(const struct mcq_sim *sim, uint64_t index);

/* Whether mcq_sim_inject can end such an operation so. */
bool mcq_sim_can_inject(enum mcq_io_operation operation, enum mcq_io_result result);

/* How often an operation ended so. CANCELED ones of streams are not seen from here, nor timers. */
uint64_t mcq_sim_reached(const struct mcq_sim *sim, enum mcq_io_operation operation,
                         enum mcq_io_result result);

/* A random number of the world's, for actors that want to be part of the replay. */
uint64_t mcq_sim_random(struct mcq_sim *sim);

/* Descriptors that are open: zero in every test's teardown. */
size_t mcq_sim_open_count(const struct mcq_sim *sim);

#endif
