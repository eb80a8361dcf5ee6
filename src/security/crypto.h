/*
 * crypto: the few primitives that the mechanisms are made of, over libsodium.
 *
 * Layer:   security. Sans-IO; only this file knows the library.
 * Threads: any.
 *
 * A sealed text is MCQ_CRYPTO_TAG_BYTES longer than what it holds, and begins with the tag
 * (XSalsa20-Poly1305); sealing and opening work in place. Between two pairs of keys the key is
 * agreed on once (X25519), which is the dear part.
 */
#ifndef MCQ_SECURITY_CRYPTO_H
#define MCQ_SECURITY_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "security/boxes.h"

#define MCQ_CRYPTO_TAG_BYTES MCQ_CURVE_BOX_OVERHEAD
#define MCQ_CRYPTO_NONCE_BYTES MCQ_CURVE_NONCE_BYTES
#define MCQ_CRYPTO_KEY_BYTES MCQ_CURVE_KEY_BYTES

/* One of a pair's halves, or a key that two sides share. */
struct mcq_crypto_key {
    uint8_t octets[MCQ_CRYPTO_KEY_BYTES];
};

struct mcq_crypto_pair {
    struct mcq_crypto_key public;
    struct mcq_crypto_key secret;
};

/* Where random octets come from: a session replays a recorded conversation with recorded ones. fill
 * answers false where there are none, and then nothing may be made of what it was to fill. */
struct mcq_random {
    bool (*fill)(void *context, uint8_t *octets, size_t len);
    void *context;
};

/* Chooses the fastest code for this processor; again and again does no harm. The first time the
 * library looks for random octets itself, and ends the process where there are none: whoever may be
 * the first has asked for some before (runtime/random.h).
 *   MCQ_NOT_SUPPORTED   the system gives no random octets */
MCQ_MUST_CHECK enum mcq_err mcq_crypto_init(void);

MCQ_MUST_CHECK static inline bool mcq_random_fill(const struct mcq_random *random, void *octets,
                                                  size_t len)
{
    return random->fill(random->context, octets, len);
}

/* Zeros that no optimiser leaves out. */
void mcq_crypto_wipe(void *octets, size_t len);

/* In a time that does not depend on the octets. */
bool mcq_crypto_equal(const void *octets, const void *others, size_t len);

/* The public half of a secret one. */
void mcq_crypto_public(struct mcq_crypto_key *public, const struct mcq_crypto_key *secret);

/* A new pair; the secret is the next octets of `random`. false: there are none; *pair is zeros. */
MCQ_MUST_CHECK bool mcq_crypto_pair(struct mcq_crypto_pair *pair, const struct mcq_random *random);

/* The key between two pairs, from either side. false: the other half is one with which everyone
 * would come to the same key; *key is zeros. */
MCQ_MUST_CHECK bool mcq_crypto_agree(struct mcq_crypto_key *key,
                                     const struct mcq_crypto_key *public,
                                     const struct mcq_crypto_key *secret);

/* Seals the `len` octets behind the tag's place at `sealed`. */
void mcq_crypto_seal(uint8_t *sealed, size_t len, const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                     const struct mcq_crypto_key *key);

/* Opens `len` octets, the tag's among them: the content stands behind the tag's place then. false:
 * not sealed so; nothing has changed. */
MCQ_MUST_CHECK bool mcq_crypto_open(uint8_t *sealed, size_t len,
                                    const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                                    const struct mcq_crypto_key *key);

/* --- many boxes with one key ------------------------------------------------------------------ */

/* A nonce is a prefix, which boxes of one kind share, and a number. What key and prefix make is the
 * same for all of them, and half of the work for a box of 1 KiB. */
#define MCQ_CRYPTO_NUMBER_BYTES sizeof(uint64_t)
#define MCQ_CRYPTO_PREFIX_BYTES (MCQ_CRYPTO_NONCE_BYTES - MCQ_CRYPTO_NUMBER_BYTES)
/* Octets in front of the tag that sealing writes over. */
#define MCQ_CRYPTO_BEFORE_BYTES (MCQ_CRYPTO_KEY_BYTES - MCQ_CRYPTO_TAG_BYTES)

/* What key and prefix make: as secret as the key, to be wiped by its owner. */
void mcq_crypto_derive(struct mcq_crypto_key *derived,
                       const uint8_t prefix[MCQ_CRYPTO_PREFIX_BYTES],
                       const struct mcq_crypto_key *key);

/* As mcq_crypto_seal and mcq_crypto_open, with what was derived: the octets are the same. */
void mcq_crypto_seal_derived(uint8_t *sealed, size_t len,
                             const uint8_t number[MCQ_CRYPTO_NUMBER_BYTES],
                             const struct mcq_crypto_key *derived);
MCQ_MUST_CHECK bool mcq_crypto_open_derived(uint8_t *sealed, size_t len,
                                            const uint8_t number[MCQ_CRYPTO_NUMBER_BYTES],
                                            const struct mcq_crypto_key *derived);

#endif
