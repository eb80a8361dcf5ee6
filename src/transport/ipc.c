#define _GNU_SOURCE /* secure_getenv; NOLINT(bugprone-reserved-identifier) */

#include "transport/ipc.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "transport/transport.h"

/* A caller has a moment to wait for a lock, an engine's turn hardly one. */
#define CLAIM_TRIES 100
#define CLAIM_PAUSE_NS 1000000
#define RELEASE_TRIES 20
#define RELEASE_PAUSE_NS 250000

/* In place of a lock. */
#define NO_LOCK (-1) /* the folder cannot be locked, by nobody who is as we are */
#define BUSY (-2)    /* somebody else has it */

/* --- addresses -------------------------------------------------------------------------------- */

void mcq_ipc_address(const struct mcq_endpoint *endpoint, struct mcq_address *address)
{
    struct mcq_bytes path = endpoint->path;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    bool is_abstract = path.data[0] == '@';

    mcq_assert(path.len > 0 && path.len <= MCQ_IPC_PATH_MAX);
    memcpy(un.sun_path, path.data, path.len);
    if (is_abstract)
        un.sun_path[0] = '\0';
    *address = (struct mcq_address) {
        .len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + path.len + !is_abstract),
    };
    memcpy(&address->storage, &un, sizeof un);
}

void mcq_ipc_text(const struct mcq_address *address, char text[MCQ_IPC_TEXT_BYTES])
{
    size_t lead = offsetof(struct sockaddr_un, sun_path);
    size_t len = address->len > lead ? address->len - lead : 0;
    struct sockaddr_un un;

    memcpy(&un, &address->storage, sizeof un);
    len = mcq_min_size(len, MCQ_IPC_PATH_MAX);
    if (len > 0 && un.sun_path[0] == '\0')
        un.sun_path[0] = '@';
    (void) snprintf(text, MCQ_IPC_TEXT_BYTES, "ipc://%.*s", (int) len, un.sun_path);
}

/* --- the folder ------------------------------------------------------------------------------- */

/* A descriptor, or one of the above. */
static int lock_folder(const char *path, int tries, long pause_ns)
{
    const struct timespec pause = {.tv_nsec = pause_ns};
    size_t len = (size_t) (strrchr(path, '/') - path);
    char *folder = mcq_alloc(len + 2);
    int fd;

    if (folder == NULL)
        return NO_LOCK;
    memcpy(folder, path, len);
    memcpy(folder + len, "/", 2);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mcq_free(folder);
    if (fd < 0)
        return NO_LOCK;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_busy = errno == EWOULDBLOCK || errno == EINTR;

        if (!is_busy || --tries == 0) {
            (void) close(fd);
            return is_busy ? BUSY : NO_LOCK;
        }
        (void) nanosleep(&pause, NULL);
    }
    return fd;
}

static void unlock_folder(int fd)
{
    if (fd >= 0)
        (void) close(fd);
}

static void remove_folder(char *path)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    (void) rmdir(path);
    *slash = '/';
}

/* --- the file --------------------------------------------------------------------------------- */

/* The path from the root, for the process may go elsewhere. NULL: no memory, or no such place. */
static char *path_of(const char *path)
{
    char *made = mcq_alloc(PATH_MAX + MCQ_IPC_PATH_MAX + 2);
    size_t len = 0;

    if (made == NULL)
        return NULL;
    if (path[0] != '/') {
        if (getcwd(made, PATH_MAX) == NULL) {
            mcq_free(made);
            return NULL;
        }
        len = strlen(made);
        made[len++] = '/';
    }
    memcpy(made + len, path, strlen(path) + 1);
    return made;
}

static void identify(struct mcq_ipc_file *file)
{
    struct stat found = {0};

    (void) lstat(file->path, &found);
    file->device = found.st_dev;
    file->inode = found.st_ino;
    file->made_at = found.st_mtim;
}

static bool is_ours(const struct mcq_ipc_file *file)
{
    struct stat found;

    return lstat(file->path, &found) == 0 && S_ISSOCK(found.st_mode) &&
           found.st_dev == file->device && found.st_ino == file->inode &&
           found.st_mtim.tv_sec == file->made_at.tv_sec &&
           found.st_mtim.tv_nsec == file->made_at.tv_nsec;
}

