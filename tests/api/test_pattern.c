/* The nine patterns over loopback. */

#include "api/test_support.h"

static void pair__both_ways_and_one_peer_only(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PAIR, MCQ_PAIR);

    send_text(couple.connected, "there", 0);
    expect_text(couple.bound, "there");
    send_text(couple.bound, "and", MCQ_SNDMORE);
    send_text(couple.bound, "back", 0);
    expect_part(couple.connected, "and", true);
    expect_text(couple.connected, "back");
    assert_says_of(mcq_connect(couple.connected, couple.endpoint), EISCONN,
                   "connect %s: this socket has its one peer", couple.endpoint);
    end_world(&world);
}

static void push_pull__in_turns(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pulls[3];

    for (size_t i = 0; i < 3; i++) {
        char endpoint[ENDPOINT_BYTES];

        pulls[i] = open_socket(&world, MCQ_PULL);
        bind_somewhere(pulls[i], endpoint);
        assert_works(mcq_connect(push, endpoint));
    }
    assert_works(mcq_wait_peers(push, 3, PATIENCE_MS));
    for (int i = 0; i < 12; i++) {
        send_text(push, "head", MCQ_SNDMORE);
        send_text(push, "body", 0);
    }
    for (size_t i = 0; i < 3; i++)
        for (int count = 0; count < 4; count++) {
            expect_part(pulls[i], "head", true);
            expect_text(pulls[i], "body");
        }
    for (size_t i = 0; i < 3; i++)
        expect_nothing(pulls[i]);
    end_world(&world);
}

static void push_pull__one_way_only(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_says(mcq_send(couple.bound, "x", 1, 0), ENOTSUP,
                "send on PULL: this type only receives");
    assert_says(mcq_recv(couple.connected, NULL, 0, 0), ENOTSUP,
                "recv on PUSH: this type only sends");
    end_world(&world);
}

static void pub_sub__what_was_subscribed_to(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PUB, MCQ_SUB);

    send_text(couple.bound, "nobody hears this", 0);
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "temp.", 5));
    await_subscriber(couple.bound, couple.connected, "temp.");
    send_text(couple.bound, "wind.oslo", 0);
    send_text(couple.bound, "temp.oslo", MCQ_SNDMORE);
    send_text(couple.bound, "7.2", 0);
    send_text(couple.bound, "temp", 0);
    send_text(couple.bound, "temp.rome", 0);
    expect_part(couple.connected, "temp.oslo", true);
    expect_text(couple.connected, "7.2");
    expect_text(couple.connected, "temp.rome");
    assert_fails(mcq_recv(couple.bound, NULL, 0, 0), ENOTSUP);
    assert_fails(mcq_send(couple.connected, "x", 1, 0), ENOTSUP);
    end_world(&world);
}

static void pub_sub__all_subscribers_get_it(void)
{
    struct world world;
    struct mcq_socket *subs[5];
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pub = open_socket(&world, MCQ_PUB);

    bind_somewhere(pub, endpoint);
    for (size_t i = 0; i < 5; i++) {
        subs[i] = open_socket(&world, MCQ_SUB);
        assert_works(mcq_set_bytes(subs[i], MCQ_OPT_SUBSCRIBE, NULL, 0));
        assert_works(mcq_connect(subs[i], endpoint));
    }
    for (size_t i = 0; i < 5; i++)
        await_subscriber(pub, subs[i], "");
    send_text(pub, "to all", 0);
    for (size_t i = 0; i < 5; i++) {
        char room[8] = "";

        /* Before it may be what others were waited for with. */
        while (strcmp(room, "to all") != 0)
            assert_true(mcq_recv(subs[i], room, sizeof room, 0) >= 0);
        expect_nothing(subs[i]);
    }
    end_world(&world);
}

/* The publisher knows of it once a message of another topic, subscribed to later, gets through. */
static void pub_sub__unsubscribed_topics_stop(void)
{
    struct world world;
    char room[8];

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PUB, MCQ_SUB);

    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "a", 1));
    await_subscriber(couple.bound, couple.connected, "a");
    send_text(couple.bound, "a1", 0);
    expect_text(couple.connected, "a1");
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "b", 1));
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVTIMEO, 10));
    do {
        send_text(couple.bound, "a2", 0);
        send_text(couple.bound, "b", 0);
    } while (mcq_recv(couple.connected, room, sizeof room, 0) < 0 && errno == EAGAIN);
    assert_int_equal(room[0], 'b');
    end_world(&world);
}

