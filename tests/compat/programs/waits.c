/* What a socket says of what can be done, and what signals do to who waits. */

#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include "say.h"

static int fd_is_ready(void *socket, int timeout_ms)
{
    struct pollfd item = {.events = POLLIN};
    size_t len = sizeof item.fd;

    zmq_getsockopt(socket, ZMQ_FD, &item.fd, &len);
    return poll(&item, 1, timeout_ms);
}

static int events_of(void *socket)
{
    int events = -1;
    size_t len = sizeof events;

    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len);
    return events;
}

void hints(void)
{
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);
    char room[4];

    title = "hints";
    SAY(events_of(pull));
    join(pull, push);
    for (int i = 0; i < 3; i++)
        SAY(zmq_send(push, "x", 1, 0));
    usleep(100000); /* all of them are there: no call could say so and leave the hint as it is */
    SAY(fd_is_ready(pull, 5000));
    SAY(events_of(pull));
    SAY(fd_is_ready(pull, 0));
    for (int i = 0; i < 3; i++)
        SAY(zmq_recv(pull, room, 4, 0));
    SAY(zmq_recv(pull, room, 4, ZMQ_DONTWAIT));
    SAY(events_of(pull));
    SAY(fd_is_ready(pull, 0));
    SAY(zmq_send(push, "x", 1, 0));
    SAY(fd_is_ready(pull, 5000));
    while (events_of(pull) == 0)
        fd_is_ready(pull, 5000);
    SAY(zmq_recv(pull, room, 4, ZMQ_DONTWAIT));
    zmq_pollitem_t items[2] = {{.socket = pull, .events = ZMQ_POLLIN},
                               {.socket = push, .events = ZMQ_POLLOUT | ZMQ_POLLIN}};

    SAY(zmq_poll(items, 2, 0));
    printf("%d %d\n", items[0].revents, items[1].revents);
    SAY(zmq_poll(items, 1, 10));
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}

static void on_alarm(int number)
{
    (void) number;
}

/* Blocked calls are interrupted, also with SA_RESTART; the wait for a context goes on. */
void signals(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    void *context = zmq_ctx_new();
    void *pull = open_socket(context, ZMQ_PULL);
    zmq_pollitem_t item = {.socket = pull, .events = ZMQ_POLLIN};
    char room[4];

    title = "signals";
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    SAY(zmq_recv(pull, room, 4, 0));
    SAY(zmq_poll(&item, 1, -1));
    SAY(zmq_poll(NULL, 0, 5000));
    SAY(zmq_ctx_term(context));
    SAY(zmq_ctx_term(context));
    setitimer(ITIMER_REAL, &never, NULL);
    SAY(zmq_recv(pull, room, 4, 0));
    SAY(zmq_close(pull));
    SAY(zmq_ctx_term(context));
}
