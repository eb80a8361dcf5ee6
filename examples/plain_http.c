/* plain_http: a STREAM talks to programs that know nothing of ZeroMQ: here one is a server of
 * HTTP/1.0, and another one its client.
 *     plain_http    prints the request and the page
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

#define NAME_BYTES 255

/* The next octets, with a zero behind them, and the name of the connection they came on. 0: it has
 * begun, or it has ended. */
static size_t receive(struct mcq_socket *stream, char name[NAME_BYTES], size_t *name_len,
                      char *room, size_t room_len)
{
    ptrdiff_t len = mcq_recv(stream, name, NAME_BYTES, 0);

    check(len > 0);
    *name_len = (size_t) len;
    len = mcq_recv(stream, room, room_len - 1, 0);
    check(len >= 0 && (size_t) len < room_len);
    room[len] = '\0';
    return (size_t) len;
}

/* No octets: the connection ends, once what was sent before has left. */
static void send_to(struct mcq_socket *stream, const char *name, size_t name_len, const char *text)
{
    check(mcq_send(stream, name, name_len, MCQ_SNDMORE) == 0);
    check(mcq_send(stream, text, strlen(text), 0) == 0);
}

static void serve(struct mcq_socket *server)
{
    char name[NAME_BYTES];
    char request[512] = "";
    size_t name_len;

    while (receive(server, name, &name_len, request, sizeof request) == 0)
        continue; /* somebody has come */
    printf("%.*s\n", (int) strcspn(request, "\r\n"), request);
    send_to(server, name, name_len, "HTTP/1.0 200 OK\r\n\r\n<h1>Plain octets</h1>\n");
    send_to(server, name, name_len, "");
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *server = bound(context, MCQ_STREAM, endpoint);
    struct mcq_socket *client = connected(context, MCQ_STREAM, endpoint);
    char name[NAME_BYTES];
    size_t name_len = sizeof name;
    char page[512];

    /* Who is connected to has a name before it is there. */
    check(mcq_get_bytes(client, MCQ_OPT_ROUTING_ID, name, &name_len) == 0);
    send_to(client, name, name_len, "GET / HTTP/1.0\r\n\r\n");
    serve(server);
    while (receive(client, name, &name_len, page, sizeof page) == 0)
        continue;
    printf("%s", strstr(page, "\r\n\r\n") + 4);
    check(mcq_close(client) == 0 && mcq_close(server) == 0 && mcq_ctx_term(context, -1) == 0);
}
