/* Reports of what becomes of connections: each with its peer, its connection and why it ended. */

#include "api/test_support.h"

#define REPORTS_MAX 64

struct story {
    pthread_mutex_t mutex;
    size_t count;
    struct {
        struct mcq_report report;
        char endpoint[ENDPOINT_BYTES];
        char address[ENDPOINT_BYTES];
    } items[REPORTS_MAX];
};

static void write_down(const struct mcq_report *report, void *hint)
{
    struct story *story = hint;

    (void) pthread_mutex_lock(&story->mutex);
    if (story->count < REPORTS_MAX) {
        story->items[story->count].report = *report;
        (void) snprintf(story->items[story->count].endpoint, ENDPOINT_BYTES, "%s",
                        report->endpoint);
        (void) snprintf(story->items[story->count++].address, ENDPOINT_BYTES, "%s",
                        report->address);
    }
    (void) pthread_mutex_unlock(&story->mutex);
}

static void listen_to(struct mcq_socket *socket, struct story *story)
{
    *story = (struct story) {.mutex = PTHREAD_MUTEX_INITIALIZER};
    assert_works(mcq_monitor(socket, MCQ_REPORT_ALL, write_down, story));
}

/* The nth report of this kind, once it is there; its index. */
static size_t await_report(struct story *story, enum mcq_report_kind kind, int nth)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield()) {
        int seen = 0;
        size_t found = REPORTS_MAX;

        if (inline_context != NULL)
            assert_works(mcq_ctx_run(inline_context, 1));
        (void) pthread_mutex_lock(&story->mutex);
        for (size_t i = 0; i < story->count && found == REPORTS_MAX; i++)
            if (story->items[i].report.kind == kind && ++seen == nth)
                found = i;
        (void) pthread_mutex_unlock(&story->mutex);
        if (found < REPORTS_MAX)
            return found;
    }
    fail_msg("no report %d of kind %#x", nth, kind);
    return 0;
}

static void a_connection__its_reports_name_it_on_both_sides(void)
{
    struct world world;
    struct couple couple;
    struct story of_bound;
    struct story of_connected;
    struct mcq_peer_info info;
    const struct mcq_report *report;
    size_t up;
    size_t down;

    begin_world(&world);
    couple.bound = open_socket(&world, MCQ_PULL);
    couple.connected = open_socket(&world, MCQ_PUSH);
    listen_to(couple.bound, &of_bound);
    listen_to(couple.connected, &of_connected);
    assert_works(mcq_bind(couple.bound, "tcp://127.0.0.1:*"));
    size_t len = sizeof couple.endpoint;

    assert_works(mcq_get_bytes(couple.bound, MCQ_OPT_LAST_ENDPOINT, couple.endpoint, &len));
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    up = await_report(&of_bound, MCQ_REPORT_HANDSHAKE_SUCCEEDED, 1);
    assert_int_equal(mcq_peers(couple.bound, &info, 1, sizeof info), 1);
    report = &of_bound.items[up].report;
    assert_int_equal(report->peer, info.id);
    assert_int_equal(report->epoch, info.epoch);
    assert_string_equal(of_bound.items[up].endpoint, couple.endpoint);
    assert_string_equal(of_bound.items[up].address, info.address);
    assert_int_equal(report->cause, 0);

    up = await_report(&of_connected, MCQ_REPORT_HANDSHAKE_SUCCEEDED, 1);
    assert_int_equal(mcq_peers(couple.connected, &info, 1, sizeof info), 1);
    assert_int_equal(of_connected.items[up].report.peer, info.id);
    assert_int_equal(of_connected.items[up].report.epoch, info.epoch);
    assert_string_equal(of_connected.items[up].address, couple.endpoint);

    assert_works(mcq_disconnect(couple.connected, couple.endpoint));
    down = await_report(&of_bound, MCQ_REPORT_DISCONNECTED, 1);
    up = await_report(&of_bound, MCQ_REPORT_HANDSHAKE_SUCCEEDED, 1);
    assert_int_equal(of_bound.items[down].report.peer, of_bound.items[up].report.peer);
    assert_int_equal(of_bound.items[down].report.epoch, of_bound.items[up].report.epoch);
    assert_int_equal(of_bound.items[down].report.cause, ECONNRESET);
    assert_string_equal(of_bound.items[down].report.why, "peer closed the connection");
    down = await_report(&of_connected, MCQ_REPORT_DISCONNECTED, 1);
    assert_int_equal(of_connected.items[down].report.cause, 0); /* we wanted it */
    assert_string_equal(of_connected.items[down].report.why, "");
    end_world(&world);
}

static void a_peer_that_comes_back__keeps_its_id__and_gets_another_epoch(void)
{
    struct world world;
    struct couple couple;
    struct story story;
    struct mcq_peer_info info;
    size_t first;
    size_t second;

    begin_world(&world);
    couple.bound = open_socket(&world, MCQ_PULL);
    couple.connected = open_socket(&world, MCQ_PUSH);
    listen_to(couple.connected, &story);
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    first = await_report(&story, MCQ_REPORT_HANDSHAKE_SUCCEEDED, 1);
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    assert_int_equal(mcq_peers(couple.bound, &info, 1, sizeof info), 1);
    assert_works(mcq_close_peer(couple.bound, info.id));
    second = await_report(&story, MCQ_REPORT_HANDSHAKE_SUCCEEDED, 2);
    assert_int_equal(story.items[first].report.peer, story.items[second].report.peer);
    assert_true(story.items[second].report.epoch > story.items[first].report.epoch);
    end_world(&world);
}