static void sub__that_binds__hears_publishers_that_connect(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_SUB, MCQ_PUB);

    assert_works(mcq_set_bytes(couple.bound, MCQ_OPT_SUBSCRIBE, NULL, 0));
    await_subscriber(couple.connected, couple.bound, "");
    send_text(couple.connected, "news", 0);
    expect_text(couple.bound, "news");
    end_world(&world);
}

static void req_rep__in_lockstep(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);

    assert_says(mcq_recv(couple.connected, NULL, 0, 0), MCQ_EFSM,
                "recv on REQ: send a request first");
    assert_says(mcq_send(couple.bound, "x", 1, 0), MCQ_EFSM,
                "send on REP: receive a request first");
    for (int i = 0; i < 100; i++) {
        send_text(couple.connected, "one", MCQ_SNDMORE);
        send_text(couple.connected, "two", 0);
        assert_fails(mcq_send(couple.connected, "x", 1, 0), MCQ_EFSM);
        expect_part(couple.bound, "one", true);
        expect_text(couple.bound, "two");
        assert_says(mcq_recv(couple.bound, NULL, 0, 0), MCQ_EFSM,
                    "recv on REP: send the reply to the last request first");
        send_text(couple.bound, "reply", 0);
        expect_text(couple.connected, "reply");
    }
    end_world(&world);
}

static void rep__serves_many_and_each_gets_its_own_reply(void)
{
    struct mcq_socket *reqs[4];
    char endpoint[ENDPOINT_BYTES];
    char text[] = "request 0";
    char room[16];
    struct world world;

    begin_world(&world);
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);

    bind_somewhere(rep, endpoint);
    for (size_t i = 0; i < 4; i++) {
        reqs[i] = open_socket(&world, MCQ_REQ);
        assert_works(mcq_connect(reqs[i], endpoint));
        text[8] = (char) ('0' + i);
        send_text(reqs[i], text, 0);
    }
    for (size_t i = 0; i < 4; i++) {
        ptrdiff_t len = mcq_recv(rep, room, sizeof room, 0);

        assert_int_equal(len, 9);
        assert_works(mcq_send(rep, room, 9, 0));
    }
    for (size_t i = 0; i < 4; i++) {
        text[8] = (char) ('0' + i);
        expect_text(reqs[i], text);
    }
    end_world(&world);
}

static void req__relaxed_and_correlated__takes_the_reply_to_the_last_request(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);

    assert_works(mcq_set(couple.connected, MCQ_OPT_REQ_RELAXED, 1));
    assert_works(mcq_set(couple.connected, MCQ_OPT_REQ_CORRELATE, 1));
    send_text(couple.connected, "first", 0);
    expect_text(couple.bound, "first");
    send_text(couple.connected, "second", 0);
    send_text(couple.bound, "late", 0);
    expect_text(couple.bound, "second");
    send_text(couple.bound, "in time", 0);
    expect_text(couple.connected, "in time");
    end_world(&world);
}

/* The requester learns that its peer went, instead of waiting without end. */
static void req__peer_goes__is_econnreset_and_goes_on(void)
{
    struct world world;

    needs_streams();
    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_REQ);

    send_text(couple.connected, "request", 0);
    expect_text(couple.bound, "request");
    close_socket(&world, couple.bound);
    assert_says(mcq_recv(couple.connected, NULL, 0, 0), ECONNRESET,
                "recv on REQ: the peer went, and the reply with it; send the request again");
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);

    bind_again(rep, couple.endpoint);
    send_text(couple.connected, "again", 0);
    expect_text(rep, "again");
    send_text(rep, "reply", 0);
    expect_text(couple.connected, "reply");
    end_world(&world);
}

