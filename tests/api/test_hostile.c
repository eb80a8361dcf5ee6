/* What strangers and our own limits must not do to a socket, seen through the public calls. */

#define _GNU_SOURCE /* memmem; NOLINT(bugprone-reserved-identifier) */
#include "test_support.h"

#include <fcntl.h>

#include "interop/raw_peer.h"
#include "support/folder.h"

static char server_public[MCQ_KEY_TEXT_BYTES];
static char server_secret[MCQ_KEY_TEXT_BYTES];
static char client_public[MCQ_KEY_TEXT_BYTES];
static char client_secret[MCQ_KEY_TEXT_BYTES];
static const char password[] = "a password that nobody may find";

static void set_text(struct mcq_socket *socket, enum mcq_option id, const char *text)
{
    assert_works(mcq_set_bytes(socket, id, text, strlen(text)));
}

static void be_server(struct mcq_socket *socket)
{
    set_text(socket, MCQ_OPT_CURVE_SECRETKEY, server_secret);
    assert_works(mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1));
}

static void be_client(struct mcq_socket *socket)
{
    set_text(socket, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    set_text(socket, MCQ_OPT_CURVE_SERVERKEY, server_public);
}

static void make_keys(void)
{
    assert_works(mcq_curve_keypair(server_public, server_secret));
    assert_works(mcq_curve_keypair(client_public, client_secret));
}

/* Handshakes have limits of their own: libzmq holds this one against them, and nobody gets in. */
static void fault_a6__a_small_maxmsgsize__lets_handshakes_through(void)
{
    make_keys();
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        struct world world;
        char endpoint[ENDPOINT_BYTES];
        char octets[8];

        begin_world(&world);
        struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
        struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

        assert_works(mcq_set(router, MCQ_OPT_MAXMSGSIZE, 1));
        assert_works(mcq_set(dealer, MCQ_OPT_MAXMSGSIZE, 1));
        set_text(dealer, MCQ_OPT_ROUTING_ID, "a routing id that is longer than that");
        if (is_sealed) {
            be_server(router);
            be_client(dealer);
        }
        bind_somewhere(router, endpoint);
        assert_works(mcq_connect(dealer, endpoint));
        assert_works(mcq_send(dealer, "x", 1, 0));
        assert_int_equal(mcq_recv(router, octets, sizeof octets, 0), 37);
        assert_int_equal(mcq_recv(router, octets, sizeof octets, 0), 1);
        end_world(&world);
    }
}

/* --- whoever is not verified ------------------------------------------------------------------ */

/* A listener by hand. */
static int listen_raw(char endpoint[ENDPOINT_BYTES])
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    (void) snprintf(endpoint, ENDPOINT_BYTES, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

/* Lets an engine without a thread do its work. */
static void help(void)
{
    if (inline_context != NULL)
        assert_works(mcq_ctx_run(inline_context, 1));
    else
        (void) sched_yield();
}

static int accept_raw(int listener)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) < 0 && now_ms() < until)
        help();
    assert_true(fd >= 0);
    return fd;
}

/* All octets until the other end closes; says `answer` once `after` octets are in. */
static size_t hear_out(int fd, uint8_t *octets, size_t room, size_t after, const void *answer,
                       size_t answer_len)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    bool has_answered = false;
    size_t len = 0;

    while (now_ms() < until) {
        ssize_t got = recv(fd, octets + len, room - len, MSG_DONTWAIT);

        if (got == 0 || (got < 0 && errno != EAGAIN))
            return len;
        if (got > 0)
            len += (size_t) got;
        if (len >= after && !has_answered) {
            has_answered = true;
            assert_true(raw_send(fd, answer, answer_len));
        }
        if (got < 0)
            help();
    }
    fail_msg("%zu octets and no end", len);
    return 0;
}

/* A READY of a DEALER with an Identity of `len` octets, in a long frame. */
static size_t ready_with_identity(uint8_t *octets, size_t len)
{
    static const char before[] = "\5READY\13Socket-Type\0\0\0\6"
                                 "DEALER"
                                 "\10Identity\0\0";
    size_t at = 9;

    memset(octets, 0, at);
    octets[0] = RAW_COMMAND | RAW_LONG;
    memcpy(octets + at, before, sizeof before - 1);
    at += sizeof before - 1;
    octets[at++] = (uint8_t) (len >> 8);
    octets[at++] = (uint8_t) len;
    memset(octets + at, 'i', len);
    at += len;
    octets[7] = (uint8_t) ((at - 9) >> 8);
    octets[8] = (uint8_t) (at - 9);
    return at;
}

/* libzmq takes any length; a name that is too long to be one ends its connection here, and nothing
 * else, whoever's habits the socket has. */
