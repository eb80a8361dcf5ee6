/* Every way in which an endpoint is refused, with its sentence: what was tried, what is wrong with
 * it, and the way out. */
#include "api/test_support.h"
#include "transport/endpoint.h"

typedef int endpoint_call(struct mcq_socket *socket, const char *endpoint);

struct refusal {
    endpoint_call *call;
    const char *name;
    const char *endpoint;
    int number;
    const char *why;
    enum mcq_option option; /* that is set first; 0: none */
    const char *value;
};

#define BIND mcq_bind, "bind"
#define CONNECT mcq_connect, "connect"
#define UNBIND mcq_unbind, "unbind"
#define DISCONNECT mcq_disconnect, "disconnect"
#define NONE (enum mcq_option) 0, NULL
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct refusal table[] = {
    /* Texts. */
    {BIND, "127.0.0.1:5555", EINVAL, "an endpoint is written TRANSPORT://ADDRESS", NONE},
    {BIND, "", EINVAL, "an endpoint is written TRANSPORT://ADDRESS", NONE},
    {UNBIND, "rubbish", EINVAL, "an endpoint is written TRANSPORT://ADDRESS", NONE},
    {CONNECT, "carrier://pigeon", EPROTONOSUPPORT,
     "no transport has this name; there are tcp, ipc, inproc and udp", NONE},
    {DISCONNECT, "carrier://pigeon", EPROTONOSUPPORT,
     "no transport has this name; there are tcp, ipc, inproc and udp", NONE},
    {BIND, "TCP://*:*", EPROTONOSUPPORT,
     "no transport has this name; there are tcp, ipc, inproc and udp", NONE},
    {BIND, "tcp://", EINVAL, "nothing stands behind the ://", NONE},
    {CONNECT, "ipc://", EINVAL, "nothing stands behind the ://", NONE},
    {DISCONNECT, "tcp://", EINVAL, "nothing stands behind the ://", NONE},
    {CONNECT, "tcp://127.0.0.1", EINVAL, "the address is written HOST:PORT", NONE},
    {BIND, "tcp://127.0.0.1:x", EINVAL, "the port is not a number in 0..65535", NONE},
    {BIND, "tcp://127.0.0.1:-1", EINVAL, "the port is not a number in 0..65535", NONE},
    {BIND, "tcp://127.0.0.1:", EINVAL, "the port is not a number in 0..65535", NONE},
    {BIND, "tcp://127.0.0.1:99999", EINVAL, "port 99999 is not in 0..65535", NONE},
    {CONNECT, "tcp://127.0.0.1:65536", EINVAL, "port 65536 is not in 0..65535", NONE},
    {BIND, "tcp://a b:5555", EINVAL, "the host is neither a name nor an address", NONE},
    {CONNECT, "tcp://:5555", EINVAL, "the host is neither a name nor an address", NONE},
    {CONNECT, "tcp://;127.0.0.1:5555", EINVAL,
     "nothing stands in front of the ';'; name an address or take it out", NONE},
    {CONNECT, "tcp://127.0.0.1;127.0.0.1:5555", EINVAL,
     "what stands in front of the ';' is not written ADDRESS:PORT", NONE},
    {CONNECT, "tcp://nosuch0:0;127.0.0.1:5555", EINVAL,
     "what stands in front of the ';' is neither an interface nor an address of a family that is "
     "looked for",
     NONE},
    {CONNECT, "tcp://*:5555", EINVAL, "'*' is for binding; name the host to connect to", NONE},
    {CONNECT, "tcp://127.0.0.1:*", EINVAL, "'*' is for binding; name the port to connect to", NONE},
    {BIND, "tcp://lo:0;127.0.0.1:*", EINVAL,
     "a source address is for connecting; take it and the ';' out", NONE},
    {BIND, "ipc://" X64 X64, ENAMETOOLONG,
     "the path has more than 107 octets, which is all that the system takes", NONE},
    {CONNECT, "ipc://@", EINVAL, "nothing stands behind the '@'; name the abstract socket", NONE},
    {CONNECT, "ipc://*", EINVAL, "'*' is for binding; name the path to connect to", NONE},
    {CONNECT, "tcp://" X64 "." X64 "." X64 "." X64 ":5555", EINVAL,
     "it is longer than an endpoint can be", NONE},

    /* Addresses. */
    {BIND, "tcp://[::1]:0", EINVAL, "this is an IPv6 address; set IPV6 first", NONE},
    {CONNECT, "tcp://[::1]:5555", EINVAL, "this is an IPv6 address; set IPV6 first", NONE},
    {BIND, "tcp://nosuch0:*", ENODEV, "there is no such host or interface", NONE},
    {CONNECT, "tcp://127.0.0.1.5:5555", EHOSTUNREACH, "there is no such host", NONE},
    {BIND, "tcp://192.0.2.1:5555", EADDRNOTAVAIL, "the address is not of this machine", NONE},
    {BIND, "tcp://127.0.0.1:*", ENODEV, "the device of BINDTODEVICE is not there",
     MCQ_OPT_BINDTODEVICE, "nosuch0"},
    {CONNECT, "tcp://somewhere:5555", EINVAL,
     "SOCKS_PROXY is no address of a family that is looked for; set IPV6", MCQ_OPT_SOCKS_PROXY,
     "[::1]:1080"},
    {BIND, "ipc:///no/such/folder", ENOENT, "the folder is not there; make it first", NONE},
    {BIND, "ipc:///tmp", EADDRINUSE, "somebody listens there, or it is a file of another kind",
     NONE},

    {BIND, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO, "udp is for RADIO, DISH and DGRAM", NONE},
    {CONNECT, "udp://127.0.0.1:5555", MCQ_ENOCOMPATPROTO, "udp is for RADIO, DISH and DGRAM", NONE},

    /* What is not there. */
    {UNBIND, "tcp://127.0.0.1:1", ENOENT, "this socket is not bound to it", NONE},
    {UNBIND, "ipc:///nowhere", ENOENT, "this socket is not bound to it", NONE},
    {UNBIND, "inproc://nowhere", ENOENT, "this socket is not bound to it", NONE},
    {DISCONNECT, "tcp://127.0.0.1:1", ENOENT, "this socket does not connect to it", NONE},
    {DISCONNECT, "ipc://@nowhere", ENOENT, "this socket does not connect to it", NONE},
};

