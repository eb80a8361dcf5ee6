/*
 * What strangers may send to a bound socket, while it has a peer that behaves: they are closed, the
 * peer loses nothing, and nothing is left of them: no memory, no descriptor.
 *
 * Each row of the table of mischiefs runs against a PULL, a ROUTER and a PUB on both real engines.
 * The socket has two endpoints: a patient one, where nothing is closed for being late, and one that
 * gives a handshake PATIENCE_MS.
 */

#include "arena/test_support.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

#include "interop/raw_peer.h"
#include "runtime/socket.h"

#define SHORT_MS 100
#define LONG_MS 60000
#define BAD_MAX 1100
#define SETTLED_COUNT 20
#define GREED_MAX 200 /* messages that one peer may have taken while another one waits */
#define NEVER_NS MCQ_REACTOR_NEVER_NS

/* --- the world: a socket, a good peer, bad ones ---------------------------------------------- */

struct world {
    struct mcq_context *context;
    struct mcq_socket *socket;
    enum mcq_socket_type type;
    uint16_t patient_port; /* handshakes may last LONG_MS */
    uint16_t hasty_port;   /* SHORT_MS */
    int good;
    uint32_t number;    /* of the next message */
    size_t other_count; /* whole messages of others: "other" */
    uint64_t random;
    int bad[BAD_MAX];
    size_t bad_count;
};

static size_t open_fd_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    assert_int_equal(closedir(folder), 0);
    return count;
}

/* The type of who talks to us. */
static const char *peer_type(const struct world *w)
{
    switch (w->type) {
    case MCQ_SOCKET_TYPE_PULL: return "PUSH";
    case MCQ_SOCKET_TYPE_ROUTER: return "DEALER";
    default: return "SUB";
    }
}

static uint16_t bind_somewhere(struct world *w, int handshake_ms)
{
    const char *fault = NULL;
    unsigned long port;

    assert_int_equal(mcq_socket_enter(w->socket), MCQ_OK);
    w->socket->options.handshake_ms = handshake_ms;
    assert_int_equal(mcq_socket_bind(w->socket, mcq_bytes_of("tcp://127.0.0.1:*"), &fault), MCQ_OK);
    port = strtoul(strrchr(w->socket->last_endpoint, ':') + 1, NULL, 10);
    mcq_socket_leave(w->socket);
    return (uint16_t) port;
}

/* A part of the next message of anybody. */
static struct mcq_msg recv_part(struct world *w)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_socket_recv(w->socket, &msg, RAW_PATIENCE_MS), MCQ_OK);
    return msg;
}

static bool says(const struct mcq_msg *msg, const void *octets, size_t len)
{
    return mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes(octets, len));
}

/* The message with the next number, of two parts; counts those of others on the way. */
static void expect_good(struct world *w)
{
    for (;;) {
        struct mcq_msg msg = recv_part(w);
        bool is_good;

        if (w->type == MCQ_SOCKET_TYPE_ROUTER) {
            mcq_msg_fini(&msg);
            msg = recv_part(w);
        }
        is_good = says(&msg, &w->number, sizeof w->number);
        assert_true(is_good || says(&msg, "other", 5));
        assert_int_equal(msg.more, is_good);
        mcq_msg_fini(&msg);
        if (is_good)
            break;
        w->other_count++;
    }
    struct mcq_msg last = recv_part(w);

    assert_true(says(&last, "good", 4));
    assert_false(last.more);
    mcq_msg_fini(&last);
}

static void send_part(struct world *w, const void *octets, size_t len, bool more)
{
    struct mcq_part part = {.body = mcq_bytes(octets, len), .more = more};

    assert_int_equal(mcq_socket_send(w->socket, &part, RAW_PATIENCE_MS), MCQ_OK);
}

/* The good peer gets the message with this number. */
static void expect_at_good(struct world *w)
{
    uint8_t body[255];
    uint8_t flags;

    assert_int_equal(raw_recv_frame(w->good, body, &flags), sizeof w->number);
    assert_int_equal(flags, RAW_MORE);
    assert_memory_equal(body, &w->number, sizeof w->number);
    assert_int_equal(raw_recv_frame(w->good, body, &flags), 4);
    assert_int_equal(flags, 0);
    assert_memory_equal(body, "good", 4);
}

