/* Messages: their bodies, their way, and arrays of them. */

#include <sys/uio.h>

#include "say.h"

static int released;

static void release(void *data, void *hint)
{
    released++;
    printf("released %s %s\n", (char *) data, (char *) hint);
}

void messages(void)
{
    static char body[] = "body", hint[] = "hint";
    static const size_t lens[] = {0, 1, 29, 33, 34, 56, 57, 1000};
    zmq_msg_t one;
    zmq_msg_t two;

    title = "messages";
    for (size_t i = 0; i < COUNT(lens); i++) {
        SAY(zmq_msg_init_size(&one, lens[i]));
        memset(zmq_msg_data(&one), 'x', lens[i]);
        SAY(zmq_msg_size(&one));
        SAY(zmq_msg_get(&one, ZMQ_SHARED));
        SAY(zmq_msg_init(&two));
        SAY(zmq_msg_copy(&two, &one));
        SAY(zmq_msg_get(&one, ZMQ_SHARED));
        SAY(zmq_msg_get(&two, ZMQ_SHARED));
        SAY(zmq_msg_close(&two));
        SAY(zmq_msg_close(&one));
    }
    SAY(zmq_msg_init_data(&one, body, 4, release, hint));
    SAY(zmq_msg_init(&two));
    SAY(zmq_msg_copy(&two, &one));
    SAY(zmq_msg_move(&one, &two));
    SAY(zmq_msg_size(&two));
    SAY(zmq_msg_close(&two));
    SAY(released);
    SAY(zmq_msg_close(&one));
    SAY(released);
    SAY(zmq_msg_get(&one, 4));
    zmq_msg_init(&one);
    SAY(zmq_msg_get(&one, ZMQ_MORE));
    SAY(zmq_msg_more(&one));
    SAY(zmq_msg_get(&one, 4));
    SAY(zmq_msg_set(&one, ZMQ_MORE, 1));
    IS(zmq_msg_gets(&one, "Socket-Type"));
    TRY(zmq_msg_get(&one, ZMQ_SRCFD));
    SAY(zmq_msg_close(&one));
}

/* What a message is on its way. */
void passages(void)
{
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);
    zmq_msg_t one;

    title = "passages";
    zmq_msg_init(&one);
    join(pull, push);
    SAY(zmq_send(push, "a", 1, ZMQ_SNDMORE));
    SAY(zmq_send_const(push, "bc", 2, 0));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_more(&one));
    printf("%s %s\n", zmq_msg_gets(&one, "Socket-Type"), zmq_msg_gets(&one, "Peer-Address"));
    IS(zmq_msg_gets(&one, "User-Id"));
    IS(zmq_msg_gets(&one, "Routing-Id"));
    IS(zmq_msg_gets(&one, "Identity"));
    TRY(zmq_msg_get(&one, ZMQ_SRCFD));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_more(&one));
    SAY(zmq_msg_send(&one, push, 0));
    SAY(zmq_msg_size(&one));
    SAY(zmq_msg_recv(&one, pull, 0));
    SAY(zmq_msg_send(&one, pull, 0));
    SAY(zmq_msg_size(&one));
    SAY(zmq_msg_close(&one));
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}

void arrays(void)
{
    static char body[] = "body";
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);
    struct iovec out[2] = {{body, 2}, {body + 2, 2}}, in[3] = {{0}};
    size_t count = 3;

    title = "arrays";
    join(pull, push);

    SAY(zmq_sendiov(push, out, 2, ZMQ_SNDMORE));
    SAY(zmq_recviov(pull, in, &count, 0));
    printf("%zu parts: %.2s %.2s\n", count, (char *) in[0].iov_base, (char *) in[1].iov_base);
    SAY(zmq_sendiov(push, out, 2, 0));
    SAY(zmq_recv(pull, body, 4, 0));
    SAY(zmq_recv(pull, body, 4, 0));
    SAY(zmq_sendiov(push, out, 0, 0));
    SAY(zmq_sendiov(push, NULL, 1, 0));
    count = 0;
    SAY(zmq_recviov(pull, in, &count, 0));
    free(in[0].iov_base);
    free(in[1].iov_base);
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}
