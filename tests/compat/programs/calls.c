/* Every call of zmq.h, what it gives and what errno says: printed, to be compared between two
 * libraries. Nothing that differs from run to run is printed: no handle, descriptor, port, time. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zmq.h>
#include <zmq_utils.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *title = "";

/* An int result and its errno. */
static void say(const char *what, long result)
{
    int number = zmq_errno();

    if (result == -1)
        printf("%s: %s = -1 (%d %s)\n", title, what, number, zmq_strerror(number));
    else
        printf("%s: %s = %ld\n", title, what, result);
    errno = 0;
}

#define SAY(call) say(#call, (long) (call))
/* Only whether it worked. */
#define TRY(call) say(#call, (call) == -1 ? -1L : 0L)
#define IS(call) say(#call, (call) != NULL ? 1L : -1L)

static void *open_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int timeout = 5000;
    int linger = 0;

    if (socket == NULL)
        exit(3);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

static void join(void *bound, void *connected)
{
    char endpoint[256];
    size_t len = sizeof endpoint;

    TRY(zmq_bind(bound, "tcp://127.0.0.1:*"));
    TRY(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &len));
    TRY(zmq_connect(connected, endpoint));
}

/* --- what there is --------------------------------------------------------------------------- */

static void errors(void)
{
    static const int numbers[] = {EFSM,   ENOCOMPATPROTO, ETERM,        EMTHREAD,
                                  EAGAIN, EADDRINUSE,     ENOTSUP,      EPROTONOSUPPORT,
                                  EINVAL, ENODEV,         EHOSTUNREACH, ENOTSOCK,
                                  0};

    title = "errors";
    for (size_t i = 0; i < COUNT(numbers); i++)
        printf("%d %s\n", numbers[i], zmq_strerror(numbers[i]));
    SAY(zmq_has("ipc"));
    SAY(zmq_has("curve"));
    SAY(zmq_has("draft"));
    SAY(zmq_has("nothing"));
}

static void contexts(void)
{
    void *context = zmq_ctx_new();

    title = "contexts";
    for (int option = 0; option < 12; option++) {
        printf("%d ", option);
        SAY(zmq_ctx_get(context, option));
    }
    for (int option = 0; option < 12; option++)
        for (int value = -2; value < 3; value++) {
            void *other = zmq_ctx_new();

            if (option == ZMQ_THREAD_AFFINITY_CPU_ADD || option == ZMQ_THREAD_AFFINITY_CPU_REMOVE)
                value = 2;
            printf("%d %d ", option, value);
            SAY(zmq_ctx_set(other, option, value));
            SAY(zmq_ctx_get(other, option));
            zmq_ctx_term(other);
        }
    SAY(zmq_ctx_set(context, ZMQ_IPV6, 1));
    SAY(zmq_ctx_get(context, ZMQ_IPV6));
    SAY(zmq_ctx_set(context, ZMQ_BLOCKY, 0));
    SAY(zmq_ctx_get(context, ZMQ_BLOCKY));
    SAY(zmq_ctx_set(context, ZMQ_BLOCKY, 2));
    SAY(zmq_ctx_set(context, ZMQ_MAX_MSGSZ, 1000));
    SAY(zmq_ctx_get(context, ZMQ_MAX_MSGSZ));
    SAY(zmq_ctx_set(NULL, ZMQ_IPV6, 1));
    SAY(zmq_ctx_get(NULL, ZMQ_IPV6));
    SAY(zmq_ctx_term(NULL));
    SAY(zmq_ctx_shutdown(NULL));
    SAY(zmq_term(NULL));
    SAY(zmq_ctx_destroy(NULL));
    IS(zmq_socket(NULL, ZMQ_PAIR));
    SAY(zmq_ctx_shutdown(context));
    SAY(zmq_ctx_shutdown(context));
    IS(zmq_socket(context, ZMQ_PAIR));
    SAY(zmq_ctx_term(context));
    IS(zmq_init(-1));
    context = zmq_init(0);
    SAY(zmq_ctx_get(context, ZMQ_IO_THREADS));
    SAY(zmq_term(context));
}

static void types(void)
{
    void *context = zmq_ctx_new();

    title = "types";
    for (int type = -1; type <= 25; type++) {
        void *socket = zmq_socket(context, type);

        if (type == ZMQ_STREAM)
            ; /* another test's */
        else
            printf("%d ", type), IS(socket);
        if (socket != NULL)
            zmq_close(socket);
    }
    zmq_ctx_term(context);
}

