/* in_place: messages are written where they leave from, 64 to a call, and not copied any more.
 *     in_place         prints how many readings were sent, and how many octets they had
 * Exit status: 0 done, 1 failed. */
#include <pthread.h>
#include <string.h>

#include "check.h"

#define COUNT 10000
#define BATCH 64

static struct mcq_context *context;
static char endpoint[ENDPOINT_BYTES];

/* A reading as text: how long it becomes is known once it is written. */
static size_t write_reading(struct mcq_message *message, int number)
{
    return (size_t) snprintf(mcq_message_data(message), mcq_message_size(message),
                             "sensor=%d value=%d", number % 16, number * number % 1000);
}

static void *run_reader(void *octets)
{
    struct mcq_socket *pull = connected(context, MCQ_PULL, endpoint);

    for (int i = 0; i < COUNT; i++) {
        char room[64];
        ptrdiff_t len = mcq_recv(pull, room, sizeof room, 0);

        check(len > 0 && memcmp(room, "sensor=", 7) == 0);
        *(size_t *) octets += (size_t) len;
    }
    check(mcq_close(pull) == 0);
    return NULL;
}

int main(void)
{
    struct mcq_message messages[BATCH];
    pthread_t reader;
    size_t written = 0;
    size_t read = 0;

    context = mcq_ctx_new();
    struct mcq_socket *push = bound(context, MCQ_PUSH, endpoint);

    check(pthread_create(&reader, NULL, run_reader, &read) == 0);
    for (int i = 0; i < BATCH; i++)
        (void) mcq_message_init(&messages[i]);
    for (int number = 0; number < COUNT;) {
        int count = mcq_reserve_batch(push, messages, BATCH, 64);

        check(count > 0);
        for (int i = 0; i < count; i++) {
            size_t len = write_reading(&messages[i], number);

            if (number++ >= COUNT) { /* more room than there is to say */
                (void) mcq_message_close(&messages[i]);
                continue;
            }
            check(mcq_commit(push, &messages[i], len, 0) == 0);
            written += len;
        }
    }
    check(pthread_join(reader, NULL) == 0);
    printf("%d readings, %zu octets\n", COUNT, read);
    check(mcq_close(push) == 0 && mcq_ctx_term(context, -1) == 0);
    return read == written ? 0 : 1;
}
