#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapter.h"

struct peer {
    void *context;
    void *socket;
    zmq_msg_t message;
};

/* Of all that talk over inproc; it is never ended. */
static void *shared;

static void peer_close(void *opaque)
{
    struct peer *peer = opaque;
    int linger_ms = 0;

    zmq_msg_close(&peer->message);
    if (peer->socket != NULL) {
        (void) zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(peer->socket);
    }
    if (peer->context != shared)
        zmq_ctx_term(peer->context);
    free(peer);
}

static bool set_key(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, sizeof race_keys->public_key) == 0;
}

static bool seal(void *socket, bool listens)
{
    int is_server = 1;

    if (race_keys == NULL)
        return true;
    return set_key(socket, ZMQ_CURVE_PUBLICKEY, race_keys->public_key) &&
           set_key(socket, ZMQ_CURVE_SECRETKEY, race_keys->secret_key) &&
           (listens ? zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &is_server, sizeof is_server) == 0
                    : set_key(socket, ZMQ_CURVE_SERVERKEY, race_keys->public_key));
}

static void *peer_open(enum race_role role, const char *endpoint)
{
    static const int types[] = {ZMQ_PUSH, ZMQ_PULL, ZMQ_REQ, ZMQ_REP, ZMQ_PUB};
    bool listens = role != RACE_PUSH && role != RACE_REQ;
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    if (strncmp(endpoint, "inproc:", 7) == 0 && shared == NULL)
        shared = zmq_ctx_new();
    peer->context = shared != NULL ? shared : zmq_ctx_new();
    peer->socket = zmq_socket(peer->context, types[role]);
    zmq_msg_init(&peer->message);
    if (peer->socket != NULL && seal(peer->socket, listens) &&
        (listens ? zmq_bind(peer->socket, endpoint) : zmq_connect(peer->socket, endpoint)) == 0)
        return peer;
    peer_close(peer);
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

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};

    return zmq_poll(&item, 1, timeout_ms) == 1;
}

const struct race_adapter race_libzmq = {
    "libzmq", peer_open, peer_send, peer_give, peer_recv, peer_wait, peer_close,
};
