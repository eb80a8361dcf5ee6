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
 * A connection is counted: by the conn of each end, and by each letter on its way. Names and
 * pending connections are lists under the context's mutex, the last that anybody takes.
 */
#ifndef MCQ_RUNTIME_INPROC_H
#define MCQ_RUNTIME_INPROC_H

#include "base/bytes.h"
#include "base/error.h"
#include "pump/link.h"

struct mcq_conn;
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
