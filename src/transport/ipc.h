/*
 * ipc: the addresses that ipc:// endpoints stand for, and the files that bound ones leave.
 *
 * Layer:   transport.
 * Threads: any; a file belongs to one thread at a time.
 * Bound:   claim waits 0.1 s for a lock that somebody else holds, release 5 ms.
 *
 *   claim     the folder is locked; a file whose owner is gone is taken away; bind, listen; the new
 *             file's identity is remembered
 *   release   the file goes, if it still is the one that was made. Where somebody else has the
 *             folder's lock it stays: that may be one who puts a file of its own in its place,
 *             which must not go between our look and our unlink; the next who binds takes it away
 *
 * A file whose owner lives is never touched: it is asked by connecting. Of two that find the same
 * left-over at the same time, the second must not take the first one's new file for it, between its
 * bind and its listen: hence the lock (flock of the folder), which all users of this library
 * respect. libzmq asks nobody and takes any file away, a living one's, too.
 */
#ifndef MCQ_TRANSPORT_IPC_H
#define MCQ_TRANSPORT_IPC_H

#include <sys/stat.h>

#include "base/attr.h"
#include "base/error.h"
#include "reactor/reactor.h"
#include "transport/endpoint.h"

/* Room for the longest text of an address: "ipc://path" and its zero. */
#define MCQ_IPC_TEXT_BYTES (sizeof "ipc://" + MCQ_IPC_PATH_MAX)

/* The file of a listener. Zero: there is none. */
struct mcq_ipc_file {
    char *path;      /* from the root; NULL: there is none */
    bool has_folder; /* its folder was made for it */
    dev_t device;
    ino_t inode;
    struct timespec made_at;
};

/* The address of an endpoint that has a path. */
void mcq_ipc_address(const struct mcq_endpoint *endpoint, struct mcq_address *address);

/* Listens at the endpoint. One without a path gets a folder and a file of its own, where TMPDIR,
 * TEMPDIR or TMP say, else in /tmp; nobody else may enter that.
 *   MCQ_OK          *fd is the caller's, and *file to be released; *address is what it became
 *   MCQ_IN_USE      somebody listens there, or it is a file of another kind
 *   MCQ_NOT_FOUND   no such folder
 *   MCQ_TOO_LONG    the folder for temporary files has too long a name
 *   MCQ_DENIED, MCQ_NO_FDS, MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_ipc_claim(struct mcq_reactor *reactor,
                                          const struct mcq_endpoint *endpoint,
                                          const struct mcq_tuning *tuning, int backlog,
                                          struct mcq_ipc_file *file, struct mcq_address *address,
                                          int *fd);

/* Takes the file away, if nobody else has its folder's lock; before its listener closes, so nobody
 * finds a file that nobody answers at. */
void mcq_ipc_release(struct mcq_ipc_file *file);

/* "ipc:///tmp/x", "ipc://@name": what can be connected to. */
void mcq_ipc_text(const struct mcq_address *address, char text[MCQ_IPC_TEXT_BYTES]);

#endif
