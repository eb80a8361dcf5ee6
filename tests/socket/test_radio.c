#include "socket/test_support.h"

/* A RADIO and bare listeners, which join by commands. */
#define LISTENERS 3

struct fixture {
    struct world world;
    struct end radio;
    struct end bare;
    struct joined joined[LISTENERS]; /* near: the listener's; far: the RADIO's */
};

static void start_with(struct fixture *f, uint32_t out_max, size_t pipe_bytes)
{
    world_init(&f->world, pipe_bytes);
    end_init(&f->radio, &f->world, MCQ_SOCKET_TYPE_RADIO);
    f->radio.out_max = out_max;
    end_init_bare(&f->bare, &f->world, MCQ_SOCKET_TYPE_DISH);
    for (int i = 0; i < LISTENERS; i++)
        f->joined[i] = join(&f->bare, &f->radio);
}

static void start(struct fixture *f)
{
    start_with(f, 0, 0);
}

static void want(struct fixture *f, int who, const char *group, bool is_on)
{
    assert_int_equal(mcq_link_join(&f->joined[who].near->peer.link, mcq_bytes_of(group), is_on),
                     MCQ_OK);
    settle(&f->world);
}

static enum mcq_err say(struct end *radio, const char *group, struct mcq_bytes body)
{
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg};
    uint64_t fail_left = mcq_alloc_fail_left(); /* the failure is the pattern's, not the test's */
    enum mcq_err err;

    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_msg_init_copy(&msg, body), MCQ_OK);
    assert_int_equal(mcq_msg_set_group(&msg, mcq_bytes_of(group)), MCQ_OK);
    mcq_alloc_fail_at(fail_left);
    part.body = mcq_msg_bytes(&msg);
    err = radio->ops->send(radio->pattern, &part);
    mcq_msg_fini(&msg);
    return err;
}

#define SAY(f, group, text) assert_int_equal(say(&(f)->radio, group, mcq_bytes_of(text)), MCQ_OK)
#define HEARD(f, who, group, text)                                                                 \
    do {                                                                                           \
        TAKE_MORE((f)->joined[who].near, group);                                                   \
        TAKE((f)->joined[who].near, text);                                                         \
    } while (0)
#define NOTHING(f, who) assert_int_equal(take_err((f)->joined[who].near), MCQ_AGAIN)

static void send__to_just_this_group(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    SAY(&f, "a", "nobody has joined");
    assert_int_equal(f.radio.ops->audience(f.radio.pattern), 0);
    want(&f, 0, "a", true);
    want(&f, 0, "b", true);
    want(&f, 1, "ab", true);
    want(&f, 2, "", true);
    assert_int_equal(f.radio.ops->audience(f.radio.pattern), 3);
    SAY(&f, "a", "1");
    SAY(&f, "ab", "2");
    SAY(&f, "b", "3");
    SAY(&f, "", "4");
    SEND(&f.radio, "without a group");
    SAY(&f, "abc", "5");
    assert_int_equal(send_text(&f.radio, "two parts", true), MCQ_INVAL);
    want(&f, 0, "a", false);
    SAY(&f, "a", "6");
    settle(&f.world);
    HEARD(&f, 0, "a", "1");
    HEARD(&f, 0, "b", "3");
    HEARD(&f, 1, "ab", "2");
    HEARD(&f, 2, "", "4");
    HEARD(&f, 2, "", "without a group");
    for (int i = 0; i < LISTENERS; i++)
        NOTHING(&f, i);
    assert_int_equal(f.radio.pattern->dropped_count, 0);
    world_fini(&f.world);
}

static void peer_gone__its_groups_go(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    want(&f, 0, "a", true);
    want(&f, 1, "a", true);
    peer_down(f.joined[0].far);
    SAY(&f, "a", "1");
    put_text(f.joined[1].near, "is nobody's", false);
    settle(&f.world);
    HEARD(&f, 1, "a", "1");
    NOTHING(&f, 0);
    assert_int_equal(f.radio.ops->audience(f.radio.pattern), 1);
    world_fini(&f.world);
}

