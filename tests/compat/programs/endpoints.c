/* Endpoints: which texts there are, and how they end. */

#include "say.h"
#include "support/folder.h"

void endpoints(void)
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

static void end_twice(void *socket, const char *endpoint)
{
    SAY(zmq_connect(socket, endpoint));
    SAY(zmq_connect(socket, endpoint));
    SAY(zmq_disconnect(socket, endpoint));
    SAY(zmq_disconnect(socket, endpoint));
}

/* An event; libzmq does its share of the work in calls on the socket only. */
static void await(void *reader, void *socket)
{
    zmq_pollitem_t item = {.socket = reader, .events = ZMQ_POLLIN};

    for (int i = 0; i < 500 && zmq_poll(&item, 1, 10) == 0; i++)
        (void) number_of(socket, ZMQ_EVENTS);
}

/* Connections go with the address that they came by, or were made to; a wildcard is none. */
void ends(void)
{
    static const char *const sources[] = {
        "tcp://127.0.0.1:0;localhost:1234",
        "tcp://localhost:0;localhost:1234",
        "tcp://lo:0;127.0.0.1:1234",
        "tcp://;127.0.0.1:1",
    };
    void *context = zmq_ctx_new();
    void *bound = open_socket(context, ZMQ_PULL);
    void *connected = open_socket(context, ZMQ_PUSH);
    void *reader = watch(context, connected, "inproc://ends", ZMQ_EVENT_DISCONNECTED);
    char endpoint[ENDPOINT_BYTES];

    title = "ends";
    join(bound, connected);
    snprintf(endpoint, sizeof endpoint, "%s", last_endpoint(bound));
    tell(connected, "one", NULL);
    HEAR(bound);
    SAY(zmq_unbind(bound, "tcp://127.0.0.1:*"));
    SAY(zmq_unbind(bound, endpoint));
    await(reader, bound);
    EVENT(reader);
    SAY(zmq_unbind(bound, endpoint));
    SAY(zmq_disconnect(connected, endpoint));
    end_twice(connected, endpoint);
    SAY(zmq_bind(bound, "ipc://*"));
    SAY(zmq_unbind(bound, "ipc://*"));
    SAY(zmq_unbind(bound, last_endpoint(bound)));
    SAY(zmq_bind(bound, "inproc://bound"));
    SAY(zmq_disconnect(bound, "inproc://bound"));
    SAY(zmq_connect(connected, "inproc://later"));
    SAY(zmq_unbind(connected, "inproc://later"));
    for (size_t i = 0; i < COUNT(sources); i++)
        SAY(zmq_connect(connected, sources[i]));
    zmq_close(reader);
    zmq_close(bound);
    zmq_close(connected);
    zmq_ctx_term(context);
}

#define BINDS 200

/* Who binds last has the file, also when the one before is still about to go. */
void files(void)
{
    char folder[OWN_FOLDER_BYTES];
    char endpoint[ENDPOINT_BYTES];
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull[3];
    int good_count = 0;

    title = "files";
    if (!make_own_folder(folder))
        exit(3);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", folder);
    for (size_t i = 0; i < COUNT(pull); i++)
        pull[i] = open_socket(context, ZMQ_PULL);
    SAY(zmq_bind(pull[0], endpoint));
    SAY(zmq_bind(pull[1], endpoint));
    SAY(zmq_connect(push, endpoint));
    tell(push, "one", NULL);
    HEAR(pull[1]);
    zmq_close(pull[0]);
    zmq_close(pull[1]);
    SAY(zmq_bind(pull[2], endpoint));
    zmq_close(pull[2]);
    for (int i = 0; i < BINDS; i++) {
        void *next = open_socket(context, ZMQ_PULL);

        good_count += zmq_bind(next, endpoint) == 0;
        zmq_close(next);
    }
    printf("%s: %d of %d binds behind each other\n", title, good_count, BINDS);
    zmq_close(push);
    zmq_ctx_term(context);
    unlink(endpoint + strlen("ipc://"));
    rmdir(folder);
}
