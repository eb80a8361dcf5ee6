/* AFFINITY: which of its context's threads serves a socket. Reports are told in that thread. */

#define _GNU_SOURCE /* pthread_getname_np; NOLINT(bugprone-reserved-identifier) */

#include "api/test_support.h"

#define THREADS 4
#define NAME_BYTES 16

/* The thread that told last. */
struct teller {
    pthread_mutex_t mutex;
    char name[NAME_BYTES];
};

static void note_thread(const struct mcq_report *report, void *hint)
{
    struct teller *teller = hint;

    (void) report;
    (void) pthread_mutex_lock(&teller->mutex);
    assert_int_equal(pthread_getname_np(pthread_self(), teller->name, NAME_BYTES), 0);
    (void) pthread_mutex_unlock(&teller->mutex);
}

/* The number of the thread that tells of what the socket does now: it fails to bind, or binds. */
static int thread_of(struct mcq_socket *socket)
{
    struct teller teller = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    uint64_t until = now_ms() + PATIENCE_MS;
    int number = -1;

    assert_works(mcq_monitor(socket, MCQ_REPORT_LISTENING, note_thread, &teller));
    assert_works(mcq_bind(socket, "tcp://127.0.0.1:*"));
    for (; number < 0 && now_ms() < until; (void) sched_yield()) {
        (void) pthread_mutex_lock(&teller.mutex);
        if (teller.name[0] != '\0' && sscanf(teller.name, "mcq/io/%d", &number) != 1)
            fail_msg("told in thread %s", teller.name);
        (void) pthread_mutex_unlock(&teller.mutex);
    }
    assert_works(mcq_monitor(socket, 0, NULL, NULL));
    return number;
}

static void begin(struct world *world)
{
    begin_world_with_threads(world);
    assert_works(mcq_ctx_set(world->context, MCQ_CTX_IO_THREADS, THREADS));
}

static struct mcq_socket *open_for(struct world *world, enum mcq_type type, uint64_t mask)
{
    struct mcq_socket *socket = open_socket(world, type);

    assert_works(mcq_set(socket, MCQ_OPT_AFFINITY, (int64_t) mask));
    return socket;
}

static void one_bit__that_thread_serves_the_socket(void)
{
    struct world world;

    begin(&world);
    for (int i = 0; i < 2 * THREADS; i++) {
        struct mcq_socket *socket = open_for(&world, MCQ_PULL, UINT64_C(1) << (i % THREADS));

        assert_int_equal(thread_of(socket), i % THREADS);
        assert_int_equal(thread_of(socket), i % THREADS); /* and goes on to do so */
    }
    end_world(&world);
}

static void no_bits__sockets_are_spread_over_all(void)
{
    int counts[THREADS] = {0};
    struct world world;

    begin(&world);
    for (int i = 0; i < 3 * THREADS; i++)
        counts[thread_of(open_socket(&world, MCQ_PULL))]++;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(counts[i], 3);
    end_world(&world);
}

static void two_bits__sockets_are_spread_over_the_two(void)
{
    int counts[THREADS] = {0};
    struct world world;

    begin(&world);
    for (int i = 0; i < 6; i++)
        counts[thread_of(open_for(&world, MCQ_PULL, 2 | 8))]++;
    assert_int_equal(counts[1], 3);
    assert_int_equal(counts[3], 3);
    end_world(&world);
}

/* Bits of threads that are not there do not count; if no other is left, only inproc is. */
static void bits_of_no_thread__are_no_thread(void)
{
    struct world world;
    struct mcq_socket *some;
    struct mcq_socket *none;
    struct mcq_socket *inproc;
    struct mcq_socket *dish;

    begin(&world);
    some = open_for(&world, MCQ_PULL, 4 | UINT64_C(1) << 63);
    none = open_for(&world, MCQ_PULL, UINT64_C(1) << THREADS);
    inproc = open_socket(&world, MCQ_PUSH);
    dish = open_for(&world, MCQ_DISH, UINT64_C(1) << 63);
    assert_int_equal(thread_of(some), 2);
    assert_says(mcq_bind(none, "tcp://127.0.0.1:*"), MCQ_EMTHREAD,
                "bind tcp://127.0.0.1:*: AFFINITY names no thread of the context");
    assert_fails(mcq_bind(none, "ipc://@mcq-affinity"), MCQ_EMTHREAD);
    assert_fails(mcq_connect(none, "tcp://127.0.0.1:9"), MCQ_EMTHREAD);
    assert_fails(mcq_bind(dish, "udp://127.0.0.1:*"), MCQ_EMTHREAD);
    assert_string_equal(mcq_strerror(MCQ_EMTHREAD), "AFFINITY names no thread of the context");
    assert_works(mcq_bind(none, "inproc://affinity"));
    assert_works(mcq_connect(inproc, "inproc://affinity"));
    assert_works(mcq_send(inproc, "x", 1, 0));
    char octet;

    assert_int_equal(mcq_recv(none, &octet, 1, 0), 1);
    assert_works(mcq_set(none, MCQ_OPT_AFFINITY, 2)); /* nothing was begun: it may still choose */
    assert_int_equal(thread_of(none), 1);
    end_world(&world);
}

