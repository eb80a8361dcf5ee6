#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "base/bytes.h"
#include "reactor/sim/sim.h"

#define STREAM_BYTES 3000
#define TURNS_MAX 200000

static uint64_t first_seed(void)
{
    const char *seed = getenv("MCQ_SEED");

    return seed != NULL ? strtoull(seed, NULL, 0) : 1;
}

/* A client that sends a stream, and a server that sends it back. Whoever meets an end closes. */
struct echo {
    struct mcq_sim *sim;
    struct mcq_reactor *reactor;
    int listener;
    int client;
    int server;
    size_t sent;
    size_t server_read;
    size_t server_sent;
    size_t returned;
    bool is_wrong; /* an octet came back changed */
    bool is_cut;   /* the connection ended before all came back */
    uint8_t held[STREAM_BYTES];
};

static uint8_t octet_at(size_t index)
{
    return (uint8_t) (index * 31 >> 3);
}

static void close_fd(struct echo *e, int *fd)
{
    if (*fd >= 0)
        mcq_reactor_close(e->reactor, *fd);
    *fd = -1;
}

static bool is_over(enum mcq_io_result result)
{
    return result != MCQ_IO_DONE && result != MCQ_IO_AGAIN;
}

/* One octet run after the other, as far as they go now. true: something moved. */
static bool client_turn(struct echo *e)
{
    uint8_t room[512];
    struct iovec iov = {room, sizeof room};
    bool moved = false;
    struct mcq_io io;

    if (e->client < 0)
        return false;
    iov.iov_len = mcq_min_size(sizeof room, STREAM_BYTES - e->sent);
    for (size_t i = 0; i < iov.iov_len; i++)
        room[i] = octet_at(e->sent + i);
    if (iov.iov_len > 0) {
        io = mcq_reactor_send(e->reactor, e->client, &iov, 1);
        e->sent += io.len;
        moved |= io.len > 0;
        e->is_cut |= is_over(io.result);
    }
    iov.iov_len = sizeof room;
    io = mcq_reactor_recv(e->reactor, e->client, &iov, 1);
    for (size_t i = 0; i < io.len; i++)
        e->is_wrong |= room[i] != octet_at(e->returned + i);
    e->returned += io.len;
    moved |= io.len > 0;
    e->is_cut |= is_over(io.result);
    if (e->is_cut || e->returned == STREAM_BYTES) {
        close_fd(e, &e->client);
        return true;
    }
    return moved;
}

static bool server_turn(struct echo *e)
{
    bool moved = false;
    struct iovec iov;
    struct mcq_io io;

    if (e->server < 0 && e->listener >= 0) {
        if (mcq_reactor_accept(e->reactor, e->listener, &e->server) != MCQ_IO_DONE)
            return false;
        moved = true;
    }
    if (e->server < 0)
        return false;
    iov = (struct iovec) {e->held + e->server_read, STREAM_BYTES - e->server_read};
    if (iov.iov_len == 0) /* all is in: wait for the end */
        iov = (struct iovec) {&(uint8_t) {0}, 1};
    io = mcq_reactor_recv(e->reactor, e->server, &iov, 1);
    e->server_read += io.len;
    moved |= io.len > 0;
    if (is_over(io.result)) {
        close_fd(e, &e->server);
        close_fd(e, &e->listener);
        return true;
    }
    iov = (struct iovec) {e->held + e->server_sent, e->server_read - e->server_sent};
    if (iov.iov_len == 0)
        return moved;
    io = mcq_reactor_send(e->reactor, e->server, &iov, 1);
    e->server_sent += io.len;
    if (is_over(io.result)) {
        close_fd(e, &e->server);
        close_fd(e, &e->listener);
        return true;
    }
    return moved || io.len > 0;
}

/* Runs the echo to its end; returns the world's hash. */
static uint64_t run_echo(struct echo *e, uint64_t seed, const struct mcq_sim_faults *faults,
                         uint64_t inject_at, enum mcq_io_result inject, uint64_t *operations)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct mcq_address address = {.len = sizeof in};
    uint64_t hash;

    memset(e, 0, sizeof *e);
    e->listener = e->client = e->server = -1;
    assert_int_equal(mcq_sim_new(seed, faults, &e->sim), MCQ_OK);
    assert_int_equal(mcq_sim_reactor_new(e->sim, &e->reactor), MCQ_OK);
    if (inject_at != UINT64_MAX)
        mcq_sim_inject(e->sim, inject_at, inject);
    memcpy(&address.storage, &in, sizeof in);
    e->is_cut = mcq_reactor_listen(e->reactor, &address, NULL, 8, &e->listener) != MCQ_IO_DONE;
    if (!e->is_cut) {
        assert_true(mcq_reactor_local_address(e->reactor, e->listener, &address));
        e->is_cut =
            mcq_reactor_connect(e->reactor, NULL, &address, NULL, &e->client) != MCQ_IO_AGAIN;
    }
    for (int turn = 0; turn < TURNS_MAX && !e->is_cut; turn++) {
        bool moved = client_turn(e);

        moved |= server_turn(e);
        /* What a fault kept back is tried again; only when time has nothing more is it over. */
        if (!moved && !mcq_sim_advance(e->sim) && e->client < 0)
            break;
    }
    close_fd(e, &e->client);
    close_fd(e, &e->server);
    close_fd(e, &e->listener);
    hash = mcq_sim_hash(e->sim);
    *operations = mcq_sim_operation_count(e->sim);
    assert_int_equal(mcq_sim_open_count(e->sim), 0);
    mcq_reactor_free(&e->reactor);
    mcq_sim_free(&e->sim);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return hash;
}

