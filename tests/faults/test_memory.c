/* f17: every allocation, mapping and thread may be refused: the call says so, or one peer is
 * dropped and comes back, and nothing of it is left. */
#include "faults/inject.h"
#include "interop/raw_peer.h"

#define ALLOCATIONS_MAX 2000 /* more than any of these scenarios makes */
#define LONG_BYTES 100000    /* beyond what is copied into a block */

/* A call that may fail for want of memory, once: the next one finds it. */
#define does(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0) {                                                                         \
            assert_int_equal(errno, ENOMEM);                                                       \
            assert_non_null(strstr(mcq_last_error(), "memory"));                                   \
            assert_works(call);                                                                    \
        }                                                                                          \
    } while (0)

static struct mcq_socket *open_or_again(struct mcq_context *context, enum mcq_type type)
{
    struct mcq_socket *socket = mcq_socket(context, type);

    if (socket == NULL) {
        assert_int_equal(errno, ENOMEM);
        socket = mcq_socket(context, type);
    }
    if (socket == NULL)
        fail_msg("%s", mcq_last_error());
    does(mcq_set(socket, MCQ_OPT_RECONNECT_IVL, 1));
    does(mcq_set(socket, MCQ_OPT_LINGER, 0));
    return socket;
}

struct scenario {
    enum mcq_type bound;
    enum mcq_type connected;
    size_t len;
    bool has_reply;
};

/* A connection may be lost with what it carried, so it is sent until it comes. */
static void carry(struct mcq_socket *from, struct mcq_socket *to, size_t len, bool once)
{
    static char octets[LONG_BYTES];
    ptrdiff_t got = -1;
    bool is_sent = false;

    assert_works(mcq_set(to, MCQ_OPT_RCVTIMEO, 20));
    for (uint64_t until = now_ms() + PATIENCE_MS; got < 0; assert_true(now_ms() < until)) {
        if (!is_sent || !once) {
            is_sent = mcq_send(from, octets, len, MCQ_DONTWAIT) == 0;
            assert_true(is_sent || errno == ENOMEM || errno == EAGAIN || errno == MCQ_EFSM);
        }
        got = mcq_recv(to, octets, sizeof octets, 0);
        assert_true(got >= 0 || errno == ENOMEM || errno == EAGAIN || errno == MCQ_EFSM ||
                    errno == ECONNRESET);
        if (got < 0 && errno == ECONNRESET)
            is_sent = false;
    }
    assert_int_equal(got, len);
}