static void dealer_router__by_the_id_in_front(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealers[2];
    char endpoint[ENDPOINT_BYTES];

    bind_somewhere(router, endpoint);
    for (size_t i = 0; i < 2; i++) {
        dealers[i] = open_socket(&world, MCQ_DEALER);
        assert_works(mcq_set_bytes(dealers[i], MCQ_OPT_ROUTING_ID, i == 0 ? "ann" : "bob", 3));
        assert_works(mcq_connect(dealers[i], endpoint));
    }
    assert_works(mcq_wait_peers(router, 2, PATIENCE_MS));
    send_text(router, "bob", MCQ_SNDMORE);
    send_text(router, "hello", MCQ_SNDMORE);
    send_text(router, "bob", 0);
    send_text(router, "ann", MCQ_SNDMORE);
    send_text(router, "hello ann", 0);
    expect_part(dealers[1], "hello", true);
    expect_text(dealers[1], "bob");
    expect_text(dealers[0], "hello ann");
    send_text(dealers[0], "yes?", 0);
    expect_part(router, "ann", true);
    expect_text(router, "yes?");
    end_world(&world);
}

static void router__unknown_id__is_dropped_unless_mandatory(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_ROUTER, MCQ_DEALER);

    send_text(couple.bound, "nobody", MCQ_SNDMORE);
    send_text(couple.bound, "lost", 0);
    assert_works(mcq_set(couple.bound, MCQ_OPT_ROUTER_MANDATORY, 1));
    assert_says(mcq_send(couple.bound, "nobody", 6, MCQ_SNDMORE), EHOSTUNREACH,
                "send on ROUTER: no peer is connected that has the routing id in the first part");
    send_text(couple.connected, "request", 0);
    char id[256];
    ptrdiff_t len = mcq_recv(couple.bound, id, sizeof id, 0);

    assert_int_equal(len, 5); /* made by the router: RFC 28 */
    assert_int_equal(id[0], 0);
    expect_text(couple.bound, "request");
    assert_works(mcq_send(couple.bound, id, (size_t) len, MCQ_SNDMORE));
    send_text(couple.bound, "reply", 0);
    expect_text(couple.connected, "reply");
    end_world(&world);
}

static void router__handover__the_newest_peer_has_the_id(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(router, MCQ_OPT_ROUTER_HANDOVER, 1));
    bind_somewhere(router, endpoint);
    for (int i = 0; i < 3; i++) {
        struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

        assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "me", 2));
        assert_works(mcq_connect(dealer, endpoint));
        send_text(dealer, "here", 0);
        expect_part(router, "me", true);
        expect_text(router, "here");
        send_text(router, "me", MCQ_SNDMORE);
        send_text(router, "welcome", 0);
        expect_text(dealer, "welcome");
        assert_works(mcq_disconnect(dealer, endpoint));
    }
    end_world(&world);
}

static void on_down(const struct mcq_report *report, void *hint)
{
    (void) report;
    atomic_fetch_add((_Atomic unsigned *) hint, 1);
}

static struct mcq_socket *open_me(struct world *world, const char *endpoint,
                                  _Atomic unsigned *downs)
{
    struct mcq_socket *dealer = open_socket(world, MCQ_DEALER);

    assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "me", 2));
    assert_works(mcq_set(dealer, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_monitor(dealer, MCQ_REPORT_DISCONNECTED, on_down, downs));
    assert_works(mcq_connect(dealer, endpoint));
    send_text(dealer, "here", 0);
    return dealer;
}

