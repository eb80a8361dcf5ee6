/* raw_support: peers in a simulated world that the test plays octet by octet. After sim_support.h.
 */
#ifndef MCQ_TESTS_RUNTIME_RAW_SUPPORT_H
#define MCQ_TESTS_RUNTIME_RAW_SUPPORT_H

#include <stdlib.h>

#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define PORT 5555

static inline int connect_raw(struct world *w)
{
    struct mcq_address address = address_at(INADDR_LOOPBACK, PORT);
    int fd;

    assert_int_equal(mcq_reactor_connect(w->raw, NULL, &address, NULL, &fd), MCQ_IO_AGAIN);
    pass(w, MS);
    assert_int_equal(mcq_reactor_connected(w->raw, fd), MCQ_IO_DONE);
    return fd;
}

/* Whether the other side has closed it; what it said before is dropped. */
static inline bool is_closed(struct world *w, int fd)
{
    uint8_t octets[256];
    struct iovec room = {octets, sizeof octets};
    enum mcq_io_result result;

    do
        result = mcq_reactor_recv(w->raw, fd, &room, 1).result;
    while (result == MCQ_IO_DONE);
    return result != MCQ_IO_AGAIN;
}

/* All of them, as the stream takes them, or until it ends, for ten seconds at most. */
static inline void send_raw(struct world *w, int fd, const void *octets, size_t len)
{
    struct iovec run = {(void *) (uintptr_t) octets, len};
    uint64_t end_ns = now_ns(w) + 10 * SECOND;

    while (run.iov_len > 0 && now_ns(w) < end_ns) {
        struct mcq_io io = mcq_reactor_send(w->raw, fd, &run, 1);

        if (io.result != MCQ_IO_DONE && io.result != MCQ_IO_AGAIN)
            return;
        run.iov_base = (uint8_t *) run.iov_base + io.len;
        run.iov_len -= io.len;
        if (io.result == MCQ_IO_AGAIN)
            pass(w, MS);
    }
}

/* A peer of 3.1 whose handshake is over. */
static inline int join_raw(struct world *w, const char *type)
{
    static const uint8_t greeting[64] = {0xff, 0, 0,   0,   0,   0,   0, 0, 1, 0x7f,
                                         3,    1, 'N', 'U', 'L', 'L', 0, 0, 0, 0};
    static const char name[] = "\5READY\13Socket-Type";
    size_t type_len = strlen(type);
    size_t name_len = sizeof name - 1;
    uint8_t ready[64] = {4};
    int fd = connect_raw(w);

    ready[1] = (uint8_t) (name_len + 4 + type_len);
    memcpy(ready + 2, name, name_len);
    ready[2 + name_len + 3] = (uint8_t) type_len;
    memcpy(ready + 2 + name_len + 4, type, type_len);
    send_raw(w, fd, greeting, sizeof greeting);
    send_raw(w, fd, ready, 2u + ready[1]);
    pass(w, 5 * MS);
    return fd;
}

/* A frame with these flags and a long length, and as many octets of its body. */
static inline void send_frame_raw(struct world *w, int fd, uint8_t flags, uint64_t size, size_t len)
{
    uint8_t *frame = calloc(1, 9 + len);

    assert_non_null(frame);
    frame[0] = flags | 2;
    for (int i = 0; i < 8; i++)
        frame[1 + i] = (uint8_t) (size >> (56 - 8 * i));
    send_raw(w, fd, frame, 9 + len);
    free(frame);
}

/* One part, all zero. */
static inline void send_part_raw(struct world *w, int fd, size_t len, bool more)
{
    uint8_t frame[2 + 255] = {more, (uint8_t) len};

    if (len > 255)
        send_frame_raw(w, fd, more, len, len);
    else
        send_raw(w, fd, frame, 2 + len);
}

/* SUBSCRIBE to the topic of this number, made `len` octets long. */
static inline void subscribe_raw(struct world *w, int fd, size_t number, size_t len)
{
    uint8_t frame[2 + 10 + 200] = {4, (uint8_t) (10 + len)};

    assert_true(len >= sizeof number && len <= 200);
    memcpy(frame + 2, "\11SUBSCRIBE", 10);
    memcpy(frame + 12, &number, sizeof number);
    send_raw(w, fd, frame, 12 + len);
}

#endif
