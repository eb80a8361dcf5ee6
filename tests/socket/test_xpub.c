#include <stdio.h>

#include "socket/test_support.h"

/* An XPUB and bare subscribers. What libzmq does in each case was looked up in a live 4.3.4. */
#define SUBSCRIBERS 2
#define REPORT_BYTES_MAX 16777216 /* that wait for the application */

struct fixture {
    struct world world;
    struct end xpub;
    struct end bare;
    struct joined joined[SUBSCRIBERS]; /* near: the subscriber's; far: the XPUB's */
};

static void start_with(struct fixture *f, uint32_t out_max, size_t pipe_bytes)
{
    world_init(&f->world, pipe_bytes);
    end_init(&f->xpub, &f->world, MCQ_SOCKET_TYPE_XPUB);
    f->xpub.out_max = out_max;
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_SUB);
    for (int i = 0; i < SUBSCRIBERS; i++)
        f->joined[i] = join(&f->bare, &f->xpub);
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

/* The next report: + or - and the topic. */
static void expect_report(struct fixture *f, const char *report, int line)
{
    char octets[64];

    (void) snprintf(octets, sizeof octets, "%s", report);
    octets[0] = octets[0] == '+';
    expect_bytes(&f->xpub, mcq_bytes(octets, strlen(report)), false, line);
}

#define REPORT(f, report) expect_report(f, report, __LINE__)
#define SILENT(f) EXPECT_ERR(&(f)->xpub, MCQ_AGAIN)
#define NOTHING(f, who) assert_int_equal(take_err((f)->joined[who].near), MCQ_AGAIN)

/* --- what is news ---------------------------------------------------------------------------- */

enum mode { PLAIN, VERBOSE, VERBOSER, MANUAL, COMPAT, MODES };

/* What a subscriber says; "gone": it goes. Then what an XPUB of each mode receives. */
struct step {
    int who;
    const char *says;
    const char *reports[MODES];
};

static const struct step steps[] = {
    /*             plain   verbose verboser   manual     compat */
    {0, "-never", {"", "", "-never", "-never", "-never"}},
    {0, "+a", {"+a", "+a", "+a", "+a", "+a"}},
    {0, "+a", {"", "+a", "+a", "+a", ""}},
    {1, "+a", {"", "+a", "+a", "+a", ""}},
    {0, "-a", {"", "", "-a", "-a", ""}},
    {0, "-a", {"", "", "-a", "-a", "-a"}}, /* libzmq is as the last column here */
    {1, "+z", {"+z", "+z", "+z", "+z", "+z"}},
    {0, "+a", {"", "+a", "+a", "+a", ""}},
    {1, "-z", {"-z", "-z", "-z", "-z", "-z"}},
    {1, "gone", {"", "", "-a", "-a", ""}},
    {0, "gone", {"-a", "-a", "-a", "-a", "-a"}},
};

static void set_mode(struct end *xpub, enum mode mode)
{
    if (mode == VERBOSE)
        set(xpub, MCQ_PATTERN_XPUB_VERBOSE, 1);
    if (mode == VERBOSER)
        set(xpub, MCQ_PATTERN_XPUB_VERBOSER, 1);
    if (mode == MANUAL)
        set(xpub, MCQ_PATTERN_XPUB_MANUAL, 1);
}