static bool is_socket(const char *path)
{
    struct stat found;

    return lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* A socket's file that nobody answers at. */
static bool is_left_over(struct mcq_reactor *reactor, const char *path,
                         const struct mcq_address *address)
{
    enum mcq_io_result result;
    int fd;

    if (!is_socket(path))
        return false;
    result = mcq_reactor_connect(reactor, NULL, address, NULL, &fd);
    if (result == MCQ_IO_DONE || result == MCQ_IO_AGAIN)
        mcq_reactor_close(reactor, fd);
    return result == MCQ_IO_REFUSED;
}

static bool is_gone(const char *path)
{
    struct stat found;

    return lstat(path, &found) != 0 && errno == ENOENT;
}

/* Without the lock nothing is taken away. Who had the file may have done so just now. */
static enum mcq_err claim_path(struct mcq_reactor *reactor, const struct mcq_address *address,
                               bool takes_over, const struct mcq_tuning *tuning, int backlog,
                               struct mcq_ipc_file *file, int *fd)
{
    int lock = lock_folder(file->path, CLAIM_TRIES, CLAIM_PAUSE_NS);
    enum mcq_io_result result = mcq_reactor_listen(reactor, address, tuning, backlog, fd);

    if (result == MCQ_IO_IN_USE && lock >= 0 &&
        (takes_over ? is_socket(file->path) : is_left_over(reactor, file->path, address)))
        (void) unlink(file->path);
    if (result == MCQ_IO_IN_USE && is_gone(file->path))
        result = mcq_reactor_listen(reactor, address, tuning, backlog, fd);
    if (result == MCQ_IO_DONE)
        identify(file);
    unlock_folder(lock);
    return mcq_transport_listen_err(result);
}

/* A folder that nobody has, for a file of any name. */
static enum mcq_err make_folder(struct mcq_endpoint *endpoint, char path[MCQ_IPC_PATH_MAX + 1])
{
    static const char *const names[] = {"TMPDIR", "TEMPDIR", "TMP"};
    static const char file[] = "/socket";
    const char *where = NULL;
    int len;

    for (size_t i = 0; i < MCQ_COUNTOF(names) && where == NULL; i++)
        where = secure_getenv(names[i]);
    if (where == NULL || where[0] == '\0')
        where = "/tmp";
    len = snprintf(path, MCQ_IPC_PATH_MAX + 1, "%s/monocoque-XXXXXX", where);
    if (len < 0 || (size_t) len + strlen(file) > MCQ_IPC_PATH_MAX)
        return MCQ_TOO_LONG;
    if (mkdtemp(path) == NULL)
        return errno == ENOENT || errno == ENOTDIR ? MCQ_NOT_FOUND
               : errno == EACCES || errno == EROFS ? MCQ_DENIED
                                                   : MCQ_NOMEM;
    memcpy(path + len, file, sizeof file);
    endpoint->path = mcq_bytes_of(path);
    return MCQ_OK;
}

enum mcq_err mcq_ipc_claim(struct mcq_reactor *reactor, const struct mcq_endpoint *endpoint,
                           const struct mcq_tuning *tuning, int backlog, struct mcq_ipc_file *file,
                           struct mcq_address *address, int *fd)
{
    struct mcq_endpoint chosen = *endpoint;
    struct mcq_ipc_file made = {0};
    char path[MCQ_IPC_PATH_MAX + 1] = {0};
    enum mcq_err err;

    if (endpoint->path.len == 0) {
        MCQ_TRY(make_folder(&chosen, path));
        made.has_folder = true;
    } else {
        memcpy(path, endpoint->path.data, endpoint->path.len);
    }
    mcq_ipc_address(&chosen, address);
    if (path[0] == '@') {
        *file = made;
        return mcq_transport_listen_err(mcq_reactor_listen(reactor, address, tuning, backlog, fd));
    }
    made.path = path_of(path);
    err = made.path == NULL
              ? MCQ_NOMEM
              : claim_path(reactor, address, endpoint->takes_over, tuning, backlog, &made, fd);
    if (err == MCQ_OK) {
        *file = made;
    } else {
        if (made.has_folder)
            remove_folder(path);
        mcq_free(made.path);
    }
    return err;
}

void mcq_ipc_release(struct mcq_ipc_file *file)
{
    int lock;

    if (file->path == NULL)
        return;
    lock = lock_folder(file->path, RELEASE_TRIES, RELEASE_PAUSE_NS);
    if (lock != BUSY && is_ours(file)) /* else it is a left-over, which who binds next takes away */
        (void) unlink(file->path);
    if (file->has_folder)
        remove_folder(file->path);
    unlock_folder(lock);
    mcq_free(file->path);
    *file = (struct mcq_ipc_file) {0};
}
