/* How a link ends: by its peer, by a cut, for want of memory. */

#include "pump/link_support.h"

#include <stdio.h>

/* --- connections that end -------------------------------------------------------------------- */

static void fault_d2__peer_closed__whole_messages_that_it_sent_are_kept(void **state)
{
    (void) state;
    for (int keeps = 0; keeps < 2; keeps++) {
        struct fixture f;

        start(&f);
        f.far->peer.link.keeps_input = keeps;
        put_text(f.near, "received ahead", true);
        put_text(f.near, "of its end", false);
        settle(&f.world);
        (void) mcq_link_prefetch(&f.far->peer.link);
        put_text(f.near, "in the stream", false);
        settle(&f.world);
        for (int i = 0; i < 2; i++) { /* that nobody will answer any more */
            send_raw(f.near, ping, sizeof ping);
            send_raw(f.near, "\0\7between", 9);
        }
        send_raw(f.near, "\1\1x\0\5cut", 8);
        mcq_link_lose(&f.near->peer.link, MCQ_CLOSED);
        settle(&f.world);
        /* A write fails before anybody has read: the loss is known, the octets are not. */
        mcq_link_lose(&f.far->peer.link, MCQ_CLOSED);
        settle(&f.world);
        assert_false(f.far->peer.link.is_up);
        TAKE_MORE(f.far, "received ahead");
        TAKE(f.far, "of its end");
        if (keeps)
            TAKE(f.far, "in the stream");
        for (int i = 0; i < 2 * keeps; i++)
            TAKE(f.far, "between");
        assert_int_equal(take_err(f.far), MCQ_AGAIN);
        assert_false(mcq_link_is_readable(&f.far->peer.link));
        world_fini(&f.world);
    }
}

static void peer_broke_a_rule__what_was_whole_before_is_kept_and_nothing_after(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    put_text(f.near, "one", false);
    settle(&f.world);
    send_raw(f.near, "\0\3two\xff\0\5three", 12);
    settle(&f.world);
    (void) mcq_link_prefetch(&f.far->peer.link);
    assert_true(f.far->peer.link.is_lost);
    TAKE(f.far, "one");
    settle(&f.world);
    assert_int_equal(f.b.lost_by, MCQ_PROTO);
    TAKE(f.far, "two");
    assert_int_equal(take_err(f.far), MCQ_AGAIN);
    world_fini(&f.world);
}

static void lose__said_twice_or_of_one_that_is_off__is_said_once(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    mcq_link_lose(&f.near->peer.link, MCQ_LIMIT);
    mcq_link_lose(&f.near->peer.link, MCQ_PROTO);
    mcq_link_lose(&f.far->peer.link, MCQ_PROTO);
    peer_down(f.far); /* ended while it is on the list */
    settle(&f.world);
    assert_int_equal(f.a.lost_count, 1);
    assert_int_equal(f.a.lost_by, MCQ_LIMIT);
    assert_int_equal(f.b.lost_count, 1);
    mcq_link_lose(&f.near->peer.link, MCQ_PROTO);
    assert_null(mcq_link_next_lost(&f.a.group));
    assert_int_equal(mcq_link_flush(&f.near->peer.link), MCQ_OK); /* it waits for a connection */
    world_fini(&f.world);
}

static void drop__makes_room_and_leaves_nothing_behind(void **state)
{
    struct mcq_part part = {.body = mcq_bytes_of("x"), .more = true};
    struct world world;
    struct end end;
    struct test_peer *peer;

    (void) state;
    world_init(&world, 0);
    end_init_bare(&end, &world, MCQ_SOCKET_TYPE_DEALER);
    end.out_max = 1;
    peer = peer_connecting(&end);
    put_text(peer, "waits", false);
    assert_int_equal(mcq_link_put(&peer->peer.link, &part), MCQ_AGAIN);
    mcq_link_drop(&peer->peer.link);
    assert_int_equal(mcq_link_waiting_count(&peer->peer.link), 0);
    assert_ptr_equal(mcq_link_next_roomy(&end.group), &peer->peer.link);
    assert_int_equal(mcq_link_put(&peer->peer.link, &part), MCQ_OK);
    world_fini(&world);
}

static unsigned number_of(const struct mcq_msg *msg)
{
    char text[16];

    assert_true(mcq_msg_len(msg) < sizeof text);
    (void) snprintf(text, sizeof text, "%.*s", (int) mcq_msg_len(msg),
                    (const char *) mcq_msg_data(msg));
    return (unsigned) strtoul(text, NULL, 10);
}

/* Numbered messages of three parts, from a side that connects again and again, over a stream whose
 * reads and writes are partial and that is cut at any moment. What the receiver gets is whole and
 * in order; none comes twice, and none is lost but those that were in the stream. */
