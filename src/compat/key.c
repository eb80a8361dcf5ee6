/* Keys: pairs of CURVE, and Z85. */

#include "compat/compat.h"

char *zmq_z85_encode(char *dest, const uint8_t *data, size_t size)
{
    return mcq_z85_from_octets(data, size, dest) == 0 ? dest : NULL;
}

uint8_t *zmq_z85_decode(uint8_t *dest, const char *string)
{
    return mcq_z85_to_octets(string, dest) < 0 ? NULL : dest;
}

int zmq_curve_keypair(char *z85_public_key, char *z85_secret_key)
{
    return mcq_curve_keypair(z85_public_key, z85_secret_key);
}

int zmq_curve_public(char *z85_public_key, const char *z85_secret_key)
{
    return mcq_curve_public(z85_public_key, z85_secret_key);
}
