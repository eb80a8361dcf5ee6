/*
 * test_datagrams: what the tests of udp share: plain sockets, and where ours are.
 */
#ifndef MCQ_TESTS_API_TEST_DATAGRAMS_H
#define MCQ_TESTS_API_TEST_DATAGRAMS_H

#include <arpa/inet.h>
#include <poll.h>

#include "api/test_support.h"
#include "wire/limits.h"

#define PLACE "udp://127.0.0.1:*"

/* --- plain sockets --------------------------------------------------------------------------- */

struct plain {
    int fd;
    char address[ENDPOINT_BYTES - sizeof "udp://"]; /* IP:PORT */
    char endpoint[ENDPOINT_BYTES];
};

static inline struct plain open_plain(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct plain plain = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
    socklen_t len = sizeof in;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(plain.fd, (struct sockaddr *) &in, len), 0);
    assert_int_equal(getsockname(plain.fd, (struct sockaddr *) &in, &len), 0);
    (void) snprintf(plain.address, sizeof plain.address, "127.0.0.1:%d", ntohs(in.sin_port));
    (void) snprintf(plain.endpoint, sizeof plain.endpoint, "udp://%s", plain.address);
    return plain;
}

static inline void say(const struct plain *plain, const char *endpoint, const void *octets,
                       size_t len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    in.sin_port = htons((uint16_t) strtol(strrchr(endpoint, ':') + 1, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(sendto(plain->fd, octets, len, 0, (struct sockaddr *) &in, sizeof in), len);
}

/* The engine of a context without threads runs in our calls. */
static inline void await_datagram(const struct plain *plain)
{
    struct pollfd entry = {.fd = plain->fd, .events = POLLIN};

    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until;) {
        if (inline_context != NULL)
            (void) mcq_ctx_run(inline_context, 0);
        if (poll(&entry, 1, inline_context != NULL ? 0 : 10) == 1)
            return;
    }
    fail_msg("no datagram comes");
}

static inline void hear(const struct plain *plain, const void *octets, size_t len)
{
    static uint8_t room[2 * MCQ_MAX_DATAGRAM_BYTES];

    await_datagram(plain);
    assert_int_equal(recv(plain->fd, room, sizeof room, 0), len);
    if (len > 0)
        assert_memory_equal(room, octets, len);
}

/* --- sockets --------------------------------------------------------------------------------- */

static inline void last_endpoint(struct mcq_socket *socket, char endpoint[ENDPOINT_BYTES])
{
    size_t len = ENDPOINT_BYTES;

    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
}

/* Bound to a free port of ours. */
static inline struct mcq_socket *open_bound(struct world *world, enum mcq_type type,
                                            char endpoint[ENDPOINT_BYTES])
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_bind(socket, PLACE));
    last_endpoint(socket, endpoint);
    return socket;
}

static inline uint64_t drops_of(struct mcq_socket *socket, enum mcq_drop why)
{
    struct mcq_socket_stats stats;

    assert_works(mcq_stats(socket, &stats, sizeof stats));
    return stats.drops[why];
}

#endif
