/* Reports as messages: both forms of them, to whom they come, and when they end. */

#include "api/test_support.h"

#define PARTS_MAX 5

/* What came, told apart. */
struct told {
    uint64_t kind;
    int64_t value;
    char local[ENDPOINT_BYTES]; /* first form: the endpoint */
    char remote[ENDPOINT_BYTES];
};

static uint64_t number_in(struct mcq_message *part, size_t len)
{
    uint64_t number = 0;

    assert_int_equal(mcq_message_size(part), len);
    memcpy(&number, mcq_message_data(part), len); /* least octets first, as on all our machines */
    return number;
}

static void text_in(struct mcq_message *part, char *text)
{
    size_t len = mcq_message_size(part);

    assert_true(len < ENDPOINT_BYTES);
    memcpy(text, mcq_message_data(part), len);
    text[len] = '\0';
}

static struct told told_in(struct mcq_message *parts, int version)
{
    struct told told = {0};

    if (version == 1) {
        uint16_t kind;
        int32_t value;

        assert_int_equal(mcq_message_size(&parts[0]), sizeof kind + sizeof value);
        memcpy(&kind, mcq_message_data(&parts[0]), sizeof kind);
        memcpy(&value, (char *) mcq_message_data(&parts[0]) + sizeof kind, sizeof value);
        told.kind = kind;
        told.value = value;
        text_in(&parts[1], told.local);
        return told;
    }
    told.kind = number_in(&parts[0], 8);
    assert_int_equal(number_in(&parts[1], 8), 1);
    told.value = (int64_t) number_in(&parts[2], 8);
    text_in(&parts[3], told.local);
    text_in(&parts[4], told.remote);
    return told;
}

static struct told next_told(struct mcq_socket *reader, int version)
{
    struct mcq_message parts[PARTS_MAX];
    struct told told;
    int count = version == 1 ? 2 : 5;

    for (int i = 0; i < PARTS_MAX; i++)
        assert_works(mcq_message_init(&parts[i]));
    if (mcq_recv_parts(reader, parts, PARTS_MAX, 0) != count)
        fail_msg("not %d parts: %s", count, mcq_last_error());
    assert_int_equal(mcq_message_more(&parts[count - 1]), 0);
    told = told_in(parts, version);
    for (int i = 0; i < PARTS_MAX; i++)
        assert_works(mcq_message_close(&parts[i]));
    return told;
}

/* The next of this kind. */
static struct told await_told(struct mcq_socket *reader, int version, enum mcq_report_kind kind)
{
    struct told told;

    do
        told = next_told(reader, version);
    while (told.kind != (uint64_t) kind);
    return told;
}

static struct mcq_socket *watch(struct world *world, struct mcq_socket *socket, const char *name,
                                int version)
{
    struct mcq_socket *reader = open_socket(world, MCQ_PAIR);

    assert_works(mcq_monitor_bind(socket, MCQ_REPORT_ALL, name, version, MCQ_PAIR));
    assert_works(mcq_connect(reader, name));
    return reader;
}

static void last_endpoint(struct mcq_socket *socket, char *endpoint)
{
    size_t len = ENDPOINT_BYTES;

    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len));
}

/* A PULL that is bound, a PUSH that connects to it, and who is told of each. */
struct watched {
    struct world world;
    struct mcq_socket *connected;
    struct mcq_socket *of_bound;
    struct mcq_socket *of_connected;
    char endpoint[ENDPOINT_BYTES];
};

static void begin_watched(struct watched *w, int version)
{
    struct mcq_socket *bound;

    begin_world(&w->world);
    bound = open_socket(&w->world, MCQ_PULL);
    w->connected = open_socket(&w->world, MCQ_PUSH);
    w->of_bound = watch(&w->world, bound, "inproc://bound", version);
    w->of_connected = watch(&w->world, w->connected, "inproc://connected", version);
    assert_works(mcq_bind(bound, "tcp://127.0.0.1:*"));
    last_endpoint(bound, w->endpoint);
    assert_works(mcq_connect(w->connected, w->endpoint));
}

