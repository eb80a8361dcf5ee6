#include <stdio.h>

#include "socket/test_support.h"

#define PEER_BYTES_MAX 16777216 /* charged for one peer's subscriptions */

/* A PUB and bare subscribers, which say what they want by commands. */
#define SUBSCRIBERS 3

struct fixture {
    struct world world;
    struct end pub;
    struct end bare;
    struct joined joined[SUBSCRIBERS]; /* near: the subscriber's; far: the PUB's */
};

static void start_with(struct fixture *f, uint32_t out_max, size_t pipe_bytes)
{
    world_init(&f->world, pipe_bytes);
    end_init(&f->pub, &f->world, MCQ_SOCKET_TYPE_PUB);
    f->pub.out_max = out_max;
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_SUB);
    for (int i = 0; i < SUBSCRIBERS; i++)
        f->joined[i] = join(&f->bare, &f->pub);
}

static void start(struct fixture *f)
{
    start_with(f, 0, 0);
}

static void want(struct fixture *f, int who, const char *topic, bool is_on)
{
    assert_int_equal(
        mcq_link_subscribe(&f->joined[who].near->peer.link, mcq_bytes_of(topic), is_on), MCQ_OK);
    settle(&f->world);
}

#define NOTHING(f, who) assert_int_equal(take_err((f)->joined[who].near), MCQ_AGAIN)

static void send__matching_is_by_prefix_of_the_first_part(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SEND(&f.pub, "nobody wants it yet");
    want(&f, 0, "", true);
    want(&f, 1, "ab", true);
    want(&f, 2, "abc", true);
    want(&f, 2, "x", true);
    SEND(&f.pub, "a");
    SEND(&f.pub, "ab");
    SEND(&f.pub, "abcd");
    SEND_MORE(&f.pub, "x");
    SEND_MORE(&f.pub, "ab");
    SEND(&f.pub, "abc");
    settle(&f.world);
    TAKE(f.joined[0].near, "a");
    TAKE(f.joined[0].near, "ab");
    TAKE(f.joined[0].near, "abcd");
    TAKE_MORE(f.joined[0].near, "x");
    TAKE_MORE(f.joined[0].near, "ab");
    TAKE(f.joined[0].near, "abc");
    TAKE(f.joined[1].near, "ab");
    TAKE(f.joined[1].near, "abcd");
    TAKE(f.joined[2].near, "abcd");
    TAKE_MORE(f.joined[2].near, "x");
    TAKE_MORE(f.joined[2].near, "ab");
    TAKE(f.joined[2].near, "abc");
    for (int i = 0; i < SUBSCRIBERS; i++)
        NOTHING(&f, i);
    assert_int_equal(f.pub.pattern->dropped_count, 0);
    world_fini(&f.world);
}

static void subscriptions_of_a_peer__are_a_set(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    want(&f, 0, "a", true);
    want(&f, 0, "a", true);
    want(&f, 0, "", true);
    want(&f, 1, "a", true);
    SEND(&f.pub, "a"); /* once, however many of its topics match */
    want(&f, 0, "a", false);
    want(&f, 0, "", false);
    want(&f, 0, "never was there", false);
    SEND(&f.pub, "a again");
    settle(&f.world);
    TAKE(f.joined[0].near, "a");
    NOTHING(&f, 0);
    TAKE(f.joined[1].near, "a");
    TAKE(f.joined[1].near, "a again");
    world_fini(&f.world);
}

/* The form of ZMTP 3.0 and before; what else a peer says is nobody's. */
static void messages_of_a_subscriber__the_old_form_counts_and_others_are_dropped(void **state)
{
    static const uint8_t octets[] = {0,   2,   1, 'a', 0, 1, 1, 0, 3, 'n',
                                     'e', 'w', 0, 0,   1, 1, 2, 0, 1, 9};
    static const uint8_t cancel[] = {0, 1, 0};
    struct fixture f;

    (void) state;
    start(&f);
    send_raw(f.joined[0].near, octets, sizeof octets);
    settle(&f.world);
    SEND(&f.pub, "abc");
    SEND(&f.pub, "xyz");
    settle(&f.world);
    send_raw(f.joined[0].near, cancel, sizeof cancel);
    settle(&f.world);
    SEND(&f.pub, "xyz");
    SEND(&f.pub, "a");
    settle(&f.world);
    TAKE(f.joined[0].near, "abc");
    TAKE(f.joined[0].near, "xyz");
    TAKE(f.joined[0].near, "a");
    NOTHING(&f, 0);
    assert_int_equal(f.pub.lost_count, 0);
    assert_int_equal(f.joined[0].far->peer.link.in.tail, 0);
    world_fini(&f.world);
}

