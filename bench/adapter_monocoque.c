#include <monocoque.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"

struct peer {
    struct mcq_context *context;
    struct mcq_socket *socket;
    struct mcq_message message;
};

/* Of all that talk over inproc; it is never ended. */
static struct mcq_context *shared;

static void peer_close(void *opaque)
{
    struct peer *peer = opaque;

    (void) mcq_message_close(&peer->message);
    if (peer->socket != NULL) {
        (void) mcq_set(peer->socket, MCQ_OPT_LINGER, 0);
        (void) mcq_close(peer->socket);
    }
    if (peer->context != shared)
        (void) mcq_ctx_term(peer->context, -1);
    free(peer);
}

static bool set_key(struct mcq_socket *socket, enum mcq_option option, const char *key)
{
    return mcq_set_bytes(socket, option, key, MCQ_KEY_TEXT_BYTES) == 0;
}

static bool seal(struct mcq_socket *socket, bool listens)
{
    if (race_keys == NULL)
        return true;
    return set_key(socket, MCQ_OPT_CURVE_SECRETKEY, race_keys->secret_key) &&
           (listens ? mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1) == 0
                    : set_key(socket, MCQ_OPT_CURVE_SERVERKEY, race_keys->public_key));
}

static void *peer_open(enum race_role role, const char *endpoint)
{
    static const enum mcq_type types[] = {MCQ_PUSH, MCQ_PULL, MCQ_REQ, MCQ_REP, MCQ_PUB};
    bool listens = role != RACE_PUSH && role != RACE_REQ;
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    if (strncmp(endpoint, "inproc:", 7) == 0 && shared == NULL)
        shared = mcq_ctx_new();
    peer->context = shared != NULL ? shared : mcq_ctx_new();
    peer->socket = mcq_socket(peer->context, types[role]);
    (void) mcq_message_init(&peer->message);
    if (peer->socket != NULL && seal(peer->socket, listens) &&
        (listens ? mcq_bind(peer->socket, endpoint) : mcq_connect(peer->socket, endpoint)) == 0)
        return peer;
    peer_close(peer);
    return NULL;
}

static bool peer_send(void *opaque, const void *data, size_t len)
{
    const struct peer *peer = opaque;

    return mcq_send(peer->socket, data, len, 0) == 0;
}

static bool peer_give(void *opaque, size_t len)
{
    const struct peer *peer = opaque;
    struct mcq_message message;

    if (mcq_message_init_size(&message, len) != 0)
        return false;
    memset(mcq_message_data(&message), 7, len);
    return mcq_send_message(peer->socket, &message, 0) == 0;
}

static bool peer_recv(void *opaque, const void **data, size_t *len)
{
    struct peer *peer = opaque;

    if (mcq_recv_message(peer->socket, &peer->message, 0) != 0)
        return false;
    *data = mcq_message_data(&peer->message);
    *len = mcq_message_size(&peer->message);
    return true;
}

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    struct mcq_poll_entry entry = {.socket = peer->socket, .events = MCQ_POLLIN};

    return mcq_poll(&entry, 1, timeout_ms) == 1;
}

const struct race_adapter race_monocoque = {
    "monocoque", peer_open, peer_send, peer_give, peer_recv, peer_wait, peer_close,
};
