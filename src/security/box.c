#include "security/box.h"

#include <string.h>

#include "base/assert.h"

void mcq_box_nonce(enum mcq_box_id id, bool back, const uint8_t *carried,
                   uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES])
{
    const struct mcq_box *box = &mcq_box_table[id];
    size_t prefix_len = MCQ_CRYPTO_NONCE_BYTES - box->nonce_bytes;

    mcq_assert(!back || box->back != NULL);
    memcpy(nonce, back ? box->back : box->prefix, prefix_len);
    memcpy(nonce + prefix_len, carried, box->nonce_bytes);
}

void mcq_box_seal(enum mcq_box_id id, bool back, uint8_t *unit, size_t len,
                  const struct mcq_crypto_key *key)
{
    const struct mcq_box *box = &mcq_box_table[id];
    uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES];

    mcq_box_nonce(id, back, unit + box->nonce_at, nonce);
    mcq_crypto_seal(unit + box->at, len, nonce, key);
}

bool mcq_box_open(enum mcq_box_id id, bool back, uint8_t *unit, size_t len,
                  const struct mcq_crypto_key *key)
{
    const struct mcq_box *box = &mcq_box_table[id];
    uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES];

    mcq_box_nonce(id, back, unit + box->nonce_at, nonce);
    return mcq_crypto_open(unit + box->at, len, nonce, key);
}
