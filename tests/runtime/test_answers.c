/* When answers leave: with a write of their own, or in a row with others (runtime/send.c); and what
 * becomes of those that take the short way (pump/lane.h). What is said of the first is so for parts
 * one by one, and for whole messages. */
#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define CROWD 80
#define IN_A_ROW 32 /* ANSWERED_MAX */

static struct mcq_socket *router;
static struct mcq_socket *dealers[CROWD];
static bool are_whole; /* messages that answer() takes and gives back */

static int part_by_part(void **state)
{
    (void) state;
    are_whole = false;
    return 0;
}

static int as_a_whole(void **state)
{
    (void) state;
    are_whole = true;
    return 0;
}

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

static void say(size_t index, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mcq_part part = {.body = mcq_bytes(&i, sizeof i)};

        assert_int_equal(mcq_socket_send(dealers[index], &part, 0), MCQ_OK);
    }
}

static void ask(struct world *w, size_t index, uint32_t count)
{
    say(index, count);
    pass(w, 10 * MS);
}

static void take_whole(struct mcq_msg parts[MCQ_NAMED_PARTS])
{
    size_t count;

    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        mcq_msg_init(&parts[i]);
    assert_int_equal(mcq_socket_recv_parts(router, parts, MCQ_NAMED_PARTS, 0, &count), MCQ_OK);
    assert_int_equal(count, MCQ_NAMED_PARTS);
    assert_true(parts[0].more);
    assert_false(parts[1].more);
}

static void give_whole(struct mcq_msg parts[MCQ_NAMED_PARTS])
{
    assert_int_equal(mcq_socket_send_parts(router, parts, MCQ_NAMED_PARTS, 0), MCQ_OK);
    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        assert_int_equal(mcq_msg_len(&parts[i]), 0);
}

static void drop_whole(struct mcq_msg parts[MCQ_NAMED_PARTS])
{
    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        mcq_msg_fini(&parts[i]);
}

/* Gives the next question back to who has asked it. */
static void answer(void)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct mcq_msg name;
    struct mcq_msg body;
    struct mcq_part part;

    if (are_whole) {
        take_whole(parts);
        give_whole(parts);
        return;
    }
    assert_int_equal(mcq_socket_recv(router, &name, 0), MCQ_OK);
    assert_int_equal(mcq_socket_recv(router, &body, 0), MCQ_OK);
    part = (struct mcq_part) {mcq_msg_bytes(&name), &name, true};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    part = (struct mcq_part) {mcq_msg_bytes(&body), &body, false};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
}

static void expect_number(struct mcq_socket *socket, uint32_t wanted)
{
    struct mcq_msg msg;
    uint32_t number;

    assert_int_equal(mcq_socket_recv(socket, &msg, 0), MCQ_OK);
    assert_false(msg.more);
    assert_int_equal(mcq_msg_len(&msg), sizeof number);
    memcpy(&number, mcq_msg_data(&msg), sizeof number);
    assert_int_equal(number, wanted);
    mcq_msg_fini(&msg);
}

