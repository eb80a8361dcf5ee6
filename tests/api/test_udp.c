#include "api/test_datagrams.h"

/* RADIO and DISH over udp, against each other and against plain sockets. */

static struct mcq_socket *open_radio(struct world *world, const char *endpoint)
{
    struct mcq_socket *radio = open_socket(world, MCQ_RADIO);

    assert_works(mcq_connect(radio, endpoint));
    return radio;
}

static void tell_octets(struct mcq_socket *radio, const char *group, const void *octets, size_t len)
{
    struct mcq_message message;

    assert_works(mcq_message_init_copy(&message, octets, len));
    assert_works(mcq_message_set_group(&message, group));
    assert_works(mcq_send_message(radio, &message, 0));
}

static void tell(struct mcq_socket *radio, const char *group, const char *text)
{
    tell_octets(radio, group, text, strlen(text));
}

static void expect_of(struct mcq_socket *dish, const char *group, const char *text)
{
    struct mcq_message message;

    assert_works(mcq_message_init(&message));
    if (mcq_recv_message(dish, &message, 0) < 0)
        fail_msg("%s, instead of \"%s\"", mcq_last_error(), text);
    assert_string_equal(mcq_message_group(&message), group);
    assert_int_equal(mcq_message_size(&message), strlen(text));
    assert_memory_equal(mcq_message_data(&message), text, strlen(text));
    assert_works(mcq_message_close(&message));
}

/* --- RADIO and DISH -------------------------------------------------------------------------- */

static void dish__udp__hears_the_groups_that_it_joined(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dish;
    struct mcq_socket *radio;

    begin_world(&world);
    dish = open_bound(&world, MCQ_DISH, endpoint);
    radio = open_radio(&world, endpoint);
    assert_works(mcq_join(dish, "news"));
    assert_works(mcq_join(dish, ""));
    tell(radio, "news", "one");
    tell(radio, "new", "for nobody");
    tell(radio, "", "two");
    tell(radio, "news", "");
    expect_of(dish, "news", "one");
    expect_of(dish, "", "two");
    expect_of(dish, "news", "");
    assert_works(mcq_leave(dish, "news"));
    tell(radio, "news", "for nobody");
    tell(radio, "", "three");
    expect_of(dish, "", "three");
    assert_int_equal(drops_of(dish, MCQ_DROP_FILTERED), 2);
    end_world(&world);
}

