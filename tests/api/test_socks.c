/* Connections through a SOCKS5 proxy, which each test plays itself. */
#include <poll.h>

#include "api/test_support.h"

/* What the proxy does with those who come, one after the other. */
struct proxy {
    int listener;
    char address[32];
    char target[ENDPOINT_BYTES]; /* "tcp://..." to which it makes ways, whatever it is asked for */
    const char *login; /* what the login has to be, "\1\2me\6secret"; NULL: none is wanted */
    int reply;         /* to requests */
    bool is_mute;      /* says nothing at all */
    const char *asked; /* how a request must go on behind "\5\1\0"; NULL: anyhow */
    size_t asked_len;
    _Atomic int count; /* of those who came */
    _Atomic bool is_over;
    struct helper helper;
};

static int dial(const char *endpoint)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    if (connect(fd, (struct sockaddr *) &in, sizeof in) == 0)
        return fd;
    (void) close(fd);
    return -1;
}

static bool reads(int fd, void *room, size_t len)
{
    return recv(fd, room, len, MSG_WAITALL) == (ssize_t) len;
}

static bool writes(int fd, const void *octets, size_t len)
{
    return send(fd, octets, len, MSG_NOSIGNAL) == (ssize_t) len;
}

/* Both ways until one end goes or the test is over. */
static void pass_on(struct proxy *proxy, int one, int other)
{
    struct pollfd fds[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
    char room[4096];

    while (!atomic_load(&proxy->is_over)) {
        if (poll(fds, 2, 10) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents == 0)
                continue;
            ssize_t len = recv(fds[i].fd, room, sizeof room, 0);

            if (len <= 0 || !writes(fds[1 - i].fd, room, (size_t) len))
                return;
        }
    }
}

/* false: the guest did not say what it should. */
static bool begin(const struct proxy *proxy, int fd)
{
    const char method = proxy->login != NULL ? 2 : 0;
    char room[600];
    size_t len;

    if (!reads(fd, room, 3) || room[0] != 5 || room[1] != 1)
        return true; /* it went, or is no client of SOCKS5 */
    if (room[2] != method)
        return writes(fd, "\5\xff", 2);
    if (!writes(fd, (const char[]) {5, method}, 2))
        return true;
    if (proxy->login == NULL)
        return true;
    len = strlen(proxy->login);
    if (!reads(fd, room, len))
        return true;
    return writes(fd, memcmp(room, proxy->login, len) == 0 ? "\1\0" : "\1\1", 2);
}

/* The request, whatever its form. 0: none came. */
static size_t read_request(int fd, uint8_t room[300])
{
    size_t rest;

    if (!reads(fd, room, 5))
        return 0;
    rest = room[3] == 1 ? 3 + 2 : room[3] == 4 ? 15 + 2 : (size_t) room[4] + 2;
    return reads(fd, room + 5, rest) ? 5 + rest : 0;
}

static bool serve(struct proxy *proxy, int fd)
{
    uint8_t room[300];
    char answer[] = "\5\0\0\1\x7f\0\0\1\0\0";
    size_t len;
    int way;

    if (!begin(proxy, fd))
        return false;
    len = read_request(fd, room);
    if (len == 0)
        return true;
    if (proxy->asked != NULL &&
        (len != 3 + proxy->asked_len || memcmp(room + 3, proxy->asked, proxy->asked_len) != 0))
        return false;
    answer[1] = (char) proxy->reply;
    way = proxy->reply == 0 ? dial(proxy->target) : -1;
    if (writes(fd, answer, 10) && way >= 0)
        pass_on(proxy, fd, way);
    if (way >= 0)
        (void) close(way);
    return true;
}

static int run_proxy(void *argument)
{
    struct proxy *proxy = argument;
    struct pollfd fds[] = {{proxy->listener, POLLIN, 0}};

    while (!atomic_load(&proxy->is_over)) {
        if (poll(fds, 1, 10) <= 0)
            continue;
        int fd = accept(proxy->listener, NULL, NULL);
        const struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
        char octet;

        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        atomic_fetch_add(&proxy->count, 1);
        if (proxy->is_mute) /* until the guest goes */
            while (recv(fd, &octet, 1, 0) > 0)
                continue;
        else if (!serve(proxy, fd))
            return -1;
        (void) close(fd);
    }
    return 0;
}

static void start_proxy(struct proxy *proxy)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;

    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *) &in, len), 0);
    assert_int_equal(listen(proxy->listener, 64), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *) &in, &len), 0);
    (void) snprintf(proxy->address, sizeof proxy->address, "127.0.0.1:%d", ntohs(in.sin_port));
    start_helper(&proxy->helper, run_proxy, proxy);
}

