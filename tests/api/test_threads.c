/* One socket, many threads: messages stay whole, none is lost or doubled, and whoever is inside a
 * call when the socket ends comes out. The order of a thread's own messages is kept. */

#include "api/test_support.h"

enum { THREADS = 4, ROUNDS = 300, PARTS_MAX = 5, AHEAD = 20 };

/* What each part says. */
struct word {
    uint32_t thread;
    uint32_t round;
    uint32_t part;
    uint32_t part_count;
};

static uint32_t parts_of(uint32_t thread, uint32_t round)
{
    return 1 + (thread * 7 + round * 3) % PARTS_MAX;
}

static size_t fill_parts(struct mcq_message *parts, uint32_t thread, uint32_t round)
{
    uint32_t count = parts_of(thread, round);

    for (uint32_t i = 0; i < count; i++) {
        struct word word = {thread, round, i, count};
        size_t len = sizeof word + (thread + round * i) % 200;

        assert_works(mcq_message_init_size(&parts[i], len));
        memcpy(mcq_message_data(&parts[i]), &word, sizeof word);
    }
    return count;
}

static void close_parts(struct mcq_message *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void) mcq_message_close(&parts[i]);
}

static void begin_parts(struct mcq_message *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void) mcq_message_init(&parts[i]);
}

/* Nothing of another message is in it. */
static bool are_of_one(struct mcq_message *parts, size_t count, struct word *first)
{
    for (size_t i = 0; i < count; i++) {
        struct word word;

        if (mcq_message_size(&parts[i]) < sizeof word)
            return false;
        memcpy(&word, mcq_message_data(&parts[i]), sizeof word);
        if (i == 0)
            *first = word;
        if (word.thread != first->thread || word.round != first->round || word.part != i ||
            word.part_count != count || mcq_message_more(&parts[i]) != (i + 1 < count))
            return false;
    }
    return count > 0;
}

/* --- senders and receivers ------------------------------------------------------------------- */

struct job {
    struct mcq_socket *socket;
    uint32_t number;
    _Atomic bool *is_over;
    uint8_t (*got)[ROUNDS]; /* by thread: how often each message came */
    _Atomic unsigned *left; /* messages that nobody has */
};

static int send_messages(void *argument)
{
    const struct job *job = argument;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct mcq_message parts[PARTS_MAX];
        size_t count = fill_parts(parts, job->number, round);

        if (mcq_send_parts(job->socket, parts, count, 0) != 0) {
            close_parts(parts, count);
            return -1;
        }
    }
    return 0;
}

/* Until all have come, or the socket is closed. Returns how many came here; -2: not whole, or from
 * one thread in another order than it was sent. */
static int receive_messages(void *argument)
{
    struct job *job = argument;
    struct mcq_message parts[PARTS_MAX];
    int64_t last[THREADS];
    int received = 0;

    for (uint32_t i = 0; i < THREADS; i++)
        last[i] = -1;
    begin_parts(parts, PARTS_MAX);
    for (;;) {
        struct word word;
        int count = mcq_recv_parts(job->socket, parts, PARTS_MAX, 0);

        if (count < 0)
            break;
        if (!are_of_one(parts, (size_t) count, &word) || word.thread >= THREADS ||
            (int64_t) word.round <= last[word.thread]) {
            received = -2;
            break;
        }
        last[word.thread] = word.round;
        (void) __atomic_fetch_add(&job->got[word.thread][word.round], 1, __ATOMIC_RELAXED);
        received++;
        (void) atomic_fetch_sub(job->left, 1);
    }
    close_parts(parts, PARTS_MAX);
    return received;
}

/* Looks all the time, and takes nothing. */
static int poll_all_the_time(void *argument)
{
    const struct job *job = argument;

    while (!atomic_load(job->is_over)) {
        struct mcq_poll_entry entry = {.socket = job->socket, .events = MCQ_POLLIN | MCQ_POLLOUT};
        int64_t events;

        if (mcq_poll(&entry, 1, job->number == 0 ? 0 : 5) < 0 && errno != ENOTSOCK)
            return -1;
        if (mcq_get(job->socket, MCQ_OPT_EVENTS, &events) != 0 && errno != ENOTSOCK)
            return -1;
    }
    return 0;
}

static void assert_each_came_once(uint8_t got[THREADS][ROUNDS])
{
    for (size_t i = 0; i < THREADS; i++)
        for (size_t k = 0; k < ROUNDS; k++)
            if (got[i][k] != 1)
                fail_msg("message %zu of thread %zu came %u times", k, i, got[i][k]);
}