/* One message of the good peer, there and, if the type answers, back. */
static void good_goes_on(struct world *w)
{
    if (w->type != MCQ_SOCKET_TYPE_PUB) {
        assert_true(raw_send_frame(w->good, RAW_MORE, &w->number, sizeof w->number));
        assert_true(raw_send_frame(w->good, 0, "good", 4));
        expect_good(w);
    }
    if (w->type == MCQ_SOCKET_TYPE_ROUTER)
        send_part(w, "good", 4, true);
    if (w->type != MCQ_SOCKET_TYPE_PULL) {
        send_part(w, &w->number, sizeof w->number, true);
        send_part(w, "good", 4, false);
        expect_at_good(w);
    }
    w->number++;
}

/* Says numbers until the good one hears: it gets all from then on. */
static void subscribe_good(struct world *w)
{
    struct pollfd input = {.fd = w->good, .events = POLLIN};
    uint32_t last = w->number;
    uint8_t body[255];
    uint8_t flags;

    assert_true(raw_subscribe(w->good, ""));
    do {
        assert_in_range(last, 0, RAW_PATIENCE_MS);
        send_part(w, &last, sizeof last, false);
        last++;
    } while (poll(&input, 1, 1) == 0);
    while (w->number < last) {
        assert_int_equal(raw_recv_frame(w->good, body, &flags), sizeof w->number);
        memcpy(&w->number, body, sizeof w->number);
        w->number++;
    }
}

/* The owner finds nothing more, for it has taken all. */
static void look_further(struct world *w)
{
    struct mcq_msg msg;

    if (w->type != MCQ_SOCKET_TYPE_PUB)
        assert_int_equal(mcq_socket_recv(w->socket, &msg, 0), MCQ_AGAIN);
}

static void open_world(struct world *w, enum mcq_socket_type type)
{
    *w = (struct world) {.type = type};
    assert_int_equal(mcq_context_new(&w->context), MCQ_OK);
    enum mcq_err err = mcq_socket_open(w->context, type, &w->socket);

    if (err == MCQ_INVAL) {
        assert_int_equal(mcq_context_term(&w->context, NEVER_NS), MCQ_OK);
        print_message("# this engine is not allowed here\n");
        skip();
    }
    assert_int_equal(err, MCQ_OK);
    w->random = support_seed();
    w->patient_port = bind_somewhere(w, LONG_MS);
    w->hasty_port = bind_somewhere(w, SHORT_MS);
    w->good = raw_join(w->patient_port, peer_type(w), "good");
    if (type == MCQ_SOCKET_TYPE_PUB)
        subscribe_good(w);
}

static void close_world(struct world *w)
{
    assert_int_equal(mcq_socket_close(w->socket), MCQ_OK);
    assert_int_equal(close(w->good), 0); /* what it was sent need not wait to be read */
    assert_int_equal(mcq_context_term(&w->context, NEVER_NS), MCQ_OK);
}

/* --- bad ones -------------------------------------------------------------------------------- */

static int be_bad(struct world *w, uint16_t port)
{
    assert_in_range(w->bad_count, 0, BAD_MAX - 1);
    int fd = raw_connect(port);

    w->bad[w->bad_count++] = fd;
    return fd;
}

/* One that behaves until its handshake is over. */
static int be_bad_later(struct world *w)
{
    assert_in_range(w->bad_count, 0, BAD_MAX - 1);
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    w->bad[w->bad_count++] = fd;
    return fd;
}

/* All bad ones find that they were closed, and the good one goes on meanwhile. */
static void expect_closed(struct world *w)
{
    struct pollfd fds[BAD_MAX];
    int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS;

    while (w->bad_count > 0) {
        size_t kept = 0;

        good_goes_on(w);
        look_further(w);
        for (size_t i = 0; i < w->bad_count; i++)
            fds[i] = (struct pollfd) {.fd = w->bad[i], .events = POLLIN};
        assert_true(poll(fds, w->bad_count, 5) >= 0);
        for (size_t i = 0; i < w->bad_count; i++) {
            if (fds[i].revents != 0 && raw_is_closed(w->bad[i]))
                assert_int_equal(close(w->bad[i]), 0);
            else
                w->bad[kept++] = w->bad[i];
        }
        w->bad_count = kept;
        if (raw_now_ms() > until_ms)
            fail_msg("%zu of the bad ones are still there", kept);
    }
}

/* Octets that behave as far as a greeting goes, and what follows it. */
static void after_greeting(struct world *w, const void *octets, size_t len)
{
    uint8_t greeting[RAW_GREETING_BYTES];
    int fd = be_bad(w, w->patient_port);

    raw_greeting(greeting, "NULL");
    (void) raw_send(fd, greeting, sizeof greeting);
    (void) raw_send(fd, octets, len);
}

