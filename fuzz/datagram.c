/*
 * DISH, RADIO and DGRAM over udp in a simulated world, with a plain place that says any datagrams.
 *
 * Oracle: a reader that sees a datagram at once says whether it is a message, whose, and what of; a
 * queue of those each way is what must come, whole, once and in order, and the socket's drops are
 * all the others. Nothing is left behind. The first choice: how often the system says to try again.
 */

#include <netinet/in.h>

#include "runtime/peers.h"
#include "wire/limits.h"
#include "world.h"

#define ROOM (MCQ_MAX_DATAGRAM_BYTES + 600)
#define WAITING_MAX 4 /* on a way: more would not fit into the world's */
#define PLAIN_PORT 5557

enum way { TO_DISH, TO_DGRAM, TO_PLAIN, WAYS };

/* What is on its way: the first part, if a socket hears it, and the rest. */
struct expected {
    uint8_t octets[ROOM];
    size_t first_len;
    size_t len;
};

struct run {
    struct calls calls;
    struct world world;
    struct mcq_socket *dish;
    struct mcq_socket *dgram;
    struct mcq_socket *radio;
    int fd; /* of the plain place */
    bool has_joined;
    uint64_t dropped[WAYS]; /* TO_PLAIN: by the radio */
    uint64_t dropped_by_dgram;
    struct expected expected[WAYS][WAITING_MAX];
    unsigned count[WAYS];
};

static struct run run;

static const char plain_address[] = "127.0.0.1:5557";

static struct expected *expect(enum way way, struct mcq_bytes first, struct mcq_bytes body)
{
    struct expected *expected = &run.expected[way][run.count[way]++];

    expected->first_len = first.len;
    expected->len = first.len + body.len;
    mcq_put_bytes(mcq_put_bytes(expected->octets, first), body);
    return expected;
}

static void forget_first(enum way way)
{
    run.count[way]--;
    memmove(&run.expected[way][0], &run.expected[way][1],
            run.count[way] * sizeof run.expected[way][0]);
}

/* --- the world -------------------------------------------------------------------------------- */

static void pass(uint64_t ns)
{
    world_pass(&run.world, ns);
}

