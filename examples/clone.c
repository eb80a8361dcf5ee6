/* clone: a table that many hold. A server has it, publishes each change with its number, and gives
 * the whole of it to who asks; a client that joins late, or misses a change, asks and goes on.
 *     clone [SEED]   three clients; the server loses their connections at random
 * Exit status: 0 all hold the same table in the end, 1 failed. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

#define ROWS 16
#define CHANGES 2000
#define CLIENTS 3

struct table {
    long number; /* of the last change in it */
    int rows[ROWS];
};

struct change {
    long number;
    int row;
    int value;
};

static struct mcq_context *context;
static struct table table;    /* the server's */
static atomic_int done_count; /* clients that have all of it */
static char updates[ENDPOINT_BYTES];
static char snapshots[ENDPOINT_BYTES];

static void apply(struct table *to, const struct change *change)
{
    to->rows[change->row] = change->value;
    to->number = change->number;
}

static void ask_for_all(struct mcq_socket *req, struct table *mine)
{
    struct table found;

    for (;;) { /* a reply that is lost with its connection is asked for again */
        check(mcq_send(req, "", 0, 0) == 0);
        if (mcq_recv(req, &found, sizeof found, 0) == sizeof found)
            break;
    }
    if (found.number > mine->number)
        *mine = found;
}

static void *run_client(void *argument)
{
    struct table *mine = argument;
    struct mcq_socket *sub = connected(context, MCQ_SUB, updates);
    struct mcq_socket *req = connected(context, MCQ_REQ, snapshots);
    struct change change;

    check(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "", 0) == 0);
    check(mcq_set(sub, MCQ_OPT_RCVTIMEO, 100) == 0);
    check(mcq_set(req, MCQ_OPT_RCVTIMEO, 1000) == 0 && mcq_set(req, MCQ_OPT_REQ_RELAXED, 1) == 0 &&
          mcq_set(req, MCQ_OPT_REQ_CORRELATE, 1) == 0);
    while (mine->number < CHANGES) {
        bool is_there = mcq_recv(sub, &change, sizeof change, 0) == sizeof change;

        if (!is_there || change.number > mine->number + 1)
            ask_for_all(req, mine); /* silence, or something was missed */
        if (is_there && change.number == mine->number + 1)
            apply(mine, &change);
    }
    atomic_fetch_add(&done_count, 1);
    check(mcq_close(sub) == 0 && mcq_close(req) == 0);
    return NULL;
}

static void answer(struct mcq_socket *rep, int timeout_ms)
{
    struct mcq_poll_entry entry = {.socket = rep, .events = MCQ_POLLIN};

    if (mcq_poll(&entry, 1, timeout_ms) < 1 || mcq_recv(rep, NULL, 0, MCQ_DONTWAIT) < 0)
        return;
    check(mcq_send(rep, &table, sizeof table, 0) == 0);
}

static void lose_somebody(struct mcq_socket *socket, unsigned which)
{
    struct mcq_peer_info infos[CLIENTS];
    int count = mcq_peers(socket, infos, CLIENTS, sizeof *infos);

    if (count > 0 && count <= CLIENTS)
        (void) mcq_close_peer(socket, infos[which % (unsigned) count].id);
}

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 0) : 1;
    struct table theirs[CLIENTS] = {0};
    pthread_t threads[CLIENTS];
    int same = 0;

    context = mcq_ctx_new();
    struct mcq_socket *pub = bound(context, MCQ_PUB, updates);
    struct mcq_socket *rep = bound(context, MCQ_REP, snapshots);

    for (int i = 0; i < CLIENTS; i++)
        check(pthread_create(&threads[i], NULL, run_client, &theirs[i]) == 0);
    for (long number = 1; number <= CHANGES; number++) {
        struct change change = {number, rand_r(&seed) % ROWS, rand_r(&seed)};

        apply(&table, &change);
        check(mcq_send(pub, &change, sizeof change, 0) == 0);
        if (rand_r(&seed) % 100 == 0)
            lose_somebody(rand_r(&seed) % 2 ? pub : rep, (unsigned) rand_r(&seed));
        answer(rep, 0);
    }
    while (atomic_load(&done_count) < CLIENTS)
        answer(rep, 10);
    for (int i = 0; i < CLIENTS; i++) {
        check(pthread_join(threads[i], NULL) == 0);
        same += memcmp(&theirs[i], &table, sizeof table) == 0;
    }
    printf("%d of %d clients hold the table with %d changes\n", same, CLIENTS, CHANGES);
    check(mcq_close(pub) == 0 && mcq_close(rep) == 0 && mcq_ctx_term(context, -1) == 0);
    return same == CLIENTS ? 0 : 1;
}
