#include "transport/endpoint.h"

#include <sys/un.h>

static_assert(MCQ_IPC_PATH_MAX < sizeof((struct sockaddr_un *) NULL)->sun_path,
              "a path and its zero octet fit");

static const char *const fault_table[] = {
    [MCQ_ENDPOINT_GOOD] = "it is one",
    [MCQ_ENDPOINT_NO_SCHEME] = "an endpoint is written TRANSPORT://ADDRESS",
    [MCQ_ENDPOINT_UNKNOWN_SCHEME] =
        "no transport has this name; there are tcp, ipc, inproc and udp",
    [MCQ_ENDPOINT_NO_ADDRESS] = "nothing stands behind the ://",
    [MCQ_ENDPOINT_NO_PORT] = "the address is written HOST:PORT",
    [MCQ_ENDPOINT_BAD_PORT] = "the port is not a number in 0..65535",
    [MCQ_ENDPOINT_BAD_HOST] = "the host is neither a name nor an address",
    [MCQ_ENDPOINT_EMPTY_SOURCE] =
        "nothing stands in front of the ';'; name an address or take it out",
    [MCQ_ENDPOINT_BAD_SOURCE] = "what stands in front of the ';' is not written ADDRESS:PORT",
    [MCQ_ENDPOINT_ANY_HOST_TO_CONNECT] = "'*' is for binding; name the host to connect to",
    [MCQ_ENDPOINT_ANY_PORT_TO_CONNECT] = "'*' is for binding; name the port to connect to",
    [MCQ_ENDPOINT_SOURCE_TO_BIND] = "a source address is for connecting; take it and the ';' out",
    [MCQ_ENDPOINT_LONG_PATH] =
        "the path has more than 107 octets, which is all that the system takes",
    [MCQ_ENDPOINT_BAD_PATH] = "a path has no zero octet",
    [MCQ_ENDPOINT_NO_NAME] = "nothing stands behind the '@'; name the abstract socket",
    [MCQ_ENDPOINT_ANY_PATH_TO_CONNECT] = "'*' is for binding; name the path to connect to",
};

static size_t find(struct mcq_bytes text, const char *needle)
{
    size_t len = strlen(needle);

    for (size_t at = 0; at + len <= text.len; at++)
        if (memcmp(text.data + at, needle, len) == 0)
            return at;
    return text.len;
}

static size_t find_last(struct mcq_bytes text, uint8_t octet)
{
    for (size_t at = text.len; at > 0; at--)
        if (text.data[at - 1] == octet)
            return at - 1;
    return text.len;
}

static bool is_any(struct mcq_bytes text)
{
    return mcq_bytes_equal(text, mcq_bytes_of("*"));
}

static bool parse_port(struct mcq_bytes text, uint16_t *port)
{
    uint32_t value = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t) value;
    return true;
}

static bool is_host_octet(uint8_t octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'z') ||
           (octet >= 'A' && octet <= 'Z') || octet == '.' || octet == '-' || octet == '_' ||
           octet == ':';
}

/* HOST or HOST%ZONE, brackets around both or around neither. */
static bool parse_host(struct mcq_bytes text, struct mcq_endpoint *endpoint)
{
    if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']') {
        mcq_bytes_skip(&text, 1);
        text.len--;
    }

    size_t mark = find(text, "%");
    struct mcq_bytes host = mcq_bytes(text.data, mark);

    if (mark < text.len) {
        endpoint->zone = mcq_bytes(text.data + mark + 1, text.len - mark - 1);
        if (endpoint->zone.len == 0)
            return false;
    }
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_octet(host.data[i]))
            return false;
    endpoint->host = host;
    return host.len > 0;
}

static enum mcq_endpoint_fault parse_host_port(struct mcq_bytes text, enum mcq_endpoint_use use,
                                               struct mcq_endpoint *endpoint)
{
    bool connects = use == MCQ_ENDPOINT_CONNECT;
    size_t colon = find_last(text, ':');

    if (colon == text.len)
        return MCQ_ENDPOINT_NO_PORT;

    struct mcq_bytes host = mcq_bytes(text.data, colon);
    struct mcq_bytes port = mcq_bytes(text.data + colon + 1, text.len - colon - 1);

    if (is_any(port)) {
        if (connects)
            return MCQ_ENDPOINT_ANY_PORT_TO_CONNECT;
    } else if (!parse_port(port, &endpoint->port)) {
        return MCQ_ENDPOINT_BAD_PORT;
    }
    if (is_any(host))
        return connects ? MCQ_ENDPOINT_ANY_HOST_TO_CONNECT : MCQ_ENDPOINT_GOOD;
    return parse_host(host, endpoint) ? MCQ_ENDPOINT_GOOD : MCQ_ENDPOINT_BAD_HOST;
}

static enum mcq_endpoint_fault parse_tcp(struct mcq_bytes text, enum mcq_endpoint_use use,
                                         struct mcq_endpoint *endpoint)
{
    size_t mark = find(text, ";");