/* Senders on one socket, receivers on another, and on both somebody who polls. */
static void run_crowd(enum mcq_type bound, enum mcq_type connected, const char *endpoint)
{
    static uint8_t got[THREADS][ROUNDS];
    struct helper senders[THREADS];
    struct helper receivers[THREADS];
    struct helper pollers[2];
    struct job send_jobs[THREADS];
    struct job recv_jobs[THREADS];
    struct job poll_jobs[2];
    _Atomic unsigned left = THREADS * ROUNDS;
    _Atomic bool is_over = false;
    struct world world;
    char text[ENDPOINT_BYTES];
    int received = 0;

    memset(got, 0, sizeof got);
    begin_world(&world);
    struct mcq_socket *from = open_socket(&world, connected);
    struct mcq_socket *to = open_socket(&world, bound);

    assert_works(mcq_set(from, MCQ_OPT_SNDHWM, 50)); /* so that senders sleep, too */
    assert_works(mcq_set(to, MCQ_OPT_RCVHWM, 50));
    if (endpoint != NULL)
        assert_works(mcq_bind(to, endpoint));
    else
        bind_somewhere(to, text);
    assert_works(mcq_connect(from, endpoint != NULL ? endpoint : text));
    for (uint32_t i = 0; i < THREADS; i++) {
        recv_jobs[i] = (struct job) {.socket = to, .got = got, .left = &left};
        start_helper(&receivers[i], receive_messages, &recv_jobs[i]);
        send_jobs[i] = (struct job) {.socket = from, .number = i};
        start_helper(&senders[i], send_messages, &send_jobs[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        poll_jobs[i] = (struct job) {i == 0 ? from : to, i, &is_over, NULL, NULL};
        start_helper(&pollers[i], poll_all_the_time, &poll_jobs[i]);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        join_helper(&senders[i]);
        assert_int_equal(senders[i].result, 0);
    }
    for (uint64_t until = now_ms() + PATIENCE_MS; atomic_load(&left) > 0 && now_ms() < until;)
        if (inline_context != NULL)
            assert_works(mcq_ctx_run(inline_context, 1));
        else
            (void) sched_yield();
    close_socket(&world, to);
    for (uint32_t i = 0; i < THREADS; i++) {
        join_helper(&receivers[i]);
        assert_true(receivers[i].result >= 0);
        assert_int_equal(receivers[i].number, ENOTSOCK);
        received += receivers[i].result;
    }
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < 2; i++) {
        join_helper(&pollers[i]);
        assert_int_equal(pollers[i].result, 0);
    }
    assert_int_equal(received, THREADS * ROUNDS);
    assert_each_came_once(got);
    end_world(&world);
}

static void senders_on_a_push__receivers_on_a_pull__messages_stay_whole(void)
{
    run_crowd(MCQ_PULL, MCQ_PUSH, NULL);
}

static void senders_and_receivers__through_a_pipe__messages_stay_whole(void)
{
    run_crowd(MCQ_PULL, MCQ_PUSH, "inproc://crowd");
}

static void dealers__messages_stay_whole(void)
{
    run_crowd(MCQ_DEALER, MCQ_DEALER, NULL);
}

/* --- a server of many threads on one ROUTER -------------------------------------------------- */

/* Answers each request with itself, to whom it came from. */
static int serve(void *argument)
{
    struct mcq_message parts[PARTS_MAX + 1];
    int served = 0;

    begin_parts(parts, PARTS_MAX + 1);
    for (;;) {
        int count = mcq_recv_parts(argument, parts, PARTS_MAX + 1, 0);

        if (count < 2)
            break;
        if (mcq_send_parts(argument, parts, (size_t) count, 0) != 0)
            break;
        served++;
    }
    close_parts(parts, PARTS_MAX + 1);
    return served;
}

static int ask(void *argument)
{
    const struct job *job = argument;
    struct mcq_message parts[PARTS_MAX];
    int failed = 0;

    begin_parts(parts, PARTS_MAX);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        size_t count = fill_parts(parts, job->number, round);
        struct word word;

        if (mcq_send_parts(job->socket, parts, count, 0) != 0)
            failed++;
        count = (size_t) mcq_recv_parts(job->socket, parts, PARTS_MAX, 0);
        if (count > PARTS_MAX || !are_of_one(parts, count, &word) || word.round != round ||
            word.thread != job->number)
            failed++;
        close_parts(parts, PARTS_MAX);
    }
    return failed;
}

