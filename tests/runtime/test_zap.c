/* ZAP in a simulated world: what a crowd, failed allocations and other machines do to it. */

#include "runtime/sim_support.h"

#include <inttypes.h>

#include "runtime/zap.h"

#define HANDLER "inproc://zeromq.zap.01"
#define SERVER "tcp://127.0.0.1:5555"
#define AFAR "tcp://10.0.0.1:5555"

static struct mcq_socket *server; /* of the test that runs */
static struct mcq_socket *client;
static struct mcq_socket *handler;
static unsigned answered;

static void set_security(struct mcq_socket *socket, enum mcq_option_id id, const char *text)
{
    assert_int_equal(mcq_security_set_octets(&socket->options.security, id, mcq_bytes_of(text)),
                     MCQ_OK);
}

static void open_pair(struct world *w)
{
    server = open_socket(w, MCQ_SOCKET_TYPE_PULL);
    client = open_socket(w, MCQ_SOCKET_TYPE_PUSH);
    assert_int_equal(mcq_security_set_number(&server->options.security, MCQ_OPTION_PLAIN_SERVER, 1),
                     MCQ_OK);
    set_security(client, MCQ_OPTION_PLAIN_USERNAME, "admin");
    set_security(client, MCQ_OPTION_PLAIN_PASSWORD, "secret");
}

/* MCQ_OK, or an error of a world without memory. */
static enum mcq_err open_handler(struct world *w)
{
    const char *fault;
    enum mcq_err err;

    answered = 0;
    handler = open_socket(w, MCQ_SOCKET_TYPE_REP);
    assert_int_equal(mcq_socket_enter(handler), MCQ_OK);
    err = mcq_socket_bind(handler, mcq_bytes_of(HANDLER), &fault);
    mcq_socket_leave(handler);
    return err;
}

/* Answers what is there with 200. */
static void answer_all(void)
{
    static const char *const frames[] = {"1.0", "1", "200", "", "anna", ""};
    struct mcq_msg msg;
    bool more;

    while (mcq_socket_recv(handler, &msg, 0) == MCQ_OK) {
        more = msg.more;
        mcq_msg_fini(&msg);
        if (more)
            continue;
        for (size_t i = 0; i < MCQ_COUNTOF(frames); i++) {
            struct mcq_part part = {mcq_bytes_of(frames[i]), NULL, i + 1 < MCQ_COUNTOF(frames)};

            /* Where memory was refused, once, there is some now. */
            if (mcq_socket_send(handler, &part, 0) != MCQ_OK)
                (void) !mcq_socket_send(handler, &part, 0);
        }
        answered++;
    }
}

static bool has_come(struct world *w)
{
    (void) w;
    answer_all();
    return server->up_count > 0 && client->up_count > 0;
}

static bool was_refused(struct world *w)
{
    (void) w;
    return false;
}

/* Names and passwords cross in clear. */
static void fault_b3__plain_beyond_this_machine__needs_the_option(void **state)
{
    (void) state;
    for (int allowed = 0; allowed < 4; allowed++) {
        struct world w;

        open_world(&w);
        assert_int_equal(open_handler(&w), MCQ_OK);
        open_pair(&w);
        server->options.sends_plain_afar = (allowed & 1) != 0;
        client->options.sends_plain_afar = (allowed & 2) != 0;
        bind_to(server, AFAR);
        connect_to(client, AFAR);
        if ((allowed & 2) == 0) { /* the client says nothing */
            assert_false(pass_until(&w, was_refused, 3 * SECOND));
            assert_int_equal(client->up_count, 0);
            assert_int_equal(answered, 0);
        } else if (allowed == 3) {
            assert_true(pass_until(&w, has_come, 10 * SECOND));
        }
        close_world(&w);
    }
}

#define CROWD 300 /* a simulated world looks at each of them at each step */

static bool all_have_come(struct world *w)
{
    (void) w;
    answer_all();
    return server->up_count == CROWD;
}

/* More than may be asked: all come in, and the handler has a few at a time. */
static void fault_b19__a_crowd__waits_for_its_turn(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    assert_int_equal(open_handler(&w), MCQ_OK);
    open_pair(&w);
    server->options.handshake_ms = 60000;
    client->options.handshake_ms = 60000;
    bind_to(server, SERVER);
    for (int i = 0; i < CROWD; i++)
        connect_to(client, SERVER);
    pass(&w, 500 * MS);
    assert_int_equal(handler->conn_count, MCQ_CONTEXT_ZAP_MAX_DEFAULT);
    assert_int_equal(server->up_count, 0);
    assert_true(atomic_load(&w.context->zap_held_up_count) == CROWD - MCQ_CONTEXT_ZAP_MAX_DEFAULT);
    assert_true(pass_until(&w, all_have_come, 120 * SECOND));
    assert_true(handler->conn_count <= MCQ_CONTEXT_ZAP_MAX_DEFAULT);
    close_world(&w);
}

/* Whatever allocation fails: the peer comes in, at once or after another try, and nothing is left.
 */
static void fault_f17__no_memory_for_a_question__is_tried_again(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct world w;

        open_world(&w);
        assert_int_equal(open_handler(&w), MCQ_OK);
        open_pair(&w);
        bind_to(server, SERVER);
        connect_to(client, SERVER);
        mcq_alloc_fail_at(n);
        while (mcq_alloc_fail_left() > 1 && !has_come(&w))
            pass(&w, MS); /* the test's own allocations are not to fail */
        bool is_over = mcq_alloc_fail_left() > 0 && has_come(&w);

        mcq_alloc_fail_at(0);
        if (!pass_until(&w, has_come, 60 * SECOND))
            fail_msg("allocation %" PRIu64 ": server %u client %u handler %u answered %u", n,
                     server->up_count, client->up_count, handler->conn_count, answered);
        close_world(&w);
        if (is_over)
            break;
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_b3__plain_beyond_this_machine__needs_the_option),
        cmocka_unit_test(fault_b19__a_crowd__waits_for_its_turn),
        cmocka_unit_test(fault_f17__no_memory_for_a_question__is_tried_again),
    };

    return cmocka_run_group_tests_name("runtime.zap", tests, NULL, NULL);
}