static void fault_e7__identity_of_256_octets_and_more__ends_its_connection(void)
{
    static const size_t lens[] = {0, 1, 255, 256, 257, 1000, 60000};

    for (int profile = 0; profile < 2; profile++) {
        struct world world;
        char endpoint[ENDPOINT_BYTES];
        uint8_t octets[RAW_GREETING_BYTES + 61000];
        char body[8];

        begin_world(&world);
        assert_works(mcq_ctx_set(world.context, MCQ_CTX_PROFILE, profile));
        struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);

        bind_somewhere(router, endpoint);
        for (size_t i = 0; i < MCQ_COUNTOF(lens); i++) {
            int fd = raw_connect((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
            size_t len = RAW_GREETING_BYTES;

            raw_greeting(octets, "NULL");
            len += ready_with_identity(octets + len, lens[i]);
            assert_true(raw_send(fd, octets, len));
            assert_true(raw_send_frame(fd, 0, "hello", 5) || lens[i] > 255);
            if (lens[i] <= 255) {
                assert_int_equal(mcq_recv(router, body, sizeof body, 0),
                                 lens[i] > 0 ? (ptrdiff_t) lens[i] : 5);
                assert_int_equal(mcq_recv(router, body, sizeof body, 0), 5);
            } else {
                (void) hear_out(fd, octets, sizeof octets, SIZE_MAX, NULL, 0);
            }
            assert_int_equal(close(fd), 0);
        }
        end_world(&world);
    }
}

/* Messages wait until the peer has proved that it is the server. */
static void fault_b15__an_impostor__hears_no_octet_of_the_application(void)
{
    const size_t hello_bytes = RAW_GREETING_BYTES + 2 + 200;
    uint8_t octets[4096];
    uint8_t answer[RAW_GREETING_BYTES + 2 + 168] = {0};
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int listener = listen_raw(endpoint);

    make_keys();
    begin_world(&world);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

    be_client(dealer);
    assert_works(mcq_set(dealer, MCQ_OPT_LINGER, 0));
    assert_works(mcq_connect(dealer, endpoint));
    for (int i = 0; i < 10; i++)
        assert_works(mcq_send(dealer, "of the application", 18, 0));
    int fd = accept_raw(listener);

    raw_greeting(answer, "CURVE");
    assert_true(raw_send(fd, answer, RAW_GREETING_BYTES));
    answer[RAW_GREETING_BYTES] = RAW_COMMAND;
    answer[RAW_GREETING_BYTES + 1] = 168;
    memcpy(answer + RAW_GREETING_BYTES + 2, "\7WELCOME", 8);
    size_t len =
        hear_out(fd, octets, sizeof octets, hello_bytes, answer + RAW_GREETING_BYTES, 2 + 168);

    assert_int_equal(len, hello_bytes);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listener), 0);
    end_world(&world);
}

/* --- a defect of libzmq that we must not set off ---------------------------------------------- */

/* It keeps 16 bits of the milliseconds: 65.6 s would end the connection after 64 ms. */
static void defect_ttl_overflow__no_more_is_said_than_libzmq_can_keep(void)
{
    static const struct {
        int64_t asked_ms;
        unsigned said_ds;
    } rows[] = {{0, 0}, {99, 0}, {100, 1}, {65500, 655}, {65600, 655}, {6553599, 655}};
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        size_t len = RAW_GREETING_BYTES;
        size_t got = 0;

        assert_works(mcq_set(pull, MCQ_OPT_HEARTBEAT_IVL, 10));
        assert_works(mcq_set(pull, MCQ_OPT_HEARTBEAT_TIMEOUT, PATIENCE_MS));
        assert_works(mcq_set(pull, MCQ_OPT_HEARTBEAT_TTL, rows[i].asked_ms));
        bind_somewhere(pull, endpoint);
        int fd = raw_connect((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));

        raw_greeting(octets, "NULL");
        len += raw_ready(octets + len, "PUSH", NULL);
        assert_true(raw_send(fd, octets, len));
        len = RAW_GREETING_BYTES + 2 + 26 + 9; /* greeting, READY of a PULL, the first PING */
        uint64_t until = now_ms() + PATIENCE_MS;

        while (got < len && now_ms() < until) {
            ssize_t some = recv(fd, octets + got, len - got, MSG_DONTWAIT);

            assert_true(some > 0 || (some < 0 && errno == EAGAIN));
            got += some > 0 ? (size_t) some : 0;
            help();
        }
        assert_int_equal(got, len);
        assert_memory_equal(octets + len - 9, "\4\7\4PING", 7);
        assert_int_equal(octets[len - 2] << 8 | octets[len - 1], rows[i].said_ds);
        assert_int_equal(close(fd), 0);
    }
    end_world(&world);
}