/* Many at once, of one part: what a server need not look at anew for each (docs/adr/0044). Several
 * servers answer in any order. */
static int ask_in_bursts(void *argument)
{
    const struct job *job = argument;
    uint8_t answered[ROUNDS] = {0};
    int failed = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct word word = {job->number, round, 0, 1};

        if (mcq_send(job->socket, &word, sizeof word, 0) != 0)
            failed++;
        for (uint32_t i = 0; (round + 1) % AHEAD == 0 && i < AHEAD; i++) {
            if (mcq_recv(job->socket, &word, sizeof word, 0) != sizeof word ||
                word.thread != job->number || word.round > round || answered[word.round]++ > 0)
                failed++;
        }
    }
    return failed;
}

static void serve_crowd(int (*asks)(void *job))
{
    struct helper servers[THREADS];
    struct helper clients[THREADS];
    struct job jobs[THREADS];
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int served = 0;

    begin_world(&world);
    struct mcq_socket *router = open_socket(&world, MCQ_ROUTER);

    bind_somewhere(router, endpoint);
    for (uint32_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job) {.socket = open_socket(&world, MCQ_DEALER), .number = i};
        assert_works(mcq_connect(jobs[i].socket, endpoint));
        start_helper(&servers[i], serve, router);
        start_helper(&clients[i], asks, &jobs[i]);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        join_helper(&clients[i]);
        assert_int_equal(clients[i].result, 0);
    }
    close_socket(&world, router);
    for (uint32_t i = 0; i < THREADS; i++) {
        join_helper(&servers[i]);
        served += servers[i].result;
    }
    assert_int_equal(served, THREADS * ROUNDS);
    end_world(&world);
}

static void router__served_by_many_threads__each_gets_its_own_answers(void)
{
    serve_crowd(ask);
}

static void router__served_by_many_threads__each_question_is_answered_once(void)
{
    serve_crowd(ask_in_bursts);
}

/* --- one message by several calls ------------------------------------------------------------ */

static void message_begun_with_sndmore__is_nobody_else_s_to_join(void)
{
    struct mcq_message parts[2];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_works(mcq_message_init_copy(&parts[0], "c", 1));
    assert_works(mcq_message_init_copy(&parts[1], "d", 1));
    send_text(couple.connected, "a", MCQ_SNDMORE);
    assert_says(mcq_send_parts(couple.connected, parts, 2, 0), EBUSY,
                "send on PUSH: a message was begun with SNDMORE, and its last part is due");
    assert_int_equal(mcq_message_size(&parts[0]), 1);
    send_text(couple.connected, "b", 0);
    assert_works(mcq_send_parts(couple.connected, parts, 2, 0));
    assert_int_equal(mcq_message_size(&parts[0]), 0);
    assert_works(mcq_send_parts(couple.connected, NULL, 0, 0));
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 2, 0), 2);
    assert_memory_equal(mcq_message_data(&parts[1]), "b", 1);
    expect_part(couple.bound, "c", true);
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 2, 0), 1);
    assert_memory_equal(mcq_message_data(&parts[0]), "d", 1);
    close_parts(parts, 2);
    end_world(&world);
}

/* What was taken of it is not sent with a hole in it. */
static void part_without_memory__none_of_its_message_goes_out(void)
{
    static const enum mcq_type types[][2] = {
        {MCQ_PULL, MCQ_PUSH}, {MCQ_PAIR, MCQ_PAIR}, {MCQ_DEALER, MCQ_DEALER}, {MCQ_SUB, MCQ_PUB}};

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++) {
        struct world world;

        begin_world(&world);
        struct couple couple = open_couple(&world, types[i][0], types[i][1]);

        if (types[i][0] == MCQ_SUB) {
            assert_works(mcq_set_bytes(couple.bound, MCQ_OPT_SUBSCRIBE, "", 0));
            await_subscriber(couple.connected, couple.bound, "");
        }
        send_text(couple.connected, "a", MCQ_SNDMORE);
        assert_fails(mcq_send(couple.connected, "b", SIZE_MAX, MCQ_SNDMORE), ENOMEM);
        assert_fails(mcq_send_parts(couple.connected, NULL, 0, 0), EBUSY);
        send_text(couple.connected, "c", MCQ_SNDMORE);
        send_text(couple.connected, "d", 0);
        send_text(couple.connected, "e", 0);
        expect_text(couple.bound, "e");
        assert_fails(mcq_send(couple.connected, "f", SIZE_MAX, MCQ_SNDMORE), ENOMEM);
        send_text(couple.connected, "g", 0); /* nothing had begun */
        expect_text(couple.bound, "g");
        end_world(&world);
    }
}

