/* g8, g9: option values and calls at random from two threads, and a hundred thousand connections
 * that come and go: the right errno, ledgers at zero, nothing that grows. */
#include "faults/alone.h"

#include <inttypes.h>
#include <sys/resource.h>

#define STEPS 20000
#define CYCLES 1500
#define CYCLES_FULL 100000
#define SHARED 4 /* sockets that both threads use */

/* --- random numbers --------------------------------------------------------------------------- */

static uint64_t seed_of_run(void)
{
    const char *text = getenv("MONOCOQUE_FAULT_SEED");
    struct timespec now;
    uint64_t seed;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t) now.tv_nsec ^ (uint64_t) now.tv_sec;
    print_message("# MONOCOQUE_FAULT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static int64_t any_value(uint64_t *random)
{
    static const int64_t edges[] = {0,         1,         -1,        2,         255,       256,
                                    INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, UINT32_MAX};

    switch (next_random(random) % 4) {
    case 0: return edges[next_random(random) % MCQ_COUNTOF(edges)];
    case 1: return (int64_t) next_random(random);
    default: return (int64_t) (next_random(random) % 2000) - 100;
    }
}

static enum mcq_option any_option(uint64_t *random)
{
    static const int ours[] = {5,  6,  7,  13, 15, 16, 17, 18, 19, 21, 22, 23, 24,
                               27, 28, 32, 33, 42, 52, 53, 56, 66, 75, 76, 77, 1000};

    if (next_random(random) % 4 == 0)
        return (enum mcq_option)(next_random(random) % 1100);
    return (enum mcq_option) ours[next_random(random) % MCQ_COUNTOF(ours)];
}

static enum mcq_type any_type(uint64_t *random)
{
    return (enum mcq_type)(next_random(random) % 9);
}

/* --- g8 --------------------------------------------------------------------------------------- */

/* What is set is what is got, and all else is EINVAL. */
static void set_and_get(struct mcq_socket *socket, uint64_t *random)
{
    enum mcq_option option = any_option(random);
    int64_t value = any_value(random);
    int64_t got = 0;
    uint8_t octets[300] = {0};
    size_t len = next_random(random) % sizeof octets;

    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t) next_random(random);
    if (mcq_set(socket, option, value) == 0) {
        if (mcq_get(socket, option, &got) == 0)
            assert_int_equal(got, value);
        else
            assert_int_equal(errno, EINVAL); /* set only */
    } else {
        assert_int_equal(errno, EINVAL);
    }
    if (mcq_set_bytes(socket, option, octets, len) != 0)
        assert_int_equal(errno, EINVAL);
    len = next_random(random) % sizeof octets;
    if (mcq_get_bytes(socket, option, octets, &len) != 0)
        assert_int_equal(errno, EINVAL);
}

static void fault_g8__random_option_values__are_kept_or_einval(void)
{
    uint64_t random = seed_of_run();

    for (int round = 0; round < 30; round++) {
        struct mcq_context *context = mcq_ctx_new();
        struct mcq_socket *sockets[SHARED];

        for (size_t i = 0; i < SHARED; i++) {
            sockets[i] = mcq_socket(context, any_type(&random));
            assert_non_null(sockets[i]);
        }
        for (int step = 0; step < 300; step++)
            set_and_get(sockets[next_random(&random) % SHARED], &random);
        for (size_t i = 0; i < SHARED; i++) {
            (void) mcq_bind(sockets[i], "tcp://127.0.0.1:*");
            assert_works(mcq_set(sockets[i], MCQ_OPT_LINGER, 0));
            assert_works(mcq_close(sockets[i]));
        }
        assert_works(mcq_ctx_term(context, PATIENCE_MS));
    }
}

/* --- g9 --------------------------------------------------------------------------------------- */

struct player {
    struct mcq_context *context;
    _Atomic(struct mcq_socket *) *sockets; /* SHARED of them; who closes one puts another */
    pthread_mutex_t *closing;              /* a closed socket may be named until the next opens */
    char (*endpoints)[ENDPOINT_BYTES];
    uint64_t random;
};