/* Two that live do not take turns at being thrown out; and nobody is forgotten. */
static void router__handover__who_is_replaced_stays_unheard_until_the_newer_goes(void)
{
    static _Atomic unsigned older_downs;
    static _Atomic unsigned newer_downs;
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char room[16] = "";

    if (is_inproc()) /* a pipe ends, and nothing of it comes again by itself */
        return;
    atomic_store(&older_downs, 0);
    atomic_store(&newer_downs, 0);
    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);

    assert_works(mcq_set(router, MCQ_OPT_ROUTER_HANDOVER, 1));
    bind_somewhere(router, endpoint);
    struct mcq_socket *older = open_me(&world, endpoint, &older_downs);

    expect_part(router, "me", true);
    expect_text(router, "here");
    struct mcq_socket *newer = open_me(&world, endpoint, &newer_downs);

    expect_part(router, "me", true);
    expect_text(router, "here");
    send_text(older, "unheard", 0);
    for (int i = 0; i < 50; i++) {
        send_text(newer, "question", 0);
        expect_part(router, "me", true);
        expect_text(router, "question");
        send_text(router, "me", MCQ_SNDMORE);
        send_text(router, "answer", 0);
        expect_text(newer, "answer");
    }
    expect_nothing(older);
    expect_nothing(router);
    assert_int_equal(atomic_load(&older_downs) + atomic_load(&newer_downs), 0);
    assert_works(mcq_disconnect(newer, endpoint));
    for (uint64_t until_ms = now_ms() + PATIENCE_MS; strcmp(room, "again") != 0;) {
        assert_true(now_ms() < until_ms);
        (void) mcq_send(older, "again", 5, MCQ_DONTWAIT);
        memset(room, 0, sizeof room);
        (void) mcq_recv(router, room, sizeof room - 1, MCQ_DONTWAIT);
        assert_string_not_equal(room, "unheard");
        (void) sched_yield();
    }
    assert_int_equal(atomic_load(&older_downs), 1);
    send_text(router, "me", MCQ_SNDMORE);
    send_text(router, "welcome", 0);
    expect_text(older, "welcome");
    end_world(&world);
}

static void router__hears_of_peers__by_probes_and_notices(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);
    char endpoint[ENDPOINT_BYTES];

    assert_works(mcq_set(router, MCQ_OPT_ROUTER_NOTIFY, 3));
    assert_int_equal(number_of(router, MCQ_OPT_ROUTER_NOTIFY), 3);
    assert_works(mcq_set(dealer, MCQ_OPT_PROBE_ROUTER, 1));
    assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "me", 2));
    bind_somewhere(router, endpoint);
    assert_works(mcq_connect(dealer, endpoint));
    for (int i = 0; i < 2; i++) { /* the notice, and the probe */
        expect_part(router, "me", true);
        expect_text(router, "");
    }
    send_text(dealer, "last words", 0);
    close_socket(&world, dealer);
    expect_part(router, "me", true);
    expect_text(router, "last words");
    expect_part(router, "me", true);
    expect_text(router, "");
    expect_nothing(router);
    end_world(&world);
}

static void router__connects__to_a_peer_that_it_has_named(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);
    char endpoint[ENDPOINT_BYTES];

    bind_somewhere(dealer, endpoint);
    assert_works(mcq_set(router, MCQ_OPT_ROUTER_MANDATORY, 1));
    assert_works(mcq_set_bytes(router, MCQ_OPT_CONNECT_ROUTING_ID, "you", 3));
    assert_works(mcq_connect(router, endpoint));
    send_text(router, "you", MCQ_SNDMORE);
    send_text(router, "hello", 0);
    expect_text(dealer, "hello");
    send_text(dealer, "hello yourself", 0);
    expect_part(router, "you", true);
    expect_text(router, "hello yourself");
    assert_works(mcq_set_bytes(router, MCQ_OPT_CONNECT_ROUTING_ID, "you", 3));
    assert_says_of(mcq_connect(router, endpoint), EADDRINUSE,
                   "connect %s: another peer has this CONNECT_ROUTING_ID", endpoint);
    assert_fails(mcq_set_bytes(dealer, MCQ_OPT_CONNECT_ROUTING_ID, "you", 3), EINVAL);
    end_world(&world);
}

/* Thousands are sent while nobody receives; then the newest comes, and with a bit of what the
 * stream held before it: it is read to its end. */
static void conflate__only_the_newest_message(void)
{
    enum { COUNT = 5000 };
    static const enum mcq_type types[][2] = {{MCQ_PUSH, MCQ_PULL}, {MCQ_DEALER, MCQ_DEALER}};

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;
        char endpoint[ENDPOINT_BYTES];
        int last = -1;

        begin_world(&world);
        struct mcq_socket *out = open_socket(&world, types[i][0]);
        struct mcq_socket *in = open_socket(&world, types[i][1]);

        assert_works(mcq_set(out, MCQ_OPT_CONFLATE, 1));
        assert_works(mcq_set(in, MCQ_OPT_CONFLATE, 1));
        assert_int_equal(number_of(in, MCQ_OPT_CONFLATE), 1);
        bind_somewhere(in, endpoint);
        assert_works(mcq_connect(out, endpoint));
        for (int n = 0; n < COUNT; n++) {
            if (is_inproc() && n == 100)
                n = COUNT - 1; /* a pipe is bounded by the high-water marks */
            assert_works(mcq_send(out, &n, sizeof n, 0)); /* there is always room */
        }
        for (int came = 0; last < COUNT - 1; came++) {
            int n;

            assert_int_equal(mcq_recv(in, &n, sizeof n, 0), sizeof n);
            assert_true(n > last);
            assert_true(came < COUNT / 2);
            last = n;
        }
        expect_nothing(in);
        assert_fails(mcq_set(open_socket(&world, MCQ_PAIR), MCQ_OPT_CONFLATE, 1), EINVAL);
        end_world(&world);
    }
}

