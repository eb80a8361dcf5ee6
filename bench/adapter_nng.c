#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdlib.h>

#include "adapter.h"

#define QUEUE_MESSAGES 1000 /* libzmq's default high-water mark */

struct peer {
    nng_socket socket;
    nng_msg *message;
};

static void peer_close(void *opaque)
{
    struct peer *peer = opaque;

    if (peer->message != NULL)
        nng_msg_free(peer->message);
    nng_close(peer->socket);
    free(peer);
}

static void *peer_open(enum race_role role, const char *endpoint)
{
    static int (*const open_as[])(nng_socket *) = {nng_push0_open, nng_pull0_open, nng_req0_open,
                                                   nng_rep0_open};
    bool listens = role == RACE_PULL || role == RACE_REP;
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL || race_keys != NULL || open_as[role](&peer->socket) != 0) {
        free(peer);
        return NULL;
    }
    /* Not every protocol has both. */
    (void) nng_socket_set_int(peer->socket, NNG_OPT_SENDBUF, QUEUE_MESSAGES);
    (void) nng_socket_set_int(peer->socket, NNG_OPT_RECVBUF, QUEUE_MESSAGES);
    (void) nng_socket_set_ms(peer->socket, NNG_OPT_RECONNMINT, 10);
    if ((listens ? nng_listen(peer->socket, endpoint, NULL, 0)
                 : nng_dial(peer->socket, endpoint, NULL, NNG_FLAG_NONBLOCK)) == 0)
        return peer;
    peer_close(peer);
    return NULL;
}

static bool peer_send(void *opaque, const void *data, size_t len)
{
    const struct peer *peer = opaque;

    return nng_send(peer->socket, (void *) (uintptr_t) data, len, 0) == 0;
}

static bool peer_recv(void *opaque, const void **data, size_t *len)
{
    struct peer *peer = opaque;

    if (peer->message != NULL)
        nng_msg_free(peer->message);
    peer->message = NULL;
    if (nng_recvmsg(peer->socket, &peer->message, 0) != 0)
        return false;
    *data = nng_msg_body(peer->message);
    *len = nng_msg_len(peer->message);
    return true;
}

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    struct pollfd set = {.events = POLLIN};

    return nng_socket_get_int(peer->socket, NNG_OPT_RECVFD, &set.fd) == 0 &&
           poll(&set, 1, timeout_ms) == 1;
}

const struct race_adapter race_nng = {
    "nng", peer_open, peer_send, NULL, peer_recv, peer_wait, peer_close,
};
