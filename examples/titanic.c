/* titanic: requests that outlive whoever has them. A keeper writes each one to disk before it says
 * that it has it, gives it to a worker, and keeps the answer until it is fetched.
 *     titanic [SEED]   twenty requests; the worker fails at random, and so does the keeper, which
 *                      then knows what is on disk and nothing else
 * Exit status: 0 all were answered, 1 failed. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

#define REQUESTS 20
#define TRIES 2000
#define PATIENCE_MS 100
#define PATH_BYTES 256
#define FOLDER_BYTES 224

static struct mcq_context *context;
static char for_clients[ENDPOINT_BYTES];
static char for_keeper[ENDPOINT_BYTES];
static char folder[FOLDER_BYTES];
static struct mcq_socket *worker;
static unsigned seed = 1;
static _Atomic bool is_over;

static void must(bool is_good, const char *what)
{
    if (is_good)
        return;
    perror(what);
    exit(1);
}

/* --- the disk -------------------------------------------------------------------------------- */

static void make_folder(void)
{
    const char *where = getenv("TMPDIR");

    (void) snprintf(folder, sizeof folder, "%s/titanic.XXXXXX", where != NULL ? where : "/tmp");
    must(mkdtemp(folder) != NULL, folder);
}

static void path_of(char path[PATH_BYTES], int number, const char *kind)
{
    (void) snprintf(path, PATH_BYTES, "%s/%d.%s", folder, number, kind);
}

/* Is there whole, or not at all, whenever the keeper goes. */
static void store(int number, const char *kind, const char *text)
{
    char path[PATH_BYTES];
    char part[PATH_BYTES];
    size_t len = strlen(text);
    int fd;

    path_of(path, number, kind);
    path_of(part, number, "part");
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && write(fd, text, len) == (ssize_t) len, part);
    must(fsync(fd) == 0 && close(fd) == 0 && rename(part, path) == 0, path);
}

static bool load(int number, const char *kind, char text[24])
{
    char path[PATH_BYTES];
    ssize_t len;
    int fd;

    path_of(path, number, kind);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    len = read(fd, text, 23);
    must(len >= 0 && close(fd) == 0, path);
    text[len] = '\0';
    return true;
}

static void drop(int number, const char *kind)
{
    char path[PATH_BYTES];

    path_of(path, number, kind);
    (void) unlink(path); /* may not be there */
}

/* A request without an answer; 0: there is none. */
static int find_work(void)
{
    DIR *list = opendir(folder);
    const struct dirent *entry;
    char text[24];
    int found = 0;

    must(list != NULL, folder);
    while (found == 0 && (entry = readdir(list)) != NULL)
        if (strstr(entry->d_name, ".request") != NULL &&
            !load(number_in(entry->d_name), "answer", text))
            found = number_in(entry->d_name);
    must(closedir(list) == 0, folder);
    return found;
}

/* --- the keeper ------------------------------------------------------------------------------ */

/* "keep", its number, the request; "fetch" and "forget", its number. Each may be said again. */
static void hear_client(struct mcq_socket *front)
{
    struct parts parts;
    char text[24] = "";

    if (!parts_recv(&parts, front, MCQ_DONTWAIT))
        return;
    int number = parts_number(&parts, 1);

    if (parts_is(&parts, 0, "keep") && parts.count == 3) {
        (void) snprintf(text, sizeof text, "%d", parts_number(&parts, 2));
        store(number, "request", text);
        check(say(front, "kept"));
    } else if (parts_is(&parts, 0, "fetch") && load(number, "answer", text)) {
        check(say(front, "done", text));
    } else if (parts_is(&parts, 0, "forget")) {
        drop(number, "request");
        drop(number, "answer");
        check(say(front, "gone"));
    } else {
        check(say(front, "not yet"));
    }
    parts_close(&parts);
}

/* One request is with the worker at a time. *number 0: none. */
static void hear_worker(struct mcq_socket *back, int *number)
{
    struct parts parts;

    if (parts_recv(&parts, back, MCQ_DONTWAIT) && parts.count == 1) {
        char text[24];

        (void) snprintf(text, sizeof text, "%d", parts_number(&parts, 0));
        store(*number, "answer", text);
    } /* else it has not come in time: it is found again */
    parts_close(&parts);
    *number = 0;
}

static void give_out(struct mcq_socket *back, int *number)
{
    char text[24];

    *number = find_work();
    if (*number != 0 && load(*number, "request", text))
        check(say(back, text));
    else
        *number = 0;
}