static void value__is_kept_as_its_bits(void)
{
    const int64_t values[] = {0, 1, INT64_MAX, INT64_MIN, -1};
    struct world world;
    struct mcq_socket *socket;
    int64_t value;

    begin(&world);
    socket = open_socket(&world, MCQ_PAIR);
    for (size_t i = 0; i < MCQ_COUNTOF(values); i++) {
        assert_works(mcq_set(socket, MCQ_OPT_AFFINITY, values[i]));
        assert_works(mcq_get(socket, MCQ_OPT_AFFINITY, &value));
        assert_true(value == values[i]);
    }
    end_world(&world);
}

/* What a thread serves already it goes on to serve. */
static void later__the_socket_stays_where_it_is(void)
{
    struct world world;
    struct mcq_socket *socket;

    begin(&world);
    socket = open_for(&world, MCQ_PULL, 2);
    assert_int_equal(thread_of(socket), 1);
    assert_works(mcq_set(socket, MCQ_OPT_AFFINITY, 8));
    assert_int_equal(thread_of(socket), 1);
    assert_works(mcq_set(socket, MCQ_OPT_AFFINITY, UINT64_C(1) << 40));
    assert_fails(mcq_bind(socket, "tcp://127.0.0.1:*"), MCQ_EMTHREAD);
    end_world(&world);
}

struct receiver {
    struct mcq_socket *socket;
    _Atomic bool is_under_way;
    char text[8];
};

static void *receive(void *argument)
{
    struct receiver *receiver = argument;

    atomic_store(&receiver->is_under_way, true);
    assert_int_equal(mcq_recv(receiver->socket, receiver->text, sizeof receiver->text, 0), 5);
    return NULL;
}

/* A thread that waits for a message meets it, though its socket gets another engine meanwhile. */
static void who_receives_already__is_woken(void)
{
    struct receiver receiver = {0};
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *push;
    struct world world;
    pthread_t thread;

    begin(&world);
    push = open_for(&world, MCQ_PUSH, 4);
    receiver.socket = open_socket(&world, MCQ_PULL); /* by now of another thread than the last */
    bind_somewhere(push, endpoint);
    assert_int_equal(pthread_create(&thread, NULL, receive, &receiver), 0);
    while (!atomic_load(&receiver.is_under_way))
        (void) sched_yield();
    assert_works(mcq_set(receiver.socket, MCQ_OPT_AFFINITY, 8));
    assert_works(mcq_connect(receiver.socket, endpoint));
    assert_works(mcq_send(push, "hello", 5, 0));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_memory_equal(receiver.text, "hello", 5);
    end_world(&world);
}

/* Descriptors for loops are asked for before anything else by those who use them. */
static void descriptors_asked_for_first__do_not_settle_it(void)
{
    struct world world;
    struct mcq_socket *socket;
    int64_t fd;

    begin(&world);
    socket = open_socket(&world, MCQ_PULL);
    assert_works(mcq_get(socket, MCQ_OPT_FD, &fd));
    assert_works(mcq_get(socket, MCQ_OPT_RECV_FD, &fd));
    assert_works(mcq_get(socket, MCQ_OPT_EVENTS, &fd));
    assert_works(mcq_set(socket, MCQ_OPT_AFFINITY, 8));
    assert_int_equal(thread_of(socket), 3);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(one_bit__that_thread_serves_the_socket)                                                      \
    X(no_bits__sockets_are_spread_over_all)                                                        \
    X(two_bits__sockets_are_spread_over_the_two)                                                   \
    X(bits_of_no_thread__are_no_thread)                                                            \
    X(value__is_kept_as_its_bits)                                                                  \
    X(later__the_socket_stays_where_it_is)                                                         \
    X(who_receives_already__is_woken)                                                              \
    X(descriptors_asked_for_first__do_not_settle_it)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "affinity");
}
