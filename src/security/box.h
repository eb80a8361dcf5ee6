/*
 * box: seals and opens the boxes of the spec where they lie.
 *
 * Layer:   security. Sans-IO.
 * Threads: any.
 *
 * What a box lies in, its unit, is a command's body or the content of another box. The table
 * (security/boxes.h) says where in it the box is and where the octets of its nonce; those must
 * stand there already.
 */
#ifndef MCQ_SECURITY_BOX_H
#define MCQ_SECURITY_BOX_H

#include "security/boxes.h"
#include "security/crypto.h"

/* A nonce: the prefix of the box, or of the other direction (`back`), and what is carried. */
void mcq_box_nonce(enum mcq_box_id id, bool back, const uint8_t *carried,
                   uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES]);

/* Where in its unit the content of a box stands. */
static inline uint8_t *mcq_box_content(enum mcq_box_id id, uint8_t *unit)
{
    return unit + mcq_box_table[id].at + MCQ_CRYPTO_TAG_BYTES;
}

/* Seals the `len` octets that stand where mcq_box_content says. */
void mcq_box_seal(enum mcq_box_id id, bool back, uint8_t *unit, size_t len,
                  const struct mcq_crypto_key *key);

/* Opens the box in its unit, `len` octets of sealed text; the content is where mcq_box_content
 * says then. false: it does not open, and nothing has changed. */
MCQ_MUST_CHECK bool mcq_box_open(enum mcq_box_id id, bool back, uint8_t *unit, size_t len,
                                 const struct mcq_crypto_key *key);

#endif
