/* ipc: paths, abstract names, files that come and go. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/test_support.h"
#include "support/folder.h"

/* A folder of a test's own, and the endpoint of a file in it. */
struct place {
    char folder[OWN_FOLDER_BYTES];
    char path[64];
    char endpoint[ENDPOINT_BYTES + 16];
};

static struct place make_place(void)
{
    struct place place;

    assert_true(make_own_folder(place.folder));
    (void) snprintf(place.path, sizeof place.path, "%s/s", place.folder);
    (void) snprintf(place.endpoint, sizeof place.endpoint, "ipc://%s", place.path);
    return place;
}

/* Also the proof that nothing is left in it. */
static void remove_place(const struct place *place)
{
    assert_int_equal(rmdir(place->folder), 0);
}

static bool is_there(const char *path)
{
    struct stat found;

    return lstat(path, &found) == 0;
}

static void let_engine_run(void)
{
    if (inline_context != NULL)
        assert_works(mcq_ctx_run(inline_context, 1));
    else
        (void) sched_yield();
}

/* The engine takes a file away, soon. */
static void await_gone(const char *path)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; is_there(path) && now_ms() < until;)
        let_engine_run();
    assert_false(is_there(path));
}

/* A socket of the system at this path. */
static int raw_socket(const char *path, int type, bool listens)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    (void) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *) &un, sizeof un), 0);
    if (listens)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* The file of an owner that is dead. */
static void leave_file(const char *path)
{
    assert_int_equal(close(raw_socket(path, SOCK_STREAM, true)), 0);
    assert_true(is_there(path));
}

static void last_endpoint(struct mcq_socket *socket, char text[128])
{
    size_t len = 128;

    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, text, &len));
    assert_int_equal(len, strlen(text) + 1);
}

/* --- paths ------------------------------------------------------------------------------------ */

static void path__delivers_and_is_gone_after_unbind(void)
{
    struct place place = make_place();
    struct world world;
    char last[128];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, place.endpoint));
    assert_true(is_there(place.path));
    last_endpoint(pull, last);
    assert_string_equal(last, place.endpoint);
    assert_works(mcq_connect(push, place.endpoint));
    last_endpoint(push, last);
    assert_string_equal(last, place.endpoint);
    send_text(push, "hello", 0);
    expect_text(pull, "hello");

    assert_works(mcq_unbind(pull, place.endpoint));
    await_gone(place.path);
    send_text(push, "still here", 0);
    expect_text(pull, "still here");
    assert_works(mcq_disconnect(push, place.endpoint));
    end_world(&world);
    remove_place(&place);
}

static void path__is_gone_with_its_socket(void)
{
    struct place place = make_place();
    struct world world;

    begin_world(&world);
    assert_works(mcq_bind(open_socket(&world, MCQ_REP), place.endpoint));
    assert_true(is_there(place.path));
    end_world(&world);
    remove_place(&place);
}

static void path__connected_before_it_is_bound_and_anew_after_its_end(void)
{
    struct place place = make_place();
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_connect(push, place.endpoint));
    for (int i = 0; i < 3; i++) {
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

        assert_works(mcq_bind(pull, place.endpoint));
        send_text(push, "hello", 0);
        expect_text(pull, "hello");
        close_socket(&world, pull);
        await_gone(place.path);
        /* What is sent before the end is seen would be the old connection's. */
        while (mcq_wait_peers(push, 1, 0) == 0)
            (void) sched_yield();
    }
    end_world(&world);
    remove_place(&place);
}

static void path__relative__is_found_and_taken_away_from_elsewhere(void)
{
    struct place place = make_place();
    struct world world;
    char here[1024];

    assert_non_null(getcwd(here, sizeof here));
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_int_equal(chdir(place.folder), 0);
    assert_works(mcq_bind(pull, "ipc://s"));
    assert_int_equal(chdir(here), 0);
    assert_true(is_there(place.path));
    assert_works(mcq_unbind(pull, "ipc://s"));
    await_gone(place.path);
    end_world(&world);
    remove_place(&place);
}

static void path__of_107_octets_and_no_more(void)
{
    struct place place = make_place();
    char endpoint[160];
    char last[128];
    struct world world;
    size_t lead = strlen("ipc://");

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    (void) snprintf(endpoint, sizeof endpoint, "%s", place.endpoint);
    memset(endpoint + strlen(endpoint), 'x', sizeof endpoint - strlen(endpoint));
    endpoint[lead + 108] = '\0';
    assert_says_of(mcq_bind(pull, endpoint), ENAMETOOLONG,
                   "bind %s: the path has more than 107 octets, which is all that the system takes",
                   endpoint);
    assert_fails(mcq_connect(push, endpoint), ENAMETOOLONG);
    endpoint[lead + 107] = '\0';
    assert_works(mcq_bind(pull, endpoint));
    last_endpoint(pull, last);
    assert_string_equal(last, endpoint);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    end_world(&world);
    remove_place(&place);
}

