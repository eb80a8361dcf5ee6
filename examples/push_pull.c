/* push_pull: work is handed to three workers in turns, and their results are collected.
 *     push_pull        prints the sum of the squares of 1 to 100
 * Exit status: 0 done, 1 failed. */
#include <pthread.h>

#include "check.h"

#define COUNT 100
#define WORKERS 3

static struct mcq_context *context;
static char work[ENDPOINT_BYTES];    /* where to get it */
static char results[ENDPOINT_BYTES]; /* where to bring them */

static void *run_worker(void *unused)
{
    struct mcq_socket *from = connected(context, MCQ_PULL, work);
    struct mcq_socket *to = connected(context, MCQ_PUSH, results);
    long number;

    while (mcq_recv(from, &number, sizeof number, 0) == sizeof number && number != 0) {
        number *= number;
        check(mcq_send(to, &number, sizeof number, 0) == 0);
    }
    check(mcq_close(from) == 0 && mcq_close(to) == 0);
    return unused;
}

int main(void)
{
    pthread_t workers[WORKERS];
    const long end = 0;
    long sum = 0;

    context = mcq_ctx_new();
    struct mcq_socket *push = bound(context, MCQ_PUSH, work);
    struct mcq_socket *pull = bound(context, MCQ_PULL, results);

    for (int i = 0; i < WORKERS; i++)
        check(pthread_create(&workers[i], NULL, run_worker, NULL) == 0);
    check(mcq_wait_peers(push, WORKERS, -1) == 0); /* else the first one would get all of it */
    for (long number = 1; number <= COUNT; number++)
        check(mcq_send(push, &number, sizeof number, 0) == 0);
    for (int i = 0; i < COUNT; i++) {
        long number;

        check(mcq_recv(pull, &number, sizeof number, 0) == sizeof number);
        sum += number;
    }
    for (int i = 0; i < WORKERS; i++)
        check(mcq_send(push, &end, sizeof end, 0) == 0);
    for (int i = 0; i < WORKERS; i++)
        check(pthread_join(workers[i], NULL) == 0);
    printf("1 + 4 + 9 + ... + %d = %ld\n", COUNT * COUNT, sum);
    check(mcq_close(push) == 0 && mcq_close(pull) == 0 && mcq_ctx_term(context, -1) == 0);
    return sum == 338350 ? 0 : 1;
}
