/* What a program can ask about its peers, and the end of one of them. */

#include "api/test_support.h"

#define PEERS_MAX 8

static struct mcq_peer_info infos[PEERS_MAX];

static int look(struct mcq_socket *socket)
{
    int count = mcq_peers(socket, infos, PEERS_MAX, sizeof *infos);

    if (count < 0)
        fail_msg("%s", mcq_last_error());
    return count;
}

static struct mcq_socket_stats stats_of(struct mcq_socket *socket)
{
    struct mcq_socket_stats stats;

    assert_works(mcq_stats(socket, &stats, sizeof stats));
    return stats;
}

/* Until the only peer has this member at this value. */
#define await_peer(socket, member, value)                                                          \
    do {                                                                                           \
        uint64_t until_ = now_ms() + PATIENCE_MS;                                                  \
                                                                                                   \
        while (look(socket) != 1 || infos[0].member != (value)) {                                  \
            if (now_ms() > until_)                                                                 \
                fail_msg(#member " is not " #value);                                               \
            (void) mcq_wait_peers(socket, 1000, 1);                                                \
        }                                                                                          \
    } while (0)

/* The side that asks knows how long the answer took, the other one does not. */
static void heartbeats__that_are_answered__are_timed(void)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    struct world world;
    struct mcq_socket *asks;
    struct mcq_socket *answers;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    asks = open_socket(&world, MCQ_PULL);
    answers = open_socket(&world, MCQ_PUSH);
    assert_works(mcq_set(asks, MCQ_OPT_HEARTBEAT_IVL, 5));
    assert_works(mcq_set(asks, MCQ_OPT_HEARTBEAT_TIMEOUT, PATIENCE_MS));
    bind_somewhere(asks, endpoint);
    assert_works(mcq_connect(answers, endpoint));
    assert_works(mcq_wait_peers(answers, 1, PATIENCE_MS));
    do { /* pipes have no heartbeats */
        assert_works(mcq_wait_peers(asks, 1, PATIENCE_MS));
        assert_int_equal(look(asks), 1);
        (void) mcq_wait_peers(asks, 2, 1);
    } while (infos[0].rtt_ns == 0 && now_ms() < until && !is_inproc());
    assert_int_equal(infos[0].rtt_ns > 0, !is_inproc());
    assert_true(infos[0].rtt_ns < PATIENCE_MS * UINT64_C(1000000));
    assert_int_equal(look(answers), 1);
    assert_int_equal(infos[0].rtt_ns, 0);
    end_world(&world);
}

static void one_peer__both_sides__tell_the_same_story(void)
{
    struct world world;
    struct couple couple;
    struct mcq_peer_info bound;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    send_text(couple.connected, "five!", 0);
    send_text(couple.connected, "three", MCQ_SNDMORE);
    send_text(couple.connected, "parts", MCQ_SNDMORE);
    send_text(couple.connected, "", 0);
    expect_text(couple.bound, "five!");
    expect_part(couple.bound, "three", true);
    expect_part(couple.bound, "parts", true);
    expect_part(couple.bound, "", false);

    assert_int_equal(look(couple.bound), 1);
    bound = infos[0];
    assert_int_equal(bound.is_accepted, 1);
    assert_int_equal(bound.connections, 1);
    assert_int_equal(bound.messages_in, 2);
    assert_int_equal(bound.bytes_in, 15);
    assert_int_equal(bound.messages_out, 0);
    assert_int_equal(bound.queued_in, 0);
    assert_int_equal(bound.queued_in_max, 1000);
    assert_int_equal(bound.mechanism, 0);
    assert_string_equal(bound.endpoint, couple.endpoint);
    assert_string_equal(bound.user_id, "");
    assert_int_not_equal(bound.epoch, 0);

    assert_int_equal(look(couple.connected), 1);
    assert_int_equal(infos[0].is_accepted, 0);
    assert_int_equal(infos[0].messages_out, 2);
    assert_int_equal(infos[0].bytes_out, 15);
    assert_int_equal(infos[0].queued_out_max, 1000);
    assert_string_equal(infos[0].endpoint, couple.endpoint);
    assert_string_equal(infos[0].address, is_inproc() ? "" : couple.endpoint);
    assert_int_not_equal(infos[0].id, bound.id);
    assert_int_equal(strncmp(bound.address, "tcp://127.0.0.1:", 16) == 0,
                     !is_inproc() && !runs_over("ipc"));
    end_world(&world);
}