/* The same octets in the place of a READY, and behind one. */
static void in_every_phase(struct world *w, const void *octets, size_t len)
{
    after_greeting(w, octets, len);
    (void) raw_send(be_bad_later(w), octets, len);
}

static void fill_with_random(struct world *w, uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t) support_random(&w->random);
}

/* --- mischiefs ------------------------------------------------------------------------------- */

static void random_octets(struct world *w)
{
    uint8_t octets[4096];

    for (int i = 0; i < 20; i++) {
        fill_with_random(w, octets, sizeof octets);
        (void) raw_send(be_bad(w, w->hasty_port), octets, sizeof octets);
    }
}

static void http_request(struct world *w)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

    (void) raw_send(be_bad(w, w->hasty_port), text, sizeof text - 1);
}

static void half_a_greeting(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];

    raw_greeting(greeting, "NULL");
    for (size_t len = 0; len < sizeof greeting; len += 9)
        (void) raw_send(be_bad(w, w->hasty_port), greeting, len);
}

static void greeting_and_silence(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];

    raw_greeting(greeting, "NULL");
    (void) raw_send(be_bad(w, w->hasty_port), greeting, sizeof greeting);
}

static void other_mechanism(struct world *w)
{
    static const char *const mechanisms[] = {"PLAIN", "CURVE", "GSSAPI", "NULLNULLNULLNULLNULL",
                                             "null",  ""};
    uint8_t greeting[RAW_GREETING_BYTES];

    for (size_t i = 0; i < MCQ_COUNTOF(mechanisms); i++) {
        raw_greeting(greeting, mechanisms[i]);
        (void) raw_send(be_bad(w, w->patient_port), greeting, sizeof greeting);
    }
}

static void wrong_type(struct world *w)
{
    static const char *const types[] = {"PAIR", "REP", "XPUB", "NOTHING", ""};
    uint8_t octets[RAW_COMMAND_MAX];

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++)
        after_greeting(w, octets, raw_ready(octets, types[i], NULL));
}

/* A property that ends early, none at all, and one of 4 GiB. */
static void broken_ready(struct world *w)
{
    after_greeting(w, "\4\15\5READY\13Socket", 15);
    after_greeting(w, "\4\6\5READY", 8);
    after_greeting(w, "\4\26\5READY\13Socket-Type\377\377\377\377", 24);
}

static void message_before_ready(struct world *w)
{
    after_greeting(w, "\0\5other", 7);
}

static void long_frame(struct world *w, uint64_t size)
{
    static const uint8_t flags[] = {RAW_LONG, RAW_LONG | RAW_MORE, RAW_LONG | RAW_COMMAND};
    uint8_t octets[9 + 100];

    fill_with_random(w, octets, sizeof octets);
    for (size_t i = 0; i < MCQ_COUNTOF(flags); i++) {
        octets[0] = flags[i];
        (void) mcq_put_u64be(octets + 1, size);
        in_every_phase(w, octets, sizeof octets);
        in_every_phase(w, octets, 9);
    }
}

static void length_of_2_to_63(struct world *w)
{
    long_frame(w, UINT64_C(1) << 63);
    long_frame(w, UINT64_MAX);
}

static void length_of_2_to_62(struct world *w)
{
    long_frame(w, UINT64_C(1) << 62);
    long_frame(w, (UINT64_C(1) << 63) - 1);
}

static void oversize_command(struct world *w)
{
    uint8_t octets[9 + 4096];

    memset(octets, 'x', sizeof octets);
    octets[0] = RAW_LONG | RAW_COMMAND;
    (void) mcq_put_u64be(octets + 1, 1 << 20);
    memcpy(octets + 9, "\11SUBSCRIBE", 10);
    in_every_phase(w, octets, sizeof octets);
}

static void oversize_message(struct world *w)
{
    uint8_t octets[9];

    octets[0] = RAW_LONG;
    (void) mcq_put_u64be(octets + 1, (UINT64_C(1) << 30) + 1);
    (void) raw_send(be_bad_later(w), octets, sizeof octets);
}

static void garbage_after_ready(struct world *w)
{
    uint8_t octets[4096];

    for (int i = 0; i < 20; i++) {
        fill_with_random(w, octets, sizeof octets);
        octets[0] |= 0x80; /* a reserved bit: by chance it would be a frame */
        (void) raw_send(be_bad_later(w), octets, sizeof octets);
    }
}