/* Writes that are in the stream already reach their reader without the router's doing. */
static void expect_answers(struct world *w, size_t index, uint32_t count)
{
    pass(w, MS / 10);
    for (uint32_t i = 0; i < count; i++)
        expect_number(dealers[index], i);
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

/* For so many looks at the tail something of it waits, and nothing from look to look. */
static void answer_steadily(struct world *w, int looks)
{
    for (int i = 0; i < looks; i++) {
        for (size_t peer = 0; peer < IN_A_ROW; peer++)
            say(peer, 1);
        pass(w, MS / 4);
        for (int k = 0; k < IN_A_ROW - 2; k++)
            answer();
        assert_non_null(router->group.dirty_first);
        pass(w, MS / 4);
    }
}

/* The engine's wake-ups cost those who answer more than a tail that is somewhat longer. */
static void answers__without_a_pause__are_looked_at_less_often(void **state)
{
    struct world w;

    (void) state;
    open_crowd(&w, IN_A_ROW);
    answer_steadily(&w, 3);
    pass(&w, 5 * MS / 4);
    assert_null(router->group.dirty_first);
    answer_steadily(&w, 20);
    pass(&w, 5 * MS / 4);
    assert_non_null(router->group.dirty_first);
    pass(&w, 3 * MS);
    assert_null(router->group.dirty_first);
    answer_steadily(&w, 3); /* it has paused */
    pass(&w, 5 * MS / 4);
    assert_null(router->group.dirty_first);
    close_world(&w);
}

/* Parts that are taken from one look at the ready set to the next. */
static uint32_t parts_of_a_harvest(void)
{
    uint32_t seen;

    do {
        seen = router->since_harvest;
        answer();
    } while (router->since_harvest >= seen);
    do {
        seen = router->since_harvest;
        answer();
    } while (router->since_harvest > seen);
    return seen;
}

static void ready_set__many_ask__is_looked_at_once_a_round(void **state)
{
    struct world w;

    (void) state;
    open_crowd(&w, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        ask(&w, i, 20);
    answer();
    assert_int_equal(router->group.asking_count, CROWD);
    assert_in_range(parts_of_a_harvest(), CROWD - 10, CROWD);
    close_world(&w);
}

static void ready_set__few_ask__is_looked_at_as_often_as_for_one(void **state)
{
    struct world w;

    (void) state;
    open_crowd(&w, 2);
    for (size_t i = 0; i < 2; i++)
        ask(&w, i, 200);
    answer();
    assert_in_range(parts_of_a_harvest(), 50, 64);
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

/* --- the short way --------------------------------------------------------------------------- */

/* The owner looks for itself, so the engine leaves the questions in the stream. */
static void ask_owner(struct world *w, size_t index, uint32_t count)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    size_t taken_count;

    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        mcq_msg_init(&parts[i]);
    assert_int_equal(mcq_socket_recv_parts(router, parts, MCQ_NAMED_PARTS, 0, &taken_count),
                     MCQ_AGAIN);
    say(index, count);
    pass(w, MS);
}

/* One that was answered, and whose next answer would wait with it. */
static void begin_short_way(struct world *w, size_t count, uint32_t questions)
{
    open_crowd(w, count);
    are_whole = true;
    ask_owner(w, 0, questions);
    answer(); /* leaves at once */
    answer(); /* waits, and its tail is guarded */
    answer();
    assert_non_null(router->group.questions.link);
    assert_ptr_equal(router->group.answered, router->group.questions.link);
}

static void question__after_one_that_was_taken_as_a_whole__comes_with_its_name(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct mcq_msg name;
    struct world w;

    (void) state;
    begin_short_way(&w, 1, 8);
    take_whole(parts);
    mcq_msg_move(&name, &parts[0]);
    mcq_msg_fini(&parts[1]);
    take_whole(parts);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&parts[0]), mcq_msg_bytes(&name)));
    assert_int_equal(parts[0].routing_id, parts[1].routing_id);
    assert_int_not_equal(parts[0].routing_id, 0);
    drop_whole(parts);
    mcq_msg_fini(&name);
    name.more = false;
    assert_int_equal(mcq_socket_recv(router, &parts[0], 0), MCQ_OK);
    assert_true(parts[0].more);
    assert_null(router->group.questions.link);
    assert_int_equal(mcq_socket_recv(router, &parts[1], 0), MCQ_OK);
    assert_false(parts[1].more);
    assert_int_equal(router->up_count, 1);
    drop_whole(parts);
    close_world(&w);
}

/* What there is of a longer one is taken, and the rest is next. */
static void question__of_three_parts__takes_the_long_way(void **state)
{
    struct mcq_part part = {.body = mcq_bytes_of("more"), .more = true};
    struct mcq_msg parts[4];
    struct world w;
    size_t count;

    (void) state;
    open_crowd(&w, 1);
    are_whole = true;
    ask_owner(&w, 0, 0);
    for (uint32_t i = 0; i < 6; i++) {
        struct mcq_part whole = {.body = mcq_bytes(&i, sizeof i)};

        if (i == 3)
            assert_int_equal(mcq_socket_send(dealers[0], &part, 0), MCQ_OK);
        assert_int_equal(mcq_socket_send(dealers[0], &whole, 0), MCQ_OK);
    }
    pass(&w, MS);
    for (int i = 0; i < 3; i++)
        answer();
    for (size_t i = 0; i < MCQ_COUNTOF(parts); i++)
        mcq_msg_init(&parts[i]);
    assert_int_equal(mcq_socket_recv_parts(router, parts, 2, 0, &count), MCQ_OK);
    assert_int_equal(count, 2);
    assert_true(parts[1].more);
    assert_int_equal(mcq_socket_recv_parts(router, &parts[2], 2, 0, &count), MCQ_OK);
    assert_int_equal(count, 1);
    assert_false(parts[2].more);
    assert_int_equal(mcq_socket_send_parts(router, parts, 3, 0), MCQ_OK);
    for (int i = 4; i < 6; i++)
        answer();
    expect_answers(&w, 0, 3);
    assert_int_equal(mcq_socket_recv(dealers[0], &parts[0], 0), MCQ_OK);
    assert_true(parts[0].more);
    mcq_msg_fini(&parts[0]);
    for (uint32_t i = 3; i < 6; i++)
        expect_number(dealers[0], i);
    close_world(&w);
}