static void queues__count_what_waits_on_each_side(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple.connected = open_socket(&world, MCQ_PUSH);
    free_endpoint(couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    for (int i = 0; i < 3; i++)
        send_text(couple.connected, "waits", 0);
    assert_int_equal(look(couple.connected), 1);
    assert_int_equal(infos[0].epoch, 0);
    assert_int_equal(infos[0].connections, 0);
    assert_int_equal(infos[0].queued_out, 3);
    assert_int_equal(infos[0].queued_out_bytes, 3 * 7);
    couple.bound = open_socket(&world, MCQ_PULL);
    assert_works(mcq_bind(couple.bound, couple.endpoint));
    await_peer(couple.bound, queued_in, 3);
    assert_int_equal(infos[0].queued_in_bytes, 15);
    assert_int_equal(look(couple.connected), 1);
    assert_int_equal(infos[0].queued_out, 0);
    end_world(&world);
}

static void a_router__knows_its_peers_by_their_routing_ids(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple.bound = open_socket(&world, MCQ_ROUTER);
    couple.connected = open_socket(&world, MCQ_DEALER);
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_ROUTING_ID, "worker-7", 8));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_int_equal(look(couple.bound), 1);
    assert_int_equal(infos[0].routing_id_len, 8);
    assert_memory_equal(infos[0].routing_id, "worker-7", 8);
    assert_int_equal(look(couple.connected), 1);
    assert_int_equal(infos[0].routing_id_len, 0);
    end_world(&world);
}

static void closed_by_its_id__an_accepted_peer_comes_back_as_another_one(void)
{
    struct world world;
    struct couple couple;
    uint64_t id;

    needs_streams();
    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    send_text(couple.connected, "before", 0);
    expect_text(couple.bound, "before");
    assert_int_equal(look(couple.bound), 1);
    id = infos[0].id;
    assert_works(mcq_close_peer(couple.bound, id));
    assert_fails(mcq_close_peer(couple.bound, id), ENOENT);
    for (uint64_t until = now_ms() + PATIENCE_MS; look(couple.bound) == 0 && now_ms() < until;)
        (void) mcq_wait_peers(couple.bound, 1, 10);
    assert_int_equal(look(couple.bound), 1);
    assert_true(infos[0].id > id);
    send_text(couple.connected, "after", 0);
    expect_text(couple.bound, "after");
    assert_int_equal(stats_of(couple.bound).messages_in, 2);
    assert_int_equal(look(couple.connected), 1);
    assert_int_equal(infos[0].connections, 2);
    end_world(&world);
}

static void closed_by_its_id__a_peer_that_was_connected_to_is_gone(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_wait_peers(couple.connected, 1, PATIENCE_MS));
    assert_int_equal(look(couple.connected), 1);
    assert_works(mcq_close_peer(couple.connected, infos[0].id));
    assert_int_equal(look(couple.connected), 0);
    assert_fails(mcq_send(couple.connected, "x", 1, MCQ_DONTWAIT), EAGAIN);
    if (!is_inproc())
        assert_fails(mcq_disconnect(couple.connected, couple.endpoint), ENOENT);
    for (uint64_t until = now_ms() + PATIENCE_MS; look(couple.bound) > 0 && now_ms() < until;)
        (void) mcq_wait_peers(couple.bound, 2, 1);
    assert_int_equal(look(couple.bound), 0);
    end_world(&world);
}