static void refusals__name_what_was_tried_and_the_way_out(void)
{
    struct world world;

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(table); i++) {
        const struct refusal *row = &table[i];
        struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
        char sentence[512];

        if (row->value != NULL)
            assert_works(mcq_set_bytes(pull, row->option, row->value, strlen(row->value)));
        (void) snprintf(sentence, sizeof sentence, "%s %.200s: %s", row->name, row->endpoint,
                        row->why);
        assert_says(row->call(pull, row->endpoint), row->number, sentence);
        close_socket(&world, pull);
    }
    end_world(&world);
}

/* No fault of a text is without a row; a zero octet ends what the calls are told. */
static void refusals__every_fault_of_a_text_has_one(void)
{
    for (int fault = MCQ_ENDPOINT_GOOD + 1; fault <= MCQ_ENDPOINT_ANY_PATH_TO_CONNECT; fault++) {
        bool is_found = fault == MCQ_ENDPOINT_BAD_PATH;

        for (size_t i = 0; i < MCQ_COUNTOF(table); i++)
            is_found |=
                strcmp(table[i].why, mcq_endpoint_fault_text((enum mcq_endpoint_fault) fault)) == 0;
        if (!is_found)
            fail_msg("no row says: %s", mcq_endpoint_fault_text((enum mcq_endpoint_fault) fault));
    }
}

static void refusals__of_what_others_have(void)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char name[ENDPOINT_BYTES];

    (void) snprintf(name, sizeof name, "ipc://@mcq-refusals-%ld", (long) getpid());
    begin_world(&world);
    struct mcq_socket *pull = open_socket(&world, MCQ_PULL);
    struct mcq_socket *other = open_socket(&world, MCQ_PULL);
    struct mcq_socket *pair = open_socket(&world, MCQ_PAIR);

    bind_somewhere(pull, endpoint);
    assert_works(mcq_bind(pull, name));
    assert_works(mcq_bind(pull, "inproc://taken"));
    assert_says_of(mcq_bind(other, endpoint), EADDRINUSE, "bind %s: the address is in use",
                   endpoint);
    assert_says_of(mcq_bind(other, name), EADDRINUSE,
                   "bind %s: somebody listens there, or it is a file of another kind", name);
    assert_fails(mcq_bind(other, "inproc://taken"), EADDRINUSE);
    assert_works(mcq_connect(pair, endpoint));
    assert_says_of(mcq_connect(pair, endpoint), EISCONN, "connect %s: this socket has its one peer",
                   endpoint);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(refusals__name_what_was_tried_and_the_way_out)                                               \
    X(refusals__every_fault_of_a_text_has_one)                                                     \
    X(refusals__of_what_others_have)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.refusals");
}
