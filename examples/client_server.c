/* client_server: several threads share a CLIENT; a SERVER answers each of their requests.
 *     client_server    three threads ask for squares, the server prints whom it answers
 * Exit status: 0 done, 1 failed. */
#include <pthread.h>
#include <string.h>

#include "check.h"

#define THREADS 3

static void *ask(void *client)
{
    static const char number[] = "12";

    check(mcq_send(client, number, strlen(number), 0) == 0); /* one part: no other gets between */
    return NULL;
}

static void answer(struct mcq_socket *server)
{
    struct mcq_message request;
    struct mcq_message reply;
    char text[32] = "";

    check(mcq_message_init(&request) == 0 && mcq_recv_message(server, &request, 0) == 0);
    memcpy(text, mcq_message_data(&request), mcq_message_size(&request));
    long number = strtol(text, NULL, 10); /* the client is ours, and sends one */

    printf("somebody asks for the square of %ld\n", number);
    (void) snprintf(text, sizeof text, "%ld", number * number);
    check(mcq_message_init_copy(&reply, text, strlen(text)) == 0);
    check(mcq_message_set_routing_id(&reply, mcq_message_routing_id(&request)) == 0);
    check(mcq_send_message(server, &reply, 0) == 0);
    check(mcq_message_close(&request) == 0 && mcq_message_close(&reply) == 0);
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *server = bound(context, MCQ_SERVER, endpoint);
    struct mcq_socket *client = connected(context, MCQ_CLIENT, endpoint);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, ask, client) == 0);
    for (int i = 0; i < THREADS; i++)
        answer(server);
    for (int i = 0; i < THREADS; i++) {
        char text[16] = "";

        check(pthread_join(threads[i], NULL) == 0);
        check(mcq_recv(client, text, sizeof text - 1, 0) > 0);
        printf("it is %s\n", text);
    }
    check(mcq_close(client) == 0 && mcq_close(server) == 0 && mcq_ctx_term(context, -1) == 0);
}
