#include "api/test_support.h"

static void context__without_sockets__ends(void)
{
    struct mcq_context *context = mcq_ctx_new();

    assert_non_null(context);
    assert_works(mcq_ctx_term(context, 0));
}

static void options__have_their_defaults_and_bounds(void)
{
    struct mcq_context *context = mcq_ctx_new();
    int64_t value;

    assert_works(mcq_ctx_get(context, MCQ_CTX_IO_THREADS, &value));
    assert_int_equal(value, 1);
    assert_works(mcq_ctx_get(context, MCQ_CTX_MAX_SOCKETS, &value));
    assert_int_equal(value, 65535);
    assert_works(mcq_ctx_set(context, MCQ_CTX_IO_THREADS, 64));
    assert_works(mcq_ctx_get(context, MCQ_CTX_IO_THREADS, &value));
    assert_int_equal(value, 64);
    assert_fails(mcq_ctx_set(context, MCQ_CTX_IO_THREADS, -1), EINVAL);
    assert_says(mcq_ctx_set(context, MCQ_CTX_IO_THREADS, 65), EINVAL,
                "ctx_set IO_THREADS to 65: not in 0..64");
    assert_fails(mcq_ctx_set(context, MCQ_CTX_MAX_SOCKETS, 65536), EINVAL);
    assert_works(mcq_ctx_get(context, MCQ_CTX_BUDGET, &value));
    assert_true(value > 1 << 20); /* a quarter of what there is */
    assert_works(mcq_ctx_set(context, MCQ_CTX_BUDGET, 0));
    assert_works(mcq_ctx_get(context, MCQ_CTX_BUDGET, &value));
    assert_int_equal(value, 0);
    assert_works(mcq_ctx_set(context, MCQ_CTX_BUDGET, INT64_MAX));
    assert_works(mcq_ctx_get(context, MCQ_CTX_BUDGET, &value));
    assert_true(value == INT64_MAX);
    assert_fails(mcq_ctx_set(context, MCQ_CTX_BUDGET, -2), EINVAL);
    assert_works(mcq_ctx_get(context, MCQ_CTX_BUDGET_USED, &value));
    assert_int_equal(value, 0);
    assert_fails(mcq_ctx_set(context, MCQ_CTX_BUDGET_USED, 0), EINVAL);
    assert_fails(mcq_ctx_set(context, (enum mcq_ctx_option) 99, 1), EINVAL);
    assert_fails(mcq_ctx_get(context, (enum mcq_ctx_option) 99, &value), EINVAL);
    assert_works(mcq_ctx_term(context, 0));
}

static void null__is_efault(void)
{
    struct mcq_context *context = mcq_ctx_new();
    int64_t value;

    assert_fails(mcq_ctx_set(NULL, MCQ_CTX_IO_THREADS, 1), EFAULT);
    assert_fails(mcq_ctx_get(NULL, MCQ_CTX_IO_THREADS, &value), EFAULT);
    assert_fails(mcq_ctx_get(context, MCQ_CTX_IO_THREADS, NULL), EFAULT);
    assert_fails(mcq_ctx_shutdown(NULL), EFAULT);
    assert_says(mcq_ctx_term(NULL, 0), EFAULT, "ctx_term: context is NULL");
    assert_null(mcq_socket(NULL, MCQ_PULL));
    assert_int_equal(errno, EFAULT);
    assert_works(mcq_ctx_term(context, 0));
}

static void io_threads__once_they_run__is_ebusy(void)
{
    struct world world;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_IO_THREADS, 3));
    for (int i = 0; i < 4; i++)
        (void) open_socket(&world, MCQ_PULL);
    assert_says(mcq_ctx_set(world.context, MCQ_CTX_IO_THREADS, 2), EBUSY,
                "ctx_set IO_THREADS: the threads run; set it before the first socket");
    end_world(&world);
}

static void max_sockets__more_are_emfile_until_one_is_closed(void)
{
    struct world world;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_MAX_SOCKETS, 2));
    (void) open_socket(&world, MCQ_PULL);
    struct mcq_socket *second = open_socket(&world, MCQ_PULL);

    assert_null(mcq_socket(world.context, MCQ_PULL));
    assert_int_equal(errno, EMFILE);
    close_socket(&world, second);
    struct mcq_socket *third;

    for (uint64_t until = now_ms() + PATIENCE_MS;
         (third = mcq_socket(world.context, MCQ_PULL)) == NULL && now_ms() < until;)
        assert_int_equal(errno, EMFILE);
    assert_works(mcq_close(third));
    end_world(&world);
}