/* RFC 28: what REQ and REP hide. */
static void envelopes__empty_part_in_front(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_REP, MCQ_DEALER);

    send_text(couple.connected, "", MCQ_SNDMORE);
    send_text(couple.connected, "question", 0);
    expect_text(couple.bound, "question");
    send_text(couple.bound, "answer", 0);
    expect_part(couple.connected, "", true);
    expect_text(couple.connected, "answer");
    end_world(&world);
}

#define SIZE_STEP 1237

/* Around every border there is: inline, copied, referenced, more than a read, more than a write. */
static void sizes__of_all_kinds__arrive_as_they_are(void)
{
    static const size_t sizes[] = {0,      1,      55,     56,     57,     254,     255,    256,
                                   4095,   4096,   4097,   32767,  32768,  65535,   65536,  131071,
                                   131072, 131073, 262143, 262144, 262145, 1000000, 5000000};
    static uint8_t octets[5000000];
    static uint8_t room[sizeof octets];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PAIR, MCQ_PAIR);

    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t) (i * SIZE_STEP >> 7);
    for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
        assert_works(mcq_send(couple.connected, octets, sizes[i], 0));
        assert_int_equal(mcq_recv(couple.bound, room, sizeof room, 0), sizes[i]);
        assert_true(memcmp(room, octets, sizes[i]) == 0);
        assert_works(mcq_send(couple.bound, octets, sizes[i], 0));
        assert_int_equal(mcq_recv(couple.connected, room, sizeof room, 0), sizes[i]);
        assert_true(memcmp(room, octets, sizes[i]) == 0);
    }
    end_world(&world);
}

static void small_buffer__first_octets_and_the_whole_length(void)
{
    struct world world;
    char room[4] = "----";

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "long text", 0);
    assert_int_equal(mcq_recv(couple.bound, room, 3, 0), 9);
    assert_memory_equal(room, "lon-", 4);
    send_text(couple.connected, "gone", 0);
    assert_int_equal(mcq_recv(couple.bound, NULL, 0, 0), 4);
    expect_nothing(couple.bound);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(pair__both_ways_and_one_peer_only)                                                           \
    X(push_pull__in_turns)                                                                         \
    X(push_pull__one_way_only)                                                                     \
    X(pub_sub__what_was_subscribed_to)                                                             \
    X(pub_sub__all_subscribers_get_it)                                                             \
    X(pub_sub__unsubscribed_topics_stop)                                                           \
    X(sub__that_binds__hears_publishers_that_connect)                                              \
    X(req_rep__in_lockstep)                                                                        \
    X(rep__serves_many_and_each_gets_its_own_reply)                                                \
    X(req__relaxed_and_correlated__takes_the_reply_to_the_last_request)                            \
    X(req__peer_goes__is_econnreset_and_goes_on)                                                   \
    X(dealer_router__by_the_id_in_front)                                                           \
    X(router__unknown_id__is_dropped_unless_mandatory)                                             \
    X(router__handover__the_newest_peer_has_the_id)                                                \
    X(router__handover__who_is_replaced_stays_unheard_until_the_newer_goes)                        \
    X(router__hears_of_peers__by_probes_and_notices)                                               \
    X(router__connects__to_a_peer_that_it_has_named)                                               \
    X(conflate__only_the_newest_message)                                                           \
    X(envelopes__empty_part_in_front)                                                              \
    X(sizes__of_all_kinds__arrive_as_they_are)                                                     \
    X(small_buffer__first_octets_and_the_whole_length)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.pattern");
}