static void radio__udp__one_datagram_a_message(void)
{
    struct plain plain = open_plain();
    struct world world;
    struct mcq_socket *radio;

    begin_world(&world);
    radio = open_radio(&world, plain.endpoint);
    tell(radio, "ab", "body");
    tell(radio, "", "");
    for (int i = 0; i < 100; i++) /* a burst shares writes, not datagrams */
        tell(radio, "g", "of many");
    hear(&plain,
         "\x02"
         "abbody",
         7);
    hear(&plain, "", 1);
    for (int i = 0; i < 100; i++)
        hear(&plain, "\x01gof many", 9);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void radio__udp_several_ways__all_of_them(void)
{
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char streamed[ENDPOINT_BYTES];
    struct mcq_socket *radio;
    struct mcq_socket *dishes[2];

    begin_world(&world);
    dishes[0] = open_bound(&world, MCQ_DISH, endpoint);
    dishes[1] = open_socket(&world, MCQ_DISH);
    radio = open_radio(&world, endpoint);
    assert_works(mcq_connect(radio, plain.endpoint));
    bind_somewhere(radio, streamed);
    assert_works(mcq_connect(dishes[1], streamed));
    for (size_t i = 0; i < MCQ_COUNTOF(dishes); i++)
        assert_works(mcq_join(dishes[i], "g"));
    assert_works(mcq_wait_subscribers(radio, "g", 1, 3, PATIENCE_MS));
    tell(radio, "g", "to all");
    for (size_t i = 0; i < MCQ_COUNTOF(dishes); i++)
        expect_of(dishes[i], "g", "to all");
    hear(&plain, "\x01gto all", 8);
    assert_works(mcq_disconnect(radio, endpoint));
    tell(radio, "g", "again");
    hear(&plain, "\x01gagain", 7);
    expect_of(dishes[1], "g", "again");
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dish__udp_what_is_no_datagram__dropped_and_counted(void)
{
    static const uint8_t long_one[MCQ_MAX_DATAGRAM_BYTES + 1] = {1, 'g'};
    static const struct {
        const char *octets;
        size_t len;
    } broken[] = {{"", 0},
                  {"\x05"
                   "four",
                   5},
                  {"\xff", 1},
                  {"\x02g\0body", 7},
                  {"\x01", 1}};
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dish;

    begin_world(&world);
    dish = open_bound(&world, MCQ_DISH, endpoint);
    assert_works(mcq_join(dish, "g"));
    for (size_t i = 0; i < MCQ_COUNTOF(broken); i++)
        say(&plain, endpoint, broken[i].octets, broken[i].len);
    say(&plain, endpoint, long_one, sizeof long_one);
    say(&plain, endpoint, "\x01hfor others", 12);
    say(&plain, endpoint, "\x01ggood", 6);
    expect_of(dish, "g", "good");
    assert_int_equal(drops_of(dish, MCQ_DROP_REFUSED), MCQ_COUNTOF(broken));
    assert_int_equal(drops_of(dish, MCQ_DROP_OVERSIZED), 1);
    assert_int_equal(drops_of(dish, MCQ_DROP_FILTERED), 1);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void radio__udp_longest_datagram__leaves_and_no_longer_one(void)
{
    static uint8_t octets[MCQ_MAX_DATAGRAM_BYTES + 1] = {1, 'g'};
    struct plain plain = open_plain();
    struct world world;
    struct mcq_socket *radio;

    for (size_t i = 2; i < sizeof octets; i++)
        octets[i] = (uint8_t) i;
    begin_world(&world);
    radio = open_radio(&world, plain.endpoint);
    tell_octets(radio, "g", octets + 2, sizeof octets - 2); /* one octet too many */
    tell_octets(radio, "g", octets + 2, sizeof octets - 3);
    hear(&plain, octets, sizeof octets - 1);
    assert_int_equal(drops_of(radio, MCQ_DROP_OVERSIZED), 1);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void radio__udp_nobody_there__goes_on(void)
{
    struct plain gone = open_plain();
    struct plain plain = open_plain();
    struct world world;
    struct mcq_socket *radio;

    begin_world(&world);
    assert_int_equal(close(gone.fd), 0);
    radio = open_radio(&world, gone.endpoint);
    assert_works(mcq_connect(radio, plain.endpoint));
    for (int i = 0; i < 20; i++) {
        tell(radio, "g", "to nobody");
        hear(&plain, "\x01gto nobody", 11);
    }
    assert_int_equal(number_of(radio, MCQ_OPT_EVENTS), MCQ_POLLOUT);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dish__udp_hwm__reads_no_further_ahead(void)
{
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_peer_info info;
    struct mcq_socket *dish;

    begin_world(&world);
    dish = open_socket(&world, MCQ_DISH);
    assert_works(mcq_set(dish, MCQ_OPT_RCVHWM, 5));
    assert_works(mcq_join(dish, "g"));
    assert_works(mcq_bind(dish, PLACE));
    last_endpoint(dish, endpoint);
    for (int i = 0; i < 50; i++)
        say(&plain, endpoint, "\x01gone", 5);
    for (int i = 0; i < 50; i++) {
        expect_of(dish, "g", "one");
        assert_int_equal(mcq_peers(dish, &info, 1, sizeof info), 1);
        assert_true(info.queued_in <= 5);
    }
    expect_nothing(dish);
    assert_string_equal(info.endpoint, endpoint);
    assert_int_equal(info.is_accepted, 1);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

/* Datagrams for others are no reason to keep those waiting who have something for us. */
static void dish__udp_flood_for_others__is_not_starved(void)
{
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char other[ENDPOINT_BYTES];
    struct mcq_socket *dish;

    begin_world(&world);
    dish = open_bound(&world, MCQ_DISH, endpoint);
    assert_works(mcq_bind(dish, PLACE));
    last_endpoint(dish, other);
    assert_works(mcq_join(dish, "g"));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 150; i++)
            say(&plain, endpoint, "\x01hfor others", 12);
        say(&plain, other, "\x01gfor us", 8);
        say(&plain, endpoint, "\x01glast", 6);
        struct mcq_message message;

        assert_works(mcq_message_init(&message));
        for (int i = 0; i < 2; i++)
            assert_true(mcq_recv_message(dish, &message, 0) >= 0);
        assert_works(mcq_message_close(&message));
    }
    assert_int_equal(drops_of(dish, MCQ_DROP_FILTERED), 20 * 150);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dish__udp_poll__wakes(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dish;
    struct mcq_socket *radio;
    struct mcq_poll_entry entry;

    begin_world(&world);
    dish = open_bound(&world, MCQ_DISH, endpoint);
    radio = open_radio(&world, endpoint);
    assert_works(mcq_join(dish, "g"));
    entry = (struct mcq_poll_entry) {.socket = dish, .events = MCQ_POLLIN};
    assert_int_equal(mcq_poll(&entry, 1, 0), 0);
    tell(radio, "g", "x");
    assert_int_equal(mcq_poll(&entry, 1, PATIENCE_MS), 1);
    expect_of(dish, "g", "x");
    end_world(&world);
}

/* --- endpoints ------------------------------------------------------------------------------- */

static void udp__types_and_calls_that_it_is_not_for__enocompatproto(void)
{
    static const struct {
        enum mcq_type type;
        bool binds;
        const char *endpoint;
        int number;
    } rows[] = {
        {MCQ_RADIO, true, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO},
        {MCQ_DISH, false, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO},
        {MCQ_DGRAM, false, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO},
        {MCQ_DGRAM, true, "tcp://127.0.0.1:*", MCQ_ENOCOMPATPROTO},
        {MCQ_DGRAM, false, "inproc://x", MCQ_ENOCOMPATPROTO},
        {MCQ_PUB, true, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO},
        {MCQ_SUB, false, "udp://not even written right", MCQ_ENOCOMPATPROTO},
        {MCQ_PUB, true, "udp://", EINVAL},
        {MCQ_DISH, true, "udp://", EINVAL},
        {MCQ_DISH, true, "udp://127.0.0.1", EINVAL},
        {MCQ_DISH, true, "udp://127.0.0.1:99999", EINVAL},
        {MCQ_DISH, true, "udp://lo;127.0.0.1:5555", EINVAL},
        {MCQ_DISH, true, "udp://;239.0.0.1:5555", EINVAL},
        {MCQ_DISH, true, "udp://no-such-if;239.0.0.1:5555", ENODEV},
        {MCQ_DISH, true, "udp://no-such-if:5555", ENODEV},
        {MCQ_DISH, true, "udp://192.0.2.1:5555", EADDRNOTAVAIL},
        {MCQ_RADIO, false, "udp://*:5555", EINVAL},
        {MCQ_RADIO, false, "udp://127.0.0.1:*", EINVAL},
        {MCQ_RADIO, false, "udp://lo;127.0.0.1:5555", EINVAL},
    };

    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct world world;
        struct mcq_socket *socket;
        int result;

        begin_world(&world);
        socket = open_socket(&world, rows[i].type);
        errno = 0;
        result = rows[i].binds ? mcq_bind(socket, rows[i].endpoint)
                               : mcq_connect(socket, rows[i].endpoint);
        if (result != -1 || errno != rows[i].number)
            fail_msg("%s: %d, %d, %s", rows[i].endpoint, result, errno, mcq_last_error());
        end_world(&world);
    }
}

/* What a socket asks of its peers, datagrams would pass by. */
static void udp__secured_socket__refused(void)
{
    struct world world;
    struct mcq_socket *dish;

    begin_world(&world);
    dish = open_socket(&world, MCQ_DISH);
    assert_works(mcq_set(dish, MCQ_OPT_PLAIN_SERVER, 1));
    assert_says(mcq_bind(dish, PLACE), MCQ_ENOCOMPATPROTO,
                "bind " PLACE ": the socket is to be secured, and datagrams are not");
    assert_works(mcq_set(dish, MCQ_OPT_PLAIN_SERVER, 0));
    assert_works(mcq_bind(dish, PLACE));
    dish = open_socket(&world, MCQ_DISH);
    assert_works(mcq_set_bytes(dish, MCQ_OPT_ZAP_DOMAIN, "global", 6));
    assert_fails(mcq_bind(dish, PLACE), MCQ_ENOCOMPATPROTO);
    dish = open_socket(&world, MCQ_DISH);
    assert_works(mcq_set(dish, MCQ_OPT_USE_FD, 0));
    assert_fails(mcq_bind(dish, PLACE), EINVAL);
    end_world(&world);
}

static void udp__bound_twice__eaddrinuse_until_it_is_unbound(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *first;
    struct mcq_socket *second;

    begin_world(&world);
    first = open_bound(&world, MCQ_DISH, endpoint);
    second = open_socket(&world, MCQ_DGRAM);
    assert_fails(mcq_bind(second, endpoint), EADDRINUSE);
    assert_fails(mcq_unbind(second, endpoint), ENOENT);
    assert_works(mcq_unbind(first, endpoint));
    assert_fails(mcq_unbind(first, endpoint), ENOENT);
    assert_works(mcq_bind(second, endpoint));
    end_world(&world);
}

/* --- multicast ------------------------------------------------------------------------------- */

static void udp__group__all_who_have_joined_it(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char place[2 * ENDPOINT_BYTES];
    struct mcq_socket *dishes[2];
    struct mcq_socket *radio;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(dishes); i++) {
        dishes[i] = open_socket(&world, MCQ_DISH);
        assert_works(mcq_join(dishes[i], "g"));
        if (mcq_bind(dishes[i], i == 0 ? "udp://lo;239.255.77.1:*" : place) != 0)
            break;
        last_endpoint(dishes[0], endpoint);
        (void) snprintf(place, sizeof place, "udp://lo;%s", endpoint + strlen("udp://"));
    }
    radio = open_socket(&world, MCQ_RADIO);
    if (mcq_connect(radio, place) != 0 || mcq_wait_peers(dishes[1], 1, 0) != 0) {
        print_message("# no multicast over lo: %s\n", mcq_last_error());
        end_world(&world);
        skip();
    }
    tell(radio, "g", "to all");
    for (size_t i = 0; i < MCQ_COUNTOF(dishes); i++)
        expect_of(dishes[i], "g", "to all");
    end_world(&world);
}

static void udp__broadcast__all_of_the_network(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char all[ENDPOINT_BYTES];
    struct mcq_socket *dish;
    struct mcq_socket *radio;

    begin_world(&world);
    dish = open_socket(&world, MCQ_DISH);
    assert_works(mcq_join(dish, "g"));
    assert_works(mcq_bind(dish, "udp://*:*"));
    last_endpoint(dish, endpoint);
    (void) snprintf(all, sizeof all, "udp://127.255.255.255%s", strrchr(endpoint, ':'));
    radio = open_radio(&world, all);
    tell(radio, "g", "to all");
    expect_of(dish, "g", "to all");
    end_world(&world);
}

static void udp__multicast_options__values(void)
{
    struct world world;
    struct mcq_socket *radio;

    begin_world(&world);
    radio = open_socket(&world, MCQ_RADIO);
    assert_int_equal(number_of(radio, MCQ_OPT_MULTICAST_HOPS), 1);
    assert_int_equal(number_of(radio, MCQ_OPT_MULTICAST_LOOP), 1);
    assert_fails(mcq_set(radio, MCQ_OPT_MULTICAST_HOPS, 0), EINVAL);
    assert_fails(mcq_set(radio, MCQ_OPT_MULTICAST_LOOP, 2), EINVAL);
    assert_works(mcq_set(radio, MCQ_OPT_MULTICAST_HOPS, 1000)); /* 255 are all there can be */
    assert_works(mcq_connect(radio, "udp://127.0.0.1:9"));
    end_world(&world);
}

#define UDP_TESTS(X)                                                                               \
    X(dish__udp__hears_the_groups_that_it_joined)                                                  \
    X(radio__udp__one_datagram_a_message)                                                          \
    X(radio__udp_several_ways__all_of_them)                                                        \
    X(dish__udp_what_is_no_datagram__dropped_and_counted)                                          \
    X(radio__udp_longest_datagram__leaves_and_no_longer_one)                                       \
    X(radio__udp_nobody_there__goes_on)                                                            \
    X(dish__udp_hwm__reads_no_further_ahead)                                                       \
    X(dish__udp_flood_for_others__is_not_starved)                                                  \
    X(dish__udp_poll__wakes)                                                                       \
    X(udp__types_and_calls_that_it_is_not_for__enocompatproto)                                     \
    X(udp__secured_socket__refused)                                                                \
    X(udp__bound_twice__eaddrinuse_until_it_is_unbound)                                            \
    X(udp__group__all_who_have_joined_it)                                                          \
    X(udp__broadcast__all_of_the_network)                                                          \
    X(udp__multicast_options__values)

UDP_TESTS(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {UDP_TESTS(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.udp");
}