static void a_full_peer_that_is_disconnected__the_report_says_why(void)
{
    static char large[100000];
    struct world world;
    struct couple couple;
    struct story story;
    size_t down;

    begin_world(&world);
    couple.bound = open_socket(&world, MCQ_PUB);
    couple.connected = open_socket(&world, MCQ_SUB);
    listen_to(couple.bound, &story);
    assert_works(mcq_set(couple.bound, MCQ_OPT_SNDHWM, 2));
    assert_works(mcq_set(couple.bound, MCQ_OPT_WHEN_FULL, MCQ_FULL_DISCONNECT));
    assert_works(mcq_set(couple.connected, MCQ_OPT_RCVHWM, 2));
    assert_works(mcq_set_bytes(couple.connected, MCQ_OPT_SUBSCRIBE, "", 0));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    assert_works(mcq_wait_peers(couple.bound, 1, PATIENCE_MS));
    for (int i = 0; mcq_wait_peers(couple.bound, 1, 0) == 0; i++) {
        assert_true(i < 10000);
        assert_works(mcq_send(couple.bound, large, sizeof large, 0));
    }
    down = await_report(&story, MCQ_REPORT_DISCONNECTED, 1);
    assert_int_equal(story.items[down].report.cause, ENOBUFS);
    assert_string_equal(story.items[down].report.why, "peer took too little of what waited for it");
    end_world(&world);
}

static void a_stranger__has_an_address_and_no_id(void)
{
    struct world world;
    struct mcq_socket *pull;
    struct story story;
    struct sockaddr_in in = {.sin_family = AF_INET};
    char endpoint[ENDPOINT_BYTES];
    size_t failed;
    int fd;

    begin_world(&world);
    pull = open_socket(&world, MCQ_PULL);
    listen_to(pull, &story);
    size_t len = sizeof endpoint;

    assert_works(mcq_bind(pull, "tcp://127.0.0.1:*"));
    assert_works(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    in.sin_port = htons((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &in, sizeof in), 0);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    failed = await_report(&story, MCQ_REPORT_HANDSHAKE_BROKEN, 1);
    assert_int_equal(story.items[failed].report.peer, 0);
    assert_int_equal(story.items[failed].report.epoch, 0);
    assert_int_equal(story.items[failed].report.cause, EPROTO);
    assert_int_equal(strncmp(story.items[failed].address, "tcp://127.0.0.1:", 16), 0);
    assert_string_equal(story.items[failed].endpoint, endpoint);
    assert_int_equal(close(fd), 0);
    end_world(&world);
}

/* --- who listens and does not hear ------------------------------------------------------------ */

#define WAITING_MAX 4096 /* as the manual says */

struct deaf {
    _Atomic unsigned told;
    _Atomic uint64_t lost;
    _Atomic int first_after; /* the value of the report that says so */
    _Atomic bool may_go;
};

/* Hears one, and then nothing until it may. */
static void hear_late(const struct mcq_report *report, void *hint)
{
    struct deaf *deaf = hint;

    if (report->lost > 0) {
        atomic_fetch_add(&deaf->lost, report->lost);
        atomic_store(&deaf->first_after, report->value);
    }
    atomic_fetch_add(&deaf->told, 1);
    while (!atomic_load(&deaf->may_go))
        (void) sched_yield();
}

/* While one is told nobody else is, so that `waiting` others wait: one too many costs the
 * oldest of them. A bind that fails is told at once. */
static void expect_lost(int waiting)
{
    struct deaf deaf = {0};
    uint64_t lost = waiting > WAITING_MAX ? (uint64_t) (waiting - WAITING_MAX) : 0;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world_with_threads(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    assert_works(mcq_monitor(pull, MCQ_REPORT_BIND_FAILED, hear_late, &deaf));
    assert_fails(mcq_bind(pull, endpoint), EADDRINUSE);
    while (atomic_load(&deaf.told) == 0)
        (void) sched_yield();
    for (int i = 0; i < waiting; i++)
        assert_fails(mcq_bind(pull, endpoint), EADDRINUSE);
    atomic_store(&deaf.may_go, true);
    assert_works(mcq_monitor(pull, 0, NULL, NULL)); /* all that waits is told first */
    assert_int_equal(atomic_load(&deaf.lost), lost);
    assert_int_equal(atomic_load(&deaf.told), 1 + (unsigned) waiting - lost);
    assert_int_equal(atomic_load(&deaf.first_after), lost > 0 ? EADDRINUSE : 0);
    end_world(&world);
}

static void fault_c16__unread_reports__the_oldest_are_lost_and_the_next_says_how_many(void)
{
    for (int waiting = WAITING_MAX - 1; waiting <= WAITING_MAX + 1; waiting++)
        expect_lost(waiting);
    expect_lost(WAITING_MAX + 500);
}

#define ON_BOTH(X)                                                                                 \
    X(fault_c16__unread_reports__the_oldest_are_lost_and_the_next_says_how_many)                   \
    X(a_connection__its_reports_name_it_on_both_sides)                                             \
    X(a_peer_that_comes_back__keeps_its_id__and_gets_another_epoch)                                \
    X(a_full_peer_that_is_disconnected__the_report_says_why)                                       \
    X(a_stranger__has_an_address_and_no_id)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "monitor");
}