static void path__where_nothing_can_be_made(void)
{
    struct place place = make_place();
    char endpoint[128];
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    (void) snprintf(endpoint, sizeof endpoint, "ipc://%s/none/s", place.folder);
    assert_says_of(mcq_bind(pull, endpoint), ENOENT,
                   "bind %s: the folder is not there; make it first", endpoint);
    (void) snprintf(endpoint, sizeof endpoint, "ipc://%s", place.folder);
    assert_says_of(mcq_bind(pull, endpoint), EADDRINUSE,
                   "bind %s: somebody listens there, or it is a file of another kind", endpoint);
    end_world(&world);
    remove_place(&place);
}

/* --- files of others -------------------------------------------------------------------------- */

static void fault_d11__file_of_a_dead_owner__is_replaced(void)
{
    struct place place = make_place();
    struct world world;

    leave_file(place.path);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, place.endpoint));
    assert_works(mcq_connect(push, place.endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    end_world(&world);
    remove_place(&place);
}

static void fault_d11__socket_of_a_living_owner__stays(void)
{
    struct place place = make_place();
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, place.endpoint));
    assert_fails(mcq_bind(other, place.endpoint), EADDRINUSE);
    assert_fails(mcq_bind(pull, place.endpoint), EADDRINUSE);
    assert_works(mcq_connect(push, place.endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    end_world(&world);
    remove_place(&place);
}

/* A file, a folder, a link to nowhere, a socket of another kind, one whose backlog is full. */
static void fault_d11__what_is_no_left_over__stays(void)
{
    struct place place = make_place();
    struct stat before;
    struct stat after;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    for (int kind = 0; kind < 5; kind++) {
        int fd = -1;
        int guest = -1;

        switch (kind) {
        case 0: fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); break;
        case 1: assert_int_equal(mkdir(place.path, 0700), 0); break;
        case 2: assert_int_equal(symlink("nowhere", place.path), 0); break;
        case 3: fd = raw_socket(place.path, SOCK_DGRAM, false); break;
        default: {
            struct sockaddr_un un = {.sun_family = AF_UNIX};

            fd = raw_socket(place.path, SOCK_STREAM, false);
            assert_int_equal(listen(fd, 0), 0);
            guest = socket(AF_UNIX, SOCK_STREAM, 0);
            (void) snprintf(un.sun_path, sizeof un.sun_path, "%s", place.path);
            assert_int_equal(connect(guest, (struct sockaddr *) &un, sizeof un), 0);
        }
        }
        assert_int_equal(lstat(place.path, &before), 0);
        assert_fails(mcq_bind(pull, place.endpoint), EADDRINUSE);
        assert_int_equal(lstat(place.path, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        if (fd >= 0)
            assert_int_equal(close(fd), 0);
        if (guest >= 0)
            assert_int_equal(close(guest), 0);
        assert_int_equal(remove(place.path), 0);
    }
    end_world(&world);
    remove_place(&place);
}

static void fault_d11__somebody_elses_new_file__stays_after_unbind(void)
{
    struct place place = make_place();
    struct world world;
    struct stat found;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(pull, place.endpoint));
    assert_int_equal(unlink(place.path), 0); /* as libzmq does */
    int fd = raw_socket(place.path, SOCK_STREAM, true);

    assert_int_equal(lstat(place.path, &found), 0);
    end_world(&world); /* and all that was to be taken away is */
    assert_true(is_there(place.path));
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(place.path), 0);
    remove_place(&place);
}

/* Whether nobody answers at this file any more. */
static bool is_refused(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool refuses;

    (void) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    refuses = connect(fd, (struct sockaddr *) &un, sizeof un) != 0 && errno == ECONNREFUSED;
    assert_int_equal(close(fd), 0);
    return refuses;
}