/* Each flags octet that means nothing: reserved bits, and commands that are part of a message. */
static void reserved_flags(struct world *w)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        uint8_t octets[2 + 5] = {(uint8_t) flags, 5, 'o', 't', 'h', 'e', 'r'};
        bool is_part_of_message = flags & RAW_MORE && flags & RAW_COMMAND;

        if (flags > (RAW_MORE | RAW_LONG | RAW_COMMAND) || is_part_of_message)
            (void) raw_send(be_bad_later(w), octets, sizeof octets);
    }
}

static void cut_by_the_end(struct world *w)
{
    int fd = be_bad_later(w);

    (void) raw_send_frame(fd, RAW_MORE, "other", 5);
    (void) raw_send(fd, "\0\12half", 6);
    (void) shutdown(fd, SHUT_WR);
    fd = be_bad_later(w);
    (void) raw_send_frame(fd, RAW_MORE, "other", 5);
    raw_reset(fd);
    w->bad_count--;
}

/* The deadline counts from the beginning, not from the last octet. */
static void one_octet_at_a_time_and_too_slow(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];
    int64_t since_ms = raw_now_ms();
    int fd = be_bad(w, w->hasty_port);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    size_t sent = 0;

    raw_greeting(greeting, "NULL");
    while (sent < sizeof greeting && !raw_is_closed(fd) && raw_send(fd, greeting + sent, 1)) {
        sent++;
        good_goes_on(w);
        (void) poll(&end, 1, SHORT_MS / 10);
    }
    assert_in_range(sent, 1, sizeof greeting - 1);
    assert_true(raw_now_ms() - since_ms >= SHORT_MS - 1);
}

static void connects_and_closes(struct world *w)
{
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect(i % 4 < 2 ? w->patient_port : w->hasty_port);

        if (i % 2 == 0)
            raw_reset(fd);
        else
            assert_int_equal(close(fd), 0);
        if (i % 20 == 0)
            good_goes_on(w);
    }
}

static void joins_and_closes(struct world *w)
{
    for (int i = 0; i < 50; i++) {
        int fd = raw_join(w->patient_port, peer_type(w), NULL);

        if (i % 2 == 0)
            raw_reset(fd);
        else
            assert_int_equal(close(fd), 0);
        if (i % 5 == 0)
            good_goes_on(w);
    }
}

/* Peers that go behind each octet of a good handshake, by an end or by a reset. All have been
 * greeted before the first goes, so that each time as much room is needed. */
static void cut_after_every_prefix(struct world *w)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fds[sizeof octets];
    size_t len = RAW_GREETING_BYTES;

    raw_greeting(octets, "NULL");
    len += raw_ready(octets + len, peer_type(w), NULL);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t first;

        fds[cut] = raw_connect(w->patient_port);
        assert_true(raw_send(fds[cut], octets, cut));
        assert_true(raw_recv(fds[cut], &first, 1));
    }
    for (size_t cut = 0; cut < len; cut++) {
        if (cut % 2 == 0)
            raw_reset(fds[cut]);
        else
            assert_int_equal(close(fds[cut]), 0);
        if (cut % 10 == 0)
            good_goes_on(w);
    }
}

struct mischief {
    const char *name;
    void (*run)(struct world *w);
};

static const struct mischief mischief_table[] = {
    {"random_octets__are_closed", random_octets},
    {"fault_a13__http_request__is_closed", http_request},
    {"fault_a2__half_a_greeting_and_silence__is_closed_when_late", half_a_greeting},
    {"greeting_and_silence__is_closed_when_late", greeting_and_silence},
    {"other_mechanism__is_closed", other_mechanism},
    {"wrong_type__is_closed", wrong_type},
    {"fault_a5__broken_ready__is_closed", broken_ready},
    {"fault_a7__message_before_ready__is_closed", message_before_ready},
    {"fault_a4__length_of_2_to_63__is_closed", length_of_2_to_63},
    {"fault_a4__length_of_2_to_62__is_closed", length_of_2_to_62},
    {"fault_a5__oversize_command__is_closed", oversize_command},
    {"oversize_message__is_closed", oversize_message},
    {"garbage_after_ready__is_closed", garbage_after_ready},
    {"reserved_flags__are_closed", reserved_flags},
    {"fault_d1__cut_message__is_dropped", cut_by_the_end},
    {"one_octet_at_a_time_and_too_slow__is_closed", one_octet_at_a_time_and_too_slow},
    {"connects_and_closes_200_times__leaves_nothing", connects_and_closes},
    {"fault_a14__cut_after_every_prefix_of_a_handshake__leaves_nothing", cut_after_every_prefix},
    {"fault_a15__joins_and_closes_50_times__leaves_nothing", joins_and_closes},
};