static void shutdown__calls_are_eterm_and_close_works(void)
{
    struct world world;
    int64_t value;

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PAIR);
    struct mcq_poll_entry entry = {.socket = socket, .events = MCQ_POLLIN};

    assert_works(mcq_ctx_shutdown(world.context));
    assert_null(mcq_socket(world.context, MCQ_PULL));
    assert_int_equal(errno, MCQ_ETERM);
    assert_says(mcq_bind(socket, "tcp://127.0.0.1:*"), MCQ_ETERM,
                "bind tcp://127.0.0.1:*: the context is shutting down; close the socket");
    assert_fails(mcq_connect(socket, "tcp://127.0.0.1:9"), MCQ_ETERM);
    assert_fails(mcq_send(socket, "x", 1, 0), MCQ_ETERM);
    assert_fails(mcq_recv(socket, NULL, 0, 0), MCQ_ETERM);
    assert_fails(mcq_set(socket, MCQ_OPT_LINGER, 0), MCQ_ETERM);
    assert_fails(mcq_get(socket, MCQ_OPT_LINGER, &value), MCQ_ETERM);
    assert_fails(mcq_get(socket, MCQ_OPT_EVENTS, &value), MCQ_ETERM);
    assert_fails(mcq_poll(&entry, 1, 0), MCQ_ETERM);
    assert_fails(mcq_wait_peers(socket, 1, 0), MCQ_ETERM);
    assert_works(mcq_ctx_shutdown(world.context));
    end_world(&world);
}

static void term__with_an_open_socket__is_eagain_and_may_be_called_again(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_socket *socket = mcq_socket(context, MCQ_PULL);

    assert_says(mcq_ctx_term(context, 20), EAGAIN,
                "ctx_term: 1 of its sockets are not closed, or linger, after 20 ms: a PULL is not "
                "closed");
    assert_fails(mcq_recv(socket, NULL, 0, 0), MCQ_ETERM);
    assert_works(mcq_close(socket));
    assert_works(mcq_ctx_term(context, PATIENCE_MS));
}

#ifdef UNDER_TSAN
#define CLOSE_COUNT 1000
#else
#define CLOSE_COUNT 20000
#endif
/* A socket maps three quarters of a GiB that it does not touch. Sanitizers and valgrind have little
 * room for addresses, and with them sockets are opened faster than they end. */
#define ENDING_MAX 32

static struct mcq_socket *open_when_there_is_room(struct mcq_context *context)
{
    struct mcq_socket *socket;

    while ((socket = mcq_socket(context, MCQ_PUSH)) == NULL) {
        assert_int_equal(errno, EMFILE);
        (void) sched_yield();
    }
    return socket;
}

/* The engine begins with what a closing socket asks first while the caller asks for its end. */
static void close__over_and_over__each_socket_ends_once(void)
{
    struct world world;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_MAX_SOCKETS, ENDING_MAX));
    for (int i = 0; i < CLOSE_COUNT; i++) {
        struct mcq_socket *socket = open_when_there_is_room(world.context);

        assert_works(mcq_set(socket, MCQ_OPT_LINGER, 1000));
        assert_works(mcq_close(socket));
    }
    end_world(&world);
}

static int term_at_once(void *context)
{
    return mcq_ctx_term(context, 0);
}

static void run__without_threads__by_its_own_thread_only(void)
{
    struct mcq_context *context = mcq_ctx_new();
    struct mcq_context *other = mcq_ctx_new();
    struct mcq_socket *socket;
    struct helper helper;

    assert_fails(mcq_ctx_run(NULL, 0), EFAULT);
    assert_says(mcq_ctx_run(context, -1), EINVAL, "ctx_run: -1 ms: it ends by its time only");
    assert_works(mcq_ctx_run(context, 0));
    socket = mcq_socket(context, MCQ_PULL);
    assert_non_null(socket);
    assert_fails(mcq_ctx_run(context, 0), EACCES);
    assert_works(mcq_close(socket));
    assert_works(mcq_ctx_term(context, PATIENCE_MS));

    assert_works(mcq_ctx_set(other, MCQ_CTX_IO_THREADS, 0));
    socket = mcq_socket(other, MCQ_PULL);
    assert_non_null(socket);
    assert_works(mcq_ctx_run(other, 1));
    assert_works(mcq_close(socket));
    start_helper(&helper, term_at_once, other);
    join_helper(&helper);
    assert_int_equal(helper.result, -1);
    assert_int_equal(helper.number, EACCES);
    assert_works(mcq_ctx_term(other, PATIENCE_MS));
}

static int term_without_end(void *context)
{
    return mcq_ctx_term(context, -1);
}

