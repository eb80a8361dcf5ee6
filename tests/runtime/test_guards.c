/* What the engine looks after while a socket's owner is there, and when it steps in
 * (docs/adr/0006). */
#include "runtime/holder.h"
#include "runtime/sim_support.h"

#define HERE "tcp://127.0.0.1:5555"
#define LOOK_NS (MCQ_TAIL_NS + MS / 10) /* the engine has looked at the tail by then */

static struct mcq_socket *owner;
static struct mcq_socket *far;

static void open_two(struct world *w, int heartbeat_ms)
{
    open_world(w);
    owner = open_socket(w, MCQ_SOCKET_TYPE_DEALER);
    far = open_socket(w, MCQ_SOCKET_TYPE_DEALER);
    far->options.heartbeat_ms = heartbeat_ms;
    bind_to(owner, HERE);
    connect_to(far, HERE);
    pass(w, SECOND);
    assert_int_equal(owner->up_count, 1);
}

/* --- the unsent tail ------------------------------------------------------------------------- */

/* As many as make a burst, no time between them: the last ones wait. Returns how many. */
static uint32_t send_a_tail(void)
{
    uint32_t count = 0;

    do {
        assert_int_equal(send_text(owner, "of a burst"), MCQ_OK);
        assert_true(++count < 100);
    } while (owner->group.dirty_first == NULL);
    return count;
}

static uint32_t flush_and_send(void)
{
    assert_int_equal(mcq_socket_enter(owner), MCQ_OK);
    mcq_socket_flush(owner);
    assert_null(owner->group.dirty_first);
    mcq_socket_leave(owner);
    return send_a_tail();
}

static uint32_t messages_at(struct world *w, struct mcq_socket *socket)
{
    struct mcq_msg msg;
    uint32_t count = 0;

    pass(w, MS);
    for (; mcq_socket_recv(socket, &msg, 0) == MCQ_OK; count++)
        mcq_msg_fini(&msg);
    return count;
}

static void tail__written_since_the_last_look__is_let_alone_once(void **state)
{
    struct world w;
    uint32_t count;

    (void) state;
    open_two(&w, 0);
    count = send_a_tail();
    count += flush_and_send();
    assert_int_equal(mcq_socket_enter(owner), MCQ_OK); /* so that a letter would be seen */
    pass(&w, LOOK_NS);
    assert_int_equal(atomic_load(&owner->events), 0);
    assert_true(mcq_wait_is_armed(&owner->tail_timer));
    pass(&w, LOOK_NS);
    assert_int_not_equal(atomic_load(&owner->events), 0);
    assert_non_null(owner->group.dirty_first);
    mcq_socket_leave(owner);
    assert_null(owner->group.dirty_first);
    assert_int_equal(messages_at(&w, far), count);
    close_world(&w);
}

static void tail__its_owner_falls_silent_at_any_moment__leaves_in_time(void **state)
{
    struct world w;
    uint32_t count = 0;

    (void) state;
    open_two(&w, 0);
    for (uint64_t steps = 1; steps < 24; steps++) {
        for (uint64_t i = 0; i < steps; i++) {
            count += flush_and_send();
            pass(&w, MS / 10);
        }
        pass(&w, 2 * MCQ_TAIL_NS);
        assert_null(owner->group.dirty_first);
    }
    assert_int_equal(messages_at(&w, far), count);
    pass(&w, 10 * MCQ_TAIL_NS);
    assert_false(mcq_wait_is_armed(&owner->tail_timer)); /* an idle socket wakes nobody */
    close_world(&w);
}

/* --- input ----------------------------------------------------------------------------------- */

/* Something comes while the owner is elsewhere; it takes it when it is back. True: it had been read
 * for it. */
static bool come_back(struct world *w, uint64_t away_ns)
{
    bool was_read;

    pass(w, away_ns / 2);
    assert_int_equal(send_text(far, "there"), MCQ_OK);
    pass(w, away_ns / 2);
    was_read = owner->is_in_watched;
    expect_text(owner, "there");
    return was_read;
}

/* Returns how often something had been read for it. */
static int come_back_often(struct world *w, int count)
{
    int read_count = 0;

    for (int i = 0; i < count; i++)
        read_count += come_back(w, 20 * MS);
    return read_count;
}

static void owner__back_again_and_again__reads_itself(void **state)
{
    struct world w;

    (void) state;
    open_two(&w, 0);
    (void) come_back_often(&w, 8);
    assert_int_equal(come_back_often(&w, 8), 0);
    close_world(&w);
}

static void owner__that_does_not_come_back__is_read_for(void **state)
{
    struct world w;

    (void) state;
    open_two(&w, 0);
    (void) come_back_often(&w, 16);
    pass(&w, 20 * MCQ_COLD_NS);
    assert_true(owner->is_in_watched);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(send_text(far, "there"), MCQ_OK);
        pass(&w, MS);
    }
    assert_int_equal(atomic_load(&owner->cold_ns), MCQ_COLD_NS);
    assert_int_equal(messages_at(&w, owner), 8);
    close_world(&w);
}

static void owner__its_peer_sends_pings__is_not_waited_for(void **state)
{
    struct world w;

    (void) state;
    open_two(&w, 15);
    (void) come_back_often(&w, 16);
    assert_int_equal(atomic_load(&owner->cold_ns), MCQ_COLD_NS);
    close_world(&w);
}