/* --- peers that are full --------------------------------------------------------------------- */

static void fault_c10__full_peer__misses_whole_messages_and_others_do_not(void **state)
{
    static char body[3][500];
    struct fixture f;
    unsigned came = 0;

    (void) state;
    start_with(&f, 2, 2000);
    for (int i = 0; i < 2; i++)
        want(&f, i, "", true);
    for (int n = 0; n < 40; n++) {
        struct mcq_msg msg;

        assert_true(is_writable(&f.pub));
        for (int part = 0; part < 3; part++) {
            memset(body[part], 'a' + n, sizeof body[part]);
            assert_int_equal(send_bytes(&f.pub, mcq_bytes(body[part], sizeof body[part]), part < 2),
                             MCQ_OK);
        }
        settle(&f.world);
        for (int part = 0; part < 3; part++) { /* the first one reads, the second does not */
            assert_int_equal(mcq_link_take(&f.joined[0].near->peer.link, &msg), MCQ_OK);
            assert_memory_equal(mcq_msg_data(&msg), body[part], sizeof body[part]);
            mcq_msg_fini(&msg);
            settle(&f.world);
        }
    }
    for (int turn = 0; turn < 20; turn++) {
        settle(&f.world);
        (void) mcq_link_prefetch(&f.joined[1].near->peer.link);
    }
    for (;; came++) {
        uint8_t first = 0;

        for (int part = 0; part < 3; part++) {
            struct mcq_msg msg;

            if (mcq_link_take(&f.joined[1].near->peer.link, &msg) != MCQ_OK) {
                assert_int_equal(part, 0);
                goto over;
            }
            assert_int_equal(mcq_msg_len(&msg), sizeof body[0]);
            first = part == 0 ? mcq_msg_data(&msg)[0] : first;
            assert_int_equal(mcq_msg_data(&msg)[0], first); /* parts of one message */
            mcq_msg_fini(&msg);
        }
    }
over:
    assert_in_range(came, 2, 6);
    assert_int_equal(f.pub.pattern->dropped_count, 40 - came);
    world_fini(&f.world);
}

/* --- many messages together ------------------------------------------------------------------ */

static void share(struct fixture *f)
{
    f->pub.pattern->ops->share(f->pub.pattern);
}

static uint32_t waiting(const struct fixture *f, int who)
{
    return (uint32_t) mcq_link_waiting_count(&f->joined[who].far->peer.link);
}

static void
deferred__messages_for_the_same_peers__are_in_no_queue_until_they_are_shared(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    want(&f, 0, "", true);
    want(&f, 1, "a", true);
    want(&f, 2, "b", true);
    f.pub.group.may_defer = true;
    SEND(&f.pub, "a1");
    SEND(&f.pub, "a2");
    assert_true(f.pub.group.has_deferred);
    assert_int_equal(waiting(&f, 0) + waiting(&f, 1), 0);
    SEND(&f.pub, "b1"); /* others: those before it are shared */
    assert_int_equal(waiting(&f, 0), 2);
    assert_int_equal(waiting(&f, 1), 2);
    SEND(&f.pub, "c1");
    SEND_MORE(&f.pub, "a3");
    assert_false(f.pub.group.has_deferred);
    SEND(&f.pub, "rest");
    SEND(&f.pub, "a4");
    f.pub.group.may_defer = false;
    SEND(&f.pub, "a5");
    assert_false(f.pub.group.has_deferred);
    settle(&f.world);
    TAKE(f.joined[0].near, "a1");
    TAKE(f.joined[0].near, "a2");
    TAKE(f.joined[0].near, "b1");
    TAKE(f.joined[0].near, "c1");
    TAKE_MORE(f.joined[0].near, "a3");
    TAKE(f.joined[0].near, "rest");
    TAKE(f.joined[0].near, "a4");
    TAKE(f.joined[0].near, "a5");
    TAKE(f.joined[1].near, "a1");
    TAKE(f.joined[1].near, "a2");
    TAKE_MORE(f.joined[1].near, "a3");
    TAKE(f.joined[1].near, "rest");
    TAKE(f.joined[1].near, "a4");
    TAKE(f.joined[1].near, "a5");
    TAKE(f.joined[2].near, "b1");
    for (int i = 0; i < SUBSCRIBERS; i++)
        NOTHING(&f, i);
    assert_int_equal(f.pub.pattern->dropped_count, 0);
    world_fini(&f.world);
}

