/*
 * holder: what whoever holds a socket's lock does for it; between the files that make a socket.
 *
 * Layer:   runtime.
 * Threads: the lock of the socket is held, but for mcq_socket_init_letters.
 *
 *   socket.c    life, closing, the lock         input.c     who reads, deadlines of silent peers
 *   send.c      bursts, waiting for room        output.c    flushes, full streams, the unsent tail
 *   receive.c   taps, waiting for messages      transfer.c  looks before a sleep, turns
 *   poll.c      poll, wait_peers                wait.c      how a call sleeps
 *   conn.c      a peer's connections            relief.c    want of memory, and giving it back
 *   bells.c     descriptors for foreign loops   leave.c     disconnected, with messages left
 *   letters.c   the engine's side: letters from it, requests to it
 *   inproc.c    letters from and to other sockets
 *
 * on_... is what an engine's letter says has come to pass.
 */
#ifndef MCQ_RUNTIME_HOLDER_H
#define MCQ_RUNTIME_HOLDER_H

#include "runtime/socket.h"

#define MCQ_HARVEST_COUNT 64 /* edges taken from a ready set at a time */
/* The unsent tail leaves after at most twice this and the timer's slack (docs/adr/0006). */
#define MCQ_TAIL_NS UINT64_C(500000)
/* The balance of wake-ups and a silent owner's delay (docs/adr/0006). */
#define MCQ_COLD_NS UINT64_C(5000000)
/* For a peer to take what was sent, and to say that it ends, too. */
#define MCQ_DRAIN_NS UINT64_C(1000000000)

/* What the holder asks of the engine. */
enum mcq_socket_request {
    MCQ_REQUEST_IN_WATCH = 1,
    MCQ_REQUEST_COLD_TIMER = 2,
    MCQ_REQUEST_OUT_WATCH = 4,
    MCQ_REQUEST_TAIL_TIMER = 8,
    MCQ_REQUEST_TICK_TIMER = 16,
    MCQ_REQUEST_CLOSE_TIMER = 32,
    MCQ_REQUEST_SERVE_AGAIN = 64,
    MCQ_REQUEST_END = 128,
    MCQ_REQUEST_RELIEF_TIMER = 256,
    MCQ_REQUEST_FLUSH = 512,
    MCQ_REQUEST_TRIM_TIMER = 1024,
    MCQ_REQUEST_REPORT = 2048,
};
void mcq_socket_ask(struct mcq_socket *socket, uint32_t request);

/* The tasks and waits of a socket that nobody knows yet. */
void mcq_socket_init_letters(struct mcq_socket *socket);

/* NULL: the peer that the edge was about is gone. */
static inline struct mcq_conn *mcq_socket_conn_of(const struct mcq_socket *socket,
                                                  struct mcq_ready_key key)
{
    struct mcq_conn *conn = key.slot < socket->slot_count ? socket->slots[key.slot].conn : NULL;

    return conn != NULL && conn->key.generation == key.generation ? conn : NULL;
}

/* The engine's way of reading: of a batch of peers, what their owner would have done. */
void mcq_socket_serve_input(struct mcq_socket *socket);
/* The engine is to say when there is something to read. */
void mcq_socket_watch_input(struct mcq_socket *socket);
/* The far side of a pipe has put something into it. */
void mcq_socket_on_told(struct mcq_socket *socket, struct mcq_conn *conn);
/* There may be something to read: read it, unless the owner does or sleeps for it. is_due: its
 * deadline has come; else an edge has. */
void mcq_socket_on_input(struct mcq_socket *socket, bool is_due);
/* A deadline of a link has come. */
void mcq_socket_on_tick(struct mcq_socket *socket);
/* The pattern wants to be called at another time. */
void mcq_socket_set_alarm(struct mcq_socket *socket);

/* A stream that was full takes octets again. */
void mcq_socket_on_output(struct mcq_socket *socket);
/* What was queued has waited for company long enough: it is written. */
void mcq_socket_on_tail(struct mcq_socket *socket);
/* The next slice of the links that have something to write. */
void mcq_socket_on_flush(struct mcq_socket *socket);
/* So many messages were sent to more peers than are written to in one go. */
void mcq_socket_gather(struct mcq_socket *socket, uint32_t send_count);