static void closed_by_its_id__what_it_has_sent_goes_with_it(void)
{
    struct world world;
    struct couple couple;

    needs_streams();
    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_set(couple.connected, MCQ_OPT_LINGER, 0));
    send_text(couple.connected, "first", MCQ_SNDMORE);
    send_text(couple.connected, "second", 0);
    send_text(couple.connected, "another", 0);
    await_peer(couple.bound, messages_in, 2);
    expect_part(couple.bound, "first", true);
    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    await_peer(couple.bound, epoch, 0); /* gone, and something of it is left */
    assert_works(mcq_close_peer(couple.bound, infos[0].id));
    expect_part(couple.bound, "second", false); /* of a message that was begun */
    expect_nothing(couple.bound);
    assert_int_equal(look(couple.bound), 0);
    end_world(&world);
}

static void counters__drops_by_their_causes(void)
{
    struct world world;
    struct couple couple;
    struct mcq_socket_stats stats;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PUB, MCQ_SUB);
    send_text(couple.bound, "nobody is there", 0);
    stats = stats_of(couple.bound);
    assert_int_equal(stats.drops[MCQ_DROP_NOBODY], 1);
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "a", 1));
    await_subscriber(couple.bound, couple.connected, "a");
    stats = stats_of(couple.bound);
    send_text(couple.bound, "b", 0);
    assert_int_equal(stats_of(couple.bound).drops[MCQ_DROP_NOBODY],
                     stats.drops[MCQ_DROP_NOBODY] + 1);
    assert_int_equal(stats.peers, 1);
    assert_int_equal(stats.connected, 1);
    end_world(&world);
}

static void counters__a_full_subscriber__each_message_that_it_misses(void)
{
    struct world world;
    struct couple couple;
    uint64_t came = 0;

    begin_world(&world);
    couple.bound = open_socket(&world, MCQ_PUB);
    couple.connected = open_socket(&world, MCQ_SUB);
    assert_works(mcq_set(couple.bound, MCQ_OPT_SNDHWM, 5));
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVHWM, 5));
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "", 0));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    for (uint64_t i = 0; stats_of(couple.bound).drops[MCQ_DROP_FULL] < 10; i++) {
        static char large[65536];

        assert_true(i < 100000);
        assert_works(mcq_send(couple.bound, large, sizeof large, 0));
    }
    assert_int_equal(look(couple.bound), 1);
    assert_int_equal(infos[0].drops[MCQ_DROP_FULL], 10);
    send_text(couple.bound, "one more", 0);
    came = infos[0].messages_out;
    assert_in_range(stats_of(couple.bound).drops[MCQ_DROP_FULL], 10, 11);
    for (uint64_t i = 0; i < came; i++)
        assert_true(mcq_recv(couple.connected, NULL, 0, 0) > 0);
    end_world(&world);
}

static void counters__a_router__who_is_not_there(void)
{
    struct world world;
    struct mcq_socket *router;

    begin_world(&world);
    router = open_socket(&world, MCQ_ROUTER);
    send_text(router, "who", MCQ_SNDMORE);
    send_text(router, "what", 0);
    assert_int_equal(stats_of(router).drops[MCQ_DROP_NOBODY], 1);
    end_world(&world);
}

static void counters__disconnected__what_waited(void)
{
    struct world world;
    struct mcq_socket *push;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    push = open_socket(&world, MCQ_PUSH);
    free_endpoint(endpoint);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "one", 0);
    send_text(push, "two", 0);
    assert_int_equal(stats_of(push).messages_out, 2);
    assert_works(mcq_set(push, MCQ_OPT_LINGER, 0));
    assert_works(mcq_disconnect(push, endpoint));
    assert_int_equal(stats_of(push).drops[MCQ_DROP_DISCONNECTED], 2);
    assert_int_equal(stats_of(push).messages_out, 2);
    end_world(&world);
}

