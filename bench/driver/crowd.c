/*
 * crowd: many peers that are plain descriptors of one process, so they cost the same whichever
 * library they talk to.
 *
 *     crowd subscribers|topics|pushers|dealers|idle DESCRIPTOR
 *
 * DESCRIPTOR is the mapping that the sides of a run share. The handshake is the session's own
 * (ZMTP, NULL), or that of nng: eight octets that name the type, then messages behind eight octets
 * of length.
 */
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"
#include "session/state.h"
#include "wire/encode.h"

#define BLOCK_BYTES ((size_t) 65536)
#define EVENTS 256

struct mode {
    const char *name;
    enum mcq_socket_type type;
    uint16_t sp_type; /* nng's number of it */
    void (*work)(void);
};

struct peer {
    int fd;
    size_t at; /* octets of a block that have left, or of a reply that are there */
};

static const struct mode *mode;
static struct peer peers[PEERS_MAX];
static struct sockaddr_in address;
static uint8_t room[1 << 18];
static uint8_t block[BLOCK_BYTES + (1 << 17)]; /* messages as they go on the wire */
static size_t block_len;
static size_t message_len; /* of one of them */

/* --- handshakes ------------------------------------------------------------------------------ */

static void write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        must(sent > 0, "a write of the crowd");
        at += sent;
        len -= (size_t) sent;
    }
}

static void write_wanted(int fd, struct mcq_session *session)
{
    for (struct mcq_bytes want; (want = mcq_session_want(session)).len > 0;) {
        write_all(fd, want.data, want.len);
        mcq_session_sent(session, want.len);
    }
}

static void subscribe(int fd, struct mcq_session *session)
{
    static uint32_t first; /* of this subscriber */
    char topic[32];

    for (uint32_t i = 0; i < run->topics; i++) {
        int len = snprintf(topic, sizeof topic, "topic-%08x", first + i);

        must(mcq_session_subscribe(session, mcq_bytes(topic, (size_t) len), true) == MCQ_OK,
             "subscribe");
        if (i % 512 == 0)
            write_wanted(fd, session);
    }
    if (run->is_apart)
        first += run->topics;
    if (run->topics == 0)
        must(mcq_session_subscribe(session, mcq_bytes(NULL, 0), true) == MCQ_OK, "subscribe");
    write_wanted(fd, session);
}

static void shake_hands_zmtp(int fd)
{
    struct mcq_session_config config;
    struct mcq_session *session = calloc(1, sizeof *session);
    bool is_ready = false;

    mcq_session_config_init(&config, mode->type, MCQ_PROFILE_NATIVE);
    must(session != NULL && mcq_session_init(session, &config, 0) == MCQ_OK, "session");
    while (!is_ready) {
        struct mcq_event event;
        struct mcq_bytes in;
        ssize_t len;

        write_wanted(fd, session);
        len = recv(fd, room, sizeof room, 0);
        must(len > 0, "handshake");
        in = mcq_bytes(room, (size_t) len);
        while (mcq_session_feed(session, &in, 0, &event) == MCQ_OK)
            is_ready = is_ready || event.kind == MCQ_EVENT_READY;
    }
    if (mode->type == MCQ_SOCKET_TYPE_SUB)
        subscribe(fd, session);
    write_wanted(fd, session);
    mcq_session_fini(session);
    free(session);
}

static void shake_hands_sp(int fd)
{
    const uint8_t ours[8] = {0, 'S', 'P', 0, 0, (uint8_t) mode->sp_type, 0, 0};
    uint8_t theirs[sizeof ours];

    write_all(fd, ours, sizeof ours);
    must(recv(fd, theirs, sizeof theirs, MSG_WAITALL) == sizeof theirs &&
             memcmp(ours, theirs, 4) == 0,
         "handshake");
}

static int connect_peer(void)
{
    uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(fd >= 0, "a descriptor for the crowd");
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4); /* whoever is measured */
    while (connect(fd, (struct sockaddr *) &address, sizeof address) != 0) {
        must(now_ns() < until, "connect");
        sleep_us(1000);
    }
    if (run->is_sp)
        shake_hands_sp(fd);
    else
        shake_hands_zmtp(fd);
    return fd;
}

/* As many messages as fit; one at least. nng's requests begin with a number of four octets whose
 * first bit is set. */
static void fill_block(void)
{
    size_t front = run->is_sp && mode->type == MCQ_SOCKET_TYPE_DEALER ? 4 : 0;

    do {
        uint8_t *at = block + block_len;

        if (run->is_sp) {
            uint64_t len = htobe64(run->bytes + front);

            memcpy(at, &len, sizeof len);
            at[sizeof len] = 0x80;
            at += sizeof len + front;
        } else {
            at = mcq_encode_frame_head(at, 0, run->bytes);
        }
        message_len = (size_t) (at - block) - block_len + run->bytes;
        block_len += message_len;
    } while (block_len + message_len <= BLOCK_BYTES);
}