/* --- options --------------------------------------------------------------------------------- */

static int is_of_the_run(int option)
{
    return option == ZMQ_FD || option == ZMQ_LAST_ENDPOINT;
}

static void defaults(void)
{
    void *context = zmq_ctx_new();

    title = "defaults";
    for (int type = 0; type <= 10; type++) {
        void *socket = zmq_socket(context, type);

        for (int option = 0; option <= 125; option++) {
            static const size_t lens[] = {4, 8, 255};

            for (size_t i = 0; i < COUNT(lens); i++) {
                unsigned char room[256] = {0};
                size_t len = lens[i];
                int result = zmq_getsockopt(socket, option, room, &len);

                printf("%d %d %zu: %d", type, option, lens[i], result);
                if (result != 0)
                    printf(" %d", zmq_errno());
                else if (!is_of_the_run(option))
                    for (size_t at = printf(" %zu:", len), until = 0; until < len && at; until++)
                        printf("%02x", room[until]);
                putchar('\n');
            }
        }
        zmq_close(socket);
    }
    zmq_ctx_term(context);
}

/* One option of one type: which numbers it takes, and which lengths. */
static void range_of(int type, int option)
{
    static const int values[] = {-2147483647 - 1, -2,        -1, 0, 1, 2, 3, 4, 255, 256,
                                 65535,           2147483647};
    void *context = zmq_ctx_new();
    char text[64];

    printf("%d %d:", type, option);
    for (size_t i = 0; i < COUNT(values); i++) {
        void *socket = zmq_socket(context, type);

        printf(" %d",
               zmq_setsockopt(socket, option, &values[i], sizeof values[i]) != 0 ? zmq_errno() : 0);
        zmq_close(socket);
    }
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len <= sizeof text; len = len == 0 ? 1 : len * 2) {
        void *socket = zmq_socket(context, type);

        printf(" %zu:%d", len, zmq_setsockopt(socket, option, text, len) != 0 ? zmq_errno() : 0);
        zmq_close(socket);
    }
    putchar('\n');
    zmq_ctx_term(context);
}

static void ranges(void)
{
    title = "ranges";
    for (int type = 0; type <= 10; type++)
        for (int option = 0; option <= 125; option++)
            if (option != ZMQ_USE_FD && option != ZMQ_BINDTODEVICE)
                range_of(type, option);
}

/* --- endpoints ------------------------------------------------------------------------------- */

static void endpoints(void)
{
    static const char *const texts[] = {"",
                                        "tcp",
                                        "tcp:",
                                        "tcp://",
                                        "tcp://*",
                                        "tcp://127.0.0.1",
                                        "tcp://127.0.0.1:",
                                        "tcp://127.0.0.1:65536",
                                        "tcp://127.0.0.1:-1",
                                        "tcp://127.0.0.1:port",
                                        "tcp://:5555",
                                        "tcp://no-such-interface:5555",
                                        "tcp://300.1.1.1:5555",
                                        "tcp://192.0.2.1:5555",
                                        "udp://127.0.0.1:5555",
                                        "pigeon://127.0.0.1:5555",
                                        "ipc://",
                                        "ipc:///no/such/folder/x",
                                        "inproc://",
                                        "inproc://a",
                                        "://x"};
    void *context = zmq_ctx_new();

    title = "endpoints";
    for (size_t i = 0; i < COUNT(texts); i++) {
        void *socket = zmq_socket(context, ZMQ_PAIR);
        int linger = 0;

        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        printf("'%s' ", texts[i]);
        SAY(zmq_bind(socket, texts[i]));
        printf("'%s' ", texts[i]);
        SAY(zmq_unbind(socket, texts[i]));
        zmq_close(socket);
        socket = zmq_socket(context, ZMQ_DEALER);
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        if (strstr(texts[i], "interface") == NULL) {
            printf("'%s' ", texts[i]);
            SAY(zmq_connect(socket, texts[i]));
            printf("'%s' ", texts[i]);
            SAY(zmq_disconnect(socket, texts[i]));
        }
        zmq_close(socket);
    }
    void *one = open_socket(context, ZMQ_PAIR);
    void *two = open_socket(context, ZMQ_PAIR);

    SAY(zmq_bind(one, "inproc://same"));
    SAY(zmq_bind(two, "inproc://same"));
    SAY(zmq_unbind(one, "inproc://other"));
    SAY(zmq_unbind(one, "inproc://same"));
    SAY(zmq_bind(two, "inproc://same"));
    SAY(zmq_disconnect(one, "tcp://127.0.0.1:1"));
    zmq_close(one);
    zmq_close(two);
    zmq_ctx_term(context);
}

