/* What one peer, and all of them together, may make a socket hold: at each limit, one short of it
 * and one beyond. In simulation. */

#include "runtime/sim_support.h"

#include "hub/subscriptions.h"
#include "runtime/raw_support.h"

/* --- one message ------------------------------------------------------------------------------ */

struct message_limits {
    int parts_max;
    int64_t message_max;
};

/* A peer that sends a message in this many parts of so many octets: whether it arrives. */
static bool is_received(struct message_limits limits, size_t part_count, size_t part_bytes)
{
    struct world w;
    struct mcq_msg msg;
    size_t count = 0;
    bool is_more = true;
    int fd;

    open_world(&w);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    pull->options.parts_max = limits.parts_max;
    pull->options.message_max = limits.message_max;
    bind_to(pull, HERE);
    fd = join_raw(&w, "PUSH");
    for (size_t i = 0; i < part_count; i++)
        send_part_raw(&w, fd, part_bytes, i + 1 < part_count);
    pass(&w, 5 * MS);
    while (is_more && mcq_socket_recv(pull, &msg, 0) == MCQ_OK) {
        assert_int_equal(mcq_msg_len(&msg), part_bytes);
        is_more = msg.more;
        count++;
        mcq_msg_fini(&msg);
    }
    assert_true(count == 0 || count == part_count);
    assert_int_equal(is_closed(&w, fd), count == 0);
    assert_int_equal(pull->limited_count, count == 0);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
    return count > 0;
}

static void fault_c1__parts_of_a_message__as_many_as_the_option_says(void **state)
{
    (void) state;
    for (int beyond = -1; beyond <= 1; beyond++) {
        bool fits = beyond <= 0;

        assert_int_equal(is_received((struct message_limits) {5, -1}, (size_t) (5 + beyond), 1),
                         fits);
        assert_int_equal(is_received((struct message_limits) {-1, -1}, (size_t) (8192 + beyond), 0),
                         fits);
        assert_int_equal(
            is_received((struct message_limits) {10000, -1}, (size_t) (10000 + beyond), 0), fits);
    }
}

static void fault_c12__octets_of_a_message__as_many_as_the_option_says(void **state)
{
    (void) state;
    for (int beyond = -1; beyond <= 1; beyond++) {
        bool fits = beyond <= 0;

        assert_int_equal(
            is_received((struct message_limits) {-1, 5000}, 4, (size_t) (1250 + beyond)), fits);
        assert_int_equal(
            is_received((struct message_limits) {-1, 300000}, 1, (size_t) (300000 + beyond)), fits);
    }
}

/* Endless MORE: the peer goes at the limit, and has cost no more than four times its octets. */
static void fault_c1__endless_more__ends_at_the_limit(void **state)
{
    struct world w;
    uint64_t before;
    size_t sent = 0;
    int fd;

    (void) state;
    open_world(&w);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    bind_to(pull, HERE);
    fd = join_raw(&w, "PUSH");
    before = mcq_alloc_ledger().bytes;
    while (pull->up_count > 0) {
        assert_true(sent < 10000);
        send_part_raw(&w, fd, 30, true);
        sent++;
        pass(&w, MS / 100);
        assert_true(mcq_alloc_ledger().bytes <= before + sent * 32 * 4 + 2048);
    }
    assert_in_range(sent, 8193, 8293);
    assert_true(is_closed(&w, fd));
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static bool is_subscribed(int limit, size_t topic_count, size_t topic_bytes)
{
    struct world w;
    bool is_up;
    int fd;

    open_world(&w);
    struct mcq_socket *pub = open_socket(&w, MCQ_SOCKET_TYPE_PUB);

    assert_int_equal(pub->pattern->ops->set(pub->pattern, MCQ_PATTERN_SUBSCRIPTION_BYTES, limit),
                     MCQ_OK);
    bind_to(pub, HERE);
    fd = join_raw(&w, "SUB");
    for (size_t i = 0; i < topic_count; i++)
        subscribe_raw(&w, fd, i, topic_bytes);
    pass(&w, 5 * MS);
    is_up = pub->up_count == 1;
    assert_int_equal(is_closed(&w, fd), !is_up);
    assert_int_equal(pub->limited_count, !is_up);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
    return is_up;
}

static void fault_c3__subscriptions_of_a_peer__as_many_octets_as_the_option_says(void **state)
{
    enum { COUNT = 7, BYTES = 50, CHARGED = COUNT * (BYTES + MCQ_SUBSCRIPTION_BYTES) };

    (void) state;
    for (int beyond = -1; beyond <= 1; beyond++)
        assert_int_equal(is_subscribed(CHARGED - beyond, COUNT, BYTES), beyond <= 0);
}

/* --- high-water marks ------------------------------------------------------------------------- */

static size_t fill(struct mcq_socket *socket)
{
    size_t count = 0;

    while (send_text(socket, "x") == MCQ_OK) {
        count++;
        assert_true(count < 1000);
    }
    return count;
}

static void set_hwm(struct mcq_socket *socket, int send_hwm, int recv_hwm)
{
    assert_int_equal(mcq_socket_enter(socket), MCQ_OK);
    socket->options.send_hwm = send_hwm;
    socket->options.recv_hwm = recv_hwm;
    mcq_socket_apply_hwm(socket);
    mcq_socket_leave(socket);
}

static void fault_c12__sndhwm_changed__holds_for_the_peer_that_is_there(void **state)
{
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);

    push->options.send_hwm = 5;
    connect_to(push, HERE); /* nobody is there: messages wait */
    assert_int_equal(fill(push), 5);
    set_hwm(push, 8, 0);
    assert_int_equal(fill(push), 3);
    set_hwm(push, 2, 0);
    assert_int_equal(fill(push), 0); /* what is there stays */
    set_hwm(push, 9, 0);
    assert_int_equal(fill(push), 1);
    close_world(&w);
}

