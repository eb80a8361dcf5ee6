/* lazy_pirate: a client that trusts no server. If no reply comes in time it closes its socket, on
 * which one may still come, and asks anew with another one.
 *     lazy_pirate [SEED]   twenty requests to a server that fails at random, the same for each seed
 * Exit status: 0 all were answered, 1 failed. */
#include <pthread.h>

#include "check.h"

#define REQUESTS 20
#define TRIES 100
#define PATIENCE_MS 100

static struct mcq_context *context;
static struct mcq_socket *server;
static char endpoint[ENDPOINT_BYTES];
static unsigned seed = 1;

static void lose_all_peers(void)
{
    struct mcq_peer_info infos[8];
    int count = mcq_peers(server, infos, 8, sizeof *infos);

    for (int i = 0; i < count && i < 8; i++)
        (void) mcq_close_peer(server, infos[i].id); /* it may have gone by itself */
}

/* A REP would have to answer; this one drops requests, is late, or loses its connections. */
static void *serve(void *unused)
{
    struct mcq_message parts[3]; /* whose it is, nothing, the request */

    for (int i = 0; i < 3; i++)
        check(mcq_message_init(&parts[i]) == 0);
    while (mcq_recv_parts(server, parts, 3, 0) == 3 && mcq_message_size(&parts[2]) > 0) {
        switch (rand_r(&seed) % 6) {
        case 0: continue;
        case 1: check(mcq_poll(NULL, 0, 2 * PATIENCE_MS) == 0); break;
        case 2: lose_all_peers(); continue;
        default: break;
        }
        check(mcq_send_parts(server, parts, 3, 0) == 0);
    }
    for (int i = 0; i < 3; i++)
        check(mcq_message_close(&parts[i]) == 0);
    return unused;
}

static struct mcq_socket *open_client(void)
{
    struct mcq_socket *client = connected(context, MCQ_REQ, endpoint);

    check(mcq_set(client, MCQ_OPT_RCVTIMEO, PATIENCE_MS) == 0);
    return client;
}

/* Whether a try was answered. */
static bool ask(struct mcq_socket *client, int number)
{
    int reply = -1;

    check(mcq_send(client, &number, sizeof number, 0) == 0);
    if (mcq_recv(client, &reply, sizeof reply, 0) < 0)
        return false; /* not in time, or the connection was lost */
    check(reply == number);
    return true;
}

int main(int argc, char **argv)
{
    struct mcq_socket *client;
    pthread_t thread;
    int tries = 0;

    if (argc > 1)
        seed = (unsigned) strtoul(argv[1], NULL, 0);
    context = mcq_ctx_new();
    server = bound(context, MCQ_ROUTER, endpoint);
    check(pthread_create(&thread, NULL, serve, NULL) == 0);
    client = open_client();
    for (int number = 1; number <= REQUESTS; number++) {
        while (++tries <= TRIES && !ask(client, number)) {
            check(mcq_set(client, MCQ_OPT_LINGER, 0) == 0 && mcq_close(client) == 0);
            client = open_client();
        }
    }
    check(mcq_send(client, "", 0, 0) == 0); /* the server may go */
    check(pthread_join(thread, NULL) == 0);
    printf("%d requests were answered, with %d tries\n", REQUESTS, tries);
    check(mcq_close(client) == 0 && mcq_close(server) == 0 && mcq_ctx_term(context, -1) == 0);
    return tries <= TRIES ? 0 : 1;
}