static void stop_proxy(struct proxy *proxy)
{
    atomic_store(&proxy->is_over, true);
    join_helper(&proxy->helper);
    assert_int_equal(proxy->helper.result, 0);
    assert_int_equal(close(proxy->listener), 0);
}

static void set_text(struct mcq_socket *socket, enum mcq_option option, const char *text)
{
    assert_works(mcq_set_bytes(socket, option, text, strlen(text)));
}

static void await_count(struct proxy *proxy, int count)
{
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until;) {
        if (atomic_load(&proxy->count) >= count)
            return;
        if (inline_context != NULL)
            assert_works(mcq_ctx_run(inline_context, 1));
        else
            (void) sched_yield();
    }
    fail_msg("nobody came to the proxy");
}

/* PUSH through the proxy to PULL. */
struct tunnel {
    struct mcq_socket *pull;
    struct mcq_socket *push;
    char endpoint[ENDPOINT_BYTES];
};

static struct tunnel open_tunnel(struct world *world, struct proxy *proxy)
{
    struct tunnel tunnel = {.pull = open_socket(world, MCQ_PULL)};

    tunnel.push = open_socket(world, MCQ_PUSH);
    bind_somewhere(tunnel.pull, tunnel.endpoint);
    memcpy(proxy->target, tunnel.endpoint, sizeof proxy->target);
    start_proxy(proxy);
    set_text(tunnel.push, MCQ_OPT_SOCKS_PROXY, proxy->address);
    assert_works(mcq_set(tunnel.push, MCQ_OPT_RECONNECT_IVL, 1));
    assert_works(mcq_set(tunnel.push, MCQ_OPT_LINGER, 0));
    return tunnel;
}

/* --- what works ------------------------------------------------------------------------------- */

static void tunnel__names_are_the_proxys_to_look_up(void)
{
    static const char request[] = "\3\x14no.such.host.invalid\x15\xb3";
    struct proxy proxy = {.asked = request, .asked_len = sizeof request - 1};
    char last[ENDPOINT_BYTES];
    size_t len = sizeof last;
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    assert_works(mcq_connect(tunnel.push, "tcp://no.such.host.invalid:5555"));
    assert_works(mcq_get_bytes(tunnel.push, MCQ_OPT_LAST_ENDPOINT, last, &len));
    assert_string_equal(last, "tcp://no.such.host.invalid:5555");
    for (int i = 0; i < 100; i++) {
        send_text(tunnel.push, "hello", 0);
        expect_text(tunnel.pull, "hello");
    }
    assert_works(mcq_disconnect(tunnel.push, "tcp://no.such.host.invalid:5555"));
    end_world(&world);
    stop_proxy(&proxy);
}

static void tunnel__addresses_go_as_numbers(void)
{
    static const char request[] = "\1\x0a\1\2\3\x15\xb3";
    struct proxy proxy = {.asked = request, .asked_len = sizeof request - 1};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    assert_works(mcq_connect(tunnel.push, "tcp://127.0.0.1:0;10.1.2.3:5555"));
    send_text(tunnel.push, "hello", 0);
    expect_text(tunnel.pull, "hello");
    end_world(&world);
    stop_proxy(&proxy);
}

static void tunnel__with_a_password(void)
{
    struct proxy proxy = {.login = "\1\2me\6secret"};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    set_text(tunnel.push, MCQ_OPT_SOCKS_USERNAME, "me");
    set_text(tunnel.push, MCQ_OPT_SOCKS_PASSWORD, "secret");
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    send_text(tunnel.push, "hello", 0);
    expect_text(tunnel.pull, "hello");
    end_world(&world);
    stop_proxy(&proxy);
}

/* The proxy itself may be a name; ipc does not ask it. */
static void tunnel__proxy_by_name_and_none_for_ipc(void)
{
    struct proxy proxy = {0};
    struct world world;
    char named[64];
    char local[ENDPOINT_BYTES];

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    (void) snprintf(named, sizeof named, "localhost%s", strrchr(proxy.address, ':'));
    (void) snprintf(local, sizeof local, "ipc://@mcq-socks-%ld", (long) getpid());
    set_text(tunnel.push, MCQ_OPT_SOCKS_PROXY, named);
    assert_works(mcq_bind(tunnel.pull, local));
    assert_works(mcq_connect(tunnel.push, local));
    send_text(tunnel.push, "local", 0);
    expect_text(tunnel.pull, "local");
    assert_int_equal(atomic_load(&proxy.count), 0);
    assert_works(mcq_disconnect(tunnel.push, local));
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    send_text(tunnel.push, "hello", 0);
    expect_text(tunnel.pull, "hello");
    end_world(&world);
    stop_proxy(&proxy);
}

