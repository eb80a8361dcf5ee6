/* Every call of zmq.h: what it gives, and what errno says. */

#include "say.h"

void errors(void)
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

void contexts(void)
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

void types(void)
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

void handles(void)
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

void ended(void)
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

void utilities(void)
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

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
#define PART_ROW(name) {#name, name},
    PARTS(PART_ROW)};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0)
            parts[i].run();
    puts("end");
    return 0;
}
