/* datagrams: a question to whoever listens at an address, and the answer, over udp.
 *     datagrams        asks itself: two sockets in one program
 *     datagrams echo   answers at udp://127.0.0.1:5555, for ever
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

#define ADDRESS_BYTES 64

/* What comes, and from whom: the next one is to there. */
static size_t hear(struct mcq_socket *dgram, char address[ADDRESS_BYTES], char *text, size_t room)
{
    ptrdiff_t address_len = mcq_recv(dgram, address, ADDRESS_BYTES - 1, 0);

    check(address_len > 0);
    address[address_len] = '\0';

    ptrdiff_t len = mcq_recv(dgram, text, room - 1, 0);

    check(len >= 0);
    text[(size_t) len < room ? (size_t) len : room - 1] = '\0';
    return strlen(text);
}

static void say(struct mcq_socket *dgram, const char *address, const char *text, size_t len)
{
    check(mcq_send(dgram, address, strlen(address), MCQ_SNDMORE) == 0);
    check(mcq_send(dgram, text, len, 0) == 0);
}

static void echo_once(struct mcq_socket *dgram)
{
    char address[ADDRESS_BYTES];
    char text[512];
    size_t len = hear(dgram, address, text, sizeof text);

    say(dgram, address, text, len);
}

static struct mcq_socket *dgram_at(struct mcq_context *context, const char *endpoint)
{
    struct mcq_socket *dgram = mcq_socket(context, MCQ_DGRAM);

    check(dgram != NULL && mcq_bind(dgram, endpoint) == 0);
    return dgram;
}

int main(int argc, char **argv)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ADDRESS_BYTES];
    char address[ADDRESS_BYTES];
    char text[512];
    size_t len = sizeof endpoint;

    if (argc > 1 && strcmp(argv[1], "echo") == 0) {
        struct mcq_socket *dgram = dgram_at(context, "udp://127.0.0.1:5555");

        for (;;)
            echo_once(dgram);
    }

    struct mcq_socket *far = dgram_at(context, "udp://127.0.0.1:*");
    struct mcq_socket *near = dgram_at(context, "udp://127.0.0.1:*");

    check(mcq_get_bytes(far, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);
    say(near, endpoint + strlen("udp://"), "anybody there?", 14);
    echo_once(far);
    (void) hear(near, address, text, sizeof text);
    printf("%s\n", text);
    check(strcmp(address, endpoint + strlen("udp://")) == 0);
    check(mcq_close(near) == 0 && mcq_close(far) == 0 && mcq_ctx_term(context, -1) == 0);
}
