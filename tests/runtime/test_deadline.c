/* Requests with a deadline in a simulated world: when they are sent again, and that the engine does
 * nothing for them while none is outstanding. */

#include "runtime/sim_support.h"

#include "table/option.h"

#define ENDPOINT "tcp://10.0.0.1:5555"
#define WAIT_MS 200

struct fixture {
    struct world world;
    struct mcq_socket *router;
    struct mcq_socket *req;
};

static void set(struct mcq_socket *socket, enum mcq_pattern_option option, int value)
{
    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    assert_int_equal(socket->pattern->ops->set(socket->pattern, option, value), MCQ_OK);
    mcq_socket_leave(socket);
}

static bool is_joined(struct world *w)
{
    return w->sockets[0]->up_count == 1 && w->sockets[1]->up_count == 1;
}

static void start(struct fixture *f, int resends)
{
    open_world(&f->world);
    f->router = open_socket(&f->world, MCQ_SOCKET_TYPE_ROUTER);
    f->req = open_socket(&f->world, MCQ_SOCKET_TYPE_REQ);
    bind_to(f->router, ENDPOINT);
    connect_to(f->req, ENDPOINT);
    set(f->req, MCQ_PATTERN_REQ_TIMEOUT, WAIT_MS);
    set(f->req, MCQ_PATTERN_REQ_RESENDS, resends);
    assert_true(pass_until(&f->world, is_joined, 5 * SECOND));
}

/* Requests that have come by now; the last one's parts are kept. */
static int take_requests(struct fixture *f, struct mcq_msg parts[4])
{
    struct mcq_msg msg;
    int count = 0;
    int at = 0;

    while (mcq_socket_recv(f->router, &msg, 0) == MCQ_OK) {
        bool more = msg.more;

        assert_in_range(at, 0, 3);
        mcq_msg_fini(&parts[at]);
        mcq_msg_move(&parts[at++], &msg);
        if (!more) {
            assert_int_equal(at, 4);
            at = 0;
            count++;
        }
    }
    return count;
}

static void answer(struct fixture *f, struct mcq_msg parts[4])
{
    for (int i = 0; i < 4; i++) {
        struct mcq_part part = {mcq_msg_bytes(&parts[i]), &parts[i], i < 3};

        assert_int_equal(mcq_socket_send(f->router, &part, 0), MCQ_OK);
    }
}

static enum mcq_err recv_err(struct mcq_socket *socket)
{
    struct mcq_msg msg;
    enum mcq_err err = mcq_socket_recv(socket, &msg, 0);

    if (err == MCQ_OK)
        mcq_msg_fini(&msg);
    return err;
}

static void no_reply__sent_again_each_time_it_is_due__then_timeout(void **state)
{
    struct mcq_msg parts[4];
    struct fixture f;

    (void) state;
    for (int i = 0; i < 4; i++)
        mcq_msg_init(&parts[i]);
    start(&f, 2);
    assert_int_equal(send_text(f.req, "question"), MCQ_OK);
    for (int i = 0; i < 3; i++) {
        pass(&f.world, (WAIT_MS - 50) * MS);
        assert_int_equal(take_requests(&f, parts), 1);
        assert_int_equal(recv_err(f.req), MCQ_AGAIN);
        pass(&f.world, 50 * MS);
    }
    pass(&f.world, 50 * MS);
    assert_int_equal(recv_err(f.req), MCQ_TIMEOUT);
    assert_int_equal(take_requests(&f, parts), 0);
    for (int i = 0; i < 4; i++)
        mcq_msg_fini(&parts[i]);
    close_world(&f.world);
}

static void reply__ends_it__and_no_timer_is_left_behind_the_one_that_was_set(void **state)
{
    struct mcq_msg parts[4];
    struct fixture f;

    (void) state;
    for (int i = 0; i < 4; i++)
        mcq_msg_init(&parts[i]);
    start(&f, 1);
    for (int i = 0; i < 20; i++) { /* each within the first one's time: one timer in all */
        assert_int_equal(send_text(f.req, "question"), MCQ_OK);
        pass(&f.world, 5 * MS);
        assert_int_equal(take_requests(&f, parts), 1);
        answer(&f, parts);
        pass(&f.world, 4 * MS);
        expect_text(f.req, "question");
        assert_true(mcq_wait_is_armed(&f.req->tick_timer));
    }
    pass(&f.world, UINT64_C(2) * WAIT_MS * MS);
    assert_false(mcq_wait_is_armed(&f.req->tick_timer));
    assert_int_equal(take_requests(&f, parts), 0);
    for (int i = 0; i < 4; i++)
        mcq_msg_fini(&parts[i]);
    close_world(&f.world);
}

static void closed_with_a_request_outstanding__nothing_is_left(void **state)
{
    struct fixture f;

    (void) state;
    start(&f, 5);
    assert_int_equal(send_text(f.req, "question"), MCQ_OK);
    pass(&f.world, WAIT_MS / 2 * MS);
    close_world(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reply__sent_again_each_time_it_is_due__then_timeout),
        cmocka_unit_test(reply__ends_it__and_no_timer_is_left_behind_the_one_that_was_set),
        cmocka_unit_test(closed_with_a_request_outstanding__nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
