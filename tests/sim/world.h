/*
 * world: two sockets of a pair in a simulated world, and what they promise each other.
 *
 * Of a seed is made: which pair talks, who binds, how many messages of which sizes and parts, and
 * what goes wrong: partial reads and writes, delays, calls that say AGAIN for nothing, connections
 * that are cut. The receiver holds what comes against what the pattern promises:
 *
 *   - every message is whole: its parts, its lengths, its octets
 *   - no message comes twice, and none overtakes another
 *   - while no connection is lost, none is missing
 *   - a request gets its own reply
 *
 * In half of the worlds of a REQ its requests have deadlines, and whom it asks takes its time, or a
 * ROUTER never answers. Then a reply is of the request that was asked last, whatever was lost; a
 * request ends, one way or the other, when its last sending has had its time; and no request comes
 * more often than it was sent.
 *
 * In one world of five memory runs out, now and then: then only the first two are promised. In one
 * of four messages are short and the contexts' budgets all but nothing: then all is promised. In
 * one of four the sockets meet over ipc, in one of three a context has no engine thread, and its
 * application runs the engine in its calls, some of which wait; where both do, each helps itself
 * only. In some heartbeats go to and fro, messages are sent and taken several at a time, the sender
 * disconnects once all is sent, and a publisher has a crowd of other subscribers, more than it
 * writes to in one go. In some a handler of ZAP lets the connections in, now and then not at once.
 *
 * A script takes the place of chance: one operation ends as it says, and nothing else goes wrong.
 * Then the sockets have to come back, whatever was lost: messages follow until one arrives.
 *
 * At the end all is closed, and nothing may be left: no memory, no descriptor, no armed operation.
 */
#ifndef MCQ_TESTS_SIM_WORLD_H
#define MCQ_TESTS_SIM_WORLD_H

#include "reactor/sim/sim.h"
#include "runtime/socket.h"

#define BATCH_MAX 8
#define PARTS_MAX 4
#define KINDS_MAX 2048

struct pair {
    const char *name;
    enum mcq_socket_type a; /* sends, or asks */
    enum mcq_socket_type b;
    bool is_dialogue; /* b answers each message */
};

struct script {
    bool is_on;
    bool is_inline; /* neither context has a thread */
    bool is_ipc;
    bool is_short; /* it moves an octet at most; else it ends in result */
    uint64_t index;
    enum mcq_io_result result;
};

/* Half a message that is being sent or received. */
struct progress {
    uint32_t number;
    unsigned part;
    struct mcq_msg envelope; /* ROUTER: the id that came in front */
    bool has_envelope;
    bool has_id; /* the same of a REQ whose requests have deadlines */
    uint32_t id;
    bool in_body;
};

struct side {
    struct world *world;
    struct mcq_context *context;
    struct mcq_socket *socket;
    struct mcq_sim_actor engine;
    struct mcq_sim_actor app;
    struct progress out;
    struct progress in;
    bool owes;          /* a dialogue's answer is due */
    bool sends_batches; /* all parts of a message at once */
    bool takes_batches;
    bool is_inline;                  /* its context has no thread: `app` drives the engine, too */
    struct mcq_msg batch[BATCH_MAX]; /* taken, and not looked at */
    size_t batch_at;
    size_t batch_count;
    struct mcq_wait pause; /* armed: it takes its time with an answer */
};

/* What is asked of the handler of ZAP, part by part, and what it says to that. */
struct keeping {
    uint8_t id[8];
    struct mcq_bytes request_id;
    unsigned in_part;
    unsigned out_part;
    unsigned status;
    uint32_t let_in_count;
};

struct world {
    uint64_t seed;
    const struct pair *pair;
    struct mcq_sim *sim;
    struct side a;
    struct side b;
    struct side crowd;  /* other subscribers, in b's context */
    struct side keeper; /* the handler of ZAP, in the context of who binds */
    struct keeping keeping;
    struct script script;
    uint32_t message_count;
    uint32_t next_expected; /* at b: all below have come, or been lost */
    uint32_t received_count;
    uint32_t answered_count; /* at a */
    uint32_t timeout_ms;     /* of a request; 0: it has no deadline */
    uint32_t resends;
    uint64_t asked_at_ns;
    uint32_t late_count;     /* at a: requests that nobody has answered in time */
    uint32_t asked_anew;     /* at a: whose connection was lost */
    uint32_t repeated_count; /* at b: that came before */
    uint32_t tried_audience; /* PUB: subscribers that there were when it has spoken last */
    uint32_t cuts_left;
    uint32_t cut_count;
    bool is_starving;        /* allocations fail, now and then */
    bool is_refused;         /* by script: bind or connect has said so */
    bool leaves;             /* a disconnects once it has sent all */
    bool is_ipc;             /* that is how they meet */
    struct mcq_bytes target; /* of who connects */
    uint64_t operation_count;
    uint8_t kinds[KINDS_MAX]; /* enum mcq_io_operation, of the first ones */
    char wrong[160];
};

/* --- what is sent (messages.c) ---------------------------------------------------------------- */

/* A number that follows from another, as if by chance. */
uint64_t world_mix(uint64_t value);

/* In such a world messages are short, and the contexts' budgets all but nothing. */
bool world_is_narrow(uint64_t seed);
/* What others have used of the budget: in half of these worlds, all of it. */
uint64_t world_others_bytes(uint64_t seed);

/* The parts of a message, and whether they are what came. False: no memory; other octets. */
unsigned world_part_count(uint64_t seed, uint32_t number);
bool world_fill(struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part);
bool world_is_filled(const struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part);

/* --- the two sides (apps.c) ------------------------------------------------------------------- */

/* The first thing that was not as promised is the world's. */
void world_fail(struct world *world, const char *what, uint32_t number);
bool world_publishes(const struct world *world);

/* All is over: each request has ended, and none came more often than it was sent. */
void world_check_requests(struct world *world);

/* Actors' turns; the context is a side. */
bool world_engine_turn(void *context);
bool world_a_turn(void *context);
bool world_b_turn(void *context);
bool world_crowd_turn(void *context);
bool world_keeper_turn(void *context);

/* --- worlds (world.c) ------------------------------------------------------------------------- */

/* Runs the world of a seed; returns its hash, and in wrong[] what was not as promised. */
uint64_t world_run(struct world *world, uint64_t seed, const struct script *script);

/* How many pairs there are: a seed's pair is its remainder. */
unsigned world_pair_count(void);
const char *world_pair_name(unsigned pair);

#endif
