/* g4, g5, g6, g7, g15: how sockets, threads and the process end. */
#define _GNU_SOURCE /* pthread_setattr_default_np; NOLINT(bugprone-reserved-identifier) */

#include "faults/alone.h"

#include <dlfcn.h>

#include "interop/raw_peer.h"

#define LINGER_MS 300
#define BLOCKED 8
#define STACK_BYTES 65536
#define FLOOD_BYTES 65536

/* --- g4 --------------------------------------------------------------------------------------- */

static int blocked_recv(void *socket)
{
    return (int) mcq_recv(socket, NULL, 0, 0);
}

static int blocked_send(void *socket)
{
    static const char octets[FLOOD_BYTES];

    while (mcq_send(socket, octets, sizeof octets, 0) == 0)
        continue;
    return -1;
}

static int blocked_poll(void *socket)
{
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN};

    return mcq_poll(&entry, 1, -1);
}

static int blocked_wait(void *socket)
{
    return mcq_wait_peers(socket, 100, -1);
}

/* Peers that take nothing, nobody there, sleeping calls of every kind: shutdown ends the calls, and
 * the end comes when messages have had their time, and connections a second. */
static void fault_g4__blocked_calls__get_eterm_and_term_is_in_time(void)
{
    struct world world;
    struct helper helpers[BLOCKED];
    struct couple full;
    struct mcq_socket *lonely;
    struct mcq_socket *nobody;
    uint64_t begun_ms;
    uint64_t took_ms;

    begin_world(&world);
    full = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_set(full.connected, MCQ_OPT_SNDTIMEO, -1));
    lonely = open_socket(&world, MCQ_DEALER);
    assert_works(mcq_set(lonely, MCQ_OPT_RCVTIMEO, -1));
    nobody = open_socket(&world, MCQ_PUSH);
    assert_works(mcq_set(nobody, MCQ_OPT_SNDTIMEO, -1));
    start_helper(&helpers[0], blocked_recv, lonely);
    start_helper(&helpers[1], blocked_recv, lonely);
    start_helper(&helpers[2], blocked_poll, lonely);
    start_helper(&helpers[3], blocked_wait, lonely);
    start_helper(&helpers[4], blocked_send, full.connected);
    start_helper(&helpers[5], blocked_send, full.connected);
    start_helper(&helpers[6], blocked_send, nobody);
    start_helper(&helpers[7], blocked_wait, full.bound);
    for (size_t i = 0; i < BLOCKED; i++)
        await_sleep(&helpers[i]);
    for (size_t i = 0; i < world.socket_count; i++)
        assert_works(mcq_set(world.sockets[i], MCQ_OPT_LINGER, LINGER_MS));
    begun_ms = now_ms();
    assert_works(mcq_ctx_shutdown(world.context));
    for (size_t i = 0; i < BLOCKED; i++) {
        join_helper(&helpers[i]);
        assert_int_equal(helpers[i].result, -1);
        assert_int_equal(helpers[i].number, MCQ_ETERM);
    }
    end_world(&world);
    took_ms = now_ms() - begun_ms;
    print_message("# term took %llu ms\n", (unsigned long long) took_ms);
    assert_true(took_ms < LINGER_MS + 1000 + 1000); /* and one for a machine that is busy */
}

