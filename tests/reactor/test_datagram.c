#include "reactor/test_support.h"

#include <arpa/inet.h>
#include <net/if.h>

#include "reactor/ready.h"

static struct mcq_datagram_place place_at(const char *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct mcq_datagram_place place = {.address.len = sizeof in};

    assert_int_equal(inet_pton(AF_INET, host, &in.sin_addr), 1);
    memcpy(&place.address.storage, &in, sizeof in);
    return place;
}

/* Bound to a port of its own. */
static int open_bound(struct fixture *f, struct mcq_address *address)
{
    struct mcq_datagram_place place = place_at("127.0.0.1", 0);
    int fd = -1;

    assert_int_equal(mcq_reactor_open_datagrams(f->reactor, &place, NULL, &fd), MCQ_IO_DONE);
    assert_true(mcq_reactor_local_address(f->reactor, fd, address));
    return fd;
}

static int open_sender(struct fixture *f, const struct mcq_address *to)
{
    struct mcq_datagram_place place = {.address = *to, .is_sent_to = true};
    int fd = -1;

    assert_int_equal(mcq_reactor_open_datagrams(f->reactor, &place, NULL, &fd), MCQ_IO_DONE);
    return fd;
}

static void expect(struct fixture *f, int fd, const char *octets, size_t len, size_t room_len,
                   struct mcq_address *from)
{
    char room[64];
    struct mcq_io io;

    await_poll(f, fd, MCQ_OP_POLL_IN);
    io = mcq_reactor_recv_datagram(f->reactor, fd, room, room_len, from);
    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, len);
    assert_memory_equal(room, octets, len < room_len ? len : room_len);
}

static void send_one(struct fixture *f, int fd, const char *text, const struct mcq_address *to)
{
    struct mcq_io io = mcq_reactor_send_datagram(f->reactor, fd, mcq_bytes_of(text), to);

    assert_int_equal(io.result, MCQ_IO_DONE);
    assert_int_equal(io.len, strlen(text));
}

static void datagrams__there_and_back__one_for_one(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_address from;
    char octet;
    int bound;
    int sender;

    open_reactor(&f, which);
    bound = open_bound(&f, &address);
    sender = open_sender(&f, &address);
    assert_int_equal(mcq_reactor_recv_datagram(f.reactor, bound, &octet, 1, &from).result,
                     MCQ_IO_AGAIN);
    send_one(&f, sender, "one", NULL);
    send_one(&f, sender, "", NULL);
    send_one(&f, sender, "too long", NULL);
    expect(&f, bound, "one", 3, 64, &from);
    expect(&f, bound, "", 0, 64, &from);
    expect(&f, bound, "too long", 8, 3, &from);
    assert_int_equal(mcq_reactor_recv_datagram(f.reactor, bound, &octet, 1, &from).result,
                     MCQ_IO_AGAIN);
    send_one(&f, bound, "back", &from);
    expect(&f, sender, "back", 4, 64, &from);
    assert_memory_equal(&from.storage, &address.storage, sizeof(struct sockaddr_in));
    mcq_reactor_close(f.reactor, bound);
    mcq_reactor_close(f.reactor, sender);
    close_reactor(&f);
}

static void datagrams__place_is_taken__in_use(enum which which)
{
    struct fixture f;
    struct mcq_datagram_place place = {.interface = 0};
    int first;
    int fd = -1;

    open_reactor(&f, which);
    first = open_bound(&f, &place.address);
    assert_int_equal(mcq_reactor_open_datagrams(f.reactor, &place, NULL, &fd), MCQ_IO_IN_USE);
    assert_int_equal(fd, -1);
    mcq_reactor_close(f.reactor, first);
    assert_int_equal(mcq_reactor_open_datagrams(f.reactor, &place, NULL, &fd), MCQ_IO_DONE);
    mcq_reactor_close(f.reactor, fd);
    close_reactor(&f);
}

static void datagrams__ready_set__an_edge_for_each_that_comes(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    struct mcq_address from;
    struct mcq_ready_event event;
    struct mcq_ready_set *set;
    struct mcq_ready_key key = {.slot = 7, .generation = 1};
    int bound;
    int sender;

    open_reactor(&f, which);
    assert_int_equal(mcq_ready_new(f.reactor, &set), MCQ_OK);
    bound = open_bound(&f, &address);
    sender = open_sender(&f, &address);
    assert_int_equal(mcq_ready_add(set, bound, key, MCQ_READY_IN), MCQ_IO_DONE);
    assert_int_equal(mcq_ready_harvest(set, &event, 1), 0);
    for (int i = 0; i < 2; i++) {
        send_one(&f, sender, "x", NULL);
        await_poll(&f, bound, MCQ_OP_POLL_IN);
        assert_int_equal(mcq_ready_harvest(set, &event, 1), 1);
        assert_int_equal(event.key.slot, 7);
        assert_int_equal(mcq_ready_harvest(set, &event, 1), 0);
    }
    expect(&f, bound, "x", 1, 64, &from);
    expect(&f, bound, "x", 1, 64, &from);
    mcq_ready_remove(set, bound);
    mcq_ready_free(&set);
    mcq_reactor_close(f.reactor, bound);
    mcq_reactor_close(f.reactor, sender);
    close_reactor(&f);
}

