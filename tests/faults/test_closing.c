/* g11: a socket is closed, and a context ends, while other threads are inside its calls. */
#include "faults/alone.h"

#define ROUNDS 150

/* Two sockets, in nobody's list: the test closes them itself. */
struct pair {
    struct mcq_context *context;
    struct mcq_socket *sockets[2];
};

static void begin_pair(struct pair *pair)
{
    pair->context = mcq_ctx_new();
    for (size_t i = 0; i < 2; i++) {
        pair->sockets[i] = mcq_socket(pair->context, i == 0 ? MCQ_PULL : MCQ_DEALER);
        if (pair->sockets[i] == NULL)
            fail_msg("%s", mcq_last_error());
    }
}

static int poll_pair(void *argument)
{
    struct pair *pair = argument;
    struct mcq_poll_entry entries[2] = {
        {.socket = pair->sockets[0], .events = MCQ_POLLIN},
        {.socket = pair->sockets[1], .events = MCQ_POLLIN},
    };

    return mcq_poll(entries, 2, -1);
}

static int receive_first(void *argument)
{
    return (int) mcq_recv(((struct pair *) argument)->sockets[0], NULL, 0, 0);
}

/* The call ends at once, and says why; the end of the context waits until it is through, for the
 * call needs the context to the last. */
static void close_and_end(int (*call)(void *))
{
    for (int round = 0; round < ROUNDS; round++) {
        struct pair pair;
        struct helper helper;

        begin_pair(&pair);
        start_helper(&helper, call, &pair);
        await_sleep(&helper);
        assert_works(mcq_close(pair.sockets[round % 2]));
        assert_works(mcq_close(pair.sockets[1 - round % 2]));
        assert_works(mcq_ctx_term(pair.context, PATIENCE_MS));
        join_helper(&helper);
        assert_int_equal(helper.result, -1);
        assert_in_set(helper.number, ((const LargestIntegralType[]) {ENOTSOCK, MCQ_ETERM}), 2);
    }
}

static void fault_g11__sockets_closed_while_polled__poll_ends_and_then_the_context(void)
{
    close_and_end(poll_pair);
}

static void fault_g11__socket_closed_while_receiving__call_ends_and_then_the_context(void)
{
    close_and_end(receive_first);
}

/* Others are polled with it: one closed socket ends the call, the other one goes on. */
static void fault_g11__one_of_two_closed_while_polled__the_other_goes_on(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    for (int round = 0; round < 20; round++) {
        struct pair pair = {world.context, {couple.bound, open_socket(&world, MCQ_DEALER)}};
        struct helper helper;

        start_helper(&helper, poll_pair, &pair);
        await_sleep(&helper);
        close_socket(&world, pair.sockets[1]);
        join_helper(&helper);
        assert_int_equal(helper.result, -1);
        assert_int_equal(helper.number, ENOTSOCK);
        send_text(couple.connected, "goes on", 0);
        expect_text(couple.bound, "goes on");
    }
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_g11__sockets_closed_while_polled__poll_ends_and_then_the_context)                      \
    X(fault_g11__socket_closed_while_receiving__call_ends_and_then_the_context)                    \
    X(fault_g11__one_of_two_closed_while_polled__the_other_goes_on)
#define FAULTS_AUTO(X)

FAULTS_MAIN("closing")