static void first_form__two_parts_as_libzmq_has_them(void)
{
    struct watched w;
    struct told told;

    begin_watched(&w, 1);
    told = next_told(w.of_bound, 1);
    assert_int_equal(told.kind, MCQ_REPORT_LISTENING);
    assert_true(told.value > 2);
    assert_string_equal(told.local, w.endpoint);
    told = next_told(w.of_connected, 1);
    assert_int_equal(told.kind, MCQ_REPORT_CONNECT_DELAYED);
    assert_int_equal(told.value, EINPROGRESS);
    assert_string_equal(told.local, w.endpoint);
    assert_int_equal(next_told(w.of_connected, 1).kind, MCQ_REPORT_CONNECTED);
    assert_int_equal(next_told(w.of_connected, 1).kind, MCQ_REPORT_HANDSHAKE_SUCCEEDED);
    close_socket(&w.world, w.connected);
    assert_int_equal(await_told(w.of_connected, 1, MCQ_REPORT_STOPPED).value, 0);
    (void) await_told(w.of_bound, 1, MCQ_REPORT_DISCONNECTED);
    end_world(&w.world);
}

static void second_form__both_addresses_on_both_sides(void)
{
    struct watched w;
    struct told told;
    struct told other;

    begin_watched(&w, 2);
    told = next_told(w.of_bound, 2);
    assert_int_equal(told.kind, MCQ_REPORT_LISTENING);
    assert_string_equal(told.local, w.endpoint);
    assert_string_equal(told.remote, "");
    told = next_told(w.of_connected, 2);
    assert_int_equal(told.kind, MCQ_REPORT_CONNECT_DELAYED);
    assert_int_equal(told.value, EINPROGRESS);
    assert_string_equal(told.local, ""); /* there is no stream yet */
    assert_string_equal(told.remote, w.endpoint);

    told = next_told(w.of_connected, 2);
    assert_int_equal(told.kind, MCQ_REPORT_CONNECTED);
    assert_string_equal(told.remote, w.endpoint);
    other = await_told(w.of_bound, 2, MCQ_REPORT_ACCEPTED);
    assert_string_equal(other.local, w.endpoint);
    assert_string_equal(other.remote, told.local); /* what one side has is what the other sees */
    told = await_told(w.of_connected, 2, MCQ_REPORT_HANDSHAKE_SUCCEEDED);
    assert_string_equal(other.remote, told.local);
    assert_string_equal(told.remote, w.endpoint);

    assert_works(mcq_disconnect(w.connected, w.endpoint));
    told = await_told(w.of_bound, 2, MCQ_REPORT_DISCONNECTED);
    assert_string_equal(told.local, w.endpoint);
    assert_string_equal(told.remote, other.remote);
    end_world(&w.world);
}

/* A value may be negative: its sign is kept. */
static void second_form__a_value_has_its_sign(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *closed;

    begin_world(&world);
    closed = open_socket(&world, MCQ_PULL);
    bind_somewhere(closed, endpoint);
    close_socket(&world, closed);

    struct mcq_socket *socket = open_socket(&world, MCQ_PUSH);
    struct mcq_socket *reader = watch(&world, socket, "inproc://vain", 2);

    assert_works(mcq_connect(socket, endpoint));
    assert_int_equal(await_told(reader, 2, MCQ_REPORT_CLOSED).value, -1);
    end_world(&world);
}

/* Its messages begin with their kinds, so that who subscribes chooses. */
static void publisher__each_subscriber_has_the_kinds_it_wants(void)
{
    const uint64_t listening = MCQ_REPORT_LISTENING;
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);
    struct mcq_socket *all = open_socket(&world, MCQ_SUB);
    struct mcq_socket *some = open_socket(&world, MCQ_SUB);

    assert_works(mcq_set_bytes(all, MCQ_OPT_SUBSCRIBE, "", 0));
    assert_works(mcq_set_bytes(some, MCQ_OPT_SUBSCRIBE, &listening, sizeof listening));
    assert_works(mcq_monitor_bind(socket, MCQ_REPORT_ALL, "inproc://events", 2, MCQ_PUB));
    assert_works(mcq_connect(all, "inproc://events"));
    assert_works(mcq_connect(some, "inproc://events"));
    bind_somewhere(socket, endpoint);
    assert_works(mcq_unbind(socket, endpoint));
    bind_somewhere(socket, endpoint);
    (void) await_told(all, 2, MCQ_REPORT_CLOSED);
    assert_int_equal(next_told(some, 2).kind, MCQ_REPORT_LISTENING);
    assert_int_equal(next_told(some, 2).kind, MCQ_REPORT_LISTENING);
    end_world(&world);
}

