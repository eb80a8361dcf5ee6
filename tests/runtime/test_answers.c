/* When answers leave: with a write of their own, or in a row with others (runtime/send.c). */
#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define CROWD 80
#define IN_A_ROW 32 /* ANSWERED_MAX */

static struct mcq_socket *router;
static struct mcq_socket *dealers[CROWD];

static void open_crowd(struct world *w, size_t count)
{
    open_world(w);
    router = open_socket(w, MCQ_SOCKET_TYPE_ROUTER);
    bind_to(router, HERE);
    for (size_t i = 0; i < count; i++) {
        dealers[i] = open_socket(w, MCQ_SOCKET_TYPE_DEALER);
        connect_to(dealers[i], HERE);
    }
    pass(w, SECOND);
    assert_int_equal(router->up_count, count);
}

static void ask(struct world *w, size_t index, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mcq_part part = {.body = mcq_bytes(&i, sizeof i)};

        assert_int_equal(mcq_socket_send(dealers[index], &part, 0), MCQ_OK);
    }
    pass(w, 10 * MS);
}

/* Gives the next question back to who has asked it. */
static void answer(void)
{
    struct mcq_msg name;
    struct mcq_msg body;
    struct mcq_part part;

    assert_int_equal(mcq_socket_recv(router, &name, 0), MCQ_OK);
    assert_int_equal(mcq_socket_recv(router, &body, 0), MCQ_OK);
    part = (struct mcq_part) {mcq_msg_bytes(&name), &name, true};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    part = (struct mcq_part) {mcq_msg_bytes(&body), &body, false};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
}

/* Writes that are in the stream already reach their reader without the router's doing. */
static void expect_answers(struct world *w, size_t index, uint32_t count)
{
    pass(w, MS / 10);
    for (uint32_t i = 0; i < count; i++) {
        struct mcq_msg msg;
        uint32_t number;

        assert_int_equal(mcq_socket_recv(dealers[index], &msg, 0), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), sizeof number);
        memcpy(&number, mcq_msg_data(&msg), sizeof number);
        assert_int_equal(number, i);
        mcq_msg_fini(&msg);
    }
}

static uint64_t writes_since(uint64_t *seen)
{
    uint64_t count = router->group.flush_count - *seen;

    *seen = router->group.flush_count;
    return count;
}

static void answer__nothing_else_is_asked__leaves_at_once(void **state)
{
    struct world w;
    uint64_t seen;

    (void) state;
    open_crowd(&w, 2);
    for (size_t i = 0; i < 2; i++) {
        ask(&w, i, 1);
        seen = router->group.flush_count;
        answer();
        assert_int_equal(writes_since(&seen), 1);
        assert_null(router->group.dirty_first);
        expect_answers(&w, i, 1);
    }
    close_world(&w);
}

static void answers__to_one_that_asks_for_more__share_a_write(void **state)
{
    struct world w;
    uint64_t seen;

    (void) state;
    open_crowd(&w, 1);
    ask(&w, 0, 10);
    seen = router->group.flush_count;
    answer(); /* nobody knows yet that it is quick */
    assert_int_equal(writes_since(&seen), 1);
    for (int i = 1; i < 9; i++)
        answer();
    assert_int_equal(writes_since(&seen), 0);
    answer();
    assert_int_equal(writes_since(&seen), 1);
    assert_null(router->group.dirty_first);
    expect_answers(&w, 0, 10);
    close_world(&w);
}

static void answers__while_others_ask__leave_in_rows(void **state)
{
    struct world w;
    uint64_t seen;

    (void) state;
    open_crowd(&w, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        ask(&w, i, 1);
    seen = router->group.flush_count;
    answer();
    assert_int_equal(writes_since(&seen), 1);
    for (int row = 0; row < 2; row++) {
        for (int i = 1; i < IN_A_ROW; i++)
            answer();
        assert_int_equal(writes_since(&seen), 0);
        answer();
        assert_int_equal(writes_since(&seen), IN_A_ROW);
    }
    for (int i = 1 + 2 * IN_A_ROW; i < CROWD; i++)
        answer();
    assert_int_equal(writes_since(&seen), CROWD - 1 - 2 * IN_A_ROW);
    for (size_t i = 0; i < CROWD; i++)
        expect_answers(&w, i, 1);
    close_world(&w);
}

static void answers__of_somebody_slow__leave_at_once(void **state)
{
    struct world w;
    uint64_t seen;

    (void) state;
    open_crowd(&w, 1);
    ask(&w, 0, 5);
    seen = router->group.flush_count;
    for (int i = 0; i < 5; i++) {
        answer();
        assert_int_equal(writes_since(&seen), 1);
        pass(&w, MS);
    }
    expect_answers(&w, 0, 5);
    close_world(&w);
}

static void answers_that_wait__their_owner_falls_silent__leave_with_the_tail(void **state)
{
    struct world w;

    (void) state;
    open_crowd(&w, 2);
    ask(&w, 0, 3);
    ask(&w, 1, 1);
    for (int i = 0; i < 2; i++)
        answer();
    assert_non_null(router->group.dirty_first);
    pass(&w, 2 * MS);
    assert_null(router->group.dirty_first);
    expect_answers(&w, 0, 2);
    close_world(&w);
}

/* What it had said is read after its end, and its connection is freed before the next send. */
static void asker_that_is_gone__is_not_looked_at_again(void **state)
{
    struct mcq_part part = {.more = true};
    struct mcq_msg names[2];
    struct mcq_msg body;
    struct world w;

    (void) state;
    open_crowd(&w, 2);
    for (size_t i = 0; i < 2; i++)
        ask(&w, i, 1);
    assert_int_equal(mcq_socket_recv(router, &names[0], 0), MCQ_OK);
    assert_int_equal(mcq_socket_recv(router, &body, 0), MCQ_OK);
    mcq_msg_fini(&body);
    ask(&w, 1, 2);
    close_socket(&w, dealers[1]);
    pass(&w, SECOND);
    assert_int_equal(router->up_count, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mcq_socket_recv(router, &names[1], 0), MCQ_OK);
        mcq_msg_fini(&names[1]);
        assert_int_equal(mcq_socket_recv(router, &body, 0), MCQ_OK);
        mcq_msg_fini(&body);
    }
    pass(&w, SECOND);
    assert_int_equal(router->conn_count, 1);
    part.body = mcq_msg_bytes(&names[0]);
    part.msg = &names[0];
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    part = (struct mcq_part) {.body = mcq_bytes_of("")};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    pass(&w, SECOND);
    assert_int_equal(mcq_socket_recv(dealers[0], &body, 0), MCQ_OK);
    mcq_msg_fini(&body);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer__nothing_else_is_asked__leaves_at_once),
        cmocka_unit_test(answers__to_one_that_asks_for_more__share_a_write),
        cmocka_unit_test(answers__while_others_ask__leave_in_rows),
        cmocka_unit_test(answers__of_somebody_slow__leave_at_once),
        cmocka_unit_test(answers_that_wait__their_owner_falls_silent__leave_with_the_tail),
        cmocka_unit_test(asker_that_is_gone__is_not_looked_at_again),
    };

    return cmocka_run_group_tests_name("runtime.answers", tests, NULL, NULL);
}
