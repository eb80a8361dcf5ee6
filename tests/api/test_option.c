#include <limits.h>

#include "api/test_support.h"

/* What the manual says of each number. */
struct number_row {
    enum mcq_option option;
    enum mcq_type type;
    int64_t initial;
    int64_t min;
    int64_t max;
};

static const struct number_row number_table[] = {
    {MCQ_OPT_LINGER, MCQ_PUSH, -1, -1, INT_MAX},
    {MCQ_OPT_LINGER, MCQ_SUB, 0, -1, INT_MAX},
    {MCQ_OPT_RECONNECT_IVL, MCQ_PUSH, 100, -1, INT_MAX},
    {MCQ_OPT_BACKLOG, MCQ_PUSH, 1024, 0, INT_MAX},
    {MCQ_OPT_CONNECT_TIMEOUT, MCQ_PUSH, 0, 0, INT_MAX},
    {MCQ_OPT_RECONNECT_STOP, MCQ_PUSH, 0, 0, 7},
    {MCQ_OPT_RECONNECT_JITTER, MCQ_PUSH, 1, 0, 1},
    {MCQ_OPT_STRANGERS_MAX, MCQ_PUSH, 1024, 1, INT_MAX},
    {MCQ_OPT_SOURCE_STRANGERS_MAX, MCQ_PUSH, 0, 0, INT_MAX},
    {MCQ_OPT_SOURCE_MAX, MCQ_PUSH, 0, 0, INT_MAX},
    {MCQ_OPT_COMMAND_MAX, MCQ_PUSH, -1, -1, 65536},
    {MCQ_OPT_PROPERTIES_MAX, MCQ_PUSH, -1, -1, 1024},
    {MCQ_OPT_PARTS_MAX, MCQ_PUSH, -1, -1, 1 << 20},
    {MCQ_OPT_MESSAGE_MAX, MCQ_PUSH, -1, -1, INT64_MAX},
    {MCQ_OPT_SUBSCRIPTIONS_MAX, MCQ_PUB, 16 << 20, 0, INT_MAX},
    {MCQ_OPT_RECONNECT_IVL_MAX, MCQ_PUSH, 0, 0, INT_MAX},
    {MCQ_OPT_MAXMSGSIZE, MCQ_PUSH, -1, -1, INT64_MAX},
    {MCQ_OPT_SNDHWM, MCQ_PUSH, 1000, 0, INT_MAX},
    {MCQ_OPT_RCVHWM, MCQ_PUSH, 1000, 0, INT_MAX},
    {MCQ_OPT_RCVTIMEO, MCQ_PUSH, -1, -1, INT_MAX},
    {MCQ_OPT_SNDTIMEO, MCQ_PUSH, -1, -1, INT_MAX},
    {MCQ_OPT_IPV6, MCQ_PUSH, 0, 0, 1},
    {MCQ_OPT_HANDSHAKE_IVL, MCQ_PUSH, 5000, 0, INT_MAX},
    {MCQ_OPT_HEARTBEAT_IVL, MCQ_PUSH, 0, 0, INT_MAX},
    {MCQ_OPT_HEARTBEAT_TTL, MCQ_PUSH, 0, 0, 6553599},
    {MCQ_OPT_HEARTBEAT_TIMEOUT, MCQ_PUSH, -1, -1, INT_MAX},
    {MCQ_OPT_OLDER_PEERS, MCQ_PUSH, 0, 0, 1},
    {MCQ_OPT_PLAIN_REMOTE, MCQ_PUSH, 0, 0, 1},
};

static void numbers__have_defaults_and_bounds(void)
{
    struct mcq_context *context = mcq_ctx_new();

    for (size_t i = 0; i < MCQ_COUNTOF(number_table); i++) {
        const struct number_row *row = &number_table[i];
        struct mcq_socket *socket = mcq_socket(context, row->type);

        assert_int_equal(number_of(socket, row->option), row->initial);
        assert_works(mcq_set(socket, row->option, row->max));
        assert_int_equal(number_of(socket, row->option), row->max);
        assert_works(mcq_set(socket, row->option, row->min));
        assert_int_equal(number_of(socket, row->option), row->min);
        assert_fails(mcq_set(socket, row->option, row->min - 1), EINVAL);
        if (row->max < INT64_MAX)
            assert_fails(mcq_set(socket, row->option, row->max + 1), EINVAL);
        assert_fails(mcq_set_bytes(socket, row->option, "x", 1), EINVAL);
        assert_int_equal(number_of(socket, row->option), row->min);
        assert_works(mcq_set(socket, MCQ_OPT_LINGER, 0));
        assert_works(mcq_close(socket));
        assert_fails(mcq_set(socket, row->option, row->min), ENOTSOCK);
    }
    assert_works(mcq_ctx_term(context, PATIENCE_MS));
}