/* Who has the folder may be about to put another file there. */
static void fault_d11__folder_is_locked_at_the_end__file_is_left_for_the_next(void)
{
    struct place place = make_place();
    struct world world;
    int lock;

    begin_world(&world);
    struct mcq_socket *first = open_socket(&world, MCQ_PULL);
    struct mcq_socket *second = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(first, place.endpoint));
    lock = open(place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_works(mcq_unbind(first, place.endpoint));
    for (uint64_t until = now_ms() + PATIENCE_MS; !is_refused(place.path) && now_ms() < until;)
        let_engine_run();
    assert_true(is_there(place.path));
    assert_int_equal(close(lock), 0);
    assert_works(mcq_bind(second, place.endpoint));
    end_world(&world);
    assert_false(is_there(place.path));
    remove_place(&place);
}

struct racer {
    struct mcq_socket *socket;
    const char *endpoint;
};

static int race_to_bind(void *argument)
{
    struct racer *racer = argument;

    return mcq_bind(racer->socket, racer->endpoint);
}

/* Whoever is second finds the new file of the first, and leaves it. */
static void fault_d11__many_find_one_left_over__one_gets_it(void)
{
    enum { RACERS = 4, ROUNDS = 20 };
    struct place place = make_place();
    struct world world;

    begin_world_with_threads(&world);
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[RACERS];
        struct helper helpers[RACERS];
        int winner = -1;

        leave_file(place.path);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer) {open_socket(&world, MCQ_PULL), place.endpoint};
            start_helper(&helpers[i], race_to_bind, &racers[i]);
        }
        for (int i = 0; i < RACERS; i++) {
            join_helper(&helpers[i]);
            if (helpers[i].result == 0) {
                assert_int_equal(winner, -1);
                winner = i;
            } else {
                assert_int_equal(helpers[i].number, EADDRINUSE);
            }
        }
        assert_int_not_equal(winner, -1);

        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_connect(push, place.endpoint));
        send_text(push, "hello", 0);
        expect_text(racers[winner].socket, "hello");
        for (int i = 0; i < RACERS; i++)
            close_socket(&world, racers[i].socket);
        close_socket(&world, push);
        await_gone(place.path);
    }
    end_world(&world);
    remove_place(&place);
}

/* --- abstract names and wildcards ------------------------------------------------------------- */

static void abstract_name__delivers_without_a_file(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    (void) snprintf(endpoint, sizeof endpoint, "ipc://@mcq-test-%ld", (long) getpid());
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    char last[128];

    assert_works(mcq_bind(pull, endpoint));
    last_endpoint(pull, last);
    assert_string_equal(last, endpoint);
    assert_false(is_there(endpoint + strlen("ipc://")));
    assert_fails(mcq_bind(other, endpoint), EADDRINUSE);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_works(mcq_unbind(pull, endpoint));
    bind_again(other, endpoint);
    end_world(&world);
}

/* Its name is no longer than it was written: one with zeros behind it would be another one. */
static void abstract_name__is_just_as_long_as_it_was_written(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char endpoint[ENDPOINT_BYTES];
    struct world world;
    int len = snprintf(endpoint, sizeof endpoint, "ipc://@mcq-long-%ld", (long) getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_bind(pull, endpoint));
    memcpy(un.sun_path + 1, endpoint + 7, (size_t) len - 7);
    assert_int_equal(
        connect(fd, (struct sockaddr *) &un,
                (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) len - 6)),
        0);
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

static void any_path__is_a_private_folder_of_its_own(void)
{
    struct place place = make_place();
    const char *before = getenv("TMPDIR");
    char *kept = before != NULL ? strdup(before) : NULL;
    char texts[2][128];
    struct stat found;
    struct world world;

    assert_int_equal(setenv("TMPDIR", place.folder, 1), 0);
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    for (int i = 0; i < 2; i++) {
        char *slash = texts[i] + strlen("ipc://");

        assert_works(mcq_bind(pull, "ipc://*"));
        last_endpoint(pull, texts[i]);
        assert_memory_equal(slash, place.folder, strlen(place.folder));
        assert_true(is_there(slash));
        slash = strrchr(texts[i], '/');
        *slash = '\0';
        assert_int_equal(stat(texts[i] + strlen("ipc://"), &found), 0);
        assert_int_equal(found.st_mode & 07777, 0700);
        *slash = '/';
        assert_works(mcq_connect(push, texts[i]));
    }
    assert_string_not_equal(texts[0], texts[1]);
    send_text(push, "hello", 0);
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    expect_text(pull, "hello");
    assert_works(mcq_unbind(pull, texts[0]));
    await_gone(texts[0] + strlen("ipc://"));
    end_world(&world);
    if (kept != NULL)
        assert_int_equal(setenv("TMPDIR", kept, 1), 0);
    else
        assert_int_equal(unsetenv("TMPDIR"), 0);
    free(kept);
    remove_place(&place);
}

