/*
 * ring: the peers of a socket in the order of their turns; those that can take part now, and the
 * rest.
 *
 * Layer:   hub.
 * Threads: the caller's lock orders all calls.
 * Bound:   allocates nothing; every call is O(1). A node is the caller's and lies in what it has
 *          for the peer; it must not move while it is in.
 *
 *   OUT --up--> IDLE --set ready--> READY --set idle--> IDLE
 *    ^           |                   |
 *    +---down----+-------------------+
 *
 * READY is a circle: its head, whose turn it is, then the others in order. Who becomes ready goes
 * to its end.
 *
 * Epochs: each connection of the process has a number that only grows, and what is said about a
 * peer says for which connection. A node remembers the newest. What comes late, for an older one,
 * is answered by false and changes nothing: a connection that died cannot take down its successor.
 */
#ifndef MCQ_HUB_RING_H
#define MCQ_HUB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mcq_ring_part {
    MCQ_RING_OUT,
    MCQ_RING_IDLE,
    MCQ_RING_READY,
};

/* Zero at first: out, no epoch yet. */
struct mcq_ring_node {
    struct mcq_ring_node *prev; /* circles; NULL while OUT */
    struct mcq_ring_node *next;
    uint64_t epoch; /* of the newest connection; 0: never had one */
    enum mcq_ring_part part;
    bool is_final; /* of hub/fair.h */
};

struct mcq_ring {
    struct mcq_ring_node *ready; /* the head; NULL: none */
    struct mcq_ring_node *idle;
    size_t ready_count;
    size_t idle_count;
};

/* Whose turn it is, for the users of rings (hub/balance.h, hub/fair.h). */
enum mcq_turn {
    MCQ_TURN_PEER,    /* the peer handed out */
    MCQ_TURN_NOBODY,  /* none can now */
    MCQ_TURN_CUT,     /* the peer went in the middle of a message; said once */
    MCQ_TURN_SWALLOW, /* the frame belongs to such a message and goes nowhere */
};

/* Empty. */
void mcq_ring_init(struct mcq_ring *ring);

/* A peer connects: its node joins the idle part; if an older connection is still in, that leaves
 * first. False: the epoch (1 or more) is not newer than the node's; nothing changed. */
bool mcq_ring_up(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch);

/* The connection is over: the node leaves. False: another epoch's, or already out. */
bool mcq_ring_down(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch);

/* The peer can, or cannot, take part. Who was ready already keeps its place. False: as above. */
bool mcq_ring_set(struct mcq_ring *ring, struct mcq_ring_node *node, uint64_t epoch, bool is_ready);

/* The head has had its turn and is the last now. At least one is ready. */
static inline void mcq_ring_rotate(struct mcq_ring *ring)
{
    ring->ready = ring->ready->next;
}

/* A ready node takes its turn right behind another one, or, NULL, before all. */
void mcq_ring_move(struct mcq_ring *ring, struct mcq_ring_node *node, struct mcq_ring_node *after);

static inline size_t mcq_ring_count(const struct mcq_ring *ring)
{
    return ring->ready_count + ring->idle_count;
}

/* All nodes, ready ones first: the first, and the one after `node`. NULL: no more. The ring stays
 * as it is meanwhile. */
struct mcq_ring_node *mcq_ring_first(const struct mcq_ring *ring);
struct mcq_ring_node *mcq_ring_next(const struct mcq_ring *ring, const struct mcq_ring_node *node);

#endif
