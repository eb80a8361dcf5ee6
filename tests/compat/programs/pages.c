/* The errors that libzmq's manual pages name: each call brought to each of its own. */

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "say.h"

#define FAILS(page, number, call) fails(#page, #number, (long) (call))

static void fails(const char *page, const char *number, long result)
{
    title = page;
    say(number, result);
}

/* --- contexts -------------------------------------------------------------------------------- */

static void on_alarm(int number)
{
    (void) number;
}

/* The one shot could come too early. */
static void ring(int is_on)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, is_on ? &every : &never, NULL);
}

/* No descriptor more than there are. */
static void *context_without_files(void)
{
    struct rlimit before, none;
    void *context;
    int number;

    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    context = zmq_ctx_new();
    number = errno;
    setrlimit(RLIMIT_NOFILE, &before);
    errno = number;
    return context;
}

static void of_contexts(void)
{
    void *context = zmq_ctx_new();
    void *socket;

    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 1);
    FAILS(zmq_ctx_get, EINVAL, zmq_ctx_get(context, 12345));
    FAILS(zmq_ctx_get, EFAULT, zmq_ctx_get(NULL, ZMQ_IO_THREADS));
    FAILS(zmq_ctx_set, EINVAL, zmq_ctx_set(context, 12345, 1));
    FAILS(zmq_ctx_new, EMFILE, context_without_files() != NULL ? 0 : -1);
    FAILS(zmq_ctx_shutdown, EFAULT, zmq_ctx_shutdown(NULL));
    FAILS(zmq_ctx_term, EFAULT, zmq_ctx_term(NULL));
    FAILS(zmq_socket, EINVAL, zmq_socket(context, 12345) != NULL ? 0 : -1);
    FAILS(zmq_socket, EFAULT, zmq_socket(NULL, ZMQ_PAIR) != NULL ? 0 : -1);
    socket = zmq_socket(context, ZMQ_PAIR);
    FAILS(zmq_socket, EMFILE, zmq_socket(context, ZMQ_PAIR) != NULL ? 0 : -1);
    ring(1);
    FAILS(zmq_ctx_term, EINTR, zmq_ctx_term(context));
    ring(0);
    FAILS(zmq_socket, ETERM, zmq_socket(context, ZMQ_PAIR) != NULL ? 0 : -1);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* --- endpoints and options ------------------------------------------------------------------- */

static void of_endpoints(void *context)
{
    void *none = zmq_ctx_new();
    void *one = open_socket(context, ZMQ_PAIR);
    void *other = open_socket(context, ZMQ_DEALER);
    void *stuck;

    zmq_ctx_set(none, ZMQ_IO_THREADS, 0);
    stuck = open_socket(none, ZMQ_DEALER);
    FAILS(zmq_bind, EINVAL, zmq_bind(one, "tcp://127.0.0.1"));
    FAILS(zmq_bind, EPROTONOSUPPORT, zmq_bind(one, "pigeon://loft"));
    FAILS(zmq_bind, ENOCOMPATPROTO, zmq_bind(one, "udp://127.0.0.1:5555"));
    FAILS(zmq_bind, EADDRNOTAVAIL, zmq_bind(one, "tcp://192.0.2.1:5555"));
    FAILS(zmq_bind, ENODEV, zmq_bind(one, "tcp://no-such-interface:5555"));
    FAILS(zmq_bind, EMTHREAD, zmq_bind(stuck, "tcp://127.0.0.1:*"));
    TRY(zmq_bind(other, "tcp://127.0.0.1:*"));
    FAILS(zmq_bind, EADDRINUSE, zmq_bind(one, last_endpoint(other)));
    FAILS(zmq_connect, EINVAL, zmq_connect(one, "tcp://127.0.0.1"));
    FAILS(zmq_connect, EPROTONOSUPPORT, zmq_connect(one, "pigeon://loft"));
    FAILS(zmq_connect, ENOCOMPATPROTO, zmq_connect(one, "udp://127.0.0.1:5555"));
    FAILS(zmq_connect, EMTHREAD, zmq_connect(stuck, "tcp://127.0.0.1:5555"));
    FAILS(zmq_unbind, EINVAL, zmq_unbind(one, "tcp:127.0.0.1"));
    FAILS(zmq_unbind, ENOENT, zmq_unbind(one, "tcp://127.0.0.1:5555"));
    FAILS(zmq_disconnect, EINVAL, zmq_disconnect(one, "tcp:127.0.0.1"));
    FAILS(zmq_disconnect, ENOENT, zmq_disconnect(one, "tcp://127.0.0.1:5555"));
    FAILS(zmq_socket_monitor, EPROTONOSUPPORT, zmq_socket_monitor(one, "tcp://127.0.0.1:5555", 1));
    FAILS(zmq_socket_monitor, EINVAL, zmq_socket_monitor(one, "events", 1));
    zmq_close(one);
    zmq_close(other);
    zmq_close(stuck);
    zmq_ctx_term(none);
}

