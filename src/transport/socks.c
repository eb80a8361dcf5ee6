#include "transport/socks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "arena/alloc.h"

#define VERSION 5
#define LOGIN_VERSION 1

enum method {
    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
};

enum address_type {
    TYPE_IPV4 = 1,
    TYPE_NAME = 3,
    TYPE_IPV6 = 4,
};

enum reply {
    REPLY_GRANTED = 0,
    REPLY_DENIED = 2,
    REPLY_REFUSED = 5,
};

enum state {
    STATE_METHOD,
    STATE_LOGIN,
    STATE_CONNECT,
    STATE_DONE,
};

#define PAIR_BYTES 2  /* of the answers but the last one */
#define REPLY_BYTES 5 /* of the last one, up to where it says how long it is */
#define COMMAND_CONNECT 1

/* --- proxies ---------------------------------------------------------------------------------- */

struct mcq_socks_proxy {
    _Atomic uint32_t ref_count;
    uint8_t lens[MCQ_PROXY_PARTS];
    char texts[MCQ_PROXY_PARTS][MCQ_PROXY_TEXT_MAX + 1];
};

enum mcq_err mcq_proxy_set(struct mcq_socks_proxy **proxy, enum mcq_proxy_part part,
                           struct mcq_bytes text)
{
    struct mcq_socks_proxy *made = mcq_alloc(sizeof *made);

    mcq_assert(text.len <= MCQ_PROXY_TEXT_MAX);
    if (made == NULL)
        return MCQ_NOMEM;
    if (*proxy != NULL)
        memcpy(made, *proxy, sizeof *made);
    else
        memset(made, 0, sizeof *made);
    atomic_init(&made->ref_count, 1);
    *mcq_put_bytes((uint8_t *) made->texts[part], text) = '\0';
    made->lens[part] = (uint8_t) text.len;
    mcq_proxy_unref(proxy);
    *proxy = made;
    return MCQ_OK;
}

struct mcq_bytes mcq_proxy_get(const struct mcq_socks_proxy *proxy, enum mcq_proxy_part part)
{
    return proxy != NULL ? mcq_bytes(proxy->texts[part], proxy->lens[part]) : mcq_bytes("", 0);
}

struct mcq_socks_proxy *mcq_proxy_ref(struct mcq_socks_proxy *proxy)
{
    if (proxy != NULL)
        atomic_fetch_add_explicit(&proxy->ref_count, 1, memory_order_relaxed);
    return proxy;
}

/* Release: what this thread read of it is before the free; acquire: the free is after that. */
void mcq_proxy_unref(struct mcq_socks_proxy **proxy)
{
    struct mcq_socks_proxy *old = *proxy;

    *proxy = NULL;
    if (old == NULL || atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) != 1)
        return;
    mcq_wipe(old, sizeof *old);
    mcq_free(old);
}

/* --- what we say ------------------------------------------------------------------------------ */

static bool has_login(const struct mcq_socks *socks)
{
    return mcq_proxy_get(socks->proxy, MCQ_PROXY_USERNAME).len > 0;
}

static void say(struct mcq_socks *socks, const uint8_t *end)
{
    socks->out_len = (uint16_t) (end - socks->out);
    socks->out_sent = 0;
    socks->in_len = 0;
}

static void say_method(struct mcq_socks *socks)
{
    uint8_t *at = socks->out;

    at = mcq_put_u8(at, VERSION);
    at = mcq_put_u8(at, 1); /* methods */
    at = mcq_put_u8(at, has_login(socks) ? METHOD_PASSWORD : METHOD_NONE);
    say(socks, at);
    socks->state = STATE_METHOD;
}

static void say_login(struct mcq_socks *socks)
{
    struct mcq_bytes username = mcq_proxy_get(socks->proxy, MCQ_PROXY_USERNAME);
    struct mcq_bytes password = mcq_proxy_get(socks->proxy, MCQ_PROXY_PASSWORD);
    uint8_t *at = socks->out;

    at = mcq_put_u8(at, LOGIN_VERSION);
    at = mcq_put_u8(at, (uint8_t) username.len);
    at = mcq_put_bytes(at, username);
    at = mcq_put_u8(at, (uint8_t) password.len);
    at = mcq_put_bytes(at, password);
    say(socks, at);
    socks->state = STATE_LOGIN;
}

static uint8_t *put_host(uint8_t *at, struct mcq_bytes host)
{
    char text[MCQ_PROXY_TEXT_MAX + 1] = {0};
    struct in6_addr v6;
    struct in_addr v4;

    memcpy(text, host.data, host.len);
    if (inet_pton(AF_INET, text, &v4) == 1) {
        at = mcq_put_u8(at, TYPE_IPV4);
        return mcq_put_bytes(at, mcq_bytes(&v4, sizeof v4));
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        at = mcq_put_u8(at, TYPE_IPV6);
        return mcq_put_bytes(at, mcq_bytes(&v6, sizeof v6));
    }
    at = mcq_put_u8(at, TYPE_NAME);
    at = mcq_put_u8(at, (uint8_t) host.len);
    return mcq_put_bytes(at, host);
}