static void answer__to_somebody_else__goes_there(void **state)
{
    struct mcq_msg first[MCQ_NAMED_PARTS];
    struct mcq_msg second[MCQ_NAMED_PARTS];
    struct world w;

    (void) state;
    open_crowd(&w, 2);
    are_whole = true;
    ask_owner(&w, 1, 1);
    take_whole(second); /* of the other one */
    ask_owner(&w, 0, 6);
    for (int i = 0; i < 3; i++)
        answer();
    take_whole(first);
    assert_ptr_equal(router->group.answered, router->group.asker);
    give_whole(second);
    give_whole(first);
    for (int i = 4; i < 6; i++)
        answer();
    expect_answers(&w, 0, 6);
    expect_answers(&w, 1, 1);
    close_world(&w);
}

/* No question was taken since the last answer, so this is none. */
static void answer__given_twice__arrives_twice(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct mcq_msg twice[MCQ_NAMED_PARTS];
    struct world w;
    uint64_t seen;

    (void) state;
    begin_short_way(&w, 1, 5);
    take_whole(parts);
    for (size_t i = 0; i < MCQ_NAMED_PARTS; i++)
        mcq_msg_copy(&twice[i], &parts[i]);
    give_whole(parts);
    seen = router->group.flush_count;
    give_whole(twice);
    assert_int_equal(writes_since(&seen), 1);
    answer();
    pass(&w, 2 * MS);
    for (uint32_t i = 0; i < 6; i++)
        expect_number(dealers[0], i < 4 ? i : i - 1);
    close_world(&w);
}

/* A message that was begun by other calls is not cut in two. */
static void answer__within_a_message_that_was_begun__is_refused(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct mcq_part part = {.more = true};
    struct mcq_msg name;
    struct world w;

    (void) state;
    begin_short_way(&w, 1, 5);
    take_whole(parts);
    mcq_msg_copy(&name, &parts[0]);
    part.body = mcq_msg_bytes(&name);
    part.msg = &name;
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    assert_int_equal(mcq_socket_send_parts(router, parts, MCQ_NAMED_PARTS, 0), MCQ_BUSY);
    part = (struct mcq_part) {mcq_msg_bytes(&parts[1]), &parts[1], false};
    assert_int_equal(mcq_socket_send(router, &part, 0), MCQ_OK);
    mcq_msg_fini(&parts[0]);
    answer();
    expect_answers(&w, 0, 5);
    close_world(&w);
}

/* Without names to tell peers apart a part that looks like one is a part. */
static void answer__of_a_router_that_balances__has_two_parts(void **state)
{
    struct mcq_msg msg;
    struct world w;

    (void) state;
    begin_short_way(&w, 1, 6);
    assert_int_equal(mcq_socket_enter(router), MCQ_OK);
    assert_int_equal(router->pattern->ops->set(router->pattern, MCQ_PATTERN_ROUTER_BALANCE, 1),
                     MCQ_OK);
    mcq_socket_leave(router);
    answer(); /* opens it again */
    assert_non_null(router->group.answered);
    answer();
    answer();
    expect_answers(&w, 0, 3);
    for (uint32_t i = 3; i < 6; i++) {
        assert_int_equal(mcq_socket_recv(dealers[0], &msg, 0), MCQ_OK);
        assert_true(msg.more);
        mcq_msg_fini(&msg);
        expect_number(dealers[0], i);
    }
    close_world(&w);
}

/* As many wait as may, and none of them is lost: the next one is written first. */
static void answers__more_than_may_wait__all_arrive(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    router = open_socket(&w, MCQ_SOCKET_TYPE_ROUTER);
    router->options.send_hwm = 3;
    bind_to(router, HERE);
    dealers[0] = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    connect_to(dealers[0], HERE);
    pass(&w, SECOND);
    are_whole = true;
    ask_owner(&w, 0, 40);
    for (int i = 0; i < 40; i++) {
        answer();
        if (router->group.dirty_last != NULL)
            assert_true(mcq_link_waiting_count(router->group.dirty_last) <= 3);
    }
    expect_answers(&w, 0, 40);
    close_world(&w);
}

/* Others are looked for as often as where parts are taken one by one, and have their turn after
 * some octets of the one that asks without end. */
static void questions__of_one_that_asks_without_end__keep_nobody_waiting(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct mcq_msg name;
    struct world w;
    int turn = 0;

    (void) state;
    open_crowd(&w, 2);
    are_whole = true;
    ask_owner(&w, 0, 900);
    take_whole(parts);
    mcq_msg_move(&name, &parts[0]);
    mcq_msg_fini(&parts[1]);
    say(1, 1);
    pass(&w, MS);
    do {
        assert_true(++turn < 300);
        assert_true(turn < 40 || router->group.asking_count > 1);
        take_whole(parts);
        mcq_msg_fini(&parts[1]);
        if (mcq_bytes_equal(mcq_msg_bytes(&parts[0]), mcq_msg_bytes(&name)))
            mcq_msg_fini(&parts[0]);
    } while (mcq_msg_len(&parts[0]) == 0);
    mcq_msg_fini(&parts[0]);
    mcq_msg_fini(&name);
    close_world(&w);
}

