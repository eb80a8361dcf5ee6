/*
 * inproc: names of a context, and the pipes between sockets that use them.
 *
 * Layer:   runtime.
 * Threads: an end is its socket's, under that socket's lock; what is marked, any thread's.
 * Bound:   pump/pipe.h; a letter for each end.
 *
 *   connect --name is bound--> ATTACH to the binder ----\
 *      |                                                 +--> binder attaches --UP--> connector
 *      +--nobody has bound it--> pending --bind---------/            \--refuses--> DOWN
 *
 *   either side goes --DOWN--> the other one takes what was published, and goes, too
 *
 * Who holds one socket's lock never waits for another's: what the far side has to know is an event
 * bit in its end and a letter to its socket. If that socket's lock is free the letter is read at
 * once, by the poster, inside its own call; that may lead to letters back, which wait in the box
 * of a lock that is held. The poster's lock keeps its context, and so every socket's slot, where
 * it is.
 *
 * An engine may have an end, too, for questions of its own (runtime/zap.h): it has no lock, and
 * what it is told is a task.
 *
 * A connection is counted: by the conn of each end, or its caller, and by each letter on its way.
 * Names and pending connections are lists under the context's mutex, the last that anybody takes.
 */
#ifndef MCQ_RUNTIME_INPROC_H
#define MCQ_RUNTIME_INPROC_H

#include "base/bytes.h"
#include "base/error.h"
#include "pump/link.h"
#include "runtime/engine.h"
#include "table/socket_type.h"

struct mcq_conn;
struct mcq_context;
struct mcq_inproc;
struct mcq_inproc_end;
struct mcq_name;
struct mcq_socket;

/* Of a context. */
struct mcq_names {
    struct mcq_name *bound;
    struct mcq_inproc *pending; /* oldest first */
};

/* --- as mcq_socket_bind and the like; `text` is the whole endpoint ---------------------------- */

/* MCQ_IN_USE, MCQ_NOMEM. Those who wait for the name are connected. */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_bind(struct mcq_socket *socket, struct mcq_bytes text);

/* MCQ_NOMEM, MCQ_MISMATCH; MCQ_INVAL: *fault says that the two types do not talk to each other. */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_connect(struct mcq_socket *socket, struct mcq_bytes text,
                                               const char **fault);

/* The name is free again; connections stay. MCQ_NOT_FOUND. */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_unbind(struct mcq_socket *socket, struct mcq_bytes text);

/* Ends all connections that were made by connecting to the name; what was sent arrives.
 * MCQ_NOT_FOUND. */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_disconnect(struct mcq_socket *socket, struct mcq_bytes text);

/* The socket closes: all its names are free. */
void mcq_inproc_unbind_all(struct mcq_socket *socket);

/* --- an end without a socket: an engine's ----------------------------------------------------- */

/* Embedded by whoever calls; all of it in the engine's thread. What crosses is wiped afterwards.
 *
 *   call --show, take--> ... --end--> the far side reads what was shown, goes --gone--> ring_off
 */
struct mcq_inproc_caller {
    /* There may be more to take. is_over: no more comes; is_gone: what was shown has been read, or
     * never will be, and nothing is told any more. */
    void (*told)(struct mcq_inproc_caller *caller, bool is_over, bool is_gone);
    struct mcq_inproc_end *end; /* NULL: none */
    struct mcq_pipe_end pipe;
};

/* Whether somebody has bound the name by now. */
bool mcq_inproc_has_name(struct mcq_context *context, struct mcq_bytes text);

/* To whoever has bound the name by now, as a socket of this type; `told` follows, at the latest
 * when the far side has gone or does not come.
 *   MCQ_NOT_FOUND   nobody has
 *   MCQ_MISMATCH    somebody who does not talk to this type
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_call(struct mcq_inproc_caller *caller,
                                            struct mcq_context *context, struct mcq_engine *engine,
                                            struct mcq_bytes text, enum mcq_socket_type type);

/* What was put into the pipe is the far side's to read. */
void mcq_inproc_caller_show(struct mcq_inproc_caller *caller);

/* The next part from the far side. MCQ_AGAIN: `told` follows; MCQ_NOMEM: it stays. */
MCQ_MUST_CHECK enum mcq_err mcq_inproc_caller_take(struct mcq_inproc_caller *caller,
                                                   struct mcq_blocks *blocks, struct mcq_msg *msg);

/* The far side hears that nobody waits for it any more. */
void mcq_inproc_caller_end(struct mcq_inproc_caller *caller);

/* Nothing is told from now on. */
void mcq_inproc_caller_ring_off(struct mcq_inproc_caller *caller);

/* --- for conn.c and the group ----------------------------------------------------------------- */

/* The far side hears of it. */
void mcq_inproc_tell(struct mcq_link *link, enum mcq_link_tell what);

/* The name that was connected to; the end's. */
const char *mcq_inproc_name(const struct mcq_inproc_end *end);
/* Whether it is the side that has bound the name. */
bool mcq_inproc_is_bound(const struct mcq_inproc_end *end);

/* The far side hears that this one is gone. */
void mcq_inproc_tell_down(struct mcq_conn *conn);

/* The conn gives up its end. */
void mcq_inproc_release(struct mcq_conn *conn);

#endif
