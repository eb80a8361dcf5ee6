/* dialogue: one ZMTP conversation over a plain blocking socket, printed from both sides.
 *     dialogue connect|listen IPV4:PORT TYPE COUNT [MESSAGE...]
 * Sends each MESSAGE, its parts divided by '|' (a SUB subscribes to it), ends when COUNT came in.
 * Exit status: 0 all was said, 1 not, or nothing came for three seconds, 2 usage. */
#include <error.h>
#include <stdlib.h>

#include "session/state.h"
#include "show.h"
#include "tcp.h"

static struct mcq_session ours;   /* takes the peer's octets, wants ours sent */
static struct mcq_session mirror; /* takes what we send, as a peer would: that decodes it */

static void put(int fd, struct mcq_bytes bytes)
{
    struct mcq_event event;

    if (send(fd, bytes.data, bytes.len, MSG_NOSIGNAL) != (ssize_t) bytes.len)
        perror("dialogue: send"); /* the next recv ends it */
    while (mcq_session_feed(&mirror, &bytes, 0, &event) == MCQ_OK)
        show_event("->", &event);
}

static void put_message(int fd, const char *text)
{
    uint8_t head[MCQ_FRAME_HEAD_MAX];
    size_t len = strcspn(text, "|");

    put(fd, mcq_bytes(head, mcq_session_frame_head(&ours, text[len] == '|', len, head)));
    put(fd, mcq_bytes(text, len));
    if (text[len] == '|')
        put_message(fd, text + len + 1);
}

static bool start(struct mcq_session *session, enum mcq_socket_type type)
{
    struct mcq_session_config config;

    mcq_session_config_init(&config, type, MCQ_PROFILE_NATIVE); /* no timers: it stays 0 ns */
    return mcq_session_init(session, &config, 0) == MCQ_OK;
}

static void say(int fd, enum mcq_socket_type type, const char *text)
{
    if (type != MCQ_SOCKET_TYPE_SUB)
        put_message(fd, text);
    else if (mcq_session_subscribe(&ours, mcq_bytes_of(text), true) != MCQ_OK)
        fputs("dialogue: the topic is too long\n", stderr);
}

/* Says and hears all there is; `next` is where the messages begin. */
static bool converse(int fd, enum mcq_socket_type type, long count, char **next)
{
    static uint8_t room[65536];
    struct mcq_bytes in = {0};
    struct mcq_event event;

    for (;;) {
        bool in_traffic = mcq_session_phase(&ours) == MCQ_PHASE_TRAFFIC;
        struct mcq_bytes want = mcq_session_want(&ours);

        put(fd, want);
        mcq_session_sent(&ours, want.len);
        if (in_traffic && *next != NULL) {
            say(fd, type, *next++);
            continue;
        }
        if (in_traffic && count <= 0)
            return true;
        if (in.len == 0) {
            ssize_t len = recv(fd, room, sizeof room, 0);

            if (len <= 0)
                return false;
            in = mcq_bytes(room, (size_t) len);
        }
        enum mcq_err err = mcq_session_feed(&ours, &in, 0, &event);
        if (err == MCQ_OK)
            show_event("<-", &event);
        else if (err != MCQ_AGAIN && err != MCQ_BUSY)
            return false;
        if (err == MCQ_OK && event.kind == MCQ_EVENT_BODY)
            count -= event.body.piece.last && !event.body.piece.flags;
    }
}

int main(int argc, char **argv)
{
    enum mcq_socket_type type = mcq_socket_type_find(mcq_bytes_of(argc > 4 ? argv[3] : ""));
    enum mcq_socket_type peer = MCQ_SOCKET_TYPE_PAIR;

    if (type == MCQ_SOCKET_TYPE_NONE)
        error(2, 0, "usage: dialogue connect|listen IPV4:PORT TYPE COUNT [MESSAGE...]");
    while (!mcq_socket_type_fits(peer, type))
        peer++;
    int fd = tcp_open(argv[1][0] == 'l', argv[2], 3);
    return fd < 0 || !start(&ours, type) || !start(&mirror, peer) ||
           !converse(fd, type, strtol(argv[4], NULL, 10), argv + 5);
}
