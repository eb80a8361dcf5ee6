/*
 * strangers: connections that mean harm, all of one kind, for a bounded time and number.
 *
 *   attack_strangers PORT KIND [--ms 4000] [--count N] [--rate N] [--key KEY] [--seed N]
 *
 *   count   how many at a time
 *   rate    how many begin in a second, at most
 *   key     the target's public one, for the kinds that speak CURVE
 *
 * They come from 127.0.1.1 to 127.0.1.32, to this machine and to nowhere else. Says at the end what
 * it did: "begun=N closed=N octets=N cpu_us=N", closed: by the target.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "attack/attack.h"

#define WORDS_MAX 4096 /* what one says at first */
#define SOURCES 32
#define EVENTS 256
#define DRIP_NS UINT64_C(200000000)
#define GREETING_BYTES 64

#define MORE 1
#define LONG 2
#define COMMAND 4

/* What it does once all of its first words are said. */
enum manner {
    WAITS,   /* until it is closed */
    DRIPS,   /* it says them one octet at a time, and is never through */
    RESETS,  /* and the next one comes */
    ANSWERS, /* the same, once it has had an answer */
    FLOODS,  /* says the second half of them over and over, and reads nothing */
    TALKS,   /* the same, and reads what it is told */
};

struct stranger {
    int fd; /* -1: none */
    uint16_t len;
    uint16_t said;
    uint16_t again_at; /* where a flood begins anew */
    bool is_connected;
    uint8_t words[WORDS_MAX];
};

struct kind {
    const char *name;
    enum manner manner;
    size_t count;
    size_t rate;
    void (*prepare)(struct stranger *stranger);
};

static struct stranger *strangers;
static size_t stranger_count;
static uint8_t hello_command[200];
static uint64_t random_state;
static uint64_t begun_count;
static uint64_t closed_count;
static uint64_t octet_count;
static uint16_t port;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* --- what they say ---------------------------------------------------------------------------- */

static void put(struct stranger *stranger, const void *octets, size_t len)
{
    memcpy(stranger->words + stranger->len, octets, len);
    stranger->len = (uint16_t) (stranger->len + len);
}

static void put_random(struct stranger *stranger, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t octet = (uint8_t) next_random();

        put(stranger, &octet, 1);
    }
}

static void put_greeting(struct stranger *stranger, const char *mechanism)
{
    uint8_t octets[GREETING_BYTES] = {0xff, [9] = 0x7f, [10] = 3, [11] = 1};

    memcpy(octets + 12, mechanism, strlen(mechanism));
    put(stranger, octets, sizeof octets);
}

static void put_ready(struct stranger *stranger)
{
    put(stranger, "\4\34\5READY\13Socket-Type\0\0\0\6DEALER", 30);
}

/* The head of a long frame. */
static void put_claim(struct stranger *stranger, uint8_t flags, uint64_t size)
{
    uint8_t octets[9] = {flags | LONG};

    for (int i = 0; i < 8; i++)
        octets[1 + i] = (uint8_t) (size >> (56 - 8 * i));
    put(stranger, octets, sizeof octets);
}

static void say_slowly(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
}

static void say_garbage(struct stranger *stranger)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x16\x03\x01\x02",
    };
    uint64_t which = next_random() % 6;

    if (which < 3)
        put(stranger, texts[which], strlen(texts[which]));
    else if (which == 3)
        put_greeting(stranger, "NULL");
    else if (which == 4)
        put_claim(stranger, 0xff, UINT64_MAX >> 1);
    put_random(stranger, 512 + next_random() % 512);
}

static void say_nothing(struct stranger *stranger)
{
    (void) stranger;
}

/* Messages and commands as a peer would send them, but for the READY. */
static void say_frames(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    for (int i = 0; i < 32; i++)
        put(stranger, i % 2 == 0 ? "\1\0\0\5hello" : "\4\7\4PING\0\0\0", 9);
}

static void say_claims(struct stranger *stranger)
{
    static const uint64_t sizes[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 40,
                                     UINT64_C(1) << 62, UINT64_C(1) << 63};

    put_greeting(stranger, "NULL");
    if (next_random() % 4 == 0)
        put(stranger, "\4\26\5READY\13Socket-Type\177\377\377\377", 24);
    else
        put_claim(stranger, next_random() % 2 ? COMMAND : 0, sizes[next_random() % 5]);
    put_random(stranger, 64);
}

/* Peers that are let in, and announce the longest message that may be. */
static void say_claims_inside(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    put_ready(stranger);
    put_claim(stranger, next_random() % 2 ? MORE : 0, (64 << 20) - next_random() % 1000);
    put_random(stranger, 1024);
}

