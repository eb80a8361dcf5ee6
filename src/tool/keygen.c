/* mcq keygen: a pair of CURVE keys in two files. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <monocoque.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool/tool.h"

/* A new file with the public key, and the secret one if there is one, for these to read. false:
 * errno says why not. */
static bool write_file(const char *path, mode_t mode, const char *public_key,
                       const char *secret_key)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool is_done;

    if (fd < 0)
        return false;
    is_done = dprintf(fd, "public  %s\n", public_key) > 0 &&
              (secret_key == NULL || dprintf(fd, "secret  %s\n", secret_key) > 0);
    return close(fd) == 0 && is_done;
}

static int fail(const char *path)
{
    if (errno == EEXIST)
        return mcq_tool_fail("keygen %s: it is there already; choose another name, or take it away "
                             "first",
                             path);
    return mcq_tool_fail("keygen %s: %s", path, mcq_strerror(errno));
}

static int write_keys(const char *path, const char *public_key, const char *secret_key)
{
    char beside[PATH_MAX];

    if (snprintf(beside, sizeof beside, "%s.pub", path) >= (int) sizeof beside) {
        errno = ENAMETOOLONG;
        return fail(path);
    }
    if (!write_file(path, 0600, public_key, secret_key))
        return fail(path);
    if (!write_file(beside, 0644, public_key, NULL)) {
        int number = errno;

        (void) unlink(path);
        errno = number;
        return fail(beside);
    }
    (void) printf("public  %s\n", public_key);
    return TOOL_DONE;
}

int mcq_tool_keygen(int argc, char **argv)
{
    char public_key[MCQ_KEY_TEXT_BYTES];
    char secret_key[MCQ_KEY_TEXT_BYTES];
    int status;

    if (argc != 2 || argv[1][0] == '-') {
        (void) mcq_tool_fail("keygen: it wants the name of a file for the secret key; see mcq "
                             "keygen --help");
        return TOOL_USAGE;
    }
    if (mcq_curve_keypair(public_key, secret_key) != 0)
        return mcq_tool_fail("keygen: %s", mcq_last_error());
    status = write_keys(argv[1], public_key, secret_key);
    explicit_bzero(secret_key, sizeof secret_key);
    return status;
}