static void reports__what_is_news_in_each_mode__in_both_encodings(void **state)
{
    (void) state;
    for (int run = 0; run < 2 * MODES; run++) {
        enum mode mode = (enum mode)(run % MODES);
        struct fixture f;

        world_init(&f.world, 0);
        if (mode == COMPAT)
            end_init_compat(&f.xpub, &f.world, MCQ_SOCKET_TYPE_XPUB);
        else
            end_init(&f.xpub, &f.world, MCQ_SOCKET_TYPE_XPUB);
        end_init_bare(&f.bare, &f.world, MCQ_SOCKET_TYPE_SUB);
        for (int i = 0; i < SUBSCRIBERS; i++)
            f.joined[i] = join(&f.bare, &f.xpub);
        set_mode(&f.xpub, mode);
        for (size_t i = 0; i < MCQ_COUNTOF(steps); i++) {
            const struct step *step = &steps[i];
            char old[64];

            (void) snprintf(old, sizeof old, "%s", step->says);
            old[0] = step->says[0] == '+';
            if (step->says[0] == 'g') {
                peer_down(f.joined[step->who].far);
            } else if (run < MODES) {
                want(&f, step->who, step->says + 1, step->says[0] == '+');
            } else {
                struct mcq_part part = {.body = mcq_bytes(old, strlen(step->says))};

                assert_int_equal(mcq_link_put(&f.joined[step->who].near->peer.link, &part), MCQ_OK);
                settle(&f.world);
            }
            if (step->reports[mode][0] != '\0')
                REPORT(&f, step->reports[mode]);
            SILENT(&f);
        }
        world_fini(&f.world);
    }
}

static void verbose__takes_verboser_back(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    set(&f.xpub, MCQ_PATTERN_XPUB_VERBOSER, 1);
    set(&f.xpub, MCQ_PATTERN_XPUB_VERBOSE, 1);
    want(&f, 0, "a", true);
    want(&f, 1, "a", true);
    want(&f, 0, "a", false);
    REPORT(&f, "+a");
    REPORT(&f, "+a");
    SILENT(&f);
    world_fini(&f.world);
}

/* The order over all peers counts: a proxy would end with the wrong subscriptions otherwise. */
static void reports__wait_in_the_order_in_which_they_came(void **state)
{
    struct fixture f;
    int64_t count;

    (void) state;
    start(&f);
    want(&f, 0, "a", true);
    want(&f, 1, "b", true);
    want(&f, 1, "a", true);
    want(&f, 0, "a", false);
    assert_int_equal(f.xpub.ops->get(f.xpub.pattern, MCQ_PATTERN_TOPICS_COUNT, &count), MCQ_OK);
    assert_int_equal(count, 2);
    peer_down(f.joined[1].far);
    assert_int_equal(f.xpub.ops->get(f.xpub.pattern, MCQ_PATTERN_TOPICS_COUNT, &count), MCQ_OK);
    assert_int_equal(count, 0);
    want(&f, 0, "a", true);
    REPORT(&f, "+a");
    REPORT(&f, "+b");
    REPORT(&f, "-a");
    REPORT(&f, "-b");
    REPORT(&f, "+a");
    SILENT(&f);
    world_fini(&f.world);
}

/* --- messages of subscribers ----------------------------------------------------------------- */

static void say(struct fixture *f, int who, const char *octets, size_t len, bool more)
{
    struct mcq_part part = {.body = mcq_bytes(octets, len), .more = more};

    assert_int_equal(mcq_link_put(&f->joined[who].near->peer.link, &part), MCQ_OK);
}

#define SAY(f, who, octets) say(f, who, octets, sizeof(octets) - 1, false)
#define SAY_MORE(f, who, octets) say(f, who, octets, sizeof(octets) - 1, true)

static void messages_of_subscribers__come_whole__subscriptions_among_their_parts_apart(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SAY(&f, 0, "user");
    SAY(&f, 0, "");
    SAY_MORE(&f, 0, "u");
    SAY(&f, 1, "of another");
    settle(&f.world);
    EXPECT(&f.xpub, "user");
    EXPECT(&f.xpub, "");
    EXPECT(&f.xpub, "of another");
    SILENT(&f); /* not whole */
    SAY(&f, 0, "\2x");
    settle(&f.world);
    EXPECT_MORE(&f.xpub, "u");
    EXPECT(&f.xpub, "\2x");
    /* libzmq puts the subscription into the midst of the message, and ends it there. */
    SAY_MORE(&f, 0, "");
    SAY_MORE(&f, 0, "\1q");
    SAY(&f, 0, "x");
    settle(&f.world);
    REPORT(&f, "+q");
    EXPECT_MORE(&f.xpub, "");
    EXPECT(&f.xpub, "x");
    SAY_MORE(&f, 0, "\1m");
    SAY_MORE(&f, 0, "n");
    SAY(&f, 0, "\0m");
    settle(&f.world);
    REPORT(&f, "+m");
    REPORT(&f, "-m");
    EXPECT(&f.xpub, "n");
    SAY_MORE(&f, 0, "\1m");
    SAY(&f, 0, "\1n");
    settle(&f.world);
    REPORT(&f, "+m");
    REPORT(&f, "+n");
    SILENT(&f);
    SAY_MORE(&f, 0, "cut");
    settle(&f.world);
    peer_down(f.joined[0].far);
    for (int i = 0; i < 3; i++) {
        struct mcq_msg msg;

        assert_int_equal(f.xpub.ops->recv(f.xpub.pattern, &msg), MCQ_OK);
        assert_int_equal(mcq_msg_data(&msg)[0], 0); /* q, m, n in any order */
        mcq_msg_fini(&msg);
    }
    SILENT(&f);
    world_fini(&f.world);
}

