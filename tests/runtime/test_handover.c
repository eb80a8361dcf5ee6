/* Sockets that change hands while their engine looks after them: for ThreadSanitizer, and for the
 * order and number of messages. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "runtime/socket.h"

#define MESSAGES 4000
#define OWNERS 3

static int ledger_is_empty(void **state)
{
    (void) state;
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

static uint64_t first_seed(void)
{
    const char *seed = getenv("MCQ_SEED");

    return seed != NULL ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15u;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* One end of a stream of numbered messages; its owners take turns, a random number of messages
 * each. */
struct end {
    struct mcq_socket *socket;
    pthread_mutex_t turn;
    uint32_t number;
    uint64_t seed;
    bool is_wrong;
    bool sends;
};

/* An owner that computes: long enough for its socket to grow cold, now and then. */
static void compute(uint64_t chance)
{
    struct timespec begin;
    struct timespec now;
    long most_ns = chance % 40 == 0 ? 8000000 : (long) (chance % 3) * 20000;

    (void) clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < most_ns);
}

static void send_one(struct end *end)
{
    uint8_t octets[300] = {0};
    size_t len = sizeof end->number + next_random(&end->seed) % 200;
    struct mcq_part part = {.body = mcq_bytes(octets, len)};

    memcpy(octets, &end->number, sizeof end->number);
    if (mcq_socket_send(end->socket, &part, -1) != MCQ_OK)
        end->is_wrong = true;
}

static void receive_one(struct end *end)
{
    struct mcq_msg msg;
    uint32_t number = 0;

    if (mcq_socket_recv(end->socket, &msg, -1) != MCQ_OK) {
        end->is_wrong = true;
        return;
    }
    if (mcq_msg_len(&msg) >= sizeof number)
        memcpy(&number, mcq_msg_data(&msg), sizeof number);
    end->is_wrong |= number != end->number;
    mcq_msg_fini(&msg);
}

static void *own(void *context)
{
    struct end *end = context;
    bool is_over = false;

    while (!is_over) {
        (void) pthread_mutex_lock(&end->turn);
        for (uint64_t i = next_random(&end->seed) % 60; i > 0 && end->number < MESSAGES; i--) {
            if (end->sends)
                send_one(end);
            else
                receive_one(end);
            end->number++;
            if (end->is_wrong)
                end->number = MESSAGES;
        }
        is_over = end->number >= MESSAGES;
        uint64_t chance = next_random(&end->seed);

        (void) pthread_mutex_unlock(&end->turn);
        compute(chance);
    }
    return NULL;
}

static void join_up(struct mcq_socket *binder, struct mcq_socket *other)
{
    char endpoint[sizeof binder->last_endpoint];
    const char *fault;

    assert_int_equal(mcq_socket_enter(binder), MCQ_OK);
    assert_int_equal(mcq_socket_bind(binder, mcq_bytes_of("tcp://127.0.0.1:*"), &fault), MCQ_OK);
    memcpy(endpoint, binder->last_endpoint, sizeof endpoint);
    mcq_socket_leave(binder);
    assert_int_equal(mcq_socket_enter(other), MCQ_OK);
    assert_int_equal(mcq_socket_connect(other, mcq_bytes_of(endpoint), &fault), MCQ_OK);
    mcq_socket_leave(other);
}

static void change_hands(enum mcq_socket_type sender, enum mcq_socket_type receiver)
{
    struct mcq_context *context;
    struct end ends[2] = {{.sends = true, .seed = first_seed()}, {.seed = first_seed() / 3 | 1}};
    pthread_t threads[2 * OWNERS];

    assert_int_equal(mcq_context_new(&context), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, sender, &ends[0].socket), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, receiver, &ends[1].socket), MCQ_OK);
    join_up(ends[1].socket, ends[0].socket);
    for (int i = 0; i < 2; i++)
        (void) pthread_mutex_init(&ends[i].turn, NULL);
    print_message("# seed %llu\n", (unsigned long long) first_seed());
    for (int i = 0; i < 2 * OWNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, own, &ends[i % 2]), 0);
    for (int i = 0; i < 2 * OWNERS; i++)
        (void) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_false(ends[i].is_wrong);
        (void) pthread_mutex_destroy(&ends[i].turn);
        assert_int_equal(mcq_socket_close(ends[i].socket), MCQ_OK);
    }
    assert_int_equal(mcq_context_term(&context, MCQ_NEVER_NS), MCQ_OK);
}

static void push_and_pull__change_hands__all_arrive_in_order(void **state)
{
    (void) state;
    change_hands(MCQ_SOCKET_TYPE_PUSH, MCQ_SOCKET_TYPE_PULL);
}

static void pairs__change_hands__all_arrive_in_order(void **state)
{
    (void) state;
    change_hands(MCQ_SOCKET_TYPE_PAIR, MCQ_SOCKET_TYPE_PAIR);
}

static void dealers__change_hands__all_arrive_in_order(void **state)
{
    (void) state;
    change_hands(MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_DEALER);
}

/* --- the end, while others are inside --------------------------------------------------------- */

struct sleeper_call {
    struct mcq_socket *socket;
    enum mcq_err err;
};

