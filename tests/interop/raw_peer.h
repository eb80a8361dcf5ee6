/*
 * raw_peer: a peer by hand: a TCP connection to this machine, and ZMTP octets as a test wants them,
 * right or wrong: 3.1 with the NULL mechanism, 2.0, or 1.0.
 *
 * Nothing here waits longer than RAW_PATIENCE_MS.
 */
#ifndef MCQ_TESTS_INTEROP_RAW_PEER_H
#define MCQ_TESTS_INTEROP_RAW_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RAW_PATIENCE_MS 10000
#define RAW_GREETING_BYTES 64
#define RAW_COMMAND_MAX 512

#define RAW_MORE 1
#define RAW_LONG 2
#define RAW_COMMAND 4

static inline int64_t raw_now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A connection; the caller closes it. */
static inline int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int at_once = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof to), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once), 0);
    return fd;
}

/* Closes it so that the other end gets a reset. */
static inline void raw_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(fd), 0);
}

/* Sends all of it. False: the other end is gone, or takes no more of it. */
static inline bool raw_send(int fd, const void *octets, size_t len)
{
    const char *at = octets;

    while (len > 0) {
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0 && poll(&room, 1, RAW_PATIENCE_MS) != 1)
            return false;
        if (sent > 0) {
            at += sent;
            len -= (size_t) sent;
        }
    }
    return true;
}

/* Receives just as much. False: the other end is gone, or says no more. */
static inline bool raw_recv(int fd, void *room, size_t len)
{
    char *at = room;

    while (len > 0) {
        struct pollfd input = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&input, 1, RAW_PATIENCE_MS) == 1 ? recv(fd, at, len, 0) : 0;

        if (got <= 0)
            return false;
        at += got;
        len -= (size_t) got;
    }
    return true;
}

/* Whether the other end has closed the connection; drops what it said before. Never waits. */
static inline bool raw_is_closed(int fd)
{
    char room[4096];
    ssize_t got;

    do
        got = recv(fd, room, sizeof room, MSG_DONTWAIT);
    while (got > 0);
    return got == 0 || errno != EAGAIN;
}

/* --- protocol -------------------------------------------------------------------------------- */

/* RFC 37, Greeting: signature, version 3.1, mechanism, as-server, filler. */
static inline void raw_greeting(uint8_t octets[RAW_GREETING_BYTES], const char *mechanism)
{
    memset(octets, 0, RAW_GREETING_BYTES);
    octets[0] = 0xff;
    octets[9] = 0x7f;
    octets[10] = 3;
    octets[11] = 1;
    memcpy(octets + 12, mechanism, strlen(mechanism));
}

static inline size_t raw_property(uint8_t *octets, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    size_t value_len = strlen(value);

    octets[0] = (uint8_t) name_len;
    memcpy(octets + 1, name, name_len);
    memset(octets + 1 + name_len, 0, 3);
    octets[4 + name_len] = (uint8_t) value_len;
    memcpy(octets + 5 + name_len, value, value_len);
    return 5 + name_len + value_len;
}

/* A short frame with a READY; returns its length. identity: NULL or a text. */
static inline size_t raw_ready(uint8_t octets[RAW_COMMAND_MAX], const char *type,
                               const char *identity)
{
    size_t len = 2;

    memcpy(octets + len, "\5READY", 6);
    len += 6;
    len += raw_property(octets + len, "Socket-Type", type);
    if (identity != NULL)
        len += raw_property(octets + len, "Identity", identity);
    octets[0] = RAW_COMMAND;
    octets[1] = (uint8_t) (len - 2);
    return len;
}

/* The other end's side of the handshake: its greeting and one command. */
static inline bool raw_recv_handshake(int fd)
{
    uint8_t octets[256];

    return raw_recv(fd, octets, RAW_GREETING_BYTES) && raw_recv(fd, octets, 2) &&
           octets[0] == RAW_COMMAND && raw_recv(fd, octets, octets[1]);
}

/* A connection behind its handshake; the caller closes it. */
static inline int raw_join(uint16_t port, const char *type, const char *identity)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fd = raw_connect(port);

    raw_greeting(octets, "NULL");
    size_t len = raw_ready(octets + RAW_GREETING_BYTES, type, identity);

    assert_true(raw_send(fd, octets, RAW_GREETING_BYTES + len));
    assert_true(raw_recv_handshake(fd));
    return fd;
}

/* A frame of at most 255 octets. */
static inline bool raw_send_frame(int fd, uint8_t flags, const void *body, size_t len)
{
    uint8_t octets[2 + 255] = {flags, (uint8_t) len};

    memcpy(octets + 2, body, len);
    return raw_send(fd, octets, 2 + len);
}