/* As a write finds, of a send that looks at nothing else. */
static void lose_peer(struct mcq_link *link)
{
    assert_int_equal(mcq_socket_enter_to_send(router), MCQ_OK);
    mcq_link_lose(link, MCQ_CLOSED);
    mcq_socket_leave(router);
}

static void asker_in_the_short_way__is_lost_by_a_send__is_asked_no_more(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct world w;

    (void) state;
    begin_short_way(&w, 1, 6);
    lose_peer(router->group.answered);
    assert_null(router->group.questions.link);
    assert_null(router->group.answered);
    for (uint32_t i = 3; i < 6; i++) {
        uint32_t number;

        take_whole(parts);
        memcpy(&number, mcq_msg_data(&parts[1]), sizeof number);
        assert_int_equal(number, i);
        drop_whole(parts);
    }
    close_world(&w);
}

static struct mcq_link *link_that_is_not(const struct mcq_link *other)
{
    uint32_t i = &router->slots[0].conn->peer.link == other;

    return &router->slots[i].conn->peer.link;
}

static void last_words__of_who_was_lost_by_a_send__come_before_the_next_question(void **state)
{
    struct mcq_part word = {.body = mcq_bytes_of("last word")};
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct world w;

    (void) state;
    begin_short_way(&w, 2, 6);
    assert_int_equal(mcq_socket_send(dealers[1], &word, 0), MCQ_OK);
    pass(&w, MS / 10);
    assert_non_null(router->group.questions.link);
    lose_peer(link_that_is_not(router->group.questions.link));
    take_whole(parts);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&parts[1]), word.body));
    drop_whole(parts);
    close_world(&w);
}

static void asker_in_the_short_way__goes__is_asked_no_more(void **state)
{
    struct mcq_msg parts[MCQ_NAMED_PARTS];
    struct world w;
    size_t count;

    (void) state;
    begin_short_way(&w, 2, 8);
    close_socket(&w, dealers[0]);
    pass(&w, SECOND);
    assert_int_equal(router->up_count, 1);
    assert_null(router->group.questions.link);
    assert_null(router->group.answered);
    for (int i = 3; i < 8; i++) {
        take_whole(parts);
        assert_int_equal(mcq_socket_send_parts(router, parts, MCQ_NAMED_PARTS, 0), MCQ_OK);
    }
    assert_int_equal(mcq_socket_recv_parts(router, parts, MCQ_NAMED_PARTS, 0, &count), MCQ_AGAIN);
    drop_whole(parts);
    close_world(&w);
}

#define BOTH_WAYS(test)                                                                            \
    {#test ", part by part", test, part_by_part, NULL, NULL},                                      \
    {                                                                                              \
#test ", as a whole", test, as_a_whole, NULL, NULL                                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(answer__nothing_else_is_asked__leaves_at_once),
        BOTH_WAYS(answers__to_one_that_asks_for_more__share_a_write),
        BOTH_WAYS(answers__while_others_ask__leave_in_rows),
        BOTH_WAYS(answers__of_somebody_slow__leave_at_once),
        BOTH_WAYS(answers_that_wait__their_owner_falls_silent__leave_with_the_tail),
        BOTH_WAYS(answers__without_a_pause__are_looked_at_less_often),
        BOTH_WAYS(ready_set__many_ask__is_looked_at_once_a_round),
        BOTH_WAYS(ready_set__few_ask__is_looked_at_as_often_as_for_one),
        cmocka_unit_test(asker_that_is_gone__is_not_looked_at_again),
        cmocka_unit_test(question__after_one_that_was_taken_as_a_whole__comes_with_its_name),
        cmocka_unit_test(question__of_three_parts__takes_the_long_way),
        cmocka_unit_test(answer__to_somebody_else__goes_there),
        cmocka_unit_test(answer__given_twice__arrives_twice),
        cmocka_unit_test(answer__within_a_message_that_was_begun__is_refused),
        cmocka_unit_test(answer__of_a_router_that_balances__has_two_parts),
        cmocka_unit_test(answers__more_than_may_wait__all_arrive),
        cmocka_unit_test(questions__of_one_that_asks_without_end__keep_nobody_waiting),
        cmocka_unit_test(asker_in_the_short_way__goes__is_asked_no_more),
        cmocka_unit_test(asker_in_the_short_way__is_lost_by_a_send__is_asked_no_more),
        cmocka_unit_test(last_words__of_who_was_lost_by_a_send__come_before_the_next_question),
    };

    return cmocka_run_group_tests_name("runtime.answers", tests, NULL, NULL);
}