/* --- turns and states ------------------------------------------------------------------------ */

/* What each type says to a send and a receive without a peer. */
static void lonely(void)
{
    void *context = zmq_ctx_new();

    title = "lonely";
    for (int type = 0; type <= 10; type++) {
        void *socket = open_socket(context, type);
        int events = -1;
        size_t len = sizeof events;
        char room[8];

        printf("%d ", type);
        SAY(zmq_send(socket, "x", 1, ZMQ_DONTWAIT));
        printf("%d ", type);
        SAY(zmq_send(socket, "x", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE));
        printf("%d ", type);
        SAY(zmq_recv(socket, room, sizeof room, ZMQ_DONTWAIT));
        TRY(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len));
        printf("%d events %d\n", type, events);
        zmq_close(socket);
    }
    zmq_ctx_term(context);
}

static void turns(void)
{
    void *context = zmq_ctx_new();
    void *rep = open_socket(context, ZMQ_REP);
    void *req = open_socket(context, ZMQ_REQ);
    char room[4];
    int value = 0;
    size_t len = sizeof value;

    title = "turns";
    join(rep, req);
    SAY(zmq_recv(req, room, 4, ZMQ_DONTWAIT));
    SAY(zmq_send(rep, "early", 5, 0));
    SAY(zmq_send(req, "question", 8, 0));
    SAY(zmq_send(req, "again", 5, 0));
    SAY(zmq_recv(rep, room, 4, 0));
    printf("%.4s\n", room);
    SAY(zmq_recv(rep, room, 4, 0));
    SAY(zmq_send(rep, "a", 1, ZMQ_SNDMORE));
    SAY(zmq_recv(rep, room, 4, 0));
    SAY(zmq_send(rep, "b", 1, 0));
    SAY(zmq_recv(req, room, 4, 0));
    TRY(zmq_getsockopt(req, ZMQ_RCVMORE, &value, &len));
    printf("more %d\n", value);
    SAY(zmq_recv(req, NULL, 0, 0));
    TRY(zmq_getsockopt(req, ZMQ_RCVMORE, &value, &len));
    printf("more %d\n", value);
    SAY(zmq_recv(req, room, 4, ZMQ_DONTWAIT));
    zmq_close(rep);
    zmq_close(req);
    zmq_ctx_term(context);
}

static void handles(void)
{
    void *context = zmq_ctx_new();
    zmq_msg_t msg;
    char room[4];
    int value;
    size_t len = sizeof value;

    title = "handles";
    SAY(zmq_close(NULL));
    SAY(zmq_send(NULL, "x", 1, 0));
    SAY(zmq_send_const(NULL, "x", 1, 0));
    SAY(zmq_recv(NULL, room, 4, 0));
    SAY(zmq_bind(NULL, "inproc://x"));
    SAY(zmq_connect(NULL, "inproc://x"));
    SAY(zmq_unbind(NULL, "inproc://x"));
    SAY(zmq_disconnect(NULL, "inproc://x"));
    SAY(zmq_setsockopt(NULL, ZMQ_LINGER, &value, sizeof value));
    SAY(zmq_getsockopt(NULL, ZMQ_LINGER, &value, &len));
    SAY(zmq_socket_monitor(NULL, "inproc://x", ZMQ_EVENT_ALL));
    zmq_msg_init(&msg);
    SAY(zmq_msg_send(&msg, NULL, 0));
    SAY(zmq_msg_recv(&msg, NULL, 0));
    SAY(zmq_sendmsg(NULL, &msg, 0));
    SAY(zmq_recvmsg(NULL, &msg, 0));
    SAY(zmq_sendiov(NULL, NULL, 0, 0));
    SAY(zmq_recviov(NULL, NULL, NULL, 0));
    SAY(zmq_msg_close(&msg));
    SAY(zmq_msg_close(&msg));
    SAY(zmq_poll(NULL, 0, 0));
    SAY(zmq_poll(NULL, 1, 0));
    zmq_ctx_term(context);
}

