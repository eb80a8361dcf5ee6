/*
 * fail: how a public call says that it failed: errno, and a sentence for people.
 *
 * Layer:   api.
 * Threads: each has its own sentence.
 * Bound:   512 octets a thread; what is longer is cut.
 */
#ifndef MCQ_API_FAIL_H
#define MCQ_API_FAIL_H

#include "runtime/socket.h"

/* Calls that programs may see fail in a loop: EAGAIN is an answer as good as any. */
enum mcq_call {
    MCQ_CALL_SEND,
    MCQ_CALL_RECV,
    MCQ_CALL_RESERVE,
    MCQ_CALL_POLL,
    MCQ_CALL_WAIT_PEERS,
    MCQ_CALL_WAIT_SUBSCRIBERS,
    MCQ_CALL_PEERS,
    MCQ_CALL_CLOSE_PEER,
    MCQ_CALL_STATS,
    MCQ_CALL_OTHER,
};

/* Sets errno and the sentence. -1, for the caller to return. */
MCQ_COLD MCQ_PRINTF(2, 3) int mcq_fail(int number, const char *format, ...);

/* A pointer is NULL. */
MCQ_COLD int mcq_fail_null(const char *call, const char *parameter);

/* The same for a call on a socket, without the cost of a sentence, which is put together if it is
 * asked for: "CALL on TYPE: what the error means there".
 *   socket   one that was open once */
MCQ_COLD int mcq_fail_on(const struct mcq_socket *socket, enum mcq_call call, enum mcq_err err);

/* The type of the socket that a call has failed on, for its sentence. NONE if it was closed: by the
 * time that the call is through the context may have ended, and the socket's memory with it. */
enum mcq_socket_type mcq_fail_type(const struct mcq_socket *socket, enum mcq_err err);

/* What the error of a call on a socket of this type means, and the way out. Never NULL. */
const char *mcq_fail_text(enum mcq_call call, enum mcq_socket_type type, enum mcq_err err);

#endif
