/*
 * Pollers: a set of the kernel's over the sockets' bells (reactor/bell.h), which ring while there
 * is something. So waiting asks nobody who is silent.
 *
 * An entry is watched by one descriptor, or by two: a socket's for receiving and for sending. Where
 * the context has no threads, its own bell is watched, too, and its work done when that rings.
 */

#include <errno.h>
#include <limits.h>
#include <monocoque.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "api/fail.h"
#include "arena/alloc.h"

#define HARVEST 64 /* events of the kernel at a time */

struct entry;

/* What a descriptor of the set says. */
struct watch {
    struct entry *entry;
    int fd;       /* -1: none */
    short events; /* MCQ_POLL... that it stands for; 0: nothing is asked for, and it is not in */
    bool is_in;
};

struct entry {
    struct mcq_socket *socket;   /* NULL: a descriptor, or a context's */
    struct mcq_context *context; /* not NULL: its work is to be done */
    void *hint;
    struct watch in; /* a descriptor's only one */
    struct watch out;
    size_t told_at; /* of the present wait: its place among the events, plus one */
    struct entry *next;
};

struct mcq_poller {
    int set;
    struct entry *entries;
};

struct mcq_poller *mcq_poller_new(void)
{
    struct mcq_poller *poller = mcq_alloc(sizeof *poller);
    int set = poller != NULL ? epoll_create1(EPOLL_CLOEXEC) : -1;

    if (set >= 0) {
        *poller = (struct mcq_poller) {.set = set};
        return poller;
    }
    (void) mcq_fail(poller != NULL ? errno : ENOMEM, "poller_new: %s",
                    poller != NULL ? "no descriptors are left" : "out of memory");
    mcq_free(poller);
    return NULL;
}

int mcq_poller_free(struct mcq_poller **poller)
{
    struct entry *entry;

    if (poller == NULL)
        return mcq_fail_null("poller_free", "poller");
    if (*poller == NULL)
        return 0;
    while ((entry = (*poller)->entries) != NULL) {
        (*poller)->entries = entry->next;
        mcq_free(entry);
    }
    (void) close((*poller)->set);
    mcq_free(*poller);
    *poller = NULL;
    return 0;
}

int mcq_poller_fd(struct mcq_poller *poller)
{
    return poller != NULL ? poller->set : mcq_fail_null("poller_fd", "poller");
}

/* --- entries --------------------------------------------------------------------------------- */

static struct entry **find(struct mcq_poller *poller, const struct mcq_socket *socket, int fd)
{
    struct entry **at = &poller->entries;

    while (*at != NULL && ((*at)->context != NULL || (*at)->socket != socket ||
                           (socket == NULL && (*at)->in.fd != fd)))
        at = &(*at)->next;
    return at;
}

static struct entry *add(struct mcq_poller *poller)
{
    struct entry *entry = mcq_alloc(sizeof *entry);

    if (entry == NULL)
        return NULL;
    *entry = (struct entry) {.in.fd = -1, .out.fd = -1, .next = poller->entries};
    entry->in.entry = entry;
    entry->out.entry = entry;
    poller->entries = entry;
    return entry;
}