static void play(const struct scenario *scenario)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *bound;
    struct mcq_socket *connected;
    struct mcq_poll_entry entry = {.events = MCQ_POLLIN | MCQ_POLLOUT};
    struct mcq_message message;
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;

    if (context == NULL) {
        assert_int_equal(errno, ENOMEM);
        context = mcq_ctx_new();
    }
    assert_non_null(context);
    bound = open_or_again(context, scenario->bound);
    connected = open_or_again(context, scenario->connected);
    does(mcq_set(connected, MCQ_OPT_HEARTBEAT_IVL, 50));
    if (scenario->connected == MCQ_SUB) {
        does(mcq_set_bytes(connected, MCQ_OPT_SUBSCRIBE, "", 0));
        does(mcq_set_bytes(connected, MCQ_OPT_SUBSCRIBE, "a longer topic", 14));
    }
    if (scenario->connected == MCQ_REQ)
        does(mcq_set(connected, MCQ_OPT_REQ_RELAXED, 1));
    does(mcq_bind(bound, "tcp://127.0.0.1:*"));
    does(mcq_get_bytes(bound, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
    does(mcq_connect(connected, endpoint));
    does(mcq_wait_peers(connected, 1, PATIENCE_MS));
    does(mcq_message_init_size(&message, LONG_BYTES));
    assert_works(mcq_message_close(&message));
    if (scenario->bound == MCQ_PUB)
        carry(bound, connected, scenario->len, false);
    else
        carry(connected, bound, scenario->len, false);
    if (scenario->has_reply)
        assert_true(mcq_send(bound, "reply", 5, 0) == 0 || errno == ENOMEM || errno == MCQ_EFSM);
    entry.socket = connected;
    if (mcq_poll(&entry, 1, 1) < 0)
        assert_int_equal(errno, ENOMEM);
    does(mcq_close(connected));
    does(mcq_close(bound));
    does(mcq_ctx_term(context, PATIENCE_MS));
}

static void refuse_each(const struct scenario *scenario)
{
    uint64_t n = 0;
    uint64_t left = 0;

    play(scenario); /* what a process allocates once */
    while (left == 0) {
        struct mcq_ledger before = mcq_alloc_ledger();
        size_t fd_count = open_fd_count();

        assert_true(++n < ALLOCATIONS_MAX);
        mcq_alloc_fail_at(n);
        play(scenario);
        left = mcq_alloc_fail_left();
        mcq_alloc_fail_at(0);
        if (mcq_alloc_ledger().block_count != before.block_count || open_fd_count() != fd_count)
            fail_msg("allocation %llu refused: something is left", (unsigned long long) n);
    }
    print_message("# %llu allocations, each refused\n", (unsigned long long) n - 1);
    assert_true(n > 20);
}

static void fault_f17__each_allocation_refused__push_pull(void)
{
    refuse_each(&(struct scenario) {MCQ_PULL, MCQ_PUSH, 10, false});
}

static void fault_f17__each_allocation_refused__push_pull_of_long_ones(void)
{
    refuse_each(&(struct scenario) {MCQ_PULL, MCQ_PUSH, LONG_BYTES, false});
}

static void fault_f17__each_allocation_refused__req_rep(void)
{
    refuse_each(&(struct scenario) {MCQ_REP, MCQ_REQ, 10, true});
}

static void fault_f17__each_allocation_refused__pub_sub(void)
{
    refuse_each(&(struct scenario) {MCQ_PUB, MCQ_SUB, 10, false});
}

static void fault_f17__each_allocation_refused__dealer_to_dealer(void)
{
    refuse_each(&(struct scenario) {MCQ_DEALER, MCQ_DEALER, 1000, true});
}

/* LeakSanitizer starts a thread to look with, which it cannot once the injection has ended. */
// NOLINTNEXTLINE(bugprone-reserved-identifier): its name
extern void __lsan_do_leak_check(void) __attribute__((weak));

static _Atomic bool threads_are_refused;

// NOLINTNEXTLINE(readability-non-const-parameter): what every answer is
static int answer_clone(const struct seccomp_data *call, int64_t *value)
{
    (void) call;
    (void) value;
    return atomic_load(&threads_are_refused) ? EAGAIN : 0;
}

static void fault_f17__no_thread__is_enomem_and_nothing_is_left(void)
{
    static const int calls[] = {SYS_clone, SYS_clone3};
    struct injector injector;
    struct world world;
    struct couple couple;

    begin_injection(&injector, calls, MCQ_COUNTOF(calls), answer_clone);
    begin_world(&world);

    struct mcq_ledger before = mcq_alloc_ledger();
    size_t fd_count = open_fd_count();

    atomic_store(&threads_are_refused, true);
    for (int i = 0; i < 3; i++) {
        assert_null(mcq_socket(world.context, MCQ_PULL));
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
        assert_int_equal(open_fd_count(), fd_count);
    }
    atomic_store(&threads_are_refused, false);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    send_text(couple.connected, "after", 0);
    expect_text(couple.bound, "after");
    end_world(&world);
    if (__lsan_do_leak_check != NULL)
        __lsan_do_leak_check();
    end_injection(&injector);
}

/* --- a3 --------------------------------------------------------------------------------------- */

#define STRANGERS 200
#define STRANGER_BYTES 512 /* what one may cost that says nothing; the sanitizers' heaps round up */
#define ALREADY_THERE 4096 /* tables that grow in steps */

static int greeted_stranger(uint16_t port)
{
    uint8_t octet;
    int fd = raw_connect(port);

    assert_true(raw_recv(fd, &octet, 1)); /* our side is there, and has done its part */
    return fd;
}

/* Strangers that never say a word; then one of them does, in whatever pieces, and is as good as any
 * other: what was given back is made anew. */
static void fault_a3__silent_strangers__cost_512_octets_each_and_may_speak_at_last(void)
{
    static const uint8_t ready[] = "\4\x1a\5READY\13Socket-Type\0\0\0\4PUSH";
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int fds[STRANGERS];
    uint8_t greeting[RAW_GREETING_BYTES];
    struct mcq_ledger before;
    uint64_t grown = 0;
    uint16_t port;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    port = (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
    fds[0] = greeted_stranger(port);
    before = mcq_alloc_ledger();
    for (size_t i = 1; i < STRANGERS; i++)
        fds[i] = greeted_stranger(port);
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield()) {
        grown = mcq_alloc_ledger().bytes - before.bytes;
        if (grown <= STRANGERS * STRANGER_BYTES + ALREADY_THERE)
            break; /* the last one's turn is over */
    }
    print_message("# %llu octets each\n", (unsigned long long) grown / STRANGERS);
    assert_in_range(grown, 1, STRANGERS * STRANGER_BYTES + ALREADY_THERE);
    raw_greeting(greeting, "NULL");
    for (size_t i = 0; i < sizeof greeting; i++)
        assert_true(raw_send(fds[7], greeting + i, 1));
    assert_true(raw_send(fds[7], ready, sizeof ready - 1));
    assert_true(raw_send_frame(fds[7], 0, "at last", 7));
    expect_text(pull, "at last");
    for (size_t i = 0; i < STRANGERS; i++)
        assert_int_equal(close(fds[i]), 0);
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_f17__each_allocation_refused__push_pull)                                               \
    X(fault_f17__each_allocation_refused__push_pull_of_long_ones)                                  \
    X(fault_f17__each_allocation_refused__req_rep)                                                 \
    X(fault_f17__each_allocation_refused__pub_sub)                                                 \
    X(fault_f17__each_allocation_refused__dealer_to_dealer)                                        \
    X(fault_f17__no_thread__is_enomem_and_nothing_is_left)                                         \
    X(fault_a3__silent_strangers__cost_512_octets_each_and_may_speak_at_last)
#define FAULTS_AUTO(X)

FAULTS_MAIN("memory")
