/* sealed: a request and its reply, which nobody else can read or forge (CURVE), and of which the
 * server knows whom they are from (ZAP).
 *     sealed           prints both
 * The server has a pair of keys, and its clients have its public one; each client has a pair of its
 * own. A handler knows the clients' public keys. Here all are in one process; in life only public
 * keys leave the machine that they were made on.
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

static void set_key(struct mcq_socket *socket, enum mcq_option option, const char *key)
{
    check(mcq_set_bytes(socket, option, key, MCQ_KEY_TEXT_BYTES) == 0);
}

/* Lets in who has this key, as "anna", and answers one question. */
static void decide(struct mcq_socket *handler, const char *key)
{
    char frames[7][256]; /* version, id, domain, address, identity, mechanism, key */
    char shown[MCQ_KEY_TEXT_BYTES];
    const char *status = "400";

    for (int i = 0; i < 7; i++) {
        ptrdiff_t len = mcq_recv(handler, frames[i], sizeof frames[i] - 1, 0);

        check(len >= 0 && len < (ptrdiff_t) sizeof frames[i]);
        frames[i][len] = '\0';
    }
    check(strcmp(frames[5], "CURVE") == 0);
    check(mcq_z85_from_octets(frames[6], MCQ_KEY_BYTES, shown) == 0);
    if (strcmp(shown, key) == 0)
        status = "200";
    check(mcq_send(handler, "1.0", 3, MCQ_SNDMORE) == 0);
    check(mcq_send(handler, frames[1], strlen(frames[1]), MCQ_SNDMORE) == 0);
    check(mcq_send(handler, status, 3, MCQ_SNDMORE) == 0);
    check(mcq_send(handler, "", 0, MCQ_SNDMORE) == 0);
    check(mcq_send(handler, "anna", 4, MCQ_SNDMORE) == 0);
    check(mcq_send(handler, "", 0, 0) == 0);
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
    struct mcq_socket *handler = mcq_socket(context, MCQ_REP);
    struct mcq_message request;
    struct mcq_origin *origin;

    check(mcq_bind(handler, "inproc://zeromq.zap.01") == 0);
    check(mcq_curve_keypair(server_public, server_secret) == 0);
    check(mcq_curve_keypair(client_public, client_secret) == 0);

    set_key(server, MCQ_OPT_CURVE_SECRETKEY, server_secret);
    check(mcq_set(server, MCQ_OPT_CURVE_SERVER, 1) == 0);
    check(mcq_bind(server, "tcp://127.0.0.1:*") == 0);
    check(mcq_get_bytes(server, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);

    set_key(client, MCQ_OPT_CURVE_SECRETKEY, client_secret);
    set_key(client, MCQ_OPT_CURVE_SERVERKEY, server_public);
    check(mcq_connect(client, endpoint) == 0);
    decide(handler, client_public);

    check(mcq_send(client, "who is there?", 13, 0) == 0);
    check(mcq_message_init(&request) == 0);
    check(mcq_recv_message(server, &request, 0) == 0);
    origin = mcq_message_origin(&request);
    check(origin != NULL);
    printf("request: %.*s (%s)\n", (int) mcq_message_size(&request),
           (const char *) mcq_message_data(&request), mcq_origin_property(origin, "User-Id"));
    mcq_origin_release(origin);
    check(mcq_message_close(&request) == 0);
    check(mcq_send(server, "nobody else", 11, 0) == 0);
    len = (size_t) mcq_recv(client, text, sizeof text, 0);
    printf("reply:   %.*s\n", (int) len, text);
    check(mcq_close(client) == 0 && mcq_close(server) == 0 && mcq_close(handler) == 0);
    check(mcq_ctx_term(context, -1) == 0);
    return len == 11 ? 0 : 1;
}