/* A frame of at most 255 octets; returns its length, -1 if none came. */
static inline int raw_recv_frame(int fd, uint8_t body[255], uint8_t *flags)
{
    uint8_t head[2];

    if (!raw_recv(fd, head, sizeof head) || !raw_recv(fd, body, head[1]))
        return -1;
    *flags = head[0];
    return head[1];
}

/* SUBSCRIBE, as of RFC 37. */
static inline bool raw_subscribe(int fd, const char *topic)
{
    uint8_t body[255] = "\11SUBSCRIBE";

    memcpy(body + 10, topic, strlen(topic));
    return raw_send_frame(fd, RAW_COMMAND, body, 10 + strlen(topic));
}

/* --- peers before 3.0 ------------------------------------------------------------------------ */

enum raw_age {
    RAW_1_0,          /* RFC 13 */
    RAW_1_0_GREETING, /* the same behind the greeting of 2.0, revision 0 */
    RAW_2_0,          /* RFC 15 */
};

/* A frame of at most 300 octets. 1.0: the size comes first and counts the flags. */
static inline bool raw_old_send(int fd, enum raw_age age, uint8_t flags, const void *body,
                                size_t len)
{
    uint8_t octets[10 + 300] = {0};
    size_t head = 0;

    if (age != RAW_2_0) {
        octets[head++] = len < 254 ? (uint8_t) (len + 1) : 0xff;
        if (len >= 254) {
            octets[7] = (uint8_t) ((len + 1) >> 8);
            octets[8] = (uint8_t) (len + 1);
            head = 9;
        }
        octets[head++] = flags;
    } else {
        octets[head++] = len < 256 ? flags : flags | RAW_LONG;
        if (len >= 256) {
            octets[7] = (uint8_t) (len >> 8);
            octets[8] = (uint8_t) len;
            head = 9;
        } else {
            octets[head++] = (uint8_t) len;
        }
    }
    memcpy(octets + head, body, len);
    return raw_send(fd, octets, head + len);
}

/* A frame of at most `room` octets; returns its length, -1 if none came. */
static inline int raw_old_recv(int fd, enum raw_age age, uint8_t *body, size_t room, uint8_t *flags)
{
    bool is_1_0 = age != RAW_2_0;
    uint8_t size[9];
    size_t len;
    bool is_long;

    if (!is_1_0 && !raw_recv(fd, flags, 1))
        return -1;
    if (!raw_recv(fd, size, 1))
        return -1;
    len = size[0];
    is_long = is_1_0 ? size[0] == 0xff : *flags & RAW_LONG;
    if (is_long && !raw_recv(fd, size + 1, is_1_0 ? 8 : 7))
        return -1;
    if (is_long)
        len = is_1_0 ? (size_t) size[7] << 8 | size[8] : (size_t) size[6] << 8 | size[7];
    if (is_1_0 && (len-- == 0 || !raw_recv(fd, flags, 1)))
        return -1;
    *flags &= RAW_MORE;
    return len <= room && raw_recv(fd, body, len) ? (int) len : -1;
}

/* What a peer of this age begins with. type: its number. */
static inline bool raw_old_greet(int fd, enum raw_age age, uint8_t type, const char *identity)
{
    uint8_t greeting[12] = {0xff, [9] = 0x7f, [10] = age == RAW_2_0, [11] = type};

    if (age != RAW_1_0 && !raw_send(fd, greeting, sizeof greeting))
        return false;
    return raw_old_send(fd, age, 0, identity, strlen(identity));
}

/* The same of the other end, whose type and identity are these: the ten octets of the signature are
 * a header to a 1.0 peer. */
static inline void raw_old_expect_greeting(int fd, enum raw_age age, uint8_t type,
                                           const char *identity)
{
    uint8_t greeting[12];
    uint8_t body[255];
    uint8_t flags;

    assert_true(raw_recv(fd, greeting, 10));
    assert_int_equal(greeting[0], 0xff);
    assert_int_equal(greeting[8], strlen(identity) + 1);
    assert_int_equal(greeting[9], 0x7f);
    if (age == RAW_1_0) {
        assert_true(raw_recv(fd, body, strlen(identity)));
    } else {
        assert_true(raw_recv(fd, greeting + 10, 2));
        assert_int_equal(greeting[10], 3);
        assert_int_equal(greeting[11], type);
        assert_int_equal(raw_old_recv(fd, age, body, sizeof body, &flags), strlen(identity));
    }
    assert_memory_equal(body, identity, strlen(identity));
}

#endif
