/*
 * A STREAM that a plain peer talks to, in a simulated world: octets and ends of the peer's, and
 * messages and ends of the socket's, as the input says, cut anywhere.
 *
 * Oracle: what the socket receives of a connection is a notice, then the peer's octets, each once
 * and in order, in parts of the length that was asked for at most, and at the end another notice
 * unless the socket ended it; the peer gets what was sent to it, to the last octet. Nothing is left
 * behind. The first choice is the length of a part, the second how much the stream holds.
 */

#include <netinet/in.h>

#include "world.h"

#define LEN_MAX 300 /* of what is said at a time */
#define NAME_BYTES 5
#define PORT 5555

struct run {
    struct calls calls;
    struct world world;
    struct mcq_socket *socket;
    int fd;        /* of the peer; -1: none */
    bool is_begun; /* there was one, and its end was not heard */
    bool has_name; /* the socket has heard of it */
    bool is_ours;  /* the socket has ended it */
    bool is_calm;  /* and the peer had said nothing by then that was not heard, nor does */
    uint8_t name[NAME_BYTES];
    uint32_t said; /* by the peer, and heard by the socket */
    uint32_t heard;
    uint32_t sent; /* the other way */
    uint32_t got;
    uint32_t piece_bytes;
};

static struct run run;

static uint8_t octet_at(uint32_t at, bool is_peers)
{
    return (uint8_t) (at * 7 + (at >> 8) + (is_peers ? 100 : 0));
}

static void fill(uint8_t *octets, size_t len, uint32_t from, bool is_peers)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = octet_at(from + (uint32_t) i, is_peers);
}

static void check(const uint8_t *octets, size_t len, uint32_t from, bool is_peers)
{
    for (size_t i = 0; i < len; i++)
        if (octets[i] != octet_at(from + (uint32_t) i, is_peers))
            fuzz_fail("octet %" PRIu32 " is another one", from + (uint32_t) i);
}

/* --- the world -------------------------------------------------------------------------------- */

static void pass(uint64_t ns)
{
    world_pass(&run.world, ns);
}

static void begin(const struct fuzz_input *input)
{
    unsigned wrong = input->choice[1];
    struct mcq_sim_faults faults = {
        .pipe_bytes = (size_t) (wrong % 64) * 8,
        .partial = wrong & 64 ? 300 : 0,
        .again = wrong & 128 ? 100 : 0,
    };
    const char *fault;

    run = (struct run) {.calls = calls_of(input), .fd = -1, .piece_bytes = input->choice[0] + 1u};
    world_begin(&run.world, &faults);
    if (mcq_socket_open(run.world.context, MCQ_SOCKET_TYPE_STREAM, &run.socket) != MCQ_OK ||
        mcq_socket_enter(run.socket) != MCQ_OK)
        fuzz_fail("no socket");
    run.socket->options.linger_ms = 0;
    run.socket->options.piece_bytes = (int) run.piece_bytes;
    if (mcq_socket_bind(run.socket, mcq_bytes_of("tcp://127.0.0.1:5555"), &fault) != MCQ_OK)
        fuzz_fail("bind");
    mcq_socket_leave(run.socket);
    pass(MS);
}

/* --- the peer --------------------------------------------------------------------------------- */

static void hang_up(void)
{
    if (run.fd >= 0)
        mcq_reactor_close(run.world.raw, run.fd);
    run.fd = -1;
}

/* A connection at a time: nobody comes before the last one's end was heard. */
static void call_up(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct mcq_address address = {.len = sizeof in};
    enum mcq_io_result result;

    if (run.fd >= 0 || (run.is_begun && !run.is_ours))
        return;
    run.is_begun = true;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&address.storage, &in, sizeof in);
    run.has_name = run.is_ours = run.is_calm = false;
    run.said = run.heard = run.sent = run.got = 0;
    result = mcq_reactor_connect(run.world.raw, NULL, &address, NULL, &run.fd);
    if (result != MCQ_IO_DONE && result != MCQ_IO_AGAIN)
        run.fd = -1;
    pass(MS);
}

static void say(size_t len)
{
    uint8_t octets[LEN_MAX];
    struct iovec iov = {octets, len};

    if (run.fd < 0 || len == 0)
        return;
    fill(octets, len, run.said, true);
    run.is_calm = false;
    run.said += (uint32_t) mcq_reactor_send(run.world.raw, run.fd, &iov, 1).len;
}

