/* No library: a loop over epoll, recv and send that gives back whatever octets come, which is what
 * a ROUTER's answers are. What it reaches is the most that anything over these calls can. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "adapter.h"
#include "session/state.h"

#define EVENTS 256

struct server {
    int listener;
    int set;
    struct epoll_event events[EVENTS];
    int count; /* of events; those before `at` are done with */
    int at;
    uint8_t room[65536];
};

static const char *library_version(void)
{
    static struct utsname name;

    return uname(&name) == 0 ? name.release : "";
}

static const char *library_engine(void)
{
    return "epoll";
}

static bool watch(const struct server *server, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(server->set, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool server_listen(struct server *server, const char *endpoint)
{
    const char *port = strrchr(endpoint, ':');
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (strncmp(endpoint, "tcp://", 6) != 0 || port == NULL)
        return false;
    address.sin_port = htons((uint16_t) strtol(port + 1, NULL, 10));
    return setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &(int) {1}, sizeof(int)) == 0 &&
           bind(server->listener, (struct sockaddr *) &address, sizeof address) == 0 &&
           listen(server->listener, SOMAXCONN) == 0 && watch(server, server->listener);
}

static void *server_open(enum bench_role role, const char *endpoint)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL || role != BENCH_ROUTER || bench_choice.is_sealed ||
        bench_choice.is_inline) {
        free(server);
        return NULL;
    }
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->set = epoll_create1(EPOLL_CLOEXEC);
    if (server_listen(server, endpoint))
        return server;
    (void) close(server->listener);
    (void) close(server->set);
    free(server);
    return NULL;
}

static bool send_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t) sent;
    }
    return true;
}

static bool send_wanted(int fd, struct mcq_session *session)
{
    for (struct mcq_bytes want; (want = mcq_session_want(session)).len > 0;) {
        if (!send_all(fd, want.data, want.len))
            return false;
        mcq_session_sent(session, want.len);
    }
    return true;
}

/* The peer says no more before it has our READY. */
static bool shake_hands(struct server *server, int fd)
{
    struct mcq_session_config config;
    struct mcq_session *session = calloc(1, sizeof *session);
    bool is_ready = false;
    bool is_good;

    mcq_session_config_init(&config, MCQ_SOCKET_TYPE_ROUTER, MCQ_PROFILE_NATIVE);
    is_good = session != NULL && mcq_session_init(session, &config, 0) == MCQ_OK;
    while (is_good && !is_ready && (is_good = send_wanted(fd, session))) {
        ssize_t len = recv(fd, server->room, sizeof server->room, 0);
        struct mcq_bytes in = mcq_bytes(server->room, len > 0 ? (size_t) len : 0);
        struct mcq_event event;

        is_good = len > 0;
        while (is_good && mcq_session_feed(session, &in, 0, &event) == MCQ_OK)
            is_ready = is_ready || event.kind == MCQ_EVENT_READY;
    }
    is_good = is_good && send_wanted(fd, session);
    if (session != NULL)
        mcq_session_fini(session);
    free(session);
    return is_good;
}

static bool admit(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return false;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4); /* as ours */
    return shake_hands(server, fd) && watch(server, fd);
}

static bool server_answer(void *opaque, bool is_answered)
{
    struct server *server = opaque;
    bool is_done = false;

    while (!is_done) {
        int fd;
        ssize_t len;

        if (server->at == server->count) {
            server->at = 0;
            server->count = epoll_wait(server->set, server->events, EVENTS, -1);
            if (server->count < 0)
                return false;
            continue;
        }
        fd = server->events[server->at++].data.fd;
        if (fd == server->listener) {
            if (!admit(server))
                return false;
            continue;
        }
        len = recv(fd, server->room, sizeof server->room, MSG_DONTWAIT);
        if (len == 0)
            (void) close(fd);
        if (len > 0 && is_answered && !send_all(fd, server->room, (size_t) len))
            return false;
        is_done = len > 0;
    }
    return true;
}

const struct bench_library bench_library = {
    .name = "kernel",
    .version = library_version,
    .engine = library_engine,
    .open = server_open,
    .answer = server_answer,
};
