/* binary_star: two servers, of which one is active and the other one waits. Each tells the other
 * what it is; when the active one falls silent and clients come to the one that waits, that takes
 * over. Both must not be away at once.
 *     binary_star [SEED]   sixty requests, while one server after the other goes and comes back
 * Exit status: 0 all were answered, 1 failed. */
#include <pthread.h>

#include "parts.h"

#define REQUESTS 60
#define TRIES 400
#define BEAT_MS 20
#define SILENCE_MS 100
#define PATIENCE_MS 150
#define LIFE_MS 300 /* at most, before the next one goes */

/* What a server is, and says of itself. */
enum state { STARTING_FIRST, STARTING_SECOND, ACTIVE, PASSIVE };

static const char *const names[] = {"starting first", "starting second", "active", "passive"};

struct server {
    bool is_first;
    char for_clients[ENDPOINT_BYTES];
    char for_peer[ENDPOINT_BYTES];
    _Atomic bool is_away;
    enum state state;
    int silent_ms; /* the peer */
    int takeovers;
    struct mcq_socket *front;
    struct mcq_socket *own; /* its state, told */
    struct mcq_socket *other;
};

static struct mcq_context *context;
static struct server servers[2];
static unsigned seed = 1;
static _Atomic bool is_over;

static void hear_peer(struct server *server, enum state peer)
{
    server->silent_ms = 0;
    switch (server->state) {
    case STARTING_FIRST:
        if (peer == ACTIVE)
            server->state = PASSIVE;
        else if (peer == STARTING_SECOND)
            server->state = ACTIVE;
        break;
    case STARTING_SECOND:
        if (peer == ACTIVE)
            server->state = PASSIVE;
        break;
    case PASSIVE: /* who has just come does not know what happened meanwhile */
        if (peer == STARTING_FIRST || peer == STARTING_SECOND ||
            (peer == PASSIVE && server->is_first))
            server->state = ACTIVE;
        break;
    case ACTIVE: /* they had not heard each other for a while: one gives way */
        if (peer == ACTIVE && !server->is_first)
            server->state = PASSIVE;
        break;
    }
}

/* A client is here because the other one did not answer, and that is silent, too. */
static bool may_answer(struct server *server)
{
    bool is_waiting = server->state == PASSIVE || server->state == STARTING_FIRST;

    if (is_waiting && server->silent_ms > SILENCE_MS) {
        server->state = ACTIVE;
        server->takeovers++;
    }
    return server->state == ACTIVE;
}

static struct mcq_socket *bound_again(enum mcq_type type, const char *endpoint)
{
    struct mcq_socket *socket = mcq_socket(context, type);

    check(socket != NULL);
    while (mcq_bind(socket, endpoint) != 0) /* the port is just being given back */
        check(mcq_poll(NULL, 0, 1) == 0);
    return socket;
}

static void be_born(struct server *server)
{
    server->front = bound_again(MCQ_ROUTER, server->for_clients);
    server->own = bound_again(MCQ_PUB, server->for_peer);
    server->other = connected(context, MCQ_SUB, servers[server->is_first].for_peer);
    check(mcq_set_bytes(server->other, MCQ_OPT_SUBSCRIBE, "", 0) == 0);
    server->state = server->is_first ? STARTING_FIRST : STARTING_SECOND;
    server->silent_ms = 0;
}

/* Nothing that it knew is left. */
static void be_gone(struct server *server)
{
    leave(server->front);
    leave(server->own);
    leave(server->other);
}

static void hear_all(struct server *server)
{
    struct parts parts;
    char text[24];

    while (parts_recv(&parts, server->other, MCQ_DONTWAIT)) {
        for (int state = STARTING_FIRST; state <= PASSIVE; state++)
            if (parts_is(&parts, 0, names[state]))
                hear_peer(server, (enum state) state);
        parts_close(&parts);
    }
    while (parts_recv(&parts, server->front, MCQ_DONTWAIT)) {
        if (parts.count == 4 && may_answer(server)) {
            (void) snprintf(text, sizeof text, "%d", parts_number(&parts, 3) + 1);
            parts_set(&parts, 3, text);
            (void) parts_send(&parts, 0, server->front);
        }
        parts_close(&parts);
    }
}

static void *serve(void *argument)
{
    struct server *server = argument;

    be_born(server);
    while (!is_over) {
        if (server->is_away) {
            be_gone(server);
            while (server->is_away && !is_over)
                check(mcq_poll(NULL, 0, 1) == 0);
            be_born(server);
        }

        struct mcq_poll_entry entries[2] = {{.socket = server->other, .events = MCQ_POLLIN},
                                            {.socket = server->front, .events = MCQ_POLLIN}};

        check(mcq_poll(entries, 2, BEAT_MS) >= 0);
        server->silent_ms += entries[0].revents == 0 && entries[1].revents == 0 ? BEAT_MS : 0;
        hear_all(server);
        (void) say(server->own, names[server->state]);
    }
    be_gone(server);
    return NULL;
}

/* One after the other goes, and both are there for a while in between. */
static void *destroy(void *unused)
{
    while (!is_over) {
        struct server *victim = &servers[rand_r(&seed) % 2];

        check(mcq_poll(NULL, 0, LIFE_MS / 2 + rand_r(&seed) % (LIFE_MS / 2)) == 0);
        victim->is_away = true;
        check(mcq_poll(NULL, 0, SILENCE_MS + rand_r(&seed) % LIFE_MS) == 0);
        victim->is_away = false;
    }
    return unused;
}

static struct mcq_socket *open_client(int which)
{
    struct mcq_socket *client = connected(context, MCQ_REQ, servers[which].for_clients);

    check(mcq_set(client, MCQ_OPT_REQ_TIMEOUT, PATIENCE_MS) == 0);
    return client;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    int answered = 0;
    int which = 0;
    int tries = 0;

    if (argc > 1)
        seed = (unsigned) strtoul(argv[1], NULL, 0);
    printf("seed %u: ", seed);
    context = mcq_ctx_new();
    for (int i = 0; i < 2; i++) { /* ports for both, which have to find each other */
        servers[i].is_first = i == 0;
        leave(bound(context, MCQ_ROUTER, servers[i].for_clients));
        leave(bound(context, MCQ_PUB, servers[i].for_peer));
    }
    for (int i = 0; i < 2; i++)
        check(pthread_create(&threads[i], NULL, serve, &servers[i]) == 0);
    check(pthread_create(&threads[2], NULL, destroy, NULL) == 0);

    struct mcq_socket *client = open_client(which);

    while (answered < REQUESTS && tries++ < TRIES) {
        char text[24];
        char reply[24] = "";

        (void) snprintf(text, sizeof text, "%d", answered);
        check(mcq_send(client, text, strlen(text), 0) == 0);
        if (mcq_recv(client, reply, sizeof reply - 1, 0) > 0) {
            answered += number_in(reply) == answered + 1;
            check(mcq_poll(NULL, 0, BEAT_MS) == 0);
            continue;
        }
        leave(client); /* it, or its connection, is not there: the other one is asked */
        which = !which;
        client = open_client(which);
    }
    is_over = true;
    for (int i = 0; i < 3; i++)
        check(pthread_join(threads[i], NULL) == 0);
    printf("%d of %d requests were answered with %d tries, and a server took over %d times\n",
           answered, REQUESTS, tries, servers[0].takeovers + servers[1].takeovers);
    leave(client);
    check(mcq_ctx_term(context, -1) == 0);
    return answered == REQUESTS ? 0 : 1;
}
