/*
 * Endpoint texts, and addresses as texts.
 *
 * Oracle: a text is good if some way to cut it at its own marks follows the grammar, and then there
 * is one such way, which is the parser's; what was parsed and printed again is parsed to the same;
 * a refusal fills nothing and has a text; an address that is printed is an endpoint, and resolves
 * to itself. The first choice: bind or connect, and whether the octets are an address, and which.
 */

#include <netinet/in.h>
#include <sys/un.h>

#include "calls.h"
#include "transport/transport.h"
#include "transport/udp.h"

#define TEXT_MAX 300

/* In the order of enum mcq_scheme. */
static const char *const leads[] = {"tcp://", "inproc://", "ipc://", "udp://"};

#define NO_SCHEME MCQ_COUNTOF(leads)

/* --- the grammar, read slowly ----------------------------------------------------------------- */

static bool is_number(struct mcq_bytes text, unsigned long *value)
{
    char digits[6] = {0};

    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.len);
    *value = strtoul(digits, NULL, 10);
    return strspn(digits, "0123456789") == text.len && *value <= UINT16_MAX;
}

static bool is_host(struct mcq_bytes text)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:";

    for (size_t i = 0; i < text.len; i++)
        if (memchr(letters, text.data[i], sizeof letters - 1) == NULL)
            return false;
    return text.len > 0;
}

static bool has(struct mcq_bytes text, uint8_t octet)
{
    return text.len > 0 && memchr(text.data, octet, text.len) != NULL;
}

static struct mcq_bytes piece(struct mcq_bytes text, size_t from, size_t to)
{
    return mcq_bytes(text.data + from, to - from);
}

/* HOST [%ZONE] between `from` and `to`, the zone from `mark` on; mark == to: none. */
static bool reads_host(struct mcq_bytes text, size_t from, size_t mark, size_t to,
                       struct mcq_endpoint *endpoint)
{
    endpoint->host = piece(text, from, mark);
    if (mark < to)
        endpoint->zone = piece(text, mark + 1, to);
    return is_host(endpoint->host) && (mark == to || endpoint->zone.len > 0);
}

/* The ways to read text[from..to) as a host. */
static unsigned read_host(struct mcq_bytes text, size_t from, size_t to, bool connects,
                          struct mcq_endpoint *endpoint)
{
    bool is_boxed = to - from >= 2 && text.data[from] == '[' && text.data[to - 1] == ']';
    struct mcq_endpoint found = *endpoint;
    unsigned ways = 0;

    if (to - from == 1 && text.data[from] == '*')
        return !connects;
    from += is_boxed;
    to -= is_boxed;
    for (size_t mark = from; mark <= to; mark++) {
        if (mark < to && text.data[mark] != '%')
            continue;
        found.zone = mcq_bytes(NULL, 0);
        if (reads_host(text, from, mark, to, &found)) {
            *endpoint = found;
            ways++;
        }
    }
    return ways;
}

/* The ways to read text[from..] as HOST:PORT. */
static unsigned read_address(struct mcq_bytes text, size_t from, bool connects,
                             struct mcq_endpoint *endpoint)
{
    unsigned ways = 0;

    for (size_t colon = from; colon < text.len; colon++) {
        struct mcq_bytes port = piece(text, colon + 1, text.len);
        struct mcq_endpoint found = *endpoint;
        unsigned long number = 0;

        if (text.data[colon] != ':' ||
            (!is_number(port, &number) && (connects || !mcq_bytes_equal(port, mcq_bytes_of("*")))))
            continue;
        found.port = (uint16_t) number;
        unsigned hosts = read_host(text, from, colon, connects, &found);

        if (hosts > 0)
            *endpoint = found;
        ways += hosts;
    }
    return ways;
}

/* The same of text[from..] as the address of a tcp endpoint. */
static unsigned read_tcp(struct mcq_bytes text, size_t from, bool connects,
                         struct mcq_endpoint *endpoint)
{
    struct mcq_endpoint source = {0};
    size_t mark = from;

    if (!has(piece(text, from, text.len), ';'))
        return read_address(text, from, connects, endpoint);
    if (!connects)
        return 0;
    while (text.data[mark] != ';')
        mark++;
    endpoint->source = piece(text, from, mark);
    return read_address(endpoint->source, 0, false, &source) *
           read_address(text, mark + 1, connects, endpoint);
}

/* What stands in front of the first ';' is an interface's, whatever it is. */
static unsigned read_udp(struct mcq_bytes text, size_t from, bool connects,
                         struct mcq_endpoint *endpoint)
{
    size_t mark = from;

    if (!has(piece(text, from, text.len), ';'))
        return read_address(text, from, connects, endpoint);
    while (text.data[mark] != ';')
        mark++;
    endpoint->source = piece(text, from, mark);
    return mark > from ? read_address(text, mark + 1, connects, endpoint) : 0;
}

