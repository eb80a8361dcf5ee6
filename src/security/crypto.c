#include "security/crypto.h"

#include <assert.h>
#include <sodium.h>

static_assert(MCQ_CRYPTO_TAG_BYTES == crypto_secretbox_MACBYTES, "the library's tag");
static_assert(MCQ_CRYPTO_NONCE_BYTES == crypto_secretbox_NONCEBYTES, "the library's nonce");
static_assert(MCQ_CRYPTO_KEY_BYTES == crypto_secretbox_KEYBYTES &&
                  MCQ_CRYPTO_KEY_BYTES == crypto_box_PUBLICKEYBYTES &&
                  MCQ_CRYPTO_KEY_BYTES == crypto_box_SECRETKEYBYTES &&
                  MCQ_CRYPTO_KEY_BYTES == crypto_box_BEFORENMBYTES,
              "the library's keys");

enum mcq_err mcq_crypto_init(void)
{
    return sodium_init() < 0 ? MCQ_NOT_SUPPORTED : MCQ_OK;
}

static void fill_from_system(void *context, uint8_t *octets, size_t len)
{
    (void) context;
    randombytes_buf(octets, len);
}

struct mcq_random mcq_random_system(void)
{
    return (struct mcq_random) {.fill = fill_from_system};
}

void mcq_crypto_wipe(void *octets, size_t len)
{
    sodium_memzero(octets, len);
}

bool mcq_crypto_equal(const void *octets, const void *others, size_t len)
{
    return sodium_memcmp(octets, others, len) == 0;
}

void mcq_crypto_public(struct mcq_crypto_key *public, const struct mcq_crypto_key *secret)
{
    (void) crypto_scalarmult_base(public->octets, secret->octets); /* fails for no secret */
}

void mcq_crypto_pair(struct mcq_crypto_pair *pair, const struct mcq_random *random)
{
    mcq_random_fill(random, pair->secret.octets, sizeof pair->secret.octets);
    mcq_crypto_public(&pair->public, &pair->secret);
}

bool mcq_crypto_agree(struct mcq_crypto_key *key, const struct mcq_crypto_key *public,
                      const struct mcq_crypto_key *secret)
{
    if (crypto_box_beforenm(key->octets, public->octets, secret->octets) == 0)
        return true;
    sodium_memzero(key, sizeof *key);
    return false;
}

/* A box between two pairs is a secret box with the key that they agreed on. */
void mcq_crypto_seal(uint8_t *sealed, size_t len, const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                     const struct mcq_crypto_key *key)
{
    uint8_t *content = sealed + MCQ_CRYPTO_TAG_BYTES;

    (void) crypto_secretbox_detached(content, sealed, content, len, nonce, key->octets);
}

bool mcq_crypto_open(uint8_t *sealed, size_t len, const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                     const struct mcq_crypto_key *key)
{
    uint8_t *content = sealed + MCQ_CRYPTO_TAG_BYTES;

    return len >= MCQ_CRYPTO_TAG_BYTES &&
           crypto_secretbox_open_detached(content, content, sealed, len - MCQ_CRYPTO_TAG_BYTES,
                                          nonce, key->octets) == 0;
}