static uint32_t ahead_count(const struct mcq_socket *socket)
{
    return socket->slots[0].conn->peer.link.in.message_count;
}

static void fault_c12__rcvhwm_changed__holds_for_the_peer_that_is_there(void **state)
{
    struct world w;
    int fd;

    (void) state;
    open_world(&w);
    struct mcq_socket *pull = open_socket(&w, MCQ_SOCKET_TYPE_PULL);

    pull->options.recv_hwm = 4;
    bind_to(pull, HERE);
    fd = join_raw(&w, "PUSH");
    for (int i = 0; i < 20; i++)
        send_part_raw(&w, fd, 1, false);
    pass(&w, 50 * MS);
    assert_int_equal(ahead_count(pull), 4);
    set_hwm(pull, 0, 7);
    pass(&w, 50 * MS);
    assert_int_equal(ahead_count(pull), 7);
    set_hwm(pull, 0, 0);
    pass(&w, 50 * MS);
    assert_int_equal(ahead_count(pull), 20);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

/* --- the budget ------------------------------------------------------------------------------- */

#define BUDGET 320000

static struct mcq_link *link_of(struct mcq_socket *socket)
{
    return &socket->slots[0].conn->peer.link;
}

static size_t partial_bytes(struct mcq_socket *socket)
{
    return socket->up_count == 0 ? 0 : (size_t) mcq_rpump_partial_bytes(&link_of(socket)->rpump);
}

static uint64_t used_bytes(struct world *w)
{
    return mcq_permits_used_bytes(&w->context->budget);
}

static struct mcq_socket *bind_at(struct world *w, enum mcq_socket_type type, const char *endpoint)
{
    struct mcq_socket *socket = open_socket(w, type);

    bind_to(socket, endpoint);
    return socket;
}

/* One octet beyond the budget a peer's long message is read no further than 16 KiB, and the peer
 * is ended soon; at the budget it is read as it comes. */
static void fault_c12__budget__exact(void **state)
{
    enum { SENT = 60000 };

    (void) state;
    for (int beyond = -1; beyond <= 1; beyond++) {
        uint64_t others = (uint64_t) (BUDGET + beyond);
        struct world w;
        int fd;

        open_world(&w);
        mcq_context_set_budget(w.context, BUDGET);
        mcq_permits_charge(&w.context->budget, others);
        struct mcq_socket *pull = bind_at(&w, MCQ_SOCKET_TYPE_PULL, HERE);

        fd = join_raw(&w, "PUSH");
        send_frame_raw(&w, fd, 0, 1000000, SENT);
        pass(&w, MS);
        if (beyond <= 0)
            assert_int_equal(partial_bytes(pull), SENT);
        else
            assert_in_range(partial_bytes(pull), 16384 - 9, 32768);
        pass(&w, 50 * MS);
        assert_int_equal(is_closed(&w, fd), beyond > 0);
        assert_int_equal(pull->limited_count, beyond > 0);
        mcq_permits_put(&w.context->budget, others);
        mcq_reactor_close(w.raw, fd);
        close_world(&w);
    }
}

/* The peer whose message is longest goes, though it is silent and another socket's; the one that
 * wanted memory gets its message through. */
static void fault_c13__longest_unfinished_message__gives_way(void **state)
{
    struct world w;
    int mute;
    int fd;

    (void) state;
    open_world(&w);
    mcq_context_set_budget(w.context, BUDGET);
    struct mcq_socket *other = bind_at(&w, MCQ_SOCKET_TYPE_PULL, HERE);
    struct mcq_msg msg;

    mute = join_raw(&w, "PUSH");
    send_frame_raw(&w, mute, 0, 1000000, 200000);
    pass(&w, 20 * MS);
    assert_int_equal(partial_bytes(other), 200000);
    assert_in_range(used_bytes(&w), 200000 - 65536, 200000 + 65536);
    unbind_from(other, HERE);
    pass(&w, 20 * MS);
    struct mcq_socket *pull = bind_at(&w, MCQ_SOCKET_TYPE_PULL, HERE);

    fd = join_raw(&w, "PUSH");
    send_part_raw(&w, fd, 190000, false);
    pass(&w, 100 * MS);
    assert_int_equal(ahead_count(pull), 1); /* by itself, once there was memory */
    assert_int_equal(mcq_socket_recv(pull, &msg, 0), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), 190000);
    mcq_msg_fini(&msg);
    assert_true(is_closed(&w, mute));
    assert_false(is_closed(&w, fd));
    assert_int_equal(other->limited_count, 1);
    assert_int_equal(pull->limited_count, 0);
    mcq_reactor_close(w.raw, mute);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

/* What waits for a peer that is not there uses the budget up: nobody is ended for that, and what
 * is short comes through all the same, received or not. Later all of it does. */
static void fault_c13__budget_used_by_whole_messages__others_go_on(void **state)
{
    static uint8_t body[100000];
    struct mcq_part part = {.body = {body, 4000}};
    struct world w;
    int fd;

    (void) state;
    open_world(&w);
    mcq_context_set_budget(w.context, BUDGET);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *pull = bind_at(&w, MCQ_SOCKET_TYPE_PULL, HERE);
    struct mcq_msg msg;

    connect_to(push, "tcp://127.0.0.1:5556");
    for (int i = 0; i < 120; i++)
        assert_int_equal(mcq_socket_send(push, &part, 0), MCQ_OK);
    assert_true(mcq_permits_is_over(&w.context->budget));
    fd = join_raw(&w, "PUSH");
    for (int i = 0; i < 1000; i++) { /* 20 KB at a time: more than is read ahead */
        if (i % 100 == 0) {
            for (int j = 0; j < 100; j++)
                send_part_raw(&w, fd, 200, false);
            pass(&w, SECOND);
        }
        assert_int_equal(mcq_socket_recv(pull, &msg, 0), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), 200);
        mcq_msg_fini(&msg);
    }
    assert_int_equal(pull->limited_count + push->limited_count, 0);
    assert_int_equal(disconnect_from(push, "tcp://127.0.0.1:5556"), MCQ_OK);
    pass(&w, 20 * MS);
    assert_int_equal(used_bytes(&w), 0);
    send_part_raw(&w, fd, sizeof body, false);
    pass(&w, 50 * MS);
    assert_int_equal(mcq_socket_recv(pull, &msg, 0), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), sizeof body);
    mcq_msg_fini(&msg);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

