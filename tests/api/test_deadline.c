/* Requests with a deadline: REQ_TIMEOUT, REQ_RESENDS, REQ_RESEND_SAME. */

#include "api/test_support.h"

#define SOON_MS 20

/* A REQ with a deadline, and a ROUTER that sees all it is asked. */
static struct couple open_pair(struct world *world, int resends)
{
    struct couple couple = open_couple(world, MCQ_ROUTER, MCQ_REQ);

    assert_works(mcq_set(couple.connected, MCQ_OPT_REQ_TIMEOUT, SOON_MS));
    assert_works(mcq_set(couple.connected, MCQ_OPT_REQ_RESENDS, resends));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    return couple;
}

/* Who asks, the request's id, nothing, and this text. */
static void take_request(struct mcq_socket *router, struct mcq_message parts[4], const char *text)
{
    for (int i = 0; i < 4; i++)
        assert_works(mcq_message_init(&parts[i]));
    assert_int_equal(mcq_recv_parts(router, parts, 4, 0), 4);
    assert_int_equal(mcq_message_size(&parts[1]), 4);
    assert_int_equal(mcq_message_size(&parts[2]), 0);
    assert_int_equal(mcq_message_size(&parts[3]), strlen(text));
    assert_memory_equal(mcq_message_data(&parts[3]), text, strlen(text));
}

static void close_parts(struct mcq_message parts[4])
{
    for (int i = 0; i < 4; i++)
        assert_works(mcq_message_close(&parts[i]));
}

static void deadline__silent_server__is_asked_again__then_etimedout(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_pair(&world, 2);

    send_text(couple.connected, "anybody?", 0);
    assert_says(mcq_recv(couple.connected, NULL, 0, 0), ETIMEDOUT,
                "recv on REQ: no reply came in REQ_TIMEOUT, however often it was sent; send the "
                "request again");
    assert_fails(mcq_recv(couple.connected, NULL, 0, 0), MCQ_EFSM);
    assert_int_equal(number_of(couple.connected, MCQ_OPT_REQ_RESENT), 2);
    for (int i = 0; i < 3; i++) {
        struct mcq_message parts[4];

        take_request(couple.bound, parts, "anybody?");
        close_parts(parts);
    }
    expect_nothing(couple.bound);
    end_world(&world);
}

static void deadline__poll__wakes_for_what_recv_says(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_pair(&world, 0);
    struct mcq_poll_entry entry = {.socket = couple.connected, .events = MCQ_POLLIN};

    send_text(couple.connected, "anybody?", 0);
    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    assert_fails(mcq_recv(couple.connected, NULL, 0, MCQ_DONTWAIT), ETIMEDOUT);
    end_world(&world);
}

static bool was_dropped(struct mcq_socket *req)
{
    struct mcq_socket_stats stats;

    assert_works(mcq_stats(req, &stats, sizeof stats));
    return stats.drops[MCQ_DROP_REFUSED] > 0;
}

static void deadline__reply_to_an_older_sending__is_dropped_and_counted(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_pair(&world, 1000);
    struct mcq_poll_entry entry = {.socket = couple.bound, .events = MCQ_POLLIN};
    struct mcq_message parts[4];
    char room[16];

    send_text(couple.connected, "question", 0);
    take_request(couple.bound, parts, "question");
    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1); /* once more */
    assert_true(number_of(couple.connected, MCQ_OPT_REQ_RESENT) >= 1);
    assert_works(mcq_send_parts(couple.bound, parts, 4, 0));
    close_parts(parts);
    while (!was_dropped(couple.connected)) /* it is looked at by who receives */
        assert_fails(mcq_recv(couple.connected, NULL, 0, MCQ_DONTWAIT), EAGAIN);
    /* More is sent meanwhile: the reply is the one to the newest. */
    for (ptrdiff_t len = -1; len < 0; close_parts(parts)) {
        take_request(couple.bound, parts, "question");
        assert_works(mcq_send_parts(couple.bound, parts, 4, 0));
        len = mcq_recv(couple.connected, room, sizeof room, MCQ_DONTWAIT);
        assert_true(len == 8 || errno == EAGAIN);
    }
    end_world(&world);
}

static void deadline__server_gone__the_other_one_answers(void)
{
    struct world world;

    needs_streams();
    begin_world(&world);
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);
    struct mcq_socket *reps[2];
    struct mcq_poll_entry entries[2];
    char endpoint[ENDPOINT_BYTES];
    int asked;

    for (int i = 0; i < 2; i++) {
        reps[i] = open_socket(&world, MCQ_REP);
        bind_somewhere(reps[i], endpoint);
        assert_works(mcq_connect(req, endpoint));
        entries[i] = (struct mcq_poll_entry) {.socket = reps[i], .events = MCQ_POLLIN};
    }
    assert_works(mcq_wait_peers(req, 2, PATIENCE_MS));
    assert_works(mcq_set(req, MCQ_OPT_REQ_TIMEOUT, PATIENCE_MS));
    assert_works(mcq_set(req, MCQ_OPT_REQ_RESENDS, 3));
    send_text(req, "question", 0);
    assert_int_equal(mcq_poll(entries, 2, PATIENCE_MS), 1);
    asked = entries[0].revents != 0 ? 0 : 1;
    expect_text(reps[asked], "question");
    close_socket(&world, reps[asked]); /* without a word: the loss is what counts, not the time */
    expect_text(reps[1 - asked], "question");
    send_text(reps[1 - asked], "answer", 0);
    expect_text(req, "answer");
    end_world(&world);
}

static void deadline__options__what_they_take(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *req = open_socket(&world, MCQ_REQ);
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);

    assert_int_equal(number_of(req, MCQ_OPT_REQ_TIMEOUT), 0);
    assert_int_equal(number_of(req, MCQ_OPT_REQ_RESENDS), 0);
    assert_int_equal(number_of(req, MCQ_OPT_REQ_RESEND_SAME), 0);
    assert_int_equal(number_of(req, MCQ_OPT_REQ_RESENT), 0);
    assert_fails(mcq_set(req, MCQ_OPT_REQ_TIMEOUT, -1), EINVAL);
    assert_fails(mcq_set(req, MCQ_OPT_REQ_RESENDS, -1), EINVAL);
    assert_fails(mcq_set(req, MCQ_OPT_REQ_RESEND_SAME, 2), EINVAL);
    assert_fails(mcq_set(req, MCQ_OPT_REQ_RESENT, 0), EINVAL);
    assert_fails(mcq_set(rep, MCQ_OPT_REQ_TIMEOUT, 1), EINVAL);
    assert_works(mcq_set(req, MCQ_OPT_REQ_TIMEOUT, 7));
    assert_int_equal(number_of(req, MCQ_OPT_REQ_TIMEOUT), 7);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(deadline__silent_server__is_asked_again__then_etimedout)                                     \
    X(deadline__poll__wakes_for_what_recv_says)                                                    \
    X(deadline__reply_to_an_older_sending__is_dropped_and_counted)                                 \
    X(deadline__server_gone__the_other_one_answers)                                                \
    X(deadline__options__what_they_take)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    static const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "deadline");
}