static void ended(void)
{
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, ZMQ_DEALER);
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    int value = 0;
    size_t len = sizeof value;
    char room[4];

    title = "ended";
    SAY(zmq_ctx_shutdown(context));
    SAY(zmq_send(socket, "x", 1, 0));
    SAY(zmq_recv(socket, room, 4, 0));
    SAY(zmq_bind(socket, "inproc://x"));
    SAY(zmq_connect(socket, "inproc://x"));
    SAY(zmq_unbind(socket, "inproc://x"));
    SAY(zmq_disconnect(socket, "inproc://x"));
    SAY(zmq_setsockopt(socket, ZMQ_LINGER, &value, sizeof value));
    SAY(zmq_getsockopt(socket, ZMQ_LINGER, &value, &len));
    SAY(zmq_getsockopt(socket, ZMQ_EVENTS, &value, &len));
    SAY(zmq_poll(&item, 1, 0));
    SAY(zmq_socket_monitor(socket, "inproc://x", ZMQ_EVENT_ALL));
    SAY(zmq_close(socket));
    SAY(zmq_ctx_term(context));
}

/* --- messages -------------------------------------------------------------------------------- */

static int released;

static void release(void *data, void *hint)
{
    released++;
    printf("released %s %s\n", (char *) data, (char *) hint);
}

static void messages(void)
{
    static char body[] = "body", hint[] = "hint";
    static const size_t lens[] = {0, 1, 29, 33, 34, 56, 57, 1000};
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);
    zmq_msg_t one;
    zmq_msg_t two;

    title = "messages";
    for (size_t i = 0; i < COUNT(lens); i++) {
        SAY(zmq_msg_init_size(&one, lens[i]));
        memset(zmq_msg_data(&one), 'x', lens[i]);
        SAY(zmq_msg_size(&one));
        SAY(zmq_msg_get(&one, ZMQ_SHARED));
        SAY(zmq_msg_init(&two));
        SAY(zmq_msg_copy(&two, &one));
        SAY(zmq_msg_get(&one, ZMQ_SHARED));
        SAY(zmq_msg_get(&two, ZMQ_SHARED));
        SAY(zmq_msg_close(&two));
        SAY(zmq_msg_close(&one));
    }
    SAY(zmq_msg_init_data(&one, body, 4, release, hint));
    SAY(zmq_msg_init(&two));
    SAY(zmq_msg_copy(&two, &one));
    SAY(zmq_msg_move(&one, &two));
    SAY(zmq_msg_size(&two));
    SAY(zmq_msg_close(&two));
    SAY(released);
    SAY(zmq_msg_close(&one));
    SAY(released);
    SAY(zmq_msg_get(&one, 4));
    zmq_msg_init(&one);
    SAY(zmq_msg_get(&one, ZMQ_MORE));
    SAY(zmq_msg_more(&one));
    SAY(zmq_msg_get(&one, 4));
    SAY(zmq_msg_set(&one, ZMQ_MORE, 1));
    IS(zmq_msg_gets(&one, "Socket-Type"));
    TRY(zmq_msg_get(&one, ZMQ_SRCFD));
    join(pull, push);
    SAY(zmq_send(push, "a", 1, ZMQ_SNDMORE));
    SAY(zmq_send_const(push, "bc", 2, 0));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_more(&one));
    printf("%s %s\n", zmq_msg_gets(&one, "Socket-Type"), zmq_msg_gets(&one, "Peer-Address"));
    IS(zmq_msg_gets(&one, "User-Id"));
    IS(zmq_msg_gets(&one, "Routing-Id"));
    IS(zmq_msg_gets(&one, "Identity"));
    TRY(zmq_msg_get(&one, ZMQ_SRCFD));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_more(&one));
    SAY(zmq_msg_send(&one, push, 0));
    SAY(zmq_msg_size(&one));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_send(&one, pull, 0));
    SAY(zmq_msg_size(&one));
    SAY(zmq_msg_close(&one));
    struct iovec out[2] = {{body, 2}, {body + 2, 2}}, in[3] = {{0}};
    size_t count = 3;

    SAY(zmq_sendiov(push, out, 2, ZMQ_SNDMORE));
    SAY(zmq_recviov(pull, in, &count, 0));
    printf("%zu parts: %.2s %.2s\n", count, (char *) in[0].iov_base, (char *) in[1].iov_base);
    SAY(zmq_sendiov(push, out, 2, 0));
    SAY(zmq_recv(pull, body, 4, 0));
    SAY(zmq_recv(pull, body, 4, 0));
    SAY(zmq_sendiov(push, out, 0, 0));
    SAY(zmq_sendiov(push, NULL, 1, 0));
    count = 0;
    SAY(zmq_recviov(pull, in, &count, 0));
    free(in[0].iov_base);
    free(in[1].iov_base);
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}

