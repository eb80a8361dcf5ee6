/* tcp: addresses and interfaces, and options whose effects are read back from the kernel. */
#include <netinet/tcp.h>

#include "api/test_support.h"

/* --- the kernel's view ------------------------------------------------------------------------ */

enum which { LISTENER, ACCEPTED, CONNECTING, WHICH_COUNT };

static uint16_t port_of(const struct sockaddr_storage *storage)
{
    struct sockaddr_in in;

    if (storage->ss_family != AF_INET && storage->ss_family != AF_INET6)
        return 0;
    memcpy(&in, storage, sizeof in); /* the port is at the same place in both */
    return ntohs(in.sin_port);
}

static uint16_t port_at(const char *endpoint)
{
    return (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
}

/* The process's descriptor of a stream by the port that is bound; -1: not there yet. */
static int find_fd(enum which which, uint16_t port)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_storage local = {0};
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof local;
        int listens = 0;
        socklen_t listens_len = sizeof listens;

        if (getsockname(fd, (struct sockaddr *) &local, &len) != 0)
            continue;
        len = sizeof peer;
        (void) getpeername(fd, (struct sockaddr *) &peer, &len);
        (void) getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len);
        if ((which == LISTENER && listens && port_of(&local) == port) ||
            (which == ACCEPTED && !listens && port_of(&local) == port) ||
            (which == CONNECTING && port_of(&peer) == port))
            return fd;
    }
    return -1;
}

static int number_in_kernel(int fd, int level, int name)
{
    int value = -7;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void text_in_kernel(int fd, int level, int name, char text[32])
{
    socklen_t len = 31;

    memset(text, 0, 32);
    assert_int_equal(getsockopt(fd, level, name, text, &len), 0);
}

/* What a stream has that nobody asked anything for. */
static int number_of_the_system(int level, int name)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int value = number_in_kernel(fd, level, name);

    assert_int_equal(close(fd), 0);
    return value;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool is_there = fd >= 0 && bind(fd, (struct sockaddr *) &in6, sizeof in6) == 0;

    if (fd >= 0)
        assert_int_equal(close(fd), 0);
    if (!is_there)
        print_message("# no IPv6 here\n");
    return is_there;
}

static void last_endpoint(struct mcq_socket *socket, char text[ENDPOINT_BYTES])
{
    size_t len = ENDPOINT_BYTES;

    assert_works(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, text, &len));
}

static void set_text(struct mcq_socket *socket, enum mcq_option option, const char *text)
{
    assert_works(mcq_set_bytes(socket, option, text, strlen(text)));
}

/* A bound and a connected socket with the same option, whose connection stands. */
static struct couple open_with(struct world *world, enum mcq_option option, int64_t value)
{
    struct couple couple = {.bound = open_socket(world, MCQ_PULL)};