static uint16_t port_of(const char *endpoint)
{
    return (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
}

/* A peer that is there and takes nothing, one that never says who it is, one that is nowhere. */
static void fault_g4__peers_that_do_nothing__term_is_in_time(void)
{
    static const char octets[FLOOD_BYTES];
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    uint64_t begun_ms;
    uint64_t took_ms;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(push, endpoint);
    int deaf = raw_join(port_of(endpoint), "PULL", NULL);
    int mute = raw_connect(port_of(endpoint));

    assert_works(mcq_wait_peers(push, 1, PATIENCE_MS));
    while (mcq_send(push, octets, sizeof octets, MCQ_DONTWAIT) == 0)
        continue;
    assert_int_equal(errno, EAGAIN);
    assert_works(mcq_connect(push, "tcp://127.0.0.1:1"));
    assert_works(mcq_set(push, MCQ_OPT_LINGER, LINGER_MS));
    begun_ms = now_ms();
    end_world(&world);
    took_ms = now_ms() - begun_ms;
    print_message("# term took %llu ms\n", (unsigned long long) took_ms);
    assert_true(took_ms >= LINGER_MS && took_ms < LINGER_MS + 1000 + 1000);
    assert_int_equal(close(deaf), 0);
    assert_int_equal(close(mute), 0);
}

/* --- g5 --------------------------------------------------------------------------------------- */

static void fault_g5__closed_handles__are_enotsock(void)
{
    struct world world;
    struct mcq_message message;
    int64_t value;
    char room[64];
    size_t len = sizeof room;

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_DEALER);
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN};

    close_socket(&world, socket);
    assert_works(mcq_message_init(&message));
    assert_fails(mcq_send(socket, "x", 1, 0), ENOTSOCK);
    assert_fails(mcq_send_message(socket, &message, 0), ENOTSOCK);
    assert_fails(mcq_recv(socket, room, sizeof room, 0), ENOTSOCK);
    assert_fails(mcq_recv_message(socket, &message, 0), ENOTSOCK);
    assert_fails(mcq_poll(&entry, 1, -1), ENOTSOCK);
    assert_fails(mcq_wait_peers(socket, 1, -1), ENOTSOCK);
    assert_fails(mcq_bind(socket, "tcp://127.0.0.1:*"), ENOTSOCK);
    assert_fails(mcq_connect(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    assert_fails(mcq_unbind(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    assert_fails(mcq_disconnect(socket, "tcp://127.0.0.1:9"), ENOTSOCK);
    assert_fails(mcq_set(socket, MCQ_OPT_LINGER, 0), ENOTSOCK);
    assert_fails(mcq_get(socket, MCQ_OPT_LINGER, &value), ENOTSOCK);
    assert_fails(mcq_set_bytes(socket, MCQ_OPT_ROUTING_ID, "x", 1), ENOTSOCK);
    assert_fails(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, room, &len), ENOTSOCK);
    assert_fails(mcq_close(socket), ENOTSOCK);
    assert_works(mcq_message_close(&message));
    end_world(&world);
}

/* --- g6 --------------------------------------------------------------------------------------- */

#define BURST 1000 /* enough that the last ones wait for a fuller batch */

static int send_burst(void *socket)
{
    for (uint32_t i = 0; i < BURST; i++)
        if (mcq_send(socket, &i, sizeof i, 0) != 0)
            return -1;
    return 0;
}

static int receive_half(void *socket)
{
    for (uint32_t i = 0; i < BURST / 2; i++) {
        uint32_t number;

        if (mcq_recv(socket, &number, sizeof number, 0) != sizeof number || number != i)
            return -1;
    }
    return 0;
}

static void fault_g6__thread_ends_with_work_in_flight__socket_goes_on(void)
{
    struct world world;
    struct couple couple;
    struct helper helper;

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    for (int round = 0; round < 20; round++) {
        start_helper(&helper, send_burst, couple.connected);
        join_helper(&helper);
        assert_int_equal(helper.result, 0);
        start_helper(&helper, receive_half, couple.bound);
        join_helper(&helper);
        assert_int_equal(helper.result, 0);
        for (uint32_t i = BURST / 2; i < BURST; i++) {
            uint32_t number = 0;

            assert_int_equal(mcq_recv(couple.bound, &number, sizeof number, 0), sizeof number);
            assert_int_equal(number, i);
        }
    }
    end_world(&world);
}

static int open_couple_and_end(void *argument)
{
    struct couple *couple = argument;
    size_t len = ENDPOINT_BYTES;

    if (mcq_bind(couple->bound, "tcp://127.0.0.1:*") != 0 ||
        mcq_get_bytes(couple->bound, MCQ_OPT_LAST_ENDPOINT, couple->endpoint, &len) != 0)
        return -1;
    return mcq_connect(couple->connected, couple->endpoint);
}

/* Connecting, the handshake and the first message outlive the thread that asked for them. */
static void fault_g6__thread_ends_while_connecting__connection_stands(void)
{
    struct world world;
    struct helper helper;

    begin_world(&world);
    struct couple couple = {.bound = open_socket(&world, MCQ_PULL),
                            .connected = open_socket(&world, MCQ_PUSH)};

    start_helper(&helper, open_couple_and_end, &couple);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    start_helper(&helper, send_burst, couple.connected);
    join_helper(&helper);
    for (uint32_t i = 0; i < BURST; i++) {
        uint32_t number = 0;

        assert_int_equal(mcq_recv(couple.bound, &number, sizeof number, 0), sizeof number);
        assert_int_equal(number, i);
    }
    end_world(&world);
}

/* --- g7 --------------------------------------------------------------------------------------- */

/* In a process of its own: everything is open, and it ends. */
static void live_and_exit(void)
{
    struct world world;
    struct couple couple;

    begin_world(&world);
    couple = open_busy_couple(&world, "left");
    assert_works(mcq_connect(couple.connected, "tcp://127.0.0.1:1"));
    exit(0); /* not cmocka's: what is open stays so, and the sanitizers look */
}

static void fault_g7__exit_without_term__is_quiet(void)
{
    live_and_exit();
}

static void fault_g7__exit_while_others_are_in_calls__is_quiet(void)
{
    struct world world;
    struct couple couple;
    struct helper helpers[3];

    begin_world(&world);
    couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);
    assert_works(mcq_set(couple.connected, MCQ_OPT_SNDTIMEO, -1));
    start_helper(&helpers[0], blocked_send, couple.connected);
    start_helper(&helpers[1], blocked_wait, couple.bound);
    start_helper(&helpers[2], blocked_recv, open_socket(&world, MCQ_PULL));
    for (size_t i = 0; i < MCQ_COUNTOF(helpers); i++)
        await_sleep(&helpers[i]);
    exit(0);
}

/* The library is unloaded with an engine at work; then a stranger comes, whom the engine greets. */
static void fault_g7__unload_without_term__is_quiet(void)
{
    const char *folder = getenv("MONOCOQUE_BUILD_DIR");
    char path[512];
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    struct sockaddr_in to = {.sin_family = AF_INET};
    char octet;
    void *library;

    if (folder == NULL)
        skip_because("MONOCOQUE_BUILD_DIR does not say where the library is");
    (void) snprintf(path, sizeof path, "%s/src/libmonocoque.so.0", folder);
    if (access(path, R_OK) != 0)
        skip_because("this build has no shared library");
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);

#define FIND(name)                                                                                 \
    __typeof__(&(name)) its_##name = (__typeof__(&(name))) (uintptr_t) dlsym(library, #name)
    FIND(mcq_ctx_new);
    FIND(mcq_socket);
    FIND(mcq_bind);
    FIND(mcq_get_bytes);
#undef FIND
    struct mcq_socket *socket_of = its_mcq_socket(its_mcq_ctx_new(), MCQ_PULL);

    assert_non_null(socket_of);
    assert_int_equal(its_mcq_bind(socket_of, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(its_mcq_get_bytes(socket_of, MCQ_OPT_LAST_ENDPOINT, endpoint, &len), 0);
    assert_int_equal(dlclose(library), 0);

    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port_of(endpoint));
    assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof to), 0);
    assert_int_equal(recv(fd, &octet, 1, 0), 1);
    exit(0);
}

