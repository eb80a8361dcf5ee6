/* d7, d9: a network that loses, is slow, and goes away: the real one, in a name space of the
 * test's own, with loopback as its only line. Where that is denied, or its tools are missing, the
 * tests are skipped. */
#define _GNU_SOURCE /* unshare; NOLINT(bugprone-reserved-identifier) */

#include "faults/alone.h"

#include <sched.h>
#include <spawn.h>

#define WORDS_MAX 16

/* Runs a program, whose words are apart by blanks. false: it is not there, or has failed. */
static bool run_program(const char *line)
{
    char text[256];
    char *words[WORDS_MAX + 1] = {text};
    size_t count = 1;
    pid_t pid;
    int status;

    (void) snprintf(text, sizeof text, "%s", line);
    for (char *at = text; *at != '\0'; at++) {
        if (*at != ' ')
            continue;
        *at = '\0';
        assert_true(count < WORDS_MAX);
        words[count++] = at + 1;
    }
    if (posix_spawnp(&pid, words[0], NULL, NULL, words, environ) != 0)
        return false;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void need(const char *line)
{
    if (!run_program(line))
        skip_because("not here: %s", line);
}

/* Packets as a network has them: loopback's own are of 64 KiB, and few of them are lost. Before
 * there are threads, for it is this thread's and those that it starts. */
static void enter_network(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        skip_because("no network name space: %s", strerror(errno));
    need("ip link set lo up mtu 1500 gso_max_size 2000 gso_max_segs 1");
}

/* --- loss ------------------------------------------------------------------------------------- */

/* Segments that this network has sent again. */
static unsigned long retransmitted(void)
{
    FILE *file = fopen("/proc/thread-self/net/snmp", "r");
    char line[1024];
    unsigned long count = 0;
    unsigned long numbers[12];

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Tcp: %lu %lu %*s %lu %lu %lu %lu %lu %lu %lu %lu %lu", &numbers[0],
                   &numbers[1], &numbers[2], &numbers[3], &numbers[4], &numbers[5], &numbers[6],
                   &numbers[7], &numbers[8], &numbers[9], &numbers[10]) == 11)
            count = numbers[10];
    assert_int_equal(fclose(file), 0);
    return count;
}

static void count_report(const struct mcq_report *report, void *hint)
{
    (void) report;
    atomic_fetch_add((atomic_int *) hint, 1);
}

#define ROUNDS_MAX 100

static void send_and_receive(struct mcq_socket *from, struct mcq_socket *to)
{
    enum { COUNT = 60, BYTES = 1000 };
    static char body[BYTES];
    char room[BYTES];

    for (int i = 0; i < COUNT; i++) {
        (void) snprintf(body, sizeof body, "%d", i);
        assert_works(mcq_send(from, body, sizeof body, 0));
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(mcq_recv(to, room, sizeof room, 0), BYTES);
        assert_int_equal(strtol(room, NULL, 10), i);
    }
}

/* A line of 1 Mbit/s on which each twentieth packet is lost: all arrives, and nobody is taken for
 * dead, though heartbeats are as late as the rest. */
static void fault_d7__loss_and_a_slow_line__all_arrives_and_nobody_is_taken_for_dead(void)
{
    struct mcq_socket *bound;
    struct mcq_socket *connected;
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    atomic_int end_count = 0;

    enter_network();
    need("tc qdisc add dev lo root tbf rate 1mbit burst 16kb latency 300ms");
    need("nft add table inet losing");
    need("nft add chain inet losing in { type filter hook input priority 0 ; }");
    need("nft add rule inet losing in numgen random mod 100 < 5 drop");
    begin_world(&world);
    bound = open_socket(&world, MCQ_PULL);
    connected = open_socket(&world, MCQ_PUSH);
    for (int i = 0; i < 2; i++) {
        struct mcq_socket *socket = i == 0 ? bound : connected;

        assert_works(mcq_set(socket, MCQ_OPT_HANDSHAKE_IVL, PATIENCE_MS));
        assert_works(mcq_set(socket, MCQ_OPT_RCVTIMEO, INT64_C(3) * PATIENCE_MS));
        assert_works(mcq_set(socket, MCQ_OPT_HEARTBEAT_IVL, 200));
        assert_works(mcq_set(socket, MCQ_OPT_HEARTBEAT_TIMEOUT, PATIENCE_MS));
        assert_works(mcq_monitor(socket, MCQ_REPORT_DISCONNECTED, count_report, &end_count));
    }
    bind_somewhere(bound, endpoint);
    assert_works(mcq_connect(connected, endpoint));
    /* What is lost may be nothing but acknowledgements for a while. */
    for (int round = 0; retransmitted() == 0; round++) {
        assert_in_range(round, 0, ROUNDS_MAX);
        send_and_receive(connected, bound);
    }
    assert_int_equal(atomic_load(&end_count), 0);
    for (int i = 0; i < 2; i++)
        assert_works(mcq_monitor(i == 0 ? bound : connected, 0, NULL, NULL));
    end_world(&world);
}