static void only_first_subscribe__later_parts_are_the_message_s(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    set(&f.xpub, MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE, 1);
    SAY_MORE(&f, 0, "u");
    SAY(&f, 0, "\1q");
    settle(&f.world);
    EXPECT_MORE(&f.xpub, "u");
    EXPECT(&f.xpub, "\1q");
    SAY_MORE(&f, 0, "\1m"); /* where the first one is, they may be, too: as libzmq has it */
    SAY(&f, 0, "\1n");
    settle(&f.world);
    REPORT(&f, "+m");
    REPORT(&f, "+n");
    SILENT(&f);
    world_fini(&f.world);
}

/* --- manual ---------------------------------------------------------------------------------- */

static enum mcq_err answer(struct fixture *f, const char *topic, bool is_on)
{
    return f->xpub.ops->subscribe(f->xpub.pattern, mcq_bytes_of(topic), is_on);
}

static void manual__the_answer_is_for_the_peer_of_the_last_request(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    assert_int_equal(answer(&f, "a", true), MCQ_MISMATCH);
    set(&f.xpub, MCQ_PATTERN_XPUB_MANUAL, 1);
    assert_int_equal(answer(&f, "a", true), MCQ_OK); /* for nobody */
    want(&f, 0, "a", true);
    want(&f, 1, "b", true);
    SEND(&f.xpub, "a before it was answered");
    REPORT(&f, "+a");
    assert_int_equal(answer(&f, "A", true), MCQ_OK);
    REPORT(&f, "+b");
    assert_int_equal(answer(&f, "B", true), MCQ_OK);
    SEND(&f.xpub, "A1");
    SEND(&f.xpub, "B1");
    SEND(&f.xpub, "a1");
    settle(&f.world);
    TAKE(f.joined[0].near, "A1");
    TAKE(f.joined[1].near, "B1");
    NOTHING(&f, 0);
    NOTHING(&f, 1);
    SAY(&f, 0, "user"); /* is no request */
    settle(&f.world);
    EXPECT(&f.xpub, "user");
    assert_int_equal(answer(&f, "U", true), MCQ_OK);
    SEND(&f.xpub, "U1");
    settle(&f.world);
    TAKE(f.joined[1].near, "U1");
    want(&f, 0, "a", false);
    REPORT(&f, "-a");
    assert_int_equal(answer(&f, "A", false), MCQ_OK);
    SEND(&f.xpub, "A2");
    settle(&f.world);
    NOTHING(&f, 0);
    /* Of one that goes comes what it asked for, not what it got; and it is answered no more. */
    want(&f, 1, "c", true);
    peer_down(f.joined[1].far);
    REPORT(&f, "+c");
    assert_int_equal(answer(&f, "C", true), MCQ_OK);
    for (int i = 0; i < 2; i++) {
        struct mcq_msg msg;

        assert_int_equal(f.xpub.ops->recv(f.xpub.pattern, &msg), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), 2);
        assert_int_equal(mcq_msg_data(&msg)[0], 0);
        assert_in_range(mcq_msg_data(&msg)[1], 'b', 'c');
        mcq_msg_fini(&msg);
    }
    SILENT(&f);
    SEND(&f.xpub, "C1");
    world_fini(&f.world);
}