static void *sleep_in_recv(void *context)
{
    struct sleeper_call *call = context;
    struct mcq_msg msg;

    call->err = mcq_socket_recv(call->socket, &msg, -1);
    return NULL;
}

static void wait_for_sleeper(struct mcq_socket *socket)
{
    uint32_t count = 0;

    while (count == 0) {
        assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
        count = socket->in_sleepers;
        mcq_socket_leave(socket);
        (void) sched_yield();
    }
}

static void shutdown__wakes_a_sleeping_call__which_answers_terminated(void **state)
{
    struct mcq_context *context;
    struct sleeper_call call;
    pthread_t thread;

    (void) state;
    assert_int_equal(mcq_context_new(&context), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PULL, &call.socket), MCQ_OK);
    assert_int_equal(pthread_create(&thread, NULL, sleep_in_recv, &call), 0);
    wait_for_sleeper(call.socket);
    mcq_context_shutdown(context);
    (void) pthread_join(thread, NULL);
    assert_int_equal(call.err, MCQ_TERMINATED);
    assert_int_equal(mcq_context_term(&context, 0), MCQ_TIMEOUT);
    assert_int_equal(mcq_socket_close(call.socket), MCQ_OK);
    assert_int_equal(mcq_socket_close(call.socket), MCQ_NOT_OPEN);
    assert_int_equal(mcq_context_term(&context, MCQ_NEVER_NS), MCQ_OK);
}

static void close__wakes_a_sleeping_call__which_answers_not_open(void **state)
{
    struct mcq_context *context;
    struct sleeper_call call;
    pthread_t thread;

    (void) state;
    assert_int_equal(mcq_context_new(&context), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PULL, &call.socket), MCQ_OK);
    assert_int_equal(pthread_create(&thread, NULL, sleep_in_recv, &call), 0);
    wait_for_sleeper(call.socket);
    assert_int_equal(mcq_socket_close(call.socket), MCQ_OK);
    (void) pthread_join(thread, NULL);
    assert_int_equal(call.err, MCQ_NOT_OPEN);
    assert_int_equal(mcq_context_term(&context, MCQ_NEVER_NS), MCQ_OK);
}

/* --- what a sender leaves behind ------------------------------------------------------------- */

static void last_messages__of_a_socket_closed_at_once__arrive(void **state)
{
    struct mcq_context *context;
    struct mcq_socket *push;
    struct mcq_socket *pull;
    struct mcq_msg msg;
    uint32_t number;

    (void) state;
    for (uint32_t count = 1; count <= 1000; count *= 10) {
        assert_int_equal(mcq_context_new(&context), MCQ_OK);
        assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PUSH, &push), MCQ_OK);
        assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PULL, &pull), MCQ_OK);
        join_up(pull, push);
        for (uint32_t i = 0; i < count; i++) {
            struct mcq_part part = {.body = mcq_bytes(&i, sizeof i)};

            assert_int_equal(mcq_socket_send(push, &part, -1), MCQ_OK);
        }
        assert_int_equal(mcq_socket_close(push), MCQ_OK);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(mcq_socket_recv(pull, &msg, 10000), MCQ_OK);
            memcpy(&number, mcq_msg_data(&msg), sizeof number);
            assert_int_equal(number, i);
            mcq_msg_fini(&msg);
        }
        assert_int_equal(mcq_socket_close(pull), MCQ_OK);
        assert_int_equal(mcq_context_term(&context, MCQ_NEVER_NS), MCQ_OK);
    }
}

/* A burst is batched; its owner never comes back, so its tail is the engine's. */
static void tail_of_a_burst__its_owner_gone__arrives(void **state)
{
    struct mcq_context *context;
    struct mcq_socket *push;
    struct mcq_socket *pull;
    struct mcq_msg msg;

    (void) state;
    assert_int_equal(mcq_context_new(&context), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PUSH, &push), MCQ_OK);
    assert_int_equal(mcq_socket_open(context, MCQ_SOCKET_TYPE_PULL, &pull), MCQ_OK);
    join_up(pull, push);
    for (int round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 150; i++) {
            struct mcq_part part = {.body = mcq_bytes(&i, sizeof i)};

            assert_int_equal(mcq_socket_send(push, &part, -1), MCQ_OK);
        }
        for (uint32_t i = 0; i < 150; i++) {
            assert_int_equal(mcq_socket_recv(pull, &msg, 10000), MCQ_OK);
            mcq_msg_fini(&msg);
        }
    }
    assert_int_equal(mcq_socket_close(push), MCQ_OK);
    assert_int_equal(mcq_socket_close(pull), MCQ_OK);
    assert_int_equal(mcq_context_term(&context, MCQ_NEVER_NS), MCQ_OK);
}

#define handover_test(name) cmocka_unit_test_teardown(name, ledger_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        handover_test(push_and_pull__change_hands__all_arrive_in_order),
        handover_test(pairs__change_hands__all_arrive_in_order),
        handover_test(dealers__change_hands__all_arrive_in_order),
        handover_test(shutdown__wakes_a_sleeping_call__which_answers_terminated),
        handover_test(close__wakes_a_sleeping_call__which_answers_not_open),
        handover_test(last_messages__of_a_socket_closed_at_once__arrive),
        handover_test(tail_of_a_burst__its_owner_gone__arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