static void recv_parts__more_than_there_is_room_for__come_with_the_next_call(void)
{
    struct mcq_message parts[3];
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    for (int i = 0; i < 4; i++)
        send_text(couple.connected, "part", i < 3 ? MCQ_SNDMORE : 0);
    send_text(couple.connected, "next", 0);
    begin_parts(parts, 3);
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 0, 0), 0);
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 3, 0), 3);
    assert_true(mcq_message_more(&parts[2]));
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 3, 0), 1);
    assert_false(mcq_message_more(&parts[0]));
    assert_int_equal(mcq_recv_parts(couple.bound, parts, 3, 0), 1);
    assert_memory_equal(mcq_message_data(&parts[0]), "next", 4);
    assert_fails(mcq_recv_parts(couple.bound, parts, 3, MCQ_DONTWAIT), EAGAIN);
    assert_fails(mcq_recv_parts(couple.bound, parts, 3, MCQ_SNDMORE), EINVAL);
    assert_fails(mcq_send_parts(couple.connected, parts, 3, MCQ_SNDMORE), EINVAL);
    assert_fails(mcq_send_parts(couple.connected, NULL, 3, 0), EFAULT);
    close_parts(parts, 3);
    end_world(&world);
}

static void send_parts__no_room__leaves_them_as_they_were(void)
{
    struct mcq_message parts[2];
    struct world world;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_message_init_copy(&parts[0], "first", 5));
    assert_works(mcq_message_init_copy(&parts[1], "second", 6));
    assert_fails(mcq_send_parts(push, parts, 2, MCQ_DONTWAIT), EAGAIN);
    assert_fails(mcq_send_parts(pull, parts, 2, 0), ENOTSUP);
    assert_int_equal(mcq_message_size(&parts[0]), 5);
    assert_int_equal(mcq_message_size(&parts[1]), 6);
    close_parts(parts, 2);
    end_world(&world);
}

/* --- the end, while others are inside -------------------------------------------------------- */

static int send_without_end(void *socket)
{
    int sent = 0;

    while (mcq_send(socket, "message", 7, 0) == 0)
        sent++;
    return sent;
}

static int receive_without_end(void *socket)
{
    int came = 0;

    while (mcq_recv(socket, NULL, 0, 0) >= 0)
        came++;
    return came;
}

static int poll_without_end(void *socket)
{
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLOUT};
    int ready = 0;

    while (mcq_poll(&entry, 1, -1) >= 0) {
        ready++;
        entry.events = MCQ_POLLIN;
    }
    return ready;
}

static int wait_without_end(void *socket)
{
    return mcq_wait_peers(socket, 1000, -1);
}

static int (*const calls[])(void *) = {send_without_end, send_without_end, receive_without_end,
                                       poll_without_end, wait_without_end};

static void end_while_others_are_inside(bool shuts_down, int number)
{
    for (int round = 0; round < 20; round++) {
        struct helper helpers[MCQ_COUNTOF(calls)];
        struct helper echo;
        struct world world;

        begin_world(&world);
        struct couple couple = open_couple(&world, MCQ_DEALER, MCQ_DEALER);

        assert_works(mcq_set(couple.connected, MCQ_OPT_SNDTIMEO, -1));
        assert_works(mcq_set(couple.connected, MCQ_OPT_RCVTIMEO, -1));
        assert_works(mcq_set(couple.connected, MCQ_OPT_LINGER, 0));
        start_helper(&echo, receive_without_end, couple.bound);
        for (size_t i = 0; i < MCQ_COUNTOF(calls); i++)
            start_helper(&helpers[i], calls[i], couple.connected);
        for (int i = 0; i < round * 3; i++)
            (void) sched_yield();
        if (shuts_down)
            assert_works(mcq_ctx_shutdown(world.context));
        else
            close_socket(&world, couple.connected);
        for (size_t i = 0; i < MCQ_COUNTOF(calls); i++) {
            join_helper(&helpers[i]);
            assert_int_equal(helpers[i].number, number);
        }
        if (!shuts_down)
            close_socket(&world, couple.bound);
        join_helper(&echo);
        assert_int_equal(echo.number, number);
        end_world(&world);
    }
}

static void close__while_others_are_inside__they_come_out(void)
{
    end_while_others_are_inside(false, ENOTSOCK);
}