/* --- what does not ---------------------------------------------------------------------------- */

static void tunnel__refused__comes_again_or_gives_up(void)
{
    struct proxy proxy = {.reply = 5};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    await_count(&proxy, 3);
    assert_works(mcq_disconnect(tunnel.push, "tcp://somewhere:5555"));
    assert_works(mcq_set(tunnel.push, MCQ_OPT_SNDHWM, 0));
    assert_works(mcq_set(tunnel.push, MCQ_OPT_RECONNECT_STOP, 1));
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield())
        if (mcq_send(tunnel.push, "x", 1, MCQ_DONTWAIT) != 0)
            break;
    assert_fails(mcq_send(tunnel.push, "x", 1, MCQ_DONTWAIT), EAGAIN);
    end_world(&world);
    stop_proxy(&proxy);
}

static void tunnel__a_password_that_is_wrong__delivers_nothing(void)
{
    struct proxy proxy = {.login = "\1\2me\6secret"};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    set_text(tunnel.push, MCQ_OPT_SOCKS_USERNAME, "me");
    set_text(tunnel.push, MCQ_OPT_SOCKS_PASSWORD, "sEcret");
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    await_count(&proxy, 2); /* not before a second has passed */
    assert_fails(mcq_wait_peers(tunnel.push, 1, 0), EAGAIN);
    end_world(&world);
    stop_proxy(&proxy);
}

static void tunnel__silent_proxy__has_as_long_as_a_peer(void)
{
    struct proxy proxy = {.is_mute = true};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    assert_works(mcq_set(tunnel.push, MCQ_OPT_CONNECT_TIMEOUT, 20));
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    await_count(&proxy, 3);
    end_world(&world);
    stop_proxy(&proxy);
}

/* It ends while the proxy is asked, and leaves nothing. */
static void tunnel__closed_on_the_way(void)
{
    struct proxy proxy = {.is_mute = true};
    struct world world;

    begin_world(&world);
    struct tunnel tunnel = open_tunnel(&world, &proxy);

    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5555"));
    await_count(&proxy, 1);
    assert_works(mcq_disconnect(tunnel.push, "tcp://somewhere:5555"));
    assert_works(mcq_connect(tunnel.push, "tcp://somewhere:5556"));
    await_count(&proxy, 2);
    end_world(&world);
    stop_proxy(&proxy);
}

static void options__that_cannot_be(void)
{
    struct world world;
    char back[300];
    size_t len = sizeof back;

    begin_world(&world);
    struct mcq_socket *push = open_socket(&world, MCQ_PUSH);

    assert_says(mcq_set_bytes(push, MCQ_OPT_SOCKS_PROXY, "nowhere", 7), EINVAL,
                "set SOCKS_PROXY to nowhere: the address is written HOST:PORT");
    assert_says(mcq_set_bytes(push, MCQ_OPT_SOCKS_PROXY, "*:1", 3), EINVAL,
                "set SOCKS_PROXY to *:1: '*' is for binding; name the host to connect to");
    set_text(push, MCQ_OPT_SOCKS_PROXY, "[::1]:1080");
    assert_says(mcq_connect(push, "tcp://somewhere:5555"), EINVAL,
                "connect tcp://somewhere:5555: SOCKS_PROXY is no address of a family that is "
                "looked for; set IPV6");
    assert_works(mcq_get_bytes(push, MCQ_OPT_SOCKS_PROXY, back, &len));
    assert_int_equal(len, 11);
    assert_string_equal(back, "[::1]:1080");
    set_text(push, MCQ_OPT_SOCKS_PROXY, "");
    set_text(push, MCQ_OPT_SOCKS_USERNAME, "me");
    len = sizeof back;
    assert_works(mcq_get_bytes(push, MCQ_OPT_SOCKS_PROXY, back, &len));
    assert_int_equal(len, 1);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(tunnel__names_are_the_proxys_to_look_up)                                                     \
    X(tunnel__addresses_go_as_numbers)                                                             \
    X(tunnel__with_a_password)                                                                     \
    X(tunnel__proxy_by_name_and_none_for_ipc)                                                      \
    X(tunnel__refused__comes_again_or_gives_up)                                                    \
    X(tunnel__a_password_that_is_wrong__delivers_nothing)                                          \
    X(tunnel__silent_proxy__has_as_long_as_a_peer)                                                 \
    X(tunnel__closed_on_the_way)                                                                   \
    X(options__that_cannot_be)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.socks");
}