static void refusals__name_the_option_and_the_way_out(void)
{
    struct world world;
    int64_t value;
    size_t len = 0;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_says(mcq_set(push, MCQ_OPT_LINGER, -2), EINVAL,
                "set LINGER to -2: not in -1..2147483647");
    assert_says(mcq_set(push, (enum mcq_option) 999, 1), EINVAL,
                "set option 999: there is no such option");
    assert_says(mcq_get(push, (enum mcq_option) 999, &value), EINVAL,
                "get option 999: there is no such option");
    assert_says(mcq_set(push, MCQ_OPT_RCVMORE, 1), EINVAL, "set RCVMORE: it can only be asked for");
    assert_says(mcq_get(push, MCQ_OPT_REQ_RELAXED, &value), EINVAL,
                "get REQ_RELAXED: it can only be set");
    assert_says(mcq_set(push, MCQ_OPT_REQ_RELAXED, 1), EINVAL,
                "set REQ_RELAXED: a PUSH socket has no such option");
    assert_says(mcq_set(push, MCQ_OPT_ROUTING_ID, 1), EINVAL,
                "set ROUTING_ID: its value is octets; use mcq_set_bytes");
    assert_says(mcq_get_bytes(push, MCQ_OPT_LINGER, NULL, &len), EINVAL,
                "get LINGER: its value is a number; use mcq_get");
    assert_says(mcq_set_bytes(push, MCQ_OPT_SUBSCRIBE, "a", 1), EINVAL,
                "set SUBSCRIBE: a PUSH socket has no such option");
    end_world(&world);
}

/* Also those that every socket has a place for. */
static void options_of_other_types__are_not_asked_for(void)
{
    struct world world;
    int64_t value = 5;

    begin_world(&world);
    struct mcq_socket *pair = open_socket(&world, MCQ_PAIR);

    assert_says(mcq_get(pair, MCQ_OPT_CONFLATE, &value), EINVAL,
                "get CONFLATE: a PAIR socket has no such option");
    assert_says(mcq_get(pair, MCQ_OPT_SUBSCRIPTIONS_MAX, &value), EINVAL,
                "get SUBSCRIPTIONS_MAX: a PAIR socket has no such option");
    assert_int_equal(value, 5);
    assert_int_equal(number_of(open_socket(&world, MCQ_PULL), MCQ_OPT_CONFLATE), 0);
    end_world(&world);
}

static void pattern_options__belong_to_their_types(void)
{
    static const struct {
        enum mcq_option option;
        enum mcq_type type;
    } rows[] = {
        {MCQ_OPT_ROUTER_MANDATORY, MCQ_ROUTER},
        {MCQ_OPT_ROUTER_HANDOVER, MCQ_ROUTER},
        {MCQ_OPT_REQ_RELAXED, MCQ_REQ},
        {MCQ_OPT_REQ_CORRELATE, MCQ_REQ},
        {MCQ_OPT_XPUB_VERBOSE, MCQ_XPUB},
        {MCQ_OPT_XPUB_VERBOSER, MCQ_XPUB},
        {MCQ_OPT_XPUB_MANUAL, MCQ_XPUB},
        {MCQ_OPT_XPUB_MANUAL_LAST_VALUE, MCQ_XPUB},
        {MCQ_OPT_XSUB_VERBOSE_UNSUBSCRIBE, MCQ_XSUB},
    };
    struct world world;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++)
        for (int type = MCQ_PAIR; type <= MCQ_XSUB; type++) {
            struct mcq_socket *socket = open_socket(&world, (enum mcq_type) type);

            if (type != (int) rows[i].type) {
                assert_fails(mcq_set(socket, rows[i].option, 1), EINVAL);
                continue;
            }
            assert_works(mcq_set(socket, rows[i].option, 1));
            assert_works(mcq_set(socket, rows[i].option, 0));
            assert_fails(mcq_set(socket, rows[i].option, 2), EINVAL);
            assert_fails(mcq_set(socket, rows[i].option, -1), EINVAL);
        }
    end_world(&world);
}

static void type__is_that_of_the_socket(void)
{
    struct world world;

    begin_world(&world);
    for (int type = MCQ_PAIR; type <= MCQ_PUSH; type++)
        assert_int_equal(number_of(open_socket(&world, (enum mcq_type) type), MCQ_OPT_TYPE), type);
    end_world(&world);
}

