/* paranoid_pirate: a queue that gives each request to a worker which has just said that it lives,
 * while workers come, fall silent and go. Clients ask anew if no reply comes in time.
 *     paranoid_pirate [SEED]   thirty requests, and workers that fail at random
 * Exit status: 0 all were answered, 1 failed. */
#include <pthread.h>
#include <string.h>

#include "check.h"

#define REQUESTS 30
#define TRIES 200
#define WORKERS 3
#define BEAT_MS 20     /* a worker says that often that it is alive, */
#define SILENCE_MS 100 /* and is forgotten after so long without a word */
#define PATIENCE_MS 150

static struct mcq_context *context;
static char for_clients[ENDPOINT_BYTES];
static char for_workers[ENDPOINT_BYTES];
static struct mcq_socket *front;
static struct mcq_socket *back;
static _Atomic bool is_over;

/* Workers that may be asked, the one that has waited longest first. */
static struct {
    struct mcq_message id;
    int silent_ms;
} ready[WORKERS * TRIES];
static int ready_count;

static void forget(int at)
{
    check(mcq_message_close(&ready[at].id) == 0);
    memmove(&ready[at], &ready[at + 1], (size_t) (--ready_count - at) * sizeof *ready);
}

static void note(struct mcq_message *id)
{
    int at = 0;

    while (at < ready_count &&
           memcmp(mcq_message_data(&ready[at].id), mcq_message_data(id), mcq_message_size(id)) != 0)
        at++;
    if (at == ready_count) {
        check(mcq_message_init(&ready[ready_count].id) == 0);
        check(mcq_message_copy(&ready[ready_count++].id, id) == 0);
    }
    ready[at].silent_ms = 0;
}

/* From a worker: a beat of two parts, or a reply: its id, the client's, nothing, the reply. */
static void hear_worker(void)
{
    struct mcq_message parts[4];
    int count;

    for (int i = 0; i < 4; i++)
        check(mcq_message_init(&parts[i]) == 0);
    count = mcq_recv_parts(back, parts, 4, MCQ_DONTWAIT);
    if (count > 0)
        note(&parts[0]);
    if (count == 4)
        check(mcq_send_parts(front, parts + 1, 3, 0) == 0);
    for (int i = 0; i < 4; i++)
        check(mcq_message_close(&parts[i]) == 0);
}

/* A request goes to whoever has waited longest. */
static void hear_client(void)
{
    struct mcq_message parts[4];
    int count;

    for (int i = 0; i < 4; i++)
        check(mcq_message_init(&parts[i]) == 0);
    count = mcq_recv_parts(front, parts + 1, 3, MCQ_DONTWAIT);
    if (count == 3) {
        check(mcq_message_move(&parts[0], &ready[0].id) == 0);
        forget(0);
        check(mcq_send_parts(back, parts, 4, 0) == 0);
    }
    for (int i = 0; i < 4; i++)
        check(mcq_message_close(&parts[i]) == 0);
}

static void *run_queue(void *unused)
{
    while (!is_over) {
        struct mcq_poll_entry entries[2] = {{.socket = back, .events = MCQ_POLLIN},
                                            {.socket = front, .events = MCQ_POLLIN}};
        int count = mcq_poll(entries, ready_count > 0 ? 2 : 1, BEAT_MS);

        check(count >= 0);
        if (entries[0].revents != 0)
            hear_worker();
        if (ready_count > 0 && entries[1].revents != 0)
            hear_client();
        for (int i = 0; count == 0 && i < ready_count; i++)
            if ((ready[i].silent_ms += BEAT_MS) > SILENCE_MS)
                forget(i--);
    }
    while (ready_count > 0)
        forget(0);
    return unused;
}

/* Some requests it loses, and now and then itself, to be born again. */
static void *run_worker(void *argument)
{
    unsigned seed = *(unsigned *) argument;
    struct mcq_socket *socket = connected(context, MCQ_DEALER, for_workers);
    struct mcq_message parts[3];

    for (int i = 0; i < 3; i++)
        check(mcq_message_init(&parts[i]) == 0);
    check(mcq_set(socket, MCQ_OPT_RCVTIMEO, BEAT_MS) == 0);
    for (; !is_over; (void) mcq_send(socket, "", 0, MCQ_DONTWAIT)) {
        int fate = rand_r(&seed) % 8;

        if (mcq_recv_parts(socket, parts, 3, 0) != 3 || fate == 0)
            continue;
        if (fate == 1) {
            check(mcq_set(socket, MCQ_OPT_LINGER, 0) == 0 && mcq_close(socket) == 0);
            socket = connected(context, MCQ_DEALER, for_workers);
            check(mcq_set(socket, MCQ_OPT_RCVTIMEO, BEAT_MS) == 0);
            continue;
        }
        check(mcq_send_parts(socket, parts, 3, 0) == 0);
    }
    for (int i = 0; i < 3; i++)
        check(mcq_message_close(&parts[i]) == 0);
    check(mcq_set(socket, MCQ_OPT_LINGER, 0) == 0 && mcq_close(socket) == 0);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 0) : 1;
    unsigned seeds[WORKERS];
    pthread_t threads[WORKERS + 1];
    int tries = 0;

    context = mcq_ctx_new();
    front = bound(context, MCQ_ROUTER, for_clients);
    back = bound(context, MCQ_ROUTER, for_workers);
    check(pthread_create(&threads[WORKERS], NULL, run_queue, NULL) == 0);
    for (int i = 0; i < WORKERS; i++) {
        seeds[i] = seed * WORKERS + (unsigned) i;
        check(pthread_create(&threads[i], NULL, run_worker, &seeds[i]) == 0);
    }
    for (int number = 0, reply = -1; number < REQUESTS && tries < TRIES; tries++) {
        struct mcq_socket *client = connected(context, MCQ_REQ, for_clients);

        check(mcq_set(client, MCQ_OPT_RCVTIMEO, PATIENCE_MS) == 0);
        check(mcq_set(client, MCQ_OPT_LINGER, 0) == 0);
        check(mcq_send(client, &number, sizeof number, 0) == 0);
        if (mcq_recv(client, &reply, sizeof reply, 0) == sizeof reply && reply == number)
            number++;
        check(mcq_close(client) == 0);
    }
    is_over = true;
    for (int i = 0; i <= WORKERS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    printf("%d requests were answered, with %d tries\n", REQUESTS, tries);
    check(mcq_close(front) == 0 && mcq_close(back) == 0 && mcq_ctx_term(context, -1) == 0);
    return tries < TRIES ? 0 : 1;
}
