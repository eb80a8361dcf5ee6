/* zproxy, zmonitor and zloop of czmq, each with what there is to be seen of it. */

#include <czmq.h>

static void check(int is_good, const char *what)
{
    if (is_good)
        return;
    printf("FAILED: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void proxy(void)
{
    zactor_t *actor = zactor_new(zproxy, NULL);
    zsock_t *front;
    zsock_t *back;
    char *one;
    char *two;

    check(actor != NULL, "zproxy");
    check(zstr_sendx(actor, "FRONTEND", "PULL", "inproc://front", NULL) == 0, "FRONTEND");
    zsock_wait(actor);
    check(zstr_sendx(actor, "BACKEND", "PUSH", "inproc://back", NULL) == 0, "BACKEND");
    zsock_wait(actor);
    front = zsock_new_push("inproc://front");
    back = zsock_new_pull(">inproc://back");
    check(front != NULL && back != NULL, "sides");
    zstr_sendx(front, "Hello", "World", NULL);
    zstr_recvx(back, &one, &two, NULL);
    printf("proxy: %s %s\n", one, two);
    zstr_free(&one);
    zstr_free(&two);
    check(zstr_sendx(actor, "PAUSE", NULL) == 0, "PAUSE");
    zsock_wait(actor);
    zstr_sendx(front, "later", NULL);
    zsock_set_rcvtimeo(back, 100);
    one = zstr_recv(back);
    printf("paused: %s\n", one != NULL ? one : "nothing");
    zstr_free(&one);
    check(zstr_sendx(actor, "RESUME", NULL) == 0, "RESUME");
    zsock_wait(actor);
    zsock_set_rcvtimeo(back, -1);
    one = zstr_recv(back);
    printf("resumed: %s\n", one);
    zstr_free(&one);
    zsock_destroy(&front);
    zsock_destroy(&back);
    zactor_destroy(&actor);
}

static void monitor(void)
{
    zsock_t *server = zsock_new(ZMQ_DEALER);
    zactor_t *actor = zactor_new(zmonitor, server);
    zsock_t *client = zsock_new(ZMQ_DEALER);
    char *event;

    zstr_sendx(actor, "LISTEN", "LISTENING", "ACCEPTED", "DISCONNECTED", NULL);
    zstr_sendx(actor, "START", NULL);
    zsock_wait(actor);
    int port = zsock_bind(server, "tcp://127.0.0.1:*");

    check(port > 0, "bind");
    check(zsock_connect(client, "tcp://127.0.0.1:%d", port) == 0, "connect");
    for (int i = 0; i < 3; i++) {
        zmsg_t *said = zmsg_recv(actor);

        event = zmsg_popstr(said);
        printf("monitor: %s\n", event);
        zstr_free(&event);
        zmsg_destroy(&said);
        if (i == 1)
            zsock_destroy(&client);
    }
    zactor_destroy(&actor);
    zsock_destroy(&server);
}

static int on_timer(zloop_t *loop, int id, void *arg)
{
    (void) loop;
    (void) id;
    zstr_send(arg, "PING");
    return 0;
}

static int on_socket(zloop_t *loop, zsock_t *reader, void *arg)
{
    char *text = zstr_recv(reader);
    int *left = arg;

    (void) loop;
    printf("loop: %s\n", text);
    zstr_free(&text);
    return --*left == 0 ? -1 : 0;
}

static void loop(void)
{
    zsock_t *output = zsock_new(ZMQ_PAIR);
    zsock_t *input = zsock_new(ZMQ_PAIR);
    zloop_t *made = zloop_new();
    int left = 3;

    zsock_bind(output, "inproc://loop");
    zsock_connect(input, "inproc://loop");
    zloop_timer(made, 5, 3, on_timer, output);
    zloop_reader(made, input, on_socket, &left);
    zloop_start(made);
    zloop_destroy(&made);
    zsock_destroy(&input);
    zsock_destroy(&output);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    zsys_init();
    zsys_set_linger(0);
    proxy();
    monitor();
    loop();
    zsys_shutdown();
    puts("end");
    return 0;
}
