/* freelance: clients that know several servers and need nobody between them. A request goes to one
 * server; if that is silent, or its connection is lost, the socket sends it to another one.
 *     freelance [SEED]   two clients, thirty requests each, and three servers that fail at random
 * Exit status: 0 all were answered, 1 failed. */
#include <pthread.h>

#include "parts.h"

#define CLIENTS 2
#define SERVERS 3
#define REQUESTS 30
#define PATIENCE_MS 100
#define RESENDS 50

static struct mcq_context *context;
static char endpoints[SERVERS][ENDPOINT_BYTES];
static struct mcq_socket *servers[SERVERS];
static unsigned seed = 1;
static _Atomic bool is_over;
static _Atomic int resent_count;

static void lose_all_peers(struct mcq_socket *server)
{
    struct mcq_peer_info infos[CLIENTS];
    int count = mcq_peers(server, infos, CLIENTS, sizeof *infos);

    for (int i = 0; i < count && i < CLIENTS; i++)
        (void) mcq_close_peer(server, infos[i].id); /* it may have gone by itself */
}

/* A request is who asks, its id, nothing, a number; the answer is its double. */
static void *serve(void *argument)
{
    int which = *(int *) argument;
    unsigned mine = seed * SERVERS + (unsigned) which;
    struct mcq_socket *server = servers[which];
    struct parts parts;
    char text[16];

    check(mcq_set(server, MCQ_OPT_RCVTIMEO, 20) == 0);
    for (; !is_over; parts_close(&parts)) {
        if (!parts_recv(&parts, server, 0))
            continue;
        switch (rand_r(&mine) % 8) {
        case 0: continue; /* lost */
        case 1: lose_all_peers(server); continue;
        case 2: check(mcq_poll(NULL, 0, 2 * PATIENCE_MS) == 0); break; /* late */
        default: break;
        }
        (void) snprintf(text, sizeof text, "%d", 2 * parts_number(&parts, 3));
        parts_set(&parts, 3, text);
        (void) parts_send(&parts, 0, server);
    }
    return NULL;
}

static void *ask_all(void *argument)
{
    struct mcq_socket *client = mcq_socket(context, MCQ_REQ);
    int *answered = argument;
    int64_t resent = 0;
    char text[16];

    check(client != NULL && mcq_set(client, MCQ_OPT_REQ_TIMEOUT, PATIENCE_MS) == 0);
    check(mcq_set(client, MCQ_OPT_REQ_RESENDS, RESENDS) == 0);
    for (int i = 0; i < SERVERS; i++)
        check(mcq_connect(client, endpoints[i]) == 0);
    for (int number = 1; number <= REQUESTS; number++) {
        char reply[16] = "";

        (void) snprintf(text, sizeof text, "%d", number);
        check(mcq_send(client, text, strlen(text), 0) == 0);
        if (mcq_recv(client, reply, sizeof reply - 1, 0) > 0)
            *answered += number_in(reply) == 2 * number;
    }
    check(mcq_get(client, MCQ_OPT_REQ_RESENT, &resent) == 0);
    resent_count += (int) resent;
    leave(client);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[SERVERS + CLIENTS];
    int numbers[SERVERS];
    int answered[CLIENTS] = {0};
    int sum = 0;

    if (argc > 1)
        seed = (unsigned) strtoul(argv[1], NULL, 0);
    context = mcq_ctx_new();
    for (int i = 0; i < SERVERS; i++) {
        numbers[i] = i;
        servers[i] = bound(context, MCQ_ROUTER, endpoints[i]);
        check(pthread_create(&threads[i], NULL, serve, &numbers[i]) == 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        check(pthread_create(&threads[SERVERS + i], NULL, ask_all, &answered[i]) == 0);
    for (int i = 0; i < CLIENTS; i++) {
        check(pthread_join(threads[SERVERS + i], NULL) == 0);
        sum += answered[i];
    }
    is_over = true;
    for (int i = 0; i < SERVERS; i++) {
        check(pthread_join(threads[i], NULL) == 0);
        leave(servers[i]);
    }
    printf("seed %u: %d of %d requests were answered, %d were sent again\n", seed, sum,
           CLIENTS * REQUESTS, resent_count);
    check(mcq_ctx_term(context, -1) == 0);
    return sum == CLIENTS * REQUESTS ? 0 : 1;
}