static void datagrams__nobody_listens__refused_once_and_goes_on(enum which which)
{
    struct fixture f;
    struct mcq_address address;
    int bound;
    int sender;
    bool is_refused = false;

    open_reactor(&f, which);
    bound = open_bound(&f, &address);
    mcq_reactor_close(f.reactor, bound);
    sender = open_sender(&f, &address);
    for (int i = 0; i < 10; i++) {
        struct mcq_io io = mcq_reactor_send_datagram(f.reactor, sender, mcq_bytes_of("x"), NULL);

        assert_true(io.result == MCQ_IO_DONE || io.result == MCQ_IO_REFUSED);
        is_refused |= io.result == MCQ_IO_REFUSED;
    }
    assert_int_equal(is_refused, which != WHICH_SIM); /* whose world has no ICMP */
    mcq_reactor_close(f.reactor, sender);
    close_reactor(&f);
}

static int number_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void datagrams__tuned__the_kernel_has_it(enum which which)
{
    static const struct mcq_tuning tuning = {
        .send_buffer = 20000,
        .recv_buffer = 30000,
        .keepalive = -1,
        .keepalive_count = -1,
        .keepalive_idle_s = -1,
        .keepalive_every_s = -1,
        .multicast_hops = 9,
        .multicast_loop = 0,
    };
    struct mcq_datagram_place place = place_at("239.255.77.3", 5555);
    struct mcq_tuning nowhere = tuning;
    uint64_t refused = mcq_kernel_refused_count();
    struct ip_mreqn interface = {0};
    socklen_t len = sizeof interface;
    struct fixture f;
    int fd = -1;

    place.is_group = place.is_sent_to = true;
    place.interface = if_nametoindex("lo");
    open_reactor(&f, which);
    assert_int_equal(mcq_reactor_open_datagrams(f.reactor, &place, &tuning, &fd), MCQ_IO_DONE);
    assert_int_equal(number_of(fd, SOL_SOCKET, SO_SNDBUF), 40000); /* the kernel doubles it */
    assert_int_equal(number_of(fd, SOL_SOCKET, SO_RCVBUF), 60000);
    assert_int_equal(number_of(fd, IPPROTO_IP, IP_MULTICAST_TTL), 9);
    assert_int_equal(number_of(fd, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    assert_int_equal(number_of(fd, SOL_SOCKET, SO_BROADCAST), 1);
    assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, &len), 0);
    assert_int_equal(mcq_kernel_refused_count(), refused);
    mcq_reactor_close(f.reactor, fd);
    memcpy(nowhere.device, "nosuch0", sizeof "nosuch0");
    assert_int_equal(mcq_reactor_open_datagrams(f.reactor, &place, &nowhere, &fd),
                     MCQ_IO_UNREACHABLE);
    close_reactor(&f);
}

static void datagrams__no_descriptors__says_so(enum which which)
{
    struct mcq_datagram_place place = place_at("127.0.0.1", 0);
    struct rlimit before;
    struct fixture f;
    int fd = -1;

    open_reactor(&f, which);
    before = take_descriptors();
    assert_int_equal(mcq_reactor_open_datagrams(f.reactor, &place, NULL, &fd), MCQ_IO_NO_FDS);
    give_descriptors(&before);
    close_reactor(&f);
}

#define ON_EVERY_ENGINE(X)                                                                         \
    X(datagrams__there_and_back__one_for_one)                                                      \
    X(datagrams__place_is_taken__in_use)                                                           \
    X(datagrams__ready_set__an_edge_for_each_that_comes)                                           \
    X(datagrams__nobody_listens__refused_once_and_goes_on)

#define ON_THE_KERNEL(X)                                                                           \
    X(datagrams__tuned__the_kernel_has_it)                                                         \
    X(datagrams__no_descriptors__says_so)

ON_EVERY_ENGINE(ENGINE_TESTS)
ON_THE_KERNEL(KERNEL_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_EVERY_ENGINE(ENGINE_ROWS) ON_THE_KERNEL(KERNEL_ROWS)};

    return cmocka_run_group_tests_name("reactor.datagram", tests, NULL, NULL);
}