static void routing_id__one_to_255_octets(void)
{
    struct world world;
    uint8_t id[256];
    uint8_t back[256];
    size_t len = sizeof back;

    memset(id, 'i', sizeof id);
    begin_world(&world);
    struct mcq_socket *dealer = open_socket(&world, MCQ_DEALER);

    assert_works(mcq_get_bytes(dealer, MCQ_OPT_ROUTING_ID, back, &len));
    assert_int_equal(len, 0);
    assert_fails(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, id, 0), EINVAL);
    assert_says(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, id, 256), EINVAL,
                "set ROUTING_ID of 256 octets: not 1..255 octets");
    assert_fails(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, "\0a", 2), EINVAL);
    assert_works(mcq_set_bytes(dealer, MCQ_OPT_ROUTING_ID, id, 255));
    len = sizeof back;
    assert_works(mcq_get_bytes(dealer, MCQ_OPT_ROUTING_ID, back, &len));
    assert_int_equal(len, 255);
    assert_memory_equal(back, id, 255);
    len = 254;
    assert_says(mcq_get_bytes(dealer, MCQ_OPT_ROUTING_ID, back, &len), EINVAL,
                "get ROUTING_ID: 255 octets do not fit into 254");
    assert_int_equal(len, 255);
    end_world(&world);
}

static void last_endpoint__is_what_was_bound_or_connected(void)
{
    char endpoint[ENDPOINT_BYTES];
    char back[ENDPOINT_BYTES];
    size_t len = sizeof back;
    struct world world;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_get_bytes(pull, MCQ_OPT_LAST_ENDPOINT, back, &len));
    assert_int_equal(len, 1);
    assert_string_equal(back, "");
    bind_somewhere(pull, endpoint);
    assert_int_equal(strncmp(endpoint, "tcp://127.0.0.1:", 16), 0);
    assert_works(mcq_connect(push, endpoint));
    len = sizeof back;
    assert_works(mcq_get_bytes(push, MCQ_OPT_LAST_ENDPOINT, back, &len));
    assert_string_equal(back, endpoint);
    end_world(&world);
}

static void events__say_what_can_be_done(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    assert_int_equal(number_of(couple.bound, MCQ_OPT_EVENTS), 0);
    assert_int_equal(number_of(couple.connected, MCQ_OPT_EVENTS), MCQ_POLLOUT);
    send_text(couple.connected, "x", 0);
    struct mcq_poll_entry entry = {.socket = couple.bound, .events = MCQ_POLLIN};

    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    assert_int_equal(number_of(couple.bound, MCQ_OPT_EVENTS), MCQ_POLLIN);
    expect_text(couple.bound, "x");
    assert_int_equal(number_of(couple.bound, MCQ_OPT_EVENTS), 0);
    end_world(&world);
}

static void null__is_efault(void)
{
    struct world world;
    int64_t value;
    size_t len = 1;

    begin_world(&world);
    struct mcq_socket *sub = open_socket(&world, MCQ_SUB);

    assert_fails(mcq_set(NULL, MCQ_OPT_LINGER, 0), EFAULT);
    assert_fails(mcq_get(NULL, MCQ_OPT_LINGER, &value), EFAULT);
    assert_fails(mcq_get(sub, MCQ_OPT_LINGER, NULL), EFAULT);
    assert_fails(mcq_set_bytes(NULL, MCQ_OPT_SUBSCRIBE, "", 0), EFAULT);
    assert_fails(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, NULL, 1), EFAULT);
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, NULL, 0));
    assert_fails(mcq_get_bytes(NULL, MCQ_OPT_ROUTING_ID, NULL, &len), EFAULT);
    assert_fails(mcq_get_bytes(sub, MCQ_OPT_ROUTING_ID, NULL, &len), EFAULT);
    assert_says(mcq_get_bytes(sub, MCQ_OPT_ROUTING_ID, &value, NULL), EFAULT,
                "get_bytes: len is NULL");
    end_world(&world);
}

static void unsubscribe__of_what_was_not_subscribed__is_einval(void)
{
    struct world world;

    begin_world(&world);
    struct mcq_socket *sub = open_socket(&world, MCQ_SUB);

    assert_says(mcq_set_bytes(sub, MCQ_OPT_UNSUBSCRIBE, "a", 1), EINVAL,
                "set UNSUBSCRIBE of 1 octets: there is no such subscription");
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "a", 1));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "a", 1));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    assert_works(mcq_set_bytes(sub, MCQ_OPT_UNSUBSCRIBE, "a", 1));
    assert_fails(mcq_set_bytes(sub, MCQ_OPT_UNSUBSCRIBE, "a", 1), EINVAL);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(numbers__have_defaults_and_bounds)                                                           \
    X(refusals__name_the_option_and_the_way_out)                                                   \
    X(options_of_other_types__are_not_asked_for)                                                   \
    X(pattern_options__belong_to_their_types)                                                      \
    X(type__is_that_of_the_socket)                                                                 \
    X(routing_id__one_to_255_octets)                                                               \
    X(last_endpoint__is_what_was_bound_or_connected)                                               \
    X(events__say_what_can_be_done)                                                                \
    X(null__is_efault)                                                                             \
    X(unsubscribe__of_what_was_not_subscribed__is_einval)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.option");
}