static int wait_for_two(void *argument)
{
    return mcq_wait_subscribers(argument, "weather.oslo", 12, 2, PATIENCE_MS);
}

static void subscribers_of_a_topic__are_waited_for__and_none_misses_what_follows(void)
{
    struct world world;
    struct couple couple;
    struct mcq_socket *second;
    struct helper helper;

    begin_world(&world);
    couple = open_couple(&world, MCQ_XPUB, MCQ_SUB);
    assert_works(mcq_wait_subscribers(couple.bound, "", 0, 0, 0));
    assert_fails(mcq_wait_subscribers(couple.bound, "weather.oslo", 12, 1, 0), EAGAIN);
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "weather.", 8));
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "weather.oslo", 12));
    assert_works(mcq_wait_subscribers(couple.bound, "weather.oslo", 12, 1, PATIENCE_MS));
    assert_fails(mcq_wait_subscribers(couple.bound, "weather", 7, 1, 0), EAGAIN);
    start_helper(&helper, wait_for_two, couple.bound);
    second = open_socket(&world, MCQ_SUB);
    assert_works(mcq_set_bytes(second, MCQ_OPT_SUBSCRIBE, "news", 4));
    assert_works(mcq_connect(second, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 2, PATIENCE_MS));
    assert_fails(mcq_wait_subscribers(couple.bound, "weather.oslo", 12, 2, 0), EAGAIN);
    assert_works(mcq_set_bytes(second, MCQ_OPT_SUBSCRIBE, "", 0));
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    send_text(couple.bound, "weather.oslo rain", 0);
    expect_text(couple.connected, "weather.oslo rain");
    expect_text(second, "weather.oslo rain");
    assert_fails(mcq_wait_subscribers(second, "", 0, 0, 0), ENOTSUP);
    assert_fails(mcq_wait_subscribers(couple.bound, NULL, 1, 0, 0), EFAULT);
    end_world(&world);
}

static void members_of_a_group__are_waited_for(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple = open_couple(&world, MCQ_RADIO, MCQ_DISH);
    assert_fails(mcq_wait_subscribers(couple.bound, "tv", 2, 1, 0), EAGAIN);
    assert_works(mcq_join(couple.connected, "tv"));
    assert_works(mcq_wait_subscribers(couple.bound, "tv", 2, 1, PATIENCE_MS));
    assert_says(mcq_wait_subscribers(couple.bound, "tv5", 3, 1, 0), EAGAIN,
                "wait_subscribers on RADIO: too few peers have joined this group in time");
    end_world(&world);
}

/* Requests without a word about who is to serve them: in strict turns, also while servers come and
 * go. */
static void a_router_that_balances__workers_that_come_and_go(void)
{
    struct world world;
    struct mcq_socket *router;
    struct mcq_socket *workers[4];
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    router = open_socket(&world, MCQ_ROUTER);
    assert_works(mcq_set(router, MCQ_OPT_ROUTER_BALANCE, 1));
    assert_int_equal(number_of(router, MCQ_OPT_ROUTER_BALANCE), 1);
    assert_fails(mcq_send(router, "x", 1, MCQ_DONTWAIT), EAGAIN);
    bind_somewhere(router, endpoint);
    for (int round = 0; round < 20; round++) {
        int count = 1 + round % 4;

        for (int i = 0; i < count; i++) {
            workers[i] = open_socket(&world, MCQ_DEALER);
            assert_works(mcq_connect(workers[i], endpoint));
            assert_works(mcq_wait_peers(router, (uint32_t) i + 1, PATIENCE_MS));
        }
        for (int i = 0; i < 3 * count; i++) {
            send_text(router, "", MCQ_SNDMORE);
            send_text(router, "work", 0);
        }
        for (int i = 0; i < count; i++) /* each has had just three */
            for (int k = 0; k < 3; k++) {
                expect_part(workers[i], "", true);
                expect_part(workers[i], "work", false);
            }
        send_text(workers[0], "done", 0);
        assert_int_equal(mcq_recv(router, NULL, 0, 0), 5); /* received ones have their id */
        expect_text(router, "done");
        for (int i = 0; i < count; i++) {
            expect_nothing(workers[i]);
            close_socket(&world, workers[i]);
        }
        for (uint64_t until = now_ms() + PATIENCE_MS; look(router) > 0 && now_ms() < until;)
            (void) mcq_wait_peers(router, 100, 1);
        assert_int_equal(look(router), 0);
    }
    end_world(&world);
}