/* --- what is said of failures ----------------------------------------------------------------- */

static char heard[1 << 16];
static _Atomic size_t heard_len;
static _Atomic unsigned failure_count;
static _Atomic unsigned silent_count; /* failures without a reason */

static void keep(const char *text)
{
    size_t len = strlen(text);

    if (heard_len + len + 1 < sizeof heard) {
        memcpy(heard + heard_len, text, len + 1);
        heard_len += len + 1;
    }
}

static void on_report(const struct mcq_report *report, void *hint)
{
    (void) hint;
    keep(report->endpoint);
    keep(report->address);
    keep(report->why);
    keep(mcq_strerror(report->value));
    if (report->kind == MCQ_REPORT_HANDSHAKE_FAILED ||
        report->kind == MCQ_REPORT_HANDSHAKE_BROKEN ||
        report->kind == MCQ_REPORT_HANDSHAKE_REFUSED) {
        failure_count++;
        if (report->why[0] == '\0')
            silent_count++;
    }
}

static bool was_heard(const void *octets, size_t len)
{
    return memmem(heard, heard_len, octets, len) != NULL;
}

/* Standard error, with the library's own lines, goes to a file without a name. */
struct diverted {
    int log;
    int before;
};

static struct diverted divert_errors(void)
{
    char folder[OWN_FOLDER_BYTES];
    char name[OWN_FOLDER_BYTES + 4];
    struct diverted errors;

    assert_true(make_own_folder(folder));
    (void) snprintf(name, sizeof name, "%s/log", folder);
    errors.log = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    errors.before = dup(STDERR_FILENO);
    assert_true(errors.log >= 0 && errors.before >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(folder), 0);
    (void) fflush(stderr);
    assert_true(dup2(errors.log, STDERR_FILENO) >= 0);
    assert_int_equal(setenv("MONOCOQUE_LOG", "stderr", 1), 0);
    return errors;
}

/* What was said meanwhile is heard as well. */
static void hear_errors(struct diverted errors)
{
    (void) fflush(stderr);
    assert_true(dup2(errors.before, STDERR_FILENO) >= 0);
    assert_int_equal(close(errors.before), 0);
    assert_int_equal(unsetenv("MONOCOQUE_LOG"), 0);
    ssize_t len = pread(errors.log, heard + heard_len, sizeof heard - heard_len, 0);

    assert_true(len >= 0);
    heard_len += (size_t) len;
    assert_int_equal(close(errors.log), 0);
}

/* The sentences of calls that have secrets in their arguments. */
static void keep_sentences(struct mcq_socket *curve, struct mcq_socket *plain)
{
    char public_key[MCQ_KEY_TEXT_BYTES];

    assert_fails(mcq_set_bytes(curve, MCQ_OPT_CURVE_SECRETKEY, server_secret, 39), EINVAL);
    keep(mcq_last_error());
    assert_fails(mcq_set_bytes(curve, MCQ_OPT_CURVE_SERVERKEY, client_secret, 39), EINVAL);
    keep(mcq_last_error());
    assert_fails(mcq_set_bytes(plain, MCQ_OPT_PLAIN_PASSWORD, heard, 300), EINVAL);
    keep(mcq_last_error());
    assert_fails(mcq_curve_public(public_key, server_secret + 1), EINVAL);
    keep(mcq_last_error());
}

/* Each way that a secured handshake fails, twice or more. */
static void fail_handshakes(struct world *world)
{
    struct mcq_socket *curve = open_socket(world, MCQ_ROUTER);
    struct mcq_socket *plain = open_socket(world, MCQ_ROUTER);
    struct mcq_socket *liar = open_socket(world, MCQ_DEALER); /* another server's key */
    struct mcq_socket *plain_client = open_socket(world, MCQ_DEALER);
    struct mcq_socket *stranger = open_socket(world, MCQ_DEALER); /* NULL */
    struct mcq_socket *const all[] = {curve, plain, liar, plain_client, stranger};
    char other_public[MCQ_KEY_TEXT_BYTES];
    char other_secret[MCQ_KEY_TEXT_BYTES];
    char endpoints[2][ENDPOINT_BYTES];
    uint64_t until = now_ms() + PATIENCE_MS;

    assert_works(mcq_curve_keypair(other_public, other_secret));
    be_server(curve);
    assert_works(mcq_set(plain, MCQ_OPT_PLAIN_SERVER, 1));
    be_client(liar);
    set_text(liar, MCQ_OPT_CURVE_SERVERKEY, other_public);
    set_text(plain_client, MCQ_OPT_PLAIN_USERNAME, "user");
    set_text(plain_client, MCQ_OPT_PLAIN_PASSWORD, password);
    for (size_t i = 0; i < MCQ_COUNTOF(all); i++) {
        assert_works(mcq_set(all[i], MCQ_OPT_LINGER, 0));
        assert_works(mcq_monitor(all[i], MCQ_REPORT_ALL, on_report, NULL));
    }
    bind_somewhere(curve, endpoints[0]);
    bind_somewhere(plain, endpoints[1]);
    assert_works(mcq_connect(liar, endpoints[0]));
    assert_works(mcq_connect(plain_client, endpoints[1]));
    assert_works(mcq_connect(stranger, endpoints[0]));
    assert_works(mcq_connect(stranger, endpoints[1]));
    while (failure_count < 8 && now_ms() < until)
        help();
    assert_true(failure_count >= 8);
    assert_int_equal(silent_count, 0);
    keep_sentences(curve, plain);
}