/* --- nothing is left -------------------------------------------------------------------------- */

/* What the process has. */
struct holdings {
    uint64_t block_count;
    size_t fd_count;
};

static struct holdings look(void)
{
    return (struct holdings) {mcq_alloc_ledger().block_count, open_fd_count()};
}

/* Strangers go in the background: what is left once that is over. */
static struct holdings settle(struct world *w)
{
    struct holdings last = look();

    for (int same_count = 0; same_count < SETTLED_COUNT;) {
        good_goes_on(w);
        struct holdings now = look();
        bool is_same = now.block_count == last.block_count && now.fd_count == last.fd_count;

        same_count = is_same ? same_count + 1 : 0;
        last = now;
    }
    return last;
}

static void expect_no_more_than(struct world *w, struct holdings before)
{
    int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS;
    struct holdings now;

    while ((now = look()).block_count > before.block_count || now.fd_count > before.fd_count) {
        if (raw_now_ms() > until_ms)
            fail_msg("left of strangers: %d allocations, %d descriptors",
                     (int) (now.block_count - before.block_count),
                     (int) (now.fd_count - before.fd_count));
        good_goes_on(w);
    }
}

static void expect_as_before(const struct holdings *before)
{
    struct holdings now = look();

    assert_int_equal(now.block_count, before->block_count);
    assert_int_equal(now.fd_count, before->fd_count);
}

/* --- others, each a test of its own ----------------------------------------------------------- */

/* Slow, but as it must be. */
static void one_octet_at_a_time(struct world *w)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fd = raw_connect(w->patient_port);
    size_t len = RAW_GREETING_BYTES;

    raw_greeting(octets, "NULL");
    len += raw_ready(octets + len, peer_type(w), NULL);
    memcpy(octets + len, "\0\5other\0\5other", 14);
    len += 14;
    for (size_t i = 0; i < len; i++) {
        assert_true(raw_send(fd, octets + i, 1));
        if (i % 8 == 0)
            good_goes_on(w);
    }
    for (int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS; w->other_count < 2;) {
        assert_true(raw_now_ms() < until_ms);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

static void skip_without_descriptors(struct world *w, rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= count)
        return;
    close_world(w);
    print_message("# fewer than %u descriptors are allowed here\n", (unsigned) count);
    skip();
}

static void mute_flood(struct world *w, uint16_t port)
{
    skip_without_descriptors(w, 2 * BAD_MAX + 100);
    for (int i = 0; i < BAD_MAX; i++) {
        (void) be_bad(w, port);
        if (i % 50 == 0)
            good_goes_on(w);
    }
}

static void mute_flood_is_closed(struct world *w)
{
    struct holdings inner = settle(w);

    mute_flood(w, w->hasty_port);
    expect_closed(w);
    expect_no_more_than(w, inner);
}

/* They have all the time of the world, and yet must make room. */
static void mute_flood_keeps_nobody_out(struct world *w)
{
    struct holdings inner = settle(w);

    mute_flood(w, w->patient_port);
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_true(raw_send_frame(fd, 0, "other", 5));
    for (int64_t until_ms = raw_now_ms() + RAW_PATIENCE_MS; w->other_count < 1;) {
        assert_true(raw_now_ms() < until_ms);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
    while (w->bad_count > 0)
        assert_int_equal(close(w->bad[--w->bad_count]), 0);
    expect_no_more_than(w, inner);
}

/* What the kernel keeps of a connection, in one direction: SO_RCVBUF, SO_SNDBUF. */
static void set_kernel_room(int fd, int option, int len)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &len, sizeof len), 0);
}

#define LITTLE_ROOM 16384 /* with less, TCP waits for room in ever longer steps */
#define PING_COUNT 60000
#define PING_BYTES 13 /* flags, size, name, ttl, a number as context */
#define PONG_BYTES 11

static void make_pings(uint8_t *octets)
{
    for (uint32_t i = 0; i < PING_COUNT; i++, octets += PING_BYTES) {
        memcpy(octets, "\4\13\4PING\0\0", 9);
        (void) mcq_put_u32be(octets + 9, i);
    }
}