/* Until it falls. */
static void keep(struct mcq_socket *front, struct mcq_socket *back)
{
    int number = 0;

    while (!is_over && rand_r(&seed) % 16 != 0) {
        struct mcq_poll_entry entries[2] = {{.socket = front, .events = MCQ_POLLIN},
                                            {.socket = back, .events = MCQ_POLLIN}};

        if (number == 0)
            give_out(back, &number);
        check(mcq_poll(entries, number != 0 ? 2 : 1, PATIENCE_MS) >= 0);
        if (entries[0].revents != 0)
            hear_client(front);
        if (number != 0 && entries[1].revents != 0)
            hear_worker(back, &number);
    }
}

static void *run_keeper(void *unused)
{
    while (!is_over) {
        struct mcq_socket *front = mcq_socket(context, MCQ_REP);
        struct mcq_socket *back = connected(context, MCQ_REQ, for_keeper);

        check(mcq_set(back, MCQ_OPT_REQ_TIMEOUT, PATIENCE_MS) == 0);
        check(mcq_set(back, MCQ_OPT_REQ_RESENDS, 2) == 0);
        while (mcq_bind(front, for_clients) != 0) /* the port is just being given back */
            check(mcq_poll(NULL, 0, 1) == 0);
        keep(front, back);
        leave(front);
        leave(back);
    }
    return unused;
}

/* --- who works, and who asks ----------------------------------------------------------------- */

static void *work(void *argument)
{
    unsigned mine = *(unsigned *) argument;
    struct parts parts;

    check(mcq_set(worker, MCQ_OPT_RCVTIMEO, 20) == 0);
    for (; !is_over; parts_close(&parts)) {
        char text[24];

        if (!parts_recv(&parts, worker, 0) || parts.count != 4 || rand_r(&mine) % 4 == 0)
            continue; /* one of four it loses */
        (void) snprintf(text, sizeof text, "%d", 3 * parts_number(&parts, 3));
        parts_set(&parts, 3, text);
        (void) parts_send(&parts, 0, worker);
    }
    return NULL;
}

/* Asks until there is an answer, which begins with this word. */
static bool ask(struct mcq_socket *client, const char *word, int *tries, char answer[24],
                const char *verb, const char *number, const char *body)
{
    struct parts parts;
    bool is_good = false;

    while (!is_good && (*tries)++ < TRIES) {
        check(say(client, verb, number, body));
        if (parts_recv(&parts, client, 0) && parts_is(&parts, 0, word)) {
            (void) snprintf(answer, 24, "%d", parts_number(&parts, 1));
            is_good = true;
        } else if (parts.count > 0) {
            check(mcq_poll(NULL, 0, 5) == 0);
        }
        parts_close(&parts);
    }
    return is_good;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    unsigned other_seed;
    int answered = 0;
    int tries = 0;
    char number[24];
    char answer[24] = "";

    if (argc > 1)
        seed = (unsigned) strtoul(argv[1], NULL, 0);
    printf("seed %u: ", seed);
    other_seed = seed + 1;
    make_folder();
    context = mcq_ctx_new();
    worker = bound(context, MCQ_ROUTER, for_keeper);
    leave(bound(context, MCQ_REP, for_clients)); /* its port */
    check(pthread_create(&threads[0], NULL, work, &other_seed) == 0);
    check(pthread_create(&threads[1], NULL, run_keeper, NULL) == 0);

    struct mcq_socket *client = connected(context, MCQ_REQ, for_clients);

    check(mcq_set(client, MCQ_OPT_REQ_TIMEOUT, INT64_C(2) * PATIENCE_MS) == 0);
    for (int i = 1; i <= REQUESTS; i++) {
        (void) snprintf(number, sizeof number, "%d", i);
        if (!ask(client, "kept", &tries, answer, "keep", number, number))
            break;
    }
    for (int i = 1; i <= REQUESTS; i++) {
        (void) snprintf(number, sizeof number, "%d", i);
        if (ask(client, "done", &tries, answer, "fetch", number, NULL))
            answered += number_in(answer) == 3 * i;
        (void) ask(client, "gone", &tries, answer, "forget", number, NULL);
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        check(pthread_join(threads[i], NULL) == 0);
    printf("%d of %d requests were answered with %d tries\n", answered, REQUESTS, tries);
    leave(client);
    leave(worker);
    check(mcq_ctx_term(context, -1) == 0);
    must(rmdir(folder) == 0 || answered < REQUESTS, folder);
    return answered == REQUESTS ? 0 : 1;
}