/* No report, error text or line on standard error has any of the secrets, as text or as octets. */
static void fault_b21__failed_handshakes__are_reported_without_secrets(void)
{
    uint8_t secrets[2][MCQ_KEY_BYTES];
    struct diverted errors;
    struct world world;

    make_keys();
    assert_works(mcq_z85_to_octets(server_secret, secrets[0]));
    assert_works(mcq_z85_to_octets(client_secret, secrets[1]));
    heard_len = 0;
    failure_count = 0;
    silent_count = 0;
    begin_world(&world);
    errors = divert_errors();
    fail_handshakes(&world);
    end_world(&world);
    hear_errors(errors);

    assert_false(was_heard(password, 16));
    for (size_t from = 0; from + 10 <= 39; from++) { /* nor a part of a key */
        assert_false(was_heard(server_secret + from, 10));
        assert_false(was_heard(client_secret + from, 10));
    }
    for (size_t i = 0; i < 2; i++)
        assert_false(was_heard(secrets[i], 8));
}

/* One that is named "me", and says `text`, which is short. */
static int join_as_me(const char *endpoint, const char *text)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fd = raw_connect((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));

    raw_greeting(octets, "NULL");
    size_t len = raw_ready(octets + RAW_GREETING_BYTES, "DEALER", "me");

    assert_true(raw_send(fd, octets, RAW_GREETING_BYTES + len));
    assert_true(raw_send_frame(fd, 0, text, strlen(text)));
    return fd;
}

/* Until the octets that come end with these. */
static void hear_up_to(int fd, const void *last, size_t last_len)
{
    uint8_t octets[1024] = {0};
    uint64_t until = now_ms() + PATIENCE_MS;
    size_t len = 0;

    while (len < last_len || memcmp(octets + len - last_len, last, last_len) != 0) {
        ssize_t got = recv(fd, octets + len, sizeof octets - len, MSG_DONTWAIT);

        assert_true(now_ms() < until && got != 0);
        len += got > 0 ? (size_t) got : 0;
        if (got < 0)
            help();
    }
}

/* Its PING is answered, behind what nobody receives; and once the newer one is gone, it is told. */
static void handover__of_a_name__leaves_the_older_peer_unheard_and_alive(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    uint8_t octets[64];

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);

    assert_works(mcq_set(router, MCQ_OPT_ROUTER_HANDOVER, 1));
    bind_somewhere(router, endpoint);
    int older = join_as_me(endpoint, "first");

    expect_part(router, "me", true);
    expect_text(router, "first");
    int newer = join_as_me(endpoint, "second");

    expect_part(router, "me", true);
    expect_text(router, "second");
    for (int i = 0; i < 5; i++) {
        assert_true(raw_send_frame(older, 0, "unheard", 7));
        assert_true(raw_send_frame(older, RAW_COMMAND, "\4PING\0\0?", 8));
        hear_up_to(older, "\4\6\4PONG?", 8);
    }
    expect_nothing(router);
    send_text(router, "me", MCQ_SNDMORE);
    send_text(router, "news", 0);
    hear_up_to(newer, "\0\4news", 6);
    assert_int_equal(close(newer), 0);
    assert_int_equal(hear_out(older, octets, sizeof octets, SIZE_MAX, NULL, 0), 0);
    assert_int_equal(close(older), 0);
    expect_nothing(router);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(handover__of_a_name__leaves_the_older_peer_unheard_and_alive)                                \
    X(fault_a6__a_small_maxmsgsize__lets_handshakes_through)                                       \
    X(fault_e7__identity_of_256_octets_and_more__ends_its_connection)                              \
    X(fault_b15__an_impostor__hears_no_octet_of_the_application)                                   \
    X(defect_ttl_overflow__no_more_is_said_than_libzmq_can_keep)                                   \
    X(fault_b21__failed_handshakes__are_reported_without_secrets)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.hostile");
}