/* Sends what is taken; while nothing is, time passes. */
static size_t send_until_stuck(struct world *w, int fd, const uint8_t *octets, size_t len)
{
    size_t sent = 0;

    for (int stuck_count = 0; sent < len && stuck_count < SETTLED_COUNT;) {
        ssize_t step = send(fd, octets + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        stuck_count = step > 0 ? 0 : stuck_count + 1;
        sent += step > 0 ? (size_t) step : 0;
        good_goes_on(w);
    }
    return sent;
}

static void expect_pong(int fd, uint32_t number)
{
    uint8_t octets[PONG_BYTES];

    assert_true(raw_recv(fd, octets, sizeof octets));
    assert_memory_equal(octets, "\4\11\4PONG", 7);
    assert_int_equal(mcq_get_u32be(octets + 7), number);
}

/* Its answers have nowhere to go, so it is not read any more; nobody else is kept waiting. */
static void pings(struct world *w)
{
    static uint8_t octets[PING_COUNT * PING_BYTES];
    int fd = raw_join(w->patient_port, peer_type(w), NULL);
    size_t sent;

    set_kernel_room(fd, SO_RCVBUF, LITTLE_ROOM);
    set_kernel_room(fd, SO_SNDBUF, LITTLE_ROOM);
    make_pings(octets);
    sent = send_until_stuck(w, fd, octets, sizeof octets);
    assert_in_range(sent, 1, sizeof octets - 1);
    set_kernel_room(fd, SO_RCVBUF, 1 << 20);
    for (uint32_t i = 0; i < PING_COUNT; i++) {
        size_t left = sizeof octets - sent;
        ssize_t step = left > 0 ? send(fd, octets + sent, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

        sent += step > 0 ? (size_t) step : 0;
        expect_pong(fd, i);
        if (i % 1000 == 0)
            good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

/* The owner takes one message and stops: what else it has heard of is the engine's to read. */
static void owner_stops(struct world *w)
{
    static const uint8_t octets[] = "\0\5other\4\13\4PING\0\0";
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t number[4];
        struct mcq_msg msg;

        (void) mcq_put_u32be(number, i);
        assert_true(raw_send_frame(w->good, 0, "good", 4));
        assert_true(raw_send(fd, octets, sizeof octets - 1) && raw_send(fd, number, 4));
        msg = recv_part(w);
        mcq_msg_fini(&msg);
        expect_pong(fd, i);
        msg = recv_part(w);
        mcq_msg_fini(&msg);
    }
    assert_int_equal(close(fd), 0);
}

static void name_of_another(struct world *w)
{
    w->bad[w->bad_count++] = raw_join(w->patient_port, peer_type(w), "good");
    expect_closed(w);
}

/* The good peer has said something before each look; another one's message waits meanwhile. */
static void greedy_peer(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    good_goes_on(w); /* its turn has begun */
    assert_true(raw_send_frame(fd, 0, "other", 5));
    for (uint32_t first = w->number; w->other_count < 1;) {
        assert_in_range(w->number - first, 0, GREED_MAX);
        good_goes_on(w);
    }
    assert_int_equal(close(fd), 0);
}

static void wait_for_subscriber(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);
    uint8_t body[255];
    uint8_t flags;

    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, 20), MCQ_AGAIN);
    assert_true(raw_subscribe(fd, "much"));
    assert_int_equal(mcq_socket_wait_peers(w->socket, 2, RAW_PATIENCE_MS), MCQ_OK);
    send_part(w, "much", 4, false);
    assert_int_equal(raw_recv_frame(fd, body, &flags), 4);
    assert_int_equal(raw_recv_frame(w->good, body, &flags), 4);
    assert_int_equal(close(fd), 0);
}

#define MUCH_COUNT 30000
#define FILLER_BYTES 200

static void publish_much(struct world *w, uint32_t number)
{
    static const uint8_t filler[FILLER_BYTES];

    send_part(w, "much", 4, true);
    send_part(w, &number, sizeof number, true);
    send_part(w, filler, sizeof filler, false);
}

/* A whole message; returns its number. */
static uint32_t recv_much(int fd)
{
    uint8_t body[255];
    uint32_t number;
    uint8_t flags;

    assert_int_equal(raw_recv_frame(fd, body, &flags), 4);
    assert_memory_equal(body, "much", 4);
    assert_int_equal(flags, RAW_MORE);
    assert_int_equal(raw_recv_frame(fd, body, &flags), sizeof number);
    assert_int_equal(flags, RAW_MORE);
    memcpy(&number, body, sizeof number);
    assert_int_equal(raw_recv_frame(fd, body, &flags), FILLER_BYTES);
    assert_int_equal(flags, 0);
    return number;
}

