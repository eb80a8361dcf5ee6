/*
 * curve: what one side of a CURVE connection knows, and the commands that it seals and opens.
 *
 * Layer:   security. Sans-IO: random octets come through a hook.
 * Threads: the session's.
 *
 *   client  HELLO ------------------> WELCOME opens --> INITIATE --------> READY opens --> MESSAGE
 *   server  HELLO opens --> WELCOME, all is forgotten but K --> INITIATE opens --> READY-> MESSAGE
 *
 * Between WELCOME and INITIATE the server holds one key, that of its cookie: what it has to know of
 * the client comes back in it. What a step needed last is wiped by it; during MESSAGE only the
 * connection's key and the counters are left. mcq_curve_free wipes all that is left.
 *
 * The guards of the machines (security/steps.h) open commands where they lie, so handshake->body
 * has to point to octets that may be written.
 */
#ifndef MCQ_SECURITY_CURVE_H
#define MCQ_SECURITY_CURVE_H

#include "security/box.h"

/* Octets of a MESSAGE's body in front of the data. */
#define MCQ_CURVE_DATA_AT MCQ_CURVE_MESSAGE_BYTES_MIN

/* The keys that last longer than a connection. Borrowed by sessions. */
struct mcq_curve_keys {
    struct mcq_crypto_pair own;
    struct mcq_crypto_key server; /* public; of the client only */
};

struct mcq_curve {
    bool is_server;
    bool is_unfit; /* there were no random octets for it: what it has put may not leave */
    const struct mcq_curve_keys *keys;
    struct mcq_random random;
    uint32_t max_properties;           /* in the peer's metadata */
    struct mcq_crypto_pair own;        /* C' or S' */
    struct mcq_crypto_key peer;        /* the other one's public half */
    struct mcq_crypto_key hello_key;   /* between C' and S */
    struct mcq_crypto_key cookie_key;  /* K, of this connection alone */
    struct mcq_crypto_key message_key; /* between C' and S' */
    struct mcq_crypto_key seal_key;    /* of our MESSAGEs, derived from that */
    struct mcq_crypto_key open_key;    /* of the peer's */
    struct mcq_crypto_key client;      /* C, as proved; of the server only */
    uint8_t cookie_nonce[MCQ_CURVE_INITIATE_COOKIE_NONCE_BYTES];
    uint8_t cookie[MCQ_CURVE_INITIATE_COOKIE_BYTES];
    uint64_t sent_nonce; /* the last one of ours */
    uint64_t seen_nonce; /* the last one of the peer's that opened a box */
};

/* NULL: no memory, or no random octets. The keys outlive it. */
MCQ_MUST_CHECK struct mcq_curve *mcq_curve_new(const struct mcq_curve_keys *keys, bool is_server,
                                               const struct mcq_random *random,
                                               uint32_t max_properties);

/* Wipes it first. NULL is nothing. */
void mcq_curve_free(struct mcq_curve **curve);

/* --- the handshake's commands: their bodies from `at` on; each returns where it ends ----------
 * Nothing of them may leave if the connection is unfit then. */

uint8_t *mcq_curve_put_hello(struct mcq_curve *curve, uint8_t *at);
uint8_t *mcq_curve_put_welcome(struct mcq_curve *curve, uint8_t *at);

/* Our metadata stands at MCQ_CURVE_INITIATE_METADATA_AT or MCQ_CURVE_READY_METADATA_AT of the body
 * already. */
#define MCQ_CURVE_INITIATE_METADATA_AT MCQ_CURVE_INITIATE_BYTES_MIN
#define MCQ_CURVE_READY_METADATA_AT MCQ_CURVE_READY_BYTES_MIN
uint8_t *mcq_curve_put_initiate(struct mcq_curve *curve, uint8_t *at, size_t metadata_len);
uint8_t *mcq_curve_put_ready(struct mcq_curve *curve, uint8_t *at, size_t metadata_len);

/* --- messages --------------------------------------------------------------------------------- */

/* The handshake is over: what belonged to it is wiped. */
void mcq_curve_begin_messages(struct mcq_curve *curve);

/* Makes a MESSAGE of the data that stands at body + MCQ_CURVE_DATA_AT: everything in front of it is
 * written, and the data is sealed in place. `flags`: MCQ_CURVE_MESSAGE_SEALED_FLAGS_*. No
 * number seals twice: behind the last of all there are zeros instead, which the peer refuses. */
void mcq_curve_seal_message(struct mcq_curve *curve, uint8_t *body, size_t data_len, uint8_t flags);

/* Opens the body of a MESSAGE in place, `len` octets that the command's decoder found well-formed:
 * its data stands at body + MCQ_CURVE_DATA_AT then, and its flags in front of it. A nonce that is
 * not greater than the last one is refused before anything is computed.
 *   MCQ_PROTO   *rule is broken; nothing of the body has changed */
MCQ_MUST_CHECK enum mcq_err mcq_curve_open_message(struct mcq_curve *curve, uint8_t *body,
                                                   size_t len, enum mcq_rule *rule);

#endif
