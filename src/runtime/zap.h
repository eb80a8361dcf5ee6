/*
 * zap: who may connect, as a socket of the application decides (RFC 27).
 *
 * Layer:   runtime.
 * Threads: an engine's, for its own openings. The handler is any socket of the context, in any
 *          thread; between the two are a pipe and letters (runtime/inproc.h), and no lock.
 * Bound:   MCQ_CTX_ZAP_MAX questions of an engine that the handler has; the others wait here, each
 *          within its handshake's time, and there are no more of them than openings.
 *
 *   ask --> WAITING --its turn--> ASKED --reply--> answered, gone once the handler's end is
 *    |         |                    +---the handler goes--> answered: there is none
 *    |         +--nobody has bound the name any more------> answered: there is none
 *    +--nobody has bound the name: MCQ_NOT_FOUND
 *
 *   forget, at any time: nobody is told. What the handler has not read yet counts until it has, so
 *   a handler that hangs never holds more than the limit.
 *
 * Each question has a pipe of its own, as with libzmq: a late reply finds nobody, and one that is
 * wrong can only be wrong about its own question.
 */
#ifndef MCQ_RUNTIME_ZAP_H
#define MCQ_RUNTIME_ZAP_H

#include "runtime/context.h"
#include "wire/zap.h"

/* What came of a question. The octets are borrowed for the call. */
struct mcq_zap_answer {
    enum mcq_err err;         /* MCQ_OK: the handler has replied; MCQ_NOT_FOUND: there is none any
                               * more; MCQ_CLOSED: it has gone; MCQ_NOMEM */
    enum mcq_zap_fault fault; /* of a reply that is none */
    unsigned status;          /* 0: there is no reply, or none that counts */
    struct mcq_bytes user_id;
    struct mcq_bytes metadata;
};

/* Embedded by who asks. */
struct mcq_zap_asker {
    void (*answered)(struct mcq_zap_asker *asker, const struct mcq_zap_answer *answer);
    struct mcq_question *question; /* NULL: there is none */
};

/* Asks; the request is copied, and wiped. One question at a time. `answered` follows, in a later
 * turn of the engine, unless the question is forgotten.
 *   MCQ_OK          it will be answered
 *   MCQ_NOT_FOUND   nobody has bound the name, or with a socket that cannot answer
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_zap_ask(struct mcq_zap_asker *asker, struct mcq_context *context,
                                        struct mcq_engine *engine, uint32_t quirks,
                                        const struct mcq_zap_request *request);

/* Nobody waits for the answer any more. Harmless if nothing was asked. */
void mcq_zap_forget(struct mcq_zap_asker *asker);

#endif
