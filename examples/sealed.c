/* sealed: a request and its reply, which nobody else can read or forge (CURVE).
 *     sealed           prints both
 * The server has a pair of keys, and its clients have its public one; each client has a pair of its
 * own. Here both ends are in one process; in life only public keys leave the machine that they were
 * made on.
 * Exit status: 0 done, 1 failed. */
#include "check.h"

static void set_key(struct mcq_socket *socket, enum mcq_option option, const char *key)
{
    check(mcq_set_bytes(socket, option, key, MCQ_KEY_TEXT_BYTES) == 0);
}

int main(void)
{
    char server_public[MCQ_KEY_TEXT_BYTES];
    char server_secret[MCQ_KEY_TEXT_BYTES];
    char client_public[MCQ_KEY_TEXT_BYTES];
    char client_secret[MCQ_KEY_TEXT_BYTES];
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    char text[32];
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *server = mcq_socket(context, MCQ_REP);
    struct mcq_socket *client = mcq_socket(context, MCQ_REQ);

    check(mcq_curve_keypair(server_public, server_secret) == 0);
    check(mcq_curve_keypair(client_public, client_secret) == 0);

    set_key(server, MCQ_OPT_CURVE_SECRETKEY, server_secret);
    check(mcq_set(server, MCQ_OPT_CURVE_SERVER, 1) == 0);
    check(mcq_bind(server, "tcp://127.0.0.1:*") == 0);
    check(mcq_get_bytes(server, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);

    set_key(client, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    set_key(client, MCQ_OPT_CURVE_SERVERKEY, server_public);
    check(mcq_connect(client, endpoint) == 0);

    check(mcq_send(client, "who is there?", 13, 0) == 0);
    len = (size_t) mcq_recv(server, text, sizeof text, 0);
    printf("request: %.*s\n", (int) len, text);
    check(mcq_send(server, "nobody else", 11, 0) == 0);
    len = (size_t) mcq_recv(client, text, sizeof text, 0);
    printf("reply:   %.*s\n", (int) len, text);
    check(mcq_close(client) == 0 && mcq_close(server) == 0 && mcq_ctx_term(context, -1) == 0);
    return len == 11 ? 0 : 1;
}