static void older_and_newer_programs__get_the_members_that_they_know(void)
{
    struct world world;
    struct couple couple;
    struct {
        struct mcq_socket_stats known;
        uint64_t later;
    } newer;
    struct {
        struct mcq_peer_info known;
        uint64_t later;
    } peers[2];
    uint64_t ids[PEERS_MAX] = {0};
    uint64_t count;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_int_equal(mcq_peers(couple.bound, (struct mcq_peer_info *) (void *) ids, 2, sizeof *ids),
                     1);
    assert_int_equal(look(couple.bound), 1);
    assert_int_equal(ids[0], infos[0].id);
    assert_int_equal(ids[1], 0);
    memset(&newer, 7, sizeof newer);
    memset(peers, 7, sizeof peers);
    assert_works(mcq_stats(couple.bound, &newer.known, sizeof newer));
    assert_int_equal(newer.later, 0);
    assert_int_equal(newer.known.peers, 1);
    assert_int_equal(mcq_peers(couple.bound, &peers[0].known, 2, sizeof *peers), 1);
    assert_int_equal(peers[0].later, 0);
    assert_int_equal(peers[0].known.id, ids[0]);
    assert_int_equal(
        mcq_stats(couple.bound, (struct mcq_socket_stats *) (void *) &count, sizeof count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(mcq_peers(couple.bound, NULL, 0, 0), 1);
    end_world(&world);
}

static void wrong_calls__say_why(void)
{
    struct world world;
    struct mcq_socket *socket;

    begin_world(&world);
    socket = open_socket(&world, MCQ_PULL);
    assert_says(mcq_peers(NULL, NULL, 0, 0), EFAULT, "peers: socket is NULL");
    assert_says(mcq_peers(socket, NULL, 1, sizeof *infos), EFAULT, "peers: infos is NULL");
    assert_says(mcq_stats(socket, NULL, 0), EFAULT, "stats: stats is NULL");
    assert_says(mcq_close_peer(socket, 3), ENOENT, "close_peer 3: the socket has no such peer");
    assert_works(mcq_ctx_shutdown(world.context));
    assert_fails(mcq_peers(socket, NULL, 0, 0), MCQ_ETERM);
    assert_fails(mcq_close_peer(socket, 3), MCQ_ETERM);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(heartbeats__that_are_answered__are_timed)                                                    \
    X(one_peer__both_sides__tell_the_same_story)                                                   \
    X(queues__count_what_waits_on_each_side)                                                       \
    X(a_router__knows_its_peers_by_their_routing_ids)                                              \
    X(closed_by_its_id__an_accepted_peer_comes_back_as_another_one)                                \
    X(closed_by_its_id__a_peer_that_was_connected_to_is_gone)                                      \
    X(closed_by_its_id__what_it_has_sent_goes_with_it)                                             \
    X(counters__drops_by_their_causes)                                                             \
    X(counters__a_full_subscriber__each_message_that_it_misses)                                    \
    X(counters__a_router__who_is_not_there)                                                        \
    X(counters__disconnected__what_waited)                                                         \
    X(subscribers_of_a_topic__are_waited_for__and_none_misses_what_follows)                        \
    X(members_of_a_group__are_waited_for)                                                          \
    X(a_router_that_balances__workers_that_come_and_go)                                            \
    X(older_and_newer_programs__get_the_members_that_they_know)                                    \
    X(wrong_calls__say_why)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "peers");
}
