/*
 * zap_support: peers that prove themselves, and the test's own thread as the handler that is asked.
 */
#ifndef MCQ_TESTS_API_ZAP_SUPPORT_H
#define MCQ_TESTS_API_ZAP_SUPPORT_H

#include "test_support.h"

#define HANDLER "inproc://zeromq.zap.01"
#define FRAMES_MAX 9
#define HANDSHAKE_MS 60000 /* but where its end is what a test is about */

/* What a monitor has heard. */
struct ear {
    _Atomic int kind; /* of the last failed handshake; 0: none */
    _Atomic int value;
    _Atomic unsigned count;
};

static inline void hear(const struct mcq_report *report, void *hint)
{
    struct ear *ear = hint;

    atomic_store(&ear->value, report->value);
    atomic_store(&ear->kind, (int) report->kind);
    atomic_fetch_add(&ear->count, 1);
}

static inline void listen_to(struct mcq_socket *socket, struct ear *ear)
{
    *ear = (struct ear) {0};
    assert_works(mcq_monitor(socket,
                             MCQ_REPORT_HANDSHAKE_FAILED | MCQ_REPORT_HANDSHAKE_BROKEN |
                                 MCQ_REPORT_HANDSHAKE_REFUSED,
                             hear, ear));
}

static inline bool drive(void)
{
    if (inline_context != NULL)
        assert_works(mcq_ctx_run(inline_context, 1));
    else
        (void) sched_yield();
    return true;
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = now_ms() + PATIENCE_MS;                                                  \
                                                                                                   \
        while (!(condition) && drive() && now_ms() < until_)                                       \
            continue;                                                                              \
        assert_true(condition);                                                                    \
    } while (0)

static inline void expect_report(struct ear *ear, int kind, int value)
{
    AWAIT(atomic_load(&ear->count) > 0);
    assert_int_equal(atomic_load(&ear->kind), kind);
    assert_int_equal(atomic_load(&ear->value), value);
}

/* --- the handler ----------------------------------------------------------------------------- */

static inline struct mcq_socket *open_handler(struct world *world, enum mcq_type type)
{
    struct mcq_socket *handler = open_socket(world, type);

    assert_works(mcq_set(handler, MCQ_OPT_LINGER, 0));
    assert_works(mcq_bind(handler, HANDLER));
    return handler;
}

/* A request, as a REP sees it. */
struct request {
    char frames[FRAMES_MAX][256];
    int lens[FRAMES_MAX];
    int count;
};

static inline void take_request(struct mcq_socket *handler, struct request *request)
{
    *request = (struct request) {.count = 0};
    do {
        assert_true(request->count < FRAMES_MAX);
        int len = (int) mcq_recv(handler, request->frames[request->count], 255, 0);

        if (len < 0)
            fail_msg("%s", mcq_last_error());
        request->lens[request->count++] = len;
    } while (number_of(handler, MCQ_OPT_RCVMORE) == 1);
}

static inline void reply(struct mcq_socket *handler, const char *id, const char *status,
                         const char *user_id, const char *metadata, size_t metadata_len)
{
    send_text(handler, "1.0", MCQ_SNDMORE);
    send_text(handler, id, MCQ_SNDMORE);
    send_text(handler, status, MCQ_SNDMORE);
    send_text(handler, "as the test has it", MCQ_SNDMORE);
    send_text(handler, user_id, MCQ_SNDMORE);
    assert_works(mcq_send(handler, metadata, metadata_len, 0));
}

static inline void answer(struct mcq_socket *handler, const char *status)
{
    struct request request;

    take_request(handler, &request);
    reply(handler, request.frames[1], status, "", "", 0);
}

/* --- both ends ------------------------------------------------------------------------------- */

enum proof { PROOF_NULL, PROOF_PLAIN, PROOF_CURVE, PROOF_COUNT };

static char server_public[MCQ_KEY_TEXT_BYTES];
static char server_secret[MCQ_KEY_TEXT_BYTES];
static char client_public[MCQ_KEY_TEXT_BYTES];
static char client_secret[MCQ_KEY_TEXT_BYTES];

static inline void set_text(struct mcq_socket *socket, enum mcq_option id, const char *text)
{
    assert_works(mcq_set_bytes(socket, id, text, strlen(text)));
}

static inline struct mcq_socket *open_server(struct world *world, enum mcq_type type,
                                             enum proof proof)
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, HANDSHAKE_MS));
    set_text(socket, MCQ_OPT_ZAP_DOMAIN, "global");
    if (proof == PROOF_PLAIN)
        assert_works(mcq_set(socket, MCQ_OPT_PLAIN_SERVER, 1));
    if (proof == PROOF_CURVE) {
        assert_works(mcq_curve_keypair(server_public, server_secret));
        assert_works(mcq_curve_keypair(client_public, client_secret));
        set_text(socket, MCQ_OPT_CURVE_SECRETKEY, server_secret);
        assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
    }
    return socket;
}

static inline struct mcq_socket *open_client(struct world *world, enum mcq_type type,
                                             enum proof proof)
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_LINGER, 0));
    assert_works(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, HANDSHAKE_MS));
    if (proof == PROOF_PLAIN) {
        set_text(socket, MCQ_OPT_PLAIN_USERNAME, "admin");
        set_text(socket, MCQ_OPT_PLAIN_PASSWORD, "secret");
    }
    if (proof == PROOF_CURVE) {
        set_text(socket, MCQ_OPT_CURVE_SECRETKEY, client_secret);
        set_text(socket, MCQ_OPT_CURVE_SERVERKEY, server_public);
    }
    return socket;
}

static inline struct couple open_pair(struct world *world, enum proof proof)
{
    struct couple couple = {.bound = open_server(world, MCQ_PULL, proof)};

    couple.connected = open_client(world, MCQ_PUSH, proof);
    bind_somewhere(couple.bound, couple.endpoint);
    return couple;
}

/* The same, and a PLAIN client, which does not come back, has asked: the handler has to answer. */
struct asked {
    struct mcq_socket *handler;
    struct couple couple;
    struct request request;
    struct ear ear; /* of the server */
};

static inline void begin_asked(struct world *world, struct asked *asked)
{
    asked->handler = open_handler(world, MCQ_REP);
    asked->couple = open_pair(world, PROOF_PLAIN);
    listen_to(asked->couple.bound, &asked->ear);
    assert_works(mcq_set(asked->couple.connected, MCQ_OPT_RECONNECT_IVL, -1));
    assert_works(mcq_connect(asked->couple.connected, asked->couple.endpoint));
    take_request(asked->handler, &asked->request);
}

#endif