static void say_commands(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    put_ready(stranger);
    stranger->again_at = stranger->len;
    for (int i = 0; i < 64; i++) {
        put(stranger, "\4\13\4PING\0\0abcd", 13);
        put(stranger, "\4\11\5WHAT?xyz", 11);
    }
}

static void say_unknown(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    put_ready(stranger);
    stranger->again_at = stranger->len;
    for (int i = 0; i < 128; i++)
        put(stranger, "\4\11\5WHAT?xyz", 11);
}

static void say_pings(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    put_ready(stranger);
    stranger->again_at = stranger->len;
    for (int i = 0; i < 128; i++)
        put(stranger, "\4\13\4PING\0\0abcd", 13);
}

static void say_messages(struct stranger *stranger)
{
    put_greeting(stranger, "NULL");
    put_ready(stranger);
    stranger->again_at = stranger->len;
    for (int i = 0; i < 24; i++) {
        put(stranger, "\0\100", 2);
        put_random(stranger, 64);
    }
}

static void say_hello(struct stranger *stranger)
{
    put_greeting(stranger, "CURVE");
    put(stranger, "\4\310", 2);
    put(stranger, hello_command, sizeof hello_command);
}

/* All is as it should be but what only the cipher tells. */
static void say_forged_hello(struct stranger *stranger)
{
    say_hello(stranger);
    stranger->words[stranger->len - 1 - next_random() % 80] ^= 1;
}

static const struct kind kinds[] = {
    /* name             manner   count  rate   prepare */
    {"slow", DRIPS, 10000, 5000, say_slowly},
    {"mute", WAITS, 10000, 5000, say_nothing},
    {"garbage", WAITS, 500, 1000, say_garbage},
    {"connects", RESETS, 200, 50000, say_nothing},
    {"frames", WAITS, 200, 1000, say_frames},
    {"claims", WAITS, 200, 1000, say_claims},
    {"claims-inside", WAITS, 200, 1000, say_claims_inside},
    {"commands", FLOODS, 10, 10, say_commands},
    {"unknown", FLOODS, 10, 10, say_unknown},
    {"pings", TALKS, 10, 10, say_pings},
    {"messages", FLOODS, 10, 10, say_messages},
    {"hello", WAITS, 10000, 1000, say_hello},
    {"hello-again", ANSWERS, 200, 50000, say_hello},
    {"hello-forged", WAITS, 200, 1000, say_forged_hello},
};

/* RFC 26: the only box that anybody can make; it may be said as often as one likes. */
static void prepare_hello(const char *text)
{
    static const uint8_t proof[64] = {0};
    uint8_t nonce[crypto_box_NONCEBYTES] = "CurveZMQHELLO---";
    uint8_t server[crypto_box_PUBLICKEYBYTES];
    uint8_t public[crypto_box_PUBLICKEYBYTES];
    uint8_t secret[crypto_box_SECRETKEYBYTES];

    need(mcq_z85_to_octets(text, server), "key");
    need(sodium_init(), "sodium");
    (void) crypto_box_keypair(public, secret);
    nonce[23] = 1;
    memcpy(hello_command, "\5HELLO\1\0", 8);
    memcpy(hello_command + 80, public, sizeof public);
    memcpy(hello_command + 112, nonce + 16, 8);
    need(crypto_box_easy(hello_command + 120, proof, sizeof proof, nonce, server, secret), "box");
}

/* --- their lives ------------------------------------------------------------------------------ */

static bool begin(const struct kind *kind, struct stranger *stranger, int epoll)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = stranger};
    int at_once = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    from.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t) (begun_count % SOURCES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &at_once, sizeof at_once);
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    if (bind(fd, (struct sockaddr *) &from, sizeof from) != 0 ||
        (connect(fd, (struct sockaddr *) &to, sizeof to) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void) close(fd);
        return false;
    }
    stranger->fd = fd;
    stranger->len = 0;
    stranger->said = 0;
    stranger->again_at = 0;
    stranger->is_connected = false;
    kind->prepare(stranger);
    begun_count++;
    return true;
}

/* By a reset, so that no port waits. */
static void end(struct stranger *stranger)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    (void) setsockopt(stranger->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void) close(stranger->fd);
    stranger->fd = -1;
}

static bool is_flood(const struct kind *kind)
{
    return kind->manner == FLOODS || kind->manner == TALKS;
}

