#include <stdio.h>

#include "socket/test_support.h"

/* Two bare links over a stream; near sends through its group's lane, far receives through a tap. */
struct fixture {
    struct world world;
    struct end a;
    struct end b;
    struct mcq_link *near;
    struct mcq_link *far;
    struct test_peer *far_peer;
};

static void begin(struct fixture *f, uint32_t out_max)
{
    struct joined joined;

    world_init(&f->world, 0);
    end_init_bare(&f->a, &f->world, MCQ_SOCKET_TYPE_DEALER);
    end_init_bare(&f->b, &f->world, MCQ_SOCKET_TYPE_DEALER);
    f->a.out_max = out_max;
    joined = join(&f->a, &f->b);
    f->near = &joined.near->peer.link;
    f->far = &joined.far->peer.link;
    f->far_peer = joined.far;
}

static void end(struct fixture *f)
{
    world_fini(&f->world);
}

static void put_number(struct mcq_link *link, uint32_t number, bool more)
{
    struct mcq_part part = {.body = mcq_bytes(&number, sizeof number), .more = more};

    assert_int_equal(mcq_link_put(link, &part), MCQ_OK);
}

/* False: the lane does not take it. */
static bool lane_number(struct mcq_link *link, uint32_t number)
{
    struct mcq_lane *lane = &link->group->lane;

    if (!mcq_lane_takes(lane, sizeof number))
        return false;
    mcq_lane_put(lane, mcq_bytes(&number, sizeof number));
    return true;
}

static bool is_open(const struct mcq_link *link)
{
    return link->group->lane.link == link;
}

static bool opens(struct mcq_link *link)
{
    bool has_opened;

    mcq_link_open_lane(link);
    has_opened = is_open(link);
    if (has_opened)
        mcq_link_close_lane(link->group);
    return has_opened;
}

static void expect_number(struct fixture *f, uint32_t number, bool more)
{
    struct mcq_msg msg;
    uint32_t taken;

    settle(&f->world);
    assert_int_equal(mcq_link_take(f->far, &msg), MCQ_OK);
    assert_int_equal(mcq_msg_len(&msg), sizeof taken);
    memcpy(&taken, mcq_msg_data(&msg), sizeof taken);
    assert_int_equal(taken, number);
    assert_int_equal(msg.more, more);
    mcq_msg_fini(&msg);
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void lane__its_messages_leave_between_those_put_before_and_behind(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f, 0);
    put_number(f.near, 0, false);
    mcq_link_open_lane(f.near);
    for (uint32_t i = 1; i < 10; i++)
        assert_true(lane_number(f.near, i));
    assert_int_equal(mcq_link_waiting_count(f.near), 1); /* they are in no queue yet */
    assert_true(f.near->group->has_deferred);
    mcq_link_close_lane(f.near->group);
    assert_false(f.near->group->has_deferred);
    assert_false(lane_number(f.near, 99));
    assert_int_equal(mcq_link_waiting_count(f.near), 10);
    assert_int_equal(f.near->tally.out_messages, 10);
    assert_int_equal(f.near->tally.out_bytes, 10 * sizeof(uint32_t));
    put_number(f.near, 10, true);
    put_number(f.near, 11, false);
    for (uint32_t i = 0; i < 12; i++)
        expect_number(&f, i, i == 10);
    end(&f);
}

static void lane__takes_what_the_high_water_mark_leaves(void **state)
{
    struct fixture f;
    uint32_t number = 0;

    (void) state;
    begin(&f, 7);
    put_number(f.near, number++, false);
    put_number(f.near, number++, false);
    mcq_link_open_lane(f.near);
    while (lane_number(f.near, number))
        number++;
    assert_int_equal(number, 7);
    mcq_link_close_lane(f.near->group);
    f.near->can_write = false;
    assert_false(mcq_link_has_room(f.near));
    mcq_link_open_lane(f.near);
    assert_false(is_open(f.near));
    f.near->can_write = true;
    for (uint32_t i = 0; i < number; i++)
        expect_number(&f, i, false);
    end(&f);
}