static unsigned read_ipc(struct mcq_bytes text, size_t from, bool connects,
                         struct mcq_endpoint *endpoint)
{
    struct mcq_bytes path = piece(text, from, text.len);

    if (path.len == 1 && path.data[0] == '*')
        return !connects;
    endpoint->path = path;
    return path.len < sizeof((struct sockaddr_un *) NULL)->sun_path && !has(path, '\0') &&
           !(path.len == 1 && path.data[0] == '@');
}

/* Which of the leads it has. */
static size_t scheme_of(struct mcq_bytes text)
{
    size_t scheme = 0;

    while (scheme < NO_SCHEME && (text.len < strlen(leads[scheme]) ||
                                  memcmp(text.data, leads[scheme], strlen(leads[scheme])) != 0))
        scheme++;
    return scheme;
}

/* The ways to read the text, of which *endpoint is one. */
static unsigned read_text(struct mcq_bytes text, bool connects, struct mcq_endpoint *endpoint)
{
    size_t scheme = scheme_of(text);

    if (scheme == NO_SCHEME || text.len == strlen(leads[scheme]))
        return 0;
    *endpoint = (struct mcq_endpoint) {.scheme = (enum mcq_scheme) scheme};
    if (scheme == MCQ_SCHEME_INPROC)
        return 1; /* any name */
    return (scheme == MCQ_SCHEME_TCP   ? read_tcp
            : scheme == MCQ_SCHEME_UDP ? read_udp
                                       : read_ipc)(text, strlen(leads[scheme]), connects, endpoint);
}

/* --- the checks ------------------------------------------------------------------------------- */

static void check_same(const struct mcq_endpoint *one, const struct mcq_endpoint *other)
{
    calls_same(one->scheme, other->scheme, "the scheme");
    calls_same(one->port, other->port, "the port");
    calls_same_bytes(one->host, other->host, "the host");
    calls_same_bytes(one->zone, other->zone, "the zone");
    calls_same_bytes(one->source, other->source, "the source");
    calls_same_bytes(one->path, other->path, "the path");
}

static void append(struct mcq_bytes bytes, uint8_t *text, size_t *len)
{
    if (bytes.len > 0)
        memcpy(text + *len, bytes.data, bytes.len);
    *len += bytes.len;
}

static void check_printed(const struct mcq_endpoint *endpoint, enum mcq_endpoint_use use)
{
    uint8_t text[TEXT_MAX + 32];
    size_t len = 0;
    char port[8];
    struct mcq_endpoint again;

    if (endpoint->scheme == MCQ_SCHEME_INPROC)
        return; /* its name is not kept */
    append(mcq_bytes_of(leads[endpoint->scheme]), text, &len);
    if (endpoint->scheme == MCQ_SCHEME_IPC) {
        append(endpoint->path.len > 0 ? endpoint->path : mcq_bytes_of("*"), text, &len);
    } else {
        snprintf(port, sizeof port, ":%u", endpoint->port);
        append(endpoint->source, text, &len);
        append(mcq_bytes_of(endpoint->source.len > 0 ? ";" : ""), text, &len);
        append(endpoint->host.len > 0 ? endpoint->host : mcq_bytes_of("*"), text, &len);
        append(mcq_bytes_of(endpoint->zone.len > 0 ? "%" : ""), text, &len);
        append(endpoint->zone, text, &len);
        append(mcq_bytes_of(port), text, &len);
    }
    calls_same(mcq_endpoint_parse(mcq_bytes(text, len), use, &again), MCQ_ENDPOINT_GOOD,
               "what was printed");
    check_same(&again, endpoint);
}

/* Refusals that can be told from the start alone. */
static void check_fault(enum mcq_endpoint_fault fault, struct mcq_bytes text)
{
    size_t mark = 0, scheme = scheme_of(text);

    while (mark + 3 <= text.len && memcmp(text.data + mark, "://", 3) != 0)
        mark++;
    bool has_scheme = mark > 0 && mark + 3 <= text.len;
    bool is_ours = scheme != NO_SCHEME;

    calls_same(fault == MCQ_ENDPOINT_NO_SCHEME, !has_scheme, "no scheme");
    calls_same(fault == MCQ_ENDPOINT_UNKNOWN_SCHEME, has_scheme && !is_ours, "unknown scheme");
    calls_same(fault == MCQ_ENDPOINT_NO_ADDRESS, is_ours && text.len == strlen(leads[scheme]),
               "no address");
    if (mcq_endpoint_fault_text(fault) == NULL)
        fuzz_fail("a fault without a text");
}