static void of_options(void *context)
{
    void *socket = open_socket(context, ZMQ_DEALER);
    int value = 0;
    char narrow = 0;
    size_t len = sizeof value;

    FAILS(zmq_setsockopt, EINVAL, zmq_setsockopt(socket, 12345, &value, sizeof value));
    FAILS(zmq_setsockopt, EINVAL, zmq_setsockopt(socket, ZMQ_SNDHWM, &narrow, sizeof narrow));
    value = -2;
    FAILS(zmq_setsockopt, EINVAL, zmq_setsockopt(socket, ZMQ_SNDHWM, &value, sizeof value));
    FAILS(zmq_getsockopt, EINVAL, zmq_getsockopt(socket, 12345, &value, &len));
    len = sizeof narrow;
    FAILS(zmq_getsockopt, EINVAL, zmq_getsockopt(socket, ZMQ_SNDHWM, &narrow, &len));
    zmq_close(socket);
}

/* --- no socket, and no context --------------------------------------------------------------- */

static void of_calls(void *socket, const char *number)
{
    int value = 0;
    size_t len = sizeof value;

    fails("zmq_bind", number, zmq_bind(socket, "inproc://x"));
    fails("zmq_connect", number, zmq_connect(socket, "inproc://x"));
    fails("zmq_unbind", number, zmq_unbind(socket, "inproc://x"));
    fails("zmq_disconnect", number, zmq_disconnect(socket, "inproc://x"));
    fails("zmq_setsockopt", number, zmq_setsockopt(socket, ZMQ_LINGER, &value, sizeof value));
    fails("zmq_getsockopt", number, zmq_getsockopt(socket, ZMQ_LINGER, &value, &len));
    fails("zmq_socket_monitor", number, zmq_socket_monitor(socket, "inproc://y", ZMQ_EVENT_ALL));
}

/* --- messages -------------------------------------------------------------------------------- */

static int by_send(void *socket, int flags)
{
    return zmq_send(socket, "x", 1, flags);
}

static int by_send_const(void *socket, int flags)
{
    return zmq_send_const(socket, "x", 1, flags);
}

/* The message is of no use any more, and errno is the call's. */
static int result_of(zmq_msg_t *message, int result)
{
    int number = errno;

    zmq_msg_close(message); /* one that was sent is empty by now */
    errno = number;
    return result;
}

static int by_msg_send(void *socket, int flags)
{
    zmq_msg_t message;

    zmq_msg_init_size(&message, 0);
    return result_of(&message, zmq_msg_send(&message, socket, flags));
}

static int by_sendmsg(void *socket, int flags)
{
    zmq_msg_t message;

    zmq_msg_init_size(&message, 0);
    return result_of(&message, zmq_sendmsg(socket, &message, flags));
}

static int by_recv(void *socket, int flags)
{
    char room[8];

    return zmq_recv(socket, room, sizeof room, flags);
}

static int by_msg_recv(void *socket, int flags)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    return result_of(&message, zmq_msg_recv(&message, socket, flags));
}

static int by_recvmsg(void *socket, int flags)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    return result_of(&message, zmq_recvmsg(socket, &message, flags));
}

static const struct {
    const char *page;
    int (*call)(void *socket, int flags);
    int sends;
} ways[] = {
    {"zmq_send", by_send, 1},         {"zmq_send_const", by_send_const, 1},
    {"zmq_msg_send", by_msg_send, 1}, {"zmq_sendmsg", by_sendmsg, 1},
    {"zmq_recv", by_recv, 0},         {"zmq_msg_recv", by_msg_recv, 0},
    {"zmq_recvmsg", by_recvmsg, 0},
};

static void of_ways(void *context)
{
    void *ended = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH), *pull = open_socket(context, ZMQ_PULL);
    void *req = open_socket(context, ZMQ_REQ), *rep = open_socket(context, ZMQ_REP);
    void *router = open_socket(context, ZMQ_ROUTER), *dealer = open_socket(ended, ZMQ_DEALER);

    set_number(router, ZMQ_ROUTER_MANDATORY, 1);
    zmq_ctx_shutdown(ended);
    for (size_t i = 0; i < COUNT(ways); i++) {
        int sends = ways[i].sends;

        fails(ways[i].page, "ENOTSOCK", ways[i].call(NULL, 0));
        fails(ways[i].page, "ETERM", ways[i].call(dealer, 0));
        fails(ways[i].page, "ENOTSUP", ways[i].call(sends ? pull : push, 0));
        fails(ways[i].page, "EFSM", ways[i].call(sends ? rep : req, 0));
        fails(ways[i].page, "EAGAIN", ways[i].call(sends ? push : pull, ZMQ_DONTWAIT));
        set_number(sends ? push : pull, sends ? ZMQ_SNDTIMEO : ZMQ_RCVTIMEO, 10);
        fails(ways[i].page, "EAGAIN", ways[i].call(sends ? push : pull, 0));
        set_number(sends ? push : pull, sends ? ZMQ_SNDTIMEO : ZMQ_RCVTIMEO, 5000);
        ring(1);
        fails(ways[i].page, "EINTR", ways[i].call(sends ? push : pull, 0));
        ring(0);
        if (sends)
            fails(ways[i].page, "EHOSTUNREACH", ways[i].call(router, ZMQ_SNDMORE));
    }
    zmq_close(push);
    zmq_close(pull);
    zmq_close(req);
    zmq_close(rep);
    zmq_close(router);
    zmq_close(dealer);
    zmq_ctx_term(ended);
}

