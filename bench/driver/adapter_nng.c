#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"

#define QUEUE_MESSAGES 1000 /* libzmq's default high-water mark */

struct peer {
    nng_socket socket;
    nng_msg *message;
};

static const char *library_engine(void)
{
    return "";
}

/* An abstract name of ipc is a scheme of its own here. */
static const char *own_endpoint(const char *endpoint, char *text, size_t size)
{
    if (strncmp(endpoint, "ipc://@", 7) != 0)
        return endpoint;
    (void) snprintf(text, size, "abstract://%s", endpoint + 7);
    return text;
}

static void *peer_open(enum bench_role role, const char *endpoint)
{
    /* A raw replier is what can answer many in any order, as a ROUTER does. */
    static int (*const open_as[])(nng_socket *) = {nng_push0_open, nng_pull0_open,
                                                   nng_req0_open,  nng_rep0_open,
                                                   nng_pub0_open,  nng_rep0_open_raw};
    struct peer *peer = calloc(1, sizeof *peer);
    char text[128];

    if (peer == NULL || bench_choice.is_sealed || bench_choice.is_inline || role == BENCH_DEALER ||
        open_as[role](&peer->socket) != 0) {
        free(peer);
        return NULL;
    }
    /* Not every protocol has both. */
    (void) nng_socket_set_int(peer->socket, NNG_OPT_SENDBUF, QUEUE_MESSAGES);
    (void) nng_socket_set_int(peer->socket, NNG_OPT_RECVBUF, QUEUE_MESSAGES);
    (void) nng_socket_set_ms(peer->socket, NNG_OPT_RECONNMINT, 10);
    endpoint = own_endpoint(endpoint, text, sizeof text);
    if ((bench_listens(role) ? nng_listen(peer->socket, endpoint, NULL, 0)
                             : nng_dial(peer->socket, endpoint, NULL, NNG_FLAG_NONBLOCK)) == 0)
        return peer;
    (void) nng_close(peer->socket);
    free(peer);
    return NULL;
}

static bool peer_send(void *opaque, const void *data, size_t len)
{
    const struct peer *peer = opaque;

    return nng_send(peer->socket, (void *) (uintptr_t) data, len, 0) == 0;
}

static bool send_message(const struct peer *peer, nng_msg *message)
{
    if (nng_sendmsg(peer->socket, message, 0) == 0)
        return true;
    nng_msg_free(message);
    return false;
}

static bool peer_give(void *opaque, size_t len)
{
    nng_msg *message;

    if (nng_msg_alloc(&message, len) != 0)
        return false;
    memset(nng_msg_body(message), 7, len);
    return send_message(opaque, message);
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

static bool peer_answer(void *opaque, bool is_answered)
{
    const struct peer *peer = opaque;
    nng_msg *message;

    if (nng_recvmsg(peer->socket, &message, 0) != 0)
        return false;
    if (is_answered)
        return send_message(peer, message);
    nng_msg_free(message);
    return true;
}

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    struct pollfd set = {.events = POLLIN};

    return nng_socket_get_int(peer->socket, NNG_OPT_RECVFD, &set.fd) == 0 &&
           poll(&set, 1, timeout_ms) == 1;
}

const struct bench_library bench_library = {
    .name = "nng",
    .version = nng_version,
    .engine = library_engine,
    .open = peer_open,
    .send = peer_send,
    .give = peer_give,
    .recv = peer_recv,
    .answer = peer_answer,
    .wait = peer_wait,
};