/* What it gets in the end is whole, and in order; the good one gets all. */
static void mute_subscriber(struct world *w)
{
    int fd = raw_join(w->patient_port, peer_type(w), NULL);
    uint32_t number = 0;
    uint32_t last = 0;
    uint32_t got_count = 0;

    set_kernel_room(fd, SO_RCVBUF, LITTLE_ROOM);
    assert_true(raw_subscribe(fd, "much"));
    while (number < MUCH_COUNT) {
        publish_much(w, ++number);
        assert_int_equal(recv_much(w->good), number);
    }
    set_kernel_room(fd, SO_RCVBUF, 1 << 20);
    while (last <= MUCH_COUNT) {
        struct pollfd input = {.fd = fd, .events = POLLIN};

        if (poll(&input, 1, 0) == 0) { /* it has all that was not dropped: one more */
            publish_much(w, ++number);
            assert_int_equal(recv_much(w->good), number);
            assert_in_range(number, 1, 10 * MUCH_COUNT);
            (void) poll(&input, 1, 1);
            continue;
        }
        uint32_t next = recv_much(fd);

        assert_true(next > last);
        last = next;
        got_count++;
    }
    assert_true(got_count < MUCH_COUNT);
    assert_int_equal(close(fd), 0);
}

/* Each costs memory, of which a peer may have so much. */
static void endless_subscriptions(struct world *w)
{
    struct holdings inner = settle(w);
    uint8_t octets[2 + 10 + FILLER_BYTES] = "\4\0\11SUBSCRIBE";
    int fd = be_bad_later(w);
    uint32_t count = 0;

    octets[1] = sizeof octets - 2;
    do {
        (void) mcq_put_u32be(octets + 12, ++count);
        if (count % 1000 == 0)
            good_goes_on(w);
        assert_in_range(count, 1, 1 << 20);
    } while (raw_send(fd, octets, sizeof octets));
    expect_closed(w);
    expect_no_more_than(w, inner);
}

#define GONE_COUNT 40
#define GONE_BUDGET (UINT64_C(1) << 20)
#define GONE_EACH ((UINT64_C(16) << 10) + (UINT64_C(64) << 10)) /* a floor, and what is untold */

/* They say as much as the stream takes, and are gone before anybody has read it: what is found of
 * it when they are missed is kept as far as the budget goes. */