/* true: the stream has ended. */
static bool hear(void)
{
    uint8_t octets[LEN_MAX];
    struct iovec iov = {octets, sizeof octets};
    struct mcq_io io;

    if (run.fd < 0)
        return false;
    do {
        io = mcq_reactor_recv(run.world.raw, run.fd, &iov, 1);
        if (io.len > run.sent - run.got)
            fuzz_fail("the peer gets more than was sent");
        check(octets, io.len, run.got, false);
        run.got += (uint32_t) io.len;
    } while (io.result == MCQ_IO_DONE);
    if (io.result == MCQ_IO_AGAIN)
        return false;
    if (!run.is_ours)
        fuzz_fail("nobody has ended it");
    if (run.is_calm && run.got != run.sent)
        fuzz_fail("%" PRIu32 " octets of %" PRIu32 " came before the end", run.got, run.sent);
    hang_up();
    return true;
}

/* --- the socket ------------------------------------------------------------------------------- */

static enum mcq_err send_part(const void *data, size_t len, bool more)
{
    struct mcq_part part = {.body = mcq_bytes(data, len), .more = more};

    return mcq_socket_send(run.socket, &part, 0);
}

/* No octets: it ends the connection. */
static void send_to_peer(size_t len)
{
    uint8_t octets[LEN_MAX];
    enum mcq_err err = send_part(run.name, NAME_BYTES, true);

    if ((err == MCQ_OK) && (!run.has_name || run.is_ours))
        fuzz_fail("a name of nobody is taken");
    if (err != MCQ_OK && err != MCQ_NO_ROUTE && err != MCQ_AGAIN)
        fuzz_fail("a name gives %s", mcq_err_name(err));
    if (err != MCQ_OK)
        return;
    fill(octets, len, run.sent, false);
    if (send_part(octets, len, false) != MCQ_OK)
        fuzz_fail("the body of a name is refused");
    run.sent += (uint32_t) len;
    run.is_ours = len == 0;
    run.is_calm = run.is_ours && run.said == run.heard;
}

static void take_notice(const uint8_t *name)
{
    if (!run.has_name) {
        memcpy(run.name, name, NAME_BYTES);
        run.has_name = true;
    } else if (run.fd >= 0) {
        fuzz_fail("an end of what is there");
    } else {
        run.has_name = run.is_begun = false;
        memset(run.name, 0xff, NAME_BYTES);
    }
}

static bool receive(void)
{
    struct mcq_msg name;
    struct mcq_msg body;
    size_t len;

    if (mcq_socket_recv(run.socket, &name, 0) != MCQ_OK)
        return false;
    if (!name.more || mcq_msg_len(&name) != NAME_BYTES ||
        mcq_socket_recv(run.socket, &body, 0) != MCQ_OK || body.more)
        fuzz_fail("not a name and a body");
    if (run.is_ours)
        fuzz_fail("a connection is heard of that we have ended");
    len = mcq_msg_len(&body);
    if (len == 0) {
        take_notice(mcq_msg_data(&name));
    } else {
        if (!run.has_name || memcmp(run.name, mcq_msg_data(&name), NAME_BYTES) != 0)
            fuzz_fail("octets of nobody");
        if (len > run.piece_bytes || len > run.said - run.heard)
            fuzz_fail("%zu octets at a time", len);
        check(mcq_msg_data(&body), len, run.heard, true);
        run.heard += (uint32_t) len;
    }
    mcq_msg_fini(&name);
    mcq_msg_fini(&body);
    return true;
}

static void call(void)
{
    unsigned what = calls_octet(&run.calls);
    size_t len = (what >> 3) * 8u % LEN_MAX + 1;

    switch (what % 8) {
    case 0: call_up(); break;
    case 1: say(len); break;
    case 2: (void) hear(); break;
    case 3: send_to_peer(len); break;
    case 4: send_to_peer(0); break;
    case 5: hang_up(); break;
    case 6: (void) receive(); break;
    default: pass(len * MS / 8); break;
    }
}

/* What we have ended is wholly there for a peer that goes on reading. */
static void settle(void)
{
    for (int i = 0; i < 10000 && run.is_ours && run.fd >= 0 && !hear(); i++)
        pass(MS);
    if (run.is_ours && run.fd >= 0)
        fuzz_fail("the peer waits for the end");
    for (int i = 0; i < 10; i++, pass(MS))
        while (receive())
            continue;
}

static void end(void)
{
    if (mcq_socket_close(run.socket) != MCQ_OK)
        fuzz_fail("close");
    world_end(&run.world);
}

static void fuzz_one(const struct fuzz_input *input)
{
    begin(input);
    while (calls_next(&run.calls))
        call();
    settle();
    hang_up();
    end();
}