static void fault_d1__random_cuts__messages_are_whole_in_order_and_never_twice(void **state)
{
    struct mcq_sim_faults faults = {.partial = 300, .again = 100, .pipe_bytes = 700};
    uint64_t random = support_seed();
    struct fixture f;
    struct joined joined;
    unsigned next = 0;
    unsigned expected = 0;
    unsigned came = 0;
    unsigned cuts = 0;

    (void) state;
    world_init_faulty(&f.world, random, &faults);
    end_init_bare(&f.a, &f.world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f.b, &f.world, MCQ_SOCKET_TYPE_DEALER);
    joined = join(&f.a, &f.b);
    while (next < 3000 && cuts < 50) {
        size_t dice = support_random_below(&random, 100);
        char text[200] = "";

        if (dice < 60 && mcq_link_waiting_count(&joined.near->peer.link) < 20) {
            (void) snprintf(text, sizeof text, "%u", next++);
            put_text(joined.near, text, true);
            memset(text, 'x', support_random_below(&random, sizeof text));
            put_text(joined.near, text, true);
            put_text(joined.near, "end", false);
        } else if (dice < 98) {
            settle(&f.world);
        } else if (joined.near->peer.link.is_up) {
            mcq_sim_reset(f.world.sim, joined.near->peer.link.fd);
            cuts++;
        }
        for (int parts = 0;; parts++) {
            struct mcq_msg msg;

            if (mcq_link_take(&joined.far->peer.link, &msg) != MCQ_OK) {
                assert_int_equal(parts % 3, 0);
                break;
            }
            if (parts % 3 == 0) {
                unsigned number = number_of(&msg);

                assert_true(number >= expected);
                expected = number + 1;
                came++;
            } else if (parts % 3 == 2) {
                assert_memory_equal(mcq_msg_data(&msg), "end", 3);
            }
            assert_int_equal(msg.more, parts % 3 < 2);
            mcq_msg_fini(&msg);
        }
        (void) take_err(joined.near); /* sees the end */
        (void) end_pump(&f.a);
        (void) end_pump(&f.b);
        if (!joined.near->peer.link.is_up && !joined.far->peer.link.is_up) {
            peer_gone(joined.far);
            joined = join_peer(&f.a, joined.near, &f.b);
        }
    }
    /* A stream holds 700 octets: at most 700 / 15 messages go with each of them. */
    assert_true(came + cuts * 47 + 20 >= next);
    print_message("# %u of %u messages over %u connections\n", came, next, cuts + 1);
    world_fini(&f.world);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void nomem_at_start__the_opening_stays_the_caller_s(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct world world;
        struct end end;
        struct end other;
        struct opened opened;
        struct opened other_opened;
        struct stream stream;
        struct test_peer *peer;
        enum mcq_err err;

        world_init(&world, 0);
        end_init_bare(&end, &world, MCQ_SOCKET_TYPE_DEALER);
        end_init_bare(&other, &world, MCQ_SOCKET_TYPE_DEALER);
        assert_true(stream_open(&world, &stream));
        assert_true(opened_init(&opened, &end, stream.near));
        assert_true(opened_init(&other_opened, &other, stream.far));
        while (opened.err == MCQ_AGAIN || other_opened.err == MCQ_AGAIN) {
            (void) opened_step(&opened);
            (void) opened_step(&other_opened);
            (void) mcq_sim_advance(world.sim);
        }
        peer = peer_new(&end, true);
        mcq_alloc_fail_at(n);
        err = mcq_link_start(&peer->peer.link, &opened.opening, 100, (struct mcq_ready_key) {0});
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_int_equal(err, is_over ? MCQ_OK : MCQ_NOMEM);
        assert_int_equal(peer->peer.link.is_up, is_over);
        if (!is_over)
            opened_fini(&opened, &end);
        opened_fini(&other_opened, &other);
        world_fini(&world);
    }
}

/* Whatever fails in a link's reading or writing, it costs no more than the connection. */
static void nomem_in_traffic__costs_the_connection_and_no_whole_message_before_it(void **state)
{
    static uint8_t body[5000];
    bool is_over = false;
    uint64_t n;

    (void) state;
    for (n = 1; !is_over; n++) {
        struct fixture f;
        unsigned put_count = 0;
        unsigned came = 0;

        start_with(&f, 1000, 0, 0);
        mcq_alloc_fail_at(n);
        for (int i = 0; i < 20; i++) {
            bool more = i % 2 == 0;

            if (put_bytes(f.near, mcq_bytes(body, i % 5 == 4 ? sizeof body : 70), more) != MCQ_OK) {
                mcq_link_cut(&f.near->peer.link);
                i |= 1; /* its second part is not sent either */
                continue;
            }
            put_count += !more;
        }
        carry_over(&f, 60);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        for (struct mcq_msg msg; mcq_link_take(&f.far->peer.link, &msg) == MCQ_OK;) {
            came += !msg.more;
            mcq_msg_fini(&msg);
        }
        if (f.a.lost_count + f.b.lost_count == 0)
            assert_int_equal(came, put_count);
        assert_true(came <= put_count);
        world_fini(&f.world);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
    print_message("# %u allocations\n", (unsigned) n - 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(fault_d2__peer_closed__whole_messages_that_it_sent_are_kept),
        LEDGER_TEST(peer_broke_a_rule__what_was_whole_before_is_kept_and_nothing_after),
        LEDGER_TEST(lose__said_twice_or_of_one_that_is_off__is_said_once),
        LEDGER_TEST(drop__makes_room_and_leaves_nothing_behind),
        LEDGER_TEST(fault_d1__random_cuts__messages_are_whole_in_order_and_never_twice),
        LEDGER_TEST(nomem_at_start__the_opening_stays_the_caller_s),
        LEDGER_TEST(nomem_in_traffic__costs_the_connection_and_no_whole_message_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