/* Another monitor, mcq_monitor, and close each end it: the last message says so, and its name is
 * free again. */
static void end__is_the_last_message(void)
{
    struct world world;
    struct mcq_message none;

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);
    struct mcq_socket *first = watch(&world, socket, "inproc://first", 1);
    struct mcq_socket *second = watch(&world, socket, "inproc://second", 2);

    assert_int_equal(next_told(first, 1).kind, MCQ_REPORT_STOPPED);
    assert_works(mcq_monitor(socket, 0, NULL, NULL));
    assert_int_equal(next_told(second, 2).kind, MCQ_REPORT_STOPPED);

    struct mcq_socket *again = watch(&world, socket, "inproc://first", 2);

    close_socket(&world, socket);
    assert_int_equal(next_told(again, 2).kind, MCQ_REPORT_STOPPED);
    assert_works(mcq_message_init(&none));
    assert_fails(mcq_recv_message(again, &none, MCQ_DONTWAIT), EAGAIN);
    end_world(&world);
}

/* Only what was asked for, and the end. */
static void kinds__others_are_not_sent(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);
    struct mcq_socket *reader = open_socket(&world, MCQ_PULL);

    assert_works(mcq_monitor_bind(socket, MCQ_REPORT_CLOSED, "inproc://closed", 1, MCQ_PUSH));
    assert_works(mcq_connect(reader, "inproc://closed"));
    bind_somewhere(socket, endpoint);
    assert_works(mcq_unbind(socket, endpoint));
    assert_int_equal(next_told(reader, 1).kind, MCQ_REPORT_CLOSED);
    assert_works(mcq_monitor(socket, 0, NULL, NULL));
    assert_int_equal(next_told(reader, 1).kind, MCQ_REPORT_STOPPED);
    end_world(&world);
}

/* Nobody connects to it: messages are dropped, and the context ends. */
static void nobody_reads__nobody_waits(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);

    assert_works(mcq_monitor_bind(socket, MCQ_REPORT_ALL, "inproc://deaf", 2, MCQ_PAIR));
    for (int i = 0; i < 100; i++) {
        bind_somewhere(socket, endpoint);
        assert_works(mcq_unbind(socket, endpoint));
    }
    end_world(&world);
}

static void what_cannot_be__is_refused_and_nothing_changes(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *socket = open_socket(&world, MCQ_PULL);
    struct mcq_socket *reader = watch(&world, socket, "inproc://there", 1);

    assert_fails(mcq_monitor_bind(socket, 1, "inproc://x", 0, MCQ_PAIR), EINVAL);
    assert_fails(mcq_monitor_bind(socket, 1, "inproc://x", 3, MCQ_PAIR), EINVAL);
    assert_fails(mcq_monitor_bind(socket, 1, "inproc://x", 2, MCQ_DEALER), EINVAL);
    assert_fails(mcq_monitor_bind(socket, 1, "tcp://127.0.0.1:*", 2, MCQ_PAIR), EPROTONOSUPPORT);
    assert_fails(mcq_monitor_bind(socket, 1, "inproc://there", 2, MCQ_PAIR), EADDRINUSE);
    assert_fails(mcq_monitor_bind(socket, 1, NULL, 2, MCQ_PAIR), EFAULT);
    assert_fails(mcq_monitor_bind(NULL, 1, "inproc://x", 2, MCQ_PAIR), EFAULT);
    bind_somewhere(socket, endpoint);
    assert_int_equal(next_told(reader, 1).kind, MCQ_REPORT_LISTENING);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(first_form__two_parts_as_libzmq_has_them)                                                    \
    X(second_form__both_addresses_on_both_sides)                                                   \
    X(second_form__a_value_has_its_sign)                                                           \
    X(publisher__each_subscriber_has_the_kinds_it_wants)                                           \
    X(end__is_the_last_message)                                                                    \
    X(kinds__others_are_not_sent)                                                                  \
    X(nobody_reads__nobody_waits)                                                                  \
    X(what_cannot_be__is_refused_and_nothing_changes)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "monitor_bind");
}