/* Everything that these calls may say of themselves. */
static bool is_expected(int number)
{
    static const int numbers[] = {EAGAIN,       EINVAL,        ENOTSUP,   MCQ_EFSM,    ENOTSOCK,
                                  EHOSTUNREACH, EADDRINUSE,    ENOENT,    EISCONN,     ECONNRESET,
                                  EMSGSIZE,     EADDRNOTAVAIL, MCQ_ETERM, MCQ_EMTHREAD};

    for (size_t i = 0; i < MCQ_COUNTOF(numbers); i++)
        if (numbers[i] == number)
            return true;
    return false;
}

/* A socket without linger, bound. */
static struct mcq_socket *open_any(struct mcq_context *context, uint64_t *random)
{
    struct mcq_socket *socket = mcq_socket(context, any_type(random));

    if (socket == NULL)
        return NULL;
    (void) mcq_set(socket, MCQ_OPT_LINGER, 0); /* or the context is shutting down */
    (void) mcq_bind(socket, "tcp://127.0.0.1:*");
    return socket;
}

/* The closed one stays where nobody else is opened. */
static int replace(struct player *player, size_t at)
{
    struct mcq_socket *socket = atomic_load(&player->sockets[at]);

    if (mcq_close(socket) != 0)
        return -1;
    socket = open_any(player->context, &player->random);
    if (socket == NULL)
        return -1;
    atomic_store(&player->sockets[at], socket);
    return 0;
}

static bool step_of(struct player *player)
{
    static const uint8_t octets[20000];
    static _Thread_local uint8_t room[20000];
    uint64_t *random = &player->random;
    size_t at = next_random(random) % SHARED;
    const char *endpoint = player->endpoints[next_random(random) % SHARED];
    int flags = (int) (next_random(random) % 4);
    struct mcq_socket *socket = atomic_load(&player->sockets[at]);
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN | MCQ_POLLOUT};
    size_t len = ENDPOINT_BYTES;
    ptrdiff_t result = 0;

    switch (next_random(random) % 16) {
    case 0: result = mcq_connect(socket, endpoint); break;
    case 1: result = mcq_disconnect(socket, endpoint); break;
    case 2: result = mcq_unbind(socket, endpoint); break;
    case 3: result = mcq_poll(&entry, 1, (int) (next_random(random) % 2)); break;
    case 4: result = mcq_wait_peers(socket, 1, (int) (next_random(random) % 2)); break;
    case 5: {
        enum mcq_option option = any_option(random);

        /* What lingers may do so for ever: that is no fault of it. */
        result = option != MCQ_OPT_LINGER ? mcq_set(socket, option, any_value(random)) : 0;
        break;
    }
    case 6: result = mcq_set_bytes(socket, MCQ_OPT_SUBSCRIBE, octets, flags); break;
    case 7: result = mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, room, &len); break;
    case 8:
        (void) pthread_mutex_lock(player->closing);
        result = replace(player, at);
        (void) pthread_mutex_unlock(player->closing);
        break;
    case 9:
    case 10:
    case 11:
        result = mcq_recv(socket, room, next_random(random) % sizeof room, MCQ_DONTWAIT);
        break;
    default:
        result = mcq_send(socket, octets, next_random(random) % sizeof octets,
                          MCQ_DONTWAIT | (flags & MCQ_SNDMORE));
    }
    if (result >= 0 || is_expected(errno))
        return true;
    (void) fprintf(stderr, "errno %d: %s\n", errno, mcq_last_error());
    return false;
}

static int play(void *argument)
{
    struct player *player = argument;

    for (int i = 0; i < STEPS; i++)
        if (!step_of(player))
            return -1;
    return 0;
}

/* Sockets of any type, which two threads use as they like, and their endpoints. */
struct stage {
    struct world world;
    pthread_mutex_t closing;
    _Atomic(struct mcq_socket *) sockets[SHARED];
    char endpoints[SHARED][ENDPOINT_BYTES];
    struct player players[2];
    struct helper helpers[2];
};

static void begin_stage(struct stage *stage, uint64_t *random)
{
    begin_world(&stage->world);
    assert_works(mcq_ctx_set(stage->world.context, MCQ_CTX_IO_THREADS, 2));
    assert_int_equal(pthread_mutex_init(&stage->closing, NULL), 0);
    for (size_t i = 0; i < SHARED; i++) {
        struct mcq_socket *socket = open_any(stage->world.context, random);
        size_t len = ENDPOINT_BYTES;

        assert_non_null(socket);
        assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, stage->endpoints[i], &len));
        atomic_init(&stage->sockets[i], socket);
    }
    for (size_t i = 0; i < MCQ_COUNTOF(stage->players); i++) {
        stage->players[i] = (struct player) {
            .context = stage->world.context,
            .sockets = stage->sockets,
            .closing = &stage->closing,
            .endpoints = stage->endpoints,
            .random = next_random(random),
        };
        start_helper(&stage->helpers[i], play, &stage->players[i]);
    }
}