    couple.connected = open_socket(world, MCQ_PUSH);
    assert_works(mcq_set(couple.bound, option, value));
    assert_works(mcq_set(couple.connected, option, value));
    bind_somewhere(couple.bound, couple.endpoint);
    assert_works(mcq_connect(couple.connected, couple.endpoint));
    send_text(couple.connected, "hello", 0);
    expect_text(couple.bound, "hello");
    return couple;
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct tuning_row {
    enum mcq_option option;
    int value;
    int unset;
    int level;
    int name;
    int expected;
};

static const struct tuning_row tuning_table[] = {
    /* The kernel says twice what it was told, for its own use of it is counted, too. */
    {MCQ_OPT_SNDBUF, 40000, -1, SOL_SOCKET, SO_SNDBUF, 80000},
    {MCQ_OPT_RCVBUF, 50000, -1, SOL_SOCKET, SO_RCVBUF, 100000},
    {MCQ_OPT_TOS, 0x20, 0, IPPROTO_IP, IP_TOS, 0x20},
    {MCQ_OPT_PRIORITY, 5, 0, SOL_SOCKET, SO_PRIORITY, 5},
    {MCQ_OPT_TCP_KEEPALIVE, 1, -1, SOL_SOCKET, SO_KEEPALIVE, 1},
    {MCQ_OPT_TCP_KEEPALIVE_CNT, 7, -1, IPPROTO_TCP, TCP_KEEPCNT, 7},
    {MCQ_OPT_TCP_KEEPALIVE_IDLE, 77, -1, IPPROTO_TCP, TCP_KEEPIDLE, 77},
    {MCQ_OPT_TCP_KEEPALIVE_INTVL, 11, -1, IPPROTO_TCP, TCP_KEEPINTVL, 11},
    {MCQ_OPT_TCP_MAXRT, 7000, 0, IPPROTO_TCP, TCP_USER_TIMEOUT, 7000},
};

static void numbers__are_what_the_kernel_has(void)
{
    for (size_t i = 0; i < MCQ_COUNTOF(tuning_table); i++) {
        const struct tuning_row *row = &tuning_table[i];
        struct world world;

        begin_world(&world);
        struct couple couple = open_with(&world, row->option, row->value);

        for (int which = ACCEPTED; which < WHICH_COUNT; which++) {
            int fd = find_fd((enum which) which, port_at(couple.endpoint));

            assert_true(fd >= 0);
            if (number_in_kernel(fd, row->level, row->name) != row->expected)
                fail_msg("row %zu, stream %d: %d, expected %d", i, which,
                         number_in_kernel(fd, row->level, row->name), row->expected);
        }
        end_world(&world);
    }
}

static void numbers__unset__are_the_systems(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_with(&world, MCQ_OPT_LINGER, 0);

    for (size_t i = 0; i < MCQ_COUNTOF(tuning_table); i++) {
        const struct tuning_row *row = &tuning_table[i];

        assert_int_equal(number_of(couple.bound, row->option), row->unset);
        if (row->option == MCQ_OPT_SNDBUF || row->option == MCQ_OPT_RCVBUF)
            continue; /* they grow by themselves */
        for (int which = LISTENER; which < WHICH_COUNT; which++)
            assert_int_equal(number_in_kernel(find_fd((enum which) which, port_at(couple.endpoint)),
                                              row->level, row->name),
                             number_of_the_system(row->level, row->name));
    }
    assert_int_equal(
        number_in_kernel(find_fd(ACCEPTED, port_at(couple.endpoint)), IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(
        number_in_kernel(find_fd(CONNECTING, port_at(couple.endpoint)), IPPROTO_TCP, TCP_NODELAY),
        1);
    end_world(&world);
}

/* Those are settled when a connection is begun. */
static void buffers__are_the_listeners_too(void)
{
    struct world world;

    begin_world(&world);
    struct couple couple = open_with(&world, MCQ_OPT_RCVBUF, 50000);

    assert_int_equal(
        number_in_kernel(find_fd(LISTENER, port_at(couple.endpoint)), SOL_SOCKET, SO_RCVBUF),
        100000);
    end_world(&world);
}

/* What the system refuses is no reason to do without the connection. */
static void numbers__that_the_system_refuses__deliver_all_the_same(void)
{
    static const struct {
        enum mcq_option option;
        int value;
    } rows[] = {
        {MCQ_OPT_TCP_KEEPALIVE_CNT, 100000}, {MCQ_OPT_TCP_KEEPALIVE_IDLE, INT32_MAX},
        {MCQ_OPT_SNDBUF, INT32_MAX},         {MCQ_OPT_RCVBUF, 0},
        {MCQ_OPT_BUSY_POLL, INT32_MAX},      {MCQ_OPT_TCP_MAXRT, INT32_MAX},
    };

    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct world world;

        begin_world(&world);
        (void) open_with(&world, rows[i].option, rows[i].value);
        end_world(&world);
    }
}

static void type_of_service__over_ipv6__is_the_traffic_class(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    if (!has_ipv6())
        return;
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_set(pull, MCQ_OPT_IPV6, 1));
    assert_works(mcq_set(push, MCQ_OPT_IPV6, 1));
    assert_works(mcq_set(pull, MCQ_OPT_TOS, 0x40));
    assert_works(mcq_set(push, MCQ_OPT_TOS, 0x40));
    assert_works(mcq_bind(pull, "tcp://[::1]:*"));
    last_endpoint(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    for (int which = ACCEPTED; which < WHICH_COUNT; which++)
        assert_int_equal(number_in_kernel(find_fd((enum which) which, port_at(endpoint)),
                                          IPPROTO_IPV6, IPV6_TCLASS),
                         0x40);
    end_world(&world);
}

/* --- congestion control and device ------------------------------------------------------------ */

static void expect_texts(const char *endpoint, int level, int name, const char *expected)
{
    char text[32];

    for (int which = ACCEPTED; which < WHICH_COUNT; which++) {
        text_in_kernel(find_fd((enum which) which, port_at(endpoint)), level, name, text);
        assert_string_equal(text, expected);
    }
}

static void congestion__over_loopback__does_not_pace_unless_told(void)
{
    struct world world;
    char systems[32];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    text_in_kernel(fd, IPPROTO_TCP, TCP_CONGESTION, systems);
    assert_int_equal(close(fd), 0);
    begin_world(&world);
    struct couple couple = open_couple(&world, MCQ_PULL, MCQ_PUSH);

    send_text(couple.connected, "hello", 0);
    expect_text(couple.bound, "hello");
    expect_texts(couple.endpoint, IPPROTO_TCP, TCP_CONGESTION, "reno");

    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    set_text(pull, MCQ_OPT_TCP_CONGESTION, systems);
    set_text(push, MCQ_OPT_TCP_CONGESTION, systems);
    bind_somewhere(pull, couple.endpoint);
    assert_works(mcq_connect(push, couple.endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    expect_texts(couple.endpoint, IPPROTO_TCP, TCP_CONGESTION, systems);
    end_world(&world);
}

static void texts__that_cannot_be(void)
{
    struct world world;
    char back[32];
    size_t len = sizeof back;

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_says(mcq_set_bytes(pull, MCQ_OPT_TCP_CONGESTION, "nosuch", 6), EINVAL,
                "set TCP_CONGESTION to nosuch: the system has none of this name, or denies it");
    assert_says(mcq_set_bytes(pull, MCQ_OPT_BINDTODEVICE, "a\0b", 3), EINVAL,
                "set BINDTODEVICE: a name has no zero octet");
    assert_says(mcq_set_bytes(pull, MCQ_OPT_BINDTODEVICE, "0123456789abcdef", 16), EINVAL,
                "set BINDTODEVICE of 16 octets: not 0..15 octets");
    set_text(pull, MCQ_OPT_BINDTODEVICE, "0123456789abcde");
    assert_works(mcq_get_bytes(pull, MCQ_OPT_BINDTODEVICE, back, &len));
    assert_int_equal(len, 16);
    assert_string_equal(back, "0123456789abcde");
    set_text(pull, MCQ_OPT_BINDTODEVICE, "");
    len = sizeof back;
    assert_works(mcq_get_bytes(pull, MCQ_OPT_BINDTODEVICE, back, &len));
    assert_int_equal(len, 1);
    end_world(&world);
}

static void device__is_what_the_kernel_has(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    set_text(pull, MCQ_OPT_BINDTODEVICE, "lo");
    set_text(push, MCQ_OPT_BINDTODEVICE, "lo");
    bind_somewhere(pull, endpoint);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    expect_texts(endpoint, SOL_SOCKET, SO_BINDTODEVICE, "lo");

    set_text(pull, MCQ_OPT_BINDTODEVICE, "nosuch0");
    assert_says(mcq_bind(pull, "tcp://127.0.0.1:*"), ENODEV,
                "bind tcp://127.0.0.1:*: the device of BINDTODEVICE is not there");
    end_world(&world);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void interface__is_bound_by_its_name(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_works(mcq_bind(pull, "tcp://lo:*"));
    last_endpoint(pull, endpoint);
    assert_memory_equal(endpoint, "tcp://127.0.0.1:", 16);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_works(mcq_unbind(pull, "tcp://lo:*"));
    assert_says(mcq_bind(pull, "tcp://nosuch0:*"), ENODEV,
                "bind tcp://nosuch0:*: there is no such host or interface");
    end_world(&world);
}

static void interface__is_connected_from(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char with_source[2 * ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    bind_somewhere(pull, endpoint);
    (void) snprintf(with_source, sizeof with_source, "tcp://lo:0;%s", endpoint + strlen("tcp://"));
    assert_works(mcq_connect(push, with_source));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_says(mcq_connect(push, "tcp://nosuch0:0;127.0.0.1:5555"), EINVAL,
                "connect tcp://nosuch0:0;127.0.0.1:5555: what stands in front of the ';' is "
                "neither an interface nor an address of a family that is looked for");
    end_world(&world);
}

static void ipv6__addresses_interfaces_and_zones(void)
{
    static const char *const texts[] = {"tcp://[::1]:*", "tcp://::1:*", "tcp://lo:*",
                                        "tcp://[::1%1]:*"};
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    if (!has_ipv6())
        return;
    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(texts); i++) {
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

        assert_works(mcq_set(pull, MCQ_OPT_IPV6, 1));
        assert_works(mcq_set(push, MCQ_OPT_IPV6, 1));
        assert_works(mcq_bind(pull, texts[i]));
        last_endpoint(pull, endpoint);
        assert_memory_equal(endpoint, "tcp://[::1", 10);
        assert_works(mcq_connect(push, endpoint));
        send_text(push, "hello", 0);
        expect_text(pull, "hello");
    }
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(pull, MCQ_OPT_IPV6, 1));
    assert_says(mcq_bind(pull, "tcp://[fe80::1%nosuch0]:*"), ENODEV,
                "bind tcp://[fe80::1%nosuch0]:*: there is no such host or interface");
    end_world(&world);
}

static void ipv6__any_interface__is_that_of_ipv4_too(void)
{
    static const char *const hosts[] = {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"};
    struct world world;
    char endpoint[ENDPOINT_BYTES];

    if (!has_ipv6())
        return;
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);

    assert_works(mcq_set(pull, MCQ_OPT_IPV6, 1));
    assert_works(mcq_bind(pull, "tcp://*:*"));
    last_endpoint(pull, endpoint);
    assert_memory_equal(endpoint, "tcp://[::]:", 11);
    for (size_t i = 0; i < MCQ_COUNTOF(hosts); i++) {
        struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
        char target[2 * ENDPOINT_BYTES];

        assert_works(mcq_set(push, MCQ_OPT_IPV6, 1));
        (void) snprintf(target, sizeof target, "tcp://%s%s", hosts[i], strrchr(endpoint, ':'));
        assert_works(mcq_connect(push, target));
        send_text(push, "hello", 0);
        expect_text(pull, "hello");
    }
    end_world(&world);
}

/* --- descriptors from outside ----------------------------------------------------------------- */

static int raw_listener(char endpoint[ENDPOINT_BYTES], bool listens)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *) &in, len), 0);
    if (listens)
        assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
    (void) snprintf(endpoint, ENDPOINT_BYTES, "tcp://127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

/* That it is closed in the end is what the count of descriptors says. */
static void use_fd__a_listener__is_taken_over(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char last[ENDPOINT_BYTES];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);
    int fd = raw_listener(endpoint, true);

    assert_works(mcq_set(pull, MCQ_OPT_USE_FD, fd));
    assert_works(mcq_bind(pull, "tcp://*:*"));
    assert_int_equal(number_of(pull, MCQ_OPT_USE_FD), -1);
    last_endpoint(pull, last);
    assert_string_equal(last, endpoint);
    assert_works(mcq_connect(push, endpoint));
    send_text(push, "hello", 0);
    expect_text(pull, "hello");
    assert_works(mcq_unbind(pull, endpoint));
    assert_works(mcq_bind(pull, "tcp://127.0.0.1:*"));
    end_world(&world);
}

static void use_fd__what_does_not_listen__is_einval_and_untouched(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    int ends[2];

    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    int fds[] = {raw_listener(endpoint, false), -1, 999999, raw_listener(endpoint, true)};

    assert_int_equal(pipe(ends), 0);
    fds[1] = ends[0];
    for (size_t i = 0; i < MCQ_COUNTOF(fds); i++) {
        const char *text = i == 3 ? "ipc:///nowhere" : "tcp://127.0.0.1:*";

        assert_works(mcq_set(pull, MCQ_OPT_USE_FD, fds[i]));
        assert_says_of(mcq_bind(pull, text), EINVAL,
                       "bind %s: the descriptor of USE_FD does not listen for this transport",
                       text);
        assert_int_equal(number_of(pull, MCQ_OPT_USE_FD), fds[i]);
        if (i != 2)
            assert_int_equal(close(fds[i]), 0);
    }
    assert_int_equal(close(ends[1]), 0);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(numbers__are_what_the_kernel_has)                                                            \
    X(numbers__unset__are_the_systems)                                                             \
    X(buffers__are_the_listeners_too)                                                              \
    X(numbers__that_the_system_refuses__deliver_all_the_same)                                      \
    X(type_of_service__over_ipv6__is_the_traffic_class)                                            \
    X(congestion__over_loopback__does_not_pace_unless_told)                                        \
    X(texts__that_cannot_be)                                                                       \
    X(device__is_what_the_kernel_has)                                                              \
    X(interface__is_bound_by_its_name)                                                             \
    X(interface__is_connected_from)                                                                \
    X(ipv6__addresses_interfaces_and_zones)                                                        \
    X(ipv6__any_interface__is_that_of_ipv4_too)                                                    \
    X(use_fd__a_listener__is_taken_over)                                                           \
    X(use_fd__what_does_not_listen__is_einval_and_untouched)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.tcp");
}