static void check_text(struct mcq_bytes octets, enum mcq_endpoint_use use)
{
    struct mcq_endpoint endpoint = {.port = 4711}, expected;
    uint8_t *copy = fuzz_copy(octets);
    struct mcq_bytes text = mcq_bytes(copy, octets.len);
    enum mcq_endpoint_fault fault = mcq_endpoint_parse(text, use, &endpoint);
    unsigned ways = read_text(text, use == MCQ_ENDPOINT_CONNECT, &expected);

    calls_same(fault == MCQ_ENDPOINT_GOOD, ways, "ways to read the text");
    check_fault(fault, text);
    if (fault == MCQ_ENDPOINT_GOOD) {
        struct mcq_endpoint source;

        if (endpoint.scheme == MCQ_SCHEME_TCP)
            calls_same(mcq_endpoint_source(&endpoint, &source), endpoint.source.len > 0,
                       "a source");
        check_same(&endpoint, &expected);
        check_printed(&endpoint, use);
    } else if (endpoint.port != 4711 || endpoint.host.data != NULL || endpoint.path.data != NULL) {
        fuzz_fail("refused, and filled all the same");
    }
    free(copy);
}

/* The same of datagrams: a sender's address as text is one to send to. */
static void check_peer(const struct mcq_address *address)
{
    char text[MCQ_UDP_TEXT_BYTES];
    struct mcq_address again;
    size_t len = mcq_udp_peer_text(address, text);

    if (!mcq_udp_parse_peer(mcq_bytes(text, len), address->storage.ss_family, &again))
        fuzz_fail("a sender's address is no address");
    calls_same_bytes(mcq_bytes(&again.storage, again.len),
                     mcq_bytes(&address->storage, address->len), "the sender's address");
}

static void check_address(struct mcq_bytes octets, bool is_ipv6, uint8_t port)
{
    struct mcq_address address = {0}, again;
    struct sockaddr_in *v4 = (struct sockaddr_in *) &address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) &address.storage;
    char text[MCQ_TCP_TEXT_BYTES];
    struct mcq_endpoint endpoint;

    if (is_ipv6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t) (port * 257));
        memcpy(&v6->sin6_addr, octets.data, mcq_min_size(octets.len, sizeof v6->sin6_addr));
        address.len = sizeof *v6;
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t) (port * 257));
        memcpy(&v4->sin_addr, octets.data, mcq_min_size(octets.len, sizeof v4->sin_addr));
        address.len = sizeof *v4;
    }
    mcq_tcp_text(&address, text);
    calls_same(mcq_endpoint_parse(mcq_bytes_of(text), MCQ_ENDPOINT_CONNECT, &endpoint),
               MCQ_ENDPOINT_GOOD, "an address's text");
    check_printed(&endpoint, MCQ_ENDPOINT_CONNECT);
    calls_same(mcq_tcp_numeric(&endpoint, is_ipv6, &again), MCQ_OK, "an address's text resolves");
    calls_same_bytes(mcq_bytes(&again.storage, again.len), mcq_bytes(&address.storage, address.len),
                     "the address");
    check_peer(&address);
}

static void check_path(struct mcq_bytes path, bool is_abstract)
{
    struct mcq_address address, again;
    struct mcq_endpoint endpoint = {.scheme = MCQ_SCHEME_IPC};
    char text[MCQ_TRANSPORT_TEXT_BYTES];
    uint8_t name[MCQ_IPC_PATH_MAX];

    if (path.len == 0 || path.len > sizeof name || has(path, '\0'))
        return;
    memcpy(name, path.data, path.len);
    if (is_abstract)
        name[0] = '@';
    endpoint.path = mcq_bytes(name, path.len);
    mcq_ipc_address(&endpoint, &address);
    mcq_transport_text(&address, text);
    calls_same_bytes(mcq_bytes_of(text + strlen("ipc://")), endpoint.path, "the text of a path");
    if (mcq_endpoint_parse(mcq_bytes_of(text), MCQ_ENDPOINT_CONNECT, &endpoint) !=
        MCQ_ENDPOINT_GOOD) /* "@" and "*" */
        return;
    calls_same(mcq_transport_numeric(&endpoint, false, &again), MCQ_OK, "a path's text resolves");
    calls_same_bytes(mcq_bytes(&again.storage, again.len), mcq_bytes(&address.storage, address.len),
                     "the path's address");
}

static void fuzz_one(const struct fuzz_input *input)
{
    unsigned how = input->choice[0];

    if (input->octets.len > TEXT_MAX)
        return;
    if (how & 2 && how & 8)
        check_path(input->octets, how & 4);
    else if (how & 2)
        check_address(input->octets, how & 4, input->choice[1]);
    else
        check_text(input->octets, how & 1 ? MCQ_ENDPOINT_CONNECT : MCQ_ENDPOINT_BIND);
}