static void say_connect(struct mcq_socks *socks)
{
    uint8_t *at = socks->out;

    at = mcq_put_u8(at, VERSION);
    at = mcq_put_u8(at, COMMAND_CONNECT);
    at = mcq_put_u8(at, 0); /* reserved */
    at = put_host(at, socks->host);
    at = mcq_put_u16be(at, socks->port);
    say(socks, at);
    socks->state = STATE_CONNECT;
}

/* --- what the server says --------------------------------------------------------------------- */

/* Octets of the answer that is due, as far as is known by now. */
static size_t answer_bytes(const struct mcq_socks *socks)
{
    if (socks->state == STATE_DONE)
        return 0;
    if (socks->state != STATE_CONNECT)
        return PAIR_BYTES;
    if (socks->in_len < REPLY_BYTES)
        return REPLY_BYTES;
    switch (socks->in[3]) { /* before the address, and behind it the port */
    case TYPE_IPV4: return 4 + sizeof(struct in_addr) + 2;
    case TYPE_IPV6: return 4 + sizeof(struct in6_addr) + 2;
    default: return 4 + 1 + (size_t) socks->in[4] + 2; /* a name */
    }
}

static enum mcq_err read_method(struct mcq_socks *socks)
{
    if (socks->in[0] != VERSION)
        return MCQ_PROTO;
    if (socks->in[1] == METHOD_PASSWORD && has_login(socks))
        say_login(socks);
    else if (socks->in[1] == METHOD_NONE && !has_login(socks))
        say_connect(socks);
    else
        return MCQ_PROTO;
    return MCQ_AGAIN;
}

static enum mcq_err read_login(struct mcq_socks *socks)
{
    if (socks->in[0] != LOGIN_VERSION || socks->in[1] != REPLY_GRANTED)
        return MCQ_PROTO;
    say_connect(socks);
    return MCQ_AGAIN;
}

/* As soon as the octets are there that tell: how long the rest is says the fourth one. */
static enum mcq_err read_reply(struct mcq_socks *socks)
{
    const uint8_t type = socks->in[3];

    if (socks->in[0] != VERSION)
        return MCQ_PROTO;
    switch (socks->in[1]) {
    case REPLY_GRANTED: break;
    case REPLY_DENIED: return MCQ_PROTO;
    case REPLY_REFUSED: return MCQ_REFUSED;
    default: return MCQ_CLOSED;
    }
    if (socks->in[2] != 0 || (type != TYPE_IPV4 && type != TYPE_IPV6 && type != TYPE_NAME))
        return MCQ_PROTO;
    if (socks->in_len < answer_bytes(socks))
        return MCQ_AGAIN;
    socks->state = STATE_DONE;
    return MCQ_OK;
}

/* --- the face --------------------------------------------------------------------------------- */

void mcq_socks_init(struct mcq_socks *socks, const struct mcq_socks_proxy *proxy,
                    struct mcq_bytes host, uint16_t port)
{
    mcq_assert(host.len > 0 && host.len <= MCQ_PROXY_TEXT_MAX);
    *socks = (struct mcq_socks) {.proxy = proxy, .host = host, .port = port};
    say_method(socks);
}

void mcq_socks_fini(struct mcq_socks *socks)
{
    mcq_wipe(socks, sizeof *socks);
}

struct mcq_bytes mcq_socks_want(const struct mcq_socks *socks)
{
    return mcq_bytes(socks->out + socks->out_sent, (size_t) (socks->out_len - socks->out_sent));
}

void mcq_socks_sent(struct mcq_socks *socks, size_t len)
{
    mcq_assert(len <= mcq_socks_want(socks).len);
    socks->out_sent = (uint16_t) (socks->out_sent + len);
}

size_t mcq_socks_room(const struct mcq_socks *socks)
{
    return answer_bytes(socks) - (socks->state == STATE_DONE ? 0 : socks->in_len);
}

enum mcq_err mcq_socks_feed(struct mcq_socks *socks, struct mcq_bytes in)
{
    mcq_assert(in.len <= mcq_socks_room(socks));
    mcq_assert(mcq_socks_want(socks).len == 0);
    (void) mcq_put_bytes(socks->in + socks->in_len, in);
    socks->in_len = (uint16_t) (socks->in_len + in.len);
    if (socks->in_len < (socks->state == STATE_CONNECT ? REPLY_BYTES : PAIR_BYTES))
        return MCQ_AGAIN;
    switch (socks->state) {
    case STATE_METHOD: return read_method(socks);
    case STATE_LOGIN: return read_login(socks);
    case STATE_CONNECT: return read_reply(socks);
    default: return MCQ_OK;
    }
}
