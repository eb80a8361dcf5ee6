#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn MCQ_COLD void mcq_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "monocoque: broken invariant: %s (%s:%d)\n", condition, file, line);
    abort();
}