static void manual_last_value__the_next_message_goes_to_the_last_one_alone(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    set(&f.xpub, MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE, 1);
    want(&f, 0, "a", true);
    want(&f, 1, "a", true);
    REPORT(&f, "+a");
    assert_int_equal(answer(&f, "a", true), MCQ_OK);
    SEND(&f.xpub, "a1");
    REPORT(&f, "+a");
    assert_int_equal(answer(&f, "a", true), MCQ_OK);
    SEND_MORE(&f.xpub, "a2");
    SEND(&f.xpub, "and its end");
    SEND(&f.xpub, "a3");
    want(&f, 0, "b", true);
    REPORT(&f, "+b");
    SEND(&f.xpub, "x, which the last one does not get");
    SEND(&f.xpub, "a4");
    settle(&f.world);
    TAKE(f.joined[0].near, "a1");
    TAKE(f.joined[0].near, "a3");
    TAKE(f.joined[0].near, "a4");
    TAKE_MORE(f.joined[1].near, "a2");
    TAKE(f.joined[1].near, "and its end");
    TAKE(f.joined[1].near, "a3");
    TAKE(f.joined[1].near, "a4");
    NOTHING(&f, 0);
    NOTHING(&f, 1);
    world_fini(&f.world);
}

/* --- sending --------------------------------------------------------------------------------- */

static void welcome__each_new_subscriber_hears_it_first(void **state)
{
    struct fixture f;
    struct joined late;

    (void) state;
    start(&f);
    assert_int_equal(f.xpub.ops->set_bytes(f.xpub.pattern, MCQ_PATTERN_XPUB_WELCOME_MSG,
                                           mcq_bytes_of("welcome")),
                     MCQ_OK);
    assert_int_equal(
        f.xpub.ops->set_bytes(f.xpub.pattern, MCQ_PATTERN_TOPICS_COUNT, mcq_bytes_of("")),
        MCQ_INVAL);
    late = join(&f.bare, &f.xpub);
    settle(&f.world);
    TAKE(late.near, "welcome");
    NOTHING(&f, 0);
    assert_int_equal(
        f.xpub.ops->set_bytes(f.xpub.pattern, MCQ_PATTERN_XPUB_WELCOME_MSG, mcq_bytes(NULL, 0)),
        MCQ_OK);
    late = join(&f.bare, &f.xpub);
    settle(&f.world);
    assert_int_equal(take_err(late.near), MCQ_AGAIN);
    world_fini(&f.world);
}

static void invert_matching__to_those_who_do_not_want_it(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    set(&f.xpub, MCQ_PATTERN_INVERT_MATCHING, 1);
    want(&f, 0, "a", true);
    SEND(&f.xpub, "a1");
    SEND(&f.xpub, "b1");
    settle(&f.world);
    TAKE(f.joined[0].near, "b1");
    NOTHING(&f, 0);
    TAKE(f.joined[1].near, "a1");
    TAKE(f.joined[1].near, "b1");
    world_fini(&f.world);
}

