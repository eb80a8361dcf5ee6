/*
 * transfer: what sends and receives of an application's thread have in common.
 *
 * Layer:   runtime.
 * Threads: the lock of the socket is held.
 *
 *   send.c      sending: bursts, lanes, waiting for room
 *   receive.c   receiving: taps, waiting for messages
 *   transfer.c  looking for a while before a sleep; turns of an engine without a thread
 */
#ifndef MCQ_RUNTIME_TRANSFER_H
#define MCQ_RUNTIME_TRANSFER_H

#include "runtime/holder.h"

/* Before a sleep: a wake-up across cores costs 40 us, so it pays to look for about as long, as long
 * as that succeeds (runtime figures in docs/adr/0006 and 0010). */
#define MCQ_SPIN_NS UINT64_C(40000)

/* Without a thread of its own the engine has its turn even in calls that do not wait. */
static inline bool mcq_transfer_returns_at_once(const struct mcq_socket *socket, int timeout_ms)
{
    return timeout_ms == 0 && (!mcq_engine_is_mine(socket->engine) || socket->engine->is_telling);
}

/* Who has bells, or somebody who looks on, has them told after each call. */
static inline bool mcq_transfer_is_watched(const struct mcq_socket *socket)
{
    return socket->recv_bell != NULL || socket->send_bell != NULL || socket->hint.fd >= 0;
}

/* The only peer that is up. NULL: there is none, or another one. */
static inline struct mcq_conn *mcq_transfer_only_conn(const struct mcq_socket *socket)
{
    for (uint32_t i = 0; socket->up_count == 1 && i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn != NULL && conn->peer.link.is_up && !conn->is_leaving)
            return conn;
    }
    return NULL;
}

/* Whether to look for a while before the next sleep: whatever pays. Three times in a row for
 * nothing, and the next ones are left out. */
bool mcq_transfer_may_spin(struct mcq_socket *socket);
/* It was looked for a while. */
void mcq_transfer_has_spun(struct mcq_socket *socket, bool found);
/* Between two looks, without the lock. A pipe's far side is a thread that may be about to write:
 * the kernel need not be asked yet. */
void mcq_transfer_let_others_run(bool has_streams, uint32_t round);

/* A program that finds all it asks for never waits. So that its engine does not stand still, calls
 * look at the clock now and then, or always if `looks` says so. */
void mcq_transfer_share_turns(struct mcq_engine *engine, struct mcq_context *context, bool looks);

/* Lets go of the lock, as mcq_socket_leave. */
static inline void mcq_transfer_leave(struct mcq_socket *socket, bool looks)
{
    struct mcq_engine *engine = socket->engine;
    struct mcq_context *context = socket->context;
    bool is_mine = mcq_engine_is_mine(engine);

    mcq_socket_leave(socket);  /* *socket may be gone, and the context with it */
    if (MCQ_UNLIKELY(is_mine)) /* not so: only this thread ends the context */
        mcq_transfer_share_turns(engine, context, looks);
}

#endif
