#include "runtime/random.h"

#include <errno.h>
#include <sys/random.h>

static bool fill(void *context, uint8_t *octets, size_t len)
{
    (void) context;
    while (len > 0) {
        ssize_t got = getrandom(octets, len, GRND_NONBLOCK);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        octets += got;
        len -= (size_t) got;
    }
    return true;
}

struct mcq_random mcq_random_system(void)
{
    return (struct mcq_random) {.fill = fill};
}

bool mcq_random_is_there(void)
{
    uint8_t octet;

    return fill(NULL, &octet, sizeof octet);
}