static void gone_with_much_unread(struct world *w)
{
    static const uint8_t frame[2 + 64] = {0, 64};
    struct mcq_msg msg;

    mcq_context_set_budget(w->context, GONE_BUDGET);
    for (int i = 0; i < GONE_COUNT; i++) {
        char name[24];
        int fd;

        (void) snprintf(name, sizeof name, "gone-%d", i);
        fd = raw_join(w->patient_port, peer_type(w), name);
        while (send(fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof frame)
            continue;
        raw_reset(fd);
        for (int said = 0; said < 2; said++) { /* nobody hears it, and the second one shows that */
            send_part(w, name, strlen(name), true);
            send_part(w, "there?", 6, false);
        }
    }
    assert_true(mcq_permits_used_bytes(&w->context->budget) <=
                GONE_BUDGET + GONE_COUNT * GONE_EACH);
    assert_int_equal(mcq_socket_enter(w->socket), MCQ_OK);
    mcq_socket_leave(w->socket);
    while (mcq_socket_recv(w->socket, &msg, 0) == MCQ_OK) /* all that are left are whole */
        mcq_msg_fini(&msg);
}

/* --- tests ----------------------------------------------------------------------------------- */

static const char *asked_engine; /* NULL: any */

struct row {
    const struct mischief *mischief;
    void (*run)(struct world *w); /* a test of its own; NULL: the mischief */
    enum mcq_socket_type type;
    const char *engine;
    char name[120];
};

/* The first time, rooms grow to what they need; the second time nothing may. */
static void run_mischief(const struct mischief *mischief, struct world *w)
{
    struct holdings inner;

    mischief->run(w);
    expect_closed(w);
    inner = settle(w);
    mischief->run(w);
    expect_closed(w);
    expect_no_more_than(w, inner);
    assert_int_equal(w->other_count, 0);
}

static void run_row(void **state)
{
    const struct row *row = *state;
    struct holdings before = look();
    struct world w;

    if (asked_engine != NULL && strcmp(asked_engine, row->engine) != 0) {
        print_message("# MONOCOQUE_ENGINE asks for another engine\n");
        skip();
    }
    assert_int_equal(setenv("MONOCOQUE_ENGINE", row->engine, 1), 0);
    open_world(&w, row->type);
    good_goes_on(&w);
    if (row->mischief != NULL)
        run_mischief(row->mischief, &w);
    else
        row->run(&w);
    good_goes_on(&w);
    close_world(&w);
    expect_as_before(&before);
}

/* --- the table ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum mcq_socket_type type;
    void (*run)(struct world *w);
} special_table[] = {
    {"one_octet_at_a_time__arrives_whole", MCQ_SOCKET_TYPE_PULL, one_octet_at_a_time},
    {"one_octet_at_a_time__arrives_whole", MCQ_SOCKET_TYPE_ROUTER, one_octet_at_a_time},
    {"fault_a3__flood_of_mute_strangers__is_closed_when_late", MCQ_SOCKET_TYPE_PULL,
     mute_flood_is_closed},
    {"fault_a1__flood_of_mute_strangers__keeps_nobody_out", MCQ_SOCKET_TYPE_PULL,
     mute_flood_keeps_nobody_out},
    {"fault_c7__pings_without_reading__are_answered_once_it_reads", MCQ_SOCKET_TYPE_PULL, pings},
    {"fault_c7__pings_without_reading__are_answered_once_it_reads", MCQ_SOCKET_TYPE_PUB, pings},
    {"owner_that_stops__others_are_read", MCQ_SOCKET_TYPE_PULL, owner_stops},
    {"name_of_another_peer__is_closed", MCQ_SOCKET_TYPE_ROUTER, name_of_another},
    {"fault_c11__peer_that_always_has_more__keeps_others_waiting_a_little", MCQ_SOCKET_TYPE_PULL,
     greedy_peer},
    {"fault_c11__peer_that_always_has_more__keeps_others_waiting_a_little", MCQ_SOCKET_TYPE_ROUTER,
     greedy_peer},
    {"wait_peers__counts_who_has_subscribed", MCQ_SOCKET_TYPE_PUB, wait_for_subscriber},
    {"fault_c10__subscriber_that_does_not_read__misses_whole_messages", MCQ_SOCKET_TYPE_PUB,
     mute_subscriber},
    {"fault_c3__endless_subscriptions__are_closed", MCQ_SOCKET_TYPE_PUB, endless_subscriptions},
    {"fault_c13__peers_gone_with_much_unread__stay_within_the_budget", MCQ_SOCKET_TYPE_ROUTER,
     gone_with_much_unread},
};

static const enum mcq_socket_type types[] = {MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_ROUTER,
                                             MCQ_SOCKET_TYPE_PUB};
static const char *const engines[] = {"epoll", "io_uring"};

#define SPECIAL_COUNT MCQ_COUNTOF(special_table)
#define ROWS_MAX                                                                                   \
    (MCQ_COUNTOF(engines) *                                                                        \
     (MCQ_COUNTOF(types) * MCQ_COUNTOF(mischief_table) + MCQ_COUNTOF(special_table)))

static struct row rows[ROWS_MAX];
static struct CMUnitTest tests[ROWS_MAX];
static size_t row_count;

static void add_row(struct row row, const char *name)
{
    struct row *added = &rows[row_count];

    *added = row;
    (void) snprintf(added->name, sizeof added->name, "%s_%s__%s", row.engine,
                    mcq_socket_type_name(row.type), name);
    tests[row_count++] =
        (struct CMUnitTest) {.name = added->name, .test_func = run_row, .initial_state = added};
}

int main(int argc, char **argv)
{
    struct rlimit limit = {0};

    asked_engine = getenv("MONOCOQUE_ENGINE");
    (void) getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t engine = 0; engine < MCQ_COUNTOF(engines); engine++) {
        for (size_t i = 0; i < MCQ_COUNTOF(mischief_table); i++)
            for (size_t type = 0; type < MCQ_COUNTOF(types); type++)
                add_row((struct row) {.mischief = &mischief_table[i],
                                      .type = types[type],
                                      .engine = engines[engine]},
                        mischief_table[i].name);
        for (size_t i = 0; i < MCQ_COUNTOF(special_table); i++)
            add_row((struct row) {.run = special_table[i].run,
                                  .type = special_table[i].type,
                                  .engine = engines[engine]},
                    special_table[i].name);
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* like "epoll_PULL__*" */
    return _cmocka_run_group_tests("bad_input", tests, row_count, NULL, NULL);
}