static void lane__ends_after_so_many__and_at_the_block_s_end(void **state)
{
    static const uint8_t body[1000];
    struct fixture f;
    uint32_t count = 0;

    (void) state;
    begin(&f, 0);
    put_number(f.near, 0, false);
    mcq_link_open_lane(f.near);
    while (lane_number(f.near, count))
        count++;
    assert_int_equal(count, MCQ_FRAMES_MAX);
    mcq_link_close_lane(f.near->group);
    for (count = 0; count < 1000; count++) {
        mcq_link_open_lane(f.near);
        if (!is_open(f.near))
            break; /* the block has no room that is worth it */
        while (mcq_lane_takes(&f.near->group->lane, sizeof body))
            mcq_lane_put(&f.near->group->lane, mcq_bytes(body, sizeof body));
        if (f.near->group->lane.frames.count == 0)
            break;
        mcq_link_close_lane(f.near->group);
    }
    assert_in_range(count, 1, 100);
    if (is_open(f.near))
        mcq_link_close_lane(f.near->group);
    end(&f);
}

static void lane__is_not_for_every_link(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f, 0);
    assert_false(opens(f.near)); /* it has no block yet */
    put_number(f.near, 1, false);
    assert_true(opens(f.near));
    put_number(f.near, 2, true);
    assert_false(opens(f.near)); /* within a message */
    put_number(f.near, 3, false);
    assert_true(opens(f.near));
    f.near->conflates = true;
    assert_false(opens(f.near));
    f.near->conflates = false;
    f.near->framing = MCQ_FRAMING_V1;
    assert_false(opens(f.near));
    f.near->framing = MCQ_FRAMING_NEWEST;
    f.near->is_blocked = true;
    assert_false(opens(f.near));
    f.near->is_blocked = false;
    assert_true(opens(f.near));
    mcq_link_lose(f.near, MCQ_CLOSED);
    assert_false(opens(f.near));
    end(&f);
}

/* --- taps ------------------------------------------------------------------------------------- */

static void tap__gives_whole_messages__and_leaves_the_others_to_the_link(void **state)
{
    struct mcq_bytes body;
    struct mcq_msg msg;
    struct fixture f;

    (void) state;
    begin(&f, 0);
    for (uint32_t i = 0; i < 5; i++)
        put_number(f.near, i, i == 3);
    mcq_link_flush(f.near);
    expect_number(&f, 0, false);
    mcq_link_open_tap(f.far, &f.far->group->tap);
    assert_ptr_equal(f.far->group->tap.link, f.far);
    assert_true(mcq_link_tap(&f.far->group->tap, &msg));
    assert_int_equal(mcq_msg_len(&msg), sizeof(uint32_t));
    mcq_msg_fini(&msg);
    assert_true(mcq_link_tap_octets(&f.far->group->tap, &body));
    assert_int_equal(body.data[0], 2);
    assert_int_equal(f.far->tally.in_messages, 3);
    assert_false(mcq_link_tap(&f.far->group->tap, &msg)); /* of two parts */
    assert_null(f.far->group->tap.link);
    expect_number(&f, 3, true);
    expect_number(&f, 4, false);
    end(&f);
}

static void tap__ends_with_its_link(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f, 0);
    for (uint32_t i = 0; i < 3; i++)
        put_number(f.near, i, false);
    mcq_link_flush(f.near);
    expect_number(&f, 0, false);
    mcq_link_open_tap(f.far, &f.far->group->tap);
    assert_ptr_equal(f.far->group->tap.link, f.far);
    mcq_link_lose(f.far, MCQ_CLOSED);
    assert_null(f.far->group->tap.link);
    mcq_link_open_tap(f.far, &f.far->group->tap);
    assert_null(f.far->group->tap.link);
    end(&f);
}

