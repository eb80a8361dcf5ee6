/* What monitors tell. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "say.h"

void monitors(void)
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
        name, is_curve, GREETING(mechanism), sizeof GREETING(mechanism) - 1, said,                 \
            sizeof(said) - 1                                                                       \
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

void faults(void)
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

/* --- from the first to the last -------------------------------------------------------------- */

static void show_until(const char *who, void *reader, int last)
{
    int event;

    do
        event = show_event(who, reader);
    while (event != last && event != 0);
}

/* Both sides, and which of them ends it: a side is not told of an end that it wanted. */
static void live(int bound_ends)
{
    void *context = zmq_ctx_new();
    void *bound = open_socket(context, ZMQ_PULL);
    void *connected = open_socket(context, ZMQ_PUSH);
    void *of_bound = watch(context, bound, "inproc://bound", ZMQ_EVENT_ALL);
    void *of_connected = watch(context, connected, "inproc://connected", ZMQ_EVENT_ALL);

    join(bound, connected);
    tell(connected, "hello", NULL);
    HEAR(bound);
    zmq_close(bound_ends ? bound : connected);
    if (bound_ends) {
        show_until("bound", of_bound, ZMQ_EVENT_MONITOR_STOPPED);
        show_until("connected", of_connected, ZMQ_EVENT_DISCONNECTED);
        zmq_close(connected);
    } else {
        show_until("connected", of_connected, ZMQ_EVENT_MONITOR_STOPPED);
        show_until("bound", of_bound, ZMQ_EVENT_DISCONNECTED);
        zmq_close(bound);
        show_until("bound", of_bound, ZMQ_EVENT_MONITOR_STOPPED);
    }
    zmq_close(of_bound);
    zmq_close(of_connected);
    zmq_ctx_term(context);
}

void lives(void)
{
    title = "lives";
    live(1);
    live(0);
}

/* --- keys that do not fit -------------------------------------------------------------------- */

#define HANDSHAKES                                                                                 \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                        \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static void *client_of(void *context, const char *server_key, const char *public_key,
                       const char *secret_key)
{
    void *client = open_socket(context, ZMQ_DEALER);

    SAY(zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, server_key, 41));
    SAY(zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, public_key, 41));
    if (secret_key != NULL)
        SAY(zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, secret_key, 41));
    return client;
}

/* The calls take them; the handshake does not. */
void keys(void)
{
    static const char zeros[] = "0000000000000000000000000000000000000000";
    char server[2][41];
    char client[2][41];

    title = "keys";
    zmq_curve_keypair(server[0], server[1]);
    zmq_curve_keypair(client[0], client[1]);

    const char *const pairs[][2] = {
        {client[0], client[1]}, {zeros, client[1]},     {client[0], zeros},
        {client[0], NULL},      {server[0], client[1]},
    };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        void *context = zmq_ctx_new();
        void *bound = open_socket(context, ZMQ_DEALER);
        void *connected = client_of(context, server[0], pairs[i][0], pairs[i][1]);
        void *reader = watch(context, bound, "inproc://keys", HANDSHAKES);

        set_number(bound, ZMQ_CURVE_SERVER, 1);
        SAY(zmq_setsockopt(bound, ZMQ_CURVE_SECRETKEY, server[1], 41));
        join(bound, connected);
        EVENT(reader);
        zmq_close(reader);
        zmq_close(bound);
        zmq_close(connected);
        zmq_ctx_term(context);
    }
}