static void shutdown__while_others_are_inside__they_come_out(void)
{
    end_while_others_are_inside(true, MCQ_ETERM);
}

/* --- options and endpoints, while others send ------------------------------------------------ */

static int change_without_end(void *argument)
{
    const struct job *job = argument;
    struct mcq_socket *socket = job->socket;
    char endpoint[ENDPOINT_BYTES];
    int64_t value;

    while (!atomic_load(job->is_over)) {
        size_t len = sizeof endpoint;

        if (mcq_set(socket, MCQ_OPT_SNDHWM, 100) != 0 || mcq_set(socket, MCQ_OPT_LINGER, 7) != 0 ||
            mcq_get(socket, MCQ_OPT_RCVMORE, &value) != 0 ||
            mcq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
            mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len) != 0 ||
            mcq_unbind(socket, endpoint) != 0 || mcq_connect(socket, "tcp://127.0.0.1:9") != 0 ||
            mcq_disconnect(socket, "tcp://127.0.0.1:9") != 0)
            return -1;
    }
    return 0;
}

static void options_and_endpoints__change_while_messages_pass(void)
{
    _Atomic bool is_over = false;
    struct helper sender;
    struct helper changer;
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    struct job job = {.socket = couple.bound, .is_over = &is_over};

    assert_works(mcq_set(couple.connected, MCQ_OPT_LINGER, 0)); /* nobody takes the last ones */
    start_helper(&changer, change_without_end, &job);
    start_helper(&sender, send_without_end, couple.connected);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(mcq_recv(couple.bound, NULL, 0, 0), 7);
    atomic_store(&is_over, true);
    join_helper(&changer);
    if (changer.result != 0)
        fail_msg("errno %d", changer.number);
    close_socket(&world, couple.connected);
    join_helper(&sender);
    end_world(&world);
}

/* --- from thread to thread ------------------------------------------------------------------- */

/* A message is begun here, gone on with there, and the threads in between are gone. */
struct leg {
    struct mcq_context *context;
    struct mcq_socket *socket;
    const char *endpoint;
    int step;
};

static int run_leg(void *argument)
{
    struct leg *leg = argument;
    char room[8];

    switch (leg->step) {
    case 0: leg->socket = mcq_socket(leg->context, MCQ_REQ); return leg->socket == NULL;
    case 1: return mcq_connect(leg->socket, leg->endpoint);
    case 2: return mcq_send(leg->socket, "one", 3, MCQ_SNDMORE);
    case 3: return mcq_send(leg->socket, "two", 3, 0);
    case 4: return mcq_recv(leg->socket, room, sizeof room, 0) == 5 ? 0 : -1;
    default: return mcq_close(leg->socket);
    }
}

static void socket__each_call_in_another_thread__goes_on_where_it_was(void)
{
    char endpoint[ENDPOINT_BYTES];
    struct world world;

    begin_world(&world);
    struct mcq_socket *rep = open_socket(&world, MCQ_REP);
    struct leg leg = {.context = world.context, .endpoint = endpoint};

    bind_somewhere(rep, endpoint);
    for (; leg.step < 6; leg.step++) {
        struct helper helper;

        if (leg.step == 4) {
            expect_part(rep, "one", true);
            expect_text(rep, "two");
            send_text(rep, "reply", 0);
        }
        start_helper(&helper, run_leg, &leg);
        join_helper(&helper);
        if (helper.result != 0)
            fail_msg("step %d: errno %d", leg.step, helper.number);
    }
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(senders_on_a_push__receivers_on_a_pull__messages_stay_whole)                                 \
    X(senders_and_receivers__through_a_pipe__messages_stay_whole)                                  \
    X(dealers__messages_stay_whole)                                                                \
    X(router__served_by_many_threads__each_gets_its_own_answers)                                   \
    X(router__served_by_many_threads__each_question_is_answered_once)                              \
    X(message_begun_with_sndmore__is_nobody_else_s_to_join)                                        \
    X(part_without_memory__none_of_its_message_goes_out)                                           \
    X(recv_parts__more_than_there_is_room_for__come_with_the_next_call)                            \
    X(send_parts__no_room__leaves_them_as_they_were)                                               \
    X(close__while_others_are_inside__they_come_out)                                               \
    X(shutdown__while_others_are_inside__they_come_out)                                            \
    X(options_and_endpoints__change_while_messages_pass)                                           \
    X(socket__each_call_in_another_thread__goes_on_where_it_was)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.threads");
}