static void deferred__beyond_the_high_water_mark__the_first_ones_are_queued(void **state)
{
    struct fixture f;
    char text[16];

    (void) state;
    start_with(&f, 5, 0);
    want(&f, 0, "", true);
    want(&f, 1, "", true);
    f.joined[0].far->peer.link.can_write = false; /* what it has waits */
    f.joined[1].far->peer.link.conflates = true;
    f.pub.group.may_defer = true;
    for (int i = 0; i < 3 * MCQ_FRAMES_MAX; i++) {
        (void) snprintf(text, sizeof text, "%d", i);
        SEND(&f.pub, text);
    }
    share(&f);
    assert_int_equal(waiting(&f, 0), 5);
    assert_int_equal(waiting(&f, 1), 1);
    assert_int_equal(f.pub.pattern->dropped_count, 3 * MCQ_FRAMES_MAX - 5);
    f.joined[0].far->peer.link.can_write = true;
    settle(&f.world);
    for (int i = 0; i < 5; i++) {
        (void) snprintf(text, sizeof text, "%d", i);
        TAKE(f.joined[0].near, text);
    }
    NOTHING(&f, 0);
    (void) snprintf(text, sizeof text, "%d", 3 * MCQ_FRAMES_MAX - 1);
    TAKE(f.joined[1].near, text);
    NOTHING(&f, 1);
    world_fini(&f.world);
}

static void deferred__what_peers_want_changes__each_message_goes_to_who_wanted_it_then(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    want(&f, 0, "a", true);
    f.pub.group.may_defer = true;
    SEND(&f.pub, "a1");
    want(&f, 1, "a", true);
    SEND(&f.pub, "a2");
    want(&f, 0, "a", false);
    SEND(&f.pub, "a3");
    peer_down(f.joined[1].far);
    SEND(&f.pub, "a4");
    assert_false(f.pub.group.has_deferred); /* nobody wants it */
    settle(&f.world);
    TAKE(f.joined[0].near, "a1");
    TAKE(f.joined[0].near, "a2");
    NOTHING(&f, 0);
    world_fini(&f.world);
}

/* --- peers that go --------------------------------------------------------------------------- */

static void peer_gone__its_subscriptions_go__also_within_a_message(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    for (int i = 0; i < SUBSCRIBERS; i++)
        want(&f, i, "a", true);
    SEND_MORE(&f.pub, "a");
    peer_down(f.joined[1].far);
    SEND_MORE(&f.pub, "b");
    peer_down(f.joined[0].far);
    SEND(&f.pub, "c");
    settle(&f.world);
    TAKE_MORE(f.joined[2].near, "a");
    TAKE_MORE(f.joined[2].near, "b");
    TAKE(f.joined[2].near, "c");
    NOTHING(&f, 0);
    NOTHING(&f, 1);
    peer_down(f.joined[2].far);
    SEND_MORE(&f.pub, "a");
    SEND(&f.pub, "for nobody");
    world_fini(&f.world);
}

