/*
 * pump_stream: what the pumps and the session leave of a TCP stream's speed, without a runtime
 * around them.
 *
 * Question: messages per second from one process to another over loopback, one thread each, if
 * nothing but
 *           pumps, session and system calls is in the way? That is the ceiling of PUSH -> PULL.
 * Method:   a child sends, the parent receives for SECONDS after a warm-up; batches of
 * MCQ_WPUMP_BATCH_BYTES.
 *
 *     pump_stream [SIZE [SECONDS]]
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pump/read_pump.h"
#include "pump/write_pump.h"
#include "session/state.h"

#define RECEIVE_BLOCK_BYTES 262144
#define IOV_MAX_HERE 64

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void write_wanted(int fd, struct mcq_session *session)
{
    for (struct mcq_bytes want; (want = mcq_session_want(session)).len > 0;) {
        ssize_t len = send(fd, want.data, want.len, MSG_NOSIGNAL);

        must(len > 0, "send");
        mcq_session_sent(session, (size_t) len);
    }
}

/* Greeting and READY both ways, on a blocking socket. */
static void open_session(int fd, struct mcq_session *session, enum mcq_socket_type type)
{
    struct mcq_session_config config;
    struct mcq_event event;

    mcq_session_config_init(&config, type, MCQ_PROFILE_NATIVE);
    must(mcq_session_init(session, &config, 0) == MCQ_OK, "session");
    while (mcq_session_phase(session) != MCQ_PHASE_TRAFFIC) {
        uint8_t octet; /* one at a time: what follows READY is the pump's */

        write_wanted(fd, session);
        must(recv(fd, &octet, 1, 0) == 1, "recv");

        struct mcq_bytes in = mcq_bytes(&octet, 1);

        while (mcq_session_feed(session, &in, 0, &event) == MCQ_OK)
            continue;
    }
    write_wanted(fd, session);
}

static void flush(int fd, struct mcq_wpump *pump)
{
    while (mcq_wpump_waiting_bytes(pump) > 0) {
        struct iovec iov[IOV_MAX_HERE];
        struct msghdr message = {.msg_iov = iov};

        message.msg_iovlen = mcq_wpump_lend(pump, mcq_bytes(NULL, 0), iov, IOV_MAX_HERE);

        ssize_t len = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (len < 0)
            exit(0); /* the receiver has seen enough */
        (void) mcq_wpump_on_written(pump, (size_t) len);
    }
}

static void run_sender(int fd, size_t size)
{
    static struct mcq_session session;
    struct mcq_slab *slab;
    struct mcq_wpump pump;
    uint8_t *body = calloc(1, size + 1);

    open_session(fd, &session, MCQ_SOCKET_TYPE_PUSH);
    must(body != NULL && mcq_slab_new(MCQ_WPUMP_BATCH_BYTES * 2, 4, &slab) == MCQ_OK, "memory");
    mcq_wpump_init(&pump, slab);
    for (;;) {
        uint8_t head[MCQ_FRAME_HEAD_MAX];
        struct mcq_msg msg;
        size_t len = mcq_session_frame_head(&session, false, size, head);

        must(mcq_msg_init_copy(&msg, mcq_bytes(body, size)) == MCQ_OK, "message");
        must(mcq_wpump_put(&pump, mcq_bytes(head, len), &msg, true) == MCQ_OK, "put");
        if (mcq_wpump_waiting_bytes(&pump) >= MCQ_WPUMP_BATCH_BYTES)
            flush(fd, &pump);
    }
}

static void run_receiver(int fd, size_t size, double seconds)
{
    static struct mcq_session session;
    struct mcq_slab *slab;
    struct mcq_blocks *blocks;
    struct mcq_receiver receiver;
    struct mcq_rpump pump;
    uint64_t count = 0;
    uint64_t calls = 0;
    double start = 0;
    double begun = now_s();

    open_session(fd, &session, MCQ_SOCKET_TYPE_PULL);
    must(mcq_slab_new(RECEIVE_BLOCK_BYTES, 8, &slab) == MCQ_OK, "slab");
    must(mcq_blocks_new(&blocks) == MCQ_OK, "blocks");
    mcq_receiver_init(&receiver, slab, blocks);
    mcq_rpump_init(&pump, &receiver, &session);
    for (;;) {
        struct iovec iov[MCQ_RPUMP_IOV_MAX];
        struct msghdr message = {.msg_iov = iov};
        struct mcq_event event;
        struct mcq_msg msg;
        double now = now_s();

        if (start == 0 && now - begun > seconds / 4) {
            start = now;
            count = 0;
            calls = 0;
        }
        if (start > 0 && now - start > seconds) {
            printf("%zu B: %.2f M messages/s, %.2f GB/s, %.4f reads per message\n", size,
                   (double) count / (now - start) * 1e-6,
                   (double) (count * size) / (now - start) * 1e-9, (double) calls / (double) count);
            exit(0);
        }
        must(mcq_rpump_room(&pump, iov, &message.msg_iovlen) == MCQ_OK, "room");

        ssize_t len = recvmsg(fd, &message, 0);

        must(len > 0, "recv");
        calls++;
        mcq_rpump_on_read(&pump, (size_t) len);
        while (mcq_rpump_next(&pump, 0, &msg, &event) == MCQ_OK) {
            count += mcq_msg_len(&msg) == size;
            mcq_msg_fini(&msg);
        }
    }
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) : 64;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t address_len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void) setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    must(bind(listener, (struct sockaddr *) &address, sizeof address) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *) &address, &address_len) == 0, "getsockname");

    pid_t child = fork();

    must(child >= 0, "fork");
    if (child == 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        (void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
        must(connect(fd, (struct sockaddr *) &address, sizeof address) == 0, "connect");
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        run_sender(fd, size);
    }

    int fd = accept(listener, NULL, NULL);

    must(fd >= 0, "accept");
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    run_receiver(fd, size, seconds);
    return 0;
}
