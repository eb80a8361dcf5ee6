/* majordomo: services by their names. Workers say which service they do, and that they live; a
 * broker gives each request to a worker of that service that waits, and knows which there are.
 *     majordomo [SEED]   sixty requests for two services, and four workers that fail at random
 * Exit status: 0 all were answered, 1 failed. */
#include <pthread.h>

#include "parts.h"

#define REQUESTS 60
#define WORKERS 4
#define SERVICES 2
#define BEAT_MS 20     /* a worker says that often that it is alive, */
#define SILENCE_MS 100 /* and is forgotten after so long without a word */
#define PATIENCE_MS 150
#define RESENDS 100
#define WAITING_MAX 64

static const char *const names[SERVICES] = {"double", "negate"};

static struct mcq_context *context;
static char for_clients[ENDPOINT_BYTES];
static char for_workers[ENDPOINT_BYTES];
static struct mcq_socket *front;
static struct mcq_socket *back;
static unsigned seed = 1;
static _Atomic bool is_over;

/* What the broker knows of a service. Who has waited longest is the first. */
static struct service {
    struct {
        struct mcq_message id;
        int silent_ms;
    } workers[WAITING_MAX];
    int worker_count;
    struct parts requests[WAITING_MAX];
    int request_count;
} services[SERVICES];

static struct service *find(struct parts *parts, int index)
{
    for (int i = 0; i < SERVICES; i++)
        if (parts_is(parts, index, names[i]))
            return &services[i];
    return NULL;
}

static void forget_worker(struct service *service, int at)
{
    check(mcq_message_close(&service->workers[at].id) == 0);
    memmove(&service->workers[at], &service->workers[at + 1],
            (size_t) (--service->worker_count - at) * sizeof *service->workers);
}

static void forget_request(struct service *service)
{
    parts_close(&service->requests[0]);
    memmove(&service->requests[0], &service->requests[1],
            (size_t) --service->request_count * sizeof *service->requests);
}

/* A request is who asks, its id, nothing, the service, a number; the worker's id takes the place of
 * the service, in front. */
static void give_out(struct service *service)
{
    while (service->worker_count > 0 && service->request_count > 0) {
        struct parts *request = &service->requests[0];
        struct parts work = {.count = 5};

        for (int i = 0; i < PARTS_MAX; i++)
            check(mcq_message_init(&work.at[i]) == 0);
        check(mcq_message_copy(&work.at[0], &service->workers[0].id) == 0);
        for (int i = 0; i < 3; i++)
            check(mcq_message_move(&work.at[i + 1], &request->at[i]) == 0);
        check(mcq_message_move(&work.at[4], &request->at[4]) == 0);
        (void) parts_send(&work, 0, back);
        parts_close(&work);
        forget_worker(service, 0);
        forget_request(service);
    }
}

static void note_worker(struct service *service, struct mcq_message *id)
{
    int at = 0;

    while (at < service->worker_count &&
           (mcq_message_size(&service->workers[at].id) != mcq_message_size(id) ||
            memcmp(mcq_message_data(&service->workers[at].id), mcq_message_data(id),
                   mcq_message_size(id)) != 0))
        at++;
    if (at == WAITING_MAX)
        return;
    if (at == service->worker_count) {
        check(mcq_message_init(&service->workers[at].id) == 0);
        check(mcq_message_copy(&service->workers[service->worker_count++].id, id) == 0);
    }
    service->workers[at].silent_ms = 0;
}

/* A beat: the worker's id, its service. An answer: the same, who asked, the request's id, nothing,
 * the answer. Either way the worker waits for more. */
static void hear_worker(void)
{
    struct parts parts;
    struct service *service = NULL;

    if (parts_recv(&parts, back, MCQ_DONTWAIT))
        service = find(&parts, 1);
    if (parts.count == 6)
        (void) parts_send(&parts, 2, front); /* nobody: who asked is gone */
    if (service != NULL) {
        note_worker(service, &parts.at[0]);
        give_out(service);
    }
    parts_close(&parts);
}

/* "mmi" asks whether there is somebody for a service. */
static void hear_client(void)
{
    struct parts parts;
    struct service *service;

    if (!parts_recv(&parts, front, MCQ_DONTWAIT) || parts.count != 5) {
        parts_close(&parts);
        return;
    }
    if (parts_is(&parts, 3, "mmi")) {
        service = find(&parts, 4);
        parts_set(&parts, 3, service != NULL && service->worker_count > 0 ? "200" : "404");
        parts.count = 4;
        (void) parts_send(&parts, 0, front);
    } else if ((service = find(&parts, 3)) != NULL) {
        if (service->request_count == WAITING_MAX)
            forget_request(service); /* its client asks again */
        service->requests[service->request_count++] = parts;
        give_out(service);
        return; /* the parts are the service's */
    }
    parts_close(&parts);
}

