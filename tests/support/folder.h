/*
 * folder: a temporary folder of a test's own.
 */
#ifndef MCQ_TESTS_SUPPORT_FOLDER_H
#define MCQ_TESTS_SUPPORT_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So short that "ipc://FOLDER/s" is an endpoint of 64 octets at most. */
#define OWN_FOLDER_BYTES 56
#define OWN_FOLDER_NAME "/mcq-XXXXXX"

/* Makes it, under TMPDIR; under /tmp where that is not set, or too long for sockets in it. False:
 * errno says why not. */
__attribute__((warn_unused_result)) static inline bool
make_own_folder(char folder[OWN_FOLDER_BYTES])
{
    const char *base = getenv("TMPDIR");

    if (base == NULL || strlen(base) + sizeof OWN_FOLDER_NAME > OWN_FOLDER_BYTES)
        base = "/tmp";
    (void) snprintf(folder, OWN_FOLDER_BYTES, "%s" OWN_FOLDER_NAME, base);
    return mkdtemp(folder) != NULL;
}

#endif