static void tap__is_not_opened_where_messages_are_queued__or_none_is_there(void **state)
{
    struct fixture f;

    (void) state;
    begin(&f, 0);
    mcq_link_open_tap(f.far, &f.far->group->tap);
    assert_null(f.far->group->tap.link);
    put_number(f.near, 0, false);
    mcq_link_flush(f.near);
    settle(&f.world);
    assert_true(mcq_link_prefetch(f.far));
    mcq_link_open_tap(f.far, &f.far->group->tap);
    assert_null(f.far->group->tap.link);
    expect_number(&f, 0, false);
    end(&f);
}

/* --- both ------------------------------------------------------------------------------------- */

/* A number, and as many octets behind it as its last digits say. */
static size_t body_of(uint32_t number, uint8_t *octets)
{
    static const size_t lens[] = {4, 5, 60, 64, 254, 255, 256, 257, 1000, 4096};
    size_t len = lens[number % MCQ_COUNTOF(lens)];

    memset(octets, (int) (number % 251), len);
    memcpy(octets, &number, sizeof number);
    return len;
}

static void receive_all(struct fixture *f, uint64_t *random, uint32_t *received)
{
    uint8_t octets[4096];
    struct mcq_msg msg;
    size_t len;

    settle(&f->world);
    for (;;) {
        if (f->far->group->tap.link == NULL || !mcq_link_tap(&f->far->group->tap, &msg))
            if (mcq_link_take(f->far, &msg) != MCQ_OK)
                return;
        len = body_of(*received, octets);
        assert_int_equal(mcq_msg_len(&msg), len);
        assert_memory_equal(mcq_msg_data(&msg), octets, len);
        mcq_msg_fini(&msg);
        (*received)++;
        if (support_random_below(random, 3) == 0)
            mcq_link_open_tap(f->far, &f->far->group->tap);
    }
}

static void random__whatever_goes_which_way__nothing_is_lost_or_overtakes(void **state)
{
    uint8_t octets[4096];
    uint64_t random = support_seed();

    (void) state;
    for (int round = 0; round < 20; round++) {
        uint32_t sent = 0, received = 0;
        struct fixture f;

        begin(&f, (uint32_t) support_random_below(&random, 30));
        for (int step = 0; step < 3000; step++) {
            size_t len = body_of(sent, octets);
            struct mcq_part part = {.body = mcq_bytes(octets, len)};
            bool is_laned = is_open(f.near) && mcq_lane_takes(&f.near->group->lane, len);

            if (is_laned)
                mcq_lane_put(&f.near->group->lane, part.body);
            else if (is_open(f.near))
                mcq_link_close_lane(f.near->group);
            if (is_laned || mcq_link_put(f.near, &part) == MCQ_OK)
                sent++;
            if (!is_open(f.near) && support_random_below(&random, 4) == 0)
                mcq_link_open_lane(f.near);
            if (support_random_below(&random, 40) == 0) {
                if (is_open(f.near))
                    mcq_link_close_lane(f.near->group);
                mcq_link_flush(f.near);
                receive_all(&f, &random, &received);
            }
        }
        if (is_open(f.near))
            mcq_link_close_lane(f.near->group);
        mcq_link_flush(f.near);
        for (int turn = 0; turn < 100 && received < sent; turn++)
            receive_all(&f, &random, &received);
        assert_int_equal(received, sent);
        assert_in_range(sent, 100, 3000);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(lane__its_messages_leave_between_those_put_before_and_behind),
        LEDGER_TEST(lane__takes_what_the_high_water_mark_leaves),
        LEDGER_TEST(lane__ends_after_so_many__and_at_the_block_s_end),
        LEDGER_TEST(lane__is_not_for_every_link),
        LEDGER_TEST(tap__gives_whole_messages__and_leaves_the_others_to_the_link),
        LEDGER_TEST(tap__ends_with_its_link),
        LEDGER_TEST(tap__is_not_opened_where_messages_are_queued__or_none_is_there),
        LEDGER_TEST(random__whatever_goes_which_way__nothing_is_lost_or_overtakes),
    };

    return cmocka_run_group_tests_name("pump.lane", tests, NULL, NULL);
}
