#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapter.h"

struct peer {
    void *socket;
    zmq_msg_t name; /* of who asks: of a ROUTER */
    zmq_msg_t message;
};

/* The process's; it is never ended, for no library is measured by its end. */
static void *context;

static const char *library_version(void)
{
    static char text[32];
    int major, minor, patch;

    zmq_version(&major, &minor, &patch);
    (void) snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

static const char *library_engine(void)
{
    return "";
}

static bool make_keys(void)
{
    return zmq_curve_keypair(bench_choice.public_key, bench_choice.secret_key) == 0;
}

static bool set_key(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, sizeof bench_choice.public_key) == 0;
}

static bool seal(void *socket, bool listens)
{
    int is_server = 1;

    if (!bench_choice.is_sealed)
        return true;
    return set_key(socket, ZMQ_CURVE_PUBLICKEY, bench_choice.public_key) &&
           set_key(socket, ZMQ_CURVE_SECRETKEY, bench_choice.secret_key) &&
           (listens ? zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &is_server, sizeof is_server) == 0
                    : set_key(socket, ZMQ_CURVE_SERVERKEY, bench_choice.public_key));
}

static void *peer_open(enum bench_role role, const char *endpoint)
{
    static const int types[] = {ZMQ_PUSH, ZMQ_PULL,   ZMQ_REQ,   ZMQ_REP,
                                ZMQ_PUB,  ZMQ_ROUTER, ZMQ_DEALER};
    struct peer *peer = calloc(1, sizeof *peer);

    if (bench_choice.is_inline || peer == NULL) {
        free(peer);
        return NULL;
    }
    if (context == NULL)
        context = zmq_ctx_new();
    peer->socket = zmq_socket(context, types[role]);
    (void) zmq_msg_init(&peer->name);
    (void) zmq_msg_init(&peer->message);
    if (role == BENCH_PUB)
        (void) zmq_setsockopt(peer->socket, ZMQ_SNDHWM, &(int) {0}, sizeof(int));
    if (peer->socket != NULL && seal(peer->socket, bench_listens(role)) &&
        (bench_listens(role) ? zmq_bind(peer->socket, endpoint)
                             : zmq_connect(peer->socket, endpoint)) == 0)
        return peer;
    free(peer);
    return NULL;
}

static bool peer_send(void *opaque, const void *data, size_t len)
{
    const struct peer *peer = opaque;

    return zmq_send(peer->socket, data, len, 0) >= 0;
}

static bool peer_give(void *opaque, size_t len)
{
    const struct peer *peer = opaque;
    zmq_msg_t message;

    if (zmq_msg_init_size(&message, len) != 0)
        return false;
    memset(zmq_msg_data(&message), 7, len);
    return zmq_msg_send(&message, peer->socket, 0) >= 0;
}

static bool peer_recv(void *opaque, const void **data, size_t *len)
{
    struct peer *peer = opaque;

    if (zmq_msg_recv(&peer->message, peer->socket, 0) < 0)
        return false;
    *data = zmq_msg_data(&peer->message);
    *len = zmq_msg_size(&peer->message);
    return true;
}

static bool peer_answer(void *opaque, bool is_answered)
{
    struct peer *peer = opaque;

    if (zmq_msg_recv(&peer->name, peer->socket, 0) < 0 ||
        zmq_msg_recv(&peer->message, peer->socket, 0) < 0)
        return false;
    return !is_answered || (zmq_msg_send(&peer->name, peer->socket, ZMQ_SNDMORE) >= 0 &&
                            zmq_msg_send(&peer->message, peer->socket, 0) >= 0);
}

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};

    return zmq_poll(&item, 1, timeout_ms) == 1;
}

const struct bench_library bench_library = {
    .name = "libzmq",
    .version = library_version,
    .engine = library_engine,
    .make_keys = make_keys,
    .open = peer_open,
    .send = peer_send,
    .give = peer_give,
    .recv = peer_recv,
    .answer = peer_answer,
    .wait = peer_wait,
};