    if (mark < text.len) {
        struct mcq_endpoint source = {0};

        if (use != MCQ_ENDPOINT_CONNECT)
            return MCQ_ENDPOINT_SOURCE_TO_BIND;
        if (mark == 0)
            return MCQ_ENDPOINT_EMPTY_SOURCE;
        endpoint->source = mcq_bytes(text.data, mark);
        if (parse_host_port(endpoint->source, MCQ_ENDPOINT_BIND, &source) != MCQ_ENDPOINT_GOOD)
            return MCQ_ENDPOINT_BAD_SOURCE;
        mcq_bytes_skip(&text, mark + 1);
    }
    return parse_host_port(text, use, endpoint);
}

/* What is in front of the ';' is no address to be bound, but where a group is. */
static enum mcq_endpoint_fault parse_udp(struct mcq_bytes text, enum mcq_endpoint_use use,
                                         struct mcq_endpoint *endpoint)
{
    size_t mark = find(text, ";");

    if (mark == 0)
        return MCQ_ENDPOINT_EMPTY_SOURCE;
    if (mark < text.len) {
        endpoint->source = mcq_bytes(text.data, mark);
        mcq_bytes_skip(&text, mark + 1);
    }
    return parse_host_port(text, use, endpoint);
}

static enum mcq_endpoint_fault parse_ipc(struct mcq_bytes text, enum mcq_endpoint_use use,
                                         struct mcq_endpoint *endpoint)
{
    if (is_any(text))
        return use == MCQ_ENDPOINT_CONNECT ? MCQ_ENDPOINT_ANY_PATH_TO_CONNECT : MCQ_ENDPOINT_GOOD;
    if (mcq_bytes_equal(text, mcq_bytes_of("@")))
        return MCQ_ENDPOINT_NO_NAME;
    if (text.len > MCQ_IPC_PATH_MAX)
        return MCQ_ENDPOINT_LONG_PATH;
    if (memchr(text.data, '\0', text.len) != NULL)
        return MCQ_ENDPOINT_BAD_PATH;
    endpoint->path = text;
    return MCQ_ENDPOINT_GOOD;
}

/* Any octets are a name. */
static enum mcq_endpoint_fault parse_inproc(struct mcq_bytes text, enum mcq_endpoint_use use,
                                            struct mcq_endpoint *endpoint)
{
    (void) text;
    (void) use;
    (void) endpoint;
    return MCQ_ENDPOINT_GOOD;
}

struct scheme_row {
    const char *prefix;
    enum mcq_scheme scheme;
    enum mcq_endpoint_fault (*parse)(struct mcq_bytes text, enum mcq_endpoint_use use,
                                     struct mcq_endpoint *endpoint);
};

static const struct scheme_row scheme_table[] = {
    {"tcp", MCQ_SCHEME_TCP, parse_tcp},
    {"ipc", MCQ_SCHEME_IPC, parse_ipc},
    {"inproc", MCQ_SCHEME_INPROC, parse_inproc},
    {"udp", MCQ_SCHEME_UDP, parse_udp},
};

bool mcq_endpoint_is_udp(struct mcq_bytes text)
{
    const struct mcq_bytes prefix = mcq_bytes_of("udp://");

    return text.len > prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

enum mcq_endpoint_fault mcq_endpoint_parse_peer(struct mcq_bytes text,
                                                struct mcq_endpoint *endpoint)
{
    struct mcq_endpoint found = {.scheme = MCQ_SCHEME_TCP};
    enum mcq_endpoint_fault fault = parse_host_port(text, MCQ_ENDPOINT_CONNECT, &found);

    if (fault == MCQ_ENDPOINT_GOOD)
        *endpoint = found;
    return fault;
}

bool mcq_endpoint_source(const struct mcq_endpoint *endpoint, struct mcq_endpoint *source)
{
    *source = (struct mcq_endpoint) {.scheme = endpoint->scheme};
    return endpoint->source.len > 0 &&
           parse_host_port(endpoint->source, MCQ_ENDPOINT_BIND, source) == MCQ_ENDPOINT_GOOD;
}

enum mcq_endpoint_fault mcq_endpoint_parse(struct mcq_bytes text, enum mcq_endpoint_use use,
                                           struct mcq_endpoint *endpoint)
{
    size_t mark = find(text, "://");
    struct mcq_endpoint found = {0};

    if (mark == text.len || mark == 0)
        return MCQ_ENDPOINT_NO_SCHEME;
    for (size_t i = 0; i < MCQ_COUNTOF(scheme_table); i++) {
        if (!mcq_bytes_equal(mcq_bytes(text.data, mark), mcq_bytes_of(scheme_table[i].prefix)))
            continue;

        enum mcq_endpoint_fault fault = MCQ_ENDPOINT_NO_ADDRESS;

        found.scheme = scheme_table[i].scheme;
        mcq_bytes_skip(&text, mark + strlen("://"));
        if (text.len > 0)
            fault = scheme_table[i].parse(text, use, &found);
        if (fault == MCQ_ENDPOINT_GOOD)
            *endpoint = found;
        return fault;
    }
    return MCQ_ENDPOINT_UNKNOWN_SCHEME;
}

const char *mcq_endpoint_fault_text(enum mcq_endpoint_fault fault)
{
    return (size_t) fault < MCQ_COUNTOF(fault_table) ? fault_table[fault] : "it is unknown why";
}
