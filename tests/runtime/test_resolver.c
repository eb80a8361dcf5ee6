/* Names looked up in threads of their own, with real engines: for ThreadSanitizer, and for look-ups
 * that outlive those who asked. */

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "arena/alloc.h"
#include "runtime/socket.h"

#define PATIENCE_MS 20000
#define ROUNDS 200

/* A name server that answers 127.0.0.1, each time it is let. */
struct server {
    sem_t is_asked;
    sem_t may_answer;
    bool is_fast; /* answers at once */
    _Atomic unsigned asking_count;
    _Atomic unsigned most_asking;
};

static enum mcq_err look_up(void *data, const char *host, bool is_ipv6,
                            struct mcq_address **addresses, uint32_t *count)
{
    struct server *server = data;
    struct sockaddr_in in = {.sin_family = AF_INET};
    unsigned asking = atomic_fetch_add(&server->asking_count, 1) + 1;

    (void) host;
    (void) is_ipv6;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (asking > atomic_load(&server->most_asking))
        atomic_store(&server->most_asking, asking);
    if (!server->is_fast) {
        (void) sem_post(&server->is_asked);
        while (sem_wait(&server->may_answer) != 0)
            continue;
    }
    atomic_fetch_sub(&server->asking_count, 1);
    *addresses = mcq_alloc(sizeof **addresses);
    if (*addresses == NULL)
        return MCQ_NOMEM;
    **addresses = (struct mcq_address) {.len = sizeof in};
    memcpy(&(*addresses)->storage, &in, sizeof in);
    *count = 1;
    return MCQ_OK;
}

static struct mcq_context *open_context(struct server *server, bool is_fast)
{
    struct mcq_resolver *resolver;
    struct mcq_context *context;

    *server = (struct server) {.is_fast = is_fast};
    assert_int_equal(sem_init(&server->is_asked, 0, 0), 0);
    assert_int_equal(sem_init(&server->may_answer, 0, 0), 0);
    assert_int_equal(mcq_context_new(&context), MCQ_OK);
    assert_int_equal(mcq_context_resolver(context, &resolver), MCQ_OK);
    mcq_resolver_set(resolver, (struct mcq_name_server) {look_up, server});
    return context;
}

/* Whatever look-ups are under way when the context goes. */
static void end_context(struct mcq_context **context)
{
    assert_int_equal(mcq_context_term(context, MCQ_NEVER_NS), MCQ_OK);
}

/* Threads of look-ups that were not waited for end soon after they are let. */
static void expect_nothing_left(void)
{
    struct timespec begin;
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        (void) sched_yield();
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
    } while (mcq_alloc_ledger().block_count > 0 && now.tv_sec - begin.tv_sec < PATIENCE_MS / 1000);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

static struct mcq_socket *open_socket(struct mcq_context *context, enum mcq_socket_type type)
{
    struct mcq_socket *socket;

    assert_int_equal(mcq_socket_open(context, type, &socket), MCQ_OK);
    socket->options.linger_ms = 0;
    return socket;
}

static uint16_t bind_somewhere(struct mcq_socket *socket)
{
    const char *fault;
    unsigned long port;

    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(mcq_socket_bind(socket, mcq_bytes_of("tcp://127.0.0.1:*"), &fault), MCQ_OK);
    port = strtoul(strrchr(socket->last_endpoint, ':') + 1, NULL, 10);
    mcq_socket_leave(socket);
    return (uint16_t) port;
}

static void connect_to(struct mcq_socket *socket, const char *name, unsigned number, uint16_t port)
{
    char endpoint[64];
    const char *fault;

    (void) snprintf(endpoint, sizeof endpoint, "tcp://%s%u.example:%u", name, number, port);
    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(mcq_socket_connect(socket, mcq_bytes_of(endpoint), &fault), MCQ_OK);
    mcq_socket_leave(socket);
}

static void disconnect(struct mcq_socket *socket)
{
    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(mcq_socket_disconnect(socket, mcq_bytes_of(socket->last_endpoint)), MCQ_OK);
    mcq_socket_leave(socket);
}

static void send_and_expect(struct mcq_socket *from, struct mcq_socket *to, uint32_t number)
{
    struct mcq_part part = {.body = mcq_bytes(&number, sizeof number)};
    struct mcq_msg msg;

    assert_int_equal(mcq_socket_send(from, &part, PATIENCE_MS), MCQ_OK);
    assert_int_equal(mcq_socket_recv(to, &msg, PATIENCE_MS), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), part.body));
    mcq_msg_fini(&msg);
}

static void names__connect_again_and_again__each_message_arrives(void **state)
{
    struct server server;
    struct mcq_context *context = open_context(&server, true);
    struct mcq_socket *pull = open_socket(context, MCQ_SOCKET_TYPE_PULL);
    struct mcq_socket *push = open_socket(context, MCQ_SOCKET_TYPE_PUSH);
    uint16_t port = bind_somewhere(pull);

    (void) state;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        connect_to(push, "name", i, port);
        send_and_expect(push, pull, i);
        disconnect(push);
        connect_to(push, "gone", i, port); /* ended wherever its look-up is */
        disconnect(push);
    }
    assert_int_equal(mcq_socket_close(push), MCQ_OK);
    assert_int_equal(mcq_socket_close(pull), MCQ_OK);
    end_context(&context);
    expect_nothing_left();
}

