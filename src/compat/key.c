/* Keys: pairs of CURVE, and Z85. */

#include <compat/zmq.h>
#include <sodium.h>
#include <string.h>

#include "wire/z85.h"

#define KEY_OCTETS 32
#define KEY_TEXT 40

static_assert(KEY_OCTETS == crypto_box_PUBLICKEYBYTES, "libsodium's");
static_assert(KEY_OCTETS == crypto_box_SECRETKEYBYTES, "libsodium's");

static char *null_of(int number)
{
    errno = number;
    return NULL;
}

char *zmq_z85_encode(char *dest, const uint8_t *data, size_t size)
{
    if (mcq_z85_encode(mcq_bytes(data, size), dest) != MCQ_OK)
        return null_of(EINVAL);
    dest[MCQ_Z85_TEXT_LEN(size)] = '\0';
    return dest;
}

uint8_t *zmq_z85_decode(uint8_t *dest, const char *string)
{
    if (mcq_z85_decode(mcq_bytes_of(string), dest) != MCQ_OK)
        return (uint8_t *) null_of(EINVAL);
    return dest;
}

int zmq_curve_keypair(char *z85_public_key, char *z85_secret_key)
{
    uint8_t public_key[KEY_OCTETS];
    uint8_t secret_key[KEY_OCTETS];

    if (sodium_init() < 0 || crypto_box_keypair(public_key, secret_key) != 0) {
        errno = ENOTSUP;
        return -1;
    }
    (void) zmq_z85_encode(z85_public_key, public_key, sizeof public_key);
    (void) zmq_z85_encode(z85_secret_key, secret_key, sizeof secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    return 0;
}

int zmq_curve_public(char *z85_public_key, const char *z85_secret_key)
{
    uint8_t public_key[KEY_OCTETS];
    uint8_t secret_key[KEY_OCTETS];
    int result;

    if (strlen(z85_secret_key) != KEY_TEXT || zmq_z85_decode(secret_key, z85_secret_key) == NULL ||
        sodium_init() < 0) {
        errno = EINVAL;
        return -1;
    }
    result = crypto_scalarmult_base(public_key, secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    (void) zmq_z85_encode(z85_public_key, public_key, sizeof public_key);
    return result;
}