/* A PUB that connects. */
static void next_connection__begins_without_subscriptions(void **state)
{
    struct world world;
    struct end pub;
    struct end bare;
    struct joined joined;

    (void) state;
    world_init(&world, 0);
    end_init(&pub, &world, MCQ_SOCKET_TYPE_PUB);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_SUB);
    joined = join(&pub, &bare);
    assert_int_equal(mcq_link_subscribe(&joined.far->peer.link, mcq_bytes_of("a"), true), MCQ_OK);
    settle(&world);
    SEND_MORE(&pub, "a begun");
    peer_down(joined.near);
    SEND(&pub, "rest");
    SEND(&pub, "a while it is away");
    joined = join_peer(&pub, joined.near, &bare);
    SEND(&pub, "a before it says so");
    settle(&world);
    assert_int_equal(mcq_link_subscribe(&joined.far->peer.link, mcq_bytes_of("a"), true), MCQ_OK);
    settle(&world);
    SEND(&pub, "a now");
    settle(&world);
    TAKE(joined.far, "a now");
    assert_int_equal(take_err(joined.far), MCQ_AGAIN);
    world_fini(&world);
}

static void too_many_topics__cost_the_peer_its_connection(void **state)
{
    struct fixture f;
    char topic[9000];
    size_t count = 0;

    (void) state;
    start(&f);
    memset(topic, 't', sizeof topic);
    want(&f, 1, "a", true);
    for (; f.pub.lost_count == 0; count++) {
        assert_true(count <= PEER_BYTES_MAX / sizeof topic);
        (void) snprintf(topic, 16, "%08zu", count);
        topic[8] = 't';
        assert_int_equal(
            mcq_link_subscribe(&f.joined[0].near->peer.link, mcq_bytes(topic, sizeof topic), true),
            MCQ_OK);
        settle(&f.world);
    }
    assert_int_equal(f.pub.lost_by, MCQ_LIMIT);
    assert_int_equal(f.pub.gone_count, 1);
    SEND(&f.pub, "a");
    settle(&f.world);
    TAKE(f.joined[1].near, "a");
    world_fini(&f.world);
}

/* --- sharing --------------------------------------------------------------------------------- */

static void fan_out__one_encoding__and_one_body_for_all(void **state)
{
    static char large[100000];
    struct world world;
    struct end pub;
    struct end bare;
    uint64_t before;
    uint64_t per_peer;

    (void) state;
    world_init(&world, 1);
    end_init(&pub, &world, MCQ_SOCKET_TYPE_PUB);
    end_init_bare(&bare, &world, MCQ_SOCKET_TYPE_SUB);
    for (int i = 0; i < 30; i++) {
        struct joined joined = join(&bare, &pub);

        assert_int_equal(mcq_link_subscribe(&joined.near->peer.link, mcq_bytes_of(""), true),
                         MCQ_OK);
        settle(&world);
    }
    SEND(&pub, "a first one, for the rings"); /* it stays: a stream holds one octet */
    settle(&world);
    assert_int_equal(mcq_slab_out_count(pub.group.send_slab), 1);
    before = mcq_alloc_ledger().bytes;
    for (int i = 0; i < 3; i++) {
        SEND_MORE(&pub, "small ones are encoded once,");
        SEND(&pub, "in one block for all queues");
    }
    assert_int_equal(mcq_slab_out_count(pub.group.send_slab), 1);
    assert_int_equal(mcq_alloc_ledger().bytes, before);
    assert_int_equal(send_bytes(&pub, mcq_bytes(large, sizeof large), false), MCQ_OK);
    per_peer = (mcq_alloc_ledger().bytes - before - sizeof large) / 30;
    assert_in_range(per_peer, 0, 100);
    world_fini(&world);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* Three parts, one of them large, to three peers; one allocation fails somewhere. Each peer gets
 * all of it or nothing, and the next message. */
static void nomem__each_peer_gets_the_whole_message_or_nothing(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        struct mcq_msg large;
        struct mcq_part part = {.msg = &large, .more = true};
        enum mcq_err err;
        bool is_refused;

        start(&f);
        for (int i = 0; i < SUBSCRIBERS; i++)
            want(&f, i, "", true);
        assert_int_equal(mcq_msg_init_size(&large, 5000), MCQ_OK);
        part.body = mcq_msg_bytes(&large);
        mcq_alloc_fail_at(n);
        err = send_text(&f.pub, "1", true);
        is_refused = err != MCQ_OK;
        if (!is_refused)
            err = f.pub.ops->send(f.pub.pattern, &part);
        if (err == MCQ_OK)
            err = send_text(&f.pub, "3", false);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_true(err == MCQ_OK || err == MCQ_NOMEM);
        mcq_msg_fini(&large);
        if (err != MCQ_OK && !is_refused)
            SEND(&f.pub, "the end of what is void");
        SEND(&f.pub, "next");
        settle(&f.world);
        for (int i = 0; i < SUBSCRIBERS; i++) {
            struct mcq_msg msg;

            assert_int_equal(mcq_link_take(&f.joined[i].near->peer.link, &msg), MCQ_OK);
            if (msg.more) {
                mcq_msg_fini(&msg);
                assert_int_equal(mcq_link_take(&f.joined[i].near->peer.link, &msg), MCQ_OK);
                assert_int_equal(mcq_msg_len(&msg), 5000);
                mcq_msg_fini(&msg);
                TAKE(f.joined[i].near, "3");
                TAKE(f.joined[i].near, "next");
            } else {
                assert_memory_equal(mcq_msg_data(&msg), "next", 4);
                mcq_msg_fini(&msg);
            }
            NOTHING(&f, i);
        }
        world_fini(&f.world);
    }
}

