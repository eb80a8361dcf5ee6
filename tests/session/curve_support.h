/*
 * curve_support: two ends of CURVE that talk, for the tests of this folder.
 */
#ifndef MCQ_TESTS_SESSION_CURVE_SUPPORT_H
#define MCQ_TESTS_SESSION_CURVE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "runtime/random.h"
#include "session/session.h"
#include "session/state.h"
#include "wire/encode.h"

#define FRAME_HEAD 2 /* octets of a short frame's header */
#define GREETING MCQ_GREETING_V3_BYTES
#define LOG_BYTES 4096

static struct mcq_crypto_pair server_pair;
static struct mcq_crypto_pair client_pair;
static struct mcq_crypto_pair other_pair;

/* --- ends ------------------------------------------------------------------------------------- */

struct end {
    struct mcq_session session;
    struct mcq_session_config config;
    struct mcq_curve_keys keys;
    uint8_t next_random;
    size_t random_count;
    size_t random_most; /* then there are no more */
    unsigned status;    /* of ZAP's answer */
    unsigned count[MCQ_EVENT_IGNORED + 1];
    uint8_t zap_key[MCQ_CRYPTO_KEY_BYTES];
    uint8_t heard[LOG_BYTES]; /* bodies of messages */
    size_t heard_len;
    uint8_t flags; /* of the last one */
    uint8_t frame[LOG_BYTES];
    size_t frame_len;
    uint8_t said[LOG_BYTES]; /* all that it sent */
    size_t said_len;
    enum mcq_err err; /* of the last feed */
};

/* Octets that count up: each test does the same each time. */
static inline bool count_up(void *context, uint8_t *octets, size_t len)
{
    struct end *end = context;

    for (size_t i = 0; i < len; i++)
        octets[i] = end->next_random++;
    end->random_count += len;
    return end->random_count <= end->random_most;
}

static inline void end_init(struct end *end, bool is_server)
{
    memset(end, 0, sizeof *end);
    mcq_session_config_init(&end->config,
                            is_server ? MCQ_SOCKET_TYPE_ROUTER : MCQ_SOCKET_TYPE_DEALER,
                            MCQ_PROFILE_NATIVE);
    end->keys.own = is_server ? server_pair : client_pair;
    end->keys.server = server_pair.public;
    end->config.mechanism = MCQ_MECHANISM_CURVE;
    end->config.as_server = is_server;
    end->config.curve = &end->keys;
    end->config.random = (struct mcq_random) {count_up, end};
    end->next_random = is_server ? 1 : 101;
    end->random_most = SIZE_MAX;
    end->status = 200;
}

static inline void end_start(struct end *end)
{
    assert_int_equal(mcq_session_init(&end->session, &end->config, 0), MCQ_OK);
}

