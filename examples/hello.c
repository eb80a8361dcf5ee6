/* hello: a question and its answer. A real program has the two sides in two processes; what each of
 * them does is the same.
 *     hello            prints the answer
 * Exit status: 0 done, 1 failed. */
#include <monocoque.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool is_good)
{
    if (is_good)
        return;
    fprintf(stderr, "hello: %s\n", mcq_last_error());
    exit(1);
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *server = mcq_socket(context, MCQ_REP);
    struct mcq_socket *client = mcq_socket(context, MCQ_REQ);
    char endpoint[64];
    size_t len = sizeof endpoint;
    char name[32] = "";
    char answer[64] = "";

    check(server != NULL && client != NULL);
    check(mcq_bind(server, "tcp://127.0.0.1:*") == 0); /* any free port; which one became it? */
    check(mcq_get_bytes(server, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) == 0);

    check(mcq_connect(client, endpoint) == 0);
    check(mcq_send(client, "world", 5, 0) == 0);

    check(mcq_recv(server, name, sizeof name - 1, 0) >= 0);
    (void) snprintf(answer, sizeof answer, "Hello, %s!", name);
    check(mcq_send(server, answer, strlen(answer), 0) == 0);

    memset(answer, 0, sizeof answer);
    check(mcq_recv(client, answer, sizeof answer - 1, 0) >= 0);
    puts(answer);

    check(mcq_close(client) == 0 && mcq_close(server) == 0);
    check(mcq_ctx_term(context, -1) == 0);
}