/* A flood of subscriptions ends where the budget does, if that comes first. */
static void fault_c4__subscriptions__are_charged(void **state)
{
    struct world w;
    size_t sent = 0;
    int fd;

    (void) state;
    open_world(&w);
    mcq_context_set_budget(w.context, BUDGET);
    struct mcq_socket *pub = bind_at(&w, MCQ_SOCKET_TYPE_PUB, HERE);

    fd = join_raw(&w, "SUB");
    while (pub->up_count > 0) {
        assert_true(sent < 10000);
        subscribe_raw(&w, fd, sent++, 100);
        pass(&w, MS);
    }
    assert_in_range(sent * (100 + MCQ_SUBSCRIPTION_BYTES), BUDGET, BUDGET + 2 * 65536);
    assert_int_equal(pub->limited_count, 1);
    pass(&w, 20 * MS);
    assert_int_equal(used_bytes(&w), 0);
    mcq_reactor_close(w.raw, fd);
    close_world(&w);
}

/* Memory of blocks that nobody holds. */
static size_t warm_bytes(struct mcq_socket *socket)
{
    struct mcq_link_group *group = &socket->group;

    return (size_t) mcq_slab_warm_count(group->send_slab) * mcq_slab_block_bytes(group->send_slab) +
           (size_t) mcq_slab_warm_count(group->receiver.slab) * group->receiver.block_bytes;
}

