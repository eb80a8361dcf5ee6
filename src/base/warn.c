#include "base/warn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mcq_warn(const char *what, const char *why)
{
    const char *log = getenv("MONOCOQUE_LOG");

    if (log != NULL && strcmp(log, "stderr") == 0)
        (void) fprintf(stderr, "monocoque: %s: %s\n", what, why);
}