/* False: the target has closed it. */
static bool say(const struct kind *kind, struct stranger *stranger, size_t most)
{
    for (unsigned round = 0; round < 64; round++) {
        size_t left = stranger->len - stranger->said;
        ssize_t sent;

        if (left == 0 && (!is_flood(kind) || stranger->len == 0))
            return true;
        if (left == 0) {
            stranger->said = stranger->again_at;
            continue;
        }
        sent = send(stranger->fd, stranger->words + stranger->said, left < most ? left : most,
                    MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        stranger->said = (uint16_t) (stranger->said + sent);
        octet_count += (uint64_t) sent;
        if (most == 1)
            return true;
    }
    return true;
}

/* False: the target has closed it. */
static bool hear_out(struct stranger *stranger, bool *has_heard)
{
    char room[4096];
    ssize_t got;

    while ((got = recv(stranger->fd, room, sizeof room, 0)) > 0)
        *has_heard = true;
    return got < 0 && errno == EAGAIN;
}

static void on_event(const struct kind *kind, struct stranger *stranger, uint32_t events)
{
    bool has_heard = false;
    bool is_there = (events & (EPOLLERR | EPOLLHUP)) == 0;

    if (is_there && (events & EPOLLOUT) != 0) {
        stranger->is_connected = true;
        if (kind->manner == RESETS) {
            end(stranger);
            return;
        }
        if (kind->manner != DRIPS)
            is_there = say(kind, stranger, SIZE_MAX);
    }
    if (is_there && kind->manner != FLOODS)
        is_there = hear_out(stranger, &has_heard);
    if (!is_there) {
        closed_count++;
        end(stranger);
    } else if (kind->manner == ANSWERS && stranger->said > GREETING_BYTES && has_heard) {
        end(stranger); /* the greeting or WELCOME: both were computed by now, or are about to be */
    }
}

static size_t begin_some(const struct kind *kind, size_t from, uint64_t most, int epoll)
{
    for (size_t i = 0; i < stranger_count && begun_count < most; i++) {
        struct stranger *stranger = &strangers[(from + i) % stranger_count];

        if (stranger->fd < 0 && !begin(kind, stranger, epoll))
            return from + i;
    }
    return from + stranger_count;
}

static void drip(const struct kind *kind)
{
    for (size_t i = 0; i < stranger_count; i++) {
        struct stranger *stranger = &strangers[i];

        if (stranger->fd >= 0 && stranger->is_connected && !say(kind, stranger, 1)) {
            closed_count++;
            end(stranger);
        }
    }
}

static void run(const struct kind *kind, uint64_t rate, uint64_t for_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t began_ns = clock_ns();
    uint64_t dripped_ns = began_ns;
    uint64_t now_ns;
    size_t from = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    need(epoll, "epoll");
    while ((now_ns = clock_ns()) - began_ns < for_ns) {
        from = begin_some(kind, from, 1 + rate * ((now_ns - began_ns) / 1000) / 1000000, epoll);
        if (kind->manner == DRIPS && now_ns - dripped_ns >= DRIP_NS) {
            dripped_ns = now_ns;
            drip(kind);
        }
        int count = epoll_wait(epoll, events, EVENTS, 1);

        for (int i = 0; i < count; i++)
            on_event(kind, events[i].data.ptr, events[i].events);
        if (is_flood(kind))
            for (size_t i = 0; i < stranger_count; i++)
                if (strangers[i].fd >= 0 && strangers[i].is_connected &&
                    !say(kind, &strangers[i], SIZE_MAX)) {
                    closed_count++;
                    end(&strangers[i]);
                }
    }
    for (size_t i = 0; i < stranger_count; i++)
        if (strangers[i].fd >= 0)
            end(&strangers[i]);
    (void) close(epoll);
}

int main(int count, char **words)
{
    struct rlimit limit = {0};
    const struct kind *kind = NULL;
    const char *key = text_of(count, words, "--key");

    for (size_t i = 0; count > 2 && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(words[2], kinds[i].name) == 0)
            kind = &kinds[i];
    if (kind == NULL) {
        (void) fprintf(stderr, "usage: attack_strangers PORT KIND [OPTION...]\n");
        return 2;
    }
    (void) getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
    port = (uint16_t) strtoul(words[1], NULL, 10);
    random_state = word_of(count, words, "--seed", 1) * 2 + 1;
    stranger_count = word_of(count, words, "--count", kind->count);
    strangers = calloc(stranger_count, sizeof *strangers);
    if (strangers == NULL)
        return 1;
    for (size_t i = 0; i < stranger_count; i++)
        strangers[i].fd = -1;
    if (key != NULL)
        prepare_hello(key);
    run(kind, word_of(count, words, "--rate", kind->rate),
        word_of(count, words, "--ms", 4000) * UINT64_C(1000000));
    tell("begun=%llu closed=%llu octets=%llu cpu_us=%llu", (unsigned long long) begun_count,
         (unsigned long long) closed_count, (unsigned long long) octet_count,
         (unsigned long long) processor_us());
    free(strangers);
    return 0;
}