static void fault_d14__look_ups_that_hang__stall_nobody(void **state)
{
    struct server server;
    struct mcq_context *context = open_context(&server, false);
    struct mcq_socket *pull = open_socket(context, MCQ_SOCKET_TYPE_PULL);
    struct mcq_socket *push = open_socket(context, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *waits = open_socket(context, MCQ_SOCKET_TYPE_PUSH);
    uint16_t port = bind_somewhere(pull);

    (void) state;
    connect_to(waits, "slow", 0, port);
    while (sem_wait(&server.is_asked) != 0)
        continue;
    connect_to(push, "fast", 0, port);
    while (sem_wait(&server.is_asked) != 0)
        continue;
    (void) sem_post(&server.may_answer); /* to either of them */
    (void) sem_post(&server.may_answer);
    send_and_expect(push, pull, 1);
    send_and_expect(waits, pull, 2);
    assert_int_equal(mcq_socket_close(push), MCQ_OK);
    assert_int_equal(mcq_socket_close(waits), MCQ_OK);
    assert_int_equal(mcq_socket_close(pull), MCQ_OK);
    end_context(&context);
    expect_nothing_left();
}

/* One less than there are threads, as many, and one more: that one waits for its turn. */
static void look_ups__as_many_at_a_time_as_there_are_threads(void **state)
{
    (void) state;
    for (unsigned count = MCQ_RESOLVER_THREADS_MAX - 1; count <= MCQ_RESOLVER_THREADS_MAX + 1;
         count++) {
        unsigned at_once = count < MCQ_RESOLVER_THREADS_MAX ? count : MCQ_RESOLVER_THREADS_MAX;
        struct server server;
        struct mcq_context *context = open_context(&server, false);
        struct mcq_socket *pull = open_socket(context, MCQ_SOCKET_TYPE_PULL);
        struct mcq_socket *pushes[MCQ_RESOLVER_THREADS_MAX + 1];
        uint16_t port = bind_somewhere(pull);

        for (unsigned i = 0; i < count; i++) {
            pushes[i] = open_socket(context, MCQ_SOCKET_TYPE_PUSH);
            connect_to(pushes[i], "name", i, port);
        }
        for (unsigned i = 0; i < at_once; i++)
            while (sem_wait(&server.is_asked) != 0)
                continue;
        for (unsigned i = 0; i < count; i++)
            (void) sem_post(&server.may_answer);
        for (unsigned i = 0; i < count; i++)
            send_and_expect(pushes[i], pull, i);
        assert_int_equal(atomic_load(&server.most_asking), at_once);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(mcq_socket_close(pushes[i]), MCQ_OK);
        assert_int_equal(mcq_socket_close(pull), MCQ_OK);
        end_context(&context);
        expect_nothing_left();
    }
}

static void fault_g4__term_while_look_ups_hang__does_not_wait_for_them(void **state)
{
    struct server server;
    struct mcq_context *context = open_context(&server, false);
    struct mcq_socket *push = open_socket(context, MCQ_SOCKET_TYPE_PUSH);

    (void) state;
    for (unsigned i = 0; i < MCQ_RESOLVER_THREADS_MAX + 3; i++)
        connect_to(push, "slow", i, 5555);
    for (unsigned i = 0; i < MCQ_RESOLVER_THREADS_MAX; i++)
        while (sem_wait(&server.is_asked) != 0)
            continue;
    assert_int_equal(mcq_socket_close(push), MCQ_OK);
    end_context(&context);
    assert_int_equal(atomic_load(&server.asking_count), MCQ_RESOLVER_THREADS_MAX);
    for (unsigned i = 0; i < MCQ_RESOLVER_THREADS_MAX; i++)
        (void) sem_post(&server.may_answer);
    expect_nothing_left();
    assert_int_equal(atomic_load(&server.asking_count), 0); /* those that waited were never asked */
}

/* Its thread finds nothing to do, at the same time as the context goes. */
static void names__given_up_before_anybody_looks__everything_ends_once(void **state)
{
    (void) state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct server server;
        struct mcq_context *context = open_context(&server, true);
        struct mcq_socket *push = open_socket(context, MCQ_SOCKET_TYPE_PUSH);

        connect_to(push, "gone", i, 5555);
        assert_int_equal(mcq_socket_close(push), MCQ_OK);
        end_context(&context);
    }
    expect_nothing_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__connect_again_and_again__each_message_arrives),
        cmocka_unit_test(fault_d14__look_ups_that_hang__stall_nobody),
        cmocka_unit_test(look_ups__as_many_at_a_time_as_there_are_threads),
        cmocka_unit_test(names__given_up_before_anybody_looks__everything_ends_once),
        cmocka_unit_test(fault_g4__term_while_look_ups_hang__does_not_wait_for_them),
    };

    return cmocka_run_group_tests_name("runtime.resolver", tests, NULL, NULL);
}