static void nodrop__a_full_subscriber_is_waited_for__and_nobody_gets_it_before(void **state)
{
    static char body[1000];
    struct fixture f;
    unsigned sent = 0;
    unsigned came[SUBSCRIBERS] = {0};
    enum mcq_err err;

    (void) state;
    start_with(&f, 2, 2000);
    set(&f.xpub, MCQ_PATTERN_XPUB_NODROP, 1);
    want(&f, 0, "", true);
    want(&f, 1, "x", true);
    memset(body, 'x', sizeof body);
    while ((err = send_bytes(&f.xpub, mcq_bytes(body, sizeof body), false)) == MCQ_OK) {
        struct mcq_msg msg;

        sent++;
        settle(&f.world);
        while (mcq_link_take(&f.joined[0].near->peer.link, &msg) == MCQ_OK) {
            came[0]++;
            mcq_msg_fini(&msg);
            settle(&f.world);
        }
    }
    assert_int_equal(err, MCQ_AGAIN);
    assert_false(is_writable(&f.xpub));
    assert_int_equal(came[0], sent);
    SEND(&f.xpub, "y, which is not for the full one");
    settle(&f.world);
    TAKE(f.joined[0].near, "y, which is not for the full one");
    for (int turn = 0; turn < 20; turn++) {
        settle(&f.world);
        (void) mcq_link_prefetch(&f.joined[1].near->peer.link);
    }
    assert_true(is_writable(&f.xpub));
    SEND_MORE(&f.xpub, "x");
    SEND(&f.xpub, "end");
    settle(&f.world);
    for (;; came[1]++) {
        struct mcq_msg msg;

        assert_int_equal(mcq_link_take(&f.joined[1].near->peer.link, &msg), MCQ_OK);
        if (msg.more) {
            mcq_msg_fini(&msg);
            break;
        }
        mcq_msg_fini(&msg);
    }
    TAKE(f.joined[1].near, "end");
    assert_int_equal(came[1], sent);
    assert_int_equal(f.xpub.pattern->dropped_count, 0);
    world_fini(&f.world);
}

/* --- bounds ---------------------------------------------------------------------------------- */

/* Nobody receives: what is heard is bounded, and goes on once somebody does. Nothing is lost. */
static void reports_that_nobody_takes__are_bounded(void **state)
{
    static char topic[16000];
    struct fixture f;
    size_t count = 0;
    struct mcq_msg msg;

    (void) state;
    start(&f);
    memset(topic, 't', sizeof topic);
    set(&f.xpub, MCQ_PATTERN_XPUB_VERBOSE, 1);
    for (; count < 1100; count++) {
        (void) snprintf(topic, 16, "%08zu", count % 500);
        topic[8] = 't';
        assert_int_equal(
            mcq_link_subscribe(&f.joined[0].near->peer.link, mcq_bytes(topic, sizeof topic), true),
            MCQ_OK);
        settle(&f.world);
        if (f.xpub.ops->is_deaf(f.xpub.pattern))
            break;
    }
    assert_in_range(count, REPORT_BYTES_MAX / (sizeof topic + 200),
                    REPORT_BYTES_MAX / sizeof topic);
    want(&f, 1, "last", true);
    for (size_t i = 0; i <= count; i++) {
        (void) snprintf(topic, 16, "%08zu", i % 500);
        assert_int_equal(f.xpub.ops->recv(f.xpub.pattern, &msg), MCQ_OK);
        assert_int_equal(mcq_msg_len(&msg), sizeof topic + 1);
        assert_memory_equal(mcq_msg_data(&msg) + 1, topic, 8);
        mcq_msg_fini(&msg);
    }
    REPORT(&f, "+last");
    SILENT(&f);
    assert_int_equal(f.joined[0].far->peer.report_bytes, 0);
    world_fini(&f.world);
}

/* One allocation fails while two subscribers say what they want, a message comes and one goes. The
 * peer is heard, or loses its connection. */
static void nomem__each_is_heard_or_lost(void **state)
{
    bool is_over = false;

    (void) state;
    for (int mode = PLAIN; mode < COMPAT; mode++) {
        is_over = false;
        for (uint64_t n = 1; !is_over; n++) {
            struct fixture f;
            struct mcq_msg msg;

            start(&f);
            set_mode(&f.xpub, (enum mode) mode);
            SAY_MORE(&f, 0, "user");
            SAY_MORE(&f, 0,
                     "\1among the parts of a message, and too long to lie in a report itself");
            SAY(&f, 0, "end");
            assert_int_equal(
                mcq_link_subscribe(&f.joined[1].near->peer.link, mcq_bytes_of("b"), true), MCQ_OK);
            for (int i = 0; i < SUBSCRIBERS; i++)
                assert_int_equal(mcq_link_flush(&f.joined[i].near->peer.link), MCQ_OK);
            mcq_alloc_fail_at(n);
            settle(&f.world);
            is_over = mcq_alloc_fail_left() > 0;
            mcq_alloc_fail_at(0);
            while (f.xpub.ops->recv(f.xpub.pattern, &msg) == MCQ_OK) {
                bool is_user = mcq_msg_data(&msg)[0] > 1;

                assert_int_equal(msg.more, is_user && mcq_msg_data(&msg)[0] == 'u');
                mcq_msg_fini(&msg);
            }
            assert_int_equal(f.xpub.lost_count, is_over ? 0 : 1);
            assert_int_equal(f.xpub.lost_by, is_over ? MCQ_OK : MCQ_NOMEM);
            world_fini(&f.world);
        }
    }
}