static const struct mcq_sim_faults rough = {
    .partial = 500, .again = 200, .delay_max_ns = 1000000, .pipe_bytes = 300};

static void echo__partial_delayed_and_refused__every_octet_comes_back(void **state)
{
    uint64_t seed = first_seed();

    (void) state;
    print_message("# seeds %llu to %llu\n", (unsigned long long) seed,
                  (unsigned long long) seed + 299);
    for (uint64_t i = 0; i < 300; i++) {
        struct echo echo;
        uint64_t operations;

        (void) run_echo(&echo, seed + i, &rough, UINT64_MAX, MCQ_IO_DONE, &operations);
        if (echo.is_wrong || echo.is_cut || echo.returned != STREAM_BYTES)
            fail_msg("seed %llu: %zu octets came back", (unsigned long long) (seed + i),
                     echo.returned);
    }
}

static void same_seed__same_world__another_seed_another(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct echo echo;
        uint64_t operations[3];
        uint64_t first = run_echo(&echo, seed, &rough, UINT64_MAX, MCQ_IO_DONE, &operations[0]);
        uint64_t again = run_echo(&echo, seed, &rough, UINT64_MAX, MCQ_IO_DONE, &operations[1]);
        uint64_t other =
            run_echo(&echo, seed + 1000, &rough, UINT64_MAX, MCQ_IO_DONE, &operations[2]);

        assert_true(first == again && operations[0] == operations[1]);
        assert_true(first != other);
    }
}

static void each_result__at_each_operation__ends_cleanly(void **state)
{
    static const struct mcq_sim_faults calm = {.pipe_bytes = 400};
    struct echo echo;
    uint64_t count;
    uint64_t ignored;
    unsigned cuts = 0;

    (void) state;
    (void) run_echo(&echo, 1, &calm, UINT64_MAX, MCQ_IO_DONE, &count);
    assert_int_equal(echo.returned, STREAM_BYTES);
    for (uint64_t at = 0; at < count; at++) {
        for (int result = 0; result < MCQ_IO_RESULT_COUNT; result++) {
            (void) run_echo(&echo, 1, &calm, at, (enum mcq_io_result) result, &ignored);
            assert_false(echo.is_wrong); /* cut perhaps, never changed */
            cuts += echo.is_cut;
        }
    }
    assert_true(cuts > count); /* the faults were felt */
}

static void faults_at_random__never_a_wrong_octet(void **state)
{
    struct mcq_sim_faults faults = rough;
    uint64_t seed = first_seed();
    unsigned whole = 0;

    (void) state;
    faults.fail = 2;
    for (uint64_t i = 0; i < 300; i++) {
        struct echo echo;
        uint64_t operations;

        (void) run_echo(&echo, seed + i, &faults, UINT64_MAX, MCQ_IO_DONE, &operations);
        assert_false(echo.is_wrong);
        whole += echo.returned == STREAM_BYTES;
    }
    assert_in_range(whole, 1, 299); /* some got through, some did not */
}

static void table__each_row__found_by_its_errno(void **state)
{
    (void) state;
    for (int operation = 0; operation < MCQ_IO_OP_COUNT; operation++) {
        unsigned count;
        const struct mcq_io_row *row = mcq_io_rows((enum mcq_io_operation) operation, &count);

        assert_true(count > 0);
        for (; count > 0; row++, count--) {
            assert_int_equal(row->operation, operation);
            if (row->number != 0)
                assert_int_equal(mcq_io_result_of((enum mcq_io_operation) operation, row->number),
                                 row->result);
            int number = mcq_io_number_of(row->operation, row->result);

            if (row->number != 0)
                assert_int_equal(mcq_io_result_of(row->operation, number), row->result);
            else
                assert_int_equal(number, 0);
            assert_non_null(mcq_io_result_text(row->result));
        }
        assert_int_equal(mcq_io_result_of((enum mcq_io_operation) operation, 0), MCQ_IO_BROKEN);
        assert_int_equal(mcq_io_result_of((enum mcq_io_operation) operation, 9999), MCQ_IO_BROKEN);
        assert_int_equal(mcq_io_number_of((enum mcq_io_operation) operation, MCQ_IO_RESULT_COUNT),
                         0);
    }
    assert_string_equal(mcq_io_result_text(MCQ_IO_RESULT_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo__partial_delayed_and_refused__every_octet_comes_back),
        cmocka_unit_test(same_seed__same_world__another_seed_another),
        cmocka_unit_test(each_result__at_each_operation__ends_cleanly),
        cmocka_unit_test(faults_at_random__never_a_wrong_octet),
        cmocka_unit_test(table__each_row__found_by_its_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