/* --- readiness ------------------------------------------------------------------------------- */

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

static void hints(void)
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
static void signals(void)
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

/* --- the rest -------------------------------------------------------------------------------- */

static void *last_arg;

static void on_timer(int id, void *arg)
{
    printf("timer %d\n", id);
    last_arg = arg;
}

static void on_thread(void *arg)
{
    *(int *) arg = 7;
}

static void utilities(void)
{
    void *counter = zmq_atomic_counter_new();
    void *timers = zmq_timers_new();
    uint8_t octets[8] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    uint8_t back[8];
    char text[41];
    char other[41];
    char secret[41];
    int seen = 0;

    title = "utilities";
    SAY(zmq_atomic_counter_value(counter));
    zmq_atomic_counter_set(counter, 3);
    SAY(zmq_atomic_counter_inc(counter));
    SAY(zmq_atomic_counter_dec(counter));
    SAY(zmq_atomic_counter_value(counter));
    zmq_atomic_counter_set(counter, 1);
    SAY(zmq_atomic_counter_dec(counter));
    zmq_atomic_counter_destroy(&counter);
    SAY(counter == NULL);
    SAY(zmq_timers_timeout(timers));
    SAY(zmq_timers_add(timers, 1, NULL, NULL));
    SAY(zmq_timers_add(NULL, 1, on_timer, NULL));
    SAY(zmq_timers_add(timers, 1, on_timer, &seen));
    SAY(zmq_timers_add(timers, 100000, on_timer, NULL));
    SAY(zmq_timers_cancel(timers, 2));
    SAY(zmq_timers_cancel(timers, 2));
    SAY(zmq_timers_reset(timers, 9));
    SAY(zmq_timers_set_interval(timers, 9, 1));
    SAY(zmq_timers_set_interval(timers, 1, 2));
    usleep(20000);
    SAY(zmq_timers_timeout(timers));
    SAY(zmq_timers_execute(timers));
    SAY(last_arg == &seen);
    SAY(zmq_timers_destroy(&timers));
    SAY(timers == NULL);
    SAY(zmq_timers_destroy(&timers));
    zmq_threadclose(zmq_threadstart(on_thread, &seen));
    SAY(seen);
    void *watch = zmq_stopwatch_start();

    usleep(2000);
    SAY(zmq_stopwatch_intermediate(watch) >= 2000);
    SAY(zmq_stopwatch_stop(watch) >= 2000);
    printf("%s\n", zmq_z85_encode(text, octets, 8));
    IS(zmq_z85_encode(text, octets, 7));
    SAY(memcmp(zmq_z85_decode(back, "HelloWorld"), octets, 8));
    IS(zmq_z85_decode(back, "HelloWorl"));
    IS(zmq_z85_decode(back, "Hello\x7forld"));
    IS(zmq_z85_decode(back, "#####"));
    SAY(zmq_curve_keypair(text, secret));
    SAY(zmq_curve_public(other, secret));
    SAY(strcmp(text, other));
    SAY(zmq_curve_public(other, "short"));
}

static void monitors(void)
{
    void *context = zmq_ctx_new();
    void *bound = open_socket(context, ZMQ_PULL);
    void *reader = open_socket(context, ZMQ_PAIR);
    uint16_t event = 0;
    unsigned char frame[6];
    char room[256];

    title = "monitors";
    SAY(zmq_socket_monitor(bound, "x", ZMQ_EVENT_ALL));
    SAY(zmq_socket_monitor(bound, "tcp://127.0.0.1:1", ZMQ_EVENT_ALL));
    SAY(zmq_socket_monitor(bound, "inproc://events", ZMQ_EVENT_ALL));
    SAY(zmq_connect(reader, "inproc://events"));
    SAY(zmq_bind(bound, "tcp://127.0.0.1:*"));
    SAY(zmq_recv(reader, frame, 6, 0));
    memcpy(&event, frame, 2);
    SAY(event);
    TRY(zmq_recv(reader, room, sizeof room, 0));
    SAY(zmq_socket_monitor(bound, NULL, 0));
    SAY(zmq_recv(reader, frame, 6, 0));
    memcpy(&event, frame, 2);
    SAY(event);
    SAY(zmq_recv(reader, room, sizeof room, 0));
    zmq_close(bound);
    zmq_close(reader);
    zmq_ctx_term(context);
}