/* No block for the second part: nobody gets the message. */
static void no_send_block_within_a_message__it_is_void(void **state)
{
    static struct mcq_buf *blocks[65536];
    static char part[4000];
    struct fixture f;
    size_t count = 0;
    enum mcq_err err = MCQ_OK;

    (void) state;
    start(&f);
    want(&f, 0, "", true);
    SEND_MORE(&f.pub, "begun");
    while (count < MCQ_COUNTOF(blocks) &&
           (blocks[count] = mcq_slab_take(f.pub.group.send_slab)) != NULL)
        count++;
    for (int i = 0; i < 100 && err == MCQ_OK; i++)
        err = send_bytes(&f.pub, mcq_bytes(part, sizeof part), true);
    assert_int_equal(err, MCQ_NOMEM);
    while (count > 0)
        mcq_buf_unref(blocks[--count]);
    SEND(&f.pub, "its end");
    SEND(&f.pub, "next");
    settle(&f.world);
    TAKE(f.joined[0].near, "next");
    NOTHING(&f, 0);
    world_fini(&f.world);
}

static void nomem_at_a_subscription__costs_the_peer_its_connection(void **state)
{
    (void) state;
    for (uint64_t n = 1;; n++) {
        struct fixture f;
        bool is_over;

        start(&f);
        want(&f, 1, "a", true);
        assert_int_equal(
            mcq_link_subscribe(&f.joined[0].near->peer.link, mcq_bytes_of("topic"), true), MCQ_OK);
        (void) mcq_link_flush(&f.joined[0].near->peer.link);
        mcq_alloc_fail_at(n);
        settle(&f.world);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        if (!is_over)
            assert_int_equal(f.pub.lost_by, MCQ_NOMEM);
        SEND(&f.pub, "a");
        settle(&f.world);
        TAKE(f.joined[1].near, "a");
        world_fini(&f.world);
        if (is_over)
            break;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(send__matching_is_by_prefix_of_the_first_part),
        LEDGER_TEST(subscriptions_of_a_peer__are_a_set),
        LEDGER_TEST(deferred__messages_for_the_same_peers__are_in_no_queue_until_they_are_shared),
        LEDGER_TEST(deferred__beyond_the_high_water_mark__the_first_ones_are_queued),
        LEDGER_TEST(deferred__what_peers_want_changes__each_message_goes_to_who_wanted_it_then),
        LEDGER_TEST(messages_of_a_subscriber__the_old_form_counts_and_others_are_dropped),
        LEDGER_TEST(fault_c10__full_peer__misses_whole_messages_and_others_do_not),
        LEDGER_TEST(peer_gone__its_subscriptions_go__also_within_a_message),
        LEDGER_TEST(next_connection__begins_without_subscriptions),
        LEDGER_TEST(too_many_topics__cost_the_peer_its_connection),
        LEDGER_TEST(fan_out__one_encoding__and_one_body_for_all),
        LEDGER_TEST(nomem__each_peer_gets_the_whole_message_or_nothing),
        LEDGER_TEST(no_send_block_within_a_message__it_is_void),
        LEDGER_TEST(nomem_at_a_subscription__costs_the_peer_its_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