static void any_path__where_no_folder_can_be_made(void)
{
    const char *before = getenv("TMPDIR");
    char *kept = before != NULL ? strdup(before) : NULL;
    char name[128];
    struct world world;

    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[90] = '\0';
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_int_equal(setenv("TMPDIR", name, 1), 0);
    assert_says(mcq_bind(pull, "ipc://*"), ENAMETOOLONG,
                "bind ipc://*: the folder for temporary files has too long a name; set TMPDIR to "
                "another one");
    assert_int_equal(setenv("TMPDIR", "/no/such/folder", 1), 0);
    assert_says(mcq_bind(pull, "ipc://*"), ENOENT,
                "bind ipc://*: the folder is not there; make it first");
    if (kept != NULL)
        assert_int_equal(setenv("TMPDIR", kept, 1), 0);
    else
        assert_int_equal(unsetenv("TMPDIR"), 0);
    free(kept);
    end_world(&world);
}

/* --- the kernel's view ------------------------------------------------------------------------ */

static bool is_named(const struct sockaddr_un *un, const char *path)
{
    return un->sun_family == AF_UNIX && strcmp(un->sun_path, path) == 0;
}

/* The process's descriptor of a stream to or from this path. */
static int find_fd(const char *path, bool is_accepted)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_un local = {0};
        struct sockaddr_un peer = {0};
        socklen_t len = sizeof local;
        int listens = 0;
        socklen_t listens_len = sizeof listens;

        if (getsockname(fd, (struct sockaddr *) &local, &len) != 0)
            continue;
        len = sizeof peer;
        (void) getpeername(fd, (struct sockaddr *) &peer, &len);
        (void) getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len);
        if (is_accepted ? is_named(&local, path) && !listens : is_named(&peer, path))
            return fd;
    }
    return -1;
}

static int buffer_of(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;

    assert_true(fd >= 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
    return value;
}

/* The most that a send buffer of the system's own choice can be made, up to 1 MiB. */
static int largest_buffer(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int bytes = 1 << 20;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    bytes = buffer_of(fd, SO_SNDBUF);
    assert_int_equal(close(fd), 0);
    return bytes;
}

static void buffers__are_a_mebibyte_or_what_was_asked_for(void)
{
    static const int asked[] = {-1, 40000};

    for (size_t i = 0; i < MCQ_COUNTOF(asked); i++) {
        struct place place = make_place();
        struct world world;

        begin_world(&world);
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
        int expected = asked[i] < 0 ? largest_buffer() : 2 * asked[i];

        assert_works(mcq_set(pull, MCQ_OPT_SNDBUF, asked[i]));
        assert_works(mcq_set(push, MCQ_OPT_SNDBUF, asked[i]));
        assert_works(mcq_bind(pull, place.endpoint));
        assert_works(mcq_connect(push, place.endpoint));
        send_text(push, "hello", 0);
        expect_text(pull, "hello");
        assert_int_equal(buffer_of(find_fd(place.path, true), SO_SNDBUF), expected);
        assert_int_equal(buffer_of(find_fd(place.path, false), SO_SNDBUF), expected);
        end_world(&world);
        remove_place(&place);
    }
}

#define ON_BOTH(X)                                                                                 \
    X(path__delivers_and_is_gone_after_unbind)                                                     \
    X(path__is_gone_with_its_socket)                                                               \
    X(path__connected_before_it_is_bound_and_anew_after_its_end)                                   \
    X(path__relative__is_found_and_taken_away_from_elsewhere)                                      \
    X(path__of_107_octets_and_no_more)                                                             \
    X(path__where_nothing_can_be_made)                                                             \
    X(fault_d11__file_of_a_dead_owner__is_replaced)                                                \
    X(fault_d11__socket_of_a_living_owner__stays)                                                  \
    X(fault_d11__what_is_no_left_over__stays)                                                      \
    X(fault_d11__somebody_elses_new_file__stays_after_unbind)                                      \
    X(fault_d11__folder_is_locked_at_the_end__file_is_left_for_the_next)                           \
    X(fault_d11__many_find_one_left_over__one_gets_it)                                             \
    X(abstract_name__delivers_without_a_file)                                                      \
    X(abstract_name__is_just_as_long_as_it_was_written)                                            \
    X(any_path__is_a_private_folder_of_its_own)                                                    \
    X(any_path__where_no_folder_can_be_made)                                                       \
    X(buffers__are_a_mebibyte_or_what_was_asked_for)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.ipc");
}