/* --- peers that break the protocol ----------------------------------------------------------- */

#define GREETING(mechanism) "\xff\0\0\0\0\0\0\0\0\x7f\x03\0" mechanism
#define GREETING_BYTES 64

static const struct {
    const char *name;
    int is_curve;
    const char *greeting; /* zeros follow it */
    size_t greeting_len;
    const char *said;
    size_t said_len;
} broken[] = {
#define BROKEN(name, is_curve, mechanism, said)                                                    \
    {                                                                                              \
        name, is_curve, GREETING(mechanism), sizeof GREETING(mechanism) - 1, said, sizeof said - 1 \
    }
    BROKEN("another mechanism", 0, "PLAIN", ""),
    BROKEN("no mechanism", 0, "FOO", ""),
    BROKEN("a command out of place", 0, "NULL", "\x04\x06\x05HELLO"),
    BROKEN("a command that nobody knows", 0, "NULL", "\x04\x05\x04WHAT"),
    BROKEN("an error that is none", 0, "NULL",
           "\x04\x0a\x05"
           "ERROR\x09"
           "400"),
    BROKEN("a message too early", 0, "NULL", "\0\x01x"),
    BROKEN("no curve", 1, "NULL", ""),
    BROKEN("a short hello", 1, "CURVE", "\x04\x0a\x05HELLO\x01\x00xx"),
    BROKEN("a message before hello", 1, "CURVE", "\x04\x0a\x07MESSAGExx"),
};

/* The next event that tells of a failure; its value. */
static int next_fault(void *reader, int *value)
{
    unsigned char frame[6];
    uint16_t event;

    do {
        char room[256];

        if (zmq_recv(reader, frame, sizeof frame, 0) < 0)
            return 0;
        zmq_recv(reader, room, sizeof room, 0);
        memcpy(&event, frame, 2);
        memcpy(value, frame + 2, 4);
    } while ((event & (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)) == 0);
    return event;
}

static void break_at(void *bound, size_t index)
{
    unsigned char octets[GREETING_BYTES + 64] = {0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    char endpoint[256];
    size_t len = sizeof endpoint;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &len);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t) strtol(strrchr(endpoint, ':') + 1, NULL, 10));
    memcpy(octets, broken[index].greeting, broken[index].greeting_len);
    memcpy(octets + GREETING_BYTES, broken[index].said, broken[index].said_len);
    TRY(connect(fd, (struct sockaddr *) &address, sizeof address));
    TRY(write(fd, octets, GREETING_BYTES + broken[index].said_len));
    len = 0;
    while (read(fd, octets, sizeof octets) > 0)
        len++;
    close(fd);
}

static void faults(void)
{
    void *context = zmq_ctx_new();

    title = "faults";
    for (size_t i = 0; i < COUNT(broken); i++) {
        void *bound = open_socket(context, ZMQ_PULL);
        void *reader = open_socket(context, ZMQ_PAIR);
        char public_key[41];
        char secret_key[41];
        char name[32];
        int is_server = broken[i].is_curve;
        int value = 0;

        snprintf(name, sizeof name, "inproc://faults-%zu", i);
        zmq_curve_keypair(public_key, secret_key);
        if (is_server) {
            zmq_setsockopt(bound, ZMQ_CURVE_SERVER, &is_server, sizeof is_server);
            zmq_setsockopt(bound, ZMQ_CURVE_SECRETKEY, secret_key, 41);
        }
        SAY(zmq_socket_monitor(bound, name, ZMQ_EVENT_ALL));
        SAY(zmq_connect(reader, name));
        SAY(zmq_bind(bound, "tcp://127.0.0.1:*"));
        break_at(bound, i);
        printf("%s: event %x", broken[i].name, (unsigned) next_fault(reader, &value));
        printf(" %x\n", (unsigned) value);
        zmq_socket_monitor(bound, NULL, 0);
        zmq_close(bound);
        zmq_close(reader);
    }
    zmq_ctx_term(context);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"errors", errors},   {"contexts", contexts},   {"types", types},       {"defaults", defaults},
    {"ranges", ranges},   {"endpoints", endpoints}, {"lonely", lonely},     {"turns", turns},
    {"handles", handles}, {"ended", ended},         {"messages", messages}, {"hints", hints},
    {"signals", signals}, {"utilities", utilities}, {"monitors", monitors}, {"faults", faults},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0)
            parts[i].run();
    puts("end");
    return 0;
}