static struct mcq_address address_of(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct mcq_address address = {.len = sizeof in};

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static struct mcq_socket *open_socket(enum mcq_socket_type type, const char *endpoint)
{
    struct mcq_socket *socket;
    const char *fault = NULL;
    enum mcq_err err;

    if (mcq_socket_open(run.world.context, type, &socket) != MCQ_OK ||
        mcq_socket_enter(socket) != MCQ_OK)
        fuzz_fail("no socket");
    err = (type == MCQ_SOCKET_TYPE_RADIO ? mcq_socket_connect
                                         : mcq_socket_bind)(socket, mcq_bytes_of(endpoint), &fault);
    if (err != MCQ_OK)
        fuzz_fail("%s: %s", endpoint, mcq_err_name(err));
    mcq_socket_leave(socket);
    return socket;
}

static void begin(const struct fuzz_input *input)
{
    struct mcq_sim_faults faults = {.again = input->choice[0] * 2u};
    struct mcq_datagram_place place = {.address = address_of(PLAIN_PORT)};

    run = (struct run) {.calls = calls_of(input)};
    world_begin(&run.world, &faults);
    if (mcq_reactor_open_datagrams(run.world.raw, &place, NULL, &run.fd) != MCQ_IO_DONE)
        fuzz_fail("no plain place");
    run.dish = open_socket(MCQ_SOCKET_TYPE_DISH, "udp://127.0.0.1:5555");
    run.dgram = open_socket(MCQ_SOCKET_TYPE_DGRAM, "udp://127.0.0.1:5556");
    run.radio = open_socket(MCQ_SOCKET_TYPE_RADIO, "udp://127.0.0.1:5557");
}

/* --- what is said ----------------------------------------------------------------------------- */

/* Its first octets are the input's, and the others count on. */
static struct mcq_bytes take_octets(uint8_t octets[ROOM])
{
    size_t len = calls_octet(&run.calls);
    size_t own = mcq_min_size(len, run.calls.left.len);

    len = len > 128 ? (len - 128) * 66 : len; /* up to more than there can be */
    for (size_t i = 0; i < len; i++)
        octets[i] = i < own && i < 128 ? calls_octet(&run.calls) : (uint8_t) i;
    return mcq_bytes(octets, len);
}

/* The datagram, read slowly. */
static bool is_for_dish(struct mcq_bytes octets, struct mcq_bytes *group, struct mcq_bytes *body)
{
    if (octets.len == 0 || octets.len > MCQ_MAX_DATAGRAM_BYTES || octets.data[0] >= octets.len)
        return false;
    *group = mcq_bytes(octets.data + 1, octets.data[0]);
    *body = mcq_bytes(octets.data + 1 + group->len, octets.len - 1 - group->len);
    return group->len == 0 || (run.has_joined && group->len == 1 && group->data[0] == 'g');
}

static void say(enum way way)
{
    uint8_t room[ROOM];
    struct mcq_bytes octets = take_octets(room);
    struct mcq_address to = address_of(way == TO_DISH ? 5555 : 5556);
    struct mcq_bytes first;
    struct mcq_bytes body;

    if (run.count[way] == WAITING_MAX ||
        mcq_reactor_send_datagram(run.world.raw, run.fd, octets, &to).result != MCQ_IO_DONE)
        return;
    if (way == TO_DISH && is_for_dish(octets, &first, &body))
        (void) expect(way, first, body);
    else if (way == TO_DGRAM && octets.len <= MCQ_MAX_DATAGRAM_BYTES)
        (void) expect(way, mcq_bytes_of(plain_address), octets);
    else
        run.dropped[way]++;
    pass(MS); /* none overtakes a change of groups */
}

static void tell(void)
{
    uint8_t room[ROOM];
    struct mcq_bytes body = take_octets(room);
    uint8_t group[256];
    size_t group_len = calls_octet(&run.calls);
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg};

    if (run.count[TO_PLAIN] == WAITING_MAX)
        return;
    for (size_t i = 0; i <= group_len; i++)
        group[i] = i == 0 ? (uint8_t) group_len : (uint8_t) (1 + i % 255);
    if (mcq_msg_init_copy(&msg, body) != MCQ_OK ||
        mcq_msg_set_group(&msg, mcq_bytes(group + 1, group_len)) != MCQ_OK)
        fuzz_fail("no message");
    part.body = mcq_msg_bytes(&msg);
    if (mcq_socket_send(run.radio, &part, 0) != MCQ_OK)
        fuzz_fail("a RADIO waits");
    mcq_msg_fini(&msg);
    if (1 + group_len + body.len <= MCQ_MAX_DATAGRAM_BYTES)
        (void) expect(TO_PLAIN, mcq_bytes(group, group_len + 1), body);
    else
        run.dropped[TO_PLAIN]++;
    pass(10 * MS); /* the order of two sockets' datagrams is nobody's */
}

static void send_part(struct mcq_bytes octets, bool more)
{
    struct mcq_msg msg;
    struct mcq_part part = {.msg = &msg, .more = more};

    if (mcq_msg_init_copy(&msg, octets) != MCQ_OK)
        fuzz_fail("no message");
    part.body = mcq_msg_bytes(&msg);
    if (mcq_socket_send(run.dgram, &part, 0) != MCQ_OK)
        fuzz_fail("a DGRAM waits");
    mcq_msg_fini(&msg);
}

static void send_to(void)
{
    static const char *const others[] = {"",          ":",          "127.0.0.1",
                                         "name:5557", "127.0.0.1:", "[::1]:5557"};
    unsigned which = calls_octet(&run.calls) % (MCQ_COUNTOF(others) + 2);
    bool is_good = which < 2; /* one of them with its zero octet */
    struct mcq_bytes address = is_good ? mcq_bytes(plain_address, strlen(plain_address) + which)
                                       : mcq_bytes_of(others[which - 2]);
    uint8_t room[ROOM];
    struct mcq_bytes octets = take_octets(room);

    if (run.count[TO_PLAIN] == WAITING_MAX)
        return;
    send_part(address, true);
    send_part(octets, false);
    if (is_good && octets.len <= MCQ_MAX_DATAGRAM_BYTES)
        (void) expect(TO_PLAIN, mcq_bytes(NULL, 0), octets);
    else
        run.dropped_by_dgram++;
    pass(10 * MS);
}

/* --- what is heard ---------------------------------------------------------------------------- */

static struct expected *first_of(enum way way)
{
    if (run.count[way] == 0)
        fuzz_fail("something comes that nobody has said");
    return &run.expected[way][0];
}