/* A link had to do without memory, or holds much: looked at again after a while. */
void mcq_socket_guard_relief(struct mcq_socket *socket);
void mcq_socket_on_relief(struct mcq_socket *socket);

/* --- callers (wait.c) ------------------------------------------------------------------------- */

/* A thread that waits is told of news from when it has joined until it parts. */
void mcq_socket_join(struct mcq_socket *socket, struct mcq_waiter *waiter);
void mcq_socket_part(struct mcq_socket *socket, struct mcq_waiter *waiter);

/* What a thread that waits for news of this socket sleeps on: its ready sets, two at most. Returns
 * how many. */
size_t mcq_socket_wait_fds(const struct mcq_socket *socket, unsigned wants, struct pollfd *fds);

/* Lets go of the lock, sleeps, and takes it again.
 *   MCQ_OK   look again, whatever ended it
 *   MCQ_INTERRUPTED, MCQ_NOMEM, MCQ_NO_FDS, MCQ_NOT_OPEN, MCQ_TERMINATED, MCQ_FORKED */
MCQ_MUST_CHECK enum mcq_err mcq_socket_sleep(struct mcq_socket *socket, unsigned wants,
                                             uint64_t until_ns);

/* A timeout, as a moment; and whether that is over. */
uint64_t mcq_socket_until(struct mcq_socket *socket, int timeout_ms);
bool mcq_socket_is_over(struct mcq_socket *socket, uint64_t until_ns);

/* The pattern's recv. One that has dropped enough for a call says MCQ_AGAIN with more at hand,
 * which has had its edge: so it is told as news. */
void mcq_socket_was_cut_short(struct mcq_socket *socket);

static inline enum mcq_err mcq_socket_take(struct mcq_socket *socket, struct mcq_msg *msg)
{
    enum mcq_err err = socket->pattern->ops->recv(socket->pattern, msg);

    if (MCQ_UNLIKELY(err == MCQ_AGAIN && socket->group.was_cut_short))
        mcq_socket_was_cut_short(socket);
    return err;
}

/* Receives what recv will hand out; out of turn there is nothing to wait for. */
bool mcq_socket_peek(struct mcq_socket *socket);
/* Whether send would find room. */
bool mcq_socket_may_send(struct mcq_socket *socket);

/* Sets the bells that there are (bells.c). */
void mcq_socket_ring(struct mcq_socket *socket);

/* What was sent and is with the pattern goes into the peers' queues: before anybody looks at those,
 * at peers, or at what they say (pump/lane.h). */
static inline void mcq_socket_share(struct mcq_socket *socket)
{
    socket->group.tap.link = NULL;
    socket->group.duct.link = NULL;
    socket->group.questions.link = NULL;
    socket->group.answered = NULL;
    if (MCQ_UNLIKELY(socket->group.has_deferred))
        socket->pattern->ops->share(socket->pattern);
}

/* The lock is held, and let go of if not MCQ_OK, as with mcq_socket_enter_to_send. */
MCQ_MUST_CHECK enum mcq_err mcq_socket_admit(struct mcq_socket *socket);

/* Lets go of the lock where nothing was done but with a lane or a tap: as mcq_socket_leave, but
 * only what others have written is looked at. */
void mcq_socket_leave_with_mail(struct mcq_socket *socket);
static inline void mcq_socket_let_go(struct mcq_socket *socket)
{
    if (MCQ_UNLIKELY(!mcq_lock_release(&socket->lock)))
        mcq_socket_leave_with_mail(socket);
}

static inline bool mcq_socket_has_unsent(const struct mcq_socket *socket)
{
    return socket->group.dirty_first != NULL || socket->group.has_deferred;
}

/* Whoever asks for something does not go on sending: what waits leaves now. */
static inline void mcq_socket_end_burst(struct mcq_socket *socket)
{
    socket->is_batching = false;
    socket->dense_count = 0;
    if (MCQ_UNLIKELY(socket->group.dirty_first != NULL))
        mcq_socket_flush(socket);
}

/* Poll has received for the application, which has not; to it the turn is still the peer's. */
static inline bool mcq_socket_is_input_s_turn(const struct mcq_socket *socket)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;

    return socket->has_peeked && ops->may_skip_input != NULL &&
           !ops->may_skip_input(socket->pattern);
}

#endif
