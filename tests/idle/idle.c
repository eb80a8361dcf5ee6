/*
 * idle: 100 or 1000 connections that nobody uses, for test_idle.py to watch.
 *
 *     idle [fds | many]
 *
 * A PULL and 100 PUSH, in two contexts, each with one connection, or ten; over each a message is
 * sent, and all of them are received, so that every connection has been in use. Then "idle" on
 * standard output. Each line of standard input sends one message more, which is received and
 * answered with "received"; its end ends the program. With "fds" all sockets have descriptors for a
 * loop, and a message waits to be received.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monocoque.h>

#define SOCKET_COUNT 100
#define MANY 10 /* connections of a socket */
#define PATIENCE_MS 10000

static void need(ptrdiff_t result, const char *what)
{
    if (result >= 0)
        return;
    (void) fprintf(stderr, "idle: %s: %s\n", what, mcq_last_error());
    exit(1);
}

static void receive(struct mcq_socket *pull)
{
    char body[8];

    need(mcq_recv(pull, body, sizeof body, 0), "recv");
}

int main(int argc, char **argv)
{
    static struct mcq_socket *pushes[SOCKET_COUNT];
    const char *kind = argc > 1 ? argv[1] : "";
    size_t each = strcmp(kind, "many") == 0 ? MANY : 1;
    struct mcq_context *near = mcq_ctx_new();
    struct mcq_context *far = mcq_ctx_new();
    char endpoint[64];
    size_t endpoint_len = sizeof endpoint;
    char line[16];
    struct mcq_socket *pull = mcq_socket(far, MCQ_PULL);

    need(mcq_set(pull, MCQ_OPT_RCVTIMEO, PATIENCE_MS), "RCVTIMEO");
    need(mcq_bind(pull, "tcp://127.0.0.1:*"), "bind");
    need(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &endpoint_len), "LAST_ENDPOINT");
    for (size_t i = 0; i < SOCKET_COUNT; i++) {
        pushes[i] = mcq_socket(near, MCQ_PUSH);
        for (size_t k = 0; k < each; k++)
            need(mcq_connect(pushes[i], endpoint), "connect");
        for (size_t k = 0; k < each; k++) /* in turns */
            need(mcq_send(pushes[i], "one", 3, 0), "send");
    }
    for (size_t i = 0; i < SOCKET_COUNT * each; i++)
        receive(pull);
    if (strcmp(kind, "fds") == 0) {
        int64_t fd;

        need(mcq_get(pull, MCQ_OPT_RECV_FD, &fd), "RECV_FD");
        for (size_t i = 0; i < SOCKET_COUNT; i++)
            need(mcq_get(pushes[i], MCQ_OPT_SEND_FD, &fd), "SEND_FD");
        need(mcq_send(pushes[0], "unread", 6, 0), "send");
    }
    for (size_t i = 0;; i++) {
        (void) puts(i == 0 ? "idle" : "received");
        (void) fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        need(mcq_send(pushes[i % SOCKET_COUNT], "more", 4, 0), "send");
        receive(pull);
    }
    for (size_t i = 0; i < SOCKET_COUNT; i++)
        need(mcq_close(pushes[i]), "close");
    need(mcq_close(pull), "close");
    need(mcq_ctx_term(near, PATIENCE_MS), "term");
    need(mcq_ctx_term(far, PATIENCE_MS), "term");
    return 0;
}