/* Takes it out of the set, in which it may not be any more: who has closed it has taken it out. */
static void unwatch(struct mcq_poller *poller, struct watch *watch)
{
    if (watch->is_in)
        (void) epoll_ctl(poller->set, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->is_in = false;
    watch->events = 0;
}

static void drop(struct mcq_poller *poller, struct entry **at)
{
    struct entry *entry = *at;

    unwatch(poller, &entry->in);
    unwatch(poller, &entry->out);
    *at = entry->next;
    mcq_free(entry);
}

/* 0, or an errno. kernel: EPOLLIN and the like. */
static int watch_for(struct mcq_poller *poller, struct watch *watch, short events, uint32_t kernel)
{
    struct epoll_event event = {.events = kernel, .data.ptr = watch};

    if (events == 0 || watch->fd < 0) {
        unwatch(poller, watch);
        return 0;
    }
    if (epoll_ctl(poller->set, watch->is_in ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event) !=
        0)
        return errno;
    watch->is_in = true;
    watch->events = events;
    return 0;
}

static int get_fd(struct mcq_socket *socket, enum mcq_option option, struct watch *watch)
{
    int64_t fd;

    if (watch->fd >= 0)
        return 0;
    if (mcq_get(socket, option, &fd) != 0)
        return -1;
    watch->fd = (int) fd;
    return 0;
}

/* The work of a context that has no threads but this one is the poller's, too. */
static int watch_context(struct mcq_poller *poller, struct mcq_context *context)
{
    struct entry *entry;
    int64_t fd;

    for (entry = poller->entries; entry != NULL; entry = entry->next)
        if (entry->context == context)
            return 0;
    if (mcq_ctx_get(context, MCQ_CTX_FD, &fd) != 0)
        return -1;
    if (fd < 0)
        return 0;
    entry = add(poller);
    if (entry == NULL)
        return mcq_fail(ENOMEM, "poller_set: out of memory");
    entry->context = context;
    entry->in.fd = (int) fd;
    if (watch_for(poller, &entry->in, MCQ_POLLIN, EPOLLIN) == 0)
        return 0;
    drop(poller, &poller->entries); /* it is the newest */
    return mcq_fail(ENOMEM, "poller_set: the kernel has no memory for it");
}

static bool is_known(short events)
{
    return (events & ~(MCQ_POLLIN | MCQ_POLLOUT)) == 0;
}

static int fail_events(const char *call, short events)
{
    return mcq_fail(EINVAL, "%s: event %d is unknown", call, events & ~(MCQ_POLLIN | MCQ_POLLOUT));
}

static int set_socket(struct mcq_poller *poller, struct entry *entry, short events)
{
    int number;

    if (watch_context(poller, entry->socket->context) != 0)
        return -1;
    if ((events & MCQ_POLLIN) && get_fd(entry->socket, MCQ_OPT_RECV_FD, &entry->in) != 0)
        return -1;
    if ((events & MCQ_POLLOUT) && get_fd(entry->socket, MCQ_OPT_SEND_FD, &entry->out) != 0)
        return -1;
    number = watch_for(poller, &entry->in, events & MCQ_POLLIN, EPOLLIN);
    if (number == 0)
        number = watch_for(poller, &entry->out, events & MCQ_POLLOUT, EPOLLIN);
    return number == 0 ? 0 : mcq_fail(number, "poller_set: %s", mcq_strerror(number));
}

int mcq_poller_set(struct mcq_poller *poller, struct mcq_socket *socket, short events, void *hint)
{
    struct entry *entry;
    bool is_new;

    if (poller == NULL || socket == NULL)
        return mcq_fail_null("poller_set", poller == NULL ? "poller" : "socket");
    if (!is_known(events))
        return fail_events("poller_set", events);
    entry = *find(poller, socket, -1);
    is_new = entry == NULL;
    if (is_new)
        entry = add(poller);
    if (entry == NULL)
        return mcq_fail(ENOMEM, "poller_set: out of memory");
    entry->socket = socket;
    entry->hint = hint;
    if (set_socket(poller, entry, events) == 0)
        return 0;
    if (is_new)
        drop(poller, find(poller, socket, -1));
    return -1;
}

int mcq_poller_set_fd(struct mcq_poller *poller, int fd, short events, void *hint)
{
    struct entry *entry;
    int number;
    bool is_new;

    if (poller == NULL)
        return mcq_fail_null("poller_set_fd", "poller");
    if (!is_known(events))
        return fail_events("poller_set_fd", events);
    entry = *find(poller, NULL, fd);
    is_new = entry == NULL;
    if (is_new)
        entry = add(poller);
    if (entry == NULL)
        return mcq_fail(ENOMEM, "poller_set_fd: out of memory");
    entry->in.fd = fd;
    entry->hint = hint;
    number = fd < 0 ? EBADF
                    : watch_for(poller, &entry->in, events,
                                (uint32_t) ((events & MCQ_POLLIN ? EPOLLIN : 0) |
                                            (events & MCQ_POLLOUT ? EPOLLOUT : 0)));
    if (number == 0)
        return 0;
    if (is_new)
        drop(poller, &poller->entries); /* it is the newest */
    return mcq_fail(number == EPERM ? EBADF : number,
                    "poller_set_fd %d: it is no descriptor that can be polled", fd);
}

int mcq_poller_remove(struct mcq_poller *poller, struct mcq_socket *socket)
{
    struct entry **at;

    if (poller == NULL || socket == NULL)
        return mcq_fail_null("poller_remove", poller == NULL ? "poller" : "socket");
    at = find(poller, socket, -1);
    if (*at == NULL)
        return mcq_fail(ENOENT, "poller_remove: the socket is not there");
    drop(poller, at);
    return 0;
}

int mcq_poller_remove_fd(struct mcq_poller *poller, int fd)
{
    struct entry **at;

    if (poller == NULL)
        return mcq_fail_null("poller_remove_fd", "poller");
    at = find(poller, NULL, fd);
    if (*at == NULL)
        return mcq_fail(ENOENT, "poller_remove_fd %d: it is not there", fd);
    drop(poller, at);
    return 0;
}

/* --- waiting --------------------------------------------------------------------------------- */

static short events_of(const struct watch *watch, uint32_t kernel)
{
    if (watch->entry->socket != NULL) /* a bell, which is polled for input */
        return watch->events;
    return (short) ((kernel & EPOLLIN ? watch->events & MCQ_POLLIN : 0) |
                    (kernel & EPOLLOUT ? watch->events & MCQ_POLLOUT : 0) |
                    (kernel & (EPOLLERR | EPOLLHUP) ? MCQ_POLLERR : 0));
}

/* Both ways of a socket are one event. */
static size_t tell(struct watch *watch, uint32_t kernel, struct mcq_poller_event *events,
                   size_t count, size_t told)
{
    struct entry *entry = watch->entry;
    short found = events_of(watch, kernel);

    if (entry->told_at > 0) {
        events[entry->told_at - 1].events |= found;
        return told;
    }
    if (told == count)
        return told; /* it is told by the next call */
    events[told] = (struct mcq_poller_event) {
        .socket = entry->socket,
        .fd = entry->socket == NULL ? entry->in.fd : -1,
        .events = found,
        .hint = entry->hint,
    };
    entry->told_at = told + 1;
    return told + 1;
}

/* Sleeps in poll: what io_uring does in this thread would end epoll_wait as a signal does. */
static int look(struct mcq_poller *poller, struct mcq_poller_event *events, size_t count,
                int timeout_ms)
{
    struct pollfd sleep = {.fd = poller->set, .events = POLLIN};
    struct epoll_event found[HARVEST];
    int ready = poll(&sleep, 1, timeout_ms);
    size_t told = 0;

    if (ready > 0)
        ready = epoll_wait(poller->set, found, HARVEST, 0);
    if (ready < 0)
        return mcq_fail(errno, "poller_wait: %s",
                        errno == EINTR ? "a signal handler ran; call again" : mcq_strerror(errno));
    for (int i = 0; i < ready; i++) {
        struct watch *watch = found[i].data.ptr;

        if (watch->entry->context != NULL) {
            if (mcq_ctx_run(watch->entry->context, 0) != 0 && errno != EINTR)
                return -1;
            continue;
        }
        told = tell(watch, found[i].events, events, count, told);
    }
    for (int i = 0; i < ready; i++)
        ((struct watch *) found[i].data.ptr)->entry->told_at = 0;
    return (int) told;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* A context's work alone does not end it. */
int mcq_poller_wait(struct mcq_poller *poller, struct mcq_poller_event *events, size_t count,
                    int timeout_ms)
{
    uint64_t until = timeout_ms > 0 ? now_ms() + (uint64_t) timeout_ms : 0;
    int left_ms = timeout_ms;
    int told;

    if (poller == NULL || events == NULL)
        return mcq_fail_null("poller_wait", poller == NULL ? "poller" : "events");
    if (count == 0)
        return mcq_fail(EINVAL, "poller_wait: there is no room for an event");
    for (;;) {
        uint64_t now;

        told = look(poller, events, count, left_ms);
        if (told != 0 || timeout_ms == 0)
            return told;
        if (timeout_ms < 0)
            continue;
        now = now_ms();
        if (now >= until)
            return 0;
        left_ms = (int) (until - now);
    }
}
