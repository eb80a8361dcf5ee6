#include <monocoque.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"

#define ANSWER_PARTS 2

struct peer {
    struct mcq_socket *socket;
    struct mcq_message message;
    struct mcq_message parts[ANSWER_PARTS]; /* of a ROUTER: the name of who asks, and what */
};

/* The process's; it is never ended, for no library is measured by its end. */
static struct mcq_context *shared;
static _Thread_local struct mcq_context *own; /* of a thread that is its own engine */

static struct mcq_context *context(void)
{
    struct mcq_context **where = bench_choice.is_inline && !bench_choice.is_inproc ? &own : &shared;

    if (*where == NULL)
        *where = mcq_ctx_new();
    if (*where != NULL && bench_choice.is_inline)
        (void) mcq_ctx_set(*where, MCQ_CTX_IO_THREADS, 0);
    return *where;
}

static const char *library_version(void)
{
    return MCQ_BENCH_VERSION;
}

static const char *library_engine(void)
{
    struct mcq_context *used = context();
    struct mcq_socket *socket = used != NULL ? mcq_socket(used, MCQ_PAIR) : NULL;
    const char *engine = used != NULL ? mcq_ctx_engine(used, NULL) : "";

    if (socket != NULL)
        (void) mcq_close(socket);
    return engine;
}

static bool make_keys(void)
{
    return mcq_curve_keypair(bench_choice.public_key, bench_choice.secret_key) == 0;
}

static bool set_key(struct mcq_socket *socket, enum mcq_option option, const char *key)
{
    return mcq_set_bytes(socket, option, key, MCQ_KEY_TEXT_BYTES) == 0;
}

static bool seal(struct mcq_socket *socket, bool listens)
{
    if (!bench_choice.is_sealed)
        return true;
    return set_key(socket, MCQ_OPT_CURVE_SECRETKEY, bench_choice.secret_key) &&
           (listens ? mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1) == 0
                    : set_key(socket, MCQ_OPT_CURVE_SERVERKEY, bench_choice.public_key));
}

static void *peer_open(enum bench_role role, const char *endpoint)
{
    static const enum mcq_type types[] = {MCQ_PUSH, MCQ_PULL,   MCQ_REQ,   MCQ_REP,
                                          MCQ_PUB,  MCQ_ROUTER, MCQ_DEALER};
    struct peer *peer = calloc(1, sizeof *peer);
    struct mcq_context *used = context();

    if (peer == NULL || used == NULL) {
        free(peer);
        return NULL;
    }
    peer->socket = mcq_socket(used, types[role]);
    (void) mcq_message_init(&peer->message);
    for (size_t i = 0; i < ANSWER_PARTS; i++)
        (void) mcq_message_init(&peer->parts[i]);
    if (role == BENCH_PUB) {
        (void) mcq_set(peer->socket, MCQ_OPT_SNDHWM, 0);
        (void) mcq_set(peer->socket, MCQ_OPT_SUBSCRIPTIONS_MAX, 1 << 30);
    }
    if (peer->socket != NULL && seal(peer->socket, bench_listens(role)) &&
        (bench_listens(role) ? mcq_bind(peer->socket, endpoint)
                             : mcq_connect(peer->socket, endpoint)) == 0)
        return peer;
    free(peer);
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

    if (mcq_message_init_unset(&message, len) != 0)
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

static bool peer_answer(void *opaque, bool is_answered)
{
    struct peer *peer = opaque;

    if (mcq_recv_parts(peer->socket, peer->parts, ANSWER_PARTS, 0) != ANSWER_PARTS)
        return false;
    return !is_answered || mcq_send_parts(peer->socket, peer->parts, ANSWER_PARTS, 0) == 0;
}

static bool peer_wait(void *opaque, int timeout_ms)
{
    const struct peer *peer = opaque;
    struct mcq_poll_entry entry = {.socket = peer->socket, .events = MCQ_POLLIN};

    return mcq_poll(&entry, 1, timeout_ms) == 1;
}

static void library_turn(void)
{
    struct mcq_context *used = context();

    if (used != NULL)
        (void) mcq_ctx_run(used, 0);
}

static uint64_t library_ledger(void)
{
    int64_t octets = 0;
    struct mcq_context *used = context();

    return used != NULL && mcq_ctx_get(used, MCQ_CTX_BUDGET_USED, &octets) == 0 ? (uint64_t) octets
                                                                                : 0;
}

const struct bench_library bench_library = {
    .name = "monocoque",
    .version = library_version,
    .engine = library_engine,
    .make_keys = make_keys,
    .open = peer_open,
    .send = peer_send,
    .give = peer_give,
    .recv = peer_recv,
    .answer = peer_answer,
    .wait = peer_wait,
    .turn = library_turn,
    .ledger = library_ledger,
};