static void *run_broker(void *unused)
{
    while (!is_over) {
        struct mcq_poll_entry entries[2] = {{.socket = back, .events = MCQ_POLLIN},
                                            {.socket = front, .events = MCQ_POLLIN}};
        int count = mcq_poll(entries, 2, BEAT_MS);

        check(count >= 0);
        if (entries[0].revents != 0)
            hear_worker();
        if (entries[1].revents != 0)
            hear_client();
        for (int s = 0; count == 0 && s < SERVICES; s++)
            for (int i = 0; i < services[s].worker_count; i++)
                if ((services[s].workers[i].silent_ms += BEAT_MS) > SILENCE_MS)
                    forget_worker(&services[s], i--);
    }
    for (int s = 0; s < SERVICES; s++) {
        while (services[s].worker_count > 0)
            forget_worker(&services[s], 0);
        while (services[s].request_count > 0)
            forget_request(&services[s]);
    }
    return unused;
}

/* Some requests it loses, and now and then itself, to be born again. */
static void *run_worker(void *argument)
{
    int which = *(int *) argument;
    unsigned mine = seed * WORKERS + (unsigned) which;
    const char *name = names[which % SERVICES];
    struct mcq_socket *socket = connected(context, MCQ_DEALER, for_workers);
    struct parts parts;

    check(mcq_set(socket, MCQ_OPT_RCVTIMEO, BEAT_MS) == 0);
    for (; !is_over; parts_close(&parts)) {
        int fate = rand_r(&mine) % 8;
        char text[16];

        (void) say(socket, name);
        if (!parts_recv(&parts, socket, 0) || fate == 0)
            continue;
        if (fate == 1) {
            leave(socket);
            socket = connected(context, MCQ_DEALER, for_workers);
            check(mcq_set(socket, MCQ_OPT_RCVTIMEO, BEAT_MS) == 0);
            continue;
        }
        (void) snprintf(text, sizeof text, "%d",
                        parts_number(&parts, 3) * (which % SERVICES == 0 ? 2 : -1));
        parts_set(&parts, 4, text);
        for (int i = 3; i > 0; i--) /* its service goes in front */
            check(mcq_message_move(&parts.at[i], &parts.at[i - 1]) == 0);
        parts_set(&parts, 0, name);
        (void) parts_send(&parts, 0, socket);
    }
    leave(socket);
    return NULL;
}

static bool ask(struct mcq_socket *client, const char *service, const char *text, int expected)
{
    char reply[16] = "";

    check(mcq_send(client, service, strlen(service), MCQ_SNDMORE) == 0);
    check(mcq_send(client, text, strlen(text), 0) == 0);
    return mcq_recv(client, reply, sizeof reply - 1, 0) > 0 && number_in(reply) == expected;
}

int main(int argc, char **argv)
{
    pthread_t threads[WORKERS + 1];
    int numbers[WORKERS];
    int answered = 0;
    int64_t resent = 0;

    if (argc > 1)
        seed = (unsigned) strtoul(argv[1], NULL, 0);
    context = mcq_ctx_new();
    front = bound(context, MCQ_ROUTER, for_clients);
    back = bound(context, MCQ_ROUTER, for_workers);
    check(pthread_create(&threads[WORKERS], NULL, run_broker, NULL) == 0);
    for (int i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        check(pthread_create(&threads[i], NULL, run_worker, &numbers[i]) == 0);
    }
    struct mcq_socket *client = connected(context, MCQ_REQ, for_clients);

    check(mcq_set(client, MCQ_OPT_REQ_TIMEOUT, PATIENCE_MS) == 0);
    check(mcq_set(client, MCQ_OPT_REQ_RESENDS, RESENDS) == 0);
    check(ask(client, "mmi", "cook", 404));
    for (int number = 1; number <= REQUESTS; number++) {
        char text[16];

        (void) snprintf(text, sizeof text, "%d", number);
        answered += ask(client, names[number % SERVICES], text,
                        number % SERVICES == 0 ? 2 * number : -number);
    }
    check(mcq_get(client, MCQ_OPT_REQ_RESENT, &resent) == 0);
    is_over = true;
    for (int i = 0; i <= WORKERS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    printf("seed %u: %d of %d requests were answered, %d were sent again\n", seed, answered,
           REQUESTS, (int) resent);
    leave(client);
    leave(front);
    leave(back);
    check(mcq_ctx_term(context, -1) == 0);
    return answered == REQUESTS ? 0 : 1;
}