/* --- a line that goes away -------------------------------------------------------------------- */

/* Without heartbeats nobody asks: the connection stands, and TCP sends what was lost again. */
static void fault_d9__the_line_goes_and_comes__a_connection_holds(void)
{
    struct world world;
    struct couple couple;
    atomic_int end_count = 0;

    enter_network();
    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_monitor(couple.connected, MCQ_REPORT_DISCONNECTED, count_report, &end_count));
    send_text(couple.connected, "before", 0);
    expect_text(couple.bound, "before");
    for (int round = 0; round < 3; round++) {
        need("ip link set lo down");
        send_text(couple.connected, "meanwhile", 0);
        assert_works(mcq_set(couple.bound, MCQ_OPT_RCVTIMEO, 50));
        assert_fails(mcq_recv(couple.bound, NULL, 0, 0), EAGAIN);
        assert_works(mcq_set(couple.bound, MCQ_OPT_RCVTIMEO, PATIENCE_MS));
        need("ip link set lo up");
        expect_text(couple.bound, "meanwhile");
    }
    assert_int_equal(atomic_load(&end_count), 0);
    assert_works(mcq_monitor(couple.connected, 0, NULL, NULL));
    end_world(&world);
}

/* With heartbeats the end is found, and attempts fail until the line is back; what was sent
 * meanwhile arrives, and memory is what it was. */
static void fault_d9__the_line_goes_and_comes__heartbeats_find_it_and_peers_are_back(void)
{
    struct mcq_socket *sockets[2];
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    uint64_t blocks = 0;
    atomic_int end_count = 0;

    enter_network();
    begin_world(&world);
    for (int i = 0; i < 2; i++) {
        sockets[i] = open_socket(&world, i == 0 ? MCQ_PULL : MCQ_PUSH);
        assert_works(mcq_set(sockets[i], MCQ_OPT_HEARTBEAT_IVL, 50));
        assert_works(mcq_set(sockets[i], MCQ_OPT_RECONNECT_IVL, 10));
    }
    assert_works(mcq_monitor(sockets[1], MCQ_REPORT_DISCONNECTED, count_report, &end_count));
    bind_somewhere(sockets[0], endpoint);
    assert_works(mcq_connect(sockets[1], endpoint));
    send_text(sockets[1], "before", 0);
    expect_text(sockets[0], "before");
    for (int round = 0; round < 5; round++) {
        int ends = atomic_load(&end_count);

        need("ip link set lo down");
        for (uint64_t until = now_ms() + PATIENCE_MS;
             atomic_load(&end_count) == ends && now_ms() < until;) {
            if (inline_context != NULL)
                assert_works(mcq_ctx_run(inline_context, 1));
            (void) sched_yield();
        }
        assert_true(atomic_load(&end_count) > ends);
        send_text(sockets[1], "meanwhile", 0);
        need("ip link set lo up");
        expect_text(sockets[0], "meanwhile");
        if (round == 1)
            blocks = mcq_alloc_ledger().block_count;
    }
    assert_in_range(mcq_alloc_ledger().block_count, 0, blocks + 32);
    assert_works(mcq_monitor(sockets[1], 0, NULL, NULL));
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_d7__loss_and_a_slow_line__all_arrives_and_nobody_is_taken_for_dead)                    \
    X(fault_d9__the_line_goes_and_comes__a_connection_holds)                                       \
    X(fault_d9__the_line_goes_and_comes__heartbeats_find_it_and_peers_are_back)
#define FAULTS_AUTO(X)

FAULTS_MAIN("network")