static inline void end_fini(struct end *end)
{
    mcq_session_fini(&end->session);
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static inline void note(struct end *end, const struct mcq_event *event)
{
    end->count[event->kind]++;
    if (event->kind == MCQ_EVENT_ZAP) {
        assert_int_equal(event->zap.credentials.public_key.len, sizeof end->zap_key);
        memcpy(end->zap_key, event->zap.credentials.public_key.data, sizeof end->zap_key);
        (void) !mcq_session_zap(&end->session, end->status, 0);
    }
    if (event->kind != MCQ_EVENT_BODY)
        return;
    assert_true(event->body.piece.first && event->body.piece.last);
    assert_int_equal(event->body.piece.size, event->body.piece.body.len);
    end->flags = event->body.piece.flags;
    memcpy(end->heard + end->heard_len, event->body.piece.body.data, event->body.piece.body.len);
    end->heard_len += event->body.piece.body.len;
}

/* Pieces of a sealed frame, put together. */
static inline enum mcq_err collect(struct end *end, struct mcq_event *event)
{
    const struct mcq_frame_piece piece = event->body.piece;

    if (piece.first)
        end->frame_len = 0;
    memcpy(end->frame + end->frame_len, piece.body.data, piece.body.len);
    end->frame_len += piece.body.len;
    if (!piece.last)
        return MCQ_AGAIN;
    return mcq_session_open(&end->session, end->frame, end->frame_len, 0, event);
}

static inline enum mcq_err feed(struct end *end, const void *data, size_t len)
{
    uint8_t *octets = test_malloc(len + 1); /* an address of its own, for the sanitizers */
    struct mcq_bytes in = mcq_bytes(octets, len);
    struct mcq_event event;

    memcpy(octets, data, len);
    while ((end->err = mcq_session_feed(&end->session, &in, 0, &event)) == MCQ_OK) {
        if (event.kind == MCQ_EVENT_SEALED) {
            end->err = collect(end, &event);
            if (end->err == MCQ_AGAIN)
                continue;
            if (end->err != MCQ_OK)
                break;
        }
        note(end, &event);
    }
    test_free(octets);
    return end->err;
}

/* Takes what it wants written. */
static inline struct mcq_bytes take(struct end *end, size_t most)
{
    struct mcq_bytes want = mcq_session_want(&end->session);
    uint8_t *at = end->said + end->said_len;

    want.len = mcq_min_size(want.len, most);
    memcpy(at, want.data, want.len);
    end->said_len += want.len;
    mcq_session_sent(&end->session, want.len);
    return mcq_bytes(at, want.len);
}

/* Moves what one end wants to the other, `step` octets at a time, until both are silent. */
static inline void talk(struct end *a, struct end *b, size_t step)
{
    for (bool moved = true; moved;) {
        struct mcq_bytes from_a = take(a, step);
        struct mcq_bytes from_b;

        if (from_a.len > 0)
            (void) feed(b, from_a.data, from_a.len);
        from_b = take(b, step);
        if (from_b.len > 0)
            (void) feed(a, from_b.data, from_b.len);
        moved = from_a.len + from_b.len > 0;
    }
}

static inline void begin(struct end *client, struct end *server)
{
    end_init(client, false);
    end_init(server, true);
    end_start(client);
    end_start(server);
}

static inline void meet(struct end *client, struct end *server)
{
    begin(client, server);
    talk(client, server, SIZE_MAX);
    assert_int_equal(client->count[MCQ_EVENT_READY], 1);
    assert_int_equal(server->count[MCQ_EVENT_READY], 1);
}

static inline void finish(struct end *client, struct end *server)
{
    mcq_session_fini(&client->session);
    end_fini(server);
}

static inline void assert_failed(const struct end *end, enum mcq_err err, enum mcq_rule rule)
{
    const struct mcq_failure *failure = mcq_session_failure(&end->session);

    assert_int_equal(failure->err, err);
    assert_string_equal(mcq_rule_name(failure->rule), mcq_rule_name(rule));
}

/* A message of `from` in its box: the frame. */
static inline size_t seal(struct end *from, bool more, const char *text, uint8_t *frame)
{
    size_t len = strlen(text);
    size_t head = mcq_session_seal_head(len);

    memcpy(frame + head, text, len);
    mcq_session_seal(&from->session, more, frame, len);
    return head + len;
}

static inline void say(struct end *from, struct end *to, const char *text)
{
    uint8_t frame[512] = {0};
    size_t len = seal(from, false, text, frame);

    assert_int_equal(feed(to, frame, len), MCQ_AGAIN);
}

/* Both up to the client's HELLO, which the server does not get. */
static inline void take_hello(struct end *client, struct end *server, uint8_t *hello, size_t *len)
{
    struct mcq_bytes octets;

    *len = FRAME_HEAD + MCQ_CURVE_HELLO_BYTES;
    while (client->said_len < GREETING) {
        octets = take(client, GREETING - client->said_len);
        (void) feed(server, octets.data, octets.len);
        octets = take(server, SIZE_MAX);
        (void) feed(client, octets.data, octets.len);
    }
    octets = take(client, SIZE_MAX);
    assert_int_equal(octets.len, *len);
    memcpy(hello, octets.data, octets.len);
}

static inline int make_keys(void **state)
{
    struct mcq_random random;

    (void) state;
    if (mcq_crypto_init() != MCQ_OK)
        return 1;
    random = mcq_random_system();
    return mcq_crypto_pair(&server_pair, &random) && mcq_crypto_pair(&client_pair, &random) &&
                   mcq_crypto_pair(&other_pair, &random)
               ? 0
               : 1;
}

#endif
