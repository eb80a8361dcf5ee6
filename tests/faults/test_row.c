/* f14: a row's ring, or the calls beside it, are refused: each send is made once, one way or the
 * other. */

#include "faults/inject.h"

#include "reactor/row.h"

#define COUNT 8

static const int enter = SYS_io_uring_enter;

struct streams {
    struct mcq_reactor *reactor;
    struct mcq_row *row;
    int near[COUNT];
    int far[COUNT];
    struct injector injector;
};

static void begin_streams(struct streams *s, const int *calls, size_t call_count,
                          int (*answer)(const struct seccomp_data *, int64_t *))
{
    const char *why = NULL;

    if (mcq_reactor_new(MCQ_ENGINE_URING, &s->reactor, &why) != MCQ_OK)
        skip_because("no io_uring: %s", why != NULL ? why : "no descriptors");
    s->row = mcq_row_new(s->reactor);
    assert_non_null(s->row);
    for (int i = 0; i < COUNT; i++) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        s->near[i] = fds[0];
        s->far[i] = fds[1];
    }
    begin_injection(&s->injector, calls, call_count, answer);
}

static void end_streams(struct streams *s)
{
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(close(s->near[i]), 0);
        assert_int_equal(close(s->far[i]), 0);
    }
    mcq_row_free(s->reactor, &s->row);
    mcq_reactor_free(&s->reactor);
    end_injection(&s->injector);
}

/* Each stream gets this, and nothing else. */
static void send_to_all(struct streams *s, char octet)
{
    struct mcq_row_send sends[COUNT];

    for (int i = 0; i < COUNT; i++)
        sends[i] = (struct mcq_row_send) {.fd = s->near[i], .octets = {&octet, 1}};
    mcq_row_send(s->reactor, &s->row, sends, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char room[2] = {0};

        assert_int_equal(sends[i].io.result, MCQ_IO_DONE);
        assert_int_equal(sends[i].io.len, 1);
        assert_int_equal(read(s->far[i], room, sizeof room), 1);
        assert_int_equal(room[0], octet);
    }
}

// NOLINTNEXTLINE(readability-non-const-parameter): what every answer is
static int answer_eperm(const struct seccomp_data *call, int64_t *value)
{
    (void) call;
    (void) value;
    return EPERM;
}

/* It is the ring that sends, not what stands in for it. */
static void fault_f14__sends_are_eperm__rows_still_leave(void)
{
    const int calls[] = {SYS_sendto, SYS_sendmsg};
    struct streams s;

    begin_streams(&s, calls, MCQ_COUNTOF(calls), answer_eperm);
    for (const char *octet = "abcde"; *octet != '\0'; octet++)
        send_to_all(&s, *octet);
    assert_non_null(s.row);
    end_streams(&s);
}

static void fault_f14__enter_is_eperm__rows_leave_one_by_one(void)
{
    struct streams s;

    begin_streams(&s, &enter, 1, answer_eperm);
    send_to_all(&s, 'a');
    assert_null(s.row); /* nothing that it holds is ever sent */
    send_to_all(&s, 'b');
    end_streams(&s);
}

/* The kernel takes no more than three at a time. */
INJECT_AS_KERNEL static int answer_partly(const struct seccomp_data *call, int64_t *value)
{
    uint64_t count = call->args[1] < 3 ? call->args[1] : 3;

    *value = syscall(SYS_io_uring_enter, call->args[0], count, call->args[2], call->args[3],
                     call->args[4], call->args[5]);
    return *value < 0 ? errno : INJECT_VALUE;
}

static void fault_f14__enter_takes_part_of_a_row__each_is_sent_once(void)
{
    struct streams s;

    begin_streams(&s, &enter, 1, answer_partly);
    send_to_all(&s, 'a');
    assert_null(s.row);
    send_to_all(&s, 'b');
    end_streams(&s);
}

#define FAULTS(X)
#define FAULTS_AUTO(X)                                                                             \
    X(fault_f14__sends_are_eperm__rows_still_leave)                                                \
    X(fault_f14__enter_is_eperm__rows_leave_one_by_one)                                            \
    X(fault_f14__enter_takes_part_of_a_row__each_is_sent_once)

FAULTS_MAIN("row")