static void of_messages(void *context)
{
    void *dealer = open_socket(context, ZMQ_DEALER);
    zmq_msg_t message, closed;

    zmq_msg_init(&message);
    zmq_msg_init(&closed);
    zmq_msg_close(&closed);
    FAILS(zmq_msg_close, EFAULT, zmq_msg_close(&closed));
    FAILS(zmq_msg_copy, EFAULT, zmq_msg_copy(&message, &closed));
    FAILS(zmq_msg_copy, EFAULT, zmq_msg_copy(&closed, &message));
    FAILS(zmq_msg_move, EFAULT, zmq_msg_move(&message, &closed));
    FAILS(zmq_msg_move, EFAULT, zmq_msg_move(&closed, &message));
    FAILS(zmq_msg_recv, EFAULT, zmq_msg_recv(&closed, dealer, ZMQ_DONTWAIT));
    FAILS(zmq_recvmsg, EFAULT, zmq_recvmsg(dealer, &closed, ZMQ_DONTWAIT));
    FAILS(zmq_msg_get, EINVAL, zmq_msg_get(&message, 12345));
    FAILS(zmq_msg_set, EINVAL, zmq_msg_set(&message, ZMQ_MORE, 1));
    FAILS(zmq_msg_gets, EINVAL, zmq_msg_gets(&message, "Nothing") != NULL ? 0 : -1);
    FAILS(zmq_msg_init_size, ENOMEM, zmq_msg_init_size(&closed, SIZE_MAX));
    FAILS(zmq_msg_init_size, ENOMEM, zmq_msg_init_size(&closed, SIZE_MAX / 2));
    zmq_msg_close(&message);
    zmq_close(dealer);
}

/* --- waiting, and times ---------------------------------------------------------------------- */

static void of_polls(void)
{
    void *context = zmq_ctx_new();
    void *pull = open_socket(context, ZMQ_PULL);
    zmq_pollitem_t item = {.socket = pull, .events = ZMQ_POLLIN};

    FAILS(zmq_poll, EFAULT, zmq_poll(NULL, 1, 0));
    ring(1);
    FAILS(zmq_poll, EINTR, zmq_poll(&item, 1, 5000));
    ring(0);
    zmq_ctx_shutdown(context);
    FAILS(zmq_poll, ETERM, zmq_poll(&item, 1, 0));
    FAILS(zmq_proxy, ETERM, zmq_proxy(pull, pull, NULL));
    zmq_close(pull);
    zmq_ctx_term(context);
}

static void on_timer(int id, void *arg)
{
    (void) id;
    (void) arg;
}

static void of_timers(void)
{
    void *timers = zmq_timers_new(), *none = NULL;

    FAILS(zmq_timers_destroy, EFAULT, zmq_timers_destroy(&none));
    FAILS(zmq_timers_add, EFAULT, zmq_timers_add(NULL, 1, on_timer, NULL));
    FAILS(zmq_timers_add, EFAULT, zmq_timers_add(timers, 1, NULL, NULL));
    FAILS(zmq_timers_cancel, EFAULT, zmq_timers_cancel(NULL, 1));
    FAILS(zmq_timers_cancel, EINVAL, zmq_timers_cancel(timers, 1));
    FAILS(zmq_timers_set_interval, EFAULT, zmq_timers_set_interval(NULL, 1, 1));
    FAILS(zmq_timers_set_interval, EINVAL, zmq_timers_set_interval(timers, 1, 1));
    FAILS(zmq_timers_reset, EFAULT, zmq_timers_reset(NULL, 1));
    FAILS(zmq_timers_reset, EINVAL, zmq_timers_reset(timers, 1));
    FAILS(zmq_timers_timeout, EFAULT, zmq_timers_timeout(NULL));
    FAILS(zmq_timers_execute, EFAULT, zmq_timers_execute(NULL));
    zmq_timers_destroy(&timers);
}

void pages(void)
{
    void *context = zmq_ctx_new(), *ended = zmq_ctx_new();
    void *socket = open_socket(ended, ZMQ_DEALER);

    FAILS(zmq_close, ENOTSOCK, zmq_close(NULL));
    of_contexts();
    of_endpoints(context);
    of_options(context);
    of_calls(NULL, "ENOTSOCK");
    zmq_ctx_shutdown(ended);
    of_calls(socket, "ETERM");
    zmq_close(socket);
    zmq_ctx_term(ended);
    of_ways(context);
    of_messages(context);
    of_polls();
    of_timers();
    zmq_ctx_term(context);
}