/* --- what the crowd does --------------------------------------------------------------------- */

static int watch(uint32_t count, uint32_t for_what)
{
    int set = epoll_create1(0);

    must(set >= 0, "epoll_create1");
    for (uint32_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = for_what, .data.u32 = i};

        must(epoll_ctl(set, EPOLL_CTL_ADD, peers[i].fd, &event) == 0, "epoll_ctl");
    }
    return set;
}

/* Counts octets and nothing else. */
static void receive_forever(void)
{
    int set = watch(run->peers, EPOLLIN);

    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(set, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            uint32_t index = events[i].data.u32;
            ssize_t len = recv(peers[index].fd, room, sizeof room, MSG_DONTWAIT);

            if (len == 0)
                _exit(0);
            if (len > 0)
                run->octets[index] += (uint64_t) len;
        }
    }
}

/* As much as each will take. */
static void send_forever(void)
{
    int set = watch(run->peers, EPOLLOUT);

    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(set, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct peer *peer = &peers[events[i].data.u32];
            ssize_t len =
                send(peer->fd, block + peer->at, block_len - peer->at, MSG_DONTWAIT | MSG_NOSIGNAL);

            if (len < 0 && (events[i].events & (EPOLLERR | EPOLLHUP)) != 0)
                _exit(0);
            if (len > 0)
                peer->at = (peer->at + (size_t) len) % block_len;
        }
    }
}

/* Whatever was answered is asked anew. Returns how many answers there were. */
static uint64_t ask_again(struct peer *peer)
{
    ssize_t len = recv(peer->fd, room, sizeof room, MSG_DONTWAIT);
    size_t answers;

    must(len != 0, "an answer");
    if (len < 0)
        return 0;
    peer->at += (size_t) len;
    answers = peer->at / message_len;
    peer->at %= message_len;
    write_all(peer->fd, block, answers * message_len);
    return answers;
}

static double ask_for(int set, double seconds)
{
    uint64_t until = now_ns() + (uint64_t) (seconds * 1e9);
    uint64_t answers = 0;

    do {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(set, events, EVENTS, PATIENCE_S * 1000);

        must(count > 0, "answers");
        for (int i = 0; i < count; i++)
            answers += ask_again(&peers[events[i].data.u32]);
    } while (now_ns() < until || answers == 0);
    return (double) answers;
}

static void ask_and_measure(void)
{
    int set = watch(run->active, EPOLLIN);
    double count;

    must(run->window * message_len <= block_len, "a window of that size");
    for (uint32_t i = 0; i < run->active; i++)
        write_all(peers[i].fd, block, run->window * message_len);
    (void) ask_for(set, warm_up_s());
    run_begin();
    count = ask_for(set, run->seconds);
    run_end(count);
}

static void speak_once(void)
{
    run_await(&run->may_speak, "the word");
    for (uint32_t i = 0; i < run->peers; i++)
        write_all(peers[i].fd, block, message_len);
    for (;;)
        (void) pause();
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"subscribers", MCQ_SOCKET_TYPE_SUB, 33, receive_forever},
        {"pushers", MCQ_SOCKET_TYPE_PUSH, 80, send_forever},
        {"dealers", MCQ_SOCKET_TYPE_DEALER, 48, ask_and_measure},
        {"idle", MCQ_SOCKET_TYPE_DEALER, 48, speak_once},
    };
    uint64_t begun;

    for (size_t i = 0; argc == 3 && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, argv[1]) == 0)
            mode = &modes[i];
    if (mode == NULL) {
        fprintf(stderr, "crowd is started by the driver\n");
        return 64;
    }
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    run = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED,
               (int) strtol(argv[2], NULL, 10), 0);
    if (run == MAP_FAILED) {
        perror("crowd");
        return 1;
    }
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t) strtol(strrchr(run->endpoints[0], ':') + 1, NULL, 10));
    run_await_phase(LISTENING);
    fill_block();
    run->wire_bytes = message_len;
    begun = now_ns();
    for (uint32_t i = 0; i < run->peers; i++)
        peers[i].fd = connect_peer();
    run->open_s = (double) (now_ns() - begun) * 1e-9;
    run->is_open = true;
    mode->work();
    run_tell(MEASURED);
    for (;;) /* to be killed: the library must not see an end */
        (void) pause();
}
