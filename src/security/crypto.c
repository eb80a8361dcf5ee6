#include "security/crypto.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "arena/poison.h"

static_assert(MCQ_CRYPTO_TAG_BYTES == crypto_secretbox_MACBYTES, "the library's tag");
static_assert(MCQ_CRYPTO_NONCE_BYTES == crypto_secretbox_NONCEBYTES, "the library's nonce");
static_assert(MCQ_CRYPTO_KEY_BYTES == crypto_secretbox_KEYBYTES, "the library's keys");
static_assert(MCQ_CRYPTO_KEY_BYTES == crypto_box_PUBLICKEYBYTES, "its public ones");
static_assert(MCQ_CRYPTO_KEY_BYTES == crypto_box_SECRETKEYBYTES, "its secret ones");
static_assert(MCQ_CRYPTO_KEY_BYTES == crypto_box_BEFORENMBYTES, "those between two");

enum mcq_err mcq_crypto_init(void)
{
    return sodium_init() < 0 ? MCQ_NOT_SUPPORTED : MCQ_OK;
}

void mcq_crypto_wipe(void *octets, size_t len)
{
    sodium_memzero(octets, len);
    mcq_written(octets, len);
}

bool mcq_crypto_equal(const void *octets, const void *others, size_t len)
{
    return sodium_memcmp(octets, others, len) == 0;
}

void mcq_crypto_public(struct mcq_crypto_key *public, const struct mcq_crypto_key *secret)
{
    (void) crypto_scalarmult_base(public->octets, secret->octets); /* fails for no secret */
    mcq_written(public, sizeof *public);
}

bool mcq_crypto_pair(struct mcq_crypto_pair *pair, const struct mcq_random *random)
{
    if (!mcq_random_fill(random, pair->secret.octets, sizeof pair->secret.octets)) {
        sodium_memzero(pair, sizeof *pair);
        return false;
    }
    mcq_crypto_public(&pair->public, &pair->secret);
    return true;
}

bool mcq_crypto_agree(struct mcq_crypto_key *key, const struct mcq_crypto_key *public,
                      const struct mcq_crypto_key *secret)
{
    bool is_agreed = crypto_box_beforenm(key->octets, public->octets, secret->octets) == 0;

    mcq_written(key, sizeof *key);
    if (!is_agreed)
        sodium_memzero(key, sizeof *key);
    return is_agreed;
}

/* A box between two pairs is a secret box with the key that they agreed on. */
void mcq_crypto_seal(uint8_t *sealed, size_t len, const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                     const struct mcq_crypto_key *key)
{
    uint8_t *content = sealed + MCQ_CRYPTO_TAG_BYTES;

    mcq_check_written(content, len);
    (void) crypto_secretbox_detached(content, sealed, content, len, nonce, key->octets);
    mcq_written(sealed, MCQ_CRYPTO_TAG_BYTES + len);
}

bool mcq_crypto_open(uint8_t *sealed, size_t len, const uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES],
                     const struct mcq_crypto_key *key)
{
    uint8_t *content = sealed + MCQ_CRYPTO_TAG_BYTES;

    return len >= MCQ_CRYPTO_TAG_BYTES &&
           crypto_secretbox_open_detached(content, content, sealed, len - MCQ_CRYPTO_TAG_BYTES,
                                          nonce, key->octets) == 0;
}

/* XSalsa20 is Salsa20 with a key that HSalsa20 made of the key and the nonce's first part. */
static_assert(MCQ_CRYPTO_PREFIX_BYTES == crypto_core_hsalsa20_INPUTBYTES, "the library's input");
static_assert(MCQ_CRYPTO_NUMBER_BYTES == crypto_stream_salsa20_NONCEBYTES, "what is left of it");
/* The first octets of the key stream are Poly1305's key, the next ones meet the content: one call
 * makes both if there is room for the former in front of the content. */
static_assert(MCQ_CRYPTO_BEFORE_BYTES + MCQ_CRYPTO_TAG_BYTES ==
                  crypto_onetimeauth_poly1305_KEYBYTES,
              "room for the authenticator's key");

void mcq_crypto_derive(struct mcq_crypto_key *derived,
                       const uint8_t prefix[MCQ_CRYPTO_PREFIX_BYTES],
                       const struct mcq_crypto_key *key)
{
    (void) crypto_core_hsalsa20(derived->octets, prefix, key->octets, NULL);
    mcq_written(derived, sizeof *derived);
}

void mcq_crypto_seal_derived(uint8_t *sealed, size_t len,
                             const uint8_t number[MCQ_CRYPTO_NUMBER_BYTES],
                             const struct mcq_crypto_key *derived)
{
    uint8_t *stream = sealed - MCQ_CRYPTO_BEFORE_BYTES;
    uint8_t key[crypto_onetimeauth_poly1305_KEYBYTES];

    memset(stream, 0, sizeof key);
    mcq_check_written(stream + sizeof key, len);
    (void) crypto_stream_salsa20_xor(stream, stream, sizeof key + len, number, derived->octets);
    mcq_written(stream, sizeof key + len);
    memcpy(key, stream, sizeof key);
    (void) crypto_onetimeauth_poly1305(sealed, stream + sizeof key, len, key);
    sodium_memzero(stream, MCQ_CRYPTO_BEFORE_BYTES);
    sodium_memzero(key, sizeof key);
}

/* Octets of the key stream that opening makes at once, and keeps: what the fast code makes in one
 * go. Its beginning is needed before the content may be touched. */
#define STREAM_BYTES 512
#define STREAM_BLOCKS (STREAM_BYTES / crypto_core_salsa20_OUTPUTBYTES)

bool mcq_crypto_open_derived(uint8_t *sealed, size_t len,
                             const uint8_t number[MCQ_CRYPTO_NUMBER_BYTES],
                             const struct mcq_crypto_key *derived)
{
    const size_t key_len = crypto_onetimeauth_poly1305_KEYBYTES;
    uint8_t *content = sealed + MCQ_CRYPTO_TAG_BYTES;
    uint8_t stream[STREAM_BYTES];
    size_t first;
    bool is_ours;

    if (len < MCQ_CRYPTO_TAG_BYTES)
        return false;
    len -= MCQ_CRYPTO_TAG_BYTES;
    first = mcq_min_size(len, sizeof stream - key_len);
    (void) crypto_stream_salsa20(stream, key_len + first, number, derived->octets);
    mcq_written(stream, key_len + first);
    is_ours = crypto_onetimeauth_poly1305_verify(sealed, content, len, stream) == 0;
    if (is_ours) {
        for (size_t i = 0; i < first; i++)
            content[i] ^= stream[key_len + i];
        if (len > first)
            (void) crypto_stream_salsa20_xor_ic(content + first, content + first, len - first,
                                                number, STREAM_BLOCKS, derived->octets);
    }
    sodium_memzero(stream, key_len + first);
    return is_ours;
}