/* The queue of what was heard grows in the middle of a message, for which there is no memory. */
static void nomem__a_message_is_told_of_whole_or_not_at_all(void **state)
{
    bool is_over = false;

    (void) state;
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        struct mcq_msg msg;
        bool more = false;

        start(&f);
        for (int i = 0; i < 5; i++) {
            SAY_MORE(&f, 0, "one");
            SAY_MORE(&f, 0, "two");
            SAY(&f, 0, "three");
        }
        assert_int_equal(mcq_link_flush(&f.joined[0].near->peer.link), MCQ_OK);
        mcq_alloc_fail_at(n);
        settle(&f.world);
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        while (f.xpub.ops->recv(f.xpub.pattern, &msg) == MCQ_OK) {
            more = msg.more;
            mcq_msg_fini(&msg);
        }
        assert_false(more);
        assert_int_equal(f.xpub.lost_count, is_over ? 0 : 1);
        world_fini(&f.world);
    }
}

static void set__what_it_takes(void **state)
{
    static const enum mcq_pattern_option flags[] = {
        MCQ_PATTERN_XPUB_VERBOSE,         MCQ_PATTERN_XPUB_VERBOSER,
        MCQ_PATTERN_XPUB_NODROP,          MCQ_PATTERN_XPUB_MANUAL,
        MCQ_PATTERN_ONLY_FIRST_SUBSCRIBE, MCQ_PATTERN_XPUB_MANUAL_LAST_VALUE,
        MCQ_PATTERN_INVERT_MATCHING,
    };
    struct fixture f;

    (void) state;
    start(&f);
    for (size_t i = 0; i < MCQ_COUNTOF(flags); i++) {
        set(&f.xpub, flags[i], 1);
        set(&f.xpub, flags[i], 0);
        assert_int_equal(f.xpub.ops->set(f.xpub.pattern, flags[i], 2), MCQ_INVAL);
        assert_int_equal(f.xpub.ops->set(f.xpub.pattern, flags[i], -1), MCQ_INVAL);
    }
    assert_int_equal(f.xpub.ops->set(f.xpub.pattern, MCQ_PATTERN_REQ_RELAXED, 1), MCQ_INVAL);
    world_fini(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(reports__what_is_news_in_each_mode__in_both_encodings),
        LEDGER_TEST(verbose__takes_verboser_back),
        LEDGER_TEST(reports__wait_in_the_order_in_which_they_came),
        LEDGER_TEST(messages_of_subscribers__come_whole__subscriptions_among_their_parts_apart),
        LEDGER_TEST(only_first_subscribe__later_parts_are_the_message_s),
        LEDGER_TEST(manual__the_answer_is_for_the_peer_of_the_last_request),
        LEDGER_TEST(manual_last_value__the_next_message_goes_to_the_last_one_alone),
        LEDGER_TEST(welcome__each_new_subscriber_hears_it_first),
        LEDGER_TEST(invert_matching__to_those_who_do_not_want_it),
        LEDGER_TEST(nodrop__a_full_subscriber_is_waited_for__and_nobody_gets_it_before),
        LEDGER_TEST(reports_that_nobody_takes__are_bounded),
        LEDGER_TEST(nomem__each_is_heard_or_lost),
        LEDGER_TEST(nomem__a_message_is_told_of_whole_or_not_at_all),
        LEDGER_TEST(set__what_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
