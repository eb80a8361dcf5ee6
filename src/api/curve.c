#include <errno.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "runtime/random.h"
#include "wire/z85.h"

static_assert(MCQ_KEY_BYTES == MCQ_CRYPTO_KEY_BYTES, "the header's key");
static_assert(MCQ_KEY_TEXT_BYTES == MCQ_Z85_TEXT_LEN(MCQ_CRYPTO_KEY_BYTES) + 1, "and its text");

/* Whole groups of Z85, and a zero. */
static void write_text(const void *octets, size_t len, char *text)
{
    (void) !mcq_z85_encode(mcq_bytes(octets, len), text);
    text[MCQ_Z85_TEXT_LEN(len)] = '\0';
}

int mcq_curve_keypair(char *public_key, char *secret_key)
{
    struct mcq_crypto_pair pair;
    struct mcq_random random = mcq_random_system();

    if (public_key == NULL || secret_key == NULL)
        return mcq_fail_null("curve_keypair", public_key == NULL ? "public_key" : "secret_key");
    if (!mcq_random_is_there() || mcq_crypto_init() != MCQ_OK || !mcq_crypto_pair(&pair, &random))
        return mcq_fail(ENOTSUP, "curve_keypair: the system has no random octets");
    write_text(&pair.public, sizeof pair.public, public_key);
    write_text(&pair.secret, sizeof pair.secret, secret_key);
    mcq_crypto_wipe(&pair, sizeof pair);
    return 0;
}

int mcq_curve_public(char *public_key, const char *secret_key)
{
    struct mcq_crypto_pair pair = {0};
    enum mcq_err err = MCQ_INVAL;

    if (public_key == NULL || secret_key == NULL)
        return mcq_fail_null("curve_public", public_key == NULL ? "public_key" : "secret_key");
    if (strlen(secret_key) == MCQ_KEY_TEXT_BYTES - 1)
        err = mcq_z85_decode(mcq_bytes_of(secret_key), pair.secret.octets);
    if (err == MCQ_OK) {
        mcq_crypto_public(&pair.public, &pair.secret);
        write_text(&pair.public, sizeof pair.public, public_key);
    }
    mcq_crypto_wipe(&pair, sizeof pair); /* a part of the secret, perhaps */
    return err == MCQ_OK ? 0 : mcq_fail(EINVAL, "curve_public: a key is 40 characters of Z85");
}

int mcq_z85_from_octets(const void *octets, size_t len, char *text)
{
    if (text == NULL || (octets == NULL && len > 0))
        return mcq_fail_null("z85_from_octets", text == NULL ? "text" : "octets");
    if (len % MCQ_Z85_OCTETS != 0)
        return mcq_fail(EINVAL, "z85_from_octets: %zu octets are no multiple of 4", len);
    write_text(octets, len, text);
    return 0;
}

int mcq_z85_to_octets(const char *text, void *octets)
{
    if (text == NULL || octets == NULL)
        return mcq_fail_null("z85_to_octets", text == NULL ? "text" : "octets");
    if (mcq_z85_decode(mcq_bytes_of(text), octets) != MCQ_OK)
        return mcq_fail(EINVAL, "z85_to_octets: not Z85, which has groups of 5 characters");
    return 0;
}