/* Often: whoever closes must not look at the context once the other thread may free it. */
static void term__in_another_thread__goes_on_when_the_last_socket_is_closed(void)
{
    for (int round = 0; round < 20; round++) {
        struct mcq_context *context = mcq_ctx_new();
        struct mcq_socket *socket = mcq_socket(context, MCQ_PULL);
        struct helper helper;

        start_helper(&helper, term_without_end, context);
        await_sleep(&helper);
        assert_fails(mcq_recv(socket, NULL, 0, 0), MCQ_ETERM);
        assert_works(mcq_close(socket));
        join_helper(&helper);
        assert_int_equal(helper.result, 0);
    }
}

static void many_contexts__have_lives_of_their_own(void)
{
    struct world worlds[4];

    begin_world_with_threads(&worlds[0]);
    for (size_t i = 1; i < MCQ_COUNTOF(worlds); i++)
        begin_world(&worlds[i]);
    struct mcq_socket *pull = open_socket(&worlds[0], MCQ_PULL);
    char endpoint[ENDPOINT_BYTES];

    bind_somewhere(pull, endpoint);
    for (size_t i = 1; i < MCQ_COUNTOF(worlds); i++) {
        struct mcq_socket *push = open_socket(&worlds[i], MCQ_PUSH);

        assert_works(mcq_connect(push, endpoint));
        send_text(push, "hello", 0);
        end_world(&worlds[i]);
        expect_text(pull, "hello");
    }
    end_world(&worlds[0]);
}

#define ON_BOTH(X)                                                                                 \
    X(context__without_sockets__ends)                                                              \
    X(options__have_their_defaults_and_bounds)                                                     \
    X(null__is_efault)                                                                             \
    X(io_threads__once_they_run__is_ebusy)                                                         \
    X(max_sockets__more_are_emfile_until_one_is_closed)                                            \
    X(shutdown__calls_are_eterm_and_close_works)                                                   \
    X(run__without_threads__by_its_own_thread_only)                                                \
    X(close__over_and_over__each_socket_ends_once)                                                 \
    X(term__with_an_open_socket__is_eagain_and_may_be_called_again)                                \
    X(term__in_another_thread__goes_on_when_the_last_socket_is_closed)                             \
    X(many_contexts__have_lives_of_their_own)

ON_BOTH(BOTH_TESTS)

static void engine__that_is_not_there__is_einval_and_named(void **state)
{
    struct mcq_context *context = mcq_ctx_new();

    (void) state;
    assert_int_equal(setenv("MONOCOQUE_ENGINE", "steam", 1), 0);
    assert_null(mcq_socket(context, MCQ_PULL));
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(mcq_last_error(), "MONOCOQUE_ENGINE"));
    assert_null(mcq_socket(context, (enum mcq_type) 99));
    assert_string_equal(mcq_last_error(), "socket: there is no type 99");
    assert_works(mcq_ctx_term(context, 0));
}

static void version__is_that_of_the_header(void **state)
{
    int major = -1;
    int minor = -1;
    int patch = -1;

    (void) state;
    mcq_version(&major, &minor, &patch);
    mcq_version(NULL, NULL, NULL);
    assert_int_equal(major, MCQ_VERSION_MAJOR);
    assert_int_equal(minor, MCQ_VERSION_MINOR);
    assert_int_equal(patch, MCQ_VERSION_PATCH);
}

static void strerror__knows_our_numbers_and_the_system_s(void **state)
{
    (void) state;
    assert_string_equal(mcq_strerror(MCQ_EFSM), "call out of turn");
    assert_string_equal(mcq_strerror(MCQ_ETERM), "the context is shutting down");
    assert_string_equal(mcq_strerror(ENOENT), "No such file or directory");
    assert_true(strlen(mcq_strerror(987654)) > 0);
}

/* errno is what the caller looks at next. */
static void last_error__leaves_errno_alone(void **state)
{
    (void) state;
    assert_fails(mcq_close(NULL), EFAULT);
    assert_string_equal(mcq_last_error(), "close: socket is NULL");
    assert_int_equal(errno, EFAULT);
    assert_string_equal(mcq_last_error(), "close: socket is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(BOTH_ROWS) cmocka_unit_test(engine__that_is_not_there__is_einval_and_named),
        cmocka_unit_test(version__is_that_of_the_header),
        cmocka_unit_test(strerror__knows_our_numbers_and_the_system_s),
        cmocka_unit_test(last_error__leaves_errno_alone),
    };

    return run_group(tests, MCQ_COUNTOF(tests), "api.context");
}