static bool hear_plain(void)
{
    uint8_t octets[ROOM];
    struct mcq_address from;
    struct mcq_io io =
        mcq_reactor_recv_datagram(run.world.raw, run.fd, octets, sizeof octets, &from);

    if (io.result != MCQ_IO_DONE)
        return false;
    calls_same_bytes(mcq_bytes(octets, io.len),
                     mcq_bytes(first_of(TO_PLAIN)->octets, first_of(TO_PLAIN)->len), "a datagram");
    forget_first(TO_PLAIN);
    return true;
}

static bool receive(enum way way)
{
    struct mcq_socket *socket = way == TO_DISH ? run.dish : run.dgram;
    struct expected *expected;
    struct mcq_bytes first;
    struct mcq_msg head;
    struct mcq_msg msg;

    if (mcq_socket_recv(socket, &msg, 0) != MCQ_OK)
        return false;
    expected = first_of(way);
    first = mcq_bytes(expected->octets, expected->first_len);
    if (way == TO_DGRAM) {
        head = msg;
        calls_same_bytes(mcq_msg_bytes(&head), first, "the address");
        if (!head.more || mcq_socket_recv(socket, &msg, 0) != MCQ_OK)
            fuzz_fail("an address alone");
        mcq_msg_fini(&head);
    } else {
        calls_same_bytes(mcq_msg_group(&msg), first, "the group");
    }
    if (msg.more)
        fuzz_fail("more than a message");
    calls_same_bytes(mcq_msg_bytes(&msg),
                     mcq_bytes(expected->octets + first.len, expected->len - first.len),
                     "the body");
    mcq_msg_fini(&msg);
    forget_first(way);
    return true;
}

static void change_groups(void)
{
    const struct mcq_pattern_ops *ops = run.dish->pattern->ops;

    for (int i = 0; i < 50; i++, pass(MS)) /* what has come is judged by what is joined then */
        while (receive(TO_DISH))
            continue;
    run.has_joined = !run.has_joined;
    if (mcq_socket_enter(run.dish) != MCQ_OK ||
        ops->join(run.dish->pattern, mcq_bytes_of("g"), run.has_joined) != MCQ_OK)
        fuzz_fail("the groups");
    mcq_socket_leave(run.dish);
}

static void call(void)
{
    switch (calls_octet(&run.calls) % 8) {
    case 0: say(TO_DISH); break;
    case 1: say(TO_DGRAM); break;
    case 2: tell(); break;
    case 3: send_to(); break;
    case 4: (void) receive(TO_DISH); break;
    case 5: (void) receive(TO_DGRAM); break;
    case 6: (void) hear_plain(); break;
    default: change_groups(); break;
    }
}

/* All that was said is there in the end. */
static void settle(void)
{
    for (int i = 0; i < 100; i++, pass(MS)) {
        while (receive(TO_DISH) || receive(TO_DGRAM) || hear_plain())
            continue;
    }
    for (int way = 0; way < WAYS; way++)
        calls_same(run.count[way], 0, "what never came");
}

static uint64_t drops_of(struct mcq_socket *socket)
{
    struct mcq_tally tally;
    uint64_t count = 0;

    if (mcq_socket_enter(socket) != MCQ_OK)
        fuzz_fail("enter");
    mcq_socket_sum(socket, &tally);
    mcq_socket_leave(socket);
    for (int i = 0; i < MCQ_TALLY_DROPS; i++)
        count += tally.drops[i];
    return count;
}

static void end(void)
{
    calls_same(drops_of(run.dish), run.dropped[TO_DISH], "drops of the DISH");
    calls_same(drops_of(run.radio), run.dropped[TO_PLAIN], "drops of the RADIO");
    calls_same(drops_of(run.dgram), run.dropped[TO_DGRAM] + run.dropped_by_dgram,
               "drops of the DGRAM");
    mcq_reactor_close(run.world.raw, run.fd);
    if (mcq_socket_close(run.dish) != MCQ_OK || mcq_socket_close(run.dgram) != MCQ_OK ||
        mcq_socket_close(run.radio) != MCQ_OK)
        fuzz_fail("close");
    world_end(&run.world);
}

static void fuzz_one(const struct fuzz_input *input)
{
    begin(input);
    if (mcq_socket_enter(run.dish) != MCQ_OK ||
        run.dish->pattern->ops->join(run.dish->pattern, mcq_bytes_of(""), true) != MCQ_OK)
        fuzz_fail("the group without a name");
    mcq_socket_leave(run.dish);
    while (calls_next(&run.calls))
        call();
    settle();
    end();
}