static void full_peer__misses_whole_messages__or_is_waited_for(void **state)
{
    static char body[1000];
    struct fixture f;
    enum mcq_err err;
    unsigned sent = 0;
    unsigned came = 0;

    (void) state;
    start_with(&f, 2, 2000);
    want(&f, 0, "a", true);
    memset(body, 'x', sizeof body - 1);
    for (int i = 0; i < 20; i++) {
        SAY(&f, "a", body);
        settle(&f.world);
    }
    assert_in_range(f.radio.pattern->dropped_count, 10, 18);
    set(&f.radio, MCQ_PATTERN_XPUB_NODROP, 1);
    assert_int_equal(f.radio.ops->set(f.radio.pattern, MCQ_PATTERN_XPUB_NODROP, 2), MCQ_INVAL);
    err = say(&f.radio, "a", mcq_bytes_of(body));
    assert_int_equal(err, MCQ_AGAIN);
    assert_false(is_writable(&f.radio));
    SAY(&f, "b", "for nobody");
    for (; take_err(f.joined[0].near) == MCQ_OK; came++)
        settle(&f.world);
    assert_int_equal(came, 2 * (20 - f.radio.pattern->dropped_count));
    assert_true(is_writable(&f.radio));
    for (; sent < 10; sent++) {
        SAY(&f, "a", body);
        settle(&f.world);
        HEARD(&f, 0, "a", body);
    }
    world_fini(&f.world);
}

/* Each gets both parts, or none, and the next message. */
static void nomem__each_peer_gets_the_whole_message_or_nothing(void **state)
{
    static char large[5000];
    bool is_over = false;

    (void) state;
    memset(large, 'x', sizeof large);
    for (uint64_t n = 1; !is_over; n++) {
        struct fixture f;
        enum mcq_err err;

        start(&f);
        for (int i = 0; i < LISTENERS; i++)
            want(&f, i, "a", true);
        mcq_alloc_fail_at(n);
        err = say(&f.radio, "a", mcq_bytes(large, sizeof large));
        is_over = mcq_alloc_fail_left() > 0;
        mcq_alloc_fail_at(0);
        assert_true(err == MCQ_OK || err == MCQ_NOMEM);
        SAY(&f, "a", "next");
        settle(&f.world);
        for (int i = 0; i < LISTENERS; i++) {
            struct mcq_msg msg;

            TAKE_MORE(f.joined[i].near, "a");
            assert_int_equal(mcq_link_take(&f.joined[i].near->peer.link, &msg), MCQ_OK);
            if (mcq_msg_len(&msg) == sizeof large) {
                mcq_msg_fini(&msg);
                HEARD(&f, i, "a", "next");
            } else {
                assert_int_equal(mcq_msg_len(&msg), 4);
                mcq_msg_fini(&msg);
            }
            NOTHING(&f, i);
        }
        world_fini(&f.world);
    }
}

static void too_many_groups__cost_the_peer_its_connection(void **state)
{
    struct fixture f;

    (void) state;
    start(&f);
    set(&f.radio, MCQ_PATTERN_SUBSCRIPTION_BYTES, 2 * MCQ_SUBSCRIPTION_BYTES + 2);
    want(&f, 0, "a", true);
    want(&f, 0, "b", true);
    assert_int_equal(f.radio.lost_count, 0);
    want(&f, 0, "c", true);
    assert_int_equal(f.radio.lost_by, MCQ_LIMIT);
    assert_int_equal(f.radio.gone_count, 1);
    world_fini(&f.world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LEDGER_TEST(send__to_just_this_group),
        LEDGER_TEST(peer_gone__its_groups_go),
        LEDGER_TEST(full_peer__misses_whole_messages__or_is_waited_for),
        LEDGER_TEST(nomem__each_peer_gets_the_whole_message_or_nothing),
        LEDGER_TEST(too_many_groups__cost_the_peer_its_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