/* --- a look ---------------------------------------------------------------------------------- */

/* There was room when it was looked for, and the reader has just found that the peer has gone. */
static void look__finds_the_only_peer_gone__promises_no_room(void **state)
{
    struct mcq_poll_item item = {.events = POLLIN | POLLOUT};
    struct mcq_msg msg;
    struct world w;
    size_t ready_count;

    (void) state;
    open_two(&w, 0);
    assert_int_equal(mcq_socket_recv(owner, &msg, 0), MCQ_AGAIN); /* so nobody reads for it */
    close_socket(&w, far);
    pass(&w, MCQ_COLD_NS / 2);
    assert_int_equal(owner->up_count, 1);
    item.socket = owner;
    assert_int_equal(mcq_socket_poll(&item, 1, 0, &ready_count), MCQ_OK);
    assert_int_equal(item.revents, 0);
    assert_int_equal(send_text(owner, "to nobody"), MCQ_AGAIN);
    close_world(&w);
}

static void look_at(struct mcq_socket *socket, short wanted)
{
    struct mcq_poll_item item = {.socket = socket, .events = POLLIN};
    size_t ready_count;

    assert_int_equal(mcq_socket_poll(&item, 1, 0, &ready_count), MCQ_OK);
    assert_int_equal(item.revents, wanted);
}

static void expect_part(struct mcq_socket *socket, const char *text, bool more)
{
    struct mcq_msg msg;

    assert_int_equal(mcq_socket_recv(socket, &msg, 0), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_msg_bytes(&msg), mcq_bytes_of(text)));
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
}

/* A request that is sent gives up what was found of the reply before it, and one that is not sent
 * gives up nothing. */
static void part_that_a_look_has_found__goes_with_the_next_request(void **state)
{
    static const char *const parts[] = {"first", "second", "third"};
    struct mcq_socket *requester;
    struct mcq_socket *replier;
    struct world w;

    (void) state;
    open_world(&w);
    requester = open_socket(&w, MCQ_SOCKET_TYPE_REQ);
    replier = open_socket(&w, MCQ_SOCKET_TYPE_REP);
    assert_int_equal(requester->pattern->ops->set(requester->pattern, MCQ_PATTERN_REQ_RELAXED, 1),
                     MCQ_OK);
    bind_to(requester, HERE);
    connect_to(replier, HERE);
    pass(&w, SECOND);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send_text(requester, "question"), MCQ_OK);
        pass(&w, 10 * MS);
        expect_part(replier, "question", false);
        for (size_t j = 0; j < MCQ_COUNTOF(parts); j++) {
            struct mcq_part part = {mcq_bytes_of(parts[j]), NULL, j + 1 < MCQ_COUNTOF(parts)};

            assert_int_equal(mcq_socket_send(replier, &part, 0), MCQ_OK);
        }
        pass(&w, 10 * MS);
        expect_part(requester, "first", true);
        look_at(requester, POLLIN);
    }
    close_socket(&w, replier);
    pass(&w, SECOND);
    assert_int_equal(requester->up_count, 0);
    assert_int_equal(send_text(requester, "to nobody"), MCQ_AGAIN);
    expect_part(requester, "second", true);
    look_at(requester, POLLIN);
    expect_part(requester, "third", false);
    look_at(requester, 0);
    close_world(&w);
}

/* --- a connection begins --------------------------------------------------------------------- */

/* Whoever is there has said it before, though the edge of who comes was the first one. */
static void connection__begins__is_read_behind_the_others(void **state)
{
    struct mcq_socket *other;
    struct mcq_conn *conn;
    struct mcq_msg msg;
    struct world w;

    (void) state;
    open_two(&w, 0);
    conn = owner->slots[0].conn;
    other = open_socket(&w, MCQ_SOCKET_TYPE_DEALER);
    connect_to(other, HERE);
    pass(&w, SECOND);
    assert_int_equal(owner->up_count, 2);
    assert_int_equal(mcq_socket_recv(owner, &msg, 0), MCQ_AGAIN); /* so nobody reads for it */
    assert_int_equal(send_text(far, "new"), MCQ_OK);
    pass(&w, MS / 10);
    assert_int_equal(send_text(other, "old"), MCQ_OK);
    pass(&w, MS / 10);
    assert_int_equal(mcq_socket_enter(owner), MCQ_OK);
    mcq_socket_begin_input(owner, conn);
    mcq_socket_leave(owner);
    expect_text(owner, "old");
    expect_text(owner, "new");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tail__written_since_the_last_look__is_let_alone_once),
        cmocka_unit_test(tail__its_owner_falls_silent_at_any_moment__leaves_in_time),
        cmocka_unit_test(owner__back_again_and_again__reads_itself),
        cmocka_unit_test(owner__that_does_not_come_back__is_read_for),
        cmocka_unit_test(owner__its_peer_sends_pings__is_not_waited_for),
        cmocka_unit_test(look__finds_the_only_peer_gone__promises_no_room),
        cmocka_unit_test(part_that_a_look_has_found__goes_with_the_next_request),
        cmocka_unit_test(connection__begins__is_read_behind_the_others),
    };

    return cmocka_run_group_tests_name("runtime.guards", tests, NULL, NULL);
}