/* --- g15 -------------------------------------------------------------------------------------- */

static int live_on_a_small_stack(void *argument)
{
    struct world world;
    struct couple couple;

    (void) argument;
    begin_world(&world); /* its engine's thread has the small default, too */
    couple = open_couple(&world, MCQ_ROUTER, MCQ_DEALER);
    for (int i = 0; i < 100; i++) {
        struct mcq_poll_entry entries[20];
        char id[16];

        for (size_t at = 0; at < MCQ_COUNTOF(entries); at++)
            entries[at] = (struct mcq_poll_entry) {.socket = couple.bound, .events = MCQ_POLLIN};
        send_text(couple.connected, "one", MCQ_SNDMORE);
        send_text(couple.connected, "two", 0);
        /* The message may come while the entries are looked at. */
        assert_true(mcq_poll(entries, MCQ_COUNTOF(entries), PATIENCE_MS) > 0);
        assert_true(mcq_recv(couple.bound, id, sizeof id, 0) > 0);
        expect_part(couple.bound, "one", true);
        expect_part(couple.bound, "two", false);
    }
    assert_fails(mcq_bind(couple.bound, couple.endpoint), EADDRINUSE);
    (void) mcq_last_error();
    end_world(&world);
    return 0;
}

static void fault_g15__small_stacks__suffice(void)
{
    pthread_attr_t attributes;
    struct helper helper;

    need_small_frames();
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    start_helper(&helper, live_on_a_small_stack, NULL);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
}

#define FAULTS(X)                                                                                  \
    X(fault_g4__blocked_calls__get_eterm_and_term_is_in_time)                                      \
    X(fault_g4__peers_that_do_nothing__term_is_in_time)                                            \
    X(fault_g5__closed_handles__are_enotsock)                                                      \
    X(fault_g6__thread_ends_with_work_in_flight__socket_goes_on)                                   \
    X(fault_g6__thread_ends_while_connecting__connection_stands)                                   \
    X(fault_g7__exit_without_term__is_quiet)                                                       \
    X(fault_g7__exit_while_others_are_in_calls__is_quiet)                                          \
    X(fault_g7__unload_without_term__is_quiet)                                                     \
    X(fault_g15__small_stacks__suffice)
#define FAULTS_AUTO(X)

FAULTS_MAIN("life")