/* 64 MiB pass through a socket that reads nothing for a while: afterwards idle peers hold nothing,
 * and the heap is about where it was. */
static void fault_c13__after_a_burst__memory_is_given_back(void **state)
{
    static const uint8_t body[32768];
    struct mcq_part part = {.body = {body, 0}};
    struct mcq_ledger before;
    struct world w;

    (void) state;
    open_world(&w);
    struct mcq_socket *push = open_socket(&w, MCQ_SOCKET_TYPE_PUSH);
    struct mcq_socket *pull = bind_at(&w, MCQ_SOCKET_TYPE_PULL, HERE);
    struct mcq_msg msg;
    uint64_t most;
    size_t count;

    push->options.send_hwm = 0;
    pull->options.recv_hwm = 0;
    connect_to(push, HERE);
    pass(&w, 10 * MS);
    before = mcq_alloc_ledger();
    for (count = 0; count < (64u << 20) / sizeof body; count++) {
        for (int i = 0; i < 8; i++) {
            part.body.len = MCQ_WPUMP_COPY_MAX;
            part.more = i < 7;
            assert_int_equal(mcq_socket_send(push, &part, 0), MCQ_OK);
        }
    }
    pass(&w, SECOND); /* and reads nothing, but for what is read ahead */
    most = used_bytes(&w);
    for (size_t i = 0; i < count * 8;) {
        if (mcq_socket_recv(pull, &msg, 0) == MCQ_OK) {
            mcq_msg_fini(&msg);
            i++;
        } else {
            pass(&w, MS);
        }
    }
    pass(&w, 100 * MS);
    assert_true(most > 60u << 20);
    assert_int_equal(used_bytes(&w), 0);
    assert_true(warm_bytes(push) > 60u << 20);
    pass(&w, 20 * SECOND);
    assert_true(warm_bytes(push) + warm_bytes(pull) <= 1u << 20);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
    assert_true(mcq_alloc_ledger().bytes <= before.bytes + (128u << 10)); /* the world's own */
    assert_int_equal(used_bytes(&w), 0);
    assert_false(push->is_relief_guarded || pull->is_relief_guarded); /* and no timer is left */
    assert_int_equal(send_text(push, "again"), MCQ_OK);
    pass(&w, 20 * MS);
    expect_text(pull, "again");
    close_world(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_c1__parts_of_a_message__as_many_as_the_option_says),
        cmocka_unit_test(fault_c12__octets_of_a_message__as_many_as_the_option_says),
        cmocka_unit_test(fault_c1__endless_more__ends_at_the_limit),
        cmocka_unit_test(fault_c3__subscriptions_of_a_peer__as_many_octets_as_the_option_says),
        cmocka_unit_test(fault_c12__sndhwm_changed__holds_for_the_peer_that_is_there),
        cmocka_unit_test(fault_c12__rcvhwm_changed__holds_for_the_peer_that_is_there),
        cmocka_unit_test(fault_c12__budget__exact),
        cmocka_unit_test(fault_c13__longest_unfinished_message__gives_way),
        cmocka_unit_test(fault_c13__budget_used_by_whole_messages__others_go_on),
        cmocka_unit_test(fault_c4__subscriptions__are_charged),
        cmocka_unit_test(fault_c13__after_a_burst__memory_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
