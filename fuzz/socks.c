/*
 * A conversation with a SOCKS5 proxy that says anything.
 *
 * Oracle: what the proxy says, read at once by a reader that sees all of it, decides how the
 * conversation ends, after how many octets, and what the client has said by then; the client must
 * come to the same with any cuts, and take no octet beyond. The first choice: the form of the
 * peer's address and whether there is a login; the second: how it is cut.
 */

#include "transport/socks.h"
#include "calls.h"

#define SAID_MAX 1024

static const char *const hosts[] = {"192.0.2.1", "2001:db8::1", "example.org", "a"};
static const uint8_t host_octets[][20] = {
    {1, 192, 0, 2, 1},
    {4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
    {3, 11, 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g'},
    {3, 1, 'a'},
};
static const size_t host_lens[] = {5, 17, 13, 3};

static const char login[] = "\1\2me\6secret";

/* --- the slow reader -------------------------------------------------------------------------- */

struct outcome {
    enum mcq_err err; /* AGAIN: the proxy stopped in the middle */
    size_t taken;
    uint8_t said[SAID_MAX];
    size_t said_len;
};

static void say(struct outcome *outcome, const void *octets, size_t len)
{
    memcpy(outcome->said + outcome->said_len, octets, len);
    outcome->said_len += len;
}

static struct outcome end(struct outcome outcome, size_t taken, enum mcq_err err)
{
    outcome.taken = taken;
    outcome.err = err;
    return outcome;
}

static enum mcq_err verdict(const uint8_t *reply)
{
    if (reply[0] != 5 || reply[1] == 2)
        return MCQ_PROTO;
    if (reply[1] != 0)
        return reply[1] == 5 ? MCQ_REFUSED : MCQ_CLOSED;
    return reply[2] == 0 && (reply[3] == 1 || reply[3] == 3 || reply[3] == 4) ? MCQ_OK : MCQ_PROTO;
}

static struct outcome read_all(struct mcq_bytes server, unsigned host, bool has_login)
{
    struct outcome outcome = {0};
    const uint8_t *reply;
    size_t at = 2, len;

    say(&outcome, has_login ? "\5\1\2" : "\5\1", 3);
    if (server.len < 2)
        return end(outcome, server.len, MCQ_AGAIN);
    if (server.data[0] != 5 || server.data[1] != (has_login ? 2 : 0))
        return end(outcome, 2, MCQ_PROTO);
    if (has_login) {
        say(&outcome, login, sizeof login - 1);
        if (server.len < 4)
            return end(outcome, server.len, MCQ_AGAIN);
        if (server.data[2] != 1 || server.data[3] != 0)
            return end(outcome, 4, MCQ_PROTO);
        at = 4;
    }
    say(&outcome, "\5\1", 3);
    say(&outcome, host_octets[host], host_lens[host]);
    say(&outcome, "\x15\xb3", 2);
    if (server.len < at + 5)
        return end(outcome, server.len, MCQ_AGAIN);
    reply = server.data + at;
    if (verdict(reply) != MCQ_OK)
        return end(outcome, at + 5, verdict(reply));
    len = reply[3] == 1 ? 10u : reply[3] == 4 ? 22u : 7u + reply[4];
    if (server.len < at + len)
        return end(outcome, server.len, MCQ_AGAIN);
    return end(outcome, at + len, MCQ_OK);
}

/* --- the client ------------------------------------------------------------------------------- */

/* Some octets, at least one; the state makes the cuts. */
static size_t cut(size_t most, uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return 1 + (*state >> 16) % most;
}

static struct outcome converse(struct mcq_bytes server, unsigned host,
                               const struct mcq_socks_proxy *proxy, uint32_t state)
{
    struct outcome outcome = {.err = MCQ_AGAIN};
    struct mcq_socks socks;

    mcq_socks_init(&socks, proxy, mcq_bytes_of(hosts[host]), 0x15b3);
    while (outcome.err == MCQ_AGAIN) {
        struct mcq_bytes want = mcq_socks_want(&socks);
        size_t left = server.len - outcome.taken;

        if (want.len > 0) {
            want.len = cut(want.len, &state);
            if (outcome.said_len + want.len > sizeof outcome.said)
                fuzz_fail("it says more than it can have to say");
            say(&outcome, want.data, want.len);
            mcq_socks_sent(&socks, want.len);
            continue;
        }
        if (mcq_socks_room(&socks) == 0)
            fuzz_fail("it waits for nothing");
        if (left == 0)
            break;
        left = cut(mcq_min_size(left, mcq_socks_room(&socks)), &state);
        /* A copy of its very size, so that a sanitizer sees a read beyond it. */
        struct mcq_bytes piece = mcq_bytes(server.data + outcome.taken, left);
        uint8_t *copy = fuzz_copy(piece);

        outcome.err = mcq_socks_feed(&socks, mcq_bytes(copy, left));
        outcome.taken += left;
        free(copy);
    }
    if (outcome.err == MCQ_OK)
        calls_same(mcq_socks_room(&socks), 0, "nothing more is the proxy's");
    mcq_socks_fini(&socks);
    return outcome;
}

static void fuzz_one(const struct fuzz_input *input)
{
    unsigned host = input->choice[0] & 3;
    bool has_login = input->choice[0] & 4;
    struct mcq_socks_proxy *proxy = NULL;

    if (has_login && (mcq_proxy_set(&proxy, MCQ_PROXY_USERNAME, mcq_bytes_of("me")) != MCQ_OK ||
                      mcq_proxy_set(&proxy, MCQ_PROXY_PASSWORD, mcq_bytes_of("secret")) != MCQ_OK))
        fuzz_fail("no memory");

    struct outcome expected = read_all(input->octets, host, has_login);
    struct outcome got = converse(input->octets, host, proxy, input->choice[1]);

    calls_same(got.err, expected.err, "how it ended");
    calls_same(got.taken, expected.taken, "octets taken");
    calls_same_bytes(mcq_bytes(got.said, got.said_len), mcq_bytes(expected.said, expected.said_len),
                     "what it said");
    mcq_proxy_unref(&proxy);
}