static void end_stage(struct stage *stage)
{
    for (size_t i = 0; i < MCQ_COUNTOF(stage->helpers); i++) {
        join_helper(&stage->helpers[i]);
        assert_int_equal(stage->helpers[i].result, 0);
    }
    for (size_t i = 0; i < SHARED; i++)
        (void) mcq_close(atomic_load(&stage->sockets[i])); /* it may be closed */
    end_world(&stage->world);
    assert_int_equal(pthread_mutex_destroy(&stage->closing), 0);
}

static void fault_g9__random_calls_from_two_threads__leave_nothing(void)
{
    uint64_t random = seed_of_run();
    struct stage stage;

    begin_stage(&stage, &random);
    end_stage(&stage);
}

/* From then on the players' calls give ETERM. */
static void fault_g9__shutdown_among_random_calls__ends_them(void)
{
    uint64_t random = seed_of_run();

    for (int round = 0; round < 20; round++) {
        struct stage stage;

        begin_stage(&stage, &random);
        for (uint64_t spins = next_random(&random) % 300; spins > 0; spins--)
            (void) sched_yield();
        assert_works(mcq_ctx_shutdown(stage.world.context));
        end_stage(&stage);
    }
}

/* --- coming and going ------------------------------------------------------------------------- */

/* Octets of the process in memory. */
static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    return (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* Enough to see one octet of each. */
static int cycle_count(void)
{
    return is_full_run() ? CYCLES_FULL : CYCLES;
}

/* What the process holds. */
struct holding {
    uint64_t block_count;
    uint64_t resident_bytes;
    size_t fd_count;
    double seconds;
};

static struct holding look(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct holding) {
        .block_count = mcq_alloc_ledger().block_count,
        .resident_bytes = resident_bytes(),
        .fd_count = open_fd_count(),
        .seconds = (double) now.tv_sec + (double) now.tv_nsec / 1e9,
    };
}

static void tell(int cycles, struct holding now, struct holding first)
{
    print_message("# %d cycles, %.1f s: %" PRIu64 " blocks, %" PRIu64 " KiB resident, "
                  "%zu descriptors\n",
                  cycles, now.seconds - first.seconds, now.block_count, now.resident_bytes / 1024,
                  now.fd_count);
}

static void cycle(struct world *world, struct mcq_socket *bound, const char *endpoint)
{
    struct mcq_socket *push = mcq_socket(world->context, MCQ_PUSH);

    assert_non_null(push);
    assert_works(mcq_connect(push, endpoint));
    assert_works(mcq_send(push, "once", 4, 0));
    expect_text(bound, "once");
    assert_works(mcq_close(push));
}

/* Blocks and descriptors that are out go back to what they were while nobody is connected. */
static void fault_g9__connections_come_and_go__nothing_grows(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct holding early = {0};
    struct holding first;
    struct holding late;
    int count = cycle_count();

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    bind_somewhere(pull, endpoint);
    first = look();
    tell(0, first, first);
    for (int i = 0; i < count; i++) {
        cycle(&world, pull, endpoint);
        if (i == count / 3)
            early = look();
    }
    late = look();
    tell(count / 3, early, first);
    tell(count, late, first);
    /* A few of the last ones may still be on their way out. */
    assert_true(late.block_count < early.block_count + 200);
    assert_true(late.fd_count < early.fd_count + 50);
#if !defined(__SANITIZE_ADDRESS__) && !defined(UNDER_TSAN)
    assert_true(late.resident_bytes < early.resident_bytes + (UINT64_C(4) << 20));
#endif
    end_world(&world);
}

#define FAULTS(X)                                                                                  \
    X(fault_g8__random_option_values__are_kept_or_einval)                                          \
    X(fault_g9__random_calls_from_two_threads__leave_nothing)                                      \
    X(fault_g9__shutdown_among_random_calls__ends_them)                                            \
    X(fault_g9__connections_come_and_go__nothing_grows)
#define FAULTS_AUTO(X)

FAULTS_MAIN("calls")
