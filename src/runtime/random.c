#include "runtime/random.h"

#include <sodium.h>

#include "arena/poison.h"

static void fill(void *context, uint8_t *octets, size_t len)
{
    (void) context;
    randombytes_buf(octets, len);
    mcq_written(octets, len);
}

struct mcq_random mcq_random_system(void)
{
    return (struct mcq_random) {.fill = fill};
}
